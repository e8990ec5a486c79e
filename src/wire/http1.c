/*
 * HTTP/1.x heads (RFC 9112), for the server and the gateway.
 *
 * A head is parsed in one pass: names over a table, values and the target eight bytes at a time. A head that is incomplete remembers how far it was looked at (struct http1_scan);
 * until its empty line has come, further calls only look for line ends in the new bytes (and once
 * at the first line), so a peer that sends byte by byte costs O(n).
 *
 * Refused, because two readers could take it in two ways: Content-Length with Transfer-Encoding
 * (RFC 9112, 6.1), a Content-Length that is repeated or a list, Transfer-Encoding other than one
 * "chunked" or in HTTP/1.0, line folding (5.2), bare CR or LF (2.2), zeros and other control
 * characters, white space before a colon (5.1) or around the parts of the request line (3), a Host
 * that is missing, repeated or malformed (3.2). Nothing is repaired.
 */
#include "wire/http1.h"

#include "base/buf.h"
#include "base/mem.h"
#include "wire/uri.h"

#include <endian.h>

/* RFC 9110, 5.6.2: what names and methods are made of. */
static const unsigned char is_tchar[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
    ['-'] = 1, ['.'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1,  ['4'] = 1, ['5'] = 1,
    ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1,  ['C'] = 1, ['D'] = 1,
    ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1,  ['K'] = 1, ['L'] = 1,
    ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1,  ['S'] = 1, ['T'] = 1,
    ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1,  ['^'] = 1, ['_'] = 1,
    ['`'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1,  ['f'] = 1, ['g'] = 1,
    ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1,  ['n'] = 1, ['o'] = 1,
    ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1,  ['v'] = 1, ['w'] = 1,
    ['x'] = 1, ['y'] = 1, ['z'] = 1, ['|'] = 1, ['~'] = 1,
};

static const struct str method_names[HTTP_METHOD_COUNT] = {
    [HTTP_OTHER] = { "", 0 },          [HTTP_GET] = { "GET", 3 },
    [HTTP_HEAD] = { "HEAD", 4 },       [HTTP_POST] = { "POST", 4 },
    [HTTP_PUT] = { "PUT", 3 },         [HTTP_PATCH] = { "PATCH", 5 },
    [HTTP_DELETE] = { "DELETE", 6 },   [HTTP_OPTIONS] = { "OPTIONS", 7 },
    [HTTP_CONNECT] = { "CONNECT", 7 }, [HTTP_TRACE] = { "TRACE", 5 },
};

const char *http1_method_name(enum http_method m)
{
    return method_names[m].p;
}

enum http_method http1_method(struct str name)
{
    for (unsigned m = HTTP_GET; m < HTTP_METHOD_COUNT; m++)
        if (str_eq(method_names[m], name))
            return (enum http_method)m;
    return HTTP_OTHER;
}

bool http1_is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_tchar[(unsigned char)s.p[i]])
            return false;
    return s.n > 0;
}

/* ---- one pass over a head ---- */
struct parse {
    const char *start, *at, *end;
    const struct http1_limits *limits;
    struct http1_field *fields;
    struct http1_head head;
    unsigned host_count, length_count, coding_count;
    bool close, keep, upgrade_token, upgrade_field, chunked;
    struct wire_why *why;
};

static int refuse(struct parse *p, int status, const char *text)
{
    return wire_refuse(p->why, status, (size_t)(p->at - p->start), text);
}

/* CRLF at p->at, or why not: one of them alone is refused. */
static int line_end(struct parse *p)
{
    if (p->at == p->end)
        return ERR_MORE;
    if (*p->at != '\r')
        return refuse(p, 400,
                      *p->at == '\n' ? "a line ends with a bare LF"
                                     : "a character that is not allowed there");
    if (p->at + 1 == p->end)
        return ERR_MORE;
    if (p->at[1] != '\n')
        return refuse(p, 400, "a CR that is not followed by LF");
    p->at += 2;
    return 0;
}

/* Eight bytes at a time, the first in the lowest place. In the results bit 7 of a byte says "found
 * there"; borrows may mark bytes behind the first one wrongly, so only the first is looked at. */
#define ONES UINT64_C(0x0101010101010101)
#define TOPS UINT64_C(0x8080808080808080)

static uint64_t load8(const char *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return le64toh(v);
}

static uint64_t bytes_below(uint64_t v, unsigned char least)
{
    return (v - ONES * least) & ~v;
}

static uint64_t bytes_equal(uint64_t v, unsigned char c)
{
    return bytes_below(v ^ (ONES * c), 1);
}

static size_t first_of(uint64_t found)
{
    return (size_t)__builtin_ctzll(found) / 8;
}

static bool ends_value(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* To the first byte that ends a field value: a control character other than tab, or the end. */
static void skip_value(struct parse *p)
{
    const char *at = p->at, *end = p->end;

    while (end - at >= 8) {
        uint64_t v = load8(at), found = (bytes_below(v, 0x20) | bytes_equal(v, 0x7f)) & TOPS;

        if (!found) {
            at += 8;
            continue;
        }
        at += first_of(found);
        if (*at != '\t') {
            p->at = at;
            return;
        }
        at++;
    }
    while (at < end && !ends_value(*at))
        at++;
    p->at = at;
}

/* To the first byte that a request target may not hold: all but visible ASCII, and '#'. */
static size_t skip_target(struct parse *p)
{
    const char *from = p->at, *at = from, *end = p->end;

    while (end - at >= 8) {
        uint64_t v = load8(at);
        uint64_t found =
            (bytes_below(v, 0x21) | bytes_equal(v, 0x7f) | bytes_equal(v, '#') | v) & TOPS;

        if (found) {
            at += first_of(found);
            goto out;
        }
        at += 8;
    }
    while (at < end && (unsigned char)*at > 0x20 && (unsigned char)*at < 0x7f && *at != '#')
        at++;
out:
    p->at = at;
    return (size_t)(at - from);
}

/* To the first byte that is not of a token. */
static size_t skip_token(struct parse *p)
{
    const char *at = p->at, *end = p->end;
    size_t n;

    while (end - at >= 4 && is_tchar[(unsigned char)at[0]] & is_tchar[(unsigned char)at[1]] &
                                is_tchar[(unsigned char)at[2]] & is_tchar[(unsigned char)at[3]])
        at += 4;
    while (at < end && is_tchar[(unsigned char)*at])
        at++;
    n = (size_t)(at - p->at);
    p->at = at;
    return n;
}

/* "HTTP/1.0" or "HTTP/1.1" at p->at. RFC 9112, 2.3. */
static int version(struct parse *p)
{
    static const char shape[] = "HTTP/";
    size_t left = (size_t)(p->end - p->at);

    if (memcmp(p->at, shape, left < 5 ? left : 5) != 0)
        return refuse(p, 400, "the HTTP version is malformed");
    if (left < 8)
        return ERR_MORE;
    if (p->at[5] < '0' || p->at[5] > '9' || p->at[6] != '.' || p->at[7] < '0' || p->at[7] > '9')
        return refuse(p, 400, "the HTTP version is malformed");
    if (p->at[5] != '1' || p->at[7] > '1')
        return refuse(p, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    p->head.http10 = p->at[7] == '0';
    p->at += 8;
    return 0;
}

/* RFC 9112, 3: method SP request-target SP HTTP-version CRLF. */
static int request_line(struct parse *p)
{
    int rc;
    const char *from = p->at;
    size_t n = skip_token(p);

    if (n > 32)
        return refuse(p, 501, "the method is too long");
    if (p->at == p->end)
        return ERR_MORE;
    if (n == 0 || *p->at != ' ')
        return refuse(p, 400, "the request line does not begin with a method and one space");
    p->head.method_text = (struct str){ from, n };
    p->head.method = http1_method(p->head.method_text);
    from = ++p->at;
    n = skip_target(p);
    if (p->at == p->end)
        return ERR_MORE;
    if (n == 0 || *p->at != ' ')
        return refuse(p, 400, "the request target is malformed");
    p->head.target = (struct str){ from, n };
    p->at++;
    rc = version(p);
    return rc ? rc : line_end(p);
}

/* RFC 9112, 4: HTTP-version SP status-code SP [reason] CRLF. */
static int status_line(struct parse *p)
{
    int rc = version(p);
    const char *from;

    if (rc)
        return rc;
    if (p->end - p->at < 5)
        return ERR_MORE;
    if (p->at[0] != ' ' || p->at[4] != ' ')
        return refuse(p, 502, "the status line is malformed");
    for (int i = 1; i <= 3; i++) {
        if (p->at[i] < '0' || p->at[i] > '9')
            return refuse(p, 502, "the status code is not a number");
        p->head.status = p->head.status * 10 + (unsigned)(p->at[i] - '0');
    }
    if (p->head.status < 100 || p->head.status > 599)
        return refuse(p, 502, "there is no such status code");
    p->at += 5;
    from = p->at;
    skip_value(p);
    p->head.reason = (struct str){ from, (size_t)(p->at - from) };
    return line_end(p);
}

/* RFC 9110, 8.6: digits only. A list ("5, 5") or a second field is refused, equal or not. */
static int take_length(struct parse *p, struct str value)
{
    int rc = str_to_u64(value, &p->head.content_length);

    if (p->length_count++ > 0)
        return refuse(p, 400, "Content-Length is repeated");
    if (rc == ERR_LIMIT || (rc == 0 && p->head.content_length > INT64_MAX))
        return refuse(p, 413, "Content-Length is too large");
    if (rc)
        return refuse(p, 400, "Content-Length is not a number");
    p->head.has_length = true;
    return 0;
}

/* RFC 9112, 6.1: we take one coding, chunked, once. */
static int take_coding(struct parse *p, struct str value)
{
    if (p->coding_count++ > 0)
        return refuse(p, 400, "Transfer-Encoding is repeated");
    if (!str_eq_nocase(value, STR("chunked")))
        return refuse(p, 501, "the only transfer coding spoken here is chunked");
    p->chunked = true;
    return 0;
}

static int take_connection(struct parse *p, struct str value)
{
    struct str rest = value;

    while (rest.p) {
        struct str token = str_trim(str_cut(&rest, ','));

        if (token.n == 0)
            continue;
        if (!http1_is_token(token))
            return refuse(p, 400, "Connection is not a list of names");
        p->close |= str_eq_nocase(token, STR("close"));
        p->keep |= str_eq_nocase(token, STR("keep-alive"));
        p->upgrade_token |= str_eq_nocase(token, STR("upgrade"));
    }
    return 0;
}

static int take_host(struct parse *p, struct str value)
{
    struct uri_authority a;

    if (p->host_count++ > 0)
        return refuse(p, 400, "Host is repeated");
    if (uri_authority_parse(value, &a, NULL) != 0)
        return refuse(p, 400, "Host is malformed");
    p->head.host = value;
    return 0;
}

/* name in any case against lower-case text of the same length; most differ in the first byte. */
static bool is_named(const struct http1_field *f, const char *lower)
{
    return (f->name.p[0] | 0x20) == lower[0] &&
           str_eq_nocase(f->name, (struct str){ lower, f->name.n });
}

/* The fields that decide about framing, by their length first. */
static int take_known(struct parse *p, const struct http1_field *f)
{
    switch (f->name.n) {
    case 4:
        if (is_named(f, "host"))
            return take_host(p, f->value);
        break;
    case 6:
        if (!is_named(f, "expect"))
            break;
        if (!str_eq_nocase(f->value, STR("100-continue")))
            return refuse(p, 417, "the only expectation met here is 100-continue");
        p->head.expect_continue = true;
        break;
    case 7:
        p->upgrade_field |= is_named(f, "upgrade");
        break;
    case 10:
        if (is_named(f, "connection"))
            return take_connection(p, f->value);
        break;
    case 14:
        if (is_named(f, "content-length"))
            return take_length(p, f->value);
        break;
    case 17:
        if (is_named(f, "transfer-encoding"))
            return take_coding(p, f->value);
        break;
    default:
        break;
    }
    return 0;
}

/* Without white space at both ends, RFC 9112, 5.1. */
static struct str trimmed(const char *from, const char *to)
{
    while (from < to && (*from == ' ' || *from == '\t'))
        from++;
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return (struct str){ from, (size_t)(to - from) };
}

static int field(struct parse *p)
{
    struct http1_field *f = &p->fields[p->head.field_count];
    const char *from = p->at, *value_end;
    size_t n = skip_token(p);
    int rc;

    if (p->at == p->end)
        return ERR_MORE;
    if (*p->at != ':' || n == 0) {
        if (n == 0 && (*p->at == ' ' || *p->at == '\t'))
            return refuse(p, 400, "a header line is folded");
        if (*p->at == ' ' || *p->at == '\t')
            return refuse(p, 400, "white space between a field name and its colon");
        return refuse(p, 400, "a field name is malformed");
    }
    p->at++;
    skip_value(p);
    value_end = p->at;
    rc = line_end(p);
    if (rc)
        return rc;
    if (p->head.field_count == p->limits->fields_max)
        return refuse(p, 431, "too many header fields");
    /* Straight into the array: a copy of a structure just written costs more than parsing it. */
    f->name = (struct str){ from, n };
    f->value = trimmed(from + n + 1, value_end);
    p->head.field_count++;
    return take_known(p, f);
}

static int all_fields(struct parse *p)
{
    int rc = 0;

    while (rc == 0) {
        if (p->at == p->end)
            return ERR_MORE;
        if (*p->at == '\r')
            return line_end(p);
        rc = field(p);
    }
    return rc;
}

/* What the fields mean together. RFC 9112, 6.1 and 6.3, 9.3. */
static int combine(struct parse *p)
{
    struct http1_head *h = &p->head;

    if (p->chunked && h->http10)
        return refuse(p, 400, "Transfer-Encoding in an HTTP/1.0 message");
    if (p->coding_count > 0 && h->has_length)
        return refuse(p, 400, "both Content-Length and Transfer-Encoding");
    if (p->chunked)
        h->framing = HTTP1_CHUNKED;
    else if (h->content_length > 0)
        h->framing = HTTP1_LENGTH;
    h->keep_alive = !p->close && (!h->http10 || p->keep);
    h->upgrade = p->upgrade_token && p->upgrade_field && !h->http10;
    if (h->http10)
        h->expect_continue = false; /* RFC 9110, 10.1.1 */
    return 0;
}

static int combine_request(struct parse *p)
{
    int rc = combine(p);

    if (rc)
        return rc;
    if (p->host_count == 0 && !p->head.http10)
        return refuse(p, 400, "Host is missing");
    return 0;
}

/* RFC 9112, 6.3. */
static int combine_response(struct parse *p, enum http_method asked)
{
    struct http1_head *h = &p->head;
    int rc = combine(p);

    if (rc)
        return rc;
    if (asked == HTTP_HEAD || h->status < 200 || h->status == 204 || h->status == 304) {
        if (p->chunked && (h->status < 200 || h->status == 204))
            return refuse(p, 502, "Transfer-Encoding in an answer that has no body");
        h->framing = HTTP1_NO_BODY;
        return 0;
    }
    if (!p->chunked && !h->has_length) {
        h->framing = HTTP1_UNTIL_CLOSE;
        h->keep_alive = false;
    }
    return 0;
}

/* ---- incomplete heads ---- */

/* Looks at the new bytes only: 0 when parsing is worth it (the first line or the empty line is
 * there), ERR_MORE, or refused. */
static int scan_more(struct str in, struct http1_scan *scan, struct wire_why *why)
{
    size_t at = scan->at;

    while (at < in.n) {
        const char *lf = memchr(in.p + at, '\n', in.n - at);
        size_t i;

        if (!lf)
            break;
        i = (size_t)(lf - in.p);
        if (i == 0 || in.p[i - 1] != '\r')
            return wire_refuse(why, 400, i, "a line ends with a bare LF");
        if (!scan->line || (i >= 3 && in.p[i - 2] == '\n')) {
            scan->line = true; /* a bad first line is refused as soon as it is there */
            return 0;
        }
        at = i + 1;
    }
    scan->at = in.n;
    return ERR_MORE;
}

/* Too long without an end? Says which part it is. */
static int still_incomplete(struct str in, size_t head_max, bool request, struct wire_why *why)
{
    if (in.n < head_max)
        return ERR_MORE;
    if (request && memchr(in.p, '\n', in.n) == NULL)
        return wire_refuse(why, 414, head_max, "the request line is too long");
    return wire_refuse(why, 431, head_max, "the header fields are too long");
}

static int read_head(struct parse *p, struct str in, struct http1_scan *scan, bool request)
{
    int rc;

    if (scan->at > 0) {
        rc = scan_more(in, scan, p->why);
        if (rc == ERR_MORE)
            return still_incomplete(in, p->limits->head_max, request, p->why);
        if (rc)
            return rc;
    }
    if (request && in.n > 0 && in.p[0] == '\r') {
        rc = line_end(p); /* RFC 9112, 2.2: one empty line before the request line */
        if (rc == 0 && p->at < p->end && *p->at == '\r')
            rc = refuse(p, 400, "empty lines before the request");
    } else {
        rc = 0;
    }
    if (rc == 0)
        rc = p->at == p->end ? ERR_MORE : request ? request_line(p) : status_line(p);
    if (rc == 0)
        rc = all_fields(p);
    if (rc == 0 && (size_t)(p->at - p->start) > p->limits->head_max)
        return wire_refuse(p->why, 431, p->limits->head_max, "the header fields are too long");
    if (rc == ERR_MORE) {
        scan->at = in.n;
        return still_incomplete(in, p->limits->head_max, request, p->why);
    }
    return rc;
}

static struct parse parse_init(struct str in, const struct http1_limits *limits,
                               struct http1_field *fields, struct wire_why *why)
{
    struct parse p;

    /* Not `= { 0 }`: this runs for every request, and the fields are written as they come. */
    memset(&p, 0, sizeof(p));
    p.start = p.at = in.p;
    p.end = in.p + in.n;
    p.limits = limits;
    p.fields = fields;
    p.why = why;
    return p;
}

int http1_read_request(struct str in, struct http1_scan *scan, const struct http1_limits *limits,
                       struct http1_field *fields, struct http1_head *out, size_t *out_used,
                       struct wire_why *why)
{
    struct parse p;
    int rc;

    if (in.n == 0)
        return ERR_MORE;
    p = parse_init(in, limits, fields, why);
    rc = read_head(&p, in, scan, true);
    if (rc == 0)
        rc = combine_request(&p);
    if (rc)
        return rc;
    *out = p.head;
    *out_used = (size_t)(p.at - p.start);
    *scan = (struct http1_scan){ 0 };
    return 0;
}

int http1_read_response(struct str in, enum http_method asked, struct http1_scan *scan,
                        const struct http1_limits *limits, struct http1_field *fields,
                        struct http1_head *out, size_t *out_used, struct wire_why *why)
{
    struct parse p;
    int rc;

    if (in.n == 0)
        return ERR_MORE;
    p = parse_init(in, limits, fields, why);
    rc = read_head(&p, in, scan, false);
    if (rc == 0)
        rc = combine_response(&p, asked);
    if (rc)
        return rc;
    *out = p.head;
    *out_used = (size_t)(p.at - p.start);
    *scan = (struct http1_scan){ 0 };
    return 0;
}

/* ---- fields ---- */
bool http1_is_value(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (ends_value(s.p[i]))
            return false;
    return true;
}

const struct http1_field *http1_find(const struct http1_field *fields, size_t count,
                                     struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(fields[i].name, name))
            return &fields[i];
    return NULL;
}

bool http1_list_has(const struct http1_field *fields, size_t count, struct str name,
                    struct str token)
{
    for (size_t i = 0; i < count; i++) {
        struct str rest = fields[i].value;

        if (!str_eq_nocase(fields[i].name, name))
            continue;
        while (rest.p)
            if (str_eq_nocase(str_trim(str_cut(&rest, ',')), token))
                return true;
    }
    return false;
}

const char *http1_repeated(const struct http1_field *fields, size_t count)
{
    static const struct {
        const char *shown;
        struct str name;
    } once[] = {
        { "Content-Type", { "content-type", 12 } },
        { "Content-Encoding", { "content-encoding", 16 } },
        { "Authorization", { "authorization", 13 } },
        { "Origin", { "origin", 6 } },
        { "Sec-WebSocket-Key", { "sec-websocket-key", 17 } },
        { "Sec-WebSocket-Version", { "sec-websocket-version", 21 } },
    };
    unsigned seen = 0;

    for (size_t i = 0; i < count; i++) {
        for (unsigned k = 0; k < COUNT_OF(once); k++) {
            if (fields[i].name.n != once[k].name.n || !is_named(&fields[i], once[k].name.p))
                continue;
            if (seen & 1u << k)
                return once[k].shown;
            seen |= 1u << k;
        }
    }
    return NULL;
}

/* ---- small texts ---- */
const char *http1_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        { 100, "Continue" },
        { 101, "Switching Protocols" },
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 206, "Partial Content" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 303, "See Other" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 411, "Length Required" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 416, "Range Not Satisfiable" },
        { 417, "Expectation Failed" },
        { 421, "Misdirected Request" },
        { 422, "Unprocessable Content" },
        { 426, "Upgrade Required" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
        { 507, "Insufficient Storage" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Unknown";
}

static void two_digits(char *out, int64_t v)
{
    out[0] = (char)('0' + v / 10 % 10);
    out[1] = (char)('0' + v % 10);
}

void http1_date(int64_t seconds, char out[HTTP1_DATE_LEN + 1])
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
    int64_t day, of_day, era, year, doe, doy, month;

    if (seconds < 0)
        seconds = 0;
    day = seconds / 86400;
    of_day = seconds % 86400;
    /* Civil date from days, counting years from March so that a leap day comes last. */
    era = (day + 719468) / 146097;
    doe = (day + 719468) % 146097;
    year = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * year + year / 4 - year / 100);
    month = (5 * doy + 2) / 153;
    year += era * 400 + (month >= 10);
    memcpy(out, "xxx, 00 xxx 0000 00:00:00 GMT", HTTP1_DATE_LEN + 1);
    memcpy(out, days + day % 7 * 3, 3);
    two_digits(out + 5, doy - (153 * month + 2) / 5 + 1);
    memcpy(out + 8, months + month * 3, 3);
    two_digits(out + 12, year / 100);
    two_digits(out + 14, year % 100);
    two_digits(out + 17, of_day / 3600);
    two_digits(out + 20, of_day / 60 % 60);
    two_digits(out + 23, of_day % 60);
}
