/* wayside: finds the command in the table and runs it. */
#include "cli/commands_io.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct buf text = buf_init(1u << 20);
    struct command_call call;
    int rc = command_parse(&wayside_commands, argc, argv, &call, &text);

    if (rc == 0)
        rc = call.command->run(&call);
    else {
        fprintf(rc > 0 ? stdout : stderr, "%.*s", STR_ARG(buf_str(&text)));
        rc = rc > 0 ? EXIT_DONE : EXIT_USAGE;
    }
    buf_fini(&text);
    return rc;
}
