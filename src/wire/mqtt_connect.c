/*
 * The bodies of CONNECT, CONNACK, DISCONNECT and AUTH (MQTT 5: 3.1, 3.2, 3.14, 3.15), reader
 * beside writer. A CONNECT is the one packet that carries its own version, so its reader decides
 * which standard applies to the rest of it.
 *
 * MQTT 3.1 ("MQIsdp") is read as 3.1.1, which says more strictly what it means: its packets are the
 * same, but for DUP in what is sent again, and a CONNACK knows no session present. Its limit of 23
 * characters on a client id is not kept, as with other brokers.
 */
#include "wire/mqtt_body.h"

enum connect_flag {
    FLAG_RESERVED = 0x01,
    FLAG_CLEAN = 0x02,
    FLAG_WILL = 0x04,
    FLAG_WILL_QOS = 0x18,
    FLAG_WILL_RETAIN = 0x20,
    FLAG_PASSWORD = 0x40,
    FLAG_USERNAME = 0x80,
};

/* 3.1.2.11 */
#define CONNECT_PROPS                                                                              \
    (MQTT_HAS(SESSION_EXPIRY) | MQTT_HAS(RECEIVE_MAX) | MQTT_HAS(MAX_PACKET) |                     \
     MQTT_HAS(TOPIC_ALIAS_MAX) | MQTT_HAS(REQUEST_RESPONSE_INFO) |                                 \
     MQTT_HAS(REQUEST_PROBLEM_INFO) | MQTT_HAS(USER) | MQTT_HAS(AUTH_METHOD) |                     \
     MQTT_HAS(AUTH_DATA))
/* 3.1.3.2 */
#define WILL_PROPS                                                                                 \
    (MQTT_HAS(WILL_DELAY) | MQTT_HAS(PAYLOAD_FORMAT) | MQTT_HAS(MESSAGE_EXPIRY) |                  \
     MQTT_HAS(CONTENT_TYPE) | MQTT_HAS(RESPONSE_TOPIC) | MQTT_HAS(CORRELATION_DATA) |              \
     MQTT_HAS(USER))
/* 3.2.2.3 */
#define CONNACK_PROPS                                                                              \
    (MQTT_HAS(SESSION_EXPIRY) | MQTT_HAS(RECEIVE_MAX) | MQTT_HAS(MAX_QOS) |                        \
     MQTT_HAS(RETAIN_AVAILABLE) | MQTT_HAS(MAX_PACKET) | MQTT_HAS(ASSIGNED_CLIENT_ID) |            \
     MQTT_HAS(TOPIC_ALIAS_MAX) | MQTT_HAS(REASON_STRING) | MQTT_HAS(USER) |                        \
     MQTT_HAS(WILDCARD_AVAILABLE) | MQTT_HAS(SUB_ID_AVAILABLE) | MQTT_HAS(SHARED_AVAILABLE) |      \
     MQTT_HAS(SERVER_KEEP_ALIVE) | MQTT_HAS(RESPONSE_INFO) | MQTT_HAS(SERVER_REFERENCE) |          \
     MQTT_HAS(AUTH_METHOD) | MQTT_HAS(AUTH_DATA))
/* 3.14.2.2 and 3.15.2.2 */
#define DISCONNECT_PROPS                                                                           \
    (MQTT_HAS(SESSION_EXPIRY) | MQTT_HAS(REASON_STRING) | MQTT_HAS(USER) |                         \
     MQTT_HAS(SERVER_REFERENCE))
#define AUTH_PROPS                                                                                 \
    (MQTT_HAS(AUTH_METHOD) | MQTT_HAS(AUTH_DATA) | MQTT_HAS(REASON_STRING) | MQTT_HAS(USER))

/* ---- CONNECT ---- */

/* Set in the level by a bridge that speaks 3.1 or 3.1.1: see struct mqtt_connect. */
#define BRIDGE_LEVEL 0x80u

/* Name and level (3.1.2.1, 3.1.2.2). */
static int read_version(struct rd *r, struct mqtt_connect *out, struct wire_why *why)
{
    struct str name = mqtt_text_read(r);
    unsigned level = rd_u8(r);
    bool old = str_eq(name, STR("MQIsdp"));
    unsigned lowest = old ? MQTT_V31 : MQTT_V311;
    bool bridge = level == (lowest | BRIDGE_LEVEL);

    if (r->bad || (!old && !str_eq(name, STR("MQTT"))))
        return mqtt_malformed(why, 0, "protocol name is not MQTT");
    if (level != lowest && !bridge && (old || level != MQTT_V5)) {
        (void)wire_refuse(why, MQTT_REASON_BAD_VERSION, r->at - 1,
                          "protocol level is not 4 or 5 (MQIsdp: 3)");
        return ERR_VERSION;
    }
    out->version = level == MQTT_V5 ? MQTT_V5 : MQTT_V311;
    out->v31 = old;
    out->bridge = bridge;
    return 0;
}

/* 3.1.2.3 to 3.1.2.9, and for 3.1.1 also 3.1.2-22: no password without a user name. */
static const char *flags_broken(unsigned flags, enum mqtt_version v)
{
    if (flags & FLAG_RESERVED)
        return "reserved connect flag is set";
    if (!(flags & FLAG_WILL) && (flags & (FLAG_WILL_QOS | FLAG_WILL_RETAIN)))
        return "will flags without a will";
    if ((flags & FLAG_WILL_QOS) == FLAG_WILL_QOS)
        return "will QoS 3";
    if (v == MQTT_V311 && (flags & FLAG_PASSWORD) && !(flags & FLAG_USERNAME))
        return "password without user name";
    return NULL;
}

static int read_will(struct rd *r, struct str body, unsigned flags, enum mqtt_version v,
                     struct mqtt_will *out, struct wire_why *why)
{
    size_t at;
    int rc = mqtt_body_props(r, body, v, WILL_PROPS, &out->props, why);

    if (rc)
        return rc;
    out->qos = (uint8_t)((flags & FLAG_WILL_QOS) >> 3);
    out->retain = flags & FLAG_WILL_RETAIN;
    at = r->at;
    out->topic = mqtt_text_read(r);
    out->payload = mqtt_text_read(r);
    if (r->bad)
        return mqtt_malformed(why, at, "will runs out of packet");
    if (!utf8_valid_mqtt(out->topic))
        return mqtt_malformed(why, at, "will topic is not UTF-8");
    if (!mqtt_topic_valid(out->topic))
        return wire_refuse(why, MQTT_REASON_BAD_TOPIC, at, "will topic is not a topic name");
    return 0;
}

/* User name and password (3.1.3.5, 3.1.3.6), the last fields. */
static int read_login(struct rd *r, unsigned flags, struct mqtt_connect *out, struct wire_why *why)
{
    size_t at = r->at;

    out->has_username = flags & FLAG_USERNAME;
    out->has_password = flags & FLAG_PASSWORD;
    out->username = out->has_username ? mqtt_text_read(r) : STR_NONE;
    out->password = out->has_password ? mqtt_text_read(r) : STR_NONE;
    if (r->bad)
        return mqtt_malformed(why, at, "user name or password runs out of packet");
    if (!utf8_valid_mqtt(out->username))
        return mqtt_malformed(why, at, "user name is not UTF-8");
    if (rd_left(r) > 0)
        return mqtt_malformed(why, r->at, "bytes behind the last field");
    return 0;
}

int mqtt_read_connect(struct str body, struct mqtt_connect *out, struct wire_why *why)
{
    struct rd r = rd_init(body);
    enum mqtt_version v;
    const char *broken;
    unsigned flags;
    size_t at;
    int rc = read_version(&r, out, why);

    if (rc)
        return rc;
    v = out->version;
    at = r.at;
    flags = rd_u8(&r);
    broken = flags_broken(flags, v);
    if (broken)
        return mqtt_malformed(why, at, broken);
    out->clean_start = flags & FLAG_CLEAN;
    out->has_will = flags & FLAG_WILL;
    out->keep_alive_s = rd_u16(&r);
    rc = mqtt_body_props(&r, body, v, CONNECT_PROPS, &out->props, why);
    if (rc)
        return rc;
    at = r.at;
    out->client_id = mqtt_text_read(&r);
    if (r.bad || !utf8_valid_mqtt(out->client_id))
        return mqtt_malformed(why, at, "client id is not a UTF-8 string");
    rc = out->has_will ? read_will(&r, body, flags, v, &out->will, why) : 0;
    return rc ? rc : read_login(&r, flags, out, why);
}

void mqtt_write_connect(struct buf *out, const struct mqtt_connect *c)
{
    unsigned flags = (c->clean_start ? FLAG_CLEAN : 0u) | (c->has_username ? FLAG_USERNAME : 0u) |
                     (c->has_password ? FLAG_PASSWORD : 0u);

    if (c->has_will)
        flags |= FLAG_WILL | (unsigned)c->will.qos << 3 | (c->will.retain ? FLAG_WILL_RETAIN : 0u);
    mqtt_text_write(out, c->v31 ? STR("MQIsdp") : STR("MQTT"));
    buf_u8(out, (uint8_t)((c->v31 ? MQTT_V31 : c->version) |
                          (c->bridge && c->version == MQTT_V311 ? BRIDGE_LEVEL : 0)));
    buf_u8(out, (uint8_t)flags);
    buf_u16(out, c->keep_alive_s);
    if (c->version == MQTT_V5)
        mqtt_props_write(out, &c->props);
    mqtt_text_write(out, c->client_id);
    if (c->has_will) {
        if (c->version == MQTT_V5)
            mqtt_props_write(out, &c->will.props);
        mqtt_text_write(out, c->will.topic);
        mqtt_text_write(out, c->will.payload);
    }
    if (c->has_username)
        mqtt_text_write(out, c->username);
    if (c->has_password)
        mqtt_text_write(out, c->password);
}

/* ---- CONNACK ---- */

int mqtt_read_connack(struct str body, enum mqtt_version v, struct mqtt_connack *out,
                      struct wire_why *why)
{
    struct rd r = rd_init(body);
    unsigned flags = rd_u8(&r);
    int rc;

    out->code = rd_u8(&r);
    if (flags > 1)
        return mqtt_malformed(why, 0, "reserved acknowledge flag is set");
    out->session_present = flags;
    rc = mqtt_body_props(&r, body, v, CONNACK_PROPS, &out->props, why);
    if (rc)
        return rc;
    if (v == MQTT_V311 ? out->code > MQTT_V311_NOT_AUTHORIZED
                       : !mqtt_reason_allowed(MQTT_CONNACK, out->code))
        return wire_refuse(why, MQTT_REASON_PROTOCOL, 1, "not a code of CONNACK");
    if (out->session_present && out->code != 0) /* 3.2.2-6; 3.1.1: 3.2.2-4 */
        return wire_refuse(why, MQTT_REASON_PROTOCOL, 0, "session present in a refusal");
    if (rd_left(&r) > 0)
        return mqtt_malformed(why, r.at, "bytes behind the last field");
    return 0;
}

void mqtt_write_connack(struct buf *out, enum mqtt_version v, const struct mqtt_connack *c)
{
    buf_u8(out, c->session_present);
    buf_u8(out, c->code);
    if (v == MQTT_V5)
        mqtt_props_write(out, &c->props);
}

/* ---- DISCONNECT, AUTH ---- */

int mqtt_read_reasoned(struct str body, enum mqtt_version v, enum mqtt_type type,
                       struct mqtt_reasoned *out, struct wire_why *why)
{
    struct rd r = rd_init(body);
    int rc;

    out->code = MQTT_REASON_SUCCESS;
    out->props.has = 0;
    out->props.raw = STR_NONE;
    if (body.n == 0)
        return 0;
    if (v == MQTT_V311)
        return mqtt_malformed(why, 0, "DISCONNECT with a body");
    out->code = rd_u8(&r);
    if (!mqtt_reason_allowed(type, out->code))
        return wire_refuse(why, MQTT_REASON_PROTOCOL, 0, "not a code of this packet");
    if (body.n > 1) {
        rc = mqtt_body_props(&r, body, v, type == MQTT_AUTH ? AUTH_PROPS : DISCONNECT_PROPS,
                             &out->props, why);
        if (rc)
            return rc;
    }
    if (type == MQTT_AUTH && !(out->props.has & MQTT_HAS(AUTH_METHOD))) /* 3.15.2.2.2 */
        return wire_refuse(why, MQTT_REASON_PROTOCOL, r.at, "AUTH without a method");
    if (rd_left(&r) > 0)
        return mqtt_malformed(why, r.at, "bytes behind the last field");
    return 0;
}

void mqtt_write_reasoned(struct buf *out, enum mqtt_version v, const struct mqtt_reasoned *d)
{
    bool plain = d->props.has == 0 && d->props.raw.n == 0;

    if (v == MQTT_V311 || (plain && d->code == 0))
        return;
    buf_u8(out, d->code);
    if (!plain)
        mqtt_props_write(out, &d->props);
}
