/*
 * Records out of messages, bodies and lines. For the broker's acceptance of publishes, the REST
 * routes and the local socket: whatever the way in, the same rules and the same refusals.
 *
 * What is stored is the text itself, never a rewriting of it (numbers keep their digits, unknown
 * members stay). It is walked without building anything as long as it is plain; only what is not
 * (escapes in names, odd numbers, mistakes) goes through the parser, which then decides and says
 * what is wrong. It refuses whatever two readers could take
 * in two ways, and everything that record.h does not allow, so that no record that comes out of
 * here is refused later.
 *
 * Invariants: *out is set only on success; every refusal names a field (or the body) and says how
 * to mend it; nothing here allocates outside the arena and the parser.
 */
#include "ingest/ingest.h"

#include "ingest/body.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rfc3339.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>

#define ID_MAX 128 /* bytes of the id on the local socket, as JSON text without quotes */

/* ---- refusing ---- */

PRINTF_LIKE(5, 6)
static int refuse(struct refusal *why, int code, const char *type, struct str field,
                  const char *fmt, ...)
{
    va_list ap;

    if (!why)
        return code;
    *why = (struct refusal){ .code = code, .type = type };
    snprintf(why->field, sizeof(why->field), "%.*s", STR_ARG(field));
    va_start(ap, fmt);
    vsnprintf(why->text, sizeof(why->text), fmt, ap);
    va_end(ap);
    /* The sentence may quote what was sent and may have been cut inside a character. */
    for (char *p = why->text; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            *p = '?';
    for (char *p = why->field; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            *p = '?';
    return code;
}

static int refuse_missing(struct refusal *why, struct str field)
{
    return refuse(why, ERR_VALUE, "value_error.missing", field, "field required: %.*s is missing",
                  STR_ARG(field));
}

static int refuse_range(struct refusal *why, struct str field, double v, double limit, bool above)
{
    int rc =
        refuse(why, ERR_VALUE, above ? "value_error.number.not_le" : "value_error.number.not_ge",
               field, "%.*s is %.6g: send a number that is %s %.6g", STR_ARG(field), v,
               above ? "at most" : "at least", limit);

    if (why) {
        why->has_limit = true;
        why->limit = limit;
    }
    return rc;
}

static int refuse_device(struct refusal *why, struct str field)
{
    return refuse(why, ERR_VALUE, "value_error.str.regex", field,
                  "%.*s names the device: send 1 to %d letters, digits, _ or -", STR_ARG(field),
                  RECORD_DEVICE_MAX);
}

/* ---- the text ---- */

static int parse(struct str text, const struct limits *lim, struct body *b, struct refusal *why)
{
    struct fault f = { 0 };

    if (text.n > lim->record_payload_max_bytes)
        return refuse(why, ERR_LIMIT, "value_error.any_str.max_length", STR_NONE,
                      "%zu bytes are too many for one record: send at most %llu", text.n,
                      (unsigned long long)lim->record_payload_max_bytes);
    if (body_parse(text, (size_t)lim->json_depth_max, b, &f) == 0)
        return 0;
    return refuse(why, ERR_SYNTAX, "value_error.jsondecode", STR_NONE,
                  "no valid JSON (line %u, column %u: %s): send one JSON object", f.line, f.column,
                  f.text);
}

static int need_object(const struct body *b, struct refusal *why)
{
    if (b->kind == LEAF_OBJECT)
        return 0;
    return refuse(why, ERR_VALUE, "type_error.dict", STR_NONE,
                  "the body is no JSON object: send {\"name\": value, ...}");
}

/* ---- the parts of a record ---- */

static int check_field(const struct topic_field *f, const struct body *b, struct refusal *why)
{
    struct leaf_member m;
    double d = 0;

    if (!body_member(b, f->name, &m))
        return f->required ? refuse_missing(why, f->name) : 0;
    if (!f->has_min && !f->has_max)
        return 0;
    if (m.kind != LEAF_NUMBER || str_to_double(m.value, &d) < 0)
        return refuse(why, ERR_VALUE, "type_error.float", f->name,
                      "%.*s is no number: send a JSON number without quotes", STR_ARG(f->name));
    if (f->has_min && d < f->min)
        return refuse_range(why, f->name, d, f->min, false);
    if (f->has_max && d > f->max)
        return refuse_range(why, f->name, d, f->max, true);
    return 0;
}

/* Text that names a device, out of a member. */
static int device_of_member(const struct body *b, struct str field, struct arena *a,
                            struct str *out, struct refusal *why)
{
    struct leaf_member m;
    struct str text = STR_NONE;

    if (!body_member(b, field, &m))
        return refuse_missing(why, field);
    if (m.kind != LEAF_STRING)
        return refuse(why, ERR_VALUE, "type_error.str", field,
                      "%.*s is no text: send the device's name in quotes", STR_ARG(field));
    if (!body_text(&m, a, &text) || !record_device_valid(text))
        return refuse_device(why, field);
    *out = text;
    return 0;
}

static int device_of_row(const struct topic_match *m, struct str client_id, const struct body *b,
                         struct arena *a, struct str *out, struct refusal *why)
{
    const struct topic_row *row = m->row;

    switch (row->device_from) {
    case TOPIC_DEVICE_FIELD:
        return device_of_member(b, row->device, a, out, why);
    case TOPIC_DEVICE_LEVEL:
        *out = m->device;
        return record_device_valid(m->device) ? 0 : refuse_device(why, row->device);
    case TOPIC_DEVICE_CLIENT:
        *out = client_id;
        return record_device_valid(client_id) ? 0 : refuse_device(why, STR("client_id"));
    case TOPIC_DEVICE_FIXED:
        *out = row->device;
        return 0;
    }
    return ERR_VALUE;
}

static int time_of(enum topic_time from, struct str field, const struct body *b, int64_t arrival_ns,
                   struct arena *a, struct record *r, struct refusal *why)
{
    struct leaf_member m;
    struct str text;
    int64_t t = 0;

    if (field.n == 0)
        field = STR("timestamp");
    r->wall_ns = arrival_ns;
    r->flags |= RECORD_ARRIVAL;
    if (from == TOPIC_TIME_ARRIVAL || !body_member(b, field, &m))
        return from == TOPIC_TIME_REQUIRED ? refuse_missing(why, field) : 0;
    if (body_text(&m, a, &text) && rfc3339_parse(text, &t) == 0) {
        r->wall_ns = t;
        r->flags &= ~(unsigned)RECORD_ARRIVAL;
        return 0;
    }
    if (from == TOPIC_TIME_LENIENT)
        return 0;
    return refuse(why, ERR_VALUE, "value_error.datetime", field,
                  "%.*s is no time by RFC 3339: send it with its offset, like "
                  "2026-01-31T08:15:00Z",
                  STR_ARG(field));
}

/* ---- MQTT ---- */

/* A result's id stands in its topic, so it is put beside what was sent. */
static int wrap_result(struct str id, struct arena *a, struct record *r, struct refusal *why)
{
    struct str whole;

    if (!record_stream_valid(id))
        return refuse(why, ERR_VALUE, "value_error.str.regex", STR("id"),
                      "the topic's last level is the command's id: 1 to %d letters, digits, _ . "
                      "or -",
                      RECORD_STREAM_MAX);
    whole = arena_printf(a, "{\"id\":\"%.*s\",\"result\":%.*s}", STR_ARG(id), STR_ARG(r->payload));
    if (!whole.p)
        return refuse(why, ERR_LIMIT, "value_error.any_str.max_length", STR_NONE,
                      "too many bytes for one record");
    r->payload = whole;
    return 0;
}

/* Bytes of a declared type, kept as they are. */
static bool is_foreign(const struct ingest_message *m, const struct topic_match *match)
{
    return match->row->canonical && match->row->kind != RECORD_RESULT && m->content_type.n > 0 &&
           !str_starts(m->content_type, STR("application/json"));
}

static int content_type_of(struct str type, struct str *out, struct refusal *why)
{
    bool ok = type.n <= RECORD_CONTENT_MAX;

    for (size_t i = 0; ok && i < type.n; i++)
        ok = type.p[i] >= 0x20 && type.p[i] <= 0x7e;
    if (!ok)
        return refuse(why, ERR_VALUE, "value_error.str.regex", STR("content_type"),
                      "the content type is not at most %d printable ASCII characters",
                      RECORD_CONTENT_MAX);
    *out = type;
    return 0;
}

static int check_shape(const struct topic_row *row, const struct body *b, struct refusal *why)
{
    if (!row->canonical)
        return need_object(b, why);
    if (b->kind == LEAF_ARRAY)
        return refuse(why, ERR_VALUE, "type_error.dict", STR_NONE,
                      "an array is no record: send each value as a message of its own, or an "
                      "object");
    return 0;
}

static int fill_from_json(const struct topic_match *m, const struct ingest_message *msg,
                          const struct body *b, struct arena *a, struct record *r,
                          struct refusal *why)
{
    const struct topic_row *row = m->row;
    int rc = check_shape(row, b, why);

    if (rc == 0)
        rc = device_of_row(m, msg->client_id, b, a, &r->device, why);
    for (size_t i = 0; i < row->field_count && rc == 0; i++)
        rc = check_field(&row->fields[i], b, why);
    if (rc == 0)
        rc = time_of(row->time_from, row->time_field, b, msg->arrival_ns, a, r, why);
    if (rc == 0 && row->kind == RECORD_RESULT && m->id.p)
        rc = wrap_result(m->id, a, r, why);
    return rc;
}

int ingest_message(const struct topics *t, const struct limits *lim, const struct ingest_message *m,
                   struct arena *a, struct record *out, bool *out_canonical, struct refusal *why)
{
    struct record r = { .flags = RECORD_ARRIVAL, .payload = m->payload, .wall_ns = m->arrival_ns };
    struct topic_match match;
    struct body body;
    int rc;

    if (m->payload.n == 0 || !topics_match(t, m->topic, &match))
        return ERR_UNKNOWN;
    r.kind = match.row->kind;
    r.stream = match.stream;
    if (!record_stream_valid(r.stream))
        return refuse(why, ERR_VALUE, "value_error.str.regex", STR("stream"),
                      "the stream in the topic: use 1 to %d letters, digits, _ . or -",
                      RECORD_STREAM_MAX);
    if (is_foreign(m, &match) && m->payload.n <= lim->record_payload_max_bytes) {
        body = body_none();
        rc = device_of_row(&match, m->client_id, &body, a, &r.device, why);
        if (rc == 0)
            rc = content_type_of(m->content_type, &r.content_type, why);
    } else {
        rc = parse(m->payload, lim, &body, why);
        if (rc == 0)
            rc = fill_from_json(&match, m, &body, a, &r, why);
    }
    if (rc < 0)
        return rc;
    *out = r;
    if (out_canonical)
        *out_canonical = match.row->canonical;
    return 0;
}

/* ---- REST ---- */

static const struct topic_row api_data_rows[] = {
    { .kind = RECORD_READING,
      .device_from = TOPIC_DEVICE_FIELD,
      .device = { "device_id", 9 },
      .stream = { "data", 4 },
      .time_from = TOPIC_TIME_LENIENT },
    { .kind = RECORD_READING,
      .device_from = TOPIC_DEVICE_FIXED,
      .device = { "api", 3 },
      .stream = { "data", 4 },
      .time_from = TOPIC_TIME_LENIENT },
};

static const struct topic_row *row_of_route(enum ingest_route route, const struct body *b)
{
    switch (route) {
    case INGEST_SENSOR_DATA:
        return topics_sensor_data();
    case INGEST_API_DATA:
        return &api_data_rows[body_has(b, STR("device_id")) ? 0 : 1];
    }
    return NULL;
}

/* As if it had come on the row's topic. */
static int fill_as_row(const struct topic_row *row, const struct body *b, int64_t arrival_ns,
                       struct arena *a, struct record *r, struct refusal *why)
{
    struct topic_match match = { .row = row, .stream = row->stream };
    struct ingest_message msg = { .arrival_ns = arrival_ns };

    r->kind = row->kind;
    r->stream = row->stream;
    return fill_from_json(&match, &msg, b, a, r, why);
}

int ingest_body(enum ingest_route route, const struct limits *lim, struct str body,
                int64_t arrival_ns, struct arena *a, struct record *out, struct refusal *why)
{
    struct record r = { .payload = body };
    struct body b;
    int rc = parse(body, lim, &b, why);

    if (rc == 0)
        rc = need_object(&b, why);
    if (rc == 0)
        rc = fill_as_row(row_of_route(route, &b), &b, arrival_ns, a, &r, why);
    if (rc == 0)
        *out = r;
    return rc;
}

/* ---- the local socket ---- */

static bool is_whole(const struct leaf_member *m)
{
    return m->kind == LEAF_NUMBER && str_find(m->value, '.') == m->value.n &&
           str_find(m->value, 'e') == m->value.n && str_find(m->value, 'E') == m->value.n;
}

static int line_id(const struct body *b, struct str *out, struct refusal *why)
{
    struct leaf_member m;

    if (!body_member(b, STR("id"), &m))
        return 0;
    if ((is_whole(&m) || (m.kind == LEAF_STRING && m.value.n > 2)) && m.value.n <= ID_MAX + 2) {
        *out = m.value;
        return 0;
    }
    return refuse(why, ERR_VALUE, "value_error.str.regex", STR("id"),
                  "id: send a whole number or text of 1 to %d bytes", ID_MAX);
}

/* 128 bits of the id as it was written, so that two different ones of a stream are never taken for
 * one another. The keys are constants since the hash must be the same after a restart; who chooses
 * ids to make two of them equal loses his own reading. */
static struct uuid hash_of(struct str id)
{
    static const uint64_t high[2] = { 0x77617973696465, 1 }, low[2] = { 0x77617973696465, 2 };
    uint64_t h[2] = { htole64(siphash(high, id)), htole64(siphash(low, id)) };
    struct uuid u;

    memcpy(u.b, h, sizeof(u.b));
    return u;
}

static int line_device(const struct body *b, struct str default_device, struct arena *a,
                       struct str *out, struct refusal *why)
{
    bool device = body_has(b, STR("device")), device_id = body_has(b, STR("device_id"));

    if (device && device_id)
        return refuse(why, ERR_VALUE, "value_error.extra", STR("device_id"),
                      "both device and device_id: send one of them");
    if (device || device_id)
        return device_of_member(b, device ? STR("device") : STR("device_id"), a, out, why);
    *out = default_device;
    return record_device_valid(default_device) ? 0 : refuse_missing(why, STR("device"));
}

static int line_kind(const struct body *b, struct arena *a, struct record *r, struct refusal *why)
{
    struct leaf_member m;
    struct str text;

    if (!body_member(b, STR("kind"), &m))
        return 0;
    if (body_text(&m, a, &text)) {
        r->kind = record_kind_from(text);
        if (r->kind >= RECORD_READING && r->kind <= RECORD_EVENT)
            return 0;
    }
    return refuse(why, ERR_VALUE, "type_error.enum", STR("kind"),
                  "kind: send \"reading\", \"detection\", \"status\" or \"event\"");
}

static int line_stream(const struct body *b, struct arena *a, struct record *r, struct refusal *why)
{
    struct leaf_member m;

    if (body_member(b, STR("stream"), &m) && body_text(&m, a, &r->stream) &&
        record_stream_valid(r->stream))
        return line_kind(b, a, r, why);
    return refuse(why, ERR_VALUE, "value_error.str.regex", STR("stream"),
                  "stream: send text of 1 to %d letters, digits, _ . or -", RECORD_STREAM_MAX);
}

static bool is_of_shape_1(const struct leaf_member *m)
{
    static const struct str known[] = {
        { "stream", 6 }, { "value", 5 },     { "device", 6 }, { "device_id", 9 },
        { "kind", 4 },   { "timestamp", 9 }, { "id", 2 },
    };

    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (body_is_named(m, known[i]))
            return true;
    return false;
}

/* Shape 1: only the value is kept, so nothing else may be there. */
static int line_value(const struct body *b, struct record *r, struct refusal *why)
{
    struct body_cursor c = { 0 };
    const struct leaf_member *m;
    struct leaf_member value;

    if (!body_member(b, STR("value"), &value))
        return 0;
    if (value.kind == LEAF_ARRAY)
        return refuse(why, ERR_VALUE, "type_error.dict", STR("value"),
                      "an array is no value: send each as a line of its own, or an object");
    while ((m = body_next(b, &c)))
        if (!is_of_shape_1(m))
            return refuse(why, ERR_VALUE, "value_error.extra", m->name,
                          "%.*s beside value would be lost: put it into the value, or leave "
                          "value out",
                          STR_ARG(m->name));
    r->payload = value.value;
    return 0;
}

static int fill_line(const struct body *b, struct str default_device, int64_t arrival_ns,
                     struct arena *a, struct ingest_line *out, struct refusal *why)
{
    struct record *r = &out->record;
    int rc = line_id(b, &out->id, why);

    if (rc < 0)
        return rc;
    if (out->id.p)
        r->id = hash_of(out->id);
    if (!body_has(b, STR("stream"))) {
        if (body_has(b, STR("device_id")))
            return fill_as_row(topics_sensor_data(), b, arrival_ns, a, r, why);
        return refuse_missing(why, STR("stream"));
    }
    rc = line_stream(b, a, r, why);
    if (rc == 0)
        rc = line_device(b, default_device, a, &r->device, why);
    if (rc == 0)
        rc = time_of(TOPIC_TIME_OPTIONAL, STR("timestamp"), b, arrival_ns, a, r, why);
    if (rc == 0)
        rc = line_value(b, r, why);
    return rc;
}

int ingest_line(const struct limits *lim, struct str line, struct str default_device,
                int64_t arrival_ns, struct arena *a, struct ingest_line *out, struct refusal *why)
{
    struct ingest_line l = { .record = { .kind = RECORD_READING, .payload = line } };
    struct body b;
    int rc = parse(line, lim, &b, why);

    out->id = STR_NONE;
    if (rc == 0)
        rc = need_object(&b, why);
    if (rc == 0)
        rc = fill_line(&b, default_device, arrival_ns, a, &l, why);
    if (rc == 0)
        *out = l;
    else
        out->id = l.id;
    return rc;
}

/* ---- the way out ---- */

int ingest_topic(const struct record *r, struct buf *out)
{
    struct str id = STR_NONE;

    switch (r->kind) {
    case RECORD_READING:
    case RECORD_DETECTION:
        buf_printf(out, "wayside/%.*s/%s/%.*s", STR_ARG(r->device), record_kind_name(r->kind),
                   STR_ARG(r->stream));
        return 0;
    case RECORD_STATUS:
    case RECORD_EVENT:
        buf_printf(out, "wayside/%.*s/%s", STR_ARG(r->device), record_kind_name(r->kind));
        return 0;
    case RECORD_RESULT:
        if (leaves_member(r->payload, STR("id"), &id, NULL) < 0 || id.n < 2)
            return ERR_VALUE;
        id = str_sub(id, 1, id.n - 2);
        if (!record_stream_valid(id))
            return ERR_VALUE;
        buf_printf(out, "wayside/%.*s/result/%.*s", STR_ARG(r->device), STR_ARG(id));
        return 0;
    case RECORD_GAP:
    case RECORD_MARK:
        break;
    }
    return ERR_VALUE;
}

size_t ingest_arena_bytes(const struct limits *lim)
{
    return (size_t)lim->record_payload_max_bytes + 4096;
}
