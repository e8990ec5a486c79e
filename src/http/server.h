#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H
/*
 * An HTTP/1.1 server over net/: listeners, connections, limits, time-outs, static files, upgrade to
 * WebSocket. Handlers see only request.h; endpoints are rows of route.h.
 *
 *     s = http_server_new(workers, &options);
 *     http_server_mount(s, rows, COUNT_OF(rows), rest);
 *     http_listen(s, &listen, &fault);
 *     …
 *     http_server_stop(s, 5000);
 *     http_server_free(s);
 *
 * One request is worked on at a time per connection; what is pipelined behind it waits and is
 * answered in order.
 */
#include "base/addr.h"
#include "base/limits.h"
#include "http/request.h"
#include "http/route.h"
#include "http/static.h"
#include "net/listener.h"

struct workers;
struct metrics;
struct tls_context;
struct http_server;

enum http_server_flags {
    HTTP_ACCESS_LOG = 1, /* one info line per request; else at debug level */
    HTTP_HOST_ANY = 2,   /* no check of Host and Origin (when accounts or a gateway do it) */
    HTTP_SPA = 4,        /* unknown paths without a dot in the last segment and outside of /api/ get
                            /index.html when the client takes text/html */
    HTTP_OPENAPI = 8,    /* serves GET /openapi.json */
    HTTP_HOST_OPEN = 16, /* any Host, but Origin is checked: nobody is let in for being near */
};

struct http_server_options {
    const char *name; /* label of this service in logs and metrics: "api", "health" */
    unsigned flags;
    const struct limits *limits;    /* copied */
    struct metrics *metrics;        /* may be NULL */
    struct listener_places *places; /* of its listeners; may be NULL; borrowed, outlives it */
    const struct authz *authz;      /* may be NULL: everybody is anonymous and may all */
    /* Names by which browsers may reach this server beside addresses and localhost, and origins
     * ("https://panel.example.org") that may call it. Zero-terminated lists; NULL: none. Copied. */
    const char *const *hosts;
    const char *const *origins;
    const char *section; /* of the settings, where more of these are listed: "api"; constant */
    const struct http_static *files; /* may be NULL */
    size_t file_count;
    const char *api_title, *api_version, *api_description; /* for openapi.json */
};

/* Nothing is bound yet. The workers run already. Not from a worker's thread, as all in this
 * header. */
struct http_server *http_server_new(struct workers *w, const struct http_server_options *o);
/* Adds routes; rows and ctx outlive the server. Before the first http_listen. */
void http_server_mount(struct http_server *s, const struct http_route *rows, size_t count,
                       void *ctx);

struct http_listen_options {
    struct addr addr;
    struct listener_proxy proxy; /* `refused` is set by the server */
    struct tls_context *tls;     /* NULL: plain */
    unsigned unix_mode;          /* of a Unix socket; 0: 0660 */
    uint64_t connections_max;    /* 0: limits.connections_max */
};
/* At most HTTP_LISTENERS_MAX per server. out_addr (may be NULL): the bound address. */
#define HTTP_LISTENERS_MAX 8
MUST_USE int http_listen(struct http_server *s, const struct http_listen_options *o,
                         struct addr *out_addr, struct fault *f);

/* Connections open now. */
uint64_t http_server_open_count(struct http_server *s);
/* Stops accepting, closes idle connections, lets requests finish (Connection: close) and
 * WebSockets say goodbye (1001); after deadline_ms cuts what is left. Returns when no connection
 * is open and no request unanswered; waits without end for handlers that never answer, so whoever
 * answers is stopped after this. */
void http_server_stop(struct http_server *s, uint64_t deadline_ms);
/* After http_server_stop (or without a listener). */
void http_server_free(struct http_server *s);

#endif
