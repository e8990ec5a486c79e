/*
 * The bytes of an operation: one for its kind, then its fields; strings have a 32-bit length before
 * them, a payload is what is left. A record of the journal has a checksum already, so a mistake here
 * is another version's or a bug, and refused as a whole.
 */
#include "mqtt/persist.h"

#include "base/rd.h"
#include "wire/mqtt.h"

#include <assert.h>

#define FLAG_QOS          0x03u
#define FLAG_RETAIN       0x04u
#define FLAG_RELEASED     0x08u
#define FLAG_SENT         0x10u
#define FLAG_MORE         0x20u       /* further identifiers follow: their number and they */
#define DONE_BY_PACKET_ID 0x80000000u /* a packet id in the place of a subscription identifier */
#define FLAGS             (FLAG_QOS | FLAG_RETAIN | FLAG_RELEASED | FLAG_SENT | FLAG_MORE)

/* ---- encoding ---- */

static void put_str(struct buf *b, struct str s)
{
    buf_le32(b, (uint32_t)s.n);
    buf_put(b, s);
}

static void begin(struct buf *b, enum persist_op op, uint64_t session)
{
    buf_u8(b, (uint8_t)op);
    buf_le64(b, session);
}

static void put_content(struct buf *b, const struct persist_message *m)
{
    buf_u8(b, (uint8_t)(m->qos | (m->retain ? FLAG_RETAIN : 0)));
    put_str(b, m->topic);
    put_str(b, m->props);
    buf_put(b, m->payload);
}

void persist_put_message(struct buf *b, enum persist_op op, const struct persist_message *m)
{
    begin(b, op, m->publisher);
    buf_le64(b, m->seq);
    buf_le64(b, (uint64_t)m->expires_wall_ms);
    buf_le16(b, m->packet_id);
    put_content(b, m);
}

static void put_counts(struct buf *b, const struct persist_session *w)
{
    buf_le32(b, w->subs);
    buf_le32(b, w->received);
    buf_le32(b, w->items);
}

void persist_put_session(struct buf *b, enum persist_op op, uint64_t session,
                         const struct persist_session *w)
{
    begin(b, op, session);
    put_str(b, w->client_id);
    put_str(b, w->user);
    buf_le64(b, w->base);
    buf_le64(b, (uint64_t)w->away_wall_ms);
    buf_le32(b, w->expiry_s);
    buf_le16(b, w->last_packet_id);
    buf_u8(b, w->role);
    put_counts(b, w);
}

void persist_put_session_more(struct buf *b, uint64_t session, const struct persist_session *w,
                              uint32_t part, bool last)
{
    begin(b, PERSIST_SESSION_MORE, session);
    buf_le32(b, part);
    buf_u8(b, last);
    put_counts(b, w);
}

void persist_put_sub(struct buf *b, const struct persist_sub *s)
{
    put_str(b, s->filter);
    buf_le32(b, s->sub_id);
    buf_u8(b, s->options);
}

void persist_put_received(struct buf *b, uint16_t packet_id)
{
    buf_le16(b, packet_id);
}

void persist_put_item(struct buf *b, const struct persist_item *i)
{
    unsigned flags = i->qos | (i->retain ? FLAG_RETAIN : 0) | (i->released ? FLAG_RELEASED : 0) |
                     (i->sent ? FLAG_SENT : 0) | (i->more ? FLAG_MORE : 0);

    buf_le64(b, i->seq);
    buf_le32(b, i->sub_id);
    buf_le16(b, i->packet_id);
    buf_u8(b, (uint8_t)flags);
    if (i->more > 0)
        buf_le32(b, i->more);
    for (uint32_t k = 0; k < i->more; k++)
        buf_le32(b, i->more_ids[k]);
}

void persist_put_end(struct buf *b, uint64_t session)
{
    begin(b, PERSIST_END, session);
}

void persist_put_away(struct buf *b, uint64_t session, int64_t wall_ms, uint32_t expiry_s)
{
    begin(b, PERSIST_AWAY, session);
    buf_le64(b, (uint64_t)wall_ms);
    buf_le32(b, expiry_s);
}

void persist_put_subscribe(struct buf *b, uint64_t session, const struct persist_sub *s)
{
    begin(b, PERSIST_SUBSCRIBE, session);
    persist_put_sub(b, s);
}

void persist_put_unsubscribe(struct buf *b, uint64_t session, struct str filter, uint64_t seq)
{
    begin(b, PERSIST_UNSUBSCRIBE, session);
    put_str(b, filter);
    buf_le64(b, seq);
}

void persist_put_will(struct buf *b, uint64_t session, uint32_t delay_s,
                      const struct persist_message *m)
{
    begin(b, PERSIST_WILL, session);
    buf_le32(b, delay_s);
    buf_le64(b, (uint64_t)m->expires_wall_ms);
    put_content(b, m);
}

void persist_put_no_will(struct buf *b, uint64_t session)
{
    begin(b, PERSIST_NO_WILL, session);
}

void persist_put_back(struct buf *b, uint64_t session, uint32_t expiry_s)
{
    begin(b, PERSIST_BACK, session);
    buf_le32(b, expiry_s);
}

void persist_put_done(struct buf *b, uint64_t session, uint64_t seq, uint32_t sub_id,
                      uint16_t packet_id)
{
    begin(b, PERSIST_DONE, session);
    buf_le64(b, seq);
    buf_le32(b, packet_id ? DONE_BY_PACKET_ID | packet_id : sub_id);
}

void persist_put_sent(struct buf *b, uint64_t session, const struct persist_item *it)
{
    begin(b, PERSIST_SENT, session);
    buf_le64(b, it->seq);
    buf_le32(b, it->sub_id);
    buf_le16(b, it->packet_id);
}

void persist_put_released(struct buf *b, uint64_t session, uint16_t packet_id)
{
    begin(b, PERSIST_RELEASED, session);
    buf_le16(b, packet_id);
}

void persist_put_arrived(struct buf *b, uint64_t session, uint16_t packet_id)
{
    begin(b, PERSIST_ARRIVED, session);
    buf_le16(b, packet_id);
}

void persist_put_complete(struct buf *b, uint64_t session, uint16_t packet_id)
{
    begin(b, PERSIST_COMPLETE, session);
    buf_le16(b, packet_id);
}

void persist_put_taken(struct buf *b, uint64_t session, struct str key,
                       const struct persist_item *it)
{
    assert(it->more == 0 && !it->released);
    begin(b, PERSIST_TAKEN, session);
    put_str(b, key);
    persist_put_item(b, it);
}

void persist_put_share_done(struct buf *b, struct str key, uint64_t seq)
{
    begin(b, PERSIST_SHARE_DONE, 0);
    put_str(b, key);
    buf_le64(b, seq);
}

void persist_put_share(struct buf *b, const struct persist_share *sh)
{
    begin(b, PERSIST_SHARE, 0);
    put_str(b, sh->key);
    buf_le64(b, sh->low);
    buf_le64(b, sh->high);
    buf_le32(b, sh->count);
}

void persist_put_owed(struct buf *b, uint64_t seq)
{
    buf_le64(b, seq);
}

/* ---- decoding ---- */

static struct str get_str(struct rd *r)
{
    return rd_bytes(r, rd_le32(r));
}

static bool filter_ok(struct str s)
{
    struct str name, rest;

    switch (mqtt_share_split(s, &name, &rest)) {
    case MQTT_SHARE_NO:
        return mqtt_filter_valid(s);
    case MQTT_SHARE_YES:
        return true;
    case MQTT_SHARE_BAD:
        break;
    }
    return false;
}

static bool get_content(struct rd *r, struct persist_message *m)
{
    uint8_t flags = rd_u8(r);

    m->qos = flags & FLAG_QOS;
    m->retain = (flags & FLAG_RETAIN) != 0;
    m->topic = get_str(r);
    m->props = get_str(r);
    m->payload = rd_rest(r);
    return !r->bad && (flags & ~(FLAG_QOS | FLAG_RETAIN)) == 0 && m->qos <= 2 &&
           m->expires_wall_ms >= 0 && (uint64_t)m->expires_wall_ms <= PERSIST_MOST &&
           m->seq <= PERSIST_MOST && mqtt_topic_valid(m->topic);
}

static bool get_will(struct rd *r, struct persist *out)
{
    out->will_delay_s = rd_le32(r);
    out->message.expires_wall_ms = (int64_t)rd_le64(r);
    return get_content(r, &out->message);
}

static bool get_message(struct rd *r, struct persist *out)
{
    struct persist_message *m = &out->message;

    m->publisher = out->session;
    m->seq = rd_le64(r);
    m->expires_wall_ms = (int64_t)rd_le64(r);
    m->packet_id = rd_le16(r);
    return get_content(r, m) && (m->seq != 0) == (out->op != PERSIST_MESSAGE) &&
           (out->op != PERSIST_COPY || m->qos > 0); /* nothing in a queue that lasts is of QoS 0 */
}

static struct persist_sub get_sub(struct rd *r)
{
    struct persist_sub s = { .filter = get_str(r) };

    s.sub_id = rd_le32(r);
    s.options = rd_u8(r);
    return s;
}

static struct persist_item get_item(struct rd *r, uint8_t *flags)
{
    struct persist_item i = { .seq = rd_le64(r) };

    i.sub_id = rd_le32(r);
    i.packet_id = rd_le16(r);
    *flags = rd_u8(r);
    i.qos = *flags & FLAG_QOS;
    i.retain = (*flags & FLAG_RETAIN) != 0;
    i.released = (*flags & FLAG_RELEASED) != 0;
    i.sent = (*flags & FLAG_SENT) != 0;
    if (*flags & FLAG_MORE) {
        i.more = rd_le32(r);
        i.more_bytes = rd_bytes(r, (size_t)i.more * sizeof(uint32_t));
    }
    return i;
}

void persist_item_ids(const struct persist_item *it, uint32_t *out)
{
    struct rd r = rd_init(it->more_bytes);

    out[0] = it->sub_id;
    for (uint32_t i = 0; i < it->more; i++)
        out[i + 1] = rd_le32(&r);
}

static bool id_ok(uint32_t id)
{
    return id <= 268435455; /* MQTT 5, 3.8.2.1.2 */
}

/* None, one, or several, and then none of them is 0. */
static bool ids_ok(const struct persist_item *it)
{
    struct rd r = rd_init(it->more_bytes);

    if (!id_ok(it->sub_id) || (it->more > 0 && it->sub_id == 0))
        return false;
    while (rd_left(&r) > 0) {
        uint32_t id = rd_le32(&r);

        if (id == 0 || !id_ok(id))
            return false;
    }
    return true;
}

static bool item_ok(const struct persist_item *it, uint8_t flags)
{
    return it->qos >= 1 && it->qos <= 2 && it->seq != 0 && (flags & ~FLAGS) == 0 &&
           (!it->released || it->packet_id != 0) && (it->more == 0) == ((flags & FLAG_MORE) == 0) &&
           ids_ok(it);
}

/* Everything that persist_next_…() will step through. */
static bool check_whole(struct rd r, const struct persist_session *w)
{
    for (uint32_t i = 0; i < w->subs && !r.bad; i++) {
        struct persist_sub sub = get_sub(&r);

        if (!filter_ok(sub.filter) || !id_ok(sub.sub_id))
            return false;
    }
    for (uint32_t i = 0; i < w->received && !r.bad; i++)
        if (rd_le16(&r) == 0)
            return false;
    for (uint32_t i = 0; i < w->items && !r.bad; i++) {
        uint8_t flags;
        struct persist_item it = get_item(&r, &flags);

        if (!r.bad && !item_ok(&it, flags))
            return false;
    }
    return !r.bad && rd_left(&r) == 0;
}

static bool get_rest(struct rd *r, struct persist *out)
{
    struct persist_session *w = &out->whole;

    w->subs = rd_le32(r);
    w->received = rd_le32(r);
    w->items = rd_le32(r);
    if (r->bad || !check_whole(*r, w))
        return false;
    out->rest = rd_rest(r);
    return true;
}

static bool get_session(struct rd *r, struct persist *out)
{
    struct persist_session *w = &out->whole;

    w->client_id = get_str(r);
    w->user = get_str(r);
    w->base = rd_le64(r);
    w->away_wall_ms = (int64_t)rd_le64(r);
    w->expiry_s = rd_le32(r);
    w->last_packet_id = rd_le16(r);
    w->role = rd_u8(r);
    return !r->bad && w->client_id.n > 0 && w->away_wall_ms >= 0 && get_rest(r, out);
}

static bool get_session_more(struct rd *r, struct persist *out)
{
    uint8_t last;

    out->part = rd_le32(r);
    last = rd_u8(r);
    out->last = last != 0;
    return !r->bad && out->part > 0 && last <= 1 && get_rest(r, out);
}

static bool get_share_key(struct rd *r, struct persist *out)
{
    struct str name, rest;

    out->share.key = get_str(r);
    return !r->bad && mqtt_share_split(out->share.key, &name, &rest) == MQTT_SHARE_YES;
}

static bool get_taken(struct rd *r, struct persist *out)
{
    struct persist_item *it = &out->item;
    uint8_t flags;

    if (!get_share_key(r, out))
        return false;
    *it = get_item(r, &flags);
    return !r->bad && item_ok(it, flags) && it->more == 0 && !it->released;
}

/* Its numbers ascend, within their range. */
static bool get_share(struct rd *r, struct persist *out)
{
    struct persist_share *sh = &out->share;
    uint64_t last;
    size_t at = 0;

    if (!get_share_key(r, out))
        return false;
    sh->low = last = rd_le64(r);
    sh->high = rd_le64(r);
    sh->count = rd_le32(r);
    out->rest = rd_rest(r);
    if (r->bad || sh->high < sh->low || out->rest.n != (size_t)sh->count * sizeof(uint64_t))
        return false;
    for (uint32_t i = 0; i < sh->count; i++) {
        uint64_t seq = persist_next_owed(out, &at);

        if (seq <= last || seq > sh->high)
            return false;
        last = seq;
    }
    return true;
}

static bool get_fields(struct rd *r, struct persist *out)
{
    switch (out->op) {
    case PERSIST_MESSAGE:
    case PERSIST_COPY:
    case PERSIST_RETAINED:
        return get_message(r, out);
    case PERSIST_SESSION:
    case PERSIST_SESSION_BEGIN:
        return get_session(r, out);
    case PERSIST_SESSION_MORE:
        return get_session_more(r, out);
    case PERSIST_END:
    case PERSIST_NO_WILL:
        return true;
    case PERSIST_WILL:
        return get_will(r, out);
    case PERSIST_AWAY:
        out->wall_ms = (int64_t)rd_le64(r);
        out->expiry_s = rd_le32(r);
        return out->wall_ms >= 0;
    case PERSIST_SUBSCRIBE:
        out->sub = get_sub(r);
        return !r->bad && filter_ok(out->sub.filter) && id_ok(out->sub.sub_id);
    case PERSIST_UNSUBSCRIBE:
        out->sub.filter = get_str(r);
        out->seq = rd_le64(r);
        return !r->bad && filter_ok(out->sub.filter);
    case PERSIST_BACK:
        out->expiry_s = rd_le32(r);
        return true;
    case PERSIST_DONE:
        out->seq = rd_le64(r);
        out->sub_id = rd_le32(r);
        if (out->sub_id & DONE_BY_PACKET_ID) {
            out->packet_id = (uint16_t)out->sub_id;
            out->sub_id = 0;
        }
        return out->seq != 0;
    case PERSIST_SENT:
        out->seq = rd_le64(r);
        out->sub_id = rd_le32(r);
        out->packet_id = rd_le16(r);
        return out->packet_id != 0;
    case PERSIST_ARRIVED:
    case PERSIST_RELEASED:
    case PERSIST_COMPLETE:
        out->packet_id = rd_le16(r);
        return out->packet_id != 0;
    case PERSIST_TAKEN:
        return get_taken(r, out);
    case PERSIST_SHARE_DONE:
        if (!get_share_key(r, out))
            return false;
        out->seq = rd_le64(r);
        return out->seq != 0;
    case PERSIST_SHARE:
        return get_share(r, out);
    }
    return false;
}

int persist_decode(struct str record, struct persist *out)
{
    struct rd r = rd_init(record);

    *out = (struct persist){ .op = rd_u8(&r) };
    out->session = rd_le64(&r);
    if (r.bad || !get_fields(&r, out) || r.bad || rd_left(&r) > 0)
        return ERR_VALUE;
    return 0;
}

/* ---- stepping ---- */

static struct rd rest_at(const struct persist *p, size_t at)
{
    return rd_init(str_skip(p->rest, at));
}

struct persist_sub persist_next_sub(const struct persist *p, size_t *at)
{
    struct rd r = rest_at(p, *at);
    struct persist_sub s = get_sub(&r);

    *at += r.at;
    return s;
}

uint16_t persist_next_received(const struct persist *p, size_t *at)
{
    struct rd r = rest_at(p, *at);
    uint16_t id = rd_le16(&r);

    *at += r.at;
    return id;
}

struct persist_item persist_next_item(const struct persist *p, size_t *at)
{
    struct rd r = rest_at(p, *at);
    uint8_t flags;
    struct persist_item i = get_item(&r, &flags);

    *at += r.at;
    return i;
}

uint64_t persist_next_owed(const struct persist *p, size_t *at)
{
    struct rd r = rest_at(p, *at);
    uint64_t seq = rd_le64(&r);

    *at += r.at;
    return seq;
}
