/* Which start of a journal gave a number, and how that is kept in a header. */
#include "unit/unit.h"

#include "journal/lives.h"

static void expect(const struct lives *l, uint64_t seq, uint64_t epoch, uint64_t first,
                   uint64_t last)
{
    struct life_span got;

    assert_int_equal(lives_find(l, seq, &got), epoch != 0);
    assert_int_equal(got.epoch, epoch);
    assert_int_equal(got.first, first);
    assert_int_equal(got.last, last);
}

static void each_number_has_its_start(void **state)
{
    struct lives l = { 0 };

    (void)state;
    expect(&l, 1, 0, 1, UINT64_MAX);
    lives_begin(&l, 11, 0);
    expect(&l, 1, 11, 1, UINT64_MAX);
    lives_begin(&l, 12, 100);
    lives_begin(&l, 13, 250);
    expect(&l, 1, 11, 1, 100);
    expect(&l, 100, 11, 1, 100);
    expect(&l, 101, 12, 101, 250);
    expect(&l, 250, 12, 101, 250);
    expect(&l, 251, 13, 251, UINT64_MAX);
    expect(&l, UINT64_MAX - 1, 13, 251, UINT64_MAX);
}

static void what_a_start_would_have_given_later_is_not_on_the_path(void **state)
{
    struct lives l = { 0 };

    (void)state;
    lives_begin(&l, 11, 0);
    lives_begin(&l, 12, 100);
    lives_begin(&l, 13, 250);
    /* An image of when 12 was at 180. */
    lives_begin(&l, 14, 180);
    expect(&l, 180, 12, 101, 180);
    expect(&l, 181, 14, 181, UINT64_MAX);
    /* A start that gave no number at all. */
    lives_begin(&l, 15, 180);
    assert_int_equal(l.count, 3);
    expect(&l, 181, 15, 181, UINT64_MAX);
    expect(&l, 180, 12, 101, 180);
    /* Nothing is left of any. */
    lives_begin(&l, 16, 0);
    assert_int_equal(l.count, 1);
    expect(&l, 1, 16, 1, UINT64_MAX);
}

static void the_oldest_are_forgotten(void **state)
{
    struct lives l = { 0 };

    (void)state;
    for (uint64_t i = 0; i < LIVES_MAX + 6; i++)
        lives_begin(&l, 100 + i, 10 * i);
    assert_int_equal(l.count, LIVES_MAX);
    expect(&l, 60, 0, 1, 60);
    expect(&l, 61, 106, 61, 70);
    expect(&l, 10000, 100 + LIVES_MAX + 5, 10 * (LIVES_MAX + 5) + 1, UINT64_MAX);
}

static void the_bytes_say_the_same(void **state)
{
    struct lives l = { 0 }, got;
    struct buf b = buf_init(2 * LIVES_SIZE);

    (void)state;
    for (unsigned i = 0; i <= LIVES_MAX; i++) {
        struct rd r;

        buf_clear(&b);
        lives_write(&b, &l);
        assert_int_equal(b.n, LIVES_SIZE);
        r = rd_init(buf_str(&b));
        lives_read(&r, &got);
        assert_false(r.bad);
        assert_memory_equal(&got, &l, sizeof(l));
        lives_begin(&l, 7 + i, 3 * i);
    }
    buf_fini(&b);
}

RUN(TEST(each_number_has_its_start), TEST(what_a_start_would_have_given_later_is_not_on_the_path),
    TEST(the_oldest_are_forgotten), TEST(the_bytes_say_the_same))
