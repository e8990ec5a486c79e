/* Numbers in messages. They are read back by the program that wrote them, on the same machine: no byte
 * order to agree upon. */
#include "cli/bench_flow.h"

#include <assert.h>

static_assert(sizeof(struct bench_stamp) == BENCH_STAMP_BYTES, "a stamp is copied as it is");

void bench_stamp_write(char out[BENCH_STAMP_BYTES], const struct bench_stamp *s)
{
    memcpy(out, s, sizeof(*s));
}

bool bench_stamp_read(struct str payload, struct bench_stamp *out)
{
    if (payload.n < BENCH_STAMP_BYTES)
        return false;
    memcpy(out, payload.p, sizeof(*out));
    return true;
}

uint32_t bench_seq_take(struct bench_seq *s, uint32_t seq, struct bench_tally *t)
{
    uint32_t further = seq - s->next; /* modulo 2^32: what is behind is far ahead */

    if (further > UINT32_MAX / 2) {
        t->repeated++;
        return 0;
    }
    t->lost += further;
    s->next = seq + 1;
    return further + 1;
}

uint64_t bench_pace_at(const struct bench_pace *p, uint64_t n)
{
    uint64_t s = n / p->per_s, rest = n % p->per_s;

    return p->start_ns + s * 1000000000 + rest * 1000000000 / p->per_s;
}

uint64_t bench_pace_due(const struct bench_pace *p, uint64_t now_ns)
{
    uint64_t ns = now_ns > p->start_ns ? now_ns - p->start_ns : 0;
    uint64_t s = ns / 1000000000, rest = ns % 1000000000;

    return s * p->per_s + rest * p->per_s / 1000000000 + 1;
}

uint64_t bench_share(uint64_t n, unsigned index, unsigned of)
{
    return n * (index + 1) / of - n * index / of;
}
