#ifndef CONF_VALUE_H
#define CONF_VALUE_H
/* One value: text to what is stored, and back. Inside conf/ only. */
#include "base/arena.h"
#include "conf/conf.h"

struct value_why {
    char text[256]; /* the sentence, after "'key' " */
    char mend[160]; /* what to write, or empty */
};

/* The units of DURATION and SIZE, largest first; *out_count of them. */
struct value_unit {
    const char *text;
    uint64_t factor;
};
const struct value_unit *value_units(enum conf_type t, size_t *out_count);

/* Whether the type is one word of YAML (not a list, map or section, nor a key without value). */
bool value_is_scalar(enum conf_type t);
/* Reads a word; plain: it stood without quotes. Stores at dest (row->size bytes); texts are copied
 * into the arena. ERR_VALUE with *why. */
MUST_USE int value_parse(const struct conf_row *row, struct str text, bool plain, void *dest,
                         struct arena *a, struct value_why *why);
/* The stored value as YAML. A text that is not given is `null` (value_is_none). */
void value_write(const struct conf_row *row, const void *value, struct buf *out);
/* A TEXT, PATH, HOST or ADDRESS that was not given and has no default. */
bool value_is_none(const struct conf_row *row, const void *value);
/* "a whole number from 1 to 65535", "a time from 1s to 1h" … */
void value_describe(const struct conf_row *row, struct buf *out);
/* The numbers that row allows, from its limits and the width of what is stored. */
void value_range_signed(const struct conf_row *row, int64_t *least, int64_t *most);
void value_range_unsigned(const struct conf_row *row, uint64_t *least, uint64_t *most);
/* The key as it is written in the file (without a cut unit). */
struct str value_key(const struct conf_row *row);
/* A stored unsigned number of row->size bytes. */
void value_put_unsigned(const struct conf_row *row, void *dest, uint64_t v);
uint64_t value_get_unsigned(const struct conf_row *row, const void *value);

#endif
