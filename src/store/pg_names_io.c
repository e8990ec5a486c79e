/*
 * Names and their numbers, for the PostgreSQL writer. Several hubs may write: so a name is made by an
 * upsert that gives the number whoever was first, sums are added to and newest times only raised.
 *
 * Invariants: what is in the maps is in the tables or in the transaction that is open; a changed entry
 * is on its list exactly once. The memory is bounded: beyond NAMES_MOST entries it starts afresh after
 * the commit.
 */
#include "store/pg_names_io.h"

#include "base/mem.h"

#include <assert.h>

#define NAMES_MOST 50000

const struct pg_statement pg_names_sql[PG_NAMES_SQL] = {
    [PG_DEVICE_ADD] = { "INSERT INTO wayside.devices (name, first_seen_ns, last_seen_ns, last_wall_ns)"
                        " VALUES ($1, $2, $2, $3) ON CONFLICT (name) DO UPDATE SET name = $1"
                        " RETURNING id, last_wall_ns",
                        "tii" },
    [PG_DEVICE_SET] = { "UPDATE wayside.devices SET last_seen_ns = greatest(last_seen_ns, $2),"
                        " last_wall_ns = greatest(last_wall_ns, $3), journal_id = $4 WHERE id = $1",
                        "iiii" },
    [PG_STREAM_ADD] = { "INSERT INTO wayside.streams (device_id, name, kind, last_wall_ns)"
                        " VALUES ($1, $2, $3, $4) ON CONFLICT (device_id, name, kind)"
                        " DO UPDATE SET name = $2 RETURNING id, last_wall_ns, fields",
                        "itii" },
    [PG_STREAM_SET] = { "UPDATE wayside.streams SET count = count + $2,"
                        " last_wall_ns = greatest(last_wall_ns, $3) WHERE id = $1",
                        "iii" },
    [PG_STREAM_FIELDS_GET] = { "SELECT fields FROM wayside.streams WHERE id = $1 FOR UPDATE", "i" },
    [PG_STREAM_FIELDS_SET] = { "UPDATE wayside.streams SET fields = $2 WHERE id = $1", "it" },
    [PG_CONTENT_ADD] = { "INSERT INTO wayside.contents (name) VALUES ($1)"
                         " ON CONFLICT (name) DO UPDATE SET name = $1 RETURNING id",
                         "t" },
};

void pg_names_init(struct pg_names *n, struct pg *pg)
{
    *n = (struct pg_names){ .pg = pg };
    map_init(&n->devices);
    map_init(&n->streams);
    map_init(&n->contents);
}

static void release_stream(void *value)
{
    struct pg_stream *s = value;

    fields_fini(&s->fields);
    mem_free(s);
}

struct content {
    int64_t id;
    char name[RECORD_CONTENT_MAX + 1];
};

static void empty(struct map *m, void (*release)(void *value))
{
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(m, &at)))
        release(e->value);
    map_fini(m);
    map_init(m);
}

void pg_names_forget(struct pg_names *n)
{
    empty(&n->streams, release_stream);
    empty(&n->devices, mem_free);
    empty(&n->contents, mem_free);
    n->changed_devices = NULL;
    n->changed_streams = n->last = NULL;
}

void pg_names_fini(struct pg_names *n)
{
    pg_names_forget(n);
    map_fini(&n->devices);
    map_fini(&n->streams);
    map_fini(&n->contents);
}

void pg_names_settle(struct pg_names *n)
{
    if (n->devices.count + n->streams.count > NAMES_MOST)
        pg_names_forget(n);
}

static int find_device(struct pg_names *n, const struct record *r, int64_t now_ns,
                       struct pg_device **out)
{
    struct pg_device *d = map_get(&n->devices, r->device);
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc;

    if (!d) {
        pg_str(&a, r->device);
        pg_i64(&a, now_ns);
        pg_i64(&a, r->wall_ns);
        rc = pg_run(n->pg, PG_DEVICE_ADD, &a, &res);
        if (rc < 0)
            return rc;
        d = NEW(struct pg_device);
        d->id = pg_get_i64(res, 0, 0);
        d->last_wall_ns = pg_get_i64(res, 0, 1);
        memcpy(d->name, r->device.p, r->device.n);
        map_put(&n->devices, str_from(d->name, r->device.n), d);
        PQclear(res);
    }
    *out = d;
    return 0;
}

static size_t make_key(const struct record *r, char *key)
{
    memcpy(key, r->device.p, r->device.n);
    key[r->device.n] = '\0';
    key[r->device.n + 1] = (char)r->kind;
    memcpy(key + r->device.n + 2, r->stream.p, r->stream.n);
    return r->device.n + 2 + r->stream.n;
}

static int new_stream(struct pg_names *n, const struct record *r, int64_t now_ns,
                      struct pg_stream **out)
{
    struct pg_device *d = NULL;
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    struct pg_stream *s;
    int rc = find_device(n, r, now_ns, &d);

    if (rc < 0)
        return rc;
    pg_i64(&a, d->id);
    pg_str(&a, r->stream);
    pg_i64(&a, r->kind);
    pg_i64(&a, r->wall_ns);
    rc = pg_run(n->pg, PG_STREAM_ADD, &a, &res);
    if (rc < 0)
        return rc;
    s = NEW(struct pg_stream);
    s->device = d;
    s->id = pg_get_i64(res, 0, 0);
    s->last_wall_ns = pg_get_i64(res, 0, 1);
    fields_load(&s->fields, pg_get_str(res, 0, 2));
    s->key_n = make_key(r, s->key);
    map_put(&n->streams, str_from(s->key, s->key_n), s);
    PQclear(res);
    *out = s;
    return 0;
}

int pg_names_stream(struct pg_names *n, const struct record *r, int64_t now_ns,
                    struct pg_stream **out)
{
    char bytes[RECORD_DEVICE_MAX + RECORD_STREAM_MAX + 2];
    struct str key;
    struct pg_stream *s = n->last;
    int rc;

    assert(r->device.n <= RECORD_DEVICE_MAX && r->stream.n <= RECORD_STREAM_MAX);
    key = str_from(bytes, make_key(r, bytes));
    if (!s || !str_eq(str_from(s->key, s->key_n), key))
        s = map_get(&n->streams, key);
    if (!s) {
        rc = new_stream(n, r, now_ns, &s);
        if (rc < 0)
            return rc;
    }
    n->last = s;
    *out = s;
    return 0;
}

int pg_names_content(struct pg_names *n, struct str type, int64_t *out)
{
    struct content *c = map_get(&n->contents, type);
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc;

    if (!c) {
        pg_str(&a, type);
        rc = pg_run(n->pg, PG_CONTENT_ADD, &a, &res);
        if (rc < 0)
            return rc;
        c = NEW(struct content);
        c->id = pg_get_i64(res, 0, 0);
        memcpy(c->name, type.p, type.n);
        map_put(&n->contents, str_from(c->name, type.n), c);
        PQclear(res);
    }
    *out = c->id;
    return 0;
}

void pg_names_touch(struct pg_names *n, struct pg_stream *s)
{
    struct pg_device *d = s->device;

    if (!s->changed) {
        s->changed = true;
        s->next_changed = n->changed_streams;
        n->changed_streams = s;
    }
    if (!d->changed) {
        d->changed = true;
        d->next_changed = n->changed_devices;
        n->changed_devices = d;
    }
    if (s->last_wall_ns > d->last_wall_ns)
        d->last_wall_ns = s->last_wall_ns;
}

/* What another hub noted meanwhile stays. */
static int flush_fields(struct pg_names *n, struct pg_stream *s)
{
    struct pg_args a = { 0 };
    struct fields both = { 0 };
    struct buf text = buf_init(STORE_FIELDS_MAX * 128);
    PGresult *res = NULL;
    int rc;

    pg_i64(&a, s->id);
    rc = pg_run(n->pg, PG_STREAM_FIELDS_GET, &a, &res);
    if (rc == 0 && PQntuples(res) > 0)
        fields_load(&both, pg_get_str(res, 0, 0));
    PQclear(res);
    for (size_t i = 0; i < s->fields.count; i++)
        fields_note(&both, str_from(s->fields.names[i], s->fields.lengths[i]));
    fields_text(&both, &text);
    pg_str(&a, buf_str(&text));
    if (rc == 0)
        rc = pg_run(n->pg, PG_STREAM_FIELDS_SET, &a, NULL);
    buf_fini(&text);
    fields_fini(&both);
    s->fields_changed = false;
    return rc;
}

static int flush_stream(struct pg_names *n, struct pg_stream *s)
{
    struct pg_args a = { 0 };
    int rc;

    pg_i64(&a, s->id);
    pg_i64(&a, (int64_t)s->added);
    pg_i64(&a, s->last_wall_ns);
    rc = pg_run(n->pg, PG_STREAM_SET, &a, NULL);
    if (rc == 0 && s->fields_changed)
        rc = flush_fields(n, s);
    s->added = 0;
    s->changed = false;
    return rc;
}

static int flush_device(struct pg_names *n, struct pg_device *d, int64_t now_ns)
{
    struct pg_args a = { 0 };

    pg_i64(&a, d->id);
    pg_i64(&a, now_ns);
    pg_i64(&a, d->last_wall_ns);
    pg_i64(&a, d->journal);
    d->changed = false;
    return pg_run(n->pg, PG_DEVICE_SET, &a, NULL);
}

int pg_names_flush(struct pg_names *n, int64_t now_ns)
{
    int rc = 0;

    for (struct pg_stream *s = n->changed_streams; s && rc == 0; s = s->next_changed)
        rc = flush_stream(n, s);
    for (struct pg_device *d = n->changed_devices; d && rc == 0; d = d->next_changed)
        rc = flush_device(n, d, now_ns);
    n->changed_streams = NULL;
    n->changed_devices = NULL;
    return rc;
}
