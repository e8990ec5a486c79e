/* The numbers inside a payload: what is a leaf, what it is called, what is refused. */
#include "store/leaves.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

struct seen {
    char text[512];
    size_t n;
};

static void note(void *ctx, struct str path, struct str number)
{
    struct seen *s = ctx;

    s->n += (size_t)snprintf(s->text + s->n, sizeof(s->text) - s->n, "%.*s=%.*s;", STR_ARG(path),
                             STR_ARG(number));
}

static void names_leaves_by_path(void **state)
{
    static const struct {
        const char *json, *leaves;
    } rows[] = {
        { "21.5", "value=21.5;" },
        { " -0 ", "value=-0;" },
        { "\"21.5\"", "" },
        { "true", "" },
        { "{}", "" },
        { "{\"temperature\":21.5,\"humidity\":40,\"ok\":true,\"t\":null}",
          "temperature=21.5;humidity=40;" },
        { "{\"disk\":{\"used\":5,\"root\":{\"free\":1e3}},\"n\":1}",
          "disk.used=5;disk.root.free=1e3;n=1;" },
        { "{\"bbox\":[1,2,{\"x\":3}],\"after\":4}", "after=4;" },
        { "{\"a\\u0062\":1,\"\":2,\"c\":3}", "c=3;" },
        { "{\"\xc3\xa9\":1}", "\xc3\xa9=1;" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct seen s = { 0 };

        assert_int_equal(leaves_each(str_of(rows[i].json), note, &s, NULL), 0);
        assert_string_equal(s.text, rows[i].leaves);
    }
}

static void refuses_what_is_not_json(void **state)
{
    static const char *const rows[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "NaN",
        "Infinity",
        "tru",
        "nul",
        "truee",
        "1 2",
        "{}{}",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"",
        "\"\\",
        "\xff",
        "\"\xc0\x80\"",
        "[1 2]",
        "'a'",
        "{\"a\":}",
        "0x10",
        "{\"a\":1]",
        "[1}",
        "\"\\u0000\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (leaves_each(str_of(rows[i]), NULL, NULL, NULL) != ERR_SYNTAX)
            fail_msg("accepted: %s", rows[i]);
}

/* Every prefix of a valid object is refused, and reading never goes past its end. */
static void refuses_every_prefix(void **state)
{
    const char *whole = "{\"a\":{\"b\":[1.5e3,\"\\ud83d\\ude00x\",true,null,false]},\"c\":-0.25}";
    size_t n = strlen(whole);

    (void)state;
    assert_int_equal(leaves_each(str_of(whole), NULL, NULL, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        char *copy = i ? mem_dup(whole, i) : NULL;

        assert_int_equal(leaves_each(str_from(copy, i), NULL, NULL, NULL), ERR_SYNTAX);
        mem_free(copy);
    }
}

static void nesting_has_a_limit(void **state)
{
    char text[2 * LEAVES_DEPTH_MAX + 2];
    size_t half = sizeof(text) / 2;

    (void)state;
    memset(text, '[', half);
    memset(text + half, ']', half);
    assert_int_equal(leaves_each(str_from(text, sizeof(text)), NULL, NULL, NULL), ERR_LIMIT);
    assert_int_equal(leaves_each(str_from(text + 1, sizeof(text) - 2), NULL, NULL, NULL), 0);
}

static void long_paths_are_no_leaves(void **state)
{
    char text[300];
    struct seen s = { 0 };

    (void)state;
    snprintf(text, sizeof(text), "{\"%0*d\":1,\"%0*d\":2}", LEAVES_NAME_MAX + 1, 7, LEAVES_NAME_MAX,
             8);
    assert_int_equal(leaves_each(str_of(text), note, &s, NULL), 0);
    assert_int_equal(s.n, LEAVES_NAME_MAX + 3);
}

/* Below a name that fills the path to its end, and to one byte before it, nothing has a name. */
static void a_full_path_takes_no_more(void **state)
{
    (void)state;
    for (int n = LEAVES_NAME_MAX - 2; n <= LEAVES_NAME_MAX + 1; n++) {
        struct seen s = { 0 };
        char text[300];

        snprintf(text, sizeof(text), "{\"%0*d\":{\"a\":{\"b\":1,\"\":2},\"c\":3}}", n, 0);
        assert_int_equal(leaves_each(str_of(text), note, &s, NULL), 0);
        assert_int_equal(s.n > 0, n == LEAVES_NAME_MAX - 2);
    }
}

static void gets_one_number(void **state)
{
    struct str json = STR("{\"s\":\"9\",\"a\":{\"b\":2.5},\"a.b\":7,\"big\":1e999,\"a\":8}");
    double v = -1;

    (void)state;
    assert_int_equal(leaves_get(json, STR("a.b"), &v), 0);
    assert_true(v == 2.5);
    assert_int_equal(leaves_get(json, STR("a"), &v), 0);
    assert_true(v == 8);
    assert_int_equal(leaves_get(json, STR("s"), &v), ERR_UNKNOWN);
    assert_int_equal(leaves_get(json, STR("b"), &v), ERR_UNKNOWN);
    assert_int_equal(leaves_get(json, STR("big"), &v), ERR_UNKNOWN);
    assert_int_equal(leaves_get(STR("{\"x\":1"), STR("y"), &v), ERR_SYNTAX);
    assert_int_equal(leaves_get(STR("-4"), STR("value"), &v), 0);
    assert_true(v == -4);
}

static void strings_lose_their_escapes(void **state)
{
    static const struct {
        const char *quoted, *text;
    } rows[] = {
        { "\"\"", "" },
        { "\"plain\"", "plain" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00!\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80!" },
    };
    char out[32];
    size_t n = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str want = str_of(rows[i].text);

        assert_int_equal(leaves_text(str_of(rows[i].quoted), out, sizeof(out), &n), 0);
        assert_true(str_eq(str_from(out, n), want));
        assert_int_equal(leaves_text(str_of(rows[i].quoted), out, want.n, &n), 0);
        if (want.n > 0)
            assert_int_equal(leaves_text(str_of(rows[i].quoted), out, want.n - 1, &n), ERR_LIMIT);
    }
    assert_int_equal(leaves_text(STR("\"a"), out, sizeof(out), &n), ERR_SYNTAX);
    assert_int_equal(leaves_text(STR("a"), out, sizeof(out), &n), ERR_SYNTAX);
    assert_int_equal(leaves_text(STR("\"a\"b"), out, sizeof(out), &n), ERR_SYNTAX);
}

static void plain_is_what_nobody_can_misread(void **state)
{
    static const struct {
        const char *text;
        bool plain;
    } rows[] = {
        { "{\"a\":1,\"b\":{\"a\":[{\"a\":2}]},\"c\":\"\\u0041\"}", true },
        { "21.5", true },
        { "{\"a\":1,\"a\":1}", false },
        { "{\"\\u0061\":1}", false },
        { "1234567890123456", false },
        { "1e2", false },
        { "[[[[1]]]]", true },
        { "[[[[[1]]]]]", false },
        { "1 1", false },
        { "\"\xff\"", false },
    };
    enum leaf_kind kind;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (leaves_plain(str_of(rows[i].text), 4, &kind) != rows[i].plain)
            fail_msg("%s", rows[i].text);
}

static void cuts_members_out(void **state)
{
    struct str json = STR(" { \"a\" : {\"value\":1} , \"value\" : [1, {\"x\":\"}\"}] ,\"z\":null}");
    struct str raw = STR_NONE;
    enum leaf_kind kind = LEAF_NULL;
    struct leaf_member m;
    size_t at = 0, count = 0;

    (void)state;
    assert_int_equal(leaves_member(json, STR("value"), &raw, &kind), 0);
    assert_true(str_eq(raw, STR("[1, {\"x\":\"}\"}]")));
    assert_int_equal(kind, LEAF_ARRAY);
    assert_int_equal(leaves_member(json, STR("b"), &raw, NULL), ERR_UNKNOWN);
    assert_int_equal(leaves_member(STR("[1]"), STR("b"), &raw, NULL), ERR_SYNTAX);
    assert_int_equal(leaves_member(STR("{\"a\":1"), STR("b"), &raw, NULL), ERR_SYNTAX);
    while (leaves_next_member(json, &at, &m))
        count++;
    assert_int_equal(count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_leaves_by_path),
        cmocka_unit_test(refuses_what_is_not_json),
        cmocka_unit_test(refuses_every_prefix),
        cmocka_unit_test(nesting_has_a_limit),
        cmocka_unit_test(long_paths_are_no_leaves),
        cmocka_unit_test(gets_one_number),
        cmocka_unit_test(a_full_path_takes_no_more),
        cmocka_unit_test(cuts_members_out),
        cmocka_unit_test(strings_lose_their_escapes),
        cmocka_unit_test(plain_is_what_nobody_can_misread),
    };

    return cmocka_run_group_tests_name("leaves", tests, NULL, NULL);
}
