/* A stream is (kind, device, stream); its newest record is that with the highest number. */
#include "edge/tail.h"

#include "base/mem.h"

#define KEY_MAX (1 + RECORD_DEVICE_MAX + 1 + RECORD_STREAM_MAX)

void tail_init(struct tail *t)
{
    *t = (struct tail){ 0 };
    map_init(&t->newest);
    t->seqs = mem_new_array(TAIL_STREAMS_MAX, sizeof(*t->seqs));
}

void tail_fini(struct tail *t)
{
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(&t->newest, &at)))
        mem_free((char *)(uintptr_t)e->key);
    map_fini(&t->newest);
    mem_free(t->seqs);
}

static struct str key_of(const struct record *r, char key[KEY_MAX])
{
    size_t n = 0;

    key[n++] = (char)r->kind;
    memcpy(key + n, r->device.p, r->device.n);
    n += r->device.n;
    key[n++] = '/';
    memcpy(key + n, r->stream.p, r->stream.n);
    return str_from(key, n + r->stream.n);
}

void tail_note(struct tail *t, const struct record *r)
{
    char bytes[KEY_MAX];
    uint64_t *seq;
    struct str key;

    if (!record_is_data(r))
        return;
    key = key_of(r, bytes);
    seq = map_get(&t->newest, key);
    if (!seq) {
        if (t->count == TAIL_STREAMS_MAX)
            return;
        seq = &t->seqs[t->count++];
        map_put(&t->newest, str_from(mem_dup(key.p, key.n), key.n), seq);
    }
    *seq = r->seq;
}

bool tail_is_newest(const struct tail *t, const struct record *r)
{
    char bytes[KEY_MAX];
    const uint64_t *seq = record_is_data(r) ? map_get(&t->newest, key_of(r, bytes)) : NULL;

    return seq && *seq == r->seq;
}
