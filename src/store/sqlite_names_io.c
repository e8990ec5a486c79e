/*
 * Names and their numbers, for the SQLite writer: a record carries names, a row carries numbers,
 * and asking the tables for each record would cost more than the row itself.
 *
 * Invariants: what is in the maps is in the tables or in the transaction that is open; a changed
 * entry is on its list exactly once; after names_forget() nothing is remembered. The memory is
 * bounded: beyond NAMES_MAX entries it starts afresh after the commit.
 */
#include "store/sqlite_names_io.h"

#include "base/map.h"
#include "base/mem.h"

#include <assert.h>

#define NAMES_MAX 50000
#define KEY_MAX   (RECORD_DEVICE_MAX + RECORD_STREAM_MAX + 2)

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
    [STREAM_FIND] = "SELECT id, last_wall_ns, coalesce(last_id, 0), fields FROM streams"
                    " WHERE device_id = ?1 AND name = ?2 AND kind = ?3",
    [STREAM_ADD] = "INSERT INTO streams (device_id, name, kind) VALUES (?1, ?2, ?3)",
    [STREAM_SET] = "UPDATE streams SET count = count + ?2, last_wall_ns = ?3, last_id = ?4"
                   " WHERE id = ?1",
    [STREAM_FIELDS] = "UPDATE streams SET fields = ?2 WHERE id = ?1",
    [CONTENT_FIND] = "SELECT id FROM contents WHERE name = ?1",
    [CONTENT_ADD] = "INSERT INTO contents (name) VALUES (?1)",
};

struct names {
    sqlite3 *db;
    sqlite3_stmt *st[NAMES_SQL_COUNT];
    struct map devices, streams;
    struct name_device *changed_devices;
    struct name_stream *changed_streams, *last_stream;
};

int names_open(sqlite3 *db, struct names **out)
{
    struct names *n = NEW(struct names);

    n->db = db;
    map_init(&n->devices);
    map_init(&n->streams);
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

static void empty(struct map *m, void (*release)(void *value))
{
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(m, &at)))
        release(e->value);
    map_fini(m);
    map_init(m);
}

static void release_stream(void *value)
{
    struct name_stream *s = value;

    fields_fini(&s->fields);
    mem_free(s);
}

void names_forget(struct names *n)
{
    empty(&n->streams, release_stream);
    empty(&n->devices, mem_free);
    n->changed_devices = NULL;
    n->changed_streams = n->last_stream = NULL;
}

void names_close(struct names *n)
{
    if (!n)
        return;
    names_forget(n);
    map_fini(&n->devices);
    map_fini(&n->streams);
    for (int i = 0; i < NAMES_SQL_COUNT; i++)
        sqlite3_finalize(n->st[i]);
    mem_free(n);
}

void names_settle(struct names *n)
{
    if (n->devices.count + n->streams.count > NAMES_MAX)
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

static int device_row(struct names *n, struct name_device *d, const struct record *r,
                      int64_t now_ns)
{
    sqlite3_stmt *st = n->st[DEVICE_FIND];
    bool found;
    int rc;

    sqlite_bind_str(st, 1, d->name);
    rc = step(n, st, &found);
    if (rc == 0 && found) {
        d->id = sqlite3_column_int64(st, 0);
        d->last_wall_ns = sqlite3_column_int64(st, 1);
    }
    sqlite3_reset(st);
    if (rc < 0 || found)
        return rc;
    st = n->st[DEVICE_ADD];
    sqlite_bind_str(st, 1, d->name);
    sqlite3_bind_int64(st, 2, now_ns);
    sqlite3_bind_int64(st, 3, r->wall_ns);
    rc = finish(n, st);
    d->id = sqlite3_last_insert_rowid(n->db);
    d->last_wall_ns = r->wall_ns;
    return rc;
}

static int find_device(struct names *n, const struct record *r, int64_t now_ns,
                       struct name_device **out)
{
    struct name_device *d = map_get(&n->devices, r->device);
    int rc;

    if (!d) {
        d = mem_new(sizeof(*d) + r->device.n + 1);
        memcpy(d + 1, r->device.p, r->device.n);
        d->name = str_from(d + 1, r->device.n);
        rc = device_row(n, d, r, now_ns);
        if (rc < 0) {
            mem_free(d);
            return rc;
        }
        map_put(&n->devices, d->name, d);
    }
    *out = d;
    return 0;
}

/* ---- streams ---- */

static struct str stream_key(const struct record *r, char key[KEY_MAX])
{
    assert(r->device.n <= RECORD_DEVICE_MAX && r->stream.n <= RECORD_STREAM_MAX);
    memcpy(key, r->device.p, r->device.n);
    key[r->device.n] = '\0';
    key[r->device.n + 1] = (char)r->kind;
    memcpy(key + r->device.n + 2, r->stream.p, r->stream.n);
    return str_from(key, r->device.n + 2 + r->stream.n);
}

static int stream_row(struct names *n, struct name_stream *s, const struct record *r)
{
    sqlite3_stmt *st = n->st[STREAM_FIND];
    bool found;
    int rc;

    sqlite3_bind_int64(st, 1, s->device->id);
    sqlite_bind_str(st, 2, s->name);
    sqlite3_bind_int(st, 3, (int)s->kind);
    rc = step(n, st, &found);
    if (rc == 0 && found) {
        s->id = sqlite3_column_int64(st, 0);
        s->last_wall_ns = sqlite3_column_int64(st, 1);
        s->last_id = sqlite3_column_int64(st, 2);
        fields_load(&s->fields, sqlite_column_str(st, 3));
    }
    sqlite3_reset(st);
    if (rc < 0 || found)
        return rc;
    st = n->st[STREAM_ADD];
    sqlite3_bind_int64(st, 1, s->device->id);
    sqlite_bind_str(st, 2, s->name);
    sqlite3_bind_int(st, 3, (int)s->kind);
    rc = finish(n, st);
    s->id = sqlite3_last_insert_rowid(n->db);
    s->last_wall_ns = r->wall_ns;
    return rc;
}

static int new_stream(struct names *n, const struct record *r, struct str key, int64_t now_ns,
                      struct name_stream **out)
{
    struct name_stream *s = mem_new(sizeof(*s) + key.n + 1);
    int rc;

    memcpy(s + 1, key.p, key.n);
    s->key = str_from(s + 1, key.n);
    s->name = str_skip(s->key, r->device.n + 2);
    s->kind = r->kind;
    rc = find_device(n, r, now_ns, &s->device);
    if (rc == 0)
        rc = stream_row(n, s, r);
    if (rc < 0) {
        release_stream(s);
        return rc;
    }
    map_put(&n->streams, s->key, s);
    *out = s;
    return 0;
}

int names_stream(struct names *n, const struct record *r, int64_t now_ns, struct name_stream **out)
{
    char text[KEY_MAX];
    struct str key = stream_key(r, text);
    struct name_stream *s = n->last_stream;
    int rc;

    if (!s || !str_eq(s->key, key)) {
        s = map_get(&n->streams, key);
        if (!s) {
            rc = new_stream(n, r, key, now_ns, &s);
            if (rc < 0)
                return rc;
        }
        n->last_stream = s;
    }
    *out = s;
    return 0;
}

void names_touch_stream(struct names *n, struct name_stream *s)
{
    if (!s->changed) {
        s->changed = true;
        s->next_changed = n->changed_streams;
        n->changed_streams = s;
    }
    if (!s->device->changed) {
        s->device->changed = true;
        s->device->next_changed = n->changed_devices;
        n->changed_devices = s->device;
    }
    if (s->last_wall_ns > s->device->last_wall_ns)
        s->device->last_wall_ns = s->last_wall_ns;
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

static int flush_fields(struct names *n, struct name_stream *s)
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

static int flush_stream(struct names *n, struct name_stream *s)
{
    sqlite3_stmt *st = n->st[STREAM_SET];
    int rc;

    sqlite3_bind_int64(st, 1, s->id);
    sqlite3_bind_int64(st, 2, (int64_t)s->added);
    sqlite3_bind_int64(st, 3, s->last_wall_ns);
    sqlite3_bind_int64(st, 4, s->last_id);
    rc = finish(n, st);
    s->added = 0;
    s->changed = false;
    return rc < 0 ? rc : flush_fields(n, s);
}

static int flush_device(struct names *n, struct name_device *d, int64_t now_ns)
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

    for (struct name_stream *s = n->changed_streams; s && rc == 0; s = s->next_changed)
        rc = flush_stream(n, s);
    for (struct name_device *d = n->changed_devices; d && rc == 0; d = d->next_changed)
        rc = flush_device(n, d, now_ns);
    n->changed_streams = NULL;
    n->changed_devices = NULL;
    return rc;
}
