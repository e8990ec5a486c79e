/* Templates: every field, and every mistake with its place. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/mqtt_template.h"
#include "wire/mqtt.h"

static void check(const char *text, struct str payload, struct str want)
{
    struct buf raw = buf_init(100), body = buf_init(100), b = buf_init(10000);
    struct mqtt_template *t = NULL;
    struct mqtt_props p = { 0 };
    struct fault f = { 0 };
    struct mqtt_message m = { .topic = STR("a/\x1b/c"),
                              .payload = payload,
                              .qos = 2,
                              .retain = true,
                              .wall_ns = 1500000000,
                              .number = 7,
                              .props = &p };
    size_t at = 0;

    mqtt_props_put_text(&raw, MQTT_PROP_CONTENT_TYPE, STR("text/x"));
    mqtt_props_put_text(&raw, MQTT_PROP_RESPONSE_TOPIC, STR("r"));
    mqtt_props_put_text(&raw, MQTT_PROP_CORRELATION_DATA, STR("\x01"));
    mqtt_props_put_number(&raw, MQTT_PROP_MESSAGE_EXPIRY, 9);
    mqtt_props_put_user(&raw, STR("who.x"), STR("me\n"));
    buf_u8(&body, (uint8_t)raw.n);
    buf_put(&body, buf_str(&raw));
    assert_int_equal(mqtt_props_read(buf_str(&body), &at, ~UINT64_C(0), false, &p, NULL), 0);
    if (mqtt_template_new(str_of(text), &t, &f))
        fail_msg("%s: %s", text, f.text);
    mqtt_template_put(t, &m, &b);
    if (!str_eq(buf_str(&b), want))
        fail_msg("%s gives %.*s", text, STR_ARG(buf_str(&b)));
    mqtt_template_free(t);
    buf_fini(&raw);
    buf_fini(&body);
    buf_fini(&b);
}

static void fields(void **state)
{
    static const struct str json = STR("{ \"a\": {\"b\":[1,\"x\\ny\",{\"c\":2.5}]}, \"n\":null }");

    (void)state;
    check("{topic} {topic.1} {topic.2} {topic.3}{topic.4}", STR(""), STR("a/\\e/c a \\e c"));
    check("{qos} {retain} {dup} {number} {size}", STR("abc"), STR("2 true false 7 3"));
    check("{time} {unix}", STR(""), STR("1970-01-01T00:00:01.500Z 1.500"));
    check("{payload}|{raw}|{hex}|{base64}", STR("a\n"), STR("a\\n|a\n|610a|YQo="));
    check("{json}", json, STR("{\"a\": {\"b\": [1, \"x\\ny\", {\"c\": 2.5}]}, \"n\": null}"));
    check("{json.a.b.0} {json.a.b.1} {json.a.b.2.c} {json.n}", json, STR("1 x\\ny 2.5 null"));
    check("{json.a.b.2}", json, STR("{\"c\": 2.5}"));
    check("<{json.a.b.9}{json.x}{json.a.b.0.z}{json.a.b.x}>", json, STR("<>"));
    check("<{json}{json.a}>", STR("on"), STR("<>"));
    check("{type} {response} {correlation} {expiry} {user.who.x}{user.nobody}", STR(""),
          STR("text/x r \\x01 9 me\\n"));
    check("a{{b}}\\t\\n\\\\{qos}\\{\\}\\0\\e", STR(""), STR("a{b}\t\n\\2{}\0\x1b"));
    check("", STR("x"), STR(""));
}

static void mistakes_have_their_place(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "{topic} {paylod}", "column 9: there is no field {paylod}; did you mean {payload}?" },
        { "x{", "column 2: this { has no }" },
        { "x}", "column 2: this } has no {" },
        { "{qos.1}", "nothing goes behind the dot of qos" },
        { "{json.}", "nothing stands behind the dot of json" },
        { "{user}", "as in {user.NAME}" },
        { "{topic.0}", "a number from 1: topic.0" },
        { "{topic.x}", "a number from 1: topic.x" },
        { "{}", "there is no field {}" },
        { "ab\\x", "column 3: a backslash" },
        { "ab\\", "column 3: a backslash" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct mqtt_template *t = NULL;
        struct fault f = { 0 };

        assert_int_equal(mqtt_template_new(str_of(cases[i].text), &t, &f), ERR_SYNTAX);
        if (!strstr(f.text, cases[i].says))
            fail_msg("%s: %s", cases[i].text, f.text);
    }
}

RUN(TEST(fields), TEST(mistakes_have_their_place))
