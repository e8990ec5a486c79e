#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
/* The clocks of this machine. Pure files never call these: time comes to them as an argument. */
#include <stdint.h>

int64_t clock_wall_ns(void);    /* CLOCK_REALTIME, UTC since 1970; may jump */
uint64_t clock_mono_ns(void);   /* CLOCK_MONOTONIC */
uint64_t clock_uptime_ns(void); /* CLOCK_BOOTTIME: since boot, counts through suspend */
uint64_t clock_thread_cpu_ns(void);

#endif
