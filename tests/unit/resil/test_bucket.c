/* A second's worth at once, then as fast as the rate; a quiet time saves no more than that second. */
#include "resil/bucket.h"

#include "unit/unit.h"

static void a_second_at_once_and_then_the_rate(void **state)
{
    struct bucket b = { 0 };
    uint64_t now = 5000, wait;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(bucket_take(&b, now, 1, 10), 0);
    assert_int_equal(bucket_take(&b, now, 1, 10), 100);
    now += 100;
    assert_int_equal(bucket_take(&b, now, 1, 10), 100);
    now += 1000000; /* quiet */
    for (int i = 0; i < 10; i++)
        assert_int_equal(bucket_take(&b, now, 1, 10), 0);
    wait = bucket_take(&b, now, 1, 10);
    assert_int_equal(wait, 100);
}

/* Over a long time no more passes than the rate, whatever the sizes. */
static void never_more_than_the_rate(void **state)
{
    struct bucket b = { 0 };
    uint64_t now = 1, taken = 0, seed = 7;

    (void)state;
    while (now < 100000) {
        uint64_t n, wait;

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        n = 1 + (seed >> 33) % 5000;
        wait = bucket_take(&b, now, n, 1000);
        taken += n;
        now += wait;
    }
    assert_true(taken <= 106000 && taken >= 95000);
}

static void one_that_is_larger_than_the_bucket_waits_long(void **state)
{
    struct bucket b = { 0 };

    (void)state;
    assert_int_equal(bucket_take(&b, 1000, 10000, 1000), 9000);
    assert_int_equal(bucket_take(&b, 10000, 1, 1000), 1);
    assert_int_equal(bucket_take(&b, 10000, UINT64_C(1) << 40, 0), 0);
    b = (struct bucket){ 0 };
    assert_true(bucket_take(&b, 0, UINT64_C(1) << 28, 1) > 1000000);
    for (uint64_t i = 0; i < 3000; i++) /* a rate above 1 per ns still counts */
        (void)bucket_take(&b, UINT64_C(1) << 40, 1, UINT64_C(1) << 40);
    assert_true(b.due_ns > (UINT64_C(1) << 40) * 1000000);
}

RUN(TEST(a_second_at_once_and_then_the_rate), TEST(never_more_than_the_rate),
    TEST(one_that_is_larger_than_the_bucket_waits_long))
