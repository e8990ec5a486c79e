/*
 * Topic levels as a tree, made for a publication's way down it: the nodes lie in one array of
 * cache lines, and all edges of the tree in one hash table from (parent, level) to the child. A
 * step down costs one hash of the level, shared by every node of that depth, one look at an edge
 * and one at the node that it leads to; "+" and "#" cost no look-up at all.
 *
 * Levels are chosen by peers, so their hash is keyed: nobody can choose who collides. A node
 * without value and without children does not stay. Numbers of nodes are used again; a number is
 * valid while its path is there.
 */
#include "mqtt/trie.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/uuid.h"

#include <assert.h>

static_assert(sizeof(struct trie_node) == 56, "a node should fit a cache line");

void trie_init(struct trie *t)
{
    *t = (struct trie){ .used = 2, .live = 1, .cap = 8 };
    random_bytes(t->key, sizeof(t->key));
    t->nodes = mem_new_array(t->cap, sizeof(*t->nodes));
}

void trie_fini(struct trie *t)
{
    for (uint32_t i = TRIE_ROOT + 1; i < t->used; i++)
        if (t->nodes[i].parent && t->nodes[i].level_n > TRIE_INLINE)
            mem_free(t->nodes[i].level.far);
    mem_free(t->nodes);
    mem_free(t->edges);
    *t = (struct trie){ 0 };
}

uint64_t trie_hash(const struct trie *t, struct str level)
{
    return siphash(t->key, level);
}

/* The level's hash is already random to a peer; the parent's number only has to spread. */
static uint64_t mix(uint32_t hash, uint32_t parent)
{
    uint64_t x = hash + parent * UINT64_C(0x9E3779B97F4A7C15);

    x ^= x >> 32;
    x *= UINT64_C(0xD6E8FEB86659FD93);
    return x ^ (x >> 32);
}

static bool is_child(const struct trie *t, uint32_t node, uint32_t parent, struct str level,
                     uint32_t hash)
{
    const struct trie_node *n = &t->nodes[node];

    return n->hash == hash && n->parent == parent && str_eq(trie_level(n), level);
}

uint32_t trie_child(const struct trie *t, uint32_t parent, struct str level, uint64_t hash)
{
    uint64_t m = mix((uint32_t)hash, parent);
    uint32_t mask = t->edge_cap - 1, tag = (uint32_t)(m >> 32);

    if (t->edge_cap == 0)
        return TRIE_NONE;
    for (uint32_t i = (uint32_t)m & mask; t->edges[i].child; i = (i + 1) & mask)
        if (t->edges[i].tag == tag && is_child(t, t->edges[i].child, parent, level, (uint32_t)hash))
            return t->edges[i].child;
    return TRIE_NONE;
}

static void edge_put(struct trie *t, uint32_t child)
{
    uint64_t m = mix(t->nodes[child].hash, t->nodes[child].parent);
    uint32_t mask = t->edge_cap - 1, i = (uint32_t)m & mask;

    while (t->edges[i].child)
        i = (i + 1) & mask;
    t->edges[i] = (struct trie_edge){ (uint32_t)(m >> 32), child };
}

static void edges_resize(struct trie *t, uint32_t cap)
{
    struct trie_edge *old = t->edges;
    uint32_t old_cap = t->edge_cap;

    t->edges = mem_new_array(cap, sizeof(*t->edges));
    t->edge_cap = cap;
    for (uint32_t i = 0; i < old_cap; i++)
        if (old[i].child)
            edge_put(t, old[i].child);
    mem_free(old);
}

static void edge_remove(struct trie *t, uint32_t child)
{
    uint32_t mask = t->edge_cap - 1;
    uint32_t hole = (uint32_t)mix(t->nodes[child].hash, t->nodes[child].parent) & mask;

    while (t->edges[hole].child != child) {
        assert(t->edges[hole].child);
        hole = (hole + 1) & mask;
    }
    for (uint32_t i = (hole + 1) & mask; t->edges[i].child; i = (i + 1) & mask) {
        const struct trie_node *n = &t->nodes[t->edges[i].child];
        uint32_t home = (uint32_t)mix(n->hash, n->parent) & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            t->edges[hole] = t->edges[i];
            hole = i;
        }
    }
    t->edges[hole] = (struct trie_edge){ 0 };
}

static uint32_t node_take(struct trie *t)
{
    uint32_t node = t->free;

    if (node) {
        t->free = t->nodes[node].next;
    } else {
        if (t->used == t->cap) {
            assert(t->cap < UINT32_MAX / 2);
            t->cap *= 2;
            t->nodes = mem_resize(t->nodes, t->cap * sizeof(*t->nodes));
        }
        node = t->used++;
    }
    t->nodes[node] = (struct trie_node){ 0 };
    t->live++;
    return node;
}

static uint32_t child_add(struct trie *t, uint32_t parent, struct str level, uint64_t hash)
{
    uint32_t node = node_take(t);
    struct trie_node *n = &t->nodes[node], *p = &t->nodes[parent];

    n->hash = (uint32_t)hash;
    n->parent = parent;
    n->level_n = (uint32_t)level.n;
    if (level.n > TRIE_INLINE)
        n->level.far = mem_dup(level.p, level.n);
    else if (level.n > 0)
        memcpy(n->level.near, level.p, level.n);
    n->next = p->first_child;
    if (n->next)
        t->nodes[n->next].prev = node;
    p->first_child = node;
    if (str_eq(level, STR("+")))
        p->plus = node;
    if (str_eq(level, STR("#")))
        p->any = node;
    if (t->live > t->edge_cap / 4 * 3)
        edges_resize(t, t->edge_cap ? t->edge_cap * 2 : 16);
    edge_put(t, node);
    return node;
}

uint32_t trie_insert(struct trie *t, struct str path)
{
    uint32_t node = TRIE_ROOT;

    while (path.p) {
        struct str level = trie_cut(&path);
        uint64_t hash = trie_hash(t, level);
        uint32_t child = trie_child(t, node, level, hash);

        node = child ? child : child_add(t, node, level, hash);
    }
    return node;
}

uint32_t trie_find(const struct trie *t, struct str path)
{
    uint32_t node = TRIE_ROOT;

    while (path.p && node) {
        struct str level = trie_cut(&path);

        node = trie_child(t, node, level, trie_hash(t, level));
    }
    return node;
}

void trie_prune(struct trie *t, uint32_t node)
{
    while (node != TRIE_ROOT && !t->nodes[node].value && !t->nodes[node].first_child) {
        struct trie_node *n = &t->nodes[node];
        struct trie_node *p = &t->nodes[n->parent];
        uint32_t parent = n->parent;

        edge_remove(t, node);
        if (n->next)
            t->nodes[n->next].prev = n->prev;
        if (n->prev)
            t->nodes[n->prev].next = n->next;
        else
            p->first_child = n->next;
        if (p->plus == node)
            p->plus = TRIE_NONE;
        if (p->any == node)
            p->any = TRIE_NONE;
        if (n->level_n > TRIE_INLINE)
            mem_free(n->level.far);
        *n = (struct trie_node){ .next = t->free };
        t->free = node;
        t->live--;
        node = parent;
    }
    if (t->edge_cap > 64 && t->live < t->edge_cap / 8)
        edges_resize(t, t->edge_cap / 2);
}
