/* Listeners over several workers: the test's thread is the client, with plain sockets. */
#include "unit/unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define WORKERS 3

/* Echoes; counts what it saw. */
struct service {
    struct workers *w;
    struct listener *ln;
    atomic_uint accepted, closed, by_worker[WORKERS];
    atomic_uint uid_right;
    bool close_at_once, hold;
    bool notes_peer;           /* for tests with one connection at a time */
    char peer[ADDR_TEXT_SIZE]; /* of the one accepted last; written before it is counted */
    struct addr_net trusted;
    struct stream *held[WORKERS * 64];
};

static size_t echo_data(void *ctx, struct stream *s, struct str bytes)
{
    (void)ctx;
    stream_send(s, bytes);
    return bytes.n;
}

static void echo_closed(void *ctx, struct stream *s, int code)
{
    struct service *v = ctx;

    (void)code;
    loop_assert_mine(stream_loop(s));
    atomic_fetch_add(&v->closed, 1);
}
static const struct stream_handler echo = { .data = echo_data, .closed = echo_closed };

static void accepted(void *ctx, struct loop *l, struct stream *s)
{
    struct service *v = ctx;
    uint32_t uid, gid;
    int32_t pid;

    loop_assert_mine(l);
    if (v->notes_peer)
        addr_format(stream_peer(s), v->peer);
    atomic_fetch_add(&v->accepted, 1);
    atomic_fetch_add(&v->by_worker[loop_index(l)], 1);
    if (stream_peer_cred(s, &uid, &gid, &pid) == 0 && uid == getuid() && pid == getpid())
        atomic_fetch_add(&v->uid_right, 1);
    if (v->close_at_once) {
        stream_close(s, STREAM_NOW, 0);
        return;
    }
    stream_set(s, &echo, v, 1000);
}

static struct service *service_of(const char *address, uint64_t connections_max,
                                  struct listener_places *places)
{
    struct service *v = NEW(struct service);
    struct listener_options o = { .accepted = accepted, .ctx = v };
    struct fault f = { 0 };

    o.connections_max = connections_max;
    o.places = places;
    assert_int_equal(addr_parse_port(str_of(address), 0, &o.addr), 0);
    v->w = workers_start(WORKERS);
    if (listener_open(v->w, &o, &v->ln, &f))
        fail_msg("%s", f.text);
    return v;
}

static struct service *service_new(const char *address, uint64_t connections_max)
{
    return service_of(address, connections_max, NULL);
}

#define EVENTUALLY(cond)                                                                           \
    do {                                                                                           \
        uint64_t until_ = clock_mono_ns() + 20ull * 1000 * 1000 * 1000;                            \
                                                                                                   \
        while (!(cond) && clock_mono_ns() < until_)                                                \
            poll(NULL, 0, 1);                                                                      \
        assert_true(cond);                                                                         \
    } while (0)

static void service_free(struct service *v)
{
    listener_close(v->ln);
    EVENTUALLY(listener_open_count(v->ln) == 0);
    listener_free(v->ln);
    workers_stop(v->w);
    workers_free(v->w);
    mem_free(v);
}

static int client(const struct addr *a)
{
    int fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&a->ss, a->len)) {
        close(fd);
        return -errno;
    }
    return fd;
}

static void expect_echo(int fd)
{
    char in[4];

    assert_int_equal(send(fd, "ping", 4, MSG_NOSIGNAL), 4);
    assert_int_equal(recv(fd, in, 4, MSG_WAITALL), 4);
    assert_memory_equal(in, "ping", 4);
}

static void port_0_is_one_port_for_all_workers(void **state)
{
    struct service *v = service_new("127.0.0.1:0", 0);
    const struct addr *a = listener_addr(v->ln);
    int fd[64];
    unsigned i;

    (void)state;
    assert_true(addr_port(a) > 0);
    for (i = 0; i < COUNT_OF(fd); i++) {
        fd[i] = client(a);
        expect_echo(fd[i]);
    }
    assert_int_equal(listener_open_count(v->ln), COUNT_OF(fd));
    /* The kernel spreads by a hash: that one of three gets none of 64 is one in 10^11. */
    for (i = 0; i < WORKERS; i++)
        assert_true(atomic_load(&v->by_worker[i]) > 0);
    for (i = 0; i < COUNT_OF(fd); i++)
        close(fd[i]);
    service_free(v);
}

static void a_thousand_connections_come_and_go(void **state)
{
    struct service *v = service_new("127.0.0.1:0", 0);
    int *fd = mem_new_array(1000, sizeof(int));
    unsigned i;

    (void)state;
    for (i = 0; i < 1000; i++) {
        fd[i] = client(listener_addr(v->ln));
        assert_true(fd[i] >= 0);
    }
    for (i = 0; i < 1000; i++)
        expect_echo(fd[i]);
    assert_int_equal(listener_open_count(v->ln), 1000);
    for (i = 0; i < 1000; i++)
        close(fd[i]);
    EVENTUALLY(atomic_load(&v->closed) == 1000);
    assert_int_equal(atomic_load(&v->accepted), 1000);
    mem_free(fd);
    service_free(v);
}

static void beyond_connections_max_they_are_refused(void **state)
{
    struct service *v = service_new("127.0.0.1:0", 2);
    int a = client(listener_addr(v->ln)), b = client(listener_addr(v->ln)), c;
    char in[1];

    (void)state;
    expect_echo(a);
    expect_echo(b);
    c = client(listener_addr(v->ln));
    assert_true(c >= 0);
    assert_true(recv(c, in, 1, 0) <= 0);
    assert_int_equal(listener_refused_count(v->ln), 1);
    assert_int_equal(listener_open_count(v->ln), 2);
    close(a);
    close(c);
    EVENTUALLY(listener_open_count(v->ln) == 1);
    a = client(listener_addr(v->ln));
    expect_echo(a);
    close(a);
    close(b);
    service_free(v);
}

/* The end, or a reset: bytes of ours may have been left unread. */
static void expect_end(int fd)
{
    char in[1];

    assert_true(fd >= 0);
    assert_true(recv(fd, in, 1, 0) <= 0);
    close(fd);
}

static void places_are_of_all_listeners_together(void **state)
{
    struct metrics *m = metrics_new();
    struct listener_places all = { .connections_max = 3,
                                   .places = metrics_counter(m, "places", "", "") };
    struct service *v = service_of("127.0.0.1:0", 2, &all), *w = service_of("127.0.0.1:0", 9, &all);
    int fd[3];

    (void)state;
    fd[0] = client(listener_addr(v->ln));
    expect_echo(fd[0]);
    fd[1] = client(listener_addr(v->ln));
    expect_echo(fd[1]);
    expect_end(client(listener_addr(v->ln))); /* its own are fewer */
    fd[2] = client(listener_addr(w->ln));
    expect_echo(fd[2]);
    expect_end(client(listener_addr(w->ln)));
    assert_int_equal(listener_refused_count(w->ln), 1);
    assert_int_equal(metric_value(all.places), 2);
    close(fd[0]);
    EVENTUALLY(cell_get(&all.open) == 2);
    fd[0] = client(listener_addr(w->ln));
    expect_echo(fd[0]);
    for (unsigned i = 0; i < COUNT_OF(fd); i++)
        close(fd[i]);
    service_free(v);
    service_free(w);
    assert_int_equal(cell_get(&all.open), 0);
    metrics_free(m);
}

static void nothing(void *ctx, struct loop *l)
{
    (void)ctx;
    (void)l;
}

static void descriptors_that_are_reserved_are_left(void **state)
{
    struct metrics *m = metrics_new();
    struct listener_places all = { .files = metrics_counter(m, "files", "", "") };
    struct service *v = service_of("127.0.0.1:0", 0, &all), *own = service_new("127.0.0.1:0", 0);
    int fd[3], lowest = dup(0);

    (void)state;
    close(lowest);
    all.files_max = lowest + 4;        /* each connection takes two: both ends of it are ours */
    workers_each(v->w, nothing, NULL); /* they have seen it */
    for (unsigned i = 0; i < 2; i++) {
        fd[i] = client(listener_addr(v->ln));
        expect_echo(fd[i]);
    }
    expect_end(client(listener_addr(v->ln)));
    assert_int_equal(metric_value(all.files), 1);
    assert_int_equal(listener_open_count(v->ln), 2);
    fd[2] = client(listener_addr(own->ln)); /* who shares nothing takes of the reserve */
    expect_echo(fd[2]);
    close(fd[0]);
    EVENTUALLY(listener_open_count(v->ln) == 1);
    fd[0] = client(listener_addr(v->ln));
    expect_echo(fd[0]); /* at the latest when its pause is over */
    for (unsigned i = 0; i < COUNT_OF(fd); i++)
        close(fd[i]);
    service_free(v);
    service_free(own);
    metrics_free(m);
}

static void closing_at_once_is_allowed(void **state)
{
    struct service *v = service_new("127.0.0.1:0", 0);
    char in[1];
    int fd;

    (void)state;
    v->close_at_once = true;
    fd = client(listener_addr(v->ln));
    assert_int_equal(recv(fd, in, 1, 0), 0);
    close(fd);
    EVENTUALLY(atomic_load(&v->accepted) == 1);
    EVENTUALLY(listener_open_count(v->ln) == 0);
    assert_int_equal(atomic_load(&v->closed), 0); /* it never had a protocol */
    service_free(v);
}

static void a_port_in_use_is_said_in_a_sentence(void **state)
{
    struct service *v = service_new("127.0.0.1:0", 0);
    struct listener_options o = { .accepted = accepted, .ctx = v };
    struct listener *other = NULL;
    struct fault f = { 0 };

    (void)state;
    o.addr = *listener_addr(v->ln);
    assert_int_equal(listener_open(v->w, &o, &other, &f), -EADDRINUSE);
    assert_non_null(strstr(f.text, "127.0.0.1:"));
    assert_non_null(strstr(f.text, "in use"));
    assert_null(other);
    assert_int_equal(addr_parse(STR("192.0.2.1"), 0, &o.addr), 0);
    assert_int_equal(listener_open(v->w, &o, &other, &f), -EADDRNOTAVAIL);
    service_free(v);
}

static void open_connections_outlive_the_listener(void **state)
{
    struct service *v = service_new("127.0.0.1:0", 0);
    struct addr a = *listener_addr(v->ln);
    int fd = client(&a);

    (void)state;
    expect_echo(fd);
    listener_close(v->ln);
    assert_int_equal(client(&a), -ECONNREFUSED);
    expect_echo(fd);
    assert_int_equal(listener_open_count(v->ln), 1);
    close(fd);
    EVENTUALLY(listener_open_count(v->ln) == 0);
    listener_free(v->ln);
    workers_free(v->w);
    mem_free(v);
}

static void connections_that_wait_when_it_closes_are_served(void **state)
{
    struct service *v = service_new("127.0.0.1:0", 0);
    int fd[50];
    unsigned i;

    (void)state;
    for (i = 0; i < COUNT_OF(fd); i++)
        fd[i] = client(listener_addr(v->ln));
    listener_close(v->ln);
    for (i = 0; i < COUNT_OF(fd); i++) {
        expect_echo(fd[i]);
        close(fd[i]);
    }
    EVENTUALLY(listener_open_count(v->ln) == 0);
    listener_free(v->ln);
    workers_free(v->w);
    mem_free(v);
}

static void without_descriptors_accepting_pauses_and_goes_on(void **state)
{
    struct service *v = service_new("127.0.0.1:0", 0);
    const struct addr *a = listener_addr(v->ln);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), lowest = dup(fd);
    struct rlimit normal, tight;
    unsigned i;

    (void)state;
    close(lowest); /* all below it are in use */
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &normal), 0);
    tight = normal;
    tight.rlim_cur = (rlim_t)lowest;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a->ss, a->len), 0);
    for (i = 0; i < 10; i++)
        workers_each(v->w, nothing, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &normal), 0);
    assert_int_equal(atomic_load(&v->accepted), 0);
    expect_echo(fd);
    close(fd);
    service_free(v);
}

/* ---- a graceful stop ---- */

#define STOP_BYTES ((size_t)2 * 1024 * 1024)

static void stop_accepted(void *ctx, struct loop *l, struct stream *s)
{
    struct service *v = ctx;
    struct blob *b = blob_alloc(STOP_BYTES);

    memset(b->bytes, 's', b->n);
    stream_set(s, &echo, v, 1000);
    stream_send_blob(s, b, 0, b->n);
    blob_unref(b);
    v->held[loop_index(l)] = s; /* one client */
    atomic_fetch_add(&v->accepted, 1);
}

static void stop_streams(void *ctx, struct loop *l)
{
    struct service *v = ctx;

    if (v->held[loop_index(l)])
        stream_close(v->held[loop_index(l)], STREAM_FLUSH, ERR_STOPPED);
}

static void a_graceful_stop_delivers_what_waits(void **state)
{
    struct service *v = NEW(struct service);
    struct listener_options o = { .accepted = stop_accepted, .ctx = v };
    char *in = mem_new(STOP_BYTES);
    size_t n = 0;
    ssize_t got;
    int fd;

    (void)state;
    v->w = workers_start(WORKERS);
    assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &o.addr), 0);
    assert_int_equal(listener_open(v->w, &o, &v->ln, NULL), 0);
    fd = client(listener_addr(v->ln));
    EVENTUALLY(atomic_load(&v->accepted) == 1);
    listener_close(v->ln);
    workers_each(v->w, stop_streams, v);
    assert_int_equal(listener_open_count(v->ln), 1);
    while ((got = recv(fd, in, STOP_BYTES, 0)) > 0)
        n += (size_t)got;
    assert_int_equal(got, 0); /* an end, not a reset */
    assert_int_equal(n, STOP_BYTES);
    close(fd);
    EVENTUALLY(listener_open_count(v->ln) == 0);
    listener_free(v->ln);
    workers_stop(v->w);
    workers_free(v->w);
    mem_free(in);
    mem_free(v);
}

/* ---- Unix sockets ---- */

static char dir[64], path[80], address[90];

static void scratch(void)
{
    snprintf(dir, sizeof(dir), "/tmp/wayside-listener-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    snprintf(address, sizeof(address), "unix:%s", path);
}

static void unix_connections_go_to_all_workers_with_credentials(void **state)
{
    struct service *v;
    struct stat st;
    int fd[9];
    unsigned i;

    (void)state;
    scratch();
    v = service_new(address, 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    for (i = 0; i < COUNT_OF(fd); i++) {
        fd[i] = client(listener_addr(v->ln));
        expect_echo(fd[i]);
    }
    for (i = 0; i < WORKERS; i++)
        assert_int_equal(atomic_load(&v->by_worker[i]), 3);
    assert_int_equal(atomic_load(&v->uid_right), COUNT_OF(fd));
    for (i = 0; i < COUNT_OF(fd); i++)
        close(fd[i]);
    service_free(v);
    assert_int_equal(stat(path, &st), -1); /* taken away with the listener */
    rmdir(dir);
}

static void a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    struct listener_options o = { .accepted = accepted };
    struct service *v;
    struct listener *other;
    struct fault f = { 0 };
    int fd;

    (void)state;
    scratch();
    assert_int_equal(addr_parse(str_of(address), 0, &o.addr), 0);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&o.addr.ss, o.addr.len), 0);
    close(fd); /* left behind: nobody answers */
    v = service_new(address, 0);
    fd = client(listener_addr(v->ln));
    expect_echo(fd);
    close(fd);
    assert_int_equal(listener_open(v->w, &o, &other, &f), -EADDRINUSE);
    fd = client(listener_addr(v->ln)); /* untouched */
    expect_echo(fd);
    close(fd);
    service_free(v);
    rmdir(dir);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    struct workers *w = workers_start(1);
    struct listener_options o = { .accepted = accepted };
    struct listener *ln;
    struct fault f = { 0 };
    struct stat st;

    (void)state;
    scratch();
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(addr_parse(str_of(address), 0, &o.addr), 0);
    assert_int_equal(listener_open(w, &o, &ln, &f), -ENOTSOCK);
    assert_non_null(strstr(f.text, "no socket"));
    assert_int_equal(stat(path, &st), 0);
    unlink(path);
    rmdir(dir);
    workers_free(w);
}

/* ---- PROXY headers ---- */

/* trusted: NULL: loopback. */
static struct service *proxied_new(const char *at, const char *trusted, uint64_t timeout_ms)
{
    struct service *v = NEW(struct service);
    struct listener_options o = {
        .accepted = accepted,
        .ctx = v,
        .proxy = { .required = true, .header_max_bytes = 256, .timeout_ms = timeout_ms },
    };
    struct fault f = { 0 };

    v->notes_peer = true;
    if (trusted) {
        assert_int_equal(addr_net_parse(str_of(trusted), &v->trusted), 0);
        o.proxy.trusted = &v->trusted;
        o.proxy.trusted_count = 1;
    }
    assert_int_equal(addr_parse_port(str_of(at), 0, &o.addr), 0);
    v->w = workers_start(WORKERS);
    if (listener_open(v->w, &o, &v->ln, &f))
        fail_msg("%s", f.text);
    return v;
}

static int say(const struct service *v, struct str bytes)
{
    int fd = client(listener_addr(v->ln));

    assert_true(fd >= 0);
    assert_int_equal(send(fd, bytes.p, bytes.n, MSG_NOSIGNAL), bytes.n);
    return fd;
}

static void a_proxy_says_who_connected(void **state)
{
    struct service *v = proxied_new("127.0.0.1:0", NULL, 5000);
    static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x03xyz";
    int fd = say(v, STR("PROXY TCP4 192.0.2.7 198.51.100.1 56324 1883\r\nping"));
    char in[4];

    (void)state;
    assert_int_equal(recv(fd, in, 4, MSG_WAITALL), 4); /* what came with the header was delivered */
    assert_memory_equal(in, "ping", 4);
    assert_int_equal(atomic_load(&v->accepted), 1);
    assert_string_equal(v->peer, "192.0.2.7:56324");
    expect_echo(fd);
    close(fd);
    fd = say(v, STR("PROXY TCP6 2001:db8::7 "));
    assert_int_equal(send(fd, "2001:db8::1 5 6\r\n", 17, MSG_NOSIGNAL), 17);
    expect_echo(fd);
    assert_int_equal(atomic_load(&v->accepted), 2);
    assert_string_equal(v->peer, "[2001:db8::7]:5");
    close(fd);
    fd = say(v, str_from(local, sizeof(local) - 1));
    expect_echo(fd);
    assert_int_equal(atomic_load(&v->accepted), 3);
    assert_true(str_starts(str_of(v->peer), STR("127.0.0.1:")));
    close(fd);
    assert_int_equal(listener_failed_count(v->ln), 0);
    service_free(v);
}

static void without_a_header_nothing_begins(void **state)
{
    struct service *v = proxied_new("127.0.0.1:0", NULL, 5000);
    static const char large[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff";

    (void)state;
    expect_end(say(v, STR("GET / HTTP/1.1\r\n\r\n")));
    expect_end(say(v, str_from(large, sizeof(large) - 1)));
    EVENTUALLY(listener_failed_count(v->ln) == 2);
    close(say(v, STR("PROXY TC"))); /* it goes away itself */
    EVENTUALLY(listener_failed_count(v->ln) == 3);
    assert_int_equal(atomic_load(&v->accepted), 0);
    service_free(v);
}

static void a_header_that_is_late_is_not_waited_for(void **state)
{
    struct service *v = proxied_new("127.0.0.1:0", NULL, 100);

    (void)state;
    expect_end(say(v, STR("PROXY TCP4 192.0.2.7")));
    service_free(v);
}

static void only_trusted_proxies_are_believed(void **state)
{
    static const struct {
        const char *at, *trusted;
        bool good;
    } cases[] = {
        { "127.0.0.1:0", "10.0.0.0/8", false },
        { "127.0.0.1:0", "127.0.0.0/8", true },
        { "[::1]:0", NULL, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct service *v = proxied_new(cases[i].at, cases[i].trusted, 5000);
        int fd = client(listener_addr(v->ln));

        assert_true(fd >= 0);
        (void)!send(fd, "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n", 39, MSG_NOSIGNAL);
        if (cases[i].good) {
            expect_echo(fd);
            close(fd);
        } else {
            expect_end(fd);
        }
        assert_int_equal(atomic_load(&v->accepted), cases[i].good);
        service_free(v);
    }
}

static void a_listener_that_closes_ends_those_that_wait(void **state)
{
    struct service *v;
    int fd[6];

    (void)state;
    scratch();
    v = proxied_new(address, NULL, 60000); /* a Unix socket's connections are on all workers */
    for (size_t i = 0; i < COUNT_OF(fd); i++)
        fd[i] = say(v, STR("PROXY"));
    EVENTUALLY(listener_open_count(v->ln) == COUNT_OF(fd));
    service_free(v); /* waits until none is open */
    for (size_t i = 0; i < COUNT_OF(fd); i++)
        expect_end(fd[i]);
    rmdir(dir);
}

RUN(TEST(port_0_is_one_port_for_all_workers), TEST(a_thousand_connections_come_and_go),
    TEST(places_are_of_all_listeners_together), TEST(descriptors_that_are_reserved_are_left),
    TEST(beyond_connections_max_they_are_refused), TEST(closing_at_once_is_allowed),
    TEST(a_port_in_use_is_said_in_a_sentence), TEST(open_connections_outlive_the_listener),
    TEST(connections_that_wait_when_it_closes_are_served),
    TEST(without_descriptors_accepting_pauses_and_goes_on),
    TEST(a_graceful_stop_delivers_what_waits),
    TEST(unix_connections_go_to_all_workers_with_credentials),
    TEST(a_stale_socket_is_replaced_and_a_live_one_is_not),
    TEST(a_file_that_is_no_socket_is_left_alone), TEST(a_proxy_says_who_connected),
    TEST(without_a_header_nothing_begins), TEST(a_header_that_is_late_is_not_waited_for),
    TEST(only_trusted_proxies_are_believed), TEST(a_listener_that_closes_ends_those_that_wait))
