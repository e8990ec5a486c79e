#ifndef NODE_NODE_IO_H
#define NODE_NODE_IO_H
/* A running node: the services that its settings name, started in order, stopped in reverse. All
 * functions are called by the main thread, which is no worker. */
#include "node/settings.h"

struct node;

/* Starts everything; ready when it returns. Takes over *s (freed with the node, also on failure).
 * config_file: read again by a reload; NULL: there is none. */
MUST_USE int node_start(struct settings *s, const char *config_file, const char *preset,
                        struct node **out, struct fault *f);
/* Stops accepting, drains, ends every service and frees. Everything acknowledged is on disk. */
void node_stop(struct node *n);
/* Starts, serves until SIGTERM or SIGINT (a reload at SIGHUP), stops. 0 after a clean end. Blocks
 * these signals; to be called before any thread exists. */
MUST_USE int node_run(struct settings *s, const char *config_file, const char *preset,
                      struct fault *f);

#endif
