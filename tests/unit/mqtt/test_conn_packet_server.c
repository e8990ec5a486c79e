/* What the packets of an open connection come to, where the codec alone cannot say. In raw packets. */
#include "broker_rig.h"
#include "slow_disk.h"

#include "mqtt/broker_part.h"

/* User properties are all that a message has beside topic and payload: they are passed on. */
static void user_properties_alone(void **state)
{
    struct rig r;
    struct client sub, pub;
    struct mqtt_packet pk = publish_packet("only", "users", 1, false, 1);
    struct buf raw = buf_init(100);
    struct str name, value;
    struct mqtt_publish got;
    size_t at = 0;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    sub = client_connect(&r, MQTT_V5, "sub");
    pub = client_connect(&r, MQTT_V5, "pub");
    client_subscribe(&sub, "only", 1);
    mqtt_props_put_user(&raw, STR("b"), STR("2"));
    mqtt_props_put_user(&raw, STR("a"), STR("1"));
    pk.publish.props.raw = buf_str(&raw);
    client_send(&pub, &pk);
    got = client_expect_publish(&sub, "only", "users", 1);
    assert_true(mqtt_props_user(got.props.raw, &at, &name, &value));
    assert_true(str_eq(name, STR("b")) && str_eq(value, STR("2")));
    assert_true(mqtt_props_user(got.props.raw, &at, &name, &value));
    assert_true(str_eq(name, STR("a")) && str_eq(value, STR("1")));
    assert_false(mqtt_props_user(got.props.raw, &at, &name, &value));
    buf_fini(&raw);
    client_close(&sub);
    client_close(&pub);
    rig_stop(&r);
}

/* Only a DISCONNECT of 0x00 takes the will back: all others are ends as well, and tell why. */
static void a_goodbye_with_a_reason(void **state)
{
    static const uint8_t codes[] = { 0x04, 0x80, 0x82, 0x93, 0x97, 0x9b, 0x00 };
    struct rig r;
    struct client w, c;

    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    w = client_connect(&r, MQTT_V5, "watcher");
    client_subscribe(&w, "will", 1);
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        struct mqtt_packet pk = connect_packet(MQTT_V5, "c");
        struct mqtt_packet bye = { .type = MQTT_DISCONNECT, .reasoned = { .code = codes[i] } };

        pk.connect.has_will = true;
        pk.connect.will.topic = STR("will");
        pk.connect.will.payload = STR("gone");
        c = client_dial(&r, MQTT_V5);
        client_hello(&c, &pk);
        client_send(&c, &bye);
        client_expect_end(&c);
        client_close(&c);
        if (codes[i] != 0)
            client_expect_publish(&w, "will", "gone", 0);
        client_expect_nothing(&w);
    }
    client_close(&w);
    rig_stop(&r);
}

/* MQTT 5, 4.3.3: only a PUBREC below 0x80 is answered, also one that is repeated over a new connection. */
static void answers_to_nothing_known(void **state)
{
    struct mqtt_packet rec = { .type = MQTT_PUBREC, .ack = { .packet_id = 9 } };
    struct client c;
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    c = client_connect(&r, MQTT_V5, "c");
    client_send(&c, &rec);
    assert_int_equal(client_expect(&c, MQTT_PUBREL).ack.code, MQTT_REASON_NO_PACKET_ID);
    rec.ack.code = MQTT_REASON_QUOTA;
    client_send(&c, &rec);
    client_expect_nothing(&c);
    client_close(&c);
    rig_stop(&r);
}

/* While a shared subscription is on its way nothing is read: that is not its client's silence. */
static void a_keep_alive_that_is_shorter_than_a_join(void **state)
{
    struct mqtt_packet pk = connect_packet(MQTT_V5, "c");
    struct slow_disk d;
    struct client c;

    (void)state;
    slow_disk_init(&d);
    slow_disk_start(&d, 2, 2500);
    pk.connect.keep_alive_s = 1;
    pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY);
    pk.connect.props.session_expiry_s = 100;
    c = client_dial(&d.r, MQTT_V5);
    assert_int_equal(client_hello(&c, &pk).code, 0);
    assert_int_equal(client_subscribe(&c, "$share/g/t", 1), 1);
    client_close(&c);
    slow_disk_stop(&d);
}

/* What is behind more PUBRELs than may wait for the disk is read when some of them are answered. */
static void pubrels_wait_for_the_disk(void **state)
{
    enum { MANY = 100 };
    struct mqtt_packet pk = connect_packet(MQTT_V311, "c"), rel = { .type = MQTT_PUBREL };
    struct buf bytes = buf_init(10000);
    struct slow_disk d;
    struct client c;

    (void)state;
    slow_disk_init(&d);
    d.r.limits.mqtt_inflight_max = 10;
    slow_disk_start(&d, 1, 100);
    pk.connect.clean_start = false;
    c = client_dial(&d.r, MQTT_V311);
    assert_int_equal(client_hello(&c, &pk).code, 0);
    for (uint16_t i = 1; i <= MANY; i++) {
        struct mqtt_packet p = publish_packet("t", "", 2, false, i);

        mqtt_encode(&p, MQTT_V311, &bytes);
    }
    client_send_bytes(&c, buf_str(&bytes));
    for (uint16_t i = 1; i <= MANY; i++)
        assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.packet_id, i);
    bytes.n = 0;
    for (rel.ack.packet_id = 1; rel.ack.packet_id <= MANY; rel.ack.packet_id++)
        mqtt_encode(&rel, MQTT_V311, &bytes);
    buf_put(&bytes, MQTT_PINGREQ_BYTES);
    client_send_bytes(&c, buf_str(&bytes));
    for (uint16_t i = 1; i <= UNDECIDED_FACTOR * 10; i++)
        assert_int_equal(client_expect(&c, MQTT_PUBCOMP).ack.packet_id, i);
    client_close(&c);
    buf_fini(&bytes);
    slow_disk_stop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_properties_alone),
        cmocka_unit_test(a_goodbye_with_a_reason),
        cmocka_unit_test(answers_to_nothing_known),
        cmocka_unit_test(a_keep_alive_that_is_shorter_than_a_join),
        cmocka_unit_test(pubrels_wait_for_the_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
