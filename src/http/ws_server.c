/*
 * WebSocket connections: the handshake (RFC 6455, 4.2), then frames over the stream that the
 * HTTP connection hands over.
 *
 *     OPEN ──► CLOSING (our close frame is out, the peer's is awaited) ──► ENDED
 *       └──────────────────────────────────────────────────────────────────┘
 *
 * Payload is unmasked into the worker's room and given on from there; what a stream protocol
 * leaves unused is kept here, since it has no place in the stream any more. Every message leaves in
 * one frame. A peer that breaks the protocol gets the close code that says so.
 *
 * Invariants: in ENDED nothing is delivered but closed(). kept holds bytes only for WS_STREAM
 * routes, message only for others.
 */
#include "http/conn_server.h"

#include "base/log.h"
#include "base/sm.h"
#include "wire/ws.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#define CLOSE_WAIT_MS 2000

enum ws_state { WS_IS_OPEN, WS_IS_CLOSING, WS_IS_ENDED };
static const struct sm_row rows[] = {
    [WS_IS_OPEN] = { "open", TO(WS_IS_CLOSING) | TO(WS_IS_ENDED) },
    [WS_IS_CLOSING] = { "closing", TO(WS_IS_ENDED) },
    [WS_IS_ENDED] = { "ended", 0 },
};
static const struct sm_table table = { "websocket", rows, COUNT_OF(rows) };

struct ws {
    struct http_worker *w;
    struct stream *s;
    struct list link;
    const struct ws_route *route;
    const struct ws_handler *h;
    void *ctx;
    struct identity *id;
    struct str protocol; /* within the route's list */
    unsigned char state;
    bool paused;
    int err; /* for closed() */
    struct ws_decoder decoder;
    struct buf kept, message;
    struct timer timer; /* ping, or the wait for the peer's close */
    struct later again;
    uint64_t heard_ms;
};

static bool is_stream(const struct ws *w)
{
    return (w->route->flags & WS_STREAM) != 0;
}

/* ---- sending ---- */

static bool send_frame(struct ws *w, enum ws_opcode op, struct str head, struct str payload)
{
    unsigned char frame[WS_HEAD_MAX];
    size_t n = ws_head(op, true, (uint64_t)head.n + payload.n, frame);
    bool more = stream_send(w->s, (struct str){ (const char *)frame, n });

    if (head.n > 0)
        more = stream_send(w->s, head);
    if (payload.n > 0)
        more = stream_send(w->s, payload);
    return more;
}

bool ws_send_binary(struct ws *w, struct str bytes)
{
    return w->state == WS_IS_OPEN && send_frame(w, WS_BINARY, STR_NONE, bytes);
}

bool ws_send_text(struct ws *w, struct str utf8)
{
    assert(utf8_valid(utf8));
    return w->state == WS_IS_OPEN && send_frame(w, WS_TEXT, STR_NONE, utf8);
}

bool ws_send_blob(struct ws *w, struct str head, struct blob *b, size_t from, size_t n)
{
    unsigned char frame[WS_HEAD_MAX];
    size_t frame_n = ws_head(WS_BINARY, true, (uint64_t)head.n + n, frame);
    bool more;

    if (w->state != WS_IS_OPEN)
        return false;
    more = stream_send(w->s, (struct str){ (const char *)frame, frame_n });
    if (head.n > 0)
        more = stream_send(w->s, head);
    return n > 0 ? stream_send_blob(w->s, b, from, n) : more;
}

static void send_close(struct ws *w, unsigned code, struct str reason)
{
    struct buf b = buf_init(200);

    ws_encode_close(&b, code, reason, NULL);
    stream_send(w->s, buf_str(&b));
    buf_fini(&b);
}

/* ---- the end ---- */

static void end(struct ws *w, enum stream_end how, int err)
{
    if (w->state == WS_IS_ENDED)
        return;
    sm_move(&table, &w->state, WS_IS_ENDED);
    timer_stop(&w->timer);
    stream_close(w->s, how, err);
}

static void close_with(struct ws *w, unsigned code, struct str reason, int err)
{
    if (w->state != WS_IS_OPEN)
        return;
    sm_move(&table, &w->state, WS_IS_CLOSING);
    w->err = err;
    send_close(w, code, reason);
    stream_resume(w->s); /* to hear the peer's close */
    timer_start(&w->timer, CLOSE_WAIT_MS);
}

void ws_close(struct ws *w, unsigned ws_code, int err)
{
    close_with(w, ws_code, STR_NONE, err);
}

void ws_abort(struct ws *w, int err)
{
    w->err = err;
    end(w, STREAM_NOW, err);
}

bool ws_is_closing(const struct ws *w)
{
    return w->state != WS_IS_OPEN;
}

static void refuse(struct ws *w, const struct wire_why *why)
{
    char peer[ADDR_TEXT_SIZE];

    log_debug("http", "websocket refused", lf_text("peer", addr_format(stream_peer(w->s), peer)),
              lf_i64("code", why->code), lf_text("why", why->text));
    send_close(w, (unsigned)why->code, str_of(why->text));
    w->err = ERR_PROTO;
    end(w, STREAM_FLUSH, ERR_PROTO);
}

/* ---- receiving ---- */

/* Offers what is kept until nothing more is used. */
static void offer_kept(struct ws *w)
{
    size_t used = 1;

    while (w->kept.n > 0 && used > 0 && w->state == WS_IS_OPEN && !w->paused) {
        used = w->h->data(w->ctx, w, buf_str(&w->kept));
        assert(used <= w->kept.n);
        buf_consume(&w->kept, used);
    }
    if (w->kept.n == 0)
        buf_fini(&w->kept);
}

static int take_stream(struct ws *w, struct str piece, struct wire_why *why)
{
    size_t used = 0;

    if (w->kept.n == 0 && !w->paused)
        used = w->h->data(w->ctx, w, piece);
    if (w->state != WS_IS_OPEN || used == piece.n)
        return 0;
    buf_put(&w->kept, str_skip(piece, used));
    if (w->kept.over)
        return wire_refuse(why, 1009, 0, "a packet beyond the limit");
    offer_kept(w);
    return 0;
}

static int take_message(struct ws *w, const struct ws_event *ev, struct wire_why *why)
{
    if (ev->first && ev->last) {
        w->h->message(w->ctx, w, ev->text, ev->bytes);
        return 0;
    }
    buf_put(&w->message, ev->bytes);
    if (w->message.over)
        return wire_refuse(why, 1009, 0, "a message beyond the limit");
    if (!ev->last)
        return 0;
    w->h->message(w->ctx, w, ev->text, buf_str(&w->message));
    buf_fini(&w->message);
    return 0;
}

static int take_data(struct ws *w, const struct ws_event *ev, struct wire_why *why)
{
    if (w->state != WS_IS_OPEN)
        return 0; /* on its way before our close reached the peer */
    if (!is_stream(w))
        return take_message(w, ev, why);
    if (ev->text)
        return wire_refuse(why, 1003, 0, "text where binary frames are spoken");
    return ev->bytes.n > 0 ? take_stream(w, ev->bytes, why) : 0;
}

static void take_close(struct ws *w, const struct ws_event *ev)
{
    if (w->state == WS_IS_OPEN) {
        send_close(w, ev->code == 1005 ? 0 : ev->code, STR_NONE);
        w->err = ERR_CLOSED;
    }
    end(w, STREAM_FLUSH, w->err);
}

static size_t on_data(void *ctx, struct stream *s, struct str bytes)
{
    struct ws *w = ctx;
    struct wire_why why = { 0 };
    struct ws_event ev;
    size_t used = 0, now;
    int rc = 0;

    (void)s;
    w->heard_ms = loop_now_ms(w->w->loop);
    while (rc == 0 && used < bytes.n && w->state != WS_IS_ENDED &&
           !(w->paused && w->state == WS_IS_OPEN)) {
        rc = ws_decode(&w->decoder, str_skip(bytes, used), w->w->room, HTTP_ROOM_SIZE, &ev, &now,
                       &why);
        if (rc)
            break;
        used += now;
        if (ev.kind == WS_EV_DATA)
            rc = take_data(w, &ev, &why);
        else if (ev.kind == WS_EV_PING && w->state == WS_IS_OPEN)
            send_frame(w, WS_PONG, STR_NONE, ev.bytes);
        else if (ev.kind == WS_EV_CLOSE)
            take_close(w, &ev);
    }
    if (rc && w->state != WS_IS_ENDED)
        refuse(w, &why);
    return w->state == WS_IS_ENDED ? bytes.n : used;
}

static void on_eof(void *ctx, struct stream *s)
{
    struct ws *w = ctx;

    (void)s;
    if (w->state == WS_IS_OPEN)
        w->err = ERR_CLOSED;
    end(w, STREAM_FLUSH, w->err);
}

static void on_drained(void *ctx, struct stream *s)
{
    struct ws *w = ctx;

    (void)s;
    if (w->state == WS_IS_OPEN && w->h->drained)
        w->h->drained(w->ctx, w);
}

static void on_closed(void *ctx, struct stream *s, int code)
{
    struct ws *w = ctx;
    struct http_worker *worker = w->w;

    (void)s;
    if (w->state != WS_IS_ENDED)
        sm_move(&table, &w->state, WS_IS_ENDED);
    timer_stop(&w->timer);
    list_remove(&w->link);
    if (w->h && w->h->closed)
        w->h->closed(w->ctx, w, w->err ? w->err : code);
    metric_gauge_add(worker->server->active, -1);
    identity_unref(w->id);
    buf_fini(&w->kept);
    buf_fini(&w->message);
    mem_free(w);
    worker->conn_count--;
    http_worker_gone(worker);
}

static const struct stream_handler handler = {
    .data = on_data,
    .eof = on_eof,
    .drained = on_drained,
    .closed = on_closed,
};

/* ---- time ---- */

static void on_timer(struct timer *t)
{
    struct ws *w = container_of(t, struct ws, timer);
    uint64_t quiet = loop_now_ms(w->w->loop) - w->heard_ms;
    uint64_t ping_ms = w->route->ping_ms;

    if (w->state != WS_IS_OPEN) {
        end(w, STREAM_FLUSH, w->err);
        return;
    }
    if (quiet >= 2 * ping_ms && !w->paused) {
        w->err = -ETIMEDOUT;
        end(w, STREAM_NOW, -ETIMEDOUT);
        return;
    }
    if (quiet >= ping_ms)
        send_frame(w, WS_PING, STR_NONE, STR_NONE);
    timer_start(t, quiet < ping_ms ? ping_ms - quiet : ping_ms);
}

static void run_again(struct later *d)
{
    struct ws *w = container_of(d, struct ws, again);

    if (w->state != WS_IS_OPEN || w->paused)
        return;
    offer_kept(w);
    if (w->state == WS_IS_OPEN && !w->paused)
        stream_again(w->s);
}

/* ---- for the protocol above ---- */

void ws_set_read_max(struct ws *w, size_t read_max)
{
    /* A frame's piece may come on top of what is kept. */
    w->kept.max = read_max + HTTP_ROOM_SIZE;
    if (is_stream(w)) /* the largest packet may share its frame with others */
        w->decoder.frame_max = w->w->server->limits.ws_message_max_bytes + read_max;
}

void ws_set(struct ws *w, const struct ws_handler *h, void *ctx, size_t read_max)
{
    assert(is_stream(w) ? h->data != NULL : h->message != NULL);
    w->h = h;
    w->ctx = ctx;
    ws_set_read_max(w, read_max);
}

void ws_set_marks(struct ws *w, size_t high, size_t low, size_t send_max)
{
    stream_set_marks(w->s, high, low, send_max);
}

size_t ws_pending(const struct ws *w)
{
    return stream_pending(w->s);
}

void ws_pause(struct ws *w)
{
    if (w->state != WS_IS_OPEN)
        return;
    w->paused = true;
    stream_pause(w->s);
}

void ws_resume(struct ws *w)
{
    if (!w->paused)
        return;
    w->paused = false;
    w->heard_ms = loop_now_ms(w->w->loop);
    if (w->state != WS_IS_OPEN)
        return;
    stream_resume(w->s);
    ws_again(w);
}

void ws_again(struct ws *w)
{
    /* Nothing may be put off for a stream whose end is already on its way. */
    if (w->state == WS_IS_OPEN && !stream_is_closing(w->s))
        loop_later(w->w->loop, &w->again);
}

struct str ws_protocol(const struct ws *w)
{
    return w->protocol;
}

struct loop *ws_loop(const struct ws *w)
{
    return w->w->loop;
}

const struct addr *ws_peer(const struct ws *w)
{
    return stream_peer(w->s);
}

const struct addr *ws_local(const struct ws *w)
{
    return stream_local(w->s);
}

bool ws_is_tls(const struct ws *w)
{
    return stream_is_tls(w->s);
}

int ws_cert_name(const struct ws *w, enum cert_name which, struct buf *out)
{
    return stream_cert_name(w->s, which, out);
}

const struct identity *ws_identity(const struct ws *w)
{
    return w->id;
}

void ws_set_user_timeout(struct ws *w, unsigned ms)
{
    stream_set_user_timeout(w->s, ms);
}

/* ---- handshake ---- */

/* Ours, best first, that the client offers too. */
static struct str choose_protocol(const struct http_request *r, const struct ws_route *route)
{
    struct str ours = str_of(route->protocols);

    while (ours.p) {
        struct str name = str_trim(str_cut(&ours, ','));

        if (http1_list_has(r->fields, r->head.field_count, STR("sec-websocket-protocol"), name))
            return name;
    }
    return STR_NONE;
}

/* Answers what is wrong with the handshake; true when nothing is. */
static bool check_handshake(struct http_request *r, const struct ws_route *route)
{
    if (!http1_list_has(r->fields, r->head.field_count, STR("upgrade"), STR("websocket")) ||
        !r->head.upgrade) {
        http_add(r, "Upgrade", STR("websocket"));
        http_respond_error(r, 426, "this address speaks WebSocket only");
    } else if (!str_eq(http_header(r, "sec-websocket-version"), STR("13"))) {
        http_add(r, "Sec-WebSocket-Version", STR("13"));
        http_respond_error(r, 426, "only version 13 of WebSocket is spoken here");
    } else if (!ws_key_ok(http_header(r, "sec-websocket-key"))) {
        http_respond_error(r, 400, "Sec-WebSocket-Key is not 16 bytes in base64");
    } else if (r->head.framing != HTTP1_NO_BODY) {
        http_respond_error(r, 400, "an upgrade with a body");
    } else if (route->flags & WS_PROTOCOL_REQUIRED && !choose_protocol(r, route).p) {
        http_respond_error(r, 400, "offer one of the subprotocols %s", route->protocols);
    } else {
        return true;
    }
    return false;
}

static void send_accept(struct http_request *r, struct str protocol)
{
    char accept[WS_ACCEPT_LEN + 1];
    struct buf *b = &r->w->scratch;

    ws_accept(http_header(r, "sec-websocket-key"), accept);
    buf_clear(b);
    buf_printf(b,
               "HTTP/1.1 101 Switching Protocols\r\nServer: wayside\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
               accept);
    if (protocol.p)
        buf_printf(b, "Sec-WebSocket-Protocol: %.*s\r\n", STR_ARG(protocol));
    buf_put(b, STR("\r\n"));
    stream_send(r->conn->s, buf_str(b));
}

static struct ws *ws_new(struct http_request *r, const struct ws_route *route, struct str protocol)
{
    struct ws *w = NEW(struct ws);

    w->w = r->w;
    w->s = r->conn->s;
    w->route = route;
    w->id = identity_ref(r->id);
    w->protocol = protocol;
    w->heard_ms = loop_now_ms(r->w->loop);
    w->again.run = run_again;
    w->kept = buf_init(0);
    w->message = buf_init((size_t)r->w->server->limits.ws_message_max_bytes);
    /* A stream may be one message without end: its packets have a limit, and its frames (ws_set_read_max). */
    ws_decoder_init(&w->decoder, WS_SERVER,
                    route->flags & WS_STREAM ? 0 : r->w->server->limits.ws_message_max_bytes);
    timer_init(&w->timer, r->w->loop, on_timer);
    if (route->ping_ms > 0)
        timer_start(&w->timer, route->ping_ms);
    list_push_back(&r->w->sockets, &w->link);
    r->w->conn_count++;
    return w;
}

bool http_ws_upgrade(struct http_request *r)
{
    const struct ws_route *route = r->match.route->ws;
    struct http_conn *c = r->conn;
    struct str protocol;
    struct ws *w;

    if (!r->head.upgrade && r->match.route->handle)
        return false;
    if (!check_handshake(r, route))
        return true;
    protocol = choose_protocol(r, route);
    send_accept(r, protocol);
    w = ws_new(r, route, protocol);
    http_conn_move(c, HTTP_CONN_TAKEN);
    stream_set(w->s, &handler, w, HTTP_ROOM_SIZE);
    r->status = 101;
    route->opened(r->match.ctx, w, r);
    assert(w->h || ws_is_closing(w));
    http_account(r);
    http_request_free(r);
    if (w->w->draining)
        ws_close(w, 1001, ERR_STOPPED);
    if (!w->paused)
        stream_resume(w->s);
    stream_again(w->s); /* frames that came right behind the request */
    return true;
}

void http_ws_drain(struct http_worker *worker)
{
    LIST_EACH_SAFE (it, tmp, &worker->sockets)
        ws_close(container_of(it, struct ws, link), 1001, ERR_STOPPED);
}

void http_ws_abort_all(struct http_worker *worker)
{
    LIST_EACH_SAFE (it, tmp, &worker->sockets)
        ws_abort(container_of(it, struct ws, link), ERR_STOPPED);
}
