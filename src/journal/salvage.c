/*
 * The records of all files that salvage_find.c found, merged by number, into a new journal.
 *
 * Identity: the new journal has a uuid of its own, so its numbers mean nothing to anybody yet. A
 * record of the old journal's own becomes one from elsewhere: its origin is the old journal, with
 * the epoch and the number that it had there. The uplink sends that along, and a store that has
 * (journal, epoch, number) drops it.
 *
 * Cursors: a sink's place in the old journal is none in the new one. A hub that never heard of the
 * new journal wants it from number 1 on, and a store reads it from there; were what they have
 * trimmed before, they would be told a loss that is none. So each sink begins again in front of
 * everything, and drops what it has.
 *
 * Losses: numbers that are missing between the oldest segment in its place and the newest number
 * that anything tells of, less what the lowest cursor has passed. Older segments, put aside once,
 * are taken as well, but what is missing between them was told or delivered in its time.
 *
 * Memory: one buffer per file that overlaps with others, and one group of records.
 */
#include "journal/salvage.h"

#include "base/arena.h"
#include "base/limits.h"
#include "base/mem.h"
#include "journal/segfile.h"
#include "journal/spool.h"
#include "journal/verify.h"

#include <errno.h>

#define GROUP_RECORDS 1000
#define GROUP_BYTES   MIB(1)
#define PAYLOAD_MAX   MIB(16)
#define OPEN_MAX      64 /* files that hold the same numbers */
#define QUOTA         (UINT64_C(1) << 60)

/* A part that is being read: its next record, or none any more. */
struct source {
    struct salvage_part *part;
    struct segfile file;
    struct record next;
    uint64_t told; /* bytes */
};
struct run {
    struct salvage_found found;
    const struct salvage_visitor *visitor;
    struct salvage_summary sum;
    struct disk *into;
    struct spool spool;
    struct record group[GROUP_RECORDS];
    struct arena arena;
    size_t count, bytes;
    uint64_t written; /* records of the new journal that were acknowledged */
    struct source *open[OPEN_MAX];
    size_t open_count;
    size_t next_part;
    uint64_t next_seq;   /* of the old journal: what should come; 0: any */
    uint64_t last_epoch; /* the start that wrote the last record of it */
    uint64_t live_from;  /* losses count from here on */
    struct fault *fault;
};

/* ---- the new journal ---- */

static int refuse(struct run *r, const struct record *rec)
{
    struct salvage_lost l = { rec->origin_seq, rec->origin_seq, true };

    r->sum.refused++;
    if (r->visitor->on_lost)
        r->visitor->on_lost(r->visitor->ctx, &l);
    return 0;
}

static int commit(struct run *r, struct record *records, size_t count)
{
    struct journal_entry e = { .records = records, .count = count };

    spool_commit(&r->spool, &e.node);
    if (e.code == 0)
        r->written += count;
    return e.code;
}

static int flush(struct run *r)
{
    int rc = r->count > 0 ? commit(r, r->group, r->count) : 0;

    /* One that may not be refuses all of its entry. */
    if (rc == ERR_VALUE || rc == ERR_LIMIT || rc == ERR_EXISTS) {
        rc = 0;
        for (size_t i = 0; i < r->count && rc == 0; i++) {
            rc = commit(r, &r->group[i], 1);
            if (rc == ERR_VALUE || rc == ERR_LIMIT || rc == ERR_EXISTS)
                rc = refuse(r, &r->group[i]);
        }
    }
    r->count = r->bytes = 0;
    arena_fini(&r->arena);
    if (rc < 0)
        fault_set(r->fault, rc, "cannot write the new journal: %s", err_text(rc));
    return rc;
}

/* The strings are copied, since what they view goes with the next read. */
static int append(struct run *r, const struct record *from)
{
    struct record *to;
    int rc = 0;

    if (r->count == GROUP_RECORDS || r->bytes + from->payload.n > GROUP_BYTES)
        rc = flush(r);
    if (rc < 0)
        return rc;
    to = &r->group[r->count++];
    *to = *from;
    to->seq = 0;
    to->device = arena_dup(&r->arena, from->device);
    to->stream = arena_dup(&r->arena, from->stream);
    to->content_type = arena_dup(&r->arena, from->content_type);
    to->payload = arena_dup(&r->arena, from->payload);
    r->bytes += from->payload.n + 256;
    return 0;
}

/* ---- losses ---- */

/* epoch: of the start of the old journal that is known to be nearest. */
static int lose(struct run *r, uint64_t first, uint64_t last, uint64_t epoch)
{
    struct salvage_lost l = { .first = first > r->live_from ? first : r->live_from, .last = last };
    struct record gap = { .kind = RECORD_GAP,
                          .origin = r->found.journal,
                          .origin_epoch = epoch,
                          .origin_seq = last,
                          .first = l.first,
                          .payload = STR("damaged") };

    if (l.first > l.last)
        return 0;
    r->sum.lost += l.last - l.first + 1;
    r->sum.lost_ranges++;
    if (r->visitor->on_lost)
        r->visitor->on_lost(r->visitor->ctx, &l);
    return append(r, &gap);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* From where on a number that is missing is a loss: behind the lowest cursor, and not before the
 * oldest segment that is in its place. */
static void find_live(struct run *r)
{
    const struct salvage_found *found = &r->found;
    uint64_t oldest = UINT64_MAX, any = UINT64_MAX, cursor = UINT64_MAX;

    for (size_t i = 0; i < found->count; i++) {
        const struct salvage_part *p = &found->parts[i];
        uint64_t first = p->starts ? p->starts : p->file.first_seq;

        if (p->foreign)
            continue;
        any = least(any, first);
        if (p->in_place)
            oldest = least(oldest, first);
    }
    for (size_t i = 0; i < found->cursor_count; i++)
        cursor = least(cursor, found->cursors[i].ok ? found->cursors[i].seq : 0);
    if (oldest == UINT64_MAX)
        oldest = any;
    if (found->cursor_count == 0 || cursor == UINT64_MAX)
        cursor = 0;
    /* What the slowest sink has not had is a loss even where no segment tells of it. */
    r->live_from = cursor > 0 ? cursor + 1 : oldest;
    r->next_seq = r->live_from == UINT64_MAX ? 0 : r->live_from;
}

/* What is known to have been there behind the last record. */
static int lose_tail(struct run *r)
{
    const struct salvage_found *found = &r->found;
    uint64_t known = 0, newest = 0;

    for (size_t i = 0; i < found->cursor_count; i++)
        if (found->cursors[i].ok && found->cursors[i].seq > known)
            known = found->cursors[i].seq;
    for (size_t i = 0; i < found->count; i++)
        if (!found->parts[i].foreign && found->parts[i].file.generation > newest)
            newest = found->parts[i].file.generation;
    if (found->said_generation > newest) {
        r->sum.lost_from = found->said_first;
        known = found->said_first > known ? found->said_first : known;
    }
    if (r->next_seq == 0 || known < r->next_seq)
        return 0;
    return lose(r, r->next_seq, known, r->last_epoch);
}

/* ---- reading ---- */

static void tell_bytes(struct run *r, struct source *s, uint64_t at)
{
    if (at > s->told && r->visitor->on_bytes)
        r->visitor->on_bytes(r->visitor->ctx, at - s->told);
    if (at > s->told)
        s->told = at;
}

/* Whether a record was begun behind the last whole one: its head names a number that may follow. */
static bool is_torn(struct source *s)
{
    char head[FRAME_HEAD_SIZE];
    size_t got = 0;
    struct segfile *f = &s->file;
    uint64_t seq = 0;

    if (f->disk->ops->read(f->disk, f->file, head, sizeof(head), f->scan.valid_end, &got) < 0 ||
        got < sizeof(head) || !frame_plausible(str_from(head, got)))
        return false;
    for (size_t i = 8; i-- > 0;)
        seq = seq << 8 | (unsigned char)head[16 + i];
    return seq == f->scan.next_seq;
}

static void close_source(struct run *r, size_t at)
{
    struct source *s = r->open[at];
    struct salvage_file *file = &s->part->file;

    file->damages = s->file.scan.damages;
    file->damaged_bytes = s->file.scan.damaged_bytes;
    file->unnamed = s->file.scan.unnamed;
    file->torn = s->part->end_seq == UINT64_MAX && !file->unreadable && is_torn(s);
    tell_bytes(r, s, file->bytes);
    r->sum.files++;
    r->sum.bytes += file->bytes;
    segfile_fini(&s->file);
    if (r->visitor->on_file)
        r->visitor->on_file(r->visitor->ctx, file);
    mem_free(s);
    r->open[at] = r->open[--r->open_count];
}

/* Its next record. False at its end: then it is closed, and another one has its place. */
static bool advance(struct run *r, size_t at)
{
    struct source *s = r->open[at];
    int rc = salvage_next(&s->file, &s->next);

    if (rc == 0 && s->next.seq < s->part->end_seq) {
        tell_bytes(r, s, s->file.scan.at);
        return true;
    }
    s->part->file.unreadable |= rc < 0 && rc != ERR_MORE;
    close_source(r, at);
    return false;
}

static void open_next(struct run *r)
{
    struct source *s = NEW(struct source);

    s->part = &r->found.parts[r->next_part++];
    if (salvage_open(s->part, &s->file) < 0) {
        /* It was there a moment ago. */
        s->part->file.unreadable = true;
        if (r->visitor->on_file)
            r->visitor->on_file(r->visitor->ctx, &s->part->file);
        segfile_fini(&s->file);
        mem_free(s);
        return;
    }
    s->part->file.first_seq = 0;
    r->open[r->open_count++] = s;
    (void)advance(r, r->open_count - 1);
}

static bool same_journal(const struct salvage_part *a, const struct salvage_part *b)
{
    return uuid_eq(&a->file.journal, &b->file.journal);
}

/* The open source with the lowest number; of equal ones that of the newest segment. */
static size_t lowest(const struct run *r)
{
    size_t at = 0;

    for (size_t i = 1; i < r->open_count; i++) {
        const struct source *s = r->open[i], *t = r->open[at];

        if (s->next.seq < t->next.seq ||
            (s->next.seq == t->next.seq && s->part->file.generation > t->part->file.generation))
            at = i;
    }
    return at;
}

/* Opens every file that may hold the next number. */
static void open_due(struct run *r)
{
    while (r->next_part < r->found.count && r->open_count < OPEN_MAX) {
        const struct salvage_part *p = &r->found.parts[r->next_part];

        if (r->open_count > 0 && (!same_journal(p, r->open[0]->part) ||
                                  p->file.first_seq > r->open[lowest(r)]->next.seq))
            break;
        open_next(r);
    }
}

/* ---- merging ---- */

static void count(struct run *r, struct salvage_part *p, const struct record *rec)
{
    if (p->file.first_seq == 0)
        p->file.first_seq = rec->seq;
    p->file.last_seq = rec->seq;
    p->file.records++;
    r->sum.records += record_is_data(rec);
    r->sum.gaps += rec->kind == RECORD_GAP;
    r->sum.marks += rec->kind == RECORD_MARK;
    r->sum.foreign += p->foreign;
    if (p->foreign)
        return;
    if (r->sum.first_seq == 0)
        r->sum.first_seq = rec->seq;
    r->sum.last_seq = rec->seq;
}

/* Passes over the same record in other files. Records of one number that were born in different
 * starts of the journal, in a copy of it, are two: each has its turn. */
static void pass_repeats(struct run *r, const struct record *rec)
{
    const uint64_t seq = rec->seq, epoch = rec->origin_epoch;

    for (size_t i = 0; i < r->open_count;) {
        struct source *s = r->open[i];

        if (s->next.seq != seq || s->next.origin_epoch != epoch) {
            i++;
            continue;
        }
        r->sum.repeated++;
        s->part->file.repeated++;
        i += advance(r, i);
    }
}

static int take_one(struct run *r)
{
    size_t at = lowest(r);
    struct source *s = r->open[at];
    struct record rec = s->next;
    int rc = 0;

    if (!s->part->foreign) {
        if (r->next_seq > 0 && rec.seq > r->next_seq)
            rc = lose(r, r->next_seq, rec.seq - 1, s->file.scan.epoch);
        if (rec.seq >= r->next_seq)
            r->next_seq = rec.seq + 1;
        r->last_epoch = s->file.scan.epoch;
    }
    if (rc == 0)
        rc = append(r, &rec);
    if (rc < 0)
        return rc;
    count(r, s->part, &rec);
    rec.payload = STR_NONE; /* gone with the next read */
    (void)advance(r, at);
    pass_repeats(r, &rec);
    return 0;
}

static int merge(struct run *r)
{
    int rc = 0;

    while (rc == 0 && (r->open_count > 0 || r->next_part < r->found.count)) {
        open_due(r);
        if (r->open_count > 0)
            rc = take_one(r);
    }
    if (rc == 0)
        rc = lose_tail(r);
    return rc < 0 ? rc : flush(r);
}

/* ---- around it ---- */

static void on_there(void *ctx, const char *name, uint64_t bytes)
{
    (void)name;
    (void)bytes;
    *(bool *)ctx = true;
}

static int check_room(struct run *r)
{
    uint64_t need = MIB(4), left = 0;
    bool there = false;
    int rc = r->into->ops->list(r->into, on_there, &there);

    if (rc == 0 && there)
        return fault_set(r->fault, ERR_EXISTS, "the new folder is not empty");
    for (size_t i = 0; i < r->found.count; i++)
        need += r->found.parts[i].file.bytes + r->found.parts[i].file.bytes / 4;
    if (rc == 0)
        rc = r->into->ops->free_bytes(r->into, &left);
    if (rc == 0 && left < need)
        return fault_set(r->fault, -ENOSPC, "the new journal needs about %llu MiB, %llu are free",
                         (unsigned long long)(need >> 20), (unsigned long long)(left >> 20));
    return rc < 0 ? fault_set(r->fault, rc, "the new folder: %s", err_text(rc)) : 0;
}

static int open_new(struct run *r)
{
    struct journal_options o = { .quota_bytes = QUOTA, .cursor_write_ms = 200 };
    int rc;

    for (size_t i = 0; i < r->found.count; i++) {
        const struct salvage_part *p = &r->found.parts[i];
        uint64_t size = p->size ? p->size : p->file.bytes;

        if (size > o.segment_bytes)
            o.segment_bytes = size;
    }
    /* What fitted into one there must fit here. */
    if (o.segment_bytes < KIB(64))
        o.segment_bytes = KIB(64);
    if (o.segment_bytes > MIB(64))
        o.segment_bytes = MIB(64);
    rc = spool_open(&r->spool, r->into, &o, PAYLOAD_MAX, r->fault);
    if (rc < 0)
        return rc;
    r->sum.into = r->spool.id.journal;
    for (size_t i = 0; i < r->found.cursor_count; i++)
        (void)spool_cursor(&r->spool, r->found.cursors[i].name, true);
    return 0;
}

static void close_new(struct run *r)
{
    (void)spool_tend(&r->spool, true);
    r->sum.new_last = r->spool.durable_seq;
    spool_close(&r->spool);
    (void)r->into->ops->unlink(r->into, SPOOL_SPARE);
}

/* Reads back what was written: nobody should throw the old one away on a promise. */
static int read_back(struct run *r)
{
    struct verify_visitor v = { 0 };
    struct verify_summary sum = { 0 };
    int rc = verify_journal(r->into, &v, &sum);
    uint64_t numbers = sum.last_seq ? sum.last_seq - sum.first_seq + 1 : 0;

    if (rc == 0 && (verify_damaged(&sum) || numbers != r->written ||
                    sum.records != r->sum.records - r->sum.refused))
        rc = ERR_CORRUPT;
    return rc < 0 ? fault_set(r->fault, rc, "the new journal does not read back: %s", err_text(rc))
                  : 0;
}

static void tell_cursors(struct run *r)
{
    for (size_t i = 0; i < r->found.cursor_count && r->visitor->on_cursor; i++)
        r->visitor->on_cursor(r->visitor->ctx, &r->found.cursors[i]);
}

static void tell_empty(struct run *r)
{
    for (size_t i = r->found.count; i < r->found.all && r->visitor->on_file; i++)
        r->visitor->on_file(r->visitor->ctx, &r->found.parts[i].file);
}

int salvage_journal(const struct salvage_folder *from, size_t count_folders, struct disk *into,
                    const struct salvage_visitor *v, struct salvage_summary *out, struct fault *f)
{
    struct run *r = NEW(struct run);
    int rc;

    r->visitor = v;
    r->into = into;
    r->fault = f;
    r->arena = arena_init(SIZE_MAX);
    rc = salvage_find(from, count_folders, &r->found);
    if (rc < 0)
        fault_set(f, rc, "cannot read the folder: %s", err_text(rc));
    if (rc == 0 && r->found.count == 0) {
        tell_empty(r);
        rc = fault_set(f, ERR_UNKNOWN, "no record of any journal is in this folder");
    }
    if (rc == 0)
        rc = check_room(r);
    if (rc == 0)
        rc = open_new(r);
    if (rc == 0) {
        r->sum.journal = r->found.journal;
        r->sum.id_ok = r->found.id_ok;
        tell_cursors(r);
        find_live(r);
        rc = merge(r);
        while (r->open_count > 0)
            close_source(r, 0);
        tell_empty(r);
        close_new(r);
    }
    if (rc == 0)
        rc = read_back(r);
    if (rc == 0)
        *out = r->sum;
    arena_fini(&r->arena);
    salvage_found_fini(&r->found);
    mem_free(r);
    return rc;
}
