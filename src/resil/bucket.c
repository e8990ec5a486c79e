/*
 * As one number: each token costs 1 s / rate, and what was taken is paid for one after the other. Who is
 * ahead by more than a second waits for the rest; who was quiet has saved nothing beyond that second.
 */
#include "resil/bucket.h"

#define SECOND_NS UINT64_C(1000000000)

uint64_t bucket_take(struct bucket *b, uint64_t now_ms, uint64_t n, uint64_t rate)
{
    uint64_t now_ns = now_ms * 1000000;
    uint64_t cost_ns;

    if (rate == 0)
        return 0;
    if (b->due_ns < now_ns)
        b->due_ns = now_ns;
    cost_ns = n / rate * SECOND_NS + n % rate * SECOND_NS / rate;
    b->due_ns += cost_ns > 0 ? cost_ns : 1;
    if (b->due_ns <= now_ns + SECOND_NS)
        return 0;
    return (b->due_ns - now_ns - SECOND_NS + 999999) / 1000000;
}
