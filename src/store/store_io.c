/*
 * The store as the rest of the program sees it: one writer, reader threads with an inbox each, and
 * questions that wait until what their asker has written can be read. The database itself is behind
 * engine.h.
 *
 * A question goes from its loop to a reader thread and comes back as mail. One that waits for a
 * position goes to the keeper, a thread that sleeps on a gate; the writer opens the gate after a
 * commit when anybody waits. Nobody polls. Long questions (series) have a reader of their own, so
 * that a chart over a year does not hold up a list of ten rows.
 *
 * Invariants: position is raised after the commit and before the gate is opened, and a waiting
 * question is counted before it is queued, so a wake-up is never missed. Each question is answered
 * exactly once: by a reader, or by the keeper when the store closes.
 */
#include "store/engine.h"

#include "base/cell.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/queue.h"

#include <assert.h>
#include <stdio.h>

#define READERS_MAX 16
#define SLOW_NS     1000000000u /* a question that takes longer is logged */

struct store_reader {
    const struct store_engine *engine;
    void *reader;
    uint64_t query_ms;
    struct store *store; /* NULL: a reader of one's own */
    struct metric *seconds;
    struct jobs *jobs;
    uint64_t give_up_ns; /* of the query at hand */
};

struct store {
    const struct store_engine *engine;
    void *writer;
    struct cell position, checkpointed;
    uint64_t found; /* in the database at the start */
    struct store_reader *readers[READERS_MAX];
    unsigned reader_count;
    struct cell stopping; /* questions are not answered any more, but with ERR_STOPPED */
    struct cell closing;  /* and none comes: the keeper ends */

    struct thread *keeper;
    struct gate *gate;
    struct queue inbox;  /* questions on their way to the keeper */
    struct cell waiting; /* questions in the inbox or on the list */
    struct list list;    /* the keeper's own */
    unsigned turn;       /* the keeper's: which reader is next */

    struct metric *skipped, *repeated, *forks, *commits, *commit_seconds;
};

struct store_config store_config_default(void)
{
    return (struct store_config){
        .readers = 2, .busy_ms = 5000, .query_ms = 20000, .id_window_ms = 600000
    };
}

/* ---- readers ---- */

int store_reader_open(const struct store_config *c, struct store_reader **out, struct fault *f)
{
    struct store_reader *r = NEW(struct store_reader);
    int rc;

    r->engine = c->postgres ? &store_pg : &store_sqlite;
    r->query_ms = c->query_ms;
    rc = r->engine->reader_open(c, &r->reader, f);
    if (rc < 0) {
        mem_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

void store_reader_close(struct store_reader *r)
{
    if (!r)
        return;
    r->engine->reader_close(r->reader);
    mem_free(r);
}

static int go_on(void *ctx)
{
    const struct store_reader *r = ctx;

    if (r->store && cell_get(&r->store->stopping))
        return ERR_STOPPED;
    return clock_mono_ns() > r->give_up_ns ? ERR_LIMIT : 0;
}

static void note_slow(const struct store_query *q, const struct store_answer *a, uint64_t took_ns)
{
    static const char *const names[] = {
        [STORE_DEVICES] = "devices", [STORE_RECORDS] = "records", [STORE_LATEST] = "latest",
        [STORE_SERIES] = "series",   [STORE_GAPS] = "gaps",
    };

    log_warn("store", "slow query", lf_text("what", names[q->what]), lf_str("device", q->device),
             lf_str("stream", q->stream), lf_u64("rows", a->rows), lf_u64("ms", took_ns / 1000000),
             lf_i64("code", a->code));
}

int store_reader_run(struct store_reader *r, const struct store_query *q,
                     const struct store_render *render, void *ctx, struct store_answer *out)
{
    struct fault f = { 0 };
    uint64_t start, took;
    bool behind = out->behind;

    *out = (struct store_answer){ .behind = behind };
    out->code = store_query_check(q, NULL, &f);
    if (out->code < 0) {
        snprintf(out->text, sizeof(out->text), "%.*s", (int)sizeof(out->text) - 1, f.text);
        return out->code;
    }
    start = clock_mono_ns();
    r->give_up_ns = start + r->query_ms * 1000000;
    if (go_on(r) == ERR_STOPPED) {
        out->code = ERR_STOPPED;
        return out->code;
    }
    r->engine->run(r->reader, q, render, ctx, go_on, r, out);
    took = clock_mono_ns() - start;
    metric_observe(r->seconds, (double)took / 1e9);
    if (took > SLOW_NS)
        note_slow(q, out, took);
    return out->code;
}

/* ---- asking ---- */

static void deliver(struct mail *m, struct loop *l)
{
    struct store_job *j = container_of(m, struct store_job, mail);

    (void)l;
    j->done(j);
}

static void answer(struct store_job *j)
{
    j->mail.deliver = deliver;
    loop_post(j->loop, &j->mail);
}

static void run_job(struct job *job, void *ctx)
{
    struct store_job *j = container_of(job, struct store_job, job);
    struct store_reader *r = ctx;

    store_reader_run(r, &j->query, j->render, j->ctx, &j->answer);
    answer(j);
}

/* turn: spreads short questions over the readers that are for them. */
static void dispatch(struct store *s, struct store_job *j, unsigned turn)
{
    unsigned shorts = s->reader_count > 1 ? s->reader_count - 1 : 1;
    unsigned i = j->query.what == STORE_SERIES ? s->reader_count - 1 : turn % shorts;

    j->job.run = run_job;
    jobs_push(s->readers[i]->jobs, &j->job);
}

void store_ask(struct store *s, struct store_job *j)
{
    loop_assert_mine(j->loop);
    assert(s->reader_count > 0);
    j->store = s;
    j->answer = (struct store_answer){ 0 };
    if (j->wait_seq <= cell_get(&s->position)) {
        dispatch(s, j, loop_index(j->loop));
        return;
    }
    j->deadline_ms = clock_mono_ns() / 1000000 + j->wait_ms;
    cell_add(&s->waiting, 1);
    queue_push(&s->inbox, &j->job.node);
    gate_open(s->gate);
}

/* ---- the keeper's thread ---- */

static void take_inbox(struct store *s)
{
    struct queue_node *n = queue_take(&s->inbox);

    while (n) {
        struct queue_node *next = n->next;
        struct store_job *j = container_of(n, struct store_job, job.node);

        list_init(&j->waiting);
        list_push_back(&s->list, &j->waiting);
        n = next;
    }
}

/* Sends on whoever need not wait longer. The ms until the next one must be looked at. */
static uint64_t release_ready(struct store *s, bool stopping)
{
    uint64_t now = clock_mono_ns() / 1000000, position = cell_get(&s->position);
    uint64_t wait = 3600 * 1000;

    LIST_EACH_SAFE (it, tmp, &s->list) {
        struct store_job *j = container_of(it, struct store_job, waiting);

        if (!stopping && j->wait_seq > position && now < j->deadline_ms) {
            wait = j->deadline_ms - now < wait ? j->deadline_ms - now : wait;
            continue;
        }
        list_remove(it);
        cell_sub(&s->waiting, 1);
        j->answer.behind = j->wait_seq > position;
        if (stopping) {
            j->answer.code = ERR_STOPPED;
            answer(j);
        } else {
            dispatch(s, j, s->turn++);
        }
    }
    return wait;
}

static void keep(void *ctx)
{
    struct store *s = ctx;
    uint64_t wait = 0;
    bool closing;

    do {
        gate_wait(s->gate, wait);
        closing = cell_get(&s->closing);
        take_inbox(s);
        wait = release_ready(s, cell_get(&s->stopping));
    } while (!closing);
}

/* ---- opening and closing ---- */

static void register_metrics(struct store *s, struct metrics *m)
{
    static const double bounds[] = { 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10 };
    struct metric *seconds;

    if (!m)
        return;
    s->skipped = metrics_counter(m, "wayside_store_skipped_total", "",
                                 "records that were stored before (not stored twice)");
    s->repeated =
        metrics_counter(m, "wayside_store_repeated_ids_total", "",
                        "records that their senders sent again, by the id that they gave");
    s->forks = metrics_counter(m, "wayside_store_forks_total", "",
                               "journals that turned out to be copied, or restored from an image");
    s->commits = metrics_counter(m, "wayside_store_commits_total", "", "transactions written");
    s->commit_seconds = metrics_histogram(m, "wayside_store_commit_seconds", "",
                                          "time of one transaction", bounds, COUNT_OF(bounds));
    seconds = metrics_histogram(m, "wayside_store_query_seconds", "", "time of one query", bounds,
                                COUNT_OF(bounds));
    for (unsigned i = 0; i < s->reader_count; i++)
        s->readers[i]->seconds = seconds;
}

static int open_readers(struct store *s, const struct store_config *c, struct fault *f)
{
    unsigned count = c->readers < READERS_MAX ? c->readers : READERS_MAX;

    for (; s->reader_count < count; s->reader_count++) {
        struct store_reader *r = NULL;
        int rc = store_reader_open(c, &r, f);

        if (rc < 0)
            return rc;
        r->store = s;
        s->readers[s->reader_count] = r;
    }
    return 0;
}

static void start_threads(struct store *s)
{
    if (s->reader_count == 0)
        return;
    for (unsigned i = 0; i < s->reader_count; i++)
        s->readers[i]->jobs = jobs_start("store-read", s->readers[i], 0, NULL);
    s->keeper = thread_start("store-wait", keep, s);
}

int store_open(const struct store_config *c, struct store **out, struct fault *f)
{
    struct store *s = NEW(struct store);
    uint64_t position = 0;
    int rc;

    s->engine = c->postgres ? &store_pg : &store_sqlite;
    list_init(&s->list);
    queue_init(&s->inbox);
    rc = s->engine->writer_open(c, &s->writer, &position, f);
    if (rc == 0)
        rc = open_readers(s, c, f);
    if (rc < 0) {
        store_close(s);
        return rc;
    }
    s->found = position;
    cell_set(&s->position, position);
    /* What the log holds may never have been flushed. */
    if (!s->engine->checkpoint || s->engine->checkpoint(s->writer) == 0)
        cell_set(&s->checkpointed, position);
    register_metrics(s, c->metrics);
    s->gate = gate_new();
    start_threads(s);
    *out = s;
    return 0;
}

void store_stop_asking(struct store *s)
{
    if (!s)
        return;
    cell_set(&s->stopping, 1);
    if (s->gate)
        gate_open(s->gate);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    cell_set(&s->stopping, 1);
    cell_set(&s->closing, 1);
    if (s->keeper) {
        gate_open(s->gate);
        thread_join(s->keeper);
    }
    for (unsigned i = 0; i < s->reader_count; i++) {
        if (s->readers[i]->jobs)
            jobs_stop(s->readers[i]->jobs);
        store_reader_close(s->readers[i]);
    }
    if (s->gate)
        gate_free(s->gate);
    if (s->writer) {
        if (store_checkpoint(s) < 0)
            log_warn("store", "the last checkpoint was not made", lf_text("error", store_error(s)));
        s->engine->writer_close(s->writer);
    }
    mem_free(s);
}

/* ---- the writer ---- */

static void raise_position(struct store *s, uint64_t position)
{
    cell_raise(&s->position, position);
    if (cell_get(&s->waiting) > 0)
        gate_open(s->gate);
}

static void tell_forks(struct store *s, const struct store_counts *c)
{
    char uuid[UUID_TEXT_LEN + 1];

    metric_add(s->forks, c->forks);
    for (size_t i = 0; i < c->forks && i < STORE_FORKS_NOTED; i++)
        log_warn("store", "a journal goes on from a number that it had passed",
                 lf_text("journal", uuid_format(&c->fork[i].origin, uuid)),
                 lf_u64("first", c->fork[i].first_seq), lf_u64("passed", c->fork[i].other_seq),
                 lf_text("do",
                         "it was restored from an image, or two devices run on copies of one: "
                         "nothing is merged or lost, but give each device a folder of its own"));
}

uint64_t store_begin(struct store *s, uint64_t cursor_seq)
{
    uint64_t position = cell_get(&s->position);

    if (cursor_seq < position)
        position = cursor_seq;
    cell_set(&s->position, position);
    cell_set(&s->checkpointed, position);
    return position;
}

int store_check(struct store *s)
{
    int rc = s->engine->check ? s->engine->check(s->writer) : 0;

    if (rc == 0 && s->engine->position && s->engine->position(s->writer) < store_position(s)) {
        (void)store_begin(s, s->engine->position(s->writer));
        rc = ERR_BUSY;
    }
    return rc;
}

int store_write(struct store *s, const struct record *records, size_t count, uint64_t position,
                struct store_counts *out)
{
    uint64_t start = clock_mono_ns();
    struct store_counts c = { 0 };
    int rc = s->engine->write(s->writer, records, count, position, clock_wall_ns(), &c);

    if (rc == ERR_STALE) {
        (void)store_begin(s, s->engine->position(s->writer));
        return ERR_BUSY;
    }
    if (rc < 0)
        return rc;
    metric_observe(s->commit_seconds, (double)(clock_mono_ns() - start) / 1e9);
    metric_add(s->commits, 1);
    metric_add(s->skipped, c.skipped);
    metric_add(s->repeated, c.repeated);
    if (c.forks > 0)
        tell_forks(s, &c);
    raise_position(s, position);
    /* The batch is stored whatever becomes of the checkpoint; it is tried again. */
    if (!s->engine->checkpoint)
        cell_raise(&s->checkpointed, position);
    else if (s->engine->checkpoint_due(s->writer) && store_checkpoint(s) < 0)
        log_warn("store", "checkpoint failed", lf_text("error", store_error(s)));
    if (out)
        *out = c;
    return 0;
}

int store_origins(struct store *s, int (*each)(void *ctx, const struct store_origin *o), void *ctx)
{
    return s->engine->origins(s->writer, each, ctx);
}

int store_checkpoint(struct store *s)
{
    uint64_t position = cell_get(&s->position);
    int rc = s->engine->checkpoint ? s->engine->checkpoint(s->writer) : 0;

    if (rc == 0)
        cell_set(&s->checkpointed, position);
    return rc == ERR_BUSY ? 0 : rc;
}

const char *store_error(const struct store *s)
{
    return s->engine->error(s->writer);
}

int store_disown(struct store *s)
{
    return s->engine->disown(s->writer);
}

uint64_t store_found(const struct store *s)
{
    return s->found;
}

uint64_t store_position(const struct store *s)
{
    return cell_get(&s->position);
}

uint64_t store_checkpointed(const struct store *s)
{
    return cell_get(&s->checkpointed);
}

uint64_t store_cursor(struct store *s, const struct uuid *origin)
{
    return s->engine->cursor(s->writer, origin);
}
