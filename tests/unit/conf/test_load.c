/* Rows against files: values, defaults, presets, and what is said about mistakes. */
#include "unit/unit.h"
#include "unit/conf/rows.h"

#include <stdio.h>
#include <string.h>

static int load(const char *text, struct conf **out, struct conf_report *r)
{
    struct conf_source source = { "t.yaml", str_of(text) };

    *r = conf_report_init();
    *out = NULL;
    return conf_load(&sample_schema, &source, 1, NULL, out, r);
}

static struct conf *load_ok(const char *text)
{
    struct conf_report r;
    struct buf b = buf_init(65536);
    struct conf *c;

    if (load(text, &c, &r)) {
        conf_report_render(&r, &b);
        fail_msg("%s", buf_cstr(&b));
    }
    conf_report_fini(&r);
    buf_fini(&b);
    return c;
}

/* Exactly one error, there, with these words in sentence and mend. */
static void refused_at(const char *text, unsigned line, unsigned column, const char *says,
                       const char *mend)
{
    struct conf_report r;
    struct buf b = buf_init(65536);
    struct conf *c;

    assert_int_equal(load(text, &c, &r), ERR_VALUE);
    assert_null(c);
    conf_report_render(&r, &b);
    if (r.errors != 1 || r.items[0].at.line != line || r.items[0].at.column != column ||
        !strstr(r.items[0].at.text, says) ||
        (mend && (!r.items[0].mend || !strstr(r.items[0].mend, mend))))
        fail_msg("expected one error at %u:%u with '%s' and '%s', got:\n%s", line, column, says,
                 mend ? mend : "", buf_cstr(&b));
    conf_report_fini(&r);
    buf_fini(&b);
}

static void test_defaults(void **state)
{
    struct conf *c = load_ok("");
    const struct sample *s = conf_root(c);
    struct limits limits = limits_default();

    (void)state;
    assert_null(s->id.p);
    assert_str(s->data, "/var/lib/wayside");
    assert_int_equal(s->level, SAMPLE_INFO);
    assert_int_equal(s->offset, -5);
    assert_int_equal(s->percent, 50);
    assert_int_equal(s->cache, 65536);
    assert_int_equal(s->hosts.count, 1);
    assert_str(s->hosts.items[0], "localhost");
    assert_false(s->has_mqtt);
    assert_false(s->has_edge);
    assert_memory_equal(&s->limits, &limits, sizeof(limits));
    assert_ptr_equal(conf_schema_of(c), &sample_schema);
    conf_free(c);
    conf_free(load_ok("# nothing but a comment\n"));
    conf_free(load_ok("---\n"));
    conf_free(load_ok("\xef\xbb\xbfid: x\n"));
}

static void test_values(void **state)
{
    struct conf *c =
        load_ok("id: cam-1\n"
                "data: /srv/data\n"
                "level: off\n"
                "offset: -32768\n"
                "percent: 100\n"
                "cache: 2 MiB\n"
                "hosts: [a.example, \"10\"]\n"
                "mqtt:\n"
                "  anonymous: true\n"
                "  idle: 1h\n"
                "  listeners:\n"
                "    - {address: \"[::1]:0\", protocol: websocket}\n"
                "    - address: :1884\n"
                "      tls: true\n"
                "  users:\n"
                "    alice: {password: \"1234\", topics: [a/b, c]}\n"
                "    bob: {password: 'it''s'}\n"
                "edge:\n"
                "  hub: hub.example.org\n"
                "  labels: {site: north gate, \"1\": one}\n"
                "  factor: -2\n"
                "  least: 0.25\n"
                "limits: {http_idle_timeout: 5s, mqtt_packet_max: 256KiB, connections_max: 7}\n");
    const struct sample *s = conf_root(c);
    const struct sample_listener *l = CONF_ITEM_AT(s->mqtt.listeners, struct sample_listener, 0);
    const struct sample_user *u = CONF_ITEM_AT(s->mqtt.users, struct sample_user, 0);
    char text[ADDR_TEXT_SIZE];

    (void)state;
    assert_str(s->id, "cam-1");
    assert_int_equal(s->level, SAMPLE_OFF);
    assert_int_equal(s->offset, -32768);
    assert_int_equal(s->percent, 100);
    assert_int_equal(s->cache, 2 << 20);
    assert_str(s->hosts.items[1], "10");
    assert_true(s->has_mqtt && s->mqtt.anonymous);
    assert_int_equal(s->mqtt.idle_ms, 3600000);
    assert_int_equal(s->mqtt.listeners.count, 2);
    assert_string_equal(addr_format(&l[0].address, text), "[::1]:0");
    assert_int_equal(l[0].protocol, 1);
    assert_int_equal(addr_port(&l[1].address), 1884);
    assert_true(l[1].tls);
    assert_int_equal(s->mqtt.users.count, 2);
    assert_str(u[0].name, "alice");
    assert_str(u[0].password, "1234");
    assert_int_equal(u[0].topics.count, 2);
    assert_str(u[1].password, "it's");
    assert_str(s->edge.hub.host, "hub.example.org");
    assert_int_equal(s->edge.hub.port, 1883);
    assert_int_equal(s->edge.labels.count, 2);
    assert_str(s->edge.labels.items[0].value, "north gate");
    assert_true(s->edge.factor >= -2 && s->edge.factor <= -2);
    assert_true(s->edge.has_least);
    assert_int_equal(s->limits.http_idle_timeout_ms, 5000);
    assert_int_equal(s->limits.mqtt_packet_max_bytes, 256 << 10);
    assert_int_equal(s->limits.connections_max, 7);
    conf_free(c);
}

static void test_sections_on_and_off(void **state)
{
    const char *const on[] = { "mqtt:\n", "mqtt: {}\n", "mqtt: true\n", "mqtt: ~\n" };
    struct conf *c;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const struct sample *s;

        c = load_ok(on[i]);
        s = conf_root(c);
        assert_true(s->has_mqtt);
        assert_int_equal(s->mqtt.queue, 100);
        assert_int_equal(s->mqtt.listeners.count, 1);
        assert_false(s->edge.has_least);
        conf_free(c);
    }
    c = load_ok("mqtt: false\n");
    assert_false(((const struct sample *)conf_root(c))->has_mqtt);
    conf_free(c);
    refused_at("mqtt: off\n", 1, 7, "'mqtt' must be a section, not a single value",
               "true or false");
    refused_at("limits: false\n", 1, 9, "'limits' must be a section", NULL);
    refused_at("mqtt: [a]\n", 1, 7, "not a list", NULL);
}

static void test_presets(void **state)
{
    struct conf_source sources[2] = {
        { "preset",
          STR("mqtt: {queue: 7, listeners: [{address: \":1\"}, {address: \":2\"}]}\nedge: {hub: a:1, labels: {x: \"1\"}}\nhosts: [a, b]\n") },
        { "/etc/wayside/hub.yaml",
          STR("mqtt: {idle: 2s, listeners: [{address: \":3\"}]}\nedge: false\nhosts: []\ndata: store\n") },
    };
    struct conf_report r = conf_report_init();
    struct conf *c;
    const struct sample *s;

    (void)state;
    assert_int_equal(conf_load(&sample_schema, sources, 2, NULL, &c, &r), 0);
    s = conf_root(c);
    assert_int_equal(s->mqtt.queue, 7);
    assert_int_equal(s->mqtt.idle_ms, 2000);
    assert_int_equal(s->mqtt.listeners.count, 1);
    assert_false(s->has_edge);
    assert_int_equal(s->hosts.count, 0);
    assert_str(s->data, "/etc/wayside/store");
    conf_free(c);
    /* Empty and `true` keep what the preset says. */
    sources[1].text = STR("mqtt:\nedge: true\n");
    assert_int_equal(conf_load(&sample_schema, sources, 2, NULL, &c, &r), 0);
    s = conf_root(c);
    assert_int_equal(s->mqtt.queue, 7);
    assert_str(s->edge.hub.host, "a");
    conf_free(c);
    /* A mistake in the preset is told with its own name. */
    sources[0].text = STR("quue: 1\n");
    assert_int_equal(conf_load(&sample_schema, sources, 2, NULL, &c, &r), ERR_VALUE);
    assert_string_equal(r.items[0].at.file, "preset");
    conf_report_fini(&r);
}

static void test_booleans(void **state)
{
    (void)state;
    refused_at("mqtt:\n  anonymous: yes\n", 2, 14, "must be true or false, not 'yes'",
               "write true");
    refused_at("mqtt:\n  anonymous: on\n", 2, 14, "not 'on'", "write true");
    refused_at("mqtt:\n  anonymous: True\n", 2, 14, "not 'True'", "write true");
    refused_at("mqtt:\n  anonymous: OFF\n", 2, 14, "not 'OFF'", "write false");
    refused_at("mqtt:\n  anonymous: \"true\"\n", 2, 14, "not the text \"true\"", "write true");
    refused_at("mqtt:\n  anonymous: 1\n", 2, 14, "true or false", "write true");
    refused_at("mqtt:\n  anonymous: maybe\n", 2, 14, "true or false", NULL);
    refused_at("mqtt:\n  anonymous: [true]\n", 2, 14, "not a list", NULL);
    refused_at("mqtt:\n  anonymous:\n", 2, 3, "has no value", "false");
}

static void test_numbers(void **state)
{
    (void)state;
    refused_at("percent: 101\n", 1, 10, "a whole number from 0 to 100", NULL);
    refused_at("percent: -1\n", 1, 10, "from 0 to 100", NULL);
    refused_at("percent: 5.5\n", 1, 10, "must be a whole number", NULL);
    refused_at("percent: \"5\"\n", 1, 10, "not a text", "without quotes");
    refused_at("percent: 0x10\n", 1, 10, "begins with 0", "leading 0");
    refused_at("percent: 010\n", 1, 10, "octal", NULL);
    refused_at("percent: 99999999999999999999999\n", 1, 10, "out of range", NULL);
    refused_at("offset: 32768\n", 1, 9, "from -32768 to 32767", NULL);
    refused_at("offset: -99999999999999999999999\n", 1, 9, "out of range", NULL);
    refused_at("offset: 1e3\n", 1, 9, "whole number", NULL);
    refused_at("edge: {factor: 8.26}\n", 1, 16, "a number from -2 to 8.25", NULL);
    refused_at("edge: {factor: .inf}\n", 1, 16, "must be a number", NULL);
    refused_at("edge: {factor: a}\n", 1, 16, "must be a number, not 'a'", NULL);
    refused_at("limits: {connections_max: 0}\n", 1, 27, "from 1 to 1000000", NULL);
    conf_free(load_ok("percent: 0\noffset: 32767\nedge: {factor: 8.25}\n"));
}

static void test_units(void **state)
{
    struct conf *c;

    (void)state;
    refused_at("mqtt: {idle: 30}\n", 1, 14, "needs a unit: ms, s, m or h", "write 30s");
    refused_at("mqtt: {idle: 30 sec}\n", 1, 14, "has the unit 'sec'", "write 30s");
    refused_at("mqtt: {idle: 5min}\n", 1, 14, "the units are ms, s, m or h", "write 5m");
    refused_at("mqtt: {idle: 1.5s}\n", 1, 14, "whole number", NULL);
    refused_at("mqtt: {idle: -1s}\n", 1, 14, "whole number", NULL);
    refused_at("mqtt: {idle: 999ms}\n", 1, 14, "a time from 1s to 1h", NULL);
    refused_at("mqtt: {idle: 61m}\n", 1, 14, "a time from 1s to 1h", NULL);
    refused_at("mqtt: {idle: 99999999999999999999h}\n", 1, 14, "out of range", NULL);
    refused_at("mqtt: {idle: 9223372036854775807h}\n", 1, 14, "out of range", NULL);
    refused_at("cache: 10MB\n", 1, 8, "has the unit 'MB'", "write 10MiB");
    refused_at("cache: 1 kib\n", 1, 8, "the units are KiB, MiB, GiB", "write 1KiB");
    refused_at("cache: 1023\n", 1, 8, "a size of at least 1KiB", NULL);
    c = load_ok("cache: 1024\nmqtt: {idle: 1000 ms}\n");
    assert_int_equal(((const struct sample *)conf_root(c))->cache, 1024);
    assert_int_equal(((const struct sample *)conf_root(c))->mqtt.idle_ms, 1000);
    conf_free(c);
}

static void test_texts(void **state)
{
    (void)state;
    refused_at("id: 12\n", 1, 5, "without quotes this is a number", "write \"12\"");
    refused_at("id: no\n", 1, 5, "a truth (true or false)", "write \"no\"");
    refused_at("id: 1e5\n", 1, 5, "a number", NULL);
    refused_at("id: ~\n", 1, 1, "has no value", NULL);
    refused_at("id: {a: b}\n", 1, 5, "not a section", NULL);
    refused_at("id: \"a\\0b\"\n", 1, 5, "zero byte", NULL);
    refused_at("id: a b\n", 1, 5, "may not have spaces", NULL);
    refused_at("id: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 1, 5, "at most 50",
               NULL);
    refused_at("data: ~/x\n", 1, 7, "only a shell expands", NULL);
    refused_at("data: \"\"\n", 1, 7, "empty path", NULL);
    refused_at("hosts: a\n", 1, 8, "must be a list of texts, not a single value", "in brackets");
    refused_at("hosts: [a, 1]\n", 1, 12, "a number", "write \"1\"");
    refused_at("mqtt: {users: {a: {password: \"***\"}}}\n", 1, 30, "how a secret is shown", NULL);
    refused_at("mqtt: {users: {a: {password: abc}}}\n", 1, 30, "at least 4 bytes", NULL);
    refused_at("level: INFO\n", 1, 8, "must be debug, info or off, not 'INFO'",
               "did you mean 'info'?");
    refused_at("level:\n", 1, 1, "has no value", NULL);
    conf_free(load_ok("id: 127.0.0.1\n"));
    conf_free(load_ok("id: 2026-01-01\n"));
    conf_free(load_ok("id: on-1\n"));
    conf_free(load_ok("id: \"no\"\n"));
}

static void test_addresses(void **state)
{
    struct conf_report r;
    struct conf *c;

    (void)state;
    /* Without quotes the brackets are a list to YAML, and then it stumbles as well. */
    assert_int_equal(load("mqtt: {listeners: [{address: [::1]:1883}]}\n", &c, &r), ERR_VALUE);
    assert_string_equal(r.items[0].mend, "quote it: \"[::1]:1883\"");
    conf_report_fini(&r);
    refused_at("mqtt: {listeners: [{address: 1883}]}\n", 1, 30, "not a port alone",
               "\"127.0.0.1:1883\"");
    refused_at("mqtt: {listeners: [{address: localhost:1883}]}\n", 1, 30, "must be an address",
               NULL);
    refused_at("mqtt: {listeners: [{address: 127.0.0.1}]}\n", 1, 30, "has no port", NULL);
    refused_at("mqtt: {listeners: [{address: 127.0.0.1:65536}]}\n", 1, 30, "must be an address",
               NULL);
    refused_at("edge: {hub: \"a:b:c\"}\n", 1, 13, "must be a name and a port", NULL);
    refused_at("edge: {hub: \"http://x\"}\n", 1, 13, "must be a name and a port", NULL);
    refused_at("edge: {hub: \"x:0\"}\n", 1, 13, "must be a name and a port", NULL);
    refused_at("edge: {hub: \"[::1:5\"}\n", 1, 13, "must be a name and a port", NULL);
    conf_free(load_ok("edge: {hub: \"[::1]:5\"}\n"));
    conf_free(load_ok("mqtt: {listeners: [{address: unix:/run/x.sock}]}\n"));
}

static void test_keys(void **state)
{
    (void)state;
    refused_at("mqtt:\n  quue: 7\n", 2, 3, "unknown key 'quue'", "did you mean 'queue'?");
    refused_at("mqtt:\n  listners: []\n", 2, 3, "unknown key 'listners'",
               "did you mean 'listeners'?");
    refused_at("listeners: []\n", 1, 1, "unknown key", "it stands under 'mqtt'");
    refused_at("protocol: mqtt\n", 1, 1, "unknown key", "it stands under 'mqtt.listeners[]'");
    refused_at("mqtt:\n  level: info\n", 2, 3, "unknown key", "at the top");
    refused_at("limits: {http_idle_timeout_ms: 5s}\n", 1, 10, "unknown key", "'http_idle_timeout'");
    refused_at("zzzzzz: 1\n", 1, 1, "unknown key 'zzzzzz'", NULL);
    refused_at("id: a\nid: b\n", 2, 1, "stands here twice (first in line 1)", "keep one");
    refused_at("mqtt:\n  port: 1883\n", 2, 3, "is no key of this section", "listeners: [{address");
    refused_at("mqtt: {listeners: [{tls: true}]}\n", 1, 20, "'address' is missing here", NULL);
    refused_at("mqtt: {listeners: [a]}\n", 1, 20, "must be a section, not a single value", NULL);
    refused_at("mqtt: {listeners: {address: \":1\"}}\n", 1, 19,
               "must be a list of sections, not a section", "'- '");
    refused_at(
        "mqtt: {listeners: [{address: \":1\"}, {address: \":1\"}, {address: \":1\"}, {address: \":1\"}, {address: \":1\"}]}\n",
        1, 19, "at most 4 items, not 5", NULL);
    refused_at("mqtt: {users: {alice: }}\n", 1, 16, "'password' is missing", NULL);
    refused_at("mqtt: {users: {alice: {password_file: /x}}}\n", 1, 39, "no files are read here",
               NULL);
    refused_at("\"a\\nb\": 1\n", 1, 1, "unknown key 'a?b'", NULL);
    refused_at("- a\n", 1, 1, "the file must be a section, not a list", NULL);
    refused_at("hello\n", 1, 1, "not a single value", NULL);
}

static void test_checks(void **state)
{
    (void)state;
    refused_at("mqtt: {}\nedge: {}\npercent: 13\n", 3, 10, "13 % is not for edges", NULL);
    /* Deep in the file, or as near as there is something. */
    refused_at(
        "percent: 14\nmqtt:\n  listeners:\n    - address: :1\n    - protocol: mqtt\n      address: :2\n"
        "    - address: :3\n",
        5, 17, "14 % is not", NULL);
    refused_at("percent: 14\nmqtt:\n  listeners:\n    - address: :1\n    - address: :2\n", 5, 7,
               "14 % is not", NULL);
    refused_at("percent: 14\nmqtt:\n  listeners:\n    - address: :1\n", 3, 3, "14 % is not", NULL);
    refused_at("percent: 14\n", 1, 1, "14 % is not", NULL);
    refused_at("mqtt:\n  listeners:\n    - address: :1\n    - address: :1883\n      tls: true\n", 5,
               12, "1883 is the port without TLS", NULL);
}

static void test_warnings(void **state)
{
    struct conf_report r;
    struct conf *c;

    (void)state;
    assert_int_equal(load("old: [1, 2]\nanything: {a: [b, {c: d}]}\n", &c, &r), 0);
    assert_true(((const struct sample *)conf_root(c))->has_anything);
    assert_int_equal(r.errors, 0);
    assert_int_equal(r.count, 1);
    assert_true(r.items[0].warning);
    conf_report_fini(&r);
    conf_free(c);
}

static int read_secret(void *ctx, const char *path, struct buf *out, struct fault *f)
{
    if (strcmp(path, "/etc/w/pw") != 0)
        return fault_set(f, -2, "cannot open %s", path);
    buf_put(out, str_of(ctx));
    return 0;
}

static void test_secret_files(void **state)
{
    char secret[] = "12345\n";
    struct conf_reader reader = { read_secret, secret };
    struct conf_source source = { "/etc/w/hub.yaml",
                                  STR("mqtt: {users: {a: {password_file: pw}}}\n") };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;

    (void)state;
    assert_int_equal(conf_load(&sample_schema, &source, 1, &reader, &c, &r), 0);
    assert_str(
        CONF_ITEM_AT(((const struct sample *)conf_root(c))->mqtt.users, struct sample_user, 0)
            ->password,
        "12345");
    conf_free(c);
    source.text = STR("mqtt: {users: {a: {password_file: none}}}\n");
    assert_int_equal(conf_load(&sample_schema, &source, 1, &reader, &c, &r), ERR_VALUE);
    assert_string_equal(r.items[0].at.text, "cannot open /etc/w/none");
    conf_report_fini(&r);
    source.text = STR("mqtt: {users: {a: {password: abcd, password_file: pw}}}\n");
    assert_int_equal(conf_load(&sample_schema, &source, 1, &reader, &c, &r), ERR_VALUE);
    assert_int_equal(r.items[0].at.column, 36);
    conf_report_fini(&r);
}

static void test_too_many(void **state)
{
    struct buf text = buf_init(65536);
    struct conf_report r;
    struct conf *c;

    (void)state;
    for (int i = 0; i < 150; i++)
        buf_printf(&text, "zzzz%d: 1\n", i);
    assert_int_equal(load(buf_cstr(&text), &c, &r), ERR_VALUE);
    assert_int_equal(r.errors, 150);
    assert_int_equal(r.count, CONF_PROBLEMS_MAX);
    assert_int_equal(r.dropped, 50);
    conf_report_fini(&r);
    buf_fini(&text);
}

RUN(TEST(test_defaults), TEST(test_values), TEST(test_sections_on_and_off), TEST(test_presets),
    TEST(test_booleans), TEST(test_numbers), TEST(test_units), TEST(test_texts),
    TEST(test_addresses), TEST(test_keys), TEST(test_checks), TEST(test_warnings),
    TEST(test_secret_files), TEST(test_too_many))
