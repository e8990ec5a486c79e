#ifndef TESTS_FUZZ_HEX_H
#define TESTS_FUZZ_HEX_H
/*
 * Vectors: text files with lines `# comment`, `key: value`, and hexadecimal bytes with spaces
 * anywhere between them. The same files are unit tests and the fuzzers' seeds.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct hex_file {
    char *bytes; /* exactly n of them on the heap, so that a sanitizer sees a read beyond */
    size_t n;
    struct {
        char key[32], value[128];
    } keys[8];
    size_t key_count;
};

/* The whole file, zero-terminated; NULL when it cannot be read. */
static inline char *hex_slurp(const char *path, size_t *out_n)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t n = 0, got;

    if (!f)
        return NULL;
    do {
        text = realloc(text, n + 65537);
        if (!text)
            abort();
        got = fread(text + n, 1, 65536, f);
        n += got;
    } while (got > 0);
    text[n] = '\0';
    fclose(f);
    *out_n = n;
    return text;
}

static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* `key: value` of a line into h; false when the line is none. */
static inline bool hex_key_line(struct hex_file *h, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);
    size_t key_n, value_n;

    if (!colon)
        return false;
    if (h->key_count == sizeof(h->keys) / sizeof(h->keys[0]))
        return true;
    key_n = (size_t)(colon - line);
    colon++;
    while (colon < line + n && isspace((unsigned char)*colon))
        colon++;
    value_n = (size_t)(line + n - colon);
    while (value_n > 0 && isspace((unsigned char)colon[value_n - 1]))
        value_n--;
    snprintf(h->keys[h->key_count].key, sizeof(h->keys[0].key), "%.*s", (int)key_n, line);
    snprintf(h->keys[h->key_count].value, sizeof(h->keys[0].value), "%.*s", (int)value_n, colon);
    h->key_count++;
    return true;
}

/* False when the text has anything else in it, an odd digit for instance. */
static inline bool hex_parse(const char *text, struct hex_file *out)
{
    size_t cap = strlen(text) / 2 + 1, n = 0;
    char *bytes = malloc(cap);
    int high = -1;

    memset(out, 0, sizeof(*out));
    if (!bytes)
        abort();
    for (const char *line = text; *line;) {
        size_t line_n = strcspn(line, "\n");
        const char *next = line[line_n] ? line + line_n + 1 : line + line_n;

        if (*line != '#' && !hex_key_line(out, line, line_n)) {
            for (size_t i = 0; i < line_n; i++) {
                int d = hex_digit(line[i]);

                if (d < 0 && isspace((unsigned char)line[i]) && high < 0)
                    continue;
                if (d < 0) {
                    free(bytes);
                    return false;
                }
                if (high >= 0)
                    bytes[n++] = (char)(high << 4 | d);
                high = high >= 0 ? -1 : d;
            }
        }
        line = next;
    }
    out->bytes = malloc(n ? n : 1);
    if (!out->bytes)
        abort();
    memcpy(out->bytes, bytes, n);
    out->n = n;
    free(bytes);
    return high < 0;
}

static inline const char *hex_key(const struct hex_file *h, const char *key)
{
    for (size_t i = 0; i < h->key_count; i++)
        if (strcmp(h->keys[i].key, key) == 0)
            return h->keys[i].value;
    return NULL;
}

static inline bool hex_is_vector(const char *name)
{
    size_t n = strlen(name);

    return n > 4 && strcmp(name + n - 4, ".hex") == 0;
}

/* Calls each(ctx, path) for every plain file in the folder, by name. Returns how many, or -1. */
static inline int hex_each_file(const char *folder, void (*each)(void *ctx, const char *path),
                                void *ctx)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, NULL, alphasort), count = 0;
    char path[4096];

    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.') {
            snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
            each(ctx, path);
            count++;
        }
        free(names[i]);
    }
    free(names);
    return n < 0 ? -1 : count;
}

#endif
