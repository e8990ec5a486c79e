/*
 * A disk that fails on order, for tests of the whole program: preloaded into it (LD_PRELOAD), this
 * stands between it and the calls that touch files below one folder.
 *
 *   WAYSIDE_FAULT_DIR    the folder, as a real path
 *   WAYSIDE_FAULT_FILE   a file of struct orders, which the test maps and writes while we run
 *
 * Orders: which calls (mask), what they answer (errno), how many are let through first (skip), how
 * many fail then (times; UINT32_MAX: until told otherwise); writes that take only a part of what they
 * are given (short_writes); syncs that lie (no_sync: answer 0 and flush nothing). `failed` counts.
 *
 * The program under test is as it ships; nothing in it knows of this.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum call {
    CALL_SYNC = 1, /* fsync, fdatasync */
    CALL_WRITE = 2,
    CALL_ALLOCATE = 4,
    CALL_RENAME = 8,
    CALL_OPEN = 16,
};
struct orders {
    _Atomic uint32_t mask, error, skip, times, short_writes, no_sync, failed, syncs;
};

static struct orders *orders;
static const char *dir;

__attribute__((constructor)) static void start(void)
{
    const char *file = getenv("WAYSIDE_FAULT_FILE");
    int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
    void *p = fd < 0 ? MAP_FAILED
                     : mmap(NULL, sizeof(struct orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    dir = getenv("WAYSIDE_FAULT_DIR");
    if (fd < 0 || p == MAP_FAILED || !dir) {
        fprintf(stderr, "disk_fault: WAYSIDE_FAULT_FILE and WAYSIDE_FAULT_DIR are needed\n");
        abort();
    }
    close(fd);
    orders = p;
}

static bool below(const char *path, size_t n)
{
    size_t dir_n = strlen(dir);

    return n >= dir_n && memcmp(path, dir, dir_n) == 0 && (n == dir_n || path[dir_n] == '/');
}

static bool is_ours(int fd)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path));
    return n > 0 && below(path, (size_t)n);
}

/* Whether this call fails; errno is set then. */
static bool fails(enum call call, int fd)
{
    uint32_t left;

    if (!(atomic_load(&orders->mask) & (uint32_t)call) || atomic_load(&orders->times) == 0 ||
        !is_ours(fd))
        return false;
    left = atomic_load(&orders->skip);
    if (left > 0) {
        atomic_store(&orders->skip, left - 1);
        return false;
    }
    left = atomic_load(&orders->times);
    if (left != UINT32_MAX)
        atomic_store(&orders->times, left - 1);
    atomic_fetch_add(&orders->failed, 1);
    errno = (int)atomic_load(&orders->error);
    return true;
}

/* The next one of that name. */
static void *real(const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);

    if (!p)
        abort();
    return p;
}
#define REAL(name, declaration)                                                                    \
    static declaration;                                                                            \
    if (!fn)                                                                                       \
    *(void **)&fn = real(name)

static int sync_one(int fd, int (*sync)(int))
{
    if (is_ours(fd))
        atomic_fetch_add(&orders->syncs, 1);
    if (fails(CALL_SYNC, fd))
        return -1;
    return atomic_load(&orders->no_sync) && is_ours(fd) ? 0 : sync(fd);
}

int fdatasync(int fd)
{
    REAL("fdatasync", int (*fn)(int));
    return sync_one(fd, fn);
}

int fsync(int fd)
{
    REAL("fsync", int (*fn)(int));
    return sync_one(fd, fn);
}

static size_t part_of(int fd, size_t n)
{
    return n > 1 && atomic_load(&orders->short_writes) && is_ours(fd) ? 1 + n / 3 : n;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    REAL("pwrite", ssize_t(*fn)(int, const void *, size_t, off_t));
    return fails(CALL_WRITE, fd) ? -1 : fn(fd, p, part_of(fd, n), at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at)
{
    return pwrite(fd, p, n, at);
}

ssize_t write(int fd, const void *p, size_t n)
{
    REAL("write", ssize_t(*fn)(int, const void *, size_t));
    return fails(CALL_WRITE, fd) ? -1 : fn(fd, p, part_of(fd, n));
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
    REAL("fallocate", int (*fn)(int, int, off_t, off_t));
    return fails(CALL_ALLOCATE, fd) ? -1 : fn(fd, mode, at, n);
}

int fallocate64(int fd, int mode, off_t at, off_t n)
{
    return fallocate(fd, mode, at, n);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    REAL("renameat", int (*fn)(int, const char *, int, const char *));
    return fails(CALL_RENAME, from_fd) ? -1 : fn(from_fd, from, to_fd, to);
}

int openat(int dir_fd, const char *name, int flags, ...)
{
    mode_t mode = 0;

    REAL("openat", int (*fn)(int, const char *, int, ...));
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list ap;

        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    return dir_fd >= 0 && fails(CALL_OPEN, dir_fd) ? -1 : fn(dir_fd, name, flags, mode);
}

int openat64(int dir_fd, const char *name, int flags, ...)
{
    mode_t mode = 0;

    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list ap;

        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    return openat(dir_fd, name, flags, mode);
}
