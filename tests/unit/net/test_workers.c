/* Workers run on their own threads; workers_each waits for all; mail crosses between them. */
#include "unit/unit.h"

#include "net/workers.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define COUNT 3

static pthread_t seen[COUNT];

static void note_thread(void *ctx, struct loop *l)
{
    loop_assert_mine(l);
    (void)ctx;
    seen[loop_index(l)] = pthread_self();
}

static void each_worker_has_a_thread_and_a_loop(void **state)
{
    struct workers *w = workers_start(COUNT);
    unsigned i, j;

    (void)state;
    assert_int_equal(workers_count(w), COUNT);
    workers_each(w, note_thread, NULL);
    for (i = 0; i < COUNT; i++) {
        assert_int_equal(loop_index(workers_loop(w, i)), i);
        assert_false(pthread_equal(seen[i], pthread_self()));
        for (j = 0; j < i; j++)
            assert_false(pthread_equal(seen[i], seen[j]));
    }
    workers_stop(w);
    workers_free(w);
}

static void none_asked_for_means_one_per_core(void **state)
{
    struct workers *w = workers_start(0);

    (void)state;
    assert_true(workers_count(w) >= 1);
    workers_free(w);
}

/* A token goes round all workers. */
struct token {
    struct mail mail;
    struct workers *w;
    struct gate *home;
    unsigned left;
};

static void token_deliver(struct mail *m, struct loop *l)
{
    struct token *t = container_of(m, struct token, mail);

    loop_assert_mine(l);
    if (t->left-- == 0) {
        gate_open(t->home);
        return;
    }
    loop_post(workers_loop(t->w, (loop_index(l) + 1) % COUNT), &t->mail);
}

static void mail_goes_from_worker_to_worker(void **state)
{
    struct workers *w = workers_start(COUNT);
    struct token t = { { .deliver = token_deliver }, w, gate_new(), 3000 };

    (void)state;
    loop_post(workers_loop(w, 0), &t.mail);
    assert_true(gate_wait(t.home, 20000));
    workers_stop(w);
    gate_free(t.home);
    workers_free(w);
}

/* Mail posted after the threads have ended is still delivered. */
static void mail_after_stop_is_delivered_when_freed(void **state)
{
    struct workers *w = workers_start(COUNT);
    struct token t = { { .deliver = token_deliver }, w, gate_new(), 4 };

    (void)state;
    workers_stop(w);
    loop_post(workers_loop(w, 1), &t.mail);
    workers_free(w);
    assert_true(gate_wait(t.home, 0));
    gate_free(t.home);
}

RUN(TEST(each_worker_has_a_thread_and_a_loop), TEST(none_asked_for_means_one_per_core),
    TEST(mail_goes_from_worker_to_worker), TEST(mail_after_stop_is_delivered_when_freed))
