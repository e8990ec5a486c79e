/* What a value may be, in words, and which values are none. */
#include "unit/unit.h"

#include "conf/value.h"

#include <string.h>

static const struct conf_name names[] = { { "low", -1 }, { "high", 200 }, { 0 } };

static void described(struct conf_row row, const char *want)
{
    struct buf b = buf_init(4096);

    value_describe(&row, &b);
    assert_string_equal(buf_cstr(&b), want);
    buf_fini(&b);
}

static void test_describe(void **state)
{
    struct conf_row cut = { "idle_ms", CONF_DURATION, .size = 8, .flags = CONF_CUT_UNIT };

    (void)state;
    described((struct conf_row){ .type = CONF_UINT, .size = 8 }, "a whole number from 0 on");
    described((struct conf_row){ .type = CONF_UINT, .size = 2, .min = 1 },
              "a whole number from 1 to 65535");
    described((struct conf_row){ .type = CONF_DURATION, .size = 8 }, "a time");
    described((struct conf_row){ .type = CONF_DURATION, .size = 8, .min = 100 },
              "a time of at least 100ms");
    described((struct conf_row){ .type = CONF_SIZE, .size = 8, .max = 2048 },
              "a size from 0 to 2KiB");
    described((struct conf_row){ .type = CONF_DOUBLE, .size = 8, .real_max = 1 },
              "a number from 0 to 1");
    described((struct conf_row){ .type = CONF_ENUM, .size = 4, .names = names }, "low or high");
    assert_str(value_key(&cut), "idle");
    cut.flags = 0;
    assert_str(value_key(&cut), "idle_ms");
}

static void test_none(void **state)
{
    struct conf_row text = { "k", CONF_TEXT, .size = sizeof(struct str) };
    struct conf_row level = { "k", CONF_ENUM, .size = 1, .names = names };
    struct str none = STR_NONE, empty = STR("");
    unsigned char low = 255, strange = 7;
    struct buf b = buf_init(64);

    (void)state;
    assert_true(value_is_none(&text, &none));
    assert_false(value_is_none(&text, &empty));
    assert_false(value_is_none(&level, &low));
    assert_true(value_is_none(&level, &strange));
    value_write(&text, &none, &b);
    assert_string_equal(buf_cstr(&b), "null");
    buf_clear(&b);
    value_write(&level, &low, &b);
    assert_string_equal(buf_cstr(&b), "low");
    buf_fini(&b);
}

RUN(TEST(test_describe), TEST(test_none))
