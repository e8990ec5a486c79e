/* The command line by words: what is found, what is refused, and that all texts come of the rows. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/command.h"

static int run_nothing(const struct command_call *c)
{
    (void)c;
    return 0;
}

static const struct command_option options[] = {
    { "config", 'c', "FILE", "the file" },
    { "json", 0, NULL, "for programs" },
    { 0 },
};
static const struct command rows[] = {
    { "hub", "", "Run a hub", "An example.", options, run_nothing },
    { "journal ls", "[DIR]", "List", NULL, NULL, run_nothing },
    { "journal verify", "DIR…", "Verify", NULL, options, run_nothing },
};
static const struct command_table table = { "wayside", "a test", rows, 3 };

static int parse(struct command_call *call, struct buf *text, size_t n, const char *const *words)
{
    char *argv[200] = { NULL };

    for (size_t i = 0; i < n; i++)
        argv[i + 1] = (char *)(uintptr_t)words[i];
    *text = buf_init(100000);
    return command_parse(&table, (int)n + 1, argv, call, text);
}
#define PARSE(...)                                                                                 \
    parse(&call, &text, sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *),                  \
          (const char *[]){ __VA_ARGS__ })

static void assert_says(struct buf *text, const char *part)
{
    if (str_find_str(buf_str(text), str_of(part)) == text->n)
        fail_msg("\"%.*s\" does not say \"%s\"", STR_ARG(buf_str(text)), part);
    buf_fini(text);
}

static void finds_commands_and_options(void **state)
{
    struct command_call call;
    struct buf text;

    (void)state;
    assert_int_equal(PARSE("hub", "-c", "x.yaml", "--json"), 0);
    assert_ptr_equal(call.command, &rows[0]);
    assert_string_equal(command_value(&call, "config"), "x.yaml");
    assert_string_equal(command_value(&call, "json"), "1");
    assert_int_equal(PARSE("hub", "--config=y.yaml"), 0);
    assert_string_equal(command_value(&call, "config"), "y.yaml");
    assert_null(command_value(&call, "json"));
    assert_int_equal(PARSE("hub", "-cz.yaml"), 0);
    assert_string_equal(command_value(&call, "config"), "z.yaml");
    assert_int_equal(PARSE("journal", "ls"), 0);
    assert_int_equal(call.arg_count, 0);
    assert_int_equal(PARSE("journal", "verify", "a", "--json", "b", "--", "--c"), 0);
    assert_int_equal(call.arg_count, 3);
    assert_string_equal(call.args[2], "--c");
}

static void options_may_be_repeated(void **state)
{
    const char *words[COMMAND_GIVEN_MAX + 2] = { "hub" };
    struct command_call call;
    struct buf text;

    (void)state;
    assert_int_equal(PARSE("hub", "-c", "a", "--json", "--config=b", "-cc"), 0);
    assert_string_equal(command_value_at(&call, "config", 0), "a");
    assert_string_equal(command_value_at(&call, "config", 1), "b");
    assert_string_equal(command_value_at(&call, "config", 2), "c");
    assert_null(command_value_at(&call, "config", 3));
    assert_string_equal(command_value(&call, "config"), "c");
    for (size_t i = 1; i < COUNT_OF(words); i++)
        words[i] = "--json";
    assert_int_equal(parse(&call, &text, COMMAND_GIVEN_MAX + 1, words), 0);
    assert_int_equal(parse(&call, &text, COMMAND_GIVEN_MAX + 2, words), ERR_VALUE);
    assert_says(&text, "more than 64 options");
}

static void too_many_words_are_not_dropped(void **state)
{
    const char *words[COMMAND_ARGS_MAX + 3] = { "journal", "verify" };
    struct command_call call;
    struct buf text;

    (void)state;
    for (size_t i = 2; i < COUNT_OF(words); i++)
        words[i] = "x";
    assert_int_equal(parse(&call, &text, COMMAND_ARGS_MAX + 2, words), 0);
    assert_int_equal(call.arg_count, COMMAND_ARGS_MAX);
    assert_int_equal(parse(&call, &text, COMMAND_ARGS_MAX + 3, words), ERR_VALUE);
    assert_says(&text, "more than 32 words");
}

static void mistakes_lead_on(void **state)
{
    struct command_call call;
    struct buf text;

    (void)state;
    assert_int_equal(PARSE("hbu"), ERR_VALUE);
    assert_says(&text, "did you mean 'hub'?");
    assert_int_equal(PARSE("hub", "--confg", "x"), ERR_VALUE);
    assert_says(&text, "did you mean '--config'?");
    assert_int_equal(PARSE("hub", "-x"), ERR_VALUE);
    assert_says(&text, "Usage: wayside hub [options]");
    assert_int_equal(PARSE("hub", "--config"), ERR_VALUE);
    assert_says(&text, "needs a value (FILE)");
    assert_int_equal(PARSE("hub", "--json=1"), ERR_VALUE);
    assert_says(&text, "takes no value");
    assert_int_equal(PARSE("hub", "x"), ERR_VALUE);
    assert_says(&text, "too many words");
    assert_int_equal(PARSE("journal", "verify"), ERR_VALUE);
    assert_says(&text, "something is missing");
    assert_int_equal(PARSE("journal"), ERR_VALUE);
    assert_says(&text, "journal verify");
    assert_int_equal(PARSE("journal", "lss"), ERR_VALUE);
    assert_says(&text, "wayside journal: there is no 'lss'; did you mean 'ls'?\n");
}

static void help_version_and_manual(void **state)
{
    struct command_call call;
    struct buf text;

    (void)state;
    assert_int_equal(PARSE("--help"), 1);
    assert_says(&text, "journal verify");
    assert_int_equal(PARSE("help", "journal", "ls"), 1);
    assert_says(&text, "Usage: wayside journal ls [DIR]");
    assert_int_equal(PARSE("hub", "--help"), 1);
    assert_says(&text, "-c, --config FILE");
    assert_int_equal(PARSE("help", "nothing"), ERR_VALUE);
    assert_says(&text, "there is no command 'nothing'");
    assert_int_equal(PARSE("--version"), 1);
    assert_says(&text, "wayside ");
    text = buf_init(100000);
    command_manual(&table, &text);
    assert_says(&text, "## wayside journal verify");
}

static void completion_knows_every_command(void **state)
{
    static const char *const shells[] = { "bash", "zsh", "fish" };

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct buf text = buf_init(100000);

        assert_int_equal(command_completion(&table, shells[i], &text), 0);
        assert_true(str_find_str(buf_str(&text), STR("verify")) < text.n);
        assert_says(&text, "config");
    }
    assert_int_equal(command_completion(&table, "csh", NULL), ERR_VALUE);
}

RUN(TEST(finds_commands_and_options), TEST(options_may_be_repeated),
    TEST(too_many_words_are_not_dropped), TEST(mistakes_lead_on), TEST(help_version_and_manual),
    TEST(completion_knows_every_command))
