/*
 * Reading a command line by the table of commands. The words of a command's name come first,
 * options anywhere after them; `--` ends options. A mistake is answered with what is near and where
 * to read on, never with the whole manual.
 */
#include "cli/command.h"

#include "base/mem.h"
#include "conf/conf.h"

#include <assert.h>

#define NAMES_MAX 64

/* How many words of argv are the command's name; 0: they are not. */
static size_t match(const struct command *c, int argc, char *const *argv)
{
    struct str rest = str_of(c->name);
    size_t n = 0;

    while (rest.p) {
        struct str word = str_cut(&rest, ' ');

        if ((int)n >= argc || !str_eq(word, str_of(argv[n])))
            return 0;
        n++;
    }
    return n;
}

static const struct command *find(const struct command_table *t, int argc, char *const *argv,
                                  size_t *out_words)
{
    const struct command *best = NULL;

    *out_words = 0;
    for (size_t i = 0; i < t->count; i++) {
        size_t words = match(&t->rows[i], argc, argv);

        if (words > *out_words) {
            *out_words = words;
            best = &t->rows[i];
        }
    }
    return best;
}

static bool in_group(const struct command *c, struct str first)
{
    struct str rest = str_of(c->name);

    return str_eq(str_cut(&rest, ' '), first) && rest.p;
}

static int say_unknown(const struct command_table *t, const char *word, struct buf *text)
{
    const char *names[NAMES_MAX], *near;
    char firsts[NAMES_MAX][32];
    size_t count = 0;

    for (size_t i = 0; i < t->count && count < NAMES_MAX; i++) {
        struct str rest = str_of(t->rows[i].name), first = str_cut(&rest, ' ');

        if (first.n >= sizeof(firsts[0]))
            continue;
        memcpy(firsts[count], first.p, first.n);
        firsts[count][first.n] = '\0';
        names[count] = firsts[count];
        count++;
    }
    near = conf_guess(str_of(word), names, count);
    buf_printf(text, "%s: there is no command '%s'", t->program, word);
    if (near)
        buf_printf(text, "; did you mean '%s'?", near);
    buf_printf(text, "\nSee '%s --help'.\n", t->program);
    return ERR_VALUE;
}

/* word: what stood behind the group's name, or NULL. */
static int say_group(const struct command_table *t, const char *group, const char *word,
                     struct buf *text)
{
    const char *names[NAMES_MAX], *near;
    size_t count = 0;

    for (size_t i = 0; i < t->count && count < NAMES_MAX; i++)
        if (in_group(&t->rows[i], str_of(group)))
            names[count++] = t->rows[i].name + strlen(group) + 1;
    if (word && word[0] != '-') {
        near = conf_guess(str_of(word), names, count);
        buf_printf(text, "%s %s: there is no '%s'", t->program, group, word);
        if (near)
            buf_printf(text, "; did you mean '%s'?", near);
        buf_u8(text, '\n');
    }
    buf_printf(text, "%s %s: one of these is meant:\n", t->program, group);
    for (size_t i = 0; i < t->count; i++)
        if (in_group(&t->rows[i], str_of(group)))
            buf_printf(text, "  %s %-20s %s\n", t->program, t->rows[i].name, t->rows[i].help);
    return ERR_VALUE;
}

static int say_usage(const struct command_table *t, const struct command *c, struct buf *text)
{
    buf_printf(text, "Usage: %s %s%s%s%s\nSee '%s help %s'.\n", t->program, c->name,
               c->options ? " [options]" : "", *c->args ? " " : "", c->args, t->program, c->name);
    return ERR_VALUE;
}

/* The place of an option by its name without dashes, or -1. */
static int option_at(const struct command *c, struct str name)
{
    for (int i = 0; c->options && c->options[i].name; i++)
        if (str_eq(str_of(c->options[i].name), name))
            return i;
    return -1;
}

static int letter_at(const struct command *c, char letter)
{
    for (int i = 0; c->options && c->options[i].name; i++)
        if (c->options[i].letter == letter)
            return i;
    return -1;
}

static int say_option(const struct command_table *t, const struct command *c, const char *word,
                      struct buf *text)
{
    const char *names[COMMAND_OPTIONS_MAX], *near;
    size_t count = 0;
    struct str name = str_of(word);

    while (name.n > 0 && name.p[0] == '-')
        name = str_skip(name, 1);
    name = str_sub(name, 0, str_find(name, '='));
    for (; c->options && c->options[count].name; count++)
        names[count] = c->options[count].name;
    near = conf_guess(name, names, count);
    buf_printf(text, "%s %s: there is no option '%s'", t->program, c->name, word);
    if (near)
        buf_printf(text, "; did you mean '--%s'?", near);
    buf_put(text, STR("\n"));
    return say_usage(t, c, text);
}

/* One word that begins with a dash. *i moves over its value. */
static int take_option(const struct command_table *t, int argc, char *const *argv, int *i,
                       struct command_call *call, struct buf *text)
{
    const struct command *c = call->command;
    const char *word = argv[*i], *value = NULL;
    struct str name = str_of(word);
    int at;

    if (str_starts(name, STR("--"))) {
        size_t eq = str_find(name, '=');

        if (eq < name.n)
            value = word + eq + 1;
        at = option_at(c, str_sub(name, 2, eq - 2));
    } else {
        at = letter_at(c, word[1]);
        if (word[2])
            value = word + 2;
    }
    if (at < 0)
        return say_option(t, c, word, text);
    if (!c->options[at].value) {
        if (value) {
            buf_printf(text, "%s %s: --%s takes no value\n", t->program, c->name,
                       c->options[at].name);
            return say_usage(t, c, text);
        }
        value = "1";
    } else if (!value) {
        if (*i + 1 >= argc) {
            buf_printf(text, "%s %s: --%s needs a value (%s)\n", t->program, c->name,
                       c->options[at].name, c->options[at].value);
            return say_usage(t, c, text);
        }
        value = argv[++*i];
    }
    if (call->given_count == COMMAND_GIVEN_MAX) {
        buf_printf(text, "%s %s: more than %d options\n", t->program, c->name, COMMAND_GIVEN_MAX);
        return say_usage(t, c, text);
    }
    call->values[at] = value;
    call->given[call->given_count].option = (unsigned char)at;
    call->given[call->given_count++].value = value;
    return 0;
}

/* Least and most arguments by the synopsis. */
static void arity(const char *args, size_t *least, size_t *most)
{
    struct str rest = str_of(args);

    *least = *most = 0;
    while (rest.n > 0) {
        struct str word = str_cut(&rest, ' ');
        bool repeats = str_ends(word, STR("…")) || str_ends(word, STR("…]"));

        if (word.n == 0)
            continue;
        *least += word.p[0] != '[';
        *most = repeats || *most == COMMAND_ARGS_MAX ? COMMAND_ARGS_MAX : *most + 1;
    }
}

static int help_call(const struct command_table *t, int argc, char *const *argv, struct buf *text)
{
    size_t words;
    const struct command *c;

    if (argc == 0) {
        command_help(t, text);
        return 1;
    }
    c = find(t, argc, argv, &words);
    if (c) {
        command_help_one(t, c, text);
        return 1;
    }
    for (size_t i = 0; i < t->count; i++)
        if (in_group(&t->rows[i], str_of(argv[0]))) {
            (void)say_group(t, argv[0], argc > 1 ? argv[1] : NULL, text);
            return 1;
        }
    return say_unknown(t, argv[0], text);
}

int command_parse(const struct command_table *t, int argc, char *const *argv,
                  struct command_call *out, struct buf *text)
{
    struct command_call call = { .table = t };
    size_t words, least, most;
    bool plain = false;

    argc--;
    argv++;
    if (argc == 0) {
        command_help(t, text);
        return ERR_VALUE;
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0 ||
        strcmp(argv[0], "help") == 0)
        return help_call(t, argc - 1, argv + 1, text);
    if (strcmp(argv[0], "--version") == 0) {
        buf_printf(text, "%s %s\n", t->program, WAYSIDE_VERSION);
        return 1;
    }
    call.command = find(t, argc, argv, &words);
    if (!call.command) {
        for (size_t i = 0; i < t->count; i++)
            if (in_group(&t->rows[i], str_of(argv[0])))
                return say_group(t, argv[0], argc > 1 ? argv[1] : NULL, text);
        return say_unknown(t, argv[0], text);
    }
    for (int i = (int)words; i < argc; i++) {
        if (!plain && strcmp(argv[i], "--") == 0) {
            plain = true;
        } else if (!plain && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            command_help_one(t, call.command, text);
            return 1;
        } else if (!plain && argv[i][0] == '-' && argv[i][1]) {
            int rc = take_option(t, argc, argv, &i, &call, text);

            if (rc)
                return rc;
        } else if (call.arg_count < COMMAND_ARGS_MAX) {
            call.args[call.arg_count++] = argv[i];
        } else { /* what is silently left out would be taken for done */
            buf_printf(text, "%s %s: more than %d words\n", t->program, call.command->name,
                       COMMAND_ARGS_MAX);
            return say_usage(t, call.command, text);
        }
    }
    arity(call.command->args, &least, &most);
    if (call.arg_count < least || call.arg_count > most) {
        buf_printf(text, "%s %s: %s\n", t->program, call.command->name,
                   call.arg_count < least ? "something is missing" : "too many words");
        return say_usage(t, call.command, text);
    }
    *out = call;
    return 0;
}

const char *command_value(const struct command_call *c, const char *name)
{
    int at = option_at(c->command, str_of(name));

    assert(at >= 0);
    return c->values[at];
}

const char *command_value_at(const struct command_call *c, const char *name, size_t index)
{
    int at = option_at(c->command, str_of(name));

    assert(at >= 0);
    for (size_t i = 0; i < c->given_count; i++)
        if (c->given[i].option == at && index-- == 0)
            return c->given[i].value;
    return NULL;
}
