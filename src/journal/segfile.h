#ifndef JOURNAL_SEGFILE_H
#define JOURNAL_SEGFILE_H
/*
 * Walking over one segment file in pieces, with memory bounded by the caller: the scanner of
 * segment.h over a disk. For the start of a journal, for sinks and for verification.
 */
#include "journal/disk.h"
#include "journal/segment.h"

struct segfile {
    struct disk *disk;
    int file; /* -1: none is open */
    uint64_t generation;
    uint64_t size;
    struct segment_scan scan;
    char *p; /* the bytes [at, at + n) of the file */
    uint64_t at;
    size_t n, cap, chunk;
    size_t hint;         /* how much the next read will probably need; 0: a chunk */
    bool end;            /* they reach to the end of the file */
    bool learned;        /* names were looked for in the rest of the file */
    unsigned patience;   /* so many reads in a row fail before blocks are given up; see segfile.c */
    unsigned errors;     /* in a row, so far */
    uint64_t unreadable; /* bytes that were given up and read as zeros */
};

/* chunk: how much is read at once; a larger frame makes the buffer grow as far as its length. */
void segfile_init(struct segfile *f, struct disk *disk, size_t chunk);
void segfile_fini(struct segfile *f);
MUST_USE int segfile_open(struct segfile *f, const struct segment_id *id, uint64_t first_seq);
/* The same for a file that has another name than its generation says. */
MUST_USE int segfile_open_as(struct segfile *f, const char *name, const struct segment_id *id,
                             uint64_t first_seq);
void segfile_close(struct segfile *f);
/* The header of the segment under the name of that generation. Besides what segment_read_header() and
 * the disk say: *out may be of another generation. */
MUST_USE int segfile_read_header(struct disk *disk, uint64_t generation,
                                 struct segment_header *out);
/* The next record, views into f until the next refill. may_refill false: ERR_BUSY instead of
 * reading from the disk (since earlier records still view the buffer). ERR_MORE: the end. Errors
 * of the disk as they come. Records whose name is lost are passed over. */
MUST_USE int segfile_next(struct segfile *f, bool may_refill, struct record *out);
/* Forgets what was read, since the file has grown. hint: bytes that will probably be needed. */
void segfile_forget(struct segfile *f, size_t hint);

#endif
