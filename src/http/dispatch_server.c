/*
 * From a head to its handler: target, route, Host and Origin, parameters, what body is allowed,
 * credentials, permission. Each step either answers (and the request is gone) or passes on; the
 * order is from what costs nothing to what asks others. A body is never read before all of this
 * has passed.
 */
#include "http/conn_server.h"

#include "base/log.h"

#include <assert.h>
#include <stdio.h>

#define FIELD_ERRORS_MAX 16
/* No row declares a tenth of it. */
#define QUERY_PAIRS_MAX 200
/* How long a connection's credentials count as proven: a user who is removed is out after this. */
#define CREDENTIALS_MS 30000
#define REFUSAL_LOG_MS 60000

/* ---- target ---- */

static bool take_target(struct http_request *r)
{
    struct uri_target t;
    struct wire_why why = { 0 };
    char *path;
    size_t n = 0;

    if (uri_target_parse(r->head.target, false, &t, &why) != 0) {
        http_respond_error(r, why.code, "%s", why.text);
        return false;
    }
    if (t.form == URI_ASTERISK) {
        if (r->head.method == HTTP_OPTIONS)
            http_reply_empty(r, 204);
        else
            http_respond_error(r, 400, "only OPTIONS takes the target *");
        return false;
    }
    if (t.form == URI_ABSOLUTE && r->head.host.n > 0 && !str_eq_nocase(t.authority, r->head.host)) {
        http_respond_error(r, 400, "the request target and Host name different servers");
        return false;
    }
    path = arena_take(&r->arena, t.path.n);
    assert(path);
    if (uri_path_decode(t.path, path, &n, &why) != 0) {
        http_respond_error(r, why.code, "%s", why.text);
        return false;
    }
    r->path = (struct str){ path, n };
    r->query = t.query;
    return true;
}

/* ---- who may call at all ---- */

/* Once a minute: any page may have its visitors' browsers come again and again. */
static void log_refused(struct http_request *r, struct str origin, const char *setting)
{
    struct http_server *s = r->w->server;
    uint64_t now = loop_now_ms(r->w->loop), last = cell_get(&s->refusal_logged_ms);
    char peer[ADDR_TEXT_SIZE], listed[64];

    if ((last && now < last + REFUSAL_LOG_MS) || !cell_raise(&s->refusal_logged_ms, now))
        return;
    snprintf(listed, sizeof(listed), "%s.%s", s->section, setting);
    log_info("http", "refused for its Host or Origin", lf_text("service", s->name),
             lf_str("host", str_sub(r->head.host, 0, 100)),
             lf_str("origin", str_sub(origin, 0, 100)),
             lf_text("peer", addr_format(&r->peer, peer)), lf_text("allowed_by", listed));
}

static bool check_guard(struct http_request *r)
{
    const struct http_server *s = r->w->server;
    const struct http_route *route = r->match.route;
    struct str origin = http_header(r, "origin");

    if (s->flags & HTTP_HOST_ANY || (route && route->flags & HTTP_NO_HOST_CHECK) ||
        addr_is_unix(&r->peer))
        return true;
    /* Browsers send Origin with every WebSocket: without one it is a program, and programs may know
     * us under any name. */
    if (route && route->ws && r->head.upgrade && !origin.p)
        return true;
    switch (http_guard_check(&s->guard, r->head.host, origin)) {
    case HTTP_GUARD_OK:
        return true;
    case HTTP_GUARD_CROSS:
        r->cross = true;
        return true;
    case HTTP_GUARD_HOST:
        log_refused(r, origin, "hosts");
        http_respond_error(r, 403,
                           "this server is not known as %.*s; use its address, or list the name "
                           "under %s.hosts",
                           STR_ARG(str_sub(r->head.host, 0, 100)), s->section);
        return false;
    case HTTP_GUARD_ORIGIN:
        log_refused(r, origin, "origins");
        http_respond_error(r, 403,
                           "pages of %.*s may not call this server; list the origin under "
                           "%s.origins if they shall",
                           STR_ARG(str_sub(origin, 0, 100)), s->section);
        return false;
    }
    return false;
}

/* ---- paths without a row ---- */

static void answer_options(struct http_request *r, unsigned allow)
{
    struct buf b = buf_init(200);

    http_route_allow(allow, &b);
    http_add(r, "Allow", buf_str(&b));
    if (r->cross) {
        http_add(r, "Access-Control-Allow-Methods", buf_str(&b));
        http_add(r, "Access-Control-Allow-Headers", STR("Content-Type, Authorization"));
        http_add(r, "Access-Control-Max-Age", STR("600"));
    }
    buf_fini(&b);
    http_reply_empty(r, 204);
}

/* A page of the dashboard's own router: what a browser navigates to, not what a program asks. */
static bool wants_page(const struct http_request *r)
{
    return r->w->server->flags & HTTP_SPA && !str_starts(r->path, STR("/api/")) &&
           str_find_str(http_header(r, "accept"), STR("text/html")) < http_header(r, "accept").n;
}

static void answer_unmatched(struct http_request *r)
{
    const struct http_server *s = r->w->server;
    enum http_method m = r->head.method;
    unsigned reads = 1u << HTTP_GET | 1u << HTTP_HEAD | 1u << HTTP_OPTIONS;
    struct http_static_answer a;
    struct buf b = buf_init(200);

    if (r->match.allow) {
        http_route_allow(r->match.allow, &b);
        http_add(r, "Allow", buf_str(&b));
        http_respond_error(r, 405, "this address does not take %s", http1_method_name(m));
    } else if (!http_static_find(s->files, s->file_count, r->path, wants_page(r),
                                 http_header(r, "accept-encoding"), http_header(r, "if-none-match"),
                                 &a)) {
        http_respond_error(r, 404, "there is nothing at this address");
    } else if (m == HTTP_GET || m == HTTP_HEAD) {
        r->endpoint = "static";
        http_reply_static(r, &a);
    } else if (m == HTTP_OPTIONS) {
        answer_options(r, reads);
    } else {
        http_route_allow(reads, &b);
        http_add(r, "Allow", buf_str(&b));
        http_respond_error(r, 405, "a file cannot be changed");
    }
    buf_fini(&b);
}

/* ---- parameters ---- */

struct checking {
    struct http_request *r;
    struct field_error errors[FIELD_ERRORS_MAX];
    size_t count;
    enum http_param_in in; /* of the first error: they are reported for one place at a time */
};

static void wrong(struct checking *k, enum http_param_in in, struct str name, const char *text,
                  const char *type)
{
    struct field_error *e = &k->errors[k->count];

    if (k->count == FIELD_ERRORS_MAX || (k->count > 0 && in != k->in))
        return;
    k->in = in;
    k->count++;
    snprintf(e->field, sizeof(e->field), "%.*s", (int)(name.n < 60 ? name.n : 60), name.p);
    e->text = text;
    e->type = type;
}

/* Index of the declared query parameter, or -1. */
static int declared(const struct http_param *params, struct str name)
{
    for (int i = 0; params && params[i].name; i++)
        if (params[i].in == HTTP_IN_QUERY && str_eq(str_of(params[i].name), name))
            return i;
    return -1;
}

static bool take_query(struct checking *k)
{
    struct http_request *r = k->r;
    struct str rest = r->query, name, value;
    struct wire_why why = { 0 };
    unsigned pairs = 0;

    while (uri_query_next(&rest, &name, &value)) {
        char *out = arena_take(&r->arena, name.n + value.n + 1);
        size_t n = 0, m = 0;
        int at;

        assert(out);
        if (++pairs > QUERY_PAIRS_MAX) {
            http_respond_error(r, 400, "the query has too many parts");
            return false;
        }
        if (uri_query_decode(name, out, &n, &why) != 0 ||
            uri_query_decode(value, out + n, &m, &why) != 0) {
            http_respond_error(r, why.code, "%s", why.text);
            return false;
        }
        name = (struct str){ out, n };
        at = declared(r->match.route->params, name);
        if (at < 0 && !(r->match.route->flags & HTTP_QUERY_OPEN))
            wrong(k, HTTP_IN_QUERY, name, "is not known here", "unknown");
        else if (at >= 0 && r->values[at].p)
            wrong(k, HTTP_IN_QUERY, name, "is given more than once", "repeated");
        else if (at >= 0)
            r->values[at] = (struct str){ out + n, m };
    }
    return true;
}

static bool take_params(struct http_request *r)
{
    static const char *const places[] = { "path", "query", "header" };
    const struct http_param *params = r->match.route->params;
    struct checking k = { .r = r };
    const char *text;
    size_t count = 0;

    while (params && params[count].name)
        count++;
    r->values = arena_take(&r->arena, (count + 1) * sizeof(*r->values));
    assert(r->values);
    for (size_t i = 0; i < count; i++) {
        if (params[i].in == HTTP_IN_PATH)
            r->values[i] = http_route_param(&r->match, params[i].name);
        else if (params[i].in == HTTP_IN_HEADER)
            r->values[i] = http_header(r, params[i].name);
    }
    if (!take_query(&k))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct str name = str_of(params[i].name);

        if (r->values[i].p && http_param_check(&params[i], r->values[i], &text) != 0)
            wrong(&k, params[i].in, name, text, "value");
        else if (!r->values[i].p && params[i].required)
            wrong(&k, params[i].in, name, "is required", "missing");
    }
    if (k.count == 0)
        return true;
    http_respond_invalid(r, places[k.in], k.errors, k.count);
    return false;
}

/* ---- bodies ---- */

/* "application/json; charset=utf-8" and everything that ends in +json. */
static bool is_json(struct str type)
{
    struct str name = str_trim(str_cut(&type, ';'));

    return str_eq_nocase(name, STR("application/json")) ||
           (name.n > 5 && str_eq_nocase(str_skip(name, name.n - 5), STR("+json")));
}

static bool check_body(struct http_request *r)
{
    const struct http_route *route = r->match.route;
    bool has = r->head.framing != HTTP1_NO_BODY;
    struct str type = http_header(r, "content-type");

    if (!has && route->flags & HTTP_BODY_NEEDED) {
        http_respond_error(r, 400, "a body is needed here");
        return false;
    }
    if (!has)
        return true;
    if (http_body_cap(r) == 0) {
        http_respond_error(r, 413, "no body is taken here");
        return false;
    }
    if (r->head.framing == HTTP1_LENGTH && r->head.content_length > http_body_cap(r)) {
        http_respond_error(r, 413, "the body is larger than the %llu bytes allowed here",
                           (unsigned long long)http_body_cap(r));
        return false;
    }
    if (http_header(r, "content-encoding").n > 0) {
        http_respond_error(r, 415, "no content coding is taken here");
        return false;
    }
    if (route->flags & HTTP_BODY_JSON && type.p && !is_json(type)) {
        http_respond_error(r, 415, "the body must be application/json");
        return false;
    }
    return true;
}

/* ---- who asks, and may they ---- */

static void proceed(struct http_request *r)
{
    if (r->match.route->ws && http_ws_upgrade(r))
        return;
    http_conn_body(r->conn);
}

static void refused(struct http_request *r, int code)
{
    if (code != ERR_REFUSED) {
        http_add(r, "Retry-After", STR("5"));
        http_respond_error(r, 503, "who you are cannot be checked now");
        return;
    }
    if (r->id && r->id->role != ROLE_ANONYMOUS) {
        http_respond_error(r, 403, "you may not do this");
        return;
    }
    http_add(r, "WWW-Authenticate", STR("Basic realm=\"wayside\", charset=\"UTF-8\""));
    http_respond_error(r, 401, "Could not validate credentials");
}

static void checked(struct http_request *r, int code)
{
    if (code)
        refused(r, code);
    else
        proceed(r);
}

static void check_done(struct authz_check *k, int code)
{
    struct http_request *r = container_of(k, struct http_request, check);
    struct http_conn *c = r->conn;

    r->asking = HTTP_ASKING_NOTHING;
    checked(r, code);
    http_conn_settle(c);
}

static void check(struct http_request *r)
{
    const struct authz *z = r->w->server->authz;
    int rc;

    r->check = (struct authz_check){
        .who = r->id,
        .action = http_method(r) == HTTP_GET ? AUTHZ_HTTP_READ : AUTHZ_HTTP_WRITE,
        .object = r->path,
        .loop = r->w->loop,
        .done = check_done,
    };
    rc = z->check ? z->check(z->ctx, &r->check) : 0;
    if (rc == AUTHZ_LATER)
        r->asking = HTTP_ASKING_CHECK;
    else
        checked(r, rc);
}

static void logged_in(struct http_request *r, int code, struct identity *id)
{
    struct http_conn *c = r->conn;
    struct str v = http_header(r, "authorization");

    if (code) {
        refused(r, code);
        return;
    }
    r->id = id;
    mem_free(c->credentials);
    c->credentials = v.p ? str_dup(v) : NULL;
    c->credentials_n = v.n;
    identity_unref(c->id);
    c->id = identity_ref(id);
    c->credentials_ms = loop_now_ms(r->w->loop);
    check(r);
}

static void login_done(struct authz_login *l, int code, struct identity *id)
{
    struct http_request *r = container_of(l, struct http_request, login);
    struct http_conn *c = r->conn;

    r->asking = HTTP_ASKING_NOTHING;
    logged_in(r, code, id);
    http_conn_settle(c);
}

static void login(struct http_request *r, struct str v)
{
    const struct authz *z = r->w->server->authz;
    struct identity *id = NULL;
    char *out;
    int rc;

    r->login = (struct authz_login){
        .tls = r->tls,
        .peer = &r->peer,
        .local = stream_local(r->conn->s),
        .loop = r->w->loop,
        .done = login_done,
    };
    if (v.p) {
        out = arena_take(&r->arena, v.n + 1);
        assert(out);
        if (answer_basic(v, out, &r->login.user, &r->login.password) != 0) {
            refused(r, ERR_REFUSED);
            return;
        }
        r->login.has_user = r->login.has_password = true;
    }
    rc = z->login(z->ctx, &r->login, &id);
    if (rc == AUTHZ_LATER)
        r->asking = HTTP_ASKING_LOGIN;
    else
        logged_in(r, rc, id);
}

static void authenticate(struct http_request *r)
{
    struct http_conn *c = r->conn;
    struct str v = http_header(r, "authorization");

    if (!r->w->server->authz || r->match.route->flags & HTTP_NO_AUTH) {
        r->id = identity_ref(r->w->anonymous);
        proceed(r);
        return;
    }
    if (c->id && loop_now_ms(r->w->loop) - c->credentials_ms < CREDENTIALS_MS &&
        (c->credentials != NULL) == (v.p != NULL) &&
        str_eq_secret(v, (struct str){ c->credentials, c->credentials_n })) {
        r->id = identity_ref(c->id);
        check(r);
        return;
    }
    login(r, v);
}

void http_cancel_asking(struct http_request *r)
{
    const struct authz *z = r->w->server->authz;

    if (r->asking == HTTP_ASKING_LOGIN)
        z->cancel_login(z->ctx, &r->login);
    else if (r->asking == HTTP_ASKING_CHECK)
        z->cancel_check(z->ctx, &r->check);
    r->asking = HTTP_ASKING_NOTHING;
}

/* ---- all of it ---- */

void http_dispatch(struct http_request *r)
{
    const struct http_server *s = r->w->server;
    enum http_method m = r->head.method;
    const char *repeated = http1_repeated(r->fields, r->head.field_count);

    if (repeated) {
        http_respond_error(r, 400, "%s is repeated", repeated);
        return;
    }
    if (m == HTTP_OTHER || m == HTTP_CONNECT || m == HTTP_TRACE) {
        /* What comes after an unknown method (a tunnel's bytes, say) is no request of ours. */
        r->conn->close = true;
        http_respond_error(r, 501, "this method is not spoken here");
        return;
    }
    if (!take_target(r))
        return;
    http_route_match(s->mounts, s->mount_count, m, r->path, &r->match);
    if (r->match.route)
        r->endpoint = r->match.route->path;
    if (!check_guard(r))
        return;
    if (r->match.options) {
        answer_options(r, r->match.allow);
        return;
    }
    if (!r->match.route) {
        answer_unmatched(r);
        return;
    }
    if (take_params(r) && check_body(r))
        authenticate(r);
}

void http_call_handler(struct http_request *r)
{
    const struct http_route *route = r->match.route;

    if (route->flags & HTTP_BODY_NEEDED && r->body.n == 0) {
        http_respond_error(r, 400, "a body is needed here");
        return;
    }
    r->handled = true;
    route->handle(r, r->match.ctx);
}
