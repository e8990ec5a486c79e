/*
 * What it takes to find who subscribes to a topic: FILTERS filters of mixed kinds, and topics that match
 * a few of them each.
 *
 *     bench_match [FILTERS]        ns for each match, and how many filters matched on average
 *
 * A third of the filters are plain topics, a third has + in one of its levels, a third ends in #; a
 * hundredth reaches over whole parts of the tree.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "mqtt/tree.h"

#include <stdio.h>

#define SITES   30
#define ROUNDS  20
#define TOPICS  4096
#define KINDS_N 8

static const char *const kinds[KINDS_N] = { "temperature", "humidity", "door",  "power",
                                            "vibration",   "pressure", "light", "state" };

/* Filter number i: three for each device; every hundredth stands for one device number at all sites
 * instead, every thousandth for one kind of a whole site. */
static void make_filter(char out[128], unsigned i)
{
    unsigned device = i / 3, site = device % SITES;
    const char *kind = kinds[device % KINDS_N];

    if (i % 1000 == 999)
        snprintf(out, 128, "plant/%u/+/%s/value", site, kinds[i / 1000 % KINDS_N]);
    else if (i % 100 == 99)
        snprintf(out, 128, "plant/+/device-%u/%s/value", device, kind);
    else if (i % 3 == 0)
        snprintf(out, 128, "plant/%u/device-%u/%s/value", site, device, kind);
    else if (i % 3 == 1)
        snprintf(out, 128, "plant/%u/device-%u/+/value", site, device);
    else
        snprintf(out, 128, "plant/%u/device-%u/%s/#", site, device, kind);
}

int main(int argc, char **argv)
{
    static char topics[TOPICS][128];
    struct tree t;
    uint64_t filters = 30000, start, ns, found = 0;
    const struct tree_span *spans;

    if (argc > 2 || (argc == 2 && str_to_u64(str_of(argv[1]), &filters)) || filters < 1000 ||
        filters > 100000000) {
        fprintf(stderr, "usage: bench_match [FILTERS]   (at least 1000)\n");
        return 2;
    }
    tree_init(&t);
    for (unsigned i = 0; i < filters; i++) {
        char filter[128];

        make_filter(filter, i);
        tree_add(&t, str_of(filter), &topics[i % TOPICS], 0, 1);
    }
    for (unsigned i = 0; i < TOPICS; i++) { /* in no order: caches are as cold as in life */
        unsigned device = (unsigned)((uint64_t)i * 104729 % (filters / 3));

        snprintf(topics[i], sizeof(topics[i]), "plant/%u/device-%u/%s/value", device % SITES,
                 device, kinds[device % KINDS_N]);
    }
    start = clock_thread_cpu_ns();
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < TOPICS; i++)
            found += tree_match(&t, str_of(topics[i]), &spans);
    ns = clock_thread_cpu_ns() - start;
    printf("{\"filters\":%zu,\"match_ns\":%.0f,\"matched\":%.2f}\n", t.filters,
           (double)ns / (ROUNDS * TOPICS), (double)found / (ROUNDS * TOPICS));
    tree_fini(&t);
    return 0;
}
