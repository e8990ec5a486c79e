#ifndef EDGE_TAIL_H
#define EDGE_TAIL_H
/*
 * The newest record of each stream among the last of a journal, for what goes out live ahead of a
 * backlog. Pure: records come in twice, since their bytes are not kept in between.
 */
#include "base/map.h"
#include "journal/record.h"

#define TAIL_STREAMS_MAX 1000 /* streams beyond it are left out */

struct tail {
    struct map newest; /* stream → its place in seqs */
    uint64_t *seqs;
    size_t count;
};
void tail_init(struct tail *t);
void tail_fini(struct tail *t);
/* First pass, in order. */
void tail_note(struct tail *t, const struct record *r);
/* Second pass: whether r is the newest of its stream. */
bool tail_is_newest(const struct tail *t, const struct record *r);

#endif
