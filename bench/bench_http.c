/*
 * What a small keep-alive request costs the server: a child process serves with one worker, this
 * one asks over N connections, one request in flight on each. Printed: requests a second, and CPU
 * seconds of the server per million requests, which moves less with the machine.
 *
 *     bench_http [SECONDS [CONNECTIONS [PIPELINED]]]
 */
#include "base/clock.h"
#include "base/mem.h"
#include "http/server.h"
#include "net/workers.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 10000

static char body[128];

static void on_get(struct http_request *r, void *ctx)
{
    (void)ctx;
    http_respond_const(r, 200, "text/plain", (struct str){ body, sizeof(body) });
}

static const struct http_route rows[] = { { HTTP_GET, "/bench", on_get, .summary = "128 bytes" } };

/* The child: serves until it is told to end, writes its port first. */
static void serve(int out)
{
    struct workers *w = workers_start(1);
    struct limits limits = limits_default();
    struct http_server_options o = { .name = "bench", .limits = &limits };
    struct http_server *s = http_server_new(w, &o);
    struct http_listen_options lo = { 0 };
    struct addr bound;
    struct fault f;
    sigset_t set;
    uint16_t port;
    int sig;

    limits.http_requests_max = UINT32_MAX;
    http_server_mount(s, rows, COUNT_OF(rows), NULL);
    if (addr_parse(STR("127.0.0.1"), 0, &lo.addr) || http_listen(s, &lo, &bound, &f))
        exit(1);
    port = addr_port(&bound);
    if (write(out, &port, sizeof(port)) != sizeof(port))
        exit(1);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigwait(&set, &sig);
    _exit(0);
}

static int dial(uint16_t port)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa))) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

struct load {
    int epoll;
    const char *request;
    size_t request_n, answer_n; /* of one answer, learnt from the first */
    unsigned pipelined;
    uint64_t answers;
};
struct one {
    int fd;
    size_t got; /* of the answers that are awaited */
};

static void ask(struct load *l, struct one *o)
{
    if (send(o->fd, l->request, l->request_n, MSG_NOSIGNAL) != (ssize_t)l->request_n) {
        perror("send");
        exit(1);
    }
}

static void take(struct load *l, struct one *o)
{
    char in[65536];
    ssize_t n = recv(o->fd, in, sizeof(in), 0);

    if (n <= 0) {
        fprintf(stderr, "the server closed a connection\n");
        exit(1);
    }
    if (l->answer_n == 0)
        l->answer_n = (size_t)n / l->pipelined;
    o->got += (size_t)n;
    if (o->got < l->answer_n * l->pipelined)
        return;
    l->answers += l->pipelined;
    o->got = 0;
    ask(l, o);
}

static void run(struct load *l, struct one *all, unsigned count, uint64_t ns)
{
    uint64_t until = clock_mono_ns() + ns;
    struct epoll_event events[256];

    for (unsigned i = 0; i < count; i++)
        ask(l, &all[i]);
    while (clock_mono_ns() < until) {
        int n = epoll_wait(l->epoll, events, 256, 100);

        for (int i = 0; i < n; i++)
            take(l, events[i].data.ptr);
    }
}

static double cpu_of(pid_t child)
{
    clockid_t clock;
    struct timespec t;

    if (clock_getcpuclockid(child, &clock) || clock_gettime(clock, &t))
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static const char request[] = "GET /bench HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                                  "User-Agent: bench\r\nAccept: */*\r\n\r\n";
    unsigned seconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 3;
    unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 64;
    unsigned pipelined = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1;
    struct load l = { .epoll = epoll_create1(EPOLL_CLOEXEC), .pipelined = pipelined };
    struct buf b = buf_init(1 << 20);
    struct one *all;
    int fds[2], status;
    sigset_t set;
    uint16_t port;
    double cpu;
    pid_t child;

    if (count < 1 || count > CONNECTIONS_MAX || pipelined < 1 || pipelined > 100 || pipe(fds))
        return 2;
    memset(body, 'x', sizeof(body));
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    child = fork();
    if (child == 0)
        serve(fds[1]);
    if (child < 0 || read(fds[0], &port, sizeof(port)) != sizeof(port))
        return 1;
    for (unsigned i = 0; i < pipelined; i++)
        buf_put(&b, str_of(request));
    l.request = b.p;
    l.request_n = b.n;
    all = mem_new_array(count, sizeof(*all));
    for (unsigned i = 0; i < count; i++) {
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = &all[i] };

        all[i].fd = dial(port);
        epoll_ctl(l.epoll, EPOLL_CTL_ADD, all[i].fd, &e);
    }
    cpu = cpu_of(child);
    run(&l, all, count, (uint64_t)seconds * 1000000000);
    cpu = cpu_of(child) - cpu;
    printf("%llu requests in %u s: %.0f/s, server %.2f CPU s per million\n",
           (unsigned long long)l.answers, seconds, (double)l.answers / seconds,
           cpu * 1e6 / (double)l.answers);
    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    mem_free(all);
    buf_fini(&b);
    return 0;
}
