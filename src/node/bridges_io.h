#ifndef NODE_BRIDGES_IO_H
#define NODE_BRIDGES_IO_H
/* The bridges of a node out of its settings. On the thread that starts the node. */
#include "mqtt/bridge_client.h"
#include "node/settings.h"

struct bridges;

/* Makes them; NULL in *out when there are none. The settings and limits outlive them. Before
 * broker_restore(). */
MUST_USE int bridges_new(const struct settings *s, const struct limits *l, struct broker *b,
                         struct workers *w, struct metrics *m, struct str node_id,
                         struct bridges **out, struct fault *f);
/* From here on nothing is missed that the broker's clients publish. Before broker_listen(). */
MUST_USE int bridges_start(struct bridges *all, struct fault *f);
void bridges_stop(struct bridges *all);
void bridges_free(struct bridges *all);
/* Reads their certificates again. Those that fail stay as they are, and the log says why. */
void bridges_reload_tls(struct bridges *all);

/* From any thread. NULL is legal for both. */
size_t bridges_count(const struct bridges *all);
void bridges_status(const struct bridges *all, size_t i, struct bridge_status *out);

#endif
