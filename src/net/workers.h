#ifndef NET_WORKERS_H
#define NET_WORKERS_H
/* The worker threads, one loop each, and other named threads for work that blocks. */
#include "net/loop.h"

struct workers;

/* Starts count threads (0: one per core that this process may use), each running its loop. The
 * loops exist when this returns. */
struct workers *workers_start(unsigned count);
unsigned workers_count(const struct workers *w);
struct loop *workers_loop(const struct workers *w, unsigned index);
/* Runs fn(ctx, loop) on every worker and waits until all have returned. Not from a worker. */
void workers_each(struct workers *w, void (*fn)(void *ctx, struct loop *l), void *ctx);
/* Stops the loops and joins the threads. Everything on the loops was closed before. */
void workers_stop(struct workers *w);
void workers_free(struct workers *w);

/* ---- threads that may block ---- */
struct thread;
/* name: at most 15 bytes, shown by ps -L. The thread has its own metrics shard and blocks all
 * signals. */
struct thread *thread_start(const char *name, void (*run)(void *ctx), void *ctx);
/* Waits for its end and frees it. */
void thread_join(struct thread *t);

/* A thread's inbox: jobs pushed from anywhere, taken in order by one thread that may block. */
struct job {
    struct queue_node node;
    /* On the job thread. Owns the job; it may post itself back to a loop as mail. */
    void (*run)(struct job *j, void *ctx);
};
struct jobs;
/* ctx goes to every run(). idle_ms > 0: idle(ctx) is called after that long without a job. */
struct jobs *jobs_start(const char *name, void *ctx, uint64_t idle_ms, void (*idle)(void *ctx));
void jobs_push(struct jobs *js, struct job *j);
/* Runs what is queued, ends the thread, frees. Nobody may push any more. */
void jobs_stop(struct jobs *js);

/* A gate on which one thread sleeps until another opens it; for threads that wait for news. */
struct gate;
struct gate *gate_new(void);
void gate_free(struct gate *g);
void gate_open(struct gate *g); /* from any thread; opening an open gate changes nothing */
/* Waits until it is open or timeout_ms have passed, closes it again; true when it was open. */
bool gate_wait(struct gate *g, uint64_t timeout_ms);

#endif
