#ifndef EDGE_SOCKET_SERVER_H
#define EDGE_SOCKET_SERVER_H
/*
 * The local ingest socket: a program on this machine writes one JSON object a line
 * (ingest/ingest.h says which) and reads one answer a line, in the same order, each given when its
 * record is durable: {"ack": "<id or seq>"} or {"error": "…", "line": n}. An answer covers its line
 * and all before it on the connection.
 */
#include "base/limits.h"
#include "ingest/ingest.h"
#include "journal/journal.h"
#include "net/workers.h"

struct socket_server;
struct metrics;

struct socket_options {
    const char *path;            /* of the socket; a stale file is replaced */
    unsigned mode;               /* permissions; 0: 0660 */
    struct str device;           /* of lines that name none: this node's id; outlives it */
    const struct limits *limits; /* outlives it */
    struct journal *journal;
    struct metrics *metrics; /* may be NULL */
};
/* Listens when this returns. Not from a worker. */
MUST_USE int socket_server_open(struct workers *w, const struct socket_options *o,
                                struct socket_server **out, struct fault *f);
/* Stops accepting, answers the lines that were read, closes, waits for all that. Not from a
 * worker; the journal still runs. */
void socket_server_close(struct socket_server *s);

#endif
