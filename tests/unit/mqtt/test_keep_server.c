/* Retained messages on their way to a new subscriber while others publish. In raw packets. */
#include "broker_rig.h"

#define FILTERS 400

/* Asking for the retained messages of many filters takes a while; what is published meanwhile and
 * delivered at once does not come a second time as a retained message. */
static void live_and_retained_are_one(void **state)
{
    struct rig r;
    struct client sub, pub;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    pub = client_connect(&r, MQTT_V5, "pub");
    for (int round = 0; round < 5; round++) {
        struct mqtt_packet pk = { .type = MQTT_SUBSCRIBE, .subscribe = { .packet_id = 7 } };
        struct buf list = buf_init(100000);
        char text[32];

        sub = client_connect(&r, MQTT_V5, "sub");
        for (int i = 0; i < FILTERS; i++) {
            snprintf(text, sizeof(text), i + 1 < FILTERS ? "cold/%d/+" : "hot%d/#",
                     i + 1 < FILTERS ? i : round);
            mqtt_sub_put(&list, &(struct mqtt_sub){ .filter = str_of(text), .qos = 1 });
        }
        pk.subscribe.list = buf_str(&list);
        client_send(&sub, &pk);
        buf_fini(&list);
        client_expect(&sub, MQTT_SUBACK);
        snprintf(text, sizeof(text), "hot%d/topic", round);
        client_publish(&pub, text, "once", 1, true);
        client_expect_publish(&sub, text, "once", 1);
        client_publish(&pub, "last", "kept", 1, true);
        client_subscribe(&sub, "last", 0);
        client_expect_publish(&sub, "last", "kept", 0);
        client_expect_nothing(&sub);
        client_close(&sub);
    }
    client_close(&pub);
    rig_stop(&r);
}

/* But a subscription that was made after that is to be sent it, as any other. */
static void what_came_live_before_comes_to_a_later_subscription(void **state)
{
    struct rig r;
    struct client sub, pub;
    struct mqtt_packet pk = { .type = MQTT_SUBSCRIBE, .subscribe = { .packet_id = 7 } };
    struct buf list = buf_init(100000);
    char text[32];

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    pub = client_connect(&r, MQTT_V5, "pub");
    sub = client_connect(&r, MQTT_V5, "sub");
    client_subscribe(&sub, "hot/#", 1);
    for (int i = 0; i < FILTERS; i++) {
        snprintf(text, sizeof(text), "cold/%d/+", i);
        mqtt_sub_put(&list, &(struct mqtt_sub){ .filter = str_of(text), .qos = 1 });
    }
    pk.subscribe.list = buf_str(&list);
    client_send(&sub, &pk);
    buf_fini(&list);
    client_expect(&sub, MQTT_SUBACK);
    client_publish(&pub, "hot/topic", "live", 1, true);
    client_expect_publish(&sub, "hot/topic", "live", 1);
    client_subscribe(&sub, "hot/+", 0);
    client_expect_publish(&sub, "hot/topic", "live", 0);
    client_close(&sub);
    client_close(&pub);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_and_retained_are_one),
        cmocka_unit_test(what_came_live_before_comes_to_a_later_subscription),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
