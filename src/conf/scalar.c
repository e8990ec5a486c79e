/*
 * What a plain word of YAML means to one reader or another. YAML 1.1 takes `on`, `no` and 0123 for
 * truths and octal numbers, 1.2 for texts; a setting that two readers take in two ways must be
 * quoted. Also the writer's side: a text is plain only when no reader can take it otherwise.
 */
#include "conf/scalar.h"

static bool is_one_of(struct str s, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        if (str_eq_nocase(s, str_of(words[i])))
            return true;
    return false;
}

/* Anything that starts like a number and has only the bytes of one: 1, -2.5, 0x1f, 1e5, 1_000,
 * 12:30:45 (sixty-based in YAML 1.1), .inf. */
static bool looks_numeric(struct str s)
{
    size_t i = 0, digits = 0;
    static const char *const special[] = { ".inf", "-.inf", "+.inf", ".nan", NULL };

    if (is_one_of(s, special))
        return true;
    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
        i++;
    if (i + 1 < s.n && s.p[i] == '0' && (s.p[i + 1] == 'x' || s.p[i + 1] == 'o')) {
        uint64_t v;

        return str_to_hex(str_skip(s, i + 2), &v) == 0;
    }
    for (; i < s.n; i++) {
        char c = s.p[i];

        if (c >= '0' && c <= '9')
            digits++;
        else if (digits == 0 && c != '.')
            return false;
        else if (c != '.' && c != '_' && c != 'e' && c != 'E' && c != '+' && c != '-' && c != ':')
            return false;
    }
    return digits > 0;
}

/* A date or an address of numbers is no number to anybody: 127.0.0.1, 2026-01-01, 10.0.0.0:80. */
static bool is_many_parts(struct str s)
{
    size_t dots = 0, dashes = 0, colons = 0;
    bool exponent = false;

    for (size_t i = 0; i < s.n; i++) {
        dots += s.p[i] == '.';
        dashes += s.p[i] == '-' && i > 0;
        colons += s.p[i] == ':';
        exponent = exponent || s.p[i] == 'e' || s.p[i] == 'E';
    }
    return dots > 1 || (dashes > 0 && !exponent) || (colons > 0 && dots > 1);
}

const char *scalar_meaning(struct str s)
{
    static const char *const nulls[] = { "~", "null", NULL };
    static const char *const truths[] = {
        "true", "false", "yes", "no", "on", "off", "y", "n", NULL
    };

    if (s.n == 0 || is_one_of(s, nulls))
        return "nothing (null)";
    if (is_one_of(s, truths))
        return "a truth (true or false)";
    if (looks_numeric(s) && !is_many_parts(s))
        return "a number";
    return NULL;
}

static bool is_safe_plain(struct str s)
{
    if (scalar_meaning(s) || looks_numeric(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '/' || c == '.';

        if (!word && (i == 0 || (c != '-' && c != '+')))
            return false;
    }
    return true;
}

void scalar_write(struct buf *out, struct str s)
{
    if (is_safe_plain(s)) {
        buf_put(out, s);
        return;
    }
    buf_u8(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\') {
            buf_u8(out, '\\');
            buf_u8(out, c);
        } else if (c == '\n') {
            buf_put(out, STR("\\n"));
        } else if (c == '\t') {
            buf_put(out, STR("\\t"));
        } else if (c < 0x20 || c == 0x7f) {
            buf_printf(out, "\\x%02x", c);
        } else {
            buf_u8(out, c);
        }
    }
    buf_u8(out, '"');
}
