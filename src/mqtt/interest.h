#ifndef MQTT_INTEREST_H
#define MQTT_INTEREST_H
/*
 * Which topics a worker may want, for others that ask before they post to it: never no where a filter of its
 * matches, seldom yes where none does. Pure.
 */
#include "base/str.h"

#include <stdbool.h>

#define INTEREST_LEVELS 3u    /* of a filter, that tell it from others */
#define INTEREST_BITS   1024u /* of hashes, for some hundreds of filters */

/* Zeroed: nothing. */
struct interest_set {
    uint64_t depths; /* bit n: filters with n plain levels are there */
    uint64_t bits[INTEREST_BITS / 64];
};
/* Filters by hash and by depth, which make a set. Zeroed: none. */
struct interest_counts {
    uint32_t depths[INTEREST_LEVELS + 1];
    uint32_t bits[INTEREST_BITS];
};
/* Of a filter. */
struct interest_place {
    unsigned
        depth; /* plain levels before its first wildcard, INTEREST_LEVELS at most; 0: it has no bit */
    unsigned bit;
};
/* Of a topic: the places of all filters that may match it. */
struct interest_look {
    unsigned levels; /* so many of bit are filled, by depth - 1, where that depth is asked for */
    unsigned bit[INTEREST_LEVELS];
};

/* filter: valid, without "$share/NAME/". key: the same on all workers. */
struct interest_place interest_place_of(const uint64_t key[2], struct str filter);
/* Keep the set in step with the counts. */
void interest_count_in(struct interest_counts *k, struct interest_set *s, struct interest_place at);
void interest_count_out(struct interest_counts *k, struct interest_set *s,
                        struct interest_place at);
bool interest_has(const struct interest_set *s, struct interest_place at);
void interest_unite(struct interest_set *s, const struct interest_set *with);
void interest_intersect(struct interest_set *s, const struct interest_set *with);
/* depths: of the sets that will be asked, together. */
struct interest_look interest_look_for(const uint64_t key[2], struct str topic, uint64_t depths);
bool interest_wants(const struct interest_set *s, const struct interest_look *look);

#endif
