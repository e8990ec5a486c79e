#ifndef CLI_BENCH_IO_H
#define CLI_BENCH_IO_H
/* `bench mqtt`. */
#include "cli/command.h"

int bench_mqtt(const struct command_call *c);

#endif
