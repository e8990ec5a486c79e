#ifndef STORE_PG_NAMES_IO_H
#define STORE_PG_NAMES_IO_H
/*
 * The PostgreSQL writer's memory of the numbers of devices, streams and content types, and of what a
 * transaction changes about them. When a transaction was rolled back, or the connection is a new one,
 * the memory is worth nothing: pg_names_forget().
 */
#include "store/catalog.h"
#include "store/pg_io.h"

/* Its statements, in this order at the beginning of the writer's. */
enum pg_names_sql {
    PG_NAMES_TAKE,
    PG_DEVICE_FIND,
    PG_DEVICE_ADD,
    PG_DEVICE_SET,
    PG_STREAM_FIND,
    PG_STREAM_ADD,
    PG_STREAM_SET,
    PG_STREAM_FIELDS_GET,
    PG_STREAM_FIELDS_SET,
    PG_CONTENT_FIND,
    PG_CONTENT_ADD,
    PG_NAMES_SQL,
};
extern const struct pg_statement pg_names_sql[PG_NAMES_SQL];

struct pg_names {
    struct pg *pg;
    struct catalog catalog;
    struct map contents;
    bool taken; /* this transaction may make names */
};

void pg_names_init(struct pg_names *n, struct pg *pg);
void pg_names_fini(struct pg_names *n);
void pg_names_forget(struct pg_names *n);
/* Within the caller's transaction; made where there was none. Codes of pg_run(). */
MUST_USE int pg_names_stream(struct pg_names *n, const struct record *r, int64_t now_ns,
                             struct catalog_stream **out);
MUST_USE int pg_names_content(struct pg_names *n, struct str type, int64_t *out);
void pg_names_touch(struct pg_names *n, struct catalog_stream *s);
MUST_USE int pg_names_flush(struct pg_names *n, int64_t now_ns);
/* After a commit: forgets all when there are too many to keep. */
void pg_names_settle(struct pg_names *n);

#endif
