/*
 * The thread of one worker: its loop, its clock, its mail. A run ends when the scene says so, when it
 * fails, or when nothing is answered for --timeout; then the connections are closed and the last letter
 * is written.
 */
#include "cli/bench_shard_io.h"

#include "base/clock.h"
#include "cli/bench_proc_io.h"

#include <stdarg.h>
#include <stdio.h>

#define TICK_MS 100
#define SAY_MAX 4096

/* ---- mail ---- */

static void tell(struct bench_shard *s, enum bench_news news, const char *text)
{
    struct bench_mail *m = NEW(struct bench_mail);

    m->mail.deliver = bench_take_mail;
    m->shard = s;
    m->news = news;
    m->done = s->done;
    m->text = text ? str_dup(str_of(text)) : NULL;
    loop_post(s->home, &m->mail);
}

struct order {
    struct mail mail;
    struct bench_shard *shard;
};

static void order(struct bench_shard *s, void (*deliver)(struct mail *m, struct loop *l))
{
    struct order *o = NEW(struct order);

    o->mail.deliver = deliver;
    o->shard = s;
    loop_post(s->loop, &o->mail);
}

static void take_go(struct mail *m, struct loop *l)
{
    struct order *o = container_of(m, struct order, mail);
    struct bench_shard *s = o->shard;

    (void)l;
    mem_free(o);
    if (s->over)
        return;
    s->running = true;
    if (s->scene->go)
        s->scene->go(s);
}

static void take_stop(struct mail *m, struct loop *l)
{
    struct order *o = container_of(m, struct order, mail);
    struct bench_shard *s = o->shard;

    (void)l;
    mem_free(o);
    if (s->over)
        return;
    s->result.interrupted = true;
    if (s->running && s->scene->stop)
        s->scene->stop(s);
    else
        bench_shard_over(s);
}

void bench_shard_go(struct bench_shard *s)
{
    order(s, take_go);
}

void bench_shard_stop(struct bench_shard *s)
{
    order(s, take_stop);
}

void bench_shard_ready(struct bench_shard *s)
{
    if (!s->told_ready)
        tell(s, BENCH_READY, NULL);
    s->told_ready = true;
}

void bench_shard_over(struct bench_shard *s)
{
    s->over = true;
}

void bench_shard_fail(struct bench_shard *s, const char *fmt, ...)
{
    char text[SAY_MAX];
    va_list args;

    if (s->over)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    s->over = s->failed = true;
    tell(s, BENCH_FAILED, text);
}

/* ---- opening ---- */

void bench_shard_open(struct bench_shard *s, uint64_t count, uint64_t most)
{
    s->to_open = count;
    s->next = s->ended = 0;
    s->open_max = most;
    bench_shard_open_more(s);
}

void bench_shard_open_more(struct bench_shard *s)
{
    while (s->next < s->to_open && !s->over &&
           (s->scene->passing ? s->next - s->ended : s->opening) < s->open_max) {
        s->opening++;
        bench_conn_open(s, (unsigned)s->next++);
    }
}

/* ---- phases ---- */

void bench_phase_begin(struct bench_shard *s, unsigned phase, const char *name, const char *unit,
                       const char *latency_of)
{
    s->phase = &s->result.phases[phase];
    s->phase->name = name;
    s->phase->unit = unit;
    s->phase->latency_of = latency_of;
    s->result.phase_count = phase + 1;
    bench_phase_again(s);
}

void bench_phase_again(struct bench_shard *s)
{
    s->phase->latency = (struct histogram){ 0 };
    s->start_units = s->units;
    s->start_own_ns = clock_thread_cpu_ns();
    s->start_cpu_ns = s->plan->args->pid ? bench_proc_cpu_ns(s->plan->args->pid) : 0;
    s->start_ns = clock_mono_ns();
}

void bench_phase_end(struct bench_shard *s)
{
    struct bench_phase *p = s->phase;
    uint64_t cpu;

    if (!p)
        return;
    s->phase = NULL;
    p->ns = clock_mono_ns() - s->start_ns;
    p->ns = p->ns ? p->ns : 1;
    cpu = s->plan->args->pid ? bench_proc_cpu_ns(s->plan->args->pid) : 0;
    p->count = s->units - s->start_units;
    p->per_s = (double)p->count * 1e9 / (double)p->ns;
    p->own_cores = (double)(clock_thread_cpu_ns() - s->start_own_ns) / (double)p->ns;
    p->server_cores = s->plan->args->pid ? (double)(cpu - s->start_cpu_ns) / (double)p->ns : -1;
}

/* Several workers: the first looks, when as much is there as if it were all of them. */
void bench_memory_look(struct bench_shard *s, uint64_t count)
{
    const struct bench_args *a = s->plan->args;

    if (!a->pid || s->index != 0 || s->memory_base || count * s->of < a->base)
        return;
    s->memory_base = bench_proc_memory(a->pid);
    s->memory_base_at = count * s->of;
}

void bench_memory_end(struct bench_shard *s, uint64_t count)
{
    const struct bench_args *a = s->plan->args;

    if (!a->pid || s->index != 0)
        return;
    s->result.memory = bench_proc_memory(a->pid);
    if (s->memory_base && count * s->of > s->memory_base_at) {
        s->result.has_each = true;
        s->result.bytes_each = ((double)s->result.memory - (double)s->memory_base) /
                               (double)(count * s->of - s->memory_base_at);
    }
}

/* ---- the thread ---- */

static void on_tick(struct timer *t)
{
    struct bench_shard *s = container_of(t, struct bench_shard, tick);
    uint64_t now = loop_now_ms(s->loop), owed = s->opening;

    timer_start(t, TICK_MS);
    tell(s, BENCH_PROGRESS, NULL);
    if (s->running && s->scene->owed)
        owed += s->scene->owed(s);
    if (s->news != s->told_news || owed == 0) {
        s->told_news = s->news;
        s->quiet_since_ms = now;
    } else if (now - s->quiet_since_ms >= s->plan->args->timeout_ms) {
        if (s->opening > 0 || !s->scene->stuck)
            bench_shard_fail(s, "%s has not answered for %.3g s (%llu connections stood)",
                             s->plan->server, (double)s->plan->args->timeout_ms / 1000,
                             (unsigned long long)s->opened);
        else
            s->scene->stuck(s);
        s->quiet_since_ms = now;
    }
}

static void nothing(struct timer *t)
{
    (void)t;
}

static void run(void *ctx)
{
    struct bench_shard *s = ctx;

    loop_adopt(s->loop);
    timer_init(&s->tick, s->loop, on_tick);
    timer_init(&s->end, s->loop, nothing);
    timer_init(&s->warm, s->loop, nothing);
    list_init(&s->conns);
    timer_start(&s->tick, TICK_MS);
    s->quiet_since_ms = loop_now_ms(s->loop);
    s->scene->start(s);
    while (!s->over) {
        uint64_t until = s->running && s->scene->turn ? s->scene->turn(s) : UINT64_MAX;

        if (until == 0 || until == UINT64_MAX)
            loop_turn(s->loop, until != 0);
        else
            loop_turn_until(s->loop, until);
    }
    timer_stop(&s->tick);
    timer_stop(&s->end);
    timer_stop(&s->warm);
    bench_phase_end(s);
    if (s->scene->over)
        s->scene->over(s);
    bench_conn_end_all(s);
    while (!list_empty(&s->conns))
        loop_turn(s->loop, true);
    s->result.sent = s->sent;
    s->result.lost += s->tally.lost;
    s->result.repeated += s->tally.repeated;
    mem_free(s->publishers);
    mem_free(s->seen);
    tell(s, BENCH_OVER, NULL);
}

void bench_shard_start(struct bench_shard *s)
{
    s->thread = thread_start("bench", run, s);
}

void bench_shard_join(struct bench_shard *s)
{
    thread_join(s->thread);
    loop_free(s->loop);
}
