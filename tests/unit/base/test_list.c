/* The intrusive ring. */
#include "unit/unit.h"

#include "base/list.h"

struct item {
    int n;
    struct list link;
};

static void keeps_order_and_removes(void **state)
{
    struct list head;
    struct item items[5];
    int want = 0;

    (void)state;
    list_init(&head);
    assert_true(list_empty(&head));
    assert_null(list_pop_front(&head));
    for (int i = 1; i < 5; i++) {
        items[i].n = i;
        list_push_back(&head, &items[i].link);
    }
    items[0].n = 0;
    list_push_front(&head, &items[0].link);
    LIST_EACH (it, &head)
        assert_int_equal(container_of(it, struct item, link)->n, want++);
    assert_int_equal(want, 5);
    LIST_EACH_SAFE (it, next, &head)
        if (container_of(it, struct item, link)->n % 2)
            list_remove(it);
    want = 0;
    LIST_EACH (it, &head) {
        assert_int_equal(container_of(it, struct item, link)->n, want);
        want += 2;
    }
    assert_ptr_equal(list_pop_front(&head), &items[0].link);
    list_remove(&items[0].link); /* twice is harmless */
}

RUN(TEST(keeps_order_and_removes))
