/*
 * The rows as a JSON Schema (draft 2020-12), for editors that check and complete YAML files. It is
 * as strict as a schema can be; what it cannot say (units out of range, checks over several keys)
 * the loader says.
 */
#include "conf/conf.h"
#include "conf/value.h"
#include "wire/json.h"

static void write_rows(struct json_writer *w, const struct conf_row *rows, const char *kinds);

static void put_text(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_text(w, text);
}

static void write_integer(struct json_writer *w, const struct conf_row *row)
{
    put_text(w, "type", "integer");
    if (row->type == CONF_INT) {
        int64_t least, most;

        value_range_signed(row, &least, &most);
        json_key(w, "minimum");
        json_i64(w, least);
        json_key(w, "maximum");
        json_i64(w, most);
    } else {
        uint64_t least, most;

        value_range_unsigned(row, &least, &most);
        json_put_u64(w, "minimum", least);
        if (most < UINT64_MAX) {
            json_put_u64(w, "maximum", most);
        }
    }
}

static void write_zero(struct json_writer *w)
{
    json_put_u64(w, "const", 0);
}

/* A number with a unit: a string, or a bare number where that means something. */
static void write_units(struct json_writer *w, const struct conf_row *row)
{
    json_key(w, "anyOf");
    json_begin_array(w);
    json_begin_object(w);
    if (row->type == CONF_SIZE)
        put_text(w, "type", "integer");
    else
        write_zero(w);
    json_end_object(w);
    json_begin_object(w);
    put_text(w, "type", "string");
    put_text(w, "pattern",
             row->type == CONF_SIZE ? "^[0-9]+ *(KiB|MiB|GiB|TiB)?$" : "^[0-9]+ *(ms|s|m|h)$");
    json_end_object(w);
    json_end_array(w);
}

static void write_names(struct json_writer *w, const struct conf_row *row)
{
    json_key(w, "enum");
    json_begin_array(w);
    for (const struct conf_name *n = row->names; n->text; n++)
        json_text(w, n->text);
    json_end_array(w);
}

static void write_text(struct json_writer *w, const struct conf_row *row)
{
    put_text(w, "type", "string");
    if (row->type == CONF_TEXT && row->min > 0) {
        json_put_u64(w, "minLength", 1);
    }
    if (row->type == CONF_TEXT && row->max > 0) {
        json_key(w, "maxLength");
        json_i64(w, row->max);
    }
}

static void write_array(struct json_writer *w, const struct conf_row *row)
{
    put_text(w, "type", "array");
    if (row->min > 0 || (row->flags & CONF_REQUIRED)) {
        json_key(w, "minItems");
        json_i64(w, row->min > 0 ? row->min : 1);
    }
    if (row->max > 0) {
        json_key(w, "maxItems");
        json_i64(w, row->max);
    }
    json_key(w, "items");
    json_begin_object(w);
    if (row->type == CONF_LIST)
        write_rows(w, row->rows, "o");
    else
        put_text(w, "type", "string");
    json_end_object(w);
}

static void write_type(struct json_writer *w, const struct conf_row *row)
{
    switch (row->type) {
    case CONF_BOOL:
        put_text(w, "type", "boolean");
        break;
    case CONF_INT:
    case CONF_UINT:
        write_integer(w, row);
        break;
    case CONF_DOUBLE:
        put_text(w, "type", "number");
        if (row->real_min != 0 || row->real_max != 0) {
            json_key(w, "minimum");
            json_double(w, row->real_min);
            json_key(w, "maximum");
            json_double(w, row->real_max);
        }
        break;
    case CONF_TEXT:
    case CONF_PATH:
    case CONF_ADDRESS:
    case CONF_HOST:
        write_text(w, row);
        break;
    case CONF_ENUM:
        write_names(w, row);
        break;
    case CONF_DURATION:
    case CONF_SIZE:
        write_units(w, row);
        break;
    case CONF_TEXTS:
    case CONF_LIST:
        write_array(w, row);
        break;
    case CONF_PAIRS:
    case CONF_MAP:
        put_text(w, "type", "object");
        json_key(w, "additionalProperties");
        json_begin_object(w);
        if (row->type == CONF_MAP)
            write_rows(w, row->rows, "on");
        else
            put_text(w, "type", "string");
        json_end_object(w);
        break;
    case CONF_SECTION:
        write_rows(w, row->rows, row->has ? "onb" : "on");
        break;
    case CONF_ANY:
    case CONF_IGNORED:
    case CONF_GONE:
    case CONF_END:
        break;
    }
}

static void write_default(struct json_writer *w, const struct conf_row *row)
{
    if (row->type == CONF_BOOL || row->type == CONF_INT || row->type == CONF_UINT ||
        row->type == CONF_DOUBLE) {
        if (!row->def && row->number == 0)
            return;
        json_key(w, "default");
        if (row->def)
            json_raw(w, str_of(row->def));
        else
            json_u64(w, row->number);
    } else if (value_is_scalar(row->type) && row->def) {
        put_text(w, "default", row->def);
    } else if (value_is_scalar(row->type) && row->number > 0) {
        struct buf b = buf_init(64);

        value_write(row, &row->number, &b);
        json_key(w, "default");
        json_str(w, buf_str(&b));
        buf_fini(&b);
    }
}

static void write_property(struct json_writer *w, const struct conf_row *row)
{
    json_key_str(w, value_key(row));
    json_begin_object(w);
    if (row->help)
        put_text(w, "description", row->help);
    write_type(w, row);
    write_default(w, row);
    json_end_object(w);
    if (row->flags & CONF_FILE) {
        struct buf key = buf_init(200);

        buf_printf(&key, "%s_file", row->key);
        json_key_str(w, buf_str(&key));
        json_begin_object(w);
        put_text(w, "description", "a file that holds it");
        put_text(w, "type", "string");
        json_end_object(w);
        buf_fini(&key);
    }
}

/* kinds: o an object, n null (an empty section), b a boolean (turned on or off). */
static void write_kinds(struct json_writer *w, const char *kinds)
{
    json_key(w, "type");
    json_begin_array(w);
    for (const char *k = kinds; *k; k++)
        json_text(w, *k == 'o' ? "object" : *k == 'n' ? "null" : "boolean");
    json_end_array(w);
}

static void write_rows(struct json_writer *w, const struct conf_row *rows, const char *kinds)
{
    bool required = false;

    write_kinds(w, kinds);
    json_put_bool(w, "additionalProperties", false);
    json_key(w, "properties");
    json_begin_object(w);
    for (const struct conf_row *row = rows; row->key; row++) {
        if (row->type != CONF_GONE)
            write_property(w, row);
        required = required || ((row->flags & CONF_REQUIRED) && !(row->flags & CONF_FILE));
    }
    json_end_object(w);
    if (!required)
        return;
    json_key(w, "required");
    json_begin_array(w);
    for (const struct conf_row *row = rows; row->key; row++)
        if ((row->flags & CONF_REQUIRED) && !(row->flags & CONF_FILE))
            json_str(w, value_key(row));
    json_end_array(w);
}

void conf_schema_json(const struct conf_schema *s, struct buf *out)
{
    struct json_writer w = json_writer_init(out);

    json_begin_object(&w);
    put_text(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    put_text(&w, "title", s->title);
    write_rows(&w, s->rows, "on");
    json_end_object(&w);
}
