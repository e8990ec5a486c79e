/* Identities are counted and keep their name. */
#include "unit/unit.h"

#include "trust/authz.h"

static void keeps_its_name_until_the_last_reference(void **state)
{
    struct identity *id = identity_new(ROLE_DEVICE, STR("pi-1"));

    (void)state;
    identity_ref(id);
    identity_unref(id);
    assert_str(id->name, "pi-1");
    assert_int_equal(id->role, ROLE_DEVICE);
    identity_unref(id);
    identity_unref(NULL);
    id = identity_new(ROLE_ANONYMOUS, STR_NONE);
    assert_int_equal(id->name.n, 0);
    identity_unref(id);
}

RUN(TEST(keeps_its_name_until_the_last_reference))
