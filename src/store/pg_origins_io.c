/*
 * Journals and their epochs, for the PostgreSQL writer. Several hubs may have the same records: each
 * locks the journals of its batch (SELECT … FOR UPDATE), so they take turns and the second finds the
 * records stored. Nothing is remembered across transactions.
 *
 * Invariant: journals are locked in the order of their uuids, before anything else that another hub may
 * want; whoever has a journal has its origins, gaps and forks. So no two wait for each other.
 */
#include "store/pg_origins_io.h"

#include <stdlib.h>

const struct pg_statement pg_origins_sql[PG_ORIGINS_SQL - PG_NAMES_SQL] = {
#define AT(i) [(i)-PG_NAMES_SQL]
    AT(PG_JOURNAL_TAKE) = { "SELECT id, high_seq, gaps FROM wayside.journals WHERE uuid = $1"
                            " FOR UPDATE",
                            "b" },
    AT(PG_JOURNAL_ADD) = { "INSERT INTO wayside.journals (uuid) VALUES ($1) ON CONFLICT DO NOTHING",
                           "b" },
    AT(PG_ORIGIN_FIND) = { "SELECT id, last_seq FROM wayside.origins WHERE journal_id = $1"
                           " AND epoch = $2",
                           "ii" },
    AT(PG_ORIGIN_ADD) = { "INSERT INTO wayside.origins (journal_id, epoch) VALUES ($1, $2)"
                          " ON CONFLICT (journal_id, epoch) DO UPDATE SET epoch = $2"
                          " RETURNING id, last_seq",
                          "ii" },
    AT(PG_ORIGIN_SET) = { "UPDATE wayside.origins SET last_seq = $2, sink = $3 WHERE id = $1",
                          "iib" },
    AT(PG_JOURNAL_SET) = { "UPDATE wayside.journals SET high_seq = greatest(high_seq, $2),"
                           " gaps = gaps + $3,"
                           " lost = greatest(0, least(lost::numeric + $4, 9223372036854775807))::bigint,"
                           " forks = forks + $5 WHERE id = $1",
                           "iiiii" },
    AT(PG_FORK_ADD) = { "INSERT INTO wayside.forks (journal_id, epoch, first_seq, other_seq, noticed_ns)"
                        " VALUES ($1, $2, $3, $4, $5)",
                        "iiiii" },
    AT(PG_GAP_ADD) = { "INSERT INTO wayside.gaps (origin_id, first_seq, last_seq, wall_ns, received_ns,"
                       " reason) VALUES ($1, $2, $3, $4, $5, $6)",
                       "iiiiit" },
    AT(PG_GAP_FIND) = { "SELECT id, first_seq, last_seq FROM wayside.gaps WHERE origin_id = $1"
                        " AND last_seq >= $2 ORDER BY last_seq LIMIT 1",
                        "ii" },
    AT(PG_GAP_REMOVE) = { "DELETE FROM wayside.gaps WHERE id = $1", "i" },
    AT(PG_GAP_CUT) = { "UPDATE wayside.gaps SET first_seq = $2, last_seq = $3 WHERE id = $1",
                       "iii" },
    AT(PG_GAP_COPY) = { "INSERT INTO wayside.gaps (origin_id, first_seq, last_seq, wall_ns,"
                        " received_ns, reason) SELECT origin_id, $2, $3, wall_ns, received_ns, reason"
                        " FROM wayside.gaps WHERE id = $1",
                        "iii" },
    AT(PG_DISOWN) = { "WITH taken AS MATERIALIZED (SELECT j.id FROM wayside.journals j WHERE EXISTS"
                      " (SELECT 1 FROM wayside.origins o WHERE o.journal_id = j.id AND o.sink = $1)"
                      " ORDER BY j.uuid FOR UPDATE), held AS MATERIALIZED (SELECT count(*) FROM taken)"
                      " UPDATE wayside.origins SET sink = NULL FROM held WHERE sink = $1",
                      "b" },
    AT(PG_CURSOR) = { "SELECT greatest(j.high_seq, coalesce(o.last_seq, 0)) FROM wayside.journals j"
                      " LEFT JOIN wayside.origins o ON o.journal_id = j.id AND o.epoch = 0"
                      " WHERE j.uuid = $1",
                      "b" },
    AT(PG_ORIGINS) = { "SELECT j.uuid, o.epoch, o.last_seq, j.gaps, j.lost, j.forks,"
                       " o.sink FROM wayside.origins o JOIN wayside.journals j ON j.id = o.journal_id"
                       " ORDER BY o.id",
                       "" },
#undef AT
};

void pg_origins_init(struct pg_origins *o, struct pg *pg, const struct uuid *sink)
{
    *o = (struct pg_origins){ .pg = pg, .sink = *sink };
}

/* ---- taking ---- */

static int by_key(const void *a, const void *b)
{
    return memcmp(&((const struct pg_origin *)a)->key, &((const struct pg_origin *)b)->key,
                  sizeof(((struct pg_origin *)0)->key));
}

struct pg_origin *pg_origins_find(struct pg_origins *o, const struct record *r)
{
    struct pg_origin want = { .key = { r->origin, r->origin_epoch } };

    for (size_t i = 0; i < o->count; i++)
        if (by_key(&o->items[i], &want) == 0)
            return &o->items[i];
    return NULL;
}

size_t pg_origins_collect(struct pg_origins *o, const struct record *records, size_t count)
{
    o->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (pg_origins_find(o, &records[i]))
            continue;
        if (o->count == PG_ORIGINS_MAX)
            return i;
        o->items[o->count++] =
            (struct pg_origin){ .key = { records[i].origin, records[i].origin_epoch } };
    }
    return count;
}

/* Takes at's journal, and makes it where there is none. */
static int take_journal(struct pg *pg, struct pg_origin *at)
{
    struct pg_args a = { 0 };
    PGresult *r = NULL;
    int rc;

    pg_bytes(&a, at->key.uuid.b, sizeof(at->key.uuid.b));
    rc = pg_run(pg, PG_JOURNAL_TAKE, &a, &r);
    if (rc == 0 && PQntuples(r) == 0) {
        PQclear(r);
        r = NULL;
        rc = pg_run(pg, PG_JOURNAL_ADD, &a, NULL);
        if (rc == 0)
            rc = pg_run(pg, PG_JOURNAL_TAKE, &a, &r);
    }
    if (rc == 0 && PQntuples(r) == 0)
        rc = ERR_BUSY;
    if (rc == 0) {
        at->journal = pg_get_i64(r, 0, 0);
        at->high_seq = (uint64_t)pg_get_i64(r, 0, 1);
        at->has_gaps = pg_get_i64(r, 0, 2) > 0;
    }
    PQclear(r);
    return rc;
}

/* Under its journal's lock nobody else touches it. */
static int find_origin(struct pg *pg, struct pg_origin *at)
{
    struct pg_args a = { 0 };
    PGresult *r = NULL;
    int rc;

    pg_i64(&a, at->journal);
    pg_i64(&a, (int64_t)at->key.epoch);
    rc = pg_run(pg, PG_ORIGIN_FIND, &a, &r);
    if (rc == 0 && PQntuples(r) == 0) {
        PQclear(r);
        r = NULL;
        rc = pg_run(pg, PG_ORIGIN_ADD, &a, &r);
    }
    if (rc == 0) {
        at->id = pg_get_i64(r, 0, 0);
        at->last_seq = (uint64_t)pg_get_i64(r, 0, 1);
    }
    PQclear(r);
    return rc;
}

int pg_origins_lock(struct pg_origins *o)
{
    int rc = 0;

    qsort(o->items, o->count, sizeof(o->items[0]), by_key);
    for (size_t i = 0; i < o->count && rc == 0; i++) {
        struct pg_origin *at = &o->items[i], *before = i ? at - 1 : NULL;

        if (before && uuid_eq(&before->key.uuid, &at->key.uuid)) {
            at->journal = before->journal;
            at->high_seq = before->high_seq;
            at->has_gaps = before->has_gaps;
        } else {
            rc = take_journal(o->pg, at);
        }
    }
    for (size_t i = 0; i < o->count && rc == 0; i++)
        rc = find_origin(o->pg, &o->items[i]);
    return rc;
}

/* ---- going on ---- */

/* The highest number of at's journal over its epochs, with what this batch has added. */
static uint64_t high_of(const struct pg_origins *o, const struct pg_origin *at)
{
    uint64_t high = at->high_seq;

    for (size_t i = 0; i < o->count; i++) {
        const struct pg_origin *other = &o->items[i];

        if (other->journal == at->journal && other->key.epoch != 0 && other->changed &&
            other->last_seq > high)
            high = other->last_seq;
    }
    return high;
}

static int note_fork(struct pg_origins *o, struct pg_origin *at, const struct store_fork *k,
                     int64_t now_ns)
{
    struct pg_args a = { 0 };

    at->forks++;
    pg_i64(&a, at->journal);
    pg_i64(&a, (int64_t)k->epoch);
    pg_i64(&a, (int64_t)k->first_seq);
    pg_i64(&a, (int64_t)k->other_seq);
    pg_i64(&a, now_ns);
    return pg_run(o->pg, PG_FORK_ADD, &a, NULL);
}

int pg_origins_advance(struct pg_origins *o, struct pg_origin *at, uint64_t seq, int64_t now_ns,
                       bool *out_forked, struct store_fork *out)
{
    uint64_t high = high_of(o, at);
    int rc = 0;

    *out_forked = at->key.epoch != 0 && at->last_seq == 0 && seq <= high;
    if (*out_forked) {
        *out = (struct store_fork){ at->key.uuid, at->key.epoch, seq, high };
        rc = note_fork(o, at, out, now_ns);
    }
    at->last_seq = seq;
    at->changed = true;
    return rc;
}

/* ---- gaps ---- */

int pg_origins_note_gap(struct pg_origins *o, struct pg_origin *at, const struct record *r,
                        int64_t now_ns)
{
    uint64_t first = store_gap_first(r->first, at->last_seq);
    uint64_t lost = r->origin_seq - first + 1;
    struct pg_args a = { 0 };

    at->gaps++;
    at->has_gaps = true;
    at->lost =
        lost > INT64_MAX / 2 || at->lost > INT64_MAX / 2 ? INT64_MAX / 2 : at->lost + (int64_t)lost;
    pg_i64(&a, at->id);
    pg_i64(&a, (int64_t)first);
    pg_i64(&a, (int64_t)r->origin_seq);
    pg_i64(&a, r->wall_ns);
    pg_i64(&a, now_ns);
    /* PostgreSQL's text takes no NUL and nothing that is not UTF-8, and the gap must be told. */
    pg_str(&a, utf8_valid_mqtt(r->payload) ? r->payload : STR("unknown"));
    return pg_run(o->pg, PG_GAP_ADD, &a, NULL);
}

static int set_gap(struct pg_origins *o, enum pg_origins_sql how, int64_t id, uint64_t first,
                   uint64_t last)
{
    struct pg_args a = { 0 };

    pg_i64(&a, id);
    if (how != PG_GAP_REMOVE) {
        pg_i64(&a, (int64_t)first);
        pg_i64(&a, (int64_t)last);
    }
    return pg_run(o->pg, how, &a, NULL);
}

/* seq is in this gap, and came after all. */
static int cut_gap(struct pg_origins *o, struct pg_origin *at, uint64_t seq, const PGresult *gap)
{
    int64_t id = pg_get_i64(gap, 0, 0);
    uint64_t first = (uint64_t)pg_get_i64(gap, 0, 1), last = (uint64_t)pg_get_i64(gap, 0, 2);
    int rc = 0;

    at->lost--;
    if (first == last) {
        at->gaps--;
        return set_gap(o, PG_GAP_REMOVE, id, 0, 0);
    }
    if (seq == first)
        return set_gap(o, PG_GAP_CUT, id, seq + 1, last);
    if (seq < last) {
        at->gaps++;
        rc = set_gap(o, PG_GAP_COPY, id, seq + 1, last);
    }
    return rc < 0 ? rc : set_gap(o, PG_GAP_CUT, id, first, seq - 1);
}

int pg_origins_fill_gap(struct pg_origins *o, struct pg_origin *at, uint64_t seq, bool *out_filled)
{
    struct pg_args a = { 0 };
    PGresult *gap = NULL;
    int rc;

    *out_filled = false;
    if (!at->has_gaps)
        return 0;
    pg_i64(&a, at->id);
    pg_i64(&a, (int64_t)seq);
    rc = pg_run(o->pg, PG_GAP_FIND, &a, &gap);
    if (rc == 0 && PQntuples(gap) > 0 && (uint64_t)pg_get_i64(gap, 0, 1) <= seq) {
        *out_filled = true;
        rc = cut_gap(o, at, seq, gap);
    }
    PQclear(gap);
    return rc;
}

/* ---- the end of a transaction ---- */

static int flush_one(struct pg_origins *o, const struct pg_origin *at)
{
    struct pg_args a = { 0 }, j = { 0 };
    int rc = 0;

    pg_i64(&a, at->id);
    pg_i64(&a, (int64_t)at->last_seq);
    pg_bytes(&a, o->sink.b, sizeof(o->sink.b));
    if (at->changed)
        rc = pg_run(o->pg, PG_ORIGIN_SET, &a, NULL);
    pg_i64(&j, at->journal);
    pg_i64(&j, at->key.epoch ? (int64_t)at->last_seq : 0);
    pg_i64(&j, at->gaps);
    pg_i64(&j, at->lost);
    pg_i64(&j, (int64_t)at->forks);
    return rc < 0 ? rc : pg_run(o->pg, PG_JOURNAL_SET, &j, NULL);
}

int pg_origins_flush(struct pg_origins *o)
{
    int rc = 0;

    for (size_t i = 0; i < o->count && rc == 0; i++)
        if (o->items[i].changed || o->items[i].gaps != 0 || o->items[i].lost != 0)
            rc = flush_one(o, &o->items[i]);
    return rc;
}

/* ---- for others ---- */

uint64_t pg_origins_cursor(struct pg_origins *o, const struct uuid *uuid)
{
    struct pg_args a = { 0 };
    PGresult *r = NULL;
    uint64_t seq = 0;

    pg_bytes(&a, uuid->b, sizeof(uuid->b));
    if (pg_run(o->pg, PG_CURSOR, &a, &r) == 0 && PQntuples(r) > 0)
        seq = (uint64_t)pg_get_i64(r, 0, 0);
    PQclear(r);
    return seq;
}

int pg_origins_each(struct pg_origins *o, int (*each)(void *ctx, const struct store_origin *so),
                    void *ctx)
{
    PGresult *r = NULL;
    int rc = pg_run(o->pg, PG_ORIGINS, NULL, &r);

    for (int i = 0; rc == 0 && i < PQntuples(r); i++) {
        struct store_origin so = { .uuid = pg_get_uuid(r, i, 0),
                                   .epoch = (uint64_t)pg_get_i64(r, i, 1),
                                   .last_seq = (uint64_t)pg_get_i64(r, i, 2),
                                   .gaps = (uint64_t)pg_get_i64(r, i, 3),
                                   .lost = (uint64_t)pg_get_i64(r, i, 4),
                                   .forks = (uint64_t)pg_get_i64(r, i, 5),
                                   .sink = pg_get_uuid(r, i, 6) };

        rc = each(ctx, &so);
    }
    PQclear(r);
    return rc;
}

int pg_origins_disown(struct pg_origins *o)
{
    struct pg_args a = { 0 };

    pg_bytes(&a, o->sink.b, sizeof(o->sink.b));
    return pg_run(o->pg, PG_DISOWN, &a, NULL);
}
