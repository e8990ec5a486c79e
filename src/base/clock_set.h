#ifndef BASE_CLOCK_SET_H
#define BASE_CLOCK_SET_H
/* Whether a wall clock was ever set. Pure: the time comes as an argument, so whoever may not read
 * the clock (base/clock.h) may still judge it. */
#include <stdbool.h>
#include <stdint.h>

/* Before 2024-01-01 it was not: machines without a clock battery start in 1970. */
#define CLOCK_SET_NS ((int64_t)1704067200 * 1000000000)

static inline bool clock_is_set(int64_t wall_ns)
{
    return wall_ns >= CLOCK_SET_NS;
}

#endif
