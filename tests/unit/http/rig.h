/* A server on loopback with two workers, and blocking clients with a deadline. */
#ifndef TESTS_UNIT_HTTP_RIG_H
#define TESTS_UNIT_HTTP_RIG_H

#include "http/server.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/workers.h"

#include "unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RIG_WAIT_MS 5000

struct rig {
    struct workers *workers;
    struct http_server *server;
    struct metrics *metrics;
    struct addr addr;
};

static struct rig rig_new(const struct http_route *rows, size_t count, void *ctx,
                          const struct http_server_options *o)
{
    struct rig g = { .workers = workers_start(2), .metrics = metrics_new() };
    struct http_server_options own = *o;
    struct http_listen_options lo = { 0 };
    struct fault f = { 0 };

    own.metrics = g.metrics;
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &lo.addr), 0);
    g.server = http_server_new(g.workers, &own);
    http_server_mount(g.server, rows, count, ctx);
    if (http_listen(g.server, &lo, &g.addr, &f) != 0)
        fail_msg("%s", f.text);
    return g;
}

static void rig_free(struct rig *g)
{
    http_server_stop(g->server, 1000);
    http_server_free(g->server);
    workers_stop(g->workers);
    workers_free(g->workers);
    metrics_free(g->metrics);
}

static int rig_connect(const struct rig *g)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    struct timeval tv = { RIG_WAIT_MS / 1000, 0 };

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    assert_int_equal(connect(fd, (const struct sockaddr *)&g->addr.ss, g->addr.len), 0);
    return fd;
}

static void rig_send(int fd, struct str s)
{
    while (s.n > 0) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

        assert_true(n > 0);
        s = str_skip(s, (size_t)n);
    }
}

/* Reads until the other side closes (then true) or *b holds `until` (may be NULL; then false).
 * Fails the test after RIG_WAIT_MS of silence. */
static bool rig_read(int fd, struct buf *b, const char *until)
{
    for (;;) {
        char piece[65536];
        ssize_t n;

        if (until && str_find_str(buf_str(b), str_of(until)) < b->n)
            return false;
        n = recv(fd, piece, sizeof(piece), 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return true;
        if (n < 0)
            fail_msg("no answer in time; so far: %.*s", STR_ARG(buf_str(b)));
        buf_put_bytes(b, piece, (size_t)n);
    }
}

/* One connection: sends, reads to the end. The text lives until the next call. */
static struct str rig_ask(const struct rig *g, struct str request)
{
    static struct buf b;
    int fd = rig_connect(g);

    if (b.max == 0)
        b = buf_init(64 * 1024 * 1024);
    buf_clear(&b);
    rig_send(fd, request);
    assert_true(rig_read(fd, &b, NULL));
    close(fd);
    return buf_str(&b);
}

static inline bool has(struct str s, const char *what)
{
    return str_find_str(s, str_of(what)) < s.n;
}
#define assert_has(s, what)                                                                        \
    do {                                                                                           \
        struct str in_ = (s);                                                                      \
                                                                                                   \
        if (!has(in_, what))                                                                       \
            fail_msg("no \"%s\" in: %.*s", what, STR_ARG(in_));                                    \
    } while (0)

#endif
