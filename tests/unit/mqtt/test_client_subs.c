/* Subscriptions: sent when the session stands, again after each loss, answered one by one. */
#include "unit/mqtt/client_kit.h"

static void expect_subscribe(struct kit *k, size_t *at, const char *filter, unsigned qos,
                             uint16_t *out_id)
{
    struct mqtt_packet p = kit_sent(k, at);
    struct mqtt_sub s;
    size_t in_list = 0;

    assert_int_equal(p.type, MQTT_SUBSCRIBE);
    assert_int_equal(p.subscribe.count, 1);
    assert_true(mqtt_sub_next(p.subscribe.list, &in_list, &s));
    assert_true(str_eq(s.filter, str_of(filter)));
    assert_int_equal(s.qos, qos);
    *out_id = p.subscribe.packet_id;
}

static int subscribe(struct kit *k, struct str filter, unsigned qos)
{
    return client_subscribe(&k->c, &(struct mqtt_sub){ .filter = filter, .qos = (uint8_t)qos },
                            k->now);
}

static enum client_event_kind suback(struct kit *k, uint16_t id, unsigned code)
{
    char v5[] = { (char)0x90, 4, (char)(id >> 8), (char)id, 0, (char)code };

    return kit_got(k, str_from(v5, sizeof(v5)));
}

static void sent_at_each_session(void **state)
{
    struct kit k;
    uint16_t first, second;
    size_t at = 0;

    (void)state;
    kit_init(&k, MQTT_V5, false, 4);
    assert_int_equal(subscribe(&k, STR("a/#"), 1), 0);
    assert_int_equal(k.c.out.n, 0);
    kit_open(&k, false);
    assert_int_equal(subscribe(&k, STR("b"), 0), 0);
    expect_subscribe(&k, &at, "a/#", 1, &first);
    expect_subscribe(&k, &at, "b", 0, &second);
    assert_true(first >= CLIENT_SUB_ID && second != first);
    assert_int_equal(suback(&k, second, 0), CLIENT_EV_SUBSCRIBED);
    assert_str(k.e.filter, "b");
    assert_int_equal(suback(&k, first, 0x87), CLIENT_EV_SUBSCRIBED);
    assert_str(k.e.filter, "a/#");
    assert_int_equal(k.e.reason, 0x87);
    assert_int_equal(suback(&k, first, 0), CLIENT_EV_MORE); /* nobody's */

    client_down(&k.c, k.now, ERR_CLOSED, 0);
    kit_open(&k, true);
    at = 0;
    expect_subscribe(&k, &at, "a/#", 1, &first);
    expect_subscribe(&k, &at, "b", 0, &second);
    assert_int_equal(at, k.c.out.n);
    client_fini(&k.c);
}

static void same_filter_replaces(void **state)
{
    struct kit k;
    uint16_t id;
    size_t at = 0;

    (void)state;
    kit_init(&k, MQTT_V311, false, 4);
    assert_int_equal(subscribe(&k, STR("a"), 0), 0);
    assert_int_equal(subscribe(&k, STR("a"), 1), 0);
    assert_int_equal(k.c.sub_count, 1);
    kit_open(&k, false);
    expect_subscribe(&k, &at, "a", 1, &id);
    assert_int_equal(at, k.c.out.n);
    client_fini(&k.c);
}

static void caps_and_mistakes(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, MQTT_V5, false, 4);
    assert_int_equal(subscribe(&k, STR("a#"), 0), ERR_VALUE);
    assert_int_equal(subscribe(&k, STR("a"), 3), ERR_VALUE);
    assert_int_equal(subscribe(&k, STR("$share/g"), 1), ERR_VALUE);
    assert_int_equal(subscribe(&k, STR("1"), 0), 0);
    assert_int_equal(subscribe(&k, STR("2"), 0), 0);
    assert_int_equal(subscribe(&k, STR("3"), 0), 0);
    assert_int_equal(subscribe(&k, STR("4"), 0), ERR_FULL);
    client_fini(&k.c);
}

static void unsubscribes(void **state)
{
    struct kit k;
    struct mqtt_packet p;
    struct str filter;
    size_t at = 0, in_list = 0;

    (void)state;
    kit_init(&k, MQTT_V311, false, 4);
    assert_int_equal(client_unsubscribe(&k.c, STR("a"), k.now), ERR_UNKNOWN);
    assert_int_equal(subscribe(&k, STR("a"), 0), 0);
    kit_open(&k, false);
    buf_clear(&k.c.out);
    assert_int_equal(client_unsubscribe(&k.c, STR("a"), k.now), 0);
    p = kit_sent(&k, &at);
    assert_int_equal(p.type, MQTT_UNSUBSCRIBE);
    assert_true(mqtt_unsub_next(p.subscribe.list, &in_list, &filter));
    assert_str(filter, "a");
    assert_int_equal(k.c.sub_count, 0);
    assert_int_equal(kit_got(&k, STR("\xb0\x02\xf0\x00")), CLIENT_EV_MORE);
    client_fini(&k.c);
}

static void options_of_mqtt_5(enum mqtt_version v)
{
    struct kit k;
    struct mqtt_packet p;
    struct mqtt_sub s = {
        .filter = STR("a"),
        .qos = 2,
        .no_local = true,
        .retain_as_published = true,
        .retain_handling = 2,
    };
    size_t at = 0, in_list = 0;
    bool known = v == MQTT_V5;

    kit_init(&k, v, false, 4);
    kit_open(&k, false);
    buf_clear(&k.c.out);
    assert_int_equal(client_subscribe(&k.c, &s, k.now), 0);
    p = kit_sent(&k, &at);
    assert_true(mqtt_sub_next(p.subscribe.list, &in_list, &s));
    assert_int_equal(s.qos, 2);
    assert_int_equal(s.no_local, known);
    assert_int_equal(s.retain_as_published, known);
    assert_int_equal(s.retain_handling, known ? 2 : 0);
    /* Now QoS 2 may come. */
    assert_int_equal(kit_got(&k, known ? STR("\x34\x06\x00\x01"
                                             "a\x00\x01\x00")
                                       : STR("\x34\x05\x00\x01"
                                             "a\x00\x01")),
                     CLIENT_EV_MESSAGE);
    s.retain_handling = 3;
    assert_int_equal(client_subscribe(&k.c, &s, k.now), ERR_VALUE);
    client_fini(&k.c);
}

static void options(void **state)
{
    (void)state;
    options_of_mqtt_5(MQTT_V5);
    options_of_mqtt_5(MQTT_V311);
}

RUN(TEST(sent_at_each_session), TEST(same_filter_replaces), TEST(caps_and_mistakes),
    TEST(unsubscribes), TEST(options))
