/* What may be asked, how pages follow one another, how values fall into steps. */
#include "store/query.h"

#include "base/mem.h"

#include "unit/unit.h"

static void refuses_with_the_parameter(void **state)
{
    static const struct {
        struct store_query q;
        const char *field;
    } rows[] = {
        { { .what = STORE_RECORDS, .device = { "a b", 3 } }, "device" },
        { { .what = STORE_RECORDS, .device = { "a", 1 }, .stream = { "a/b", 3 } }, "stream" },
        { { .what = STORE_RECORDS, .stream = { "s", 1 } }, "device" },
        { { .what = STORE_RECORDS, .from_ns = -1 }, "from" },
        { { .what = STORE_RECORDS, .from_ns = 5, .to_ns = 4 }, "to" },
        { { .what = STORE_RECORDS, .to_ns = -1 }, "to" },
        { { .what = STORE_RECORDS, .limit = 10001 }, "limit" },
        { { .what = STORE_RECORDS, .kinds = 1 }, "kind" },
        { { .what = STORE_RECORDS, .kinds = 1u << RECORD_GAP }, "kind" },
        { { .what = STORE_RECORDS, .after = { "x", 1 } }, "after" },
        { { .what = STORE_RECORDS, .after = { "r1", 2 } }, "after" },
        { { .what = STORE_RECORDS, .after = { "r1.", 3 } }, "after" },
        { { .what = STORE_RECORDS, .after = { "r1.g", 4 } }, "after" },
        { { .what = STORE_RECORDS, .after = { "r1.ffffffffffffffff", 19 } }, "after" },
        { { .what = STORE_RECORDS, .after = { "d.x", 3 } }, "after" },
        { { .what = STORE_DEVICES, .after = { "d.", 2 } }, "after" },
        { { .what = STORE_DEVICES, .after = { "r1.1", 4 } }, "after" },
        { { .what = STORE_LATEST, .after = { "l", 1 } }, "after" },
        { { .what = STORE_SERIES }, "device" },
        { { .what = STORE_SERIES, .device = { "d", 1 } }, "stream" },
        { { .what = STORE_SERIES, .device = { "d", 1 }, .stream = { "s", 1 } }, "field" },
        { { .what = STORE_SERIES, .device = { "d", 1 }, .stream = { "s", 1 }, .field = { "f", 1 } },
          "step" },
        { { .what = STORE_SERIES,
            .device = { "d", 1 },
            .stream = { "s", 1 },
            .field = { "f", 1 },
            .from_ns = 1,
            .to_ns = 10001,
            .step_ns = 1 },
          "step" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fault f = { 0 };
        const char *field = "none";

        assert_int_equal(store_query_check(&rows[i].q, &field, &f), ERR_VALUE);
        assert_string_equal(field, rows[i].field);
        assert_true(f.text[0] != '\0');
    }
}

static void accepts_what_is_allowed(void **state)
{
    const struct store_query rows[] = {
        { .what = STORE_RECORDS },
        { .what = STORE_RECORDS,
          .device = STR("d"),
          .stream = STR("s"),
          .from_ns = 5,
          .to_ns = 5,
          .limit = 10000,
          .kinds = 1u << RECORD_READING,
          .after = STR("r1.2") },
        { .what = STORE_DEVICES, .after = STR("d.a-b_C9") },
        { .what = STORE_LATEST, .after = STR("lff") },
        { .what = STORE_SERIES,
          .device = STR("d"),
          .stream = STR("s"),
          .field = STR("f"),
          .from_ns = 1,
          .to_ns = 10001,
          .step_ns = 2 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(store_query_check(&rows[i], NULL, NULL), 0);
}

static void tokens_read_back(void **state)
{
    static const struct query_place places[] = {
        { 0, 1 },
        { INT64_MAX, INT64_MAX },
        { -1, 7 },
        { 1767225600000000000, 123456 },
    };
    char token[STORE_TOKEN_SIZE];
    struct query_place p;
    struct str name = STR_NONE, longest = STR("12345678901234567890123456789012345678901234567890");
    uint64_t id = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        query_token_place(&places[i], token);
        assert_int_equal(query_place_of(str_of(token), &p), 0);
        assert_true(p.wall_ns == places[i].wall_ns && p.id == places[i].id);
    }
    query_token_name(longest, token);
    assert_int_equal(query_name_of(str_of(token), &name), 0);
    assert_true(str_eq(name, longest));
    query_token_id(77, token);
    assert_int_equal(query_id_of(str_of(token), &id), 0);
    assert_int_equal(id, 77);
}

static void a_page_ends_at_the_earlier_of_token_and_end(void **state)
{
    struct store_query q = { .what = STORE_RECORDS };
    struct query_place p;

    (void)state;
    assert_int_equal(query_upper(&q, &p), 0);
    assert_true(p.wall_ns == INT64_MAX && p.id == INT64_MAX);
    assert_true(query_end(&q) == INT64_MAX);
    q.to_ns = 0x50;
    assert_int_equal(query_end(&q), 0x50);
    assert_int_equal(query_upper(&q, &p), 0);
    assert_true(p.wall_ns == 0x50 && p.id == 0);
    q.after = STR("r40.9");
    assert_int_equal(query_upper(&q, &p), 0);
    assert_true(p.wall_ns == 0x40 && p.id == 9);
    q.after = STR("r60.9");
    assert_int_equal(query_upper(&q, &p), 0);
    assert_true(p.wall_ns == 0x50 && p.id == 0);
}

static void what_the_renderer_took_is_counted(void **state)
{
    struct store_answer a = { 0 };

    (void)state;
    assert_int_equal(query_rendered(0, &a), 0);
    assert_int_equal(query_rendered(ERR_LIMIT, &a), ERR_LIMIT);
    assert_int_equal(query_rendered(0, &a), 0);
    assert_int_equal(a.rows, 2);
}

static void steps_begin_at_the_start_or_at_the_first_record(void **state)
{
    struct store_query q = { .what = STORE_SERIES, .step_ns = 10 };
    struct query_steps s = { 0 };
    struct store_answer a = { 0 };

    (void)state;
    assert_int_equal(query_steps_begin(&s, &q, 57, 99, &a), 0);
    assert_true(s.from_ns == 50 && s.step_ns == 10 && s.open.count == 0);
    q.from_ns = 42;
    assert_int_equal(query_steps_begin(&s, &q, 57, 99, &a), 0);
    assert_true(s.from_ns == 42);
    assert_int_equal(query_steps_begin(&s, &q, 57, 42 + 10 * STORE_LIMIT_MAX - 1, &a), 0);
    assert_string_equal(a.text, "");
    assert_int_equal(query_steps_begin(&s, &q, 57, 42 + 10 * STORE_LIMIT_MAX, &a), ERR_VALUE);
    assert_string_equal(a.text, "more than 10000 steps: ask for a longer step or less time");
}

static void values_fall_into_steps(void **state)
{
    struct query_steps s = { .from_ns = 5, .step_ns = 10 };
    struct store_point p = { 0 };

    (void)state;
    assert_false(query_step_end(&s, &p));
    assert_false(query_step_add(&s, 5, 1, &p));
    assert_false(query_step_add(&s, 14, 4, &p));
    assert_true(query_step_add(&s, 15, -2, &p));
    assert_true(p.t_ns == 5 && p.min == 1 && p.max == 4 && p.avg == 2.5 && p.count == 2);
    assert_true(query_step_add(&s, 39, 7, &p));
    assert_true(p.t_ns == 15 && p.min == -2 && p.max == -2 && p.avg == -2 && p.count == 1);
    assert_true(query_step_end(&s, &p));
    assert_true(p.t_ns == 35 && p.avg == 7);
    assert_false(query_step_end(&s, &p));
}

RUN(TEST(refuses_with_the_parameter), TEST(accepts_what_is_allowed), TEST(tokens_read_back),
    TEST(a_page_ends_at_the_earlier_of_token_and_end), TEST(what_the_renderer_took_is_counted),
    TEST(steps_begin_at_the_start_or_at_the_first_record), TEST(values_fall_into_steps))
