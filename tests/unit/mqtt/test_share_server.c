/* Shared subscriptions over one and several workers, in raw packets. */
#include "broker_rig.h"

#include "mqtt/broker_part.h"
#include "mqtt/share.h"

#include "unit/unit.h"

#define MEMBERS 3

static struct mqtt_packet lasting(const char *id, uint16_t receive_max)
{
    struct mqtt_packet pk = connect_packet(MQTT_V5, id);

    pk.connect.clean_start = false;
    pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY) | MQTT_HAS(RECEIVE_MAX);
    pk.connect.props.session_expiry_s = 1000;
    pk.connect.props.receive_max = receive_max;
    return pk;
}

static struct client member(const struct rig *r, const char *id, uint16_t receive_max, uint8_t qos)
{
    struct mqtt_packet pk = lasting(id, receive_max);
    struct client c = client_dial(r, MQTT_V5);

    assert_int_equal(client_hello(&c, &pk).code, 0);
    assert_int_equal(client_subscribe(&c, "$share/g/t/+", qos), qos);
    return c;
}

static void publish_numbers(struct client *pub, unsigned from, unsigned to, uint8_t qos)
{
    for (unsigned i = from; i < to; i++) {
        char payload[16];

        snprintf(payload, sizeof(payload), "%u", i);
        assert_true(client_publish(pub, "t/1", payload, qos, false) < 0x80);
    }
}

/* One packet, answered in full by several calls; a publication's number is marked, once. */
static bool one(struct client *c, const struct mqtt_packet *pk, bool *got, bool answer)
{
    struct mqtt_packet reply = { .type = MQTT_PUBCOMP, .ack = { .packet_id = pk->ack.packet_id } };
    uint64_t number = 0;

    if (pk->type == MQTT_PUBREL) {
        client_send(c, &reply);
        return false;
    }
    assert_int_equal(pk->type, MQTT_PUBLISH);
    assert_int_equal(str_to_u64(pk->publish.payload, &number), 0);
    assert_false(got[number]);
    got[number] = true;
    reply.type = pk->publish.qos == 1 ? MQTT_PUBACK : MQTT_PUBREC;
    reply.ack.packet_id = pk->publish.packet_id;
    if (answer && pk->publish.qos > 0)
        client_send(c, &reply);
    return true;
}

/* Reads until the client has `want` publications more. */
static unsigned collect(struct client *c, bool *got, unsigned want, bool answer)
{
    struct mqtt_packet pk;

    for (unsigned n = 0; n < want;) {
        assert_int_equal(client_read(c, &pk, RIG_WAIT_MS), 1);
        n += one(c, &pk, got, answer);
    }
    return want;
}

/* What it has answered has arrived. Publications that come meanwhile are not answered; their number. */
static unsigned settle(struct client *c)
{
    struct mqtt_packet pk;
    unsigned n = 0;
    bool any[1000] = { false };

    client_send_bytes(c, MQTT_PINGREQ_BYTES);
    for (;;) {
        assert_int_equal(client_read(c, &pk, RIG_WAIT_MS), 1);
        if (pk.type == MQTT_PINGRESP)
            return n;
        n += one(c, &pk, any, false);
    }
}

static void each_message_goes_to_one_and_turns_are_fair(void **state)
{
    enum { ROUNDS = 30 };

    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        for (uint8_t qos = 0; qos <= 2; qos++) {
            bool got[ROUNDS * MEMBERS] = { false };
            struct client pub, c[MEMBERS], all;
            struct rig r;

            rig_init(&r);
            rig_start(&r, workers);
            all = client_connect(&r, MQTT_V5, "all"); /* beside the group, gets everything */
            client_subscribe(&all, "t/1", qos);
            for (unsigned i = 0; i < MEMBERS; i++) {
                char id[8];

                snprintf(id, sizeof(id), "m%u", i);
                c[i] = member(&r, id, 1000, qos);
            }
            pub = client_connect(&r, MQTT_V5, "pub");
            publish_numbers(&pub, 0, ROUNDS * MEMBERS, qos);
            for (unsigned i = 0; i < MEMBERS; i++)
                collect(&c[i], got, ROUNDS, true);
            memset(got, 0, sizeof(got));
            collect(&all, got, ROUNDS * MEMBERS, true);
            for (unsigned i = 0; i < MEMBERS; i++) {
                assert_int_equal(settle(&c[i]), 0);
                client_close(&c[i]);
            }
            client_close(&all);
            client_close(&pub);
            rig_stop(&r);
        }
    }
}

static void an_absent_or_stalled_member_gets_nothing(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        bool got[60] = { false }, held[60] = { false };
        struct client pub, gone, slow, good;
        struct rig r;

        rig_init(&r);
        rig_start(&r, workers);
        good = member(&r, "good", 1000, 1);
        gone = member(&r, "gone", 1000, 1);
        slow = member(&r, "slow", 2, 1);
        client_close(&gone);
        rig_await_connected(&r, "gone", false);
        pub = client_connect(&r, MQTT_V5, "pub");
        publish_numbers(&pub, 0, 60, 1);
        collect(&slow, held, 2, false); /* does not answer: its window is full */
        collect(&good, got, 58, true);
        client_expect_nothing(&slow);
        client_close(&slow);
        collect(&good, got, 2, true); /* what it had not acknowledged is another's now */
        for (unsigned i = 0; i < 60; i++)
            assert_true(got[i]);
        client_expect_nothing(&good);
        client_close(&good);
        client_close(&pub);
        rig_stop(&r);
    }
}

static void without_anybody_connected_it_waits(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct mqtt_packet pk = lasting("b", 3);
        struct client pub, a, b;
        struct rig r;

        rig_init(&r);
        rig_start(&r, workers);
        a = member(&r, "a", 1000, 1);
        b = member(&r, "b", 3, 1);
        client_close(&a);
        client_close(&b);
        rig_await_connected(&r, "a", false);
        rig_await_connected(&r, "b", false);
        pub = client_connect(&r, MQTT_V5, "pub");
        publish_numbers(&pub, 0, 20, 1);
        publish_numbers(&pub, 0, 5, 0); /* QoS 0 does not wait */
        b = client_dial(&r, MQTT_V5);
        assert_true(client_hello(&b, &pk).session_present);
        for (unsigned i = 0; i < 20; i++) { /* in order, although its window is small */
            char payload[16];

            snprintf(payload, sizeof(payload), "%u", i);
            client_expect_publish(&b, "t/1", payload, 1);
        }
        client_expect_nothing(&b);
        client_close(&b);
        client_close(&pub);
        rig_stop(&r);
    }
}

/* As with a session: nobody is owed QoS 0 while he is away, nor anything after the end. */
static void what_nobody_was_owed_is_not_counted(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        struct mqtt_packet pk = lasting("a", 1000);
        struct client pub, a;
        struct metric *groups;
        int64_t end;
        struct rig r;

        rig_init(&r);
        rig_start(&r, workers);
        groups = metrics_gauge(r.metrics, "wayside_mqtt_shared_subscriptions", NULL,
                               "MQTT shared subscriptions, groups of members");
        a = member(&r, "a", 1000, 1);
        assert_int_equal(metric_value(groups), 1);
        client_close(&a);
        rig_await_connected(&r, "a", false);
        pub = client_connect(&r, MQTT_V5, "pub");
        publish_numbers(&pub, 0, 5, 0);
        publish_numbers(&pub, 5, 8, 1);
        a = client_dial(&r, MQTT_V5);
        pk.connect.props.session_expiry_s = 0;
        assert_true(client_hello(&a, &pk).session_present);
        for (int i = 0; i < 3; i++)
            client_expect(&a, MQTT_PUBLISH); /* not acknowledged */
        client_close(&a);                    /* the session ends, and the group with it */
        for (end = now_ms() + RIG_WAIT_MS; metric_value(groups) > 0;)
            assert_true(now_ms() < end);
        client_expect_nothing(&pub);
        assert_int_equal(rig_dropped(&r, "slow"), 0);
        assert_int_equal(rig_dropped(&r, "queue"), 0);
        client_close(&pub);
        rig_stop(&r);
    }
}

/* MQTT-4.8.2-4 and -5: what was begun with one client is ended with it. */
static void qos_2_stays_with_its_client(void **state)
{
    struct mqtt_packet pk = lasting("a", 10);
    struct mqtt_publish p;
    struct client pub, a, b;
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    a = member(&r, "a", 10, 2);
    pub = client_connect(&r, MQTT_V5, "pub");
    publish_numbers(&pub, 0, 1, 2);
    client_expect(&a, MQTT_PUBLISH);
    b = member(&r, "b", 10, 2);
    client_close(&a);
    rig_await_connected(&r, "a", false);
    publish_numbers(&pub, 1, 2, 2);
    client_expect_publish(&b, "t/1", "1", 2);
    client_expect_nothing(&b);
    a = client_dial(&r, MQTT_V5);
    assert_true(client_hello(&a, &pk).session_present);
    p = client_expect_publish(&a, "t/1", "0", 2);
    assert_true(p.dup);
    client_close(&a);
    client_close(&b);
    client_close(&pub);
    rig_stop(&r);
}

static void a_refusal_is_final(void **state) /* MQTT-4.8.2-6 */
{
    struct mqtt_packet nack = { .type = MQTT_PUBACK };
    struct client pub, a, b;
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    a = member(&r, "a", 10, 1);
    pub = client_connect(&r, MQTT_V5, "pub");
    publish_numbers(&pub, 0, 1, 1);
    nack.ack.packet_id = client_expect(&a, MQTT_PUBLISH).publish.packet_id;
    nack.ack.code = MQTT_REASON_UNSPECIFIED;
    b = member(&r, "b", 10, 1);
    client_send(&a, &nack);
    client_expect_nothing(&a);
    client_close(&a);
    rig_await_connected(&r, "a", false);
    publish_numbers(&pub, 1, 2, 1);
    client_expect_publish(&b, "t/1", "1", 1);
    client_close(&b);
    client_close(&pub);
    rig_stop(&r);
}

static void options_hold(void **state)
{
    struct mqtt_sub sub = {
        .filter = STR("$share/g/t/+"), .qos = 1, .retain_as_published = true, .retain_handling = 0
    };
    struct client pub, c, old;
    struct mqtt_publish p;
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    pub = client_connect(&r, MQTT_V5, "pub");
    client_publish(&pub, "t/1", "kept", 1, true);
    c = client_connect(&r, MQTT_V5, "c");
    assert_int_equal(client_subscribe_with(&c, &sub, 42), 1);
    client_expect_nothing(&c); /* no retained messages */
    client_publish(&pub, "t/1", "live", 2, true);
    p = client_expect(&c, MQTT_PUBLISH).publish;
    assert_int_equal(p.qos, 1);
    assert_true(p.retain);
    assert_int_equal(p.props.subscription_id, 42);
    client_answer(&c, &p);
    sub.qos = 0;
    sub.retain_as_published = false;
    assert_int_equal(client_subscribe_with(&c, &sub, 0), 0); /* again, with other options */
    client_publish(&pub, "t/1", "later", 1, true);
    p = client_expect_publish(&c, "t/1", "later", 0);
    assert_false(p.retain);
    assert_false(p.props.has & MQTT_HAS(SUBSCRIPTION_ID));
    old = client_connect(&r, MQTT_V311, "old"); /* a client of 3.1.1 may be a member */
    assert_int_equal(client_subscribe(&old, "$share/h/t/+", 1), 1);
    client_publish(&pub, "t/1", "x", 1, false);
    client_expect_publish(&old, "t/1", "x", 1);
    assert_int_equal(client_subscribe(&old, "$share//t", 1), 0x80);
    client_close(&old);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

/* Many more than the credit of one telling. */
static void a_member_of_qos_0_is_not_used_up(void **state)
{
    (void)state;
    for (unsigned workers = 1; workers <= 2; workers++) {
        bool got[300] = { false };
        struct client pub, c;
        struct rig r;

        rig_init(&r);
        rig_start(&r, workers);
        c = member(&r, "zero", 10, 0);
        pub = client_connect(&r, MQTT_V5, "pub");
        publish_numbers(&pub, 0, 300, 1);
        collect(&c, got, 300, true);
        client_close(&c);
        client_close(&pub);
        rig_stop(&r);
    }
}

static void unsubscribe(struct client *c, const char *filter, uint8_t code)
{
    struct mqtt_packet pk = { .type = MQTT_UNSUBSCRIBE,
                              .subscribe = { .packet_id = 9, .count = 1 } };
    struct buf list = buf_init(1000);

    mqtt_unsub_put(&list, str_of(filter));
    pk.subscribe.list = buf_str(&list);
    client_send(c, &pk);
    assert_int_equal((uint8_t)client_expect(c, MQTT_UNSUBACK).suback.codes.p[0], code);
    buf_fini(&list);
}

static void members_leave(void **state)
{
    struct mqtt_packet pk = connect_packet(MQTT_V5, "b");
    struct client pub, a, b;
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, 3);
    a = member(&r, "a", 10, 1);
    b = member(&r, "b", 10, 1);
    assert_int_equal(rig_session(&r, "a").info.subscriptions, 1);
    unsubscribe(&a, "$share/g/t/+", 0);
    unsubscribe(&a, "$share/g/t/+", MQTT_REASON_NO_SUBSCRIPTION);
    assert_int_equal(rig_session(&r, "a").info.subscriptions, 0);
    pub = client_connect(&r, MQTT_V5, "pub");
    publish_numbers(&pub, 0, 2, 1);
    client_expect_publish(&b, "t/1", "0", 1);
    client_expect_publish(&b, "t/1", "1", 1);
    client_expect_nothing(&a);
    client_close(&b);
    b = client_dial(&r, MQTT_V5); /* anew: the session and its membership are over */
    assert_false(client_hello(&b, &pk).session_present);
    publish_numbers(&pub, 2, 3, 1);
    client_expect_nothing(&b);
    assert_int_equal(client_subscribe(&b, "$share/g/t/+", 1), 1);
    publish_numbers(&pub, 3, 4, 1);
    client_expect_publish(&b, "t/1", "3", 1); /* what came between was nobody's */
    client_close(&a);
    client_close(&b);
    client_close(&pub);
    rig_stop(&r);
}

/* A member's session goes from worker to worker while messages come: each is delivered, and again only
 * when it was not acknowledged. */
static void a_moving_member_loses_nothing(void **state)
{
    enum { ROUNDS = 40, EACH = 5 };
    bool got[ROUNDS * EACH] = { false };
    struct mqtt_packet pk = lasting("mover", 4);
    struct client pub, c;
    unsigned count = 0;
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, 3);
    c = member(&r, "mover", 4, 1);
    pub = client_connect(&r, MQTT_V5, "pub");
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct client next;

        publish_numbers(&pub, i * EACH, (i + 1) * EACH, 1);
        next = client_dial(&r, MQTT_V5);
        assert_true(client_hello(&next, &pk).session_present);
        client_close(&c);
        c = next;
        count += collect(&c, got, 2, true);
        settle(&c);
    }
    pk.connect.props.receive_max = 4;
    {
        struct client next = client_dial(&r, MQTT_V5);

        assert_true(client_hello(&next, &pk).session_present);
        client_close(&c);
        c = next;
    }
    while (count < ROUNDS * EACH)
        count += collect(&c, got, 1, true);
    client_expect_nothing(&c);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

/* Each is a queue and a copy of its own. What a session has may be subscribed again. */
static void memberships_are_bounded(void **state)
{
    static const char *const names[] = { "$share/a/t", "$share/b/t", "$share/c/t" };
    struct rig r;

    (void)state;
    rig_init(&r);
    r.limits.mqtt_shared_subscriptions_max = 2;
    rig_start(&r, 2);
    for (enum mqtt_version v = MQTT_V311; v <= MQTT_V5; v++) {
        struct mqtt_packet pk = { .type = MQTT_SUBSCRIBE, .subscribe = { .packet_id = 7 } };
        char no = (char)(v == MQTT_V5 ? MQTT_REASON_QUOTA : 0x80);
        struct buf list = buf_init(1000);
        struct client c = client_connect(&r, v, "c");
        struct str codes;

        assert_int_equal(client_subscribe(&c, names[0], 1), 1);
        for (unsigned i = 0; i < 3; i++) /* in one packet: only the second is news that fits */
            mqtt_sub_put(&list, &(struct mqtt_sub){ .filter = str_of(names[i]), .qos = 2 });
        pk.subscribe.list = buf_str(&list);
        pk.subscribe.count = 3;
        client_send(&c, &pk);
        codes = client_expect(&c, MQTT_SUBACK).suback.codes;
        assert_int_equal(codes.n, 3);
        assert_true(codes.p[0] == 2 && codes.p[1] == 2 && codes.p[2] == no);
        assert_int_equal(client_subscribe(&c, names[2], 1), (uint8_t)no);
        assert_int_equal(client_subscribe(&c, names[1], 1), 1);
        assert_int_equal(client_subscribe(&c, "t", 1), 1); /* others are others */
        if (v == MQTT_V5) {
            unsubscribe(&c, names[0], MQTT_REASON_SUCCESS);
            assert_int_equal(client_subscribe(&c, names[2], 1), 1);
        }
        client_close(&c);
        buf_fini(&list);
    }
    rig_stop(&r);
}

struct offered {
    struct rig *r;
    uint32_t waiting, stalled;
};

static void on_shares(void *ctx, struct loop *l)
{
    struct offered *o = ctx;
    struct part *p = part_of(o->r->broker, l);
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(&p->shares, &at))) {
        const struct share *sh = e->value;

        o->waiting = sh->waiting;
        for (uint32_t i = 0; i < sh->count; i++)
            o->stalled += sh->members[i].credit == 0;
    }
}

/* What is decided behind a stop waits for the next start, or for nobody. */
static void nobody_is_offered_anything_at_a_stop(void **state)
{
    struct client c[MEMBERS * 2];
    struct offered o = { 0 };
    struct blob *b;
    struct rig r;

    (void)state;
    rig_init(&r);
    r.stop_ms = 1;
    rig_start(&r, 3);
    for (unsigned i = 0; i < COUNT_OF(c); i++) {
        char id[8];

        snprintf(id, sizeof(id), "m%u", i);
        c[i] = member(&r, id, 10, 1);
        client_expect_nothing(&c[i]);
    }
    broker_stop(r.broker, 1);
    b = blob_new(STR("late"));
    assert_int_equal(broker_post(r.broker, STR("t/1"), b, 1, 0), 0);
    blob_unref(b);
    o.r = &r;
    for (unsigned i = 0; i < 4 * COUNT_OF(c) && o.waiting == 0; i++) {
        o.stalled = 0;
        workers_each(r.workers, on_shares, &o);
    }
    assert_int_equal(o.waiting, 1);
    assert_int_equal(o.stalled, 0);
    for (unsigned i = 0; i < COUNT_OF(c); i++)
        client_close(&c[i]);
    rig_stop(&r);
}

RUN(TEST(each_message_goes_to_one_and_turns_are_fair),
    TEST(an_absent_or_stalled_member_gets_nothing), TEST(without_anybody_connected_it_waits),
    TEST(what_nobody_was_owed_is_not_counted), TEST(qos_2_stays_with_its_client),
    TEST(a_refusal_is_final), TEST(a_member_of_qos_0_is_not_used_up), TEST(options_hold),
    TEST(members_leave), TEST(a_moving_member_loses_nothing), TEST(memberships_are_bounded),
    TEST(nobody_is_offered_anything_at_a_stop))
