#ifndef CLI_SESSIONS_IO_H
#define CLI_SESSIONS_IO_H
/* `wayside sessions`: the MQTT clients of a running node, one of them, or the end of one. */
#include "cli/command.h"

int sessions_run(const struct command_call *c);

#endif
