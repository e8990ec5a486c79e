/* Clients, subscriptions and counts as the REST interface says them. */
#include "unit/unit.h"

#include "base/mem.h"
#include "hub/render_mqtt.h"

static void says(struct buf *out, const char *want)
{
    if (strcmp(buf_cstr(out), want) != 0)
        fail_msg("got  %s\nwant %s", buf_cstr(out), want);
    buf_clear(out);
}

static void clients(void **state)
{
    const struct broker_session_info all[] = {
        { .client_id = STR("a\"1"),
          .peer = "127.0.0.1:5",
          .connected = true,
          .tls = true,
          .version = 5,
          .keep_alive_s = 60,
          .received = 3,
          .sent = 4,
          .subscriptions = 2,
          .queued = 1,
          .queued_bytes = 9,
          .inflight = 1,
          .dropped = 7,
          .will = true },
        { .client_id = STR("b"), .user = STR("ann"), .expiry_s = UINT32_MAX },
    };
    struct broker_looked found = { .sessions = all, .session_count = 2, .total = 5, .more = true };
    struct buf out = buf_init(10000);

    (void)state;
    render_mqtt_sessions(&out, &found);
    says(
        &out,
        "{\"items\":[{\"client\":\"a\\\"1\",\"user\":null,\"peer\":\"127.0.0.1:5\",\"connected\":true,"
        "\"transport\":\"tls\",\"websocket\":false,\"tls\":true,\"version\":5,"
        "\"since\":\"1970-01-01T00:00:00.000Z\",\"subscriptions\":2,\"queued\":1,\"queued_bytes\":9,"
        "\"inflight\":1,\"received\":3,\"sent\":4,\"dropped\":7,\"throttled\":0,\"keep_alive_s\":60,\"expiry_s\":0,"
        "\"will\":true},{\"client\":\"b\",\"user\":\"ann\",\"peer\":\"\",\"connected\":false,"
        "\"transport\":null,\"websocket\":false,\"tls\":false,\"version\":0,"
        "\"since\":\"1970-01-01T00:00:00.000Z\",\"subscriptions\":0,\"queued\":0,\"queued_bytes\":0,"
        "\"inflight\":0,\"received\":0,\"sent\":0,\"dropped\":0,\"throttled\":0,\"keep_alive_s\":0,\"expiry_s\":null,"
        "\"will\":false}],\"next\":\"b\",\"total\":5}");
    found = (struct broker_looked){ 0 };
    render_mqtt_sessions(&out, &found);
    says(&out, "{\"items\":[],\"next\":null,\"total\":0}");
    buf_fini(&out);
}

static void subscriptions(void **state)
{
    const struct broker_subscription_info all[] = {
        { .client_id = STR("c.1"), .filter = STR("a/#"), .at = 3, .sub_id = 9, .options = 0x1d },
        { .client_id = STR("c.1"), .filter = STR("$share/g/b"), .at = 4 },
    };
    const struct broker_looked found = {
        .subscriptions = all, .subscription_count = 2, .total = 3, .more = true
    };
    struct buf out = buf_init(10000);
    struct str client;
    uint32_t at = 0;

    (void)state;
    render_mqtt_subscriptions(&out, &found);
    says(&out,
         "{\"items\":[{\"client\":\"c.1\",\"filter\":\"a/#\",\"qos\":1,\"no_local\":true,"
         "\"retain_as_published\":true,\"retained\":\"send_if_new\",\"shared\":false,\"id\":9},"
         "{\"client\":\"c.1\",\"filter\":\"$share/g/b\",\"qos\":0,\"no_local\":false,"
         "\"retain_as_published\":false,\"retained\":\"send\",\"shared\":true,\"id\":null}],"
         "\"next\":\"4.c.1\",\"total\":3}");
    assert_int_equal(render_mqtt_place(STR("4.c.1"), &client, &at), 0);
    assert_true(str_eq(client, STR("c.1")) && at == 4);
    assert_int_equal(render_mqtt_place(STR("4"), &client, &at), ERR_VALUE);
    assert_int_equal(render_mqtt_place(STR("x.c"), &client, &at), ERR_VALUE);
    assert_int_equal(render_mqtt_place(STR("4294967296.c"), &client, &at), ERR_VALUE);
    assert_int_equal(render_mqtt_place(STR(""), &client, &at), ERR_VALUE);
    buf_fini(&out);
}

static void counts(void **state)
{
    const struct broker_stats s = { .connected = 1,
                                    .received = { 1, 2, 3 },
                                    .dropped_slow = 4,
                                    .dropped_queue = 5,
                                    .dropped_size = 6,
                                    .dropped_expired = 7,
                                    .dropped_retained = 8,
                                    .dropped_mount = 9,
                                    .dropped_oldest = 10,
                                    .dropped_offline = 11 };
    const struct render_mqtt_log log = { true, true, 10, 20 }, none = { 0 };
    struct render_mqtt_rates rates = { .count = 2, .received = { 5, 6 }, .sent = { 7, 8 } };
    struct buf out = buf_init(10000);

    (void)state;
    assert_int_equal(render_mqtt_dropped(&s), 60);
    render_mqtt_stats(&out, &s, &log, &rates);
    assert_true(str_find_str(buf_str(&out),
                             STR("\"received\":{\"qos0\":1,\"qos1\":2,\"qos2\":3}")) < out.n);
    assert_true(str_find_str(buf_str(&out),
                             STR("\"dropped\":{\"slow\":4,\"queue\":5,\"size\":6,"
                                 "\"expired\":7,\"retained\":8,\"mount\":9,\"oldest_qos0\":10,"
                                 "\"offline\":11}")) < out.n);
    assert_true(
        str_find_str(buf_str(&out),
                     STR("\"log\":{\"bytes\":10,\"quota_bytes\":20,\"full\":true},\"rates\":{"
                         "\"until\":\"1970-01-01T00:00:00.000Z\",\"step_ms\":1000,"
                         "\"received\":[5,6],\"sent\":[7,8],\"dropped\":[0,0]}}")) < out.n);
    buf_clear(&out);
    render_mqtt_stats(&out, &s, &none, &rates);
    assert_true(str_find_str(buf_str(&out), STR("\"log\":null")) < out.n);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients),
        cmocka_unit_test(subscriptions),
        cmocka_unit_test(counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
