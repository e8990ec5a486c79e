/* Counted bytes. */
#include "unit/unit.h"

#include "base/blob.h"

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

RUN(TEST(lives_until_the_last_reference))
