/*
 * The writer of the PostgreSQL store: batches of records into one transaction each. For store_io.c,
 * which calls it on the one thread that writes.
 *
 * A transaction first locks the cursors of the batch's origins (SELECT … FOR UPDATE, in the order of
 * their uuids), so that several hubs that have the same records take turns and the second finds them
 * stored: a cursor is never remembered across transactions. Rows go in by one binary COPY.
 *
 * When the connection is lost in the middle of a commit nobody can say whether it was done; the batch
 * is then written again, and the cursors tell.
 *
 * It refuses nothing that the journal has acknowledged: a payload that claims to be JSON and is not is
 * kept as bytes with the content type application/octet-stream.
 */
#include "store/pg_names_io.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#define COPY_PIECE (64u << 10)
#define ORIGINS_MOST                                                                               \
    256 /* of one batch; more make the batch smaller, not wrong: see pg_writer_write() */
#define IDS_SWEEP   "500"
#define IDS_KEEP_NS (7 * 86400 * INT64_C(1000000000))
#define SWEEP_NS    (60 * INT64_C(1000000000))

enum write_sql {
    W_ORIGIN = PG_NAMES_SQL,
    W_JOURNAL_ADD,
    W_ORIGIN_ADD,
    W_ORIGIN_SET,
    W_JOURNAL_SET,
    W_FORK_ADD,
    W_GAP_ADD,
    W_GAP_FIND,
    W_GAP_REMOVE,
    W_GAP_CUT,
    W_GAP_COPY,
    W_DISOWN,
    W_ID,
    W_IDS_SWEEP,
    W_POSITION,
    W_POSITION_SET,
    W_CURSOR,
    W_ORIGINS,
    W_SQL_COUNT,
};
static const struct pg_statement write_sql[W_SQL_COUNT - PG_NAMES_SQL] = {
#define AT(i) [(i)-PG_NAMES_SQL]
    AT(W_ORIGIN) = { "SELECT o.id, o.last_seq, j.id, j.high_seq, j.gaps FROM wayside.origins o"
                     " JOIN wayside.journals j ON j.id = o.journal_id"
                     " WHERE j.uuid = $1 AND o.epoch = $2 FOR UPDATE",
                     "bi" },
    AT(W_JOURNAL_ADD) = { "INSERT INTO wayside.journals (uuid) VALUES ($1) ON CONFLICT DO NOTHING",
                          "b" },
    AT(W_ORIGIN_ADD) = { "INSERT INTO wayside.origins (journal_id, epoch)"
                         " SELECT id, $2 FROM wayside.journals WHERE uuid = $1 ON CONFLICT DO NOTHING",
                         "bi" },
    AT(W_ORIGIN_SET) = { "UPDATE wayside.origins SET last_seq = $2, sink = $3 WHERE id = $1",
                         "iib" },
    AT(W_JOURNAL_SET) = { "UPDATE wayside.journals SET high_seq = greatest(high_seq, $2),"
                          " gaps = gaps + $3,"
                          " lost = greatest(0, least(lost::numeric + $4, 9223372036854775807))::bigint,"
                          " forks = forks + $5 WHERE id = $1",
                          "iiiii" },
    AT(W_FORK_ADD) = { "INSERT INTO wayside.forks (journal_id, epoch, first_seq, other_seq, noticed_ns)"
                       " VALUES ($1, $2, $3, $4, $5)",
                       "iiiii" },
    AT(W_GAP_ADD) = { "INSERT INTO wayside.gaps (origin_id, first_seq, last_seq, wall_ns, received_ns,"
                      " reason) VALUES ($1, $2, $3, $4, $5, $6)",
                      "iiiiit" },
    AT(W_GAP_FIND) = { "SELECT id, first_seq, last_seq FROM wayside.gaps WHERE origin_id = $1"
                       " AND last_seq >= $2 ORDER BY last_seq LIMIT 1",
                       "ii" },
    AT(W_GAP_REMOVE) = { "DELETE FROM wayside.gaps WHERE id = $1", "i" },
    AT(W_GAP_CUT) = { "UPDATE wayside.gaps SET first_seq = $2, last_seq = $3 WHERE id = $1",
                      "iii" },
    AT(W_GAP_COPY) = { "INSERT INTO wayside.gaps (origin_id, first_seq, last_seq, wall_ns,"
                       " received_ns, reason) SELECT origin_id, $2, $3, wall_ns, received_ns, reason"
                       " FROM wayside.gaps WHERE id = $1",
                       "iii" },
    AT(W_DISOWN) = { "UPDATE wayside.origins SET sink = NULL WHERE sink = $1", "b" },
    /* A row: it is new, or too long ago to be the same. */
    AT(W_ID) = { "INSERT INTO wayside.ids AS i (stream_id, id, wall_ns, seen_ns) VALUES ($1, $2, $3, $4)"
                 " ON CONFLICT (stream_id, id) DO UPDATE SET wall_ns = $3, seen_ns = $4"
                 " WHERE abs(i.wall_ns::numeric - $3) > $5 RETURNING 1::bigint",
                 "ibiii" },
    AT(W_IDS_SWEEP) = { "DELETE FROM wayside.ids WHERE (stream_id, id) IN ("
                        "SELECT i.stream_id, i.id FROM wayside.ids i JOIN wayside.streams s"
                        " ON s.id = i.stream_id WHERE i.seen_ns < $1 AND"
                        " (s.last_wall_ns > i.wall_ns + $3 OR i.seen_ns < $2)"
                        " ORDER BY i.seen_ns LIMIT " IDS_SWEEP ")",
                        "iii" },
    AT(W_POSITION) = { "SELECT position FROM wayside.sinks WHERE journal = $1", "b" },
    AT(W_POSITION_SET) = { "INSERT INTO wayside.sinks (journal, position) VALUES ($1, $2)"
                           " ON CONFLICT (journal) DO UPDATE SET position = $2",
                           "bi" },
    AT(W_CURSOR) = { "SELECT greatest(j.high_seq, coalesce(o.last_seq, 0)) FROM wayside.journals j"
                     " LEFT JOIN wayside.origins o ON o.journal_id = j.id AND o.epoch = 0"
                     " WHERE j.uuid = $1",
                     "b" },
    AT(W_ORIGINS) = { "SELECT j.uuid, o.epoch, o.last_seq, j.gaps, j.lost, j.forks,"
                      " o.sink FROM wayside.origins o JOIN wayside.journals j ON j.id = o.journal_id"
                      " ORDER BY o.id",
                      "" },
#undef AT
};

/* A cursor while its transaction is open. */
struct origin {
    struct {
        struct uuid uuid;
        uint64_t epoch;
    } key;
    int64_t id, journal;
    uint64_t last_seq, high_seq;
    int64_t gaps, lost; /* what the batch adds */
    uint64_t forks;
    bool has_gaps; /* any of its journal */
    bool changed;
};

struct writer {
    struct pg pg;
    struct pg_statement statements[W_SQL_COUNT];
    struct pg_names names;
    struct uuid journal;
    int64_t id_window_ns, sweep_ns;
    uint64_t position; /* the database's */
    bool known;        /* whoever reads the journal begins at it or before */
    struct origin origins[ORIGINS_MOST];
    size_t origin_count;
    struct buf copy;
};

/* ---- opening ---- */

static int read_position(struct writer *w)
{
    struct pg_args a = { 0 };
    PGresult *r = NULL;
    int rc;

    pg_bytes(&a, w->journal.b, sizeof(w->journal.b));
    rc = pg_run(&w->pg, W_POSITION, &a, &r);
    if (rc == 0)
        w->position = PQntuples(r) > 0 ? (uint64_t)pg_get_i64(r, 0, 0) : 0;
    PQclear(r);
    return rc;
}

/* Connected; what was remembered is dropped when the connection is new. */
static int ready(struct writer *w)
{
    bool fresh = false;
    int rc = pg_ready(&w->pg, true, &fresh);

    if (rc == 0 && fresh) {
        pg_names_forget(&w->names);
        rc = read_position(w);
        w->known = false;
    }
    return rc;
}

int pg_writer_open(const struct store_config *c, void **out, uint64_t *out_position,
                   struct fault *f)
{
    struct writer *w = NEW(struct writer);
    char *why = NULL;
    PQconninfoOption *parsed = PQconninfoParse(c->postgres, &why);
    int rc;

    if (!parsed) {
        rc = fault_set(f, ERR_VALUE, "store.postgres: %s", why ? why : "cannot be understood");
        PQfreemem(why);
        mem_free(w);
        return rc;
    }
    PQconninfoFree(parsed);
    memcpy(w->statements, pg_names_sql, sizeof(pg_names_sql));
    memcpy(w->statements + PG_NAMES_SQL, write_sql, sizeof(write_sql));
    pg_init(&w->pg, c, w->statements, W_SQL_COUNT);
    pg_names_init(&w->names, &w->pg);
    w->journal = c->journal;
    w->id_window_ns = (int64_t)(c->id_window_ms * 1000000);
    w->copy = buf_init(MIB(256));
    rc = ready(w);
    if (rc == ERR_VERSION || rc == ERR_VALUE) {
        rc = fault_set(f, rc, "store.postgres: %s", w->pg.error);
        pg_writer_close(w);
        return rc;
    }
    if (rc < 0)
        log_warn("store", "PostgreSQL cannot be reached; the journal keeps what comes",
                 lf_text("why", w->pg.error));
    w->known = rc == 0;
    *out_position = w->known ? w->position : STORE_POSITION_UNKNOWN;
    *out = w;
    return 0;
}

void pg_writer_close(void *ctx)
{
    struct writer *w = ctx;

    if (!w)
        return;
    pg_names_fini(&w->names);
    pg_fini(&w->pg);
    buf_fini(&w->copy);
    mem_free(w);
}

/* ---- cursors ---- */

static int by_key(const void *a, const void *b)
{
    return memcmp(&((const struct origin *)a)->key, &((const struct origin *)b)->key,
                  sizeof(((struct origin *)0)->key));
}

static struct origin *find_origin(struct writer *w, const struct record *r)
{
    struct origin want = { .key = { r->origin, r->origin_epoch } };

    for (size_t i = 0; i < w->origin_count; i++)
        if (by_key(&w->origins[i], &want) == 0)
            return &w->origins[i];
    return NULL;
}

/* The distinct origins of a batch; returns how many of its records have theirs there. */
static size_t collect(struct writer *w, const struct record *records, size_t count)
{
    w->origin_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (find_origin(w, &records[i]))
            continue;
        if (w->origin_count == ORIGINS_MOST)
            return i;
        w->origins[w->origin_count++] =
            (struct origin){ .key = { records[i].origin, records[i].origin_epoch } };
    }
    return count;
}

static int lock_one(struct writer *w, struct origin *o)
{
    struct pg_args key = { 0 }, uuid = { 0 };
    PGresult *r = NULL;
    int rc;

    pg_bytes(&uuid, o->key.uuid.b, sizeof(o->key.uuid.b));
    pg_bytes(&key, o->key.uuid.b, sizeof(o->key.uuid.b));
    pg_i64(&key, (int64_t)o->key.epoch);
    rc = pg_run(&w->pg, W_ORIGIN, &key, &r);
    if (rc == 0 && PQntuples(r) == 0) {
        PQclear(r);
        r = NULL;
        rc = pg_run(&w->pg, W_JOURNAL_ADD, &uuid, NULL);
        if (rc == 0)
            rc = pg_run(&w->pg, W_ORIGIN_ADD, &key, NULL);
        if (rc == 0)
            rc = pg_run(&w->pg, W_ORIGIN, &key, &r);
    }
    if (rc == 0 && PQntuples(r) == 0)
        rc = ERR_BUSY;
    if (rc == 0) {
        o->id = pg_get_i64(r, 0, 0);
        o->last_seq = (uint64_t)pg_get_i64(r, 0, 1);
        o->journal = pg_get_i64(r, 0, 2);
        o->high_seq = (uint64_t)pg_get_i64(r, 0, 3);
        o->has_gaps = pg_get_i64(r, 0, 4) > 0;
    }
    PQclear(r);
    return rc;
}

static int lock_origins(struct writer *w)
{
    int rc = 0;

    qsort(w->origins, w->origin_count, sizeof(w->origins[0]), by_key);
    for (size_t i = 0; i < w->origin_count && rc == 0; i++)
        rc = lock_one(w, &w->origins[i]);
    return rc;
}

/* The highest number of o's journal over its epochs, with what this batch has added. */
static uint64_t high_of(const struct writer *w, const struct origin *o)
{
    uint64_t high = o->high_seq;

    for (size_t i = 0; i < w->origin_count; i++) {
        const struct origin *other = &w->origins[i];

        if (other->journal == o->journal && other->key.epoch != 0 && other->changed &&
            other->last_seq > high)
            high = other->last_seq;
    }
    return high;
}

struct batch {
    struct writer *w;
    int64_t now_ns;
    struct catalog_stream *stream; /* of the record at hand */
    struct store_counts counts;
    uint64_t rows;
};

static int note_fork(struct batch *b, struct origin *o, uint64_t seq, uint64_t high)
{
    struct store_fork k = { o->key.uuid, o->key.epoch, seq, high };
    struct pg_args a = { 0 };

    if (b->counts.forks < STORE_FORKS_NOTED)
        b->counts.fork[b->counts.forks] = k;
    b->counts.forks++;
    o->forks++;
    pg_i64(&a, o->journal);
    pg_i64(&a, (int64_t)k.epoch);
    pg_i64(&a, (int64_t)k.first_seq);
    pg_i64(&a, (int64_t)k.other_seq);
    pg_i64(&a, b->now_ns);
    return pg_run(&b->w->pg, W_FORK_ADD, &a, NULL);
}

static int advance(struct batch *b, struct origin *o, uint64_t seq)
{
    uint64_t high = high_of(b->w, o);
    int rc = 0;

    if (o->key.epoch != 0 && o->last_seq == 0 && seq <= high)
        rc = note_fork(b, o, seq, high);
    o->last_seq = seq;
    o->changed = true;
    return rc;
}

static int flush_origins(struct writer *w)
{
    int rc = 0;

    for (size_t i = 0; i < w->origin_count && rc == 0; i++) {
        struct origin *o = &w->origins[i];
        struct pg_args a = { 0 }, j = { 0 };

        if (!o->changed && o->gaps == 0 && o->lost == 0)
            continue;
        pg_i64(&a, o->id);
        pg_i64(&a, (int64_t)o->last_seq);
        pg_bytes(&a, w->journal.b, sizeof(w->journal.b));
        if (o->changed)
            rc = pg_run(&w->pg, W_ORIGIN_SET, &a, NULL);
        pg_i64(&j, o->journal);
        pg_i64(&j, o->key.epoch ? (int64_t)o->last_seq : 0);
        pg_i64(&j, o->gaps);
        pg_i64(&j, o->lost);
        pg_i64(&j, (int64_t)o->forks);
        if (rc == 0)
            rc = pg_run(&w->pg, W_JOURNAL_SET, &j, NULL);
    }
    return rc;
}

/* ---- rows, in the binary format of COPY (PostgreSQL: sql-copy.html) ---- */

static void put_be16(struct buf *b, uint16_t v)
{
    uint16_t be = htobe16(v);

    buf_put_bytes(b, &be, sizeof(be));
}

static void put_be32(struct buf *b, uint32_t v)
{
    uint32_t be = htobe32(v);

    buf_put_bytes(b, &be, sizeof(be));
}

static void put_i64(struct buf *b, int64_t v)
{
    uint64_t be = htobe64((uint64_t)v);
    char field[12] = { 0, 0, 0, 8 };

    memcpy(field + 4, &be, sizeof(be));
    buf_put_bytes(b, field, sizeof(field));
}

static void put_null(struct buf *b)
{
    put_be32(b, UINT32_MAX);
}

static void put_field(struct buf *b, struct str s)
{
    put_be32(b, (uint32_t)s.n);
    buf_put(b, s);
}

#define COPY_COLUMNS 11
static void put_row(struct batch *b, const struct record *r, const struct origin *o,
                    int64_t content)
{
    struct buf *c = &b->w->copy;

    put_be16(c, COPY_COLUMNS);
    put_i64(c, b->stream->id);
    put_i64(c, b->stream->device->id);
    put_i64(c, r->wall_ns);
    put_i64(c, b->now_ns);
    put_i64(c, o->id);
    put_i64(c, (int64_t)r->origin_seq);
    if (r->seq == r->origin_seq)
        put_null(c);
    else
        put_i64(c, (int64_t)r->seq);
    if (content)
        put_i64(c, content);
    else
        put_null(c);
    if (r->flags & RECORD_CORRECTED)
        put_i64(c, r->sent_ns);
    else
        put_null(c);
    if (content) {
        put_null(c);
        put_field(c, r->payload);
    } else {
        put_field(c, r->payload);
        put_null(c);
    }
    b->rows++;
}

static int send_rows(struct batch *b)
{
    static const char *const sql =
        "COPY wayside.records (stream_id, device_id, wall_ns, received_ns, origin_id, origin_seq,"
        " local_seq, content_id, sent_ns, payload, payload_bytes) FROM STDIN (FORMAT binary)";
    struct pg *p = &b->w->pg;
    struct buf *c = &b->w->copy;
    PGresult *r;
    int rc = 0;

    if (b->rows == 0)
        return 0;
    put_be16(c, UINT16_MAX);
    rc = pg_command(p, sql);
    for (size_t at = 0; at < c->n && rc == 0; at += COPY_PIECE) {
        size_t n = c->n - at < COPY_PIECE ? c->n - at : COPY_PIECE;

        if (PQputCopyData(p->conn, c->p + at, (int)n) != 1)
            rc = pg_result(p, NULL);
        else if (!pg_flush(p))
            rc = ERR_CLOSED;
    }
    if (rc == 0 && PQputCopyEnd(p->conn, NULL) != 1)
        rc = pg_result(p, NULL);
    if (rc < 0 && p->conn && PQtransactionStatus(p->conn) == PQTRANS_ACTIVE)
        pg_disconnect(p); /* in the middle of the COPY */
    while (pg_await(p) && (r = PQgetResult(p->conn))) {
        int code = pg_result(p, r);

        rc = rc < 0 ? rc : code;
        PQclear(r);
    }
    return rc < 0 || p->conn ? rc : ERR_CLOSED;
}

/* The number of its content type, 0 for JSON. */
static int content_of(struct batch *b, const struct record *r, int64_t *out)
{
    struct str type = fields_content(&b->stream->fields, r, &b->stream->fields_changed);

    *out = 0;
    return type.n > 0 ? pg_names_content(&b->w->names, type, out) : 0;
}

static int is_repeat(struct batch *b, const struct record *r, bool *out)
{
    struct pg_args a = { 0 };
    PGresult *res = NULL;
    int rc;

    *out = false;
    if (uuid_is_zero(&r->id))
        return 0;
    pg_i64(&a, b->stream->id);
    pg_bytes(&a, r->id.b, sizeof(r->id.b));
    pg_i64(&a, r->wall_ns);
    pg_i64(&a, b->now_ns);
    pg_i64(&a, b->w->id_window_ns);
    rc = pg_run(&b->w->pg, W_ID, &a, &res);
    if (rc == 0)
        *out = PQntuples(res) == 0;
    PQclear(res);
    b->counts.repeated += *out;
    return rc;
}

static int store_row(struct batch *b, const struct record *r, const struct origin *o)
{
    int64_t content = 0;
    bool repeat = false;
    int rc = pg_names_stream(&b->w->names, r, b->now_ns, &b->stream);

    if (rc < 0)
        return rc;
    b->stream->device->journal = o->journal;
    rc = is_repeat(b, r, &repeat);
    if (rc < 0 || repeat)
        return rc;
    rc = content_of(b, r, &content);
    if (rc < 0)
        return rc;
    put_row(b, r, o, content);
    b->stream->added++;
    if (r->wall_ns > b->stream->last_wall_ns)
        b->stream->last_wall_ns = r->wall_ns;
    pg_names_touch(&b->w->names, b->stream);
    b->counts.stored++;
    return 0;
}

static int store_gap(struct batch *b, const struct record *r, struct origin *o)
{
    uint64_t first = store_gap_first(r->first, o->last_seq);
    uint64_t lost = r->origin_seq - first + 1;
    struct pg_args a = { 0 };

    o->gaps++;
    o->has_gaps = true;
    o->lost =
        lost > INT64_MAX / 2 || o->lost > INT64_MAX / 2 ? INT64_MAX / 2 : o->lost + (int64_t)lost;
    pg_i64(&a, o->id);
    pg_i64(&a, (int64_t)first);
    pg_i64(&a, (int64_t)r->origin_seq);
    pg_i64(&a, r->wall_ns);
    pg_i64(&a, b->now_ns);
    pg_str(&a, r->payload);
    b->counts.stored++;
    return pg_run(&b->w->pg, W_GAP_ADD, &a, NULL);
}

static int set_gap(struct batch *b, size_t how, int64_t id, uint64_t first, uint64_t last)
{
    struct pg_args a = { 0 };

    pg_i64(&a, id);
    if (how != W_GAP_REMOVE) {
        pg_i64(&a, (int64_t)first);
        pg_i64(&a, (int64_t)last);
    }
    return pg_run(&b->w->pg, how, &a, NULL);
}

/* seq is in this gap, and came after all. */
static int cut_gap(struct batch *b, struct origin *o, uint64_t seq, const PGresult *gap)
{
    int64_t id = pg_get_i64(gap, 0, 0);
    uint64_t first = (uint64_t)pg_get_i64(gap, 0, 1), last = (uint64_t)pg_get_i64(gap, 0, 2);
    int rc = 0;

    o->lost--;
    if (first == last) {
        o->gaps--;
        return set_gap(b, W_GAP_REMOVE, id, 0, 0);
    }
    if (seq == first)
        return set_gap(b, W_GAP_CUT, id, seq + 1, last);
    if (seq < last) {
        o->gaps++;
        rc = set_gap(b, W_GAP_COPY, id, seq + 1, last);
    }
    return rc < 0 ? rc : set_gap(b, W_GAP_CUT, id, first, seq - 1);
}

/* What a cursor has passed: a repeat, or a record that was told as lost and came after all. */
static int store_late(struct batch *b, const struct record *r, struct origin *o)
{
    struct pg_args a = { 0 };
    PGresult *gap = NULL;
    bool filled = false;
    int rc = 0;

    pg_i64(&a, o->id);
    pg_i64(&a, (int64_t)r->origin_seq);
    if (o->has_gaps && record_is_data(r))
        rc = pg_run(&b->w->pg, W_GAP_FIND, &a, &gap);
    filled =
        rc == 0 && gap && PQntuples(gap) > 0 && (uint64_t)pg_get_i64(gap, 0, 1) <= r->origin_seq;
    if (filled)
        rc = cut_gap(b, o, r->origin_seq, gap);
    PQclear(gap);
    if (rc == 0 && filled)
        return store_row(b, r, o);
    b->counts.skipped += rc == 0;
    return rc;
}

static int store_record(struct batch *b, const struct record *r)
{
    struct origin *o = find_origin(b->w, r);
    int rc = 0;

    if (r->origin_seq <= o->last_seq)
        return store_late(b, r, o);
    if (r->kind == RECORD_GAP)
        rc = store_gap(b, r, o);
    else if (record_is_data(r))
        rc = store_row(b, r, o);
    return rc < 0 ? rc : advance(b, o, r->origin_seq);
}

/* ---- one transaction ---- */

static int sweep_ids(struct batch *b)
{
    struct writer *w = b->w;
    struct pg_args a = { 0 };

    if (b->now_ns < w->sweep_ns && b->now_ns > w->sweep_ns - 2 * SWEEP_NS)
        return 0;
    w->sweep_ns = b->now_ns + SWEEP_NS;
    pg_i64(&a, b->now_ns - w->id_window_ns);
    pg_i64(&a, b->now_ns - IDS_KEEP_NS);
    pg_i64(&a, w->id_window_ns);
    return pg_run(&w->pg, W_IDS_SWEEP, &a, NULL);
}

static int write_batch(struct batch *b, const struct record *records, size_t count,
                       uint64_t position)
{
    static const char header[19] = "PGCOPY\n\377\r\n\0"; /* and no flags, no extension */
    struct writer *w = b->w;
    struct pg_args a = { 0 };
    int rc;

    buf_clear(&w->copy);
    buf_put_bytes(&w->copy, header, sizeof(header));
    rc = lock_origins(w);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = store_record(b, &records[i]);
    if (rc == 0)
        rc = buf_check(&w->copy);
    if (rc == 0)
        rc = send_rows(b);
    if (rc == 0)
        rc = pg_names_flush(&w->names, b->now_ns);
    if (rc == 0)
        rc = flush_origins(w);
    if (rc == 0)
        rc = sweep_ids(b);
    pg_bytes(&a, w->journal.b, sizeof(w->journal.b));
    pg_i64(&a, (int64_t)position);
    return rc < 0 ? rc : pg_run(&w->pg, W_POSITION_SET, &a, NULL);
}

/* The records of one transaction, or as many of them as have few origins. */
static int write_some(struct writer *w, const struct record *records, size_t count,
                      uint64_t position, int64_t now_ns, struct store_counts *out)
{
    struct batch b = { .w = w, .now_ns = now_ns };
    int rc = pg_command(&w->pg, "BEGIN");

    if (rc == 0)
        rc = write_batch(&b, records, count, position);
    if (rc == 0)
        rc = pg_command(&w->pg, "COMMIT");
    if (rc < 0) {
        char why[sizeof(w->pg.error)];

        memcpy(why, w->pg.error, sizeof(why));
        if (w->pg.conn && PQtransactionStatus(w->pg.conn) != PQTRANS_IDLE &&
            pg_command(&w->pg, "ROLLBACK") < 0)
            pg_disconnect(&w->pg);
        memcpy(w->pg.error, why, sizeof(why));
        pg_names_forget(&w->names);
        return rc;
    }
    pg_names_settle(&w->names);
    out->stored += b.counts.stored;
    out->skipped += b.counts.skipped;
    out->repeated += b.counts.repeated;
    for (size_t i = 0; i < b.counts.forks && i < STORE_FORKS_NOTED; i++)
        if (out->forks + i < STORE_FORKS_NOTED)
            out->fork[out->forks + i] = b.counts.fork[i];
    out->forks += b.counts.forks;
    return 0;
}

int pg_writer_write(void *ctx, const struct record *records, size_t count, uint64_t position,
                    int64_t now_ns, struct store_counts *out)
{
    struct writer *w = ctx;
    size_t done = 0;
    int rc = ready(w);

    if (rc < 0)
        return rc;
    if (!w->known) {
        /* The run began without knowing where the database is, or it was away since and may have
         * come back from an older copy. */
        w->known = true;
        if (count > 0 && w->position + 1 < records[0].seq)
            return ERR_STALE;
    }
    do {
        size_t n = collect(w, records + done, count - done);
        bool last = done + n == count;

        rc = write_some(w, records + done, n, last ? position : records[done + n - 1].seq, now_ns,
                        out);
        done += n;
    } while (rc == 0 && done < count);
    if (rc == 0 && position > w->position)
        w->position = position;
    return rc;
}

int pg_writer_check(void *ctx)
{
    struct writer *w = ctx;

    pg_listen(&w->pg);
    return ready(w);
}

/* ---- for others ---- */

uint64_t pg_writer_cursor(void *ctx, const struct uuid *origin)
{
    struct writer *w = ctx;
    struct pg_args a = { 0 };
    PGresult *r = NULL;
    uint64_t seq = 0;

    pg_bytes(&a, origin->b, sizeof(origin->b));
    if (ready(w) == 0 && pg_run(&w->pg, W_CURSOR, &a, &r) == 0 && PQntuples(r) > 0)
        seq = (uint64_t)pg_get_i64(r, 0, 0);
    PQclear(r);
    return seq;
}

int pg_writer_origins(void *ctx, int (*each)(void *ctx, const struct store_origin *o),
                      void *each_ctx)
{
    struct writer *w = ctx;
    PGresult *r = NULL;
    int rc = ready(w);

    if (rc == 0)
        rc = pg_run(&w->pg, W_ORIGINS, NULL, &r);
    for (int i = 0; rc == 0 && i < PQntuples(r); i++) {
        struct store_origin o = { .uuid = pg_get_uuid(r, i, 0),
                                  .epoch = (uint64_t)pg_get_i64(r, i, 1),
                                  .last_seq = (uint64_t)pg_get_i64(r, i, 2),
                                  .gaps = (uint64_t)pg_get_i64(r, i, 3),
                                  .lost = (uint64_t)pg_get_i64(r, i, 4),
                                  .forks = (uint64_t)pg_get_i64(r, i, 5),
                                  .sink = pg_get_uuid(r, i, 6) };

        rc = each(each_ctx, &o);
    }
    PQclear(r);
    return rc;
}

int pg_writer_disown(void *ctx)
{
    struct writer *w = ctx;
    struct pg_args a = { 0 };
    int rc = ready(w);

    pg_bytes(&a, w->journal.b, sizeof(w->journal.b));
    return rc < 0 ? rc : pg_run(&w->pg, W_DISOWN, &a, NULL);
}

uint64_t pg_writer_position(void *ctx)
{
    return ((struct writer *)ctx)->position;
}

const char *pg_writer_error(void *ctx)
{
    return ((struct writer *)ctx)->pg.error;
}
