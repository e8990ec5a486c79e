/*
 * The topic table, compiled for matching. For ingest.c, which turns messages into records, and for
 * authorisation, which asks who may be heard where.
 *
 * It refuses rows that could not work (a device level that the filter does not have, names that no
 * record may carry) when it is made, so that matching never fails for a reason of its own.
 *
 * Invariants: rows are tried in their order; every string of a row lives in the table's arena; the
 * row lists of `first` hold, for each first level that any row names, the rows that could match a
 * topic beginning with it (rows with a wildcard there included), so other topics cost one lookup.
 * A topic beginning with '$' never matches a wildcard (MQTT 5, 4.7.2).
 */
#include "ingest/topics.h"

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"

#include <assert.h>
#include <math.h>

#define TABLE_MAX_BYTES (2 * 1024 * 1024)
#define NO_LEVEL        TOPIC_LEVELS_MAX

struct level {
    struct str text; /* what must stand there; the name when it is a wildcard */
    bool any;
};
struct compiled {
    struct topic_row row;
    struct level levels[TOPIC_LEVELS_MAX];
    size_t count;
    size_t device_at, stream_at, id_at; /* NO_LEVEL: none */
};
struct row_list {
    uint16_t *rows;
    size_t count;
};
struct topics {
    struct arena arena;
    struct compiled *rows;
    size_t count;
    struct map first; /* first level → struct row_list */
    struct row_list other;
};

#define RANGE(a, b) .has_min = true, .has_max = true, .min = (a), .max = (b)

static const struct topic_field sensor_fields[] = {
    { .name = { "temperature", 11 }, .required = true, RANGE(-50, 100) },
    { .name = { "humidity", 8 }, .required = true, RANGE(0, 100) },
};
#define CANONICAL(filter, k, str_name)                                                             \
    {                                                                                              \
        .topic = { filter, sizeof(filter) - 1 }, .kind = (k), .device_from = TOPIC_DEVICE_LEVEL,   \
        .device = { "device", 6 }, .stream = { str_name, sizeof(str_name) - 1 }, .canonical = true \
    }
#define CAMERA(filter, k, str_name)                                                                \
    {                                                                                              \
        .topic = { filter, sizeof(filter) - 1 }, .kind = (k), .device_from = TOPIC_DEVICE_LEVEL,   \
        .device = { "id", 2 }, .stream = { str_name, sizeof(str_name) - 1 },                       \
        .time_from = TOPIC_TIME_LENIENT                                                            \
    }
#define SENSOR_DATA                                                                                \
    {                                                                                              \
        .topic = { "sensor/data", 11 }, .kind = RECORD_READING, .device_from = TOPIC_DEVICE_FIELD, \
        .device = { "device_id", 9 }, .stream = { "env", 3 }, .time_from = TOPIC_TIME_REQUIRED,    \
        .fields = sensor_fields, .field_count = COUNT_OF(sensor_fields),                           \
    }

static const struct topic_row sensor_data = SENSOR_DATA;
static const struct topic_row default_rows[] = {
    CANONICAL("wayside/{device}/reading/{stream}", RECORD_READING, "{stream}"),
    CANONICAL("wayside/{device}/detection/{stream}", RECORD_DETECTION, "{stream}"),
    CANONICAL("wayside/{device}/status", RECORD_STATUS, "status"),
    CANONICAL("wayside/{device}/event", RECORD_EVENT, "event"),
    CANONICAL("wayside/{device}/result/{id}", RECORD_RESULT, "result"),
    SENSOR_DATA,
    {
        .topic = { "device/status", 13 },
        .kind = RECORD_STATUS,
        .device_from = TOPIC_DEVICE_FIELD,
        .device = { "device_id", 9 },
        .stream = { "status", 6 },
        .time_from = TOPIC_TIME_LENIENT,
    },
    {
        .topic = { "sensors/metrics", 15 },
        .kind = RECORD_READING,
        .device_from = TOPIC_DEVICE_FIXED,
        .device = { "picam", 5 },
        .stream = { "env", 3 },
        .time_from = TOPIC_TIME_ARRIVAL,
    },
    CAMERA("lprserver/cameras/{id}/detection", RECORD_DETECTION, "detection"),
    /* Figures to be charted; a status would overwrite the device's own retained one. */
    CAMERA("lprserver/cameras/{id}/health", RECORD_READING, "health"),
};

const struct topic_row *topics_defaults(size_t *count)
{
    *count = COUNT_OF(default_rows);
    return default_rows;
}

const struct topic_row *topics_sensor_data(void)
{
    return &sensor_data;
}

/* A copy in the table's arena. The table has a cap of its own, far above what rows can need. */
static struct str keep(struct topics *t, struct str s)
{
    struct str copy = STR_NONE;

    if (s.n > 0) {
        copy = arena_dup(&t->arena, s);
        assert(copy.p);
    }
    return copy;
}

/* "{name}" → name; false when it is no such level. */
static bool braced(struct str s, struct str *name)
{
    if (s.n < 3 || s.p[0] != '{' || s.p[s.n - 1] != '}')
        return false;
    *name = str_sub(s, 1, s.n - 2);
    return true;
}

static bool has_any(struct str s, const char *chars)
{
    for (; *chars; chars++)
        if (str_find(s, *chars) < s.n)
            return true;
    return false;
}

static size_t level_named(const struct compiled *c, struct str name)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->levels[i].any && name.n > 0 && str_eq(c->levels[i].text, name))
            return i;
    return NO_LEVEL;
}

static int compile_levels(struct compiled *c, unsigned line, struct fault *f)
{
    struct str rest = c->row.topic, name;

    if (rest.n == 0)
        return fault_at(f, ERR_VALUE, "", line, 0, "topic is missing");
    if (!utf8_valid_mqtt(rest) || rest.n > 1024)
        return fault_at(f, ERR_VALUE, "", line, 0, "topic is not at most 1024 bytes of UTF-8");
    while (rest.p) {
        struct str text = str_cut(&rest, '/');
        struct level *l = &c->levels[c->count];

        if (c->count == TOPIC_LEVELS_MAX)
            return fault_at(f, ERR_LIMIT, "", line, 0, "topic has more than %d levels",
                            TOPIC_LEVELS_MAX);
        if (text.n == 0)
            return fault_at(f, ERR_VALUE, "", line, 0, "topic has an empty level");
        if (str_eq(text, STR("+"))) {
            *l = (struct level){ STR_NONE, true };
        } else if (braced(text, &name) && !has_any(name, "{}+#")) {
            if (level_named(c, name) != NO_LEVEL)
                return fault_at(f, ERR_VALUE, "", line, 0, "topic has two levels {%.*s}",
                                STR_ARG(name));
            *l = (struct level){ name, true };
        } else if (has_any(text, "{}+#")) {
            return fault_at(f, ERR_VALUE, "", line, 0,
                            "level '%.*s' of the topic: write +, {name}, or text without {}+#",
                            STR_ARG(text));
        } else {
            *l = (struct level){ text, false };
        }
        c->count++;
    }
    return 0;
}

static int compile_device(struct compiled *c, unsigned line, struct fault *f)
{
    struct str device = c->row.device;

    switch (c->row.device_from) {
    case TOPIC_DEVICE_LEVEL:
        c->device_at = level_named(c, device);
        if (c->device_at == NO_LEVEL)
            return fault_at(f, ERR_VALUE, "", line, 0, "topic has no level {%.*s} for the device",
                            STR_ARG(device));
        return 0;
    case TOPIC_DEVICE_FIELD:
        if (device.n == 0)
            return fault_at(f, ERR_VALUE, "", line, 0, "the field with the device is missing");
        return 0;
    case TOPIC_DEVICE_FIXED:
        if (!record_device_valid(device))
            return fault_at(f, ERR_VALUE, "", line, 0,
                            "device '%.*s': write 1 to %d letters, digits, _ or -", STR_ARG(device),
                            RECORD_DEVICE_MAX);
        return 0;
    case TOPIC_DEVICE_CLIENT:
        return 0;
    }
    return fault_at(f, ERR_VALUE, "", line, 0, "unknown source of the device");
}

static int compile_stream(struct compiled *c, unsigned line, struct fault *f)
{
    struct str name;

    if (braced(c->row.stream, &name)) {
        c->stream_at = level_named(c, name);
        if (c->stream_at != NO_LEVEL)
            return 0;
        return fault_at(f, ERR_VALUE, "", line, 0, "topic has no level {%.*s} for the stream",
                        STR_ARG(name));
    }
    if (!record_stream_valid(c->row.stream))
        return fault_at(f, ERR_VALUE, "", line, 0,
                        "stream '%.*s': write 1 to %d letters, digits, _ . or -, or {level}",
                        STR_ARG(c->row.stream), RECORD_STREAM_MAX);
    return 0;
}

static int compile_fields(struct topics *t, struct compiled *c, unsigned line, struct fault *f)
{
    struct topic_field *copy;

    if (c->row.field_count > TOPIC_FIELDS_MAX)
        return fault_at(f, ERR_LIMIT, "", line, 0, "more than %d fields", TOPIC_FIELDS_MAX);
    if (c->row.field_count == 0) {
        c->row.fields = NULL;
        return 0;
    }
    copy = arena_take(&t->arena, c->row.field_count * sizeof(*copy));
    assert(copy);
    for (size_t i = 0; i < c->row.field_count; i++) {
        copy[i] = c->row.fields[i];
        if (copy[i].name.n == 0 || copy[i].name.n > 64)
            return fault_at(f, ERR_VALUE, "", line, 0, "a field's name has 1 to 64 bytes");
        if ((copy[i].has_min && !isfinite(copy[i].min)) ||
            (copy[i].has_max && !isfinite(copy[i].max)) ||
            (copy[i].has_min && copy[i].has_max && copy[i].min > copy[i].max))
            return fault_at(f, ERR_VALUE, "", line, 0, "field '%.*s': min is above max",
                            STR_ARG(copy[i].name));
        copy[i].name = keep(t, copy[i].name);
    }
    c->row.fields = copy;
    return 0;
}

static int compile(struct topics *t, struct compiled *c, const struct topic_row *row, unsigned line,
                   struct fault *f)
{
    int rc;

    c->row = *row;
    c->device_at = c->stream_at = c->id_at = NO_LEVEL;
    if (row->topic.n > 1024 || row->device.n > 1024 || row->stream.n > 1024 ||
        row->time_field.n > 64)
        return fault_at(f, ERR_LIMIT, "", line, 0, "a text of this row is too long");
    c->row.topic = keep(t, row->topic);
    c->row.device = keep(t, row->device);
    c->row.stream = keep(t, row->stream);
    c->row.time_field = row->time_field.n ? keep(t, row->time_field) : STR("timestamp");
    if (row->kind == RECORD_GAP || !record_kind_name(row->kind))
        return fault_at(f, ERR_VALUE, "", line, 0, "unknown kind of record");
    rc = compile_levels(c, line, f);
    if (rc == 0)
        rc = compile_device(c, line, f);
    if (rc == 0)
        rc = compile_stream(c, line, f);
    if (rc == 0)
        rc = compile_fields(t, c, line, f);
    c->id_at = level_named(c, STR("id"));
    if (c->id_at == c->device_at || c->id_at == c->stream_at)
        c->id_at = NO_LEVEL;
    return rc;
}

static struct row_list list_rows(const struct topics *t, struct str first, bool dollar)
{
    struct row_list l = { mem_new_array(t->count + 1, sizeof(uint16_t)), 0 };

    for (size_t i = 0; i < t->count; i++) {
        const struct level *level = &t->rows[i].levels[0];

        if (level->any ? !dollar : str_eq(level->text, first))
            l.rows[l.count++] = (uint16_t)i;
    }
    return l;
}

static void index_rows(struct topics *t)
{
    t->other = list_rows(t, STR_NONE, false);
    for (size_t i = 0; i < t->count; i++) {
        struct level *level = &t->rows[i].levels[0];
        struct row_list *l;

        if (level->any || map_get(&t->first, level->text))
            continue;
        l = NEW(struct row_list);
        *l = list_rows(t, level->text, level->text.p[0] == '$');
        map_put(&t->first, level->text, l);
    }
}

struct topics *topics_new(const struct topic_row *rows, size_t count, enum topics_flags flags,
                          struct fault *f)
{
    size_t defaults = flags & TOPICS_DEFAULTS ? COUNT_OF(default_rows) : 0;
    struct topics *t;
    int rc = 0;

    if (count > TOPIC_ROWS_MAX) {
        fault_set(f, ERR_LIMIT, "more than %d rows", TOPIC_ROWS_MAX);
        return NULL;
    }
    t = NEW(struct topics);
    t->arena = arena_init(TABLE_MAX_BYTES);
    map_init(&t->first);
    t->rows = mem_new_array(count + defaults + 1, sizeof(*t->rows));
    for (size_t i = 0; i < count + defaults && rc == 0; i++) {
        const struct topic_row *row = i < count ? &rows[i] : &default_rows[i - count];

        rc = compile(t, &t->rows[i], row, (unsigned)(i + 1), f);
        t->count = i + 1;
    }
    if (rc < 0) {
        topics_free(t);
        return NULL;
    }
    index_rows(t);
    return t;
}

void topics_free(struct topics *t)
{
    struct map_entry *e;
    size_t at = 0;

    if (!t)
        return;
    while ((e = map_next(&t->first, &at))) {
        struct row_list *l = e->value;

        mem_free(l->rows);
        mem_free(l);
    }
    map_fini(&t->first);
    mem_free(t->other.rows);
    mem_free(t->rows);
    arena_fini(&t->arena);
    mem_free(t);
}

/* Cuts the topic along the row's levels; values gets what stands at each. */
static bool row_matches(const struct compiled *c, struct str topic,
                        struct str values[TOPIC_LEVELS_MAX + 1])
{
    struct str rest = topic;
    size_t i = 0;

    for (; i < c->count && rest.p; i++) {
        const struct level *l = &c->levels[i];

        values[i] = str_cut(&rest, '/');
        if (l->any ? values[i].n == 0 : !str_eq(values[i], l->text))
            return false;
    }
    return i == c->count && !rest.p;
}

bool topics_match(const struct topics *t, struct str topic, struct topic_match *out)
{
    struct str values[TOPIC_LEVELS_MAX + 1] = { { NULL, 0 } };
    struct str first = str_sub(topic, 0, str_find(topic, '/'));
    const struct row_list *l;

    if (topic.n == 0)
        return false;
    l = map_get(&t->first, first);
    if (!l) {
        if (topic.p[0] == '$')
            return false;
        l = &t->other;
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct compiled *c = &t->rows[l->rows[i]];

        if (!row_matches(c, topic, values))
            continue;
        values[NO_LEVEL] = STR_NONE;
        *out = (struct topic_match){
            .row = &c->row,
            .device = values[c->device_at],
            .stream = c->stream_at == NO_LEVEL ? c->row.stream : values[c->stream_at],
            .id = values[c->id_at],
        };
        return true;
    }
    return false;
}

bool topics_derives(const struct topics *t, struct str topic, struct str device)
{
    struct topic_match m;

    if (!topics_match(t, topic, &m))
        return false;
    switch (m.row->device_from) {
    case TOPIC_DEVICE_LEVEL:
        return str_eq(m.device, device);
    case TOPIC_DEVICE_FIELD:
    case TOPIC_DEVICE_CLIENT:
        return true;
    case TOPIC_DEVICE_FIXED:
        return false;
    }
    return false;
}
