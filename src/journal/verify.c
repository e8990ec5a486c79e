/*
 * Walks over all segments with the scanner that sinks use, so what it counts is what they get. It
 * takes no lock and writes nothing.
 *
 * Records count for the newest segment that may hold their number, as for sinks: what a segment
 * that was given up still contains beyond the begin of a later one is not counted.
 *
 * A node may run meanwhile. What it removes is no damage: a segment that is gone, or whose file is
 * another's by the time damage was found in it, was behind all sinks. Whoever looks is told that
 * there is a gap, as a reader without a cursor is (journal.h). The newest
 * segment is read up to where it ended at first, since what follows may be half written.
 */
#include "journal/verify.h"

#include "base/limits.h"
#include "base/mem.h"
#include "journal/segfile.h"
#include "journal/spool.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK       KIB(256)
#define NEWEST_LOOK 3 /* times that the newest segment is read before damage in it is believed */
#define LOOKS       10

struct file {
    uint64_t generation, bytes;
    uint64_t first_seq; /* 0: none of ours is in it */
    uint64_t end_seq;   /* its records are those before */
    struct segment_header header;
    int header_rc;
};
struct walk {
    struct disk *disk;
    const struct verify_visitor *visitor;
    struct verify_summary *sum;
    struct segment_id id;
    struct file *files;
    size_t count, cap;
    char (*cursors)[33];
    size_t cursor_count, cursor_cap;
    struct slot said;  /* the journal's own file; all zero when it is lost */
    uint64_t next_seq; /* the number that should come; 0: any */
    bool removed;      /* a segment went away, so numbers before the next one may be missing */
    bool ended;        /* on_record wants no more */
};

/* ---- what is there ---- */

static void on_file(void *ctx, const char *name, uint64_t bytes)
{
    struct walk *w = ctx;
    struct str s = str_of(name), cursor = str_skip(s, sizeof(SPOOL_CURSOR) - 1);
    uint64_t generation;

    if (str_starts(s, STR(SPOOL_CURSOR)) && spool_cursor_name_valid(cursor.p)) {
        if (w->cursor_count == w->cursor_cap) {
            w->cursor_cap = w->cursor_cap ? w->cursor_cap * 2 : 8;
            w->cursors = mem_resize(w->cursors, w->cursor_cap * sizeof(w->cursors[0]));
        }
        memset(w->cursors[w->cursor_count], 0, sizeof(w->cursors[0]));
        memcpy(w->cursors[w->cursor_count++], cursor.p, cursor.n);
    }
    if (segment_parse_name(s, &generation) < 0)
        return;
    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 64;
        w->files = mem_resize(w->files, w->cap * sizeof(struct file));
    }
    w->files[w->count++] = (struct file){ .generation = generation, .bytes = bytes };
}

static int older_first(const void *a, const void *b)
{
    const struct file *x = a, *y = b;

    return x->generation < y->generation ? -1 : x->generation > y->generation;
}

static int cursor_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int read_header(struct walk *w, uint64_t generation, struct segment_header *out)
{
    int rc = segfile_read_header(w->disk, generation, out);

    return rc == 0 && out->id.generation != generation ? ERR_STALE : rc;
}

static int find_id(struct walk *w)
{
    if (w->sum->id_ok) {
        w->id = (struct segment_id){ w->said.journal, w->said.a, 0 };
        return 0;
    }
    for (size_t i = w->count; i-- > 0;)
        if (w->files[i].header_rc == 0) {
            w->id = w->files[i].header.id;
            return 0;
        }
    return ERR_UNKNOWN;
}

static bool is_foreign(const struct walk *w, const struct file *file)
{
    return file->header_rc == 0 && !uuid_eq(&file->header.id.journal, &w->id.journal);
}

/* ---- one file ---- */

static int open_file(struct walk *w, const struct file *file, struct segfile *f)
{
    struct segment_id id = { w->id.journal, w->id.key, file->generation };

    segfile_init(f, w->disk, CHUNK);
    return segfile_open(f, &id, file->first_seq ? file->first_seq : 1);
}

/* The first number in a file without a header of its own; 0: nothing of ours is in it. */
static int first_in(struct walk *w, struct file *file)
{
    struct segfile f;
    struct record r;
    int rc = open_file(w, file, &f);

    f.patience = 1;
    if (rc == 0)
        rc = segfile_next(&f, true, &r);
    if (rc == 0)
        file->first_seq = r.seq;
    segfile_fini(&f);
    return rc == ERR_MORE || rc == -ENOENT ? 0 : rc;
}

/* Which numbers each file holds, as the start of a journal would say (spool_open.c). */
static int find_ranges(struct walk *w)
{
    uint64_t end = UINT64_MAX;

    for (size_t i = 0; i < w->count; i++) {
        struct file *file = &w->files[i];
        int rc = 0;

        if (file->header_rc < 0 && file->header_rc != -ENOENT)
            rc = first_in(w, file);
        if (rc < 0)
            return rc;
        /* It may have been begun between the two looks. */
        if (file->header_rc < 0 && file->first_seq > 0)
            file->header_rc = read_header(w, file->generation, &file->header);
        if (file->header_rc == 0)
            file->first_seq = is_foreign(w, file) ? 0 : file->header.first_seq;
    }
    for (size_t i = w->count; i-- > 0;) {
        w->files[i].end_seq = end;
        if (w->files[i].first_seq > 0 && w->files[i].first_seq < end)
            end = w->files[i].first_seq;
    }
    return 0;
}

/* Where the newest file ends now: what is behind that may be half written when it is read. */
static int settle_newest(struct walk *w, struct file *file)
{
    struct segfile f;
    struct record r;
    int rc = 0;

    for (int look = 0; look < NEWEST_LOOK; look++) {
        bool whole;

        rc = open_file(w, file, &f);
        while (rc == 0)
            rc = segfile_next(&f, true, &r);
        if (rc == ERR_MORE)
            file->end_seq = f.scan.last_seq + 1;
        whole = rc < 0 && rc != ERR_MORE ? true : f.scan.damages == 0 && f.scan.unnamed == 0;
        segfile_fini(&f);
        if (whole)
            break;
    }
    return rc == ERR_MORE || rc == -ENOENT ? 0 : rc;
}

static void tell_record(struct walk *w, const struct record *r)
{
    if (w->visitor->on_record && !w->ended)
        w->ended = !w->visitor->on_record(w->visitor->ctx, r);
}

/* Everything before `seq` that did not come is missing. */
static void note_missing(struct walk *w, struct verify_segment *s, uint64_t seq)
{
    struct record gap = { .kind = RECORD_GAP,
                          .seq = seq - 1,
                          .origin = w->id.journal,
                          .origin_seq = seq - 1,
                          .first = w->next_seq,
                          .payload = w->removed || w->sum->segments == 0 ? STR("dropped")
                                                                         : STR("damaged") };

    if (w->next_seq > 0 && seq > w->next_seq) {
        if (w->removed)
            w->sum->removed += seq - w->next_seq;
        else
            s->missing += seq - w->next_seq;
        tell_record(w, &gap);
    }
    w->removed = false;
    if (seq > w->next_seq)
        w->next_seq = seq;
}

static void count_record(struct walk *w, struct verify_segment *s, const struct record *r)
{
    note_missing(w, s, r->seq);
    if (r->seq >= w->next_seq)
        w->next_seq = r->seq + 1;
    if (s->first_seq == 0)
        s->first_seq = r->seq;
    s->last_seq = r->seq;
    s->payload_bytes += r->payload.n;
    if (r->kind == RECORD_GAP)
        s->gaps++;
    if (record_is_data(r))
        s->records++;
    tell_record(w, r);
}

/* Whether the file under this name is still the one that was begun so. */
static bool is_still_there(struct walk *w, const struct file *file)
{
    struct segment_header now;
    int rc = read_header(w, file->generation, &now);

    return file->header_rc == 0 ? rc == 0 : rc != -ENOENT;
}

static int walk_segment(struct walk *w, const struct file *file, struct verify_segment *s)
{
    struct segfile f;
    struct record r;
    int rc = open_file(w, file, &f);

    while (rc == 0 && !w->ended) {
        rc = segfile_next(&f, true, &r);
        if (rc < 0 || r.seq >= file->end_seq)
            break;
        /* Before anybody is told of a hole. */
        if (w->next_seq > 0 && r.seq > w->next_seq && !is_still_there(w, file))
            rc = -ENOENT;
        else
            count_record(w, s, &r);
    }
    if (rc == 0 || rc == ERR_MORE) {
        rc = 0;
        s->read = true;
        s->damages = f.scan.damages;
        s->damaged_bytes = f.scan.damaged_bytes;
        s->unnamed = f.scan.unnamed;
        s->tail_bytes = file->bytes > f.scan.valid_end ? file->bytes - f.scan.valid_end : 0;
    }
    segfile_fini(&f);
    return rc;
}

/* ---- all of them ---- */

static void add_up(struct verify_summary *sum, const struct verify_segment *s)
{
    sum->segments++;
    sum->bytes += s->bytes;
    if (s->foreign) {
        sum->foreign++;
        return;
    }
    if (s->unbegun)
        return;
    if (sum->first_seq == 0)
        sum->first_seq = s->first_seq;
    if (s->last_seq > sum->last_seq)
        sum->last_seq = s->last_seq;
    sum->records += s->records;
    sum->gaps += s->gaps;
    sum->payload_bytes += s->payload_bytes;
    sum->damages += s->damages;
    sum->damaged_bytes += s->damaged_bytes;
    sum->unnamed += s->unnamed;
    sum->missing += s->missing;
    sum->damaged_headers += !s->header_ok;
}

static bool is_wanted(const struct walk *w, const struct file *file)
{
    const struct verify_visitor *v = w->visitor;

    return file->end_seq > v->from_seq && (v->to_seq == 0 || file->first_seq <= v->to_seq);
}

/* By its header and its neighbours alone. */
static void guess_segment(struct walk *w, const struct file *file, struct verify_segment *s)
{
    if (file->end_seq == UINT64_MAX || file->end_seq <= s->first_seq)
        return;
    s->last_seq = file->end_seq - 1;
    s->records = file->end_seq - s->first_seq;
    w->next_seq = file->end_seq;
}

static int read_segment(struct walk *w, const struct file *file, struct verify_segment *s)
{
    bool ends_early;
    int rc;

    if (w->visitor->headers && !s->newest) {
        guess_segment(w, file, s);
        return 0;
    }
    rc = walk_segment(w, file, s);
    ends_early = file->end_seq != UINT64_MAX && s->last_seq + 1 < file->end_seq;
    if (rc == 0 && (s->damages || s->unnamed || ends_early) && !w->ended &&
        !is_still_there(w, file))
        rc = -ENOENT;
    return rc;
}

static int visit(struct walk *w, size_t i)
{
    const struct file *file = &w->files[i];
    struct verify_segment s = { .generation = file->generation,
                                .bytes = file->bytes,
                                .first_seq = file->first_seq,
                                .header_ok = file->header_rc == 0,
                                .newest = i + 1 == w->count };
    int rc = 0;

    s.created_ns = s.header_ok ? file->header.created_ns : 0;
    s.unbegun = s.newest && !s.header_ok && s.first_seq == 0 && w->said.b < s.generation;
    s.foreign = s.first_seq == 0 && !s.unbegun;
    if (file->header_rc == -ENOENT) {
        w->removed = true;
        return 0;
    }
    if (s.first_seq > 0 && !is_wanted(w, file)) {
        w->next_seq = w->visitor->sink ? w->next_seq : 0;
        return 0;
    }
    if (s.first_seq > 0 && s.first_seq < file->end_seq) {
        note_missing(w, &s, s.first_seq);
        rc = read_segment(w, file, &s);
    }
    if (rc == -ENOENT) {
        w->removed = true;
        return 0;
    }
    if (rc < 0)
        return rc;
    add_up(w->sum, &s);
    if (w->visitor->on_segment)
        w->visitor->on_segment(w->visitor->ctx, &s);
    return 0;
}

static int read_cursor(struct disk *disk, const char *cursor, struct slot *out)
{
    char name[64] = SPOOL_CURSOR;

    memcpy(name + sizeof(SPOOL_CURSOR) - 1, cursor, strlen(cursor) + 1);
    return spool_read_slots(disk, name, out);
}

static void visit_cursors(struct walk *w)
{
    if (w->cursor_count > 0)
        qsort(w->cursors, w->cursor_count, sizeof(w->cursors[0]), cursor_order);
    for (size_t i = 0; i < w->cursor_count; i++) {
        struct verify_cursor c = { .seq = 0 };
        struct slot slot;

        memcpy(c.name, w->cursors[i], sizeof(c.name));
        c.ok = read_cursor(w->disk, c.name, &slot) == 0 && uuid_eq(&slot.journal, &w->id.journal);
        if (c.ok)
            c.seq = slot.a;
        else
            w->sum->damaged_cursors++;
        c.waiting = w->sum->last_seq > c.seq ? w->sum->last_seq - c.seq : 0;
        if (w->visitor->on_cursor)
            w->visitor->on_cursor(w->visitor->ctx, &c);
    }
}

static bool newest_is_gone(const struct walk *w)
{
    return w->said.b > (w->count > 0 ? w->files[w->count - 1].generation : 0);
}

/* The identity, then the files, so that the newest segment that it names is among them; else again, as
 * a listing may miss both what a running node removes and what it begins meanwhile. */
static int list_files(struct walk *w)
{
    int rc, looks = 0;

    do {
        w->count = w->cursor_count = 0;
        w->said = (struct slot){ 0 };
        w->sum->id_ok = spool_read_slots(w->disk, SPOOL_ID, &w->said) == 0;
        rc = w->disk->ops->list(w->disk, on_file, w);
        if (rc == 0 && w->count > 0)
            qsort(w->files, w->count, sizeof(struct file), older_first);
    } while (rc == 0 && newest_is_gone(w) && ++looks < LOOKS);
    return rc;
}

/* What is there, and which numbers each file holds. */
static int look_around(struct walk *w)
{
    int rc = list_files(w);

    for (size_t i = 0; i < w->count && rc == 0; i++) {
        w->files[i].header_rc = read_header(w, w->files[i].generation, &w->files[i].header);
        if (w->files[i].header_rc == ERR_VERSION)
            rc = ERR_VERSION;
    }
    if (rc == 0)
        rc = find_id(w);
    if (rc == 0)
        rc = find_ranges(w);
    if (rc == 0 && w->count > 0 && w->files[w->count - 1].first_seq > 0)
        rc = settle_newest(w, &w->files[w->count - 1]);
    w->sum->journal = w->id.journal;
    if (newest_is_gone(w))
        w->sum->newest_lost = w->said.c ? w->said.c : 1;
    return rc;
}

/* One look. *out_gone: all that was there went away before any of it was read. */
static int look(struct disk *disk, const struct verify_visitor *v, struct verify_summary *sum,
                bool *out_gone)
{
    struct walk w = { .disk = disk, .visitor = v, .sum = sum };
    const uint64_t from = v->sink ? (v->from_seq ? v->from_seq : 1) : 0;
    int rc = look_around(&w);

    w.next_seq = from;
    for (size_t i = 0; i < w.count && rc == 0; i++) {
        rc = visit(&w, i);
        if (w.ended)
            rc = ERR_STOPPED;
    }
    *out_gone = rc == 0 && w.removed && sum->segments == 0 && w.next_seq == from;
    if (rc == 0 && !*out_gone)
        visit_cursors(&w);
    mem_free(w.files);
    mem_free(w.cursors);
    return rc;
}

int verify_journal(struct disk *disk, const struct verify_visitor *v, struct verify_summary *out)
{
    struct verify_summary sum;
    bool gone;
    int rc, looks = 0;

    /* A node whose sinks are faster than we are. */
    do {
        sum = (struct verify_summary){ 0 };
        rc = look(disk, v, &sum, &gone);
    } while (gone && ++looks < LOOKS);
    if (rc == 0 || rc == ERR_STOPPED)
        *out = sum;
    return rc;
}

int verify_cursor_seq(struct disk *disk, const char *name, uint64_t *out_seq)
{
    struct slot slot;
    int rc = spool_cursor_name_valid(name) ? read_cursor(disk, name, &slot) : ERR_VALUE;

    if (rc == -ENOENT)
        return ERR_UNKNOWN;
    if (rc == 0)
        *out_seq = slot.a;
    return rc;
}

bool verify_damaged(const struct verify_summary *s)
{
    return s->damages > 0 || s->missing > 0 || s->unnamed > 0 || s->foreign > 0 ||
           s->damaged_headers > 0 || s->newest_lost > 0 || !s->id_ok;
}
