#ifndef JOURNAL_SLOTS_H
#define JOURNAL_SLOTS_H
/*
 * A small value in a file of two sectors, written in turn: a write that was cut leaves the other
 * one. Pure. For cursors and for the journal's own identity.
 */
#include "base/buf.h"
#include "base/uuid.h"

#define SLOT_SIZE   512u
#define SLOTS_BYTES 1024u

struct slot {
    uint64_t counter; /* the higher one counts; slot number counter % 2 */
    struct uuid journal;
    /* cursor: seq; identity: key, newest generation or 0, lowest next seq, records that the quota cost
     * so far, bytes of that segment (0: unknown) */
    uint64_t a, b, c, d, e;
};

/* The newest whole slot of the file's bytes (any length); ERR_CORRUPT when there is none. */
MUST_USE int slots_read(struct str in, struct slot *out);
/* One sector. It belongs at slots_offset(). */
void slots_write(struct buf *out, const struct slot *s);
static inline uint64_t slots_offset(const struct slot *s)
{
    return (s->counter % 2) * SLOT_SIZE;
}

#endif
