#ifndef TESTS_SPOOL_KIT_H
#define TESTS_SPOOL_KIT_H
/* A journal in memory for directed tests: one line to open, to append, to read everything. */
#include "journal/reader.h"
#include "journal/spool.h"
#include "unit/journal/disk_mem.h"
#include "unit/unit.h"

#include <stdio.h>

struct kit {
    struct disk_mem *disk;
    struct spool spool;
    struct journal_options o;
    uint64_t appended; /* how many records were handed in */
};

static inline void kit_open(struct kit *k)
{
    struct fault f = { 0 };

    if (spool_open(&k->spool, &k->disk->base, &k->o, 4096, &f) < 0)
        fail_msg("%s", f.text);
}

static inline void kit_init(struct kit *k)
{
    *k = (struct kit){ .disk = disk_mem_new(1), .o = journal_options_default() };
    k->o.segment_bytes = KIB(8);
    k->o.quota_bytes = KIB(256);
    k->o.free_floor_bytes = 0;
    kit_open(k);
}

static inline void kit_fini(struct kit *k)
{
    spool_close(&k->spool);
    k->disk->base.ops->free(&k->disk->base);
}

/* As after kill -9. */
static inline void kit_kill(struct kit *k)
{
    spool_close(&k->spool);
    kit_open(k);
}

static inline void kit_cut(struct kit *k)
{
    spool_close(&k->spool);
    disk_mem_cut(k->disk);
    kit_open(k);
}

/* One record of n bytes, "n:NUMBER" at its start, as a group of its own. Returns its code. */
static inline int kit_append(struct kit *k, size_t n, enum record_kind kind)
{
    static char bytes[8192];
    struct record r = { .kind = kind, .device = STR("pi"), .stream = STR("env"), .wall_ns = 1 };
    struct journal_entry e = { .records = &r, .count = 1 };

    assert_true(n < sizeof(bytes));
    memset(bytes, 'x', sizeof(bytes));
    snprintf(bytes, sizeof(bytes), "n:%llu", (unsigned long long)++k->appended);
    bytes[strlen(bytes)] = ' ';
    r.payload = str_from(bytes, n);
    spool_commit(&k->spool, &e.node);
    if (e.code == 0)
        assert_int_equal(r.seq, k->spool.durable_seq);
    return e.code;
}

static inline void kit_append_many(struct kit *k, int count, size_t n)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(kit_append(k, n, RECORD_READING), 0);
}

static inline uint64_t kit_head(void *ctx)
{
    return ((struct kit *)ctx)->spool.durable_seq;
}
static inline uint64_t kit_epoch(void *ctx)
{
    return ((struct kit *)ctx)->spool.epoch;
}
static inline size_t kit_locate(void *ctx, uint64_t seq, struct spool_row *out, size_t max,
                                uint64_t *out_epoch)
{
    struct kit *k = ctx;

    *out_epoch = k->spool.epoch;
    return spool_locate(&k->spool, seq, out, max);
}

static inline struct life_span kit_life(void *ctx, uint64_t seq)
{
    return spool_life(&((struct kit *)ctx)->spool, seq);
}

static inline void kit_reader(struct kit *k, struct reader *r, uint64_t after_seq, size_t chunk)
{
    struct reader_source source = { k, kit_head, kit_epoch, kit_locate, kit_life, NULL };

    reader_init(r, &source, &k->disk->base, &k->spool.id.journal, k->spool.id.key, after_seq,
                chunk);
}

/* Whether it is as kit_append made it: its number, a space, and x to the end. */
static inline bool kit_unaltered(struct str s)
{
    size_t at = 2;

    while (at < s.n && s.p[at] >= '0' && s.p[at] <= '9')
        at++;
    if (!str_starts(s, STR("n:")) || at == 2 || at == s.n || s.p[at++] != ' ')
        return false;
    while (at < s.n && s.p[at] == 'x')
        at++;
    return at == s.n;
}

/* What a sink gets from after_seq to the head: every number is a record or in a gap. */
struct kit_read {
    uint64_t records, lost, gaps, last;
};
static inline struct kit_read kit_read_all(struct kit *k, uint64_t after_seq)
{
    struct kit_read all = { .last = after_seq };
    struct reader r;
    struct record out[32];
    size_t n = 0;

    kit_reader(k, &r, after_seq, 1024);
    do {
        assert_int_equal(reader_next(&r, out, COUNT_OF(out), 10000, &n), 0);
        for (size_t i = 0; i < n; i++) {
            if (out[i].kind == RECORD_GAP) {
                assert_int_equal(out[i].first, all.last + 1);
                all.lost += out[i].seq - out[i].first + 1;
                all.gaps++;
            } else {
                assert_int_equal(out[i].seq, all.last + 1);
                assert_true(kit_unaltered(out[i].payload));
                assert_str(out[i].device, "pi");
                all.records++;
            }
            all.last = out[i].seq;
        }
    } while (n > 0);
    assert_int_equal(all.last, k->spool.durable_seq > after_seq ? k->spool.durable_seq : after_seq);
    reader_fini(&r);
    return all;
}

/* The content of the file of that name, and of the n-th oldest segment. */
static inline struct mem_file *kit_file(struct kit *k, const char *name)
{
    int at = names_at(&k->disk->live, name);

    assert_true(at >= 0);
    return &k->disk->files[k->disk->live.row[at].file];
}
static inline struct mem_file *kit_segment(struct kit *k, size_t nth)
{
    char name[SEGMENT_NAME_LEN + 1];

    assert_true(nth < k->spool.count);
    return kit_file(k, segment_name(k->spool.rows[nth].generation, name));
}

/* From now on these bytes of the n-th oldest segment cannot be read. */
static inline void kit_spoil(struct kit *k, size_t nth, uint64_t at, uint64_t n)
{
    char name[SEGMENT_NAME_LEN + 1];
    int row = names_at(&k->disk->live, segment_name(k->spool.rows[nth].generation, name));

    assert_true(row >= 0);
    k->disk->bad_file = k->disk->live.row[row].file;
    k->disk->bad_at = at;
    k->disk->bad_n = n;
}

/* All of a disk, to go back to. */
struct kit_image {
    struct mem_names live;
    struct {
        char *p;
        uint64_t n;
    } files[MEM_FILES];
};
static inline void kit_save(struct kit *k, struct kit_image *image)
{
    memset(image, 0, sizeof(*image));
    image->live = k->disk->live;
    for (size_t i = 0; i < image->live.count; i++) {
        int file = image->live.row[i].file;

        image->files[file].n = k->disk->files[file].live_n;
        image->files[file].p = mem_dup(k->disk->files[file].live, k->disk->files[file].live_n);
    }
}
static inline void kit_restore(struct kit *k, const struct kit_image *image)
{
    k->disk->live = k->disk->safe = image->live;
    k->disk->step_count = 0;
    for (int i = 0; i < MEM_FILES; i++) {
        struct mem_file *f = &k->disk->files[i];

        if (!image->files[i].p) {
            mem_file_clear(f);
            continue;
        }
        f->used = true;
        mem_file_grow(f, image->files[i].n);
        memset(f->live, 0, f->cap);
        memcpy(f->live, image->files[i].p, image->files[i].n);
        f->live_n = image->files[i].n;
    }
}
static inline void kit_image_fini(struct kit_image *image)
{
    for (int i = 0; i < MEM_FILES; i++)
        mem_free(image->files[i].p);
}

#endif
