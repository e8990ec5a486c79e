/*
 * Completion scripts out of the table of commands, for bash, zsh (by its bash emulation) and fish.
 * They offer words of commands and long options; values and arguments are completed as files.
 */
#include "cli/command.h"

static bool in_group(const struct command *c, struct str first)
{
    struct str rest = str_of(c->name);

    return str_eq(str_cut(&rest, ' '), first) && rest.p;
}

static void put_words(const struct command_table *t, struct str group, struct buf *out)
{
    struct str before = STR_NONE;

    for (size_t i = 0; i < t->count; i++) {
        struct str rest = str_of(t->rows[i].name), first = str_cut(&rest, ' ');
        struct str word = group.n > 0 ? rest : first;

        if ((group.n > 0 && !str_eq(first, group)) || !word.p || str_eq(word, before))
            continue;
        buf_printf(out, "%.*s ", STR_ARG(word));
        before = word;
    }
}

static void put_flags(const struct command *c, struct buf *out)
{
    for (const struct command_option *o = c->options; o && o->name; o++)
        buf_printf(out, "--%s ", o->name);
    buf_put(out, STR("--help"));
}

static void put_bash(const struct command_table *t, struct buf *out)
{
    const char *p = t->program;

    buf_printf(out,
               "# bash completion for %s; load it with: source <(%s completion bash)\n"
               "_%s() {\n    local cur=${COMP_WORDS[COMP_CWORD]} words\n"
               "    case \"${COMP_WORDS[*]:1:COMP_CWORD-1}\" in\n    '') words=\"",
               p, p, p);
    put_words(t, STR_NONE, out);
    buf_put(out, STR("help\" ;;\n    help) words=\""));
    put_words(t, STR_NONE, out);
    buf_put(out, STR("\" ;;\n"));
    for (size_t i = 0; i < t->count; i++) {
        struct str rest = str_of(t->rows[i].name), first = str_cut(&rest, ' ');

        if (rest.p && (i == 0 || !in_group(&t->rows[i - 1], first))) {
            buf_printf(out, "    '%.*s') words=\"", STR_ARG(first));
            put_words(t, first, out);
            buf_put(out, STR("\" ;;\n"));
        }
        buf_printf(out, "    '%s'*) words=\"", t->rows[i].name);
        put_flags(&t->rows[i], out);
        buf_put(out, STR("\" ;;\n"));
    }
    buf_printf(out,
               "    esac\n    if [[ $cur == -* || $COMP_CWORD -le 2 ]]; then\n"
               "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n    fi\n"
               "    [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "
               "\"$cur\")\n}\n"
               "complete -o filenames -F _%s %s\n",
               p, p);
}

/* In single quotes of fish: a quote and a backslash are escaped. */
static void put_quoted(struct buf *out, const char *text)
{
    buf_u8(out, '\'');
    for (const char *p = text; *p; p++) {
        if (*p == '\'' || *p == '\\')
            buf_u8(out, '\\');
        buf_u8(out, (uint8_t)*p);
    }
    buf_u8(out, '\'');
}

static void put_fish(const struct command_table *t, struct buf *out)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct command *c = &t->rows[i];
        struct str rest = str_of(c->name), first = str_cut(&rest, ' ');

        if (!rest.p)
            buf_printf(out, "complete -c %s -n __fish_use_subcommand -a '%s' -d ", t->program,
                       c->name);
        else
            buf_printf(out,
                       "complete -c %s -n __fish_use_subcommand -a '%.*s'\n"
                       "complete -c %s -n '__fish_seen_subcommand_from %.*s' -a '%.*s' -d ",
                       t->program, STR_ARG(first), t->program, STR_ARG(first), STR_ARG(rest));
        put_quoted(out, c->help);
        buf_u8(out, '\n');
        for (const struct command_option *o = c->options; o && o->name; o++) {
            buf_printf(out, "complete -c %s -n '__fish_seen_subcommand_from %.*s' -l %s",
                       t->program, STR_ARG(first), o->name);
            if (o->letter)
                buf_printf(out, " -s %c", o->letter);
            buf_put(out, o->value ? STR(" -r -d ") : STR(" -d "));
            put_quoted(out, o->help);
            buf_u8(out, '\n');
        }
    }
}

int command_completion(const struct command_table *t, const char *shell, struct buf *out)
{
    if (strcmp(shell, "bash") == 0) {
        put_bash(t, out);
    } else if (strcmp(shell, "zsh") == 0) {
        buf_printf(out, "#compdef %s\nautoload -U +X bashcompinit && bashcompinit\n", t->program);
        put_bash(t, out);
    } else if (strcmp(shell, "fish") == 0) {
        put_fish(t, out);
    } else {
        return ERR_VALUE;
    }
    return 0;
}
