/* Mail from several threads, work put off to the end of a turn, timers, signals. */
#include "unit/unit.h"

#include "net/loop.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/workers.h"

#include <signal.h>
#include <stdlib.h>

static uint64_t deadline(void)
{
    return clock_mono_ns() + 20ull * 1000 * 1000 * 1000;
}

/* ---- mail ---- */

#define SENDERS  4
#define PER_SEND 2000

struct note {
    struct mail mail;
    unsigned sender, number;
};
struct sender {
    struct loop *loop;
    unsigned id;
};
static unsigned next_number[SENDERS], arrived;

static void note_deliver(struct mail *m, struct loop *l)
{
    struct note *n = container_of(m, struct note, mail);

    loop_assert_mine(l);
    assert_int_equal(n->number, next_number[n->sender]);
    next_number[n->sender]++;
    arrived++;
    mem_free(n);
}

static void send_notes(void *ctx)
{
    struct sender *s = ctx;
    unsigned i;

    for (i = 0; i < PER_SEND; i++) {
        struct note *n = NEW(struct note);

        n->mail.deliver = note_deliver;
        n->sender = s->id;
        n->number = i;
        loop_post(s->loop, &n->mail);
    }
}

static void mail_keeps_the_order_of_each_sender(void **state)
{
    struct loop *l = loop_new();
    struct thread *t[SENDERS];
    struct sender s[SENDERS];
    uint64_t until = deadline();
    unsigned i;

    (void)state;
    arrived = 0;
    memset(next_number, 0, sizeof(next_number));
    for (i = 0; i < SENDERS; i++) {
        s[i] = (struct sender){ l, i };
        t[i] = thread_start("sender", send_notes, &s[i]);
    }
    while (arrived < SENDERS * PER_SEND && clock_mono_ns() < until)
        loop_turn(l, true);
    assert_int_equal(arrived, SENDERS * PER_SEND);
    for (i = 0; i < SENDERS; i++)
        thread_join(t[i]);
    loop_free(l);
}

static void mail_left_over_is_delivered_when_the_loop_is_freed(void **state)
{
    struct loop *l = loop_new();
    struct sender s = { l, 0 };

    (void)state;
    arrived = 0;
    next_number[0] = 0;
    send_notes(&s);
    assert_int_equal(arrived, 0);
    loop_free(l);
    assert_int_equal(arrived, PER_SEND);
}

/* ---- later ---- */

struct work {
    struct later later;
    struct loop *loop;
    struct work *adds;
    char name;
};
static char trace[32];
static size_t trace_n;

static void work_run(struct later *d)
{
    struct work *w = container_of(d, struct work, later);

    trace[trace_n++] = w->name;
    if (w->adds)
        loop_later(w->loop, &w->adds->later);
}

static void later_runs_once_in_order_and_what_it_adds_in_the_same_pass(void **state)
{
    struct loop *l = loop_new();
    struct work c = { { NULL, false, work_run }, l, NULL, 'c' };
    struct work a = { { NULL, false, work_run }, l, &c, 'a' };
    struct work b = { { NULL, false, work_run }, l, NULL, 'b' };

    (void)state;
    trace_n = 0;
    loop_later(l, &a.later);
    loop_later(l, &b.later);
    loop_later(l, &a.later);
    loop_turn(l, false);
    assert_memory_equal(trace, "abc", 3);
    assert_int_equal(trace_n, 3);
    loop_turn(l, false);
    assert_int_equal(trace_n, 3);
    loop_free(l);
}

static void fired(struct timer *t)
{
    trace[trace_n++] = t->slot ? '!' : 't';
}

/* What is put off, timers and mail come as in any turn; else it ends when it is to. */
static void a_turn_until_then(void **state)
{
    struct loop *l = loop_new();
    struct work a = { { NULL, false, work_run }, l, NULL, 'a' };
    struct timer t;
    uint64_t begin = clock_mono_ns(), until = begin + 3000000;

    (void)state;
    trace_n = 0;
    loop_later(l, &a.later);
    loop_turn_until(l, until);
    assert_int_equal(trace_n, 1);
    while (clock_mono_ns() < until)
        loop_turn_until(l, until);
    timer_init(&t, l, fired);
    timer_start(&t, 1);
    until = clock_mono_ns() + 20000000000u;
    while (timer_is_started(&t))
        loop_turn_until(l, until);
    assert_true(clock_mono_ns() < until);
    loop_turn_until(l, 0);
    assert_memory_equal(trace, "at", 2);
    loop_free(l);
}

/* ---- signals ---- */

static int signals;

static void on_signal(void *ctx, int signum)
{
    assert_int_equal(signum, SIGUSR1);
    signals++;
    loop_stop(ctx);
}

static void a_signal_reaches_the_loop(void **state)
{
    struct loop *l = loop_new();
    struct loop_signal *s = loop_signal_open(l, SIGUSR1, on_signal, l);

    (void)state;
    signals = 0;
    raise(SIGUSR1);
    loop_run(l);
    assert_int_equal(signals, 1);
    loop_signal_close(s);
    loop_free(l);
}

/* ---- a turn's work leaves before the loop sleeps ---- */

static struct work from_timer;

static void fire_later(struct timer *t)
{
    loop_later(t->loop, &from_timer.later);
}

static void work_of_a_timer_runs_before_the_loop_waits(void **state)
{
    struct loop *l = loop_new();
    struct timer t;
    uint64_t until = deadline();

    (void)state;
    trace_n = 0;
    from_timer = (struct work){ { NULL, false, work_run }, l, NULL, 't' };
    timer_init(&t, l, fire_later);
    timer_start(&t, 5);
    while (trace_n == 0 && clock_mono_ns() < until)
        loop_turn(l, true);
    assert_int_equal(trace_n, 1);
    loop_free(l);
}

RUN(TEST(mail_keeps_the_order_of_each_sender),
    TEST(mail_left_over_is_delivered_when_the_loop_is_freed),
    TEST(later_runs_once_in_order_and_what_it_adds_in_the_same_pass), TEST(a_turn_until_then),
    TEST(a_signal_reaches_the_loop), TEST(work_of_a_timer_runs_before_the_loop_waits))
