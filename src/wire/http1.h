#ifndef WIRE_HTTP1_H
#define WIRE_HTTP1_H
/*
 * HTTP/1.0 and 1.1 messages (RFC 9112, semantics RFC 9110), strictly: what two readers could take
 * in two ways is refused, never repaired. Pure; results are views into the input.
 * wire_why.code is the HTTP status to answer (400, 413, 414, 417, 431, 501, 505).
 */
#include "base/str.h"
#include "wire/why.h"

struct buf;

enum http_method {
    HTTP_OTHER, /* a well-formed token that is none of these */
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_CONNECT,
    HTTP_TRACE,
};
#define HTTP_METHOD_COUNT (HTTP_TRACE + 1)
/* "GET"; "" for HTTP_OTHER. */
const char *http1_method_name(enum http_method m);
enum http_method http1_method(struct str name);

struct http1_field {
    struct str name;  /* a token, in the sender's case */
    struct str value; /* without white space at both ends; may be empty */
};

enum http1_framing {
    HTTP1_NO_BODY,
    HTTP1_LENGTH,      /* content_length bytes follow, more than 0 */
    HTTP1_CHUNKED,     /* for http1_chunked_next() */
    HTTP1_UNTIL_CLOSE, /* responses only */
};

struct http1_head {
    /* requests */
    enum http_method method;
    struct str method_text, target, host;
    bool expect_continue;
    /* responses */
    unsigned status;
    struct str reason;
    /* both */
    bool http10;     /* HTTP/1.0, else 1.1 */
    bool keep_alive; /* by version and Connection */
    bool upgrade;    /* Connection names upgrade and there is an Upgrade field (1.1 only) */
    bool has_length; /* there was a Content-Length field */
    enum http1_framing framing;
    uint64_t content_length;
    size_t field_count; /* in the caller's array */
};

/* How far a head that was incomplete has been looked at. Zero before each head. */
struct http1_scan {
    size_t at;
    bool line; /* the first line was whole when it was looked at */
};
struct http1_limits {
    size_t head_max;   /* bytes with the empty line */
    size_t fields_max; /* room in the caller's array */
};

/* One whole head at the start of `in`: 0 with *out, fields[0..out->field_count) and *out_used set.
 * ERR_MORE: call again with the same start and more bytes (n calls cost O(bytes), not O(n²)).
 * ERR_PROTO: refused; answer why->code and close. One CRLF before a request line is skipped. */
MUST_USE int http1_read_request(struct str in, struct http1_scan *scan,
                                const struct http1_limits *limits, struct http1_field *fields,
                                struct http1_head *out, size_t *out_used, struct wire_why *why);
/* As above for a response to a request of method `asked`, which decides whether a body follows. */
MUST_USE int http1_read_response(struct str in, enum http_method asked, struct http1_scan *scan,
                                 const struct http1_limits *limits, struct http1_field *fields,
                                 struct http1_head *out, size_t *out_used, struct wire_why *why);

/* The first field of that name (any case), or NULL. */
const struct http1_field *http1_find(const struct http1_field *fields, size_t count,
                                     struct str name);
/* True when a comma-separated list of all fields of that name holds the token (any case). */
bool http1_list_has(const struct http1_field *fields, size_t count, struct str name,
                    struct str token);
/* The name of a field that may stand once only (Host and the framing fields are checked before:
 * Content-Type, Content-Encoding, Authorization, Origin, Sec-WebSocket-Key and -Version) and is
 * repeated, or NULL: which of the two would count is for two readers to disagree about. */
const char *http1_repeated(const struct http1_field *fields, size_t count);
bool http1_is_token(struct str s);
/* Visible characters, space, tab and bytes from 0x80 on. */
bool http1_is_value(struct str s);

/* ---- chunked transfer coding (RFC 9112, 7.1) ---- */
struct http1_chunked {
    unsigned char state;
    unsigned char digits;
    uint64_t left;     /* of the chunk */
    uint64_t overhead; /* bytes of extensions and trailers so far; capped */
    bool done;         /* the last chunk and the trailers were read */
};
void http1_chunked_init(struct http1_chunked *c);
/* Works through some of `in`: *out_used bytes, of which *out_data (may be empty) is content. Call
 * again with the rest until it is empty or c->done. Trailer fields are checked and dropped.
 * ERR_PROTO: refused; the connection cannot be used any more. */
MUST_USE int http1_chunked_next(struct http1_chunked *c, struct str in, struct str *out_data,
                                size_t *out_used, struct wire_why *why);
/* What goes in front of a chunk of n > 0 bytes; the chunk is then followed by CRLF. */
#define HTTP1_CHUNK_HEAD_MAX 20
size_t http1_chunk_head(size_t n, char out[HTTP1_CHUNK_HEAD_MAX]);
#define HTTP1_LAST_CHUNK "0\r\n\r\n"

/* "Not Found"; "Unknown" for a status without a row. */
const char *http1_reason(int status);
/* IMF-fixdate (RFC 9110, 5.6.7) of UTC seconds: "Sun, 06 Nov 1994 08:49:37 GMT". */
#define HTTP1_DATE_LEN 29
void http1_date(int64_t seconds, char out[HTTP1_DATE_LEN + 1]);

#endif
