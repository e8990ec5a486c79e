/* Prefixes of a listener's clients. */
#include "unit/unit.h"

#include "base/mem.h"
#include "mqtt/mount.h"

static void names_and_filters_get_the_prefix(void **state)
{
    static const struct {
        const char *filter, *want;
    } cases[] = {
        { "a/b", "site/a/b" },
        { "#", "site/#" },
        { "+/x", "site/+/x" },
        { "/", "site//" },
        { "$SYS/#", "$SYS/#" },
        { "$SYS", "$SYS" },
        { "$SYSTEM/x", "site/$SYSTEM/x" },
        { "$wayside/up/#", "site/$wayside/up/#" },
        { "$share/g/a/#", "$share/g/site/a/#" },
        { "$share/g/#", "$share/g/site/#" },
        { "$share/g/$SYS/#", "$share/g/$SYS/#" },
        { "$share/g", "site/$share/g" }, /* no shared subscription: a name like any other */
    };
    struct buf room = buf_init(1000);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str got = mount_filter(STR("site/"), str_of(cases[i].filter), &room);

        if (!str_eq(got, str_of(cases[i].want)))
            fail_msg("%s became %.*s", cases[i].filter, STR_ARG(got));
        got = mount_filter(STR_NONE, str_of(cases[i].filter), &room);
        assert_true(str_eq(got, str_of(cases[i].filter)));
    }
    assert_true(
        str_eq(mount_topic(STR("site/"), STR("$share/g/t"), &room), STR("site/$share/g/t")));
    buf_fini(&room);
}

static void what_is_delivered_loses_it(void **state)
{
    struct str t = STR("site/a/b");

    (void)state;
    assert_true(mount_strip(STR("site/"), &t));
    assert_true(str_eq(t, STR("a/b")));
    t = STR("$SYS/broker/version");
    assert_true(mount_strip(STR("site/"), &t));
    assert_true(str_eq(t, STR("$SYS/broker/version")));
    t = STR("a");
    assert_true(mount_strip(STR_NONE, &t));
    assert_true(str_eq(t, STR("a")));
}

static void what_lies_outside_is_not_seen(void **state)
{
    static const char *const outside[] = { "site",    "site/",      "sites/a",
                                           "other/a", "$wayside/x", "sit" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(outside); i++) {
        struct str t = str_of(outside[i]);

        assert_false(mount_strip(STR("site/"), &t));
    }
}

static void the_topic_for_answers_follows(void **state)
{
    struct mqtt_props p = { .has = MQTT_HAS(RESPONSE_TOPIC) | MQTT_HAS(PAYLOAD_FORMAT) |
                                   MQTT_HAS(CORRELATION_DATA),
                            .payload_format = 1,
                            .response_topic = STR("re/x"),
                            .correlation_data = STR("7") };
    struct buf plain = buf_init(1000), mounted = buf_init(1000), room = buf_init(1000);
    struct str topic, whole;

    (void)state;
    mqtt_props_forward(&plain, &p);
    mount_forward(STR("site/"), &p, &mounted);
    assert_true(mqtt_props_response_topic(buf_str(&mounted), &topic, &whole));
    assert_true(str_eq(topic, STR("site/re/x")));
    assert_true(str_eq(mount_strip_reply(STR("site/"), buf_str(&mounted), &room), buf_str(&plain)));
    assert_true(str_eq(mount_strip_reply(STR_NONE, buf_str(&mounted), &room), buf_str(&mounted)));
    /* Outside: nothing but the topic is missing. */
    p.has &= ~MQTT_HAS(RESPONSE_TOPIC);
    buf_clear(&mounted);
    mount_forward(STR("site/"), &p, &mounted);
    assert_true(str_eq(mount_strip_reply(STR("site/"), buf_str(&plain), &room), buf_str(&mounted)));
    buf_fini(&plain);
    buf_fini(&mounted);
    buf_fini(&room);
}

static void an_answer_too_far_away_is_not_asked_for(void **state)
{
    char *name = mem_new(UINT16_MAX);
    struct mqtt_props p = { .has = MQTT_HAS(RESPONSE_TOPIC),
                            .response_topic = str_from(name, UINT16_MAX) };
    struct buf raw = buf_init(100000);

    (void)state;
    memset(name, 'a', UINT16_MAX);
    mount_forward(STR("site/"), &p, &raw);
    assert_int_equal(raw.n, 0);
    mem_free(name);
    buf_fini(&raw);
}

RUN(TEST(names_and_filters_get_the_prefix), TEST(what_is_delivered_loses_it),
    TEST(what_lies_outside_is_not_seen), TEST(the_topic_for_answers_follows),
    TEST(an_answer_too_far_away_is_not_asked_for))
