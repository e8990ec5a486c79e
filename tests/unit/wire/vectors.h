/* Steps through tests/vectors/FOLDER: raw .txt files, and .hex files with "key: value" lines. */
#ifndef TESTS_UNIT_WIRE_VECTORS_H
#define TESTS_UNIT_WIRE_VECTORS_H

#include "base/buf.h"

#include "fuzz/hex.h"

struct vector {
    char name[128];  /* without the ending */
    char expect[16]; /* of .hex files */
    char text[64];   /* what else they say */
    unsigned code;
    struct buf bytes;
};

struct vector_walk {
    void (*each)(const struct vector *v);
};

static void vector_hex(const char *text, struct vector *v)
{
    struct hex_file h;
    const char *expect, *code, *more;

    assert_true(hex_parse(text, &h));
    expect = hex_key(&h, "expect");
    code = hex_key(&h, "code");
    snprintf(v->expect, sizeof(v->expect), "%s", expect ? expect : "");
    more = hex_key(&h, "text");
    snprintf(v->text, sizeof(v->text), "%s", more ? more : "");
    v->code = code ? (unsigned)strtoul(code, NULL, 10) : 0;
    buf_put_bytes(&v->bytes, h.bytes, h.n);
    free(h.bytes);
}

static void vector_file(void *ctx, const char *path)
{
    const struct vector_walk *walk = ctx;
    struct vector v = { .bytes = buf_init(1 << 20) };
    const char *base = strrchr(path, '/') + 1;
    size_t n = 0;
    char *text = hex_slurp(path, &n);

    assert_non_null(text);
    snprintf(v.name, sizeof(v.name), "%.*s", (int)(strlen(base) - 4), base);
    if (hex_is_vector(path))
        vector_hex(text, &v);
    else
        buf_put_bytes(&v.bytes, text, n);
    free(text);
    walk->each(&v);
    buf_fini(&v.bytes);
}

/* Calls each() for every vector; returns how many there were. */
static int vectors_each(const char *folder, void (*each)(const struct vector *v))
{
    struct vector_walk walk = { each };
    char path[1024];

    snprintf(path, sizeof(path), "%s/vectors/%s", TESTS_DIR, folder);
    return hex_each_file(path, vector_file, &walk);
}

static inline bool vector_is(const struct vector *v, const char *prefix)
{
    return str_starts(str_of(v->name), str_of(prefix));
}

#endif
