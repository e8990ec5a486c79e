#ifndef BASE_MAP_H
#define BASE_MAP_H
/*
 * A hash map from bytes to a pointer. The hash is keyed (SipHash-1-3) with a random key made per
 * map, since keys come from peers. Keys are borrowed: they must live as long as their entry,
 * normally inside the value, and are shorter than 4 GiB. Values belong to the caller. Not thread-safe.
 */
#include "base/str.h"

struct map_entry {
    const char *key;
    void *value;
    uint32_t key_n, hash;
};
struct map {
    struct map_entry *slots; /* open addressing, linear probing; value NULL: free */
    size_t count, cap;       /* cap: a power of two, or 0 */
    uint64_t seed[2];
};

void map_init(struct map *m);
void map_fini(struct map *m);
/* Releases every value and removes all; the map can be filled again. */
void map_empty(struct map *m, void (*release)(void *value));
/* The value, or NULL. */
void *map_get(const struct map *m, struct str key);
/* Adds or replaces. Returns the value that was there before, or NULL. value is not NULL. */
void *map_put(struct map *m, struct str key, void *value);
/* Removes. Returns the value that was there, or NULL. */
void *map_remove(struct map *m, struct str key);
/* Steps through all entries in no order: *at starts at 0; returns NULL at the end. Nothing may be
 * added or removed meanwhile. */
struct map_entry *map_next(const struct map *m, size_t *at);

/* SipHash-1-3 of s under a 128-bit key. */
uint64_t siphash(const uint64_t key[2], struct str s);

#endif
