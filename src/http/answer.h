#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H
/* How answers look: their heads and the bodies of errors. Pure. */
#include "base/buf.h"
#include "wire/http1.h"
#include "wire/json.h"

struct answer_head {
    int status;
    const char *type; /* NULL: no Content-Type */
    struct str extra; /* further fields, each with its CRLF */
    const char *date; /* IMF-fixdate */
    bool has_length;  /* Content-Length: length */
    uint64_t length;
    bool chunked;
    bool close;         /* Connection: close */
    bool keep_alive_10; /* Connection: keep-alive, which HTTP/1.0 wants to hear */
    bool cache;         /* the handler decided about caching; else Cache-Control: no-store */
};
void answer_head(struct buf *out, const struct answer_head *h);
/* Adds "name: value CRLF" to the fields of an answer. */
void answer_field(struct buf *extra, const char *name, struct str value);

/* problem+json (RFC 9457), or {"detail": text} when older. */
void answer_error(struct buf *out, bool older, int status, struct str text);
/* 422 with the fields: problem+json with "errors", or {"detail": [{loc, msg, type}]}. */
void answer_invalid(struct buf *out, bool older, const char *in, const struct field_error *errors,
                    size_t count);
/* Content type of an error. */
const char *answer_error_type(bool older);

/* user:password of "Basic …" (RFC 7617) decoded into out (room for value.n bytes). */
MUST_USE int answer_basic(struct str value, char *out, struct str *out_user,
                          struct str *out_password);

#endif
