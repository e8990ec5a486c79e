/* From which day on a clock is believed. */
#include "base/clock_set.h"

#include "base/mem.h"
#include "base/rfc3339.h"

#include "unit/unit.h"

static void a_clock_is_set_from_2024_on(void **state)
{
    static const struct {
        const char *time;
        bool is_set;
    } rows[] = {
        { "1970-01-01T00:00:00Z", false },
        { "2023-12-31T23:59:59.999999999Z", false },
        { "2024-01-01T00:00:00Z", true },
        { "2261-01-01T00:00:00Z", true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t ns = 0;

        assert_int_equal(rfc3339_parse(str_of(rows[i].time), &ns), 0);
        assert_int_equal(clock_is_set(ns), rows[i].is_set);
    }
    assert_false(clock_is_set(INT64_MIN));
}

RUN(TEST(a_clock_is_set_from_2024_on))
