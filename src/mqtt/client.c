/*
 * An MQTT client as a machine of bytes and time (MQTT 3.1.1 and 5, both from the client's side).
 *
 *     waiting ──tick──► dialing ──dialed──► greeting ──CONNACK──► open
 *        ▲                 │ down              │ broken, dead       │ broken, dead
 *        │                 │                   ▼                    ▼
 *        └───────down──────┴──────down────── ending ◄───────────────┘
 *
 *   waiting   no connection; at retry_at_ms the owner is told to dial
 *   dialing   the owner connects; the client waits without a time of its own
 *   greeting  CONNECT is sent; CONNACK is due within connect_timeout_ms
 *   open      packets flow; PINGREQ when it is too quiet
 *   ending    the peer broke the protocol, refused us or is dead; no more input is looked at
 *
 * A path can die without a word (a cable, a mobile network, a NAT that forgets). So the client
 * does not ask "when did I send?" but "when did I last hear anything?": after ping_after_ms of
 * silence it sends PINGREQ, after ping_timeout_ms more it gives the connection up.
 *
 * A message of QoS 2 is handed out when it comes first and never again until its PUBREL (4.3.3): a
 * bit per packet id remembers it as long as the server remembers the session.
 *
 * Refuses: topic aliases from the server, and QoS 2 unless somebody asked for it or an older session
 * may have (MQTT 5, 3.3.1.2 and 3.3.2.3.4); it never falls back to another version by itself, since
 * that hides a wrong file.
 */
#include "mqtt/client.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/sm.h"
#include "mqtt/client_part.h"

#include <errno.h>
#include <stdio.h>

/* What waits to be sent is our own doing; this only bounds a mistake. */
#define OUT_MAX_BYTES MIB(64)
/* A session that lived as long as this was a good one: the next failure starts a new backoff. A
 * server that accepts and drops at once must not be hammered. But where each session ends early and
 * still gets something across, long waits in between would bring it all to a stop. */
#define GOOD_SESSION_MS 5000
#define RECEIVED_BYTES  (65536 / 8)

static const struct sm_row rows[] = {
    [CLIENT_WAITING] = { "waiting", TO(CLIENT_DIALING) },
    [CLIENT_DIALING] = { "dialing", TO(CLIENT_GREETING) | TO(CLIENT_WAITING) },
    [CLIENT_GREETING] = { "greeting", TO(CLIENT_OPEN) | TO(CLIENT_ENDING) | TO(CLIENT_WAITING) },
    [CLIENT_OPEN] = { "open", TO(CLIENT_ENDING) | TO(CLIENT_WAITING) },
    [CLIENT_ENDING] = { "ending", TO(CLIENT_WAITING) },
};
static const struct sm_table table = { "mqtt/client", rows, COUNT_OF(rows) };

void client_init(struct client *c, const struct client_config *cfg)
{
    *c = (struct client){ .cfg = *cfg, .out = buf_init(OUT_MAX_BYTES) };
    backoff_init(&c->backoff, &cfg->backoff);
    client_window_init(c);
}

void client_fini(struct client *c)
{
    client_window_fini(c);
    client_subs_fini(c);
    mem_free(c->received);
    c->received = NULL;
    buf_fini(&c->out);
}

static enum mqtt_version version(const struct client *c)
{
    return c->cfg.connect.version;
}

/* ---- time ---- */

/* When the silence is long enough for a PINGREQ: of the server by our own rule, or of ourselves
 * by the keep-alive (3.1.2.10), with a quarter to spare. */
static uint64_t ping_due(const struct client *c)
{
    uint64_t heard = c->rx_at_ms + c->cfg.ping_after_ms, said;

    if (c->keep_alive_ms == 0)
        return heard;
    said = c->tx_at_ms + c->keep_alive_ms / 4 * 3;
    return said < heard ? said : heard;
}

uint64_t client_wake_at(const struct client *c)
{
    switch ((enum client_state)c->state) {
    case CLIENT_WAITING:
        return c->retry_at_ms;
    case CLIENT_GREETING:
        return c->greeted_at_ms + c->cfg.connect_timeout_ms;
    case CLIENT_OPEN:
        return c->ping_out ? c->ping_at_ms + c->cfg.ping_timeout_ms : ping_due(c);
    case CLIENT_DIALING:
    case CLIENT_ENDING:
        break;
    }
    return UINT64_MAX;
}

/* Leaves for ENDING with a reason; later reasons do not overwrite the first. */
static void broken(struct client *c, int code, unsigned reason, struct str text)
{
    c->end_code = code;
    c->end_reason = reason;
    snprintf(c->end_text, sizeof(c->end_text), "%.*s", STR_ARG(text));
    sm_move(&table, &c->state, CLIENT_ENDING);
}

static void put_ping(struct client *c, uint64_t now_ms)
{
    buf_put(&c->out, MQTT_PINGREQ_BYTES);
    c->ping_out = true;
    c->pings++;
    c->ping_at_ms = c->tx_at_ms = now_ms;
}

void client_ping(struct client *c, uint64_t now_ms)
{
    if (c->state != CLIENT_OPEN)
        return;
    put_ping(c, now_ms);
    c->answer_in = c->pings;
}

enum client_todo client_tick(struct client *c, uint64_t now_ms)
{
    if (now_ms < client_wake_at(c))
        return CLIENT_TODO_NOTHING;
    switch ((enum client_state)c->state) {
    case CLIENT_WAITING:
        sm_move(&table, &c->state, CLIENT_DIALING);
        c->end_code = 0;
        c->end_reason = 0;
        c->end_text[0] = '\0';
        return CLIENT_TODO_DIAL;
    case CLIENT_GREETING:
        broken(c, -ETIMEDOUT, 0, STR("no CONNACK"));
        return CLIENT_TODO_DROP;
    case CLIENT_OPEN:
        if (c->ping_out) {
            broken(c, -ETIMEDOUT, 0, STR("no answer to PINGREQ"));
            return CLIENT_TODO_DROP;
        }
        put_ping(c, now_ms);
        return CLIENT_TODO_NOTHING;
    case CLIENT_DIALING:
    case CLIENT_ENDING:
        break;
    }
    return CLIENT_TODO_NOTHING;
}

void client_break(struct client *c, int code, struct str text)
{
    if (c->state == CLIENT_GREETING || c->state == CLIENT_OPEN)
        broken(c, code, 0, text);
}

void client_hurry(struct client *c, uint64_t now_ms)
{
    if (c->state == CLIENT_WAITING)
        c->retry_at_ms = now_ms;
}

/* ---- connecting ---- */

void client_dialed(struct client *c, uint64_t now_ms)
{
    struct mqtt_packet p = { .type = MQTT_CONNECT, .connect = c->cfg.connect };

    sm_move(&table, &c->state, CLIENT_GREETING);
    c->greeted_at_ms = now_ms;
    if (version(c) == MQTT_V5) {
        p.connect.props.has |= MQTT_HAS(MAX_PACKET);
        p.connect.props.max_packet = (uint32_t)c->cfg.packet_max_bytes;
    }
    buf_clear(&c->out);
    mqtt_encode(&p, version(c), &c->out);
}

uint32_t client_down(struct client *c, uint64_t now_ms, int code, uint32_t random)
{
    bool good = (c->state == CLIENT_OPEN || c->state == CLIENT_ENDING) && c->open_at_ms > 0 &&
                now_ms - c->open_at_ms >= GOOD_SESSION_MS;
    uint32_t wait;

    if (c->end_code == 0)
        c->end_code = code ? code : ERR_CLOSED;
    if (good)
        backoff_worked(&c->backoff);
    else if (c->worked)
        backoff_progressed(&c->backoff, now_ms);
    c->worked = false;
    c->open_at_ms = 0;
    wait = backoff_failed(&c->backoff, now_ms, random);
    sm_move(&table, &c->state, CLIENT_WAITING);
    c->retry_at_ms = now_ms + wait;
    buf_clear(&c->out);
    c->skip_n = 0;
    client_window_down(c);
    client_subs_down(c);
    return wait;
}

/* The session's limits, as far as the server names any (3.2.2.3). */
static void take_limits(struct client *c, const struct mqtt_props *p)
{
    c->receive_max = p->has & MQTT_HAS(RECEIVE_MAX) ? p->receive_max : UINT16_MAX;
    c->server_packet_max = p->has & MQTT_HAS(MAX_PACKET) ? p->max_packet : SIZE_MAX;
    c->server_qos_max = p->has & MQTT_HAS(MAX_QOS) ? p->max_qos : 2;
    c->server_retains = !(p->has & MQTT_HAS(RETAIN_AVAILABLE)) || p->retain_available;
    c->keep_alive_ms =
        UINT64_C(1000) * (p->has & MQTT_HAS(SERVER_KEEP_ALIVE) ? p->server_keep_alive_s
                                                               : c->cfg.connect.keep_alive_s);
}

static enum client_event_kind got_connack(struct client *c, const struct mqtt_connack *a,
                                          uint64_t now_ms, struct client_event *out)
{
    static const char *const v311_text[] = {
        "accepted",           "unacceptable protocol version", "client identifier rejected",
        "server unavailable", "bad user name or password",     "not authorized"
    };

    if (a->code != 0) {
        struct str text =
            a->props.has & MQTT_HAS(REASON_STRING)
                ? a->props.reason_string
                : str_of(version(c) == MQTT_V5 ? mqtt_reason_text(a->code) : v311_text[a->code]);

        broken(c, ERR_REFUSED, a->code, text);
        return CLIENT_EV_BROKEN;
    }
    take_limits(c, &a->props);
    sm_move(&table, &c->state, CLIENT_OPEN);
    c->open_at_ms = c->rx_at_ms = c->tx_at_ms = now_ms;
    c->ping_out = false;
    c->pings = c->answer_in = 0;
    if (!a->session_present && c->received)
        memset(c->received, 0, RECEIVED_BYTES);
    client_window_up(c, a->session_present);
    client_subs_up(c, now_ms);
    out->session_present = a->session_present;
    return CLIENT_EV_UP;
}

/* ---- packets ---- */

/* Breaks off with a DISCONNECT that says why, where the version has one (4.13). */
static enum client_event_kind protest(struct client *c, unsigned reason, const char *text)
{
    char bytes[MQTT_ACK_MAX];

    if (version(c) == MQTT_V5 && c->state == CLIENT_OPEN)
        buf_put_bytes(&c->out, bytes, mqtt_disconnect_write(bytes, MQTT_V5, (uint8_t)reason));
    broken(c, ERR_PROTO, reason, str_of(text));
    return CLIENT_EV_BROKEN;
}

static void put_ack(struct client *c, enum mqtt_type type, uint16_t id, uint8_t code,
                    uint64_t now_ms)
{
    char bytes[MQTT_ACK_MAX];

    buf_put_bytes(&c->out, bytes, mqtt_ack_write(bytes, version(c), type, id, code));
    c->tx_at_ms = now_ms;
}

static bool is_received(const struct client *c, uint16_t id)
{
    return c->received && (c->received[id / 8] >> id % 8 & 1);
}

static bool is_relayed(const struct client *c, enum mqtt_type type)
{
    return c->cfg.relay && c->state == CLIENT_OPEN && type >= MQTT_PUBLISH && type <= MQTT_PUBCOMP;
}

static enum client_event_kind got_publish(struct client *c, const struct mqtt_publish *m,
                                          uint64_t now_ms)
{
    if (m->qos > 1 && !c->qos2_wanted && c->cfg.connect.clean_start)
        return protest(c, MQTT_REASON_BAD_QOS, "QoS 2 without such a subscription");
    if (m->props.has & MQTT_HAS(TOPIC_ALIAS))
        return protest(c, MQTT_REASON_BAD_ALIAS, "topic alias that was not offered");
    if (is_relayed(c, MQTT_PUBLISH))
        return CLIENT_EV_RELAY;
    if (m->qos == 2 && is_received(c, m->packet_id)) {
        put_ack(c, MQTT_PUBREC, m->packet_id, 0, now_ms);
        return CLIENT_EV_MORE;
    }
    return CLIENT_EV_MESSAGE;
}

static void got_pubrel(struct client *c, uint16_t id, uint64_t now_ms)
{
    bool known = is_received(c, id);

    if (known)
        c->received[id / 8] &= (uint8_t) ~(1u << id % 8);
    put_ack(c, MQTT_PUBCOMP, id, known ? 0 : MQTT_REASON_NO_PACKET_ID, now_ms);
}

void client_took(struct client *c, const struct mqtt_publish *m, uint64_t now_ms)
{
    if (m->qos == 0 || c->state != CLIENT_OPEN)
        return;
    if (m->qos == 2) {
        if (!c->received)
            c->received = mem_new(RECEIVED_BYTES);
        c->received[m->packet_id / 8] |= (uint8_t)(1u << m->packet_id % 8);
    }
    put_ack(c, m->qos == 2 ? MQTT_PUBREC : MQTT_PUBACK, m->packet_id, 0, now_ms);
}

/* What a refused publication is to its owner. */
static int code_of(unsigned reason)
{
    switch (reason) {
    case MQTT_REASON_NOT_AUTHORIZED:
        return ERR_REFUSED;
    case MQTT_REASON_BAD_TOPIC:
    case MQTT_REASON_BAD_PAYLOAD:
        return ERR_VALUE;
    case MQTT_REASON_QUOTA:
        return ERR_FULL;
    default:
        return reason < 0x80 ? 0 : ERR_PROTO;
    }
}

static enum client_event_kind got_ack(struct client *c, const struct mqtt_packet *p,
                                      struct client_event *out)
{
    if (!client_window_acked(c, p->type, &p->ack, &out->done))
        return CLIENT_EV_MORE; /* the acknowledgement of a connection that is gone */
    /* A PUBCOMP that does not know the id means that the one before was lost: it is complete (3.7.2.1). */
    out->code = p->type == MQTT_PUBCOMP ? 0 : code_of(p->ack.code);
    out->reason = p->ack.code;
    return CLIENT_EV_DONE;
}

static enum client_event_kind got_packet(struct client *c, uint64_t now_ms,
                                         struct client_event *out)
{
    struct mqtt_packet *p = &out->packet;

    if (c->state == CLIENT_GREETING && p->type != MQTT_CONNACK)
        return protest(c, MQTT_REASON_PROTOCOL, "first packet is not CONNACK");
    c->worked |= p->type >= MQTT_PUBLISH && p->type <= MQTT_PUBCOMP;
    if (is_relayed(c, p->type) && p->type != MQTT_PUBLISH)
        return CLIENT_EV_RELAY;
    switch (p->type) {
    case MQTT_CONNACK:
        if (c->state != CLIENT_GREETING)
            break;
        return got_connack(c, &p->connack, now_ms, out);
    case MQTT_PUBLISH:
        return got_publish(c, &p->publish, now_ms);
    case MQTT_PUBREL:
        got_pubrel(c, p->ack.packet_id, now_ms);
        return CLIENT_EV_MORE;
    case MQTT_PUBREC:
        if (p->ack.code < 0x80) {
            client_window_received(c, p->ack.packet_id, now_ms);
            return CLIENT_EV_MORE;
        }
        return got_ack(c, p, out);
    case MQTT_PUBACK:
    case MQTT_PUBCOMP:
        return got_ack(c, p, out);
    case MQTT_SUBACK:
        return client_subs_acked(c, &p->suback, out) ? CLIENT_EV_SUBSCRIBED : CLIENT_EV_MORE;
    case MQTT_PINGRESP:
        if (c->pings > 0)
            c->pings--;
        return c->answer_in > 0 && --c->answer_in == 0 ? CLIENT_EV_PONG : CLIENT_EV_MORE;
    case MQTT_UNSUBACK:
        return CLIENT_EV_MORE;
    case MQTT_DISCONNECT: /* 3.14: a server's, under MQTT 5 only */
        if (version(c) != MQTT_V5)
            break;
        broken(c, ERR_CLOSED, p->reasoned.code,
               p->reasoned.props.has & MQTT_HAS(REASON_STRING)
                   ? p->reasoned.props.reason_string
                   : str_of(mqtt_reason_text(p->reasoned.code)));
        return CLIENT_EV_BROKEN;
    case MQTT_CONNECT:
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
    case MQTT_PINGREQ:
    case MQTT_AUTH:
        break;
    }
    return protest(c, MQTT_REASON_PROTOCOL, "a packet that no server sends here");
}

/* A server that only knows 3.1.1 answers a CONNECT of MQTT 5 in its own form. */
static bool is_old_refusal(const struct client *c, struct str in)
{
    return c->state == CLIENT_GREETING && version(c) == MQTT_V5 &&
           str_starts(in, MQTT_CONNACK_VERSION);
}

/* Whether what mqtt_decode() found too long is only to be read past. 0: c->skip_n is set; ERR_MORE. */
static int skip_begin(struct client *c, struct str in, struct wire_why *why)
{
    struct wire_why ignored;
    int rc;

    if (why->code != MQTT_REASON_TOO_LARGE || version(c) != MQTT_V311 ||
        (unsigned char)in.p[0] >> 4 != MQTT_PUBLISH || !is_relayed(c, MQTT_PUBLISH))
        return ERR_LIMIT;
    rc = mqtt_publish_front(in, &c->skipped, &c->skip_n, &ignored);
    return rc == ERR_MORE && in.n >= c->cfg.packet_max_bytes ? ERR_LIMIT : rc;
}

/* How much of `in` belongs to it. */
static size_t skip(struct client *c, struct str in, struct client_event *out)
{
    size_t n = in.n < c->skip_n ? in.n : c->skip_n;

    c->skip_n -= n;
    if (c->skip_n > 0)
        return n;
    c->worked = true;
    out->packet.type = MQTT_PUBLISH;
    out->packet.publish = c->skipped;
    out->kind = CLIENT_EV_SKIPPED;
    return n;
}

void client_input(struct client *c, struct str in, uint64_t now_ms, size_t *out_used,
                  struct client_event *out)
{
    size_t used = 0;

    c->rx_at_ms = now_ms;
    c->ping_out = false;
    out->kind = CLIENT_EV_MORE;
    while (out->kind == CLIENT_EV_MORE && used < in.n &&
           (c->state == CLIENT_GREETING || c->state == CLIENT_OPEN)) {
        struct wire_why why = { 0 };
        struct str rest = str_skip(in, used);
        size_t n = 0;
        int rc;

        if (c->skip_n > 0) {
            used += skip(c, rest, out);
            continue;
        }
        rc = mqtt_decode(rest, version(c), c->cfg.packet_max_bytes, &out->packet, &n, &why);
        if (rc == ERR_LIMIT)
            rc = skip_begin(c, rest, &why);
        if (rc == ERR_MORE)
            break;
        if (c->skip_n > 0)
            continue;
        if (rc && is_old_refusal(c, rest)) {
            broken(c, ERR_VERSION, MQTT_REASON_BAD_VERSION, STR("server does not speak MQTT 5"));
            out->kind = CLIENT_EV_BROKEN;
        } else if (rc) {
            out->kind = protest(c, (unsigned)why.code, why.text);
        } else {
            out->kind = got_packet(c, now_ms, out);
        }
        used += n;
    }
    *out_used = used;
}

void client_deaf(struct client *c, uint64_t now_ms)
{
    c->rx_at_ms = now_ms;
    c->ping_out = false;
}

void client_farewell(struct client *c)
{
    char bytes[MQTT_ACK_MAX];

    if (c->state == CLIENT_OPEN)
        buf_put_bytes(&c->out, bytes, mqtt_disconnect_write(bytes, version(c), 0));
}
