/*
 * What the table of commands says to people: help at 80 columns, the manual in Markdown and as a
 * page for man(1). Texts in the rows are paragraphs, wherever their lines break; a line that begins
 * with spaces is an example and stays as it is.
 */
#include "cli/command.h"

#define COLUMNS      80
#define OPTION_WIDTH 29 /* where the help of an option begins */
#define EXIT_CODES   "0 done, 1 failed, 2 wrong usage, 3 problems found."
#define EXIT_TEXT    "Exit status: " EXIT_CODES

/* ---- lines ---- */

/* Columns on a terminal, as far as they are characters of one column. */
static size_t columns(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void pad(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_u8(out, ' ');
}

/* Puts the words of one paragraph, beginning at column `at`; further lines begin at `indent`. */
static void put_wrapped(struct buf *out, struct str text, size_t indent, size_t at)
{
    bool first = true;

    while (text.p) {
        struct str word = str_cut(&text, ' ');

        if (word.n == 0)
            continue;
        if (!first && at + 1 + columns(word) > COLUMNS) {
            buf_u8(out, '\n');
            pad(out, indent);
            at = indent;
        } else if (!first) {
            buf_u8(out, ' ');
            at++;
        }
        buf_put(out, word);
        at += columns(word);
        first = false;
    }
    buf_u8(out, '\n');
}

/* `left` in two columns' width, then the text from column `width` on. */
static void put_pair(struct buf *out, struct str left, size_t width, const char *text)
{
    size_t at = 2 + columns(left);

    buf_put(out, STR("  "));
    buf_put(out, left);
    if (at + 1 > width) {
        buf_u8(out, '\n');
        at = 0;
    }
    pad(out, width - at);
    put_wrapped(out, str_of(text), width, width);
}

/* One block of a row's longer text: an example line, a blank line, or a whole paragraph, whose
 * lines are joined in *paragraph. False at the end. */
enum block { BLOCK_END, BLOCK_BLANK, BLOCK_EXAMPLE, BLOCK_PARAGRAPH };

static enum block next_block(struct str *rest, struct buf *text)
{
    struct str line;

    buf_clear(text);
    if (!rest->p || rest->n == 0)
        return BLOCK_END;
    line = str_cut(rest, '\n');
    buf_put(text, line);
    if (line.n == 0)
        return BLOCK_BLANK;
    if (line.p[0] == ' ')
        return BLOCK_EXAMPLE;
    while (rest->n > 0 && rest->p[0] != '\n' && rest->p[0] != ' ') {
        buf_u8(text, ' ');
        buf_put(text, str_cut(rest, '\n'));
    }
    return BLOCK_PARAGRAPH;
}

static void put_more(struct buf *out, const char *more)
{
    struct str rest = str_of(more);
    struct buf text = buf_init(16384);
    enum block b;

    while ((b = next_block(&rest, &text)) != BLOCK_END) {
        if (b == BLOCK_PARAGRAPH) {
            put_wrapped(out, buf_str(&text), 0, 0);
        } else {
            buf_put(out, buf_str(&text));
            buf_u8(out, '\n');
        }
    }
    buf_fini(&text);
}

/* ---- help ---- */

void command_help(const struct command_table *t, struct buf *out)
{
    struct buf line = buf_init(1024);
    size_t width = 0;

    for (size_t i = 0; i < t->count; i++)
        if (columns(str_of(t->rows[i].name)) > width)
            width = columns(str_of(t->rows[i].name));
    buf_printf(&line, "%s: %s", t->program, t->title);
    put_wrapped(out, buf_str(&line), 0, 0);
    buf_printf(out, "\nUsage: %s COMMAND [options]\n\n", t->program);
    width = width < 12 ? 12 : width; /* "help COMMAND" below */
    for (size_t i = 0; i < t->count; i++)
        put_pair(out, str_of(t->rows[i].name), width + 4, t->rows[i].help);
    buf_u8(out, '\n');
    put_pair(out, STR("help COMMAND"), width + 4, "all about one command");
    buf_printf(out, "\n%s\nTry it: %s demo\n", EXIT_TEXT, t->program);
    buf_fini(&line);
}

static void option_text(const struct command_option *o, struct buf *out)
{
    if (o->letter)
        buf_printf(out, "-%c, ", o->letter);
    else
        buf_put(out, STR("    "));
    buf_printf(out, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
}

void command_help_one(const struct command_table *t, const struct command *c, struct buf *out)
{
    struct buf line = buf_init(1024);

    buf_printf(&line, "%s %s: %s", t->program, c->name, c->help);
    put_wrapped(out, buf_str(&line), 0, 0);
    buf_printf(out, "\nUsage: %s %s%s%s%s\n", t->program, c->name, c->options ? " [options]" : "",
               *c->args ? " " : "", c->args);
    for (const struct command_option *o = c->options; o && o->name; o++) {
        buf_put(out, o == c->options ? STR("\n") : STR(""));
        buf_clear(&line);
        option_text(o, &line);
        put_pair(out, buf_str(&line), OPTION_WIDTH, o->help);
    }
    if (c->more) {
        buf_u8(out, '\n');
        put_more(out, c->more);
    }
    buf_fini(&line);
}

void command_manual(const struct command_table *t, struct buf *out)
{
    buf_printf(out,
               "# %s on the command line\n\nMade by `%s manual` from the table of commands.\n\n"
               "%s\n",
               t->program, t->program, EXIT_TEXT);
    for (size_t i = 0; i < t->count; i++) {
        const struct command *c = &t->rows[i];

        buf_printf(out, "\n## %s %s\n\n```\n", t->program, c->name);
        command_help_one(t, c, out);
        buf_put(out, STR("```\n"));
    }
}

/* ---- man(1) ---- */

/* Text for roff: a backslash is named, a dash stays a dash, a dot or quote that begins a line is no
 * request. */
static void put_roff(struct buf *out, struct str s)
{
    if (s.n > 0 && (s.p[0] == '.' || s.p[0] == '\''))
        buf_put(out, STR("\\&"));
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            buf_put(out, STR("\\e"));
        else if (s.p[i] == '-')
            buf_put(out, STR("\\-"));
        else
            buf_u8(out, (uint8_t)s.p[i]);
    }
}

static void roff_more(struct buf *out, const char *more)
{
    struct str rest = str_of(more);
    struct buf text = buf_init(16384);
    bool example = false;
    enum block b;

    buf_put(out, STR(".PP\n"));
    while ((b = next_block(&rest, &text)) != BLOCK_END) {
        if ((b == BLOCK_EXAMPLE) != example) {
            example = !example;
            buf_put(out, example ? STR(".nf\n") : STR(".fi\n"));
        }
        if (b == BLOCK_BLANK) {
            buf_put(out, STR(".PP\n"));
            continue;
        }
        put_roff(out, buf_str(&text));
        buf_u8(out, '\n');
    }
    buf_put(out, example ? STR(".fi\n") : STR(""));
    buf_fini(&text);
}

static void roff_command(const struct command_table *t, const struct command *c, struct buf *out)
{
    struct buf line = buf_init(1024);

    buf_printf(out, ".SS %s %s", t->program, c->name);
    buf_printf(out, "%s%s%s\n", c->options ? " [options]" : "", *c->args ? " " : "", c->args);
    put_roff(out, str_of(c->help));
    buf_put(out, STR(".\n"));
    for (const struct command_option *o = c->options; o && o->name; o++) {
        buf_clear(&line);
        option_text(o, &line);
        buf_put(out, STR(".TP\n.B "));
        put_roff(out, str_trim(buf_str(&line)));
        buf_u8(out, '\n');
        put_roff(out, str_of(o->help));
        buf_u8(out, '\n');
    }
    if (c->more)
        roff_more(out, c->more);
    buf_fini(&line);
}

void command_man(const struct command_table *t, struct buf *out)
{
    buf_printf(out, ".TH \"%s\" 1 \"\" \"%s %s\"\n.SH NAME\n%s \\- ", t->program, t->program,
               WAYSIDE_VERSION, t->program);
    put_roff(out, str_of(t->title));
    buf_printf(out, "\n.SH SYNOPSIS\n.B %s\nCOMMAND [options]\n.SH COMMANDS\n", t->program);
    for (size_t i = 0; i < t->count; i++)
        roff_command(t, &t->rows[i], out);
    buf_printf(out, ".SH EXIT STATUS\n%s\n", EXIT_CODES);
}
