/* A message as a line for people and as a line for programs. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/mqtt_message.h"
#include "cli/safe_text.h"
#include "wire/mqtt.h"

static struct mqtt_message message(struct str payload)
{
    static const struct mqtt_props none;

    return (struct mqtt_message){
        .topic = STR("a/b"), .payload = payload, .qos = 1, .props = &none, .number = 1
    };
}

static void check_line(struct str payload, bool colour, struct str want)
{
    struct mqtt_message m = message(payload);
    struct buf b = buf_init(10000);

    m.retain = true;
    mqtt_message_line(&m, colour, &b);
    if (!str_eq(buf_str(&b), want))
        fail_msg("got %.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

static void for_people(void **state)
{
    (void)state;
    check_line(STR("on"), false, STR("a/b  on\n"));
    check_line(STR(""), false, STR("a/b  \n"));
    check_line(STR("{\n\"t\":1 }"), false, STR("a/b  {\"t\": 1}\n"));
    check_line(STR("two\nlines"), false, STR("a/b  two\\nlines\n"));
    check_line(STR("\x1b[2J\xff"), false, STR("a/b  \\e[2J\\xff\n"));
    check_line(STR("on"), true,
               STR(COLOUR_TOPIC "a/b" COLOUR_OFF "  on  " COLOUR_DIM "(retained)" COLOUR_OFF "\n"));
    check_line(STR("1"), true,
               STR(COLOUR_TOPIC "a/b" COLOUR_OFF "  " COLOUR_NUMBER "1" COLOUR_OFF "  " COLOUR_DIM
                                "(retained)" COLOUR_OFF "\n"));
}

static void bytes_are_shortened_and_text_is_not(void **state)
{
    static char bytes[600];
    struct mqtt_message m = message(str_from(bytes, sizeof(bytes)));
    struct buf b = buf_init(10000);

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    mqtt_message_line(&m, false, &b);
    assert_int_equal(b.n, 5 + 600 + 1);
    buf_clear(&b);
    bytes[0] = (char)0xff;
    mqtt_message_line(&m, false, &b);
    assert_true(str_ends(buf_str(&b), STR("xxx… (600 bytes)\n")));
    assert_true(b.n < 5 + 64 + 24);
    buf_fini(&b);
}

static void check_json(const struct mqtt_message *m, struct str want)
{
    struct buf b = buf_init(10000);

    mqtt_message_json(m, &b);
    if (!str_eq(buf_str(&b), want))
        fail_msg("got %.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

#define HEAD "{\"time\":\"1970-01-01T00:00:00.000Z\",\"topic\":\"a/b\",\"qos\":1,\"retain\":false,"

static void for_programs(void **state)
{
    struct mqtt_message m = message(STR("{\"t\":\n1.50}"));

    (void)state;
    check_json(&m, STR(HEAD "\"payload\":{\"t\": 1.50}}\n"));
    m = message(STR("on \"x\""));
    check_json(&m, STR(HEAD "\"payload\":\"on \\\"x\\\"\"}\n"));
    m = message(STR("\xff"));
    check_json(&m, STR(HEAD "\"payload_base64\":\"/w==\"}\n"));
    m = message(STR("a\0b"));
    check_json(&m, STR(HEAD "\"payload_base64\":\"YQBi\"}\n"));
    m = message(STR(""));
    check_json(&m, STR(HEAD "\"payload\":\"\"}\n"));
}

static void with_properties(void **state)
{
    struct buf raw = buf_init(1000), body = buf_init(1000);
    struct mqtt_props p = { 0 };
    struct mqtt_message m = message(STR("1"));
    size_t at = 0;

    (void)state;
    mqtt_props_put_number(&raw, MQTT_PROP_MESSAGE_EXPIRY, 60);
    mqtt_props_put_text(&raw, MQTT_PROP_CONTENT_TYPE, STR("text/plain"));
    mqtt_props_put_text(&raw, MQTT_PROP_CORRELATION_DATA, STR("\xfe"));
    mqtt_props_put_user(&raw, STR("k"), STR("1"));
    mqtt_props_put_user(&raw, STR("k"), STR("2"));
    buf_u8(&body, (uint8_t)raw.n);
    buf_put(&body, buf_str(&raw));
    assert_int_equal(mqtt_props_read(buf_str(&body), &at, ~UINT64_C(0), false, &p, NULL), 0);
    m.props = &p;
    check_json(&m, STR(HEAD "\"payload\":1,\"properties\":{\"content_type\":\"text/plain\","
                            "\"message_expiry_s\":60,\"correlation_data_base64\":\"/g==\","
                            "\"user\":[[\"k\",\"1\"],[\"k\",\"2\"]]}}\n"));
    buf_fini(&raw);
    buf_fini(&body);
}

RUN(TEST(for_people), TEST(bytes_are_shortened_and_text_is_not), TEST(for_programs),
    TEST(with_properties))
