/* What lines become: limits, the log, sizes of messages; what is refused, and what is only a warning;
 * with a schema that has every setting, and with one that has not. */
#include "unit/conf/broker_case.h"

static const struct broker_case settings[] = {
    { "max_queued_messages 7\n", "understood: limits.mqtt_queue_max_messages: 7",
      "limits:\n  mqtt_queue_max_messages: 7\n", NULL },
    { "max_queued_messages 0\n", NULL, "mqtt_queue_max_messages: 100000000\n", NULL },
    { "max_queued_messages -1\n", NULL, NULL, "can be 1 to 100000000 here, not -1" },
    { "max_queued_bytes 5000\n", "limits.mqtt_queue_max: 5000", "  mqtt_queue_max: 5000\n", NULL },
    { "max_queued_bytes 50\n", NULL, NULL, "m.conf:1:18: 'max_queued_bytes' can be 1024 to" },
    { "max_inflight_messages 0\n", NULL, "mqtt_inflight_max: 65535\n", NULL },
    { "max_keepalive 9\n", NULL, NULL, "from 10 to 65535, not 9" },
    { "max_keepalive 60\n", NULL, "mqtt_keepalive_max_s: 60\n", NULL },
    { "memory_limit 0\n", "as it is here anyway", NULL, NULL },
    { "memory_limit 5\n", "refused (only a warning): every kind of use has a limit", NULL, NULL },
    { "sys_interval 10\n", "as it is here anyway", NULL, NULL },
    { "sys_interval 0\n", "understood: mqtt.sys_interval_s: 0", "mqtt:\n  sys_interval_s: 0\n",
      NULL },
    { "queue_qos0_messages false\n", "as it is here anyway", NULL, NULL },
    { "queue_qos0_messages true\n", "understood: mqtt.queue_qos0_messages: true",
      "mqtt:\n  queue_qos0_messages: true\n", NULL },
    { "upgrade_outgoing_qos true\n", "refused (only a warning)", NULL, NULL },
    { "persistent_client_expiration 2d\n", "understood: limits.mqtt_session_expiry_max: 48h",
      "limits:\n  mqtt_session_expiry_max: 48h\n", NULL },
    { "persistent_client_expiration 1y\n", NULL, "mqtt_session_expiry_max: 8760h\n", NULL },
    { "persistent_client_expiration 9999y\n", NULL, "mqtt_session_expiry_max: 1193046h\n", NULL },
    { "persistent_client_expiration 2\n", NULL, NULL, "such as 14d, not 2" },
    { "persistent_client_expiration 0d\n", NULL, NULL, "such as 14d, not 0d" },
    { "persistence true\n", "sessions and retained messages are always kept", NULL, NULL },
    { "connection far\n", NULL, NULL, "'connection far' has no address" },
    { "auth_plugin x.so\nauth_opt_a b\n", "!auth_opt_a", NULL, "'auth_plugin x.so' is refused" },
    { "persistence_location /var/lib/mosquitto/\n",
      "refused (only a warning): what mosquitto keeps in its file (mosquitto.db) is not taken over",
      NULL, NULL },
    { "persistence_file m.db\n", "refused (only a warning): what mosquitto keeps", NULL, NULL },
    { "auto_id_prefix dev-\n", "a client of MQTT 5 is told its own", NULL, NULL },
    { "acl_file rules\n", "a subscription wider than what it grants is refused (0x87; 3.1.1: 0x80)",
      NULL, NULL },
    { "", "!wider than what it grants", NULL, NULL },
    { "acl_file rules\n", NULL, "mqtt:\n  acl_file: \"/etc/mosquitto/rules\"\n", NULL },
    { "acl_file /gone\n", NULL, NULL, "m.conf:1:10: 'acl_file': cannot open /gone: No such file" },
    { "retain_available false\n", NULL, "      retain_available: false\n", NULL },
    /* The limit for all is raised with that of a listener, to the largest. */
    { "listener 1 ::1\nmax_connections 20000\nlistener 2 ::1\nmax_connections 30000\nlistener 3 ::1\n"
      "max_connections 10001\n",
      "max_connections 20000: understood: mqtt.listeners[].connections_max: 20000",
      "limits:\n  connections_max: 30000\n", NULL },
    { "max_connections 10000\n", NULL, "!limits", NULL },
    { "max_topic_alias 2000\n", NULL, NULL, "'max_topic_alias' can be 0 to 1024 here, not 2000" },
    /* The size of a message. */
    { "max_packet_size 19\n", NULL, NULL, "from 20 to" },
    { "max_packet_size 20\n", "understood: limits.mqtt_packet_max: 128, which is the least here",
      "mqtt_packet_max: 128\n", NULL },
    { "max_packet_size 268435460\n", "mqtt_packet_max: 267386880, which is the most here",
      "mqtt_packet_max: 267386880\n", NULL },
    { "max_packet_size 1000\n", "!has no limit", "mqtt_packet_max: 1000\n", NULL },
    { "message_size_limit 0\n", "0 is no limit", "!mqtt_packet_max", NULL },
    { "message_size_limit 1000\n", "3048, with 2048 bytes for what is not payload",
      "mqtt_packet_max: 3048\n", NULL },
    { "message_size_limit 1000\nmax_packet_size 2000\n", "message_size_limit 1000: ignored: line 2",
      "mqtt_packet_max: 2000\n", NULL },
    { "max_packet_size 9000\nmessage_size_limit 1000\n", "max_packet_size 9000: ignored: line 2",
      "mqtt_packet_max: 3048\n", NULL },
    { "message_size_limit 268435455\n",
      "limits.mqtt_packet_max: 267386880, which is the most here, with 2048 bytes for",
      "mqtt_packet_max: 267386880\n", NULL },
    { "message_size_limit 268435456\n", NULL, NULL, "to 268435455, not 268435456" },
    { "", "packets of more than 1 MiB are refused", NULL, NULL },
    /* Topics. */
    { "", "every topic is the clients' own", "\ningest_builtin: false\n", NULL },
    /* The log. */
    { "log_type all\n", NULL, "log:\n  level: \"debug\"\n", NULL },
    { "log_type error\nlog_type notice\nlog_type warning\n",
      "notice: understood: log.level: \"info\"", "  level: \"info\"\n", NULL },
    { "log_type error\nlog_type none\n", NULL, "  level: \"off\"\n", NULL },
    { "log_type none\nlog_type error\n", NULL, "  level: \"error\"\n", NULL },
    { "log_type subscribe\n", "ignored: log.level is for all kinds", "!level", NULL },
    { "log_type loud\n", NULL, NULL, "'loud' is no type of log line" },
    { "log_dest none\n", NULL, "  level: \"off\"\n", NULL },
    { "log_dest none\nlog_dest stderr\n", "stderr: understood: as it is here anyway", "!level",
      NULL },
    { "log_dest stderr\nlog_dest none\nlog_type all\n", NULL, "  level: \"off\"\n", NULL },
    { "log_dest file /var/log/x y.log\n", "refused (only a warning): log lines go to", NULL, NULL },
    { "log_dest paper\n", NULL, NULL, "'paper' is no destination of a log" },
};

static void test_settings(void **state)
{
    (void)state;
    BROKER_CHECK_ALL(broker_schema, settings);
}

/* Without the setting: refused by its name, and the hub starts only when that is harmless. */
static const struct broker_case missing[] = {
    { "connection far\naddress h\n", NULL, NULL,
      "'connection far' is refused: there are no bridges here" },
    { "acl_file rules\n", NULL, "!acl_file",
      "'acl_file rules' is refused: it needs the setting mqtt.acl_file, which this version does not "
      "have; leave the line out" },
    { "password_file x\n", NULL, "!password_file", "mqtt.password_file" },
    { "listener 1884\nmax_connections 5\n", NULL, NULL, "mqtt.listeners[].connections_max" },
    { "listener 1884\nmax_connections -1\n", "as it is here anyway", NULL, NULL },
    { "listener 1884\nmount_point a/\n", NULL, NULL, "mqtt.listeners[].mount_point" },
    { "listener 1884\nmax_qos 1\n",
      "refused (only a warning): it needs the setting mqtt.listeners[].qos_max", "!qos_max", NULL },
    { "listener 1884\nmax_qos 2\n", "as it is here anyway", NULL, NULL },
    { "listener 1884\nmax_topic_alias 0\n", "refused (only a warning)", NULL, NULL },
    { "retain_available false\n", NULL, NULL, "mqtt.listeners[].retain_available" },
    { "retain_available true\n", "as it is here anyway", NULL, NULL },
    { "max_keepalive 60\nmax_packet_size 1000\n", "!refused:", "mqtt_keepalive_max_s: 60\n", NULL },
    { "", "!every topic", "!ingest_builtin", NULL },
};

static void test_missing_settings(void **state)
{
    (void)state;
    BROKER_CHECK_ALL(broker_old_schema, missing);
}

static void test_targets(void **state)
{
    struct mosquitto m = { .schema = &broker_schema }, old = { .schema = &broker_old_schema };

    (void)state;
    assert_string_equal(mosquitto_target(&m, "mqtt.listeners[].qos_max")->key, "qos_max");
    assert_null(mosquitto_target(&old, "mqtt.listeners[].qos_max"));
    assert_non_null(mosquitto_target(&old, "mqtt.listeners[].cert"));
    assert_int_equal(mosquitto_target(&old, "mqtt.listeners")->max, 6);
    /* A limit by its name and as it is written. */
    assert_ptr_equal(mosquitto_target(&m, "limits.mqtt_queue_max_bytes"),
                     mosquitto_target(&m, "limits.mqtt_queue_max"));
    assert_null(mosquitto_target(&m, "nowhere.qos_max"));
    assert_null(mosquitto_target(&m, "log.level.more"));
    assert_null(mosquitto_target(&m, ""));
}

RUN(TEST(test_settings), TEST(test_missing_settings), TEST(test_targets))
