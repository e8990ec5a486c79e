/*
 * What a line of mosquitto.conf becomes: most rows say it themselves, the log and the two limits of size
 * have functions here, listeners a file of their own.
 *
 * A setting that the schema has not is no reason to go on as if the line were not there: the line is
 * refused by the name of the setting, and the hub does not start unless the row calls that harmless.
 */
#include "base/mem.h"
#include "conf/mosquitto_impl.h"
#include "conf/value.h"
#include "wire/json.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* Topic, properties and header of a message beside its payload: message_size_limit counts only that. */
#define PACKET_ROOM      2048
#define PACKET_ROOM_TEXT "2048"

static const char as_here[] = "as it is here anyway";

/* ---- words ---- */

void mosquitto_fate(struct mosquitto *m, struct mosquitto_line *l, enum mosquitto_fate fate,
                    const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    l->fate = fate;
    l->say = arena_dup(&m->arena, str_of(text));
    l->done = true;
}

void mosquitto_refuse(struct mosquitto *m, struct mosquitto_line *l, const char *mend,
                      const char *fmt, ...)
{
    char text[400];
    va_list ap;
    struct yaml_place at = l->at;
    bool secret = (l->row->flags & ROW_SECRET) != 0;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (secret)
        at.column = 0; /* the line is not shown */
    report_add(m->report, REPORT_ERROR, &at, mend, "'%s %s' is refused: %s",
               report_show(l->name).text, secret ? "***" : report_show(l->value).text, text);
    mosquitto_fate(m, l, FATE_FATAL, "%s", text);
}

struct str mosquitto_quoted(struct mosquitto *m, struct str text)
{
    struct buf b = buf_init(CONF_FILE_MAX * 8);
    struct json_writer w = json_writer_init(&b);
    struct str out;

    json_str(&w, text); /* a JSON string is a quoted YAML text, whatever is in it */
    out = arena_dup(&m->arena, buf_str(&b));
    assert(out.p);
    buf_fini(&b);
    return out;
}

struct str mosquitto_path(struct mosquitto *m, struct str path)
{
    struct str out = path.n > 0 && path.p[0] == '/'
                         ? arena_dup(&m->arena, path)
                         : arena_printf(&m->arena, "%s/%.*s", m->world->cwd, STR_ARG(path));

    assert(out.p);
    return out;
}

bool mosquitto_readable(struct mosquitto *m, struct mosquitto_line *l)
{
    struct fault f;

    if (!m->world->readable ||
        m->world->readable(m->world->ctx, mosquitto_path(m, l->value).p, &f) == 0)
        return true;
    mosquitto_mistake(m, l, NULL, "'%s': %s", l->row->name, f.text);
    return false;
}

/* ---- settings ---- */

const struct conf_row *mosquitto_target(const struct mosquitto *m, const char *path)
{
    const struct conf_row *row = NULL, *rows = m->schema->rows;
    struct str rest = str_of(path);

    while (rest.p) {
        struct str key = str_cut(&rest, '.');

        if (str_ends(key, STR("[]")))
            key.n -= 2;
        for (row = rows; row && row->key; row++)
            if (str_eq(key, str_of(row->key)) || str_eq(key, value_key(row)))
                break;
        if (!row || !row->key || row->type == CONF_GONE || row->type == CONF_IGNORED)
            return NULL;
        rows = row->rows;
    }
    return row;
}

static enum mosquitto_section section_of(const char *path)
{
    struct str s = str_of(path);

    if (str_starts(s, STR("mqtt.listeners[].")))
        return SECTION_LISTENER;
    if (str_starts(s, STR("limits.")))
        return SECTION_LIMITS;
    if (str_find(s, '.') == s.n)
        return SECTION_ROOT;
    return str_starts(s, STR("log.")) ? SECTION_LOG : SECTION_MQTT;
}

/* The setting's name as it is written in a file of ours. */
static struct str shown_path(struct mosquitto *m, const char *path)
{
    const struct conf_row *row = mosquitto_target(m, path);
    struct str s = str_of(path);
    size_t dot = s.n;

    while (dot > 0 && s.p[dot - 1] != '.')
        dot--;
    return row ? arena_printf(&m->arena, "%.*s%.*s", (int)dot, s.p, STR_ARG(value_key(row))) : s;
}

/* Takes back what an earlier line said of the same setting: the last one counts. */
static void unset(struct mosquitto *m, const struct mosquitto_listener *of, const char *path,
                  struct mosquitto_line *by)
{
    const struct conf_row *row = mosquitto_target(m, path);

    for (struct mosquitto_setting **at = &m->settings; *at; at = &(*at)->next) {
        struct mosquitto_setting *s = *at;

        if (!row || s->section != section_of(path) || s->listener != of ||
            !str_eq(s->key, value_key(row)))
            continue;
        if (s->line && by && s->line != by)
            mosquitto_fate(m, (struct mosquitto_line *)(uintptr_t)s->line, FATE_IGNORED,
                           "given once more in line %u", by->at.line);
        *at = s->next;
        if (m->settings_end == &s->next)
            m->settings_end = at;
        return;
    }
}

void mosquitto_set(struct mosquitto *m, const struct mosquitto_listener *of, const char *path,
                   struct str value, struct mosquitto_line *line)
{
    const struct conf_row *row = mosquitto_target(m, path);
    struct mosquitto_setting *s;

    assert(row);
    unset(m, of, path, line);
    s = arena_take(&m->arena, sizeof(*s));
    assert(s);
    s->section = section_of(path);
    s->listener = of;
    s->key = value_key(row);
    s->value = value;
    s->line = line;
    *m->settings_end = s;
    m->settings_end = &s->next;
}

/* A listener may be narrower than the limit for all, and never wider. */
static void raise_limit(struct mosquitto *m, struct mosquitto_line *l, struct str value)
{
    const char *path = l->row->within;
    const struct conf_row *row = path ? mosquitto_target(m, path) : NULL;
    uint64_t wanted, given;

    if (!row || str_to_u64(value, &wanted) || wanted <= row->number)
        return;
    for (struct mosquitto_setting *s = m->settings; s; s = s->next) {
        if (s->section != SECTION_LIMITS || !str_eq(s->key, value_key(row)))
            continue;
        if (str_to_u64(s->value, &given) == 0 && given < wanted) {
            s->value = value;
            s->line = l;
        }
        return;
    }
    mosquitto_set(m, NULL, path, value, l);
}

static bool is_none(const struct mosquitto_line *l)
{
    if (!l->row->none)
        return false;
    if (l->row->kind == KIND_BOOL)
        return l->on == (strcmp(l->row->none, "true") == 0);
    return str_eq(l->value, str_of(l->row->none));
}

static void missing_setting(struct mosquitto *m, struct mosquitto_line *l)
{
    static const char text[] = "it needs the setting %s, which this version does not have";

    if (l->row->flags & ROW_SOFT)
        mosquitto_fate(m, l, FATE_REFUSED, text, l->row->to);
    else
        mosquitto_refuse(m, l, "leave the line out to do without", text, l->row->to);
}

/* The number as YAML; {NULL, 0} when the setting does not take it. */
static struct str number_value(struct mosquitto *m, struct mosquitto_line *l,
                               const struct conf_row *row)
{
    uint64_t least, most, v = (uint64_t)l->number;

    value_range_unsigned(row, &least, &most);
    if (is_none(l))
        v = most;
    if (l->number < 0 || v < least || v > most) {
        mosquitto_mistake(m, l, NULL, "'%s' can be %llu to %llu here, not %lld", l->row->name,
                          (unsigned long long)least, (unsigned long long)most,
                          (long long)l->number);
        return STR_NONE;
    }
    return arena_printf(&m->arena, "%llu", (unsigned long long)v);
}

void mosquitto_set_line(struct mosquitto *m, struct mosquitto_line *l)
{
    const struct conf_row *row = mosquitto_target(m, l->row->to);
    struct str value = STR_NONE;

    if (is_none(l) && !(l->row->flags & ROW_MOST)) {
        unset(m, l->listener, l->row->to, l);
        mosquitto_fate(m, l, FATE_UNDERSTOOD, as_here);
        return;
    }
    if (!row) {
        missing_setting(m, l);
        return;
    }
    if (l->row->kind == KIND_BOOL)
        value = l->on ? STR("true") : STR("false");
    else if (l->row->kind == KIND_NUMBER)
        value = number_value(m, l, row);
    else if (l->row->kind == KIND_TEXT)
        value = mosquitto_quoted(m, l->value);
    else if (mosquitto_readable(m, l))
        value = mosquitto_quoted(m, mosquitto_path(m, l->value));
    if (!value.p)
        return;
    mosquitto_set(m, l->listener, l->row->to, value, l);
    raise_limit(m, l, value);
    mosquitto_fate(m, l, FATE_UNDERSTOOD, "%.*s: %.*s", STR_ARG(shown_path(m, l->row->to)),
                   STR_ARG(value));
}

/* ---- what the row says by itself ---- */

static void decide_line(struct mosquitto *m, struct mosquitto_line *l)
{
    const struct mosquitto_row *row = l->row;
    bool here = is_none(l) || (row->only && l->on != (strcmp(row->only, "true") == 0));

    switch (row->way) {
    case WAY_SET:
        mosquitto_set_line(m, l);
        break;
    case WAY_IGNORE:
        mosquitto_fate(m, l, FATE_IGNORED, "%s", row->say);
        break;
    case WAY_WARN:
        if (here)
            mosquitto_fate(m, l, FATE_UNDERSTOOD, as_here);
        else
            mosquitto_fate(m, l, FATE_REFUSED, "%s%s%s", row->say, row->mend ? "; " : "",
                           row->mend ? row->mend : "");
        break;
    case WAY_REFUSE:
        if (here)
            mosquitto_fate(m, l, FATE_UNDERSTOOD, as_here);
        else
            mosquitto_refuse(m, l, row->mend, "%s", row->say);
        break;
    case WAY_OWN:
        if ((row->id == ID_CONNECTION && !mosquitto_has_bridges(m)) || row->id == ID_PLUGIN)
            mosquitto_refuse(m, l, row->mend, "%s", row->say);
        break;
    case WAY_PART:
        break; /* decided where it was read */
    }
}

/* ---- the log ---- */

/* From the quietest to the most talkative, as log.level has them. */
enum { LEVEL_OFF, LEVEL_ERROR, LEVEL_WARN, LEVEL_INFO, LEVEL_DEBUG, LEVEL_OTHER };
static const char *const level_names[] = { "off", "error", "warn", "info", "debug" };
static const struct {
    const char *type;
    int level;
} log_types[] = {
    { "none", LEVEL_OFF },         { "error", LEVEL_ERROR },      { "warning", LEVEL_WARN },
    { "notice", LEVEL_INFO },      { "information", LEVEL_INFO }, { "debug", LEVEL_DEBUG },
    { "all", LEVEL_DEBUG },        { "subscribe", LEVEL_OTHER },  { "unsubscribe", LEVEL_OTHER },
    { "websockets", LEVEL_OTHER }, { "internal", LEVEL_OTHER },   { "quic", LEVEL_OTHER },
    { "http", LEVEL_OTHER },
};

struct log_wish {
    int level, dests; /* level -1: no line says one; dests: how many are on */
    struct mosquitto_line *level_by, *none_by;
};

static void decide_log_type(struct mosquitto *m, struct mosquitto_line *l, struct log_wish *w)
{
    for (size_t i = 0; i < COUNT_OF(log_types); i++) {
        int level = log_types[i].level;

        if (!str_eq(l->value, str_of(log_types[i].type)))
            continue;
        if (level == LEVEL_OTHER) {
            mosquitto_fate(m, l, FATE_IGNORED, "log.level is for all kinds of lines");
            return;
        }
        mosquitto_fate(m, l, FATE_UNDERSTOOD, "as a part of log.level");
        if (level == LEVEL_OFF || level > w->level) {
            w->level = level;
            w->level_by = l;
        }
        return;
    }
    mosquitto_mistake(m, l, NULL, "'%s' is no type of log line", report_show(l->value).text);
}

static void decide_log_dest(struct mosquitto *m, struct mosquitto_line *l, struct log_wish *w)
{
    static const char *const others[] = { "stdout", "syslog", "topic", "file", "dlt", "android" };
    struct str rest = l->value, word = str_cut(&rest, ' ');

    if (str_eq(word, STR("none"))) {
        mosquitto_fate(m, l, FATE_UNDERSTOOD, "log.level: \"off\", unless another line says more");
        w->none_by = l;
        w->dests = 0;
        return;
    }
    w->dests++;
    if (str_eq(word, STR("stderr"))) {
        mosquitto_fate(m, l, FATE_UNDERSTOOD, as_here);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (str_eq(word, str_of(others[i]))) {
            mosquitto_fate(m, l, FATE_REFUSED, "%s", l->row->say);
            return;
        }
    }
    mosquitto_mistake(m, l, NULL, "'%s' is no destination of a log", report_show(word).text);
}

static void decide_log(struct mosquitto *m)
{
    struct log_wish w = { -1, 0, NULL, NULL };

    for (struct mosquitto_line *l = m->lines; l; l = l->next) {
        if (l->done || !l->row)
            continue;
        if (l->row->id == ID_LOG_TYPE)
            decide_log_type(m, l, &w);
        else if (l->row->id == ID_LOG_DEST)
            decide_log_dest(m, l, &w);
    }
    if (w.none_by && w.dests == 0) {
        w.level = LEVEL_OFF;
        w.level_by = w.none_by;
    }
    if (w.level_by) {
        struct str value = mosquitto_quoted(m, str_of(level_names[w.level]));

        mosquitto_set(m, NULL, "log.level", value, w.level_by);
        mosquitto_fate(m, w.level_by, FATE_UNDERSTOOD, "log.level: %.*s", STR_ARG(value));
    }
}

/* ---- how large a message may be ---- */

/* What mosquitto takes and the setting does not becomes the nearest number that it takes. */
static void set_size(struct mosquitto *m, struct mosquitto_line *l, const char *more)
{
    const struct conf_row *row = mosquitto_target(m, l->row->to);
    uint64_t least = 0, most = INT64_MAX, wanted = (uint64_t)l->number;

    if (row)
        value_range_unsigned(row, &least, &most);
    l->number = (int64_t)(wanted < least ? least : wanted > most ? most : wanted);
    mosquitto_set_line(m, l);
    if (l->fate == FATE_UNDERSTOOD)
        mosquitto_fate(m, l, FATE_UNDERSTOOD, "%.*s%s%s", STR_ARG(l->say),
                       wanted < least  ? ", which is the least here"
                       : wanted > most ? ", which is the most here"
                                       : "",
                       more);
}

static void decide_sizes(struct mosquitto *m)
{
    struct mosquitto_line *packet = m->has[ID_MAX_PACKET_SIZE],
                          *message = m->has[ID_MESSAGE_SIZE_LIMIT], *loser = NULL;

    if (message && !message->done && message->number == 0)
        mosquitto_fate(m, message, FATE_IGNORED, "0 is no limit, which is the default");
    if (message && !message->done) {
        message->number += PACKET_ROOM;
        if (packet && !packet->done)
            loser = packet->number <= message->number ? message : packet;
        if (loser != message)
            set_size(m, message,
                     ", with " PACKET_ROOM_TEXT " bytes for what is not payload; a client that "
                     "sends more is disconnected");
    }
    if (packet && !packet->done && loser != packet)
        set_size(m, packet, "");
    if (loser && !loser->done)
        mosquitto_fate(m, loser, FATE_IGNORED, "line %u allows less",
                       (loser == packet ? message : packet)->at.line);
    if (!packet && (!message || message->fate == FATE_IGNORED))
        buf_put(&m->notes, STR("packets of more than 1 MiB are refused, where mosquitto has no "
                               "limit: limits.mqtt_packet_max\n"));
}

/* ---- how long sessions last ---- */

/* A number with h, d, w, m (of 30 days) or y (of 365 days) behind it, in hours; 0: something else. */
static uint64_t hours_of(struct str s)
{
    static const struct {
        char unit;
        unsigned hours;
    } units[] = { { 'h', 1 }, { 'd', 24 }, { 'w', 7 * 24 }, { 'm', 30 * 24 }, { 'y', 365 * 24 } };
    uint64_t n;

    for (size_t i = 0; s.n > 1 && i < COUNT_OF(units); i++)
        if (s.p[s.n - 1] == units[i].unit && str_to_u64(str_sub(s, 0, s.n - 1), &n) == 0 &&
            n <= 1000000)
            return n * units[i].hours;
    return 0;
}

static void decide_expiration(struct mosquitto *m)
{
    struct mosquitto_line *l = m->has[ID_EXPIRATION];
    uint64_t hours, most_h = UINT32_MAX / 3600;
    struct str value;

    if (!l || l->done)
        return;
    hours = hours_of(l->value);
    if (hours == 0) {
        mosquitto_mistake(m, l, NULL,
                          "'%s' is a number above 0 and h, d, w, m or y, such as 14d, not %.*s",
                          l->row->name, STR_ARG(l->value));
        return;
    }
    value = arena_printf(&m->arena, "%lluh", (unsigned long long)(hours < most_h ? hours : most_h));
    mosquitto_set(m, NULL, l->row->to, value, l);
    mosquitto_fate(m, l, FATE_UNDERSTOOD, "%.*s: %.*s", STR_ARG(shown_path(m, l->row->to)),
                   STR_ARG(value));
}

/* Whoever brings a mosquitto.conf has clients that send what they like where they like: a topic that takes
 * only its own form of JSON would refuse some of it. */
static void decide_topics(struct mosquitto *m)
{
    if (!mosquitto_target(m, "ingest_builtin"))
        return;
    mosquitto_set(m, NULL, "ingest_builtin", STR("false"), NULL);
    buf_put(&m->notes,
            STR("every topic is the clients' own, as in mosquitto: the built-in rows, which make "
                "records of sensor/data, device/status and others, are off; a file given by -c may "
                "turn them on (ingest_builtin: true) or name topics of its own (ingest)\n"));
}

void mosquitto_decide(struct mosquitto *m)
{
    bool standard =
        !m->explicit || m->standard.started || m->has[ID_PORT] || m->has[ID_BIND_ADDRESS];

    for (struct mosquitto_line *l = m->lines; l; l = l->next) {
        if (l->done || !l->row)
            continue;
        if (l->listener == &m->standard && !standard)
            mosquitto_fate(m, l, FATE_IGNORED,
                           "above the first listener it is about none of them, as in mosquitto; "
                           "write it below each");
        else
            decide_line(m, l);
    }
    decide_log(m);
    decide_sizes(m);
    decide_expiration(m);
    decide_topics(m);
    mosquitto_decide_listeners(m);
    mosquitto_decide_bridges(m);
    for (const struct mosquitto_line *l = m->lines; l; l = l->next)
        assert(l->done && "a row without a function");
}
