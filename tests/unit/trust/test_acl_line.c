/* One line of an access file at a time; what may stand in one. The whole of it: test_acl.c. */
#include "unit/unit.h"

#include "base/buf.h"
#include "base/mem.h"
#include "trust/acl_line.h"

static struct acl_line line(const char *text)
{
    struct textfile t = textfile_of(str_of(text), "acl");
    struct acl_line l = { 0 };
    struct fault f = { 0 };
    struct str s;

    assert_true(textfile_next(&t, &s));
    if (acl_line_read(&t, s, &l, &f))
        fail_msg("%s: %s", text, f.text);
    return l;
}

static void lines_of_each_kind(void **state)
{
    (void)state;
    assert_int_equal(line("user ann b").kind, ACL_LINE_USER);
    assert_true(str_eq(line("user ann b").text, STR("ann b")));
    assert_int_equal(line("topic a/#").kind, ACL_LINE_TOPIC);
    assert_int_equal(line("topic a/#").access, ACL_READ | ACL_WRITE);
    assert_int_equal(line("topic read a b/#").access, ACL_READ);
    assert_true(str_eq(line("topic read a b/#").text, STR("a b/#")));
    assert_int_equal(line("pattern deny %c/#").kind, ACL_LINE_PATTERN);
    assert_int_equal(line("pattern deny %c/#").access, ACL_DENY);
}

static void words_there_and_back(void **state)
{
    static const char *const words[] = { "read", "write", "readwrite", "deny" };
    unsigned access = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        assert_true(acl_access_from(str_of(words[i]), &access));
        assert_string_equal(acl_access_word(access), words[i]);
    }
    assert_false(acl_access_from(STR("Read"), &access));
    assert_false(acl_access_from(STR(""), &access));
    assert_string_equal(acl_access_word(0), "");
}

static void what_may_be_a_filter(void **state)
{
    static const char *const good[] = { "a", "a/+/b", "#", "a b", "dev/%c/#", "/", "$SYS/#" };
    static const char *const bad[] = { "",    "a#",   "a/#/b", "+a",      " a",
                                       "a ",  "\ta",  "a\nb",  "a\r",     "topic\nuser root",
                                       "a+/", "\xff", "##",    "a/b\r\n", "a\t" };
    const char *why = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_int_equal(acl_filter_check(str_of(good[i]), &why), 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        why = NULL;
        if (acl_filter_check(str_of(bad[i]), &why) != ERR_VALUE || !why)
            fail_msg("'%s' was taken", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_each_kind),
        cmocka_unit_test(words_there_and_back),
        cmocka_unit_test(what_may_be_a_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
