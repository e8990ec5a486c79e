/* Files: which one answers, in which coding, and when it need not be sent. */
#include "http/static.h"

#include "base/mem.h"

#include "unit/unit.h"

static const unsigned char html[] = "<html>", zipped[] = "zip", js[] = "js";
static const struct http_static files[] = {
    { "/assets/a-12345678.js", "text/javascript", js, js + 2, NULL, NULL, "\"j\"", true },
    { "/index.html", "text/html", html, html + 6, zipped, zipped + 3, "\"h\"", false },
    { "/robots.txt", "text/plain", js, js + 2, NULL, NULL, "\"r\"", false },
};

static bool find(const char *path, bool spa, const char *accept, const char *match,
                 struct http_static_answer *a)
{
    return http_static_find(files, COUNT_OF(files), str_of(path), spa, str_of(accept),
                            str_of(match), a);
}

static void paths(void **state)
{
    struct http_static_answer a;

    (void)state;
    assert_true(find("/", false, NULL, NULL, &a));
    assert_str(a.body, "<html>");
    assert_true(find("/assets/a-12345678.js", false, NULL, NULL, &a));
    assert_str(a.body, "js");
    assert_string_equal(http_static_cache(a.file), "public, max-age=31536000, immutable");
    assert_true(find("/robots.txt", false, NULL, NULL, &a));
    assert_false(find("/devices/x", false, NULL, NULL, &a));
    assert_true(find("/devices/x", true, NULL, NULL, &a));
    assert_str(a.body, "<html>");
    assert_string_equal(http_static_cache(a.file), "no-cache");
    assert_false(find("/assets/gone.js", true, NULL, NULL, &a));
    assert_false(http_static_find(NULL, 0, STR("/"), true, STR_NONE, STR_NONE, &a));
}

static void codings(void **state)
{
    static const struct {
        const char *accept;
        bool gzip;
    } rows[] = {
        { "gzip", true },        { "br, GZIP;q=0.5", true },
        { "gzip;q=0", false },   { "gzip; q=0.000", false },
        { "gzip;q=0.01", true }, { "br", false },
        { "", false },           { "x-gzip", true },
        { "gzipped", false },
    };
    struct http_static_answer a;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(find("/", false, rows[i].accept, NULL, &a));
        if (a.gzip != rows[i].gzip)
            fail_msg("%s", rows[i].accept);
        assert_string_equal(a.etag, a.gzip ? "\"h-gz\"" : "\"h\"");
    }
    assert_true(find("/robots.txt", false, "gzip", NULL, &a));
    assert_false(a.gzip);
}

static void conditions(void **state)
{
    static const struct {
        const char *match;
        bool fresh;
    } rows[] = {
        { "\"h\"", true },  { "W/\"h\"", true }, { "\"x\", \"h\"", true }, { "*", true },
        { "\"x\"", false }, { "h", false },      { "\"h-gz\"", false },
    };
    struct http_static_answer a;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_true(find("/", false, NULL, rows[i].match, &a));
        if (a.not_modified != rows[i].fresh)
            fail_msg("%s", rows[i].match);
        assert_int_equal(a.body.n, rows[i].fresh ? 0 : 6);
    }
    assert_true(find("/", false, "gzip", "\"h-gz\"", &a));
    assert_true(a.not_modified);
}

RUN(TEST(paths), TEST(codings), TEST(conditions))
