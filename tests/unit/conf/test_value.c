/* One value between text and store: what is written reads back; widths. */
#include "unit/unit.h"

#include "conf/value.h"

#include <string.h>

static const struct conf_name names[] = { { "low", -1 }, { "high", 200 }, { 0 } };

/* Reads text by the row and writes it again. */
static void round_trip(struct conf_row row, const char *text, const char *want)
{
    struct arena a = arena_init(1 << 16);
    struct buf b = buf_init(4096), again = buf_init(4096);
    struct value_why why;
    uint64_t store[32] = { 0 }, other[32] = { 0 };

    row.key = "k";
    if (value_parse(&row, str_of(text), true, store, &a, &why))
        fail_msg("'%s' was refused: %s", text, why.text);
    value_write(&row, store, &b);
    assert_string_equal(buf_cstr(&b), want);
    if (want[0] != '"') {
        assert_int_equal(value_parse(&row, buf_str(&b), true, other, &a, &why), 0);
        value_write(&row, other, &again);
        assert_string_equal(buf_cstr(&again), want);
    }
    buf_fini(&b);
    buf_fini(&again);
    arena_fini(&a);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 8; size *= 2) {
        round_trip((struct conf_row){ .type = CONF_INT, .size = size }, "-128", "-128");
        round_trip((struct conf_row){ .type = CONF_INT, .size = size }, "127", "127");
        round_trip((struct conf_row){ .type = CONF_UINT, .size = size }, "255", "255");
        round_trip((struct conf_row){ .type = CONF_SIZE, .size = size }, "100", "100");
        round_trip((struct conf_row){ .type = CONF_ENUM, .size = size, .names = names }, "low",
                   "low");
        round_trip((struct conf_row){ .type = CONF_ENUM, .size = size, .names = names }, "high",
                   "high");
    }
    round_trip((struct conf_row){ .type = CONF_INT, .size = 8 }, "-9223372036854775808",
               "-9223372036854775808");
    round_trip((struct conf_row){ .type = CONF_UINT, .size = 8 }, "18446744073709551615",
               "18446744073709551615");
    round_trip((struct conf_row){ .type = CONF_DURATION, .size = 8 }, "0", "0");
    round_trip((struct conf_row){ .type = CONF_DURATION, .size = 8 }, "90m", "90m");
    round_trip((struct conf_row){ .type = CONF_DURATION, .size = 8 }, "120m", "2h");
    round_trip((struct conf_row){ .type = CONF_DURATION, .size = 8 }, "1001ms", "1001ms");
    round_trip((struct conf_row){ .type = CONF_SIZE, .size = 8 }, "1024", "1KiB");
    round_trip((struct conf_row){ .type = CONF_SIZE, .size = 8 }, "3 TiB", "3TiB");
    round_trip((struct conf_row){ .type = CONF_SIZE, .size = 8 }, "0", "0");
    round_trip((struct conf_row){ .type = CONF_DOUBLE, .size = 8 }, "0.1", "0.1");
    round_trip((struct conf_row){ .type = CONF_DOUBLE, .size = 8 }, "1e300", "1e+300");
    round_trip((struct conf_row){ .type = CONF_DOUBLE, .size = 8 }, "0.30000000000000004",
               "0.30000000000000004");
    round_trip((struct conf_row){ .type = CONF_BOOL, .size = 1 }, "true", "true");
    round_trip((struct conf_row){ .type = CONF_TEXT, .size = 16 }, "a b", "\"a b\"");
    round_trip((struct conf_row){ .type = CONF_ADDRESS, .size = sizeof(struct addr), .port = 53 },
               "10.0.0.1", "\"10.0.0.1:53\"");
    round_trip((struct conf_row){ .type = CONF_HOST, .size = sizeof(struct conf_host) }, "hub:1",
               "\"hub:1\"");
}

static void test_widths(void **state)
{
    struct conf_row row = { "k", CONF_UINT, .size = 1 };
    uint64_t least, most, store = 0;
    struct arena a = arena_init(1 << 16);
    struct value_why why;
    int64_t low, high;

    (void)state;
    value_range_unsigned(&row, &least, &most);
    assert_int_equal(least, 0);
    assert_int_equal(most, 255);
    assert_int_equal(value_parse(&row, STR("256"), true, &store, &a, &why), ERR_VALUE);
    row = (struct conf_row){ "k", CONF_INT, .size = 2, .min = -3, .max = 100000 };
    value_range_signed(&row, &low, &high);
    assert_int_equal(low, -3);
    assert_int_equal(high, 32767);
    row = (struct conf_row){ "k", CONF_DURATION, .size = 2 };
    assert_int_equal(value_parse(&row, STR("66s"), true, &store, &a, &why), ERR_VALUE);
    assert_int_equal(value_parse(&row, STR("65s"), true, &store, &a, &why), 0);
    arena_fini(&a);
}

RUN(TEST(test_round_trip), TEST(test_widths))
