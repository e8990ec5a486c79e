#ifndef NODE_BROKER_IO_H
#define NODE_BROKER_IO_H
/* What a node's settings make of its broker. On the thread that starts the node. */
#include "journal/journal.h"
#include "mqtt/broker.h"
#include "node/settings.h"
#include "node/state.h"

/* What holds for the clients of that listener; its texts are the settings'. */
struct broker_rules broker_io_rules(const struct settings *s, const struct limits *l,
                                    const struct listener_settings *ls);
/* The same for /mqtt on the listener of the REST interface. */
struct broker_rules broker_io_api_rules(const struct settings *s, const struct limits *l);
/* Heap, as many as mqtt.topics has; NULL: none. Its texts are the settings'. */
struct broker_topic *broker_io_topics(const struct settings *s);

/* Opens the broker's log in dir; its segments are as large as the limits ask for. *out NULL and 0: the
 * settings want none (durability: memory everywhere). Errors as of journal_open(). */
MUST_USE int broker_io_log_open(const struct settings *s, const struct limits *l, const char *dir,
                                struct journal **out, struct fault *f);

/* Whether the log keeps the node from being ready. NULL for either: not. From any thread. */
void broker_io_look(const struct journal *log, const struct broker *b, struct node_state *state);

#endif
