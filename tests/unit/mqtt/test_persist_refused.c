/*
 * A broker whose disk fails, or hangs: what could not be written down is not answered, and is written down when
 * it is asked for again, so that nothing that was answered is lost by a crash later.
 */
#include "persist_site.h"

static void disk(struct site *x, enum site_disk how)
{
    journal_settle(x->journal);
    cell_set(&x->disk, how);
}

/* ---- PUBREL ---- */

static struct mqtt_packet pubrel(uint16_t packet_id)
{
    return (struct mqtt_packet){ .type = MQTT_PUBREL, .ack = { .packet_id = packet_id } };
}

static void release_refused_test(struct site *x, bool round)
{
    struct mqtt_packet pk = publish_packet("t", "one", 2, false, 7), rel = pubrel(7);
    struct client sub = back(x, "sub", false), c = back(x, "pub", false);

    client_subscribe(&sub, "t", 1);
    client_send(&c, &pk);
    assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
    client_expect_publish(&sub, "t", "one", 1);
    client_expect_nothing(&sub); /* its answer was handled */
    disk(x, DISK_FAILS);
    client_send(&c, &rel);
    client_expect_kick(&c, MQTT_REASON_UNSPECIFIED);
    client_close(&c);
    disk(x, DISK_WORKS);
    c = back(x, "pub", true);
    client_send(&c, &rel);
    assert_int_equal(client_expect(&c, MQTT_PUBCOMP).ack.code, 0);
    again(x, round);
    client_close(&c);
    client_close(&sub);
    sub = back(x, "sub", true);
    c = back(x, "pub", true);
    pk.publish.payload = STR("two"); /* its id was free */
    client_send(&c, &pk);
    assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
    client_expect_publish(&sub, "t", "two", 1);
    client_close(&c);
    client_close(&sub);
}

static void an_id_is_free_once_that_is_written_down(void **state)
{
    (void)state;
    each_way(release_refused_test);
}

/* While the first is on its way to the disk, over this connection or the next. */
static void release_again_test(struct site *x, bool round)
{
    struct mqtt_packet pk = publish_packet("t", "one", 2, false, 7), rel = pubrel(7);
    struct client c = back(x, "pub", false), d;

    client_send(&c, &pk);
    assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
    disk(x, DISK_HANGS);
    client_send(&c, &rel);
    client_send(&c, &rel);
    client_expect_nothing(&c);
    d = back(x, "pub", true);
    client_close(&c);
    client_send(&d, &rel);
    client_expect_nothing(&d);
    client_send(&d, &pk); /* another one, too early */
    cell_set(&x->disk, DISK_WORKS);
    assert_int_equal(client_expect(&d, MQTT_PUBCOMP).ack.code, 0);
    assert_int_equal(client_expect(&d, MQTT_PUBREC).ack.code, 0);
    client_send(&d, &pk);
    assert_int_equal(client_expect(&d, MQTT_PUBREC).ack.code, 0);
    client_send(&d, &rel);
    assert_int_equal(client_expect(&d, MQTT_PUBCOMP).ack.code, 0);
    again(x, round);
    client_close(&d);
    d = back(x, "pub", true);
    client_send(&d, &rel);
    assert_int_equal(client_expect(&d, MQTT_PUBCOMP).ack.code, MQTT_REASON_NO_PACKET_ID);
    client_close(&d);
}

static void a_pubrel_that_comes_again_waits_as_well(void **state)
{
    (void)state;
    each_way(release_again_test);
}

/* ---- the id of what somebody else has taken ---- */

static void ingested_test(struct site *x, bool round)
{
    static const char *const topics_of[] = { "rec/1", "now/1" };
    struct taker taker = { 0 };

    x->taker = &taker;
    again(x, false);
    for (size_t i = 0; i < COUNT_OF(topics_of); i++) {
        struct mqtt_packet pk = publish_packet(topics_of[i], "x", 2, false, 3);
        struct client c = back(x, topics_of[i], false);

        cell_set(&taker.asked, 0);
        disk(x, DISK_FAILS);
        client_send(&c, &pk);
        client_expect_kick(&c, MQTT_REASON_UNSPECIFIED);
        client_close(&c);
        c = back(x, topics_of[i], true);
        client_send(&c, &pk); /* nor can it now */
        client_expect_kick(&c, MQTT_REASON_UNSPECIFIED);
        client_close(&c);
        disk(x, DISK_WORKS);
        c = back(x, topics_of[i], true);
        client_send(&c, &pk);
        assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
        again(x, round);
        client_close(&c);
        c = back(x, topics_of[i], true);
        client_send(&c, &pk);
        assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
        assert_int_equal(cell_get(&taker.asked), 1);
        client_close(&c);
    }
}

static void an_id_is_as_durable_as_what_came_with_it(void **state)
{
    (void)state;
    each_way(ingested_test);
}

/* ---- UNSUBSCRIBE ---- */

static void unsubscribe(struct client *c, const char *filter)
{
    struct mqtt_packet pk = { .type = MQTT_UNSUBSCRIBE,
                              .subscribe = { .packet_id = 9, .count = 1 } };
    struct buf list = buf_init(1000);

    mqtt_unsub_put(&list, str_of(filter));
    pk.subscribe.list = buf_str(&list);
    client_send(c, &pk);
    buf_fini(&list);
}

static void unsubscribe_test(struct site *x, bool round)
{
    static const char *const filters[] = { "t", "$share/g/t" };

    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        struct client c = back(x, filters[i], false);

        client_subscribe(&c, filters[i], 1);
        disk(x, DISK_FAILS);
        unsubscribe(&c, filters[i]);
        client_expect_kick(&c, MQTT_REASON_UNSPECIFIED);
        client_close(&c);
        disk(x, DISK_WORKS);
        c = back(x, filters[i], true);
        unsubscribe(&c, filters[i]);
        assert_int_equal(client_expect(&c, MQTT_UNSUBACK).suback.codes.p[0],
                         MQTT_REASON_NO_SUBSCRIPTION);
        client_close(&c);
    }
    again(x, round);
    for (size_t i = 0; i < COUNT_OF(filters); i++)
        assert_int_equal(rig_session(&x->r, filters[i]).info.subscriptions, 0);
}

static void what_was_unsubscribed_stays_so(void **state)
{
    (void)state;
    each_way(unsubscribe_test);
}

/* ---- which member has a message for good ---- */

/* A shared subscription's message of QoS 2 was not taken, as the disk failed: its member takes it when it is back,
 * and nobody else gets it any more. */
static void taken_test(struct site *x, bool round)
{
    struct client a = back(x, "a", false), b = back(x, "b", false), pub;
    struct mqtt_packet pk = publish_packet("t", "once", 2, false, 7);
    struct mqtt_publish p;
    uint16_t id;

    client_subscribe(&a, "$share/g/t", 2);
    client_subscribe(&b, "$share/g/t", 2);
    client_close(&a);
    client_close(&b);
    rig_await_connected(&x->r, "a", false);
    rig_await_connected(&x->r, "b", false);
    pub = client_connect(&x->r, MQTT_V5, "pub");
    client_send(&pub, &pk);
    assert_int_equal(client_expect(&pub, MQTT_PUBREC).ack.code, 0);
    client_close(&pub);
    disk(x, DISK_FAILS);
    a = back(x, "a", true);
    client_expect_kick(&a, MQTT_REASON_UNSPECIFIED);
    client_close(&a);
    disk(x, DISK_WORKS);
    if (round) { /* it is a's, and told so, though nothing else has said it */
        round_through(x);
        crash(x);
        b = back(x, "b", true);
        client_expect_nothing(&b);
        client_close(&b);
        rig_await_connected(&x->r, "b", false);
    }
    a = back(x, "a", true);
    id = client_expect(&a, MQTT_PUBLISH).publish.packet_id;
    again(x, round);
    client_close(&a);
    b = back(x, "b", true);
    client_expect_nothing(&b);
    again(x, round); /* what b would have been offered is there by now */
    client_close(&b);
    b = back(x, "b", true);
    client_expect_nothing(&b);
    a = back(x, "a", true);
    p = client_expect(&a, MQTT_PUBLISH).publish;
    assert_true(p.dup && p.packet_id == id && str_eq(p.payload, STR("once")));
    client_answer(&a, &p);
    client_expect_nothing(&a);
    client_close(&a);
    client_close(&b);
}

static void what_was_not_taken_is_taken_again(void **state)
{
    (void)state;
    each_way(taken_test);
}

/* ---- CONNECT ---- */

/* It was not written down, and is to last now: one CONNECT could not say so, the next one can. */
static void begins_test(struct site *x, bool round)
{
    struct mqtt_packet pk = lasting("c");
    struct rig other = x->r;
    struct client c;

    other.addr = x->addrs[BROKER_MEMORY];
    c = client_dial(&other, MQTT_V5);
    assert_int_equal(client_hello(&c, &pk).code, 0);
    client_subscribe(&c, "t", 1);
    client_close(&c);
    rig_await_connected(&x->r, "c", false);
    disk(x, DISK_FAILS);
    c = client_dial(&x->r, MQTT_V5);
    assert_int_equal(client_hello(&c, &pk).code, MQTT_REASON_UNAVAILABLE);
    client_close(&c);
    disk(x, DISK_WORKS);
    c = back(x, "c", true);
    client_close(&c);
    again(x, round);
    c = back(x, "c", true);
    assert_int_equal(rig_session(&x->r, "c").info.subscriptions, 1);
    client_close(&c);
}

static void what_begins_to_last_does(void **state)
{
    (void)state;
    each_way(begins_test);
}

/* Overtaken by another CONNECT, which is not answered before it is sure either. */
static void overtaken_test(struct site *x, bool round)
{
    struct mqtt_packet pk = lasting("c"), ack;
    struct client c = client_dial(&x->r, MQTT_V5), d;

    disk(x, DISK_HANGS);
    client_send(&c, &pk);
    while (!rig_session(&x->r, "c").found)
        ;
    d = client_dial(&x->r, MQTT_V5);
    client_send(&d, &pk);
    client_expect_end(&c);
    client_close(&c);
    assert_int_equal(client_read(&d, &ack, 50), -1);
    cell_set(&x->disk, DISK_FAILS);
    assert_int_equal(client_expect(&d, MQTT_CONNACK).connack.code, MQTT_REASON_UNAVAILABLE);
    client_close(&d);
    disk(x, DISK_WORKS);
    d = back(x, "c", false); /* there was nobody for whom it could wait */
    again(x, round);
    client_close(&d);
    d = back(x, "c", true);
    client_close(&d);
}

static void who_overtakes_waits_as_well(void **state)
{
    (void)state;
    each_way(overtaken_test);
}

static void little_time(struct limits *l)
{
    l->mqtt_connect_timeout_ms = 200;
}

static void on_nothing(void *ctx, struct loop *l)
{
    (void)ctx, (void)l;
}

/* A CONNECT that takes too long: the session's time counts on from when it was left. */
static void unclaimed_test(struct site *x, bool round)
{
    struct mqtt_packet pk = lasting("c");
    struct rig other;
    struct client c;
    int64_t since;

    x->tune = little_time;
    again(x, false);
    other = x->r;
    other.addr = x->addrs[BROKER_MEMORY];
    c = client_dial(&other, MQTT_V5);
    assert_int_equal(client_hello(&c, &pk).code, 0);
    client_close(&c);
    rig_await_connected(&x->r, "c", false);
    since = rig_session(&x->r, "c").info.since_wall_ns;
    disk(x, DISK_HANGS);
    c = client_dial(&x->r, MQTT_V5);
    client_send(&c, &pk);
    client_expect_end(&c);
    client_close(&c);
    cell_set(&x->disk, DISK_WORKS);
    journal_settle(x->journal);
    workers_each(x->r.workers, on_nothing, NULL); /* the answer of the disk has come */
    again(x, round);
    since -= rig_session(&x->r, "c").info.since_wall_ns;
    assert_true(since > -50000000 && since < 50000000);
}

static void who_is_too_late_changes_nothing(void **state)
{
    (void)state;
    each_way(unclaimed_test);
}

RUN(TEST(an_id_is_free_once_that_is_written_down), TEST(a_pubrel_that_comes_again_waits_as_well),
    TEST(an_id_is_as_durable_as_what_came_with_it), TEST(what_was_unsubscribed_stays_so),
    TEST(what_was_not_taken_is_taken_again), TEST(what_begins_to_last_does),
    TEST(who_overtakes_waits_as_well), TEST(who_is_too_late_changes_nothing))
