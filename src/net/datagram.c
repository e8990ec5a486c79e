/*
 * UDP sockets. Datagrams are received sixteen at a time with one system call into the loop's
 * buffer and sent at once: one that the kernel does not take is lost, as it may be lost anywhere
 * on its way, and counted. Nothing is ever queued here.
 */
#include "net/datagram.h"

#include "net/stream_impl.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#define BATCH ((unsigned)(LOOP_READ_SIZE / DATAGRAM_MAX))
/* Batches per turn; then the others have theirs. */
#define BATCHES_MAX 4
/* What the kernel may hold for us; a burst of a key frame is some 200 KiB. Best effort. */
#define RECEIVE_BUFFER (1024 * 1024)

struct datagram {
    uv_poll_t poll;
    struct loop *loop;
    void (*on)(void *ctx, struct datagram *d, struct str bytes, const struct addr *from);
    void (*closed)(void *ctx);
    void *ctx;
    struct addr bound;
    uint64_t dropped;
    int fd;
    bool closing;
};

/* One batch. True when it was full, so that there may be more. */
static bool receive(struct datagram *d)
{
    struct mmsghdr msgs[BATCH] = { 0 };
    struct addr from[BATCH] = { 0 };
    struct iovec iov[BATCH];
    int i, n;

    for (i = 0; i < (int)BATCH; i++) {
        iov[i].iov_base = d->loop->read_buffer + (size_t)i * DATAGRAM_MAX;
        iov[i].iov_len = DATAGRAM_MAX;
        msgs[i].msg_hdr = (struct msghdr){ .msg_name = &from[i].ss,
                                           .msg_namelen = sizeof(from[i].ss),
                                           .msg_iov = &iov[i],
                                           .msg_iovlen = 1 };
    }
    n = recvmmsg(d->fd, msgs, BATCH, MSG_DONTWAIT, NULL);
    for (i = 0; i < n && !d->closing; i++) {
        if (msgs[i].msg_hdr.msg_flags & MSG_TRUNC) {
            d->dropped++;
            continue;
        }
        from[i].len = msgs[i].msg_hdr.msg_namelen;
        d->on(d->ctx, d, str_from(iov[i].iov_base, msgs[i].msg_len), &from[i]);
    }
    return n == (int)BATCH && !d->closing;
}

static void start_polling(struct datagram *d);

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct datagram *d = container_of(h, struct datagram, poll);
    unsigned i;

    (void)events;
    if (status < 0)
        (void)sock_error(d->fd); /* an ICMP error about something sent before: taken off */
    for (i = 0; i < BATCHES_MAX && receive(d); i++)
        ;
    if (status < 0 && !d->closing) /* libuv stops polling at an error */
        start_polling(d);
}

static void start_polling(struct datagram *d)
{
    int rc = uv_poll_start(&d->poll, UV_READABLE, on_poll);

    assert(rc == 0 && "a socket is polled twice");
}

static int open_socket(const struct addr *bind_to, unsigned flags, struct addr *out_bound)
{
    int fd = socket(bind_to->ss.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, room = RECEIVE_BUFFER, rc;

    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    out_bound->len = sizeof(out_bound->ss);
    if ((flags & DATAGRAM_REUSEPORT && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) ||
        (bind_to->ss.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))) ||
        bind(fd, (const struct sockaddr *)&bind_to->ss, bind_to->len) ||
        getsockname(fd, (struct sockaddr *)&out_bound->ss, &out_bound->len)) {
        rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

int datagram_open(struct loop *l, const struct addr *bind_to, unsigned flags,
                  void (*on)(void *ctx, struct datagram *d, struct str bytes,
                             const struct addr *from),
                  void *ctx, struct datagram **out, struct fault *f)
{
    struct datagram *d;
    struct addr bound;
    int fd = open_socket(bind_to, flags, &bound), rc;

    loop_assert_mine(l);
    if (fd < 0)
        return sock_explain(fd, bind_to, f);
    d = NEW(struct datagram);
    rc = uv_poll_init(&l->uv, &d->poll, fd);
    if (rc) {
        close(fd);
        mem_free(d);
        return sock_explain(rc, bind_to, f);
    }
    d->loop = l;
    d->on = on;
    d->ctx = ctx;
    d->bound = bound;
    d->fd = fd;
    l->open_count++;
    start_polling(d);
    *out = d;
    return 0;
}

const struct addr *datagram_addr(const struct datagram *d)
{
    return &d->bound;
}

int datagram_send(struct datagram *d, struct str bytes, const struct addr *to)
{
    ssize_t n;

    loop_assert_mine(d->loop);
    if (d->closing)
        return -EBADF;
    do {
        n = sendto(d->fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL,
                   (const struct sockaddr *)&to->ss, to->len);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 0;
    d->dropped++;
    return -errno;
}

uint64_t datagram_dropped(const struct datagram *d)
{
    return d->dropped;
}

static void on_closed(uv_handle_t *h)
{
    struct datagram *d = container_of((uv_poll_t *)h, struct datagram, poll);

    d->loop->open_count--;
    if (d->closed)
        d->closed(d->ctx);
    mem_free(d);
}

void datagram_close(struct datagram *d, void (*closed)(void *ctx))
{
    if (!d || d->closing)
        return;
    loop_assert_mine(d->loop);
    d->closing = true;
    d->closed = closed;
    uv_close((uv_handle_t *)&d->poll, on_closed);
    close(d->fd);
    d->fd = -1;
}
