#ifndef NODE_STATUS_SERVER_H
#define NODE_STATUS_SERVER_H
/* What `wayside status` and its like ask over the control socket. */
#include "edge/uplink_client.h"
#include "hub/senders.h"
#include "mqtt/broker.h"
#include "node/bridges_io.h"
#include "node/state.h"
#include "store/store.h"

struct access_desk;
struct queue_node;
struct status_server;

struct status_options {
    const char *path; /* of the control socket */
    struct workers *workers;
};

/* state and id outlive it. */
struct status_server *status_new(struct node_state *state, const struct buf *id);
/* A service that listens now, for the list. Before status_listen. */
void status_service(struct status_server *s, const char *name, const char *address);
/* What there is; each may be NULL. Before status_listen. */
struct status_sources {
    struct journal *journal;
    const char *journal_dir; /* for who counts what waits in it; outlives it */
    struct store *store;
    struct broker *broker;
    const struct bridges *bridges;
    struct uplink_client *uplink;
    struct access_desk *desk;
    const struct senders *senders;
};
void status_set_sources(struct status_server *s, const struct status_sources *from);
MUST_USE int status_listen(struct status_server *s, const struct status_options *o,
                           struct fault *f);
/* The main thread: who has asked for a reload, to be taken before the files are read and answered when
 * it is over; refused: why, or NULL. Whoever asks later sends SIGHUP again. */
struct queue_node *status_take_reloads(struct status_server *s);
void status_answer_reloads(struct queue_node *asked, const char *refused);
/* Also when it never listened. */
void status_close(struct status_server *s);
void status_free(struct status_server *s);

#endif
