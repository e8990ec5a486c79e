/* Named threads with signals blocked; gates; jobs in order, idle calls, everything run at stop. */
#include "unit/unit.h"

#include "net/workers.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static void look_at_myself(void *ctx)
{
    char *name = ctx;
    sigset_t set;

    pthread_getname_np(pthread_self(), name, 16);
    sigemptyset(&set);
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    if (!sigismember(&set, SIGTERM) || !sigismember(&set, SIGHUP))
        name[0] = '!';
}

static void a_thread_has_its_name_and_no_signals(void **state)
{
    char name[16] = "";
    struct thread *t = thread_start("committer", look_at_myself, name);

    (void)state;
    thread_join(t);
    assert_string_equal(name, "committer");
}

static void open_from_thread(void *ctx)
{
    gate_open(ctx);
}

static void a_gate_opens_once_and_times_out(void **state)
{
    struct gate *g = gate_new();
    struct thread *t;
    uint64_t before = clock_mono_ns();

    (void)state;
    assert_false(gate_wait(g, 0));
    assert_false(gate_wait(g, 10));
    assert_true(clock_mono_ns() - before >= 10 * 1000 * 1000);
    gate_open(g);
    gate_open(g);
    assert_true(gate_wait(g, 1000));
    assert_false(gate_wait(g, 0));
    t = thread_start("opener", open_from_thread, g);
    assert_true(gate_wait(g, 20000));
    thread_join(t);
    gate_free(g);
}

#define PUSHERS  3
#define PER_PUSH 2000

struct tally {
    struct jobs *jobs;
    unsigned next[PUSHERS], run, wrong;
    unsigned idles;
    struct gate *idle;
};
struct task {
    struct job job;
    unsigned pusher, number;
};
struct pusher {
    struct tally *tally;
    unsigned id;
};

static void task_run(struct job *j, void *ctx)
{
    struct task *t = container_of(j, struct task, job);
    struct tally *y = ctx;

    if (t->number != y->next[t->pusher]++)
        y->wrong++;
    y->run++;
    mem_free(t);
}

static void push_all(void *ctx)
{
    struct pusher *p = ctx;
    unsigned i;

    for (i = 0; i < PER_PUSH; i++) {
        struct task *t = NEW(struct task);

        t->job.run = task_run;
        t->pusher = p->id;
        t->number = i;
        jobs_push(p->tally->jobs, &t->job);
    }
}

static void jobs_run_in_order_and_all_before_the_end(void **state)
{
    struct tally y = { 0 };
    struct pusher p[PUSHERS];
    struct thread *t[PUSHERS];
    unsigned i;

    (void)state;
    y.jobs = jobs_start("jobs", &y, 0, NULL);
    for (i = 0; i < PUSHERS; i++) {
        p[i] = (struct pusher){ &y, i };
        t[i] = thread_start("pusher", push_all, &p[i]);
    }
    for (i = 0; i < PUSHERS; i++)
        thread_join(t[i]);
    jobs_stop(y.jobs);
    assert_int_equal(y.run, PUSHERS * PER_PUSH);
    assert_int_equal(y.wrong, 0);
}

static void on_idle(void *ctx)
{
    struct tally *y = ctx;

    y->idles++;
    gate_open(y->idle);
}

static void idle_is_called_without_jobs(void **state)
{
    struct tally y = { .idle = gate_new() };

    (void)state;
    y.jobs = jobs_start("idler", &y, 2, on_idle);
    assert_true(gate_wait(y.idle, 20000));
    assert_true(gate_wait(y.idle, 20000));
    jobs_stop(y.jobs);
    assert_true(y.idles >= 2);
    gate_free(y.idle);
}

RUN(TEST(a_thread_has_its_name_and_no_signals), TEST(a_gate_opens_once_and_times_out),
    TEST(jobs_run_in_order_and_all_before_the_end), TEST(idle_is_called_without_jobs))
