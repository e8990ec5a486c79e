/*
 * The machine's health as texts: the JSON object that becomes a record, and the metrics under the
 * names that node_exporter has made familiar.
 */
#include "edge/host.h"

#include "wire/json.h"

#include <math.h>

/* Two digits behind the point are as much as these numbers mean. */
static void put(struct json_writer *w, const char *key, double v)
{
    json_key(w, key);
    json_double(w, round(v * 100) / 100);
}

static uint64_t total(const struct host_cpu *c)
{
    return c->user + c->nice + c->system + c->idle + c->iowait + c->irq + c->softirq + c->steal;
}

/* Busy share between two samples in percent; negative when there is none. */
static double busy(const struct host_cpu *a, const struct host_cpu *b)
{
    uint64_t all = total(b) - total(a), idle = b->idle + b->iowait - a->idle - a->iowait;

    if (total(b) <= total(a) || idle > all) /* a core that went off and on begins anew */
        return -1;
    return 100.0 * (double)(all - idle) / (double)all;
}

static void put_cpu(struct json_writer *w, const struct host_sample *a, const struct host_sample *b)
{
    double percent;
    char core[16];

    if (!a || !a->has_cpu || !b->has_cpu)
        return;
    percent = busy(&a->cpu, &b->cpu);
    if (percent < 0)
        return;
    json_key(w, "cpu");
    json_begin_object(w);
    put(w, "percent", percent);
    for (unsigned i = 0; i < b->core_count && i < a->core_count; i++) {
        struct buf name = buf_init(sizeof(core));

        percent = busy(&a->cores[i], &b->cores[i]);
        if (percent >= 0) {
            buf_printf(&name, "core%u_percent", i);
            json_key_str(w, buf_str(&name));
            json_double(w, round(percent * 100) / 100);
        }
        buf_fini(&name);
    }
    json_end_object(w);
}

static void put_memory(struct json_writer *w, const struct host_sample *s)
{
    if (!s->has_memory)
        return;
    json_key(w, "memory");
    json_begin_object(w);
    put(w, "used_percent", 100.0 * (1 - (double)s->memory_available / (double)s->memory_total));
    json_put_u64(w, "total_bytes", s->memory_total);
    json_put_u64(w, "available_bytes", s->memory_available);
    if (s->swap_total > 0)
        put(w, "swap_used_percent", 100.0 * (1 - (double)s->swap_free / (double)s->swap_total));
    json_end_object(w);
}

static double rate(uint64_t a, uint64_t b, double seconds)
{
    return b >= a ? (double)(b - a) / seconds : 0; /* a counter that began anew */
}

static void put_disks(struct json_writer *w, const struct host_sample *a,
                      const struct host_sample *b, double seconds)
{
    if (b->mount_count == 0 && b->disk_count == 0)
        return;
    json_key(w, "disk");
    json_begin_object(w);
    /* The file system that holds the root is what people mean by "the disk". */
    for (unsigned i = 0; i < b->mount_count; i++) {
        const struct host_mount *m = &b->mounts[i];
        bool root = m->path[0] == '/' && m->path[1] == '\0';

        if (!root || m->total_bytes == 0)
            continue;
        put(w, "used_percent", 100.0 * (1 - (double)m->available_bytes / (double)m->total_bytes));
        json_put_u64(w, "available_bytes", m->available_bytes);
    }
    for (unsigned i = 0; a && i < b->disk_count; i++) {
        for (unsigned k = 0; k < a->disk_count; k++) {
            if (strcmp(a->disks[k].name, b->disks[i].name) != 0)
                continue;
            json_key(w, b->disks[i].name);
            json_begin_object(w);
            put(w, "read_bytes_per_s",
                rate(a->disks[k].read_bytes, b->disks[i].read_bytes, seconds));
            put(w, "written_bytes_per_s",
                rate(a->disks[k].written_bytes, b->disks[i].written_bytes, seconds));
            json_end_object(w);
        }
    }
    json_end_object(w);
}

static void put_nets(struct json_writer *w, const struct host_sample *a,
                     const struct host_sample *b, double seconds)
{
    if (!a || b->net_count == 0)
        return;
    json_key(w, "network");
    json_begin_object(w);
    for (unsigned i = 0; i < b->net_count; i++) {
        for (unsigned k = 0; k < a->net_count; k++) {
            const struct host_net *x = &a->nets[k], *y = &b->nets[i];

            /* Interfaces that never carried a byte (dummies, unplugged ports) tell nobody anything. */
            if (strcmp(x->name, y->name) != 0 || y->rx_bytes + y->tx_bytes == 0)
                continue;
            json_key(w, y->name);
            json_begin_object(w);
            put(w, "received_bytes_per_s", rate(x->rx_bytes, y->rx_bytes, seconds));
            put(w, "sent_bytes_per_s", rate(x->tx_bytes, y->tx_bytes, seconds));
            put(w, "errors_per_s",
                rate(x->rx_errors + x->tx_errors, y->rx_errors + y->tx_errors, seconds));
            if (y->link != HOST_LINK_UNKNOWN)
                json_put_u64(w, "up", y->link == HOST_LINK_UP);
            json_end_object(w);
        }
    }
    json_end_object(w);
}

static void put_temps(struct json_writer *w, const struct host_sample *s)
{
    if (s->temp_count == 0)
        return;
    json_key(w, "temperature");
    json_begin_object(w);
    for (unsigned i = 0; i < s->temp_count; i++) {
        struct buf name = buf_init(HOST_NAME_MAX + 4);

        buf_printf(&name, "%s_c", s->temps[i].name);
        json_key_str(w, buf_str(&name));
        json_double(w, s->temps[i].celsius);
        buf_fini(&name);
    }
    json_end_object(w);
}

/* The firmware's bits: 0 under-voltage, 1 frequency capped, 2 throttled, 3 soft limit; 16 and up:
 * the same, at some time since boot. */
static void put_throttled(struct json_writer *w, const struct host_sample *s)
{
    if (!s->has_throttled)
        return;
    json_key(w, "throttling");
    json_begin_object(w);
    json_put_u64(w, "under_voltage", s->throttled & 1);
    json_put_u64(w, "frequency_capped", s->throttled >> 1 & 1);
    json_put_u64(w, "throttled", s->throttled >> 2 & 1);
    json_put_u64(w, "soft_temperature_limit", s->throttled >> 3 & 1);
    json_put_u64(w, "under_voltage_since_boot", s->throttled >> 16 & 1);
    json_end_object(w);
}

void host_json(const struct host_sample *before, const struct host_sample *now, struct buf *out)
{
    struct json_writer w = json_writer_init(out);
    double seconds = 0;

    if (before && now->at_ns > before->at_ns)
        seconds = (double)(now->at_ns - before->at_ns) / 1e9;
    if (seconds <= 0)
        before = NULL;
    json_begin_object(&w);
    put_cpu(&w, before, now);
    if (now->has_load) {
        json_key(&w, "load");
        json_begin_object(&w);
        put(&w, "1m", now->load[0]);
        put(&w, "5m", now->load[1]);
        put(&w, "15m", now->load[2]);
        json_end_object(&w);
    }
    if (now->has_tasks) {
        json_key(&w, "tasks");
        json_begin_object(&w);
        json_put_u64(&w, "running", now->tasks_running);
        json_put_u64(&w, "total", now->tasks);
        json_end_object(&w);
    }
    put_memory(&w, now);
    put_disks(&w, before, now, seconds);
    put_nets(&w, before, now, seconds);
    put_temps(&w, now);
    put_throttled(&w, now);
    if (now->has_uptime)
        put(&w, "uptime_s", now->uptime_s);
    json_end_object(&w);
}

/* ---- metrics ---- */

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void cpu_seconds(const struct host_sample *s, unsigned ticks_per_s, struct buf *out)
{
    static const char *const modes[] = { "user",   "nice", "system",  "idle",
                                         "iowait", "irq",  "softirq", "steal" };

    if (s->core_count == 0)
        return;
    head(out, "node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode.");
    for (unsigned i = 0; i < s->core_count; i++) {
        const struct host_cpu *c = &s->cores[i];
        const uint64_t ticks[] = { c->user,   c->nice, c->system,  c->idle,
                                   c->iowait, c->irq,  c->softirq, c->steal };

        for (unsigned m = 0; m < 8; m++)
            buf_printf(out, "node_cpu_seconds_total{cpu=\"%u\",mode=\"%s\"} %.2f\n", i, modes[m],
                       (double)ticks[m] / ticks_per_s);
    }
}

static void gauge(struct buf *out, const char *name, const char *help, double v)
{
    head(out, name, "gauge", help);
    buf_printf(out, "%s %.15g\n", name, v);
}

static void file_systems(const struct host_sample *s, struct buf *out)
{
    if (s->mount_count == 0)
        return;
    head(out, "node_filesystem_size_bytes", "gauge", "Filesystem size in bytes.");
    for (unsigned i = 0; i < s->mount_count; i++)
        buf_printf(out, "node_filesystem_size_bytes{mountpoint=\"%s\"} %llu\n", s->mounts[i].path,
                   (unsigned long long)s->mounts[i].total_bytes);
    head(out, "node_filesystem_avail_bytes", "gauge",
         "Filesystem space available to non-root users in bytes.");
    for (unsigned i = 0; i < s->mount_count; i++)
        buf_printf(out, "node_filesystem_avail_bytes{mountpoint=\"%s\"} %llu\n", s->mounts[i].path,
                   (unsigned long long)s->mounts[i].available_bytes);
}

static void disk_bytes(const struct host_sample *s, struct buf *out)
{
    if (s->disk_count == 0)
        return;
    head(out, "node_disk_read_bytes_total", "counter", "Bytes read.");
    for (unsigned i = 0; i < s->disk_count; i++)
        buf_printf(out, "node_disk_read_bytes_total{device=\"%s\"} %llu\n", s->disks[i].name,
                   (unsigned long long)s->disks[i].read_bytes);
    head(out, "node_disk_written_bytes_total", "counter", "Bytes written.");
    for (unsigned i = 0; i < s->disk_count; i++)
        buf_printf(out, "node_disk_written_bytes_total{device=\"%s\"} %llu\n", s->disks[i].name,
                   (unsigned long long)s->disks[i].written_bytes);
}

static void net_bytes(const struct host_sample *s, struct buf *out)
{
    if (s->net_count == 0)
        return;
    head(out, "node_network_receive_bytes_total", "counter", "Bytes received.");
    for (unsigned i = 0; i < s->net_count; i++)
        buf_printf(out, "node_network_receive_bytes_total{device=\"%s\"} %llu\n", s->nets[i].name,
                   (unsigned long long)s->nets[i].rx_bytes);
    head(out, "node_network_transmit_bytes_total", "counter", "Bytes sent.");
    for (unsigned i = 0; i < s->net_count; i++)
        buf_printf(out, "node_network_transmit_bytes_total{device=\"%s\"} %llu\n", s->nets[i].name,
                   (unsigned long long)s->nets[i].tx_bytes);
}

static void net_links(const struct host_sample *s, struct buf *out)
{
    bool any = false;

    for (unsigned i = 0; i < s->net_count; i++) {
        if (s->nets[i].link == HOST_LINK_UNKNOWN)
            continue;
        if (!any)
            head(out, "node_network_up", "gauge", "Value is 1 if operstate is 'up', 0 otherwise.");
        any = true;
        buf_printf(out, "node_network_up{device=\"%s\"} %d\n", s->nets[i].name,
                   s->nets[i].link == HOST_LINK_UP);
    }
}

void host_prometheus(const struct host_sample *s, unsigned ticks_per_s, struct buf *out)
{
    cpu_seconds(s, ticks_per_s, out);
    if (s->has_load) {
        gauge(out, "node_load1", "1m load average.", s->load[0]);
        gauge(out, "node_load5", "5m load average.", s->load[1]);
        gauge(out, "node_load15", "15m load average.", s->load[2]);
    }
    if (s->has_memory) {
        gauge(out, "node_memory_MemTotal_bytes", "Memory in bytes.", (double)s->memory_total);
        gauge(out, "node_memory_MemAvailable_bytes", "Memory available in bytes.",
              (double)s->memory_available);
        gauge(out, "node_memory_SwapTotal_bytes", "Swap in bytes.", (double)s->swap_total);
        gauge(out, "node_memory_SwapFree_bytes", "Free swap in bytes.", (double)s->swap_free);
    }
    file_systems(s, out);
    disk_bytes(s, out);
    net_bytes(s, out);
    net_links(s, out);
    if (s->boot_time_s > 0)
        gauge(out, "node_boot_time_seconds", "Node boot time, in unixtime.",
              (double)s->boot_time_s);
    if (s->temp_count > 0) {
        head(out, "node_thermal_zone_temp", "gauge", "Zone temperature in Celsius.");
        for (unsigned i = 0; i < s->temp_count; i++)
            buf_printf(out, "node_thermal_zone_temp{type=\"%s\",zone=\"%u\"} %.15g\n",
                       s->temps[i].name, i, s->temps[i].celsius);
    }
}
