#ifndef HTTP_STATIC_H
#define HTTP_STATIC_H
/*
 * Files that are part of the binary. The table is written by tools/embed from a folder: sorted by
 * path, one row per file. Pure.
 */
#include "base/str.h"

struct buf;

struct http_static {
    const char *path; /* "/index.html", "/assets/app-3f2a.js" */
    const char *type; /* "text/html; charset=utf-8" */
    const unsigned char *bytes;
    const unsigned char *bytes_end;
    const unsigned char *gzip; /* NULL: not worth it */
    const unsigned char *gzip_end;
    const char *etag; /* with quotes; that of the gzip form has a -gz before the last quote */
    bool immutable;   /* the name holds a hash of the content: cached for a year */
};

/* What tools/embed writes; a file with this table is always linked, with a page that says that
 * the dashboard was not built when there was none. */
extern const struct http_static web_files[];
extern const size_t web_file_count;

struct http_static_answer {
    const struct http_static *file;
    bool gzip;         /* send file->gzip with Content-Encoding: gzip */
    bool not_modified; /* 304 */
    struct str body;   /* what a GET sends; empty for 304 */
    char etag[80];
};

/* The file that answers path ("/" is "/index.html"); spa: unknown paths without a dot in their
 * last segment get "/index.html". False: there is none. */
bool http_static_find(const struct http_static *files, size_t count, struct str path, bool spa,
                      struct str accept_encoding, struct str if_none_match,
                      struct http_static_answer *out);
/* "public, max-age=31536000, immutable" or "no-cache". */
const char *http_static_cache(const struct http_static *f);

#endif
