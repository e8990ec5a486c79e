/* Properties: reading, writing, stepping, handing on. */
#include "unit/unit.h"

#include "base/buf.h"
#include "base/mem.h"
#include "wire/mqtt.h"

#define ALL (~UINT64_C(0))

static void varints(void **state)
{
    static const struct {
        uint32_t v;
        size_t n;
    } edges[] = { { 0, 1 },     { 127, 1 },     { 128, 2 },     { 16383, 2 },
                  { 16384, 3 }, { 2097151, 3 }, { 2097152, 4 }, { MQTT_VARINT_MAX, 4 } };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(edges); i++) {
        char bytes[4];
        uint32_t v = 1;
        size_t n = mqtt_varint_write(bytes, edges[i].v);

        assert_int_equal(n, edges[i].n);
        assert_int_equal(mqtt_varint_size(edges[i].v), n);
        assert_int_equal(mqtt_varint_read(str_from(bytes, n), &v), (int)n);
        assert_int_equal(v, edges[i].v);
        assert_int_equal(mqtt_varint_read(str_from(bytes, n - 1), &v), 0);
    }
    assert_int_equal(mqtt_varint_read(STR("\xff\xff\xff\xff\x01"), &(uint32_t){ 0 }), -1);
    assert_int_equal(mqtt_varint_read(STR("\x80\x00"), &(uint32_t){ 0 }), -1);
}

static void everything_round_trips(void **state)
{
    struct mqtt_props p = {
        .has = ALL & ((UINT64_C(1) << 0x2b) - 1),
        .raw = STR_NONE,
        .payload_format = 1,
        .message_expiry_s = 0x01020304,
        .content_type = STR("type"),
        .response_topic = STR("a/b"),
        .correlation_data = STR("\x00\xff"),
        .subscription_id = 128,
        .session_expiry_s = UINT32_MAX,
        .assigned_client_id = STR("id"),
        .server_keep_alive_s = 60,
        .auth_method = STR("M"),
        .auth_data = STR("d"),
        .request_problem_info = 1,
        .will_delay_s = 7,
        .request_response_info = 1,
        .response_info = STR("info"),
        .server_reference = STR("ref"),
        .reason_string = STR("why"),
        .receive_max = 9,
        .topic_alias_max = 10,
        .topic_alias = 11,
        .max_qos = 1,
        .retain_available = 1,
        .max_packet = 12,
        .wildcard_available = 1,
        .sub_id_available = 1,
        .shared_available = 1,
    };
    struct mqtt_props again = { 0 };
    struct buf users = buf_init(100), out = buf_init(1000), second = buf_init(1000);
    size_t at = 0;
    uint64_t known = 0;

    (void)state;
#define BIT(name, field, id, kind) known |= MQTT_HAS(name);
    MQTT_PROP_LIST(BIT)
#undef BIT
    p.has = known;
    mqtt_props_put_user(&users, STR("k"), STR("v"));
    mqtt_props_put_user(&users, STR(""), STR(""));
    p.raw = buf_str(&users);
    mqtt_props_write(&out, &p);
    assert_int_equal(mqtt_props_read(buf_str(&out), &at, ALL, false, &again, NULL), 0);
    assert_int_equal(at, out.n);
    assert_true(again.has == known);
    assert_str(again.content_type, "type");
    assert_int_equal(again.subscription_id, 128);
    assert_int_equal(again.session_expiry_s, UINT32_MAX);
    assert_int_equal(again.receive_max, 9);
    assert_int_equal(again.max_qos, 1);
    assert_true(str_eq(again.correlation_data, STR("\x00\xff")));
    mqtt_props_write(&second, &again);
    assert_true(str_eq(buf_str(&out), buf_str(&second)));
    buf_fini(&users);
    buf_fini(&out);
    buf_fini(&second);
}

static void each_property_needs_its_bit(void **state)
{
    (void)state;
    /* Identifiers outside the mask are refused before their value is looked at. */
    for (unsigned id = 0; id < 256; id++) {
        char body[8] = { 6, (char)id };
        struct mqtt_props p = { 0 };
        struct wire_why why = { 0 };
        size_t at = 0;

        assert_int_equal(mqtt_props_read(str_from(body, 7), &at, 0, false, &p, &why), ERR_PROTO);
        assert_int_equal(why.code, MQTT_REASON_MALFORMED);
        assert_int_equal(at, 0);
    }
}

static void users_keep_their_order(void **state)
{
    struct buf raw = buf_init(100);
    struct str name, value;
    size_t at = 0;

    (void)state;
    mqtt_props_put_user(&raw, STR("b"), STR("1"));
    mqtt_props_put_text(&raw, MQTT_PROP_CONTENT_TYPE, STR("t"));
    mqtt_props_put_user(&raw, STR("a"), STR("2"));
    assert_true(mqtt_props_user(buf_str(&raw), &at, &name, &value));
    assert_str(name, "b");
    assert_str(value, "1");
    assert_true(mqtt_props_user(buf_str(&raw), &at, &name, &value));
    assert_str(name, "a");
    assert_str(value, "2");
    assert_false(mqtt_props_user(buf_str(&raw), &at, &name, &value));
    at = 0;
    assert_false(mqtt_props_user(STR_NONE, &at, &name, &value));
    buf_fini(&raw);
}

static void numbers_one_by_one(void **state)
{
    struct buf raw = buf_init(100), body = buf_init(100);
    struct mqtt_props p = { 0 };
    size_t at = 0;

    (void)state;
    mqtt_props_put_number(&raw, MQTT_PROP_PAYLOAD_FORMAT, 1);
    mqtt_props_put_number(&raw, MQTT_PROP_MESSAGE_EXPIRY, 0x01020304);
    mqtt_props_put_number(&raw, MQTT_PROP_RECEIVE_MAX, 0x0506);
    buf_u8(&body, (uint8_t)raw.n);
    buf_put(&body, buf_str(&raw));
    assert_int_equal(mqtt_props_read(buf_str(&body), &at, ALL, false, &p, NULL), 0);
    assert_int_equal(p.payload_format, 1);
    assert_int_equal(p.message_expiry_s, 0x01020304);
    assert_int_equal(p.receive_max, 0x0506);
    buf_fini(&raw);
    buf_fini(&body);
}

static void several_sub_ids(void **state)
{
    static const char body[] = "\x07\x0b\x01\x0b\x80\x01\x0b\x03";
    struct mqtt_props p = { 0 };
    struct buf out = buf_init(100);
    uint32_t id;
    size_t at = 0;

    (void)state;
    assert_int_equal(mqtt_props_read(str_from(body, 8), &at, ALL, false, &p, NULL), ERR_PROTO);
    assert_int_equal(mqtt_props_read(str_from(body, 8), &at, ALL, true, &p, NULL), 0);
    assert_int_equal(p.subscription_id, 1);
    at = 0;
    assert_true(mqtt_props_sub_id(p.raw, &at, &id) && id == 1);
    assert_true(mqtt_props_sub_id(p.raw, &at, &id) && id == 128);
    assert_true(mqtt_props_sub_id(p.raw, &at, &id) && id == 3);
    assert_false(mqtt_props_sub_id(p.raw, &at, &id));
    mqtt_props_write(&out, &p);
    assert_true(str_eq(buf_str(&out), str_from(body, 8)));
    buf_fini(&out);
}

static void what_is_handed_on(void **state)
{
    struct mqtt_props p = {
        .has = MQTT_HAS(PAYLOAD_FORMAT) | MQTT_HAS(MESSAGE_EXPIRY) | MQTT_HAS(TOPIC_ALIAS) |
               MQTT_HAS(SUBSCRIPTION_ID) | MQTT_HAS(CONTENT_TYPE) | MQTT_HAS(RESPONSE_TOPIC) |
               MQTT_HAS(CORRELATION_DATA),
        .raw = STR("\x0b\x05\x26\x00\x01k\x00\x01v"),
        .payload_format = 1,
        .message_expiry_s = 9,
        .topic_alias = 2,
        .subscription_id = 5,
        .content_type = STR("t"),
        .response_topic = STR("r"),
        .correlation_data = STR("c"),
    };
    struct buf raw = buf_init(100);
    struct str topic, whole;

    (void)state;
    mqtt_props_forward(&raw, &p);
    assert_true(str_eq(buf_str(&raw), STR("\x01\x01\x03\x00\x01t\x08\x00\x01r\x09\x00\x01"
                                          "c\x26\x00\x01k\x00\x01v")));
    assert_true(mqtt_props_response_topic(buf_str(&raw), &topic, &whole));
    assert_true(str_eq(topic, STR("r")) && str_eq(whole, STR("\x08\x00\x01r")));
    assert_false(mqtt_props_response_topic(p.raw, &topic, &whole));
    buf_fini(&raw);
}

/* A length that needs two bytes is moved in front of what was written. */
static void long_sets(void **state)
{
    static char text[300];
    struct mqtt_props p = { .has = MQTT_HAS(REASON_STRING) }, again = { 0 };
    struct buf out = buf_init(1000);
    size_t at = 0;

    (void)state;
    memset(text, 'x', sizeof(text));
    p.reason_string = str_from(text, sizeof(text));
    mqtt_props_write(&out, &p);
    assert_int_equal(out.n, 2 + 3 + 300);
    assert_int_equal(mqtt_props_read(buf_str(&out), &at, ALL, false, &again, NULL), 0);
    assert_true(str_eq(again.reason_string, p.reason_string));
    buf_fini(&out);
}

RUN(TEST(varints), TEST(everything_round_trips), TEST(each_property_needs_its_bit),
    TEST(users_keep_their_order), TEST(numbers_one_by_one), TEST(several_sub_ids),
    TEST(what_is_handed_on), TEST(long_sets))
