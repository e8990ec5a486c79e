/*
 * Threads that may block, for what a loop must not do itself: commits, the store, look-ups.
 *
 * Each has a name that ps -L shows, a metrics shard, and all signals blocked (signals belong to the
 * first thread, from which libuv hands them to worker 0). A jobs thread takes its work from a
 * lock-free queue and sleeps at a gate; a gate costs no system call while its thread is awake.
 */
#include "net/workers.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* Long enough to mean "until it is opened", short enough for no clock to overflow. */
#define GATE_WAIT_MAX_MS ((uint64_t)365 * 24 * 3600 * 1000)

struct thread {
    pthread_t id;
    char name[16]; /* the kernel's limit */
    void (*run)(void *ctx);
    void *ctx;
};

static void *thread_main(void *arg)
{
    struct thread *t = arg;

    pthread_setname_np(pthread_self(), t->name);
    metrics_take_shard();
    t->run(t->ctx);
    return NULL;
}

struct thread *thread_start(const char *name, void (*run)(void *ctx), void *ctx)
{
    struct thread *t = NEW(struct thread);
    sigset_t all, old;
    int rc;

    assert(strlen(name) < sizeof(t->name));
    memcpy(t->name, name, strlen(name) + 1);
    t->run = run;
    t->ctx = ctx;
    /* A thread inherits the mask, so that no signal finds it in between. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&t->id, NULL, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc) {
        log_error("net", "a thread cannot be started", lf_text("name", name), lf_err("error", -rc));
        abort();
    }
    return t;
}

void thread_join(struct thread *t)
{
    int rc;

    if (!t)
        return;
    rc = pthread_join(t->id, NULL);
    assert(rc == 0);
    mem_free(t);
}

/* ---- gate ---- */

struct gate {
    atomic_bool open;
    pthread_mutex_t lock;
    pthread_cond_t opened;
};

struct gate *gate_new(void)
{
    struct gate *g = NEW(struct gate);
    pthread_condattr_t attr;

    atomic_init(&g->open, false);
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&g->opened, &attr);
    pthread_condattr_destroy(&attr);
    return g;
}

void gate_free(struct gate *g)
{
    if (!g)
        return;
    pthread_cond_destroy(&g->opened);
    pthread_mutex_destroy(&g->lock);
    mem_free(g);
}

void gate_open(struct gate *g)
{
    if (atomic_exchange(&g->open, true))
        return;
    /* The waiter looks at `open` under the lock: either it sees it, or it sleeps already. */
    pthread_mutex_lock(&g->lock);
    pthread_cond_signal(&g->opened);
    pthread_mutex_unlock(&g->lock);
}

bool gate_wait(struct gate *g, uint64_t timeout_ms)
{
    struct timespec until;
    bool was_open;
    int rc = 0;

    if (atomic_exchange(&g->open, false))
        return true;
    if (timeout_ms == 0)
        return false;
    if (timeout_ms > GATE_WAIT_MAX_MS)
        timeout_ms = GATE_WAIT_MAX_MS;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&g->lock);
    while (!(was_open = atomic_exchange(&g->open, false)) && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&g->opened, &g->lock, &until);
    pthread_mutex_unlock(&g->lock);
    return was_open;
}

/* ---- jobs ---- */

struct jobs {
    struct queue queue;
    struct gate *gate;
    struct thread *thread;
    atomic_bool stop;
    void *ctx;
    uint64_t idle_ms;
    void (*idle)(void *ctx);
};

static void jobs_run(void *arg)
{
    struct jobs *js = arg;

    for (;;) {
        bool stop = atomic_load(&js->stop); /* before the last look into the queue */
        struct queue_node *n = queue_take(&js->queue);

        if (!n && stop)
            return;
        if (!n && !gate_wait(js->gate, js->idle_ms ? js->idle_ms : UINT64_MAX) && js->idle)
            js->idle(js->ctx);
        while (n) {
            struct job *j = container_of(n, struct job, node);

            n = n->next; /* before the job is freed by its own run */
            j->run(j, js->ctx);
        }
    }
}

struct jobs *jobs_start(const char *name, void *ctx, uint64_t idle_ms, void (*idle)(void *ctx))
{
    struct jobs *js = NEW(struct jobs);

    queue_init(&js->queue);
    atomic_init(&js->stop, false);
    js->gate = gate_new();
    js->ctx = ctx;
    js->idle_ms = idle_ms;
    js->idle = idle;
    js->thread = thread_start(name, jobs_run, js);
    return js;
}

void jobs_push(struct jobs *js, struct job *j)
{
    if (queue_push(&js->queue, &j->node))
        gate_open(js->gate);
}

void jobs_stop(struct jobs *js)
{
    if (!js)
        return;
    atomic_store(&js->stop, true);
    gate_open(js->gate);
    thread_join(js->thread);
    gate_free(js->gate);
    mem_free(js);
}
