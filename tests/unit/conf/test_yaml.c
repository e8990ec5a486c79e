/* YAML as a tree: places, and everything that is refused before a row is looked at. */
#include "unit/unit.h"

#include "conf/report.h"

#include <string.h>

struct parsed {
    struct arena arena;
    struct conf_report report;
    struct conf_source source;
    struct yaml_node *root;
    bool partial;
};

static struct parsed *parse(struct parsed *p, struct str text)
{
    *p = (struct parsed){ arena_init(64 << 20), conf_report_init(), { "t", text }, NULL, false };
    p->root = yaml_parse(&p->arena, &p->source, &p->report, &p->partial);
    return p;
}

static void done(struct parsed *p)
{
    conf_report_fini(&p->report);
    arena_fini(&p->arena);
}

static void refused(struct str text, unsigned line, unsigned column, const char *says)
{
    struct parsed p;
    struct buf b = buf_init(65536);

    parse(&p, text);
    conf_report_render(&p.report, &b);
    if (p.report.errors != 1 || p.report.items[0].at.line != line ||
        p.report.items[0].at.column != column || !strstr(p.report.items[0].at.text, says))
        fail_msg("expected %u:%u '%s', got: %s", line, column, says, buf_cstr(&b));
    buf_fini(&b);
    done(&p);
}

static void test_tree(void **state)
{
    struct parsed p;
    struct yaml_node *n;

    (void)state;
    parse(&p,
          STR("a: 1\n\xc3\xa4: \"x\\ty\"\nl:\n  - one\n  - {k: v}\ne:\nt: |\n  two\n  lines\n"));
    assert_int_equal(p.report.count, 0);
    assert_false(p.partial);
    assert_int_equal(p.root->kind, YAML_MAP);
    assert_int_equal(p.root->count, 5);
    n = yaml_member(p.root, STR("\xc3\xa4"));
    assert_str(n->text, "x\ty");
    assert_false(n->plain);
    assert_int_equal(n->at.line, 2);
    assert_int_equal(n->at.column, 4); /* of the quote, in characters */
    n = yaml_member(p.root, STR("l"));
    assert_int_equal(n->kind, YAML_LIST);
    assert_int_equal(n->count, 2);
    assert_int_equal(n->first->at.line, 4);
    assert_int_equal(n->first->at.column, 5);
    assert_str(yaml_member(n->first->next, STR("k"))->text, "v");
    n = yaml_member(p.root, STR("e"));
    assert_true(yaml_is_null(n));
    assert_int_equal(n->at.line, 6);
    assert_str(yaml_member(p.root, STR("t"))->text, "two\nlines\n");
    assert_null(yaml_member(p.root, STR("zz")));
    done(&p);
}

static void test_nothing(void **state)
{
    struct parsed p;

    (void)state;
    assert_null(parse(&p, STR(""))->root);
    done(&p);
    assert_null(parse(&p, STR("# x\n\n"))->root);
    assert_int_equal(p.report.count, 0);
    done(&p);
}

static void test_refused(void **state)
{
    (void)state;
    refused(STR("a: &x 1\n"), 1, 4, "anchors");
    refused(STR("a: 1\nb: *x\n"), 2, 4, "aliases");
    refused(STR("*x : 1\n"), 1, 1, "aliases");
    refused(STR("a: !!str 1\n"), 1, 4, "tags");
    refused(STR("a: !<x> {b: 1}\n"), 1, 4, "tags");
    refused(STR("a:\n  <<: {b: 1}\n"), 2, 3, "merge keys");
    refused(STR("a: 1\nb: 2\na: 3\n"), 3, 1, "twice (first in line 1)");
    refused(STR("? [a]\n: 1\n"), 1, 3, "not a list");
    refused(STR("? {a: 1}\n: 1\n"), 1, 3, "not a section");
    refused(STR("a: 1\n---\nb: 1\n"), 2, 1, "second document");
    refused(STR("\"\": 1\n"), 1, 1, "a key is empty");
    refused(STR("a: \x01\n"), 1, 4, "byte 0x01");
    refused(STR("a: b\0c\n"), 1, 5, "byte 0x00");
    refused(STR("a: 1\rb: 2\n"), 1, 5, "byte 0x0d");
    refused(STR("a: 1\nb: \xff\n"), 2, 0, "not UTF-8");
    refused(STR("a: 1\nb: \xc3"), 2, 0, "not UTF-8");
    refused(STR("a:\n\tb: 1\n"), 2, 1, "a tab cannot indent");
    refused(STR("a: [1, 2\n"), 2, 1, "without a closing bracket");
    refused(STR("a: b: c\n"), 1, 5, "nested block mapping");
    refused(STR("a: \"x\\q\"\n"), 1, 6, "invalid escape");
    refused(STR("a: 1\n b: 2\n"), 2, 2, "indented further");
    refused(STR("x: 0\na\nb: 2\n"), 2, 1, "expected ':'");
    refused(STR("a: 'x\n"), 1, 4, "without closing quote");
}

/* After an alias or a refused key the rest is still read. */
static void test_goes_on(void **state)
{
    struct parsed p;

    (void)state;
    parse(&p, STR("a: *x\nb: {<<: {c: [1, {d: 2}]}, e: 5}\n? [q]\n: [1, [2]]\nz: &y 7\n"));
    assert_int_equal(p.report.errors, 4);
    assert_int_equal(yaml_member(p.root, STR("a"))->kind, YAML_BAD);
    assert_str(yaml_member(yaml_member(p.root, STR("b")), STR("e"))->text, "5");
    assert_null(yaml_member(yaml_member(p.root, STR("b")), STR("c")));
    assert_str(yaml_member(p.root, STR("z"))->text, "7");
    done(&p);
}

static void test_caps(void **state)
{
    struct parsed p;
    struct buf b = buf_init(CONF_FILE_MAX + 10);

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_u8(&b, '[');
    parse(&p, buf_str(&b));
    assert_int_equal(p.report.errors, 1);
    assert_non_null(strstr(p.report.items[0].at.text, "nested deeper than 16"));
    assert_true(p.partial);
    done(&p);
    buf_clear(&b);
    buf_put(&b, STR("a: ["));
    for (int i = 0; i < 60000; i++)
        buf_put(&b, STR("1,"));
    buf_put(&b, STR("]\n"));
    parse(&p, buf_str(&b));
    assert_int_equal(p.report.errors, 1);
    assert_non_null(strstr(p.report.items[0].at.text, "more than 50000"));
    done(&p);
    buf_clear(&b);
    for (int i = 0; i < 2100; i++)
        buf_printf(&b, "k%d: 1\n", i);
    parse(&p, buf_str(&b));
    assert_int_equal(p.report.errors, 1);
    assert_non_null(strstr(p.report.items[0].at.text, "more than 2000 keys"));
    done(&p);
    buf_clear(&b);
    while (b.n <= CONF_FILE_MAX)
        buf_put(&b, STR("#\n"));
    parse(&p, buf_str(&b));
    assert_int_equal(p.report.errors, 1);
    assert_non_null(strstr(p.report.items[0].at.text, "larger than 1024 KiB"));
    done(&p);
    buf_fini(&b);
}

/* Seven lines of aliases cost other readers seconds and gigabytes; here each is one error. */
static void test_alias_bomb(void **state)
{
    struct parsed p;
    struct buf b = buf_init(65536);

    (void)state;
    buf_put(&b, STR("a0: &a0 [x, x, x, x, x, x, x, x, x]\n"));
    for (int i = 1; i < 10; i++) {
        buf_printf(&b, "a%d: &a%d [", i, i);
        for (int j = 0; j < 9; j++)
            buf_printf(&b, "*a%d, ", i - 1);
        buf_put(&b, STR("]\n"));
    }
    parse(&p, buf_str(&b));
    assert_int_equal(p.report.errors, 10 + 81);
    assert_true(p.arena.used < 100000);
    done(&p);
    buf_fini(&b);
}

static void test_overlay(void **state)
{
    struct parsed base, over;
    struct yaml_node *n;

    (void)state;
    parse(&base, STR("a: {x: 1, y: 2}\nb: [1, 2]\nc: {d: 1}\ne: 5\n"));
    parse(&over, STR("b: [3]\na: {y: 7, z: 8}\nc: false\nf: 6\n"));
    n = yaml_overlay(base.root, over.root);
    assert_int_equal(n->count, 5);
    assert_str(n->first->key, "a");
    assert_int_equal(n->first->count, 3);
    assert_str(yaml_member(n->first, STR("x"))->text, "1");
    assert_str(yaml_member(n->first, STR("y"))->text, "7");
    assert_str(yaml_member(n->first, STR("z"))->text, "8");
    assert_int_equal(yaml_member(n, STR("b"))->count, 1);
    assert_int_equal(yaml_member(n, STR("c"))->kind, YAML_TEXT);
    assert_str(yaml_member(n, STR("e"))->text, "5");
    assert_str(n->last->key, "f");
    assert_ptr_equal(yaml_overlay(NULL, n), n);
    assert_ptr_equal(yaml_overlay(n, NULL), n);
    done(&base);
    done(&over);
}

RUN(TEST(test_tree), TEST(test_nothing), TEST(test_refused), TEST(test_goes_on), TEST(test_caps),
    TEST(test_alias_bomb), TEST(test_overlay))
