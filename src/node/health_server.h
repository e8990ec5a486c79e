#ifndef NODE_HEALTH_SERVER_H
#define NODE_HEALTH_SERVER_H
/* /health, /ready and /metrics: as plain text on the health port, and on the API port with /health
 * as JSON, for whoever has only one of them. */
#include "base/metrics.h"
#include "http/server.h"
#include "node/state.h"

struct health {
    struct node_state *state;
    struct metrics *metrics;
    /* Adds what is not in the registry (host metrics of an edge). May be NULL. */
    void (*more_metrics)(void *ctx, struct buf *out);
    void *ctx;
};

/* h outlives the server. Before it listens. */
void health_mount(struct health *h, struct http_server *s);
void health_mount_api(struct health *h, struct http_server *s);

#endif
