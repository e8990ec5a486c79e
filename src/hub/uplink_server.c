/*
 * Batches of other nodes. A batch is appended to this hub's journal as one entry, so it commits
 * whole and its PUBACK says that everything in it is durable here. Each record keeps its origin;
 * a batch that comes twice (its PUBACK was lost) is appended twice and stored once, because the
 * store's cursor of that origin is in the same transaction as the rows.
 *
 * What is refused: a payload that is no batch, a batch of another journal than the topic's, QoS 0
 * (nobody would know whether it arrived).
 */
#include "hub/uplink_server.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "journal/batch.h"

#define UPLINK_RAW_MAX   (8u << 20) /* decompressed; a batch is meant to be far smaller */
#define UPLINK_COUNT_MAX 50000u

struct uplink_server {
    struct journal *journal;
    void (*live)(void *ctx, struct loop *l, const struct record *r);
    void *ctx;
    struct batch_caps caps;
    struct metric *batches, *records, *refused;
};

/* A batch that waits for the disk. */
struct arrival {
    struct uplink_server *u;
    struct loop *loop;
    struct broker_token *token;
    struct blob *payload; /* what the batch views */
    struct batch batch;
    struct journal_entry entry;
};

struct uplink_server *
uplink_server_new(struct journal *j, const struct limits *limits, struct metrics *metrics,
                  void (*live)(void *ctx, struct loop *l, const struct record *r), void *ctx)
{
    struct uplink_server *u = NEW(struct uplink_server);

    u->journal = j;
    u->live = live;
    u->ctx = ctx;
    u->caps = (struct batch_caps){ UPLINK_RAW_MAX, UPLINK_COUNT_MAX,
                                   (size_t)limits->record_payload_max_bytes };
    u->batches = metrics_counter(metrics, "wayside_uplink_received_batches_total", "",
                                 "Batches of other nodes that became durable here");
    u->records = metrics_counter(metrics, "wayside_uplink_received_records_total", "",
                                 "Records in them, repeated ones too");
    u->refused = metrics_counter(metrics, "wayside_uplink_received_refused_total", "",
                                 "Batches that were refused");
    return u;
}

void uplink_server_free(struct uplink_server *u)
{
    mem_free(u);
}

static void arrival_free(struct arrival *a)
{
    batch_fini(&a->batch);
    blob_unref(a->payload);
    mem_free(a);
}

static void on_durable(struct journal_entry *e, int code)
{
    struct arrival *a = container_of(e, struct arrival, entry);

    broker_publish_done(a->token, code, false, code == ERR_FULL ? "the journal is full" : NULL);
    if (code) {
        metric_add(a->u->refused, 1);
    } else {
        metric_add(a->u->batches, 1);
        metric_add(a->u->records, a->batch.header.count);
        for (uint32_t i = 0; i < a->batch.header.count; i++)
            a->u->live(a->u->ctx, a->loop, &a->batch.records[i]);
    }
    arrival_free(a);
}

static int refuse(struct uplink_server *u, const struct broker_message *m, const char *why,
                  const char **reason)
{
    metric_add(u->refused, 1);
    log_warn("uplink", "batch refused", lf_str("client", m->client_id), lf_str("topic", m->topic),
             lf_text("why", why));
    *reason = "not a batch of this journal";
    return ERR_VALUE;
}

int uplink_server_publish(struct uplink_server *u, struct loop *l, const struct broker_message *m,
                          struct broker_token *token, const char **reason)
{
    struct wire_why why = { 0 };
    struct uuid journal;
    struct arrival *a;
    int rc;

    if (m->qos == 0)
        return refuse(u, m, "QoS 0: nobody would know whether it arrived", reason);
    if (uuid_parse(str_skip(m->topic, sizeof(UPLINK_TOPIC) - 1), &journal))
        return refuse(u, m, "the topic does not end in a journal's uuid", reason);
    a = NEW(struct arrival);
    a->u = u;
    a->loop = l;
    a->token = token;
    a->payload = broker_message_blob(m);
    rc = batch_read(blob_str(a->payload), &u->caps, &a->batch, &why);
    if (rc) {
        blob_unref(a->payload);
        mem_free(a);
        return refuse(u, m, why.text ? why.text : err_text(rc), reason);
    }
    if (!uuid_eq(&journal, &a->batch.header.journal)) {
        arrival_free(a);
        return refuse(u, m, "the batch is of another journal than the topic says", reason);
    }
    a->entry = (struct journal_entry){
        .records = a->batch.records, .count = a->batch.header.count, .reply = l, .done = on_durable
    };
    journal_append(u->journal, &a->entry);
    return BROKER_LATER_CONSUME;
}
