#ifndef STORE_SQLITE_NAMES_IO_H
#define STORE_SQLITE_NAMES_IO_H
/*
 * The writer's memory of names: which number a device or stream has in the tables, and what
 * this transaction changes about them. New ones become rows at once; the summaries are written
 * once per transaction by names_flush(). When a transaction was rolled back the memory is wrong:
 * names_forget().
 */
#include "store/catalog.h"
#include "store/sqlite_io.h"

struct names;

MUST_USE int names_open(sqlite3 *db, struct names **out);
void names_close(struct names *n);
void names_forget(struct names *n);

/* The entry, made where there was none (within the caller's transaction). Code of sqlite_code. */
MUST_USE int names_stream(struct names *n, const struct record *r, int64_t now_ns,
                          struct catalog_stream **out);
/* The number of a content type that is not empty. */
MUST_USE int names_content(struct names *n, struct str type, int64_t *out);

/* Marks what names_flush() shall write. */
void names_touch_stream(struct names *n, struct catalog_stream *s);
MUST_USE int names_flush(struct names *n, int64_t now_ns);
/* After a commit: forgets all when there are too many to keep. */
void names_settle(struct names *n);

#endif
