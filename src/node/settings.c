/*
 * The rows of the configuration file, and the presets that a user's file is laid over. A service
 * exists only if its section does; an empty section means on with defaults.
 */
#include "node/settings.h"

#include "base/addr_net.h"
#include "base/log.h"
#include "base/mem.h"
#include "mqtt/session.h"
#include "store/conninfo.h"
#include "mqtt/broker.h"
#include "wire/mqtt.h"
#include "wire/uri.h"

#include <stdio.h>

static const struct conf_name level_names[] = {
    { "debug", LOG_DEBUG }, { "info", LOG_INFO }, { "warn", LOG_WARN },
    { "error", LOG_ERROR }, { "off", LOG_OFF },   { 0 },
};
static const struct conf_name format_names[] = {
    { "logfmt", LOG_LOGFMT },
    { "json", LOG_JSON },
    { 0 },
};
static const struct conf_name protocol_names[] = {
    { "mqtt", MQTT_OVER_TCP },
    { "websocket", MQTT_OVER_WEBSOCKET },
    { 0 },
};
static const struct conf_name anonymous_names[] = {
    { "local", ANONYMOUS_LOCAL },
    { "allow", ANONYMOUS_ALLOW },
    { "deny", ANONYMOUS_DENY },
    { 0 },
};
static const struct conf_name durability_names[] = {
    { "commit", BROKER_COMMIT },
    { "interval", BROKER_INTERVAL },
    { "memory", BROKER_MEMORY },
    { 0 },
};
static const struct conf_name queue_names[] = {
    { "drop_newest", SESSION_DROP_NEWEST },
    { "drop_oldest_qos0", SESSION_DROP_OLDEST_QOS0 },
    { "disconnect", SESSION_DISCONNECT },
    { 0 },
};
static const struct conf_name cert_name_names[] = {
    { "none", CERT_NAME_NONE },
    { "common_name", CERT_NAME_COMMON },
    { "subject", CERT_NAME_SUBJECT },
    { 0 },
};
static const struct conf_name redirect_names[] = {
    { "none", 0 },
    { "temporary", MQTT_REASON_USE_ANOTHER },
    { "permanent", MQTT_REASON_MOVED },
    { 0 },
};
static const struct conf_name kind_names[] = {
    { "reading", RECORD_READING }, { "detection", RECORD_DETECTION }, { "status", RECORD_STATUS },
    { "event", RECORD_EVENT },     { "result", RECORD_RESULT },       { 0 },
};
static const struct conf_name time_names[] = {
    { "optional", TOPIC_TIME_OPTIONAL },
    { "required", TOPIC_TIME_REQUIRED },
    { "lenient", TOPIC_TIME_LENIENT },
    { "arrival", TOPIC_TIME_ARRIVAL },
    { 0 },
};

#define ROOT(field) CONF_AT(struct settings, field)

static void check_id(const void *value, struct conf_say *say)
{
    const struct str *id = value;

    if (id->n > 0 && !record_device_valid(*id))
        conf_complain(say, NULL, "'id' may hold letters, digits, _ and - only");
}
static const struct conf_row node_rows[] = {
    { "id", CONF_TEXT, CONF_AT(struct node_settings, id), .max = RECORD_DEVICE_MAX,
      .check = check_id,
      .help = "name of this node, [A-Za-z0-9_-]; made from the host's name at the first start and "
              "kept in the data folder" },
    { "data", CONF_PATH, CONF_AT(struct node_settings, data),
      .help = "folder for journal, store and keys; /var/lib/wayside/PRESET as root, else "
              "~/.local/share/wayside/PRESET" },
    { "workers", CONF_UINT, CONF_AT(struct node_settings, workers), .def = "0", .max = 64,
      .help = "worker threads; 0: one per core" },
    { 0 },
};
static const struct conf_row log_rows[] = {
    { "level", CONF_ENUM, CONF_AT(struct log_settings, level), .def = "info", .names = level_names,
      .flags = CONF_RELOAD, .help = "least important line that is written" },
    { "format", CONF_ENUM, CONF_AT(struct log_settings, format), .def = "logfmt",
      .names = format_names, .flags = CONF_RELOAD,
      .help = "for people (logfmt) or for machines (json)" },
    { "requests", CONF_BOOL, CONF_AT(struct log_settings, requests), .def = "false",
      .help = "one line for each HTTP request" },
    { 0 },
};

/* ---- mqtt ---- */

#define LISTENER(field) CONF_AT(struct listener_settings, field)
static void check_mode(const void *value, struct conf_say *say)
{
    const struct str *mode = value;

    for (size_t i = 0; i < mode->n; i++)
        if (mode->p[i] < '0' || mode->p[i] > '7')
            conf_complain(say, NULL, "must be octal digits, such as \"0660\"");
}
static void check_proxies(const void *value, struct conf_say *say)
{
    const struct conf_texts *t = value;

    for (size_t i = 0; i < t->count; i++) {
        struct addr_net n;
        int rc = addr_net_parse(t->items[i], &n);

        if (rc == ERR_VALUE)
            conf_complain(say, NULL,
                          "'%.*s' has bits behind its length: what is meant is not clear",
                          STR_ARG(t->items[i]));
        else if (rc)
            conf_complain(say, NULL, "'%.*s' is no address or range, such as 10.1.0.0/16",
                          STR_ARG(t->items[i]));
    }
}
static void check_mount(const void *value, struct conf_say *say)
{
    const struct str *s = value;

    if (s->n > 0 && (!mqtt_topic_valid(*s) || s->p[0] == '$' || s->p[s->n - 1] != '/'))
        conf_complain(
            say, NULL,
            "must be the beginning of a topic that ends with '/', such as site1/, without "
            "wildcards and without '$' in front");
}
static void check_reference(const void *value, struct conf_say *say)
{
    struct str rest = *(const struct str *)value;

    while (rest.n > 0) {
        struct str one = str_cut(&rest, ' ');
        struct uri_authority a;

        if (uri_authority_parse(one, &a, NULL))
            conf_complain(say, NULL, "'%.*s' is no host:port", STR_ARG(one));
    }
}
static void check_listener(const void *value, struct conf_say *say)
{
    const struct listener_settings *l = value;

    if ((l->cert.n > 0) != (l->key.n > 0))
        conf_complain(say, l->cert.n > 0 ? "cert" : "key",
                      "cert and key belong together: give both, or none for plain TCP");
    if (l->client_ca.n > 0 && l->cert.n == 0)
        conf_complain(say, "client_ca", "client certificates need TLS: give cert and key as well");
    if (l->client_ca.n == 0 && (l->require_certificate || l->identity_from != CERT_NAME_NONE))
        conf_complain(say, l->require_certificate ? "require_certificate" : "identity_from",
                      "needs client_ca, the authority whose certificates count");
    if (l->client_ca.n == 0 && l->client_crl.n > 0)
        conf_complain(say, "client_crl", "needs client_ca, the authority that it belongs to");
    if (l->redirect != 0 && l->server_reference.n == 0)
        conf_complain(say, "redirect", "to which server? give server_reference as well");
    if (l->redirect == 0 && l->server_reference.n > 0)
        conf_complain(say, "server_reference",
                      "clients are told with redirect: temporary or redirect: permanent only");
    if (l->mode.n > 0 && !addr_is_unix(&l->address))
        conf_complain(say, "mode", "means something for a Unix socket only (address: unix:/path)");
    if ((l->hosts.count > 0 || l->origins.count > 0) && l->protocol != MQTT_OVER_WEBSOCKET)
        conf_complain(say, l->hosts.count > 0 ? "hosts" : "origins",
                      "means something with protocol: websocket only");
    if (l->trusted_proxies.count > 0 && !l->proxy_protocol)
        conf_complain(say, "trusted_proxies", "means something with proxy_protocol: true only");
}
static const struct conf_row listener_rows[] = {
    { "address", CONF_ADDRESS, LISTENER(address), .flags = CONF_REQUIRED,
      .help =
          "address and port, such as 127.0.0.1:1883; :1883 is all addresses; port 0 picks one. Or a "
          "Unix socket, unix:/path, whose folder must exist" },
    { "mode", CONF_TEXT, LISTENER(mode), .min = 3, .max = 4, .check = check_mode,
      .help = "permissions of a Unix socket, such as \"0600\"; 0660 when absent" },
    { "protocol", CONF_ENUM, LISTENER(protocol), .def = "mqtt", .names = protocol_names,
      .help = "mqtt, or MQTT over websocket" },
    { "hosts", CONF_TEXTS, LISTENER(hosts), .def = "[]", .max = 64,
      .help =
          "of WebSocket: names by which pages reach it, beside addresses, localhost and those of "
          "api.hosts. Asked for only where its address is loopback and clients without a user "
          "name are let in; elsewhere any name will do" },
    { "origins", CONF_TEXTS, LISTENER(origins), .def = "[]", .max = 64,
      .help = "of WebSocket: pages that may connect beside those of its own host and port and of "
              "api.origins, such as http://127.0.0.1:1880" },
    { "anonymous", CONF_ENUM, LISTENER(anonymous), .def = "local", .names = anonymous_names,
      .help =
          "clients without a user name: allow, deny, or only where the address is loopback or a Unix "
          "socket, and not with proxy_protocol (local)" },
    { "cert", CONF_PATH, LISTENER(cert), .help = "certificate chain in PEM: the listener is TLS" },
    { "key", CONF_PATH, LISTENER(key), .help = "its private key in PEM" },
    { "client_ca", CONF_PATH, LISTENER(client_ca),
      .help = "authority in PEM whose certificates clients may show" },
    { "require_certificate", CONF_BOOL, LISTENER(require_certificate), .def = "false",
      .help = "a client without such a certificate does not get through the handshake" },
    { "identity_from", CONF_ENUM, LISTENER(identity_from), .def = "none", .names = cert_name_names,
      .help = "the user's name is the certificate's common_name, or its whole subject such as "
              "CN=t1,O=Works, and no password is asked for; a client whose certificate has no such "
              "name is refused" },
    { "client_crl", CONF_PATH, LISTENER(client_crl),
      .help =
          "revocation list of client_ca in PEM, read again by a reload for handshakes from then on "
          "(who is connected stays); while it is expired, no certificate counts" },
    { "mount_point", CONF_TEXT, LISTENER(mount_point), .max = 512, .check = check_mount,
      .help =
          "such as site1/: put in front of each topic and filter of its clients (behind "
          "$share/NAME/), and taken off what they get, so that they see nothing else. So it is with "
          "the response topic; one that lies outside does not reach them. $SYS is the same for "
          "all. Rows of ingest see the whole topic" },
    { "durability", CONF_ENUM, LISTENER(durability),
      CONF_HAS(struct listener_settings, has_durability), .names = durability_names,
      .help = "of what its clients publish, where mqtt.topics does not say otherwise, and of their "
              "sessions: one that begins through a listener with memory is never written down. As "
              "mqtt.durability when absent" },
    { "connections_max", CONF_UINT, LISTENER(connections_max),
      CONF_HAS(struct listener_settings, has_connections_max), .min = 1, .max = 1000000,
      .help = "open connections through it; as limits.connections_max when absent" },
    { "packet_max", CONF_SIZE, LISTENER(packet_max_bytes),
      CONF_HAS(struct listener_settings, has_packet_max), .min = 128, .max = 255 << 20,
      .help = "largest packet from its clients; as limits.mqtt_packet_max when absent" },
    { "inflight_max", CONF_UINT, LISTENER(inflight_max),
      CONF_HAS(struct listener_settings, has_inflight_max), .min = 1, .max = 65535,
      .help = "unacknowledged messages to a client, and from it; as limits.mqtt_inflight_max when "
              "absent" },
    { "keepalive_max_s", CONF_UINT, LISTENER(keepalive_max_s),
      CONF_HAS(struct listener_settings, has_keepalive_max), .max = 65535,
      .help = "longest keep-alive in seconds; as limits.mqtt_keepalive_max_s when absent" },
    { "qos_max", CONF_UINT, LISTENER(qos_max), CONF_HAS(struct listener_settings, has_qos_max),
      .max = 2,
      .help = "highest QoS of its clients: what is published above ends the connection, what is "
              "subscribed above is granted with less; as limits.mqtt_qos_max when absent" },
    { "retain_available", CONF_BOOL, LISTENER(retain_available),
      CONF_HAS(struct listener_settings, has_retain_available),
      .help = "whether its clients may publish retained messages; the connection of one that does "
              "all the same is ended. When absent they may, unless limits.mqtt_retained_max is 0" },
    { "topic_alias_max", CONF_UINT, LISTENER(topic_alias_max),
      CONF_HAS(struct listener_settings, has_topic_alias_max), .max = 1024,
      .help = "topic aliases that one client may use; as limits.mqtt_topic_alias_max when absent" },
    { "message_rate_max", CONF_UINT, LISTENER(message_rate_max),
      CONF_HAS(struct listener_settings, has_message_rate_max), .max = 1000000000,
      .help = "packets a second from one client; as limits.mqtt_message_rate_max when absent" },
    { "byte_rate_max", CONF_SIZE, LISTENER(byte_rate_max_bytes),
      CONF_HAS(struct listener_settings, has_byte_rate_max), .max = (int64_t)1 << 40,
      .help = "bytes a second from one client; as limits.mqtt_byte_rate_max when absent" },
    { "offline_messages", CONF_BOOL, LISTENER(offline_messages), .def = "true",
      .help = "whether messages of QoS 1 and 2 are kept for its clients while they are away; their "
              "subscriptions are in any case" },
    { "session_expiry_max", CONF_DURATION, LISTENER(session_expiry_max_ms),
      CONF_HAS(struct listener_settings, has_session_expiry_max), .max = (int64_t)UINT32_MAX * 1000,
      .help = "longest life of a session whose client is away, and 0: none; MQTT 5 is told. As "
              "limits.mqtt_session_expiry_max when absent" },
    { "will_delay_max", CONF_DURATION, LISTENER(will_delay_max_ms),
      CONF_HAS(struct listener_settings, has_will_delay_max), .max = (int64_t)UINT32_MAX * 1000,
      .help = "longest delay of a will; as limits.mqtt_will_delay_max when absent" },
    { "redirect", CONF_ENUM, LISTENER(redirect), .def = "none", .names = redirect_names,
      .help = "its clients are sent to another server, for now (temporary) or for good "
              "(permanent); MQTT 3.1.1 has no word for that and is told that this one is "
              "unavailable" },
    { "server_reference", CONF_TEXT, LISTENER(server_reference), .max = 512,
      .check = check_reference,
      .help = "to which, as host:port; several with a space between them" },
    { "proxy_protocol", CONF_BOOL, LISTENER(proxy_protocol), .def = "false",
      .help = "each connection must begin with a PROXY header (version 1 or 2, before TLS), which "
              "says from where it came; connections without are closed" },
    { "trusted_proxies", CONF_TEXTS, LISTENER(trusted_proxies), .def = "[]", .max = 64,
      .check = check_proxies,
      .help =
          "addresses and ranges, such as 10.1.0.0/16, from which a PROXY header is believed; "
          "all others are closed. Empty: loopback only. Whoever opens a Unix socket is trusted" },
    { 0 },
};
#define USER(field) CONF_AT(struct user_settings, field)
static const struct conf_row user_rows[] = {
    { "name", CONF_TEXT, USER(name), .flags = CONF_REQUIRED, .min = 1, .max = 128,
      .help = "user name" },
    { "password", CONF_TEXT, USER(password), .flags = CONF_REQUIRED | CONF_SECRET | CONF_FILE,
      .min = 8, .max = 256, .help = "password of at least 8 bytes; or password_file: PATH" },
    { 0 },
};
static void check_topic(const void *item, struct conf_say *say)
{
    const struct topic_settings *t = item;

    if (!mqtt_filter_valid(t->filter) || str_starts(t->filter, STR("$share/")))
        conf_complain(say, "filter",
                      "is no topic filter: + and # stand for whole levels, # at the end only");
    else if (str_eq(t->filter, STR("$SYS")) || str_starts(t->filter, STR("$SYS/")))
        conf_complain(say, "filter", "what $SYS says is never kept");
}
#define TOPIC(field) CONF_AT(struct topic_settings, field)
static const struct conf_row durable_rows[] = {
    { "filter", CONF_TEXT, TOPIC(filter), .flags = CONF_REQUIRED, .min = 1, .max = 1024,
      .help =
          "such as plant/+/command or logs/#; with its mount point in front, where a listener has "
          "one" },
    { "durability", CONF_ENUM, TOPIC(durability), .flags = CONF_REQUIRED, .names = durability_names,
      .help = "as mqtt.durability" },
    { 0 },
};
/* A row that never holds is a mistake, as is a user who stands there twice. */
static void check_mqtt(const void *value, struct conf_say *say)
{
    const struct mqtt_settings *m = value;

    settings_check_users(m, say);
    for (size_t i = 0; i < m->topics.count; i++) {
        const struct topic_settings *t = CONF_ITEM_AT(m->topics, struct topic_settings, i);

        for (size_t k = 0; k < i; k++) {
            const struct topic_settings *first = CONF_ITEM_AT(m->topics, struct topic_settings, k);

            if (!str_eq(first->filter, t->filter) && !str_eq(first->filter, STR("#")))
                continue;
            conf_complain(say, "topics", "'%.*s' never holds: '%.*s' stands before it",
                          STR_ARG(t->filter), STR_ARG(first->filter));
            break;
        }
    }
}
static const struct conf_row mqtt_rows[] = {
    { "listeners", CONF_LIST, CONF_AT(struct mqtt_settings, listeners),
      CONF_ITEM(struct listener_settings, listener_rows), .max = 14, .item_check = check_listener,
      .def = "[{address: \"127.0.0.1:1883\"}, {address: \"127.0.0.1:9001\", protocol: websocket}]",
      .help = "where clients connect" },
    { "users", CONF_LIST, CONF_AT(struct mqtt_settings, users),
      CONF_ITEM(struct user_settings, user_rows), .max = 1000, .def = "[]",
      .help = "clients that log in by name" },
    { "bridges", CONF_LIST, CONF_AT(struct mqtt_settings, bridges),
      CONF_ITEM(struct bridge_settings, settings_bridge_rows), .max = SETTINGS_BRIDGES_MAX,
      .def = "[]", .check = settings_check_bridges, .item_check = settings_check_bridge,
      .help = "other brokers with which messages are exchanged" },
    { "password_file", CONF_PATH, CONF_AT(struct mqtt_settings, password_file),
      .flags = CONF_RELOAD,
      .help = "more of them, in a file of mosquitto_passwd; a name under users stands above it" },
    { "acl_file", CONF_PATH, CONF_AT(struct mqtt_settings, acl_file), .flags = CONF_RELOAD,
      .help =
          "who may publish and subscribe what, in a file as mosquitto has it: then what no rule "
          "grants is refused. Without: whoever is let in may do everything" },
    { "durability", CONF_ENUM, CONF_AT(struct mqtt_settings, durability), .def = "commit",
      .names = durability_names,
      .help =
          "sessions that outlive their connection, what QoS 1 and 2 owes them, and retained "
          "messages: on the disk before they are acknowledged (commit); written before, so that "
          "they survive the program, and flushed to the disk within flush_interval (interval); "
          "or only as long as the program runs (memory). What is ingested is always committed" },
    { "flush_interval", CONF_DURATION, CONF_AT(struct mqtt_settings, flush_interval_ms),
      .def = "1s", .min = 10, .max = 3600000,
      .help = "with durability: interval, how much a power cut may take back" },
    { "topics", CONF_LIST, CONF_AT(struct mqtt_settings, topics),
      CONF_ITEM(struct topic_settings, durable_rows), .max = 100, .def = "[]",
      .item_check = check_topic,
      .help = "another durability for what is published on some topics, through whichever "
              "listener; the first that matches holds" },
    { "log_quota", CONF_SIZE, CONF_AT(struct mqtt_settings, log_quota_bytes), .def = "1GiB",
      .min = 64 << 20, .max = (int64_t)1 << 44,
      .help =
          "space for them, three times what waits or is retained at the most; what does not fit "
          "is refused with 0x97 (quota exceeded)" },
    { "queue_policy", CONF_ENUM, CONF_AT(struct mqtt_settings, queue_policy), .def = "drop_newest",
      .names = queue_names,
      .help =
          "when limits.mqtt_queue_max_messages or limits.mqtt_queue_max is reached for a client: "
          "the newest message goes (drop_newest), or what waits of QoS 0, the oldest first "
          "(drop_oldest_qos0), or the newest and the connection with it (disconnect)" },
    { "queue_qos0_messages", CONF_BOOL, CONF_AT(struct mqtt_settings, queue_qos0_messages),
      .def = "false",
      .help = "messages of QoS 0 wait, too, for clients that are away; in memory only" },
    { "sys_interval_s", CONF_UINT, CONF_AT(struct mqtt_settings, sys_interval_s), .def = "10",
      .max = 65535,
      .help = "seconds between two looks at the topics below $SYS; 0: there are none" },
    { "port", CONF_GONE, .help = "write listeners: [{address: \":1883\"}]" },
    { "host", CONF_GONE, .help = "write listeners: [{address: \"127.0.0.1:1883\"}]" },
    { "broker", CONF_GONE, .help = "an edge names its hub under edge.uplink.hub" },
    { 0 },
};
/* ---- api, health ---- */

#define API(field) CONF_AT(struct api_settings, field)
static void check_api(const void *value, struct conf_say *say)
{
    const struct api_settings *a = value;

    if ((a->cert.n > 0) != (a->key.n > 0))
        conf_complain(say, a->cert.n > 0 ? "cert" : "key",
                      "cert and key belong together: give both, or none for plain HTTP");
}
static const struct conf_row api_rows[] = {
    { "address", CONF_ADDRESS, API(address), .def = "127.0.0.1:8000", .port = 8000,
      .help = "where the REST interface and the dashboard are served" },
    { "anonymous", CONF_ENUM, API(anonymous), .def = "local", .names = anonymous_names,
      .help =
          "clients of MQTT at its path /mqtt without a user name, such as the dashboard for its live "
          "values: allow, deny, or only where the address is loopback or a Unix socket (local)" },
    { "port", CONF_GONE, .help = "write address: \":8000\"" },
    { "host", CONF_GONE, .help = "write address: \"127.0.0.1:8000\"" },
    { "cert", CONF_PATH, API(cert), .help = "certificate chain in PEM: served by TLS" },
    { "key", CONF_PATH, API(key), .help = "its private key in PEM" },
    { "hosts", CONF_TEXTS, API(hosts), .def = "[]", .max = 64,
      .help = "names by which browsers reach this hub, beside addresses and localhost" },
    { "origins", CONF_TEXTS, API(origins), .def = "[]", .max = 64,
      .help = "pages of other sites that may call it, such as https://panel.example.org" },
    { 0 },
};
static const struct conf_row health_rows[] = {
    { "address", CONF_ADDRESS, CONF_AT(struct health_settings, address), .def = "127.0.0.1:8080",
      .port = 8080, .help = "where /health, /ready and /metrics are served" },
    { 0 },
};

/* ---- journal, store ---- */

static void check_kinds(const void *value, struct conf_say *say)
{
    const struct conf_texts *t = value;

    for (size_t i = 0; i < t->count; i++) {
        enum record_kind k = record_kind_from(t->items[i]);

        if (k == 0 || k >= RECORD_GAP)
            conf_complain(say, NULL, "'%.*s' is no kind: reading, detection, status, event, result",
                          STR_ARG(t->items[i]));
    }
}
static void check_journal(const void *value, struct conf_say *say)
{
    const struct journal_settings *j = value;

    if (j->quota_bytes < 4 * j->segment_bytes)
        conf_complain(say, "quota", "at least four segments: %llu KiB with segments of %llu KiB",
                      (unsigned long long)(4 * j->segment_bytes >> 10),
                      (unsigned long long)(j->segment_bytes >> 10));
}
static const struct conf_row journal_rows[] = {
    { "segment", CONF_SIZE, CONF_AT(struct journal_settings, segment_bytes), .def = "2MiB",
      .min = 64 << 10, .max = 64 << 20,
      .help =
          "size of one segment file, in which each record must fit; 1 to 4 MiB suits SD cards" },
    { "quota", CONF_SIZE, CONF_AT(struct journal_settings, quota_bytes), .def = "256MiB",
      .min = 1 << 20, .max = (int64_t)1 << 44,
      .help = "all segments together, at least four; beyond it records are refused" },
    { "free_floor", CONF_SIZE, CONF_AT(struct journal_settings, free_floor_bytes), .def = "16MiB",
      .max = (int64_t)1 << 44, .help = "space on the disk that the journal leaves free" },
    { "flush_window", CONF_DURATION, CONF_AT(struct journal_settings, flush_window_ms), .def = "0",
      .max = 60000,
      .help = "how long the first record waits for others before a flush; 0: not at all. Saves "
              "flash and battery at low rates" },
    { "drop_oldest", CONF_TEXTS, CONF_AT(struct journal_settings, drop_oldest), .def = "[]",
      .max = 8, .check = check_kinds,
      .help = "kinds of records whose oldest go when the quota is reached, such as [reading]; all "
              "others are refused then and wait with their sender" },
    { "max_age", CONF_DURATION, CONF_AT(struct journal_settings, max_age_ms), .def = "0",
      .max = (int64_t)10 * 365 * 86400000,
      .help = "what may be dropped goes when it is older; 0: no such limit" },
    { "max_records", CONF_UINT, CONF_AT(struct journal_settings, max_records), .def = "0",
      .max = (int64_t)1 << 40,
      .help = "what may be dropped goes when so many newer records are kept; 0: no such limit" },
    { 0 },
};
static void check_postgres(const void *value, struct conf_say *say)
{
    const struct str *s = value;

    if (conninfo_has_password(*s))
        conf_complain_secret(
            say, "a password does not belong here: write password_file: PATH (or password)");
}
static const struct conf_row store_rows[] = {
    { "postgres", CONF_TEXT, CONF_AT(struct store_settings, postgres), .max = 1024,
      .check = check_postgres,
      .help =
          "the PostgreSQL database that takes the records, such as "
          "postgresql://wayside@db.example.org/wayside or 'host=/run/postgresql dbname=wayside'; "
          "tables are made in its schema wayside. Without: SQLite in the data folder" },
    { "password", CONF_TEXT, CONF_AT(struct store_settings, password),
      .flags = CONF_SECRET | CONF_FILE, .max = 256,
      .help = "its password; or password_file: PATH" },
    { "id_window", CONF_DURATION, CONF_AT(struct store_settings, id_window_ms), .def = "10m",
      .max = (int64_t)24 * 3600000,
      .help = "a reading whose sender's id was stored so recently is the same reading" },
    { "readers", CONF_UINT, CONF_AT(struct store_settings, readers), .def = "2", .min = 1,
      .max = 16, .help = "threads that answer questions" },
    { 0 },
};

/* ---- ingest ---- */

#define FIELD(field) CONF_AT(struct field_settings, field)
static const struct conf_row field_rows[] = {
    { "name", CONF_TEXT, FIELD(name), .flags = CONF_REQUIRED, .min = 1, .max = 64,
      .help = "member of the payload's object" },
    { "required", CONF_BOOL, FIELD(required), .def = "false", .help = "refuse without it" },
    { "min", CONF_DOUBLE, FIELD(min), CONF_HAS(struct field_settings, has_min),
      .help = "least value" },
    { "max", CONF_DOUBLE, FIELD(max), CONF_HAS(struct field_settings, has_max),
      .help = "greatest value" },
    { 0 },
};
#define INGEST(field) CONF_AT(struct ingest_settings, field)
static void check_ingest(const void *item, struct conf_say *say);
static const struct conf_row ingest_rows[] = {
    { "topic", CONF_TEXT, INGEST(topic), .flags = CONF_REQUIRED, .min = 1, .max = 1024,
      .help =
          "topics that this row takes: plain levels, + for any, {name} for a level with a name" },
    { "device", CONF_TEXT, INGEST(device), .max = 64,
      .help = "the device: a fixed name, or {name} of a level" },
    { "device_field", CONF_TEXT, INGEST(device_field), .max = 64,
      .help = "the device is this member of the payload" },
    { "device_client", CONF_BOOL, INGEST(device_client), .def = "false",
      .help = "the device is the MQTT client id" },
    { "stream", CONF_TEXT, INGEST(stream), .flags = CONF_REQUIRED, .min = 1, .max = 64,
      .help = "the stream: a fixed name, or {name} of a level" },
    { "kind", CONF_ENUM, INGEST(kind), .def = "reading", .names = kind_names,
      .help = "what the records are" },
    { "time", CONF_ENUM, INGEST(time), .def = "optional", .names = time_names,
      .help = "the record's time: a field that may or must be there, that is used only when it is "
              "a time (lenient), or arrival" },
    { "time_field", CONF_TEXT, INGEST(time_field), .def = "timestamp", .max = 64,
      .help = "the member that holds it" },
    { "fields", CONF_LIST, INGEST(fields), CONF_ITEM(struct field_settings, field_rows),
      .max = TOPIC_FIELDS_MAX, .def = "[]", .help = "what members must hold" },
    { 0 },
};

/* ---- edge ---- */

#define EDGE(field) CONF_AT(struct edge_settings, field)
#define HOST(field) CONF_AT(struct host_settings, field)
#define SOCK(field) CONF_AT(struct socket_settings, field)
#define UP(field)   CONF_AT(struct uplink_settings, field)
static const struct conf_row host_rows[] = {
    { "enabled", CONF_BOOL, HOST(enabled), .def = "true",
      .help = "read this machine's own health: processor, memory, disks, network, temperature" },
    { "interval", CONF_DURATION, HOST(interval_ms), .def = "2s", .min = 100, .max = 3600000,
      .help = "how often" },
    { "root", CONF_PATH, HOST(root), .def = "/", .help = "folder that holds proc and sys" },
    { 0 },
};
static const struct conf_row socket_rows[] = {
    { "path", CONF_PATH, SOCK(path), .help = "the socket file; ingest.sock in the data folder" },
    { "mode", CONF_TEXT, SOCK(mode), .def = "0660", .min = 3, .max = 4, .check = check_mode,
      .help = "its permissions" },
    { 0 },
};
static const struct conf_row uplink_rows[] = {
    { "hub", CONF_HOST, UP(hub), .port = 1883, .flags = CONF_REQUIRED,
      .help = "the hub's MQTT listener, such as hub.example.org:1883" },
    { "user", CONF_TEXT, UP(user), .max = 128, .help = "name to log in with" },
    { "password", CONF_TEXT, UP(password), .flags = CONF_SECRET | CONF_FILE, .max = 256,
      .help = "its password; or password_file: PATH" },
    { "tls", CONF_BOOL, UP(tls), .def = "false", .help = "connect by TLS (port 8883)" },
    { "ca", CONF_PATH, UP(ca),
      .help = "certificate authority of the hub in PEM; the system's when "
              "absent" },
    { "rate", CONF_SIZE, UP(rate), .def = "16MiB", .max = (int64_t)1 << 40,
      .help = "bytes a second at most, compressed, so that a backlog leaves room for others on the "
              "link; 0: no limit" },
    { "batch", CONF_SIZE, UP(batch_bytes), .def = "128KiB", .min = 4096, .max = 1 << 20,
      .help = "records in one message, before they are compressed" },
    { "window", CONF_UINT, UP(window), .def = "8", .min = 1, .max = 64, .unit = "batches",
      .help = "batches on their way to the hub" },
    { 0 },
};
static const struct conf_row edge_rows[] = {
    { "host", CONF_SECTION, EDGE(host), .rows = host_rows,
      .help = "the machine itself as a source" },
    { "socket", CONF_SECTION, EDGE(socket), CONF_HAS(struct edge_settings, has_socket),
      .rows = socket_rows, .help = "local programs hand over readings, one JSON object a line" },
    { "uplink", CONF_SECTION, EDGE(uplink), CONF_HAS(struct edge_settings, has_uplink),
      .rows = uplink_rows, .help = "everything in the journal goes to this hub" },
    { "offline_buffer_size", CONF_UINT, EDGE(offline_buffer_size), .def = "0",
      .max = (int64_t)1 << 40,
      .help = "as older systems have it: so many readings are kept at least while the hub is away, "
              "then the oldest go. The same as journal.max_records with drop_oldest: [reading, "
              "status]; 0: nothing goes" },
    { 0 },
};
static const struct conf_row control_rows[] = {
    { "socket", CONF_PATH, CONF_AT(struct control_settings, socket),
      .help = "what the command line talks to; control.sock in the data folder" },
    { 0 },
};

static const struct conf_row rows[] = {
    { "node", CONF_SECTION, ROOT(node), .rows = node_rows, .help = "this node" },
    { "log", CONF_SECTION, ROOT(log), .rows = log_rows, .help = "log lines, on standard error" },
    { "limits", CONF_SECTION, ROOT(limits), .rows = conf_limits_rows,
      .help = "every limit of the program" },
    { "mqtt", CONF_SECTION, ROOT(mqtt), CONF_HAS(struct settings, has_mqtt), .rows = mqtt_rows,
      .check = check_mqtt, .help = "the MQTT broker" },
    { "api", CONF_SECTION, ROOT(api), CONF_HAS(struct settings, has_api), .rows = api_rows,
      .check = check_api, .help = "the REST interface and the dashboard" },
    { "health", CONF_SECTION, ROOT(health), CONF_HAS(struct settings, has_health),
      .rows = health_rows, .help = "probes and metrics on a port of their own" },
    { "journal", CONF_SECTION, ROOT(journal), .rows = journal_rows, .check = check_journal,
      .help = "where everything is kept until its sinks have it" },
    { "store", CONF_SECTION, ROOT(store), .rows = store_rows, .help = "the database of a hub" },
    { "ingest", CONF_LIST, ROOT(ingest), CONF_ITEM(struct ingest_settings, ingest_rows),
      .max = TOPIC_ROWS_MAX, .def = "[]", .item_check = check_ingest,
      .help =
          "further topics that become records; they come before the built-in ones. What is not in "
          "a row's form is refused (MQTT 5: 0x99)" },
    { "ingest_builtin", CONF_BOOL, ROOT(ingest_builtin), .def = "true",
      .help =
          "whether the built-in rows hold, such as those of sensor/data and device/status; with "
          "false, only rows of ingest make records of what is published. Under "
          "--mosquitto-conf it is false, unless the file given by -c says otherwise" },
    { "edge", CONF_SECTION, ROOT(edge), CONF_HAS(struct settings, has_edge), .rows = edge_rows,
      .help = "sources on this machine and the way to the hub" },
    { "control", CONF_SECTION, ROOT(control), .rows = control_rows, .help = "the control socket" },
    { 0 },
};

/* A listener may be narrower than the whole, and never wider. */
static void check_within(struct conf_say *say, size_t i, const char *key, bool wider,
                         const char *limit)
{
    char path[80];

    snprintf(path, sizeof(path), "mqtt.listeners[%zu].%s", i, key);
    if (wider)
        conf_complain(say, path,
                      "listeners[%zu].%s is above limits.%s, which holds for all: raise that, or "
                      "lower this",
                      i, key, limit);
}
/* 0: no limit. */
static void check_rate(struct conf_say *say, size_t i, const char *key, bool has, uint64_t rate,
                       uint64_t most)
{
    char limit[40];

    snprintf(limit, sizeof(limit), "mqtt_%s", key);
    check_within(say, i, key, has && most > 0 && (rate == 0 || rate > most), limit);
}
static void check_whole(const void *root, struct conf_say *say)
{
    const struct settings *s = root;
    const struct limits *l = &s->limits;

    settings_check_addresses(s, say);
    for (size_t i = 0; i < s->mqtt.listeners.count; i++) {
        const struct listener_settings *ls =
            CONF_ITEM_AT(s->mqtt.listeners, struct listener_settings, i);
        uint64_t most_s = l->mqtt_keepalive_max_s;

        check_within(say, i, "connections_max", ls->connections_max > l->connections_max,
                     "connections_max");
        check_within(say, i, "packet_max", ls->packet_max_bytes > l->mqtt_packet_max_bytes,
                     "mqtt_packet_max");
        check_within(say, i, "inflight_max", ls->inflight_max > l->mqtt_inflight_max,
                     "mqtt_inflight_max");
        check_within(say, i, "keepalive_max_s",
                     ls->has_keepalive_max && most_s > 0 &&
                         (ls->keepalive_max_s == 0 || ls->keepalive_max_s > most_s),
                     "mqtt_keepalive_max_s");
        check_rate(say, i, "message_rate_max", ls->has_message_rate_max, ls->message_rate_max,
                   l->mqtt_message_rate_max);
        check_rate(say, i, "byte_rate_max", ls->has_byte_rate_max, ls->byte_rate_max_bytes,
                   l->mqtt_byte_rate_max_bytes);
        check_within(say, i, "session_expiry_max",
                     ls->session_expiry_max_ms > l->mqtt_session_expiry_max_ms,
                     "mqtt_session_expiry_max");
        check_within(say, i, "will_delay_max", ls->will_delay_max_ms > l->mqtt_will_delay_max_ms,
                     "mqtt_will_delay_max");
        check_within(say, i, "qos_max", ls->has_qos_max && ls->qos_max > l->mqtt_qos_max,
                     "mqtt_qos_max");
        check_within(say, i, "retain_available",
                     ls->has_retain_available && ls->retain_available && l->mqtt_retained_max == 0,
                     "mqtt_retained_max");
        check_within(say, i, "topic_alias_max",
                     ls->has_topic_alias_max && ls->topic_alias_max > l->mqtt_topic_alias_max,
                     "mqtt_topic_alias_max");
    }
}

const struct conf_schema settings_schema = { "wayside", rows, sizeof(struct settings),
                                             check_whole };

const char *settings_preset(const char *name)
{
    static const struct {
        const char *name, *text;
    } presets[] = {
        { "hub", "mqtt: {}\napi: {}\nhealth: {}\n" },
        { "edge", "health: {}\nedge: {socket: {}}\n" },
        { "run", "" },
    };

    for (size_t i = 0; i < COUNT_OF(presets); i++)
        if (strcmp(name, presets[i].name) == 0)
            return presets[i].text;
    return NULL;
}

/* ---- the topic table ---- */

static struct str unbraced(struct str s)
{
    return str_sub(s, 1, s.n - 2);
}

static bool is_level(struct str s)
{
    return s.n > 2 && s.p[0] == '{' && s.p[s.n - 1] == '}';
}

static void row_of(const struct ingest_settings *in, struct topic_row *row)
{
    struct topic_field *fields = mem_new_array(in->fields.count + 1, sizeof(*fields));

    for (size_t i = 0; i < in->fields.count; i++) {
        const struct field_settings *f = CONF_ITEM_AT(in->fields, struct field_settings, i);

        fields[i] =
            (struct topic_field){ f->name, f->required, f->has_min, f->has_max, f->min, f->max };
    }
    *row = (struct topic_row){
        .topic = in->topic,
        .kind = (enum record_kind)in->kind,
        .device_from = TOPIC_DEVICE_FIXED,
        .device = in->device,
        .stream = in->stream,
        .time_from = (enum topic_time)in->time,
        .time_field = in->time_field,
        .fields = fields,
        .field_count = in->fields.count,
    };
    if (in->device_client) {
        row->device_from = TOPIC_DEVICE_CLIENT;
    } else if (in->device_field.n > 0) {
        row->device_from = TOPIC_DEVICE_FIELD;
        row->device = in->device_field;
    } else if (is_level(in->device)) {
        row->device_from = TOPIC_DEVICE_LEVEL;
        row->device = unbraced(in->device);
    }
}

/* What the table itself will say about this row at the start is said with its place. */
static void check_ingest(const void *item, struct conf_say *say)
{
    struct topic_row row;
    struct topics *t;
    struct fault f = { 0 };

    row_of(item, &row);
    t = topics_new(&row, 1, TOPICS_PLAIN, &f);
    if (!t)
        conf_complain(say, NULL, "%s", f.text);
    topics_free(t);
    mem_free((void *)(uintptr_t)row.fields);
}

struct topic_row *settings_ingest(const struct settings *s, size_t *out_count)
{
    struct topic_row *out = mem_new_array(s->ingest.count + 1, sizeof(*out));

    for (size_t i = 0; i < s->ingest.count; i++)
        row_of(CONF_ITEM_AT(s->ingest, struct ingest_settings, i), &out[i]);
    *out_count = s->ingest.count;
    return out;
}

void settings_ingest_free(struct topic_row *topic_rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free((void *)(uintptr_t)topic_rows[i].fields);
    mem_free(topic_rows);
}
