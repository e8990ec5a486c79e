#ifndef TESTS_DISK_MEM_H
#define TESTS_DISK_MEM_H
/*
 * A disk in memory for tests of the journal: what was written lives in a page cache until it is
 * synced; a power cut keeps a random part of the sectors that were not, and a random prefix of the
 * renames and removals since the directory was synced. Any call can be made to fail, a failed sync
 * as on ext4: the pages are marked clean and are lost at the next power cut. Everything random
 * comes from one seed. Included as source by each test that needs it.
 */
#include "base/cell.h"
#include "base/limits.h"
#include "base/mem.h"
#include "journal/disk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define MEM_FILES  256
#define MEM_OPEN   64
#define MEM_NAMES  128
#define MEM_SECTOR 512u

enum mem_call {
    MEM_CALL_OPEN,
    MEM_CALL_READ,
    MEM_CALL_WRITE,
    MEM_CALL_SYNC,
    MEM_CALL_SYNC_DIR,
    MEM_CALL_ALLOCATE,
    MEM_CALL_RENAME,
    MEM_CALL_UNLINK,
    MEM_CALL_LIST,
    MEM_CALLS
};

struct mem_file {
    bool used;
    char *live, *safe;
    uint64_t live_n, safe_n, cap;
    unsigned char *dirty; /* per sector: differs from safe and may reach the disk by itself */
};
struct mem_name {
    char name[64];
    int file;
};
struct mem_names {
    struct mem_name row[MEM_NAMES];
    size_t count;
};
struct disk_mem {
    struct disk base;
    uint64_t random;
    struct mem_file files[MEM_FILES];
    int open[MEM_OPEN]; /* file, or -1 */
    struct mem_names live, safe;
    struct mem_names steps[64]; /* the directory after each operation since it was synced */
    size_t step_count;
    uint64_t capacity;
    uint64_t mono;
    /* the next fault: calls in mask are counted down to 0, then `fail_times` of them fail */
    unsigned fail_mask;
    uint64_t fail_after, fail_times;
    int fail_code;
    uint64_t faults; /* how many calls failed so */
    uint64_t calls[MEM_CALLS];
    uint64_t written;
    /* bytes of one file that cannot be read; none while bad_n is 0 */
    int bad_file;
    uint64_t bad_at, bad_n;
    bool no_sync; /* syncs lie: to test the test */
};

static inline struct disk_mem *mem_of(struct disk *d)
{
    return container_of(d, struct disk_mem, base);
}

/* xorshift64*, good enough for schedules. */
static inline uint64_t mem_random(struct disk_mem *m)
{
    m->random ^= m->random >> 12;
    m->random ^= m->random << 25;
    m->random ^= m->random >> 27;
    return m->random * 2685821657736338717u;
}
static inline uint64_t mem_below(struct disk_mem *m, uint64_t n)
{
    return n ? (mem_random(m) >> 11) % n : 0;
}

static inline int mem_fault(struct disk_mem *m, enum mem_call call)
{
    m->calls[call]++;
    m->mono += 1000;
    if (!(m->fail_mask & (1u << call)) || m->fail_times == 0)
        return 0;
    if (m->fail_after > 0) {
        m->fail_after--;
        return 0;
    }
    m->fail_times--;
    m->faults++;
    return m->fail_code;
}

static inline int names_at(const struct mem_names *n, const char *name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->row[i].name, name) == 0)
            return (int)i;
    return -1;
}

static inline void names_drop(struct mem_names *n, const char *name)
{
    int at = names_at(n, name);

    if (at >= 0)
        n->row[at] = n->row[--n->count];
}

static inline void names_set(struct mem_names *n, const char *name, int file)
{
    names_drop(n, name);
    assert(n->count < MEM_NAMES && strlen(name) < sizeof(n->row[0].name));
    memset(&n->row[n->count], 0, sizeof(n->row[0]));
    memcpy(n->row[n->count].name, name, strlen(name));
    n->row[n->count++].file = file;
}

/* Remembers the directory as it is now as one that a power cut may leave. */
static inline void mem_step(struct disk_mem *m)
{
    if (m->step_count == COUNT_OF(m->steps)) {
        memmove(&m->steps[0], &m->steps[1], sizeof(m->steps) - sizeof(m->steps[0]));
        m->step_count--;
    }
    m->steps[m->step_count++] = m->live;
}

static inline bool names_has(const struct mem_names *n, int file)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->row[i].file == file)
            return true;
    return false;
}

static inline void mem_file_clear(struct mem_file *f)
{
    free(f->live);
    free(f->safe);
    free(f->dirty);
    memset(f, 0, sizeof(*f));
}

/* Frees what no name and no handle holds. */
static inline void mem_sweep(struct disk_mem *m)
{
    for (int i = 0; i < MEM_FILES; i++) {
        bool held = names_has(&m->live, i) || names_has(&m->safe, i);

        for (size_t s = 0; s < m->step_count && !held; s++)
            held = names_has(&m->steps[s], i);
        for (size_t o = 0; o < MEM_OPEN && !held; o++)
            held = m->open[o] == i;
        if (m->files[i].used && !held)
            mem_file_clear(&m->files[i]);
    }
}

static inline void mem_file_grow(struct mem_file *f, uint64_t n)
{
    uint64_t cap = f->cap ? f->cap : 4096;

    while (cap < n)
        cap *= 2;
    if (cap == f->cap)
        return;
    f->live = mem_resize(f->live, cap);
    f->safe = mem_resize(f->safe, cap);
    f->dirty = mem_resize(f->dirty, cap / MEM_SECTOR);
    memset(f->live + f->cap, 0, cap - f->cap);
    memset(f->safe + f->cap, 0, cap - f->cap);
    memset(f->dirty + f->cap / MEM_SECTOR, 0, (cap - f->cap) / MEM_SECTOR);
    f->cap = cap;
}

static inline uint64_t mem_used(const struct disk_mem *m)
{
    uint64_t n = 0;

    for (size_t i = 0; i < m->live.count; i++)
        n += m->files[m->live.row[i].file].live_n;
    return n;
}

static inline int mem_open(struct disk *d, const char *name, unsigned flags)
{
    struct disk_mem *m = mem_of(d);
    int rc = mem_fault(m, MEM_CALL_OPEN), at = names_at(&m->live, name), file;

    if (rc < 0)
        return rc;
    if (at < 0 && !(flags & DISK_CREATE))
        return -ENOENT;
    if (at < 0) {
        mem_sweep(m);
        for (file = 0; file < MEM_FILES && m->files[file].used; file++)
            ;
        assert(file < MEM_FILES);
        m->files[file].used = true;
        names_set(&m->live, name, file);
        mem_step(m);
    } else {
        file = m->live.row[at].file;
    }
    for (int i = 0; i < MEM_OPEN; i++)
        if (m->open[i] < 0) {
            m->open[i] = file;
            return i;
        }
    abort(); /* too many open files: something leaks them */
}

static inline void mem_close(struct disk *d, int file)
{
    assert(mem_of(d)->open[file] >= 0);
    mem_of(d)->open[file] = -1;
}

static inline struct mem_file *mem_file_of(struct disk_mem *m, int file)
{
    assert(file >= 0 && file < MEM_OPEN && m->open[file] >= 0);
    return &m->files[m->open[file]];
}

static inline int mem_read(struct disk *d, int file, void *out, size_t n, uint64_t at,
                           size_t *out_got)
{
    struct disk_mem *m = mem_of(d);
    struct mem_file *f = mem_file_of(m, file);
    int rc = mem_fault(m, MEM_CALL_READ);

    if (rc == 0 && m->bad_n > 0 && m->open[file] == m->bad_file && at < m->bad_at + m->bad_n &&
        m->bad_at < at + n)
        rc = -EIO;
    if (rc < 0)
        return rc;
    *out_got = at >= f->live_n ? 0 : (n < f->live_n - at ? n : (size_t)(f->live_n - at));
    if (*out_got > 0)
        memcpy(out, f->live + at, *out_got);
    return 0;
}

static inline int mem_write(struct disk *d, int file, const void *p, size_t n, uint64_t at)
{
    struct disk_mem *m = mem_of(d);
    struct mem_file *f = mem_file_of(m, file);
    int rc = mem_fault(m, MEM_CALL_WRITE);

    if (rc == 0 && at + n > f->live_n && mem_used(m) + (at + n - f->live_n) > m->capacity)
        rc = -ENOSPC;
    if (rc < 0)
        n = (size_t)mem_below(m, n); /* a part of it */
    m->written += n;
    if (n == 0)
        return rc;
    mem_file_grow(f, at + n);
    memcpy(f->live + at, p, n);
    for (uint64_t s = at / MEM_SECTOR; s <= (at + n - 1) / MEM_SECTOR; s++)
        f->dirty[s] = 1;
    if (at + n > f->live_n)
        f->live_n = at + n;
    return rc;
}

static inline int mem_sync(struct disk *d, int file)
{
    struct disk_mem *m = mem_of(d);
    struct mem_file *f = mem_file_of(m, file);
    int rc = mem_fault(m, MEM_CALL_SYNC);

    if (m->no_sync)
        return 0;
    for (uint64_t s = 0; s < f->cap / MEM_SECTOR; s++) {
        /* After a failure some sectors made it, none will be tried again. */
        if (f->dirty[s] && (rc == 0 || mem_below(m, 2) == 0))
            memcpy(f->safe + s * MEM_SECTOR, f->live + s * MEM_SECTOR, MEM_SECTOR);
        f->dirty[s] = 0;
    }
    if (rc == 0)
        f->safe_n = f->live_n;
    return rc;
}

static inline int mem_sync_dir(struct disk *d)
{
    struct disk_mem *m = mem_of(d);
    int rc = mem_fault(m, MEM_CALL_SYNC_DIR);

    if (rc < 0)
        return rc;
    m->safe = m->live;
    m->step_count = 0;
    return 0;
}

static inline int mem_allocate(struct disk *d, int file, uint64_t n)
{
    struct disk_mem *m = mem_of(d);
    struct mem_file *f = mem_file_of(m, file);
    int rc = mem_fault(m, MEM_CALL_ALLOCATE);

    if (rc < 0)
        return rc;
    if (n > f->live_n && mem_used(m) + (n - f->live_n) > m->capacity)
        return -ENOSPC;
    mem_file_grow(f, n);
    if (n > f->live_n)
        f->live_n = n;
    return 0;
}

static inline int mem_truncate(struct disk *d, int file, uint64_t n)
{
    struct disk_mem *m = mem_of(d);
    struct mem_file *f = mem_file_of(m, file);

    mem_file_grow(f, n);
    if (n < f->live_n)
        memset(f->live + n, 0, f->live_n - n);
    f->live_n = n;
    return 0;
}

static inline int mem_rename(struct disk *d, const char *from, const char *to)
{
    struct disk_mem *m = mem_of(d);
    int rc = mem_fault(m, MEM_CALL_RENAME), at = names_at(&m->live, from), file;

    if (rc < 0)
        return rc;
    if (at < 0)
        return -ENOENT;
    file = m->live.row[at].file;
    names_drop(&m->live, from);
    names_set(&m->live, to, file);
    mem_step(m);
    return 0;
}

static inline int mem_unlink(struct disk *d, const char *name)
{
    struct disk_mem *m = mem_of(d);
    int rc = mem_fault(m, MEM_CALL_UNLINK);

    if (rc < 0)
        return rc;
    if (names_at(&m->live, name) < 0)
        return -ENOENT;
    names_drop(&m->live, name);
    mem_step(m);
    return 0;
}

static inline int mem_list(struct disk *d,
                           void (*each)(void *ctx, const char *name, uint64_t bytes), void *ctx)
{
    struct disk_mem *m = mem_of(d);
    int rc = mem_fault(m, MEM_CALL_LIST);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < m->live.count; i++)
        if (!strchr(m->live.row[i].name, '/'))
            each(ctx, m->live.row[i].name, m->files[m->live.row[i].file].live_n);
    return 0;
}

static inline int mem_free_bytes(struct disk *d, uint64_t *out)
{
    struct disk_mem *m = mem_of(d);
    uint64_t used = mem_used(m);

    *out = used < m->capacity ? m->capacity - used : 0;
    return 0;
}

static inline int mem_lock(struct disk *d)
{
    (void)d;
    return 0;
}
static inline int64_t mem_wall_ns(struct disk *d)
{
    return 1750000000000000000 + (int64_t)mem_of(d)->mono;
}
static inline uint64_t mem_mono_ns(struct disk *d)
{
    return mem_of(d)->mono;
}
static inline struct uuid mem_boot(struct disk *d)
{
    (void)d;
    return (struct uuid){ { 0xb0, 0x07 } };
}
static inline void mem_randomize(struct disk *d, void *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((unsigned char *)out)[i] = (unsigned char)(mem_random(mem_of(d)) >> 32);
}
static inline void mem_free_disk(struct disk *d)
{
    struct disk_mem *m = mem_of(d);

    for (int i = 0; i < MEM_FILES; i++)
        mem_file_clear(&m->files[i]);
    mem_free(m);
}

static const struct disk_ops mem_ops = {
    .open = mem_open,
    .close = mem_close,
    .read = mem_read,
    .write = mem_write,
    .sync = mem_sync,
    .sync_dir = mem_sync_dir,
    .allocate = mem_allocate,
    .truncate = mem_truncate,
    .rename = mem_rename,
    .unlink = mem_unlink,
    .list = mem_list,
    .free_bytes = mem_free_bytes,
    .lock = mem_lock,
    .wall_ns = mem_wall_ns,
    .mono_ns = mem_mono_ns,
    .uptime_ns = mem_mono_ns,
    .boot = mem_boot,
    .random = mem_randomize,
    .free = mem_free_disk,
};

static inline struct disk_mem *disk_mem_new(uint64_t seed)
{
    struct disk_mem *m = NEW(struct disk_mem);

    m->base.ops = &mem_ops;
    m->random = seed * 0x9e3779b97f4a7c15u + 0x1234567;
    m->capacity = MIB(64);
    m->mono = 1000000000;
    for (size_t i = 0; i < MEM_OPEN; i++)
        m->open[i] = -1;
    return m;
}

/* The power goes: every file and the directory become what the disk had. No handle is open. */
static inline void disk_mem_cut(struct disk_mem *m)
{
    size_t kept = (size_t)mem_below(m, m->step_count + 1);

    for (size_t i = 0; i < MEM_OPEN; i++)
        assert(m->open[i] < 0);
    m->live = kept == 0 ? m->safe : m->steps[kept - 1];
    m->safe = m->live;
    m->step_count = 0;
    for (int i = 0; i < MEM_FILES; i++) {
        struct mem_file *f = &m->files[i];
        unsigned odds = (unsigned)mem_below(m, 5);

        if (!f->used)
            continue;
        for (uint64_t s = 0; s < f->cap / MEM_SECTOR; s++) {
            if (f->dirty[s] && mem_below(m, 4) < odds)
                memcpy(f->safe + s * MEM_SECTOR, f->live + s * MEM_SECTOR, MEM_SECTOR);
            f->dirty[s] = 0;
        }
        if (mem_below(m, 2) == 0)
            f->safe_n = f->live_n;
        if (f->cap > f->safe_n)
            memset(f->safe + f->safe_n, 0, f->cap - f->safe_n);
        f->live_n = f->safe_n;
        if (f->cap > 0)
            memcpy(f->live, f->safe, f->cap);
    }
    mem_sweep(m);
}

#endif
