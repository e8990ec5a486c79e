/*
 * The reason codes of MQTT 5 (section 2.4): their texts, which packets may carry them, and what a
 * 3.1.1 client is told instead.
 */
#include "wire/mqtt_body.h"

#define IN(type) (1u << MQTT_##type)
#define IN_PUB   (IN(PUBACK) | IN(PUBREC))
#define IN_REL   (IN(PUBREL) | IN(PUBCOMP))
#define IN_SUBS  (IN(SUBACK) | IN(UNSUBACK))
#define IN_ENDS  (IN(CONNACK) | IN(DISCONNECT))

/* The column "Packets" of table 2-6, and one more. */
static const struct {
    unsigned char code;
    unsigned short packets;
} allowed[] = {
    { MQTT_REASON_SUCCESS, IN_ENDS | IN_PUB | IN_REL | IN_SUBS | IN(AUTH) },
    { MQTT_REASON_GRANTED_QOS1, IN(SUBACK) },
    { MQTT_REASON_GRANTED_QOS2, IN(SUBACK) },
    { MQTT_REASON_DISCONNECT_WITH_WILL, IN(DISCONNECT) },
    { MQTT_REASON_NO_SUBSCRIBERS, IN_PUB },
    { MQTT_REASON_NO_SUBSCRIPTION, IN(UNSUBACK) },
    { MQTT_REASON_CONTINUE_AUTH, IN(AUTH) },
    { MQTT_REASON_REAUTHENTICATE, IN(AUTH) },
    { MQTT_REASON_UNSPECIFIED, IN_ENDS | IN_PUB | IN_SUBS },
    { MQTT_REASON_MALFORMED, IN_ENDS },
    { MQTT_REASON_PROTOCOL, IN_ENDS },
    { MQTT_REASON_IMPLEMENTATION, IN_ENDS | IN_PUB | IN_SUBS },
    { MQTT_REASON_BAD_VERSION, IN(CONNACK) },
    { MQTT_REASON_BAD_CLIENT_ID, IN(CONNACK) },
    { MQTT_REASON_BAD_LOGIN, IN(CONNACK) },
    { MQTT_REASON_NOT_AUTHORIZED, IN_ENDS | IN_PUB | IN_SUBS },
    { MQTT_REASON_UNAVAILABLE, IN(CONNACK) },
    { MQTT_REASON_BUSY, IN_ENDS },
    { MQTT_REASON_BANNED, IN(CONNACK) },
    { MQTT_REASON_SHUTTING_DOWN, IN(DISCONNECT) },
    { MQTT_REASON_BAD_AUTH_METHOD, IN_ENDS },
    { MQTT_REASON_KEEP_ALIVE, IN(DISCONNECT) },
    { MQTT_REASON_TAKEN_OVER, IN(DISCONNECT) },
    { MQTT_REASON_BAD_FILTER, IN_SUBS | IN(DISCONNECT) },
    { MQTT_REASON_BAD_TOPIC, IN_ENDS | IN_PUB },
    { MQTT_REASON_PACKET_ID_IN_USE, IN_PUB | IN_SUBS },
    { MQTT_REASON_NO_PACKET_ID, IN_REL },
    { MQTT_REASON_RECEIVE_MAX, IN(DISCONNECT) },
    { MQTT_REASON_BAD_ALIAS, IN(DISCONNECT) },
    /* Not IN_PUB in the standard, but mosquitto's answer to what is over its message_size_limit; it cannot
     * mean anything else. */
    { MQTT_REASON_TOO_LARGE, IN_ENDS | IN_PUB },
    { MQTT_REASON_RATE, IN(DISCONNECT) },
    { MQTT_REASON_QUOTA, IN_ENDS | IN_PUB | IN(SUBACK) },
    { MQTT_REASON_ADMINISTRATIVE, IN(DISCONNECT) },
    { MQTT_REASON_BAD_PAYLOAD, IN_ENDS | IN_PUB },
    { MQTT_REASON_NO_RETAIN, IN_ENDS },
    { MQTT_REASON_BAD_QOS, IN_ENDS },
    { MQTT_REASON_USE_ANOTHER, IN_ENDS },
    { MQTT_REASON_MOVED, IN_ENDS },
    { MQTT_REASON_NO_SHARED, IN(SUBACK) | IN(DISCONNECT) },
    { MQTT_REASON_CONNECT_RATE, IN_ENDS },
    { MQTT_REASON_MAX_CONNECT_TIME, IN(DISCONNECT) },
    { MQTT_REASON_NO_SUB_ID, IN(SUBACK) | IN(DISCONNECT) },
    { MQTT_REASON_NO_WILDCARD, IN(SUBACK) | IN(DISCONNECT) },
};

bool mqtt_reason_allowed(enum mqtt_type type, unsigned code)
{
    for (size_t i = 0; i < COUNT_OF(allowed); i++)
        if (allowed[i].code == code)
            return allowed[i].packets >> type & 1;
    return false;
}

const char *mqtt_reason_text(unsigned code)
{
    switch (code) {
#define REASON_TEXT(name, number, text)                                                            \
    case number:                                                                                   \
        return text;
        MQTT_REASON_LIST(REASON_TEXT)
#undef REASON_TEXT
    default:
        return "unknown";
    }
}

const char *mqtt_type_text(unsigned type)
{
    static const char *const texts[] = {
        [MQTT_CONNECT] = "CONNECT",   [MQTT_CONNACK] = "CONNACK",
        [MQTT_PUBLISH] = "PUBLISH",   [MQTT_PUBACK] = "PUBACK",
        [MQTT_PUBREC] = "PUBREC",     [MQTT_PUBREL] = "PUBREL",
        [MQTT_PUBCOMP] = "PUBCOMP",   [MQTT_SUBSCRIBE] = "SUBSCRIBE",
        [MQTT_SUBACK] = "SUBACK",     [MQTT_UNSUBSCRIBE] = "UNSUBSCRIBE",
        [MQTT_UNSUBACK] = "UNSUBACK", [MQTT_PINGREQ] = "PINGREQ",
        [MQTT_PINGRESP] = "PINGRESP", [MQTT_DISCONNECT] = "DISCONNECT",
        [MQTT_AUTH] = "AUTH",
    };

    return type < COUNT_OF(texts) && texts[type] ? texts[type] : "unknown";
}

uint8_t mqtt_connack_v311(uint8_t reason)
{
    switch (reason) {
    case MQTT_REASON_SUCCESS:
        return MQTT_V311_ACCEPTED;
    case MQTT_REASON_BAD_VERSION:
        return MQTT_V311_BAD_VERSION;
    case MQTT_REASON_BAD_CLIENT_ID:
        return MQTT_V311_BAD_CLIENT_ID;
    case MQTT_REASON_BAD_LOGIN:
    case MQTT_REASON_BAD_AUTH_METHOD:
        return MQTT_V311_BAD_LOGIN;
    case MQTT_REASON_NOT_AUTHORIZED:
    case MQTT_REASON_BANNED:
        return MQTT_V311_NOT_AUTHORIZED;
    default:
        return MQTT_V311_UNAVAILABLE;
    }
}
