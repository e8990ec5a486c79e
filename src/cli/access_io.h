#ifndef CLI_ACCESS_IO_H
#define CLI_ACCESS_IO_H
/* `user …` and `acl …`: users and rules of a running node, or (--file) of a file. */
#include "cli/command.h"

extern const struct command_option user_list_options[], user_add_options[], user_change_options[];
extern const struct command_option acl_list_options[], acl_check_options[], acl_change_options[];
extern const char user_list_more[], user_add_more[], user_passwd_more[], user_remove_more[];
extern const char acl_list_more[], acl_check_more[], acl_add_more[], acl_remove_more[];

int user_list(const struct command_call *c);
int user_add(const struct command_call *c);
int user_passwd(const struct command_call *c);
int user_remove(const struct command_call *c);
int acl_list(const struct command_call *c);
int acl_check(const struct command_call *c);
int acl_add(const struct command_call *c);
int acl_remove(const struct command_call *c);

#endif
