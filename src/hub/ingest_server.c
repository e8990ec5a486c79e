/*
 * The order of things is the promise: append, wait for the disk, then acknowledge and publish
 * live. A message whose record cannot be made is refused by name and reason, counted, logged once
 * a minute per client and kept in the file of refused records; nothing else is disturbed.
 *
 * When the journal is full, the first records to find out are refused after their append; from
 * then on messages are refused before it for HUB_FULL_MS, so that a 3.1.1 client (which knows no
 * refusal) is simply not read until there is room. A message of such a client that was the first
 * to find out is parked: neither acknowledged nor dropped, but appended again every HUB_RETRY_MS.
 * What is parked on a worker goes before what comes to it later.
 */
#include "hub/ingest_server.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "base/rfc3339.h"
#include "hub/once.h"
#include "journal/put.h"
#include "wire/mqtt_props.h"

#include <errno.h>
#include <stdio.h>

#define HUB_FULL_MS  1000
#define HUB_RETRY_MS 250

/* One worker's own part. */
struct hub_worker {
    struct once once;
    struct arena arena;
    uint64_t full_until_ms;
    struct hub_ingest *hub;
    struct list parked; /* struct waiting */
    struct timer retry;
    bool stopping;
};

struct hub_ingest {
    struct hub_ingest_options o;
    struct broker *broker;
    struct uplink_server *uplink;
    struct hub_worker *workers;
    struct metric *records[RECORD_KINDS];
    struct metric *refused, *failed;
};

/* A publication or request that waits for the disk. */
struct waiting {
    struct hub_ingest *h;
    struct loop *loop;
    struct broker_token *token; /* NULL: from elsewhere */
    bool canonical;
    bool mute; /* its client cannot be told of a refusal (3.1.1, QoS 1 or 2) */
    struct list link;
    struct journal_put *put; /* while it is parked */
    void (*done)(void *ctx, int code);
    void *ctx;
};

static void live_of_batch(void *ctx, struct loop *l, const struct record *r, bool stored)
{
    hub_ingest_live(ctx, l, r, stored);
}

static void have_of_sender(void *ctx, struct loop *l, const struct uuid *journal, uint64_t first,
                           uint64_t have)
{
    struct hub_ingest *h = ctx;
    char topic[sizeof(UPLINK_HAVE_TOPIC) + UUID_TEXT_LEN], uuid[UUID_TEXT_LEN + 1], digits[48];

    snprintf(topic, sizeof(topic), UPLINK_HAVE_TOPIC "%s", uuid_format(journal, uuid));
    snprintf(digits, sizeof(digits), "%llu %llu", (unsigned long long)first,
             (unsigned long long)have);
    broker_publish_bytes(h->broker, l, str_of(topic), str_of(digits), 0, 0);
}

static bool may_log(void *ctx, struct loop *l, struct str client)
{
    struct hub_ingest *h = ctx;

    return once_may(&h->workers[loop_index(l)].once, client, loop_now_ms(l), NULL);
}

static void on_retry(struct timer *t);
static void on_durable(struct journal_put *p, int code);

struct hub_ingest *hub_ingest_new(const struct hub_ingest_options *o)
{
    static const char *const labels[RECORD_KINDS] = {
        [RECORD_READING] = "kind=\"reading\"", [RECORD_DETECTION] = "kind=\"detection\"",
        [RECORD_STATUS] = "kind=\"status\"",   [RECORD_EVENT] = "kind=\"event\"",
        [RECORD_RESULT] = "kind=\"result\"",
    };
    struct hub_ingest *h = NEW(struct hub_ingest);

    h->o = *o;
    h->workers = mem_new_array(workers_count(o->workers), sizeof(*h->workers));
    for (unsigned i = 0; i < workers_count(o->workers); i++) {
        once_init(&h->workers[i].once, 60000);
        h->workers[i].hub = h;
        list_init(&h->workers[i].parked);
        timer_init(&h->workers[i].retry, workers_loop(o->workers, i), on_retry);
        h->workers[i].arena = arena_init(ingest_arena_bytes(o->limits));
    }
    for (unsigned kind = 1; kind < RECORD_KINDS; kind++)
        if (labels[kind])
            h->records[kind] =
                metrics_counter(o->metrics, "wayside_ingest_records_total", labels[kind],
                                "Records made durable and acknowledged");
    h->refused = metrics_counter(o->metrics, "wayside_ingest_refused_total", "",
                                 "Messages refused because of what they hold");
    h->failed = metrics_counter(o->metrics, "wayside_ingest_failed_total", "",
                                "Records that the journal could not take");
    h->uplink = uplink_server_new(&(struct uplink_server_options){ .journal = o->journal,
                                                                   .limits = o->limits,
                                                                   .metrics = o->metrics,
                                                                   .live = live_of_batch,
                                                                   .have = have_of_sender,
                                                                   .may_log = may_log,
                                                                   .ctx = h });
    return h;
}

void hub_ingest_free(struct hub_ingest *h)
{
    for (unsigned i = 0; i < workers_count(h->o.workers); i++) {
        once_fini(&h->workers[i].once);
        arena_fini(&h->workers[i].arena);
    }
    uplink_server_free(h->uplink);
    mem_free(h->workers);
    mem_free(h);
}

void hub_ingest_set_broker(struct hub_ingest *h, struct broker *b)
{
    h->broker = b;
}

static void tell_refused(struct hub_ingest *h, struct loop *l, struct str who, struct str topic,
                         const struct refusal *why, struct str payload)
{
    struct hub_worker *w = &h->workers[loop_index(l)];
    uint64_t count = 0;

    metric_add(h->refused, 1);
    if (h->o.refused)
        refused_put(h->o.refused, clock_wall_ns(), who, topic, str_of(why->field), why->text,
                    payload);
    if (once_may(&w->once, who, loop_now_ms(l), &count))
        log_warn("ingest", "reading refused", lf_str("client", who), lf_str("topic", topic),
                 lf_text("field", why->field), lf_text("why", why->text),
                 lf_u64("since_last_line", count));
}

void hub_ingest_refused(struct hub_ingest *h, struct loop *l, struct str peer, struct str topic,
                        const struct refusal *why, struct str payload)
{
    tell_refused(h, l, peer, topic, why, payload);
}

/* The record's time and number as user properties, so that a live value can be put in its place
 * among those read back; and the mark by which another hub knows not to ingest it. */
static void live_props(const struct record *r, bool stored, struct buf *out)
{
    char time[RFC3339_SIZE];
    struct buf seq = buf_init(24);

    rfc3339_format(r->wall_ns, time);
    buf_printf(&seq, "%llu", (unsigned long long)r->origin_seq);
    mqtt_props_put_user(out, STR("time"), str_of(time));
    mqtt_props_put_user(out, STR("seq"), buf_str(&seq));
    mqtt_props_put_user(out, STR(INGEST_MARK), STR("1"));
    if (!stored)
        mqtt_props_put_user(out, STR("stored"), STR("0"));
    buf_fini(&seq);
}

void hub_ingest_live(struct hub_ingest *h, struct loop *l, const struct record *r, bool stored)
{
    struct buf topic = buf_init(256), props = buf_init(256);

    if (h->broker && record_is_data(r) && ingest_topic(r, &topic) == 0 && !buf_check(&topic)) {
        live_props(r, stored, &props);
        broker_publish_props(h->broker, l, buf_str(&topic), r->payload, buf_str(&props), 1,
                             r->kind == RECORD_STATUS ? BROKER_RETAIN : 0);
    }
    buf_fini(&topic);
    buf_fini(&props);
}

struct uplink_server *hub_ingest_uplink(struct hub_ingest *h)
{
    return h->uplink;
}

/* Everything that is parked, in its order. */
static void on_retry(struct timer *t)
{
    struct hub_worker *k = container_of(t, struct hub_worker, retry);
    struct list *it;

    while ((it = list_pop_front(&k->parked))) {
        struct waiting *w = container_of(it, struct waiting, link);
        struct journal_put *p = w->put;

        w->put = NULL;
        journal_put(k->hub->o.journal, p);
    }
}

/* Whether the message waits for room instead of being answered. */
static bool park(struct hub_worker *k, struct waiting *w, struct journal_put *p, int code)
{
    if (!w->mute || k->stopping || code == 0 || code == ERR_VALUE || code == ERR_LIMIT)
        return false;
    w->put = p;
    list_push_back(&k->parked, &w->link);
    if (!timer_is_started(&k->retry))
        timer_start(&k->retry, HUB_RETRY_MS);
    return true;
}

static void unpark(void *ctx, struct loop *l)
{
    struct hub_ingest *h = ctx;
    struct hub_worker *k = &h->workers[loop_index(l)];
    struct list *it;

    k->stopping = true;
    timer_stop(&k->retry);
    while ((it = list_pop_front(&k->parked)))
        on_durable(container_of(it, struct waiting, link)->put, ERR_STOPPED);
}

void hub_ingest_stop(struct hub_ingest *h)
{
    workers_each(h->o.workers, unpark, h);
}

static void on_durable(struct journal_put *p, int code)
{
    struct waiting *w = p->ctx;
    struct hub_ingest *h = w->h;

    if (code == -ENOSPC) /* the floor of free space: full in other words */
        code = ERR_FULL;
    if (code == ERR_FULL)
        h->workers[loop_index(w->loop)].full_until_ms = loop_now_ms(w->loop) + HUB_FULL_MS;
    if (park(&h->workers[loop_index(w->loop)], w, p, code))
        return;
    if (code) {
        metric_add(h->failed, 1);
    } else {
        metric_add(h->records[p->record.kind], 1);
    }
    if (w->token)
        broker_publish_done(w->token, code, code == 0,
                            code == ERR_FULL ? "the journal is full" : NULL);
    if (w->done)
        w->done(w->ctx, code);
    if (code == 0 && !w->canonical)
        hub_ingest_live(h, w->loop, &p->record, true);
    mem_free(w);
    journal_put_free(p);
}

static void append(struct hub_ingest *h, struct loop *l, const struct record *r,
                   struct blob *payload, const struct waiting *waiting)
{
    struct waiting *w = NEW(struct waiting);

    *w = *waiting;
    w->h = h;
    w->loop = l;
    journal_put(h->o.journal, journal_put_new(r, payload, l, on_durable, w));
}

void hub_ingest_record(struct hub_ingest *h, struct loop *l, const struct record *r,
                       void (*done)(void *ctx, int code), void *ctx)
{
    append(h, l, r, NULL, &(struct waiting){ .done = done, .ctx = ctx });
}

/* MQTT 5 clients see a constant text; the sentence with the values is in the log. */
static const char *reason_of(const struct refusal *why)
{
    switch (why->code) {
    case ERR_SYNTAX:
        return "the payload is not what this topic takes; see the hub's log";
    case ERR_LIMIT:
        return "the payload is too large or too deep";
    default:
        return "a field is missing or has a value that is not allowed; see the hub's log";
    }
}

int hub_ingest_publish(void *ctx, struct loop *l, const struct broker_message *m,
                       struct broker_token *token, const char **reason)
{
    struct hub_ingest *h = ctx;
    struct hub_worker *w = &h->workers[loop_index(l)];
    struct ingest_message in = { m->topic, m->payload, m->client_id, m->content_type,
                                 clock_wall_ns() };
    struct refusal why = { 0 };
    struct record r = { 0 };
    bool canonical = false;
    struct blob *payload;
    int rc;

    if (str_starts(m->topic, STR(UPLINK_TOPIC)))
        return uplink_server_publish(h->uplink, l, m, token, reason);
    if (str_starts(m->topic, STR(UPLINK_LIVE_TOPIC)))
        return uplink_server_live(h->uplink, l, m, reason);
    rc = ingest_message(h->o.topics, h->o.limits, &in, &w->arena, &r, &canonical, &why);
    if (rc == ERR_UNKNOWN) {
        rc = BROKER_ROUTE;
    } else if (rc) {
        tell_refused(h, l, m->client_id, m->topic, &why, m->payload);
        *reason = reason_of(&why);
        rc = ERR_VALUE;
    } else if (loop_now_ms(l) < w->full_until_ms || !list_empty(&w->parked)) {
        rc = ERR_FULL; /* only what the journal would have to take */
        *reason = "the journal is full";
    } else {
        /* The payload is nearly always the whole message: then one counted copy serves the
         * journal and the subscribers. */
        payload = r.payload.p == m->payload.p && r.payload.n == m->payload.n
                      ? broker_message_blob(m)
                      : NULL;
        if (payload)
            r.payload = blob_str(payload);
        append(h, l, &r, payload,
               &(struct waiting){
                   .token = token, .canonical = canonical, .mute = m->version < 5 && m->qos > 0 });
        blob_unref(payload);
        rc = BROKER_LATER;
    }
    arena_fini(&w->arena);
    return rc;
}
