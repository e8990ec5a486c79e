/* Bridges in the file: what they become, and what is said of each mistake. */
#include "unit/unit.h"

#include "base/mem.h"
#include "mqtt/bridge_map.h"
#include "node/settings.h"

static struct conf *load(const char *bridges, struct buf *said)
{
    struct buf text = buf_init(10000);
    struct conf_source sources[] = { { "preset", str_of(settings_preset("hub")) },
                                     { "file.yaml", STR_NONE } };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;
    int rc;

    buf_printf(&text, "mqtt:\n  bridges: %s\n", bridges);
    sources[1].text = buf_str(&text);
    rc = conf_load(&settings_schema, sources, 2, NULL, &c, &r);
    if (rc)
        conf_report_render(&r, said);
    assert_true((rc == 0) == (c != NULL));
    conf_report_fini(&r);
    buf_fini(&text);
    return c;
}

static void a_bridge_has_defaults(void **state)
{
    struct buf said = buf_init(10000);
    struct conf *c =
        load("[{name: far, address: \"mqtts://b.example.org\", topics: [{filter: \"#\", "
             "direction: out}]}]",
             &said);
    const struct bridge_settings *b;
    const struct bridge_topic_settings *t;
    struct str host;
    uint16_t port;
    bool tls;

    (void)state;
    if (!c)
        fail_msg("%s", buf_cstr(&said));
    b = CONF_ITEM_AT(((const struct settings *)conf_root(c))->mqtt.bridges, struct bridge_settings,
                     0);
    t = CONF_ITEM_AT(b->topics, struct bridge_topic_settings, 0);
    assert_int_equal(b->version, 5);
    assert_int_equal(b->keep_alive_ms, 30000);
    assert_int_equal(b->quota_bytes, 64 << 20);
    assert_false(b->clean_session);
    assert_int_equal(t->qos, 1);
    assert_int_equal(t->direction, BRIDGE_OUT);
    assert_int_equal(settings_bridge_address(b->address, &host, &port, &tls), 0);
    assert_true(tls && port == 8883 && str_eq(host, STR("b.example.org")));
    conf_free(c);
    buf_fini(&said);
}

static void the_window_depends_on_the_version(void **state)
{
    static const struct {
        const char *keys;
        uint64_t most;
    } cases[] = {
        { "", 100 },
        { "version: \"3.1.1\", ", 20 },
        { "version: \"3.1.1\", inflight_max: 100, ", 100 },
        { "inflight_max: 7, ", 7 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf said = buf_init(10000), text = buf_init(1000);
        struct conf *c;

        buf_printf(&text,
                   "[{name: far, address: \"mqtt://b\", %stopics: [{filter: a, direction: out}]}]",
                   cases[i].keys);
        c = load(buf_cstr(&text), &said);
        if (!c)
            fail_msg("%s", buf_cstr(&said));
        assert_int_equal(
            settings_bridge_inflight_max(CONF_ITEM_AT(
                ((const struct settings *)conf_root(c))->mqtt.bridges, struct bridge_settings, 0)),
            cases[i].most);
        conf_free(c);
        buf_fini(&text);
        buf_fini(&said);
    }
}

static void addresses(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool tls;
    } cases[] = {
        { "mqtt://h", "h", 1883, false },
        { "mqtt://h/", "h", 1883, false },
        { "mqtts://h:443", "h", 443, true },
        { "mqtt://[::1]:7", "::1", 7, false },
        { "mqtt://10.0.0.1:1", "10.0.0.1", 1, false },
        { "h:1883", NULL, 0, false },
        { "http://h", NULL, 0, false },
        { "mqtt://", NULL, 0, false },
        { "mqtt://h:0", NULL, 0, false },
        { "mqtt://h:x", NULL, 0, false },
        { "mqtt://h/path", NULL, 0, false },
        { "mqtt://u@h", NULL, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str host = STR_NONE;
        uint16_t port = 0;
        bool tls = false;
        int rc = settings_bridge_address(str_of(cases[i].text), &host, &port, &tls);

        if ((rc == 0) != (cases[i].host != NULL))
            fail_msg("%s: %d", cases[i].text, rc);
        if (rc)
            continue;
        assert_true(str_eq(host, str_of(cases[i].host)));
        assert_int_equal(port, cases[i].port);
        assert_int_equal(tls, cases[i].tls);
    }
}

static void mistakes_are_explained(void **state)
{
#define TOPICS "topics: [{filter: \"#\", direction: out}]"
    static const struct {
        const char *bridges, *says;
    } cases[] = {
        { "[{address: \"mqtt://h\", " TOPICS "}]", "name" },
        { "[{name: \"a b\", address: \"mqtt://h\", " TOPICS "}]", "letters, digits" },
        { "[{name: a, address: h, " TOPICS "}]", "mqtts://HOST" },
        { "[{name: a, address: \"mqtt://h\"}]", "topics" },
        { "[{name: a, address: \"mqtt://h\", topics: []}]", "topics" },
        { "[{name: a, address: \"mqtt://h\", topics: [{filter: \"a#\", direction: out}]}]",
          "no topic filter" },
        { "[{name: a, address: \"mqtt://h\", topics: [{direction: out}]}]", "two names" },
        { "[{name: a, address: \"mqtt://h\", topics: [{filter: a, direction: up}]}]", "out" },
        { "[{name: a, address: \"mqtt://h\", ca: x.pem, " TOPICS "}]", "with TLS only" },
        { "[{name: a, address: \"mqtts://h\", cert: x.pem, " TOPICS "}]", "give both" },
        { "[{name: a, address: \"mqtt://h\", version: \"3.1.1\", password: geheim, " TOPICS "}]",
          "give user as well" },
        { "[{name: a, address: \"mqtt://h\", " TOPICS "}, {name: a, address: \"mqtt://g\", " TOPICS
          "}]",
          "two bridges have the name 'a'" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf said = buf_init(10000);
        struct conf *c = load(cases[i].bridges, &said);

        if (c || !strstr(buf_cstr(&said), cases[i].says))
            fail_msg("%zu: %s", i, c ? "taken" : buf_cstr(&said));
        buf_fini(&said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bridge_has_defaults),
        cmocka_unit_test(the_window_depends_on_the_version),
        cmocka_unit_test(addresses),
        cmocka_unit_test(mistakes_are_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
