/* Completion scripts: every word and option is in them, quoted as each shell wants it. */
#include "unit/unit.h"

#include "cli/command.h"

#include <string.h>

static const struct command_option options[] = {
    { "config", 'c', "FILE", "the hub's file" },
    { "json", 0, NULL, "for programs" },
    { 0 },
};
static const struct command rows[] = {
    { "hub", "", "Run a hub", NULL, options, NULL },
    { "journal ls", "[DIR]", "List", NULL, NULL, NULL },
    { "journal verify", "DIR", "Verify", NULL, options, NULL },
};
static const struct command_table table = { "wayside", "a test", rows, 3 };

static void has(const char *shell, const char *part)
{
    struct buf b = buf_init(65536);

    assert_int_equal(command_completion(&table, shell, &b), 0);
    if (!strstr(buf_cstr(&b), part))
        fail_msg("%s: no %s in\n%s", shell, part, buf_cstr(&b));
    buf_fini(&b);
}

static void test_scripts(void **state)
{
    struct buf b = buf_init(1);

    (void)state;
    has("bash", "'') words=\"hub journal help\"");
    has("bash", "help) words=\"hub journal \"");
    has("bash", "'journal') words=\"ls verify \"");
    has("bash", "'journal verify'*) words=\"--config --json --help\"");
    has("bash", "complete -o filenames -F _wayside wayside\n");
    has("zsh", "#compdef wayside\n");
    has("fish", "complete -c wayside -n __fish_use_subcommand -a 'hub' -d 'Run a hub'\n");
    has("fish", "-n '__fish_seen_subcommand_from journal' -a 'verify' -d 'Verify'\n");
    has("fish", "-l config -s c -r -d 'the hub\\'s file'\n");
    assert_int_equal(command_completion(&table, "tcsh", &b), ERR_VALUE);
    assert_int_equal(b.n, 0);
}

RUN(TEST(test_scripts))
