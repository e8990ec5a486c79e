/*
 * Many producers push onto a lock-free stack; the one consumer takes the whole stack and turns it
 * round. Taking everything at once leaves no room for the ABA problem, and the push that finds the
 * stack empty knows that it is the one that must wake the consumer.
 */
#include "base/queue.h"

void queue_init(struct queue *q)
{
    atomic_init(&q->top, NULL);
}

bool queue_push(struct queue *q, struct queue_node *n)
{
    struct queue_node *top = atomic_load_explicit(&q->top, memory_order_relaxed);

    do {
        n->next = top;
    } while (!atomic_compare_exchange_weak_explicit(&q->top, &top, n, memory_order_release,
                                                    memory_order_relaxed));
    return top == NULL;
}

struct queue_node *queue_take(struct queue *q)
{
    struct queue_node *newest = atomic_exchange_explicit(&q->top, NULL, memory_order_acquire);
    struct queue_node *oldest = NULL;

    while (newest) {
        struct queue_node *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

bool queue_is_empty(struct queue *q)
{
    return atomic_load_explicit(&q->top, memory_order_relaxed) == NULL;
}
