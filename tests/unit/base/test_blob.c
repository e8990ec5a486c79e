/* Counted bytes. */
#include "unit/unit.h"

#include "base/blob.h"
#include "base/mem.h"

static void lives_until_the_last_reference(void **state)
{
    struct blob *b = blob_new(STR("payload"));

    (void)state;
    blob_ref(b);
    blob_unref(b);
    assert_str(blob_str(b), "payload");
    blob_unref(b);
    blob_unref(NULL);
    assert_str(blob_str(NULL), "");
    b = blob_alloc(0);
    assert_int_equal(b->n, 0);
    blob_unref(b);
}

/* Also around the end of the 16 bits that are kept of a number. */
static void a_mark_tells_who_is_first(void **state)
{
    static const uint32_t numbers[] = { 1, 2, 65534, 65535, 65536, 65537, UINT32_MAX };

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(numbers); i++) {
        struct mark fresh = { 0 }, m = { 0 };

        assert_true(mark_first(&fresh, numbers[i]));
        assert_true(mark_first(&m, numbers[i] - 1));
        assert_true(mark_first(&m, numbers[i]));
        assert_false(mark_first(&m, numbers[i]));
    }
}

RUN(TEST(lives_until_the_last_reference), TEST(a_mark_tells_who_is_first))
