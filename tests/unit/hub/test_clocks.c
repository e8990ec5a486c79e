/* Times that are corrected by uptime, and times that are left alone. */
#include "hub/clocks.h"

#include "unit/unit.h"

#define S   ((int64_t)1000000000)
#define NOW (1900000000 * S)

static const struct uuid boot = { { 1 } };

static struct record of(unsigned flags, int64_t wall_ns, uint64_t uptime_s)
{
    return (struct record){ .kind = RECORD_READING,
                            .flags = flags,
                            .wall_ns = wall_ns,
                            .uptime_ns = uptime_s * (uint64_t)S,
                            .boot = boot };
}

static struct batch_sender says(int64_t wall_ns, uint64_t uptime_s)
{
    return (struct batch_sender){ .boot = boot,
                                  .wall_ns = wall_ns,
                                  .uptime_ns = uptime_s * (uint64_t)S };
}

static void test_arrival_times_of_an_unset_clock_follow_uptime(void **state)
{
    struct clocks c;
    struct batch_sender s = says(100 * S, 1000);
    struct record r = of(RECORD_ARRIVAL, 50 * S, 940);

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    assert_false(clocks_correct(&c, &r)); /* nothing is known of this boot */
    clocks_learn(&c, &s, NOW);
    assert_true(clocks_correct(&c, &r));
    assert_true(r.wall_ns == NOW - 60 * S && r.sent_ns == 50 * S);
    assert_int_equal(r.flags, RECORD_ARRIVAL | RECORD_CORRECTED);
    assert_false(clocks_correct(&c, &r)); /* once */
    clocks_fini(&c);
}

static void test_a_jump_while_running_is_seen_in_what_came_before_it(void **state)
{
    /* The clock was set by 5 minutes between the two; now it agrees with ours. */
    struct clocks c;
    struct batch_sender s = says(NOW - 3 * S, 1000);
    struct record before = of(RECORD_ARRIVAL, NOW - 400 * S, 900);
    struct record after = of(RECORD_ARRIVAL, NOW - 13 * S, 990);

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    clocks_learn(&c, &s, NOW);
    assert_true(clocks_correct(&c, &before));
    assert_true(before.wall_ns == NOW - 103 * S); /* by its own clock, without our delay */
    assert_false(clocks_correct(&c, &after));
    clocks_fini(&c);
}

static void test_a_batch_that_was_held_up_is_no_wrong_clock(void **state)
{
    struct clocks c;
    struct batch_sender first = says(NOW, 1000), late = says(NOW + S, 1001);
    struct batch_sender set_back = says(NOW - 1000 * S, 1002);
    struct record r = of(RECORD_ARRIVAL, NOW + S, 1001);

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    clocks_learn(&c, &first, NOW);
    clocks_learn(&c, &late, NOW + 300 * S);
    assert_false(clocks_correct(&c, &r));
    /* But a clock that was set back meanwhile is wrong. */
    clocks_learn(&c, &set_back, NOW + 2 * S);
    r = of(RECORD_ARRIVAL, NOW - 1000 * S, 1002);
    assert_true(clocks_correct(&c, &r));
    assert_true(r.wall_ns == NOW + 2 * S);
    clocks_fini(&c);
}

static void test_given_times_are_touched_only_when_impossible(void **state)
{
    struct clocks c;
    struct batch_sender s = says(100 * S, 1000);
    struct record last_year = of(0, NOW - 31536000 * S, 999);
    struct record unset = of(0, 99 * S, 999);

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    clocks_learn(&c, &s, NOW);
    assert_false(clocks_correct(&c, &last_year));
    assert_true(clocks_correct(&c, &unset));
    assert_true(unset.wall_ns == NOW - S);
    clocks_fini(&c);
}

static void test_the_fastest_batch_counts(void **state)
{
    struct clocks c;
    struct batch_sender first = says(0, 100), fast = says(0, 200), slow = says(0, 300);
    struct record r = of(RECORD_ARRIVAL, S, 50);

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    clocks_learn(&c, &first, NOW + 3 * S); /* 3 s under way */
    clocks_learn(&c, &fast, NOW + 100 * S);
    clocks_learn(&c, &slow, NOW + 202 * S);
    assert_true(clocks_correct(&c, &r));
    assert_true(r.wall_ns == NOW - 50 * S);
    clocks_fini(&c);
}

static void test_without_a_clock_of_our_own_nothing_is_judged(void **state)
{
    struct clocks c;
    struct batch_sender s = says(NOW, 1000);
    struct record r = of(RECORD_ARRIVAL, NOW, 1000);

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    clocks_learn(&c, &s, 5000 * S);
    assert_false(clocks_correct(&c, &r));
    clocks_fini(&c);
}

static void test_memory_is_bounded(void **state)
{
    struct clocks c;
    struct batch_sender s = says(0, 5);

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    for (unsigned i = 0; i < 3 * CLOCKS_MAX; i++) {
        s.boot.b[1] = (uint8_t)i;
        s.boot.b[2] = (uint8_t)(i >> 8);
        s.boot.b[3] = (uint8_t)(i >> 16);
        clocks_learn(&c, &s, NOW);
        assert_true(c.boots.count <= CLOCKS_MAX);
    }
    clocks_fini(&c);
}

RUN(TEST(test_arrival_times_of_an_unset_clock_follow_uptime),
    TEST(test_a_jump_while_running_is_seen_in_what_came_before_it),
    TEST(test_a_batch_that_was_held_up_is_no_wrong_clock),
    TEST(test_given_times_are_touched_only_when_impossible), TEST(test_the_fastest_batch_counts),
    TEST(test_without_a_clock_of_our_own_nothing_is_judged), TEST(test_memory_is_bounded))
