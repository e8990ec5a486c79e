/* Heads of HTTP/1.x: every vector, in one piece and byte by byte, and what the fields mean. */
#include "wire/http1.h"

#include "unit/unit.h"

#include "unit/wire/vectors.h"

#include <stdlib.h>

static const struct http1_limits limits = { 8192, 100 };
static struct http1_field fields[100];

/* All of it: head, then a chunked body; every piece `step` bytes longer than the last. */
static int read_all(struct str in, size_t step, int *out_chunk, struct wire_why *why)
{
    struct http1_scan scan = { 0 };
    struct http1_head head;
    struct http1_chunked c;
    size_t used = 0, n = step < in.n ? step : in.n;
    int rc;

    *out_chunk = 0;
    while ((rc = http1_read_request(str_sub(in, 0, n), &scan, &limits, fields, &head, &used,
                                    why)) == ERR_MORE &&
           n < in.n)
        n = n + step < in.n ? n + step : in.n;
    if (rc || head.framing != HTTP1_CHUNKED)
        return rc;
    http1_chunked_init(&c);
    for (in = str_skip(in, used); in.n > 0 && !c.done && *out_chunk == 0; in = str_skip(in, used)) {
        struct str data;

        *out_chunk = http1_chunked_next(&c, str_sub(in, 0, step), &data, &used, why);
        if (*out_chunk == 0)
            assert_true(used > 0);
    }
    return 0;
}

static void one_vector(const struct vector *v)
{
    static const size_t steps[] = { 100000, 1, 7 };
    struct str in = buf_str(&v->bytes);

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct wire_why why = { 0 };
        int chunk, rc;
        unsigned long code = 0;

        /* A copy without a byte behind it, for the address sanitizer. */
        char *copy = malloc(in.n);
        memcpy(copy, in.p, in.n);
        rc = read_all((struct str){ copy, in.n }, steps[i], &chunk, &why);
        free(copy);
        if (vector_is(v, "bad-")) {
            code = strtoul(v->name + 4, NULL, 10);
            if (rc != ERR_PROTO || (unsigned long)why.code != code)
                fail_msg("%s, step %zu: %s, %d %s", v->name, steps[i], err_text(rc), why.code,
                         why.text ? why.text : "");
            continue;
        }
        if (vector_is(v, "badchunk-")) {
            if (rc != 0 || chunk != ERR_PROTO)
                fail_msg("%s, step %zu: accepted", v->name, steps[i]);
            continue;
        }
        if (rc != (vector_is(v, "more-") ? ERR_MORE : 0) || chunk != 0)
            fail_msg("%s, step %zu: %s, %s", v->name, steps[i], err_text(rc),
                     why.text ? why.text : "");
    }
}

static void vectors(void **state)
{
    (void)state;
    assert_true(vectors_each("http1", one_vector) > 100);
}

static struct http1_head head_of(const char *text, size_t *out_used)
{
    struct http1_scan scan = { 0 };
    struct http1_head head = { 0 };
    struct wire_why why = { 0 };

    if (http1_read_request(str_of(text), &scan, &limits, fields, &head, out_used, &why) != 0)
        fail_msg("%s", why.text);
    return head;
}

static void parts_of_a_request(void **state)
{
    static const char text[] = "POST /a?b HTTP/1.1\r\nHost: h:1\r\ncontent-LENGTH: 12\r\n"
                               "X-A:  v w \t\r\nx-a: u\r\nConnection: close\r\n\r\nrest";
    size_t used = 0;
    struct http1_head h = head_of(text, &used);

    (void)state;
    assert_int_equal(h.method, HTTP_POST);
    assert_str(h.method_text, "POST");
    assert_str(h.target, "/a?b");
    assert_str(h.host, "h:1");
    assert_int_equal(h.framing, HTTP1_LENGTH);
    assert_int_equal(h.content_length, 12);
    assert_false(h.keep_alive);
    assert_false(h.upgrade);
    assert_int_equal(h.field_count, 5);
    assert_str(str_skip(str_of(text), used), "rest");
    assert_str(http1_find(fields, h.field_count, STR("X-a"))->value, "v w");
    assert_null(http1_find(fields, h.field_count, STR("X-b")));
}

static void keep_alive_and_upgrade(void **state)
{
    static const struct {
        const char *text;
        bool keep, upgrade;
    } rows[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, false },
        { "GET / HTTP/1.0\r\n\r\n", false, false },
        { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: y, Close\r\n\r\n", false,
          false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n", false, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n", true, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", true, false },
        { "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", true, true },
        { "GET / HTTP/1.0\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t used;
        struct http1_head h = head_of(rows[i].text, &used);

        assert_int_equal(h.keep_alive, rows[i].keep);
        assert_int_equal(h.upgrade, rows[i].upgrade);
    }
}

static void lists(void **state)
{
    size_t used;
    struct http1_head h = head_of("GET / HTTP/1.1\r\nHost: a\r\nX: a, bc\r\nX: d\r\n\r\n", &used);

    (void)state;
    assert_true(http1_list_has(fields, h.field_count, STR("x"), STR("BC")));
    assert_true(http1_list_has(fields, h.field_count, STR("x"), STR("d")));
    assert_false(http1_list_has(fields, h.field_count, STR("x"), STR("b")));
}

/* Every byte at every place of a value, a target and a name, against the rules one by one. */
static void every_byte_everywhere(void **state)
{
    static const struct {
        const char *before, *after;
    } places[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\nX: y", "\r\n\r\n" },
        { "GET /", " HTTP/1.1\r\nHost: a\r\n\r\n" },
        { "GET / HTTP/1.1\r\nHost: a\r\nX", ": y\r\n\r\n" },
    };
    static const char tchars[] = "!#$%&'*+-.^_`|~";

    (void)state;
    for (unsigned place = 0; place < 3; place++)
        for (unsigned byte = 0; byte < 256; byte++)
            for (unsigned at = 0; at < 20; at++) {
                char text[200];
                size_t n = strlen(places[place].before), used;
                struct http1_scan scan = { 0 };
                struct http1_head h;
                bool alnum =
                    (byte >= '0' && byte <= '9') || ((byte | 32) >= 'a' && (byte | 32) <= 'z');
                bool ok[3] = { byte == '\t' || (byte >= 32 && byte != 127),
                               byte > 32 && byte < 127 && byte != '#',
                               alnum || (byte && strchr(tchars, (int)byte)) };
                int rc;

                memcpy(text, places[place].before, n);
                memset(text + n, 'z', 20);
                text[n + at] = (char)byte;
                n += 20;
                memcpy(text + n, places[place].after, strlen(places[place].after));
                n += strlen(places[place].after);
                rc = http1_read_request((struct str){ text, n }, &scan, &limits, fields, &h, &used,
                                        NULL);
                /* A space or a colon only moves a border: the line is then wrong or right otherwise. */
                if ((place == 1 && byte == ' ') || (place == 2 && byte == ':'))
                    continue;
                if (rc != (ok[place] ? 0 : ERR_PROTO))
                    fail_msg("place %u, byte %u at %u: %s", place, byte, at, err_text(rc));
            }
}

static void repeated_fields(void **state)
{
    size_t used;
    struct http1_head h =
        head_of("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\nOrigin: o\r\n\r\n", &used);

    (void)state;
    assert_null(http1_repeated(fields, h.field_count));
    h = head_of("GET / HTTP/1.1\r\nHost: a\r\nORIGIN: o\r\norigin: o\r\n\r\n", &used);
    assert_string_equal(http1_repeated(fields, h.field_count), "Origin");
}

/* A head that comes byte by byte must not cost n²: 64 KiB in single bytes within a moment. */
static void dribble_is_linear(void **state)
{
    static char text[65536];
    const struct http1_limits wide = { sizeof(text), 100 };
    struct http1_scan scan = { 0 };
    struct http1_head h;
    size_t used, n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nX: ");

    (void)state;
    memset(text + n, 'y', sizeof(text) - n);
    memcpy(text + sizeof(text) - 4, "\r\n\r\n", 4);
    for (n = 1; n < sizeof(text); n++)
        assert_int_equal(
            http1_read_request((struct str){ text, n }, &scan, &wide, fields, &h, &used, NULL),
            ERR_MORE);
    assert_int_equal(
        http1_read_request((struct str){ text, n }, &scan, &wide, fields, &h, &used, NULL), 0);
}

static void responses(void **state)
{
    static const struct {
        const char *text;
        enum http_method asked;
        int rc, framing;
        bool keep;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_GET, 0, HTTP1_LENGTH, true },
        { "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", HTTP_GET, 0, HTTP1_NO_BODY, true },
        { "HTTP/1.1 200 OK\r\n\r\n", HTTP_GET, 0, HTTP1_UNTIL_CLOSE, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", HTTP_HEAD, 0, HTTP1_NO_BODY, true },
        { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", HTTP_GET, 0, HTTP1_NO_BODY,
          true },
        { "HTTP/1.1 103 Early Hints\r\n\r\n", HTTP_GET, 0, HTTP1_NO_BODY, true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET, 0, HTTP1_CHUNKED,
          true },
        { "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET, ERR_PROTO, 0, false },
        { "HTTP/1.1 20 OK\r\n\r\n", HTTP_GET, ERR_PROTO, 0, false },
        { "HTTP/1.1 600 OK\r\n\r\n", HTTP_GET, ERR_PROTO, 0, false },
        { "HTTP/1.1 200\r\n\r\n", HTTP_GET, ERR_PROTO, 0, false },
        { "garbage", HTTP_GET, ERR_PROTO, 0, false },
        { "HTTP/1.1 200 OK\nA: b\n\n", HTTP_GET, ERR_PROTO, 0, false },
        { "HTTP/1.1 20", HTTP_GET, ERR_MORE, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http1_scan scan = { 0 };
        struct http1_head h = { 0 };
        size_t used;
        int rc = http1_read_response(str_of(rows[i].text), rows[i].asked, &scan, &limits, fields,
                                     &h, &used, NULL);

        if (rc != rows[i].rc)
            fail_msg("%s: %s", rows[i].text, err_text(rc));
        if (rc)
            continue;
        assert_int_equal(h.framing, rows[i].framing);
        assert_int_equal(h.keep_alive, rows[i].keep);
    }
}

static void names_and_reasons(void **state)
{
    (void)state;
    for (unsigned m = HTTP_GET; m < HTTP_METHOD_COUNT; m++)
        assert_int_equal(http1_method(str_of(http1_method_name((enum http_method)m))), m);
    assert_int_equal(http1_method(STR("get")), HTTP_OTHER);
    assert_string_equal(http1_reason(404), "Not Found");
    assert_string_equal(http1_reason(799), "Unknown");
}

static void dates(void **state)
{
    static const struct {
        int64_t s;
        const char *text;
    } rows[] = {
        { 0, "Thu, 01 Jan 1970 00:00:00 GMT" },
        { 784111777, "Sun, 06 Nov 1994 08:49:37 GMT" }, /* RFC 9110, 5.6.7 */
        { 951782400, "Tue, 29 Feb 2000 00:00:00 GMT" },
        { 1735689599, "Tue, 31 Dec 2024 23:59:59 GMT" },
        { 4102444800, "Fri, 01 Jan 2100 00:00:00 GMT" },
    };
    char text[HTTP1_DATE_LEN + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        http1_date(rows[i].s, text);
        assert_string_equal(text, rows[i].text);
    }
}

RUN(TEST(vectors), TEST(parts_of_a_request), TEST(keep_alive_and_upgrade), TEST(lists),
    TEST(repeated_fields), TEST(every_byte_everywhere), TEST(dribble_is_linear), TEST(responses),
    TEST(names_and_reasons), TEST(dates))
