#ifndef JOURNAL_BATCH_H
#define JOURNAL_BATCH_H
/*
 * The uplink's batch: records of one journal in order, as the payload of one PUBLISH. Pure.
 *
 * A batch covers the numbers first_seq…last_seq of the sending journal without a hole: each is a
 * record or within a RECORD_GAP of that journal. Names and origins are defined within it, so a
 * batch can be read without any other.
 */
#include "journal/frame.h"
#include "journal/names.h"

#define BATCH_VERSION     1u
#define BATCH_HEADER_SIZE 56u

enum batch_codec { BATCH_PLAIN = 0, BATCH_ZSTD = 1 };

struct batch_header {
    enum batch_codec codec;
    uint32_t count; /* records and gaps, at least 1 */
    struct uuid journal;
    uint64_t first_seq, last_seq; /* 1 <= first_seq <= last_seq */
    uint32_t raw_bytes;           /* of the frames when they are not compressed */
};

/* ---- making one ---- */
struct batch_writer {
    struct names names;
    struct buf raw;
    struct uuid journal;
    uint64_t first_seq, last_seq;
    uint32_t count;
    bool over; /* a record came that does not belong here */
};
/* raw_max: the frames never grow beyond this. */
void batch_writer_init(struct batch_writer *w, const struct uuid *journal, size_t raw_max);
void batch_writer_fini(struct batch_writer *w);
/* Adds a record as a journal_reader yields it. ERR_FULL: it does not fit any more; the batch is as
 * before. ERR_VALUE: it does not follow the one before (a hole), or is no valid record. */
MUST_USE int batch_add(struct batch_writer *w, const struct record *r);
/* Appends the whole batch to out and empties w for the next. With BATCH_ZSTD, frames that do not
 * get smaller are left plain. ERR_UNKNOWN: nothing was added; ERR_LIMIT: out is full. */
MUST_USE int batch_finish(struct batch_writer *w, enum batch_codec codec, struct buf *out);

/* ---- reading one ---- */
struct batch_caps {
    size_t raw_max;     /* bytes of frames, decompressed */
    size_t count_max;   /* records and gaps */
    size_t payload_max; /* of one record */
};
struct batch {
    struct batch_header header;
    struct record *records; /* header.count; seq and origin as in the sending journal */
    struct buf raw;         /* what they view; the input too when it was plain */
    struct names names;
};
/* Only the header; for a look at what comes before paying for it. ERR_PROTO. */
MUST_USE int batch_read_header(struct str in, struct batch_header *out, struct wire_why *why);
/* All of it, strictly: ERR_PROTO, ERR_LIMIT, ERR_VERSION with why filled. in must stay as long as
 * the batch. */
MUST_USE int batch_read(struct str in, const struct batch_caps *caps, struct batch *out,
                        struct wire_why *why);
void batch_fini(struct batch *b);

#endif
