#ifndef MQTT_SYS_TOPICS_H
#define MQTT_SYS_TOPICS_H
/*
 * The topics below $SYS by which brokers are watched, with the names and the form that mosquitto gives
 * them, and some of ours below them. Numbers come in, texts that have changed come out. Pure.
 */
#include "base/str.h"

/* $SYS/broker/connection/CLIENTID/state is the client's own: bridges, mosquitto's by default, say there whether
 * they are connected. All else below $SYS/ the broker alone publishes. */
bool sys_is_state(struct str topic, struct str client_id);
/* Below $SYS/, and not where clients or bridges say their state. */
bool sys_is_brokers(struct str topic);

enum sys_number {
    SYS_UPTIME_S,
    SYS_CONNECTED,    /* clients now */
    SYS_DISCONNECTED, /* sessions whose client is away */
    SYS_SESSIONS,     /* both */
    SYS_EXPIRED,      /* sessions that ended because nobody came back; all from here on rise */
    SYS_PACKETS_IN,
    SYS_PACKETS_OUT,
    SYS_PUBLISH_IN,
    SYS_PUBLISH_OUT,
    SYS_PAYLOAD_IN, /* bytes */
    SYS_PAYLOAD_OUT,
    SYS_BYTES_IN,
    SYS_BYTES_OUT,
    SYS_SOCKETS,     /* connections accepted */
    SYS_CONNECTIONS, /* CONNECT packets received */
    SYS_REFUSED,     /* of those */
    SYS_DROPPED,     /* messages, for whatever cause */
    SYS_DROPPED_SLOW,
    SYS_DROPPED_QUEUE,
    SYS_DROPPED_OLDEST,
    SYS_DROPPED_OFFLINE,
    SYS_DROPPED_SIZE,
    SYS_DROPPED_EXPIRED,
    SYS_DROPPED_RETAINED,
    SYS_DROPPED_MOUNT,
    SYS_OVERFULL,  /* connections ended because of their queue */
    SYS_THROTTLED, /* pauses of clients that were too fast */
    SYS_CROWDED,   /* connections ended before their CONNECT, to make room */
    SYS_SUBSCRIPTIONS,
    SYS_SHARED,
    SYS_RETAINED,
    SYS_STORED, /* messages that wait or are retained */
    SYS_STORED_BYTES,
    SYS_HEAP, /* bytes */
    SYS_NUMBERS,
};

enum { SYS_TOPICS_MAX = 80, SYS_TEXT_MAX = 32 };

/* Zeroed at first. */
struct sys_topics {
    bool told;
    uint64_t before[SYS_NUMBERS];
    double value[SYS_TOPICS_MAX]; /* of loads and of what is the most so far */
    char text[SYS_TOPICS_MAX][SYS_TEXT_MAX];
};
/* now: SYS_NUMBERS of them; elapsed_ms: since the last call. say() gets each topic whose text has changed;
 * both are good during the call. */
void sys_topics_tell(struct sys_topics *t, const uint64_t *now, uint64_t elapsed_ms,
                     void (*say)(void *ctx, const char *topic, const char *text), void *ctx);

#endif
