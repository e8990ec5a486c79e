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

static void publish_all(struct client *pub, int count, const char *payload, uint8_t qos)
{
    char topic[16];

    for (int i = 0; i < count; i++) {
        snprintf(topic, sizeof(topic), "r/%d", i);
        client_publish(pub, topic, payload, qos, true);
    }
}

/* For a slow subscriber retained messages wait, but for the two that are sent and next. What takes the place of one
 * meanwhile comes live, and the older one is not sent behind it. */
static void what_waits_is_not_sent_behind_what_is_newer(void **state)
{
    enum { TOPICS = 5 };

    (void)state;
    for (uint8_t qos = 0; qos <= 1; qos++) {
        struct mqtt_packet pk = connect_packet(MQTT_V5, "sub");
        struct rig r;
        struct client sub, pub;
        struct mqtt_publish p;
        int old = 0, new = 0;

        rig_init(&r);
        rig_start(&r, 1); /* what is acknowledged has come */
        pub = client_connect(&r, MQTT_V5, "pub");
        publish_all(&pub, TOPICS, "old", 1);
        pk.connect.props.has = MQTT_HAS(RECEIVE_MAX);
        pk.connect.props.receive_max = 1;
        sub = client_dial(&r, MQTT_V5);
        client_hello(&sub, &pk);
        client_subscribe(&sub, "r/+", 1);
        p = client_expect(&sub, MQTT_PUBLISH).publish;
        publish_all(&pub, TOPICS, "new", qos);
        for (int i = 0; i < 300; i++) { /* of as many nothing waits, and they are forgotten */
            char topic[16];

            snprintf(topic, sizeof(topic), "r/more-%d", i);
            client_publish(&pub, topic, "more", 0, true);
            client_publish(&pub, topic, "", 0, true);
        }
        client_publish(&pub, "r/last", "", 1, false);
        while (!str_eq(p.topic, STR("r/last"))) {
            old += str_eq(p.payload, STR("old"));
            new += str_eq(p.payload, STR("new"));
            client_answer(&sub, &p);
            p = client_expect(&sub, MQTT_PUBLISH).publish;
        }
        client_answer(&sub, &p);
        client_expect_nothing(&sub);
        assert_int_equal(old, 2);
        assert_int_equal(new, TOPICS);
        client_close(&sub);
        client_close(&pub);
        rig_stop(&r);
    }
}

/* Two workers may route what is written down in another order than the log has it; the shard keeps what is the later
 * there, and so that is sent behind the other, which came live. */
static void what_is_newer_is_what_the_log_says(void **state)
{
    struct message_source of = { .topic = STR("t"), .payload = STR("x"), .qos = 1, .retain = true };
    struct broker b = { .limits = limits_default() };
    struct part p = { .b = &b };
    struct conn c = { .part = &p, .keep = NEW(struct keep) };
    struct publication live = { .src = of };
    struct message *m;

    (void)state;
    live.src.seq = 10;
    live.src.stamp = 101;
    keep_note(&c, &live);
    for (uint64_t seq = 9; seq <= 11; seq++) {
        of.seq = seq;
        of.stamp = 100;
        m = message_new(&of);
        assert_int_equal(keep_is_seen(&c, &(struct replay){ 0 }, m), seq < 11);
        message_unref(m);
    }
    publication_fini(&live);
    keep_forget(&c);
    assert_null(c.keep);
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
        cmocka_unit_test(what_waits_is_not_sent_behind_what_is_newer),
        cmocka_unit_test(what_is_newer_is_what_the_log_says),
        cmocka_unit_test(what_is_written_down_is_kept_as_long_as_it_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
