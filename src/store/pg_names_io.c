/*
 * Names and their numbers, for the PostgreSQL writer. Several hubs may write: so a name has the number
 * that whoever was first gave it, sums are added to and newest times only raised. What
 * was learned is kept in a catalog until it grows too large, and content types in a map of a bounded
 * size as well: senders name them.
 *
 * Invariant: rows that another hub may want are locked at the end of a transaction only, streams before
 * devices, each in the order of their numbers; names are made under one lock of their own before. So no
 * two hubs wait for each other.
 */
#include "store/pg_names_io.h"

#include "base/mem.h"

#include <stdlib.h>

#define NAMES_LOCK   "1463900494" /* "WAYN" */
#define CONTENTS_MAX 1000         /* remembered after a commit; nobody has so many at a time */

const struct pg_statement pg_names_sql[PG_NAMES_SQL] = {
    [PG_NAMES_TAKE] = { "SELECT pg_advisory_xact_lock(" NAMES_LOCK ")", "" },
    [PG_DEVICE_FIND] = { "SELECT id, last_wall_ns FROM wayside.devices WHERE name = $1", "t" },
    [PG_DEVICE_ADD] = { "INSERT INTO wayside.devices (name, first_seen_ns, last_seen_ns, last_wall_ns)"
                        " VALUES ($1, $2, $2, $3) ON CONFLICT (name) DO UPDATE SET name = $1"
                        " RETURNING id, last_wall_ns",
                        "tii" },
    [PG_DEVICE_SET] = { "UPDATE wayside.devices SET last_seen_ns = greatest(last_seen_ns, $2),"
                        " last_wall_ns = greatest(last_wall_ns, $3), journal_id = $4 WHERE id = $1",
                        "iiii" },
    [PG_STREAM_FIND] = { "SELECT id, last_wall_ns, fields FROM wayside.streams"
                         " WHERE device_id = $1 AND name = $2 AND kind = $3",
                         "iti" },
    [PG_STREAM_ADD] = { "INSERT INTO wayside.streams (device_id, name, kind, last_wall_ns)"
                        " VALUES ($1, $2, $3, $4) ON CONFLICT (device_id, name, kind)"
                        " DO UPDATE SET name = $2 RETURNING id, last_wall_ns, fields",
                        "itii" },
    [PG_STREAM_SET] = { "UPDATE wayside.streams SET count = count + $2,"
                        " last_wall_ns = greatest(last_wall_ns, $3) WHERE id = $1",
                        "iii" },
    [PG_STREAM_FIELDS_GET] = { "SELECT fields FROM wayside.streams WHERE id = $1 FOR UPDATE", "i" },
    [PG_STREAM_FIELDS_SET] = { "UPDATE wayside.streams SET fields = $2 WHERE id = $1", "it" },
    [PG_CONTENT_FIND] = { "SELECT id FROM wayside.contents WHERE name = $1", "t" },
    [PG_CONTENT_ADD] = { "INSERT INTO wayside.contents (name) VALUES ($1)"
                         " ON CONFLICT (name) DO UPDATE SET name = $1 RETURNING id",
                         "t" },
};

void pg_names_init(struct pg_names *n, struct pg *pg)
{
    *n = (struct pg_names){ .pg = pg };
    catalog_init(&n->catalog);
    map_init(&n->contents);
}

struct content {
    int64_t id;
    char name[RECORD_CONTENT_MAX + 1];
};

void pg_names_forget(struct pg_names *n)
{
    catalog_forget(&n->catalog);
    map_empty(&n->contents, mem_free);
    n->taken = false;
}

void pg_names_fini(struct pg_names *n)
{
    pg_names_forget(n);
    catalog_fini(&n->catalog);
    map_fini(&n->contents);
}

void pg_names_settle(struct pg_names *n)
{
    n->taken = false;
    if (catalog_full(&n->catalog))
        pg_names_forget(n);
    if (n->contents.count > CONTENTS_MAX)
        map_empty(&n->contents, mem_free);
}

/* Looks a name up; one that is not there is made, under a lock that is taken once in a transaction: two
 * hubs that make the same names would wait for each other. */
static int find_or_add(struct pg_names *n, enum pg_names_sql find, const struct pg_args *key,
                       enum pg_names_sql add, const struct pg_args *row, PGresult **out)
{
    PGresult *r = NULL;
    int rc = pg_run(n->pg, find, key, &r);

    if (rc == 0 && PQntuples(r) == 0 && !n->taken) {
        PQclear(r);
        r = NULL;
        rc = pg_run(n->pg, PG_NAMES_TAKE, NULL, NULL);
        n->taken = rc == 0;
        if (rc == 0)
            rc = pg_run(n->pg, find, key, &r);
    }
    if (rc == 0 && PQntuples(r) == 0) {
        PQclear(r);
        r = NULL;
        rc = pg_run(n->pg, add, row, &r);
    }
    *out = r;
    return rc;
}

static int device_row(struct pg_names *n, const struct record *r, int64_t now_ns,
                      struct catalog_device **out)
{
    struct pg_args key = { 0 }, row = { 0 };
    PGresult *res = NULL;
    int rc;

    pg_str(&key, r->device);
    pg_str(&row, r->device);
    pg_i64(&row, now_ns);
    pg_i64(&row, r->wall_ns);
    rc = find_or_add(n, PG_DEVICE_FIND, &key, PG_DEVICE_ADD, &row, &res);
    if (rc == 0)
        *out = catalog_add_device(&n->catalog, r->device, pg_get_i64(res, 0, 0),
                                  pg_get_i64(res, 0, 1));
    PQclear(res);
    return rc;
}

static int stream_row(struct pg_names *n, const struct record *r, struct catalog_device *d,
                      struct catalog_stream **out)
{
    struct pg_args key = { 0 }, row = { 0 };
    PGresult *res = NULL;
    int rc;

    pg_i64(&key, d->id);
    pg_str(&key, r->stream);
    pg_i64(&key, r->kind);
    pg_i64(&row, d->id);
    pg_str(&row, r->stream);
    pg_i64(&row, r->kind);
    pg_i64(&row, r->wall_ns);
    rc = find_or_add(n, PG_STREAM_FIND, &key, PG_STREAM_ADD, &row, &res);
    if (rc == 0) {
        *out = catalog_add_stream(&n->catalog, r, d, pg_get_i64(res, 0, 0), pg_get_i64(res, 0, 1));
        fields_load(&(*out)->fields, pg_get_str(res, 0, 2));
    }
    PQclear(res);
    return rc;
}

int pg_names_stream(struct pg_names *n, const struct record *r, int64_t now_ns,
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

int pg_names_content(struct pg_names *n, struct str type, int64_t *out)
{
    struct content *c = map_get(&n->contents, type);
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc;

    if (!c) {
        pg_str(&a, type);
        rc = find_or_add(n, PG_CONTENT_FIND, &a, PG_CONTENT_ADD, &a, &res);
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

void pg_names_touch(struct pg_names *n, struct catalog_stream *s)
{
    catalog_touch(&n->catalog, s);
}

/* What another hub noted meanwhile stays. */
static int flush_fields(struct pg_names *n, struct catalog_stream *s)
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

static int flush_stream(struct pg_names *n, struct catalog_stream *s)
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

static int flush_device(struct pg_names *n, struct catalog_device *d, int64_t now_ns)
{
    struct pg_args a = { 0 };

    pg_i64(&a, d->id);
    pg_i64(&a, now_ns);
    pg_i64(&a, d->last_wall_ns);
    pg_i64(&a, d->journal);
    d->changed = false;
    return pg_run(n->pg, PG_DEVICE_SET, &a, NULL);
}

static int by_stream_id(const void *a, const void *b)
{
    const struct catalog_stream *const *s = a, *const *t = b;

    return (s[0]->id > t[0]->id) - (s[0]->id < t[0]->id);
}

static int by_device_id(const void *a, const void *b)
{
    const struct catalog_device *const *d = a, *const *e = b;

    return (d[0]->id > e[0]->id) - (d[0]->id < e[0]->id);
}

static int flush_streams(struct pg_names *n)
{
    struct catalog_stream **all, *s;
    size_t count = 0;
    int rc = 0;

    for (s = n->catalog.changed_streams; s; s = s->next_changed)
        count++;
    all = mem_new_array(count + 1, sizeof(struct catalog_stream *));
    count = 0;
    for (s = n->catalog.changed_streams; s; s = s->next_changed)
        all[count++] = s;
    qsort(all, count, sizeof(struct catalog_stream *), by_stream_id);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = flush_stream(n, all[i]);
    mem_free(all);
    n->catalog.changed_streams = NULL;
    return rc;
}

static int flush_devices(struct pg_names *n, int64_t now_ns)
{
    struct catalog_device **all, *d;
    size_t count = 0;
    int rc = 0;

    for (d = n->catalog.changed_devices; d; d = d->next_changed)
        count++;
    all = mem_new_array(count + 1, sizeof(struct catalog_device *));
    count = 0;
    for (d = n->catalog.changed_devices; d; d = d->next_changed)
        all[count++] = d;
    qsort(all, count, sizeof(struct catalog_device *), by_device_id);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = flush_device(n, all[i], now_ns);
    mem_free(all);
    n->catalog.changed_devices = NULL;
    return rc;
}

int pg_names_flush(struct pg_names *n, int64_t now_ns)
{
    int rc = flush_streams(n);

    return rc < 0 ? rc : flush_devices(n, now_ns);
}
