/* What a client of the broker sees, in raw packets, over two workers. */
#include "broker_rig.h"

static const enum mqtt_version versions[] = { MQTT_V311, MQTT_V5 };

/* ---- CONNECT ---- */

static void connack_tells_the_limits(void **state)
{
    static const uint16_t asked[] = { 0, 1, 30, 31, UINT16_MAX };
    struct rig r;
    struct client c;
    struct mqtt_packet pk;
    struct mqtt_connack ack;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_inflight_max = 7;
    r.limits.mqtt_keepalive_max_s = 30;
    rig_start(&r, 2);
    c = client_dial(&r, MQTT_V5);
    pk = connect_packet(MQTT_V5, "");
    pk.connect.keep_alive_s = 100;
    ack = client_hello(&c, &pk);
    assert_int_equal(ack.code, 0);
    assert_false(ack.session_present);
    assert_true(ack.props.has & MQTT_HAS(ASSIGNED_CLIENT_ID));
    assert_true(ack.props.assigned_client_id.n > 8);
    assert_int_equal(ack.props.receive_max, 7);
    assert_int_equal(ack.props.server_keep_alive_s, 30);
    assert_int_equal(ack.props.max_packet, r.limits.mqtt_packet_max_bytes);
    assert_false(ack.props.has & MQTT_HAS(SHARED_AVAILABLE)); /* they are */
    assert_false(ack.props.has & MQTT_HAS(MAX_QOS));
    client_close(&c);
    for (size_t i = 0; i < COUNT_OF(asked); i++) { /* 3.1.1 cannot be told */
        c = client_dial(&r, MQTT_V311);
        pk = connect_packet(MQTT_V311, "old");
        pk.connect.keep_alive_s = asked[i];
        assert_int_equal(client_hello(&c, &pk).code, asked[i] == 1 || asked[i] == 30 ? 0 : 2);
        client_close(&c);
    }
    rig_stop(&r);
}

static void bad_beginnings(void **state)
{
    static const struct {
        struct str bytes, answer;
    } cases[] = {
        { STR("\xc0\x00"), STR("") },                                       /* PINGREQ first */
        { STR("GET / HTTP/1.1\r\n\r\n"), STR("") },                         /* another protocol */
        { STR("\x10\x0c\0\4MQTT\x03\2\0\0\0\0"), STR("\x20\x02\x00\x01") }, /* unknown version */
        { STR("\x10\x0c\0\4MQTT\x04\0\0\0\0\0"), STR("\x20\x02\x00\x02") }, /* no id, lasting */
        { STR("\x10\xff\xff\xff\x7f"), STR("") },                           /* far too long */
    };
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct client c = client_dial(&r, MQTT_V311);
        char got[16];
        size_t n = 0;
        ssize_t now;

        client_send_bytes(&c, cases[i].bytes);
        while ((now = recv(c.fd, got + n, sizeof(got) - n, 0)) > 0)
            n += (size_t)now;
        assert_true(str_eq(str_from(got, n), cases[i].answer));
        client_close(&c);
    }
    rig_stop(&r);
}

static void silence_is_ended(void **state)
{
    struct rig r;
    struct client c;
    struct mqtt_packet pk;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_connect_timeout_ms = 100;
    rig_start(&r, 1);
    c = client_dial(&r, MQTT_V311);
    client_send_bytes(&c, STR("\x10\x0c\0\4MQ"));
    client_expect_end(&c);
    client_close(&c);
    c = client_dial(&r, MQTT_V5);
    pk = connect_packet(MQTT_V5, "quiet");
    pk.connect.keep_alive_s = 1;
    client_hello(&c, &pk);
    client_expect_kick(&c, MQTT_REASON_KEEP_ALIVE);
    client_close(&c);
    rig_stop(&r);
}

static void protocol_errors_end_it(void **state)
{
    static const struct {
        struct str bytes;
        uint8_t code;
    } cases[] = {
        { STR("\xf0\x00"), MQTT_REASON_PROTOCOL },                   /* AUTH out of place */
        { STR("\x20\x02\x00\x00"), MQTT_REASON_MALFORMED },          /* CONNACK, malformed */
        { STR("\x20\x03\x00\x00\x00"), MQTT_REASON_PROTOCOL },       /* CONNACK from a client */
        { STR("\x36\x05\x00\x01t\x00\x01"), MQTT_REASON_MALFORMED }, /* QoS 3 */
        { STR("\x30\x06\x00\x00\x03\x23\x00\x11"), MQTT_REASON_BAD_ALIAS },
        { STR("\x30\x06\x00\x00\x03\x23\x00\x01"), MQTT_REASON_PROTOCOL }, /* alias never set */
        { STR("\x30\x06\x00\x01t\x02\x0b\x05"), MQTT_REASON_PROTOCOL }, /* identifier from client */
        { STR("\x30\xff\xff\xff\x7f"), MQTT_REASON_TOO_LARGE },
        { STR("\x10\x0d\0\4MQTT\x09\2\0\0\0\0\0"), MQTT_REASON_PROTOCOL }, /* a second CONNECT */
        { STR("\xe0\x07\x00\x05\x11\x00\x00\x00\x05"), MQTT_REASON_PROTOCOL }, /* expiry from 0 */
    };
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct client c = client_connect(&r, MQTT_V5, "bad");

        client_send_bytes(&c, cases[i].bytes);
        client_expect_kick(&c, cases[i].code);
        client_close(&c);
    }
    rig_stop(&r);
}

/* ---- publishing ---- */

static void every_qos_to_every_qos(void **state)
{
    struct rig r;
    struct client subs[12], pubs[4];

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    for (unsigned i = 0; i < 12; i++) {
        char id[16];

        snprintf(id, sizeof(id), "sub%u", i);
        subs[i] = client_connect(&r, versions[i % 2], id);
        assert_int_equal(client_subscribe(&subs[i], i % 4 < 2 ? "a/+" : "a/#", (uint8_t)(i / 4)),
                         i / 4);
    }
    for (unsigned i = 0; i < 4; i++) {
        char id[16];

        snprintf(id, sizeof(id), "pub%u", i);
        pubs[i] = client_connect(&r, versions[i % 2], id);
        for (uint8_t q = 0; q < 3; q++) {
            char payload[32];

            snprintf(payload, sizeof(payload), "%u with %u", i, q);
            client_publish(&pubs[i], "a/b", payload, q, false);
            client_publish(&pubs[i], "b/a", "not asked for", q, false);
            for (unsigned k = 0; k < 12; k++)
                client_expect_publish(&subs[k], "a/b", payload, q < k / 4 ? q : (uint8_t)(k / 4));
        }
    }
    for (unsigned i = 0; i < 12; i++) {
        client_expect_nothing(&subs[i]);
        client_close(&subs[i]);
    }
    for (unsigned i = 0; i < 4; i++)
        client_close(&pubs[i]);
    rig_stop(&r);
}

static void large_payloads_and_properties(void **state)
{
    static const size_t sizes[] = { 0, 500, 1024, 1025, 2000, 100000, 900000 };
    struct rig r;
    struct client sub, pub;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    sub = client_connect(&r, MQTT_V5, "sub");
    pub = client_connect(&r, MQTT_V5, "pub");
    client_subscribe(&sub, "big/#", 1);
    for (size_t i = 0; i < COUNT_OF(sizes) * 2; i++) {
        size_t n = sizes[i / 2];
        char *payload = mem_new(n + 1);
        struct mqtt_packet pk = publish_packet("big/one", "", 1, false, 9);
        struct buf raw = buf_init(100000);
        struct mqtt_publish got;
        struct str name, value;
        size_t at = 0;

        memset(payload, 'a' + (int)i, n);
        pk.publish.payload = str_from(payload, n);
        mqtt_props_put_user(&raw, STR("key"), str_from(payload, n < 3000 ? n : 3));
        pk.publish.props.has =
            MQTT_HAS(CONTENT_TYPE) | MQTT_HAS(RESPONSE_TOPIC) | MQTT_HAS(CORRELATION_DATA);
        pk.publish.props.content_type = STR("image/jpeg");
        pk.publish.props.response_topic = STR("answer/here");
        pk.publish.props.correlation_data = STR("\0\1");
        pk.publish.props.raw = buf_str(&raw);
        client_send(&pub, &pk);
        got = client_expect(&sub, MQTT_PUBLISH).publish;
        assert_true(str_eq(got.payload, pk.publish.payload));
        assert_true(str_eq(got.props.content_type, STR("image/jpeg")));
        assert_true(str_eq(got.props.response_topic, STR("answer/here")));
        assert_true(str_eq(got.props.correlation_data, STR("\0\1")));
        assert_true(mqtt_props_user(got.props.raw, &at, &name, &value));
        assert_true(str_eq(name, STR("key")));
        client_answer(&sub, &got);
        client_expect(&pub, MQTT_PUBACK);
        buf_fini(&raw);
        mem_free(payload);
    }
    client_close(&sub);
    client_close(&pub);
    rig_stop(&r);
}

static void subscription_options(void **state)
{
    struct rig r;
    struct client c, other;
    struct mqtt_sub sub = { .filter = STR("x/+"), .qos = 1, .no_local = true };
    struct mqtt_publish p;
    size_t at = 0;
    uint32_t id;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    c = client_connect(&r, MQTT_V5, "c");
    other = client_connect(&r, MQTT_V5, "other");
    assert_int_equal(client_subscribe_with(&c, &sub, 11), 1);
    assert_int_equal(client_publish(&c, "x/1", "mine", 1, false), 0);
    client_publish(&other, "x/1", "theirs", 1, true);
    p = client_expect_publish(&c, "x/1", "theirs", 1);
    assert_false(p.retain);
    assert_int_equal(p.props.subscription_id, 11);
    sub = (struct mqtt_sub){
        .filter = STR("x/1"), .qos = 0, .retain_as_published = true, .retain_handling = 2
    };
    client_subscribe_with(&c, &sub, 12);
    client_publish(&other, "x/1", "again", 1, true);
    /* Two subscriptions, one copy with both identifiers. */
    p = client_expect(&c, MQTT_PUBLISH).publish;
    assert_true(mqtt_props_sub_id(p.props.raw, &at, &id) && id == 11);
    assert_true(mqtt_props_sub_id(p.props.raw, &at, &id) && id == 12);
    assert_int_equal(p.qos, 1);
    client_answer(&c, &p);
    client_expect_nothing(&c);
    client_close(&c);
    client_close(&other);
    rig_stop(&r);
}

/* Without identifiers, overlapping subscriptions give one copy with the highest QoS. */
static void overlapping_subscriptions(void **state)
{
    struct rig r;
    struct client c, pub;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    c = client_connect(&r, MQTT_V311, "c");
    pub = client_connect(&r, MQTT_V311, "pub");
    client_subscribe(&c, "a/#", 0);
    client_subscribe(&c, "a/b", 2);
    client_subscribe(&c, "+/b", 1);
    client_publish(&pub, "a/b", "once", 2, false);
    client_expect_publish(&c, "a/b", "once", 2);
    client_publish(&pub, "a/c", "end", 0, false);
    client_expect_publish(&c, "a/c", "end", 0);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

static void unsubscribed_is_quiet(void **state)
{
    struct rig r;
    struct client c, pub;
    struct mqtt_packet pk = { .type = MQTT_UNSUBSCRIBE, .subscribe = { .packet_id = 3 } };
    struct buf list = buf_init(1000);
    struct mqtt_packet ack;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    c = client_connect(&r, MQTT_V5, "c");
    pub = client_connect(&r, MQTT_V5, "pub");
    client_subscribe(&c, "a/b", 1);
    client_subscribe(&c, "end", 1);
    mqtt_unsub_put(&list, STR("a/b"));
    mqtt_unsub_put(&list, STR("never"));
    pk.subscribe.list = buf_str(&list);
    pk.subscribe.count = 2;
    client_send(&c, &pk);
    ack = client_expect(&c, MQTT_UNSUBACK);
    assert_true(str_eq(ack.suback.codes, STR("\x00\x11")));
    client_publish(&pub, "a/b", "1", 1, false);
    client_publish(&pub, "end", "2", 1, false);
    client_expect_publish(&c, "end", "2", 1);
    buf_fini(&list);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

/* MQTT-3.10.4-2: both in one segment, and the subscription has not yet been told to others when it ends. */
static void unsubscribed_before_the_retained_message(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct buf list = buf_init(1000), gone = buf_init(1000), bytes = buf_init(1000);
        struct mqtt_packet sub = { .type = MQTT_SUBSCRIBE, .subscribe = { .packet_id = 1 } };
        struct mqtt_packet unsub = { .type = MQTT_UNSUBSCRIBE, .subscribe = { .packet_id = 2 } };
        struct rig r;
        struct client c;

        rig_init(&r);
        rig_start(&r, workers);
        c = client_connect(&r, MQTT_V5, "c");
        client_publish(&c, "kept", "1", 1, true);
        client_publish(&c, "last", "2", 1, true);
        mqtt_sub_put(&list, &(struct mqtt_sub){ .filter = STR("kept") });
        mqtt_sub_put(&list, &(struct mqtt_sub){ .filter = STR("last") });
        mqtt_unsub_put(&gone, STR("kept"));
        sub.subscribe.list = buf_str(&list);
        sub.subscribe.count = 2;
        unsub.subscribe.list = buf_str(&gone);
        unsub.subscribe.count = 1;
        mqtt_encode(&sub, MQTT_V5, &bytes);
        mqtt_encode(&unsub, MQTT_V5, &bytes);
        client_send_bytes(&c, buf_str(&bytes));
        client_expect(&c, MQTT_SUBACK);
        if (workers > 1) { /* else the first is asked for before the second packet is read */
            client_expect(&c, MQTT_UNSUBACK);
            client_expect_publish(&c, "last", "2", 0);
            client_expect_nothing(&c);
        }
        client_close(&c);
        buf_fini(&list);
        buf_fini(&gone);
        buf_fini(&bytes);
        rig_stop(&r);
    }
}

static void topic_alias(void **state)
{
    struct rig r;
    struct client c;
    struct mqtt_packet pk = publish_packet("long/topic", "1", 0, false, 0);

    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    c = client_connect(&r, MQTT_V5, "c");
    client_subscribe(&c, "#", 0);
    pk.publish.props.has = MQTT_HAS(TOPIC_ALIAS);
    pk.publish.props.topic_alias = 16;
    client_send(&c, &pk);
    pk.publish.topic = STR("");
    pk.publish.payload = STR("2");
    client_send(&c, &pk);
    client_expect_publish(&c, "long/topic", "1", 0);
    client_expect_publish(&c, "long/topic", "2", 0);
    client_close(&c);
    rig_stop(&r);
}

/* ---- retained ---- */

static void retained_messages(void **state)
{
    struct rig r;
    struct client pub, c;
    struct mqtt_sub sub = { .filter = STR("r/#"), .qos = 1, .retain_handling = 1 };

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    pub = client_connect(&r, MQTT_V5, "pub");
    for (int i = 0; i < 20; i++) {
        char topic[16];

        snprintf(topic, sizeof(topic), "r/%d", i);
        client_publish(&pub, topic, "kept", 1, true);
    }
    client_publish(&pub, "r/7", "newer", 1, true);
    c = client_connect(&r, MQTT_V5, "c");
    client_subscribe(&c, "r/7", 0);
    assert_true(client_expect_publish(&c, "r/7", "newer", 0).retain);
    client_subscribe_with(&c, &sub, 3);
    for (int i = 0; i < 20; i++) {
        struct mqtt_publish p = client_expect(&c, MQTT_PUBLISH).publish;

        assert_true(p.retain);
        assert_int_equal(p.qos, 1);
        assert_int_equal(p.props.subscription_id, 3);
        client_answer(&c, &p);
    }
    client_subscribe_with(&c, &sub, 3); /* handling 1: not for a subscription that stands */
    client_expect_nothing(&c);
    for (int i = 0; i < 20; i++) {
        char topic[16];

        snprintf(topic, sizeof(topic), "r/%d", i);
        client_publish(&pub, topic, "", 1, true);
    }
    client_close(&c);
    c = client_connect(&r, MQTT_V5, "d");
    client_subscribe(&c, "r/#", 1);
    client_publish(&pub, "r/end", "live", 1, false);
    assert_false(client_expect_publish(&c, "r/end", "live", 1).retain);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

/* Several filters in one packet, each with all that it matches; asked for in turn. */
static void retained_of_several_filters(void **state)
{
    static const char *const filters[] = { "s/#", "+/+", "s/1", "#", "s/#" };
    static const int matches[] = { 30, 30, 1, 30, 30 };
    struct mqtt_packet pk = { .type = MQTT_SUBSCRIBE, .subscribe = { .packet_id = 4 } };
    struct buf list = buf_init(1000);
    struct rig r;
    struct client pub, c;
    int want = 0;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_retained_max = 64; /* so that the last answer waits for the first to be sent */
    rig_start(&r, 2);
    pub = client_connect(&r, MQTT_V311, "pub");
    for (int i = 0; i < 30; i++) {
        char topic[16];

        snprintf(topic, sizeof(topic), "s/%d", i);
        client_publish(&pub, topic, "v", 1, true);
    }
    c = client_connect(&r, MQTT_V311, "c");
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        struct mqtt_sub sub = { .filter = str_of(filters[i]), .qos = (uint8_t)(i % 2) };

        mqtt_sub_put(&list, &sub);
        want += matches[i];
    }
    pk.subscribe.count = COUNT_OF(filters);
    pk.subscribe.list = buf_str(&list);
    client_send(&c, &pk);
    client_expect(&c, MQTT_SUBACK);
    for (int i = 0; i < want; i++) {
        struct mqtt_publish p = client_expect(&c, MQTT_PUBLISH).publish;

        assert_true(p.retain);
        client_answer(&c, &p);
    }
    client_publish(&pub, "s/end", "live", 0, false);
    assert_false(client_expect(&c, MQTT_PUBLISH).publish.retain);
    buf_fini(&list);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

/* More retained bytes than may wait on the connection: they come all the same, as it reads. */
static void many_retained_to_a_slow_reader(void **state)
{
    enum { COUNT = 300 };
    struct rig r;
    struct client pub, c;
    static char payload[20001];

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    pub = client_connect(&r, MQTT_V311, "pub");
    memset(payload, 'x', 20000);
    for (int i = 0; i < COUNT; i++) {
        char topic[16];

        snprintf(topic, sizeof(topic), "r/%d", i);
        client_publish(&pub, topic, payload, 1, true);
    }
    for (uint8_t qos = 0; qos < 2; qos++) {
        c = client_connect(&r, MQTT_V311, qos ? "c1" : "c0");
        client_subscribe(&c, "r/+", qos);
        for (int i = 0; i < COUNT; i++) {
            struct mqtt_publish p = client_expect(&c, MQTT_PUBLISH).publish;

            assert_int_equal(p.payload.n, 20000);
            client_answer(&c, &p);
        }
        client_expect_nothing(&c);
        client_close(&c);
    }
    client_close(&pub);
    rig_stop(&r);
}

/* ---- limits ---- */

static void limits_of_a_connection(void **state)
{
    struct rig r;
    struct client c, pub;
    struct mqtt_packet pk;
    static char big[3001];

    (void)state;
    rig_init(&r);
    r.limits.mqtt_connect_max_bytes = 200;
    r.limits.mqtt_packet_max_bytes = 2000;
    r.limits.mqtt_subscriptions_max = 2;
    r.limits.mqtt_topic_max_bytes = 20;
    r.limits.mqtt_topic_levels_max = 3;
    rig_start(&r, 1);
    memset(big, 'x', 3000);

    c = client_dial(&r, MQTT_V5);
    pk = connect_packet(MQTT_V5, big);
    client_send(&c, &pk);
    client_expect_end(&c);
    client_close(&c);

    c = client_connect(&r, MQTT_V5, "c");
    pk = publish_packet("t", big, 0, false, 0);
    client_send(&c, &pk);
    client_expect_kick(&c, MQTT_REASON_TOO_LARGE);
    client_close(&c);

    c = client_connect(&r, MQTT_V5, "c");
    pk = publish_packet("a-topic-of-more-than-20-bytes", "", 0, false, 0);
    client_send(&c, &pk);
    client_expect_kick(&c, MQTT_REASON_BAD_TOPIC);
    client_close(&c);

    c = client_connect(&r, MQTT_V5, "c");
    assert_int_equal(client_subscribe(&c, "a", 0), 0);
    assert_int_equal(client_subscribe(&c, "b", 0), 0);
    assert_int_equal(client_subscribe(&c, "c", 0), MQTT_REASON_QUOTA);
    assert_int_equal(client_subscribe(&c, "b", 1), 1);
    assert_int_equal(client_subscribe(&c, "1/2/3/4", 0), MQTT_REASON_BAD_FILTER);
    client_send_bytes(&c, STR("\x82\x0f\0\1\0\0\1a\0\0\1a\0\0\1a\0"));
    client_expect_kick(&c, MQTT_REASON_QUOTA);
    client_close(&c);

    /* A client's own Maximum Packet Size: what is larger does not reach it. */
    c = client_dial(&r, MQTT_V5);
    pk = connect_packet(MQTT_V5, "small");
    pk.connect.props.has = MQTT_HAS(MAX_PACKET);
    pk.connect.props.max_packet = 100;
    client_hello(&c, &pk);
    client_subscribe(&c, "s", 1);
    pub = client_connect(&r, MQTT_V5, "pub");
    big[150] = 0;
    for (uint8_t q = 0; q < 2; q++)
        client_publish(&pub, "s", big, q, false);
    client_publish(&pub, "s", "fits", 1, false);
    client_expect_publish(&c, "s", "fits", 1);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

/* It was told of no window, and its PUBRELs stand behind its publications: all are taken. MQTT 5 was told. */
static void qos_2_without_a_window(void **state)
{
    enum { MANY = 500 };
    struct rig r;
    struct client c;
    struct mqtt_packet pk, rel = { .type = MQTT_PUBREL };

    (void)state;
    rig_init(&r);
    r.limits.mqtt_inflight_max = 10;
    rig_start(&r, 1);
    c = client_connect(&r, MQTT_V311, "c");
    for (uint16_t i = 1; i <= MANY; i++) {
        pk = publish_packet("t", "", 2, false, i);
        client_send(&c, &pk);
    }
    for (rel.ack.packet_id = 1; rel.ack.packet_id <= MANY; rel.ack.packet_id++)
        client_send(&c, &rel);
    for (uint16_t i = 1; i <= MANY; i++)
        assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.packet_id, i);
    for (uint16_t i = 1; i <= MANY; i++)
        assert_int_equal(client_expect(&c, MQTT_PUBCOMP).ack.packet_id, i);
    client_close(&c);

    c = client_connect(&r, MQTT_V5, "c");
    for (uint16_t i = 1; i <= 11; i++) {
        pk = publish_packet("t", "", 2, false, i);
        client_send(&c, &pk);
    }
    for (uint16_t i = 1; i <= 10; i++)
        assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.packet_id, i);
    client_expect_kick(&c, MQTT_REASON_RECEIVE_MAX);
    client_close(&c);
    rig_stop(&r);
}

/* A reader that does not read loses QoS 0, and nothing of QoS 1 up to the queue's limit; the
 * publisher and the others do not notice. */
static void slow_reader(void **state)
{
    enum { SENT = 2000, QUEUE = 100 };
    struct rig r;
    struct client slow, pub;
    static char payload[20001];
    int got0 = 0, got1 = 0;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_queue_max_messages = QUEUE;
    rig_start(&r, 2);
    slow = client_connect(&r, MQTT_V5, "slow");
    pub = client_connect(&r, MQTT_V5, "pub");
    client_subscribe(&slow, "#", 1);
    memset(payload, 'x', 20000);
    for (int i = 0; i < SENT; i++)
        client_publish(&pub, "q0", payload, 0, false);
    for (int i = 0; i < SENT / 10; i++)
        client_publish(&pub, "q1", payload, 1, false);
    for (;;) {
        struct mqtt_packet pk;

        client_send_bytes(&slow, MQTT_PINGREQ_BYTES);
        assert_int_equal(client_read(&slow, &pk, RIG_WAIT_MS), 1);
        while (pk.type != MQTT_PINGRESP) {
            if (pk.publish.qos == 0)
                got0++;
            else
                got1++;
            client_answer(&slow, &pk.publish);
            assert_int_equal(client_read(&slow, &pk, RIG_WAIT_MS), 1);
        }
        if (rig_session(&r, "slow").info.queued == 0)
            break;
    }
    assert_true(got0 > 5 && got0 < SENT);
    assert_int_equal(got1, QUEUE);
    client_close(&slow);
    client_close(&pub);
    rig_stop(&r);
}

/* ---- the inside ---- */

static void from_inside(void **state)
{
    struct rig r;
    struct client c;
    struct blob *b = blob_new(STR("21.5"));

    (void)state;
    rig_init(&r);
    r.o.version = "wayside test";
    rig_start(&r, 2);
    c = client_connect(&r, MQTT_V311, "c");
    client_subscribe(&c, "in/#", 1);
    assert_int_equal(broker_post(r.broker, STR("in/side"), b, 1, BROKER_RETAIN), 0);
    assert_int_equal(broker_post(r.broker, STR("in/#"), b, 1, 0), ERR_VALUE);
    client_expect_publish(&c, "in/side", "21.5", 1);
    client_subscribe(&c, "$SYS/broker/version", 0);
    client_expect_publish(&c, "$SYS/broker/version", "wayside test", 0);
    assert_int_equal(client_publish(&c, "$SYS/broker/version", "mine", 1, true), 0);
    client_expect_nothing(&c);
    blob_unref(b);
    client_close(&c);
    rig_stop(&r);
}

static void says_its_state(struct rig *r, enum mqtt_version v, const char *topic, bool may)
{
    bool v5 = v == MQTT_V5;
    struct client c = client_dial(r, v), w;
    struct mqtt_packet pk = connect_packet(v, "c");
    uint8_t code = may ? 0 : v5 ? MQTT_REASON_NOT_AUTHORIZED : MQTT_V311_NOT_AUTHORIZED;

    pk.connect.has_will = true;
    pk.connect.will =
        (struct mqtt_will){ .topic = str_of(topic), .payload = STR("0"), .retain = true };
    assert_int_equal(client_hello(&c, &pk).code, code);
    client_close(&c);
    c = client_connect(r, v, "c");
    code = may || !v5 ? 0 : MQTT_REASON_NOT_AUTHORIZED;
    assert_int_equal(client_publish(&c, topic, "1", 1, true), code);
    w = client_connect(r, v, "w");
    client_subscribe(&w, topic, 1);
    if (may)
        client_expect_publish(&w, topic, "1", 1);
    client_expect_nothing(&w);
    client_close(&w);
    client_close(&c);
}

/* As bridges do, with a will for when they are gone. */
static void below_sys_a_client_has_its_state_only(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    for (int i = 0; i < 2; i++) {
        enum mqtt_version v = i ? MQTT_V5 : MQTT_V311;

        says_its_state(&r, v, "$SYS/broker/connection/c/state", true);
        says_its_state(&r, v, "$SYS/broker/connection/d/state", false);
        says_its_state(&r, v, "$SYS/broker/connection/c/state/x", false);
        says_its_state(&r, v, "$SYS/broker/version", false);
    }
    rig_stop(&r);
}

static void the_end_is_told(void **state)
{
    struct rig r;
    struct client c[10], w;
    struct mqtt_packet pk;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    w = client_connect(&r, MQTT_V311, "watcher");
    client_subscribe(&w, "will", 1);
    for (int i = 0; i < 10; i++) {
        char id[16];

        snprintf(id, sizeof(id), "c%d", i);
        c[i] = client_dial(&r, MQTT_V5);
        pk = connect_packet(MQTT_V5, id);
        pk.connect.has_will = true;
        pk.connect.will.topic = STR("will");
        pk.connect.will.payload = STR("not at the end");
        client_hello(&c[i], &pk);
    }
    broker_stop(r.broker, 2000);
    for (int i = 0; i < 10; i++) {
        client_expect_kick(&c[i], MQTT_REASON_SHUTTING_DOWN);
        client_close(&c[i]);
    }
    client_expect_end(&w);
    client_close(&w);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connack_tells_the_limits),
        cmocka_unit_test(bad_beginnings),
        cmocka_unit_test(silence_is_ended),
        cmocka_unit_test(protocol_errors_end_it),
        cmocka_unit_test(every_qos_to_every_qos),
        cmocka_unit_test(large_payloads_and_properties),
        cmocka_unit_test(subscription_options),
        cmocka_unit_test(overlapping_subscriptions),
        cmocka_unit_test(unsubscribed_is_quiet),
        cmocka_unit_test(unsubscribed_before_the_retained_message),
        cmocka_unit_test(topic_alias),
        cmocka_unit_test(retained_messages),
        cmocka_unit_test(retained_of_several_filters),
        cmocka_unit_test(many_retained_to_a_slow_reader),
        cmocka_unit_test(limits_of_a_connection),
        cmocka_unit_test(qos_2_without_a_window),
        cmocka_unit_test(slow_reader),
        cmocka_unit_test(from_inside),
        cmocka_unit_test(below_sys_a_client_has_its_state_only),
        cmocka_unit_test(the_end_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
