/*
 * Reading the kernel's tables. Each line is cut into words; a line or number that is not what the
 * kernel's documentation says is skipped, so a strange machine gives fewer numbers, never wrong
 * ones.
 */
#include "edge/host.h"

#include "base/mem.h"

#include <stdio.h>

#define WORDS_MAX 24

static struct str next_line(struct str *rest)
{
    return str_cut(rest, '\n');
}

/* The words of a line, cut at spaces and tabs. */
static size_t split(struct str line, struct str words[WORDS_MAX])
{
    size_t count = 0, i = 0;

    while (i < line.n && count < WORDS_MAX) {
        size_t from;

        while (i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'))
            i++;
        from = i;
        while (i < line.n && line.p[i] != ' ' && line.p[i] != '\t')
            i++;
        if (i > from)
            words[count++] = str_sub(line, from, i - from);
    }
    return count;
}

static bool number(struct str s, uint64_t *out)
{
    return str_to_u64(s, out) == 0;
}

/* A name that may stand in JSON keys, topics and metric labels as it is. */
static bool copy_name(char out[HOST_NAME_MAX], struct str s)
{
    if (s.n == 0 || s.n >= HOST_NAME_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_';

        out[i] = good ? c : '_'; /* a dot would be a level of a chart's path */
    }
    out[s.n] = '\0';
    return true;
}

/* ---- /proc/stat ---- */

static bool read_cpu(struct str *words, size_t count, struct host_cpu *out)
{
    struct host_cpu c = { 0 };
    uint64_t *const fields[] = { &c.user,   &c.nice, &c.system,  &c.idle,
                                 &c.iowait, &c.irq,  &c.softirq, &c.steal };

    if (count < 5)
        return false;
    for (size_t i = 0; i < COUNT_OF(fields) && i + 1 < count; i++)
        if (!number(words[i + 1], fields[i]))
            return false;
    *out = c;
    return true;
}

void host_read_stat(struct host_sample *s, struct str text)
{
    while (text.p) {
        struct str words[WORDS_MAX], line = next_line(&text);
        size_t count;
        uint64_t core;

        if (str_starts(line, STR("btime ")) && split(line, words) == 2)
            (void)number(words[1], &s->boot_time_s);
        if (!str_starts(line, STR("cpu")))
            continue;
        count = split(line, words);
        if (str_eq(words[0], STR("cpu")))
            s->has_cpu = read_cpu(words, count, &s->cpu);
        else if (number(str_skip(words[0], 3), &core) && core < HOST_CORES_MAX &&
                 core == s->core_count && read_cpu(words, count, &s->cores[core]))
            s->core_count++;
    }
}

/* ---- load, memory, uptime ---- */

void host_read_loadavg(struct host_sample *s, struct str text)
{
    struct str words[WORDS_MAX], tasks;
    double load[3];
    uint64_t running, all;
    size_t count = split(next_line(&text), words);

    if (count < 3)
        return;
    for (int i = 0; i < 3; i++)
        if (str_to_double(words[i], &load[i]))
            return;
    memcpy(s->load, load, sizeof(load));
    s->has_load = true;
    tasks = count > 3 ? words[3] : STR("");
    if (!number(str_cut(&tasks, '/'), &running) || !tasks.p || !number(tasks, &all))
        return;
    s->tasks_running = running;
    s->tasks = all;
    s->has_tasks = true;
}

void host_read_meminfo(struct host_sample *s, struct str text)
{
    const struct {
        struct str key;
        uint64_t *to;
    } rows[] = {
        { STR("MemTotal:"), &s->memory_total },
        { STR("MemFree:"), &s->memory_free },
        { STR("MemAvailable:"), &s->memory_available },
        { STR("SwapTotal:"), &s->swap_total },
        { STR("SwapFree:"), &s->swap_free },
    };

    while (text.p) {
        struct str words[WORDS_MAX];
        uint64_t kib;

        if (split(next_line(&text), words) < 2 || !number(words[1], &kib) ||
            kib > UINT64_MAX / 1024)
            continue;
        for (size_t i = 0; i < COUNT_OF(rows); i++)
            if (str_eq(words[0], rows[i].key))
                *rows[i].to = kib * 1024;
    }
    s->has_memory = s->memory_total > 0;
    if (s->memory_available == 0) /* kernels before 3.14 */
        s->memory_available = s->memory_free;
}

void host_read_uptime(struct host_sample *s, struct str text)
{
    struct str words[WORDS_MAX];

    s->has_uptime =
        split(next_line(&text), words) >= 1 && str_to_double(words[0], &s->uptime_s) == 0;
}

/* ---- disks and file systems ---- */

/* Whole disks: sda, vda, nvme0n1, mmcblk0; not their partitions, nor loop, ram, zram, dm. */
static bool is_whole_disk(struct str name)
{
    char last = name.n > 0 ? name.p[name.n - 1] : '0';
    bool digit = last >= '0' && last <= '9';

    if (str_starts(name, STR("mmcblk")) || str_starts(name, STR("nvme")))
        return str_find(name, 'p') == name.n && str_find_str(name, STR("boot")) == name.n;
    if (str_starts(name, STR("sd")) || str_starts(name, STR("vd")) || str_starts(name, STR("hd")) ||
        str_starts(name, STR("xvd")))
        return !digit;
    return false;
}

void host_read_diskstats(struct host_sample *s, struct str text)
{
    while (text.p && s->disk_count < HOST_DISKS_MAX) {
        struct str words[WORDS_MAX];
        struct host_disk *d = &s->disks[s->disk_count];
        uint64_t read, written;

        /* Sectors here are always 512 bytes, whatever the disk's are (iostats.rst). */
        if (split(next_line(&text), words) < 10 || !is_whole_disk(words[2]) ||
            !number(words[5], &read) || !number(words[9], &written) ||
            !copy_name(d->name, words[2]))
            continue;
        d->read_bytes = read * 512;
        d->written_bytes = written * 512;
        s->disk_count++;
    }
}

void host_read_mounts(struct host_sample *s, struct str text)
{
    static const char *const real[] = { "ext2", "ext3", "ext4", "xfs",   "btrfs",  "f2fs",
                                        "vfat", "ntfs", "zfs",  "exfat", "overlay" };
    struct str seen[HOST_DISKS_MAX];

    while (text.p && s->mount_count < HOST_DISKS_MAX) {
        struct str words[WORDS_MAX];
        struct host_mount *m = &s->mounts[s->mount_count];
        bool good = false;

        /* A backslash is an escaped space or the like; such a path, and one that would end a
         * label, is left out. */
        if (split(next_line(&text), words) < 4 || words[1].n >= sizeof(m->path) ||
            str_find(words[1], '\\') < words[1].n || str_find(words[1], '"') < words[1].n)
            continue;
        for (size_t i = 0; i < COUNT_OF(real); i++)
            good |= str_eq(words[2], str_of(real[i]));
        for (unsigned i = 0; i < s->mount_count; i++)
            good &= !str_eq(seen[i], words[0]);
        if (!good)
            continue;
        memcpy(m->path, words[1].p, words[1].n);
        m->path[words[1].n] = '\0';
        seen[s->mount_count++] = words[0];
    }
}

/* ---- network ---- */

void host_read_net_dev(struct host_sample *s, struct str text)
{
    while (text.p && s->net_count < HOST_NETS_MAX) {
        struct str words[WORDS_MAX], line = next_line(&text);
        size_t colon = str_find(line, ':');
        struct host_net *n = &s->nets[s->net_count];
        struct str name = str_trim(str_sub(line, 0, colon));

        /* veth: a container's cable, of a new name each time; its bridge has the bytes too. */
        if (colon == line.n || str_eq(name, STR("lo")) || str_starts(name, STR("veth")) ||
            split(str_skip(line, colon + 1), words) < 16 || !copy_name(n->name, name))
            continue;
        if (number(words[0], &n->rx_bytes) && number(words[1], &n->rx_packets) &&
            number(words[2], &n->rx_errors) && number(words[8], &n->tx_bytes) &&
            number(words[9], &n->tx_packets) && number(words[10], &n->tx_errors)) {
            memcpy(n->system_name, name.p, name.n);
            n->system_name[name.n] = '\0';
            n->link = HOST_LINK_UNKNOWN;
            s->net_count++;
        }
    }
}

void host_read_operstate(struct host_net *n, struct str text)
{
    struct str word = str_trim(next_line(&text));

    if (str_eq(word, STR("up")))
        n->link = HOST_LINK_UP;
    else if (str_eq(word, STR("down")) || str_eq(word, STR("lowerlayerdown")) ||
             str_eq(word, STR("dormant")) || str_eq(word, STR("notpresent")))
        n->link = HOST_LINK_DOWN; /* else "unknown" (tunnels) or "testing" */
}

/* ---- temperature, throttling ---- */

void host_read_temp(struct host_sample *s, struct str name, struct str text)
{
    struct host_temp *t = &s->temps[s->temp_count];
    int64_t milli;
    char kept[HOST_NAME_MAX];

    if (s->temp_count == HOST_TEMPS_MAX || str_to_i64(str_trim(next_line(&text)), &milli))
        return;
    /* Beyond this no sensor is right, and some report such numbers while they are off. */
    if (milli < -100000 || milli > 200000 || !copy_name(kept, str_trim(name)))
        return;
    memcpy(t->name, kept, sizeof(kept));
    t->celsius = (double)milli / 1000;
    for (unsigned i = 0; i < s->temp_count; i++)
        if (strcmp(s->temps[i].name, t->name) == 0)
            return; /* two of one name: the first counts */
    s->temp_count++;
}

void host_read_throttled(struct host_sample *s, struct str text)
{
    struct str word = str_trim(next_line(&text));
    uint64_t bits;

    if (str_starts(word, STR("0x")))
        word = str_skip(word, 2);
    if (str_to_hex(word, &bits) || bits > UINT32_MAX)
        return;
    s->throttled = (unsigned)bits;
    s->has_throttled = true;
}
