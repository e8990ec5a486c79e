/* What becomes of messages that wait for a client that is away or slow, by the rules of its listener. */
#include "broker_rig.h"

static struct mqtt_packet lasting(const char *id, bool clean, uint32_t expiry_s)
{
    struct mqtt_packet pk = connect_packet(MQTT_V5, id);

    pk.connect.clean_start = clean;
    pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY);
    pk.connect.props.session_expiry_s = expiry_s;
    return pk;
}

/* A client with filter "q" that has gone. */
static void leave_one(struct rig *r, uint8_t qos)
{
    struct client c = client_dial(r, MQTT_V5);
    struct mqtt_packet pk = lasting("away", true, 1000);
    int64_t end = now_ms() + RIG_WAIT_MS;

    assert_int_equal(client_hello(&c, &pk).code, 0);
    client_subscribe(&c, "q", qos);
    client_close(&c);
    while (rig_session(r, "away").info.connected)
        assert_true(now_ms() < end);
}

static struct client come_back(struct rig *r)
{
    struct client c = client_dial(r, MQTT_V5);
    struct mqtt_packet pk = lasting("away", false, 1000);
    struct mqtt_connack ack = client_hello(&c, &pk);

    assert_true(ack.code == 0 && ack.session_present);
    return c;
}

static void publish_numbers(struct client *pub, int from, int count, uint8_t qos)
{
    for (int i = from; i < from + count; i++) {
        char text[16];

        snprintf(text, sizeof(text), "%d", i);
        client_publish(pub, "q", text, qos, false);
    }
    if (qos == 0)
        client_expect_nothing(pub);
}

static void expect_numbers(struct client *c, int from, int count, uint8_t qos)
{
    for (int i = from; i < from + count; i++) {
        char text[16];

        snprintf(text, sizeof(text), "%d", i);
        client_expect_publish(c, "q", text, qos);
    }
}

static void qos_0_waits_only_where_it_is_wanted(void **state)
{
    (void)state;
    for (int wanted = 0; wanted < 2; wanted++) {
        struct rig r;
        struct client pub, c;

        rig_init(&r);
        r.o.queue_qos0 = wanted;
        r.limits.mqtt_inflight_max = 2;
        rig_start(&r, 1);
        leave_one(&r, 2);
        pub = client_connect(&r, MQTT_V5, "pub");
        publish_numbers(&pub, 0, 3, 0);
        publish_numbers(&pub, 3, 1, 1);
        publish_numbers(&pub, 4, 2, 0);
        publish_numbers(&pub, 6, 1, 2);
        assert_int_equal(rig_session(&r, "away").info.queued, wanted ? 7 : 2);
        c = come_back(&r);
        if (wanted)
            expect_numbers(&c, 0, 3, 0);
        expect_numbers(&c, 3, 1, 1);
        if (wanted)
            expect_numbers(&c, 4, 2, 0);
        expect_numbers(&c, 6, 1, 2);
        publish_numbers(&pub, 7, 3, 0); /* live again */
        expect_numbers(&c, 7, 3, 0);
        client_expect_nothing(&c);
        assert_int_equal(rig_session(&r, "away").info.queued, 0);
        client_close(&c);
        client_close(&pub);
        rig_stop(&r);
    }
}

static void the_newest_goes(void **state)
{
    struct rig r;
    struct client pub, c;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_queue_max_messages = 5;
    rig_start(&r, 1);
    leave_one(&r, 1);
    pub = client_connect(&r, MQTT_V5, "pub");
    publish_numbers(&pub, 0, 8, 1);
    assert_int_equal(rig_dropped(&r, "queue"), 3);
    assert_int_equal(rig_session(&r, "away").info.dropped, 3);
    c = come_back(&r);
    expect_numbers(&c, 0, 5, 1);
    client_expect_nothing(&c);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

static void the_oldest_of_qos_0_makes_room(void **state)
{
    struct rig r;
    struct client pub, c;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_queue_max_messages = 5;
    r.o.queue_qos0 = true;
    r.o.queue_full = SESSION_DROP_OLDEST_QOS0;
    rig_start(&r, 1);
    leave_one(&r, 1);
    pub = client_connect(&r, MQTT_V5, "pub");
    publish_numbers(&pub, 0, 1, 1);
    publish_numbers(&pub, 1, 4, 0);
    publish_numbers(&pub, 5, 1, 0); /* instead of 1 */
    publish_numbers(&pub, 6, 2, 1); /* instead of 2 and 3 */
    assert_int_equal(rig_dropped(&r, "oldest_qos0"), 3);
    publish_numbers(&pub, 8, 2, 1);  /* 4 and 5 */
    publish_numbers(&pub, 10, 1, 1); /* nothing is left to give */
    publish_numbers(&pub, 11, 1, 0);
    assert_int_equal(rig_dropped(&r, "oldest_qos0"), 5);
    assert_int_equal(rig_dropped(&r, "queue"), 2);
    c = come_back(&r);
    expect_numbers(&c, 0, 1, 1);
    expect_numbers(&c, 6, 4, 1);
    client_expect_nothing(&c);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

static void a_connection_ends_with_its_full_queue(void **state)
{
    struct rig r;
    struct client pub, c;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_queue_max_messages = 5;
    r.limits.mqtt_inflight_max = 2;
    r.o.queue_full = SESSION_DISCONNECT;
    rig_start(&r, 1);
    c = client_connect(&r, MQTT_V5, "slow");
    client_subscribe(&c, "q", 1);
    pub = client_connect(&r, MQTT_V5, "pub");
    publish_numbers(&pub, 0, 8, 1);
    client_expect(&c, MQTT_PUBLISH);
    client_expect(&c, MQTT_PUBLISH);
    client_expect_kick(&c, MQTT_REASON_QUOTA);
    client_close(&c);
    client_publish(&pub, "q", "nobody", 1, false);
    leave_one(&r, 1); /* one that is away loses only the newest */
    publish_numbers(&pub, 0, 7, 1);
    c = come_back(&r);
    expect_numbers(&c, 0, 5, 1);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

static struct rig by_rules(const struct rig *r, const struct broker_rules *rules)
{
    struct broker_listen l = { .rules = rules };
    struct rig other = *r;
    struct fault f = { 0 };

    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &l.addr), 0);
    assert_int_equal(broker_listen(r->broker, &l, &other.addr, &f), 0);
    return other;
}

static void nothing_is_kept_where_nothing_is_to_be(void **state)
{
    struct broker_rules rules;
    struct rig r, off;
    struct client pub, c;

    (void)state;
    rig_init(&r);
    r.o.queue_qos0 = true;
    rig_start(&r, 1);
    rules = broker_rules_default(&r.limits);
    rules.offline_messages = false;
    off = by_rules(&r, &rules);
    leave_one(&off, 1);
    pub = client_connect(&r, MQTT_V5, "pub");
    publish_numbers(&pub, 0, 3, 1);
    publish_numbers(&pub, 3, 1, 0);
    assert_int_equal(rig_dropped(&r, "offline"), 3);
    assert_int_equal(rig_session(&r, "away").info.queued, 0);
    c = come_back(&off); /* its subscriptions are there */
    publish_numbers(&pub, 4, 2, 1);
    expect_numbers(&c, 4, 2, 1);
    client_close(&c);
    leave_one(&r, 1); /* what another listener has kept goes, too */
    publish_numbers(&pub, 6, 2, 1);
    assert_int_equal(rig_session(&r, "away").info.queued, 2);
    c = come_back(&off);
    client_expect_nothing(&c);
    assert_int_equal(rig_dropped(&r, "offline"), 5);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

static void sessions_and_wills_wait_no_longer_than_allowed(void **state)
{
    struct broker_rules rules;
    struct rig r, one;
    struct client w, c;
    struct mqtt_packet pk = lasting("c", true, 5000), bye = { .type = MQTT_DISCONNECT };
    struct mqtt_connack ack;
    int64_t began;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_session_expiry_max_ms = 4000 * 1000;
    rig_start(&r, 1);
    rules = broker_rules_default(&r.limits);
    rules.session_expiry_max_s = 100;
    rules.will_delay_max_s = 0;
    one = by_rules(&r, &rules);
    c = client_dial(&r, MQTT_V5);
    ack = client_hello(&c, &pk);
    assert_true(ack.props.has & MQTT_HAS(SESSION_EXPIRY));
    assert_int_equal(ack.props.session_expiry_s, 4000);
    client_close(&c);
    w = client_connect(&r, MQTT_V5, "w");
    client_subscribe(&w, "will", 1);
    pk.connect.has_will = true;
    pk.connect.will.topic = STR("will");
    pk.connect.will.payload = STR("gone");
    pk.connect.will.props.has = MQTT_HAS(WILL_DELAY);
    pk.connect.will.props.will_delay_s = 60;
    c = client_dial(&one, MQTT_V5);
    ack = client_hello(&c, &pk);
    assert_int_equal(ack.props.session_expiry_s, 100);
    began = now_ms();
    client_close(&c);
    client_expect_publish(&w, "will", "gone", 0);
    assert_true(now_ms() - began < 30000);
    rules.session_expiry_max_s = 0;
    one = by_rules(&r, &rules);
    c = client_dial(&one, MQTT_V5);
    pk = lasting("none", true, 5000);
    ack = client_hello(&c, &pk);
    assert_true((ack.props.has & MQTT_HAS(SESSION_EXPIRY)) && ack.props.session_expiry_s == 0);
    client_close(&c);
    while (rig_session(&r, "none").found)
        assert_true(now_ms() - began < 30000);

    /* Who says good-bye with what it asked for has said good-bye. */
    c = client_dial(&one, MQTT_V5);
    pk.connect.has_will = true;
    pk.connect.will.topic = STR("will");
    pk.connect.will.payload = STR("not this");
    assert_int_equal(client_hello(&c, &pk).code, 0);
    bye.reasoned.props.has = MQTT_HAS(SESSION_EXPIRY);
    bye.reasoned.props.session_expiry_s = 5000;
    client_send(&c, &bye);
    client_expect_end(&c);
    client_close(&c);
    client_publish(&w, "will", "last", 0, false);
    client_expect_publish(&w, "will", "last", 0);
    client_close(&w);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(qos_0_waits_only_where_it_is_wanted),
        cmocka_unit_test(the_newest_goes),
        cmocka_unit_test(the_oldest_of_qos_0_makes_room),
        cmocka_unit_test(a_connection_ends_with_its_full_queue),
        cmocka_unit_test(nothing_is_kept_where_nothing_is_to_be),
        cmocka_unit_test(sessions_and_wills_wait_no_longer_than_allowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
