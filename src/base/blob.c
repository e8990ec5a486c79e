/* Counted immutable bytes; the count is the only thing that changes after they are shared. */
#include "base/blob.h"

#include "base/mem.h"

#include <assert.h>

struct blob *blob_alloc(size_t n)
{
    struct blob *b;

    assert(n <= UINT32_MAX);
    b = mem_resize(NULL, sizeof(*b) + n);
    atomic_init(&b->refs, 1);
    b->n = (uint32_t)n;
    return b;
}

struct blob *blob_new(struct str s)
{
    struct blob *b = blob_alloc(s.n);

    if (s.n > 0)
        memcpy(b->bytes, s.p, s.n);
    return b;
}

struct blob *blob_ref(struct blob *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void blob_unref(struct blob *b)
{
    unsigned before;

    if (!b)
        return;
    before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        mem_free(b);
}

bool mark_first(struct mark *m, uint32_t number)
{
    uint16_t short_one = (uint16_t)(number % UINT16_MAX + 1); /* 0 is none */

    return atomic_exchange_explicit(&m->last, short_one, memory_order_relaxed) != short_one;
}
