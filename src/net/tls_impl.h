#ifndef NET_TLS_IMPL_H
#define NET_TLS_IMPL_H
/* TLS inside net/: tls.c has contexts, stream_tls.c their use by a stream. */
#include "net/stream_impl.h"
#include "net/tls.h"

#include <openssl/ssl.h>

struct stream_tls {
    SSL *ssl;
    struct unbegun unbegun; /* server: until the handshake is done; its stream also afterwards */
    struct str in;          /* what arrived and OpenSSL has not read yet; a view */
    struct kept *kept;      /* the same, of our own, while the protocol pauses */
    struct chain out;       /* records that wait to leave */
    struct str alpn; /* server: the names that may be chosen, each behind its length; borrowed */
    bool ended;      /* nothing more can be encrypted: close_notify or an alert was sent */
    char *why;       /* what failed; NULL: nothing */
};

/* ---- tls.c ---- */
/* A connection of the context as it is now. Any thread. */
SSL *tls_connection(struct tls_context *t);
/* "h2,http/1.1" as each name behind its length, on the heap; {NULL, 0} for NULL. */
struct str tls_alpn_wire(const char *names);

/* ---- stream_tls.c ---- */
/* The stream is connected and shaking; sends the client's first message. 0 or ERR_TLS. */
MUST_USE int stream_tls_client(struct stream *s, struct tls_context *t, const char *name,
                               struct str alpn);
void stream_tls_server(struct stream *s, struct tls_context *t, struct str alpn);
/* Bytes arrived: goes on with the handshake, delivers what is decrypted. */
void stream_tls_input(struct stream *s, struct str bytes);
/* The protocol takes bytes again: what was left lying. */
void stream_tls_again(struct stream *s);
/* Encrypts of what waits as much as is worth having ready; the chain of records. */
struct chain *stream_tls_output(struct stream *s);
/* Queues the close_notify. True when it was queued now. */
bool stream_tls_end(struct stream *s);
/* The stream is closing: drops what waits. The rest stays until stream_tls_free(). */
void stream_tls_drop(struct stream *s);
void stream_tls_free(struct stream *s);

#endif
