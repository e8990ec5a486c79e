/*
 * The text of mosquitto.conf as lines that know their directive, their place and their listener.
 *
 * Reads as mosquitto does: a line whose first character is # is a comment; name and value are parted by
 * blanks; a value of one word ends there, a text goes on to the end of the line; each file of an
 * include_dir begins with the default listener again, and only the main file may include. What mosquitto
 * takes but hardly anybody means (words that it drops, letters behind a number) is a mistake here, since
 * whoever wrote it believes that it has an effect.
 */
#include "base/mem.h"
#include "conf/mosquitto_impl.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* What the lines below are about; each file begins anew. */
struct reader {
    struct mosquitto *m;
    const struct conf_source *source;
    bool included;
    struct mosquitto_listener *listener;
    struct mosquitto_line *bridge, *plugin;
};

static void read_file(struct mosquitto *m, const struct conf_source *source, bool included);

void mosquitto_mistake(struct mosquitto *m, struct mosquitto_line *l, const char *mend,
                       const char *fmt, ...)
{
    struct yaml_place at = l->value_at.line ? l->value_at : l->at;
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (l->row && (l->row->flags & ROW_SECRET))
        at.column = 0; /* the line is not shown */
    report_add(m->report, REPORT_ERROR, &at, mend, "%s", text);
    l->fate = FATE_MISTAKE;
    l->say = arena_dup(&m->arena, str_of(text));
    l->done = true;
}

/* ---- characters ---- */

/* What MQTT_1.5.4 and YAML both take: no control characters, no byte order mark. */
static bool is_text(struct str s)
{
    if (!utf8_valid(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i], next = i + 1 < s.n ? (unsigned char)s.p[i + 1] : 0,
                      third = i + 2 < s.n ? (unsigned char)s.p[i + 2] : 0;

        if ((c < 0x20 && c != '\t') || c == 0x7f || (c == 0xc2 && next < 0xa0) ||
            (c == 0xef && next == 0xbb && third == 0xbf) ||
            (c == 0xef && next == 0xbf && third >= 0xbe))
            return false;
    }
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static unsigned column_of(struct str line, size_t at)
{
    unsigned column = 1;

    for (size_t i = 0; i < at; i++)
        column += ((unsigned char)line.p[i] & 0xc0) != 0x80;
    return column;
}

/* ---- one line ---- */

static struct mosquitto_line *line_new(struct reader *r, struct str text, unsigned number)
{
    struct mosquitto_line *l = arena_take(&r->m->arena, sizeof(*l));
    size_t from = 0, to, value;

    assert(l); /* MOSQUITTO_LINES_MAX of them fit */
    while (from < text.n && is_blank(text.p[from]))
        from++;
    for (to = from; to < text.n && !is_blank(text.p[to]); to++)
        ;
    for (value = to; value < text.n && is_blank(text.p[value]); value++)
        ;
    l->at = (struct yaml_place){ r->source, number, column_of(text, from) };
    l->name = str_sub(text, from, to - from);
    l->value = str_trim(str_skip(text, value));
    if (l->value.n > 0)
        l->value_at = (struct yaml_place){ r->source, number, column_of(text, value) };
    *r->m->lines_end = l;
    r->m->lines_end = &l->next;
    return l;
}

/* The value's first word; what stands behind it may be a comment only. */
static bool take_word(struct mosquitto *m, struct mosquitto_line *l)
{
    struct str rest = l->value, word;
    size_t n = 0;

    while (n < rest.n && !is_blank(rest.p[n]))
        n++;
    word = str_sub(rest, 0, n);
    rest = str_trim(str_skip(rest, n));
    if (rest.n > 0 && rest.p[0] != '#') {
        mosquitto_mistake(m, l, "mosquitto drops the rest of the line: leave it out",
                          "'%s' takes one word, not '%s'", l->row->name,
                          report_show(l->value).text);
        return false;
    }
    l->value = word;
    return true;
}

static void take_bool(struct mosquitto *m, struct mosquitto_line *l)
{
    l->on = str_eq(l->value, STR("true")) || str_eq(l->value, STR("1"));
    if (!l->on && !str_eq(l->value, STR("false")) && !str_eq(l->value, STR("0")))
        mosquitto_mistake(m, l, NULL, "'%s' must be true or false, not '%s'", l->row->name,
                          report_show(l->value).text);
}

static void take_number(struct mosquitto *m, struct mosquitto_line *l)
{
    const struct mosquitto_row *row = l->row;

    if (str_to_i64(l->value, &l->number))
        mosquitto_mistake(m, l, NULL, "'%s' must be a whole number, not '%s'", row->name,
                          report_show(l->value).text);
    else if ((row->least || row->most) && (l->number < row->least || l->number > row->most))
        mosquitto_mistake(m, l, NULL, "'%s' must be a number from %lld to %lld, not %lld",
                          row->name, (long long)row->least, (long long)row->most,
                          (long long)l->number);
}

static void take_value(struct mosquitto *m, struct mosquitto_line *l)
{
    enum mosquitto_kind kind = l->row->kind;

    if (l->value.n == 0)
        mosquitto_mistake(m, l, NULL, "'%s' has no value", l->row->name);
    else if (kind == KIND_TEXT || kind == KIND_PATH || !take_word(m, l))
        return;
    else if (kind == KIND_BOOL)
        take_bool(m, l);
    else if (kind == KIND_NUMBER)
        take_number(m, l);
}

/* ---- whom a line is about ---- */

static const char *const not_twice = "keep one of the two";

/* Text values may be given once, as in mosquitto; of others the last one counts. */
static void put(struct mosquitto *m, struct mosquitto_line **place, struct mosquitto_line *l)
{
    struct mosquitto_line *before = *place;
    bool text = l->row->kind == KIND_TEXT || l->row->kind == KIND_PATH;

    if (before && !(l->row->flags & ROW_MANY)) {
        if (text) {
            mosquitto_mistake(m, l, not_twice, "'%s' is given already, in line %u", l->row->name,
                              before->at.line);
            return;
        }
        mosquitto_fate(m, before, FATE_IGNORED, "given once more in line %u", l->at.line);
    }
    *place = l;
}

static void note_security(struct mosquitto *m, struct mosquitto_line *l)
{
    if (l->row->scope == SCOPE_SECURITY && !m->security)
        m->security = l;
}

static void place_line(struct reader *r, struct mosquitto_line *l)
{
    const struct mosquitto_row *row = l->row;
    struct mosquitto *m = r->m;
    bool own = row->scope == SCOPE_LISTENER || (row->scope == SCOPE_SECURITY && m->per_listener);

    note_security(m, l);
    if (own)
        l->listener = r->listener;
    if (own && !r->listener->line && (row->flags & ROW_STARTS) && !r->listener->started)
        r->listener->started = l;
    if (row->id != ID_NONE)
        put(m, own ? &r->listener->has[row->id] : &m->has[row->id], l);
}

/* ---- the lines that change what follows ---- */

static void take_listener(struct reader *r, struct mosquitto_line *l)
{
    struct mosquitto_listener *n = arena_take(&r->m->arena, sizeof(*n));

    assert(n);
    n->line = l;
    l->listener = n;
    *r->m->listeners_end = n;
    r->m->listeners_end = &n->next;
    r->listener = n;
}

static void take_per_listener(struct mosquitto *m, struct mosquitto_line *l)
{
    if (l->on && m->security && !m->per_listener) {
        mosquitto_mistake(m, l, "put it above them", "'%s' stands below '%s' of line %u",
                          l->row->name, m->security->row->name, m->security->at.line);
        return;
    }
    m->per_listener = m->per_listener || l->on;
    mosquitto_fate(m, l, FATE_UNDERSTOOD, "%s",
                   m->per_listener ? "who may use a listener stands below it"
                                   : "who may do what is about all listeners");
}

/* A bridge's or plugin's part; false: there is nothing that it could be a part of. */
static void take_part(struct reader *r, struct mosquitto_line *l)
{
    bool bridge = l->row->scope == SCOPE_BRIDGE;
    struct mosquitto_line *whole = bridge ? r->bridge : r->plugin;

    if (!whole) {
        mosquitto_mistake(r->m, l, NULL, "'%s' belongs to a %s, and there is none above it",
                          report_show(l->name).text, bridge ? "connection" : "plugin");
        return;
    }
    if (bridge && !whole->done && mosquitto_has_bridges(r->m)) {
        l->whole = whole;
        return;
    }
    mosquitto_fate(r->m, l, FATE_REFUSED, "a part of line %u", whole->at.line);
    l->silent = true;
}

/* ---- include_dir ---- */

/* As mosquitto orders them: by letter, and the capital before the small one. */
static int compare_names(const void *a, const void *b)
{
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    size_t i = 0;

    for (; x[i] && y[i]; i++) {
        int cx = (unsigned char)x[i], cy = (unsigned char)y[i];
        int lx = cx >= 'A' && cx <= 'Z' ? cx + 32 : cx, ly = cy >= 'A' && cy <= 'Z' ? cy + 32 : cy;

        if (lx != ly)
            return lx - ly;
        if (cx != cy)
            return cx - cy;
    }
    return (unsigned char)x[i] - (unsigned char)y[i];
}

static void include_file(struct mosquitto *m, struct mosquitto_line *l, struct str dir,
                         const char *name)
{
    struct conf_source *source = arena_take(&m->arena, sizeof(*source));
    struct buf text = buf_init(CONF_FILE_MAX);
    struct fault f;

    assert(source);
    source->name =
        arena_printf(&m->arena, "%.*s%s%s", STR_ARG(dir), str_ends(dir, STR("/")) ? "" : "/", name)
            .p;
    assert(source->name);
    if (m->world->read(m->world->ctx, source->name, &text, &f)) {
        mosquitto_mistake(m, l, NULL, "%s", f.text);
    } else {
        source->text = arena_dup(&m->arena, buf_str(&text));
        assert(source->text.p);
        read_file(m, source, true);
    }
    buf_fini(&text);
}

static size_t count_names(const struct buf *names, const char **out)
{
    struct str rest = buf_str(names);
    size_t n = 0;

    while (rest.n > 0) {
        size_t end = str_find(rest, '\0');

        if (str_ends(str_sub(rest, 0, end), STR(".conf")) && n <= MOSQUITTO_FILES_MAX)
            out[n++] = rest.p;
        rest = str_skip(rest, end + 1);
    }
    return n;
}

static void take_include(struct reader *r, struct mosquitto_line *l)
{
    struct mosquitto *m = r->m;
    const char *names[MOSQUITTO_FILES_MAX + 1];
    struct buf found = buf_init(1u << 20);
    struct str dir = arena_dup(&m->arena, l->value);
    struct fault f;
    size_t n;

    assert(dir.p);
    if (r->included) {
        mosquitto_fate(m, l, FATE_IGNORED, "only the main file includes others, as in mosquitto");
        return;
    }
    if (m->world->list(m->world->ctx, dir.p, &found, &f)) {
        mosquitto_mistake(m, l, NULL, "%s", f.text);
        goto out;
    }
    n = count_names(&found, names);
    m->file_count += n;
    if (found.over || m->file_count > MOSQUITTO_FILES_MAX) {
        mosquitto_mistake(m, l, NULL, "more than %d files are included", MOSQUITTO_FILES_MAX);
        goto out;
    }
    mosquitto_fate(m, l, FATE_UNDERSTOOD, "%zu file%s", n, n == 1 ? "" : "s");
    if (n > 0)
        qsort(names, n, sizeof(*names), compare_names);
    for (size_t i = 0; i < n; i++)
        include_file(m, l, dir, names[i]);
out:
    buf_fini(&found);
}

/* ---- files ---- */

static void act(struct reader *r, struct mosquitto_line *l)
{
    struct mosquitto *m = r->m;
    enum mosquitto_id id = l->row->id;

    if (l->row->way == WAY_PART) {
        take_part(r, l);
        return;
    }
    place_line(r, l);
    if (l->done && id != ID_LISTENER && id != ID_CONNECTION && id != ID_PLUGIN)
        return;
    if (id == ID_LISTENER || id == ID_PORT || id == ID_BIND_ADDRESS)
        m->explicit = m->explicit ? m->explicit : l;
    if (id == ID_LISTENER)
        take_listener(r, l);
    else if (id == ID_PER_LISTENER)
        take_per_listener(m, l);
    else if (id == ID_INCLUDE_DIR)
        take_include(r, l);
    else if (id == ID_CONNECTION)
        r->bridge = l;
    else if (id == ID_PLUGIN)
        r->plugin = l;
}

static void unknown(struct mosquitto *m, struct mosquitto_line *l)
{
    bool shown = m->report->count < CONF_PROBLEMS_MAX; /* else nobody reads the guess */
    const char *guess;
    char mend[128] = "";

    for (size_t i = 1; i < l->name.n; i++) /* NAME=VALUE is no name */
        if (l->name.p[i] == '=' || l->name.p[i] == ':')
            l->name.n = i;
    guess = shown ? mosquitto_guess(l->name) : NULL;
    if (guess)
        snprintf(mend, sizeof(mend), "did you mean '%s'?", guess);
    else if (l->name.p[0] == '#')
        snprintf(mend, sizeof(mend), "a comment has its # in the first column");
    l->value_at.line = 0; /* the name is what is wrong */
    l->at.hidden = true;  /* it may be a misspelled password */
    mosquitto_mistake(m, l, mend, "unknown directive '%s'", report_show(l->name).text);
}

static void read_line(struct reader *r, struct str text, unsigned number)
{
    struct mosquitto *m = r->m;
    struct mosquitto_line *l;

    while (text.n > 0 && text.p[text.n - 1] == '\r')
        text.n--;
    if (str_trim(text).n == 0 || text.p[0] == '#')
        return;
    if (++m->line_count > MOSQUITTO_LINES_MAX) {
        struct yaml_place at = { r->source, number, 1 };

        if (m->line_count == MOSQUITTO_LINES_MAX + 1)
            report_add(m->report, REPORT_ERROR, &at, NULL, "more than %d directives",
                       MOSQUITTO_LINES_MAX);
        return;
    }
    if (!is_text(text)) {
        struct yaml_place at = { r->source, number, 0 };

        report_add(m->report, REPORT_ERROR, &at, "save the file as UTF-8 without such bytes",
                   "this line is not text: control characters, or not UTF-8");
        return;
    }
    l = line_new(r, text, number);
    l->row = mosquitto_row(l->name);
    if (!l->row) {
        unknown(m, l);
        return;
    }
    take_value(m, l);
    act(r, l);
}

static void read_file(struct mosquitto *m, const struct conf_source *source, bool included)
{
    struct reader r = { m, source, included, &m->standard, NULL, NULL };
    struct str rest = source->text;
    unsigned number = 0;

    while (rest.p)
        read_line(&r, str_cut(&rest, '\n'), ++number);
}

void mosquitto_read(struct mosquitto *m, const struct conf_source *file)
{
    read_file(m, file, false);
}
