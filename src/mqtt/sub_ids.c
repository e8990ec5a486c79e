/*
 * Sets of identifiers, counted. The one that was put last is found again at once; among others only the
 * first few are searched, so that a client whose messages all have other sets costs memory (which its queue
 * counts) and no time. Sets that are free make a chain.
 */
#include "mqtt/sub_ids.h"

#include "base/mem.h"

#include <assert.h>

#define SEARCHED 16u

void sub_id_sets_fini(struct sub_id_sets *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        mem_free(t->sets[i].ids);
    mem_free(t->sets);
    *t = (struct sub_id_sets){ 0 };
}

static bool is(const struct sub_id_set *s, struct sub_ids ids, uint64_t share)
{
    return s->ids && s->n == ids.n && s->share == share &&
           memcmp(s->ids, ids.at, ids.n * sizeof(*ids.at)) == 0;
}

/* The number of such a set; count: there is none. */
static uint32_t find(const struct sub_id_sets *t, struct sub_ids ids, uint64_t share)
{
    if (t->last < t->count && is(&t->sets[t->last], ids, share))
        return t->last;
    for (uint32_t i = 0; i < t->count && i < SEARCHED; i++)
        if (is(&t->sets[i], ids, share))
            return i;
    return t->count;
}

static uint32_t take_free(struct sub_id_sets *t)
{
    uint32_t at = t->free;

    if (at > 0) {
        t->free = t->sets[at - 1].refs;
        return at - 1;
    }
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 2;
        t->sets = mem_resize(t->sets, t->cap * sizeof(*t->sets));
    }
    return t->count++;
}

static uint32_t put(struct sub_id_sets *t, struct sub_ids ids, uint64_t share)
{
    uint32_t at = find(t, ids, share);

    if (at == t->count) {
        at = take_free(t);
        t->sets[at] = (struct sub_id_set){
            .ids = mem_dup(ids.at, ids.n * sizeof(*ids.at)),
            .n = ids.n,
            .share = share,
        };
    }
    t->sets[at].refs++;
    t->last = at;
    return SUB_IDS_SET | at;
}

uint32_t sub_id_sets_put(struct sub_id_sets *t, struct sub_ids ids)
{
    if (ids.n < 2)
        return ids.n ? ids.at[0] : 0;
    return put(t, ids, 0);
}

uint32_t sub_id_sets_put_shared(struct sub_id_sets *t, struct sub_ids ids, uint64_t share)
{
    assert(share != 0);
    return put(t, ids, share);
}

uint64_t sub_id_sets_share(const struct sub_id_sets *t, uint32_t ref)
{
    return ref & SUB_IDS_SET ? t->sets[ref & ~SUB_IDS_SET].share : 0;
}

void sub_id_sets_drop(struct sub_id_sets *t, uint32_t ref)
{
    uint32_t at = ref & ~SUB_IDS_SET;
    struct sub_id_set *s;

    if (!(ref & SUB_IDS_SET))
        return;
    assert(at < t->count && t->sets[at].ids && t->sets[at].refs > 0);
    s = &t->sets[at];
    if (--s->refs > 0)
        return;
    mem_free(s->ids);
    *s = (struct sub_id_set){ .refs = t->free };
    t->free = at + 1;
}

struct sub_ids sub_id_sets_get(const struct sub_id_sets *t, const uint32_t *ref)
{
    uint32_t at = *ref & ~SUB_IDS_SET;

    if (!(*ref & SUB_IDS_SET))
        return sub_ids_one(ref);
    assert(at < t->count && t->sets[at].ids);
    return (struct sub_ids){ t->sets[at].ids, t->sets[at].n };
}
