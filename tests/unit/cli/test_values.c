/* Values of options, and what is said of wrong ones. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/values.h"

static void times(void **state)
{
    static const struct {
        struct str text;
        uint64_t ms;
        int rc;
    } cases[] = {
        { STR("250ms"), 250, 0 },        { STR("1.5s"), 1500, 0 },
        { STR("2m"), 120000, 0 },        { STR("1h"), 3600000, 0 },
        { STR("3"), 3000, 0 },           { STR("0"), 0, 0 },
        { STR(""), 0, ERR_SYNTAX },      { STR("ms"), 0, ERR_SYNTAX },
        { STR("-1s"), 0, ERR_SYNTAX },   { STR("1d"), 0, ERR_SYNTAX },
        { STR("99999h"), 0, ERR_LIMIT },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t ms = 0;

        assert_int_equal(values_parse_ms(cases[i].text, &ms), cases[i].rc);
        assert_int_equal(ms, cases[i].ms);
    }
}

static const struct command_option options[] = {
    { "count", 'n', "N", "how many" },
    { "after", 0, "TIME", "when" },
    { "qos", 'q', "QOS", "which" },
    { 0 },
};
static const struct command rows[] = { { "go", "", "Go", NULL, options, NULL } };
static const struct command_table table = { "wayside", "a test", rows, 1 };

static struct command_call call_of(const char *option, const char *value)
{
    char *argv[] = { (char *)(uintptr_t) "wayside", (char *)(uintptr_t) "go",
                     (char *)(uintptr_t)option, (char *)(uintptr_t)value };
    struct command_call call = { 0 };
    struct buf text = buf_init(10000);

    assert_int_equal(command_parse(&table, option ? 4 : 2, argv, &call, &text), 0);
    buf_fini(&text);
    return call;
}

static void what_was_not_given_is_left_alone(void **state)
{
    struct command_call c = call_of(NULL, NULL);
    struct fault f = { 0 };
    uint64_t v = 7;
    uint32_t s = 8;
    uint8_t qos = 2;

    (void)state;
    assert_int_equal(values_number(&c, "count", 1, &v, &f), 0);
    assert_int_equal(values_ms(&c, "after", 1, &v, &f), 0);
    assert_int_equal(values_seconds(&c, "after", &s, &f), 0);
    assert_int_equal(values_qos(&c, &qos, &f), 0);
    assert_true(v == 7 && s == 8 && qos == 2);
}

static void wrong_values_are_shown(void **state)
{
    struct command_call c = call_of("--count", "0");
    struct fault f = { 0 };
    uint64_t v = 7;
    uint32_t s = 0;
    uint8_t qos = 0;

    (void)state;
    assert_int_equal(values_number(&c, "count", 1, &v, &f), ERR_VALUE);
    assert_non_null(strstr(f.text, "--count: '0' is no whole number from 1 on"));
    c = call_of("--after", "soon");
    assert_int_equal(values_ms(&c, "after", 0, &v, &f), ERR_VALUE);
    assert_non_null(strstr(f.text, "--after: 'soon' is no time"));
    c = call_of("--after", "1500ms");
    assert_int_equal(values_seconds(&c, "after", &s, &f), 0);
    assert_int_equal(s, 2);
    c = call_of("--qos", "3");
    assert_int_equal(values_qos(&c, &qos, &f), ERR_VALUE);
    assert_int_equal(v, 7);
}

RUN(TEST(times), TEST(what_was_not_given_is_left_alone), TEST(wrong_values_are_shown))
