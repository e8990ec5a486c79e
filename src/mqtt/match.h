#ifndef MQTT_MATCH_H
#define MQTT_MATCH_H
/*
 * From the filters that match a message to the sessions that get it, and how: one filter may be
 * stepped through as it is; of several, a session that is met more than once gets the message once,
 * with the highest QoS that it was granted and the identifiers of all its subscriptions that match
 * (MQTT 5, 3.3.4). Pure; not thread-safe.
 */
#include "mqtt/session.h"
#include "mqtt/tree.h"

/* No Local: the session published it itself. */
static inline bool match_is_own(const struct tree_entry *e, const struct message_source *src)
{
    const struct session *s = e->owner;

    return (e->options & TREE_NO_LOCAL) && s->serial == src->publisher;
}
static inline uint8_t match_qos(const struct tree_entry *e, const struct message_source *src)
{
    uint8_t most = e->options & TREE_QOS;

    return src->qos < most ? src->qos : most;
}
static inline bool match_retain(const struct tree_entry *e, const struct message_source *src)
{
    return (e->options & TREE_AS_PUBLISHED) && src->retain;
}

struct match_slot {
    struct session *s;
    uint32_t sub_id; /* the first; 0: none */
    uint32_t id_n;
    uint32_t more; /* further ones: a chain of struct match_id, by place + 1 */
    uint8_t qos;
    bool retain;
};
struct match_id {
    uint32_t id, next;
};
/* Zeroed at first. */
struct match {
    struct match_slot *slots;
    uint32_t count, cap;
    struct match_id *more;
    uint32_t more_count, more_cap;
    uint32_t *ids; /* of match_ids() */
    uint32_t ids_cap;
    uint64_t last_mark;
};
void match_fini(struct match *m);
/* Fills m->slots; entries of shared subscriptions are left out. The sessions' marks are used: one
 * struct match for all sessions of a tree. */
void match_gather(struct match *m, const struct tree_span *spans, size_t n,
                  const struct message_source *src);
/* The identifiers of a slot, in ascending order, one twice when two subscriptions have it. Good until the
 * next call on m. */
struct sub_ids match_ids(struct match *m, const struct match_slot *slot);

#endif
