/*
 * A bridge between two sessions: the local broker's (mqtt/inside_server.c) and the far server's.
 *
 *     local                     bridge                      far
 *     PUBLISH 7 ──────────────► other name, id 7 ─────────► PUBLISH 7
 *             ◄──────────────────────────────────────────── PUBREC 7
 *     PUBREL 7 ───────────────────────────────────────────► PUBREL 7
 *             ◄──────────────────────────────────────────── PUBCOMP 7
 *
 * and the same the other way round. Why that is enough: a server keeps what it sent until the last answer,
 * and sends it again with the same id when its client comes back (MQTT 5, 4.4); a server that was sent QoS 2
 * knows the id until PUBREL. The bridge answers nothing itself before the other side has, so at any moment
 * either both know of the message or the one that sent it will send it again. When one of the connections
 * ends, both do: only a new connection makes a server send again.
 *
 * Exceptions, where there is no other side to answer: a message that no rule has a name for, that the far
 * server says it will never take (too large, QoS 0 only), or that is too large for us. A refusal that says "not now" is no answer: it
 * ends both connections. One that says "never" is handed on, and the message is gone, counted.
 *
 * A far server that knows no QoS 2 gets QoS 1; its PUBACK is the local side's PUBREC, and PUBREL is answered
 * here: it can mean nothing to the far side.
 */
#include "mqtt/bridge_relay.h"

#include "base/mem.h"

#include <assert.h>

#define ID_BYTES     (65536 / 8)
#define TO_MAX_BYTES ((size_t)1 << 30) /* our own doing; only bounds a mistake */
#define SWEEP_WINDOW 512u

void bridge_relay_init(struct bridge_relay *r, const struct bridge_map *map, size_t topic_max_bytes,
                       size_t topic_levels_max)
{
    *r = (struct bridge_relay){
        .map = map,
        .topic_max_bytes = topic_max_bytes,
        .topic_levels_max = topic_levels_max,
        .to = { buf_init(TO_MAX_BYTES), buf_init(TO_MAX_BYTES) },
        .topic = buf_init(2 * UINT16_MAX),
        .reply = buf_init(2 * UINT16_MAX),
        .props = buf_init(TO_MAX_BYTES),
        .waits = mem_new(ID_BYTES),
        .waited = mem_new(ID_BYTES),
        .lowered = mem_new(ID_BYTES),
        .again = mem_new(ID_BYTES),
        .foreign = mem_new(ID_BYTES),
        .sweep = { { .next = UINT16_MAX + 1 }, { .next = UINT16_MAX + 1 } },
    };
}

void bridge_relay_fini(struct bridge_relay *r)
{
    buf_fini(&r->to[0]);
    buf_fini(&r->to[1]);
    buf_fini(&r->topic);
    buf_fini(&r->reply);
    buf_fini(&r->props);
    mem_free(r->waits);
    mem_free(r->waited);
    mem_free(r->lowered);
    mem_free(r->again);
    mem_free(r->foreign);
}

void bridge_relay_open(struct bridge_relay *r, const struct bridge_far *far)
{
    r->far = *far;
    for (unsigned i = 0; i < 2; i++) {
        buf_clear(&r->to[i]);
        r->sweep[i] = (struct bridge_sweep){ .next = UINT16_MAX + 1 };
    }
    memset(r->waits, 0, ID_BYTES);
    memset(r->waited, 0, ID_BYTES);
    memset(r->lowered, 0, ID_BYTES);
    memset(r->again, 0, ID_BYTES);
    r->owed = 0;
    r->why = NULL;
}

/* ---- bits ---- */

static bool bit(const uint8_t *bits, uint16_t id)
{
    return bits[id / 8] >> id % 8 & 1;
}

static void bit_set(uint8_t *bits, uint16_t id)
{
    bits[id / 8] |= (uint8_t)(1u << id % 8);
}

static void bit_clear(uint8_t *bits, uint16_t id)
{
    bits[id / 8] &= (uint8_t) ~(1u << id % 8);
}

static void bit_put(uint8_t *bits, uint16_t id, bool on)
{
    if (on)
        bit_set(bits, id);
    else
        bit_clear(bits, id);
}

static void owe(struct bridge_relay *r, uint16_t id)
{
    if (!bit(r->waits, id) && !bit(r->waited, id))
        r->owed++;
    bit_clear(r->waited, id);
    bit_set(r->waits, id);
}

static void paid(struct bridge_relay *r, uint16_t id)
{
    if (bit(r->waits, id) || bit(r->waited, id))
        r->owed--;
    bit_clear(r->waits, id);
    bit_clear(r->waited, id);
}

bool bridge_relay_overdue(struct bridge_relay *r)
{
    uint8_t *spare = r->waited;
    struct bridge_sweep *sweep = &r->sweep[BRIDGE_FAR];

    if (sweep->open > 0 && sweep->idle++ > 0)
        return true;
    if (r->owed == 0)
        return false;
    for (size_t i = 0; i < ID_BYTES; i++)
        if (r->waited[i])
            return true;
    r->waited = r->waits;
    r->waits = spare;
    return false;
}

/* ---- what is said ---- */

static enum mqtt_version version_of(const struct bridge_relay *r, enum bridge_side side)
{
    return side == BRIDGE_LOCAL ? MQTT_V5 : r->far.version;
}

static enum bridge_side other(enum bridge_side side)
{
    return side == BRIDGE_LOCAL ? BRIDGE_FAR : BRIDGE_LOCAL;
}

static void put_ack(struct bridge_relay *r, enum bridge_side to, enum mqtt_type type, uint16_t id,
                    uint8_t code)
{
    char bytes[MQTT_ACK_MAX];

    buf_put_bytes(&r->to[to], bytes, mqtt_ack_write(bytes, version_of(r, to), type, id, code));
}

/* What cannot go on is done with: its sender gets the answer that ends it. */
static void answer(struct bridge_relay *r, enum bridge_side to, const struct mqtt_publish *m,
                   uint8_t code)
{
    if (m->qos > 0)
        put_ack(r, to, m->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, m->packet_id, code);
}

/* ---- messages ---- */

/* The properties for the other side: those that a server hands on, the way back under its name there, and
 * what is left of the time. */
static struct str properties(struct bridge_relay *r, enum bridge_side from,
                             const struct mqtt_publish *m)
{
    struct mqtt_props p = m->props;

    buf_clear(&r->props);
    buf_clear(&r->reply);
    if (p.raw.n == 0)
        return STR_NONE;
    if (p.has & MQTT_HAS(RESPONSE_TOPIC)) {
        bool mapped = from == BRIDGE_LOCAL
                          ? bridge_map_reply_out(r->map, p.response_topic, &r->reply)
                          : bridge_map_reply_in(r->map, p.response_topic, &r->reply);

        if (mapped)
            p.response_topic = buf_str(&r->reply);
    }
    mqtt_props_forward(&r->props, &p);
    return buf_str(&r->props);
}

static void put_publish(struct bridge_relay *r, enum bridge_side to, const struct mqtt_publish *m,
                        const struct mqtt_publish_out *o)
{
    struct buf *out = &r->to[to];
    char *at = buf_reserve(out, MQTT_PUBLISH_HEADER_MAX(o->topic.n, o->props.n, 0));

    assert(at);
    buf_commit(out, mqtt_publish_header(at, version_of(r, to), o));
    buf_put(out, m->payload);
}

static struct mqtt_publish_out make(struct bridge_relay *r, enum bridge_side from,
                                    const struct mqtt_publish *m)
{
    return (struct mqtt_publish_out){
        .topic = buf_str(&r->topic),
        .payload_n = m->payload.n,
        .qos = m->qos,
        .dup = m->dup,
        .retain = m->retain,
        .packet_id = m->packet_id,
        .has_expiry = (m->props.has & MQTT_HAS(MESSAGE_EXPIRY)) != 0,
        .expiry_s = m->props.has & MQTT_HAS(MESSAGE_EXPIRY) ? m->props.message_expiry_s : 0,
        .props = properties(r, from, m),
    };
}

static void publish_out(struct bridge_relay *r, const struct mqtt_publish *m)
{
    struct mqtt_publish_out o;

    if (!bridge_map_out(r->map, m->topic, &r->topic)) {
        r->counts.unmapped++;
        answer(r, BRIDGE_LOCAL, m, MQTT_REASON_BAD_TOPIC);
        return;
    }
    o = make(r, BRIDGE_LOCAL, m);
    o.retain = m->retain && r->far.retains;
    if (o.qos > r->far.qos_max)
        o.qos = r->far.qos_max;
    o.dup = m->dup && o.qos > 0;
    if (mqtt_publish_size(r->far.version, &o) > r->far.packet_max) {
        r->counts.unfit++;
        answer(r, BRIDGE_LOCAL, m, MQTT_REASON_IMPLEMENTATION);
        return;
    }
    put_publish(r, BRIDGE_FAR, m, &o);
    r->counts.sent++;
    if (o.qos == 0) {
        answer(r, BRIDGE_LOCAL, m, 0);
        return;
    }
    owe(r, m->packet_id);
    bit_put(r->lowered, m->packet_id, o.qos < m->qos);
    bit_put(r->again, m->packet_id, o.dup);
}

static void publish_in(struct bridge_relay *r, const struct mqtt_publish *m)
{
    struct mqtt_publish_out o;

    if (!bridge_map_in(r->map, m->topic, &r->topic) ||
        !mqtt_topic_fits(buf_str(&r->topic), r->topic_max_bytes, r->topic_levels_max)) {
        r->counts.unmapped++;
        answer(r, BRIDGE_FAR, m, 0);
        return;
    }
    o = make(r, BRIDGE_FAR, m);
    put_publish(r, BRIDGE_LOCAL, m, &o);
    r->counts.taken++;
}

void bridge_relay_skipped(struct bridge_relay *r, const struct mqtt_publish *p)
{
    r->counts.unfit++;
    answer(r, BRIDGE_FAR, p, 0);
}

/* ---- answers ---- */

/* A refusal that will be the same the next time. */
static bool is_final(uint8_t code)
{
    switch (code) {
    case MQTT_REASON_IMPLEMENTATION:
    case MQTT_REASON_NOT_AUTHORIZED:
    case MQTT_REASON_BAD_TOPIC:
    case MQTT_REASON_BAD_PAYLOAD:
    case MQTT_REASON_TOO_LARGE:
        return true;
    default:
        return false;
    }
}

/* PUBACK or PUBREC with a refusal. */
static int refusal(struct bridge_relay *r, enum bridge_side from, const struct mqtt_packet *p)
{
    if (!is_final(p->ack.code)) {
        r->why = mqtt_reason_text(p->ack.code);
        return ERR_FULL;
    }
    r->counts.refused[from]++;
    if (from == BRIDGE_FAR)
        paid(r, p->ack.packet_id);
    put_ack(r, other(from),
            from == BRIDGE_FAR && bit(r->lowered, p->ack.packet_id) ? MQTT_PUBREC : p->type,
            p->ack.packet_id, p->ack.code);
    return 0;
}

/* MQTT has a repeated PUBLISH answered as the first one was (5, 4.3.3). Some servers say that its id is in
 * use, which means the same: they have the message. Unless they said so of the first one: then it is another
 * message that they have, and ours is not to be lost for it. */
static bool has_it(struct bridge_relay *r, const struct mqtt_packet *p)
{
    uint16_t id = p->ack.packet_id;

    if (p->type != MQTT_PUBREC)
        return false;
    if (p->ack.code != MQTT_REASON_PACKET_ID_IN_USE)
        bit_clear(r->foreign, id);
    else if (!bit(r->again, id))
        bit_set(r->foreign, id);
    return p->ack.code == MQTT_REASON_PACKET_ID_IN_USE && !bit(r->foreign, id);
}

static int answer_from_far(struct bridge_relay *r, const struct mqtt_packet *p)
{
    uint16_t id = p->ack.packet_id;
    uint8_t code = has_it(r, p) ? 0 : p->ack.code;

    if (code >= 0x80 && p->type != MQTT_PUBCOMP)
        return refusal(r, BRIDGE_FAR, p);
    paid(r, id);
    put_ack(r, BRIDGE_LOCAL, p->type == MQTT_PUBACK && bit(r->lowered, id) ? MQTT_PUBREC : p->type,
            id, code);
    return 0;
}

static int answer_from_local(struct bridge_relay *r, const struct mqtt_packet *p)
{
    if (p->ack.code >= 0x80 && p->type != MQTT_PUBCOMP)
        return refusal(r, BRIDGE_LOCAL, p);
    put_ack(r, BRIDGE_FAR, p->type, p->ack.packet_id, p->ack.code);
    return 0;
}

static void release(struct bridge_relay *r, enum bridge_side from, const struct mqtt_packet *p)
{
    uint16_t id = p->ack.packet_id;

    if (from == BRIDGE_LOCAL && r->far.qos_max < 2) {
        put_ack(r, BRIDGE_LOCAL, MQTT_PUBCOMP, id, 0);
        return;
    }
    if (from == BRIDGE_LOCAL)
        owe(r, id);
    put_ack(r, other(from), MQTT_PUBREL, id, p->ack.code);
}

/* ---- sweeping ---- */

static void sweep_on(struct bridge_relay *r, enum bridge_side side)
{
    struct bridge_sweep *s = &r->sweep[side];

    for (; s->open < SWEEP_WINDOW && s->next <= UINT16_MAX; s->open++)
        put_ack(r, side, MQTT_PUBREL, (uint16_t)s->next++, 0);
}

void bridge_relay_sweep(struct bridge_relay *r, enum bridge_side side)
{
    r->sweep[side] = (struct bridge_sweep){ .next = 1 };
    sweep_on(r, side);
}

bool bridge_relay_sweeping(const struct bridge_relay *r)
{
    return r->sweep[0].open > 0 || r->sweep[1].open > 0;
}

bool bridge_relay_swept(const struct bridge_relay *r, enum bridge_side side)
{
    return r->sweep[side].done;
}

int bridge_relay_input(struct bridge_relay *r, enum bridge_side from, const struct mqtt_packet *p)
{
    buf_clear(&r->topic);
    if (p->type == MQTT_PUBCOMP && r->sweep[from].open > 0) {
        r->sweep[from].open--;
        r->sweep[from].idle = 0;
        sweep_on(r, from);
        r->sweep[from].done = r->sweep[from].open == 0;
        return 0;
    }
    switch (p->type) {
    case MQTT_PUBLISH:
        if (from == BRIDGE_LOCAL)
            publish_out(r, &p->publish);
        else
            publish_in(r, &p->publish);
        return 0;
    case MQTT_PUBREL:
        release(r, from, p);
        return 0;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBCOMP:
        return from == BRIDGE_FAR ? answer_from_far(r, p) : answer_from_local(r, p);
    default:
        assert(false && "a packet of a publication");
        return 0;
    }
}
