/* The members of a JSON text: the same as the parser's, however they were written. */
#include "ingest/body.h"

#include "base/mem.h"

#include "unit/unit.h"

#include <stdio.h>

static struct body b;

static void parse(const char *text)
{
    struct fault f = { 0 };

    if (body_parse(str_of(text), 8, &b, &f) < 0)
        fail_msg("refused: %s: %s", text, f.text);
}

static void members_are_found_by_name(void **state)
{
    struct leaf_member m;
    struct arena a = arena_init(1000);
    struct str text = STR_NONE;

    (void)state;
    parse(" {\"a\":1, \"b c\" : \"x\\ty\", \"d\\u0065\\/\":[1,{}], \"e\":{\"a\":2}, \"\":null}");
    assert_int_equal(b.count, 5);
    assert_true(body_member(&b, STR("a"), &m));
    assert_str(m.value, "1");
    assert_true(body_member(&b, STR("b c"), &m));
    assert_true(body_text(&m, &a, &text));
    assert_str(text, "x\ty");
    assert_true(body_member(&b, STR("de/"), &m));
    assert_str(m.value, "[1,{}]");
    assert_false(body_text(&m, &a, &text));
    assert_false(body_has(&b, STR("d\\u0065\\/")));
    assert_true(body_has(&b, STR("")));
    assert_false(body_has(&b, STR("A")));
    arena_fini(&a);
}

static void text_without_escapes_is_a_view(void **state)
{
    const char *json = "{\"a\":\"plain \xc3\xa9\"}";
    struct arena none = arena_init(0);
    struct leaf_member m;
    struct str text = STR_NONE;

    (void)state;
    parse(json);
    assert_true(body_member(&b, STR("a"), &m));
    assert_true(body_text(&m, &none, &text));
    assert_true(text.p == json + 6);
    arena_fini(&none);
}

static void members_beyond_those_noted_are_found(void **state)
{
    char text[4000];
    size_t n = 1, count = 0;
    struct body_cursor c = { 0 };
    struct leaf_member m;

    (void)state;
    text[0] = '{';
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"m%d\":%d", i ? "," : "", i, i);
    snprintf(text + n, sizeof(text) - n, "}");
    parse(text);
    assert_int_equal(b.count, BODY_MEMBERS_MAX);
    assert_true(body_member(&b, STR("m63"), &m) && body_member(&b, STR("m64"), &m));
    assert_true(body_member(&b, STR("m99"), &m));
    assert_str(m.value, "99");
    assert_false(body_has(&b, STR("m100")));
    while (body_next(&b, &c))
        count++;
    assert_int_equal(count, 100);
}

/* What the quick walk lets pass must be what the parser lets pass. */
static void doubts_go_to_the_parser(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        { "{\"a\":1,\"a\":2}", false },
        { "{\"a\":1,\"\\u0061\":2}", false },
        { "{\"x\":{\"a\":1,\"b\":{\"a\":2}},\"a\":3}", true },
        { "{\"x\":[{\"a\":1},{\"a\":1}]}", true },
        { "{\"x\":[{\"a\":1,\"a\":1}]}", false },
        { "{\"x\":{\"y\":{\"z\":1},\"y\":1}}", false },
        { "[[[[[[[[1]]]]]]]]", true },
        { "[[[[[[[[[1]]]]]]]]]", false },
        { "9223372036854775807", true },
        { "9223372036854775808", false },
        { "1e308", true },
        { "1e309", false },
        { "-0.000000000000000000001", true },
        { "\"\\u0000\"", false },
        { "\"\\ud83d\\ude00\"", true },
        { "", false },
        { " ", false },
        { "null", true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fault f = { 0 };
        int rc = body_parse(str_of(rows[i].text), 8, &b, &f);

        if ((rc == 0) != rows[i].ok)
            fail_msg("%s: %d %s", rows[i].text, rc, f.text);
        assert_int_equal(rc < 0, f.text[0] != '\0');
    }
}

RUN(TEST(members_are_found_by_name), TEST(text_without_escapes_is_a_view),
    TEST(members_beyond_those_noted_are_found), TEST(doubts_go_to_the_parser))
