/* Buffers: growth, the cap, byte orders. */
#include "unit/unit.h"

#include "base/buf.h"

static void grows_to_its_cap_and_no_further(void **state)
{
    struct buf b = buf_init(100);

    (void)state;
    for (int i = 0; i < 100; i++)
        buf_u8(&b, (uint8_t)i);
    assert_int_equal(buf_check(&b), 0);
    assert_int_equal(b.n, 100);
    buf_u8(&b, 1);
    assert_int_equal(buf_check(&b), ERR_LIMIT);
    assert_int_equal(b.n, 100);
    buf_clear(&b);
    assert_int_equal(buf_check(&b), 0);
    buf_fini(&b);
    assert_int_equal(b.max, 100);
}

static void over_is_sticky(void **state)
{
    struct buf b = buf_init(4);

    (void)state;
    buf_put(&b, STR("hello"));
    buf_put(&b, STR("x"));
    assert_int_equal(b.n, 0);
    assert_true(b.over);
    assert_null(buf_reserve(&b, 1));
    assert_string_equal(buf_cstr(&b), "");
    buf_fini(&b);
}

static void writes_numbers(void **state)
{
    struct buf b = buf_init(100);

    (void)state;
    buf_u16(&b, 0x0102);
    buf_u32(&b, 0x03040506);
    buf_u64(&b, 0x0708090a0b0c0d0e);
    buf_le16(&b, 0x0201);
    buf_le32(&b, 0x06050403);
    buf_le64(&b, 0x0e0d0c0b0a090807);
    assert_memory_equal(b.p, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16", 14);
    assert_memory_equal(b.p + 14, "\1\2\3\4\5\6\7\10\11\12\13\14\15\16", 14);
    buf_fini(&b);
}

static void prints_up_to_the_very_cap(void **state)
{
    struct buf b = buf_init(400);

    (void)state;
    buf_printf(&b, "%s-%d", "x", 7);
    assert_str(buf_str(&b), "x-7");
    buf_printf(&b, "%397d", 1); /* longer than the stack buffer, fits exactly */
    assert_int_equal(buf_check(&b), 0);
    assert_int_equal(b.n, 400);
    assert_int_equal(strlen(buf_cstr(&b)), 400);
    buf_printf(&b, "%d", 1);
    assert_int_equal(buf_check(&b), ERR_LIMIT);
    buf_fini(&b);
}

static void consumes_from_the_front(void **state)
{
    struct buf b = buf_init(100);
    char *room;

    (void)state;
    buf_put(&b, STR("hello"));
    buf_consume(&b, 3);
    assert_str(buf_str(&b), "lo");
    room = buf_reserve(&b, 2);
    room[0] = 'k';
    buf_commit(&b, 1);
    assert_str(buf_str(&b), "lok");
    buf_consume(&b, 3);
    assert_int_equal(b.n, 0);
    buf_fini(&b);
}

RUN(TEST(grows_to_its_cap_and_no_further), TEST(over_is_sticky), TEST(writes_numbers),
    TEST(prints_up_to_the_very_cap), TEST(consumes_from_the_front))
