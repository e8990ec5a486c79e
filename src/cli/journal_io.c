/*
 * `journal ls` and `journal verify`: the same table, by headers alone or by every byte. It goes out
 * segment by segment, so a journal of any size needs no memory for it.
 */
#include "cli/journal_io.h"

#include "base/rfc3339.h"
#include "cli/bar_io.h"
#include "cli/journal_dir_io.h"
#include "cli/show.h"
#include "journal/verify.h"
#include "wire/json.h"

#include <errno.h>
#include <stdio.h>

#define OUT_MAX (1u << 20)

struct view {
    bool json, headers;
    struct bar bar;
    struct buf out;
    struct json_writer w;
    uint64_t segments, cursors;
    int failed; /* standard output takes no more */
};

static void put(struct view *v)
{
    if (v->failed == 0)
        v->failed = put_out(&v->out, stdout);
    buf_clear(&v->out);
}

/* "1 place", "3 places". */
static void put_count(struct buf *out, uint64_t n, const char *what)
{
    buf_printf(out, "%llu %s%s", (unsigned long long)n, what, n == 1 ? "" : "s");
}

/* ---- segments ---- */

/* In one word; the text says more. */
static const char *state_of(const struct verify_segment *s)
{
    if (s->foreign)
        return "foreign";
    if (s->unbegun)
        return "unbegun";
    if (!s->header_ok || s->damages || s->unnamed || s->missing)
        return "damaged";
    return s->newest ? "newest" : "good";
}

static void segment_json(struct view *v, const struct verify_segment *s)
{
    char name[32];

    snprintf(name, sizeof(name), "%016llx.seg", (unsigned long long)s->generation);
    json_begin_object(&v->w);
    json_key(&v->w, "file");
    json_text(&v->w, name);
    json_put_u64(&v->w, "generation", s->generation);
    json_key(&v->w, "state");
    json_text(&v->w, state_of(s));
    json_put_u64(&v->w, "bytes", s->bytes);
    json_put_u64(&v->w, "first_seq", s->first_seq);
    json_put_u64(&v->w, "last_seq", s->last_seq);
    json_put_u64(&v->w, "records", s->records);
    json_key(&v->w, "begun");
    if (s->created_ns)
        json_time(&v->w, s->created_ns);
    else
        json_nil(&v->w);
    json_put_bool(&v->w, "header_ok", s->header_ok);
    json_put_bool(&v->w, "foreign", s->foreign);
    if (!v->headers) {
        json_put_u64(&v->w, "gaps", s->gaps);
        json_put_u64(&v->w, "payload_bytes", s->payload_bytes);
        json_put_u64(&v->w, "damages", s->damages);
        json_put_u64(&v->w, "damaged_bytes", s->damaged_bytes);
        json_put_u64(&v->w, "unnamed", s->unnamed);
        json_put_u64(&v->w, "missing", s->missing);
    }
    json_end_object(&v->w);
}

static void put_state(struct view *v, const struct verify_segment *s)
{
    struct buf *out = &v->out;
    const char *comma = "";

    if (s->foreign) {
        buf_put(out, STR("FOREIGN: nothing of this journal is in it"));
        return;
    }
    if (s->unbegun || (s->header_ok && !s->damages && !s->unnamed && !s->missing)) {
        buf_put(out, s->unbegun  ? STR("nothing is written yet")
                     : s->newest ? STR("good, the newest")
                                 : STR("good"));
        return;
    }
    buf_put(out, STR("DAMAGED: "));
    if (!s->header_ok) {
        buf_put(out, STR("its header"));
        comma = ", ";
    }
    if (s->damages > 0) {
        buf_put(out, str_of(comma));
        put_count(out, s->damages, "place");
        buf_put(out, STR(" ("));
        show_bytes(s->damaged_bytes, out);
        buf_put(out, STR(")"));
        comma = ", ";
    }
    if (s->missing > 0) {
        buf_put(out, str_of(comma));
        put_count(out, s->missing, "record");
        buf_put(out, STR(" missing"));
    }
}

static void segment_text(struct view *v, const struct verify_segment *s)
{
    struct buf size = buf_init(32);
    char begun[RFC3339_SIZE] = "-";

    if (v->segments == 1)
        buf_printf(&v->out, "%-16s %10s %10s %10s %10s  %-16s  %s\n", "SEGMENT", "FIRST", "LAST",
                   v->headers ? "NUMBERS" : "RECORDS", "SIZE", "BEGUN (UTC)", "STATE");
    if (s->created_ns) {
        rfc3339_format(s->created_ns, begun);
        begun[10] = ' ';
        begun[16] = '\0';
    }
    show_bytes(s->bytes, &size);
    buf_printf(&v->out, "%016llx %10llu %10llu %10llu %10s  %-16s  ",
               (unsigned long long)s->generation, (unsigned long long)s->first_seq,
               (unsigned long long)s->last_seq, (unsigned long long)s->records, buf_cstr(&size),
               begun);
    put_state(v, s);
    buf_u8(&v->out, '\n');
    buf_fini(&size);
}

static void on_segment(void *ctx, const struct verify_segment *s)
{
    struct view *v = ctx;

    v->segments++;
    if (v->json)
        segment_json(v, s);
    else
        segment_text(v, s);
    /* Under the bar there is no place for lines of the table. */
    if (!v->bar.on || v->out.n > OUT_MAX / 2) {
        bar_end(&v->bar);
        put(v);
    }
    bar_add(&v->bar, s->bytes);
}

/* ---- cursors ---- */

static void begin_cursors(struct view *v)
{
    if (!v->json)
        return;
    json_end_array(&v->w);
    json_key(&v->w, "cursors");
    json_begin_array(&v->w);
}

static void on_cursor(void *ctx, const struct verify_cursor *c)
{
    struct view *v = ctx;

    if (v->cursors++ == 0)
        begin_cursors(v);
    if (v->json) {
        json_begin_object(&v->w);
        json_key(&v->w, "name");
        json_text(&v->w, c->name);
        json_put_bool(&v->w, "ok", c->ok);
        json_put_u64(&v->w, "seq", c->seq);
        json_put_u64(&v->w, "waiting", c->waiting);
        json_end_object(&v->w);
        return;
    }
    if (!c->ok)
        buf_printf(&v->out, "cursor %s: DAMAGED; its sink begins again with the oldest record\n",
                   c->name);
    else
        buf_printf(&v->out, "cursor %s: has all up to %llu; %llu wait\n", c->name,
                   (unsigned long long)c->seq, (unsigned long long)c->waiting);
}

/* ---- all of it ---- */

static void summary_text(struct view *v, const struct journal_dir *d,
                         const struct verify_summary *s)
{
    char text[UUID_TEXT_LEN + 1];

    buf_printf(&v->out, "journal %s in %s: ", uuid_format(&s->journal, text), d->path);
    if (s->last_seq == 0)
        buf_put(&v->out, STR("no record"));
    else
        buf_printf(&v->out, "%llu %s, %llu to %llu", (unsigned long long)s->records,
                   v->headers ? "numbers" : "records", (unsigned long long)s->first_seq,
                   (unsigned long long)s->last_seq);
    buf_put(&v->out, STR(", "));
    put_count(&v->out, s->segments, "segment");
    buf_put(&v->out, STR(", "));
    show_bytes(s->bytes, &v->out);
    buf_u8(&v->out, '\n');
    if (!s->id_ok)
        buf_put(&v->out, STR("DAMAGED: the file journal.id is lost; the segments say whose they "
                             "are\n"));
    if (s->newest_lost > 0)
        buf_printf(&v->out, "DAMAGED: the newest segment is gone, with all records from %llu on\n",
                   (unsigned long long)s->newest_lost);
    if (s->damages || s->missing || s->unnamed || s->damaged_headers || s->foreign) {
        buf_put(&v->out, STR("DAMAGED: "));
        put_count(&v->out, s->missing, "record");
        buf_put(&v->out, STR(" missing, "));
        put_count(&v->out, s->damages, "damaged place");
        buf_put(&v->out, STR(", "));
        put_count(&v->out, s->damaged_headers, "header");
        buf_put(&v->out, STR(", "));
        put_count(&v->out, s->foreign, "foreign file");
        buf_u8(&v->out, '\n');
    }
    if (verify_damaged(s))
        buf_printf(&v->out,
                   "A node that starts on it skips what is damaged and tells its sinks. To salvage "
                   "it all: wayside journal repair %s --into NEWDIR\n",
                   d->path);
}

static void summary_json(struct view *v, const struct journal_dir *d,
                         const struct verify_summary *s)
{
    char text[UUID_TEXT_LEN + 1];

    if (v->cursors == 0)
        begin_cursors(v);
    json_end_array(&v->w);
    json_key(&v->w, "path");
    json_text(&v->w, d->path);
    json_key(&v->w, "journal");
    json_text(&v->w, uuid_format(&s->journal, text));
    json_put_bool(&v->w, "id_ok", s->id_ok);
    json_put_u64(&v->w, "bytes", s->bytes);
    json_put_u64(&v->w, "records", s->records);
    json_put_u64(&v->w, "first_seq", s->first_seq);
    json_put_u64(&v->w, "last_seq", s->last_seq);
    if (!v->headers) {
        json_put_u64(&v->w, "gaps", s->gaps);
        json_put_u64(&v->w, "damages", s->damages);
        json_put_u64(&v->w, "damaged_bytes", s->damaged_bytes);
        json_put_u64(&v->w, "missing", s->missing);
    }
    json_put_u64(&v->w, "damaged_headers", s->damaged_headers);
    json_put_u64(&v->w, "newest_lost", s->newest_lost);
    json_put_bool(&v->w, "damaged", verify_damaged(s));
    json_end_object(&v->w);
    buf_u8(&v->out, '\n');
}

static int look(const struct command_call *c, bool headers)
{
    struct view v = { .json = command_value(c, "json") != NULL, .headers = headers };
    struct verify_visitor visitor = {
        .ctx = &v, .on_segment = on_segment, .on_cursor = on_cursor, .headers = headers
    };
    struct verify_summary sum = { 0 };
    struct journal_dir d;
    int status = journal_dir_open(c, &d), rc;

    if (status != EXIT_DONE)
        goto out;
    v.out = buf_init(OUT_MAX);
    v.w = json_writer_init(&v.out);
    if (!headers)
        v.bar = bar_begin(d.bytes);
    if (v.json) {
        json_begin_object(&v.w);
        json_key(&v.w, "segments");
        json_begin_array(&v.w);
    }
    rc = verify_journal(d.disk, &visitor, &sum);
    bar_end(&v.bar);
    if (rc < 0) {
        status = journal_dir_failed(&d, rc);
        goto out;
    }
    if (v.json)
        summary_json(&v, &d, &sum);
    else
        summary_text(&v, &d, &sum);
    put(&v);
    if (v.failed == 0 && fflush(stdout) != 0)
        v.failed = -EIO;
    status = v.failed ? put_out_failed(v.failed) : verify_damaged(&sum) ? EXIT_PROBLEMS : EXIT_DONE;
out:
    buf_fini(&v.out);
    journal_dir_close(&d);
    return status;
}

int journal_ls(const struct command_call *c)
{
    return look(c, true);
}

int journal_verify(const struct command_call *c)
{
    return look(c, false);
}
