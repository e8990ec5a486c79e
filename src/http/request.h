#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H
/*
 * One request, as handlers see it, and the ways to answer it. Everything here is called on the
 * loop of the connection that the request came by (http_loop). No net/ header is needed, so a
 * handler can be a pure file.
 *
 * A request lives until it was answered: http_respond*, http_end or http_abort is its end, and
 * `r` and every view taken from it are dead after that call. A handler that answers later keeps
 * `r` and asks its other threads to reply to http_loop(r) by mail. The client may vanish
 * meanwhile; `r` stays valid, http_is_gone() is true, and answering it does nothing but free it.
 */
#include "base/arena.h"
#include "base/blob.h"
#include "base/buf.h"
#include "http/route.h"
#include "trust/authz.h"

struct loop;
struct addr;
struct field_error; /* wire/json.h */

/* ---- what was asked ---- */
enum http_method http_method(const struct http_request *r); /* HEAD is seen as GET */
struct str http_path(const struct http_request *r);         /* decoded, without the query */
/* Value of a declared parameter (path, query or header), decoded; {NULL, 0} when absent. It was
 * checked against its row, so the typed getters cannot fail; they give def when it is absent. */
struct str http_param_str(const struct http_request *r, const char *name);
int64_t http_param_i64(const struct http_request *r, const char *name, int64_t def);
double http_param_double(const struct http_request *r, const char *name, double def);
bool http_param_bool(const struct http_request *r, const char *name, bool def);
int64_t http_param_time(const struct http_request *r, const char *name, int64_t def_ns);
/* A header field (name in any case), trimmed; {NULL, 0} when absent; the first when repeated. */
struct str http_header(const struct http_request *r, const char *name);
/* The whole body; empty when there was none. */
struct str http_body(const struct http_request *r);
/* Who asks, and what they turned out to be (never NULL; ROLE_ANONYMOUS without authz). */
const struct addr *http_peer(const struct http_request *r);
const struct identity *http_identity(const struct http_request *r);
bool http_is_tls(const struct http_request *r);
const struct http_route *http_route_of(const struct http_request *r);
/* Wall time (UTC ns) and monotonic ms at which the head was complete. */
int64_t http_wall_ns(const struct http_request *r);
uint64_t http_mono_ms(const struct http_request *r);
/* Memory that lives as long as the request. */
struct arena *http_arena(struct http_request *r);
/* The loop to which later answers are to be mailed. */
struct loop *http_loop(const struct http_request *r);

bool http_is_gone(const struct http_request *r);
/* gone(r, ctx) is called once when the client vanishes before the answer is complete; the
 * request must still be answered (now or later). */
void http_on_gone(struct http_request *r, void (*gone)(struct http_request *r, void *ctx),
                  void *ctx);

/* ---- answering ---- */
/* Adds a field to the answer; before http_respond/http_start. Content-Length, Date, Server,
 * Connection are the engine's own. The value is copied; a line break in it is our mistake. */
void http_add(struct http_request *r, const char *name, struct str value);
/* The whole answer. type: "application/json", NULL for none (204, 304). The body is copied. */
void http_respond(struct http_request *r, int status, const char *type, struct str body);
/* Takes the bytes of *b, which is empty afterwards. A buffer that is `over` answers 500. */
void http_respond_buf_take(struct http_request *r, int status, const char *type, struct buf *b);
/* Takes a reference of its own. */
void http_respond_blob(struct http_request *r, int status, const char *type, struct blob *b);
/* bytes live as long as the program. */
void http_respond_const(struct http_request *r, int status, const char *type, struct str bytes);
/* An error in the style of the route: problem+json, or {"detail": text}. text says what is wrong
 * and how to mend it; never an internal name or address. 503 and 429: add Retry-After first. */
void http_respond_error(struct http_request *r, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* 422 with the fields that are wrong. in: "body", "query", "path". */
void http_respond_invalid(struct http_request *r, const char *in, const struct field_error *errors,
                          size_t count);

/* An answer of unknown length: http_start, any number of http_write, http_end. */
void http_start(struct http_request *r, int status, const char *type);
/* Queues a copy. False when more waits than the high-water mark: stop until drained (see
 * http_on_drained). When the client is gone it does nothing and returns true. */
bool http_write(struct http_request *r, struct str bytes);
void http_on_drained(struct http_request *r, void (*drained)(struct http_request *r, void *ctx),
                     void *ctx);
void http_end(struct http_request *r);
/* The answer cannot be completed: the connection is cut, so that the client sees that. */
void http_abort(struct http_request *r);

#endif
