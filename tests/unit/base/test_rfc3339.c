/* Times: against the C library's calendar, and what is no time. */
#include "unit/unit.h"

#include "base/rfc3339.h"

#include <time.h>

static void parses_and_formats(void **state)
{
    static const struct {
        const char *in;
        int64_t ns;
    } rows[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-01-01T00:00:00Z", 1767225600000000000 },
        { "2026-01-01t00:00:00.25z", 1767225600250000000 },
        { "2026-01-01 07:00:00+07:00", 1767225600000000000 },
        { "2025-12-31T23:30:00-00:30", 1767225600000000000 },
        { "2024-02-29T12:00:00.123456789123Z", 1709208000123456789 },
        { "2016-12-31T23:59:60Z", 1483228800000000000 },
    };
    int64_t ns;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(rfc3339_parse(str_of(rows[i].in), &ns), 0);
        assert_true(ns == rows[i].ns);
    }
}

static void refuses(void **state)
{
    static const char *const syntax[] = {
        "",
        "2026",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-1-01T00:00:00Z",
        "2026-01-01T00:00Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00Z ",
        "2026-01-01T00:00:00+0700",
        "+026-01-01T00:00:00Z",
        "2026-01-01T00:00:00,5Z",
    };
    static const char *const value[] = { "2026-02-29T00:00:00Z",     "2026-13-01T00:00:00Z",
                                         "2026-00-01T00:00:00Z",     "2026-01-32T00:00:00Z",
                                         "2026-01-01T24:00:00Z",     "2026-01-01T00:60:00Z",
                                         "2026-01-01T00:00:61Z",     "1969-12-31T23:59:59Z",
                                         "2262-01-01T00:00:00Z",     "1970-01-01T00:00:00+01:00",
                                         "2026-01-01T00:00:00+24:00" };
    int64_t ns = 5;

    (void)state;
    for (size_t i = 0; i < sizeof(syntax) / sizeof(syntax[0]); i++)
        assert_int_equal(rfc3339_parse(str_of(syntax[i]), &ns), ERR_SYNTAX);
    for (size_t i = 0; i < sizeof(value) / sizeof(value[0]); i++)
        assert_int_equal(rfc3339_parse(str_of(value[i]), &ns), ERR_VALUE);
    assert_true(ns == 5);
}

static void agrees_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t s = 0; s < 9200000000; s += 86400 * 3 + 3607) {
        char out[RFC3339_SIZE], want[RFC3339_SIZE];
        time_t t = (time_t)s;
        struct tm tm;
        int64_t back;
        size_t n = rfc3339_format(s * 1000000000 + 5000000, out);

        gmtime_r(&t, &tm);
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.005Z", &tm);
        assert_string_equal(out, want);
        assert_int_equal(n, strlen(want));
        assert_int_equal(rfc3339_parse(str_of(out), &back), 0);
        assert_true(back == s * 1000000000 + 5000000);
    }
}

static void formats_ns_and_before_1970(void **state)
{
    char out[RFC3339_SIZE];

    (void)state;
    rfc3339_format(1, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000000001Z");
    rfc3339_format(-1000000, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999Z");
    rfc3339_format(INT64_MAX, out);
    assert_string_equal(out, "2262-04-11T23:47:16.854775807Z");
}

RUN(TEST(parses_and_formats), TEST(refuses), TEST(agrees_with_the_c_library),
    TEST(formats_ns_and_before_1970))
