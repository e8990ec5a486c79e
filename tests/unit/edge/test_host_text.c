/* The machine's health as JSON and as metrics, by bytes. */
#include "unit/unit.h"

#include "edge/host.h"

static const char stat_a[] = "cpu  100 0 100 800 0 0 0 0 0 0\n"
                             "cpu0 50 0 50 400 0 0 0 0 0 0\n"
                             "cpu1 50 0 50 400 0 0 0 0 0 0\nintr 1 2 3\n";
static const char stat_b[] = "cpu  150 0 150 900 0 0 0 0 0 0\n"
                             "cpu0 100 0 100 400 0 0 0 0 0 0\n"
                             "cpu1 50 0 50 500 0 0 0 0 0 0\n";
static const char meminfo[] = "MemTotal:        1000 kB\nMemFree:          100 kB\n"
                              "MemAvailable:     250 kB\nSwapTotal:        0 kB\n";
static const char net_dev[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"
    "    lo: 999 9 0 0 0 0 0 0 999 9 0 0 0 0 0 0\n"
    "  eth0: 1000 10 1 0 0 0 0 0 2000 20 2 0 0 0 0 0\n"
    "wlan0.5:1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n";

static void json_has_rates_between_two_samples(void **state)
{
    struct host_sample a = { .at_ns = 1000000000 }, b = { .at_ns = 3000000000 };
    struct buf out = buf_init(10000);

    (void)state;
    host_read_stat(&a, str_of(stat_a));
    host_read_stat(&b, str_of(stat_b));
    host_read_net_dev(&a, str_of(net_dev));
    host_read_net_dev(&b, str_of(net_dev));
    b.nets[0].rx_bytes += 4096;
    host_read_meminfo(&b, str_of(meminfo));
    host_read_temp(&b, STR("cpu-thermal"), STR("48686\n"));
    host_json(&a, &b, &out);
    assert_str(
        buf_str(&out),
        "{\"cpu\":{\"percent\":50,\"core0_percent\":100,\"core1_percent\":0},"
        "\"memory\":{\"used_percent\":75,\"total_bytes\":1024000,\"available_bytes\":256000},"
        "\"network\":{\"eth0\":{\"received_bytes_per_s\":2048,\"sent_bytes_per_s\":0,"
        "\"errors_per_s\":0},\"wlan0_5\":{\"received_bytes_per_s\":0,\"sent_bytes_per_s\":0,"
        "\"errors_per_s\":0}},\"temperature\":{\"cpu-thermal_c\":48.686}}");
    buf_clear(&out);
    host_json(NULL, &(struct host_sample){ 0 }, &out);
    assert_str(buf_str(&out), "{}"); /* absent is absent, never zero */
    buf_fini(&out);
}

static void a_counter_that_begins_anew_is_no_rate(void **state)
{
    struct host_sample a = { .at_ns = 1000000000 }, b = { .at_ns = 2000000000 };
    struct buf out = buf_init(10000);

    (void)state;
    host_read_stat(&a, str_of(stat_b));
    host_read_stat(&b, str_of(stat_a));
    host_read_net_dev(&a, str_of(net_dev));
    host_read_net_dev(&b, str_of(net_dev));
    a.nets[0].rx_bytes = UINT64_MAX;
    host_json(&a, &b, &out);
    assert_true(str_find_str(buf_str(&out), STR("\"cpu\"")) == out.n);
    assert_true(str_find_str(buf_str(&out), STR("\"received_bytes_per_s\":0")) < out.n);
    buf_fini(&out);
}

static void metrics_have_node_exporters_names(void **state)
{
    struct host_sample s = { 0 };
    struct buf out = buf_init(20000);

    (void)state;
    host_read_stat(&s, str_of(stat_a));
    host_read_meminfo(&s, str_of(meminfo));
    host_read_net_dev(&s, str_of(net_dev));
    host_read_temp(&s, STR("cpu-thermal"), STR("48686\n"));
    host_prometheus(&s, 100, &out);
    assert_true(
        str_find_str(buf_str(&out), STR("node_cpu_seconds_total{cpu=\"1\",mode=\"idle\"} 4.00\n")) <
        out.n);
    assert_true(str_find_str(buf_str(&out), STR("node_memory_MemAvailable_bytes 256000\n")) <
                out.n);
    assert_true(str_find_str(buf_str(&out),
                             STR("node_network_receive_bytes_total{device=\"eth0\"} 1000\n")) <
                out.n);
    assert_true(
        str_find_str(buf_str(&out),
                     STR("node_thermal_zone_temp{type=\"cpu-thermal\",zone=\"0\"} 48.686\n")) <
        out.n);
    buf_fini(&out);
}

RUN(TEST(json_has_rates_between_two_samples), TEST(a_counter_that_begins_anew_is_no_rate),
    TEST(metrics_have_node_exporters_names))
