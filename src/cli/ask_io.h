#ifndef CLI_ASK_IO_H
#define CLI_ASK_IO_H
/* Asking the running node that --control or WAYSIDE_CONTROL names, or else the hub or edge that runs here
 * by default. Blocking; what fails is said on standard error. Both return an exit status. */
#include "base/buf.h"
#include "cli/command.h"

/* request: one line of JSON. EXIT_DONE: the answer, one line of JSON, is in *out. */
int ask_node(const struct command_call *c, const char *request, struct buf *out);
/* Asks, and prints the answer: as it is with --json, else as text() makes it. text() fails with a sentence
 * in *out. */
int ask_show(const struct command_call *c, const char *request,
             int (*text)(struct str json, struct buf *out));

#endif
