/*
 * Passwords within addresses. What is shown is what a person wrote, and often what he wrote wrongly or
 * what was cut for a sentence, so this does not parse: in an address with a scheme all from its ':' to
 * the last '@' of the line is taken for the password, and what stands there without '@' unless it is a
 * port; without a scheme, what stands between a ':' with no blank behind it and the last '@' of the line, or of
 * the quotes that it is in. To hide too much does no harm.
 */
#include "conf/mask.h"

#define PORT_DIGITS 5

static bool is_any_of(char c, const char *set)
{
    return c && strchr(set, c);
}

/* Up to the first byte at or behind `at` that is one of them. */
static size_t until(struct str s, size_t at, const char *set)
{
    while (at < s.n && !is_any_of(s.p[at], set))
        at++;
    return at;
}

/* The last '@' before end; s.n: none. */
static size_t last_at(struct str s, size_t from, size_t end)
{
    for (size_t i = end; i > from; i--)
        if (s.p[i - 1] == '@')
            return i - 1;
    return s.n;
}

static bool is_port(struct str s, size_t at)
{
    size_t n = 0;

    while (at + n < s.n && s.p[at + n] >= '0' && s.p[at + n] <= '9')
        n++;
    return n > 0 && n <= PORT_DIGITS &&
           (at + n == s.n || is_any_of(s.p[at + n], "/ \t\n'\",;:.)]}"));
}

/* The quote that is open at `at`, by what stands before it in its line; 0: none. */
static char open_quote(struct str s, size_t at)
{
    size_t from = at;
    char quote = 0;

    while (from > 0 && s.p[from - 1] != '\n')
        from--;
    for (; from < at; from++) {
        if (quote && s.p[from] == quote)
            quote = 0;
        else if (!quote && is_any_of(s.p[from], "'\""))
            quote = s.p[from];
    }
    return quote;
}

/* Where what stands behind the ':' at `colon` ends, if it is a password; else colon. */
static size_t password_end(struct str s, size_t colon, bool scheme)
{
    char ends[] = { '\n', scheme ? '\0' : open_quote(s, colon), '\0' };
    size_t from = colon + 1, at = last_at(s, from, until(s, from, ends));

    if (!scheme && from < s.n && is_any_of(s.p[from], " \t"))
        return colon;
    if (at < s.n)
        return at;
    return scheme && !is_port(s, from) ? until(s, from, " \t\n'\"") : colon;
}

/* The next ':' that may part a user from a password, at or behind *at; *scheme: "scheme://" stands
 * before the user. */
static bool next_colon(struct str s, size_t *at, bool *scheme)
{
    for (*at = until(s, *at, ":"); *at < s.n; *at = until(s, *at, ":")) {
        *scheme = str_starts(str_skip(s, *at), STR("://"));
        if (!*scheme)
            return true;
        *at += 3;
        if (*at < s.n && s.p[*at] == '[') /* an IPv6 address */
            *at = until(s, *at, "]\n");
        *at = until(s, *at, ":/@ \t\n'\",");
        if (*at < s.n && s.p[*at] == ':')
            return true;
    }
    return false;
}

size_t mask_passwords(struct str s, struct buf *out)
{
    size_t first = s.n, done = 0, at = 0;
    bool scheme;

    while (next_colon(s, &at, &scheme)) {
        size_t end = password_end(s, at, scheme);

        at++;
        if (end <= at)
            continue;
        first = first < s.n ? first : at;
        buf_put(out, str_sub(s, done, at - done));
        buf_put(out, STR("***"));
        done = at = end;
    }
    buf_put(out, str_skip(s, done));
    return first;
}
