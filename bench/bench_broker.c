/*
 * The broker alone, without a journal behind it, for bench/mqtt: what routing itself costs.
 *
 *     bench_broker PORT WORKERS
 *
 * Listens on loopback and runs until it is killed.
 */
#include "base/addr.h"
#include "base/limits.h"
#include "base/log.h"
#include "mqtt/broker.h"

#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct limits limits = limits_default();
    struct broker_listen listen = { .name = "bench" };
    struct addr bound;
    struct fault f = { 0 };
    struct workers *w;
    struct broker *b;
    uint64_t port = 1883, workers = 1;
    char text[ADDR_TEXT_SIZE], fault[1024];

    if ((argc > 1 && str_to_u64(str_of(argv[1]), &port)) ||
        (argc > 2 && str_to_u64(str_of(argv[2]), &workers)) || port > UINT16_MAX) {
        fprintf(stderr, "usage: bench_broker PORT WORKERS\n");
        return 2;
    }
    log_setup(LOG_WARN, LOG_LOGFMT, 2);
    limits.connections_max = 20000;
    w = workers_start((unsigned)workers);
    b = broker_new(w, &(struct broker_options){ .limits = &limits });
    if (addr_parse(STR("127.0.0.1"), (uint16_t)port, &listen.addr) ||
        broker_listen(b, &listen, &bound, &f)) {
        fprintf(stderr, "%s\n", fault_text(&f, fault, sizeof(fault)));
        return 1;
    }
    printf("listening on %s\n", addr_format(&bound, text));
    fflush(stdout);
    for (;;)
        pause();
}
