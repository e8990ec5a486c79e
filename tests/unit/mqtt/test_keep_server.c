/* Retained messages on their way to a new subscriber while others publish. In raw packets. */
#include "persist_site.h"

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

/* Where most is not written down, but some is: that stays through rounds, until something else takes its place,
 * and then does not come back. */
static void retained_test(struct site *x, bool round)
{
    static const char *const topics_of[] = { "stays", "replaced", "deleted", "again" };
    struct rig other = x->r;
    struct mqtt_packet pk = connect_packet(MQTT_V5, "pub");
    struct client c, pub;

    x->durability = BROKER_MEMORY;
    again(x, false);
    pub = client_connect(&x->r, MQTT_V5, "commit");
    for (size_t i = 0; i < COUNT_OF(topics_of); i++)
        assert_int_equal(client_publish(&pub, topics_of[i], "one", 1, true), 0);
    again(x, round);
    client_close(&pub);
    other.addr = x->addrs[BROKER_MEMORY];
    c = client_dial(&other, MQTT_V5);
    assert_int_equal(client_hello(&c, &pk).code, 0);
    client_publish(&c, "replaced", "two", 0, true);
    client_publish(&c, "deleted", "", 1, true);
    client_publish(&c, "again", "two", 1, true);
    client_publish(&c, "again", "three", 1, true);
    client_expect_nothing(&c);
    pub = client_connect(&x->r, MQTT_V5, "commit");
    assert_int_equal(client_publish(&pub, "again", "four", 1, true), 0);
    again(x, round);
    client_close(&pub);
    client_close(&c);
    c = client_connect(&x->r, MQTT_V5, "c");
    client_subscribe(&c, "replaced", 1);
    client_subscribe(&c, "deleted", 1);
    client_subscribe(&c, "again", 1);
    client_expect_publish(&c, "again", "four", 1);
    client_subscribe(&c, "stays", 1);
    client_expect_publish(&c, "stays", "one", 1);
    client_expect_nothing(&c);
    client_close(&c);
}

static void what_is_written_down_is_kept_as_long_as_it_holds(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        for (int round = 0; round < 2; round++) {
            struct site x;

            site_init(&x, workers);
            retained_test(&x, round != 0);
            site_fini(&x);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_and_retained_are_one),
        cmocka_unit_test(what_came_live_before_comes_to_a_later_subscription),
        cmocka_unit_test(what_is_written_down_is_kept_as_long_as_it_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
