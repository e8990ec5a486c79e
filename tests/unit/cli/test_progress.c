/* The bar of long work. */
#include "unit/unit.h"

#include "cli/progress.h"

static void a_bar_says_how_far_how_fast_and_how_long(void **state)
{
    struct progress p;
    struct buf b = buf_init(200);

    (void)state;
    progress_init(&p, 100 << 20, 1000);
    assert_true(progress_line(&p, 0, 1000, &b));
    assert_str(buf_str(&b), "[                                        ]   0 %");
    buf_clear(&b);
    assert_false(progress_line(&p, 1 << 20, 1050, &b)); /* too soon */
    assert_true(progress_line(&p, 25 << 20, 2000, &b));
    assert_str(buf_str(&b),
               "[##########                              ]  25 %  25.0 MiB/s  3 s left");
    buf_clear(&b);
    assert_true(progress_line(&p, 100 << 20, 2001, &b)); /* the end is always shown */
    assert_str(buf_str(&b), "[########################################] 100 %  99.9 MiB/s");
    buf_fini(&b);
}

static void nothing_to_do_is_no_crash(void **state)
{
    struct progress p;
    struct buf b = buf_init(200);

    (void)state;
    progress_init(&p, 0, 5);
    assert_true(progress_line(&p, 10, 5, &b));
    assert_str(buf_str(&b), "[                                        ]   0 %");
    buf_fini(&b);
}

static void counts_have_a_rate_and_time_has_none(void **state)
{
    struct progress p;
    struct buf b = buf_init(200);

    (void)state;
    progress_init(&p, 1000000, 0);
    p.unit = PROGRESS_COUNT;
    assert_true(progress_line(&p, 500000, 2000, &b));
    assert_str(buf_str(&b), "[####################                    ]  50 %  250000/s  2 s left");
    buf_clear(&b);
    progress_init(&p, 10000, 0);
    p.unit = PROGRESS_MS;
    assert_true(progress_line(&p, 4000, 4000, &b));
    assert_str(buf_str(&b), "[################                        ]  40 %  6 s left");
    buf_fini(&b);
}

RUN(TEST(a_bar_says_how_far_how_fast_and_how_long), TEST(nothing_to_do_is_no_crash),
    TEST(counts_have_a_rate_and_time_has_none))
