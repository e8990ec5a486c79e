/* WebSockets over real sockets: handshake, messages, streams, closing, back-pressure. */
#include "unit/http/rig.h"

#include "base/clock.h"
#include "http/ws_server.h"
#include "wire/ws.h"

#include <stdio.h>

/* ---- what the server does with them ---- */

static void echo_message(void *ctx, struct ws *w, bool text, struct str bytes)
{
    (void)ctx;
    if (str_eq(bytes, STR("bye")))
        ws_close(w, 1000, 0);
    else if (text)
        ws_send_text(w, bytes);
    else
        ws_send_binary(w, bytes);
}

static void echo_closed(void *ctx, struct ws *w, int code)
{
    (void)w;
    (void)code;
    mem_free(ctx);
}

static const struct ws_handler echo_handler = { .message = echo_message, .closed = echo_closed };

static void echo_opened(void *ctx, struct ws *w, struct http_request *r)
{
    (void)ctx;
    (void)r;
    assert_int_equal(ws_identity(w)->role, ROLE_ANONYMOUS);
    ws_set(w, &echo_handler, mem_new(1), 1000);
}

/* Lines, echoed with their length: needs bytes to be kept across frames. */
static size_t line_data(void *ctx, struct ws *w, struct str bytes)
{
    size_t n = str_find(bytes, '\n');
    char text[32];
    struct blob *b;

    (void)ctx;
    if (n == bytes.n)
        return 0;
    if (n == 0) { /* an empty line: 1 MiB comes back */
        b = blob_alloc(1 << 20);
        memset(b->bytes, 'x', b->n);
        ws_send_blob(w, STR("big"), b, 0, b->n);
        blob_unref(b);
        return 1;
    }
    ws_send_binary(w, (struct str){ text, (size_t)snprintf(text, sizeof(text), "%zu;", n) });
    return n + 1;
}

static const struct ws_handler line_handler = { .data = line_data };

static void line_opened(void *ctx, struct ws *w, struct http_request *r)
{
    (void)ctx;
    (void)r;
    ws_set(w, &line_handler, NULL, 1000);
}

static void no_opened(void *ctx, struct ws *w, struct http_request *r)
{
    (void)ctx;
    (void)r;
    ws_close(w, 1008, ERR_REFUSED);
}

static const struct ws_route echo_route = { .opened = echo_opened };
/* Who is silent here is cut: not for tests whose client may come late on a busy machine. */
static const struct ws_route pinged_route = { .opened = echo_opened, .ping_ms = 100 };
static const struct ws_route line_route = {
    .protocols = "mqtt, mqttv3.1",
    .flags = WS_STREAM | WS_PROTOCOL_REQUIRED,
    .opened = line_opened,
};
static const struct ws_route no_route = { .opened = no_opened };
static const struct http_route rows[] = {
    { HTTP_GET, "/echo", .ws = &echo_route, .summary = "x" },
    { HTTP_GET, "/pinged", .ws = &pinged_route, .summary = "x" },
    { HTTP_GET, "/mqtt", .ws = &line_route, .summary = "x" },
    { HTTP_GET, "/no", .ws = &no_route, .summary = "x" },
};

static struct rig rig;

static int set_up(void **state)
{
    struct limits limits = limits_default();

    (void)state;
    limits.ws_message_max_bytes = 100000;
    rig = rig_new(rows, COUNT_OF(rows), NULL,
                  &(struct http_server_options){ .name = "test", .limits = &limits });
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(&rig);
    return 0;
}

/* ---- a client ---- */

#define UPGRADE                                                                                    \
    "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                             \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

struct client {
    int fd;
    struct buf in;
    struct ws_decoder d;
    char room[4096];
};

static void send_frame(struct client *c, enum ws_opcode op, bool fin, struct str payload)
{
    static const unsigned char mask[4] = { 1, 2, 3, 4 };
    struct buf b = buf_init(1 << 22);

    ws_encode(&b, op, fin, payload, mask);
    rig_send(c->fd, buf_str(&b));
    buf_fini(&b);
}

static struct client client(const char *request)
{
    struct client c = { .fd = rig_connect(&rig), .in = buf_init(1 << 22) };
    size_t end;

    rig_send(c.fd, str_of(request));
    assert_false(rig_read(c.fd, &c.in, "\r\n\r\n"));
    assert_has(buf_str(&c.in), "HTTP/1.1 101 ");
    assert_has(buf_str(&c.in), "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n");
    end = str_find_str(buf_str(&c.in), STR("\r\n\r\n")) + 4;
    buf_consume(&c.in, end);
    ws_decoder_init(&c.d, WS_CLIENT, 0);
    return c;
}

/* The next event; false when the connection ended. */
static bool next(struct client *c, struct ws_event *ev)
{
    for (;;) {
        char piece[4096];
        size_t used = 0;
        ssize_t n;

        while (c->in.n > 0) {
            assert_int_equal(
                ws_decode(&c->d, buf_str(&c->in), c->room, sizeof(c->room), ev, &used, NULL), 0);
            buf_consume(&c->in, used);
            if (ev->kind != WS_EV_NONE)
                return true;
        }
        n = recv(c->fd, piece, sizeof(piece), 0);
        if (n <= 0) {
            if (n < 0 && errno != ECONNRESET)
                fail_msg("nothing came in time");
            return false;
        }
        buf_put_bytes(&c->in, piece, (size_t)n);
    }
}

/* A whole message, pings left out. */
static void want(struct client *c, enum ws_event_kind kind, const char *text)
{
    struct buf b = buf_init(1 << 22);
    struct ws_event ev = { 0 };

    do {
        if (!next(c, &ev))
            fail_msg("ended, where \"%s\" was expected", text);
        if (ev.kind == WS_EV_PING)
            continue;
        assert_int_equal(ev.kind, kind);
        buf_put(&b, ev.bytes);
    } while (ev.kind == WS_EV_PING || (ev.kind == WS_EV_DATA && !ev.last));
    if (!str_eq(buf_str(&b), str_of(text)))
        fail_msg("\"%.*s\", not \"%s\"", STR_ARG(buf_str(&b)), text);
    buf_fini(&b);
}

static void want_close(struct client *c, unsigned code)
{
    struct ws_event ev = { 0 };

    do {
        assert_true(next(c, &ev));
    } while (ev.kind == WS_EV_DATA || ev.kind == WS_EV_PING);
    assert_int_equal(ev.kind, WS_EV_CLOSE);
    assert_int_equal(ev.code, code);
}

static void finish(struct client *c)
{
    close(c->fd);
    buf_fini(&c->in);
}

/* ---- tests ---- */

static void messages_are_echoed(void **state)
{
    struct client c = client("GET /echo HTTP/1.1\r\n" UPGRADE "\r\n");
    static char large[100000];
    struct buf b = buf_init(1 << 20);
    struct ws_event ev;

    (void)state;
    send_frame(&c, WS_TEXT, true, STR("h\xc3\xa9llo"));
    want(&c, WS_EV_DATA, "h\xc3\xa9llo");
    send_frame(&c, WS_BINARY, false, STR("a"));
    send_frame(&c, WS_PING, true, STR("are you there"));
    want(&c, WS_EV_PONG, "are you there");
    send_frame(&c, WS_CONT, false, STR(""));
    send_frame(&c, WS_CONT, true, STR("b"));
    want(&c, WS_EV_DATA, "ab");
    memset(large, 'l', sizeof(large));
    send_frame(&c, WS_BINARY, true, (struct str){ large, sizeof(large) });
    do {
        assert_true(next(&c, &ev));
        if (ev.kind == WS_EV_DATA)
            buf_put(&b, ev.bytes);
    } while (ev.kind != WS_EV_DATA || !ev.last);
    assert_int_equal(b.n, sizeof(large));
    buf_fini(&b);
    send_frame(&c, WS_TEXT, true, STR("bye"));
    want_close(&c, 1000);
    send_frame(&c, WS_CLOSE, true, STR("\x03\xe8"));
    assert_false(next(&c, &ev));
    finish(&c);
}

static void programs_may_know_us_by_any_name(void **state)
{
    struct client c = client("GET /echo HTTP/1.1\r\nHost: hub.lan\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");

    (void)state;
    finish(&c);
    assert_has(rig_ask(&rig, STR("GET /echo HTTP/1.1\r\nHost: hub.lan\r\nUpgrade: websocket\r\n"
                                 "Origin: http://hub.lan\r\nConnection: Upgrade, close\r\n"
                                 "Sec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")),
               "HTTP/1.1 403 ");
}

static void frames_right_behind_the_request(void **state)
{
    struct buf b = buf_init(1000);
    static const unsigned char mask[4] = { 5, 6, 7, 8 };
    struct client c;

    (void)state;
    buf_put(&b, STR("GET /mqtt HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Protocol: x, mqtt\r\n\r\n"));
    ws_encode(&b, WS_BINARY, true, STR("abc\n"), mask);
    c = client(buf_cstr(&b));
    want(&c, WS_EV_DATA, "3;");
    finish(&c);
    buf_fini(&b);
}

static void streams_ignore_frames(void **state)
{
    struct client c =
        client("GET /mqtt HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Protocol: mqttv3.1\r\n\r\n");
    struct ws_event ev;
    size_t n = 0;

    (void)state;
    send_frame(&c, WS_BINARY, true, STR("ab"));
    send_frame(&c, WS_BINARY, false, STR("c"));
    send_frame(&c, WS_CONT, true, STR("d\nef\ng"));
    want(&c, WS_EV_DATA, "4;");
    want(&c, WS_EV_DATA, "2;");
    send_frame(&c, WS_BINARY, true, STR("\n\n"));
    want(&c, WS_EV_DATA, "1;");
    do {
        assert_true(next(&c, &ev));
        n += ev.bytes.n;
    } while (!ev.last);
    assert_int_equal(n, 3 + (1 << 20));
    send_frame(&c, WS_TEXT, true, STR("text"));
    want_close(&c, 1003);
    finish(&c);
}

static void too_much_without_a_line(void **state)
{
    struct client c =
        client("GET /mqtt HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
    static char x[40000];

    (void)state;
    memset(x, 'x', sizeof(x));
    send_frame(&c, WS_BINARY, true, (struct str){ x, sizeof(x) });
    want_close(&c, 1009);
    finish(&c);
}

static void handshakes_that_are_refused(void **state)
{
    static const struct {
        const char *request, *status;
    } cases[] = {
        { "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "426" },
        { "POST /echo HTTP/1.1\r\n" UPGRADE "Connection: close\r\n\r\n", "405" },
        { "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, "
          "close\r\n\r\n",
          "426" },
        { "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade, "
          "close\r\nSec-WebSocket-Version: 8\r\n\r\n",
          "426" },
        { "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade, "
          "close\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n",
          "400" },
        { "GET /mqtt HTTP/1.1\r\n" UPGRADE "Connection: close\r\n\r\n", "400" },
        { "GET /mqtt HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Protocol: soap\r\nConnection: "
          "close\r\n\r\n",
          "400" },
        { "GET /echo HTTP/1.1\r\n" UPGRADE "Origin: http://evil.example\r\nConnection: "
          "close\r\n\r\n",
          "403" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str a = rig_ask(&rig, str_of(cases[i].request));

        if (!str_eq(str_sub(a, 9, 3), str_of(cases[i].status)))
            fail_msg("%s: %.*s", cases[i].request, STR_ARG(a));
    }
}

static void broken_peers_hear_why(void **state)
{
    struct client c = client("GET /echo HTTP/1.1\r\n" UPGRADE "\r\n");
    struct client d = client("GET /echo HTTP/1.1\r\n" UPGRADE "\r\n");
    struct client e = client("GET /echo HTTP/1.1\r\n" UPGRADE "\r\n");
    struct client f = client("GET /no HTTP/1.1\r\n" UPGRADE "\r\n");
    static char large[100001];

    (void)state;
    rig_send(c.fd, STR("\x81\x01x")); /* unmasked */
    want_close(&c, 1002);
    send_frame(&d, WS_TEXT, true, STR("\xff"));
    want_close(&d, 1007);
    send_frame(&e, WS_BINARY, true, (struct str){ large, sizeof(large) });
    want_close(&e, 1009);
    want_close(&f, 1008);
    finish(&c);
    finish(&d);
    finish(&e);
    finish(&f);
}

static void a_silent_peer_is_pinged_and_then_cut(void **state)
{
    struct client c = client("GET /pinged HTTP/1.1\r\n" UPGRADE "\r\n");
    struct ws_event ev;

    (void)state;
    assert_true(next(&c, &ev));
    assert_int_equal(ev.kind, WS_EV_PING);
    while (next(&c, &ev))
        assert_int_equal(ev.kind, WS_EV_PING);
    finish(&c);
}

static void stopping_says_goodbye(void **state)
{
    struct client c = client("GET /echo HTTP/1.1\r\n" UPGRADE "\r\n");

    (void)state;
    http_server_stop(rig.server, 200);
    want_close(&c, 1001);
    finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_are_echoed),
        TEST(programs_may_know_us_by_any_name),
        TEST(frames_right_behind_the_request),
        TEST(streams_ignore_frames),
        TEST(too_much_without_a_line),
        TEST(handshakes_that_are_refused),
        TEST(broken_peers_hear_why),
        TEST(a_silent_peer_is_pinged_and_then_cut),
        TEST(stopping_says_goodbye),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
