/*
 * Reader and writer of frames, side by side; for segments and for uplink batches. A frame is
 * taken whole or not at all: length, type and flags are checked before the crc, so that a damaged
 * length costs nothing, and nothing of a frame is used before its crc is right.
 */
#include "journal/frame.h"

#include "base/crc32c.h"
#include "base/rd.h"

#include <assert.h>
#include <endian.h>

#define NAME_FIXED 20u /* kind, three lengths, boot */

static uint32_t frame_crc(uint32_t seed, const char *p, size_t n)
{
    uint32_t crc = crc32c(seed, (struct str){ p, 8 });

    return crc32c(crc, (struct str){ p + 12, n - 12 });
}

/* How much stands between head and payload. */
static uint32_t extra(uint8_t flags)
{
    return ((flags & FRAME_ORIGIN) ? FRAME_ORIGIN_SIZE : 0) +
           ((flags & FRAME_ID) ? FRAME_ID_SIZE : 0) +
           ((flags & FRAME_CORRECTED) ? FRAME_SENT_SIZE : 0);
}

static bool shape_valid(uint8_t type, uint8_t flags, uint16_t ref, uint32_t length)
{
    const uint8_t always = FRAME_ORIGIN | FRAME_COMMITTED;
    const uint8_t of_records = FRAME_ID | FRAME_ARRIVAL | FRAME_CORRECTED;

    if (type < FRAME_RECORD || type > FRAME_MARK)
        return false;
    if ((flags & ~(type == FRAME_RECORD ? always | of_records : always)) != 0)
        return false;
    if (length > FRAME_BODY_MAX || length < extra(flags))
        return false;
    if (type == FRAME_MARK)
        return ref == 0 && (flags & FRAME_ORIGIN) && length == FRAME_ORIGIN_SIZE;
    if (type == FRAME_GAP)
        return ref == 0 && (flags & FRAME_ORIGIN) && length >= FRAME_ORIGIN_SIZE + 8;
    if (type != FRAME_RECORD && (flags & FRAME_ORIGIN))
        return false;
    return ref != 0;
}

bool frame_plausible(struct str in)
{
    struct rd r = rd_init(in);
    uint32_t magic = rd_le32(&r), length = rd_le32(&r);
    uint8_t type, flags;
    uint16_t ref;

    rd_skip(&r, 4);
    type = rd_u8(&r);
    flags = rd_u8(&r);
    ref = rd_le16(&r);
    return !r.bad && magic == FRAME_MAGIC && shape_valid(type, flags, ref, length);
}

int frame_read(struct str in, uint32_t seed, struct frame *out, size_t *out_used,
               struct wire_why *why)
{
    struct rd r = rd_init(in);
    struct frame f = { 0 };
    uint32_t magic, length, crc;

    if (in.n < FRAME_HEAD_SIZE)
        return ERR_MORE;
    magic = rd_le32(&r);
    length = rd_le32(&r);
    crc = rd_le32(&r);
    f.type = rd_u8(&r);
    f.flags = rd_u8(&r);
    f.ref = rd_le16(&r);
    f.seq = rd_le64(&r);
    f.wall_ns = (int64_t)rd_le64(&r);
    f.uptime_ns = rd_le64(&r);
    if (magic != FRAME_MAGIC)
        return wire_refuse(why, ERR_CORRUPT, 0, "no frame starts here");
    if (!shape_valid(f.type, f.flags, f.ref, length))
        return wire_refuse(why, ERR_CORRUPT, 12, "type, flags, ref and length do not fit together");
    if (length > in.n - FRAME_HEAD_SIZE)
        return ERR_MORE;
    if (frame_crc(seed, in.p, FRAME_HEAD_SIZE + length) != crc)
        return wire_refuse(why, ERR_CORRUPT, 8, "checksum is wrong");
    if (f.flags & FRAME_ORIGIN) {
        f.origin = rd_le16(&r);
        f.origin_seq = rd_le64(&r);
        if (f.origin == 0)
            return wire_refuse(why, ERR_VALUE, r.at, "origin 0");
    }
    if (f.flags & FRAME_ID)
        memcpy(f.id.b, rd_bytes(&r, FRAME_ID_SIZE).p, FRAME_ID_SIZE); /* shape_valid: it is there */
    if (f.flags & FRAME_CORRECTED)
        f.sent_ns = (int64_t)rd_le64(&r);
    f.payload = rd_bytes(&r, length - extra(f.flags));
    *out = f;
    *out_used = r.at;
    return 0;
}

size_t frame_size(const struct frame *f)
{
    return FRAME_HEAD_SIZE + extra(f->flags) + f->payload.n;
}

void frame_write(struct buf *out, uint32_t seed, const struct frame *f)
{
    size_t n = frame_size(f), start = out->n;
    uint32_t crc;

    assert(n - FRAME_HEAD_SIZE <= FRAME_BODY_MAX);
    assert(shape_valid(f->type, f->flags, f->ref, (uint32_t)(n - FRAME_HEAD_SIZE)));
    if (!buf_reserve(out, n))
        return;
    buf_le32(out, FRAME_MAGIC);
    buf_le32(out, (uint32_t)(n - FRAME_HEAD_SIZE));
    buf_le32(out, 0);
    buf_u8(out, f->type);
    buf_u8(out, f->flags);
    buf_le16(out, f->ref);
    buf_le64(out, f->seq);
    buf_le64(out, (uint64_t)f->wall_ns);
    buf_le64(out, f->uptime_ns);
    if (f->flags & FRAME_ORIGIN) {
        buf_le16(out, f->origin);
        buf_le64(out, f->origin_seq);
    }
    if (f->flags & FRAME_ID)
        buf_put_bytes(out, f->id.b, FRAME_ID_SIZE);
    if (f->flags & FRAME_CORRECTED)
        buf_le64(out, (uint64_t)f->sent_ns);
    buf_put(out, f->payload);
    crc = htole32(frame_crc(seed, out->p + start, n));
    memcpy(out->p + start + 8, &crc, sizeof(crc));
}

void frame_of_record(const struct record *r, char room[8 + FRAME_GAP_REASON_MAX], struct frame *out)
{
    struct frame f = { .type = FRAME_RECORD,
                       .seq = r->seq,
                       .wall_ns = r->wall_ns,
                       .uptime_ns = r->uptime_ns,
                       .payload = r->payload };
    uint64_t first = htole64(r->first);

    if (r->kind == RECORD_MARK) {
        f.type = FRAME_MARK;
        *out = f;
        return;
    }
    if (r->kind == RECORD_GAP) {
        assert(r->payload.n <= FRAME_GAP_REASON_MAX);
        memcpy(room, &first, sizeof(first));
        if (r->payload.n > 0)
            memcpy(room + sizeof(first), r->payload.p, r->payload.n);
        f.type = FRAME_GAP;
        f.payload = str_from(room, sizeof(first) + r->payload.n);
        *out = f;
        return;
    }
    if (!uuid_is_zero(&r->id)) {
        f.flags |= FRAME_ID;
        f.id = r->id;
    }
    if (r->flags & RECORD_ARRIVAL)
        f.flags |= FRAME_ARRIVAL;
    if (r->flags & RECORD_CORRECTED) {
        f.flags |= FRAME_CORRECTED;
        f.sent_ns = r->sent_ns;
    }
    *out = f;
}

void frame_to_record(const struct frame *f, struct record *out)
{
    struct record r = { .seq = f->seq,
                        .wall_ns = f->wall_ns,
                        .sent_ns = f->sent_ns,
                        .uptime_ns = f->uptime_ns,
                        .id = f->id,
                        .origin_seq = (f->flags & FRAME_ORIGIN) ? f->origin_seq : f->seq,
                        .payload = f->payload };

    if (f->flags & FRAME_ARRIVAL)
        r.flags |= RECORD_ARRIVAL;
    if (f->flags & FRAME_CORRECTED)
        r.flags |= RECORD_CORRECTED;
    if (f->type == FRAME_MARK)
        r.kind = RECORD_MARK;
    if (f->type == FRAME_GAP) {
        struct rd rd = rd_init(f->payload);

        r.kind = RECORD_GAP;
        r.first = rd_le64(&rd);
        r.payload = rd_rest(&rd);
    }
    *out = r;
}

int frame_read_uuid(struct str payload, struct uuid *out, uint64_t *out_epoch)
{
    struct rd r = rd_init(payload);
    struct str uuid = rd_bytes(&r, sizeof(out->b));
    uint64_t epoch = rd_le64(&r);

    if (r.bad || rd_left(&r) > 0)
        return ERR_CORRUPT;
    memcpy(out->b, uuid.p, sizeof(out->b));
    *out_epoch = epoch;
    return 0;
}

void frame_write_uuid(char out[FRAME_UUID_SIZE], const struct uuid *u, uint64_t epoch)
{
    uint64_t le = htole64(epoch);

    memcpy(out, u->b, sizeof(u->b));
    memcpy(out + sizeof(u->b), &le, sizeof(le));
}

int frame_read_name(struct str payload, struct frame_name *out, struct wire_why *why)
{
    struct rd r = rd_init(payload);
    struct frame_name m = { 0 };
    uint8_t kind = rd_u8(&r), device_n = rd_u8(&r), stream_n = rd_u8(&r), content_n = rd_u8(&r);
    struct str boot = rd_bytes(&r, sizeof(m.boot.b));
    struct record check = { 0 };

    m.kind = (enum record_kind)kind;
    m.device = rd_bytes(&r, device_n);
    m.stream = rd_bytes(&r, stream_n);
    m.content_type = rd_bytes(&r, content_n);
    if (r.bad || rd_left(&r) > 0)
        return wire_refuse(why, ERR_CORRUPT, r.at, "a name of another length than it says");
    memcpy(m.boot.b, boot.p, sizeof(m.boot.b));
    check.kind = m.kind;
    check.device = m.device;
    check.stream = m.stream;
    check.content_type = m.content_type;
    if (m.kind == RECORD_GAP || record_check(&check, 0) < 0)
        return wire_refuse(why, ERR_VALUE, 0, "a name that is not allowed");
    *out = m;
    return 0;
}

void frame_write_name(struct buf *out, const struct frame_name *name)
{
    assert(name->device.n <= RECORD_DEVICE_MAX && name->stream.n <= RECORD_STREAM_MAX &&
           name->content_type.n <= RECORD_CONTENT_MAX);
    buf_u8(out, (uint8_t)name->kind);
    buf_u8(out, (uint8_t)name->device.n);
    buf_u8(out, (uint8_t)name->stream.n);
    buf_u8(out, (uint8_t)name->content_type.n);
    buf_put_bytes(out, name->boot.b, sizeof(name->boot.b));
    buf_put(out, name->device);
    buf_put(out, name->stream);
    buf_put(out, name->content_type);
}

size_t frame_search(struct str in, size_t from)
{
    const int first = FRAME_MAGIC & 0xff;
    const uint32_t magic = htole32(FRAME_MAGIC);

    while (from < in.n && in.n - from >= sizeof(magic)) {
        const char *p = memchr(in.p + from, first, in.n - from - sizeof(magic) + 1);

        if (!p)
            break;
        if (memcmp(p, &magic, sizeof(magic)) == 0)
            return (size_t)(p - in.p);
        from = (size_t)(p - in.p) + 1;
    }
    return in.n;
}
