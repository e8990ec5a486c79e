#ifndef CLI_SHOW_JSON_H
#define CLI_SHOW_JSON_H
/* What cli/show*.c share: members of an answer, and cells of a table. Pure. */
#include "base/buf.h"
#include "wire/json.h"

/* An answer of the node. ERR_VALUE: it is an error, whose sentence is in *out; ERR_SYNTAX: none at all. */
MUST_USE int show_parse(struct str json, struct json_t **v, struct buf *out);
/* Numbers and texts that are not there read as 0 and "". */
uint64_t show_u64(const struct json_t *v, const char *name);
struct str show_str(const struct json_t *v, const char *name);
bool show_bool(const struct json_t *v, const char *name);
/* A stranger's text in a column: cut to it, and nothing in it commands the terminal. */
void show_cell(struct buf *out, struct str s, size_t width);

#endif
