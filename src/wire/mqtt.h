#ifndef WIRE_MQTT_H
#define WIRE_MQTT_H
/*
 * MQTT 3.1.1 (OASIS 2014) and MQTT 5 (OASIS 2019): all packets, all properties, both directions.
 * Pure. Decoded packets are views into the input. Strict by the letter: reserved bits and flags,
 * UTF-8, names and filters, packet id 0, values and reason codes outside the standard are refused.
 *
 * What the codec cannot know is left to whoever uses it: which packet may come when and from which
 * side (a server must refuse a client's CONNACK, or a Subscription Identifier in a client's
 * PUBLISH), limits, topic aliases, and that a 3.1.1 client with an empty client id and
 * clean_start == false is to be answered 0x02 (3.1.3-8).
 */
#include "base/str.h"
#include "wire/mqtt_props.h"
#include "wire/mqtt_topic.h"
#include "wire/why.h"

struct buf;

/* MQTT_V31 is for mqtt_decode() alone: as 3.1.1, but what is sent again may have DUP set. */
enum mqtt_version { MQTT_V31 = 3, MQTT_V311 = 4, MQTT_V5 = 5 };

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK = 2,
    MQTT_PUBLISH = 3,
    MQTT_PUBACK = 4,
    MQTT_PUBREC = 5,
    MQTT_PUBREL = 6,
    MQTT_PUBCOMP = 7,
    MQTT_SUBSCRIBE = 8,
    MQTT_SUBACK = 9,
    MQTT_UNSUBSCRIBE = 10,
    MQTT_UNSUBACK = 11,
    MQTT_PINGREQ = 12,
    MQTT_PINGRESP = 13,
    MQTT_DISCONNECT = 14,
    MQTT_AUTH = 15, /* MQTT 5 only */
};

/* Reason codes of MQTT 5 (section 2.4). Below 0x80: success. */
#define MQTT_REASON_LIST(X)                                                                        \
    X(SUCCESS, 0x00, "success")                                                                    \
    X(GRANTED_QOS1, 0x01, "granted QoS 1")                                                         \
    X(GRANTED_QOS2, 0x02, "granted QoS 2")                                                         \
    X(DISCONNECT_WITH_WILL, 0x04, "disconnect with will message")                                  \
    X(NO_SUBSCRIBERS, 0x10, "no matching subscribers")                                             \
    X(NO_SUBSCRIPTION, 0x11, "no subscription existed")                                            \
    X(CONTINUE_AUTH, 0x18, "continue authentication")                                              \
    X(REAUTHENTICATE, 0x19, "re-authenticate")                                                     \
    X(UNSPECIFIED, 0x80, "unspecified error")                                                      \
    X(MALFORMED, 0x81, "malformed packet")                                                         \
    X(PROTOCOL, 0x82, "protocol error")                                                            \
    X(IMPLEMENTATION, 0x83, "implementation specific error")                                       \
    X(BAD_VERSION, 0x84, "unsupported protocol version")                                           \
    X(BAD_CLIENT_ID, 0x85, "client identifier not valid")                                          \
    X(BAD_LOGIN, 0x86, "bad user name or password")                                                \
    X(NOT_AUTHORIZED, 0x87, "not authorized")                                                      \
    X(UNAVAILABLE, 0x88, "server unavailable")                                                     \
    X(BUSY, 0x89, "server busy")                                                                   \
    X(BANNED, 0x8a, "banned")                                                                      \
    X(SHUTTING_DOWN, 0x8b, "server shutting down")                                                 \
    X(BAD_AUTH_METHOD, 0x8c, "bad authentication method")                                          \
    X(KEEP_ALIVE, 0x8d, "keep alive timeout")                                                      \
    X(TAKEN_OVER, 0x8e, "session taken over")                                                      \
    X(BAD_FILTER, 0x8f, "topic filter invalid")                                                    \
    X(BAD_TOPIC, 0x90, "topic name invalid")                                                       \
    X(PACKET_ID_IN_USE, 0x91, "packet identifier in use")                                          \
    X(NO_PACKET_ID, 0x92, "packet identifier not found")                                           \
    X(RECEIVE_MAX, 0x93, "receive maximum exceeded")                                               \
    X(BAD_ALIAS, 0x94, "topic alias invalid")                                                      \
    X(TOO_LARGE, 0x95, "packet too large")                                                         \
    X(RATE, 0x96, "message rate too high")                                                         \
    X(QUOTA, 0x97, "quota exceeded")                                                               \
    X(ADMINISTRATIVE, 0x98, "administrative action")                                               \
    X(BAD_PAYLOAD, 0x99, "payload format invalid")                                                 \
    X(NO_RETAIN, 0x9a, "retain not supported")                                                     \
    X(BAD_QOS, 0x9b, "QoS not supported")                                                          \
    X(USE_ANOTHER, 0x9c, "use another server")                                                     \
    X(MOVED, 0x9d, "server moved")                                                                 \
    X(NO_SHARED, 0x9e, "shared subscriptions not supported")                                       \
    X(CONNECT_RATE, 0x9f, "connection rate exceeded")                                              \
    X(MAX_CONNECT_TIME, 0xa0, "maximum connect time")                                              \
    X(NO_SUB_ID, 0xa1, "subscription identifiers not supported")                                   \
    X(NO_WILDCARD, 0xa2, "wildcard subscriptions not supported")

enum mqtt_reason {
#define MQTT_REASON_CODE(name, code, text) MQTT_REASON_##name = code,
    MQTT_REASON_LIST(MQTT_REASON_CODE)
#undef MQTT_REASON_CODE
};
/* The text of a reason code, for logs; "unknown" for others. Never NULL. */
const char *mqtt_reason_text(unsigned code);
/* "CONNECT", …; "unknown" for others. */
const char *mqtt_type_text(unsigned type);

/* Return codes of a 3.1.1 CONNACK (3.2.2.3). */
enum mqtt_v311_connack {
    MQTT_V311_ACCEPTED = 0,
    MQTT_V311_BAD_VERSION = 1,
    MQTT_V311_BAD_CLIENT_ID = 2,
    MQTT_V311_UNAVAILABLE = 3,
    MQTT_V311_BAD_LOGIN = 4,
    MQTT_V311_NOT_AUTHORIZED = 5,
};
/* The 3.1.1 return code for an MQTT 5 reason code (0x84, 0x85, 0x88, 0x86, 0x87 and what is near
 * them; anything else that is >= 0x80 is MQTT_V311_UNAVAILABLE). */
uint8_t mqtt_connack_v311(uint8_t reason);

struct mqtt_will {
    uint8_t qos;
    bool retain;
    struct str topic, payload;
    struct mqtt_props props;
};

struct mqtt_connect {
    enum mqtt_version version; /* a CONNECT says itself which it is */
    bool v31;                  /* it is 3.1, which is read as 3.1.1 */
    bool clean_start;          /* 3.1.1: clean session */
    /* 3.1.1 only: the sender is a bridge and says so by the high bit of the protocol level, a custom of
     * brokers that the standard does not know. It wants nothing back of what it sent, and the retain
     * flags as they were published. */
    bool bridge;
    bool has_will, has_username, has_password;
    uint16_t keep_alive_s;
    struct str client_id; /* may be empty */
    struct str username, password;
    struct mqtt_props props;
    struct mqtt_will will; /* only when has_will */
};

struct mqtt_connack {
    bool session_present;
    uint8_t code; /* MQTT 5: reason code; 3.1.1: return code 0..5 */
    struct mqtt_props props;
};

struct mqtt_publish {
    uint8_t qos;
    bool dup, retain;
    uint16_t packet_id; /* qos > 0 only; else 0 */
    struct str topic;   /* empty only under MQTT 5 with a topic alias */
    struct str payload;
    struct mqtt_props props;
};

/* PUBACK, PUBREC, PUBREL, PUBCOMP; UNSUBACK of 3.1.1 has the same shape without a code. */
struct mqtt_ack {
    uint16_t packet_id;
    uint8_t code; /* MQTT 5; 0 under 3.1.1 */
    struct mqtt_props props;
};

/* SUBSCRIBE and UNSUBSCRIBE. */
struct mqtt_subscribe {
    uint16_t packet_id;
    size_t count;    /* entries in list, at least 1; the encoder does not look at it */
    struct str list; /* validated; step through it with mqtt_sub_next or mqtt_unsub_next */
    struct mqtt_props props;
};

/* SUBACK and UNSUBACK. codes is empty in an UNSUBACK of 3.1.1, else one byte per entry. */
struct mqtt_suback {
    uint16_t packet_id;
    struct str codes;
    struct mqtt_props props;
};

/* DISCONNECT and AUTH. */
struct mqtt_reasoned {
    uint8_t code;
    struct mqtt_props props;
};

/* What the decoder does not name for a type is left as it was: it clears nothing. */
struct mqtt_packet {
    enum mqtt_type type;
    union {
        struct mqtt_connect connect;
        struct mqtt_connack connack;
        struct mqtt_publish publish;
        struct mqtt_ack ack;             /* PUBACK, PUBREC, PUBREL, PUBCOMP */
        struct mqtt_subscribe subscribe; /* SUBSCRIBE, UNSUBSCRIBE */
        struct mqtt_suback suback;       /* SUBACK, UNSUBACK */
        struct mqtt_reasoned reasoned;   /* DISCONNECT, AUTH */
    };
};

/* Decodes the packet at the start of `in`. v: what the connection speaks; a CONNECT is read by its
 * own version whatever v says. max_bytes: the largest packet taken, its fixed header included.
 *   0            *out is set, *out_used bytes are consumed
 *   ERR_MORE     call again with the same start and more bytes; nothing is set. The fixed header is
 *                checked as soon as it is there, so garbage is not waited for
 *   ERR_LIMIT    longer than max_bytes; why->code is 0x95
 *   ERR_VERSION  a CONNECT of another version (before 3.1 or after 5): answer MQTT_CONNACK_VERSION
 *                and close; why->code is 0x84
 *   ERR_PROTO    why->code is the MQTT 5 reason code for CONNACK or DISCONNECT: 0x81 malformed,
 *                0x82 protocol error, 0x8F filter, 0x90 topic name. 3.1.1: just close
 * *out may have been written to in part when it fails; *out_used has not. why may be NULL. */
MUST_USE int mqtt_decode(struct str in, enum mqtt_version v, size_t max_bytes,
                         struct mqtt_packet *out, size_t *out_used, struct wire_why *why);

/* The front of a PUBLISH that was too long for mqtt_decode() (ERR_LIMIT), for whoever has to answer it all the
 * same: its QoS, DUP and packet id in *out, and how many bytes the whole packet has. ERR_MORE, ERR_PROTO: as there. */
MUST_USE int mqtt_publish_front(struct str in, struct mqtt_publish *out, size_t *out_n,
                                struct wire_why *why);

/* The answer to a version that we do not speak, in the form that all versions understand. */
#define MQTT_CONNACK_VERSION STR("\x20\x02\x00\x01")
#define MQTT_PINGREQ_BYTES   STR("\xc0\x00")
#define MQTT_PINGRESP_BYTES  STR("\xd0\x00")

/* One entry of a SUBSCRIBE. */
struct mqtt_sub {
    struct str filter; /* as sent, "$share/…" included; see mqtt_share_split */
    uint8_t qos;
    /* MQTT 5; under 3.1.1 false, false, 0. */
    bool no_local, retain_as_published;
    uint8_t retain_handling; /* 0 send retained, 1 only for a new subscription, 2 never */
};
/* Steps through list of a decoded packet: *at starts at 0; false at the end. */
bool mqtt_sub_next(struct str list, size_t *at, struct mqtt_sub *out);
bool mqtt_unsub_next(struct str list, size_t *at, struct str *out_filter);
/* Appends one entry, for building mqtt_subscribe.list. Under 3.1.1 all but filter and qos must be
 * as mqtt_sub says. */
void mqtt_sub_put(struct buf *list, const struct mqtt_sub *s);
void mqtt_unsub_put(struct buf *list, struct str filter);

/* Appends the packet to out. The values must be ones that mqtt_decode would take (our own mistake
 * otherwise). A CONNECT is written in its own version. Under 3.1.1 properties are not written, nor
 * is a reason code, nor (in 3.1.1, where they do not exist) an AUTH or codes in an UNSUBACK.
 * Beyond out->max, out->over is set. */
void mqtt_encode(const struct mqtt_packet *p, enum mqtt_version v, struct buf *out);

/* ---- fast paths ---- */
/* PUBACK, PUBREC, PUBREL or PUBCOMP without properties, UNSUBACK of 3.1.1. Under 3.1.1 the code is
 * not sent. Returns the bytes written: 4 or 5. */
#define MQTT_ACK_MAX 8
size_t mqtt_ack_write(char out[MQTT_ACK_MAX], enum mqtt_version v, enum mqtt_type type,
                      uint16_t packet_id, uint8_t code);
/* DISCONNECT: under 3.1.1 0xE0 0x00, whatever the code. Returns 2 or 3. */
size_t mqtt_disconnect_write(char out[MQTT_ACK_MAX], enum mqtt_version v, uint8_t code);

/* A PUBLISH up to its payload, so that the payload can follow by reference. */
struct mqtt_publish_out {
    struct str topic; /* may be empty with an alias under MQTT 5 */
    size_t payload_n;
    uint8_t qos;
    bool dup, retain;
    uint16_t packet_id; /* when qos > 0 */
    /* From here on MQTT 5 only; ignored under 3.1.1. */
    bool has_expiry;
    uint32_t expiry_s;
    uint16_t topic_alias;    /* 0: none */
    const uint32_t *sub_ids; /* sub_id_count of them, each 1..268435455 */
    size_t sub_id_count;
    struct str props; /* more, already encoded (mqtt_props_forward); copied as they are */
};
/* An upper bound of what mqtt_publish_header writes: fixed header 5, topic length 2, packet id 2,
 * properties' length 4, expiry 5, alias 3, each identifier 5. */
#define MQTT_PUBLISH_HEADER_MAX(topic_n, props_n, sub_id_count)                                    \
    (21 + (topic_n) + (props_n) + 5 * (sub_id_count))
/* Returns the bytes written, at most MQTT_PUBLISH_HEADER_MAX. The packet must not be longer than
 * MQTT_PACKET_MAX: a topic that becomes longer, and identifiers, may take one that was received beyond. */
size_t mqtt_publish_header(char *out, enum mqtt_version v, const struct mqtt_publish_out *p);
/* The longest that the format allows, with its fixed header. */
#define MQTT_PACKET_MAX (5 + MQTT_VARINT_MAX)
/* The size of the whole packet, to be compared with that and with the peer's Maximum Packet Size. */
size_t mqtt_publish_size(enum mqtt_version v, const struct mqtt_publish_out *p);
/* Where mqtt_publish_header put the packet id (qos > 0), counted from its start: 2 bytes, network
 * order. So one header can be made once and be sent to many with their own ids. */
size_t mqtt_publish_id_offset(enum mqtt_version v, const struct mqtt_publish_out *p);

#endif
