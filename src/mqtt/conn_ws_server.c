/*
 * MQTT over WebSocket (MQTT 5, 6): the same connection with another transport. Frame borders mean
 * nothing to MQTT, so packets of one turn of the loop are gathered and leave as one binary frame;
 * a large payload is sent by reference behind what was gathered.
 */
#include "mqtt/broker_part.h"

#include "base/mem.h"
#include "http/ws_server.h"

/* What is gathered leaves at this size also before the turn ends. */
#define GATHER_BYTES ((size_t)16 * 1024)

struct ws_link {
    struct conn_far far;
    struct ws *ws;
    struct conn *c;
    struct buf out;
    struct later flush;
};

static struct ws_link *link_of(const struct conn *c)
{
    return container_of(c->far, struct ws_link, far);
}

static bool flush(struct ws_link *k)
{
    bool more = true;

    if (k->out.n > 0)
        more = ws_send_binary(k->ws, buf_str(&k->out));
    buf_fini(&k->out);
    return more;
}

static void on_flush(struct later *d)
{
    struct ws_link *k = container_of(d, struct ws_link, flush);

    if (!k->c) { /* the last turn of a closed connection */
        mem_free(k);
        return;
    }
    if (!flush(k))
        k->c->choked = true;
}

static bool far_send(struct conn *c, struct str bytes)
{
    struct ws_link *k = link_of(c);

    buf_put(&k->out, bytes);
    loop_later(ws_loop(k->ws), &k->flush);
    return k->out.n < GATHER_BYTES || flush(k);
}

static bool far_send_blob(struct conn *c, struct str head, struct blob *b, size_t from, size_t n)
{
    struct ws_link *k = link_of(c);
    bool more;

    buf_put(&k->out, head);
    more = ws_send_blob(k->ws, buf_str(&k->out), b, from, n);
    buf_fini(&k->out);
    return more;
}

static void far_pause(struct conn *c, bool paused)
{
    struct ws *w = link_of(c)->ws;

    if (paused) {
        ws_pause(w);
        return;
    }
    ws_resume(w);
    ws_again(w);
}

static void far_close(struct conn *c, enum stream_end how, int code)
{
    struct ws_link *k = link_of(c);

    flush(k);
    if (how == STREAM_FLUSH)
        ws_close(k->ws, code == 0 ? 1000 : code == ERR_STOPPED ? 1001 : 1002, code);
    else
        ws_abort(k->ws, code);
}

static void far_set_read_max(struct conn *c, size_t n)
{
    ws_set_read_max(link_of(c)->ws, n);
}

static const struct addr *far_peer(const struct conn *c)
{
    return ws_peer(link_of(c)->ws);
}

static const struct addr *far_local(const struct conn *c)
{
    return ws_local(link_of(c)->ws);
}

static bool far_is_tls(const struct conn *c)
{
    return ws_is_tls(link_of(c)->ws);
}

static int far_cert_name(const struct conn *c, enum cert_name which, struct buf *out)
{
    return ws_cert_name(link_of(c)->ws, which, out);
}

static const struct conn_transport ws_transport = {
    .send = far_send,
    .send_blob = far_send_blob,
    .pause = far_pause,
    .close = far_close,
    .set_read_max = far_set_read_max,
    .peer = far_peer,
    .local = far_local,
    .is_tls = far_is_tls,
    .cert_name = far_cert_name,
};

static size_t on_data(void *ctx, struct ws *w, struct str bytes)
{
    (void)w;
    return conn_data(((struct ws_link *)ctx)->c, bytes);
}

static void on_drained(void *ctx, struct ws *w)
{
    (void)w;
    conn_drained(((struct ws_link *)ctx)->c);
}

static void on_closed(void *ctx, struct ws *w, int code)
{
    struct ws_link *k = ctx;

    (void)w;
    buf_fini(&k->out);
    conn_gone(k->c, code);
    k->c = NULL;
    if (!k->flush.queued)
        mem_free(k);
}

static const struct ws_handler ws_handler = {
    .data = on_data,
    .drained = on_drained,
    .closed = on_closed,
};

void broker_ws_accept(struct broker *b, struct ws *w, const struct broker_rules *rules)
{
    struct part *p = part_of(b, ws_loop(w));
    struct conn *c = conn_new(p, rules);
    struct ws_link *k = NEW(struct ws_link);

    k->ws = w;
    k->c = c;
    k->out = buf_init(conn_send_max(b));
    k->flush.run = on_flush;
    k->far.transport = &ws_transport;
    c->far = &k->far;
    ws_set(w, &ws_handler, k, b->limits.mqtt_connect_max_bytes);
    ws_set_marks(w, CONN_HIGH, CONN_LOW, conn_send_max(b));
    if (p->stopping)
        conn_drop(c, ERR_STOPPED);
}
