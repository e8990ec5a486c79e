/* The queue: order from one producer, nothing lost from several, the wake-up hint. */
#include "unit/unit.h"

#include "base/queue.h"

#include <pthread.h>

#define THREADS 4
#define EACH    20000

struct item {
    struct queue_node node;
    int thread, n;
};
static struct queue shared;
static struct item items[THREADS][EACH];
static atomic_int wakes;

static void *produce(void *arg)
{
    struct item *mine = arg;

    for (int i = 0; i < EACH; i++)
        if (queue_push(&shared, &mine[i].node))
            atomic_fetch_add(&wakes, 1);
    return NULL;
}

static void says_when_the_consumer_must_wake(void **state)
{
    struct queue q;
    struct queue_node a, b, c;

    (void)state;
    queue_init(&q);
    assert_true(queue_push(&q, &a));
    assert_false(queue_push(&q, &b));
    assert_ptr_equal(queue_take(&q), &a);
    assert_ptr_equal(a.next, &b);
    assert_null(b.next);
    assert_null(queue_take(&q));
    assert_true(queue_is_empty(&q));
    assert_true(queue_push(&q, &c));
}

static void loses_nothing_between_threads(void **state)
{
    pthread_t threads[THREADS];
    int next[THREADS] = { 0 }, total = 0;

    (void)state;
    queue_init(&shared);
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < EACH; i++)
            items[t][i] = (struct item){ .thread = t, .n = i };
        pthread_create(&threads[t], NULL, produce, items[t]);
    }
    while (total < THREADS * EACH) {
        for (struct queue_node *n = queue_take(&shared); n; total++) {
            struct item *it = (struct item *)n;

            n = n->next; /* the node is the consumer's from here on */
            assert_int_equal(it->n, next[it->thread]++);
        }
    }
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    assert_true(atomic_load(&wakes) >= 1);
}

RUN(TEST(says_when_the_consumer_must_wake), TEST(loses_nothing_between_threads))
