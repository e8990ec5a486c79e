/*
 * The properties of MQTT 5 (section 2.2.2): one table of what each is, one reader and one writer.
 * Which packet may carry which is the caller's mask; what values a property may have is the same
 * everywhere and is checked here.
 *
 * Errors follow section 4.13: an identifier that is unknown or does not belong to the packet, and
 * bytes that do not fit their type, are a malformed packet (0x81); a second appearance and a value
 * outside its range are a protocol error (0x82).
 */
#include "wire/mqtt_props.h"

#include "base/buf.h"
#include "wire/mqtt.h"

#include <assert.h>

enum kind { NONE, U8, U16, U32, VARINT, TEXT, BYTES, PAIR };

#define PROP_ID_END 0x2b

/* What may stand in a property of this kind, beyond the kind itself. */
enum rule {
    ANY,
    BOOLEAN,  /* 0 or 1 */
    NOT_ZERO, /* 0 is a protocol error */
    TOPIC,    /* a topic name */
};

static const struct prop_row {
    unsigned char kind, rule;
    unsigned short field; /* offset in struct mqtt_props */
} rows[PROP_ID_END] = {
#define PROP_ROW(name, member, id, k) [id] = { k, ANY, offsetof(struct mqtt_props, member) },
    MQTT_PROP_LIST(PROP_ROW)
#undef PROP_ROW
        [MQTT_PROP_USER] = { PAIR, ANY, 0 },
};

/* Kept apart from the list so that the list stays one line per property. */
static enum rule rule_of(unsigned id)
{
    switch (id) {
    case MQTT_PROP_PAYLOAD_FORMAT:
    case MQTT_PROP_REQUEST_PROBLEM_INFO:
    case MQTT_PROP_REQUEST_RESPONSE_INFO:
    case MQTT_PROP_MAX_QOS:
    case MQTT_PROP_RETAIN_AVAILABLE:
    case MQTT_PROP_WILDCARD_AVAILABLE:
    case MQTT_PROP_SUB_ID_AVAILABLE:
    case MQTT_PROP_SHARED_AVAILABLE:
        return BOOLEAN;
    case MQTT_PROP_SUBSCRIPTION_ID:
    case MQTT_PROP_RECEIVE_MAX:
    case MQTT_PROP_TOPIC_ALIAS:
    case MQTT_PROP_MAX_PACKET:
        return NOT_ZERO;
    case MQTT_PROP_RESPONSE_TOPIC:
        return TOPIC;
    default:
        return ANY;
    }
}

/* ---- variable byte integers, 1.5.5 ---- */

size_t mqtt_varint_size(uint32_t v)
{
    return v < 128 ? 1 : v < 16384 ? 2 : v < 2097152 ? 3 : 4;
}

size_t mqtt_varint_write(char out[4], uint32_t v)
{
    size_t n = 0;

    assert(v <= MQTT_VARINT_MAX);
    while (v >= 128) {
        out[n++] = (char)((v & 0x7f) | 0x80);
        v >>= 7;
    }
    out[n++] = (char)v;
    return n;
}

int mqtt_varint_read(struct str in, uint32_t *out)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < 4; i++) {
        unsigned char c;

        if (i >= in.n)
            return 0;
        c = (unsigned char)in.p[i];
        v |= (uint32_t)(c & 0x7f) << (7 * i);
        if (c < 0x80) {
            if (mqtt_varint_size(v) != i + 1)
                return -1;
            *out = v;
            return (int)i + 1;
        }
    }
    return -1;
}

/* ---- one property ---- */

/* A value as it is read: a number or bytes, for a user property two of them. */
struct value {
    uint32_t number;
    struct str text, second;
};

static bool take_number(struct str *rest, size_t bytes, uint32_t *out)
{
    uint32_t v = 0;

    if (rest->n < bytes)
        return false;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | (unsigned char)rest->p[i];
    *out = v;
    *rest = str_skip(*rest, bytes);
    return true;
}

/* Two bytes of length and as many bytes (1.5.4, 1.5.6). */
static bool take_text(struct str *rest, struct str *out)
{
    uint32_t n;

    if (!take_number(rest, 2, &n) || rest->n < n)
        return false;
    *out = (struct str){ rest->p, n };
    *rest = str_skip(*rest, n);
    return true;
}

static bool take_varint(struct str *rest, uint32_t *out)
{
    int used = mqtt_varint_read(*rest, out);

    if (used <= 0)
        return false;
    *rest = str_skip(*rest, (size_t)used);
    return true;
}

/* The value of a property of this kind from the front of *rest; false when it does not fit. */
static bool take_value(struct str *rest, unsigned kind, struct value *out)
{
    switch ((enum kind)kind) {
    case U8:
        return take_number(rest, 1, &out->number);
    case U16:
        return take_number(rest, 2, &out->number);
    case U32:
        return take_number(rest, 4, &out->number);
    case VARINT:
        return take_varint(rest, &out->number);
    case TEXT:
        return take_text(rest, &out->text) && utf8_valid_mqtt(out->text);
    case BYTES:
        return take_text(rest, &out->text);
    case PAIR:
        return take_text(rest, &out->text) && take_text(rest, &out->second) &&
               utf8_valid_mqtt(out->text) && utf8_valid_mqtt(out->second);
    case NONE:
        return false;
    }
    return false;
}

/* The constant text of a broken rule, or NULL. */
static const char *rule_broken(enum rule rule, const struct value *v)
{
    switch (rule) {
    case BOOLEAN:
        return v->number > 1 ? "property is neither 0 nor 1" : NULL;
    case NOT_ZERO:
        return v->number == 0 ? "property may not be 0" : NULL;
    case TOPIC:
        return mqtt_topic_valid(v->text) ? NULL : "response topic is not a topic name";
    case ANY:
        return NULL;
    }
    return NULL;
}

static void store(struct mqtt_props *p, const struct prop_row *row, const struct value *v)
{
    char *field = (char *)p + row->field;
    uint8_t u8 = (uint8_t)v->number;
    uint16_t u16 = (uint16_t)v->number;

    switch ((enum kind)row->kind) {
    case U8:
        memcpy(field, &u8, sizeof(u8));
        break;
    case U16:
        memcpy(field, &u16, sizeof(u16));
        break;
    case U32:
    case VARINT:
        memcpy(field, &v->number, sizeof(v->number));
        break;
    case TEXT:
    case BYTES:
        memcpy(field, &v->text, sizeof(v->text));
        break;
    case PAIR: /* stays in raw */
    case NONE:
        break;
    }
}

/* ---- all properties of a packet ---- */

int mqtt_props_read(struct str body, size_t *at, uint64_t allowed, bool sub_id_many,
                    struct mqtt_props *out, struct wire_why *why)
{
    uint64_t many = MQTT_HAS(USER) | (sub_id_many ? MQTT_HAS(SUBSCRIPTION_ID) : 0);
    struct str rest = str_skip(body, *at);
    uint64_t has = 0;
    uint32_t n;

    if (!take_varint(&rest, &n) || n > rest.n)
        return wire_refuse(why, MQTT_REASON_MALFORMED, *at, "property length runs out of packet");
    out->raw = (struct str){ rest.p, n };
    rest = out->raw;
    while (rest.n > 0) {
        size_t where = (size_t)(rest.p - body.p);
        unsigned id = (unsigned char)rest.p[0]; /* all identifiers are below 128: one byte */
        struct value v = { 0 };
        const char *text;
        uint64_t bit;

        if (id >= PROP_ID_END || !(allowed >> id & 1))
            return wire_refuse(why, MQTT_REASON_MALFORMED, where, "property not of this packet");
        rest = str_skip(rest, 1);
        if (!take_value(&rest, rows[id].kind, &v))
            return wire_refuse(why, MQTT_REASON_MALFORMED, where, "malformed property");
        text = rule_broken(rule_of(id), &v);
        if (text)
            return wire_refuse(why, MQTT_REASON_PROTOCOL, where, text);
        bit = UINT64_C(1) << id;
        if (!(has & bit))
            store(out, &rows[id], &v);
        else if (!(many & bit))
            return wire_refuse(why, MQTT_REASON_PROTOCOL, where, "property appears twice");
        has |= bit;
    }
    /* 3.1.2.11.10, 3.2.2.3.18: data belongs to a method. */
    if ((has & MQTT_HAS(AUTH_DATA)) && !(has & MQTT_HAS(AUTH_METHOD)))
        return wire_refuse(why, MQTT_REASON_PROTOCOL, *at, "authentication data without a method");
    out->has = has & ~MQTT_HAS(USER);
    *at = (size_t)(out->raw.p - body.p) + n;
    return 0;
}

/* The next property of a validated view; false at its end. */
static bool props_next(struct str raw, size_t *at, unsigned *out_id, struct value *out)
{
    struct str rest = str_skip(raw, *at);

    if (rest.n == 0)
        return false;
    *out_id = (unsigned char)rest.p[0];
    rest = str_skip(rest, 1);
    if (*out_id >= PROP_ID_END || !take_value(&rest, rows[*out_id].kind, out))
        return false;
    *at = raw.n - rest.n;
    return true;
}

bool mqtt_props_user(struct str raw, size_t *at, struct str *out_name, struct str *out_value)
{
    struct value v = { 0 };
    unsigned id;

    while (props_next(raw, at, &id, &v)) {
        if (id != MQTT_PROP_USER)
            continue;
        *out_name = v.text;
        *out_value = v.second;
        return true;
    }
    return false;
}

bool mqtt_props_sub_id(struct str raw, size_t *at, uint32_t *out_id)
{
    struct value v = { 0 };
    unsigned id;

    while (props_next(raw, at, &id, &v)) {
        if (id != MQTT_PROP_SUBSCRIPTION_ID)
            continue;
        *out_id = v.number;
        return true;
    }
    return false;
}

bool mqtt_props_response_topic(struct str raw, struct str *out_topic, struct str *out_whole)
{
    size_t at = 0, from = 0;
    struct value v = { 0 };
    unsigned id;

    for (; props_next(raw, &at, &id, &v); from = at) {
        if (id != MQTT_PROP_RESPONSE_TOPIC)
            continue;
        *out_topic = v.text;
        *out_whole = str_sub(raw, from, at - from);
        return true;
    }
    return false;
}

static void put_text(struct buf *out, struct str s)
{
    assert(s.n <= UINT16_MAX);
    buf_u16(out, (uint16_t)s.n);
    buf_put(out, s);
}

static void put_varint(struct buf *out, uint32_t v)
{
    char bytes[4];

    buf_put_bytes(out, bytes, mqtt_varint_write(bytes, v));
}

void mqtt_props_put_user(struct buf *raw, struct str name, struct str value)
{
    buf_u8(raw, MQTT_PROP_USER);
    put_text(raw, name);
    put_text(raw, value);
}

void mqtt_props_put_text(struct buf *raw, enum mqtt_prop id, struct str value)
{
    assert(rows[id].kind == TEXT || rows[id].kind == BYTES);
    buf_u8(raw, (uint8_t)id);
    put_text(raw, value);
}

void mqtt_props_put_number(struct buf *raw, enum mqtt_prop id, uint32_t value)
{
    assert(rows[id].kind == U8 || rows[id].kind == U16 || rows[id].kind == U32);
    buf_u8(raw, (uint8_t)id);
    if (rows[id].kind == U32)
        buf_u32(raw, value);
    else if (rows[id].kind == U16)
        buf_u16(raw, (uint16_t)value);
    else
        buf_u8(raw, (uint8_t)value);
}

/* The field of one property that is present. */
static void put_field(struct buf *out, const struct mqtt_props *p, unsigned id)
{
    const char *field = (const char *)p + rows[id].field;
    struct str text;
    uint32_t u32;
    uint16_t u16;

    buf_u8(out, (uint8_t)id);
    switch ((enum kind)rows[id].kind) {
    case U8:
        buf_put_bytes(out, field, 1);
        break;
    case U16:
        memcpy(&u16, field, sizeof(u16));
        buf_u16(out, u16);
        break;
    case U32:
        memcpy(&u32, field, sizeof(u32));
        buf_u32(out, u32);
        break;
    case VARINT:
        memcpy(&u32, field, sizeof(u32));
        put_varint(out, u32);
        break;
    case TEXT:
    case BYTES:
        memcpy(&text, field, sizeof(text));
        put_text(out, text);
        break;
    case PAIR:
    case NONE:
        assert(false && "a property without a field");
    }
}

static void put_users(struct buf *out, struct str raw)
{
    struct str name, value;
    size_t at = 0;

    while (mqtt_props_user(raw, &at, &name, &value))
        mqtt_props_put_user(out, name, value);
}

void mqtt_props_forward(struct buf *raw, const struct mqtt_props *from)
{
    static const unsigned char kept[] = { MQTT_PROP_PAYLOAD_FORMAT, MQTT_PROP_CONTENT_TYPE,
                                          MQTT_PROP_RESPONSE_TOPIC, MQTT_PROP_CORRELATION_DATA };

    for (size_t i = 0; i < sizeof(kept); i++)
        if (from->has >> kept[i] & 1)
            put_field(raw, from, kept[i]);
    put_users(raw, from->raw);
}

static void put_props(struct buf *out, const struct mqtt_props *p)
{
    size_t at = 0;
    uint32_t id;

    for (unsigned i = 0; i < PROP_ID_END; i++)
        if (p->has >> i & 1)
            put_field(out, p, i);
    /* The first identifier of raw is the field. */
    if ((p->has & MQTT_HAS(SUBSCRIPTION_ID)) && mqtt_props_sub_id(p->raw, &at, &id))
        while (mqtt_props_sub_id(p->raw, &at, &id)) {
            buf_u8(out, MQTT_PROP_SUBSCRIPTION_ID);
            put_varint(out, id);
        }
    put_users(out, p->raw);
}

void mqtt_props_write(struct buf *out, const struct mqtt_props *p)
{
    size_t start = out->n, n;
    char length[4];
    size_t length_n;

    if (p->has == 0 && p->raw.n == 0) {
        buf_u8(out, 0);
        return;
    }
    /* Written behind four bytes of room and moved up to the length, whose size only then is
     * known. */
    buf_u32(out, 0);
    put_props(out, p);
    if (out->over)
        return;
    n = out->n - start - sizeof(length);
    length_n = mqtt_varint_write(length, (uint32_t)n);
    memcpy(out->p + start, length, length_n);
    memmove(out->p + start + length_n, out->p + start + sizeof(length), n);
    out->n = start + length_n + n;
}
