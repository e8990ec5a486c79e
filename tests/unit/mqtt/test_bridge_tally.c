/*
 * What a bridge tells of itself: each thing once, whoever reads it.
 */
#include "unit/unit.h"

#include "mqtt/bridge_tally.h"

static void what_is_new_is_told_once(void **state)
{
    struct metrics *m = metrics_new();
    struct bridge_counts now = { .sent = 3, .taken = 2, .refused = { 4, 5 }, .unfit = 1 };
    struct bridge_tally t;

    (void)state;
    bridge_tally_init(&t, m, "b");
    for (unsigned i = 0; i < 2; i++) {
        bridge_tally_take(&t, &now);
        assert_int_equal(cell_get(&t.sent), 3);
        assert_int_equal(cell_get(&t.taken), 2);
        assert_int_equal(cell_get(&t.refused), 9);
        assert_int_equal(cell_get(&t.dropped), 1);
        assert_int_equal(metric_value(t.m_sent), 3);
        assert_int_equal(metric_value(t.m_refused[BRIDGE_FAR]), 4);
        assert_int_equal(metric_value(t.m_refused[BRIDGE_LOCAL]), 5);
    }
    now.sent++;
    now.unmapped++;
    bridge_tally_take(&t, &now);
    assert_int_equal(cell_get(&t.sent), 4);
    assert_int_equal(cell_get(&t.dropped), 2);
    metrics_free(m);
}

static void it_is_open_or_not(void **state)
{
    struct bridge_tally t;

    (void)state;
    bridge_tally_init(&t, NULL, "b");
    bridge_tally_open(&t, false);
    assert_int_equal(cell_get(&t.connects), 0);
    bridge_tally_open(&t, true);
    bridge_tally_open(&t, true);
    assert_int_equal(cell_get(&t.connected), 1);
    assert_int_equal(cell_get(&t.connects), 1);
    bridge_tally_open(&t, false);
    assert_int_equal(cell_get(&t.connected), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_new_is_told_once),
        cmocka_unit_test(it_is_open_or_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
