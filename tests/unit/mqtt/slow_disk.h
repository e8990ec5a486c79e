#ifndef UNIT_MQTT_SLOW_DISK_H
#define UNIT_MQTT_SLOW_DISK_H
/* A broker on a disk that takes its time, so that what waits for it can be met on its way. */
#include "broker_rig.h"

#include "journal/journal.h"

#include <ftw.h>
#include <stdlib.h>

struct slow_disk {
    char dir[40];
    struct journal *journal;
    struct rig r; /* fill r.limits before slow_disk_start() */
};

static inline void slow_disk_init(struct slow_disk *d)
{
    *d = (struct slow_disk){ .dir = "/tmp/wayside-slow-disk-XXXXXX" };
    assert_non_null(mkdtemp(d->dir));
    rig_init(&d->r);
}

/* What is written is there window_ms later. */
static inline void slow_disk_start(struct slow_disk *d, unsigned workers, unsigned window_ms)
{
    struct journal_options o = journal_options_default();
    struct fault f = { 0 };
    char path[60];

    snprintf(path, sizeof(path), "%s/j", d->dir);
    o.free_floor_bytes = 0;
    o.flush_window_ms = window_ms;
    assert_int_equal(journal_open(path, &o, &d->r.limits, NULL, NULL, &d->journal, &f), 0);
    d->r.o.journal = d->journal;
    d->r.prepare = broker_restore;
    rig_start(&d->r, workers);
}

static inline int slow_disk_remove_one(const char *path, const struct stat *st, int type,
                                       struct FTW *w)
{
    (void)st, (void)type, (void)w;
    return remove(path);
}

static inline void slow_disk_stop(struct slow_disk *d)
{
    rig_stop(&d->r);
    journal_close(d->journal);
    nftw(d->dir, slow_disk_remove_one, 10, FTW_DEPTH | FTW_PHYS);
}

#endif
