#ifndef MQTT_TIMELINE_H
#define MQTT_TIMELINE_H
/*
 * The times of a log, of which each was told by the wall clock as it was then, though that clock was set in
 * between. Pure.
 *
 * Each record has both clocks as they were when it was made. While the machine runs, time passes as its uptime
 * says, however the wall clock was set meanwhile. While it is off, as its wall clock says; where that is
 * certainly wrong, since it went back or was never set before, no time has passed. So it never goes back.
 */
#include "base/uuid.h"

struct timeline_clocks {
    int64_t wall_ms;   /* UTC since 1970 */
    int64_t uptime_ms; /* of that boot */
    struct uuid boot;  /* all zero: unknown */
};
/* Zeroed: nothing was read yet. */
struct timeline {
    struct timeline_clocks last;
    int64_t shift_ms; /* by how much the wall clock was set since the first record */
    bool begun;
};

/* What is told from now on was told by these clocks. */
void timeline_at(struct timeline *t, const struct timeline_clocks *now);
/* A time by the wall clock of now, so that it compares with those that were told before and will be. */
int64_t timeline_of(const struct timeline *t, int64_t wall_ms);

#endif
