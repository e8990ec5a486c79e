/*
 * The client's window of publications of QoS 1 and 2 (MQTT 5: 4.4, 4.9): a ring in the order of
 * sending. A slot is freed when it and all before it are acknowledged, so ids leave in the order in which
 * they were given, and an id is never in use twice.
 *
 * When a connection ends, what is not acknowledged may or may not have reached the server. Either
 * its owner is told (and sends it again from its own journal), or, with `resend`, it is kept with
 * its header and goes out again in the same order before anything new: with DUP and the same id
 * when the server kept the session (4.4-1), else as a new publication of the new session. One of
 * QoS 2 that the server had received (PUBREC) goes on with its PUBREL when the session was kept; a
 * server that forgot the session may have forgotten the message with it, so then it is sent anew.
 *
 * Invariants: slot_count <= inflight_max; unacked <= slot_count; unsent > 0 only with resend, and
 * then the unsent slots are the youngest and nothing new is taken.
 */
#include "mqtt/client_part.h"

#include "base/mem.h"

#include <assert.h>

void client_window_init(struct client *c)
{
    assert(c->cfg.inflight_max > 0 && c->cfg.inflight_max <= CLIENT_INFLIGHT_MOST);
    c->slots = mem_new_array(c->cfg.inflight_max, sizeof(*c->slots));
}

static struct client_slot *slot_at(const struct client *c, unsigned index)
{
    assert(index < c->slot_count);
    return &c->slots[(c->first_slot + index) % c->cfg.inflight_max];
}

static void drop_kept(struct client_slot *s)
{
    mem_free(s->head);
    blob_unref(s->payload);
    s->head = NULL;
    s->payload = NULL;
    s->head_n = 0;
}

static void pop_front(struct client *c)
{
    struct client_slot *s = slot_at(c, 0);

    drop_kept(s);
    if (!s->acked)
        c->unacked--;
    if (s->unsent)
        c->unsent--;
    c->first_slot = (c->first_slot + 1) % c->cfg.inflight_max;
    c->slot_count--;
}

void client_window_fini(struct client *c)
{
    while (c->slot_count > 0)
        pop_front(c);
    mem_free(c->slots);
    c->slots = NULL;
}

/* Those on their way that count against the server's Receive Maximum. */
static unsigned on_way(const struct client *c)
{
    return c->unacked - c->unsent;
}

unsigned client_room(const struct client *c)
{
    unsigned slots = c->cfg.inflight_max - c->slot_count, peer;

    if (c->state != CLIENT_OPEN || c->unsent > 0 || c->server_qos_max == 0)
        return 0;
    peer = c->receive_max > on_way(c) ? c->receive_max - on_way(c) : 0;
    return slots < peer ? slots : peer;
}

static uint16_t next_id(struct client *c)
{
    c->last_id = (uint16_t)(c->last_id % (CLIENT_SUB_ID - 1) + 1);
    return c->last_id;
}

static struct client_slot *push_back(struct client *c, const struct client_publish *p)
{
    struct client_slot *s;

    assert(c->slot_count < c->cfg.inflight_max);
    c->slot_count++;
    c->unacked++;
    s = slot_at(c, c->slot_count - 1);
    *s = (struct client_slot){ .done = p->done, .id = next_id(c), .qos = p->qos };
    return s;
}

/* Room and rules; the order of checks is the order in which a caller can do something about it. */
static int check_publish(const struct client *c, const struct client_publish *p)
{
    if (c->state != CLIENT_OPEN)
        return ERR_CLOSED;
    if (!mqtt_topic_valid(p->topic) || p->qos > 2 || p->qos > c->server_qos_max ||
        (p->retain && !c->server_retains))
        return ERR_VALUE;
    if (p->qos > 0 && client_room(c) == 0)
        return ERR_FULL;
    return 0;
}

int client_publish(struct client *c, const struct client_publish *p, uint64_t now_ms)
{
    enum mqtt_version v = c->cfg.connect.version;
    struct mqtt_publish_out o = {
        .topic = p->topic,
        .payload_n = p->payload_n,
        .qos = p->qos,
        .retain = p->retain,
        .props = p->props,
    };
    int rc = check_publish(c, p);
    size_t header_max = MQTT_PUBLISH_HEADER_MAX(p->topic.n, p->props.n, 0), n;
    char *to;

    if (rc)
        return rc;
    if (p->payload_n > MQTT_VARINT_MAX - header_max ||
        mqtt_publish_size(v, &o) > c->server_packet_max)
        return ERR_LIMIT;
    to = buf_reserve(&c->out, header_max);
    if (!to)
        return ERR_FULL;
    if (p->qos > 0) {
        struct client_slot *s = push_back(c, p);

        o.packet_id = s->id;
        n = mqtt_publish_header(to, v, &o);
        if (c->cfg.resend) {
            assert(p->payload || p->payload_n == 0);
            s->head = mem_dup(to, n);
            s->head_n = n;
            s->payload = p->payload ? blob_ref(p->payload) : NULL;
        }
    } else {
        n = mqtt_publish_header(to, v, &o);
    }
    buf_commit(&c->out, n);
    c->tx_at_ms = now_ms;
    return 0;
}

static struct client_slot *find(struct client *c, uint16_t id)
{
    for (unsigned i = 0; i < c->slot_count; i++) {
        struct client_slot *s = slot_at(c, i);

        if (s->id == id && !s->acked && !s->unsent)
            return s;
    }
    return NULL;
}

static void put_pubrel(struct client *c, uint16_t id, uint8_t code)
{
    char bytes[MQTT_ACK_MAX];

    buf_put_bytes(&c->out, bytes,
                  mqtt_ack_write(bytes, c->cfg.connect.version, MQTT_PUBREL, id, code));
}

bool client_window_acked(struct client *c, enum mqtt_type type, const struct mqtt_ack *a,
                         struct client_done *out)
{
    struct client_slot *s = find(c, a->packet_id);

    if (!s || (s->qos == 1) != (type == MQTT_PUBACK) || (type == MQTT_PUBCOMP) != s->released)
        return false;
    *out = s->done;
    s->acked = true;
    c->unacked--;
    drop_kept(s);
    while (c->slot_count > 0 && slot_at(c, 0)->acked)
        pop_front(c);
    return true;
}

void client_window_received(struct client *c, uint16_t id, uint64_t now_ms)
{
    struct client_slot *s = find(c, id);

    if (s && s->qos == 2)
        s->released = true;
    /* Nobody waits for it: the server may let go of it all the same (4.3.3, 3.6.2.1). */
    put_pubrel(c, id, s && s->qos == 2 ? 0 : MQTT_REASON_NO_PACKET_ID);
    c->tx_at_ms = now_ms;
}

void client_window_down(struct client *c)
{
    c->unsent = 0;
    for (unsigned i = 0; c->cfg.resend && i < c->slot_count; i++) {
        struct client_slot *s = slot_at(c, i);

        s->unsent = !s->acked;
        c->unsent += s->unsent;
    }
}

void client_window_up(struct client *c, bool session_present)
{
    for (unsigned i = 0; i < c->slot_count; i++) {
        struct client_slot *s = slot_at(c, i);

        if (s->unsent && s->released && session_present) {
            put_pubrel(c, s->id, 0);
            s->unsent = false;
            c->unsent--;
            continue;
        }
        if (s->unsent) {
            s->released = false;
            s->head[0] = (char)(session_present ? s->head[0] | 8 : s->head[0] & ~8); /* 3.3.1.1 */
        }
    }
}

bool client_resend_next(struct client *c, uint64_t now_ms, struct str *out_head,
                        struct blob **out_payload)
{
    if (c->state != CLIENT_OPEN || c->unsent == 0 || on_way(c) >= c->receive_max)
        return false;
    for (unsigned i = 0; i < c->slot_count; i++) {
        struct client_slot *s = slot_at(c, i);

        if (!s->unsent)
            continue;
        s->unsent = false;
        c->unsent--;
        c->tx_at_ms = now_ms;
        *out_head = str_from(s->head, s->head_n);
        *out_payload = s->payload;
        return true;
    }
    return false;
}

bool client_lost(struct client *c, struct client_done *out)
{
    while (c->slot_count > 0 && (!c->cfg.resend || slot_at(c, 0)->acked)) {
        bool acked = slot_at(c, 0)->acked;

        *out = slot_at(c, 0)->done;
        pop_front(c);
        if (!acked)
            return true;
    }
    return false;
}

void client_give_up(struct client *c)
{
    c->cfg.resend = false;
}
