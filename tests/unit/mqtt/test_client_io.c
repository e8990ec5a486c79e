/*
 * The client with its sockets against a real server, Debian's mosquitto, on a free port of
 * loopback. Where that server is not installed the tests are skipped. Waiting is turning the loop
 * until something holds, with a deadline.
 */
#include "unit/unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "mqtt/client_io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVER      "/usr/sbin/mosquitto"
#define DEADLINE_MS 10000

struct world {
    struct loop *loop;
    pid_t server;
    uint16_t port;
    char folder[64], config[96];
    /* What the callbacks saw. */
    unsigned up, down, messages, ready, subscribed, ponged, done, done_ok, done_closed,
        done_stopped;
    bool session_present, closed;
    char last_topic[64], last_payload[64];
    int last_code;
};

static struct world w;

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        uint64_t until_ = clock_mono_ns() + (uint64_t)DEADLINE_MS * 1000000;                       \
                                                                                                   \
        while (!(condition)) {                                                                     \
            if (clock_mono_ns() > until_)                                                          \
                fail_msg("waited in vain for: %s", #condition);                                    \
            loop_turn(w.loop, false);                                                              \
            (void)poll(NULL, 0, 1);                                                                \
        }                                                                                          \
    } while (0)

/* ---- the server ---- */

static uint16_t free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static bool port_answers(uint16_t port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool answers;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    answers = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
    close(fd);
    return answers;
}

static void server_start(void)
{
    w.server = fork();
    assert_true(w.server >= 0);
    if (w.server == 0) {
        execl(SERVER, SERVER, "-c", w.config, (char *)NULL);
        _exit(127);
    }
    UNTIL(port_answers(w.port));
}

static void server_stop(int signum)
{
    if (w.server <= 0)
        return;
    kill(w.server, signum);
    waitpid(w.server, NULL, 0);
    w.server = 0;
}

static int set_up(void **state)
{
    FILE *f;

    (void)state;
    if (access(SERVER, X_OK) != 0)
        return 0;
    w = (struct world){ .loop = loop_new(), .port = free_port() };
    snprintf(w.folder, sizeof(w.folder), "/tmp/client_io.XXXXXX");
    assert_non_null(mkdtemp(w.folder));
    snprintf(w.config, sizeof(w.config), "%s/conf", w.folder);
    f = fopen(w.config, "w");
    assert_non_null(f);
    fprintf(f,
            "listener %u 127.0.0.1\nallow_anonymous true\npersistence false\n"
            "log_dest none\n",
            w.port);
    fclose(f);
    server_start();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (!w.loop)
        return 0;
    server_stop(SIGKILL);
    loop_free(w.loop);
    unlink(w.config);
    rmdir(w.folder);
    w.loop = NULL;
    return 0;
}

/* ---- the client ---- */

static void on_connected(void *ctx, bool session_present)
{
    (void)ctx;
    w.up++;
    w.session_present = session_present;
}

static void on_disconnected(void *ctx, int code, unsigned reason, struct str text,
                            unsigned retry_ms)
{
    (void)ctx;
    (void)reason;
    (void)text;
    assert_true(retry_ms <= 1000);
    w.down++;
    w.last_code = code;
}

static void on_message(void *ctx, const struct mqtt_client_delivery *m)
{
    (void)ctx;
    w.messages++;
    snprintf(w.last_topic, sizeof(w.last_topic), "%.*s", STR_ARG(m->topic));
    snprintf(w.last_payload, sizeof(w.last_payload), "%.*s", STR_ARG(m->payload));
}

static void on_ready(void *ctx)
{
    (void)ctx;
    w.ready++;
}

static void on_subscribed(void *ctx, struct str filter, unsigned code)
{
    (void)ctx;
    (void)filter;
    assert_true(code < 0x80);
    w.subscribed++;
}

static void on_ponged(void *ctx)
{
    (void)ctx;
    w.ponged++;
}

static const struct mqtt_client_handler handler = { on_connected, on_disconnected, on_message,
                                                    on_ready,     on_subscribed,   on_ponged };

static void on_done(void *ctx, int code, unsigned reason, struct str text)
{
    (void)ctx;
    (void)reason;
    (void)text;
    w.done++;
    w.done_ok += code == 0;
    w.done_closed += code == ERR_CLOSED;
    w.done_stopped += code == ERR_STOPPED;
}

static void on_closed(void *ctx)
{
    (void)ctx;
    w.closed = true;
}

static struct mqtt_client *open_client(enum mqtt_version v, bool resend)
{
    struct mqtt_client_options o = {
        .host = "127.0.0.1",
        .port = w.port,
        .version = v,
        .client_id = STR("client-io-test"),
        .inflight_max = 8,
        .resend = resend,
        .keep_session = resend,
        .user_timeout_ms = 4000,
        .handler = &handler,
    };

    return mqtt_client_open(w.loop, &o);
}

static void close_client(struct mqtt_client *c)
{
    w.closed = false;
    mqtt_client_close(c, on_closed, NULL);
    UNTIL(w.closed);
}

static int publish(struct mqtt_client *c, const char *payload, unsigned qos)
{
    return mqtt_client_publish(c, &(struct mqtt_client_message){
                                      .topic = STR("test/topic"),
                                      .payload = str_of(payload),
                                      .qos = (uint8_t)qos,
                                      .done = on_done,
                                  });
}

static void echo(enum mqtt_version v)
{
    struct mqtt_client *c;

    if (!w.loop)
        skip();
    c = open_client(v, false);
    assert_int_equal(publish(c, "early", 1), ERR_CLOSED);
    assert_int_equal(mqtt_client_subscribe(c, STR("test/#"), 1), 0);
    UNTIL(w.up == 1 && w.subscribed == 1);
    assert_true(mqtt_client_is_connected(c));
    assert_int_equal(publish(c, "one", 1), 0);
    assert_int_equal(mqtt_client_inflight(c), 1);
    UNTIL(w.done_ok == 1 && w.messages == 1);
    assert_string_equal(w.last_topic, "test/topic");
    assert_string_equal(w.last_payload, "one");
    assert_int_equal(publish(c, "two", 0), 0);
    UNTIL(w.messages == 2);
    assert_string_equal(w.last_payload, "two");
    assert_int_equal(mqtt_client_unsubscribe(c, STR("test/#")), 0);
    assert_int_equal(publish(c, "three", 1), 0);
    UNTIL(w.done_ok == 2);
    assert_int_equal(w.messages, 2);
    close_client(c);
    assert_int_equal(w.down, 0);
}

static void echo_v311(void **state)
{
    (void)state;
    echo(MQTT_V311);
}

static void echo_v5(void **state)
{
    (void)state;
    echo(MQTT_V5);
}

/* QoS 2 both ways, and the answer that everything was read. */
static void exactly_once(void **state)
{
    struct mqtt_client *c;

    (void)state;
    if (!w.loop)
        skip();
    c = open_client(MQTT_V5, true);
    assert_int_equal(mqtt_client_subscribe(c, STR("test/#"), 3), ERR_VALUE);
    assert_int_equal(mqtt_client_subscribe(c, STR("test/#"), 2), 0);
    UNTIL(w.up == 1 && w.subscribed == 1);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(publish(c, "once", 2), 0);
    UNTIL(w.done_ok == 8 && w.messages == 8);
    assert_int_equal(publish(c, "never acknowledged", 0), 0);
    mqtt_client_ping(c);
    UNTIL(w.ponged == 1);
    UNTIL(w.messages == 9);
    assert_string_equal(w.last_payload, "never acknowledged");
    close_client(c);
    assert_int_equal(w.done, 8);
}

static void window_and_ready(void **state)
{
    struct mqtt_client *c;
    unsigned sent = 0;

    (void)state;
    if (!w.loop)
        skip();
    c = open_client(MQTT_V5, false);
    UNTIL(w.up == 1);
    while (sent < 1000) {
        unsigned before = w.ready;
        int rc = publish(c, "x", 1);

        if (rc == 0) {
            sent++;
            assert_true(mqtt_client_inflight(c) <= 8);
            continue;
        }
        assert_int_equal(rc, ERR_FULL);
        UNTIL(w.ready > before);
        assert_true(mqtt_client_room(c) > 0);
    }
    UNTIL(w.done_ok == 1000);
    close_client(c);
    assert_int_equal(w.done, 1000);
}

/* A server that does not read: QoS 0 is told to stop at some point, QoS 1 only by its window. */
static void back_pressure(void **state)
{
    static char big[60000];
    struct mqtt_client *c;
    struct mqtt_client_message m = { .topic = STR("test/topic"), .done = on_done };
    unsigned sent = 0;

    (void)state;
    if (!w.loop)
        skip();
    memset(big, 'x', sizeof(big));
    m.payload = str_from(big, sizeof(big));
    c = open_client(MQTT_V5, false);
    UNTIL(w.up == 1);
    kill(w.server, SIGSTOP);
    while (mqtt_client_publish(c, &m) == 0) {
        loop_turn(w.loop, false);
        assert_true(++sent < 1000);
    }
    assert_int_equal(mqtt_client_publish(c, &m), ERR_FULL);
    m.qos = 1;
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(mqtt_client_publish(c, &m), 0);
    assert_int_equal(mqtt_client_publish(c, &m), ERR_FULL);
    kill(w.server, SIGCONT);
    UNTIL(w.ready >= 1 && w.done_ok == 8);
    m.qos = 0;
    assert_int_equal(mqtt_client_publish(c, &m), 0);
    close_client(c);
}

/* The server dies with publications on their way; it comes back: subscribed again, working. */
static void survives_the_server(void **state)
{
    struct mqtt_client *c;

    (void)state;
    if (!w.loop)
        skip();
    c = open_client(MQTT_V5, false);
    assert_int_equal(mqtt_client_subscribe(c, STR("test/#"), 1), 0);
    UNTIL(w.up == 1 && w.subscribed == 1);
    kill(w.server, SIGSTOP);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(publish(c, "lost", 1), 0);
    loop_turn(w.loop, false);
    server_stop(SIGKILL);
    UNTIL(w.down == 1);
    assert_int_equal(w.done_closed, 5);
    assert_false(mqtt_client_is_connected(c));
    UNTIL(w.down >= 3); /* refused, tried again */
    assert_int_equal(w.last_code, -ECONNREFUSED);
    server_start();
    UNTIL(w.up == 2 && w.subscribed == 2);
    assert_int_equal(publish(c, "again", 1), 0);
    UNTIL(w.messages == 1 && w.done_ok == 1);
    assert_string_equal(w.last_payload, "again");
    close_client(c);
}

static void resends_to_the_server(void **state)
{
    struct mqtt_client *c;

    (void)state;
    if (!w.loop)
        skip();
    c = open_client(MQTT_V311, true);
    assert_int_equal(mqtt_client_subscribe(c, STR("test/#"), 1), 0);
    UNTIL(w.up == 1 && w.subscribed == 1);
    kill(w.server, SIGSTOP);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(publish(c, "kept", 1), 0);
    loop_turn(w.loop, false);
    server_stop(SIGKILL);
    UNTIL(w.down == 1);
    assert_int_equal(w.done, 0);
    assert_int_equal(mqtt_client_inflight(c), 5);
    server_start();
    UNTIL(w.done_ok == 5 && w.messages == 5);
    assert_string_equal(w.last_payload, "kept");
    close_client(c);
    assert_int_equal(w.done, 5);
}

/* A server that no longer answers is noticed by the ping, and the owner is told. */
static void notices_a_dead_path(void **state)
{
    struct mqtt_client_options o = {
        .host = "127.0.0.1",
        .client_id = STR("dead-path"),
        .ping_after_ms = 50,
        .ping_timeout_ms = 100,
        .handler = &handler,
    };
    struct mqtt_client *c;
    uint64_t start;

    (void)state;
    if (!w.loop)
        skip();
    o.port = w.port;
    c = mqtt_client_open(w.loop, &o);
    UNTIL(w.up == 1);
    kill(w.server, SIGSTOP);
    start = clock_mono_ns();
    UNTIL(w.down == 1);
    assert_int_equal(w.last_code, -ETIMEDOUT);
    assert_true(clock_mono_ns() - start < UINT64_C(2000000000));
    kill(w.server, SIGCONT);
    UNTIL(w.up == 2);
    mqtt_client_reconnect(c);
    UNTIL(w.up == 3);
    close_client(c);
}

static void stop_tells_the_owner(void **state)
{
    struct mqtt_client *c;

    (void)state;
    if (!w.loop)
        skip();
    c = open_client(MQTT_V5, true);
    UNTIL(w.up == 1);
    kill(w.server, SIGSTOP);
    assert_int_equal(publish(c, "x", 1), 0);
    mqtt_client_close(c, on_closed, NULL);
    server_stop(SIGKILL); /* else the stream lingers for the server's end */
    UNTIL(w.closed);
    assert_int_equal(w.done_stopped, 1);
    assert_int_equal(w.done, 1);
}

/* Closing before anything stands, and from waiting. */
static void closes_at_any_time(void **state)
{
    (void)state;
    if (!w.loop)
        skip();
    close_client(open_client(MQTT_V5, false));
    server_stop(SIGKILL);
    for (unsigned turns = 0; turns < 20; turns++) {
        struct mqtt_client *c = open_client(MQTT_V5, false);

        for (unsigned i = 0; i < turns; i++)
            loop_turn(w.loop, false);
        close_client(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(echo_v311, set_up, tear_down),
        cmocka_unit_test_setup_teardown(echo_v5, set_up, tear_down),
        cmocka_unit_test_setup_teardown(exactly_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(window_and_ready, set_up, tear_down),
        cmocka_unit_test_setup_teardown(back_pressure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(survives_the_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(resends_to_the_server, set_up, tear_down),
        cmocka_unit_test_setup_teardown(notices_a_dead_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stop_tells_the_owner, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closes_at_any_time, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
