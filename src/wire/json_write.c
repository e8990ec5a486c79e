/*
 * The JSON writer. Everything the program says in JSON goes through here, so escaping is in one
 * place: invalid UTF-8 becomes U+FFFD, control characters and what could end a script element are
 * escaped. The order of calls is checked with assert: a wrong one is our own mistake. Numbers read
 * back as they were; what JSON cannot say (NaN, infinities) is null.
 */
#include "wire/json.h"

#include "base/rfc3339.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct json_writer json_writer_init(struct buf *out)
{
    return (struct json_writer){ .out = out };
}

/* Before each value: the comma, and that a value may stand here. */
static void before(struct json_writer *w)
{
    uint64_t bit = UINT64_C(1) << (w->depth & 63);

    if (w->after_key) {
        w->after_key = false;
        return;
    }
    assert(!(w->objects & bit) || w->depth == 0); /* in an object a key comes first */
    if (w->filled & bit) {
        assert(w->depth > 0); /* one value only at the top */
        buf_u8(w->out, ',');
    }
    w->filled |= bit;
}

static void begin(struct json_writer *w, char bracket, bool object)
{
    uint64_t bit;

    before(w);
    buf_u8(w->out, (uint8_t)bracket);
    w->depth++;
    assert(w->depth < JSON_WRITE_DEPTH_MAX);
    bit = UINT64_C(1) << w->depth;
    w->filled &= ~bit;
    w->objects = object ? w->objects | bit : w->objects & ~bit;
}

static void end(struct json_writer *w, char bracket, bool object)
{
    assert(w->depth > 0 && !w->after_key);
    assert(((w->objects >> w->depth) & 1) == object);
    w->depth--;
    buf_u8(w->out, (uint8_t)bracket);
}

void json_begin_object(struct json_writer *w)
{
    begin(w, '{', true);
}

void json_end_object(struct json_writer *w)
{
    end(w, '}', true);
}

void json_begin_array(struct json_writer *w)
{
    begin(w, '[', false);
}

void json_end_array(struct json_writer *w)
{
    end(w, ']', false);
}

/* Length of the well-formed sequence at the start of s, or 0. */
static size_t utf8_len(struct str s)
{
    unsigned char c = (unsigned char)s.p[0];
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    return n <= s.n && utf8_valid((struct str){ s.p, n }) ? n : 0;
}

static void escape(struct buf *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };
    const char *at = strchr("\"\"\\\\\bb\ff\nn\rr\tt", c); /* pairs: character, letter */

    if (c != '\0' && at && (c < 0x20 || c == '"' || c == '\\')) {
        text[1] = at[1];
        buf_put_bytes(out, text, 2);
        return;
    }
    buf_put_bytes(out, text, 6);
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static void put_string(struct buf *out, struct str s)
{
    buf_u8(out, '"');
    while (s.n > 0) {
        size_t n = 0;

        while (n < s.n && is_plain((unsigned char)s.p[n]))
            n++;
        buf_put_bytes(out, s.p, n);
        s = str_skip(s, n);
        if (s.n == 0)
            break;
        if ((unsigned char)s.p[0] < 0x80) {
            escape(out, (unsigned char)s.p[0]);
            s = str_skip(s, 1);
            continue;
        }
        n = utf8_len(s);
        if (n == 3 && memcmp(s.p, "\xe2\x80", 2) == 0 && ((unsigned char)s.p[2] & 0xfe) == 0xa8)
            buf_printf(out, "\\u202%d", (unsigned char)s.p[2] & 0x0f);
        else if (n > 0)
            buf_put_bytes(out, s.p, n);
        else
            buf_put(out, STR("\xef\xbf\xbd")); /* U+FFFD for each byte that fits nowhere */
        s = str_skip(s, n > 0 ? n : 1);
    }
    buf_u8(out, '"');
}

void json_key_str(struct json_writer *w, struct str name)
{
    uint64_t bit = UINT64_C(1) << w->depth;

    assert(w->depth > 0 && (w->objects & bit) && !w->after_key);
    if (w->filled & bit)
        buf_u8(w->out, ',');
    w->filled |= bit;
    put_string(w->out, name);
    buf_u8(w->out, ':');
    w->after_key = true;
}

void json_key(struct json_writer *w, const char *name)
{
    json_key_str(w, str_of(name));
}

void json_str(struct json_writer *w, struct str s)
{
    before(w);
    put_string(w->out, s);
}

void json_text(struct json_writer *w, const char *zero_terminated)
{
    if (zero_terminated)
        json_str(w, str_of(zero_terminated));
    else
        json_nil(w);
}

void json_printf(struct json_writer *w, const char *fmt, ...)
{
    struct buf text = buf_init(w->out->max);
    va_list ap;
    int n;
    char *to;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    to = buf_reserve(&text, (size_t)n + 1);
    if (to) {
        va_start(ap, fmt);
        vsnprintf(to, (size_t)n + 1, fmt, ap);
        va_end(ap);
        json_str(w, (struct str){ to, (size_t)n });
    } else {
        w->out->over = true;
    }
    buf_fini(&text);
}

void json_i64(struct json_writer *w, int64_t v)
{
    before(w);
    buf_printf(w->out, "%" PRId64, v);
}

void json_u64(struct json_writer *w, uint64_t v)
{
    before(w);
    buf_printf(w->out, "%" PRIu64, v);
}

void json_double(struct json_writer *w, double v)
{
    char text[40];

    if (!isfinite(v)) {
        json_nil(w);
        return;
    }
    before(w);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (memcmp(&(double){ strtod(text, NULL) }, &v, sizeof(v)) == 0)
            break;
    }
    /* "-0" would be read back as the whole number 0. */
    buf_put(w->out, strcmp(text, "-0") == 0 ? STR("-0.0") : str_of(text));
}

void json_bool(struct json_writer *w, bool v)
{
    before(w);
    buf_put(w->out, v ? STR("true") : STR("false"));
}

void json_nil(struct json_writer *w)
{
    before(w);
    buf_put(w->out, STR("null"));
}

void json_time(struct json_writer *w, int64_t ns)
{
    char text[RFC3339_SIZE];
    size_t n = rfc3339_format(ns, text);

    json_str(w, (struct str){ text, n });
}

void json_raw(struct json_writer *w, struct str json)
{
    before(w);
    buf_put(w->out, json);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_u64(w, v);
}

void json_put_bool(struct json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_bool(w, v);
}

/* Depth is limited by the writer; values that were read are limited by json_parse. */
void json_value(struct json_writer *w, const struct json_t *v)
{
    const struct json_t *member;
    const char *name;
    void *at = NULL;

    switch (json_kind(v)) {
    case JSON_KIND_NULL:
        json_nil(w);
        break;
    case JSON_KIND_BOOL:
        json_bool(w, json_to_bool(v));
        break;
    case JSON_KIND_INTEGER:
        json_i64(w, json_to_i64(v));
        break;
    case JSON_KIND_REAL:
        json_double(w, json_to_double(v));
        break;
    case JSON_KIND_STRING:
        json_str(w, json_to_str(v));
        break;
    case JSON_KIND_ARRAY:
        json_begin_array(w);
        for (size_t i = 0; i < json_count(v); i++)
            json_value(w, json_element(v, i));
        json_end_array(w);
        break;
    case JSON_KIND_OBJECT:
        json_begin_object(w);
        while (json_next_member(v, &at, &name, &member)) {
            json_key(w, name);
            json_value(w, member);
        }
        json_end_object(w);
        break;
    }
}
