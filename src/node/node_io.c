/*
 * A node out of its file. Services start in the order of the data's way in reverse (journal and
 * store before those who fill them, the front doors last) and stop the other way round: first
 * nothing new comes in, then what is under way is answered, then it is written, then all ends.
 *
 * The main thread runs this file: it starts and stops services, which may block, and otherwise
 * waits for signals. Everything else happens on the workers.
 */
#include "node/node_impl_io.h"

#include "base/log.h"
#include "base/mem.h"
#include "edge/host_client.h"
#include "edge/socket_server.h"
#include "edge/uplink_client.h"
#include "hub/seed_io.h"
#include "node/access_api_server.h"
#include "node/access_io.h"
#include "node/control_server.h"
#include "node/files_io.h"
#include "node/open_files_io.h"
#include "node/tls_io.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define NODE_DRAIN_MS 5000 /* for clients to take what waits for them at the end */

/* ---- small steps ---- */

const char *node_or_default(struct str s, const char *fallback)
{
    return s.n > 0 ? s.p : fallback; /* texts of the settings end with a zero */
}

unsigned node_octal(struct str digits)
{
    unsigned mode = 0;

    for (size_t i = 0; i < digits.n; i++)
        mode = mode * 8 + (unsigned)(digits.p[i] - '0'); /* checked by the row */
    return mode;
}

const char *node_data_path(const struct node *n, struct buf *b, const char *name)
{
    buf_clear(b);
    buf_printf(b, "%.*s/%s", STR_ARG(buf_str(&n->data)), name);
    return buf_cstr(b);
}

void node_say_listening(struct node *n, const char *service, const struct addr *a)
{
    char text[ADDR_TEXT_SIZE];

    addr_format(a, text);
    log_info("node", "listening", lf_text("service", service), lf_text("address", text));
    status_service(n->status, service, text);
}

void node_keep_tls(struct node *n, struct tls_context *tls)
{
    if (tls)
        n->tls[n->tls_count++] = tls;
}

/* ---- data: journal, store, sink ---- */

static void on_store_state(void *ctx, int code, const char *text)
{
    struct node *n = ctx;

    (void)text; /* logged by the sink; /ready has a sentence of its own */
    state_set(&n->state, NOT_READY_STORE, code != 0);
}

/* A full journal is asked for room, since what was refused last says nothing about now: its sink
 * may have moved on with nobody appending. */
static void look_at_journal(void *ctx, struct node_state *state)
{
    struct node *n = ctx;
    struct journal_status js;
    bool room;

    broker_io_look(n->mqtt_log, n->broker, state);
    if (!n->journal)
        return;
    journal_status(n->journal, &js);
    room = (js.segments + 1) * n->settings->journal.segment_bytes <= js.quota_bytes;
    state_set(state, NOT_READY_JOURNAL_FULL, js.error == ERR_FULL && !room);
    state_set(state, NOT_READY_JOURNAL, js.error && js.error != ERR_FULL);
}

static int start_journal(struct node *n, struct fault *f)
{
    struct journal_options o = journal_options_default();
    struct buf path = buf_init(4096);
    int rc;

    o.segment_bytes = n->settings->journal.segment_bytes;
    o.quota_bytes = n->settings->journal.quota_bytes;
    o.free_floor_bytes = n->settings->journal.free_floor_bytes;
    o.flush_window_ms = n->settings->journal.flush_window_ms;
    o.max_age_ms = n->settings->journal.max_age_ms;
    o.max_records = n->settings->journal.max_records;
    for (size_t i = 0; i < n->settings->journal.drop_oldest.count; i++)
        o.policy[record_kind_from(n->settings->journal.drop_oldest.items[i])] = JOURNAL_DROP_OLDEST;
    if (n->settings->edge.offline_buffer_size > 0) {
        o.max_records = n->settings->edge.offline_buffer_size;
        o.policy[RECORD_READING] = o.policy[RECORD_STATUS] = JOURNAL_DROP_OLDEST;
    }
    rc = journal_open(node_data_path(n, &path, "journal"), &o, &n->limits, n->metrics, NULL,
                      &n->journal, f);
    buf_fini(&path);
    return rc;
}

static int start_store(struct node *n, struct fault *f)
{
    struct store_config c = store_config_default();
    struct sink_options so = { .metrics = n->metrics,
                               .state = on_store_state,
                               .ctx = n,
                               .loop = workers_loop(n->workers, 0) };
    struct buf path = buf_init(4096);
    int rc;

    c.path = node_data_path(n, &path, "wayside.db");
    c.journal = journal_uuid(n->journal);
    c.readers = (unsigned)n->settings->store.readers;
    c.id_window_ms = n->settings->store.id_window_ms;
    if (n->settings->store.postgres.n > 0) {
        c.postgres = n->settings->store.postgres.p;
        c.postgres_password = n->settings->store.password.p;
    }
    c.metrics = n->metrics;
    rc = store_open(&c, &n->store, f);
    buf_fini(&path);
    if (rc)
        return rc;
    so.journal = n->journal;
    so.store = n->store;
    return sink_open(&so, &n->sink, f);
}

/* ---- hub ---- */

static int make_topics(struct node *n, struct fault *f)
{
    size_t count;
    struct topic_row *rows = settings_ingest(n->settings, &count);

    n->topics =
        topics_new(rows, count, n->settings->ingest_builtin ? TOPICS_DEFAULTS : TOPICS_PLAIN, f);
    settings_ingest_free(rows, count);
    return n->topics ? 0 : ERR_VALUE;
}

static int start_hub(struct node *n, struct fault *f)
{
    struct hub_ingest_options io = {
        .journal = n->journal, .limits = &n->limits, .metrics = n->metrics, .workers = n->workers
    };
    struct buf path = buf_init(4096);
    int rc = node_make_access(n, f);

    if (!rc)
        rc = start_store(n, f);
    if (rc)
        goto out;
    rc = make_topics(n, f);
    if (rc)
        goto out;
    n->refused = refused_open(node_data_path(n, &path, "refused.jsonl"));
    io.topics = n->topics;
    io.refused = n->refused;
    n->ingest = hub_ingest_new(&io);
    seed_senders(hub_ingest_uplink(n->ingest), n->journal, n->store);
    sink_start(n->sink);
    rc = node_make_broker(n, f);
out:
    buf_fini(&path);
    return rc;
}

static int listen_http(struct node *n, struct http_server *s, const char *service,
                       const struct http_listen_options *o, struct fault *f)
{
    struct addr bound;
    int rc = http_listen(s, o, &bound, f);

    if (!rc)
        node_say_listening(n, service, &bound);
    return rc;
}

static int start_api(struct node *n, struct fault *f)
{
    const struct settings *s = n->settings;
    struct http_server_options so = {
        .name = "api",
        .flags = HTTP_SPA | HTTP_OPENAPI | (s->log.requests ? HTTP_ACCESS_LOG : 0),
        .limits = &n->limits,
        .metrics = n->metrics,
        .places = &n->places,
        .hosts = n->hosts,
        .origins = n->origins,
        .files = web_files,
        .file_count = web_file_count,
        .api_title = "Wayside",
        .api_version = WAYSIDE_VERSION,
        .api_description = "Readings of devices: taken, kept, and shown.",
    };
    struct api_options ao = {
        .ingest = n->ingest, .journal = n->journal, .store = n->store, .limits = &n->limits
    };
    struct http_listen_options lo = { .addr = s->api.address };
    struct broker_rules rules = broker_io_api_rules(s, &n->limits);
    struct http_server *server = http_server_new(n->workers, &so);
    int rc = tls_io_api(&s->api, &lo.tls, f);

    n->servers[n->server_count++] = server;
    if (rc)
        return rc;
    node_keep_tls(n, lo.tls);
    n->api = api_new(&ao);
    api_mount(n->api, server);
    n->mqtt_api = mqtt_api_new(n->workers, n->broker, n->mqtt_log);
    mqtt_api_mount(n->mqtt_api, server);
    access_api_mount(n->desk, server);
    health_mount_api(&n->health, server);
    node_mount_mqtt(n, server, &rules);
    rc = listen_http(n, server, "api", &lo, f);
    if (!rc && s->api.anonymous == ANONYMOUS_LOCAL && rules.anonymous == ANONYMOUS_DENY)
        log_warn("mqtt",
                 "/mqtt is open to the network and lets in nobody without a name: the "
                 "dashboard has no live values",
                 lf_text("do", "api: {anonymous: allow} with mqtt.acl_file, or deny"));
    return rc;
}

static int start_health(struct node *n, struct fault *f)
{
    struct http_server_options so = { .name = "health",
                                      .flags = HTTP_HOST_ANY,
                                      .limits = &n->limits,
                                      .metrics = n->metrics,
                                      .places = &n->health_places };
    struct http_server *server = http_server_new(n->workers, &so);

    n->servers[n->server_count++] = server;
    health_mount(&n->health, server);
    return listen_http(
        n, server, "health",
        &(struct http_listen_options){ .addr = n->settings->health.address,
                                       .connections_max = n->limits.health_connections_max },
        f);
}

/* ---- edge ---- */

static int start_socket(struct node *n, struct fault *f)
{
    const struct socket_settings *s = &n->settings->edge.socket;
    struct buf path = buf_init(4096);
    struct socket_options o = { .path = node_or_default(s->path,
                                                        node_data_path(n, &path, "ingest.sock")),
                                .mode = node_octal(s->mode),
                                .device = buf_str(&n->id),
                                .limits = &n->limits,
                                .journal = n->journal,
                                .metrics = n->metrics };
    int rc = socket_server_open(n->workers, &o, &n->socket, f);

    if (!rc) {
        log_info("node", "listening", lf_text("service", "socket"), lf_text("address", o.path));
        status_service(n->status, "socket", o.path);
    }
    buf_fini(&path);
    return rc;
}

static int start_uplink(struct node *n, struct fault *f)
{
    const struct uplink_settings *s = &n->settings->edge.uplink;
    struct uplink_options o = { .host = s->hub.host.p,
                                .port = s->hub.port,
                                .user = s->user,
                                .password = s->password,
                                .node_id = buf_str(&n->id),
                                .batch_bytes = (size_t)s->batch_bytes,
                                .window = (unsigned)s->window,
                                .rate = s->rate,
                                .journal = n->journal,
                                .metrics = n->metrics };
    int rc = tls_io_uplink(s, &o.tls, f);

    if (rc)
        return rc;
    node_keep_tls(n, o.tls);
    return uplink_start(n->workers, &o, &n->uplink, f);
}

static void add_host_metrics(void *ctx, struct buf *out)
{
    struct node *n = ctx;

    if (n->host && cell_get(&n->host_on))
        host_metrics(n->host, out);
}

static int start_edge(struct node *n, struct fault *f)
{
    const struct edge_settings *s = &n->settings->edge;
    struct host_options ho = { .root = s->host.root.p,
                               .interval_ms = s->host.interval_ms,
                               .device = buf_str(&n->id),
                               .journal = n->journal,
                               .metrics = n->metrics };
    int rc = 0;

    if (s->has_uplink)
        rc = start_uplink(n, f);
    if (!rc && s->has_socket)
        rc = start_socket(n, f);
    if (!rc && s->host.enabled)
        n->host = host_start(&ho);
    cell_set(&n->host_on, n->host != NULL); /* requests may come already */
    return rc;
}

/* ---- all of it ---- */

static void identify(struct node *n)
{
    const struct settings *s = n->settings;

    size_t count = 0;

    /* A browser on the network reaches this machine by its own name, plain or as mDNS says it. */
    if (gethostname(n->host_name, sizeof(n->host_name) - 7) == 0) {
        n->hosts[count++] = n->host_name;
        snprintf(n->host_local, sizeof(n->host_local), "%s.local", n->host_name);
        n->hosts[count++] = n->host_local;
    }
    for (size_t i = 0; i < s->api.hosts.count && count < NODE_NAMES_MAX + 2; i++)
        n->hosts[count++] = s->api.hosts.items[i].p;
    for (size_t i = 0; i < s->api.origins.count && i < NODE_NAMES_MAX; i++)
        n->origins[i] = s->api.origins.items[i].p;
    log_info("node", "starting", lf_text("version", WAYSIDE_VERSION), lf_str("id", buf_str(&n->id)),
             lf_str("data", buf_str(&n->data)), lf_u64("workers", workers_count(n->workers)));
}

/* The folder and the id, before anything is started. */
static int prepare(struct node *n, struct fault *f)
{
    const struct settings *s = n->settings;
    int rc;

    buf_put(&n->data, s->node.data);
    rc = files_check_data(buf_cstr(&n->data), f);
    if (!rc)
        rc = files_make_dir(buf_cstr(&n->data), f);
    if (rc)
        return rc;
    if (s->node.id.n == 0)
        return files_node_id(buf_cstr(&n->data), &n->id, f);
    if (!record_device_valid(s->node.id))
        return fault_set(f, ERR_VALUE, "node.id: may hold 1 to 50 of A-Z a-z 0-9 _ -");
    buf_put(&n->id, s->node.id);
    return 0;
}

static int start_services(struct node *n, struct fault *f)
{
    const struct settings *s = n->settings;
    int rc = start_journal(n, f);

    if (!rc && (s->has_mqtt || s->has_api))
        rc = start_hub(n, f);
    if (!rc && s->has_mqtt)
        rc = node_start_mqtt(n, f);
    if (!rc && s->has_api)
        rc = start_api(n, f);
    if (!rc && s->has_health)
        rc = start_health(n, f);
    if (!rc && s->has_edge)
        rc = start_edge(n, f);
    return rc;
}

static int start_status(struct node *n, struct fault *f)
{
    struct buf path = buf_init(4096);
    struct status_options o = { .path = node_or_default(n->settings->control.socket,
                                                        node_data_path(n, &path, "control.sock")),
                                .workers = n->workers };
    int rc;

    node_data_path(n, &n->journal_dir, "journal");
    status_set_sources(
        n->status,
        &(struct status_sources){
            .journal = n->journal,
            .journal_dir = buf_cstr(&n->journal_dir),
            .store = n->store,
            .broker = n->broker,
            .desk = n->desk,
            .bridges = n->bridges,
            .uplink = n->uplink,
            .senders = n->ingest ? uplink_server_senders(hub_ingest_uplink(n->ingest)) : NULL });
    rc = status_listen(n->status, &o, f);
    buf_fini(&path);
    return rc;
}

/* What the journal cannot take must be refused at the door, with its name. */
static void fit_records(struct node *n)
{
    uint64_t most = journal_payload_max(n->settings->journal.segment_bytes);

    if (n->limits.record_payload_max_bytes <= most)
        return;
    log_warn("node", "records may be no larger than fits into a segment of the journal",
             lf_u64("record_payload_max", n->limits.record_payload_max_bytes), lf_u64("fits", most),
             lf_text("do", "raise journal.segment, or lower limits.record_payload_max"));
    n->limits.record_payload_max_bytes = most;
}

int node_start(const struct conf *conf, struct node **out, struct fault *f)
{
    struct node *n = NEW(struct node);
    const struct settings *s = conf_root(conf);
    uint64_t files;
    int rc;

    n->settings = s;
    n->limits = s->limits;
    fit_records(n);
    n->id = buf_init(RECORD_DEVICE_MAX + 8);
    n->data = buf_init(3500);
    n->journal_dir = buf_init(4096);
    n->metrics = metrics_new();
    files = open_files_raise();
    n->places = open_files_places(&n->limits, files, n->metrics);
    n->health_places = open_files_health_places(&n->limits, files, n->metrics);
    n->health = (struct health){
        .state = &n->state, .metrics = n->metrics, .more_metrics = add_host_metrics, .ctx = n
    };
    n->state.refresh = look_at_journal;
    n->state.ctx = n;
    state_set(&n->state, NOT_READY_STARTING, true);
    n->status = status_new(&n->state, &n->id);
    rc = prepare(n, f);
    if (!rc) {
        n->workers = workers_start((unsigned)s->node.workers);
        identify(n);
        rc = start_services(n, f);
    }
    if (!rc)
        rc = start_status(n, f);
    if (rc) {
        node_stop(n);
        return rc;
    }
    state_set(&n->state, NOT_READY_STARTING, false);
    log_info("node", "ready", lf_str("id", buf_str(&n->id)), lf_u64("pid", (uint64_t)getpid()));
    *out = n;
    return 0;
}

/* Runs behind the mail that was on its way. */
static void settled(void *ctx, struct loop *l)
{
    (void)ctx;
    (void)l;
}

/* Sources first, then the front doors, then what they fill. */
void node_stop(struct node *n)
{
    state_set(&n->state, NOT_READY_STOPPING, true);
    if (n->desk) /* before those whose questions wait there */
        access_desk_stop(n->desk);
    if (n->socket)
        socket_server_close(n->socket);
    if (n->ingest)
        hub_ingest_stop(n->ingest);
    if (n->bridges)
        bridges_stop(n->bridges);
    if (n->broker)
        broker_stop(n->broker, NODE_DRAIN_MS);
    store_stop_asking(n->store); /* the servers wait for their answers */
    for (size_t i = 0; i < n->server_count; i++)
        http_server_stop(n->servers[i], NODE_DRAIN_MS);
    access_server_stop(n->access);
    if (n->host) /* after the servers: /metrics asks it */
        host_stop(n->host);
    if (n->workers) /* before the uplink: the status asks it */
        status_close(n->status);
    if (n->uplink)
        uplink_stop(n->uplink);
    if (n->journal && n->workers) { /* publications whose client has gone still hold the broker */
        journal_settle(n->journal);
        workers_each(n->workers, settled, NULL);
    }
    if (n->sink)
        sink_stop(n->sink);
    for (size_t i = 0; i < n->server_count; i++)
        http_server_free(n->servers[i]);
    mqtt_api_free(n->mqtt_api);
    if (n->broker)
        broker_free(n->broker);
    if (n->mqtt_log)
        journal_close(n->mqtt_log);
    store_close(n->store);
    if (n->journal)
        journal_close(n->journal);
    if (n->workers) {
        workers_stop(n->workers);
        if (n->ingest)
            hub_ingest_free(n->ingest);
        workers_free(n->workers);
    }
    bridges_free(n->bridges);
    access_desk_free(n->desk);
    access_server_free(n->access);
    if (n->refused)
        refused_close(n->refused);
    topics_free(n->topics);
    api_free(n->api);
    status_free(n->status);
    for (size_t i = 0; i < n->tls_count; i++)
        tls_free(n->tls[i]);
    for (size_t i = 0; i < n->nets_count; i++)
        mem_free(n->nets[i]);
    metrics_free(n->metrics);
    mem_free(n->users);
    buf_fini(&n->id);
    buf_fini(&n->data);
    buf_fini(&n->journal_dir);
    mem_free(n);
}

int node_load_access(const struct node *n, const struct conf *fresh, struct access **out,
                     struct fault *f)
{
    const struct settings *s = conf_root(fresh);

    *out = NULL;
    /* Without its section the broker ends at the next start only; until then its rules hold. */
    if (!n->access || (n->settings->has_mqtt && !s->has_mqtt))
        return 0;
    return access_io_load(&s->mqtt, &n->limits, n->users, n->settings->mqtt.users.count, out, f);
}

void node_reload_access(struct node *n, const struct conf *conf, struct access *fresh)
{
    const struct settings *s = conf_root(conf);
    const struct access *now = n->access ? access_server_now(n->access) : NULL;

    if (!fresh)
        return;
    access_desk_files(n->desk, &s->mqtt);
    if (fresh->acl || fresh->passwd || now->acl || now->passwd)
        access_server_change(n->access, fresh);
    else
        access_free(fresh);
}

struct queue_node *node_take_reloads(struct node *n)
{
    return status_take_reloads(n->status);
}

void node_answer_reloads(struct queue_node *asked, const struct fault *refused)
{
    char text[sizeof(struct fault) + 32];

    status_answer_reloads(asked, refused ? fault_text(refused, text, sizeof(text)) : NULL);
}

void node_reload_tls(struct node *n)
{
    for (size_t i = 0; i < n->tls_count; i++) {
        struct fault f = { 0 };

        if (tls_reload(n->tls[i], &f))
            log_error("tls", "the old certificate stays in use", lf_text("file", f.file),
                      lf_text("why", f.text));
    }
    bridges_reload_tls(n->bridges);
}

void node_serve(struct node *n)
{
    if (n->desk)
        access_desk_serve(n->desk);
}
