/*
 * Journals and their epochs, for the SQLite writer. Exactly-once goes by the cursor of (journal,
 * epoch) alone: a journal that was copied goes on under a new epoch in each copy, so what the copies
 * take is never mistaken for one another.
 *
 * Invariants: what is in the maps is in the tables or in the transaction that is open; a changed
 * entry is on its list exactly once; after origins_forget() nothing is remembered. The memory is
 * bounded: beyond ORIGINS_MAX entries it starts afresh after the commit.
 */
#include "store/sqlite_origins_io.h"

#include "base/map.h"
#include "base/mem.h"

#define ORIGINS_MAX 50000

enum origins_sql {
    JOURNAL_FIND,
    JOURNAL_ADD,
    JOURNAL_SET,
    ORIGIN_FIND,
    ORIGIN_ADD,
    ORIGIN_SET,
    FORK_ADD,
    GAP_FIND,
    GAP_REMOVE,
    GAP_CUT,
    GAP_COPY,
    DISOWN,
    CURSOR,
    ORIGINS,
    ORIGINS_SQL_COUNT,
};
static const char *const origins_sql[ORIGINS_SQL_COUNT] = {
    [JOURNAL_FIND] = "SELECT id, high_seq, gaps, lost, forks FROM journals"
                     " WHERE uuid = ?1",
    [JOURNAL_ADD] = "INSERT INTO journals (uuid) VALUES (?1)",
    [JOURNAL_SET] = "UPDATE journals SET high_seq = ?2, gaps = ?3, lost = ?4, forks = ?5"
                    " WHERE id = ?1",
    [ORIGIN_FIND] = "SELECT id, last_seq FROM origins WHERE journal_id = ?1 AND epoch = ?2",
    [ORIGIN_ADD] = "INSERT INTO origins (journal_id, epoch, last_seq) VALUES (?1, ?2, 0)",
    [ORIGIN_SET] = "UPDATE origins SET last_seq = ?2, sink = ?3 WHERE id = ?1",
    [GAP_FIND] = "SELECT id, first_seq, last_seq FROM gaps WHERE origin_id = ?1 AND last_seq >= ?2"
                 " ORDER BY last_seq LIMIT 1",
    [GAP_REMOVE] = "DELETE FROM gaps WHERE id = ?1",
    [GAP_CUT] = "UPDATE gaps SET first_seq = ?2, last_seq = ?3 WHERE id = ?1",
    [GAP_COPY] = "INSERT INTO gaps (origin_id, first_seq, last_seq, wall_ns, received_ns, reason)"
                 " SELECT origin_id, ?2, ?3, wall_ns, received_ns, reason FROM gaps WHERE id = ?1",
    [DISOWN] = "UPDATE origins SET sink = NULL WHERE sink = ?1",
    [FORK_ADD] = "INSERT INTO forks (journal_id, epoch, first_seq, other_seq, noticed_ns)"
                 " VALUES (?1, ?2, ?3, ?4, ?5)",
    [CURSOR] = "SELECT max(j.high_seq, coalesce(o.last_seq, 0)) FROM journals j"
               " LEFT JOIN origins o ON o.journal_id = j.id AND o.epoch = 0 WHERE j.uuid = ?1",
    [ORIGINS] = "SELECT j.uuid, o.epoch, o.last_seq, j.gaps, j.lost, j.forks, o.sink"
                " FROM origins o JOIN journals j ON j.id = o.journal_id ORDER BY o.id",
};

struct origins {
    sqlite3 *db;
    struct uuid sink;
    sqlite3_stmt *st[ORIGINS_SQL_COUNT];
    struct map journals, origins;
    struct origin_journal *changed_journals;
    struct origin *changed_origins, *last;
};

int origins_open(sqlite3 *db, const struct uuid *sink, struct origins **out)
{
    struct origins *o = NEW(struct origins);

    o->db = db;
    o->sink = *sink;
    map_init(&o->journals);
    map_init(&o->origins);
    for (int i = 0; i < ORIGINS_SQL_COUNT; i++) {
        int rc = sqlite_prepare(db, origins_sql[i], &o->st[i]);

        if (rc < 0) {
            origins_close(o);
            return rc;
        }
    }
    *out = o;
    return 0;
}

void origins_forget(struct origins *o)
{
    map_empty(&o->origins, mem_free);
    map_empty(&o->journals, mem_free);
    o->changed_journals = NULL;
    o->changed_origins = o->last = NULL;
}

void origins_close(struct origins *o)
{
    if (!o)
        return;
    origins_forget(o);
    map_fini(&o->origins);
    map_fini(&o->journals);
    for (int i = 0; i < ORIGINS_SQL_COUNT; i++)
        sqlite3_finalize(o->st[i]);
    mem_free(o);
}

void origins_settle(struct origins *o)
{
    if (o->origins.count + o->journals.count > ORIGINS_MAX)
        origins_forget(o);
}

static int finish(struct origins *o, sqlite3_stmt *st)
{
    int rc = sqlite_code(o->db, sqlite3_step(st));

    sqlite3_reset(st);
    return rc;
}

static void bind_uuid(sqlite3_stmt *st, int at, const struct uuid *u)
{
    sqlite3_bind_blob(st, at, u->b, sizeof(u->b), SQLITE_STATIC);
}

static uint64_t column_u64(sqlite3_stmt *st, int at)
{
    return (uint64_t)sqlite3_column_int64(st, at);
}

/* ---- finding and making ---- */

static int journal_row(struct origins *o, struct origin_journal *j)
{
    sqlite3_stmt *st = o->st[JOURNAL_FIND];
    bool found;
    int rc;

    bind_uuid(st, 1, &j->uuid);
    rc = sqlite3_step(st);
    found = rc == SQLITE_ROW;
    rc = sqlite_code(o->db, rc);
    if (found) {
        j->id = sqlite3_column_int64(st, 0);
        j->high_seq = column_u64(st, 1);
        j->gaps = column_u64(st, 2);
        j->lost = column_u64(st, 3);
        j->forks = column_u64(st, 4);
    }
    sqlite3_reset(st);
    if (rc < 0 || found)
        return rc;
    st = o->st[JOURNAL_ADD];
    bind_uuid(st, 1, &j->uuid);
    rc = finish(o, st);
    j->id = sqlite3_last_insert_rowid(o->db);
    return rc;
}

static int find_journal(struct origins *o, const struct uuid *uuid, struct origin_journal **out)
{
    struct origin_journal *j = map_get(&o->journals, str_from(uuid->b, sizeof(uuid->b)));
    int rc;

    if (!j) {
        j = NEW(struct origin_journal);
        j->uuid = *uuid;
        rc = journal_row(o, j);
        if (rc < 0) {
            mem_free(j);
            return rc;
        }
        map_put(&o->journals, str_from(j->uuid.b, sizeof(j->uuid.b)), j);
    }
    *out = j;
    return 0;
}

static int origin_row(struct origins *o, struct origin *at)
{
    sqlite3_stmt *st = o->st[ORIGIN_FIND];
    bool found;
    int rc = find_journal(o, &at->key.uuid, &at->journal);

    if (rc < 0)
        return rc;
    sqlite3_bind_int64(st, 1, at->journal->id);
    sqlite3_bind_int64(st, 2, (int64_t)at->key.epoch);
    rc = sqlite3_step(st);
    found = rc == SQLITE_ROW;
    rc = sqlite_code(o->db, rc);
    if (found) {
        at->id = sqlite3_column_int64(st, 0);
        at->last_seq = column_u64(st, 1);
    }
    sqlite3_reset(st);
    if (rc < 0 || found)
        return rc;
    st = o->st[ORIGIN_ADD];
    sqlite3_bind_int64(st, 1, at->journal->id);
    sqlite3_bind_int64(st, 2, (int64_t)at->key.epoch);
    rc = finish(o, st);
    at->id = sqlite3_last_insert_rowid(o->db);
    return rc;
}

int origins_get(struct origins *o, const struct uuid *uuid, uint64_t epoch, struct origin **out)
{
    struct origin *at = o->last, want = { .key = { *uuid, epoch } };
    int rc;

    if (!at || memcmp(&at->key, &want.key, sizeof(want.key)) != 0)
        at = map_get(&o->origins, str_from(&want.key, sizeof(want.key)));
    if (!at) {
        at = NEW(struct origin);
        *at = want;
        rc = origin_row(o, at);
        if (rc < 0) {
            mem_free(at);
            return rc;
        }
        map_put(&o->origins, str_from(&at->key, sizeof(at->key)), at);
    }
    o->last = at;
    *out = at;
    return 0;
}

/* ---- changes ---- */

static void touch_journal(struct origins *o, struct origin_journal *j)
{
    if (j->changed)
        return;
    j->changed = true;
    j->next_changed = o->changed_journals;
    o->changed_journals = j;
}

static int note_fork(struct origins *o, struct origin *at, int64_t now_ns,
                     const struct store_fork *k)
{
    sqlite3_stmt *st = o->st[FORK_ADD];

    at->journal->forks++;
    sqlite3_bind_int64(st, 1, at->journal->id);
    sqlite3_bind_int64(st, 2, (int64_t)k->epoch);
    sqlite3_bind_int64(st, 3, (int64_t)k->first_seq);
    sqlite3_bind_int64(st, 4, (int64_t)k->other_seq);
    sqlite3_bind_int64(st, 5, now_ns);
    return finish(o, st);
}

int origins_advance(struct origins *o, struct origin *at, uint64_t seq, int64_t now_ns,
                    bool *out_forked, struct store_fork *out)
{
    struct origin_journal *j = at->journal;
    int rc = 0;

    *out_forked = at->key.epoch != 0 && at->last_seq == 0 && seq <= j->high_seq;
    if (*out_forked) {
        *out = (struct store_fork){ at->key.uuid, at->key.epoch, seq, j->high_seq };
        rc = note_fork(o, at, now_ns, out);
        touch_journal(o, j);
    }
    at->last_seq = seq;
    if (!at->changed) {
        at->changed = true;
        at->next_changed = o->changed_origins;
        o->changed_origins = at;
    }
    if (at->key.epoch != 0 && seq > j->high_seq) {
        j->high_seq = seq;
        touch_journal(o, j);
    }
    return rc;
}

void origins_note_gap(struct origins *o, struct origin *at, uint64_t lost)
{
    struct origin_journal *j = at->journal;

    j->gaps++;
    /* A peer's numbers: the sum stays one that SQL can hold. */
    j->lost = lost > INT64_MAX - j->lost ? INT64_MAX : j->lost + lost;
    touch_journal(o, j);
}

static int set_gap(struct origins *o, enum origins_sql how, int64_t id, uint64_t first,
                   uint64_t last)
{
    sqlite3_stmt *st = o->st[how];

    sqlite3_bind_int64(st, 1, id);
    if (how != GAP_REMOVE) {
        sqlite3_bind_int64(st, 2, (int64_t)first);
        sqlite3_bind_int64(st, 3, (int64_t)last);
    }
    return finish(o, st);
}

/* The gap that seq is in. ERR_UNKNOWN: none. */
static int find_gap(struct origins *o, const struct origin *at, uint64_t seq, int64_t *out_id,
                    uint64_t *out_first, uint64_t *out_last)
{
    sqlite3_stmt *st = o->st[GAP_FIND];
    int rc;

    sqlite3_bind_int64(st, 1, at->id);
    sqlite3_bind_int64(st, 2, (int64_t)seq);
    rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *out_id = sqlite3_column_int64(st, 0);
        *out_first = column_u64(st, 1);
        *out_last = column_u64(st, 2);
        rc = *out_first <= seq ? 0 : ERR_UNKNOWN;
    } else {
        rc = sqlite_code(o->db, rc);
        rc = rc == 0 ? ERR_UNKNOWN : rc;
    }
    sqlite3_reset(st);
    return rc;
}

int origins_fill_gap(struct origins *o, struct origin *at, uint64_t seq, bool *out_filled)
{
    struct origin_journal *j = at->journal;
    uint64_t first = 0, last = 0;
    int64_t id = 0;
    int rc = j->gaps > 0 ? find_gap(o, at, seq, &id, &first, &last) : ERR_UNKNOWN;

    *out_filled = rc == 0;
    if (rc < 0)
        return rc == ERR_UNKNOWN ? 0 : rc;
    if (first == last) {
        rc = set_gap(o, GAP_REMOVE, id, 0, 0);
        j->gaps--;
    } else if (seq == first) {
        rc = set_gap(o, GAP_CUT, id, seq + 1, last);
    } else {
        if (seq < last) {
            rc = set_gap(o, GAP_COPY, id, seq + 1, last);
            j->gaps++;
        }
        if (rc == 0)
            rc = set_gap(o, GAP_CUT, id, first, seq - 1);
    }
    j->lost -= j->lost > 0;
    touch_journal(o, j);
    return rc;
}

int origins_disown(struct origins *o)
{
    bind_uuid(o->st[DISOWN], 1, &o->sink);
    return finish(o, o->st[DISOWN]);
}

static int flush_journal(struct origins *o, struct origin_journal *j)
{
    sqlite3_stmt *st = o->st[JOURNAL_SET];

    sqlite3_bind_int64(st, 1, j->id);
    sqlite3_bind_int64(st, 2, (int64_t)j->high_seq);
    sqlite3_bind_int64(st, 3, (int64_t)j->gaps);
    sqlite3_bind_int64(st, 4, (int64_t)j->lost);
    sqlite3_bind_int64(st, 5, (int64_t)j->forks);
    j->changed = false;
    return finish(o, st);
}

static int flush_origin(struct origins *o, struct origin *at)
{
    sqlite3_stmt *st = o->st[ORIGIN_SET];

    sqlite3_bind_int64(st, 1, at->id);
    sqlite3_bind_int64(st, 2, (int64_t)at->last_seq);
    bind_uuid(st, 3, &o->sink);
    at->changed = false;
    return finish(o, st);
}

int origins_flush(struct origins *o)
{
    int rc = 0;

    for (struct origin_journal *j = o->changed_journals; j && rc == 0; j = j->next_changed)
        rc = flush_journal(o, j);
    for (struct origin *at = o->changed_origins; at && rc == 0; at = at->next_changed)
        rc = flush_origin(o, at);
    o->changed_journals = NULL;
    o->changed_origins = NULL;
    return rc;
}

/* ---- for others ---- */

static struct store_origin origin_of(sqlite3_stmt *st)
{
    struct str uuid = sqlite_column_str(st, 0), sink = sqlite_column_str(st, 6);
    struct store_origin so = { .epoch = column_u64(st, 1),
                               .last_seq = column_u64(st, 2),
                               .gaps = column_u64(st, 3),
                               .lost = column_u64(st, 4),
                               .forks = column_u64(st, 5) };

    if (uuid.n == sizeof(so.uuid.b))
        memcpy(so.uuid.b, uuid.p, uuid.n);
    if (sink.n == sizeof(so.sink.b))
        memcpy(so.sink.b, sink.p, sink.n);
    return so;
}

int origins_each(struct origins *o, int (*each)(void *ctx, const struct store_origin *so),
                 void *ctx)
{
    sqlite3_stmt *st = o->st[ORIGINS];
    int rc, ended = 0;

    while (ended == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct store_origin so = origin_of(st);

        ended = each(ctx, &so);
    }
    if (ended == 0)
        ended = sqlite_code(o->db, rc);
    sqlite3_reset(st);
    return ended;
}

uint64_t origins_cursor(struct origins *o, const struct uuid *uuid)
{
    sqlite3_stmt *st = o->st[CURSOR];
    uint64_t seq = 0;

    bind_uuid(st, 1, uuid);
    if (sqlite3_step(st) == SQLITE_ROW)
        seq = column_u64(st, 0);
    sqlite3_reset(st);
    return seq;
}
