/*
 * The manual of all settings in Markdown, for docs/config.md: what holds for every file first, then
 * a table per section in the order of the rows.
 */
#include "conf/conf.h"
#include "conf/value.h"

#include <stdio.h>

#define CELL_MAX 4096

/* Text in a table's cell: a bar would end it. */
static void put_cell(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '|')
            buf_u8(out, '\\');
        buf_u8(out, s.p[i] == '\n' ? ' ' : (uint8_t)s.p[i]);
    }
}

static void put_default(const struct conf_row *row, struct buf *out)
{
    if (row->flags & CONF_REQUIRED) {
        buf_put(out, STR("*required*"));
    } else if (row->type == CONF_SECTION) {
        buf_put(out, row->has ? STR("off") : STR(""));
    } else if (row->def) {
        buf_put(out, STR("`"));
        put_cell(out, str_of(row->def));
        buf_put(out, STR("`"));
    } else if (row->type == CONF_UINT || row->type == CONF_SIZE || row->type == CONF_DURATION) {
        struct buf b = buf_init(64);
        uint64_t v = row->number;
        struct conf_row wide = *row;

        wide.size = sizeof(v);
        value_write(&wide, &v, &b);
        buf_put(out, STR("`"));
        buf_put(out, buf_str(&b));
        buf_put(out, STR("`"));
        buf_fini(&b);
    } else if (row->type == CONF_BOOL) {
        buf_put(out, STR("`false`"));
    } else if (row->type == CONF_INT || row->type == CONF_DOUBLE) {
        buf_put(out, STR("`0`"));
    }
}

static bool is_shown(const struct conf_row *row)
{
    return row->type != CONF_GONE && row->type != CONF_IGNORED && row->type != CONF_ANY;
}

static void put_row(const struct conf_row *row, struct buf *out)
{
    struct buf describe = buf_init(CELL_MAX);

    value_describe(row, &describe);
    buf_printf(out, "| `%.*s` | ", STR_ARG(value_key(row)));
    put_cell(out, buf_str(&describe));
    if (row->unit)
        buf_printf(out, " (%s)", row->unit);
    buf_put(out, STR(" | "));
    put_default(row, out);
    buf_printf(out, " | %s | ", row->flags & CONF_RELOAD ? "yes" : "");
    put_cell(out, str_of(row->help));
    if (row->flags & CONF_FILE)
        buf_printf(out, "; or `%s_file`: a file that holds it", row->key);
    if (row->flags & CONF_SECRET)
        buf_put(out, STR(" (secret: never shown)"));
    buf_put(out, STR(" |\n"));
    buf_fini(&describe);
}

/* The help of a row as a sentence of its own. */
static void put_sentence(const char *help, struct buf *out)
{
    char first = help ? help[0] : '\0';

    if (first == '\0')
        return;
    buf_u8(out, (uint8_t)(first >= 'a' && first <= 'z' ? first - 32 : first));
    buf_printf(out, "%s.\n", help + 1);
}

static void put_section(const struct conf_row *rows, const char *path, struct buf *out)
{
    buf_put(out, STR("\n| key | value | default | reloads | |\n|---|---|---|---|---|\n"));
    for (const struct conf_row *row = rows; row->key; row++)
        if (is_shown(row))
            put_row(row, out);
    for (const struct conf_row *row = rows; row->key; row++) {
        char deeper[200];

        if (!row->rows)
            continue;
        snprintf(deeper, sizeof(deeper), "%.150s%s%s%s", path, path[0] ? "." : "", row->key,
                 row->type == CONF_LIST  ? "[]"
                 : row->type == CONF_MAP ? ".NAME"
                                         : "");
        buf_printf(out, "\n## `%s`\n\n", deeper);
        put_sentence(row->help, out);
        put_section(row->rows, deeper, out);
    }
}

void conf_manual(const struct conf_schema *s, struct buf *out)
{
    buf_printf(
        out,
        "# Settings of %s\n\n"
        "One YAML file describes a node. A service exists only if its section does; an empty "
        "section (`api:`) is on with defaults, and `api: false` turns off what a preset turned "
        "on. Every key is optional unless it says *required*.\n\n"
        "- Unknown keys, keys that stand twice, anchors, aliases and tags are errors, each shown "
        "with its line and what to write.\n"
        "- Only `true` and `false` are truths. Texts that look like numbers or truths are quoted.\n"
        "- Times have a unit: `ms`, `s`, `m`, `h`. Sizes are bytes, or have `KiB`, `MiB`, `GiB`.\n"
        "- A relative path is taken from the folder of the file in which it stands.\n"
        "- *reloads*: takes effect by `wayside reload`; else at the next start.\n",
        s->title);
    put_section(s->rows, "", out);
}
