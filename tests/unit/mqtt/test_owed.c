#include "mqtt/owed.h"

#include "base/mem.h"
#include "unit/unit.h"

#include <stdio.h>

static void add(struct owed *o, uint64_t seq)
{
    struct message *m = message_new(&(struct message_source){ .topic = STR("t"), .seq = seq });

    owed_add(o, m);
    message_unref(m);
}

/* The numbers that are owed, those without a message with a '?'. */
static void holds(const struct owed *o, const char *expected)
{
    char text[256] = "";
    uint64_t at = 0;
    const struct owed_item *it;
    size_t n = 0, count = 0;

    for (; (it = owed_from(o, at)); at = it->seq + 1, count++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%llu%s", n ? " " : "",
                              (unsigned long long)it->seq, it->m ? "" : "?");
    assert_string_equal(text, expected);
    assert_int_equal(count, o->live);
}

static void numbers_are_in_order_and_done_once(void **state)
{
    struct owed o = { 0 };

    (void)state;
    holds(&o, "");
    assert_false(owed_done(&o, 1));
    add(&o, 5);
    add(&o, 9);
    add(&o, 7);
    add(&o, 3);
    add(&o, 7);
    holds(&o, "3 5 7 9");
    assert_int_equal(message_seq(owed_find(&o, 7)->m), 7);
    assert_true(owed_done(&o, 7));
    assert_false(owed_done(&o, 7));
    assert_null(owed_find(&o, 7));
    add(&o, 7); /* it was done with */
    holds(&o, "3 5 9");
    assert_int_equal(owed_from(&o, 6)->seq, 9);
    assert_null(owed_from(&o, 10));
    owed_void(&o, 4);
    owed_void(&o, 9);
    add(&o, 4);
    holds(&o, "3 5");
    owed_fini(&o);
}

static void what_is_told_of_a_range_holds_for_it(void **state)
{
    static const uint64_t told[] = { 1, 2, 4, 6, 8 };
    struct owed o = { 0 };

    (void)state;
    owed_tell(&o, 0, 8, told, 0);
    holds(&o, "");
    for (uint64_t seq = 4; seq <= 10; seq++)
        add(&o, seq);
    assert_true(owed_done(&o, 6));
    assert_true(owed_done(&o, 9));
    owed_tell(&o, 0, 8, told, COUNT_OF(told));
    holds(&o, "1? 2? 4 8 10");
    owed_tell(&o, 2, 4, NULL, 0);
    holds(&o, "1? 2? 8 10");
    assert_true(owed_done(&o, 2));
    owed_tell(&o, 0, UINT64_MAX, told, 3);
    holds(&o, "1? 4?");
    owed_fini(&o);
}

static void what_is_dropped_may_be_told_again(void **state)
{
    static const uint64_t told[] = { 1, 2, 3 };
    struct owed o = { 0 };

    (void)state;
    for (uint64_t seq = 1; seq <= 3; seq++)
        add(&o, seq);
    assert_true(owed_done(&o, 2));
    owed_drop(&o);
    holds(&o, "");
    owed_tell(&o, 0, 3, told, COUNT_OF(told));
    holds(&o, "1? 3?");
    owed_fini(&o);
}

static void what_is_done_takes_no_room_for_ever(void **state)
{
    struct owed o = { 0 };

    (void)state;
    add(&o, 1);
    for (uint64_t seq = 2; seq < 10000; seq++) {
        add(&o, seq);
        assert_true(owed_done(&o, seq));
        owed_forget(&o);
    }
    holds(&o, "1");
    assert_true(o.count < 200 && o.cap < 400);
    owed_fini(&o);
}

RUN(TEST(numbers_are_in_order_and_done_once), TEST(what_is_told_of_a_range_holds_for_it),
    TEST(what_is_dropped_may_be_told_again), TEST(what_is_done_takes_no_room_for_ever))
