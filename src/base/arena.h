#ifndef BASE_ARENA_H
#define BASE_ARENA_H
/* Memory of one request: taken piece by piece, freed in one call. Has a cap, since what fills it
 * often comes from outside. Not thread-safe. */
#include "base/str.h"

struct arena_block;
struct arena {
    struct arena_block *blocks;
    size_t used, max;
};

/* Nothing is allocated before the first take. max: bytes in total. */
static inline struct arena arena_init(size_t max)
{
    return (struct arena){ NULL, 0, max };
}
void arena_fini(struct arena *a);
/* n zeroed bytes, aligned for any type, or NULL beyond max. */
MUST_USE void *arena_take(struct arena *a, size_t n);
/* A zero-terminated copy, or {NULL, 0} beyond max. */
MUST_USE struct str arena_dup(struct arena *a, struct str s);
/* Formatted text, zero-terminated, or {NULL, 0} beyond max. */
struct str arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
