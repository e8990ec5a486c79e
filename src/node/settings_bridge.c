/*
 * The rows of mqtt.bridges: where the other broker is, who we are there, what crosses and how long what
 * cannot cross may become.
 */
#include "mqtt/bridge_map.h"
#include "node/settings.h"
#include "wire/mqtt.h"
#include "wire/uri.h"

#define PORT_PLAIN 1883
#define PORT_TLS   8883
/* A server cannot say in 3.1.1 how many it takes; mosquitto's default. */
#define INFLIGHT_V311 20

/* As in mqtt/bridge_client.h, which is no header for a pure file. */
enum { FULL_REFUSE, FULL_DROP };
enum { NOTIFY_LOCAL, NOTIFY_BOTH, NOTIFY_NONE };

static const struct conf_name version_names[] = {
    { "5", MQTT_V5 },
    { "3.1.1", MQTT_V311 },
    { 0 },
};
static const struct conf_name direction_names[] = {
    { "out", BRIDGE_OUT },
    { "in", BRIDGE_IN },
    { "both", BRIDGE_BOTH },
    { 0 },
};
static const struct conf_name full_names[] = {
    { "refuse", FULL_REFUSE },
    { "drop_newest", FULL_DROP },
    { 0 },
};
static const struct conf_name notify_names[] = {
    { "local", NOTIFY_LOCAL },
    { "both", NOTIFY_BOTH },
    { "none", NOTIFY_NONE },
    { 0 },
};

int settings_bridge_address(struct str address, struct str *out_host, uint16_t *out_port,
                            bool *out_tls)
{
    struct uri_authority a;
    struct str rest;

    if (str_starts(address, STR("mqtts://")))
        rest = str_skip(address, 8);
    else if (str_starts(address, STR("mqtt://")))
        rest = str_skip(address, 7);
    else
        return ERR_VALUE;
    if (rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    if (uri_authority_parse(rest, &a, NULL) || a.host.n == 0)
        return ERR_VALUE;
    *out_tls = str_starts(address, STR("mqtts://"));
    *out_host = a.host;
    *out_port = a.has_port ? a.port : *out_tls ? PORT_TLS : PORT_PLAIN;
    return *out_port > 0 ? 0 : ERR_VALUE;
}

uint64_t settings_bridge_inflight_max(const struct bridge_settings *s)
{
    return s->version == MQTT_V311 && !s->has_inflight_max ? INFLIGHT_V311 : s->inflight_max;
}

static void check_address(const void *value, struct conf_say *say)
{
    struct str host;
    uint16_t port;
    bool tls;

    if (settings_bridge_address(*(const struct str *)value, &host, &port, &tls))
        conf_complain(say, NULL,
                      "must be mqtt://HOST, mqtts://HOST (TLS), or either with :PORT, such as "
                      "mqtts://broker.example.org:8883");
}

static void check_name(const void *value, struct conf_say *say)
{
    const struct str *s = value;

    for (size_t i = 0; i < s->n; i++) {
        char c = s->p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_' && c != '-' && c != '.') {
            conf_complain(say, NULL, "may hold letters, digits, '_', '-' and '.' only");
            return;
        }
    }
}

static struct bridge_rule rule_of(const struct bridge_topic_settings *t)
{
    return (struct bridge_rule){ .filter = t->filter,
                                 .local_prefix = t->local_prefix,
                                 .remote_prefix = t->remote_prefix,
                                 .direction = t->direction,
                                 .qos = (unsigned char)t->qos };
}

static void check_topic(const void *item, struct conf_say *say)
{
    struct bridge_rule r = rule_of(item);
    const char *bad = bridge_rule_check(&r);

    if (bad)
        conf_complain(say, NULL, "%s", bad);
}

void settings_check_bridge(const void *item, struct conf_say *say)
{
    const struct bridge_settings *b = item;
    struct str host;
    uint16_t port;
    bool tls = false, v311 = b->version == MQTT_V311;
    const char *needs_tls = b->ca.n > 0            ? "ca"
                            : b->cert.n > 0        ? "cert"
                            : b->key.n > 0         ? "key"
                            : b->server_name.n > 0 ? "server_name"
                            : b->alpn.n > 0        ? "alpn"
                                                   : NULL;

    if (b->address.n > 0 && settings_bridge_address(b->address, &host, &port, &tls))
        return; /* said already */
    if (!tls && needs_tls)
        conf_complain(say, needs_tls, "means something with TLS only: address: mqtts://HOST");
    if ((b->cert.n > 0) != (b->key.n > 0))
        conf_complain(say, b->cert.n > 0 ? "cert" : "key",
                      "cert and key belong together: give both");
    if (v311 && b->password.n > 0 && b->user.n == 0)
        conf_complain(say, "password",
                      "MQTT 3.1.1 has no password without a user: give user as well");
}

void settings_check_bridges(const void *list, struct conf_say *say)
{
    const struct conf_list *all = list;

    for (size_t i = 0; i < all->count; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(CONF_ITEM_AT(*all, struct bridge_settings, i)->name,
                       CONF_ITEM_AT(*all, struct bridge_settings, k)->name))
                conf_complain(say, NULL, "two bridges have the name '%.*s': give each its own",
                              STR_ARG(CONF_ITEM_AT(*all, struct bridge_settings, i)->name));
}

#define TOPIC(field) CONF_AT(struct bridge_topic_settings, field)
static const struct conf_row topic_rows[] = {
    { "filter", CONF_TEXT, TOPIC(filter), .max = 1024,
      .help = "what crosses, such as sensor/#; empty: the one topic that both prefixes name" },
    { "direction", CONF_ENUM, TOPIC(direction), .flags = CONF_REQUIRED, .names = direction_names,
      .help = "out: from here to the other broker; in: from there; both" },
    { "qos", CONF_UINT, TOPIC(qos), .def = "1", .max = 2,
      .help = "QoS at most; 0: nothing is kept while the other broker is away, or repeated" },
    { "local_prefix", CONF_TEXT, TOPIC(local_prefix), .max = 1024,
      .help = "in front of the filter here, such as site1/; taken off on the way out" },
    { "remote_prefix", CONF_TEXT, TOPIC(remote_prefix), .max = 1024,
      .help = "in front of the filter there; taken off on the way in" },
    { 0 },
};
#define BRIDGE(field) CONF_AT(struct bridge_settings, field)
const struct conf_row settings_bridge_rows[] = {
    { "name", CONF_TEXT, BRIDGE(name), .flags = CONF_REQUIRED, .min = 1, .max = 64,
      .check = check_name,
      .help = "its name here: in logs, metrics, $SYS, and of its queue, which is lost with it" },
    { "address", CONF_TEXT, BRIDGE(address), .flags = CONF_REQUIRED, .min = 1, .max = 300,
      .check = check_address,
      .help = "the other broker, mqtt://HOST[:1883] or mqtts://HOST[:8883]" },
    { "version", CONF_ENUM, BRIDGE(version), .def = "5", .names = version_names,
      .help = "of MQTT: \"5\" or \"3.1.1\"" },
    { "client_id", CONF_TEXT, BRIDGE(client_id), .max = 128,
      .help = "who we are there, the same after each start; wayside-NODE-NAME when absent" },
    { "user", CONF_TEXT, BRIDGE(user), .max = 256, .help = "name to log in with" },
    { "password", CONF_TEXT, BRIDGE(password), .flags = CONF_SECRET | CONF_FILE, .max = 4096,
      .help = "its password; or password_file: PATH" },
    { "ca", CONF_PATH, BRIDGE(ca),
      .help = "authority of the other broker in PEM; the system's when absent" },
    { "cert", CONF_PATH, BRIDGE(cert), .help = "our certificate in PEM, where it asks for one" },
    { "key", CONF_PATH, BRIDGE(key), .help = "its private key in PEM" },
    { "server_name", CONF_TEXT, BRIDGE(server_name), .max = 253,
      .help = "the name in the other broker's certificate; the host of address when absent" },
    { "alpn", CONF_TEXT, BRIDGE(alpn), .max = 100,
      .help = "protocol to name in the handshake, such as mqtt, where port 443 is shared" },
    { "topics", CONF_LIST, BRIDGE(topics), CONF_ITEM(struct bridge_topic_settings, topic_rows),
      .flags = CONF_REQUIRED, .max = 200, .item_check = check_topic,
      .help = "what crosses; the first rule that matches gives the name on the other side" },
    { "clean_session", CONF_BOOL, BRIDGE(clean_session), .def = "false",
      .help = "the other broker forgets us when the connection ends: what comes there meanwhile is "
              "lost. What goes out is kept all the same" },
    { "session_expiry", CONF_DURATION, BRIDGE(session_expiry_ms), .def = "168h", .min = 1000,
      .max = (int64_t)4294967294 * 1000,
      .help = "how long the other broker keeps what comes for us while we are away (MQTT 5)" },
    { "keep_alive", CONF_DURATION, BRIDGE(keep_alive_ms), .def = "30s", .min = 2000,
      .max = 65535000,
      .help = "it is asked whether it is there after half of that in silence, and given up 10 s "
              "later" },
    { "ack_timeout", CONF_DURATION, BRIDGE(ack_timeout_ms), .def = "20s", .min = 500, .max = 600000,
      .help =
          "an acknowledgement that is owed for longer (twice that at most) ends the connection, "
          "and what has none is sent again" },
    { "inflight_max", CONF_UINT, BRIDGE(inflight_max),
      CONF_HAS(struct bridge_settings, has_inflight_max), .def = "100", .min = 1, .max = 61439,
      .unit = "messages",
      .help = "sent and not yet acknowledged, on each way; fewer if the other broker says so. With "
              "3.1.1 it cannot, and mosquitto loses what is beyond its max_inflight_messages: then "
              "20, its default, when absent" },
    { "packet_max", CONF_SIZE, BRIDGE(packet_max_bytes), .def = "256MiB", .min = 20, .max = 1 << 28,
      .help =
          "largest packet that the other broker takes, where it cannot say so (3.1.1) and ends the "
          "connection; what is larger is dropped and counted" },
    { "quota", CONF_SIZE, BRIDGE(quota_bytes), .def = "64MiB", .min = 1 << 16,
      .max = (int64_t)1 << 40, .help = "what may wait for the other broker; it is in memory too" },
    { "queue_max", CONF_UINT, BRIDGE(queue_max), .def = "1000000", .min = 100, .max = 100000000,
      .unit = "messages", .help = "the same, counted" },
    { "when_full", CONF_ENUM, BRIDGE(when_full), .def = "refuse", .names = full_names,
      .help =
          "publications of QoS 1 and 2 that would have to wait as well are refused (0x97; 3.1.1 "
          "waits), so that nothing acknowledged is lost; or dropped and counted (drop_newest)" },
    { "notifications", CONF_ENUM, BRIDGE(notify), .def = "local", .names = notify_names,
      .help =
          "who is told on $SYS/broker/connection/NAME/state whether it is connected (1, 0): our "
          "clients, or those of the other broker too (under our client_id), or nobody" },
    { "try_private", CONF_BOOL, BRIDGE(try_private), .def = "true",
      .help = "with 3.1.1: say that this is a bridge, which mosquitto and wayside understand: it "
              "sends nothing back, and keeps retain flags. MQTT 5 has its own ways" },
    { 0 },
};
