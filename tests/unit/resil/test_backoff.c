/* The wait grows, stays below its caps, spreads, and starts again after success. */
#include "base/str.h"
#include "unit/unit.h"

#include "resil/backoff.h"

static void doubles_to_the_cap(void **state)
{
    struct backoff b;
    static const uint32_t most[] = { 100, 200, 400, 800, 1000, 1000 };

    (void)state;
    backoff_init(&b, &BACKOFF_UPLINK);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(backoff_failed(&b, i, UINT32_MAX), most[i]);
    backoff_init(&b, &BACKOFF_UPLINK);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(backoff_failed(&b, i, 0), most[i] / 2);
}

static void patience_grows_after_a_minute(void **state)
{
    struct backoff b;
    uint64_t now = 1000000, start = now;
    uint32_t wait = 0;

    (void)state;
    backoff_init(&b, &BACKOFF_UPLINK);
    while (now - start < 60000) {
        wait = backoff_failed(&b, now, UINT32_MAX);
        assert_true(wait <= 1000);
        now += wait;
    }
    assert_int_equal(backoff_failed(&b, now, UINT32_MAX), 2000);
    assert_int_equal(backoff_failed(&b, now, UINT32_MAX), 4000);
    for (unsigned i = 0; i < 100; i++)
        wait = backoff_failed(&b, now, UINT32_MAX);
    assert_int_equal(wait, 30000);
    assert_int_equal(b.count, 102 + (60000 - 1500) / 1000 + 1 + 4);
}

static void success_starts_again(void **state)
{
    struct backoff b;

    (void)state;
    backoff_init(&b, &BACKOFF_UPLINK);
    for (unsigned i = 0; i < 50; i++)
        (void)backoff_failed(&b, 100000 * i, UINT32_MAX);
    backoff_worked(&b);
    assert_int_equal(backoff_failed(&b, 9000000, UINT32_MAX), 100);
    assert_int_equal(backoff_failed(&b, 9000100, UINT32_MAX), 200);
}

static void progress_keeps_it_eager(void **state)
{
    struct backoff b;

    (void)state;
    backoff_init(&b, &BACKOFF_UPLINK);
    backoff_progressed(&b, 1000);
    assert_int_equal(backoff_failed(&b, 1000, UINT32_MAX), 100);
    for (unsigned i = 0; i < 100; i++)
        (void)backoff_failed(&b, 1000 + 10000 * i, UINT32_MAX);
    assert_int_equal(backoff_failed(&b, 2000000, UINT32_MAX), 30000);
    /* Not at once again, but within a second, until there was none for a minute. */
    backoff_progressed(&b, 2100000);
    assert_int_equal(backoff_failed(&b, 2100000, UINT32_MAX), 1000);
    assert_int_equal(backoff_failed(&b, 2159999, UINT32_MAX), 1000);
    backoff_progressed(&b, 2161000);
    assert_int_equal(backoff_failed(&b, 2161000, UINT32_MAX), 1000);
    assert_int_equal(backoff_failed(&b, 2221000, UINT32_MAX), 2000);
}

static void a_crowd_spreads(void **state)
{
    unsigned buckets[10] = { 0 };

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        struct backoff b;
        uint32_t wait;

        backoff_init(&b, &(struct backoff_rules){ 1000, 1000, 60000, 30000 });
        wait = backoff_failed(&b, 0, i * (UINT32_MAX / 1000));
        assert_true(wait >= 500 && wait <= 1000);
        buckets[(wait - 500) * 10 / 501]++;
    }
    for (unsigned i = 0; i < 10; i++)
        assert_true(buckets[i] > 80 && buckets[i] < 120);
}

static void large_rules_do_not_overflow(void **state)
{
    struct backoff b;
    uint32_t last = 0;

    (void)state;
    backoff_init(&b, &(struct backoff_rules){ 1, 10, 10, UINT32_MAX });
    for (unsigned i = 0; i < 100; i++) {
        uint32_t wait = backoff_failed(&b, 1000 * i, UINT32_MAX);

        assert_true(wait >= last);
        last = wait;
    }
    assert_true(last == UINT32_MAX);
}

RUN(TEST(doubles_to_the_cap), TEST(patience_grows_after_a_minute), TEST(success_starts_again),
    TEST(progress_keeps_it_eager), TEST(a_crowd_spreads), TEST(large_rules_do_not_overflow))
