/* Refusals in the log: once a client and minute, in a bounded table. */
#include "unit/unit.h"

#include "mqtt/denials.h"

static void once_a_minute(void **state)
{
    struct denials d = { 0 };
    uint32_t more = 9;

    (void)state;
    assert_true(denials_log(&d, 7, 1000, &more));
    assert_int_equal(more, 0);
    assert_false(denials_log(&d, 7, 1000, &more));
    assert_false(denials_log(&d, 7, 60999, &more));
    assert_true(denials_log(&d, 8, 60999, &more));
    assert_int_equal(more, 0);
    assert_true(denials_log(&d, 7, 61000, &more));
    assert_int_equal(more, 2);
    assert_false(denials_log(&d, 7, 120999, &more));
    assert_true(denials_log(&d, 7, 121000, &more));
    assert_int_equal(more, 1);
    assert_true(denials_log(&d, 0, 5, &more)); /* a hash may be zero, and so may the time */
    assert_false(denials_log(&d, 0, 6, &more));
}

static void many_clients_push_each_other_out(void **state)
{
    struct denials d = { 0 };
    uint32_t more;

    (void)state;
    for (uint64_t i = 0; i < DENIALS_WAYS; i++)
        assert_true(denials_log(&d, i * DENIALS_SETS, 1000 + i, &more));
    for (uint64_t i = 0; i < DENIALS_WAYS; i++)
        assert_false(denials_log(&d, i * DENIALS_SETS, 2000, &more));
    assert_true(denials_log(&d, 100 * DENIALS_SETS, 2000, &more)); /* in the place of the first */
    assert_false(denials_log(&d, 100 * DENIALS_SETS, 2000, &more));
    assert_false(denials_log(&d, DENIALS_SETS, 2000, &more));
    assert_true(denials_log(&d, 0, 2000, &more));
}

RUN(TEST(once_a_minute), TEST(many_clients_push_each_other_out))
