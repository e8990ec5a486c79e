/*
 * One HTTP/1.1 connection: its phases, its time-outs, its end. The states and their moves are in
 * conn_server.h.
 *
 * Bytes come by on_data(). In HEAD they are parsed where they lie; in BODY they go to the request;
 * in every other state they stay with the stream, which is paused, so a client that pipelines
 * without reading answers is stopped by TCP. After an answer the connection is back in HEAD and
 * asks the stream for what it has kept.
 *
 * Slow clients: a head must be complete limits.http_head_timeout_ms after its first byte; a body
 * may pause for http_body_timeout_ms and must reach 1 KiB/s on the whole; an answer that leaves must
 * make progress within http_body_timeout_ms; an idle connection is closed after
 * http_idle_timeout_ms. A refused request is answered and the connection closed: what follows it
 * cannot be trusted to begin where we think it does.
 *
 * Invariants: r is set in AUTH, BODY and HANDLER, and in REPLY while a handler still writes. The
 * timer runs in HEAD, BODY and REPLY; never in HANDLER, which may take its time.
 */
#include "http/conn_server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/sm.h"

#include <assert.h>
#include <errno.h>

/* A body may take its pause plus a millisecond per byte: 1 KB/s. */
#define BODY_MS_PER_BYTE 1
/* Bytes of an answer that must leave in each http_body_timeout_ms: a client that takes one byte
 * now and then is holding on to our memory, not reading. */
#define PROGRESS_MIN 4096
/* What may wait on a connection before its producer is told to stop, and the least that the limit
 * on it may be set to here: heads and pieces of bodies must fit above the mark. */
#define SEND_HIGH  ((size_t)256 * 1024)
#define SEND_LOW   ((size_t)64 * 1024)
#define SEND_LEAST ((size_t)512 * 1024)
/* Beyond this an arena refuses; handlers take little. The largest head that limits.h allows (1 MiB
 * and 1,000 fields), its decoded path and its decoded query fit three times. */
#define ARENA_MAX ((size_t)8 * 1024 * 1024)

static const struct sm_row rows[] = {
    [HTTP_CONN_HEAD] = { "head", TO(HTTP_CONN_AUTH) | TO(HTTP_CONN_CLOSING) },
    [HTTP_CONN_AUTH] = { "auth", TO(HTTP_CONN_BODY) | TO(HTTP_CONN_HANDLER) | TO(HTTP_CONN_REPLY) |
                                     TO(HTTP_CONN_CLOSING) | TO(HTTP_CONN_TAKEN) },
    [HTTP_CONN_BODY] = { "body",
                         TO(HTTP_CONN_HANDLER) | TO(HTTP_CONN_REPLY) | TO(HTTP_CONN_CLOSING) },
    [HTTP_CONN_HANDLER] = { "handler", TO(HTTP_CONN_REPLY) | TO(HTTP_CONN_CLOSING) },
    [HTTP_CONN_REPLY] = { "reply", TO(HTTP_CONN_HEAD) | TO(HTTP_CONN_CLOSING) },
    [HTTP_CONN_CLOSING] = { "closing", 0 },
    [HTTP_CONN_TAKEN] = { "taken", 0 },
};
static const struct sm_table table = { "http connection", rows, COUNT_OF(rows) };

void http_conn_move(struct http_conn *c, enum http_conn_state to)
{
    sm_move(&table, &c->state, to);
}

void http_worker_gone(struct http_worker *w)
{
    if (w->draining && w->conn_count == 0 && w->request_count == 0)
        gate_open(w->server->gate);
}

const char *http_worker_date(struct http_worker *w)
{
    int64_t now_s = clock_wall_ns() / 1000000000;

    if (now_s != w->date_s) {
        w->date_s = now_s;
        http1_date(now_s, w->date);
    }
    return w->date;
}

/* ---- requests ---- */

/* Views of `from` become views of its copy at `to`. */
static struct str moved(struct str s, const char *from, const char *to)
{
    return s.p ? (struct str){ to + (s.p - from), s.n } : s;
}

struct http_request *http_request_new(struct http_conn *c, const struct http1_head *h,
                                      struct str bytes)
{
    struct http_request *r = NEW(struct http_request);
    struct str copy;

    r->conn = c;
    r->w = c->w;
    r->arena = arena_init(ARENA_MAX);
    copy = arena_dup(&r->arena, bytes);
    r->fields = arena_take(&r->arena, (h->field_count + 1) * sizeof(*r->fields));
    assert(copy.p && r->fields); /* both are far below the arena's cap by limits.h */
    r->head = *h;
    r->head.method_text = moved(h->method_text, bytes.p, copy.p);
    r->head.target = moved(h->target, bytes.p, copy.p);
    r->head.host = moved(h->host, bytes.p, copy.p);
    for (size_t i = 0; i < h->field_count; i++) {
        r->fields[i].name = moved(c->w->fields[i].name, bytes.p, copy.p);
        r->fields[i].value = moved(c->w->fields[i].value, bytes.p, copy.p);
    }
    r->extra = buf_init(KIB(16));
    r->endpoint = "unmatched";
    r->peer = *stream_peer(c->s);
    r->tls = stream_is_tls(c->s);
    r->wall_ns = clock_wall_ns();
    r->mono_ns = clock_mono_ns();
    c->w->request_count++;
    return r;
}

void http_request_free(struct http_request *r)
{
    struct http_worker *w = r->w;

    if (r->conn)
        r->conn->r = NULL;
    identity_unref(r->id);
    buf_fini(&r->body);
    buf_fini(&r->extra);
    arena_fini(&r->arena);
    mem_free(r);
    w->request_count--;
    http_worker_gone(w);
}

/* ---- the end ---- */

static void drop_output(struct http_conn *c)
{
    c->w->held -= c->held;
    c->held = 0;
    buf_fini(&c->out_buf);
    blob_unref(c->out_blob);
    c->out_blob = NULL;
    c->out = STR_NONE;
}

static void conn_free(struct http_conn *c)
{
    struct http_worker *w = c->w;

    timer_stop(&c->timer);
    list_remove(&c->link);
    drop_output(c);
    mem_free(c->credentials);
    identity_unref(c->id);
    mem_free(c);
    w->conn_count--;
    http_worker_gone(w);
}

/* The client vanished under a request that a handler has: it keeps it until it answers. */
static void orphan(struct http_request *r)
{
    r->conn->r = NULL;
    r->conn = NULL;
    if (r->gone)
        r->gone(r, r->gone_ctx);
}

static void on_closed(void *ctx, struct stream *s, int code)
{
    struct http_conn *c = ctx;
    struct http_request *r = c->r;

    (void)s;
    metric_gauge_add(c->w->server->active, -1);
    if (code && code != ERR_CLOSED)
        log_debug("http", "connection ended", lf_err("error", code));
    if (r && r->handled) {
        orphan(r);
    } else if (r) {
        http_cancel_asking(r);
        http_account(r);
        http_request_free(r);
    }
    conn_free(c);
}

void http_conn_settle(struct http_conn *c)
{
    if (c->state == HTTP_CONN_TAKEN && !c->in_data)
        conn_free(c);
}

void http_conn_finish(struct http_conn *c)
{
    if (c->state == HTTP_CONN_CLOSING)
        return;
    timer_stop(&c->timer);
    http_conn_move(c, HTTP_CONN_CLOSING);
    stream_close(c->s, STREAM_FLUSH, 0);
}

void http_conn_cut(struct http_conn *c, int code)
{
    if (c->state != HTTP_CONN_CLOSING)
        http_conn_move(c, HTTP_CONN_CLOSING);
    timer_stop(&c->timer);
    stream_close(c->s, STREAM_NOW, code);
}

/* The server stops: idle connections go now, others after their answer. */
void http_conn_drain(struct http_conn *c)
{
    c->close = true;
    if (c->state != HTTP_CONN_HEAD)
        return;
    if (stream_pending(c->s) > 0)
        http_conn_finish(c);
    else
        http_conn_cut(c, 0); /* without waiting for the client to close its side */
}

/* ---- time-outs ---- */

static void late_reply(struct http_conn *c)
{
    size_t pending = stream_pending(c->s);
    uint64_t sent = c->queued - pending;

    /* When nothing waits it is the handler that takes its time. */
    if ((pending > 0 || c->out.n > 0) && sent - c->sent < PROGRESS_MIN) {
        http_conn_cut(c, -ETIMEDOUT);
        return;
    }
    c->sent = sent;
    timer_start(&c->timer, c->w->server->limits.http_body_timeout_ms);
}

static void on_timer(struct timer *t)
{
    struct http_conn *c = container_of(t, struct http_conn, timer);
    const struct wire_why why = { 408, "the request took too long to arrive", 0 };

    switch ((enum http_conn_state)c->state) {
    case HTTP_CONN_HEAD:
        if (c->scan.at > 0 && stream_pending(c->s) == 0)
            http_refuse_head(c, &why);
        else
            http_conn_finish(c);
        break;
    case HTTP_CONN_BODY:
        c->close = true;
        http_respond_error(c->r, 408, "the body took too long to arrive");
        break;
    case HTTP_CONN_REPLY:
        late_reply(c);
        break;
    case HTTP_CONN_AUTH:
    case HTTP_CONN_HANDLER:
    case HTTP_CONN_CLOSING:
    case HTTP_CONN_TAKEN:
        break;
    }
}

/* ---- bytes ---- */

static size_t take_head(struct http_conn *c, struct str in)
{
    struct http_worker *w = c->w;
    const struct limits *l = &w->server->limits;
    const struct http1_limits limits = { l->http_head_max_bytes, l->http_fields_max };
    struct wire_why why = { 0 };
    struct http1_head head;
    bool begun = c->scan.at > 0;
    size_t used = 0;
    int rc = http1_read_request(in, &c->scan, &limits, w->fields, &head, &used, &why);

    if (rc == ERR_MORE) {
        if (!begun)
            timer_start(&c->timer, l->http_head_timeout_ms);
        if (c->eof)
            http_conn_finish(c);
        return 0;
    }
    if (rc) {
        http_refuse_head(c, &why);
        return in.n;
    }
    timer_stop(&c->timer);
    c->r = http_request_new(c, &head, str_sub(in, 0, used));
    c->close |= !head.keep_alive || ++c->served >= l->http_requests_max;
    http_conn_move(c, HTTP_CONN_AUTH);
    http_dispatch(c->r);
    return used;
}

static void body_timer(struct http_conn *c)
{
    uint64_t pause = c->w->server->limits.http_body_timeout_ms;
    uint64_t at = loop_now_ms(c->w->loop) + pause;
    uint64_t whole = c->body_began_ms + pause + c->body_n * BODY_MS_PER_BYTE;

    timer_start_at(&c->timer, at < whole ? at : whole);
}

static void body_whole(struct http_conn *c)
{
    timer_stop(&c->timer);
    http_conn_move(c, HTTP_CONN_HANDLER);
    http_call_handler(c->r);
}

static void body_too_large(struct http_conn *c)
{
    c->close = true;
    http_respond_error(c->r, 413, "the body is larger than the %llu bytes allowed here",
                       (unsigned long long)http_body_cap(c->r));
}

static size_t take_chunked(struct http_conn *c, struct str in)
{
    struct http_request *r = c->r;
    struct wire_why why;
    size_t all = 0;

    while (all < in.n && !r->chunked.done) {
        struct str data;
        size_t used;

        if (http1_chunked_next(&r->chunked, str_skip(in, all), &data, &used, &why) != 0) {
            c->close = true;
            http_respond_error(r, why.code, "%s", why.text);
            return in.n;
        }
        buf_put(&r->body, data);
        all += used;
        if (r->body.over) {
            body_too_large(c);
            return in.n;
        }
    }
    c->body_n += all;
    if (r->chunked.done)
        body_whole(c);
    else
        body_timer(c);
    return all;
}

static size_t take_body(struct http_conn *c, struct str in)
{
    struct http_request *r = c->r;
    size_t n = in.n < r->body_left ? in.n : (size_t)r->body_left;

    if (r->head.framing == HTTP1_CHUNKED)
        return take_chunked(c, in);
    buf_put(&r->body, str_sub(in, 0, n));
    r->body_left -= n;
    c->body_n += n;
    if (r->body_left == 0)
        body_whole(c);
    else
        body_timer(c);
    return n;
}

void http_conn_body(struct http_conn *c)
{
    struct http_request *r = c->r;

    if (r->head.framing == HTTP1_NO_BODY) {
        http_conn_move(c, HTTP_CONN_HANDLER);
        http_call_handler(r);
        return;
    }
    /* The cap, which is how far content_length was let through. */
    r->body = buf_init((size_t)http_body_cap(r));
    r->body_left = r->head.content_length;
    http1_chunked_init(&r->chunked);
    c->body_began_ms = loop_now_ms(c->w->loop);
    c->body_n = 0;
    http_conn_move(c, HTTP_CONN_BODY);
    body_timer(c);
    if (r->head.expect_continue)
        stream_send(c->s, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    if (!c->in_data) {
        stream_resume(c->s);
        stream_again(c->s);
    }
}

static size_t on_data(void *ctx, struct stream *s, struct str bytes)
{
    struct http_conn *c = ctx;
    size_t used = 0, now = 1;

    c->in_data = true;
    while (used < bytes.n && now > 0) {
        struct str in = str_skip(bytes, used);

        if (c->state == HTTP_CONN_HEAD)
            now = take_head(c, in);
        else if (c->state == HTTP_CONN_BODY)
            now = take_body(c, in);
        else
            break;
        used += now;
    }
    c->in_data = false;
    if (c->state == HTTP_CONN_TAKEN) {
        conn_free(c);
        return used;
    }
    if (c->state == HTTP_CONN_CLOSING)
        return bytes.n;
    if (c->state != HTTP_CONN_HEAD && c->state != HTTP_CONN_BODY && used < bytes.n)
        stream_pause(s);
    return used;
}

/* The client sends nothing more. It may still wait for an answer (a half-closed connection). */
static void on_eof(void *ctx, struct stream *s)
{
    struct http_conn *c = ctx;

    (void)s;
    c->eof = c->close = true;
    if (c->state == HTTP_CONN_HEAD)
        http_conn_finish(c);
    else if (c->state == HTTP_CONN_BODY)
        http_conn_cut(c, ERR_CLOSED);
}

static void on_drained(void *ctx, struct stream *s)
{
    struct http_conn *c = ctx;

    (void)s;
    c->blocked = false;
    http_reply_drained(c);
}

void http_conn_next(struct http_conn *c)
{
    const struct limits *l = &c->w->server->limits;

    drop_output(c);
    if (c->close) {
        http_conn_finish(c);
        return;
    }
    http_conn_move(c, HTTP_CONN_HEAD);
    timer_start(&c->timer, l->http_idle_timeout_ms);
    if (c->in_data)
        return;
    stream_resume(c->s);
    stream_again(c->s);
}

static const struct stream_handler handler = {
    .data = on_data,
    .eof = on_eof,
    .drained = on_drained,
    .closed = on_closed,
};

void http_conn_accept(void *ctx, struct loop *l, struct stream *s)
{
    struct http_server *server = ctx;
    struct http_worker *w = &server->per_worker[loop_index(l)];
    struct http_conn *c = NEW(struct http_conn);

    c->w = w;
    c->s = s;
    c->out_buf = buf_init(SIZE_MAX);
    list_push_back(&w->conns, &c->link);
    w->conn_count++;
    metric_gauge_add(server->active, 1);
    timer_init(&c->timer, l, on_timer);
    timer_start(&c->timer, server->limits.http_idle_timeout_ms);
    stream_set(s, &handler, c, server->limits.http_head_max_bytes + 1);
    stream_set_marks(s, SEND_HIGH, SEND_LOW,
                     server->limits.send_queue_max_bytes > SEND_LEAST
                         ? server->limits.send_queue_max_bytes
                         : SEND_LEAST);
    if (w->draining)
        http_conn_finish(c);
}
