/* Who decides over a client's PUBLISH: on_publish with its tokens, and authz, at once or later. */
#include "broker_rig.h"

#include "base/clock.h"
#include "base/list.h"

/* ---- an on_publish that does what the payload says ---- */

struct kept {
    struct list link;
    struct broker_token *token;
    struct timer timer;
    int code;
    bool route, retry;
};

struct decider {
    struct rig r;
    struct list kept[2]; /* by worker, each touched by its own thread only */
    unsigned refusals[2];
    atomic_uint asked, wills;
    bool open; /* "wait" and "full" are taken from now on; set through workers_each */
};

static void on_due(struct timer *t)
{
    struct kept *k = container_of(t, struct kept, timer);

    if (k->retry)
        broker_publish_retry(k->token);
    else
        broker_publish_done(k->token, k->code, k->route, k->code ? "said later" : NULL);
    list_remove(&k->link);
    mem_free(k);
}

static void keep(struct decider *d, struct loop *l, struct broker_token *token, uint64_t after_ms,
                 int code, bool route, bool retry)
{
    struct kept *k = NEW(struct kept);

    list_init(&k->link);
    list_push_back(&d->kept[loop_index(l)], &k->link);
    k->token = token;
    k->code = code;
    k->route = route;
    k->retry = retry;
    timer_init(&k->timer, l, on_due);
    timer_start(&k->timer, after_ms);
}

static int decide(void *ctx, struct loop *l, const struct broker_message *m,
                  struct broker_token *token, const char **reason)
{
    struct decider *d = ctx;
    unsigned *refusals = &d->refusals[loop_index(l)];
    uint64_t ms = 0;
    struct str p = m->payload;

    atomic_fetch_add(&d->asked, 1);
    if (m->will)
        atomic_fetch_add(&d->wills, 1);
    assert_non_null(m->who);
    assert_true(m->client_id.n > 0);
    assert_true((m->since_uptime_ns == 0) == m->will);
    assert_true(m->since_uptime_ns <= clock_uptime_ns());
    if (str_eq(p, STR("consume")))
        return BROKER_CONSUME;
    if (str_eq(p, STR("bad"))) {
        *reason = "temperature out of range";
        return ERR_VALUE;
    }
    if (str_eq(p, STR("denied")))
        return ERR_REFUSED;
    if (str_eq(p, STR("full")) && ++*refusals % 3 != 0)
        return ERR_FULL;
    if (str_eq(p, STR("wait")) && ++*refusals % 3 != 0) {
        keep(d, l, token, 20, 0, false, true);
        return BROKER_WAIT;
    }
    if (str_eq(p, STR("refuse later"))) {
        keep(d, l, token, 30, ERR_VALUE, true, false);
        return BROKER_LATER;
    }
    if (str_starts(p, STR("later ")) && str_to_u64(str_skip(p, 6), &ms) == 0) {
        keep(d, l, token, ms, 0, true, false);
        return BROKER_LATER;
    }
    if (str_starts(p, STR("store ")) && str_to_u64(str_skip(p, 6), &ms) == 0) {
        struct blob *b = broker_message_blob(m), *again = broker_message_blob(m);

        assert_ptr_equal(b, again);
        assert_true(str_eq(blob_str(b), p));
        blob_unref(b);
        blob_unref(again);
        keep(d, l, token, ms, 0, true, false);
        return BROKER_LATER_CONSUME;
    }
    return BROKER_ROUTE;
}

static void decider_start(struct decider *d)
{
    *d = (struct decider){ 0 };
    list_init(&d->kept[0]);
    list_init(&d->kept[1]);
    rig_init(&d->r);
    d->r.o.on_publish = decide;
    d->r.o.publish_ctx = d;
    rig_start(&d->r, 2);
}

static void count_kept(void *ctx, struct loop *l)
{
    struct decider *d = ctx;

    LIST_EACH (it, &d->kept[loop_index(l)])
        atomic_fetch_add(&d->asked, 1);
}

static void decider_stop(struct decider *d)
{
    int64_t end = now_ms() + RIG_WAIT_MS;

    for (;;) { /* every token is ended before the broker is freed */
        atomic_store(&d->asked, 0);
        workers_each(d->r.workers, count_kept, d);
        if (atomic_load(&d->asked) == 0)
            break;
        assert_true(now_ms() < end);
    }
    rig_stop(&d->r);
}

static void verdicts(void **state)
{
    struct decider d;
    struct client c, old, w;
    struct mqtt_packet pk, ack;

    (void)state;
    decider_start(&d);
    w = client_connect(&d.r, MQTT_V5, "w");
    client_subscribe(&w, "t", 0);
    c = client_connect(&d.r, MQTT_V5, "c");
    old = client_connect(&d.r, MQTT_V311, "old");
    assert_int_equal(client_publish(&c, "t", "routed", 1, false), 0);
    client_expect_publish(&w, "t", "routed", 0);
    for (uint8_t qos = 1; qos <= 2; qos++) {
        assert_int_equal(client_publish(&c, "t", "consume", qos, false), 0);
        assert_int_equal(client_publish(&c, "t", "denied", qos, false), MQTT_REASON_NOT_AUTHORIZED);
        assert_int_equal(client_publish(&c, "t", "refuse later", qos, false),
                         MQTT_REASON_BAD_PAYLOAD);
        assert_int_equal(client_publish(&c, "t", "store 20", qos, false), 0);
        assert_int_equal(client_publish(&c, "t", "later 20", qos, false), 0);
        client_expect_publish(&w, "t", "later 20", 0);
    }
    pk = publish_packet("t", "bad", 1, false, 9);
    client_send(&c, &pk);
    ack = client_expect(&c, MQTT_PUBACK);
    assert_int_equal(ack.ack.code, MQTT_REASON_BAD_PAYLOAD);
    assert_true(str_eq(ack.ack.props.reason_string, STR("temperature out of range")));
    client_publish(&c, "t", "bad", 0, false);
    client_publish(&c, "t", "later 5", 0, false);
    client_expect_publish(&w, "t", "later 5", 0);
    /* 3.1.1 has no word for it: acknowledged, not routed. */
    client_publish(&old, "t", "bad", 1, false);
    client_publish(&old, "t", "denied", 1, false);
    client_publish(&old, "t", "refuse later", 1, false);
    client_publish(&old, "t", "end", 1, false);
    client_expect_publish(&w, "t", "end", 0);
    client_close(&c);
    client_close(&old);
    client_close(&w);
    decider_stop(&d);
}

static void acknowledgements_in_order(void **state)
{
    static const char *const payloads[] = { "later 60", "x", "later 5",  "bad",
                                            "store 30", "x", "later 10", "consume" };
    struct decider d;
    struct client c;

    (void)state;
    decider_start(&d);
    c = client_connect(&d.r, MQTT_V5, "c");
    for (uint16_t i = 0; i < COUNT_OF(payloads); i++) {
        struct mqtt_packet pk = publish_packet("t", payloads[i], 1, false, (uint16_t)(i + 1));

        client_send(&c, &pk);
    }
    for (uint16_t i = 0; i < COUNT_OF(payloads); i++)
        assert_int_equal(client_expect(&c, MQTT_PUBACK).ack.packet_id, i + 1);
    client_close(&c);
    decider_stop(&d);
}

/* A QoS 2 message that is repeated before anybody has decided is one message all the same; when it
 * is refused, the next one with its id is another. */
static void repeated_while_undecided(void **state)
{
    static const enum mqtt_version versions[] = { MQTT_V311, MQTT_V5 };
    struct decider d;
    struct client c, w;

    (void)state;
    decider_start(&d);
    w = client_connect(&d.r, MQTT_V5, "w");
    client_subscribe(&w, "t", 0);
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        struct mqtt_packet pk = publish_packet("t", "later 40", 2, false, 5);

        c = client_connect(&d.r, versions[v], "c");
        for (int i = 0; i < 3; i++)
            client_send(&c, &pk);
        for (int i = 0; i < 3; i++)
            assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
        client_expect_publish(&w, "t", "later 40", 0);
        pk = (struct mqtt_packet){ .type = MQTT_PUBREL, .ack = { .packet_id = 5 } };
        client_send(&c, &pk);
        assert_int_equal(client_expect(&c, MQTT_PUBCOMP).ack.code, 0);
        client_publish(&c, "t", "end", 1, false);
        client_expect_publish(&w, "t", "end", 0);
        client_close(&c);
    }
    c = client_connect(&d.r, MQTT_V5, "c");
    for (int i = 0; i < 2; i++) {
        struct mqtt_packet pk = publish_packet("t", i ? "x" : "refuse later", 2, false, 5);

        client_send(&c, &pk);
    }
    assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, MQTT_REASON_BAD_PAYLOAD);
    assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
    client_expect_publish(&w, "t", "x", 0);
    client_close(&c);
    client_close(&w);
    decider_stop(&d);
}

static struct client connect_again(const struct rig *r, enum mqtt_version v, bool *present)
{
    struct client c = client_dial(r, v);
    struct mqtt_packet pk = connect_packet(v, "again");
    struct mqtt_connack ack;

    pk.connect.clean_start = false;
    pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY);
    pk.connect.props.session_expiry_s = 100;
    ack = client_hello(&c, &pk);
    assert_int_equal(ack.code, 0);
    *present = ack.session_present;
    return c;
}

/* The connection breaks before anybody has decided: the client sends its QoS 2 message again over a
 * new one, and it still is one message; unless it was refused, then it is offered anew. */
static void repeated_over_a_new_connection(void **state)
{
    static const enum mqtt_version versions[] = { MQTT_V311, MQTT_V5 };
    struct decider d;
    struct client c, w;

    (void)state;
    decider_start(&d);
    w = client_connect(&d.r, MQTT_V5, "w");
    client_subscribe(&w, "t", 0);
    for (int round = 0; round < 16; round++) {
        enum mqtt_version v = versions[round % 2];
        bool refused = v == MQTT_V5 && round % 4 == 1, present;
        struct mqtt_packet pk =
            publish_packet("t", refused ? "refuse later" : "later 40", 2, false, 5);

        c = connect_again(&d.r, v, &present);
        assert_int_equal(present, round > 0);
        client_send(&c, &pk);
        /* Another behind it that is decided first, and its answer never leaves. */
        pk = publish_packet("t", "x", 2, false, 6);
        client_send(&c, &pk);
        client_expect_publish(&w, "t", "x", 0);
        client_close(&c);
        c = connect_again(&d.r, v, &present);
        assert_true(present);
        pk = publish_packet("t", "later 40", 2, false, 5);
        pk.publish.dup = true;
        client_send(&c, &pk);
        assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
        pk.publish.packet_id = 6;
        client_send(&c, &pk);
        assert_int_equal(client_expect(&c, MQTT_PUBREC).ack.code, 0);
        client_expect_publish(&w, "t", "later 40", 0);
        for (uint16_t id = 5; id <= 6; id++) {
            pk = (struct mqtt_packet){ .type = MQTT_PUBREL, .ack = { .packet_id = id } };
            client_send(&c, &pk);
            assert_int_equal(client_expect(&c, MQTT_PUBCOMP).ack.code, 0);
        }
        client_publish(&c, "t", "end", 1, false);
        client_expect_publish(&w, "t", "end", 0);
        client_close(&c);
    }
    client_close(&w);
    decider_stop(&d);
}

/* What is not taken stops the reading and is offered again; nothing is lost or reordered. */
static void waiting_and_full(void **state)
{
    struct decider d;
    struct client c, w;

    (void)state;
    decider_start(&d);
    w = client_connect(&d.r, MQTT_V311, "w");
    client_subscribe(&w, "t", 1);
    c = client_connect(&d.r, MQTT_V311, "c");
    for (uint16_t i = 1; i <= 4; i++) {
        const char *what = i == 1 ? "wait" : i == 3 ? "full" : "x";
        struct mqtt_packet pk = publish_packet("t", what, 1, false, i);

        client_send(&c, &pk);
    }
    for (uint16_t i = 1; i <= 4; i++)
        assert_int_equal(client_expect(&c, MQTT_PUBACK).ack.packet_id, i);
    client_expect_publish(&w, "t", "wait", 1);
    client_expect_publish(&w, "t", "x", 1);
    client_expect_publish(&w, "t", "full", 1);
    client_expect_publish(&w, "t", "x", 1);
    client_close(&c);
    c = client_connect(&d.r, MQTT_V5, "c5");
    assert_int_equal(client_publish(&c, "t", "full", 1, false), MQTT_REASON_QUOTA);
    client_close(&c);
    client_close(&w);
    decider_stop(&d);
}

/* The client goes away with everything undecided: what was taken is routed, nobody is answered. */
static void client_dies_with_tokens(void **state)
{
    struct decider d;
    struct client c, w;

    (void)state;
    decider_start(&d);
    w = client_connect(&d.r, MQTT_V5, "w");
    client_subscribe(&w, "t", 1);
    for (int round = 0; round < 10; round++) {
        c = client_connect(&d.r, MQTT_V5, "c");
        for (uint16_t i = 1; i <= 3; i++) {
            struct mqtt_packet pk =
                publish_packet("t", i < 3 ? "later 30" : "wait", i < 3 ? 1 : 2, false, i);

            client_send(&c, &pk);
        }
        if (round % 2) {
            struct linger cut = { .l_onoff = 1 };

            setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &cut, sizeof(cut));
        }
        client_close(&c);
    }
    c = client_connect(&d.r, MQTT_V5, "d");
    client_publish(&c, "t", "later 100", 1, false);
    for (int i = 0;; i++) {
        struct mqtt_publish p = client_expect(&w, MQTT_PUBLISH).publish;
        bool last = str_eq(p.payload, STR("later 100"));

        client_answer(&w, &p);
        if (last)
            break;
    }
    client_close(&c);
    client_close(&w);
    decider_stop(&d);
}

static void wills_are_ingested(void **state)
{
    struct decider d;
    struct client c, w;

    (void)state;
    decider_start(&d);
    w = client_connect(&d.r, MQTT_V5, "w");
    client_subscribe(&w, "status", 1);
    for (int i = 0; i < 4; i++) {
        static const char *const payloads[] = { "plain", "later 10", "consume", "wait" };
        struct mqtt_packet pk = connect_packet(MQTT_V5, "c");

        c = client_dial(&d.r, MQTT_V5);
        pk.connect.has_will = true;
        pk.connect.will.topic = STR("status");
        pk.connect.will.payload = str_of(payloads[i]);
        client_hello(&c, &pk);
        client_close(&c);
        if (i != 2)
            client_expect_publish(&w, "status", payloads[i], 0);
        else
            rig_await_connected(&d.r, "c", false);
    }
    assert_int_equal(atomic_load(&d.wills), 4);
    client_close(&w);
    decider_stop(&d);
}

/* More unacknowledged than allowed: 3.1.1 waits, MQTT 5 is told. */
static void receive_maximum(void **state)
{
    struct decider d = { 0 };
    struct client c;

    (void)state;
    list_init(&d.kept[0]);
    list_init(&d.kept[1]);
    rig_init(&d.r);
    d.r.limits.mqtt_inflight_max = 3;
    d.r.o.on_publish = decide;
    d.r.o.publish_ctx = &d;
    rig_start(&d.r, 2);
    c = client_connect(&d.r, MQTT_V311, "old");
    for (uint16_t i = 1; i <= 10; i++) {
        struct mqtt_packet pk = publish_packet("t", "later 10", 1, false, i);

        client_send(&c, &pk);
    }
    for (uint16_t i = 1; i <= 10; i++)
        assert_int_equal(client_expect(&c, MQTT_PUBACK).ack.packet_id, i);
    client_close(&c);
    c = client_connect(&d.r, MQTT_V5, "new");
    for (uint16_t i = 1; i <= 4; i++) {
        struct mqtt_packet pk = publish_packet("t", "later 50", 1, false, i);

        client_send(&c, &pk);
    }
    client_expect_kick(&c, MQTT_REASON_RECEIVE_MAX);
    client_close(&c);
    /* Other answers that wait behind do not count. */
    c = client_connect(&d.r, MQTT_V5, "busy");
    for (uint16_t i = 1; i <= 7; i++) {
        struct mqtt_packet pk = publish_packet("t", i == 1 ? "later 50" : "x", 1, false, i);

        if (i > 1 && i < 6)
            client_send_bytes(&c, STR("\xa2\x06\0\x09\0\0\1u")); /* UNSUBSCRIBE */
        else
            client_send(&c, &pk);
    }
    for (uint16_t i = 1; i <= 7; i++)
        client_expect(&c, i > 1 && i < 6 ? MQTT_UNSUBACK : MQTT_PUBACK);
    client_close(&c);
    /* But no more of them wait than a few either: then nothing is read, not even a ping. */
    c = client_connect(&d.r, MQTT_V5, "asks");
    client_send_bytes(&c, STR("\x32\x0f\0\1t\0\1\0later 200"));
    for (int i = 0; i < 100; i++)
        client_send_bytes(&c, STR("\xa2\x06\0\x09\0\0\1u"));
    client_send_bytes(&c, MQTT_PINGREQ_BYTES);
    client_expect(&c, MQTT_PUBACK);
    for (int i = 0; i < 100; i++)
        client_expect(&c, MQTT_UNSUBACK);
    client_expect(&c, MQTT_PINGRESP);
    client_close(&c);
    /* QoS 0 has no window, but no more than a few may be undecided: then nothing is read. */
    c = client_connect(&d.r, MQTT_V5, "flood");
    client_subscribe(&c, "f", 0); /* not "t": what was undecided above may be routed only now */
    for (int i = 0; i < 200; i++)
        client_publish(&c, "f", "later 1", 0, false);
    for (int i = 0; i < 200; i++)
        client_expect_publish(&c, "f", "later 1", 0);
    client_close(&c);
    decider_stop(&d);
}

/* ---- authz ---- */

struct ask_later {
    struct timer timer;
    struct authz_login *login;
    struct authz_check *check;
    int code;
};

struct guard {
    bool later;
    atomic_int open; /* questions that wait */
    struct ask_later *waiting[2][64];
};

static void on_answer_due(struct timer *t)
{
    struct ask_later *a = container_of(t, struct ask_later, timer);
    struct loop *l = t->loop;
    struct authz_login *login = a->login;
    struct authz_check *check = a->check;
    int code = a->code;

    (void)l;
    mem_free(a);
    if (login)
        login->done(login, code, code ? NULL : identity_new(ROLE_DEVICE, login->user));
    else
        check->done(check, code);
}

static void answer_later(void *loop, struct authz_login *login, struct authz_check *check, int code)
{
    struct ask_later *a = NEW(struct ask_later);

    a->login = login;
    a->check = check;
    a->code = code;
    if (login)
        login->peer = (const struct addr *)(void *)a; /* where cancel finds it */
    else
        check->client_id.p = (const char *)a;
    timer_init(&a->timer, loop, on_answer_due);
    timer_start(&a->timer, 10);
}

static int guard_login(void *ctx, struct authz_login *l, struct identity **out_id)
{
    struct guard *g = ctx;
    int code = l->has_password && str_eq(l->password, STR("secret")) ? 0 : ERR_REFUSED;

    if (g->later) {
        answer_later(l->loop, l, NULL, code);
        return AUTHZ_LATER;
    }
    if (code == 0)
        *out_id = identity_new(ROLE_DEVICE, l->user);
    return code;
}

/* Everybody below their own name. */
static int guard_check(void *ctx, struct authz_check *k)
{
    struct guard *g = ctx;
    int code = str_starts(k->object, k->who->name) ? 0 : ERR_REFUSED;

    if (!g->later)
        return code;
    answer_later(k->loop, NULL, k, code);
    return AUTHZ_LATER;
}

static void guard_cancel_login(void *ctx, struct authz_login *l)
{
    struct ask_later *a = (struct ask_later *)(void *)(uintptr_t)l->peer;

    (void)ctx;
    timer_stop(&a->timer);
    mem_free(a);
}

static void guard_cancel_check(void *ctx, struct authz_check *k)
{
    struct ask_later *a = (struct ask_later *)(void *)(uintptr_t)k->client_id.p;

    (void)ctx;
    timer_stop(&a->timer);
    mem_free(a);
}

static struct mqtt_packet login_packet(enum mqtt_version v, const char *user, const char *password)
{
    struct mqtt_packet pk = connect_packet(v, user);

    pk.connect.has_username = pk.connect.has_password = true;
    pk.connect.username = str_of(user);
    pk.connect.password = str_of(password);
    return pk;
}

static void guarded(bool later)
{
    struct guard g = { .later = later };
    struct authz z = { &g, guard_login, guard_check, guard_cancel_login, guard_cancel_check };
    struct rig r;
    struct client c, old, dead;
    struct mqtt_packet pk;
    struct mqtt_sub sub = { .filter = STR("dev1/#"), .qos = 1 };
    struct buf list = buf_init(1000);

    rig_init(&r);
    r.o.authz = &z;
    rig_start(&r, 2);
    c = client_dial(&r, MQTT_V5);
    pk = login_packet(MQTT_V5, "dev1", "wrong");
    assert_int_equal(client_hello(&c, &pk).code, MQTT_REASON_BAD_LOGIN);
    client_expect_end(&c);
    client_close(&c);
    old = client_dial(&r, MQTT_V311);
    pk = login_packet(MQTT_V311, "dev1", "wrong");
    assert_int_equal(client_hello(&old, &pk).code, MQTT_V311_BAD_LOGIN);
    client_expect_end(&old);
    client_close(&old);

    c = client_dial(&r, MQTT_V5); /* a will elsewhere */
    pk = login_packet(MQTT_V5, "dev1", "secret");
    pk.connect.has_will = true;
    pk.connect.will.topic = STR("dev2/status");
    assert_int_equal(client_hello(&c, &pk).code, MQTT_REASON_NOT_AUTHORIZED);
    client_close(&c);

    c = client_dial(&r, MQTT_V5);
    pk.connect.will.topic = STR("dev1/status");
    client_send(&c, &pk);
    /* Sent before the CONNACK: waits for the login, then for each check, in order. */
    pk =
        (struct mqtt_packet){ .type = MQTT_SUBSCRIBE, .subscribe = { .packet_id = 1, .count = 3 } };
    mqtt_sub_put(&list, &sub);
    sub.filter = STR("dev2/#");
    mqtt_sub_put(&list, &sub);
    sub.filter = STR("dev1/x");
    mqtt_sub_put(&list, &sub);
    pk.subscribe.list = buf_str(&list);
    client_send(&c, &pk);
    pk = publish_packet("dev2/data", "x", 1, false, 2);
    client_send(&c, &pk);
    pk = publish_packet("dev1/data", "y", 1, false, 3);
    client_send(&c, &pk);
    assert_int_equal(client_expect(&c, MQTT_CONNACK).connack.code, 0);
    /* Answers come in order; the publication may overtake the SUBACK (MQTT 5, 3.8.4). */
    for (int answers = 0, got = 0; answers < 3 || !got;) {
        assert_int_equal(client_read(&c, &pk, RIG_WAIT_MS), 1);
        if (pk.type == MQTT_PUBLISH) {
            assert_true(str_eq(pk.publish.topic, STR("dev1/data")) && !got++);
            client_answer(&c, &pk.publish);
            continue;
        }
        assert_int_equal(pk.type, answers == 0 ? MQTT_SUBACK : MQTT_PUBACK);
        if (answers == 0)
            assert_true(str_eq(pk.suback.codes, STR("\x01\x87\x01")));
        if (answers == 1)
            assert_int_equal(pk.ack.code, MQTT_REASON_NOT_AUTHORIZED);
        if (answers == 2)
            assert_int_equal(pk.ack.packet_id, 3);
        answers++;
    }
    client_expect_nothing(&c);

    /* Gone in the middle of every question. */
    for (int i = 0; i < 6; i++) {
        dead = client_dial(&r, MQTT_V5);
        pk = login_packet(MQTT_V5, "dead", "secret");
        if (i % 3 == 1) {
            pk.connect.has_will = true;
            pk.connect.will.topic = STR("dead/will");
        }
        client_send(&dead, &pk);
        pk = publish_packet("dead/data", "z", 1, false, 2);
        if (i % 3 == 2) {
            client_expect(&dead, MQTT_CONNACK);
            client_send(&dead, &pk);
        }
        client_close(&dead);
    }
    rig_await_connected(&r, "dead", false);
    buf_fini(&list);
    client_close(&c);
    rig_stop(&r);
}

static void authz_at_once(void **state)
{
    (void)state;
    guarded(false);
}

static void authz_later(void **state)
{
    (void)state;
    guarded(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(acknowledgements_in_order),
        cmocka_unit_test(repeated_while_undecided),
        cmocka_unit_test(repeated_over_a_new_connection),
        cmocka_unit_test(waiting_and_full),
        cmocka_unit_test(client_dies_with_tokens),
        cmocka_unit_test(wills_are_ingested),
        cmocka_unit_test(receive_maximum),
        cmocka_unit_test(authz_at_once),
        cmocka_unit_test(authz_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
