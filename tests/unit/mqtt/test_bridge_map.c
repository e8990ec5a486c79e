/* Topics on both sides of a bridge. */
#include "unit/unit.h"

#include "base/buf.h"
#include "base/mem.h"
#include "mqtt/bridge_map.h"

static struct bridge_rule rule(const char *filter, const char *local, const char *remote,
                               enum bridge_direction d, unsigned qos)
{
    return (struct bridge_rule){ .filter = str_of(filter),
                                 .local_prefix = str_of(local),
                                 .remote_prefix = str_of(remote),
                                 .direction = (unsigned char)d,
                                 .qos = (unsigned char)qos };
}

static void names_on_the_other_side(void **state)
{
    static const struct {
        const char *filter, *local, *remote, *topic, *out; /* out NULL: it does not cross */
    } cases[] = {
        { "#", "", "", "a/b", "a/b" },
        { "#", "", "", "/", "/" },
        { "#", "", "", "$SYS/x", NULL },
        { "#", "", "site/", "a/b", "site/a/b" },
        { "#", "site/", "", "site/a/b", "a/b" },
        { "#", "site/", "", "other/a", NULL },
        { "#", "site/", "x/", "site", NULL }, /* matched by site/#, and has no rest */
        { "#", "site/", "x/", "site/", "x/" },
        { "#", "site/", "", "site/", NULL }, /* no name */
        { "+/t", "l/", "r/", "l/1/t", "r/1/t" },
        { "+/t", "l/", "r/", "l/1/2/t", NULL },
        { "t", "pre", "re", "pret", "ret" }, /* no '/' is added */
        { "", "one", "another", "one", "another" },
        { "", "one", "another", "one/more", NULL },
        { "$SYS/#", "", "copy/", "$SYS/broker/uptime", "copy/$SYS/broker/uptime" },
    };
    struct buf out = buf_init(1000);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bridge_rule r =
            rule(cases[i].filter, cases[i].local, cases[i].remote, BRIDGE_BOTH, 1);
        struct bridge_map m;
        bool ok;

        assert_null(bridge_rule_check(&r));
        bridge_map_init(&m, &r, 1);
        buf_clear(&out);
        ok = bridge_map_out(&m, str_of(cases[i].topic), &out);
        if (ok != (cases[i].out != NULL) || (ok && !str_eq(buf_str(&out), str_of(cases[i].out))))
            fail_msg("%zu: %s became %.*s", i, cases[i].topic, STR_ARG(buf_str(&out)));
        if (ok) { /* and back */
            struct buf back = buf_init(1000);

            assert_true(bridge_map_in(&m, buf_str(&out), &back));
            assert_true(str_eq(buf_str(&back), str_of(cases[i].topic)));
            buf_fini(&back);
        }
        bridge_map_fini(&m);
    }
    buf_fini(&out);
}

static void the_first_rule_of_a_direction_counts(void **state)
{
    struct bridge_rule rules[] = {
        rule("a/#", "", "in/", BRIDGE_IN, 2),
        rule("a/1", "", "first/", BRIDGE_OUT, 0),
        rule("a/#", "", "second/", BRIDGE_BOTH, 1),
    };
    struct bridge_map m;
    struct buf out = buf_init(1000);

    (void)state;
    bridge_map_init(&m, rules, 3);
    assert_true(bridge_map_out(&m, STR("a/1"), &out));
    assert_true(str_eq(buf_str(&out), STR("first/a/1")));
    buf_clear(&out);
    assert_true(bridge_map_out(&m, STR("a/2"), &out));
    assert_true(str_eq(buf_str(&out), STR("second/a/2")));
    buf_clear(&out);
    assert_true(bridge_map_in(&m, STR("in/a/2"), &out));
    assert_true(str_eq(buf_str(&out), STR("a/2")));
    buf_clear(&out);
    assert_false(bridge_map_in(&m, STR("first/a/1"), &out));
    /* An answer to something that went out comes back by a rule for the way in. */
    assert_true(bridge_map_reply_out(&m, STR("a/answers"), &out));
    assert_true(str_eq(buf_str(&out), STR("in/a/answers")));
    buf_clear(&out);
    assert_true(bridge_map_reply_in(&m, STR("second/a/x"), &out));
    assert_true(str_eq(buf_str(&out), STR("a/x")));
    buf_clear(&out);
    assert_false(bridge_map_reply_out(&m, STR("b"), &out));
    assert_int_equal(out.n, 0);
    assert_true(bridge_map_has(&m, BRIDGE_IN, 2));
    assert_false(bridge_map_has(&m, BRIDGE_OUT, 2));
    assert_true(bridge_map_has(&m, BRIDGE_OUT, 1));
    bridge_map_fini(&m);
    buf_fini(&out);
}

static void what_is_no_rule(void **state)
{
    static const struct {
        const char *filter, *local, *remote, *says;
    } cases[] = {
        { "", "", "", "two names" },
        { "", "a", "", "two names" },
        { "a/b#", "", "", "'filter'" },
        { "a", "x/#/", "", "'local_prefix'" },
        { "a", "", "+/", "'remote_prefix'" },
        { "$share/g/a", "", "", "'local_prefix'" },
        { "g/a", "", "$share/", "'remote_prefix'" },
        { "+", "x", "", "'local_prefix'" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct bridge_rule r =
            rule(cases[i].filter, cases[i].local, cases[i].remote, BRIDGE_OUT, 1);
        const char *why = bridge_rule_check(&r);

        if (!why || !strstr(why, cases[i].says))
            fail_msg("%zu: %s", i, why ? why : "taken");
    }
}

static void a_name_too_long_does_not_cross(void **state)
{
    struct bridge_rule r = rule("#", "", "prefix/", BRIDGE_OUT, 1);
    struct bridge_map m;
    struct buf out = buf_init(200000);
    char *topic = mem_new(65535);

    (void)state;
    memset(topic, 'x', 65535);
    bridge_map_init(&m, &r, 1);
    assert_false(bridge_map_out(&m, str_from(topic, 65535 - 6), &out));
    assert_true(bridge_map_out(&m, str_from(topic, 65535 - 7), &out));
    assert_int_equal(out.n, 65535);
    bridge_map_fini(&m);
    buf_fini(&out);
    mem_free(topic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_on_the_other_side),
        cmocka_unit_test(the_first_rule_of_a_direction_counts),
        cmocka_unit_test(what_is_no_rule),
        cmocka_unit_test(a_name_too_long_does_not_cross),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
