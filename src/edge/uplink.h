#ifndef EDGE_UPLINK_H
#define EDGE_UPLINK_H
/*
 * What the uplink decides: when to read the next batch from the journal, which batches are on
 * their way, how far the hub has acknowledged. Pure; uplink_client.c acts on it.
 *
 * Batches go out in order over one connection with a window; the hub acknowledges in order. When
 * the connection ends, everything unacknowledged is read again from the journal, so nothing but
 * the journal needs to be remembered.
 *
 * A backlog drains at a bounded rate, and while it does the newest values go out ahead of it, so
 * that people see now and history fills in behind: uplink_lags() says when.
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
    uint64_t back[UPLINK_WINDOW_MAX]; /* and where to begin again when the hub does not know them */
    unsigned first;
    uint32_t generation; /* of the connection; batches of an older one are dropped */
    bool connected, reading, news;
    uint64_t rate;     /* bytes per second; 0: as fast as the hub acknowledges */
    uint64_t pace_us;  /* not before: the next read, by the rate */
    uint64_t heads[2]; /* the journal's head when uplink_lags() was asked last, and before */
};

void uplink_init(struct uplink *u, uint64_t acked_seq, unsigned window, uint64_t rate);
/* The session with the hub stands: everything after acked_seq goes out (again). */
void uplink_connected(struct uplink *u);
void uplink_disconnected(struct uplink *u);
/* The journal's head moved. */
void uplink_news(struct uplink *u);
/* The hub says that the batch from first_seq on leaves a hole, and that it has what the batch would
 * join up to have_seq only: what it has lost goes out again. 0: it knows nothing of the start of this
 * journal that the batch is of, so it is asked for the one before. True: so it is now, and acked_seq
 * is lower. False: it speaks of another batch than the oldest on its way. */
bool uplink_rewind(struct uplink *u, uint64_t first_seq, uint64_t have_seq);
/* True: read the next batch after *after now (the caller starts exactly one read). False with
 * *wait_us > 0: ask again in that time, the rate does not allow it yet. */
bool uplink_want_read(struct uplink *u, uint64_t now_us, uint64_t *after, uint32_t *generation,
                      uint64_t *wait_us);
/* So many bytes were published. */
void uplink_sent(struct uplink *u, uint64_t now_us, uint64_t bytes);
/* Asked once a second with the journal's head: whether the hub is more than a second behind. */
bool uplink_lags(struct uplink *u, uint64_t head_seq);
/* That read is done. last 0: there was nothing. back: the last number before the start of the journal
 * that gave the one before the batch. True: publish this batch; it is counted as on its way. False:
 * it belongs to a connection that has ended, or is empty: drop it. So none is older than the
 * connection that it goes over, by which the hub tells a slow clock from a late batch. */
bool uplink_read_done(struct uplink *u, uint32_t generation, uint64_t last, uint64_t back);
/* That read failed; it is to be tried again after a pause, by uplink_news(). */
void uplink_read_failed(struct uplink *u);
/* The oldest batch on its way was acknowledged: returns the seq up to which the cursor may go. */
uint64_t uplink_acked(struct uplink *u);

#endif
