/*
 * A small table of clients that were refused lately, by a keyed hash of their id, so that nobody
 * can aim at the place of another. Four places for each remainder: the one that is over first goes.
 */
#include "mqtt/denials.h"

bool denials_log(struct denials *d, uint64_t client, uint64_t now_ms, uint32_t *out_more)
{
    struct denial *set = d->all[client % DENIALS_SETS], *oldest = set;

    for (unsigned i = 0; i < DENIALS_WAYS; i++) {
        struct denial *x = &set[i];

        if (x->until_ms != 0 && x->client == client) {
            if (now_ms < x->until_ms) {
                x->more++;
                return false;
            }
            *out_more = x->more;
            x->more = 0;
            x->until_ms = now_ms + DENIALS_MS;
            return true;
        }
        if (x->until_ms < oldest->until_ms)
            oldest = x;
    }
    *oldest = (struct denial){ .client = client, .until_ms = now_ms + DENIALS_MS };
    *out_more = 0;
    return true;
}
