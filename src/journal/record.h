#ifndef JOURNAL_RECORD_H
#define JOURNAL_RECORD_H
/*
 * A record: one thing that a device handed over. Views only; whoever makes a record says how long
 * they live. Its identity is (origin, origin_seq): the uuid of the journal where it was born and
 * its number there. Forwarded to another journal it keeps that and gets a local seq of its own.
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
     * at the quota, or damaged on disk); the payload is the reason, device and stream are empty.
     * A journal's reader makes one wherever numbers are missing, so that no gap is silent. */
    RECORD_GAP = 6,
};
#define RECORD_KINDS 7 /* one more than the largest */

/* Field limits that the format and the identity rules set (not settings). */
#define RECORD_DEVICE_MAX  50 /* [A-Za-z0-9_-]{1,50} */
#define RECORD_STREAM_MAX  64 /* [A-Za-z0-9_.-]{1,64} */
#define RECORD_CONTENT_MAX 64 /* content type, printable ASCII, may be empty (JSON) */

struct record {
    enum record_kind kind;
    struct str device, stream, content_type;
    int64_t wall_ns;    /* device time, UTC ns since 1970 */
    uint64_t uptime_ns; /* the uptime clock of the machine where it was born; 0 unknown */
    struct uuid boot;   /* that machine's boot; all zero: unknown */
    uint64_t seq;       /* in the journal that holds it; 0 before it was appended */
    struct uuid origin; /* filled on reading; all zero in an append means: born here */
    uint64_t origin_seq;
    uint64_t first; /* RECORD_GAP: the first lost number, <= origin_seq; else 0 */
    struct str payload;
};

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
