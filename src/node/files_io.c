/* The few things that a node does with files beside its journal and store. */
#include "node/files_io.h"

#include "base/mem.h"
#include "base/uuid.h"
#include "conf/conf_io.h"
#include "journal/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Puts text in the place of path. like: whose owner the new file gets; NULL: ours. */
static int replace(const char *path, struct str text, unsigned mode, const struct stat *like)
{
    size_t n = strlen(path);
    char *tmp = mem_new(n + 8);
    int fd, rc;

    memcpy(tmp, path, n);
    memcpy(tmp + n, ".tmp", 5);
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
    if (fd < 0) {
        rc = -errno;
        goto out;
    }
    rc = write_all(fd, text);
    if (!rc && like && (fchown(fd, like->st_uid, like->st_gid) || fchmod(fd, (mode_t)mode)))
        rc = -errno;
    close(fd);
    if (!rc && rename(tmp, path))
        rc = -errno;
    if (rc)
        unlink(tmp);
    else
        rc = sync_folder(path);
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

/* Opens and locks path; another may have put a new file there while we waited. */
static int lock(const char *path, bool create, int *out_fd, struct stat *out_st)
{
    for (;;) {
        struct stat now;
        int fd = open(path, O_RDONLY | O_CLOEXEC | (create ? O_CREAT : 0), 0600), rc = 0;

        if (fd < 0)
            return -errno;
        while (flock(fd, LOCK_EX) && !rc)
            rc = errno == EINTR ? 0 : -errno;
        if (!rc && fstat(fd, out_st))
            rc = -errno;
        if (!rc && !S_ISREG(out_st->st_mode))
            rc = -EISDIR;
        if (!rc && stat(path, &now) == 0 && now.st_dev == out_st->st_dev &&
            now.st_ino == out_st->st_ino) {
            *out_fd = fd;
            return 0;
        }
        close(fd);
        if (rc)
            return rc;
    }
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
    return fault_set(f, rc, "%s: %s", path, err_text(rc));
}

int files_edit(const char *path, size_t max, bool create, files_change *change, void *ctx,
               struct fault *f)
{
    struct buf old = buf_init(max), fresh = buf_init(max);
    char *real = realpath(path, NULL);
    const char *at = real ? real : path;
    struct stat st;
    int fd = -1, rc = lock(at, create && !real, &fd, &st);

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
    rc = replace(at, buf_str(&fresh), st.st_mode & 07777, &st);
    if (rc)
        rc = explain(f, rc, path);
out:
    if (rc && fd >= 0 && !real)
        unlink(at); /* it was made for this */
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
