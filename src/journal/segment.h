#ifndef JOURNAL_SEGMENT_H
#define JOURNAL_SEGMENT_H
/*
 * A segment: a file of frames behind a header of one sector. Pure: works on bytes.
 *
 * The header is readable on its own and by itself (own CRC), but nothing depends on it: the
 * generation is in the file's name, and uuid and key are the same in all segments of a journal, so
 * a segment whose first sector is lost gives up its other records all the same.
 */
#include "journal/frame.h"
#include "journal/lives.h"
#include "journal/names.h"

#define SEGMENT_HEADER_SIZE 512u
#define SEGMENT_VERSION     3u
#define SEGMENT_NAME_LEN    20u /* 16 hexadecimal digits and ".seg" */

/* What tells the frames of one segment from all other bytes. */
struct segment_id {
    struct uuid journal;
    uint64_t key; /* random, the journal's own; never leaves the machine */
    uint64_t generation;
};
struct segment_header {
    struct segment_id id;
    struct uuid boot;      /* of the machine when it was begun */
    uint64_t first_seq;    /* of the first record that it may hold */
    int64_t created_ns;    /* wall clock */
    uint32_t size;         /* of the whole file, as it was allocated */
    uint32_t before_kinds; /* bits 1 << kind of what the segment before holds; ~0 unknown */
    struct lives lives;    /* the newest is the start that wrote this segment */
};

/* 0, ERR_CORRUPT (not a header, or damaged), ERR_VERSION. Needs SEGMENT_HEADER_SIZE bytes. */
MUST_USE int segment_read_header(struct str in, struct segment_header *out, struct wire_why *why);
void segment_write_header(struct buf *out, const struct segment_header *h);
/* The seed of its frames. */
uint32_t segment_seed(const struct segment_id *id);

/* "000000000000002a.seg" and a zero. Returns out. */
char *segment_name(uint64_t generation, char out[SEGMENT_NAME_LEN + 1]);
/* ERR_SYNTAX when it is not the name of a segment. */
MUST_USE int segment_parse_name(struct str name, uint64_t *out_generation);

/*
 * The scanner: walks over a segment's bytes in pieces of any size and yields its records with
 * names resolved. It steps over damage (whatever is not a whole frame of this segment) and counts
 * it. Sequence numbers only rise; a frame with a lower one is damage.
 */
struct segment_scan {
    uint32_t seed;
    struct uuid journal;
    uint64_t epoch; /* of the records that were born here; 0: not seen yet */
    struct names names;
    uint64_t at;           /* offset in the segment of the next byte to look at */
    uint64_t committed_at; /* of the last frame before which all is known to be durable */
    uint64_t valid_end;    /* offset behind the last whole frame */
    uint64_t next_seq;     /* the lowest that may come */
    uint64_t last_seq;     /* of the last record; 0: none yet */
    uint64_t first_seq;    /* of the first record; 0: none yet */
    uint64_t records, gaps, payload_bytes;
    uint64_t damages; /* places where a search was needed and something whole followed */
    uint64_t damaged_bytes;
    uint64_t unnamed;      /* records given up since their name is lost */
    uint64_t search_bytes; /* checksummed while searching; bounded, see segment.c */
    uint32_t kinds;        /* bits 1 << kind of its records */
    bool searching;        /* at is within damage */
    uint64_t damage_at;    /* where it began */
    uint64_t unsure; /* damages in what may never have been acknowledged: nothing that is known
                            to have been written after a flush follows them */
};

/* first_seq: lowest number that its records may have (1 when unknown). Starts behind the header. */
void segment_scan_init(struct segment_scan *s, const struct segment_id *id, uint64_t first_seq);
void segment_scan_fini(struct segment_scan *s);
/* in: the segment's bytes from s->at on; whole: they reach to its end. Returns
 *   0            *out is the next record (views into in and s; seq, origin and all filled in)
 *   ERR_MORE     not whole: call again with at least twice the bytes from the new s->at on;
 *                whole: there are no more records
 *   ERR_UNKNOWN  a record whose name was not seen: segment_learn() from what follows and call
 *                again, or segment_scan_pass() to give it up
 * s->at moves over what was used, also with ERR_MORE. */
MUST_USE int segment_scan_next(struct segment_scan *s, struct str in, bool whole,
                               struct record *out);
/* Steps over the record for which ERR_UNKNOWN was returned, and counts it. */
void segment_scan_pass(struct segment_scan *s, struct str in);
/* Takes the names (nothing else) of the frames in `in`, which starts anywhere in the segment;
 * returns how many bytes are done with (less than in.n when a frame reaches beyond it). */
size_t segment_learn(struct segment_scan *s, struct str in, bool whole);

#endif
