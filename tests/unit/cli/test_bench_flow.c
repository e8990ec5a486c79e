/* Stamps, order, and the clock of `bench mqtt`. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/bench_flow.h"

static void a_stamp_reads_back_and_nothing_else_does(void **state)
{
    char bytes[20] = { 0 };
    struct bench_stamp s = { 1234567890123, 7, UINT32_MAX }, got = { 0 };

    (void)state;
    bench_stamp_write(bytes, &s);
    assert_true(bench_stamp_read(str_from(bytes, 20), &got));
    assert_memory_equal(&got, &s, sizeof(s));
    assert_false(bench_stamp_read(str_from(bytes, 15), &got));
    assert_false(bench_stamp_read(STR_NONE, &got));
}

static void gaps_and_repetitions_are_counted(void **state)
{
    struct bench_seq s = { 0 };
    struct bench_tally t = { 0 };

    (void)state;
    assert_int_equal(bench_seq_take(&s, 0, &t), 1);
    assert_int_equal(bench_seq_take(&s, 1, &t), 1);
    assert_true(t.lost == 0 && t.repeated == 0);
    assert_int_equal(bench_seq_take(&s, 5, &t), 4); /* 2, 3 and 4 are missing */
    assert_int_equal(t.lost, 3);
    assert_int_equal(bench_seq_take(&s, 5, &t), 0);
    assert_int_equal(bench_seq_take(&s, 3, &t), 0);
    assert_true(t.lost == 3 && t.repeated == 2);
    assert_int_equal(bench_seq_take(&s, 6, &t), 1);
    s.next = UINT32_MAX; /* numbers go round */
    assert_int_equal(bench_seq_take(&s, UINT32_MAX, &t), 1);
    assert_int_equal(bench_seq_take(&s, 0, &t), 1);
    assert_true(t.lost == 3 && t.repeated == 2);
}

static void the_pace_is_even_and_never_drifts(void **state)
{
    struct bench_pace p = { 1000, 3 };

    (void)state;
    assert_int_equal(bench_pace_at(&p, 0), 1000);
    assert_int_equal(bench_pace_at(&p, 1), 333334333);
    assert_int_equal(bench_pace_at(&p, 3), 1000001000);
    assert_int_equal(bench_pace_at(&p, UINT64_C(3) * 86400 * 365),
                     UINT64_C(31536000000000000) + 1000);
    assert_int_equal(bench_pace_due(&p, 0), 1); /* the first is due at once */
    assert_int_equal(bench_pace_due(&p, 1000), 1);
    assert_int_equal(bench_pace_due(&p, 1000 + 333333334), 2);
    assert_int_equal(bench_pace_due(&p, 1000 + UINT64_C(10000000000)), 31);
    p.per_s = 7;
    assert_int_equal(bench_pace_at(&p, 6), 857142857 + 1000);
    p.per_s = 1000000;
    for (uint64_t n = 0; n < 5000000;
         n += 77777) /* what is due at its time is due, and not before */
        assert_int_equal(bench_pace_due(&p, bench_pace_at(&p, n)), n + 1);
}

static void shares_add_up(void **state)
{
    (void)state;
    for (unsigned of = 1; of < 9; of++) {
        uint64_t sum = 0;

        for (unsigned i = 0; i < of; i++) {
            uint64_t n = bench_share(1000, i, of);

            assert_in_range(n, 1000 / of, 1000 / of + 1);
            sum += n;
        }
        assert_int_equal(sum, 1000);
    }
}

RUN(TEST(a_stamp_reads_back_and_nothing_else_does), TEST(gaps_and_repetitions_are_counted),
    TEST(the_pace_is_even_and_never_drifts), TEST(shares_add_up))
