/*
 * The start of a journal: reads one header per segment and all of the newest segment, no more.
 *
 * What may be found, and what is done with it:
 *  - a whole header that names this journal and this file: a segment.
 *  - a whole header with another generation: a segment that was being used again when the machine
 *    stopped; nothing in it was acknowledged under its new name and nothing is needed under its
 *    old one. Removed.
 *  - no whole header: if records of this segment follow, a segment whose first sector is damaged;
 *    else, when it is the newest, a segment that was never begun: removed; else put aside.
 *  - two segments that begin with the same number: the older one was given up after a failed flush.
 *  - the newest segment ends in something that is no frame: a torn tail, cut off. Its last group is
 *    made durable once more before anybody is shown it. After a clean end the identity file knows
 *    how far it went, and what is missing is a gap; after a crash nothing tells a record that was
 *    hit there from one that was never whole.
 *  - blocks that cannot be read: damage. In the newest segment nothing is cut off then, and all
 *    numbers that it may hold are skipped.
 *
 * Writing never goes on in an old segment: what was read back may have come from memory and not
 * from the disk, and a record that is acknowledged later must not depend on it.
 *
 * Numbers must never be used twice for different records, whatever was lost. So they go on behind
 * everything that says a number was used: records, headers, cursors, and the identity file, which
 * knows the newest segment (if that is gone, all numbers that it could hold are skipped). Where
 * numbers are skipped the identity file says so durably before any sink can see the gap.
 */
#include "journal/spool.h"

#include "base/log.h"
#include "journal/segfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SCAN_CHUNK   KIB(256)
#define ASIDE_FOLDER "damaged/"
#define ASIDE_MAX    3     /* files that are kept there of those that were delivered */
#define ASIDE_ANY    10000 /* and of those that were not */
#define CURSORS_MAX  64

struct found_file {
    uint64_t generation, bytes;
};
struct found {
    struct found_file *files;
    size_t count, cap;
    char cursors[CURSORS_MAX][33];
    size_t cursor_count;
    bool spare;
    uint64_t spare_bytes;
};

static bool cursor_name_valid(struct str s)
{
    if (s.n < 1 || s.n > 32)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

bool spool_cursor_name_valid(const char *name)
{
    return cursor_name_valid(str_of(name));
}

static void on_file(void *ctx, const char *name, uint64_t bytes)
{
    struct found *f = ctx;
    struct str s = str_of(name), rest;
    uint64_t generation;

    if (str_eq(s, STR(SPOOL_SPARE))) {
        f->spare = true;
        f->spare_bytes = bytes;
    }
    if (str_starts(s, STR(SPOOL_CURSOR)) && f->cursor_count < CURSORS_MAX) {
        rest = str_skip(s, sizeof(SPOOL_CURSOR) - 1);
        if (cursor_name_valid(rest))
            memcpy(f->cursors[f->cursor_count++], rest.p, rest.n);
    }
    if (segment_parse_name(s, &generation) < 0)
        return;
    if (f->count == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->files = mem_resize(f->files, f->cap * sizeof(struct found_file));
    }
    f->files[f->count++] = (struct found_file){ generation, bytes };
}

static int older_first(const void *a, const void *b)
{
    const struct found_file *x = a, *y = b;

    return x->generation < y->generation ? -1 : x->generation > y->generation;
}

static int move_aside(struct spool *s, uint64_t generation, int most)
{
    char name[SEGMENT_NAME_LEN + 1], to[64];
    int rc = ERR_FULL;

    segment_name(generation, name);
    for (int i = 0; i < most && rc < 0; i++) {
        int file;

        snprintf(to, sizeof(to), ASIDE_FOLDER "%d.seg", i);
        file = s->disk->ops->open(s->disk, to, DISK_READ);
        if (file >= 0)
            s->disk->ops->close(s->disk, file);
        else
            rc = s->disk->ops->rename(s->disk, name, to);
    }
    log_warn("journal",
             rc < 0 ? "a damaged segment could not be put aside"
                    : "a damaged segment was put aside",
             lf_text("file", name), lf_text("to", to));
    return rc;
}

int spool_put_aside(struct spool *s, uint64_t generation)
{
    return move_aside(s, generation, ASIDE_MAX);
}

/* At the start: a file that cannot be used. It may hold what was never delivered, which `wayside
 * journal repair` can get out, so it is never deleted; where it cannot be moved it stays. */
static void put_aside(struct spool *s, uint64_t generation)
{
    (void)move_aside(s, generation, ASIDE_ANY);
    s->counts.damaged++;
}

static int remove_file(struct spool *s, uint64_t generation)
{
    char name[SEGMENT_NAME_LEN + 1];

    return s->disk->ops->unlink(s->disk, segment_name(generation, name));
}

/* Who this journal is: its own file, else the newest segment that says it. ERR_UNKNOWN: nothing
 * does, and everything could be read (another identity would make all that is here worthless).
 * ERR_VERSION. */
static int find_id(struct spool *s, const struct found *f, struct slot *out_slot)
{
    int rc = spool_read_slots(s->disk, SPOOL_ID, out_slot), unread = 0;

    if (rc == 0) {
        s->id.journal = out_slot->journal;
        s->id.key = out_slot->a;
        s->id_file.counter = out_slot->counter;
        s->dropped_ever = out_slot->d;
        return 0;
    }
    if (rc != ERR_CORRUPT && rc != -ENOENT)
        return rc;
    for (size_t i = f->count; i-- > 0;) {
        struct segment_header h;

        rc = segfile_read_header(s->disk, f->files[i].generation, &h);
        if (rc < 0 && rc != ERR_CORRUPT)
            unread = rc;
        if (rc == ERR_VERSION)
            return rc;
        if (rc == 0 && h.id.generation == f->files[i].generation) {
            s->id = h.id;
            return 0;
        }
    }
    return unread < 0 ? unread : ERR_UNKNOWN;
}

static void make_id(struct spool *s)
{
    struct uuid u;

    s->disk->ops->random(s->disk, u.b, sizeof(u.b));
    s->disk->ops->random(s->disk, &s->id.key, sizeof(s->id.key));
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40); /* version 4, RFC 9562 section 5.4 */
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    s->id.journal = u;
}

int spool_write_id(struct spool *s, uint64_t generation, uint64_t first_seq)
{
    struct slot slot = {
        s->id_file.counter + 1, s->id.journal,     s->id.key, generation, first_seq,
        s->dropped_ever,        s->o.segment_bytes
    };
    int rc = s->id_file.file < 0 ? s->id_file.file : spool_write_slot(s, s->id_file.file, &slot);

    /* Unlike a cursor: two writes that are not durable, one of them torn, would lose it. */
    if (rc == 0)
        rc = s->disk->ops->sync(s->disk, s->id_file.file);
    if (rc < 0)
        return rc;
    s->id_file.counter++;
    s->id_file.said = generation;
    s->id_file.said_first = first_seq;
    return 0;
}

/* The identity file is there and durable when this returns 0. */
static int open_id(struct spool *s, const struct slot *before)
{
    int rc;

    s->id_file.said = before->b;
    s->id_file.said_first = before->c;
    s->id_file.file = s->disk->ops->open(s->disk, SPOOL_ID, DISK_WRITE | DISK_CREATE);
    if (s->id_file.file < 0)
        return s->id_file.file;
    if (before->counter > 0 && !s->skipped)
        return 0;
    /* A sink may see a gap up to there as soon as this is open: so it must hold from now on. */
    rc = s->skipped ? spool_write_id(s, 0, s->next_seq) : spool_write_id(s, before->b, before->c);
    return rc < 0 ? rc : s->disk->ops->sync_dir(s->disk);
}

/* The first number in a segment whose header is lost, 0: nothing of ours is in it; and the start that
 * wrote it. */
static int first_in(struct spool *s, uint64_t generation, uint64_t *out_first, uint64_t *out_life)
{
    struct segment_id id = s->id;
    struct segfile f;
    struct record r;
    int rc;

    id.generation = generation;
    *out_first = 0;
    segfile_init(&f, s->disk, SCAN_CHUNK);
    f.patience = 1;
    rc = segfile_open(&f, &id, 1);
    if (rc == 0)
        rc = segfile_next(&f, true, &r);
    if (rc == 0)
        *out_first = r.seq;
    *out_life = f.scan.epoch;
    if (rc == ERR_MORE)
        rc = f.unreadable > 0 ? -EIO : 0; /* nothing is removed for what cannot be read today */
    segfile_fini(&f);
    return rc;
}

/* Where the range of a segment begins whose header cannot be read today: behind the last record of
 * the one before. Not at its own first record, since what is before that may be readable another
 * day, and until then nobody may be told that it is lost for good. */
static int lowest_first(struct spool *s, uint64_t *out_first)
{
    struct segment_id id = s->id;
    struct segfile f;
    struct record r;
    int rc;

    *out_first = 1;
    if (s->count == 0)
        return 0;
    id.generation = s->rows[s->count - 1].generation;
    segfile_init(&f, s->disk, SCAN_CHUNK);
    rc = segfile_open(&f, &id, s->rows[s->count - 1].first_seq);
    while (rc == 0)
        rc = segfile_next(&f, true, &r);
    if (rc == ERR_MORE) {
        rc = 0;
        *out_first = f.scan.next_seq;
    }
    segfile_fini(&f);
    return rc;
}

/* Row for one file, or nothing when it is none. *before_kinds, *lives: what its header says. */
static int take_file(struct spool *s, uint64_t generation, uint64_t bytes, bool newest,
                     uint32_t *before_kinds, struct lives *lives)
{
    struct spool_row row = { .generation = generation, .bytes = bytes, .kinds = ~0u };
    struct segment_header h;
    uint64_t lowest = 0;
    int rc = segfile_read_header(s->disk, generation, &h), why = rc;

    *before_kinds = ~0u;
    *lives = (struct lives){ 0 };
    if (rc == 0 && !uuid_eq(&h.id.journal, &s->id.journal)) {
        put_aside(s, generation);
        return 0;
    }
    if (rc == 0 && h.id.generation != generation)
        return remove_file(s, generation);
    if (rc == 0) {
        row.first_seq = h.first_seq;
        row.begun_ns = h.created_ns;
        row.life = h.lives.count > 0 ? h.lives.of[0].epoch : 0;
        *lives = h.lives;
        *before_kinds = h.before_kinds;
    } else if (rc == ERR_CORRUPT || rc == -EIO) {
        rc = first_in(s, generation, &row.first_seq, &row.life);
        if (rc == 0 && row.first_seq == 0 && newest)
            rc = remove_file(s, generation);
        else if (rc == 0 && row.first_seq == 0)
            put_aside(s, generation);
        else
            s->counts.damaged++;
    }
    if (rc == 0 && why == -EIO)
        rc = lowest_first(s, &lowest);
    if (lowest > 0 && lowest < row.first_seq)
        row.first_seq = lowest;
    if (rc == 0 && row.first_seq > 0)
        spool_push_row(s, row);
    return rc;
}

/* The starts behind the one of the newest row, as far as its header knows them. */
static void take_lives(struct spool *s, const struct spool_row *row, const struct lives *known)
{
    if (known->count > 0)
        s->lives = *known;
    else if (row->life != 0 && (s->lives.count == 0 || s->lives.of[0].epoch != row->life))
        lives_begin(&s->lives, row->life, row->first_seq - 1);
}

static int take_files(struct spool *s, const struct found *f)
{
    for (size_t i = 0; i < f->count; i++) {
        struct lives lives;
        uint32_t before_kinds;
        size_t had = s->count;
        int rc = take_file(s, f->files[i].generation, f->files[i].bytes, i + 1 == f->count,
                           &before_kinds, &lives);

        if (rc < 0)
            return rc;
        if (s->count > had)
            take_lives(s, &s->rows[had], &lives);
        if (s->count == had || had == 0)
            continue;
        /* Begun again at the same number: the older one was given up. If it cannot be removed it
         * stays before the newer one, with an empty range. */
        while (had > 0 && s->rows[had - 1].first_seq >= s->rows[had].first_seq) {
            s->rows[had - 1].first_seq = s->rows[had].first_seq;
            s->rows[had - 1].kinds = 0;
            if (remove_file(s, s->rows[had - 1].generation) < 0)
                break;
            s->rows[had - 1] = s->rows[had];
            s->count--;
            had--;
        }
        if (had > 0 && s->rows[had - 1].first_seq < s->rows[had].first_seq)
            s->rows[had - 1].kinds = before_kinds;
    }
    return 0;
}

/* Writes the bytes [from, to) of a file once more as they are. */
static int rewrite(struct disk *disk, int file, uint64_t from, uint64_t to)
{
    char *p = mem_new(SCAN_CHUNK);
    int rc = 0;

    while (rc == 0 && from < to) {
        size_t n = to - from < SCAN_CHUNK ? (size_t)(to - from) : SCAN_CHUNK, got = 0;

        rc = disk->ops->read(disk, file, p, n, from, &got);
        if (rc == 0 && got < n)
            rc = -EIO;
        if (rc == 0)
            rc = disk->ops->write(disk, file, p, n, from);
        from += n;
    }
    mem_free(p);
    return rc;
}

/* Cuts off the torn tail, and makes durable what may be in memory only: the last group of a process
 * that was killed in its flush, or whose flush failed (the system then forgets that it owes the
 * disk these pages, so they are written again). Only after that may a sink be shown them: what it
 * has seen must not be gone after a power cut, and its numbers given to others. */
static int settle_newest(struct spool *s, struct spool_row *row, const struct segment_scan *scan)
{
    char name[SEGMENT_NAME_LEN + 1];
    /* The header is as unsure as the first group. */
    uint64_t from = scan->committed_at <= SEGMENT_HEADER_SIZE ? 0 : scan->committed_at;
    int file = s->disk->ops->open(s->disk, segment_name(row->generation, name), DISK_WRITE), rc;

    if (file < 0)
        return file;
    if (s->disk->ops->truncate(s->disk, file, scan->valid_end) == 0)
        row->bytes = scan->valid_end;
    rc = rewrite(s->disk, file, from, scan->valid_end);
    if (rc == 0)
        rc = s->disk->ops->sync(s->disk, file);
    if (rc == 0)
        rc = s->disk->ops->sync_dir(s->disk);
    s->disk->ops->close(s->disk, file);
    return rc;
}

/* As far as the disk still takes it, for one that cannot be read to its end: what was answered without
 * a flush may be in memory only. */
static void settle_unreadable(struct spool *s, const struct spool_row *row)
{
    char name[SEGMENT_NAME_LEN + 1];
    int file = s->disk->ops->open(s->disk, segment_name(row->generation, name), DISK_WRITE);

    if (file < 0)
        return;
    (void)!s->disk->ops->sync(s->disk, file);
    (void)!s->disk->ops->sync_dir(s->disk);
    s->disk->ops->close(s->disk, file);
}

/* More records are in no segment of that size. */
static uint64_t numbers_in(uint64_t bytes)
{
    return bytes / FRAME_HEAD_SIZE;
}

/* Reads the newest segment: which numbers were used, where it ends. */
static int scan_newest(struct spool *s)
{
    struct spool_row *row = &s->rows[s->count - 1];
    struct segment_id id = s->id;
    struct segfile f;
    struct record r;
    int rc;

    id.generation = row->generation;
    segfile_init(&f, s->disk, SCAN_CHUNK);
    f.patience = 1;
    rc = segfile_open(&f, &id, row->first_seq);
    while (rc == 0)
        rc = segfile_next(&f, true, &r);
    if (rc == ERR_MORE) {
        rc = 0;
        s->next_seq = f.scan.next_seq;
        s->counts.damaged += f.scan.damages;
        row->kinds = f.scan.unnamed > 0 ? ~0u : f.scan.kinds;
        if (f.unreadable > 0) {
            /* Another day it may be read: nothing is cut off, and no number of it used again. */
            s->counts.damaged++;
            s->next_seq += numbers_in(row->bytes);
            s->skipped = true;
            settle_unreadable(s, row);
        } else if (f.scan.last_seq == 0) {
            /* Begun, and nothing in it: the next one begins with the same number. */
            rc = remove_file(s, row->generation);
            s->count--;
        } else {
            rc = settle_newest(s, row, &f.scan);
        }
    }
    segfile_fini(&f);
    return rc;
}

/* Generations count on in two parts: starts of the journal, and segments of one start, which begin
 * at random. A segment that was given up and removed before a power cut may leave its bytes in a
 * file that is used again, while nothing tells of its generation any more; so the same one must
 * not be given a second time, or those bytes would count as written today. */
static uint64_t first_generation(struct spool *s, uint64_t newest)
{
    uint32_t low;

    s->disk->ops->random(s->disk, &low, sizeof(low));
    return (((newest >> 32) + 1) << 32) + low / 2;
}

/* Behind everything that tells of a number. */
static void settle_numbers(struct spool *s, const struct found *f, const struct slot *slot)
{
    uint64_t seen = s->next_seq, newest = slot->b;

    if (f->count > 0 && f->files[f->count - 1].generation > newest)
        newest = f->files[f->count - 1].generation;
    s->id.generation = first_generation(s, newest);
    /* The newest segment that ever had a durable record has none now. */
    if (slot->b > 0 && (s->count == 0 || s->rows[s->count - 1].generation < slot->b)) {
        s->counts.damaged++;
        s->next_seq = slot->c + numbers_in(slot->e > 0 ? slot->e : s->o.segment_bytes);
    }
    /* Numbers that were skipped once stay so. */
    if (slot->c > s->next_seq)
        s->next_seq = seen = slot->c;
    for (size_t i = 0; i < f->cursor_count; i++) {
        uint64_t at = spool_load_cursor(s, f->cursors[i]);

        if (at >= s->next_seq)
            s->next_seq = at + 1;
    }
    if (s->next_seq != seen)
        s->skipped = true;
    if (s->skipped)
        log_warn("journal", "numbers are skipped since newer records were lost",
                 lf_u64("from", seen), lf_u64("to", s->next_seq));
    s->durable_seq = s->lazy_seq = s->next_seq - 1;
}

static int recover(struct spool *s, struct found *f, struct fault *fault)
{
    struct slot slot = { 0 };
    int rc = s->disk->ops->list(s->disk, on_file, f);

    if (rc < 0)
        return fault_set(fault, rc, "cannot read the journal's directory: %s", err_text(rc));
    if (f->count > 0)
        qsort(f->files, f->count, sizeof(struct found_file), older_first);
    rc = find_id(s, f, &slot);
    if (rc == ERR_UNKNOWN) {
        make_id(s);
        rc = 0;
    }
    if (rc == 0)
        rc = take_files(s, f);
    if (rc == 0 && s->count > 0)
        rc = scan_newest(s);
    /* Numbers that are skipped below are this start's: what the one before really gave them to may
     * still be in a copy of this journal. */
    lives_begin(&s->lives, s->origin_epoch, s->next_seq - 1);
    if (rc == ERR_VERSION)
        return fault_set(fault, rc,
                         "the journal was written by another version of this program: run "
                         "that version until it is empty, or move the folder away");
    if (rc < 0)
        return fault_set(fault, rc, "cannot read the journal: %s", err_text(rc));
    settle_numbers(s, f, &slot);
    s->has_spare = f->spare && f->spare_bytes == s->o.segment_bytes;
    rc = open_id(s, &slot);
    if (rc < 0)
        return fault_set(fault, rc, "cannot write the journal's identity: %s", err_text(rc));
    return 0;
}

int spool_open(struct spool *s, struct disk *disk, const struct journal_options *o,
               size_t payload_max, struct fault *fault)
{
    struct found f = { 0 };
    int rc;

    *s = (struct spool){ .disk = disk, .o = *o, .payload_max = payload_max, .file = -1 };
    s->next_seq = 1;
    s->id_file.file = -1;
    list_init(&s->cursors);
    names_init(&s->names);
    s->buf = buf_init(MIB(2) + payload_max);
    rc = disk->ops->lock(disk);
    if (rc < 0) {
        rc = fault_set(fault, rc, "%s",
                       rc == ERR_BUSY ? "another process has this journal open" : err_text(rc));
    } else {
        s->boot = disk->ops->boot(disk);
        while (s->origin_epoch == 0)
            disk->ops->random(disk, &s->origin_epoch, sizeof(s->origin_epoch));
        rc = recover(s, &f, fault);
    }
    mem_free(f.files);
    if (rc < 0)
        spool_close(s);
    return rc;
}

int spool_finish(struct spool *s)
{
    spool_flush_lazy(s, true);
    /* After a failure the newest segment may have been begun without a durable record: to name it
     * would tell the next start that numbers were lost. */
    if (s->count == 0 || s->dir_dirty || s->skipped || s->error != 0)
        return 0;
    return spool_write_id(s, s->rows[s->count - 1].generation, s->durable_seq + 1);
}

void spool_close(struct spool *s)
{
    spool_end_segment(s);
    while (!list_empty(&s->cursors)) {
        struct spool_cursor *c =
            container_of(list_pop_front(&s->cursors), struct spool_cursor, link);

        if (c->file >= 0)
            s->disk->ops->close(s->disk, c->file);
        mem_free(c);
    }
    if (s->id_file.file >= 0)
        s->disk->ops->close(s->disk, s->id_file.file);
    s->id_file.file = -1;
    names_fini(&s->names);
    buf_fini(&s->buf);
    mem_free(s->rows);
    s->rows = NULL;
    s->count = s->cap = 0;
}
