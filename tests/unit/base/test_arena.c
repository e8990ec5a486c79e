/* Arena: alignment, zeroed memory, the cap. */
#include "unit/unit.h"

#include "base/arena.h"

static void takes_aligned_zeroed_memory(void **state)
{
    struct arena a = arena_init(1 << 20);

    (void)state;
    for (size_t n = 1; n < 3000; n += 37) {
        unsigned char *p = arena_take(&a, n);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, n);
    }
    arena_fini(&a);
    assert_int_equal(a.used, 0);
}

static void stops_at_its_cap(void **state)
{
    struct arena a = arena_init(100);

    (void)state;
    assert_non_null(arena_take(&a, 60));
    assert_null(arena_take(&a, 60));
    assert_null(arena_take(&a, SIZE_MAX));
    assert_non_null(arena_take(&a, 30));
    arena_fini(&a);
}

static void copies_and_prints(void **state)
{
    struct arena a = arena_init(1000);
    struct str s = arena_dup(&a, STR("abc"));

    (void)state;
    assert_str(s, "abc");
    assert_int_equal(s.p[3], 0);
    assert_str(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
    assert_null(arena_printf(&a, "%2000d", 1).p);
    arena_fini(&a);
}

RUN(TEST(takes_aligned_zeroed_memory), TEST(stops_at_its_cap), TEST(copies_and_prints))
