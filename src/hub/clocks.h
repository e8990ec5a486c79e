#ifndef HUB_CLOCKS_H
#define HUB_CLOCKS_H
/*
 * The times of devices whose clock is wrong: machines without a clock battery start in 1970 and
 * jump when they learn the time. What never lies is the uptime clock, so from (boot, uptime) of a
 * record and one moment at which boot, uptime and the true time were known together, the record's
 * true time follows. Pure; one thread.
 */
#include "base/map.h"
#include "journal/batch.h"

#define CLOCKS_MAX 10000 /* boots that are remembered; beyond it the memory starts afresh */

struct clocks {
    struct map boots;
    uint64_t error_max_ns;
};

/* error_max_ns: a clock that is off by no more is right; at least a slow link's delay. */
void clocks_init(struct clocks *c, uint64_t error_max_ns);
void clocks_fini(struct clocks *c);
/* A batch of this sender arrived at now_ns, by our own wall clock. */
void clocks_learn(struct clocks *c, const struct batch_sender *s, int64_t now_ns);
/* Corrects the record's time when it is certainly wrong: a time of arrival that differs from the
 * time by uptime, or a given one before 2001. True: it was corrected, and keeps the one before in
 * sent_ns. */
bool clocks_correct(const struct clocks *c, struct record *r);

#endif
