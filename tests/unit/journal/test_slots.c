/* Two slots, of which a torn write costs at most one. */
#include "journal/slots.h"

#include "base/mem.h"
#include "unit/unit.h"

static void put(char file[SLOTS_BYTES], uint64_t counter)
{
    struct slot s = { counter, { { 7 } }, counter * 10, 2, 3, 4 };
    struct buf b = buf_init(SLOT_SIZE);

    slots_write(&b, &s);
    assert_int_equal(b.n, SLOT_SIZE);
    memcpy(file + slots_offset(&s), b.p, b.n);
    buf_fini(&b);
}

static void test_the_newer_slot_counts(void **state)
{
    char file[SLOTS_BYTES] = { 0 };
    struct slot s = { 0 };

    (void)state;
    assert_int_equal(slots_read(str_from(file, sizeof(file)), &s), ERR_CORRUPT);
    assert_int_equal(slots_read(STR_NONE, &s), ERR_CORRUPT);
    for (uint64_t i = 1; i < 6; i++) {
        put(file, i);
        assert_int_equal(slots_read(str_from(file, sizeof(file)), &s), 0);
        assert_int_equal(s.counter, i);
        assert_int_equal(s.a, i * 10);
        assert_int_equal(s.b, 2);
        assert_int_equal(s.c, 3);
        assert_int_equal(s.d, 4);
        assert_int_equal(s.journal.b[0], 7);
    }
}

static void test_a_damaged_slot_leaves_the_other(void **state)
{
    char file[SLOTS_BYTES] = { 0 };
    struct slot s;

    (void)state;
    put(file, 4);
    put(file, 5);
    for (size_t bit = 0; bit < SLOT_SIZE * 8; bit++) {
        char *at = &file[SLOT_SIZE + bit / 8];

        *at = (char)(*at ^ (1 << bit % 8));
        assert_int_equal(slots_read(str_from(file, sizeof(file)), &s), 0);
        assert_int_equal(s.counter, 4);
        *at = (char)(*at ^ (1 << bit % 8));
    }
    for (size_t n = SLOT_SIZE; n < SLOTS_BYTES; n++) {
        assert_int_equal(slots_read(str_from(file, n), &s), 0);
        assert_int_equal(s.counter, 4);
    }
    for (size_t n = 0; n < SLOT_SIZE; n++)
        assert_int_equal(slots_read(str_from(file, n), &s), ERR_CORRUPT);
}

RUN(TEST(test_the_newer_slot_counts), TEST(test_a_damaged_slot_leaves_the_other))
