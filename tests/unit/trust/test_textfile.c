/* Lines with their numbers, words, and what of a file may go into a sentence. */
#include "unit/unit.h"

#include "trust/textfile.h"

static void lines_and_their_numbers(void **state)
{
    struct textfile t = textfile_of(STR("\n# c\r\n  one \t\r\n\t#c\ntwo"), "f");
    struct str line;
    struct fault f = { 0 };

    (void)state;
    assert_true(textfile_next(&t, &line));
    assert_str(line, "one");
    assert_int_equal(textfile_fault(&t, &f, line.p + 1, "%s", "x"), ERR_VALUE);
    assert_int_equal(f.line, 3);
    assert_int_equal(f.column, 4);
    assert_string_equal(f.file, "f");
    assert_true(textfile_next(&t, &line));
    assert_str(line, "two");
    assert_int_equal(t.line, 5);
    assert_false(textfile_next(&t, &line));
    assert_false(textfile_next(&t, &line));
    t = textfile_of(STR_NONE, "f");
    assert_false(textfile_next(&t, &line));
}

static void words(void **state)
{
    struct str line = STR("topic \t read  a b");

    (void)state;
    assert_str(textfile_word(&line), "topic");
    assert_str(textfile_word(&line), "read");
    assert_str(line, "a b");
    (void)textfile_word(&line);
    assert_str(textfile_word(&line), "b");
    assert_int_equal(line.n, 0);
    assert_int_equal(textfile_word(&line).n, 0);
}

static void what_is_shown_is_short_and_clean(void **state)
{
    char many[200];

    (void)state;
    assert_string_equal(textfile_show(STR("a\tb\x1b[1m\x7f")).text, "a?b?[1m?");
    memset(many, 'x', sizeof(many));
    assert_int_equal(strlen(textfile_show(str_from(many, sizeof(many))).text), 63);
    assert_string_equal(textfile_show(str_from(many, 60)).text + 57, "xxx");
    memcpy(many + 59, "\xc3\xa4", 2);
    assert_string_equal(textfile_show(str_from(many, sizeof(many))).text + 58, "x...");
    assert_string_equal(textfile_show(STR_NONE).text, "");
}

static void a_byte_order_mark_is_told(void **state)
{
    struct fault f = { 0 };

    (void)state;
    assert_int_equal(textfile_check(STR_NONE, "acl", &f), 0);
    assert_int_equal(textfile_check(STR("user ann\n"), "acl", &f), 0);
    assert_int_equal(textfile_check(STR("\xef\xbb\xbfuser ann\n"), "acl", &f), ERR_VALUE);
    assert_int_equal(f.line, 1);
    assert_non_null(strstr(f.text, "byte order mark"));
}

RUN(TEST(lines_and_their_numbers), TEST(words), TEST(a_byte_order_mark_is_told),
    TEST(what_is_shown_is_short_and_clean))
