/*
 * The broker's life: its parts on all workers, its listeners, its end; and publishing from inside.
 *
 * Everything in struct broker is set before the first worker sees it and then only read. The parts
 * are made and freed on their own threads (workers_each), so no part is ever touched by another
 * thread than its worker's.
 */
#include "mqtt/broker_part.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "journal/journal.h"

#include <assert.h>

enum { WORKERS_MAX = 1024 };

/* ---- metrics ---- */

static struct metric *counter(struct metrics *m, const char *name, const char *labels,
                              const char *help)
{
    return m ? metrics_counter(m, name, labels, help) : NULL;
}

static void metrics_set_up(struct broker *b, struct metrics *m)
{
    static const char received[] = "MQTT publications received";
    static const char sent[] = "MQTT publications sent to subscribers";
    static const char dropped[] = "MQTT messages dropped on their way to a subscriber";
    static const char denied[] = "MQTT requests that were not authorised";

#define RECEIVED(q) counter(m, "wayside_mqtt_messages_received_total", "qos=\"" #q "\"", received)
#define SENT(q)     counter(m, "wayside_mqtt_messages_sent_total", "qos=\"" #q "\"", sent)
#define DROPPED(c)  counter(m, "wayside_mqtt_messages_dropped_total", "cause=\"" c "\"", dropped)
#define DENIED(a)   counter(m, "wayside_mqtt_denied_total", "action=\"" a "\"", denied)
#define PLAIN(n, h) counter(m, "wayside_mqtt_" n "_total", "", h)
#define GAUGE(n, h) metrics_gauge(m, "wayside_mqtt_" n, "", h)
    b->m = (struct broker_metrics){
        .connects = PLAIN("connects", "CONNECT packets received"),
        .refused = PLAIN("connects_refused", "CONNECT packets refused"),
        .redirected = PLAIN("connects_redirected", "CONNECT packets answered with another server"),
        .received = { RECEIVED(0), RECEIVED(1), RECEIVED(2) },
        .sent = { SENT(0), SENT(1), SENT(2) },
        .received_bytes = PLAIN("received_bytes", "bytes of MQTT packets received"),
        .dropped_slow = DROPPED("slow"),
        .dropped_queue = DROPPED("queue"),
        .dropped_size = DROPPED("size"),
        .dropped_expired = DROPPED("expired"),
        .dropped_oldest = DROPPED("oldest_qos0"),
        .dropped_offline = DROPPED("offline"),
        .dropped_retained = DROPPED("retained"),
        .dropped_mount = DROPPED("mount"),
        .denied_publish = DENIED("publish"),
        .denied_subscribe = DENIED("subscribe"),
        .denied_session = DENIED("session"),
        .refused_ingest = PLAIN("publications_refused", "publications refused by ingestion"),
        .kept_alive = PLAIN("keep_alive_timeouts", "connections ended by keep-alive"),
        .taken_over = PLAIN("sessions_taken_over", "connections ended by a newer one"),
        .overfull = PLAIN("queue_disconnects", "connections ended because their queue was full"),
        .throttled = PLAIN("throttled", "pauses of clients that were faster than allowed"),
        .crowded =
            PLAIN("connects_crowded_out", "connections ended before their CONNECT, to make room"),
        .expired_sessions = PLAIN("sessions_expired", "sessions whose client did not come back"),
        .sockets = PLAIN("sockets", "connections accepted"),
        .packets_in = PLAIN("packets_received", "MQTT packets received"),
        .packets_out = PLAIN("packets_sent", "MQTT packets sent"),
        .sent_bytes = PLAIN("sent_bytes", "bytes of MQTT packets sent"),
        .payload_in = PLAIN("received_payload_bytes", "payloads of publications received"),
        .payload_out = PLAIN("sent_payload_bytes", "payloads of publications sent"),
        .proto_errors = PLAIN("protocol_errors", "packets that broke the protocol"),
        .between = PLAIN("messages_between_workers", "publications posted to another worker"),
    };
    b->m.turned_address =
        counter(m, LISTENER_TURNED_AWAY, "cause=\"address\"", LISTENER_TURNED_AWAY_HELP);
    b->m.turned_handshake =
        counter(m, LISTENER_TURNED_AWAY, "cause=\"handshake\"", LISTENER_TURNED_AWAY_HELP);
    b->m.proxy_refused = m ? metrics_counter(m, LISTENER_PROXY_REFUSED) : NULL;
    /* The count of connections is also asked by the program itself. */
    b->m.connected = metrics_gauge(m, "wayside_mqtt_connections", "", "connected MQTT clients");
    b->m.sessions = GAUGE("sessions", "MQTT sessions, connected or not");
    b->m.subscriptions = GAUGE("subscriptions", "MQTT subscriptions");
    b->m.queued = GAUGE("queued_messages", "messages in the queues of clients");
    b->m.queued_bytes = GAUGE("queued_bytes", "memory of those, each queue by itself");
    b->m.retained_bytes = GAUGE("retained_bytes", "memory of retained messages");
    b->m.unwritten =
        PLAIN("unwritten", "operations of sessions that the broker's log did not take");
    b->m.shared = GAUGE("shared_subscriptions", "MQTT shared subscriptions, groups of members");
    b->m.retained = GAUGE("retained", "retained topics");
#undef RECEIVED
#undef SENT
#undef DROPPED
#undef DENIED
#undef PLAIN
#undef GAUGE
}

/* ---- parts ---- */

unsigned broker_shard(const struct broker *b, struct str key)
{
    return b->count == 1 ? 0 : (unsigned)(siphash(b->key, key) % b->count);
}

static void part_make(void *ctx, struct loop *l)
{
    struct broker *b = ctx;
    struct part *p = NEW(struct part);

    p->b = b;
    p->loop = l;
    p->index = loop_index(l);
    p->mount_room = buf_init(128 * 1024); /* a prefix and a name are shorter than 64 KiB each */
    tree_init(&p->tree);
    list_init(&p->conns);
    list_init(&p->hellos);
    map_init(&p->holdings);
    map_init(&p->sharers);
    map_init(&p->shares);
    list_init(&p->share_list);
    map_init(&p->shares_by_id);
    p->writing = buf_init(SIZE_MAX);
    persist_rounds_init(p);
    memory_init(p);
    p->others = mem_new_array(b->count, sizeof(*p->others));
    p->outboxes = mem_new_array(b->count, sizeof(struct outbox *));
    p->last_stamp = part_stamp(p);
    registry_init(&p->registry, b->limits.mqtt_sessions_max / b->count + 1);
    retained_init(&p->retained);
    b->parts[p->index] = p;
}

static void part_start(void *ctx, struct loop *l)
{
    sys_start(part_of(ctx, l));
    memory_start(part_of(ctx, l));
}

static void topics_keep(struct broker *b, const struct broker_options *o)
{
    if (o->topic_count == 0)
        return;
    b->topic_count = o->topic_count;
    b->topics = mem_new_array(o->topic_count, sizeof(*b->topics));
    for (size_t i = 0; i < o->topic_count; i++) {
        b->topics[i] = o->topics[i];
        b->topics[i].filter.p = str_dup(o->topics[i].filter);
    }
}

static void topics_free(struct broker *b)
{
    for (size_t i = 0; i < b->topic_count; i++)
        mem_free((char *)(uintptr_t)b->topics[i].filter.p);
    mem_free(b->topics);
}

struct broker *broker_new(struct workers *w, const struct broker_options *o)
{
    struct broker *b = NEW(struct broker);

    b->workers = w;
    b->count = workers_count(w);
    assert(b->count <= WORKERS_MAX);
    b->parts = mem_new_array(b->count, sizeof(struct part *));
    b->limits = *o->limits;
    b->session_limits = (struct session_limits){
        .subscriptions_max = (uint32_t)o->limits->mqtt_subscriptions_max,
        .shares_max = (uint32_t)o->limits->mqtt_shared_subscriptions_max,
        .full = o->queue_full,
        .queue_qos0 = o->queue_qos0,
        .inflight_max = (uint32_t)o->limits->mqtt_inflight_max,
        .queue_max_messages = o->limits->mqtt_queue_max_messages,
        .queue_max_bytes = o->limits->mqtt_queue_max_bytes,
    };
    b->authz = o->authz;
    b->on_publish = o->on_publish;
    b->publish_ctx = o->publish_ctx;
    b->places = o->places;
    b->journal = o->journal;
    b->durability = o->durability;
    topics_keep(b, o);
    b->version = o->version ? str_dup(str_of(o->version)) : NULL;
    b->sys_interval_ms = o->sys_interval_ms ? o->sys_interval_ms : 10000;
    random_bytes(b->key, sizeof(b->key));
    b->own_metrics = o->metrics ? NULL : metrics_new();
    metrics_set_up(b, o->metrics ? o->metrics : b->own_metrics);
    b->session_limits.low = &b->memory_low;
    b->session_limits.queued = b->m.queued;
    b->session_limits.queued_bytes = b->m.queued_bytes;
    list_init(&b->listeners);
    list_init(&b->rules);
    b->stopped = gate_new();
    workers_each(w, part_make, b);
    workers_each(w, part_start, b);
    return b;
}

struct broker_rules broker_rules_default(const struct limits *l)
{
    return (struct broker_rules){
        .anonymous = ANONYMOUS_LOCAL,
        .packet_max_bytes = l->mqtt_packet_max_bytes,
        .inflight_max = (uint32_t)l->mqtt_inflight_max,
        .keepalive_max_s = (uint16_t)l->mqtt_keepalive_max_s,
        .topic_alias_max = (uint16_t)l->mqtt_topic_alias_max,
        .qos_max = (uint8_t)l->mqtt_qos_max,
        .retain_available = l->mqtt_retained_max > 0,
        .offline_messages = true,
        .message_rate_max = l->mqtt_message_rate_max,
        .byte_rate_max = l->mqtt_byte_rate_max_bytes,
        .session_expiry_max_s = (uint32_t)(l->mqtt_session_expiry_max_ms / 1000),
        .will_delay_max_s = (uint32_t)(l->mqtt_will_delay_max_ms / 1000),
    };
}

const struct broker_rules *broker_rules_keep(struct broker *b, const struct broker_rules *given)
{
    struct kept_rules *k = NEW(struct kept_rules);

    k->rules = given ? *given : broker_rules_default(&b->limits);
    if (k->rules.mount_point.n > 0)
        k->rules.mount_point.p = str_dup(k->rules.mount_point);
    if (k->rules.server_reference.n > 0)
        k->rules.server_reference.p = str_dup(k->rules.server_reference);
    list_init(&k->link);
    list_push_back(&b->rules, &k->link);
    return &k->rules;
}

int broker_listen(struct broker *b, const struct broker_listen *o, struct addr *out_addr,
                  struct fault *f)
{
    struct broker_listener *bl = NEW(struct broker_listener);
    struct listener_options lo = {
        .addr = o->addr,
        .proxy = o->proxy,
        .tls = o->tls,
        .unix_mode = o->unix_mode,
        .connections_max = o->connections_max ? o->connections_max : b->limits.connections_max,
        .guard = { .per_address_max = b->limits.connections_per_address_max,
                   .handshakes_max = b->limits.tls_handshakes_max,
                   .handshake_timeout_ms = b->limits.tls_handshake_timeout_ms },
        .places = b->places,
        .accepted = conn_accepted,
        .ctx = bl,
    };
    char text[ADDR_TEXT_SIZE];
    int rc;

    lo.proxy.refused = b->m.proxy_refused;
    lo.guard.address = b->m.turned_address;
    lo.guard.handshake = b->m.turned_handshake;
    bl->b = b;
    bl->name = o->name ? o->name : "mqtt";
    bl->rules = broker_rules_keep(b, o->rules);
    rc = listener_open(b->workers, &lo, &bl->l, f);
    if (rc) {
        mem_free(bl);
        return rc;
    }
    list_init(&bl->link);
    list_push_back(&b->listeners, &bl->link);
    if (out_addr)
        *out_addr = *listener_addr(bl->l);
    log_info("mqtt", "listening", lf_text("name", bl->name),
             lf_text("address", addr_format(listener_addr(bl->l), text)),
             lf_bool("tls", o->tls != NULL));
    return 0;
}

/* ---- the end ---- */

struct counting {
    struct broker *b;
    size_t of[WORKERS_MAX]; /* by worker; each writes its own */
};

static void part_stop(void *ctx, struct loop *l)
{
    struct part *p = part_of(ctx, l);

    p->stopping = true;
    sys_stop(p);
    persist_rounds_stop(p);
    memory_stop(p);
    LIST_EACH_SAFE (it, tmp, &p->conns)
        conn_shutdown(container_of(it, struct conn, link));
    while (!list_empty(&p->hellos)) /* this moves it */
        conn_shutdown(container_of(p->hellos.next, struct conn, link));
}

static void part_cut(void *ctx, struct loop *l)
{
    struct part *p = part_of(ctx, l);

    LIST_EACH_SAFE (it, tmp, &p->conns)
        conn_end_transport(container_of(it, struct conn, link), STREAM_NOW, ERR_STOPPED);
}

static void count_connections(void *ctx, struct loop *l)
{
    struct counting *k = ctx;

    k->of[loop_index(l)] = part_of(k->b, l)->conn_count;
}

static void count_letters(void *ctx, struct loop *l)
{
    struct counting *k = ctx;

    k->of[loop_index(l)] = part_of(k->b, l)->letters;
}

static size_t count(struct broker *b, void (*fn)(void *ctx, struct loop *l))
{
    struct counting k = { .b = b };
    size_t n = 0;

    workers_each(b->workers, fn, &k);
    for (unsigned i = 0; i < b->count; i++)
        n += k.of[i];
    return n;
}

void broker_stop(struct broker *b, unsigned deadline_ms)
{
    uint64_t end = clock_mono_ns() / 1000000 + deadline_ms, now;
    bool cut = false;

    LIST_EACH (it, &b->listeners)
        listener_close(container_of(it, struct broker_listener, link)->l);
    workers_each(b->workers, part_stop, b);
    while (count(b, count_connections) > 0) {
        now = clock_mono_ns() / 1000000;
        if (!cut && now >= end) {
            workers_each(b->workers, part_cut, b);
            cut = true;
        }
        gate_wait(b->stopped, cut ? 100 : end - now);
    }
}

void broker_settle(struct broker *b)
{
    while (count(b, count_letters) > 0)
        ;
}

/* Nothing of this part starts anything any more, and all it has said is on its way. */
static void part_quiet(void *ctx, struct loop *l)
{
    struct part *p = part_of(ctx, l);

    holding_quiet_all(p);
    part_flush(p);
}

static void part_free(void *ctx, struct loop *l)
{
    struct broker *b = ctx;
    struct part *p = part_of(b, l);

    assert(p->conn_count == 0);
    holding_free_all(p);
    share_free_all(p);
    buf_fini(&p->mount_room);
    tree_fini(&p->tree);
    registry_fini(&p->registry);
    retained_fini(&p->retained);
    outbox_fini(p);
    mem_free(p->others);
    match_fini(&p->match);
    buf_fini(&p->writing);
    ingest_fini(p);
    persist_fini(p);
    acks_spare_fini(&p->spare_acks);
    questions_free(p->spare_questions);
    sys_free(p);
    mem_free(p);
}

void broker_free(struct broker *b)
{
    struct list *it;

    if (!b)
        return;
    /* Letters under way still need the parts. Those that are not answered (a session has ended, a
     * topic is retained) are delivered in the round after everybody has become quiet. */
    broker_settle(b);
    workers_each(b->workers, part_quiet, b);
    count(b, count_letters);
    if (b->journal) /* what nobody waits for ends on its thread, and is the part's */
        journal_settle(b->journal);
    workers_each(b->workers, part_free, b);
    while ((it = list_pop_front(&b->listeners))) {
        struct broker_listener *bl = container_of(it, struct broker_listener, link);

        listener_free(bl->l);
        mem_free(bl);
    }
    while ((it = list_pop_front(&b->rules))) {
        struct kept_rules *k = container_of(it, struct kept_rules, link);

        if (k->rules.mount_point.n > 0)
            mem_free((char *)(uintptr_t)k->rules.mount_point.p);
        if (k->rules.server_reference.n > 0)
            mem_free((char *)(uintptr_t)k->rules.server_reference.p);
        mem_free(k);
    }
    gate_free(b->stopped);
    if (b->cursor)
        journal_cursor_close(b->cursor);
    if (b->cursor_base)
        journal_cursor_close(b->cursor_base);
    metrics_free(b->own_metrics);
    topics_free(b);
    mem_free(b->version);
    mem_free(b->parts);
    inside_free_all(b);
    mem_free(b);
}

/* ---- publishing from inside ---- */

static bool topic_ok(const struct broker *b, struct str topic)
{
    return mqtt_topic_valid(topic) &&
           mqtt_topic_fits(topic, b->limits.mqtt_topic_max_bytes, b->limits.mqtt_topic_levels_max);
}

int broker_publish_props(struct broker *b, struct loop *l, struct str topic, struct str payload,
                         struct str props, unsigned qos, unsigned flags)
{
    struct publication pub = {
        .src = { .topic = topic,
                 .payload = payload,
                 .props = props,
                 .qos = (uint8_t)qos,
                 .retain = (flags & BROKER_RETAIN) != 0 },
    };

    loop_assert_mine(l);
    assert(qos <= 2);
    if (!topic_ok(b, topic))
        return ERR_VALUE;
    ingest_inside(part_of(b, l), &pub);
    publication_fini(&pub);
    return 0;
}

int broker_publish_bytes(struct broker *b, struct loop *l, struct str topic, struct str payload,
                         unsigned qos, unsigned flags)
{
    return broker_publish_props(b, l, topic, payload, STR_NONE, qos, flags);
}

int broker_publish(struct broker *b, struct loop *l, struct str topic, struct blob *payload,
                   unsigned qos, unsigned flags)
{
    return broker_publish_bytes(b, l, topic, blob_str(payload), qos, flags);
}

struct post_mail {
    struct mail mail;
    struct broker *b;
    struct message *m;
};

static void on_post(struct mail *m, struct loop *l)
{
    struct post_mail *k = container_of(m, struct post_mail, mail);
    struct publication pub = { .src = message_source_of(k->m), .m = k->m };

    ingest_inside(part_of(k->b, l), &pub);
    publication_fini(&pub);
    mem_free(k);
}

int broker_post(struct broker *b, struct str topic, struct blob *payload, unsigned qos,
                unsigned flags)
{
    struct message_source src = { .topic = topic,
                                  .payload = blob_str(payload),
                                  .qos = (uint8_t)qos,
                                  .retain = (flags & BROKER_RETAIN) != 0,
                                  .room = MESSAGE_STAMP };
    struct post_mail *k;

    assert(qos <= 2);
    if (!topic_ok(b, topic))
        return ERR_VALUE;
    k = NEW(struct post_mail);
    k->mail.deliver = on_post;
    k->b = b;
    k->m = message_new(&src);
    loop_post(b->parts[0]->loop, &k->mail);
    return 0;
}
