/* Trees of machines: what each becomes as a record in a real journal, and as metrics. */
#include "unit/unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "edge/host_client.h"
#include "net/workers.h"
#include "wire/json.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEADLINE_MS 20000

struct rig {
    char dir[64];
    struct limits limits;
    struct journal *journal;
    struct gate *gate;
    struct journal_watch *watch;
};

static int set_up(void **state)
{
    struct rig *r = NEW(struct rig);
    struct journal_options jo = journal_options_default();
    struct fault f;

    snprintf(r->dir, sizeof(r->dir), "/tmp/wayside-host-XXXXXX");
    if (!mkdtemp(r->dir))
        return -1;
    r->limits = limits_default();
    jo.free_floor_bytes = 0;
    if (journal_open(r->dir, &jo, &r->limits, NULL, NULL, &r->journal, &f))
        return -1;
    r->gate = gate_new();
    r->watch = journal_watch_gate(r->journal, r->gate);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    DIR *d;
    struct dirent *e;
    char path[512];

    journal_unwatch(r->watch);
    gate_free(r->gate);
    journal_close(r->journal);
    d = opendir(r->dir);
    while (d && (e = readdir(d))) {
        snprintf(path, sizeof(path), "%s/%s", r->dir, e->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    rmdir(r->dir);
    mem_free(r);
    return 0;
}

/* The first record of this tree, and its metrics. */
static struct json_t *record_of(struct rig *r, const char *tree, struct buf *metrics)
{
    char root[512];
    struct host_options o = {
        .root = root, .interval_ms = 20, .device = STR("node-1"), .journal = r->journal
    };
    struct json_limits limits = { 16, 0 };
    struct journal_reader *reader =
        journal_reader_new(r->journal, NULL, journal_head(r->journal), 65536);
    uint64_t until = clock_mono_ns() / 1000000 + DEADLINE_MS;
    struct record record;
    struct json_t *v = NULL;
    struct host *h;
    size_t n = 0;

    snprintf(root, sizeof(root), "%s/vectors/host/%s", TESTS_DIR, tree);
    h = host_start(&o);
    while (n == 0) {
        assert_true(clock_mono_ns() / 1000000 < until);
        gate_wait(r->gate, 100);
        assert_int_equal(journal_reader_next(reader, &record, 1, 65536, &n), 0);
    }
    host_metrics(h, metrics);
    host_stop(h);
    assert_str(record.device, "node-1");
    assert_str(record.stream, "host");
    assert_int_equal(json_parse(record.payload, &limits, &v, NULL, NULL), 0);
    journal_reader_free(reader);
    return v;
}

static const struct json_t *at(const struct json_t *v, const char *a, const char *b)
{
    return json_member(json_member(v, a), b);
}

static bool has(const struct buf *b, const char *text)
{
    return str_find_str(buf_str(b), str_of(text)) < b->n;
}

static void test_raspberry_pi(void **state)
{
    struct buf m = buf_init(1 << 20);
    struct json_t *v = record_of(*state, "pi", &m);
    const struct json_t *wlan = json_member(json_member(v, "network"), "wlan0");

    assert_true(json_to_double(at(v, "load", "1m")) > 0.309);
    assert_int_equal(json_to_i64(at(v, "tasks", "total")), 157);
    assert_int_equal(json_to_i64(at(v, "memory", "total_bytes")), 437404 * 1024);
    assert_true(json_to_double(at(v, "temperature", "cpu-thermal_c")) > 48.31);
    assert_int_equal(json_to_i64(at(v, "throttling", "under_voltage")), 1);
    assert_int_equal(json_to_i64(at(v, "throttling", "frequency_capped")), 0);
    assert_int_equal(json_to_i64(at(v, "throttling", "throttled")), 1);
    assert_int_equal(json_to_i64(json_member(wlan, "up")), 1);
    assert_int_equal(json_to_i64(at(json_member(v, "network"), "eth0", "up")), 0);
    assert_null(at(v, "network", "usb0")); /* never carried a byte */
    assert_non_null(at(json_member(v, "disk"), "mmcblk0", "read_bytes_per_s"));
    assert_null(at(v, "disk", "mmcblk0p1"));
    assert_true(json_to_double(json_member(v, "uptime_s")) > 93412);
    assert_true(has(&m, "node_cpu_seconds_total{cpu=\"3\",mode=\"idle\"} "));
    assert_true(has(&m, "node_network_up{device=\"wlan0\"} 1\n"));
    assert_true(has(&m, "node_boot_time_seconds 1762000000\n"));
    assert_true(has(&m, "node_thermal_zone_temp{type=\"cpu-thermal\",zone=\"0\"} 48.312\n"));
    json_free(v);
    buf_fini(&m);
}

static void test_server(void **state)
{
    struct buf m = buf_init(1 << 20);
    struct json_t *v = record_of(*state, "server", &m);
    const struct json_t *net = json_member(v, "network");

    assert_true(json_to_double(at(v, "temperature", "coretemp_c")) > 60.9);
    assert_null(at(v, "temperature", "acpitz_c"));
    assert_null(json_member(v, "throttling"));
    assert_null(at(v, "memory", "swap_used_percent"));
    assert_int_equal(json_count(net), 3);
    assert_int_equal(json_to_i64(at(net, "eno1", "up")), 1);
    assert_int_equal(json_to_i64(at(net, "eno1_100", "up")), 0);
    assert_null(at(net, "wg0", "up"));
    assert_non_null(json_member(json_member(v, "disk"), "nvme0n1"));
    assert_null(json_member(json_member(v, "disk"), "dm-0"));
    assert_false(has(&m, "veth"));
    json_free(v);
    buf_fini(&m);
}

/* What is not there is absent; what is there still comes. */
static void test_minimal(void **state)
{
    struct buf m = buf_init(1 << 20);
    struct json_t *v = record_of(*state, "minimal", &m);

    assert_int_equal(json_count(v), 1);
    assert_true(json_to_double(json_member(v, "uptime_s")) > 12);
    assert_int_equal(m.n, 0);
    json_free(v);
    buf_fini(&m);
}

static void test_garbage(void **state)
{
    struct buf m = buf_init(1 << 20);
    struct json_t *v = record_of(*state, "garbage", &m);

    assert_int_equal(json_count(v), 0);
    assert_int_equal(m.n, 0);
    json_free(v);
    buf_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(test_raspberry_pi), TEST(test_server),
                                        TEST(test_minimal), TEST(test_garbage) };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
