/*
 * Heads of answers, the bodies of errors, and the credentials of Basic authentication.
 *
 * Every answer forbids sniffing of its type. HTML also gets a policy that lets it load and call
 * only this server and be framed by nobody, so that injected markup finds nothing to talk to.
 * Answers are not stored by caches unless their handler says otherwise.
 */
#include "http/answer.h"

#include <assert.h>
#include <stdio.h>

/* style-src: charts set sizes through style attributes. */
#define HTML_FIELDS                                                                                \
    "Content-Security-Policy: default-src 'self'; img-src 'self' data: blob:; "                    \
    "style-src 'self' 'unsafe-inline'; connect-src 'self'; object-src 'none'; base-uri 'none'; "   \
    "form-action 'self'; frame-ancestors 'none'\r\n"                                               \
    "X-Frame-Options: DENY\r\n"                                                                    \
    "Referrer-Policy: same-origin\r\n"

void answer_field(struct buf *extra, const char *name, struct str value)
{
    assert(http1_is_token(str_of(name)) && http1_is_value(value));
    buf_put(extra, str_of(name));
    buf_put(extra, STR(": "));
    buf_put(extra, value);
    buf_put(extra, STR("\r\n"));
}

static void put_u64(struct buf *out, uint64_t v)
{
    char text[20];
    size_t at = sizeof(text);

    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_put_bytes(out, text + at, sizeof(text) - at);
}

void answer_head(struct buf *out, const struct answer_head *h)
{
    buf_put(out, STR("HTTP/1.1 "));
    put_u64(out, (uint64_t)h->status);
    buf_u8(out, ' ');
    buf_put(out, str_of(http1_reason(h->status)));
    buf_put(out, STR("\r\nServer: wayside\r\nDate: "));
    buf_put_bytes(out, h->date, HTTP1_DATE_LEN);
    if (h->type) {
        buf_put(out, STR("\r\nContent-Type: "));
        buf_put(out, str_of(h->type));
    }
    if (h->has_length) {
        buf_put(out, STR("\r\nContent-Length: "));
        put_u64(out, h->length);
    }
    if (h->chunked)
        buf_put(out, STR("\r\nTransfer-Encoding: chunked"));
    if (h->close)
        buf_put(out, STR("\r\nConnection: close"));
    else if (h->keep_alive_10)
        buf_put(out, STR("\r\nConnection: keep-alive"));
    if (h->status >= 200 && !h->cache)
        buf_put(out, STR("\r\nCache-Control: no-store"));
    buf_put(out, STR("\r\nX-Content-Type-Options: nosniff\r\n"));
    if (h->type && str_starts(str_of(h->type), STR("text/html")))
        buf_put(out, STR(HTML_FIELDS));
    buf_put(out, h->extra);
    buf_put(out, STR("\r\n"));
}

const char *answer_error_type(bool older)
{
    return older ? "application/json" : "application/problem+json";
}

static void problem(struct json_writer *w, int status, struct str text)
{
    json_begin_object(w);
    json_key(w, "title");
    json_text(w, http1_reason(status));
    json_key(w, "status");
    json_i64(w, status);
    json_key(w, "detail");
    json_str(w, text);
}

void answer_error(struct buf *out, bool older, int status, struct str text)
{
    struct json_writer w = json_writer_init(out);

    if (older) {
        json_begin_object(&w);
        json_key(&w, "detail");
        json_str(&w, text);
    } else {
        problem(&w, status, text);
    }
    json_end_object(&w);
}

static void invalid_older(struct json_writer *w, const char *in, const struct field_error *e)
{
    json_begin_object(w);
    json_key(w, "loc");
    json_begin_array(w);
    json_text(w, in);
    if (e->field[0])
        json_text(w, e->field);
    json_end_array(w);
    json_key(w, "msg");
    json_text(w, e->text);
    json_key(w, "type");
    json_text(w, e->type);
    json_end_object(w);
}

static void invalid(struct json_writer *w, const char *in, const struct field_error *e)
{
    json_begin_object(w);
    json_key(w, "in");
    json_text(w, in);
    json_key(w, "field");
    json_text(w, e->field);
    json_key(w, "detail");
    json_text(w, e->text);
    json_key(w, "type");
    json_text(w, e->type);
    json_end_object(w);
}

void answer_invalid(struct buf *out, bool older, const char *in, const struct field_error *errors,
                    size_t count)
{
    struct json_writer w = json_writer_init(out);
    char text[160] = "the request is not valid";

    if (count > 0 && errors[0].field[0])
        snprintf(text, sizeof(text), "%s: %s", errors[0].field, errors[0].text);
    else if (count > 0)
        snprintf(text, sizeof(text), "the %s %s", in, errors[0].text);
    if (older) {
        json_begin_object(&w);
        json_key(&w, "detail");
    } else {
        problem(&w, 422, str_of(text));
        json_key(&w, "errors");
    }
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        (older ? invalid_older : invalid)(&w, in, &errors[i]);
    json_end_array(&w);
    json_end_object(&w);
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648, 4: with its padding, and no bits behind the end. */
static int base64_decode(struct str s, char *out, size_t *out_n)
{
    unsigned held = 0, bits = 0;
    size_t pad = str_ends(s, STR("==")) ? 2 : str_ends(s, STR("=")) ? 1 : 0, n = 0;

    if (s.n % 4 != 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < s.n - pad; i++) {
        int digit = base64_digit(s.p[i]);

        if (digit < 0)
            return ERR_SYNTAX;
        held = held << 6 | (unsigned)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (char)(held >> bits & 0xff);
        }
    }
    if (held & ((1u << bits) - 1))
        return ERR_SYNTAX;
    *out_n = n;
    return 0;
}

int answer_basic(struct str value, char *out, struct str *out_user, struct str *out_password)
{
    struct str text, scheme = str_cut(&value, ' ');
    size_t n = 0, colon;

    if (!str_eq_nocase(scheme, STR("Basic")) || base64_decode(str_trim(value), out, &n) != 0)
        return ERR_SYNTAX;
    text = (struct str){ out, n };
    colon = str_find(text, ':');
    if (colon == n || !utf8_valid_mqtt(text))
        return ERR_SYNTAX;
    *out_user = str_sub(text, 0, colon);
    *out_password = str_skip(text, colon + 1);
    return 0;
}
