/* The client's machine: connecting, refusals, silence, what it takes and what it protests at. */
#include "unit/mqtt/client_kit.h"

#include "base/mem.h"

#include <errno.h>

static void connects(void **state)
{
    static const enum mqtt_version versions[] = { MQTT_V311, MQTT_V5 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct kit k;
        struct mqtt_packet p;
        size_t at = 0;

        kit_init(&k, versions[i], false, 4);
        assert_int_equal(client_wake_at(&k.c), 0);
        assert_int_equal(client_tick(&k.c, k.now), CLIENT_TODO_DIAL);
        assert_true(client_wake_at(&k.c) == UINT64_MAX);
        client_dialed(&k.c, k.now);
        p = kit_sent(&k, &at);
        assert_int_equal(p.type, MQTT_CONNECT);
        assert_int_equal(p.connect.version, versions[i]);
        assert_str(p.connect.client_id, "kit");
        assert_true(p.connect.clean_start);
        if (versions[i] == MQTT_V5)
            assert_int_equal(p.connect.props.max_packet, 1000);
        assert_int_equal(at, k.c.out.n);
        assert_int_equal(client_wake_at(&k.c), k.now + 5000);
        client_fini(&k.c);
    }
}

static void no_connack_is_a_dead_path(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, MQTT_V5, false, 4);
    kit_dial(&k);
    assert_int_equal(client_tick(&k.c, k.now + 4999), CLIENT_TODO_NOTHING);
    k.now += 5000;
    assert_int_equal(client_tick(&k.c, k.now), CLIENT_TODO_DROP);
    assert_int_equal(k.c.end_code, -ETIMEDOUT);
    assert_int_equal(client_down(&k.c, k.now, ERR_CLOSED, UINT32_MAX), 100);
    assert_int_equal(k.c.end_code, -ETIMEDOUT); /* the first reason stays */
    assert_int_equal(client_wake_at(&k.c), k.now + 100);
    client_fini(&k.c);
}

static void refusals(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, MQTT_V311, false, 4);
    kit_dial(&k);
    assert_int_equal(kit_got(&k, STR("\x20\x02\x00\x05")), CLIENT_EV_BROKEN);
    assert_int_equal(k.c.end_code, ERR_REFUSED);
    assert_int_equal(k.c.end_reason, 5);
    assert_string_equal(k.c.end_text, "not authorized");
    client_down(&k.c, k.now, ERR_CLOSED, 0);
    client_fini(&k.c);

    kit_init(&k, MQTT_V5, false, 4);
    kit_dial(&k);
    assert_int_equal(kit_got(&k, STR("\x20\x0a\x00\x87\x07\x1f\x00\x04nope")), CLIENT_EV_BROKEN);
    assert_int_equal(k.c.end_reason, MQTT_REASON_NOT_AUTHORIZED);
    assert_string_equal(k.c.end_text, "nope");
    client_fini(&k.c);

    kit_init(&k, MQTT_V5, false, 4);
    kit_dial(&k);
    assert_int_equal(kit_got(&k, MQTT_CONNACK_VERSION), CLIENT_EV_BROKEN);
    assert_int_equal(k.c.end_code, ERR_VERSION);
    client_fini(&k.c);
}

static void backoff_grows_and_forgets(void **state)
{
    struct kit k;
    uint32_t waits[4];

    (void)state;
    kit_init(&k, MQTT_V5, false, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(client_tick(&k.c, k.now), CLIENT_TODO_DIAL);
        waits[i] = client_down(&k.c, k.now, -ECONNREFUSED, UINT32_MAX);
        assert_int_equal(k.c.end_code, -ECONNREFUSED);
        k.now += waits[i];
    }
    assert_int_equal(waits[3], 800);
    /* A session that falls at once does not reset it, one that stood does. */
    kit_open(&k, false);
    assert_int_equal(client_down(&k.c, k.now + 10, ERR_CLOSED, UINT32_MAX), 1000);
    kit_open(&k, false);
    assert_int_equal(client_down(&k.c, k.now + 5000, ERR_CLOSED, UINT32_MAX), 100);
    client_fini(&k.c);
}

static void a_session_that_brings_something_keeps_it_eager(void **state)
{
    struct kit k;
    uint32_t wait = 0;

    (void)state;
    kit_init(&k, MQTT_V311, false, 4);
    for (unsigned i = 0; i < 1000; i++) {
        kit_open(&k, i > 0);
        assert_int_equal(kit_got(&k, STR("\x30\x03\x00\x01"
                                         "a")),
                         CLIENT_EV_MESSAGE);
        k.now += 500;
        k.now += client_down(&k.c, k.now, ERR_CLOSED, UINT32_MAX);
    }
    kit_open(&k, true);
    (void)kit_got(&k, STR("\x30\x03\x00\x01"
                          "a"));
    assert_int_equal(client_down(&k.c, k.now, ERR_CLOSED, UINT32_MAX), 1000);
    /* One that brings nothing is a failure like any other. */
    for (unsigned i = 0; i < 70; i++) {
        k.now += 1000;
        kit_open(&k, true);
        wait = client_down(&k.c, k.now, ERR_CLOSED, UINT32_MAX);
    }
    assert_int_equal(wait, 30000);
    client_fini(&k.c);
}

static void silence_is_asked_about(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, MQTT_V311, false, 4);
    kit_open(&k, false);
    assert_int_equal(client_wake_at(&k.c), k.now + 2000);
    k.now += 2000;
    assert_int_equal(client_tick(&k.c, k.now), CLIENT_TODO_NOTHING);
    assert_true(str_eq(buf_str(&k.c.out), MQTT_PINGREQ_BYTES));
    buf_clear(&k.c.out);
    assert_int_equal(client_wake_at(&k.c), k.now + 1000);
    k.now += 500;
    assert_int_equal(kit_got(&k, MQTT_PINGRESP_BYTES), CLIENT_EV_MORE);
    assert_int_equal(client_wake_at(&k.c), k.now + 2000);
    k.now += 2000;
    assert_int_equal(client_tick(&k.c, k.now), CLIENT_TODO_NOTHING);
    k.now += 1000;
    assert_int_equal(client_tick(&k.c, k.now), CLIENT_TODO_DROP);
    assert_int_equal(k.c.end_code, -ETIMEDOUT);
    client_fini(&k.c);
}

/* Even while messages arrive, the server must hear us within the keep-alive it granted. */
static void keep_alive_of_the_server(void **state)
{
    struct kit k;
    uint64_t start;

    (void)state;
    kit_init(&k, MQTT_V5, false, 4);
    kit_dial(&k);
    buf_clear(&k.c.out);
    assert_int_equal(kit_got(&k, STR("\x20\x06\x00\x00\x03\x13\x00\x04")), CLIENT_EV_UP);
    start = k.now;
    while (k.c.out.n == 0) {
        k.now += 100;
        assert_int_equal(kit_got(&k, STR("\x30\x04\x00\x01"
                                         "a\x00")),
                         CLIENT_EV_MESSAGE);
        assert_int_equal(client_tick(&k.c, k.now), CLIENT_TODO_NOTHING);
        assert_true(k.now - start <= 4000);
    }
    assert_int_equal(k.now - start, 3000);
    client_fini(&k.c);
}

static void messages_are_acknowledged_when_taken(void **state)
{
    struct kit k;
    struct mqtt_packet p;
    size_t at = 0;

    (void)state;
    kit_init(&k, MQTT_V311, false, 4);
    kit_open(&k, false);
    assert_int_equal(kit_got(&k, STR("\x32\x07\x00\x01"
                                     "a\x00\x07hi")),
                     CLIENT_EV_MESSAGE);
    assert_str(k.e.packet.publish.topic, "a");
    assert_str(k.e.packet.publish.payload, "hi");
    assert_int_equal(k.c.out.n, 0);
    client_took(&k.c, &k.e.packet.publish, k.now);
    p = kit_sent(&k, &at);
    assert_int_equal(p.type, MQTT_PUBACK);
    assert_int_equal(p.ack.packet_id, 7);
    client_fini(&k.c);
}

static void input_in_pieces(void **state)
{
    static const char two[] = "\x30\x04\x00\x01"
                              "ax\x30\x04\x00\x01"
                              "by";
    struct kit k;
    size_t used;

    (void)state;
    kit_init(&k, MQTT_V311, false, 4);
    kit_open(&k, false);
    client_input(&k.c, str_from(two, 5), k.now, &used, &k.e);
    assert_true(k.e.kind == CLIENT_EV_MORE && used == 0);
    client_input(&k.c, str_from(two, 12), k.now, &used, &k.e);
    assert_true(k.e.kind == CLIENT_EV_MESSAGE && used == 6);
    client_input(&k.c, str_from(two + 6, 6), k.now, &used, &k.e);
    assert_true(k.e.kind == CLIENT_EV_MESSAGE && used == 6);
    assert_str(k.e.packet.publish.topic, "b");
    client_fini(&k.c);
}

static void protests(void **state)
{
    static const struct {
        struct str bytes;
        unsigned reason;
    } cases[] = {
        { STR("\x34\x06\x00\x01"
              "a\x00\x01\x00"),
          MQTT_REASON_BAD_QOS },
        { STR("\x30\x07\x00\x01"
              "a\x03\x23\x00\x01"),
          MQTT_REASON_BAD_ALIAS },
        { STR("\x20\x03\x00\x00\x00"), MQTT_REASON_PROTOCOL },
        { STR("\xc0\x00"), MQTT_REASON_PROTOCOL },
        { STR("\x82\x07\x00\x01\x00\x00\x01"
              "a\x00"),
          MQTT_REASON_PROTOCOL },
        { STR("\x36\x00"), MQTT_REASON_MALFORMED },
        { STR("\x30\xff\x7f"), MQTT_REASON_TOO_LARGE },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct kit k;
        struct mqtt_packet p;
        size_t at = 0;

        kit_init(&k, MQTT_V5, false, 4);
        kit_open(&k, false);
        assert_int_equal(kit_got(&k, cases[i].bytes), CLIENT_EV_BROKEN);
        assert_int_equal(k.c.end_code, ERR_PROTO);
        assert_int_equal(k.c.end_reason, cases[i].reason);
        p = kit_sent(&k, &at);
        assert_int_equal(p.type, MQTT_DISCONNECT);
        assert_int_equal(p.reasoned.code, cases[i].reason);
        /* Nothing more is looked at. */
        assert_int_equal(client_tick(&k.c, k.now + 1000000), CLIENT_TODO_NOTHING);
        client_fini(&k.c);
    }
}

static void first_packet_must_be_connack(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, MQTT_V311, false, 4);
    kit_dial(&k);
    buf_clear(&k.c.out);
    assert_int_equal(kit_got(&k, STR("\x30\x03\x00\x01"
                                     "a")),
                     CLIENT_EV_BROKEN);
    assert_int_equal(k.c.out.n, 0);
    client_fini(&k.c);
}

static void the_server_says_goodbye(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, MQTT_V5, false, 4);
    kit_open(&k, false);
    assert_int_equal(kit_got(&k, STR("\xe0\x01\x8b")), CLIENT_EV_BROKEN);
    assert_int_equal(k.c.end_code, ERR_CLOSED);
    assert_int_equal(k.c.end_reason, MQTT_REASON_SHUTTING_DOWN);
    assert_string_equal(k.c.end_text, "server shutting down");
    assert_int_equal(k.c.out.n, 0);
    client_fini(&k.c);
}

static void farewell(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, MQTT_V5, false, 4);
    client_farewell(&k.c);
    assert_int_equal(k.c.out.n, 0);
    kit_open(&k, false);
    client_farewell(&k.c);
    assert_true(str_eq(buf_str(&k.c.out), STR("\xe0\x00")));
    client_fini(&k.c);
}

static void expect_ack(struct kit *k, enum mqtt_type type, unsigned code)
{
    size_t at = 0;
    struct mqtt_packet p = kit_sent(k, &at);

    assert_int_equal(p.type, type);
    assert_int_equal(p.ack.packet_id, 7);
    assert_int_equal(p.ack.code, code);
    buf_clear(&k->c.out);
}

/* A message of QoS 2 comes to its owner once, however often the server sends it before PUBREL. */
static void messages_exactly_once(void **state)
{
    static const struct str message = STR("\x34\x06\x00\x01"
                                          "a\x00\x07\x00");
    static const struct str pubrel = STR("\x62\x02\x00\x07");
    struct kit k;

    (void)state;
    kit_init(&k, MQTT_V5, false, 4);
    k.c.cfg.connect.clean_start = false; /* an older session may have asked for QoS 2 */
    kit_open(&k, false);
    assert_int_equal(kit_got(&k, pubrel), CLIENT_EV_MORE);
    expect_ack(&k, MQTT_PUBCOMP, MQTT_REASON_NO_PACKET_ID);
    assert_int_equal(kit_got(&k, message), CLIENT_EV_MESSAGE);
    client_took(&k.c, &k.e.packet.publish, k.now);
    expect_ack(&k, MQTT_PUBREC, 0);
    assert_int_equal(kit_got(&k, message), CLIENT_EV_MORE);
    expect_ack(&k, MQTT_PUBREC, 0);
    client_down(&k.c, k.now, ERR_CLOSED, 0);
    kit_open(&k, true); /* the kept session goes on where it was */
    assert_int_equal(kit_got(&k, message), CLIENT_EV_MORE);
    expect_ack(&k, MQTT_PUBREC, 0);
    assert_int_equal(kit_got(&k, pubrel), CLIENT_EV_MORE);
    expect_ack(&k, MQTT_PUBCOMP, 0);
    assert_int_equal(kit_got(&k, message), CLIENT_EV_MESSAGE);
    client_took(&k.c, &k.e.packet.publish, k.now);
    client_down(&k.c, k.now, ERR_CLOSED, 0);
    kit_open(&k, false); /* a new one knows nothing */
    assert_int_equal(kit_got(&k, message), CLIENT_EV_MESSAGE);
    client_fini(&k.c);
}

/* The answer to our own question, not to one that was asked before it. */
static void ping_means_all_was_read(void **state)
{
    static const struct str pong = STR("\xd0\x00");
    struct kit k;

    (void)state;
    kit_init(&k, MQTT_V5, false, 4);
    client_ping(&k.c, k.now);
    assert_int_equal(k.c.out.n, 0);
    kit_open(&k, false);
    k.now = client_wake_at(&k.c);
    client_tick(&k.c, k.now);
    client_ping(&k.c, k.now);
    assert_str(buf_str(&k.c.out), "\xc0\x00\xc0\x00");
    assert_int_equal(kit_got(&k, pong), CLIENT_EV_MORE);
    assert_int_equal(kit_got(&k, pong), CLIENT_EV_PONG);
    assert_int_equal(kit_got(&k, pong), CLIENT_EV_MORE);
    client_fini(&k.c);
}

/* Of a length of 2000, which is too long for it, in pieces of `piece` bytes; what came of the last one. */
static enum client_event_kind long_publish(struct kit *k, const char *front, size_t front_n,
                                           size_t piece)
{
    struct buf b = buf_init(4000);
    enum client_event_kind kind = CLIENT_EV_MORE;
    size_t at = 0, seen = 0, used;

    buf_put_bytes(&b, front, front_n);
    for (size_t i = front_n; i < 3 + 2000; i++)
        buf_u8(&b, 'x');
    buf_put(&b, STR("\x50\x02\x00\x09")); /* a PUBREC behind it */
    while (kind == CLIENT_EV_MORE && seen < b.n) {
        seen = seen + piece < b.n ? seen + piece : b.n;
        client_input(&k->c, str_skip(str_from(buf_str(&b).p, seen), at), k->now, &used, &k->e);
        kind = k->e.kind;
        at += used;
    }
    if (kind == CLIENT_EV_SKIPPED) {
        assert_int_equal(at, 3 + 2000);
        assert_int_equal(kit_got(k, str_skip(buf_str(&b), at)), CLIENT_EV_RELAY);
        assert_int_equal(k->e.packet.ack.packet_id, 9);
    }
    buf_fini(&b);
    return kind;
}

static void who_relays_reads_past_what_is_too_long(void **state)
{
    struct kit k;

    (void)state;
    for (size_t piece = 1; piece < 3000; piece = piece * 3 + 1) {
        kit_init(&k, MQTT_V311, false, 4);
        k.c.cfg.relay = true;
        kit_open(&k, false);
        k.c.cfg.connect.clean_start = false;
        assert_int_equal(long_publish(&k, "\x34\xd0\x0f\x00\x01t\x12\x34", 8, piece),
                         CLIENT_EV_SKIPPED);
        assert_int_equal(k.c.state, CLIENT_OPEN);
        assert_int_equal(long_publish(&k, "\x30\xd0\x0f\x00\x01t", 6, piece), CLIENT_EV_SKIPPED);
        /* What it says of it is lost with the connection. */
        assert_int_equal(kit_got(&k, STR("\x34\xd0\x0f\x00\x01t\x12\x34")), CLIENT_EV_MORE);
        client_down(&k.c, k.now, ERR_CLOSED, 0);
        kit_open(&k, true);
        assert_int_equal(kit_got(&k, STR("\xd0\x00")), CLIENT_EV_MORE);
        /* A topic that alone is longer than what we keep is refused. */
        assert_int_equal(long_publish(&k, "\x34\xd0\x0f\x07\xc0t\x12\x34", 8, piece),
                         CLIENT_EV_BROKEN);
        assert_int_equal(k.c.end_reason, MQTT_REASON_TOO_LARGE);
        client_fini(&k.c);
    }
    kit_init(&k, MQTT_V5, false, 4); /* this one was told */
    k.c.cfg.relay = true;
    kit_open(&k, false);
    assert_int_equal(long_publish(&k, "\x30\xd0\x0f\x00\x01t\x00", 7, 3000), CLIENT_EV_BROKEN);
    client_fini(&k.c);
    kit_init(&k, MQTT_V311, false, 4); /* and this one takes what it gets as its own */
    kit_open(&k, false);
    assert_int_equal(long_publish(&k, "\x30\xd0\x0f\x00\x01t", 6, 3000), CLIENT_EV_BROKEN);
    client_fini(&k.c);
}

RUN(TEST(connects), TEST(no_connack_is_a_dead_path), TEST(refusals),
    TEST(backoff_grows_and_forgets), TEST(a_session_that_brings_something_keeps_it_eager),
    TEST(silence_is_asked_about), TEST(keep_alive_of_the_server),
    TEST(messages_are_acknowledged_when_taken), TEST(input_in_pieces), TEST(protests),
    TEST(first_packet_must_be_connack), TEST(the_server_says_goodbye), TEST(farewell),
    TEST(messages_exactly_once), TEST(who_relays_reads_past_what_is_too_long),
    TEST(ping_means_all_was_read))
