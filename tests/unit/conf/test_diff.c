/* What a reload would change, path by path. */
#include "unit/unit.h"
#include "unit/conf/rows.h"

static struct conf *load(const char *text)
{
    struct conf_source source = { "t.yaml", str_of(text) };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;

    assert_int_equal(conf_load(&sample_schema, &source, 1, NULL, &c, &r), 0);
    conf_report_fini(&r);
    return c;
}

static void note(void *ctx, const char *path, bool reloads)
{
    buf_printf(ctx, "%s%s\n", path, reloads ? " reloads" : "");
}

static void differs(const char *from, const char *to, const char *want)
{
    struct conf *a = load(from), *b = load(to);
    struct buf text = buf_init(8192);
    size_t lines = 0;

    for (const char *p = want; *p; p++)
        lines += *p == '\n';
    assert_int_equal(conf_diff(a, b, note, &text), lines);
    assert_string_equal(buf_cstr(&text), want);
    buf_fini(&text);
    conf_free(a);
    conf_free(b);
}

static void test_diff(void **state)
{
    (void)state;
    differs("", "", "");
    differs("level: info\n", "", "");
    differs("cache: 1MiB\n", "cache: 1024KiB\n", "");
    differs("percent: 1\nlevel: off\n", "percent: 2\n", "level reloads\npercent\n");
    differs("mqtt:\n", "", "mqtt\n");
    differs("mqtt:\n", "mqtt: {idle: 1s, queue: 2}\n", "mqtt.idle reloads\nmqtt.queue\n");
    differs("mqtt: {listeners: [{address: \":1\"}]}\n",
            "mqtt: {listeners: [{address: \":2\", protocol: websocket}]}\n",
            "mqtt.listeners[0].address\nmqtt.listeners[0].protocol reloads\n");
    differs("mqtt: {listeners: []}\n", "mqtt:\n", "mqtt.listeners\n");
    differs("mqtt: {users: {a: {password: aaaa}, b: {password: bbbb}}}\n",
            "mqtt: {users: {c: {password: cccc}, b: {password: bbbx}}}\n",
            "mqtt.users.a reloads\nmqtt.users.b.password\nmqtt.users.c reloads\n");
    differs("hosts: [a]\n", "hosts: [a, b]\n", "hosts\n");
    differs("edge: {labels: {a: x}}\n", "edge: {labels: {a: z}, least: 0}\n",
            "edge.labels\nedge.least\n");
}

RUN(TEST(test_diff))
