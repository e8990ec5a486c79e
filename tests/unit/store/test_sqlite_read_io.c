/* Questions: order, bounds, pages, steps, and what a mistake gives. */
#include "store_fixture.h"

#include <sqlite3.h>

#define SECOND ((int64_t)1000000000)

static struct scratch *filled(void **state)
{
    struct scratch *x = *state;
    struct record r[] = {
        reading(1, 10, "a", "env", "{\"t\":1,\"h\":5}"),
        reading(2, 20, "a", "host", "{\"load\":1}"),
        reading(3, 30, "b", "env", "{\"t\":9}"),
        reading(4, 15, "a", "env", "{\"t\":2}"),
        reading(5, 20, "a", "env", "{\"t\":3}"),
        reading(6, 20, "a", "env", "{\"t\":4}"),
        reading(7, 40, "a", "env", "\"late\""),
    };

    scratch_open(x);
    r[6].kind = RECORD_EVENT;
    assert_int_equal(store_write(x->s, r, COUNT_OF(r), COUNT_OF(r), NULL), 0);
    return x;
}

static void records_come_newest_first(void **state)
{
    static const struct {
        struct store_query q;
        const char *rows;
    } rows[] = {
        { { .what = STORE_RECORDS },
          "40 a/env=\"late\";30 b/env={\"t\":9};20 a/env={\"t\":4};20 a/env={\"t\":3};"
          "20 a/host={\"load\":1};15 a/env={\"t\":2};10 a/env={\"t\":1,\"h\":5};" },
        { { .what = STORE_RECORDS, .device = { "b", 1 } }, "30 b/env={\"t\":9};" },
        { { .what = STORE_RECORDS, .device = { "a", 1 } },
          "40 a/env=\"late\";20 a/env={\"t\":4};20 a/env={\"t\":3};20 a/host={\"load\":1};"
          "15 a/env={\"t\":2};10 a/env={\"t\":1,\"h\":5};" },
        { { .what = STORE_RECORDS, .device = { "a", 1 }, .kinds = 1u << RECORD_EVENT },
          "40 a/env=\"late\";" },
        { { .what = STORE_RECORDS,
            .device = { "a", 1 },
            .from_ns = 15 * SECOND,
            .to_ns = 40 * SECOND },
          "20 a/env={\"t\":4};20 a/env={\"t\":3};20 a/host={\"load\":1};15 a/env={\"t\":2};" },
        { { .what = STORE_RECORDS, .device = { "a", 1 }, .stream = { "host", 4 } },
          "20 a/host={\"load\":1};" },
        { { .what = STORE_RECORDS, .device = { "a", 1 }, .stream = { "env", 3 } },
          "40 a/env=\"late\";20 a/env={\"t\":4};20 a/env={\"t\":3};15 a/env={\"t\":2};"
          "10 a/env={\"t\":1,\"h\":5};" },
        { { .what = STORE_RECORDS,
            .device = { "a", 1 },
            .stream = { "env", 3 },
            .kinds = 1u << RECORD_READING },
          "20 a/env={\"t\":4};20 a/env={\"t\":3};15 a/env={\"t\":2};"
          "10 a/env={\"t\":1,\"h\":5};" },
        { { .what = STORE_RECORDS, .kinds = 1u << RECORD_EVENT }, "40 a/env=\"late\";" },
        { { .what = STORE_RECORDS, .from_ns = 15 * SECOND, .to_ns = 20 * SECOND },
          "15 a/env={\"t\":2};" },
        { { .what = STORE_RECORDS, .from_ns = 41 * SECOND }, "" },
        { { .what = STORE_RECORDS, .device = { "a", 1 }, .stream = { "none", 4 } }, "" },
        { { .what = STORE_LATEST },
          "20 a/env={\"t\":4};20 a/host={\"load\":1};30 b/env={\"t\":9};40 a/env=\"late\";" },
        { { .what = STORE_LATEST, .device = { "a", 1 }, .kinds = 1u << RECORD_READING },
          "20 a/env={\"t\":4};20 a/host={\"load\":1};" },
        { { .what = STORE_DEVICES },
          "a[env/reading:4@20[\"t\",\"h\"] env/event:1@40[] host/reading:1@20[\"load\"]];"
          "b[env/reading:1@30[\"t\"]];" },
        { { .what = STORE_DEVICES, .device = { "b", 1 } }, "b[env/reading:1@30[\"t\"]];" },
    };
    struct scratch *x = filled(state);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct seen s = { 0 };
        struct store_answer a = ask(x, rows[i].q, &s);

        assert_int_equal(a.code, 0);
        assert_string_equal(s.text, rows[i].rows);
        assert_string_equal(a.next, "");
        assert_int_equal(a.rows, s.rows);
    }
}

/* Pages of any size, put together, are the whole, also while new rows come in. */
static void pages_join_without_a_seam(void **state)
{
    static const struct store_query asked[] = {
        { .what = STORE_RECORDS },
        { .what = STORE_RECORDS, .device = { "a", 1 } },
        { .what = STORE_RECORDS, .device = { "a", 1 }, .stream = { "env", 3 } },
        { .what = STORE_LATEST },
        { .what = STORE_DEVICES },
    };
    struct scratch *x = filled(state);

    for (size_t k = 0; k < COUNT_OF(asked); k++) {
        for (size_t limit = 1; limit < 9; limit++) {
            struct store_query q = asked[k];
            struct seen whole = { 0 }, parts = { 0 };
            struct store_answer a;
            char token[STORE_TOKEN_SIZE] = "";

            assert_int_equal(ask(x, q, &whole).code, 0);
            q.limit = limit;
            do {
                q.after = str_of(token);
                a = ask(x, q, &parts);
                assert_int_equal(a.code, 0);
                assert_true(a.rows <= limit);
                memcpy(token, a.next, sizeof(token));
            } while (token[0]);
            assert_string_equal(parts.text, whole.text);
        }
    }
}

static void a_page_is_not_moved_by_what_comes_later(void **state)
{
    struct scratch *x = filled(state);
    struct store_query q = { .what = STORE_RECORDS, .device = STR("a"), .limit = 3 };
    struct seen first = { 0 }, second = { 0 };
    struct store_answer a = ask(x, q, &first);
    struct record r[2] = { reading(8, 100, "a", "env", "8"), reading(9, 20, "a", "env", "9") };

    assert_int_equal(store_write(x->s, r, 2, 9, NULL), 0);
    q.after = str_of(a.next);
    a = ask(x, q, &second);
    assert_string_equal(second.text, "20 a/host={\"load\":1};15 a/env={\"t\":2};"
                                     "10 a/env={\"t\":1,\"h\":5};");
}

static void failures_have_codes(void **state)
{
    struct scratch *x = filled(state);
    struct seen s = { .stop_after = 2, .code = -77 };
    struct store_answer a;

    assert_int_equal(
        ask(x, (struct store_query){ .what = STORE_RECORDS, .device = STR("zz") }, &s).code,
        ERR_UNKNOWN);
    assert_int_equal(
        ask(x, (struct store_query){ .what = STORE_DEVICES, .device = STR("zz") }, &s).code,
        ERR_UNKNOWN);
    a = ask(x, (struct store_query){ .what = STORE_RECORDS, .limit = 20000 }, &s);
    assert_int_equal(a.code, ERR_VALUE);
    assert_true(a.text[0] != '\0');
    a = ask(x, (struct store_query){ .what = STORE_RECORDS }, &s);
    assert_int_equal(a.code, -77);
    assert_int_equal(s.rows, 2);
}

/* A query that would take too long is ended, and the reader is as good as new. */
static void patience_ends(void **state)
{
    struct scratch *x = filled(state);
    struct record r[200];
    char payload[4000];
    struct seen s = { 0 };
    struct store_query q = { .what = STORE_SERIES,
                             .device = STR("a"),
                             .stream = STR("env"),
                             .field = STR("t"),
                             .step_ns = SECOND };

    memset(payload, ' ', sizeof(payload));
    memcpy(payload, "{\"t\":1", 6);
    memcpy(payload + sizeof(payload) - 2, "}", 2);
    for (uint64_t b = 0; b < 20; b++) {
        for (uint64_t i = 0; i < 200; i++)
            r[i] = reading(100 + b * 200 + i, (int64_t)(100 + b * 200 + i), "a", "env", payload);
        assert_int_equal(store_write(x->s, r, 200, 100 + b * 200 + 199, NULL), 0);
    }
    x->c.query_ms = 0;
    assert_int_equal(ask(x, q, &s).code, ERR_LIMIT);
    x->c.query_ms = 20000;
    assert_int_equal(ask(x, q, &s).code, 0);
}

/* ---- series ---- */

static void a_series_is_summed_in_steps(void **state)
{
    struct scratch *x = filled(state);
    struct store_query q = { .what = STORE_SERIES,
                             .device = STR("a"),
                             .stream = STR("env"),
                             .field = STR("t"),
                             .step_ns = 10 * SECOND };
    struct seen s = { 0 };

    assert_int_equal(ask(x, q, &s).code, 0);
    assert_string_equal(s.text, "10:1/1.5/2/2;20:3/3.5/4/2;");
    s = (struct seen){ 0 };
    q.from_ns = 12 * SECOND;
    q.to_ns = 20 * SECOND;
    assert_int_equal(ask(x, q, &s).code, 0);
    assert_string_equal(s.text, "12:2/2/2/1;");
    s = (struct seen){ 0 };
    q.field = STR("nothing");
    assert_int_equal(ask(x, q, &s).code, 0);
    assert_string_equal(s.text, "");
    q.from_ns = q.to_ns = 0;
    q.step_ns = 1000;
    assert_int_equal(ask(x, q, &s).code, ERR_VALUE);
}

struct points {
    struct store_point p[400];
    size_t n;
};

static int keep_point(void *ctx, const struct store_point *p)
{
    struct points *ps = ctx;

    assert_true(ps->n < COUNT_OF(ps->p));
    ps->p[ps->n++] = *p;
    return 0;
}

/* Against a sum made the slow way, over random times and values. */
static void a_series_agrees_with_the_slow_way(void **state)
{
    enum { N = 2000, STEPS = 300 };
    static const struct store_render render = { .point = keep_point };
    struct scratch *x = *state;
    struct store_reader *reader = NULL;
    struct store_answer a = { 0 };
    static struct points got;
    struct points want = { .n = 0 };
    static struct record r[N];
    static char payload[N][40];
    static double value[N];
    int64_t from = 1000 * SECOND, step = 7 * SECOND;
    struct store_query q = { .what = STORE_SERIES,
                             .device = STR("d"),
                             .stream = STR("s"),
                             .field = STR("v"),
                             .from_ns = from,
                             .to_ns = from + STEPS * step,
                             .step_ns = step };

    srand(7);
    scratch_open(x);
    got.n = 0;
    for (int i = 0; i < N; i++) {
        value[i] = (rand() % 20001 - 10000) / 16.0;
        snprintf(payload[i], sizeof(payload[i]), rand() % 9 ? "{\"v\":%.6f}" : "{\"w\":%.6f}",
                 value[i]);
        r[i] = reading((uint64_t)i + 1, 900 + rand() % 2300, "d", "s", payload[i]);
    }
    assert_int_equal(store_write(x->s, r, N, N, NULL), 0);
    for (int64_t t = from; t < q.to_ns; t += step) {
        struct store_point p = { .t_ns = t };

        for (int i = 0; i < N; i++) {
            if (r[i].wall_ns < t || r[i].wall_ns >= t + step || payload[i][2] != 'v')
                continue;
            p.min = p.count == 0 || value[i] < p.min ? value[i] : p.min;
            p.max = p.count == 0 || value[i] > p.max ? value[i] : p.max;
            p.avg += value[i];
            p.count++;
        }
        p.avg /= p.count ? (double)p.count : 1;
        if (p.count)
            want.p[want.n++] = p;
    }
    assert_int_equal(store_reader_open(&x->c, &reader, NULL), 0);
    assert_int_equal(store_reader_run(reader, &q, &render, &got, &a), 0);
    store_reader_close(reader);
    assert_int_equal(got.n, want.n);
    for (size_t i = 0; i < want.n; i++) {
        assert_int_equal(got.p[i].t_ns, want.p[i].t_ns);
        assert_int_equal(got.p[i].count, want.p[i].count);
        assert_true(got.p[i].min == want.p[i].min && got.p[i].max == want.p[i].max);
        assert_float_equal(got.p[i].avg, want.p[i].avg, 1e-6);
    }
}

/* The connection that was opened last: SQLite tells of each. */
static sqlite3 *newest_connection;

static int note_connection(sqlite3 *db, char **why, const struct sqlite3_api_routines *api)
{
    (void)why;
    (void)api;
    newest_connection = db;
    return SQLITE_OK;
}

static void check_plan(sqlite3 *db, const char *text)
{
    sqlite3_stmt *st = NULL;
    char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", text);
    /* A device's streams are merged by sorting numbers, no more of them than a page has. */
    bool merges = strncmp(text, "SELECT p.id FROM streams", 24) == 0;

    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(st, 3);

        /* What is in brackets is a question within the question, of a row or two. */
        if ((strstr(detail, "TEMP B-TREE") && !merges) ||
            (strstr(detail, "SCAN ") && !strstr(detail, "SCAN (subquery")))
            fail_msg("%s: %s", detail, text);
    }
    sqlite3_finalize(st);
    sqlite3_free(sql);
}

/* Each way of asking is a walk along an index: no plan of what a reader has prepared says that it
 * sorts, or looks at a whole table. */
static void no_plan_sorts_or_scans(void **state)
{
    struct scratch *x = filled(state);
    struct store_reader *r = NULL;
    sqlite3_stmt *st = NULL;
    sqlite3 *db = NULL;
    unsigned pages = 0;

    if (scratch_pg)
        skip();
    assert_int_equal(sqlite3_auto_extension((void (*)(void))note_connection), SQLITE_OK);
    assert_int_equal(store_reader_open(&x->c, &r, NULL), 0);
    sqlite3_reset_auto_extension();
    assert_int_equal(sqlite3_open(x->path, &db), SQLITE_OK);
    while ((st = sqlite3_next_stmt(newest_connection, st))) {
        check_plan(db, sqlite3_sql(st));
        pages += strstr(sqlite3_sql(st), "FROM records r") != NULL;
    }
    assert_int_equal(pages, 5);
    sqlite3_close(db);
    store_reader_close(r);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

RUN_ENGINES(STORE_TEST(records_come_newest_first), STORE_TEST(pages_join_without_a_seam),
            STORE_TEST(a_page_is_not_moved_by_what_comes_later), STORE_TEST(failures_have_codes),
            STORE_TEST(patience_ends), STORE_TEST(a_series_is_summed_in_steps),
            STORE_TEST(a_series_agrees_with_the_slow_way), STORE_TEST(no_plan_sorts_or_scans))
