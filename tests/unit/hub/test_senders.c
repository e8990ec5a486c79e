/* Holes, repeats, and what is under way. */
#include "hub/senders.h"

#include "unit/unit.h"

static const struct uuid edge = { { 7 } };

/* Numbers that the start `epoch` gave, behind one that `before` gave. */
static struct batch_header of_start(uint64_t first, uint64_t last, uint64_t epoch, uint64_t before)
{
    return (struct batch_header){ .journal = edge,
                                  .first_seq = first,
                                  .last_seq = last,
                                  .epoch = epoch,
                                  .before_epoch = before,
                                  .count = (uint32_t)(last - first + 1) };
}

static struct batch_header of(uint64_t first, uint64_t last)
{
    return of_start(first, last, 70, 70);
}

static int take(struct sender *s, struct batch_header h)
{
    int rc = sender_admit(s, &h);

    if (rc == 0)
        sender_durable(s, &h);
    return rc;
}

static uint64_t have(struct sender *s, struct batch_header h)
{
    return sender_have(s, &h);
}

static void test_batches_follow_one_another(void **state)
{
    struct senders all;
    struct batch_header a = of(1, 5), b = of(6, 9), repeat = of(3, 7), hole = of(11, 12);
    struct sender *s;

    (void)state;
    senders_init(&all, 1000);
    s = sender_of(&all, &edge);
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
    senders_init(&all, 1000);
    s = sender_of(&all, &edge);
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

static void test_the_unknown_begin_at_1(void **state)
{
    struct senders all;
    struct batch_header late = of(50, 60);
    struct sender *s;

    (void)state;
    senders_init(&all, 1000);
    s = sender_of(&all, &edge);
    assert_int_equal(sender_admit(s, &late), ERR_STALE);
    senders_fini(&all);

    senders_init(&all, 1000);
    senders_seed(&all, &edge, 70, 49);
    senders_seed(&all, &edge, 70, 30);
    s = sender_of(&all, &edge);
    assert_int_equal(sender_admit(s, &late), 0);
    senders_fini(&all);
}

/* Two machines go on from one image: what is missing of the one is not hidden by the other. */
static void test_copies_stand_each_for_itself(void **state)
{
    struct senders all;
    struct sender *s;

    (void)state;
    senders_init(&all, 1000);
    s = sender_of(&all, &edge);
    assert_int_equal(take(s, of(1, 500)), 0);
    assert_int_equal(take(s, of_start(501, 1000, 71, 70)), 0); /* the one */
    /* The other: what it has beyond the image joins the image only. */
    assert_int_equal(take(s, of_start(801, 900, 72, 72)), ERR_STALE);
    assert_int_equal(have(s, of_start(801, 900, 72, 72)), 0);
    assert_int_equal(take(s, of_start(501, 800, 72, 70)), 0);
    assert_int_equal(take(s, of_start(801, 900, 72, 72)), 0);
    assert_int_equal(take(s, of_start(1001, 1010, 71, 71)), 0);
    /* An image of when the first was beyond what is here. */
    assert_int_equal(take(s, of_start(1101, 1200, 73, 71)), ERR_STALE);
    assert_int_equal(have(s, of_start(1101, 1200, 73, 71)), 1010);
    assert_int_equal(take(s, of_start(1011, 1100, 71, 71)), 0);
    assert_int_equal(take(s, of_start(1101, 1200, 73, 71)), 0);
    /* A start that is told as lost up to where what is left of it begins joins by itself. */
    assert_int_equal(take(s, of_start(1, 300, 74, 0)), 0);
    assert_int_equal(take(s, of_start(301, 400, 74, 99)), 0);
    senders_fini(&all);
}

/* One copy's batch is refused by the journal; the other's good one mends the chain for itself only. */
static void test_a_copy_mends_nothing_of_the_other(void **state)
{
    struct senders all;
    struct batch_header refused = of_start(501, 600, 71, 70), behind = of_start(601, 700, 71, 71);
    struct sender *s;

    (void)state;
    senders_init(&all, 1000);
    s = sender_of(&all, &edge);
    assert_int_equal(take(s, of(1, 500)), 0);
    assert_int_equal(take(s, of_start(501, 2000, 72, 70)), 0);
    assert_int_equal(sender_admit(s, &refused), 0);
    s->chain.broken = true;
    assert_int_equal(take(s, of_start(2001, 2100, 72, 72)), 0);
    assert_false(s->chain.broken);
    assert_int_equal(take(s, behind), ERR_STALE);
    assert_int_equal(sender_have(s, &behind), 0);
    assert_int_equal(take(s, refused), 0);
    assert_int_equal(take(s, behind), 0);
    senders_fini(&all);
}

/* A batch that was under way while another was refused is taken up to its end all the same. */
static void test_what_becomes_durable_after_a_refusal_is_joined(void **state)
{
    struct senders all;
    struct batch_header a = of_start(11, 20, 71, 70), hole = of_start(50, 60, 71, 71),
                        other = of_start(11, 12, 72, 70);
    struct sender *s;

    (void)state;
    senders_init(&all, 1000);
    s = sender_of(&all, &edge);
    assert_int_equal(take(s, of(1, 10)), 0);
    assert_int_equal(sender_admit(s, &a), 0);
    assert_int_equal(sender_admit(s, &hole), ERR_STALE);
    s->chain.broken = true;
    assert_int_equal(sender_admit(s, &other), 0);
    sender_durable(s, &a);
    sender_durable(s, &other);
    assert_int_equal(take(s, of_start(21, 30, 71, 71)), 0);
    senders_fini(&all);
}

static void test_of_many_starts_those_heard_of_last_are_remembered(void **state)
{
    struct senders all;
    struct batch_header waits = of_start(11, 12, 1, 1);
    struct sender *s;

    (void)state;
    senders_init(&all, 1000);
    for (uint64_t i = 1; i <= SENDER_LIVES_MAX + 5; i++)
        senders_seed(&all, &edge, i, 10 * i);
    senders_seed(&all, &edge, 900, 1); /* no farther than those that are remembered */
    s = sender_of(&all, &edge);
    assert_int_equal(s->life_count, SENDER_LIVES_MAX);
    assert_int_equal(have(s, of_start(2, 2, 900, 900)), 0);
    assert_int_equal(have(s, of_start(51, 51, 5, 5)), 0);
    assert_int_equal(have(s, of_start(61, 61, 6, 6)), 60);
    /* A new one is always taken; what was heard of stays, as does what it joined. */
    assert_int_equal(take(s, of_start(1, 2, 901, 0)), 0);
    assert_int_equal(have(s, of_start(3, 3, 901, 901)), 2);
    assert_int_equal(have(s, of_start(61, 61, 6, 6)), 0);
    assert_int_equal(take(s, of_start(71, 75, 902, 7)), 0);
    for (uint64_t i = 1; i <= SENDER_LIVES_MAX - 3; i++)
        assert_int_equal(take(s, of_start(1, 2, 1000 + i, 0)), 0);
    assert_int_equal(have(s, of_start(71, 71, 7, 7)), 70);
    assert_int_equal(have(s, of_start(3, 3, 901, 901)), 2);
    assert_int_equal(have(s, of_start(76, 76, 902, 902)), 75);
    senders_fini(&all);

    senders_init(&all, 1000);
    s = sender_of(&all, &edge);
    waits = of_start(1, 2, 5000, 0);
    assert_int_equal(sender_admit(s, &waits), 0);
    for (uint64_t i = 1; i <= 2 * SENDER_LIVES_MAX; i++)
        assert_int_equal(take(s, of_start(1, 100, i, 0)), 0);
    sender_durable(s, &waits);
    assert_int_equal(have(s, of_start(3, 3, 5000, 5000)), 2);
    senders_fini(&all);
}

static void test_senders_are_bounded(void **state)
{
    struct senders all;
    struct uuid u = { { 1 } };

    (void)state;
    senders_init(&all, 2);
    assert_non_null(sender_of(&all, &edge));
    assert_non_null(sender_of(&all, &u));
    u.b[1] = 1;
    assert_null(sender_of(&all, &u));
    senders_seed(&all, &u, 70, 10); /* no matter: it will send again */
    assert_null(sender_of(&all, &u));
    assert_non_null(sender_of(&all, &edge));
    senders_fini(&all);
}

static void test_what_a_sender_says_is_shown(void **state)
{
    struct senders all;
    struct batch_sender says = { .wall_ns = 3000000000, .head_seq = 40, .dropped = 2 };
    struct batch_header a = of(1, 5);
    struct sender *s;

    (void)state;
    senders_init(&all, 1000);
    s = sender_of(&all, &edge);
    assert_string_equal(sender_name(s), "");
    sender_says(s, &says, STR("pi-7"), 5000000000);
    assert_int_equal(take(s, a), 0);
    assert_string_equal(sender_name(s), "pi-7");
    assert_int_equal(sender_backlog(s), 35);
    assert_true((int64_t)cell_get(&s->clock_error_ms) == -2000);
    assert_int_equal(cell_get(&s->heard_ms), 5000);
    assert_int_equal(cell_get(&all.shown_count), 1);
    assert_ptr_equal(all.shown[0], s);
    senders_fini(&all);
}

/* A name is cut, but not within a character: it goes into JSON. */
static void test_a_long_name_stays_text(void **state)
{
    char name[] = "0123456789012345678901234567890123456789012345678901234567890\xe2\x82\xac.";
    struct senders all;
    struct batch_sender says = { .head_seq = 1 };
    struct sender *s;

    (void)state;
    senders_init(&all, 1000);
    s = sender_of(&all, &edge);
    sender_says(s, &says, str_of(name), 0);
    name[61] = '\0';
    assert_string_equal(sender_name(s), name);
    senders_fini(&all);
}

RUN(TEST(test_batches_follow_one_another), TEST(test_nothing_overtakes_what_was_refused),
    TEST(test_copies_stand_each_for_itself), TEST(test_a_copy_mends_nothing_of_the_other),
    TEST(test_what_becomes_durable_after_a_refusal_is_joined),
    TEST(test_of_many_starts_those_heard_of_last_are_remembered), TEST(test_the_unknown_begin_at_1),
    TEST(test_senders_are_bounded), TEST(test_what_a_sender_says_is_shown),
    TEST(test_a_long_name_stays_text))
