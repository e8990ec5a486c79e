/*
 * Open addressing with linear probing, number and pointer side by side: a look-up is one miss of the
 * cache where a general map costs three, and the start of a broker with a million messages is made of
 * little else.
 */
#include "mqtt/seq_map.h"

#include "base/mem.h"

#include <assert.h>

void seq_map_fini(struct seq_map *s)
{
    for (size_t i = 0; i < s->cap; i++)
        message_unref(s->slots[i].m);
    mem_free(s->slots);
    *s = (struct seq_map){ 0 };
}

/* Where seq is, or the free place where it belongs. Neighbours get places far apart: Knuth's
 * multiplicative hashing, of which the upper bits are good. */
static size_t place_of(const struct seq_map *s, uint64_t seq)
{
    size_t mask = s->cap - 1;
    size_t at = (size_t)((seq * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & mask;

    while (s->slots[at].seq != 0 && s->slots[at].seq != seq)
        at = (at + 1) & mask;
    return at;
}

struct message *seq_map_get(const struct seq_map *s, uint64_t seq)
{
    return s->cap == 0 || seq == 0 ? NULL : s->slots[place_of(s, seq)].m;
}

static void grow(struct seq_map *s)
{
    struct seq_map old = *s;

    s->cap = old.cap ? old.cap * 2 : 64;
    s->slots = mem_new_array(s->cap, sizeof(*s->slots));
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].seq != 0)
            s->slots[place_of(s, old.slots[i].seq)] = old.slots[i];
    mem_free(old.slots);
}

void seq_map_add_take(struct seq_map *s, struct message *m)
{
    size_t at;

    if (s->count >= s->cap / 2)
        grow(s);
    at = place_of(s, message_seq(m));
    assert(message_seq(m) != 0 && s->slots[at].seq == 0);
    s->slots[at] = (struct seq_slot){ message_seq(m), m };
    s->count++;
}
