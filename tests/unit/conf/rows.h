/* A schema with a row of every type, for the tests and the fuzzer of conf/. */
#ifndef TESTS_CONF_ROWS_H
#define TESTS_CONF_ROWS_H
#include "base/limits.h"
#include "conf/conf.h"

enum sample_level { SAMPLE_DEBUG = 1, SAMPLE_INFO, SAMPLE_OFF };

struct sample_listener {
    struct addr address;
    int protocol;
    bool tls;
};
struct sample_user {
    struct str name; /* the key */
    struct str password;
    struct conf_texts topics;
};
struct sample_mqtt {
    bool anonymous;
    uint64_t idle_ms;
    uint32_t queue;
    struct conf_list listeners;
    struct conf_list users;
};
struct sample_edge {
    struct conf_host hub;
    struct conf_pairs labels;
    double factor;
    bool has_least;
    double least;
};
struct sample {
    struct str id;
    struct str data;
    int level;
    int16_t offset;
    uint8_t percent;
    uint64_t cache;
    struct conf_texts hosts;
    bool has_mqtt, has_edge, has_anything;
    struct sample_mqtt mqtt;
    struct sample_edge edge;
    struct limits limits;
};

static void sample_check_id(const void *value, struct conf_say *say)
{
    const struct str *id = value;

    if (id->p && str_find(*id, ' ') < id->n)
        conf_complain(say, NULL, "'id' may not have spaces");
}

static void sample_check_listener(const void *item, struct conf_say *say)
{
    const struct sample_listener *l = item;

    if (l->tls && addr_port(&l->address) == 1883)
        conf_complain(say, "tls", "1883 is the port without TLS");
}

static void sample_check_root(const void *root, struct conf_say *say)
{
    const struct sample *s = root;

    if (s->has_edge && s->has_mqtt && s->percent == 13)
        conf_complain(say, "percent", "13 %% is not for edges that are brokers");
    if (s->percent == 14)
        conf_complain(say, "mqtt.listeners[1].protocol", "14 %% is not for two listeners");
}

static const struct conf_name sample_levels[] = {
    { "debug", SAMPLE_DEBUG }, { "info", SAMPLE_INFO }, { "off", SAMPLE_OFF }, { 0 }
};
static const struct conf_name sample_protocols[] = { { "mqtt", 0 }, { "websocket", 1 }, { 0 } };

static const struct conf_row sample_listener_rows[] = {
    { "address", CONF_ADDRESS, CONF_AT(struct sample_listener, address), .flags = CONF_REQUIRED,
      .help = "where to listen" },
    { "protocol", CONF_ENUM, CONF_AT(struct sample_listener, protocol), .def = "mqtt",
      .names = sample_protocols, .flags = CONF_RELOAD, .help = "what is spoken there" },
    { "tls", CONF_BOOL, CONF_AT(struct sample_listener, tls), .def = "false", .help = "under TLS" },
    { 0 },
};
static const struct conf_row sample_user_rows[] = {
    { "password", CONF_TEXT, CONF_AT(struct sample_user, password),
      .flags = CONF_SECRET | CONF_FILE | CONF_REQUIRED, .min = 4, .help = "what the user gives" },
    { "topics", CONF_TEXTS, CONF_AT(struct sample_user, topics), .def = "[]", .max = 3,
      .help = "topics that it may use" },
    { 0 },
};
static const struct conf_row sample_mqtt_rows[] = {
    { "anonymous", CONF_BOOL, CONF_AT(struct sample_mqtt, anonymous), .def = "false",
      .flags = CONF_RELOAD, .help = "let clients in without a name" },
    { "idle", CONF_DURATION, CONF_AT(struct sample_mqtt, idle_ms), .def = "30s", .min = 1000,
      .max = 3600000, .flags = CONF_RELOAD, .help = "longest silence" },
    { "queue", CONF_UINT, CONF_AT(struct sample_mqtt, queue), .def = "100", .min = 1, .max = 65535,
      .unit = "messages", .help = "what waits for one client | each" },
    { "listeners", CONF_LIST, CONF_AT(struct sample_mqtt, listeners),
      CONF_ITEM(struct sample_listener, sample_listener_rows),
      .def = "[{address: \"127.0.0.1:1883\"}]", .max = 4, .item_check = sample_check_listener,
      .help = "where to listen" },
    { "users", CONF_MAP, CONF_AT(struct sample_mqtt, users),
      CONF_ITEM(struct sample_user, sample_user_rows), .flags = CONF_RELOAD,
      .help = "who may come in" },
    { "port", CONF_GONE, .help = "write listeners: [{address: \":1883\"}]" },
    { 0 },
};
static const struct conf_row sample_edge_rows[] = {
    { "hub", CONF_HOST, CONF_AT(struct sample_edge, hub), .port = 1883, .help = "where to send" },
    { "labels", CONF_PAIRS, CONF_AT(struct sample_edge, labels), .help = "said with each record" },
    { "factor", CONF_DOUBLE, CONF_AT(struct sample_edge, factor), .def = "1.5", .real_min = -2,
      .real_max = 8.25, .help = "of everything" },
    { "least", CONF_DOUBLE, CONF_AT(struct sample_edge, least),
      CONF_HAS(struct sample_edge, has_least), .help = "smallest value, when there is one" },
    { 0 },
};
static const struct conf_row sample_rows[] = {
    { "id", CONF_TEXT, CONF_AT(struct sample, id), .max = 50, .check = sample_check_id,
      .help = "name of this node" },
    { "data", CONF_PATH, CONF_AT(struct sample, data), .def = "/var/lib/wayside",
      .help = "where it keeps things" },
    { "level", CONF_ENUM, CONF_AT(struct sample, level), .def = "info", .names = sample_levels,
      .flags = CONF_RELOAD, .help = "how much is said" },
    { "offset", CONF_INT, CONF_AT(struct sample, offset), .def = "-5", .help = "of the clock" },
    { "percent", CONF_UINT, CONF_AT(struct sample, percent), .def = "50", .max = 100, .unit = "%",
      .help = "of the disk" },
    { "cache", CONF_SIZE, CONF_AT(struct sample, cache), .def = "64KiB", .min = 1024,
      .help = "memory for answers" },
    { "hosts", CONF_TEXTS, CONF_AT(struct sample, hosts), .def = "[localhost]",
      .help = "names it answers to" },
    { "mqtt", CONF_SECTION, CONF_AT(struct sample, mqtt), CONF_HAS(struct sample, has_mqtt),
      .rows = sample_mqtt_rows, .help = "the broker" },
    { "edge", CONF_SECTION, CONF_AT(struct sample, edge), CONF_HAS(struct sample, has_edge),
      .rows = sample_edge_rows, .help = "the edge" },
    { "limits", CONF_SECTION, CONF_AT(struct sample, limits), .rows = conf_limits_rows,
      .help = "caps on everything" },
    { "anything", CONF_ANY, CONF_HAS(struct sample, has_anything), .help = "not looked at" },
    { "old", CONF_IGNORED, .help = "it has no meaning here" },
    { 0 },
};
static const struct conf_schema sample_schema = { "sample", sample_rows, sizeof(struct sample),
                                                  sample_check_root };

#endif
