/* The window: ids, room, acknowledgements in and out of order, what is lost and what goes again. */
#include "unit/mqtt/client_kit.h"

#include "base/mem.h"

static void told(void *ctx, int code, unsigned reason, struct str text)
{
    (void)ctx;
    (void)code;
    (void)reason;
    (void)text;
}

static int publish(struct kit *k, uintptr_t tag, unsigned qos)
{
    struct blob *b = blob_new(STR("body"));
    int rc = client_publish(&k->c,
                            &(struct client_publish){
                                .topic = STR("t"),
                                .payload_n = 4,
                                .payload = b,
                                .qos = (uint8_t)qos,
                                .done = { told, (void *)tag },
                            },
                            k->now);

    if (rc == 0)
        buf_put(&k->c.out, STR("body"));
    blob_unref(b);
    return rc;
}

static void window_and_ids(void **state)
{
    struct kit k;
    size_t at = 0;

    (void)state;
    kit_init(&k, MQTT_V311, false, 3);
    assert_int_equal(publish(&k, 1, 1), ERR_CLOSED);
    kit_open(&k, false);
    assert_int_equal(client_room(&k.c), 3);
    for (unsigned i = 1; i <= 3; i++) {
        struct mqtt_packet p;

        assert_int_equal(publish(&k, i, 1), 0);
        p = kit_sent(&k, &at);
        assert_int_equal(p.publish.packet_id, i);
        assert_int_equal(p.publish.qos, 1);
        assert_false(p.publish.dup);
        assert_str(p.publish.payload, "body");
    }
    assert_int_equal(publish(&k, 4, 1), ERR_FULL);
    assert_int_equal(publish(&k, 5, 0), 0); /* QoS 0 has no window */
    kit_puback(&k, 1, 0);
    assert_true(k.e.done.ctx == (void *)1 && k.e.code == 0);
    assert_int_equal(client_room(&k.c), 1);
    assert_int_equal(publish(&k, 4, 1), 0);
    client_fini(&k.c);
}

static void out_of_order(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, MQTT_V5, false, 3);
    kit_open(&k, false);
    for (unsigned i = 1; i <= 3; i++)
        assert_int_equal(publish(&k, i, 1), 0);
    kit_puback(&k, 2, 0x87);
    assert_true(k.e.done.ctx == (void *)2);
    assert_int_equal(k.e.code, ERR_REFUSED);
    assert_int_equal(k.e.reason, 0x87);
    assert_int_equal(k.c.unacked, 2);
    assert_int_equal(client_room(&k.c), 0); /* the slot waits for the one before it */
    /* A second acknowledgement of the same id is nobody's. */
    assert_int_equal(kit_got(&k, STR("\x40\x02\x00\x02")), CLIENT_EV_MORE);
    kit_puback(&k, 1, 0x10); /* no matching subscribers is a success */
    assert_int_equal(k.e.code, 0);
    assert_int_equal(client_room(&k.c), 2);
    kit_puback(&k, 3, 0x97);
    assert_int_equal(k.e.code, ERR_FULL);
    assert_int_equal(client_room(&k.c), 3);
    client_fini(&k.c);
}

static void limits_of_the_server(void **state)
{
    struct kit k;
    struct client_publish big = { .topic = STR("t"), .payload_n = 100 };
    struct client_publish kept = { .topic = STR("t"), .retain = true };

    (void)state;
    kit_init(&k, MQTT_V5, false, 10);
    kit_dial(&k);
    /* Receive maximum 2, maximum packet size 50, maximum QoS 1, no retained messages. */
    assert_int_equal(kit_got(&k, STR("\x20\x0f\x00\x00\x0c\x21\x00\x02\x27\x00\x00\x00\x32"
                                     "\x24\x01\x25\x00")),
                     CLIENT_EV_UP);
    assert_int_equal(client_room(&k.c), 2);
    assert_int_equal(publish(&k, 1, 1), 0);
    assert_int_equal(publish(&k, 2, 1), 0);
    assert_int_equal(publish(&k, 3, 1), ERR_FULL);
    assert_int_equal(client_publish(&k.c, &big, k.now), ERR_LIMIT);
    assert_int_equal(client_publish(&k.c, &kept, k.now), ERR_VALUE);
    client_fini(&k.c);
}

static void wrong_publications(void **state)
{
    struct kit k;
    struct client_publish p = { .topic = STR("a/+") };

    (void)state;
    kit_init(&k, MQTT_V5, false, 10);
    kit_open(&k, false);
    assert_int_equal(client_publish(&k.c, &p, k.now), ERR_VALUE);
    p.topic = STR("");
    assert_int_equal(client_publish(&k.c, &p, k.now), ERR_VALUE);
    p.topic = STR("a");
    p.qos = 3;
    assert_int_equal(client_publish(&k.c, &p, k.now), ERR_VALUE);
    assert_int_equal(k.c.slot_count, 0);
    client_fini(&k.c);
}

static void lost_in_order(void **state)
{
    struct kit k;
    struct client_done d;

    (void)state;
    kit_init(&k, MQTT_V5, false, 4);
    kit_open(&k, false);
    for (unsigned i = 1; i <= 4; i++)
        assert_int_equal(publish(&k, i, 1), 0);
    kit_puback(&k, 3, 0);
    client_down(&k.c, k.now, ERR_CLOSED, 0);
    assert_true(client_lost(&k.c, &d) && d.ctx == (void *)1);
    assert_true(client_lost(&k.c, &d) && d.ctx == (void *)2);
    assert_true(client_lost(&k.c, &d) && d.ctx == (void *)4);
    assert_false(client_lost(&k.c, &d));
    assert_int_equal(k.c.slot_count, 0);
    kit_open(&k, false);
    assert_int_equal(client_room(&k.c), 4);
    /* An acknowledgement of before finds nobody. */
    assert_int_equal(kit_got(&k, STR("\x40\x02\x00\x01")), CLIENT_EV_MORE);
    client_fini(&k.c);
}

static void resends(bool session_present)
{
    struct kit k;
    struct client_done d;
    struct blob *payload;
    struct str head;
    struct mqtt_packet p;
    size_t used;

    kit_init(&k, MQTT_V5, true, 4);
    kit_open(&k, false);
    for (unsigned i = 1; i <= 4; i++)
        assert_int_equal(publish(&k, i, 1), 0);
    kit_puback(&k, 2, 0);
    client_down(&k.c, k.now, ERR_CLOSED, 0);
    assert_false(client_lost(&k.c, &d));
    assert_int_equal(k.c.unacked, 3);
    kit_open(&k, session_present);
    k.c.receive_max = 2;
    assert_int_equal(client_room(&k.c), 0); /* first those from before */
    for (unsigned id = 1; id <= 3; id += 2) {
        struct buf whole = buf_init(1000);

        assert_true(client_resend_next(&k.c, k.now, &head, &payload));
        buf_put(&whole, head);
        buf_put(&whole, blob_str(payload));
        assert_int_equal(mqtt_decode(buf_str(&whole), MQTT_V5, 1000, &p, &used, NULL), 0);
        assert_int_equal(p.publish.packet_id, id);
        assert_int_equal(p.publish.dup, session_present);
        assert_str(p.publish.payload, "body");
        buf_fini(&whole);
    }
    assert_false(client_resend_next(&k.c, k.now, &head, &payload)); /* receive maximum */
    /* An id that has not gone out again cannot be acknowledged. */
    assert_int_equal(kit_got(&k, STR("\x40\x02\x00\x04")), CLIENT_EV_MORE);
    kit_puback(&k, 1, 0);
    assert_true(k.e.done.ctx == (void *)1);
    assert_true(client_resend_next(&k.c, k.now, &head, &payload));
    assert_int_equal(k.c.unsent, 0);
    kit_puback(&k, 3, 0);
    kit_puback(&k, 4, 0);
    assert_int_equal(client_room(&k.c), 2);
    assert_int_equal(k.c.slot_count, 0);
    client_fini(&k.c);
}

static void resends_with_dup(void **state)
{
    (void)state;
    resends(true);
}

static void resends_to_a_new_session(void **state)
{
    (void)state;
    resends(false);
}

static void gives_up(void **state)
{
    struct kit k;
    struct client_done d;

    (void)state;
    kit_init(&k, MQTT_V311, true, 4);
    kit_open(&k, false);
    assert_int_equal(publish(&k, 1, 1), 0);
    assert_int_equal(publish(&k, 2, 1), 0);
    client_down(&k.c, k.now, ERR_CLOSED, 0);
    client_give_up(&k.c);
    assert_true(client_lost(&k.c, &d) && d.ctx == (void *)1);
    assert_true(client_lost(&k.c, &d) && d.ctx == (void *)2);
    assert_false(client_lost(&k.c, &d));
    client_fini(&k.c);
}

/* Many rounds through the ids: none is used while it is still on its way. */
static void ids_wrap(void **state)
{
    struct kit k;
    size_t at = 0;
    unsigned last = 0;

    (void)state;
    kit_init(&k, MQTT_V311, false, 2);
    kit_open(&k, false);
    for (unsigned i = 0; i < 130000; i++) {
        struct mqtt_packet p;

        buf_clear(&k.c.out);
        at = 0;
        assert_int_equal(publish(&k, i, 1), 0);
        p = kit_sent(&k, &at);
        assert_true(p.publish.packet_id > 0 && p.publish.packet_id < CLIENT_SUB_ID);
        assert_int_equal(p.publish.packet_id, last + 1 == CLIENT_SUB_ID ? 1 : last + 1);
        last = p.publish.packet_id;
        kit_puback(&k, last, 0);
        assert_true(k.e.done.ctx == (void *)(uintptr_t)i);
    }
    client_fini(&k.c);
}

static void ack(struct kit *k, enum mqtt_type type, unsigned id, unsigned code,
                enum client_event_kind expected)
{
    char bytes[MQTT_ACK_MAX];
    size_t n = mqtt_ack_write(bytes, k->c.cfg.connect.version, type, (uint16_t)id, (uint8_t)code);

    assert_int_equal(kit_got(k, str_from(bytes, n)), expected);
}

static void expect_pubrel(struct kit *k, unsigned id, unsigned code)
{
    size_t at = 0;
    struct mqtt_packet p = kit_sent(k, &at);

    assert_int_equal(p.type, MQTT_PUBREL);
    assert_int_equal(p.ack.packet_id, id);
    assert_int_equal(p.ack.code, code);
    assert_int_equal(at, k->c.out.n);
    buf_clear(&k->c.out);
}

static void exactly_once(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, MQTT_V5, false, 4);
    kit_open(&k, false);
    for (unsigned i = 1; i <= 3; i++)
        assert_int_equal(publish(&k, i, i == 2 ? 1 : 2), 0);
    buf_clear(&k.c.out);
    ack(&k, MQTT_PUBCOMP, 1, 0, CLIENT_EV_MORE); /* not its turn */
    ack(&k, MQTT_PUBACK, 1, 0, CLIENT_EV_MORE);  /* not of this QoS */
    ack(&k, MQTT_PUBREC, 1, 0, CLIENT_EV_MORE);
    expect_pubrel(&k, 1, 0);
    ack(&k, MQTT_PUBREC, 1, 0, CLIENT_EV_MORE); /* asked again */
    expect_pubrel(&k, 1, 0);
    assert_int_equal(k.c.unacked, 3);
    ack(&k, MQTT_PUBCOMP, 1, 0, CLIENT_EV_DONE);
    assert_true(k.e.done.ctx == (void *)1 && k.e.code == 0);
    ack(&k, MQTT_PUBREC, 2, 0, CLIENT_EV_MORE); /* QoS 1 has none */
    expect_pubrel(&k, 2, MQTT_REASON_NO_PACKET_ID);
    ack(&k, MQTT_PUBREC, 3, 0x87, CLIENT_EV_DONE); /* refused: that is the end of it */
    assert_true(k.e.done.ctx == (void *)3);
    assert_int_equal(k.e.code, ERR_REFUSED);
    assert_int_equal(k.c.out.n, 0);
    ack(&k, MQTT_PUBCOMP, 3, 0, CLIENT_EV_MORE);
    kit_puback(&k, 2, 0);
    assert_int_equal(k.c.slot_count, 0);
    client_fini(&k.c);
}

/* What was received already goes on with its PUBREL in the kept session, and is sent anew in a new
 * one. */
static void exactly_once_over_a_loss(bool session_present)
{
    struct kit k;
    struct blob *payload;
    struct str head;

    kit_init(&k, MQTT_V5, true, 4);
    kit_open(&k, false);
    assert_int_equal(publish(&k, 1, 2), 0);
    assert_int_equal(publish(&k, 2, 2), 0);
    ack(&k, MQTT_PUBREC, 1, 0, CLIENT_EV_MORE);
    client_down(&k.c, k.now, ERR_CLOSED, 0);
    kit_open(&k, session_present);
    if (session_present) {
        expect_pubrel(&k, 1, 0);
    } else {
        assert_true(client_resend_next(&k.c, k.now, &head, &payload));
        assert_int_equal((unsigned char)head.p[0], 0x34);
    }
    assert_true(client_resend_next(&k.c, k.now, &head, &payload));
    assert_int_equal((unsigned char)head.p[0], session_present ? 0x3c : 0x34);
    assert_false(client_resend_next(&k.c, k.now, &head, &payload));
    if (!session_present) {
        ack(&k, MQTT_PUBCOMP, 1, 0, CLIENT_EV_MORE);
        ack(&k, MQTT_PUBREC, 1, 0, CLIENT_EV_MORE);
    }
    /* In a kept session the server may have completed it, and only its word of that was lost. */
    ack(&k, MQTT_PUBCOMP, 1, session_present ? MQTT_REASON_NO_PACKET_ID : 0, CLIENT_EV_DONE);
    assert_int_equal(k.e.code, 0);
    assert_int_equal(k.c.unacked, 1);
    client_fini(&k.c);
}

static void exactly_once_in_a_kept_session(void **state)
{
    (void)state;
    exactly_once_over_a_loss(true);
}

static void exactly_once_in_a_new_session(void **state)
{
    (void)state;
    exactly_once_over_a_loss(false);
}

RUN(TEST(window_and_ids), TEST(out_of_order), TEST(limits_of_the_server), TEST(wrong_publications),
    TEST(lost_in_order), TEST(resends_with_dup), TEST(resends_to_a_new_session), TEST(gives_up),
    TEST(ids_wrap), TEST(exactly_once), TEST(exactly_once_in_a_kept_session),
    TEST(exactly_once_in_a_new_session))
