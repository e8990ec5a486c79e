#ifndef EDGE_UPLINK_H
#define EDGE_UPLINK_H
/*
 * What the uplink decides: when to read the next batch from the journal, which batches are on
 * their way, how far the hub has acknowledged. Pure; uplink_client.c acts on it.
 *
 * Batches go out in order over one connection with a window; the hub acknowledges in order. When
 * the connection ends, everything unacknowledged is read again from the journal, so nothing but
 * the journal needs to be remembered.
 */
#include <stdbool.h>
#include <stdint.h>

#define UPLINK_WINDOW_MAX 64

struct uplink {
    uint64_t acked_seq; /* the hub has all up to here */
    uint64_t read_seq;  /* read from the journal up to here */
    unsigned window;    /* batches on their way at most */
    unsigned inflight;
    uint64_t last[UPLINK_WINDOW_MAX]; /* their last seqs, oldest first, as a ring */
    unsigned first;
    uint32_t generation; /* of the connection; batches of an older one are dropped */
    bool connected, reading, news;
};

void uplink_init(struct uplink *u, uint64_t acked_seq, unsigned window);
/* The session with the hub stands: everything after acked_seq goes out (again). */
void uplink_connected(struct uplink *u);
void uplink_disconnected(struct uplink *u);
/* The journal's head moved. */
void uplink_news(struct uplink *u);
/* True: read the next batch after *after now (the caller starts exactly one read). */
bool uplink_want_read(struct uplink *u, uint64_t *after, uint32_t *generation);
/* That read is done. last 0: there was nothing. True: publish this batch; it is counted as on its
 * way. False: it belongs to a connection that has ended, or is empty: drop it. */
bool uplink_read_done(struct uplink *u, uint32_t generation, uint64_t last);
/* That read failed; it is to be tried again after a pause, by uplink_news(). */
void uplink_read_failed(struct uplink *u);
/* The oldest batch on its way was acknowledged: returns the seq up to which the cursor may go. */
uint64_t uplink_acked(struct uplink *u);

#endif
