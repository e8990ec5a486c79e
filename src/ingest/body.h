#ifndef INGEST_BODY_H
#define INGEST_BODY_H
/* A JSON text as it came in, and the members of the object at its top. Views into the text only. */
#include "base/arena.h"
#include "store/leaves.h"

#define BODY_MEMBERS_MAX 64 /* noted at once; those behind are looked for one by one */

struct body {
    struct str text;
    enum leaf_kind kind;
    size_t count;
    size_t at; /* behind the last one noted */
    struct leaf_member members[BODY_MEMBERS_MAX];
};

/* Accepts what wire/json.h accepts (no name twice, nesting of at most depth_max …), with the words
 * for what is wrong in *f: ERR_SYNTAX, ERR_LIMIT. *out is large and lives on the stack: it is not
 * cleared first. */
MUST_USE int body_parse(struct str text, size_t depth_max, struct body *out, struct fault *f);
/* One without members. */
struct body body_none(void);

/* True and *out when the object has a member of that name, however it was written. */
bool body_member(const struct body *b, struct str name, struct leaf_member *out);
bool body_has(const struct body *b, struct str name);
bool body_is_named(const struct leaf_member *m, struct str name);
/* All members in the order of the text: start with a zeroed cursor; NULL at the end. The member is
 * valid until the next call with the same cursor. */
struct body_cursor {
    size_t i, at;
    struct leaf_member late; /* room for one that was not noted */
};
const struct leaf_member *body_next(const struct body *b, struct body_cursor *c);

/* What a string says: a view into the text, or of the arena when it was written with escapes. False
 * when the member is no string (or the arena is full). */
bool body_text(const struct leaf_member *m, struct arena *a, struct str *out);

#endif
