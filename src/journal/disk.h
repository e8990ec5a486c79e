#ifndef JOURNAL_DISK_H
#define JOURNAL_DISK_H
/*
 * Every effect of the journal, as a table: one directory, its files and the clocks. disk_io.c is
 * the real one; the tests have one in memory that fails, lies and crashes on order. Names are
 * within the directory, without a slash but for the sub-directory "damaged/". Calls may come from
 * the committer and from readers at once. All return 0 or -errno unless they say otherwise.
 */
#include "base/str.h"
#include "base/uuid.h"

enum disk_flag {
    DISK_READ = 0,
    DISK_WRITE = 1,  /* reading too */
    DISK_CREATE = 2, /* make it if it is not there */
};

struct disk;
struct disk_ops {
    /* A handle >= 0. */
    int (*open)(struct disk *d, const char *name, unsigned flags);
    void (*close)(struct disk *d, int file);
    /* Fewer than n only at the end of the file. */
    int (*read)(struct disk *d, int file, void *out, size_t n, uint64_t at, size_t *out_got);
    /* All or an error; after an error any part of it may be there. */
    int (*write)(struct disk *d, int file, const void *p, size_t n, uint64_t at);
    int (*sync)(struct disk *d, int file); /* data and size are durable */
    int (*sync_dir)(struct disk *d);       /* names are durable */
    /* Space for n bytes from the start; the file is then at least n long. */
    int (*allocate)(struct disk *d, int file, uint64_t n);
    int (*truncate)(struct disk *d, int file, uint64_t n);
    int (*rename)(struct disk *d, const char *from, const char *to);
    int (*unlink)(struct disk *d, const char *name);
    int (*list)(struct disk *d, void (*each)(void *ctx, const char *name, uint64_t bytes),
                void *ctx);
    int (*free_bytes)(struct disk *d, uint64_t *out);
    /* For as long as d lives, this process alone; ERR_BUSY. */
    int (*lock)(struct disk *d);
    int64_t (*wall_ns)(struct disk *d);
    uint64_t (*mono_ns)(struct disk *d);
    uint64_t (*uptime_ns)(struct disk *d);
    struct uuid (*boot)(struct disk *d);
    /* Entropy for a new uuid or key. */
    void (*random)(struct disk *d, void *out, size_t n);
    void (*free)(struct disk *d);
};
struct disk {
    const struct disk_ops *ops;
};

/* The directory `path` of the real disk. create: made with mode 0700 if it is not there. */
MUST_USE int disk_open(const char *path, bool create, struct disk **out, struct fault *f);

#endif
