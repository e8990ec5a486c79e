/*
 * What a reload would change: two configurations of one schema side by side, key by key. Secrets
 * are compared as they are; only paths leave this file. Lists are compared item by item when they
 * are equally long (a listener's own row then says whether it reloads), else as a whole.
 */
#include "conf/conf_impl.h"
#include "conf/value.h"

#include <stdio.h>

#define PATH_MAX_BYTES 256

struct diff {
    void (*changed)(void *ctx, const char *path, bool reloads);
    void *ctx;
    size_t count;
};

static void diff_rows(struct diff *d, const struct conf_row *rows, const void *a, const void *b,
                      const char *path);

static void say(struct diff *d, const struct conf_row *row, const char *path)
{
    d->count++;
    if (d->changed)
        d->changed(d->ctx, path, (row->flags & CONF_RELOAD) != 0);
}

static bool is_same(const struct conf_row *row, const void *a, const void *b)
{
    struct buf x = buf_init(CONF_FILE_MAX), y = buf_init(CONF_FILE_MAX);
    bool same;

    conf_write_row(row, a, CONF_DUMP_SECRETS, &x);
    conf_write_row(row, b, CONF_DUMP_SECRETS, &y);
    same = str_eq(buf_str(&x), buf_str(&y));
    buf_fini(&x);
    buf_fini(&y);
    return same;
}

static void diff_list(struct diff *d, const struct conf_row *row, const struct conf_list *a,
                      const struct conf_list *b, const char *path)
{
    char deeper[PATH_MAX_BYTES];

    if (a->count != b->count) {
        say(d, row, path);
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        snprintf(deeper, sizeof(deeper), "%.220s[%zu]", path, i);
        diff_rows(d, row->rows, (const char *)a->items + i * row->item_size,
                  (const char *)b->items + i * row->item_size, deeper);
    }
}

static const void *find_named(const struct conf_row *row, const struct conf_list *l,
                              struct str name)
{
    for (size_t i = 0; i < l->count; i++) {
        const void *item = (const char *)l->items + i * row->item_size;

        if (str_eq(*(const struct str *)item, name))
            return item;
    }
    return NULL;
}

static void diff_map(struct diff *d, const struct conf_row *row, const struct conf_list *a,
                     const struct conf_list *b, const char *path)
{
    char deeper[PATH_MAX_BYTES];

    for (size_t i = 0; i < a->count; i++) {
        const void *mine = (const char *)a->items + i * row->item_size;
        struct str name = *(const struct str *)mine;
        const void *other = find_named(row, b, name);

        snprintf(deeper, sizeof(deeper), "%.180s.%.60s", path, name.p);
        if (other)
            diff_rows(d, row->rows, mine, other, deeper);
        else
            say(d, row, deeper);
    }
    for (size_t i = 0; i < b->count; i++) {
        struct str name =
            *(const struct str *)(const void *)((const char *)b->items + i * row->item_size);

        if (!find_named(row, a, name)) {
            snprintf(deeper, sizeof(deeper), "%.180s.%.60s", path, name.p);
            say(d, row, deeper);
        }
    }
}

static void diff_row(struct diff *d, const struct conf_row *row, const void *a, const void *b,
                     const char *path)
{
    const void *x = conf_field_const(a, row), *y = conf_field_const(b, row);

    if (row->type >= CONF_ANY) /* nothing of it is kept */
        return;
    if (row->has && conf_has(a, row) != conf_has(b, row)) {
        say(d, row, path);
        return;
    }
    switch (row->type) {
    case CONF_SECTION:
        if (conf_has(a, row))
            diff_rows(d, row->rows, x, y, path);
        break;
    case CONF_LIST:
        diff_list(d, row, x, y, path);
        break;
    case CONF_MAP:
        diff_map(d, row, x, y, path);
        break;
    case CONF_ANY:
    case CONF_IGNORED:
    case CONF_GONE:
    case CONF_END:
        break;
    default:
        if (!is_same(row, x, y))
            say(d, row, path);
    }
}

static void diff_rows(struct diff *d, const struct conf_row *rows, const void *a, const void *b,
                      const char *path)
{
    char deeper[PATH_MAX_BYTES];

    for (const struct conf_row *row = rows; row->key; row++) {
        snprintf(deeper, sizeof(deeper), "%.180s%s%.*s", path, path[0] ? "." : "",
                 STR_ARG(value_key(row)));
        diff_row(d, row, a, b, deeper);
    }
}

size_t conf_diff(const struct conf *from, const struct conf *to,
                 void (*changed)(void *ctx, const char *path, bool reloads), void *ctx)
{
    struct diff d = { changed, ctx, 0 };

    diff_rows(&d, from->schema->rows, from->root, to->root, "");
    return d.count;
}
