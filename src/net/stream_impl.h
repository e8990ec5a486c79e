#ifndef NET_STREAM_IMPL_H
#define NET_STREAM_IMPL_H
/* What the files of net/ know about a stream; nobody outside includes this. stream.c has the life
 * cycle, stream_in.c reading, stream_out.c writing, stream_proxy.c PROXY headers, dial.c connecting. */
#include "net/chain.h"
#include "net/listener.h"
#include "net/stream.h"

#include <netinet/in.h>

enum stream_state {
    STREAM_DIALING,   /* client: looking up the name, connecting */
    STREAM_SHAKING,   /* PROXY header, then TLS handshake */
    STREAM_OPEN,      /* the protocol has it */
    STREAM_FLUSHING,  /* closed by the protocol: what waits is sent, what arrives is dropped */
    STREAM_LINGERING, /* our end of it is shut, waits for the peer to shut his */
    STREAM_CLOSING    /* the socket is closed, closed() is still to come */
};

enum stream_flag {
    STREAM_DETACHED = 1, /* its socket was taken away; the next address, or the end, is to come */
    STREAM_PAUSED = 4,   /* the protocol wants no bytes */
    STREAM_EOF = 8,      /* the peer ended its side */
    STREAM_BLOCKED = 16, /* the kernel takes no more, or it is others' turn: wait for POLLOUT */
    STREAM_SAID_ENOUGH = 32,   /* stream_send returned false: drained() is owed */
    STREAM_AGAIN = 64,         /* kept bytes are offered again at the end of the turn */
    STREAM_WRITE_FAILED = 128, /* the peer takes nothing any more; read what is left, then close */
    STREAM_SWITCHED = 256,     /* stream_set() was called meanwhile */
    STREAM_IS_UNIX = 512,
    STREAM_SHUT = 1024,        /* shutdown(SHUT_WR) was done */
    STREAM_BEGAN = 2048,       /* it was open once */
    STREAM_PEER_COUNTED = 4096 /* listener_admits() has counted it */
};

struct dial;
struct stream_tls;
struct stream_proxy;

/* Bytes that the protocol has not used yet: at least one. NULL: there are none. */
struct kept {
    uint32_t from, n, cap;
    char bytes[];
};
/* Only few states of a stream have an end of their own. */
struct stream_timer {
    struct timer timer;
    struct stream *s;
};

struct stream {
    struct loop *loop;
    const struct stream_handler *h;
    void *ctx;
    struct chain out;  /* plain bytes, also under TLS */
    struct kept *kept; /* plain bytes, also under TLS */
    struct later later;
    struct stream_timer *timer; /* of the state: dial, handshake, flush, linger; NULL: none runs */
    struct dial *dial;
    struct stream_tls *tls;
    struct stream_proxy *proxy; /* its PROXY header is not whole yet */
    struct listener *listener;
    int fd, code;
    uint32_t read_max, high, low, send_max;
    unsigned drained_turn;
    uint32_t user_timeout_ms;
    unsigned short flags;
    unsigned char state, have; /* have: events that are polled */
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } peer; /* a struct addr is 136 bytes */
};

/* ---- stream.c ---- */
/* A stream without a socket. */
struct stream *stream_new(struct loop *l);
/* Gives it the socket. */
void stream_attach(struct stream *s, int fd);
/* Takes the socket away again and closes it; what follows comes at the end of the turn. */
void stream_detach(struct stream *s);
void stream_move(struct stream *s, enum stream_state to);
void stream_set_peer(struct stream *s, const struct addr *a);
/* Who is said to be at the other end, whatever kind of socket it is. */
void stream_note_peer(struct stream *s, const struct addr *a);
void stream_timer_at(struct stream *s, uint64_t at_ms);
void stream_timer_in(struct stream *s, uint64_t after_ms);
void stream_timer_stop(struct stream *s);
/* Polls for what the state needs now. An event that is no longer wanted is taken out when it comes
 * (strict), since most pauses end before. */
void stream_poll(struct stream *s, bool strict);
/* Sends what waits, lingers, then closed() with the code; also during a handshake. */
void stream_finish(struct stream *s, int code);
/* Ends it now, whatever waits. closed() comes later with s->code. */
void stream_kill(struct stream *s, bool reset);
/* The connection stands: the protocol may begin. */
void stream_opened(struct stream *s);
/* A socket that a listener accepted; owns fd. */
void stream_accept(struct loop *l, int fd, const struct addr *peer, struct listener *from);

/* Its peer is known: TLS or the protocol may begin. */
void stream_accepted(struct stream *s);

/* ---- stream_proxy.c ---- */
/* Waits for the header that the listener requires. */
void stream_proxy_begin(struct stream *s);
void stream_proxy_input(struct stream *s, struct str bytes);
/* Its time is over. */
void stream_proxy_late(struct stream *s);
void stream_proxy_drop(struct stream *s);

/* ---- stream_in.c ---- */
void stream_read(struct stream *s);
void stream_offer_kept(struct stream *s);
/* Bytes in the loop's buffer that arrived in front of which nothing is kept. */
void stream_take(struct stream *s, struct str bytes);
/* clean: the protocol may believe that this is all the peer had to say. */
void stream_take_eof(struct stream *s, bool clean);
void stream_read_rest(struct stream *s);
void kept_drop(struct kept **k);
void kept_append(struct kept **k, struct str bytes);
static inline struct str kept_str(const struct kept *k)
{
    return k ? str_from(k->bytes + k->from, k->n) : STR_NONE;
}

/* ---- stream_out.c ---- */
/* Sends what the kernel takes. No callback is made from it. */
void stream_flush(struct stream *s);
/* What follows from having sent: drained(), the next step of closing. */
void stream_flushed(struct stream *s);

/* ---- dial.c ---- */
void dial_start(struct stream *s);
void dial_event(struct stream *s);
void dial_timer(struct stream *s);
void dial_next(struct stream *s);
void dial_free(struct stream *s);

/* ---- listener.c ---- */
/* A connection of a listener that nobody but net/ knows of yet: its PROXY header is not whole, or it is in
 * its TLS handshake. */
struct unbegun {
    struct list
        link; /* of its listener on its loop, the oldest first; in none: it is no such one */
    struct stream *s;
    uint64_t since_ms;
};
void listener_wait(struct unbegun *u, struct stream *s);
/* Whatever has become of it. */
void listener_wait_over(struct unbegun *u);
void listener_began(struct listener *ln, struct loop *l, struct stream *s);
/* began: listener_began() was called for it; else its handshake failed. */
void listener_ended(struct listener *ln, bool began);
/* May the peer have one more connection? It counts then, until listener_peer_gone(). */
bool listener_admits(struct listener *ln, const struct addr *peer);
void listener_peer_gone(struct listener *ln, const struct addr *peer);
uint64_t listener_handshake_ms(const struct listener *ln);
const struct listener_proxy *listener_proxy_rule(const struct listener *ln);
/* NULL: plain. */
struct tls_context *listener_tls(const struct listener *ln, struct str *out_alpn);

/* ---- sock.c ---- */
/* What every stream socket gets. */
void sock_tune(int fd);
void sock_user_timeout(int fd, unsigned ms);
/* The pending error of a socket, negative, or 0. */
int sock_error(int fd);
/* A bound TCP socket, or -errno. shared: with SO_REUSEPORT. */
int sock_bind_tcp(const struct addr *a, bool shared);
/* Removes a socket file that nobody answers on. 0 when the path is free. */
int sock_remove_stale(const struct addr *a, const char *path);
/* A sentence for the person who chose the address: why it cannot be had, and what mends it. */
int sock_explain(int error, const struct addr *a, struct fault *f);

#endif
