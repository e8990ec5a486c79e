/*
 * Journal to store. The thread sleeps on a gate that the journal opens when its head moves, reads
 * a batch from the store's own position, and writes it in one transaction together with that
 * position: so a crash anywhere repeats a batch at most, and the store drops repeats. The cursor
 * that lets the journal trim follows store_checkpointed(), not store_position(): a row that is
 * only in the write-ahead log may be lost with the power, and must then come from the journal.
 *
 * A transaction writes whole pages of the table, its indexes and the cursor, however few its rows are: one
 * for each flush of the journal would write twenty bytes for each that came, and those keep the disk from
 * the journal. So where less than a full batch is there the next one waits until SINK_GATHER_MS after the one
 * before. The first after a rest waits for nothing.
 */
#include "hub/sink_io.h"

#include "base/cell.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/workers.h"

#include <stdio.h>

#define SINK_BATCH       2000       /* records in one transaction: beyond it nothing is gained */
#define SINK_BATCH_BYTES (1u << 20) /* payload in one transaction */
#define SINK_BUFFER      (1u << 20) /* of the reader */
#define SINK_GATHER_MS   10
#define SINK_IDLE_MS     1000 /* without news that long: checkpoint, so the journal trims */
#define SINK_RETRY_MS    100  /* first pause after a failure; doubles */
#define SINK_RETRY_MAX   5000
#define SINK_STOP_MS     2000 /* for what is left at the end */

struct sink {
    struct sink_options o;
    struct gate *gate, *pause; /* pause: opened for the end alone */
    struct journal_watch *watch;
    struct journal_cursor *cursor;
    struct journal_reader *reader;
    struct thread *thread;
    struct cell stopping;
    struct record *batch;
    int failing; /* the code that was told last */
    struct metric *rows, *failures;
};

struct state_mail {
    struct mail mail;
    struct sink_options o;
    int code;
    char text[200];
};

static void deliver_state(struct mail *m, struct loop *l)
{
    struct state_mail *sm = container_of(m, struct state_mail, mail);

    (void)l;
    sm->o.state(sm->o.ctx, sm->code, sm->text);
    mem_free(sm);
}

static void tell(struct sink *s, int code)
{
    struct state_mail *m;

    if (code == s->failing)
        return;
    s->failing = code;
    if (code)
        log_error("store", "does not take records; the journal keeps them", lf_err("error", code),
                  lf_text("text", store_error(s->o.store)));
    else
        log_info("store", "takes records again", lf_u64("position", store_position(s->o.store)));
    if (!s->o.state)
        return;
    m = NEW(struct state_mail);
    m->mail.deliver = deliver_state;
    m->o = s->o;
    m->code = code;
    snprintf(m->text, sizeof(m->text), "%s", code ? store_error(s->o.store) : "");
    loop_post(s->o.loop, &m->mail);
}

/* What readers hold up is done later; what fails is told, since the journal fills meanwhile. */
static int checkpoint(struct sink *s)
{
    int rc;

    if (store_checkpointed(s->o.store) == store_position(s->o.store))
        return 0;
    rc = store_checkpoint(s->o.store);
    if (rc == 0)
        journal_cursor_advance(s->cursor, store_checkpointed(s->o.store));
    return rc == ERR_BUSY ? 0 : rc;
}

/* The journal must not refuse for what is stored already and only waits for its checkpoint. */
static bool fills_up(const struct sink *s)
{
    struct journal_status js;

    journal_status(s->o.journal, &js);
    return js.bytes > js.quota_bytes / 2;
}

/* Writes one batch. *out_count 0: nothing was there. */
static int step(struct sink *s, size_t *out_count)
{
    uint64_t position;
    struct store_counts counts;
    int rc = journal_reader_next(s->reader, s->batch, SINK_BATCH, SINK_BATCH_BYTES, out_count);

    if (rc)
        return rc;
    if (*out_count == 0) { /* a database that is away is told before something waits for it */
        rc = store_check(s->o.store);
        if (rc)
            journal_reader_seek(s->reader, store_position(s->o.store));
        return rc;
    }
    position = journal_reader_seq(s->reader);
    rc = store_write(s->o.store, s->batch, *out_count, position, &counts);
    if (rc) { /* read again what was not written: its views end with the next read */
        journal_reader_seek(s->reader, store_position(s->o.store));
        metric_add(s->failures, 1);
        return rc;
    }
    metric_add(s->rows, counts.stored);
    journal_cursor_advance(s->cursor, store_checkpointed(s->o.store));
    return fills_up(s) ? checkpoint(s) : 0;
}

/* The last batch was begun then. */
static void gather(struct sink *s, uint64_t begun_ms)
{
    uint64_t now_ms = clock_mono_ns() / 1000000, until_ms = begun_ms + SINK_GATHER_MS;
    uint64_t left = journal_head(s->o.journal) - journal_reader_seq(s->reader);

    if (left < SINK_BATCH && now_ms < until_ms && !cell_get(&s->stopping))
        (void)gate_wait(s->pause, until_ms - now_ms);
}

static void run(void *ctx)
{
    struct sink *s = ctx;
    uint64_t pause_ms = SINK_RETRY_MS, end_ms = 0;

    for (;;) {
        size_t count = 0;
        uint64_t begun_ms = clock_mono_ns() / 1000000, now_ms;
        int rc = step(s, &count);

        now_ms = clock_mono_ns() / 1000000;

        tell(s, rc);
        if (cell_get(&s->stopping) && end_ms == 0)
            end_ms = now_ms + SINK_STOP_MS;
        if (end_ms && (rc || count == 0 || now_ms > end_ms))
            break;
        if (rc) {
            gate_wait(s->gate, pause_ms);
            pause_ms = pause_ms * 2 > SINK_RETRY_MAX ? SINK_RETRY_MAX : pause_ms * 2;
            continue;
        }
        pause_ms = SINK_RETRY_MS;
        if (count > 0)
            gather(s, begun_ms);
        else if (!gate_wait(s->gate, SINK_IDLE_MS))
            tell(s, checkpoint(s));
    }
    (void)checkpoint(s);
}

int sink_open(const struct sink_options *o, struct sink **out, struct fault *f)
{
    struct sink *s = NEW(struct sink);
    int rc;

    s->o = *o;
    rc = journal_cursor_open(o->journal, "store", &s->cursor);
    if (rc) {
        mem_free(s);
        return fault_set(f, rc, "the journal's cursor of the store cannot be opened: %s",
                         err_text(rc));
    }
    s->rows = metrics_counter(o->metrics, "wayside_store_rows_total", "",
                              "Records that became rows of the store");
    s->failures = metrics_counter(o->metrics, "wayside_store_write_failures_total", "",
                                  "Batches that the store refused; they are tried again");
    s->batch = mem_new_array(SINK_BATCH, sizeof(*s->batch));
    s->gate = gate_new();
    s->pause = gate_new();
    s->reader = journal_reader_new(
        o->journal, s->cursor, store_begin(o->store, journal_cursor_seq(s->cursor)), SINK_BUFFER);
    s->watch = journal_watch_gate(o->journal, s->gate);
    *out = s;
    return 0;
}

void sink_start(struct sink *s)
{
    s->thread = thread_start("sink", run, s);
}

void sink_stop(struct sink *s)
{
    cell_set(&s->stopping, 1);
    gate_open(s->gate);
    gate_open(s->pause);
    if (s->thread)
        thread_join(s->thread);
    journal_unwatch(s->watch);
    journal_reader_free(s->reader);
    journal_cursor_close(s->cursor);
    gate_free(s->gate);
    gate_free(s->pause);
    mem_free(s->batch);
    mem_free(s);
}
