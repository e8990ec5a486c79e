/* Sessions: wills, the way from worker to worker, expiry. In raw packets, over several workers. */
#include "broker_rig.h"
#include "slow_disk.h"

/* ---- wills ---- */

static struct mqtt_packet with_will(const char *id, const char *payload, uint32_t delay_s,
                                    uint32_t expiry_s)
{
    struct mqtt_packet pk = connect_packet(MQTT_V5, id);

    pk.connect.has_will = true;
    pk.connect.will.topic = STR("will");
    pk.connect.will.payload = str_of(payload);
    pk.connect.will.qos = 1;
    pk.connect.will.props.has = MQTT_HAS(WILL_DELAY);
    pk.connect.will.props.will_delay_s = delay_s;
    pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY);
    pk.connect.props.session_expiry_s = expiry_s;
    return pk;
}

static void wills(void **state)
{
    struct rig r;
    struct client w, c;
    struct mqtt_packet pk, bye = { .type = MQTT_DISCONNECT };

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    w = client_connect(&r, MQTT_V311, "watcher");
    client_subscribe(&w, "will", 1);

    c = client_dial(&r, MQTT_V5); /* cut */
    pk = with_will("a", "cut", 0, 0);
    client_hello(&c, &pk);
    client_close(&c);
    client_expect_publish(&w, "will", "cut", 1);

    c = client_dial(&r, MQTT_V5); /* said good-bye */
    pk = with_will("a", "not this", 0, 0);
    client_hello(&c, &pk);
    client_send(&c, &bye);
    client_expect_end(&c);
    client_close(&c);

    c = client_dial(&r, MQTT_V5); /* said good-bye with will */
    pk = with_will("a", "with will", 0, 0);
    client_hello(&c, &pk);
    bye.reasoned.code = MQTT_REASON_DISCONNECT_WITH_WILL;
    client_send(&c, &bye);
    client_expect_publish(&w, "will", "with will", 1);
    client_close(&c);

    c = client_dial(&r, MQTT_V5); /* a protocol error */
    pk = with_will("a", "error", 0, 0);
    client_hello(&c, &pk);
    client_send_bytes(&c, STR("\x00\x00"));
    client_expect_publish(&w, "will", "error", 1);
    client_close(&c);

    c = client_dial(&r, MQTT_V5); /* delayed, and back in time: never sent */
    pk = with_will("b", "delayed", 1, 100);
    client_hello(&c, &pk);
    client_close(&c);
    c = client_dial(&r, MQTT_V5);
    pk = with_will("b", "second", 0, 100);
    pk.connect.clean_start = false;
    assert_true(client_hello(&c, &pk).session_present);
    client_close(&c);
    client_expect_publish(&w, "will", "second", 1);

    c = client_dial(&r, MQTT_V5); /* the delay is over when the session is */
    pk = with_will("c", "ended", 100, 1);
    client_hello(&c, &pk);
    client_close(&c);
    client_expect_publish(&w, "will", "ended", 1);
    client_expect_nothing(&w);
    client_close(&w);
    rig_stop(&r);
}

/* ---- sessions ---- */

/* On whichever worker it is; its will is sent, and its session stays as long as it asked for. */
static void operator_ends_a_connection(void **state)
{
    struct rig r;
    struct client w, c;
    struct mqtt_packet pk;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    w = client_connect(&r, MQTT_V5, "watcher");
    client_subscribe(&w, "will", 1);
    assert_int_equal(rig_kick(&r, "nobody"), BROKER_KICK_UNKNOWN);
    for (unsigned i = 0; i < 8; i++) {
        c = client_dial(&r, MQTT_V5);
        pk = with_will("c", "kicked", 0, 100);
        pk.connect.clean_start = false;
        client_hello(&c, &pk);
        assert_int_equal(rig_kick(&r, "c"), BROKER_KICK_DONE);
        client_expect_kick(&c, MQTT_REASON_ADMINISTRATIVE);
        client_expect_publish(&w, "will", "kicked", 1);
        client_close(&c);
        assert_int_equal(rig_kick(&r, "c"), BROKER_KICK_AWAY);
    }
    assert_true(rig_session(&r, "watcher").info.connected);
    client_close(&w);
    rig_stop(&r);
}

/* Connected or away: nothing of it is left. */
static void operator_ends_a_session(void **state)
{
    struct rig r;
    struct client c;
    struct mqtt_packet pk;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    for (unsigned i = 0; i < 8; i++) {
        c = client_dial(&r, MQTT_V5);
        pk = with_will("c", "kicked", 0, 100);
        pk.connect.clean_start = false;
        client_hello(&c, &pk);
        if (i % 2 == 0) {
            assert_int_equal(rig_kick_with(&r, "c", true), BROKER_KICK_DONE);
            client_expect_kick(&c, MQTT_REASON_ADMINISTRATIVE);
            client_close(&c);
        } else {
            client_close(&c);
            rig_await_connected(&r, "c", false);
            assert_int_equal(rig_kick_with(&r, "c", true), BROKER_KICK_DONE);
        }
        assert_false(rig_session(&r, "c").found);
        assert_int_equal(rig_kick_with(&r, "c", true), BROKER_KICK_UNKNOWN);
    }
    rig_stop(&r);
}

/* Its connection is not told yet, since the disk is waited for: there is nobody who would notice that it left. */
static void operator_ends_what_is_about_to_open(void **state)
{
    struct slow_disk d;
    struct rig *r = &d.r;

    (void)state;
    slow_disk_init(&d);
    slow_disk_start(&d, 2, 500);
    for (unsigned end_session = 0; end_session < 2; end_session++) {
        struct mqtt_packet pk = with_will("c", "of nobody", 0, 1);
        struct client c = client_dial(r, MQTT_V5);
        int64_t limit = now_ms() + RIG_WAIT_MS;

        pk.connect.clean_start = false;
        client_send(&c, &pk);
        while (!rig_session(r, "c").found)
            assert_true(now_ms() < limit);
        assert_false(rig_session(r, "c").info.connected);
        assert_int_equal(rig_kick_with(r, "c", end_session), BROKER_KICK_DONE);
        client_expect_end(&c);
        assert_int_equal(rig_session(r, "c").found, !end_session);
        while (rig_session(r, "c").found) /* it has its time, as any other */
            assert_true(now_ms() < limit);
        client_close(&c);
    }
    slow_disk_stop(&d);
}

static void session_moves_between_workers(void **state)
{
    enum { ROUNDS = 12 };
    struct rig r;
    struct client pub, c[ROUNDS + 1];
    struct mqtt_packet pk = connect_packet(MQTT_V5, "mover");
    struct mqtt_connack ack;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    pub = client_connect(&r, MQTT_V5, "pub");
    pk.connect.clean_start = false;
    pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY);
    pk.connect.props.session_expiry_s = 1000;
    c[0] = client_connect_on(&r, &pk, "mover", 0, &ack);
    client_subscribe(&c[0], "m/+", 1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        char payload[16];
        struct mqtt_publish p;

        /* Sent to the old connection and not acknowledged there. */
        snprintf(payload, sizeof(payload), "%u", i);
        client_publish(&pub, "m/1", payload, 1, false);
        p = client_expect(&c[i], MQTT_PUBLISH).publish;
        assert_false(p.dup);
        c[i + 1] = client_dial(&r, MQTT_V5);
        ack = client_hello(&c[i + 1], &pk);
        assert_true(ack.session_present);
        p = client_expect_publish(&c[i + 1], "m/1", payload, 1);
        assert_true(p.dup);
        client_expect_kick(&c[i], MQTT_REASON_TAKEN_OVER);
        client_close(&c[i]);
    }
    assert_int_equal(rig_session(&r, "mover").info.subscriptions, 1);
    client_close(&c[ROUNDS]);
    rig_await_connected(&r, "mover", false);
    for (int i = 0; i < 50; i++)
        client_publish(&pub, "m/2", "while away", 1, false);
    assert_int_equal(rig_session(&r, "mover").info.queued, 50);
    c[0] = client_dial(&r, MQTT_V5);
    assert_true(client_hello(&c[0], &pk).session_present);
    for (int i = 0; i < 50; i++)
        client_expect_publish(&c[0], "m/2", "while away", 1);
    client_close(&c[0]);
    c[0] = client_dial(&r, MQTT_V5);
    pk.connect.clean_start = true;
    assert_false(client_hello(&c[0], &pk).session_present);
    client_publish(&pub, "m/2", "nobody", 1, false);
    client_expect_nothing(&c[0]);
    client_close(&c[0]);
    client_close(&pub);
    rig_stop(&r);
}

/* Many claims of one client id at once: one connection is left, the others are told. */
static void crowd_of_one_name(void **state)
{
    enum { CROWD = 40 };
    struct rig r;
    struct client c[CROWD];
    struct mqtt_packet pk = connect_packet(MQTT_V5, "same"), got;
    int open = 0;

    (void)state;
    rig_init(&r);
    rig_start(&r, 3);
    for (int i = 0; i < CROWD; i++)
        c[i] = client_dial(&r, MQTT_V5);
    for (int i = 0; i < CROWD; i++)
        client_send(&c[i], &pk);
    for (int i = 0; i < CROWD; i++) {
        bool told = false, answered = false;
        int n;

        /* Each is either told, or closed before it was open, or the one that is left. */
        client_send_bytes(&c[i], MQTT_PINGREQ_BYTES);
        while ((n = client_read(&c[i], &got, answered ? 50 : RIG_WAIT_MS)) == 1) {
            answered |= got.type == MQTT_PINGRESP;
            told |= got.type == MQTT_DISCONNECT && got.reasoned.code == MQTT_REASON_TAKEN_OVER;
        }
        assert_true(n == 0 || answered);
        open += n < 0 && !told;
    }
    assert_true(open >= 1);
    assert_int_equal(rig_session(&r, "same").count, 1);
    for (int i = 0; i < CROWD; i++)
        client_close(&c[i]);
    rig_await_connected(&r, "same", false);
    assert_int_equal(rig_session(&r, "same").count, 0);
    rig_stop(&r);
}

static void session_expires(void **state)
{
    struct rig r;
    struct client c;
    struct mqtt_packet pk = connect_packet(MQTT_V5, "short");
    int64_t end = now_ms() + RIG_WAIT_MS;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY);
    pk.connect.props.session_expiry_s = 1;
    c = client_dial(&r, MQTT_V5);
    client_hello(&c, &pk);
    client_close(&c);
    rig_await_connected(&r, "short", false);
    assert_int_equal(rig_session(&r, "short").count, 1);
    while (rig_session(&r, "short").count > 0)
        assert_true(now_ms() < end);
    rig_stop(&r);
}

/* ---- whose session it is ---- */

static struct mqtt_packet by_user(enum mqtt_version v, const char *user, uint32_t expiry_s)
{
    struct mqtt_packet pk = connect_packet(v, "shared-id");

    pk.connect.clean_start = expiry_s == 0;
    pk.connect.has_username = user != NULL;
    pk.connect.username = user ? str_of(user) : STR_NONE;
    if (v == MQTT_V5) {
        pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY);
        pk.connect.props.session_expiry_s = expiry_s;
    }
    return pk;
}

/* Whatever it asks for, it is told no. */
static void refuse_others(const struct rig *r)
{
    static const char *const users[] = { "mallory", NULL };

    for (unsigned i = 0; i < 12; i++) { /* on each worker now and then */
        enum mqtt_version v = i % 2 ? MQTT_V5 : MQTT_V311;
        struct mqtt_packet pk = by_user(v, users[i / 2 % 2], i % 3 ? 100 : 0);
        struct client c = client_dial(r, v);
        struct mqtt_connack ack = client_hello(&c, &pk);

        assert_int_equal(ack.code, v == MQTT_V5 ? MQTT_REASON_NOT_AUTHORIZED : 5);
        client_expect_end(&c);
        client_close(&c);
    }
}

/* A client id is no secret: another user gets nothing by it, and ends nothing. */
static void a_session_is_its_users(void **state)
{
    struct mqtt_packet lasting = by_user(MQTT_V5, "alice", 100),
                       fleeting = by_user(MQTT_V311, "alice", 0);
    struct mqtt_packet other = by_user(MQTT_V5, "mallory", 0);
    struct metric *denied;
    struct client c, pub;
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, 3);
    denied = metrics_counter(r.metrics, "wayside_mqtt_denied_total", "action=\"session\"", "");
    pub = client_connect(&r, MQTT_V5, "pub");
    c = client_dial(&r, MQTT_V5);
    assert_int_equal(client_hello(&c, &lasting).code, 0);
    client_subscribe(&c, "private", 1);
    refuse_others(&r);
    client_expect_nothing(&c); /* it has not noticed */
    client_close(&c);
    rig_await_connected(&r, "shared-id", false);
    client_publish(&pub, "private", "for alice", 1, false);
    refuse_others(&r);
    c = client_dial(&r, MQTT_V5);
    assert_true(client_hello(&c, &lasting).session_present);
    client_expect_publish(&c, "private", "for alice", 1);
    client_close(&c);
    assert_int_equal(metric_value(denied), 24);

    /* One that ends with its connection is as much its user's while that is open. */
    c = client_dial(&r, MQTT_V311);
    assert_int_equal(client_hello(&c, &fleeting).code, 0);
    refuse_others(&r);
    client_expect_nothing(&c);
    client_close(&c);
    rig_await_connected(&r, "shared-id", false);
    c = client_dial(&r, MQTT_V5);
    assert_int_equal(client_hello(&c, &other).code, 0);
    client_close(&c);
    rig_await_connected(&r, "shared-id", false);

    /* The operator may give it to another. */
    c = client_dial(&r, MQTT_V5);
    assert_int_equal(client_hello(&c, &lasting).code, 0);
    client_close(&c);
    rig_await_connected(&r, "shared-id", false);
    assert_int_equal(rig_kick_with(&r, "shared-id", true), BROKER_KICK_DONE);
    c = client_dial(&r, MQTT_V5);
    assert_int_equal(client_hello(&c, &other).code, 0);
    client_close(&c);
    client_close(&pub);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wills),
        cmocka_unit_test(operator_ends_a_connection),
        cmocka_unit_test(operator_ends_a_session),
        cmocka_unit_test(operator_ends_what_is_about_to_open),
        cmocka_unit_test(session_moves_between_workers),
        cmocka_unit_test(crowd_of_one_name),
        cmocka_unit_test(session_expires),
        cmocka_unit_test(a_session_is_its_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
