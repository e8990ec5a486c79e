#ifndef NET_LISTENER_H
#define NET_LISTENER_H
/*
 * One listening address over all workers: TCP with SO_REUSEPORT, a socket per worker; a Unix
 * socket is accepted by worker 0, which passes connections on in turn.
 */
#include "base/addr_net.h"
#include "base/cell.h"
#include "base/err.h"
#include "base/metrics.h"
#include "net/stream.h"
#include "net/workers.h"

struct listener;

/* The PROXY protocol, versions 1 and 2, in front of each connection (before TLS): who connected is
 * whom the proxy names. It is required; what comes without, late, or from elsewhere is closed. */
/* Its counter, for metrics_counter(). */
#define LISTENER_PROXY_REFUSED                                                                     \
    "wayside_proxy_refused_total", "",                                                             \
        "connections closed for want of a valid PROXY header from a trusted proxy"
struct listener_proxy {
    bool required;
    const struct addr_net *trusted; /* who may speak for others; borrowed, outlives the listener */
    size_t trusted_count;           /* 0: loopback addresses. Peers of a Unix socket always may */
    size_t header_max_bytes;        /* limits.proxy_header_max_bytes */
    uint64_t timeout_ms;            /* limits.proxy_timeout_ms */
    struct metric *refused;         /* counts; may be NULL */
};

/* So that strangers cannot take the places and the time of all. Counted by cause: */
#define LISTENER_TURNED_AWAY "wayside_connections_turned_away_total"
#define LISTENER_TURNED_AWAY_HELP                                                                   \
    "connections ended at the door: too many in all (places), or more than open files (files), or " \
    "of one address, or handshakes too slow to wait for"
struct listener_guard {
    uint64_t per_address_max;           /* limits.connections_per_address_max; 0: no limit */
    uint64_t handshakes_max;            /* limits.tls_handshakes_max; 0: no limit */
    uint64_t handshake_timeout_ms;      /* limits.tls_handshake_timeout_ms; 0: 10 s */
    struct metric *address, *handshake; /* count; may be NULL */
};

/* What the listeners of a program share, so that all of them together leave it what it needs itself. Set
 * before the first of them opens; outlives the last. */
struct listener_places {
    uint64_t connections_max; /* limits.connections_max; 0: no limit */
    int files_max;            /* no connection keeps a descriptor from this number on: fewer than
                                      what is reserved would be left; 0: no limit */
    struct metric *places, *files; /* count; may be NULL */
    struct cell open;
    struct cell logged_ms; /* when the shortage was last logged; 0: never */
};

struct listener_options {
    struct addr addr; /* port 0: the system picks one; all workers then share it */
    int backlog;      /* 0: 1024 */
    struct listener_proxy proxy;
    struct listener_guard guard;
    struct listener_places *places; /* NULL: none are shared */
    struct tls_context *tls;        /* NULL: plain; borrowed, outlives the listener */
    const char *alpn;         /* names offered under TLS, best first: "h2,http/1.1"; NULL: none */
    unsigned unix_mode;       /* permissions of a Unix socket; 0: 0660. A stale socket file that
                                nobody answers on is replaced. */
    uint64_t connections_max; /* open at once through this listener; more are closed at once and
                                 counted; 0: no limit */
    /* On the worker's thread, for each connection (under TLS after the handshake). It must stream_set() or stream_close(). */
    void (*accepted)(void *ctx, struct loop *l, struct stream *s);
    void *ctx;
};

/* Binds at once (so that a port in use is an error here, with a sentence that says which address
 * and how to mend it), accepts when this returns. Not from a worker's thread. */
MUST_USE int listener_open(struct workers *w, const struct listener_options *o,
                           struct listener **out, struct fault *f);
/* The bound address, with the port that was picked. */
const struct addr *listener_addr(const struct listener *l);
/* Connections open now / refused so far (connections_max, of the listener and of all) / lost before they began so far, in the
 * TLS handshake or for want of a PROXY header. From any thread. */
uint64_t listener_open_count(const struct listener *l);
uint64_t listener_refused_count(const struct listener *l);
uint64_t listener_failed_count(const struct listener *l);
/* Stops accepting on all workers and waits for it; open connections live on, unfinished TLS
 * handshakes and PROXY headers end. Not from a worker.
 * The listener is freed with listener_free() after the last of its connections was closed. */
void listener_close(struct listener *l);
void listener_free(struct listener *l);

#endif
