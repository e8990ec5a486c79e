/*
 * The server: its options, its listeners, its part on every worker, and its end.
 *
 * Everything is set up on the starting thread before the first listener opens; after that each
 * worker touches only its own struct http_worker, and the rest is only read. Stopping asks every
 * worker, through workers_each(), and waits on a gate that a worker opens when its last connection
 * or request is gone.
 */
#include "http/conn_server.h"

#include "base/log.h"

#include <assert.h>

static const double duration_bounds[] = { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                          0.1,    0.25,  0.5,    1,     2.5,  5,     10 };

static void on_openapi(struct http_request *r, void *ctx)
{
    struct http_server *s = ctx;

    http_respond_const(r, 200, "application/json", buf_str(&s->openapi));
}

static const struct http_route own_rows[] = {
    { HTTP_GET, "/openapi.json", on_openapi, .summary = "This document",
      .flags = HTTP_NO_AUTH | HTTP_QUERY_OPEN },
};

static char *text_dup(const char *s)
{
    return s ? str_dup(str_of(s)) : NULL;
}

static void on_deadline(struct timer *t)
{
    struct http_worker *w = container_of(t, struct http_worker, deadline);

    log_warn("http", "connections are cut at the end of their time",
             lf_text("service", w->server->name), lf_u64("count", w->conn_count));
    LIST_EACH_SAFE (it, tmp, &w->conns)
        http_conn_cut(container_of(it, struct http_conn, link), ERR_STOPPED);
    http_ws_abort_all(w);
}

static void worker_init(struct http_server *s, struct http_worker *w, struct loop *l)
{
    w->server = s;
    w->loop = l;
    list_init(&w->conns);
    list_init(&w->sockets);
    w->anonymous = identity_new(ROLE_ANONYMOUS, STR_NONE);
    w->fields = mem_new_array(s->limits.http_fields_max + 1, sizeof(*w->fields));
    w->scratch = buf_init(KIB(32));
    w->room = mem_new(HTTP_ROOM_SIZE);
    timer_init(&w->deadline, l, on_deadline);
}

static void worker_fini(struct http_worker *w)
{
    assert(w->conn_count == 0 && w->request_count == 0);
    identity_unref(w->anonymous);
    mem_free(w->fields);
    buf_fini(&w->scratch);
    mem_free(w->room);
    mem_free(w->codes);
}

struct http_server *http_server_new(struct workers *w, const struct http_server_options *o)
{
    struct http_server *s = NEW(struct http_server);
    unsigned count = workers_count(w);

    s->workers = w;
    s->name = str_dup(str_of(o->name ? o->name : "http"));
    s->flags = o->flags;
    s->limits = *o->limits;
    s->metrics = o->metrics;
    s->places = o->places;
    s->authz = o->authz;
    s->files = o->files;
    s->file_count = o->file_count;
    s->title = text_dup(o->api_title);
    s->version = text_dup(o->api_version);
    s->description = text_dup(o->api_description);
    s->openapi = buf_init(MIB(4));
    s->gate = gate_new();
    http_guard_init(&s->guard, o->hosts, o->origins);
    s->guard.any_host = (o->flags & HTTP_HOST_OPEN) != 0;
    s->section = o->section ? o->section : "api";
    s->active =
        metrics_gauge(s->metrics, "active_connections", "", "open HTTP and WebSocket connections");
    s->duration = metrics_histogram(s->metrics, "http_request_duration_seconds", "",
                                    "from a whole head to the answer", duration_bounds,
                                    COUNT_OF(duration_bounds));
    s->per_worker = mem_new_array(count, sizeof(*s->per_worker));
    for (unsigned i = 0; i < count; i++)
        worker_init(s, &s->per_worker[i], workers_loop(w, i));
    return s;
}

void http_server_mount(struct http_server *s, const struct http_route *rows, size_t count,
                       void *ctx)
{
    assert(s->listener_count == 0 && s->mount_count < HTTP_MOUNTS_MAX);
    http_route_check(rows, count);
    s->mounts[s->mount_count++] = (struct http_mount){ rows, count, ctx };
}

/* Once, when all routes are known. */
static void make_openapi(struct http_server *s)
{
    if (!(s->flags & HTTP_OPENAPI) || s->openapi.n > 0)
        return;
    s->mounts[s->mount_count++] = (struct http_mount){ own_rows, COUNT_OF(own_rows), s };
    http_openapi(s->mounts, s->mount_count, s->title, s->version, s->description, &s->openapi);
    assert(buf_check(&s->openapi) == 0);
}

int http_listen(struct http_server *s, const struct http_listen_options *o, struct addr *out_addr,
                struct fault *f)
{
    struct listener_options lo = {
        .addr = o->addr,
        .proxy = o->proxy,
        .tls = o->tls,
        .alpn = o->tls ? "http/1.1" : NULL,
        .unix_mode = o->unix_mode,
        .connections_max = o->connections_max ? o->connections_max : s->limits.connections_max,
        .guard = { .per_address_max = s->limits.connections_per_address_max,
                   .handshakes_max = s->limits.tls_handshakes_max,
                   .handshake_timeout_ms = s->limits.tls_handshake_timeout_ms },
        .places = s->places,
        .accepted = http_conn_accept,
        .ctx = s,
    };
    int rc;

    assert(s->listener_count < HTTP_LISTENERS_MAX);
    make_openapi(s);
    lo.proxy.refused = metrics_counter(s->metrics, LISTENER_PROXY_REFUSED);
    lo.guard.address = metrics_counter(s->metrics, LISTENER_TURNED_AWAY, "cause=\"address\"",
                                       LISTENER_TURNED_AWAY_HELP);
    lo.guard.handshake = metrics_counter(s->metrics, LISTENER_TURNED_AWAY, "cause=\"handshake\"",
                                         LISTENER_TURNED_AWAY_HELP);
    rc = listener_open(s->workers, &lo, &s->listeners[s->listener_count], f);
    if (rc)
        return rc;
    if (out_addr)
        *out_addr = *listener_addr(s->listeners[s->listener_count]);
    s->listener_count++;
    return 0;
}

uint64_t http_server_open_count(struct http_server *s)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s->listener_count; i++)
        n += listener_open_count(s->listeners[i]);
    return n;
}

/* ---- the end ---- */

struct stopping {
    struct http_server *s;
    uint64_t deadline_ms;
};

static void drain(void *ctx, struct loop *l)
{
    struct stopping *k = ctx;
    struct http_worker *w = &k->s->per_worker[loop_index(l)];

    w->draining = true;
    timer_start(&w->deadline, k->deadline_ms);
    LIST_EACH_SAFE (it, tmp, &w->conns)
        http_conn_drain(container_of(it, struct http_conn, link));
    http_ws_drain(w);
}

static void look_what_is_left(void *ctx, struct loop *l)
{
    struct http_server *s = ctx;
    struct http_worker *w = &s->per_worker[loop_index(l)];

    w->left = w->conn_count > 0 || w->request_count > 0;
    if (!w->left)
        timer_stop(&w->deadline);
}

void http_server_stop(struct http_server *s, uint64_t deadline_ms)
{
    struct stopping k = { s, deadline_ms };
    bool left = true;

    for (size_t i = 0; i < s->listener_count; i++)
        listener_close(s->listeners[i]);
    workers_each(s->workers, drain, &k);
    for (;;) {
        left = false;
        workers_each(s->workers, look_what_is_left, s);
        for (unsigned i = 0; i < workers_count(s->workers); i++)
            left |= s->per_worker[i].left;
        if (!left)
            return;
        gate_wait(s->gate, 1000); /* a worker became empty; are all? */
    }
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->listener_count; i++)
        listener_free(s->listeners[i]);
    for (unsigned i = 0; i < workers_count(s->workers); i++)
        worker_fini(&s->per_worker[i]);
    mem_free(s->per_worker);
    http_guard_fini(&s->guard);
    buf_fini(&s->openapi);
    gate_free(s->gate);
    mem_free(s->title);
    mem_free(s->version);
    mem_free(s->description);
    mem_free(s->name);
    mem_free(s);
}
