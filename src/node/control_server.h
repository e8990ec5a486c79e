#ifndef NODE_CONTROL_SERVER_H
#define NODE_CONTROL_SERVER_H
/*
 * The control socket: what the command line talks to. One JSON object a line, {"cmd": "status"},
 * one JSON object back. Its permissions are its access control: mode 0600 by default.
 */
#include "net/workers.h"

struct control_server;
struct control_call;
struct buf;

/* A command by its name. call is answered exactly once, now or later, on the same loop. */
struct control_command {
    const char *name;
    void (*run)(void *ctx, struct control_call *call);
};

struct control_options {
    const char *path;
    unsigned mode; /* 0: 0600 */
    const struct control_command *commands;
    size_t count;
    void *ctx;
};

/* Listens when this returns. Not from a worker. */
MUST_USE int control_open(struct workers *w, const struct control_options *o,
                          struct control_server **out, struct fault *f);
/* Closes its connections; calls that are not answered yet must still be answered. Waits for it.
 * Not from a worker. */
void control_close(struct control_server *s);

struct loop *control_loop(struct control_call *c);
/* A member of the request that is text; {NULL, 0} when there is none. Valid until the answer. */
struct str control_arg(const struct control_call *c, const char *name);
/* Answers with the JSON in *out, which is empty afterwards. */
void control_answer_take(struct control_call *c, struct buf *json);
/* {"error": text} */
void control_fail(struct control_call *c, const char *text);

#endif
