/*
 * The disk of journal/disk.h for real: one directory, calls as they are in POSIX. A short write is
 * gone on with, an interrupted call repeated, everything else is reported; in particular a failed
 * fdatasync is never repeated, since the second one would say that all is well.
 */
#include "journal/disk.h"

#include "base/clock.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct disk_real {
    struct disk base;
    int dir;
    int lock;
    struct uuid boot;
};

static int dir_of(struct disk *d)
{
    return container_of(d, struct disk_real, base)->dir;
}

static int or_errno(int rc)
{
    return rc < 0 ? -errno : rc;
}

static int real_open(struct disk *d, const char *name, unsigned flags)
{
    int how = ((flags & DISK_WRITE) ? O_RDWR : O_RDONLY) | ((flags & DISK_CREATE) ? O_CREAT : 0);

    return or_errno(openat(dir_of(d), name, how | O_CLOEXEC | O_NOFOLLOW, 0600));
}

static void real_close(struct disk *d, int file)
{
    (void)d;
    close(file);
}

static int real_read(struct disk *d, int file, void *out, size_t n, uint64_t at, size_t *out_got)
{
    size_t got = 0;

    (void)d;
    while (got < n) {
        ssize_t rc = pread(file, (char *)out + got, n - got, (off_t)(at + got));

        if (rc < 0 && errno == EINTR)
            continue;
        if (rc < 0)
            return -errno;
        if (rc == 0)
            break;
        got += (size_t)rc;
    }
    *out_got = got;
    return 0;
}

static int real_write(struct disk *d, int file, const void *p, size_t n, uint64_t at)
{
    size_t done = 0;

    (void)d;
    while (done < n) {
        ssize_t rc = pwrite(file, (const char *)p + done, n - done, (off_t)(at + done));

        if (rc < 0 && errno == EINTR)
            continue;
        if (rc < 0)
            return -errno;
        if (rc == 0)
            return -EIO;
        done += (size_t)rc;
    }
    return 0;
}

static int real_sync(struct disk *d, int file)
{
    (void)d;
    return or_errno(fdatasync(file));
}

static int real_sync_dir(struct disk *d)
{
    return or_errno(fsync(dir_of(d)));
}

static int real_allocate(struct disk *d, int file, uint64_t n)
{
    (void)d;
    if (fallocate(file, 0, 0, (off_t)n) == 0)
        return 0;
    /* A file system without it: the size alone, as a sparse file. */
    if (errno == EOPNOTSUPP)
        return or_errno(ftruncate(file, (off_t)n));
    return -errno;
}

static int real_truncate(struct disk *d, int file, uint64_t n)
{
    (void)d;
    return or_errno(ftruncate(file, (off_t)n));
}

static int real_rename(struct disk *d, const char *from, const char *to)
{
    const char *slash = strchr(to, '/');
    char folder[64];

    if (slash && (size_t)(slash - to) < sizeof(folder)) {
        memcpy(folder, to, (size_t)(slash - to));
        folder[slash - to] = '\0';
        if (mkdirat(dir_of(d), folder, 0700) < 0 && errno != EEXIST)
            return -errno;
    }
    return or_errno(renameat(dir_of(d), from, dir_of(d), to));
}

static int real_unlink(struct disk *d, const char *name)
{
    return or_errno(unlinkat(dir_of(d), name, 0));
}

static int real_list(struct disk *d, void (*each)(void *ctx, const char *name, uint64_t bytes),
                     void *ctx)
{
    int fd = openat(dir_of(d), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int rc = 0;

    if (!dir) {
        rc = -errno;
        if (fd >= 0)
            close(fd);
        return rc;
    }
    for (;;) {
        struct dirent *e;
        struct stat st;

        errno = 0;
        e = readdir(dir);
        if (!e) {
            rc = -errno;
            break;
        }
        if (fstatat(dir_of(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            each(ctx, e->d_name, (uint64_t)st.st_size);
    }
    closedir(dir);
    return rc;
}

static int real_free_bytes(struct disk *d, uint64_t *out)
{
    struct statvfs v;

    if (fstatvfs(dir_of(d), &v) < 0)
        return -errno;
    *out = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

static int real_lock(struct disk *d)
{
    struct disk_real *r = container_of(d, struct disk_real, base);

    r->lock = openat(r->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (r->lock < 0)
        return -errno;
    if (flock(r->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? ERR_BUSY : -errno;
}

static int64_t real_wall_ns(struct disk *d)
{
    (void)d;
    return clock_wall_ns();
}

static uint64_t real_mono_ns(struct disk *d)
{
    (void)d;
    return clock_mono_ns();
}

static uint64_t real_uptime_ns(struct disk *d)
{
    (void)d;
    return clock_uptime_ns();
}

static struct uuid real_boot(struct disk *d)
{
    return container_of(d, struct disk_real, base)->boot;
}

static void real_random(struct disk *d, void *out, size_t n)
{
    (void)d;
    random_bytes(out, n);
}

static void real_free(struct disk *d)
{
    struct disk_real *r = container_of(d, struct disk_real, base);

    if (r->lock >= 0)
        close(r->lock);
    close(r->dir);
    mem_free(r);
}

static const struct disk_ops real_ops = {
    .open = real_open,
    .close = real_close,
    .read = real_read,
    .write = real_write,
    .sync = real_sync,
    .sync_dir = real_sync_dir,
    .allocate = real_allocate,
    .truncate = real_truncate,
    .rename = real_rename,
    .unlink = real_unlink,
    .list = real_list,
    .free_bytes = real_free_bytes,
    .lock = real_lock,
    .wall_ns = real_wall_ns,
    .mono_ns = real_mono_ns,
    .uptime_ns = real_uptime_ns,
    .boot = real_boot,
    .random = real_random,
    .free = real_free,
};

/* This boot's id as the kernel tells it; all zero when it does not. */
static struct uuid read_boot(void)
{
    struct uuid u = { 0 };
    char text[UUID_TEXT_LEN];
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return u;
    if (read(fd, text, sizeof(text)) != (ssize_t)sizeof(text) ||
        uuid_parse(str_from(text, sizeof(text)), &u) < 0)
        u = (struct uuid){ 0 };
    close(fd);
    return u;
}

int disk_open(const char *path, bool create, struct disk **out, struct fault *f)
{
    struct disk_real *r;
    int dir;

    if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
        return fault_at(f, -errno, path, 0, 0, "cannot make the directory: %s", err_text(-errno));
    dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return fault_at(f, -errno, path, 0, 0, "cannot open the directory: %s", err_text(-errno));
    r = NEW(struct disk_real);
    r->base.ops = &real_ops;
    r->dir = dir;
    r->lock = -1;
    r->boot = read_boot();
    *out = &r->base;
    return 0;
}
