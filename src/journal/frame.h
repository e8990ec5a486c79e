#ifndef JOURNAL_FRAME_H
#define JOURNAL_FRAME_H
/*
 * Frame v1: how one record, or the names that records refer to, lies in a segment and in an uplink
 * batch. Pure. All numbers are little-endian:
 *
 *     0 magic u32 | 4 length u32 | 8 crc u32 | 12 type u8 | 13 flags u8 | 14 ref u16 |
 *     16 seq u64 | 24 wall ns i64 | 32 uptime ns u64 | 40 body, `length` bytes
 *
 * crc is CRC-32C over everything but itself, started from a seed that is different for each
 * segment, so that bytes of an earlier use of the file are never taken for today's. The body is
 * {origin ref u16, origin seq u64} when FRAME_ORIGIN is set, {id, 16 bytes} with FRAME_ID, {sent
 * ns i64} with FRAME_CORRECTED, then the payload.
 *
 * Kinds, device names and so on are not repeated in each frame: a FRAME_NAME defines what a ref
 * means, a FRAME_UUID what an origin ref means, each before its first use in the segment or batch.
 */
#include "base/buf.h"
#include "journal/record.h"
#include "wire/why.h"

/* The first byte on disk is 0xf5, which no UTF-8 text contains (RFC 3629, section 1). */
#define FRAME_MAGIC       0x4a5357f5u
#define FRAME_HEAD_SIZE   40u
#define FRAME_ORIGIN_SIZE 10u
#define FRAME_ID_SIZE     16u
#define FRAME_SENT_SIZE   8u
/* The most that may stand between head and payload. */
#define FRAME_EXTRA_MAX (FRAME_ORIGIN_SIZE + FRAME_ID_SIZE + FRAME_SENT_SIZE)
/* The payload of a FRAME_UUID: uuid, epoch u64. */
#define FRAME_UUID_SIZE 24u
/* Largest body; a limit of the format, above what limits.h lets anybody set. */
#define FRAME_BODY_MAX (16u * 1024 * 1024 + 64)
/* Largest encoded FRAME_NAME or FRAME_UUID. */
#define FRAME_CONTEXT_MAX                                                                          \
    (FRAME_HEAD_SIZE + 20u + RECORD_DEVICE_MAX + RECORD_STREAM_MAX + RECORD_CONTENT_MAX)

enum frame_type {
    FRAME_RECORD = 1, /* ref: a name. payload: as the device sent it */
    FRAME_NAME = 2,   /* defines name `ref`. payload: struct frame_name */
    FRAME_UUID = 3,   /* defines origin `ref`. payload: uuid and epoch. In a segment, the one of
                         the segment's own journal says where records without an origin were born */
    FRAME_GAP = 4,    /* first…origin seq of the origin are lost. payload: first u64, reason */
    FRAME_MARK = 5,   /* a RECORD_MARK; no payload */
};
enum frame_flag {
    FRAME_ORIGIN = 1,     /* the body starts with an origin; required in FRAME_GAP and FRAME_MARK */
    FRAME_COMMITTED = 2,  /* all before this frame was durable when it was written */
    FRAME_ID = 4,         /* these three in a FRAME_RECORD only: the sender gave an id */
    FRAME_ARRIVAL = 8,    /* RECORD_ARRIVAL */
    FRAME_CORRECTED = 16, /* RECORD_CORRECTED */
};

struct frame {
    uint8_t type, flags;
    uint16_t ref;
    uint64_t seq; /* of the record; in a FRAME_NAME or FRAME_UUID that of the next record */
    int64_t wall_ns;
    uint64_t uptime_ns;
    uint16_t origin; /* ref of a FRAME_UUID, with FRAME_ORIGIN */
    uint64_t origin_seq;
    struct uuid id;     /* with FRAME_ID */
    int64_t sent_ns;    /* with FRAME_CORRECTED */
    struct str payload; /* a view into the input */
};
struct frame_name {
    enum record_kind kind;
    struct str device, stream, content_type;
    struct uuid boot;
};

/* 0: one frame in *out, *out_used bytes long. ERR_MORE: the input ends within the frame.
 * ERR_PROTO: no frame of ours, or damaged (why->code is then the ERR_… that fits). */
MUST_USE int frame_read(struct str in, uint32_t seed, struct frame *out, size_t *out_used,
                        struct wire_why *why);
/* What of a record stands in its frame itself, and back: type, flags, times, id, payload. Its name
 * and origin are refs, which only the table of the segment or batch knows; a RECORD_GAP's payload is
 * its reason here and has the first number before it in the frame, put there into room. */
#define FRAME_GAP_REASON_MAX 256u
void frame_of_record(const struct record *r, char room[8 + FRAME_GAP_REASON_MAX],
                     struct frame *out);
void frame_to_record(const struct frame *f, struct record *out);
/* Whether a frame of this type is a record, and not the meaning of a ref. */
static inline bool frame_is_record(uint8_t type)
{
    return type != FRAME_NAME && type != FRAME_UUID;
}
/* Encoded size of f. */
size_t frame_size(const struct frame *f);
/* Writes f (out->over when it does not fit). FRAME_ORIGIN in flags says whether origin counts. */
void frame_write(struct buf *out, uint32_t seed, const struct frame *f);

/* The payload of a FRAME_UUID. ERR_CORRUPT. */
MUST_USE int frame_read_uuid(struct str payload, struct uuid *out, uint64_t *out_epoch);
void frame_write_uuid(char out[FRAME_UUID_SIZE], const struct uuid *u, uint64_t epoch);
/* The payload of a FRAME_NAME. */
MUST_USE int frame_read_name(struct str payload, struct frame_name *out, struct wire_why *why);
void frame_write_name(struct buf *out, const struct frame_name *name);

/* Whether the bytes at in could start a frame, without looking at the crc: what a search for the
 * next whole frame tries. Needs FRAME_HEAD_SIZE bytes. */
bool frame_plausible(struct str in);
/* Offset of the next magic at or after from; in.n when there is none. */
size_t frame_search(struct str in, size_t from);

#endif
