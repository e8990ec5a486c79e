/*
 * Names and their numbers, for the SQLite writer: looked up in the tables or made there when the
 * catalog does not know them yet, and the summaries of what a transaction touched, once at its end.
 */
#include "store/sqlite_names_io.h"

#include "base/mem.h"

enum names_sql {
    DEVICE_FIND,
    DEVICE_ADD,
    DEVICE_SET,
    STREAM_FIND,
    STREAM_ADD,
    STREAM_SET,
    STREAM_FIELDS,
    CONTENT_FIND,
    CONTENT_ADD,
    NAMES_SQL_COUNT,
};
static const char *const names_sql[NAMES_SQL_COUNT] = {
    [DEVICE_FIND] = "SELECT id, last_wall_ns FROM devices WHERE name = ?1",
    [DEVICE_ADD] = "INSERT INTO devices (name, first_seen_ns, last_seen_ns, last_wall_ns)"
                   " VALUES (?1, ?2, ?2, ?3)",
    [DEVICE_SET] = "UPDATE devices SET last_seen_ns = ?2, last_wall_ns = ?3, journal_id = ?4"
                   " WHERE id = ?1",
    [STREAM_FIND] = "SELECT id, last_wall_ns, fields FROM streams"
                    " WHERE device_id = ?1 AND name = ?2 AND kind = ?3",
    [STREAM_ADD] = "INSERT INTO streams (device_id, name, kind) VALUES (?1, ?2, ?3)",
    [STREAM_SET] = "UPDATE streams SET count = count + ?2, last_wall_ns = ?3 WHERE id = ?1",
    [STREAM_FIELDS] = "UPDATE streams SET fields = ?2 WHERE id = ?1",
    [CONTENT_FIND] = "SELECT id FROM contents WHERE name = ?1",
    [CONTENT_ADD] = "INSERT INTO contents (name) VALUES (?1)",
};

struct names {
    sqlite3 *db;
    sqlite3_stmt *st[NAMES_SQL_COUNT];
    struct catalog catalog;
};

int names_open(sqlite3 *db, struct names **out)
{
    struct names *n = NEW(struct names);

    n->db = db;
    catalog_init(&n->catalog);
    for (int i = 0; i < NAMES_SQL_COUNT; i++) {
        int rc = sqlite_prepare(db, names_sql[i], &n->st[i]);

        if (rc < 0) {
            names_close(n);
            return rc;
        }
    }
    *out = n;
    return 0;
}

void names_forget(struct names *n)
{
    catalog_forget(&n->catalog);
}

void names_close(struct names *n)
{
    if (!n)
        return;
    catalog_fini(&n->catalog);
    for (int i = 0; i < NAMES_SQL_COUNT; i++)
        sqlite3_finalize(n->st[i]);
    mem_free(n);
}

void names_settle(struct names *n)
{
    if (catalog_full(&n->catalog))
        names_forget(n);
}

/* Steps once; *out_row says whether there is a row. The caller resets. */
static int step(struct names *n, sqlite3_stmt *st, bool *out_row)
{
    int rc = sqlite3_step(st);

    *out_row = rc == SQLITE_ROW;
    return sqlite_code(n->db, rc);
}

static int finish(struct names *n, sqlite3_stmt *st)
{
    int rc = sqlite_code(n->db, sqlite3_step(st));

    sqlite3_reset(st);
    return rc;
}

/* ---- devices ---- */

static int device_row(struct names *n, const struct record *r, int64_t now_ns,
                      struct catalog_device **out)
{
    sqlite3_stmt *st = n->st[DEVICE_FIND];
    bool found;
    int rc;

    sqlite_bind_str(st, 1, r->device);
    rc = step(n, st, &found);
    if (rc == 0 && found)
        *out = catalog_add_device(&n->catalog, r->device, sqlite3_column_int64(st, 0),
                                  sqlite3_column_int64(st, 1));
    sqlite3_reset(st);
    if (rc < 0 || found)
        return rc;
    st = n->st[DEVICE_ADD];
    sqlite_bind_str(st, 1, r->device);
    sqlite3_bind_int64(st, 2, now_ns);
    sqlite3_bind_int64(st, 3, r->wall_ns);
    rc = finish(n, st);
    if (rc == 0)
        *out = catalog_add_device(&n->catalog, r->device, sqlite3_last_insert_rowid(n->db),
                                  r->wall_ns);
    return rc;
}

/* ---- streams ---- */

static int stream_row(struct names *n, const struct record *r, struct catalog_device *d,
                      struct catalog_stream **out)
{
    sqlite3_stmt *st = n->st[STREAM_FIND];
    bool found;
    int rc;

    sqlite3_bind_int64(st, 1, d->id);
    sqlite_bind_str(st, 2, r->stream);
    sqlite3_bind_int(st, 3, (int)r->kind);
    rc = step(n, st, &found);
    if (rc == 0 && found) {
        *out = catalog_add_stream(&n->catalog, r, d, sqlite3_column_int64(st, 0),
                                  sqlite3_column_int64(st, 1));
        fields_load(&(*out)->fields, sqlite_column_str(st, 2));
    }
    sqlite3_reset(st);
    if (rc < 0 || found)
        return rc;
    st = n->st[STREAM_ADD];
    sqlite3_bind_int64(st, 1, d->id);
    sqlite_bind_str(st, 2, r->stream);
    sqlite3_bind_int(st, 3, (int)r->kind);
    rc = finish(n, st);
    if (rc == 0)
        *out = catalog_add_stream(&n->catalog, r, d, sqlite3_last_insert_rowid(n->db), r->wall_ns);
    return rc;
}

int names_stream(struct names *n, const struct record *r, int64_t now_ns,
                 struct catalog_stream **out)
{
    struct catalog_stream *s = catalog_find_stream(&n->catalog, r);
    struct catalog_device *d;
    int rc = 0;

    if (!s) {
        d = catalog_find_device(&n->catalog, r->device);
        if (!d)
            rc = device_row(n, r, now_ns, &d);
        if (rc == 0)
            rc = stream_row(n, r, d, &s);
        if (rc < 0)
            return rc;
    }
    *out = s;
    return 0;
}

void names_touch_stream(struct names *n, struct catalog_stream *s)
{
    catalog_touch(&n->catalog, s);
}

/* ---- content types ---- */

int names_content(struct names *n, struct str type, int64_t *out)
{
    sqlite3_stmt *st = n->st[CONTENT_FIND];
    bool found = false;
    int rc;

    sqlite_bind_str(st, 1, type);
    rc = step(n, st, &found);
    if (rc == 0 && found)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    if (rc < 0 || found)
        return rc;
    st = n->st[CONTENT_ADD];
    sqlite_bind_str(st, 1, type);
    rc = finish(n, st);
    *out = sqlite3_last_insert_rowid(n->db);
    return rc;
}

/* ---- the end of a transaction ---- */

static int flush_fields(struct names *n, struct catalog_stream *s)
{
    sqlite3_stmt *st = n->st[STREAM_FIELDS];
    struct buf text = buf_init(STORE_FIELDS_MAX * 128);
    int rc;

    if (!s->fields_changed)
        return 0;
    fields_text(&s->fields, &text);
    sqlite3_bind_int64(st, 1, s->id);
    sqlite_bind_str(st, 2, buf_str(&text));
    rc = finish(n, st);
    buf_fini(&text);
    s->fields_changed = false;
    return rc;
}

static int flush_stream(struct names *n, struct catalog_stream *s)
{
    sqlite3_stmt *st = n->st[STREAM_SET];
    int rc;

    sqlite3_bind_int64(st, 1, s->id);
    sqlite3_bind_int64(st, 2, (int64_t)s->added);
    sqlite3_bind_int64(st, 3, s->last_wall_ns);
    rc = finish(n, st);
    s->added = 0;
    s->changed = false;
    return rc < 0 ? rc : flush_fields(n, s);
}

static int flush_device(struct names *n, struct catalog_device *d, int64_t now_ns)
{
    sqlite3_stmt *st = n->st[DEVICE_SET];

    sqlite3_bind_int64(st, 1, d->id);
    sqlite3_bind_int64(st, 2, now_ns);
    sqlite3_bind_int64(st, 3, d->last_wall_ns);
    sqlite3_bind_int64(st, 4, d->journal);
    d->changed = false;
    return finish(n, st);
}

int names_flush(struct names *n, int64_t now_ns)
{
    int rc = 0;

    for (struct catalog_stream *s = n->catalog.changed_streams; s && rc == 0; s = s->next_changed)
        rc = flush_stream(n, s);
    for (struct catalog_device *d = n->catalog.changed_devices; d && rc == 0; d = d->next_changed)
        rc = flush_device(n, d, now_ns);
    n->catalog.changed_streams = NULL;
    n->catalog.changed_devices = NULL;
    return rc;
}
