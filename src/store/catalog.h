#ifndef STORE_CATALOG_H
#define STORE_CATALOG_H
/*
 * A writer's memory of devices and streams: which number each has in the tables, and what the open
 * transaction changes about them. Pure; one thread. The engine asks the tables for what is not here
 * yet, adds it, and writes what was touched at the end of its transaction. After one that was rolled
 * back the memory is worth nothing: catalog_forget().
 */
#include "base/map.h"
#include "journal/record.h"
#include "store/fields.h"

struct catalog_device {
    int64_t id, last_wall_ns;
    int64_t journal; /* of its last record */
    struct catalog_device *next_changed;
    bool changed;
    struct str name;
};
struct catalog_stream {
    int64_t id, last_wall_ns;
    uint64_t added; /* rows in this transaction */
    struct catalog_device *device;
    struct fields fields;
    bool fields_changed, changed;
    struct catalog_stream *next_changed;
    struct str key; /* device, zero, kind, name */
};
struct catalog {
    struct map devices, streams;
    struct catalog_device *changed_devices;
    struct catalog_stream *changed_streams, *last;
};

void catalog_init(struct catalog *c);
void catalog_fini(struct catalog *c);
void catalog_forget(struct catalog *c);
/* There are too many to keep; after a commit all may be forgotten. */
bool catalog_full(const struct catalog *c);

/* NULL: it is not remembered. */
struct catalog_device *catalog_find_device(const struct catalog *c, struct str name);
struct catalog_stream *catalog_find_stream(struct catalog *c, const struct record *r);
/* It is not remembered yet, and in the tables by this number. The names are copied. */
struct catalog_device *catalog_add_device(struct catalog *c, struct str name, int64_t id,
                                          int64_t last_wall_ns);
struct catalog_stream *catalog_add_stream(struct catalog *c, const struct record *r,
                                          struct catalog_device *device, int64_t id,
                                          int64_t last_wall_ns);
/* Puts the stream and its device on the lists of what has changed, where they are not yet, and hands
 * the stream's time on to its device. */
void catalog_touch(struct catalog *c, struct catalog_stream *s);

#endif
