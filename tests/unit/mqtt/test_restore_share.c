#include "mqtt/restore_share.h"

#include "base/mem.h"
#include "unit/unit.h"

static struct str key_a = { "$share/g/a/+", 12 }, key_b = { "$share/h/a/1", 12 };

static void publish(struct tree *t, const char *topic, uint64_t seq)
{
    struct message *m =
        message_new(&(struct message_source){ .topic = str_of(topic), .seq = seq, .qos = 1 });
    const struct tree_span *spans;
    size_t n = tree_match(t, str_of(topic), &spans);

    restore_shares_owe(spans, n, m);
    message_unref(m);
}

static size_t owes(struct restore_shares *all, struct str key)
{
    return restore_shares_get(all, key)->owed.live;
}

static void a_group_is_there_while_it_has_members(void **state)
{
    struct restore_shares all;
    struct tree tree;

    (void)state;
    tree_init(&tree);
    restore_shares_init(&all, &tree);
    publish(&tree, "a/1", 1);
    restore_shares_join(&all, key_a);
    restore_shares_join(&all, key_a);
    restore_shares_join(&all, key_b);
    publish(&tree, "a/1", 2);
    publish(&tree, "a/2", 3);
    publish(&tree, "b", 4);
    assert_int_equal(owes(&all, key_a), 2);
    assert_int_equal(owes(&all, key_b), 1);
    restore_shares_leave(&all, key_a);
    assert_int_equal(owes(&all, key_a), 2);
    restore_shares_leave(&all, key_a);
    assert_int_equal(all.by_key.count, 1);
    publish(&tree, "a/1", 5);
    assert_int_equal(owes(&all, key_b), 2);
    assert_int_equal(owes(&all, key_a), 0); /* another one by that name */
    restore_shares_fini(&all);
    tree_fini(&tree);
}

static void a_group_may_be_told_of_before_its_members(void **state)
{
    struct restore_shares all;
    struct tree tree;

    (void)state;
    tree_init(&tree);
    restore_shares_init(&all, &tree);
    owed_void(&restore_shares_get(&all, key_a)->owed, 2);
    owed_tell(&restore_shares_get(&all, key_a)->owed, 0, 3, (uint64_t[]){ 1, 2 }, 2);
    publish(&tree, "a/1", 3); /* that would be told, too */
    restore_shares_join(&all, key_a);
    assert_int_equal(restore_shares_get(&all, key_a)->members, 1);
    assert_int_equal(owes(&all, key_a), 1);
    publish(&tree, "a/1", 4);
    assert_int_equal(owes(&all, key_a), 2);
    restore_shares_fini(&all);
    tree_fini(&tree);
}

/* Members that are not written down say what they have done, and one may have been told of that is over. */
static void who_subscribes_first_gets_nothing_from_before(void **state)
{
    struct restore_shares all;
    struct tree tree;

    (void)state;
    tree_init(&tree);
    restore_shares_init(&all, &tree);
    owed_void(&restore_shares_get(&all, key_a)->owed, 2);
    publish(&tree, "a/1", 3);
    owed_tell(&restore_shares_get(&all, key_a)->owed, 3, 5, (uint64_t[]){ 4, 5 }, 2);
    restore_shares_subscribe(&all, key_a);
    assert_int_equal(owes(&all, key_a), 0);
    publish(&tree, "a/1", 6);
    restore_shares_subscribe(&all, key_a);
    assert_int_equal(owes(&all, key_a), 1);
    owed_tell(&restore_shares_get(&all, key_a)->owed, 0, 3, (uint64_t[]){ 2 }, 1);
    assert_int_equal(owes(&all, key_a), 1); /* what is done stays done */
    restore_shares_fini(&all);
    tree_fini(&tree);
}

RUN(TEST(a_group_is_there_while_it_has_members), TEST(a_group_may_be_told_of_before_its_members),
    TEST(who_subscribes_first_gets_nothing_from_before))
