/* Users of the configuration and of a file, anonymous clients per listener, topics with and without
 * rules, and who stays when the rules change. */
#include "unit/unit.h"

#include "node/access.h"

/* clang-format off */
#define ANN "ann:$7$101$N7p8nFvMfEzGJg6f$j4MRP5T28wRIssUanXWzDpxawidtNg/beBK4RIu7zdlQPHE2yGeDJNdO6Z4dGnav376QZjAMs7sd9QLI3dgb2A==\n"
#define BOB "bob:$7$101$5FZjQUVdpD7OMUs6$gp/XJC8vBRXgNqZjY6oIg9l92je0lpmelEGbOfzxcnCNKV71+sU2PBDLdd7RdCgI6D8blNx4BAAGdOTSzf21Cg==\n"
#define ANN_WITH_ANOTHER "ann:$7$101$5FZjQUVdpD7OMUs6$gp/XJC8vBRXgNqZjY6oIg9l92je0lpmelEGbOfzxcnCNKV71+sU2PBDLdd7RdCgI6D8blNx4BAAGdOTSzf21Cg==\n"
/* clang-format on */
/* Their passwords: "correct horse", "x". */

static const struct access_user users[] = { { STR("pi"), STR("s3cret") } };

static struct access *access_of(size_t user_count, const char *rules, const char *file)
{
    struct acl *acl = NULL;
    struct passwd *passwd = NULL;

    if (rules)
        assert_int_equal(acl_read(str_of(rules), "acl", &acl, NULL), 0);
    if (file)
        assert_int_equal(passwd_read(str_of(file), "pw", 1000, &passwd, NULL), 0);
    return access_new(users, user_count, acl, passwd);
}

static int try(const struct access *a, const char *user, const char *password, const char *peer,
               enum authz_anonymous anonymous)
{
    struct addr p;
    struct identity *id = NULL;
    struct authz_login l = { .client_id = STR("c1"), .peer = &p, .anonymous = anonymous };
    int rc;

    assert_int_equal(addr_parse(str_of(peer), 50000, &p), 0);
    if (user) {
        l.has_user = true;
        l.user = str_of(user);
    }
    if (password) {
        l.has_password = true;
        l.password = str_of(password);
    }
    rc = access_login(a, &l, &id);
    if (rc == AUTHZ_LATER)
        rc = access_verify(a, l.user, l.password) ? 0 : ERR_REFUSED;
    else
        assert_true((rc == 0) == (id != NULL));
    identity_unref(id);
    return rc;
}

static void lets_in_who_may(void **state)
{
    struct access *a = access_of(1, NULL, NULL);

    (void)state;
    assert_int_equal(try(a, "pi", "s3cret", "10.0.0.9", ANONYMOUS_DENY), 0);
    assert_int_equal(try(a, "pi", "s3creT", "127.0.0.1", ANONYMOUS_DENY), ERR_REFUSED);
    assert_int_equal(try(a, "pi", NULL, "127.0.0.1", ANONYMOUS_DENY), ERR_REFUSED);
    assert_int_equal(try(a, "po", "s3cret", "127.0.0.1", ANONYMOUS_DENY), ERR_REFUSED);
    assert_int_equal(try(a, NULL, NULL, "127.0.0.1", ANONYMOUS_DENY), ERR_REFUSED);
    assert_int_equal(try(a, NULL, NULL, "10.0.0.9", ANONYMOUS_ALLOW), 0);
    assert_int_equal(try(a, NULL, NULL, "127.0.0.1", ANONYMOUS_LOCAL), 0);
    assert_int_equal(try(a, NULL, NULL, "10.0.0.9", ANONYMOUS_LOCAL), ERR_REFUSED);
    access_free(a);
}

static void a_verified_certificate_needs_no_password(void **state)
{
    struct authz_login l = { .client_id = STR("c1"), .anonymous = ANONYMOUS_DENY };
    struct access *a = access_of(1, NULL, NULL), *none = access_of(0, NULL, ANN);
    struct identity *id = NULL;

    (void)state;
    l.has_user = l.has_password = true; /* what the client says of itself does not count */
    l.user = STR("pi");
    l.password = STR("wrong");
    assert_int_equal(access_login(a, &l, &id), ERR_REFUSED);
    l.certified = STR("t1");
    assert_int_equal(access_login(a, &l, &id), 0);
    assert_true(str_eq(id->name, STR("t1")));
    assert_true(access_stands(a, none, id)); /* no file says who has a certificate */
    identity_unref(id);
    access_free(a);
    access_free(none);
}

static void names_of_both(void **state)
{
    struct access *a = access_of(1, NULL, ANN BOB);
    struct authz_login l = {
        .has_user = true, .has_password = true, .user = STR("pi"), .password = STR("s3cret")
    };
    struct identity *id = NULL;

    (void)state;
    assert_int_equal(try(a, "ann", "correct horse", "10.0.0.9", ANONYMOUS_DENY), 0);
    assert_int_equal(try(a, "bob", "x", "10.0.0.9", ANONYMOUS_DENY), 0);
    assert_int_equal(try(a, "pi", "s3cret", "10.0.0.9", ANONYMOUS_DENY), 0);
    assert_int_equal(try(a, "ann", "x", "10.0.0.9", ANONYMOUS_DENY), ERR_REFUSED);
    assert_int_equal(try(a, "ann", NULL, "10.0.0.9", ANONYMOUS_ALLOW), ERR_REFUSED);
    assert_int_equal(try(a, "pi", "x", "10.0.0.9", ANONYMOUS_DENY), ERR_REFUSED);
    assert_int_equal(try(a, "nobody", "x", "10.0.0.9", ANONYMOUS_DENY), ERR_REFUSED);
    assert_int_equal(try(a, NULL, NULL, "10.0.0.9", ANONYMOUS_ALLOW), 0);
    /* The time of an answer does not tell where a name stands. */
    assert_int_equal(access_login(a, &l, &id), AUTHZ_LATER);
    l.user = STR("nobody");
    assert_int_equal(access_login(a, &l, &id), AUTHZ_LATER);
    access_free(a);
}

/* A name of the configuration is that of the configuration, whatever the file says of it. */
static void the_configuration_stands_above_the_file(void **state)
{
    static const struct access_user ann[] = { { STR("ann"), STR("another") } };
    struct passwd *passwd = NULL;
    struct access *a;

    (void)state;
    assert_int_equal(passwd_read(STR(ANN), "pw", 1000, &passwd, NULL), 0);
    a = access_new(ann, 1, NULL, passwd);
    assert_int_equal(try(a, "ann", "another", "10.0.0.9", ANONYMOUS_DENY), 0);
    assert_int_equal(try(a, "ann", "correct horse", "10.0.0.9", ANONYMOUS_DENY), ERR_REFUSED);
    access_free(a);
}

static void knows_when_nobody_can_log_in(void **state)
{
    struct access *all[] = { access_of(0, NULL, NULL), access_of(0, "topic a\n", "#\n"),
                             access_of(1, NULL, NULL), access_of(0, NULL, ANN) };

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(access_has_no_users(all[i]), i < 2);
        access_free(all[i]);
    }
    access_free(NULL);
}

/* ---- rules ---- */

static int ask(const struct access *a, const char *user, enum authz_action action,
               const char *object)
{
    struct identity *id =
        user ? access_identity(str_of(user)) : identity_new(ROLE_ANONYMOUS, STR_NONE);
    struct authz_check c = {
        .who = id, .action = action, .object = str_of(object), .client_id = STR("c1")
    };
    int rc = access_check(a, &c);

    identity_unref(id);
    return rc;
}

static void without_rules_all_but_what_is_reserved(void **state)
{
    struct access *a = access_of(0, NULL, NULL);

    (void)state;
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "$SYS/x"), ERR_REFUSED);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "$SYS"), ERR_REFUSED);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "$share/g/x"), ERR_REFUSED);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "$aws/things/x"), 0);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "$SYSTEM/x"), 0);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "$wayside/up/1/x"), 0);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "$wayside/live/1/x"), 0);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "$wayside/have/2/x"), ERR_REFUSED);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "sensor/data"), 0);
    assert_int_equal(ask(a, NULL, AUTHZ_SUBSCRIBE, "$SYS/#"), 0);
    assert_int_equal(ask(a, NULL, AUTHZ_SUBSCRIBE, "#"), 0);
    assert_int_equal(ask(a, NULL, AUTHZ_HTTP_WRITE, "/x"), 0);
    access_free(a);
}

static void with_rules_only_what_they_grant(void **state)
{
    struct access *a = access_of(
        0,
        "topic read public/#\nuser ann\ntopic write in/#\n"
        "topic read $SYS/#\ntopic write $SYS/#\n"
        "topic write $wayside/#\ntopic $aws/#\ntopic deny $aws/no\npattern read c/%c/u/%u\n",
        NULL);

    (void)state;
    assert_int_equal(ask(a, NULL, AUTHZ_SUBSCRIBE, "public/+"), 0);
    assert_int_equal(ask(a, NULL, AUTHZ_SUBSCRIBE, "#"), ERR_REFUSED);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "public/a"), ERR_REFUSED);
    assert_int_equal(ask(a, "ann", AUTHZ_PUBLISH, "in/a"), 0);
    assert_int_equal(ask(a, "ann", AUTHZ_SUBSCRIBE, "public/+"), ERR_REFUSED);
    assert_int_equal(ask(a, "ann", AUTHZ_SUBSCRIBE, "c/c1/u/ann"), 0);
    assert_int_equal(ask(a, "bob", AUTHZ_SUBSCRIBE, "c/c1/u/bob"), 0);
    assert_int_equal(ask(a, "bob", AUTHZ_PUBLISH, "in/a"), ERR_REFUSED);
    assert_int_equal(ask(a, "ann", AUTHZ_SUBSCRIBE, "$SYS/broker/#"), 0);
    assert_int_equal(ask(a, "ann", AUTHZ_PUBLISH, "$SYS/broker/x"), ERR_REFUSED); /* never */
    assert_int_equal(ask(a, "ann", AUTHZ_PUBLISH, "$wayside/have/2/x"), ERR_REFUSED);
    assert_int_equal(ask(a, "ann", AUTHZ_PUBLISH, "$aws/things/x"), 0);
    assert_int_equal(ask(a, "ann", AUTHZ_PUBLISH, "$aws/no"), ERR_REFUSED);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "$aws/things/x"), ERR_REFUSED);
    /* What a group subscribes to is its filter. */
    assert_int_equal(ask(a, NULL, AUTHZ_SUBSCRIBE, "$share/g/public/+"), 0);
    assert_int_equal(ask(a, NULL, AUTHZ_SUBSCRIBE, "$share/g/#"), ERR_REFUSED);
    assert_int_equal(ask(a, NULL, AUTHZ_SUBSCRIBE, "$share/public/#"), ERR_REFUSED);
    assert_int_equal(ask(a, NULL, AUTHZ_HTTP_READ, "/x"), 0);
    access_free(a);
}

static void nodes_need_no_rule_but_heed_a_deny(void **state)
{
    struct access *a = access_of(0, "", NULL);

    (void)state;
    assert_int_equal(ask(a, "edge", AUTHZ_PUBLISH, "$wayside/up/1/x"), 0);
    assert_int_equal(ask(a, "edge", AUTHZ_PUBLISH, "$wayside/live/1/x"), 0);
    assert_int_equal(ask(a, "edge", AUTHZ_SUBSCRIBE, "$wayside/have/2/x"), 0);
    assert_int_equal(ask(a, "edge", AUTHZ_SUBSCRIBE, "$wayside/have/#"), ERR_REFUSED);
    assert_int_equal(ask(a, "edge", AUTHZ_SUBSCRIBE, "$wayside/up/#"), ERR_REFUSED);
    assert_int_equal(ask(a, "edge", AUTHZ_PUBLISH, "sensor/data"), ERR_REFUSED);
    access_free(a);
    a = access_of(0, "user ann\ntopic deny $wayside/#\n", NULL);
    assert_int_equal(ask(a, "ann", AUTHZ_PUBLISH, "$wayside/up/1/x"), ERR_REFUSED);
    assert_int_equal(ask(a, "ann", AUTHZ_SUBSCRIBE, "$wayside/have/2/x"), ERR_REFUSED);
    assert_int_equal(ask(a, "edge", AUTHZ_PUBLISH, "$wayside/up/1/x"), 0);
    access_free(a);
}

static void a_client_says_its_state_by_no_rule_but_heeds_a_deny(void **state)
{
    struct access *a = access_of(0, "", NULL);

    (void)state;
    assert_int_equal(ask(a, "b", AUTHZ_PUBLISH, "$SYS/broker/connection/c1/state"), 0);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "$SYS/broker/connection/c1/state"), 0);
    assert_int_equal(ask(a, "b", AUTHZ_PUBLISH, "$SYS/broker/connection/b/state"), ERR_REFUSED);
    assert_int_equal(ask(a, "b", AUTHZ_SUBSCRIBE, "$SYS/broker/connection/c1/state"), ERR_REFUSED);
    access_free(a);
    a = access_of(0, "user ann\ntopic deny $SYS/broker/connection/#\n", NULL);
    assert_int_equal(ask(a, "ann", AUTHZ_PUBLISH, "$SYS/broker/connection/c1/state"), ERR_REFUSED);
    assert_int_equal(ask(a, "b", AUTHZ_PUBLISH, "$SYS/broker/connection/c1/state"), 0);
    access_free(a);
    a = access_of(0, NULL, NULL);
    assert_int_equal(ask(a, NULL, AUTHZ_PUBLISH, "$SYS/broker/connection/c1/state"), 0);
    access_free(a);
}

static bool stands(const struct access *before, const struct access *now, const char *user)
{
    struct identity *id =
        user ? access_identity(str_of(user)) : identity_new(ROLE_ANONYMOUS, STR_NONE);
    bool rc = access_stands(before, now, id);

    identity_unref(id);
    return rc;
}

static void who_stays_when_files_change(void **state)
{
    struct access *before = access_of(1, NULL, ANN BOB), *now = access_of(1, "", ANN);
    struct access *none = access_of(1, NULL, NULL);

    (void)state;
    assert_true(stands(before, now, "ann"));
    assert_true(stands(before, now, "pi"));
    assert_false(stands(before, now, "bob"));
    assert_true(stands(before, now, NULL));
    assert_false(stands(before, none, "ann"));
    assert_true(stands(before, none, "pi"));
    access_free(now);
    now = access_of(1, NULL, ANN_WITH_ANOTHER);
    assert_false(stands(before, now, "ann"));
    access_free(now);
    access_free(none);
    access_free(before);
}

RUN(TEST(a_client_says_its_state_by_no_rule_but_heeds_a_deny), TEST(lets_in_who_may),
    TEST(a_verified_certificate_needs_no_password), TEST(names_of_both),
    TEST(the_configuration_stands_above_the_file), TEST(knows_when_nobody_can_log_in),
    TEST(without_rules_all_but_what_is_reserved), TEST(with_rules_only_what_they_grant),
    TEST(nodes_need_no_rule_but_heed_a_deny), TEST(who_stays_when_files_change))
