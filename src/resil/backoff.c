/*
 * Exponential backoff with jitter, for everybody who talks to something that can fail. "Equal
 * jitter": half of the wait is fixed, so that nobody hammers, the other half is random, so that a
 * crowd spreads. The ceiling keeps its growth when the eager phase ends, so the change of caps is
 * one more doubling and not a jump.
 */
#include "resil/backoff.h"

#include <assert.h>

void backoff_init(struct backoff *b, const struct backoff_rules *rules)
{
    assert(rules->first_ms > 0);
    *b = (struct backoff){ .rules = *rules };
}

void backoff_worked(struct backoff *b)
{
    b->count = 0;
    b->ceiling_ms = 0;
}

void backoff_progressed(struct backoff *b, uint64_t now_ms)
{
    b->since_ms = now_ms;
}

uint32_t backoff_failed(struct backoff *b, uint64_t now_ms, uint32_t random)
{
    const struct backoff_rules *r = &b->rules;
    uint32_t cap, half;

    if (b->count == 0)
        b->since_ms = now_ms;
    cap = now_ms - b->since_ms < r->eager_for_ms ? r->eager_max_ms : r->max_ms;
    if (b->ceiling_ms == 0)
        b->ceiling_ms = r->first_ms;
    else
        b->ceiling_ms = b->ceiling_ms > cap / 2 ? cap : b->ceiling_ms * 2;
    if (b->ceiling_ms > cap)
        b->ceiling_ms = cap;
    b->count += b->count < UINT32_MAX;
    half = b->ceiling_ms / 2;
    return b->ceiling_ms - half + (uint32_t)((uint64_t)random * (half + UINT64_C(1)) >> 32);
}
