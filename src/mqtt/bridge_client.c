/*
 * A bridge at work: two MQTT clients on one loop, one at the far server and one at the local broker, and the
 * relay between them.
 *
 *     preparing ──subscribed──► dialing ──far session──► joining ──local session──► open
 *                                  ▲                      │  ▲                        │
 *                                  │                      ▼  │ swept                  │
 *                                  │                    sweeping                      │
 *                                  └──────── either connection ended ─────────────────┘
 *
 *     preparing  the local session is made or found, and subscribes; once, before anybody can publish
 *     dialing    the far client connects, again and again; the local session gathers what comes
 *     joining    the far side's messages are not read yet; the local client connects, with the window that
 *                the far server gave
 *     sweeping   the sessions are no pair (mqtt/bridge_pair.h): ids are released and the mark is written.
 *                What else comes is not looked at, so this connection to the local broker, and to the far
 *                server if it was swept, ends with it, and what they sent comes again
 *     open       packets are handed on, and whoever cannot send stops the reading on the other side
 *
 * Invariant: the local connection stands only while the far one does, and each pair of connections is used
 * for one life: what either server sent without an answer comes again in the next.
 */
#include "mqtt/bridge_client.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/sm.h"
#include "mqtt/bridge_pair.h"
#include "mqtt/bridge_relay.h"
#include "mqtt/bridge_tally.h"
#include "mqtt/client_io.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#define PREPARE_MS 30000
#define TELL_MS    1000  /* how old what others read of its counts may be */
#define PING_MS    10000 /* for the answer to a PINGREQ */
#define USER_MS    15000 /* TCP_USER_TIMEOUT */
#define LOCAL_QUIET_MS                                                                             \
    86400000u /* the local broker is not asked whether it is there: it may be busy */
#define NAME_MAX_BYTES 128
/* The QoS of the mark's subscription. */
#define MARK_NONE    0
#define MARK_SETTLED 1

enum bridge_state { ST_PREPARING, ST_DIALING, ST_JOINING, ST_SWEEPING, ST_OPEN };
static const struct sm_row rows[] = {
    [ST_PREPARING] = { "preparing", TO(ST_DIALING) },
    [ST_DIALING] = { "dialing", TO(ST_JOINING) },
    [ST_JOINING] = { "joining", TO(ST_SWEEPING) | TO(ST_OPEN) | TO(ST_DIALING) },
    [ST_SWEEPING] = { "sweeping", TO(ST_JOINING) | TO(ST_DIALING) },
    [ST_OPEN] = { "open", TO(ST_DIALING) },
};
static const struct sm_table table = { "bridge", rows, COUNT_OF(rows) };

struct bridge {
    struct bridge_options o;
    char name[NAME_MAX_BYTES], mark[NAME_MAX_BYTES + 64];
    char state_topic[NAME_MAX_BYTES + 64], far_topic[NAME_MAX_BYTES + 64];
    char *texts[8];
    size_t text_count;
    struct broker *broker;
    struct workers *workers;
    struct loop *loop;
    struct broker_inside *inside;
    struct bridge_map map;
    struct bridge_relay relay;
    unsigned char state;
    struct mqtt_client *far, *local;
    struct bridge_pair pair;
    bool marking; /* while sweeping: the mark is asked for */
    bool local_closing, started, stopping;
    bool plain;        /* 3.1.1: the far server does not like to hear that this is a bridge */
    size_t unanswered; /* subscriptions of this local connection */
    int code;          /* of preparing */
    struct gate *prepared, *closed;
    struct timer tell, tick;
    struct bridge_tally tally;
};

static const struct mqtt_client_handler far_calls, local_calls;

static void local_open(struct bridge *b);
static void far_open(struct bridge *b);

static void move(struct bridge *b, enum bridge_state to)
{
    sm_move(&table, &b->state, to);
}

/* ---- telling ---- */

static void notify(struct bridge *b, bool up)
{
    struct str word = up ? STR("1") : STR("0");

    if (b->o.notify == BRIDGE_NOTIFY_NONE)
        return;
    if (broker_publish_bytes(b->broker, b->loop, str_of(b->state_topic), word, 0, BROKER_RETAIN))
        assert(false && "a topic of letters");
    if (b->o.notify == BRIDGE_NOTIFY_BOTH && b->far && mqtt_client_is_connected(b->far)) {
        struct buf out = buf_init(1024);
        struct mqtt_packet p = { .type = MQTT_PUBLISH };

        p.publish =
            (struct mqtt_publish){ .retain = true, .topic = str_of(b->far_topic), .payload = word };
        mqtt_encode(&p, b->relay.far.version, &out);
        mqtt_client_relay(b->far, buf_str(&out));
        buf_fini(&out);
    }
}

/* ---- the end of a life ---- */

static void on_local_closed(void *ctx)
{
    struct bridge *b = ctx;

    b->local_closing = false;
    b->local = NULL;
    if (b->stopping) {
        if (!b->far)
            gate_open(b->closed);
    } else if (b->state == ST_DIALING && !b->far) {
        far_open(b);
    } else if (b->state == ST_JOINING) {
        local_open(b);
    }
}

static void local_close(struct bridge *b)
{
    if (!b->local || b->local_closing)
        return;
    b->local_closing = true;
    mqtt_client_close(b->local, on_local_closed, b);
}

/* This life is over on both sides. */
static void fall(struct bridge *b)
{
    if (b->state < ST_JOINING)
        return;
    if (b->state == ST_OPEN)
        notify(b, false);
    bridge_tally_open(&b->tally, false);
    move(b, ST_DIALING);
    local_close(b);
}

/* Both connections end; the far client tries again by itself. */
static void start_over(struct bridge *b, const char *why)
{
    if (b->state < ST_JOINING)
        return;
    log_warn("bridge", "both connections begin again", lf_text("bridge", b->name),
             lf_text("reason", why));
    fall(b);
    mqtt_client_reconnect(b->far);
}

/* ---- packets ---- */

/* What the relay said goes out. Whoever has too much to send is given no more. */
static void flush(struct bridge *b)
{
    struct buf *far = &b->relay.to[BRIDGE_FAR], *local = &b->relay.to[BRIDGE_LOCAL];

    if (far->n > 0 && !mqtt_client_relay(b->far, buf_str(far)))
        mqtt_client_pause(b->local, true);
    if (local->n > 0 && !mqtt_client_relay(b->local, buf_str(local)))
        mqtt_client_pause(b->far, true);
    buf_clear(far);
    buf_clear(local);
}

static void opened(struct bridge *b)
{
    move(b, ST_OPEN);
    bridge_tally_open(&b->tally, true);
    notify(b, true);
    log_info("bridge", "open", lf_text("bridge", b->name), lf_text("server", b->o.host),
             lf_u64("port", b->o.port), lf_bool("far_session_new", b->pair.far_new));
    mqtt_client_pause(b->far, false);
    mqtt_client_pause(b->local, false);
}

static void settle(struct bridge *b);

static void on_packet(struct bridge *b, enum bridge_side from, const struct mqtt_packet *p)
{
    if (b->state != ST_OPEN && !(b->state == ST_SWEEPING && p->type == MQTT_PUBCOMP))
        return; /* of a connection that ends */
    if (bridge_relay_input(&b->relay, from, p)) {
        start_over(b, b->relay.why);
        return;
    }
    flush(b);
    if (b->state == ST_SWEEPING && !bridge_relay_sweeping(&b->relay))
        settle(b);
}

static void far_relayed(void *ctx, const struct mqtt_packet *p)
{
    on_packet(ctx, BRIDGE_FAR, p);
}

static void local_relayed(void *ctx, const struct mqtt_packet *p)
{
    on_packet(ctx, BRIDGE_LOCAL, p);
}

/* ---- the local side ---- */

/* Of two rules with one filter the first counts. */
static bool is_first(const struct bridge *b, size_t at, enum bridge_direction d)
{
    const struct bridge_map_entry *e = &b->map.entries[at];

    if (!(e->rule.direction & d))
        return false;
    for (size_t i = 0; i < at; i++) {
        const struct bridge_map_entry *k = &b->map.entries[i];

        if ((k->rule.direction & d) &&
            (d == BRIDGE_OUT ? str_eq(k->local_filter, e->local_filter)
                             : str_eq(k->remote_filter, e->remote_filter)))
            return false;
    }
    return true;
}

static void subscribe_one(struct bridge *b, const struct mqtt_sub *s)
{
    if (mqtt_client_subscribe_as(b->local, s))
        assert(false && "a filter that was checked");
    b->unanswered++;
}

/* What is retained goes to a server that does not know us any more; and, where the rule keeps nothing while
 * the server is away, each time. all: also what a session that is present has already. */
static void subscribe_local(struct bridge *b, bool all, bool retained)
{
    for (size_t i = 0; i < b->map.count; i++) {
        const struct bridge_map_entry *e = &b->map.entries[i];
        bool wanted = b->state != ST_PREPARING && (retained || e->rule.qos == 0);

        if (is_first(b, i, BRIDGE_OUT) && (all || wanted))
            subscribe_one(b, &(struct mqtt_sub){ .filter = e->local_filter,
                                                 .qos = e->rule.qos,
                                                 .no_local = true,
                                                 .retain_as_published = true,
                                                 .retain_handling = wanted ? 0 : 2 });
    }
}

static void prepared(struct bridge *b)
{
    move(b, ST_DIALING);
    notify(b, false);
    local_close(b);
    gate_open(b->prepared);
}

/* The two sessions are a pair: this connection goes on. */
static void begin(struct bridge *b)
{
    subscribe_local(b, b->pair.local_new, b->pair.untold);
    if (b->unanswered == 0)
        b->pair.untold = false; /* no rule has anything to tell */
    opened(b);
}

/* The mark is a subscription to what nobody publishes: there is no other thing that a session keeps for its
 * client. Its QoS is what it says. */
static void write_mark(struct bridge *b, bool settled)
{
    subscribe_one(b, &(struct mqtt_sub){ .filter = str_of(b->mark),
                                         .qos = settled ? MARK_SETTLED : MARK_NONE,
                                         .retain_handling = 2 });
    b->marking = settled;
}

static void settle(struct bridge *b)
{
    write_mark(b, true);
}

static void sweep(struct bridge *b)
{
    const bool *stale = b->pair.stale;

    move(b, ST_SWEEPING);
    write_mark(b, false); /* before a restart could find the old one and half of the ids */
    if (stale[BRIDGE_LOCAL] && bridge_map_has(&b->map, BRIDGE_IN, 2))
        bridge_relay_sweep(&b->relay, BRIDGE_LOCAL);
    if (stale[BRIDGE_FAR] && bridge_map_has(&b->map, BRIDGE_OUT, 2) && b->relay.far.qos_max == 2) {
        bridge_relay_sweep(&b->relay, BRIDGE_FAR);
        mqtt_client_pause(b->far, false);
    }
    flush(b);
    if (!bridge_relay_sweeping(&b->relay))
        settle(b);
}

/* The mark is on the disk. */
static void settled(struct bridge *b)
{
    bool far_swept = bridge_relay_swept(&b->relay, BRIDGE_FAR);

    bridge_pair_settle(&b->pair);
    log_info("bridge", "the sessions are a pair now", lf_text("bridge", b->name),
             lf_bool("far_swept", far_swept),
             lf_bool("local_swept", bridge_relay_swept(&b->relay, BRIDGE_LOCAL)));
    if (far_swept) {
        fall(b);
        mqtt_client_reconnect(b->far);
        return;
    }
    move(b, ST_JOINING);
    local_close(b);
}

static void local_connected(void *ctx, bool session_present)
{
    struct bridge *b = ctx;
    struct mqtt_client_server s;
    size_t packet_max;

    if (b->state == ST_PREPARING) {
        bridge_pair_begin(&b->pair, session_present, broker_inside_mark(b->inside) == MARK_SETTLED);
        subscribe_local(b, true, false);
        if (b->unanswered == 0)
            prepared(b);
        return;
    }
    if (b->state != ST_JOINING)
        return;
    bridge_pair_local(&b->pair, session_present);
    s = mqtt_client_server(b->far);
    packet_max = s.packet_max < b->o.packet_max_bytes ? s.packet_max : b->o.packet_max_bytes;
    bridge_relay_open(&b->relay, &(struct bridge_far){ .version = b->o.version,
                                                       .packet_max = packet_max,
                                                       .qos_max = s.qos_max,
                                                       .retains = s.retains });
    if (bridge_pair_settled(&b->pair))
        begin(b);
    else
        sweep(b);
}

static void local_subscribed(void *ctx, struct str filter, unsigned code)
{
    struct bridge *b = ctx;
    bool is_mark = str_eq(filter, str_of(b->mark));

    if (b->state == ST_SWEEPING && is_mark && b->marking) {
        if (code >= 0x80)
            start_over(b, "the local broker does not take the mark");
        else
            settled(b);
        return;
    }
    if (is_mark || b->unanswered == 0)
        return;
    if (b->state == ST_PREPARING && code >= 0x80)
        b->code = ERR_REFUSED;
    if (--b->unanswered > 0)
        return;
    if (b->state == ST_PREPARING)
        prepared(b);
    else
        b->pair.untold = false;
}

static void local_disconnected(void *ctx, int code, unsigned reason, struct str text,
                               unsigned retry_ms)
{
    struct bridge *b = ctx;

    (void)retry_ms;
    (void)reason;
    if (b->state == ST_PREPARING) {
        b->unanswered = 0; /* they are asked again */
        return;
    }
    if (b->stopping || b->state < ST_JOINING)
        return;
    log_warn("bridge", "the local broker ended the connection", lf_text("bridge", b->name),
             lf_err("error", code), lf_str("reason", text));
    start_over(b, "the local connection ended");
}

static void local_ready(void *ctx)
{
    struct bridge *b = ctx;

    if (b->state == ST_OPEN)
        mqtt_client_pause(b->far, false);
}

static struct stream *local_dial(void *ctx, struct loop *l, int *out_code)
{
    struct bridge *b = ctx;

    return broker_inside_connect(b->inside, l, out_code);
}

static void local_open(struct bridge *b)
{
    unsigned window = b->o.inflight_max;
    char id[NAME_MAX_BYTES + sizeof(BROKER_INSIDE_PREFIX)];
    struct mqtt_client_options o = {
        .version = MQTT_V5,
        .keep_session = true,
        .session_expiry_s = UINT32_MAX,
        .keep_alive_s = UINT16_MAX,
        .ping_after_ms = LOCAL_QUIET_MS,
        .inflight_max = 1,
        .packet_max_bytes = b->o.limits->mqtt_packet_max_bytes + 65536,
        .dial = local_dial,
        .quiet = true,
        .handler = &local_calls,
        .ctx = b,
    };

    if (b->state != ST_PREPARING && mqtt_client_server(b->far).receive_max < window)
        window = mqtt_client_server(b->far).receive_max;
    snprintf(id, sizeof(id), "%s%s", BROKER_INSIDE_PREFIX, b->name);
    o.client_id = str_of(id);
    o.receive_max = (uint16_t)window;
    b->unanswered = 0;
    b->local = mqtt_client_open(b->loop, &o);
}

static const struct mqtt_client_handler local_calls = {
    .connected = local_connected,
    .disconnected = local_disconnected,
    .ready = local_ready,
    .subscribed = local_subscribed,
    .relayed = local_relayed,
};

/* ---- the far side ---- */

static void far_connected(void *ctx, bool session_present)
{
    struct bridge *b = ctx;

    bridge_pair_far(&b->pair, session_present);
    cell_set(&b->tally.closed, 0); /* every filter is asked for again */
    mqtt_client_pause(b->far, true);
    move(b, ST_JOINING);
    if (!b->local)
        local_open(b); /* else when the last one has closed */
}

static void on_far_gone(void *ctx)
{
    struct bridge *b = ctx;

    b->far = NULL;
    if (b->stopping) {
        if (!b->local)
            gate_open(b->closed);
        return;
    }
    far_open(b);
}

static void far_disconnected(void *ctx, int code, unsigned reason, struct str text,
                             unsigned retry_ms)
{
    struct bridge *b = ctx;

    (void)text;
    (void)retry_ms;
    fall(b);
    if (b->stopping || b->o.version != MQTT_V311 || !b->o.try_private || b->plain ||
        code != ERR_REFUSED || reason != MQTT_V311_BAD_VERSION)
        return;
    b->plain = true; /* the next attempt does not say it */
    mqtt_client_close(b->far, on_far_gone, b);
}

static void far_skipped(void *ctx, const struct mqtt_publish *p)
{
    struct bridge *b = ctx;

    if (b->state != ST_OPEN)
        return;
    bridge_relay_skipped(&b->relay, p);
    flush(b);
}

static void far_ready(void *ctx)
{
    struct bridge *b = ctx;

    if (b->state == ST_OPEN && b->local)
        mqtt_client_pause(b->local, false);
}

static void far_subscribed(void *ctx, struct str filter, unsigned code)
{
    struct bridge *b = ctx;

    if (code >= 0x80) {
        cell_add(&b->tally.closed, 1);
        log_warn("bridge", "the far server refuses a filter: nothing comes in by its rule",
                 lf_text("bridge", b->name), lf_str("filter", filter), lf_u64("reason", code));
        return;
    }
    for (size_t i = 0; i < b->map.count; i++) {
        const struct bridge_map_entry *e = &b->map.entries[i];

        if (!(e->rule.direction & BRIDGE_IN) || !str_eq(e->remote_filter, filter) ||
            code >= e->rule.qos)
            continue;
        log_warn("bridge", "the far server grants less than the rule's qos: messages may be lost",
                 lf_text("bridge", b->name), lf_str("filter", filter), lf_u64("qos", code));
        return;
    }
}

static void subscribe_far(struct bridge *b)
{
    bool echoes = bridge_map_has(&b->map, BRIDGE_OUT, 0);

    for (size_t i = 0; i < b->map.count; i++) {
        const struct bridge_map_entry *e = &b->map.entries[i];

        if (!is_first(b, i, BRIDGE_IN))
            continue;
        if (mqtt_client_subscribe_as(
                b->far, &(struct mqtt_sub){ .filter = e->remote_filter,
                                            .qos = e->rule.qos,
                                            .no_local = echoes,
                                            .retain_as_published = true,
                                            .retain_handling = e->rule.qos > 0 ? 1 : 0 }))
            log_warn("bridge", "too many filters", lf_text("bridge", b->name));
    }
}

static void far_open(struct bridge *b)
{
    const struct bridge_options *o = &b->o;
    struct mqtt_client_options c = {
        .host = o->host,
        .port = o->port,
        .tls = o->tls,
        .server_name = o->server_name,
        .alpn = o->alpn,
        .version = o->version,
        .client_id = o->client_id,
        .username = o->username,
        .password = o->password,
        .keep_session = !o->clean_session,
        .session_expiry_s = o->session_expiry_s,
        .bridge = o->try_private && !b->plain,
        .keep_alive_s = o->keep_alive_s,
        .ping_timeout_ms = PING_MS,
        .user_timeout_ms = USER_MS,
        .inflight_max = 1,
        /* What is in flight is sent again on each connection: where those are short, more of it than
         * fits into one would bring it to a stop. */
        .receive_max = (uint16_t)o->inflight_max,
        .packet_max_bytes = o->limits->mqtt_packet_max_bytes,
        .metrics = o->metrics,
        .metrics_name = b->name,
        .handler = &far_calls,
        .ctx = b,
    };

    if (o->notify == BRIDGE_NOTIFY_BOTH) {
        c.has_will = true;
        c.will = (struct mqtt_will){ .retain = true,
                                     .topic = str_of(b->far_topic),
                                     .payload = STR("0") };
    }
    b->far = mqtt_client_open(b->loop, &c);
    subscribe_far(b);
}

static const struct mqtt_client_handler far_calls = {
    .connected = far_connected,
    .disconnected = far_disconnected,
    .ready = far_ready,
    .subscribed = far_subscribed,
    .relayed = far_relayed,
    .skipped = far_skipped,
};

static void on_tell(struct timer *t)
{
    struct bridge *b = container_of(t, struct bridge, tell);

    timer_start(t, TELL_MS);
    bridge_tally_take(&b->tally, &b->relay.counts);
}

static void on_tick(struct timer *t)
{
    struct bridge *b = container_of(t, struct bridge, tick);

    timer_start(t, b->o.ack_timeout_ms);
    if (b->state < ST_SWEEPING || !bridge_relay_overdue(&b->relay))
        return;
    metric_add(b->tally.overdue, 1);
    start_over(b, "the far server owes an acknowledgement for too long");
}

/* ---- what the owner calls ---- */

static const char *keep(struct bridge *b, const char *text)
{
    if (!text)
        return NULL;
    assert(b->text_count < COUNT_OF(b->texts));
    return b->texts[b->text_count++] = str_dup(str_of(text));
}

static struct str keep_str(struct bridge *b, struct str s)
{
    assert(b->text_count < COUNT_OF(b->texts));
    return str_from(b->texts[b->text_count++] = str_dup(s), s.n);
}

static struct broker_inside *add_inside(struct bridge *b)
{
    struct str *filters = mem_new_array(b->map.count + 1, sizeof(*filters));
    char id[NAME_MAX_BYTES + sizeof(BROKER_INSIDE_PREFIX)];
    struct broker_inside_options io = { .filters = filters,
                                        .queue_max_messages = b->o.queue_max_messages,
                                        .queue_max_bytes = b->o.queue_max_bytes,
                                        .refuse = b->o.when_full == BRIDGE_REFUSE };
    struct broker_inside *i;

    snprintf(id, sizeof(id), "%s%s", BROKER_INSIDE_PREFIX, b->name);
    io.client_id = str_of(id);
    for (size_t k = 0; k < b->map.count; k++)
        if (b->map.entries[k].rule.direction & BRIDGE_OUT)
            filters[io.filter_count++] = b->map.entries[k].local_filter;
    io.mark = str_of(b->mark);
    i = broker_inside_add(b->broker, &io);
    mem_free(filters);
    return i;
}

struct bridge *bridge_new(struct broker *broker, struct workers *w, const struct bridge_options *o)
{
    struct bridge *b = NEW(struct bridge);

    b->o = *o;
    b->broker = broker;
    b->workers = w;
    b->loop = workers_loop(w, o->worker % workers_count(w));
    snprintf(b->name, sizeof(b->name), "%.*s", STR_ARG(o->name));
    b->o.host = keep(b, o->host);
    b->o.server_name = keep(b, o->server_name);
    b->o.alpn = keep(b, o->alpn);
    b->o.client_id = keep_str(b, o->client_id);
    b->o.username = keep_str(b, o->username);
    b->o.password = keep_str(b, o->password);
    snprintf(b->mark, sizeof(b->mark), "%s%s/pair", BROKER_INSIDE_PREFIX, b->name);
    snprintf(b->state_topic, sizeof(b->state_topic), "$SYS/broker/connection/%s/state", b->name);
    snprintf(b->far_topic, sizeof(b->far_topic), "$SYS/broker/connection/%.*s/state",
             (int)(o->client_id.n < NAME_MAX_BYTES ? o->client_id.n : NAME_MAX_BYTES),
             b->o.client_id.p);
    bridge_map_init(&b->map, o->rules, o->rule_count);
    b->o.rules = NULL;
    bridge_relay_init(&b->relay, &b->map, o->limits->mqtt_topic_max_bytes,
                      o->limits->mqtt_topic_levels_max);
    b->relay.far.version = o->version;
    b->prepared = gate_new();
    b->closed = gate_new();
    bridge_tally_init(&b->tally, o->metrics, b->name);
    b->inside = add_inside(b);
    return b;
}

static void start_here(void *ctx, struct loop *l)
{
    struct bridge *b = ctx;

    if (l != b->loop)
        return;
    b->started = true;
    timer_init(&b->tell, l, on_tell);
    timer_start(&b->tell, TELL_MS);
    timer_init(&b->tick, l, on_tick);
    timer_start(&b->tick, b->o.ack_timeout_ms);
    local_open(b);
}

int bridge_prepare(struct bridge *b, struct fault *f)
{
    workers_each(b->workers, start_here, b);
    if (!gate_wait(b->prepared, PREPARE_MS))
        return fault_set(f, -ETIMEDOUT,
                         "the bridge '%s' gets no session of its own broker: is its log writable?",
                         b->name);
    if (b->code)
        return fault_set(f, b->code, "the bridge '%s': its own broker refuses a filter", b->name);
    return 0;
}

static void stop_here(void *ctx, struct loop *l)
{
    struct bridge *b = ctx;

    if (l != b->loop)
        return;
    b->stopping = true;
    if (b->started) {
        timer_stop(&b->tell);
        timer_stop(&b->tick);
    }
    bridge_tally_take(&b->tally, &b->relay.counts);
    if (b->state == ST_OPEN)
        notify(b, false);
    bridge_tally_open(&b->tally, false);
    local_close(b);
    if (b->far)
        mqtt_client_close(b->far, on_far_gone, b);
    if (!b->far && !b->local)
        gate_open(b->closed);
}

void bridge_stop(struct bridge *b)
{
    workers_each(b->workers, stop_here, b);
    while (!gate_wait(b->closed, 1000))
        ;
}

void bridge_free(struct bridge *b)
{
    if (!b)
        return;
    bridge_relay_fini(&b->relay);
    bridge_map_fini(&b->map);
    gate_free(b->prepared);
    gate_free(b->closed);
    for (size_t i = 0; i < b->text_count; i++)
        mem_free(b->texts[i]);
    mem_free(b);
}

void bridge_status(const struct bridge *b, struct bridge_status *out)
{
    struct broker_inside_queue q = broker_inside_look(b->inside);

    *out = (struct bridge_status){ .name = b->name,
                                   .host = b->o.host,
                                   .port = b->o.port,
                                   .connected = cell_get(&b->tally.connected) != 0,
                                   .queued = q.messages,
                                   .queued_bytes = q.bytes,
                                   .full = q.full,
                                   .sent = cell_get(&b->tally.sent),
                                   .taken = cell_get(&b->tally.taken),
                                   .refused = cell_get(&b->tally.refused),
                                   .dropped = cell_get(&b->tally.dropped),
                                   .closed = cell_get(&b->tally.closed),
                                   .connects = cell_get(&b->tally.connects) };
}
