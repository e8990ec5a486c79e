#ifndef WIRE_URI_H
#define WIRE_URI_H
/*
 * Request targets (RFC 9112, 3.2; RFC 3986), strictly. A path that two programs could resolve in
 * two ways (dot segments, empty segments, encoded slashes, zeros) is refused, not normalised.
 * Pure. wire_why.code is the HTTP status to answer (400).
 */
#include "base/str.h"
#include "wire/why.h"

struct buf;

enum uri_form { URI_ORIGIN, URI_ABSOLUTE, URI_ASTERISK, URI_AUTHORITY };

struct uri_target {
    enum uri_form form;
    struct str scheme, authority; /* absolute and authority form */
    struct str path;              /* raw; "/" when the absolute form has none */
    struct str query;             /* raw, without '?'; p is NULL when there is none */
};
/* connect: the method is CONNECT (authority form only; no other method may use that form). */
MUST_USE int uri_target_parse(struct str target, bool connect, struct uri_target *out,
                              struct wire_why *why);

/* "host", "host:8000", "[::1]:8000". host is given without brackets. */
struct uri_authority {
    struct str host;
    bool literal; /* an address in brackets */
    bool has_port;
    uint16_t port;
};
MUST_USE int uri_authority_parse(struct str s, struct uri_authority *out, struct wire_why *why);

/* Decodes %XX strictly ('+' is a plus sign) into out, which has room for raw.n bytes. */
MUST_USE int uri_decode(struct str raw, char *out, size_t *out_n, struct wire_why *why);
/* As uri_decode for a whole path beginning with '/': refuses the segments "." and "..", empty
 * segments other than a last one, %2F, backslashes, control characters and bad UTF-8. */
MUST_USE int uri_path_decode(struct str raw, char *out, size_t *out_n, struct wire_why *why);

/* Steps through "a=1&b=2": false at the end. *rest starts as the raw query. A pair without '='
 * has a value with p NULL. Empty pairs ("a&&b") are skipped. */
bool uri_query_next(struct str *rest, struct str *out_name, struct str *out_value);
/* As uri_decode, with '+' for a space; refuses control characters and bad UTF-8. */
MUST_USE int uri_query_decode(struct str raw, char *out, size_t *out_n, struct wire_why *why);

/* Everything but unreserved characters as %XX. */
void uri_encode(struct str s, struct buf *out);

#endif
