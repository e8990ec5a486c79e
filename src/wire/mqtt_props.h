#ifndef WIRE_MQTT_PROPS_H
#define WIRE_MQTT_PROPS_H
/*
 * The properties of MQTT 5 packets (section 2.2.2). Decoding has checked that each is allowed in
 * its packet, appears once (but for User Property, and Subscription Identifier in a PUBLISH), and
 * has a value that the standard permits. Under 3.1.1 a packet has none.
 */
#include "base/str.h"
#include "wire/why.h"

struct buf;

/* X(NAME, field, identifier, kind) in the order of section 2.2.2.2. */
#define MQTT_PROP_LIST(X)                                                                          \
    X(PAYLOAD_FORMAT, payload_format, 0x01, U8)                                                    \
    X(MESSAGE_EXPIRY, message_expiry_s, 0x02, U32)                                                 \
    X(CONTENT_TYPE, content_type, 0x03, TEXT)                                                      \
    X(RESPONSE_TOPIC, response_topic, 0x08, TEXT)                                                  \
    X(CORRELATION_DATA, correlation_data, 0x09, BYTES)                                             \
    X(SUBSCRIPTION_ID, subscription_id, 0x0b, VARINT)                                              \
    X(SESSION_EXPIRY, session_expiry_s, 0x11, U32)                                                 \
    X(ASSIGNED_CLIENT_ID, assigned_client_id, 0x12, TEXT)                                          \
    X(SERVER_KEEP_ALIVE, server_keep_alive_s, 0x13, U16)                                           \
    X(AUTH_METHOD, auth_method, 0x15, TEXT)                                                        \
    X(AUTH_DATA, auth_data, 0x16, BYTES)                                                           \
    X(REQUEST_PROBLEM_INFO, request_problem_info, 0x17, U8)                                        \
    X(WILL_DELAY, will_delay_s, 0x18, U32)                                                         \
    X(REQUEST_RESPONSE_INFO, request_response_info, 0x19, U8)                                      \
    X(RESPONSE_INFO, response_info, 0x1a, TEXT)                                                    \
    X(SERVER_REFERENCE, server_reference, 0x1c, TEXT)                                              \
    X(REASON_STRING, reason_string, 0x1f, TEXT)                                                    \
    X(RECEIVE_MAX, receive_max, 0x21, U16)                                                         \
    X(TOPIC_ALIAS_MAX, topic_alias_max, 0x22, U16)                                                 \
    X(TOPIC_ALIAS, topic_alias, 0x23, U16)                                                         \
    X(MAX_QOS, max_qos, 0x24, U8)                                                                  \
    X(RETAIN_AVAILABLE, retain_available, 0x25, U8)                                                \
    X(MAX_PACKET, max_packet, 0x27, U32)                                                           \
    X(WILDCARD_AVAILABLE, wildcard_available, 0x28, U8)                                            \
    X(SUB_ID_AVAILABLE, sub_id_available, 0x29, U8)                                                \
    X(SHARED_AVAILABLE, shared_available, 0x2a, U8)

enum mqtt_prop {
#define MQTT_PROP_ID(name, field, id, kind) MQTT_PROP_##name = id,
    MQTT_PROP_LIST(MQTT_PROP_ID)
#undef MQTT_PROP_ID
        MQTT_PROP_USER = 0x26, /* lives in `raw` only: mqtt_props_user() */
};

/* The presence bit of a property. */
#define MQTT_HAS(name) ((uint64_t)1 << MQTT_PROP_##name)

struct mqtt_props {
    /* MQTT_HAS(…) of each that is present. A field below means something only when its bit is set:
     * the decoder leaves the others as they were, and `= { 0 }` makes an empty set for encoding. */
    uint64_t has;
    /* The encoded properties without their length. The decoder sets it to all of them. An encoder
     * takes the fields by `has`, and from raw only what has no field: the user properties and, in a
     * PUBLISH, the subscription identifiers after the first. So a decoded set encodes to itself. */
    struct str raw;
#define MQTT_FIELD_U8                          uint8_t
#define MQTT_FIELD_U16                         uint16_t
#define MQTT_FIELD_U32                         uint32_t
#define MQTT_FIELD_VARINT                      uint32_t
#define MQTT_FIELD_TEXT                        struct str
#define MQTT_FIELD_BYTES                       struct str
#define MQTT_PROP_FIELD(name, field, id, kind) MQTT_FIELD_##kind field;
    MQTT_PROP_LIST(MQTT_PROP_FIELD)
#undef MQTT_PROP_FIELD
};

/* Steps through the user properties of a validated raw view, in their order: *at starts at 0;
 * false at the end. */
bool mqtt_props_user(struct str raw, size_t *at, struct str *out_name, struct str *out_value);
/* As mqtt_props_user for the subscription identifiers (a PUBLISH may carry several). */
bool mqtt_props_sub_id(struct str raw, size_t *at, uint32_t *out_id);
/* The Response Topic of a validated raw view; *out_whole: the part of raw that is this property. */
bool mqtt_props_response_topic(struct str raw, struct str *out_topic, struct str *out_whole);

/* Appends one property in its encoded form, for building `raw` or mqtt_publish_out.props. */
void mqtt_props_put_user(struct buf *raw, struct str name, struct str value);
void mqtt_props_put_text(struct buf *raw, enum mqtt_prop id, struct str value); /* TEXT, BYTES */
void mqtt_props_put_number(struct buf *raw, enum mqtt_prop id, uint32_t value); /* U8, U16, U32 */
/* Appends what a server must hand on unaltered with a PUBLISH or a will (MQTT 5, 3.3.2.3 and
 * 3.1.3.2): payload format, response topic, correlation data, content type, user properties in
 * their order. Not the expiry (which runs down), the alias and the subscription identifiers. */
void mqtt_props_forward(struct buf *raw, const struct mqtt_props *from);

/* ---- for the codec ---- */
/* Reads the properties at *at of body (length first) and moves *at behind them. allowed: MQTT_HAS
 * bits; the bits of USER and of the rest alike. sub_id_many: Subscription Identifier may repeat.
 * 0 or ERR_PROTO (0x81, 0x82, 0x90), with offsets from the start of body. */
MUST_USE int mqtt_props_read(struct str body, size_t *at, uint64_t allowed, bool sub_id_many,
                             struct mqtt_props *out, struct wire_why *why);
/* Appends the set with its length in front. */
void mqtt_props_write(struct buf *out, const struct mqtt_props *p);
/* Variable byte integer (1.5.5): returns the bytes written, 1..4. v <= 268435455. */
#define MQTT_VARINT_MAX 268435455u
size_t mqtt_varint_write(char out[4], uint32_t v);
size_t mqtt_varint_size(uint32_t v);
/* Bytes used (1..4), 0 when more bytes are needed, -1 when it is longer than 4 bytes or than its
 * value needs (1.5.5-1). */
int mqtt_varint_read(struct str in, uint32_t *out);

#endif
