/* The rows of the configuration: presets load, the topic table comes out, defaults are the limits'. */
#include "unit/unit.h"

#include "base/mem.h"
#include "node/settings.h"

static struct conf *load(const char *preset, const char *file)
{
    struct conf_source sources[] = {
        { "preset", str_of(settings_preset(preset)) },
        { "file.yaml", str_of(file) },
    };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;

    if (conf_load(&settings_schema, sources, 2, NULL, &c, &r)) {
        struct buf b = buf_init(100000);

        conf_report_render(&r, &b);
        fail_msg("%s", buf_cstr(&b));
    }
    conf_report_fini(&r);
    return c;
}

static void presets_turn_services_on(void **state)
{
    struct conf *c = load("hub", "");
    const struct settings *s = conf_root(c);
    struct limits defaults = limits_default();

    (void)state;
    assert_true(s->has_mqtt && s->has_api && s->has_health && !s->has_edge);
    assert_int_equal(s->mqtt.listeners.count, 2);
    assert_int_equal(addr_port(&s->api.address), 8000);
    assert_true(addr_is_local(&s->api.address));
    assert_memory_equal(&s->limits, &defaults, sizeof(defaults));
    conf_free(c);
    c = load("edge", "edge: {uplink: {hub: \"hub.example.org\"}}");
    s = conf_root(c);
    assert_true(s->has_edge && s->edge.has_socket && s->edge.has_uplink && !s->has_mqtt);
    assert_int_equal(s->edge.uplink.hub.port, 1883);
    assert_true(s->edge.host.enabled);
    assert_int_equal(s->edge.host.interval_ms, 2000);
    conf_free(c);
    c = load("run", "");
    s = conf_root(c);
    assert_false(s->has_mqtt || s->has_api || s->has_health || s->has_edge);
    conf_free(c);
    assert_null(settings_preset("nothing"));
}

static void a_service_can_be_turned_off(void **state)
{
    struct conf *c = load("hub", "api: false\nmqtt: {listeners: [{address: \":1883\"}]}");
    const struct settings *s = conf_root(c);

    (void)state;
    assert_false(s->has_api);
    assert_int_equal(s->mqtt.listeners.count, 1);
    conf_free(c);
}

static void the_built_in_rows_hold_unless_turned_off(void **state)
{
    struct conf *on = load("hub", "ingest: []"), *off = load("hub", "ingest_builtin: false");

    (void)state;
    assert_true(((const struct settings *)conf_root(on))->ingest_builtin);
    assert_false(((const struct settings *)conf_root(off))->ingest_builtin);
    conf_free(on);
    conf_free(off);
}

static void the_topic_table_comes_out(void **state)
{
    struct conf *c = load(
        "hub", "ingest:\n"
               "  - {topic: \"factory/{line}/temp\", device: \"{line}\", stream: temp,\n"
               "     fields: [{name: celsius, required: true, min: -40, max: 120}]}\n"
               "  - {topic: \"x/data\", device_field: id, stream: x, kind: event, time: required}\n"
               "  - {topic: \"y/data\", device_client: true, stream: yy, time: arrival}\n"
               "  - {topic: \"z/data\", device: cam-1, stream: z}\n");
    struct fault f = { 0 };
    struct topic_match m;
    struct topics *t;
    size_t count;
    struct topic_row *rows = settings_ingest(conf_root(c), &count);

    (void)state;
    assert_int_equal(count, 4);
    assert_int_equal(rows[0].device_from, TOPIC_DEVICE_LEVEL);
    assert_str(rows[0].device, "line");
    assert_true(rows[0].fields[0].required && rows[0].fields[0].max == 120);
    assert_int_equal(rows[1].device_from, TOPIC_DEVICE_FIELD);
    assert_int_equal(rows[1].kind, RECORD_EVENT);
    assert_int_equal(rows[1].time_from, TOPIC_TIME_REQUIRED);
    assert_int_equal(rows[2].device_from, TOPIC_DEVICE_CLIENT);
    assert_int_equal(rows[3].device_from, TOPIC_DEVICE_FIXED);
    t = topics_new(rows, count, TOPICS_DEFAULTS, &f);
    settings_ingest_free(rows, count);
    conf_free(c);
    assert_non_null(t); /* it keeps copies */
    assert_true(topics_match(t, STR("factory/l7/temp"), &m));
    assert_str(m.device, "l7");
    assert_true(topics_match(t, STR("sensor/data"), &m)); /* the built-in ones are still there */
    topics_free(t);
}

static void mistakes_have_a_place(void **state)
{
    static const char *const texts[] = {
        "mqtt: {listeners: [{address: \":1\", cert: /x}]}",
        "edge: {uplink: {}}",
        "mqtt: {users: [{name: a, password: short}]}",
        "edge: {socket: {mode: \"0668\"}}",
        "limits: {mqtt_packet_max: 1}",
        "nonsense: 1",
        "store: {postgres: \"host=h password = x\"}",
        "store: {postgres: \"postgresql://u:x@h/db\"}",
        "mqtt: {listeners: [{address: \":1\", packet_max: 2MiB}]}",
        "mqtt: {listeners: [{address: \":1\", inflight_max: 101}]}",
        "limits: {connections_max: 9}\nmqtt: {listeners: [{address: \":1\", connections_max: 10}]}",
        "limits: {mqtt_qos_max: 1}\nmqtt: {listeners: [{address: \":1\", qos_max: 2}]}",
        "limits: {mqtt_keepalive_max_s: 9}\nmqtt: {listeners: [{address: \":1\", keepalive_max_s: "
        "0}]}",
        "limits: {mqtt_retained_max: 0}\nmqtt: {listeners: [{address: \":1\", retain_available: "
        "true}]}",
        "mqtt: {listeners: [{address: \":1\", topic_alias_max: 17}]}",
        "mqtt: {listeners: [{address: \":1\", mount_point: a}]}",
        "mqtt: {listeners: [{address: \":1\", durability: disk}]}",
        "mqtt: {durability: interval, flush_interval: 1ms}",
        "mqtt: {topics: [{filter: a/#/b, durability: memory}]}",
        "mqtt: {topics: [{filter: $share/g/a, durability: memory}]}",
        "mqtt: {topics: [{filter: $SYS/#, durability: commit}]}",
        "mqtt: {topics: [{filter: a/+}]}",
        "mqtt: {topics: [{durability: commit}]}",
        "mqtt: {topics: [{filter: a/+, durability: commit}, {filter: a/+, durability: memory}]}",
        "mqtt: {topics: [{filter: \"#\", durability: commit}, {filter: b, durability: memory}]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct conf_source source = { "file.yaml", str_of(texts[i]) };
        struct conf_report r = conf_report_init();
        struct conf *c = NULL;

        assert_int_equal(conf_load(&settings_schema, &source, 1, NULL, &c, &r), ERR_VALUE);
        assert_null(c);
        if (r.errors != 1) {
            struct buf b = buf_init(100000);

            conf_report_render(&r, &b);
            fail_msg("%s: %s", texts[i], buf_cstr(&b));
        }
        assert_true(r.items[0].at.line > 0 && r.items[0].at.column > 0);
        conf_report_fini(&r);
    }
}

/* Each line holds the password geheim, and is wrong at some place. */
static void passwords_in_addresses_are_not_shown(void **state)
{
    static const struct {
        const char *text, *shown;
    } rows[] = {
        { "mqtt: {bridges: [{name: a, address: \"mqtt://user:geheim@h\"}]}", "mqtt://user:***@h" },
        { "mqtt: {bridges: [{name: a, address: \"user:geheim@h\"}]}", "user:***@h" },
        { "mqtt: {bridges: [{name: a, adress: \"mqtt://user:geheim@h\"}]}", "adress" },
        { "mqtt:\n  bridge: mqtt://user:geheim@h\n", "mqtt://user:***@h" },
        { "mqtt:\n  passwort: geheim\n", "passwort" },
        { "edge: {uplink: {hub: \"mqtt://user:geheim@h\"}}", "'mqtt://user:***@h'" },
        { "edge: {uplink: {hub: \"user:geheim-geheim-geheim-geheim-geheim-geheim-geheim-geheim@h\"}}",
          "'user:***@h'" },
        { "store: {postgres: \"postgres://user:geheim@h/db\"}", "password_file: PATH" },
        { "store: {postgres: \"postgres://h/db?%70assword=geheim\"}", "password_file: PATH" },
        { "store: {postgres: \"host=h scram_client_key=geheim\"}", "password_file: PATH" },
        { "store: {readers: 99, postgres: \"host=h scram_client_key=geheim\"}", "'readers'" },
        { "stor: {postgres: \"postgres://user:geheim@h/db\"}", "postgres://user:***@h/db" },
        { "store: {postgres: \"postgres://user:geheim@h/db}", "postgres://user:***@h/db" },
        { "api: {address: \"http://user:geheim@h\"}", "http://user:***@h" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct conf_source source = { "file.yaml", str_of(rows[i].text) };
        struct conf_report r = conf_report_init();
        struct buf b = buf_init(100000);
        struct conf *c = NULL;

        assert_int_equal(conf_load(&settings_schema, &source, 1, NULL, &c, &r), ERR_VALUE);
        conf_report_render(&r, &b);
        conf_report_json(&r, &b);
        if (strstr(buf_cstr(&b), "geheim") || !strstr(buf_cstr(&b), rows[i].shown))
            fail_msg("%s: %s", rows[i].text, buf_cstr(&b));
        buf_fini(&b);
        conf_report_fini(&r);
    }
}

RUN(TEST(passwords_in_addresses_are_not_shown), TEST(presets_turn_services_on),
    TEST(a_service_can_be_turned_off), TEST(the_built_in_rows_hold_unless_turned_off),
    TEST(the_topic_table_comes_out), TEST(mistakes_have_a_place))
