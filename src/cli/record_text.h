#ifndef CLI_RECORD_TEXT_H
#define CLI_RECORD_TEXT_H
/* Records of a journal as text for people's tools: JSON lines and CSV; and which of them are wanted.
 * Pure. */
#include "base/buf.h"
#include "journal/record.h"

enum record_format { RECORD_JSONL, RECORD_CSV };

/* One JSON object and a newline; never more than one line. A payload that is no text goes as
 * `payload_base64`. */
void record_text_json(const struct record *r, struct buf *out);
/* One row by RFC 4180; the payload's bytes as they are. */
void record_text_csv(const struct record *r, struct buf *out);
#define RECORD_TEXT_CSV_HEAD                                                                       \
    STR("seq,time,device,kind,stream,content_type,origin,origin_epoch,origin_seq,payload\r\n")

/* Empty and 0: all. Numbers are [from, to], times [from, to). */
struct record_wanted {
    struct str device, stream;
    uint64_t from_seq, to_seq;
    int64_t from_ns, to_ns;
};
/* A number, a day ("2026-01-31") or an RFC 3339 time. ERR_SYNTAX. `to` says which end it is. */
MUST_USE int record_wanted_place(struct record_wanted *w, struct str text, bool to);

enum record_verdict {
    RECORD_NO,
    RECORD_YES,
    RECORD_AS_NEXT, /* a gap, which has no time: wanted if the next record with a time is */
};
/* *after: whether the last record with a time was wanted; starts as false. A gap is wanted whatever
 * the device and stream, since nobody knows whose records are lost. */
enum record_verdict record_wanted(const struct record_wanted *w, const struct record *r,
                                  bool *after);

#endif
