/*
 * The effective configuration as a file, for `config show`: every key with the value that is in
 * force, so that a person sees the defaults too and can copy a line. It loads to the same values.
 *
 * Whether a value is the default is found by writing both and comparing the texts, so there is
 * nothing to keep beside the values.
 */
#include "base/mem.h"
#include "conf/conf_impl.h"
#include "conf/scalar.h"
#include "conf/value.h"

#include <stdio.h>

#define ROW_TEXT_MAX CONF_FILE_MAX

struct dump {
    unsigned flags;
    bool in_item; /* comments would stand between the dash and its keys */
    struct buf *out;
};

static void dump_rows(struct dump *d, const struct conf_row *rows, const void *base,
                      unsigned indent);

static void write_texts(const struct conf_texts *t, bool secret, struct buf *out)
{
    buf_put(out, STR("["));
    for (size_t i = 0; i < t->count; i++) {
        buf_put(out, i > 0 ? STR(", ") : STR(""));
        scalar_write(out, secret ? STR("***") : t->items[i]);
    }
    buf_put(out, STR("]"));
}

static void write_pairs(const struct conf_pairs *p, bool secret, struct buf *out)
{
    buf_put(out, STR("{"));
    for (size_t i = 0; i < p->count; i++) {
        buf_put(out, i > 0 ? STR(", ") : STR(""));
        scalar_write(out, p->items[i].key);
        buf_put(out, STR(": "));
        scalar_write(out, secret ? STR("***") : p->items[i].value);
    }
    buf_put(out, STR("}"));
}

void conf_write_row(const struct conf_row *row, const void *value, unsigned flags, struct buf *out)
{
    bool secret = (row->flags & CONF_SECRET) && !(flags & CONF_DUMP_SECRETS);

    if (row->type == CONF_TEXTS)
        write_texts(value, secret, out);
    else if (row->type == CONF_PAIRS)
        write_pairs(value, secret, out);
    else if (secret && !value_is_none(row, value))
        buf_put(out, STR("\"***\""));
    else
        value_write(row, value, out);
}

/* A list or map in block form, each line `indent` deep. */
static void write_items(const struct dump *from, const struct conf_row *row,
                        const struct conf_list *l, unsigned indent, struct buf *out)
{
    for (size_t i = 0; i < l->count; i++) {
        const char *item = (const char *)l->items + i * row->item_size;
        struct buf text = buf_init(ROW_TEXT_MAX);
        struct dump d = { from->flags & ~(unsigned)CONF_DUMP_HELP, true, &text };

        dump_rows(&d, row->rows, item, indent + 2);
        buf_printf(out, "%*s", (int)indent, "");
        if (row->type == CONF_MAP) {
            scalar_write(out, *(const struct str *)(const void *)item);
            buf_put(out, text.n > 0 ? STR(":\n") : STR(": {}\n"));
            buf_put(out, buf_str(&text));
        } else if (text.n > 0) {
            buf_put(out, STR("- "));
            buf_put(out, str_skip(buf_str(&text), indent + 2));
        } else {
            buf_put(out, STR("- {}\n"));
        }
        buf_fini(&text);
    }
}

/* The row as it would be written, without its key: for showing and for comparing. */
static void write_value(const struct dump *d, const struct conf_row *row, const void *value,
                        unsigned indent, struct buf *out)
{
    const struct conf_list *l = value;

    if (row->type != CONF_LIST && row->type != CONF_MAP) {
        conf_write_row(row, value, d->flags, out);
    } else if (l->count == 0) {
        buf_put(out, row->type == CONF_LIST ? STR("[]") : STR("{}"));
    } else {
        buf_put(out, STR("\n"));
        write_items(d, row, l, indent + 2, out);
        out->n--; /* the last line feed comes with the key's line */
    }
}

/* Whether the value is another than without the key. */
static bool is_changed(const struct dump *d, const struct conf_row *row, const void *value)
{
    struct arena a = arena_init(CONF_ARENA_MAX);
    struct conf_report r = conf_report_init();
    struct buf is = buf_init(ROW_TEXT_MAX), was = buf_init(ROW_TEXT_MAX);
    struct dump plain = { (d->flags | CONF_DUMP_SECRETS) & ~(unsigned)CONF_DUMP_CHANGED, true,
                          NULL };
    void *none = mem_new(row->size);
    bool changed;

    (void)conf_default(row, none, &a, &r);
    write_value(&plain, row, value, 0, &is);
    write_value(&plain, row, none, 0, &was);
    changed = !str_eq(buf_str(&is), buf_str(&was));
    mem_free(none);
    buf_fini(&is);
    buf_fini(&was);
    conf_report_fini(&r);
    arena_fini(&a);
    return changed;
}

static void help_line(const struct dump *d, const struct conf_row *row, unsigned indent)
{
    if (!(d->flags & CONF_DUMP_HELP) || d->in_item || !row->help)
        return;
    buf_printf(d->out, "%*s# %s\n", (int)indent, "", row->help);
}

static void dump_section(struct dump *d, const struct conf_row *row, const void *base,
                         unsigned indent)
{
    struct str key = value_key(row);
    size_t before;

    if (!conf_has(base, row)) {
        if (d->in_item || (d->flags & CONF_DUMP_CHANGED))
            return;
        help_line(d, row, indent);
        buf_printf(d->out, "%*s# %.*s: {}    (off)\n", (int)indent, "", STR_ARG(key));
        return;
    }
    help_line(d, row, indent);
    before = d->out->n;
    buf_printf(d->out, "%*s%.*s:", (int)indent, "", STR_ARG(key));
    if (!d->out->over) {
        size_t head = d->out->n;

        buf_put(d->out, STR("\n"));
        dump_rows(d, row->rows, conf_field_const(base, row), indent + 2);
        if (d->out->n == head + 1) { /* nothing to say in it */
            d->out->n = row->has ? head : before;
            buf_put(d->out, row->has ? STR(" {}\n") : STR(""));
        }
    }
}

static void dump_value(struct dump *d, const struct conf_row *row, const void *base,
                       unsigned indent)
{
    const void *value = conf_field_const(base, row);
    struct str key = value_key(row);
    bool absent = (value_is_scalar(row->type) && value_is_none(row, value)) ||
                  (!row->def && !conf_has(base, row));
    bool changed = !absent && ((row->flags & CONF_REQUIRED) || is_changed(d, row, value));

    if (absent && (d->in_item || (d->flags & CONF_DUMP_CHANGED)))
        return;
    if (!changed && (d->flags & CONF_DUMP_CHANGED))
        return;
    help_line(d, row, indent);
    if (absent) {
        buf_printf(d->out, "%*s# %.*s:\n", (int)indent, "", STR_ARG(key));
        return;
    }
    buf_printf(d->out, "%*s%.*s:", (int)indent, "", STR_ARG(key));
    if (changed && !d->in_item && !row->rows && !(d->flags & CONF_DUMP_CHANGED)) {
        buf_put(d->out, STR(" "));
        write_value(d, row, value, indent, d->out);
        buf_put(d->out, STR(" # set"));
    } else {
        buf_put(d->out,
                row->rows && ((const struct conf_list *)value)->count > 0 ? STR("") : STR(" "));
        write_value(d, row, value, indent, d->out);
    }
    buf_put(d->out, STR("\n"));
}

static void dump_rows(struct dump *d, const struct conf_row *rows, const void *base,
                      unsigned indent)
{
    for (const struct conf_row *row = rows; row->key; row++) {
        switch (row->type) {
        case CONF_SECTION:
            dump_section(d, row, base, indent);
            break;
        case CONF_ANY:
        case CONF_IGNORED:
        case CONF_GONE:
        case CONF_END:
            break;
        default:
            dump_value(d, row, base, indent);
        }
        if (indent == 0 && !d->in_item && (d->flags & CONF_DUMP_HELP))
            buf_put(d->out, STR("\n"));
    }
}

void conf_dump(const struct conf *c, unsigned flags, struct buf *out)
{
    struct dump d = { flags, false, out };

    dump_rows(&d, c->schema->rows, c->root, 0);
}
