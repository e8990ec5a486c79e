#ifndef NODE_SETTINGS_H
#define NODE_SETTINGS_H
/*
 * Everything a configuration file can say, as it is used. Filled by conf/ from the rows in
 * settings.c and immutable from then on: a reload makes a new one. Pure.
 */
#include "base/limits.h"
#include "conf/conf.h"
#include "ingest/topics.h"
#include "trust/authz.h"
#include "trust/cert_name.h"

/* NULL for what was not given. Texts of the settings end with a zero. */
static inline const char *settings_or_none(struct str s)
{
    return s.n > 0 ? s.p : NULL;
}

enum mqtt_protocol { MQTT_OVER_TCP, MQTT_OVER_WEBSOCKET };

struct listener_settings {
    struct addr address;
    unsigned char protocol;   /* enum mqtt_protocol */
    unsigned char anonymous;  /* enum authz_anonymous */
    unsigned char durability; /* enum broker_durability */
    bool has_durability;
    struct str cert, key; /* both or none */
    struct str client_ca, client_crl;
    bool require_certificate;
    unsigned char identity_from; /* enum cert_name */
    bool proxy_protocol;
    struct conf_texts trusted_proxies; /* as addr_net_parse() takes them */
    struct str mode;                   /* of a Unix socket: octal digits; empty: 0660 */
    struct conf_texts hosts, origins;  /* of MQTT over WebSocket, beside api's */
    struct str mount_point;
    unsigned char redirect; /* an MQTT reason code, or 0 */
    struct str server_reference;
    /* What its clients may; what was not given is as the limits say. */
    uint64_t connections_max, packet_max_bytes, inflight_max; /* 0: not given */
    uint64_t keepalive_max_s, qos_max, topic_alias_max;
    uint64_t message_rate_max, byte_rate_max_bytes, session_expiry_max_ms, will_delay_max_ms;
    bool retain_available, offline_messages;
    bool has_message_rate_max, has_byte_rate_max, has_session_expiry_max, has_will_delay_max;
    bool has_connections_max, has_packet_max, has_inflight_max, has_keepalive_max, has_qos_max;
    bool has_topic_alias_max, has_retain_available;
};
struct user_settings {
    struct str name, password;
};
struct field_settings {
    struct str name;
    bool required, has_min, has_max;
    double min, max;
};
struct ingest_settings {
    struct str topic, device, device_field, stream, time_field;
    bool device_client;
    unsigned char kind; /* enum record_kind */
    unsigned char time; /* enum topic_time */
    struct conf_list fields;
};
struct topic_settings {
    struct str filter;
    unsigned char durability; /* enum broker_durability */
};
struct bridge_topic_settings {
    struct str filter, local_prefix, remote_prefix;
    unsigned char direction; /* enum bridge_direction */
    uint64_t qos;
};
struct bridge_settings {
    struct str name, address, client_id, user, password;
    struct str ca, cert, key, server_name, alpn;
    unsigned char version; /* enum mqtt_version */
    bool clean_session, try_private;
    uint64_t session_expiry_ms, keep_alive_ms, ack_timeout_ms, inflight_max;
    bool has_inflight_max; /* else settings_bridge_inflight_max() */
    uint64_t packet_max_bytes, quota_bytes, queue_max;
    unsigned char when_full; /* enum bridge_full */
    unsigned char notify;    /* enum bridge_notify */
    struct conf_list topics;
};
struct mqtt_settings {
    unsigned char durability; /* enum broker_durability */
    uint64_t flush_interval_ms;
    struct conf_list topics;
    uint64_t log_quota_bytes, sys_interval_s;
    unsigned char queue_policy; /* enum session_full */
    bool queue_qos0_messages;
    struct conf_list listeners, users, bridges;
    struct str acl_file, password_file;
};
struct api_settings {
    struct addr address;
    unsigned char anonymous; /* enum authz_anonymous: of /mqtt */
    struct str cert, key;
    struct conf_texts origins, hosts;
};
struct health_settings {
    struct addr address;
};
struct host_settings {
    bool enabled;
    uint64_t interval_ms;
    struct str root;
};
struct socket_settings {
    struct str path;
    struct str mode; /* octal digits */
};
struct uplink_settings {
    struct conf_host hub;
    struct str user, password, ca;
    bool tls;
    uint64_t batch_bytes, window, rate;
};
struct edge_settings {
    struct host_settings host;
    struct socket_settings socket;
    struct uplink_settings uplink;
    bool has_uplink, has_socket;
    uint64_t offline_buffer_size;
};

struct node_settings {
    struct str id, data;
    uint64_t workers;
};
struct log_settings {
    unsigned char level, format; /* enum log_level, enum log_format */
    bool requests;
};
struct journal_settings {
    uint64_t segment_bytes, quota_bytes, free_floor_bytes, flush_window_ms;
    uint64_t max_age_ms, max_records;
    struct conf_texts drop_oldest; /* names of kinds */
};
struct store_settings {
    uint64_t readers, id_window_ms;
    struct str postgres, password;
};
struct control_settings {
    struct str socket;
};

struct settings {
    struct node_settings node;
    struct log_settings log;
    struct limits limits;
    struct mqtt_settings mqtt;
    struct api_settings api;
    struct health_settings health;
    struct journal_settings journal;
    struct store_settings store;
    struct conf_list ingest;
    bool ingest_builtin;
    struct edge_settings edge;
    struct control_settings control;
    bool has_mqtt, has_api, has_health, has_edge;
};

extern const struct conf_schema settings_schema;

/* ---- bridges (settings_bridge.c) ---- */
#define SETTINGS_BRIDGES_MAX 32
extern const struct conf_row settings_bridge_rows[];
void settings_check_bridge(const void *item, struct conf_say *say);
void settings_check_bridges(const void *list, struct conf_say *say);
/* How many may be sent and not yet acknowledged: given, or what is right for the version. */
uint64_t settings_bridge_inflight_max(const struct bridge_settings *s);
/* mqtt://HOST[:PORT] or mqtts://…; host is a view. ERR_VALUE: it is neither. */
MUST_USE int settings_bridge_address(struct str address, struct str *out_host, uint16_t *out_port,
                                     bool *out_tls);

/* ---- what may be there once only (settings_twice.c) ---- */
/* say: of the section mqtt. */
void settings_check_users(const struct mqtt_settings *m, struct conf_say *say);
/* say: of the whole. */
void settings_check_addresses(const struct settings *s, struct conf_say *say);

/* The built-in file of a preset ("hub", "edge", "gateway" later; "run": nothing is on). NULL when
 * there is none of that name. */
const char *settings_preset(const char *name);

/* The topic table's rows out of `ingest:`; *out (count rows) and what it points to are in the
 * settings or in memory freed by settings_ingest_free(). */
struct topic_row *settings_ingest(const struct settings *s, size_t *out_count);
void settings_ingest_free(struct topic_row *rows, size_t count);

#endif
