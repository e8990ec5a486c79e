/*
 * Configuration out of files: reads a whole file with a cap, then leaves the rest to the pure
 * loader. For the start of the daemon, its reload (on a thread that may block) and the command
 * line.
 */
#include "conf/conf_io.h"

#include "conf/report.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, const char *path, struct buf *out, struct fault *f)
{
    for (;;) {
        /* One byte more than allowed shows that it is too large. */
        size_t room = out->max - out->n < 65536 ? out->max - out->n : 65536;
        char extra = 0, *to = room > 0 ? buf_reserve(out, room) : &extra;
        ssize_t n = read(fd, to, room > 0 ? room : 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fault_at(f, -errno, path, 0, 0, "cannot read %s: %s", path, err_text(-errno));
        if (n == 0)
            return 0;
        if (room == 0)
            return fault_at(f, ERR_LIMIT, path, 0, 0, "%s is larger than %zu bytes", path,
                            out->max);
        buf_commit(out, (size_t)n);
    }
}

int conf_io_read(const char *path, struct buf *out, struct fault *f)
{
    struct stat st;
    int rc = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return fault_at(f, -errno, path, 0, 0, "cannot open %s: %s", path, err_text(-errno));
    if (fstat(fd, &st) != 0)
        rc = -errno;
    else if (S_ISDIR(st.st_mode))
        rc = -EISDIR;
    if (rc)
        fault_at(f, rc, path, 0, 0, "cannot read %s: %s", path, err_text(rc));
    else
        rc = read_all(fd, path, out, f);
    close(fd);
    return rc;
}

static int read_for_conf(void *ctx, const char *path, struct buf *out, struct fault *f)
{
    (void)ctx;
    return conf_io_read(path, out, f);
}

const struct conf_reader conf_io_reader = { read_for_conf, NULL };

int conf_io_load(const struct conf_schema *s, const struct conf_source *preset, const char *path,
                 struct conf **out, struct conf_report *r)
{
    return conf_io_load_over(s, preset, preset && preset->name ? 1 : 0, path, out, r);
}

int conf_io_load_over(const struct conf_schema *s, const struct conf_source *below, size_t count,
                      const char *path, struct conf **out, struct conf_report *r)
{
    struct buf text = buf_init(CONF_FILE_MAX + 1);
    struct conf_source sources[CONF_IO_BELOW_MAX + 1];
    struct fault f;
    int rc = 0;

    assert(count <= CONF_IO_BELOW_MAX);
    for (size_t i = 0; i < count; i++)
        sources[i] = below[i];
    if (path && strcmp(path, "-") == 0)
        rc = read_all(STDIN_FILENO, "standard input", &text, &f);
    else if (path)
        rc = conf_io_read(path, &text, &f);
    if (rc) {
        report_add(r, REPORT_ERROR, NULL, NULL, "%s", f.text);
        rc = ERR_VALUE;
        goto out;
    }
    if (path)
        sources[count++] =
            (struct conf_source){ strcmp(path, "-") == 0 ? "(stdin)" : path, buf_str(&text) };
    rc = conf_load(s, sources, count, &conf_io_reader, out, r);
out:
    buf_fini(&text);
    return rc;
}
