/* The writer: shapes, escapes, numbers that read back. */
#include "wire/json.h"

#include "unit/unit.h"

#include <math.h>
#include <stdlib.h>

static void shapes(void **state)
{
    struct buf b = buf_init(1000);
    struct json_writer w = json_writer_init(&b);

    (void)state;
    json_begin_object(&w);
    json_key(&w, "a");
    json_begin_array(&w);
    json_i64(&w, INT64_MIN);
    json_u64(&w, UINT64_MAX);
    json_begin_object(&w);
    json_end_object(&w);
    json_begin_array(&w);
    json_end_array(&w);
    json_bool(&w, false);
    json_end_array(&w);
    json_key(&w, "b");
    json_nil(&w);
    json_key(&w, "c");
    json_raw(&w, STR("{\"x\":1}"));
    json_key(&w, "d");
    json_time(&w, 1767225600250000000);
    json_key(&w, "e");
    json_printf(&w, "%d \"q\"", 5);
    json_key(&w, "f");
    json_text(&w, NULL);
    json_end_object(&w);
    assert_str(
        buf_str(&b),
        "{\"a\":[-9223372036854775808,18446744073709551615,{},[],false],\"b\":null,"
        "\"c\":{\"x\":1},\"d\":\"2026-01-01T00:00:00.250Z\",\"e\":\"5 \\\"q\\\"\",\"f\":null}");
    buf_fini(&b);
}

static void members(void **state)
{
    struct buf b = buf_init(1000);
    struct json_writer w = json_writer_init(&b);

    (void)state;
    json_begin_object(&w);
    json_put_u64(&w, "most", UINT64_MAX);
    json_put_bool(&w, "yes", true);
    json_put_bool(&w, "no", false);
    json_put_u64(&w, "least", 0);
    json_end_object(&w);
    assert_str(buf_str(&b),
               "{\"most\":18446744073709551615,\"yes\":true,\"no\":false,\"least\":0}");
    buf_fini(&b);
}

static void one_string(struct str in, const char *want)
{
    struct buf b = buf_init(1000);
    struct json_writer w = json_writer_init(&b);

    json_str(&w, in);
    if (!str_eq(buf_str(&b), str_of(want)))
        fail_msg("%.*s, not %s", STR_ARG(buf_str(&b)), want);
    buf_fini(&b);
}

static void strings(void **state)
{
    (void)state;
    one_string(STR(""), "\"\"");
    one_string(STR("a\"b\\c/"), "\"a\\\"b\\\\c/\"");
    one_string(STR("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"");
    one_string((struct str){ "a\0b", 3 }, "\"a\\u0000b\"");
    one_string(STR("</script>&"), "\"\\u003c/script\\u003e\\u0026\"");
    one_string(STR("\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xe2\x82\xac\xf0\x9f\x98\x80\"");
    one_string(STR("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\"");
    one_string(STR("a\xff\xe2\x82"), "\"a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    one_string(STR("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void numbers(void **state)
{
    static const double doubles[] = { 0,
                                      -0.0,
                                      21.5,
                                      0.1,
                                      1e22,
                                      1e-7,
                                      -2.5,
                                      5e-324,
                                      1.7976931348623157e308,
                                      1.0 / 3,
                                      123456789012345680.0 };
    struct buf b = buf_init(1000);

    (void)state;
    for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
        struct json_writer w = json_writer_init(&b);
        double back;

        json_double(&w, doubles[i]);
        assert_int_equal(str_to_double(buf_str(&b), &back), 0);
        assert_memory_equal(&back, &doubles[i], sizeof(back));
        buf_clear(&b);
    }
    for (unsigned i = 0; i < 3; i++) {
        struct json_writer w = json_writer_init(&b);

        json_double(&w, i == 0 ? (double)NAN : i == 1 ? (double)INFINITY : -(double)INFINITY);
        assert_str(buf_str(&b), "null");
        buf_clear(&b);
    }
    struct json_writer w = json_writer_init(&b);
    json_double(&w, 0.1);
    assert_str(buf_str(&b), "0.1");
    buf_fini(&b);
}

static void what_was_read_is_written_again(void **state)
{
    const struct str text = STR("{\"a\":[1,2.5,\"x\",null,true,{}],\"b\":{\"c\":[]}}");
    struct buf b = buf_init(1000);
    struct json_writer w = json_writer_init(&b);
    struct json_t *j = NULL;

    (void)state;
    assert_int_equal(json_parse(text, &(struct json_limits){ 32, 0 }, &j, NULL, NULL), 0);
    json_value(&w, j);
    assert_true(str_eq(buf_str(&b), text));
    json_free(j);
    buf_fini(&b);
}

static void no_room_is_the_buffers_mark(void **state)
{
    struct buf b = buf_init(10);
    struct json_writer w = json_writer_init(&b);

    (void)state;
    json_begin_array(&w);
    for (int i = 0; i < 100; i++)
        json_i64(&w, i);
    json_end_array(&w);
    assert_int_equal(buf_check(&b), ERR_LIMIT);
    buf_fini(&b);
}

RUN(TEST(shapes), TEST(members), TEST(strings), TEST(numbers), TEST(what_was_read_is_written_again),
    TEST(no_room_is_the_buffers_mark))
