#ifndef BASE_BLOB_H
#define BASE_BLOB_H
/* Immutable counted bytes: a payload is stored once and shared by reference between workers.
 * Counting is atomic; the content must not change after the first blob_ref or hand-over. */
#include "base/str.h"

#include <stdatomic.h>
#include <stdbool.h>

struct blob {
    atomic_uint refs;
    uint32_t n;
    char bytes[];
};

/* A copy of s with one reference. s.n < 4 GiB, capped by the caller. */
struct blob *blob_new(struct str s);
/* n uninitialised bytes to be filled before it is shared. */
struct blob *blob_alloc(size_t n);
struct blob *blob_ref(struct blob *b);
/* Frees at the last reference; NULL is legal. */
void blob_unref(struct blob *b);
static inline struct str blob_str(const struct blob *b)
{
    return b ? (struct str){ b->bytes, b->n } : STR_NONE;
}

/* A number that workers which share something leave on it: who is the first to leave this one? Zeroed
 * at first. 16 bits, since there are many: whoever counts on must not miss one for a whole round of them. */
struct mark {
    _Atomic(uint16_t) last;
};
/* True: it was another before. number: at least 1; of those that are congruent modulo 65535 none is told from
 * another. */
bool mark_first(struct mark *m, uint32_t number);

#endif
