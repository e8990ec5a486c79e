/* Help that fits 80 columns, and a page that man(1) takes. */
#include "unit/unit.h"

#include "cli/command.h"

#include <string.h>

static const struct command_option options[] = {
    { "config", 'c', "FILE",
      "settings laid over the built-in ones, in a text that is so long that it has to go on in a second line (see: wayside config show)" },
    { "a-name-that-is-long-enough", 0, "VALUE", "goes below" },
    { 0 },
};
static const struct command rows[] = {
    { "hub", "", "Run a hub",
      "A paragraph of which the lines\nbreak anywhere in the source and that is longer than what one line of eighty columns of a terminal can hold.\n\n"
      "  wayside hub -c FILE      # an example is left as it is, however long it may be, since it is meant to be copied\n"
      "\n.dots and \\backslashes are text",
      options, NULL },
    { "journal verify", "DIR…", "Verify", NULL, NULL, NULL },
};
static const struct command_table table = {
    "wayside",
    "a title that is longer than eighty columns, so that it has to be cut somewhere between its words",
    rows, 2
};

static void test_width(void **state)
{
    struct buf b = buf_init(65536);
    struct str rest;

    (void)state;
    command_help(&table, &b);
    command_help_one(&table, &rows[0], &b);
    rest = buf_str(&b);
    while (rest.p) {
        struct str line = str_cut(&rest, '\n');

        if (line.n > 80 && !str_starts(line, STR("  wayside hub")))
            fail_msg("too wide: %.*s", STR_ARG(line));
    }
    buf_fini(&b);
}

static void test_layout(void **state)
{
    struct buf b = buf_init(65536);
    const char *text;

    (void)state;
    command_help_one(&table, &rows[0], &b);
    text = buf_cstr(&b);
    assert_non_null(strstr(
        text,
        "\n  -c, --config FILE          settings laid over the built-in ones, in a text\n                             that is so long"));
    assert_non_null(strstr(
        text,
        "\n      --a-name-that-is-long-enough VALUE\n                             goes below\n"));
    assert_non_null(strstr(text, "\nA paragraph of which the lines break anywhere"));
    assert_non_null(strstr(
        text,
        "\n\n  wayside hub -c FILE      # an example is left as it is, however long it may be,"));
    buf_clear(&b);
    command_help(&table, &b);
    assert_non_null(
        strstr(buf_cstr(&b), "\n  hub             Run a hub\n  journal verify  Verify\n"));
    buf_fini(&b);
}

static void test_man(void **state)
{
    struct buf b = buf_init(65536);
    const char *text;

    (void)state;
    command_man(&table, &b);
    text = buf_cstr(&b);
    assert_true(str_starts(buf_str(&b), STR(".TH \"wayside\" 1 ")));
    assert_non_null(strstr(text, "\n.SS wayside journal verify DIR…\nVerify.\n"));
    assert_non_null(strstr(text, "\n.TP\n.B \\-c, \\-\\-config FILE\nsettings"));
    assert_non_null(strstr(text, "\n.nf\n  wayside hub \\-c FILE"));
    assert_non_null(strstr(text, "\n\\&.dots and \\ebackslashes are text\n"));
    assert_non_null(strstr(text, ".SH EXIT STATUS\n0 done,"));
    buf_clear(&b);
    command_manual(&table, &b);
    assert_non_null(strstr(buf_cstr(&b), "\n## wayside hub\n\n```\n"));
    buf_fini(&b);
}

RUN(TEST(test_width), TEST(test_layout), TEST(test_man))
