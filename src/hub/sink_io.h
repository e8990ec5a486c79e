#ifndef HUB_SINK_IO_H
#define HUB_SINK_IO_H
/*
 * The sink that fills the store from the journal: one thread that reads from where the store
 * stands, writes batches, and lets the journal trim what is on the disk for good. A store that is
 * locked, full or gone stops only this thread; the journal keeps what comes meanwhile.
 */
#include "journal/journal.h"
#include "net/loop.h"
#include "store/store.h"

struct sink;

struct sink_options {
    struct journal *journal;
    struct store *store;
    struct metrics *metrics; /* may be NULL */
    /* Told when the store begins to refuse (code, text: why) and when it takes again (0, ""). On
     * that loop. text is valid during the call. May be NULL. */
    void (*state)(void *ctx, int code, const char *text);
    void *ctx;
    struct loop *loop;
};

/* Where the sink begins (store_begin) is settled here; nothing is written before sink_start(). */
MUST_USE int sink_open(const struct sink_options *o, struct sink **out, struct fault *f);
void sink_start(struct sink *s);
/* Writes what the journal has (for at most 2 s), ends the thread. No state() comes after the loop
 * delivered its mail. Not from the loop. */
void sink_stop(struct sink *s);

#endif
