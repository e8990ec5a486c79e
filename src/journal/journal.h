#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H
/*
 * The journal of a node: records go in from any thread, are durable when their entry is done, and
 * come out in order to any number of sinks, each with a named cursor.
 *
 * Threads: one committer thread per journal owns the files. journal_append(), journal_head(),
 * journal_status() and journal_cursor_advance() may be called from any thread and never block.
 * Everything else may read the disk or wait for the committer (for at most one flush): not on a
 * worker's loop once it runs.
 *
 * Numbers: seq starts at 1 and rises by 1 per record, without end. A missing number is always
 * told to readers as a RECORD_GAP.
 */
#include "base/limits.h"
#include "base/queue.h"
#include "journal/lives.h"
#include "journal/record.h"

struct journal;
struct disk;
struct loop;
struct gate;
struct metrics;

/* What happens to a record of some kind when the quota is reached. */
enum journal_policy {
    JOURNAL_BLOCK,       /* it is refused with ERR_FULL */
    JOURNAL_DROP_OLDEST, /* the oldest segment goes, if all in it may go; else ERR_FULL */
};

struct journal_options {
    uint64_t segment_bytes; /* 64 KiB to 64 MiB; meant to be 1 to 4 MiB */
    uint64_t quota_bytes;   /* all segments together; at least 4 segments */
    /* Whoever appends keeps to the quota and the floor, by what the status says, and goes beyond them to write
     * what makes room: the quota is only told, and of the floor half is a reserve for that. */
    bool quota_is_soft;
    uint64_t free_floor_bytes; /* space on the disk that the journal leaves free */
    uint64_t flush_window_ms;  /* 0: a flush starts as soon as none is in flight. Else the first
                                  record waits so long for others (spares flash at low rates) */
    uint64_t flush_bytes;      /* with a window: this much ends it at once */
    uint64_t lazy_flush_ms; /* what is appended lazily is flushed at most this late; default 1000 */
    uint64_t cursor_write_ms; /* cursors reach the disk at most this late; default 200 */
    enum journal_policy policy[RECORD_KINDS];
    /* Beside the quota, for records that may be dropped (JOURNAL_DROP_OLDEST), in whole segments; 0: no
     * such limit. */
    uint64_t max_age_ms;  /* since its segment ended; while the wall clock is set */
    uint64_t max_records; /* so many of the newest are kept at least */
};
/* 2 MiB segments, 256 MiB, 16 MiB floor, no window, 64 KiB, 1 s, block for all kinds, no other limit. */
struct journal_options journal_options_default(void);

/* The largest payload that fits into a segment of that size. */
size_t journal_payload_max(uint64_t segment_bytes);

/* Opens or creates the journal in directory dir (created with mode 0700 if it is not there; its
 * parent must be), cuts a torn tail, and starts the committer. One process per directory: else
 * ERR_BUSY. A damaged journal opens; only a directory that cannot be read or written, or a newer
 * format (ERR_VERSION), is an error. disk: NULL for the real one; else taken over (it is closed
 * with the journal, and dir is only its name). metrics may be NULL. */
MUST_USE int journal_open(const char *dir, const struct journal_options *o,
                          const struct limits *limits, struct metrics *metrics, struct disk *disk,
                          struct journal **out, struct fault *f);
/* Commits what was appended, completes it, ends the thread, frees. Readers, cursors and watches
 * were closed before; the loops that entries reply to still exist; nobody appends any more. */
void journal_close(struct journal *j);

struct uuid journal_uuid(const struct journal *j);

/* ---- appending ---- */

/*
 * Embedded by the caller, who keeps it and everything that the records view unchanged until
 * done(). The records of an entry are committed together and in order, and acknowledged by one
 * done() (a batch from another node is one entry). Entries of one thread stay in order.
 *
 * A record whose origin is all zero was born here: its origin becomes (this journal, its seq).
 * Other records keep (origin, origin_seq). wall_ns is the device's; boot and uptime_ns are taken
 * from this machine when both are 0 and the record was born here.
 */
struct journal_entry {
    struct queue_node node; /* the journal's */
    struct record *records; /* seq (and origin) are filled in when committed */
    size_t count;           /* at least 1 */
    struct loop *reply;     /* done() runs on this loop; NULL: on the committer thread, quickly */
    /* code 0: all are durable. Else they are not acknowledged, and the caller may hand them in
     * again: ERR_FULL (quota, block), ERR_LIMIT or ERR_VALUE (a record that may not be: none of
     * the entry is taken), ERR_EXISTS (it was born here: a batch came round in a circle), -ENOSPC
     * (the floor of free space), -EIO … After an error of the disk some may be delivered all the
     * same, whole, as after a crash before an acknowledgement. */
    void (*done)(struct journal_entry *e, int code);
    /* NULL, or asked on the committer thread right before the entry is taken, when the fate of all
     * before it in its chain is known: may still change the records, and refuses the entry with
     * other than 0. May be asked twice (after a failed flush). Quick, as done() there. */
    int (*admit)(struct journal_entry *e);
    int code;                    /* the journal's */
    struct journal_chain *chain; /* NULL: it stands alone */
    /* Done once it is written, without waiting for a flush: it survives this process, but the power may
     * take it, with what came after it, as long as lazy_flush_ms has not passed and no other entry was
     * flushed. Readers get it when it is flushed. */
    bool lazy;
};

/*
 * Entries that must not overtake each other. Once an entry of a chain was refused, all later ones
 * of it are refused too (with ERR_BUSY when nothing else is wrong with them), until an admit() of
 * the chain says that the hole is filled by clearing `broken`. Zeroed at first; the owner keeps it
 * until the last entry of it is done.
 */
struct journal_chain {
    bool broken; /* touched on the committer thread only */
};

/* From any thread; never blocks, never fails here. */
void journal_append(struct journal *j, struct journal_entry *e);
/* Waits until everything that was appended before is completed: done() was called, or is on its way
 * to its loop as mail. Not from a loop. */
void journal_settle(struct journal *j);

/* The boot that records are given which are born here. */
struct uuid journal_boot(const struct journal *j);

/* Whose number seq is: the start of this journal that gave it. What is gone and older than the starts
 * that are remembered is counted to the oldest segment that is there. May wait for the committer. */
struct life_span journal_life(struct journal *j, uint64_t seq);

/* The newest durable seq; 0 when nothing was ever appended. */
uint64_t journal_head(const struct journal *j);

/* ---- sinks: cursor, reader, watch ---- */

struct journal_cursor;
/* Its lag is a metric, wayside_journal_cursor_lag{cursor="name"}: open cursors while metrics may be
 * registered (see metrics.h). ERR_VALUE (name), ERR_BUSY (open already).
 *
 * The sink's place, kept on disk under name ([a-z0-9-]{1,32}): all records up to it are done. A new
 * one starts before the oldest record. While it is open or its file exists, the segments behind it
 * stay (but for the drop_oldest policy). The file is written a little later without a flush: after
 * a crash the cursor may stand earlier, never later, so a sink repeats and must drop repeats. */
MUST_USE int journal_cursor_open(struct journal *j, const char *name, struct journal_cursor **out);
uint64_t journal_cursor_seq(const struct journal_cursor *c);
/* Everything up to seq is done. A lower seq than before changes nothing. */
void journal_cursor_advance(struct journal_cursor *c, uint64_t seq);
/* Back to a lower seq, for a sink that has lost what it had: from here on the segments behind it stay
 * (those that are gone are gone). Not from a loop. */
void journal_cursor_rewind(struct journal_cursor *c, uint64_t seq);
/* The name and its place stay. */
void journal_cursor_close(struct journal_cursor *c);
/* Forgets a name that is not open: its records are no longer kept for it. ERR_UNKNOWN, ERR_BUSY. */
MUST_USE int journal_cursor_forget(struct journal *j, const char *name);

struct journal_reader;
/* Reads from after_seq + 1 on; a sink passes what its own database says, or its cursor's seq. The
 * cursor keeps the segments that the reader needs; without (NULL: a look by a person) the reader
 * skips with a RECORD_GAP when a segment went away beneath it. buffer_bytes bounds the memory of
 * one read (64 KiB to 4 MiB; it grows for a single larger record only). */
struct journal_reader *journal_reader_new(struct journal *j, struct journal_cursor *cursor,
                                          uint64_t after_seq, size_t buffer_bytes);
void journal_reader_free(struct journal_reader *r);
/* The next records, at most max of them and about max_bytes of payload (at least one record), into
 * out; their views live until the next call. *out_count 0: nothing is new. Only durable records
 * are delivered, each whole, in order, with RECORD_GAP for each hole. One thread at a time.
 * Errors are of the disk (-EIO …) and pass: try again later. */
MUST_USE int journal_reader_next(struct journal_reader *r, struct record *out, size_t max,
                                 size_t max_bytes, size_t *out_count);
/* The last seq that was delivered (or skipped by a gap). */
uint64_t journal_reader_seq(const struct journal_reader *r);
/* Goes on after another seq, backwards too (as far as there are segments). */
void journal_reader_seek(struct journal_reader *r, uint64_t after_seq);

struct journal_watch;
/* Opens the gate after each flush that moved the head: read until *out_count is 0, then
 * gate_wait(). The gate outlives the watch. */
struct journal_watch *journal_watch_gate(struct journal *j, struct gate *g);
/* Runs news(ctx) on the loop after the head moved, once for any number of flushes meanwhile. */
struct journal_watch *journal_watch_loop(struct journal *j, struct loop *l, void (*news)(void *ctx),
                                         void *ctx);
/* For a loop watch: on its loop; no news() comes any more. */
void journal_unwatch(struct journal_watch *w);

/* ---- state, for readiness, `status` and metrics ---- */

struct journal_status {
    uint64_t head, oldest; /* seq; oldest 0: no record is kept */
    uint64_t segments, bytes, quota_bytes;
    uint64_t dropped, damaged; /* records lost to the quota or to damage since it was opened */
    uint64_t dropped_ever;     /* to the quota, since the journal is there */
    int error;                 /* 0, or why the last flush or append was refused */
    /* With a soft quota, as of a second ago at most: */
    uint64_t most_bytes;    /* as much as its disk lets it have, with what it has; 0: unknown */
    uint64_t reserve_bytes; /* so much beyond that is there for what makes room */
    uint64_t free_bytes;    /* on the disk */
    uint64_t free_floor_bytes;
};
void journal_status(const struct journal *j, struct journal_status *out);

#endif
