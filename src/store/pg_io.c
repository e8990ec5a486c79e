/*
 * Connections to PostgreSQL. Tables live in a schema of their own, "wayside", so that a database may be
 * shared; their version stands in wayside.version. Bringing them up to date is done under an advisory
 * lock, since several hubs may start at once.
 *
 * A server that cannot be reached is an ordinary state: nothing here waits for it longer than the
 * connection's timeout, and the next call tries again.
 *
 * Numbers that are u64 to us are kept as the int8 of the same bits.
 */
#include "store/pg_io.h"

#include "base/clock.h"
#include "base/mem.h"

#include <endian.h>
#include <poll.h>
#include <stdio.h>

#define PG_INT8      20
#define PG_TEXT      25
#define PG_BYTEA     17
#define PG_ARGS      16
#define PG_VERSION   3
#define PG_LOCK      0x57415953 /* "WAYS" */
#define PG_TIMEOUT_S "5"        /* to connect */
#define PG_LOCK_WAIT "5s"       /* for what somebody else has locked */
#define PG_ANSWER_MS 20000      /* then the server hangs, and the connection is given up */

static const char *const steps[PG_VERSION] = {
    "CREATE TABLE wayside.devices ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " name text NOT NULL UNIQUE,"
    " title text,"
    " location text,"
    " first_seen_ns bigint NOT NULL,"
    " last_seen_ns bigint NOT NULL,"
    " last_wall_ns bigint NOT NULL,"
    " journal_id bigint);"
    "CREATE TABLE wayside.streams ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " device_id bigint NOT NULL REFERENCES wayside.devices (id),"
    " name text NOT NULL,"
    " kind bigint NOT NULL,"
    " fields text NOT NULL DEFAULT '[]',"
    " count bigint NOT NULL DEFAULT 0,"
    " last_wall_ns bigint NOT NULL,"
    " UNIQUE (device_id, name, kind));"
    "CREATE TABLE wayside.journals ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " uuid bytea NOT NULL UNIQUE CHECK (length(uuid) = 16),"
    " high_seq bigint NOT NULL DEFAULT 0,"
    " gaps bigint NOT NULL DEFAULT 0,"
    " lost bigint NOT NULL DEFAULT 0,"
    " forks bigint NOT NULL DEFAULT 0);"
    "CREATE TABLE wayside.origins ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " journal_id bigint NOT NULL REFERENCES wayside.journals (id),"
    " epoch bigint NOT NULL,"
    " last_seq bigint NOT NULL DEFAULT 0,"
    " UNIQUE (journal_id, epoch));"
    "CREATE TABLE wayside.contents ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " name text NOT NULL UNIQUE);"
    "CREATE TABLE wayside.sinks ("
    " journal bytea PRIMARY KEY CHECK (length(journal) = 16),"
    " position bigint NOT NULL);"
    "CREATE TABLE wayside.gaps ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " origin_id bigint NOT NULL REFERENCES wayside.origins (id),"
    " first_seq bigint NOT NULL,"
    " last_seq bigint NOT NULL,"
    " wall_ns bigint NOT NULL,"
    " received_ns bigint NOT NULL,"
    " reason text NOT NULL);"
    "CREATE TABLE wayside.forks ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " journal_id bigint NOT NULL REFERENCES wayside.journals (id),"
    " epoch bigint NOT NULL,"
    " first_seq bigint NOT NULL,"
    " other_seq bigint NOT NULL,"
    " noticed_ns bigint NOT NULL);"
    "CREATE TABLE wayside.ids ("
    " stream_id bigint NOT NULL,"
    " id bytea NOT NULL,"
    " wall_ns bigint NOT NULL,"
    " seen_ns bigint NOT NULL,"
    " PRIMARY KEY (stream_id, id));"
    "CREATE INDEX ids_seen ON wayside.ids (seen_ns);"
    /* No foreign keys here: each would cost a look-up per row, and only this writer writes. */
    "CREATE TABLE wayside.records ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " stream_id bigint NOT NULL,"
    " device_id bigint NOT NULL,"
    " wall_ns bigint NOT NULL,"
    " received_ns bigint NOT NULL,"
    " origin_id bigint NOT NULL,"
    " origin_seq bigint NOT NULL,"
    " local_seq bigint,"
    " content_id bigint,"
    " sent_ns bigint,"
    " payload text,"         /* as it was sent, when it is JSON */
    " payload_bytes bytea);" /* else */
    "CREATE INDEX records_stream ON wayside.records (stream_id, wall_ns, id);"
    "CREATE INDEX records_device ON wayside.records (device_id, wall_ns, id);"
    "CREATE INDEX records_wall ON wayside.records (wall_ns, id);"
    /* For people. */
    "CREATE VIEW wayside.readings AS"
    " SELECT d.name AS device, s.name AS stream,"
    " to_timestamp(r.wall_ns / 1e9) AS time, to_timestamp(r.received_ns / 1e9) AS received,"
    " r.payload::json AS value, r.origin_seq AS seq"
    " FROM wayside.records r JOIN wayside.streams s ON s.id = r.stream_id"
    " JOIN wayside.devices d ON d.id = r.device_id WHERE s.kind = 1 AND r.content_id IS NULL;",
    /* sink: the hub's journal through which the cursor got where it is. */
    "ALTER TABLE wayside.origins ADD COLUMN sink bytea;"
    "UPDATE wayside.origins SET sink = (SELECT journal FROM wayside.sinks LIMIT 1)"
    " WHERE (SELECT count(*) FROM wayside.sinks) = 1;"
    "CREATE INDEX gaps_origin ON wayside.gaps (origin_id, last_seq);",
    /* A sixth of what a row cost to write. A device's rows are found by its streams. */
    "DROP INDEX wayside.records_device;",
};

void pg_init(struct pg *p, const struct store_config *c, const struct pg_statement *statements,
             size_t count)
{
    *p = (struct pg){ .statements = statements,
                      .count = count,
                      .answer_ms = PG_ANSWER_MS,
                      .conninfo = str_dup(str_of(c->postgres)) };
    if (c->postgres_password && c->postgres_password[0])
        p->password = str_dup(str_of(c->postgres_password));
}

void pg_fini(struct pg *p)
{
    pg_disconnect(p);
    mem_free(p->conninfo);
    mem_free(p->password);
}

void pg_disconnect(struct pg *p)
{
    PQfinish(p->conn);
    p->conn = NULL;
}

/* libpq's words, one line of them. */
static void note(struct pg *p, const char *text)
{
    size_t n = 0;

    while (text[n] && text[n] != '\n' && n + 1 < sizeof(p->error))
        n++;
    snprintf(p->error, sizeof(p->error), "%.*s", (int)n, text);
}

/* SQLSTATE classes of PostgreSQL's appendix A. */
static int code_of(const char *state)
{
    if (!state)
        return ERR_CLOSED;
    if (strcmp(state, "53100") == 0 || strcmp(state, "53200") == 0)
        return ERR_FULL;
    if (strncmp(state, "40", 2) == 0 || strncmp(state, "55", 2) == 0 ||
        strncmp(state, "53", 2) == 0 || strcmp(state, "57014") == 0 || strcmp(state, "25006") == 0)
        return ERR_BUSY;
    if (strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0)
        return ERR_CLOSED;
    return ERR_DB;
}

int pg_result(struct pg *p, const PGresult *r)
{
    const char *state;

    if (!p->conn) /* given up: noted there */
        return ERR_CLOSED;
    switch (PQresultStatus(r)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
    case PGRES_COPY_IN:
    case PGRES_PIPELINE_SYNC:
        return 0;
    default:
        break;
    }
    p->state[0] = '\0';
    if (PQstatus(p->conn) != CONNECTION_OK) {
        note(p, PQerrorMessage(p->conn));
        return ERR_CLOSED;
    }
    note(p, r ? PQresultErrorMessage(r) : PQerrorMessage(p->conn));
    state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    snprintf(p->state, sizeof(p->state), "%s", state ? state : "");
    return code_of(state);
}

/* Until what was sent is on its way and, with `answer`, a result can be had without waiting. */
static bool settle(struct pg *p, bool answer)
{
    uint64_t end_ms = clock_mono_ns() / 1000000 + p->answer_ms, now_ms;

    while (p->conn) {
        int flush = PQflush(p->conn);
        struct pollfd fd = { PQsocket(p->conn), (short)(POLLIN | (flush > 0 ? POLLOUT : 0)), 0 };

        if (flush < 0 || (flush == 0 && !(answer && PQisBusy(p->conn))))
            return true; /* a failure is told by the result */
        now_ms = clock_mono_ns() / 1000000;
        if (now_ms >= end_ms) {
            snprintf(p->error, sizeof(p->error), "the server did not answer within %llu s",
                     (unsigned long long)p->answer_ms / 1000);
            pg_disconnect(p);
            break;
        }
        (void)!poll(&fd, 1, (int)(end_ms - now_ms));
        if ((fd.revents & ~POLLOUT) && !PQconsumeInput(p->conn))
            return true;
    }
    return false;
}

bool pg_flush(struct pg *p)
{
    return settle(p, false);
}

bool pg_await(struct pg *p)
{
    return settle(p, true);
}

/* The last result of a command, or that of a COPY which began. NULL: it could not be sent, or the
 * connection was lost. */
static PGresult *collect(struct pg *p, int sent)
{
    PGresult *last = NULL, *r;

    while (sent && pg_await(p) && (r = PQgetResult(p->conn))) {
        PQclear(last);
        last = r;
        if (PQresultStatus(r) == PGRES_COPY_IN || PQstatus(p->conn) != CONNECTION_OK)
            break;
    }
    return last;
}

int pg_command(struct pg *p, const char *sql)
{
    PGresult *r = collect(p, PQsendQuery(p->conn, sql));
    int rc = pg_result(p, r);

    PQclear(r);
    return rc;
}

/* ---- values ---- */

static void add(struct pg_args *a, const void *p, size_t n, int format)
{
    a->value[a->n] = p;
    a->length[a->n] = (int)n;
    a->format[a->n++] = format;
}

void pg_i64(struct pg_args *a, int64_t v)
{
    a->room[a->n] = htobe64((uint64_t)v);
    add(a, &a->room[a->n], sizeof(uint64_t), 1);
}

void pg_null(struct pg_args *a)
{
    add(a, NULL, 0, 1);
}

void pg_str(struct pg_args *a, struct str s)
{
    add(a, s.p ? s.p : "", s.n, 1);
}

void pg_bytes(struct pg_args *a, const void *p, size_t n)
{
    add(a, p ? p : "", n, 1);
}

int64_t pg_get_i64(const PGresult *r, int row, int column)
{
    uint64_t v = 0;

    if (!PQgetisnull(r, row, column) && PQgetlength(r, row, column) == sizeof(v))
        memcpy(&v, PQgetvalue(r, row, column), sizeof(v));
    return (int64_t)be64toh(v);
}

struct str pg_get_str(const PGresult *r, int row, int column)
{
    return str_from(PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column));
}

struct uuid pg_get_uuid(const PGresult *r, int row, int column)
{
    struct str s = pg_get_str(r, row, column);
    struct uuid u = { { 0 } };

    if (s.n == sizeof(u.b))
        memcpy(u.b, s.p, s.n);
    return u;
}

int pg_run(struct pg *p, size_t i, const struct pg_args *a, PGresult **out)
{
    char name[24];
    PGresult *r;
    int rc;

    snprintf(name, sizeof(name), "s%zu", i);
    r = collect(p, PQsendQueryPrepared(p->conn, name, a ? a->n : 0, a ? a->value : NULL,
                                       a ? a->length : NULL, a ? a->format : NULL, 1));
    rc = pg_result(p, r);
    if (rc < 0 || !out)
        PQclear(r);
    else
        *out = r;
    return rc;
}

/* ---- connecting ---- */

static int prepare(struct pg *p)
{
    for (size_t i = 0; i < p->count; i++) {
        const char *types = p->statements[i].types;
        Oid oids[PG_ARGS];
        int n = (int)strlen(types), rc;
        char name[24];
        PGresult *r;

        for (int k = 0; k < n; k++)
            oids[k] = types[k] == 'i' ? PG_INT8 : types[k] == 't' ? PG_TEXT : PG_BYTEA;
        snprintf(name, sizeof(name), "s%zu", i);
        r = collect(p, PQsendPrepare(p->conn, name, p->statements[i].sql, n, oids));
        rc = pg_result(p, r);
        PQclear(r);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_number(struct pg *p, const char *sql, int64_t *out)
{
    PGresult *r = collect(p, PQsendQueryParams(p->conn, sql, 0, NULL, NULL, NULL, NULL, 1));
    int rc = pg_result(p, r);

    *out = rc == 0 && PQntuples(r) > 0 ? pg_get_i64(r, 0, 0) : 0;
    PQclear(r);
    return rc;
}

static int check_version(struct pg *p, int64_t *out)
{
    int64_t there = 0;
    int rc = read_number(p,
                         "SELECT count(*) FROM pg_class c JOIN pg_namespace n"
                         " ON n.oid = c.relnamespace"
                         " WHERE n.nspname = 'wayside' AND c.relname = 'version'",
                         &there);

    *out = 0;
    if (rc == 0 && there)
        rc = read_number(p, "SELECT version FROM wayside.version", out);
    if (rc == 0 && *out > PG_VERSION) {
        snprintf(
            p->error, sizeof(p->error),
            "the database was written by a newer wayside (tables of version %lld, this program "
            "knows %d): run the newer program",
            (long long)*out, PG_VERSION);
        rc = ERR_VERSION;
    }
    return rc;
}

/* All steps that are missing, in one transaction; what other hubs do meanwhile waits. */
static int upgrade(struct pg *p)
{
    char sql[128];
    int64_t version = 0;
    int rc = pg_command(p, "BEGIN");

    snprintf(sql, sizeof(sql), "SELECT pg_advisory_xact_lock(%d)", PG_LOCK);
    if (rc == 0)
        rc = pg_command(p, sql);
    if (rc == 0)
        rc = check_version(p, &version);
    if (rc == 0 && version == 0)
        rc = pg_command(p, "CREATE SCHEMA IF NOT EXISTS wayside;"
                           "CREATE TABLE wayside.version (version bigint NOT NULL);"
                           "INSERT INTO wayside.version VALUES (0)");
    for (int64_t v = version; v < PG_VERSION && rc == 0; v++)
        rc = pg_command(p, steps[v]);
    snprintf(sql, sizeof(sql), "UPDATE wayside.version SET version = %d", PG_VERSION);
    if (rc == 0 && version < PG_VERSION)
        rc = pg_command(p, sql);
    if (rc == 0)
        return pg_command(p, "COMMIT");
    pg_disconnect(p);
    return rc;
}

static int check_encoding(struct pg *p)
{
    const char *is = PQparameterStatus(p->conn, "server_encoding");

    if (is && strcmp(is, "UTF8") == 0)
        return 0;
    snprintf(p->error, sizeof(p->error), "the database is in %s: make one in UTF8", is ? is : "?");
    return ERR_VALUE;
}

/* The server's remarks are no concern of ours; failures come as results. */
static void on_notice(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
}

static int connect_now(struct pg *p)
{
    const char *keys[] = { "connect_timeout", "application_name", "client_encoding",
                           "dbname",          "password",         NULL };
    const char *values[] = { PG_TIMEOUT_S, "wayside", "UTF8", p->conninfo, p->password, NULL };

    if (!p->password)
        keys[4] = NULL;
    p->conn = PQconnectdbParams(keys, values, 1);
    PQsetNoticeProcessor(p->conn, on_notice, NULL);
    if (PQstatus(p->conn) == CONNECTION_OK && PQsetnonblocking(p->conn, 1) == 0)
        return 0;
    note(p, PQerrorMessage(p->conn));
    return ERR_CLOSED;
}

void pg_listen(struct pg *p)
{
    if (p->conn && PQconsumeInput(p->conn) == 0)
        pg_disconnect(p);
}

int pg_ready(struct pg *p, bool migrate, bool *out_fresh)
{
    int64_t version = 0;
    int rc;

    if (out_fresh)
        *out_fresh = false;
    if (p->conn && PQstatus(p->conn) == CONNECTION_OK)
        return 0;
    pg_disconnect(p);
    rc = connect_now(p);
    if (rc == 0)
        rc = check_encoding(p);
    if (rc == 0)
        rc = pg_command(p, "SET lock_timeout = '" PG_LOCK_WAIT "'");
    if (rc == 0)
        rc = migrate ? upgrade(p) : check_version(p, &version);
    if (rc == 0 && !migrate && version < PG_VERSION) {
        snprintf(p->error, sizeof(p->error), "the tables are not there yet");
        rc = ERR_BUSY;
    }
    /* A commit that the server has only in memory would not be one. */
    if (rc == 0)
        rc = pg_command(p, "SET synchronous_commit = on");
    if (rc == 0)
        rc = prepare(p);
    if (rc < 0)
        pg_disconnect(p);
    else if (out_fresh)
        *out_fresh = true;
    return rc;
}

const struct store_engine store_pg = {
    .writer_open = pg_writer_open,
    .writer_close = pg_writer_close,
    .write = pg_writer_write,
    .cursor = pg_writer_cursor,
    .origins = pg_writer_origins,
    .disown = pg_writer_disown,
    .position = pg_writer_position,
    .check = pg_writer_check,
    .error = pg_writer_error,
    .reader_open = pg_reader_open,
    .reader_close = pg_reader_close,
    .run = pg_reader_run,
};
