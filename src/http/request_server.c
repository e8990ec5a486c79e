/*
 * What a handler sees of its request. Nothing here can fail: parameters were checked against their
 * rows before the handler was called, so a getter that finds a value can read it.
 */
#include "http/conn_server.h"

#include "base/rfc3339.h"

#include <assert.h>

enum http_method http_method(const struct http_request *r)
{
    return r->head.method == HTTP_HEAD ? HTTP_GET : r->head.method;
}

struct str http_path(const struct http_request *r)
{
    return r->path;
}

struct str http_param_str(const struct http_request *r, const char *name)
{
    const struct http_param *params = r->match.route->params;

    for (size_t i = 0; params && params[i].name; i++)
        if (strcmp(params[i].name, name) == 0)
            return r->values[i];
    assert(false && "a parameter that the route's row does not declare");
    return STR_NONE;
}

int64_t http_param_i64(const struct http_request *r, const char *name, int64_t def)
{
    struct str v = http_param_str(r, name);
    int64_t out;

    return v.p && str_to_i64(v, &out) == 0 ? out : def;
}

double http_param_double(const struct http_request *r, const char *name, double def)
{
    struct str v = http_param_str(r, name);
    double out;

    return v.p && str_to_double(v, &out) == 0 ? out : def;
}

bool http_param_bool(const struct http_request *r, const char *name, bool def)
{
    struct str v = http_param_str(r, name);

    return v.p ? str_eq(v, STR("true")) : def;
}

int64_t http_param_time(const struct http_request *r, const char *name, int64_t def_ns)
{
    struct str v = http_param_str(r, name);
    int64_t out;

    return v.p && rfc3339_parse(v, &out) == 0 ? out : def_ns;
}

struct str http_header(const struct http_request *r, const char *name)
{
    const struct http1_field *f = http1_find(r->fields, r->head.field_count, str_of(name));

    return f ? f->value : STR_NONE;
}

struct str http_body(const struct http_request *r)
{
    return buf_str(&r->body);
}

const struct addr *http_peer(const struct http_request *r)
{
    return &r->peer;
}

const struct identity *http_identity(const struct http_request *r)
{
    return r->id;
}

bool http_is_tls(const struct http_request *r)
{
    return r->tls;
}

const struct http_route *http_route_of(const struct http_request *r)
{
    return r->match.route;
}

int64_t http_wall_ns(const struct http_request *r)
{
    return r->wall_ns;
}

uint64_t http_mono_ms(const struct http_request *r)
{
    return r->mono_ns / 1000000;
}

struct arena *http_arena(struct http_request *r)
{
    return &r->arena;
}

struct loop *http_loop(const struct http_request *r)
{
    return r->w->loop;
}

bool http_is_gone(const struct http_request *r)
{
    return !r->conn;
}

void http_on_gone(struct http_request *r, void (*gone)(struct http_request *r, void *ctx),
                  void *ctx)
{
    r->gone = gone;
    r->gone_ctx = ctx;
}

void http_on_drained(struct http_request *r, void (*drained)(struct http_request *r, void *ctx),
                     void *ctx)
{
    r->drained = drained;
    r->drained_ctx = ctx;
}
