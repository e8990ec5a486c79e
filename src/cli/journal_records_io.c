/*
 * `journal cat` and `journal export`: the records that a sink would get, as text. Memory is that of
 * one record; the file of an export has its name only once it is whole and on the disk.
 */
#include "cli/journal_io.h"

#include "base/mem.h"
#include "cli/bar_io.h"
#include "cli/journal_dir_io.h"
#include "cli/record_text.h"
#include "cli/show.h"
#include "journal/verify.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define RECORD_MAX (128u << 20) /* the text of one: the largest payload, escaped */
#define FOLLOW_MS  250

struct view {
    struct record_wanted wanted;
    enum record_format format;
    struct bar bar;
    FILE *file;
    struct buf out, held; /* held: gaps that are wanted if the next record is */
    uint64_t held_gaps, held_lost;
    bool after; /* see record_wanted() */
    uint64_t records, gaps, lost, bytes;
    uint64_t first_seq, last_seq; /* of what was written */
    uint64_t seen_seq;            /* of what was looked at */
    int failed;                   /* the file takes no more */
};

static void write_out(struct view *v, struct buf *b)
{
    v->bytes += b->n;
    if (v->failed == 0)
        v->failed = put_out(b, v->file);
    buf_clear(b);
}

static void put_record(struct view *v, const struct record *r, struct buf *out)
{
    if (v->format == RECORD_CSV)
        record_text_csv(r, out);
    else
        record_text_json(r, out);
}

static void count_gap(struct view *v, uint64_t gaps, uint64_t lost)
{
    v->gaps += gaps;
    v->lost += lost;
}

/* The gaps before this record: written when it is wanted or has the right time, else forgotten. */
static void settle_held(struct view *v)
{
    if (v->after) {
        count_gap(v, v->held_gaps, v->held_lost);
        write_out(v, &v->held);
    }
    buf_clear(&v->held);
    v->held_gaps = v->held_lost = 0;
}

static void put_wanted(struct view *v, const struct record *r)
{
    if (r->kind == RECORD_GAP)
        count_gap(v, 1, r->origin_seq - r->first + 1);
    else
        v->records++;
    if (v->first_seq == 0)
        v->first_seq = r->seq;
    v->last_seq = r->seq;
    put_record(v, r, &v->out);
    write_out(v, &v->out);
}

static bool on_record(void *ctx, const struct record *r)
{
    struct view *v = ctx;
    enum record_verdict verdict = record_wanted(&v->wanted, r, &v->after);

    if (r->seq > v->seen_seq)
        v->seen_seq = r->seq;
    if (record_is_data(r))
        settle_held(v);
    if (verdict == RECORD_YES) {
        put_wanted(v, r);
    } else if (verdict == RECORD_AS_NEXT) {
        v->held_gaps++;
        v->held_lost += r->origin_seq - r->first + 1;
        put_record(v, r, &v->held);
    }
    return v->failed == 0;
}

static void on_segment(void *ctx, const struct verify_segment *s)
{
    struct view *v = ctx;

    bar_add(&v->bar, s->bytes);
}

/* ---- what is asked for ---- */

static int wrong(const struct command_call *c, const char *option, const char *text,
                 const char *what)
{
    fprintf(stderr, "wayside %s: --%s: '%s' is no %s\n", c->command->name, option, text, what);
    return EXIT_USAGE;
}

/* EXIT_DONE or EXIT_USAGE. */
static int read_wanted(const struct command_call *c, struct record_wanted *out)
{
    const char *device = command_value(c, "device"), *stream = command_value(c, "stream");

    if (device && !record_device_valid(str_of(device)))
        return wrong(c, "device", device, "name of a device");
    if (stream && !record_stream_valid(str_of(stream)))
        return wrong(c, "stream", stream, "name of a stream");
    out->device = str_of(device);
    out->stream = str_of(stream);
    for (int to = 0; to < 2; to++) {
        const char *option = to ? "to" : "from", *text = command_value(c, option);

        if (text && record_wanted_place(out, str_of(text), to) < 0)
            return wrong(c, option, text,
                         "number of a record, day (2026-01-31) or time (2026-01-31T12:00:00Z)");
    }
    return EXIT_DONE;
}

static int read_format(const struct command_call *c, enum record_format *out)
{
    const char *format = command_value(c, "format");

    if (format && strcmp(format, "jsonl") != 0 && strcmp(format, "csv") != 0)
        return wrong(c, "format", format, "format; jsonl or csv");
    *out = format && strcmp(format, "csv") == 0 ? RECORD_CSV : RECORD_JSONL;
    return EXIT_DONE;
}

/* Everything behind the cursor of that name. */
static int read_after(const struct command_call *c, const struct journal_dir *d, const char *name,
                      struct record_wanted *out)
{
    uint64_t seq = 0;
    int rc = verify_cursor_seq(d->disk, name, &seq);

    if (rc == ERR_VALUE)
        return wrong(c, "after", name, "name of a cursor");
    if (rc == ERR_UNKNOWN) {
        fprintf(stderr,
                "wayside: %s: there is no cursor '%s'; `wayside journal ls %s` names them\n",
                d->path, name, d->path);
        return EXIT_FAILED;
    }
    if (rc == ERR_CORRUPT) {
        fprintf(stderr,
                "wayside: the cursor '%s' is damaged; its sink begins again with the oldest "
                "record, and so does this\n",
                name);
        rc = 0;
    } else if (rc == 0 && seq + 1 > out->from_seq) {
        out->from_seq = seq + 1;
    }
    return rc < 0 ? journal_dir_failed(d, rc) : EXIT_DONE;
}

static int look(struct view *v, const struct journal_dir *d, bool sink, struct verify_summary *sum)
{
    struct verify_visitor visitor = { .ctx = v,
                                      .on_segment = on_segment,
                                      .on_record = on_record,
                                      .from_seq = v->wanted.from_seq,
                                      .to_seq = v->wanted.to_seq,
                                      .sink = sink };
    int rc = verify_journal(d->disk, &visitor, sum);

    return rc == ERR_STOPPED ? 0 : rc;
}

/* ---- cat ---- */

/* False: nobody reads what is printed any more. */
static bool pause_between_looks(void)
{
    struct pollfd out = { .fd = STDOUT_FILENO };

    return poll(&out, 1, FOLLOW_MS) == 0;
}

int journal_cat(const struct command_call *c)
{
    struct view v = { .file = stdout };
    const char *after = command_value(c, "after");
    bool follow = command_value(c, "follow") != NULL;
    struct verify_summary sum = { 0 };
    struct journal_dir d = { 0 };
    int status = read_wanted(c, &v.wanted), rc;

    if (status == EXIT_DONE)
        status = journal_dir_open(c, &d);
    if (status == EXIT_DONE && after)
        status = read_after(c, &d, after, &v.wanted);
    if (status != EXIT_DONE)
        goto out;
    v.out = buf_init(RECORD_MAX);
    v.held = buf_init(RECORD_MAX);
    rc = look(&v, &d, after != NULL, &sum);
    while (rc == 0 && follow && v.failed == 0 && fflush(stdout) == 0 && pause_between_looks()) {
        if (v.seen_seq >= v.wanted.from_seq)
            v.wanted.from_seq = v.seen_seq + 1;
        rc = look(&v, &d, v.seen_seq > 0, &sum);
    }
    if (v.failed == 0 && fflush(stdout) != 0)
        v.failed = errno ? -errno : -EIO;
    if (v.failed)
        status = put_out_failed(v.failed);
    else if (rc < 0)
        status = journal_dir_failed(&d, rc);
out:
    buf_fini(&v.out);
    buf_fini(&v.held);
    journal_dir_close(&d);
    return status;
}

/* ---- export ---- */

/* A file that gets its name when it is whole. */
struct draft {
    const char *path;
    char *part;   /* its name until then */
    char *folder; /* of both */
    FILE *file;
    bool force;
};

static int draft_failed(const char *path, int code)
{
    fprintf(stderr, "wayside: %s: %s\n", path, err_text(code));
    return EXIT_FAILED;
}

static int exists(const struct draft *d)
{
    fprintf(stderr, "wayside: %s is there already; name another file, or --force\n", d->path);
    return EXIT_FAILED;
}

static int draft_open(const char *path, bool force, struct draft *d)
{
    struct buf b = buf_init(8192);
    const char *slash = strrchr(path, '/');
    int fd;

    *d = (struct draft){ .path = path, .force = force };
    buf_printf(&b, "%s.tmp", path);
    d->part = str_dup(buf_str(&b));
    buf_clear(&b);
    buf_put(&b, slash ? str_from(path, (size_t)(slash - path) + 1) : STR("."));
    d->folder = str_dup(buf_str(&b));
    buf_fini(&b);
    /* Before the work; it is made sure of once more behind it. */
    if (!force && access(path, F_OK) == 0)
        return exists(d);
    fd = open(d->part, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (fd < 0)
        return draft_failed(d->part, -errno);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 || ftruncate(fd, 0) < 0) {
        int code = errno == EWOULDBLOCK ? ERR_BUSY : -errno;

        close(fd);
        return draft_failed(d->part, code);
    }
    d->file = fdopen(fd, "w");
    if (!d->file)
        close(fd);
    return d->file ? EXIT_DONE : draft_failed(d->part, -errno);
}

static void draft_drop(struct draft *d)
{
    if (!d->file)
        return;
    unlink(d->part);
    fclose(d->file);
    d->file = NULL;
}

/* Whole, on the disk, and under its name; else nothing of it is left. */
static int draft_finish(struct draft *d)
{
    int rc = 0, folder;

    errno = 0;
    if (fflush(d->file) != 0 || fsync(fileno(d->file)) != 0)
        rc = errno ? -errno : -EIO;
    if (rc == 0 &&
        renameat2(AT_FDCWD, d->part, AT_FDCWD, d->path, d->force ? 0 : RENAME_NOREPLACE) < 0)
        rc = -errno;
    /* A file system that does not know the flag. */
    if (rc == -EINVAL && !d->force && access(d->path, F_OK) < 0)
        rc = rename(d->part, d->path) < 0 ? -errno : 0;
    if (rc < 0)
        draft_drop(d);
    if (d->file)
        fclose(d->file);
    d->file = NULL;
    if (rc == -EEXIST)
        return exists(d);
    if (rc < 0)
        return draft_failed(d->path, rc);
    folder = open(d->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || fsync(folder) < 0)
        rc = -errno;
    if (folder >= 0)
        close(folder);
    return rc < 0 ? draft_failed(d->folder, rc) : EXIT_DONE;
}

static void draft_fini(struct draft *d)
{
    draft_drop(d);
    mem_free(d->part);
    mem_free(d->folder);
}

static void tell_export(const struct view *v, const char *path, bool json, FILE *to)
{
    struct buf b = buf_init(8192);
    struct json_writer w = json_writer_init(&b);
    const struct {
        const char *key;
        uint64_t n;
    } counts[] = { { "records", v->records },     { "gaps", v->gaps },
                   { "missing", v->lost },        { "bytes", v->bytes },
                   { "first_seq", v->first_seq }, { "last_seq", v->last_seq } };

    if (json) {
        json_begin_object(&w);
        json_key(&w, "file");
        json_text(&w, path);
        for (size_t i = 0; i < COUNT_OF(counts); i++) {
            json_put_u64(&w, counts[i].key, counts[i].n);
        }
        json_end_object(&w);
    } else {
        buf_printf(&b, "%s: %llu records", path, (unsigned long long)v->records);
        if (v->last_seq > 0)
            buf_printf(&b, " (%llu to %llu)", (unsigned long long)v->first_seq,
                       (unsigned long long)v->last_seq);
        buf_printf(&b, ", %llu gaps (%llu records missing), ", (unsigned long long)v->gaps,
                   (unsigned long long)v->lost);
        show_bytes(v->bytes, &b);
    }
    fprintf(to, "%.*s\n", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

int journal_export(const struct command_call *c)
{
    const char *path = command_value(c, "out");
    struct view v = { 0 };
    struct verify_summary sum = { 0 };
    struct journal_dir d = { 0 };
    struct draft draft = { 0 };
    int status = read_wanted(c, &v.wanted), rc;
    bool piped;

    if (status == EXIT_DONE)
        status = read_format(c, &v.format);
    if (status == EXIT_DONE && (!path || strlen(path) > 4096 || !*path)) {
        fprintf(stderr, "wayside journal export: --out FILE says where to; - is standard output\n");
        status = EXIT_USAGE;
    }
    if (status == EXIT_DONE)
        status = journal_dir_open(c, &d);
    piped = status == EXIT_DONE && strcmp(path, "-") == 0;
    if (status == EXIT_DONE && !piped)
        status = draft_open(path, command_value(c, "force") != NULL, &draft);
    if (status != EXIT_DONE)
        goto out;
    v.file = piped ? stdout : draft.file;
    v.out = buf_init(RECORD_MAX);
    v.held = buf_init(RECORD_MAX);
    v.bar = bar_begin(d.bytes);
    if (v.format == RECORD_CSV) {
        buf_put(&v.out, RECORD_TEXT_CSV_HEAD);
        write_out(&v, &v.out);
    }
    rc = look(&v, &d, false, &sum);
    bar_end(&v.bar);
    if (piped && v.failed == 0 && fflush(stdout) != 0)
        v.failed = -errno;
    if (rc < 0)
        status = journal_dir_failed(&d, rc);
    else if (piped)
        status = v.failed ? put_out_failed(v.failed) : EXIT_DONE;
    else
        status = v.failed ? draft_failed(draft.part, v.failed) : draft_finish(&draft);
    if (status == EXIT_DONE && v.failed == 0) {
        tell_export(&v, path, command_value(c, "json") != NULL, piped ? stderr : stdout);
        status = v.gaps > 0 && sum.missing > 0 ? EXIT_PROBLEMS : EXIT_DONE;
    }
out:
    buf_fini(&v.out);
    buf_fini(&v.held);
    draft_fini(&draft);
    journal_dir_close(&d);
    return status;
}
