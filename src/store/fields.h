#ifndef STORE_FIELDS_H
#define STORE_FIELDS_H
/* The names of a stream's numeric leaves, in the order in which they first came, at most
 * STORE_FIELDS_MAX. Kept as a JSON array of text. */
#include "base/buf.h"
#include "base/str.h"
#include "journal/record.h"

struct fields {
    char **names; /* zero-terminated copies */
    size_t *lengths;
    size_t count, next; /* next: where the name after the last one noted is expected */
};
void fields_fini(struct fields *f);
/* The content type under which a record's payload is stored: empty when it is JSON, whose numbers are
 * noted then; *changed is set when one of them is new. What claims to be JSON and is not is kept as
 * bytes: application/octet-stream. */
struct str fields_content(struct fields *f, const struct record *r, bool *changed);
/* From text that fields_text wrote; names it cannot read are left out. f is empty before. */
void fields_load(struct fields *f, struct str json);
/* True when the name is new and was added. */
bool fields_note(struct fields *f, struct str name);
void fields_text(const struct fields *f, struct buf *out);

#endif
