/*
 * The timers of a loop: a heap with four children per node (fewer cache lines than two) and one
 * libuv timer for the earliest. libuv's own timers cost 106 to 241 ns each time they are re-armed;
 * here a timer that is pushed back, as every idle timeout is with every message, is one store: it
 * stays where it is in the heap under its old key, and is moved when that comes up.
 *
 * Invariants: heap[i].t->slot == i + 1; heap[i].key_ms <= heap[i].t->at_ms; no child has a smaller
 * key than its parent. A timer that is not in the heap has slot 0 and no callback to come, so its
 * owner may free it at once.
 */
#include "net/loop_impl.h"

#include <assert.h>

#define CHILDREN 4

static void put(struct loop *l, size_t i, struct timer_slot s)
{
    l->heap[i] = s;
    s.t->slot = i + 1;
}

static void sift_up(struct loop *l, size_t i, struct timer_slot s)
{
    while (i > 0) {
        size_t parent = (i - 1) / CHILDREN;

        if (l->heap[parent].key_ms <= s.key_ms)
            break;
        put(l, i, l->heap[parent]);
        i = parent;
    }
    put(l, i, s);
}

static void sift_down(struct loop *l, size_t i, struct timer_slot s)
{
    for (;;) {
        size_t first = i * CHILDREN + 1, least = first, c;

        if (first >= l->heap_count)
            break;
        for (c = first + 1; c < first + CHILDREN && c < l->heap_count; c++)
            if (l->heap[c].key_ms < l->heap[least].key_ms)
                least = c;
        if (l->heap[least].key_ms >= s.key_ms)
            break;
        put(l, i, l->heap[least]);
        i = least;
    }
    put(l, i, s);
}

void timer_init(struct timer *t, struct loop *l, void (*fire)(struct timer *t))
{
    *t = (struct timer){ .fire = fire, .loop = l };
}

void timer_start(struct timer *t, uint64_t after_ms)
{
    uint64_t at;

    /* Between turns (a program that prepares something) the turn's time is an old one. */
    if (!t->loop->running)
        uv_update_time(&t->loop->uv);
    if (__builtin_add_overflow(loop_now_ms(t->loop), after_ms, &at))
        at = UINT64_MAX;
    timer_start_at(t, at);
}

void timer_start_at(struct timer *t, uint64_t at_ms)
{
    struct loop *l = t->loop;

    loop_assert_mine(l);
    /* A timer that starts itself again "now" must not keep the turn from ending. */
    if (l->firing && at_ms <= loop_now_ms(l))
        at_ms = loop_now_ms(l) + 1;
    t->at_ms = at_ms;
    if (t->slot) {
        struct timer_slot *s = &l->heap[t->slot - 1];

        assert(s->t == t);
        if (at_ms < s->key_ms)
            sift_up(l, t->slot - 1, (struct timer_slot){ at_ms, t });
        return;
    }
    if (l->heap_count == l->heap_cap) {
        l->heap_cap = l->heap_cap ? l->heap_cap * 2 : 16;
        l->heap = mem_resize(l->heap, l->heap_cap * sizeof(*l->heap));
    }
    sift_up(l, l->heap_count++, (struct timer_slot){ at_ms, t });
}

void timer_stop(struct timer *t)
{
    struct loop *l = t->loop;
    struct timer_slot last;
    size_t i = t->slot;

    if (i-- == 0)
        return;
    loop_assert_mine(l);
    t->slot = 0;
    last = l->heap[--l->heap_count];
    if (last.t == t)
        return;
    if (i > 0 && l->heap[(i - 1) / CHILDREN].key_ms > last.key_ms)
        sift_up(l, i, last);
    else
        sift_down(l, i, last);
}

void timers_fire(struct loop *l)
{
    uint64_t now = loop_now_ms(l);

    l->firing = true;
    while (l->heap_count > 0 && l->heap[0].key_ms <= now) {
        struct timer *t = l->heap[0].t;

        if (t->at_ms > l->heap[0].key_ms) {
            sift_down(l, 0, (struct timer_slot){ t->at_ms, t });
            continue;
        }
        timer_stop(t);
        t->fire(t);
    }
    l->firing = false;
}

static void on_alarm(uv_timer_t *h)
{
    struct loop *l = h->data;

    l->alarm_ms = UINT64_MAX;
    timers_fire(l);
}

/* Before the loop waits: once per turn, however many timers moved in it. */
void timers_arm(struct loop *l)
{
    uint64_t at = l->heap_count > 0 ? l->heap[0].key_ms : UINT64_MAX;
    uint64_t now = loop_now_ms(l);

    if (at == l->alarm_ms)
        return;
    l->alarm_ms = at;
    if (at == UINT64_MAX)
        uv_timer_stop(&l->alarm);
    else
        uv_timer_start(&l->alarm, on_alarm, at > now ? at - now : 0, 0);
}
