/* Connecting: what fails, how it is told, and that the next address is tried. */
#include "unit/net/rig.h"

#include <stdio.h>
#include <sys/un.h>

static void begin(struct rig *r, const char *host, unsigned timeout_ms)
{
    struct connect_options o = { .host = host, .port = r->port, .timeout_ms = timeout_ms };

    r->inside = true;
    r->s = stream_connect(r->l, &o, &rig_handler, r, 1000);
    r->inside = false;
}

static void a_refused_connection_is_told_later(void **state)
{
    struct rig *r = rig_new_loop();

    (void)state;
    close(rig_listen(&r->port)); /* a port on which nobody listens any more */
    begin(r, "127.0.0.1", 0);
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, -ECONNREFUSED);
    assert_int_equal(r->connected, 0);
    rig_free(r);
}

static void bytes_sent_before_the_connection_stands_go_first(void **state)
{
    struct rig *r = rig_new_loop();
    char in[10];

    (void)state;
    r->listen_fd = rig_listen(&r->port);
    begin(r, "127.0.0.1", 0);
    assert_true(stream_send(r->s, STR("hello")));
    UNTIL(r, r->connected == 1);
    r->peer = accept4(r->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    rig_turns(r, 2);
    assert_int_equal(rig_peer_reads(r, in, sizeof(in)), 5);
    rig_free(r);
}

static void a_name_is_looked_up_and_all_its_addresses_tried(void **state)
{
    struct rig *r = rig_new_loop();

    (void)state;
    r->listen_fd = rig_listen(&r->port); /* only on 127.0.0.1: ::1 refuses, where it comes first */
    begin(r, "localhost", 0);
    UNTIL(r, r->connected == 1);
    assert_int_equal(addr_port(stream_peer(r->s)), r->port);
    rig_free(r);
}

static void a_name_that_does_not_exist_is_told(void **state)
{
    struct rig *r = rig_new_loop();

    (void)state;
    begin(r, "..", 5000); /* not a name at all: no server needs to be asked */
    UNTIL(r, r->code != NONE);
    assert_true(r->code < 0);
    assert_int_equal(r->connected, 0);
    rig_free(r);
}

static void closing_during_the_look_up_does_not_wait_for_it(void **state)
{
    struct rig *r = rig_new_loop();

    (void)state;
    r->port = 9;
    begin(r, "localhost", 0);
    rig_turns(r, 1);
    r->inside = true;
    stream_close(r->s, STREAM_FLUSH, 0);
    r->inside = false;
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, 0);
    rig_free(r); /* the look-up may still run: the loop waits for it */
}

static void a_connection_that_does_not_come_about_times_out(void **state)
{
    struct rig *r = rig_new_loop();
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd[4];
    unsigned i;

    (void)state;
    /* A backlog that is full: the kernel drops further connections without a word. */
    r->listen_fd = rig_listen(&r->port);
    assert_int_equal(listen(r->listen_fd, 0), 0);
    in4.sin_port = htons(r->port);
    for (i = 0; i < COUNT_OF(fd); i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fd[i], (struct sockaddr *)&in4, sizeof(in4));
    }
    begin(r, "127.0.0.1", 50);
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, -ETIMEDOUT);
    for (i = 0; i < COUNT_OF(fd); i++)
        close(fd[i]);
    rig_free(r);
}

static void a_unix_socket_is_reached_by_its_path(void **state)
{
    struct rig *r = rig_new_loop();
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    char dir[] = "/tmp/wayside-dial-XXXXXX", host[128];
    uint32_t uid = 0, gid = 0;
    int32_t pid = 0;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", dir);
    snprintf(host, sizeof(host), "unix:%s", un.sun_path);
    begin(r, host, 0);
    UNTIL(r, r->code != NONE);
    assert_int_equal(r->code, -ENOENT);
    r->code = NONE;
    r->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(r->listen_fd, (struct sockaddr *)&un, sizeof(un)), 0);
    assert_int_equal(listen(r->listen_fd, 1), 0);
    begin(r, host, 0);
    UNTIL(r, r->connected == 1);
    r->peer = accept4(r->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    rig_peer_sends(r, STR("local"));
    UNTIL(r, r->got.n == 5);
    assert_int_equal(stream_peer_cred(r->s, &uid, &gid, &pid), 0);
    assert_int_equal(uid, getuid());
    assert_int_equal(pid, getpid());
    unlink(un.sun_path);
    rmdir(dir);
    rig_free(r);
}

RUN(TEST(a_refused_connection_is_told_later),
    TEST(bytes_sent_before_the_connection_stands_go_first),
    TEST(a_name_is_looked_up_and_all_its_addresses_tried), TEST(a_name_that_does_not_exist_is_told),
    TEST(closing_during_the_look_up_does_not_wait_for_it),
    TEST(a_connection_that_does_not_come_about_times_out),
    TEST(a_unix_socket_is_reached_by_its_path))
