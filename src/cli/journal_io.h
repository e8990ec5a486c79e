#ifndef CLI_JOURNAL_IO_H
#define CLI_JOURNAL_IO_H
/* `wayside journal ls|verify|cat`: a journal's folder looked at from outside, read-only, also while
 * a node runs on it. */
#include "cli/command.h"

int journal_ls(const struct command_call *c);
int journal_verify(const struct command_call *c);
int journal_cat(const struct command_call *c);
int journal_export(const struct command_call *c);
int journal_repair(const struct command_call *c);

#endif
