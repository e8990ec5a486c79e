/* Identifiers of messages: none and one need no set, equal sets are kept once, and none stays. */
#include "mqtt/sub_ids.h"

#include "unit/unit.h"

static void none_and_one_are_themselves(void **state)
{
    struct sub_id_sets t = { 0 };
    uint32_t one = 268435455, none = 0, ref;

    (void)state;
    assert_int_equal(sub_id_sets_put(&t, sub_ids_one(&none)), 0);
    ref = sub_id_sets_put(&t, sub_ids_one(&one));
    assert_int_equal(ref, one);
    assert_int_equal(sub_id_sets_get(&t, &ref).n, 1);
    assert_int_equal(sub_id_sets_get(&t, &ref).at[0], one);
    assert_int_equal(sub_id_sets_get(&t, &none).n, 0);
    sub_id_sets_drop(&t, ref);
    sub_id_sets_drop(&t, none);
    assert_int_equal(t.count, 0);
    sub_id_sets_fini(&t);
}

static void equal_sets_are_kept_once(void **state)
{
    struct sub_id_sets t = { 0 };
    uint32_t a[] = { 1, 2, 2 }, b[] = { 1, 2 }, refs[5];

    (void)state;
    refs[0] = sub_id_sets_put(&t, (struct sub_ids){ a, 3 });
    refs[1] = sub_id_sets_put(&t, (struct sub_ids){ b, 2 });
    refs[2] = sub_id_sets_put(&t, (struct sub_ids){ a, 3 });
    assert_int_equal(refs[0], refs[2]);
    assert_int_not_equal(refs[0], refs[1]);
    assert_int_equal(t.count, 2);
    sub_id_sets_drop(&t, refs[0]);
    assert_int_equal(sub_id_sets_get(&t, &refs[2]).n, 3);
    assert_int_equal(sub_id_sets_get(&t, &refs[2]).at[2], 2);
    sub_id_sets_drop(&t, refs[2]);
    b[1] = 9;
    refs[3] = sub_id_sets_put(&t, (struct sub_ids){ b, 2 });
    assert_int_equal(refs[3], refs[0]); /* the free one again */
    assert_int_equal(sub_id_sets_get(&t, &refs[1]).at[1], 2);
    assert_int_equal(sub_id_sets_get(&t, &refs[3]).at[1], 9);
    sub_id_sets_fini(&t);
}

/* More than are searched, in any order: each reference gives what was put, and all places come again. */
static void many_come_and_go(void **state)
{
    enum { MANY = 200 };
    struct sub_id_sets t = { 0 };
    uint32_t refs[MANY];

    (void)state;
    for (int round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < MANY; i++) {
            uint32_t ids[] = { i + 1, i + 2, i + 3 };

            refs[i] = sub_id_sets_put(&t, (struct sub_ids){ ids, 2 + i % 2 });
        }
        for (uint32_t i = 0; i < MANY; i++) {
            struct sub_ids got = sub_id_sets_get(&t, &refs[i]);

            assert_int_equal(got.n, 2 + i % 2);
            assert_int_equal(got.at[0], i + 1);
        }
        for (uint32_t i = 0; i < MANY; i++)
            sub_id_sets_drop(&t, refs[i * 7 % MANY]);
        assert_int_equal(t.count, MANY);
    }
    sub_id_sets_fini(&t);
}

/* Also with one identifier or none, and apart from those that came otherwise or by another one. */
static void a_shared_subscription_is_told(void **state)
{
    struct sub_id_sets t = { 0 };
    uint32_t one = 7, none = 0, many[] = { 7, 8 }, refs[5];

    (void)state;
    refs[0] = sub_id_sets_put_shared(&t, sub_ids_one(&one), UINT64_C(5) << 40);
    refs[1] = sub_id_sets_put_shared(&t, sub_ids_one(&none), UINT64_C(5) << 40);
    refs[2] = sub_id_sets_put_shared(&t, sub_ids_one(&one), 6);
    refs[3] = sub_id_sets_put(&t, (struct sub_ids){ many, 2 });
    refs[4] = sub_id_sets_put_shared(&t, sub_ids_one(&one), UINT64_C(5) << 40);
    assert_int_equal(t.count, 4);
    assert_int_equal(refs[4], refs[0]);
    assert_true(sub_id_sets_share(&t, refs[0]) == UINT64_C(5) << 40);
    assert_int_equal(sub_id_sets_get(&t, &refs[0]).n, 1);
    assert_int_equal(sub_id_sets_get(&t, &refs[0]).at[0], 7);
    assert_true(sub_id_sets_share(&t, refs[1]) == UINT64_C(5) << 40);
    assert_int_equal(sub_id_sets_get(&t, &refs[1]).n, 0);
    assert_int_equal(sub_id_sets_share(&t, refs[2]), 6);
    assert_int_equal(sub_id_sets_share(&t, refs[3]), 0);
    assert_int_equal(sub_id_sets_share(&t, one), 0);
    sub_id_sets_fini(&t);
}

RUN(TEST(none_and_one_are_themselves), TEST(equal_sets_are_kept_once), TEST(many_come_and_go),
    TEST(a_shared_subscription_is_told))
