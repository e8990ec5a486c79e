/* Listeners: where, by which protocol, with which certificates, and who may use them. */
#include "unit/conf/broker_case.h"

#define LOCAL                                                                                      \
    "    - address: \"127.0.0.1:1883\"\n      protocol: mqtt\n      anonymous: allow\n"            \
    "    - address: \"[::1]:1883\"\n      protocol: mqtt\n      anonymous: allow\n"

static const struct broker_case where[] = {
    /* None asked for: this machine only, and open. */
    { "", "the default listener listens on \"127.0.0.1:1883\" and \"[::1]:1883\"", LOCAL, NULL },
    { "max_topic_alias 3\n", NULL, "\"127.0.0.1:1883\"\n      topic_alias_max: 3\n", NULL },
    { "socket_domain ipv6\n", NULL, "!127.0.0.1", NULL },
    { "allow_anonymous false\n", "mosquitto lets them in while no listener is given",
      "anonymous: deny", NULL },
    { "password_file x\n", NULL, "anonymous: allow", NULL },
    /* The default listener. */
    { "port 1884\n", "nobody is let in",
      "\"0.0.0.0:1884\"\n      protocol: mqtt\n      anonymous: deny", NULL },
    { "port 1884\n", NULL, "\"[::]:1884\"", NULL },
    { "bind_address 10.0.0.1\n", NULL, "\"10.0.0.1:1883\"", NULL },
    { "bind_address 10.0.0.1\n", NULL, "!::", NULL },
    { "bind_address localhost\nport 1884\n", NULL, "\"[::1]:1884\"", NULL },
    { "bind_address hub.example.org\n", NULL, NULL,
      "m.conf:1:14: 'hub.example.org' is no address" },
    { "bind_address unix:/x\n", NULL, NULL, "is no address" },
    { "port 1884\nlistener 1885 ::1\n", NULL, "\"0.0.0.0:1884\"", NULL },
    /* Above the first listener: it starts the default one, or is about none. */
    { "max_qos 1\nlistener 1884 127.0.0.1\n", NULL, "\"0.0.0.0:1883\"\n      qos_max: 1", NULL },
    { "max_topic_alias 5\nlistener 1884 127.0.0.1\n", "about none of them", "!topic_alias_max",
      NULL },
    { "listener 1884 127.0.0.1\n", NULL, "!1883", NULL },
    /* Listeners. */
    { "listener 1884\nsocket_domain ipv4\n", "socket_domain ipv4: understood", "!::", NULL },
    { "listener 1884\nsocket_domain ipv6\n", NULL, "!0.0.0.0", NULL },
    { "listener 1884\nsocket_domain ipx\n", NULL, NULL, "must be ipv4 or ipv6, not 'ipx'" },
    { "listener 1884 ::1\nsocket_domain ipv4\n", NULL, NULL,
      "m.conf:2:15: '::1' is an address of the "
      "other kind" },
    { "listener 1884 fe80::1 # x\n", NULL, "\"[fe80::1]:1884\"", NULL },
    { "listener 1884 # x y\n", NULL, "\"[::]:1884\"", NULL },
    { "listener 1884   127.0.0.1  \n", NULL, "\"127.0.0.1:1884\"", NULL },
    { "listener 1884 127.0.0.1 x\n", NULL, NULL, "takes a port and an address, not 'x'" },
    { "listener x\n", NULL, NULL, "'x' is no port" },
    { "listener 65536\n", NULL, NULL, "'65536' is no port" },
    { "listener 0\n", NULL, NULL, "port 0 is a Unix socket: its path is missing" },
    { "listener 0 /run/m.sock\n", NULL, "\"unix:/run/m.sock\"", NULL },
    { "listener 0 m.sock\n", NULL, "\"unix:/etc/mosquitto/m.sock\"", NULL },
    { "listener 1\nlistener 2\nlistener 3\n", NULL, "[::]:3", NULL },
    { "listener 1\nlistener 2\nlistener 3\nlistener 4 ::1\n", NULL, NULL,
      "m.conf:4:10: more than 6 listeners, of which one without an address is two" },
    { "listener 1884\nprotocol websockets\n", NULL, "protocol: websocket\n", NULL },
    { "listener 1884\nprotocol mqtt\n", NULL, "protocol: mqtt\n", NULL },
    { "listener 1884\nprotocol quic\n", NULL, NULL, "must be mqtt or websockets, not 'quic'" },
};

static void test_where(void **state)
{
    (void)state;
    BROKER_CHECK_ALL(broker_schema, where);
}

static void test_without_ipv6(void **state)
{
    struct mosquitto_world world = broker_world;
    struct conf_report r = conf_report_init();
    struct mosquitto *m;
    struct str yaml;

    (void)state;
    world.ipv6 = false;
    m = mosquitto_new(&broker_schema, &(struct conf_source){ "m.conf", STR("listener 1884\n") },
                      &world, &r);
    assert_int_equal(r.errors, 0);
    yaml = mosquitto_yaml(m)->text;
    assert_true(str_find_str(yaml, STR("0.0.0.0:1884")) < yaml.n);
    assert_int_equal(str_find_str(yaml, STR("::")), yaml.n);
    mosquitto_free(m);
}

static const struct broker_case who[] = {
    { "listener 1884 ::1\nallow_anonymous true\n", "must send a known one", "anonymous: allow",
      NULL },
    { "allow_anonymous true\nlistener 1884 ::1\nlistener 1885 ::1\n", NULL,
      "1885\"\n      protocol: mqtt\n      anonymous: allow", NULL },
    { "listener 1884 ::1\npassword_file x\n", "clients without a name are refused",
      "mqtt:\n  password_file: \"/etc/mosquitto/x\"\n", NULL },
    { "listener 1884 ::1\npassword_file /gone\n", NULL, NULL,
      "'password_file': cannot open /gone" },
    /* By listener. */
    { "per_listener_settings true\nallow_anonymous true\nlistener 1884 ::1\n", "about none of them",
      "anonymous: deny", NULL },
    { "per_listener_settings true\nlistener 1884 ::1\nallow_anonymous true\nlistener 1885 ::1\n",
      NULL, "1885\"\n      protocol: mqtt\n      anonymous: deny", NULL },
    { "per_listener_settings true\npassword_file x\nlistener 1884 ::1\nallow_anonymous true\n",
      NULL, "\"0.0.0.0:1883\"", NULL },
    { "per_listener_settings true\nlistener 1884 ::1\nallow_anonymous true\nlistener 1885 ::1\n"
      "password_file x\n",
      NULL, "mqtt:\n  password_file: \"/etc/mosquitto/x\"\n", NULL },
    { "per_listener_settings true\nlistener 1884 ::1\npassword_file x\nlistener 1885 ::1\n"
      "password_file x\n",
      "m.conf:5: password_file x: understood: as in the listener above", "password_file: ", NULL },
    { "per_listener_settings true\nlistener 1884 ::1\npassword_file x\nlistener 1885 ::1\n"
      "password_file y\n",
      NULL, NULL,
      "m.conf:5:1: 'password_file y' is refused: all listeners share one file, and line 3" },
    { "per_listener_settings true\nlistener 1884 ::1\npassword_file x\nlistener 1885 ::1\n", NULL,
      NULL, "there is one without: that file's users would get in there" },
    { "per_listener_settings true\nlistener 1884 ::1\nacl_file x\nlistener 1885 ::1\n"
      "allow_anonymous true\n",
      NULL, NULL, "there is one without: its clients would be bound by that file" },
    { "per_listener_settings true\nlistener 1884 ::1\nacl_file x\nlistener 1885 ::1\nacl_file x\n",
      NULL, "acl_file: \"/etc/mosquitto/x\"\n", NULL },
};

static void test_who(void **state)
{
    (void)state;
    BROKER_CHECK_ALL(broker_schema, who);
}

#define TLS          "listener 1884 ::1\ncertfile c\nkeyfile k\n"
#define CERTIFICATES TLS "require_certificate true\ncafile a\n"
static const struct broker_case tls[] = {
    { TLS, NULL, "cert: \"/etc/mosquitto/c\"\n      key: \"/etc/mosquitto/k\"\n", NULL },
    { "listener 1884\ncertfile c\n", NULL, NULL, "m.conf:2:10: 'certfile' and 'keyfile' belong" },
    { "listener 1884\nkeyfile c\n", NULL, NULL, "m.conf:2:9: 'certfile' and 'keyfile' belong" },
    { "listener 1884\ncertfile /gone\nkeyfile k\n", NULL, NULL, "'certfile': cannot open /gone" },
    { TLS "cafile a\ncapath b\ncrlfile c\n", "cafile a: ignored: it is about certificates",
      "!client_ca", NULL },
    { TLS "require_certificate false\n", "as it is here anyway", "!require", NULL },
    { TLS "require_certificate true\ncafile a\n", NULL,
      "require_certificate: true\n      client_ca: \"/etc/mosquitto/a\"\n", NULL },
    { TLS "require_certificate true\n", NULL, NULL, "needs the authority that signs them" },
    { TLS "require_certificate true\ncapath a\n", NULL, NULL, "'capath a' is refused" },
    { TLS "require_certificate true\ncafile a\ncrlfile c\n", NULL,
      "client_crl: \"/etc/mosquitto/c\"\n", NULL },
    { "listener 1884\nrequire_certificate true\ncafile a\n", NULL, NULL,
      "needs a listener with TLS" },
    { TLS "use_identity_as_username true\n", NULL, NULL, "lets nobody in where no certificate" },
    { CERTIFICATES "use_identity_as_username true\n", "clients without a name are refused",
      "identity_from: \"common_name\"\n", NULL },
    { CERTIFICATES "use_subject_as_username true\n", NULL, "identity_from: \"subject\"\n", NULL },
    { CERTIFICATES "use_subject_as_username true\nuse_identity_as_username true\n", "goes first",
      "identity_from: \"common_name\"\n", NULL },
    { CERTIFICATES, "nobody is let in", "anonymous: deny", NULL },
    { TLS "use_subject_as_username false\n", "as it is here anyway", "!identity", NULL },
    { TLS "tls_version tlsv1.2\n", "understood: as it is here anyway", NULL, NULL },
    { TLS "tls_version tlsv1.1\n", "refused (only a warning): no version before", NULL, NULL },
    { TLS "tls_version tlsv1.3\n", NULL, NULL, "'tls_version tlsv1.3' is refused" },
    { TLS "tls_version ssl\n", NULL, NULL, "must be tlsv1.2 or tlsv1.3, not 'ssl'" },
    { TLS "ciphers x\ndhparamfile y\n", "dhparamfile y: ignored", NULL, NULL },
    { TLS "psk_hint x\n", NULL, NULL, "'psk_hint x' is refused" },
};
static const struct broker_case tls_missing[] = {
    { TLS "require_certificate true\ncafile a\n", NULL, NULL,
      "mqtt.listeners[].require_certificate" },
    { CERTIFICATES "use_identity_as_username true\n", NULL, NULL,
      "mqtt.listeners[].identity_from" },
    { CERTIFICATES "crlfile x\n", NULL, NULL, "mqtt.listeners[].client_crl" },
    { TLS "cafile a\n", "ignored", NULL, NULL },
};

static void test_tls(void **state)
{
    (void)state;
    BROKER_CHECK_ALL(broker_schema, tls);
    BROKER_CHECK_ALL(broker_old_schema, tls_missing);
}

RUN(TEST(test_where), TEST(test_without_ipv6), TEST(test_who), TEST(test_tls))
