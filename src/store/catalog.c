/*
 * Devices and streams by name, for the writers: a record carries names, a row carries numbers, and
 * asking the tables for each record would cost more than the row itself. Neighbours are mostly of one
 * stream, so the last one is compared before the map is asked.
 *
 * Invariants: what is in the maps is in the tables or in the transaction that is open; a changed entry
 * is on its list exactly once; after catalog_forget() nothing is remembered.
 */
#include "store/catalog.h"

#include "base/mem.h"

#include <assert.h>

#define ENTRIES_MAX 50000
#define KEY_MAX     (RECORD_DEVICE_MAX + RECORD_STREAM_MAX + 2)

void catalog_init(struct catalog *c)
{
    *c = (struct catalog){ 0 };
    map_init(&c->devices);
    map_init(&c->streams);
}

static void release_stream(void *value)
{
    struct catalog_stream *s = value;

    fields_fini(&s->fields);
    mem_free(s);
}

void catalog_forget(struct catalog *c)
{
    map_empty(&c->streams, release_stream);
    map_empty(&c->devices, mem_free);
    c->changed_devices = NULL;
    c->changed_streams = c->last = NULL;
}

void catalog_fini(struct catalog *c)
{
    catalog_forget(c);
    map_fini(&c->devices);
    map_fini(&c->streams);
}

bool catalog_full(const struct catalog *c)
{
    return c->devices.count + c->streams.count > ENTRIES_MAX;
}

struct catalog_device *catalog_find_device(const struct catalog *c, struct str name)
{
    return map_get(&c->devices, name);
}

struct catalog_device *catalog_add_device(struct catalog *c, struct str name, int64_t id,
                                          int64_t last_wall_ns)
{
    struct catalog_device *d = mem_new(sizeof(*d) + name.n + 1);

    memcpy(d + 1, name.p, name.n);
    d->name = str_from(d + 1, name.n);
    d->id = id;
    d->last_wall_ns = last_wall_ns;
    map_put(&c->devices, d->name, d);
    return d;
}

static struct str stream_key(const struct record *r, char key[KEY_MAX])
{
    assert(r->device.n <= RECORD_DEVICE_MAX && r->stream.n <= RECORD_STREAM_MAX);
    memcpy(key, r->device.p, r->device.n);
    key[r->device.n] = '\0';
    key[r->device.n + 1] = (char)r->kind;
    memcpy(key + r->device.n + 2, r->stream.p, r->stream.n);
    return str_from(key, r->device.n + 2 + r->stream.n);
}

struct catalog_stream *catalog_find_stream(struct catalog *c, const struct record *r)
{
    char text[KEY_MAX];
    struct str key = stream_key(r, text);
    struct catalog_stream *s = c->last;

    if (!s || !str_eq(s->key, key))
        s = map_get(&c->streams, key);
    if (s)
        c->last = s;
    return s;
}

struct catalog_stream *catalog_add_stream(struct catalog *c, const struct record *r,
                                          struct catalog_device *device, int64_t id,
                                          int64_t last_wall_ns)
{
    char text[KEY_MAX];
    struct str key = stream_key(r, text);
    struct catalog_stream *s = mem_new(sizeof(*s) + key.n);

    memcpy(s + 1, key.p, key.n);
    s->key = str_from(s + 1, key.n);
    s->device = device;
    s->id = id;
    s->last_wall_ns = last_wall_ns;
    map_put(&c->streams, s->key, s);
    c->last = s;
    return s;
}

void catalog_touch(struct catalog *c, struct catalog_stream *s)
{
    struct catalog_device *d = s->device;

    if (!s->changed) {
        s->changed = true;
        s->next_changed = c->changed_streams;
        c->changed_streams = s;
    }
    if (!d->changed) {
        d->changed = true;
        d->next_changed = c->changed_devices;
        c->changed_devices = d;
    }
    if (s->last_wall_ns > d->last_wall_ns)
        d->last_wall_ns = s->last_wall_ns;
}
