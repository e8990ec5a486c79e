#ifndef CONF_CONF_IMPL_H
#define CONF_CONF_IMPL_H
/* What one loaded configuration is made of. Inside conf/ only. */
#include "base/arena.h"
#include "conf/conf.h"

struct conf {
    const struct conf_schema *schema;
    struct arena arena; /* the root struct, its items and texts */
    void *root;
};

/* Texts and items of one configuration; its sources are capped, so this is out of reach but for a
 * schema that multiplies. */
#define CONF_ARENA_MAX (64u << 20)

static inline void *conf_field(void *base, const struct conf_row *row)
{
    return (char *)base + row->offset;
}
static inline const void *conf_field_const(const void *base, const struct conf_row *row)
{
    return (const char *)base + row->offset;
}
/* Whether the optional section or key is there; true when the row has no such mark. */
static inline bool conf_has(const void *base, const struct conf_row *row)
{
    return row->has == 0 || *((const bool *)base + row->has - 1);
}

/* Puts the row's default at its place. False when the default itself is wrong (our mistake); then
 * *r says how. */
bool conf_default(const struct conf_row *row, void *dest, struct arena *a, struct conf_report *r);

/* The stored value of a row that is no section, list or map on one line. */
void conf_write_row(const struct conf_row *row, const void *value, unsigned flags, struct buf *out);

#endif
