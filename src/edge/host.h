#ifndef EDGE_HOST_H
#define EDGE_HOST_H
/*
 * This machine's health out of the texts of /proc and /sys. Pure: the texts come in, numbers come
 * out; rates come from two samples with their times. What a machine does not have is absent, never
 * zero: every group says whether it is there.
 */
#include "base/buf.h"

#define HOST_CORES_MAX 64
#define HOST_DISKS_MAX 16
#define HOST_NETS_MAX  16
#define HOST_TEMPS_MAX 16
#define HOST_NAME_MAX  32

struct host_cpu { /* ticks since boot, proc_stat(5) */
    uint64_t user, nice, system, idle, iowait, irq, softirq, steal;
};
struct host_disk {
    char name[HOST_NAME_MAX];
    uint64_t read_bytes, written_bytes;
};
struct host_mount {
    char path[96];
    uint64_t total_bytes, free_bytes, available_bytes; /* as statvfs says */
};
enum host_link { HOST_LINK_UNKNOWN, HOST_LINK_UP, HOST_LINK_DOWN };
struct host_net {
    char name[HOST_NAME_MAX]; /* as it may stand in keys and labels */
    char system_name[HOST_NAME_MAX];
    enum host_link link;
    uint64_t rx_bytes, rx_packets, rx_errors, tx_bytes, tx_packets, tx_errors;
};
struct host_temp {
    char name[HOST_NAME_MAX];
    double celsius;
};

struct host_sample {
    uint64_t at_ns; /* monotonic; set by the caller */
    bool has_cpu, has_load, has_tasks, has_memory, has_uptime, has_throttled;
    struct host_cpu cpu, cores[HOST_CORES_MAX];
    unsigned core_count;
    double load[3];
    uint64_t tasks_running, tasks; /* threads of all processes */
    uint64_t boot_time_s;          /* UTC since 1970; 0: unknown */
    uint64_t memory_total, memory_available, memory_free, swap_total, swap_free; /* bytes */
    struct host_disk disks[HOST_DISKS_MAX];
    unsigned disk_count;
    struct host_mount mounts[HOST_DISKS_MAX];
    unsigned mount_count;
    struct host_net nets[HOST_NETS_MAX];
    unsigned net_count;
    struct host_temp temps[HOST_TEMPS_MAX];
    unsigned temp_count;
    double uptime_s;
    unsigned throttled; /* bits of the Raspberry Pi's firmware */
};

/* Each reads one file's text into *s and leaves it alone when the text is not what it should be. */
void host_read_stat(struct host_sample *s, struct str text);      /* /proc/stat */
void host_read_loadavg(struct host_sample *s, struct str text);   /* /proc/loadavg */
void host_read_meminfo(struct host_sample *s, struct str text);   /* /proc/meminfo */
void host_read_diskstats(struct host_sample *s, struct str text); /* whole disks, no loop or ram */
void host_read_net_dev(struct host_sample *s,
                       struct str text); /* /proc/net/dev, without lo and veth */
void host_read_operstate(struct host_net *n, struct str text); /* /sys/class/net/NAME/operstate */
void host_read_uptime(struct host_sample *s, struct str text); /* /proc/uptime */
void host_read_temp(struct host_sample *s, struct str name, struct str text); /* millidegrees */
void host_read_throttled(struct host_sample *s, struct str text);             /* "0" or "0x50005" */
/* Mount points worth watching out of /proc/mounts: real file systems, each device once, at most
 * HOST_DISKS_MAX; the caller fills their sizes by statvfs. */
void host_read_mounts(struct host_sample *s, struct str text);

/* The reading: one JSON object whose numeric leaves are for charts. before NULL: no rates. */
void host_json(const struct host_sample *before, const struct host_sample *now, struct buf *out);
/* node_exporter's names, text exposition format. ticks_per_s: of the cpu numbers (100). */
void host_prometheus(const struct host_sample *now, unsigned ticks_per_s, struct buf *out);

#endif
