/* A scratch store and easy records for the tests of store/. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "store/store.h"

#include "base/mem.h"

#include "unit/store/pg_server.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct scratch {
    char dir[64], path[96];
    struct store_config c;
    struct store *s;
};

/* The engine that the tests run on now. */
static struct pg_server *scratch_pg; /* NULL: SQLite */

/* Empties the server's database. */
static inline void scratch_pg_empty(void)
{
    PGconn *db = PQconnectdb(scratch_pg->conninfo);
    PGresult *r =
        PQexec(db, "SET client_min_messages = error; DROP SCHEMA IF EXISTS wayside CASCADE");

    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        fail_msg("%s", PQerrorMessage(db));
    PQclear(r);
    PQfinish(db);
}

#define JOURNAL_A ((struct uuid){ { 0xa, 1 } })
#define JOURNAL_B ((struct uuid){ { 0xb, 2 } })

static inline void scratch_open(struct scratch *x)
{
    struct fault f = { 0 };
    int rc = store_open(&x->c, &x->s, &f);

    if (rc < 0)
        fail_msg("store_open: %d %s", rc, f.text);
}

static inline int scratch_setup(void **state)
{
    struct scratch *x = NEW(struct scratch);

    snprintf(x->dir, sizeof(x->dir), "/tmp/wayside-store-XXXXXX");
    assert_non_null(mkdtemp(x->dir));
    snprintf(x->path, sizeof(x->path), "%s/store.db", x->dir);
    x->c = store_config_default();
    x->c.path = x->path;
    x->c.journal = JOURNAL_A;
    x->c.readers = 0;
    x->c.busy_ms = 50;
    if (scratch_pg) {
        scratch_pg_empty();
        x->c.postgres = scratch_pg->conninfo;
    }
    *state = x;
    return 0;
}

static inline int scratch_teardown(void **state)
{
    static const char *const tails[] = { "", "-wal", "-shm", "-journal" };
    struct scratch *x = *state;
    char name[128];

    store_close(x->s);
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        snprintf(name, sizeof(name), "%s%s", x->path, tails[i]);
        unlink(name);
    }
    rmdir(x->dir);
    mem_free(x);
    return 0;
}

/* A reading of the journal A: seq, its time in seconds, device, stream, payload. */
static inline struct record reading(uint64_t seq, int64_t second, const char *device,
                                    const char *stream, const char *payload)
{
    return (struct record){ .kind = RECORD_READING,
                            .device = str_of(device),
                            .stream = str_of(stream),
                            .wall_ns = second * 1000000000,
                            .seq = seq,
                            .origin = JOURNAL_A,
                            .origin_epoch = 1,
                            .origin_seq = seq,
                            .payload = str_of(payload) };
}

/* Runs the tests on SQLite, then on PostgreSQL. */
#define RUN_ENGINES(...)                                                                           \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                         \
        struct pg_server server;                                                                   \
        int failed = cmocka_run_group_tests_name("SQLite", tests, NULL, NULL);                     \
        const char *why = pg_server_make(&server);                                                 \
                                                                                                   \
        if (why) {                                                                                 \
            fprintf(stderr, "PostgreSQL: %s\n", why);                                              \
            return 1;                                                                              \
        }                                                                                          \
        scratch_pg = &server;                                                                      \
        failed += cmocka_run_group_tests_name("PostgreSQL", tests, NULL, NULL);                    \
        pg_server_free(&server);                                                                   \
        return failed;                                                                             \
    }

/* Runs the tests on PostgreSQL alone: what only that engine has to do. */
#define RUN_PG(...)                                                                                \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                         \
        struct pg_server server;                                                                   \
        const char *why = pg_server_make(&server);                                                 \
        int failed;                                                                                \
                                                                                                   \
        if (why) {                                                                                 \
            fprintf(stderr, "PostgreSQL: %s\n", why);                                              \
            return 1;                                                                              \
        }                                                                                          \
        scratch_pg = &server;                                                                      \
        failed = cmocka_run_group_tests_name("PostgreSQL", tests, NULL, NULL);                     \
        pg_server_free(&server);                                                                   \
        return failed;                                                                             \
    }

/* Somebody else's connection: runs a command, and returns the number that it gives (-1: none). */
static inline int64_t pg_other(const char *sql)
{
    PGconn *db = PQconnectdb(scratch_pg->conninfo);
    PGresult *r = PQexec(db, sql);
    int64_t v = -1;

    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(db));
    if (PQntuples(r) > 0)
        v = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
    PQclear(r);
    PQfinish(db);
    return v;
}

/* What a query gave, as text. */
struct seen {
    char text[4096];
    size_t n, rows;
    int stop_after, code; /* ends with code after so many rows; 0: never */
};

static inline void seen_add(struct seen *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
static inline void seen_add(struct seen *s, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(s->text + s->n, sizeof(s->text) - s->n, fmt, ap);
    va_end(ap);
    if (n > 0 && s->n + (size_t)n < sizeof(s->text))
        s->n += (size_t)n;
}

static inline int seen_end(struct seen *s)
{
    s->rows++;
    return s->stop_after && (int)s->rows >= s->stop_after ? s->code : 0;
}

static inline int seen_device(void *ctx, const struct store_device *d)
{
    struct seen *s = ctx;

    seen_add(s, "%.*s[", STR_ARG(d->name));
    for (size_t i = 0; i < d->stream_count; i++)
        seen_add(s, "%s%.*s/%s:%llu@%lld%.*s", i ? " " : "", STR_ARG(d->streams[i].name),
                 record_kind_name(d->streams[i].kind), (unsigned long long)d->streams[i].count,
                 (long long)(d->streams[i].last_wall_ns / 1000000000),
                 STR_ARG(d->streams[i].fields));
    seen_add(s, "];");
    return seen_end(s);
}

static inline int seen_row(void *ctx, const struct store_row *r)
{
    struct seen *s = ctx;

    seen_add(s, "%lld %.*s/%.*s=%.*s;", (long long)(r->wall_ns / 1000000000), STR_ARG(r->device),
             STR_ARG(r->stream), STR_ARG(r->payload));
    return seen_end(s);
}

static inline int seen_point(void *ctx, const struct store_point *p)
{
    struct seen *s = ctx;

    seen_add(s, "%lld:%g/%g/%g/%llu;", (long long)(p->t_ns / 1000000000), p->min, p->avg, p->max,
             (unsigned long long)p->count);
    return seen_end(s);
}

static inline int seen_gap(void *ctx, const struct store_gap *g)
{
    struct seen *s = ctx;

    seen_add(s, "%x:%llu-%llu %.*s;", g->origin.b[0], (unsigned long long)g->first,
             (unsigned long long)g->last, STR_ARG(g->reason));
    return seen_end(s);
}

static const struct store_render seen_render = { seen_device, seen_row, seen_point, seen_gap };

/* Numbers first…last of the journal `origin` are lost. */
static inline struct record gap(struct uuid origin, uint64_t seq, uint64_t first, uint64_t last)
{
    return (struct record){ .kind = RECORD_GAP,
                            .seq = seq,
                            .origin = origin,
                            .origin_seq = last,
                            .first = first,
                            .payload = STR("dropped") };
}

/* Runs a query on a reader of one's own. */
static inline struct store_answer ask(struct scratch *x, struct store_query q, struct seen *s)
{
    struct store_reader *r = NULL;
    struct store_answer a = { 0 };
    struct fault f = { 0 };

    if (store_reader_open(&x->c, &r, &f) < 0)
        fail_msg("store_reader_open: %s", f.text);
    store_reader_run(r, &q, &seen_render, s, &a);
    store_reader_close(r);
    return a;
}

#endif
