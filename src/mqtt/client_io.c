/*
 * Carries out what the pure client decides: connects streams, moves bytes, keeps the one timer,
 * and calls the owner. See client.h for the machine; this file has no rule of the protocol.
 *
 * Lifetimes: the client outlives each of its streams; it is freed in the last stream's closed(),
 * or at the end of a turn when there was none. Callbacks may call anything here, close included:
 * after each of them `closing` is looked at again.
 */
#include "mqtt/client_io.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "mqtt/client.h"
#include "net/stream.h"

#include <assert.h>
#include <stdio.h>
#include <sys/random.h>

#define CONNECT_TIMEOUT_MS 10000
#define KEEP_ALIVE_S       60
#define PING_TIMEOUT_MS    10000
#define INFLIGHT_MAX       100
#define PACKET_MAX_BYTES   MIB(1)
#define SUBSCRIPTIONS_MAX  1000
#define SESSION_EXPIRY_S   86400
/* QoS 0 stops at the high-water mark, QoS 1 at its window; send_max must never be met by our own
 * payloads. */
#define SEND_HIGH_BYTES KIB(256)
#define SEND_LOW_BYTES  KIB(64)
#define SEND_MAX_BYTES  MIB(300)

struct mqtt_client {
    struct loop *loop;
    struct client c;
    struct stream *s; /* NULL while waiting */
    struct timer timer;
    struct later finish;
    struct mqtt_client_handler handler;
    void *ctx;
    struct connect_options to;
    char *strings[9]; /* copies of the owner's */
    size_t string_count;
    unsigned user_timeout_ms;
    bool blocked;      /* the stream has said "enough" */
    bool want_room;    /* somebody got ERR_FULL because of the window */
    bool want_drained; /* … because of what waits */
    bool failing;      /* the last attempt failed too: one line in the log is enough */
    bool closing;
    bool paused, quiet;
    struct stream *(*dial)(void *ctx, struct loop *l, int *out_code);
    void (*closed)(void *ctx);
    void *closed_ctx;
    struct metric *m_sessions, *m_failures, *m_published[3], *m_received, *m_connected;
};

static uint64_t now_ms(const struct mqtt_client *m)
{
    return loop_now_ms(m->loop);
}

/* ---- sending ---- */

static void send_bytes(struct mqtt_client *m, struct str bytes)
{
    if (m->s && bytes.n > 0 && !stream_send(m->s, bytes))
        m->blocked = true;
}

static void send_out(struct mqtt_client *m)
{
    send_bytes(m, buf_str(&m->c.out));
    buf_clear(&m->c.out);
}

static void send_kept(struct mqtt_client *m)
{
    struct blob *payload;
    struct str head;

    send_out(m); /* what was said before them: the subscriptions of the new session */
    while (!m->blocked && client_resend_next(&m->c, now_ms(m), &head, &payload)) {
        send_bytes(m, head);
        if (payload && payload->n > 0 && !stream_send_blob(m->s, payload, 0, payload->n))
            m->blocked = true;
    }
}

/* After anything that may have moved the machine. */
static void settle(struct mqtt_client *m)
{
    uint64_t at;

    send_kept(m);
    if (!m->closing &&
        ((m->want_room && client_room(&m->c) > 0) || (m->want_drained && !m->blocked))) {
        m->want_room = m->want_drained = false;
        if (m->handler.ready)
            m->handler.ready(m->ctx);
        send_out(m);
    }
    at = client_wake_at(&m->c);
    if (at == UINT64_MAX || m->closing)
        timer_stop(&m->timer);
    else
        timer_start_at(&m->timer, at);
}

/* ---- the end ---- */

static void finish(struct mqtt_client *m)
{
    void (*closed)(void *) = m->closed;
    void *closed_ctx = m->closed_ctx;
    struct client_done d;

    client_give_up(&m->c);
    while (client_lost(&m->c, &d))
        if (d.done)
            d.done(d.ctx, ERR_STOPPED, 0, STR_NONE);
    timer_stop(&m->timer);
    client_fini(&m->c);
    for (size_t i = 0; i < m->string_count; i++)
        mem_free(m->strings[i]);
    mem_free(m);
    if (closed)
        closed(closed_ctx);
}

static void finish_later(struct later *d)
{
    finish(container_of(d, struct mqtt_client, finish));
}

/* ---- the stream ---- */

static void tell_down(struct mqtt_client *m, uint32_t wait_ms)
{
    const struct client *c = &m->c;

    if (m->quiet)
        ;
    else if (m->failing)
        log_debug("mqtt", "no session with the server", lf_text("server", m->to.host),
                  lf_err("error", c->end_code), lf_text("reason", c->end_text),
                  lf_u64("retry_ms", wait_ms));
    else
        log_warn("mqtt", "no session with the server, will try again",
                 lf_text("server", m->to.host), lf_u64("port", m->to.port),
                 lf_err("error", c->end_code), lf_text("reason", c->end_text));
    m->failing = true;
    metric_add(m->m_failures, 1);
    if (m->handler.disconnected)
        m->handler.disconnected(m->ctx, c->end_code, c->end_reason, str_of(c->end_text), wait_ms);
}

static void down(struct mqtt_client *m, int code)
{
    struct client_done d;
    uint32_t random = 0, wait;

    m->s = NULL;
    m->blocked = m->want_room = m->want_drained = m->paused = false;
    if (m->c.state == CLIENT_OPEN || m->c.open_at_ms > 0)
        metric_gauge_add(m->m_connected, -1);
    if (m->closing) {
        finish(m);
        return;
    }
    if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
        random = (uint32_t)(uintptr_t)m; /* early at boot; only spreads retries */
    wait = client_down(&m->c, now_ms(m), code, random);
    while (client_lost(&m->c, &d))
        if (d.done)
            d.done(d.ctx, ERR_CLOSED, 0, STR_NONE);
    if (!m->closing)
        tell_down(m, wait);
    settle(m);
}

static void on_closed(void *ctx, struct stream *s, int code)
{
    struct mqtt_client *m = ctx;

    if (!m->c.end_text[0]) /* a word on the wire says more than how the connection ended */
        snprintf(m->c.end_text, sizeof(m->c.end_text), "%s", stream_tls_error(s));
    down(m, code);
}

static void on_connected(void *ctx, struct stream *s)
{
    struct mqtt_client *m = ctx;

    stream_set_marks(s, SEND_HIGH_BYTES, SEND_LOW_BYTES, SEND_MAX_BYTES);
    if (m->user_timeout_ms > 0)
        stream_set_user_timeout(s, m->user_timeout_ms);
    client_dialed(&m->c, now_ms(m));
    settle(m);
}

static void on_drained(void *ctx, struct stream *s)
{
    struct mqtt_client *m = ctx;

    (void)s;
    m->blocked = false;
    settle(m);
}

static void deliver(struct mqtt_client *m, const struct mqtt_publish *p)
{
    metric_add(m->m_received, 1);
    if (m->handler.message)
        m->handler.message(m->ctx, &(struct mqtt_client_delivery){
                                       .topic = p->topic,
                                       .payload = p->payload,
                                       .qos = p->qos,
                                       .retain = p->retain,
                                       .dup = p->dup,
                                       .props = &p->props,
                                   });
    if (!m->closing)
        client_took(&m->c, p, now_ms(m));
}

static void dispatch(struct mqtt_client *m, struct client_event *e)
{
    switch (e->kind) {
    case CLIENT_EV_UP:
        m->failing = false;
        metric_add(m->m_sessions, 1);
        metric_gauge_add(m->m_connected, 1);
        if (!m->quiet)
            log_info("mqtt", "session with the server", lf_text("server", m->to.host),
                     lf_u64("port", m->to.port), lf_bool("session_present", e->session_present));
        send_kept(m);
        if (m->handler.connected)
            m->handler.connected(m->ctx, e->session_present);
        break;
    case CLIENT_EV_MESSAGE:
        deliver(m, &e->packet.publish);
        break;
    case CLIENT_EV_DONE:
        send_kept(m);
        if (e->done.done)
            e->done.done(e->done.ctx, e->code, e->reason,
                         e->packet.ack.props.has & MQTT_HAS(REASON_STRING)
                             ? e->packet.ack.props.reason_string
                             : STR_NONE);
        break;
    case CLIENT_EV_SUBSCRIBED:
        if (e->reason >= 0x80)
            log_warn("mqtt", "subscription refused", lf_text("server", m->to.host),
                     lf_str("filter", e->filter), lf_u64("reason", e->reason));
        if (m->handler.subscribed)
            m->handler.subscribed(m->ctx, e->filter, e->reason);
        break;
    case CLIENT_EV_PONG:
        if (m->handler.ponged)
            m->handler.ponged(m->ctx);
        break;
    case CLIENT_EV_RELAY:
        if (e->packet.type == MQTT_PUBLISH)
            metric_add(m->m_received, 1);
        m->handler.relayed(m->ctx, &e->packet);
        break;
    case CLIENT_EV_SKIPPED:
        metric_add(m->m_received, 1);
        m->handler.skipped(m->ctx, &e->packet.publish);
        break;
    case CLIENT_EV_BROKEN:
        send_out(m);
        stream_close(m->s, STREAM_FLUSH, m->c.end_code);
        break;
    case CLIENT_EV_MORE:
        break;
    }
}

static size_t on_data(void *ctx, struct stream *s, struct str bytes)
{
    struct mqtt_client *m = ctx;
    struct client_event e;
    size_t at = 0, used;

    do {
        if (m->closing || stream_is_closing(s))
            return bytes.n;
        client_input(&m->c, str_skip(bytes, at), now_ms(m), &used, &e);
        at += used;
        dispatch(m, &e);
    } while (e.kind != CLIENT_EV_MORE && !m->paused);
    if (!m->closing)
        settle(m);
    return at;
}

static const struct stream_handler stream_calls = {
    .connected = on_connected,
    .data = on_data,
    .drained = on_drained,
    .closed = on_closed,
};

static void dial(struct mqtt_client *m)
{
    int code = 0;

    if (!m->dial) {
        m->s = stream_connect(m->loop, &m->to, &stream_calls, m, m->c.cfg.packet_max_bytes);
        return;
    }
    m->s = m->dial(m->ctx, m->loop, &code);
    if (!m->s) {
        down(m, code);
        return;
    }
    stream_set(m->s, &stream_calls, m, m->c.cfg.packet_max_bytes);
    on_connected(m, m->s);
}

static void on_timer(struct timer *t)
{
    struct mqtt_client *m = container_of(t, struct mqtt_client, timer);

    if (m->paused)
        client_deaf(&m->c, now_ms(m));
    switch (client_tick(&m->c, now_ms(m))) {
    case CLIENT_TODO_DIAL:
        dial(m);
        break;
    case CLIENT_TODO_DROP:
        stream_close(m->s, STREAM_NOW, m->c.end_code);
        break;
    case CLIENT_TODO_NOTHING:
        break;
    }
    settle(m);
}

/* ---- what the owner calls ---- */

/* A copy that lives as long as the client, zero-terminated. */
static struct str keep(struct mqtt_client *m, struct str s)
{
    if (s.n == 0)
        return STR_NONE;
    assert(m->string_count < COUNT_OF(m->strings));
    m->strings[m->string_count] = str_dup(s);
    return str_from(m->strings[m->string_count++], s.n);
}

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value > 0 ? value : otherwise;
}

static void build_connect(struct mqtt_client *m, const struct mqtt_client_options *o,
                          struct mqtt_connect *c)
{
    c->version = o->version ? o->version : MQTT_V5;
    c->clean_start = !o->keep_session;
    c->bridge = o->bridge && c->version == MQTT_V311;
    c->keep_alive_s = (uint16_t)or_default(o->keep_alive_s, KEEP_ALIVE_S);
    c->client_id = keep(m, o->client_id);
    c->has_username = o->username.n > 0;
    c->username = keep(m, o->username);
    c->has_password = o->password.n > 0;
    c->password = keep(m, o->password);
    if (o->keep_session) {
        c->props.has |= MQTT_HAS(SESSION_EXPIRY);
        c->props.session_expiry_s = or_default(o->session_expiry_s, SESSION_EXPIRY_S);
    }
    if (o->receive_max > 0) {
        c->props.has |= MQTT_HAS(RECEIVE_MAX);
        c->props.receive_max = o->receive_max;
    }
    c->has_will = o->has_will;
    if (o->has_will) {
        assert(mqtt_topic_valid(o->will.topic) && o->will.payload.n <= UINT16_MAX);
        c->will.qos = o->will.qos;
        c->will.retain = o->will.retain;
        c->will.topic = keep(m, o->will.topic);
        c->will.payload = keep(m, o->will.payload);
        c->will.props.has = o->will.props.has & MQTT_HAS(WILL_DELAY);
        c->will.props.will_delay_s = o->will.props.will_delay_s;
    }
}

static void build_config(struct mqtt_client *m, const struct mqtt_client_options *o,
                         struct client_config *cfg)
{
    unsigned keep_alive_s = or_default(o->keep_alive_s, KEEP_ALIVE_S);
    unsigned inflight = or_default(o->inflight_max, INFLIGHT_MAX);

    *cfg = (struct client_config){
        .resend = o->resend,
        .relay = o->handler && o->handler->relayed,
        .connect_timeout_ms = or_default(o->connect_timeout_ms, CONNECT_TIMEOUT_MS),
        .ping_after_ms = or_default(o->ping_after_ms, keep_alive_s * 500),
        .ping_timeout_ms = or_default(o->ping_timeout_ms, PING_TIMEOUT_MS),
        .inflight_max = inflight < CLIENT_INFLIGHT_MOST ? inflight : CLIENT_INFLIGHT_MOST,
        .packet_max_bytes = o->packet_max_bytes ? o->packet_max_bytes : PACKET_MAX_BYTES,
        .subscriptions_max = SUBSCRIPTIONS_MAX,
        .backoff = o->backoff.first_ms > 0 ? o->backoff : BACKOFF_UPLINK,
    };
    build_connect(m, o, &cfg->connect);
}

static void open_metrics(struct mqtt_client *m, const struct mqtt_client_options *o)
{
    char label[128], with_qos[160];

    if (!o->metrics)
        return;
    snprintf(label, sizeof(label), "client=\"%s\"", o->metrics_name ? o->metrics_name : "client");
    for (unsigned qos = 0; qos < 3; qos++) {
        snprintf(with_qos, sizeof(with_qos), "%s,qos=\"%u\"", label, qos);
        m->m_published[qos] = metrics_counter(o->metrics, "wayside_mqtt_client_published_total",
                                              with_qos, "messages given to the server");
    }
    m->m_sessions = metrics_counter(o->metrics, "wayside_mqtt_client_sessions_total", label,
                                    "sessions that were begun");
    m->m_failures = metrics_counter(o->metrics, "wayside_mqtt_client_failures_total", label,
                                    "sessions and attempts that ended");
    m->m_received = metrics_counter(o->metrics, "wayside_mqtt_client_received_total", label,
                                    "messages from the server");
    m->m_connected = metrics_gauge(o->metrics, "wayside_mqtt_client_connected", label,
                                   "sessions that stand now");
}

struct mqtt_client *mqtt_client_open(struct loop *l, const struct mqtt_client_options *o)
{
    struct mqtt_client *m = NEW(struct mqtt_client);
    struct client_config cfg;

    loop_assert_mine(l);
    m->loop = l;
    if (o->handler)
        m->handler = *o->handler;
    m->ctx = o->ctx;
    m->user_timeout_ms = o->user_timeout_ms;
    m->to = (struct connect_options){
        .host = keep(m, str_of(o->host ? o->host : "inside")).p,
        .port = o->port,
        .timeout_ms = or_default(o->connect_timeout_ms, CONNECT_TIMEOUT_MS),
        .tls = o->tls,
        .server_name = keep(m, str_of(o->server_name)).p,
        .alpn = keep(m, str_of(o->alpn)).p,
    };
    m->dial = o->dial;
    m->quiet = o->quiet;
    build_config(m, o, &cfg);
    client_init(&m->c, &cfg);
    open_metrics(m, o);
    m->finish.run = finish_later;
    timer_init(&m->timer, l, on_timer);
    timer_start(&m->timer, 0);
    return m;
}

void mqtt_client_close(struct mqtt_client *m, void (*closed)(void *ctx), void *ctx)
{
    loop_assert_mine(m->loop);
    assert(!m->closing);
    m->closing = true;
    m->closed = closed;
    m->closed_ctx = ctx;
    timer_stop(&m->timer);
    if (!m->s) {
        loop_later(m->loop, &m->finish);
        return;
    }
    if (m->c.state == CLIENT_OPEN) {
        client_farewell(&m->c);
        send_out(m);
        stream_close(m->s, STREAM_FLUSH, 0);
    } else {
        stream_close(m->s, STREAM_NOW, 0);
    }
}

bool mqtt_client_is_connected(const struct mqtt_client *m)
{
    return m->c.state == CLIENT_OPEN && !m->closing;
}

unsigned mqtt_client_inflight(const struct mqtt_client *m)
{
    return m->c.unacked;
}

unsigned mqtt_client_room(const struct mqtt_client *m)
{
    return m->closing ? 0 : client_room(&m->c);
}

void mqtt_client_reconnect(struct mqtt_client *m)
{
    loop_assert_mine(m->loop);
    if (m->closing)
        return;
    if (m->s) {
        client_break(&m->c, ERR_CLOSED, STR("asked to connect again"));
        stream_close(m->s, STREAM_NOW, ERR_CLOSED);
        return;
    }
    client_hurry(&m->c, now_ms(m));
    settle(m);
}

/* The payload as a reference that may be kept: the caller's, or a copy. */
static struct blob *payload_blob(struct mqtt_client *m, const struct mqtt_client_message *msg)
{
    if (msg->blob)
        return blob_ref(msg->blob);
    return m->c.cfg.resend && msg->qos > 0 && msg->payload.n > 0 ? blob_new(msg->payload) : NULL;
}

int mqtt_client_publish(struct mqtt_client *m, const struct mqtt_client_message *msg)
{
    struct client_publish p = {
        .topic = msg->topic,
        .props = msg->props,
        .payload_n = msg->blob ? msg->blob->n : msg->payload.n,
        .qos = msg->qos,
        .retain = msg->retain,
        .done = { msg->done, msg->done_ctx },
    };
    int rc;

    loop_assert_mine(m->loop);
    if (m->closing)
        return ERR_CLOSED;
    /* QoS 1 is held by its window alone: whoever asked for one means it. */
    if (m->blocked && msg->qos == 0 && m->c.state == CLIENT_OPEN) {
        m->want_drained = true;
        return ERR_FULL;
    }
    p.payload = payload_blob(m, msg);
    rc = client_publish(&m->c, &p, now_ms(m));
    if (rc == ERR_FULL)
        m->want_room = true;
    if (rc == 0) {
        metric_add(m->m_published[msg->qos], 1);
        send_out(m);
        if (p.payload && p.payload_n > 0) {
            if (!stream_send_blob(m->s, p.payload, 0, p.payload_n))
                m->blocked = true;
        } else {
            send_bytes(m, msg->payload);
        }
    }
    blob_unref(p.payload);
    return rc;
}

int mqtt_client_subscribe_as(struct mqtt_client *m, const struct mqtt_sub *s)
{
    int rc;

    loop_assert_mine(m->loop);
    rc = client_subscribe(&m->c, s, now_ms(m));
    send_out(m);
    return rc;
}

int mqtt_client_subscribe(struct mqtt_client *m, struct str filter, unsigned qos)
{
    if (qos > 2)
        return ERR_VALUE;
    return mqtt_client_subscribe_as(m, &(struct mqtt_sub){ .filter = filter, .qos = (uint8_t)qos });
}

int mqtt_client_unsubscribe(struct mqtt_client *m, struct str filter)
{
    int rc;

    loop_assert_mine(m->loop);
    rc = client_unsubscribe(&m->c, filter, now_ms(m));
    send_out(m);
    return rc;
}

void mqtt_client_ping(struct mqtt_client *m)
{
    loop_assert_mine(m->loop);
    if (m->closing || !m->s)
        return;
    client_ping(&m->c, now_ms(m));
    send_out(m);
    if (m->c.state == CLIENT_OPEN)
        timer_start_at(&m->timer, client_wake_at(&m->c));
}

bool mqtt_client_relay(struct mqtt_client *m, struct str packets)
{
    loop_assert_mine(m->loop);
    if (m->closing || m->c.state != CLIENT_OPEN)
        return true;
    send_out(m);
    send_bytes(m, packets);
    m->c.tx_at_ms = now_ms(m);
    m->want_drained |= m->blocked;
    return !m->blocked;
}

void mqtt_client_pause(struct mqtt_client *m, bool paused)
{
    loop_assert_mine(m->loop);
    if (m->closing || !m->s || m->paused == paused)
        return;
    m->paused = paused;
    if (paused) {
        stream_pause(m->s);
        return;
    }
    client_deaf(&m->c, now_ms(m));
    stream_resume(m->s);
}

struct mqtt_client_server mqtt_client_server(const struct mqtt_client *m)
{
    return (struct mqtt_client_server){ .receive_max = m->c.receive_max,
                                        .packet_max = m->c.server_packet_max,
                                        .qos_max = m->c.server_qos_max,
                                        .retains = m->c.server_retains };
}
