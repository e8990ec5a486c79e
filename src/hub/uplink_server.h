#ifndef HUB_UPLINK_SERVER_H
#define HUB_UPLINK_SERVER_H
/* The hub's end of the uplink: a PUBLISH on $wayside/up/1/{journal uuid} is a batch of another
 * node's records. Its PUBACK says that the hub's own journal has all of them. */
#include "journal/journal.h"
#include "mqtt/broker.h"

struct uplink_server;

#define UPLINK_TOPIC "$wayside/up/1/"

/* workers: their number. live(ctx, …) publishes a durable record on its own topic, on its loop. */
struct uplink_server *
uplink_server_new(struct journal *j, unsigned workers, const struct limits *limits,
                  struct metrics *metrics,
                  void (*live)(void *ctx, struct loop *l, const struct record *r), void *ctx);
void uplink_server_free(struct uplink_server *u);
/* As broker_on_publish, for topics that start with UPLINK_TOPIC. */
int uplink_server_publish(struct uplink_server *u, struct loop *l, const struct broker_message *m,
                          struct broker_token *token, const char **reason);

#endif
