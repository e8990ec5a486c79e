/*
 * One row per topic. Loads are what came in a minute, smoothed over 1, 5 and 15 minutes: with e^-(t/T) of
 * what was and the rest of what is, as mosquitto has it, from 0 at the start.
 */
#include "mqtt/sys_topics.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#define STATES STR("$SYS/broker/connection/")
#define STATE  STR("/state")

bool sys_is_state(struct str topic, struct str client_id)
{
    return client_id.n > 0 && topic.n == STATES.n + client_id.n + STATE.n &&
           str_starts(topic, STATES) && str_ends(topic, STATE) &&
           str_starts(str_skip(topic, STATES.n), client_id);
}

bool sys_is_brokers(struct str topic)
{
    return str_starts(topic, STR("$SYS/")) && !str_starts(topic, STATES);
}

enum kind { PLAIN, SECONDS, MOST, LOAD };

struct row {
    const char *topic; /* behind $SYS/broker/ */
    enum sys_number number;
    enum kind kind;
    double minutes; /* LOAD */
};

#define LOADS(name, number)                                                                        \
    { "load/" name "/1min", number, LOAD, 1 }, { "load/" name "/5min", number, LOAD, 5 },          \
    {                                                                                              \
        "load/" name "/15min", number, LOAD, 15                                                    \
    }
/* clang-format off */
static const struct row rows[] = {
    { "uptime", SYS_UPTIME_S, SECONDS, 0 },
    { "clients/total", SYS_SESSIONS, PLAIN, 0 },
    { "clients/connected", SYS_CONNECTED, PLAIN, 0 },
    { "clients/active", SYS_CONNECTED, PLAIN, 0 },
    { "clients/disconnected", SYS_DISCONNECTED, PLAIN, 0 },
    { "clients/inactive", SYS_DISCONNECTED, PLAIN, 0 },
    { "clients/maximum", SYS_SESSIONS, MOST, 0 },
    { "clients/expired", SYS_EXPIRED, PLAIN, 0 },
    { "messages/received", SYS_PACKETS_IN, PLAIN, 0 },
    { "messages/sent", SYS_PACKETS_OUT, PLAIN, 0 },
    { "messages/stored", SYS_STORED, PLAIN, 0 },
    { "store/messages/count", SYS_STORED, PLAIN, 0 },
    { "store/messages/bytes", SYS_STORED_BYTES, PLAIN, 0 },
    { "retained messages/count", SYS_RETAINED, PLAIN, 0 },
    { "subscriptions/count", SYS_SUBSCRIPTIONS, PLAIN, 0 },
    { "shared_subscriptions/count", SYS_SHARED, PLAIN, 0 },
    { "publish/messages/received", SYS_PUBLISH_IN, PLAIN, 0 },
    { "publish/messages/sent", SYS_PUBLISH_OUT, PLAIN, 0 },
    { "publish/messages/dropped", SYS_DROPPED, PLAIN, 0 },
    { "publish/bytes/received", SYS_PAYLOAD_IN, PLAIN, 0 },
    { "publish/bytes/sent", SYS_PAYLOAD_OUT, PLAIN, 0 },
    { "bytes/received", SYS_BYTES_IN, PLAIN, 0 },
    { "bytes/sent", SYS_BYTES_OUT, PLAIN, 0 },
    { "heap/current", SYS_HEAP, PLAIN, 0 },
    { "heap/maximum", SYS_HEAP, MOST, 0 },
    LOADS("messages/received", SYS_PACKETS_IN),
    LOADS("messages/sent", SYS_PACKETS_OUT),
    LOADS("publish/dropped", SYS_DROPPED),
    LOADS("publish/received", SYS_PUBLISH_IN),
    LOADS("publish/sent", SYS_PUBLISH_OUT),
    LOADS("bytes/received", SYS_BYTES_IN),
    LOADS("bytes/sent", SYS_BYTES_OUT),
    LOADS("sockets", SYS_SOCKETS),
    LOADS("connections", SYS_CONNECTIONS),
    /* Ours. */
    { "publish/messages/dropped/slow", SYS_DROPPED_SLOW, PLAIN, 0 },
    { "publish/messages/dropped/queue", SYS_DROPPED_QUEUE, PLAIN, 0 },
    { "publish/messages/dropped/oldest_qos0", SYS_DROPPED_OLDEST, PLAIN, 0 },
    { "publish/messages/dropped/offline", SYS_DROPPED_OFFLINE, PLAIN, 0 },
    { "publish/messages/dropped/size", SYS_DROPPED_SIZE, PLAIN, 0 },
    { "publish/messages/dropped/expired", SYS_DROPPED_EXPIRED, PLAIN, 0 },
    { "publish/messages/dropped/retained", SYS_DROPPED_RETAINED, PLAIN, 0 },
    { "publish/messages/dropped/mount", SYS_DROPPED_MOUNT, PLAIN, 0 },
    { "clients/refused", SYS_REFUSED, PLAIN, 0 },
    { "clients/throttled", SYS_THROTTLED, PLAIN, 0 },
    { "clients/queue_disconnects", SYS_OVERFULL, PLAIN, 0 },
    { "clients/crowded_out", SYS_CROWDED, PLAIN, 0 },
};
/* clang-format on */
static_assert(sizeof(rows) / sizeof(rows[0]) <= SYS_TOPICS_MAX, "room for each row");

static void value_text(struct sys_topics *t, size_t i, const uint64_t *now, uint64_t elapsed_ms,
                       char text[SYS_TEXT_MAX])
{
    const struct row *row = &rows[i];
    uint64_t v = now[row->number];
    double minutes = (double)elapsed_ms / 60000, rate;

    switch (row->kind) {
    case PLAIN:
        snprintf(text, SYS_TEXT_MAX, "%llu", (unsigned long long)v);
        break;
    case SECONDS:
        snprintf(text, SYS_TEXT_MAX, "%llu seconds", (unsigned long long)v);
        break;
    case MOST:
        if ((double)v > t->value[i])
            t->value[i] = (double)v;
        snprintf(text, SYS_TEXT_MAX, "%.0f", t->value[i]);
        break;
    case LOAD:
        if (t->told && elapsed_ms > 0) {
            rate = (double)(v - t->before[row->number]) / minutes;
            t->value[i] = rate + exp(-minutes / row->minutes) * (t->value[i] - rate);
        }
        snprintf(text, SYS_TEXT_MAX, "%.2f", t->value[i]);
    }
}

void sys_topics_tell(struct sys_topics *t, const uint64_t *now, uint64_t elapsed_ms,
                     void (*say)(void *ctx, const char *topic, const char *text), void *ctx)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char topic[80], text[SYS_TEXT_MAX];

        value_text(t, i, now, elapsed_ms, text);
        if (strcmp(text, t->text[i]) == 0)
            continue;
        memcpy(t->text[i], text, sizeof(text));
        snprintf(topic, sizeof(topic), "$SYS/broker/%s", rows[i].topic);
        say(ctx, topic, text);
    }
    memcpy(t->before, now, sizeof(t->before));
    t->told = true;
}
