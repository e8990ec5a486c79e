/* The reading cursor never reads outside and stays bad. */
#include "unit/unit.h"

#include "base/rd.h"

static void reads_in_order(void **state)
{
    struct rd r = rd_init(STR("\1\0\2\0\0\0\3\0\0\0\0\0\0\0\4\5\0\6\0\0\0\7\0\0\0\0\0\0\0xyz"));

    (void)state;
    assert_int_equal(rd_u8(&r), 1);
    assert_int_equal(rd_u16(&r), 2);
    assert_int_equal(rd_u32(&r), 3);
    assert_int_equal(rd_u64(&r), 4);
    assert_int_equal(rd_le16(&r), 5);
    assert_int_equal(rd_le32(&r), 6);
    assert_int_equal(rd_le64(&r), 7);
    assert_str(rd_bytes(&r, 1), "x");
    assert_str(rd_bytes(&r, 0), "");
    rd_skip(&r, 1);
    assert_int_equal(rd_left(&r), 1);
    assert_str(rd_rest(&r), "z");
    assert_str(rd_rest(&r), "");
    assert_false(r.bad);
}

static void a_read_past_the_end_is_zero_and_sticks(void **state)
{
    struct rd r = rd_init(STR("\1\2\3"));

    (void)state;
    assert_int_equal(rd_u32(&r), 0);
    assert_true(r.bad);
    assert_int_equal(rd_u8(&r), 0); /* although a byte is left */
    assert_int_equal(rd_left(&r), 0);
    assert_null(rd_bytes(&r, 0).p);
    assert_null(rd_rest(&r).p);
}

static void a_huge_length_is_refused(void **state)
{
    struct rd r = rd_init(STR("abc"));

    (void)state;
    rd_u8(&r);
    assert_null(rd_bytes(&r, SIZE_MAX).p);
    assert_true(r.bad);
    r = rd_init(STR_NONE);
    assert_int_equal(rd_u8(&r), 0);
    assert_true(r.bad);
}

RUN(TEST(reads_in_order), TEST(a_read_past_the_end_is_zero_and_sticks),
    TEST(a_huge_length_is_refused))
