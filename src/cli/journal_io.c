/*
 * The journal's own verification, shown. The folder is the argument, or that of the hub or edge
 * that would run here. Verification reads every byte; a bar on the terminal says how far it is.
 */
#include "cli/journal_io.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rfc3339.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "journal/verify.h"
#include "node/run_io.h"
#include "wire/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX (64u << 20)

/* Which records are wanted; empty and 0: all. */
struct wanted {
    struct str device, stream;
    uint64_t from_seq, to_seq;
};

struct view {
    bool json, cat, bar;
    struct buf out;
    struct json_writer w;
    uint64_t segments, all_bytes, done_bytes;
    struct progress progress;
    struct wanted wanted;
    bool csv;
    FILE *file; /* where records go */
    uint64_t records, gaps, lost;
    bool failed; /* the file took no more */
};

static bool is_wanted(const struct wanted *w, const struct record *r)
{
    if (r->seq < w->from_seq || (w->to_seq && r->seq > w->to_seq))
        return false;
    if (w->device.n == 0 && w->stream.n == 0)
        return true;
    return record_is_data(r) && (w->device.n == 0 || str_eq(r->device, w->device)) &&
           (w->stream.n == 0 || str_eq(r->stream, w->stream));
}

/* ---- where ---- */

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

/* ---- what ---- */

static void put_u64(struct view *v, const char *key, uint64_t n)
{
    json_key(&v->w, key);
    json_u64(&v->w, n);
}

static void segment_json(struct view *v, const struct verify_segment *s)
{
    json_begin_object(&v->w);
    put_u64(v, "generation", s->generation);
    put_u64(v, "bytes", s->bytes);
    put_u64(v, "first_seq", s->first_seq);
    put_u64(v, "last_seq", s->last_seq);
    put_u64(v, "records", s->records);
    put_u64(v, "gaps", s->gaps);
    put_u64(v, "payload_bytes", s->payload_bytes);
    put_u64(v, "damages", s->damages);
    put_u64(v, "damaged_bytes", s->damaged_bytes);
    put_u64(v, "missing", s->missing);
    json_key(&v->w, "header_ok");
    json_bool(&v->w, s->header_ok);
    json_key(&v->w, "foreign");
    json_bool(&v->w, s->foreign);
    json_end_object(&v->w);
}

static void show_bar(struct view *v)
{
    struct buf line = buf_init(256);

    if (v->bar && progress_line(&v->progress, v->done_bytes, clock_mono_ns() / 1000000, &line)) {
        fprintf(stderr, "\r%-78.*s", STR_ARG(buf_str(&line)));
        fflush(stderr);
    }
    buf_fini(&line);
}

static void on_segment(void *ctx, const struct verify_segment *s)
{
    struct view *v = ctx;

    v->segments++;
    v->done_bytes += s->bytes;
    show_bar(v);
    if (v->cat)
        return;
    if (v->json) {
        segment_json(v, s);
        return;
    }
    if (v->segments == 1)
        buf_printf(&v->out, "%-10s %12s %12s %10s %10s  %s\n", "SEGMENT", "FIRST", "LAST",
                   "RECORDS", "SIZE", "STATE");
    buf_printf(&v->out, "%-10llu %12llu %12llu %10llu ", (unsigned long long)s->generation,
               (unsigned long long)s->first_seq, (unsigned long long)s->last_seq,
               (unsigned long long)s->records);
    {
        struct buf size = buf_init(32);

        show_bytes(s->bytes, &size);
        buf_printf(&v->out, "%10s  ", buf_cstr(&size));
        buf_fini(&size);
    }
    if (s->foreign)
        buf_put(&v->out, STR("spare\n"));
    else if (!s->header_ok || s->damages || s->unnamed || s->missing)
        buf_printf(&v->out, "DAMAGED: %s%llu places, %llu bytes, %llu records missing\n",
                   s->header_ok ? "" : "its header; ", (unsigned long long)s->damages,
                   (unsigned long long)s->damaged_bytes, (unsigned long long)s->missing);
    else
        buf_put(&v->out, STR("good\n"));
}

static void on_cursor(void *ctx, const struct verify_cursor *c)
{
    struct view *v = ctx;

    if (!v->cat && !v->json)
        buf_printf(&v->out, "cursor %s: %s%llu\n", c->name,
                   c->ok ? "has all up to " : "DAMAGED at ", (unsigned long long)c->seq);
}

/* One record a line, as JSON. */
static void put_json(struct view *v, const struct record *r)
{
    struct json_writer w = json_writer_init(&v->out);
    char origin[UUID_TEXT_LEN + 1];

    json_begin_object(&w);
    json_key(&w, "seq");
    json_u64(&w, r->seq);
    json_key(&w, "kind");
    json_text(&w, record_kind_name(r->kind));
    json_key(&w, "device");
    json_str(&w, r->device);
    json_key(&w, "stream");
    json_str(&w, r->stream);
    json_key(&w, "time");
    json_time(&w, r->wall_ns);
    if (r->flags & RECORD_CORRECTED) {
        json_key(&w, "sent_time");
        json_time(&w, r->sent_ns);
    }
    json_key(&w, "origin");
    json_text(&w, uuid_format(&r->origin, origin));
    json_key(&w, "origin_epoch");
    json_u64(&w, r->origin_epoch);
    json_key(&w, "origin_seq");
    json_u64(&w, r->origin_seq);
    if (r->kind == RECORD_GAP) {
        json_key(&w, "first");
        json_u64(&w, r->first);
    }
    json_key(&w, "payload");
    if (record_is_data(r) && r->content_type.n == 0)
        json_raw(&w, r->payload);
    else
        json_str(&w, r->payload);
    json_end_object(&w);
    buf_u8(&v->out, '\n');
}

#define CSV_HEAD                                                                                   \
    STR("seq,time,device,kind,stream,content_type,origin,origin_epoch,origin_seq,payload\r\n")

/* RFC 4180: quoted where that is needed, quotes doubled. */
static void csv_field(struct buf *out, struct str s)
{
    bool plain = true;

    for (size_t i = 0; i < s.n && plain; i++)
        plain = s.p[i] != ',' && s.p[i] != '"' && s.p[i] != '\n' && s.p[i] != '\r';
    if (plain) {
        buf_put(out, s);
        return;
    }
    buf_u8(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            buf_u8(out, '"');
        buf_u8(out, (uint8_t)s.p[i]);
    }
    buf_u8(out, '"');
}

static void put_csv(struct view *v, const struct record *r)
{
    char when[RFC3339_SIZE], origin[UUID_TEXT_LEN + 1];

    rfc3339_format(r->wall_ns, when);
    buf_printf(&v->out, "%llu,%s,%.*s,%s,%.*s,", (unsigned long long)r->seq, when,
               STR_ARG(r->device), record_kind_name(r->kind), STR_ARG(r->stream));
    csv_field(&v->out, r->content_type);
    buf_printf(&v->out, ",%s,%llu,%llu,", uuid_format(&r->origin, origin),
               (unsigned long long)r->origin_epoch, (unsigned long long)r->origin_seq);
    csv_field(&v->out, r->payload);
    buf_put(&v->out, STR("\r\n"));
}

static bool on_record(void *ctx, const struct record *r)
{
    struct view *v = ctx;

    if (v->failed)
        return false;
    if (r->kind == RECORD_MARK || !is_wanted(&v->wanted, r))
        return true;
    if (r->kind == RECORD_GAP) {
        v->gaps++;
        v->lost += r->origin_seq - r->first + 1;
    } else {
        v->records++;
    }
    if (v->csv)
        put_csv(v, r);
    else
        put_json(v, r);
    v->failed = buf_check(&v->out) || fwrite(v->out.p, 1, v->out.n, v->file) != v->out.n;
    buf_clear(&v->out);
    return !v->failed;
}

static void summary_text(struct view *v, const struct verify_summary *s)
{
    char text[UUID_TEXT_LEN + 1];

    buf_printf(&v->out, "journal %s: %llu records, %llu to %llu, in %llu segments\n",
               s->id_ok ? uuid_format(&s->journal, text) : "(its id is lost)",
               (unsigned long long)s->records, (unsigned long long)s->first_seq,
               (unsigned long long)s->last_seq, (unsigned long long)s->segments);
    if (verify_damaged(s))
        buf_printf(&v->out,
                   "DAMAGED: %llu places (%llu bytes), %llu records missing, %llu headers; a node "
                   "that starts on it skips them and says so\n",
                   (unsigned long long)s->damages, (unsigned long long)s->damaged_bytes,
                   (unsigned long long)s->missing, (unsigned long long)s->damaged_headers);
}

static void summary_json(struct view *v, const struct verify_summary *s)
{
    char text[UUID_TEXT_LEN + 1];

    json_end_array(&v->w);
    json_key(&v->w, "journal");
    json_text(&v->w, uuid_format(&s->journal, text));
    put_u64(v, "records", s->records);
    put_u64(v, "first_seq", s->first_seq);
    put_u64(v, "last_seq", s->last_seq);
    put_u64(v, "damages", s->damages);
    put_u64(v, "damaged_bytes", s->damaged_bytes);
    put_u64(v, "missing", s->missing);
    json_key(&v->w, "damaged");
    json_bool(&v->w, verify_damaged(s));
    json_end_object(&v->w);
    buf_u8(&v->out, '\n');
}

static void add_size(void *ctx, const char *name, uint64_t bytes)
{
    struct view *v = ctx;

    (void)name;
    v->all_bytes += bytes;
}

static int look(const struct command_call *c, struct view *v)
{
    struct verify_visitor visitor = { .ctx = v, .on_segment = on_segment, .on_cursor = on_cursor };
    struct verify_summary sum = { 0 };
    char *dir = find_dir(c);
    struct disk *disk = NULL;
    struct fault f = { 0 };
    int rc;

    if (!dir) {
        fprintf(stderr, "wayside %s: no journal is at the usual places; name its folder\n",
                c->command->name);
        return EXIT_USAGE;
    }
    v->out = buf_init(TEXT_MAX);
    v->w = json_writer_init(&v->out);
    if (v->cat)
        visitor.on_record = on_record;
    if (v->cat && !v->file)
        v->file = stdout;
    rc = disk_open(dir, false, &disk, &f);
    if (!rc) {
        (void)!disk->ops->list(disk, add_size, v);
        progress_init(&v->progress, v->all_bytes, clock_mono_ns() / 1000000);
        if (v->json) {
            json_begin_object(&v->w);
            json_key(&v->w, "segments");
            json_begin_array(&v->w);
        }
        rc = verify_journal(disk, &visitor, &sum);
        if (rc)
            fault_set(&f, rc, "%s: %s", dir,
                      rc == ERR_UNKNOWN ? "there is no journal here" : err_text(rc));
        disk->ops->free(disk);
    }
    if (v->bar)
        fprintf(stderr, "\r%78s\r", "");
    if (rc) {
        char text[1024];

        if (!f.file[0] && str_find_str(str_of(f.text), str_of(dir)) == strlen(f.text))
            snprintf(f.file, sizeof(f.file), "%s", dir);
        fprintf(stderr, "wayside: %s\n", fault_text(&f, text, sizeof(text)));
    } else if (!v->cat) {
        if (v->json)
            summary_json(v, &sum);
        else
            summary_text(v, &sum);
        fwrite(v->out.p, 1, v->out.n, stdout);
    }
    buf_fini(&v->out);
    mem_free(dir);
    if (rc)
        return EXIT_FAILED;
    return verify_damaged(&sum) ? EXIT_PROBLEMS : EXIT_DONE;
}

int journal_ls(const struct command_call *c)
{
    struct view v = { .json = command_value(c, "json") != NULL };

    return look(c, &v) == EXIT_FAILED ? EXIT_FAILED : EXIT_DONE;
}

int journal_verify(const struct command_call *c)
{
    struct view v = { .json = command_value(c, "json") != NULL, .bar = isatty(STDERR_FILENO) };

    return look(c, &v);
}

/* What the options say; EXIT_DONE or EXIT_USAGE. */
static int read_wanted(const struct command_call *c, struct wanted *out)
{
    static const char *const names[] = { "from", "to" };
    uint64_t *const numbers[] = { &out->from_seq, &out->to_seq };

    if (command_value(c, "device"))
        out->device = str_of(command_value(c, "device"));
    if (command_value(c, "stream"))
        out->stream = str_of(command_value(c, "stream"));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *text = command_value(c, names[i]);

        if (!text || str_to_u64(str_of(text), numbers[i]) == 0)
            continue;
        fprintf(stderr, "wayside %s: --%s: '%s' is no number of a record\n", c->command->name,
                names[i], text);
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

int journal_cat(const struct command_call *c)
{
    struct view v = { .cat = true };
    int rc = read_wanted(c, &v.wanted);

    if (rc != EXIT_DONE)
        return rc;
    return look(c, &v) == EXIT_FAILED ? EXIT_FAILED : EXIT_DONE;
}

/* ---- export ---- */

static int export_failed(const char *path)
{
    fprintf(stderr, "wayside: %s: %s\n", path, strerror(errno));
    return EXIT_FAILED;
}

int journal_export(const struct command_call *c)
{
    const char *path = command_value(c, "out"), *format = command_value(c, "format");
    struct view v = { .cat = true, .bar = isatty(STDERR_FILENO) };
    char part[4200];
    int rc = read_wanted(c, &v.wanted);

    if (rc == EXIT_DONE && (!path || strlen(path) > 4096)) {
        fprintf(stderr, "wayside journal export: --out FILE says where to\n");
        rc = EXIT_USAGE;
    }
    if (rc == EXIT_DONE && format && strcmp(format, "jsonl") != 0 && strcmp(format, "csv") != 0) {
        fprintf(stderr, "wayside journal export: --format is jsonl or csv\n");
        rc = EXIT_USAGE;
    }
    if (rc != EXIT_DONE)
        return rc;
    if (access(path, F_OK) == 0 && !command_value(c, "force")) {
        fprintf(stderr, "wayside: %s is there already; name another file, or --force\n", path);
        return EXIT_FAILED;
    }
    v.csv = format && strcmp(format, "csv") == 0;
    snprintf(part, sizeof(part), "%s.tmp", path);
    v.file = fopen(part, "we");
    if (!v.file)
        return export_failed(part);
    if (v.csv)
        fwrite(CSV_HEAD.p, 1, CSV_HEAD.n, v.file);
    rc = look(c, &v);
    /* The name is the promise that it is whole. */
    if (fflush(v.file) != 0 || fsync(fileno(v.file)) != 0 || v.failed) {
        rc = export_failed(part);
        fclose(v.file);
    } else if (fclose(v.file) != 0 || (rc != EXIT_FAILED && rename(part, path) != 0)) {
        rc = export_failed(path);
    }
    if (rc == EXIT_FAILED) {
        unlink(part);
        return rc;
    }
    printf("%s: %llu records, %llu gaps (%llu records lost)\n", path, (unsigned long long)v.records,
           (unsigned long long)v.gaps, (unsigned long long)v.lost);
    return EXIT_DONE;
}
