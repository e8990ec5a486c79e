/*
 * Dispatch by constant rows, for every service that speaks HTTP here.
 *
 * There are some dozens of rows, so a request walks all of them: simpler than a tree, and a few
 * hundred nanoseconds. Literal segments win over {name}, segment by segment from the left, so
 * "/devices/self" and "/devices/{device}" can stand together in any order. A row that is wrong in
 * itself is our own mistake and found at start (http_route_check).
 */
#include "http/route.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/rfc3339.h"

#include <assert.h>

static bool is_name(struct str segment)
{
    return segment.n > 2 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
}

/* One pattern against a path. *out_rank: a bit per segment from the left, set for a literal, so
 * that of two patterns the larger is the better. */
static bool match_path(const char *pattern, struct str path, struct str *params, uint64_t *out_rank)
{
    struct str want = str_of(pattern), a, b;
    size_t count = 0;
    uint64_t rank = 0, bit = UINT64_C(1) << 63;

    want = str_skip(want, 1);
    path = str_skip(path, 1);
    do {
        a = str_cut(&want, '/');
        b = str_cut(&path, '/');
        if (is_name(a)) {
            if (b.n == 0)
                return false;
            params[count++] = b;
        } else {
            if (!str_eq(a, b))
                return false;
            rank |= bit;
        }
        bit >>= 1;
    } while (want.p && path.p);
    *out_rank = rank;
    return !want.p && !path.p;
}

/* What the row answers of the methods. */
static unsigned methods_of(const struct http_route *r)
{
    unsigned bits = 1u << r->method | 1u << HTTP_OPTIONS;

    return r->method == HTTP_GET ? bits | 1u << HTTP_HEAD : bits;
}

void http_route_match(const struct http_mount *mounts, size_t mount_count, enum http_method method,
                      struct str path, struct http_match *out)
{
    enum http_method want = method == HTTP_HEAD ? HTTP_GET : method;
    struct http_match m = { 0 };
    uint64_t best = 0, rank;

    for (size_t i = 0; i < mount_count; i++) {
        for (size_t k = 0; k < mounts[i].count; k++) {
            const struct http_route *r = &mounts[i].rows[k];
            struct str params[HTTP_PATH_PARAMS_MAX] = { { NULL, 0 } };

            if (!match_path(r->path, path, params, &rank))
                continue;
            m.allow |= methods_of(r);
            if (r->method != want || (m.route && rank <= best))
                continue;
            best = rank;
            m.route = r;
            m.ctx = mounts[i].ctx;
            memcpy(m.params, params, sizeof(params));
        }
    }
    m.head = m.route && method == HTTP_HEAD;
    m.options = !m.route && m.allow && method == HTTP_OPTIONS;
    *out = m;
}

struct str http_route_param(const struct http_match *m, const char *name)
{
    struct str rest = str_of(m->route->path);
    size_t count = 0;

    while (rest.p) {
        struct str segment = str_cut(&rest, '/');

        if (!is_name(segment))
            continue;
        if (str_eq(str_sub(segment, 1, segment.n - 2), str_of(name)))
            return m->params[count];
        count++;
    }
    return STR_NONE;
}

void http_route_allow(unsigned allow, struct buf *out)
{
    bool any = false;

    for (unsigned m = HTTP_GET; m < HTTP_METHOD_COUNT; m++) {
        if (!(allow & 1u << m))
            continue;
        if (any)
            buf_put(out, STR(", "));
        buf_put(out, str_of(http1_method_name((enum http_method)m)));
        any = true;
    }
}

static void check_row(const struct http_route *r)
{
    struct http_match m = { .route = r };
    struct str rest = str_of(r->path);
    size_t names = 0, declared = 0;

    assert(r->path[0] == '/' && r->summary && (r->handle || r->ws));
    assert(r->method != HTTP_OTHER && r->method != HTTP_HEAD && r->method != HTTP_CONNECT);
    assert(!r->ws || r->method == HTTP_GET);
    while (rest.p)
        names += is_name(str_cut(&rest, '/'));
    assert(names <= HTTP_PATH_PARAMS_MAX);
    for (size_t i = 0; i < names; i++)
        m.params[i] = STR("x");
    for (const struct http_param *p = r->params; p && p->name; p++) {
        if (p->in != HTTP_IN_PATH)
            continue;
        declared++;
        assert(http_route_param(&m, p->name).p && "a path parameter that the pattern lacks");
    }
    assert(declared == names && "every {name} is declared, so that it is checked");
}

void http_route_check(const struct http_route *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_row(&rows[i]);
}

/* "a-zA-Z0-9_-": ranges and single bytes; a '-' at either end is itself. */
static bool in_charset(const char *set, char c)
{
    for (const char *s = set; *s; s++) {
        if (s[1] == '-' && s[2]) {
            if (c >= s[0] && c <= s[2])
                return true;
            s += 2;
        } else if (c == *s) {
            return true;
        }
    }
    return false;
}

static int check_string(const struct http_param *p, struct str value, const char **out_text)
{
    if (p->most > 0 && value.n > (size_t)p->most) {
        *out_text = "is too long";
        return ERR_VALUE;
    }
    if (p->least > 0 && value.n < (size_t)p->least) {
        *out_text = "is too short";
        return ERR_VALUE;
    }
    for (size_t i = 0; p->charset && i < value.n; i++) {
        if (!in_charset(p->charset, value.p[i])) {
            *out_text = "has a character that is not allowed there";
            return ERR_VALUE;
        }
    }
    return 0;
}

int http_param_check(const struct http_param *p, struct str value, const char **out_text)
{
    bool limited = p->least != 0 || p->most != 0;
    double d;
    int64_t i;

    switch (p->type) {
    case HTTP_STRING:
        return check_string(p, value, out_text);
    case HTTP_INTEGER:
        *out_text = "must be a whole number";
        if (str_to_i64(value, &i) != 0)
            return ERR_VALUE;
        *out_text = "is out of range";
        return limited && (i < p->least || i > p->most) ? ERR_VALUE : 0;
    case HTTP_NUMBER:
        *out_text = "must be a number";
        if (str_to_double(value, &d) != 0)
            return ERR_VALUE;
        *out_text = "is out of range";
        return limited && (d < (double)p->least || d > (double)p->most) ? ERR_VALUE : 0;
    case HTTP_BOOLEAN:
        *out_text = "must be true or false";
        return str_eq(value, STR("true")) || str_eq(value, STR("false")) ? 0 : ERR_VALUE;
    case HTTP_TIME:
        *out_text = "must be a time such as 2026-01-01T00:00:00Z";
        return rfc3339_parse(value, &i) == 0 ? 0 : ERR_VALUE;
    }
    return ERR_VALUE;
}
