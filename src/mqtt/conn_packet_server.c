/*
 * The packets of an open connection. Each handler takes its packet whole or not at all: when an
 * answer is missing (authorisation, room in the journal, the order of acknowledgements) nothing
 * has been changed yet, false is returned, and the same packet comes again.
 *
 * What the decoder cannot know is refused here: packets that only a server sends, identifiers that
 * only a server sets, aliases out of range, more unacknowledged publications than were allowed,
 * and the limits of topics and subscriptions.
 *
 * MQTT 5 3.3–3.15.
 */
#include "mqtt/broker_part.h"

#include "base/log.h"
#include "base/mem.h"
#include "mqtt/mount.h"
#include "mqtt/persist.h"
#include "mqtt/sys_topics.h"

#include <assert.h>

static bool fits(const struct conn *c, struct str topic)
{
    const struct limits *l = &c->part->b->limits;

    /* A short one cannot have too many levels; only a long one is counted. */
    if (topic.n < l->mqtt_topic_levels_max && topic.n <= l->mqtt_topic_max_bytes)
        return true;
    return mqtt_topic_fits(topic, l->mqtt_topic_max_bytes, l->mqtt_topic_levels_max);
}

/* ---- PUBLISH ---- */

/* The topic that an alias stands for, or that it stands for from now on (MQTT 5, 3.3.2.3.4). */
static int resolve_alias(struct conn *c, const struct mqtt_publish *pk, struct str *topic)
{
    unsigned alias = pk->props.topic_alias; /* 0 does not pass the decoder */
    struct str *slot;

    if (alias > c->rules->topic_alias_max) {
        conn_end(c, MQTT_REASON_BAD_ALIAS, "topic alias out of range");
        return ERR_PROTO;
    }
    if (!c->aliases)
        c->aliases = mem_new_array(c->rules->topic_alias_max, sizeof(*c->aliases));
    slot = &c->aliases[alias - 1];
    if (topic->n > 0) {
        if (str_eq(*slot, *topic))
            return 0;
        mem_free((void *)(uintptr_t)slot->p);
        *slot = str_from(str_dup(*topic), topic->n);
        return 0;
    }
    if (slot->n == 0) {
        conn_end(c, MQTT_REASON_PROTOCOL, "topic alias that was never set");
        return ERR_PROTO;
    }
    *topic = *slot;
    return 0;
}

static void answer_publish(struct conn *c, const struct mqtt_publish *pk, uint8_t code,
                           const char *reason)
{
    uint8_t kind = pk->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC;

    if (c->version != MQTT_V5)
        code = 0;
    acks_settle_take(&c->acks, acks_open(&c->acks, &c->part->spare_acks, kind, pk->packet_id), code,
                     reason, NULL);
    conn_flush_acks(c);
}

/* More publications without our acknowledgement than we allowed: MQTT 5 was told the number and
 * broke it (0x93). 3.1.1 knows none: it waits, as QoS 0 does when too many are undecided, and its PUBRELs may stand
 * behind any number of publications; of those that have their PUBREC there are never more than packet ids.
 * What is retained of QoS 0 waits behind what is not decided yet: it would overtake that, and the older message
 * would be what is kept. False: stop. */
static bool within_window(struct conn *c, const struct mqtt_publish *pk)
{
    bool told = c->version == MQTT_V5;
    size_t open = c->acks.publications + (told ? c->session->received_count : 0);

    if (pk->qos == 0) {
        if (c->undecided < UNDECIDED_FACTOR * c->rules->inflight_max &&
            !(pk->retain && c->acks.publications > 0))
            return true;
        conn_busy_set(c, BUSY_ACKS);
        return false;
    }
    if (open < c->rules->inflight_max ||
        (pk->qos == 2 && session_is_received(c->session, pk->packet_id)))
        return true;
    if (told) {
        conn_end(c, MQTT_REASON_RECEIVE_MAX, "more unacknowledged messages than allowed");
        return false;
    }
    conn_busy_set(c, BUSY_ACKS);
    return false;
}

static void log_denied(struct conn *c, const char *action, struct str object)
{
    struct part *p = c->part;
    struct str id = session_id(c->session);
    char peer[ADDR_TEXT_SIZE];
    uint32_t more;

    if (!denials_log(&p->denials, siphash(p->b->key, id), loop_now_ms(p->loop), &more) ||
        !part_may_log(p))
        return;
    log_warn("mqtt", "not allowed", lf_text("action", action), lf_str("topic", object),
             lf_str("client", id),
             lf_str("user", c->who->role == ROLE_ANONYMOUS ? STR_NONE : c->who->name),
             lf_text("peer", addr_format(conn_peer(c), peer)), lf_u64("not_logged_before", more));
}

static void deny(struct conn *c, const struct mqtt_publish *pk, struct str topic)
{
    metric_add(c->part->b->m.denied_publish, 1);
    log_denied(c, "publish", topic);
    if (pk->qos > 0)
        answer_publish(c, pk, MQTT_REASON_NOT_AUTHORIZED, NULL);
}

static bool route(struct conn *c, const struct mqtt_publish *pk, struct str topic)
{
    struct publication pub = {
        .src = { .topic = topic,
                 .payload = pk->payload,
                 .publisher = c->session->serial,
                 .qos = pk->qos,
                 .retain = pk->retain },
    };
    struct str mount = c->rules->mount_point;
    struct buf props = buf_init(c->part->b->limits.mqtt_packet_max_bytes + mount.n);
    enum ingest done;

    /* `has` does not name user properties. */
    if (c->version == MQTT_V5 && pk->props.raw.n > 0) {
        mount_forward(mount, &pk->props, &props);
        pub.src.props = buf_str(&props);
        if (pk->props.has & MQTT_HAS(MESSAGE_EXPIRY))
            pub.src.expires_ms =
                loop_now_ms(c->part->loop) + (uint64_t)pk->props.message_expiry_s * 1000 + 1;
    }
    done = ingest_publish(c, pk, &pub);
    if (done == INGEST_DONE) /* also where it was refused for something else before that was used */
        c->place = PLACE_UNKNOWN;
    publication_fini(&pub);
    buf_fini(&props);
    return done == INGEST_DONE;
}

/* What the CONNACK said that this listener does not offer; 3.1.1 was not told, but has no other
 * answer either. */
static bool within_rules(struct conn *c, const struct mqtt_publish *pk)
{
    if (pk->qos > c->rules->qos_max)
        conn_end(c, MQTT_REASON_BAD_QOS, "a QoS that is not offered here");
    else if (pk->retain && !c->rules->retain_available)
        conn_end(c, MQTT_REASON_NO_RETAIN, "retained messages are not offered here");
    else
        return true;
    return false;
}

/* Only its PUBREC tells whether it was taken or the id is free again; and it is free with its PUBCOMP, though some
 * do not wait for that. */
static bool is_undecided(const struct conn *c, uint16_t packet_id)
{
    return acks_waits(&c->acks, MQTT_PUBREC, packet_id) ||
           (session_is_received(c->session, packet_id) &&
            acks_waits(&c->acks, MQTT_PUBCOMP, packet_id));
}

static int ask_publish(struct conn *c, struct str topic)
{
    if (str_starts(topic, STR("$SYS/")) && !sys_is_state(topic, session_id(c->session)))
        return ERR_REFUSED;
    return conn_ask(c, 0, AUTHZ_PUBLISH, topic);
}

static bool on_publish(struct conn *c, const struct mqtt_publish *pk)
{
    struct str topic = pk->topic;
    int rc;

    if (!within_rules(c, pk))
        return true;
    if (c->version == MQTT_V5) {
        if (pk->props.has & MQTT_HAS(SUBSCRIPTION_ID)) {
            conn_end(c, MQTT_REASON_PROTOCOL, "subscription identifier from a client");
            return true;
        }
        if ((pk->props.has & MQTT_HAS(TOPIC_ALIAS)) && resolve_alias(c, pk, &topic))
            return true;
    }
    topic = mount_topic(c->rules->mount_point, topic, &c->part->mount_room);
    if (!fits(c, topic)) {
        conn_end(c, MQTT_REASON_BAD_TOPIC, "topic too long or too deep");
        return true;
    }
    if (pk->qos == 2 && is_undecided(c, pk->packet_id)) {
        conn_busy_set(c, BUSY_ACKS);
        return false;
    }
    if (!within_window(c, pk))
        return c->state == CONN_CLOSING;
    if (pk->qos == 2 && session_is_received(c->session, pk->packet_id)) {
        /* A repetition: it was processed. Its id counts in the window already, as one of the session's;
         * twice, and a client that comes back with its window full of them would be ended each time. */
        if (c->session->written) {
            persist_again(c, pk->packet_id);
            return true;
        }
        acks_settle_take(
            &c->acks, acks_open_again(&c->acks, &c->part->spare_acks, MQTT_PUBREC, pk->packet_id),
            0, NULL, NULL);
        conn_flush_acks(c);
        return true;
    }
    rc = ask_publish(c, topic);
    if (rc == ERR_MORE) {
        conn_busy_set(c, BUSY_CHECK);
        return false;
    }
    if (rc) {
        conn_answers_clear(c);
        metric_add(c->part->b->m.received[pk->qos], 1);
        c->received++;
        deny(c, pk, topic);
        return true;
    }
    if (!route(c, pk, topic))
        return false;
    conn_answers_clear(c);
    metric_add(c->part->b->m.received[pk->qos], 1);
    c->received++;
    return true;
}

/* ---- SUBSCRIBE ---- */

struct subscribing {
    struct conn *c;
    unsigned waiting; /* for ourselves, the fence, and each shared subscription */
    uint32_t joins;   /* shared subscriptions among them */
    uint32_t fresh;   /* of those, not its session's yet */
    uint32_t ack;
    uint32_t sub_id;
    uint32_t rechecks; /* when it was decided */
    uint16_t packet_id;
    struct blob *request; /* the list, for the retained messages that follow */
    struct blob *codes;   /* one per entry; bit 0x40: send no retained messages */
};
#define CODE_NO_RETAINED 0x40
#define CODE_GRANTED(c)  (((c)&0x80) == 0)

static struct blob *encode_answer(struct conn *c, enum mqtt_type type, uint16_t packet_id,
                                  struct str codes)
{
    struct mqtt_packet pk = { .type = type, .suback = { .packet_id = packet_id } };
    struct buf out = buf_init(codes.n + 64);
    struct blob *b;

    pk.suback.codes = codes;
    mqtt_encode(&pk, c->version, &out);
    b = blob_new(buf_str(&out));
    buf_fini(&out);
    return b;
}

/* The filter as the tree knows it; good until the next is asked for. */
static struct str mounted(struct conn *c, struct str filter)
{
    return mount_filter(c->rules->mount_point, filter, &c->part->mount_room);
}

/* The reason code of one entry: what is granted, or why not. ERR_MORE: answer later. To the codec "$share" of a
 * 3.1.1 client is a level like any other; here it is what it is to MQTT 5, as with other brokers. */
static int decide(struct conn *c, uint32_t at, const struct mqtt_sub *sub, uint8_t *out_code)
{
    struct str name, filter = sub->filter;
    bool v5 = c->version == MQTT_V5;
    enum mqtt_share share = mqtt_share_split(sub->filter, &name, &filter);
    int rc;

    *out_code = MQTT_REASON_UNSPECIFIED;
    rc = conn_ask(c, at, AUTHZ_SUBSCRIBE, share == MQTT_SHARE_YES ? filter : sub->filter);
    if (rc == ERR_MORE)
        return ERR_MORE;
    if (share == MQTT_SHARE_BAD) {
        *out_code = v5 ? MQTT_REASON_BAD_FILTER : 0x80;
    } else if (!fits(c, sub->filter)) {
        *out_code = v5 ? MQTT_REASON_BAD_FILTER : 0x80;
    } else if (rc) {
        metric_add(c->part->b->m.denied_subscribe, 1);
        log_denied(c, "subscribe", sub->filter);
        *out_code = v5 ? MQTT_REASON_NOT_AUTHORIZED : 0x80;
    } else {
        *out_code = sub->qos < c->rules->qos_max ? sub->qos : c->rules->qos_max;
    }
    return 0;
}

/* The next entry of a SUBSCRIBE. A bridge that speaks 3.1.1 cannot say what it wants, and is known for it. (No local
 * means nothing to a shared subscription.) */
static bool next_sub(const struct conn *c, struct str list, size_t *at, struct mqtt_sub *out)
{
    if (!mqtt_sub_next(list, at, out))
        return false;
    if (c->bridge)
        out->no_local = out->retain_as_published = true;
    return true;
}

static void on_standing(void *ctx);

static void on_sub_written(void *ctx, int code, uint64_t seq)
{
    struct subscribing *g = ctx;

    (void)seq;
    if (code)
        conn_end(g->c, MQTT_REASON_UNSPECIFIED, "a subscription could not be written down");
    on_standing(g);
}

static void write_subscription(struct subscribing *g, const struct mqtt_sub *sub, uint8_t options)
{
    struct session *s = g->c->session;

    if (!s->written)
        return;
    g->waiting++;
    persist_subscribe(g->c->part, s, &(struct persist_sub){ sub->filter, g->sub_id, options },
                      persist_how(g->c), on_sub_written, g);
}

/* There is no room for it, and it is none that the session has. */
static bool is_too_many(const struct subscribing *g, struct str filter, bool shared)
{
    const struct session *s = g->c->session;

    if (s->sub_count + g->fresh < s->limits->subscriptions_max &&
        (!shared || s->share_count + g->fresh < s->limits->shares_max))
        return false;
    return !session_has_subscription(s, filter);
}

/* Adds one granted entry. True when other workers must learn of it. */
static bool add_subscription(struct subscribing *g, const struct mqtt_sub *sub, uint8_t *code)
{
    struct conn *c = g->c;
    struct part *p = c->part;
    struct session *s = c->session;
    uint8_t options = (uint8_t)(sub->qos | (sub->no_local ? TREE_NO_LOCAL : 0) |
                                (sub->retain_as_published ? TREE_AS_PUBLISHED : 0));
    bool shared = str_starts(sub->filter, STR("$share/"));
    bool added;

    if (is_too_many(g, sub->filter, shared)) {
        *code = c->version == MQTT_V5 ? MQTT_REASON_QUOTA : 0x80;
        return false;
    }
    if (shared) {
        *code |= CODE_NO_RETAINED; /* MQTT 5, 4.8.2 */
        g->joins++;
        g->fresh += !session_share_of(s, sub->filter);
        g->waiting++;
        share_subscribe(c, &(struct share_wish){ sub->filter, g->sub_id, options }, on_standing, g);
        return false;
    }
    added = tree_add(&p->tree, sub->filter, s, g->sub_id, options);
    session_subscribe(s, sub->filter, g->sub_id, options, added);
    write_subscription(g, sub, options);
    if (sub->retain_handling == 2 || (sub->retain_handling == 1 && !added))
        *code |= CODE_NO_RETAINED;
    if (!added)
        return false;
    metric_gauge_add(p->b->m.subscriptions, 1);
    return part_interest_add(p, sub->filter, s->written);
}

static void ask_retained(struct subscribing *g, const struct mqtt_sub *sub, uint8_t qos)
{
    struct conn *c = g->c;

    keep_query(c, mounted(c, sub->filter), (uint8_t)(qos | (sub->no_local ? TREE_NO_LOCAL : 0)),
               g->sub_id);
}

/* The rules have changed since it was decided, and what they grant no more has ended meanwhile: the client is not
 * told of it as granted. */
static void recheck_codes(struct subscribing *g)
{
    struct conn *c = g->c;
    struct mqtt_sub sub;
    size_t at = 0;

    if (g->rechecks == c->part->rechecks || !conn_is_open(c))
        return;
    for (size_t i = 0; next_sub(c, blob_str(g->request), &at, &sub); i++)
        if (CODE_GRANTED(g->codes->bytes[i]) &&
            !session_has_subscription(c->session, mounted(c, sub.filter)))
            g->codes->bytes[i] = (char)(c->version == MQTT_V5 ? MQTT_REASON_NOT_AUTHORIZED : 0x80);
}

static struct blob *encode_suback(const struct subscribing *g)
{
    struct blob *plain = blob_new(blob_str(g->codes)), *packet;

    for (uint32_t i = 0; i < plain->n; i++)
        if (CODE_GRANTED(plain->bytes[i]))
            plain->bytes[i] &= 0x03;
    packet = encode_answer(g->c, MQTT_SUBACK, g->packet_id, blob_str(plain));
    blob_unref(plain);
    return packet;
}

/* The subscriptions stand everywhere: SUBACK, then the retained messages. */
static void subscribed(struct subscribing *g)
{
    struct conn *c = g->c;
    struct str list = blob_str(g->request);
    struct mqtt_sub sub;
    size_t at = 0;

    recheck_codes(g);
    acks_settle_take(&c->acks, g->ack, 0, NULL, encode_suback(g));
    conn_flush_acks(c);
    for (size_t i = 0; next_sub(c, list, &at, &sub); i++)
        if (conn_is_open(c) && (uint8_t)g->codes->bytes[i] <= 2)
            ask_retained(g, &sub, (uint8_t)g->codes->bytes[i]);
    if (g->joins > 0)
        conn_busy_clear(c, BUSY_JOIN);
    blob_unref(g->request);
    blob_unref(g->codes);
    mem_free(g);
    conn_unhold(c);
}

/* One of those that are waited for. */
static void on_standing(void *ctx)
{
    struct subscribing *g = ctx;

    if (--g->waiting == 0)
        subscribed(g);
}

static bool on_subscribe(struct conn *c, const struct mqtt_subscribe *pk)
{
    struct blob *codes = blob_alloc(pk->count);
    struct subscribing *g;
    struct mqtt_sub sub;
    size_t at = 0;
    bool news = false;

    for (uint32_t i = 0; next_sub(c, pk->list, &at, &sub); i++) {
        sub.filter = mounted(c, sub.filter);
        if (decide(c, i, &sub, (uint8_t *)&codes->bytes[i]) == ERR_MORE) {
            blob_unref(codes);
            conn_busy_set(c, BUSY_CHECK);
            return false;
        }
    }
    conn_answers_clear(c);
    g = NEW(struct subscribing);
    g->c = c;
    g->waiting = 1;
    g->rechecks = c->part->rechecks;
    if (c->version == MQTT_V5 && (pk->props.has & MQTT_HAS(SUBSCRIPTION_ID)))
        g->sub_id = pk->props.subscription_id;
    at = 0;
    for (uint32_t i = 0; next_sub(c, pk->list, &at, &sub); i++)
        if ((uint8_t)codes->bytes[i] <= 2) {
            sub.filter = mounted(c, sub.filter);
            sub.qos = (uint8_t)codes->bytes[i];
            news |= add_subscription(g, &sub, (uint8_t *)&codes->bytes[i]);
        }
    g->packet_id = pk->packet_id;
    g->codes = codes;
    g->request = blob_new(pk->list);
    g->ack = acks_open(&c->acks, &c->part->spare_acks, MQTT_SUBACK, pk->packet_id);
    c->holds++;
    if (g->joins > 0) /* what follows must find it there */
        conn_busy_set(c, BUSY_JOIN);
    if (news) {
        g->waiting++;
        part_fence(c->part, on_standing, g);
    }
    on_standing(g);
    return true;
}

struct unsubscribing {
    struct conn *c;
    unsigned waiting; /* for ourselves and the disk */
    uint32_t ack;
    struct blob *packet;
};

static void on_unsub_written(void *ctx, int code, uint64_t seq)
{
    struct unsubscribing *g = ctx;
    struct conn *c = g->c;

    (void)seq;
    if (code)
        conn_end(c, MQTT_REASON_UNSPECIFIED, "the end of a subscription could not be written down");
    if (--g->waiting > 0)
        return;
    acks_settle_take(&c->acks, g->ack, 0, NULL, g->packet);
    conn_flush_acks(c);
    mem_free(g);
    conn_unhold(c);
}

static bool remove_subscription(struct conn *c, struct str filter)
{
    struct part *p = c->part;

    if (share_unsubscribe(p, c->session, filter))
        return true;
    if (!tree_remove(&p->tree, filter, c->session))
        return false;
    session_unsubscribe(c->session, filter);
    part_interest_remove(p, filter, c->session->written);
    metric_gauge_add(p->b->m.subscriptions, -1);
    return true;
}

static void on_unsubscribe(struct conn *c, const struct mqtt_subscribe *pk)
{
    struct blob *codes = blob_alloc(pk->count);
    struct unsubscribing *g = NEW(struct unsubscribing);
    struct str filter;
    size_t at = 0;

    g->c = c;
    g->waiting = 1;
    for (size_t i = 0; mqtt_unsub_next(pk->list, &at, &filter); i++) {
        bool was;

        filter = mounted(c, filter);
        was = remove_subscription(c, filter);
        codes->bytes[i] = was ? MQTT_REASON_SUCCESS : MQTT_REASON_NO_SUBSCRIPTION;
        /* Also what is there no more: it may be written still, if that it ended could not be. */
        if (!c->session->written)
            continue;
        g->waiting++;
        persist_unsubscribe(c->part, c->session, filter, persist_how(c), on_unsub_written, g);
    }
    g->packet = encode_answer(c, MQTT_UNSUBACK, pk->packet_id,
                              c->version == MQTT_V5 ? blob_str(codes) : STR_NONE);
    g->ack = acks_open(&c->acks, &c->part->spare_acks, MQTT_UNSUBACK, pk->packet_id);
    blob_unref(codes);
    c->holds++;
    on_unsub_written(g, 0, 0);
}

/* ---- acknowledgements of the client ---- */

static void on_pubrec(struct conn *c, const struct mqtt_ack *pk, const struct session_out *was,
                      int rc)
{
    bool refused = pk->code >= 0x80;

    if (rc == 0 && !refused && was->seq != 0) {
        persist_released(c, was);
    } else if (rc != ERR_PROTO &&
               !refused) { /* a refusal is not answered, also when it comes again */
        conn_send_ack(c, MQTT_PUBREL, pk->packet_id,
                      rc == ERR_UNKNOWN ? MQTT_REASON_NO_PACKET_ID : 0, NULL);
    }
    if (rc == 0 && refused)
        persist_item_done(c->part, c->session, was);
}

static void on_answer(struct conn *c, enum mqtt_type type, const struct mqtt_ack *pk)
{
    struct session_out was = { 0 };
    int rc = 0;

    /* Only servers say that (wire/mqtt_reason.c), and a bridge hands it on. */
    if (pk->code == MQTT_REASON_TOO_LARGE && !c->rules->inside) {
        conn_end(c, MQTT_REASON_PROTOCOL, "reason code does not belong to the packet");
        return;
    }
    session_in_flight(c->session, pk->packet_id, &was);
    switch (type) {
    case MQTT_PUBACK:
        rc = session_puback(c->session, pk->packet_id);
        break;
    case MQTT_PUBREC:
        rc = session_pubrec(c->session, pk->packet_id, pk->code >= 0x80);
        on_pubrec(c, pk, &was, rc);
        break;
    case MQTT_PUBCOMP:
        rc = session_pubcomp(c->session, pk->packet_id);
        break;
    default:
        assert(false && "an acknowledgement");
    }
    if (rc == ERR_PROTO) {
        conn_end(c, MQTT_REASON_PROTOCOL, "acknowledgement of another kind of message");
        return;
    }
    if (rc == 0 && type != MQTT_PUBREC)
        persist_item_done(c->part, c->session, &was);
    /* An unknown id is what a repeated answer after a reconnection looks like: ignored. */
    conn_pump(c);
}

static void on_pubrel(struct conn *c, const struct mqtt_ack *pk)
{
    bool known = session_is_received(c->session, pk->packet_id);

    if (known && c->session->written) {
        persist_complete(c, pk->packet_id);
        return;
    }
    if (!known)
        conn_rate_unknown(c);
    session_release(c->session, pk->packet_id);
    conn_send_ack(c, MQTT_PUBCOMP, pk->packet_id, known ? 0 : MQTT_REASON_NO_PACKET_ID, NULL);
    conn_flush_acks(c);
}

/* ---- the rest ---- */

static void on_disconnect(struct conn *c, const struct mqtt_reasoned *pk)
{
    if (c->version == MQTT_V5 && (pk->props.has & MQTT_HAS(SESSION_EXPIRY))) {
        uint32_t s = conn_expiry_s(c, pk->props.session_expiry_s);

        /* MQTT 5, 3.14.2.2.2. Where none lasts, its CONNECT may have asked for more than 0, too. */
        if (c->session->expiry_s == 0 && s != 0) {
            conn_end(c, MQTT_REASON_PROTOCOL, "session expiry set at the end");
            return;
        }
        c->session->expiry_s = s;
    }
    c->will_off = pk->code == MQTT_REASON_SUCCESS; /* MQTT 5, 3.14.4-3 */
    conn_drop(c, 0);
}

/* SUBSCRIBE, UNSUBSCRIBE and PUBREL have no window. Their answers wait behind those of publications, and for the
 * disk: not too many. False: stop. */
static bool within_answers(struct conn *c)
{
    if (c->acks.count - c->acks.publications <
        UNDECIDED_FACTOR * c->part->b->session_limits.inflight_max)
        return true;
    conn_busy_set(c, BUSY_ACKS);
    return false;
}

/* It asks for something, and what a client asks for is done in the order in which it was sent. */
static bool is_request(enum mqtt_type type)
{
    return type == MQTT_PUBLISH || type == MQTT_PUBREL || type == MQTT_SUBSCRIBE ||
           type == MQTT_UNSUBSCRIBE;
}

bool conn_packet(struct conn *c, const struct mqtt_packet *pk)
{
    if (c->answers_only && is_request(pk->type)) {
        metric_add(c->part->b->m.refused_ingest, pk->type == MQTT_PUBLISH);
        return true;
    }
    switch (pk->type) {
    case MQTT_PUBLISH:
        return on_publish(c, &pk->publish);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        /* More entries than a session may have say nothing that fewer could not. */
        if (pk->subscribe.count > c->session->limits->subscriptions_max) {
            conn_end(c, MQTT_REASON_QUOTA, "more filters in one packet than allowed");
            return true;
        }
        if (!within_answers(c))
            return false;
        if (pk->type == MQTT_SUBSCRIBE)
            return on_subscribe(c, &pk->subscribe);
        on_unsubscribe(c, &pk->subscribe);
        return true;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBCOMP:
        on_answer(c, pk->type, &pk->ack);
        return true;
    case MQTT_PUBREL:
        if (!within_answers(c))
            return false;
        on_pubrel(c, &pk->ack);
        return true;
    case MQTT_PINGREQ:
        conn_send(c, MQTT_PINGRESP_BYTES);
        return true;
    case MQTT_DISCONNECT:
        on_disconnect(c, &pk->reasoned);
        return true;
    case MQTT_CONNECT:
    case MQTT_CONNACK:
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
    case MQTT_PINGRESP:
    case MQTT_AUTH:
        break;
    }
    conn_end(c, MQTT_REASON_PROTOCOL, "packet that a client may not send now");
    return true;
}
