/* Request targets: every vector, what they consist of, queries and authorities. */
#include "wire/uri.h"

#include "base/buf.h"

#include "unit/unit.h"

#include "unit/wire/vectors.h"

/* A target as the server takes it: parsed, its path and each part of its query decoded. */
static int take(struct str in, struct wire_why *why)
{
    struct uri_target t;
    struct str name, value;
    char out[4096];
    size_t n;
    int rc = uri_target_parse(in, false, &t, why);

    assert_true(in.n < sizeof(out));
    if (rc == 0 && t.form != URI_ASTERISK)
        rc = uri_path_decode(t.path, out, &n, why);
    while (rc == 0 && uri_query_next(&t.query, &name, &value)) {
        rc = uri_query_decode(name, out, &n, why);
        if (rc == 0 && value.p)
            rc = uri_query_decode(value, out, &n, why);
    }
    return rc;
}

static void one_vector(const struct vector *v)
{
    struct wire_why why = { 0 };
    int rc = take(buf_str(&v->bytes), &why);

    if (rc != (vector_is(v, "ok-") ? 0 : ERR_PROTO))
        fail_msg("%s: %s (%s)", v->name, err_text(rc), why.text ? why.text : "");
    if (rc)
        assert_int_equal(why.code, 400);
}

static void vectors(void **state)
{
    (void)state;
    assert_true(vectors_each("uri", one_vector) > 30);
}

static void parts(void **state)
{
    struct uri_target t;

    (void)state;
    assert_int_equal(uri_target_parse(STR("/a/b?c=d"), false, &t, NULL), 0);
    assert_int_equal(t.form, URI_ORIGIN);
    assert_str(t.path, "/a/b");
    assert_str(t.query, "c=d");
    assert_int_equal(uri_target_parse(STR("/a"), false, &t, NULL), 0);
    assert_null(t.query.p);
    assert_int_equal(uri_target_parse(STR("https://h:8?x"), false, &t, NULL), 0);
    assert_int_equal(t.form, URI_ABSOLUTE);
    assert_str(t.authority, "h:8");
    assert_str(t.path, "/");
    assert_str(t.query, "x");
    assert_int_equal(uri_target_parse(STR("h:443"), true, &t, NULL), 0);
    assert_int_equal(t.form, URI_AUTHORITY);
    assert_int_equal(uri_target_parse(STR("h"), true, &t, NULL), ERR_PROTO);
    assert_int_equal(uri_target_parse(STR("/a"), true, &t, NULL), ERR_PROTO);
}

static void authorities(void **state)
{
    static const struct {
        const char *text, *host;
        int port; /* -1: none */
    } good[] = {
        { "h", "h", -1 },
        { "a.b-c_d", "a.b-c_d", -1 },
        { "127.0.0.1:80", "127.0.0.1", 80 },
        { "[::1]:8000", "::1", 8000 },
        { "[fe80::1]", "fe80::1", -1 },
        { "h:0", "h", 0 },
    };
    static const char *const bad[] = { "",        ":80",      "h:",    "h:x",  "h:-1",
                                       "h:65536", "h:080000", "[::1",  "::1",  "[]",
                                       "[g::]",   "[::1]x",   "a b",   "a,b",  "u@h",
                                       "h/",      "[1]",      "h:1:2", "h%41", "[fe80::1%25eth0]" };
    struct uri_authority a;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(uri_authority_parse(str_of(good[i].text), &a, NULL), 0);
        assert_true(str_eq(a.host, str_of(good[i].host)));
        assert_int_equal(a.has_port ? a.port : -1, good[i].port);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (uri_authority_parse(str_of(bad[i]), &a, NULL) != ERR_PROTO)
            fail_msg("%s: accepted", bad[i]);
}

static void queries(void **state)
{
    struct str rest = STR("&a=1&&b&c=&=d&e=f=g&"), name, value;
    char out[16];
    size_t n;

    (void)state;
    assert_true(uri_query_next(&rest, &name, &value));
    assert_str(name, "a");
    assert_str(value, "1");
    assert_true(uri_query_next(&rest, &name, &value));
    assert_str(name, "b");
    assert_null(value.p);
    assert_true(uri_query_next(&rest, &name, &value));
    assert_str(name, "c");
    assert_non_null(value.p);
    assert_int_equal(value.n, 0);
    assert_true(uri_query_next(&rest, &name, &value));
    assert_int_equal(name.n, 0);
    assert_true(uri_query_next(&rest, &name, &value));
    assert_str(value, "f=g");
    assert_false(uri_query_next(&rest, &name, &value));
    rest = STR_NONE;
    assert_false(uri_query_next(&rest, &name, &value));
    assert_int_equal(uri_query_decode(STR("a+b%2Bc"), out, &n, NULL), 0);
    assert_str(((struct str){ out, n }), "a b+c");
    assert_int_equal(uri_decode(STR("a+%00"), out, &n, NULL), 0);
    assert_memory_equal(out, "a+\0", 3);
}

static void encoding(void **state)
{
    struct buf out = buf_init(100);
    char back[100];
    size_t n;

    (void)state;
    uri_encode(STR("a b/\xc3\xa9~"), &out);
    assert_str(buf_str(&out), "a%20b%2F%C3%A9~");
    assert_int_equal(uri_decode(buf_str(&out), back, &n, NULL), 0);
    assert_str(((struct str){ back, n }), "a b/\xc3\xa9~");
    buf_fini(&out);
}

RUN(TEST(vectors), TEST(parts), TEST(authorities), TEST(queries), TEST(encoding))
