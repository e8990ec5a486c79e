/* Connections of mosquitto.conf as bridges of ours. */
#include "unit/conf/broker_case.h"

#define MIN "connection far\naddress h\ntopic # out 1\n"
static const struct broker_case cases[] = {
    { MIN, "address h: understood: mqtt.bridges[].address",
      "  bridges:\n    - name: \"far\"\n      address: \"mqtt://h:1883\"\n", NULL },
    { MIN, NULL,
      "      topics:\n        - {filter: \"#\", direction: out, qos: 1, local_prefix: \"\", "
      "remote_prefix: \"\"}\n",
      NULL },
    { MIN, NULL, "      version: \"3.1.1\"\n      notifications: both\n", NULL },
    { MIN "topic a/b\n", NULL, "{filter: \"a/b\", direction: out, qos: 0,", NULL },
    { MIN "topic \"\" both 2 one two\n", NULL,
      "{filter: \"\", direction: both, qos: 2, local_prefix: \"one\", remote_prefix: \"two\"}",
      NULL },
    { MIN "topic x in 1  \"\"   r/\n", NULL, "local_prefix: \"\", remote_prefix: \"r/\"}", NULL },
    { MIN "topic x up\n", NULL, NULL, "the direction can be out, in or both, not 'up'" },
    { MIN "topic x in 3\n", NULL, NULL, "the QoS can be 0, 1 or 2, not '3'" },
    { MIN "topic x in 1 a b c\n", NULL, NULL, "and no more" },
    { MIN "bridge_protocol_version mqttv50\n", NULL, "      version: \"5\"\n", NULL },
    { MIN "bridge_protocol_version mqttv31\n", NULL, NULL, "a bridge does not speak MQTT 3.1" },
    { MIN "bridge_protocol_version 5\n", NULL, NULL, "can be mqttv311 or mqttv50" },
    { MIN "bridge_cafile ca.pem\n", NULL, "address: \"mqtts://h:1883\"\n", NULL },
    { MIN "bridge_cafile ca.pem\n", NULL, "ca: \"/etc/mosquitto/ca.pem\"\n", NULL },
    { MIN "bridge_cafile /gone\n", NULL, NULL, "'bridge_cafile': cannot open /gone" },
    { MIN "bridge_tls_use_os_certs true\n", NULL, "mqtts://h:1883", NULL },
    { "connection far\naddresses h:1 g:2\ntopic # out 1\n", "only the first address counts",
      "\"mqtt://h:1\"\n", NULL },
    { MIN "remote_username u\nremote_password geheim\nremote_clientid c\n", "!geheim",
      "user: \"u\"\n      password: \"geheim\"\n      client_id: \"c\"\n", NULL },
    { MIN "username u\nremote_username v\n", NULL, NULL, "says again what line 4 says" },
    { MIN "password geheim\nremote_password geheim2\n", NULL, NULL, "!geheim" },
    { MIN "cleansession true\ntry_private false\n", NULL,
      "clean_session: true\n      try_private: false\n", NULL },
    { MIN "cleansession maybe\n", NULL, NULL, "must be true or false, not 'maybe'" },
    { MIN "keepalive_interval 20\nbridge_session_expiry_interval 60\n", NULL,
      "keep_alive: 20s\n      session_expiry: 60s\n", NULL },
    { MIN "bridge_max_packet_size 10000\n", "understood: mqtt.bridges[].packet_max",
      "packet_max: 10000\n", NULL },
    { MIN "bridge_max_packet_size 0\n", "as it is here anyway", NULL, NULL },
    { MIN "bridge_max_packet_size big\n", NULL, NULL, "must be a number of bytes" },
    { MIN "keepalive_interval often\n", NULL, NULL, "must be a number of seconds" },
    { MIN "notifications false\n", NULL, "notifications: none\n", NULL },
    { MIN "notifications_local_only true\n", NULL, "notifications: local\n", NULL },
    { MIN "bridge_insecure true\n", NULL, NULL, "is always verified" },
    { MIN "bridge_insecure false\n", "as it is here anyway", NULL, NULL },
    { MIN "bridge_psk 1234\n", "!1234", NULL, "there are no pre-shared keys here" },
    { MIN "start_type lazy\nlocal_username x\n", "refused (only a warning): a bridge connects",
      NULL, NULL },
    { "connection far\ntopic #\n", NULL, NULL, "'connection far' has no address" },
    { "connection far\naddress h\n", NULL, NULL, "nothing would cross it" },
    { MIN "connection near\naddress g\ntopic x in\n", NULL,
      "    - name: \"near\"\n      address: \"mqtt://g:1883\"\n", NULL },
};

static void connections_become_bridges(void **state)
{
    (void)state;
    BROKER_CHECK_ALL(broker_schema, cases);
}

/* Every part of a connection that the table of directives has is known here. */
static void every_part_is_known(void **state)
{
    (void)state;
    for (const struct mosquitto_row *row = mosquitto_rows; row->name; row++) {
        struct buf text = buf_init(1000);
        struct conf_report r = conf_report_init();
        struct conf_source source = { "m.conf", STR_NONE };

        if (row->scope != SCOPE_BRIDGE)
            continue;
        buf_printf(&text, MIN "%s 1\n", row->name);
        source.text = buf_str(&text);
        mosquitto_free(mosquitto_new(&broker_schema, &source, &broker_world, &r));
        conf_report_fini(&r);
        buf_fini(&text);
    }
}

RUN(TEST(connections_become_bridges), TEST(every_part_is_known))
