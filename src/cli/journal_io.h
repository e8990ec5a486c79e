#ifndef CLI_JOURNAL_IO_H
#define CLI_JOURNAL_IO_H
/* `wayside journal …`: a journal's folder looked at from outside. All but repair read only, also
 * while a node runs on it. */
#include "cli/command.h"

/* journal_io.c */
int journal_ls(const struct command_call *c);
int journal_verify(const struct command_call *c);
/* journal_records_io.c */
int journal_cat(const struct command_call *c);
int journal_export(const struct command_call *c);
/* journal_repair_io.c */
int journal_repair(const struct command_call *c);

#endif
