/*
 * Collecting and showing what is wrong with a configuration. A person should need one run: all
 * mistakes come at once, in the order of the file, each with its line, a caret under the place and
 * what to write. Problems own copies of what they show, so that a report outlives the sources.
 *
 * What is shown goes to logs and to the output of build machines, so a line that may hold a secret is
 * not shown. Which one does is seen in the text, since a file that is wrong has no tree to ask. A
 * password within an address is masked, there and in every sentence.
 */
#include "conf/report.h"

#include "base/mem.h"
#include "conf/mask.h"
#include "conf/value.h"
#include "wire/json.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_SHOWN     160 /* bytes of a source line that are shown; longer lines are cut around it */
#define LINE_MAX_BYTES 4096 /* of a longer one nothing is shown */
#define MASK_MAX       1024 /* bytes of a value that are looked at; 60 are shown */

void conf_report_fini(struct conf_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        mem_free(r->items[i].mend);
        mem_free(r->items[i].line);
    }
    mem_free(r->items);
    *r = conf_report_init();
}

struct report_shown report_show(struct str s)
{
    struct report_shown out;
    struct buf masked = buf_init(4 * MASK_MAX);
    struct str whole, shown;

    /* Before it is cut: without its '@' a password looks like any other text. */
    mask_passwords(str_sub(s, 0, MASK_MAX), &masked);
    whole = buf_str(&masked);
    shown = utf8_clip(whole, 60);
    for (size_t i = 0; i < shown.n; i++) {
        unsigned char c = (unsigned char)shown.p[i];

        out.text[i] = c < 0x20 || c == 0x7f ? '?' : shown.p[i];
    }
    snprintf(out.text + shown.n, sizeof(out.text) - shown.n, "%s", shown.n < whole.n ? "..." : "");
    buf_fini(&masked);
    return out;
}

/* The key itself or the end of another (mosquitto's remote_password), not the beginning of one: what
 * is behind password_file is no secret. */
static bool has_key(struct str line, struct str key)
{
    size_t at;

    while ((at = str_find_str(line, key)) < line.n) {
        char next = at + key.n < line.n ? line.p[at + key.n] : ' ';

        if (next != '_' && !(next >= 'a' && next <= 'z'))
            return true;
        line = str_skip(line, at + key.n);
    }
    return false;
}

static bool names_secret(const struct conf_row *rows, struct str line)
{
    for (const struct conf_row *row = rows; row && row->key; row++)
        if (((row->flags & CONF_SECRET) && has_key(line, value_key(row))) ||
            names_secret(row->rows, line))
            return true;
    return false;
}

static size_t indent_of(struct str line)
{
    size_t i = 0;

    while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
        i++;
    return i;
}

/* Whether the line names a secret, or a line does under which it stands (a value may have lines of its
 * own). */
static bool holds_secret(const struct conf_row *rows, struct str text, struct str line)
{
    size_t indent = indent_of(line), from = (size_t)(line.p - text.p), end;

    if (names_secret(rows, line))
        return true;
    while (from > 0 && indent > 0) {
        end = from - 1;
        for (from = end; from > 0 && text.p[from - 1] != '\n'; from--)
            ;
        line = str_sub(text, from, end - from);
        if (indent_of(line) >= indent || str_trim(line).n == 0)
            continue;
        indent = indent_of(line);
        if (names_secret(rows, line))
            return true;
    }
    return false;
}

/* Bytes of the first `chars` characters of s. */
static size_t bytes_of(struct str s, size_t chars)
{
    size_t i = 0;

    while (i < s.n && chars > 0) {
        for (i++; i < s.n && ((unsigned char)s.p[i] & 0xc0) == 0x80; i++)
            ;
        chars--;
    }
    return i;
}

/* NULL where the caret would stand behind what is masked, and so at another place than it means. */
static char *masked_line(struct str line, unsigned column)
{
    struct buf b = buf_init(4 * LINE_MAX_BYTES);
    size_t first = mask_passwords(line, &b);
    char *out = NULL;

    if (first == line.n || bytes_of(line, column - 1) <= first)
        out = str_dup(buf_str(&b));
    buf_fini(&b);
    return out;
}

/* A sentence of at most `size` bytes in its place. */
static void mask_sentence(char *text, size_t size)
{
    struct buf b = buf_init(4 * size);

    mask_passwords(str_of(text), &b);
    snprintf(text, size, "%s", buf_cstr(&b));
    buf_fini(&b);
}

/* The line of the source, or NULL. */
static char *source_line(const struct conf_row *rows, const struct yaml_place *at)
{
    struct str rest = at->source->text, line = STR_NONE;

    for (unsigned i = 0; i < at->line; i++) {
        if (!rest.p)
            return NULL;
        line = str_cut(&rest, '\n');
    }
    if (!line.p || line.n > LINE_MAX_BYTES || holds_secret(rows, at->source->text, line))
        return NULL;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return masked_line(line, at->column);
}

struct yaml_place report_origin(const struct yaml_place *at)
{
    const struct conf_source *s = at ? at->source : NULL;
    const struct conf_origin *o;

    if (!s || !s->origins)
        return at ? *at : (struct yaml_place){ 0 };
    if (at->line == 0 || at->line > s->origin_count || s->origins[at->line - 1].line == 0)
        return (struct yaml_place){ s, 0, 0, at->hidden };
    o = &s->origins[at->line - 1];
    return (struct yaml_place){ o->source, o->line, o->column, at->hidden };
}

/* One line that the person wrote may have become several; what is wrong with it is told once. */
static bool is_said(const struct conf_report *r, const struct yaml_place *at, const char *text)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct fault *f = &r->items[i].at;

        if (f->line == at->line && f->column == at->column &&
            strcmp(f->file, at->source->name) == 0 && strcmp(f->text, text) == 0)
            return true;
    }
    return false;
}

int report_add(struct conf_report *r, enum report_kind kind, const struct yaml_place *at,
               const char *mend, const char *fmt, ...)
{
    struct conf_problem *p;
    va_list ap;
    char text[sizeof(p->at.text)];
    struct yaml_place shown = report_origin(at);

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    mask_sentence(text, sizeof(text));
    if (at && at->source && at->source->origins && is_said(r, &shown, text))
        return ERR_VALUE;
    if (kind == REPORT_ERROR)
        r->errors++;
    if (r->count == CONF_PROBLEMS_MAX) {
        r->dropped++;
        return ERR_VALUE;
    }
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 8;
        r->items = mem_resize(r->items, r->cap * sizeof(*r->items));
    }
    p = &r->items[r->count++];
    memset(p, 0, sizeof(*p));
    p->warning = kind == REPORT_WARNING;
    fault_at(&p->at, ERR_VALUE, shown.source ? shown.source->name : "", shown.line, shown.column,
             "%s", text);
    p->hidden = shown.hidden;
    p->mend = mend && mend[0] ? str_dup(str_of(mend)) : NULL;
    p->line = shown.source && shown.line && shown.column ? source_line(r->rows, &shown) : NULL;
    return ERR_VALUE;
}

void conf_report_add(struct conf_report *r, const struct fault *f)
{
    size_t count = r->count;

    report_add(r, REPORT_ERROR, NULL, NULL, "%s", f->text);
    if (r->count == count)
        return;
    r->items[count].at = *f;
    mask_sentence(r->items[count].at.text, sizeof(f->text));
}

/* Which file of the report a problem belongs to: the index of the first problem of that file. */
static size_t file_order(const struct conf_report *r, const struct conf_problem *p)
{
    size_t i = 0;

    while (i < r->count && strcmp(r->items[i].at.file, p->at.file) != 0)
        i++;
    return i;
}

static bool is_before(const struct conf_problem *a, size_t a_file, const struct conf_problem *b,
                      size_t b_file)
{
    if (a_file != b_file)
        return a_file < b_file;
    if (a->at.line != b->at.line)
        return a->at.line < b->at.line;
    return a->at.column < b->at.column;
}

/* A line that one problem hides no other one shows. */
static void hide_lines(struct conf_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct fault *hidden = &r->items[i].at;

        for (size_t k = 0; r->items[i].hidden && k < r->count; k++) {
            struct conf_problem *p = &r->items[k];

            if (p->at.line == hidden->line && strcmp(p->at.file, hidden->file) == 0) {
                mem_free(p->line);
                p->line = NULL;
            }
        }
    }
}

void report_sort(struct conf_report *r)
{
    size_t files[CONF_PROBLEMS_MAX] = { 0 };

    hide_lines(r);
    for (size_t i = 0; i < r->count; i++)
        files[i] = file_order(r, &r->items[i]);
    /* Insertion keeps equals in order, and there are at most CONF_PROBLEMS_MAX. */
    for (size_t i = 1; i < r->count; i++) {
        struct conf_problem p = r->items[i];
        size_t file = files[i], at = i;

        while (at > 0 && is_before(&p, file, &r->items[at - 1], files[at - 1])) {
            r->items[at] = r->items[at - 1];
            files[at] = files[at - 1];
            at--;
        }
        r->items[at] = p;
        files[at] = file;
    }
}

/* The line and a caret under the column; tabs stay tabs so that the caret stands where it should. */
static void render_line(const struct conf_problem *p, struct buf *out)
{
    struct str line = str_of(p->line), before;
    size_t at = bytes_of(line, p->at.column - 1), from = 0;

    if (line.n > LINE_SHOWN && at > LINE_SHOWN / 2)
        from = bytes_of(line, p->at.column - 1 - LINE_SHOWN / 4);
    if (from > at)
        from = at;
    buf_put(out, STR("    "));
    if (from > 0)
        buf_put(out, STR("..."));
    line = str_sub(line, from,
                   line.n > LINE_SHOWN ? bytes_of(str_skip(line, from), LINE_SHOWN) : line.n);
    before = str_sub(line, 0, at - from);
    buf_put(out, line);
    buf_put(out, STR("\n    "));
    if (from > 0)
        buf_put(out, STR("   "));
    for (size_t i = 0; i < before.n; i++) {
        if (before.p[i] == '\t')
            buf_u8(out, '\t');
        else if (((unsigned char)before.p[i] & 0xc0) != 0x80)
            buf_u8(out, ' ');
    }
    buf_put(out, STR("^\n"));
}

void conf_report_render(const struct conf_report *r, struct buf *out)
{
    char text[1024];

    for (size_t i = 0; i < r->count; i++) {
        const struct conf_problem *p = &r->items[i];

        buf_printf(out, "%s%s%s\n", fault_text(&p->at, text, sizeof(text)), p->mend ? "; " : "",
                   p->mend ? p->mend : "");
        if (p->warning)
            buf_put(out, STR("    (only a warning)\n"));
        if (p->line && p->at.column > 0)
            render_line(p, out);
    }
    if (r->dropped > 0)
        buf_printf(out, "and %zu more\n", r->dropped);
}

void conf_report_json(const struct conf_report *r, struct buf *out)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    json_put_u64(&w, "errors", r->errors);
    json_key(&w, "problems");
    json_begin_array(&w);
    for (size_t i = 0; i < r->count; i++) {
        const struct conf_problem *p = &r->items[i];

        json_begin_object(&w);
        json_key(&w, "file");
        json_text(&w, p->at.file);
        json_put_u64(&w, "line", p->at.line);
        json_put_u64(&w, "column", p->at.column);
        json_key(&w, "text");
        json_text(&w, p->at.text);
        json_key(&w, "mend");
        json_text(&w, p->mend);
        json_put_bool(&w, "warning", p->warning);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
}

void conf_report_fault(const struct conf_report *r, struct fault *f)
{
    const struct conf_problem *p = NULL;

    *f = (struct fault){ 0 };
    for (size_t i = 0; i < r->count && !p; i++)
        if (!r->items[i].warning)
            p = &r->items[i];
    if (!p)
        return;
    fault_at(f, ERR_VALUE, p->at.file, p->at.line, p->at.column, "%.400s%s%.60s", p->at.text,
             p->mend ? "; " : "", p->mend ? p->mend : "");
    if (r->errors > 1) {
        size_t n = strlen(f->text);

        snprintf(f->text + n, sizeof(f->text) - n, " (and %zu more)", r->errors - 1);
    }
}
