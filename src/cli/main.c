/* wayside: finds the command in the table and runs it. */
#include "cli/commands_io.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Whoever starts us without one of the three would have a socket or a file take its place, and what is
 * printed would go there. */
static void open_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(1);
}

int main(int argc, char **argv)
{
    struct buf text = buf_init(1u << 20);
    struct command_call call;
    int rc;

    open_standard_files();
    rc = command_parse(&wayside_commands, argc, argv, &call, &text);
    if (rc == 0)
        rc = call.command->run(&call);
    else {
        fprintf(rc > 0 ? stdout : stderr, "%.*s", STR_ARG(buf_str(&text)));
        rc = rc > 0 ? EXIT_DONE : EXIT_USAGE;
    }
    buf_fini(&text);
    return rc;
}
