#ifndef NODE_NODE_IO_H
#define NODE_NODE_IO_H
/* A running node: the services that its settings name, started in order, stopped in reverse. All
 * functions are called by the main thread, which is no worker; SIGPIPE is ignored and the signals
 * that end or reload are blocked before (node/run_io.h does that). */
#include "node/settings.h"

#include <signal.h>

struct node;
struct queue_node;

/* Starts everything; it is ready when this returns. The configuration (of settings_schema)
 * outlives the node. */
MUST_USE int node_start(const struct conf *conf, struct node **out, struct fault *f);
/* Stops taking, answers what is under way, writes it, ends every service and frees. */
void node_stop(struct node *n);
/* Makes a configuration's access and password files ready for node_reload(). On failure nothing has
 * changed, and the fault has the place. */
struct access;
MUST_USE int node_load_access(const struct node *n, const struct conf *fresh, struct access **out,
                              struct fault *f);
/* Takes what node_load_access() made of conf (NULL: none): it holds from now on, for open connections too. */
void node_reload_access(struct node *n, const struct conf *conf, struct access *fresh);
/* Who has asked for a reload over the control socket: to be taken before the files are read, and answered
 * behind it. refused: why, or NULL. */
struct queue_node *node_take_reloads(struct node *n);
void node_answer_reloads(struct queue_node *asked, const struct fault *refused);
/* Blocked like the others; it asks the main thread to call node_serve(), which may block. */
#define NODE_SIGNAL SIGUSR1
void node_serve(struct node *n);
/* Reads all certificates again. Those that fail stay as they are, and the log says why. */
void node_reload_tls(struct node *n);

#endif
