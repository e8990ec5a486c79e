/*
 * The workers: one thread and one loop each. They are started together and stopped together, and
 * share nothing: whoever wants something of a worker posts mail to its loop.
 */
#include "net/workers.h"

#include "net/loop_impl.h"

#include <assert.h>
#include <sched.h>
#include <stdio.h>

struct worker {
    struct loop *loop;
    struct thread *thread;
    struct gate *ready;
};

struct workers {
    unsigned count;
    struct worker *all;
};

static unsigned cores(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set))
        return 1;
    return CPU_COUNT(&set) > 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static void worker_run(void *ctx)
{
    struct worker *me = ctx;

    loop_adopt(me->loop);
    gate_open(me->ready);
    loop_run(me->loop);
}

struct workers *workers_start(unsigned count)
{
    struct workers *w = NEW(struct workers);
    unsigned i;

    w->count = count ? count : cores();
    w->all = mem_new_array(w->count, sizeof(*w->all));
    for (i = 0; i < w->count; i++) {
        char name[16];

        snprintf(name, sizeof(name), "worker-%hu", (unsigned short)i);
        w->all[i].loop = loop_new_indexed(i);
        w->all[i].ready = gate_new();
        w->all[i].thread = thread_start(name, worker_run, &w->all[i]);
    }
    for (i = 0; i < w->count; i++)
        while (!gate_wait(w->all[i].ready, 1000))
            ;
    return w;
}

unsigned workers_count(const struct workers *w)
{
    return w->count;
}

struct loop *workers_loop(const struct workers *w, unsigned index)
{
    assert(index < w->count);
    return w->all[index].loop;
}

/* ---- the same work on each ---- */

struct each_order {
    pthread_mutex_t lock;
    pthread_cond_t done;
    unsigned left;
    void (*fn)(void *ctx, struct loop *l);
    void *ctx;
};
struct each_mail {
    struct mail mail;
    struct each_order *order;
};

static void each_deliver(struct mail *m, struct loop *l)
{
    struct each_mail *em = container_of(m, struct each_mail, mail);
    struct each_order *o = em->order;

    mem_free(em);
    o->fn(o->ctx, l);
    pthread_mutex_lock(&o->lock);
    if (--o->left == 0)
        pthread_cond_signal(&o->done);
    pthread_mutex_unlock(&o->lock); /* the waiter owns *o from here on */
}

void workers_each(struct workers *w, void (*fn)(void *ctx, struct loop *l), void *ctx)
{
    struct each_order o = { .left = w->count, .fn = fn, .ctx = ctx };
    unsigned i;

    for (i = 0; i < w->count; i++)
        assert(!pthread_equal(w->all[i].loop->owner, pthread_self()));
    pthread_mutex_init(&o.lock, NULL);
    pthread_cond_init(&o.done, NULL);
    for (i = 0; i < w->count; i++) {
        struct each_mail *em = NEW(struct each_mail);

        em->mail.deliver = each_deliver;
        em->order = &o;
        loop_post(w->all[i].loop, &em->mail);
    }
    pthread_mutex_lock(&o.lock);
    while (o.left > 0)
        pthread_cond_wait(&o.done, &o.lock);
    pthread_mutex_unlock(&o.lock);
    pthread_cond_destroy(&o.done);
    pthread_mutex_destroy(&o.lock);
}

static void stop_deliver(struct mail *m, struct loop *l)
{
    mem_free(m);
    loop_stop(l);
}

void workers_stop(struct workers *w)
{
    unsigned i;

    for (i = 0; i < w->count; i++) {
        struct mail *m = NEW(struct mail);

        if (!w->all[i].thread) { /* stopped before */
            mem_free(m);
            continue;
        }
        m->deliver = stop_deliver;
        loop_post(w->all[i].loop, m);
    }
    for (i = 0; i < w->count; i++) {
        if (w->all[i].thread)
            thread_join(w->all[i].thread);
        w->all[i].thread = NULL;
    }
}

void workers_free(struct workers *w)
{
    unsigned i, round;

    if (!w)
        return;
    workers_stop(w);
    /* Mail that is delivered while one loop is freed may be answered to another one: all are
     * emptied before the first is gone. */
    for (round = 0; round < w->count + 1; round++)
        for (i = 0; i < w->count; i++) {
            loop_adopt(w->all[i].loop);
            loop_turn(w->all[i].loop, false);
        }
    for (i = 0; i < w->count; i++) {
        loop_free(w->all[i].loop);
        gate_free(w->all[i].ready);
    }
    mem_free(w->all);
    mem_free(w);
}
