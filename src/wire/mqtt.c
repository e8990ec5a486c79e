/*
 * The MQTT codec's front: the fixed header (2.1), the way to each packet's body, PUBLISH and its
 * acknowledgements, and what a broker writes for each message without going through a struct.
 *
 * A PUBLISH is what a broker reads all day. Its path touches the input once, calls nothing but the
 * check of the name (and of properties, when there are any), and clears nothing: fields without
 * a meaning for a packet keep what they had.
 *
 * Invariants: nothing outside `in` is read; *out_used is set only on success; a body reader gets
 * exactly the bytes that the fixed header announces, so no field can reach into the next packet.
 * Follows MQTT 3.1.1 and MQTT 5 (OASIS); sections are those of MQTT 5.
 */
#include "wire/mqtt.h"

#include "base/buf.h"
#include "wire/mqtt_body.h"

/* The longest fixed header: a byte of type and flags, four of length. */
#define HEADER_MAX 5

/* 3.3.2.3 */
#define PUBLISH_PROPS                                                                              \
    (MQTT_HAS(PAYLOAD_FORMAT) | MQTT_HAS(MESSAGE_EXPIRY) | MQTT_HAS(TOPIC_ALIAS) |                 \
     MQTT_HAS(RESPONSE_TOPIC) | MQTT_HAS(CORRELATION_DATA) | MQTT_HAS(USER) |                      \
     MQTT_HAS(SUBSCRIPTION_ID) | MQTT_HAS(CONTENT_TYPE))
/* 3.4.2.2 and its like */
#define ACK_PROPS (MQTT_HAS(REASON_STRING) | MQTT_HAS(USER))

/* ---- PUBLISH ---- */

/* The name of a PUBLISH (3.3.2.1), when the quick check has failed or it is empty. */
static int check_topic(const struct mqtt_publish *m, enum mqtt_version v, struct wire_why *why)
{
    if (m->topic.n == 0 && v == MQTT_V5) {
        if (m->props.has & MQTT_HAS(TOPIC_ALIAS))
            return 0;
        return wire_refuse(why, MQTT_REASON_PROTOCOL, 0, "neither topic name nor alias");
    }
    if (!utf8_valid_mqtt(m->topic))
        return mqtt_malformed(why, 2, "topic name is not UTF-8");
    return wire_refuse(why, MQTT_REASON_BAD_TOPIC, 2, "not a topic name");
}

static inline int read_publish(struct str body, unsigned flags, enum mqtt_version v,
                               struct mqtt_publish *m, struct wire_why *why)
{
    const uint8_t *p = (const uint8_t *)body.p;
    size_t n = body.n, at, topic_n;
    int rc;

    if (n < 2)
        return mqtt_malformed(why, 0, "packet ends early");
    topic_n = (size_t)p[0] << 8 | p[1];
    if (topic_n > n - 2)
        return mqtt_malformed(why, 0, "topic name runs out of packet");
    m->topic = (struct str){ body.p + 2, topic_n };
    m->qos = (uint8_t)(flags >> 1 & 3);
    m->dup = flags & 8;
    m->retain = flags & 1;
    m->packet_id = 0;
    at = 2 + topic_n;
    if (m->qos > 0) {
        if (n - at < 2)
            return mqtt_malformed(why, at, "packet ends early");
        m->packet_id = (uint16_t)(p[at] << 8 | p[at + 1]);
        if (m->packet_id == 0)
            return wire_refuse(why, MQTT_REASON_PROTOCOL, at, "packet id 0");
        at += 2;
    }
    m->props.has = 0;
    m->props.raw = STR_NONE;
    if (v == MQTT_V5) {
        if (at < n && p[at] == 0) {
            at++;
        } else {
            rc = mqtt_props_read(body, &at, PUBLISH_PROPS, true, &m->props, why);
            if (rc)
                return rc;
        }
    }
    m->payload = (struct str){ body.p + at, n - at };
    return mqtt_topic_valid(m->topic) ? 0 : check_topic(m, v, why);
}

static void write_publish(struct buf *out, enum mqtt_version v, const struct mqtt_publish *m)
{
    mqtt_text_write(out, m->topic);
    if (m->qos > 0)
        buf_u16(out, m->packet_id);
    if (v == MQTT_V5)
        mqtt_props_write(out, &m->props);
    buf_put(out, m->payload);
}

/* ---- PUBACK, PUBREC, PUBREL, PUBCOMP: 3.4 to 3.7 ---- */

static int read_ack(struct str body, enum mqtt_version v, enum mqtt_type type, struct mqtt_ack *out,
                    struct wire_why *why)
{
    struct rd r = rd_init(body);
    int rc;

    out->packet_id = rd_u16(&r);
    out->code = MQTT_REASON_SUCCESS;
    out->props.has = 0;
    out->props.raw = STR_NONE;
    if (r.bad || (v == MQTT_V311 && body.n != 2))
        return mqtt_malformed(why, 0, "length of an acknowledgement");
    if (out->packet_id == 0)
        return wire_refuse(why, MQTT_REASON_PROTOCOL, 0, "packet id 0");
    if (body.n == 2)
        return 0;
    out->code = rd_u8(&r);
    if (!mqtt_reason_allowed(type, out->code))
        return wire_refuse(why, MQTT_REASON_PROTOCOL, 2, "not a code of this packet");
    if (body.n == 3)
        return 0;
    rc = mqtt_body_props(&r, body, v, ACK_PROPS, &out->props, why);
    if (rc)
        return rc;
    return rd_left(&r) == 0 ? 0 : mqtt_malformed(why, r.at, "bytes behind the last field");
}

static void write_ack(struct buf *out, enum mqtt_version v, const struct mqtt_ack *a)
{
    bool plain = a->props.has == 0 && a->props.raw.n == 0;

    buf_u16(out, a->packet_id);
    if (v == MQTT_V311 || (plain && a->code == 0))
        return;
    buf_u8(out, a->code);
    if (!plain)
        mqtt_props_write(out, &a->props);
}

/* ---- the fixed header ---- */

/* 2.1.3: the flags that each type must have; PUBLISH has its own. */
static unsigned flags_of(enum mqtt_type type)
{
    return type == MQTT_PUBREL || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE ? 2 : 0;
}

/* What the first byte alone can show to be wrong. */
static const char *first_broken(unsigned first, enum mqtt_version v)
{
    unsigned type = first >> 4, flags = first & 15;

    if (type == MQTT_PUBLISH) {
        if ((flags & 6) == 6)
            return "PUBLISH with QoS 3";
        return (flags & 14) == 8 ? "DUP with QoS 0" : NULL; /* 3.3.1-2 */
    }
    if (type == 0 || (type == MQTT_AUTH && v != MQTT_V5))
        return "reserved packet type";
    if (v == MQTT_V31 && flags_of((enum mqtt_type)type) != 0)
        flags &= ~8u; /* DUP (MQTT 3.1, 2.1) */
    return flags == flags_of((enum mqtt_type)type) ? NULL : "reserved flags of the fixed header";
}

/* 2.1.4: how many bytes the fixed header has (2..5), 0 for more needed, -1 for a length of more
 * than four bytes. 3.1.1 does not ask for the shortest form; MQTT 5 does (1.5.5-1). */
static inline int read_length(struct str in, uint32_t *out, bool *out_longer)
{
    const uint8_t *p = (const uint8_t *)in.p;
    uint32_t v = 0;

    *out_longer = false;
    for (unsigned i = 1; i < HEADER_MAX; i++) {
        if (i >= in.n)
            return 0;
        v |= (uint32_t)(p[i] & 0x7f) << (7 * (i - 1));
        if (p[i] < 0x80) {
            *out = v;
            *out_longer = i > 1 && p[i] == 0;
            return (int)i + 1;
        }
    }
    return -1;
}

/* Every body but that of PUBLISH. */
static int read_body(struct str body, enum mqtt_version v, struct mqtt_packet *out,
                     struct wire_why *why)
{
    switch (out->type) {
    case MQTT_CONNECT:
        return mqtt_read_connect(body, &out->connect, why);
    case MQTT_CONNACK:
        return mqtt_read_connack(body, v, &out->connack, why);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        return read_ack(body, v, out->type, &out->ack, why);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return mqtt_read_subscribe(body, v, out->type, &out->subscribe, why);
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        return mqtt_read_suback(body, v, out->type, &out->suback, why);
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        return body.n == 0 ? 0 : mqtt_malformed(why, 0, "ping with a body");
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        return mqtt_read_reasoned(body, v, out->type, &out->reasoned, why);
    case MQTT_PUBLISH:
        break;
    }
    assert(false && "a body that read_body does not know");
    return ERR_PROTO;
}

/* Makes an offset in the body one in the packet. */
static int refused(int rc, size_t header, struct wire_why *why)
{
    if (why)
        why->at += header;
    return rc;
}

static int too_long(size_t header, struct wire_why *why)
{
    (void)wire_refuse(why, MQTT_REASON_TOO_LARGE, header, "packet is longer than allowed");
    return ERR_LIMIT;
}

int mqtt_decode(struct str in, enum mqtt_version v, size_t max_bytes, struct mqtt_packet *out,
                size_t *out_used, struct wire_why *why)
{
    unsigned first;
    uint32_t n = 0;
    bool longer;
    const char *broken;
    size_t header;
    struct str body;
    int rc;

    if (in.n == 0)
        return ERR_MORE;
    first = (unsigned char)in.p[0];
    broken = first_broken(first, v);
    if (broken)
        return mqtt_malformed(why, 0, broken);
    v = v == MQTT_V31 ? MQTT_V311 : v;
    rc = read_length(in, &n, &longer);
    if (rc < 0)
        return mqtt_malformed(why, 1, "remaining length of more than four bytes");
    if (rc == 0)
        return ERR_MORE;
    header = (size_t)rc;
    if (header > max_bytes || n > max_bytes - header)
        return too_long(header, why);
    if (n > in.n - header)
        return ERR_MORE;
    body = (struct str){ in.p + header, n };
    out->type = (enum mqtt_type)(first >> 4);
    if (out->type == MQTT_PUBLISH)
        rc = read_publish(body, first, v, &out->publish, why);
    else
        rc = read_body(body, v, out, why);
    if (rc)
        return refused(rc, header, why);
    if (longer && (out->type == MQTT_CONNECT ? out->connect.version : v) == MQTT_V5)
        return mqtt_malformed(why, 1, "remaining length is not in its shortest form");
    *out_used = header + n;
    return 0;
}

int mqtt_publish_front(struct str in, struct mqtt_publish *out, size_t *out_n, struct wire_why *why)
{
    uint32_t n = 0;
    bool longer;
    int header = read_length(in, &n, &longer);
    struct rd r;
    struct mqtt_publish m = { 0 };
    uint32_t front;

    if (header <= 0 || in.n - (size_t)header < 2)
        return ERR_MORE;
    r = rd_init(str_skip(in, (size_t)header));
    m.qos = (uint8_t)((unsigned char)in.p[0] >> 1 & 3);
    m.dup = in.p[0] & 8;
    front = 2u + rd_u16(&r) + (m.qos > 0 ? 2 : 0);
    if (front > n)
        return mqtt_malformed(why, (size_t)header, "topic name runs out of packet");
    if (front > in.n - (size_t)header)
        return ERR_MORE;
    rd_skip(&r, front - 2 - (m.qos > 0 ? 2 : 0));
    m.packet_id = m.qos > 0 ? rd_u16(&r) : 0;
    if (m.qos > 0 && m.packet_id == 0)
        return wire_refuse(why, MQTT_REASON_PROTOCOL, (size_t)header, "packet id 0");
    *out = m;
    *out_n = (size_t)header + n;
    return 0;
}

static void write_body(const struct mqtt_packet *p, enum mqtt_version v, struct buf *out)
{
    switch (p->type) {
    case MQTT_CONNECT:
        mqtt_write_connect(out, &p->connect);
        break;
    case MQTT_CONNACK:
        mqtt_write_connack(out, v, &p->connack);
        break;
    case MQTT_PUBLISH:
        write_publish(out, v, &p->publish);
        break;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        write_ack(out, v, &p->ack);
        break;
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        mqtt_write_subscribe(out, v, &p->subscribe);
        break;
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        mqtt_write_suback(out, v, p->type, &p->suback);
        break;
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        break;
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        mqtt_write_reasoned(out, v, &p->reasoned);
        break;
    }
}

static unsigned publish_flags(unsigned qos, bool dup, bool retain)
{
    return qos << 1 | (dup ? 8u : 0u) | (retain ? 1u : 0u);
}

void mqtt_encode(const struct mqtt_packet *p, enum mqtt_version v, struct buf *out)
{
    static const char room[HEADER_MAX] = { 0 };
    size_t start = out->n, header, n;
    char length[4];
    unsigned flags = p->type == MQTT_PUBLISH
                         ? publish_flags(p->publish.qos, p->publish.dup, p->publish.retain)
                         : flags_of(p->type);

    /* The body is written behind the longest header and moved up to the real one. */
    buf_put_bytes(out, room, sizeof(room));
    write_body(p, v, out);
    if (out->over)
        return;
    n = out->n - start - sizeof(room);
    if (n > MQTT_VARINT_MAX) {
        out->over = true;
        return;
    }
    out->p[start] = (char)((unsigned)p->type << 4 | flags);
    header = 1 + mqtt_varint_write(length, (uint32_t)n);
    memcpy(out->p + start + 1, length, header - 1);
    memmove(out->p + start + header, out->p + start + sizeof(room), n);
    out->n = start + header + n;
}

/* ---- fast paths ---- */

size_t mqtt_ack_write(char out[MQTT_ACK_MAX], enum mqtt_version v, enum mqtt_type type,
                      uint16_t packet_id, uint8_t code)
{
    bool coded = v == MQTT_V5 && code != 0;

    out[0] = (char)((unsigned)type << 4 | flags_of(type));
    out[1] = coded ? 3 : 2;
    out[2] = (char)(packet_id >> 8);
    out[3] = (char)packet_id;
    out[4] = (char)code;
    return coded ? 5 : 4;
}

size_t mqtt_disconnect_write(char out[MQTT_ACK_MAX], enum mqtt_version v, uint8_t code)
{
    bool coded = v == MQTT_V5 && code != 0;

    out[0] = (char)(MQTT_DISCONNECT << 4);
    out[1] = coded ? 1 : 0;
    out[2] = (char)code;
    return coded ? 3 : 2;
}

/* The properties without their length. */
static size_t out_props_size(const struct mqtt_publish_out *p)
{
    size_t n = (p->has_expiry ? 5u : 0u) + (p->topic_alias ? 3u : 0u) + p->props.n;

    for (size_t i = 0; i < p->sub_id_count; i++)
        n += 1 + mqtt_varint_size(p->sub_ids[i]);
    return n;
}

/* Behind the fixed header, the payload included. */
static size_t out_remaining(enum mqtt_version v, const struct mqtt_publish_out *p, size_t props_n)
{
    size_t n = 2 + p->topic.n + (p->qos > 0 ? 2u : 0u) + p->payload_n;

    if (v == MQTT_V5)
        n += mqtt_varint_size((uint32_t)props_n) + props_n;
    return n;
}

static char *put_u16(char *to, unsigned v)
{
    to[0] = (char)(v >> 8);
    to[1] = (char)v;
    return to + 2;
}

static char *put_str(char *to, struct str s)
{
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    return to + s.n;
}

static char *put_out_props(char *to, const struct mqtt_publish_out *p, size_t props_n)
{
    to += mqtt_varint_write(to, (uint32_t)props_n);
    if (p->has_expiry) {
        *to++ = MQTT_PROP_MESSAGE_EXPIRY;
        to = put_u16(to, p->expiry_s >> 16);
        to = put_u16(to, p->expiry_s & 0xffff);
    }
    if (p->topic_alias) {
        *to++ = MQTT_PROP_TOPIC_ALIAS;
        to = put_u16(to, p->topic_alias);
    }
    for (size_t i = 0; i < p->sub_id_count; i++) {
        *to++ = MQTT_PROP_SUBSCRIPTION_ID;
        to += mqtt_varint_write(to, p->sub_ids[i]);
    }
    return put_str(to, p->props);
}

size_t mqtt_publish_header(char *out, enum mqtt_version v, const struct mqtt_publish_out *p)
{
    size_t props_n = v == MQTT_V5 ? out_props_size(p) : 0;
    size_t n = out_remaining(v, p, props_n);
    char *to = out;

    assert(n <= MQTT_VARINT_MAX);
    *to++ = (char)(MQTT_PUBLISH << 4 | publish_flags(p->qos, p->dup, p->retain));
    to += mqtt_varint_write(to, (uint32_t)n);
    to = put_u16(to, (unsigned)p->topic.n);
    to = put_str(to, p->topic);
    if (p->qos > 0)
        to = put_u16(to, p->packet_id);
    if (v == MQTT_V5)
        to = put_out_props(to, p, props_n);
    return (size_t)(to - out);
}

size_t mqtt_publish_size(enum mqtt_version v, const struct mqtt_publish_out *p)
{
    size_t n = out_remaining(v, p, v == MQTT_V5 ? out_props_size(p) : 0);

    return 1 + mqtt_varint_size((uint32_t)n) + n;
}

size_t mqtt_publish_id_offset(enum mqtt_version v, const struct mqtt_publish_out *p)
{
    size_t n = out_remaining(v, p, v == MQTT_V5 ? out_props_size(p) : 0);

    return 1 + mqtt_varint_size((uint32_t)n) + 2 + p->topic.n;
}
