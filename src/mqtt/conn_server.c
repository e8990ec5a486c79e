/*
 * One network connection: its states, its bytes, its clock.
 *
 *     hello ──CONNECT──► authenticating ──login──► claiming ──session──► open
 *       │                      │                      │                   │
 *       └──────────────────────┴───────► closing ◄────┴───────────────────┘
 *
 *     hello           nothing known; only a CONNECT is read, within mqtt_connect_timeout_ms
 *     authenticating  conn->hello holds the CONNECT; nothing is read; login or check of the will
 *     claiming        identity known; the session is asked for; nothing is read
 *     open            conn->session is set, and its conn is this one; conn->hello is gone
 *     closing         no session any more; what waits is sent; only conn_gone() is still to come
 *
 * Packets are decoded where they lie in the stream's buffer. A packet that cannot be taken now (an
 * authorisation or a journal that answers later) is left there, reading stops, and the same packet
 * is decoded again afterwards: there is no second copy of it and no second queue.
 * A 3.1.1 client that cannot be told that there is no room, and whose queue may be what takes it, is read on:
 * its answers are taken, and what it asks for is dropped unanswered until its connection ends
 * (conn_take_answers_only()).
 *
 * The structure lives until the transport has closed and every request whose answer comes to it
 * (`holds`) has been answered. The keep-alive clock costs a packet one store: the timer looks at
 * the time of the last read when it fires and moves on.
 */
#include "mqtt/broker_part.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/sm.h"
#include "net/listener.h"

#include <assert.h>

static const struct sm_row conn_rows[] = {
    [CONN_HELLO] = { "hello", TO(CONN_AUTHENTICATING) | TO(CONN_CLOSING) },
    [CONN_AUTHENTICATING] = { "authenticating", TO(CONN_CLAIMING) | TO(CONN_CLOSING) },
    [CONN_CLAIMING] = { "claiming", TO(CONN_OPEN) | TO(CONN_CLOSING) },
    [CONN_OPEN] = { "open", TO(CONN_CLOSING) },
    [CONN_CLOSING] = { "closing", 0 },
};
static const struct sm_table conn_table = { "mqtt_conn", conn_rows, COUNT_OF(conn_rows) };

void conn_move(struct conn *c, enum conn_state to)
{
    sm_move(&conn_table, &c->state, to);
}

/* ---- the clock ---- */

static uint64_t keep_alive_ms(const struct conn *c)
{
    return (uint64_t)c->keep_alive_s * 1500; /* one and a half times, MQTT 5, 3.1.2.10 */
}

static void on_timer(struct timer *t)
{
    struct conn *c = container_of(t, struct conn, timer);
    uint64_t end;

    if (c->state == CONN_CLOSING)
        return;
    if (c->state != CONN_OPEN) {
        conn_end(c, MQTT_REASON_MAX_CONNECT_TIME, "no CONNECT in time");
        return;
    }
    end = c->last_read_ms + keep_alive_ms(c);
    /* While we do not read, the client's silence is our own doing. */
    if (c->busy)
        end = loop_now_ms(c->part->loop) + keep_alive_ms(c);
    if (end > loop_now_ms(c->part->loop)) {
        timer_start_at(t, end);
        return;
    }
    metric_add(c->part->b->m.kept_alive, 1);
    conn_end(c, MQTT_REASON_KEEP_ALIVE, "keep-alive timeout");
}

/* Its queue is empty, or it is too slow to wait for: it comes back and sends what was not taken. */
static void look_at_answers(struct conn *c)
{
    if (c->session->count == 0 || loop_now_ms(c->part->loop) >= c->retry->answers_until_ms)
        conn_end(c, MQTT_REASON_QUOTA, "what it published found no room; it is to send it again");
    else
        conn_retry_in(c, RETRY_FULL_MS);
}

static void on_retry(struct timer *t)
{
    struct conn *c = container_of(t, struct conn_retry, timer)->c;

    if (c->overfull) {
        metric_add(c->part->b->m.overfull, 1);
        conn_end(c, MQTT_REASON_QUOTA, "its queue is full");
        return;
    }
    if (c->answers_only) {
        look_at_answers(c);
        return;
    }
    conn_busy_clear(c, BUSY_WAIT);
}

void conn_retry_in(struct conn *c, uint64_t after_ms)
{
    if (!c->retry) {
        c->retry = NEW(struct conn_retry);
        c->retry->c = c;
        timer_init(&c->retry->timer, c->part->loop, on_retry);
    }
    timer_start(&c->retry->timer, after_ms);
}

void conn_take_answers_only(struct conn *c)
{
    c->answers_only = true;
    conn_retry_in(c, RETRY_FULL_MS);
    c->retry->answers_until_ms = loop_now_ms(c->part->loop) + ANSWERS_ONLY_MS;
}

static void retry_drop(struct conn *c)
{
    if (!c->retry)
        return;
    timer_stop(&c->retry->timer);
    mem_free(c->retry);
    c->retry = NULL;
}

/* ---- reading ---- */

void conn_busy_set(struct conn *c, enum conn_busy why)
{
    if (c->busy == 0 && !c->gone)
        conn_pause(c, true);
    c->busy |= (uint8_t)why;
}

void conn_busy_clear(struct conn *c, enum conn_busy why)
{
    uint8_t before = c->busy;

    c->busy &= (uint8_t)~why;
    if (before != 0 && c->busy == 0 && !c->gone && c->state != CONN_CLOSING)
        conn_pause(c, false);
}

static void refuse_packet(struct conn *c, int rc, const struct wire_why *why)
{
    uint8_t reason = (uint8_t)why->code;

    metric_add(c->part->b->m.proto_errors, 1);
    if (rc == ERR_VERSION && c->state == CONN_HELLO)
        conn_send(c, MQTT_CONNACK_VERSION);
    if (rc == ERR_VERSION && c->state == CONN_OPEN)
        reason = MQTT_REASON_PROTOCOL; /* a second CONNECT, and 0x84 is for CONNACK only */
    conn_end(c, reason, why->text ? why->text : err_text(rc));
}

static bool one_packet(struct conn *c, const struct mqtt_packet *pk, struct str bytes)
{
    if (c->state == CONN_OPEN)
        return conn_packet(c, pk);
    conn_connect(c, &pk->connect, bytes);
    return true;
}

size_t conn_data(struct conn *c, struct str bytes)
{
    const struct limits *l = &c->part->b->limits;
    struct broker_metrics *m = &c->part->b->m;
    uint64_t packets = 0, payload = 0;
    size_t at = 0;

    c->last_read_ms = loop_now_ms(c->part->loop);
    while (at < bytes.n && c->busy == 0) {
        struct str rest = { bytes.p + at, bytes.n - at };
        bool hello = c->state == CONN_HELLO;
        struct mqtt_packet pk;
        struct wire_why why = { 0 };
        size_t used = 0;
        int rc;

        if (c->state == CONN_CLOSING)
            return bytes.n;
        if (hello && (uint8_t)rest.p[0] >> 4 != MQTT_CONNECT) {
            metric_add(c->part->b->m.proto_errors, 1);
            conn_end(c, MQTT_REASON_PROTOCOL, "first packet is not a CONNECT");
            return bytes.n;
        }
        rc = mqtt_decode(rest,
                         c->v31       ? MQTT_V31
                         : c->version ? c->version
                                      : MQTT_V311,
                         hello ? l->mqtt_connect_max_bytes : c->rules->packet_max_bytes, &pk, &used,
                         &why);
        if (rc == ERR_MORE)
            break;
        if (rc) {
            refuse_packet(c, rc, &why);
            return bytes.n;
        }
        if (!one_packet(c, &pk, str_sub(rest, 0, used)))
            break;
        at += used;
        packets++;
        payload += pk.type == MQTT_PUBLISH ? pk.publish.payload.n : 0;
        if (c->rate)
            conn_rate_count(c, pk.type, used);
    }
    /* What is behind a CONNECT waits for the login; the end of the connection must not overtake it. */
    if (at < bytes.n && c->busy == BUSY_LOGIN)
        conn_pause(c, true);
    metric_add(m->received_bytes, at);
    metric_add(m->packets_in, packets);
    metric_add(m->payload_in, payload);
    return c->state == CONN_CLOSING ? bytes.n : at;
}

void conn_drained(struct conn *c)
{
    c->choked = false;
    conn_pump(c);
}

/* ---- the end ---- */

/* Into CLOSING: the session goes its own way, nothing more is read or decided. */
static void leave(struct conn *c, bool send_will)
{
    struct session *s = c->session;

    if (c->state == CONN_CLOSING)
        return;
    if (c->state == CONN_OPEN)
        metric_gauge_add(c->part->b->m.connected, -1);
    if (c->state == CONN_HELLO)
        conn_hello_over(c);
    conn_move(c, CONN_CLOSING);
    conn_login_cancel(c);
    timer_stop(&c->timer);
    retry_drop(c);
    conn_rate_end(c);
    keep_forget(c);
    c->session = NULL;
    if (!s)
        return;
    conn_leave_answers(c, s);
    holding_detach(c->part, s, send_will && !c->will_off);
}

bool part_may_log(struct part *p)
{
    uint64_t second = loop_now_ms(p->loop) / 1000;

    if (p->log_second != second) {
        if (p->log_lines > LOG_LINES_MAX)
            log_warn("mqtt", "more of the same in that second",
                     lf_u64("lines", p->log_lines - LOG_LINES_MAX));
        p->log_second = second;
        p->log_lines = 0;
    }
    return ++p->log_lines <= LOG_LINES_MAX;
}

static void log_end(const struct conn *c, uint8_t reason, const char *text)
{
    char peer[ADDR_TEXT_SIZE];
    struct str id = c->session ? session_id(c->session)
                    : c->hello ? c->hello->pk.client_id
                               : STR_NONE;

    if (!part_may_log(c->part))
        return;
    log_info("mqtt", "connection ended by us", lf_text("peer", addr_format(conn_peer(c), peer)),
             lf_str("client", id), lf_u64("code", reason), lf_text("reason", text));
}

void conn_end(struct conn *c, uint8_t reason, const char *text)
{
    char near[MQTT_ACK_MAX];
    bool open = c->state == CONN_OPEN;

    if (c->state == CONN_CLOSING || c->gone)
        return;
    log_end(c, reason, text);
    leave(c, true);
    if (open && c->version == MQTT_V5)
        conn_send(c, str_from(near, mqtt_disconnect_write(near, c->version, reason)));
    conn_end_transport(c, STREAM_FLUSH, ERR_PROTO);
}

void conn_drop(struct conn *c, int err)
{
    if (c->gone)
        return;
    leave(c, true);
    conn_end_transport(c, STREAM_FLUSH, err);
}

void conn_shutdown(struct conn *c)
{
    char near[MQTT_ACK_MAX];
    bool open = c->state == CONN_OPEN;

    if (c->state == CONN_CLOSING || c->gone)
        return;
    c->will_off = true; /* the server's end says nothing about the client */
    leave(c, false);
    if (open && c->version == MQTT_V5)
        conn_send(
            c, str_from(near, mqtt_disconnect_write(near, c->version, MQTT_REASON_SHUTTING_DOWN)));
    conn_end_transport(c, STREAM_FLUSH, ERR_STOPPED);
}

static void conn_free(struct conn *c)
{
    assert(!c->left);
    timer_stop(&c->timer);
    acks_fini(&c->acks, &c->part->spare_acks);
    conn_answers_clear(c);
    for (size_t i = 0; c->aliases && i < c->rules->topic_alias_max; i++)
        mem_free((void *)(uintptr_t)c->aliases[i].p);
    mem_free(c->rate);
    mem_free(c->aliases);
    alias_out_free(c->alias_out);
    hello_free(c->hello);
    identity_unref(c->who);
    mem_free(c);
}

void conn_unhold(struct conn *c)
{
    assert(c->holds > 0);
    if (--c->holds == 0 && c->gone)
        conn_free(c);
}

void conn_gone(struct conn *c, int code)
{
    struct part *p = c->part;

    (void)code;
    leave(c, true);
    c->gone = true;
    list_remove(&c->link);
    p->conn_count--;
    c->stream = NULL;
    c->far = NULL;
    if (c->holds == 0)
        conn_free(c);
    if (p->stopping && p->conn_count == 0)
        gate_open(p->b->stopped);
}

/* ---- the beginning ---- */

void conn_hello_over(struct conn *c)
{
    struct part *p = c->part;

    list_remove(&c->link);
    list_push_back(&p->conns, &c->link);
    p->hello_count--;
}

/* Connections that say nothing must not keep others out until their time is over. */
static void make_room(struct part *p)
{
    const struct broker *b = p->b;
    struct conn *oldest;

    if (p->hello_count < (b->limits.mqtt_connecting_max + b->count - 1) / b->count)
        return;
    oldest = container_of(p->hellos.next, struct conn, link);
    metric_add(b->m.crowded, 1);
    log_end(oldest, 0, "no CONNECT, and others wait: limits.mqtt_connecting_max");
    conn_drop(oldest, ERR_LIMIT);
    conn_end_transport(oldest, STREAM_NOW, ERR_LIMIT); /* it is owed no answer, and no time */
}

struct conn *conn_new(struct part *p, const struct broker_rules *rules)
{
    struct conn *c = NEW(struct conn);

    c->part = p;
    c->rules = rules;
    c->max_out = MQTT_PACKET_MAX;
    c->last_read_ms = loop_now_ms(p->loop);
    timer_init(&c->timer, p->loop, on_timer);
    timer_start(&c->timer, p->b->limits.mqtt_connect_timeout_ms);
    list_init(&c->link);
    make_room(p);
    list_push_back(&p->hellos, &c->link);
    p->hello_count++;
    p->conn_count++;
    metric_add(p->b->m.sockets, 1);
    return c;
}

size_t conn_send_max(const struct broker *b)
{
    size_t least = CONN_HIGH + 2 * b->limits.mqtt_packet_max_bytes;

    return b->limits.send_queue_max_bytes > least ? b->limits.send_queue_max_bytes : least;
}

static size_t on_data(void *ctx, struct stream *s, struct str bytes)
{
    (void)s;
    return conn_data(ctx, bytes);
}

static void on_drained(void *ctx, struct stream *s)
{
    (void)s;
    conn_drained(ctx);
}

static void on_closed(void *ctx, struct stream *s, int code)
{
    (void)s;
    conn_gone(ctx, code);
}

static const struct stream_handler conn_handler = {
    .data = on_data,
    .drained = on_drained,
    .closed = on_closed,
};

void conn_begin(struct part *p, const struct broker_rules *rules, struct stream *s)
{
    struct conn *c = conn_new(p, rules);

    c->stream = s;
    stream_set(s, &conn_handler, c, p->b->limits.mqtt_connect_max_bytes);
    stream_set_marks(s, CONN_HIGH, CONN_LOW, conn_send_max(p->b));
    if (p->stopping)
        conn_drop(c, ERR_STOPPED);
}

void conn_accepted(void *ctx, struct loop *l, struct stream *s)
{
    const struct broker_listener *bl = ctx;

    conn_begin(part_of(bl->b, l), bl->rules, s);
}
