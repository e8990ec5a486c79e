/*
 * Request targets, authorities, percent-encoding and queries (RFC 3986, RFC 9112 section 3.2).
 *
 * Servers, proxies and file systems disagree about "..", "//", "%2F" and backslashes; that is how
 * access rules are walked around. So a path with any of them is refused: what is left has one
 * reading. Percent-encoding is read strictly: two hexadecimal digits or a refusal.
 */
#include "wire/uri.h"

#include "base/buf.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 3986, 2.3. */
static bool is_unreserved(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* RFC 3986, 2.2. */
static bool is_sub_delim(char c)
{
    return c != '\0' && strchr("!$&'()*+,;=", c) != NULL;
}

/* A path: pchar and '/', with '%' looked at when it is decoded. RFC 3986, 3.3. */
static size_t path_end(struct str s)
{
    size_t i = 0;

    while (i < s.n && (is_unreserved(s.p[i]) || is_sub_delim(s.p[i]) ||
                       (s.p[i] != '\0' && strchr(":@/%", s.p[i]))))
        i++;
    return i;
}

/* Queries: browsers send more than RFC 3986 allows ([, |, ^ and so on), and none of it has a
 * second reading here, so all visible ASCII but '#'. */
static bool is_query(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '#')
            return false;
    return true;
}

static int split_path(struct str s, size_t offset, struct uri_target *t, struct wire_why *why)
{
    size_t n = path_end(s);

    t->path = str_sub(s, 0, n);
    if (n < s.n && s.p[n] != '?')
        return wire_refuse(why, 400, offset + n, "a character that a path may not hold");
    if (n < s.n)
        t->query = str_skip(s, n + 1);
    if (!is_query(t->query))
        return wire_refuse(why, 400, offset + n, "a character that a query may not hold");
    return 0;
}

static int absolute(struct str s, struct uri_target *t, struct wire_why *why)
{
    struct uri_authority a;
    size_t colon = str_find(s, ':'), slash;
    struct str rest;
    int rc;

    t->form = URI_ABSOLUTE;
    t->scheme = str_sub(s, 0, colon);
    if (!str_eq_nocase(t->scheme, STR("http")) && !str_eq_nocase(t->scheme, STR("https")))
        return wire_refuse(why, 400, 0, "the request target is neither a path nor an http URI");
    rest = str_skip(s, colon);
    if (!str_starts(rest, STR("://")))
        return wire_refuse(why, 400, colon, "the request target is malformed");
    rest = str_skip(rest, 3);
    for (slash = 0; slash < rest.n && rest.p[slash] != '/' && rest.p[slash] != '?'; slash++)
        ;
    t->authority = str_sub(rest, 0, slash);
    rc = uri_authority_parse(t->authority, &a, why);
    if (rc)
        return rc;
    rc = split_path(str_skip(rest, slash), colon + 3 + slash, t, why);
    if (rc == 0 && t->path.n == 0)
        t->path = STR("/");
    return rc;
}

int uri_target_parse(struct str target, bool connect, struct uri_target *out, struct wire_why *why)
{
    struct uri_target t = { 0 };
    int rc;

    if (connect) { /* RFC 9112, 3.2.3: host and port, nothing else */
        struct uri_authority a;

        rc = uri_authority_parse(target, &a, why);
        if (rc == 0 && !a.has_port)
            rc = wire_refuse(why, 400, target.n, "CONNECT without a port");
        t.form = URI_AUTHORITY;
        t.authority = target;
    } else if (str_eq(target, STR("*"))) {
        t.form = URI_ASTERISK;
        rc = 0;
    } else if (target.n > 0 && target.p[0] == '/') {
        t.form = URI_ORIGIN;
        rc = split_path(target, 0, &t, why);
    } else {
        rc = absolute(target, &t, why);
    }
    if (rc == 0)
        *out = t;
    return rc;
}

/* Inside the brackets: hexadecimal digits, colons, dots (an IPv4 tail). No zone, no future form:
 * neither belongs in a Host field. */
static bool is_ipv6_text(struct str s)
{
    size_t colons = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        colons += c == ':';
        if (!is_digit(c) && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F') && c != ':' &&
            c != '.')
            return false;
    }
    return s.n >= 2 && s.n <= 45 && colons >= 2 && colons <= 7;
}

static bool is_reg_name(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_unreserved(s.p[i]))
            return false; /* RFC 3986 also has % and sub-delims; no name of a host does */
    return s.n > 0 && s.n <= 255;
}

int uri_authority_parse(struct str s, struct uri_authority *out, struct wire_why *why)
{
    struct uri_authority a = { 0 };
    struct str rest;
    uint64_t port;

    if (s.n > 0 && s.p[0] == '[') {
        size_t end = str_find(s, ']');

        a.literal = true;
        a.host = str_sub(s, 1, end - 1);
        rest = str_skip(s, end + 1);
        if (end == s.n || !is_ipv6_text(a.host))
            return wire_refuse(why, 400, 0, "the address in brackets is malformed");
    } else {
        size_t colon = str_find(s, ':');

        a.host = str_sub(s, 0, colon);
        rest = str_skip(s, colon);
        if (!is_reg_name(a.host))
            return wire_refuse(why, 400, 0, "the host is malformed");
    }
    if (rest.n > 0) {
        if (rest.p[0] != ':' || rest.n > 6 || str_to_u64(str_skip(rest, 1), &port) != 0 ||
            port > 65535)
            return wire_refuse(why, 400, s.n - rest.n, "the port is malformed");
        a.has_port = true;
        a.port = (uint16_t)port;
    }
    *out = a;
    return 0;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum decode_flags { NO_SLASH = 1, PLUS_IS_SPACE = 2, TEXT_ONLY = 4 };

static int decode(struct str raw, unsigned flags, char *out, size_t *out_n, struct wire_why *why)
{
    size_t n = 0;

    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];

        if (c == '%') {
            int high = -1, low = -1;

            if (raw.n - i > 2) {
                high = hex_digit(raw.p[i + 1]);
                low = hex_digit(raw.p[i + 2]);
            }
            if (high < 0 || low < 0)
                return wire_refuse(why, 400, i, "% without two hexadecimal digits");
            c = (char)(high << 4 | low);
            if ((flags & NO_SLASH) && c == '/')
                return wire_refuse(why, 400, i, "an encoded slash in a path");
            i += 2;
        } else if (c == '+' && (flags & PLUS_IS_SPACE)) {
            c = ' ';
        }
        if ((flags & TEXT_ONLY) && ((unsigned char)c < 0x20 || c == 0x7f))
            return wire_refuse(why, 400, i, "an encoded control character");
        out[n++] = c;
    }
    if ((flags & TEXT_ONLY) && !utf8_valid((struct str){ out, n }))
        return wire_refuse(why, 400, 0, "text that is not UTF-8");
    *out_n = n;
    return 0;
}

int uri_decode(struct str raw, char *out, size_t *out_n, struct wire_why *why)
{
    return decode(raw, 0, out, out_n, why);
}

int uri_query_decode(struct str raw, char *out, size_t *out_n, struct wire_why *why)
{
    return decode(raw, PLUS_IS_SPACE | TEXT_ONLY, out, out_n, why);
}

int uri_path_decode(struct str raw, char *out, size_t *out_n, struct wire_why *why)
{
    size_t n = 0;
    struct str rest;
    int rc;

    if (raw.n == 0 || raw.p[0] != '/')
        return wire_refuse(why, 400, 0, "a path that does not begin with a slash");
    rc = decode(raw, NO_SLASH | TEXT_ONLY, out, &n, why);
    if (rc)
        return rc;
    if (memchr(out, '\\', n))
        return wire_refuse(why, 400, 0, "a backslash in a path");
    rest = (struct str){ out + 1, n - 1 };
    while (rest.p) {
        struct str segment = str_cut(&rest, '/');

        if (segment.n == 0 && rest.p)
            return wire_refuse(why, 400, 0, "an empty segment in a path");
        if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
            return wire_refuse(why, 400, 0, "a dot segment in a path");
    }
    *out_n = n;
    return 0;
}

bool uri_query_next(struct str *rest, struct str *out_name, struct str *out_value)
{
    struct str pair = STR_NONE;

    while (rest->p && pair.n == 0)
        pair = str_cut(rest, '&');
    if (pair.n == 0)
        return false;
    *out_name = str_cut(&pair, '=');
    *out_value = pair;
    return true;
}

void uri_encode(struct str s, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (is_unreserved((char)c)) {
            buf_u8(out, c);
        } else {
            buf_u8(out, '%');
            buf_u8(out, (uint8_t)digits[c >> 4]);
            buf_u8(out, (uint8_t)digits[c & 15]);
        }
    }
}
