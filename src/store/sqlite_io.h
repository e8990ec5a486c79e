#ifndef STORE_SQLITE_IO_H
#define STORE_SQLITE_IO_H
/* What the writer and the readers of the SQLite engine share. */
#include "base/str.h"
#include "store/store.h"

#include <sqlite3.h>

/* One of err.h for a result of SQLite: ERR_BUSY, ERR_FULL, ERR_CLOSED, ERR_CORRUPT, ERR_DB. */
int sqlite_code(sqlite3 *db, int rc);
/* Prepares text that is used again and again; ends with the code of sqlite_code. */
MUST_USE int sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);
/* Runs text without results. */
MUST_USE int sqlite_run(sqlite3 *db, const char *sql);
/* The one integer that a query gives, `otherwise` when it gives none. */
MUST_USE int sqlite_integer(sqlite3 *db, const char *sql, int64_t otherwise, int64_t *out);
/* Binds the view itself: it must live until the statement is reset. */
void sqlite_bind_str(sqlite3_stmt *st, int at, struct str s);
struct str sqlite_column_str(sqlite3_stmt *st, int at);
/* Settings of every connection. */
MUST_USE int sqlite_settle(sqlite3 *db, const struct store_config *c, int cache_kib);
/* Checks the file and brings its tables to the newest version. On a writer's connection only. */
MUST_USE int sqlite_migrate(sqlite3 *db, const struct store_config *c, struct fault *f);
/* Says what went wrong with the file. */
int sqlite_fault(sqlite3 *db, const struct store_config *c, int code, struct fault *f);

#endif
