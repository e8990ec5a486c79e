/* What people read of users and rules. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/show_access.h"

static void shows(int (*show)(struct str json, struct buf *out), const char *json, const char *want)
{
    struct buf out = buf_init(10000);

    if (show(str_of(json), &out))
        fail_msg("%s", buf_cstr(&out));
    assert_string_equal(buf_cstr(&out), want);
    buf_fini(&out);
}

static void users(void **state)
{
    (void)state;
    shows(
        show_users,
        "{\"password_file\":\"/e/pw\",\"users\":[{\"user\":\"pi\",\"from\":\"configuration\"},"
        "{\"user\":\"a\\u001bb\",\"from\":\"file\",\"line\":3,\"hash\":\"PBKDF2-SHA512\","
        "\"iterations\":101},{\"user\":\"old\",\"from\":\"file\",\"line\":4,\"hash\":\"SHA-512\"}]}",
        "USER                     FROM            LINE  HASH\n"
        "pi                       mqtt.users\n"
        "a\\eb                     password file      3  PBKDF2-SHA512, 101 iterations\n"
        "old                      password file      4  SHA-512\n"
        "\npassword file: /e/pw\n");
    shows(show_users, "{\"password_file\":null,\"users\":[]}",
          "nobody can log in by name; wayside user add NAME\n"
          "\nno password file; name one under mqtt.password_file\n");
}

static void rules(void **state)
{
    (void)state;
    shows(show_rules,
          "{\"acl_file\":\"/e/acl\",\"rules\":[{\"line\":1,\"user\":null,\"pattern\":false,"
          "\"access\":\"read\",\"filter\":\"a/#\"},{\"line\":12,\"user\":\"ann\",\"pattern\":false,"
          "\"access\":\"deny\",\"filter\":\"b\"},{\"line\":13,\"user\":null,\"pattern\":true,"
          "\"access\":\"readwrite\",\"filter\":\"%c\"}]}",
          " LINE  WHO                      ACCESS    FILTER\n"
          "    1  (without a name)         read      a/#\n"
          "   12  ann                      deny      b\n"
          "   13  (everybody)              readwrite %c\n"
          "\naccess file: /e/acl\n");
    shows(show_rules, "{\"acl_file\":\"/e/acl\",\"rules\":[]}",
          "no rules, so nothing is allowed; access file: /e/acl\n");
    shows(show_rules, "{\"acl_file\":null,\"rules\":[]}",
          "no access file: whoever is let in may do everything. Name one under mqtt.acl_file\n");
}

static void changes(void **state)
{
    (void)state;
    shows(show_user_added, "{\"in_force\":true,\"password_file\":\"/e/pw\",\"user\":\"ann\"}",
          "ann is in /e/pw and may log in\n");
    shows(show_user_passwd, "{\"in_force\":false,\"password_file\":\"/e/pw\",\"user\":\"ann\"}",
          "ann has another password in /e/pw; a node that runs takes it with `wayside reload`\n");
    shows(show_user_removed,
          "{\"in_force\":true,\"password_file\":\"/e/pw\",\"user\":\"ann\",\"rules_left\":1}",
          "ann is no more in /e/pw; its connections and sessions are ended\n"
          "1 rule below that name stays in the access file; wayside acl list 'ann'\n");
    shows(show_user_removed,
          "{\"in_force\":true,\"password_file\":\"/e/pw\",\"user\":\"a';id;'\",\"rules_left\":2}",
          "a';id;' is no more in /e/pw; its connections and sessions are ended\n"
          "2 rules below that name stay in the access file; wayside acl list 'a'\\'';id;'\\'''\n");
    shows(
        show_user_removed,
        "{\"in_force\":true,\"password_file\":\"/e/pw\",\"user\":\"a\\u001b[2J\",\"rules_left\":2}",
        "a\\e[2J is no more in /e/pw; its connections and sessions are ended\n"
        "2 rules below that name stay in the access file\n");
    shows(show_rule_added,
          "{\"in_force\":true,\"acl_file\":\"/e/acl\",\"user\":\"ann\",\"pattern\":false,"
          "\"access\":\"read\",\"filter\":\"a\",\"line\":7}",
          "/e/acl:7: topic read a of ann holds from now on\n");
    shows(show_rule_added,
          "{\"in_force\":true,\"acl_file\":\"/e/acl\",\"user\":\"ann\",\"pattern\":false,"
          "\"access\":\"read\",\"filter\":\"a\",\"line\":7,\"known\":true}",
          "/e/acl:7: topic read a of ann holds from now on\n");
    shows(show_rule_added,
          "{\"in_force\":true,\"acl_file\":\"/e/acl\",\"user\":\"an n\",\"pattern\":false,"
          "\"access\":\"read\",\"filter\":\"a\",\"line\":7,\"known\":false}",
          "/e/acl:7: topic read a of an n holds from now on\n"
          "nobody can log in by that name and a password yet; wayside user add 'an n'\n");
    shows(show_rule_removed,
          "{\"in_force\":true,\"acl_file\":\"/e/acl\",\"user\":null,\"pattern\":true,"
          "\"access\":\"read\",\"filter\":\"a\"}",
          "/e/acl: pattern read a is removed and holds no more\n");
    shows(
        show_rule_removed,
        "{\"in_force\":false,\"acl_file\":\"/e/acl\",\"user\":null,\"pattern\":false,"
        "\"access\":\"read\",\"filter\":\"a\"}",
        "/e/acl: topic read a of clients without a name is removed; a node that runs takes it with "
        "`wayside reload`\n");
}

static void reasons(void **state)
{
    const char *json =
        "{\"user\":\"ann\",\"client\":\"c\",\"topic\":\"a\",\"acl_file\":\"/e/acl\","
        "\"known\":false,\"publish\":{\"allowed\":false,\"because\":\"no rule grants "
        "it\"},\"subscribe\":{\"allowed\":true,\"because\":\"this rule grants it\","
        "\"line\":3,\"rule\":\"topic read #\"}}";
    struct buf out = buf_init(1000);

    (void)state;
    shows(show_why, json,
          "ann, with the client id c, and a\n"
          "           (there is no such user, so it cannot log in)\n"
          "publish    NO   no rule grants it\n"
          "subscribe  yes  /e/acl:3: topic read #\n");
    assert_true(show_why_allows(str_of(json)));
    assert_false(show_why_allows(STR("{\"subscribe\":{\"allowed\":false}}")));
    assert_false(show_why_allows(STR("nonsense")));
    assert_int_equal(show_why(STR("{\"error\":\"no\"}"), &out), ERR_VALUE);
    assert_string_equal(buf_cstr(&out), "no");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users),
        cmocka_unit_test(rules),
        cmocka_unit_test(changes),
        cmocka_unit_test(reasons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
