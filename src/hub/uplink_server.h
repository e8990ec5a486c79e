#ifndef HUB_UPLINK_SERVER_H
#define HUB_UPLINK_SERVER_H
/*
 * The hub's end of the uplink. A PUBLISH on $wayside/up/1/{journal uuid} is a batch of another node's
 * records; its PUBACK says that the hub's own journal has all of them. One on $wayside/live/1/{uuid}
 * holds the newest values of a node that has a backlog: they are shown and not kept, since they will
 * come again in their turn. A sender whose batch left a hole is told on $wayside/have/2/{uuid} up
 * to where this hub has what the batch would join (batch.h).
 */
#include "hub/senders.h"
#include "journal/journal.h"
#include "mqtt/broker.h"

struct uplink_server;

struct uplink_server_options {
    struct journal *journal;
    const struct limits *limits; /* outlives it */
    struct metrics *metrics;     /* may be NULL */
    /* Publishes a record on its own topic; stored: it is durable here, and not only shown. */
    void (*live)(void *ctx, struct loop *l, const struct record *r, bool stored);
    /* Tells a sender that its batch from `first` on leaves a hole, and up to where it joins. */
    void (*have)(void *ctx, struct loop *l, const struct uuid *journal, uint64_t first,
                 uint64_t have);
    /* Whether something about this client may be logged now; NULL: always. */
    bool (*may_log)(void *ctx, struct loop *l, struct str client);
    void *ctx;
};

struct uplink_server *uplink_server_new(const struct uplink_server_options *o);
/* Every batch was answered. */
void uplink_server_free(struct uplink_server *u);
/* Before the first batch: how far a start of a sending journal is here. */
void uplink_server_seed(struct uplink_server *u, const struct uuid *journal, uint64_t epoch,
                        uint64_t seq);
/* The senders; see there what may be read from any thread. */
const struct senders *uplink_server_senders(const struct uplink_server *u);
/* As broker_on_publish, for topics that start with UPLINK_TOPIC. */
int uplink_server_publish(struct uplink_server *u, struct loop *l, const struct broker_message *m,
                          struct broker_token *token, const char **reason);
/* The same for UPLINK_LIVE_TOPIC; any QoS. */
int uplink_server_live(struct uplink_server *u, struct loop *l, const struct broker_message *m,
                       const char **reason);

#endif
