#ifndef NODE_CONTROL_CLIENT_H
#define NODE_CONTROL_CLIENT_H
/*
 * Asking a running node over its control socket: one line of JSON each way. Blocking; for the
 * command line and the demo, never on a loop.
 */
#include "base/buf.h"

/* The largest answer that is read. */
#define CONTROL_ANSWER_MAX (16u << 20)

/* Sends the line `request` (without line feed) to the socket at path and reads the answer into
 * *out (without line feed) within timeout_ms. -ENOENT, -ECONNREFUSED: nobody runs there;
 * -ETIMEDOUT; ERR_LIMIT. *f (may be NULL) has the sentence. */
MUST_USE int control_ask(const char *path, struct str request, unsigned timeout_ms, struct buf *out,
                         struct fault *f);

#endif
