/*
 * Batches of other nodes. A batch is appended to this hub's journal as one entry, so it commits
 * whole and its PUBACK says that everything in it is durable here. Each record keeps its origin;
 * a batch that comes twice (its PUBACK was lost) is appended twice and stored once, because the
 * store's cursor of that origin is in the same transaction as the rows.
 *
 * No batch may overtake an earlier one of its journal, nor leave a hole: the store's cursor of that
 * origin would pass what is missing, which would be dropped as a repetition when it comes. So the
 * table of senders is asked on the committer's thread, in the order of the journal itself, and a
 * batch behind a hole is refused; the sender is told up to where it joins and begins again there.
 * What its journal no longer has comes as a gap record then. A mark behind each batch says how far
 * its sender is, so that this is known after a restart too (record.h).
 *
 * There too the times of a sender whose clock is wrong are corrected (clocks.h), before they reach
 * the disk.
 *
 * What is refused: a payload that is no batch, a batch of another journal than the topic's, QoS 0
 * (nobody would know whether it arrived), a batch behind a hole.
 */
#include "hub/uplink_server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "hub/clocks.h"
#include "hub/senders.h"
#include "journal/batch.h"

#include <stdio.h>

#define UPLINK_RAW_MAX   (8u << 20) /* decompressed, beside one record of the largest size */
#define UPLINK_COUNT_MAX 10000u     /* records; a sender puts 4096 into one */
#define UPLINK_CLIENT    64         /* bytes of a client id that are kept */

struct uplink_server {
    struct uplink_server_options o;
    struct batch_caps caps;
    struct senders senders; /* the committer's, but for the cells; see senders.h */
    struct clocks clocks;   /* the committer's */
    struct cell pending;    /* bytes of the batches that wait for the disk */
    struct metric *batches, *records, *refused, *holes, *corrected, *unstored;
};

/* A batch that waits for the disk. */
struct arrival {
    struct uplink_server *u;
    struct loop *loop;
    struct broker_token *token;
    struct blob *payload; /* what the batch views */
    struct batch batch;
    struct journal_entry entry;
    struct mail mail;
    struct sender *sender; /* once it was asked for */
    size_t bytes;          /* of it in memory, counted in `pending` */
    uint64_t have_seq;     /* with ERR_STALE: up to where it joins */
    int64_t arrived_ns;    /* by our wall clock */
    uint64_t delay_max_ns; /* it was under way for no longer when it arrived */
    char client[UPLINK_CLIENT];
};

struct uplink_server *uplink_server_new(const struct uplink_server_options *o)
{
    struct uplink_server *u = NEW(struct uplink_server);

    u->o = *o;
    u->caps = (struct batch_caps){
        .raw_max = UPLINK_RAW_MAX + (size_t)o->limits->record_payload_max_bytes,
        .count_max = UPLINK_COUNT_MAX,
        .payload_max = (size_t)o->limits->record_payload_max_bytes,
    };
    senders_init(&u->senders, (size_t)o->limits->uplink_senders_max);
    clocks_init(&u->clocks, o->limits->clock_error_max_ms * 1000000);
    u->batches = metrics_counter(o->metrics, "wayside_uplink_received_batches_total", "",
                                 "Batches of other nodes that became durable here");
    u->records = metrics_counter(o->metrics, "wayside_uplink_received_records_total", "",
                                 "Records in them, repeated ones too");
    u->refused = metrics_counter(o->metrics, "wayside_uplink_received_refused_total", "",
                                 "Batches that were refused");
    u->holes = metrics_counter(o->metrics, "wayside_uplink_received_holes_total", "",
                               "Batches refused since something before them is missing; their "
                               "senders begin again there");
    u->corrected = metrics_counter(o->metrics, "wayside_uplink_corrected_times_total", "",
                                   "Records whose time was corrected by their machine's uptime");
    u->unstored = metrics_counter(o->metrics, "wayside_uplink_received_live_total", "",
                                  "Newest values that came live, ahead of a backlog");
    return u;
}

void uplink_server_free(struct uplink_server *u)
{
    senders_fini(&u->senders);
    clocks_fini(&u->clocks);
    mem_free(u);
}

void uplink_server_seed(struct uplink_server *u, const struct uuid *journal, uint64_t epoch,
                        uint64_t seq)
{
    senders_seed(&u->senders, journal, epoch, seq);
}

const struct senders *uplink_server_senders(const struct uplink_server *u)
{
    return &u->senders;
}

static void arrival_free(struct arrival *a)
{
    cell_sub(&a->u->pending, a->bytes);
    batch_fini(&a->batch);
    blob_unref(a->payload);
    mem_free(a);
}

/* ---- on the committer's thread ---- */

static void correct(struct arrival *a)
{
    uint64_t count = 0;

    clocks_learn(&a->u->clocks, &a->batch.header.sender, a->arrived_ns, a->delay_max_ns);
    for (uint32_t i = 0; i < a->batch.header.count; i++)
        count += clocks_correct(&a->u->clocks, &a->batch.records[i]);
    if (count > 0)
        metric_add(a->u->corrected, count);
}

static int admit(struct journal_entry *e)
{
    struct arrival *a = container_of(e, struct arrival, entry);
    const struct batch_header *h = &a->batch.header;
    int rc;

    a->sender = sender_of(&a->u->senders, &h->journal);
    if (!a->sender)
        return ERR_FULL;
    e->chain = &a->sender->chain;
    rc = sender_admit(a->sender, h);
    if (rc == 0) {
        sender_says(a->sender, &h->sender, str_of(a->client), a->arrived_ns);
        correct(a);
    }
    return rc;
}

static void deliver(struct mail *m, struct loop *l);

static void on_durable(struct journal_entry *e, int code)
{
    struct arrival *a = container_of(e, struct arrival, entry);

    if (code == 0)
        sender_durable(a->sender, &a->batch.header);
    if (code == ERR_STALE)
        a->have_seq = sender_have(a->sender, &a->batch.header);
    a->mail.deliver = deliver;
    loop_post(a->loop, &a->mail);
}

/* ---- on the worker ---- */

static bool may_log(const struct uplink_server *u, struct loop *l, struct str client)
{
    return !u->o.may_log || u->o.may_log(u->o.ctx, l, client);
}

static void tell_hole(struct arrival *a)
{
    const struct batch_header *h = &a->batch.header;
    char uuid[UUID_TEXT_LEN + 1];

    metric_add(a->u->holes, 1);
    if (may_log(a->u, a->loop, str_of(a->client)))
        log_warn("uplink", "a batch leaves a hole; its sender begins again",
                 lf_text("client", a->client), lf_text("journal", uuid_format(&h->journal, uuid)),
                 lf_u64("have", a->have_seq), lf_u64("first", h->first_seq));
    a->u->o.have(a->u->o.ctx, a->loop, &h->journal, h->first_seq, a->have_seq);
}

/* What the sender's log will say; NULL: it was taken, or the code says enough. */
static const char *why_not(const struct arrival *a, int code)
{
    switch (code) {
    case ERR_FULL:
        return a->sender ? "the journal is full" : "limits.uplink_senders_max is reached";
    case ERR_STALE:
        return "something before this batch is missing here";
    case ERR_EXISTS:
        return "it holds records of this node: two nodes send to each other, or one is a copy";
    case ERR_LIMIT:
        return "a record is larger than this node's journal takes";
    default:
        return NULL;
    }
}

static void deliver(struct mail *m, struct loop *l)
{
    struct arrival *a = container_of(m, struct arrival, mail);
    struct uplink_server *u = a->u;
    int code = a->entry.code;
    const char *why = why_not(a, code);

    if (code == ERR_STALE)
        tell_hole(a); /* before its refusal, so that it knows where to begin again */
    broker_publish_done(a->token, code == ERR_STALE ? ERR_BUSY : code, false, why);
    if (code) {
        metric_add(u->refused, 1);
    } else {
        metric_add(u->batches, 1);
        metric_add(u->records, a->batch.header.count);
        for (uint32_t i = 0; i < a->batch.header.count; i++)
            u->o.live(u->o.ctx, l, &a->batch.records[i], true);
    }
    arrival_free(a);
}

static int refuse(struct uplink_server *u, struct loop *l, const struct broker_message *m, int code,
                  const char *why, const char **reason)
{
    metric_add(u->refused, 1);
    if (may_log(u, l, m->client_id))
        log_warn("uplink", "batch refused", lf_str("client", m->client_id),
                 lf_str("topic", m->topic), lf_text("why", why));
    *reason = why;
    return code;
}

/* Counts what the batch will take in memory before any of it is taken: a small payload may hold a large
 * batch, and many may wait for a slow disk. */
static int reserve(struct uplink_server *u, struct arrival *a, struct wire_why *why)
{
    struct batch_header h;
    uint64_t all;
    int rc = batch_read_header(blob_str(a->payload), &h, why);

    if (rc < 0)
        return rc;
    if (h.raw_bytes > u->caps.raw_max || h.count > u->caps.count_max)
        return ERR_LIMIT;
    a->bytes = sizeof(*a) + blob_str(a->payload).n + h.raw_bytes +
               ((size_t)h.count + 1) * sizeof(struct record);
    all = cell_add(&u->pending, a->bytes);
    /* One alone is always taken, so that a low limit is slow and no dead end. */
    return all > a->bytes && all > u->o.limits->uplink_pending_max_bytes ? ERR_BUSY : 0;
}

/* The batch of a publication on prefix/{journal uuid}: 0, or a refusal with *reason set. */
static int read_batch(struct uplink_server *u, struct loop *l, const struct broker_message *m,
                      size_t prefix_n, struct arrival **out, const char **reason)
{
    struct wire_why why = { 0 };
    struct arrival *a;
    struct uuid journal;
    int rc;

    if (uuid_parse(str_skip(m->topic, prefix_n), &journal))
        return refuse(u, l, m, ERR_VALUE, "the topic does not end in a journal's uuid", reason);
    a = NEW(struct arrival);
    a->u = u;
    a->payload = broker_message_blob(m);
    rc = reserve(u, a, &why);
    if (rc == ERR_BUSY) {
        arrival_free(a);
        return refuse(u, l, m, rc, "limits.uplink_pending_max is reached: the disk is slow",
                      reason);
    }
    if (rc == 0)
        rc = batch_read(blob_str(a->payload), &u->caps, &a->batch, &why);
    if (rc == 0 && !uuid_eq(&journal, &a->batch.header.journal)) {
        rc = ERR_PROTO;
        why.text = "the batch is of another journal than the topic says";
    }
    if (rc < 0) {
        arrival_free(a);
        return refuse(u, l, m, ERR_VALUE, why.text ? why.text : "a batch larger than is taken here",
                      reason);
    }
    *out = a;
    return 0;
}

/* A sender packs a batch when its connection stands, and sends none that it packed for an earlier
 * one. Time that it now waits for the disk is no delay, since the moment is noted here. The wall
 * clock is read first: if we are stopped between the two, the bound is too wide and not too
 * narrow. */
static void note_arrival(struct arrival *a, const struct broker_message *m)
{
    a->arrived_ns = clock_wall_ns();
    a->delay_max_ns = clock_uptime_ns() - m->since_uptime_ns;
}

/* The mark behind the batch; batch_read() left room for it. */
static void put_mark(struct arrival *a)
{
    const struct batch_header *h = &a->batch.header;

    a->batch.records[h->count] = (struct record){ .kind = RECORD_MARK,
                                                  .wall_ns = a->arrived_ns,
                                                  .origin = h->journal,
                                                  .origin_epoch = h->epoch,
                                                  .origin_seq = h->last_seq };
}

int uplink_server_publish(struct uplink_server *u, struct loop *l, const struct broker_message *m,
                          struct broker_token *token, const char **reason)
{
    struct arrival *a;
    struct str client;
    int rc;

    if (m->qos == 0)
        return refuse(u, l, m, ERR_VALUE, "QoS 0: nobody would know whether it arrived", reason);
    rc = read_batch(u, l, m, sizeof(UPLINK_TOPIC) - 1, &a, reason);
    if (rc < 0)
        return rc;
    a->loop = l;
    a->token = token;
    client = utf8_clip(m->client_id, sizeof(a->client) - 1);
    snprintf(a->client, sizeof(a->client), "%.*s", STR_ARG(client));
    note_arrival(a, m);
    put_mark(a);
    a->entry = (struct journal_entry){ .records = a->batch.records,
                                       .count = (size_t)a->batch.header.count + 1,
                                       .admit = admit,
                                       .done = on_durable };
    journal_append(u->o.journal, &a->entry);
    return BROKER_LATER_CONSUME;
}

int uplink_server_live(struct uplink_server *u, struct loop *l, const struct broker_message *m,
                       const char **reason)
{
    struct arrival *a;
    int rc = read_batch(u, l, m, sizeof(UPLINK_LIVE_TOPIC) - 1, &a, reason);

    if (rc < 0)
        return rc;
    metric_add(u->unstored, a->batch.header.count);
    for (uint32_t i = 0; i < a->batch.header.count; i++)
        u->o.live(u->o.ctx, l, &a->batch.records[i], false);
    arrival_free(a);
    return BROKER_CONSUME;
}
