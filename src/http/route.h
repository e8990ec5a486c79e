#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H
/*
 * Routes as constant rows. From the rows come dispatch, 404, 405 with Allow, OPTIONS, HEAD, the
 * checking of parameters, and /openapi.json, so that the document and the program agree. Pure.
 *
 *     static const struct http_param readings_params[] = {
 *         { "device", HTTP_IN_QUERY, HTTP_STRING, .most = 50, .help = "only of this device" },
 *         { "limit", HTTP_IN_QUERY, HTTP_INTEGER, .least = 1, .most = 10000, .help = "…" },
 *         { 0 },
 *     };
 *     static const struct http_route rows[] = {
 *         { HTTP_GET, "/api/v1/readings", on_readings, .params = readings_params,
 *           .summary = "Readings, newest first" },
 *         { HTTP_POST, "/sensor-data", on_post, .flags = HTTP_BODY_JSON | HTTP_STYLE_DETAIL,
 *           .body_max = KIB(64), .summary = "Store one reading" },
 *     };
 */
#include "base/str.h"
#include "wire/http1.h"

struct http_request;
struct ws_route;
struct buf;

enum http_param_in { HTTP_IN_PATH, HTTP_IN_QUERY, HTTP_IN_HEADER };
enum http_param_type {
    HTTP_STRING,
    HTTP_INTEGER, /* 64 bits, signed */
    HTTP_NUMBER,  /* a JSON-like decimal number */
    HTTP_BOOLEAN, /* true or false */
    HTTP_TIME,    /* RFC 3339 */
};

struct http_param {
    const char *name; /* as in the pattern, the query or the header; NULL ends the table */
    enum http_param_in in;
    enum http_param_type type;
    bool required;       /* path parameters always are */
    int64_t least, most; /* integers: range; strings: length in bytes; both 0: no limit */
    const char *charset; /* strings: allowed bytes, "a-zA-Z0-9_-" style; NULL: any UTF-8 */
    const char *help;
};

enum http_route_flags {
    HTTP_BODY_JSON = 1,      /* Content-Type, when given, must be JSON: else 415 */
    HTTP_BODY_NEEDED = 2,    /* an empty body is 400 */
    HTTP_STYLE_DETAIL = 4,   /* errors as {"detail": …} instead of problem+json */
    HTTP_NO_AUTH = 8,        /* answered without asking authz (health, metrics on their port) */
    HTTP_NO_HOST_CHECK = 16, /* answered for any Host and Origin (health probes by name) */
    HTTP_QUERY_OPEN = 32,    /* query names that no row declares are ignored; else 422 */
    HTTP_QUIET = 64,         /* not in the access log (probes, scrapes) */
    HTTP_HIDDEN = 128,       /* not in openapi.json */
};

struct http_route {
    enum http_method method; /* HEAD and OPTIONS come by themselves */
    const char *path;        /* "/api/v1/devices/{device}": {name} takes one whole segment */
    /* On the connection's loop, after everything the row says was checked. It answers now or
     * later, exactly once (see request.h). ctx is http_server_mount()'s. */
    void (*handle)(struct http_request *r, void *ctx);
    const struct http_param *params;
    unsigned flags;
    uint64_t body_max; /* bytes; 0: no body is taken. Checked before the body is read: 413 */
    const char *summary;
    const char *tag;           /* groups in the document; may be NULL */
    const char *body_schema;   /* JSON Schema of the body as text; may be NULL */
    const char *answer_schema; /* of the 200 answer; may be NULL */
    const struct ws_route *ws; /* not NULL: a WebSocket endpoint (method is GET, handle NULL or
                                    what a plain GET gets; NULL: 426) */
};

/* Some rows with the context of their handlers. */
struct http_mount {
    const struct http_route *rows;
    size_t count;
    void *ctx;
};

#define HTTP_PATH_PARAMS_MAX 8

struct http_match {
    const struct http_route *route; /* NULL: no row for this method */
    void *ctx;
    bool head;      /* a GET row answers a HEAD request */
    bool options;   /* an OPTIONS request that no row takes: answer with allow */
    unsigned allow; /* bits 1 << method of all rows that match the path; 0: 404 */
    struct str params[HTTP_PATH_PARAMS_MAX]; /* values in the order of the pattern; views of path */
};

/* path: decoded and checked by uri_path_decode(). Literal segments win over {name}. */
void http_route_match(const struct http_mount *mounts, size_t mount_count, enum http_method method,
                      struct str path, struct http_match *out);
/* Value of the path parameter `name` in a match, or {NULL, 0}. */
struct str http_route_param(const struct http_match *m, const char *name);
/* "GET, HEAD, OPTIONS" */
void http_route_allow(unsigned allow, struct buf *out);
/* Ends the program when a row is wrong (pattern, params that the pattern lacks, no handler). */
void http_route_check(const struct http_route *rows, size_t count);

/* One value against its declaration. 0, or ERR_VALUE with a constant sentence in *out_text. */
MUST_USE int http_param_check(const struct http_param *p, struct str value, const char **out_text);

/* The OpenAPI 3.1 document of all rows, in their order. */
void http_openapi(const struct http_mount *mounts, size_t mount_count, const char *title,
                  const char *version, const char *description, struct buf *out);

#endif
