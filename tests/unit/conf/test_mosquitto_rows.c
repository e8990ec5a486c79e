/* The table of directives: complete, each once, each with what it needs. */
#include "unit/unit.h"
#include "unit/conf/broker.h"

/* Every directive that mosquitto.conf(5) of 2.0 describes. */
static const char *const manual[] = {
    "acl_file",
    "allow_anonymous",
    "allow_duplicate_messages",
    "allow_zero_length_clientid",
    "auth_opt_host",
    "auth_plugin",
    "auth_plugin_deny_special_chars",
    "auto_id_prefix",
    "autosave_interval",
    "autosave_on_changes",
    "check_retain_source",
    "clientid_prefixes",
    "connection_messages",
    "include_dir",
    "log_dest",
    "log_facility",
    "log_timestamp",
    "log_timestamp_format",
    "log_type",
    "max_inflight_bytes",
    "max_inflight_messages",
    "max_keepalive",
    "max_packet_size",
    "max_queued_bytes",
    "max_queued_messages",
    "memory_limit",
    "message_size_limit",
    "password_file",
    "per_listener_settings",
    "persistence",
    "persistence_file",
    "persistence_location",
    "persistent_client_expiration",
    "pid_file",
    "psk_file",
    "queue_qos0_messages",
    "retain_available",
    "set_tcp_nodelay",
    "sys_interval",
    "upgrade_outgoing_qos",
    "user",
    "bind_address",
    "bind_interface",
    "http_dir",
    "listener",
    "max_connections",
    "max_qos",
    "max_topic_alias",
    "mount_point",
    "port",
    "protocol",
    "socket_domain",
    "use_username_as_clientid",
    "websockets_log_level",
    "websockets_headers_size",
    "cafile",
    "capath",
    "certfile",
    "ciphers",
    "ciphers_tls1.3",
    "crlfile",
    "dhparamfile",
    "keyfile",
    "require_certificate",
    "tls_engine",
    "tls_engine_kpass_sha1",
    "tls_keyform",
    "tls_version",
    "use_identity_as_username",
    "use_subject_as_username",
    "psk_hint",
    "address",
    "addresses",
    "bridge_attempt_unsubscribe",
    "bridge_bind_address",
    "bridge_max_packet_size",
    "bridge_outgoing_retain",
    "bridge_protocol_version",
    "cleansession",
    "local_cleansession",
    "connection",
    "keepalive_interval",
    "idle_timeout",
    "local_clientid",
    "local_password",
    "local_username",
    "notifications",
    "notifications_local_only",
    "notification_topic",
    "remote_clientid",
    "remote_password",
    "remote_username",
    "restart_timeout",
    "round_robin",
    "start_type",
    "threshold",
    "topic",
    "try_private",
    "bridge_alpn",
    "bridge_cafile",
    "bridge_capath",
    "bridge_certfile",
    "bridge_identity",
    "bridge_insecure",
    "bridge_keyfile",
    "bridge_psk",
    "bridge_require_ocsp",
    "bridge_tls_version",
    /* What its reader takes beside them. */
    "clientid",
    "password",
    "username",
    "maximum_qos",
    "plugin",
    "plugin_opt_x",
    "retry_interval",
    "retained_persistence",
};

static void test_every_directive_is_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(manual); i++)
        if (!mosquitto_row(str_of(manual[i])))
            fail_msg("'%s' is not known", manual[i]);
    assert_null(mosquitto_row(STR("auth_opt_"))); /* an option has a name */
    assert_null(mosquitto_row(STR("Port")));
    assert_null(mosquitto_row(STR("")));
    assert_string_equal(mosquitto_guess(STR("prot")), "port");
    assert_string_equal(mosquitto_guess(STR("max_queud_messages")), "max_queued_messages");
    assert_null(mosquitto_guess(STR("xyzzy_of_nothing")));
}

static void test_each_row_is_whole(void **state)
{
    size_t n = 0;

    (void)state;
    for (const struct mosquitto_row *row = mosquitto_rows; row->name; row++, n++) {
        bool number = row->kind == KIND_NUMBER;

        for (const struct mosquitto_row *other = row + 1; other->name; other++)
            if (strcmp(row->name, other->name) == 0)
                fail_msg("'%s' is there twice", row->name);
        if (row->way == WAY_IGNORE || row->way == WAY_WARN || row->way == WAY_REFUSE)
            assert_non_null(row->say);
        if (row->way == WAY_REFUSE) /* a person is told how to go on */
            assert_non_null(row->mend);
        if (row->way == WAY_SET)
            assert_non_null(row->to);
        assert_int_equal(row->way == WAY_OWN, row->id != ID_NONE);
        if (row->only)
            assert_int_equal(row->kind, KIND_BOOL);
        if (row->least || row->most)
            assert_true(number && row->least <= row->most);
    }
    assert_true(n > 120 && n < 256); /* mosquitto_guess() takes no more */
}

static void test_settings_are_those_of_the_schema(void **state)
{
    struct mosquitto m = { .schema = &broker_schema };

    (void)state;
    for (const struct mosquitto_row *row = mosquitto_rows; row->name; row++)
        if (row->to && !mosquitto_target(&m, row->to))
            fail_msg("'%s' becomes '%s', which the schema of these tests has not", row->name,
                     row->to);
}

RUN(TEST(test_every_directive_is_known), TEST(test_each_row_is_whole),
    TEST(test_settings_are_those_of_the_schema))
