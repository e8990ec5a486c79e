/*
 * Host must be localhost, an address, or a listed name: a page that reaches us under a name of its
 * own shows that name. Origin must be absent (no browser, or a same-site navigation), the same
 * host and port, or listed; "null" (sandboxed pages, files) is nobody and must be listed too.
 * Where nobody is let in for being near, a page gains nothing by a name of its own: any Host will do.
 */
#include "http/guard.h"

#include "base/addr.h"
#include "base/mem.h"
#include "wire/uri.h"

static char **copy_list(const char *const *list)
{
    size_t count = 0;
    char **copy;

    while (list && list[count])
        count++;
    copy = mem_new_array(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        copy[i] = str_dup(str_of(list[i]));
    return copy;
}

static void free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        mem_free(list[i]);
    mem_free(list);
}

void http_guard_init(struct http_guard *g, const char *const *hosts, const char *const *origins)
{
    g->hosts = copy_list(hosts);
    g->origins = copy_list(origins);
    g->any_host = false;
}

void http_guard_fini(struct http_guard *g)
{
    free_list(g->hosts);
    free_list(g->origins);
}

static bool listed(char *const *list, struct str s)
{
    for (size_t i = 0; list[i]; i++)
        if (str_eq_nocase(str_of(list[i]), s))
            return true;
    return false;
}

static bool host_ok(const struct http_guard *g, const struct uri_authority *a)
{
    struct addr address;

    return a->literal || str_eq_nocase(a->host, STR("localhost")) || listed(g->hosts, a->host) ||
           addr_parse(a->host, 0, &address) == 0;
}

/* "http://host:port" against the Host field; a port left out is that of the scheme. */
static bool same_site(struct str origin, const struct uri_authority *host)
{
    struct uri_target t;
    struct uri_authority a;
    uint16_t port;

    if (uri_target_parse(origin, false, &t, NULL) != 0 || t.form != URI_ABSOLUTE ||
        !str_eq(t.path, STR("/")) || t.query.p || uri_authority_parse(t.authority, &a, NULL) != 0)
        return false;
    port = str_eq_nocase(t.scheme, STR("https")) ? 443 : 80;
    return str_eq_nocase(a.host, host->host) &&
           (a.has_port ? a.port : port) == (host->has_port ? host->port : port);
}

enum http_guard_answer http_guard_check(const struct http_guard *g, struct str host,
                                        struct str origin)
{
    struct uri_authority a = { 0 };
    bool has_host = host.n > 0 && uri_authority_parse(host, &a, NULL) == 0;

    if (has_host && !g->any_host && !host_ok(g, &a))
        return HTTP_GUARD_HOST;
    if (!origin.p || (has_host && same_site(origin, &a)))
        return HTTP_GUARD_OK;
    return listed(g->origins, origin) ? HTTP_GUARD_CROSS : HTTP_GUARD_ORIGIN;
}
