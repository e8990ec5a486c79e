#ifndef NET_LOOP_H
#define NET_LOOP_H
/*
 * One event loop per worker thread, over libuv (which nobody outside net/ sees). Everything here
 * is called on the loop's own thread unless it says otherwise.
 */
#include "base/queue.h"
#include "base/str.h"

struct loop;

/* A loop for the calling thread (tests, the command line's clients) or, through workers.h, for a
 * worker. loop_free() asserts that everything on it was closed. */
struct loop *loop_new(void);
void loop_free(struct loop *l);
/* The calling thread is the loop's from now on: for a loop that was made on another thread and does not
 * run yet. */
void loop_adopt(struct loop *l);
/* Runs until loop_stop() and then returns. */
void loop_run(struct loop *l);
/* One turn, waiting for at most what the timers allow, or not at all. For tests and clients. */
void loop_turn(struct loop *l, bool wait);
/* The same, waiting until mono_ns (base/clock.h) at most, more finely than to the ms: for clients that keep
 * time. */
void loop_turn_until(struct loop *l, uint64_t mono_ns);
void loop_stop(struct loop *l);

/* Monotonic ms, the same during one turn. */
uint64_t loop_now_ms(const struct loop *l);
/* Ends the program when called on another thread than the loop's. */
void loop_assert_mine(const struct loop *l);

/* ---- timers: embedded, in a heap of our own, so that stopping needs no callback ---- */
struct timer {
    uint64_t at_ms;
    size_t slot; /* 1-based place in the heap; 0: not started */
    void (*fire)(struct timer *t);
    struct loop *loop;
};
void timer_init(struct timer *t, struct loop *l, void (*fire)(struct timer *t));
/* Once, `after_ms` from now; started again it moves. Cheap when it moves later. */
void timer_start(struct timer *t, uint64_t after_ms);
void timer_start_at(struct timer *t, uint64_t at_ms);
void timer_stop(struct timer *t);
static inline bool timer_is_started(const struct timer *t)
{
    return t->slot != 0;
}

/* ---- work put off to the end of this turn (flushing, grouping) ---- */
struct later {
    struct later *next;
    bool queued;
    void (*run)(struct later *d);
};
/* Runs once at the end of the turn, in order; a second call before that does nothing. Work that is
 * added while the list runs is run in the same pass. */
void loop_later(struct loop *l, struct later *d);

/* ---- mail: the only way by which other threads reach a loop ---- */
struct mail {
    struct queue_node node;
    /* On the loop's thread. Owns the mail; normally container_of and free. */
    void (*deliver)(struct mail *m, struct loop *l);
};
/* From any thread; wakes the loop. Delivered in order per sender. Mail that is still undelivered
 * when the loop is freed is delivered during loop_free. */
void loop_post(struct loop *l, struct mail *m);

/* Number of the loop's worker (0-based), 0 for a loop of one's own. */
unsigned loop_index(const struct loop *l);

/* ---- signals (worker 0 only) ---- */
struct loop_signal;
struct loop_signal *loop_signal_open(struct loop *l, int signum, void (*on)(void *ctx, int signum),
                                     void *ctx);
void loop_signal_close(struct loop_signal *s);

#endif
