/*
 * The writer of the PostgreSQL store: batches of records into one transaction each. For store_io.c,
 * which calls it on the one thread that writes.
 *
 * A transaction first locks the cursors of the batch's origins (pg_origins_io.c), so that several hubs
 * that have the same records take turns. Rows go in by one binary COPY.
 *
 * Each transaction looks first whether the database is where the last one left it: somebody may have
 * put an older copy in its place.
 *
 * When the connection is lost in the middle of a commit nobody can say whether it was done; the batch
 * is then written again, and the cursors tell.
 *
 * It refuses nothing that the journal has acknowledged: a payload that claims to be JSON and is not is
 * kept as bytes with the content type application/octet-stream.
 */
#include "store/pg_origins_io.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#include <endian.h>
#include <stdio.h>

#define COPY_PIECE  (64u << 10)
#define IDS_KEEP_NS (7 * 86400 * INT64_C(1000000000))
/* Old ids that one transaction drops: at least twice as many as came, so that they never pile up, and
 * not so many that others wait for them. What is left then is the next transaction's. */
#define SWEEP_LEAST 500
#define SWEEP_MOST  20000
#define SWEEP_NS    (60 * INT64_C(1000000000)) /* between two sweeps that found the end */

enum write_sql {
    W_ID = PG_ORIGINS_SQL,
    W_IDS_SWEEP,
    W_POSITION,
    W_POSITION_TAKE,
    W_POSITION_SET,
    W_SQL_COUNT,
};
static const struct pg_statement write_sql[W_SQL_COUNT - PG_ORIGINS_SQL] = {
#define AT(i) [(i)-PG_ORIGINS_SQL]
    /* A row: it is new, or too long ago to be the same. */
    AT(W_ID) = { "INSERT INTO wayside.ids AS i (stream_id, id, wall_ns, seen_ns) VALUES ($1, $2, $3, $4)"
                 " ON CONFLICT (stream_id, id) DO UPDATE SET wall_ns = $3, seen_ns = $4"
                 " WHERE abs(i.wall_ns::numeric - $3) > $5 RETURNING 1::bigint",
                 "ibiii" },
    /* What another hub has in its hands is for another time: waiting for it could be for ever. */
    AT(W_IDS_SWEEP) = { "WITH old AS MATERIALIZED ("
                        "SELECT i.stream_id, i.id FROM wayside.ids i JOIN wayside.streams s"
                        " ON s.id = i.stream_id WHERE i.seen_ns < $1 AND"
                        " (s.last_wall_ns::numeric - i.wall_ns > $3 OR i.seen_ns < $2)"
                        " ORDER BY i.seen_ns LIMIT $4 FOR UPDATE OF i SKIP LOCKED)"
                        " DELETE FROM wayside.ids d USING old"
                        " WHERE d.stream_id = old.stream_id AND d.id = old.id",
                        "iiii" },
    AT(W_POSITION) = { "SELECT position FROM wayside.sinks WHERE journal = $1", "b" },
    AT(W_POSITION_TAKE) = { "SELECT position FROM wayside.sinks WHERE journal = $1 FOR UPDATE",
                            "b" },
    AT(W_POSITION_SET) = { "INSERT INTO wayside.sinks (journal, position) VALUES ($1, $2)"
                           " ON CONFLICT (journal) DO UPDATE SET position = $2",
                           "bi" },
#undef AT
};

struct writer {
    struct pg pg;
    struct pg_statement statements[W_SQL_COUNT];
    struct pg_names names;
    struct uuid journal;
    int64_t id_window_ns, sweep_ns; /* the next sweep is due then */
    uint64_t ids_added;             /* since the last one */
    uint64_t position;              /* the database's, as this writer left it */
    bool known;                     /* whoever reads the journal begins at it or before */
    struct pg_origins origins;
    struct buf copy;
};

/* ---- opening ---- */

/* how: with or without keeping it locked. */
static int read_position(struct writer *w, enum write_sql how, uint64_t *out)
{
    struct pg_args a = { 0 };
    PGresult *r = NULL;
    int rc;

    pg_bytes(&a, w->journal.b, sizeof(w->journal.b));
    rc = pg_run(&w->pg, how, &a, &r);
    if (rc == 0)
        *out = PQntuples(r) > 0 ? (uint64_t)pg_get_i64(r, 0, 0) : 0;
    PQclear(r);
    return rc;
}

/* An older copy was put in the database's place under an open connection: what was written since is
 * missing there, and would be for ever if the run went on. ERR_STALE, and the position is the copy's;
 * names that are remembered may be of rows that are gone. */
static int check_position(struct writer *w, enum write_sql how)
{
    uint64_t there = 0;
    int rc = read_position(w, how, &there);

    if (rc < 0 || there >= w->position)
        return rc;
    pg_names_forget(&w->names);
    snprintf(w->pg.error, sizeof(w->pg.error),
             "the database went back to an older copy: it is filled again from %llu on",
             (unsigned long long)there + 1);
    w->position = there;
    return ERR_STALE;
}

/* Connected; what was remembered is dropped when the connection is new. */
static int ready(struct writer *w)
{
    bool fresh = false;
    int rc = pg_ready(&w->pg, true, &fresh);

    if (rc == 0 && fresh) {
        pg_names_forget(&w->names);
        w->known = false;
        rc = read_position(w, W_POSITION, &w->position);
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
    memcpy(w->statements + PG_NAMES_SQL, pg_origins_sql, sizeof(pg_origins_sql));
    memcpy(w->statements + PG_ORIGINS_SQL, write_sql, sizeof(write_sql));
    pg_init(&w->pg, c, w->statements, W_SQL_COUNT);
    pg_names_init(&w->names, &w->pg);
    pg_origins_init(&w->origins, &w->pg, &c->journal);
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

struct batch {
    struct writer *w;
    int64_t now_ns;
    struct catalog_stream *stream; /* of the record at hand */
    struct store_counts counts;
    uint64_t rows;
};

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
static void put_row(struct batch *b, const struct record *r, const struct pg_origin *o,
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
    b->w->ids_added += rc == 0 && !*out;
    b->counts.repeated += *out;
    return rc;
}

static int store_row(struct batch *b, const struct record *r, const struct pg_origin *o)
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

/* What a cursor has passed: a repeat, or a record that was told as lost and came after all. */
static int store_late(struct batch *b, const struct record *r, struct pg_origin *o)
{
    bool filled = false;
    int rc = record_is_data(r) ? pg_origins_fill_gap(&b->w->origins, o, r->origin_seq, &filled) : 0;

    if (rc == 0 && filled)
        return store_row(b, r, o);
    b->counts.skipped += rc == 0;
    return rc;
}

static int store_record(struct batch *b, const struct record *r)
{
    struct pg_origins *all = &b->w->origins;
    struct pg_origin *o = pg_origins_find(all, r);
    struct store_fork fork = { .epoch = 0 };
    bool forked = false;
    int rc = 0;

    if (r->origin_seq <= o->last_seq)
        return store_late(b, r, o);
    if (r->kind == RECORD_GAP) {
        rc = pg_origins_note_gap(all, o, r, b->now_ns);
        b->counts.stored++;
    } else if (record_is_data(r)) {
        rc = store_row(b, r, o);
    }
    if (rc == 0)
        rc = pg_origins_advance(all, o, r->origin_seq, b->now_ns, &forked, &fork);
    if (forked && b->counts.forks < STORE_FORKS_NOTED)
        b->counts.fork[b->counts.forks] = fork;
    b->counts.forks += forked;
    return rc;
}

/* ---- one transaction ---- */

static int sweep_ids(struct batch *b)
{
    struct writer *w = b->w;
    uint64_t most = 2 * w->ids_added, dropped = 0;
    struct pg_args a = { 0 };
    PGresult *r = NULL;
    int rc;

    /* A clock that was set back begins anew as well. */
    if (b->now_ns < w->sweep_ns && b->now_ns > w->sweep_ns - 2 * SWEEP_NS)
        return 0;
    most = most < SWEEP_LEAST ? SWEEP_LEAST : most > SWEEP_MOST ? SWEEP_MOST : most;
    pg_i64(&a, b->now_ns - w->id_window_ns);
    pg_i64(&a, b->now_ns - IDS_KEEP_NS);
    pg_i64(&a, w->id_window_ns);
    pg_i64(&a, (int64_t)most);
    rc = pg_run(&w->pg, W_IDS_SWEEP, &a, &r);
    if (rc == 0)
        rc = str_to_u64(str_of(PQcmdTuples(r)), &dropped);
    PQclear(r);
    w->ids_added = 0;
    w->sweep_ns = dropped < most ? b->now_ns + SWEEP_NS : 0;
    return rc;
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
    rc = check_position(w, W_POSITION_TAKE);
    if (rc == 0)
        rc = pg_origins_lock(&w->origins);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = store_record(b, &records[i]);
    if (rc == 0)
        rc = buf_check(&w->copy);
    if (rc == 0)
        rc = send_rows(b);
    if (rc == 0)
        rc = pg_names_flush(&w->names, b->now_ns);
    if (rc == 0)
        rc = pg_origins_flush(&w->origins);
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
        w->sweep_ns = 0;
        return rc;
    }
    w->position = position;
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
        if (w->position + 1 < (count > 0 ? records[0].seq : position))
            return ERR_STALE;
    }
    do {
        size_t n = pg_origins_collect(&w->origins, records + done, count - done);
        bool last = done + n == count;

        rc = write_some(w, records + done, n, last ? position : records[done + n - 1].seq, now_ns,
                        out);
        done += n;
    } while (rc == 0 && done < count);
    return rc;
}

int pg_writer_check(void *ctx)
{
    struct writer *w = ctx;

    int rc;

    pg_listen(&w->pg);
    rc = ready(w);
    if (rc == 0)
        rc = check_position(w, W_POSITION);
    return rc == ERR_STALE ? 0 : rc; /* the position tells */
}

/* ---- for others ---- */

uint64_t pg_writer_cursor(void *ctx, const struct uuid *origin)
{
    struct writer *w = ctx;

    return ready(w) == 0 ? pg_origins_cursor(&w->origins, origin) : 0;
}

int pg_writer_origins(void *ctx, int (*each)(void *ctx, const struct store_origin *o),
                      void *each_ctx)
{
    struct writer *w = ctx;
    int rc = ready(w);

    return rc < 0 ? rc : pg_origins_each(&w->origins, each, each_ctx);
}

int pg_writer_disown(void *ctx)
{
    struct writer *w = ctx;
    int rc = ready(w);

    return rc < 0 ? rc : pg_origins_disown(&w->origins);
}

uint64_t pg_writer_position(void *ctx)
{
    return ((struct writer *)ctx)->position;
}

const char *pg_writer_error(void *ctx)
{
    return ((struct writer *)ctx)->pg.error;
}
