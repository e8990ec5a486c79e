/* The heap keeps its property whatever is started, moved and stopped; timers fire in order. */
#include "unit/unit.h"

#include "net/loop_impl.h"

#include "base/clock.h"

#include <stdlib.h>

#define MANY 500

static void heap_check(const struct loop *l)
{
    size_t i;

    for (i = 0; i < l->heap_count; i++) {
        assert_int_equal(l->heap[i].t->slot, i + 1);
        assert_true(l->heap[i].key_ms <= l->heap[i].t->at_ms);
        if (i > 0)
            assert_true(l->heap[(i - 1) / 4].key_ms <= l->heap[i].key_ms);
    }
}

static uint64_t last_at;
static unsigned fired;

static void fire_in_order(struct timer *t)
{
    assert_true(t->at_ms >= last_at);
    assert_true(t->at_ms <= loop_now_ms(t->loop));
    assert_false(timer_is_started(t));
    last_at = t->at_ms;
    fired++;
}

static void turn_until(struct loop *l, unsigned count)
{
    uint64_t until = clock_mono_ns() + 20ull * 1000 * 1000 * 1000;

    while (fired < count && clock_mono_ns() < until)
        loop_turn(l, true);
    assert_int_equal(fired, count);
}

static void the_heap_holds_under_random_use(void **state)
{
    struct loop *l = loop_new();
    struct timer *t = mem_new_array(MANY, sizeof(*t));
    uint64_t base = loop_now_ms(l) + 100000;
    unsigned i, started = 0;

    (void)state;
    srand(7);
    for (i = 0; i < MANY; i++)
        timer_init(&t[i], l, fire_in_order);
    for (i = 0; i < 20000; i++) {
        struct timer *x = &t[(unsigned)rand() % MANY];

        if (rand() % 4 == 0)
            timer_stop(x);
        else
            timer_start_at(x, base + (unsigned)rand() % 1000);
        if (i % 64 == 0)
            heap_check(l);
    }
    heap_check(l);
    for (i = 0; i < MANY; i++)
        started += timer_is_started(&t[i]);
    assert_int_equal(started, l->heap_count);
    /* Virtual time: all of them are due. */
    fired = 0;
    last_at = 0;
    l->uv.time = base + 2000;
    timers_fire(l);
    assert_int_equal(fired, started);
    assert_int_equal(l->heap_count, 0);
    mem_free(t);
    loop_free(l);
}

static void timers_fire_in_the_order_of_their_times(void **state)
{
    struct loop *l = loop_new();
    struct timer t[5];
    const unsigned after[5] = { 9, 3, 7, 1, 5 };
    unsigned i;

    (void)state;
    fired = 0;
    last_at = 0;
    for (i = 0; i < 5; i++) {
        timer_init(&t[i], l, fire_in_order);
        timer_start(&t[i], after[i]);
    }
    turn_until(l, 5);
    loop_free(l);
}

static void a_timer_that_moves_later_fires_once_at_its_new_time(void **state)
{
    struct loop *l = loop_new();
    struct timer t;
    uint64_t first;

    (void)state;
    fired = 0;
    last_at = 0;
    timer_init(&t, l, fire_in_order);
    timer_start(&t, 1);
    first = t.at_ms;
    timer_start(&t, 20);
    assert_int_equal(l->heap_count, 1);
    turn_until(l, 1);
    assert_true(loop_now_ms(l) >= first + 19);
    loop_turn(l, false);
    assert_int_equal(fired, 1);
    loop_free(l);
}

static void a_timer_that_moves_earlier_fires_at_its_new_time(void **state)
{
    struct loop *l = loop_new();
    struct timer t;

    (void)state;
    fired = 0;
    last_at = 0;
    timer_init(&t, l, fire_in_order);
    timer_start(&t, 3600 * 1000);
    loop_turn(l, false);
    timer_start(&t, 1);
    turn_until(l, 1);
    loop_free(l);
}

static struct timer *victim;

static void fire_and_stop_another(struct timer *t)
{
    (void)t;
    fired++;
    timer_stop(victim);
}

static void a_timer_stopped_while_others_fire_does_not_fire(void **state)
{
    struct loop *l = loop_new();
    struct timer a, b;

    (void)state;
    fired = 0;
    timer_init(&a, l, fire_and_stop_another);
    timer_init(&b, l, fire_and_stop_another);
    victim = &b;
    timer_start(&a, 1);
    timer_start_at(&b, a.at_ms + 1);
    l->uv.time += 100;
    timers_fire(l);
    assert_int_equal(fired, 1);
    assert_false(timer_is_started(&b));
    loop_free(l);
}

static void fire_again(struct timer *t)
{
    fired++;
    timer_start(t, 0);
}

static void a_timer_that_restarts_itself_at_once_lets_the_turn_end(void **state)
{
    struct loop *l = loop_new();
    struct timer t;

    (void)state;
    fired = 0;
    timer_init(&t, l, fire_again);
    timer_start(&t, 0);
    timers_fire(l);
    assert_int_equal(fired, 1);
    turn_until(l, 3);
    timer_stop(&t);
    loop_free(l);
}

RUN(TEST(the_heap_holds_under_random_use), TEST(timers_fire_in_the_order_of_their_times),
    TEST(a_timer_that_moves_later_fires_once_at_its_new_time),
    TEST(a_timer_that_moves_earlier_fires_at_its_new_time),
    TEST(a_timer_stopped_while_others_fire_does_not_fire),
    TEST(a_timer_that_restarts_itself_at_once_lets_the_turn_end))
