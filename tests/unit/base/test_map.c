/* The hash map against a plain array, with many adds and removes. */
#include "unit/unit.h"

#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

#define KEYS 2000

static void siphash_is_the_published_function(void **state)
{
    /* SipHash-1-3 of the bytes 00 01 02 … under the key 00 01 … 0f, made with the authors' code. */
    uint64_t key[2] = { 0x0706050403020100u, 0x0f0e0d0c0b0a0908u };
    char in[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };

    (void)state;
    assert_true(siphash(key, str_from(in, 0)) == 0xabac0158050fc4dcu);
    assert_true(siphash(key, str_from(in, 1)) == 0xc9f49bf37d57ca93u);
    assert_true(siphash(key, str_from(in, 8)) != siphash(key, str_from(in, 7)));
}

static void behaves_like_an_array(void **state)
{
    static char keys[KEYS][16];
    static int values[KEYS];
    static int in[KEYS];
    struct map m;
    size_t count = 0, at = 0, seen = 0;

    (void)state;
    map_init(&m);
    srand(1);
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof(keys[i]), "key-%d", i);
    for (int step = 0; step < 100000; step++) {
        int i = rand() % KEYS;
        void *want = in[i] ? &values[i] : NULL;

        if (rand() % 2) {
            assert_ptr_equal(map_put(&m, str_of(keys[i]), &values[i]), want);
            count += !in[i];
            in[i] = 1;
        } else {
            assert_ptr_equal(map_remove(&m, str_of(keys[i])), want);
            count -= (size_t)in[i];
            in[i] = 0;
        }
        assert_int_equal(m.count, count);
    }
    for (int i = 0; i < KEYS; i++)
        assert_ptr_equal(map_get(&m, str_of(keys[i])), in[i] ? &values[i] : NULL);
    while (map_next(&m, &at))
        seen++;
    assert_int_equal(seen, count);
    for (int i = 0; i < KEYS; i++)
        map_remove(&m, str_of(keys[i]));
    assert_int_equal(m.count, 0);
    assert_null(m.slots); /* an empty map holds no memory */
    map_fini(&m);
}

static void an_empty_key_is_a_key(void **state)
{
    struct map m;
    int v;

    (void)state;
    map_init(&m);
    assert_null(map_get(&m, STR_NONE));
    assert_null(map_remove(&m, STR_NONE));
    map_put(&m, STR(""), &v);
    assert_ptr_equal(map_get(&m, STR_NONE), &v);
    map_fini(&m);
}

static void count_release(void *value)
{
    (*(int *)value)++;
}

static void emptied_it_can_be_filled_again(void **state)
{
    int values[3] = { 0 };
    struct map m;

    (void)state;
    map_init(&m);
    map_empty(&m, count_release);
    for (int round = 1; round < 3; round++) {
        map_put(&m, STR("a"), &values[0]);
        map_put(&m, STR("b"), &values[1]);
        map_put(&m, STR("c"), &values[2]);
        map_empty(&m, count_release);
        assert_int_equal(m.count, 0);
        assert_null(map_get(&m, STR("b")));
        for (int i = 0; i < 3; i++)
            assert_int_equal(values[i], round);
    }
    map_fini(&m);
}

RUN(TEST(siphash_is_the_published_function), TEST(behaves_like_an_array),
    TEST(an_empty_key_is_a_key), TEST(emptied_it_can_be_filled_again))
