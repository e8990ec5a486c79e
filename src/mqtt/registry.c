/*
 * The owners of sessions as a pure machine. An entry is `held` by a worker, or `moving`: its owner
 * was asked to give it up, and a queue of claims waits for that. Each grant gets a new generation,
 * so that word of an end which crosses a claim is recognised as old.
 */
#include "mqtt/registry.h"

#include "base/mem.h"

#include <assert.h>

struct entry {
    struct registry_claim *last; /* of those that wait, in a ring; NULL: none, it does not move */
    unsigned worker;
    uint32_t generation;
    char id[];
};

void registry_init(struct registry *r, size_t max)
{
    *r = (struct registry){ .max = max };
    map_init(&r->entries);
}

void registry_fini(struct registry *r)
{
    size_t at = 0;
    struct map_entry *e;

    while ((e = map_next(&r->entries, &at)))
        mem_free(e->value);
    map_fini(&r->entries);
}

static void hold(struct registry *r, struct entry *e, struct registry_claim *claim)
{
    e->worker = claim->worker;
    e->generation = claim->generation = ++r->generation;
}

static struct entry *add(struct registry *r, struct str client_id)
{
    struct entry *e = mem_new(offsetof(struct entry, id) + client_id.n);

    memcpy(e->id, client_id.p, client_id.n);
    map_put(&r->entries, str_from(e->id, client_id.n), e);
    return e;
}

uint32_t registry_restore(struct registry *r, struct str client_id, unsigned worker)
{
    struct registry_claim claim = { .worker = worker };

    assert(!map_get(&r->entries, client_id));
    hold(r, add(r, client_id), &claim);
    return claim.generation;
}

enum registry_act registry_claim(struct registry *r, struct str client_id,
                                 struct registry_claim *claim, unsigned *out_owner)
{
    struct entry *e = map_get(&r->entries, client_id);
    bool moving = e && e->last;

    claim->next = NULL;
    if (!e) {
        if (r->entries.count >= r->max)
            return REGISTRY_FULL;
        hold(r, add(r, client_id), claim);
        return REGISTRY_GRANT;
    }
    claim->next = moving ? e->last->next : claim;
    if (moving)
        e->last->next = claim;
    e->last = claim;
    if (moving)
        return REGISTRY_WAIT;
    *out_owner = e->worker;
    return REGISTRY_TAKE;
}

/* The claim that the owner was asked for, and in *out_next the one behind it. */
static struct registry_claim *take_first(struct entry *e, struct registry_claim **out_next)
{
    struct registry_claim *claim = e->last->next;

    e->last->next = claim->next;
    if (e->last == claim)
        e->last = NULL;
    claim->next = NULL;
    *out_next = e->last ? e->last->next : NULL;
    return claim;
}

struct registry_claim *registry_gave(struct registry *r, struct str client_id,
                                     struct registry_claim **out_next)
{
    struct entry *e = map_get(&r->entries, client_id);
    struct registry_claim *claim;

    assert(e && e->last);
    claim = take_first(e, out_next);
    hold(r, e, claim);
    return claim;
}

struct registry_claim *registry_kept(struct registry *r, struct str client_id,
                                     struct registry_claim **out_next)
{
    struct entry *e = map_get(&r->entries, client_id);

    assert(e && e->last);
    return take_first(e, out_next);
}

void registry_gone(struct registry *r, struct str client_id, uint32_t generation)
{
    struct entry *e = map_get(&r->entries, client_id);

    if (!e || e->last || e->generation != generation)
        return;
    map_remove(&r->entries, client_id);
    mem_free(e);
}
