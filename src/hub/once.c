/* A bounded map from key to the time of its last line. Entries older than the interval are swept
 * when the interval has passed, so memory follows the number of keys that err now. */
#include "hub/once.h"

#include "base/mem.h"

struct once_key {
    uint64_t at_ms, count;
    size_t n;
    char text[];
};

void once_init(struct once *o, uint64_t every_ms)
{
    *o = (struct once){ .every_ms = every_ms };
    map_init(&o->keys);
}

static void clear(struct once *o)
{
    size_t at = 0;

    for (struct map_entry *e; (e = map_next(&o->keys, &at));)
        mem_free(e->value);
    map_fini(&o->keys);
}

void once_fini(struct once *o)
{
    clear(o);
}

/* Keeps what is still within its interval. */
static void sweep(struct once *o, uint64_t now_ms)
{
    struct map old = o->keys;
    size_t at = 0;

    map_init(&o->keys);
    for (struct map_entry *e; (e = map_next(&old, &at));) {
        struct once_key *k = e->value;

        if (now_ms - k->at_ms < o->every_ms)
            map_put(&o->keys, str_from(k->text, k->n), k);
        else
            mem_free(k);
    }
    map_fini(&old);
    o->sweep_ms = now_ms;
}

bool once_may(struct once *o, struct str key, uint64_t now_ms, uint64_t *out_count)
{
    struct once_key *k = map_get(&o->keys, key);
    bool may;

    if (!k) {
        if (now_ms - o->sweep_ms >= o->every_ms)
            sweep(o, now_ms);
        if (out_count)
            *out_count = 1;
        if (o->keys.count >= ONCE_KEYS_MAX) {
            may = o->spill_ms == 0 || now_ms - o->spill_ms >= o->every_ms;
            if (may)
                o->spill_ms = now_ms;
            return may;
        }
        k = mem_new(sizeof(*k) + key.n + 1);
        k->n = key.n;
        if (key.n > 0)
            memcpy(k->text, key.p, key.n);
        k->at_ms = now_ms;
        map_put(&o->keys, str_from(k->text, k->n), k);
        return true;
    }
    k->count++;
    may = now_ms - k->at_ms >= o->every_ms;
    if (out_count)
        *out_count = k->count;
    if (may) {
        k->at_ms = now_ms;
        k->count = 0;
    }
    return may;
}
