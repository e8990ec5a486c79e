/*
 * A broker whose disk is copied while it runs, as a crash would leave it, and another that begins on
 * the copy: what was acknowledged is there, once where that was promised. In raw packets.
 */
#include "persist_site.h"

/* ---- one thing at a time, with and without a round between ---- */

/* These payloads come, each answered in full. */
static void expect_in_order(struct client *c, const char *const *payloads, size_t n, bool dup)
{
    unsigned unreleased = 0;
    struct mqtt_packet pk;

    for (size_t i = 0; i < n || unreleased > 0;) {
        struct mqtt_packet reply = { .type = MQTT_PUBACK };

        assert_int_equal(client_read(c, &pk, RIG_WAIT_MS), 1);
        reply.ack.packet_id = pk.ack.packet_id;
        if (pk.type == MQTT_PUBREL) {
            unreleased--;
            reply.type = MQTT_PUBCOMP;
        } else {
            assert_int_equal(pk.type, MQTT_PUBLISH);
            assert_true(i < n && str_eq(pk.publish.payload, str_of(payloads[i])));
            assert_int_equal(pk.publish.dup, dup);
            i++;
            reply.ack.packet_id = pk.publish.packet_id;
            if (pk.publish.qos == 2) {
                reply.type = MQTT_PUBREC;
                unreleased++;
            }
        }
        client_send(c, &reply);
    }
}

static void short_queues(struct limits *l)
{
    l->mqtt_queue_max_messages = 3;
}

/* What did not fit into a queue is not in it after a restart either, which has room for what comes then. */
static void what_was_dropped_stays_away(void **state)
{
    static const char *const first[] = { "0", "1", "2" };

    (void)state;
    for (int round = 0; round < 2; round++) {
        struct client pub, c;
        struct site x;
        char payload[2] = "0";

        site_init(&x, 1);
        x.tune = short_queues;
        again(&x, false);
        c = back(&x, "sub", false);
        client_subscribe(&c, "q", 1);
        client_close(&c);
        rig_await_connected(&x.r, "sub", false);
        pub = client_connect(&x.r, MQTT_V5, "pub");
        for (; payload[0] < '8'; payload[0]++)
            assert_int_equal(client_publish(&pub, "q", payload, 1, false), 0);
        client_close(&pub);
        journal_settle(x.journal); /* nobody waits for that word */
        again(&x, round != 0);
        again(&x, false);
        c = back(&x, "sub", true);
        expect_in_order(&c, first, COUNT_OF(first), false);
        client_expect_nothing(&c);
        client_close(&c);
        site_fini(&x);
    }
}

static void queue_test(struct site *x, bool round)
{
    static const char *const all[] = { "one", "two", "three" };
    struct client pub = client_connect(&x->r, MQTT_V311, "pub"), c = back(x, "sub", false);

    assert_int_equal(client_subscribe(&c, "q/+", 2), 2);
    client_close(&c);
    rig_await_connected(&x->r, "sub", false);
    client_publish(&pub, "q/1", "one", 1, false);
    client_publish(&pub, "q/2", "two", 2, false);
    client_publish(&pub, "q/1", "three", 1, false);
    client_publish(&pub, "other", "not this", 1, false);
    client_close(&pub);
    again(x, round);
    again(x, round);
    c = back(x, "sub", true);
    expect_in_order(&c, all, COUNT_OF(all), false); /* it was away: none is a repetition */
    client_expect_nothing(&c);                      /* its answers were handled */
    client_close(&c);
    again(x, round);
    c = back(x, "sub", true);
    client_expect_nothing(&c); /* all was answered */
    pub = client_connect(&x->r, MQTT_V311, "pub");
    client_publish(&pub, "q/9", "later", 1, false); /* its subscription is there */
    client_expect_publish(&c, "q/9", "later", 1);
    client_close(&pub);
    client_close(&c);
}

static void what_is_queued_is_there_again(void **state)
{
    (void)state;
    each_way(queue_test);
}

static void subscriptions_test(struct site *x, bool round)
{
    struct mqtt_packet un = { .type = MQTT_UNSUBSCRIBE,
                              .subscribe = { .packet_id = 9, .count = 1 } };
    struct client c = back(x, "sub", false), pub;
    struct mqtt_sub sub = { .filter = STR("a/+"), .qos = 1, .no_local = true };
    struct buf list = buf_init(1000);
    struct mqtt_publish p;

    client_subscribe_with(&c, &sub, 42);
    client_subscribe(&c, "b/#", 1);
    client_subscribe(&c, "$share/g/c", 1);
    mqtt_unsub_put(&list, STR("b/#"));
    un.subscribe.list = buf_str(&list);
    client_send(&c, &un);
    client_expect(&c, MQTT_UNSUBACK);
    buf_fini(&list);
    again(x, round);
    client_close(&c);
    assert_int_equal(rig_session(&x->r, "sub").info.subscriptions, 2);
    c = back(x, "sub", true);
    client_publish(&c, "a/1", "own", 1, false);
    pub = client_connect(&x->r, MQTT_V5, "pub");
    client_publish(&pub, "b/1", "none", 1, false);
    client_publish(&pub, "c", "shared", 1, false);
    client_expect_publish(&c, "c", "shared", 1);
    client_publish(&pub, "a/1", "other", 1, false);
    p = client_expect_publish(&c, "a/1", "other", 1);
    assert_int_equal(p.props.subscription_id, 42);
    client_close(&pub);
    client_close(&c);
}

static void subscriptions_are_there_again(void **state)
{
    (void)state;
    each_way(subscriptions_test);
}

/* MQTT-4.3.3: the id of a message that is in flight is the same after a restart, and nothing comes twice. */
static void qos2_out_test(struct site *x, bool round)
{
    struct mqtt_packet rec = { .type = MQTT_PUBREC }, comp = { .type = MQTT_PUBCOMP };
    struct client pub = client_connect(&x->r, MQTT_V5, "pub"), c = back(x, "sub", false);
    struct mqtt_publish p;
    uint16_t one, two;

    client_subscribe(&c, "t", 2);
    client_publish(&pub, "t", "one", 2, false);
    one = client_expect(&c, MQTT_PUBLISH).publish.packet_id;
    client_publish(&pub, "t", "two", 2, false);
    two = client_expect(&c, MQTT_PUBLISH).publish.packet_id;
    again(x, round);
    client_close(&c);
    client_close(&pub);
    c = back(x, "sub", true);
    p = client_expect(&c, MQTT_PUBLISH).publish;
    assert_true(p.dup && p.packet_id == one && str_eq(p.payload, STR("one")));
    p = client_expect(&c, MQTT_PUBLISH).publish;
    assert_true(p.dup && p.packet_id == two && str_eq(p.payload, STR("two")));
    rec.ack.packet_id = two;
    client_send(&c, &rec);
    assert_int_equal(client_expect(&c, MQTT_PUBREL).ack.packet_id, two);
    again(x, round);
    client_close(&c);
    c = back(x, "sub", true);
    p = client_expect(&c, MQTT_PUBLISH).publish;
    assert_true(p.dup && p.packet_id == one);
    assert_int_equal(client_expect(&c, MQTT_PUBREL).ack.packet_id, two); /* not the message again */
    comp.ack.packet_id = two;
    client_send(&c, &comp);
    client_answer(&c, &p);
    client_expect_nothing(&c);
    again(x, round);
    client_close(&c);
    c = back(x, "sub", true);
    client_expect_nothing(&c);
    pub = client_connect(&x->r, MQTT_V5, "pub");
    client_publish(&pub, "t", "three", 2, false);
    p = client_expect_publish(&c, "t", "three", 2);
    assert_false(p.dup);
    client_close(&pub);
    client_close(&c);
}

static void qos_2_goes_on_to_a_subscriber(void **state)
{
    (void)state;
    each_way(qos2_out_test);
}

static void qos2_in_test(struct site *x, bool round)
{
    struct mqtt_packet pk = publish_packet("t", "once", 2, false, 7), rel = { .type = MQTT_PUBREL };
    struct client c = back(x, "pub", false), sub = back(x, "sub", false);

    client_subscribe(&sub, "t", 1);
    client_close(&sub);
    client_send(&c, &pk);
    assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
    again(x, round);
    client_close(&c);
    c = back(x, "pub", true);
    pk.publish.dup = true; /* as if the PUBREC had been lost */
    client_send(&c, &pk);
    assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
    rel.ack.packet_id = 7;
    client_send(&c, &rel);
    assert_int_equal(client_expect(&c, MQTT_PUBCOMP).ack.code, 0);
    again(x, round);
    client_close(&c);
    c = back(x, "pub", true);
    client_send(&c, &rel); /* as if the PUBCOMP had been lost */
    assert_int_equal(client_expect(&c, MQTT_PUBCOMP).ack.code, MQTT_REASON_NO_PACKET_ID);
    pk.publish.dup = false; /* the id is free: another message */
    pk.publish.payload = STR("second");
    client_send(&c, &pk);
    assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
    sub = back(x, "sub", true);
    client_expect_publish(&sub, "t", "once", 1);
    client_expect_publish(&sub, "t", "second", 1);
    client_expect_nothing(&sub);
    client_close(&sub);
    client_close(&c);
}

static void qos_2_of_a_publisher_is_taken_once(void **state)
{
    (void)state;
    each_way(qos2_in_test);
}

static void retained_test(struct site *x, bool round)
{
    struct client pub = client_connect(&x->r, MQTT_V5, "pub"), c;
    struct mqtt_publish p;

    client_publish(&pub, "r/1", "old", 1, true);
    client_publish(&pub, "r/1", "new", 1, true);
    client_publish(&pub, "r/2", "gone", 2, true);
    client_publish(&pub, "r/2", "", 1, true);
    client_publish(&pub, "r/3", "zero", 0, true);
    client_publish(&pub, "r/4", "four", 2, true);
    client_close(&pub);
    again(x, round);
    again(x, round);
    c = client_connect(&x->r, MQTT_V5, "c");
    client_subscribe(&c, "r/1", 1);
    p = client_expect_publish(&c, "r/1", "new", 1);
    assert_true(p.retain);
    client_subscribe(&c, "r/2", 1);
    client_subscribe(&c, "r/3", 1);
    client_expect_publish(&c, "r/3", "zero", 0);
    client_publish(&c, "r/4", "newer", 1, true); /* what comes now is newer than what was */
    client_subscribe(&c, "r/4", 0);
    client_expect_publish(&c, "r/4", "newer", 0);
    client_expect_nothing(&c);
    client_close(&c);
}

static void retained_messages_are_there_again(void **state)
{
    (void)state;
    each_way(retained_test);
}

static void on_expiry(void *ctx, struct loop *l)
{
    struct site *x = ctx;
    struct holding *h = map_get(&part_of(x->r.broker, l)->holdings, str_of(x->want));

    if (h)
        x->expiry_s = h->s->expiry_s;
}

static void ends_test(struct site *x, bool round)
{
    struct mqtt_packet bye = { .type = MQTT_DISCONNECT }, pk;
    struct client c = back(x, "clean", false), d = back(x, "short", false);
    struct client old = client_dial(&x->r, MQTT_V311), e = back(x, "longer", false);

    bye.reasoned.props.has = MQTT_HAS(SESSION_EXPIRY);
    bye.reasoned.props.session_expiry_s = 5000;
    client_send(&e, &bye);
    client_expect_end(&e);
    client_close(&e);
    bye.reasoned.props.session_expiry_s = 0;
    client_subscribe(&c, "t", 1);
    client_close(&c);
    c = client_connect(&x->r, MQTT_V5, "clean"); /* anew, and not to last */
    client_subscribe(&d, "t", 1);
    bye.reasoned.props.has =
        MQTT_HAS(SESSION_EXPIRY); /* over with its connection, it says at the end */
    client_send(&d, &bye);
    client_expect_end(&d);
    client_close(&d);
    pk = connect_packet(MQTT_V311, "old"); /* 3.1.1 without a clean session lasts */
    pk.connect.clean_start = false;
    client_hello(&old, &pk);
    client_subscribe(&old, "t", 1);
    again(x, round);
    client_close(&c);
    client_close(&old);
    assert_false(rig_session(&x->r, "clean").found);
    assert_false(rig_session(&x->r, "short").found);
    assert_true(rig_session(&x->r, "old").found);
    x->want = "longer";
    workers_each(x->r.workers, on_expiry, x);
    assert_int_equal(x->expiry_s, 5000);
    c = back(x, "clean", false);
    client_close(&c);
    old = client_dial(&x->r, MQTT_V311);
    assert_true(client_hello(&old, &pk).session_present);
    client_close(&old);
}

static void what_is_over_stays_over(void **state)
{
    (void)state;
    each_way(ends_test);
}

/* Answers that wait for the disk behind each other, of a connection that ends meanwhile: the next one of its
 * session is not kept waiting. */
static void what_is_left_unanswered_holds_nobody_up(void **state)
{
    struct mqtt_packet pk = publish_packet("t", "x", 2, false, 3), rel = { .type = MQTT_PUBREL };
    struct site x;

    (void)state;
    site_init(&x, 2);
    rel.ack.packet_id = 3;
    for (int i = 0; i < 50; i++) {
        struct client c = back(&x, "pub", i > 0);
        struct buf both = buf_init(10000);

        pk.publish.packet_id = 3;
        client_send(&c, &pk);
        assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
        pk.publish.packet_id = 4;
        mqtt_encode(&rel, MQTT_V5, &both);
        mqtt_encode(&pk, MQTT_V5, &both);
        client_send_bytes(&c, buf_str(&both));
        buf_fini(&both);
        client_close(&c); /* with both under way */
        c = back(&x, "pub", true);
        rel.ack.packet_id = 4;
        client_send(&c, &rel); /* it may have arrived */
        client_expect(&c, MQTT_PUBCOMP);
        rel.ack.packet_id = 3;
        client_send(&c, &rel);
        client_expect(&c, MQTT_PUBCOMP);
        client_close(&c);
    }
    site_fini(&x);
}

static void hardly_any(struct limits *l)
{
    l->mqtt_sessions_max = l->mqtt_retained_max = 2;
}

/* The limits are for what is new, whatever the shards that the names fall into this time. */
static void a_start_takes_all_that_is_there(void **state)
{
    enum { COUNT = 30 };
    char name[16];
    struct mqtt_packet pk = lasting("another");
    struct client c;
    struct site x;

    (void)state;
    site_init(&x, 3);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "c/%d", i);
        c = back(&x, name, false);
        client_publish(&c, name, "kept", 1, true);
        client_close(&c);
    }
    x.tune = hardly_any;
    again(&x, false);
    again(&x, true);
    again(&x, false);
    c = client_dial(&x.r, MQTT_V5);
    assert_int_equal(client_hello(&c, &pk).code, MQTT_REASON_QUOTA);
    client_close(&c);
    for (int i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "c/%d", i);
        c = back(&x, name, true);
        client_subscribe(&c, name, 1);
        client_expect_publish(&c, name, "kept", 1);
        client_close(&c);
    }
    site_fini(&x);
}

/* ---- wills ---- */

/* Its will goes to w/ID and says its id. */
static struct client with_will(struct site *x, const char *id, uint32_t delay_s, bool retain,
                               uint32_t expiry_s)
{
    struct mqtt_packet pk = lasting(id);
    struct client c = client_dial(&x->r, MQTT_V5);
    char topic[16];

    snprintf(topic, sizeof(topic), "w/%s", id);
    pk.connect.props.session_expiry_s = expiry_s;
    pk.connect.has_will = true;
    pk.connect.will = (struct mqtt_will){
        .topic = str_of(topic), .payload = str_of(id), .qos = 1, .retain = retain
    };
    pk.connect.will.props.has = MQTT_HAS(WILL_DELAY);
    pk.connect.will.props.will_delay_s = delay_s;
    assert_int_equal(client_hello(&c, &pk).code, 0);
    return c;
}

static void disconnect(struct client *c)
{
    struct mqtt_packet bye = { .type = MQTT_DISCONNECT };

    client_send(c, &bye);
    client_expect_end(c);
    client_close(c);
}

/* In either order: they may come from two workers. */
static void expect_both(struct client *c, const char *one, const char *other)
{
    for (int i = 0; i < 2; i++) {
        struct mqtt_publish p = client_expect(c, MQTT_PUBLISH).publish;
        bool is_one = str_eq(p.payload, str_of(one));

        assert_true(!p.dup && (is_one || str_eq(p.payload, str_of(other))));
        client_answer(c, &p);
        if (is_one)
            one = "not again";
        else
            other = "not again";
    }
}

/* MQTT 5, 3.1.2.5: of those who were there and did not say that they go, now or their delay later, unless
 * they come back before. */
static void wills_test(struct site *x, bool round)
{
    struct client watch = back(x, "watch", false), there, bye, late, gone, changed, left;
    struct client over = back(x, "over", false);

    client_subscribe(&watch, "w/#", 1);
    there = with_will(x, "there", 0, true, 1000);
    bye = with_will(x, "bye", 0, false, 1000);
    disconnect(&bye);
    late = with_will(x, "late", 1, false, 1000);
    gone = with_will(x, "gone", 900, false, 1000);
    client_close(&gone);
    left = with_will(x, "left", 900, false, 1000);
    client_close(&left);
    client_close(&over);
    over = with_will(x, "over", 900, false,
                     0); /* it is to end with its connection, and its will comes */
    changed = with_will(x, "changed", 900, false, 1000);
    client_close(&changed);
    rig_await_connected(&x->r, "left", false);
    rig_await_connected(&x->r, "gone", false);
    changed = back(x, "changed", true); /* without one */
    again(x, round);
    client_close(&there);
    client_close(&late);
    client_close(&changed);
    client_close(&watch);
    client_close(&over);
    over = back(x, "over", false);
    client_close(&over);
    watch = back(x, "watch", true);
    expect_both(&watch, "there", "over");
    client_expect_publish(&watch, "w/late", "late", 1);
    assert_true(rig_session(&x->r, "left").info.will && rig_session(&x->r, "gone").info.will);
    assert_false(rig_session(&x->r, "bye").info.will || rig_session(&x->r, "changed").info.will);
    gone = back(x, "gone", true);
    assert_false(rig_session(&x->r, "gone").info.will);
    again(x, round); /* each comes once */
    client_close(&watch);
    client_close(&gone);
    watch = back(x, "watch", true);
    client_expect_nothing(&watch);
    assert_false(rig_session(&x->r, "there").info.will || rig_session(&x->r, "late").info.will ||
                 rig_session(&x->r, "gone").info.will);
    client_subscribe(&watch, "w/there", 1);
    client_expect_publish(&watch, "w/there", "there", 1); /* retained */
    client_close(&watch);
    there = with_will(x, "there", 0, false, 1000);
    end(x); /* orderly: those who are there need none, whose delay runs still do */
    begin(x);
    client_close(&there);
    assert_true(rig_session(&x->r, "left").info.will);
    assert_false(rig_session(&x->r, "there").info.will);
    watch = back(x, "watch", true);
    client_expect_nothing(&watch);
    client_close(&watch);
}

static void wills_outlive_the_broker(void **state)
{
    (void)state;
    each_way(wills_test);
}

/* ---- with one who ingests ---- */

/* What was taken and goes to nobody here is not taken again, since its id is known. */
static void what_is_ingested_is_taken_once(void **state)
{
    struct mqtt_packet pk = publish_packet("rec/1", "x", 2, false, 3),
                       rel = { .type = MQTT_PUBREL };
    struct taker taker = { 0 };
    struct client c;

    (void)state;
    for (int round = 0; round < 2; round++) {
        struct site x;

        site_init(&x, 1);
        x.taker = &taker;
        cell_set(&taker.asked, 0);
        again(&x, false);
        c = back(&x, "pub", false);
        client_send(&c, &pk);
        assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
        again(&x, round != 0);
        client_close(&c);
        c = back(&x, "pub", true);
        client_send(&c, &pk);
        assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
        assert_int_equal(cell_get(&taker.asked), 1);
        rel.ack.packet_id = 3;
        client_send(&c, &rel);
        client_expect(&c, MQTT_PUBCOMP);
        client_send(&c, &pk); /* another one */
        client_expect(&c, MQTT_PUBREC);
        assert_int_equal(cell_get(&taker.asked), 2);
        client_close(&c);
        site_fini(&x);
    }
}

/* Who is refused since the log has no room was not taken by anybody else either. */
static void a_full_log_refuses_the_whole(void **state)
{
    int64_t limit = now_ms() + RIG_WAIT_MS;
    struct taker taker = { 0 };
    struct site x;
    struct client c, sub;
    uint8_t code;

    (void)state;
    site_init(&x, 1);
    x.taker = &taker;
    again(&x, false);
    sub = back(&x, "sub", false);
    client_subscribe(&sub, "#", 1);
    client_close(&sub);
    c = client_connect(&x.r, MQTT_V5, "pub");
    do { /* the broker looks itself now and then */
        assert_true(now_ms() < limit);
        cell_set(&taker.asked, 0);
        cell_set(&x.r.broker->log_may, 0);
        cell_set(&x.r.broker->log_full, 1);
        code = client_publish(&c, "rec/1", "x", 1, false);
    } while (code == 0);
    assert_int_equal(code, MQTT_REASON_QUOTA);
    assert_int_equal(cell_get(&taker.asked), 0);
    while ((code = client_publish(&c, "rec/1", "x", 1, false)) != 0)
        assert_true(now_ms() < limit && code == MQTT_REASON_QUOTA);
    client_close(&c);
    site_fini(&x);
}

/* ---- how much an acknowledgement says ---- */

/* A client of the listener with that durability. */
static struct client by(struct site *x, enum broker_durability how, const char *id, bool present)
{
    struct rig other = x->r;
    struct mqtt_packet pk = lasting(id);
    struct mqtt_connack ack;
    struct client c;

    other.addr = x->addrs[how];
    c = client_dial(&other, MQTT_V5);
    ack = client_hello(&c, &pk);
    assert_int_equal(ack.code, 0);
    assert_int_equal(ack.session_present, present);
    return c;
}

/* How many operations were flushed; all that nobody waits for is written, if not flushed. */
static uint64_t flushed(const struct site *x)
{
    journal_settle(x->journal);
    return journal_head(x->journal);
}

/* Written, not flushed, and there after a kill: what is published by a listener or on a topic with
 * interval, its session's steps, and nothing of it with memory. */
static void listeners_and_topics_test(struct site *x, bool round)
{
    static const char *const payloads[] = { "one", "two", "three", "seven" };
    struct client commit = by(x, BROKER_COMMIT, "commit", false), c, memory, later;
    uint64_t head;

    client_subscribe(&commit, "#", 2);
    head = flushed(x);
    c = by(x, BROKER_INTERVAL, "interval", false);
    client_subscribe(&c, "nothing", 2);
    memory = by(x, BROKER_MEMORY, "memory", false);
    client_subscribe(&memory, "nothing", 1);
    client_close(&commit);
    rig_await_connected(&x->r, "commit", false);
    client_publish(&c, "own/1", "one", 1, false);
    client_publish(&c, "interval/2", "two", 2, false);
    client_publish(&memory, "interval/3", "three", 1, true);
    client_publish(&memory, "own/4", "four", 1, false);
    client_publish(&c, "memory/5", "five", 2, false);
    client_publish(&c, "memory/never/this", "six", 1, true);
    assert_int_equal(flushed(x), head);
    client_publish(&memory, "commit/7", "seven", 1, false);
    assert_true(flushed(x) > head); /* and so is all before it */
    client_close(&c);
    client_close(&memory);
    assert_int_equal(rig_session(&x->r, "commit").info.queued, 7);
    again(x, round);
    assert_int_equal(rig_session(&x->r, "commit").info.queued, 4);
    assert_false(rig_session(&x->r, "memory").found);
    commit = by(x, BROKER_COMMIT, "commit", true);
    expect_in_order(&commit, payloads, COUNT_OF(payloads), false);
    client_expect_nothing(&commit);
    client_close(&commit);
    c = by(x, BROKER_INTERVAL, "interval", true);
    client_close(&c);
    later = client_connect(&x->r, MQTT_V5, "later");
    client_subscribe(&later, "+/#", 1);
    client_expect_publish(&later, "interval/3", "three", 1);
    client_expect_nothing(&later);
    client_close(&later);
}

static void listeners_and_topics_say_how_much(void **state)
{
    (void)state;
    each_way(listeners_and_topics_test);
}

/* What is not written does not overtake what is being written, nor what is written later. */
static void order_holds_between_them(void **state)
{
    static const char *const topic[] = { "commit/t", "memory/t", "interval/t", "memory/t" };
    struct client c, sub;
    struct site x;

    (void)state;
    site_init(&x, 3);
    sub = by(&x, BROKER_COMMIT, "sub", false);
    client_subscribe(&sub, "#", 1);
    c = by(&x, BROKER_COMMIT, "c", false);
    for (unsigned i = 0; i < 90; i++) {
        char payload[16];
        struct mqtt_packet pk;

        snprintf(payload, sizeof(payload), "%u", i);
        pk = publish_packet(topic[i % 4], payload, 1, false, (uint16_t)(i + 1));
        client_send(&c, &pk);
    }
    for (unsigned i = 0; i < 90; i++) {
        struct mqtt_publish p = client_expect(&sub, MQTT_PUBLISH).publish;
        uint64_t number;

        assert_int_equal(str_to_u64(p.payload, &number), 0);
        assert_int_equal(number, i);
        client_answer(&sub, &p);
    }
    client_close(&sub);
    client_close(&c);
    site_fini(&x);
}

/* ---- at any moment ---- */

struct number_seen {
    unsigned count[2000];
};

static void take(struct client *c, const struct mqtt_packet *pk, struct number_seen *seen,
                 unsigned *qos2)
{
    struct mqtt_packet reply = { .type = MQTT_PUBCOMP, .ack = { .packet_id = pk->ack.packet_id } };
    uint64_t number = 0;

    if (pk->type == MQTT_PUBREL) {
        client_send(c, &reply);
        return;
    }
    assert_int_equal(pk->type, MQTT_PUBLISH);
    assert_int_equal(str_to_u64(pk->publish.payload, &number), 0);
    reply.ack.packet_id = pk->publish.packet_id;
    if (pk->publish.qos == 2) {
        /* A client keeps the ids that it has not released: the same again is not new. */
        if (pk->publish.packet_id != *qos2)
            seen->count[number]++;
        *qos2 = pk->publish.packet_id;
        reply.type = MQTT_PUBREC;
    } else {
        seen->count[number]++;
        reply.type = MQTT_PUBACK;
    }
    client_send(c, &reply);
}

/* Publications are acknowledged while rounds are made and the subscriber comes and goes; the disk is taken
 * in the middle. Each acknowledged one is there, in order. */
static void any_moment(void **state)
{
    enum { CRASHES = 6, EACH = 120 };

    (void)state;
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        struct number_seen *seen = NEW(struct number_seen);
        unsigned number = 0, unused = 0;
        struct client pub, c;
        struct mqtt_packet pk;
        struct site x;

        site_init(&x, workers);
        c = back(&x, "sub", false);
        client_subscribe(&c, "t", 1);
        for (unsigned k = 0; k < CRASHES; k++) {
            pub = client_connect(&x.r, MQTT_V5, "pub");
            for (unsigned i = 0; i < EACH; i++) {
                char payload[16];

                snprintf(payload, sizeof(payload), "%u", number++);
                assert_int_equal(client_publish(&pub, "t", payload, 1, i % 9 == 0), 0);
                if (i % 40 == 20)
                    workers_each(x.r.workers, on_round, x.r.broker);
                if (i % 3 == 0 && client_read(&c, &pk, RIG_WAIT_MS) == 1)
                    take(&c, &pk, seen, &unused);
                if (i % 50 == 30) {
                    client_close(&c);
                    c = back(&x, "sub", true);
                }
            }
            crash(&x);
            client_close(&pub);
            client_close(&c);
            c = back(&x, "sub", true);
        }
        client_send_bytes(&c, MQTT_PINGREQ_BYTES);
        for (bool alive = true;
             alive;) { /* what is left comes in front of the answer, or a window later */
            assert_int_equal(client_read(&c, &pk, RIG_WAIT_MS), 1);
            if (pk.type != MQTT_PINGRESP) {
                take(&c, &pk, seen, &unused);
                continue;
            }
            alive = rig_session(&x.r, "sub").info.queued > 0;
            if (alive)
                client_send_bytes(&c, MQTT_PINGREQ_BYTES);
        }
        for (unsigned i = 0; i < number; i++)
            if (seen->count[i] == 0)
                fail_msg("%u workers: %u of %u was acknowledged and is lost", workers, i, number);
        client_close(&c);
        site_fini(&x);
        mem_free(seen);
    }
}

RUN(TEST(what_was_dropped_stays_away), TEST(what_is_queued_is_there_again),
    TEST(subscriptions_are_there_again), TEST(qos_2_goes_on_to_a_subscriber),
    TEST(qos_2_of_a_publisher_is_taken_once), TEST(retained_messages_are_there_again),
    TEST(what_is_over_stays_over), TEST(what_is_left_unanswered_holds_nobody_up),
    TEST(a_start_takes_all_that_is_there), TEST(wills_outlive_the_broker),
    TEST(what_is_ingested_is_taken_once), TEST(a_full_log_refuses_the_whole),
    TEST(listeners_and_topics_say_how_much), TEST(order_holds_between_them), TEST(any_moment))
