/* Ranges of addresses. */
#include "unit/unit.h"

#include "base/addr_net.h"
#include "base/mem.h"

static bool has(const char *net, const char *address)
{
    struct addr_net n;
    struct addr a;

    assert_int_equal(addr_net_parse(str_of(net), &n), 0);
    assert_int_equal(addr_parse(str_of(address), 9, &a), 0);
    return addr_net_has(&n, &a);
}

static void ranges_hold_what_begins_like_them(void **state)
{
    (void)state;
    assert_true(has("10.0.0.0/8", "10.255.255.255"));
    assert_false(has("10.0.0.0/8", "11.0.0.0"));
    assert_true(has("192.168.4.128/25", "192.168.4.128"));
    assert_false(has("192.168.4.128/25", "192.168.4.127"));
    assert_true(has("0.0.0.0/0", "255.1.2.3"));
    assert_false(has("0.0.0.0/0", "::1"));
    assert_true(has("::/0", "10.0.0.1"));
    assert_true(has("192.0.2.7", "192.0.2.7"));
    assert_false(has("192.0.2.7", "192.0.2.6"));
    assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(has("10.0.0.0/8", "::ffff:10.1.1.1"));
    assert_true(has("::ffff:10.0.0.0/104", "10.1.1.1"));
    assert_false(has("::/0", "unix:/x"));
}

static void what_is_unclear_is_refused(void **state)
{
    struct addr_net n;
    const char *const bad[] = { "",         "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/x",
                                "10.0.0/8", "::1/129",     "unix:/x",   "10.0.0.0/8/8",
                                "/8",       "10.0.0.0/-1" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(addr_net_parse(str_of(bad[i]), &n), ERR_SYNTAX);
    assert_int_equal(addr_net_parse(STR("10.0.0.1/8"), &n), ERR_VALUE);
    assert_int_equal(addr_net_parse(STR("2001:db8::1/32"), &n), ERR_VALUE);
}

RUN(TEST(ranges_hold_what_begins_like_them), TEST(what_is_unclear_is_refused))
