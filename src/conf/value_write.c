/*
 * One setting's value as text, for the dump and the manual: what is written here reads back as the
 * same value.
 */
#include "conf/scalar.h"
#include "conf/value.h"

#include <assert.h>
#include <stdio.h>

/* Largest first, for writing. */
static const struct value_unit durations[] = {
    { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }
};
static const struct value_unit sizes[] = {
    { "TiB", (uint64_t)1 << 40 }, { "GiB", 1 << 30 }, { "MiB", 1 << 20 },
    { "KiB", 1 << 10 },           { "", 1 },
};

const struct value_unit *value_units(enum conf_type t, size_t *out_count)
{
    *out_count = t == CONF_DURATION ? sizeof(durations) / sizeof(durations[0])
                                    : sizeof(sizes) / sizeof(sizes[0]);
    return t == CONF_DURATION ? durations : sizes;
}

/* The number in the largest unit that divides it. */
static void write_units(enum conf_type t, uint64_t v, struct buf *out)
{
    size_t count;
    const struct value_unit *u = value_units(t, &count);

    for (size_t i = 0; i < count; i++) {
        if (v % u[i].factor == 0 && (v > 0 || i + 1 == count)) {
            if (v == 0)
                buf_put(out, STR("0"));
            else
                buf_printf(out, "%llu%s", (unsigned long long)(v / u[i].factor), u[i].text);
            return;
        }
    }
}

static int64_t get_signed(const struct conf_row *row, const void *value)
{
    uint64_t v = value_get_unsigned(row, value);
    unsigned shift = (unsigned)(64 - row->size * 8);

    return (int64_t)(v << shift) >> shift;
}

bool value_is_none(const struct conf_row *row, const void *value)
{
    switch (row->type) {
    case CONF_TEXT:
    case CONF_PATH:
        return ((const struct str *)value)->p == NULL;
    case CONF_HOST:
        return ((const struct conf_host *)value)->host.p == NULL;
    case CONF_ADDRESS:
        return ((const struct addr *)value)->len == 0;
    case CONF_ENUM:
        for (const struct conf_name *n = row->names; n->text; n++)
            if (value_get_unsigned(row, value) ==
                ((uint64_t)(int64_t)n->value & (UINT64_MAX >> (64 - row->size * 8))))
                return false;
        return true;
    default:
        return false;
    }
}

static void write_double(double d, struct buf *out)
{
    char text[40];

    /* The shortest that reads back the same. */
    for (int digits = 6; digits <= 17; digits++) {
        double back;

        snprintf(text, sizeof(text), "%.*g", digits, d);
        if (str_to_double(str_of(text), &back) == 0 && back >= d && back <= d)
            break;
    }
    buf_put(out, str_of(text));
}

static void write_host(const struct conf_host *h, struct buf *out)
{
    char text[400];
    bool six = str_find(h->host, ':') < h->host.n;

    snprintf(text, sizeof(text), "%s%.*s%s:%u", six ? "[" : "", STR_ARG(h->host), six ? "]" : "",
             h->port);
    scalar_write(out, str_of(text));
}

static void write_enum(const struct conf_row *row, const void *value, struct buf *out)
{
    uint64_t v = value_get_unsigned(row, value), mask = UINT64_MAX >> (64 - row->size * 8);

    for (const struct conf_name *n = row->names; n->text; n++) {
        if (((uint64_t)(int64_t)n->value & mask) == v) {
            scalar_write(out, str_of(n->text));
            return;
        }
    }
}

void value_write(const struct conf_row *row, const void *value, struct buf *out)
{
    char address[ADDR_TEXT_SIZE];

    if (value_is_none(row, value)) {
        buf_put(out, STR("null"));
        return;
    }
    switch (row->type) {
    case CONF_BOOL:
        buf_put(out, *(const bool *)value ? STR("true") : STR("false"));
        break;
    case CONF_INT:
        buf_printf(out, "%lld", (long long)get_signed(row, value));
        break;
    case CONF_UINT:
        buf_printf(out, "%llu", (unsigned long long)value_get_unsigned(row, value));
        break;
    case CONF_DOUBLE:
        write_double(*(const double *)value, out);
        break;
    case CONF_TEXT:
    case CONF_PATH:
        scalar_write(out, *(const struct str *)value);
        break;
    case CONF_ENUM:
        write_enum(row, value, out);
        break;
    case CONF_DURATION:
    case CONF_SIZE:
        write_units(row->type, value_get_unsigned(row, value), out);
        break;
    case CONF_ADDRESS:
        scalar_write(out, str_of(addr_format(value, address)));
        break;
    case CONF_HOST:
        write_host(value, out);
        break;
    default:
        assert(false); /* not a type of one word */
    }
}

/* ---- describing ---- */

static void describe_units(const struct conf_row *row, struct buf *out)
{
    uint64_t least, most, none = UINT64_MAX >> (64 - row->size * 8);

    value_range_unsigned(row, &least, &most);
    buf_put(out, row->type == CONF_DURATION ? STR("a time") : STR("a size"));
    if (least > 0 || most < none) {
        buf_put(out, most < none ? STR(" from ") : STR(" of at least "));
        write_units(row->type, least, out);
    }
    if (most < none) {
        buf_put(out, STR(" to "));
        write_units(row->type, most, out);
    }
}

static void describe_number(const struct conf_row *row, struct buf *out)
{
    if (row->type == CONF_DOUBLE) {
        buf_put(out, STR("a number"));
        if (row->real_min != 0 || row->real_max != 0) {
            buf_put(out, STR(" from "));
            write_double(row->real_min, out);
            buf_put(out, STR(" to "));
            write_double(row->real_max, out);
        }
    } else if (row->type == CONF_INT) {
        int64_t least, most;

        value_range_signed(row, &least, &most);
        buf_printf(out, "a whole number from %lld to %lld", (long long)least, (long long)most);
    } else {
        uint64_t least, most;

        value_range_unsigned(row, &least, &most);
        buf_printf(out, "a whole number from %llu", (unsigned long long)least);
        if (most < UINT64_MAX)
            buf_printf(out, " to %llu", (unsigned long long)most);
        else
            buf_put(out, STR(" on"));
    }
}

void value_describe(const struct conf_row *row, struct buf *out)
{
    static const char *const plain[] = {
        [CONF_BOOL] = "true or false",
        [CONF_TEXT] = "a text",
        [CONF_PATH] = "a path",
        [CONF_ADDRESS] = "an address and a port",
        [CONF_HOST] = "a name and a port",
        [CONF_TEXTS] = "a list of texts",
        [CONF_PAIRS] = "keys of your own, each with a text",
        [CONF_SECTION] = "a section",
        [CONF_LIST] = "a list of sections",
        [CONF_MAP] = "sections under names of your own",
        [CONF_ANY] = "anything",
        [CONF_IGNORED] = "ignored",
        [CONF_GONE] = "refused",
    };

    switch (row->type) {
    case CONF_INT:
    case CONF_UINT:
    case CONF_DOUBLE:
        describe_number(row, out);
        break;
    case CONF_DURATION:
    case CONF_SIZE:
        describe_units(row, out);
        break;
    case CONF_ENUM:
        for (const struct conf_name *n = row->names; n->text; n++)
            buf_printf(out, "%s%s", n == row->names ? "" : n[1].text ? ", " : " or ", n->text);
        break;
    default:
        buf_put(out, str_of(plain[row->type]));
    }
}
