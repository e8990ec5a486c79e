/*
 * Rows per second of the store's writer, beside a bare loop that inserts the same payloads into a
 * table without indexes, in the same run on the same disk and with checkpoints as far apart; then
 * pages and a chart over what was written. With CONNINFO the same on that PostgreSQL, beside a bare
 * COPY into a table without indexes. Making the payloads is outside of every timing.
 * Usage: bench_store [FOLDER [BATCHES [CONNINFO]]]
 */
#include "store/store.h"

#include "base/clock.h"
#include "base/mem.h"

#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BATCH   1000
#define DEVICES 20

static struct record batch[BATCH];
static char payload[BATCH][256];

/* About 200 bytes of JSON with nine numbers, as a health reading has. */
static void fill(uint64_t first_seq)
{
    static char device[DEVICES][8];

    for (uint64_t i = 0; i < BATCH; i++) {
        uint64_t seq = first_seq + i;
        int n = snprintf(payload[i], sizeof(payload[i]),
                         "{\"cpu\":{\"load\":%.2f,\"user\":12.5,\"system\":3.25},\"memory\":{"
                         "\"free\":%llu,\"total\":4294967296},\"disk\":{\"root\":{\"used\":%llu,"
                         "\"size\":63012345856}},\"temperature\":48.5,\"uptime\":%llu}",
                         (double)(seq % 400) / 100, (unsigned long long)(seq * 4096),
                         (unsigned long long)(seq * 512), (unsigned long long)seq);

        snprintf(device[i % DEVICES], sizeof(device[0]), "dev-%02u", (unsigned)(i % DEVICES));
        batch[i] = (struct record){ .kind = RECORD_READING,
                                    .device = str_of(device[i % DEVICES]),
                                    .stream = STR("host"),
                                    .wall_ns = 1767225600000000000 + (int64_t)seq * 1000000,
                                    .seq = seq,
                                    .origin = { { 1 } },
                                    .origin_seq = seq,
                                    .payload = str_from(payload[i], (size_t)n) };
    }
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_store: %s: %s\n", what, why);
    exit(1);
}

static double bare(const char *path, unsigned batches)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    uint64_t spent_ns = 0;

    if (sqlite3_open(path, &db) ||
        sqlite3_exec(db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                     "PRAGMA wal_autocheckpoint=4096;" /* CHECKPOINT_PAGES of the store */
                     "CREATE TABLE r (id INTEGER PRIMARY KEY, stream INTEGER, wall INTEGER,"
                     " seq INTEGER, payload TEXT)",
                     NULL, NULL, NULL) ||
        sqlite3_prepare_v2(db, "INSERT INTO r (stream, wall, seq, payload) VALUES (?, ?, ?, ?)", -1,
                           &st, NULL))
        die("bare", sqlite3_errmsg(db));
    for (unsigned b = 0; b < batches; b++) {
        uint64_t start;

        fill((uint64_t)b * BATCH + 1);
        start = clock_mono_ns();
        sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
        for (size_t i = 0; i < BATCH; i++) {
            sqlite3_bind_int64(st, 1, (int64_t)i % DEVICES);
            sqlite3_bind_int64(st, 2, batch[i].wall_ns);
            sqlite3_bind_int64(st, 3, (int64_t)batch[i].seq);
            sqlite3_bind_text(st, 4, batch[i].payload.p, (int)batch[i].payload.n, SQLITE_STATIC);
            if (sqlite3_step(st) != SQLITE_DONE)
                die("bare", sqlite3_errmsg(db));
            sqlite3_reset(st);
        }
        if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL))
            die("bare", sqlite3_errmsg(db));
        spent_ns += clock_mono_ns() - start;
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    return (double)batches * BATCH * 1e9 / (double)spent_ns;
}

/* The fastest way into PostgreSQL that there is. */
static double bare_copy(const char *conninfo, unsigned batches)
{
    PGconn *db = PQconnectdb(conninfo);
    char line[512];
    uint64_t spent_ns = 0;

    if (PQstatus(db) != CONNECTION_OK)
        die("bare", PQerrorMessage(db));
    PQclear(PQexec(db, "DROP TABLE IF EXISTS wayside_bench"));
    PQclear(PQexec(
        db, "CREATE TABLE wayside_bench (id bigint GENERATED ALWAYS AS IDENTITY, stream bigint,"
            " wall bigint, seq bigint, payload text)"));
    for (unsigned b = 0; b < batches; b++) {
        PGresult *r;
        uint64_t start;

        fill((uint64_t)b * BATCH + 1);
        start = clock_mono_ns();
        PQclear(PQexec(db, "BEGIN"));
        PQclear(PQexec(db, "COPY wayside_bench (stream, wall, seq, payload) FROM STDIN"));
        for (size_t i = 0; i < BATCH; i++) {
            int n =
                snprintf(line, sizeof(line), "%zu\t%lld\t%llu\t%s\n", i % DEVICES,
                         (long long)batch[i].wall_ns, (unsigned long long)batch[i].seq, payload[i]);

            if (PQputCopyData(db, line, n) != 1)
                die("bare", PQerrorMessage(db));
        }
        PQputCopyEnd(db, NULL);
        while ((r = PQgetResult(db)))
            PQclear(r);
        r = PQexec(db, "COMMIT");
        if (PQresultStatus(r) != PGRES_COMMAND_OK)
            die("bare", PQerrorMessage(db));
        PQclear(r);
        spent_ns += clock_mono_ns() - start;
    }
    PQclear(PQexec(db, "DROP TABLE wayside_bench"));
    PQfinish(db);
    return (double)batches * BATCH * 1e9 / (double)spent_ns;
}

static double ours(struct store *s, unsigned batches, double *out_cpu_us)
{
    uint64_t spent_ns = 0, cpu_ns = 0;

    for (unsigned b = 0; b < batches; b++) {
        uint64_t first = (uint64_t)b * BATCH + 1, start, cpu;

        fill(first);
        start = clock_mono_ns();
        cpu = clock_thread_cpu_ns();
        if (store_write(s, batch, BATCH, first + BATCH - 1, NULL) < 0)
            die("store_write", store_error(s));
        cpu_ns += clock_thread_cpu_ns() - cpu;
        spent_ns += clock_mono_ns() - start;
    }
    *out_cpu_us = (double)cpu_ns / 1000 / ((double)batches * BATCH);
    return (double)batches * BATCH * 1e9 / (double)spent_ns;
}

static int take_row(void *ctx, const struct store_row *r)
{
    *(size_t *)ctx += r->payload.n;
    return 0;
}

static int take_point(void *ctx, const struct store_point *p)
{
    *(size_t *)ctx += p->count;
    return 0;
}

static void reading(const struct store_config *c, const char *name, const struct store_query *q,
                    unsigned times)
{
    static const struct store_render render = { .row = take_row, .point = take_point };
    struct store_reader *r = NULL;
    struct store_answer a = { 0 };
    size_t bytes = 0;
    uint64_t start;

    if (store_reader_open(c, &r, NULL) < 0)
        die("reader", c->path);
    store_reader_run(r, q, &render, &bytes, &a);
    start = clock_mono_ns();
    for (unsigned i = 0; i < times; i++)
        if (store_reader_run(r, q, &render, &bytes, &a) < 0)
            die(name, a.text);
    printf("%-34s %8.1f us, %zu rows\n", name,
           (double)(clock_mono_ns() - start) / 1000 / (double)times, a.rows);
    store_reader_close(r);
}

static void remove_database(const char *path)
{
    static const char *const tails[] = { "", "-wal", "-shm" };
    char name[600];

    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        snprintf(name, sizeof(name), "%s%s", path, tails[i]);
        unlink(name);
    }
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "/tmp";
    uint64_t batches = 300;
    struct store_config c = store_config_default();
    struct store *s = NULL;
    struct fault f = { 0 };
    char mine[512], other[512];
    double bare_rate, our_rate, cpu_us = 0;

    if (argc > 2 && str_to_u64(str_of(argv[2]), &batches) < 0)
        die("batches", "not a number");
    snprintf(mine, sizeof(mine), "%s/bench-store-%d.db", folder, (int)getpid());
    snprintf(other, sizeof(other), "%s/bench-bare-%d.db", folder, (int)getpid());
    c.postgres = argc > 3 ? argv[3] : NULL;
    bare_rate =
        c.postgres ? bare_copy(c.postgres, (unsigned)batches) : bare(other, (unsigned)batches);
    remove_database(other);
    c.path = mine;
    c.journal = (struct uuid){ { 1 } };
    c.readers = 0;
    if (store_open(&c, &s, &f) < 0)
        die("store_open", f.text);
    our_rate = ours(s, (unsigned)batches, &cpu_us);
    printf("%llu rows of about %zu bytes in batches of %d, %d devices\n",
           (unsigned long long)batches * BATCH, batch[0].payload.n, BATCH, DEVICES);
    printf("%-34s %8.0f rows/s\n", c.postgres ? "bare COPY, no index" : "bare loop, no index",
           bare_rate);
    printf("store_write                        %8.0f rows/s (%.2f of bare), %.2f us CPU a row\n",
           our_rate, our_rate / bare_rate, cpu_us);
    reading(&c, "newest 100 of a stream",
            &(struct store_query){
                .what = STORE_RECORDS, .device = STR("dev-07"), .stream = STR("host") },
            200);
    reading(&c, "newest 100 of a device",
            &(struct store_query){ .what = STORE_RECORDS, .device = STR("dev-07") }, 200);
    reading(&c, "newest 100 of everything", &(struct store_query){ .what = STORE_RECORDS }, 200);
    reading(&c, "newest of each stream", &(struct store_query){ .what = STORE_LATEST }, 200);
    reading(&c, "series of all rows, 300 steps",
            &(struct store_query){ .what = STORE_SERIES,
                                   .device = STR("dev-07"),
                                   .stream = STR("host"),
                                   .field = STR("disk.root.used"),
                                   .step_ns = (int64_t)batches * BATCH * 1000000 / 300 },
            5);
    store_close(s);
    remove_database(mine);
    return 0;
}
