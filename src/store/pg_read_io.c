/*
 * The readers of the PostgreSQL store: each has a connection of its own and answers one query at a time
 * by stepping through its rows as they come (single-row mode), so that no list is ever held. For
 * store_io.c, on the reader threads.
 *
 * It refuses to run for ever: the server ends a statement after the query's time, and go_on() is asked
 * between rows. A server that is away is said so at once, and tried again with the next query.
 *
 * Each query is one statement or a few; a page is cut by place, so what arrives in between neither
 * repeats nor hides others.
 */
#include "store/leaves.h"
#include "store/pg_io.h"
#include "store/query.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>

/* The page first, by an index and cut, then the names of its rows: no plan needs to sort more. */
#define ROW_COLUMNS                                                                                \
    "SELECT r.id, d.name, s.name, s.kind, coalesce(c.name, ''), r.wall_ns, r.received_ns, j.uuid," \
    " r.origin_seq, r.payload, r.payload_bytes, o.epoch, r.sent_ns FROM ("
#define ROW_FROM "SELECT * FROM wayside.records r WHERE "
#define ROW_JOINS                                                                                   \
    ") r JOIN wayside.streams s ON s.id = r.stream_id JOIN wayside.devices d ON d.id = r.device_id" \
    " JOIN wayside.origins o ON o.id = r.origin_id JOIN wayside.journals j ON j.id = o.journal_id"  \
    " LEFT JOIN wayside.contents c ON c.id = r.content_id ORDER BY r.wall_ns DESC, r.id DESC"
#define ROW_RANGE                                                                                  \
    " r.wall_ns >= $1 AND (r.wall_ns, r.id) < ($2, $3) AND ($4 >> (SELECT k.kind::int"             \
    " FROM wayside.streams k WHERE k.id = r.stream_id)) & 1 = 1"                                   \
    " ORDER BY r.wall_ns DESC, r.id DESC LIMIT $5"

#define QUERY_MS_MAX    86400000 /* a day; and not 0, which is no limit to PostgreSQL */
#define ANSWER_AFTER_MS 5000     /* the server ends a statement by itself before it is given up */
#define AT_ONCE_NS      1000000000

enum read_sql {
    READ_DEVICE,
    READ_STREAM_IDS,
    READ_OF_STREAM,
    READ_OF_STREAMS,
    READ_OF_ALL,
    READ_DEVICES,
    READ_STREAMS,
    READ_STREAM_LIST,
    READ_NEWEST,
    READ_EDGES,
    READ_SERIES,
    READ_LAG,
    READ_GAPS,
    READ_SQL_COUNT,
};
static const struct pg_statement read_sql[READ_SQL_COUNT] = {
    [READ_DEVICE] = { "SELECT id, coalesce(journal_id, 0) FROM wayside.devices WHERE name = $1",
                      "t" },
    [READ_STREAM_IDS] = { "SELECT id FROM wayside.streams WHERE device_id = $1 AND name = $2"
                          " AND ($3 >> kind::int) & 1 = 1 ORDER BY kind",
                          "iti" },
    [READ_OF_STREAM] = { ROW_COLUMNS ROW_FROM "r.stream_id = $6 AND" ROW_RANGE ROW_JOINS,
                         "iiiiii" },
    /* Of several streams: the newest of each, and of those the newest. */
    [READ_OF_STREAMS] = { ROW_COLUMNS
                          "SELECT p.* FROM wayside.streams n CROSS JOIN LATERAL (" ROW_FROM
                          "r.stream_id = n.id AND" ROW_RANGE ") p"
                          " WHERE n.device_id = $6 AND ($7 = '' OR n.name = $7)"
                          " ORDER BY p.wall_ns DESC, p.id DESC LIMIT $5" ROW_JOINS,
                          "iiiiiit" },
    [READ_OF_ALL] = { ROW_COLUMNS ROW_FROM ROW_RANGE ROW_JOINS, "iiiii" },
    [READ_DEVICES] = { "SELECT d.id, d.name, coalesce(d.title, ''), coalesce(d.location, ''),"
                       " d.first_seen_ns, d.last_seen_ns, d.last_wall_ns, j.uuid, j.gaps, j.lost,"
                       " j.forks FROM wayside.devices d"
                       " LEFT JOIN wayside.journals j ON j.id = d.journal_id"
                       " WHERE d.name COLLATE \"C\" > $1 AND ($2 = '' OR d.name = $2)"
                       " ORDER BY d.name COLLATE \"C\" LIMIT $3",
                       "tti" },
    [READ_STREAMS] = { "SELECT name, kind, fields, count, last_wall_ns FROM wayside.streams"
                       " WHERE device_id = $1 AND ($2 >> kind::int) & 1 = 1"
                       " ORDER BY name COLLATE \"C\", kind",
                       "ii" },
    [READ_STREAM_LIST] = { "SELECT id FROM wayside.streams WHERE id > $1"
                           " AND ($2 = 0 OR device_id = $2) AND ($3 = '' OR name = $3)"
                           " AND ($4 >> kind::int) & 1 = 1 ORDER BY id LIMIT $5",
                           "iitii" },
    [READ_NEWEST] = { ROW_COLUMNS ROW_FROM "r.stream_id = $1 AND r.wall_ns >= $2 AND r.wall_ns < $3"
                                           " ORDER BY r.wall_ns DESC, r.id DESC LIMIT 1" ROW_JOINS,
                      "iii" },
    [READ_EDGES] = { "SELECT min(wall_ns), max(wall_ns) FROM wayside.records"
                     " WHERE stream_id = $1 AND wall_ns >= $2 AND wall_ns < $3",
                     "iii" },
    [READ_SERIES] = { "SELECT wall_ns, payload FROM wayside.records WHERE stream_id = $1"
                      " AND wall_ns >= $2 AND wall_ns < $3 AND content_id IS NULL"
                      " ORDER BY wall_ns, id",
                      "iii" },
    [READ_LAG] = { "SELECT wall_ns, received_ns FROM wayside.records WHERE stream_id = $1"
                   " AND wall_ns >= $2 AND wall_ns < $3 ORDER BY wall_ns, id",
                   "iii" },
    [READ_GAPS] = { "SELECT g.id, j.uuid, g.first_seq, g.last_seq, g.wall_ns, g.received_ns, g.reason"
                    " FROM wayside.gaps g JOIN wayside.origins o ON o.id = g.origin_id"
                    " JOIN wayside.journals j ON j.id = o.journal_id"
                    " WHERE g.id < $1 AND ($2 < 0 OR j.id = $2) AND g.received_ns >= $3"
                    " AND g.received_ns < $4 ORDER BY g.id DESC LIMIT $5",
                    "iiiii" },
};

struct reader {
    struct pg pg;
    uint64_t query_ms;
    /* the query at hand */
    const struct store_query *q;
    const struct store_render *render;
    void *ctx;
    int (*go_on)(void *go_on_ctx);
    void *go_on_ctx;
    struct store_answer *out;
};

int pg_reader_open(const struct store_config *c, void **out, struct fault *f)
{
    struct reader *r = NEW(struct reader);

    (void)f;
    r->query_ms = c->query_ms;
    r->query_ms = r->query_ms < 1 ? 1 : r->query_ms > QUERY_MS_MAX ? QUERY_MS_MAX : r->query_ms;
    pg_init(&r->pg, c, read_sql, READ_SQL_COUNT);
    r->pg.answer_ms = r->query_ms + ANSWER_AFTER_MS;
    *out = r;
    return 0;
}

void pg_reader_close(void *ctx)
{
    struct reader *r = ctx;

    if (!r)
        return;
    pg_fini(&r->pg);
    mem_free(r);
}

/* ---- stepping ---- */

/* Asks, for rows one by one. */
static int ask(struct reader *r, enum read_sql i, const struct pg_args *a)
{
    char name[16];

    snprintf(name, sizeof(name), "s%u", (unsigned)i);
    if (!PQsendQueryPrepared(r->pg.conn, name, a->n, a->value, a->length, a->format, 1) ||
        !PQsetSingleRowMode(r->pg.conn))
        return pg_result(&r->pg, NULL);
    return 0;
}

/* 1: *out is a row (PQclear it); 0: the end; else a code. */
static int next_row(struct reader *r, PGresult **out)
{
    PGresult *res = pg_await(&r->pg) ? PQgetResult(r->pg.conn) : NULL;
    int rc = r->go_on ? r->go_on(r->go_on_ctx) : 0;

    if (!r->pg.conn) {
        snprintf(r->out->text, sizeof(r->out->text), "%s", r->pg.error);
        return ERR_CLOSED;
    }
    if (!res)
        return 0;
    if (rc != 0) {
        snprintf(r->out->text, sizeof(r->out->text), "the query was ended: %s", err_text(rc));
        PQclear(res);
        return rc;
    }
    if (PQresultStatus(res) == PGRES_SINGLE_TUPLE) {
        *out = res;
        return 1;
    }
    rc = pg_result(&r->pg, res);
    if (rc < 0)
        snprintf(r->out->text, sizeof(r->out->text), "%s", r->pg.error);
    PQclear(res);
    return rc;
}

/* Reads off what is left of a query; one that failed half-way is ended at the server first. */
static void finish(struct reader *r, int code)
{
    PGcancel *cancel = code != 0 ? PQgetCancel(r->pg.conn) : NULL;
    PGresult *res;
    char why[128];

    if (cancel && PQtransactionStatus(r->pg.conn) == PQTRANS_ACTIVE)
        (void)!PQcancel(cancel, why, sizeof(why));
    PQfreeCancel(cancel);
    while (pg_await(&r->pg) && (res = PQgetResult(r->pg.conn)))
        PQclear(res);
}

static struct store_row row_of(const PGresult *res)
{
    bool bytes = !PQgetisnull(res, 0, 10);

    return (struct store_row){
        .id = (uint64_t)pg_get_i64(res, 0, 0),
        .device = pg_get_str(res, 0, 1),
        .stream = pg_get_str(res, 0, 2),
        .kind = (enum record_kind)pg_get_i64(res, 0, 3),
        .content_type = pg_get_str(res, 0, 4),
        .wall_ns = pg_get_i64(res, 0, 5),
        .received_ns = pg_get_i64(res, 0, 6),
        .origin = pg_get_uuid(res, 0, 7),
        .origin_seq = (uint64_t)pg_get_i64(res, 0, 8),
        .payload = pg_get_str(res, 0, bytes ? 10 : 9),
        .origin_epoch = (uint64_t)pg_get_i64(res, 0, 11),
        .corrected = !PQgetisnull(res, 0, 12),
        .sent_ns = pg_get_i64(res, 0, 12),
    };
}

static int render_row(struct reader *r, const PGresult *res)
{
    struct store_row row = row_of(res);

    return query_rendered(r->render->row(r->ctx, &row), r->out);
}

/* The device's number and its journal's; 0 and -1 when the query names none. */
static int find_device(struct reader *r, int64_t *out, int64_t *out_journal)
{
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc;

    *out = 0;
    *out_journal = -1;
    if (r->q->device.n == 0)
        return 0;
    pg_str(&a, r->q->device);
    rc = pg_run(&r->pg, READ_DEVICE, &a, &res);
    if (rc == 0 && PQntuples(res) == 0) {
        snprintf(r->out->text, sizeof(r->out->text), "no such device");
        rc = ERR_UNKNOWN;
    } else if (rc == 0) {
        *out = pg_get_i64(res, 0, 0);
        *out_journal = pg_get_i64(res, 0, 1);
    }
    PQclear(res);
    return rc;
}

static int find_stream(struct reader *r, int64_t device, int64_t *out, unsigned *out_count)
{
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc;

    pg_i64(&a, device);
    pg_str(&a, r->q->stream);
    pg_i64(&a, query_kinds(r->q));
    rc = pg_run(&r->pg, READ_STREAM_IDS, &a, &res);
    *out_count = rc == 0 ? (unsigned)PQntuples(res) : 0;
    if (*out_count > 0)
        *out = pg_get_i64(res, 0, 0);
    PQclear(res);
    return rc;
}

/* ---- records ---- */

static int run_rows(struct reader *r, enum read_sql i, struct pg_args *a)
{
    size_t limit = query_limit(r->q);
    struct query_place last = { 0 };
    PGresult *res = NULL;
    int rc = ask(r, i, a);

    while (rc == 0 && (rc = next_row(r, &res)) == 1) {
        if (r->out->rows == limit) {
            query_token_place(&last, r->out->next);
            PQclear(res);
            rc = 0;
            break;
        }
        last = (struct query_place){ pg_get_i64(res, 0, 5), (uint64_t)pg_get_i64(res, 0, 0) };
        rc = render_row(r, res);
        PQclear(res);
        if (rc == 0)
            continue;
        break;
    }
    finish(r, rc);
    return rc;
}

static int run_records(struct reader *r)
{
    size_t limit = query_limit(r->q);
    int64_t device = 0, journal, stream = 0;
    struct query_place upper;
    struct pg_args a = { 0 };
    unsigned count = 0;
    int rc = query_upper(r->q, &upper);

    if (rc == 0)
        rc = find_device(r, &device, &journal);
    if (rc == 0 && r->q->stream.n > 0)
        rc = find_stream(r, device, &stream, &count);
    if (rc < 0 || (r->q->stream.n > 0 && count == 0))
        return rc;
    pg_i64(&a, r->q->from_ns);
    pg_i64(&a, upper.wall_ns);
    pg_i64(&a, (int64_t)upper.id);
    pg_i64(&a, query_kinds(r->q));
    pg_i64(&a, (int64_t)limit + 1);
    if (count == 1) {
        pg_i64(&a, stream);
        return run_rows(r, READ_OF_STREAM, &a);
    }
    if (!device)
        return run_rows(r, READ_OF_ALL, &a);
    pg_i64(&a, device);
    pg_str(&a, r->q->stream);
    return run_rows(r, READ_OF_STREAMS, &a);
}

/* ---- the newest of each stream ---- */

static int newest_of(struct reader *r, int64_t stream)
{
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc;

    pg_i64(&a, stream);
    pg_i64(&a, r->q->from_ns);
    pg_i64(&a, query_end(r->q));
    rc = pg_run(&r->pg, READ_NEWEST, &a, &res);
    if (rc == 0 && PQntuples(res) > 0)
        rc = render_row(r, res);
    PQclear(res);
    return rc;
}

static int run_latest(struct reader *r)
{
    size_t limit = query_limit(r->q);
    int64_t device = 0, journal;
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    uint64_t after = 0;
    int rc = find_device(r, &device, &journal);

    if (rc == 0 && r->q->after.n > 0)
        rc = query_id_of(r->q->after, &after);
    if (rc < 0)
        return rc;
    pg_i64(&a, (int64_t)after);
    pg_i64(&a, device);
    pg_str(&a, r->q->stream);
    pg_i64(&a, query_kinds(r->q));
    pg_i64(&a, (int64_t)limit + 1);
    rc = pg_run(&r->pg, READ_STREAM_LIST, &a, &res);
    for (int i = 0; rc == 0 && i < PQntuples(res); i++) {
        if ((size_t)i == limit) {
            query_token_id(after, r->out->next);
            break;
        }
        rc = r->go_on ? r->go_on(r->go_on_ctx) : 0;
        after = (uint64_t)pg_get_i64(res, i, 0);
        if (rc == 0)
            rc = newest_of(r, (int64_t)after);
    }
    PQclear(res);
    return rc;
}

/* ---- devices ---- */

static int render_device(struct reader *r, const PGresult *res, int row)
{
    struct store_device d = {
        .name = pg_get_str(res, row, 1),
        .title = pg_get_str(res, row, 2),
        .location = pg_get_str(res, row, 3),
        .first_seen_ns = pg_get_i64(res, row, 4),
        .last_seen_ns = pg_get_i64(res, row, 5),
        .last_wall_ns = pg_get_i64(res, row, 6),
        .origin = pg_get_uuid(res, row, 7),
        .gaps = (uint64_t)pg_get_i64(res, row, 8),
        .lost = (uint64_t)pg_get_i64(res, row, 9),
        .forks = (uint64_t)pg_get_i64(res, row, 10),
    };
    struct store_stream *streams;
    struct pg_args a = { 0 };
    PGresult *list = NULL;
    int rc;

    pg_i64(&a, pg_get_i64(res, row, 0));
    pg_i64(&a, query_kinds(r->q));
    rc = pg_run(&r->pg, READ_STREAMS, &a, &list);
    if (rc < 0)
        return rc;
    d.stream_count = (size_t)PQntuples(list);
    if (d.stream_count > QUERY_STREAMS_MAX)
        d.stream_count = QUERY_STREAMS_MAX;
    streams = mem_new_array(d.stream_count + 1, sizeof(*streams));
    for (int i = 0; (size_t)i < d.stream_count; i++)
        streams[i] = (struct store_stream){ .name = pg_get_str(list, i, 0),
                                            .kind = (enum record_kind)pg_get_i64(list, i, 1),
                                            .fields = pg_get_str(list, i, 2),
                                            .count = (uint64_t)pg_get_i64(list, i, 3),
                                            .last_wall_ns = pg_get_i64(list, i, 4) };
    d.streams = streams;
    rc = query_rendered(r->render->device(r->ctx, &d), r->out);
    mem_free(streams);
    PQclear(list);
    return rc;
}

static int run_devices(struct reader *r)
{
    size_t limit = query_limit(r->q);
    char last[RECORD_DEVICE_MAX + 1] = "";
    struct str after = STR_NONE;
    int64_t device = 0, journal;
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc = find_device(r, &device, &journal);

    if (rc == 0 && r->q->after.n > 0)
        rc = query_name_of(r->q->after, &after);
    if (rc < 0)
        return rc;
    pg_str(&a, after);
    pg_str(&a, r->q->device);
    pg_i64(&a, (int64_t)limit + 1);
    rc = pg_run(&r->pg, READ_DEVICES, &a, &res);
    for (int i = 0; rc == 0 && i < PQntuples(res); i++) {
        struct str name = pg_get_str(res, i, 1);

        if ((size_t)i == limit) {
            query_token_name(str_of(last), r->out->next);
            break;
        }
        snprintf(last, sizeof(last), "%.*s", STR_ARG(name));
        rc = r->go_on ? r->go_on(r->go_on_ctx) : 0;
        if (rc == 0)
            rc = render_device(r, res, i);
    }
    PQclear(res);
    return rc;
}

/* ---- series ---- */

/* The first and last times of what is asked for. 1: there is something in between; 0: nothing. */
static int find_edges(struct reader *r, int64_t stream, int64_t *out_first, int64_t *out_last)
{
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc;

    pg_i64(&a, stream);
    pg_i64(&a, r->q->from_ns);
    pg_i64(&a, query_end(r->q));
    rc = pg_run(&r->pg, READ_EDGES, &a, &res);
    if (rc == 0 && !PQgetisnull(res, 0, 0)) {
        *out_first = pg_get_i64(res, 0, 0);
        *out_last = pg_get_i64(res, 0, 1);
        rc = 1;
    }
    PQclear(res);
    return rc;
}

static int run_steps(struct reader *r, int64_t stream, struct query_steps *steps)
{
    bool lag = str_eq(r->q->field, STR(STORE_LAG));
    struct store_point done;
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    double v = 0;
    int rc;

    pg_i64(&a, stream);
    pg_i64(&a, steps->from_ns);
    pg_i64(&a, query_end(r->q));
    rc = ask(r, lag ? READ_LAG : READ_SERIES, &a);
    while (rc == 0 && (rc = next_row(r, &res)) == 1) {
        int64_t wall = pg_get_i64(res, 0, 0);
        bool is_value = true;

        if (lag)
            v = ((double)pg_get_i64(res, 0, 1) - (double)wall) / 1e9;
        else
            is_value = leaves_get(pg_get_str(res, 0, 1), r->q->field, &v) == 0;
        PQclear(res);
        rc = 0;
        if (is_value && query_step_add(steps, wall, v, &done))
            rc = query_rendered(r->render->point(r->ctx, &done), r->out);
    }
    finish(r, rc);
    if (rc == 0 && query_step_end(steps, &done))
        rc = query_rendered(r->render->point(r->ctx, &done), r->out);
    return rc;
}

static int run_series(struct reader *r)
{
    int64_t device = 0, journal, stream = 0, first = 0, last = 0;
    struct query_steps steps;
    unsigned count = 0;
    int rc = find_device(r, &device, &journal);

    if (rc == 0)
        rc = find_stream(r, device, &stream, &count);
    if (rc < 0 || count == 0)
        return rc;
    rc = find_edges(r, stream, &first, &last);
    if (rc != 1)
        return rc;
    rc = query_steps_begin(&steps, r->q, first, last, r->out);
    return rc == 0 ? run_steps(r, stream, &steps) : rc;
}

/* ---- gaps ---- */

static int run_gaps(struct reader *r)
{
    size_t limit = query_limit(r->q);
    int64_t device = 0, journal = -1;
    uint64_t below = INT64_MAX;
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc = find_device(r, &device, &journal);

    if (rc == 0 && r->q->after.n > 0)
        rc = query_id_of(r->q->after, &below);
    if (rc < 0)
        return rc;
    pg_i64(&a, (int64_t)below);
    pg_i64(&a, journal);
    pg_i64(&a, r->q->from_ns);
    pg_i64(&a, query_end(r->q));
    pg_i64(&a, (int64_t)limit + 1);
    rc = pg_run(&r->pg, READ_GAPS, &a, &res);
    for (int i = 0; rc == 0 && i < PQntuples(res); i++) {
        struct store_gap g = { .id = (uint64_t)pg_get_i64(res, i, 0),
                               .origin = pg_get_uuid(res, i, 1),
                               .first = (uint64_t)pg_get_i64(res, i, 2),
                               .last = (uint64_t)pg_get_i64(res, i, 3),
                               .wall_ns = pg_get_i64(res, i, 4),
                               .received_ns = pg_get_i64(res, i, 5),
                               .reason = pg_get_str(res, i, 6) };

        if ((size_t)i == limit) {
            query_token_id(below, r->out->next);
            break;
        }
        below = g.id;
        rc = query_rendered(r->render->gap(r->ctx, &g), r->out);
    }
    PQclear(res);
    return rc;
}

/* ---- the query ---- */

static int run_what(struct reader *r)
{
    switch (r->q->what) {
    case STORE_DEVICES:
        return run_devices(r);
    case STORE_RECORDS:
        return run_records(r);
    case STORE_LATEST:
        return run_latest(r);
    case STORE_SERIES:
        return run_series(r);
    case STORE_GAPS:
        return run_gaps(r);
    }
    return ERR_VALUE;
}

static int begin(struct reader *r, bool *out_fresh)
{
    char sql[256];
    int rc = pg_ready(&r->pg, false, out_fresh);

    if (rc == 0 && *out_fresh) {
        /* A plan for each question: one for all of them does not know how few rows a page has. And
         * along the indexes, whatever the statistics of a young table say: each question has one that
         * gives its order. */
        snprintf(
            sql, sizeof(sql),
            "SET plan_cache_mode = force_custom_plan; SET enable_sort = off; SET enable_seqscan = off; SET jit = off;"
            "SET enable_bitmapscan = off;"
            "SET statement_timeout = %llu",
            (unsigned long long)r->query_ms);
        rc = pg_command(&r->pg, sql);
        if (rc < 0)
            pg_disconnect(&r->pg);
    }
    return rc;
}

/* A connection that the server has ended shows with its first use, and at once. Whatever else has
 * failed would fail, or be waited for, again. */
static bool was_ended_before(const struct reader *r, bool fresh, uint64_t began_ns)
{
    return !fresh && r->out->rows == 0 && clock_mono_ns() - began_ns < AT_ONCE_NS &&
           (!r->go_on || r->go_on(r->go_on_ctx) == 0);
}

/* query_canceled: the server ended it by its time. */
static bool took_too_long(const struct reader *r, int code)
{
    return code == ERR_BUSY && strcmp(r->pg.state, "57014") == 0;
}

void pg_reader_run(void *ctx, const struct store_query *q, const struct store_render *render,
                   void *render_ctx, int (*go_on)(void *go_on_ctx), void *go_on_ctx,
                   struct store_answer *out)
{
    struct reader *r = ctx;
    uint64_t began_ns = clock_mono_ns();
    bool fresh = false, connected;
    int rc;

    r->q = q;
    r->render = render;
    r->ctx = render_ctx;
    r->go_on = go_on;
    r->go_on_ctx = go_on_ctx;
    r->out = out;
    r->pg.state[0] = '\0';
    rc = begin(r, &fresh);
    connected = rc == 0;
    if (rc == 0)
        rc = run_what(r);
    if (rc == ERR_CLOSED && connected && was_ended_before(r, fresh, began_ns)) {
        pg_disconnect(&r->pg);
        out->text[0] = '\0';
        rc = begin(r, &fresh);
        if (rc == 0)
            rc = run_what(r);
    }
    out->code = took_too_long(r, rc) ? ERR_LIMIT : rc == ERR_CLOSED ? ERR_BUSY : rc;
    if (rc < 0 && out->text[0] == '\0')
        snprintf(out->text, sizeof(out->text), "%s", r->pg.error[0] ? r->pg.error : err_text(rc));
}
