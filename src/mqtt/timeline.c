/*
 * One number says it all: by how much the wall clock was set so far. A time that was told is kept without it, so
 * nothing that was kept need be looked at again when the clock is set.
 *
 * The values are a file's: whatever they are, nothing overflows.
 */
#include "mqtt/timeline.h"

#include "base/clock_set.h"

#define MOST ((int64_t)1 << 60) /* of a shift; far more than any clock shows */

static int64_t within(int64_t v)
{
    if (v > MOST)
        return MOST;
    return v < -MOST ? -MOST : v;
}

static bool is_set(int64_t wall_ms)
{
    return wall_ms >= CLOCK_SET_NS / 1000000;
}

/* From one boot to another. */
static int64_t lost_between(int64_t before_ms, int64_t wall_ms)
{
    bool wrong = wall_ms < before_ms || (!is_set(before_ms) && is_set(wall_ms));

    return wrong ? wall_ms - before_ms : 0;
}

void timeline_at(struct timeline *t, const struct timeline_clocks *now)
{
    bool same = !uuid_is_zero(&now->boot) && uuid_eq(&now->boot, &t->last.boot);
    int64_t step_ms = 0;

    if (same)
        step_ms = (now->wall_ms - now->uptime_ms) - (t->last.wall_ms - t->last.uptime_ms);
    else if (t->begun)
        step_ms = lost_between(t->last.wall_ms, now->wall_ms);
    t->shift_ms = within(t->shift_ms + step_ms);
    t->last = *now;
    t->begun = true;
}

int64_t timeline_of(const struct timeline *t, int64_t wall_ms)
{
    return within(wall_ms) - t->shift_ms;
}
