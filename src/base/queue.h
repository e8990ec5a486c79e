#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H
/* Many producers, one consumer, intrusive and lock-free. The consumer takes everything at once,
 * in the order in which it was pushed. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct queue_node {
    struct queue_node *next;
};
struct queue {
    _Atomic(struct queue_node *) top;
};

void queue_init(struct queue *q);
/* From any thread. True when the queue was empty: the consumer must be woken. */
bool queue_push(struct queue *q, struct queue_node *n);
/* By the consumer only. The oldest node, linked through next to the newest; NULL when empty. */
struct queue_node *queue_take(struct queue *q);
bool queue_is_empty(struct queue *q);

#endif
