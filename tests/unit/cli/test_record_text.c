/* Records as text, and which are wanted. */
#include "unit/unit.h"

#include "base/mem.h"

#include "base/rfc3339.h"
#include "cli/record_text.h"

#define DAY ((int64_t)86400 * 1000000000)

static struct record reading(uint64_t seq, struct str payload)
{
    struct record r = { .kind = RECORD_READING,
                        .device = STR("pi-1"),
                        .stream = STR("env"),
                        .seq = seq,
                        .origin = { { 1 } },
                        .origin_epoch = 7,
                        .origin_seq = seq,
                        .payload = payload };

    assert_int_equal(rfc3339_parse(STR("2026-01-31T12:00:00Z"), &r.wall_ns), 0);
    return r;
}

static struct record gap(uint64_t first, uint64_t last)
{
    return (struct record){ .kind = RECORD_GAP,
                            .seq = last,
                            .first = first,
                            .origin_seq = last,
                            .payload = STR("damaged") };
}

static void check(const struct record *r, enum record_format format, struct str want)
{
    struct buf b = buf_init(4096);

    if (format == RECORD_CSV)
        record_text_csv(r, &b);
    else
        record_text_json(r, &b);
    if (!str_eq(buf_str(&b), want))
        fail_msg("got %.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

#define ORIGIN "01000000-0000-0000-0000-000000000000"

static void a_reading_is_one_json_object_on_one_line(void **state)
{
    struct record r = reading(5, STR("{\n \"t\": 1,\r\n \"x\": \"a\\nb\" }"));

    (void)state;
    check(&r, RECORD_JSONL,
          STR("{\"seq\":5,\"kind\":\"reading\",\"device\":\"pi-1\",\"stream\":\"env\","
              "\"time\":\"2026-01-31T12:00:00.000Z\",\"origin\":\"" ORIGIN "\",\"origin_epoch\":7,"
              "\"origin_seq\":5,\"payload\":{  \"t\": 1,   \"x\": \"a\\nb\" }}\n"));
    r.flags = RECORD_CORRECTED;
    r.sent_ns = 1000000000;
    r.content_type = STR("text/plain");
    r.payload = STR("a \"b\"");
    check(&r, RECORD_JSONL,
          STR("{\"seq\":5,\"kind\":\"reading\",\"device\":\"pi-1\",\"stream\":\"env\","
              "\"content_type\":\"text/plain\",\"time\":\"2026-01-31T12:00:00.000Z\","
              "\"sent_time\":\"1970-01-01T00:00:01.000Z\",\"origin\":\"" ORIGIN
              "\",\"origin_epoch\":7,\"origin_seq\":5,\"payload\":\"a \\\"b\\\"\"}\n"));
}

static void what_claims_to_be_json_and_is_not_breaks_no_line(void **state)
{
    struct record r = reading(5, STR("}\n{\"seq\":6"));
    struct buf b = buf_init(4096);

    (void)state;
    record_text_json(&r, &b);
    assert_int_equal(str_find(buf_str(&b), '\n'), b.n - 1);
    assert_true(str_find_str(buf_str(&b), STR("\"payload\":\"}\\n{\\\"seq\\\":6\"}")) < b.n);
    buf_fini(&b);
}

static void bytes_are_not_lost(void **state)
{
    static const struct {
        struct str bytes, text;
    } rows[] = { { STR("\xff"), STR("\"payload_base64\":\"/w==\"}") },
                 { STR("\xff\x00"), STR("\"payload_base64\":\"/wA=\"}") },
                 { STR("\xff\x00\x01"), STR("\"payload_base64\":\"/wAB\"}") } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct record r = reading(1, rows[i].bytes);
        struct buf b = buf_init(4096);

        r.content_type = STR("image/jpeg");
        record_text_json(&r, &b);
        assert_true(str_ends(str_sub(buf_str(&b), 0, b.n - 1), rows[i].text));
        buf_fini(&b);
    }
}

static void csv_is_quoted_where_it_must_be(void **state)
{
    struct record r = reading(5, STR("{\"t\":1,\"u\":2}")), g = gap(6, 9);

    (void)state;
    check(&r, RECORD_CSV,
          STR("5,2026-01-31T12:00:00.000Z,pi-1,reading,env,," ORIGIN
              ",7,5,\"{\"\"t\"\":1,\"\"u\"\":2}\"\r\n"));
    r.payload = STR("21.5");
    r.content_type = STR("text/plain; a=\"b\"");
    check(&r, RECORD_CSV,
          STR("5,2026-01-31T12:00:00.000Z,pi-1,reading,env,\"text/plain; a=\"\"b\"\"\"," ORIGIN
              ",7,5,21.5\r\n"));
    check(
        &g, RECORD_CSV,
        STR("9,,,gap,,,00000000-0000-0000-0000-000000000000,0,9,\"6 to 9 missing: damaged\"\r\n"));
}

static void a_gap_has_no_time(void **state)
{
    struct record g = gap(6, 9);
    struct buf b = buf_init(4096);

    (void)state;
    record_text_json(&g, &b);
    assert_true(str_find_str(buf_str(&b), STR("\"time\":null")) < b.n);
    assert_true(str_find_str(buf_str(&b), STR("\"origin_seq\":9,\"first\":6")) < b.n);
    buf_fini(&b);
}

static void places_are_numbers_days_and_times(void **state)
{
    struct record_wanted w = { 0 };

    (void)state;
    assert_int_equal(record_wanted_place(&w, STR("17"), false), 0);
    assert_int_equal(record_wanted_place(&w, STR("20"), true), 0);
    assert_int_equal(w.from_seq, 17);
    assert_int_equal(w.to_seq, 20);
    assert_int_equal(record_wanted_place(&w, STR("2026-01-31"), false), 0);
    assert_int_equal(record_wanted_place(&w, STR("2026-02-01T00:00:00Z"), true), 0);
    assert_int_equal(w.to_ns - w.from_ns, DAY);
    assert_int_equal(record_wanted_place(&w, STR("yesterday"), false), ERR_SYNTAX);
    assert_int_equal(record_wanted_place(&w, STR("2026-13-31"), false), ERR_SYNTAX);
    assert_int_equal(record_wanted_place(&w, STR("-1"), false), ERR_SYNTAX);
    assert_int_equal(record_wanted_place(&w, STR("0"), true), ERR_SYNTAX);
    assert_int_equal(record_wanted_place(&w, STR(""), true), ERR_SYNTAX);
}

static void a_record_is_wanted_by_all_that_is_said(void **state)
{
    struct record r = reading(5, STR("1"));
    struct record mark = { .kind = RECORD_MARK, .seq = 5 };
    struct record_wanted w = { 0 };
    bool after = false;

    (void)state;
    assert_int_equal(record_wanted(&w, &r, &after), RECORD_YES);
    assert_int_equal(record_wanted(&w, &mark, &after), RECORD_NO);
    w = (struct record_wanted){ .from_seq = 5, .to_seq = 5 };
    assert_int_equal(record_wanted(&w, &r, &after), RECORD_YES);
    w.from_seq = 6;
    assert_int_equal(record_wanted(&w, &r, &after), RECORD_NO);
    w = (struct record_wanted){ .to_seq = 4 };
    assert_int_equal(record_wanted(&w, &r, &after), RECORD_NO);
    w = (struct record_wanted){ .device = STR("pi-1"), .stream = STR("env") };
    assert_int_equal(record_wanted(&w, &r, &after), RECORD_YES);
    w.stream = STR("en");
    assert_int_equal(record_wanted(&w, &r, &after), RECORD_NO);
    w = (struct record_wanted){ .from_ns = r.wall_ns, .to_ns = r.wall_ns + 1 };
    assert_int_equal(record_wanted(&w, &r, &after), RECORD_YES);
    w = (struct record_wanted){ .to_ns = r.wall_ns };
    assert_int_equal(record_wanted(&w, &r, &after), RECORD_NO);
}

static void a_gap_is_wanted_with_its_neighbours(void **state)
{
    struct record before = reading(5, STR("1")), g = gap(6, 9), next = reading(10, STR("1"));
    struct record_wanted w = { .device = STR("pi-1") };
    bool after = false;

    (void)state;
    /* It may be of any device. */
    assert_int_equal(record_wanted(&w, &g, &after), RECORD_YES);
    w = (struct record_wanted){ .from_ns = before.wall_ns + DAY };
    assert_int_equal(record_wanted(&w, &before, &after), RECORD_NO);
    assert_int_equal(record_wanted(&w, &g, &after), RECORD_AS_NEXT);
    next.wall_ns += DAY;
    assert_int_equal(record_wanted(&w, &next, &after), RECORD_YES);
    assert_int_equal(record_wanted(&w, &g, &after), RECORD_YES);
    /* By number: if any of its numbers is. */
    w = (struct record_wanted){ .from_seq = 9, .to_seq = 9 };
    assert_int_equal(record_wanted(&w, &g, &after), RECORD_YES);
    w = (struct record_wanted){ .to_seq = 6 };
    assert_int_equal(record_wanted(&w, &g, &after), RECORD_YES);
    w = (struct record_wanted){ .to_seq = 5 };
    assert_int_equal(record_wanted(&w, &g, &after), RECORD_NO);
    w = (struct record_wanted){ .from_seq = 10 };
    assert_int_equal(record_wanted(&w, &g, &after), RECORD_NO);
}

RUN(TEST(a_reading_is_one_json_object_on_one_line),
    TEST(what_claims_to_be_json_and_is_not_breaks_no_line), TEST(bytes_are_not_lost),
    TEST(csv_is_quoted_where_it_must_be), TEST(a_gap_has_no_time),
    TEST(places_are_numbers_days_and_times), TEST(a_record_is_wanted_by_all_that_is_said),
    TEST(a_gap_is_wanted_with_its_neighbours))
