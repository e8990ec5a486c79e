/* Users of the configuration, anonymous clients per listener, the topics below '$'. */
#include "unit/unit.h"

#include "node/access.h"

static int try(struct access *a, const char *user, const char *password, const char *peer,
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
    rc = a->authz.login(a->authz.ctx, &l, &id);
    identity_unref(id);
    return rc;
}

static void lets_in_who_may(void **state)
{
    static const struct access_user users[] = { { STR("pi"), STR("s3cret") } };
    struct access a;

    (void)state;
    access_init(&a, users, 1);
    assert_int_equal(try(&a, "pi", "s3cret", "10.0.0.9", ANONYMOUS_DENY), 0);
    assert_int_equal(try(&a, "pi", "s3creT", "127.0.0.1", ANONYMOUS_DENY), ERR_REFUSED);
    assert_int_equal(try(&a, "pi", NULL, "127.0.0.1", ANONYMOUS_DENY), ERR_REFUSED);
    assert_int_equal(try(&a, "po", "s3cret", "127.0.0.1", ANONYMOUS_DENY), ERR_REFUSED);
    assert_int_equal(try(&a, NULL, NULL, "127.0.0.1", ANONYMOUS_DENY), ERR_REFUSED);
    assert_int_equal(try(&a, NULL, NULL, "10.0.0.9", ANONYMOUS_ALLOW), 0);
    assert_int_equal(try(&a, NULL, NULL, "127.0.0.1", ANONYMOUS_LOCAL), 0);
    assert_int_equal(try(&a, NULL, NULL, "10.0.0.9", ANONYMOUS_LOCAL), ERR_REFUSED);
}

static void a_verified_certificate_needs_no_password(void **state)
{
    static const struct access_user users[] = { { STR("pi"), STR("s3cret") } };
    struct authz_login l = { .client_id = STR("c1"), .anonymous = ANONYMOUS_DENY };
    struct identity *id = NULL;
    struct access a;

    (void)state;
    access_init(&a, users, 1);
    l.has_user = l.has_password = true; /* what the client says of itself does not count */
    l.user = STR("pi");
    l.password = STR("wrong");
    assert_int_equal(a.authz.login(a.authz.ctx, &l, &id), ERR_REFUSED);
    l.certified = STR("t1");
    assert_int_equal(a.authz.login(a.authz.ctx, &l, &id), 0);
    assert_true(str_eq(id->name, STR("t1")));
    identity_unref(id);
}

static void topics_below_dollar_are_not_written(void **state)
{
    struct access a;
    struct authz_check c = { .action = AUTHZ_PUBLISH, .object = STR("$SYS/x") };

    (void)state;
    access_init(&a, NULL, 0);
    assert_int_equal(a.authz.check(a.authz.ctx, &c), ERR_REFUSED);
    c.object = STR("$wayside/up/1/x");
    assert_int_equal(a.authz.check(a.authz.ctx, &c), 0);
    c.object = STR("sensor/data");
    assert_int_equal(a.authz.check(a.authz.ctx, &c), 0);
    c.action = AUTHZ_SUBSCRIBE;
    c.object = STR("$SYS/#");
    assert_int_equal(a.authz.check(a.authz.ctx, &c), 0);
}

RUN(TEST(lets_in_who_may), TEST(a_verified_certificate_needs_no_password),
    TEST(topics_below_dollar_are_not_written))
