/*
 * Two streams that are each other's peer, over a pair of Unix sockets: the kernel's buffers give them the
 * back-pressure and the turns of a network, and no file or port is there for others to find.
 */
#include "net/stream_impl.h"

#include <errno.h>
#include <sys/socket.h>

static struct stream *open_end(struct loop *l, int fd)
{
    struct addr peer = addr_unix_unnamed();
    struct stream *s = stream_new(l);

    s->state = STREAM_SHAKING;
    stream_set_peer(s, &peer);
    stream_attach(s, fd);
    stream_move(s, STREAM_OPEN);
    s->flags |= STREAM_BEGAN;
    stream_poll(s, false);
    return s;
}

struct stream *stream_pair(struct loop *l, struct stream **out_other, int *out_code)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds)) {
        *out_code = -errno;
        return NULL;
    }
    *out_other = open_end(l, fds[1]);
    return open_end(l, fds[0]);
}
