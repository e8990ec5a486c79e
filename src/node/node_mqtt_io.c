/*
 * The broker of a node: who may do what, its log and its bridges, and the doors through which clients come.
 */
#include "node/node_impl_io.h"

#include "base/log.h"
#include "base/mem.h"
#include "node/access_io.h"
#include "node/tls_io.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void on_ws_opened(void *ctx, struct ws *w, struct http_request *r)
{
    const struct ws_door *d = ctx;

    (void)r;
    broker_ws_accept(d->node->broker, w, d->rules);
}

static const struct ws_route mqtt_ws = { .protocols = "mqtt, mqttv3.1",
                                         .flags = WS_STREAM | WS_PROTOCOL_REQUIRED,
                                         .opened = on_ws_opened };
static const struct http_route mqtt_on_api[] = {
    { HTTP_GET, "/mqtt", NULL, .ws = &mqtt_ws, .tag = "live", .flags = HTTP_QUERY_OPEN,
      .summary = "MQTT over WebSocket" },
};
static const struct http_route mqtt_alone[] = {
    { HTTP_GET, "/mqtt", NULL, .ws = &mqtt_ws, .flags = HTTP_QUERY_OPEN | HTTP_NO_AUTH,
      .summary = "MQTT over WebSocket" },
    { HTTP_GET, "/", NULL, .ws = &mqtt_ws, .flags = HTTP_QUERY_OPEN | HTTP_NO_AUTH,
      .summary = "MQTT over WebSocket" },
};

static void mount_mqtt(struct node *n, struct http_server *s, const struct http_route *routes,
                       size_t count, const struct broker_rules *rules)
{
    struct ws_door *d = &n->doors[n->door_count++];

    *d = (struct ws_door){ n, broker_rules_keep(n->broker, rules) };
    http_server_mount(s, routes, count, d);
}

/* A list of the node's, and one of a listener's behind it. */
static void join_names(const char *const *own, const struct conf_texts *more, const char **out)
{
    size_t count = 0;

    for (; own[count]; count++)
        out[count] = own[count];
    for (size_t i = 0; i < more->count && i < NODE_NAMES_MAX; i++)
        out[count++] = more->items[i].p;
    out[count] = NULL;
}

/* A page that reaches us under a name of its own ("DNS rebinding") is let in as whoever is on this
 * machine. Where that opens nothing, clients come by whatever name the network has for us. */
static bool is_host_open(const struct listener_settings *ls, const struct broker_rules *rules)
{
    return rules->anonymous != ANONYMOUS_ALLOW || !addr_is_local(&ls->address);
}

static int listen_websocket(struct node *n, const struct listener_settings *ls,
                            const struct http_listen_options *o, const struct broker_rules *rules,
                            struct addr *bound, struct fault *f)
{
    const char *hosts[COUNT_OF(n->hosts) + NODE_NAMES_MAX];
    const char *origins[COUNT_OF(n->origins) + NODE_NAMES_MAX];
    struct http_server_options so = { .name = "mqtt-websocket",
                                      .flags = is_host_open(ls, rules) ? HTTP_HOST_OPEN : 0,
                                      .limits = &n->limits,
                                      .metrics = n->metrics,
                                      .places = &n->places,
                                      .hosts = hosts,
                                      .origins = origins,
                                      .section = "mqtt.listeners[]" };
    struct http_server *s;

    join_names(n->hosts, &ls->hosts, hosts);
    join_names(n->origins, &ls->origins, origins);
    s = http_server_new(n->workers, &so);
    n->servers[n->server_count++] = s;
    mount_mqtt(n, s, mqtt_alone, COUNT_OF(mqtt_alone), rules);
    return http_listen(s, o, bound, f);
}

static void set_proxy(struct node *n, const struct listener_settings *ls,
                      struct listener_proxy *out)
{
    struct addr_net *nets;

    if (!ls->proxy_protocol)
        return;
    nets = mem_new_array(ls->trusted_proxies.count + 1, sizeof(*nets));
    n->nets[n->nets_count++] = nets;
    *out = (struct listener_proxy){ .required = true,
                                    .trusted = nets,
                                    .trusted_count = ls->trusted_proxies.count,
                                    .header_max_bytes = n->limits.proxy_header_max_bytes,
                                    .timeout_ms = n->limits.proxy_timeout_ms };
    for (size_t i = 0; i < ls->trusted_proxies.count; i++)
        if (addr_net_parse(ls->trusted_proxies.items[i], &nets[i]))
            assert(false && "checked by the row");
}

static int start_mqtt_listener(struct node *n, const struct listener_settings *ls, struct fault *f)
{
    bool ws = ls->protocol == MQTT_OVER_WEBSOCKET;
    struct broker_rules rules = broker_io_rules(n->settings, &n->limits, ls);
    struct broker_listen bl = { .addr = ls->address,
                                .unix_mode = node_octal(ls->mode),
                                .connections_max = ls->connections_max,
                                .rules = &rules };
    struct addr bound;
    int rc = tls_io_listener(ls, &bl.tls, f);

    if (rc)
        return rc;
    node_keep_tls(n, bl.tls);
    set_proxy(n, ls, &bl.proxy);
    if (ws)
        rc = listen_websocket(n, ls,
                              &(struct http_listen_options){
                                  .addr = bl.addr,
                                  .proxy = bl.proxy,
                                  .tls = bl.tls,
                                  .unix_mode = bl.unix_mode,
                                  .connections_max = bl.connections_max,
                              },
                              &rules, &bound, f);
    else
        rc = broker_listen(n->broker, &bl, &bound, f);
    if (rc)
        return rc;
    node_say_listening(n, ws ? "mqtt-websocket" : "mqtt", &bound);
    if (ls->anonymous == ANONYMOUS_LOCAL && rules.anonymous == ANONYMOUS_DENY &&
        access_has_no_users(access_server_now(n->access)) && ls->identity_from == CERT_NAME_NONE)
        log_warn("mqtt", "nobody can log in from the network: no users are configured",
                 lf_u64("port", addr_port(&bound)),
                 lf_text("do", "add mqtt.users or mqtt.password_file, or anonymous: allow to the "
                               "listener"));
    return 0;
}

int node_start_mqtt(struct node *n, struct fault *f)
{
    const struct conf_list *all = &n->settings->mqtt.listeners;

    for (size_t i = 0; i < all->count; i++) {
        int rc = start_mqtt_listener(n, CONF_ITEM_AT(*all, struct listener_settings, i), f);

        if (rc)
            return rc;
    }
    return 0;
}

static void log_access(const struct settings *s, const struct access *a)
{
    if (a->acl)
        log_info("mqtt", "access rules", lf_str("file", s->mqtt.acl_file),
                 lf_u64("rules", acl_rules(a->acl)));
    if (a->passwd)
        log_info("mqtt", "users of a file", lf_str("file", s->mqtt.password_file),
                 lf_u64("users", passwd_users(a->passwd)));
}

/* The main thread waits for signals (node/run_io.c). */
static void wake_main(void *ctx)
{
    (void)ctx;
    kill(getpid(), NODE_SIGNAL);
}

int node_make_access(struct node *n, struct fault *f)
{
    const struct settings *s = n->settings;
    struct access *first;
    int rc;

    n->users = mem_new_array(s->mqtt.users.count + 1, sizeof(*n->users));
    for (size_t i = 0; i < s->mqtt.users.count; i++) {
        const struct user_settings *u = CONF_ITEM_AT(s->mqtt.users, struct user_settings, i);

        n->users[i] = (struct access_user){ u->name, u->password };
    }
    rc = access_io_load(&s->mqtt, &n->limits, n->users, s->mqtt.users.count, &first, f);
    if (rc)
        return rc;
    log_access(s, first);
    n->access = access_server_new(n->workers, &n->limits, n->metrics, first);
    n->desk = access_desk_new(&(struct access_desk_options){ .workers = n->workers,
                                                             .server = n->access,
                                                             .limits = &n->limits,
                                                             .users = n->users,
                                                             .user_count = s->mqtt.users.count,
                                                             .wake = wake_main });
    access_desk_files(n->desk, &s->mqtt);
    return 0;
}

int node_make_broker(struct node *n, struct fault *f)
{
    struct broker_options o = { .limits = &n->limits,
                                .metrics = n->metrics,
                                .authz = access_server_authz(n->access),
                                .places = &n->places,
                                .version = n->settings->mqtt.sys_interval_s > 0
                                               ? "wayside version " WAYSIDE_VERSION
                                               : NULL,
                                .sys_interval_ms = n->settings->mqtt.sys_interval_s * 1000,
                                .queue_full = (enum session_full)n->settings->mqtt.queue_policy,
                                .queue_qos0 = n->settings->mqtt.queue_qos0_messages };
    struct broker_topic *topics;
    struct buf path = buf_init(4096);
    int rc = broker_io_log_open(n->settings, &n->limits, node_data_path(n, &path, "mqtt"),
                                &n->mqtt_log, f);

    buf_fini(&path);
    if (rc)
        return rc;
    topics = broker_io_topics(n->settings);
    o.journal = n->mqtt_log;
    o.durability = (enum broker_durability)n->settings->mqtt.durability;
    o.topics = topics;
    o.topic_count = n->settings->mqtt.topics.count;
    if (n->ingest) {
        o.on_publish = hub_ingest_publish;
        o.publish_ctx = n->ingest;
    }
    n->broker = broker_new(n->workers, &o);
    mem_free(topics);
    access_server_set_broker(n->access, n->broker);
    if (n->ingest)
        hub_ingest_set_broker(n->ingest, n->broker);
    rc = bridges_new(n->settings, &n->limits, n->broker, n->workers, n->metrics, buf_str(&n->id),
                     &n->bridges, f);
    if (!rc && n->mqtt_log)
        rc = broker_restore(n->broker, f);
    return rc ? rc : bridges_start(n->bridges, f);
}

void node_mount_mqtt(struct node *n, struct http_server *api, const struct broker_rules *rules)
{
    mount_mqtt(n, api, mqtt_on_api, COUNT_OF(mqtt_on_api), rules);
}
