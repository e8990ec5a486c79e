/*
 * The ground that the SQLite writer and readers stand on: results as codes, small statements, and
 * opening a file safely. A file of somebody else, or of a newer program, is refused before anything
 * in it is changed.
 */
#include "store/sqlite_io.h"

#include "store/schema.h"

#include <errno.h>
#include <stdio.h>

int sqlite_code(sqlite3 *db, int rc)
{
    int os = db ? sqlite3_system_errno(db) : 0;

    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_BUSY;
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        /* A full disk shows in many places: growing the log, its index, the file. */
        return os == ENOSPC || os == EDQUOT ? ERR_FULL : ERR_CLOSED;
    case SQLITE_READONLY:
        return rc == SQLITE_READONLY_DBMOVED ? ERR_CLOSED : ERR_DB;
    default:
        return ERR_DB;
    }
}

int sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    return sqlite_code(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL));
}

int sqlite_run(sqlite3 *db, const char *sql)
{
    return sqlite_code(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int sqlite_integer(sqlite3 *db, const char *sql, int64_t otherwise, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    if (rc == SQLITE_DONE)
        *out = otherwise;
    rc = sqlite_code(db, rc);
    sqlite3_finalize(st);
    return rc;
}

void sqlite_bind_str(sqlite3_stmt *st, int at, struct str s)
{
    sqlite3_bind_text(st, at, s.p ? s.p : "", (int)s.n, SQLITE_STATIC);
}

struct str sqlite_column_str(sqlite3_stmt *st, int at)
{
    const void *p = sqlite3_column_blob(st, at);

    return str_from(p, (size_t)sqlite3_column_bytes(st, at));
}

int sqlite_settle(sqlite3 *db, const struct store_config *c, int cache_kib)
{
    char sql[256];

    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, c->busy_ms > INT32_MAX ? INT32_MAX : (int)c->busy_ms);
    /* No memory map: an I/O error there is a signal, not a code. */
    snprintf(sql, sizeof(sql),
             "PRAGMA foreign_keys=ON; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
             "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA cache_size=-%d;",
             cache_kib);
    return sqlite_run(db, sql);
}

int sqlite_fault(sqlite3 *db, const struct store_config *c, int code, struct fault *f)
{
    return fault_set(f, code, "%s: %s", c->path, db ? sqlite3_errmsg(db) : err_text(code));
}

/* Whose file is it, and how old? 0 and *out_version (0: empty). */
static int inspect(sqlite3 *db, const struct store_config *c, int64_t *out_version, struct fault *f)
{
    int64_t app = 0, tables = 0, version = 0;
    int rc = sqlite_integer(db, "SELECT count(*) FROM sqlite_schema", 0, &tables);

    if (rc == 0)
        rc = sqlite_integer(db, "PRAGMA application_id", 0, &app);
    if (rc == 0)
        rc = sqlite_integer(db, "PRAGMA user_version", 0, &version);
    if (rc < 0)
        return sqlite_fault(db, c, rc, f);
    if (tables > 0 && app != SCHEMA_APPLICATION_ID)
        return fault_set(f, ERR_VALUE,
                         "%s is a database of another program: name another file, or move it away",
                         c->path);
    if (version > (int64_t)schema_version())
        return fault_set(f, ERR_VERSION,
                         "%s was written by a newer wayside (tables of version %lld, this program "
                         "knows %u): run the newer program",
                         c->path, (long long)version, schema_version());
    *out_version = version;
    return 0;
}

static int quick_check(sqlite3 *db, const struct store_config *c, struct fault *f)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite_prepare(db, "PRAGMA quick_check(1)", &st);

    if (rc == 0)
        rc = sqlite_code(db, sqlite3_step(st));
    if (rc == 0 && !str_eq(sqlite_column_str(st, 0), STR("ok")))
        rc = fault_set(f, ERR_CORRUPT, "%s is damaged: %s", c->path,
                       (const char *)sqlite3_column_text(st, 0));
    else if (rc < 0)
        rc = sqlite_fault(db, c, rc, f);
    sqlite3_finalize(st);
    return rc;
}

static int apply(sqlite3 *db, const struct schema_step *step)
{
    char mark[128];
    int rc = sqlite_run(db, step->sql);

    snprintf(mark, sizeof(mark), "PRAGMA application_id=%d; PRAGMA user_version=%u;",
             SCHEMA_APPLICATION_ID, step->version);
    return rc < 0 ? rc : sqlite_run(db, mark);
}

/* No row may point at one that is not there: a step that broke that must not be committed. */
static int check_references(sqlite3 *db, const struct store_config *c, struct fault *f)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite_prepare(db, "PRAGMA foreign_key_check", &st), step = SQLITE_DONE;

    if (rc == 0) {
        step = sqlite3_step(st);
        rc = sqlite_code(db, step);
    }
    if (step == SQLITE_ROW)
        rc = fault_set(f, ERR_CORRUPT,
                       "%s is damaged: row %lld of %s refers to one of %s that is "
                       "not there",
                       c->path, (long long)sqlite3_column_int64(st, 1),
                       (const char *)sqlite3_column_text(st, 0),
                       (const char *)sqlite3_column_text(st, 2));
    else if (rc < 0)
        rc = sqlite_fault(db, c, rc, f);
    sqlite3_finalize(st);
    return rc;
}

/* All steps that are missing, in one transaction: the file is at the old version or the new. */
static int upgrade_locked(sqlite3 *db, const struct store_config *c, struct fault *f)
{
    const struct schema_step *steps;
    size_t count;
    int64_t version = 0;
    int rc = sqlite_run(db, "BEGIN IMMEDIATE");

    if (rc < 0)
        return sqlite_fault(db, c, rc, f);
    /* Again under the lock: another process may have been faster. */
    rc = inspect(db, c, &version, f);
    if (rc < 0)
        goto out;
    steps = schema_steps(&count);
    for (size_t i = 0; i < count && rc == 0; i++)
        if (steps[i].version > version)
            rc = apply(db, &steps[i]);
    if (rc < 0)
        sqlite_fault(db, c, rc, f);
    else
        rc = check_references(db, c, f);
    if (rc < 0)
        goto out;
    rc = sqlite_run(db, "COMMIT");
    if (rc < 0)
        sqlite_fault(db, c, rc, f);
out:
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

/* A step may make a table anew that others refer to; by SQLite's own procedure for that ("Making
 * Other Kinds Of Table Schema Changes", lang_altertable.html) references are off meanwhile, which
 * can only be said outside a transaction, and checked before the commit. */
static int upgrade(sqlite3 *db, const struct store_config *c, struct fault *f)
{
    int rc = sqlite_run(db, "PRAGMA foreign_keys=OFF"), on;

    if (rc < 0)
        return sqlite_fault(db, c, rc, f);
    rc = upgrade_locked(db, c, f);
    on = sqlite_run(db, "PRAGMA foreign_keys=ON");
    return rc == 0 && on < 0 ? sqlite_fault(db, c, on, f) : rc;
}

/* Readers must not stop the writer, nor the writer readers; some file systems cannot do that. */
static int go_wal(sqlite3 *db, const struct store_config *c, struct fault *f)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite_run(db, "PRAGMA page_size=4096;");

    if (rc == 0)
        rc = sqlite_prepare(db, "PRAGMA journal_mode=WAL", &st);
    if (rc == 0)
        rc = sqlite_code(db, sqlite3_step(st));
    if (rc < 0)
        sqlite_fault(db, c, rc, f);
    else if (!str_eq(sqlite_column_str(st, 0), STR("wal")))
        rc = fault_set(f, ERR_DB,
                       "%s: this file system cannot hold a write-ahead log: put the file on a "
                       "local disk",
                       c->path);
    sqlite3_finalize(st);
    return rc;
}

int sqlite_migrate(sqlite3 *db, const struct store_config *c, struct fault *f)
{
    int64_t version = 0;
    int rc = inspect(db, c, &version, f);

    if (rc == 0 && c->check)
        rc = quick_check(db, c, f);
    if (rc == 0)
        rc = go_wal(db, c, f);
    if (rc < 0)
        return rc;
    rc = sqlite_run(db, "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=0;"
                        "PRAGMA journal_size_limit=67108864;");
    if (rc < 0)
        return sqlite_fault(db, c, rc, f);
    return version < (int64_t)schema_version() ? upgrade(db, c, f) : 0;
}
