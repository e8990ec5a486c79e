/* CRC-32C: the published values, and any split gives the same. */
#include "unit/unit.h"

#include "base/crc32c.h"

static void published_values(void **state)
{
    char zeros[32] = { 0 }, ones[32];

    (void)state;
    memset(ones, 0xff, sizeof(ones));
    assert_int_equal(crc32c(0, STR("123456789")), 0xe3069283u);
    assert_int_equal(crc32c(0, str_from(zeros, 32)), 0x8a9136aau); /* RFC 3720 B.4 */
    assert_int_equal(crc32c(0, str_from(ones, 32)), 0x62a8ab43u);
    assert_int_equal(crc32c(0, STR("")), 0);
}

static void any_split_is_the_same(void **state)
{
    struct str s = STR("a longer text, so that words of eight and single bytes both occur");
    uint32_t whole = crc32c(0, s);

    (void)state;
    for (size_t i = 0; i <= s.n; i++)
        assert_int_equal(crc32c(crc32c(0, str_sub(s, 0, i)), str_skip(s, i)), whole);
}

RUN(TEST(published_values), TEST(any_split_is_the_same))
