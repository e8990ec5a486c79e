/* UUIDs as text and back. */
#include "unit/unit.h"

#include "base/uuid.h"

static void round_trips(void **state)
{
    struct uuid u = uuid_new(), v = uuid_new(), back;
    char text[UUID_TEXT_LEN + 1];

    (void)state;
    assert_false(uuid_eq(&u, &v));
    uuid_format(&u, text);
    assert_int_equal(strlen(text), UUID_TEXT_LEN);
    assert_int_equal(text[14], '4');
    assert_int_equal(uuid_parse(str_of(text), &back), 0);
    assert_true(uuid_eq(&u, &back));
}

static void refuses(void **state)
{
    struct uuid u;

    (void)state;
    assert_int_equal(uuid_parse(STR(""), &u), ERR_SYNTAX);
    assert_int_equal(uuid_parse(STR("00000000-0000-4000-8000-00000000000"), &u), ERR_SYNTAX);
    assert_int_equal(uuid_parse(STR("00000000-0000-4000-8000-00000000000g"), &u), ERR_SYNTAX);
    assert_int_equal(uuid_parse(STR("000000000000040008000000000000000000"), &u), ERR_SYNTAX);
}

RUN(TEST(round_trips), TEST(refuses))
