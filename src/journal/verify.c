/*
 * Walks over all segments with the scanner that sinks use, so what it counts is what they get. It
 * takes no lock and writes nothing; a segment that goes away meanwhile was trimmed, and is left
 * out.
 *
 * Records count for the newest segment that may hold their number, as for sinks: what a segment
 * that was given up still contains beyond the begin of the next one is not counted.
 */
#include "journal/verify.h"

#include "base/limits.h"
#include "base/mem.h"
#include "journal/segfile.h"
#include "journal/spool.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK KIB(256)

struct file {
    uint64_t generation, bytes;
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
    uint64_t next_seq; /* the number that should come */
};

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

static int read_headers(struct walk *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct file *f = &w->files[i];
        char name[SEGMENT_NAME_LEN + 1], head[SEGMENT_HEADER_SIZE];
        size_t got = 0;
        int file = w->disk->ops->open(w->disk, segment_name(f->generation, name), DISK_READ);

        f->header_rc = file;
        if (file < 0)
            continue;
        f->header_rc = w->disk->ops->read(w->disk, file, head, sizeof(head), 0, &got);
        w->disk->ops->close(w->disk, file);
        if (f->header_rc == 0)
            f->header_rc = segment_read_header(str_from(head, got), &f->header, NULL);
        if (f->header_rc == ERR_VERSION)
            return ERR_VERSION;
        if (f->header_rc == 0 && f->header.id.generation != f->generation)
            f->header_rc = ERR_STALE;
    }
    return 0;
}

static int find_id(struct walk *w)
{
    struct slot slot;

    if (spool_read_slots(w->disk, SPOOL_ID, &slot) == 0) {
        w->id = (struct segment_id){ slot.journal, slot.a, 0 };
        w->sum->id_ok = true;
        return 0;
    }
    for (size_t i = w->count; i-- > 0;)
        if (w->files[i].header_rc == 0) {
            w->id = w->files[i].header.id;
            return 0;
        }
    return ERR_UNKNOWN;
}

/* The first number of the next segment that says one; UINT64_MAX when none does. */
static uint64_t end_of(const struct walk *w, size_t i)
{
    for (i++; i < w->count; i++)
        if (w->files[i].header_rc == 0 && uuid_eq(&w->files[i].header.id.journal, &w->id.journal))
            return w->files[i].header.first_seq;
    return UINT64_MAX;
}

static void count_record(struct walk *w, struct verify_segment *s, const struct record *r)
{
    if (s->first_seq == 0)
        s->first_seq = r->seq;
    if (w->next_seq > 0 && r->seq > w->next_seq)
        s->missing += r->seq - w->next_seq;
    w->next_seq = r->seq + 1;
    s->last_seq = r->seq;
    s->payload_bytes += r->payload.n;
    if (r->kind == RECORD_GAP)
        s->gaps++;
    if (record_is_data(r))
        s->records++;
}

static int walk_segment(struct walk *w, const struct file *file, uint64_t end_seq,
                        struct verify_segment *s)
{
    struct segment_id id = { w->id.journal, w->id.key, file->generation };
    struct segfile f;
    struct record r;
    bool tell = w->visitor->on_record != NULL;
    int rc;

    segfile_init(&f, w->disk, CHUNK);
    rc = segfile_open(&f, &id, s->first_seq ? s->first_seq : 1);
    while (rc == 0) {
        rc = segfile_next(&f, true, &r);
        if (rc < 0 || r.seq >= end_seq)
            break;
        count_record(w, s, &r);
        if (tell)
            tell = w->visitor->on_record(w->visitor->ctx, &r);
    }
    if (rc == 0 || rc == ERR_MORE) {
        rc = 0;
        s->damages = f.scan.damages;
        s->damaged_bytes = f.scan.damaged_bytes;
        s->unnamed = f.scan.unnamed;
        s->tail_bytes = file->bytes > f.scan.valid_end ? file->bytes - f.scan.valid_end : 0;
    }
    segfile_fini(&f);
    return rc;
}

static void add_up(struct verify_summary *sum, const struct verify_segment *s)
{
    sum->segments++;
    sum->bytes += s->bytes;
    if (s->foreign) {
        sum->foreign++;
        return;
    }
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

static int visit(struct walk *w, size_t i)
{
    const struct file *file = &w->files[i];
    struct verify_segment s = { .generation = file->generation, .bytes = file->bytes };
    uint64_t end_seq = end_of(w, i);
    int rc;

    s.header_ok = file->header_rc == 0;
    if (s.header_ok) {
        s.first_seq = file->header.first_seq;
        s.created_ns = file->header.created_ns;
        s.foreign = !uuid_eq(&file->header.id.journal, &w->id.journal);
    }
    if (!s.foreign && w->next_seq > 0 && s.first_seq > w->next_seq) {
        s.missing += s.first_seq - w->next_seq;
        w->next_seq = s.first_seq;
    }
    if (!s.foreign && w->next_seq == 0)
        w->next_seq = s.first_seq;
    rc = s.foreign ? 0 : walk_segment(w, file, end_seq, &s);
    if (rc == -ENOENT)
        return 0;
    if (rc < 0)
        return rc;
    if (!s.header_ok && s.last_seq == 0)
        s.foreign = true;
    add_up(w->sum, &s);
    if (w->visitor->on_segment)
        w->visitor->on_segment(w->visitor->ctx, &s);
    return 0;
}

static void visit_cursors(struct walk *w)
{
    for (size_t i = 0; i < w->cursor_count && w->visitor->on_cursor; i++) {
        char name[64] = SPOOL_CURSOR;
        struct verify_cursor c = { .seq = 0 };
        struct slot slot;

        memcpy(c.name, w->cursors[i], sizeof(c.name));
        memcpy(name + sizeof(SPOOL_CURSOR) - 1, c.name, sizeof(c.name));
        c.ok =
            spool_read_slots(w->disk, name, &slot) == 0 && uuid_eq(&slot.journal, &w->id.journal);
        if (c.ok)
            c.seq = slot.a;
        w->visitor->on_cursor(w->visitor->ctx, &c);
    }
}

int verify_journal(struct disk *disk, const struct verify_visitor *v, struct verify_summary *out)
{
    struct verify_summary sum = { 0 };
    struct walk w = { .disk = disk, .visitor = v, .sum = &sum };
    int rc = disk->ops->list(disk, on_file, &w);

    if (rc == 0 && w.count > 0)
        qsort(w.files, w.count, sizeof(struct file), older_first);
    if (rc == 0)
        rc = read_headers(&w);
    if (rc == 0)
        rc = find_id(&w);
    sum.journal = w.id.journal;
    for (size_t i = 0; i < w.count && rc == 0; i++)
        rc = visit(&w, i);
    if (rc == 0) {
        visit_cursors(&w);
        *out = sum;
    }
    mem_free(w.files);
    mem_free(w.cursors);
    return rc;
}

bool verify_damaged(const struct verify_summary *s)
{
    return s->damages > 0 || s->missing > 0 || s->unnamed > 0 || s->foreign > 0 ||
           s->damaged_headers > 0 || !s->id_ok;
}
