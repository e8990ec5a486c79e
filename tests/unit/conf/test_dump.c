/* The dump loads to the same configuration; what it shows and hides. */
#include "unit/unit.h"
#include "unit/conf/rows.h"

static struct conf *load(struct str text)
{
    struct conf_source source = { "t.yaml", text };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;
    struct buf b = buf_init(65536);

    if (conf_load(&sample_schema, &source, 1, NULL, &c, &r)) {
        conf_report_render(&r, &b);
        fail_msg("%.*s\n%s", STR_ARG(text), buf_cstr(&b));
    }
    conf_report_fini(&r);
    buf_fini(&b);
    return c;
}

static const char full[] =
    "id: \"12\"\ndata: /srv/a b\nlevel: off\noffset: 77\npercent: 0\ncache: 1500\n"
    "hosts: [\"no\", \"a: b\"]\n"
    "mqtt: {anonymous: true, idle: 90s, queue: 7, users: {al ice: {password: \"pass word\"}, bob: "
    "{password: geheim, topics: [x/y, \"1\"]}},\n"
    "  listeners: [{address: \"[::1]:0\", protocol: websocket}, {address: \":1884\", tls: true}]}\n"
    "edge: {hub: \"[2001:db8::1]:99\", labels: {a: b, \"yes\": \"no\"}, factor: 0.1, least: -0}\n"
    "limits: {http_idle_timeout: 5s, connections_max: 7}\n";

static void round_trip(struct str text, unsigned flags)
{
    struct conf *a = load(text), *b;
    struct buf first = buf_init(1 << 20), second = buf_init(1 << 20);

    conf_dump(a, flags | CONF_DUMP_SECRETS, &first);
    b = load(buf_str(&first));
    if (conf_diff(a, b, NULL, NULL) != 0)
        fail_msg("not the same:\n%s", buf_cstr(&first));
    conf_dump(b, flags | CONF_DUMP_SECRETS, &second);
    assert_string_equal(buf_cstr(&first), buf_cstr(&second));
    buf_fini(&first);
    buf_fini(&second);
    conf_free(a);
    conf_free(b);
}

static void test_round_trip(void **state)
{
    static const unsigned flags[] = { CONF_DUMP_PLAIN, CONF_DUMP_HELP, CONF_DUMP_CHANGED };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        round_trip(str_of(full), flags[i]);
        round_trip(STR(""), flags[i]);
        round_trip(STR("mqtt: {listeners: [], users: {}}\nedge:\n"), flags[i]);
    }
}

static void test_text(void **state)
{
    struct conf *c = load(STR("percent: 7\nmqtt: {idle: 2m, users: {bob: {password: geheim}}}\n"));
    struct buf b = buf_init(1 << 20);
    const char *text;

    (void)state;
    conf_dump(c, CONF_DUMP_CHANGED, &b);
    assert_string_equal(buf_cstr(&b), "percent: 7\n"
                                      "mqtt:\n"
                                      "  idle: 2m\n"
                                      "  users:\n"
                                      "    bob:\n"
                                      "      password: \"***\"\n");
    buf_clear(&b);
    conf_dump(c, CONF_DUMP_HELP, &b);
    text = buf_cstr(&b);
    assert_non_null(strstr(text, "# of the disk\npercent: 7 # set\n"));
    assert_non_null(strstr(text, "\nlevel: info\n"));
    assert_non_null(strstr(text, "# name of this node\n# id:\n"));
    assert_non_null(strstr(text, "# edge: {}    (off)\n"));
    assert_non_null(
        strstr(text, "  listeners:\n    - address: \"127.0.0.1:1883\"\n      protocol: mqtt\n"));
    assert_non_null(strstr(text, "  http_idle_timeout: 1m\n"));
    assert_null(strstr(text, "geheim"));
    buf_fini(&b);
    conf_free(c);
}

RUN(TEST(test_round_trip), TEST(test_text))
