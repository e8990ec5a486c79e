/*
 * Which files are segments, and whose. A file's name is a hint, its content decides: segments may
 * have been renamed, put aside, or come back from a file system check as "#1234". What a node makes
 * beside segments is left out by name; anything else is looked into.
 *
 * The spare is left out too: a node made it of a segment that every sink had.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "journal/salvage.h"
#include "journal/seed.h"
#include "journal/segfile.h"
#include "journal/spool.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK    KIB(256)
#define WHOLE    MIB(64) /* the largest segment; more of a file is not looked into for its seed */
#define IDS_MAX  64
#define BASES    16 /* candidates of one file that count in the vote */
#define PATIENCE 3  /* nobody waits for this disk to get better */

/* A journal that is known, or believed in. */
struct id {
    struct uuid journal;
    uint32_t base; /* seed_base() of its segments */
};
struct find {
    struct salvage_found *found;
    const struct salvage_folder *folder;
    struct id ids[IDS_MAX];
    size_t id_count;
    struct uuid cursor_of[SALVAGE_CURSORS_MAX]; /* whose each cursor is */
    struct uuid cursor_journal;                 /* and the first of them */
    uint64_t newest;                            /* generation of the newest header */
    bool newest_in_place;
};

static bool is_ours_beside_segments(struct str name)
{
    return str_eq(name, STR(SPOOL_ID)) || str_eq(name, STR(SPOOL_SPARE)) ||
           str_eq(name, STR("lock")) || str_starts(name, STR(SPOOL_CURSOR));
}

/* ---- the journal's folder ---- */

static void add_cursor(struct find *f, const char *name)
{
    struct salvage_cursor *c = &f->found->cursors[f->found->cursor_count];
    struct str short_name = str_skip(str_of(name), sizeof(SPOOL_CURSOR) - 1);
    struct slot slot;

    if (!spool_cursor_name_valid(short_name.p) || f->found->cursor_count == SALVAGE_CURSORS_MAX)
        return;
    *c = (struct salvage_cursor){ .seq = 0 };
    memcpy(c->name, short_name.p, short_name.n);
    c->ok = spool_read_slots(f->folder->disk, name, &slot) == 0;
    if (c->ok) {
        c->seq = slot.a;
        f->cursor_of[f->found->cursor_count] = slot.journal;
        if (uuid_is_zero(&f->cursor_journal))
            f->cursor_journal = slot.journal;
    }
    f->found->cursor_count++;
}

static void on_file(void *ctx, const char *name, uint64_t bytes)
{
    struct find *f = ctx;
    struct salvage_found *found = f->found;
    struct salvage_part *p;

    if (f->folder->prefix[0] == '\0' && str_starts(str_of(name), STR(SPOOL_CURSOR)))
        add_cursor(f, name);
    if (is_ours_beside_segments(str_of(name)) || strlen(name) >= sizeof(p->on_disk))
        return;
    if (found->count == found->cap) {
        found->cap = found->cap ? found->cap * 2 : 64;
        found->parts = mem_resize(found->parts, found->cap * sizeof(found->parts[0]));
    }
    p = &found->parts[found->count++];
    *p = (struct salvage_part){ .disk = f->folder->disk,
                                .file = { .how = SALVAGE_NOTHING, .bytes = bytes },
                                .end_seq = UINT64_MAX };
    memcpy(p->on_disk, name, strlen(name) + 1);
    memcpy(p->file.name, f->folder->prefix, strlen(f->folder->prefix));
    memcpy(p->file.name + strlen(f->folder->prefix), name, strlen(name) + 1);
    if (segment_parse_name(str_of(name), &p->file.generation) == 0)
        p->in_place = f->folder->prefix[0] == '\0';
}

static void add_id(struct find *f, const struct uuid *journal, uint32_t base)
{
    for (size_t i = 0; i < f->id_count; i++)
        if (f->ids[i].base == base && uuid_eq(&f->ids[i].journal, journal))
            return;
    if (f->id_count < IDS_MAX)
        f->ids[f->id_count++] = (struct id){ *journal, base };
}

static void read_id(struct find *f)
{
    struct segment_id id = { 0 };
    struct slot slot;

    if (spool_read_slots(f->folder->disk, SPOOL_ID, &slot) < 0)
        return;
    id.journal = slot.journal;
    id.key = slot.a;
    f->found->id_ok = true;
    f->found->journal = slot.journal;
    f->found->said_generation = slot.b;
    f->found->said_first = slot.c;
    add_id(f, &id.journal, segment_seed(&id));
}

/* ---- one file ---- */

/* Up to n bytes from the start; what cannot be read is zeros. Freed by the caller. */
static char *read_start(const struct salvage_part *p, size_t n, size_t *out_n)
{
    size_t want = p->file.bytes < n ? (size_t)p->file.bytes : n, got = 0;
    char *bytes = mem_new(want ? want : 1);
    int file = p->disk->ops->open(p->disk, p->on_disk, DISK_READ);

    *out_n = want;
    for (size_t at = 0; at < want && file >= 0; at += KIB(4)) {
        size_t step = want - at < KIB(4) ? want - at : KIB(4);

        if (p->disk->ops->read(p->disk, file, bytes + at, step, at, &got) < 0)
            memset(bytes + at, 0, step);
    }
    if (file >= 0)
        p->disk->ops->close(p->disk, file);
    return bytes;
}

int salvage_open(const struct salvage_part *p, struct segfile *f)
{
    struct segment_id id = { .journal = p->file.journal };
    int rc;

    segfile_init(f, p->disk, CHUNK);
    f->patience = PATIENCE;
    rc = segfile_open_as(f, p->on_disk, &id, 1);
    if (rc == 0)
        f->scan.seed = p->seed;
    return rc;
}

int salvage_next(struct segfile *f, struct record *out)
{
    int rc = 0;

    for (unsigned tries = 0; tries <= PATIENCE; tries++) {
        rc = segfile_next(f, true, out);
        if (rc == 0 || rc == ERR_MORE)
            break;
    }
    return rc;
}

/* Whether any record comes out of it with this seed, and which is the first. */
static bool has_records(struct salvage_part *p, uint32_t seed, const struct uuid *journal)
{
    struct segfile f;
    struct record r;
    int rc;

    p->seed = seed;
    p->file.journal = *journal;
    rc = salvage_open(p, &f);
    if (rc == 0)
        rc = salvage_next(&f, &r);
    if (rc == 0) {
        p->file.first_seq = r.seq;
        p->epoch = f.scan.epoch;
    }
    p->file.unreadable = rc < 0 && rc != ERR_MORE;
    segfile_fini(&f);
    return rc == 0;
}

static void by_header(struct find *f, struct salvage_part *p)
{
    struct segment_header h;
    size_t n;
    char *head = read_start(p, SEGMENT_HEADER_SIZE, &n);
    int rc = segment_read_header(str_from(head, n), &h, NULL);

    mem_free(head);
    if (rc == ERR_VERSION)
        p->file.how = SALVAGE_VERSION;
    if (rc < 0)
        return;
    p->in_place = p->in_place && p->file.generation == h.id.generation;
    p->file.generation = h.id.generation;
    p->size = h.size;
    p->starts = h.first_seq;
    add_id(f, &h.id.journal, seed_base(segment_seed(&h.id), h.id.generation));
    if (!f->found->id_ok &&
        (p->in_place == f->newest_in_place ? h.id.generation >= f->newest : p->in_place)) {
        f->newest = h.id.generation;
        f->newest_in_place = p->in_place;
        f->found->journal = h.id.journal;
    }
    /* Whatever else is in it is the bytes of an earlier use. */
    p->file.how = SALVAGE_HEADER;
    (void)has_records(p, segment_seed(&h.id), &h.id.journal);
}

/* By the generation in its name, in any of the journals that are known. */
static bool by_name(struct find *f, struct salvage_part *p)
{
    for (size_t i = 0; i < f->id_count && p->file.generation > 0; i++)
        if (has_records(p, seed_from_base(f->ids[i].base, p->file.generation),
                        &f->ids[i].journal)) {
            p->file.how = SALVAGE_NAME;
            return true;
        }
    return false;
}

static bool by_frames(struct find *f, struct salvage_part *p)
{
    struct seed_search s;
    struct uuid journal = f->found->journal;
    size_t n;
    char *bytes = read_start(p, WHOLE, &n);
    bool found = false;

    seed_search(&s, str_from(bytes, n));
    if (s.count > 0) {
        (void)!seed_journal(s.rows[0].seed, str_from(bytes, n), &f->found->journal, &journal);
        if (uuid_is_zero(&journal))
            journal = f->cursor_journal;
        found = has_records(p, s.rows[0].seed, &journal);
    }
    mem_free(bytes);
    p->file.generation = 0;
    p->in_place = false;
    if (found)
        p->file.how = SALVAGE_FRAMES;
    return found;
}

/* ---- when nothing says whose they are ---- */

struct ballot {
    uint32_t base;
    uint64_t files, bytes;
    struct uuid journal;
};

/* The candidates of one named file count, each once. */
static void cast(struct find *f, const struct salvage_part *p, struct ballot *b, size_t cap,
                 size_t *count)
{
    struct seed_search s;
    size_t n;
    char *bytes = read_start(p, WHOLE, &n);

    seed_search(&s, str_from(bytes, n));
    for (size_t i = 0; i < s.count && i < BASES; i++) {
        uint32_t base = seed_base(s.rows[i].seed, p->file.generation);
        size_t at = 0;

        while (at < *count && b[at].base != base)
            at++;
        if (at == cap)
            continue;
        if (at == *count)
            b[(*count)++] = (struct ballot){ .base = base, .journal = f->cursor_journal };
        b[at].files++;
        b[at].bytes += s.rows[i].bytes;
        (void)!seed_journal(s.rows[i].seed, str_from(bytes, n), &f->cursor_journal, &b[at].journal);
    }
    mem_free(bytes);
}

/* What most of the named files agree on: a single file may hold anything in its payloads, and the
 * bytes of an earlier use, but nobody outside knows how seed and name go together. */
static void vote_id(struct find *f)
{
    struct ballot *b = mem_new_array(1024, sizeof(*b));
    size_t count = 0, best = 0;

    for (size_t i = 0; i < f->found->count; i++)
        if (f->found->parts[i].file.generation > 0)
            cast(f, &f->found->parts[i], b, 1024, &count);
    for (size_t i = 1; i < count; i++)
        if (b[i].files > b[best].files ||
            (b[i].files == b[best].files && b[i].bytes > b[best].bytes))
            best = i;
    if (count > 0) {
        add_id(f, &b[best].journal, b[best].base);
        f->found->journal = b[best].journal;
    }
    mem_free(b);
}

/* ---- order ---- */

/* Those with records first. Among them other journals first, since they are what was here before;
 * each by number. */
static int part_order(const void *a, const void *b)
{
    const struct salvage_part *x = a, *y = b;
    bool none_x = x->file.first_seq == 0, none_y = y->file.first_seq == 0;
    int by_uuid = memcmp(x->file.journal.b, y->file.journal.b, sizeof(x->file.journal.b));

    if (none_x != none_y)
        return none_x ? 1 : -1;
    if (x->foreign != y->foreign)
        return x->foreign ? -1 : 1;
    if (by_uuid != 0)
        return by_uuid;
    return x->file.first_seq < y->file.first_seq ? -1 : x->file.first_seq > y->file.first_seq;
}

/* Whether they were written in one start of their journal, as far as is known. */
static bool same_start(const struct salvage_part *a, const struct salvage_part *b)
{
    return uuid_eq(&a->file.journal, &b->file.journal) &&
           (a->epoch == b->epoch || a->epoch == 0 || b->epoch == 0);
}

/* As at the start of a journal: a number is taken from the newest segment that may hold it. But in
 * copies of a journal that went on each by itself a number was given twice, to two records. */
static void find_ends(struct salvage_found *found)
{
    for (size_t i = 0; i < found->count; i++) {
        struct salvage_part *p = &found->parts[i];

        for (size_t k = 0; k < found->count && p->file.generation > 0; k++) {
            const struct salvage_part *q = &found->parts[k];
            uint64_t starts = q->starts ? q->starts : q->file.first_seq;

            if (q->file.generation > p->file.generation && starts < p->end_seq && starts > 0 &&
                same_start(p, q))
                p->end_seq = starts;
        }
    }
}

static void settle_order(struct salvage_found *found)
{
    found->all = found->count;
    for (size_t i = 0; i < found->all; i++) {
        struct salvage_part *p = &found->parts[i];

        p->foreign = !uuid_eq(&p->file.journal, &found->journal);
    }
    if (found->all > 0)
        qsort(found->parts, found->all, sizeof(found->parts[0]), part_order);
    while (found->count > 0 && found->parts[found->count - 1].file.first_seq == 0)
        found->count--;
    find_ends(found);
}

/* The cursors of another journal say nothing about this one. */
static void settle_cursors(struct find *f)
{
    for (size_t i = 0; i < f->found->cursor_count; i++)
        f->found->cursors[i].ok =
            f->found->cursors[i].ok && uuid_eq(&f->cursor_of[i], &f->found->journal);
}

static bool is_open(const struct salvage_part *p)
{
    return p->file.how == SALVAGE_NOTHING;
}

int salvage_find(const struct salvage_folder *from, size_t count, struct salvage_found *out)
{
    struct salvage_found found = { 0 };
    struct find f = { .found = &found };
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        f.folder = &from[i];
        if (i == 0)
            read_id(&f);
        rc = from[i].disk->ops->list(from[i].disk, on_file, &f);
    }
    for (size_t i = 0; i < found.count && rc == 0; i++)
        by_header(&f, &found.parts[i]);
    if (rc == 0 && f.id_count == 0)
        vote_id(&f);
    if (uuid_is_zero(&found.journal))
        found.journal = f.cursor_journal;
    for (size_t i = 0; i < found.count && rc == 0; i++)
        if (is_open(&found.parts[i]) && !by_name(&f, &found.parts[i]))
            (void)by_frames(&f, &found.parts[i]);
    if (rc < 0) {
        salvage_found_fini(&found);
        return rc;
    }
    /* Nothing but frames: whose the first are. */
    for (size_t i = 0; i < found.count && uuid_is_zero(&found.journal); i++)
        if (found.parts[i].file.how == SALVAGE_FRAMES)
            found.journal = found.parts[i].file.journal;
    settle_order(&found);
    settle_cursors(&f);
    *out = found;
    return 0;
}

void salvage_found_fini(struct salvage_found *f)
{
    mem_free(f->parts);
    *f = (struct salvage_found){ 0 };
}
