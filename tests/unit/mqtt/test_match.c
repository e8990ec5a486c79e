/* Who gets a message that several filters match, and how. */
#include "mqtt/match.h"

#include "unit/unit.h"

static const struct session_limits limits = {
    .subscriptions_max = 10, .inflight_max = 10, .queue_max_messages = 10, .queue_max_bytes = 10000
};

static uint32_t gathered(struct tree *t, struct match *m, struct message_source *src)
{
    const struct tree_span *spans;
    size_t n = tree_match(t, src->topic, &spans);

    match_gather(m, spans, n, src);
    return m->count;
}

static void once_with_the_highest_qos_and_all_identifiers(void **state)
{
    struct session *a = session_new(STR("a"), 1, &limits), *b = session_new(STR("b"), 2, &limits);
    struct message_source src = { .topic = STR("x/y"), .qos = 2, .retain = true, .publisher = 2 };
    struct match m = { 0 };
    struct sub_ids ids;
    struct tree t;
    int group;

    (void)state;
    tree_init(&t);
    tree_add(&t, STR("x/y"), a, 0, 0);
    tree_add(&t, STR("x/+"), a, 0, 1 | TREE_AS_PUBLISHED);
    tree_add(&t, STR("#"), a, 7, 2);
    tree_add(&t, STR("x/#"), b, 0, 2 | TREE_NO_LOCAL);
    tree_add(&t, STR("+/y"), b, 0, 1);
    tree_add(&t, STR("x/#"), &group, 0, TREE_SHARED);
    for (int round = 0; round < 3; round++) {
        const struct match_slot *one, *other;

        assert_int_equal(gathered(&t, &m, &src), 2);
        one = m.slots[0].s == a ? &m.slots[0] : &m.slots[1];
        other = m.slots[0].s == a ? &m.slots[1] : &m.slots[0];
        assert_ptr_equal(one->s, a);
        assert_int_equal(one->qos, 2);
        assert_int_equal(one->sub_id, 7);
        assert_true(one->retain);
        assert_ptr_equal(other->s, b);
        assert_int_equal(other->qos, 1); /* its other subscription takes none of its own */
    }
    tree_add(&t, STR("x/y"), a, 8, 1);
    tree_add(&t, STR("x/#"), a, 8, 1);
    tree_add(&t, STR("+/#"), a, 2, 1);
    assert_int_equal(gathered(&t, &m, &src), 2);
    for (uint32_t i = 0; i < m.count; i++) {
        ids = match_ids(&m, &m.slots[i]);
        assert_int_equal(ids.n, m.slots[i].s == a ? 4 : 0);
        if (ids.n)
            assert_true(ids.at[0] == 2 && ids.at[1] == 7 && ids.at[2] == 8 && ids.at[3] == 8);
    }
    src.qos = 0;
    gathered(&t, &m, &src);
    for (uint32_t i = 0; i < m.count; i++)
        assert_int_equal(m.slots[i].qos, 0);
    src.topic = STR("z");
    assert_int_equal(gathered(&t, &m, &src), 1);
    match_fini(&m);
    tree_fini(&t);
    session_free(a);
    session_free(b);
}

RUN(TEST(once_with_the_highest_qos_and_all_identifiers))
