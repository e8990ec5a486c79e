/* Questions about users and rules: which are refused and for which field, what becomes of a file's
 * text, what is answered. */
#include "unit/unit.h"

#include "base/mem.h"
#include "node/access_ask.h"

#define GOOD "12345678"

static const struct access_means means = { .salt = { 1 }, .iterations_max = 5 };

static void refused(struct access_ask a, const char *field)
{
    struct access_blame b = { 0 };

    assert_int_equal(access_ask_check(&a, &b), ERR_VALUE);
    assert_string_equal(b.field, field);
    assert_true(b.fault.text[0] != '\0');
}

static void taken(struct access_ask a)
{
    struct access_blame b = { 0 };

    if (access_ask_check(&a, &b))
        fail_msg("%s", b.fault.text);
}

static void what_can_be_said_at_once(void **state)
{
    const struct str long_one = {
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        257
    };

    (void)state;
    taken((struct access_ask){ ACCESS_USER_ADD, .user = STR("ann"), .password = STR(GOOD) });
    refused((struct access_ask){ ACCESS_USER_ADD, .user = STR("a:b"), .password = STR(GOOD) },
            "user");
    refused((struct access_ask){ ACCESS_USER_ADD, .password = STR(GOOD) }, "user");
    refused((struct access_ask){ ACCESS_USER_ADD, .user = STR("ann"), .password = STR("1234567") },
            "password");
    refused((struct access_ask){ ACCESS_USER_PASSWD, .user = STR("ann"), .password = long_one },
            "password");
    taken((struct access_ask){ ACCESS_USER_REMOVE, .user = STR("#odd") });
    taken((struct access_ask){ ACCESS_RULE_ADD, .access = STR("read"), .topic = STR("a/#") });
    refused((struct access_ask){ ACCESS_RULE_ADD, .access = STR("rw"), .topic = STR("a/#") },
            "access");
    refused((struct access_ask){ ACCESS_RULE_ADD, .access = STR("read"), .topic = STR("a#") },
            "filter");
    refused(
        (struct access_ask){ ACCESS_RULE_ADD, .access = STR("read"), .topic = STR("a\ntopic #") },
        "filter");
    refused((struct access_ask){ ACCESS_RULE_ADD, .has_user = true, .user = STR("a\nb"),
                                 .access = STR("read"), .topic = STR("a") },
            "user");
    refused((struct access_ask){ ACCESS_RULE_ADD, .has_user = true, .pattern = true,
                                 .user = STR("ann"), .access = STR("read"), .topic = STR("a") },
            "user");
    refused((struct access_ask){ ACCESS_WHY, .topic = STR("a#") }, "topic");
    taken((struct access_ask){ ACCESS_WHY, .topic = STR("a/#") });
    taken((struct access_ask){ ACCESS_USERS });
    taken((struct access_ask){ ACCESS_RULES });
}

static int edit_users(enum access_op op, const char *user, const char *text, struct buf *out,
                      struct access_blame *b)
{
    struct access_ask a = { op, .has_user = true, .user = str_of(user), .password = STR(GOOD) };

    buf_clear(out);
    return access_edit_users(&a, &means, str_of(text), "pw", out, b);
}

static void users_come_and_go(void **state)
{
    struct buf one = buf_init(10000), two = buf_init(10000);
    struct access_blame b = { 0 };

    (void)state;
    assert_int_equal(edit_users(ACCESS_USER_ADD, "ann", "# x\n", &one, &b), 0);
    assert_true(str_starts(buf_str(&one), STR("# x\nann:$7$5$"))); /* no more than is allowed */
    assert_int_equal(edit_users(ACCESS_USER_ADD, "ann", buf_cstr(&one), &two, &b), ERR_EXISTS);
    assert_string_equal(b.field, "user");
    assert_int_equal(edit_users(ACCESS_USER_PASSWD, "bob", buf_cstr(&one), &two, &b), ERR_UNKNOWN);
    assert_int_equal(edit_users(ACCESS_USER_REMOVE, "bob", buf_cstr(&one), &two, &b), ERR_UNKNOWN);
    assert_int_equal(edit_users(ACCESS_USER_PASSWD, "ann", buf_cstr(&one), &two, &b), 0);
    assert_int_equal(edit_users(ACCESS_USER_REMOVE, "ann", buf_cstr(&one), &two, &b), 0);
    assert_string_equal(buf_cstr(&two), "# x\n");
    /* A file that is damaged is not made worse. */
    assert_int_equal(edit_users(ACCESS_USER_ADD, "ann", "x:1\nbroken", &two, &b), ERR_VALUE);
    assert_int_equal(b.fault.line, 1);
    assert_true(two.n == 0);
    buf_fini(&one);
    buf_fini(&two);
}

static void rules_come_and_go(void **state)
{
    struct access_ask a = { ACCESS_RULE_ADD, .has_user = true, .user = STR("ann"),
                            .access = STR("read"), .topic = STR("a/#") };
    struct buf one = buf_init(10000), two = buf_init(10000);
    struct access_blame b = { 0 };
    unsigned line = 0;

    (void)state;
    assert_int_equal(access_edit_rules(&a, STR("# x\n"), "acl", &one, &line, &b), 0);
    assert_string_equal(buf_cstr(&one), "# x\n\nuser ann\ntopic read a/#\n");
    assert_int_equal(line, 4);
    assert_int_equal(access_edit_rules(&a, buf_str(&one), "acl", &two, &line, &b), ERR_EXISTS);
    a.op = ACCESS_RULE_REMOVE;
    a.access = STR("deny");
    assert_int_equal(access_edit_rules(&a, buf_str(&one), "acl", &two, &line, &b), ERR_UNKNOWN);
    a.access = STR("read");
    assert_int_equal(access_edit_rules(&a, buf_str(&one), "acl", &two, &line, &b), 0);
    assert_string_equal(buf_cstr(&two), "# x\n\nuser ann\n");
    buf_clear(&two);
    assert_int_equal(access_edit_rules(&a, STR("topic a\nnonsense\n"), "acl", &two, &line, &b),
                     ERR_VALUE);
    assert_int_equal(b.fault.line, 2);
    assert_true(two.n == 0);
    buf_fini(&one);
    buf_fini(&two);
}

static const struct access_user configured[] = { { { "pi", 2 }, { "of the file", 11 } } };

static struct access *with(const char *acl_text, const char *users)
{
    struct acl *acl = NULL;
    struct passwd *passwd = NULL;
    struct fault f = { 0 };

    if (acl_text)
        assert_int_equal(acl_read(str_of(acl_text), "acl", &acl, &f), 0);
    if (users)
        assert_int_equal(passwd_read(str_of(users), "pw", 1000, &passwd, &f), 0);
    return access_new(configured, 1, acl, passwd);
}

static void says(struct buf *out, const char *want)
{
    if (strcmp(buf_cstr(out), want) != 0)
        fail_msg("got  %s\nwant %s", buf_cstr(out), want);
    buf_clear(out);
}

static void lists(void **state)
{
    struct buf line = buf_init(1000), out = buf_init(10000);
    struct access_ask a = { ACCESS_RULES };
    struct access *now;

    (void)state;
    passwd_put_line(&line, STR("ann"), STR(GOOD), 7, means.salt);
    now = with("topic read a\nuser ann\ntopic b\nuser bob\ntopic c\npattern write %c\n",
               buf_cstr(&line));
    access_put_users(now, &out);
    says(&out, "{\"password_file\":\"pw\",\"users\":[{\"user\":\"pi\",\"from\":\"configuration\"},"
               "{\"user\":\"ann\",\"from\":\"file\",\"line\":1,\"hash\":\"PBKDF2-SHA512\","
               "\"iterations\":7}]}");
    access_put_rules(&a, now, &out);
    says(
        &out,
        "{\"acl_file\":\"acl\",\"rules\":["
        "{\"line\":1,\"user\":null,\"pattern\":false,\"access\":\"read\",\"filter\":\"a\"},"
        "{\"line\":3,\"user\":\"ann\",\"pattern\":false,\"access\":\"readwrite\",\"filter\":\"b\"},"
        "{\"line\":5,\"user\":\"bob\",\"pattern\":false,\"access\":\"readwrite\",\"filter\":\"c\"},"
        "{\"line\":6,\"user\":null,\"pattern\":true,\"access\":\"write\",\"filter\":\"%c\"}]}");
    a = (struct access_ask){ ACCESS_RULES, .has_user = true, .user = STR("ann") };
    access_put_rules(&a, now, &out);
    says(
        &out,
        "{\"acl_file\":\"acl\",\"rules\":["
        "{\"line\":3,\"user\":\"ann\",\"pattern\":false,\"access\":\"readwrite\",\"filter\":\"b\"},"
        "{\"line\":6,\"user\":null,\"pattern\":true,\"access\":\"write\",\"filter\":\"%c\"}]}");
    a = (struct access_ask){ ACCESS_USER_REMOVE, .has_user = true, .user = STR("ann") };
    access_put_done(&a, now, 0, true, &out);
    says(&out, "{\"in_force\":true,\"password_file\":\"pw\",\"user\":\"ann\",\"rules_left\":1}");
    a = (struct access_ask){ ACCESS_RULE_ADD, .has_user = true, .user = STR("ann"),
                             .access = STR("read"), .topic = STR("d") };
    access_put_done(&a, now, 4, true, &out);
    says(&out, "{\"in_force\":true,\"acl_file\":\"acl\",\"user\":\"ann\",\"pattern\":false,"
               "\"access\":\"read\",\"filter\":\"d\",\"line\":4,\"known\":true}");
    a.user = STR("eve");
    access_put_done(&a, now, 4, true, &out);
    says(&out, "{\"in_force\":true,\"acl_file\":\"acl\",\"user\":\"eve\",\"pattern\":false,"
               "\"access\":\"read\",\"filter\":\"d\",\"line\":4,\"known\":false}");
    access_put_done(&a, now, 4, false, &out);
    says(&out, "{\"in_force\":false,\"acl_file\":\"acl\",\"user\":\"eve\",\"pattern\":false,"
               "\"access\":\"read\",\"filter\":\"d\",\"line\":4}");
    access_free(now);
    now = with(NULL, NULL);
    a = (struct access_ask){ ACCESS_RULES, .has_user = true, .user = STR("ann") };
    access_put_rules(&a, now, &out);
    says(&out, "{\"acl_file\":null,\"rules\":[]}");
    access_free(now);
    buf_fini(&line);
    buf_fini(&out);
}

static void why(const struct access *now, const char *user, const char *topic, const char *want)
{
    struct access_ask a = { ACCESS_WHY, .has_user = user != NULL, .user = str_of(user),
                            .topic = str_of(topic) };
    struct buf out = buf_init(10000);

    access_put_why(&a, now, &out);
    if (str_find_str(buf_str(&out), str_of(want)) == out.n)
        fail_msg("got %s\nwithout %s", buf_cstr(&out), want);
    buf_fini(&out);
}

static void reasons(void **state)
{
    struct access *now = with("user pi\ntopic read a/#\npattern write dev/%c/#\n", NULL);
    struct access *free_for_all = with(NULL, NULL);
    struct access *denying = with("pattern deny $SYS/broker/connection/%c/state\n", NULL);

    (void)state;
    why(now, "pi", "a/b",
        "\"known\":true,\"publish\":{\"allowed\":false,\"because\":\"no rule grants it\"},"
        "\"subscribe\":{\"allowed\":true,\"because\":\"this rule grants it\",\"line\":2,"
        "\"rule\":\"topic read a/#\"}}");
    why(now, "pi", "$share/g/a/b", "\"subscribe\":{\"allowed\":true");
    why(now, "pi", "dev/pi/x",
        "\"publish\":{\"allowed\":true,\"because\":\"this rule grants it\",\"line\":3");
    why(now, "pi", "$SYS/x",
        "\"publish\":{\"allowed\":false,\"because\":\"names below $SYS, $share");
    why(now, "pi", "$SYS/broker/connection/pi/state",
        "\"publish\":{\"allowed\":true,\"because\":\"a client says there");
    why(denying, "pi", "$SYS/broker/connection/pi/state",
        "\"publish\":{\"allowed\":false,\"because\":\"this rule denies it\",\"line\":1");
    why(now, "pi", "$aws/x", "\"publish\":{\"allowed\":false,\"because\":\"no rule grants it\"");
    why(now, "pi", "$wayside/up/1/x", "\"publish\":{\"allowed\":true,\"because\":\"nodes hand");
    why(now, "eve", "a", "\"known\":false");
    why(now, NULL, "a/#",
        "\"user\":null,\"client\":\"\",\"topic\":\"a/#\",\"acl_file\":\"acl\","
        "\"known\":true,\"subscribe\":{\"allowed\":false");
    why(free_for_all, NULL, "a",
        "\"publish\":{\"allowed\":true,\"because\":\"there is no access file");
    access_free(now);
    access_free(free_for_all);
    access_free(denying);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_said_at_once),
        cmocka_unit_test(users_come_and_go),
        cmocka_unit_test(rules_come_and_go),
        cmocka_unit_test(lists),
        cmocka_unit_test(reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
