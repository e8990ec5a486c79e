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

/* ---- the limit ---- */

enum { MOST = 20 };

static void few(struct limits *l)
{
    l->mqtt_retained_max = MOST;
}

static void fewer(struct limits *l)
{
    l->mqtt_retained_max = MOST / 4;
}

static void await_topics(const struct rig *r, uint64_t count)
{
    int64_t limit = now_ms() + RIG_WAIT_MS;

    while (cell_get(&r->broker->retained_count) != count) {
        assert_true(now_ms() < limit);
        poll(NULL, 0, 1);
    }
}

static uint64_t counted(const struct rig *r, const char *name, const char *labels)
{
    return metric_value(metrics_counter(r->metrics, name, labels, ""));
}

static uint64_t dropped(const struct rig *r)
{
    return counted(r, "wayside_mqtt_messages_dropped_total", "cause=\"retained\"");
}

static void await_dropped(const struct rig *r, uint64_t count)
{
    int64_t limit = now_ms() + RIG_WAIT_MS;

    while (dropped(r) < count) {
        assert_true(now_ms() < limit);
        poll(NULL, 0, 1);
    }
    assert_int_equal(dropped(r), count);
}

static uint8_t keep(struct client *c, int topic, const char *payload, uint8_t qos)
{
    char name[16];

    snprintf(name, sizeof(name), "r/%d", topic);
    return client_publish(c, name, payload, qos, true);
}

static void fill(struct rig *r, struct client *pub)
{
    for (int i = 0; i < MOST; i++)
        assert_int_equal(keep(pub, i, "first", 1), 0);
    await_topics(r, MOST);
}

/* A topic too many is refused whatever its shard, and the others are as they were. Of those of QoS 0, which cannot be,
 * who is there hears all the same. */
static void refuse_more(struct rig *r, struct client *pub)
{
    struct client live = client_connect(r, MQTT_V5, "live");
    uint64_t before = dropped(r);

    client_subscribe_with(&live,
                          &(struct mqtt_sub){ .filter = STR("r/#"),
                                              .retain_as_published = true,
                                              .retain_handling = 2 },
                          0);
    for (int i = MOST; i < 2 * MOST; i++) {
        assert_int_equal(keep(pub, i, "more", (uint8_t)(1 + i % 2)), MQTT_REASON_QUOTA);
        assert_int_equal(keep(pub, i, "live", 0), 0);
        assert_false(client_expect(&live, MQTT_PUBLISH).publish.retain);
    }
    assert_int_equal(dropped(r), before + MOST);
    for (int i = 0; i < MOST; i++) {
        assert_int_equal(keep(pub, i, "second", (uint8_t)(i % 3)), 0);
        assert_true(client_expect(&live, MQTT_PUBLISH).publish.retain);
    }
    assert_int_equal(cell_get(&r->broker->retained_count), MOST);
    client_close(&live);
}

/* Those below count are there, and no others. */
static void expect_kept(struct rig *r, struct client *c, int count, const char *payload)
{
    bool there[MOST] = { false };

    await_topics(r, (uint64_t)count);
    client_subscribe(c, "r/+", 0); /* its worker asks the shards behind what it has published */
    for (int i = 0; i < count; i++) {
        struct mqtt_publish p = client_expect(c, MQTT_PUBLISH).publish;
        uint64_t at;

        assert_true(str_eq(p.payload, str_of(payload)));
        assert_int_equal(str_to_u64(str_from(p.topic.p + 2, p.topic.n - 2), &at), 0);
        assert_true(at < (uint64_t)count && !there[at]);
        there[at] = true;
    }
}

static void limit_test(struct site *x, bool round)
{
    struct client pub, old;
    struct mqtt_packet pk = publish_packet("r/old", "waits", 1, true, 9);
    uint64_t refused;
    int64_t limit;

    x->tune = few;
    again(x, false);
    pub = client_connect(&x->r, MQTT_V5, "pub");
    fill(&x->r, &pub);
    refuse_more(&x->r, &pub);
    again(x, round);
    client_close(&pub);
    old = client_connect(&x->r, MQTT_V5, "look");
    expect_kept(&x->r, &old, MOST, "second");
    client_close(&old);

    /* 3.1.1 has no word for it, and waits for room. */
    pub = client_connect(&x->r, MQTT_V5, "pub");
    old = client_connect(&x->r, MQTT_V311, "old");
    refused = counted(&x->r, "wayside_mqtt_publications_refused_total", "");
    client_send(&old, &pk);
    limit = now_ms() + RIG_WAIT_MS;
    while (counted(&x->r, "wayside_mqtt_publications_refused_total", "") == refused) {
        assert_true(now_ms() < limit);
        poll(NULL, 0, 1);
    }
    assert_int_equal(keep(&pub, MOST - 1, "", 1), 0);
    client_expect(&old, MQTT_PUBACK);
    await_topics(&x->r, MOST);
    assert_int_equal(client_publish(&pub, "r/old", "", 1, true), 0);
    await_topics(&x->r, MOST - 1);

    x->tune = fewer; /* what is there stays */
    again(x, round);
    client_close(&old);
    client_close(&pub);
    old = client_connect(&x->r, MQTT_V5, "look");
    expect_kept(&x->r, &old, MOST - 1, "second");
    client_close(&old);
    pub = client_connect(&x->r, MQTT_V5, "pub");
    assert_int_equal(keep(&pub, MOST, "more", 1), MQTT_REASON_QUOTA);
    for (int i = 0; i < MOST - 1; i++)
        assert_int_equal(keep(&pub, i, "third", 1), 0);
    again(x, round);
    client_close(&pub);
    pub = client_connect(&x->r, MQTT_V5, "pub");
    expect_kept(&x->r, &pub, MOST - 1, "third");
    client_close(&pub);
}

/* Wills, and what comes from inside: only the shard finds that they are too many, when they are written down. */
static void shard_test(struct site *x, bool round)
{
    enum { OTHERS = 8 };
    struct client pub, c;
    char name[16];

    x->tune = few;
    again(x, false);
    pub = client_connect(&x->r, MQTT_V5, "pub");
    fill(&x->r, &pub);
    for (int i = 0; i < OTHERS; i++) {
        struct blob *payload = blob_new(STR("inside"));
        struct mqtt_packet pk;

        snprintf(name, sizeof(name), "will/%d", i);
        pk = connect_packet(MQTT_V5, name);
        pk.connect.has_will = true;
        pk.connect.will = (struct mqtt_will){
            .topic = str_of(name), .payload = STR("will"), .qos = (uint8_t)(i % 2), .retain = true
        };
        c = client_dial(&x->r, MQTT_V5);
        assert_int_equal(client_hello(&c, &pk).code, 0);
        client_close(&c);
        snprintf(name, sizeof(name), "inside/%d", i);
        assert_int_equal(
            broker_post(x->r.broker, str_of(name), payload, (unsigned)i % 2, BROKER_RETAIN), 0);
        blob_unref(payload);
    }
    await_dropped(&x->r, (uint64_t)2 * OTHERS);
    again(x, round);
    client_close(&pub);
    c = client_connect(&x->r, MQTT_V5, "look");
    expect_kept(&x->r, &c, MOST, "first");
    client_close(&c);
}

/* None waits for the answer to the one before: what is on its way to the disk counts as well, but not what is then on
 * its way to another shard. What is acknowledged is there in any case. */
static void together_test(struct site *x, bool round)
{
    struct client pub;
    int taken = 0;

    x->tune = few;
    again(x, false);
    pub = client_connect(&x->r, MQTT_V5, "pub");
    for (uint16_t i = 0; i < 2 * MOST; i++) {
        char name[16];
        struct mqtt_packet pk;

        snprintf(name, sizeof(name), "r/%u", i);
        pk = publish_packet(name, "first", 1, true, (uint16_t)(i + 1));
        client_send(&pub, &pk);
    }
    for (int i = 0; i < 2 * MOST; i++)
        taken += client_expect(&pub, MQTT_PUBACK).ack.code == 0;
    assert_true(taken >= MOST && (x->workers > 1 || taken == MOST));
    await_topics(&x->r, (uint64_t)taken);
    again(x, round);
    client_close(&pub);
    await_topics(&x->r, (uint64_t)taken);
}

static void the_limit_holds_for_all_shards_and_over_a_start(void **state)
{
    (void)state;
    each_way(limit_test);
}

static void the_limit_holds_for_those_sent_together(void **state)
{
    (void)state;
    each_way(together_test);
}

static void what_the_shard_refuses_is_not_there_after_a_start(void **state)
{
    (void)state;
    each_way(shard_test);
}

static void the_limit_holds_where_nothing_is_written_down(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        struct rig r;
        struct client pub;

        rig_init(&r);
        few(&r.limits);
        rig_start(&r, workers);
        pub = client_connect(&r, MQTT_V5, "pub");
        fill(&r, &pub);
        refuse_more(&r, &pub);
        expect_kept(&r, &pub, MOST, "second");
        client_close(&pub);
        rig_stop(&r);
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
        cmocka_unit_test(the_limit_holds_where_nothing_is_written_down),
        cmocka_unit_test(the_limit_holds_for_all_shards_and_over_a_start),
        cmocka_unit_test(the_limit_holds_for_those_sent_together),
        cmocka_unit_test(what_the_shard_refuses_is_not_there_after_a_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
