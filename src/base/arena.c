/* Blocks in a chain, each twice the size of the one before, freed together. */
#include "base/arena.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define ARENA_ALIGN 16
#define ARENA_FIRST 1024
#define ARENA_LARGE 65536

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(ARENA_ALIGN) char bytes[];
};

void arena_fini(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *next = a->blocks->next;

        mem_free(a->blocks);
        a->blocks = next;
    }
    a->used = 0;
}

void *arena_take(struct arena *a, size_t n)
{
    struct arena_block *b = a->blocks;
    void *p;

    if (n == 0)
        n = 1;
    if (n > a->max - a->used || n > SIZE_MAX - ARENA_ALIGN)
        return NULL;
    n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (!b || n > b->size - b->used) {
        size_t size = b && b->size < ARENA_LARGE ? b->size * 2 : b ? ARENA_LARGE : ARENA_FIRST;

        if (size < n)
            size = n;
        b = mem_new(sizeof(*b) + size);
        b->size = size;
        b->next = a->blocks;
        a->blocks = b;
    }
    p = b->bytes + b->used;
    b->used += n;
    a->used = n > a->max - a->used ? a->max : a->used + n;
    return p;
}

struct str arena_dup(struct arena *a, struct str s)
{
    char *p;

    if (s.n == SIZE_MAX)
        return STR_NONE;
    p = arena_take(a, s.n + 1);
    if (!p)
        return STR_NONE;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (struct str){ p, s.n };
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    int n;
    char *p;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    p = arena_take(a, (size_t)n + 1);
    if (!p)
        return STR_NONE;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return (struct str){ p, (size_t)n };
}
