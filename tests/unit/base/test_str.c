/* Views, numbers and UTF-8. */
#include "unit/unit.h"

#include "base/mem.h"
#include "base/str.h"

static void compares(void **state)
{
    (void)state;
    assert_true(str_eq(STR("ab"), STR("ab")));
    assert_true(str_eq(STR_NONE, STR("")));
    assert_false(str_eq(STR("ab"), STR("aB")));
    assert_true(str_eq_nocase(STR("Host"), STR("hOST")));
    assert_false(str_eq_nocase(STR("\xc4"), STR("\xe4"))); /* ASCII only */
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("ab"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR("a"), STR("a")), 0);
    assert_true(str_eq_secret(STR("secret"), STR("secret")));
    assert_false(str_eq_secret(STR("secret"), STR("secreT")));
    assert_false(str_eq_secret(STR("secret"), STR("")));
    assert_false(str_eq_secret(STR("aa"), STR("a")));
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_false(str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_false(str_ends(STR("c"), STR("bc")));
}

static void cuts(void **state)
{
    struct str rest = STR("a/b//c");

    (void)state;
    assert_str(str_cut(&rest, '/'), "a");
    assert_str(str_cut(&rest, '/'), "b");
    assert_str(str_cut(&rest, '/'), "");
    assert_str(str_cut(&rest, '/'), "c");
    assert_null(rest.p);
    assert_str(str_sub(STR("hello"), 1, 3), "ell");
    assert_str(str_sub(STR("hello"), 4, 100), "o");
    assert_str(str_sub(STR("hello"), 9, 1), "");
    assert_str(str_trim(STR(" \t x y \t")), "x y");
    assert_int_equal(str_find(STR("abc"), 'c'), 2);
    assert_int_equal(str_find(STR("abc"), 'x'), 3);
    assert_int_equal(str_find_str(STR("abcabd"), STR("abd")), 3);
    assert_int_equal(str_find_str(STR("ab"), STR("abd")), 2);
}

static void reads_numbers_strictly(void **state)
{
    uint64_t u = 7;
    int64_t i = 7;
    double d = 7;

    (void)state;
    assert_int_equal(str_to_u64(STR("18446744073709551615"), &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(str_to_u64(STR("18446744073709551616"), &u), ERR_LIMIT);
    assert_int_equal(str_to_u64(STR(""), &u), ERR_SYNTAX);
    assert_int_equal(str_to_u64(STR("+1"), &u), ERR_SYNTAX);
    assert_int_equal(str_to_u64(STR("1 "), &u), ERR_SYNTAX);
    assert_int_equal(str_to_i64(STR("-9223372036854775808"), &i), 0);
    assert_true(i == INT64_MIN);
    assert_int_equal(str_to_i64(STR("9223372036854775808"), &i), ERR_LIMIT);
    assert_int_equal(str_to_i64(STR("-"), &i), ERR_SYNTAX);
    assert_int_equal(str_to_hex(STR("fFfFfFfFfFfFfFfF"), &u), 0);
    assert_true(u == UINT64_MAX);
    assert_int_equal(str_to_hex(STR("10000000000000000"), &u), ERR_LIMIT);
    assert_int_equal(str_to_hex(STR("0x1"), &u), ERR_SYNTAX);
    assert_int_equal(str_to_double(STR("-1.5e3"), &d), 0);
    assert_true(d == -1500);
    assert_int_equal(str_to_double(STR("1e999"), &d), ERR_LIMIT);
    for (size_t n = 0; n < 9; n++) {
        static const char *const bad[] = { "", "nan", "inf", "0x10", "01", "1.", ".5", "1e", " 1" };

        assert_int_equal(str_to_double(str_of(bad[n]), &d), ERR_SYNTAX);
    }
    assert_true(d == -1500); /* untouched on failure */
}

static void knows_utf8(void **state)
{
    (void)state;
    assert_true(utf8_valid(STR("plain ascii, long enough for words of eight")));
    assert_true(utf8_valid(STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
    assert_false(utf8_valid(STR("\xc0\xaf")));         /* overlong */
    assert_false(utf8_valid(STR("\xe0\x80\xaf")));     /* overlong */
    assert_false(utf8_valid(STR("\xed\xa0\x80")));     /* surrogate */
    assert_false(utf8_valid(STR("\xf4\x90\x80\x80"))); /* beyond U+10FFFF */
    assert_false(utf8_valid(STR("\xe2\x82")));         /* cut */
    assert_false(utf8_valid(STR("12345678\xff")));
    assert_true(utf8_valid(STR("a\0b")));
    assert_false(utf8_valid_mqtt(STR("a\0b")));
}

static void dup_ends_with_zero(void **state)
{
    char *p = str_dup(str_sub(STR("hello"), 0, 2));

    (void)state;
    assert_string_equal(p, "he");
    mem_free(p);
}

static void clips_at_characters(void **state)
{
    (void)state;
    assert_str(utf8_clip(STR("abc"), 3), "abc");
    assert_str(utf8_clip(STR("abc"), 2), "ab");
    assert_str(utf8_clip(STR("a\xc3\xa9"), 3), "a\xc3\xa9");
    assert_str(utf8_clip(STR("a\xc3\xa9"), 2), "a");
    assert_str(utf8_clip(STR("a\xf0\x9f\x98\x80z"), 4), "a");
    assert_str(utf8_clip(STR("\xf0\x9f\x98\x80z"), 3), "");
    assert_str(utf8_clip(STR(""), 3), "");
}

RUN(TEST(compares), TEST(cuts), TEST(reads_numbers_strictly), TEST(knows_utf8),
    TEST(clips_at_characters), TEST(dup_ends_with_zero))
