#ifndef MQTT_TREE_H
#define MQTT_TREE_H
/*
 * The subscriptions of one worker: filter -> who, and from a topic name to all who match. Filters
 * and topics were checked before (wire/mqtt.h). Pure; not thread-safe.
 */
#include "mqtt/trie.h"

/* What a subscriber asked for, as in the byte of MQTT 5, 3.8.3.1. */
enum tree_options {
    TREE_QOS = 0x03,
    TREE_NO_LOCAL = 0x04,
    TREE_AS_PUBLISHED = 0x08, /* retain flag is passed on */
    TREE_SEVERAL = 0x40,      /* the tree's own */
    TREE_SHARED = 0x80,       /* the owner is a shared subscription, not a session */
};

/* All entries of one filter that matched. */
struct tree_span {
    const struct tree_entry *entries;
    uint32_t count;
};

struct tree {
    struct trie trie;
    size_t filters, subscriptions;
    uint32_t *front[2]; /* the nodes reached at this level, and those for the next */
    uint32_t front_cap;
    struct tree_span *spans;
    uint32_t span_count, span_cap;
};

void tree_init(struct tree *t);
void tree_fini(struct tree *t);
/* True: added. False: owner had this filter already; id and options are replaced. */
bool tree_add(struct tree *t, struct str filter, void *owner, uint32_t sub_id, uint8_t options);
/* False when owner had no such filter. */
bool tree_remove(struct tree *t, struct str filter, const void *owner);
/* How many filters match topic; *out: their entries, valid until the tree is next called. An
 * owner with overlapping filters is there once for each. */
size_t tree_match(struct tree *t, struct str topic, const struct tree_span **out);

#endif
