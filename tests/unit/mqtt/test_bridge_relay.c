/*
 * A bridge's relay: what it says to one side when it hears something from the other; then two model servers
 * with a relay between them whose connections break at random moments: nothing is lost, QoS 2 comes once.
 */
#include "unit/unit.h"

#include "base/mem.h"
#include "mqtt/bridge_relay.h"

#include <stdio.h>

struct kit {
    struct bridge_map map;
    struct bridge_relay r;
    size_t at[2];
};

static const struct bridge_rule rules[] = {
    { { "d/#", 3 }, { 0 }, { "far/", 4 }, BRIDGE_OUT, 2 },
    { { "c/#", 3 }, { "in/", 3 }, { 0 }, BRIDGE_IN, 2 },
};

static void kit_init(struct kit *k, const struct bridge_far *far)
{
    *k = (struct kit){ 0 };
    bridge_map_init(&k->map, rules, COUNT_OF(rules));
    bridge_relay_init(&k->r, &k->map, 100, 10);
    bridge_relay_open(&k->r, far);
}

static void kit_fini(struct kit *k)
{
    bridge_relay_fini(&k->r);
    bridge_map_fini(&k->map);
}

static const struct bridge_far v5_far = { MQTT_V5, SIZE_MAX, 2, true };
static const struct bridge_far v311_far = { MQTT_V311, SIZE_MAX, 2, true };

/* The next packet to that side; its type is 0 when there is none. */
static struct mqtt_packet said(struct kit *k, enum bridge_side to)
{
    struct str rest = str_skip(buf_str(&k->r.to[to]), k->at[to]);
    struct mqtt_packet p = { 0 };
    size_t used;

    if (rest.n == 0)
        return p;
    assert_int_equal(mqtt_decode(rest, to == BRIDGE_LOCAL ? MQTT_V5 : k->r.far.version, 1 << 20, &p,
                                 &used, NULL),
                     0);
    k->at[to] += used;
    return p;
}

static void silence(struct kit *k)
{
    assert_int_equal(said(k, BRIDGE_FAR).type, 0);
    assert_int_equal(said(k, BRIDGE_LOCAL).type, 0);
}

static int publish(struct kit *k, enum bridge_side from, const char *topic, unsigned qos,
                   uint16_t id)
{
    struct mqtt_packet p = { .type = MQTT_PUBLISH };

    p.publish = (struct mqtt_publish){ .topic = str_of(topic),
                                       .payload = STR("hello"),
                                       .qos = (uint8_t)qos,
                                       .packet_id = id,
                                       .retain = true };
    return bridge_relay_input(&k->r, from, &p);
}

static int ack(struct kit *k, enum bridge_side from, enum mqtt_type type, uint16_t id, uint8_t code)
{
    struct mqtt_packet p = { .type = type };

    p.ack = (struct mqtt_ack){ .packet_id = id, .code = code };
    return bridge_relay_input(&k->r, from, &p);
}

static void expect_ack(struct kit *k, enum bridge_side to, enum mqtt_type type, uint16_t id,
                       uint8_t code)
{
    struct mqtt_packet p = said(k, to);

    assert_int_equal(p.type, type);
    assert_int_equal(p.ack.packet_id, id);
    assert_int_equal(p.ack.code, code);
}

static void hands_on_and_answers_nothing_itself(void **state)
{
    struct kit k;
    struct mqtt_packet p;

    (void)state;
    kit_init(&k, &v5_far);
    assert_int_equal(publish(&k, BRIDGE_LOCAL, "d/1", 2, 7), 0);
    p = said(&k, BRIDGE_FAR);
    assert_int_equal(p.type, MQTT_PUBLISH);
    assert_true(str_eq(p.publish.topic, STR("far/d/1")));
    assert_int_equal(p.publish.packet_id, 7);
    assert_int_equal(p.publish.qos, 2);
    assert_true(p.publish.retain);
    silence(&k);
    assert_int_equal(ack(&k, BRIDGE_FAR, MQTT_PUBREC, 7, 0), 0);
    expect_ack(&k, BRIDGE_LOCAL, MQTT_PUBREC, 7, 0);
    assert_int_equal(ack(&k, BRIDGE_LOCAL, MQTT_PUBREL, 7, 0), 0);
    expect_ack(&k, BRIDGE_FAR, MQTT_PUBREL, 7, 0);
    assert_int_equal(ack(&k, BRIDGE_FAR, MQTT_PUBCOMP, 7, 0), 0);
    expect_ack(&k, BRIDGE_LOCAL, MQTT_PUBCOMP, 7, 0);
    assert_int_equal(publish(&k, BRIDGE_FAR, "c/x", 1, 0xf123), 0);
    p = said(&k, BRIDGE_LOCAL);
    assert_true(str_eq(p.publish.topic, STR("in/c/x")));
    assert_int_equal(p.publish.packet_id, 0xf123);
    assert_int_equal(ack(&k, BRIDGE_LOCAL, MQTT_PUBACK, 0xf123, 0), 0);
    expect_ack(&k, BRIDGE_FAR, MQTT_PUBACK, 0xf123, 0);
    silence(&k);
    assert_int_equal(k.r.counts.sent, 1);
    assert_int_equal(k.r.counts.taken, 1);
    kit_fini(&k);
}

static void properties_cross_and_the_way_back_is_renamed(void **state)
{
    struct kit k;
    struct mqtt_packet p = { .type = MQTT_PUBLISH }, q;
    struct buf raw = buf_init(100), whole = buf_init(1000);
    struct str name, value;
    size_t at = 0, used;

    (void)state;
    mqtt_props_put_user(&raw, STR("k"), STR("v"));
    p.publish = (struct mqtt_publish){ .topic = STR("d/1"), .payload = STR("x") };
    p.publish.props = (struct mqtt_props){
        .has = MQTT_HAS(MESSAGE_EXPIRY) | MQTT_HAS(RESPONSE_TOPIC) | MQTT_HAS(CONTENT_TYPE) |
               MQTT_HAS(SUBSCRIPTION_ID),
        .raw = buf_str(&raw),
        .message_expiry_s = 9,
        .response_topic = STR("in/c/answer"),
        .content_type = STR("text/plain"),
        .subscription_id = 5,
    };
    mqtt_encode(&p, MQTT_V5, &whole);
    assert_int_equal(mqtt_decode(buf_str(&whole), MQTT_V5, 1000, &q, &used, NULL), 0);
    kit_init(&k, &v5_far);
    assert_int_equal(bridge_relay_input(&k.r, BRIDGE_LOCAL, &q), 0);
    p = said(&k, BRIDGE_FAR);
    assert_int_equal(p.publish.props.message_expiry_s, 9);
    assert_true(str_eq(p.publish.props.response_topic, STR("c/answer")));
    assert_true(str_eq(p.publish.props.content_type, STR("text/plain")));
    assert_false(p.publish.props.has & MQTT_HAS(SUBSCRIPTION_ID));
    assert_true(mqtt_props_user(p.publish.props.raw, &at, &name, &value));
    assert_true(str_eq(value, STR("v")));
    kit_fini(&k);
    kit_init(&k, &v311_far); /* 3.1.1 has none */
    assert_int_equal(bridge_relay_input(&k.r, BRIDGE_LOCAL, &q), 0);
    p = said(&k, BRIDGE_FAR);
    assert_true(str_eq(p.publish.payload, STR("x")));
    kit_fini(&k);
    buf_fini(&raw);
    buf_fini(&whole);
}

static void a_refusal_for_now_is_no_answer(void **state)
{
    static const uint8_t now[] = { MQTT_REASON_UNSPECIFIED, MQTT_REASON_QUOTA };
    static const uint8_t never[] = { MQTT_REASON_NOT_AUTHORIZED, MQTT_REASON_BAD_TOPIC,
                                     MQTT_REASON_BAD_PAYLOAD, MQTT_REASON_IMPLEMENTATION,
                                     MQTT_REASON_TOO_LARGE };
    struct kit k;

    (void)state;
    for (unsigned from = 0; from < 2; from++) {
        enum bridge_side other = from == BRIDGE_FAR ? BRIDGE_LOCAL : BRIDGE_FAR;

        for (size_t i = 0; i < COUNT_OF(now); i++) {
            kit_init(&k, &v5_far);
            assert_int_equal(ack(&k, from, MQTT_PUBACK, 3, now[i]), ERR_FULL);
            assert_string_equal(k.r.why, mqtt_reason_text(now[i]));
            assert_int_equal(ack(&k, from, MQTT_PUBREC, 3, now[i]), ERR_FULL);
            silence(&k);
            kit_fini(&k);
        }
        for (size_t i = 0; i < COUNT_OF(never); i++) {
            kit_init(&k, &v5_far);
            assert_int_equal(ack(&k, from, MQTT_PUBACK, 3, never[i]), 0);
            expect_ack(&k, other, MQTT_PUBACK, 3, never[i]);
            assert_int_equal(ack(&k, from, MQTT_PUBREC, 4, never[i]), 0);
            expect_ack(&k, other, MQTT_PUBREC, 4, never[i]);
            assert_int_equal(k.r.counts.refused[from], 2);
            kit_fini(&k);
        }
    }
}

static void an_id_in_use_is_a_message_that_arrived(void **state)
{
    struct mqtt_packet p = { .type = MQTT_PUBLISH };
    struct kit k;

    (void)state;
    kit_init(&k, &v5_far);
    p.publish = (struct mqtt_publish){ .topic = STR("d/1"), .qos = 2, .dup = true, .packet_id = 7 };
    assert_int_equal(bridge_relay_input(&k.r, BRIDGE_LOCAL, &p), 0);
    assert_true(said(&k, BRIDGE_FAR).publish.dup);
    assert_int_equal(ack(&k, BRIDGE_FAR, MQTT_PUBREC, 7, MQTT_REASON_PACKET_ID_IN_USE), 0);
    expect_ack(&k, BRIDGE_LOCAL, MQTT_PUBREC, 7, 0);
    assert_int_equal(ack(&k, BRIDGE_LOCAL, MQTT_PUBREL, 7, 0), 0);
    expect_ack(&k, BRIDGE_FAR, MQTT_PUBREL, 7, 0);
    /* Another message under that id: what they have is not it, however often it is said. */
    assert_int_equal(publish(&k, BRIDGE_LOCAL, "d/1", 2, 7), 0);
    assert_int_equal(ack(&k, BRIDGE_FAR, MQTT_PUBREC, 7, MQTT_REASON_PACKET_ID_IN_USE), ERR_FULL);
    bridge_relay_open(&k.r, &v5_far);
    assert_int_equal(bridge_relay_input(&k.r, BRIDGE_LOCAL, &p), 0);
    assert_int_equal(ack(&k, BRIDGE_FAR, MQTT_PUBREC, 7, MQTT_REASON_PACKET_ID_IN_USE), ERR_FULL);
    assert_int_equal(ack(&k, BRIDGE_FAR, MQTT_PUBREC, 7, 0), 0);
    kit_fini(&k);
}

static void what_cannot_cross_is_done_with(void **state)
{
    struct bridge_far small = { MQTT_V5, 20, 2, true };
    struct kit k;

    (void)state;
    kit_init(&k, &small);
    assert_int_equal(publish(&k, BRIDGE_LOCAL, "no/rule", 1, 1), 0);
    expect_ack(&k, BRIDGE_LOCAL, MQTT_PUBACK, 1, MQTT_REASON_BAD_TOPIC);
    assert_int_equal(publish(&k, BRIDGE_LOCAL, "d/too-large-for-it", 2, 2), 0);
    expect_ack(&k, BRIDGE_LOCAL, MQTT_PUBREC, 2, MQTT_REASON_IMPLEMENTATION);
    assert_int_equal(publish(&k, BRIDGE_FAR, "no/rule", 2, 3), 0);
    expect_ack(&k, BRIDGE_FAR, MQTT_PUBREC, 3, 0);
    assert_int_equal(publish(&k, BRIDGE_FAR, "c/1/2/3/4/5/6/7/8/9/10", 1, 4),
                     0); /* too deep here */
    expect_ack(&k, BRIDGE_FAR, MQTT_PUBACK, 4, 0);
    bridge_relay_skipped(&k.r, &(struct mqtt_publish){ .qos = 1, .packet_id = 5 });
    expect_ack(&k, BRIDGE_FAR, MQTT_PUBACK, 5, 0);
    bridge_relay_skipped(&k.r, &(struct mqtt_publish){ .qos = 2, .packet_id = 6 });
    expect_ack(&k, BRIDGE_FAR, MQTT_PUBREC, 6, 0);
    bridge_relay_skipped(&k.r, &(struct mqtt_publish){ .qos = 0 });
    silence(&k);
    assert_int_equal(k.r.counts.unmapped, 3);
    assert_int_equal(k.r.counts.unfit, 4);
    kit_fini(&k);
}

static void a_server_that_knows_less_gets_less(void **state)
{
    struct bridge_far one = { MQTT_V5, SIZE_MAX, 1, false }, none = { MQTT_V5, SIZE_MAX, 0, true };
    struct kit k;
    struct mqtt_packet p;

    (void)state;
    kit_init(&k, &one);
    assert_int_equal(publish(&k, BRIDGE_LOCAL, "d/1", 2, 7), 0);
    p = said(&k, BRIDGE_FAR);
    assert_int_equal(p.publish.qos, 1);
    assert_false(p.publish.retain);
    assert_int_equal(ack(&k, BRIDGE_FAR, MQTT_PUBACK, 7, 0), 0);
    expect_ack(&k, BRIDGE_LOCAL, MQTT_PUBREC, 7, 0);
    assert_int_equal(ack(&k, BRIDGE_LOCAL, MQTT_PUBREL, 7, 0), 0);
    expect_ack(&k, BRIDGE_LOCAL, MQTT_PUBCOMP, 7, 0);
    assert_int_equal(publish(&k, BRIDGE_LOCAL, "d/1", 1, 7),
                     0); /* the same id, without a downgrade */
    (void)said(&k, BRIDGE_FAR);
    assert_int_equal(ack(&k, BRIDGE_FAR, MQTT_PUBACK, 7, 0), 0);
    expect_ack(&k, BRIDGE_LOCAL, MQTT_PUBACK, 7, 0);
    silence(&k);
    kit_fini(&k);
    kit_init(&k, &none);
    assert_int_equal(publish(&k, BRIDGE_LOCAL, "d/1", 1, 8), 0);
    p = said(&k, BRIDGE_FAR);
    assert_int_equal(p.publish.qos, 0);
    expect_ack(&k, BRIDGE_LOCAL, MQTT_PUBACK, 8, 0);
    kit_fini(&k);
}

static void an_answer_that_is_owed_is_noticed(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, &v5_far);
    assert_false(bridge_relay_overdue(&k.r));
    assert_int_equal(publish(&k, BRIDGE_LOCAL, "d/1", 1, 1), 0);
    assert_false(bridge_relay_overdue(&k.r)); /* not for a whole period yet */
    assert_int_equal(publish(&k, BRIDGE_LOCAL, "d/1", 2, 2), 0);
    assert_int_equal(ack(&k, BRIDGE_FAR, MQTT_PUBACK, 1, 0), 0);
    assert_false(bridge_relay_overdue(&k.r));
    assert_int_equal(ack(&k, BRIDGE_FAR, MQTT_PUBREC, 2, 0), 0);
    assert_int_equal(ack(&k, BRIDGE_LOCAL, MQTT_PUBREL, 2, 0), 0); /* a new period for PUBCOMP */
    assert_false(bridge_relay_overdue(&k.r));
    assert_true(bridge_relay_overdue(&k.r));
    bridge_relay_open(&k.r, &v5_far);
    assert_false(bridge_relay_overdue(&k.r));
    assert_false(bridge_relay_overdue(&k.r));
    kit_fini(&k);
}

static void a_sweep_releases_every_id(void **state)
{
    struct kit k;
    bool seen[65536] = { 0 };
    unsigned count = 0;

    (void)state;
    kit_init(&k, &v5_far);
    assert_false(bridge_relay_sweeping(&k.r));
    bridge_relay_sweep(&k.r, BRIDGE_FAR);
    while (bridge_relay_sweeping(&k.r)) {
        struct mqtt_packet p = said(&k, BRIDGE_FAR);

        assert_int_equal(p.type, MQTT_PUBREL);
        assert_false(seen[p.ack.packet_id]);
        seen[p.ack.packet_id] = true;
        count++;
        assert_int_equal(
            ack(&k, BRIDGE_FAR, MQTT_PUBCOMP, p.ack.packet_id, MQTT_REASON_NO_PACKET_ID), 0);
    }
    assert_int_equal(count, 65535);
    silence(&k);
    kit_fini(&k);
}

static void a_sweep_that_is_not_answered_is_noticed(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k, &v5_far);
    bridge_relay_sweep(&k.r, BRIDGE_FAR);
    for (uint16_t id = 1; id <= 10; id++) { /* slow, but going on */
        assert_false(bridge_relay_overdue(&k.r));
        assert_int_equal(ack(&k, BRIDGE_FAR, MQTT_PUBCOMP, id, 0), 0);
    }
    assert_false(bridge_relay_overdue(&k.r)); /* not for a whole period yet */
    assert_true(bridge_relay_overdue(&k.r));
    bridge_relay_open(&k.r, &v5_far);
    bridge_relay_sweep(&k.r, BRIDGE_LOCAL); /* our own broker may be busy */
    for (unsigned i = 0; i < 5; i++)
        assert_false(bridge_relay_overdue(&k.r));
    kit_fini(&k);
}

/* ---- two servers ---- */

#define MESSAGES 60
#define IDS      16u

/* A server's side of one direction: as a sender, and as a receiver. */
struct sender {
    struct {
        unsigned number, qos;
        enum { FREE, SENT, RELEASED } state;
    } slot[IDS + 1];
    unsigned next, last_id;
};
struct receiver {
    bool received[IDS + 1];
    unsigned got[MESSAGES];
};
struct world {
    struct kit k;
    struct sender s[2]; /* by the side that sends */
    struct receiver r[2];
    struct buf wire[2]; /* from that side's server to the relay */
    uint64_t random;
};

static unsigned dice(struct world *w, unsigned n)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(w->random >> 33) % n;
}

static enum mqtt_version speaks(const struct world *w, enum bridge_side side)
{
    return side == BRIDGE_LOCAL ? MQTT_V5 : w->k.r.far.version;
}

static void server_says(struct world *w, enum bridge_side side, enum mqtt_type type, unsigned id,
                        unsigned number, unsigned qos, bool dup)
{
    struct mqtt_packet p = { .type = type };
    char text[16];

    if (type == MQTT_PUBLISH) {
        snprintf(text, sizeof(text), "%u", number);
        p.publish = (struct mqtt_publish){ .topic = side == BRIDGE_LOCAL ? STR("d/1") : STR("c/1"),
                                           .payload = str_of(text),
                                           .qos = (uint8_t)qos,
                                           .dup = dup,
                                           .packet_id = (uint16_t)id };
    } else {
        p.ack = (struct mqtt_ack){ .packet_id = (uint16_t)id };
    }
    mqtt_encode(&p, speaks(w, side), &w->wire[side]);
}

static void send_more(struct world *w, enum bridge_side side)
{
    struct sender *s = &w->s[side];
    unsigned id = s->last_id % IDS + 1;

    if (s->next == MESSAGES || s->slot[id].state != FREE)
        return;
    s->last_id = id;
    s->slot[id].number = s->next++;
    s->slot[id].qos = 1 + s->slot[id].number % 2;
    s->slot[id].state = SENT;
    server_says(w, side, MQTT_PUBLISH, id, s->slot[id].number, s->slot[id].qos, false);
}

static uint64_t number_of(struct str payload)
{
    uint64_t n = MESSAGES;

    assert_int_equal(str_to_u64(payload, &n), 0);
    assert_true(n < MESSAGES);
    return n;
}

static void server_hears(struct world *w, enum bridge_side side, const struct mqtt_packet *p)
{
    struct sender *s = &w->s[side];
    struct receiver *r = &w->r[side];
    unsigned id = p->type == MQTT_PUBLISH ? p->publish.packet_id : p->ack.packet_id;

    assert_true(id >= 1 && id <= IDS);
    switch (p->type) {
    case MQTT_PUBLISH:
        if (p->publish.qos == 1 || !r->received[id])
            r->got[number_of(p->publish.payload)]++;
        r->received[id] |= p->publish.qos == 2;
        server_says(w, side, p->publish.qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, id, 0, 0, false);
        break;
    case MQTT_PUBREL:
        r->received[id] = false;
        server_says(w, side, MQTT_PUBCOMP, id, 0, 0, false);
        break;
    case MQTT_PUBACK:
        assert_true(s->slot[id].state == FREE || s->slot[id].qos == 1);
        s->slot[id].state = FREE;
        break;
    case MQTT_PUBREC:
        if (s->slot[id].state == FREE)
            break;
        s->slot[id].state = RELEASED;
        server_says(w, side, MQTT_PUBREL, id, 0, 0, false);
        break;
    case MQTT_PUBCOMP:
        s->slot[id].state = FREE;
        break;
    default:
        fail();
    }
}

/* One packet from a wire; false: there is none. */
static bool take(struct buf *wire, enum mqtt_version v, struct mqtt_packet *p, struct buf *keep)
{
    size_t used;

    if (wire->n == 0)
        return false;
    buf_clear(keep);
    buf_put(keep, buf_str(wire));
    assert_int_equal(mqtt_decode(buf_str(keep), v, 1 << 20, p, &used, NULL), 0);
    buf_clear(wire);
    buf_put(wire, str_skip(buf_str(keep), used));
    return true;
}

/* Everything that is on its way is gone; the servers go on with their sessions. */
static void reconnect(struct world *w)
{
    bridge_relay_open(&w->k.r, &(struct bridge_far){ w->k.r.far.version, SIZE_MAX, 2, true });
    for (unsigned side = 0; side < 2; side++) {
        struct sender *s = &w->s[side];

        buf_clear(&w->wire[side]);
        for (unsigned i = 0; i < IDS; i++) {
            unsigned id = (s->last_id + i) % IDS + 1;

            if (s->slot[id].state == SENT)
                server_says(w, side, MQTT_PUBLISH, id, s->slot[id].number, s->slot[id].qos, true);
            else if (s->slot[id].state == RELEASED)
                server_says(w, side, MQTT_PUBREL, id, 0, 0, false);
        }
    }
}

static bool finished(const struct world *w)
{
    for (unsigned side = 0; side < 2; side++) {
        if (w->s[side].next < MESSAGES)
            return false;
        for (unsigned id = 1; id <= IDS; id++)
            if (w->s[side].slot[id].state != FREE)
                return false;
    }
    return true;
}

static void step(struct world *w, bool breaks, struct buf *keep)
{
    enum bridge_side side = dice(w, 2) ? BRIDGE_FAR : BRIDGE_LOCAL;
    struct mqtt_packet p;

    if (breaks && dice(w, 40) == 0) {
        reconnect(w);
        return;
    }
    switch (dice(w, 3)) {
    case 0:
        send_more(w, side);
        break;
    case 1:
        if (take(&w->wire[side], speaks(w, side), &p, keep))
            assert_int_equal(bridge_relay_input(&w->k.r, side, &p), 0);
        break;
    default:
        if (take(&w->k.r.to[side], speaks(w, side), &p, keep))
            server_hears(w, side, &p);
    }
}

static void run_world(uint64_t seed, const struct bridge_far *far)
{
    struct world *w = NEW(struct world);
    struct buf keep = buf_init(1 << 20);

    kit_init(&w->k, far);
    w->random = seed;
    for (unsigned i = 0; i < 2; i++)
        w->wire[i] = buf_init(1 << 20);
    for (unsigned i = 0; i < 100000 && !finished(w); i++)
        step(w, i < 20000, &keep);
    if (!finished(w))
        fail_msg("seed %llu: it does not end", (unsigned long long)seed);
    for (unsigned side = 0; side < 2; side++)
        for (unsigned n = 0; n < MESSAGES; n++) /* message n is of QoS 1 + n % 2 */
            if (w->r[side].got[n] == 0 || (n % 2 == 1 && w->r[side].got[n] != 1))
                fail_msg("seed %llu: message %u came %u times", (unsigned long long)seed, n,
                         w->r[side].got[n]);
    for (unsigned i = 0; i < 2; i++)
        buf_fini(&w->wire[i]);
    kit_fini(&w->k);
    buf_fini(&keep);
    mem_free(w);
}

static void connections_break_at_any_moment(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        run_world(seed, seed % 2 ? &v5_far : &v311_far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_on_and_answers_nothing_itself),
        cmocka_unit_test(properties_cross_and_the_way_back_is_renamed),
        cmocka_unit_test(a_refusal_for_now_is_no_answer),
        cmocka_unit_test(an_id_in_use_is_a_message_that_arrived),
        cmocka_unit_test(what_cannot_cross_is_done_with),
        cmocka_unit_test(a_server_that_knows_less_gets_less),
        cmocka_unit_test(an_answer_that_is_owed_is_noticed),
        cmocka_unit_test(a_sweep_releases_every_id),
        cmocka_unit_test(a_sweep_that_is_not_answered_is_noticed),
        cmocka_unit_test(connections_break_at_any_moment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
