#ifndef RESIL_BUCKET_H
#define RESIL_BUCKET_H
/*
 * A token bucket that never refuses: whoever took more than there was waits before it takes again. It holds
 * one second's worth. Pure: time is an argument.
 */
#include <stdint.h>

struct bucket {
    uint64_t due_ns; /* when everything that was taken will have been paid for */
};
/* Takes n > 0 tokens of a bucket that gets rate a second. How many ms until it may be asked again; 0: at
 * once. rate 0: no limit. */
uint64_t bucket_take(struct bucket *b, uint64_t now_ms, uint64_t n, uint64_t rate);

#endif
