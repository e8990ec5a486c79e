/* A schema with every setting that mosquitto.conf may become, one without the newer ones, and a world
 * without files, for the tests and the fuzzer of conf/mosquitto*. */
#ifndef TESTS_CONF_BROKER_H
#define TESTS_CONF_BROKER_H
#include "base/limits.h"
#include "base/mem.h"
#include "conf/mosquitto_impl.h"

#include <stdio.h>

struct broker_listener {
    struct addr address;
    int protocol, anonymous, identity;
    struct str cert, key, client_ca, client_crl, mount_point;
    uint64_t connections, qos, aliases;
    bool retain, require;
};
struct broker_topic {
    struct str filter, local_prefix, remote_prefix;
    int direction;
    uint64_t qos;
};
struct broker_bridge {
    struct str name, address, client_id, user, password, ca, cert, key, alpn;
    int version, notify;
    bool clean_session, try_private;
    uint64_t session_expiry_ms, keep_alive_ms, packet_max_bytes;
    struct conf_list topics;
};
struct broker_mqtt {
    struct conf_list listeners, bridges;
    struct str acl_file, password_file;
    bool queue_qos0;
    uint64_t sys_interval_s;
};
struct broker {
    int level;
    struct limits limits;
    struct broker_mqtt mqtt;
    bool ingest_builtin;
};

static const struct conf_name broker_protocols[] = { { "mqtt", 0 }, { "websocket", 1 }, { 0 } };
static const struct conf_name broker_anonymous[] = {
    { "local", 0 }, { "allow", 1 }, { "deny", 2 }, { 0 }
};
static const struct conf_name broker_identities[] = {
    { "none", 0 }, { "common_name", 1 }, { "subject", 2 }, { 0 }
};
static const struct conf_name broker_levels[] = { { "debug", 1 }, { "info", 2 }, { "warn", 3 },
                                                  { "error", 4 }, { "off", 5 },  { 0 } };

#define BROKER_LISTENER(field) CONF_AT(struct broker_listener, field)
#define BROKER_OLD_ROWS                                                                            \
    { "address", CONF_ADDRESS, BROKER_LISTENER(address), .flags = CONF_REQUIRED, .help = "x" },    \
        { "protocol",                                                                              \
          CONF_ENUM,                                                                               \
          BROKER_LISTENER(protocol),                                                               \
          .def = "mqtt",                                                                           \
          .names = broker_protocols,                                                               \
          .help = "x" },                                                                           \
        { "anonymous",                                                                             \
          CONF_ENUM,                                                                               \
          BROKER_LISTENER(anonymous),                                                              \
          .def = "local",                                                                          \
          .names = broker_anonymous,                                                               \
          .help = "x" },                                                                           \
        { "cert", CONF_PATH, BROKER_LISTENER(cert), .help = "x" },                                 \
    {                                                                                              \
        "key", CONF_PATH, BROKER_LISTENER(key), .help = "x"                                        \
    }
static const struct conf_row broker_old_listener_rows[] = { BROKER_OLD_ROWS, { 0 } };
static const struct conf_row broker_listener_rows[] = {
    BROKER_OLD_ROWS,
    { "client_ca", CONF_PATH, BROKER_LISTENER(client_ca), .help = "x" },
    { "client_crl", CONF_PATH, BROKER_LISTENER(client_crl), .help = "x" },
    { "require_certificate", CONF_BOOL, BROKER_LISTENER(require), .def = "false", .help = "x" },
    { "identity_from", CONF_ENUM, BROKER_LISTENER(identity), .def = "none",
      .names = broker_identities, .help = "x" },
    { "mount_point", CONF_TEXT, BROKER_LISTENER(mount_point), .max = 100, .help = "x" },
    { "connections_max", CONF_UINT, BROKER_LISTENER(connections), .def = "10000", .min = 1,
      .max = 1000000, .help = "x" },
    { "qos_max", CONF_UINT, BROKER_LISTENER(qos), .def = "2", .max = 2, .help = "x" },
    { "topic_alias_max", CONF_UINT, BROKER_LISTENER(aliases), .def = "16", .max = 1024,
      .help = "x" },
    { "retain_available", CONF_BOOL, BROKER_LISTENER(retain), .def = "true", .help = "x" },
    { 0 },
};
static const struct conf_name broker_directions[] = {
    { "out", 1 }, { "in", 2 }, { "both", 3 }, { 0 }
};
static const struct conf_name broker_versions[] = { { "5", 5 }, { "3.1.1", 4 }, { 0 } };
static const struct conf_name broker_notify[] = {
    { "local", 0 }, { "both", 1 }, { "none", 2 }, { 0 }
};
#define BROKER_TOPIC(field) CONF_AT(struct broker_topic, field)
static const struct conf_row broker_topic_rows[] = {
    { "filter", CONF_TEXT, BROKER_TOPIC(filter), .help = "x" },
    { "direction", CONF_ENUM, BROKER_TOPIC(direction), .def = "out", .names = broker_directions,
      .help = "x" },
    { "qos", CONF_UINT, BROKER_TOPIC(qos), .def = "1", .max = 2, .help = "x" },
    { "local_prefix", CONF_TEXT, BROKER_TOPIC(local_prefix), .help = "x" },
    { "remote_prefix", CONF_TEXT, BROKER_TOPIC(remote_prefix), .help = "x" },
    { 0 },
};
#define BROKER_BRIDGE(field) CONF_AT(struct broker_bridge, field)
static const struct conf_row broker_bridge_rows[] = {
    { "name", CONF_TEXT, BROKER_BRIDGE(name), .help = "x" },
    { "address", CONF_TEXT, BROKER_BRIDGE(address), .help = "x" },
    { "version", CONF_ENUM, BROKER_BRIDGE(version), .def = "5", .names = broker_versions,
      .help = "x" },
    { "client_id", CONF_TEXT, BROKER_BRIDGE(client_id), .help = "x" },
    { "user", CONF_TEXT, BROKER_BRIDGE(user), .help = "x" },
    { "password", CONF_TEXT, BROKER_BRIDGE(password), .flags = CONF_SECRET, .help = "x" },
    { "ca", CONF_PATH, BROKER_BRIDGE(ca), .help = "x" },
    { "cert", CONF_PATH, BROKER_BRIDGE(cert), .help = "x" },
    { "key", CONF_PATH, BROKER_BRIDGE(key), .help = "x" },
    { "alpn", CONF_TEXT, BROKER_BRIDGE(alpn), .help = "x" },
    { "clean_session", CONF_BOOL, BROKER_BRIDGE(clean_session), .def = "false", .help = "x" },
    { "try_private", CONF_BOOL, BROKER_BRIDGE(try_private), .def = "true", .help = "x" },
    { "session_expiry", CONF_DURATION, BROKER_BRIDGE(session_expiry_ms), .def = "1h", .help = "x" },
    { "packet_max", CONF_SIZE, BROKER_BRIDGE(packet_max_bytes), .def = "256MiB", .help = "x" },
    { "keep_alive", CONF_DURATION, BROKER_BRIDGE(keep_alive_ms), .def = "30s", .help = "x" },
    { "notifications", CONF_ENUM, BROKER_BRIDGE(notify), .def = "local", .names = broker_notify,
      .help = "x" },
    { "topics", CONF_LIST, BROKER_BRIDGE(topics), CONF_ITEM(struct broker_topic, broker_topic_rows),
      .max = 50, .def = "[]", .help = "x" },
    { 0 },
};
#define BROKER_ROWS(mqtt_rows_, ...)                                                               \
    {                                                                                              \
        { "log", CONF_SECTION, 0, sizeof(struct broker), .rows = broker_log_rows, .help = "x" },   \
            { "limits", CONF_SECTION, CONF_AT(struct broker, limits), .rows = conf_limits_rows,    \
              .help = "x" },                                                                       \
            { "mqtt", CONF_SECTION, CONF_AT(struct broker, mqtt), .rows = (mqtt_rows_),            \
              .help = "x" },                                                                       \
            __VA_ARGS__                                                                            \
    }
static const struct conf_row broker_log_rows[] = {
    { "level", CONF_ENUM, CONF_AT(struct broker, level), .def = "info", .names = broker_levels,
      .help = "x" },
    { 0 },
};
static const struct conf_row broker_old_mqtt_rows[] = {
    { "listeners", CONF_LIST, CONF_AT(struct broker_mqtt, listeners),
      CONF_ITEM(struct broker_listener, broker_old_listener_rows), .max = 6, .def = "[]",
      .help = "x" },
    { 0 },
};
static const struct conf_row broker_mqtt_rows[] = {
    { "listeners", CONF_LIST, CONF_AT(struct broker_mqtt, listeners),
      CONF_ITEM(struct broker_listener, broker_listener_rows), .max = 6, .def = "[]", .help = "x" },
    { "bridges", CONF_LIST, CONF_AT(struct broker_mqtt, bridges),
      CONF_ITEM(struct broker_bridge, broker_bridge_rows), .max = 6, .def = "[]", .help = "x" },
    { "acl_file", CONF_PATH, CONF_AT(struct broker_mqtt, acl_file), .help = "x" },
    { "password_file", CONF_PATH, CONF_AT(struct broker_mqtt, password_file), .help = "x" },
    { "queue_qos0_messages", CONF_BOOL, CONF_AT(struct broker_mqtt, queue_qos0), .def = "false",
      .help = "x" },
    { "sys_interval_s", CONF_UINT, CONF_AT(struct broker_mqtt, sys_interval_s), .def = "10",
      .max = 65535, .help = "x" },
    { 0 },
};
static const struct conf_row broker_rows[] =
    BROKER_ROWS(broker_mqtt_rows,
                { "ingest_builtin", CONF_BOOL, CONF_AT(struct broker, ingest_builtin),
                  .def = "true", .help = "x" },
                { 0 });
static const struct conf_row broker_old_rows[] = BROKER_ROWS(broker_old_mqtt_rows, { 0 });
static const struct conf_schema broker_schema = { "broker", broker_rows, sizeof(struct broker),
                                                  NULL };
static const struct conf_schema broker_old_schema = { "broker", broker_old_rows,
                                                      sizeof(struct broker), NULL };

/* Two folders: conf.d with some files out of order, and many with more than may be. A file's text says
 * its name; none other than below /gone is missing. */
static int broker_list(void *ctx, const char *dir, struct buf *out, struct fault *f)
{
    static const char *const names[] = { "b.conf", ".",      "A.conf",  "01.conf", "a.conf",
                                         "..",     "B.conf", "00.conf", "README",  "old.conf~" };
    char name[32];

    (void)ctx;
    if (strstr(dir, "gone"))
        return fault_set(f, -2, "cannot open %s: No such file or directory", dir);
    for (unsigned i = 0; strstr(dir, "many") && i < 200; i++)
        buf_put_bytes(out, name, (size_t)snprintf(name, sizeof(name), "%03u.conf", i) + 1);
    for (size_t i = 0; !strstr(dir, "many") && i < COUNT_OF(names); i++)
        buf_put_bytes(out, names[i], strlen(names[i]) + 1);
    return 0;
}
static int broker_read(void *ctx, const char *path, struct buf *out, struct fault *f)
{
    (void)ctx;
    (void)f;
    buf_printf(out, "# %s\nautosave_interval 7\n", path);
    if (strstr(path, "/A.conf"))
        buf_put(out,
                STR("max_topic_alias 5\nlistener 9001\nprotocol websockets\ninclude_dir more\n"));
    return 0;
}
static int broker_readable(void *ctx, const char *path, struct fault *f)
{
    (void)ctx;
    if (strstr(path, "gone"))
        return fault_set(f, -2, "cannot open %s: No such file or directory", path);
    return 0;
}
static const struct mosquitto_world broker_world = { "/etc/mosquitto", true,
                                                     broker_list,      broker_read,
                                                     broker_readable,  NULL };

#endif
