/*
 * Clients and subscriptions are asked of the workers for each request, a page at a time; counts are
 * read where they stand. Only the rates are kept: a second's publications, for the last five minutes,
 * so that a chart that is opened has a past. Worker 0 writes them, any worker reads them.
 */
#include "hub/mqtt_api_server.h"

#include "base/cell.h"
#include "base/clock.h"
#include "base/mem.h"
#include "hub/render_mqtt.h"
#include "journal/journal.h"
#include "wire/mqtt_topic.h"

#define ANSWER_MAX    (64u << 20)
#define PAGE_MAX      1000
#define PAGE_DEFAULT  100
#define RATE_STEP_MS  1000
#define RATES_PLACES  (RENDER_MQTT_RATES + 4) /* what is written now is never read */
#define CLIENT_ID_MAX 65535

struct second {
    struct cell received, sent, dropped;
};

struct mqtt_api {
    struct workers *workers;
    struct broker *broker;
    const struct journal *log;
    struct timer timer; /* worker 0's */
    uint64_t last_received, last_sent, last_dropped, next_ms;
    struct cell count; /* seconds that were written */
    struct cell end_wall_ns;
    struct second seconds[RATES_PLACES];
};

/* ---- rates ---- */

static uint64_t sum(const uint64_t n[3])
{
    return n[0] + n[1] + n[2];
}

static void on_second(struct timer *t)
{
    struct mqtt_api *a = container_of(t, struct mqtt_api, timer);
    struct second *s = &a->seconds[cell_get(&a->count) % RATES_PLACES];
    uint64_t dropped;
    struct broker_stats now;

    broker_stats(a->broker, &now);
    dropped = render_mqtt_dropped(&now);
    cell_set(&s->received, sum(now.received) - a->last_received);
    cell_set(&s->sent, sum(now.sent) - a->last_sent);
    cell_set(&s->dropped, dropped - a->last_dropped);
    a->last_received = sum(now.received);
    a->last_sent = sum(now.sent);
    a->last_dropped = dropped;
    cell_set(&a->end_wall_ns, (uint64_t)clock_wall_ns());
    cell_add(&a->count, 1);
    /* Whole seconds from the first on; a loop that was late does not shift the rest. */
    a->next_ms += RATE_STEP_MS;
    if (a->next_ms <= loop_now_ms(t->loop))
        a->next_ms = loop_now_ms(t->loop) + RATE_STEP_MS;
    timer_start_at(t, a->next_ms);
}

static void start(void *ctx, struct loop *l)
{
    struct mqtt_api *a = ctx;

    if (loop_index(l) != 0)
        return;
    timer_init(&a->timer, l, on_second);
    a->next_ms = loop_now_ms(l) + RATE_STEP_MS;
    timer_start_at(&a->timer, a->next_ms);
}

static void stop(void *ctx, struct loop *l)
{
    struct mqtt_api *a = ctx;

    if (loop_index(l) == 0)
        timer_stop(&a->timer);
}

static void read_rates(const struct mqtt_api *a, size_t wanted, struct render_mqtt_rates *out)
{
    uint64_t count = cell_get(&a->count);

    out->end_wall_ns = (int64_t)cell_get(&a->end_wall_ns);
    out->count = count < wanted ? count : wanted;
    for (size_t i = 0; i < out->count; i++) {
        const struct second *s = &a->seconds[(count - out->count + i) % RATES_PLACES];

        out->received[i] = cell_get(&s->received);
        out->sent[i] = cell_get(&s->sent);
        out->dropped[i] = cell_get(&s->dropped);
    }
}

static void on_stats(struct http_request *r, void *ctx)
{
    struct mqtt_api *a = ctx;
    struct buf b = buf_init(ANSWER_MAX);
    struct render_mqtt_log log = { .there = a->log != NULL };
    struct render_mqtt_rates *rates = NEW(struct render_mqtt_rates);
    struct journal_status js;
    struct broker_stats s;

    broker_stats(a->broker, &s);
    if (a->log) {
        journal_status(a->log, &js);
        log.bytes = js.bytes;
        log.quota_bytes = js.quota_bytes;
        log.low = broker_log_is_low(a->broker);
    }
    read_rates(a, (size_t)http_param_i64(r, "seconds", 60), rates);
    render_mqtt_stats(&b, &s, &log, rates);
    mem_free(rates);
    http_respond_buf_take(r, 200, "application/json", &b);
}

/* ---- clients and subscriptions ---- */

static void invalid(struct http_request *r, const char *field, const char *text)
{
    struct field_error e = { .text = text, .type = "value_error" };

    memcpy(e.field, field, strlen(field) + 1);
    http_respond_invalid(r, "query", &e, 1);
}

static void on_sessions(void *ctx, const struct broker_looked *found)
{
    struct buf b = buf_init(ANSWER_MAX);

    render_mqtt_sessions(&b, found);
    http_respond_buf_take(ctx, 200, "application/json", &b);
}

static bool presence_of(struct str word, enum broker_presence *out)
{
    *out = str_eq(word, STR("connected")) ? BROKER_CONNECTED
           : str_eq(word, STR("away"))    ? BROKER_AWAY
                                          : BROKER_ANY;
    return !word.p || *out != BROKER_ANY;
}

static void on_session(void *ctx, const struct broker_looked *found)
{
    struct buf b = buf_init(ANSWER_MAX);
    struct json_writer w = json_writer_init(&b);
    struct http_request *r = ctx;

    if (found->session_count == 0) {
        http_respond_error(r, 404,
                           "there is no client of this id; GET /api/v1/mqtt/clients lists them");
        return;
    }
    render_mqtt_session(&w, &found->sessions[0], found);
    http_respond_buf_take(r, 200, "application/json", &b);
}

static void on_clients(struct http_request *r, void *ctx)
{
    struct mqtt_api *a = ctx;
    struct broker_look what = {
        .search = http_param_str(r, "search"),
        .after = http_param_str(r, "after"),
        .limit = (size_t)http_param_i64(r, "limit", PAGE_DEFAULT),
    };

    if (!presence_of(http_param_str(r, "state"), &what.presence))
        invalid(r, "state", "must be connected or away");
    else
        broker_look(a->broker, http_loop(r), &what, on_sessions, r);
}

static void on_client(struct http_request *r, void *ctx)
{
    struct mqtt_api *a = ctx;
    struct str id = http_param_str(r, "client");
    const struct broker_look what = { .client = id, .subscriptions = true };

    broker_look(a->broker, http_loop(r), &what, on_session, r);
}

static void on_subscription_list(void *ctx, const struct broker_looked *found)
{
    struct buf b = buf_init(ANSWER_MAX);

    render_mqtt_subscriptions(&b, found);
    http_respond_buf_take(ctx, 200, "application/json", &b);
}

static void on_subscriptions(struct http_request *r, void *ctx)
{
    struct mqtt_api *a = ctx;
    struct str after = http_param_str(r, "after");
    struct broker_look what = {
        .client = http_param_str(r, "client"),
        .search = http_param_str(r, "search"),
        .topic = http_param_str(r, "topic"),
        .limit = (size_t)http_param_i64(r, "limit", PAGE_DEFAULT),
        .subscriptions = true,
    };

    if (after.p && render_mqtt_place(after, &what.after, &what.after_at))
        invalid(r, "after", "must be the `next` of the page before");
    else if (what.topic.p && !mqtt_topic_valid(what.topic))
        invalid(r, "topic", "must be a topic name, without + and #");
    else
        broker_look(a->broker, http_loop(r), &what, on_subscription_list, r);
}

/* ---- ending a connection ---- */

bool mqtt_api_is_local(struct http_request *r)
{
    if (addr_is_local(http_peer(r)))
        return true;
    http_respond_error(r, 403,
                       "this may be asked from the hub's own machine only; there, or through a "
                       "tunnel (ssh -L), or with the command line (wayside help)");
    return false;
}

static void on_kicked(void *ctx, enum broker_kick result)
{
    struct http_request *r = ctx;

    switch (result) {
    case BROKER_KICK_DONE:
        http_respond(r, 204, NULL, STR_NONE);
        return;
    case BROKER_KICK_AWAY:
        http_respond_error(r, 409, "this client is not connected; session=true ends its session");
        return;
    case BROKER_KICK_UNKNOWN:
        http_respond_error(r, 404,
                           "there is no client of this id; GET /api/v1/mqtt/clients lists them");
        return;
    }
}

static void on_kick(struct http_request *r, void *ctx)
{
    struct mqtt_api *a = ctx;

    if (mqtt_api_is_local(r))
        broker_kick(a->broker, http_loop(r), http_param_str(r, "client"),
                    http_param_bool(r, "session", false), on_kicked, r);
}

/* ---- the table ---- */

#define SEARCH(what)                                                                               \
    {                                                                                              \
        "search", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = 256, .help = what                \
    }
#define LIMIT(what)                                                                                \
    {                                                                                              \
        "limit", HTTP_IN_QUERY, HTTP_INTEGER, .least = 1, .most = PAGE_MAX,                        \
                                              .help = what " at most; 100 when absent"             \
    }
#define AFTER                                                                                      \
    {                                                                                              \
        "after", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = CLIENT_ID_MAX + 12,               \
                                             .help = "the `next` of the page before"               \
    }
#define CLIENT(in, ...)                                                                            \
    {                                                                                              \
        "client", in, HTTP_STRING, .least = 1, .most = CLIENT_ID_MAX, __VA_ARGS__                  \
    }
#define WITH_SESSION                                                                               \
    {                                                                                              \
        "session", HTTP_IN_QUERY, HTTP_BOOLEAN, .help = "true: end its session as well"            \
    }

static const struct http_param clients_params[] = {
    SEARCH("only with this in the client id, the user or the peer"),
    { "state", HTTP_IN_QUERY, HTTP_STRING, .help = "connected or away; both when absent" },
    LIMIT("clients"),
    AFTER,
    { 0 },
};
static const struct http_param client_params[] = {
    CLIENT(HTTP_IN_PATH, .help = "the client id"),
    { 0 },
};
static const struct http_param client_query[] = {
    CLIENT(HTTP_IN_QUERY, .required = true, .help = "the client id, which may hold a /"),
    { 0 },
};
static const struct http_param kick_params[] = {
    CLIENT(HTTP_IN_PATH, .help = "the client id"),
    WITH_SESSION,
    { 0 },
};
static const struct http_param kick_query[] = {
    CLIENT(HTTP_IN_QUERY, .required = true, .help = "the client id, which may hold a /"),
    WITH_SESSION,
    { 0 },
};
static const struct http_param subscriptions_params[] = {
    CLIENT(HTTP_IN_QUERY, .help = "only of this client"),
    SEARCH("only with this in the filter, the client id or the user"),
    { "topic", HTTP_IN_QUERY, HTTP_STRING, .least = 1, .most = 65535,
      .help = "only those that get what is published here" },
    LIMIT("subscriptions"),
    AFTER,
    { 0 },
};
static const struct http_param stats_params[] = {
    { "seconds", HTTP_IN_QUERY, HTTP_INTEGER, .least = 1, .most = RENDER_MQTT_RATES,
      .help = "how much of the rates' past; 60 when absent" },
    { 0 },
};

static const struct http_route routes[] = {
    { HTTP_GET, "/api/v1/mqtt/clients", on_clients, .params = clients_params, .tag = "mqtt",
      .summary = "MQTT clients, connected or with a session that is kept, by client id" },
    { HTTP_GET, "/api/v1/mqtt/clients/{client}", on_client, .params = client_params, .tag = "mqtt",
      .summary = "One MQTT client and its subscriptions" },
    { HTTP_GET, "/api/v1/mqtt/client", on_client, .params = client_query, .tag = "mqtt",
      .summary = "The same, for client ids that hold a /" },
    { HTTP_DELETE, "/api/v1/mqtt/clients/{client}", on_kick, .params = kick_params, .tag = "mqtt",
      .summary = "End the connection of an MQTT client (from this machine)" },
    { HTTP_DELETE, "/api/v1/mqtt/client", on_kick, .params = kick_query, .tag = "mqtt",
      .summary = "The same, for client ids that hold a /" },
    { HTTP_GET, "/api/v1/mqtt/subscriptions", on_subscriptions, .params = subscriptions_params,
      .tag = "mqtt", .summary = "MQTT subscriptions, by client id" },
    { HTTP_GET, "/api/v1/mqtt/stats", on_stats, .params = stats_params, .tag = "mqtt",
      .summary = "Counts of the MQTT broker, and what it took, sent and dropped in each second" },
};

struct mqtt_api *mqtt_api_new(struct workers *w, struct broker *b, const struct journal *log)
{
    struct mqtt_api *a = NEW(struct mqtt_api);

    a->workers = w;
    a->broker = b;
    a->log = log;
    workers_each(w, start, a);
    return a;
}

void mqtt_api_mount(struct mqtt_api *a, struct http_server *s)
{
    http_server_mount(s, routes, COUNT_OF(routes), a);
}

void mqtt_api_free(struct mqtt_api *a)
{
    if (!a)
        return;
    workers_each(a->workers, stop, a);
    mem_free(a);
}
