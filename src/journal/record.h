#ifndef JOURNAL_RECORD_H
#define JOURNAL_RECORD_H
/*
 * A record: one thing that a device handed over. Views only; whoever makes a record says how long
 * they live. Its identity is (origin, origin_epoch, origin_seq): the uuid of the journal where it
 * was born, the start of that journal in which it was born, and its number there. Forwarded to
 * another journal it keeps that and gets a local seq of its own.
 *
 * Why the epoch: numbers never come twice in one journal, but a journal may be copied with its
 * folder (an SD card that is cloned, a machine that is restored from an image), and each copy goes
 * on counting. Each start draws an epoch at random, so what the copies take from then on is never
 * mistaken for one another, while what they have in common keeps its one identity.
 */
#include "base/str.h"
#include "base/uuid.h"

enum record_kind {
    RECORD_READING = 1,
    RECORD_DETECTION = 2,
    RECORD_STATUS = 3,
    RECORD_EVENT = 4,
    RECORD_RESULT = 5,
    /* Not from a device: says that the records first…origin_seq of this origin are lost (dropped
     * at the quota, or damaged on disk); the payload is the reason in printable ASCII, device and stream are empty.
     * A journal's reader makes one wherever numbers are missing, so that no gap is silent. */
    RECORD_GAP = 6,
    /* Not from a device either: says that everything up to origin_seq of the journal `origin` was
     * taken over by the journal that holds the mark. A hub puts one behind each batch, so that after
     * a restart it still knows where each sender stands. Device, stream and payload are empty. */
    RECORD_MARK = 7,
};
#define RECORD_KINDS 8 /* one more than the largest */

/* Field limits that the format and the identity rules set (not settings). */
#define RECORD_DEVICE_MAX  50 /* [A-Za-z0-9_-]{1,50} */
#define RECORD_STREAM_MAX  64 /* [A-Za-z0-9_.-]{1,64} */
#define RECORD_CONTENT_MAX 64 /* content type, printable ASCII, may be empty (JSON) */

enum record_flag {
    RECORD_ARRIVAL = 1,   /* wall_ns is when it came, by the clock of the machine where it was born;
                             without it the sender gave the time */
    RECORD_CORRECTED = 2, /* wall_ns was corrected by uptime; sent_ns is what it was */
};

struct record {
    enum record_kind kind;
    unsigned flags; /* enum record_flag */
    struct str device, stream, content_type;
    int64_t wall_ns;       /* device time, UTC ns since 1970 */
    int64_t sent_ns;       /* with RECORD_CORRECTED; else 0 */
    uint64_t uptime_ns;    /* the uptime clock of the machine where it was born; 0 unknown */
    struct uuid boot;      /* that machine's boot; all zero: unknown */
    struct uuid id;        /* hash of the id that its sender gave; all zero: it gave none */
    uint64_t seq;          /* in the journal that holds it; 0 before it was appended */
    struct uuid origin;    /* filled on reading; all zero in an append means: born here */
    uint64_t origin_epoch; /* 0 when nobody knows */
    uint64_t origin_seq;
    uint64_t first; /* RECORD_GAP: the first lost number, <= origin_seq; else 0 */
    struct str payload;
};

/* Whether it is from a device. */
static inline bool record_is_data(const struct record *r)
{
    return r->kind < RECORD_GAP;
}
/* Whether everything in it is within the field limits above; payload of at most payload_max. 0,
 * ERR_VALUE, ERR_LIMIT. */
MUST_USE int record_check(const struct record *r, size_t payload_max);
bool record_device_valid(struct str device);
bool record_stream_valid(struct str stream);
/* "reading" …; NULL for a number that is no kind. */
const char *record_kind_name(unsigned kind);
/* 0 when the name is no kind. */
enum record_kind record_kind_from(struct str name);

#endif
