/* Once a minute per key, in virtual time, with bounded memory. */
#include "unit/unit.h"

#include "hub/once.h"

#include <stdio.h>

static void once_per_interval_and_key(void **state)
{
    struct once o;
    uint64_t count = 0;

    (void)state;
    once_init(&o, 60000);
    assert_true(once_may(&o, STR("a"), 100000, &count));
    assert_int_equal(count, 1);
    assert_false(once_may(&o, STR("a"), 100001, NULL));
    assert_true(once_may(&o, STR("b"), 100001, NULL));
    assert_false(once_may(&o, STR("a"), 159999, NULL));
    assert_true(once_may(&o, STR("a"), 160000, &count));
    assert_int_equal(count, 3);
    once_fini(&o);
}

static void a_flood_of_keys_is_bounded(void **state)
{
    struct once o;
    char key[32];
    int lines = 0;

    (void)state;
    once_init(&o, 60000);
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        lines += once_may(&o, str_of(key), 100000 + (uint64_t)i, NULL);
    }
    assert_int_equal(o.keys.count, ONCE_KEYS_MAX);
    assert_int_equal(lines, ONCE_KEYS_MAX + 1);
    /* When the interval has passed, there is room again. */
    assert_true(once_may(&o, STR("new"), 300000, NULL));
    assert_true(o.keys.count < 10);
    once_fini(&o);
}

RUN(TEST(once_per_interval_and_key), TEST(a_flood_of_keys_is_bounded))
