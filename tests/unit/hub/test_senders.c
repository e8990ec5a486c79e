/* Holes, repeats, and what is under way. */
#include "hub/senders.h"

#include "unit/unit.h"

static const struct uuid edge = { { 7 } };

static struct batch_header of(uint64_t first, uint64_t last)
{
    return (struct batch_header){
        .journal = edge, .first_seq = first, .last_seq = last, .count = (uint32_t)(last - first + 1)
    };
}

static void test_batches_follow_one_another(void **state)
{
    struct senders all;
    struct batch_header a = of(1, 5), b = of(6, 9), repeat = of(3, 7), hole = of(11, 12);
    struct sender *s;

    (void)state;
    senders_init(&all);
    s = sender_of(&all, &edge, 1);
    assert_int_equal(sender_admit(s, &a), 0);
    assert_int_equal(sender_admit(s, &b), 0); /* a is under way */
    assert_int_equal(sender_admit(s, &a), 0); /* asked a second time */
    assert_int_equal(sender_admit(s, &hole), ERR_STALE);
    sender_durable(s, &a);
    assert_int_equal(cell_get(&s->have_seq), 5);
    sender_durable(s, &b);
    assert_int_equal(sender_admit(s, &repeat), 0);
    sender_durable(s, &repeat);
    assert_int_equal(cell_get(&s->have_seq), 9);
    senders_fini(&all);
}

static void test_nothing_overtakes_what_was_refused(void **state)
{
    struct senders all;
    struct batch_header a = of(1, 5), b = of(6, 9), c = of(10, 12);
    struct sender *s;

    (void)state;
    senders_init(&all);
    s = sender_of(&all, &edge, 1);
    assert_int_equal(sender_admit(s, &a), 0);
    sender_durable(s, &a);
    assert_int_equal(sender_admit(s, &b), 0);
    s->chain.broken = true; /* b was refused by the journal */
    assert_int_equal(sender_admit(s, &c), ERR_STALE);
    s->chain.broken = true;
    assert_int_equal(sender_admit(s, &b), 0);
    assert_false(s->chain.broken);
    assert_int_equal(sender_admit(s, &c), 0);
    senders_fini(&all);
}

static void test_the_unknown_begin_at_1_only_when_all_are_known(void **state)
{
    struct senders all;
    struct batch_header late = of(50, 60), behind = of(62, 62);
    struct sender *s;

    (void)state;
    senders_init(&all);
    s = sender_of(&all, &edge, 50);
    assert_int_equal(sender_admit(s, &late), ERR_STALE);
    senders_fini(&all);

    senders_init(&all);
    all.complete = false;
    s = sender_of(&all, &edge, 50);
    assert_int_equal(sender_admit(s, &late), 0);
    assert_int_equal(sender_admit(s, &behind), ERR_STALE);
    senders_fini(&all);

    senders_init(&all);
    senders_seed(&all, &edge, 49);
    senders_seed(&all, &edge, 30);
    s = sender_of(&all, &edge, 50);
    assert_int_equal(sender_admit(s, &late), 0);
    senders_fini(&all);
}

static void test_what_a_sender_says_is_shown(void **state)
{
    struct senders all;
    struct batch_sender says = { .wall_ns = 3000000000, .head_seq = 40, .dropped = 2 };
    struct batch_header a = of(1, 5);
    struct sender *s;

    (void)state;
    senders_init(&all);
    s = sender_of(&all, &edge, 1);
    assert_string_equal(sender_name(s), "");
    sender_says(s, &says, STR("pi-7"), 5000000000);
    sender_durable(s, &a);
    assert_string_equal(sender_name(s), "pi-7");
    assert_int_equal(sender_backlog(s), 35);
    assert_true((int64_t)cell_get(&s->clock_error_ms) == -2000);
    assert_int_equal(cell_get(&s->heard_ms), 5000);
    assert_int_equal(cell_get(&all.shown_count), 1);
    assert_ptr_equal(all.shown[0], s);
    senders_fini(&all);
}

RUN(TEST(test_batches_follow_one_another), TEST(test_nothing_overtakes_what_was_refused),
    TEST(test_the_unknown_begin_at_1_only_when_all_are_known),
    TEST(test_what_a_sender_says_is_shown))
