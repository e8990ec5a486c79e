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

/* What it says arrived at now_ns on a connection that had stood for so long. */
static void learn(struct clocks *c, struct batch_sender s, int64_t now_ns, uint64_t stood_s)
{
    clocks_learn(c, &s, now_ns, stood_s * (uint64_t)S);
}

/* Whether a time of arrival is corrected; the time that it then has. */
static bool corrected(const struct clocks *c, int64_t wall_ns, uint64_t uptime_s, int64_t *out_ns)
{
    struct record r = of(RECORD_ARRIVAL, wall_ns, uptime_s);
    bool is = clocks_correct(c, &r);

    *out_ns = r.wall_ns;
    return is;
}

static void test_arrival_times_of_an_unset_clock_follow_uptime(void **state)
{
    struct clocks c;
    struct batch_sender s = says(100 * S, 1000);
    struct record r = of(RECORD_ARRIVAL, 50 * S, 940);

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    assert_false(clocks_correct(&c, &r)); /* nothing is known of this boot */
    clocks_learn(&c, &s, NOW, 0);
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
    clocks_learn(&c, &s, NOW, 0);
    assert_true(clocks_correct(&c, &before));
    assert_true(before.wall_ns == NOW - 103 * S); /* by its own clock, without our delay */
    assert_false(clocks_correct(&c, &after));
    clocks_fini(&c);
}

static void test_a_batch_that_was_held_up_is_no_wrong_clock(void **state)
{
    struct clocks c;
    int64_t is;

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    learn(&c, says(NOW, 1000), NOW, 1);
    learn(&c, says(NOW + S, 1001), NOW + 300 * S, 300);
    assert_false(corrected(&c, NOW + S, 1001, &is));
    /* But a clock that was set back meanwhile is wrong, on however old a connection. */
    learn(&c, says(NOW - 1000 * S, 1002), NOW + 2 * S, 5000);
    assert_true(corrected(&c, NOW - 1000 * S, 1002, &is));
    assert_true(is == NOW + 2 * S);
    /* Also when that comes late. */
    learn(&c, says(NOW - 999 * S, 1003), NOW + 400 * S, 5000);
    assert_true(corrected(&c, NOW - 999 * S, 1003, &is));
    assert_true(is == NOW + 3 * S);
    clocks_fini(&c);
}

static void test_a_first_batch_that_was_held_up_is_no_wrong_clock(void **state)
{
    struct clocks c;
    int64_t is;

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    learn(&c, says(NOW, 1000), NOW + 300 * S, 301);
    assert_false(corrected(&c, NOW, 1000, &is));
    assert_false(corrected(&c, NOW - 900 * S, 100, &is)); /* a backlog of this boot */
    /* The next prompt one decides: what was taken before the clock was set is told from it. */
    learn(&c, says(NOW + 302 * S, 1302), NOW + 302 * S, 1);
    assert_false(corrected(&c, NOW, 1000, &is));
    assert_true(corrected(&c, NOW - 1200 * S, 100, &is));
    assert_true(is == NOW - 900 * S);
    clocks_fini(&c);
}

static void test_all_that_one_stop_held_up_prove_nothing(void **state)
{
    struct clocks c;
    int64_t is;

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    for (unsigned i = 0; i < 64; i++) { /* packed each second, read at once */
        learn(&c, says(NOW + i * S, 1000 + i), NOW + 300 * S, 300);
        assert_false(corrected(&c, NOW + i * S, 1000 + i, &is));
    }
    clocks_fini(&c);

    clocks_init(&c, 60 * (uint64_t)S);
    for (unsigned i = 0; i < 200; i++) { /* read as slowly as they were packed */
        learn(&c, says(NOW + i * S, 1000 + i), NOW + (300 + i) * S, 300 + i);
        assert_false(corrected(&c, NOW + i * S, 1000 + i, &is));
    }
    clocks_fini(&c);
}

static void test_an_unset_clock_is_corrected_in_a_batch_that_was_held_up(void **state)
{
    struct clocks c;
    int64_t is;

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    learn(&c, says(100 * S, 1000), NOW + 300 * S, 86400);
    assert_true(corrected(&c, 90 * S, 990, &is));
    assert_true(is == NOW + 290 * S); /* the best that is known yet */
    /* The clock was set. A time that it gives then is right, though that batch was held up as well
     * and the one before made it 300 s later. */
    learn(&c, says(NOW + 10 * S, 1010), NOW + 300 * S, 86410);
    assert_false(corrected(&c, NOW + 10 * S, 1010, &is));
    clocks_fini(&c);
}

static void test_a_slow_clock_is_corrected_when_its_batch_came_soon(void **state)
{
    struct clocks c;
    int64_t is;

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    learn(&c, says(NOW - 300 * S, 1000), NOW, 1);
    assert_true(corrected(&c, NOW - 310 * S, 990, &is));
    assert_true(is == NOW - 10 * S);
    /* That is known now: a batch that is held up moves nothing. */
    learn(&c, says(NOW - 200 * S, 1100), NOW + 1000 * S, 1001);
    assert_true(corrected(&c, NOW - 200 * S, 1100, &is));
    assert_true(is == NOW + 100 * S);
    clocks_fini(&c);
}

static void test_a_slow_clock_on_an_old_connection_is_known_by_the_second_batch(void **state)
{
    /* 5 minutes slow, and nothing to send in the first 10. */
    struct clocks c;
    int64_t is;

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    learn(&c, says(NOW - 300 * S, 1000), NOW, 600);
    assert_false(corrected(&c, NOW - 300 * S, 1000, &is));
    /* This one may have been on its way together with the first. */
    learn(&c, says(NOW - 200 * S, 1100), NOW + 100 * S, 700);
    assert_false(corrected(&c, NOW - 200 * S, 1100, &is));
    /* This one may not, but it says something else: it was held up itself. */
    learn(&c, says(NOW + 400 * S, 1700), NOW + 720 * S, 1320);
    assert_false(corrected(&c, NOW + 400 * S, 1700, &is));
    learn(&c, says(NOW + 401 * S, 1701), NOW + 703 * S, 1303);
    assert_true(corrected(&c, NOW + 401 * S, 1701, &is));
    assert_true(is == NOW + 701 * S);
    clocks_fini(&c);
}

static void test_a_slow_clock_on_an_old_connection_is_known_by_the_next_connection(void **state)
{
    struct clocks c;
    int64_t is;

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    learn(&c, says(NOW - 300 * S, 1000), NOW, 600);
    assert_false(corrected(&c, NOW - 300 * S, 1000, &is));
    learn(&c, says(NOW - 299 * S, 1001), NOW + S, 1);
    assert_true(corrected(&c, NOW - 299 * S, 1001, &is));
    assert_true(is == NOW + S);
    clocks_fini(&c);
}

static void test_what_is_ahead_was_not_held_up(void **state)
{
    struct clocks c;
    int64_t is;

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    learn(&c, says(NOW + 300 * S, 1000), NOW, 86400);
    assert_true(corrected(&c, NOW + 300 * S, 1000, &is));
    assert_true(is == NOW);
    clocks_fini(&c);
}

static void test_two_that_cannot_both_be_are_settled_by_the_later(void **state)
{
    /* Our own clock was set by half an hour between them, forth and back. */
    struct clocks c;
    int64_t is;

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    learn(&c, says(0, 1000), NOW, 10);
    learn(&c, says(10 * S, 1010), NOW + 1810 * S, 20);
    assert_true(corrected(&c, 0, 1000, &is));
    assert_true(is == NOW + 1800 * S);
    learn(&c, says(20 * S, 1020), NOW + 20 * S, 30);
    assert_true(corrected(&c, 0, 1000, &is));
    assert_true(is == NOW);
    clocks_fini(&c);
}

static void test_any_delay_can_be_said(void **state)
{
    struct clocks c;
    int64_t is;

    (void)state;
    clocks_init(&c, 60 * (uint64_t)S);
    clocks_learn(&c, &(struct batch_sender){ .boot = boot, .wall_ns = NOW - 300 * S }, NOW,
                 UINT64_MAX);
    assert_false(corrected(&c, NOW - 200 * S, 100, &is));
    clocks_learn(
        &c,
        &(struct batch_sender){ .boot = boot, .wall_ns = INT64_MIN, .uptime_ns = INT64_MAX / 2 },
        NOW, UINT64_MAX);
    assert_true(corrected(&c, INT64_MIN, 100, &is));
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
    clocks_learn(&c, &s, NOW, 0);
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
    clocks_learn(&c, &first, NOW + 3 * S, 3 * (uint64_t)S); /* 3 s under way */
    clocks_learn(&c, &fast, NOW + 100 * S, 103 * (uint64_t)S);
    clocks_learn(&c, &slow, NOW + 202 * S, 205 * (uint64_t)S);
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
    clocks_learn(&c, &s, 5000 * S, 0);
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
        clocks_learn(&c, &s, NOW, 0);
        assert_true(c.boots.count <= CLOCKS_MAX);
    }
    clocks_fini(&c);
}

RUN(TEST(test_arrival_times_of_an_unset_clock_follow_uptime),
    TEST(test_a_jump_while_running_is_seen_in_what_came_before_it),
    TEST(test_a_batch_that_was_held_up_is_no_wrong_clock),
    TEST(test_a_first_batch_that_was_held_up_is_no_wrong_clock),
    TEST(test_all_that_one_stop_held_up_prove_nothing),
    TEST(test_an_unset_clock_is_corrected_in_a_batch_that_was_held_up),
    TEST(test_a_slow_clock_is_corrected_when_its_batch_came_soon),
    TEST(test_a_slow_clock_on_an_old_connection_is_known_by_the_second_batch),
    TEST(test_a_slow_clock_on_an_old_connection_is_known_by_the_next_connection),
    TEST(test_what_is_ahead_was_not_held_up),
    TEST(test_two_that_cannot_both_be_are_settled_by_the_later), TEST(test_any_delay_can_be_said),
    TEST(test_given_times_are_touched_only_when_impossible), TEST(test_the_fastest_batch_counts),
    TEST(test_without_a_clock_of_our_own_nothing_is_judged), TEST(test_memory_is_bounded))
