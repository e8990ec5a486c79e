#ifndef JOURNAL_READER_H
#define JOURNAL_READER_H
/*
 * The reading side: durable records in order, a RECORD_GAP for every number that is missing, memory
 * of one buffer. Knows the writing side only through a table of questions, so that tests run both
 * in one thread. journal_reader_*() in journal.h is this with the committer behind it.
 */
#include "journal/segfile.h"
#include "journal/spool.h"

struct reader_source {
    void *ctx;
    uint64_t (*head)(void *ctx);  /* the newest durable seq */
    uint64_t (*epoch)(void *ctx); /* as struct spool: changes whenever the rows do */
    /* As spool_locate(); and the epoch for which the answer holds. */
    size_t (*locate)(void *ctx, uint64_t seq, struct spool_row *out, size_t max,
                     uint64_t *out_epoch);
    struct life_span (*life)(void *ctx, uint64_t seq); /* as spool_life() */
    /* These records of this segment were lost to damage. May be NULL. */
    void (*damaged)(void *ctx, uint64_t generation, uint64_t first, uint64_t last);
};

struct reader {
    struct reader_source source;
    struct segment_id id;
    struct segfile file;
    struct spool_row rows[SPOOL_ROWS_MAX];
    size_t row_count, row; /* row: which of them `file` reads */
    uint64_t epoch;
    uint64_t next;      /* the number that comes next */
    uint64_t read_head; /* the head when the file was last read: only so far may it be believed */
    uint64_t doubt;     /* the number that was not found, and */
    uint64_t doubt_generation; /* where; not found there a second time, it is lost */
    bool held;                 /* one record found behind a gap waits */
    struct record hold;
    bool split; /* a gap's later part waits: what follows it is another start's */
    struct record rest;
    bool stashed; /* what the scanner said last, not dealt with yet */
    int stash_rc;
    struct record stash;
};

void reader_init(struct reader *r, const struct reader_source *source, struct disk *disk,
                 const struct uuid *journal, uint64_t key, uint64_t after_seq, size_t chunk);
void reader_fini(struct reader *r);
/* See journal_reader_next(). */
MUST_USE int reader_next(struct reader *r, struct record *out, size_t max, size_t max_bytes,
                         size_t *out_count);
void reader_seek(struct reader *r, uint64_t after_seq);

#endif
