/*
 * CRC-32C run backwards: from a frame's checksum over its bytes to the seed that it was begun with.
 *
 * Reading must stay cheap whatever is in a payload: a place is looked at closely only when another
 * frame could begin where it ends, and when that has cost SEARCH_BYTES only short frames are tried.
 */
#include "journal/seed.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/rd.h"

#include <stdlib.h>

#define POLYNOMIAL   0x82f63b78u /* of CRC-32C, bits reversed (RFC 3720, B.4) */
#define SEARCH_BYTES MIB(256)
#define SEARCH_SHORT KIB(4)

struct back {
    uint32_t table[256];
    uint8_t by_top[256]; /* which entry has this top byte: each has another */
    uint64_t cost;
};

static void back_init(struct back *b)
{
    b->cost = 0;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;

        for (int bit = 0; bit < 8; bit++)
            v = v >> 1 ^ (v & 1 ? POLYNOMIAL : 0);
        b->table[i] = v;
        b->by_top[v >> 24] = (uint8_t)i;
    }
}

/* The crc from which `crc` comes over s. */
static uint32_t crc_back(const struct back *b, uint32_t crc, struct str s)
{
    uint32_t v = ~crc;

    for (size_t i = s.n; i-- > 0;) {
        uint8_t at = b->by_top[v >> 24];

        v = (v ^ b->table[at]) << 8 | (uint8_t)(at ^ (unsigned char)s.p[i]);
    }
    return ~v;
}

/* Length of the frame that could be at the start of in; 0: none could. */
static size_t could_be(struct str in)
{
    struct rd r = rd_init(str_skip(in, 4));
    uint32_t length = rd_le32(&r);

    if (in.n < FRAME_HEAD_SIZE || !frame_plausible(in) || length > in.n - FRAME_HEAD_SIZE)
        return 0;
    return FRAME_HEAD_SIZE + length;
}

static uint32_t seed_of(struct back *b, struct str frame)
{
    struct rd r = rd_init(str_skip(frame, 8));
    uint32_t crc = rd_le32(&r);

    b->cost += frame.n;
    crc = crc_back(b, crc, str_skip(frame, 12));
    return crc_back(b, crc, str_sub(frame, 0, 8));
}

static void vote(struct seed_search *s, uint32_t seed, uint64_t frames, uint64_t bytes)
{
    size_t at = 0;

    while (at < s->count && s->rows[at].seed != seed)
        at++;
    if (at == SEEDS_MAX) {
        /* Full: the one with the least goes, if this has more. */
        for (size_t i = at = 0; i < s->count; i++)
            if (s->rows[i].bytes < s->rows[at].bytes)
                at = i;
        if (s->rows[at].bytes >= bytes)
            return;
        s->rows[at] = (struct seed_row){ .seed = seed };
    } else if (at == s->count) {
        s->rows[s->count++] = (struct seed_row){ .seed = seed };
    }
    s->rows[at].frames += frames;
    s->rows[at].bytes += bytes;
}

/* Frames in a row from the start of in that agree with the first. */
static uint64_t run(struct back *b, struct str in, size_t n, uint32_t *out_seed, size_t *out_used)
{
    uint64_t frames = 0;
    size_t used = 0;

    while (n > 0) {
        uint32_t seed = seed_of(b, str_sub(in, used, n));

        if (frames > 0 && seed != *out_seed)
            break;
        *out_seed = seed;
        frames++;
        used += n;
        n = could_be(str_skip(in, used));
    }
    *out_used = used;
    return frames;
}

static int most_first(const void *a, const void *b)
{
    const struct seed_row *x = a, *y = b;

    return x->bytes > y->bytes ? -1 : x->bytes < y->bytes;
}

void seed_search(struct seed_search *s, struct str in)
{
    struct back b;
    size_t at = frame_search(in, 0);

    back_init(&b);
    s->count = 0;
    while (at < in.n) {
        struct str left = str_skip(in, at);
        size_t n = could_be(left), used = 0;
        uint64_t frames = 0;
        uint32_t seed = 0;

        if (n > 0 && could_be(str_skip(left, n)) > 0 &&
            (b.cost < SEARCH_BYTES || n <= SEARCH_SHORT))
            frames = run(&b, left, n, &seed, &used);
        if (frames >= SEED_FRAMES)
            vote(s, seed, frames, used);
        at = frame_search(in, at + (frames >= SEED_FRAMES ? used : 1));
    }
    if (s->count > 0)
        qsort(s->rows, s->count, sizeof(s->rows[0]), most_first);
}

uint32_t seed_base(uint32_t seed, uint64_t generation)
{
    /* A crc is linear: what the generation does to it does not depend on uuid and key. */
    const struct segment_id none = { 0 }, with = { .generation = generation };

    return seed ^ segment_seed(&none) ^ segment_seed(&with);
}

/* ---- whose ---- */

#define REFS 65536

enum { DEFINED = 1, NEEDED = 2 };

struct origins {
    uint8_t *state; /* by ref */
    struct uuid *uuids;
};

static void note(struct origins *o, const struct frame *f)
{
    struct uuid u;
    uint64_t epoch;

    if (f->type == FRAME_UUID && frame_read_uuid(f->payload, &u, &epoch) == 0) {
        o->uuids[f->ref] = u;
        o->state[f->ref] |= DEFINED;
    }
    if (frame_is_record(f->type) && (f->flags & FRAME_ORIGIN))
        o->state[f->origin] |= NEEDED;
}

/* The one origin that no record needs, or the likely one among them. */
static int pick(const struct origins *o, const struct uuid *likely, struct uuid *out)
{
    const struct uuid *one = NULL;
    bool several = false;

    for (size_t ref = 1; ref < REFS; ref++) {
        if (o->state[ref] != DEFINED)
            continue;
        if (uuid_eq(&o->uuids[ref], likely)) {
            *out = *likely;
            return 0;
        }
        /* Another start of the same journal is no other. */
        several |= one && !uuid_eq(one, &o->uuids[ref]);
        one = &o->uuids[ref];
    }
    if (!one || several)
        return ERR_UNKNOWN;
    *out = *one;
    return 0;
}

int seed_journal(uint32_t seed, struct str in, const struct uuid *likely, struct uuid *out)
{
    struct origins o = { mem_new(REFS), mem_new_array(REFS, sizeof(struct uuid)) };
    size_t at = frame_search(in, 0);
    int rc;

    while (at < in.n) {
        struct frame f;
        size_t used = 0;

        if (frame_read(str_skip(in, at), seed, &f, &used, NULL) == 0)
            note(&o, &f);
        at = frame_search(in, at + (used > 0 ? used : 1));
    }
    rc = pick(&o, likely, out);
    mem_free(o.state);
    mem_free(o.uuids);
    return rc;
}
