/* What the packets of an open connection come to, where the codec alone cannot say. In raw packets. */
#include "broker_rig.h"

/* User properties are all that a message has beside topic and payload: they are passed on. */
static void user_properties_alone(void **state)
{
    struct rig r;
    struct client sub, pub;
    struct mqtt_packet pk = publish_packet("only", "users", 1, false, 1);
    struct buf raw = buf_init(100);
    struct str name, value;
    struct mqtt_publish got;
    size_t at = 0;

    (void)state;
    rig_init(&r);
    rig_start(&r, 2);
    sub = client_connect(&r, MQTT_V5, "sub");
    pub = client_connect(&r, MQTT_V5, "pub");
    client_subscribe(&sub, "only", 1);
    mqtt_props_put_user(&raw, STR("b"), STR("2"));
    mqtt_props_put_user(&raw, STR("a"), STR("1"));
    pk.publish.props.raw = buf_str(&raw);
    client_send(&pub, &pk);
    got = client_expect_publish(&sub, "only", "users", 1);
    assert_true(mqtt_props_user(got.props.raw, &at, &name, &value));
    assert_true(str_eq(name, STR("b")) && str_eq(value, STR("2")));
    assert_true(mqtt_props_user(got.props.raw, &at, &name, &value));
    assert_true(str_eq(name, STR("a")) && str_eq(value, STR("1")));
    assert_false(mqtt_props_user(got.props.raw, &at, &name, &value));
    buf_fini(&raw);
    client_close(&sub);
    client_close(&pub);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(user_properties_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
