/* What plain words mean to readers of YAML, and texts written so that nobody errs. */
#include "unit/unit.h"

#include "conf/report.h"
#include "conf/scalar.h"

static void test_meaning(void **state)
{
    static const char *const other[] = { "1",        "-2.5", "0x1f", "0o17",  "1e5",  "1_000", ".5",
                                         "12:30:45", "+3",   ".inf", "-.INF", ".nan", "yes",   "No",
                                         "ON",       "off",  "y",    "true",  "~",    "null",  "" };
    static const char *const text[] = { "a",          "on-1", "127.0.0.1", "10.0.0.1:80",
                                        "2026-01-01", "1a",   "cam_1",     "v1.2",
                                        "-",          ".",    "nobody",    "e5" };

    (void)state;
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
        if (!scalar_meaning(str_of(other[i])))
            fail_msg("'%s' counts as a text", other[i]);
    for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
        if (scalar_meaning(str_of(text[i])))
            fail_msg("'%s' counts as %s", text[i], scalar_meaning(str_of(text[i])));
}

/* Whatever is written reads back as the same text, and as a text. */
static void test_write(void **state)
{
    static const char *const texts[] = { "a",
                                         "",
                                         "no",
                                         "1",
                                         "a b",
                                         "a: b",
                                         "- x",
                                         "#x",
                                         "x #y",
                                         "\"q\"",
                                         "back\\slash",
                                         "two\nlines",
                                         "\t",
                                         "[x]",
                                         "{",
                                         "'",
                                         "ä",
                                         "*x",
                                         "&y",
                                         "!t",
                                         "%",
                                         "@",
                                         "127.0.0.1:1883",
                                         "?",
                                         "a,b",
                                         "~/x",
                                         "/srv/x",
                                         "\x1b[31m",
                                         "a:",
                                         ":a",
                                         "-",
                                         "---",
                                         "...",
                                         "=",
                                         "<<",
                                         "\x7f" };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct buf b = buf_init(4096);
        struct arena a = arena_init(1 << 20);
        struct conf_report r = conf_report_init();
        struct conf_source source = { "t", STR_NONE };
        struct yaml_node *n;
        bool partial;

        buf_put(&b, STR("k: "));
        scalar_write(&b, str_of(texts[i]));
        buf_put(&b, STR("\n"));
        source.text = buf_str(&b);
        n = yaml_member(yaml_parse(&a, &source, &r, &partial), STR("k"));
        if (r.count > 0 || !n || n->kind != YAML_TEXT || !str_eq(n->text, str_of(texts[i])) ||
            (n->plain && scalar_meaning(n->text)))
            fail_msg("'%s' was written as %s", texts[i], buf_cstr(&b));
        conf_report_fini(&r);
        arena_fini(&a);
        buf_fini(&b);
    }
}

RUN(TEST(test_meaning), TEST(test_write))
