/* One tree of rules: what covers a filter, and what touches it. */
#include "unit/unit.h"

#include "base/mem.h"
#include "trust/acl_tree.h"

static const struct acl_who ann = { true, STR("ann"), STR("c1") },
                            nobody = { false, STR_NONE, STR("c1") },
                            odd = { true, STR("ann"), STR("a+b") };

struct row {
    const struct acl_who *who;
    const char *filter;
    unsigned covering;
    bool touching;
};

static void expect(const struct acl_node *root, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct acl_asking k = acl_asking_init(rows[i].who, str_of(rows[i].filter));
        unsigned bits = acl_tree_covering(&k, root);
        bool touching = acl_tree_touching(&k, root);

        if (bits != rows[i].covering || touching != rows[i].touching)
            fail_msg("%s: covering %u, touching %d", rows[i].filter, bits, touching);
    }
}

static void an_empty_tree_says_nothing(void **state)
{
    static const struct row rows[] = { { &ann, "a", 0, false }, { &ann, "#", 0, false } };
    struct acl_node root = { 0 };

    (void)state;
    expect(&root, rows, COUNT_OF(rows));
    acl_tree_fini(&root);
}

static void bits_of_all_rules_that_cover(void **state)
{
    static const struct row rows[] = {
        { &ann, "a/b", ACL_READ | ACL_WRITE | ACL_DENY, true },
        { &ann, "a/c", ACL_READ | ACL_WRITE, false },
        { &ann, "a", ACL_READ, false },
        { &ann, "a/+", ACL_READ | ACL_WRITE, true },
        { &ann, "a/#", ACL_READ, true },
        { &ann, "#", 0, true },
        { &ann, "a/b/c", ACL_READ, false },
        { &ann, "$a/b", 0, false },
    };
    struct acl_node root = { 0 };

    (void)state;
    acl_tree_grow(&root, STR("a/#"), false, ACL_READ);
    acl_tree_grow(&root, STR("a/+"), false, ACL_WRITE);
    acl_tree_grow(&root, STR("+/b"), false, ACL_DENY);
    expect(&root, rows, COUNT_OF(rows));
    acl_tree_fini(&root);
}

static void templates(void **state)
{
    static const struct row rows[] = {
        { &ann, "d-c1/ann", ACL_READ, false },
        { &ann, "d-c2/ann", 0, false },
        { &nobody, "d-c1/ann", 0, false },
        { &nobody, "d-c1/", 0, false },
        { &ann, "d-c1/+", 0, false },
        { &ann, "x/c1", ACL_DENY, true },
        { &ann, "x/+", 0, true },
        { &ann, "x/c2", 0, false },
        { &odd, "x/c2", ACL_READ | ACL_DENY, true },
        { &odd, "any/thing", ACL_READ, false },
    };
    struct acl_node root = { 0 };

    (void)state;
    acl_tree_grow(&root, STR("d-%c/%u"), true, ACL_READ);
    acl_tree_grow(&root, STR("x/%c"), true, ACL_DENY);
    expect(&root, rows, COUNT_OF(rows));
    acl_tree_fini(&root);
    root = (struct acl_node){ 0 }; /* elsewhere they are letters */
    acl_tree_grow(&root, STR("x/%c"), false, ACL_READ);
    expect(&root,
           (const struct row[]){ { &ann, "x/%c", ACL_READ, false }, { &ann, "x/c1", 0, false } },
           2);
    acl_tree_fini(&root);
}

RUN(TEST(an_empty_tree_says_nothing), TEST(bits_of_all_rules_that_cover), TEST(templates))
