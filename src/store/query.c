/*
 * What a question may be, and how pages and steps are counted; for the readers of any engine.
 *
 * It refuses what cannot be answered within bounds before a database is touched: more rows than
 * STORE_LIMIT_MAX, a series without a stream or with too many steps, a token of another query.
 *
 * Invariant: pages are cut by place, not by number, so rows that arrive meanwhile neither repeat
 * nor hide others.
 */
#include "store/query.h"

#include <inttypes.h>
#include <stdio.h>

#define ALL_KINDS ((1u << RECORD_GAP) - 2) /* bits 1 to RECORD_GAP - 1 */

static int refuse(const char **why_field, const char *field, struct fault *f, const char *text)
{
    if (why_field)
        *why_field = field;
    return fault_set(f, ERR_VALUE, "%s", text);
}

static int check_token(const struct store_query *q)
{
    struct query_place place;
    struct str name;
    uint64_t id;

    if (q->after.n == 0)
        return 0;
    switch (q->what) {
    case STORE_DEVICES:
        return query_name_of(q->after, &name);
    case STORE_RECORDS:
        return query_place_of(q->after, &place);
    case STORE_LATEST:
    case STORE_GAPS:
        return query_id_of(q->after, &id);
    case STORE_SERIES:
        return ERR_VALUE;
    }
    return ERR_VALUE;
}

static int check_series(const struct store_query *q, const char **why, struct fault *f)
{
    if (q->device.n == 0)
        return refuse(why, "device", f, "a series is of one stream: name its device");
    if (q->stream.n == 0)
        return refuse(why, "stream", f, "a series is of one stream: name it");
    if (q->field.n == 0)
        return refuse(why, "field", f, "a series is of one number: name the field");
    if (q->step_ns <= 0)
        return refuse(why, "step", f, "the step of a series must be above 0");
    /* Without a start the stream's own first time will be it; checked again then. */
    if (q->from_ns > 0 && q->to_ns > 0 && (q->to_ns - q->from_ns) / q->step_ns >= STORE_LIMIT_MAX)
        return refuse(why, "step", f, "more than 10000 steps: ask for a longer step or less time");
    return 0;
}

int store_query_check(const struct store_query *q, const char **why_field, struct fault *f)
{
    if (q->device.n > 0 && !record_device_valid(q->device))
        return refuse(why_field, "device", f,
                      "a device's name has 1 to 50 letters, digits, _ or -");
    if (q->stream.n > 0 && !record_stream_valid(q->stream))
        return refuse(why_field, "stream", f,
                      "a stream's name has 1 to 64 letters, digits, _ . or -");
    if (q->stream.n > 0 && q->device.n == 0)
        return refuse(why_field, "device", f, "a stream belongs to a device: name it too");
    if (q->from_ns < 0)
        return refuse(why_field, "from", f, "the start lies before 1970");
    if (q->to_ns < 0 || (q->to_ns != 0 && q->to_ns < q->from_ns))
        return refuse(why_field, "to", f, "the end lies before the start");
    if (q->limit > STORE_LIMIT_MAX)
        return refuse(why_field, "limit", f, "at most 10000 rows at once");
    if ((q->kinds & ~ALL_KINDS) != 0)
        return refuse(why_field, "kind", f, "unknown kind of record");
    if (check_token(q) < 0)
        return refuse(why_field, "after", f, "this is no token that an answer to this query gave");
    return q->what == STORE_SERIES ? check_series(q, why_field, f) : 0;
}

size_t query_limit(const struct store_query *q)
{
    return q->limit ? q->limit : STORE_LIMIT_DEFAULT;
}

int64_t query_end(const struct store_query *q)
{
    return q->to_ns ? q->to_ns : INT64_MAX;
}

unsigned query_kinds(const struct store_query *q)
{
    return q->kinds ? q->kinds : ALL_KINDS;
}

int query_rendered(int code, struct store_answer *out)
{
    if (code == 0)
        out->rows++;
    return code;
}

/* ---- tokens ---- */

void query_token_place(const struct query_place *p, char out[STORE_TOKEN_SIZE])
{
    snprintf(out, STORE_TOKEN_SIZE, "r%" PRIx64 ".%" PRIx64, (uint64_t)p->wall_ns, p->id);
}

int query_place_of(struct str token, struct query_place *out)
{
    struct str rest = str_skip(token, 1), wall = str_cut(&rest, '.');
    uint64_t w = 0, id = 0;

    if (!str_starts(token, STR("r")) || str_to_hex(wall, &w) < 0 || str_to_hex(rest, &id) < 0)
        return ERR_VALUE;
    if (id > INT64_MAX)
        return ERR_VALUE;
    *out = (struct query_place){ (int64_t)w, id };
    return 0;
}

void query_token_name(struct str device, char out[STORE_TOKEN_SIZE])
{
    snprintf(out, STORE_TOKEN_SIZE, "d.%.*s", STR_ARG(device));
}

int query_name_of(struct str token, struct str *out)
{
    struct str name = str_skip(token, 2);

    if (!str_starts(token, STR("d.")) || !record_device_valid(name))
        return ERR_VALUE;
    *out = name;
    return 0;
}

void query_token_id(uint64_t id, char out[STORE_TOKEN_SIZE])
{
    snprintf(out, STORE_TOKEN_SIZE, "l%" PRIx64, id);
}

int query_id_of(struct str token, uint64_t *out)
{
    uint64_t id = 0;

    if (!str_starts(token, STR("l")) || str_to_hex(str_skip(token, 1), &id) < 0 || id > INT64_MAX)
        return ERR_VALUE;
    *out = id;
    return 0;
}

int query_upper(const struct store_query *q, struct query_place *out)
{
    /* Ids start at 1, so (to, 0) is below every row at `to`. */
    struct query_place upper = q->to_ns ? (struct query_place){ q->to_ns, 0 }
                                        : (struct query_place){ INT64_MAX, INT64_MAX };
    struct query_place token;

    if (q->after.n > 0) {
        if (query_place_of(q->after, &token) < 0)
            return ERR_VALUE;
        if (token.wall_ns < upper.wall_ns)
            upper = token;
    }
    *out = upper;
    return 0;
}

/* ---- steps ---- */

int query_steps_begin(struct query_steps *s, const struct store_query *q, int64_t first_ns,
                      int64_t last_ns, struct store_answer *out)
{
    int64_t from = q->from_ns > 0 ? q->from_ns : first_ns - first_ns % q->step_ns;

    if ((last_ns - from) / q->step_ns >= STORE_LIMIT_MAX) {
        snprintf(out->text, sizeof(out->text),
                 "more than %d steps: ask for a longer step or less time", STORE_LIMIT_MAX);
        return ERR_VALUE;
    }
    *s = (struct query_steps){ .from_ns = from, .step_ns = q->step_ns };
    return 0;
}

bool query_step_add(struct query_steps *s, int64_t wall_ns, double v, struct store_point *out_done)
{
    int64_t t = wall_ns - (wall_ns - s->from_ns) % s->step_ns;
    struct store_point done = s->open;

    if (s->open.count > 0 && t == s->open.t_ns) {
        s->open.count++;
        s->sum += v;
        s->open.min = v < s->open.min ? v : s->open.min;
        s->open.max = v > s->open.max ? v : s->open.max;
        return false;
    }
    done.avg = done.count ? s->sum / (double)done.count : 0;
    s->open = (struct store_point){ t, v, 0, v, 1 };
    s->sum = v;
    if (done.count == 0)
        return false;
    *out_done = done;
    return true;
}

bool query_step_end(struct query_steps *s, struct store_point *out_done)
{
    if (s->open.count == 0)
        return false;
    s->open.avg = s->sum / (double)s->open.count;
    *out_done = s->open;
    s->open.count = 0;
    return true;
}
