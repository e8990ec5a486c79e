#ifndef HUB_INGEST_SERVER_H
#define HUB_INGEST_SERVER_H
/*
 * What a device hands over, by whatever way, becomes a journal record; when that is durable the
 * sender is told and the value goes out live on the record's own topic. The same for MQTT (as the
 * broker's on_publish), REST (hub_ingest_record) and batches of other nodes (hub/uplink_server.c).
 */
#include "hub/refused_io.h"
#include "hub/uplink_server.h"
#include "ingest/ingest.h"
#include "journal/journal.h"
#include "mqtt/broker.h"
#include "net/workers.h"

struct hub_ingest;

struct hub_ingest_options {
    struct journal *journal;
    const struct topics *topics; /* until hub_ingest_set_topics */
    const struct limits *limits; /* outlives it */
    struct metrics *metrics;     /* may be NULL */
    struct workers *workers;
    struct refused *refused; /* may be NULL */
};

struct hub_ingest *hub_ingest_new(const struct hub_ingest_options *o);
/* Every record was answered. Not from a worker. */
void hub_ingest_free(struct hub_ingest *h);
/* The broker that live values go out on; once, before the first record. */
void hub_ingest_set_broker(struct hub_ingest *h, struct broker *b);

/* From now on nothing waits for room in the journal; what does is refused. Before the broker is
 * stopped. Not from a worker. */
void hub_ingest_stop(struct hub_ingest *h);

/* The broker's on_publish; ctx is the struct hub_ingest. */
int hub_ingest_publish(void *ctx, struct loop *l, const struct broker_message *m,
                       struct broker_token *token, const char **reason);

/* A record from elsewhere (REST). Copied. done() on l when it is durable (0) or refused; after
 * that the value is live. Never called from inside. */
void hub_ingest_record(struct hub_ingest *h, struct loop *l, const struct record *r,
                       void (*done)(void *ctx, int code), void *ctx);
/* Counts and logs a refusal that a REST route found. */
void hub_ingest_refused(struct hub_ingest *h, struct loop *l, struct str peer, struct str topic,
                        const struct refusal *why, struct str payload);

/* Publishes a record live on its own topic, on its loop. stored: it is durable here; else it is only
 * shown, ahead of a backlog in which it will come again, and says so (user property "stored" 0). */
void hub_ingest_live(struct hub_ingest *h, struct loop *l, const struct record *r, bool stored);

/* Batches of other nodes: for seeding at the start, and for who looks. */
struct uplink_server *hub_ingest_uplink(struct hub_ingest *h);

#endif
