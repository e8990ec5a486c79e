/*
 * How much memory the process has, looked at now and then. Above limits.mqtt_memory_max every queue of a client
 * holds only SESSION_QUEUE_LEAST, whatever it may hold else, and nothing more is retained: so many who each
 * keep to their own limit do not end the process for all. What was let in stays.
 */
#include "mqtt/broker_part.h"

#include "base/log.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#define LOOK_MS 250u

uint64_t memory_resident(void)
{
    unsigned long long size, resident = 0, shared = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f && fscanf(f, "%llu %llu %llu", &size, &resident, &shared) != 3)
        resident = shared = 0;
    if (f)
        fclose(f);
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* What was freed is mostly kept for the next, and counts as resident; asking costs as much as there are
 * holes, so only when it may matter. */
static uint64_t in_use(void)
{
    struct mallinfo2 m = mallinfo2();

    return (uint64_t)m.uordblks + (uint64_t)m.hblkhd;
}

static uint64_t memory_max(const struct broker *b)
{
    if (b->limits.mqtt_memory_max_bytes > 0)
        return b->limits.mqtt_memory_max_bytes;
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 4 * 3;
}

static void on_look(struct timer *t)
{
    struct part *p = container_of(t, struct part, memory_timer);
    struct broker *b = p->b;
    uint64_t most = memory_max(b), bytes = memory_resident(), used;
    bool low;

    timer_start(t, LOOK_MS);
    if (bytes > most && (used = in_use()) > 0 &&
        used < bytes) /* 0: another allocator, which does not say */
        bytes = used;
    low = bytes > most;
    if (cell_swap(&b->memory_low, low) == low)
        return;
    if (low)
        log_warn("mqtt",
                 "memory is short: queues of clients hold little, and nothing more is retained",
                 lf_u64("bytes", bytes), lf_u64("mqtt_memory_max", most));
    else
        log_info("mqtt", "there is memory again", lf_u64("bytes", bytes));
}

void memory_start(struct part *p)
{
    if (p->index == 0)
        timer_start(&p->memory_timer, LOOK_MS);
}

void memory_init(struct part *p)
{
    timer_init(&p->memory_timer, p->loop, on_look);
}

void memory_stop(struct part *p)
{
    timer_stop(&p->memory_timer);
}

bool broker_memory_is_low(const struct broker *b)
{
    return cell_get(&b->memory_low) != 0;
}
