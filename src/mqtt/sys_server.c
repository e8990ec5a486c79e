/*
 * The $SYS topics that monitoring of existing brokers reads (version, uptime, clients, messages),
 * published by worker 0.
 */
#include "mqtt/broker_part.h"

#include "base/mem.h"

#include <stdio.h>

uint64_t broker_connected(const struct broker *b)
{
    int64_t n = metric_gauge_value(b->m.connected);

    return n > 0 ? (uint64_t)n : 0;
}

/* ---- $SYS ---- */

static void say(struct part *p, const char *topic, const char *value)
{
    int rc = broker_publish_bytes(p->b, p->loop, str_of(topic), str_of(value), 0, BROKER_RETAIN);

    (void)rc; /* the topics are constants of ours */
}

static void say_u64(struct part *p, const char *topic, uint64_t v)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    say(p, topic, text);
}

static uint64_t sum(struct metric *const m[3])
{
    return metric_value(m[0]) + metric_value(m[1]) + metric_value(m[2]);
}

static void tell(struct part *p)
{
    const struct broker_metrics *m = &p->b->m;
    char text[48];

    snprintf(text, sizeof(text), "%llu seconds",
             (unsigned long long)((loop_now_ms(p->loop) - p->started_ms) / 1000));
    say(p, "$SYS/broker/version", p->b->version);
    say(p, "$SYS/broker/uptime", text);
    say_u64(p, "$SYS/broker/clients/connected", broker_connected(p->b));
    say_u64(p, "$SYS/broker/subscriptions/count", (uint64_t)metric_gauge_value(m->subscriptions));
    say_u64(p, "$SYS/broker/retained messages/count", (uint64_t)metric_gauge_value(m->retained));
    say_u64(p, "$SYS/broker/messages/received", sum(m->received));
    say_u64(p, "$SYS/broker/messages/sent", sum(m->sent));
}

static void on_sys(struct timer *t)
{
    struct part *p = container_of(t, struct part, sys_timer);

    tell(p);
    timer_start(t, p->b->sys_interval_ms);
}

void sys_start(struct part *p)
{
    timer_init(&p->sys_timer, p->loop, on_sys);
    p->started_ms = loop_now_ms(p->loop);
    if (p->index == 0 && p->b->version)
        on_sys(&p->sys_timer);
}
