/* The vectors of RFC 4648, section 10, and bytes that are no text. */
#include "unit/unit.h"

#include "base/base64.h"
#include "base/mem.h"

static void vectors(void **state)
{
    static const struct {
        struct str in, out;
    } cases[] = {
        { STR(""), STR("") },
        { STR("f"), STR("Zg==") },
        { STR("fo"), STR("Zm8=") },
        { STR("foo"), STR("Zm9v") },
        { STR("foob"), STR("Zm9vYg==") },
        { STR("fooba"), STR("Zm9vYmE=") },
        { STR("foobar"), STR("Zm9vYmFy") },
        { STR("\x00\xff\xfb"), STR("AP/7") },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf b = buf_init(100);

        base64_put(&b, cases[i].in);
        assert_true(str_eq(buf_str(&b), cases[i].out));
        buf_fini(&b);
    }
}

RUN(TEST(vectors))
