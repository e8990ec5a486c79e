/*
 * The readers of the SQLite store: each has a connection of its own that cannot write, and answers
 * one query at a time by stepping through an index and handing each row to the renderer. For
 * store_io.c, on the reader threads.
 *
 * It refuses to run for ever: SQLite asks go_on() every few thousand steps of its machine. Rows leave
 * as they are read; the longest list is the numbers of one page's rows.
 *
 * Invariants: one read transaction per query, so a page is of one moment; the index is named in the
 * text (INDEXED BY), so a plan never becomes a sort of rows; texts are prepared once and kept.
 */
#include "store/sqlite_read_io.h"

#include "store/leaves.h"
#include "store/query.h"
#include "store/sqlite_io.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdio.h>

#define CACHE_KIB 1024
#define ASK_EVERY 10000 /* steps of SQLite's machine: about 1 ms */
#define ROW_COLUMNS                                                                                \
    "SELECT r.id, d.name, s.name, s.kind, c.name, r.wall_ns, r.received_ns, j.uuid, r.origin_seq," \
    " r.payload, o.epoch, r.sent_ns FROM records r "
#define ROW_JOINS                                                                                  \
    " CROSS JOIN streams s ON s.id = r.stream_id CROSS JOIN devices d ON d.id = r.device_id"       \
    " CROSS JOIN origins o ON o.id = r.origin_id CROSS JOIN journals j ON j.id = o.journal_id"     \
    " LEFT JOIN contents c ON c.id = r.content_id "
#define ROW_RANGE " r.wall_ns >= ?1 AND (r.wall_ns, r.id) < (?2, ?3)"
#define ROW_KINDS " AND (?4 >> s.kind) & 1"
#define ROW_PAGE  " ORDER BY r.wall_ns DESC, r.id DESC LIMIT ?5"

enum read_sql {
    READ_BEGIN,
    READ_END,
    READ_DEVICE,
    READ_STREAM_IDS,
    READ_OF_STREAM,
    READ_OF_ALL,
    READ_PLACES,
    READ_ROW,
    READ_DEVICES,
    READ_STREAMS,
    READ_STREAM_LIST,
    READ_NEWEST,
    READ_EDGES,
    READ_SERIES,
    READ_LAG,
    READ_DEVICE_JOURNAL,
    READ_GAPS,
    READ_SQL_COUNT,
};
static const char *const read_sql[READ_SQL_COUNT] = {
    [READ_BEGIN] = "BEGIN",
    [READ_END] = "COMMIT",
    [READ_DEVICE] = "SELECT id FROM devices WHERE name = ?1",
    [READ_STREAM_IDS] = "SELECT id FROM streams WHERE device_id = ?1 AND name = ?2"
                        " AND (?3 >> kind) & 1 ORDER BY kind",
    [READ_OF_STREAM] = ROW_COLUMNS "INDEXED BY records_stream" ROW_JOINS
                                   "WHERE r.stream_id = ?6 AND" ROW_RANGE ROW_KINDS ROW_PAGE,
    [READ_OF_ALL] =
        ROW_COLUMNS "INDEXED BY records_wall" ROW_JOINS "WHERE" ROW_RANGE ROW_KINDS ROW_PAGE,
    /* Of several streams: the newest of each, and of those the newest. SQLite keeps no more than a
     * page of them while it sorts. */
    [READ_PLACES] = "SELECT p.id FROM streams s CROSS JOIN records p ON p.id IN ("
                    "SELECT r.id FROM records r INDEXED BY records_stream"
                    " WHERE r.stream_id = s.id AND" ROW_RANGE ROW_PAGE
                    ") WHERE s.device_id = ?6 AND (?7 = '' OR s.name = ?7)" ROW_KINDS
                    " ORDER BY p.wall_ns DESC, p.id DESC LIMIT ?5",
    [READ_ROW] = ROW_COLUMNS ROW_JOINS "WHERE r.id = ?1",
    [READ_DEVICES] = "SELECT d.id, d.name, d.title, d.location, d.first_seen_ns, d.last_seen_ns,"
                     " d.last_wall_ns, j.uuid, j.gaps, j.lost, j.forks"
                     " FROM devices d LEFT JOIN journals j ON j.id = d.journal_id"
                     " WHERE d.name > ?1 AND (?2 = '' OR d.name = ?2) ORDER BY d.name LIMIT ?3",
    [READ_STREAMS] = "SELECT name, kind, fields, count, last_wall_ns FROM streams"
                     " WHERE device_id = ?1 AND (?2 >> kind) & 1 ORDER BY name, kind",
    [READ_STREAM_LIST] = "SELECT id FROM streams WHERE id > ?1 AND (?2 = 0 OR device_id = ?2)"
                         " AND (?3 = '' OR name = ?3) AND (?4 >> kind) & 1 ORDER BY id LIMIT ?5",
    [READ_NEWEST] = ROW_COLUMNS "INDEXED BY records_stream" ROW_JOINS
                                "WHERE r.stream_id = ?1 AND r.wall_ns >= ?2 AND r.wall_ns < ?3"
                                " ORDER BY r.wall_ns DESC, r.id DESC LIMIT 1",
    [READ_EDGES] = "SELECT min(wall_ns), max(wall_ns) FROM (SELECT * FROM ("
                   "SELECT wall_ns FROM records INDEXED BY records_stream WHERE stream_id = ?1"
                   " AND wall_ns >= ?2 AND wall_ns < ?3 ORDER BY wall_ns LIMIT 1)"
                   " UNION ALL SELECT * FROM ("
                   "SELECT wall_ns FROM records INDEXED BY records_stream WHERE stream_id = ?1"
                   " AND wall_ns >= ?2 AND wall_ns < ?3 ORDER BY wall_ns DESC LIMIT 1))",
    [READ_SERIES] = "SELECT wall_ns, payload FROM records INDEXED BY records_stream"
                    " WHERE stream_id = ?1 AND wall_ns >= ?2 AND wall_ns < ?3"
                    " AND content_id IS NULL ORDER BY wall_ns",
    [READ_LAG] = "SELECT wall_ns, received_ns FROM records INDEXED BY records_stream"
                 " WHERE stream_id = ?1 AND wall_ns >= ?2 AND wall_ns < ?3 ORDER BY wall_ns",
    [READ_DEVICE_JOURNAL] = "SELECT coalesce(journal_id, 0) FROM devices WHERE id = ?1",
    /* Few, and asked for by people: a plain walk down the ids. */
    [READ_GAPS] = "SELECT g.id, j.uuid, g.first_seq, g.last_seq, g.wall_ns, g.received_ns, g.reason"
                  " FROM gaps g CROSS JOIN origins o ON o.id = g.origin_id"
                  " CROSS JOIN journals j ON j.id = o.journal_id"
                  " WHERE g.id < ?1 AND (?2 < 0 OR j.id = ?2)"
                  " AND g.received_ns >= ?3 AND g.received_ns < ?4 ORDER BY g.id DESC LIMIT ?5",
};

struct reader {
    sqlite3 *db;
    sqlite3_stmt *st[READ_SQL_COUNT];
    /* the query at hand */
    const struct store_query *q;
    const struct store_render *render;
    void *ctx;
    int (*go_on)(void *go_on_ctx);
    void *go_on_ctx;
    struct store_answer *out;
    int ended; /* what go_on() answered when it was not 0 */
};

/* ---- opening ---- */

void sqlite_reader_close(void *ctx)
{
    struct reader *r = ctx;

    if (!r)
        return;
    for (int i = 0; i < READ_SQL_COUNT; i++)
        sqlite3_finalize(r->st[i]);
    sqlite3_close(r->db);
    mem_free(r);
}

static int on_progress(void *ctx)
{
    struct reader *r = ctx;

    if (r->ended == 0 && r->go_on)
        r->ended = r->go_on(r->go_on_ctx);
    return r->ended != 0;
}

int sqlite_reader_open(const struct store_config *c, void **out, struct fault *f)
{
    struct reader *r = NEW(struct reader);
    int64_t version = 0;
    int rc = sqlite_code(
        NULL, sqlite3_open_v2(c->path, &r->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL));

    if (rc == 0)
        rc = sqlite_settle(r->db, c, CACHE_KIB);
    if (rc == 0)
        rc = sqlite_integer(r->db, "PRAGMA user_version", 0, &version);
    for (int i = 0; i < READ_SQL_COUNT && rc == 0; i++)
        rc = sqlite_prepare(r->db, read_sql[i], &r->st[i]);
    if (rc < 0) {
        sqlite_fault(r->db, c, rc, f);
        sqlite_reader_close(r);
        return rc;
    }
    sqlite3_progress_handler(r->db, ASK_EVERY, on_progress, r);
    *out = r;
    return 0;
}

/* ---- stepping ---- */

/* 1: a row; 0: the end; else a code. */
static int next_row(struct reader *r, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    if ((rc & 0xff) == SQLITE_INTERRUPT && r->ended != 0) {
        snprintf(r->out->text, sizeof(r->out->text), "the query was ended: %s", err_text(r->ended));
        return r->ended;
    }
    snprintf(r->out->text, sizeof(r->out->text), "%s", sqlite3_errmsg(r->db));
    return sqlite_code(r->db, rc);
}

static struct uuid column_uuid(sqlite3_stmt *st, int at)
{
    struct str s = sqlite_column_str(st, at);
    struct uuid u = { { 0 } };

    if (s.n == sizeof(u.b))
        memcpy(u.b, s.p, s.n);
    return u;
}

static struct store_row row_of(sqlite3_stmt *st)
{
    return (struct store_row){
        .id = (uint64_t)sqlite3_column_int64(st, 0),
        .device = sqlite_column_str(st, 1),
        .stream = sqlite_column_str(st, 2),
        .kind = (enum record_kind)sqlite3_column_int(st, 3),
        .content_type = sqlite_column_str(st, 4),
        .wall_ns = sqlite3_column_int64(st, 5),
        .received_ns = sqlite3_column_int64(st, 6),
        .corrected = sqlite3_column_type(st, 11) != SQLITE_NULL,
        .sent_ns = sqlite3_column_int64(st, 11),
        .origin_epoch = (uint64_t)sqlite3_column_int64(st, 10),
        .origin = column_uuid(st, 7),
        .origin_seq = (uint64_t)sqlite3_column_int64(st, 8),
        .payload = sqlite_column_str(st, 9),
    };
}

static int render_row(struct reader *r, sqlite3_stmt *st)
{
    struct store_row row = row_of(st);

    return query_rendered(r->render->row(r->ctx, &row), r->out);
}

/* The device's number; 0 when the query names none. ERR_UNKNOWN when it is not there. */
static int find_device(struct reader *r, int64_t *out)
{
    sqlite3_stmt *st = r->st[READ_DEVICE];
    int rc;

    *out = 0;
    if (r->q->device.n == 0)
        return 0;
    sqlite_bind_str(st, 1, r->q->device);
    rc = next_row(r, st);
    if (rc == 1)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    if (rc == 0)
        snprintf(r->out->text, sizeof(r->out->text), "no such device");
    return rc == 1 ? 0 : rc == 0 ? ERR_UNKNOWN : rc;
}

/* The first stream of that name, and how many there are (of different kinds). */
static int find_stream(struct reader *r, int64_t device, int64_t *out, unsigned *out_count)
{
    sqlite3_stmt *st = r->st[READ_STREAM_IDS];
    int rc;

    *out_count = 0;
    sqlite3_bind_int64(st, 1, device);
    sqlite_bind_str(st, 2, r->q->stream);
    sqlite3_bind_int64(st, 3, query_kinds(r->q));
    while ((rc = next_row(r, st)) == 1)
        if ((*out_count)++ == 0)
            *out = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    return rc;
}

/* ---- records ---- */

/* The page of the query at hand, for a statement with ROW_RANGE, ROW_KINDS and a LIMIT: one row more
 * than the page has tells whether there is another page. */
static int bind_page(struct reader *r, sqlite3_stmt *st)
{
    struct query_place upper;
    int rc = query_upper(r->q, &upper);

    if (rc < 0)
        return rc;
    sqlite3_bind_int64(st, 1, r->q->from_ns);
    sqlite3_bind_int64(st, 2, upper.wall_ns);
    sqlite3_bind_int64(st, 3, (int64_t)upper.id);
    sqlite3_bind_int64(st, 4, query_kinds(r->q));
    sqlite3_bind_int64(st, 5, (int64_t)query_limit(r->q) + 1);
    return 0;
}

static int page_row(struct reader *r, sqlite3_stmt *st, struct query_place *out_last)
{
    *out_last =
        (struct query_place){ sqlite3_column_int64(st, 5), (uint64_t)sqlite3_column_int64(st, 0) };
    return render_row(r, st);
}

static int run_rows(struct reader *r, sqlite3_stmt *st)
{
    struct query_place last = { 0 };
    int rc = bind_page(r, st);

    if (rc < 0)
        return rc;
    while ((rc = next_row(r, st)) == 1) {
        if (r->out->rows == query_limit(r->q)) {
            query_token_place(&last, r->out->next);
            rc = 0;
            break;
        }
        rc = page_row(r, st, &last);
        if (rc != 0)
            break;
    }
    sqlite3_reset(st);
    return rc;
}

/* The numbers of a page's rows, and one more; *out belongs to the caller. */
static int find_places(struct reader *r, int64_t device, int64_t **out, size_t *out_count)
{
    sqlite3_stmt *st = r->st[READ_PLACES];
    size_t n = 0;
    int rc = bind_page(r, st);

    *out_count = 0;
    *out = NULL;
    if (rc < 0)
        return rc;
    *out = mem_new_array(query_limit(r->q) + 1, sizeof(**out));
    sqlite3_bind_int64(st, 6, device);
    sqlite_bind_str(st, 7, r->q->stream);
    while ((rc = next_row(r, st)) == 1)
        (*out)[n++] = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    *out_count = n;
    return rc;
}

/* Rows of all streams of a device, or of those with one name. */
static int run_merged(struct reader *r, int64_t device)
{
    sqlite3_stmt *st = r->st[READ_ROW];
    size_t limit = query_limit(r->q), count;
    struct query_place last = { 0 };
    int64_t *places;
    int rc = find_places(r, device, &places, &count);

    for (size_t i = 0; i < count && i < limit && rc == 0; i++) {
        sqlite3_bind_int64(st, 1, places[i]);
        rc = next_row(r, st);
        if (rc == 1)
            rc = page_row(r, st, &last);
        sqlite3_reset(st);
    }
    if (rc == 0 && count > limit)
        query_token_place(&last, r->out->next);
    mem_free(places);
    return rc;
}

static int run_records(struct reader *r)
{
    int64_t device = 0, stream = 0;
    unsigned count = 0;
    int rc = find_device(r, &device);

    if (rc == 0 && r->q->stream.n > 0)
        rc = find_stream(r, device, &stream, &count);
    if (rc < 0 || (r->q->stream.n > 0 && count == 0))
        return rc;
    if (!device)
        return run_rows(r, r->st[READ_OF_ALL]);
    if (count != 1)
        return run_merged(r, device);
    sqlite3_bind_int64(r->st[READ_OF_STREAM], 6, stream);
    return run_rows(r, r->st[READ_OF_STREAM]);
}

/* ---- the newest of each stream ---- */

static int newest_of(struct reader *r, int64_t stream)
{
    sqlite3_stmt *st = r->st[READ_NEWEST];
    int rc;

    sqlite3_bind_int64(st, 1, stream);
    sqlite3_bind_int64(st, 2, r->q->from_ns);
    sqlite3_bind_int64(st, 3, query_end(r->q));
    rc = next_row(r, st);
    if (rc == 1)
        rc = render_row(r, st);
    sqlite3_reset(st);
    return rc;
}

static int run_latest(struct reader *r)
{
    sqlite3_stmt *st = r->st[READ_STREAM_LIST];
    size_t limit = query_limit(r->q), seen = 0;
    int64_t device = 0;
    uint64_t after = 0;
    int rc = find_device(r, &device);

    if (rc == 0 && r->q->after.n > 0)
        rc = query_id_of(r->q->after, &after);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(st, 1, (int64_t)after);
    sqlite3_bind_int64(st, 2, device);
    sqlite_bind_str(st, 3, r->q->stream);
    sqlite3_bind_int64(st, 4, query_kinds(r->q));
    sqlite3_bind_int64(st, 5, (int64_t)limit + 1);
    while ((rc = next_row(r, st)) == 1) {
        if (seen++ == limit) {
            query_token_id(after, r->out->next);
            rc = 0;
            break;
        }
        after = (uint64_t)sqlite3_column_int64(st, 0);
        rc = newest_of(r, (int64_t)after);
        if (rc != 0)
            break;
    }
    sqlite3_reset(st);
    return rc;
}

/* ---- devices ---- */

struct stream_list {
    struct store_stream *list;
    struct buf text; /* their names and fields, one behind another */
    size_t *name_n, *fields_n;
    size_t count;
};

static void list_fini(struct stream_list *l)
{
    buf_fini(&l->text);
    mem_free(l->list);
    mem_free(l->name_n);
    mem_free(l->fields_n);
}

static void list_add(struct stream_list *l, sqlite3_stmt *st)
{
    struct str name = sqlite_column_str(st, 0), fields = sqlite_column_str(st, 2);

    if (l->count % 16 == 0) {
        l->list = mem_resize(l->list, (l->count + 16) * sizeof(*l->list));
        l->name_n = mem_resize(l->name_n, (l->count + 16) * sizeof(*l->name_n));
        l->fields_n = mem_resize(l->fields_n, (l->count + 16) * sizeof(*l->fields_n));
    }
    l->name_n[l->count] = name.n;
    l->fields_n[l->count] = fields.n;
    buf_put(&l->text, name);
    buf_put(&l->text, fields);
    l->list[l->count++] = (struct store_stream){
        .kind = (enum record_kind)sqlite3_column_int(st, 1),
        .count = (uint64_t)sqlite3_column_int64(st, 3),
        .last_wall_ns = sqlite3_column_int64(st, 4),
    };
}

/* The views can be made when the text no longer moves. */
static void list_close(struct stream_list *l)
{
    const char *p = l->text.p;

    for (size_t i = 0; i < l->count; i++) {
        l->list[i].name = str_from(p, l->name_n[i]);
        p += l->name_n[i];
        l->list[i].fields = str_from(p, l->fields_n[i]);
        p += l->fields_n[i];
    }
}

static int list_streams(struct reader *r, int64_t device, struct stream_list *l)
{
    sqlite3_stmt *st = r->st[READ_STREAMS];
    int rc;

    buf_clear(&l->text);
    l->count = 0;
    sqlite3_bind_int64(st, 1, device);
    sqlite3_bind_int64(st, 2, query_kinds(r->q));
    while ((rc = next_row(r, st)) == 1 && l->count < QUERY_STREAMS_MAX)
        list_add(l, st);
    sqlite3_reset(st);
    list_close(l);
    return rc < 0 ? rc : buf_check(&l->text);
}

static int render_device(struct reader *r, sqlite3_stmt *st, struct stream_list *l)
{
    struct store_device d = {
        .name = sqlite_column_str(st, 1),
        .title = sqlite_column_str(st, 2),
        .location = sqlite_column_str(st, 3),
        .first_seen_ns = sqlite3_column_int64(st, 4),
        .last_seen_ns = sqlite3_column_int64(st, 5),
        .last_wall_ns = sqlite3_column_int64(st, 6),
        .origin = column_uuid(st, 7),
        .gaps = (uint64_t)sqlite3_column_int64(st, 8),
        .lost = (uint64_t)sqlite3_column_int64(st, 9),
        .forks = (uint64_t)sqlite3_column_int64(st, 10),
    };
    int rc = list_streams(r, sqlite3_column_int64(st, 0), l);

    if (rc < 0)
        return rc;
    d.streams = l->list;
    d.stream_count = l->count;
    return query_rendered(r->render->device(r->ctx, &d), r->out);
}

static int run_devices(struct reader *r)
{
    sqlite3_stmt *st = r->st[READ_DEVICES];
    struct stream_list l = { .text = buf_init(MIB(64)) };
    size_t limit = query_limit(r->q);
    char last[RECORD_DEVICE_MAX + 1] = "";
    struct str after = STR_NONE;
    int64_t device = 0;
    int rc = find_device(r, &device);

    if (rc == 0 && r->q->after.n > 0)
        rc = query_name_of(r->q->after, &after);
    if (rc < 0)
        return rc;
    sqlite_bind_str(st, 1, after);
    sqlite_bind_str(st, 2, r->q->device);
    sqlite3_bind_int64(st, 3, (int64_t)limit + 1);
    while ((rc = next_row(r, st)) == 1) {
        if (r->out->rows == limit) {
            query_token_name(str_of(last), r->out->next);
            rc = 0;
            break;
        }
        snprintf(last, sizeof(last), "%s", (const char *)sqlite3_column_text(st, 1));
        rc = render_device(r, st, &l);
        if (rc != 0)
            break;
    }
    sqlite3_reset(st);
    list_fini(&l);
    return rc;
}

/* ---- series ---- */

/* The first and last times of what is asked for. 1: there is something in between; 0: nothing. */
static int find_edges(struct reader *r, int64_t stream, int64_t *out_first, int64_t *out_last)
{
    sqlite3_stmt *st = r->st[READ_EDGES];
    int rc;

    sqlite3_bind_int64(st, 1, stream);
    sqlite3_bind_int64(st, 2, r->q->from_ns);
    sqlite3_bind_int64(st, 3, query_end(r->q));
    rc = next_row(r, st);
    if (rc == 1 && sqlite3_column_type(st, 0) == SQLITE_NULL)
        rc = 0;
    if (rc == 1) {
        *out_first = sqlite3_column_int64(st, 0);
        *out_last = sqlite3_column_int64(st, 1);
    }
    sqlite3_reset(st);
    return rc;
}

static int run_steps(struct reader *r, int64_t stream, struct query_steps *steps)
{
    bool lag = str_eq(r->q->field, STR(STORE_LAG));
    sqlite3_stmt *st = r->st[lag ? READ_LAG : READ_SERIES];
    struct store_point done;
    double v = 0;
    int rc;

    sqlite3_bind_int64(st, 1, stream);
    sqlite3_bind_int64(st, 2, steps->from_ns);
    sqlite3_bind_int64(st, 3, query_end(r->q));
    while ((rc = next_row(r, st)) == 1) {
        if (lag)
            v = ((double)sqlite3_column_int64(st, 1) - (double)sqlite3_column_int64(st, 0)) / 1e9;
        else if (leaves_get(sqlite_column_str(st, 1), r->q->field, &v) < 0)
            continue;
        if (query_step_add(steps, sqlite3_column_int64(st, 0), v, &done))
            rc = query_rendered(r->render->point(r->ctx, &done), r->out);
        if (rc < 0)
            break;
    }
    sqlite3_reset(st);
    if (rc == 0 && query_step_end(steps, &done))
        rc = query_rendered(r->render->point(r->ctx, &done), r->out);
    return rc;
}

static int run_series(struct reader *r)
{
    int64_t device = 0, stream = 0, first = 0, last = 0;
    struct query_steps steps;
    unsigned count = 0;
    int rc = find_device(r, &device);

    if (rc == 0)
        rc = find_stream(r, device, &stream, &count);
    if (rc < 0 || count == 0)
        return rc;
    rc = find_edges(r, stream, &first, &last);
    if (rc != 1)
        return rc;
    rc = query_steps_begin(&steps, r->q, first, last, r->out);
    return rc == 0 ? run_steps(r, stream, &steps) : rc;
}

/* ---- gaps ---- */

static int gap_journal(struct reader *r, int64_t device, int64_t *out)
{
    sqlite3_stmt *st = r->st[READ_DEVICE_JOURNAL];
    int rc;

    *out = -1; /* of all */
    if (device == 0)
        return 0;
    sqlite3_bind_int64(st, 1, device);
    rc = next_row(r, st);
    if (rc == 1)
        *out = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    return rc < 0 ? rc : 0;
}

static int render_gap(struct reader *r, sqlite3_stmt *st)
{
    struct store_gap g = {
        .id = (uint64_t)sqlite3_column_int64(st, 0),
        .origin = column_uuid(st, 1),
        .first = (uint64_t)sqlite3_column_int64(st, 2),
        .last = (uint64_t)sqlite3_column_int64(st, 3),
        .wall_ns = sqlite3_column_int64(st, 4),
        .received_ns = sqlite3_column_int64(st, 5),
        .reason = sqlite_column_str(st, 6),
    };

    return query_rendered(r->render->gap(r->ctx, &g), r->out);
}

static int run_gaps(struct reader *r)
{
    sqlite3_stmt *st = r->st[READ_GAPS];
    size_t limit = query_limit(r->q);
    int64_t device = 0, journal = 0;
    uint64_t below = INT64_MAX;
    int rc = find_device(r, &device);

    if (rc == 0)
        rc = gap_journal(r, device, &journal);
    if (rc == 0 && r->q->after.n > 0)
        rc = query_id_of(r->q->after, &below);
    if (rc < 0)
        return rc;
    sqlite3_bind_int64(st, 1, (int64_t)below);
    sqlite3_bind_int64(st, 2, journal);
    sqlite3_bind_int64(st, 3, r->q->from_ns);
    sqlite3_bind_int64(st, 4, query_end(r->q));
    sqlite3_bind_int64(st, 5, (int64_t)limit + 1);
    while ((rc = next_row(r, st)) == 1) {
        if (r->out->rows == limit) {
            query_token_id(below, r->out->next);
            rc = 0;
            break;
        }
        below = (uint64_t)sqlite3_column_int64(st, 0);
        rc = render_gap(r, st);
        if (rc != 0)
            break;
    }
    sqlite3_reset(st);
    return rc;
}

/* ---- the query ---- */

static int run_what(struct reader *r)
{
    switch (r->q->what) {
    case STORE_DEVICES:
        return run_devices(r);
    case STORE_RECORDS:
        return run_records(r);
    case STORE_LATEST:
        return run_latest(r);
    case STORE_SERIES:
        return run_series(r);
    case STORE_GAPS:
        return run_gaps(r);
    }
    return ERR_VALUE;
}

void sqlite_reader_run(void *ctx, const struct store_query *q, const struct store_render *render,
                       void *render_ctx, int (*go_on)(void *go_on_ctx), void *go_on_ctx,
                       struct store_answer *out)
{
    struct reader *r = ctx;
    int rc;

    r->q = q;
    r->render = render;
    r->ctx = render_ctx;
    r->go_on = go_on;
    r->go_on_ctx = go_on_ctx;
    r->out = out;
    r->ended = 0;
    rc = next_row(r, r->st[READ_BEGIN]);
    sqlite3_reset(r->st[READ_BEGIN]);
    if (rc == 0)
        rc = run_what(r);
    out->code = rc;
    if (rc < 0 && out->text[0] == '\0')
        snprintf(out->text, sizeof(out->text), "%s", err_text(rc));
    if (!sqlite3_get_autocommit(r->db)) {
        r->go_on = NULL;
        r->ended = 0;
        sqlite3_step(r->st[READ_END]);
        sqlite3_reset(r->st[READ_END]);
    }
}
