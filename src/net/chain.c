/*
 * The output of a stream. Small writes are copied one behind the other, large payloads are entries
 * that hold a reference until the kernel has taken them, so a payload that goes to a thousand
 * subscribers is stored once. Nothing here is called from outside net/.
 *
 * Invariant: n is the sum of to - from; no chunk but the last may have room that is still used; an
 * empty chain has no chunk.
 */
#include "net/chain.h"

#include <assert.h>

/* Kept per loop for the next turn: 128 KiB of small ones and 256 KiB of large ones at most. */
#define FREE_SMALL_MAX 256
#define FREE_LARGE_MAX 64

static struct chunk *chunk_take(struct loop *l, size_t size)
{
    struct chunk **list = size == CHUNK_SMALL ? &l->free_small : &l->free_large;
    struct chunk *k = *list;

    if (k) {
        *list = k->next;
        if (size == CHUNK_SMALL)
            l->free_small_count--;
        else
            l->free_large_count--;
    } else {
        k = mem_resize(NULL, size);
    }
    *k = (struct chunk){ .cap = (uint32_t)(size - sizeof(*k)) };
    return k;
}

static void chunk_give(struct loop *l, struct chunk *k)
{
    if (k->blob) {
        blob_unref(k->blob);
        mem_free(k);
        return;
    }
    if (k->cap == CHUNK_SMALL - sizeof(*k) && l->free_small_count < FREE_SMALL_MAX) {
        k->next = l->free_small;
        l->free_small = k;
        l->free_small_count++;
    } else if (k->cap == CHUNK_LARGE - sizeof(*k) && l->free_large_count < FREE_LARGE_MAX) {
        k->next = l->free_large;
        l->free_large = k;
        l->free_large_count++;
    } else {
        mem_free(k);
    }
}

void chunks_fini(struct loop *l)
{
    struct chunk *lists[] = { l->free_small, l->free_large };
    size_t i;

    for (i = 0; i < COUNT_OF(lists); i++)
        while (lists[i]) {
            struct chunk *k = lists[i];

            lists[i] = k->next;
            mem_free(k);
        }
    l->free_small = l->free_large = NULL;
    l->free_small_count = l->free_large_count = 0;
}

static void append(struct chain *c, struct chunk *k)
{
    if (c->last)
        c->last->next = k;
    else
        c->first = k;
    c->last = k;
}

char *chain_room(struct loop *l, struct chain *c, size_t n)
{
    struct chunk *k = c->last;

    assert(n <= CHUNK_LARGE - sizeof(*k));
    if (!k || k->blob || k->cap - k->to < n) {
        if (k && k->blob && n <= CHUNK_SMALL - sizeof(*k))
            k = chunk_take(l, CHUNK_SMALL); /* a head between two large payloads */
        else
            k = chunk_take(l, k || n > CHUNK_SMALL - sizeof(*k) ? CHUNK_LARGE : CHUNK_SMALL);
        append(c, k);
    }
    return k->bytes + k->to;
}

void chain_commit(struct chain *c, size_t n)
{
    assert(c->last && n <= c->last->cap - c->last->to);
    c->last->to += (uint32_t)n;
    c->n += n;
}

void chain_put(struct loop *l, struct chain *c, struct str bytes)
{
    while (bytes.n > 0) {
        struct chunk *k = c->last;
        size_t room = k && !k->blob ? k->cap - k->to : 0;
        size_t n = bytes.n < room ? bytes.n : room;

        if (n == 0) {
            n = bytes.n < CHUNK_LARGE - sizeof(*k) ? bytes.n : CHUNK_LARGE - sizeof(*k);
            chain_room(l, c, n);
        }
        memcpy(c->last->bytes + c->last->to, bytes.p, n);
        chain_commit(c, n);
        bytes = str_skip(bytes, n);
    }
}

void chain_put_blob(struct loop *l, struct chain *c, struct blob *b, size_t from, size_t n)
{
    struct chunk *k;

    assert(from <= b->n && n <= b->n - from);
    if (n <= CHAIN_COPY_MAX) {
        chain_put(l, c, str_from(b->bytes + from, n));
        return;
    }
    k = NEW(struct chunk);
    k->blob = blob_ref(b);
    k->from = (uint32_t)from;
    k->to = (uint32_t)(from + n);
    append(c, k);
    c->n += n;
}

static struct str chunk_str(const struct chunk *k)
{
    return str_from((k->blob ? k->blob->bytes : k->bytes) + k->from, k->to - k->from);
}

int chain_iov(const struct chain *c, struct iovec iov[CHAIN_IOV_MAX], size_t *out_n)
{
    const struct chunk *k;
    size_t n = 0;
    int count = 0;

    for (k = c->first; k && count < CHAIN_IOV_MAX; k = k->next) {
        struct str s = chunk_str(k);

        if (s.n == 0) /* room that was asked for and not used */
            continue;
        iov[count].iov_base = (char *)(uintptr_t)s.p; /* sendmsg only reads it */
        iov[count].iov_len = s.n;
        count++;
        n += s.n;
    }
    *out_n = n;
    return count;
}

struct str chain_front(const struct chain *c)
{
    const struct chunk *k = c->first;

    while (k && k->from == k->to)
        k = k->next;
    return k ? chunk_str(k) : STR_NONE;
}

void chain_consume(struct loop *l, struct chain *c, size_t n)
{
    assert(n <= c->n);
    c->n -= n;
    while (c->first) {
        struct chunk *k = c->first;
        size_t have = k->to - k->from;

        if (n < have) {
            k->from += (uint32_t)n;
            return;
        }
        n -= have;
        c->first = k->next;
        if (!c->first)
            c->last = NULL;
        chunk_give(l, k);
        if (n == 0 && c->n > 0)
            return;
    }
}

void chain_clear(struct loop *l, struct chain *c)
{
    chain_consume(l, c, c->n);
}
