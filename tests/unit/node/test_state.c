/* Readiness and its words. */
#include "unit/unit.h"

#include "node/state.h"

static void says_why_it_is_not_ready(void **state)
{
    struct node_state s = { 0 };
    struct buf b = buf_init(1000);

    (void)state;
    assert_true(state_is_ready(&s));
    state_text(&s, &b);
    assert_str(buf_str(&b), "READY\n");
    buf_clear(&b);
    state_set(&s, NOT_READY_STARTING, true);
    state_set(&s, NOT_READY_JOURNAL, true);
    assert_false(state_is_ready(&s));
    state_text(&s, &b);
    assert_str(buf_str(&b), "NOT_READY\nstarting; the journal refuses records\n");
    state_set(&s, NOT_READY_STARTING, false);
    state_set(&s, NOT_READY_JOURNAL, false);
    assert_true(state_is_ready(&s));
    buf_fini(&b);
}

RUN(TEST(says_why_it_is_not_ready))
