#ifndef CLI_COMMANDS_IO_H
#define CLI_COMMANDS_IO_H
/* The commands of wayside. */
#include "cli/command.h"

extern const struct command_table wayside_commands;

#endif
