/*
 * Batches of other nodes. A batch is appended to this hub's journal as one entry, so it commits
 * whole and its PUBACK says that everything in it is durable here. Each record keeps its origin;
 * a batch that comes twice (its PUBACK was lost) is appended twice and stored once, because the
 * store's cursor of that origin is in the same transaction as the rows.
 *
 * No batch may overtake an earlier one of its journal: the store's cursor of that origin would pass
 * the earlier one, which would be dropped as a repetition when it comes again. So the batches of a
 * connection are a chain in the journal (journal.h): behind one that was refused all are, until the
 * sender begins again at the hole. A lane remembers that, per worker, journal and peer. The peer is
 * part of it because a sender that went on elsewhere and comes back need not fill an old hole.
 *
 * What is refused: a payload that is no batch, a batch of another journal than the topic's, QoS 0
 * (nobody would know whether it arrived), a batch behind a hole.
 */
#include "hub/uplink_server.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "journal/batch.h"

#define UPLINK_RAW_MAX   (8u << 20) /* decompressed; a batch is meant to be far smaller */
#define UPLINK_COUNT_MAX 50000u

#define UPLINK_LANES_MAX 1024 /* of a worker, with a hole and no batch under way */

/* The batches of one journal from one peer; the worker's. It exists while some are under way or
 * there is a hole. */
struct lane {
    struct list link;
    struct uuid journal;
    struct addr peer;
    struct chain *chain; /* of the batches to come; NULL: a new one */
    uint64_t hole;       /* first seq of what was refused; 0: none */
    size_t pending;
};

/* Kept by every batch of it that is under way. */
struct chain {
    struct journal_chain journal;
    size_t refs;
};

struct uplink_server {
    struct list *lanes; /* per worker, the longest unused first */
    size_t *lane_counts;
    unsigned worker_count;
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
    struct lane *lane;
    struct chain *chain;
    struct blob *payload; /* what the batch views */
    struct batch batch;
    struct journal_entry entry;
};

struct uplink_server *
uplink_server_new(struct journal *j, unsigned workers, const struct limits *limits,
                  struct metrics *metrics,
                  void (*live)(void *ctx, struct loop *l, const struct record *r), void *ctx)
{
    struct uplink_server *u = NEW(struct uplink_server);

    u->worker_count = workers;
    u->lanes = mem_new_array(workers, sizeof(*u->lanes));
    u->lane_counts = mem_new_array(workers, sizeof(*u->lane_counts));
    for (unsigned i = 0; i < workers; i++)
        list_init(&u->lanes[i]);
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

/* ---- lanes ---- */

static void chain_unref(struct chain *c)
{
    if (c && --c->refs == 0)
        mem_free(c);
}

static void lane_free(struct uplink_server *u, unsigned worker, struct lane *lane)
{
    chain_unref(lane->chain);
    list_remove(&lane->link);
    u->lane_counts[worker]--;
    mem_free(lane);
}

void uplink_server_free(struct uplink_server *u)
{
    for (unsigned i = 0; i < u->worker_count; i++)
        while (!list_empty(&u->lanes[i]))
            lane_free(u, i, container_of(u->lanes[i].next, struct lane, link));
    mem_free(u->lanes);
    mem_free(u->lane_counts);
    mem_free(u);
}

static void lane_forget_oldest(struct uplink_server *u, unsigned worker)
{
    LIST_EACH (it, &u->lanes[worker]) {
        struct lane *lane = container_of(it, struct lane, link);

        if (lane->pending == 0) {
            lane_free(u, worker, lane);
            return;
        }
    }
}

/* NULL when there is none. */
static struct lane *lane_find(struct uplink_server *u, unsigned worker, const struct uuid *journal,
                              const struct addr *peer)
{
    LIST_EACH (it, &u->lanes[worker]) {
        struct lane *lane = container_of(it, struct lane, link);

        if (uuid_eq(&lane->journal, journal) && addr_eq(&lane->peer, peer))
            return lane;
    }
    return NULL;
}

static struct lane *lane_new(struct uplink_server *u, unsigned worker, const struct uuid *journal,
                             const struct addr *peer)
{
    struct lane *lane = NEW(struct lane);

    if (u->lane_counts[worker] >= UPLINK_LANES_MAX)
        lane_forget_oldest(u, worker);
    lane->journal = *journal;
    lane->peer = *peer;
    list_init(&lane->link);
    list_push_back(&u->lanes[worker], &lane->link);
    u->lane_counts[worker]++;
    return lane;
}

/* Puts the batch behind those of its lane. */
static void lane_enter(struct lane *lane, struct arrival *a)
{
    if (!lane->chain) {
        lane->chain = NEW(struct chain);
        lane->chain->refs = 1;
    }
    lane->hole = 0;
    lane->pending++;
    lane->chain->refs++;
    a->lane = lane;
    a->chain = lane->chain;
}

/* The batch is done. After a refusal its chain takes nothing any more; what was appended to it
 * meanwhile is refused as well, and leaves the hole where it is. */
static void lane_leave(struct arrival *a, int code)
{
    struct lane *lane = a->lane;

    lane->pending--;
    if (code && lane->chain == a->chain) {
        chain_unref(lane->chain);
        lane->chain = NULL;
        lane->hole = a->batch.header.first_seq;
    }
    chain_unref(a->chain);
    if (lane->pending == 0 && lane->hole == 0)
        lane_free(a->u, loop_index(a->loop), lane);
}

/* ---- batches ---- */

static void arrival_free(struct arrival *a)
{
    batch_fini(&a->batch);
    blob_unref(a->payload);
    mem_free(a);
}

static void on_durable(struct journal_entry *e, int code)
{
    struct arrival *a = container_of(e, struct arrival, entry);

    lane_leave(a, code);
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
    struct lane *lane;
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
    lane = lane_find(u, loop_index(l), &journal, m->peer);
    if (lane && lane->hole > 0 && a->batch.header.first_seq > lane->hole) {
        arrival_free(a);
        metric_add(u->refused, 1);
        *reason = "a batch before it was refused";
        return ERR_BUSY;
    }
    lane_enter(lane ? lane : lane_new(u, loop_index(l), &journal, m->peer), a);
    a->entry = (struct journal_entry){ .records = a->batch.records,
                                       .count = a->batch.header.count,
                                       .reply = l,
                                       .done = on_durable,
                                       .chain = &a->chain->journal };
    journal_append(u->journal, &a->entry);
    return BROKER_LATER_CONSUME;
}
