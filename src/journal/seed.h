#ifndef JOURNAL_SEED_H
#define JOURNAL_SEED_H
/*
 * The seed of a segment out of its frames alone, for a journal whose identity is lost or a segment
 * that has lost header and name. Pure.
 *
 * A checksum tells its seed: for each frame there is exactly one with which it is whole. One frame
 * proves nothing, but frames that follow one another and agree do: by chance they do so once in
 * 2^32. That a device may write such frames of its own making into a payload is why a whole header
 * or the journal's identity is always believed first, and a seed that fits many files before one
 * that fits a single one (seed_base).
 */
#include "base/uuid.h"
#include "journal/segment.h"

#define SEEDS_MAX   64
#define SEED_FRAMES 3u /* in a row at least: an origin, a name, a record */

struct seed_row {
    uint32_t seed;
    uint64_t frames, bytes; /* that agree on it */
};
struct seed_search {
    struct seed_row rows[SEEDS_MAX]; /* most bytes first, once it is done */
    size_t count;
};
/* The seeds on which frames in `in` agree. */
void seed_search(struct seed_search *s, struct str in);

/* What all segments of a journal have in common: the seed less the generation's part of it. */
uint32_t seed_base(uint32_t seed, uint64_t generation);
/* The other way. */
static inline uint32_t seed_from_base(uint32_t base, uint64_t generation)
{
    return seed_base(base, generation); /* the same exclusive or */
}
/* Whose segment these frames are of: the origin that is defined in it and needed by no record, since
 * a journal's own records name none. Where there are several (the records of one are damaged), it is
 * the likely one or nobody knows. ERR_UNKNOWN. */
MUST_USE int seed_journal(uint32_t seed, struct str in, const struct uuid *likely,
                          struct uuid *out);

#endif
