#ifndef WIRE_JSON_H
#define WIRE_JSON_H
/*
 * JSON in and out (RFC 8259). In: jansson behind a check of depth and number of values that is
 * made before anything is allocated. Out: a small writer into a struct buf, used for everything
 * the program says in JSON. Pure.
 */
#include "base/buf.h"
#include "base/err.h"

/* ---- reading ---- */
struct json_t; /* jansson's value; other folders do not look inside */

struct json_limits {
    size_t depth_max;  /* limits.json_depth_max; a scalar has depth 0 */
    size_t values_max; /* members and elements together; 0: JSON_VALUES_MAX */
};
#define JSON_VALUES_MAX 100000

/* One value that is the whole input. Refuses deeper nesting and more values than allowed, duplicate
 * keys, trailing bytes, bad UTF-8, U+0000 in strings, integers beyond 64 bits. On failure f (may
 * be NULL) has line, column and a sentence, and *out_at (may be NULL) the offset. json_free() it. */
MUST_USE int json_parse(struct str in, const struct json_limits *limits, struct json_t **out,
                        size_t *out_at, struct fault *f);
void json_free(struct json_t *v); /* NULL is legal */

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_INTEGER,
    JSON_KIND_REAL,
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
};
enum json_kind json_kind(const struct json_t *v);
/* "a string", "an object" … for sentences. */
const char *json_kind_name(enum json_kind k);

/* The value of each kind; the kind must be right (json_to_double takes both kinds of number). */
struct str json_to_str(const struct json_t *v);
int64_t json_to_i64(const struct json_t *v);
double json_to_double(const struct json_t *v);
bool json_to_bool(const struct json_t *v);
/* Member or element, NULL when there is none (or v is NULL or of another kind). Borrowed. */
const struct json_t *json_member(const struct json_t *v, const char *name);
const struct json_t *json_element(const struct json_t *v, size_t index);
size_t json_count(const struct json_t *v); /* of an array or object, else 0 */
/* Steps through the members in the order of the text: *at starts as NULL; false at the end. */
bool json_next_member(const struct json_t *object, void **at, const char **out_name,
                      const struct json_t **out_value);

/* What is wrong with one field. */
struct field_error {
    char field[64];   /* name, "a.b", "items[3].x" */
    const char *text; /* constant sentence: "must be a number" */
    const char *type; /* constant word: "missing", "type", "range", "pattern", "unknown" */
};
/* Reads the members of one object and collects what is wrong, so that a person gets all errors
 * at once. */
struct json_fields {
    const struct json_t *object;
    const char *prefix; /* of the field names: "" or "sensor." */
    struct field_error *errors;
    size_t errors_cap, errors_count; /* errors beyond cap are counted off: none is overwritten */
};
#define JSON_FIELDS_SEEN_MAX 64
enum json_need { JSON_OPTIONAL, JSON_REQUIRED };

/* v not an object: one error, and all getters then give their "absent". */
struct json_fields json_fields_init(const struct json_t *v, const char *prefix,
                                    struct field_error *errors, size_t errors_cap);
void json_fields_add(struct json_fields *f, const char *name, const char *text, const char *type);
/* True when the member is there and right: then *out is set. null counts as absent. Otherwise
 * false, with an error added when it is wrong or (JSON_REQUIRED) missing. */
bool json_get_str(struct json_fields *f, const char *name, enum json_need need, size_t least,
                  size_t most, struct str *out);
bool json_get_i64(struct json_fields *f, const char *name, enum json_need need, int64_t least,
                  int64_t most, int64_t *out);
bool json_get_double(struct json_fields *f, const char *name, enum json_need need, double least,
                     double most, double *out);
bool json_get_bool(struct json_fields *f, const char *name, enum json_need need, bool *out);
/* RFC 3339, as UTC ns. */
bool json_get_time(struct json_fields *f, const char *name, enum json_need need, int64_t *out_ns);
/* Members other than these names (a list that ends with NULL) are errors of type "unknown". */
void json_fields_only(struct json_fields *f, const char *const *names);

/* ---- writing ---- */
#define JSON_WRITE_DEPTH_MAX 64
/* Commas and colons come by themselves. A wrong order of calls is our mistake and ends the
 * program. Errors of space are the buffer's (`over`). */
struct json_writer {
    struct buf *out;
    unsigned depth;
    bool after_key;
    uint64_t filled;  /* bit per depth: something stands there already */
    uint64_t objects; /* bit per depth: an object, not an array */
};
struct json_writer json_writer_init(struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *name);
void json_key_str(struct json_writer *w, struct str name);
/* Invalid UTF-8 becomes U+FFFD. <, >, & and U+2028/9 are escaped, so that the text is safe inside a
 * script element too. */
void json_str(struct json_writer *w, struct str s);
void json_text(struct json_writer *w, const char *zero_terminated);              /* NULL: null */
void json_printf(struct json_writer *w, const char *fmt, ...) PRINTF_LIKE(2, 3); /* a string */
void json_i64(struct json_writer *w, int64_t v);
void json_u64(struct json_writer *w, uint64_t v);
/* Shortest text that reads back as the same number; NaN and infinities are null. */
void json_double(struct json_writer *w, double v);
void json_bool(struct json_writer *w, bool v);
void json_nil(struct json_writer *w);
/* UTC ns as an RFC 3339 string. */
void json_time(struct json_writer *w, int64_t ns);
/* Text that is JSON already. */
void json_raw(struct json_writer *w, struct str json);
/* A member of an object: the key and its value. */
void json_put_u64(struct json_writer *w, const char *key, uint64_t v);
void json_put_bool(struct json_writer *w, const char *key, bool v);
/* A value that was read. */
void json_value(struct json_writer *w, const struct json_t *v);

#endif
