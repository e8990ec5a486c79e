/*
 * Finding a file of the binary and deciding how to send it: content negotiation (gzip or plain),
 * conditional requests (RFC 9110, 13), cache headers. Only exact paths of the table are answered,
 * so there is nothing to escape from.
 */
#include "http/static.h"

#include "wire/http1.h"

#include <stdio.h>

static struct str bytes_of(const unsigned char *from, const unsigned char *to)
{
    return str_from(from, (size_t)(to - from));
}

static const struct http_static *lookup(const struct http_static *files, size_t count,
                                        struct str path)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = str_cmp(path, str_of(files[mid].path));

        if (c == 0)
            return &files[mid];
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

/* A route of the page's own router: nothing that looks like a file. */
static bool is_page(struct str path)
{
    struct str last = path;

    while (last.n > 0 && str_find(last, '/') < last.n)
        last = str_skip(last, str_find(last, '/') + 1);
    return str_find(last, '.') == last.n;
}

/* Is the coding in Accept-Encoding, and not with q=0? RFC 9110, 12.5.3. */
static bool accepts_gzip(struct str header)
{
    while (header.p) {
        struct str item = str_cut(&header, ','), params;

        params = item;
        item = str_trim(str_cut(&params, ';'));
        if (!str_eq_nocase(item, STR("gzip")) && !str_eq_nocase(item, STR("x-gzip")))
            continue;
        params = str_trim(params);
        if (!str_starts(params, STR("q=0")))
            return true;
        params = str_skip(params, 3);
        for (size_t i = 0; i < params.n; i++)
            if (params.p[i] >= '1' && params.p[i] <= '9')
                return true;
        return false;
    }
    return false;
}

/* RFC 9110, 13.1.2: any of the list, compared weakly. */
static bool etag_listed(struct str list, struct str etag)
{
    if (str_eq(str_trim(list), STR("*")))
        return true;
    while (list.p) {
        struct str item = str_trim(str_cut(&list, ','));

        if (str_starts(item, STR("W/")))
            item = str_skip(item, 2);
        if (str_eq(item, etag))
            return true;
    }
    return false;
}

bool http_static_find(const struct http_static *files, size_t count, struct str path, bool spa,
                      struct str accept_encoding, struct str if_none_match,
                      struct http_static_answer *out)
{
    struct http_static_answer a = { 0 };
    size_t n;

    a.file = lookup(files, count, str_eq(path, STR("/")) ? STR("/index.html") : path);
    if (!a.file && spa && is_page(path))
        a.file = lookup(files, count, STR("/index.html"));
    if (!a.file)
        return false;
    a.gzip = a.file->gzip && accepts_gzip(accept_encoding);
    n = strlen(a.file->etag);
    if (a.gzip && n > 1)
        snprintf(a.etag, sizeof(a.etag), "%.*s-gz\"", (int)(n - 1), a.file->etag);
    else
        snprintf(a.etag, sizeof(a.etag), "%s", a.file->etag);
    a.not_modified = if_none_match.p && etag_listed(if_none_match, str_of(a.etag));
    if (!a.not_modified)
        a.body = a.gzip ? bytes_of(a.file->gzip, a.file->gzip_end)
                        : bytes_of(a.file->bytes, a.file->bytes_end);
    *out = a;
    return true;
}

const char *http_static_cache(const struct http_static *f)
{
    return f->immutable ? "public, max-age=31536000, immutable" : "no-cache";
}
