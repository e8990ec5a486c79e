/* Owners of sessions: one at a time, claims in turn, old news ignored. */
#include "mqtt/registry.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static void granted_taken_gone(void **state)
{
    struct registry r;
    struct registry_claim a = { .worker = 1 }, b = { .worker = 2 }, c = { .worker = 3 }, *next;
    unsigned owner = 99;

    (void)state;
    registry_init(&r, 10);
    assert_int_equal(registry_claim(&r, STR("x"), &a, &owner), REGISTRY_GRANT);
    assert_int_equal(owner, 99);
    assert_int_equal(registry_claim(&r, STR("x"), &b, &owner), REGISTRY_TAKE);
    assert_int_equal(owner, 1);
    assert_int_equal(registry_claim(&r, STR("x"), &c, &owner), REGISTRY_WAIT);
    assert_ptr_equal(registry_gave(&r, STR("x"), &next), &b);
    assert_ptr_equal(next, &c);
    assert_int_not_equal(b.generation, a.generation);
    /* The new owner's own end crosses the next hand-over: ignored, since an answer will come. */
    registry_gone(&r, STR("x"), b.generation);
    assert_ptr_equal(registry_gave(&r, STR("x"), &next), &c);
    assert_null(next);
    registry_gone(&r, STR("x"), b.generation);
    assert_int_equal(r.entries.count, 1);
    registry_gone(&r, STR("x"), c.generation);
    assert_int_equal(r.entries.count, 0);
    registry_gone(&r, STR("x"), c.generation);
    assert_int_equal(registry_claim(&r, STR("x"), &a, &owner), REGISTRY_GRANT);
    registry_fini(&r);
}

/* Its claims go by one by one; only then does word of its end count again. */
static void the_owner_keeps_it(void **state)
{
    struct registry r;
    struct registry_claim a = { .worker = 1 }, b = { .worker = 2 }, c = { .worker = 3 }, *next;
    unsigned owner = 99;

    (void)state;
    registry_init(&r, 10);
    assert_int_equal(registry_claim(&r, STR("x"), &a, &owner), REGISTRY_GRANT);
    assert_int_equal(registry_claim(&r, STR("x"), &b, &owner), REGISTRY_TAKE);
    assert_int_equal(registry_claim(&r, STR("x"), &c, &owner), REGISTRY_WAIT);
    assert_ptr_equal(registry_kept(&r, STR("x"), &next), &b);
    assert_ptr_equal(next, &c);
    registry_gone(&r, STR("x"), a.generation);
    assert_int_equal(r.entries.count, 1);
    assert_ptr_equal(registry_kept(&r, STR("x"), &next), &c);
    assert_null(next);
    assert_int_equal(registry_claim(&r, STR("x"), &b, &owner), REGISTRY_TAKE);
    assert_int_equal(owner, 1);
    assert_ptr_equal(registry_kept(&r, STR("x"), &next), &b);
    registry_gone(&r, STR("x"), a.generation);
    assert_int_equal(r.entries.count, 0);
    registry_fini(&r);
}

static void full(void **state)
{
    struct registry r;
    struct registry_claim a = { .worker = 1 }, b = { .worker = 2 };
    unsigned owner;

    (void)state;
    registry_init(&r, 1);
    assert_int_equal(registry_claim(&r, STR("x"), &a, &owner), REGISTRY_GRANT);
    assert_int_equal(registry_claim(&r, STR("y"), &b, &owner), REGISTRY_FULL);
    assert_int_equal(registry_claim(&r, STR("x"), &b, &owner), REGISTRY_TAKE);
    registry_fini(&r);
}

static void what_was_there_before_is_beyond_the_limit(void **state)
{
    struct registry r;
    struct registry_claim a = { .worker = 1 };
    unsigned owner = 0;
    uint32_t first;

    (void)state;
    registry_init(&r, 1);
    first = registry_restore(&r, STR("x"), 2);
    assert_int_not_equal(registry_restore(&r, STR("y"), 0), first);
    assert_int_equal(registry_claim(&r, STR("z"), &a, &owner), REGISTRY_FULL);
    assert_int_equal(registry_claim(&r, STR("x"), &a, &owner), REGISTRY_TAKE);
    assert_int_equal(owner, 2);
    registry_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(granted_taken_gone),
        cmocka_unit_test(the_owner_keeps_it),
        cmocka_unit_test(full),
        cmocka_unit_test(what_was_there_before_is_beyond_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
