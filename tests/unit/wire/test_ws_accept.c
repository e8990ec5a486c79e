/* The handshake key. */
#include "wire/ws.h"

#include "unit/unit.h"

static void the_example_of_the_rfc(void **state)
{
    char out[WS_ACCEPT_LEN + 1];

    (void)state;
    ws_accept(STR("dGhlIHNhbXBsZSBub25jZQ=="), out); /* RFC 6455, 1.3 */
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    ws_accept(STR("x3JJHMbDL1EzLkh9GBhXDw=="), out);
    assert_string_equal(out, "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
}

static void keys(void **state)
{
    (void)state;
    assert_true(ws_key_ok(STR("dGhlIHNhbXBsZSBub25jZQ==")));
    assert_false(ws_key_ok(STR("dGhlIHNhbXBsZSBub25jZR=="))); /* stray bits */
    assert_false(ws_key_ok(STR("dGhlIHNhbXBsZSBub25jZQ=")));
    assert_false(ws_key_ok(STR("dGhlIHNhbXBsZSBub25jZQ===")));
    assert_false(ws_key_ok(STR("dGhlIHNhbXBsZSBub25j ZQ==")));
    assert_false(ws_key_ok(STR("")));
}

RUN(TEST(the_example_of_the_rfc), TEST(keys))
