#ifndef JOURNAL_LIVES_H
#define JOURNAL_LIVES_H
/*
 * The starts that a journal has behind it: which numbers each of them gave. Pure.
 *
 * A journal that was copied, or restored from an image, is a tree of starts, and each journal that
 * runs is one path through it. "Everything up to n of the start e" means all numbers up to n on the
 * path to e, so it says where two journals have the same records, and a number alone does not.
 */
#include "base/buf.h"
#include "base/rd.h"

#include <stdbool.h>

#define LIVES_MAX  24 /* the newest that are remembered: what fits into the header of a segment */
#define LIVES_SIZE (16u * LIVES_MAX)

struct life {
    uint64_t epoch;  /* of this start, see record.h; not 0 */
    uint64_t before; /* the last number before it */
};
struct lives {
    size_t count;
    struct life of[LIVES_MAX]; /* newest first */
};
/* A stretch of numbers that one start gave. */
struct life_span {
    uint64_t epoch;       /* 0: unknown */
    uint64_t first, last; /* last: UINT64_MAX while it runs */
};

/* A new start behind the number `before`. What the older ones were to give beyond that is not on
 * this path. */
void lives_begin(struct lives *l, uint64_t epoch, uint64_t before);
/* Whose number seq (>= 1) is, or would be. False: an older start's than are remembered; then *out is
 * the stretch of all these, with epoch 0. */
bool lives_find(const struct lives *l, uint64_t seq, struct life_span *out);

/* LIVES_SIZE bytes, zeros where there are none. */
void lives_write(struct buf *out, const struct lives *l);
void lives_read(struct rd *r, struct lives *out);

#endif
