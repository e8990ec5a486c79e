#ifndef HUB_ONCE_H
#define HUB_ONCE_H
/* Says whether something about a key may be logged now: once per interval and key, so that a
 * client that errs a thousand times a second fills no disk. Pure: time is an argument. */
#include "base/map.h"

#define ONCE_KEYS_MAX 1000 /* beyond it all keys share one interval until old ones have passed */

struct once {
    struct map keys;
    uint64_t every_ms, sweep_ms;
    uint64_t spill_ms; /* for keys that found no room */
};

void once_init(struct once *o, uint64_t every_ms);
void once_fini(struct once *o);
/* True at most once per every_ms for each key. *out_count (may be NULL): how often it was asked for
 * this key since the last true, this time included. */
bool once_may(struct once *o, struct str key, uint64_t now_ms, uint64_t *out_count);

#endif
