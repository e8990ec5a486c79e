/* The whole engine over real sockets: phases, limits, errors, slow and vanishing clients. */
#include "unit/http/rig.h"

#include "base/clock.h"
#include "net/loop.h"

#include <assert.h>

#include <stdatomic.h>
#include <stdio.h>

/* ---- handlers ---- */

static void on_hello(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_add(r, "X-Test", STR("yes"));
    http_respond(r, 200, "text/plain", STR("hello"));
}

static void on_echo(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_respond(r, 200, "text/plain", http_body(r));
}

static void on_params(struct http_request *r, void *ctx)
{
    struct buf b = buf_init(1000);

    (void)ctx;
    buf_printf(&b, "%.*s %.*s %lld %d", STR_ARG(http_param_str(r, "id")),
               STR_ARG(http_param_str(r, "q")), (long long)http_param_i64(r, "limit", 100),
               http_param_bool(r, "all", false));
    http_respond_buf_take(r, 200, "text/plain", &b);
}

struct waiting {
    struct timer timer;
    struct http_request *r;
};

static void wait_is_over(struct timer *t)
{
    struct waiting *w = container_of(t, struct waiting, timer);

    http_respond(w->r, 200, "text/plain", http_is_gone(w->r) ? STR("gone") : STR("later"));
    mem_free(w);
}

static atomic_uint gone_count;

static void on_gone(struct http_request *r, void *ctx)
{
    (void)ctx;
    assert(http_is_gone(r));
    atomic_fetch_add(&gone_count, 1);
}

static void on_later(struct http_request *r, void *ctx)
{
    struct waiting *w = NEW(struct waiting);

    (void)ctx;
    w->r = r;
    http_on_gone(r, on_gone, NULL);
    timer_init(&w->timer, http_loop(r), wait_is_over);
    timer_start(&w->timer, 30);
}

static void on_pieces(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_start(r, 200, "text/plain");
    http_write(r, STR("one "));
    http_write(r, STR(""));
    http_write(r, STR("two"));
    http_end(r);
}

#define BIG ((size_t)6 * 1024 * 1024)

static void on_big(struct http_request *r, void *ctx)
{
    struct blob *b = blob_alloc(BIG);

    (void)ctx;
    for (size_t i = 0; i < BIG; i++)
        b->bytes[i] = (char)(i % 251);
    http_respond_blob(r, 200, "application/octet-stream", b);
    blob_unref(b);
}

/* 8 MiB in pieces, heeding back-pressure. */
struct flood {
    size_t left;
};

static void flood(struct http_request *r, void *ctx)
{
    static const char piece[16384];
    struct flood *f = ctx;

    while (f->left > 0) {
        f->left -= sizeof(piece);
        if (!http_write(r, (struct str){ piece, sizeof(piece) }) && f->left > 0)
            return;
    }
    mem_free(f);
    http_end(r);
}

static void on_flood(struct http_request *r, void *ctx)
{
    struct flood *f = NEW(struct flood);

    (void)ctx;
    f->left = 512 * 16384;
    http_start(r, 200, "application/octet-stream");
    http_on_drained(r, flood, f);
    flood(r, f);
}

static void on_abort(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_start(r, 200, "text/plain");
    http_write(r, STR("half"));
    http_abort(r);
}

static const struct http_param params[] = {
    { "id", HTTP_IN_PATH, HTTP_STRING, .most = 50, .charset = "a-zA-Z0-9_-" },
    { "q", HTTP_IN_QUERY, HTTP_STRING, .most = 20 },
    { "limit", HTTP_IN_QUERY, HTTP_INTEGER, .least = 1, .most = 1000 },
    { "all", HTTP_IN_QUERY, HTTP_BOOLEAN },
    { 0 },
};
static const struct http_route rows[] = {
    { HTTP_GET, "/hello", on_hello, .summary = "x" },
    { HTTP_POST, "/echo", on_echo, .body_max = 100000, .summary = "x" },
    { HTTP_POST, "/json", on_echo, .body_max = 100, .summary = "x",
      .flags = HTTP_BODY_JSON | HTTP_BODY_NEEDED | HTTP_STYLE_DETAIL },
    { HTTP_GET, "/p/{id}", on_params, params, .summary = "x" },
    { HTTP_GET, "/old/{id}", on_params, params, HTTP_STYLE_DETAIL, .summary = "x" },
    { HTTP_GET, "/later", on_later, .summary = "x" },
    { HTTP_GET, "/pieces", on_pieces, .summary = "x" },
    { HTTP_GET, "/big", on_big, .summary = "x" },
    { HTTP_GET, "/flood", on_flood, .summary = "x" },
    { HTTP_GET, "/abort", on_abort, .summary = "x" },
};

static const unsigned char page[] = "<p>page</p>";
static const struct http_static files[] = {
    { "/index.html", "text/html", page, page + 11, NULL, NULL, "\"abc\"", false },
};
static const char *const origins[] = { "https://panel.example.org", NULL };
static struct rig rig;

static int set_up(void **state)
{
    struct limits limits = limits_default();

    (void)state;
    limits.http_head_timeout_ms = 300;
    limits.http_body_timeout_ms = 300;
    limits.http_idle_timeout_ms = 600;
    limits.http_head_max_bytes = 4096;
    rig = rig_new(rows, COUNT_OF(rows), NULL,
                  &(struct http_server_options){ .name = "test",
                                                 .limits = &limits,
                                                 .origins = origins,
                                                 .files = files,
                                                 .file_count = 1,
                                                 .flags = HTTP_OPENAPI | HTTP_SPA });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

#define H     "Host: localhost\r\n"
#define CLOSE H "Connection: close\r\n\r\n"

/* ---- tests ---- */

static void one_request(void **state)
{
    struct str a = rig_ask(&rig, STR("GET /hello HTTP/1.1\r\n" CLOSE));

    (void)state;
    assert_true(str_starts(a, STR("HTTP/1.1 200 OK\r\n")));
    assert_has(a, "\r\nContent-Length: 5\r\n");
    assert_has(a, "\r\nConnection: close\r\n");
    assert_has(a, "\r\nX-Test: yes\r\n");
    assert_has(a, "\r\nX-Content-Type-Options: nosniff\r\n");
    assert_true(str_ends(a, STR("\r\n\r\nhello")));
}

static void head_has_the_length_and_no_body(void **state)
{
    struct str a = rig_ask(&rig, STR("HEAD /hello HTTP/1.1\r\n" CLOSE));

    (void)state;
    assert_has(a, "\r\nContent-Length: 5\r\n");
    assert_true(str_ends(a, STR("\r\n\r\n")));
    a = rig_ask(&rig, STR("HEAD /nothing.x HTTP/1.1\r\n" CLOSE));
    assert_has(a, " 404 ");
    assert_true(str_ends(a, STR("\r\n\r\n")));
    a = rig_ask(&rig, STR("HEAD /pieces HTTP/1.1\r\n" CLOSE));
    assert_true(str_ends(a, STR("\r\n\r\n")));
}

static void http10(void **state)
{
    struct str a = rig_ask(&rig, STR("GET /hello HTTP/1.0\r\n\r\n"));

    (void)state;
    assert_has(a, "\r\nConnection: close\r\n");
    assert_true(str_ends(a, STR("hello")));
    a = rig_ask(&rig, STR("GET /pieces HTTP/1.0\r\n\r\n"));
    assert_false(has(a, "chunked"));
    assert_true(str_ends(a, STR("\r\n\r\none two")));
    a = rig_ask(&rig, STR("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                          "GET /hello HTTP/1.0\r\n\r\n"));
    assert_has(a, "\r\nConnection: keep-alive\r\n");
    assert_has(str_skip(a, 100), "HTTP/1.1 200");
}

static void pipelined_answers_come_in_order(void **state)
{
    struct str a =
        rig_ask(&rig, STR("GET /later HTTP/1.1\r\n" H "\r\n"
                          "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc"
                          "GET /later HTTP/1.1\r\n" H "\r\n"
                          "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                          "2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
                          "GET /hello HTTP/1.1\r\n" CLOSE));
    static const char *const order[] = { "later", "abc", "later", "def", "hello" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        size_t end = str_find_str(a, STR("\r\n\r\n"));

        assert_true(str_starts(a, STR("HTTP/1.1 200")));
        a = str_skip(a, end + 4);
        assert_true(str_starts(a, str_of(order[i])));
        a = str_skip(a, strlen(order[i]));
    }
    assert_int_equal(a.n, 0);
}

static void byte_by_byte(void **state)
{
    const struct str request =
        STR("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
            "5;x=y\r\nhello\r\n0\r\nT: u\r\n\r\nGET /hello HTTP/1.1\r\n" CLOSE);
    struct buf b = buf_init(10000);
    int fd = rig_connect(&rig);

    (void)state;
    for (size_t i = 0; i < request.n; i++)
        rig_send(fd, str_sub(request, i, 1));
    assert_true(rig_read(fd, &b, NULL));
    assert_has(buf_str(&b), "\r\n\r\nhelloHTTP/1.1 200");
    close(fd);
    buf_fini(&b);
}

static void params_of_rows(void **state)
{
    struct str a;

    (void)state;
    a = rig_ask(&rig, STR("GET /p/pi-1?q=a+b%26&limit=7&all=true HTTP/1.1\r\n" CLOSE));
    assert_true(str_ends(a, STR("\r\n\r\npi-1 a b& 7 1")));
    a = rig_ask(&rig, STR("GET /p/pi-1 HTTP/1.1\r\n" CLOSE));
    assert_true(str_ends(a, STR("\r\n\r\npi-1  100 0")));
    a = rig_ask(&rig, STR("GET /p/x?limit=0&all=1&odd=1&limit=2 HTTP/1.1\r\n" CLOSE));
    assert_has(a, "HTTP/1.1 422 ");
    assert_has(a, "application/problem+json");
    assert_has(a, "\"field\":\"limit\"");
    assert_has(a, "\"field\":\"all\"");
    assert_has(a, "\"field\":\"odd\"");
    assert_has(a, "is given more than once");
    a = rig_ask(&rig, STR("GET /old/x?limit=0 HTTP/1.1\r\n" CLOSE));
    assert_has(a, "{\"detail\":[{\"loc\":[\"query\",\"limit\"]");
    a = rig_ask(&rig, STR("GET /p/a%20b HTTP/1.1\r\n" CLOSE));
    assert_has(a, "HTTP/1.1 422 ");
    a = rig_ask(&rig, STR("GET /p/x?q=%00 HTTP/1.1\r\n" CLOSE));
    assert_has(a, "HTTP/1.1 400 ");
}

static void errors_of_the_router(void **state)
{
    static const struct {
        const char *request, *status, *with;
    } cases[] = {
        { "GET /nothing.txt HTTP/1.1\r\n" CLOSE, "404", "problem+json" },
        { "PUT /hello HTTP/1.1\r\n" CLOSE, "405", "\r\nAllow: GET, HEAD, OPTIONS\r\n" },
        { "OPTIONS /echo HTTP/1.1\r\n" CLOSE, "204", "\r\nAllow: POST, OPTIONS\r\n" },
        { "OPTIONS * HTTP/1.1\r\n" CLOSE, "204", "" },
        { "GET * HTTP/1.1\r\n" CLOSE, "400", "" },
        { "BREW /hello HTTP/1.1\r\n" CLOSE, "501", "" },
        { "TRACE /hello HTTP/1.1\r\n" CLOSE, "501", "" },
        { "CONNECT h:1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "501", "" },
        { "GET /a/../hello HTTP/1.1\r\n" CLOSE, "400", "dot segment" },
        { "GET http://localhost/hello HTTP/1.1\r\n" CLOSE, "200", "hello" },
        { "GET http://other/hello HTTP/1.1\r\n" CLOSE, "400", "different servers" },
        { "GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400", "Host is repeated" },
        { "GET /hello HTTP/1.1\n\n", "400", "bare LF" },
        { "GET /hello HTTP/1.1\r\nOrigin: a\r\nOrigin: b\r\n" CLOSE, "400", "Origin is repeated" },
        { "GET /hello HTTP/2.0\r\n\r\n", "505", "" },
        { "\x16\x03\x01", "400", "" },
        { "POST / HTTP/1.1\r\n" CLOSE, "405", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str a = rig_ask(&rig, str_of(cases[i].request));

        if (!str_eq(str_sub(a, 9, 3), str_of(cases[i].status)) ||
            !has(a, "Content-Length") != (cases[i].status[0] == '2' && cases[i].status[1] == '0' &&
                                          cases[i].status[2] == '4'))
            fail_msg("%s: %.*s", cases[i].request, STR_ARG(a));
        assert_true(cases[i].with[0] == '\0' || has(a, cases[i].with));
    }
}

static void bodies(void **state)
{
    static const struct {
        const char *request, *status;
    } cases[] = {
        { "POST /json HTTP/1.1\r\n" H "Content-Type: application/json\r\nConnection: close\r\n"
          "Content-Length: 2\r\n\r\n{}",
          "200" },
        { "POST /json HTTP/1.1\r\n" H "Content-Type: text/plain\r\nConnection: close\r\n"
          "Content-Length: 2\r\n\r\n{}",
          "415" },
        { "POST /json HTTP/1.1\r\n" H "Content-Type: application/ld+json; a=b\r\nConnection: "
          "close\r\nContent-Length: 2\r\n\r\n{}",
          "200" },
        { "POST /json HTTP/1.1\r\n" CLOSE, "400" },
        { "POST /json HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
          "0\r\n\r\n",
          "400" },
        { "POST /json HTTP/1.1\r\n" H "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
          "415" },
        /* Refused before it is read: not a byte of the body was sent. */
        { "POST /json HTTP/1.1\r\n" H "Content-Length: 101\r\n\r\n", "413" },
        { "POST /json HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 101\r\n\r\n",
          "413" },
        { "GET /hello HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", "413" },
        { "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd", "400" },
        { "POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
          "400" },
    };
    char big[400] = "POST /json HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n70\r\n";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str a = rig_ask(&rig, str_of(cases[i].request));

        if (!str_eq(str_sub(a, 9, 3), str_of(cases[i].status)))
            fail_msg("%s: %.*s", cases[i].request, STR_ARG(a));
    }
    memset(big + strlen(big), 'x', 112);
    assert_has(rig_ask(&rig, str_of(big)), "HTTP/1.1 413 ");
}

static void expect_continue(void **state)
{
    struct buf b = buf_init(10000);
    int fd = rig_connect(&rig);

    (void)state;
    rig_send(fd, STR("POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\n"
                     "Connection: close\r\nContent-Length: 4\r\n\r\n"));
    assert_false(rig_read(fd, &b, "HTTP/1.1 100 Continue\r\n\r\n"));
    rig_send(fd, STR("body"));
    assert_true(rig_read(fd, &b, NULL));
    assert_true(str_ends(buf_str(&b), STR("\r\n\r\nbody")));
    close(fd);
    buf_fini(&b);
}

static void pieces_are_chunks(void **state)
{
    struct str a = rig_ask(&rig, STR("GET /pieces HTTP/1.1\r\n" CLOSE));

    (void)state;
    assert_has(a, "\r\nTransfer-Encoding: chunked\r\n");
    assert_false(has(a, "Content-Length"));
    assert_true(str_ends(a, STR("\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")));
    a = rig_ask(&rig, STR("GET /abort HTTP/1.1\r\n" H "\r\n"));
    assert_false(has(a, "0\r\n\r\n"));
}

static void large_answers(void **state)
{
    struct str a = rig_ask(&rig, STR("GET /big HTTP/1.1\r\n" CLOSE));
    size_t at = str_find_str(a, STR("\r\n\r\n")) + 4;

    (void)state;
    assert_int_equal(a.n - at, BIG);
    for (size_t i = 0; i < BIG; i += 997)
        assert_int_equal((unsigned char)a.p[at + i], i % 251);
    a = rig_ask(&rig, STR("GET /flood HTTP/1.1\r\n" CLOSE));
    assert_true(a.n > 512 * 16384);
    assert_true(str_ends(a, STR("\r\n0\r\n\r\n")));
}

/* A client that asks for much and reads nothing is cut, and nobody else suffers. */
static void a_client_that_does_not_read(void **state)
{
    int fd = rig_connect(&rig), small = 4096;
    uint64_t until = clock_mono_ns() / 1000000 + RIG_WAIT_MS;

    (void)state;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    for (int i = 0; i < 50; i++)
        rig_send(fd, STR("GET /big HTTP/1.1\r\n" H "\r\n"));
    assert_has(rig_ask(&rig, STR("GET /hello HTTP/1.1\r\n" CLOSE)), "hello");
    while (http_server_open_count(rig.server) > 0 && clock_mono_ns() / 1000000 < until)
        poll(NULL, 0, 5);
    assert_int_equal(http_server_open_count(rig.server), 0);
    close(fd);
}

static void slow_heads_and_bodies_are_ended(void **state)
{
    struct buf b = buf_init(10000);
    uint64_t began = clock_mono_ns() / 1000000;
    int fd = rig_connect(&rig), idle = rig_connect(&rig), body = rig_connect(&rig);

    (void)state;
    rig_send(body, STR("POST /echo HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nab"));
    for (int i = 0; i < 1000; i++) {
        struct pollfd p = { fd, POLLIN, 0 };

        /* A byte every 20 ms does not help: the whole head has its time. */
        if (send(fd, "G", 1, MSG_NOSIGNAL) != 1 || poll(&p, 1, 20) > 0)
            break;
    }
    assert_true(rig_read(fd, &b, NULL));
    assert_has(buf_str(&b), "HTTP/1.1 408 ");
    assert_true(clock_mono_ns() / 1000000 - began < 3000);
    buf_clear(&b);
    assert_true(rig_read(body, &b, NULL));
    assert_has(buf_str(&b), "HTTP/1.1 408 ");
    buf_clear(&b);
    assert_true(rig_read(idle, &b, NULL)); /* closed without a word */
    assert_int_equal(b.n, 0);
    close(fd);
    close(idle);
    close(body);
    buf_fini(&b);
}

static void a_client_that_vanishes(void **state)
{
    uint64_t until = clock_mono_ns() / 1000000 + RIG_WAIT_MS;
    struct linger reset = { 1, 0 };
    unsigned before = atomic_load(&gone_count);
    int fd = rig_connect(&rig);

    (void)state;
    rig_send(fd, STR("GET /later HTTP/1.1\r\n" H "\r\n"));
    poll(NULL, 0, 5);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    while (atomic_load(&gone_count) == before && clock_mono_ns() / 1000000 < until)
        poll(NULL, 0, 1);
    assert_int_equal(atomic_load(&gone_count), before + 1);
}

static void a_half_closed_client_gets_its_answer(void **state)
{
    struct buf b = buf_init(10000);
    int fd = rig_connect(&rig);

    (void)state;
    rig_send(fd, STR("GET /later HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H "\r\n"));
    shutdown(fd, SHUT_WR);
    assert_true(rig_read(fd, &b, NULL));
    assert_has(buf_str(&b), "later");
    assert_true(str_ends(buf_str(&b), STR("hello")));
    close(fd);
    buf_fini(&b);
}

static void too_long_heads(void **state)
{
    static char text[10000];
    size_t n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" H "X: ");

    (void)state;
    memset(text + n, 'x', sizeof(text) - n);
    assert_has(rig_ask(&rig, (struct str){ text, sizeof(text) }), "HTTP/1.1 431 ");
    memset(text, 'A', sizeof(text));
    memcpy(text, "GET /", 5);
    assert_has(rig_ask(&rig, (struct str){ text, sizeof(text) }), "HTTP/1.1 414 ");
}

static void too_many_parts_of_a_query(void **state)
{
    static char text[2000] = "GET /p/x?";

    (void)state;
    for (int i = 0; i < 300; i++)
        memcpy(text + strlen(text), "a&", 3);
    memcpy(text + strlen(text), " HTTP/1.1\r\n" CLOSE, sizeof(" HTTP/1.1\r\n" CLOSE));
    assert_has(rig_ask(&rig, str_of(text)), "HTTP/1.1 400 ");
}

static void hosts_and_origins(void **state)
{
    struct str a;

    (void)state;
    a = rig_ask(&rig,
                STR("GET /hello HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"));
    assert_has(a, "HTTP/1.1 403 ");
    assert_has(a, "not known as evil.example");
    a = rig_ask(&rig, STR("GET /hello HTTP/1.1\r\nOrigin: http://evil.example\r\n" CLOSE));
    assert_has(a, "HTTP/1.1 403 ");
    assert_false(has(a, "Access-Control-Allow-Origin"));
    a = rig_ask(&rig, STR("GET /hello HTTP/1.1\r\nOrigin: https://panel.example.org\r\n" CLOSE));
    assert_has(a, "\r\nAccess-Control-Allow-Origin: https://panel.example.org\r\n");
    a = rig_ask(&rig, STR("OPTIONS /echo HTTP/1.1\r\nOrigin: https://panel.example.org\r\n"
                          "Access-Control-Request-Method: POST\r\n" CLOSE));
    assert_has(a, "\r\nAccess-Control-Allow-Methods: POST, OPTIONS\r\n");
}

static void files_of_the_binary(void **state)
{
    struct str a = rig_ask(&rig, STR("GET /some/page HTTP/1.1\r\nAccept: text/html,*/*\r\n" CLOSE));

    (void)state;
    assert_true(str_ends(a, STR("<p>page</p>")));
    assert_has(a, "\r\nContent-Security-Policy: default-src 'self'");
    assert_has(a, "\r\nETag: \"abc\"\r\n");
    a = rig_ask(&rig, STR("GET /some/page HTTP/1.1\r\nAccept: */*\r\n" CLOSE));
    assert_has(a, "HTTP/1.1 404 ");
    a = rig_ask(&rig, STR("GET /api/v1/typo HTTP/1.1\r\nAccept: text/html\r\n" CLOSE));
    assert_has(a, "HTTP/1.1 404 ");
    a = rig_ask(&rig, STR("GET / HTTP/1.1\r\nIf-None-Match: \"abc\"\r\n" CLOSE));
    assert_has(a, "HTTP/1.1 304 ");
    assert_false(has(a, "Content-Length"));
    assert_true(str_ends(a, STR("\r\n\r\n")));
    a = rig_ask(&rig, STR("GET /openapi.json HTTP/1.1\r\n" CLOSE));
    assert_has(a, "\"/p/{id}\"");
}

static void counted(void **state)
{
    struct buf b = buf_init(1 << 20);
    uint64_t until = clock_mono_ns() / 1000000 + RIG_WAIT_MS;

    (void)state;
    rig_ask(&rig, STR("GET /p/xyz HTTP/1.1\r\n" CLOSE));
    while (http_server_open_count(rig.server) > 0 && clock_mono_ns() / 1000000 < until)
        poll(NULL, 0, 1);
    metrics_render(rig.metrics, &b);
    assert_has(buf_str(&b),
               "http_requests_total{method=\"GET\",endpoint=\"/p/{id}\",status=\"200\"}");
    assert_has(buf_str(&b), "http_request_duration_seconds_count");
    assert_has(buf_str(&b), "active_connections 0");
    buf_fini(&b);
}

/* ---- who asks: answers that come later, from an authz that counts how often it was asked ---- */

static atomic_uint logins;

struct thinking {
    struct timer timer;
    struct authz_login *login;
};

static void answer_login(struct timer *t)
{
    struct thinking *k = container_of(t, struct thinking, timer);
    struct authz_login *l = k->login;

    mem_free(k);
    if (str_eq(l->password, STR("open sesame")))
        l->done(l, 0, identity_new(ROLE_VIEWER, l->user));
    else
        l->done(l, ERR_REFUSED, NULL);
}

static int login_later(void *ctx, struct authz_login *l, struct identity **out_id)
{
    struct thinking *k;

    (void)ctx;
    atomic_fetch_add(&logins, 1);
    if (!l->has_user) {
        *out_id = identity_new(ROLE_ANONYMOUS, STR_NONE);
        return 0;
    }
    k = NEW(struct thinking);
    k->login = l;
    timer_init(&k->timer, l->loop, answer_login);
    timer_start(&k->timer, 5);
    return AUTHZ_LATER;
}

static int viewers_read(void *ctx, struct authz_check *c)
{
    (void)ctx;
    return c->who->role == ROLE_VIEWER && c->action == AUTHZ_HTTP_READ ? 0 : ERR_REFUSED;
}

static void cancel_login(void *ctx, struct authz_login *l)
{
    (void)ctx;
    (void)l;
}

static void cancel_check(void *ctx, struct authz_check *c)
{
    (void)ctx;
    (void)c;
}

static void credentials(void **state)
{
    static const struct authz authz = { NULL, login_later, viewers_read, cancel_login,
                                        cancel_check };
    struct limits limits = limits_default();
    struct rig g = rig_new(
        rows, COUNT_OF(rows), NULL,
        &(struct http_server_options){ .name = "auth", .limits = &limits, .authz = &authz });
    struct str a;

    (void)state;
    a = rig_ask(&g, STR("GET /hello HTTP/1.1\r\n" CLOSE));
    assert_has(a, "HTTP/1.1 401 ");
    assert_has(a, "\r\nWWW-Authenticate: Basic realm=");
    a = rig_ask(&g, STR("GET /hello HTTP/1.1\r\nAuthorization: Basic eDp3cm9uZw==\r\n" CLOSE));
    assert_has(a, "HTTP/1.1 401 ");
    a = rig_ask(&g, STR("GET /hello HTTP/1.1\r\nAuthorization: Bearer x\r\n" CLOSE));
    assert_has(a, "HTTP/1.1 401 ");
    atomic_store(&logins, 0);
#define SESAME "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"
    a = rig_ask(&g, STR("GET /hello HTTP/1.1\r\n" SESAME H "\r\n"
                        "GET /hello HTTP/1.1\r\n" SESAME H "\r\n"
                        "POST /echo HTTP/1.1\r\n" SESAME H "\r\n"
                        "GET /hello HTTP/1.1\r\n" CLOSE));
    assert_has(a, "hello");
    assert_has(a, "HTTP/1.1 403 ");
    assert_has(a, "HTTP/1.1 401 ");
    assert_int_equal(atomic_load(&logins), 2); /* once for the credentials, once without */
    rig_free(&g);
}

static void stopping_lets_requests_finish(void **state)
{
    struct limits limits = limits_default();
    struct rig g = rig_new(rows, COUNT_OF(rows), NULL,
                           &(struct http_server_options){ .name = "stop", .limits = &limits });
    struct buf b = buf_init(10000);
    int busy = rig_connect(&g), idle = rig_connect(&g);

    (void)state;
    rig_send(busy, STR("GET /hello HTTP/1.1\r\n" H "\r\n"));
    assert_false(rig_read(busy, &b, "\r\n\r\nhello"));
    rig_send(busy, STR("GET /later HTTP/1.1\r\n" H "\r\n"));
    poll(NULL, 0, 10);
    rig_free(&g);
    buf_clear(&b);
    assert_true(rig_read(busy, &b, NULL));
    assert_has(buf_str(&b), "\r\nConnection: close\r\n");
    assert_true(str_ends(buf_str(&b), STR("later")));
    buf_clear(&b);
    assert_true(rig_read(idle, &b, NULL));
    assert_int_equal(b.n, 0);
    close(busy);
    close(idle);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_request),
        TEST(head_has_the_length_and_no_body),
        TEST(http10),
        TEST(pipelined_answers_come_in_order),
        TEST(byte_by_byte),
        TEST(params_of_rows),
        TEST(errors_of_the_router),
        TEST(bodies),
        TEST(expect_continue),
        TEST(pieces_are_chunks),
        TEST(large_answers),
        TEST(a_client_that_does_not_read),
        TEST(slow_heads_and_bodies_are_ended),
        TEST(a_client_that_vanishes),
        TEST(a_half_closed_client_gets_its_answer),
        TEST(too_long_heads),
        TEST(too_many_parts_of_a_query),
        TEST(hosts_and_origins),
        TEST(files_of_the_binary),
        TEST(counted),
        TEST(credentials),
        TEST(stopping_lets_requests_finish),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
