#ifndef STORE_FIELDS_H
#define STORE_FIELDS_H
/* The names of a stream's numeric leaves, in the order in which they first came, at most
 * STORE_FIELDS_MAX. Kept as a JSON array of text. */
#include "base/buf.h"
#include "base/str.h"

struct fields {
    char **names; /* zero-terminated copies */
    size_t *lengths;
    size_t count, next; /* next: where the name after the last one noted is expected */
};
void fields_fini(struct fields *f);
/* From text that fields_text wrote; names it cannot read are left out. f is empty before. */
void fields_load(struct fields *f, struct str json);
/* True when the name is new and was added. */
bool fields_note(struct fields *f, struct str name);
void fields_text(const struct fields *f, struct buf *out);

#endif
