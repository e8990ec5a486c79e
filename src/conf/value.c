/*
 * One setting's value between its text and what is stored, for the loader, the dump and the
 * manual. Strict: nothing is rounded, cut or guessed; a number of time or size without its unit is
 * refused, since the reader of a file should not have to know ours. What is written by value_write
 * reads back as the same.
 */
#include "conf/value.h"

#include "conf/report.h"
#include "conf/scalar.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static int refuse(struct value_why *why, const char *mend, const char *fmt, ...) PRINTF_LIKE(3, 4);
static int refuse(struct value_why *why, const char *mend, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why->text, sizeof(why->text), fmt, ap);
    va_end(ap);
    if (mend)
        snprintf(why->mend, sizeof(why->mend), "%s", mend);
    return ERR_VALUE;
}

/* At most 60 bytes of what the user wrote, for a sentence. */
#define SHOW(s) (int)((s).n < 60 ? (s).n : 60), ((s).p ? (s).p : "")

struct str value_key(const struct conf_row *row)
{
    struct str key = str_of(row->key);
    static const char *const units[] = { "_bytes", "_ms" };

    if (row->flags & CONF_CUT_UNIT)
        for (size_t i = 0; i < 2; i++)
            if (str_ends(key, str_of(units[i])))
                key.n -= strlen(units[i]);
    return key;
}

/* ---- storing ---- */

void value_put_unsigned(const struct conf_row *row, void *dest, uint64_t v)
{
    switch (row->size) {
    case 1:
        *(uint8_t *)dest = (uint8_t)v;
        break;
    case 2:
        *(uint16_t *)dest = (uint16_t)v;
        break;
    case 4:
        *(uint32_t *)dest = (uint32_t)v;
        break;
    default:
        assert(row->size == 8);
        *(uint64_t *)dest = v;
    }
}

uint64_t value_get_unsigned(const struct conf_row *row, const void *value)
{
    switch (row->size) {
    case 1:
        return *(const uint8_t *)value;
    case 2:
        return *(const uint16_t *)value;
    case 4:
        return *(const uint32_t *)value;
    default:
        assert(row->size == 8);
        return *(const uint64_t *)value;
    }
}

void value_range_signed(const struct conf_row *row, int64_t *least, int64_t *most)
{
    int64_t width_most = INT64_MAX >> (64 - row->size * 8);

    *least = -width_most - 1;
    *most = width_most;
    if (row->min != 0 || row->max != 0) {
        *least = row->min > *least ? row->min : *least;
        *most = row->max < *most ? row->max : *most;
    }
}

void value_range_unsigned(const struct conf_row *row, uint64_t *least, uint64_t *most)
{
    uint64_t width_most = UINT64_MAX >> (64 - row->size * 8);

    *least = row->min > 0 ? (uint64_t)row->min : 0;
    *most = width_most;
    if (row->max > 0 && (uint64_t)row->max < *most)
        *most = (uint64_t)row->max;
}

/* ---- numbers with units ---- */

static const char *units_text(enum conf_type t)
{
    return t == CONF_DURATION ? "ms, s, m or h" : "KiB, MiB, GiB, TiB or none for bytes";
}

/* What people write instead of our units. */
static const char *unit_meant(enum conf_type t, struct str unit)
{
    static const char *const wrong[][2] = {
        { "kb", "KiB" },  { "k", "KiB" },   { "kib", "KiB" }, { "mb", "MiB" },  { "m", "MiB" },
        { "mib", "MiB" }, { "gb", "GiB" },  { "g", "GiB" },   { "gib", "GiB" }, { "tb", "TiB" },
        { "t", "TiB" },   { "tib", "TiB" }, { "b", "" },      { "bytes", "" },
    };
    static const char *const times[][2] = {
        { "sec", "s" },     { "secs", "s" },          { "second", "s" },  { "seconds", "s" },
        { "min", "m" },     { "mins", "m" },          { "minutes", "m" }, { "hours", "h" },
        { "hour", "h" },    { "msec", "ms" },         { "hr", "h" },      { "minute", "m" },
        { "millis", "ms" }, { "milliseconds", "ms" }, { "d", NULL },
    };
    size_t n =
        t == CONF_DURATION ? sizeof(times) / sizeof(times[0]) : sizeof(wrong) / sizeof(wrong[0]);

    for (size_t i = 0; i < n; i++) {
        const char *const *row = t == CONF_DURATION ? times[i] : wrong[i];

        if (str_eq_nocase(unit, str_of(row[0])))
            return row[1];
    }
    return NULL;
}

static int refuse_unit(enum conf_type t, struct str digits, struct str unit, struct value_why *why)
{
    char mend[80] = "";
    const char *meant = unit_meant(t, unit);

    if (unit.n == 0) {
        snprintf(mend, sizeof(mend), "write %.*ss for seconds", SHOW(digits));
        return refuse(why, mend, "needs a unit: %s", units_text(t));
    }
    if (meant)
        snprintf(mend, sizeof(mend), "write %.*s%s", SHOW(digits), meant);
    return refuse(why, mend, "has the unit '%.*s'; the units are %s", SHOW(unit), units_text(t));
}

static int refuse_range(const struct conf_row *row, struct value_why *why)
{
    struct buf b = buf_init(200);
    int rc;

    value_describe(row, &b);
    rc = refuse(why, NULL, "is out of range: it must be %s", buf_cstr(&b));
    buf_fini(&b);
    return rc;
}

static int parse_units(const struct conf_row *row, struct str s, void *dest, struct value_why *why)
{
    size_t count, digits = 0;
    const struct value_unit *u = value_units(row->type, &count);
    struct str number, unit;
    uint64_t v, factor = 0, least, most;

    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    number = str_sub(s, 0, digits);
    unit = str_trim(str_skip(s, digits));
    if (digits == 0 || (unit.n > 0 && (unit.p[0] == '.' || unit.p[0] == ',')))
        return refuse(why, row->type == CONF_DURATION ? "for instance 30s" : "for instance 64KiB",
                      "must be %s in a whole number with a unit (%s), not '%.*s'",
                      row->type == CONF_DURATION ? "a time" : "a size", units_text(row->type),
                      SHOW(s));
    for (size_t i = 0; i < count; i++)
        if (str_eq(unit, str_of(u[i].text)))
            factor = u[i].factor;
    if (factor == 0 && unit.n == 0 && str_eq(number, STR("0")))
        factor = 1;
    if (factor == 0)
        return refuse_unit(row->type, number, unit, why);
    value_range_unsigned(row, &least, &most);
    if (str_to_u64(number, &v) || __builtin_mul_overflow(v, factor, &v) || v < least || v > most)
        return refuse_range(row, why);
    value_put_unsigned(row, dest, v);
    return 0;
}

/* ---- each type ---- */

static int parse_bool(struct str s, bool plain, void *dest, struct value_why *why)
{
    static const char *const yes[] = { "yes", "on", "y", "1", "true", "enabled" };
    static const char *const no[] = { "no", "off", "n", "0", "false", "disabled" };
    const char *mend = NULL;

    if (plain && (str_eq(s, STR("true")) || str_eq(s, STR("false")))) {
        *(bool *)dest = s.n == 4;
        return 0;
    }
    for (size_t i = 0; i < 6; i++) {
        if (str_eq_nocase(s, str_of(yes[i])))
            mend = "write true";
        if (str_eq_nocase(s, str_of(no[i])))
            mend = "write false";
    }
    return refuse(why, mend, "must be true or false, not %s%.*s%s", plain ? "'" : "the text \"",
                  SHOW(s), plain ? "'" : "\"");
}

static int refuse_number(const struct conf_row *row, struct str s, bool plain,
                         struct value_why *why)
{
    char mend[80] = "";
    double d;

    if (!plain && str_to_double(s, &d) == 0) {
        snprintf(mend, sizeof(mend), "write %.*s without quotes", SHOW(s));
        return refuse(why, mend, "must be a number, not a text");
    }
    return refuse(why, NULL, "must be %s, not '%.*s'",
                  row->type == CONF_DOUBLE ? "a number" : "a whole number", SHOW(s));
}

static int parse_number(const struct conf_row *row, struct str s, bool plain, void *dest,
                        struct value_why *why)
{
    int rc;

    if (!plain)
        return refuse_number(row, s, plain, why);
    if (s.n > 1 && s.p[0] == '0' && str_find(s, '.') == s.n && str_find(s, 'e') == s.n)
        return refuse(why, "leave the leading 0 out",
                      "begins with 0, which some readers take as octal");
    if (row->type == CONF_DOUBLE) {
        double d;

        if (str_to_double(s, &d))
            return refuse_number(row, s, plain, why);
        if ((row->real_min != 0 || row->real_max != 0) && (d < row->real_min || d > row->real_max))
            return refuse_range(row, why);
        *(double *)dest = d;
    } else if (row->type == CONF_INT) {
        int64_t v = 0, least, most;

        rc = str_to_i64(s, &v);
        if (rc && rc != ERR_LIMIT)
            return refuse_number(row, s, plain, why);
        value_range_signed(row, &least, &most);
        if (rc || v < least || v > most)
            return refuse_range(row, why);
        value_put_unsigned(row, dest, (uint64_t)v);
    } else {
        uint64_t v = 0, least, most;
        int64_t negative;

        rc = str_to_u64(s, &v);
        if (rc && rc != ERR_LIMIT && str_to_i64(s, &negative) != 0)
            return refuse_number(row, s, plain, why);
        value_range_unsigned(row, &least, &most);
        if (rc || v < least || v > most)
            return refuse_range(row, why);
        value_put_unsigned(row, dest, v);
    }
    return 0;
}

static int keep_text(struct arena *a, struct str s, struct str *dest, struct value_why *why)
{
    struct str copy = arena_dup(a, s);

    if (!copy.p)
        return refuse(why, NULL, "does not fit: the texts of all settings are too large together");
    *dest = copy;
    return 0;
}

static int parse_text(const struct conf_row *row, struct str s, bool plain, void *dest,
                      struct arena *a, struct value_why *why)
{
    const char *meaning = plain ? scalar_meaning(s) : NULL;
    char mend[80];

    if (meaning) {
        if (row->flags & CONF_SECRET)
            snprintf(mend, sizeof(mend), "put it in quotes");
        else
            snprintf(mend, sizeof(mend), "write \"%.*s\"", SHOW(s));
        return refuse(why, mend, "must be a text, and without quotes this is %s", meaning);
    }
    if (str_find(s, '\0') < s.n || !utf8_valid(s))
        return refuse(why, NULL, "has a zero byte or is not UTF-8");
    if (row->type == CONF_PATH && (s.n == 0 || s.p[0] == '~'))
        return refuse(why, "write the whole path",
                      s.n == 0 ? "is an empty path"
                               : "begins with '~', which only a shell expands");
    if ((row->flags & CONF_SECRET) && str_eq(s, STR("***")))
        return refuse(why, "write the secret itself", "is '***', which is how a secret is shown");
    if (row->min > 0 && s.n < (uint64_t)row->min)
        return refuse(why, NULL, "is too short: it must have at least %lld bytes",
                      (long long)row->min);
    if (row->max > 0 && s.n > (uint64_t)row->max)
        return refuse(why, NULL, "is too long: it may have at most %lld bytes",
                      (long long)row->max);
    return keep_text(a, s, dest, why);
}

static int parse_enum(const struct conf_row *row, struct str s, void *dest, struct value_why *why)
{
    struct buf choices = buf_init(300);
    const char *names[64], *guess;
    char mend[80] = "";
    size_t n = 0;
    int rc;

    for (const struct conf_name *name = row->names; name->text; name++) {
        if (str_eq(s, str_of(name->text))) {
            value_put_unsigned(row, dest, (uint64_t)(int64_t)name->value);
            buf_fini(&choices);
            return 0;
        }
        buf_printf(&choices, "%s%s", n == 0 ? "" : name[1].text ? ", " : " or ", name->text);
        assert(n < 64);
        names[n++] = name->text;
    }
    guess = conf_guess(s, names, n);
    if (guess)
        snprintf(mend, sizeof(mend), "did you mean '%s'?", guess);
    rc = refuse(why, mend, "must be %s, not '%.*s'", buf_cstr(&choices), SHOW(s));
    buf_fini(&choices);
    return rc;
}

static int parse_address(const struct conf_row *row, struct str s, bool plain, void *dest,
                         struct value_why *why)
{
    struct addr a;
    bool digits = s.n > 0;
    char mend[80];

    for (size_t i = 0; i < s.n; i++)
        digits = digits && s.p[i] >= '0' && s.p[i] <= '9';
    (void)plain;
    if (digits && s.n <= 5) {
        snprintf(mend, sizeof(mend),
                 "write \"127.0.0.1:%.*s\" for this machine or \":%.*s\" for all", SHOW(s),
                 SHOW(s));
        return refuse(why, mend, "must be an address and a port, not a port alone");
    }
    if (addr_parse_port(s, row->port, &a))
        return refuse(why, "for instance \"127.0.0.1:1883\", \"[::1]:1883\" or \":1883\"",
                      "must be an address and a port, not '%s'", report_show(s).text);
    /* Whether a port was written: with another default the answer would be another. */
    if (row->port == 0 && !addr_is_unix(&a) && addr_port(&a) == 0) {
        struct addr b;

        if (addr_parse_port(s, 1, &b) == 0 && addr_port(&b) == 1)
            return refuse(why, "write the port behind a colon, 0 to have one picked",
                          "has no port");
    }
    *(struct addr *)dest = a;
    return 0;
}

static int refuse_host(struct str s, struct value_why *why)
{
    return refuse(why, "for instance \"hub.example.org:1883\" or \"192.168.1.10:1883\"",
                  "must be a name and a port, not '%s'", report_show(s).text);
}

/* RFC 1123, 2.1: letters, digits, '-' and '.'; '_' because container networks use it. */
static bool is_host_name(struct str s)
{
    if (s.n == 0 || s.n > 253 || s.p[0] == '-' || s.p[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '.' || c == '_'))
            return false;
    }
    return true;
}

static int parse_host(const struct conf_row *row, struct str s, void *dest, struct arena *a,
                      struct value_why *why)
{
    struct conf_host h = { { NULL, 0 }, row->port };
    struct str host = s, port = STR_NONE;
    struct addr address;
    size_t at;
    uint64_t v = 0;

    if (s.n > 0 && s.p[0] == '[') {
        at = str_find(s, ']');
        if (at == s.n || addr_parse(str_sub(s, 1, at - 1), 1, &address))
            return refuse_host(s, why);
        host = str_sub(s, 1, at - 1);
        port = str_skip(s, at + 1);
        if (port.n > 0 && port.p[0] != ':')
            return refuse_host(s, why);
    } else {
        at = str_find(s, ':');
        host = str_sub(s, 0, at);
        port = str_skip(s, at);
        if (!is_host_name(host))
            return refuse_host(s, why);
    }
    if (port.n > 0 && (str_to_u64(str_skip(port, 1), &v) || v == 0 || v > 65535))
        return refuse_host(s, why);
    if (port.n > 0)
        h.port = (uint16_t)v;
    if (h.port == 0)
        return refuse(why, "write the port behind a colon", "has no port");
    if (keep_text(a, host, &h.host, why))
        return ERR_VALUE;
    *(struct conf_host *)dest = h;
    return 0;
}

bool value_is_scalar(enum conf_type t)
{
    return t >= CONF_BOOL && t <= CONF_HOST;
}

int value_parse(const struct conf_row *row, struct str text, bool plain, void *dest,
                struct arena *a, struct value_why *why)
{
    *why = (struct value_why){ "", "" };
    switch (row->type) {
    case CONF_BOOL:
        return parse_bool(text, plain, dest, why);
    case CONF_INT:
    case CONF_UINT:
    case CONF_DOUBLE:
        return parse_number(row, text, plain, dest, why);
    case CONF_TEXT:
    case CONF_PATH:
        return parse_text(row, text, plain, dest, a, why);
    case CONF_ENUM:
        return parse_enum(row, text, dest, why);
    case CONF_DURATION:
    case CONF_SIZE:
        return parse_units(row, text, dest, why);
    case CONF_ADDRESS:
        return parse_address(row, text, plain, dest, why);
    case CONF_HOST:
        return parse_host(row, text, dest, a, why);
    case CONF_END:
    case CONF_TEXTS:
    case CONF_PAIRS:
    case CONF_SECTION:
    case CONF_LIST:
    case CONF_MAP:
    case CONF_ANY:
    case CONF_IGNORED:
    case CONF_GONE:
        break;
    }
    assert(false); /* not a type of one word */
    return ERR_VALUE;
}
