/*
 * Connections as such. connect: each is dialled, accepted and cut (a port that was closed politely could
 * not be used again for a minute), `clients` at a time. idle: all stay, each with a subscription.
 */
#include "cli/bench_shard_io.h"

#include "base/clock.h"

#include <stdio.h>

#define OPENING_MAX 100

static const struct bench_args *args_of(const struct bench_shard *s)
{
    return s->plan->args;
}

static void timed(struct bench_conn *c)
{
    struct bench_shard *s = c->shard;

    s->units++;
    if (s->phase)
        histogram_add(&s->phase->latency, clock_mono_ns() - c->opened_ns);
}

/* ---- connect ---- */

static void on_warm(struct timer *t)
{
    bench_phase_again(container_of(t, struct bench_shard, warm));
}

static void connect_finish(struct bench_shard *s)
{
    s->to_open = s->next; /* those on their way are waited for */
    s->stopping = true;
    timer_stop(&s->warm);
    timer_stop(&s->end);
    bench_phase_end(s);
    if (list_empty(&s->conns))
        bench_shard_over(s);
}

static void on_connect_end(struct timer *t)
{
    connect_finish(container_of(t, struct bench_shard, end));
}

static void connect_start(struct bench_shard *s)
{
    bench_shard_ready(s);
}

static void connect_go(struct bench_shard *s)
{
    const struct bench_args *a = args_of(s);

    bench_phase_begin(s, 0, "accepted", "connections", "until accepted");
    s->to_send = a->count ? bench_share(a->count, s->index, s->of) : 0;
    s->warm_units = s->to_send / 10;
    timer_init(&s->warm, s->loop, on_warm);
    timer_init(&s->end, s->loop, on_connect_end);
    if (a->duration_ms) {
        timer_start(&s->warm, a->duration_ms / 10);
        timer_start(&s->end, a->duration_ms);
    }
    bench_shard_open(s, s->to_send ? s->to_send : UINT32_MAX,
                     bench_share(a->clients, s->index, s->of));
}

static void nobody(struct bench_shard *s, struct bench_conn *c)
{
    (void)s;
    (void)c;
}

static void connect_ready(struct bench_conn *c)
{
    struct bench_shard *s = c->shard;

    timed(c);
    s->done = args_of(s)->count ? s->units : 0;
    if (!s->warmed && s->warm_units > 0 && s->units >= s->warm_units) {
        s->warmed = true;
        bench_phase_again(s);
    }
    bench_conn_end(c, true);
}

static void connect_ended(struct bench_conn *c)
{
    struct bench_shard *s = c->shard;

    if (s->next == s->to_open && s->opening == 0 && list_empty(&s->conns))
        bench_shard_over(s);
}

const struct bench_scene bench_connect_scene = {
    .passing = true,
    .start = connect_start,
    .go = connect_go,
    .open = nobody,
    .ready = connect_ready,
    .ended = connect_ended,
    .stop = connect_finish,
};

/* ---- idle ---- */

static void idle_go(struct bench_shard *s)
{
    bench_phase_begin(s, 0, "connected", "connections", "until subscribed");
    bench_shard_open(s, bench_share(args_of(s)->clients, s->index, s->of), OPENING_MAX);
}

static void idle_open(struct bench_shard *s, struct bench_conn *c)
{
    snprintf(c->filter, sizeof(c->filter), "%s/%u/%u", s->plan->prefix, s->index, c->number);
}

static void on_idle_end(struct timer *t)
{
    bench_shard_over(container_of(t, struct bench_shard, end));
}

static void idle_ready(struct bench_conn *c)
{
    struct bench_shard *s = c->shard;

    timed(c);
    s->done = s->opened;
    bench_memory_look(s, s->opened);
    if (s->opened < s->to_open)
        return;
    bench_phase_end(s);
    bench_memory_end(s, s->opened);
    if (!args_of(s)->duration_ms) {
        bench_shard_over(s);
        return;
    }
    timer_init(&s->end, s->loop, on_idle_end);
    timer_start(&s->end, args_of(s)->duration_ms);
}

const struct bench_scene bench_idle_scene = {
    .start = connect_start,
    .go = idle_go,
    .open = idle_open,
    .ready = idle_ready,
    .stop = bench_shard_over,
};
