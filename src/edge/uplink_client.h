#ifndef EDGE_UPLINK_CLIENT_H
#define EDGE_UPLINK_CLIENT_H
/*
 * The uplink: everything in this node's journal goes to a hub, in order, in batches, by MQTT. The
 * cursor "uplink" moves when the hub has acknowledged, that is, when the hub's own journal has it.
 */
#include "base/metrics.h"
#include "journal/journal.h"
#include "net/workers.h"

struct uplink_client;
struct tls_context;

struct uplink_options {
    const char *host; /* the hub; outlives it */
    uint16_t port;
    struct str user, password; /* empty: none; outlive it */
    struct tls_context *tls;   /* NULL: plain */
    struct str node_id;        /* the MQTT client id; outlives it */
    size_t batch_bytes;        /* frames of one batch before compression */
    unsigned window;           /* batches on their way, 1 to UPLINK_WINDOW_MAX */
    uint64_t rate;             /* bytes a second at most, compressed; 0: no limit */
    struct journal *journal;
    struct metrics *metrics; /* may be NULL */
};
/* Starts connecting at once. Not from a worker, as all here. */
MUST_USE int uplink_start(struct workers *w, const struct uplink_options *o,
                          struct uplink_client **out, struct fault *f);
/* Disconnects and ends. What the hub has not acknowledged stays in the journal. */
void uplink_stop(struct uplink_client *u);

struct uplink_status {
    bool connected;
    uint64_t acked_seq, backlog;  /* records that the hub does not have yet */
    uint64_t reconnects, rewinds; /* rewinds: the hub had lost some of what it had */
    int64_t
        oldest_ns; /* about the device time of the oldest record that the hub has not; 0: none, or
                          not known yet */
    char hub[300];
};
/* From any thread. */
void uplink_status(const struct uplink_client *u, struct uplink_status *out);

#endif
