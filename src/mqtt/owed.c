/*
 * Numbers come nearly in order, each from the worker that published it, so a new one goes to the end or a
 * few places before it; a number is looked for by halving.
 */
#include "mqtt/owed.h"

#include "base/mem.h"

#define FORGET_LEAST 64u /* done ones for which nothing is moved */

void owed_fini(struct owed *o)
{
    for (size_t i = 0; i < o->count; i++)
        message_unref(o->items[i].m);
    mem_free(o->items);
    *o = (struct owed){ 0 };
}

/* The first place whose number is not below seq. */
static size_t place_of(const struct owed *o, uint64_t seq)
{
    size_t low = 0, high = o->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (o->items[mid].seq < seq)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void reserve(struct owed *o, size_t count)
{
    if (count <= o->cap)
        return;
    o->cap = count > o->cap * 2 ? count : o->cap * 2;
    o->items = mem_resize(o->items, o->cap * sizeof(*o->items));
}

/* NULL: it is there already. */
static struct owed_item *insert(struct owed *o, uint64_t seq)
{
    size_t at = o->count;

    assert(seq != 0);
    if (at > 0 && o->items[at - 1].seq >= seq)
        at = place_of(o, seq);
    if (at < o->count && o->items[at].seq == seq)
        return NULL;
    reserve(o, o->count + 1);
    memmove(&o->items[at + 1], &o->items[at], (o->count - at) * sizeof(*o->items));
    o->count++;
    o->items[at] = (struct owed_item){ .seq = seq };
    return &o->items[at];
}

void owed_add(struct owed *o, struct message *m)
{
    struct owed_item *it = insert(o, message_seq(m));

    if (!it)
        return;
    it->m = message_ref(m);
    o->live++;
}

struct owed_item *owed_find(const struct owed *o, uint64_t seq)
{
    size_t at = place_of(o, seq);

    return at < o->count && o->items[at].seq == seq && !o->items[at].done ? &o->items[at] : NULL;
}

bool owed_done(struct owed *o, uint64_t seq)
{
    struct owed_item *it = owed_find(o, seq);

    if (!it)
        return false;
    message_unref(it->m);
    *it = (struct owed_item){ .seq = seq, .done = true };
    o->live--;
    return true;
}

void owed_void(struct owed *o, uint64_t seq)
{
    struct owed_item *it = insert(o, seq);

    if (it)
        it->done = true;
    else
        owed_done(o, seq);
}

const struct owed_item *owed_from(const struct owed *o, uint64_t seq)
{
    for (size_t at = place_of(o, seq); at < o->count; at++)
        if (!o->items[at].done)
            return &o->items[at];
    return NULL;
}

/* The range's new items, as many as are told. */
static size_t merge(struct owed *o, size_t from, size_t until, const uint64_t *seqs, size_t n,
                    struct owed_item *out)
{
    size_t count = 0;

    for (size_t k = 0; k < n; k++) {
        while (from < until && o->items[from].seq < seqs[k])
            message_unref(o->items[from++].m);
        if (from < until && o->items[from].seq == seqs[k])
            out[count++] = o->items[from++];
        else
            out[count++] = (struct owed_item){ .seq = seqs[k] };
    }
    while (from < until)
        message_unref(o->items[from++].m);
    return count;
}

static size_t live_between(const struct owed *o, size_t from, size_t until)
{
    size_t live = 0;

    for (size_t i = from; i < until; i++)
        live += !o->items[i].done;
    return live;
}

void owed_tell(struct owed *o, uint64_t low, uint64_t high, const uint64_t *seqs, size_t n)
{
    size_t from = place_of(o, low + 1),
           until = high == UINT64_MAX ? o->count : place_of(o, high + 1);
    struct owed_item *told = mem_new_array(n + 1, sizeof(*told));
    size_t was_live = live_between(o, from, until);
    size_t count = merge(o, from, until, seqs, n, told), behind = o->count - until;

    reserve(o, from + count + behind);
    if (behind > 0 && from + count != until)
        memmove(&o->items[from + count], &o->items[until], behind * sizeof(*o->items));
    if (count > 0)
        memcpy(&o->items[from], told, count * sizeof(*told));
    mem_free(told);
    o->count = from + count + behind;
    o->live += live_between(o, from, from + count) - was_live;
}

void owed_drop(struct owed *o)
{
    size_t to = 0;

    for (size_t i = 0; i < o->count; i++) {
        if (o->items[i].done)
            o->items[to++] = o->items[i];
        else
            message_unref(o->items[i].m);
    }
    o->count = to;
    o->live = 0;
}

void owed_forget(struct owed *o)
{
    size_t to = 0;

    if (o->count <= 2 * o->live + FORGET_LEAST)
        return;
    for (size_t i = 0; i < o->count; i++)
        if (!o->items[i].done)
            o->items[to++] = o->items[i];
    o->count = to;
}
