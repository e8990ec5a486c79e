/*
 * Rounds: what is written anew is what is there, the log gets shorter by it, and nobody waits for one.
 */
#include "persist_site.h"

/* A broker that is started again before it makes a second round goes on where the one before was. */
static void the_log_is_trimmed_across_restarts(void **state)
{
    struct journal_status st;
    char payload[601];
    struct site x;

    (void)state;
    memset(payload, 'x', sizeof(payload) - 1);
    payload[sizeof(payload) - 1] = 0;
    site_init(&x, 2);
    for (int k = 0; k < 4; k++) {
        struct client pub = client_connect(&x.r, MQTT_V5, "pub");

        for (int i = 0; i < 600; i++)
            client_publish(&pub, "r", payload, 1, true);
        client_close(&pub);
        round_through(&x);
        again(&x, false);
    }
    journal_status(x.journal, &st);
    assert_true(st.oldest > 600);
    assert_true(st.bytes < 8 * KIB(256));
    site_fini(&x);
}

#define TOPIC_BYTES 4096

/* A retained message for topic n; its reason code. */
static uint8_t retain(struct client *pub, int n, bool there)
{
    static char payload[TOPIC_BYTES + 1];
    char topic[16];

    memset(payload, 'x', TOPIC_BYTES);
    snprintf(topic, sizeof(topic), "r/%d", n);
    return client_publish(pub, topic, there ? payload : "", 1, true);
}

/* From topic n on, until all have found room or this much time is over; returns how many are there then. */
static int retain_until(struct client *pub, int n, int wanted, int64_t ms)
{
    int64_t limit = now_ms() + ms;

    while (n < wanted && now_ms() < limit) {
        uint8_t code = retain(pub, n, true);

        assert_true(code == 0 || code == MQTT_REASON_QUOTA);
        n += code == 0;
    }
    return n;
}

/* From topic n on, until it says that it is full, for this reason; returns how many are there then. */
static int retain_until_full(const struct site *x, struct client *pub, int n, bool disk)
{
    int64_t limit = now_ms() + RIG_WAIT_MS;

    while (!broker_log_is_low(x->r.broker) || broker_disk_is_low(x->r.broker) != disk) {
        assert_true(now_ms() < limit);
        n += retain(pub, n, true) == 0;
    }
    return n;
}

/* It refuses what it has no room for, for as long as it has none, with a third of its quota alive, and goes
 * little beyond that; whoever deletes something makes room. Also after a restart that finds it full. */
static void not_full_for_ever(uint64_t quota, uint64_t capacity)
{
    uint64_t room = quota ? quota : capacity;
    struct journal_status st;
    struct client pub;
    struct site x;
    int n, most;

    site_init(&x, 2);
    x.quota = quota;
    x.capacity = capacity;
    most = (int)(room / 3 / TOPIC_BYTES);
    again(&x, false);
    for (int k = 0; k < 2; k++) {
        pub = client_connect(&x.r, MQTT_V5, "pub");
        /* More than one round makes room for. */
        n = retain_until(&pub, 0, most * 2 / 3, 4 * RIG_WAIT_MS);
        assert_int_equal(n, most * 2 / 3);
        n = retain_until(&pub, n, 2 * most, 500);
        assert_in_range(n, most * 2 / 3, most);
        journal_status(x.journal, &st);
        assert_true(st.bytes < room + MIB(1));
        n = retain_until_full(&x, &pub, n, capacity > 0);
        client_close(&pub);
        again(&x, false);
        pub = client_connect(&x.r, MQTT_V5, "pub");
        while (n > 0)
            assert_int_equal(retain(&pub, --n, false), 0);
        client_close(&pub);
    }
    site_fini(&x);
}

static void a_full_log_is_not_full_for_ever(void **state)
{
    (void)state;
    not_full_for_ever(MIB(12), 0);
}

static void neither_is_a_full_disk(void **state)
{
    (void)state;
    not_full_for_ever(0, MIB(12));
}

/* More than the quota goes through it, with little alive at a time: whoever comes while a round is due waits for
 * it and is not refused. */
static void what_is_replaced_takes_no_room(void **state)
{
    struct client pub;
    struct site x;

    (void)state;
    site_init(&x, 2);
    x.quota = MIB(4);
    again(&x, false);
    pub = client_connect(&x.r, MQTT_V5, "pub");
    for (unsigned i = 0; i < 3 * x.quota / TOPIC_BYTES; i++)
        assert_int_equal(retain(&pub, 0, true), 0);
    client_close(&pub);
    site_fini(&x);
}

/* ---- a 3.1.1 client that publishes before it takes what waits for it ---- */

#define FILL_MAX 1000u /* more than the log has room for */
#define OWN      200u  /* more than are in flight to it */

struct device {
    struct site *x;
    struct client c;
    unsigned filled, pings;
    bool acked[OWN], got[FILL_MAX + OWN];
};

static uint8_t send_numbered(struct client *pub, unsigned n)
{
    char payload[TOPIC_BYTES + 1];

    snprintf(payload, sizeof(payload), "%06u%0*u", n, TOPIC_BYTES - 6, 0u);
    return client_publish(pub, "t", payload, 1, false);
}

/* From number n on, until nothing has found room for a while; returns the next. */
static unsigned fill(struct site *x, unsigned n)
{
    struct client pub = client_connect(&x->r, MQTT_V5, "pub");
    int64_t limit = now_ms() + 1000;

    while (now_ms() < limit && n < FILL_MAX)
        if (send_numbered(&pub, n) == 0) {
            limit = now_ms() + 1000;
            n++;
        }
    client_close(&pub);
    return n;
}

static void device_connect(struct device *d)
{
    struct mqtt_packet pk = connect_packet(MQTT_V311, "device");

    pk.connect.clean_start = false;
    d->c = client_dial(&d->x->r, MQTT_V311);
    assert_int_equal(client_hello(&d->c, &pk).code, 0);
}

/* All that is not acknowledged yet, and then a PINGREQ. */
static void device_publish(struct device *d)
{
    struct buf out = buf_init(MIB(1));

    for (unsigned i = 0; i < OWN; i++) {
        struct mqtt_packet pk;
        char payload[8];

        if (d->acked[i])
            continue;
        snprintf(payload, sizeof(payload), "%06u", FILL_MAX + i);
        pk = publish_packet("t", payload, 1, false, (uint16_t)(i + 1));
        mqtt_encode(&pk, MQTT_V311, &out);
    }
    client_send_bytes(&d->c, buf_str(&out));
    client_send_bytes(&d->c, MQTT_PINGREQ_BYTES);
    buf_fini(&out);
}

/* Until the connection ends or, for that long, nothing comes. */
static bool device_take(struct device *d, int wait_ms)
{
    struct mqtt_packet pk;
    int rc;

    while ((rc = client_read(&d->c, &pk, wait_ms)) == 1) {
        if (pk.type == MQTT_PUBLISH) {
            char digits[7];
            unsigned n;

            assert_true(pk.publish.payload.n >= 6);
            snprintf(digits, sizeof(digits), "%.6s", pk.publish.payload.p);
            n = (unsigned)strtoul(digits, NULL, 10);
            assert_true(n < COUNT_OF(d->got));
            d->got[n] = true;
            client_answer(&d->c, &pk.publish);
        } else if (pk.type == MQTT_PUBACK) {
            assert_in_range(pk.ack.packet_id, 1, OWN);
            d->acked[pk.ack.packet_id - 1] = true;
        } else {
            assert_int_equal(pk.type, MQTT_PINGRESP);
            d->pings++;
        }
    }
    return rc == 0;
}

/* What it published was acknowledged, and came to itself. */
static bool device_is_through(const struct device *d)
{
    for (unsigned i = 0; i < OWN; i++)
        if (!d->acked[i] || !d->got[FILL_MAX + i])
            return false;
    return true;
}

/* What fills the log waits for this client, and its acknowledgements stand behind its publications. */
static void a_client_whose_queue_fills_the_log_gets_through(void **state)
{
    struct device d = { 0 };
    struct site x;

    (void)state;
    site_init(&x, 2);
    x.quota = MIB(4);
    again(&x, false);
    d.x = &x;
    device_connect(&d);
    client_subscribe(&d.c, "t", 1);
    client_close(&d.c);
    rig_await_connected(&x.r, "device", false);
    d.filled = fill(&x, 0);
    round_through(&x);
    round_through(&x); /* no other makes room */
    d.filled = fill(&x, d.filled);
    assert_in_range(d.filled, OWN, FILL_MAX - 1);
    device_connect(&d);
    device_publish(&d);
    assert_true(device_take(&d, RIG_WAIT_MS)); /* it is ended when it has taken all of it */
    assert_int_equal(d.pings, 1);
    for (unsigned i = 0; i < d.filled; i++)
        assert_true(d.got[i]);
    client_close(&d.c);
    round_through(&x);
    round_through(&x); /* now there is room */
    device_connect(&d);
    device_publish(&d);
    for (int64_t limit = now_ms() + 4 * RIG_WAIT_MS; !device_is_through(&d);) {
        assert_true(now_ms() < limit);
        if (!device_take(&d, 20))
            continue;
        client_close(&d.c);
        device_connect(&d);
        device_publish(&d);
    }
    client_close(&d.c);
    site_fini(&x);
}

static void post_all(struct site *x, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        char payload[16];
        struct blob *b;

        snprintf(payload, sizeof(payload), "%u", i);
        b = blob_new(str_of(payload));
        assert_int_equal(broker_post(x->r.broker, STR("t"), b, 1, 0), 0);
        blob_unref(b);
    }
}

static void await_queued(const struct site *x, size_t want)
{
    int64_t limit = now_ms() + RIG_WAIT_MS;

    while (rig_session(&x->r, "sub").info.queued < want)
        assert_true(now_ms() < limit);
}

static void await_queued_at_most(const struct site *x, size_t want)
{
    int64_t limit = now_ms() + RIG_WAIT_MS;

    while (rig_session(&x->r, "sub").info.queued > want)
        assert_true(now_ms() < limit);
}

#define TURN_RECORDS 520u /* what a turn's steps are enough for, copies of small messages */

static void large_queues(struct limits *l)
{
    l->mqtt_queue_max_messages = 100000;
}

/* A session with more than a record takes is told in several. */
static void a_long_queue_is_written_down(void **state)
{
    enum { COUNT = 12000 }; /* of 15 bytes each: in three records */
    struct site x = { 0 };
    struct mqtt_packet pk;
    struct client c;

    (void)state;
    site_init(&x, 2);
    x.tune = large_queues;
    crash(&x);
    c = back(&x, "sub", false);
    client_subscribe(&c, "t", 1);
    client_close(&c);
    rig_await_connected(&x.r, "sub", false);
    post_all(&x, 0, COUNT - 10);
    await_queued(&x, COUNT - 10);
    again(&x, true);
    post_all(&x, COUNT - 10, COUNT);
    await_queued(&x, COUNT);
    again(&x, true);
    c = back(&x, "sub", true);
    for (unsigned i = 0; i < COUNT; i++) {
        uint64_t number;

        pk = client_expect(&c, MQTT_PUBLISH);
        assert_int_equal(str_to_u64(pk.publish.payload, &number), 0);
        assert_int_equal(number, i);
        client_answer(&c, &pk.publish);
    }
    client_close(&c);
    site_fini(&x);
}

/* A round that is stepped through by hand: how many records each turn writes. */
struct turns {
    struct site *x;
    struct cell seq; /* of the mark behind what the last one wrote */
    uint64_t before;
    unsigned count;
    bool over;
};

static void on_mark(void *ctx, int code, uint64_t seq)
{
    struct turns *t = ctx;

    assert_int_equal(code, 0);
    cell_set(&t->seq, seq);
}

static void on_first_turn(void *ctx, struct loop *l)
{
    struct turns *t = ctx;
    struct part *p = part_of(t->x->r.broker, l);

    p->round = ++p->b->rounds.number;
    p->round_base = t->before;
    p->round_open = true;
    p->round_left = p->lasting_count;
    p->round_retained = 1;
}

static void on_turn(void *ctx, struct loop *l)
{
    struct turns *t = ctx;
    struct part *p = part_of(t->x->r.broker, l);

    t->over = persist_round_turn(p);
    persist_end(p, 0, BROKER_COMMIT, on_mark, t);
}

static void on_mark_only(void *ctx, struct loop *l)
{
    struct turns *t = ctx;

    persist_end(part_of(t->x->r.broker, l), 0, BROKER_COMMIT, on_mark, t);
}

/* How many records came since the last call, without the mark of this one. */
static uint64_t records_since(struct turns *t, void (*make_mark)(void *ctx, struct loop *l))
{
    int64_t limit = now_ms() + RIG_WAIT_MS;
    uint64_t n;

    cell_set(&t->seq, 0);
    workers_each(t->x->r.workers, make_mark, t);
    while (cell_get(&t->seq) == 0)
        assert_true(now_ms() < limit);
    n = cell_get(&t->seq) - t->before - 1;
    t->before = cell_get(&t->seq);
    return n;
}

static void turn_once(struct turns *t)
{
    records_since(t, on_mark_only);
    assert_true(records_since(t, on_turn) <= TURN_RECORDS);
    t->count++;
}

static void take_in_order(struct client *c, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        struct mqtt_packet pk = client_expect(c, MQTT_PUBLISH);
        uint64_t number;

        assert_int_equal(str_to_u64(pk.publish.payload, &number), 0);
        assert_int_equal(number, i);
        client_answer(c, &pk.publish);
    }
}

/* However long a queue is and however much is retained, a turn does so much and no more; and the session goes
 * on meanwhile: with the broker gone in the middle of its telling, or behind it, it is as it was. */
static void a_turn_of_a_round_is_bounded(void **state)
{
    enum { QUEUED = 9000, RETAINED = 1500, TAKEN = 300, LATER = 50 };

    (void)state;
    for (int middle = 0; middle < 2; middle++) {
        struct site x = { 0 };
        struct turns t = { .x = &x };
        struct client c, pub;
        char topic[16];

        site_init(&x, 1);
        x.tune = large_queues;
        crash(&x);
        c = back(&x, "sub", false);
        client_subscribe(&c, "t", 1);
        client_close(&c);
        rig_await_connected(&x.r, "sub", false);
        post_all(&x, 0, QUEUED);
        await_queued(&x, QUEUED);
        pub = client_connect(&x.r, MQTT_V5, "pub");
        for (unsigned i = 0; i < RETAINED; i++) {
            snprintf(topic, sizeof(topic), "r/%u", i);
            client_publish(&pub, topic, "kept", 0, true);
        }
        client_close(&pub);
        records_since(&t, on_mark_only);
        workers_each(x.r.workers, on_first_turn, &t);
        for (unsigned i = 0; i < 5; i++)
            turn_once(&t);
        assert_false(t.over);
        c = back(&x, "sub", true);
        take_in_order(&c, 0, TAKEN);
        await_queued_at_most(&x, QUEUED - TAKEN);
        client_close(&c);
        rig_await_connected(&x.r, "sub", false);
        post_all(&x, QUEUED, QUEUED + LATER);
        await_queued(&x, QUEUED + LATER - TAKEN);
        turn_once(&t);
        assert_false(t.over);
        while (middle == 0 && !t.over)
            turn_once(&t);
        if (middle == 0)
            assert_true(t.count >= (QUEUED + RETAINED) / TURN_RECORDS);
        journal_settle(x.journal);
        crash(&x);
        c = back(&x, "sub", true);
        take_in_order(&c, TAKEN, QUEUED + LATER);
        client_close(&c);
        site_fini(&x);
    }
}

static void on_clock_was_behind(void *ctx, struct loop *l)
{
    struct broker *b = ctx;

    if (loop_index(l) == 0)
        b->rounds.clock_ms -= 3600000;
}

/* What was told before would else be over, or last longer, after a power cut. */
static void a_clock_that_is_set_is_written_down(void **state)
{
    int64_t limit = now_ms() + RIG_WAIT_MS;
    struct site x;
    uint64_t written;

    (void)state;
    site_init(&x, 1);
    written = cell_get(&x.r.broker->log_written);
    workers_each(x.r.workers, on_clock_was_behind, x.r.broker);
    while (cell_get(&x.r.broker->log_written) == written)
        assert_true(now_ms() < limit);
    again(&x, false); /* whoever reads the log understands it */
    site_fini(&x);
}

RUN(TEST(a_clock_that_is_set_is_written_down), TEST(the_log_is_trimmed_across_restarts),
    TEST(a_full_log_is_not_full_for_ever), TEST(neither_is_a_full_disk),
    TEST(what_is_replaced_takes_no_room), TEST(a_client_whose_queue_fills_the_log_gets_through),
    TEST(a_long_queue_is_written_down), TEST(a_turn_of_a_round_is_bounded))
