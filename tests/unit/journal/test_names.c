/* Refs and their meanings. */
#include "journal/names.h"

#include "unit/unit.h"

#include <stdio.h>

static struct record of(const char *device, const char *stream)
{
    return (struct record){ .kind = RECORD_READING,
                            .device = str_of(device),
                            .stream = str_of(stream) };
}

static void test_equal_records_share_a_ref_and_others_do_not(void **state)
{
    struct names n;
    struct record a = of("ab", "c"), b = of("a", "bc"), same = of("ab", "c");
    struct name *x, *y;

    (void)state;
    names_init(&n);
    assert_null(names_find(&n, &a));
    x = names_add(&n, &a);
    y = names_add(&n, &b);
    assert_int_equal(x->ref, 1);
    assert_int_equal(y->ref, 2);
    assert_ptr_equal(names_find(&n, &same), x);
    assert_ptr_equal(names_find(&n, &b), y);
    same.kind = RECORD_EVENT;
    assert_null(names_find(&n, &same));
    same.kind = RECORD_READING;
    same.boot.b[3] = 1;
    assert_null(names_find(&n, &same));
    same.boot.b[3] = 0;
    same.content_type = STR("x");
    assert_null(names_find(&n, &same));
    names_fini(&n);
}

static void test_what_one_writes_another_learns(void **state)
{
    struct names w, r;
    struct record a = of("pi", "env");
    struct uuid u = { { 9 } }, learned;
    uint64_t epoch = 0;
    struct buf b = buf_init(4096);
    struct frame f;
    size_t used;
    const struct name *got;

    (void)state;
    names_init(&w);
    names_init(&r);
    names_write(&b, 5, names_add(&w, &a), false, 10, FRAME_COMMITTED);
    assert_int_equal(frame_read(buf_str(&b), 5, &f, &used, NULL), 0);
    assert_int_equal(f.flags, FRAME_COMMITTED);
    assert_int_equal(f.seq, 10);
    assert_int_equal(names_learn(&r, &f, NULL), 0);
    assert_int_equal(names_learn(&r, &f, NULL), 0); /* the copy */
    buf_clear(&b);
    names_write(&b, 5, names_add_uuid(&w, &u, 5), true, 10, 0);
    assert_int_equal(frame_read(buf_str(&b), 5, &f, &used, NULL), 0);
    assert_int_equal(names_learn(&r, &f, NULL), 0);
    got = names_get(&r, 1);
    assert_non_null(got);
    assert_str(got->is.device, "pi");
    got = names_get(&r, 2);
    assert_non_null(got);
    assert_int_equal(got->is.kind, 0);
    assert_int_equal(names_get_uuid(&r, 2, &learned, &epoch), 0);
    assert_true(uuid_eq(&learned, &u) && epoch == 5);
    assert_int_equal(names_get_uuid(&r, 1, &learned, &epoch), ERR_UNKNOWN);
    assert_int_equal(names_get_uuid(&r, 9, &learned, &epoch), ERR_UNKNOWN);
    assert_null(names_find_uuid(&w, &u, 6));
    assert_null(names_get(&r, 0));
    assert_null(names_get(&r, 3));
    assert_null(names_get(&r, 65535));
    assert_ptr_equal(names_find_uuid(&w, &u, 5), names_get(&w, 2));
    buf_fini(&b);
    names_fini(&w);
    names_fini(&r);
}

static void test_a_ref_never_changes_its_meaning(void **state)
{
    struct names r;
    struct frame f = { .type = FRAME_UUID, .ref = 1, .payload = STR("0123456789abcdefepoch001") };

    (void)state;
    names_init(&r);
    assert_int_equal(names_learn(&r, &f, NULL), 0);
    f.payload = STR("0123456789abcdefepoch002");
    assert_int_equal(names_learn(&r, &f, NULL), ERR_EXISTS);
    f.ref = 2;
    f.payload = STR("short");
    assert_int_equal(names_learn(&r, &f, NULL), ERR_PROTO);
    f.type = FRAME_NAME;
    assert_int_equal(names_learn(&r, &f, NULL), ERR_PROTO);
    assert_null(names_get(&r, 2));
    names_fini(&r);
}

static void test_refs_end_at_65535(void **state)
{
    struct names n;
    char device[16];

    (void)state;
    names_init(&n);
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        struct record r;

        snprintf(device, sizeof(device), "d%u", i);
        r = of(device, "s");
        assert_non_null(names_add(&n, &r));
    }
    assert_null(names_add_uuid(&n, &(struct uuid){ { 1 } }, 1));
    assert_int_equal(n.count, NAMES_MAX);
    names_fini(&n);
}

RUN(TEST(test_equal_records_share_a_ref_and_others_do_not),
    TEST(test_what_one_writes_another_learns), TEST(test_a_ref_never_changes_its_meaning),
    TEST(test_refs_end_at_65535))
