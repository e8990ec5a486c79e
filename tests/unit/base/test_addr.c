/* Addresses as text and back. */
#include "unit/unit.h"

#include "base/addr.h"

static void round_trips(void **state)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        { "127.0.0.1:1883", "127.0.0.1:1883" },
        { "[::1]:80", "[::1]:80" },
        { "::1", "[::1]:7" },
        { ":9", "0.0.0.0:9" },
        { "10.0.0.1", "10.0.0.1:7" },
        { "unix:/run/x.sock", "unix:/run/x.sock" },
        { "[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]:7" },
    };
    char text[ADDR_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct addr a, b;

        assert_int_equal(addr_parse_port(str_of(rows[i].in), 7, &a), 0);
        assert_string_equal(addr_format(&a, text), rows[i].out);
        assert_int_equal(addr_parse_port(str_of(text), 0, &b), 0);
        assert_true(addr_eq(&a, &b));
    }
}

static void refuses(void **state)
{
    static const char *const bad[] = {
        "",       "localhost", "1.2.3", "1.2.3.4:",  "1.2.3.4:65536", "[::1",
        "[::1]x", "1.2.3.4:x", "unix:", "1.2.3.256", "[::1]:"
    };
    struct addr a;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(addr_parse_port(str_of(bad[i]), 1, &a), ERR_SYNTAX);
}

static void knows_what_is_local(void **state)
{
    struct addr a;
    char text[ADDR_TEXT_SIZE];

    (void)state;
    assert_int_equal(addr_parse(STR("127.9.9.9"), 5, &a), 0);
    assert_true(addr_is_local(&a));
    assert_int_equal(addr_port(&a), 5);
    addr_set_port(&a, 6);
    assert_int_equal(addr_port(&a), 6);
    assert_string_equal(addr_format_host(&a, text), "127.9.9.9");
    assert_int_equal(addr_parse(STR("::ffff:127.0.0.1"), 5, &a), 0);
    assert_true(addr_is_local(&a));
    assert_int_equal(addr_parse(STR("::1"), 5, &a), 0);
    assert_true(addr_is_local(&a));
    assert_int_equal(addr_parse(STR("10.0.0.1"), 5, &a), 0);
    assert_false(addr_is_local(&a));
    assert_int_equal(addr_parse(STR("unix:/x"), 5, &a), 0);
    assert_true(addr_is_local(&a) && addr_is_unix(&a));
    a = (struct addr){ 0 };
    assert_false(addr_is_local(&a));
    assert_string_equal(addr_format(&a, text), "");
}

RUN(TEST(round_trips), TEST(refuses), TEST(knows_what_is_local))
