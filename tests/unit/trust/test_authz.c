/* Identities are counted and keep their name. */
#include "unit/unit.h"

#include "base/mem.h"
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

static void who_is_the_same(void **state)
{
    struct identity *all[] = { identity_new(ROLE_ANONYMOUS, STR_NONE),
                               identity_new(ROLE_ANONYMOUS, STR("ann")),
                               identity_new(ROLE_OPERATOR, STR("ann")),
                               identity_new(ROLE_OPERATOR, STR("bob")),
                               identity_new(ROLE_OPERATOR, STR_NONE) };

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(all); i++)
        for (unsigned k = 0; k < COUNT_OF(all); k++)
            assert_int_equal(identity_is_same(all[i], all[k]), i == k || (i < 2 && k < 2));
    for (unsigned i = 0; i < COUNT_OF(all); i++)
        identity_unref(all[i]);
}

RUN(TEST(keeps_its_name_until_the_last_reference), TEST(who_is_the_same))
