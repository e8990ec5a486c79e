/*
 * The uplink at work. Three parties: the journal's watch says when there is news; a thread reads
 * and packs the next batch, since reading may touch the disk; the loop publishes it and moves the
 * cursor when the hub acknowledges. edge/uplink.c decides, this file acts. But for whose
 * number was acknowledged last, nothing is kept in memory that the journal could not give again.
 */
#include "edge/uplink_client.h"

#include "base/cell.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "edge/tail.h"
#include "edge/uplink.h"
#include "journal/batch.h"
#include "mqtt/client_io.h"

#include <stdio.h>

#define UPLINK_RECORDS    4096 /* in one batch */
#define UPLINK_READ_BYTES (1u << 18)
#define UPLINK_RECORD_MAX (17u << 20) /* more than the largest record_payload_max_bytes */
#define UPLINK_RETRY_MS   200         /* after a failed read of the journal, or a refused batch */
#define UPLINK_USER_MS    4000        /* a dead path is noticed by then */
#define UPLINK_PING_MS    2000        /* quiet so long: ask the hub whether it is there */
#define UPLINK_TELL_MS    60000       /* so often it is said that a batch is refused */
#define UPLINK_LIVE_MS    1000        /* while the hub is behind: how often newest values go out */
#define UPLINK_LIVE_BACK  5000u       /* records that are looked through for them at most */

struct uplink_client {
    struct uplink_options o;
    struct workers *workers;
    struct loop *loop;
    struct uplink machine;
    struct mqtt_client *client;
    struct jobs *jobs;
    struct gate *closed;
    struct timer retry, pace, beat;
    struct buf topic, live_topic, have_topic;
    uint64_t acked_at, acked_epoch; /* the last number that the hub acknowledged, and whose it is */
    bool stopping, looking;         /* looking: for newest values, on the thread */
    uint64_t refusals;              /* in a row */
    uint64_t tell_ms;               /* not before: the next log line about them */
    /* the reading thread's */
    struct journal_cursor *cursor;
    struct journal_reader *reader;
    struct journal_watch *watch;
    struct batch_writer writer;
    struct record *records;
    struct life_span life;             /* of the last number that was looked up */
    uint64_t packed_seq, packed_epoch; /* of the last batch */
    struct journal_reader *tail;
    uint64_t tail_seq; /* newest values up to here went out */
    /* read from any thread */
    struct cell connected, acked, reconnects, rewinds;
    struct cell oldest; /* device time of the last record that the hub has acknowledged */
    struct metric *batches, *sent, *bytes, *refused, *up, *live, *rewound;
};

/* One read: goes to the thread and comes back as mail. */
struct reading {
    struct uplink_client *u;
    struct job job;
    struct mail mail;
    uint64_t after, last, back; /* back: see uplink.h */
    uint64_t acked_epoch; /* whose `after` is, where the hub acknowledged that; 0: not known */
    uint64_t epoch;       /* whose the batch is */
    uint32_t generation, count;
    int code;
    int64_t last_ns; /* device time of its last record */
    struct buf batch;
};

static void go_on(struct uplink_client *u);

/* ---- on the reading thread ---- */

static struct batch_sender sender_now(const struct uplink_client *u)
{
    struct journal_status js;

    journal_status(u->o.journal, &js);
    return (struct batch_sender){ .boot = journal_boot(u->o.journal),
                                  .uptime_ns = clock_uptime_ns(),
                                  .wall_ns = clock_wall_ns(),
                                  .head_seq = js.head,
                                  .dropped = js.dropped_ever };
}

/* Whose number seq is. The start that runs is asked for once. */
static struct life_span life_of(struct uplink_client *u, uint64_t seq)
{
    if (u->life.last != UINT64_MAX || seq < u->life.first)
        u->life = journal_life(u->o.journal, seq);
    return u->life;
}

/* What a record says itself counts before what the journal thinks of its number: the two differ when
 * a segment that was lost came back. */
static uint64_t epoch_of(const struct uplink_client *u, const struct record *r,
                         const struct life_span *life)
{
    return uuid_eq(&r->origin, &u->writer.journal) ? r->origin_epoch : life->epoch;
}

/* Names the start of the batch and the one before it; see batch.h and uplink.h. */
static void begin(struct uplink_client *u, struct reading *r, const struct life_span *life)
{
    struct life_span before = { 0 };

    if (r->after > 0)
        before = life_of(u, r->after);
    if (r->after > 0 && r->after == u->packed_seq)
        before.epoch = u->packed_epoch;
    else if (r->acked_epoch != 0)
        before.epoch = r->acked_epoch;
    r->back = before.first > 0 ? before.first - 1 : 0;
    u->packed_epoch = epoch_of(u, &u->records[0], life);
    batch_begin(&u->writer, u->packed_epoch, before.epoch);
}

/* Whether a batch that is begun may go on with r. */
static bool same_start(const struct uplink_client *u, const struct record *r,
                       const struct life_span *life)
{
    return r->seq <= life->last && epoch_of(u, r, life) == u->packed_epoch;
}

/* Packs what the reader gives until the batch is full, nothing is new, or the numbers of another
 * start begin. */
static int pack(struct uplink_client *u, struct reading *r)
{
    struct batch_sender sender = sender_now(u);
    struct life_span life;
    size_t count = 0;
    int rc;

    if (r->after < journal_cursor_seq(u->cursor)) /* what follows is needed again */
        journal_cursor_rewind(u->cursor, r->after);
    if (journal_reader_seq(u->reader) != r->after)
        journal_reader_seek(u->reader, r->after);
    rc = journal_reader_next(u->reader, u->records, UPLINK_RECORDS, u->o.batch_bytes / 2, &count);
    if (rc || count == 0)
        return rc;
    life = life_of(u, u->records[0].seq);
    begin(u, r, &life);
    for (size_t i = 0; i < count && !rc && (i == 0 || same_start(u, &u->records[i], &life)); i++) {
        rc = batch_add(&u->writer, &u->records[i]);
        if (rc == ERR_FULL && r->count > 0) { /* the rest goes with the next one */
            rc = 0;
            break;
        }
        if (!rc) {
            r->count++;
            r->last = u->records[i].seq;
            r->last_ns = u->records[i].wall_ns;
        }
    }
    if (!rc && r->count > 0)
        rc = batch_finish(&u->writer, BATCH_ZSTD, &sender, &r->batch);
    u->packed_seq = rc ? 0 : r->last;
    r->epoch = u->packed_epoch;
    if (rc) { /* leave nothing half packed for the next read */
        struct buf waste = buf_init(2 * u->writer.raw.max + 4096);

        r->last = 0;
        (void)!batch_finish(&u->writer, BATCH_PLAIN, NULL, &waste);
        buf_fini(&waste);
    }
    return rc;
}

static void delivered(struct mail *m, struct loop *l);

static void run_read(struct job *job, void *ctx)
{
    struct reading *r = container_of(job, struct reading, job);
    struct uplink_client *u = ctx;

    r->code = pack(u, r);
    r->mail.deliver = delivered;
    loop_post(u->loop, &r->mail);
}

/* ---- newest values, ahead of a backlog ---- */

#define LIVE_MOST 200 /* values in one beat */

/* One look at the newest records: goes to the thread and comes back as mail. */
struct look {
    struct uplink_client *u;
    struct job job;
    struct mail mail;
    struct batch_writer writer;
    size_t count;
    struct buf batch[LIVE_MOST];
};

static void put_live(struct look *k, const struct record *r)
{
    struct batch_sender sender = sender_now(k->u);

    k->batch[k->count] = buf_init(r->payload.n + 4096);
    if (batch_add(&k->writer, r) == 0 &&
        batch_finish(&k->writer, BATCH_PLAIN, &sender, &k->batch[k->count]) == 0)
        k->count++;
    else
        buf_fini(&k->batch[k->count]);
}

/* Steps over the records behind `after` up to `head`, in the first pass to note the newest of each
 * stream, in the second to take them. */
static void pass(struct look *k, uint64_t after, uint64_t head, struct tail *t, bool take)
{
    struct uplink_client *u = k->u;
    size_t count = 1;

    journal_reader_seek(u->tail, after);
    while (count > 0 && journal_reader_seq(u->tail) < head) {
        if (journal_reader_next(u->tail, u->records, UPLINK_RECORDS, UPLINK_READ_BYTES, &count))
            return;
        for (size_t i = 0; i < count && u->records[i].seq <= head; i++) {
            if (!take)
                tail_note(t, &u->records[i]);
            else if (k->count < LIVE_MOST && tail_is_newest(t, &u->records[i]))
                put_live(k, &u->records[i]);
        }
    }
}

static void looked(struct mail *m, struct loop *l);

static void run_look(struct job *job, void *ctx)
{
    struct look *k = container_of(job, struct look, job);
    struct uplink_client *u = ctx;
    struct uuid id = journal_uuid(u->o.journal);
    uint64_t head = journal_head(u->o.journal);
    uint64_t after = head > UPLINK_LIVE_BACK ? head - UPLINK_LIVE_BACK : 0;
    struct tail t;

    if (after < u->tail_seq)
        after = u->tail_seq;
    tail_init(&t);
    batch_writer_init(&k->writer, &id, u->o.batch_bytes + UPLINK_RECORD_MAX);
    pass(k, after, head, &t, false);
    pass(k, after, head, &t, true);
    u->tail_seq = head;
    batch_writer_fini(&k->writer);
    tail_fini(&t);
    k->mail.deliver = looked;
    loop_post(u->loop, &k->mail);
}

static void looked(struct mail *m, struct loop *l)
{
    struct look *k = container_of(m, struct look, mail);
    struct uplink_client *u = k->u;

    (void)l;
    for (size_t i = 0; i < k->count; i++) {
        struct mqtt_client_message msg = { .topic = buf_str(&u->live_topic),
                                           .payload = buf_str(&k->batch[i]) };

        if (!u->stopping && mqtt_client_publish(u->client, &msg) == 0)
            metric_add(u->live, 1);
        buf_fini(&k->batch[i]);
    }
    u->looking = false;
    mem_free(k);
}

static void on_beat(struct timer *t)
{
    struct uplink_client *u = container_of(t, struct uplink_client, beat);
    struct look *k;

    timer_start(&u->beat, UPLINK_LIVE_MS);
    if (!uplink_lags(&u->machine, journal_head(u->o.journal)) || u->looking)
        return;
    u->looking = true;
    k = NEW(struct look);
    k->u = u;
    k->job.run = run_look;
    jobs_push(u->jobs, &k->job);
}

/* ---- on the loop ---- */

/* A batch on its way. Its answer counts only for the generation that it was sent in: after a
 * refusal everything is sent again, and what the hub says of the first time must not be taken for
 * an answer to the second. */
struct sent {
    struct uplink_client *u;
    uint32_t generation;
    uint64_t epoch;  /* whose its numbers are */
    int64_t last_ns; /* device time of its last record */
};

/* Once at first, then once a minute while it goes on: nothing passes what the hub does not take. */
static void tell_refused(struct uplink_client *u, int code, unsigned reason, struct str text)
{
    uint64_t now_ms = clock_mono_ns() / 1000000;

    if (u->refusals++ > 0 && now_ms < u->tell_ms)
        return;
    u->tell_ms = now_ms + UPLINK_TELL_MS;
    log_warn("uplink", "the hub refused a batch; it is sent again", lf_err("error", code),
             lf_u64("reason", reason), lf_str("text", text),
             lf_u64("first", u->machine.acked_seq + 1), lf_u64("times", u->refusals));
}

static void on_acked(void *ctx, int code, unsigned reason, struct str text)
{
    struct sent *s = ctx;
    struct uplink_client *u = s->u;
    int64_t last_ns = s->last_ns;
    uint64_t epoch = s->epoch;
    bool current = s->generation == u->machine.generation && u->machine.connected;

    mem_free(s);
    if (!current || code == ERR_CLOSED || code == ERR_STOPPED)
        return; /* read again after the next connection */
    if (code) {
        /* The hub took none of it (full, or it does not understand it). Nothing may overtake it:
         * begin again from the cursor after a pause. */
        metric_add(u->refused, 1);
        tell_refused(u, code, reason, text);
        if (!timer_is_started(&u->retry))
            timer_start(&u->retry, UPLINK_RETRY_MS * (u->refusals < 10 ? u->refusals : 10));
        uplink_disconnected(&u->machine);
        return;
    }
    u->refusals = 0;
    cell_set(&u->acked, uplink_acked(&u->machine));
    u->acked_at = cell_get(&u->acked);
    u->acked_epoch = epoch;
    journal_cursor_advance(u->cursor, cell_get(&u->acked));
    cell_set(&u->oldest, (uint64_t)last_ns);
    metric_add(u->batches, 1);
    go_on(u);
}

static void publish(struct uplink_client *u, struct reading *r)
{
    struct sent *s = NEW(struct sent);
    struct mqtt_client_message m = { .topic = buf_str(&u->topic),
                                     .payload = buf_str(&r->batch),
                                     .qos = 1,
                                     .done = on_acked,
                                     .done_ctx = s };
    int rc;

    *s = (struct sent){ u, r->generation, r->epoch, r->last_ns };
    rc = mqtt_client_publish(u->client, &m);
    if (rc) { /* it stays in the journal; begin again from the cursor, after a pause */
        mem_free(s);
        if (rc == ERR_LIMIT)
            tell_refused(
                u, rc, 0,
                STR("it is larger than the hub takes: raise limits.mqtt_packet_max there"));
        uplink_disconnected(&u->machine);
        if (!timer_is_started(&u->retry))
            timer_start(&u->retry, rc == ERR_LIMIT ? 10 * UPLINK_RETRY_MS : UPLINK_RETRY_MS);
        return;
    }
    uplink_sent(&u->machine, clock_mono_ns() / 1000, r->batch.n);
    metric_add(u->sent, r->count);
    metric_add(u->bytes, r->batch.n);
}

static void delivered(struct mail *m, struct loop *l)
{
    struct reading *r = container_of(m, struct reading, mail);
    struct uplink_client *u = r->u;

    (void)l;
    if (r->code) {
        uplink_read_failed(&u->machine);
        log_warn("uplink", "the journal cannot be read; trying again", lf_err("error", r->code));
        if (!u->stopping)
            timer_start(&u->retry, UPLINK_RETRY_MS);
    } else if (uplink_read_done(&u->machine, r->generation, r->last, r->back)) {
        publish(u, r);
    }
    buf_fini(&r->batch);
    mem_free(r);
    go_on(u);
}

static void go_on(struct uplink_client *u)
{
    uint64_t after, wait_us = 0;
    uint32_t generation;
    struct reading *r;

    if (u->stopping)
        return;
    if (!uplink_want_read(&u->machine, clock_mono_ns() / 1000, &after, &generation, &wait_us)) {
        if (wait_us > 0 && !timer_is_started(&u->pace))
            timer_start(&u->pace, wait_us / 1000 + 1);
        return;
    }
    r = NEW(struct reading);
    r->u = u;
    r->after = after;
    r->generation = generation;
    r->acked_epoch = after == u->acked_at ? u->acked_epoch : 0;
    r->batch = buf_init(2 * (u->o.batch_bytes + UPLINK_RECORD_MAX));
    r->job.run = run_read;
    jobs_push(u->jobs, &r->job);
}

static void on_news(void *ctx)
{
    struct uplink_client *u = ctx;

    uplink_news(&u->machine);
    go_on(u);
}

static void on_pace(struct timer *t)
{
    go_on(container_of(t, struct uplink_client, pace));
}

/* "FIRST HAVE", as batch.h says. */
static bool parse_have(struct str s, uint64_t *first, uint64_t *have)
{
    size_t space = str_find(s, ' ');

    return space < s.n && str_to_u64(str_sub(s, 0, space), first) == 0 &&
           str_to_u64(str_skip(s, space + 1), have) == 0;
}

/* The hub has lost some of what it had acknowledged (its disk, or it is another hub): what this
 * journal still has goes out again, and what it has not comes as a gap. */
static void on_message(void *ctx, const struct mqtt_client_delivery *m)
{
    struct uplink_client *u = ctx;
    uint64_t first, have, acked = u->machine.acked_seq;

    if (!str_eq(m->topic, buf_str(&u->have_topic)) || !parse_have(m->payload, &first, &have) ||
        !uplink_rewind(&u->machine, first, have))
        return;
    log_warn("uplink", "the hub lacks records that it had acknowledged; they are sent again",
             lf_u64("from", u->machine.acked_seq + 1), lf_u64("acked", acked));
    metric_add(u->rewound, 1);
    cell_add(&u->rewinds, 1);
    cell_set(&u->acked, u->machine.acked_seq);
    go_on(u);
}

static void on_retry(struct timer *t)
{
    struct uplink_client *u = container_of(t, struct uplink_client, retry);

    if (!u->machine.connected && mqtt_client_is_connected(u->client))
        uplink_connected(&u->machine);
    uplink_news(&u->machine);
    go_on(u);
}

static void on_connected(void *ctx, bool session_present)
{
    struct uplink_client *u = ctx;

    (void)session_present;
    log_info("uplink", "connected", lf_text("hub", u->o.host), lf_u64("port", u->o.port),
             lf_u64("acked", u->machine.acked_seq));
    cell_set(&u->connected, 1);
    metric_set(u->up, 1);
    uplink_connected(&u->machine);
    go_on(u);
}

static void on_disconnected(void *ctx, int code, unsigned reason, struct str text,
                            unsigned retry_ms)
{
    struct uplink_client *u = ctx;

    if (cell_swap(&u->connected, 0) || cell_get(&u->reconnects) == 0)
        log_warn("uplink", "not connected; everything stays in the journal",
                 lf_text("hub", u->o.host), lf_u64("port", u->o.port), lf_err("error", code),
                 lf_u64("reason", reason), lf_str("text", text), lf_u64("retry_ms", retry_ms));
    cell_add(&u->reconnects, 1);
    metric_set(u->up, 0);
    uplink_disconnected(&u->machine);
}

static const struct mqtt_client_handler handler = {
    .connected = on_connected,
    .disconnected = on_disconnected,
    .message = on_message,
};

/* ---- start and stop ---- */

static void open_client(void *ctx, struct loop *l)
{
    struct uplink_client *u = ctx;
    struct mqtt_client_options co = {
        .host = u->o.host,
        .port = u->o.port,
        .tls = u->o.tls,
        .client_id = u->o.node_id,
        .username = u->o.user,
        .password = u->o.password,
        .connect_timeout_ms = 5000,
        .keep_alive_s = 60,
        .ping_after_ms = UPLINK_PING_MS,
        .ping_timeout_ms = UPLINK_PING_MS,
        .user_timeout_ms = UPLINK_USER_MS,
        .inflight_max = UPLINK_WINDOW_MAX,
        .metrics = u->o.metrics,
        .metrics_name = "uplink",
        .handler = &handler,
        .ctx = u,
    };

    if (l != u->loop)
        return;
    timer_init(&u->retry, l, on_retry);
    timer_init(&u->pace, l, on_pace);
    timer_init(&u->beat, l, on_beat);
    timer_start(&u->beat, UPLINK_LIVE_MS);
    u->watch = journal_watch_loop(u->o.journal, l, on_news, u);
    u->client = mqtt_client_open(l, &co);
    (void)!mqtt_client_subscribe(u->client, buf_str(&u->have_topic), 0);
}

static void add_metrics(struct uplink_client *u)
{
    struct metrics *m = u->o.metrics;

    u->batches =
        metrics_counter(m, "wayside_uplink_batches_total", "", "Batches that the hub acknowledged");
    u->sent = metrics_counter(m, "wayside_uplink_records_sent_total", "",
                              "Records sent to the hub, repeated ones too");
    u->bytes = metrics_counter(m, "wayside_uplink_sent_bytes_total", "",
                               "Bytes of batches sent to the hub");
    u->refused = metrics_counter(m, "wayside_uplink_refused_total", "",
                                 "Batches that the hub refused; they are sent again");
    u->live = metrics_counter(m, "wayside_uplink_live_total", "",
                              "Newest values that were sent ahead of a backlog, to be shown");
    u->rewound = metrics_counter(m, "wayside_uplink_rewinds_total", "",
                                 "Times that the hub had lost what it had acknowledged");
    u->up = metrics_gauge(m, "wayside_uplink_connected", "", "1 while connected to the hub");
}

/* Before the thread runs: the first record that waits. */
static void find_oldest(struct uplink_client *u)
{
    size_t count = 0;

    if (journal_reader_next(u->reader, u->records, 1, 1, &count) == 0 && count > 0)
        cell_set(&u->oldest, (uint64_t)u->records[0].wall_ns);
    journal_reader_seek(u->reader, u->machine.acked_seq);
}

int uplink_start(struct workers *w, const struct uplink_options *o, struct uplink_client **out,
                 struct fault *f)
{
    struct uplink_client *u = NEW(struct uplink_client);
    struct uuid id = journal_uuid(o->journal);
    char text[UUID_TEXT_LEN + 1];
    int rc;

    u->o = *o;
    u->workers = w;
    u->loop = workers_loop(w, 0);
    rc = journal_cursor_open(o->journal, "uplink", &u->cursor);
    if (rc) {
        mem_free(u);
        return fault_set(f, rc, "the journal's cursor of the uplink cannot be opened: %s",
                         err_text(rc));
    }
    uplink_init(&u->machine, journal_cursor_seq(u->cursor), o->window, o->rate);
    cell_set(&u->acked, u->machine.acked_seq);
    u->topic = buf_init(128);
    u->live_topic = buf_init(128);
    u->have_topic = buf_init(128);
    buf_printf(&u->topic, UPLINK_TOPIC "%s", uuid_format(&id, text));
    buf_printf(&u->live_topic, UPLINK_LIVE_TOPIC "%s", text);
    buf_printf(&u->have_topic, UPLINK_HAVE_TOPIC "%s", text);
    /* A single record may be larger than a batch is meant to be; it then goes alone. */
    batch_writer_init(&u->writer, &id, o->batch_bytes + UPLINK_RECORD_MAX);
    u->records = mem_new_array(UPLINK_RECORDS, sizeof(*u->records));
    u->reader = journal_reader_new(o->journal, u->cursor, u->machine.acked_seq, UPLINK_READ_BYTES);
    find_oldest(u);
    u->tail = journal_reader_new(o->journal, NULL, 0, UPLINK_READ_BYTES);
    u->jobs = jobs_start("uplink", u, 0, NULL);
    u->closed = gate_new();
    add_metrics(u);
    workers_each(w, open_client, u);
    *out = u;
    return 0;
}

static void client_closed(void *ctx)
{
    struct uplink_client *u = ctx;

    gate_open(u->closed);
}

static void close_client(void *ctx, struct loop *l)
{
    struct uplink_client *u = ctx;

    if (l != u->loop)
        return;
    u->stopping = true;
    uplink_disconnected(&u->machine); /* a read that is under way may outlive the client */
    timer_stop(&u->retry);
    timer_stop(&u->pace);
    timer_stop(&u->beat);
    journal_unwatch(u->watch);
    mqtt_client_close(u->client, client_closed, u);
}

/* Runs on the loop after the last reading was delivered: mail keeps its order. */
static void nothing(void *ctx, struct loop *l)
{
    (void)ctx;
    (void)l;
}

void uplink_stop(struct uplink_client *u)
{
    workers_each(u->workers, close_client, u);
    while (!gate_wait(u->closed, 1000))
        ;
    jobs_stop(u->jobs);
    workers_each(u->workers, nothing, u);
    journal_reader_free(u->reader);
    journal_reader_free(u->tail);
    journal_cursor_close(u->cursor);
    batch_writer_fini(&u->writer);
    mem_free(u->records);
    buf_fini(&u->topic);
    buf_fini(&u->live_topic);
    buf_fini(&u->have_topic);
    gate_free(u->closed);
    mem_free(u);
}

void uplink_status(const struct uplink_client *u, struct uplink_status *out)
{
    uint64_t head = journal_head(u->o.journal);

    out->connected = cell_get(&u->connected);
    out->acked_seq = cell_get(&u->acked);
    out->backlog = head > out->acked_seq ? head - out->acked_seq : 0;
    out->reconnects = cell_get(&u->reconnects);
    out->oldest_ns = out->backlog > 0 ? (int64_t)cell_get(&u->oldest) : 0;
    out->rewinds = cell_get(&u->rewinds);
    snprintf(out->hub, sizeof(out->hub), "%s:%u", u->o.host, u->o.port);
}
