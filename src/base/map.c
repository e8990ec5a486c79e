/*
 * Open addressing with linear probing and backward-shift deletion: no tombstones, so a map that
 * sees many keys come and go stays fast. SipHash-1-3 under a random key per map, since a peer who
 * chooses keys must not be able to choose their places.
 */
#include "base/map.h"

#include "base/mem.h"
#include "base/uuid.h"

#include <assert.h>
#include <endian.h>

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = ROTL(v[1], 13) ^ v[0];
    v[0] = ROTL(v[0], 32);
    v[2] += v[3];
    v[3] = ROTL(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = ROTL(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = ROTL(v[1], 17) ^ v[2];
    v[2] = ROTL(v[2], 32);
}

/* Aumasson and Bernstein, "SipHash: a fast short-input PRF"; 1 compression, 3 final rounds. */
uint64_t siphash(const uint64_t key[2], struct str s)
{
    uint64_t v[4] = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                      key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u };
    uint64_t m, last = (uint64_t)s.n << 56;
    size_t i;

    for (i = 0; i + 8 <= s.n; i += 8) {
        memcpy(&m, s.p + i, 8);
        m = le64toh(m);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    for (size_t shift = 0; i < s.n; i++, shift += 8)
        last |= (uint64_t)(unsigned char)s.p[i] << shift;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_init(struct map *m)
{
    *m = (struct map){ 0 };
    random_bytes(m->seed, sizeof(m->seed));
}

void map_fini(struct map *m)
{
    mem_free(m->slots);
    m->slots = NULL;
    m->count = m->cap = 0;
}

static uint32_t hash_of(const struct map *m, struct str key)
{
    return (uint32_t)siphash(m->seed, key);
}

/* The slot of key, or the free one where it would go. cap > count, so a free one exists. */
static size_t find(const struct map *m, struct str key, uint32_t hash)
{
    size_t i = hash & (m->cap - 1);

    while (m->slots[i].value) {
        const struct map_entry *e = &m->slots[i];

        if (e->hash == hash && str_eq(str_from(e->key, e->key_n), key))
            break;
        i = (i + 1) & (m->cap - 1);
    }
    return i;
}

void *map_get(const struct map *m, struct str key)
{
    if (m->count == 0)
        return NULL;
    return m->slots[find(m, key, hash_of(m, key))].value;
}

static void resize(struct map *m, size_t cap)
{
    struct map_entry *old = m->slots;
    size_t old_cap = m->cap;

    m->slots = mem_new_array(cap, sizeof(*m->slots));
    m->cap = cap;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].value)
            m->slots[find(m, str_from(old[i].key, old[i].key_n), old[i].hash)] = old[i];
    mem_free(old);
}

void *map_put(struct map *m, struct str key, void *value)
{
    uint32_t hash = hash_of(m, key);
    struct map_entry *e;
    void *before;

    assert(value && key.n <= UINT32_MAX);
    if (m->count + 1 > m->cap / 4 * 3)
        resize(m, m->cap ? m->cap * 2 : 8);
    e = &m->slots[find(m, key, hash)];
    before = e->value;
    if (!before)
        m->count++;
    *e = (struct map_entry){ key.p, value, (uint32_t)key.n, hash };
    return before;
}

void *map_remove(struct map *m, struct str key)
{
    size_t mask = m->cap - 1, hole, i;
    void *value;

    if (m->count == 0)
        return NULL;
    hole = find(m, key, hash_of(m, key));
    value = m->slots[hole].value;
    if (!value)
        return NULL;
    /* Entries behind the hole move up unless they already stand at or after their own place. */
    for (i = (hole + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_entry){ 0 };
    m->count--;
    if (m->count == 0) {
        mem_free(m->slots);
        m->slots = NULL;
        m->cap = 0;
    } else if (m->cap > 64 && m->count < m->cap / 8) {
        resize(m, m->cap / 2);
    }
    return value;
}

struct map_entry *map_next(const struct map *m, size_t *at)
{
    while (*at < m->cap) {
        struct map_entry *e = &m->slots[(*at)++];

        if (e->value)
            return e;
    }
    return NULL;
}

void map_empty(struct map *m, void (*release)(void *value))
{
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(m, &at)))
        release(e->value);
    map_fini(m);
    map_init(m);
}
