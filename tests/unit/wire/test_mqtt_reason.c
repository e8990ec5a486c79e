/* Reason codes: texts, where each may stand, the 3.1.1 answer. */
#include "unit/unit.h"

#include "wire/mqtt_body.h"

static void texts(void **state)
{
    (void)state;
    assert_string_equal(mqtt_reason_text(0x99), "payload format invalid");
    assert_string_equal(mqtt_reason_text(0xff), "unknown");
    assert_string_equal(mqtt_type_text(MQTT_SUBSCRIBE), "SUBSCRIBE");
    assert_string_equal(mqtt_type_text(0), "unknown");
    assert_string_equal(mqtt_type_text(16), "unknown");
}

/* Every code of the list may stand in some packet, and no other code in any. */
static void the_table_covers_the_list(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 256; code++) {
        bool anywhere = false;

        for (unsigned type = MQTT_CONNECT; type <= MQTT_AUTH; type++)
            anywhere = anywhere || mqtt_reason_allowed((enum mqtt_type)type, code);
        assert_int_equal(anywhere, strcmp(mqtt_reason_text(code), "unknown") != 0);
    }
}

static void counts_of_the_standard(void **state)
{
    /* The tables of chapter 3: codes per packet. DISCONNECT has one more than its own table: 0x8C,
     * which table 2-6 gives to it; PUBACK and PUBREC 0x95, which is mosquitto's. */
    static const struct {
        enum mqtt_type type;
        unsigned count;
    } tables[] = {
        { MQTT_CONNACK, 22 },    { MQTT_PUBACK, 10 },   { MQTT_PUBREC, 10 },  { MQTT_PUBREL, 2 },
        { MQTT_PUBCOMP, 2 },     { MQTT_SUBACK, 12 },   { MQTT_UNSUBACK, 7 }, { MQTT_AUTH, 3 },
        { MQTT_DISCONNECT, 30 }, { MQTT_SUBSCRIBE, 0 }, { MQTT_PUBLISH, 0 },  { MQTT_CONNECT, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        unsigned count = 0;

        for (unsigned code = 0; code < 256; code++)
            count += mqtt_reason_allowed(tables[i].type, code);
        if (count != tables[i].count)
            fail_msg("%s: %u", mqtt_type_text(tables[i].type), count);
    }
}

static void answers_for_v311(void **state)
{
    (void)state;
    assert_int_equal(mqtt_connack_v311(0), MQTT_V311_ACCEPTED);
    assert_int_equal(mqtt_connack_v311(0x84), MQTT_V311_BAD_VERSION);
    assert_int_equal(mqtt_connack_v311(0x85), MQTT_V311_BAD_CLIENT_ID);
    assert_int_equal(mqtt_connack_v311(0x86), MQTT_V311_BAD_LOGIN);
    assert_int_equal(mqtt_connack_v311(0x87), MQTT_V311_NOT_AUTHORIZED);
    assert_int_equal(mqtt_connack_v311(0x88), MQTT_V311_UNAVAILABLE);
    assert_int_equal(mqtt_connack_v311(0x80), MQTT_V311_UNAVAILABLE);
}

RUN(TEST(texts), TEST(the_table_covers_the_list), TEST(counts_of_the_standard),
    TEST(answers_for_v311))
