/*
 * Answers on their way out. Small bodies go to the stream at once; of large ones only as much as
 * the stream wants, the rest waits with the connection (owned by it: a buffer, a reference, or
 * constant bytes), so that a client that reads slowly costs one body and not the stream's queue.
 * The request ends as soon as its answer is in the connection's hands; it is counted and logged
 * there. Content-Length is always that of the body, for HEAD too.
 */
#include "http/conn_server.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define PIECE ((size_t)64 * 1024)
/* Answers of one worker that wait for their clients, all together; small ones always may. */
#define HELD_MAX   ((size_t)96 * 1024 * 1024)
#define HELD_SMALL ((size_t)64 * 1024)

/* ---- counting ---- */

static struct metric *code_counter(struct http_worker *w, const char *endpoint,
                                   enum http_method method, int status)
{
    struct http_code_counter *k;
    char labels[256];

    for (size_t i = 0; i < w->code_count; i++) {
        k = &w->codes[i];
        if (k->endpoint == endpoint && k->method == method && k->status == status)
            return k->metric;
    }
    if (w->code_count == w->code_cap) {
        w->code_cap = w->code_cap ? w->code_cap * 2 : 16;
        w->codes = mem_resize(w->codes, w->code_cap * sizeof(*w->codes));
    }
    k = &w->codes[w->code_count++];
    snprintf(labels, sizeof(labels), "method=\"%s\",endpoint=\"%s\",status=\"%d\"",
             method == HTTP_OTHER ? "other" : http1_method_name(method), endpoint, status);
    *k = (struct http_code_counter){ endpoint, method, status,
                                     metrics_counter(w->server->metrics, "http_requests_total",
                                                     labels, "requests answered") };
    return k->metric;
}

void http_account(struct http_request *r)
{
    const struct http_server *s = r->w->server;
    bool quiet = r->match.route && r->match.route->flags & HTTP_QUIET;
    enum log_level level = s->flags & HTTP_ACCESS_LOG && !quiet ? LOG_INFO : LOG_DEBUG;
    uint64_t took_ns = clock_mono_ns() - r->mono_ns;
    char peer[ADDR_TEXT_SIZE];

    if (r->status == 0)
        r->status = 499; /* nobody to answer any more */
    metric_add(code_counter(r->w, r->endpoint, r->head.method, r->status), 1);
    metric_observe(s->duration, (double)took_ns / 1e9);
    log_at(level, "http", "request", lf_text("service", s->name),
           lf_str("method", r->head.method_text),
           lf_str("path", r->path.n > 0 ? r->path : STR("-")), lf_i64("status", r->status),
           lf_double("duration_ms", (double)(took_ns / 1000) / 1000),
           lf_text("peer", addr_format(&r->peer, peer)));
}

static void end_request(struct http_request *r)
{
    http_account(r);
    http_request_free(r);
}

static bool is_head(const struct http_request *r)
{
    return r->head.method == HTTP_HEAD;
}

/* ---- out ---- */

static void queued(struct http_conn *c, size_t n, bool more)
{
    c->queued += n;
    c->blocked = !more && !stream_is_closing(c->s);
}

static void put(struct http_conn *c, struct str bytes)
{
    queued(c, bytes.n, stream_send(c->s, bytes));
}

static void pump(struct http_conn *c)
{
    while (c->out.n > 0 && !c->blocked && c->state == HTTP_CONN_REPLY) {
        struct str piece = str_sub(c->out, 0, PIECE);
        struct str all = blob_str(c->out_blob);

        if (c->out_blob)
            queued(c, piece.n,
                   stream_send_blob(c->s, c->out_blob, (size_t)(piece.p - all.p), piece.n));
        else
            put(c, piece);
        c->out = str_skip(c->out, piece.n);
    }
    if (c->out.n == 0 && !c->blocked && c->state == HTTP_CONN_REPLY)
        http_conn_next(c);
}

void http_reply_drained(struct http_conn *c)
{
    if (c->r && c->r->started) {
        if (c->r->drained)
            c->r->drained(c->r, c->r->drained_ctx);
        return;
    }
    pump(c);
}

static void send_head(struct http_request *r, struct answer_head *h)
{
    struct http_conn *c = r->conn;
    struct http_worker *w = r->w;
    bool unread = c->state == HTTP_CONN_AUTH || c->state == HTTP_CONN_BODY;

    /* Where a body begins that nobody reads, no request can begin. */
    if (unread && r->head.framing != HTTP1_NO_BODY)
        c->close = true;
    if (w->draining)
        c->close = true;
    if (r->cross) {
        answer_field(&r->extra, "Access-Control-Allow-Origin", http_header(r, "origin"));
        answer_field(&r->extra, "Vary", STR("Origin"));
    }
    r->status = h->status;
    h->extra = buf_str(&r->extra);
    h->date = http_worker_date(w);
    h->close = c->close;
    h->keep_alive_10 = r->head.http10;
    h->cache = r->cache;
    buf_clear(&w->scratch);
    answer_head(&w->scratch, h);
    assert(buf_check(&w->scratch) == 0 && !r->extra.over);
    http_conn_move(c, HTTP_CONN_REPLY);
    c->sent = c->queued - stream_pending(c->s);
    timer_start(&c->timer, w->server->limits.http_body_timeout_ms);
    put(c, buf_str(&w->scratch));
}

/* Takes buffer and reference in any case. */
static void reply(struct http_request *r, int status, const char *type, struct str body,
                  struct buf *take, struct blob *blob)
{
    struct http_conn *c = r->conn;
    bool bodyless = status < 200 || status == 204 || status == 304;
    struct answer_head h = {
        .status = status,
        .type = bodyless && body.n == 0 ? NULL : type,
        .has_length = !bodyless,
        .length = body.n,
    };

    assert(!r->started && status >= 200 && status <= 599);
    if (!c) {
        if (take)
            buf_fini(take);
        blob_unref(blob);
        end_request(r);
        return;
    }
    send_head(r, &h);
    if (bodyless || is_head(r))
        body = STR_NONE;
    c->out = body;
    c->out_blob = blob;
    if (take) {
        c->out_buf = *take;
        c->held = take->n;
        c->w->held += c->held;
        *take = buf_init(take->max);
    }
    end_request(r);
    pump(c);
}

void http_add(struct http_request *r, const char *name, struct str value)
{
    if (str_eq_nocase(str_of(name), STR("cache-control")))
        r->cache = true;
    answer_field(&r->extra, name, value);
}

void http_respond_buf_take(struct http_request *r, int status, const char *type, struct buf *b)
{
    if (b->over) {
        buf_fini(b);
        log_error("http", "an answer grew beyond its cap", lf_text("endpoint", r->endpoint));
        http_respond_error(r, 500, "the answer is too large; ask for less at once");
        return;
    }
    /* Many clients that ask for much and read slowly must not add up. */
    if (b->n > HELD_SMALL && r->w->held > 0 && r->w->held + b->n > HELD_MAX) {
        buf_fini(b);
        http_add(r, "Retry-After", STR("2"));
        http_respond_error(r, 503,
                           "too many large answers are on their way; ask for less or later");
        return;
    }
    reply(r, status, type, buf_str(b), b, NULL);
}

void http_respond(struct http_request *r, int status, const char *type, struct str body)
{
    struct buf b = buf_init(body.n + 1);

    buf_put(&b, body);
    reply(r, status, type, buf_str(&b), &b, NULL);
}

void http_respond_blob(struct http_request *r, int status, const char *type, struct blob *b)
{
    reply(r, status, type, blob_str(b), NULL, blob_ref(b));
}

void http_respond_const(struct http_request *r, int status, const char *type, struct str bytes)
{
    reply(r, status, type, bytes, NULL, NULL);
}

void http_reply_empty(struct http_request *r, int status)
{
    reply(r, status, NULL, STR_NONE, NULL, NULL);
}

/* ---- errors ---- */

static bool is_older(const struct http_request *r)
{
    return r->match.route && r->match.route->flags & HTTP_STYLE_DETAIL;
}

void http_respond_error(struct http_request *r, int status, const char *fmt, ...)
{
    struct buf b = buf_init(KIB(8));
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    answer_error(&b, is_older(r), status, str_of(text));
    reply(r, status, answer_error_type(is_older(r)), buf_str(&b), &b, NULL);
}

void http_respond_invalid(struct http_request *r, const char *in, const struct field_error *errors,
                          size_t count)
{
    struct buf b = buf_init(KIB(64));

    answer_invalid(&b, is_older(r), in, errors, count);
    http_respond_buf_take(r, 422, answer_error_type(is_older(r)), &b);
}

void http_refuse_head(struct http_conn *c, const struct wire_why *why)
{
    struct http_worker *w = c->w;
    struct buf b = buf_init(KIB(4));
    struct answer_head h = {
        .status = why->code,
        .type = answer_error_type(false),
        .has_length = true,
        .date = http_worker_date(w),
        .close = true,
    };
    char peer[ADDR_TEXT_SIZE];

    answer_error(&b, false, why->code, str_of(why->text));
    h.length = b.n;
    buf_clear(&w->scratch);
    answer_head(&w->scratch, &h);
    stream_send(c->s, buf_str(&w->scratch));
    stream_send(c->s, buf_str(&b));
    buf_fini(&b);
    metric_add(code_counter(w, "malformed", HTTP_OTHER, why->code), 1);
    log_debug("http", "request refused", lf_text("peer", addr_format(stream_peer(c->s), peer)),
              lf_i64("status", why->code), lf_text("why", why->text));
    http_conn_finish(c);
}

/* ---- files ---- */

void http_reply_static(struct http_request *r, const struct http_static_answer *a)
{
    http_add(r, "ETag", str_of(a->etag));
    http_add(r, "Cache-Control", str_of(http_static_cache(a->file)));
    if (a->file->gzip)
        http_add(r, "Vary", STR("Accept-Encoding"));
    if (a->not_modified) {
        http_reply_empty(r, 304);
        return;
    }
    if (a->gzip)
        http_add(r, "Content-Encoding", STR("gzip"));
    http_respond_const(r, 200, a->file->type, a->body);
}

/* ---- answers in pieces ---- */

void http_start(struct http_request *r, int status, const char *type)
{
    struct answer_head h = { .status = status, .type = type, .chunked = !r->head.http10 };

    assert(!r->started && status >= 200 && status != 204 && status != 304);
    r->started = true;
    if (!r->conn)
        return;
    r->conn->close |= r->head.http10; /* its only way to say where the body ends */
    send_head(r, &h);
}

bool http_write(struct http_request *r, struct str bytes)
{
    struct http_conn *c = r->conn;
    char head[HTTP1_CHUNK_HEAD_MAX];

    assert(r->started);
    if (!c || bytes.n == 0 || is_head(r))
        return true;
    if (r->head.http10) {
        put(c, bytes);
    } else {
        put(c, (struct str){ head, http1_chunk_head(bytes.n, head) });
        put(c, bytes);
        put(c, STR("\r\n"));
    }
    return !c->blocked;
}

void http_end(struct http_request *r)
{
    struct http_conn *c = r->conn;

    assert(r->started);
    if (c && !is_head(r) && !r->head.http10)
        put(c, STR(HTTP1_LAST_CHUNK));
    end_request(r);
    if (c)
        pump(c);
}

void http_abort(struct http_request *r)
{
    struct http_conn *c = r->conn;

    if (c && !r->started) {
        c->close = true;
        http_respond_error(r, 500, "Internal server error");
        return;
    }
    end_request(r);
    if (c)
        http_conn_cut(c, ERR_CLOSED);
}
