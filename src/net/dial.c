/*
 * Connecting: the name is looked up in libuv's threads (the resolver blocks), then its addresses
 * are tried one after the other until one answers. One deadline covers all of it; an address may
 * take its share of what is left, so that one that swallows packets does not use up the others'
 * time.
 *
 * A look-up cannot be stopped once a thread has it. When the stream ends before, the dial is
 * orphaned (s is NULL) and frees itself when the look-up returns; closed() does not wait for it.
 */
#include "net/tls_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define TIMEOUT_DEFAULT_MS 10000
/* An address gets at least this long, if the deadline allows: a round trip of a bad mobile link. */
#define SHARE_MIN_MS 500
/* A name with more addresses than this is tried no further. */
#define ADDRESSES_MAX 16

struct dial {
    struct stream *s; /* NULL: orphaned */
    struct loop *loop;
    uv_getaddrinfo_t look_up;
    bool looking_up, started;
    char *host;
    uint16_t port;
    struct tls_context *tls; /* NULL: plain */
    char *server_name;
    struct str alpn; /* owned */
    unsigned timeout_ms;
    uint64_t deadline_ms;
    struct addr addrs[ADDRESSES_MAX];
    unsigned addr_count, addr_next;
    int error; /* of the last address that was tried */
};

static void fail(struct stream *s, int code)
{
    s->code = code;
    stream_kill(s, false);
}

static void free_dial(struct dial *d)
{
    mem_free(d->host);
    mem_free(d->server_name);
    mem_free((char *)(uintptr_t)d->alpn.p);
    mem_free(d);
}

void dial_free(struct stream *s)
{
    struct dial *d = s->dial;

    s->dial = NULL;
    if (!d)
        return;
    d->s = NULL;
    if (d->looking_up)
        uv_cancel((uv_req_t *)&d->look_up); /* on_look_up comes in any case */
    else
        free_dial(d);
}

static void connected(struct stream *s)
{
    struct dial *d = s->dial;
    int rc;

    s->dial = NULL; /* no look-up is under way, so it is ours to free */
    if (!d->tls) {
        free_dial(d);
        stream_opened(s);
        return;
    }
    stream_move(s, STREAM_SHAKING);
    stream_timer_at(s, d->deadline_ms);
    rc = stream_tls_client(s, d->tls, d->server_name, d->alpn);
    free_dial(d);
    if (rc)
        fail(s, rc);
    else
        stream_poll(s, false);
}

/* True when the attempt has begun (or is done); else why not is in d->error. */
static bool attempt(struct stream *s, const struct addr *a)
{
    struct dial *d = s->dial;
    int fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc;

    if (fd < 0) {
        d->error = -errno;
        return false;
    }
    stream_set_peer(s, a);
    if (!addr_is_unix(a))
        sock_tune(fd);
    rc = connect(fd, (const struct sockaddr *)&a->ss, a->len) ? -errno : 0;
    if (rc != 0 && rc != -EINPROGRESS) {
        d->error = rc;
        close(fd);
        return false;
    }
    stream_attach(s, fd);
    if (rc == 0)
        connected(s);
    else
        stream_poll(s, false);
    return true;
}

void dial_next(struct stream *s)
{
    struct dial *d = s->dial;
    uint64_t now = loop_now_ms(s->loop);

    while (d->addr_next < d->addr_count && now < d->deadline_ms) {
        uint64_t share = (d->deadline_ms - now) / (d->addr_count - d->addr_next);
        const struct addr *a = &d->addrs[d->addr_next++];

        if (share < SHARE_MIN_MS)
            share = SHARE_MIN_MS;
        stream_timer_at(s, share < d->deadline_ms - now ? now + share : d->deadline_ms);
        if (attempt(s, a))
            return;
    }
    fail(s, d->error ? d->error : -ETIMEDOUT);
}

void dial_event(struct stream *s)
{
    int error = sock_error(s->fd);

    if (error == 0) {
        connected(s);
        return;
    }
    s->dial->error = error;
    stream_detach(s); /* dial_next() when that is done */
}

void dial_timer(struct stream *s)
{
    struct dial *d = s->dial;

    d->error = -ETIMEDOUT;
    if (loop_now_ms(s->loop) >= d->deadline_ms)
        fail(s, -ETIMEDOUT);
    else if (s->fd >= 0)
        stream_detach(s);
}

static void on_look_up(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct dial *d = container_of(req, struct dial, look_up);
    const struct addrinfo *ai;

    d->looking_up = false;
    d->loop->open_count--;
    if (d->s) {
        for (ai = list; ai && d->addr_count < ADDRESSES_MAX; ai = ai->ai_next)
            d->addrs[d->addr_count++] = addr_from(ai->ai_addr, ai->ai_addrlen);
        if (status < 0)
            fail(d->s, status); /* frees d: no look-up is under way any more */
        else
            dial_next(d->s);
    } else {
        free_dial(d);
    }
    uv_freeaddrinfo(list);
}

void dial_start(struct stream *s)
{
    const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV };
    struct dial *d = s->dial;
    char port[8];
    int rc;

    if (d->started)
        return;
    d->started = true;
    d->deadline_ms = loop_now_ms(s->loop) + d->timeout_ms;
    stream_timer_at(s, d->deadline_ms);
    if (addr_parse(str_of(d->host), d->port, &d->addrs[0]) == 0) {
        d->addr_count = 1;
        dial_next(s);
        return;
    }
    snprintf(port, sizeof(port), "%u", d->port);
    rc = uv_getaddrinfo(&s->loop->uv, &d->look_up, on_look_up, d->host, port, &hints);
    if (rc) { /* a name that is too long, for instance */
        fail(s, rc);
        return;
    }
    d->looking_up = true;
    s->loop->open_count++;
}

struct stream *stream_connect(struct loop *l, const struct connect_options *o,
                              const struct stream_handler *h, void *ctx, size_t read_max)
{
    struct stream *s = stream_new(l);
    struct dial *d = NEW(struct dial);

    assert(h && h->data && o->host);
    s->state = STREAM_DIALING;
    s->h = h;
    s->ctx = ctx;
    stream_set_read_max(s, read_max);
    s->dial = d;
    d->s = s;
    d->loop = l;
    d->host = str_dup(str_of(o->host));
    d->port = o->port;
    d->tls = o->tls;
    d->server_name = str_dup(str_of(o->server_name ? o->server_name : o->host));
    d->alpn = tls_alpn_wire(o->alpn);
    d->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_DEFAULT_MS;
    loop_later(l, &s->later); /* dial_start(): nothing calls back from here */
    return s;
}
