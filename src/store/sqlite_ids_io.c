/*
 * A sender that is not sure whether its message arrived sends it again with the same id, and gets
 * one row. The table of ids would grow for ever, so it is swept: in each transaction a bounded
 * stretch of it, oldest first, from where the last transaction stopped.
 *
 * An id goes when it was seen longer ago than the window and its stream has moved on by more than
 * the window since (a stream whose edge was away for a day brings its backlog late: its ids stay
 * until it has caught up), or after KEEP_NS whatever its stream does.
 *
 * Invariant: a transaction examines at least twice as many rows as it added, so the sweep keeps up,
 * and at most STRETCH more.
 */
#include "store/sqlite_ids_io.h"

#include "base/mem.h"

#define STRETCH  256
#define KEEP_NS  (7 * 86400 * INT64_C(1000000000))
#define PAUSE_NS (60 * INT64_C(1000000000)) /* between two sweeps */

struct ids_row {
    int64_t seen_ns, stream;
    struct uuid id;
    bool drop;
};

struct ids {
    sqlite3 *db;
    sqlite3_stmt *find, *put, *sweep, *drop, *any;
    int64_t window_ns;
    bool there;          /* the table may have rows */
    size_t added;        /* since the last prune */
    struct ids_row mark; /* of the sweep: everything up to it was examined */
    int64_t next_ns;     /* the next sweep begins then */
};

int ids_open(sqlite3 *db, uint64_t window_ms, struct ids **out)
{
    struct ids *d = NEW(struct ids);
    int rc =
        sqlite_prepare(db, "SELECT wall_ns FROM ids WHERE stream_id = ?1 AND id = ?2", &d->find);

    d->db = db;
    d->window_ns = window_ms > INT64_MAX / 1000000 ? INT64_MAX : (int64_t)window_ms * 1000000;
    d->there = true;
    if (rc == 0)
        rc = sqlite_prepare(db,
                            "INSERT OR REPLACE INTO ids (stream_id, id, wall_ns, seen_ns)"
                            " VALUES (?1, ?2, ?3, ?4)",
                            &d->put);
    if (rc == 0)
        rc = sqlite_prepare(db,
                            "SELECT i.seen_ns, i.stream_id, i.id, i.wall_ns,"
                            " coalesce(s.last_wall_ns, i.wall_ns)"
                            " FROM ids i INDEXED BY ids_seen"
                            " LEFT JOIN streams s ON s.id = i.stream_id"
                            " WHERE (i.seen_ns, i.stream_id, i.id) > (?1, ?2, ?3)"
                            " AND i.seen_ns < ?4"
                            " ORDER BY i.seen_ns, i.stream_id, i.id LIMIT ?5",
                            &d->sweep);
    if (rc == 0)
        rc = sqlite_prepare(db, "DELETE FROM ids WHERE stream_id = ?1 AND id = ?2", &d->drop);
    if (rc == 0)
        rc = sqlite_prepare(db, "SELECT 1 FROM ids LIMIT 1", &d->any);
    if (rc < 0) {
        ids_close(d);
        return rc;
    }
    *out = d;
    return 0;
}

void ids_close(struct ids *d)
{
    if (!d)
        return;
    sqlite3_finalize(d->find);
    sqlite3_finalize(d->put);
    sqlite3_finalize(d->sweep);
    sqlite3_finalize(d->drop);
    sqlite3_finalize(d->any);
    mem_free(d);
}

void ids_forget(struct ids *d)
{
    d->there = true;
    d->added = 0;
    d->next_ns = 0;
    d->mark = (struct ids_row){ 0 };
}

/* |a - b| <= window, for any times. */
static bool near(int64_t a, int64_t b, int64_t window)
{
    int64_t difference;

    if (__builtin_sub_overflow(a > b ? a : b, a > b ? b : a, &difference))
        return false;
    return difference <= window;
}

static int step(struct ids *d, sqlite3_stmt *st, bool *out_row)
{
    int rc = sqlite3_step(st);

    *out_row = rc == SQLITE_ROW;
    return sqlite_code(d->db, rc);
}

int ids_seen(struct ids *d, int64_t stream, const struct uuid *id, int64_t wall_ns, int64_t now_ns,
             bool *out_repeat)
{
    bool found = false, repeat = false;
    int rc;

    sqlite3_bind_int64(d->find, 1, stream);
    sqlite3_bind_blob(d->find, 2, id->b, sizeof(id->b), SQLITE_STATIC);
    rc = step(d, d->find, &found);
    if (rc == 0 && found)
        repeat = near(sqlite3_column_int64(d->find, 0), wall_ns, d->window_ns);
    sqlite3_reset(d->find);
    if (rc < 0 || repeat) {
        *out_repeat = repeat;
        return rc;
    }
    sqlite3_bind_int64(d->put, 1, stream);
    sqlite3_bind_blob(d->put, 2, id->b, sizeof(id->b), SQLITE_STATIC);
    sqlite3_bind_int64(d->put, 3, wall_ns);
    sqlite3_bind_int64(d->put, 4, now_ns);
    rc = step(d, d->put, &found);
    sqlite3_reset(d->put);
    d->there = true;
    d->added++;
    *out_repeat = false;
    return rc;
}

/* ---- the sweep ---- */

static struct ids_row row_of(const struct ids *d, sqlite3_stmt *st, int64_t now_ns)
{
    struct ids_row row = { .seen_ns = sqlite3_column_int64(st, 0),
                           .stream = sqlite3_column_int64(st, 1) };
    struct str id = sqlite_column_str(st, 2);
    int64_t wall = sqlite3_column_int64(st, 3), last = sqlite3_column_int64(st, 4);

    if (id.n == sizeof(row.id.b))
        memcpy(row.id.b, id.p, id.n);
    row.drop = row.seen_ns < now_ns - KEEP_NS || (last > wall && !near(last, wall, d->window_ns));
    return row;
}

/* The next rows behind the mark into rows[STRETCH]. */
static int look(struct ids *d, int64_t now_ns, struct ids_row *rows, size_t *out_count)
{
    sqlite3_stmt *st = d->sweep;
    bool found = false;
    size_t count = 0;
    int rc;

    sqlite3_bind_int64(st, 1, d->mark.seen_ns);
    sqlite3_bind_int64(st, 2, d->mark.stream);
    sqlite3_bind_blob(st, 3, d->mark.id.b, sizeof(d->mark.id.b), SQLITE_STATIC);
    sqlite3_bind_int64(st, 4, now_ns - d->window_ns);
    sqlite3_bind_int64(st, 5, STRETCH);
    while ((rc = step(d, st, &found)) == 0 && found && count < STRETCH)
        rows[count++] = row_of(d, st, now_ns);
    sqlite3_reset(st);
    *out_count = count;
    return rc;
}

static int drop(struct ids *d, const struct ids_row *row)
{
    bool found;
    int rc;

    sqlite3_bind_int64(d->drop, 1, row->stream);
    sqlite3_bind_blob(d->drop, 2, row->id.b, sizeof(row->id.b), SQLITE_STATIC);
    rc = step(d, d->drop, &found);
    sqlite3_reset(d->drop);
    return rc;
}

/* The sweep came to its end: the next one begins later, if there is anything. */
static int rest(struct ids *d, int64_t now_ns)
{
    int rc = step(d, d->any, &d->there);

    sqlite3_reset(d->any);
    d->mark = (struct ids_row){ 0 };
    d->next_ns = now_ns + PAUSE_NS;
    return rc;
}

int ids_prune(struct ids *d, int64_t now_ns)
{
    struct ids_row rows[STRETCH];
    size_t examined = 0, enough = 2 * d->added, count = 0;
    int rc = 0;

    /* A clock that was set back begins anew as well. */
    if (!d->there || (now_ns < d->next_ns && now_ns > d->next_ns - 2 * PAUSE_NS))
        return 0;
    d->added = 0;
    do {
        rc = look(d, now_ns, rows, &count);
        for (size_t i = 0; i < count && rc == 0; i++)
            if (rows[i].drop)
                rc = drop(d, &rows[i]);
        if (count > 0)
            d->mark = rows[count - 1];
        examined += count;
    } while (rc == 0 && count == STRETCH && examined < enough);
    return rc == 0 && count < STRETCH ? rest(d, now_ns) : rc;
}
