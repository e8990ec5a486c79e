/* The local socket with real sockets and a real journal: answers in order, bounded, and after
 * every kind of rude client still there for the next. */
#include "unit/unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "edge/socket_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <dirent.h>
#include <unistd.h>

#define DEADLINE_MS 20000

struct rig {
    char dir[64], path[96], journal_dir[96];
    struct workers *workers;
    struct journal *journal;
    struct limits limits;
    struct socket_server *server;
};

static int set_up(void **state)
{
    struct rig *r = NEW(struct rig);
    struct journal_options jo = journal_options_default();
    struct socket_options o = { .path = r->path, .device = STR("node-1"), .limits = &r->limits };
    struct fault f = { 0 };

    snprintf(r->dir, sizeof(r->dir), "/tmp/wayside-socket-XXXXXX");
    if (!mkdtemp(r->dir))
        return -1;
    snprintf(r->path, sizeof(r->path), "%s/ingest.sock", r->dir);
    snprintf(r->journal_dir, sizeof(r->journal_dir), "%s/journal", r->dir);
    r->limits = limits_default();
    r->limits.socket_line_max_bytes = 1024;
    r->workers = workers_start(2);
    jo.free_floor_bytes = 0;
    if (journal_open(r->journal_dir, &jo, &r->limits, NULL, NULL, &r->journal, &f))
        return -1;
    o.journal = r->journal;
    if (socket_server_open(r->workers, &o, &r->server, &f)) {
        fprintf(stderr, "%s\n", f.text);
        return -1;
    }
    *state = r;
    return 0;
}

static void remove_folder(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char full[512];

    while (d && (e = readdir(d))) {
        snprintf(full, sizeof(full), "%s/%s", path, e->d_name);
        unlink(full);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    socket_server_close(r->server);
    journal_close(r->journal);
    workers_stop(r->workers);
    workers_free(r->workers);
    remove_folder(r->journal_dir);
    remove_folder(r->dir);
    mem_free(r);
    return 0;
}

static int dial(const struct rig *r)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    memcpy(sun.sun_path, r->path, strlen(r->path) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Sends all of text (half-closing at the end if asked), reading meanwhile until `lines` answers
 * have come, or the end when lines is 0. */
static void talk(int fd, struct str text, bool half_close, size_t lines, struct buf *answers)
{
    uint64_t until = clock_mono_ns() / 1000000 + DEADLINE_MS;
    size_t got = 0;
    bool end = false, shut = false;

    while (!end && (lines == 0 || got < lines)) {
        struct pollfd p = { fd, (short)(POLLIN | (text.n > 0 ? POLLOUT : 0)), 0 };
        char chunk[4096];
        ssize_t n;

        if (text.n == 0 && half_close && !shut) {
            assert_int_equal(shutdown(fd, SHUT_WR), 0);
            shut = true;
        }
        if (clock_mono_ns() / 1000000 > until)
            fail_msg("%zu answers before the deadline", got);
        poll(&p, 1, 100);
        if (text.n > 0 && (p.revents & POLLOUT)) {
            n = send(fd, text.p, text.n, MSG_NOSIGNAL);
            if (n > 0)
                text = str_skip(text, (size_t)n);
        }
        n = p.revents & POLLIN || p.revents & POLLHUP ? recv(fd, chunk, sizeof(chunk), 0) : -1;
        end = n == 0;
        for (ssize_t i = 0; i < n; i++)
            got += chunk[i] == '\n';
        if (n > 0)
            buf_put_bytes(answers, chunk, (size_t)n);
    }
    if (end && lines > 0)
        fail_msg("closed after %zu of %zu answers", got, lines);
}

static void test_answers_in_order(void **state)
{
    struct rig *r = *state;
    struct buf got = buf_init(1 << 20);
    uint64_t head = journal_head(r->journal);
    int fd = dial(r);

    talk(fd,
         STR("{\"stream\":\"env\",\"value\":1,\"id\":\"a\"}\n"
             "garbage\n"
             "\r\n"
             "{\"stream\":\"env\",\"value\":{\"t\":2},\"id\":7}\r\n"
             "{\"stream\":\"no stream\",\"value\":3}\n"
             "[1]\n"
             "{\"stream\":\"env\",\"value\":4,\"id\":\"b\"}\n"),
         false, 6, &got);
    assert_true(str_starts(buf_str(&got), STR("{\"ack\":\"a\"}\n{\"error\":")));
    assert_true(str_find_str(buf_str(&got), STR("\"line\":2}\n{\"ack\":7}\n{\"error\":")) < got.n);
    assert_true(str_ends(buf_str(&got), STR("{\"ack\":\"b\"}\n")));
    assert_int_equal(journal_head(r->journal), head + 3);
    close(fd);
    buf_fini(&got);
}

/* More than the window at once, then a half-close: every line is answered before the end. */
static void test_half_close_drains(void **state)
{
    enum { LINES = 5000 };
    struct rig *r = *state;
    struct buf text = buf_init(1 << 20), got = buf_init(1 << 20);
    uint64_t head = journal_head(r->journal);
    struct str rest;
    int fd = dial(r);

    for (int i = 0; i < LINES; i++)
        buf_printf(&text, "{\"stream\":\"env\",\"value\":%d,\"id\":%d}\n", i, i);
    talk(fd, buf_str(&text), true, 0, &got);
    rest = buf_str(&got);
    for (int i = 0; i < LINES; i++) {
        char want[32];

        snprintf(want, sizeof(want), "{\"ack\":%d}", i);
        if (!str_eq(str_cut(&rest, '\n'), str_of(want)))
            fail_msg("answer %d is another", i);
    }
    assert_int_equal(rest.n, 0);
    assert_int_equal(journal_head(r->journal), head + LINES);
    close(fd);
    buf_fini(&text);
    buf_fini(&got);
}

/* What is not acknowledged must be said, a line that was cut off too. */
static void test_cut_line(void **state)
{
    struct rig *r = *state;
    struct buf got = buf_init(1 << 20);
    int fd = dial(r);

    talk(fd, STR("{\"stream\":\"env\",\"value\":1,\"id\":1}\n{\"stream\":\"env\",\"value\":2}"),
         true, 0, &got);
    assert_str(
        buf_str(&got),
        "{\"ack\":1}\n{\"error\":\"the last line has no line feed; it was not taken\",\"line\":2}\n");
    close(fd);
    buf_fini(&got);
}

static void test_overlong_line(void **state)
{
    struct rig *r = *state;
    struct buf text = buf_init(1 << 22), got = buf_init(1 << 20);
    int fd = dial(r);

    for (int i = 0; i < 1000000; i++)
        buf_u8(&text, 'x');
    buf_put(&text, STR("\n{\"stream\":\"env\",\"value\":1,\"id\":\"after\"}\n"));
    for (int i = 0; i < 1025; i++)
        buf_u8(&text, 'y');
    buf_put(&text, STR("\n{\"stream\":\"env\",\"value\":1,\"id\":\"last\"}\n"));
    talk(fd, buf_str(&text), false, 4, &got);
    assert_true(str_starts(buf_str(&got), STR("{\"error\":\"longer than 1024 bytes")));
    assert_true(str_find_str(buf_str(&got), STR("\"line\":1}\n{\"ack\":\"after\"}\n{\"error\":")) <
                got.n);
    assert_true(str_ends(buf_str(&got), STR("\"line\":3}\n{\"ack\":\"last\"}\n")));
    close(fd);
    buf_fini(&text);
    buf_fini(&got);
}

/* Clients that go away with answers on their way, in the middle of a line, or reading nothing. */
static void test_vanishing_clients(void **state)
{
    struct rig *r = *state;
    struct buf text = buf_init(1 << 20), got = buf_init(1 << 20);
    int silent, fd;

    for (int i = 0; i < 2000; i++)
        buf_printf(&text, "{\"stream\":\"env\",\"value\":%d}\n", i);
    buf_put(&text, STR("{\"stream\":"));
    for (int i = 0; i < 20; i++) {
        fd = dial(r);
        (void)!send(fd, text.p, text.n, MSG_NOSIGNAL);
        if (i % 2) {
            struct linger now = { 1, 0 };

            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        }
        close(fd);
    }
    silent = dial(r);
    (void)!send(silent, text.p, text.n, MSG_NOSIGNAL);
    fd = dial(r);
    talk(fd, STR("{\"stream\":\"env\",\"value\":1,\"id\":\"still here\"}\n"), false, 1, &got);
    assert_str(buf_str(&got), "{\"ack\":\"still here\"}\n");
    close(fd);
    close(silent);
    buf_fini(&text);
    buf_fini(&got);
}

/* The end of the server answers what was read. */
static void test_closing_answers(void **state)
{
    struct rig *r = *state;
    struct socket_options o = {
        .path = r->path, .device = STR("node-1"), .limits = &r->limits, .journal = r->journal
    };
    struct buf got = buf_init(1 << 20), again = buf_init(4096);
    struct fault f;
    struct stat st;
    int fd = dial(r);

    talk(fd, STR("{\"stream\":\"env\",\"value\":1,\"id\":1}\n"), false, 1, &got);
    assert_int_equal(stat(r->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    socket_server_close(r->server);
    talk(fd, STR_NONE, false, 0, &again); /* the end */
    close(fd);
    assert_int_equal(socket_server_open(r->workers, &o, &r->server, &f), 0);
    fd = dial(r);
    talk(fd, STR("{\"stream\":\"env\",\"value\":1,\"id\":2}\n"), false, 1, &got);
    assert_str(buf_str(&got), "{\"ack\":1}\n{\"ack\":2}\n");
    close(fd);
    buf_fini(&got);
    buf_fini(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(test_answers_in_order),  TEST(test_half_close_drains),
                                        TEST(test_cut_line),          TEST(test_overlong_line),
                                        TEST(test_vanishing_clients), TEST(test_closing_answers) };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
