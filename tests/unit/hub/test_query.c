/* Steps of charts. */
#include "unit/unit.h"

#include "hub/query.h"

static void reads_steps(void **state)
{
    int64_t ns = 7;

    (void)state;
    assert_int_equal(query_step(STR("10s"), &ns), 0);
    assert_true(ns == 10000000000);
    assert_int_equal(query_step(STR("500ms"), &ns), 0);
    assert_true(ns == 500000000);
    assert_int_equal(query_step(STR("366d"), &ns), 0);
    assert_int_equal(query_step(STR("367d"), &ns), ERR_VALUE);
    assert_int_equal(query_step(STR("0s"), &ns), ERR_VALUE);
    assert_int_equal(query_step(STR("99999999999999999999s"), &ns), ERR_SYNTAX);
    assert_int_equal(query_step(STR("10"), &ns), ERR_SYNTAX);
    assert_int_equal(query_step(STR("s"), &ns), ERR_SYNTAX);
    assert_int_equal(query_step(STR("1.5s"), &ns), ERR_SYNTAX);
    assert_int_equal(query_step(STR(""), &ns), ERR_SYNTAX);
}

RUN(TEST(reads_steps))
