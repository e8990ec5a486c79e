/*
 * Rows against the tree: fills the structs of all modules from the sources, or says everything
 * that is wrong with them.
 *
 * A value that was wrong leaves its default behind, so that one mistake is reported once and the
 * rest is still checked; the result is thrown away if there was any. Checks that span several keys
 * run only on sections in which every key was right.
 */
#include "base/mem.h"
#include "conf/conf_impl.h"
#include "conf/report.h"
#include "conf/value.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

struct loader {
    const struct conf_schema *schema;
    struct arena *arena;
    struct conf_report *report;
    const struct conf_reader *reader;
    bool partial; /* the file broke off: nothing is missing */
};

struct conf_say {
    struct loader *loader;
    const struct yaml_node *node; /* the value, or the section */
    struct yaml_place at;         /* when there is no node */
};

static void load_section(struct loader *l, const struct conf_row *rows, struct yaml_node *node,
                         const struct yaml_place *at, void *dest);
static void load_value(struct loader *l, const struct conf_row *row, struct yaml_node *node,
                       void *base);

/* Of "mqtt.listeners[1].qos_max" as much of the way as there is; *out_whole: all of it. */
static const struct yaml_node *walk(const struct yaml_node *n, struct str path, bool *out_whole)
{
    while (n && path.n > 0) {
        struct str step = str_cut(&path, '.'), name = str_cut(&step, '[');
        const struct yaml_node *next = yaml_member(n, name);
        uint64_t i = 0;

        if (next && step.p && str_to_u64(str_cut(&step, ']'), &i) == 0)
            for (next = next->first; next && i > 0; i--)
                next = next->next;
        *out_whole = next != NULL;
        if (!next)
            break;
        n = next;
    }
    return n;
}

static void complain(struct conf_say *say, const char *key, bool hidden, const char *text)
{
    bool whole = false;
    const struct yaml_node *meant = key ? walk(say->node, str_of(key), &whole) : say->node;
    struct yaml_place at = meant ? meant->at : say->at;

    at.hidden = hidden;
    report_add(say->loader->report, REPORT_ERROR, &at, NULL, "%s", text);
}

void conf_complain(struct conf_say *say, const char *key, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    complain(say, key, false, text);
}

void conf_complain_secret(struct conf_say *say, const char *text)
{
    complain(say, NULL, true, text);
}

bool conf_where(const struct conf_say *say, const char *key, char out[CONF_WHERE_SIZE])
{
    bool whole = false;
    const struct yaml_node *n = walk(say->node, str_of(key), &whole);
    struct yaml_place at;

    if (!whole)
        return false;
    at = report_origin(&n->at);
    snprintf(out, CONF_WHERE_SIZE, "%.150s:%u", at.source->name, at.line);
    return true;
}

/* ---- keys ---- */

#define KEYS_MAX 128

static size_t key_names(const struct conf_row *rows, const char *names[KEYS_MAX])
{
    size_t n = 0;

    for (const struct conf_row *row = rows; row->key && n < KEYS_MAX; row++)
        if (row->type != CONF_GONE && row->type != CONF_IGNORED)
            names[n++] = row->key;
    return n;
}

static const struct conf_row *find_row(const struct conf_row *rows, struct str key)
{
    for (const struct conf_row *row = rows; row->key; row++)
        if (str_eq(value_key(row), key))
            return row;
    return NULL;
}

/* `KEY_file` of a row that allows it. */
static const struct conf_row *find_file_row(const struct conf_row *rows, struct str key)
{
    const struct conf_row *row;

    if (!str_ends(key, STR("_file")))
        return NULL;
    row = find_row(rows, str_sub(key, 0, key.n - 5));
    return row && (row->flags & CONF_FILE) ? row : NULL;
}

/* Where else in the schema a key stands: "mqtt.listeners[]" in out. A wrong indentation shows
 * itself so. */
static bool key_elsewhere(const struct conf_row *rows, struct str key, struct str path,
                          struct buf *out)
{
    for (const struct conf_row *row = rows; row->key; row++) {
        char deeper[200];

        if (!row->rows)
            continue;
        snprintf(deeper, sizeof(deeper), "%.*s%s%s%s", STR_ARG(path), path.n ? "." : "", row->key,
                 row->type == CONF_LIST  ? "[]"
                 : row->type == CONF_MAP ? ".NAME"
                                         : "");
        if (find_row(row->rows, key)) {
            buf_put(out, str_of(deeper));
            return true;
        }
        if (key_elsewhere(row->rows, key, str_of(deeper), out))
            return true;
    }
    return false;
}

static bool has_secret(const struct conf_row *rows)
{
    for (const struct conf_row *row = rows; row->key; row++)
        if (row->flags & CONF_SECRET)
            return true;
    return false;
}

/* Where secrets are expected, or somebody thought so, the key may be one that is misspelled, or hold its
 * value as well: `{password:1234}`. */
static void unknown_key(struct loader *l, const struct conf_row *rows, const struct yaml_node *n)
{
    const char *names[KEYS_MAX], *guess;
    char mend[300] = "";
    struct buf where = buf_init(200);
    struct yaml_place at = n->key_at;
    struct str key = n->key;

    at.hidden = has_secret(rows) || str_find_str(n->key, STR("pass")) < n->key.n;
    for (size_t i = 0; at.hidden && i < key.n; i++)
        if (strchr(": =", key.p[i]))
            key.n = i;
    guess = conf_guess(key, names, key_names(rows, names));
    if (guess) {
        struct str known = str_of(guess);

        /* As it is written: a row of limits.h without its unit. */
        for (const struct conf_row *row = rows; row->key; row++)
            if (strcmp(row->key, guess) == 0)
                known = value_key(row);
        snprintf(mend, sizeof(mend), "did you mean '%.*s'?", STR_ARG(known));
    } else if (l->schema && key_elsewhere(l->schema->rows, n->key, STR(""), &where)) {
        snprintf(mend, sizeof(mend), "it stands under '%s'", buf_cstr(&where));
    } else if (l->schema && find_row(l->schema->rows, n->key)) {
        snprintf(mend, sizeof(mend), "it stands at the top, without indentation");
    }
    if (key.n < n->key.n)
        snprintf(mend, sizeof(mend), "write key: value, with a colon and a blank");
    report_add(l->report, REPORT_ERROR, &at, mend, "unknown key '%s%s'", report_show(key).text,
               key.n < n->key.n ? "..." : "");
    buf_fini(&where);
}

/* ---- single words ---- */

static const char *node_noun(const struct yaml_node *n)
{
    switch (n->kind) {
    case YAML_LIST:
        return "a list";
    case YAML_MAP:
        return "a section";
    case YAML_TEXT:
    case YAML_BAD:
        break;
    }
    return yaml_is_null(n) ? "nothing" : "a single value";
}

static int wrong_kind(struct loader *l, const struct conf_row *row, const struct yaml_node *n,
                      const char *mend)
{
    struct buf b = buf_init(400);
    int rc;

    value_describe(row, &b);
    rc = report_add(l->report, REPORT_ERROR, &n->at, mend, "'%.*s' must be %s, not %s",
                    STR_ARG(value_key(row)), buf_cstr(&b), node_noun(n));
    buf_fini(&b);
    return rc;
}

/* A relative path is meant from the folder of the file in which it stands. */
static struct str path_of(struct loader *l, const struct yaml_node *n, struct str path)
{
    struct str file = str_of(n->at.source->name);
    size_t slash = file.n;

    while (slash > 0 && file.p[slash - 1] != '/')
        slash--;
    if (slash == 0 || path.n == 0 || path.p[0] == '/')
        return path;
    path = arena_printf(l->arena, "%.*s%.*s", (int)slash, file.p, STR_ARG(path));
    assert(path.p);
    return path;
}

static int load_scalar(struct loader *l, const struct conf_row *row, struct yaml_node *n,
                       void *dest)
{
    struct value_why why;
    char example[80] = "";

    if (n->kind == YAML_BAD)
        return ERR_VALUE;
    if (n->kind != YAML_TEXT) {
        if (n->kind == YAML_LIST && row->type >= CONF_ADDRESS)
            return wrong_kind(l, row, n, "quote it: \"[::1]:1883\"");
        return wrong_kind(l, row, n, NULL);
    }
    if (yaml_is_null(n) && !(row->type == CONF_ENUM && n->text.n > 0)) {
        if (row->def && !(row->flags & CONF_SECRET))
            snprintf(example, sizeof(example), "leave the line out to have %.50s", row->def);
        return report_add(l->report, REPORT_ERROR, &n->key_at, example, "'%.*s' has no value",
                          STR_ARG(value_key(row)));
    }
    if (value_parse(row, n->text, n->plain, dest, l->arena, &why))
        return report_add(l->report, REPORT_ERROR, &n->at, why.mend, "'%.*s' %s",
                          STR_ARG(value_key(row)), why.text);
    if (row->type == CONF_PATH)
        *(struct str *)dest = path_of(l, n, *(struct str *)dest);
    return 0;
}

/* `KEY_file: PATH`: the content of the file is the value. */
static void load_from_file(struct loader *l, const struct conf_row *row, struct yaml_node *n,
                           void *base)
{
    static const struct conf_row as_path = { "file", CONF_PATH, 0, sizeof(struct str) };
    struct yaml_node content = {
        .kind = YAML_TEXT, .key = n->key, .at = n->at, .key_at = n->key_at
    };
    struct buf text = buf_init(CONF_SECRET_MAX);
    struct str path = STR_NONE;
    struct fault f;

    if (load_scalar(l, &as_path, n, &path))
        goto out;
    if (!l->reader) {
        report_add(l->report, REPORT_ERROR, &n->at, NULL, "no files are read here");
        goto out;
    }
    if (l->reader->read(l->reader->ctx, path.p, &text, &f)) {
        report_add(l->report, REPORT_ERROR, &n->at, NULL, "%s", f.text);
        goto out;
    }
    content.text = buf_str(&text);
    if (str_ends(content.text, STR("\n")))
        content.text.n--;
    if (str_ends(content.text, STR("\r")))
        content.text.n--;
    load_value(l, row, &content, base);
out:
    buf_fini(&text);
}

/* ---- lists and maps ---- */

static bool item_count_wrong(struct loader *l, const struct conf_row *row,
                             const struct yaml_node *n)
{
    if (row->min > 0 && n->count < (uint64_t)row->min)
        report_add(l->report, REPORT_ERROR, &n->at, NULL, "'%.*s' needs at least %lld items",
                   STR_ARG(value_key(row)), (long long)row->min);
    else if (row->max > 0 && n->count > (uint64_t)row->max)
        report_add(l->report, REPORT_ERROR, &n->at, NULL,
                   "'%.*s' may have at most %lld items, not %zu", STR_ARG(value_key(row)),
                   (long long)row->max, n->count);
    else if (n->count == 0 && (row->flags & CONF_REQUIRED))
        report_add(l->report, REPORT_ERROR, &n->at, NULL, "'%.*s' is empty",
                   STR_ARG(value_key(row)));
    else
        return false;
    return true;
}

static void *take_items(struct loader *l, size_t count, size_t size)
{
    void *p = NULL;
    size_t n;

    if (count > 0) {
        p = __builtin_mul_overflow(count, size, &n) ? NULL : arena_take(l->arena, n);
        assert(p); /* CONF_NODES_MAX items of any struct fit */
    }
    return p;
}

static void load_texts(struct loader *l, const struct conf_row *row, struct yaml_node *n,
                       struct conf_texts *dest)
{
    /* Each item is checked as a text of its own; min and max count items, not bytes. */
    struct conf_row item = { row->key, CONF_TEXT, 0, sizeof(struct str), .flags = row->flags };
    struct conf_texts t = { 0 };

    if (n->kind != YAML_LIST) {
        wrong_kind(l, row, n,
                   n->kind == YAML_TEXT && !yaml_is_null(n) ? "put it in brackets: [ ]"
                                                            : "write [ ] for an empty one");
        return;
    }
    if (item_count_wrong(l, row, n))
        return;
    t.items = take_items(l, n->count, sizeof(*t.items));
    for (struct yaml_node *i = n->first; i; i = i->next)
        (void)load_scalar(l, &item, i, &t.items[t.count++]);
    *dest = t;
}

static void load_pairs(struct loader *l, const struct conf_row *row, struct yaml_node *n,
                       struct conf_pairs *dest)
{
    struct conf_row item = { row->key, CONF_TEXT, 0, sizeof(struct str), .flags = row->flags };
    struct conf_pairs p = { 0 };

    if (n->kind != YAML_MAP) {
        if (!yaml_is_null(n))
            wrong_kind(l, row, n, "write key: value under it");
        return;
    }
    if (item_count_wrong(l, row, n))
        return;
    p.items = take_items(l, n->count, sizeof(*p.items));
    for (struct yaml_node *i = n->first; i; i = i->next) {
        struct conf_pair *pair = &p.items[p.count++];

        pair->key = arena_dup(l->arena, i->key);
        item.key = pair->key.p;
        (void)load_scalar(l, &item, i, &pair->value);
    }
    *dest = p;
}

static void load_item(struct loader *l, const struct conf_row *row, struct yaml_node *n, void *item)
{
    size_t errors = l->report->errors;
    struct conf_say say = { l, n, n->at };
    bool named = row->type == CONF_MAP;

    if (n->kind == YAML_BAD)
        return;
    if (n->kind != YAML_MAP && !(named && yaml_is_null(n))) {
        report_add(l->report, REPORT_ERROR, &n->at, "write - key: value",
                   "each of '%.*s' must be a section, not %s", STR_ARG(value_key(row)),
                   node_noun(n));
        return;
    }
    if (named)
        *(struct str *)item = arena_dup(l->arena, n->key);
    load_section(l, row->rows, n->kind == YAML_MAP ? n : NULL, named ? &n->key_at : &n->at, item);
    if (row->item_check && l->report->errors == errors)
        row->item_check(item, &say);
}

static void load_items(struct loader *l, const struct conf_row *row, struct yaml_node *n,
                       struct conf_list *dest)
{
    enum yaml_kind kind = row->type == CONF_LIST ? YAML_LIST : YAML_MAP;
    struct conf_list list = { 0 };

    if (n->kind != kind) {
        wrong_kind(l, row, n,
                   kind == YAML_LIST ? "begin each item with '- '" : "write name: {...} under it");
        return;
    }
    if (item_count_wrong(l, row, n))
        return;
    list.items = take_items(l, n->count, row->item_size);
    for (struct yaml_node *i = n->first; i; i = i->next) {
        char *item = (char *)list.items + list.count++ * row->item_size;

        load_item(l, row, i, item);
    }
    *dest = list;
}

/* ---- sections ---- */

/* A section that is no map: empty and `true` turn it on, `false` turns an optional one off. */
static bool section_on(struct loader *l, const struct conf_row *row, struct yaml_node *n)
{
    if (n->kind == YAML_MAP || n->kind == YAML_BAD || yaml_is_null(n))
        return true;
    if (row->has && n->kind == YAML_TEXT && n->plain && str_eq(n->text, STR("true")))
        return true;
    if (row->has && n->kind == YAML_TEXT && n->plain && str_eq(n->text, STR("false")))
        return false;
    wrong_kind(l, row, n,
               row->has ? "write its keys under it, or true or false to turn it on or off"
                        : "write its keys under it");
    return false;
}

static void load_value(struct loader *l, const struct conf_row *row, struct yaml_node *n,
                       void *base)
{
    void *dest = conf_field(base, row);
    size_t errors = l->report->errors;
    struct conf_say say = { l, n, n->at };
    bool on = true;

    switch (row->type) {
    case CONF_TEXTS:
        load_texts(l, row, n, dest);
        break;
    case CONF_PAIRS:
        load_pairs(l, row, n, dest);
        break;
    case CONF_LIST:
    case CONF_MAP:
        load_items(l, row, n, dest);
        break;
    case CONF_SECTION:
        on = section_on(l, row, n);
        if (on)
            load_section(l, row->rows, n->kind == YAML_MAP ? n : NULL, &n->key_at, dest);
        break;
    case CONF_GONE:
        report_add(l->report, REPORT_ERROR, &n->key_at, row->help, "'%s' is no key of this section",
                   row->key);
        return;
    case CONF_IGNORED:
        report_add(l->report, REPORT_WARNING, &n->key_at, row->help, "'%s' is ignored", row->key);
        return;
    case CONF_ANY:
    case CONF_END:
        break;
    default:
        (void)load_scalar(l, row, n, dest);
    }
    if (row->has)
        *((bool *)base + row->has - 1) = on;
    if (row->check && on && l->report->errors == errors)
        row->check(dest, &say);
}

static void load_missing(struct loader *l, const struct conf_row *row, const struct yaml_place *at,
                         void *base)
{
    bool right = true;

    if (row->flags & CONF_REQUIRED) {
        if (!l->partial)
            report_add(l->report, REPORT_ERROR, at, row->help, "'%.*s' is missing here",
                       STR_ARG(value_key(row)));
        return;
    }
    if (row->type == CONF_SECTION && !row->has)
        load_section(l, row->rows, NULL, at, conf_field(base, row));
    else
        right = conf_default(row, conf_field(base, row), l->arena, l->report);
    assert(right); /* the rows' own mistake; their unit test loads an empty file */
}

static struct yaml_node *file_member(struct yaml_node *node, const struct conf_row *row)
{
    char key[128];

    if (!(row->flags & CONF_FILE))
        return NULL;
    snprintf(key, sizeof(key), "%.*s_file", STR_ARG(value_key(row)));
    return yaml_member(node, str_of(key));
}

static void load_section(struct loader *l, const struct conf_row *rows, struct yaml_node *node,
                         const struct yaml_place *at, void *dest)
{
    for (struct yaml_node *n = node ? node->first : NULL; n; n = n->next)
        if (!find_row(rows, n->key) && !find_file_row(rows, n->key))
            unknown_key(l, rows, n);
    for (const struct conf_row *row = rows; row->key; row++) {
        struct yaml_node *given = yaml_member(node, value_key(row)), *file = file_member(node, row);

        if (!given && !file) {
            load_missing(l, row, at, dest);
            continue;
        }
        if (given && file)
            report_add(l->report, REPORT_ERROR, &file->key_at, "keep one of the two",
                       "'%.*s' is given already, in line %u", STR_ARG(value_key(row)),
                       given->key_at.line);
        /* The default first, so that a wrong value leaves something whole behind. */
        if (!(row->flags & CONF_REQUIRED) && row->type != CONF_SECTION) {
            bool right = conf_default(row, conf_field(dest, row), l->arena, l->report);

            assert(right);
        }
        if (given)
            load_value(l, row, given, dest);
        else
            load_from_file(l, row, file, dest);
    }
}

/* ---- the whole ---- */

bool conf_default(const struct conf_row *row, void *dest, struct arena *a, struct conf_report *r)
{
    struct conf_source source = { "(default)", str_of(row->def) };
    struct loader l = { .arena = a, .report = r };
    struct conf_row whole = *row;
    struct value_why why;
    struct yaml_node *n;
    size_t errors = r->errors;

    if (!row->def && row->number > 0)
        value_put_unsigned(row, dest, row->number);
    if (!row->def || row->type == CONF_SECTION)
        return true;
    if (value_is_scalar(row->type))
        return value_parse(row, source.text, row->type < CONF_TEXT, dest, a, &why) == 0;
    n = yaml_parse(a, &source, r, &l.partial);
    if (!n || r->errors > errors)
        return false;
    whole.offset = 0;
    whole.has = 0;
    whole.check = NULL;
    load_value(&l, &whole, n, dest);
    return r->errors == errors;
}

static struct yaml_node *parse_all(struct arena *a, const struct conf_source *sources, size_t count,
                                   struct conf_report *r, bool *out_partial)
{
    struct yaml_node *root = NULL;

    for (size_t i = 0; i < count; i++) {
        bool partial;
        struct yaml_node *n = yaml_parse(a, &sources[i], r, &partial);

        *out_partial = *out_partial || partial;
        if (n && n->kind != YAML_MAP && !yaml_is_null(n)) {
            if (n->kind != YAML_BAD)
                report_add(r, REPORT_ERROR, &n->at, "begin with a key: value",
                           "the file must be a section, not %s", node_noun(n));
            continue;
        }
        root = yaml_overlay(root, n);
    }
    return root;
}

int conf_load(const struct conf_schema *s, const struct conf_source *sources, size_t count,
              const struct conf_reader *reader, struct conf **out, struct conf_report *r)
{
    struct arena trees = arena_init(CONF_ARENA_MAX);
    struct conf *c = NEW(struct conf);
    struct loader l = { s, &c->arena, r, reader, false };
    struct yaml_place whole = { count > 0 ? &sources[count - 1] : NULL, 0, 0 };
    struct conf_say say = { &l, NULL, whole };
    struct yaml_node *root;
    size_t errors = r->errors;
    int rc = 0;

    r->rows = s->rows;
    c->schema = s;
    c->arena = arena_init(CONF_ARENA_MAX);
    root = parse_all(&trees, sources, count, r, &l.partial);
    c->root = arena_take(&c->arena, s->size);
    load_section(&l, s->rows, root && root->kind == YAML_MAP ? root : NULL, &whole, c->root);
    if (s->check && r->errors == errors) {
        say.node = root;
        s->check(c->root, &say);
    }
    report_sort(r);
    if (r->errors > errors) {
        conf_free(c);
        rc = ERR_VALUE;
    } else {
        *out = c;
    }
    arena_fini(&trees);
    return rc;
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    arena_fini(&c->arena);
    mem_free(c);
}

const void *conf_root(const struct conf *c)
{
    return c->root;
}

const struct conf_schema *conf_schema_of(const struct conf *c)
{
    return c->schema;
}
