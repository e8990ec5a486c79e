/* Values of options, checked before anything is done. */
#include "cli/values.h"

#define YEAR_MS (UINT64_C(365) * 86400000)

int values_parse_ms(struct str s, uint64_t *out)
{
    static const struct {
        struct str unit;
        double ms;
    } units[] = {
        { STR("ms"), 1 }, { STR("s"), 1000 }, { STR("m"), 60000 }, { STR("h"), 3600000 }
    };
    double factor = 1000, v;

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (str_ends(s, units[i].unit)) {
            factor = units[i].ms;
            s = str_sub(s, 0, s.n - units[i].unit.n);
            break;
        }
    }
    if (s.n == 0 || s.p[0] == '-' || str_to_double(s, &v))
        return ERR_SYNTAX;
    if (v * factor > (double)YEAR_MS)
        return ERR_LIMIT;
    *out = (uint64_t)(v * factor + 0.5);
    return 0;
}

int values_ms(const struct command_call *c, const char *name, uint64_t least, uint64_t *out,
              struct fault *f)
{
    const char *text = command_value(c, name);
    uint64_t ms;

    if (!text)
        return 0;
    if (values_parse_ms(str_of(text), &ms) || ms < least)
        return fault_set(f, ERR_VALUE, "--%s: '%s' is no time; 250ms, 1.5s, 2m, 1h, or seconds",
                         name, text);
    *out = ms;
    return 0;
}

/* Whole seconds, at least 1: what MQTT counts in. */
int values_seconds(const struct command_call *c, const char *name, uint32_t *out, struct fault *f)
{
    uint64_t ms = 0;
    int rc = values_ms(c, name, 1, &ms, f);

    if (rc == 0 && ms > 0)
        *out = (uint32_t)((ms + 999) / 1000);
    return rc;
}

int values_number(const struct command_call *c, const char *name, uint64_t least, uint64_t *out,
                  struct fault *f)
{
    const char *text = command_value(c, name);
    uint64_t v;

    if (!text)
        return 0;
    if (str_to_u64(str_of(text), &v) || v < least)
        return fault_set(f, ERR_VALUE, "--%s: '%s' is no whole number from %llu on", name, text,
                         (unsigned long long)least);
    *out = v;
    return 0;
}

int values_qos(const struct command_call *c, uint8_t *out, struct fault *f)
{
    const char *text = command_value(c, "qos");

    if (!text)
        return 0;
    if (text[0] < '0' || text[0] > '2' || text[1])
        return fault_set(f, ERR_VALUE, "--qos: '%s' is none; 0, 1 or 2", text);
    *out = (uint8_t)(text[0] - '0');
    return 0;
}
