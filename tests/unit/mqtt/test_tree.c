/* The subscription tree against a matcher written from the specification's sentences. */
#include "mqtt/tree.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* MQTT 5, 4.7: recursive, one level a time, no cleverness. */
static bool naive_levels(struct str filter, struct str topic)
{
    struct str f, t;

    if (!filter.p)
        return !topic.p;
    f = trie_cut(&filter);
    if (str_eq(f, STR("#")))
        return true;
    if (!topic.p)
        return false;
    t = trie_cut(&topic);
    if (!str_eq(f, STR("+")) && !str_eq(f, t))
        return false;
    return naive_levels(filter, topic);
}

static bool naive_match(struct str filter, struct str topic)
{
    if (topic.p[0] == '$' && (filter.p[0] == '+' || filter.p[0] == '#'))
        return false;
    return naive_levels(filter, topic);
}

static bool matches(const char *filter, const char *topic)
{
    const struct tree_span *spans;
    struct tree t;
    size_t n;
    int who;

    tree_init(&t);
    assert_true(tree_add(&t, str_of(filter), &who, 0, 0));
    n = tree_match(&t, str_of(topic), &spans);
    assert_true(n <= 1);
    assert_int_equal(n == 1, naive_match(str_of(filter), str_of(topic)));
    assert_true(tree_remove(&t, str_of(filter), &who));
    assert_int_equal(t.trie.live, 1);
    tree_fini(&t);
    return n == 1;
}

static void examples_of_the_specification(void **state)
{
    (void)state;
    assert_true(matches("sport/tennis/player1/#", "sport/tennis/player1"));
    assert_true(matches("sport/tennis/player1/#", "sport/tennis/player1/ranking"));
    assert_true(matches("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"));
    assert_true(matches("sport/#", "sport"));
    assert_true(matches("#", "a"));
    assert_true(matches("#", "/"));
    assert_true(matches("sport/tennis/+", "sport/tennis/player1"));
    assert_false(matches("sport/tennis/+", "sport/tennis/player1/ranking"));
    assert_false(matches("sport/+", "sport"));
    assert_true(matches("sport/+", "sport/"));
    assert_true(matches("+/+", "/finance"));
    assert_true(matches("/+", "/finance"));
    assert_false(matches("+", "/finance"));
    assert_false(matches("#", "$SYS/broker"));
    assert_false(matches("+/monitor/Clients", "$SYS/monitor/Clients"));
    assert_true(matches("$SYS/#", "$SYS/monitor/Clients"));
    assert_true(matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
    assert_true(matches("a/#", "a/$b"));
    assert_false(matches("ACCOUNTS", "Accounts"));
    assert_false(matches("/finance", "finance"));
}

static void replacing_keeps_one(void **state)
{
    const struct tree_span *spans;
    struct tree t;
    int a, b;

    (void)state;
    tree_init(&t);
    assert_true(tree_add(&t, STR("x/y"), &a, 1, 0));
    assert_false(tree_add(&t, STR("x/y"), &a, 7, TREE_NO_LOCAL | 1));
    assert_true(tree_add(&t, STR("x/y"), &b, 0, 1));
    assert_int_equal(tree_match(&t, STR("x/y"), &spans), 1);
    assert_int_equal(spans[0].count, 2);
    assert_int_equal(spans[0].entries[0].sub_id, 7);
    assert_int_equal(spans[0].entries[0].options, TREE_NO_LOCAL | 1);
    assert_false(tree_remove(&t, STR("x"), &a));
    assert_false(tree_remove(&t, STR("x/+"), &a));
    assert_true(tree_remove(&t, STR("x/y"), &a));
    assert_false(tree_remove(&t, STR("x/y"), &a));
    assert_int_equal(t.subscriptions, 1);
    assert_int_equal(t.filters, 1);
    tree_fini(&t);
}

static uint32_t seed = 2463534242u;
static uint32_t rnd(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static void random_path(char *out, size_t size, bool filter)
{
    static const char *const words[] = { "a", "b", "", "$x", "a-long-level-name", "bb" };
    unsigned levels = 1 + rnd(5);
    size_t n = 0;

    out[0] = 0;
    for (unsigned i = 0; i < levels; i++) {
        const char *w = words[rnd(6)];

        if (levels == 1 && w[0] == 0)
            w = "a";
        if (filter && rnd(4) == 0)
            w = "+";
        if (filter && i + 1 == levels && rnd(4) == 0)
            w = "#";
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? "/" : "", w);
    }
}

static void against_the_naive_matcher(void **state)
{
    enum { SUBS = 400 };
    static char filters[SUBS][128];
    static bool in[SUBS];
    struct tree t;

    (void)state;
    tree_init(&t);
    for (int i = 0; i < SUBS; i++)
        random_path(filters[i], sizeof(filters[i]), true);
    for (int round = 0; round < 30000; round++) {
        const struct tree_span *spans;
        bool hit[SUBS] = { false };
        char topic[128];
        uint32_t i = rnd(SUBS);
        size_t n;

        if (in[i])
            assert_true(tree_remove(&t, str_of(filters[i]), &filters[i]));
        else
            assert_true(tree_add(&t, str_of(filters[i]), &filters[i], i, 0));
        in[i] = !in[i];
        random_path(topic, sizeof(topic), false);
        n = tree_match(&t, str_of(topic), &spans);
        for (size_t k = 0; k < n; k++)
            for (uint32_t e = 0; e < spans[k].count; e++) {
                assert_false(hit[spans[k].entries[e].sub_id]);
                hit[spans[k].entries[e].sub_id] = true;
            }
        for (int k = 0; k < SUBS; k++)
            assert_int_equal(hit[k], in[k] && naive_match(str_of(filters[k]), str_of(topic)));
    }
    for (int i = 0; i < SUBS; i++)
        if (in[i])
            assert_true(tree_remove(&t, str_of(filters[i]), &filters[i]));
    assert_int_equal(t.subscriptions, 0);
    assert_int_equal(t.filters, 0);
    assert_int_equal(t.trie.live, 1);
    tree_fini(&t);
}

/* Numbers that grow and shrink over the border from which subscribers are found by an index. */
static void many_subscribe_one_filter(void **state)
{
    enum { MANY = 3000 };
    static char owners[MANY];
    static uint32_t id[MANY]; /* 0: not there */
    const struct tree_span *spans;
    struct tree t;
    uint32_t live = 0;

    (void)state;
    tree_init(&t);
    for (uint32_t round = 1; round < 60000; round++) {
        uint32_t i = rnd(round < 20000 || round > 40000 ? 100 : MANY);

        if (rnd(10) == 0) {
            assert_int_equal(tree_add(&t, STR("all/#"), &owners[i], round, 0), id[i] == 0);
            live += id[i] == 0;
            id[i] = round;
        } else if (id[i] == 0 && (round < 40000 || rnd(8) == 0)) {
            assert_true(tree_add(&t, STR("all/#"), &owners[i], round, 0));
            id[i] = round;
            live++;
        } else {
            assert_int_equal(tree_remove(&t, STR("all/#"), &owners[i]), id[i] != 0);
            live -= id[i] != 0;
            id[i] = 0;
        }
        if (round == 40000) /* nearly all go */
            for (i = 100; i < MANY; i++) {
                assert_int_equal(tree_remove(&t, STR("all/#"), &owners[i]), id[i] != 0);
                live -= id[i] != 0;
                id[i] = 0;
            }
        assert_int_equal(t.subscriptions, live);
        if (round % 97 != 0)
            continue;
        assert_int_equal(tree_match(&t, STR("all/x"), &spans), live > 0);
        for (uint32_t k = 0; live > 0 && k < spans[0].count; k++)
            assert_int_equal(spans[0].entries[k].sub_id,
                             id[(const char *)spans[0].entries[k].owner - owners]);
        assert_true(live == 0 || spans[0].count == live);
    }
    tree_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_specification),
        cmocka_unit_test(replacing_keeps_one),
        cmocka_unit_test(against_the_naive_matcher),
        cmocka_unit_test(many_subscribe_one_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
