/*
 * Sockets' options and what the system says about them, in one place. A failure to set an option is
 * never worth a connection.
 */
#include "net/stream_impl.h"

#include <errno.h>
#include <netinet/tcp.h>

void sock_tune(int fd)
{
    int on = 1;

    /* Output is gathered per turn here, so the kernel need not wait for more (Nagle). */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void sock_user_timeout(int fd, unsigned ms)
{
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

int sock_error(int fd)
{
    int e = 0;
    socklen_t n = sizeof(e);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n))
        return -errno;
    return -e;
}

int sock_explain(int error, const struct addr *a, struct fault *f)
{
    char text[ADDR_TEXT_SIZE];

    addr_format(a, text);
    switch (error) {
    case -EADDRINUSE:
        return fault_set(
            f, error, "%s is in use by another program; stop it, or choose another one here", text);
    case -EACCES:
        if (addr_is_unix(a))
            return fault_set(f, error, "%s: no permission to make a socket there", text);
        return fault_set(f, error,
                         "%s: ports below 1024 need the capability CAP_NET_BIND_SERVICE; "
                         "grant it, or choose a higher port",
                         text);
    case -EADDRNOTAVAIL:
        return fault_set(f, error, "%s: this machine has no such address; choose one of its own",
                         text);
    case -ENOENT:
        return fault_set(f, error, "%s: its folder does not exist; make it first", text);
    default:
        return fault_set(f, error, "%s: cannot listen there: %s", text, err_text(error));
    }
}
