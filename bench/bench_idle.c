/*
 * What an idle HTTPS connection costs its server: COUNT are made, each asks once and then stays. For
 * bench/mqtt, which holds a broker's idle TLS connections against those of a web server.
 *
 *     bench_idle PORT CA BASE COUNT PID
 *
 * Prints the bytes of anonymous memory of process PID (and of its children, as a web server has them:
 * give the worker's) for each connection between BASE and COUNT.
 */
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/bench_proc_io.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/tls.h"

#include <stdio.h>
#include <stdlib.h>

#define AT_ONCE 50

static struct {
    struct loop *loop;
    struct tls_context *tls;
    uint64_t port, base, count, pid, opened, answered, memory;
} idle;

static void open_one(void);

static void on_connected(void *ctx, struct stream *s)
{
    (void)ctx;
    stream_send(s, STR("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
}

static size_t on_data(void *ctx, struct stream *s, struct str bytes)
{
    bool *done = ctx;

    (void)s;
    if (*done)
        return bytes.n;
    *done = true;
    idle.answered++;
    if (idle.answered == idle.base)
        idle.memory = bench_proc_memory(idle.pid);
    if (idle.answered == idle.count)
        loop_stop(idle.loop);
    else
        open_one();
    return bytes.n;
}

static void on_closed(void *ctx, struct stream *s, int code)
{
    (void)ctx;
    fprintf(stderr, "bench_idle: a connection ended: %s %s\n", err_text(code), stream_tls_error(s));
    exit(1);
}

static void open_one(void)
{
    static const struct stream_handler handler = { .connected = on_connected,
                                                   .data = on_data,
                                                   .closed = on_closed };
    struct connect_options o = { .host = "127.0.0.1",
                                 .server_name = "localhost",
                                 .port = (uint16_t)idle.port,
                                 .timeout_ms = 60000,
                                 .tls = idle.tls };

    if (idle.opened++ < idle.count)
        stream_connect(idle.loop, &o, &handler, NEW(bool), 65536);
}

int main(int argc, char **argv)
{
    struct fault f = { 0 };
    uint64_t after;

    log_setup(LOG_WARN, LOG_LOGFMT, 2);
    if (argc != 6 || str_to_u64(str_of(argv[1]), &idle.port) ||
        str_to_u64(str_of(argv[3]), &idle.base) || str_to_u64(str_of(argv[4]), &idle.count) ||
        str_to_u64(str_of(argv[5]), &idle.pid) || idle.base == 0 || idle.base >= idle.count) {
        fprintf(stderr, "usage: bench_idle PORT CA BASE COUNT PID\n");
        return 2;
    }
    if (tls_client_new(&(struct tls_client_options){ .ca_file = argv[2] }, &idle.tls, &f)) {
        fprintf(stderr, "bench_idle: %s\n", f.text);
        return 1;
    }
    idle.loop = loop_new();
    for (unsigned i = 0; i < AT_ONCE; i++)
        open_one();
    loop_run(idle.loop);
    after = bench_proc_memory(idle.pid);
    if (idle.memory == 0 || after == 0) {
        fprintf(stderr, "bench_idle: there is no process %s\n", argv[5]);
        return 1;
    }
    printf("%.0f\n", ((double)after - (double)idle.memory) / (double)(idle.count - idle.base));
    return 0; /* what is open ends with the program */
}
