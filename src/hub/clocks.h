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

/* error_max_ns: a clock that is off by no more is right; at least the time that a batch takes on a
 * slow link. */
void clocks_init(struct clocks *c, uint64_t error_max_ns);
void clocks_fini(struct clocks *c);
/* A batch of this sender arrived at now_ns, by our own wall clock. It was under way for no longer
 * than delay_max_ns, measured by a clock that does not jump. A sender that is behind by no more than
 * that and error_max_ns is not taken for one with a slow clock by this batch alone, unless its clock
 * agreed with ours before; the next one that came soon decides, or one that says the same and was
 * packed later than this one arrived. */
void clocks_learn(struct clocks *c, const struct batch_sender *s, int64_t now_ns,
                  uint64_t delay_max_ns);
/* Corrects the record's time when it is certainly wrong: a time of arrival that cannot be the time
 * of its uptime, or a given one before 2001 that cannot. True: it was corrected, and keeps the one
 * before in sent_ns. */
bool clocks_correct(const struct clocks *c, struct record *r);

#endif
