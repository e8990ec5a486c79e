#ifndef BASE_CELL_H
#define BASE_CELL_H
/*
 * One number that one thread publishes and others read, for the few facts that are not worth a
 * message: the head of the journal, the position of a cursor, a flag that news are waiting. All
 * operations are sequentially consistent, so "publish, then look whether somebody waits" and
 * "say that one waits, then look" cannot miss each other.
 */
#include <stdatomic.h>
#include <stdint.h>

struct cell {
    _Atomic uint64_t v;
};

static inline uint64_t cell_get(const struct cell *c)
{
    return atomic_load(&c->v);
}
static inline void cell_set(struct cell *c, uint64_t v)
{
    atomic_store(&c->v, v);
}
/* Sets it and returns what was there. */
static inline uint64_t cell_swap(struct cell *c, uint64_t v)
{
    return atomic_exchange(&c->v, v);
}
static inline uint64_t cell_add(struct cell *c, uint64_t n)
{
    return atomic_fetch_add(&c->v, n) + n;
}
static inline void cell_sub(struct cell *c, uint64_t n)
{
    atomic_fetch_sub(&c->v, n);
}
/* Raises it to v; false, and unchanged, when it is there or beyond already. */
static inline int cell_raise(struct cell *c, uint64_t v)
{
    uint64_t was = atomic_load(&c->v);

    while (was < v)
        if (atomic_compare_exchange_weak(&c->v, &was, v))
            return 1;
    return 0;
}

#endif
