/*
 * Walks the journal as a sink would (journal/verify.h) and counts. The node is not asked, so that
 * looking at a backlog of a million records costs it nothing.
 */
#include "cli/backlog_io.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/rfc3339.h"
#include "journal/verify.h"

struct device {
    uint64_t records, gaps, lost;
    int64_t oldest_ns;
    char name[RECORD_DEVICE_MAX + 1];
};
struct count {
    uint64_t after_seq;
    struct map devices;
    struct device gaps; /* they name no device */
};

static struct device *device_of(struct count *c, struct str name)
{
    struct device *d = map_get(&c->devices, name);

    if (!d) {
        d = NEW(struct device);
        memcpy(d->name, name.p, name.n);
        map_put(&c->devices, str_from(d->name, name.n), d);
    }
    return d;
}

static bool on_record(void *ctx, const struct record *r)
{
    struct count *c = ctx;
    struct device *d;

    if (r->seq <= c->after_seq)
        return true;
    if (r->kind == RECORD_GAP) {
        c->gaps.gaps++;
        c->gaps.lost += r->origin_seq - r->first + 1;
    }
    if (!record_is_data(r))
        return true;
    d = device_of(c, r->device);
    if (d->records++ == 0 || r->wall_ns < d->oldest_ns)
        d->oldest_ns = r->wall_ns;
    return true;
}

int backlog_show(const char *dir, uint64_t after_seq, struct buf *out)
{
    struct count c = { .after_seq = after_seq };
    struct verify_visitor v = { .ctx = &c, .on_record = on_record };
    struct verify_summary sum;
    struct fault f = { 0 };
    struct disk *disk = NULL;
    struct map_entry *e;
    char when[RFC3339_SIZE];
    size_t at = 0;
    int rc = disk_open(dir, false, &disk, &f);

    if (rc < 0)
        return rc;
    map_init(&c.devices);
    rc = verify_journal(disk, &v, &sum);
    disk->ops->free(disk);
    if (rc == 0 && c.devices.count > 0)
        buf_printf(out, "\n%-32s %10s  %s\n", "DEVICE", "WAITING", "OLDEST");
    while ((e = map_next(&c.devices, &at))) {
        struct device *d = e->value;

        if (rc == 0) {
            rfc3339_format(d->oldest_ns, when);
            buf_printf(out, "%-32s %10llu  %s\n", d->name, (unsigned long long)d->records, when);
        }
        mem_free(d);
    }
    if (rc == 0 && c.gaps.gaps > 0)
        buf_printf(out, "%llu gaps among them, %llu records lost\n",
                   (unsigned long long)c.gaps.gaps, (unsigned long long)c.gaps.lost);
    map_fini(&c.devices);
    return rc;
}
