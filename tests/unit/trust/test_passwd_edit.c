/* Users come, change and go, and every other byte stays; what is written is what passwd.c reads. */
#include "unit/unit.h"

#include "base/mem.h"
#include "trust/passwd_edit.h"
#include "trust/textfile.h"

static const unsigned char salt[PASSWD_SALT] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

/* mosquitto_passwd's own line of "correct horse". */
#define ANN                                                                                        \
    "ann:$7$101$N7p8nFvMfEzGJg6f$j4MRP5T28wRIssUanXWzDpxawidtNg/beBK4RIu7zdlQPHE2yGeDJNdO6Z4dGnav" \
    "376QZjAMs7sd9QLI3dgb2A=="

static void what_is_written_is_read(void **state)
{
    struct buf b = buf_init(1000);
    struct passwd *p = NULL;
    struct fault f = { 0 };

    (void)state;
    passwd_put_line(&b, STR("ann b"), STR("correct horse"), 1000, salt);
    assert_true(str_starts(buf_str(&b), STR("ann b:$7$1000$AQIDBAUGBwgJCgsM$")));
    assert_int_equal(passwd_read(buf_str(&b), "pw", 1000, &p, &f), 0);
    assert_true(passwd_verify(p, STR("ann b"), STR("correct horse")));
    assert_false(passwd_verify(p, STR("ann b"), STR("correct horsf")));
    passwd_free(p);
    buf_fini(&b);
}

static void the_same_as_mosquitto_passwd(void **state)
{
    /* The salt of ANN, decoded. */
    static const unsigned char its[PASSWD_SALT] = { 0x37, 0xba, 0x7c, 0x9c, 0x5b, 0xcc,
                                                    0x7c, 0x4c, 0xc6, 0x26, 0x0e, 0x9f };
    struct buf b = buf_init(1000);

    (void)state;
    passwd_put_line(&b, STR("ann"), STR("correct horse"), 101, its);
    assert_string_equal(buf_cstr(&b), ANN);
    buf_fini(&b);
}

static void set(const char *text, const char *user, const char *want)
{
    struct buf out = buf_init(1000);

    passwd_edit_set(str_of(text), str_of(user), STR("NEW"), &out);
    assert_string_equal(buf_cstr(&out), want);
    buf_fini(&out);
}

static void lines_stay_where_they_are(void **state)
{
    (void)state;
    set("", "ann", "NEW\n");
    set("# x\nann:1\n\nbob:2\n", "ann", "# x\nNEW\n\nbob:2\n");
    set("# x\nann:1\n\nbob:2", "bob", "# x\nann:1\n\nNEW");
    set("ann:1\r\nbob:2\r\n", "ann", "NEW\r\nbob:2\r\n");
    set("  ann :1\n", "ann", "NEW\n");
    set("ann:1", "bob", "ann:1\nNEW\n");
    set("#ann:1\nann2:3\n", "ann", "#ann:1\nann2:3\nNEW\n");
}

static void gone(const char *text, const char *user, const char *want)
{
    struct buf out = buf_init(1000);

    assert_int_equal(passwd_edit_remove(str_of(text), str_of(user), &out), want ? 0 : ERR_UNKNOWN);
    assert_string_equal(buf_cstr(&out), want ? want : "");
    buf_fini(&out);
}

static void a_user_goes(void **state)
{
    (void)state;
    gone("# x\nann:1\n\nbob:2\n", "ann", "# x\n\nbob:2\n");
    gone("ann:1\nbob:2", "bob", "ann:1\n");
    gone("ann:1\r\nbob:2\r\n", "ann", "bob:2\r\n");
    gone("#ann:1\nann2:3\n", "ann", NULL);
    gone("", "ann", NULL);
    assert_true(passwd_edit_has(STR("a:1\nb:2\n"), STR("b")));
    assert_false(passwd_edit_has(STR("a:1\nb:2\n"), STR("2")));
}

static void what_may_be_a_user(void **state)
{
    static const char *const good[] = { "ann", "ann b", "j\303\266rg", "a/b", "+", "-", "$" };
    static const char *const bad[] = { "",     "#a",  " a",   "a ",    "a:b", "\xef\xbb\xbfz",
                                       "a\nb", "a\r", "\xff", "a\x01", "\177" };
    char longest[PASSWD_USER_MAX + 1];
    const char *why = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_int_equal(passwd_user_check(str_of(good[i]), &why), 0);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        why = NULL;
        if (passwd_user_check(str_of(bad[i]), &why) != ERR_VALUE || !why)
            fail_msg("'%s' was taken", bad[i]);
    }
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(passwd_user_check(str_from(longest, PASSWD_USER_MAX), &why), 0);
    assert_int_equal(passwd_user_check(str_from(longest, PASSWD_USER_MAX + 1), &why), ERR_VALUE);
}

static void users_one_by_one(void **state)
{
    struct textfile t = textfile_of(STR("# x\n ann : h\nnone\n"), "pw");
    struct str user, hash;

    (void)state;
    assert_true(passwd_edit_next(&t, &user, &hash));
    assert_true(str_eq(user, STR("ann")) && t.line == 2);
    assert_true(passwd_edit_next(&t, &user, &hash));
    assert_true(str_eq(user, STR("none")) && hash.n == 0);
    assert_false(passwd_edit_next(&t, &user, &hash));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),   cmocka_unit_test(the_same_as_mosquitto_passwd),
        cmocka_unit_test(lines_stay_where_they_are), cmocka_unit_test(a_user_goes),
        cmocka_unit_test(what_may_be_a_user),        cmocka_unit_test(users_one_by_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
