#ifndef HTTP_CONN_SERVER_H
#define HTTP_CONN_SERVER_H
/* What the files of the engine know of each other; nobody outside http/ includes this.
 * http_server.c has the server and its workers, conn_server.c the connection and its phases,
 * dispatch_server.c what happens between a head and its handler, request_server.c the handlers'
 * view, reply_server.c the answer on its way out, ws_server.c what comes after an upgrade. */
#include "base/cell.h"
#include "base/list.h"
#include "base/metrics.h"
#include "http/answer.h"
#include "http/guard.h"
#include "http/server.h"
#include "http/ws_server.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/workers.h"
#include "wire/uri.h"

#define HTTP_MOUNTS_MAX 16
/* Codes that get a counter of their own per route; the list of reasons is not longer. */
#define HTTP_CODES_MAX 48

struct http_code_counter {
    const char *endpoint; /* a route's pattern, or "static", "unmatched" */
    enum http_method method;
    int status;
    struct metric *metric;
};

/* The server's part on one worker; touched by that worker only (set up before it serves). */
struct http_worker {
    struct http_server *server;
    struct loop *loop;
    struct list conns;    /* http_conn.link */
    struct list sockets;  /* ws.link */
    size_t conn_count;    /* connections, upgraded ones too */
    size_t held;          /* bytes of answers that wait for their clients */
    size_t request_count; /* requests that are not answered yet, of vanished clients too */
    bool draining;
    bool left; /* something is left while stopping */
    struct timer deadline;
    struct identity *anonymous;
    struct http1_field *fields; /* limits.http_fields_max, for the head that is being parsed */
    struct buf scratch;         /* heads of answers */
    char *room;                 /* unmasked WebSocket payload */
    int64_t date_s;
    char date[HTTP1_DATE_LEN + 1];
    struct http_code_counter *codes;
    size_t code_count, code_cap;
};
#define HTTP_ROOM_SIZE 16384

struct http_server {
    struct workers *workers;
    char *name;
    unsigned flags;
    struct limits limits;
    struct metrics *metrics;
    struct listener_places *places;
    const struct authz *authz;
    struct http_guard guard;
    const char *section;
    struct cell refusal_logged_ms; /* 0: never */
    const struct http_static *files;
    size_t file_count;
    struct http_mount mounts[HTTP_MOUNTS_MAX + 1];
    size_t mount_count;
    char *title, *version, *description;
    struct buf openapi;
    struct listener *listeners[HTTP_LISTENERS_MAX];
    size_t listener_count;
    struct http_worker *per_worker;
    struct gate *gate; /* opened when a worker's last connection or request is gone */
    struct metric *active, *duration, *refused;
};

/*
 *     HEAD ──► AUTH ──► BODY ──► HANDLER ──► REPLY ──► HEAD …
 *       │        └────────┴─────────┴──────────┤
 *       └──► CLOSING ◄─────────────────────────┘        AUTH ──► TAKEN (by a WebSocket)
 */
enum http_conn_state {
    HTTP_CONN_HEAD,    /* between requests, or a head is arriving */
    HTTP_CONN_AUTH,    /* authz is thinking */
    HTTP_CONN_BODY,    /* the body is arriving */
    HTTP_CONN_HANDLER, /* the handler has it; nothing of the answer is out */
    HTTP_CONN_REPLY,   /* the answer is leaving */
    HTTP_CONN_CLOSING, /* the last bytes leave; nothing is read any more */
    HTTP_CONN_TAKEN,   /* the stream belongs to a WebSocket */
};

struct http_conn {
    struct http_worker *w;
    struct stream *s;
    struct list link;
    unsigned char state;
    bool in_data; /* inside data(): whoever returns to HEAD need not ask for more */
    bool close;   /* no further request on this connection */
    bool eof;     /* the client sends nothing more */
    bool blocked; /* stream_send said enough */
    struct http1_scan scan;
    struct timer timer; /* of the state */
    uint64_t body_began_ms, body_n;
    uint64_t queued; /* bytes of answers given to the stream */
    uint64_t sent;   /* of them gone at the timer's last look, for clients that do not read */
    uint64_t served;
    struct http_request *r;
    /* The answer's body that is not in the stream yet. */
    struct str out;
    size_t held;           /* of w->held */
    struct buf out_buf;    /* owns out, or */
    struct blob *out_blob; /* owns it, or it is constant */
    /* Credentials of the last request and who they are: a client that sends them with every
     * request is not asked to prove them with every request. */
    char *credentials;
    size_t credentials_n;
    uint64_t credentials_ms; /* when they were proven */
    struct identity *id;
};

enum http_asking { HTTP_ASKING_NOTHING, HTTP_ASKING_LOGIN, HTTP_ASKING_CHECK };

struct http_request {
    struct http_conn *conn; /* NULL when the client is gone */
    struct http_worker *w;
    struct arena arena;
    struct http1_head head;
    struct http1_field *fields;
    struct str path;  /* decoded */
    struct str query; /* raw */
    struct http_match match;
    const char *endpoint; /* for metrics: the route's pattern, "static" … */
    struct str *values;   /* of match.route->params, in their order */
    struct http1_chunked chunked;
    uint64_t body_left;
    struct buf body;
    struct identity *id;
    struct addr peer;
    bool tls;
    bool handled; /* a handler has it and will answer */
    bool started; /* http_start was called */
    bool cross;   /* from a listed origin of another site */
    bool cache;   /* the handler decided about caching */
    int status;
    int64_t wall_ns;
    uint64_t mono_ns;
    struct buf extra; /* fields of the answer */
    void (*gone)(struct http_request *r, void *ctx);
    void *gone_ctx;
    void (*drained)(struct http_request *r, void *ctx);
    void *drained_ctx;
    enum http_asking asking;
    struct authz_login login;
    struct authz_check check;
};

/* conn_server.c */
void http_conn_accept(void *ctx, struct loop *l, struct stream *s);
void http_conn_move(struct http_conn *c, enum http_conn_state to);
/* The request's answer is complete in the stream's hands: next request, or the end. */
void http_conn_next(struct http_conn *c);
/* Begins to gather the body, or calls the handler when there is none. */
void http_conn_body(struct http_conn *c);
/* No more requests, no more bytes: what is queued leaves, then the end. */
void http_conn_finish(struct http_conn *c);
/* The end, and what is queued is dropped. */
void http_conn_cut(struct http_conn *c, int code);
/* Frees a connection whose stream was taken by a WebSocket; the last use of c by callers outside
 * of data(). */
void http_conn_settle(struct http_conn *c);
void http_conn_drain(struct http_conn *c);
void http_worker_gone(struct http_worker *w);
struct http_request *http_request_new(struct http_conn *c, const struct http1_head *h,
                                      struct str bytes);
void http_request_free(struct http_request *r);
const char *http_worker_date(struct http_worker *w);

/* dispatch_server.c: from a head to AUTH, BODY, HANDLER, or an answer */
void http_dispatch(struct http_request *r);
/* The whole request is there. */
void http_call_handler(struct http_request *r);
void http_cancel_asking(struct http_request *r);

/* reply_server.c */
void http_refuse_head(struct http_conn *c, const struct wire_why *why);
void http_reply_drained(struct http_conn *c);
/* Counts and logs a request at its end. */
void http_account(struct http_request *r);
void http_reply_static(struct http_request *r, const struct http_static_answer *a);
void http_reply_empty(struct http_request *r, int status);

/* ws_server.c */
bool http_ws_upgrade(struct http_request *r);
void http_ws_drain(struct http_worker *w);
void http_ws_abort_all(struct http_worker *w);

/* How large a body this request may have: the route's cap and the limit of all. */
static inline uint64_t http_body_cap(const struct http_request *r)
{
    uint64_t all = r->conn->w->server->limits.http_body_max_bytes;

    return r->match.route->body_max < all ? r->match.route->body_max : all;
}

#endif
