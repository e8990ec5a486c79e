/*
 * Reading JSON (RFC 8259) through jansson, for ingest, the API and the local socket.
 *
 * jansson is strict about the grammar, but it allocates as it goes and recurses. So the text is
 * looked through once before: nesting beyond the limit (depth bombs) and more values than the
 * limit ("[[],[],…" costs a hundred times its size in memory) are refused before anything is
 * allocated. That look needs only to know where strings are; all else is left to jansson, with
 * duplicate keys refused, nothing allowed behind the value, no U+0000.
 */
#include "wire/json.h"

#include "base/mem.h"
#include "base/rfc3339.h"

#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>

static unsigned line_of(struct str in, size_t at, unsigned *out_column)
{
    unsigned line = 1, column = 1;

    for (size_t i = 0; i < at && i < in.n; i++) {
        column++;
        if (in.p[i] == '\n') {
            line++;
            column = 1;
        }
    }
    *out_column = column;
    return line;
}

/* Depth and number of values. Malformed text may pass here: jansson refuses it. */
static int look(struct str in, const struct json_limits *l, size_t *out_at)
{
    size_t depth = 0, values = 0;
    size_t values_max = l->values_max ? l->values_max : JSON_VALUES_MAX;

    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c == '"') {
            for (i++; i < in.n && in.p[i] != '"'; i++)
                if (in.p[i] == '\\')
                    i++;
            continue;
        }
        if (c == '{' || c == '[') {
            depth++;
            values++;
        } else if (c == ',') {
            values++;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
        if (depth > l->depth_max || values > values_max) {
            *out_at = i;
            return ERR_LIMIT;
        }
    }
    return 0;
}

static int refuse_limit(struct str in, size_t at, struct fault *f)
{
    unsigned column, line = line_of(in, at, &column);
    bool deep = in.p[at] == '{' || in.p[at] == '[';

    return fault_at(f, ERR_LIMIT, "", line, column, "%s",
                    deep ? "nested too deeply, or too many values" : "too many values");
}

static int refuse_zero(struct str in, size_t at, size_t *out_at, struct fault *f)
{
    unsigned column, line = line_of(in, at, &column);

    if (out_at)
        *out_at = at;
    return fault_at(f, ERR_SYNTAX, "", line, column, "a zero byte is not JSON");
}

int json_parse(struct str in, const struct json_limits *limits, struct json_t **out, size_t *out_at,
               struct fault *f)
{
    json_error_t e;
    size_t at = 0;
    json_t *v;
    int rc = look(in, limits, &at);

    if (out_at)
        *out_at = at;
    if (rc)
        return refuse_limit(in, at, f);
    if (in.n == 0)
        return fault_at(f, ERR_SYNTAX, "", 1, 1, "%s", "nothing where JSON was expected");
    /* jansson takes a zero byte behind a number for the end of its buffer and reads on. */
    at = str_find(in, '\0');
    if (at < in.n)
        return refuse_zero(in, at, out_at, f);
    v = json_loadb(in.p, in.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!v) {
        if (out_at)
            *out_at = e.position > 0 ? (size_t)e.position : 0;
        return fault_at(f, ERR_SYNTAX, "", e.line > 0 ? (unsigned)e.line : 1,
                        e.column > 0 ? (unsigned)e.column : 1, "%s", e.text);
    }
    *out = v;
    return 0;
}

void json_free(struct json_t *v)
{
    json_decref(v);
}

enum json_kind json_kind(const struct json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return JSON_KIND_OBJECT;
    case JSON_ARRAY:
        return JSON_KIND_ARRAY;
    case JSON_STRING:
        return JSON_KIND_STRING;
    case JSON_INTEGER:
        return JSON_KIND_INTEGER;
    case JSON_REAL:
        return JSON_KIND_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_KIND_BOOL;
    case JSON_NULL:
        break;
    }
    return JSON_KIND_NULL;
}

const char *json_kind_name(enum json_kind k)
{
    static const char *const names[] = {
        [JSON_KIND_NULL] = "null",
        [JSON_KIND_BOOL] = "true or false",
        [JSON_KIND_INTEGER] = "a whole number",
        [JSON_KIND_REAL] = "a number",
        [JSON_KIND_STRING] = "a string",
        [JSON_KIND_ARRAY] = "an array",
        [JSON_KIND_OBJECT] = "an object",
    };

    return names[k];
}

struct str json_to_str(const struct json_t *v)
{
    assert(json_is_string(v));
    return (struct str){ json_string_value(v), json_string_length(v) };
}

int64_t json_to_i64(const struct json_t *v)
{
    assert(json_is_integer(v));
    return json_integer_value(v);
}

double json_to_double(const struct json_t *v)
{
    assert(json_is_number(v));
    return json_number_value(v);
}

bool json_to_bool(const struct json_t *v)
{
    assert(json_is_boolean(v));
    return json_is_true(v);
}

const struct json_t *json_member(const struct json_t *v, const char *name)
{
    return json_object_get(v, name);
}

const struct json_t *json_element(const struct json_t *v, size_t index)
{
    return json_array_get(v, index);
}

size_t json_count(const struct json_t *v)
{
    return json_is_array(v) ? json_array_size(v) : json_object_size(v);
}

/* jansson wants its objects without const to step through them; stepping changes nothing. */
static json_t *unconst(const struct json_t *v)
{
    union {
        const json_t *in;
        json_t *out;
    } u = { .in = v };

    return u.out;
}

bool json_next_member(const struct json_t *object, void **at, const char **out_name,
                      const struct json_t **out_value)
{
    json_t *o = unconst(object);

    *at = *at ? json_object_iter_next(o, *at) : json_object_iter(o);
    if (!*at)
        return false;
    *out_name = json_object_iter_key(*at);
    *out_value = json_object_iter_value(*at);
    return true;
}

/* ---- fields of one object ---- */
void json_fields_add(struct json_fields *f, const char *name, const char *text, const char *type)
{
    struct field_error *e;

    if (f->errors_count >= f->errors_cap)
        return;
    e = &f->errors[f->errors_count++];
    snprintf(e->field, sizeof(e->field), "%s%s", f->prefix ? f->prefix : "", name);
    e->text = text;
    e->type = type;
}

struct json_fields json_fields_init(const struct json_t *v, const char *prefix,
                                    struct field_error *errors, size_t errors_cap)
{
    struct json_fields f = { NULL, prefix, errors, errors_cap, 0 };

    if (v && json_is_object(v))
        f.object = v;
    else
        json_fields_add(&f, "", "must be an object", "type");
    return f;
}

/* The member, or NULL when it is absent (then reported if it is needed). */
static const json_t *find(struct json_fields *f, const char *name, enum json_need need)
{
    const json_t *v = f->object ? json_object_get(f->object, name) : NULL;

    if (v && !json_is_null(v))
        return v;
    if (need == JSON_REQUIRED && f->object)
        json_fields_add(f, name, "is required", "missing");
    return NULL;
}

bool json_get_str(struct json_fields *f, const char *name, enum json_need need, size_t least,
                  size_t most, struct str *out)
{
    const json_t *v = find(f, name, need);
    struct str s;

    if (!v)
        return false;
    if (!json_is_string(v)) {
        json_fields_add(f, name, "must be a string", "type");
        return false;
    }
    s = json_to_str(v);
    if (s.n < least || s.n > most) {
        json_fields_add(f, name, s.n < least ? "is too short" : "is too long", "range");
        return false;
    }
    *out = s;
    return true;
}

bool json_get_i64(struct json_fields *f, const char *name, enum json_need need, int64_t least,
                  int64_t most, int64_t *out)
{
    const json_t *v = find(f, name, need);

    if (!v)
        return false;
    if (!json_is_integer(v)) {
        json_fields_add(f, name, "must be a whole number", "type");
        return false;
    }
    if (json_integer_value(v) < least || json_integer_value(v) > most) {
        json_fields_add(f, name, "is out of range", "range");
        return false;
    }
    *out = json_integer_value(v);
    return true;
}

bool json_get_double(struct json_fields *f, const char *name, enum json_need need, double least,
                     double most, double *out)
{
    const json_t *v = find(f, name, need);
    double d;

    if (!v)
        return false;
    if (!json_is_number(v)) {
        json_fields_add(f, name, "must be a number", "type");
        return false;
    }
    d = json_number_value(v);
    if (!(d >= least && d <= most)) {
        json_fields_add(f, name, "is out of range", "range");
        return false;
    }
    *out = d;
    return true;
}

bool json_get_bool(struct json_fields *f, const char *name, enum json_need need, bool *out)
{
    const json_t *v = find(f, name, need);

    if (!v)
        return false;
    if (!json_is_boolean(v)) {
        json_fields_add(f, name, "must be true or false", "type");
        return false;
    }
    *out = json_is_true(v);
    return true;
}

bool json_get_time(struct json_fields *f, const char *name, enum json_need need, int64_t *out_ns)
{
    const json_t *v = find(f, name, need);

    if (!v)
        return false;
    if (!json_is_string(v) || rfc3339_parse(json_to_str(v), out_ns) != 0) {
        json_fields_add(f, name, "must be a time such as \"2026-01-01T00:00:00Z\"", "type");
        return false;
    }
    return true;
}

void json_fields_only(struct json_fields *f, const char *const *names)
{
    const char *name;
    const json_t *value;
    void *at = NULL;

    while (f->object && json_next_member(f->object, &at, &name, &value)) {
        size_t i = 0;

        while (names[i] && strcmp(names[i], name) != 0)
            i++;
        if (!names[i])
            json_fields_add(f, name, "is not known", "unknown");
    }
}
