#ifndef STORE_LEAVES_H
#define STORE_LEAVES_H
/*
 * The numbers inside a JSON payload, without building a tree: the names of numeric leaves (what
 * charts offer as `field=`) and one number by its name. Pure, allocates nothing, never reads
 * outside the text. A leaf's name is its path with dots: "temperature", "disk.used". The leaf of a
 * payload that is a bare number is called "value". Numbers inside arrays are no leaves.
 */
#include "base/str.h"

#define LEAVES_NAME_MAX  96   /* longest path; deeper or longer ones are no leaves */
#define LEAVES_DEPTH_MAX 1000 /* of nesting, the most that limits.h allows; beyond: ERR_LIMIT */

enum leaf_kind { LEAF_NUMBER, LEAF_STRING, LEAF_BOOL, LEAF_NULL, LEAF_OBJECT, LEAF_ARRAY };

/* The whole text must be one JSON value by RFC 8259 in UTF-8, with nothing behind it: ERR_SYNTAX
 * otherwise. leaf() is called for each numeric leaf in the order of the text with the path (valid
 * during the call) and the digits; it may be NULL. *out_kind (may be NULL): of the whole value. */
MUST_USE int leaves_each(struct str json,
                         void (*leaf)(void *ctx, struct str path, struct str number), void *ctx,
                         enum leaf_kind *out_kind);

/* The number called `path`: the first in the text. ERR_UNKNOWN when there is none (or it is no
 * number, or not finite), ERR_SYNTAX when the text breaks off before it was found. */
MUST_USE int leaves_get(struct str json, struct str path, double *out);

/* The raw text of a top-level member of an object, as written: a view into json. ERR_UNKNOWN when
 * there is none by that name; ERR_SYNTAX when json is no object. Names that were written with
 * escapes are not recognised. */
MUST_USE int leaves_member(struct str json, struct str name, struct str *out,
                           enum leaf_kind *out_kind);

/* The next top-level member of an object: *at starts at 0. False at the end (or no object). */
struct leaf_member {
    struct str name; /* without quotes, as written */
    bool escaped;    /* the name contains escapes: leaves_text() of it with its quotes */
    struct str value;
    enum leaf_kind kind;
};
bool leaves_next_member(struct str json, size_t *at, struct leaf_member *out);

/* True when the text is JSON that every reader takes the same way, and that is certain without
 * building anything: no name twice in an object, no escapes in names, nesting of at most depth_max,
 * only short numbers without exponent, not large. False says nothing: ask wire/json.h. */
bool leaves_plain(struct str json, size_t depth_max, enum leaf_kind *out_kind);

/* The text of a string (with its quotes) without escapes, into out of cap bytes. ERR_SYNTAX when it
 * is no string, ERR_LIMIT when it does not fit. */
MUST_USE int leaves_text(struct str quoted, char *out, size_t cap, size_t *out_n);

#endif
