/*
 * Finds a password in a connection string, before libpq sees it: by libpq's two forms (PostgreSQL,
 * 34.1.1 "Connection Strings"), with the liberties that its reader takes. For the check of the
 * configuration, which must not show what is secret.
 *
 * It reads keywords and steps over values; what is broken is left to libpq, which tells why. In doubt
 * there is a password.
 */
#include "store/conninfo.h"

#include "base/mem.h"

#define KEYWORD_MAX 24 /* longer than any of the below */

/* Those that libpq marks as not to be shown (dispchar "*" in fe-connect.c). */
static const char *const secrets[] = {
    "password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key",
};

static bool is_secret(struct str keyword)
{
    for (size_t i = 0; i < COUNT_OF(secrets); i++)
        if (str_eq(keyword, str_of(secrets[i])))
            return true;
    return false;
}

/* ---- postgresql://user:password@host/name?keyword=value&… ---- */

/* A keyword in which any letter may be written as %XX. */
static bool is_secret_escaped(struct str keyword)
{
    char plain[KEYWORD_MAX];
    size_t n = 0;

    for (size_t i = 0; i < keyword.n; i++) {
        uint64_t byte = (unsigned char)keyword.p[i];

        if (n == sizeof(plain))
            return false;
        if (byte == '%' && i + 2 < keyword.n && str_to_hex(str_sub(keyword, i + 1, 2), &byte) == 0)
            i += 2;
        plain[n++] = (char)byte;
    }
    return is_secret(str_from(plain, n));
}

static bool url_has_password(struct str rest)
{
    size_t end = 0;
    struct str part;

    /* Who it is ends at the first '@', unless a '/' comes before. */
    while (end < rest.n && rest.p[end] != '@' && rest.p[end] != '/')
        end++;
    if (end < rest.n && rest.p[end] == '@' && str_find(str_sub(rest, 0, end), ':') < end)
        return true;
    part = str_cut(&rest, '?');
    while (rest.p) {
        part = str_cut(&rest, '&');
        if (is_secret_escaped(str_cut(&part, '=')))
            return true;
    }
    return false;
}

/* ---- keyword = 'value' … ---- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t skip_blanks(struct str s, size_t at)
{
    while (at < s.n && is_blank(s.p[at]))
        at++;
    return at;
}

/* Behind a value, which is in quotes or ends at a blank; a backslash takes its next as it is. */
static size_t skip_value(struct str s, size_t at)
{
    bool quoted = at < s.n && s.p[at] == '\'';

    for (at += quoted; at < s.n; at++) {
        if (s.p[at] == '\\')
            at++;
        else if (quoted ? s.p[at] == '\'' : is_blank(s.p[at]))
            return at + 1;
    }
    return s.n;
}

static bool words_have_password(struct str s)
{
    size_t at = skip_blanks(s, 0);

    while (at < s.n) {
        size_t from = at;

        while (at < s.n && s.p[at] != '=' && !is_blank(s.p[at]))
            at++;
        if (is_secret(str_sub(s, from, at - from)))
            return true;
        at = skip_blanks(s, at);
        if (at < s.n && s.p[at] == '=')
            at = skip_value(s, skip_blanks(s, at + 1));
        at = skip_blanks(s, at);
    }
    return false;
}

bool conninfo_has_password(struct str s)
{
    static const char *const schemes[] = { "postgresql://", "postgres://" };

    for (size_t i = 0; i < COUNT_OF(schemes); i++)
        if (str_starts(s, str_of(schemes[i])))
            return url_has_password(str_skip(s, str_of(schemes[i]).n));
    /* Without any '=' it is the name of a database. */
    return str_find(s, '=') < s.n && words_have_password(s);
}
