#ifndef RESIL_BACKOFF_H
#define RESIL_BACKOFF_H
/*
 * How long to wait before trying again: twice as long after each failure, up to a cap, with jitter
 * so that thousands who lost the same server do not come back at once. Pure: time and randomness
 * are arguments.
 *
 * Two caps: for the first `eager_for_ms` of a failure the wait stays below `eager_max_ms`, because
 * a server that restarts is back within seconds; only then it may grow to `max_ms`.
 */
#include <stdint.h>

struct backoff_rules {
    uint32_t first_ms; /* > 0 */
    uint32_t eager_max_ms, eager_for_ms;
    uint32_t max_ms;
};
/* For one's own uplink: 100 ms doubling to 1 s for the first minute, then to 30 s. */
#define BACKOFF_UPLINK ((struct backoff_rules){ 100, 1000, 60000, 30000 })

struct backoff {
    struct backoff_rules rules;
    uint64_t since_ms; /* of the first failure in a row; means something when count > 0 */
    uint32_t ceiling_ms;
    uint32_t count; /* failures in a row */
};

void backoff_init(struct backoff *b, const struct backoff_rules *rules);
/* A failure at now_ms: how long to wait. Between half of the ceiling and all of it, by `random`
 * (any 32 bits). */
uint32_t backoff_failed(struct backoff *b, uint64_t now_ms, uint32_t random);
/* It worked: the next failure is a first one. */
void backoff_worked(struct backoff *b);
/* It failed again, but not before something was done: the wait stays below eager_max_ms for another
 * eager_for_ms. */
void backoff_progressed(struct backoff *b, uint64_t now_ms);

#endif
