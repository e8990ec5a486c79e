/* Options of sockets, in one place. A failure to set one is never worth a connection. */
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
