/*
 * Finding and opening a journal's folder, and writing out what was found. A reader that goes away
 * (`| head`) is no failure: it has what it wanted.
 */
#include "cli/journal_dir_io.h"

#include "base/mem.h"
#include "journal/segment.h"
#include "node/run_io.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static bool is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Freed by the caller. NULL: there is none. */
static char *find_dir(const struct command_call *c)
{
    static const char *const presets[] = { "hub", "edge", "run" };

    if (c->arg_count > 0)
        return str_dup(str_of(c->args[0]));
    for (size_t i = 0; i < COUNT_OF(presets); i++) {
        char *control = run_control_path(presets[i]), *slash = strrchr(control, '/');
        struct buf b = buf_init(4096);
        char *path;

        buf_printf(&b, "%.*s/journal", (int)(slash - control), control);
        path = str_dup(buf_str(&b));
        buf_fini(&b);
        mem_free(control);
        if (is_dir(path))
            return path;
        mem_free(path);
    }
    return NULL;
}

static void add_size(void *ctx, const char *name, uint64_t bytes)
{
    uint64_t *sum = ctx, generation;

    if (segment_parse_name(str_of(name), &generation) == 0)
        *sum += bytes;
}

int journal_dir_open(const struct command_call *c, struct journal_dir *out)
{
    struct fault f = { 0 };
    char text[1024];

    *out = (struct journal_dir){ .path = find_dir(c) };
    if (!out->path) {
        fprintf(stderr, "wayside %s: no journal is at the usual places; name its folder\n",
                c->command->name);
        return EXIT_USAGE;
    }
    if (disk_open(out->path, false, &out->disk, &f) < 0) {
        fprintf(stderr, "wayside: %s\n", fault_text(&f, text, sizeof(text)));
        return EXIT_FAILED;
    }
    (void)!out->disk->ops->list(out->disk, add_size, &out->bytes);
    return EXIT_DONE;
}

void journal_dir_close(struct journal_dir *d)
{
    if (d->disk)
        d->disk->ops->free(d->disk);
    mem_free(d->path);
    *d = (struct journal_dir){ 0 };
}

int journal_dir_failed(const struct journal_dir *d, int code)
{
    fprintf(stderr, "wayside: %s: %s\n", d->path,
            code == ERR_UNKNOWN ? "there is no journal here" : err_text(code));
    return EXIT_FAILED;
}

int put_out(struct buf *b, void *f)
{
    int rc = buf_check(b);

    errno = 0;
    if (rc == 0 && b->n > 0 && fwrite(b->p, 1, b->n, f) != b->n)
        rc = errno ? -errno : -EIO;
    buf_clear(b);
    return rc;
}

int put_out_failed(int code)
{
    if (code == -EPIPE)
        return EXIT_DONE;
    fprintf(stderr, "wayside: standard output: %s\n", err_text(code));
    return EXIT_FAILED;
}
