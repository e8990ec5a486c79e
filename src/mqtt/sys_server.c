/*
 * The topics below $SYS (mqtt/sys_topics.h), which worker 0 publishes out of the metrics.
 */
#include "mqtt/broker_part.h"

#include "base/mem.h"
#include "mqtt/sys_topics.h"

#include <stdio.h>

uint64_t broker_connected(const struct broker *b)
{
    int64_t n = metric_gauge_value(b->m.connected);

    return n > 0 ? (uint64_t)n : 0;
}

/* ---- $SYS ---- */

struct sys {
    struct timer timer;
    struct part *part;
    uint64_t started_ms, told_ms;
    struct sys_topics topics;
};

static void say(void *ctx, const char *topic, const char *text)
{
    struct part *p = ctx;
    int rc = broker_publish_bytes(p->b, p->loop, str_of(topic), str_of(text), 0, BROKER_RETAIN);

    (void)rc; /* the topics are constants of ours */
}

static uint64_t sum(struct metric *const m[3])
{
    return metric_value(m[0]) + metric_value(m[1]) + metric_value(m[2]);
}

/* Gauges are summed while others count: below 0 for a moment. */
static uint64_t gauge(const struct metric *m)
{
    int64_t v = metric_gauge_value(m);

    return v > 0 ? (uint64_t)v : 0;
}

static void look(const struct sys *y, uint64_t now[SYS_NUMBERS])
{
    const struct broker_metrics *m = &y->part->b->m;
    struct metric *const counters[SYS_NUMBERS] = {
        [SYS_EXPIRED] = m->expired_sessions,
        [SYS_PACKETS_IN] = m->packets_in,
        [SYS_PACKETS_OUT] = m->packets_out,
        [SYS_PAYLOAD_IN] = m->payload_in,
        [SYS_PAYLOAD_OUT] = m->payload_out,
        [SYS_BYTES_IN] = m->received_bytes,
        [SYS_BYTES_OUT] = m->sent_bytes,
        [SYS_SOCKETS] = m->sockets,
        [SYS_CONNECTIONS] = m->connects,
        [SYS_REFUSED] = m->refused,
        [SYS_DROPPED_SLOW] = m->dropped_slow,
        [SYS_DROPPED_QUEUE] = m->dropped_queue,
        [SYS_DROPPED_OLDEST] = m->dropped_oldest,
        [SYS_DROPPED_OFFLINE] = m->dropped_offline,
        [SYS_DROPPED_SIZE] = m->dropped_size,
        [SYS_DROPPED_EXPIRED] = m->dropped_expired,
        [SYS_DROPPED_RETAINED] = m->dropped_retained,
        [SYS_DROPPED_MOUNT] = m->dropped_mount,
        [SYS_OVERFULL] = m->overfull,
        [SYS_THROTTLED] = m->throttled,
        [SYS_CROWDED] = m->crowded,
    };

    for (unsigned i = 0; i < SYS_NUMBERS; i++)
        now[i] = counters[i] ? metric_value(counters[i]) : 0;
    for (unsigned i = SYS_DROPPED_SLOW; i <= SYS_DROPPED_MOUNT; i++)
        now[SYS_DROPPED] += now[i];
    now[SYS_UPTIME_S] = (loop_now_ms(y->part->loop) - y->started_ms) / 1000;
    now[SYS_CONNECTED] = broker_connected(y->part->b);
    now[SYS_SESSIONS] = gauge(m->sessions);
    if (now[SYS_SESSIONS] < now[SYS_CONNECTED])
        now[SYS_SESSIONS] = now[SYS_CONNECTED];
    now[SYS_DISCONNECTED] = now[SYS_SESSIONS] - now[SYS_CONNECTED];
    now[SYS_PUBLISH_IN] = sum(m->received);
    now[SYS_PUBLISH_OUT] = sum(m->sent);
    now[SYS_SUBSCRIPTIONS] = gauge(m->subscriptions);
    now[SYS_SHARED] = gauge(m->shared);
    now[SYS_RETAINED] = gauge(m->retained);
    now[SYS_STORED] = gauge(m->queued) + now[SYS_RETAINED];
    now[SYS_STORED_BYTES] = gauge(m->queued_bytes) + gauge(m->retained_bytes);
    now[SYS_HEAP] = memory_resident();
}

static void on_sys(struct timer *t)
{
    struct sys *y = container_of(t, struct sys, timer);
    uint64_t now[SYS_NUMBERS], at = loop_now_ms(y->part->loop);

    look(y, now);
    sys_topics_tell(&y->topics, now, at - y->told_ms, say, y->part);
    y->told_ms = at;
    timer_start(t, y->part->b->sys_interval_ms);
}

/* What does not change: the version, and what a client may. */
static void tell_limits(struct part *p)
{
    char topic[80], text[24];

    say(p, "$SYS/broker/version", p->b->version);
#define TELL_LIMIT(name, def, least, most, unit, help)                                             \
    if (str_starts(STR(#name), STR("mqtt_"))) {                                                    \
        snprintf(topic, sizeof(topic), "$SYS/broker/limits/%s", #name);                            \
        snprintf(text, sizeof(text), "%llu", (unsigned long long)p->b->limits.name);               \
        say(p, topic, text);                                                                       \
    }
    LIMITS_LIST(TELL_LIMIT)
#undef TELL_LIMIT
}

static void on_tally(struct later *d)
{
    struct part *p = container_of(d, struct part, tell_tally);
    const struct broker_metrics *m = &p->b->m;

    metric_add(m->packets_out, p->tally.packets);
    metric_add(m->sent_bytes, p->tally.bytes);
    metric_add(m->payload_out, p->tally.payload);
    p->tally = (struct tally){ 0 };
}

void sys_start(struct part *p)
{
    p->tell_tally.run = on_tally;
    if (p->index != 0 || !p->b->version)
        return;
    p->sys = NEW(struct sys);
    p->sys->part = p;
    p->sys->started_ms = p->sys->told_ms = loop_now_ms(p->loop);
    timer_init(&p->sys->timer, p->loop, on_sys);
    tell_limits(p);
    on_sys(&p->sys->timer);
}

void sys_stop(struct part *p)
{
    if (p->sys)
        timer_stop(&p->sys->timer);
}

void sys_free(struct part *p)
{
    mem_free(p->sys);
}
