/* The trie: paths come and go in any order and leave nothing behind. */
#include "mqtt/trie.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

static void levels_are_cut(void **state)
{
    struct str rest = STR("/a//b/"), l;

    (void)state;
    l = trie_cut(&rest);
    assert_int_equal(l.n, 0);
    l = trie_cut(&rest);
    assert_true(str_eq(l, STR("a")));
    l = trie_cut(&rest);
    assert_int_equal(l.n, 0);
    l = trie_cut(&rest);
    assert_true(str_eq(l, STR("b")));
    assert_non_null(rest.p);
    l = trie_cut(&rest);
    assert_int_equal(l.n, 0);
    assert_null(rest.p);
}

static void same_path_same_node(void **state)
{
    struct trie t;
    uint32_t a, b;

    (void)state;
    trie_init(&t);
    a = trie_insert(&t, STR("sport/tennis/a-rather-long-player-name"));
    b = trie_insert(&t, STR("sport/tennis/"));
    assert_int_not_equal(a, b);
    assert_int_equal(trie_find(&t, STR("sport/tennis/a-rather-long-player-name")), a);
    assert_int_equal(trie_find(&t, STR("sport/tennis/")), b);
    assert_int_equal(trie_find(&t, STR("sport/tennis/x")), TRIE_NONE);
    assert_int_not_equal(trie_find(&t, STR("sport/tennis")), TRIE_NONE);
    assert_int_equal(trie_find(&t, STR("tennis")), TRIE_NONE);
    trie_prune(&t, a);
    assert_int_equal(trie_find(&t, STR("sport/tennis/a-rather-long-player-name")), TRIE_NONE);
    assert_int_equal(trie_find(&t, STR("sport/tennis/")), b);
    trie_prune(&t, b);
    assert_int_equal(t.live, 1);
    trie_fini(&t);
}

/* Random paths in and out against a plain array of who is there. */
static void random_paths(void **state)
{
    enum { PATHS = 3000 };
    static char paths[PATHS][64];
    static bool in[PATHS];
    uint32_t seed = 12345;
    struct trie t;

    (void)state;
    trie_init(&t);
    for (int i = 0; i < PATHS; i++)
        snprintf(paths[i], sizeof(paths[i]), "%d/%s%d/%d", i % 7, i % 2 ? "" : "longer-than-8-",
                 i % 50, i);
    for (int round = 0; round < 20000; round++) {
        int i;
        uint32_t node;

        seed = seed * 1664525 + 1013904223;
        i = (int)((seed >> 8) % PATHS);
        if (in[i]) {
            node = trie_find(&t, str_of(paths[i]));
            assert_ptr_equal(t.nodes[node].value, paths[i]);
            t.nodes[node].value = NULL;
            trie_prune(&t, node);
        } else {
            node = trie_insert(&t, str_of(paths[i]));
            assert_null(t.nodes[node].value);
            t.nodes[node].value = paths[i];
        }
        in[i] = !in[i];
    }
    for (int i = 0; i < PATHS; i++) {
        uint32_t node = trie_find(&t, str_of(paths[i]));

        assert_int_equal(node != TRIE_NONE, in[i]);
        if (!in[i])
            continue;
        t.nodes[node].value = NULL;
        trie_prune(&t, node);
    }
    assert_int_equal(t.live, 1);
    assert_int_equal(t.nodes[TRIE_ROOT].first_child, TRIE_NONE);
    trie_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_are_cut),
        cmocka_unit_test(same_path_same_node),
        cmocka_unit_test(random_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
