#ifndef CLI_BENCH_FLOW_H
#define CLI_BENCH_FLOW_H
/* What a message of `bench mqtt` carries, whether any is missing, and when the next one is due. Pure. */
#include "base/str.h"

#define BENCH_STAMP_BYTES 16

/* In front of each payload. */
struct bench_stamp {
    uint64_t at_ns; /* when it left, or should have left */
    uint32_t publisher;
    uint32_t seq; /* of this publisher, or topic: 0, 1, 2, … */
};
void bench_stamp_write(char out[BENCH_STAMP_BYTES], const struct bench_stamp *s);
/* False: not one of ours. */
bool bench_stamp_read(struct str payload, struct bench_stamp *out);

/* What came at one place from one publisher, in its order. */
struct bench_seq {
    uint32_t next;
};
struct bench_tally {
    uint64_t lost;     /* a later one came in their place */
    uint64_t repeated; /* came again, or behind a later one */
};
/* Takes note of a message. Returns by how much the publisher's messages are further: 1, or more when
 * some are missing, or 0 when this one had its turn already. */
uint32_t bench_seq_take(struct bench_seq *s, uint32_t seq, struct bench_tally *t);

/* per_s messages a second, at equal distances. */
struct bench_pace {
    uint64_t start_ns, per_s;
};
/* When message number n (0, 1, …) is to leave. */
uint64_t bench_pace_at(const struct bench_pace *p, uint64_t n);
/* How many were to have left by now. */
uint64_t bench_pace_due(const struct bench_pace *p, uint64_t now_ns);

/* The share of one of several in n: all shares together are n, none is larger by more than 1. */
uint64_t bench_share(uint64_t n, unsigned index, unsigned of);

#endif
