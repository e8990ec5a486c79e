/* Steps through tests/vectors/FOLDER: raw .txt files, and .hex files with "key: value" lines. */
#ifndef TESTS_UNIT_WIRE_VECTORS_H
#define TESTS_UNIT_WIRE_VECTORS_H

#include "base/buf.h"

#include <dirent.h>
#include <stdio.h>

struct vector {
    char name[128];  /* without the ending */
    char expect[16]; /* of .hex files */
    unsigned code;
    struct buf bytes;
};

static void vector_hex_line(struct vector *v, const char *line)
{
    unsigned byte;

    if (line[0] == '#' || sscanf(line, "expect: %15s", v->expect) == 1 ||
        sscanf(line, "code: %u", &v->code) == 1)
        return;
    for (; sscanf(line, " %2x", &byte) == 1; line += 2)
        buf_u8(&v->bytes, (uint8_t)byte);
}

static void vector_read(const char *path, bool hex, struct vector *v)
{
    FILE *f = fopen(path, "rb");
    char line[512];
    size_t n;

    assert_non_null(f);
    if (hex)
        while (fgets(line, sizeof(line), f))
            vector_hex_line(v, line);
    else
        while ((n = fread(line, 1, sizeof(line), f)) > 0)
            buf_put_bytes(&v->bytes, line, n);
    fclose(f);
}

/* Calls each() for every vector; returns how many there were. */
static size_t vectors_each(const char *folder, void (*each)(const struct vector *v))
{
    char path[1024];
    struct dirent *e;
    size_t count = 0;
    DIR *d;

    snprintf(path, sizeof(path), "%s/vectors/%s", TESTS_DIR, folder);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d))) {
        struct vector v = { .bytes = buf_init(1 << 20) };
        struct str name = str_of(e->d_name);
        bool hex = str_ends(name, STR(".hex"));

        if (!hex && !str_ends(name, STR(".txt")))
            continue;
        snprintf(v.name, sizeof(v.name), "%.*s", (int)(name.n - 4), name.p);
        snprintf(path, sizeof(path), "%s/vectors/%s/%s", TESTS_DIR, folder, e->d_name);
        vector_read(path, hex, &v);
        each(&v);
        buf_fini(&v.bytes);
        count++;
    }
    closedir(d);
    return count;
}

static inline bool vector_is(const struct vector *v, const char *prefix)
{
    return str_starts(str_of(v->name), str_of(prefix));
}

#endif
