/* A loop, a stream of ours that is connected to a plain socket of the test's, and a protocol that
 * notes what happens to it. Everything on one thread: the test plays the peer between turns. */
#ifndef TESTS_NET_RIG_H
#define TESTS_NET_RIG_H
#include "unit/unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define NONE 12345 /* no code yet */

struct rig {
    struct loop *l;
    struct timer tick; /* so that a waiting turn ends soon */
    struct stream *s;
    int listen_fd, peer; /* the test's sockets */
    uint16_t port;
    struct buf got; /* what data() used */
    size_t take;    /* data() uses multiples of this only; 0: all */
    size_t most;    /* data() uses at most this much per call; 0: all */
    unsigned data_calls, connected, eofs, drained;
    size_t got_at_eof;
    bool eof_closes, inside, pause_in_data, close_in_data;
    int code;
};

static inline void rig_connected(void *ctx, struct stream *s)
{
    struct rig *r = ctx;

    assert_ptr_equal(s, r->s);
    assert_false(r->inside);
    r->connected++;
}

static inline size_t rig_data(void *ctx, struct stream *s, struct str bytes)
{
    struct rig *r = ctx;
    size_t n = bytes.n;

    assert_ptr_equal(s, r->s);
    assert_false(r->inside);
    assert_true(bytes.n > 0);
    r->data_calls++;
    if (r->most && n > r->most)
        n = r->most;
    if (r->take)
        n -= n % r->take;
    if (r->close_in_data)
        stream_close(s, STREAM_NOW, 0);
    buf_put(&r->got, str_sub(bytes, 0, n)); /* the view is good also after closing */
    if (r->pause_in_data)
        stream_pause(s);
    return n;
}

static inline void rig_eof(void *ctx, struct stream *s)
{
    struct rig *r = ctx;

    r->eofs++;
    r->got_at_eof = r->got.n;
    if (r->eof_closes)
        stream_close(s, STREAM_FLUSH, 0);
}

static inline void rig_drained(void *ctx, struct stream *s)
{
    struct rig *r = ctx;

    assert_ptr_equal(s, r->s);
    assert_false(r->inside);
    r->drained++;
}

static inline void rig_closed(void *ctx, struct stream *s, int code)
{
    struct rig *r = ctx;

    assert_ptr_equal(s, r->s);
    assert_false(r->inside);
    assert_int_equal(r->code, NONE);
    r->code = code;
    r->s = NULL;
}

static const struct stream_handler rig_handler = {
    .connected = rig_connected,
    .data = rig_data,
    .eof = rig_eof,
    .drained = rig_drained,
    .closed = rig_closed,
};
/* The same without eof(). */
static const struct stream_handler rig_plain_handler = {
    .data = rig_data,
    .closed = rig_closed,
};

static inline void rig_tick(struct timer *t)
{
    timer_start(t, 1);
}

/* Turns the loop until cond holds; fails after 10 s. */
#define UNTIL(r, cond)                                                                             \
    do {                                                                                           \
        uint64_t until_ = clock_mono_ns() + 10ull * 1000 * 1000 * 1000;                            \
                                                                                                   \
        while (!(cond) && clock_mono_ns() < until_)                                                \
            loop_turn((r)->l, true);                                                               \
        assert_true(cond);                                                                         \
    } while (0)

static inline void rig_turns(struct rig *r, unsigned n)
{
    while (n-- > 0)
        loop_turn(r->l, true);
}

static inline int rig_listen(uint16_t *out_port)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof(in4);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in4, sizeof(in4)), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in4, &n), 0);
    *out_port = ntohs(in4.sin_port);
    return fd;
}

static inline struct rig *rig_new_loop(void)
{
    struct rig *r = NEW(struct rig);

    r->l = loop_new();
    r->code = NONE;
    r->peer = r->listen_fd = -1;
    r->got = buf_init(64 * 1024 * 1024);
    timer_init(&r->tick, r->l, rig_tick);
    timer_start(&r->tick, 1);
    return r;
}

/* Connected to r->peer, a non-blocking socket. */
static inline struct rig *rig_new(const struct stream_handler *h, size_t read_max)
{
    struct rig *r = rig_new_loop();
    struct connect_options o = { .host = "127.0.0.1" };

    r->listen_fd = rig_listen(&r->port);
    o.port = r->port;
    r->inside = true;
    r->s = stream_connect(r->l, &o, h, r, read_max);
    r->inside = false;
    rig_turns(r, 1);
    r->peer = accept4(r->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(r->peer >= 0);
    rig_turns(r, 2);
    return r;
}

static inline void rig_free(struct rig *r)
{
    if (r->s) {
        r->inside = true;
        stream_close(r->s, STREAM_NOW, 0);
        r->inside = false;
        UNTIL(r, r->code != NONE);
    }
    if (r->peer >= 0)
        close(r->peer);
    if (r->listen_fd >= 0)
        close(r->listen_fd);
    timer_stop(&r->tick);
    loop_free(r->l);
    buf_fini(&r->got);
    mem_free(r);
}

static inline void rig_peer_sends(struct rig *r, struct str bytes)
{
    assert_int_equal(send(r->peer, bytes.p, bytes.n, MSG_NOSIGNAL), bytes.n);
}

/* What the peer has to read now, -1 when nothing, 0 at the end, -errno. */
static inline ssize_t rig_peer_reads(struct rig *r, char *to, size_t n)
{
    ssize_t got = recv(r->peer, to, n, 0);

    if (got < 0)
        return errno == EAGAIN ? -1 : -errno;
    return got;
}

#endif
