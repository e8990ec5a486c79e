/* The few things that a node does with files beside its journal and store. */
#include "node/files_io.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "conf/conf_io.h"
#include "journal/record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Cuts path to the nearest folder above it. */
static void to_parent(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash)
        memcpy(path, ".", 2); /* never longer than a name */
    else
        slash[slash == path] = '\0';
}

int files_check_data(const char *path, struct fault *f)
{
    char *p = str_dup(str_of(path));
    struct stat st;
    int rc;

    while ((rc = stat(p, &st) ? -errno : 0) == -ENOENT && strcmp(p, "/") != 0 &&
           strcmp(p, ".") != 0)
        to_parent(p);
    if (!rc && !S_ISDIR(st.st_mode))
        rc = -ENOTDIR;
    if (!rc && faccessat(AT_FDCWD, p, W_OK | X_OK, AT_EACCESS))
        rc = -errno;
    mem_free(p);
    if (!rc)
        return 0;
    return fault_set(
        f, rc,
        "the data folder %.300s cannot be written: %s; choose another one (node.data), "
        "or give it to the user that runs this",
        path, err_text(rc));
}

int files_make_dir(const char *path, struct fault *f)
{
    char *p = str_dup(str_of(path));
    int rc = 0;

    for (char *at = p + 1; !rc; at++) {
        char c = *at;

        if (c != '/' && c != '\0')
            continue;
        *at = '\0';
        if (mkdir(p, 0750) && errno != EEXIST)
            rc = fault_set(f, -errno, "%s cannot be made: %s", p, err_text(-errno));
        *at = c;
        if (c == '\0')
            break;
    }
    mem_free(p);
    return rc;
}

static int write_all(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        s = str_skip(s, (size_t)n);
    }
    return fsync(fd) ? -errno : 0;
}

/* The name is durable with its folder only. */
static int sync_folder(const char *path)
{
    char *dir = str_dup(str_of(path)), *slash = strrchr(dir, '/');
    int fd, rc = 0;

    if (slash)
        slash[slash == dir] = '\0';
    fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        rc = -errno;
    if (fd >= 0)
        close(fd);
    mem_free(dir);
    return rc;
}

/* Puts text in the place of path. like: whose owner and mode the new file gets; NULL: ours, and `mode`. What an
 * earlier try left behind is not written into: it may be open to others. */
static int replace(const char *path, struct str text, unsigned mode, const struct stat *like)
{
    size_t n = strlen(path);
    char *tmp = mem_new(n + 8);
    int fd, rc, synced;

    memcpy(tmp, path, n);
    memcpy(tmp + n, ".tmp", 5);
    unlink(tmp);
    fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, like ? 0600 : (mode_t)mode);
    if (fd < 0) {
        rc = -errno;
        goto out;
    }
    rc = 0;
    if (like && (fchown(fd, like->st_uid, like->st_gid) || fchmod(fd, like->st_mode & 07777)))
        rc = -errno;
    if (!rc)
        rc = write_all(fd, text);
    close(fd);
    if (!rc && rename(tmp, path))
        rc = -errno;
    if (rc) {
        unlink(tmp);
        goto out;
    }
    synced = sync_folder(path);
    if (synced)
        log_warn("files", "written, but a power cut may bring the old one back",
                 lf_text("file", path), lf_text("why", err_text(synced)));
out:
    mem_free(tmp);
    return rc;
}

int files_write(const char *path, struct str text, unsigned mode, struct fault *f)
{
    int rc = replace(path, text, mode, NULL);

    return rc ? fault_set(f, rc, "%s: %s", path, err_text(rc)) : 0;
}

/* ---- changing a file ---- */

static bool is_at(const char *path, const struct stat *st)
{
    struct stat now;

    return stat(path, &now) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino;
}

/* Whoever may read a file may hold its lock for as long as he likes, and a node waits here on its main
 * thread. A change takes milliseconds. */
#define LOCK_WAIT_MS  5000
#define LOCK_RETRY_MS 10

static int wait_lock(int fd)
{
    for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB); waited += LOCK_RETRY_MS) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (waited >= LOCK_WAIT_MS)
            return ERR_BUSY;
        (void)poll(NULL, 0, LOCK_RETRY_MS); /* nothing tells when a lock is free */
    }
    return 0;
}

/* made: is set when the file was not there. */
static int open_or_make(const char *path, bool create, bool *made)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT && create) {
        fd = open(path, O_RDONLY | O_CLOEXEC | O_CREAT | O_EXCL, 0600);
        *made = fd >= 0;
    }
    return fd < 0 ? -errno : fd;
}

/* Opens and locks path; another may have put a new file there while we waited, or made it before us. */
static int lock(const char *path, bool create, int *out_fd, struct stat *out_st, bool *out_made)
{
    for (;;) {
        bool made = false;
        int fd = open_or_make(path, create, &made), rc;

        if (fd == -EEXIST)
            continue;
        if (fd < 0)
            return fd;
        rc = wait_lock(fd);
        if (!rc && fstat(fd, out_st))
            rc = -errno;
        if (!rc && !S_ISREG(out_st->st_mode))
            rc = -EISDIR;
        if (!rc && is_at(path, out_st)) {
            *out_fd = fd;
            *out_made = made;
            return 0;
        }
        close(fd);
        if (rc)
            return rc;
    }
}

/* It was made for a change that failed; unless somebody has written it meanwhile. */
static void unmake(const char *path, int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && st.st_size == 0 && is_at(path, &st))
        unlink(path);
}

static int explain(struct fault *f, int rc, const char *path)
{
    if (rc == -EACCES || rc == -EPERM || rc == -EROFS)
        return fault_set(f, rc,
                         "%s cannot be replaced: %s; whoever changes it must be able to write its "
                         "folder and to give the file back to its owner",
                         path, err_text(rc));
    if (rc == -ENOENT)
        return fault_set(f, rc, "there is no file %s", path);
    if (rc == ERR_BUSY)
        return fault_set(
            f, rc, "%s is locked by another process (see lslocks), so nothing was changed", path);
    return fault_set(f, rc, "%s: %s", path, err_text(rc));
}

int files_edit(const char *path, size_t max, bool create, files_change *change, void *ctx,
               struct fault *f)
{
    struct buf old = buf_init(max), fresh = buf_init(max);
    char *real = realpath(path, NULL);
    const char *at = real ? real : path;
    struct stat st;
    bool made = false;
    int fd = -1, rc;

    if (create && !real && lstat(path, &st) == 0) {
        rc = fault_set(f, -ENOENT, "%s is a symbolic link to a file that is not there", path);
        goto out;
    }
    rc = lock(at, create && !real, &fd, &st, &made);
    if (rc) {
        rc = explain(f, rc, path);
        goto out;
    }
    rc = conf_io_read(at, &old, f);
    if (!rc)
        rc = change(ctx, buf_str(&old), &fresh, f);
    if (!rc && buf_check(&fresh))
        rc = fault_set(f, ERR_LIMIT, "%s would be larger than %zu bytes (limits.access_file_max)",
                       path, max);
    if (rc)
        goto out;
    rc = replace(at, buf_str(&fresh), 0, &st);
    if (rc)
        rc = explain(f, rc, path);
out:
    if (rc && made)
        unmake(at, fd);
    if (fd >= 0)
        close(fd);
    free(real);
    buf_fini(&old);
    buf_fini(&fresh);
    return rc;
}

/* The host's name with everything that an id may not hold left out. */
static void safe_host(char *out, size_t size)
{
    char host[256] = "";
    size_t n = 0;

    if (gethostname(host, sizeof(host) - 1))
        host[0] = '\0';
    for (const char *p = host; *p && *p != '.' && n + 1 < size; p++)
        if (record_device_valid(str_from(p, 1)))
            out[n++] = *p;
    out[n] = '\0';
    if (n == 0)
        snprintf(out, size, "node");
}

int files_node_id(const char *dir, struct buf *out, struct fault *f)
{
    struct buf path = buf_init(4096);
    char host[RECORD_DEVICE_MAX - 5];
    unsigned char r[2];
    struct fault ignored;
    int rc;

    buf_printf(&path, "%s/node-id", dir);
    rc = conf_io_read(buf_cstr(&path), out, &ignored);
    if (rc == -ENOENT) {
        safe_host(host, sizeof(host));
        random_bytes(r, sizeof(r));
        buf_clear(out);
        buf_printf(out, "%s-%02x%02x\n", host, r[0], r[1]);
        rc = files_write(buf_cstr(&path), buf_str(out), 0640, f);
    } else if (rc) {
        rc = fault_set(f, rc, "%s", ignored.text);
    }
    if (!rc) {
        while (out->n > 0 && (out->p[out->n - 1] == '\n' || out->p[out->n - 1] == ' '))
            out->n--;
        if (!record_device_valid(buf_str(out)))
            rc = fault_set(f, ERR_VALUE,
                           "%s does not hold a node id (1 to 50 of A-Z a-z 0-9 _ -); mend or "
                           "remove the file",
                           buf_cstr(&path));
    }
    buf_fini(&path);
    return rc;
}
