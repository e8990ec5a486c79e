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
    assert_int_equal(client_subscribe(&k.c, STR("a/#"), 1, k.now), 0);
    assert_int_equal(k.c.out.n, 0);
    kit_open(&k, false);
    assert_int_equal(client_subscribe(&k.c, STR("b"), 0, k.now), 0);
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
    assert_int_equal(client_subscribe(&k.c, STR("a"), 0, k.now), 0);
    assert_int_equal(client_subscribe(&k.c, STR("a"), 1, k.now), 0);
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
    assert_int_equal(client_subscribe(&k.c, STR("a#"), 0, k.now), ERR_VALUE);
    assert_int_equal(client_subscribe(&k.c, STR("a"), 2, k.now), ERR_VALUE);
    assert_int_equal(client_subscribe(&k.c, STR("$share/g"), 1, k.now), ERR_VALUE);
    assert_int_equal(client_subscribe(&k.c, STR("1"), 0, k.now), 0);
    assert_int_equal(client_subscribe(&k.c, STR("2"), 0, k.now), 0);
    assert_int_equal(client_subscribe(&k.c, STR("3"), 0, k.now), 0);
    assert_int_equal(client_subscribe(&k.c, STR("4"), 0, k.now), ERR_FULL);
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
    assert_int_equal(client_subscribe(&k.c, STR("a"), 0, k.now), 0);
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

RUN(TEST(sent_at_each_session), TEST(same_filter_replaces), TEST(caps_and_mistakes),
    TEST(unsubscribes))
