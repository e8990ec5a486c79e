/*
 * The subscription tree of a worker. A filter is a path of the trie, "+" and "#" being levels; its
 * node has the one who subscribed, or (TREE_SEVERAL) points to the array of those. A topic is matched
 * level by level with the set of nodes reached so far: exact child and "+" go on, "#" is taken as a
 * whole, also at the topic's end ("sport/#" matches "sport", MQTT 5, 4.7.1.2). Topics that begin with
 * "$" are not matched by a wildcard in the first level (4.7.2).
 *
 * A match returns spans of the arrays themselves, so a large fan-out copies nothing. Nothing is
 * allocated once the scratch arrays have grown.
 */
#include "mqtt/tree.h"

#include "base/mem.h"

#include <assert.h>

/* So many subscribers of one filter are searched one by one. More have an index behind their entries, so
 * that 100,000 clients that subscribe the same filter, and go again, cost no more each than a few. */
#define SEARCHED 64u

struct tree_subs {
    uint32_t count, cap; /* count: at least 2; cap: a power of two */
    struct tree_entry entries[];
};

void tree_init(struct tree *t)
{
    *t = (struct tree){ 0 };
    trie_init(&t->trie);
}

/* NULL: there is one at most. */
static struct tree_subs *several(const struct trie_node *n)
{
    return n->value && n->only.options & TREE_SEVERAL ? n->value : NULL;
}

static void put_several(struct trie_node *n, struct tree_subs *s)
{
    n->only = (struct tree_entry){ .owner = s, .options = TREE_SEVERAL };
}

void tree_fini(struct tree *t)
{
    for (uint32_t i = TRIE_ROOT; i < t->trie.used; i++)
        mem_free(several(&t->trie.nodes[i]));
    trie_fini(&t->trie);
    mem_free(t->front[0]);
    mem_free(t->front[1]);
    mem_free(t->spans);
}

/* ---- the subscribers of one filter ---- */

/* Twice as many places as entries: 0 is free, else an entry's place + 1. Open addressing. */
static uint32_t *places(struct tree_subs *s)
{
    return (uint32_t *)&s->entries[s->cap];
}

static size_t subs_bytes(uint32_t cap)
{
    size_t n = sizeof(struct tree_subs) + cap * sizeof(struct tree_entry);

    return cap > SEARCHED ? n + 2 * cap * sizeof(uint32_t) : n;
}

/* Where an owner's place is looked for first. Whose memory lies where is not a peer's to choose. */
static uint32_t home(const struct tree_subs *s, const void *owner)
{
    return (uint32_t)(((uint64_t)(uintptr_t)owner * UINT64_C(0x9E3779B97F4A7C15)) >> 32) &
           (2 * s->cap - 1);
}

/* The owner's place, or the free one where it belongs. */
static uint32_t *place_of(struct tree_subs *s, const void *owner)
{
    uint32_t *all = places(s), at = home(s, owner);

    while (all[at] != 0 && s->entries[all[at] - 1].owner != owner)
        at = (at + 1) & (2 * s->cap - 1);
    return &all[at];
}

/* What was put behind a place because it was taken moves up, so that no search ends too early. */
static void place_free(struct tree_subs *s, uint32_t *place)
{
    uint32_t *all = places(s), mask = 2 * s->cap - 1, hole = (uint32_t)(place - all);

    for (uint32_t at = (hole + 1) & mask; all[at] != 0; at = (at + 1) & mask) {
        uint32_t from = home(s, s->entries[all[at] - 1].owner);

        if (((at - from) & mask) < ((at - hole) & mask))
            continue; /* it is between its first place and here */
        all[hole] = all[at];
        hole = at;
    }
    all[hole] = 0;
}

static struct tree_subs *subs_resize(struct tree_subs *s, uint32_t cap)
{
    bool fresh = s == NULL;

    s = mem_resize(s, subs_bytes(cap));
    s->cap = cap;
    if (fresh)
        s->count = 0;
    if (cap <= SEARCHED)
        return s;
    memset(places(s), 0, 2 * cap * sizeof(uint32_t));
    for (uint32_t i = 0; i < s->count; i++)
        *place_of(s, s->entries[i].owner) = i + 1;
    return s;
}

static struct tree_entry *subs_find(struct tree_subs *s, const void *owner)
{
    if (s->cap > SEARCHED) {
        uint32_t place = *place_of(s, owner);

        return place ? &s->entries[place - 1] : NULL;
    }
    for (uint32_t i = 0; i < s->count; i++)
        if (s->entries[i].owner == owner)
            return &s->entries[i];
    return NULL;
}

static void subs_add(struct tree_subs *s, const struct tree_entry *e)
{
    if (s->cap > SEARCHED)
        *place_of(s, e->owner) = s->count + 1;
    s->entries[s->count++] = *e;
}

/* The last one comes into its place. */
static void subs_take_out(struct tree_subs *s, struct tree_entry *e)
{
    struct tree_entry *last = &s->entries[s->count - 1];

    uint32_t *place = s->cap > SEARCHED ? place_of(s, e->owner) : NULL;

    if (place)
        *place_of(s, last->owner) = *place;
    *e = *last;
    if (place)
        place_free(s, place);
    s->count--;
}

/* ---- the tree ---- */

static struct tree_entry *find(struct trie_node *n, const void *owner)
{
    struct tree_subs *s = several(n);

    if (s)
        return subs_find(s, owner);
    return n->value && n->only.owner == owner ? &n->only : NULL;
}

/* The node has some already. */
static void add_another(struct trie_node *n, const struct tree_entry *e)
{
    struct tree_subs *s = several(n);

    if (!s) {
        s = subs_resize(NULL, 2);
        subs_add(s, &n->only);
    } else if (s->count == s->cap) {
        s = subs_resize(s, s->cap * 2);
    }
    subs_add(s, e);
    put_several(n, s);
}

bool tree_add(struct tree *t, struct str filter, void *owner, uint32_t sub_id, uint8_t options)
{
    uint32_t node = trie_insert(&t->trie, filter);
    struct trie_node *n = &t->trie.nodes[node];
    struct tree_entry *e = find(n, owner), added = { owner, sub_id, options };

    assert(owner && !(options & TREE_SEVERAL));
    if (e) {
        *e = added;
        return false;
    }
    if (n->value) {
        add_another(n, &added);
    } else {
        n->only = added;
        t->filters++;
    }
    t->subscriptions++;
    return true;
}

static void take_out_one(struct trie_node *n, struct tree_entry *e)
{
    struct tree_subs *s = several(n);

    subs_take_out(s, e);
    if (s->count == 1) {
        n->only = s->entries[0];
        mem_free(s);
    } else if (s->cap > 8 && s->count < s->cap / 4) {
        put_several(n, subs_resize(s, s->cap / 2));
    }
}

bool tree_remove(struct tree *t, struct str filter, const void *owner)
{
    uint32_t node = trie_find(&t->trie, filter);
    struct trie_node *n = &t->trie.nodes[node];
    struct tree_entry *e = node ? find(n, owner) : NULL;

    if (!e)
        return false;
    t->subscriptions--;
    if (several(n)) {
        take_out_one(n, e);
        return true;
    }
    n->value = NULL;
    t->filters--;
    trie_prune(&t->trie, node);
    return true;
}

static void span_add(struct tree *t, uint32_t node)
{
    const struct trie_node *n = &t->trie.nodes[node];
    const struct tree_subs *s = several(n);

    if (!n->value)
        return;
    if (t->span_count == t->span_cap) {
        t->span_cap = t->span_cap ? t->span_cap * 2 : 8;
        t->spans = mem_resize(t->spans, t->span_cap * sizeof(*t->spans));
    }
    t->spans[t->span_count++] =
        s ? (struct tree_span){ s->entries, s->count } : (struct tree_span){ &n->only, 1 };
}

/* Two nodes may follow each node of a level. */
static void front_reserve(struct tree *t, uint32_t count)
{
    if (count * 2 <= t->front_cap)
        return;
    t->front_cap = count * 4;
    for (int i = 0; i < 2; i++)
        t->front[i] = mem_resize(t->front[i], t->front_cap * sizeof(uint32_t));
}

/* One level down from all nodes of the front; returns how many were reached. */
static uint32_t step(struct tree *t, unsigned from, uint32_t count, struct str level, bool wild)
{
    uint64_t hash = trie_hash(&t->trie, level);
    uint32_t reached = 0, *next = t->front[!from];

    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = t->front[from][i];
        const struct trie_node *n = &t->trie.nodes[at];
        uint32_t child;

        if (n->any && wild)
            span_add(t, n->any);
        if (n->plus && wild)
            next[reached++] = n->plus;
        if (n->first_child) {
            child = trie_child(&t->trie, at, level, hash);
            if (child)
                next[reached++] = child;
        }
    }
    return reached;
}

size_t tree_match(struct tree *t, struct str topic, const struct tree_span **out)
{
    bool wild = topic.n > 0 && topic.p[0] != '$';
    unsigned side = 0;
    uint32_t count = 1;

    assert(topic.n > 0);
    t->span_count = 0;
    *out = NULL;
    if (t->subscriptions == 0)
        return 0;
    front_reserve(t, 4);
    t->front[0][0] = TRIE_ROOT;
    while (topic.p && count > 0) {
        struct str level = trie_cut(&topic);

        front_reserve(t, count);
        count = step(t, side, count, level, wild);
        side = !side;
        wild = true;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct trie_node *n = &t->trie.nodes[t->front[side][i]];

        span_add(t, t->front[side][i]);
        if (n->any)
            span_add(t, n->any);
    }
    *out = t->spans;
    return t->span_count;
}
