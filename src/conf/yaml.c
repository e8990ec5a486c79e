/*
 * YAML 1.2 as a tree of our own, over the event parser of libfyaml, for whoever reads settings.
 * Events, not documents: so nothing is ever expanded, and a hostile file costs what it weighs.
 *
 * Refused, each at its place: aliases, anchors, merge keys and tags (ten lines of aliases can ask
 * for gigabytes, and no setting needs them), keys that are no plain words, the same key twice, a
 * second document, bytes that are not UTF-8, control characters, and what is larger or deeper than
 * conf.h allows. After a mistake of syntax nothing more can be read, so the tree is then partial.
 */
#include "conf/yaml.h"

#include "conf/explain.h"
#include "conf/report.h"

#include <assert.h>
#include <libfyaml.h>

#define MEMBERS_MAX 2000 /* of one section; keeps the search for doubles cheap */

struct frame {
    struct yaml_node *node;
    struct str key; /* of the member whose value comes next */
    struct yaml_place key_at;
    bool has_key, drop; /* drop: the value is read over, its key was reported */
};

struct reader {
    struct arena *arena;
    const struct conf_source *source;
    struct conf_report *report;
    struct yaml_node *root;
    struct frame stack[CONF_DEPTH_MAX + 1];
    size_t depth;
    size_t skip; /* open containers that are read over */
    size_t nodes, documents;
    bool stop;
};

/* ---- places and text ---- */

static struct yaml_place place_of(const struct reader *r, const struct fy_mark *m, unsigned back)
{
    struct yaml_place at = { r->source, 0, 0 };

    if (m && m->line >= 0 && m->column >= 0) {
        at.line = (unsigned)m->line + 1;
        at.column = (unsigned)m->column + 1;
        at.column -= back < at.column ? back : 0;
    }
    return at;
}

/* The mark of a quoted text is behind its quote; a person looks for the quote. */
static unsigned quote_width(struct fy_token *t)
{
    enum fy_scalar_style style = fy_token_scalar_style(t);

    return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

static struct yaml_place token_place(const struct reader *r, struct fy_token *t)
{
    return place_of(r, t ? fy_token_start_mark(t) : NULL, 0);
}

static struct str token_text(struct reader *r, struct fy_token *t)
{
    size_t n = 0;
    const char *p = t ? fy_token_get_text(t, &n) : NULL;

    return arena_dup(r->arena, p ? (struct str){ p, n } : STR(""));
}

/* ---- building ---- */

static struct yaml_node *node_new(struct reader *r, enum yaml_kind kind, struct yaml_place at)
{
    struct yaml_node *n = NULL;

    if (++r->nodes <= CONF_NODES_MAX)
        n = arena_take(r->arena, sizeof(*n));
    if (!n) {
        report_add(r->report, REPORT_ERROR, &at, NULL, "more than %d keys and values",
                   CONF_NODES_MAX);
        r->stop = true;
        return NULL;
    }
    n->kind = kind;
    n->at = at;
    return n;
}

static void append(struct yaml_node *to, struct yaml_node *n)
{
    if (to->last)
        to->last->next = n;
    else
        to->first = n;
    to->last = n;
    to->count++;
}

/* Hangs a value where it belongs. */
static void attach(struct reader *r, struct yaml_node *n)
{
    struct frame *f = r->depth > 0 ? &r->stack[r->depth - 1] : NULL;

    if (!f) {
        r->root = n;
    } else if (f->node->kind == YAML_LIST) {
        append(f->node, n);
    } else {
        n->key = f->key;
        n->key_at = f->key_at;
        f->has_key = false;
        append(f->node, n);
    }
}

static bool wants_key(const struct reader *r)
{
    return r->depth > 0 && r->stack[r->depth - 1].node->kind == YAML_MAP &&
           !r->stack[r->depth - 1].has_key;
}

/* A value that nobody will see: its key was refused. */
static bool dropped(struct reader *r)
{
    struct frame *f = r->depth > 0 ? &r->stack[r->depth - 1] : NULL;

    if (!f || !f->drop)
        return false;
    f->drop = false;
    f->has_key = false;
    return true;
}

static void take_key(struct reader *r, struct str key, struct yaml_place at, bool plain)
{
    struct frame *f = &r->stack[r->depth - 1];
    struct yaml_node *twin = yaml_member(f->node, key);

    f->has_key = true;
    f->key = key;
    f->key_at = at;
    f->drop = true;
    if (plain && str_eq(key, STR("<<")))
        report_add(r->report, REPORT_ERROR, &at, "write the keys out",
                   "merge keys ('<<') are not read");
    else if (key.n == 0)
        report_add(r->report, REPORT_ERROR, &at, NULL, "a key is empty");
    else if (twin)
        report_add(r->report, REPORT_ERROR, &at, "keep one of the two",
                   "key '%s' stands here twice (first in line %u)", report_show(key).text,
                   twin->key_at.line);
    else if (f->node->count >= MEMBERS_MAX) {
        report_add(r->report, REPORT_ERROR, &at, NULL, "more than %d keys in one section",
                   MEMBERS_MAX);
        r->stop = true;
    } else
        f->drop = false;
}

static void refuse_extras(struct reader *r, struct fy_event *e)
{
    struct fy_token *anchor = fy_event_get_anchor_token(e), *tag = fy_event_get_tag_token(e);
    struct yaml_place at;

    if (anchor) {
        at = token_place(r, anchor);
        /* The mark is behind the '&'. */
        at.column -= at.column > 1;
        report_add(r->report, REPORT_ERROR, &at, "write the value out where it is needed",
                   "anchors ('&') are not read");
    }
    if (tag) {
        at = token_place(r, tag);
        report_add(r->report, REPORT_ERROR, &at, "leave it out", "tags ('!') are not read");
    }
}

static void on_alias(struct reader *r, struct fy_event *e)
{
    struct yaml_place at = place_of(r, fy_event_start_mark(e), 0);
    struct yaml_node *n;
    bool as_key = wants_key(r);

    if (r->skip > 0)
        return;
    if (!as_key && dropped(r))
        return;
    at.column -= at.column > 1; /* the mark is behind the '*' */
    report_add(r->report, REPORT_ERROR, &at,
               "write the value out, or quote a text that begins with '*'",
               "aliases ('*') are not read");
    if (as_key) {
        r->stack[r->depth - 1].has_key = r->stack[r->depth - 1].drop = true;
        return;
    }
    n = node_new(r, YAML_BAD, at);
    if (n)
        attach(r, n);
}

static void on_scalar(struct reader *r, struct fy_event *e)
{
    struct fy_token *t = fy_event_get_token(e);
    struct yaml_place at;
    struct yaml_node *n;
    bool plain = t && fy_token_scalar_style(t) == FYSS_PLAIN;

    if (r->skip > 0)
        return;
    at = place_of(r, fy_event_start_mark(e), t ? quote_width(t) : 0);
    if (at.line == 0 && r->depth > 0) /* nothing after the colon: point at the key */
        at = r->stack[r->depth - 1].key_at;
    if (wants_key(r)) {
        refuse_extras(r, e);
        take_key(r, token_text(r, t), at, plain);
        return;
    }
    if (dropped(r))
        return;
    refuse_extras(r, e);
    n = node_new(r, YAML_TEXT, at);
    if (!n)
        return;
    n->plain = plain || !t;
    n->text = token_text(r, t);
    attach(r, n);
}

static void on_open(struct reader *r, struct fy_event *e, enum yaml_kind kind)
{
    struct yaml_place at = place_of(r, fy_event_start_mark(e), 0);
    struct yaml_node *n;

    if (r->skip > 0) {
        r->skip++;
        return;
    }
    if (wants_key(r)) {
        report_add(r->report, REPORT_ERROR, &at, NULL, "a key must be a word, not %s",
                   kind == YAML_MAP ? "a section" : "a list");
        r->stack[r->depth - 1].has_key = r->stack[r->depth - 1].drop = true;
        r->skip = 1;
        return;
    }
    if (dropped(r)) {
        r->skip = 1;
        return;
    }
    refuse_extras(r, e);
    if (r->depth == CONF_DEPTH_MAX) {
        report_add(r->report, REPORT_ERROR, &at, NULL, "nested deeper than %d levels",
                   CONF_DEPTH_MAX);
        r->stop = true;
        return;
    }
    n = node_new(r, kind, at);
    if (!n)
        return;
    attach(r, n);
    r->stack[r->depth++] = (struct frame){ .node = n };
}

static void on_close(struct reader *r)
{
    if (r->skip > 0)
        r->skip--;
    else
        r->depth--;
}

static void on_document(struct reader *r, struct fy_event *e)
{
    struct yaml_place at = place_of(r, fy_event_start_mark(e), 0);

    if (++r->documents == 1)
        return;
    report_add(r->report, REPORT_ERROR, &at, "put everything above it",
               "a second document ('---') begins here");
    r->stop = true;
}

static void on_event(struct reader *r, struct fy_event *e)
{
    switch (e->type) {
    case FYET_DOCUMENT_START:
        on_document(r, e);
        break;
    case FYET_MAPPING_START:
        on_open(r, e, YAML_MAP);
        break;
    case FYET_SEQUENCE_START:
        on_open(r, e, YAML_LIST);
        break;
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        on_close(r);
        break;
    case FYET_SCALAR:
        on_scalar(r, e);
        break;
    case FYET_ALIAS:
        on_alias(r, e);
        break;
    case FYET_NONE:
    case FYET_STREAM_START:
    case FYET_STREAM_END:
    case FYET_DOCUMENT_END:
        break;
    }
}

/* ---- mistakes of syntax ---- */

static void collect_diag(struct fy_diag *diag, void *user, const char *text, size_t n)
{
    struct buf *b = user;

    (void)diag;
    buf_put_bytes(b, text, n);
}

/* ---- before the parser: bytes ---- */

/* False when there is a byte that no YAML file may have; reported. */
static bool check_bytes(struct reader *r)
{
    struct str s = r->source->text;
    struct yaml_place at = { r->source, 1, 1 };
    size_t line_from = 0;

    if (s.n > CONF_FILE_MAX) {
        at.line = at.column = 0;
        report_add(r->report, REPORT_ERROR, &at, NULL, "larger than %u KiB", CONF_FILE_MAX / 1024);
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '\n') {
            if (!utf8_valid(str_sub(s, line_from, i - line_from))) {
                at.column = 0;
                break;
            }
            at.line++;
            line_from = i + 1;
        } else if ((c < 0x20 && c != '\t' && !(c == '\r' && i + 1 < s.n && s.p[i + 1] == '\n')) ||
                   c == 0x7f) {
            /* A lone carriage return would be a line to YAML and none to most editors. */
            at.column = (unsigned)(i - line_from) + 1;
            report_add(r->report, REPORT_ERROR, &at, NULL,
                       "byte 0x%02x may not stand in a text file", c);
            return false;
        }
    }
    if (at.column == 0 || !utf8_valid(str_skip(s, line_from))) {
        at.column = 0;
        report_add(r->report, REPORT_ERROR, &at, "save the file as UTF-8",
                   "this line is not UTF-8");
        return false;
    }
    return true;
}

/* The parser looks ahead over all that is open before it says a word: a megabyte of '[' costs it
 * 400 MB. Brackets in texts count too, but nobody leaves hundreds of them open. */
#define OPEN_MAX 500

static bool check_open(struct reader *r)
{
    struct str s = r->source->text;
    struct yaml_place at = { r->source, 1, 0 };
    size_t open = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        at.line += c == '\n';
        if (c == '[' || c == '{')
            open++;
        else if ((c == ']' || c == '}') && open > 0)
            open--;
        if (open > OPEN_MAX) {
            report_add(r->report, REPORT_ERROR, &at, NULL, "nested deeper than %d levels",
                       CONF_DEPTH_MAX);
            return false;
        }
    }
    return true;
}

static void parse(struct reader *r, struct str text, bool *out_partial)
{
    struct buf said = buf_init(16384);
    struct fy_diag_cfg diag_cfg;
    struct fy_parse_cfg cfg = { .flags = FYPCF_QUIET | FYPCF_DEFAULT_VERSION_1_2 };
    struct fy_parser *p;
    struct fy_event *e;

    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    diag_cfg.output_fn = collect_diag;
    diag_cfg.user = &said;
    diag_cfg.colorize = false;
    diag_cfg.show_position = true;
    diag_cfg.show_type = true;
    cfg.diag = fy_diag_create(&diag_cfg);
    assert(cfg.diag);
    p = fy_parser_create(&cfg);
    assert(p);
    if (fy_parser_set_string(p, text.p, text.n) == 0) {
        while (!r->stop && (e = fy_parser_parse(p)) != NULL) {
            on_event(r, e);
            fy_parser_event_free(p, e);
        }
    }
    *out_partial = r->stop || fy_parser_get_stream_error(p);
    if (!r->stop && *out_partial)
        explain_syntax(r->source, buf_str(&said), r->report);
    fy_parser_destroy(p);
    fy_diag_unref(cfg.diag);
    buf_fini(&said);
}

struct yaml_node *yaml_parse(struct arena *a, const struct conf_source *source,
                             struct conf_report *report, bool *out_partial)
{
    struct reader r = { .arena = a, .source = source, .report = report };
    struct str text = source->text;

    *out_partial = false;
    if (!check_bytes(&r) || !check_open(&r)) {
        *out_partial = true;
        return NULL;
    }
    if (str_starts(text, UTF8_MARK))
        text = str_skip(text, 3);
    if (text.n > 0)
        parse(&r, text, out_partial);
    return r.root;
}

/* ---- the tree ---- */

struct yaml_node *yaml_member(const struct yaml_node *map, struct str key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (struct yaml_node *n = map->first; n; n = n->next)
        if (str_eq(n->key, key))
            return n;
    return NULL;
}

bool yaml_is_null(const struct yaml_node *n)
{
    return n->kind == YAML_TEXT && n->plain &&
           (n->text.n == 0 || str_eq(n->text, STR("~")) || str_eq(n->text, STR("null")) ||
            str_eq(n->text, STR("Null")) || str_eq(n->text, STR("NULL")));
}

/* `api:` and `api: true` over a section leave the section as it is. */
static bool is_switch_on(const struct yaml_node *n)
{
    return yaml_is_null(n) || (n->kind == YAML_TEXT && n->plain && str_eq(n->text, STR("true")));
}

struct yaml_node *yaml_overlay(struct yaml_node *base, struct yaml_node *over)
{
    struct yaml_node *members, *next;

    if (!over)
        return base;
    if (base && base->kind == YAML_MAP && is_switch_on(over))
        return base;
    if (!base || base->kind != YAML_MAP || over->kind != YAML_MAP)
        return over;
    /* The result is `over`'s node with the members of both, in base's order first. */
    members = over->first;
    over->first = over->last = NULL;
    over->count = 0;
    for (struct yaml_node *n = base->first; n; n = next) {
        struct yaml_node **twin = &members, *merged = n;

        next = n->next;
        while (*twin && !str_eq((*twin)->key, n->key))
            twin = &(*twin)->next;
        if (*twin) {
            struct yaml_node *mine = *twin;

            *twin = mine->next;
            merged = yaml_overlay(n, mine);
            merged->key = mine->key;
            merged->key_at = mine->key_at;
        }
        merged->next = NULL;
        append(over, merged);
    }
    for (struct yaml_node *n = members; n; n = next) {
        next = n->next;
        n->next = NULL;
        append(over, n);
    }
    return over;
}
