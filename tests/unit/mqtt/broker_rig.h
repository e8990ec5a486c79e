#ifndef TESTS_BROKER_RIG_H
#define TESTS_BROKER_RIG_H
/*
 * A real broker on loopback and clients that speak in raw packets, made with the codec. Every wait
 * has a deadline; what does not come within it fails the test.
 */
#include "base/mem.h"
#include "mqtt/broker.h"
#include "wire/mqtt.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RIG_WAIT_MS 5000

struct rig {
    struct limits limits;
    struct metrics *metrics;
    struct workers *workers;
    struct broker *broker;
    struct broker_options o;
    struct addr addr;
    const struct broker_rules *rules; /* the same as the listener's, for WebSockets */
    struct gate *gate; /* one for all questions: its opener may still be inside when we go on */
    int (*prepare)(struct broker *b, struct fault *f); /* before it listens; may be NULL */
    unsigned stop_ms;                                  /* 2 s */
    unsigned number;                                   /* a test's */
};

/* Fill r->o and r->limits as wanted between the two. */
static inline void rig_init(struct rig *r)
{
    *r = (struct rig){ 0 };
    r->limits = limits_default();
    r->metrics = metrics_new();
    r->o = (struct broker_options){ .metrics = r->metrics };
}

static inline void rig_start(struct rig *r, unsigned workers)
{
    struct broker_listen l = { 0 };
    struct fault f = { 0 };
    int rc;

    r->o.limits = &r->limits;
    r->gate = gate_new();
    r->workers = workers_start(workers);
    r->broker = broker_new(r->workers, &r->o);
    if (r->prepare)
        assert_int_equal(r->prepare(r->broker, &f), 0);
    rc = addr_parse(STR("127.0.0.1"), 0, &l.addr);
    assert_int_equal(rc, 0);
    r->rules = broker_rules_keep(r->broker, NULL);
    rc = broker_listen(r->broker, &l, &r->addr, &f);
    assert_int_equal(rc, 0);
}

static inline void rig_stop(struct rig *r)
{
    broker_stop(r->broker, r->stop_ms ? r->stop_ms : 2000);
    broker_free(r->broker);
    workers_stop(r->workers);
    workers_free(r->workers);
    gate_free(r->gate);
    metrics_free(r->metrics);
}

static inline int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- clients ---- */

struct client {
    int fd;
    enum mqtt_version v;
    struct buf in;
    size_t taken; /* of in: the packet handed out last */
};

static inline struct client client_dial(const struct rig *r, enum mqtt_version v)
{
    struct client c = { .fd = socket(AF_INET, SOCK_STREAM, 0), .v = v, .in = buf_init(64u << 20) };
    int one = 1;

    assert_true(c.fd >= 0);
    assert_int_equal(connect(c.fd, (const struct sockaddr *)&r->addr.ss, r->addr.len), 0);
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return c;
}

static inline void client_close(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_fini(&c->in);
}

static inline void client_send_bytes(struct client *c, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);

        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return; /* what the broker said before is still to be read */
        assert_true(n > 0);
        bytes = str_skip(bytes, (size_t)n);
    }
}

static inline void client_send(struct client *c, const struct mqtt_packet *pk)
{
    struct buf out = buf_init(64u << 20);

    mqtt_encode(pk, c->v, &out);
    assert_false(out.over);
    client_send_bytes(c, buf_str(&out));
    buf_fini(&out);
}

/* 1: a packet (views valid until the next call), 0: the connection was closed, -1: nothing came. */
static inline int client_read(struct client *c, struct mqtt_packet *out, int wait_ms)
{
    int64_t end = now_ms() + wait_ms;

    buf_consume(&c->in, c->taken);
    c->taken = 0;
    for (;;) {
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        struct wire_why why = { 0 };
        int rc = ERR_MORE;
        ssize_t n;
        char *room;

        if (c->in.n > 0)
            rc = mqtt_decode(buf_str(&c->in), c->v, 64u << 20, out, &c->taken, &why);
        if (rc == 0)
            return 1;
        assert_int_equal(rc, ERR_MORE);
        if (poll(&p, 1, end > now_ms() ? (int)(end - now_ms()) : 0) == 0)
            return -1;
        room = buf_reserve(&c->in, 65536);
        n = recv(c->fd, room, 65536, 0);
        if (n <= 0)
            return 0;
        buf_commit(&c->in, (size_t)n);
    }
}

static inline struct mqtt_packet client_expect(struct client *c, enum mqtt_type type)
{
    struct mqtt_packet pk = { 0 };

    assert_int_equal(client_read(c, &pk, RIG_WAIT_MS), 1);
    assert_int_equal(pk.type, type);
    return pk;
}

static inline void client_expect_end(struct client *c)
{
    struct mqtt_packet pk;

    assert_int_equal(client_read(c, &pk, RIG_WAIT_MS), 0);
}

/* DISCONNECT with the code under MQTT 5, and the end. */
static inline void client_expect_kick(struct client *c, uint8_t code)
{
    if (c->v == MQTT_V5)
        assert_int_equal(client_expect(c, MQTT_DISCONNECT).reasoned.code, code);
    client_expect_end(c);
}

static inline struct mqtt_packet connect_packet(enum mqtt_version v, const char *id)
{
    struct mqtt_packet pk = { .type = MQTT_CONNECT };

    pk.connect.version = v;
    pk.connect.clean_start = true;
    pk.connect.client_id = str_of(id);
    return pk;
}

/* Sends the CONNECT and returns the CONNACK. */
static inline struct mqtt_connack client_hello(struct client *c, const struct mqtt_packet *connect)
{
    client_send(c, connect);
    return client_expect(c, MQTT_CONNACK).connack;
}

static inline struct client client_connect(const struct rig *r, enum mqtt_version v, const char *id)
{
    struct client c = client_dial(r, v);
    struct mqtt_packet pk = connect_packet(v, id);

    assert_int_equal(client_hello(&c, &pk).code, 0);
    return c;
}

static inline uint8_t client_subscribe_with(struct client *c, const struct mqtt_sub *sub,
                                            uint32_t sub_id)
{
    struct mqtt_packet pk = { .type = MQTT_SUBSCRIBE, .subscribe = { .packet_id = 77 } };
    struct buf list = buf_init(100000);
    struct mqtt_packet ack;

    mqtt_sub_put(&list, sub);
    pk.subscribe.list = buf_str(&list);
    pk.subscribe.count = 1;
    if (sub_id) {
        pk.subscribe.props.has = MQTT_HAS(SUBSCRIPTION_ID);
        pk.subscribe.props.subscription_id = sub_id;
    }
    client_send(c, &pk);
    buf_fini(&list);
    ack = client_expect(c, MQTT_SUBACK);
    assert_int_equal(ack.suback.packet_id, 77);
    assert_int_equal(ack.suback.codes.n, 1);
    return (uint8_t)ack.suback.codes.p[0];
}

static inline uint8_t client_subscribe(struct client *c, const char *filter, uint8_t qos)
{
    struct mqtt_sub sub = { .filter = str_of(filter), .qos = qos };

    return client_subscribe_with(c, &sub, 0);
}

static inline struct mqtt_packet publish_packet(const char *topic, const char *payload, uint8_t qos,
                                                bool retain, uint16_t id)
{
    struct mqtt_packet pk = { .type = MQTT_PUBLISH };

    pk.publish.topic = str_of(topic);
    pk.publish.payload = str_of(payload);
    pk.publish.qos = qos;
    pk.publish.retain = retain;
    pk.publish.packet_id = qos ? id : 0;
    return pk;
}

/* Publishes and waits for the acknowledgement; its code. */
static inline uint8_t client_publish(struct client *c, const char *topic, const char *payload,
                                     uint8_t qos, bool retain)
{
    struct mqtt_packet pk = publish_packet(topic, payload, qos, retain, 5);
    struct mqtt_packet ack;

    client_send(c, &pk);
    if (qos == 0)
        return 0;
    if (qos == 1)
        return client_expect(c, MQTT_PUBACK).ack.code;
    ack = client_expect(c, MQTT_PUBREC);
    if (ack.ack.code >= 0x80)
        return ack.ack.code;
    ack.type = MQTT_PUBREL;
    client_send(c, &ack);
    return client_expect(c, MQTT_PUBCOMP).ack.code;
}

/* Answers a PUBLISH as its QoS asks for. */
static inline void client_answer(struct client *c, const struct mqtt_publish *p)
{
    struct mqtt_packet ack = { .type = p->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC };

    ack.ack.packet_id = p->packet_id;
    if (p->qos == 0)
        return;
    client_send(c, &ack);
    if (p->qos == 1)
        return;
    assert_int_equal(client_expect(c, MQTT_PUBREL).ack.packet_id, ack.ack.packet_id);
    ack.type = MQTT_PUBCOMP;
    client_send(c, &ack);
}

/* The next packet is this publication; answered. */
static inline struct mqtt_publish client_expect_publish(struct client *c, const char *topic,
                                                        const char *payload, uint8_t qos)
{
    struct mqtt_publish p = client_expect(c, MQTT_PUBLISH).publish;

    assert_true(str_eq(p.topic, str_of(topic)));
    assert_true(str_eq(p.payload, str_of(payload)));
    assert_int_equal(p.qos, qos);
    client_answer(c, &p);
    return p;
}

/* Nothing waits for the client: a PINGREQ is answered by the very next packet. On one connection
 * everything that was to come before is in front of it; from another worker it may not be, so the
 * callers publish a last message instead where that matters. */
static inline void client_expect_nothing(struct client *c)
{
    client_send_bytes(c, MQTT_PINGREQ_BYTES);
    client_expect(c, MQTT_PINGRESP);
}

/* ---- looking into the broker ---- */

struct rig_look {
    const struct rig *r;
    const char *id;
    struct broker_session_info info; /* without texts */
    bool found;
    size_t count;
};

static inline void rig_on_sessions(void *ctx, const struct broker_looked *found)
{
    struct rig_look *k = ctx;

    k->count = found->session_count;
    for (size_t i = 0; i < found->session_count; i++)
        if (str_eq(found->sessions[i].client_id, str_of(k->id))) {
            k->found = true;
            k->info = found->sessions[i];
        }
    gate_open(k->r->gate);
}

static inline void rig_ask_sessions(void *ctx, struct loop *l)
{
    struct rig_look *k = ctx;

    if (loop_index(l) == 0)
        broker_look(k->r->broker, l, &(struct broker_look){ 0 }, rig_on_sessions, k);
}

static inline struct rig_look rig_session(const struct rig *r, const char *id)
{
    struct rig_look k = { .r = r, .id = id };

    workers_each(r->workers, rig_ask_sessions, &k);
    assert_true(gate_wait(r->gate, RIG_WAIT_MS));
    return k;
}

struct rig_kick {
    const struct rig *r;
    const char *id;
    bool end_session;
    enum broker_kick result;
};

static inline void rig_on_kicked(void *ctx, enum broker_kick result)
{
    struct rig_kick *k = ctx;

    k->result = result;
    gate_open(k->r->gate);
}

static inline void rig_ask_kick(void *ctx, struct loop *l)
{
    struct rig_kick *k = ctx;

    if (loop_index(l) == 0)
        broker_kick(k->r->broker, l, str_of(k->id), k->end_session, rig_on_kicked, k);
}

static inline enum broker_kick rig_kick_with(const struct rig *r, const char *id, bool end_session)
{
    struct rig_kick k = { .r = r, .id = id, .end_session = end_session };

    workers_each(r->workers, rig_ask_kick, &k);
    assert_true(gate_wait(r->gate, RIG_WAIT_MS));
    return k.result;
}

static inline enum broker_kick rig_kick(const struct rig *r, const char *id)
{
    return rig_kick_with(r, id, false);
}

/* Waits until the session is (not) connected. */
static inline void rig_await_connected(const struct rig *r, const char *id, bool connected)
{
    int64_t end = now_ms() + RIG_WAIT_MS;

    for (;;) {
        struct rig_look k = rig_session(r, id);

        if ((k.found && k.info.connected) == connected)
            return;
        assert_true(now_ms() < end);
    }
}

static inline uint64_t rig_dropped(const struct rig *r, const char *cause)
{
    char label[40];

    snprintf(label, sizeof(label), "cause=\"%s\"", cause);
    return metric_value(metrics_counter(r->metrics, "wayside_mqtt_messages_dropped_total", label,
                                        "MQTT messages dropped on their way to a subscriber"));
}

/* A connected client on a given worker: dials until the system has chosen that one. id: as in the
 * CONNECT. */
static inline struct client client_connect_on(const struct rig *r,
                                              const struct mqtt_packet *connect, const char *id,
                                              unsigned worker, struct mqtt_connack *out_ack)
{
    struct client park[200];
    int parked = 0;

    for (;;) {
        struct client c = client_dial(r, connect->connect.version);

        assert_true(parked < 200);
        *out_ack = client_hello(&c, connect);
        if (rig_session(r, id).info.worker == worker) {
            for (int i = 0; i < parked; i++)
                client_close(&park[i]);
            return c;
        }
        park[parked++] = c;
    }
}

#endif
