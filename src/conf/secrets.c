/* The secrets of a configuration, for whoever must not show them (the log). */
#include "conf/conf_impl.h"

typedef void tell(struct str value);

static void of_rows(const struct conf_row *rows, const void *base, tell *secret);

static void of_row(const struct conf_row *row, const void *base, tell *secret)
{
    const void *at = conf_field_const(base, row);
    const struct conf_list *list = at;
    const struct str *text = at;

    if (row->type == CONF_TEXT && (row->flags & CONF_SECRET) && text->n > 0)
        secret(*text);
    if (row->type == CONF_SECTION && conf_has(base, row))
        of_rows(row->rows, at, secret);
    if (row->type == CONF_LIST || row->type == CONF_MAP)
        for (size_t i = 0; i < list->count; i++)
            of_rows(row->rows, (const char *)list->items + i * row->item_size, secret);
}

static void of_rows(const struct conf_row *rows, const void *base, tell *secret)
{
    for (const struct conf_row *row = rows; row->key; row++)
        of_row(row, base, secret);
}

void conf_secrets(const struct conf *c, tell *secret)
{
    of_rows(c->schema->rows, c->root, secret);
}
