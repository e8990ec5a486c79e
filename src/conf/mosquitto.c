/*
 * mosquitto.conf for the ordinary loader: the settings that its lines became as YAML, each line of which
 * knows where it comes from, so that there is one way to load and its mistakes point to what the person
 * wrote; and what each line became, in words.
 */
#include "conf/mosquitto.h"

#include "base/mem.h"
#include "conf/mosquitto_impl.h"

#include <assert.h>

#define YAML_MAX  (16u << 20)
#define NOTES_MAX (64u << 10)
/* Texts of all files, their lines and settings. */
#define ARENA_MAX ((size_t)(MOSQUITTO_FILES_MAX + 64) * CONF_FILE_MAX)

/* ---- YAML ---- */

/* One line, and where it comes from. */
static void put_line(struct mosquitto *m, const struct mosquitto_line *from, const char *fmt,
                     struct str key, struct str value)
{
    if (m->origin_count == m->origin_cap) {
        m->origin_cap = m->origin_cap ? 2 * m->origin_cap : 64;
        m->origins = mem_resize(m->origins, m->origin_cap * sizeof(*m->origins));
    }
    m->origins[m->origin_count++] =
        from ? (struct conf_origin){ from->at.source, from->at.line, from->at.column }
             : (struct conf_origin){ m->main, 0, 0 };
    buf_put(&m->yaml, str_of(fmt));
    if (key.n > 0) {
        buf_put(&m->yaml, key);
        buf_put(&m->yaml, STR(": "));
        buf_put(&m->yaml, value);
    }
    buf_u8(&m->yaml, '\n');
}

static bool has_section(const struct mosquitto *m, enum mosquitto_section section)
{
    for (const struct mosquitto_setting *s = m->settings; s; s = s->next)
        if (s->section == section)
            return true;
    return false;
}

static void put_section(struct mosquitto *m, enum mosquitto_section section, const char *indent)
{
    for (const struct mosquitto_setting *s = m->settings; s; s = s->next)
        if (s->section == section)
            put_line(m, s->line, indent, s->key, s->value);
}

static void put_listener(struct mosquitto *m, const struct mosquitto_listener *n)
{
    for (size_t i = 0; i < n->address_count; i++) {
        put_line(m, n->line ? n->line : n->started, "    - ", STR("address"), n->addresses[i]);
        for (const struct mosquitto_setting *s = m->settings; s; s = s->next)
            if (s->section == SECTION_LISTENER && (!s->listener || s->listener == n))
                put_line(m, s->line, "      ", s->key, s->value);
    }
}

static void put_bridges(struct mosquitto *m)
{
    if (m->bridges)
        put_line(m, m->bridges->line, "  bridges:", STR_NONE, STR_NONE);
    for (const struct mosquitto_bridge *b = m->bridges; b; b = b->next) {
        put_line(m, b->line, "    - ", STR("name"), mosquitto_quoted(m, b->line->value));
        for (const struct mosquitto_setting *s = b->settings; s; s = s->next)
            put_line(m, s->line ? s->line : b->line, "      ", s->key, s->value);
        put_line(m, b->line, "      topics:", STR_NONE, STR_NONE);
        for (const struct mosquitto_setting *s = b->topics; s; s = s->next)
            put_line(m, s->line, "        - {", STR("filter"), s->value);
    }
}

static void put_all(struct mosquitto *m)
{
    if (has_section(m, SECTION_LOG)) {
        put_line(m, NULL, "log:", STR_NONE, STR_NONE);
        put_section(m, SECTION_LOG, "  ");
    }
    if (has_section(m, SECTION_LIMITS)) {
        put_line(m, NULL, "limits:", STR_NONE, STR_NONE);
        put_section(m, SECTION_LIMITS, "  ");
    }
    put_line(m, NULL, "mqtt:", STR_NONE, STR_NONE);
    put_section(m, SECTION_MQTT, "  ");
    put_line(m, m->explicit, "  listeners:", STR_NONE, STR_NONE);
    put_listener(m, &m->standard);
    for (const struct mosquitto_listener *n = m->listeners; n; n = n->next)
        put_listener(m, n);
    put_bridges(m);
    put_section(m, SECTION_ROOT, "");
}

/* ---- the whole ---- */

struct mosquitto *mosquitto_new(const struct conf_schema *s, const struct conf_source *file,
                                const struct mosquitto_world *w, struct conf_report *r)
{
    struct mosquitto *m = NEW(struct mosquitto);
    struct conf_source *source;
    struct yaml_place whole = { 0 };
    size_t errors = r->errors;

    m->arena = arena_init(ARENA_MAX);
    m->schema = s;
    m->world = w;
    m->report = r;
    r->rows = s->rows;
    m->lines_end = &m->lines;
    m->listeners_end = &m->listeners;
    m->settings_end = &m->settings;
    m->bridges_end = &m->bridges;
    m->yaml = buf_init(YAML_MAX);
    m->notes = buf_init(NOTES_MAX);
    source = arena_take(&m->arena, sizeof(*source));
    assert(source);
    source->name = arena_dup(&m->arena, str_of(file->name)).p;
    source->text = arena_dup(&m->arena, file->text);
    m->main = source;
    mosquitto_read(m, source);
    mosquitto_decide(m);
    put_all(m);
    whole.source = source;
    if (m->yaml.over && r->errors == errors)
        report_add(r, REPORT_ERROR, &whole, NULL, "the file says more than %u bytes", YAML_MAX);
    report_sort(r);
    m->translated =
        (struct conf_source){ source->name, buf_str(&m->yaml), m->origins, m->origin_count };
    m->world = NULL;
    m->report = NULL;
    return m;
}

void mosquitto_free(struct mosquitto *m)
{
    if (!m)
        return;
    buf_fini(&m->yaml);
    buf_fini(&m->notes);
    mem_free(m->origins);
    arena_fini(&m->arena);
    mem_free(m);
}

const struct conf_source *mosquitto_yaml(const struct mosquitto *m)
{
    return &m->translated;
}

/* ---- in words ---- */

static const char *const fate_words[] = {
    [FATE_UNDERSTOOD] = "understood",
    [FATE_IGNORED] = "ignored",
    [FATE_REFUSED] = "refused (only a warning)",
    [FATE_FATAL] = "refused, so the hub does not start",
    [FATE_MISTAKE] = "a mistake",
};

static void put_words(const struct mosquitto_line *l, struct buf *out)
{
    bool secret = l->row && (l->row->flags & ROW_SECRET);

    buf_printf(out, "%s:%u: %s", l->at.source->name, l->at.line, report_show(l->name).text);
    if (l->row && l->value.n > 0) /* what is unknown may be a secret as well */
        buf_printf(out, " %s", secret ? "***" : report_show(l->value).text);
    buf_printf(out, ": %s: %.*s\n", fate_words[l->fate], STR_ARG(l->say));
}

void mosquitto_explain(const struct mosquitto *m, struct buf *out)
{
    size_t count[COUNT_OF(fate_words)] = { 0 };
    struct str notes = buf_str(&m->notes);

    for (const struct mosquitto_line *l = m->lines; l; l = l->next) {
        count[l->fate]++;
        if (!l->silent)
            put_words(l, out);
    }
    while (notes.n > 0) {
        struct str note = str_cut(&notes, '\n');

        buf_printf(out, "%s: %.*s\n", m->main->name, STR_ARG(note));
    }
    buf_printf(out, "%s: %zu understood, %zu ignored, %zu refused, %zu mistaken\n", m->main->name,
               count[FATE_UNDERSTOOD], count[FATE_IGNORED], count[FATE_REFUSED] + count[FATE_FATAL],
               count[FATE_MISTAKE]);
}

static bool has_secrets(const struct mosquitto *m)
{
    for (const struct mosquitto_line *l = m->lines; l; l = l->next)
        if (l->row && (l->row->flags & ROW_SECRET) && l->fate == FATE_UNDERSTOOD)
            return true;
    return false;
}

void mosquitto_import(const struct mosquitto *m, struct buf *out)
{
    struct str rest = buf_str(&m->yaml), notes = buf_str(&m->notes);

    buf_printf(out, "# Translated from %s.\n", m->main->name);
    if (has_secrets(m))
        buf_put(
            out,
            STR("# It holds passwords: nobody else should read it (chmod 600), or put each in a "
                "file of its\n# own and write password_file: PATH.\n"));
    while (notes.n > 0) {
        struct str note = str_cut(&notes, '\n');

        buf_printf(out, "# %.*s\n", STR_ARG(note));
    }
    for (const struct mosquitto_line *l = m->lines; l; l = l->next) {
        if (l->fate == FATE_UNDERSTOOD || l->fate == FATE_IGNORED || l->silent)
            continue;
        buf_put(out, STR("# "));
        put_words(l, out);
    }
    for (size_t i = 0; rest.n > 0 && i < m->origin_count; i++) {
        buf_put(out, str_cut(&rest, '\n'));
        if (m->origins[i].line > 0)
            buf_printf(out, " # %s:%u", m->origins[i].source->name, m->origins[i].line);
        buf_u8(out, '\n');
    }
}
