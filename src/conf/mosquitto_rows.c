/*
 * Every directive of mosquitto.conf(5) as of mosquitto 2.0, those that 2.1 added, and what older
 * versions had: what becomes of it here. The name of one of our settings stands in one row, in `to`;
 * whether it exists is asked of the schema when a file is read.
 *
 * Refused with an error is what would make the broker less safe than the line asks, or lose something
 * that the line keeps. What is merely done otherwise is a warning.
 */
#include "base/mem.h"
#include "conf/mosquitto_impl.h"

#define ON_LISTENER(key) "mqtt.listeners[]." key

/* Reasons that several rows share. */
#define STDERR "log lines go to standard error, with their time; systemd or a pipe keeps them"
#define NO_FLUSH                                                                                   \
    "the journal writes each record before it is acknowledged; nothing is saved now and then"
#define NO_DB                                                                                       \
    "what mosquitto keeps in its file (mosquitto.db) is not taken over, neither retained messages " \
    "nor what waits for sessions; what is kept here lies in the folder node.data"
#define CARRY     "docs/mosquitto.md tells how to carry retained messages over"
#define NO_PSK    "listeners have certificates here, no pre-shared keys"
#define NO_ENGINE "private keys are PEM files here; there are no engines"
#define NO_PLUGIN                                                                                  \
    "plugins of mosquitto cannot be loaded: without it this hub would let in whom it refuses"
#define BRIDGE_PART(name_)                                                                         \
    {                                                                                              \
        name_, SCOPE_BRIDGE, KIND_TEXT, WAY_PART, .flags = ROW_MANY                                \
    }

/* clang-format off */
const struct mosquitto_row mosquitto_rows[] = {
    /* ---- who may do what ---- */
    { "acl_file", SCOPE_SECURITY, KIND_PATH, WAY_OWN, ID_ACL_FILE, .to = "mqtt.acl_file" },
    { "allow_anonymous", SCOPE_SECURITY, KIND_BOOL, WAY_OWN, ID_ALLOW_ANONYMOUS },
    { "allow_zero_length_clientid", SCOPE_SECURITY, KIND_BOOL, WAY_WARN, .only = "false",
      .say = "a client without an id is given one" },
    { "auth_opt_", SCOPE_PLUGIN, KIND_TEXT, WAY_PART, .flags = ROW_MANY | ROW_PREFIX | ROW_SECRET },
    { "auth_plugin", SCOPE_SECURITY, KIND_TEXT, WAY_OWN, ID_PLUGIN, .flags = ROW_MANY, .say = NO_PLUGIN,
      .mend = "list users under mqtt.users" },
    { "auth_plugin_deny_special_chars", SCOPE_PLUGIN, KIND_TEXT, WAY_PART, .flags = ROW_MANY },
    { "auto_id_prefix", SCOPE_SECURITY, KIND_TEXT, WAY_IGNORE,
      .say = "ids that the hub gives are random and have no prefix; its log shows them, and a client "
             "of MQTT 5 is told its own" },
    { "check_retain_source", SCOPE_GLOBAL, KIND_BOOL, WAY_WARN, .only = "true",
      .say = "who published a retained message is not asked again when it is read" },
    { "clientid_prefixes", SCOPE_GLOBAL, KIND_TEXT, WAY_REFUSE,
      .say = "client ids are not checked here, so others could connect",
      .mend = "give each client a name and a password under mqtt.users" },
    { "global_plugin", SCOPE_GLOBAL, KIND_TEXT, WAY_OWN, ID_PLUGIN, .flags = ROW_MANY, .say = NO_PLUGIN,
      .mend = "list users under mqtt.users" },
    { "password_file", SCOPE_SECURITY, KIND_PATH, WAY_OWN, ID_PASSWORD_FILE, .flags = ROW_STARTS,
      .to = "mqtt.password_file" },
    { "per_listener_settings", SCOPE_GLOBAL, KIND_BOOL, WAY_OWN, ID_PER_LISTENER, .flags = ROW_MANY },
    { "plugin", SCOPE_SECURITY, KIND_TEXT, WAY_OWN, ID_PLUGIN, .flags = ROW_MANY, .say = NO_PLUGIN,
      .mend = "list users under mqtt.users" },
    { "plugin_load", SCOPE_GLOBAL, KIND_TEXT, WAY_OWN, ID_PLUGIN, .flags = ROW_MANY, .say = NO_PLUGIN,
      .mend = "list users under mqtt.users" },
    { "plugin_opt_", SCOPE_PLUGIN, KIND_TEXT, WAY_PART, .flags = ROW_MANY | ROW_PREFIX | ROW_SECRET },
    { "plugin_use", SCOPE_PLUGIN, KIND_TEXT, WAY_PART, .flags = ROW_MANY },
    { "psk_file", SCOPE_SECURITY, KIND_PATH, WAY_REFUSE, .flags = ROW_STARTS, .say = NO_PSK,
      .mend = "write certfile and keyfile, and give clients a name and a password" },
    { "use_username_as_clientid", SCOPE_LISTENER, KIND_BOOL, WAY_REFUSE, .flags = ROW_STARTS,
      .only = "true",
      .say = "a client keeps the id that it sends: one user could take over the session of another",
      .mend = "leave it out, and give clients ids that nobody guesses" },

    /* ---- listeners ---- */
    { "accept_protocol_versions", SCOPE_LISTENER, KIND_TEXT, WAY_WARN,
      .say = "MQTT 3.1, 3.1.1 and 5 are spoken on every listener" },
    { "bind_address", SCOPE_GLOBAL, KIND_TEXT, WAY_OWN, ID_BIND_ADDRESS },
    { "bind_interface", SCOPE_LISTENER, KIND_TEXT, WAY_REFUSE, .flags = ROW_STARTS,
      .say = "listeners are bound to addresses here: it would listen on other interfaces too",
      .mend = "write the interface's address: listener PORT ADDRESS" },
    { "http_dir", SCOPE_LISTENER, KIND_PATH, WAY_REFUSE, .flags = ROW_STARTS,
      .say = "the hub serves its own pages (api.address), no others",
      .mend = "serve that folder by a web server" },
    { "listener", SCOPE_GLOBAL, KIND_TEXT, WAY_OWN, ID_LISTENER, .flags = ROW_MANY },
    { "max_connections", SCOPE_LISTENER, KIND_NUMBER, WAY_SET, .flags = ROW_STARTS, .none = "-1",
      .to = ON_LISTENER("connections_max"), .within = "limits.connections_max" },
    { "max_qos", SCOPE_LISTENER, KIND_NUMBER, WAY_SET, .flags = ROW_STARTS | ROW_SOFT, .least = 0,
      .most = 2, .none = "2", .to = ON_LISTENER("qos_max") },
    { "maximum_qos", SCOPE_LISTENER, KIND_NUMBER, WAY_SET, .flags = ROW_STARTS | ROW_SOFT, .least = 0,
      .most = 2, .none = "2", .to = ON_LISTENER("qos_max") },
    { "max_topic_alias", SCOPE_LISTENER, KIND_NUMBER, WAY_SET, .flags = ROW_SOFT, .least = 0,
      .most = 65535, .to = ON_LISTENER("topic_alias_max"), .within = "limits.mqtt_topic_alias_max" },
    { "max_topic_alias_broker", SCOPE_LISTENER, KIND_NUMBER, WAY_IGNORE, .least = 0, .most = 65535,
      .say = "topics go out as they are; the hub uses no aliases" },
    { "mount_point", SCOPE_LISTENER, KIND_TEXT, WAY_OWN, ID_MOUNT_POINT, .flags = ROW_STARTS,
      .to = ON_LISTENER("mount_point") },
    { "port", SCOPE_GLOBAL, KIND_NUMBER, WAY_OWN, ID_PORT, .least = 1, .most = 65535 },
    { "protocol", SCOPE_LISTENER, KIND_WORD, WAY_OWN, ID_PROTOCOL, .flags = ROW_STARTS },
    { "set_tcp_nodelay", SCOPE_GLOBAL, KIND_BOOL, WAY_IGNORE,
      .say = "it always is: writes of a turn leave together" },
    { "socket_domain", SCOPE_LISTENER, KIND_WORD, WAY_OWN, ID_SOCKET_DOMAIN, .flags = ROW_STARTS },
    { "websockets_headers_size", SCOPE_GLOBAL, KIND_NUMBER, WAY_IGNORE,
      .say = "limits.http_head_max bounds them, 16 KiB by default" },
    { "websockets_log_level", SCOPE_GLOBAL, KIND_NUMBER, WAY_IGNORE,
      .say = "there is no other library to log: log.level is for all" },
    { "websockets_origin", SCOPE_LISTENER, KIND_TEXT, WAY_WARN, .flags = ROW_MANY,
      .say = "pages of the hub's own host may connect; others are listed under "
              "mqtt.listeners[].origins",
      .mend = "write it there: {address: ..., protocol: websocket, origins: [...]}" },

    /* ---- TLS ---- */
    { "cafile", SCOPE_LISTENER, KIND_PATH, WAY_OWN, ID_CAFILE, .flags = ROW_STARTS,
      .to = ON_LISTENER("client_ca") },
    { "capath", SCOPE_LISTENER, KIND_PATH, WAY_OWN, ID_CAPATH, .flags = ROW_STARTS },
    { "certfile", SCOPE_LISTENER, KIND_PATH, WAY_OWN, ID_CERTFILE, .flags = ROW_STARTS,
      .to = ON_LISTENER("cert") },
    { "ciphers", SCOPE_LISTENER, KIND_TEXT, WAY_WARN, .flags = ROW_STARTS,
      .say = "TLS 1.2 here has ciphers with forward secrecy and authentication only" },
    { "ciphers_tls1.3", SCOPE_LISTENER, KIND_TEXT, WAY_WARN, .flags = ROW_STARTS,
      .say = "TLS 1.3 has its own ciphers, all of them good" },
    { "crlfile", SCOPE_LISTENER, KIND_PATH, WAY_OWN, ID_CRLFILE, .flags = ROW_STARTS,
      .to = ON_LISTENER("client_crl") },
    { "dhparamfile", SCOPE_LISTENER, KIND_PATH, WAY_IGNORE, .flags = ROW_STARTS,
      .say = "keys are agreed on by elliptic curves, which need no such file" },
    { "keyfile", SCOPE_LISTENER, KIND_PATH, WAY_OWN, ID_KEYFILE, .flags = ROW_STARTS,
      .to = ON_LISTENER("key") },
    { "psk_hint", SCOPE_LISTENER, KIND_TEXT, WAY_REFUSE, .flags = ROW_STARTS, .say = NO_PSK,
      .mend = "write certfile and keyfile, and give clients a name and a password" },
    { "require_certificate", SCOPE_LISTENER, KIND_BOOL, WAY_OWN, ID_REQUIRE_CERTIFICATE,
      .flags = ROW_STARTS, .to = ON_LISTENER("require_certificate") },
    { "tls_engine", SCOPE_LISTENER, KIND_TEXT, WAY_REFUSE, .flags = ROW_STARTS, .say = NO_ENGINE,
      .mend = "write the key into a file that only the hub reads: keyfile PATH" },
    { "tls_engine_kpass_sha1", SCOPE_LISTENER, KIND_TEXT, WAY_REFUSE, .flags = ROW_STARTS | ROW_SECRET,
      .say = NO_ENGINE, .mend = "write the key into a file that only the hub reads: keyfile PATH" },
    { "tls_keyform", SCOPE_LISTENER, KIND_WORD, WAY_IGNORE,
      .say = "keys are PEM; tls_engine is refused where it stands" },
    { "tls_version", SCOPE_LISTENER, KIND_WORD, WAY_OWN, ID_TLS_VERSION },
    { "use_identity_as_username", SCOPE_LISTENER, KIND_BOOL, WAY_OWN, ID_USE_IDENTITY,
      .flags = ROW_STARTS, .to = ON_LISTENER("identity_from") },
    { "use_subject_as_username", SCOPE_LISTENER, KIND_BOOL, WAY_OWN, ID_USE_SUBJECT,
      .flags = ROW_STARTS, .to = ON_LISTENER("identity_from") },

    /* ---- limits ---- */
    { "max_inflight_bytes", SCOPE_GLOBAL, KIND_NUMBER, WAY_WARN, .none = "0",
      .say = "messages on their way are counted (max_inflight_messages), their bytes are not" },
    { "max_inflight_messages", SCOPE_GLOBAL, KIND_NUMBER, WAY_SET, .flags = ROW_MOST, .least = 0,
      .most = 65535, .none = "0", .to = "limits.mqtt_inflight_max" },
    { "max_keepalive", SCOPE_GLOBAL, KIND_NUMBER, WAY_SET, .least = 10, .most = 65535,
      .to = "limits.mqtt_keepalive_max_s" },
    { "max_packet_size", SCOPE_GLOBAL, KIND_NUMBER, WAY_OWN, ID_MAX_PACKET_SIZE, .least = 20,
      .most = 268435460, .to = "limits.mqtt_packet_max_bytes" },
    { "max_queued_bytes", SCOPE_GLOBAL, KIND_NUMBER, WAY_SET, .flags = ROW_MOST, .none = "0",
      .to = "limits.mqtt_queue_max_bytes" },
    { "max_queued_messages", SCOPE_GLOBAL, KIND_NUMBER, WAY_SET, .flags = ROW_MOST, .none = "0",
      .to = "limits.mqtt_queue_max_messages" },
    { "memory_limit", SCOPE_GLOBAL, KIND_NUMBER, WAY_WARN, .none = "0",
      .say = "every kind of use has a limit of its own, under limits",
      .mend = "systemd can bound the whole: MemoryMax=" },
    { "message_size_limit", SCOPE_GLOBAL, KIND_NUMBER, WAY_OWN, ID_MESSAGE_SIZE_LIMIT, .least = 0,
      .most = 268435455, .to = "limits.mqtt_packet_max_bytes" },

    /* ---- messages ---- */
    { "allow_duplicate_messages", SCOPE_GLOBAL, KIND_BOOL, WAY_IGNORE,
      .say = "a client gets a message once, however many of its subscriptions match" },
    { "queue_qos0_messages", SCOPE_GLOBAL, KIND_BOOL, WAY_SET, .none = "false",
      .to = "mqtt.queue_qos0_messages" },
    { "retain_available", SCOPE_GLOBAL, KIND_BOOL, WAY_SET, .none = "true",
      .to = ON_LISTENER("retain_available") },
    { "upgrade_outgoing_qos", SCOPE_GLOBAL, KIND_BOOL, WAY_WARN, .only = "true",
      .say = "a message goes out with the QoS with which it came, as MQTT has it" },
    { "sys_interval", SCOPE_GLOBAL, KIND_NUMBER, WAY_SET, .flags = ROW_SOFT, .least = 0, .most = 65535, .none = "10",
      .to = "mqtt.sys_interval_s" },

    /* ---- what is kept ---- */
    { "autosave_interval", SCOPE_GLOBAL, KIND_NUMBER, WAY_IGNORE, .say = NO_FLUSH },
    { "autosave_on_changes", SCOPE_GLOBAL, KIND_BOOL, WAY_IGNORE, .say = NO_FLUSH },
    { "persistence", SCOPE_GLOBAL, KIND_BOOL, WAY_IGNORE,
      .say = "sessions and retained messages are always kept, on the disk before they are "
             "acknowledged; mqtt.durability: memory does without" },
    { "persistence_file", SCOPE_GLOBAL, KIND_TEXT, WAY_WARN, .say = NO_DB, .mend = CARRY },
    { "persistence_location", SCOPE_GLOBAL, KIND_TEXT, WAY_WARN, .say = NO_DB, .mend = CARRY },
    { "persistent_client_expiration", SCOPE_GLOBAL, KIND_WORD, WAY_OWN, ID_EXPIRATION,
      .to = "limits.mqtt_session_expiry_max_ms" },
    { "retained_persistence", SCOPE_GLOBAL, KIND_BOOL, WAY_IGNORE,
      .say = "retained messages are always kept; mqtt.durability: memory does without" },

    /* ---- the process ---- */
    { "connection_messages", SCOPE_GLOBAL, KIND_BOOL, WAY_IGNORE,
      .say = "log.level tells what is logged" },
    { "include_dir", SCOPE_GLOBAL, KIND_TEXT, WAY_OWN, ID_INCLUDE_DIR, .flags = ROW_MANY },
    { "log_dest", SCOPE_GLOBAL, KIND_TEXT, WAY_OWN, ID_LOG_DEST, .flags = ROW_MANY, .say = STDERR },
    { "log_facility", SCOPE_GLOBAL, KIND_NUMBER, WAY_IGNORE, .say = STDERR },
    { "log_timestamp", SCOPE_GLOBAL, KIND_BOOL, WAY_IGNORE, .say = STDERR },
    { "log_timestamp_format", SCOPE_GLOBAL, KIND_TEXT, WAY_IGNORE, .say = STDERR },
    { "log_type", SCOPE_GLOBAL, KIND_WORD, WAY_OWN, ID_LOG_TYPE, .flags = ROW_MANY, .to = "log.level" },
    { "pid_file", SCOPE_GLOBAL, KIND_TEXT, WAY_IGNORE,
      .say = "no such file is written: the hub stays in the foreground, whoever starts it knows it" },
    { "quic_log_level", SCOPE_GLOBAL, KIND_NUMBER, WAY_IGNORE, .say = "there is no QUIC here" },
    { "user", SCOPE_GLOBAL, KIND_TEXT, WAY_WARN,
      .say = "the hub runs as the user who starts it",
      .mend = "start it as that user; with systemd: User=" },

    /* ---- of older versions ---- */
    { "retry_interval", SCOPE_GLOBAL, KIND_NUMBER, WAY_IGNORE, .say = "mosquitto 2 has it no more" },
    { "store_clean_interval", SCOPE_GLOBAL, KIND_NUMBER, WAY_IGNORE,
      .say = "mosquitto 2 has it no more" },

    /* ---- bridges ---- */
    { "connection", SCOPE_GLOBAL, KIND_TEXT, WAY_OWN, ID_CONNECTION, .flags = ROW_MANY,
      .say = "there are no bridges here: what it carries would stay here",
      .mend = "leave the bridge with a mosquitto, or send readings to another hub by an edge's uplink "
              "(edge.uplink)" },
    BRIDGE_PART("address"), BRIDGE_PART("addresses"), BRIDGE_PART("bridge_alpn"),
    BRIDGE_PART("bridge_attempt_unsubscribe"), BRIDGE_PART("bridge_bind_address"),
    BRIDGE_PART("bridge_cafile"), BRIDGE_PART("bridge_capath"), BRIDGE_PART("bridge_certfile"),
    BRIDGE_PART("bridge_ciphers"), BRIDGE_PART("bridge_ciphers_tls1.3"),
    { "bridge_identity", SCOPE_BRIDGE, KIND_TEXT, WAY_PART, .flags = ROW_MANY | ROW_SECRET },
    BRIDGE_PART("bridge_insecure"), BRIDGE_PART("bridge_keyfile"),
    BRIDGE_PART("bridge_max_packet_size"), BRIDGE_PART("bridge_max_topic_alias"),
    BRIDGE_PART("bridge_outgoing_retain"), BRIDGE_PART("bridge_protocol_version"),
    { "bridge_psk", SCOPE_BRIDGE, KIND_TEXT, WAY_PART, .flags = ROW_MANY | ROW_SECRET },
    BRIDGE_PART("bridge_receive_maximum"), BRIDGE_PART("bridge_reload_type"),
    BRIDGE_PART("bridge_require_ocsp"), BRIDGE_PART("bridge_session_expiry_interval"),
    BRIDGE_PART("bridge_tcp_keepalive"), BRIDGE_PART("bridge_tcp_user_timeout"),
    BRIDGE_PART("bridge_tls_use_os_certs"), BRIDGE_PART("bridge_tls_version"),
    BRIDGE_PART("cleansession"), BRIDGE_PART("clientid"), BRIDGE_PART("idle_timeout"),
    BRIDGE_PART("keepalive_interval"), BRIDGE_PART("local_cleansession"),
    BRIDGE_PART("local_clientid"),
    { "local_password", SCOPE_BRIDGE, KIND_TEXT, WAY_PART, .flags = ROW_MANY | ROW_SECRET },
    BRIDGE_PART("local_username"), BRIDGE_PART("notification_topic"), BRIDGE_PART("notifications"),
    BRIDGE_PART("notifications_local_only"),
    { "password", SCOPE_BRIDGE, KIND_TEXT, WAY_PART, .flags = ROW_MANY | ROW_SECRET },
    BRIDGE_PART("remote_clientid"),
    { "remote_password", SCOPE_BRIDGE, KIND_TEXT, WAY_PART, .flags = ROW_MANY | ROW_SECRET },
    BRIDGE_PART("remote_username"), BRIDGE_PART("restart_timeout"), BRIDGE_PART("round_robin"),
    BRIDGE_PART("start_type"), BRIDGE_PART("threshold"), BRIDGE_PART("topic"),
    BRIDGE_PART("try_private"), BRIDGE_PART("username"),
    { 0 },
};
/* clang-format on */

const struct mosquitto_row *mosquitto_row(struct str name)
{
    for (const struct mosquitto_row *row = mosquitto_rows; row->name; row++) {
        struct str known = str_of(row->name);

        if (row->flags & ROW_PREFIX ? name.n > known.n && str_starts(name, known)
                                    : str_eq(known, name))
            return row;
    }
    return NULL;
}

const char *mosquitto_guess(struct str name)
{
    const char *names[256];
    size_t n = 0;

    for (const struct mosquitto_row *row = mosquitto_rows; row->name && n < COUNT_OF(names); row++)
        names[n++] = row->name;
    return conf_guess(name, names, n);
}
