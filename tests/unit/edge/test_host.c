/* The kernel's tables by text: a Raspberry Pi, a server, garbage. */
#include "unit/unit.h"

#include "edge/host.h"

static const char stat_a[] = "cpu  100 0 100 800 0 0 0 0 0 0\n"
                             "cpu0 50 0 50 400 0 0 0 0 0 0\n"
                             "cpu1 50 0 50 400 0 0 0 0 0 0\nintr 1 2 3\n";
static const char meminfo[] = "MemTotal:        1000 kB\nMemFree:          100 kB\n"
                              "MemAvailable:     250 kB\nSwapTotal:        0 kB\n";
static const char diskstats[] =
    "   7       0 loop0 1 0 8 0 0 0 0 0 0 0 0\n"
    " 179       0 mmcblk0 10 0 2000 5 20 0 4000 7 0 0 0 0 0 0 0\n"
    " 179       1 mmcblk0p1 10 0 2000 5 20 0 4000 7 0 0 0\n"
    "   8       0 sda 1 0 100 0 1 0 200 0 0 0 0\n   8       1 sda1 1 0 100 0 1 0 200 0 0 0 0\n";
static const char net_dev[] =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"
    "    lo: 999 9 0 0 0 0 0 0 999 9 0 0 0 0 0 0\n"
    "  eth0: 1000 10 1 0 0 0 0 0 2000 20 2 0 0 0 0 0\n"
    "wlan0.5:1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n";

static void reads_a_machine(void **state)
{
    struct host_sample s = { 0 };

    (void)state;
    host_read_stat(&s, str_of(stat_a));
    host_read_meminfo(&s, str_of(meminfo));
    host_read_diskstats(&s, str_of(diskstats));
    host_read_net_dev(&s, str_of(net_dev));
    host_read_loadavg(&s, STR("0.52 0.58 0.59 1/813 12345\n"));
    host_read_uptime(&s, STR("3600.25 7000.10\n"));
    host_read_temp(&s, STR("cpu-thermal"), STR("48686\n"));
    host_read_temp(&s, STR("off"), STR("-274000\n"));
    host_read_throttled(&s, STR("50005\n"));
    assert_true(s.has_cpu && s.core_count == 2 && s.cores[1].idle == 400);
    assert_int_equal(s.memory_available, 256000);
    assert_int_equal(s.disk_count, 2);
    assert_string_equal(s.disks[0].name, "mmcblk0");
    assert_int_equal(s.disks[0].read_bytes, 2000 * 512);
    assert_int_equal(s.disks[0].written_bytes, 4000 * 512);
    assert_int_equal(s.net_count, 2);
    assert_string_equal(s.nets[1].name, "wlan0_5"); /* a dot would split a chart's path */
    assert_int_equal(s.nets[0].tx_errors, 2);
    assert_true(s.has_load && s.load[2] == 0.59);
    assert_int_equal(s.temp_count, 1);
    assert_true(s.temps[0].celsius == 48.686);
    assert_int_equal(s.throttled, 0x50005);
}

static void file_systems_are_real_and_once(void **state)
{
    struct host_sample s = { 0 };

    (void)state;
    host_read_mounts(&s, STR("sysfs /sys sysfs rw 0 0\n/dev/sda1 / ext4 rw 0 0\n"
                             "/dev/sda1 /again ext4 rw 0 0\n/dev/sda2 /boot vfat rw 0 0\n"
                             "/dev/sdb1 /a\\040b ext4 rw 0 0\ntmpfs /run tmpfs rw 0 0\n"));
    assert_int_equal(s.mount_count, 2);
    assert_string_equal(s.mounts[0].path, "/");
    assert_string_equal(s.mounts[1].path, "/boot");
}

static void garbage_changes_nothing(void **state)
{
    static const char *const texts[] = { "",
                                         "\n\n\n",
                                         "cpu",
                                         "cpu x y z",
                                         "cpu0 1 2",
                                         "MemTotal: many kB",
                                         "MemTotal: 99999999999999999999 kB",
                                         "eth0: 1 2 3",
                                         "::::",
                                         "1 2 sda",
                                         "\xff\xfe\0x",
                                         "nan inf -1" };
    struct host_sample s = { 0 }, zero = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct str t = str_of(texts[i]);

        host_read_stat(&s, t);
        host_read_loadavg(&s, t);
        host_read_diskstats(&s, t);
        host_read_net_dev(&s, t);
        host_read_uptime(&s, t);
        host_read_temp(&s, STR("t"), t);
        host_read_throttled(&s, t);
        host_read_meminfo(&s, t);
        host_read_mounts(&s, t);
    }
    assert_false(s.has_cpu || s.has_load || s.has_memory || s.has_uptime || s.has_throttled);
    assert_int_equal(s.core_count + s.disk_count + s.net_count + s.temp_count + s.mount_count,
                     zero.core_count);
}

RUN(TEST(reads_a_machine), TEST(file_systems_are_real_and_once), TEST(garbage_changes_nothing))
