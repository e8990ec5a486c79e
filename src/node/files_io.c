/* The few things that a node does with files beside its journal and store. */
#include "node/files_io.h"

#include "base/mem.h"
#include "base/uuid.h"
#include "conf/conf_io.h"
#include "journal/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

int files_write(const char *path, struct str text, unsigned mode, struct fault *f)
{
    size_t n = strlen(path);
    char *tmp = mem_new(n + 8), *slash;
    int fd, rc;

    memcpy(tmp, path, n);
    memcpy(tmp + n, ".tmp", 5);
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
    if (fd < 0) {
        rc = -errno;
        goto out;
    }
    rc = write_all(fd, text);
    close(fd);
    if (!rc && rename(tmp, path))
        rc = -errno;
    if (!rc) { /* the name is durable with its folder only */
        slash = strrchr(tmp, '/');
        if (slash)
            *slash = '\0';
        fd = open(slash ? tmp : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd))
            rc = -errno;
        if (fd >= 0)
            close(fd);
    }
out:
    mem_free(tmp);
    return rc ? fault_set(f, rc, "%s: %s", path, err_text(rc)) : 0;
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
