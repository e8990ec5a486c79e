/*
 * A filter is known by its first plain levels, three at most: whatever it matches begins with them. So a
 * topic's first one, two and three levels are looked for, and a filter that begins with a wildcard wants
 * everything. Only depths that some filter has are hashed, which mostly is one.
 */
#include "mqtt/interest.h"

#include "base/map.h"
#include "mqtt/trie.h"

#include <assert.h>

static unsigned bit_of(const uint64_t key[2], struct str path, const char *end)
{
    struct str begin = { path.p, (size_t)(end - path.p) };

    return (unsigned)(siphash(key, begin) % INTEREST_BITS);
}

static bool is_wild(struct str level)
{
    return level.n == 1 && (*level.p == '+' || *level.p == '#');
}

struct interest_place interest_place_of(const uint64_t key[2], struct str filter)
{
    struct interest_place at = { 0 };
    struct str rest = filter;
    const char *end = filter.p;

    while (rest.p && at.depth < INTEREST_LEVELS) {
        struct str level = trie_cut(&rest);

        if (is_wild(level))
            break;
        end = level.p + level.n;
        at.depth++;
    }
    if (at.depth > 0)
        at.bit = bit_of(key, filter, end);
    return at;
}

static uint64_t mask(unsigned bit)
{
    return UINT64_C(1) << bit % 64;
}

void interest_count_in(struct interest_counts *k, struct interest_set *s, struct interest_place at)
{
    k->depths[at.depth]++;
    s->depths |= mask(at.depth);
    if (at.depth == 0)
        return;
    k->bits[at.bit]++;
    s->bits[at.bit / 64] |= mask(at.bit);
}

void interest_count_out(struct interest_counts *k, struct interest_set *s, struct interest_place at)
{
    assert(k->depths[at.depth] > 0);
    if (--k->depths[at.depth] == 0)
        s->depths &= ~mask(at.depth);
    if (at.depth > 0 && --k->bits[at.bit] == 0)
        s->bits[at.bit / 64] &= ~mask(at.bit);
}

bool interest_has(const struct interest_set *s, struct interest_place at)
{
    return (s->depths & mask(at.depth)) != 0 &&
           (at.depth == 0 || (s->bits[at.bit / 64] & mask(at.bit)) != 0);
}

void interest_unite(struct interest_set *s, const struct interest_set *with)
{
    s->depths |= with->depths;
    for (unsigned i = 0; i < INTEREST_BITS / 64; i++)
        s->bits[i] |= with->bits[i];
}

void interest_intersect(struct interest_set *s, const struct interest_set *with)
{
    s->depths &= with->depths;
    for (unsigned i = 0; i < INTEREST_BITS / 64; i++)
        s->bits[i] &= with->bits[i];
}

struct interest_look interest_look_for(const uint64_t key[2], struct str topic, uint64_t depths)
{
    struct interest_look look = { 0 };
    struct str rest = topic;

    while (rest.p && look.levels < INTEREST_LEVELS && depths >> (look.levels + 1) != 0) {
        struct str level = trie_cut(&rest);

        look.levels++;
        if (depths & mask(look.levels))
            look.bit[look.levels - 1] = bit_of(key, topic, level.p + level.n);
    }
    return look;
}

bool interest_wants(const struct interest_set *s, const struct interest_look *look)
{
    if (s->depths & mask(0))
        return true;
    for (unsigned depth = 1; depth <= look->levels; depth++) {
        struct interest_place at = { depth, look->bit[depth - 1] };

        if (interest_has(s, at))
            return true;
    }
    return false;
}
