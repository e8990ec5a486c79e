#ifndef MQTT_RETAINED_H
#define MQTT_RETAINED_H
/*
 * The last message of each retained topic: one shard of them, kept by one worker. Topics and
 * filters were checked before. Pure; not thread-safe.
 */
#include "mqtt/message.h"
#include "mqtt/trie.h"

struct retained {
    struct trie trie;
    size_t count;
    size_t own;   /* of count: the broker's, which no limit is about */
    size_t bytes; /* of the messages */
};

void retained_init(struct retained *r);
void retained_fini(struct retained *r);
/* Keeps m (taking a reference) as the topic's message, or forgets the topic when m has an empty
 * payload (MQTT 5, 3.3.1.3). ERR_STALE: what is there has a later stamp, or, where both are written
 * down, a higher number. ERR_FULL: a new topic, not one of the broker's own (sys_is_brokers()), and there is no
 * room for one. */
MUST_USE int retained_set(struct retained *r, struct message *m, bool room);
/* How many topics a limit is about. */
static inline size_t retained_topics(const struct retained *r)
{
    return r->count - r->own;
}
/* Of two of a topic, that a is the one to be kept; neither is when they are the same. */
struct retained_age {
    uint64_t seq, stamp; /* of its message */
};
static inline struct retained_age retained_age(const struct message *m)
{
    return (struct retained_age){ message_seq(m), message_stamp(m) };
}
bool retained_is_later(struct retained_age a, struct retained_age b);
/* What is kept for that topic, expired or not; borrowed. NULL: nothing. */
struct message *retained_get(const struct retained *r, struct str topic);
/* Calls on() for each kept message whose topic matches filter and that has not expired. Expired
 * ones on the way are forgotten. on() must not change r. */
void retained_match(struct retained *r, struct str filter, uint64_t now_ms,
                    void (*on)(void *ctx, struct message *m), void *ctx);

#endif
