/* Rates of one client: whoever is faster is read more slowly, loses nothing, and slows nobody else. */
#include "broker_rig.h"

#include <stdlib.h>

static uint64_t pauses(const struct rig *r)
{
    return metric_value(
        metrics_counter(r->metrics, "wayside_mqtt_throttled_total", "", "pauses of clients"));
}

/* How long until all of it came out at the other side, in ms. */
static int64_t flood(struct rig *r, int count, size_t payload_n)
{
    struct client fast = client_connect(r, MQTT_V311, "fast"), sub, other;
    char *payload = calloc(1, payload_n + 1);
    struct mqtt_packet pk;
    int64_t began = now_ms();

    memset(payload, 'x', payload_n);
    sub = client_connect(r, MQTT_V311, "sub");
    other = client_connect(r, MQTT_V311, "other");
    client_subscribe(&sub, "f", 0);
    pk = publish_packet("f", payload, 0, false, 0);
    for (int i = 0; i < count; i++)
        client_send(&fast, &pk);
    client_send_bytes(&other, MQTT_PINGREQ_BYTES);
    client_expect(&other, MQTT_PINGRESP);
    assert_true(now_ms() - began < 700); /* the others are served meanwhile */
    for (int i = 0; i < count; i++)
        client_expect_publish(&sub, "f", payload, 0);
    free(payload);
    client_close(&fast);
    client_close(&sub);
    client_close(&other);
    return now_ms() - began;
}

static void messages_a_second(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_message_rate_max = 20;
    rig_start(&r, 1);
    assert_true(flood(&r, 40, 1) >= 900);
    assert_true(pauses(&r) >= 10);
    rig_stop(&r);
}

static void bytes_a_second(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_byte_rate_max_bytes = 20000;
    rig_start(&r, 1);
    assert_true(flood(&r, 40, 1000) >= 900);
    assert_true(pauses(&r) >= 10);
    rig_stop(&r);
}

static void pings_and_subscriptions_count(void **state)
{
    struct rig r;
    struct client c;
    int64_t began;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_message_rate_max = 20;
    rig_start(&r, 1);
    c = client_connect(&r, MQTT_V5, "c");
    began = now_ms();
    for (int i = 0; i < 20; i++) {
        client_expect_nothing(&c);
        client_subscribe(&c, "x", 0);
    }
    assert_true(now_ms() - began >= 900);
    assert_true(rig_session(&r, "c").info.throttled > 0);
    client_close(&c);
    rig_stop(&r);
}

/* The PUBREL of a publication is part of that; one of nothing asks for an answer. */
static void pubrels_of_nothing_count(void **state)
{
    struct mqtt_packet rel = { .type = MQTT_PUBREL, .ack = { .packet_id = 9 } };
    struct client c;
    struct rig r;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_message_rate_max = 40;
    rig_start(&r, 1);
    c = client_connect(&r, MQTT_V311, "c");
    for (int i = 0; i < 30; i++)
        client_publish(&c, "t", "x", 2, false);
    assert_int_equal(pauses(&r), 0);
    for (int i = 0; i < 60; i++)
        client_send(&c, &rel);
    for (int i = 0; i < 60; i++)
        client_expect(&c, MQTT_PUBCOMP);
    assert_true(pauses(&r) >= 10);
    client_close(&c);
    rig_stop(&r);
}

/* What a client answers is not what it asks for: a subscriber is not slowed down. */
static void answers_do_not_count(void **state)
{
    struct rig r;
    struct client sub;
    struct blob *x = blob_new(STR("x"));

    (void)state;
    rig_init(&r);
    r.limits.mqtt_message_rate_max = 20;
    rig_start(&r, 1);
    sub = client_connect(&r, MQTT_V311, "sub");
    client_subscribe(&sub, "t", 1);
    for (int i = 0; i < 60; i++)
        assert_int_equal(broker_post(r.broker, STR("t"), x, 1, 0), 0);
    for (int i = 0; i < 60; i++)
        client_expect_publish(&sub, "t", "x", 1);
    assert_int_equal(pauses(&r), 0);
    blob_unref(x);
    client_close(&sub);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_a_second),
        cmocka_unit_test(bytes_a_second),
        cmocka_unit_test(pings_and_subscriptions_count),
        cmocka_unit_test(pubrels_of_nothing_count),
        cmocka_unit_test(answers_do_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
