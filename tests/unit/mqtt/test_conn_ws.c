/* MQTT over WebSocket: frame borders mean nothing, large payloads arrive, the end is clean. */
#include "broker_rig.h"

#include "http/request.h"
#include "http/server.h"
#include "http/ws_server.h"
#include "wire/ws.h"

struct ws_client {
    int fd;
    struct ws_decoder decoder;
    struct buf raw, in; /* frames; the MQTT bytes in them */
    size_t taken;
    bool closed;
    unsigned close_code;
};

static void on_opened(void *ctx, struct ws *w, struct http_request *r)
{
    const struct rig *rig = ctx;

    (void)r;
    broker_ws_accept(rig->broker, w, rig->rules);
}

static const struct ws_route mqtt_ws = { .protocols = "mqtt",
                                         .flags = WS_STREAM | WS_PROTOCOL_REQUIRED,
                                         .opened = on_opened };
static const struct http_route rows[] = {
    { HTTP_GET, "/mqtt", NULL, .ws = &mqtt_ws, .summary = "MQTT over WebSocket" },
};

static struct http_server *serve(struct rig *r, struct addr *out)
{
    struct http_server_options o = { .name = "test", .limits = &r->limits };
    struct http_listen_options l = { 0 };
    struct http_server *s = http_server_new(r->workers, &o);
    struct fault f = { 0 };
    int rc = addr_parse(STR("127.0.0.1"), 0, &l.addr);

    assert_int_equal(rc, 0);
    http_server_mount(s, rows, 1, r);
    rc = http_listen(s, &l, out, &f);
    assert_int_equal(rc, 0);
    return s;
}

static void send_all(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

        assert_true(n > 0);
        bytes = str_skip(bytes, (size_t)n);
    }
}

static bool receive(struct ws_client *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    char *room = buf_reserve(&c->raw, 65536);
    ssize_t n;

    assert_int_equal(poll(&p, 1, RIG_WAIT_MS), 1);
    n = recv(c->fd, room, 65536, 0);
    if (n <= 0)
        return false;
    buf_commit(&c->raw, (size_t)n);
    return true;
}

static struct ws_client ws_dial(const struct addr *a)
{
    static const char ask[] = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "Sec-WebSocket-Protocol: mqtt\r\n\r\n";
    struct ws_client c = { .fd = socket(AF_INET, SOCK_STREAM, 0),
                           .raw = buf_init(64u << 20),
                           .in = buf_init(64u << 20) };
    size_t end;

    assert_int_equal(connect(c.fd, (const struct sockaddr *)&a->ss, a->len), 0);
    send_all(c.fd, str_of(ask));
    while ((end = str_find_str(buf_str(&c.raw), STR("\r\n\r\n"))) == c.raw.n)
        assert_true(receive(&c));
    assert_true(str_starts(buf_str(&c.raw), STR("HTTP/1.1 101 ")));
    buf_consume(&c.raw, end + 4);
    ws_decoder_init(&c.decoder, WS_CLIENT, 0);
    return c;
}

static void ws_client_free(struct ws_client *c)
{
    close(c->fd);
    buf_fini(&c->raw);
    buf_fini(&c->in);
}

/* MQTT bytes out of the frames that are there. */
static void unpack(struct ws_client *c)
{
    while (c->raw.n > 0) {
        char room[4096];
        struct ws_event ev;
        size_t used;

        assert_int_equal(
            ws_decode(&c->decoder, buf_str(&c->raw), room, sizeof(room), &ev, &used, NULL), 0);
        if (ev.kind == WS_EV_DATA) {
            assert_false(ev.text);
            buf_put(&c->in, ev.bytes);
        }
        if (ev.kind == WS_EV_CLOSE) {
            c->closed = true;
            c->close_code = ev.code;
        }
        buf_consume(&c->raw, used);
    }
}

static struct mqtt_packet ws_expect(struct ws_client *c, enum mqtt_type type)
{
    struct mqtt_packet pk;

    buf_consume(&c->in, c->taken);
    c->taken = 0;
    for (;;) {
        unpack(c);
        if (c->in.n > 0 &&
            mqtt_decode(buf_str(&c->in), MQTT_V5, 64u << 20, &pk, &c->taken, NULL) == 0)
            break;
        assert_true(receive(c));
    }
    assert_int_equal(pk.type, type);
    return pk;
}

/* The packets in frames of frame_n bytes. */
static void ws_put(struct ws_client *c, const struct mqtt_packet *pk, size_t count, size_t frame_n)
{
    struct buf plain = buf_init(64u << 20), framed = buf_init(128u << 20);

    for (size_t i = 0; i < count; i++)
        mqtt_encode(&pk[i], MQTT_V5, &plain);
    for (size_t at = 0; at < plain.n; at += frame_n)
        ws_encode(&framed, WS_BINARY, true, str_sub(buf_str(&plain), at, frame_n),
                  (const unsigned char *)"\1\2\3\4");
    send_all(c->fd, buf_str(&framed));
    buf_fini(&plain);
    buf_fini(&framed);
}

static void borders_mean_nothing(void **state)
{
    static const size_t frames[] = { 1, 3, 100, 1000000 };
    struct rig r;
    struct addr a;
    struct http_server *s;
    struct client tcp;
    char *big = mem_new(300001);

    (void)state;
    memset(big, 'b', 300000);
    rig_init(&r);
    rig_start(&r, 2);
    s = serve(&r, &a);
    tcp = client_connect(&r, MQTT_V5, "tcp");
    client_subscribe(&tcp, "from/#", 1);
    for (size_t i = 0; i < COUNT_OF(frames); i++) {
        struct ws_client c = ws_dial(&a);
        struct mqtt_packet pk[3] = { connect_packet(MQTT_V5, "ws"), { .type = MQTT_SUBSCRIBE } };
        struct mqtt_sub sub = { .filter = STR("to/ws"), .qos = 1 };
        struct buf list = buf_init(100);
        struct mqtt_publish p;

        mqtt_sub_put(&list, &sub);
        pk[1].subscribe =
            (struct mqtt_subscribe){ .packet_id = 1, .count = 1, .list = buf_str(&list) };
        pk[2] = publish_packet("from/ws", "hello", 1, false, 2);
        ws_put(&c, pk, 3, frames[i]);
        ws_expect(&c, MQTT_CONNACK);
        ws_expect(&c, MQTT_SUBACK);
        ws_expect(&c, MQTT_PUBACK);
        client_expect_publish(&tcp, "from/ws", "hello", 1);
        client_publish(&tcp, "to/ws", "small", 1, false);
        client_publish(&tcp, "to/ws", big, 0, false);
        p = ws_expect(&c, MQTT_PUBLISH).publish;
        assert_true(str_eq(p.payload, STR("small")));
        p = ws_expect(&c, MQTT_PUBLISH).publish;
        assert_int_equal(p.payload.n, 300000);
        assert_true(rig_session(&r, "ws").info.websocket);
        if (i % 2) {
            pk[0] = (struct mqtt_packet){ .type = MQTT_DISCONNECT };
            ws_put(&c, pk, 1, 2);
            while (receive(&c))
                unpack(&c);
            assert_true(c.closed);
            assert_int_equal(c.close_code, 1000);
        }
        ws_client_free(&c);
        buf_fini(&list);
        rig_await_connected(&r, "ws", false);
    }
    client_close(&tcp);
    broker_stop(r.broker, 2000);
    http_server_stop(s, 2000);
    http_server_free(s);
    rig_stop(&r);
    mem_free(big);
}

/* The broker's stop reaches WebSocket clients too. */
static void told_at_the_end(void **state)
{
    struct rig r;
    struct addr a;
    struct http_server *s;
    struct ws_client c;
    struct mqtt_packet pk = connect_packet(MQTT_V5, "ws");

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    s = serve(&r, &a);
    c = ws_dial(&a);
    ws_put(&c, &pk, 1, 1000);
    ws_expect(&c, MQTT_CONNACK);
    broker_stop(r.broker, 500);
    assert_int_equal(ws_expect(&c, MQTT_DISCONNECT).reasoned.code, MQTT_REASON_SHUTTING_DOWN);
    http_server_stop(s, 500);
    ws_client_free(&c);
    http_server_free(s);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(borders_mean_nothing),
        cmocka_unit_test(told_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
