/*
 * A stream's life: from accept or connect, through its protocol, to closed().
 *
 *     dialing ──► shaking ──► open ──► flushing ──► lingering ──► closing
 *        │           └── (an alert is sent) ──► flushing            ▲
 *        └───────────┴──────────┴──────────┴───────────┴────────────┘
 *
 * Accepted streams begin at shaking (PROXY header, TLS) or open. The protocol is called only while open, and
 * once at the end with closed(); everything that ends a stream goes through stream_kill(), which
 * makes no callback itself, so that no stream function calls back into its caller's protocol.
 * closed() comes at the very end of a turn, behind everything that was put off in it, and then the
 * memory is freed.
 *
 * Invariants: flushing and later states: nothing is delivered, stream_send does nothing. closing:
 * no socket, no timer, no bytes. A stream without output and without kept bytes holds no buffer.
 *
 * Closing with FLUSH sends FIN and reads on until the peer's: closing a socket with unread bytes
 * makes the kernel send RST, which can destroy our last bytes on their way (RFC 1122, 4.2.2.13).
 */
#include "net/tls_impl.h"

#include "base/log.h"
#include "base/sm.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#define FLUSH_MS         5000

#define HIGH_DEFAULT     ((uint32_t)256 * 1024)
#define LOW_DEFAULT      ((uint32_t)64 * 1024)
#define SEND_MAX_DEFAULT ((uint32_t)4 * 1024 * 1024)

static_assert(sizeof(struct stream) <= 184, "a stream stays small: there may be 100,000");

static const struct sm_row rows[] = {
    [STREAM_DIALING] = { "dialing", TO(STREAM_SHAKING) | TO(STREAM_OPEN) | TO(STREAM_CLOSING) },
    [STREAM_SHAKING] = { "shaking", TO(STREAM_OPEN) | TO(STREAM_FLUSHING) | TO(STREAM_CLOSING) },
    [STREAM_OPEN] = { "open", TO(STREAM_FLUSHING) | TO(STREAM_CLOSING) },
    [STREAM_FLUSHING] = { "flushing", TO(STREAM_LINGERING) | TO(STREAM_CLOSING) },
    [STREAM_LINGERING] = { "lingering", TO(STREAM_CLOSING) },
    [STREAM_CLOSING] = { "closing", 0 },
};
static const struct sm_table table = { "stream", rows, COUNT_OF(rows) };

void stream_move(struct stream *s, enum stream_state to)
{
    sm_move(&table, &s->state, to);
}

/* ---- events ---- */

static unsigned wanted(const struct stream *s)
{
    unsigned want = 0;

    if (s->state == STREAM_DIALING)
        return EPOLLOUT;
    if (!(s->flags & STREAM_EOF) && (s->state != STREAM_OPEN || !(s->flags & STREAM_PAUSED)))
        want |= EPOLLIN;
    if (s->flags & STREAM_BLOCKED)
        want |= EPOLLOUT;
    return want;
}

static void on_events(struct stream *s, uint32_t events)
{
    if (s->state == STREAM_DIALING) {
        dial_event(s);
        return;
    }
    if (events & (EPOLLERR | EPOLLHUP)) { /* whoever reads or writes finds out why */
        events |= EPOLLIN | EPOLLOUT;
        if (events & EPOLLERR && !(wanted(s) & EPOLLIN)) {
            int e = sock_error(s->fd);

            if (s->state == STREAM_OPEN)
                s->code = e ? e : ERR_CLOSED;
            stream_kill(s, false);
            return;
        }
    }
    if (events & EPOLLOUT && s->flags & STREAM_BLOCKED) {
        s->flags &= (unsigned short)~STREAM_BLOCKED;
        stream_flush(s);
        stream_flushed(s);
    }
    if (s->state != STREAM_CLOSING && events & EPOLLIN && wanted(s) & EPOLLIN)
        stream_read(s);
    if (s->state != STREAM_CLOSING)
        stream_poll(s, true);
}

/* None of them is freed before the end of the turn, so an event of one that another has ended is
 * only passed over. */
void streams_ready(struct loop *l)
{
    int n = epoll_wait(l->streams, l->events, LOOP_EVENTS, 0);

    for (int i = 0; i < n; i++) {
        struct stream *s = l->events[i].data.ptr;

        if (s->fd >= 0)
            on_events(s, l->events[i].events);
    }
}

/* What nothing is wanted of is not in the epoll, which would tell errors and the end all the same. */
void stream_poll(struct stream *s, bool strict)
{
    unsigned want = wanted(s);
    bool surplus = s->have & ~want & (strict ? ~0u : (unsigned)EPOLLOUT);
    struct epoll_event e = { .events = want, .data.ptr = s };
    int op = s->have == 0 ? EPOLL_CTL_ADD : want == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    int rc;

    if (s->fd < 0 || (!(want & ~(unsigned)s->have) && !surplus))
        return;
    s->have = (unsigned char)want;
    rc = epoll_ctl(s->loop->streams, op, s->fd, &e);
    assert(rc == 0 && "a socket is polled twice");
}

/* It has ended, and all that was put off in that turn is done. */
static void run_ended(struct later *d)
{
    struct stream *s = container_of(d, struct stream, later);

    if (s->h && s->h->closed)
        s->h->closed(s->ctx, s, s->code);
    if (s->flags & STREAM_PEER_COUNTED)
        listener_peer_gone(s->listener, stream_peer(s));
    if (s->listener)
        listener_ended(s->listener, s->flags & STREAM_BEGAN);
    stream_tls_free(s);
    s->loop->open_count--;
    mem_free(s);
}

/* ---- beginning ---- */

static void run_later(struct later *d)
{
    struct stream *s = container_of(d, struct stream, later);

    if (s->state == STREAM_CLOSING) {
        d->run = run_ended;
        loop_at_end(s->loop, d);
        return;
    }
    if (s->state == STREAM_DIALING) {
        if (!(s->flags & STREAM_DETACHED)) {
            dial_start(s);
            return;
        }
        s->flags &= (unsigned short)~STREAM_DETACHED;
        dial_next(s);
        return;
    }
    if (s->flags & STREAM_AGAIN) {
        s->flags &= (unsigned short)~STREAM_AGAIN;
        stream_offer_kept(s);
        if (s->tls)
            stream_tls_again(s);
    }
    stream_flush(s);
    if (s->flags & STREAM_WRITE_FAILED && s->state != STREAM_CLOSING) {
        stream_read_rest(s);
        return;
    }
    stream_flushed(s);
    if (s->state != STREAM_CLOSING)
        stream_poll(s, false);
}

static void on_timer(struct timer *t)
{
    struct stream *s = container_of(t, struct stream_timer, timer)->s;

    stream_timer_stop(s);
    if (s->state == STREAM_DIALING) {
        dial_timer(s);
        return;
    }
    if (s->proxy) {
        stream_proxy_late(s);
        return;
    }
    if (s->state == STREAM_SHAKING)
        s->code = -ETIMEDOUT;
    stream_kill(s, false);
}

static struct timer *timer_of(struct stream *s)
{
    if (!s->timer) {
        s->timer = NEW(struct stream_timer);
        s->timer->s = s;
        timer_init(&s->timer->timer, s->loop, on_timer);
    }
    return &s->timer->timer;
}

void stream_timer_at(struct stream *s, uint64_t at_ms)
{
    timer_start_at(timer_of(s), at_ms);
}

void stream_timer_in(struct stream *s, uint64_t after_ms)
{
    timer_start(timer_of(s), after_ms);
}

void stream_timer_stop(struct stream *s)
{
    if (!s->timer)
        return;
    timer_stop(&s->timer->timer);
    mem_free(s->timer);
    s->timer = NULL;
}

struct stream *stream_new(struct loop *l)
{
    struct stream *s = NEW(struct stream);

    loop_assert_mine(l);
    s->loop = l;
    s->fd = -1;
    s->high = HIGH_DEFAULT;
    s->low = LOW_DEFAULT;
    s->send_max = SEND_MAX_DEFAULT;
    s->drained_turn = l->turn - 1;
    s->later.run = run_later;
    l->open_count++;
    return s;
}

void stream_attach(struct stream *s, int fd)
{
    s->fd = fd;
    s->have = 0;
    if (s->user_timeout_ms && !(s->flags & STREAM_IS_UNIX))
        sock_user_timeout(fd, s->user_timeout_ms);
}

void stream_detach(struct stream *s)
{
    s->flags |= STREAM_DETACHED;
    s->have = 0;
    close(s->fd); /* and out of the epoll: nobody else has it */
    s->fd = -1;
    loop_later(s->loop, &s->later);
}

void stream_opened(struct stream *s)
{
    stream_timer_stop(s);
    stream_move(s, STREAM_OPEN);
    s->flags |= STREAM_BEGAN;
    if (s->listener)
        listener_began(s->listener, s->loop, s);
    else if (s->h->connected)
        s->h->connected(s->ctx, s);
    if (s->state == STREAM_CLOSING)
        return;
    assert(s->h || s->state != STREAM_OPEN); /* a listener's accepted() sets it or closes */
    loop_later(s->loop, &s->later);          /* what was sent before, or just now */
    stream_poll(s, false);
}

void stream_accept(struct loop *l, int fd, const struct addr *peer, struct listener *from)
{
    struct stream *s = stream_new(l);

    s->listener = from;
    s->state = STREAM_SHAKING;
    stream_set_peer(s, peer);
    if (!(s->flags & STREAM_IS_UNIX))
        sock_tune(fd);
    stream_attach(s, fd);
    if (listener_proxy_rule(from)->required)
        stream_proxy_begin(s);
    else
        stream_accepted(s);
}

void stream_accepted(struct stream *s)
{
    struct str alpn;
    struct tls_context *tls = listener_tls(s->listener, &alpn);

    if (!listener_admits(s->listener, stream_peer(s))) {
        s->code = ERR_LIMIT;
        stream_kill(s, false);
        return;
    }
    s->flags |= STREAM_PEER_COUNTED;
    if (!tls) {
        stream_opened(s);
        return;
    }
    stream_tls_server(s, tls, alpn);
    stream_timer_in(s, listener_handshake_ms(s->listener));
    stream_poll(s, false);
}

void stream_set(struct stream *s, const struct stream_handler *h, void *ctx, size_t read_max)
{
    loop_assert_mine(s->loop);
    s->h = h;
    s->ctx = ctx;
    s->flags |= STREAM_SWITCHED;
    stream_set_read_max(s, read_max);
    stream_again(s);
}

void stream_set_read_max(struct stream *s, size_t read_max)
{
    /* What is kept may pass read_max by one read; it must fit 32 bits. */
    s->read_max = read_max < UINT32_MAX / 2 ? (uint32_t)read_max : UINT32_MAX / 2;
}

/* ---- ending ---- */

void stream_kill(struct stream *s, bool reset)
{
    if (s->state == STREAM_CLOSING)
        return;
    if (reset && s->fd >= 0) {
        struct linger hard = { .l_onoff = 1, .l_linger = 0 };

        (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    }
    stream_move(s, STREAM_CLOSING);
    stream_timer_stop(s);
    chain_clear(s->loop, &s->out);
    kept_drop(&s->kept);
    stream_tls_drop(s);
    stream_proxy_drop(s);
    dial_free(s);
    if (s->fd >= 0)
        stream_detach(s);
    else
        loop_later(s->loop, &s->later);
}

void stream_finish(struct stream *s, int code)
{
    if (s->state > STREAM_OPEN) {
        stream_kill(s, false);
        return;
    }
    s->code = code;
    kept_drop(&s->kept);
    stream_move(s, STREAM_FLUSHING);
    stream_timer_in(s, FLUSH_MS);
    loop_later(s->loop, &s->later);
}

void stream_close(struct stream *s, enum stream_end how, int code)
{
    loop_assert_mine(s->loop);
    if (s->state == STREAM_CLOSING || (s->state > STREAM_OPEN && how == STREAM_FLUSH))
        return;
    if (s->state <= STREAM_OPEN || code != 0)
        s->code = code;
    if (how != STREAM_FLUSH || s->state != STREAM_OPEN || s->flags & STREAM_WRITE_FAILED)
        stream_kill(s, how == STREAM_RESET);
    else
        stream_finish(s, code);
}

bool stream_is_closing(const struct stream *s)
{
    return s->state > STREAM_OPEN;
}

/* ---- back-pressure on the peer ---- */

void stream_pause(struct stream *s)
{
    loop_assert_mine(s->loop);
    s->flags |= STREAM_PAUSED; /* polling ends with the next event, if the pause lasts till then */
}

void stream_resume(struct stream *s)
{
    loop_assert_mine(s->loop);
    if (!(s->flags & STREAM_PAUSED))
        return;
    s->flags &= (unsigned short)~STREAM_PAUSED;
    if (s->state != STREAM_OPEN)
        return;
    stream_again(s);
    stream_poll(s, false);
}

bool stream_is_paused(const struct stream *s)
{
    return s->flags & STREAM_PAUSED;
}

void stream_again(struct stream *s)
{
    loop_assert_mine(s->loop);
    if (s->state != STREAM_OPEN)
        return;
    s->flags |= STREAM_AGAIN;
    loop_later(s->loop, &s->later);
}

/* ---- what it is ---- */

struct loop *stream_loop(const struct stream *s)
{
    return s->loop;
}

static struct addr *addr_take(struct loop *l)
{
    if (!l->addrs)
        l->addrs = mem_new_array(LOOP_ADDRS, sizeof(*l->addrs));
    return &l->addrs[l->addr_next++ % LOOP_ADDRS];
}

void stream_note_peer(struct stream *s, const struct addr *a)
{
    memset(&s->peer, 0, sizeof(s->peer));
    memcpy(&s->peer, &a->ss, a->len < sizeof(s->peer) ? a->len : sizeof(s->peer));
}

void stream_set_peer(struct stream *s, const struct addr *a)
{
    stream_note_peer(s, a);
    if (addr_is_unix(a))
        s->flags |= STREAM_IS_UNIX;
    else
        s->flags &= (unsigned short)~STREAM_IS_UNIX;
}

const struct addr *stream_peer(const struct stream *s)
{
    struct addr *a = addr_take(s->loop);
    socklen_t n = s->peer.sa.sa_family == AF_INET    ? sizeof(s->peer.in4)
                  : s->peer.sa.sa_family == AF_INET6 ? sizeof(s->peer.in6)
                  : s->peer.sa.sa_family == AF_UNIX  ? sizeof(sa_family_t)
                                                     : 0;

    loop_assert_mine(s->loop);
    *a = addr_from(&s->peer.sa, n);
    return a;
}

const struct addr *stream_local(const struct stream *s)
{
    struct addr *a = addr_take(s->loop);

    loop_assert_mine(s->loop);
    *a = (struct addr){ .len = sizeof(a->ss) };
    if (s->fd < 0 || getsockname(s->fd, (struct sockaddr *)&a->ss, &a->len))
        a->len = 0;
    return a;
}

int stream_peer_cred(const struct stream *s, uint32_t *out_uid, uint32_t *out_gid, int32_t *out_pid)
{
    struct ucred c;
    socklen_t n = sizeof(c);

    if (!(s->flags & STREAM_IS_UNIX) || s->fd < 0)
        return -ENOTSUP;
    if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &c, &n))
        return -errno;
    *out_uid = c.uid;
    *out_gid = c.gid;
    *out_pid = c.pid;
    return 0;
}

void stream_set_user_timeout(struct stream *s, unsigned ms)
{
    s->user_timeout_ms = ms;
    if (s->fd >= 0 && !(s->flags & STREAM_IS_UNIX))
        sock_user_timeout(s->fd, ms);
}
