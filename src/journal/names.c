/*
 * Refs and their meanings. The key of a name is its FRAME_NAME payload, so that two names are equal
 * exactly when their frames are; the key of an origin is its FRAME_UUID payload. A ref never changes its meaning
 * within one table: a frame that says otherwise is refused.
 */
#include "journal/names.h"

#include "base/mem.h"

#include <assert.h>

#define KEY_MAX (FRAME_CONTEXT_MAX - FRAME_HEAD_SIZE)

void names_init(struct names *n)
{
    *n = (struct names){ 0 };
    map_init(&n->by_key);
}

void names_fini(struct names *n)
{
    for (size_t i = 0; i < n->cap; i++)
        mem_free(n->by_ref[i]);
    mem_free(n->by_ref);
    map_fini(&n->by_key);
    *n = (struct names){ 0 };
}

/* The payload of the FRAME_NAME that r needs. Returns its length. */
static size_t key_make(const struct record *r, char key[KEY_MAX])
{
    size_t at = 0;

    assert(r->device.n <= RECORD_DEVICE_MAX && r->stream.n <= RECORD_STREAM_MAX &&
           r->content_type.n <= RECORD_CONTENT_MAX);
    key[at++] = (char)r->kind;
    key[at++] = (char)r->device.n;
    key[at++] = (char)r->stream.n;
    key[at++] = (char)r->content_type.n;
    memcpy(key + at, r->boot.b, sizeof(r->boot.b));
    at += sizeof(r->boot.b);
    memcpy(key + at, r->device.p, r->device.n);
    at += r->device.n;
    memcpy(key + at, r->stream.p, r->stream.n);
    at += r->stream.n;
    if (r->content_type.n > 0)
        memcpy(key + at, r->content_type.p, r->content_type.n);
    return at + r->content_type.n;
}

static struct name *put(struct names *n, struct str key, uint16_t ref)
{
    struct name *name = mem_new(sizeof(*name) + key.n);
    size_t cap = n->cap;

    if (ref > n->cap) {
        cap = cap ? cap : 16;
        while (cap < ref)
            cap *= 2;
        n->by_ref = mem_resize(n->by_ref, cap * sizeof(struct name *));
        memset(n->by_ref + n->cap, 0, (cap - n->cap) * sizeof(struct name *));
        n->cap = cap;
    }
    assert(!n->by_ref[ref - 1]);
    memcpy(name->key, key.p, key.n);
    name->key_n = key.n;
    name->ref = ref;
    n->by_ref[ref - 1] = name;
    n->count++;
    if (ref > n->next)
        n->next = ref;
    return name;
}

struct name *names_find(const struct names *n, const struct record *r)
{
    char key[KEY_MAX];

    return map_get(&n->by_key, str_from(key, key_make(r, key)));
}

struct name *names_find_uuid(const struct names *n, const struct uuid *u, uint64_t epoch)
{
    char key[FRAME_UUID_SIZE];

    frame_write_uuid(key, u, epoch);
    return map_get(&n->by_key, str_from(key, sizeof(key)));
}

static struct name *add(struct names *n, struct str key)
{
    struct name *name;

    if (n->next >= NAMES_MAX)
        return NULL;
    name = put(n, key, (uint16_t)(n->next + 1));
    map_put(&n->by_key, str_from(name->key, name->key_n), name);
    return name;
}

struct name *names_add(struct names *n, const struct record *r)
{
    char key[KEY_MAX];

    return add(n, str_from(key, key_make(r, key)));
}

struct name *names_add_uuid(struct names *n, const struct uuid *u, uint64_t epoch)
{
    char key[FRAME_UUID_SIZE];

    frame_write_uuid(key, u, epoch);
    return add(n, str_from(key, sizeof(key)));
}

int names_learn(struct names *n, const struct frame *f, struct wire_why *why)
{
    const struct name *known = names_get(n, f->ref);
    struct frame_name is = { 0 };
    struct name *name;
    int rc;

    if (f->type == FRAME_NAME) {
        rc = frame_read_name(f->payload, &is, why);
        if (rc < 0)
            return rc;
    } else if (f->payload.n != FRAME_UUID_SIZE) {
        return wire_refuse(why, ERR_CORRUPT, 0, "an origin that is no uuid with its epoch");
    }
    if (known) {
        if (str_eq(str_from(known->key, known->key_n), f->payload))
            return 0;
        wire_refuse(why, ERR_EXISTS, 0, "a ref with two meanings");
        return ERR_EXISTS;
    }
    name = put(n, f->payload, f->ref);
    if (f->type == FRAME_UUID)
        return 0;
    return frame_read_name(str_from(name->key, name->key_n), &name->is, why);
}

const struct name *names_get(const struct names *n, uint16_t ref)
{
    return ref == 0 || ref > n->cap ? NULL : n->by_ref[ref - 1];
}

int names_get_uuid(const struct names *n, uint16_t ref, struct uuid *out, uint64_t *out_epoch)
{
    const struct name *name = names_get(n, ref);

    if (!name || name->is.kind)
        return ERR_UNKNOWN;
    return frame_read_uuid(str_from(name->key, name->key_n), out, out_epoch);
}

void names_write(struct buf *out, uint32_t seed, const struct name *name, bool for_uuid,
                 uint64_t seq, uint8_t flags)
{
    struct frame f = { 0 };

    f.type = for_uuid ? FRAME_UUID : FRAME_NAME;
    f.flags = flags;
    f.ref = name->ref;
    f.seq = seq;
    f.payload = str_from(name->key, name->key_n);
    frame_write(out, seed, &f);
}
