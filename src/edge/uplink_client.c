/*
 * The uplink at work. Three parties: the journal's watch says when there is news; a thread reads
 * and packs the next batch, since reading may touch the disk; the loop publishes it and moves the
 * cursor when the hub acknowledges. edge/uplink.c decides, this file acts. Nothing is kept in
 * memory that the journal could not give again.
 */
#include "edge/uplink_client.h"

#include "base/cell.h"
#include "base/log.h"
#include "base/mem.h"
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

struct uplink_client {
    struct uplink_options o;
    struct workers *workers;
    struct loop *loop;
    struct uplink machine;
    struct mqtt_client *client;
    struct jobs *jobs;
    struct gate *closed;
    struct timer retry;
    struct buf topic;
    bool stopping;
    uint64_t refusals; /* in a row */
    /* the reading thread's */
    struct journal_cursor *cursor;
    struct journal_reader *reader;
    struct journal_watch *watch;
    struct batch_writer writer;
    struct record *records;
    /* read from any thread */
    struct cell connected, acked, reconnects;
    struct metric *batches, *sent, *bytes, *refused, *up;
};

/* One read: goes to the thread and comes back as mail. */
struct reading {
    struct uplink_client *u;
    struct job job;
    struct mail mail;
    uint64_t after, last;
    uint32_t generation, count;
    int code;
    struct buf batch;
};

static void go_on(struct uplink_client *u);

/* ---- on the reading thread ---- */

/* Packs what the reader gives until the batch is full or nothing is new. */
static int pack(struct uplink_client *u, struct reading *r)
{
    size_t count = 0;
    int rc;

    if (journal_reader_seq(u->reader) != r->after)
        journal_reader_seek(u->reader, r->after);
    rc = journal_reader_next(u->reader, u->records, UPLINK_RECORDS, u->o.batch_bytes / 2, &count);
    for (size_t i = 0; i < count && !rc; i++) {
        rc = batch_add(&u->writer, &u->records[i]);
        if (rc == ERR_FULL && r->count > 0) { /* the rest goes with the next one */
            rc = 0;
            break;
        }
        if (!rc) {
            r->count++;
            r->last = u->records[i].seq;
        }
    }
    if (!rc && r->count > 0)
        rc = batch_finish(&u->writer, BATCH_ZSTD, NULL, &r->batch);
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

/* ---- on the loop ---- */

/* A batch on its way. Its answer counts only for the generation that it was sent in: after a
 * refusal everything is sent again, and what the hub says of the first time must not be taken for
 * an answer to the second. */
struct sent {
    struct uplink_client *u;
    uint32_t generation;
};

static void on_acked(void *ctx, int code, unsigned reason)
{
    struct sent *s = ctx;
    struct uplink_client *u = s->u;
    bool current = s->generation == u->machine.generation && u->machine.connected;

    mem_free(s);
    if (!current || code == ERR_CLOSED || code == ERR_STOPPED)
        return; /* read again after the next connection */
    if (code) {
        /* The hub took none of it (full, or it does not understand it). Nothing may overtake it:
         * begin again from the cursor after a pause. */
        metric_add(u->refused, 1);
        if (u->refusals++ == 0)
            log_warn("uplink", "the hub refused a batch; it is sent again", lf_err("error", code),
                     lf_u64("reason", reason));
        if (!timer_is_started(&u->retry))
            timer_start(&u->retry, UPLINK_RETRY_MS * (u->refusals < 10 ? u->refusals : 10));
        uplink_disconnected(&u->machine);
        return;
    }
    u->refusals = 0;
    cell_set(&u->acked, uplink_acked(&u->machine));
    journal_cursor_advance(u->cursor, cell_get(&u->acked));
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

    *s = (struct sent){ u, r->generation };
    rc = mqtt_client_publish(u->client, &m);
    if (rc) { /* it stays in the journal; begin again from the cursor, after a pause */
        mem_free(s);
        if (rc == ERR_LIMIT && u->refusals++ == 0)
            log_error("uplink", "a batch is larger than the hub takes; nothing can pass it",
                      lf_u64("bytes", r->batch.n),
                      lf_text("do", "raise limits.mqtt_packet_max on the hub"));
        uplink_disconnected(&u->machine);
        if (!timer_is_started(&u->retry))
            timer_start(&u->retry, rc == ERR_LIMIT ? 10 * UPLINK_RETRY_MS : UPLINK_RETRY_MS);
        return;
    }
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
    } else if (uplink_read_done(&u->machine, r->generation, r->last)) {
        publish(u, r);
    }
    buf_fini(&r->batch);
    mem_free(r);
    go_on(u);
}

static void go_on(struct uplink_client *u)
{
    uint64_t after;
    uint32_t generation;
    struct reading *r;

    if (u->stopping || !uplink_want_read(&u->machine, &after, &generation))
        return;
    r = NEW(struct reading);
    r->u = u;
    r->after = after;
    r->generation = generation;
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
    u->watch = journal_watch_loop(u->o.journal, l, on_news, u);
    u->client = mqtt_client_open(l, &co);
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
    u->up = metrics_gauge(m, "wayside_uplink_connected", "", "1 while connected to the hub");
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
    uplink_init(&u->machine, journal_cursor_seq(u->cursor), o->window);
    cell_set(&u->acked, u->machine.acked_seq);
    u->topic = buf_init(128);
    buf_printf(&u->topic, "$wayside/up/1/%s", uuid_format(&id, text));
    /* A single record may be larger than a batch is meant to be; it then goes alone. */
    batch_writer_init(&u->writer, &id, o->batch_bytes + UPLINK_RECORD_MAX);
    u->records = mem_new_array(UPLINK_RECORDS, sizeof(*u->records));
    u->reader = journal_reader_new(o->journal, u->cursor, u->machine.acked_seq, UPLINK_READ_BYTES);
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
    journal_cursor_close(u->cursor);
    batch_writer_fini(&u->writer);
    mem_free(u->records);
    buf_fini(&u->topic);
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
    snprintf(out->hub, sizeof(out->hub), "%s:%u", u->o.host, u->o.port);
}
