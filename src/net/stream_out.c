/*
 * Writing. What a protocol sends is gathered in the stream's chain and leaves at the end of the
 * turn with one sendmsg; what the kernel does not take waits until the socket is writable again.
 * A stream that has gathered much is flushed early, so that a turn's output stays in the cache.
 *
 * Marks: above `high` stream_send says false and drained() is owed when `low` is reached; above
 * send_max the peer is too slow to be served and the stream ends with ERR_LIMIT.
 */
#include "net/tls_impl.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#define EARLY_FLUSH ((size_t)64 * 1024)
/* sendmsg calls for one stream and turn; then the others have theirs. */
#define SENDS_MAX 16
/* A peer that has our FIN ends soon; one that does not is not waited for. */
#define LINGER_MS 2000

static_assert(STREAM_ROOM_MAX <= CHUNK_LARGE - sizeof(struct chunk), "room lies in one chunk");

size_t stream_pending(const struct stream *s)
{
    return s->out.n + (s->tls ? s->tls->out.n : 0);
}

/* The peer is gone. What it sent before is read at the end of the turn, then the stream ends. */
static void write_failed(struct stream *s, int code)
{
    chain_clear(s->loop, &s->out);
    if (s->tls) {
        s->tls->ended = true;
        chain_clear(s->loop, &s->tls->out);
    }
    if (s->state <= STREAM_OPEN)
        s->code = code == -EPIPE ? -ECONNRESET : code; /* the same event, seen a moment later */
    if (s->state != STREAM_OPEN) {
        stream_kill(s, false);
        return;
    }
    s->flags |= STREAM_WRITE_FAILED;
    loop_later(s->loop, &s->later);
}

/* One sendmsg. True when more can be tried. */
static bool send_some(struct stream *s, struct chain *c)
{
    struct iovec iov[CHAIN_IOV_MAX];
    struct msghdr msg = { .msg_iov = iov };
    size_t want;
    ssize_t n;

    msg.msg_iovlen = (size_t)chain_iov(c, iov, &want);
    do {
        n = sendmsg(s->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN) {
        write_failed(s, -errno);
        return false;
    }
    if (n > 0)
        chain_consume(s->loop, c, (size_t)n);
    if (n == (ssize_t)want)
        return true;
    s->flags |= STREAM_BLOCKED;
    return false;
}

void stream_flush(struct stream *s)
{
    unsigned sends = 0;

    if (s->state < STREAM_SHAKING || s->state == STREAM_CLOSING || s->flags & STREAM_WRITE_FAILED)
        return;
    while (!(s->flags & STREAM_BLOCKED)) {
        struct chain *c = s->tls ? stream_tls_output(s) : &s->out;

        if (c->n == 0 || s->state == STREAM_CLOSING)
            break;
        if (sends++ == SENDS_MAX)
            s->flags |= STREAM_BLOCKED; /* the next turn goes on */
        else if (!send_some(s, c))
            break;
    }
}

/* All is sent and the end was asked for. */
static void finish(struct stream *s)
{
    if (s->tls && stream_tls_end(s)) {
        stream_flush(s);
        if (s->state != STREAM_FLUSHING || stream_pending(s) > 0)
            return;
    }
    if (s->flags & STREAM_EOF || shutdown(s->fd, SHUT_WR)) {
        stream_kill(s, false);
        return;
    }
    s->flags |= STREAM_SHUT;
    stream_move(s, STREAM_LINGERING);
    stream_timer_in(s, LINGER_MS);
}

void stream_flushed(struct stream *s)
{
    if (s->state == STREAM_FLUSHING && stream_pending(s) == 0)
        finish(s);
    if (s->state != STREAM_OPEN || !(s->flags & STREAM_SAID_ENOUGH) || stream_pending(s) > s->low)
        return;
    if (s->drained_turn == s->loop->turn) {
        /* A producer with a fast reader would otherwise keep this turn from ending. */
        s->flags |= STREAM_BLOCKED;
        return;
    }
    s->drained_turn = s->loop->turn;
    s->flags &= (unsigned short)~STREAM_SAID_ENOUGH;
    if (s->h->drained)
        s->h->drained(s->ctx, s);
}

static bool may_send(const struct stream *s)
{
    loop_assert_mine(s->loop);
    return s->state <= STREAM_OPEN && !(s->flags & STREAM_WRITE_FAILED);
}

/* Something was added: sees to it that it leaves, and tells whether more is welcome. */
static bool added(struct stream *s)
{
    if (stream_pending(s) >= EARLY_FLUSH && !(s->flags & STREAM_BLOCKED))
        stream_flush(s);
    if (stream_pending(s) > s->send_max) {
        s->code = ERR_LIMIT;
        stream_kill(s, false);
        return false;
    }
    if (s->state > STREAM_OPEN)
        return false;
    if (stream_pending(s) > s->high)
        s->flags |= STREAM_SAID_ENOUGH;
    loop_later(s->loop, &s->later);
    return stream_pending(s) <= s->high;
}

bool stream_send(struct stream *s, struct str bytes)
{
    if (!may_send(s))
        return false;
    chain_put(s->loop, &s->out, bytes);
    return added(s);
}

bool stream_send_blob(struct stream *s, struct blob *b, size_t from, size_t n)
{
    if (!may_send(s))
        return false;
    chain_put_blob(s->loop, &s->out, b, from, n);
    return added(s);
}

char *stream_room(struct stream *s, size_t n)
{
    assert(n <= STREAM_ROOM_MAX);
    loop_assert_mine(s->loop);
    return chain_room(s->loop, &s->out, n);
}

bool stream_commit(struct stream *s, size_t n)
{
    if (may_send(s)) {
        chain_commit(&s->out, n);
        if (s->out.n > 0)
            return added(s);
    }
    if (s->out.n == 0)
        chain_clear(s->loop, &s->out); /* the room itself */
    return may_send(s);
}

void stream_set_marks(struct stream *s, size_t high, size_t low, size_t send_max)
{
    assert(low <= high && high <= send_max);
    s->high = high < UINT32_MAX ? (uint32_t)high : UINT32_MAX;
    s->low = low < UINT32_MAX ? (uint32_t)low : UINT32_MAX;
    s->send_max = send_max < UINT32_MAX ? (uint32_t)send_max : UINT32_MAX;
}
