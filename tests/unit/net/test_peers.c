/* Addresses with their connections: each up to the limit, by itself, and forgotten when it has none. */
#include "net/peers.h"

#include "unit/unit.h"

static struct addr parsed(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse(str_of(text), 1883, &a), 0);
    return a;
}

static void each_up_to_the_limit(void **state)
{
    struct peers *p = peers_new(2);
    struct addr a = parsed("10.0.0.1"), b = parsed("10.0.0.2"), unnamed = addr_unix_unnamed();

    (void)state;
    assert_true(peers_enter(p, &a));
    assert_true(peers_enter(p, &a));
    assert_false(peers_enter(p, &a));
    assert_false(peers_enter(p, &a));
    assert_true(peers_enter(p, &b));
    for (int i = 0; i < 5; i++)
        assert_true(peers_enter(p, &unnamed));
    peers_leave(p, &unnamed);
    peers_leave(p, &a);
    assert_true(peers_enter(p, &a)); /* what was refused did not count */
    assert_false(peers_enter(p, &a));
    peers_leave(p, &a);
    peers_leave(p, &a);
    assert_true(peers_enter(p, &a));
    peers_free(p);
}

static void forms_of_one_address(void **state)
{
    struct peers *p = peers_new(1);
    struct addr v4 = parsed("10.0.0.1"), mapped = parsed("::ffff:10.0.0.1");
    struct addr one = parsed("2001:db8::1"), same = parsed("2001:db8::2:1:1:1"),
                other = parsed("2001:db8:0:1::1");

    (void)state;
    assert_true(peers_enter(p, &v4));
    assert_false(peers_enter(p, &mapped));
    assert_true(peers_enter(p, &one));
    assert_false(peers_enter(p, &same));
    assert_true(peers_enter(p, &other));
    peers_free(p);
}

RUN(TEST(each_up_to_the_limit), TEST(forms_of_one_address))
