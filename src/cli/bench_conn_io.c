/*
 * One connection of `bench mqtt`: dialled, greeted, subscribed, and then whatever its scene does. What
 * the protocol asks of a client is answered here: acknowledgements and the steps of QoS 2.
 */
#include "cli/bench_shard_io.h"

#include "base/clock.h"
#include "cli/mqtt_reasons.h"

#include <stdio.h>

#define SESSION_EXPIRY_S 86400
#define PASSING_EXPIRY_S 60 /* of one whose connection breaks before it is ended */
#define SAY_MAX          4096
#define HIGH_BYTES       (256u * 1024)
#define LOW_BYTES        (64u * 1024)
#define READ_MAX_LEAST   4096u

static const struct bench_args *args_of(const struct bench_conn *c)
{
    return c->shard->plan->args;
}

/* ---- why it is down ---- */

static void fail_down(struct bench_conn *c, int code, unsigned reason, struct str text)
{
    const struct bench_plan *p = c->shard->plan;
    struct buf b = buf_init(SAY_MAX);

    mqtt_down_say(&(struct mqtt_down){ .server = p->server,
                                       .version = p->args->login.version,
                                       .tls = p->tls != NULL,
                                       .was_up = c->state >= CONN_READY,
                                       .code = code,
                                       .reason = reason,
                                       .text = text },
                  &b);
    if (c->shard->opened > 0 && c->state < CONN_READY)
        buf_printf(&b, " (%llu connections stood)", (unsigned long long)c->shard->opened);
    bench_shard_fail(c->shard, "%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

static void fail_refused(struct bench_conn *c, enum mqtt_refused what, unsigned reason,
                         const struct mqtt_props *props)
{
    struct str told = props->has & MQTT_HAS(REASON_STRING) ? props->reason_string : STR_NONE;
    struct buf b = buf_init(SAY_MAX);

    mqtt_reason_say(what, args_of(c)->login.version, reason, told, &b);
    bench_shard_fail(c->shard, "%s refused the %s: %.*s", c->shard->plan->server,
                     what == REFUSED_SUBSCRIBE ? "subscription" : "publication",
                     STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

/* ---- set-up ---- */

static void send_packet(struct bench_conn *c, const struct mqtt_packet *p)
{
    struct buf b = buf_init(70000);

    mqtt_encode(p, args_of(c)->login.version, &b);
    stream_send(c->stream, buf_str(&b));
    buf_fini(&b);
}

static void on_connected(void *ctx, struct stream *stream)
{
    struct bench_conn *c = ctx;
    const struct bench_plan *plan = c->shard->plan;
    const struct mqtt_login *login = &plan->args->login;
    bool v5 = login->version == MQTT_V5;
    char id[BENCH_ID_MAX + 64];
    struct mqtt_packet p = {
        .type = MQTT_CONNECT,
        .connect = { .version = login->version,
                     .clean_start = v5 ? !c->resume : !c->persistent,
                     .has_username = login->to.has_user,
                     .username = str_of(login->to.user),
                     .has_password = plan->password.n > 0,
                     .password = plan->password },
    };

    (void)stream;
    if (v5 && c->persistent) {
        p.connect.props.has |= MQTT_HAS(SESSION_EXPIRY);
        p.connect.props.session_expiry_s = c->passing ? PASSING_EXPIRY_S : SESSION_EXPIRY_S;
    }
    snprintf(id, sizeof(id), "%s-%u-%u", plan->prefix, c->shard->index, c->number);
    p.connect.client_id = str_of(id);
    c->state = CONN_GREETING;
    send_packet(c, &p);
}

static void ready(struct bench_conn *c)
{
    c->state = CONN_READY;
    c->shard->opening--;
    c->shard->opened++;
    c->shard->news++;
    c->shard->scene->ready(c);
    if (!c->shard->over)
        bench_shard_open_more(c->shard);
}

static void subscribe(struct bench_conn *c)
{
    struct buf list = buf_init(1024);
    struct mqtt_packet p = { .type = MQTT_SUBSCRIBE };

    mqtt_sub_put(&list, &(struct mqtt_sub){ .filter = str_of(c->filter), .qos = args_of(c)->qos });
    p.subscribe.packet_id = 1;
    p.subscribe.list = buf_str(&list);
    c->state = CONN_SUBSCRIBING;
    send_packet(c, &p);
    buf_fini(&list);
}

/* What the server says it takes, held against what we are going to send. */
static bool fits(struct bench_conn *c, const struct mqtt_props *p)
{
    const struct bench_args *a = args_of(c);
    const char *server = c->shard->plan->server;
    size_t packet = a->size + strlen(c->topic) + 32;

    if (p->has & MQTT_HAS(RECEIVE_MAX) && p->receive_max < c->window)
        c->window = p->receive_max;
    if (p->has & MQTT_HAS(MAX_QOS) && p->max_qos < a->qos)
        bench_shard_fail(c->shard, "%s takes QoS up to %u; try -q %u", server, p->max_qos,
                         p->max_qos);
    else if (p->has & MQTT_HAS(MAX_PACKET) && p->max_packet < packet && c->publisher)
        bench_shard_fail(c->shard, "%s takes packets of up to %u bytes; try a smaller --size",
                         server, p->max_packet);
    else if (p->has & MQTT_HAS(RETAIN_AVAILABLE) && !p->retain_available &&
             a->mode == BENCH_RETAINED)
        bench_shard_fail(c->shard, "%s keeps no retained messages", server);
    return !c->shard->over;
}

static void got_connack(struct bench_conn *c, const struct mqtt_connack *k)
{
    if (c->state != CONN_GREETING) {
        fail_down(c, ERR_PROTO, 0, STR("a CONNACK out of turn"));
        return;
    }
    if (k->code) {
        fail_down(c, ERR_REFUSED, k->code,
                  k->props.has & MQTT_HAS(REASON_STRING) ? k->props.reason_string : STR_NONE);
        return;
    }
    if (args_of(c)->login.version == MQTT_V5 && !fits(c, &k->props))
        return;
    if (c->resume && !k->session_present)
        bench_shard_fail(c->shard, "%s has forgotten the session of client %u",
                         c->shard->plan->server, c->number);
    else if (c->filter[0])
        subscribe(c);
    else
        ready(c);
}

/* ---- packets ---- */

static void send_ack(struct bench_conn *c, enum mqtt_type type, uint16_t id)
{
    char *room = stream_room(c->stream, MQTT_ACK_MAX);

    stream_commit(c->stream, mqtt_ack_write(room, args_of(c)->login.version, type, id, 0));
}

static void got_publish(struct bench_conn *c, const struct mqtt_publish *m)
{
    if (m->qos > 0)
        send_ack(c, m->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, m->packet_id);
    if (c->shard->scene->publish)
        c->shard->scene->publish(c, m);
}

static void got_packet(struct bench_conn *c, const struct mqtt_packet *p)
{
    struct bench_shard *s = c->shard;

    switch (p->type) {
    case MQTT_PUBLISH:
        got_publish(c, &p->publish);
        break;
    case MQTT_PUBREC:
        if (p->ack.code >= 0x80)
            fail_refused(c, REFUSED_PUBLISH, p->ack.code, &p->ack.props);
        else
            send_ack(c, MQTT_PUBREL, p->ack.packet_id);
        break;
    case MQTT_PUBACK:
    case MQTT_PUBCOMP:
        if (p->ack.code >= 0x80)
            fail_refused(c, REFUSED_PUBLISH, p->ack.code, &p->ack.props);
        else if (s->scene->acked)
            s->scene->acked(c);
        break;
    case MQTT_PUBREL:
        send_ack(c, MQTT_PUBCOMP, p->ack.packet_id);
        break;
    case MQTT_PINGRESP:
        if (s->scene->pong)
            s->scene->pong(c);
        break;
    case MQTT_CONNACK:
        got_connack(c, &p->connack);
        break;
    case MQTT_SUBACK:
        if (p->suback.codes.n != 1 || (uint8_t)p->suback.codes.p[0] >= 0x80)
            fail_refused(c, REFUSED_SUBSCRIBE, (uint8_t)p->suback.codes.p[0], &p->suback.props);
        else if (c->state == CONN_SUBSCRIBING)
            ready(c);
        break;
    case MQTT_DISCONNECT:
        fail_down(c, ERR_CLOSED, p->reasoned.code,
                  p->reasoned.props.has & MQTT_HAS(REASON_STRING) ? p->reasoned.props.reason_string
                                                                  : STR_NONE);
        break;
    case MQTT_CONNECT:
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
    case MQTT_UNSUBACK:
    case MQTT_PINGREQ:
    case MQTT_AUTH:
        fail_down(c, ERR_PROTO, 0, STR("a packet that no server sends"));
    }
}

static size_t on_data(void *ctx, struct stream *stream, struct str bytes)
{
    struct bench_conn *c = ctx;
    struct mqtt_packet p;
    struct wire_why why = { 0 };
    size_t at = 0, used;
    int rc = 0;

    (void)stream;
    while (!c->shard->over && c->state != CONN_ENDING) {
        rc = mqtt_decode(str_skip(bytes, at), args_of(c)->login.version, MQTT_VARINT_MAX, &p, &used,
                         &why);
        if (rc)
            break;
        at += used;
        c->shard->news++;
        got_packet(c, &p);
    }
    if (rc && rc != ERR_MORE && !c->shard->over)
        fail_down(c, ERR_PROTO, 0, str_of(why.text));
    return c->shard->over || c->state == CONN_ENDING ? bytes.n : at;
}

static void on_drained(void *ctx, struct stream *stream)
{
    struct bench_conn *c = ctx;

    (void)stream;
    if (c->shard->scene->drained && !c->shard->over)
        c->shard->scene->drained(c);
}

static void on_closed(void *ctx, struct stream *stream, int code)
{
    struct bench_conn *c = ctx;
    struct bench_shard *s = c->shard;

    c->stream = NULL;
    if (!s->over && c->state != CONN_ENDING)
        fail_down(c, code ? code : ERR_CLOSED, 0, str_of(stream_tls_error(stream)));
    list_remove(&c->link);
    if (!s->over && s->scene->ended) {
        s->ended++;
        s->scene->ended(c);
    }
    mem_free(c->times);
    mem_free(c->got);
    mem_free(c);
    bench_shard_open_more(s);
}

struct bench_conn *bench_conn_open(struct bench_shard *s, unsigned number)
{
    static const struct stream_handler handler = {
        .connected = on_connected, .data = on_data, .drained = on_drained, .closed = on_closed
    };
    const struct bench_args *a = s->plan->args;
    struct bench_conn *c = NEW(struct bench_conn);
    size_t read_max = a->size + READ_MAX_LEAST;

    c->shard = s;
    c->number = number;
    c->window = (unsigned)a->window;
    c->opened_ns = clock_mono_ns();
    list_push_back(&s->conns, &c->link);
    s->scene->open(s, c);
    c->stream = stream_connect(s->loop,
                               &(struct connect_options){ .host = a->login.to.host,
                                                          .port = a->login.to.port,
                                                          .timeout_ms = (unsigned)a->timeout_ms,
                                                          .tls = s->plan->tls },
                               &handler, c, read_max);
    stream_set_marks(c->stream, HIGH_BYTES, LOW_BYTES, UINT32_MAX);
    return c;
}

void bench_conn_end(struct bench_conn *c, bool cut)
{
    struct mqtt_packet bye = { .type = MQTT_DISCONNECT };

    c->state = CONN_ENDING;
    if (cut) {
        stream_close(c->stream, STREAM_RESET, 0);
        return;
    }
    if (c->passing) /* the session's expiry is 0 from now on */
        bye.reasoned.props.has |= MQTT_HAS(SESSION_EXPIRY);
    send_packet(c, &bye);
    stream_close(c->stream, STREAM_FLUSH, 0);
}

void bench_conn_end_all(struct bench_shard *s)
{
    LIST_EACH_SAFE (it, next, &s->conns) {
        struct bench_conn *c = container_of(it, struct bench_conn, link);

        if (c->state != CONN_ENDING)
            bench_conn_end(c, s->failed || c->state < CONN_READY);
    }
}

void bench_conn_ping(struct bench_conn *c)
{
    stream_send(c->stream, MQTT_PINGREQ_BYTES);
}
