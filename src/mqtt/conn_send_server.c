/*
 * Everything that leaves on a connection. A plain stream is written to directly: a PUBLISH with a
 * small payload is encoded straight into the room at the stream's end, a large payload follows its
 * header by reference; one that many get is encoded once and copied whole. Other transports go through
 * their table.
 *
 * Whoever sends heeds `choked`: above the high mark QoS 0 is dropped by the router, and what is
 * queued in the session or a replay waits for conn_drained().
 */
#include "mqtt/broker_part.h"

#include "base/mem.h"
#include "mqtt/mount.h"

#include <assert.h>

void conn_send(struct conn *c, struct str bytes)
{
    bool more = c->stream ? stream_send(c->stream, bytes) : c->far->transport->send(c, bytes);

    part_sent(c->part, bytes.n, 0);
    if (!more)
        c->choked = true;
}

void conn_pause(struct conn *c, bool paused)
{
    if (!c->stream) {
        c->far->transport->pause(c, paused);
    } else if (paused) {
        stream_pause(c->stream);
    } else {
        stream_resume(c->stream);
        stream_again(c->stream);
    }
}

void conn_end_transport(struct conn *c, enum stream_end how, int code)
{
    if (c->stream)
        stream_close(c->stream, how, code);
    else
        c->far->transport->close(c, how, code);
}

void conn_set_read_max(struct conn *c, size_t n)
{
    if (c->stream)
        stream_set_read_max(c->stream, n);
    else
        c->far->transport->set_read_max(c, n);
}

const struct addr *conn_peer(const struct conn *c)
{
    return c->stream ? stream_peer(c->stream) : c->far->transport->peer(c);
}

const struct addr *conn_local(const struct conn *c)
{
    return c->stream ? stream_local(c->stream) : c->far->transport->local(c);
}

bool conn_is_tls(const struct conn *c)
{
    return c->stream ? stream_is_tls(c->stream) : c->far->transport->is_tls(c);
}

int conn_cert_name(const struct conn *c, enum cert_name which, struct buf *out)
{
    return c->stream ? stream_cert_name(c->stream, which, out)
                     : c->far->transport->cert_name(c, which, out);
}

/* ---- PUBLISH ---- */

/* The whole packet into the stream's room. room_n: an upper bound of it. */
static void send_copied(struct conn *c, const struct mqtt_publish_out *o, struct str payload,
                        size_t room_n)
{
    char near[STREAM_ROOM_MAX];
    char *at = c->stream ? stream_room(c->stream, room_n) : near;
    size_t n = mqtt_publish_header(at, c->version, o);

    if (payload.n > 0)
        memcpy(at + n, payload.p, payload.n);
    n += payload.n;
    part_sent(c->part, n, payload.n);
    if (!(c->stream ? stream_commit(c->stream, n) : c->far->transport->send(c, str_from(near, n))))
        c->choked = true;
}

static void send_by_reference(struct conn *c, const struct mqtt_publish_out *o, struct message *m,
                              size_t header_max)
{
    char near[512], *header = header_max <= sizeof(near) ? near : mem_new(header_max);
    struct str head = { header, mqtt_publish_header(header, c->version, o) };
    bool more;

    part_sent(c->part, head.n + message_payload(m).n, message_payload(m).n);
    if (c->stream) {
        stream_send(c->stream, head);
        more = stream_send_blob(c->stream, message_blob(m), message_payload_at(m),
                                message_payload(m).n);
    } else {
        more = c->far->transport->send_blob(c, head, message_blob(m), message_payload_at(m),
                                            message_payload(m).n);
    }
    if (!more)
        c->choked = true;
    if (header != near)
        mem_free(header);
}

/* With an alias instead of the topic, where the client allows that. */
static struct alias_use use_alias(const struct conn *c, struct mqtt_publish_out *o)
{
    struct alias_use use = { 0 };

    if (!c->alias_out)
        return use;
    use = alias_out_find(c->alias_out, o->topic);
    o->topic_alias = use.alias;
    if (use.known)
        o->topic = STR_NONE;
    return use;
}

static bool too_large(const struct conn *c, const struct mqtt_publish_out *o)
{
    size_t most = MQTT_PUBLISH_HEADER_MAX(o->topic.n, o->props.n, o->sub_id_count) + o->payload_n;

    return most > c->max_out && mqtt_publish_size(c->version, o) > c->max_out;
}

/* ---- one packet for many ---- */

/* Nothing in the packet is for this client alone. */
static bool takes_made(const struct conn *c, const struct delivery *d)
{
    return d->many && d->qos == 0 && d->ids.n == 0 && c->stream && !c->alias_out &&
           c->rules->mount_point.n == 0;
}

/* NULL: too large to be kept. */
static const struct made *make_packet(struct part *p, enum mqtt_version v, const struct delivery *d)
{
    struct made *w = &p->made[v == MQTT_V5];
    const struct message_source *src = d->src;
    struct mqtt_publish_out o = { .topic = src->topic,
                                  .payload_n = src->payload.n,
                                  .retain = d->retain };

    if (w->n > 0 && w->of == src && w->retain == d->retain)
        return w;
    if (v == MQTT_V5) {
        o.props = src->props;
        o.has_expiry = src->expires_ms != 0;
        if (o.has_expiry)
            o.expiry_s = message_expiry_left_s(src->expires_ms, loop_now_ms(p->loop));
    }
    if (MQTT_PUBLISH_HEADER_MAX(o.topic.n, o.props.n, 0) + src->payload.n > sizeof(w->bytes))
        return NULL;
    w->of = src;
    w->retain = d->retain;
    w->n = (uint32_t)mqtt_publish_header(w->bytes, v, &o);
    if (src->payload.n > 0)
        memcpy(w->bytes + w->n, src->payload.p, src->payload.n);
    w->n += (uint32_t)src->payload.n;
    return w;
}

static bool send_made(struct conn *c, const struct made *w, size_t payload_n)
{
    if (w->n > c->max_out) {
        metric_add(c->part->b->m.dropped_size, 1);
        return false;
    }
    memcpy(stream_room(c->stream, w->n), w->bytes, w->n);
    part_sent(c->part, w->n, payload_n);
    if (!stream_commit(c->stream, w->n))
        c->choked = true;
    c->sent++;
    return true;
}

void conn_send_forget(struct part *p)
{
    p->made[0].n = p->made[1].n = 0;
}

/* topic, props: as the client knows them. */
static bool send_one(struct conn *c, const struct delivery *d, struct str topic, struct str props)
{
    const struct message_source *src = d->src;
    struct mqtt_publish_out o = {
        .topic = topic,
        .payload_n = src->payload.n,
        .qos = d->qos,
        .dup = d->dup,
        .retain = d->retain,
        .packet_id = d->packet_id,
    };
    struct alias_use use = { 0 };
    size_t header_max;

    if (c->version == MQTT_V5) {
        o.props = props;
        o.sub_ids = d->ids.at;
        o.sub_id_count = d->ids.n;
        if (src->expires_ms != 0) {
            o.has_expiry = true;
            o.expiry_s = message_expiry_left_s(src->expires_ms, loop_now_ms(c->part->loop));
        }
        use = use_alias(c, &o);
        if (too_large(c, &o) && use.alias != 0 && !use.known)
            use.alias = o.topic_alias = 0; /* it may fit without */
    }
    if (too_large(c, &o)) {
        metric_add(c->part->b->m.dropped_size, 1);
        return false;
    }
    header_max = MQTT_PUBLISH_HEADER_MAX(o.topic.n, o.props.n, o.sub_id_count);
    if (header_max + src->payload.n <= STREAM_ROOM_MAX && src->payload.n <= SEND_COPY_MAX) {
        send_copied(c, &o, src->payload, header_max + src->payload.n);
    } else {
        assert(d->m);
        send_by_reference(c, &o, d->m, header_max);
    }
    if (use.alias != 0 && !use.known)
        alias_out_told(c->alias_out, topic, use.alias);
    c->sent++;
    return true;
}

bool conn_send_publish(struct conn *c, const struct delivery *d)
{
    const struct made *made = takes_made(c, d) ? make_packet(c->part, c->version, d) : NULL;
    struct str mount = c->rules->mount_point, topic = d->src->topic, props = d->src->props;
    struct buf room;
    bool sent;

    if (made)
        return send_made(c, made, d->src->payload.n);
    if (mount.n == 0)
        return send_one(c, d, topic, props);
    if (!mount_strip(mount, &topic)) {
        metric_add(c->part->b->m.dropped_mount, 1);
        return false;
    }
    room = buf_init(props.n);
    sent = send_one(c, d, topic, mount_strip_reply(mount, props, &room));
    buf_fini(&room);
    return sent;
}

/* ---- acknowledgements ---- */

void conn_send_ack(struct conn *c, enum mqtt_type type, uint16_t packet_id, uint8_t code,
                   const char *reason)
{
    char near[MQTT_ACK_MAX];

    if (c->version == MQTT_V5 && reason && c->answers_problems) {
        struct mqtt_packet pk = { .type = type, .ack = { .packet_id = packet_id, .code = code } };
        struct buf out = buf_init(c->max_out < 1024 ? c->max_out : 1024);
        bool fits;

        pk.ack.props.has = MQTT_HAS(REASON_STRING);
        pk.ack.props.reason_string = str_of(reason);
        mqtt_encode(&pk, c->version, &out);
        fits = !out.over;
        if (fits)
            conn_send(c, buf_str(&out));
        buf_fini(&out);
        if (fits)
            return;
    }
    conn_send(c, str_from(near, mqtt_ack_write(near, c->version, type, packet_id, code)));
}

/* The client has gone: what would be its PUBREC is noted in its session, so that a repetition over
 * its next connection is known as one. */
static void note_answers(struct conn *c)
{
    struct holding *h = c->left;
    const struct ack *k;

    while ((k = acks_front(&c->acks))) {
        if (k->kind == MQTT_PUBREC && k->code < 0x80)
            session_receive(h->s, k->packet_id);
        acks_pop(&c->acks, &c->part->spare_acks);
    }
    if (acks_waits(&c->acks, MQTT_PUBREC, 0))
        return;
    c->left = NULL;
    holding_decided(h);
}

void conn_leave_answers(struct conn *c, struct session *s)
{
    if (!acks_waits(&c->acks, MQTT_PUBREC, 0))
        return;
    c->left = holding_of(c->part, s);
    c->left->undecided = c;
    note_answers(c);
}

void conn_flush_acks(struct conn *c)
{
    const struct ack *k;

    if (c->left)
        note_answers(c);
    if (!conn_is_open(c))
        return;
    while ((k = acks_front(&c->acks))) {
        if (k->packet && k->packet->n > c->max_out) {
            conn_end(c, MQTT_REASON_TOO_LARGE, "its answer would be larger than it takes");
            return;
        }
        if (k->packet)
            conn_send(c, blob_str(k->packet));
        else
            conn_send_ack(c, k->kind, k->packet_id, k->code, k->reason);
        if (k->kind == MQTT_PUBREC && k->code < 0x80)
            session_receive(c->session, k->packet_id);
        acks_pop(&c->acks, &c->part->spare_acks);
    }
    if (c->busy & BUSY_ACKS)
        conn_busy_clear(c, BUSY_ACKS);
}

/* ---- what waits ---- */

void conn_send_out(struct conn *c, const struct session_out *out)
{
    struct broker_metrics *m = &c->part->b->m;
    struct message_source src = message_source_of(out->m);
    struct delivery d = { .src = &src,
                          .m = out->m,
                          .ids = session_sub_ids(c->session, &out->sub_ids),
                          .packet_id = out->packet_id,
                          .qos = out->qos,
                          .retain = out->retain,
                          .dup = out->dup };

    if (conn_send_publish(c, &d)) {
        metric_add(m->sent[out->qos], 1);
        if (out->qos == 0)
            session_passed(c->session);
        return;
    }
    if (out->qos == 0) {
        session_passed(c->session);
        return;
    }
    persist_item_done(c->part, c->session, out);
    session_skip(c->session, out->packet_id);
}

static void pump_session(struct conn *c)
{
    struct broker_metrics *m = &c->part->b->m;
    uint64_t expired = c->session->expired;
    struct session_out out;
    enum session_send what;

    while (!c->choked &&
           (what = session_next(c->session, loop_now_ms(c->part->loop), &out)) != SESSION_NOTHING) {
        bool released = what == SESSION_PUBREL;

        if (what ==
            SESSION_OVER) /* or a start would find it in flight, and send it whatever its age */
            persist_item_done(c->part, c->session, &out);
        else if (released && out.seq != 0 && !out.written)
            persist_released(c, &out);
        else if (!released && out.qos == 2 && !out.written &&
                 (c->session->written || (out.share && out.seq != 0)))
            persist_sent(c, &out);
        else if (released)
            conn_send_ack(c, MQTT_PUBREL, out.packet_id, 0, NULL);
        else
            conn_send_out(c, &out);
    }
    if (c->session->expired != expired)
        metric_add(m->dropped_expired, c->session->expired - expired);
}

static void replay_one(struct conn *c, struct replay *r, struct message *m)
{
    struct message_source src = message_source_of(m);
    struct delivery d = { .src = &src, .m = m, .ids = sub_ids_one(&r->sub_id), .retain = true };
    uint8_t granted = r->options & TREE_QOS;
    uint8_t qos = m->qos < granted ? m->qos : granted;

    if ((r->options & TREE_NO_LOCAL) && message_publisher(m) == c->session->serial)
        return;
    if (message_expires_ms(m) != 0 && message_expires_ms(m) <= loop_now_ms(c->part->loop))
        return;
    if (keep_is_seen(c, r, m))
        return;
    if (qos > 0) {
        int rc = session_push(c->session, m, qos, true, d.ids);

        if (rc >= 0) /* the session may have the same message live */
            session_mark_unwritten(c->session);
        part_queued(c->part, c->session, rc);
        return;
    }
    if (conn_send_publish(c, &d))
        metric_add(c->part->b->m.sent[0], 1);
}

/* One message at a time, and of QoS 1 only as the window opens, so that a large replay never fills
 * the session's queue. */
static bool pump_replay(struct conn *c)
{
    struct keep *k = c->keep;
    struct replay *r = k ? k->replay : NULL;

    if (!r || c->choked || c->session->count > c->session->sent)
        return false;
    if (r->at < r->count) {
        replay_one(c, r, r->messages[r->at]);
        message_unref(r->messages[r->at++]);
        k->replay_pending--;
        return true;
    }
    k->replay = r->next;
    if (!k->replay)
        k->replay_last = &k->replay;
    mem_free(r);
    keep_next(c);
    keep_done(c);
    return true;
}

void conn_pump(struct conn *c)
{
    if (!conn_is_open(c))
        return;
    do
        pump_session(c);
    while (pump_replay(c));
    if (c->session->share_count > 0)
        share_room(c->part, c->session);
    if (c->rules->inside)
        inside_look(c->part, c->session);
}
