#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H
/*
 * Which Host and Origin may call. Any web page can make its visitor's browser send requests to
 * loopback and to the local network, and with a name of its own that points there ("DNS
 * rebinding") it can even read the answers; both show in these two fields. Pure.
 */
#include "base/str.h"

struct http_guard {
    char **hosts, **origins; /* lists that end with NULL */
    bool any_host;           /* only Origin is checked */
};
/* Lists may be NULL; copied. */
void http_guard_init(struct http_guard *g, const char *const *hosts, const char *const *origins);
void http_guard_fini(struct http_guard *g);

enum http_guard_answer {
    HTTP_GUARD_OK,
    HTTP_GUARD_CROSS, /* allowed, from a listed origin that is another site: needs CORS fields */
    HTTP_GUARD_HOST,  /* refused for its Host */
    HTTP_GUARD_ORIGIN /* refused for its Origin */
};
/* host: of the Host field, valid by uri_authority_parse(), empty when absent (HTTP/1.0).
 * origin: p is NULL when absent. */
enum http_guard_answer http_guard_check(const struct http_guard *g, struct str host,
                                        struct str origin);

#endif
