/* What leaves on a connection: the expiry that is left, and nothing larger than the client takes.
 * In raw packets. */
#include "broker_rig.h"

/* What has not waited has its expiry whole; 0 is one as well, in a will too. */
static void pass_on(unsigned workers, const uint32_t *seconds, size_t count)
{
    struct rig r;
    struct client sub, pub;

    rig_init(&r);
    rig_start(&r, workers);
    sub = client_connect(&r, MQTT_V5, "sub");
    pub = client_connect(&r, MQTT_V5, "pub");
    client_subscribe(&sub, "short", 1);
    for (size_t i = 0; i < count * 2; i++) {
        struct mqtt_packet pk = publish_packet("short", "lived", i % 2, false, 9);
        struct mqtt_publish got;

        pk.publish.props.has = MQTT_HAS(MESSAGE_EXPIRY);
        pk.publish.props.message_expiry_s = seconds[i / 2];
        client_send(&pub, &pk);
        got = client_expect_publish(&sub, "short", "lived", i % 2);
        assert_true(got.props.has & MQTT_HAS(MESSAGE_EXPIRY));
        assert_int_equal(got.props.message_expiry_s, seconds[i / 2]);
    }
    for (size_t i = 0; i < count; i++) {
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

/* On one worker within one turn, which has one time; so also what is over at once is passed on. On its way to
 * another worker it may not be in time. */
static void expiry_that_has_not_waited(void **state)
{
    static const uint32_t one[] = { 0, 1, 100, UINT32_MAX }, two[] = { 100, UINT32_MAX };

    (void)state;
    pass_on(1, one, COUNT_OF(one));
    pass_on(2, two, COUNT_OF(two));
}

/* An answer that is larger than the client takes is not sent; without it the connection has no
 * meaning, so it ends. */
static void answers_too_large(void **state)
{
    struct rig r;
    struct client c;
    struct mqtt_packet pk = connect_packet(MQTT_V5, "small"), many = { .type = MQTT_SUBSCRIBE };
    struct buf list = buf_init(1000);
    size_t least = 0;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    pk.connect.props.has = MQTT_HAS(MAX_PACKET);
    for (uint32_t max = 1; least == 0; max++) {
        struct mqtt_packet ack;
        int got;

        c = client_dial(&r, MQTT_V5);
        pk.connect.props.max_packet = max;
        client_send(&c, &pk);
        got = client_read(&c, &ack, RIG_WAIT_MS);
        if (got == 1) {
            assert_int_equal(ack.type, MQTT_CONNACK);
            assert_int_equal(c.in.n, max);
            least = max;
        } else {
            assert_int_equal(got, 0);
            assert_true(max < 100);
            client_close(&c);
        }
    }
    for (size_t i = 0; i < least; i++)
        mqtt_sub_put(&list, &(struct mqtt_sub){ .filter = STR("f") });
    many.subscribe.packet_id = 1;
    many.subscribe.list = buf_str(&list);
    client_send(&c, &many);
    client_expect_kick(&c, MQTT_REASON_TOO_LARGE);
    client_close(&c);
    buf_fini(&list);
    rig_stop(&r);
}

static int refuse_all(void *ctx, struct loop *l, const struct broker_message *m,
                      struct broker_token *t, const char **reason)
{
    (void)ctx;
    (void)l;
    (void)m;
    (void)t;
    *reason = "a sentence of forty characters, no less.";
    return ERR_VALUE;
}

/* The text of a refusal is left out where it does not fit or is not wanted; the refusal is not. */
static void refusals_with_and_without_text(void **state)
{
    static const struct {
        uint32_t max_packet;
        bool wanted, told;
    } cases[] = {
        { 1000, true, true }, { 60, true, true }, { 40, true, false }, { 1000, false, false }
    };
    struct rig r;

    (void)state;
    rig_init(&r);
    r.o.on_publish = refuse_all;
    rig_start(&r, 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct client c = client_dial(&r, MQTT_V5);
        struct mqtt_packet pk = connect_packet(MQTT_V5, "c");

        pk.connect.props.has = MQTT_HAS(MAX_PACKET) | MQTT_HAS(REQUEST_PROBLEM_INFO);
        pk.connect.props.max_packet = cases[i].max_packet;
        pk.connect.props.request_problem_info = cases[i].wanted;
        client_hello(&c, &pk);
        for (uint8_t qos = 1; qos < 3; qos++) {
            struct mqtt_packet p = publish_packet("t", "x", qos, false, 9);
            struct mqtt_ack ack;

            client_send(&c, &p);
            ack = client_expect(&c, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC).ack;
            assert_int_equal(ack.packet_id, 9);
            assert_int_equal(ack.code, MQTT_REASON_BAD_PAYLOAD);
            assert_int_equal((ack.props.has & MQTT_HAS(REASON_STRING)) != 0, cases[i].told);
        }
        client_close(&c);
    }
    rig_stop(&r);
}

/* "No local" holds for what a client has retained itself as well. */
static void own_retained_messages(void **state)
{
    static const struct {
        const char *who;
        bool no_local, comes;
    } cases[] = { { "own", true, false }, { "own", false, true }, { "other", true, true } };
    struct rig r;
    struct client own, other;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    own = client_connect(&r, MQTT_V5, "own");
    other = client_connect(&r, MQTT_V5, "other");
    client_publish(&own, "kept", "by own", 1, true);
    client_publish(&other, "last", "by other", 1, true);
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (uint8_t qos = 0; qos < 3; qos++) {
            struct mqtt_sub sub = { .filter = STR("kept"),
                                    .qos = qos,
                                    .no_local = cases[i].no_local };
            struct client *c = strcmp(cases[i].who, "own") == 0 ? &own : &other;

            client_subscribe_with(c, &sub, 0);
            if (cases[i].comes)
                client_expect_publish(c, "kept", "by own", qos < 1 ? qos : 1);
            client_subscribe(c, "last", 0);
            client_expect_publish(c, "last", "by other", 0);
        }
    client_close(&own);
    client_close(&other);
    rig_stop(&r);
}

/* One publication of QoS 0 for subscribers who differ in what their packet may depend on: two of each kind, in
 * turn, and publications that differ one after the other. What one gets is not seen at another. */
static void each_gets_a_packet_of_its_own(void **state)
{
    static const struct kind {
        enum mqtt_version v;
        uint32_t sub_id;
        uint16_t alias_max;
        bool as_published;
        uint32_t max_packet;
    } kinds[] = {
        { .v = MQTT_V311 },
        { .v = MQTT_V5 },
        { .v = MQTT_V5, .as_published = true },
        { .v = MQTT_V5, .sub_id = 7 },
        { .v = MQTT_V5, .alias_max = 5 },
        { .v = MQTT_V5, .max_packet = 40 },
    };
    static const struct {
        const char *payload;
        bool retain;
        uint32_t expiry_s;
    } rows[] = {
        { "a", true, 0 }, { "b", false, 100 },
        { "", false, 0 }, { "fifty bytes that do not fit into the packet of one", false, 0 },
        { "c", true, 7 },
    };
    struct rig r;
    struct client c[2 * COUNT_OF(kinds)], pub;

    (void)state;
    rig_init(&r);
    rig_start(&r, 1);
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        const struct kind *k = &kinds[i / 2];
        struct mqtt_sub sub = { .filter = STR("many"), .retain_as_published = k->as_published };
        char id[16];
        struct mqtt_packet pk;

        snprintf(id, sizeof(id), "c%zu", i);
        pk = connect_packet(k->v, id);
        pk.connect.props.has = (k->alias_max ? MQTT_HAS(TOPIC_ALIAS_MAX) : 0) |
                               (k->max_packet ? MQTT_HAS(MAX_PACKET) : 0);
        pk.connect.props.topic_alias_max = k->alias_max;
        pk.connect.props.max_packet = k->max_packet;
        c[i] = client_dial(&r, k->v);
        client_hello(&c[i], &pk);
        client_subscribe_with(&c[i], &sub, k->sub_id);
    }
    pub = client_connect(&r, MQTT_V5, "pub");
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        struct mqtt_packet pk = publish_packet("many", rows[row].payload, 0, rows[row].retain, 0);

        pk.publish.props.has = rows[row].expiry_s ? MQTT_HAS(MESSAGE_EXPIRY) : 0;
        pk.publish.props.message_expiry_s = rows[row].expiry_s;
        client_send(&pub, &pk);
        for (size_t i = 0; i < COUNT_OF(c); i++) {
            const struct kind *k = &kinds[i / 2];
            struct mqtt_publish got;

            if (k->max_packet && strlen(rows[row].payload) + 10 > k->max_packet)
                continue;
            got = client_expect(&c[i], MQTT_PUBLISH).publish;
            assert_true(str_eq(got.payload, str_of(rows[row].payload)));
            assert_int_equal(got.retain, rows[row].retain && k->as_published);
            assert_int_equal(got.topic.n, k->alias_max && row > 0 ? 0 : 4);
            if (k->v == MQTT_V311)
                continue;
            assert_int_equal((got.props.has & MQTT_HAS(SUBSCRIPTION_ID)) != 0, k->sub_id != 0);
            assert_int_equal((got.props.has & MQTT_HAS(TOPIC_ALIAS)) != 0, k->alias_max != 0);
            assert_int_equal((got.props.has & MQTT_HAS(MESSAGE_EXPIRY)) != 0,
                             rows[row].expiry_s != 0);
            if (rows[row].expiry_s)
                assert_int_equal(got.props.message_expiry_s, rows[row].expiry_s);
        }
    }
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        client_expect_nothing(&c[i]);
        client_close(&c[i]);
    }
    client_close(&pub);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expiry_that_has_not_waited),
        cmocka_unit_test(answers_too_large),
        cmocka_unit_test(own_retained_messages),
        cmocka_unit_test(each_gets_a_packet_of_its_own),
        cmocka_unit_test(refusals_with_and_without_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
