/* What is taken for a password within an address, and what is not. */
#include "unit/unit.h"

#include "base/mem.h"
#include "conf/mask.h"

static const struct {
    const char *in, *out;
} rows[] = {
    { "mqtt://user:pw@host", "mqtt://user:***@host" },
    { "a: \"mqtts://user:p@w:x@host:8883\" # b", "a: \"mqtts://user:***@host:8883\" # b" },
    { "postgres: postgres://user:p/w@h/db?x=1", "postgres: postgres://user:***@h/db?x=1" },
    { "postgres://:pw@h", "postgres://:***@h" },
    { "mqtt://user:my pw@host", "mqtt://user:***@host" },
    { "address user:pw@host:1883", "address user:***@host:1883" },
    { "'hub' must not be 'user:p@w@host'", "'hub' must not be 'user:***@host'" },
    { "not 'mqtt://user:cut'", "not 'mqtt://user:***'" }, /* cut before its '@' */
    { "mqtt://user:123456", "mqtt://user:***" },
    { "mqtt://user:1234x", "mqtt://user:***" },
    { "a://u:p@h\nb://v:q@i", "a://u:***@h\nb://v:***@i" },
    { "hub: \"user:ge,heim@h\"", "hub: \"user:***@h\"" },
    { "hub: user:ge heim@h", "hub: user:***@h" },
    { "{hub: 'user:it\"s@h', b: c}", "{hub: 'user:***@h', b: c}" },
    { "mqtt://[::1]:pw", "mqtt://[::1]:***" },
    /* No passwords. */
    { "mqtt://[::1]:99999", "mqtt://[::1]:99999" },
    { "mqtt://host:1883: away", "mqtt://host:1883: away" },
    { "", "" },
    { "mqtt://host:1883", "mqtt://host:1883" },
    { "mqtt://HOST[:1883] or mqtts://HOST, with :PORT",
      "mqtt://HOST[:1883] or mqtts://HOST, with :PORT" },
    { "postgresql://user@h/db or 'host=x'", "postgresql://user@h/db or 'host=x'" },
    { "{address: \"[::1]:1884\", user: bob@x}", "{address: \"[::1]:1884\", user: bob@x}" },
    { "a: b@c", "a: b@c" },
    { ":", ":" },
    { "://", "://" },
    { "x://y", "x://y" },
};

static void passwords_are_masked(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str in = str_of(rows[i].in);
        struct buf b = buf_init(1000);
        size_t first = mask_passwords(in, &b);

        if (!str_eq(buf_str(&b), str_of(rows[i].out)))
            fail_msg("%s: %s", rows[i].in, buf_cstr(&b));
        assert_int_equal(first < in.n, strcmp(rows[i].in, rows[i].out) != 0);
        assert_int_equal(strncmp(rows[i].in, rows[i].out, first), 0);
        buf_fini(&b);
    }
}

RUN(TEST(passwords_are_masked))
