/* CONNECT, CONNACK, DISCONNECT and AUTH by their fields; what is refused is in the vectors. */
#include "unit/unit.h"

#include "base/buf.h"
#include "wire/mqtt.h"

/* p encoded and decoded again; the views of *out live in *bytes. */
static void round_trip(const struct mqtt_packet *p, enum mqtt_version v, struct buf *bytes,
                       struct mqtt_packet *out)
{
    size_t used = 0;

    *bytes = buf_init(4096);
    mqtt_encode(p, v, bytes);
    assert_false(bytes->over);
    assert_int_equal(mqtt_decode(buf_str(bytes), v, 4096, out, &used, NULL), 0);
    assert_int_equal(used, bytes->n);
    assert_int_equal(out->type, p->type);
}

static void connect_fields(void **state)
{
    static const enum mqtt_version versions[] = { MQTT_V311, MQTT_V5 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct mqtt_packet p = {
            .type = MQTT_CONNECT,
            .connect = {
                .version = versions[i],
                .clean_start = true,
                .has_will = true,
                .has_username = true,
                .has_password = true,
                .keep_alive_s = 0x1234,
                .client_id = STR("client"),
                .username = STR("user"),
                .password = STR("\x00\x01"),
                .props = { .has = MQTT_HAS(RECEIVE_MAX), .receive_max = 3 },
                .will = { .qos = 2, .retain = true, .topic = STR("w/t"), .payload = STR("gone"),
                          .props = { .has = MQTT_HAS(WILL_DELAY), .will_delay_s = 5 } },
            },
        };
        struct mqtt_packet d;
        struct buf bytes;

        round_trip(&p, versions[i], &bytes, &d);
        assert_int_equal(d.connect.version, versions[i]);
        assert_true(d.connect.clean_start && d.connect.has_will);
        assert_true(d.connect.has_username && d.connect.has_password);
        assert_int_equal(d.connect.keep_alive_s, 0x1234);
        assert_str(d.connect.client_id, "client");
        assert_str(d.connect.username, "user");
        assert_true(str_eq(d.connect.password, STR("\x00\x01")));
        assert_int_equal(d.connect.will.qos, 2);
        assert_true(d.connect.will.retain);
        assert_str(d.connect.will.topic, "w/t");
        assert_str(d.connect.will.payload, "gone");
        if (versions[i] == MQTT_V5) {
            assert_int_equal(d.connect.props.receive_max, 3);
            assert_int_equal(d.connect.will.props.will_delay_s, 5);
        } else {
            assert_true(d.connect.props.has == 0 && d.connect.will.props.has == 0);
        }
        buf_fini(&bytes);
    }
}

/* What the connection spoke before does not matter to a CONNECT. */
static void connect_says_its_version(void **state)
{
    struct mqtt_packet p = { .type = MQTT_CONNECT,
                             .connect = { .version = MQTT_V5, .clean_start = true } },
                       d;
    struct buf bytes;

    (void)state;
    round_trip(&p, MQTT_V311, &bytes, &d);
    assert_int_equal(d.connect.version, MQTT_V5);
    assert_int_equal(d.connect.client_id.n, 0);
    assert_false(d.connect.has_will || d.connect.has_username || d.connect.has_password);
    buf_fini(&bytes);
}

/* Read as 3.1.1, and written again as what it is. What is sent again may have DUP set there only. */
static void connect_of_31(void **state)
{
    struct mqtt_packet p = { .type = MQTT_CONNECT,
                             .connect = { .version = MQTT_V311, .v31 = true, .bridge = true } },
                       d;
    struct str again = STR("\x6a\x02\x00\x01");
    struct buf bytes;
    size_t used;

    (void)state;
    round_trip(&p, MQTT_V311, &bytes, &d);
    assert_int_equal(d.connect.version, MQTT_V311);
    assert_true(d.connect.v31 && d.connect.bridge);
    buf_fini(&bytes);
    assert_int_equal(mqtt_decode(again, MQTT_V31, 100, &d, &used, NULL), 0);
    assert_int_equal(d.type, MQTT_PUBREL);
    assert_int_equal(mqtt_decode(again, MQTT_V311, 100, &d, &used, NULL), ERR_PROTO);
    again = STR("\x4a\x02\x00\x01");
    assert_int_equal(mqtt_decode(again, MQTT_V31, 100, &d, &used, NULL), ERR_PROTO);
}

static void connack_fields(void **state)
{
    struct mqtt_packet p = { .type = MQTT_CONNACK,
                             .connack = { .session_present = true,
                                          .props = { .has = MQTT_HAS(ASSIGNED_CLIENT_ID),
                                                     .assigned_client_id = STR("x") } } },
                       d;
    struct buf bytes;

    (void)state;
    round_trip(&p, MQTT_V5, &bytes, &d);
    assert_true(d.connack.session_present);
    assert_int_equal(d.connack.code, 0);
    assert_str(d.connack.props.assigned_client_id, "x");
    buf_fini(&bytes);
    p.connack.session_present = false;
    p.connack.code = MQTT_V311_NOT_AUTHORIZED;
    round_trip(&p, MQTT_V311, &bytes, &d);
    assert_int_equal(bytes.n, 4);
    assert_int_equal(d.connack.code, MQTT_V311_NOT_AUTHORIZED);
    buf_fini(&bytes);
}

static void shortest_forms(void **state)
{
    struct mqtt_packet p = { .type = MQTT_DISCONNECT }, d;
    struct buf bytes;

    (void)state;
    round_trip(&p, MQTT_V5, &bytes, &d);
    assert_int_equal(bytes.n, 2);
    assert_int_equal(d.reasoned.code, 0);
    buf_fini(&bytes);
    p.reasoned.code = MQTT_REASON_DISCONNECT_WITH_WILL;
    round_trip(&p, MQTT_V5, &bytes, &d);
    assert_int_equal(bytes.n, 3);
    assert_int_equal(d.reasoned.code, MQTT_REASON_DISCONNECT_WITH_WILL);
    buf_fini(&bytes);
    round_trip(&p, MQTT_V311, &bytes, &d);
    assert_int_equal(bytes.n, 2);
    assert_int_equal(d.reasoned.code, 0);
    buf_fini(&bytes);
}

static void auth_fields(void **state)
{
    struct mqtt_packet p = { .type = MQTT_AUTH,
                             .reasoned = { .code = MQTT_REASON_CONTINUE_AUTH,
                                           .props = { .has = MQTT_HAS(AUTH_METHOD) |
                                                             MQTT_HAS(AUTH_DATA),
                                                      .auth_method = STR("M"),
                                                      .auth_data = STR("\xff") } } },
                       d;
    struct buf bytes;

    (void)state;
    round_trip(&p, MQTT_V5, &bytes, &d);
    assert_int_equal(d.reasoned.code, MQTT_REASON_CONTINUE_AUTH);
    assert_str(d.reasoned.props.auth_method, "M");
    assert_str(d.reasoned.props.auth_data, "\xff");
    buf_fini(&bytes);
}

RUN(TEST(connect_fields), TEST(connect_says_its_version), TEST(connect_of_31), TEST(connack_fields),
    TEST(shortest_forms), TEST(auth_fields))
