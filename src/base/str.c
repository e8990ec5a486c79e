/*
 * Views of bytes: comparing, cutting, reading numbers. Numbers are read strictly: the whole view,
 * no sign that was not asked for, no overflow, no locale.
 */
#include "base/str.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

    if (c != 0)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}

bool str_eq_secret(struct str a, struct str b)
{
    unsigned char diff = a.n != b.n;

    for (size_t i = 0; i < a.n && b.n > 0; i++)
        diff = (unsigned char)(diff | (a.p[i] ^ b.p[i % b.n]));
    return diff == 0;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq((struct str){ s.p, prefix.n }, prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_skip(s, s.n - suffix.n), suffix);
}

size_t str_find(struct str s, char c)
{
    const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

size_t str_find_str(struct str s, struct str what)
{
    const char *at;

    if (what.n == 0)
        return 0;
    at = s.n > 0 ? memmem(s.p, s.n, what.p, what.n) : NULL;
    return at ? (size_t)(at - s.p) : s.n;
}

struct str str_sub(struct str s, size_t from, size_t n)
{
    if (from > s.n)
        from = s.n;
    if (n > s.n - from)
        n = s.n - from;
    return (struct str){ s.p ? s.p + from : NULL, n };
}

struct str str_skip(struct str s, size_t from)
{
    return str_sub(s, from, s.n);
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = str_skip(s, 1);
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

struct str str_cut(struct str *rest, char c)
{
    size_t at = str_find(*rest, c);
    struct str head = str_sub(*rest, 0, at);

    *rest = at < rest->n ? str_skip(*rest, at + 1) : STR_NONE;
    return head;
}

char *str_dup(struct str s)
{
    return mem_dup(s.p, s.n);
}

int str_to_u64(struct str s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return ERR_SYNTAX;
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return ERR_LIMIT;
    }
    *out = v;
    return 0;
}

int str_to_i64(struct str s, int64_t *out)
{
    bool minus = s.n > 0 && s.p[0] == '-';
    uint64_t v = 0;
    int rc = str_to_u64(minus ? str_skip(s, 1) : s, &v);

    if (rc)
        return rc;
    if (v > (uint64_t)INT64_MAX + (minus ? 1 : 0))
        return ERR_LIMIT;
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return 0;
}

int str_to_hex(struct str s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0)
        return ERR_SYNTAX;
    for (size_t i = 0; i < s.n; i++) {
        char c = lower(s.p[i]);
        unsigned digit;

        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (unsigned)(c - 'a') + 10;
        else
            return ERR_SYNTAX;
        if (i >= 16)
            return ERR_LIMIT;
        v = v << 4 | digit;
    }
    *out = v;
    return 0;
}

/* The grammar of RFC 8259 section 6, checked before strtod sees it: no hex, no inf, no space. */
static bool number_shape(struct str s)
{
    size_t i = 0, digits;

    if (i < s.n && s.p[i] == '-')
        i++;
    for (digits = i; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
        ;
    if (i == digits || (s.p[digits] == '0' && i - digits > 1))
        return false;
    if (i < s.n && s.p[i] == '.') {
        for (digits = ++i; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            ;
        if (i == digits)
            return false;
    }
    if (i < s.n && lower(s.p[i]) == 'e') {
        i++;
        if (i < s.n && (s.p[i] == '+' || s.p[i] == '-'))
            i++;
        for (digits = i; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
            ;
        if (i == digits)
            return false;
    }
    return i == s.n;
}

int str_to_double(struct str s, double *out)
{
    char text[128]; /* longer numbers than this carry no more meaning */
    double v;

    if (!number_shape(s))
        return ERR_SYNTAX;
    if (s.n >= sizeof(text))
        return ERR_LIMIT;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    v = strtod(text, NULL); /* the program never calls setlocale, so '.' is the point */
    if (!isfinite(v))
        return ERR_LIMIT;
    *out = v;
    return 0;
}

/* Length of the well-formed sequence at s.p, or 0. RFC 3629 section 4. */
static size_t utf8_step(struct str s)
{
    unsigned char c = (unsigned char)s.p[0], d;
    size_t n;
    unsigned char low = 0x80, high = 0xbf;

    if (c < 0x80)
        return 1;
    if (c >= 0xc2 && c <= 0xdf)
        n = 2;
    else if (c >= 0xe0 && c <= 0xef)
        n = 3;
    else if (c >= 0xf0 && c <= 0xf4)
        n = 4;
    else
        return 0;
    if (s.n < n)
        return 0;
    if (c == 0xe0)
        low = 0xa0; /* overlong */
    else if (c == 0xed)
        high = 0x9f; /* surrogates */
    else if (c == 0xf0)
        low = 0x90;
    else if (c == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    d = (unsigned char)s.p[1];
    if (d < low || d > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (((unsigned char)s.p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool utf8_valid(struct str s)
{
    while (s.n > 0) {
        uint64_t eight;
        size_t n;

        if (s.n >= 8 && (memcpy(&eight, s.p, 8), (eight & 0x8080808080808080u) == 0)) {
            s = (struct str){ s.p + 8, s.n - 8 };
            continue;
        }
        n = utf8_step(s);
        if (n == 0)
            return false;
        s = (struct str){ s.p + n, s.n - n };
    }
    return true;
}

bool utf8_valid_mqtt(struct str s)
{
    return str_find(s, '\0') == s.n && utf8_valid(s);
}

struct str utf8_clip(struct str s, size_t most)
{
    size_t n = s.n < most ? s.n : most;

    while (n > 0 && n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return str_sub(s, 0, n);
}
