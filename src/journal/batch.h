#ifndef JOURNAL_BATCH_H
#define JOURNAL_BATCH_H
/*
 * The uplink's batch: records of one journal in order, as the payload of one PUBLISH. Pure.
 *
 * A batch covers the numbers first_seq…last_seq of the sending journal without a hole: each is a
 * record or within a RECORD_GAP of that journal. All are of one start of it (lives.h), which the
 * header names, and the one that gave the number before first_seq: so the receiver knows whether
 * what it has joins, when the journal has copies too. Names and origins are defined within it, so a
 * batch can be read without any other.
 */
#include "journal/frame.h"
#include "journal/names.h"

/* Where batches go, each followed by the sending journal's uuid. */
#define UPLINK_TOPIC      "$wayside/up/1/"   /* to be kept; QoS 1 */
#define UPLINK_LIVE_TOPIC "$wayside/live/1/" /* one record, to be shown only */
/* From the hub about a batch that it refused since what comes before is missing: "FIRST HAVE" in
 * digits. FIRST: that batch's first number; HAVE: up to where it has what the batch would join, 0
 * when it knows nothing of the starts that the batch names. */
#define UPLINK_HAVE_TOPIC "$wayside/have/2/"

#define BATCH_VERSION     3u
#define BATCH_HEADER_SIZE 120u
#define BATCH_CRC_AT      52u /* over all but itself */

enum batch_codec { BATCH_PLAIN = 0, BATCH_ZSTD = 1 };

/* How the sender stands when it sends: by this the hub knows the sender's clock and backlog. */
struct batch_sender {
    struct uuid boot;   /* all zero: unknown, and uptime counts nothing */
    uint64_t uptime_ns; /* its uptime clock */
    int64_t wall_ns;    /* its wall clock */
    uint64_t head_seq;  /* the newest number in its journal, >= last_seq */
    uint64_t dropped;   /* records that its quota cost, since the journal is there */
};
struct batch_header {
    enum batch_codec codec;
    uint32_t count; /* records and gaps, at least 1 */
    struct uuid journal;
    uint64_t first_seq, last_seq; /* 1 <= first_seq <= last_seq */
    uint64_t epoch;               /* the start that gave them; 0: unknown */
    uint64_t before_epoch; /* the start that gave first_seq - 1; 0: unknown, or first_seq 1 */
    uint32_t raw_bytes;    /* of the frames when they are not compressed */
    struct batch_sender sender;
};

/* ---- making one ---- */
struct batch_writer {
    struct names names;
    struct buf raw;
    struct uuid journal;
    uint64_t first_seq, last_seq, epoch, before_epoch;
    uint32_t count;
};
/* raw_max: the frames never grow beyond this. */
void batch_writer_init(struct batch_writer *w, const struct uuid *journal, size_t raw_max);
void batch_writer_fini(struct batch_writer *w);
/* Before the first record of a batch that is to be kept: see struct batch_header. */
void batch_begin(struct batch_writer *w, uint64_t epoch, uint64_t before_epoch);
/* Adds a record as a journal_reader yields it. ERR_FULL: it does not fit any more; the batch is as
 * before. ERR_VALUE: it does not follow the one before (a hole), is of another start of this
 * journal, or is no valid record. */
MUST_USE int batch_add(struct batch_writer *w, const struct record *r);
/* Appends the whole batch to out and empties w for the next. sender may be NULL (all zero); its
 * head_seq is raised to the batch's last. With BATCH_ZSTD, frames that do not
 * get smaller are left plain. ERR_UNKNOWN: nothing was added; ERR_LIMIT: out is full. */
MUST_USE int batch_finish(struct batch_writer *w, enum batch_codec codec,
                          const struct batch_sender *sender, struct buf *out);

/* ---- reading one ---- */
struct batch_caps {
    size_t raw_max;     /* bytes of frames, decompressed */
    size_t count_max;   /* records and gaps */
    size_t payload_max; /* of one record */
};
struct batch {
    struct batch_header header;
    struct record *records; /* header.count, and room for one more; seq and origin as in the
                               sending journal */
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
