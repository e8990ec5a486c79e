/* Acknowledgements leave in the order in which the packets came. */
#include "mqtt/acks.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static void in_order(void **state)
{
    struct acks_spare spare = { 0 };
    struct acks a = acks_init();
    uint32_t n1 = acks_open(&a, &spare, 4, 11), n2 = acks_open(&a, &spare, 4, 12),
             n3 = acks_open(&a, &spare, 9, 13);

    (void)state;
    assert_null(acks_front(&a));
    assert_int_equal(a.count, 3);
    assert_int_equal(a.publications, 2);
    assert_true(acks_waits(&a, 4, 12) && acks_waits(&a, 9, 13));
    assert_true(acks_waits(&a, 4, 0));
    assert_false(acks_waits(&a, 8, 0));
    assert_false(acks_waits(&a, 9, 12) || acks_waits(&a, 4, 14));
    acks_settle_take(&a, n3, 0, NULL, blob_new(STR("packet")));
    acks_settle_take(&a, n2, 0x99, "why", NULL);
    assert_null(acks_front(&a));
    acks_settle_take(&a, n1, 0, NULL, NULL);
    assert_int_equal(acks_front(&a)->packet_id, 11);
    acks_pop(&a, &spare);
    assert_false(acks_waits(&a, 4, 11));
    assert_true(acks_waits(&a, 4, 12));
    assert_int_equal(acks_front(&a)->packet_id, 12);
    assert_int_equal(acks_front(&a)->code, 0x99);
    assert_string_equal(acks_front(&a)->reason, "why");
    acks_pop(&a, &spare);
    assert_true(str_eq(blob_str(acks_front(&a)->packet), STR("packet")));
    acks_pop(&a, &spare);
    assert_null(acks_front(&a));
    assert_int_equal(a.count, 0);
    assert_int_equal(a.publications, 0);
    acks_fini(&a, &spare);
    acks_spare_fini(&spare);
}

static void what_came_again_is_answered_and_does_not_count(void **state)
{
    struct acks_spare spare = { 0 };
    struct acks a = acks_init();
    uint32_t n1 = acks_open(&a, &spare, 4, 11), n2 = acks_open_again(&a, &spare, 5, 12);

    (void)state;
    assert_int_equal(a.count, 2);
    assert_int_equal(a.publications, 1);
    assert_true(acks_waits(&a, 5, 12));
    acks_settle_take(&a, n2, 0, NULL, NULL);
    assert_null(acks_front(&a));
    acks_settle_take(&a, n1, 0, NULL, NULL);
    acks_pop(&a, &spare);
    assert_int_equal(a.publications, 0);
    assert_int_equal(acks_front(&a)->packet_id, 12);
    acks_pop(&a, &spare);
    assert_int_equal(a.publications, 0);
    acks_fini(&a, &spare);
    acks_spare_fini(&spare);
}

/* The ring grows and wraps; what waits at the end is freed with it. */
static void many(void **state)
{
    struct acks_spare spare = { 0 };
    struct acks a = acks_init();
    uint32_t open[1000], done = 0, opened = 0;
    uint16_t next = 0;

    (void)state;
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < 3; i++, opened++)
            open[opened % 1000] = acks_open(&a, &spare, 4, (uint16_t)opened);
        for (int i = 0; i < 2; i++, done++)
            acks_settle_take(&a, open[done % 1000], 0, NULL, NULL);
        while (acks_front(&a)) {
            assert_int_equal(acks_front(&a)->packet_id, next);
            next++;
            acks_pop(&a, &spare);
        }
        assert_int_equal(next, done);
    }
    assert_int_equal(a.count, opened - done);
    acks_settle_take(&a, open[(opened - 1) % 1000], 0, NULL, blob_new(STR("never sent")));
    acks_fini(&a, &spare);
    acks_spare_fini(&spare);
}

/* Whoever owes nothing has no ring, and the next who owes something has the one that is spare. */
static void rings_are_kept_for_the_next(void **state)
{
    struct acks_spare spare = { 0 };
    struct acks a[2] = { acks_init(), acks_init() };
    struct ack *ring;

    (void)state;
    acks_settle_take(&a[0], acks_open(&a[0], &spare, 4, 1), 0, NULL, NULL);
    acks_settle_take(&a[1], acks_open(&a[1], &spare, 4, 2), 0, NULL, NULL);
    ring = a[0].ring;
    acks_pop(&a[0], &spare);
    assert_null(a[0].ring);
    assert_int_equal(spare.count, 1);
    acks_pop(&a[1], &spare);
    assert_int_equal(spare.count, 2);
    acks_open(&a[1], &spare, 4, 3);
    acks_open(&a[0], &spare, 4, 4);
    assert_ptr_equal(a[0].ring, ring);
    assert_int_equal(spare.count, 0);
    assert_null(spare.first);
    acks_fini(&a[0], &spare);
    acks_fini(&a[1], &spare);
    acks_spare_fini(&spare);
    assert_int_equal(spare.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(what_came_again_is_answered_and_does_not_count),
        cmocka_unit_test(many),
        cmocka_unit_test(rings_are_kept_for_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
