/*
 * Retained messages in a trie of topics. A filter without wildcards is one look-up; a "+" walks the
 * children of one node, a "#" a whole subtree, and only those nodes.
 *
 * Messages carry the stamp of their publication. What is older than what is kept is refused, so
 * two workers that publish on one topic at the same time leave the later message, in whatever
 * order their mail arrives. Of two that are written down the log has said already which is the later, and a
 * start out of it will say the same. Expired messages are forgotten when somebody comes across them.
 */
#include "mqtt/retained.h"

#include "base/mem.h"
#include "mqtt/sys_topics.h"

#include <assert.h>

void retained_init(struct retained *r)
{
    *r = (struct retained){ 0 };
    trie_init(&r->trie);
}

void retained_fini(struct retained *r)
{
    for (uint32_t i = TRIE_ROOT; i < r->trie.used; i++)
        message_unref(r->trie.nodes[i].value);
    trie_fini(&r->trie);
}

/* The broker's own topics take no room of the clients'. */
static bool is_own(const struct message *m)
{
    return sys_is_brokers(message_topic(m));
}

static void forget(struct retained *r, uint32_t node)
{
    struct message *m = r->trie.nodes[node].value;

    r->trie.nodes[node].value = NULL;
    r->own -= is_own(m);
    r->count--;
    r->bytes -= message_size(m);
    message_unref(m);
    trie_prune(&r->trie, node);
}

bool retained_is_later(struct retained_age a, struct retained_age b)
{
    return a.seq != 0 && b.seq != 0 ? a.seq > b.seq : a.stamp > b.stamp;
}

int retained_set(struct retained *r, struct message *m, bool room)
{
    uint32_t node = trie_find(&r->trie, message_topic(m));
    struct message *old = node ? r->trie.nodes[node].value : NULL;

    if (old && retained_is_later(retained_age(old), retained_age(m)))
        return ERR_STALE;
    if (message_payload(m).n == 0) {
        if (old)
            forget(r, node);
        return 0;
    }
    if (!old && !room && !is_own(m))
        return ERR_FULL;
    if (!node)
        node = trie_insert(&r->trie, message_topic(m));
    r->trie.nodes[node].value = message_ref(m);
    r->bytes += message_size(m);
    if (old) {
        r->bytes -= message_size(old);
        message_unref(old);
    } else {
        r->own += is_own(m);
        r->count++;
    }
    return 0;
}

struct message *retained_get(const struct retained *r, struct str topic)
{
    uint32_t node = trie_find(&r->trie, topic);

    return node ? r->trie.nodes[node].value : NULL;
}

struct walk {
    struct retained *r;
    uint64_t now_ms;
    void (*on)(void *ctx, struct message *m);
    void *ctx;
    uint32_t *expired; /* forgotten after the walk, which must not lose its footing */
    size_t expired_count, expired_cap;
};

static void visit(struct walk *w, uint32_t node)
{
    struct message *m = w->r->trie.nodes[node].value;

    if (!m)
        return;
    if (message_expires_ms(m) == 0 || message_expires_ms(m) > w->now_ms) {
        w->on(w->ctx, m);
        return;
    }
    if (w->expired_count == w->expired_cap) {
        w->expired_cap = w->expired_cap ? w->expired_cap * 2 : 16;
        w->expired = mem_resize(w->expired, w->expired_cap * sizeof(*w->expired));
    }
    w->expired[w->expired_count++] = node;
}

/* A wildcard in the first level does not match topics that begin with "$" (MQTT 5, 4.7.2). */
static bool hidden(const struct trie *t, uint32_t parent, uint32_t child)
{
    struct str level = trie_level(&t->nodes[child]);

    return parent == TRIE_ROOT && level.n > 0 && level.p[0] == '$';
}

/* node and everything below it, without recursion: down, right, or up and right. */
static void visit_subtree(struct walk *w, uint32_t top)
{
    const struct trie *t = &w->r->trie;
    uint32_t at = top;

    for (;;) {
        visit(w, at);
        if (t->nodes[at].first_child) {
            at = t->nodes[at].first_child;
            continue;
        }
        while (at != top && !t->nodes[at].next)
            at = t->nodes[at].parent;
        if (at == top)
            return;
        at = t->nodes[at].next;
    }
}

/* rest: the levels of the filter below node. Recursion is as deep as the filter has levels, which
 * is capped where filters are checked. */
static void visit_matching(struct walk *w, uint32_t node, struct str rest)
{
    const struct trie *t = &w->r->trie;
    struct str level;

    if (!rest.p) {
        visit(w, node);
        return;
    }
    level = trie_cut(&rest);
    if (str_eq(level, STR("#"))) {
        if (node != TRIE_ROOT) {
            visit_subtree(w, node);
            return;
        }
        for (uint32_t c = t->nodes[node].first_child; c; c = t->nodes[c].next)
            if (!hidden(t, node, c))
                visit_subtree(w, c);
        return;
    }
    if (str_eq(level, STR("+"))) {
        for (uint32_t c = t->nodes[node].first_child; c; c = t->nodes[c].next)
            if (!hidden(t, node, c))
                visit_matching(w, c, rest);
        return;
    }
    node = trie_child(t, node, level, trie_hash(t, level));
    if (node)
        visit_matching(w, node, rest);
}

void retained_match(struct retained *r, struct str filter, uint64_t now_ms,
                    void (*on)(void *ctx, struct message *m), void *ctx)
{
    struct walk w = { .r = r, .now_ms = now_ms, .on = on, .ctx = ctx };

    assert(filter.n > 0);
    visit_matching(&w, TRIE_ROOT, filter);
    for (size_t i = 0; i < w.expired_count; i++)
        forget(r, w.expired[i]);
    mem_free(w.expired);
}
