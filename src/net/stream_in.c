/*
 * Reading. One read per stream and turn, into the loop's one buffer, from which the protocol takes
 * its packets without a copy; only what it leaves is copied to a buffer of the stream's own, which
 * is freed as soon as it is empty. While bytes are kept the next read goes behind them directly,
 * and into the loop's buffer only with what does not fit.
 *
 * Invariants: kept is NULL exactly when nothing is kept. What is kept is below read_max, or the
 * stream is paused, or closing; one read more than that may be kept.
 */
#include "net/tls_impl.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define KEPT_MIN 256u
/* After a failed write: 16 reads of 64 KiB are more than a socket's receive buffer usually holds. */
#define REST_READS_MAX 16

void kept_drop(struct kept **k)
{
    mem_free(*k);
    *k = NULL;
}

static void kept_consume(struct kept *k, size_t n)
{
    k->from += (uint32_t)n;
    k->n -= (uint32_t)n;
}

static size_t kept_room(const struct kept *k)
{
    return k ? k->cap - k->from - k->n : 0;
}

/* Room for n bytes behind what is kept: moved to the front, doubled when that does not do. */
static struct kept *kept_reserve(struct kept *k, size_t n)
{
    size_t need = (k ? k->n : 0) + n, cap = k ? k->cap : KEPT_MIN;

    if (kept_room(k) >= n)
        return k;
    if (k && k->from > 0) {
        memmove(k->bytes, k->bytes + k->from, k->n);
        k->from = 0;
    }
    while (cap < need)
        cap *= 2;
    assert(cap <= UINT32_MAX);
    if (k && cap == k->cap)
        return k;
    if (!k) {
        k = mem_resize(NULL, sizeof(*k) + cap);
        *k = (struct kept){ 0 };
    } else {
        k = mem_resize(k, sizeof(*k) + cap);
    }
    k->cap = (uint32_t)cap;
    return k;
}

void kept_append(struct kept **k, struct str bytes)
{
    if (bytes.n == 0)
        return;
    *k = kept_reserve(*k, bytes.n);
    memcpy((*k)->bytes + (*k)->from + (*k)->n, bytes.p, bytes.n);
    (*k)->n += (uint32_t)bytes.n;
}

/* Offers the bytes to the protocol; how many it used. It is asked once more when it was replaced
 * (the new protocol has not seen the rest), and when it used some but left more than may be kept:
 * then it takes its packets one by one. */
static size_t offer(struct stream *s, struct str bytes)
{
    size_t used = 0, now = 0, rest = bytes.n;

    while (rest > 0 && s->state == STREAM_OPEN && !(s->flags & STREAM_PAUSED)) {
        s->flags &= (unsigned short)~STREAM_SWITCHED;
        now = s->h->data(s->ctx, s, str_skip(bytes, used));
        assert(now <= rest);
        used += now;
        rest -= now;
        if (!(s->flags & STREAM_SWITCHED) && (now == 0 || rest < s->read_max))
            break;
    }
    if (s->state == STREAM_OPEN && !(s->flags & STREAM_PAUSED) && rest > 0 && rest >= s->read_max)
        stream_close(s, STREAM_FLUSH, ERR_LIMIT);
    return used;
}

void stream_offer_kept(struct stream *s)
{
    struct kept *k = s->kept;

    if (!k || s->state != STREAM_OPEN)
        return;
    /* Out of the stream meanwhile: the view stays good when the protocol closes the stream. */
    s->kept = NULL;
    kept_consume(k, offer(s, kept_str(k)));
    if (s->state == STREAM_OPEN && k->n > 0)
        s->kept = k;
    else
        kept_drop(&k);
}

void stream_take(struct stream *s, struct str bytes)
{
    size_t used;

    if (s->kept) {
        kept_append(&s->kept, bytes);
        stream_offer_kept(s);
        return;
    }
    used = offer(s, bytes);
    if (s->state == STREAM_OPEN)
        kept_append(&s->kept, str_skip(bytes, used));
}

void stream_take_eof(struct stream *s, bool clean)
{
    s->flags |= STREAM_EOF;
    if (s->state > STREAM_OPEN) {
        if (s->flags & STREAM_SHUT)
            stream_kill(s, false);
        return;
    }
    if (s->state == STREAM_OPEN && s->h->eof && clean)
        s->h->eof(s->ctx, s);
    else
        stream_close(s, STREAM_FLUSH, ERR_CLOSED);
}

static ssize_t receive(struct stream *s)
{
    struct iovec iov[2];
    struct msghdr msg = { .msg_iov = iov };
    ssize_t n;

    if (s->kept && !s->tls && !s->proxy) { /* under TLS what is kept is plain */
        iov[msg.msg_iovlen].iov_base = s->kept->bytes + s->kept->from + s->kept->n;
        iov[msg.msg_iovlen++].iov_len = kept_room(s->kept);
    }
    iov[msg.msg_iovlen].iov_base = s->loop->read_buffer;
    iov[msg.msg_iovlen++].iov_len = LOOP_READ_SIZE;
    do {
        n = msg.msg_iovlen == 1 ? recv(s->fd, s->loop->read_buffer, LOOP_READ_SIZE, 0)
                                : recvmsg(s->fd, &msg, 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* n bytes were received by receive(). */
static void received(struct stream *s, size_t n)
{
    size_t behind = 0;

    if (s->state > STREAM_OPEN)
        return; /* read only so that the peer is not reset */
    if (s->proxy) {
        stream_proxy_input(s, str_from(s->loop->read_buffer, n));
        return;
    }
    if (s->tls) {
        stream_tls_input(s, str_from(s->loop->read_buffer, n));
        return;
    }
    if (s->kept) {
        behind = kept_room(s->kept);
        behind = behind < n ? behind : n;
        s->kept->n += (uint32_t)behind;
        if (behind == n) {
            stream_offer_kept(s);
            return;
        }
    }
    stream_take(s, str_from(s->loop->read_buffer, n - behind));
}

/* What is kept may have been put off (stream_again, or a resume in this very turn): it comes before
 * the end. A protocol that pauses over it sees the end after it resumed, since the kernel says it
 * again. */
static void take_end(struct stream *s)
{
    stream_offer_kept(s);
    if (s->state == STREAM_OPEN && s->flags & STREAM_PAUSED)
        return;
    stream_take_eof(s, !s->tls); /* under TLS the clean end is a close_notify */
}

void stream_read(struct stream *s)
{
    ssize_t n = receive(s);

    if (n > 0)
        received(s, (size_t)n);
    else if (n == 0)
        take_end(s);
    else if (n != -EAGAIN) {
        s->code = s->state <= STREAM_OPEN ? (int)n : s->code;
        stream_kill(s, false);
    }
}

/* The peer takes no more bytes, but what it sent before may tell why (an error answer, then a
 * reset). s->code is what the write failed with. */
void stream_read_rest(struct stream *s)
{
    unsigned i;

    for (i = 0; i < REST_READS_MAX && s->state == STREAM_OPEN; i++) {
        ssize_t n = s->flags & STREAM_PAUSED ? 0 : receive(s);

        if (n <= 0)
            break;
        received(s, (size_t)n);
    }
    stream_kill(s, false);
}
