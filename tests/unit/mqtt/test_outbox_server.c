/* What one worker publishes for another: small or large, many in a turn, in order and whole. */
#include "broker_rig.h"

#define COUNT 400u

/* Of the i-th: some are copied into the mail, some go by reference, some have no payload. */
static size_t size_of(unsigned i)
{
    static const size_t sizes[] = { 0, 4, 60, 900, 1024, 5000 };

    return i == 0 ? 4 : sizes[i * 7 % COUNT_OF(sizes)];
}

static void send_all(struct client *c, uint8_t qos)
{
    static char payload[5000];

    for (unsigned i = 0; i < COUNT; i++) {
        char topic[32];
        struct mqtt_packet pk;

        snprintf(topic, sizeof(topic), "far/%u", i);
        memset(payload, 'a' + (int)(i % 26), sizeof(payload));
        pk = publish_packet(topic, "", qos, false, (uint16_t)(i + 1));
        pk.publish.payload = str_from(payload, size_of(i));
        pk.publish.props.has = MQTT_HAS(CONTENT_TYPE);
        pk.publish.props.content_type = str_of(topic);
        client_send(c, &pk);
    }
}

static void expect_all(struct client *c, uint8_t qos)
{
    for (unsigned i = 0; i < COUNT; i++) {
        struct mqtt_publish p = client_expect(c, MQTT_PUBLISH).publish;
        char topic[32];

        snprintf(topic, sizeof(topic), "far/%u", i);
        assert_true(str_eq(p.topic, str_of(topic)));
        assert_true(str_eq(p.props.content_type, str_of(topic)));
        assert_int_equal(p.qos, qos);
        assert_int_equal(p.payload.n, size_of(i));
        for (size_t k = 0; k < p.payload.n; k++)
            assert_int_equal(p.payload.p[k], 'a' + (int)(i % 26));
        client_answer(c, &p);
    }
}

static void what_crosses_stays_whole_and_in_order(void **state)
{
    struct mqtt_packet near = connect_packet(MQTT_V5, "near"), far = connect_packet(MQTT_V5, "far");
    struct mqtt_connack ack;
    struct rig r;
    struct client pub, sub;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_inflight_max = 1000;
    rig_start(&r, 2);
    pub = client_connect_on(&r, &near, "near", 0, &ack);
    sub = client_connect_on(&r, &far, "far", 1, &ack);
    assert_int_equal(client_subscribe(&sub, "far/#", 1), 1);
    for (uint8_t qos = 0; qos < 2; qos++) {
        send_all(&pub, qos);
        expect_all(&sub, qos);
    }
    client_close(&pub);
    client_close(&sub);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_crosses_stays_whole_and_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
