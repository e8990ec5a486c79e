/* Allocation that ends the program instead of failing; see mem.h for why. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p, size_t n)
{
    if (p)
        return p;
    fprintf(stderr, "wayside: out of memory (%zu bytes)\n", n);
    abort();
}

void *mem_new(size_t n)
{
    return must(calloc(1, n), n);
}

void *mem_new_array(size_t count, size_t size)
{
    size_t n;

    if (__builtin_mul_overflow(count, size, &n) || n == 0)
        return must(NULL, count);
    return mem_new(n);
}

void *mem_resize(void *p, size_t n)
{
    return must(realloc(p, n), n);
}

void *mem_dup(const void *p, size_t n)
{
    char *copy = must(malloc(n + 1), n + 1);

    if (n > 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

void mem_free(void *p)
{
    free(p);
}
