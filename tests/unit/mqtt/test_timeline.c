/* Times of a log whose wall clock was set, and whose machine was off. */
#include "mqtt/timeline.h"

#include "base/mem.h"
#include "unit/unit.h"

#define DAY  ((int64_t)86400000)
#define NOW  (20000 * DAY)         /* in 2024 */
#define MOST (INT64_MAX / 1000000) /* of nanoseconds, in ms */

static void at(struct timeline *t, int64_t wall_ms, int64_t uptime_ms, uint8_t boot)
{
    timeline_at(t, &(struct timeline_clocks){ wall_ms, uptime_ms, { { boot } } });
}

/* From when the first clocks were read to when the second ones were, as the log has it. */
static void time_passes(void **state)
{
    static const struct {
        const char *what;
        int64_t wall_ms[2], uptime_ms[2];
        uint8_t boot[2];
        int64_t passed_ms;
    } rows[] = {
        { "the clock is right", { NOW, NOW + 5000 }, { 10, 5010 }, { 1, 1 }, 5000 },
        { "it was never set, and is", { 60000, NOW }, { 10, 5010 }, { 1, 1 }, 5000 },
        { "it is set back", { NOW, NOW - DAY }, { 10, 5010 }, { 1, 1 }, 5000 },
        { "it is set forward", { NOW, NOW + 40 * DAY }, { 10, 5010 }, { 1, 1 }, 5000 },
        { "it is turned a little", { NOW, NOW + 5900 }, { 10, 5010 }, { 1, 1 }, 5000 },
        { "off for a day", { NOW, NOW + DAY }, { 9000, 10 }, { 1, 2 }, DAY },
        { "off, and it is behind then", { NOW, NOW - DAY }, { 9000, 10 }, { 1, 2 }, 0 },
        { "off, and not set then", { NOW, 60000 }, { 9000, 10 }, { 1, 2 }, 0 },
        { "not set, and off", { 60000, NOW }, { 9000, 10 }, { 1, 2 }, 0 },
        { "never set, and off", { 60000, 90000 }, { 9000, 10 }, { 1, 2 }, 30000 },
        { "no boot is known", { NOW, NOW + DAY }, { 0, 0 }, { 0, 0 }, DAY },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct timeline t = { 0 };
        int64_t first;

        print_message("%s\n", rows[i].what);
        at(&t, rows[i].wall_ms[0], rows[i].uptime_ms[0], rows[i].boot[0]);
        first = timeline_of(&t, rows[i].wall_ms[0]);
        at(&t, rows[i].wall_ms[1], rows[i].uptime_ms[1], rows[i].boot[1]);
        assert_int_equal(timeline_of(&t, rows[i].wall_ms[1]) - first, rows[i].passed_ms);
    }
}

/* A machine without a clock battery: right, then off and in 1970, then set. */
static void time_goes_on_over_all_of_them(void **state)
{
    struct timeline t = { 0 };
    int64_t first;

    (void)state;
    at(&t, NOW, 50000, 1);
    first = timeline_of(&t, NOW);
    at(&t, NOW + 1000, 51000, 1);
    at(&t, 30000, 10000, 2);
    at(&t, 32000, 12000, 2);
    at(&t, NOW + DAY, 15000, 2);
    at(&t, NOW + DAY + 500, 15500, 2);
    assert_int_equal(timeline_of(&t, NOW + DAY + 500) - first, 1000 + 2000 + 3000 + 500);
}

/* Whatever a file says, nothing overflows (undefined behaviour is watched for). */
static void any_clocks_will_do(void **state)
{
    static const int64_t walls[] = { -MOST, MOST, 0, NOW, -MOST, MOST, -MOST, 1, MOST };
    struct timeline t = { 0 };

    (void)state;
    for (unsigned i = 0; i < 900000; i++) {
        at(&t, walls[i % COUNT_OF(walls)], i % 2 ? 0 : 2 * MOST, (uint8_t)(i % 3));
        assert_true(timeline_of(&t, INT64_MAX) > timeline_of(&t, 0));
        assert_true(timeline_of(&t, INT64_MIN) < timeline_of(&t, 0));
    }
}

RUN(TEST(time_passes), TEST(time_goes_on_over_all_of_them), TEST(any_clocks_will_do))
