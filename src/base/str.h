#ifndef BASE_STR_H
#define BASE_STR_H
/*
 * A view of bytes that somebody else owns; never terminated, never freed through this. All
 * functions are pure and take any bytes, zeros too, unless they say otherwise.
 */
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

/* A view of a string literal, usable in initialisers. */
#define STR(lit) ((struct str){ "" lit, sizeof(lit) - 1 })
#define STR_NONE ((struct str){ NULL, 0 })
/* For printf: ("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).n, ((s).p ? (s).p : "")

static inline struct str str_of(const char *zero_terminated)
{
    return (struct str){ zero_terminated, zero_terminated ? strlen(zero_terminated) : 0 };
}
static inline struct str str_from(const void *p, size_t n)
{
    return (struct str){ (const char *)p, n };
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* ASCII letters compare without case; other bytes exactly. */
bool str_eq_nocase(struct str a, struct str b);
/* Bytewise order: <0, 0, >0. */
int str_cmp(struct str a, struct str b);
/* Equal in a time that depends on the lengths only (for secrets). */
bool str_eq_secret(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
/* Position of the first c, or s.n. */
size_t str_find(struct str s, char c);
/* Position of the first occurrence of what, or s.n. An empty what is found at 0. */
size_t str_find_str(struct str s, struct str what);
/* The part [from, from + n), clipped to s. */
struct str str_sub(struct str s, size_t from, size_t n);
/* All from position `from` on. */
struct str str_skip(struct str s, size_t from);
/* Without ASCII space and tab at both ends. */
struct str str_trim(struct str s);
/* Cuts *rest at the first c: returns what is before it, leaves what is after it. When there is no
 * c, returns all and leaves rest->p NULL. False in the loop `while (rest.p) str_cut(…)`. */
struct str str_cut(struct str *rest, char c);
/* A heap copy, zero-terminated; mem_free it. */
char *str_dup(struct str s);

/* Decimal digits only, no sign, no space, no overflow, not empty; else ERR_SYNTAX (or ERR_LIMIT
 * when it does not fit). *out only on success. */
MUST_USE int str_to_u64(struct str s, uint64_t *out);
/* As str_to_u64 with an optional '-'. */
MUST_USE int str_to_i64(struct str s, int64_t *out);
/* Hexadecimal digits only, at most 16. */
MUST_USE int str_to_hex(struct str s, uint64_t *out);
/* A JSON-like decimal number ("-1.5e3"), whole string; no NaN, no infinity; '.' in any locale. */
MUST_USE int str_to_double(struct str s, double *out);

/* U+FEFF at the start of a text: what some editors put there and nobody sees. */
#define UTF8_MARK STR("\xef\xbb\xbf")

/* Well-formed UTF-8 by RFC 3629 (no overlong form, surrogate, or beyond U+10FFFF). */
bool utf8_valid(struct str s);
/* As utf8_valid, and without U+0000 (MQTT 1.5.4). */
bool utf8_valid_mqtt(struct str s);
/* The beginning of s, at most `most` bytes, that ends with a whole character. */
struct str utf8_clip(struct str s, size_t most);

#endif
