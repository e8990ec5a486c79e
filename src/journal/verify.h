#ifndef JOURNAL_VERIFY_H
#define JOURNAL_VERIFY_H
/*
 * A look at a journal's directory from outside: read-only, without the lock, also while a node
 * runs on it (its newest segment then ends wherever the last write was). For `wayside journal
 * ls|verify|cat`.
 */
#include "journal/disk.h"
#include "journal/record.h"

struct verify_segment {
    uint64_t generation, bytes; /* of the file */
    uint64_t first_seq;         /* as the header says; of the first record when that is damaged */
    uint64_t last_seq;          /* of the last whole record; 0: none */
    uint64_t records, gaps, payload_bytes;
    uint64_t damages;       /* places that are no whole frame, with whole ones behind them */
    uint64_t damaged_bytes; /* in them */
    uint64_t unnamed;       /* whole records whose name is lost */
    uint64_t missing;       /* numbers that are not there, within it and before it */
    uint64_t tail_bytes;    /* behind the last whole frame: not written yet, or torn */
    int64_t created_ns;
    bool header_ok;
    bool foreign; /* of another journal, or nothing of ours is in it */
};
struct verify_cursor {
    char name[33];
    uint64_t seq;
    bool ok; /* its file is whole and of this journal */
};
struct verify_summary {
    struct uuid journal;
    uint64_t segments, bytes, first_seq, last_seq, records, gaps, payload_bytes;
    uint64_t damages, damaged_bytes, unnamed, missing, foreign, damaged_headers;
    bool id_ok; /* the journal's own file says who it is */
};

/* What is told on the way; each may be NULL. */
struct verify_visitor {
    void *ctx;
    void (*on_segment)(void *ctx, const struct verify_segment *s);
    void (*on_cursor)(void *ctx, const struct verify_cursor *c);
    /* Every record that a sink would get; return false to go on with the next segment. */
    bool (*on_record)(void *ctx, const struct record *r);
};

/* 0 (damage is no error: look at the summary), ERR_UNKNOWN (no journal is here), ERR_VERSION, or
 * the disk's error. */
MUST_USE int verify_journal(struct disk *disk, const struct verify_visitor *v,
                            struct verify_summary *out);
/* Whether anything is wrong with it. */
bool verify_damaged(const struct verify_summary *s);

#endif
