/* SUBSCRIBE and its family by their fields; what is refused is in the vectors. */
#include "unit/unit.h"

#include "base/buf.h"
#include "wire/mqtt.h"

static void subscribe_fields(void **state)
{
    static const struct mqtt_sub subs[] = {
        { .filter = STR("a/#"), .qos = 1 },
        { .filter = STR("+"), .qos = 2, .no_local = true, .retain_handling = 2 },
        { .filter = STR("$share/g/x"), .retain_as_published = true, .retain_handling = 1 },
    };
    struct buf list = buf_init(1000), bytes = buf_init(1000);
    struct mqtt_packet p = { .type = MQTT_SUBSCRIBE }, d;
    struct mqtt_sub s;
    size_t used, at = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        mqtt_sub_put(&list, &subs[i]);
    p.subscribe.packet_id = 77;
    p.subscribe.list = buf_str(&list);
    p.subscribe.props.has = MQTT_HAS(SUBSCRIPTION_ID);
    p.subscribe.props.subscription_id = 300;
    mqtt_encode(&p, MQTT_V5, &bytes);
    assert_int_equal(mqtt_decode(buf_str(&bytes), MQTT_V5, 1000, &d, &used, NULL), 0);
    assert_int_equal(d.subscribe.packet_id, 77);
    assert_int_equal(d.subscribe.count, 3);
    assert_int_equal(d.subscribe.props.subscription_id, 300);
    for (size_t i = 0; i < 3; i++) {
        assert_true(mqtt_sub_next(d.subscribe.list, &at, &s));
        assert_true(str_eq(s.filter, subs[i].filter));
        assert_int_equal(s.qos, subs[i].qos);
        assert_int_equal(s.no_local, subs[i].no_local);
        assert_int_equal(s.retain_as_published, subs[i].retain_as_published);
        assert_int_equal(s.retain_handling, subs[i].retain_handling);
    }
    assert_false(mqtt_sub_next(d.subscribe.list, &at, &s));
    buf_fini(&list);
    buf_fini(&bytes);
}

static void unsubscribe_fields(void **state)
{
    struct buf list = buf_init(1000), bytes = buf_init(1000);
    struct mqtt_packet p = { .type = MQTT_UNSUBSCRIBE }, d;
    struct str filter;
    size_t used, at = 0;

    (void)state;
    mqtt_unsub_put(&list, STR("a"));
    mqtt_unsub_put(&list, STR("b/#"));
    p.subscribe.packet_id = 1;
    p.subscribe.list = buf_str(&list);
    mqtt_encode(&p, MQTT_V311, &bytes);
    assert_int_equal(mqtt_decode(buf_str(&bytes), MQTT_V311, 1000, &d, &used, NULL), 0);
    assert_int_equal(d.subscribe.count, 2);
    assert_true(mqtt_unsub_next(d.subscribe.list, &at, &filter));
    assert_str(filter, "a");
    assert_true(mqtt_unsub_next(d.subscribe.list, &at, &filter));
    assert_str(filter, "b/#");
    assert_false(mqtt_unsub_next(d.subscribe.list, &at, &filter));
    buf_fini(&list);
    buf_fini(&bytes);
}

static void acknowledgements(void **state)
{
    static const enum mqtt_version versions[] = { MQTT_V311, MQTT_V5 };
    static const enum mqtt_type types[] = { MQTT_SUBACK, MQTT_UNSUBACK };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        enum mqtt_version v = versions[i & 1];
        enum mqtt_type type = types[i >> 1];
        struct buf bytes = buf_init(100);
        struct mqtt_packet p = { .type = type,
                                 .suback = { .packet_id = 9, .codes = STR("\x00\x80") } },
                           d;
        size_t used;

        mqtt_encode(&p, v, &bytes);
        assert_int_equal(mqtt_decode(buf_str(&bytes), v, 100, &d, &used, NULL), 0);
        assert_int_equal(d.suback.packet_id, 9);
        assert_int_equal(d.suback.codes.n, v == MQTT_V311 && type == MQTT_UNSUBACK ? 0 : 2);
        buf_fini(&bytes);
    }
}

RUN(TEST(subscribe_fields), TEST(unsubscribe_fields), TEST(acknowledgements))
