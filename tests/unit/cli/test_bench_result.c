/* What was measured, added up and as text. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/bench_result.h"
#include "wire/json.h"

static struct bench_args args;
static struct bench_result one, two;

static int set_up(void **state)
{
    (void)state;
    args = (struct bench_args){ .mode = BENCH_FANIN,
                                .clients = 1000,
                                .qos = 1,
                                .size = 1024,
                                .login = { .version = MQTT_V5 } };
    one =
        (struct bench_result){ .phase_count = 1, .sent = 4000, .expected = 4000, .received = 4000 };
    one.phases[0] = (struct bench_phase){ .name = "delivered",
                                          .unit = "messages",
                                          .count = 2000000,
                                          .ns = 2000000000,
                                          .per_s = 1000000,
                                          .server_cores = 0.5,
                                          .own_cores = 0.25,
                                          .latency_of = "latency" };
    for (unsigned i = 0; i < 100; i++)
        histogram_add(&one.phases[0].latency, 40000);
    two = one;
    return 0;
}

static void what_is_missing_or_double_is_a_problem(void **state)
{
    (void)state;
    assert_int_equal(bench_result_verdict(&one), EXIT_DONE);
    one.lost = 1;
    assert_int_equal(bench_result_verdict(&one), EXIT_PROBLEMS);
    one.lost = 0;
    one.repeated = 1;
    assert_int_equal(bench_result_verdict(&one), EXIT_PROBLEMS);
}

static void workers_add_up(void **state)
{
    (void)state;
    two.lost = 3;
    two.phases[0].ns = 3000000000;
    bench_result_merge(&one, &two);
    assert_int_equal(one.sent, 8000);
    assert_int_equal(one.lost, 3);
    assert_int_equal(one.phases[0].count, 4000000);
    assert_int_equal(one.phases[0].ns, 3000000000);
    assert_int_equal(one.phases[0].latency.count, 200);
    /* The server's CPU is that of one time, the rate that of all who caused it. */
    assert_true(one.phases[0].per_s > 1999999 && one.phases[0].server_cores < 0.51);
    assert_true(one.phases[0].own_cores > 0.49);
}

static void the_table(void **state)
{
    struct buf b = buf_init(10000);

    (void)state;
    one.memory = 3 << 20;
    one.has_each = true;
    one.bytes_each = 812.4;
    bench_result_table(&one, &args, "hub:1883", &b);
    assert_string_equal(
        buf_cstr(&b),
        "fan-in, hub:1883, 1,000 publishers, QoS 1, 1024 bytes, MQTT 5\n"
        "\n"
        "  delivered        2,000,000 messages in 2.00 s\n"
        "  rate             1,000,000/s, 976.6 MiB/s of payload\n"
        "  server's CPU     0.50 s per million messages (50 % of a core)\n"
        "  our own CPU      0.25 s per million messages (25 % of a core)\n"
        "\n"
        "  latency                 p50       p90       p99     p99.9       max\n"
        "                      40.0 us   40.0 us   40.0 us   40.0 us   40.0 us\n"
        "\n"
        "  up to  50 us 100.00 %  ##################################################\n"
        "\n"
        "  lost             0 of 4,000\n"
        "  server's memory  3.0 MiB, 812 bytes for each more\n");
    buf_fini(&b);
}

static void json_has_the_same(void **state)
{
    static const struct json_limits limits = { .depth_max = 16, .values_max = 1000 };
    struct buf b = buf_init(10000);
    struct json_t *v = NULL;
    const struct json_t *p;

    (void)state;
    one.lost = 2;
    bench_result_json(&one, &args, "hub:1883", &b);
    assert_int_equal(json_parse(buf_str(&b), &limits, &v, NULL, NULL), 0);
    assert_str(json_to_str(json_member(v, "mode")), "fan-in");
    assert_int_equal(json_to_i64(json_member(v, "lost")), 2);
    assert_null(json_member(v, "bytes_each")); /* what was not measured is no number */
    p = json_element(json_member(v, "phases"), 0);
    assert_int_equal(json_to_i64(json_member(p, "count")), 2000000);
    assert_non_null(json_member(p, "server_cpu_s_per_m"));
    assert_non_null(json_member(json_member(p, "latency_us"), "p999"));
    json_free(v);
    buf_clear(&b);
    one.phases[0].server_cores = -1;
    one.phases[0].latency_of = NULL;
    bench_result_json(&one, &args, "hub:1883", &b);
    assert_int_equal(json_parse(buf_str(&b), &limits, &v, NULL, NULL), 0);
    p = json_element(json_member(v, "phases"), 0);
    assert_null(json_member(p, "server_cpu_s_per_m"));
    assert_null(json_member(p, "latency_us"));
    json_free(v);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_missing_or_double_is_a_problem, set_up),
        cmocka_unit_test_setup(workers_add_up, set_up),
        cmocka_unit_test_setup(the_table, set_up),
        cmocka_unit_test_setup(json_has_the_same, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
