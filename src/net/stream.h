#ifndef NET_STREAM_H
#define NET_STREAM_H
/*
 * A byte stream: TCP, Unix socket, either of them under TLS. Lives on one loop from accept to
 * close. Writes are gathered during a turn of the loop and leave together at its end (try-write
 * first, the rest waits for the socket). An idle stream holds no buffers.
 */
#include "base/addr.h"
#include "base/blob.h"
#include "net/loop.h"
#include "trust/cert_name.h"

struct buf;
struct stream;
struct tls_context;

/* What a protocol does with its stream; one constant table per protocol. ctx is stream_set()'s. */
struct stream_handler {
    /* Client streams only: the connection (and TLS handshake) stands. May be NULL. */
    void (*connected)(void *ctx, struct stream *s);
    /* Bytes arrived. Returns how many were used; the rest is kept by the stream and comes again,
     * in front of what arrives next (or by stream_again). The view is valid during the call only.
     * When what is kept reaches read_max without progress the stream closes with ERR_LIMIT; so a
     * protocol that takes nothing for now must stream_pause(). */
    size_t (*data)(void *ctx, struct stream *s, struct str bytes);
    /* The peer ended its sending side (under TLS: with a close_notify; without one the connection
     * may have been cut, and only closed() comes, with ERR_CLOSED). NULL: the stream closes after what waits was sent. */
    void (*eof)(void *ctx, struct stream *s);
    /* What waits fell below the low-water mark after stream_send had said "enough". May be NULL. */
    void (*drained)(void *ctx, struct stream *s);
    /* The last call. code: 0 closed by us, ERR_CLOSED by the peer, else why: -ECONNRESET when the
     * peer reset it or takes nothing any more, -ETIMEDOUT, ERR_LIMIT, ERR_TLS (stream_tls_error()
     * says why), and for clients -ECONNREFUSED and the like, or the resolver's code. The stream is
     * freed when this returns; free ctx here. Never called from inside another stream function. */
    void (*closed)(void *ctx, struct stream *s, int code);
};

/* Gives the stream its protocol; may be called again (protocol upgrade: the new one is offered what
 * the old one left). read_max: how many bytes
 * may be kept unused (the largest packet or head). */
void stream_set(struct stream *s, const struct stream_handler *h, void *ctx, size_t read_max);
void stream_set_read_max(struct stream *s, size_t read_max);

/* Queues a copy of the bytes. False when more waits than the high-water mark (the bytes are queued
 * all the same): stop producing until drained(). Beyond send_max the stream closes with
 * ERR_LIMIT. After stream_close() it does nothing and returns false. */
bool stream_send(struct stream *s, struct str bytes);
/* Queues bytes [from, from + n) of a counted payload by reference. */
bool stream_send_blob(struct stream *s, struct blob *b, size_t from, size_t n);
/* For encoders: room for n bytes (n <= STREAM_ROOM_MAX) at the end of what waits, then commit what
 * was written there. Nothing else may be called on the stream between the two. */
#define STREAM_ROOM_MAX 2048
char *stream_room(struct stream *s, size_t n);
bool stream_commit(struct stream *s, size_t n);
/* Bytes queued and not yet taken by the kernel. */
size_t stream_pending(const struct stream *s);
/* Marks in bytes. Defaults: high 256 KiB, low 64 KiB, send_max 4 MiB. */
void stream_set_marks(struct stream *s, size_t high, size_t low, size_t send_max);

/* Stops and resumes reading; back-pressure reaches the peer through TCP. Idempotent. Resuming offers
 * the kept bytes again (as stream_again). While paused the peer's end is not noticed. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
bool stream_is_paused(const struct stream *s);
/* Offers the kept bytes to data() again at the end of this turn (after a pipelined request was
 * answered, for instance). */
void stream_again(struct stream *s);

/* Ends it. FLUSH: sends what waits first, for at most 5 s, then closes (lingering for at most 2 s so
 * that the last bytes are not reset away; on a stream that is still connecting it is NOW); NOW: drops it; RESET: as NOW, with a TCP RST. closed() comes later in
 * any case. Idempotent; a later NOW or RESET overtakes a FLUSH. code is passed to closed(). */
enum stream_end { STREAM_FLUSH, STREAM_NOW, STREAM_RESET };
void stream_close(struct stream *s, enum stream_end how, int code);
bool stream_is_closing(const struct stream *s);

struct loop *stream_loop(const struct stream *s);
/* The addresses lie in a ring of the loop's: good until eight more were asked for; copy to keep.
 * Behind a proxy the peer is whom it named in its PROXY header. The peer of an accepted Unix socket has no path; before a connection stands len may be 0. */
const struct addr *stream_peer(const struct stream *s);
const struct addr *stream_local(const struct stream *s);
/* Negotiated ALPN name, or empty. */
struct str stream_alpn(const struct stream *s);
bool stream_is_tls(const struct stream *s);
/* The name in the certificate that the peer has proved to own, appended to out as UTF-8. ERR_UNKNOWN:
 * it showed none, or not this name; ERR_VALUE: the name is not clear (several common names, zero
 * bytes, no UTF-8, longer than out). */
MUST_USE int stream_cert_name(const struct stream *s, enum cert_name which, struct buf *out);
/* Why TLS failed, for people ("certificate has expired"); empty when it did not. Good in closed(). */
const char *stream_tls_error(const struct stream *s);
/* Unix sockets: the peer's credentials (SO_PEERCRED). -ENOTSUP for others. */
MUST_USE int stream_peer_cred(const struct stream *s, uint32_t *out_uid, uint32_t *out_gid,
                              int32_t *out_pid);
/* Abort when sent data stays unacknowledged this long (TCP_USER_TIMEOUT). */
void stream_set_user_timeout(struct stream *s, unsigned ms);

/* ---- inside of the program ---- */
/* Two ends of one stream on this loop, both open: for two protocols of one program that are to talk as if
 * over a network. NULL: no descriptors are left (-errno in *out_code). Both must get their protocol by
 * stream_set() in this turn; connected() comes for neither. */
struct stream *stream_pair(struct loop *l, struct stream **out_other, int *out_code);

/* ---- clients ---- */
struct connect_options {
    const char *host; /* name, address, or "unix:/path"; copied */
    uint16_t port;
    unsigned timeout_ms;     /* for name, connection and handshake together; 0: 10 s */
    struct tls_context *tls; /* NULL: plain. Verified against server_name, or host when NULL */
    const char *server_name;
    const char *alpn; /* "h2,http/1.1" or NULL */
};
/* Starts connecting; all addresses of the name are tried in order. Never fails at once: failures
 * arrive in closed(). */
struct stream *stream_connect(struct loop *l, const struct connect_options *o,
                              const struct stream_handler *h, void *ctx, size_t read_max);

#endif
