#ifndef JOURNAL_VERIFY_H
#define JOURNAL_VERIFY_H
/*
 * A look at a journal's directory from outside: read-only, without the lock, also while a node
 * runs on it (its newest segment then ends wherever the last write was). For `wayside journal
 * ls|verify|cat|export`. Pure but for the disk.
 */
#include "journal/disk.h"
#include "journal/record.h"

struct verify_segment {
    uint64_t generation, bytes; /* of the file */
    uint64_t first_seq;         /* as the header says; of the first record when that is damaged */
    uint64_t last_seq;          /* of the last whole record; 0: none. Where it was not read: the
                                   number before the next segment's first */
    uint64_t records, gaps, payload_bytes;
    uint64_t damages;       /* places that are no whole frame, with whole ones behind them */
    uint64_t damaged_bytes; /* in them */
    uint64_t unnamed;       /* whole records whose name is lost */
    uint64_t missing;       /* numbers that are not there, within it and before it */
    uint64_t tail_bytes;    /* behind the last whole frame: not written yet, or torn */
    int64_t created_ns;
    bool header_ok;
    bool foreign; /* of another journal, or nothing of ours is in it */
    bool newest;  /* the one that is written, if a node runs */
    bool unbegun; /* newest, and nothing was written under this name yet: no damage */
    bool read;    /* all of it was read; else only its header */
};
struct verify_cursor {
    char name[33];
    uint64_t seq;
    uint64_t waiting; /* numbers behind it, up to the newest */
    bool ok;          /* its file is whole and of this journal */
};
struct verify_summary {
    struct uuid journal;
    uint64_t segments, bytes, first_seq, last_seq, records, gaps, payload_bytes;
    uint64_t damages, damaged_bytes, unnamed, missing, foreign, damaged_headers, damaged_cursors;
    uint64_t removed;     /* numbers that the node removed while this looked; no damage */
    uint64_t newest_lost; /* the newest segment is gone; its records began here. 0: it is there */
    bool id_ok;           /* the journal's own file says who it is */
};

/* What is told on the way; each function may be NULL. */
struct verify_visitor {
    void *ctx;
    void (*on_segment)(void *ctx, const struct verify_segment *s);
    void (*on_cursor)(void *ctx, const struct verify_cursor *c);
    /* Every record that a sink would get, and as there a RECORD_GAP wherever numbers are missing
     * (with the time 0, since nobody knows it). False: no more is wanted. */
    bool (*on_record)(void *ctx, const struct record *r);
    uint64_t from_seq, to_seq; /* only segments that may hold these are read; 0: all */
    bool sink;    /* as one that has everything before from_seq: if the oldest segment begins behind
                  it, there is a RECORD_GAP up to there */
    bool headers; /* only headers are read, and the newest segment; counts of records are those
                     of numbers then */
};

/* 0 (damage is no error: look at the summary), ERR_UNKNOWN (no journal is here), ERR_VERSION,
 * ERR_STOPPED (on_record wanted no more), or the disk's error. */
MUST_USE int verify_journal(struct disk *disk, const struct verify_visitor *v,
                            struct verify_summary *out);
/* The place of one cursor. ERR_VALUE (no such name can be), ERR_UNKNOWN, ERR_CORRUPT (damaged). */
MUST_USE int verify_cursor_seq(struct disk *disk, const char *name, uint64_t *out_seq);
/* Whether anything is wrong with it; a cursor alone is not: its sink begins again. */
bool verify_damaged(const struct verify_summary *s);

#endif
