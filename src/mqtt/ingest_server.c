/*
 * A client's PUBLISH and whoever ingests: on_publish is asked, and what it decides is carried out,
 * now or when its token comes back.
 *
 * The acknowledgement of a publication that is decided at once, with none before it undecided,
 * goes straight out; every other one waits in the connection's queue (mqtt/acks.h), so they leave
 * in order. A token holds the connection in memory but not its session: when the client has gone,
 * the message is still routed and the acknowledgement has no one to go to.
 */
#include "mqtt/broker_part.h"

#include "base/mem.h"

#include <assert.h>

bool broker_message_user(const struct broker_message *m, size_t *at, struct str *out_name,
                         struct str *out_value)
{
    return mqtt_props_user(m->props, at, out_name, out_value);
}

struct blob *broker_message_blob(const struct broker_message *m)
{
    if (!*m->copy)
        *m->copy = blob_new(m->payload);
    return blob_ref(*m->copy);
}

/* ---- tokens ---- */

/* Spare ones are kept: most are handed back unused, and the rest would leave holes between the messages that
 * stay. */
static struct broker_token *token_take(struct part *p)
{
    struct broker_token *t = p->spare;

    if (t) {
        p->spare = t->next;
        p->spare_count--;
        t->next = NULL;
    } else {
        t = NEW(struct broker_token);
    }
    t->part = p;
    return t;
}

static void token_free(struct broker_token *t)
{
    struct part *p = t->part;

    publication_fini(&t->pub);
    if (p->spare_count == SPARES_MAX) {
        mem_free(t);
        return;
    }
    *t = (struct broker_token){ 0 };
    t->next = p->spare;
    p->spare = t;
    p->spare_count++;
}

void ingest_fini(struct part *p)
{
    struct broker_token *t;

    while ((t = p->spare)) {
        p->spare = t->next;
        mem_free(t);
    }
}

/* ---- deciding ---- */

static uint8_t reason_of(int code)
{
    switch (code) {
    case 0:
        return MQTT_REASON_SUCCESS;
    case ERR_VALUE:
        return MQTT_REASON_BAD_PAYLOAD;
    case ERR_REFUSED:
        return MQTT_REASON_NOT_AUTHORIZED;
    case ERR_FULL:
        return MQTT_REASON_QUOTA;
    case ERR_LIMIT:
    case ERR_EXISTS: /* it will be the same the next time */
        return MQTT_REASON_IMPLEMENTATION;
    default:
        return MQTT_REASON_UNSPECIFIED;
    }
}

static uint8_t ack_kind(uint8_t qos)
{
    return qos == 1 ? MQTT_PUBACK : MQTT_PUBREC;
}

/* 3.1.1 has no word for a refusal: the client gets its acknowledgement (it would only repeat what
 * cannot succeed). */
static uint8_t ack_code(const struct conn *c, int code)
{
    return c->version == MQTT_V5 ? reason_of(code) : 0;
}

static void acknowledge_now(struct conn *c, const struct mqtt_publish *pk, int code,
                            const char *reason)
{
    uint8_t kind = ack_kind(pk->qos);

    if (pk->qos == 0)
        return;
    if (c->acks.count > 0) {
        acks_settle_take(&c->acks, acks_open(&c->acks, &c->part->spare_acks, kind, pk->packet_id),
                         ack_code(c, code), code ? reason : NULL, NULL);
        return;
    }
    if (kind == MQTT_PUBREC && ack_code(c, code) < 0x80)
        session_receive(c->session, pk->packet_id);
    conn_send_ack(c, kind, pk->packet_id, ack_code(c, code), code ? reason : NULL);
}

/* Of what c publishes. */
static enum broker_durability durability_of(const struct conn *c, const struct publication *pub)
{
    return persist_topic(c->part->b, pub->src.topic, c->rules->durability);
}

/* The room of a message that is written down before it is routed: a number, which names it as well. */
static uint8_t numbered(const struct publication *pub)
{
    return MESSAGE_SEQ | (pub->src.retain ? MESSAGE_STAMP : 0);
}

/* room: of its message, for the fields that it gets on its way (enum message_field); 0: it is not routed. */
static void keep_token(struct conn *c, const struct mqtt_publish *pk, struct publication *pub,
                       struct broker_token *t, uint8_t room)
{
    enum broker_durability how = durability_of(c, pub);

    t->conn = c;
    c->holds++;
    c->undecided++;
    t->qos = pk->qos;
    t->durability = (uint8_t)how;
    if (pk->qos == 2 && c->session->written && how != BROKER_MEMORY)
        t->packet_id = pk->packet_id;
    t->serial = c->session->serial;
    if (room) {
        pub->src.room = room;
        t->pub.m = message_ref(publication_message(pub));
        t->pub.src = message_source_of(t->pub.m);
        t->pub.src.publisher = pub->src.publisher;
        t->pub.admitted = pub->admitted;
        t->pub.has_place = pub->has_place;
    }
    if (pk->qos > 0)
        t->ack = acks_open(&c->acks, &c->part->spare_acks, ack_kind(pk->qos), pk->packet_id);
}

/* ---- written down first ---- */

static void finish(struct broker_token *t, int code, bool route, const char *reason);

static void on_written(void *ctx, int code, uint64_t seq)
{
    struct broker_token *t = ctx;

    if (t->conn)
        t->conn->unwritten--;
    if (code == 0) {
        t->pub.src.seq = seq;
        message_set(t->pub.m, MESSAGE_SEQ, seq);
    }
    /* Nobody can be told that a will, or what comes from inside, is not kept: those who are there get
     * it all the same. A record that is too large will always be; but it may not be acknowledged. */
    if (!t->conn)
        code = 0;
    else if (code == ERR_LIMIT)
        code = ERR_FULL;
    finish(t, code, true, "the broker's log cannot take it now");
}

/* What is only written so that none is overtaken need not be flushed. */
static enum broker_durability how_of(const struct broker_token *t)
{
    return t->durability == BROKER_COMMIT ? BROKER_COMMIT : BROKER_INTERVAL;
}

/* The token has a message that is its own. */
static void write_first(struct broker_token *t)
{
    if (t->conn)
        t->conn->unwritten++;
    persist_publication(t->part, &t->pub.src, t->packet_id, how_of(t), on_written, t);
}

static void on_id_written(void *ctx, int code, uint64_t seq)
{
    struct broker_token *t = ctx;

    (void)seq;
    t->conn->unwritten--;
    /* It was taken, and its session knows that: what its client sends again is not, and its id written then. */
    if (code)
        conn_end(t->conn, MQTT_REASON_UNSPECIFIED, "a packet id could not be written down");
    finish(t, 0, false, NULL);
}

/* Who ingests has the message: its id goes to the disk, so that it is not taken again when the broker ends
 * before its client hears of it. */
static void write_id(struct broker_token *t)
{
    t->conn->unwritten++;
    persist_arrived(t->part, t->serial, t->packet_id, how_of(t), on_id_written, t);
}

/* What comes behind one that is on its way to the disk goes there too, so that none overtakes. */
static bool must_write(const struct conn *c, const struct mqtt_publish *pk,
                       const struct publication *pub)
{
    enum broker_durability how;

    if (!c->part->b->journal || pk->qos == 0)
        return false;
    how = durability_of(c, pub);
    return c->unwritten > 0 || persist_wants(c->part, &pub->src, how) ||
           (how != BROKER_MEMORY && pk->qos == 2 && c->session->written);
}

/* It needs room in the log. What deletes a retained message makes more than it takes. */
static bool takes_log(const struct conn *c, const struct mqtt_publish *pk,
                      const struct publication *pub)
{
    if (pk->retain && pub->src.payload.n == 0)
        return false;
    return must_write(c, pk, pub) || (pk->retain && persist_retains(c->part->b, pub->src.topic));
}

static enum ingest refused(struct conn *c, const struct mqtt_publish *pk, int code,
                           const char *reason)
{
    metric_add(c->part->b->m.refused_ingest, 1);
    if (code == ERR_FULL && pk->qos > 0 && c->version == MQTT_V311) {
        /* It may be its own queue that takes the room, and its answers stand behind what would wait. */
        if (c->session->count > 0) {
            conn_take_answers_only(c);
            return INGEST_DONE;
        }
        conn_busy_set(c, BUSY_WAIT);
        conn_retry_in(c, RETRY_FULL_MS);
        return INGEST_AGAIN;
    }
    acknowledge_now(c, pk, code, reason);
    return INGEST_DONE;
}

static int ask(struct part *p, const struct broker_message *m, struct broker_token *t,
               const char **reason)
{
    int verdict = p->b->on_publish(p->b->publish_ctx, p->loop, m, t, reason);

    blob_unref(*m->copy);
    return verdict;
}

/* Nobody who ingests has it. What is not retained for want of room is refused, so that its sender knows; of QoS 0,
 * which a server may discard at any time (MQTT 5, 3.3.1.3), those who are there get it all the same. */
static enum ingest route_now(struct conn *c, const struct mqtt_publish *pk, struct publication *pub)
{
    struct broker_token *t;

    if (pub->src.retain && pub->src.payload.n > 0) {
        enum keep_room room = keep_room(c, pub->src.topic);

        if (room == KEEP_LATER)
            return INGEST_AGAIN;
        if (room == KEEP_FULL && pk->qos > 0)
            return refused(c, pk, ERR_FULL,
                           "there are too many retained topics: limits.mqtt_retained_max");
        if (room == KEEP_FULL)
            metric_add(c->part->b->m.dropped_retained, 1);
        pub->has_place = pub->src.retain = room == KEEP_ROOM;
    }
    if (!must_write(c, pk, pub)) {
        part_publish(c->part, pub);
        acknowledge_now(c, pk, 0, NULL);
        return INGEST_DONE;
    }
    t = token_take(c->part);
    keep_token(c, pk, pub, t, numbered(pub));
    write_first(t);
    return INGEST_DONE;
}

enum ingest ingest_publish(struct conn *c, const struct mqtt_publish *pk, struct publication *pub)
{
    struct part *p = c->part;
    struct blob *copy = NULL;
    struct broker_message m = {
        .topic = pub->src.topic,
        .payload = pub->src.payload,
        .qos = pk->qos,
        .retain = pk->retain,
        .version = c->version,
        .client_id = session_id(c->session),
        .who = c->who,
        .since_uptime_ns = c->since_uptime_ns,
        .copy = &copy,
    };
    struct broker_token *t;
    const char *reason = NULL;
    int verdict;

    if (c->place == PLACE_ASKED) {
        conn_busy_set(c, BUSY_WAIT);
        return INGEST_AGAIN;
    }
    /* Before anybody else has it, so that a refusal is one of the whole. What is left then is for what was
     * asked for already. */
    if (!persist_has_room(p->b) && takes_log(c, pk, pub)) {
        if (broker_log_is_low(p->b))
            return refused(c, pk, ERR_FULL,
                           broker_disk_is_low(p->b)
                               ? "the disk has no space for the broker's log: journal.free_floor"
                               : "the broker's log is nearly full: mqtt.log_quota");
        conn_busy_set(c, BUSY_WAIT); /* much of what was published may be done with */
        conn_retry_in(c, RETRY_ROOM_MS);
        return INGEST_AGAIN;
    }
    if (pk->retain && pub->src.payload.n > 0 && broker_memory_is_low(p->b))
        return refused(c, pk, ERR_FULL, "memory is short: limits.mqtt_memory_max");
    if (pk->qos > 0 && inside_refuses(p->b, pub->src.topic, c->rules->inside))
        return refused(c, pk, ERR_FULL, "the queue of a bridge is full: mqtt.bridges[].quota");
    if (pk->qos == 0 && pk->retain && persist_is_behind(p, UNAWAITED_MAX)) {
        conn_busy_set(c, BUSY_WAIT);
        conn_retry_in(c, RETRY_BEHIND_MS);
        return INGEST_AGAIN;
    }
    pub->admitted = pk->qos > 0;
    if (!p->b->on_publish)
        return route_now(c, pk, pub);
    if (c->version == MQTT_V5) {
        m.props = pk->props.raw;
        if (pk->props.has & MQTT_HAS(CONTENT_TYPE))
            m.content_type = pk->props.content_type;
    }
    t = token_take(p);
    verdict = ask(p, &m, t, &reason);
    switch (verdict) {
    case BROKER_LATER:
    case BROKER_LATER_CONSUME:
        keep_token(c, pk, pub, t,
                   verdict == BROKER_LATER ? MESSAGE_SEQ | part_stamps(p, &pub->src) : 0);
        return INGEST_DONE;
    case BROKER_WAIT:
        t->conn = c;
        t->waits = true;
        c->holds++;
        conn_busy_set(c, BUSY_WAIT);
        return INGEST_AGAIN;
    case BROKER_ROUTE:
        token_free(t);
        return route_now(c, pk, pub);
    case BROKER_CONSUME:
        if (pk->qos == 2 && must_write(c, pk, pub)) {
            keep_token(c, pk, pub, t, false);
            broker_publish_done(t, 0, false, NULL);
            return INGEST_DONE;
        }
        token_free(t);
        acknowledge_now(c, pk, 0, NULL);
        return INGEST_DONE;
    default:
        token_free(t);
        return refused(c, pk, verdict, reason);
    }
}

/* What the client would only repeat in vain is acknowledged to a 3.1.1 client, since it has no word
 * for a refusal. What may succeed another time must not be: its connection ends unacknowledged, and
 * the client sends it again when it comes back. */
static bool must_end(const struct conn *c, const struct broker_token *t, int code)
{
    switch (code) {
    case 0:
    case ERR_VALUE:
    case ERR_LIMIT:
    case ERR_EXISTS:
    case ERR_REFUSED:
        return false;
    default:
        return t->qos > 0 && c->version == MQTT_V311;
    }
}

static void finish(struct broker_token *t, int code, bool route, const char *reason)
{
    struct conn *c = t->conn;
    struct part *p = t->part;

    if (code)
        metric_add(p->b->m.refused_ingest, 1);
    else if (route && t->pub.m)
        part_publish(p, &t->pub);
    if (c && must_end(c, t, code)) {
        conn_end(c, MQTT_REASON_UNSPECIFIED, reason ? reason : "a message could not be kept");
        acks_settle_take(&c->acks, t->ack, MQTT_REASON_UNSPECIFIED, NULL, NULL);
    } else if (c && t->qos > 0) {
        acks_settle_take(&c->acks, t->ack, ack_code(c, code), code ? reason : NULL, NULL);
    }
    if (c) {
        c->undecided--;
        conn_flush_acks(c);
        conn_unhold(c);
    }
    token_free(t);
}

void broker_publish_done(struct broker_token *t, int code, bool route, const char *reason)
{
    loop_assert_mine(t->part->loop);
    assert(!t->waits);
    if (code == 0 && route && t->pub.m && t->part->b->journal &&
        (t->packet_id != 0 || persist_wants(t->part, &t->pub.src, t->durability) ||
         (t->conn && t->qos > 0 && t->conn->unwritten > 0)))
        write_first(t);
    else if (code == 0 && t->packet_id != 0 && t->part->b->journal)
        write_id(t);
    else
        finish(t, code, route, reason);
}

void broker_publish_retry(struct broker_token *t)
{
    struct conn *c = t->conn;

    loop_assert_mine(t->part->loop);
    assert(t->waits);
    token_free(t);
    if (!c)
        return; /* a will: it was routed and is not offered again */
    conn_busy_clear(c, BUSY_WAIT);
    conn_unhold(c);
}

/* A will is ingested as what it is: a publication of its client. Nobody waits for the answer. */
void ingest_will(struct part *p, struct session *s, struct message *will)
{
    struct blob *copy = NULL;
    struct publication pub = { .src = message_source_of(will), .m = message_ref(will) };
    struct broker_message m = {
        .topic = pub.src.topic,
        .payload = pub.src.payload,
        .qos = pub.src.qos,
        .retain = pub.src.retain,
        .version = MQTT_V5,
        .props = pub.src.props,
        .client_id = session_id(s),
        .who = s->who,
        .will = true,
        .copy = &copy,
    };
    struct broker_token *t;
    const char *reason = NULL;
    int verdict = BROKER_ROUTE;

    if (p->b->on_publish) {
        t = token_take(p);
        t->pub = pub;
        t->durability = (uint8_t)persist_topic(p->b, pub.src.topic, p->b->durability);
        verdict = ask(p, &m, t, &reason);
        if (verdict == BROKER_LATER || verdict == BROKER_LATER_CONSUME)
            return; /* the token has the message now */
        t->waits = verdict == BROKER_WAIT;
        t->pub.m = NULL;
        if (!t->waits)
            token_free(t);
    }
    /* Without room for it the will is at least told to those who listen now. */
    if (verdict == BROKER_ROUTE || verdict == BROKER_WAIT)
        ingest_inside(p, &pub);
    publication_fini(&pub);
}

void ingest_inside(struct part *p, struct publication *pub)
{
    enum broker_durability how = persist_topic(p->b, pub->src.topic, p->b->durability);
    struct broker_token *t;

    if (!persist_wants(p, &pub->src, how)) {
        part_publish(p, pub);
        return;
    }
    t = token_take(p);
    t->durability = (uint8_t)how;
    pub->src.room = numbered(pub);
    t->pub.m = message_new(&pub->src); /* of its own: it will get a number */
    t->pub.src = message_source_of(t->pub.m);
    write_first(t);
}
