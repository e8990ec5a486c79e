/*
 * One journal's records on their way to another node. For the uplink and for the hub that takes
 * them. The layout, little-endian:
 *
 *     0 magic "wsB\1" | 4 version u8 | 5 codec u8 | 6 zero u16 | 8 count u32 | 12 raw bytes u32 |
 *     16 journal uuid | 32 first seq u64 | 40 last seq u64 | 48 zero u32 | 52 crc u32 |
 *     56 sender: boot uuid | 72 uptime ns u64 | 80 wall ns i64 | 88 head seq u64 | 96 dropped u64 |
 *     104 epoch u64 | 112 epoch of the number before u64 | 120 frames
 *
 * crc is CRC-32C over all but itself, frames as they are carried. The frames are those of a
 * segment with the seed 0; each has its origin, the sending journal's own records too.
 *
 * The reader is strict, since a batch comes from another machine: a hole, a number out of order, a
 * name that is not used or defined twice, bytes behind the last frame, a size that is not as the
 * header says: all refused whole. Nothing is allocated before its size has passed the caps, and
 * decompression stops at the announced size.
 */
#include "journal/batch.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/rd.h"

#include <assert.h>
#include <endian.h>
#include <zstd.h>

#define MAGIC      STR("wsB\1")
#define ZSTD_LEVEL 3 /* the library's default: 200 B readings shrink to a quarter at 300 MB/s */

static uint32_t batch_crc(struct str whole)
{
    return crc32c(crc32c(0, str_sub(whole, 0, BATCH_CRC_AT)), str_skip(whole, BATCH_CRC_AT + 4));
}

static void read_sender(struct rd *r, struct batch_sender *out)
{
    struct str boot = rd_bytes(r, sizeof(out->boot.b));

    if (boot.p)
        memcpy(out->boot.b, boot.p, boot.n);
    out->uptime_ns = rd_le64(r);
    out->wall_ns = (int64_t)rd_le64(r);
    out->head_seq = rd_le64(r);
    out->dropped = rd_le64(r);
}

int batch_read_header(struct str in, struct batch_header *out, struct wire_why *why)
{
    struct rd r = rd_init(in);
    struct batch_header h = { 0 };
    struct str magic = rd_bytes(&r, 4), uuid;
    uint8_t version = rd_u8(&r), codec = rd_u8(&r);
    uint16_t zero = rd_le16(&r);

    h.count = rd_le32(&r);
    h.raw_bytes = rd_le32(&r);
    uuid = rd_bytes(&r, sizeof(h.journal.b));
    h.first_seq = rd_le64(&r);
    h.last_seq = rd_le64(&r);
    if (rd_le32(&r) != 0 || zero != 0)
        return wire_refuse(why, ERR_PROTO, 6, "reserved bytes are not zero");
    rd_skip(&r, 4);
    read_sender(&r, &h.sender);
    h.epoch = rd_le64(&r);
    h.before_epoch = rd_le64(&r);
    if (r.bad || !str_eq(magic, MAGIC))
        return wire_refuse(why, ERR_PROTO, 0, "not a batch");
    if (version != BATCH_VERSION)
        return wire_refuse(why, ERR_VERSION, 4, "a batch of another version");
    if (codec > BATCH_ZSTD)
        return wire_refuse(why, ERR_VERSION, 5, "an unknown codec");
    if (h.count == 0 || h.first_seq == 0 || h.first_seq > h.last_seq || h.last_seq == UINT64_MAX ||
        h.sender.head_seq < h.last_seq)
        return wire_refuse(why, ERR_PROTO, 8, "count and sequence numbers do not fit together");
    h.codec = (enum batch_codec)codec;
    memcpy(h.journal.b, uuid.p, uuid.n);
    *out = h;
    return 0;
}

static void write_header(struct buf *out, const struct batch_header *h)
{
    buf_put(out, MAGIC);
    buf_u8(out, BATCH_VERSION);
    buf_u8(out, (uint8_t)h->codec);
    buf_le16(out, 0);
    buf_le32(out, h->count);
    buf_le32(out, h->raw_bytes);
    buf_put_bytes(out, h->journal.b, sizeof(h->journal.b));
    buf_le64(out, h->first_seq);
    buf_le64(out, h->last_seq);
    buf_le32(out, 0);
    buf_le32(out, 0);
    buf_put_bytes(out, h->sender.boot.b, sizeof(h->sender.boot.b));
    buf_le64(out, h->sender.uptime_ns);
    buf_le64(out, (uint64_t)h->sender.wall_ns);
    buf_le64(out, h->sender.head_seq);
    buf_le64(out, h->sender.dropped);
    buf_le64(out, h->epoch);
    buf_le64(out, h->before_epoch);
}

/* ---- making one ---- */

void batch_writer_init(struct batch_writer *w, const struct uuid *journal, size_t raw_max)
{
    *w = (struct batch_writer){ .journal = *journal };
    names_init(&w->names);
    w->raw = buf_init(raw_max < UINT32_MAX ? raw_max : UINT32_MAX);
}

void batch_writer_fini(struct batch_writer *w)
{
    names_fini(&w->names);
    buf_fini(&w->raw);
}

static bool is_own(const struct uuid *journal, const struct record *r)
{
    return uuid_eq(journal, &r->origin);
}

/* A record that was born in this journal is there under one number, given by the batch's start. */
static bool own_fits(const struct uuid *journal, uint64_t epoch, const struct record *r)
{
    return !is_own(journal, r) || (r->origin_seq == r->seq && r->kind != RECORD_MARK &&
                                   (epoch == 0 || r->origin_epoch == epoch));
}

void batch_begin(struct batch_writer *w, uint64_t epoch, uint64_t before_epoch)
{
    assert(w->count == 0);
    w->epoch = epoch;
    w->before_epoch = before_epoch;
}

/* The number from which r counts on: a gap of this journal covers several. */
static uint64_t covers_from(const struct uuid *journal, const struct record *r)
{
    return r->kind == RECORD_GAP && is_own(journal, r) ? r->first : r->seq;
}

/* The ref of a record's name or origin, written before its first use. 0: no ref is left. */
static uint16_t ref_of(struct batch_writer *w, const struct record *r, bool for_uuid)
{
    struct name *name = for_uuid ? names_find_uuid(&w->names, &r->origin, r->origin_epoch)
                                 : names_find(&w->names, r);

    if (!name) {
        name = for_uuid ? names_add_uuid(&w->names, &r->origin, r->origin_epoch)
                        : names_add(&w->names, r);
        if (!name)
            return 0;
        names_write(&w->raw, 0, name, for_uuid, r->seq, 0);
    }
    return name->ref;
}

static bool valid_here(const struct batch_writer *w, const struct record *r)
{
    uint64_t from = covers_from(&w->journal, r);

    if (record_check(r, FRAME_BODY_MAX - 64) < 0 || r->seq == 0 || from == 0 || from > r->seq)
        return false;
    if (!own_fits(&w->journal, w->epoch, r))
        return false;
    return w->count == 0 || from == w->last_seq + 1;
}

int batch_add(struct batch_writer *w, const struct record *r)
{
    char room[8 + FRAME_GAP_REASON_MAX];
    struct frame f;

    if (!valid_here(w, r) || (r->kind == RECORD_GAP && r->payload.n > FRAME_GAP_REASON_MAX))
        return ERR_VALUE;
    /* Checked in advance, with room for both contexts, so that nothing needs to be taken back. */
    if (w->raw.max - w->raw.n <
            FRAME_HEAD_SIZE + FRAME_EXTRA_MAX + 8 + r->payload.n + 2 * FRAME_CONTEXT_MAX ||
        w->names.next + 2 > NAMES_MAX || w->count == UINT32_MAX)
        return ERR_FULL;
    frame_of_record(r, room, &f);
    f.flags |= FRAME_ORIGIN;
    f.origin = ref_of(w, r, true);
    f.origin_seq = r->origin_seq;
    if (record_is_data(r))
        f.ref = ref_of(w, r, false);
    frame_write(&w->raw, 0, &f);
    if (w->count++ == 0)
        w->first_seq = covers_from(&w->journal, r);
    w->last_seq = r->seq;
    return 0;
}

/* Appends the compressed frames; false when they would not be smaller than plain. */
static bool put_zstd(struct str raw, struct buf *out)
{
    size_t n;

    if (raw.n < 2 || !buf_reserve(out, raw.n - 1))
        return false;
    n = ZSTD_compress(out->p + out->n, raw.n - 1, raw.p, raw.n, ZSTD_LEVEL);
    if (ZSTD_isError(n))
        return false;
    buf_commit(out, n);
    return true;
}

int batch_finish(struct batch_writer *w, enum batch_codec codec, const struct batch_sender *sender,
                 struct buf *out)
{
    struct batch_header h = { .codec = codec,
                              .count = w->count,
                              .journal = w->journal,
                              .first_seq = w->first_seq,
                              .last_seq = w->last_seq,
                              .epoch = w->epoch,
                              .before_epoch = w->before_epoch,
                              .raw_bytes = (uint32_t)w->raw.n };
    size_t start = out->n;
    uint32_t crc;

    if (w->count == 0)
        return ERR_UNKNOWN;
    assert(!w->raw.over);
    if (sender)
        h.sender = *sender;
    if (h.sender.head_seq < h.last_seq)
        h.sender.head_seq = h.last_seq;
    write_header(out, &h);
    if (codec != BATCH_ZSTD || out->over || !put_zstd(buf_str(&w->raw), out)) {
        if (!out->over)
            out->p[start + 5] = BATCH_PLAIN;
        buf_put(out, buf_str(&w->raw));
    }
    if (out->over)
        return ERR_LIMIT;
    crc = htole32(batch_crc(str_from(out->p + start, out->n - start)));
    memcpy(out->p + start + BATCH_CRC_AT, &crc, sizeof(crc));
    names_fini(&w->names);
    names_init(&w->names);
    buf_clear(&w->raw);
    w->count = 0;
    w->epoch = w->before_epoch = 0;
    return 0;
}

/* ---- reading one ---- */

static int unpack(struct str body, struct batch *b, struct str *out_frames, struct wire_why *why)
{
    size_t n = b->header.raw_bytes;
    char *to;

    if (b->header.codec == BATCH_PLAIN) {
        if (body.n != n)
            return wire_refuse(why, ERR_PROTO, 12, "frames of another size than announced");
        *out_frames = body;
        return 0;
    }
    b->raw = buf_init(n);
    to = n > 0 ? buf_reserve(&b->raw, n) : NULL;
    /* ZSTD_decompress() never writes beyond n; one frame of it exactly, so that what is appended
     * behind cannot hide. */
    if (!to || ZSTD_findFrameCompressedSize(body.p, body.n) != body.n ||
        ZSTD_decompress(to, n, body.p, body.n) != n)
        return wire_refuse(why, ERR_PROTO, BATCH_HEADER_SIZE,
                           "cannot be decompressed as announced");
    buf_commit(&b->raw, n);
    *out_frames = buf_str(&b->raw);
    return 0;
}

/* A record out of its frame. */
static int read_record(const struct batch *b, const struct frame *f, size_t payload_max,
                       struct record *out, struct wire_why *why)
{
    const struct name *name = names_get(&b->names, f->ref);
    struct record r;

    frame_to_record(f, &r);
    if (!(f->flags & FRAME_ORIGIN) ||
        names_get_uuid(&b->names, f->origin, &r.origin, &r.origin_epoch) < 0)
        return wire_refuse(why, ERR_PROTO, 0, "an origin that was not defined");
    if (f->type == FRAME_RECORD) {
        if (!name || !name->is.kind)
            return wire_refuse(why, ERR_PROTO, 0, "a name that was not defined");
        r.kind = name->is.kind;
        r.device = name->is.device;
        r.stream = name->is.stream;
        r.content_type = name->is.content_type;
        r.boot = name->is.boot;
    }
    if (record_check(&r, payload_max) < 0 ||
        (r.kind == RECORD_GAP && r.payload.n > FRAME_GAP_REASON_MAX))
        return wire_refuse(why, ERR_PROTO, 0, "a record that is not allowed");
    if (!own_fits(&b->header.journal, b->header.epoch, &r))
        return wire_refuse(why, ERR_PROTO, 0, "two numbers or two starts for one record");
    *out = r;
    return 0;
}

/* One context frame: defined once, and only when new. */
static int read_context(struct batch *b, const struct frame *f, struct wire_why *why)
{
    if (names_get(&b->names, f->ref))
        return wire_refuse(why, ERR_PROTO, 0, "a ref is defined twice");
    return names_learn(&b->names, f, why) < 0 ? ERR_PROTO : 0;
}

static int read_frames(struct batch *b, struct str frames, size_t payload_max, struct wire_why *why)
{
    const struct batch_header *h = &b->header;
    uint64_t expected = h->first_seq;
    size_t count = 0, at = 0;

    while (at < frames.n) {
        struct frame f;
        size_t used = 0;
        int rc = frame_read(str_skip(frames, at), 0, &f, &used, why);

        if (rc == ERR_MORE)
            return wire_refuse(why, ERR_PROTO, at, "ends within a frame");
        if (rc < 0)
            return rc;
        at += used;
        if (f.flags & FRAME_COMMITTED)
            return wire_refuse(why, ERR_PROTO, at, "a flag that means nothing here");
        if (f.type == FRAME_NAME || f.type == FRAME_UUID) {
            rc = read_context(b, &f, why);
        } else {
            struct record *r = &b->records[count];

            if (count == h->count)
                return wire_refuse(why, ERR_PROTO, at, "more records than announced");
            rc = read_record(b, &f, payload_max, r, why);
            if (rc == 0 && (covers_from(&h->journal, r) != expected || r->seq > h->last_seq))
                return wire_refuse(why, ERR_PROTO, at, "a hole or a number out of order");
            expected = f.seq + 1;
            count++;
        }
        if (rc < 0)
            return rc;
    }
    if (count != h->count || expected != h->last_seq + 1)
        return wire_refuse(why, ERR_PROTO, at, "fewer records than announced");
    return 0;
}

int batch_read(struct str in, const struct batch_caps *caps, struct batch *out,
               struct wire_why *why)
{
    struct batch b = { 0 };
    struct str frames;
    struct rd crc = rd_init(str_skip(in, BATCH_CRC_AT));
    int rc = batch_read_header(in, &b.header, why);

    if (rc < 0)
        return rc;
    /* The count is bounded by the bytes too, so that a small batch cannot ask for a large array. */
    if (b.header.raw_bytes > caps->raw_max || b.header.count > caps->count_max ||
        b.header.count > b.header.raw_bytes / FRAME_HEAD_SIZE) {
        wire_refuse(why, ERR_LIMIT, 8, "larger than is taken here");
        return ERR_LIMIT;
    }
    if (rd_le32(&crc) != batch_crc(in))
        return wire_refuse(why, ERR_CORRUPT, BATCH_CRC_AT, "checksum is wrong");
    names_init(&b.names);
    rc = unpack(str_skip(in, BATCH_HEADER_SIZE), &b, &frames, why);
    if (rc == 0) {
        b.records = mem_new_array((size_t)b.header.count + 1, sizeof(struct record));
        rc = read_frames(&b, frames, caps->payload_max, why);
    }
    if (rc < 0) {
        batch_fini(&b);
        return rc;
    }
    *out = b;
    return 0;
}

void batch_fini(struct batch *b)
{
    mem_free(b->records);
    buf_fini(&b->raw);
    names_fini(&b->names);
    *b = (struct batch){ 0 };
}
