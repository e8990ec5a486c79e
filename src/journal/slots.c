/*
 * Two sectors, the one with the higher counter counts. Layout, little-endian: magic "wayslot\n" |
 * counter u64 | uuid 16 | five u64 | zeros | crc u32 over all before it. A sector is what a disk
 * writes whole; where it does not, the crc says so and the other slot, at most one write older,
 * is taken.
 */
#include "journal/slots.h"

#include "base/crc32c.h"
#include "base/rd.h"

#define MAGIC STR("wayslot\n")

static int read_one(struct str in, struct slot *out)
{
    struct rd r = rd_init(in), end = rd_init(str_skip(in, SLOT_SIZE - 4));
    struct slot s = { 0 };
    struct str magic = rd_bytes(&r, 8), uuid;

    s.counter = rd_le64(&r);
    uuid = rd_bytes(&r, sizeof(s.journal.b));
    s.a = rd_le64(&r);
    s.b = rd_le64(&r);
    s.c = rd_le64(&r);
    s.d = rd_le64(&r);
    s.e = rd_le64(&r);
    if (in.n != SLOT_SIZE || !str_eq(magic, MAGIC) ||
        rd_le32(&end) != crc32c(0, str_sub(in, 0, SLOT_SIZE - 4)))
        return ERR_CORRUPT;
    memcpy(s.journal.b, uuid.p, uuid.n);
    *out = s;
    return 0;
}

int slots_read(struct str in, struct slot *out)
{
    struct slot s[2] = { { 0 }, { 0 } };
    int rc0 = read_one(str_sub(in, 0, SLOT_SIZE), &s[0]);
    int rc1 = read_one(str_sub(in, SLOT_SIZE, SLOT_SIZE), &s[1]);

    if (rc0 < 0 && rc1 < 0)
        return ERR_CORRUPT;
    *out = rc1 < 0 || (rc0 == 0 && s[0].counter > s[1].counter) ? s[0] : s[1];
    return 0;
}

void slots_write(struct buf *out, const struct slot *s)
{
    static const char zeros[SLOT_SIZE];
    size_t start = out->n;

    if (!buf_reserve(out, SLOT_SIZE))
        return;
    buf_put(out, MAGIC);
    buf_le64(out, s->counter);
    buf_put_bytes(out, s->journal.b, sizeof(s->journal.b));
    buf_le64(out, s->a);
    buf_le64(out, s->b);
    buf_le64(out, s->c);
    buf_le64(out, s->d);
    buf_le64(out, s->e);
    buf_put_bytes(out, zeros, SLOT_SIZE - 4 - (out->n - start));
    buf_le32(out, crc32c(0, str_from(out->p + start, SLOT_SIZE - 4)));
}
