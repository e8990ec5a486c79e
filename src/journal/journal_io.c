/*
 * The committer thread around the writing side (spool.h), and what others see of it (journal.h).
 *
 * Appending is a push onto a lock-free queue; only the push that finds it empty opens the
 * committer's gate, and that costs a system call only when the committer sleeps. The committer
 * takes all that is there, commits it as one group, publishes the head, completes the entries, and
 * takes what arrived meanwhile: there is one flush in flight and never a wait for more, unless
 * the setting asks for a window.
 *
 * Completion: the entries of a group that reply to the same loop travel as one mail, so a loop is
 * woken once per flush however many publishers it serves.
 *
 * Everything else that needs the writing side (rows for a reader, a cursor to open, a watch) is an
 * ask: pushed likewise, run between two groups, answered through a gate.
 */
#include "journal/journal_impl_io.h"

#include "base/mem.h"
#include "base/metrics.h"

#include <assert.h>

#define GROUP_LOOPS 64 /* loops that one group answers through one mail each */

struct journal_options journal_options_default(void)
{
    return (struct journal_options){ .segment_bytes = MIB(2),
                                     .quota_bytes = MIB(256),
                                     .free_floor_bytes = MIB(16),
                                     .flush_bytes = KIB(64),
                                     .lazy_flush_ms = 1000,
                                     .cursor_write_ms = 200 };
}

/* ---- completion ---- */

/* The entries of one group that reply to one loop, in order. */
struct group_mail {
    struct mail mail;
    struct loop *loop;
    struct queue_node *first, **end;
};

static struct journal_entry *entry_of(struct queue_node *n)
{
    return container_of(n, struct journal_entry, node);
}

static void complete(struct queue_node *n)
{
    while (n) {
        struct journal_entry *e = entry_of(n);

        n = n->next; /* done() may free the entry */
        e->done(e, e->code);
    }
}

static void deliver_group(struct mail *m, struct loop *l)
{
    struct group_mail *g = container_of(m, struct group_mail, mail);

    (void)l;
    complete(g->first);
    mem_free(g);
}

/* The mail for this loop; a new one when there is none, or when there are too many loops. */
static struct group_mail *mail_for(struct group_mail *mails[GROUP_LOOPS], size_t *count,
                                   struct loop *loop)
{
    struct group_mail *g;

    for (size_t i = 0; i < *count; i++)
        if (mails[i]->loop == loop)
            return mails[i];
    if (*count == GROUP_LOOPS) {
        for (size_t i = 0; i < *count; i++)
            loop_post(mails[i]->loop, &mails[i]->mail);
        *count = 0;
    }
    g = NEW(struct group_mail);
    g->mail.deliver = deliver_group;
    g->loop = loop;
    g->end = &g->first;
    mails[(*count)++] = g;
    return g;
}

static void complete_group(struct queue_node *n)
{
    struct group_mail *mails[GROUP_LOOPS];
    size_t count = 0;
    struct queue_node *here = NULL, **here_end = &here;

    while (n) {
        struct queue_node *next = n->next;
        struct loop *loop = entry_of(n)->reply;

        n->next = NULL;
        if (loop) {
            struct group_mail *g = mail_for(mails, &count, loop);

            *g->end = n;
            g->end = &n->next;
        } else {
            *here_end = n;
            here_end = &n->next;
        }
        n = next;
    }
    for (size_t i = 0; i < count; i++)
        loop_post(mails[i]->loop, &mails[i]->mail);
    complete(here);
}

/* ---- the committer ---- */

static void tell_metrics(struct journal *j)
{
    struct journal_metrics *m = &j->metrics;
    const struct spool_counts *c = &j->spool.counts;

    metric_add(m->records, c->records - m->told.records);
    metric_add(m->payload, c->payload_bytes - m->told.payload_bytes);
    metric_add(m->written, c->written_bytes - m->told.written_bytes);
    metric_add(m->flushes, c->flushes - m->told.flushes);
    metric_add(m->failed, c->failed_flushes - m->told.failed_flushes);
    metric_add(m->dropped, c->dropped - m->told.dropped);
    metric_add(m->lost, c->lost - m->told.lost);
    for (unsigned i = 0; i < SPOOL_REASONS; i++)
        if (c->refused[i] != m->told.refused[i])
            metric_add(m->refused[i], c->refused[i] - m->told.refused[i]);
    m->told = *c;
}

/* What other threads may know. The epoch before the head: see reader.c. */
static void publish(struct journal *j)
{
    const struct spool *s = &j->spool;

    cell_set(&j->epoch, s->epoch);
    cell_set(&j->oldest, spool_oldest(s));
    cell_set(&j->segments, s->count);
    cell_set(&j->bytes, spool_bytes(s));
    cell_set(&j->dropped, s->counts.dropped);
    cell_set(&j->dropped_ever, s->dropped_ever);
    cell_set(&j->damaged, s->counts.damaged + s->counts.lost);
    cell_set(&j->error, (uint64_t)(-s->error));
    cell_set(&j->most, s->space.most);
    cell_set(&j->free, s->space.free);
    cell_set(&j->head, s->durable_seq);
}

static void tell_watches(struct journal *j)
{
    LIST_EACH (it, &j->watches) {
        struct journal_watch *w = container_of(it, struct journal_watch, link);

        if (w->gate)
            gate_open(w->gate);
        else if (cell_swap(&w->posted, 1) == 0)
            loop_post(w->loop, &w->mail);
    }
}

static void commit(struct journal *j, struct queue_node *entries)
{
    uint64_t before = j->spool.durable_seq, start = j->disk->ops->mono_ns(j->disk);

    spool_commit(&j->spool, entries);
    publish(j);
    if (j->spool.durable_seq != before) {
        metric_observe(j->metrics.flush_seconds,
                       (double)(j->disk->ops->mono_ns(j->disk) - start) / 1e9);
        metric_observe(j->metrics.group_records, (double)(j->spool.durable_seq - before));
    }
    complete_group(entries);
    if (j->spool.durable_seq != before)
        tell_watches(j);
    tell_metrics(j);
}

static void run_asks(struct journal *j)
{
    struct queue_node *n = queue_take(&j->asks);

    while (n) {
        struct ask *a = container_of(n, struct ask, node);
        struct reply *reply = a->reply;

        n = n->next;
        a->run(j, a);
        gate_open(reply->gate); /* the ask is gone from here on */
    }
}

static void free_retired(struct journal *j)
{
    struct queue_node *n = queue_take(&j->retired);

    while (n) {
        struct reply *r = container_of(n, struct reply, node);

        n = n->next;
        gate_free(r->gate);
        mem_free(r);
    }
}

static size_t bytes_of(const struct queue_node *n)
{
    size_t bytes = 0;

    for (; n; n = n->next) {
        const struct journal_entry *e =
            (const struct journal_entry *)(const void *)((const char *)n -
                                                         offsetof(struct journal_entry, node));

        for (size_t i = 0; i < e->count; i++)
            bytes += e->records[i].payload.n;
    }
    return bytes;
}

/* With a window: waits for more, as long as the first may wait or until there is enough. */
static struct queue_node *gather(struct journal *j, struct queue_node *first)
{
    uint64_t now = j->disk->ops->mono_ns(j->disk), until = now + j->o.flush_window_ms * 1000000;
    struct queue_node **end = &first;
    size_t bytes = 0;

    while (j->o.flush_window_ms > 0) {
        bytes += bytes_of(*end);
        while (*end)
            end = &(*end)->next;
        now = j->disk->ops->mono_ns(j->disk);
        if (bytes >= j->o.flush_bytes || now >= until || cell_get(&j->stopping))
            break;
        gate_wait(j->gate, (until - now) / 1000000 + 1);
        run_asks(j);
        *end = queue_take(&j->appends);
    }
    return first;
}

static void committer(void *ctx)
{
    struct journal *j = ctx;

    for (;;) {
        uint64_t stopping = cell_get(&j->stopping); /* before the last look into the queue */
        struct queue_node *entries;
        uint64_t wake, now, before;

        free_retired(j);
        run_asks(j);
        entries = queue_take(&j->appends);
        if (entries)
            commit(j, gather(j, entries));
        before = j->spool.durable_seq;
        cell_set(&j->tend_soon, 0);
        wake = spool_tend(&j->spool, stopping != 0);
        publish(j);
        tell_metrics(j);
        if (j->spool.durable_seq != before) /* what was lazy is flushed now */
            tell_watches(j);
        if (entries)
            continue;
        if (stopping)
            break;
        now = j->disk->ops->mono_ns(j->disk);
        gate_wait(j->gate, wake == UINT64_MAX ? UINT64_MAX
                           : wake > now       ? (wake - now) / 1000000 + 1
                                              : 1);
    }
    free_retired(j);
}

void journal_append(struct journal *j, struct journal_entry *e)
{
    if (queue_push(&j->appends, &e->node))
        gate_open(j->gate);
}

/* An entry without a record: it is refused, in its turn. */
struct settling {
    struct journal_entry entry;
    struct reply *reply;
};

static void on_settled(struct journal_entry *e, int code)
{
    (void)code;
    gate_open(container_of(e, struct settling, entry)->reply->gate);
}

void journal_settle(struct journal *j)
{
    struct settling s = { .entry.done = on_settled };

    /* The gate is freed by the committer, who may still be in gate_open() when this wakes. */
    s.reply = NEW(struct reply);
    s.reply->gate = gate_new();
    journal_append(j, &s.entry);
    while (!gate_wait(s.reply->gate, UINT64_MAX))
        ;
    queue_push(&j->retired, &s.reply->node);
}

void journal_ask(struct journal *j, struct ask *a)
{
    struct reply *reply = NEW(struct reply);

    reply->gate = gate_new();
    a->reply = reply;
    if (queue_push(&j->asks, &a->node))
        gate_open(j->gate);
    while (!gate_wait(reply->gate, UINT64_MAX))
        ;
    queue_push(&j->retired, &reply->node);
}

/* ---- opening and closing ---- */

static double ask_cell(void *ctx)
{
    return (double)cell_get(ctx);
}

static void register_metrics(struct journal *j, struct metrics *m)
{
    static const double seconds[] = { 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01,
                                      0.02,   0.05,   0.1,    0.2,   0.5,   1,     5 };
    static const double records[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 20000 };
    static const char *const reasons[SPOOL_REASONS] = {
        [SPOOL_INVALID] = "reason=\"invalid\"",
        [SPOOL_FULL] = "reason=\"full\"",
        [SPOOL_FAILED] = "reason=\"disk\"",
    };
    struct journal_metrics *jm = &j->metrics;

    if (!m)
        return;
    jm->records = metrics_counter(m, "wayside_journal_records_total", "",
                                  "Records made durable in the journal");
    jm->payload = metrics_counter(m, "wayside_journal_bytes_total", "what=\"payload\"",
                                  "Bytes of records, and bytes passed to write for them");
    jm->written = metrics_counter(m, "wayside_journal_bytes_total", "what=\"written\"",
                                  "Bytes of records, and bytes passed to write for them");
    jm->flushes = metrics_counter(m, "wayside_journal_flushes_total", "", "Flushes that succeeded");
    jm->failed = metrics_counter(m, "wayside_journal_flush_failures_total", "",
                                 "Flushes that failed: each gave its segment up");
    jm->dropped = metrics_counter(m, "wayside_journal_dropped_total", "",
                                  "Records dropped at the quota (drop_oldest)");
    jm->lost = metrics_counter(m, "wayside_journal_damaged_total", "",
                               "Records that were damaged on the disk and skipped");
    jm->flush_seconds =
        metrics_histogram(m, "wayside_journal_flush_seconds", "",
                          "Time to write and flush one group", seconds, COUNT_OF(seconds));
    jm->group_records =
        metrics_histogram(m, "wayside_journal_group_records", "", "Records committed by one flush",
                          records, COUNT_OF(records));
    for (unsigned i = 0; i < SPOOL_REASONS; i++)
        jm->refused[i] = metrics_counter(m, "wayside_journal_refused_total", reasons[i],
                                         "Records that were not taken");
    metrics_ask(m, "wayside_journal_head_seq", "", "Newest durable record", false, ask_cell,
                &j->head);
    metrics_ask(m, "wayside_journal_oldest_seq", "", "Oldest record that is kept", false, ask_cell,
                &j->oldest);
    metrics_ask(m, "wayside_journal_segments", "", "Segment files", false, ask_cell, &j->segments);
    metrics_ask(m, "wayside_journal_size_bytes", "", "Bytes of all segment files", false, ask_cell,
                &j->bytes);
}

static int check_options(const struct journal_options *o, struct fault *f)
{
    if (o->segment_bytes < KIB(64) || o->segment_bytes > MIB(64))
        return fault_set(f, ERR_VALUE, "a segment is 64 KiB to 64 MiB");
    if (o->quota_bytes < 4 * o->segment_bytes)
        return fault_set(f, ERR_VALUE, "the quota is at least four segments");
    return 0;
}

int journal_open(const char *dir, const struct journal_options *o, const struct limits *limits,
                 struct metrics *metrics, struct disk *disk, struct journal **out, struct fault *f)
{
    struct journal *j;
    int rc = check_options(o, f);

    if (rc == 0 && !disk)
        rc = disk_open(dir, true, &disk, f);
    if (rc < 0) {
        if (disk)
            disk->ops->free(disk);
        return rc;
    }
    j = NEW(struct journal);
    j->disk = disk;
    j->o = *o;
    rc = spool_open(&j->spool, disk, o, limits->record_payload_max_bytes, f);
    if (rc < 0) {
        disk->ops->free(disk);
        mem_free(j);
        return rc == ERR_BUSY ? fault_set(f, rc,
                                          "another process has the journal %.300s open; stop it, "
                                          "or give this node a folder of its own (node.data)",
                                          dir)
                              : rc;
    }
    queue_init(&j->appends);
    queue_init(&j->asks);
    queue_init(&j->retired);
    list_init(&j->watches);
    list_init(&j->cursors);
    j->registry = metrics;
    j->gate = gate_new();
    (void)spool_look_at_disk(&j->spool);
    publish(j);
    register_metrics(j, metrics);
    j->thread = thread_start("journal", committer, j);
    *out = j;
    return 0;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    cell_set(&j->stopping, 1);
    gate_open(j->gate);
    thread_join(j->thread);
    assert(queue_is_empty(&j->appends) && queue_is_empty(&j->asks) && list_empty(&j->watches));
    (void)spool_finish(&j->spool);
    spool_close(&j->spool);
    while (!list_empty(&j->cursors))
        mem_free(container_of(list_pop_front(&j->cursors), struct journal_cursor, link));
    gate_free(j->gate);
    j->disk->ops->free(j->disk);
    mem_free(j);
}

struct uuid journal_uuid(const struct journal *j)
{
    return j->spool.id.journal; /* never changes while it is open */
}

struct uuid journal_boot(const struct journal *j)
{
    return j->spool.boot; /* neither does this */
}

uint64_t journal_head(const struct journal *j)
{
    return cell_get(&j->head);
}

void journal_status(const struct journal *j, struct journal_status *out)
{
    *out = (struct journal_status){ .head = cell_get(&j->head),
                                    .oldest = cell_get(&j->oldest),
                                    .segments = cell_get(&j->segments),
                                    .bytes = cell_get(&j->bytes),
                                    .quota_bytes = j->o.quota_bytes,
                                    .dropped = cell_get(&j->dropped),
                                    .dropped_ever = cell_get(&j->dropped_ever),
                                    .damaged = cell_get(&j->damaged),
                                    .error = -(int)cell_get(&j->error),
                                    .most_bytes = cell_get(&j->most),
                                    .reserve_bytes = spool_reserve(&j->spool),
                                    .free_bytes = cell_get(&j->free),
                                    .free_floor_bytes = j->o.free_floor_bytes };
}
