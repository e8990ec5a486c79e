#ifndef MQTT_TRIE_H
#define MQTT_TRIE_H
/*
 * A tree of topic levels: the skeleton of the subscription tree and of the retained topics. Nodes
 * are numbers (0: none, 1: the root); each may carry a value. Not thread-safe.
 *
 * A path is a topic name or filter that was checked before (wire/mqtt.h); "+" and "#" are levels
 * like others here, only that a node knows its children of those names without a look-up.
 */
#include "base/buf.h"
#include "base/str.h"

#define TRIE_NONE   0u
#define TRIE_ROOT   1u
#define TRIE_INLINE 8 /* shorter levels need no memory of their own */

/* A subscription, as mqtt/tree.h has it. */
struct tree_entry {
    void *owner;
    uint32_t sub_id; /* subscription identifier; 0: none */
    uint8_t options;
};

struct trie_node {
    uint32_t hash; /* of the level, under the trie's key: the lower half */
    uint32_t level_n;
    union {
        void *value;
        struct tree_entry only; /* a filter that one has subscribed needs no memory of its own */
    };
    union {
        char *far;
        char near[TRIE_INLINE];
    } level;
    uint32_t parent, first_child, next, prev; /* next: also the chain of free nodes */
    uint32_t plus, any;                       /* the children "+" and "#" */
};
struct trie_edge {
    uint32_t tag; /* bits of the hash that are not in the place */
    uint32_t child;
};
struct trie {
    struct trie_node *nodes;
    uint32_t used, cap, free; /* nodes ever used, room, head of the free chain */
    uint32_t live;            /* nodes in use, with the root */
    struct trie_edge *edges;  /* open addressing: (parent, level) -> child */
    uint32_t edge_cap;
    uint64_t key[2];
};

void trie_init(struct trie *t);
/* Values are the caller's: they must be gone, or are forgotten. */
void trie_fini(struct trie *t);

/* The node of path; made, with those above it, when it is not there. */
uint32_t trie_insert(struct trie *t, struct str path);
/* The node of path or TRIE_NONE. */
uint32_t trie_find(const struct trie *t, struct str path);
/* Removes node and then what is above it, as far as there is neither value nor child. */
void trie_prune(struct trie *t, uint32_t node);
/* One level down. hash: trie_hash() of level. */
uint32_t trie_child(const struct trie *t, uint32_t parent, struct str level, uint64_t hash);
uint64_t trie_hash(const struct trie *t, struct str level);

static inline struct str trie_level(const struct trie_node *n)
{
    return str_from(n->level_n > TRIE_INLINE ? n->level.far : n->level.near, n->level_n);
}
/* Cuts the next level off *rest (rest->p NULL at the end). */
static inline struct str trie_cut(struct str *rest)
{
    const char *slash = rest->n ? memchr(rest->p, '/', rest->n) : NULL;
    struct str level = *rest;

    if (!slash) {
        *rest = STR_NONE;
        return level;
    }
    level.n = (size_t)(slash - rest->p);
    rest->p = slash + 1;
    rest->n -= level.n + 1;
    return level;
}

#endif
