/* What only the PostgreSQL writer has to do: other hubs and people at the same tables, text as that
 * server takes it, ids that must not pile up. */
#include "unit/store/store_fixture.h"

static struct scratch *opened(void **state)
{
    struct scratch *x = *state;

    scratch_open(x);
    return x;
}

static void a_reason_that_is_no_text_is_told_as_unknown(void **state)
{
    struct scratch *x = opened(state);
    struct record r[3] = { gap(JOURNAL_A, 1, 1, 1), gap(JOURNAL_A, 2, 2, 2),
                           gap(JOURNAL_A, 3, 3, 3) };
    struct seen s = { 0 };

    r[0].payload = STR("\xff\xfe");
    r[1].payload = str_from("a\0b", 3);
    assert_int_equal(store_write(x->s, r, 3, 3, NULL), 0);
    ask(x, (struct store_query){ .what = STORE_GAPS }, &s);
    assert_string_equal(s.text, "a:3-3 dropped;a:2-2 unknown;a:1-1 unknown;");
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

RUN_PG(STORE_TEST(a_reason_that_is_no_text_is_told_as_unknown))
