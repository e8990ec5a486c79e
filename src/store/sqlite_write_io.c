/*
 * The writer of the SQLite store: batches of records into one transaction each. For store_io.c,
 * which calls it on the one thread that writes.
 *
 * It refuses nothing that the journal has acknowledged: a payload that claims to be JSON and is not
 * (it can come from another node) is kept as bytes with the content type application/octet-stream,
 * so that whoever renders rows may trust an empty content type.
 *
 * Invariants: rows, cursors, summaries and position change together or not at all; after a failed
 * transaction nothing of it is remembered, so the same batch can be written again.
 */
#include "store/engine.h"
#include "store/sqlite_ids_io.h"
#include "store/sqlite_names_io.h"
#include "store/sqlite_origins_io.h"
#include "store/sqlite_read_io.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* A checkpoint costs two flushes of the disk; after this much log (16 MiB) it is worth them. */
#define CHECKPOINT_PAGES 4096
#define CACHE_KIB        2048

struct writer {
    sqlite3 *db;
    struct names *names;
    struct origins *origins;
    struct ids *ids;
    sqlite3_stmt *begin, *commit, *rollback, *add, *gap, *position;
    struct uuid journal;
    uint64_t committed;        /* position */
    int wal_pages, wal_copied; /* pages in the log, and those of them in the file */
    char error[200];
};

/* Keeps the engine's words, as the next call on the connection overwrites them. */
static int fail(struct writer *w, int code)
{
    snprintf(w->error, sizeof(w->error), "%s", sqlite3_errmsg(w->db));
    return code;
}

static int finish(struct writer *w, sqlite3_stmt *st)
{
    int rc = sqlite_code(w->db, sqlite3_step(st));

    if (rc < 0)
        fail(w, rc);
    sqlite3_reset(st);
    return rc;
}

/* ---- opening ---- */

static int on_wal(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct writer *w = ctx;

    (void)db;
    (void)name;
    if (pages < w->wal_pages)
        w->wal_copied = 0; /* the log began anew */
    w->wal_pages = pages;
    return SQLITE_OK;
}

/* SQLite would make the file readable to all; its log and index take the file's mode. */
static int make_file(const char *path, struct fault *f)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return fault_set(f, -errno, "%s: %s", path, err_text(-errno));
    close(fd);
    return 0;
}

static int prepare(struct writer *w, uint64_t id_window_ms)
{
    static const char *const add =
        "INSERT INTO records (stream_id, device_id, wall_ns, received_ns, origin_id, origin_seq,"
        " local_seq, content_id, payload, sent_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    static const char *const gap =
        "INSERT INTO gaps (origin_id, first_seq, last_seq, wall_ns, received_ns, reason)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    static const char *const position =
        "INSERT INTO sinks (journal, position) VALUES (?1, ?2) ON CONFLICT (journal)"
        " DO UPDATE SET position = excluded.position";
    int rc = sqlite_prepare(w->db, "BEGIN IMMEDIATE", &w->begin);

    if (rc == 0)
        rc = sqlite_prepare(w->db, "COMMIT", &w->commit);
    if (rc == 0)
        rc = sqlite_prepare(w->db, "ROLLBACK", &w->rollback);
    if (rc == 0)
        rc = sqlite_prepare(w->db, add, &w->add);
    if (rc == 0)
        rc = sqlite_prepare(w->db, gap, &w->gap);
    if (rc == 0)
        rc = sqlite_prepare(w->db, position, &w->position);
    if (rc == 0)
        rc = names_open(w->db, &w->names);
    if (rc == 0)
        rc = origins_open(w->db, &w->journal, &w->origins);
    if (rc == 0)
        rc = ids_open(w->db, id_window_ms, &w->ids);
    return rc;
}

static int read_position(struct writer *w)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite_prepare(w->db, "SELECT position FROM sinks WHERE journal = ?1", &st);

    if (rc == 0) {
        sqlite3_bind_blob(st, 1, w->journal.b, sizeof(w->journal.b), SQLITE_STATIC);
        rc = sqlite_code(w->db, sqlite3_step(st));
    }
    if (rc == 0 && sqlite3_data_count(st) > 0)
        w->committed = (uint64_t)sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc;
}

static int limit_pages(sqlite3 *db, uint64_t pages_max)
{
    char sql[64];

    if (pages_max == 0)
        return 0;
    snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%llu", (unsigned long long)pages_max);
    return sqlite_run(db, sql);
}

static void writer_close(void *ctx)
{
    struct writer *w = ctx;

    if (!w)
        return;
    names_close(w->names);
    origins_close(w->origins);
    ids_close(w->ids);
    sqlite3_finalize(w->begin);
    sqlite3_finalize(w->commit);
    sqlite3_finalize(w->rollback);
    sqlite3_finalize(w->add);
    sqlite3_finalize(w->gap);
    sqlite3_finalize(w->position);
    /* The last connection checkpoints and removes the log. */
    sqlite3_close(w->db);
    mem_free(w);
}

static int writer_open(const struct store_config *c, void **out, uint64_t *out_position,
                       struct fault *f)
{
    struct writer *w = NEW(struct writer);
    int rc = make_file(c->path, f);

    if (rc < 0)
        goto out;
    w->journal = c->journal;
    rc = sqlite_code(
        NULL, sqlite3_open_v2(c->path, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
    if (rc == 0)
        rc = sqlite_settle(w->db, c, CACHE_KIB);
    if (rc < 0) {
        sqlite_fault(w->db, c, rc, f);
        goto out;
    }
    rc = sqlite_migrate(w->db, c, f);
    if (rc < 0)
        goto out;
    rc = limit_pages(w->db, c->pages_max);
    if (rc == 0)
        rc = prepare(w, c->id_window_ms);
    if (rc == 0)
        rc = read_position(w);
    if (rc < 0) {
        sqlite_fault(w->db, c, rc, f);
        goto out;
    }
    sqlite3_wal_hook(w->db, on_wal, w);
    *out_position = w->committed;
    *out = w;
    w = NULL;
out:
    writer_close(w);
    return rc;
}

/* ---- one record ---- */

struct batch {
    struct writer *w;
    int64_t now_ns;
    struct store_counts counts;
};

static int store_gap(struct batch *b, const struct record *r, struct origin *o)
{
    sqlite3_stmt *st = b->w->gap;
    uint64_t first = store_gap_first(r->first, o->last_seq);

    sqlite3_bind_int64(st, 1, o->id);
    sqlite3_bind_int64(st, 2, (int64_t)first);
    sqlite3_bind_int64(st, 3, (int64_t)r->origin_seq);
    sqlite3_bind_int64(st, 4, r->wall_ns);
    sqlite3_bind_int64(st, 5, b->now_ns);
    sqlite_bind_str(st, 6, r->payload);
    origins_note_gap(b->w->origins, o, r->origin_seq - first + 1);
    b->counts.stored++;
    return finish(b->w, st);
}

static int bind_payload(struct writer *w, struct catalog_stream *s, const struct record *r)
{
    struct str type = fields_content(&s->fields, r, &s->fields_changed);
    int64_t content = 0;
    int rc;

    if (type.n == 0) {
        sqlite3_bind_null(w->add, 8);
        sqlite_bind_str(w->add, 9, r->payload);
        return 0;
    }
    rc = names_content(w->names, type, &content);
    if (rc < 0)
        return fail(w, rc);
    sqlite3_bind_int64(w->add, 8, content);
    sqlite3_bind_blob(w->add, 9, r->payload.p ? r->payload.p : "", (int)r->payload.n,
                      SQLITE_STATIC);
    return 0;
}

/* A repeat of what its sender sent before, by the id that it gave. */
static int is_repeat(struct batch *b, const struct record *r, int64_t stream, bool *out)
{
    int rc = 0;

    *out = false;
    if (!uuid_is_zero(&r->id))
        rc = ids_seen(b->w->ids, stream, &r->id, r->wall_ns, b->now_ns, out);
    if (*out)
        b->counts.repeated++;
    return rc < 0 ? fail(b->w, rc) : 0;
}

static int store_row(struct batch *b, const struct record *r, const struct origin *o)
{
    struct writer *w = b->w;
    struct catalog_stream *s = NULL;
    int rc = names_stream(w->names, r, b->now_ns, &s);

    bool repeat = false;

    if (rc < 0)
        return fail(w, rc);
    s->device->journal = o->journal->id;
    rc = is_repeat(b, r, s->id, &repeat);
    if (rc < 0 || repeat)
        return rc;
    rc = bind_payload(w, s, r);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(w->add, 1, s->id);
    sqlite3_bind_int64(w->add, 2, s->device->id);
    sqlite3_bind_int64(w->add, 3, r->wall_ns);
    sqlite3_bind_int64(w->add, 4, b->now_ns);
    sqlite3_bind_int64(w->add, 5, o->id);
    sqlite3_bind_int64(w->add, 6, (int64_t)r->origin_seq);
    if (r->seq == r->origin_seq)
        sqlite3_bind_null(w->add, 7);
    else
        sqlite3_bind_int64(w->add, 7, (int64_t)r->seq);
    if (r->flags & RECORD_CORRECTED)
        sqlite3_bind_int64(w->add, 10, r->sent_ns);
    else
        sqlite3_bind_null(w->add, 10);
    rc = finish(w, w->add);
    if (rc < 0)
        return rc;
    s->added++;
    if (r->wall_ns > s->last_wall_ns)
        s->last_wall_ns = r->wall_ns;
    names_touch_stream(w->names, s);
    b->counts.stored++;
    return 0;
}

/* What a cursor has passed: a repeat, or a record that was told as lost and came after all. */
static int store_late(struct batch *b, const struct record *r, struct origin *o)
{
    bool filled = false;
    int rc = record_is_data(r) ? origins_fill_gap(b->w->origins, o, r->origin_seq, &filled) : 0;

    if (rc < 0)
        return fail(b->w, rc);
    if (filled)
        return store_row(b, r, o);
    b->counts.skipped++;
    return 0;
}

static int store_record(struct batch *b, const struct record *r)
{
    struct store_fork fork;
    struct origin *o = NULL;
    bool forked = false;
    int rc = origins_get(b->w->origins, &r->origin, r->origin_epoch, &o);

    if (rc < 0)
        return fail(b->w, rc);
    if (r->origin_seq <= o->last_seq)
        return store_late(b, r, o);
    if (r->kind == RECORD_GAP)
        rc = store_gap(b, r, o);
    else if (record_is_data(r))
        rc = store_row(b, r, o);
    if (rc < 0)
        return rc;
    rc = origins_advance(b->w->origins, o, r->origin_seq, b->now_ns, &forked, &fork);
    if (rc < 0)
        return fail(b->w, rc);
    if (forked && b->counts.forks < STORE_FORKS_NOTED)
        b->counts.fork[b->counts.forks] = fork;
    b->counts.forks += forked;
    return 0;
}

/* ---- one transaction ---- */

static int set_position(struct writer *w, uint64_t position)
{
    sqlite3_bind_blob(w->position, 1, w->journal.b, sizeof(w->journal.b), SQLITE_STATIC);
    sqlite3_bind_int64(w->position, 2, (int64_t)position);
    return finish(w, w->position);
}

/* SQLite goes on writing into a file that was deleted or replaced beneath it, and all of it would
 * be lost at the next start. */
static int check_there(struct writer *w)
{
    int moved = 0;

    if (sqlite3_file_control(w->db, NULL, SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK || !moved)
        return 0;
    snprintf(w->error, sizeof(w->error),
             "the database file was removed or replaced while it was in use: start again");
    return ERR_CLOSED;
}

static int writer_write(void *ctx, const struct record *records, size_t count, uint64_t position,
                        int64_t now_ns, struct store_counts *out)
{
    struct writer *w = ctx;
    struct batch b = { .w = w, .now_ns = now_ns };
    int rc = check_there(w);

    if (rc == 0)
        rc = finish(w, w->begin);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = store_record(&b, &records[i]);
    if (rc == 0) {
        rc = names_flush(w->names, now_ns);
        if (rc == 0)
            rc = origins_flush(w->origins);
        if (rc == 0)
            rc = ids_prune(w->ids, now_ns);
        if (rc < 0)
            fail(w, rc);
    }
    if (rc == 0)
        rc = set_position(w, position);
    if (rc == 0)
        rc = finish(w, w->commit);
    if (rc < 0) {
        /* Some failures have rolled back already. */
        if (!sqlite3_get_autocommit(w->db)) {
            sqlite3_step(w->rollback);
            sqlite3_reset(w->rollback);
        }
        names_forget(w->names);
        origins_forget(w->origins);
        ids_forget(w->ids);
        return rc;
    }
    names_settle(w->names);
    origins_settle(w->origins);
    *out = b.counts;
    return 0;
}

static bool writer_checkpoint_due(void *ctx)
{
    const struct writer *w = ctx;

    return w->wal_pages - w->wal_copied >= CHECKPOINT_PAGES;
}

/* PASSIVE waits for nobody: what a reader still needs of the log stays for the next time. The log
 * is flushed before a page is copied, and the file after all were. */
static int writer_checkpoint(void *ctx)
{
    struct writer *w = ctx;
    int in_log = 0, copied = 0;
    int rc = sqlite3_wal_checkpoint_v2(w->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);

    if (sqlite_code(w->db, rc) < 0)
        return fail(w, sqlite_code(w->db, rc));
    w->wal_pages = in_log;
    w->wal_copied = copied;
    return in_log == copied ? 0 : ERR_BUSY;
}

static uint64_t writer_cursor(void *ctx, const struct uuid *origin)
{
    struct writer *w = ctx;

    return origins_cursor(w->origins, origin);
}

static int writer_origins(void *ctx, int (*each)(void *ctx, const struct store_origin *o),
                          void *each_ctx)
{
    struct writer *w = ctx;

    return origins_each(w->origins, each, each_ctx);
}

static int writer_disown(void *ctx)
{
    struct writer *w = ctx;
    int rc = origins_disown(w->origins);

    return rc < 0 ? fail(w, rc) : 0;
}

static const char *writer_error(void *ctx)
{
    const struct writer *w = ctx;

    return w->error;
}

const struct store_engine store_sqlite = {
    .writer_open = writer_open,
    .writer_close = writer_close,
    .write = writer_write,
    .checkpoint = writer_checkpoint,
    .checkpoint_due = writer_checkpoint_due,
    .cursor = writer_cursor,
    .origins = writer_origins,
    .disown = writer_disown,
    .error = writer_error,
    .reader_open = sqlite_reader_open,
    .reader_close = sqlite_reader_close,
    .run = sqlite_reader_run,
};
