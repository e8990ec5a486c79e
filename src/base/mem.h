#ifndef BASE_MEM_H
#define BASE_MEM_H
/*
 * Memory that is there or the program ends: one clean restart over a durable journal is worth
 * more than thousands of untested recovery paths. No size here may be chosen by a peer without
 * a cap from limits.h having been checked first.
 */
#include <stddef.h>

/* n zeroed bytes (n > 0). Ends the program when memory is out. Free with mem_free. */
void *mem_new(size_t n) __attribute__((malloc, returns_nonnull));
/* count × size zeroed bytes, overflow-checked. */
void *mem_new_array(size_t count, size_t size) __attribute__((returns_nonnull));
/* Like realloc; new bytes are not zeroed. */
void *mem_resize(void *p, size_t n) __attribute__((returns_nonnull));
/* A heap copy of n bytes, with a terminating zero behind them. */
void *mem_dup(const void *p, size_t n) __attribute__((returns_nonnull));
/* free(); p may be NULL. */
void mem_free(void *p);

#define NEW(type)             ((type *)mem_new(sizeof(type)))
#define container_of(p, t, m) ((t *)(void *)((char *)(p)-offsetof(t, m)))
#define COUNT_OF(a)           (sizeof(a) / sizeof((a)[0]))

#endif
