/* What leaves on a connection: the expiry that is left, and nothing larger than the client takes.
 * In raw packets. */
#include "broker_rig.h"

/* What has not waited has its expiry whole; 0 is one as well, in a will too. */
static void expiry_that_has_not_waited(void **state)
{
    static const uint32_t seconds[] = { 0, 1, 100, UINT32_MAX };
    struct rig r;
    struct client sub, pub;

    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    sub = client_connect(&r, MQTT_V5, "sub");
    pub = client_connect(&r, MQTT_V5, "pub");
    client_subscribe(&sub, "short", 1);
    for (size_t i = 0; i < COUNT_OF(seconds) * 2; i++) {
        struct mqtt_packet pk = publish_packet("short", "lived", i % 2, false, 9);
        struct mqtt_publish got;

        pk.publish.props.has = MQTT_HAS(MESSAGE_EXPIRY);
        pk.publish.props.message_expiry_s = seconds[i / 2];
        client_send(&pub, &pk);
        got = client_expect_publish(&sub, "short", "lived", i % 2);
        assert_true(got.props.has & MQTT_HAS(MESSAGE_EXPIRY));
        assert_int_equal(got.props.message_expiry_s, seconds[i / 2]);
    }
    for (size_t i = 0; i < COUNT_OF(seconds); i++) {
        struct client c = client_dial(&r, MQTT_V5);
        struct mqtt_packet pk = connect_packet(MQTT_V5, "c");
        struct mqtt_publish got;

        pk.connect.has_will = true;
        pk.connect.will.topic = STR("short");
        pk.connect.will.payload = STR("will");
        pk.connect.will.props.has = MQTT_HAS(MESSAGE_EXPIRY);
        pk.connect.will.props.message_expiry_s = seconds[i];
        client_hello(&c, &pk);
        client_close(&c);
        got = client_expect_publish(&sub, "short", "will", 0);
        assert_true(got.props.has & MQTT_HAS(MESSAGE_EXPIRY));
        assert_int_equal(got.props.message_expiry_s, seconds[i]);
    }
    client_close(&sub);
    client_close(&pub);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expiry_that_has_not_waited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
