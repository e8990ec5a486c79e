/*
 * Reads /proc and /sys on a thread of its own (statvfs of a hung mount blocks) and hands a record
 * to the journal every interval. The first sample only gives the rates something to stand on. The
 * next is not taken before the journal has answered for the last: a disk that hangs piles up
 * nothing.
 */
#include "edge/host_client.h"

#include "base/cell.h"
#include "base/clock.h"
#include "base/mem.h"
#include "edge/host.h"
#include "journal/put.h"
#include "net/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define HOST_FILE_MAX  (256u << 10) /* /proc/stat of a large machine */
#define HOST_JSON_MAX  (64u << 10)
#define HOST_ZONES_MAX 32

struct host {
    struct host_options o;
    struct thread *thread;
    struct gate *gate;
    struct cell stopping, waiting;
    struct host_sample samples[2];
    unsigned count;
    struct metric *records, *failures;
};

/* Reads root/path; false when it is not there. */
static bool read_file(const struct host *h, const char *path, struct buf *out)
{
    char full[512];
    int fd;

    snprintf(full, sizeof(full), "%s/%s", h->o.root, path);
    fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    buf_clear(out);
    for (;;) {
        char *room = buf_reserve(out, 4096);
        ssize_t n = room ? read(fd, room, 4096) : 0;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        buf_commit(out, (size_t)n);
    }
    close(fd);
    return !buf_check(out);
}

/* The first line of a file of /sys, as a name. */
static bool read_name(const struct host *h, const char *path, struct buf *text,
                      char out[HOST_NAME_MAX])
{
    struct str line;

    if (!read_file(h, path, text))
        return false;
    line = buf_str(text);
    line = str_trim(str_cut(&line, '\n'));
    if (line.n == 0 || line.n >= HOST_NAME_MAX)
        return false;
    memcpy(out, line.p, line.n);
    out[line.n] = '\0';
    return true;
}

static void read_temps(const struct host *h, struct host_sample *s, struct buf *text)
{
    for (int i = 0; i < HOST_ZONES_MAX; i++) {
        char path[96], name[HOST_NAME_MAX];

        snprintf(path, sizeof(path), "sys/class/thermal/thermal_zone%d/type", i);
        if (!read_name(h, path, text, name))
            continue;
        snprintf(path, sizeof(path), "sys/class/thermal/thermal_zone%d/temp", i);
        if (read_file(h, path, text))
            host_read_temp(s, str_of(name), buf_str(text));
    }
}

/* Machines without thermal zones (many servers): the first sensor of each chip. */
static void read_chips(const struct host *h, struct host_sample *s, struct buf *text)
{
    for (int i = 0; i < HOST_ZONES_MAX; i++) {
        char path[96], name[HOST_NAME_MAX];

        snprintf(path, sizeof(path), "sys/class/hwmon/hwmon%d/name", i);
        if (!read_name(h, path, text, name))
            continue;
        snprintf(path, sizeof(path), "sys/class/hwmon/hwmon%d/temp1_input", i);
        if (read_file(h, path, text))
            host_read_temp(s, str_of(name), buf_str(text));
    }
}

static void read_links(const struct host *h, struct host_sample *s, struct buf *text)
{
    for (unsigned i = 0; i < s->net_count; i++) {
        char path[96];

        snprintf(path, sizeof(path), "sys/class/net/%s/operstate", s->nets[i].system_name);
        if (!strchr(s->nets[i].system_name, '/') && read_file(h, path, text))
            host_read_operstate(&s->nets[i], buf_str(text));
    }
}

static void read_sizes(const struct host *h, struct host_sample *s)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < s->mount_count; i++) {
        struct host_mount m = s->mounts[i];
        struct statvfs v;

        /* Another root is for tests and containers: its mounts are not ours to measure. */
        if (strcmp(h->o.root, "/") != 0 || statvfs(m.path, &v))
            continue;
        m.total_bytes = (uint64_t)v.f_blocks * v.f_frsize;
        m.free_bytes = (uint64_t)v.f_bfree * v.f_frsize;
        m.available_bytes = (uint64_t)v.f_bavail * v.f_frsize;
        s->mounts[kept++] = m;
    }
    s->mount_count = kept;
}

static void take_sample(const struct host *h, struct host_sample *s)
{
    static const struct {
        const char *path;
        void (*read)(struct host_sample *s, struct str text);
    } files[] = {
        { "proc/stat", host_read_stat },
        { "proc/loadavg", host_read_loadavg },
        { "proc/meminfo", host_read_meminfo },
        { "proc/diskstats", host_read_diskstats },
        { "proc/net/dev", host_read_net_dev },
        { "proc/uptime", host_read_uptime },
        { "proc/mounts", host_read_mounts },
        { "sys/devices/platform/soc/soc:firmware/get_throttled", host_read_throttled },
    };
    struct buf text = buf_init(HOST_FILE_MAX);

    *s = (struct host_sample){ .at_ns = clock_mono_ns() };
    for (size_t i = 0; i < COUNT_OF(files); i++)
        if (read_file(h, files[i].path, &text))
            files[i].read(s, buf_str(&text));
    read_temps(h, s, &text);
    if (s->temp_count == 0)
        read_chips(h, s, &text);
    read_links(h, s, &text);
    read_sizes(h, s);
    buf_fini(&text);
}

static void on_durable(struct journal_put *p, int code)
{
    struct host *h = p->ctx;

    if (code)
        metric_add(h->failures, 1);
    else
        metric_add(h->records, 1);
    cell_set(&h->waiting, 0);
    journal_put_free(p);
}

static void append(struct host *h, const struct host_sample *before, const struct host_sample *now)
{
    struct buf json = buf_init(HOST_JSON_MAX);
    struct record r = { .kind = RECORD_READING,
                        .device = h->o.device,
                        .stream = STR("host"),
                        .flags = RECORD_ARRIVAL,
                        .wall_ns = clock_wall_ns() };

    host_json(before, now, &json);
    if (!buf_check(&json)) {
        r.payload = buf_str(&json);
        cell_set(&h->waiting, 1);
        journal_put(h->o.journal, journal_put_new(&r, NULL, NULL, on_durable, h));
    }
    buf_fini(&json);
}

static void run(void *ctx)
{
    struct host *h = ctx;
    uint64_t due = clock_mono_ns() / 1000000;

    while (!cell_get(&h->stopping)) {
        struct host_sample *now = &h->samples[h->count % 2];
        uint64_t at;

        take_sample(h, now);
        if (h->count++ > 0 && !cell_get(&h->waiting))
            append(h, &h->samples[h->count % 2], now);
        due += h->o.interval_ms;
        at = clock_mono_ns() / 1000000;
        if (due < at) /* the machine slept, or is too slow: no bursts to catch up */
            due = at;
        gate_wait(h->gate, h->count == 1 && due - at > 500 ? 500 : due - at);
    }
}

struct host *host_start(const struct host_options *o)
{
    struct host *h = NEW(struct host);

    h->o = *o;
    h->gate = gate_new();
    h->records = metrics_counter(o->metrics, "wayside_host_records_total", "",
                                 "Readings of this machine's health that are durable");
    h->failures = metrics_counter(o->metrics, "wayside_host_failures_total", "",
                                  "Readings of this machine's health that the journal refused");
    h->thread = thread_start("host", run, h);
    return h;
}

void host_stop(struct host *h)
{
    cell_set(&h->stopping, 1);
    gate_open(h->gate);
    thread_join(h->thread);
    journal_settle(h->o.journal); /* on_durable() has returned */
    gate_free(h->gate);
    mem_free(h);
}

void host_metrics(struct host *h, struct buf *out)
{
    struct host_sample now;
    long ticks = sysconf(_SC_CLK_TCK);

    take_sample(h, &now);
    host_prometheus(&now, ticks > 0 ? (unsigned)ticks : 100, out);
}
