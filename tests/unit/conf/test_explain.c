/* The parser's words and the text in, a place and words that help out. */
#include "unit/unit.h"

#include "conf/explain.h"

#include <string.h>

static void explained(const char *text, const char *parser, unsigned line, unsigned column,
                      const char *says, const char *mend)
{
    struct conf_source source = { "t", str_of(text) };
    struct conf_report r = conf_report_init();

    explain_syntax(&source, str_of(parser), &r);
    assert_int_equal(r.count, 1);
    assert_int_equal(r.items[0].at.line, line);
    assert_int_equal(r.items[0].at.column, column);
    assert_non_null(strstr(r.items[0].at.text, says));
    if (mend)
        assert_non_null(strstr(r.items[0].mend, mend));
    conf_report_fini(&r);
}

static void test_explain(void **state)
{
    (void)state;
    explained("a: [1\n",
              "<memory-@0x1-0x2>:2:1: error: flow sequence without a closing bracket\nx\n", 2, 1,
              "without a closing bracket", "']'");
    explained("a:\n  b: 1\n   c: 2\n", "m:2:6: error: invalid multiline plain key\n", 3, 4,
              "indented further", NULL);
    explained("a: 1\nbee\n\nc: 2\n", "m:2:1: error: invalid multiline plain key\n", 2, 1,
              "':' is missing", NULL);
    explained("a:\n  \tb: 1\n", "m:2:4: error: anything\n", 2, 3, "a tab cannot indent", "spaces");
    /* Tabs in comments and empty lines harm nobody. */
    explained("a:\n\t# x\n\t\nb\n", "m:4:1: error: odd\n", 4, 1, "odd", NULL);
    /* What we do not know is passed on, and no place is better than a wrong one. */
    explained("a\n", "no place at all", 0, 0, "cannot be read as YAML", NULL);
    explained("a\n", "", 0, 0, "cannot be read as YAML", NULL);
    explained("a\n", "x:99999999999999999999:1: error: big", 0, 1, "big", NULL);
}

RUN(TEST(test_explain))
