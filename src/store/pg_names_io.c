/*
 * Names and their numbers, for the PostgreSQL writer. Several hubs may write: so a name is made by an
 * upsert that gives the number whoever was first, sums are added to and newest times only raised. What
 * was learned is kept in a catalog until it grows too large, and content types in a map of a bounded
 * size as well: senders name them.
 */
#include "store/pg_names_io.h"

#include "base/mem.h"

#define CONTENTS_MAX 1000 /* remembered after a commit; nobody has so many at a time */

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
}

void pg_names_fini(struct pg_names *n)
{
    pg_names_forget(n);
    catalog_fini(&n->catalog);
    map_fini(&n->contents);
}

void pg_names_settle(struct pg_names *n)
{
    if (catalog_full(&n->catalog))
        pg_names_forget(n);
    if (n->contents.count > CONTENTS_MAX)
        map_empty(&n->contents, mem_free);
}

static int device_row(struct pg_names *n, const struct record *r, int64_t now_ns,
                      struct catalog_device **out)
{
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc;

    pg_str(&a, r->device);
    pg_i64(&a, now_ns);
    pg_i64(&a, r->wall_ns);
    rc = pg_run(n->pg, PG_DEVICE_ADD, &a, &res);
    if (rc < 0)
        return rc;
    *out = catalog_add_device(&n->catalog, r->device, pg_get_i64(res, 0, 0), pg_get_i64(res, 0, 1));
    PQclear(res);
    return 0;
}

static int stream_row(struct pg_names *n, const struct record *r, struct catalog_device *d,
                      struct catalog_stream **out)
{
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc;

    pg_i64(&a, d->id);
    pg_str(&a, r->stream);
    pg_i64(&a, r->kind);
    pg_i64(&a, r->wall_ns);
    rc = pg_run(n->pg, PG_STREAM_ADD, &a, &res);
    if (rc < 0)
        return rc;
    *out = catalog_add_stream(&n->catalog, r, d, pg_get_i64(res, 0, 0), pg_get_i64(res, 0, 1));
    fields_load(&(*out)->fields, pg_get_str(res, 0, 2));
    PQclear(res);
    return 0;
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

int pg_names_flush(struct pg_names *n, int64_t now_ns)
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
