#ifndef JOURNAL_SPOOL_H
#define JOURNAL_SPOOL_H
/*
 * The writing side of a journal: its segment files, the group commit, the cursors. For one thread
 * (the committer), without threads of its own; every effect goes through the disk's table, so
 * tests run it in memory. journal_io.c puts the thread around it.
 */
#include "base/limits.h"
#include "base/list.h"
#include "journal/disk.h"
#include "journal/journal.h"
#include "journal/lives.h"
#include "journal/names.h"
#include "journal/segment.h"
#include "journal/slots.h"

#define SPOOL_SPARE    "spare.tmp"
#define SPOOL_ID       "journal.id"
#define SPOOL_CURSOR   "cursor-" /* and its name */
#define SPOOL_ROWS_MAX 64        /* rows told to a reader at once */

/* One segment file. */
struct spool_row {
    uint64_t generation;
    uint64_t first_seq; /* its records are first_seq … end_seq - 1 */
    uint64_t end_seq;   /* in what a reader is told; UINT64_MAX: it is being written */
    uint64_t bytes;     /* of the file */
    uint32_t kinds;     /* bits 1 << kind; ~0: unknown */
    int64_t begun_ns;   /* wall clock; 0: unknown */
    uint64_t life;      /* the start that wrote it (lives.h); 0: unknown */
    bool damaged;       /* a reader found damage in it */
    uint64_t lost_to;   /* and this is the last number that was counted as lost in it */
};

struct cell;
struct spool_cursor {
    struct list link;
    char name[33];
    struct cell *at;  /* where the sink is; owned by whoever opened it, NULL: not open */
    uint64_t seq;     /* the last known place */
    uint64_t written; /* what the file says */
    uint64_t kept;    /* what the file says durably: trimming goes by this */
    uint64_t counter;
    uint64_t written_ns; /* when it was last written, mono */
    int file;            /* -1: not open */
};

/* Why a record was not taken. */
enum spool_reason {
    SPOOL_INVALID, /* it may not be, or is here already */
    SPOOL_FULL,    /* the quota, or the floor of free space */
    SPOOL_FAILED,  /* the disk */
    SPOOL_REASONS,
};

/* What happened since it was opened; journal_io.c makes metrics of it. */
struct spool_counts {
    uint64_t records, payload_bytes, written_bytes, flushes, failed_flushes;
    uint64_t refused[SPOOL_REASONS]; /* records */
    uint64_t dropped;                /* records that the quota cost */
    uint64_t lost;                   /* records that readers found damaged */
    uint64_t damaged;                /* damaged places that were found at the start */
    uint64_t cursor_writes;
};

struct spool {
    struct disk *disk;
    struct journal_options o;
    size_t payload_max;
    struct segment_id id; /* generation: of the segment being written, or the last one */
    struct uuid boot;
    uint64_t origin_epoch;  /* of this start; see record.h */
    struct lives lives;     /* this start and those before it */
    struct spool_row *rows; /* oldest first */
    size_t count, cap;
    bool has_spare;
    bool skipped;   /* at the start: numbers were passed over, see spool_open.c */
    uint64_t epoch; /* changes whenever rows do */
    struct spool_id_file {
        uint64_t counter, said; /* said: the generation that it tells */
        uint64_t said_first;    /* and the first number there */
        int file;
    } id_file;
    uint64_t dropped_ever; /* records that the quota cost since the journal is there */
    /* the segment being written */
    int file; /* -1: none; the next record begins one */
    uint64_t file_at, file_size;
    uint32_t seed;
    struct names names;
    struct name *own;    /* in names: this journal and this start of it; NULL: not written yet */
    struct buf buf;      /* encoded, not yet written; belongs at file_at */
    bool dir_dirty;      /* a name must be made durable before anything is acknowledged */
    bool mark_committed; /* the next frame says that all before it is durable */
    uint64_t next_seq, durable_seq;
    uint64_t lazy_seq; /* written, and answered where nobody waited for a flush; >= durable_seq */
    uint64_t lazy_since_ns; /* the first of them that is not flushed */
    int error;              /* of the last group; 0: went well */
    uint64_t probe_ns; /* after an error: not before, the next look whether the disk works again */
    bool failing;      /* the disk failed and has not worked since; said once */
    struct spool_space { /* on the disk, with a soft quota: journal_status */
        uint64_t most, free;
        uint64_t bytes;   /* of the segments, when it was looked at */
        uint64_t next_ns; /* when it is looked at again */
    } space;
    struct list cursors;
    struct spool_counts counts;
};

/* Opens what is in the directory of disk, or makes a new journal there. The lock is taken. */
MUST_USE int spool_open(struct spool *s, struct disk *disk, const struct journal_options *o,
                        size_t payload_max, struct fault *f);
/* Before a clean end, with nothing left to commit: says durably how far the journal goes, so that
 * damage to its last records is told at the next start. A failure only means that it is not. */
int spool_finish(struct spool *s);
/* Writes cursors, closes files, frees. Does not free the disk. */
void spool_close(struct spool *s);

/* Commits a chain of entries as one group: all are encoded, written and flushed once, then each
 * entry's code says what became of it. Does not call done(). */
void spool_commit(struct spool *s, struct queue_node *entries);
/* What need not be done while somebody waits: the flush of what is lazy in its time, cursors to their files, segments behind all cursors
 * away, a spare. force: cursors that have moved are written whatever the time. Returns the time
 * (mono ns) at which it wants to be called again; UINT64_MAX: not before something happens. */
uint64_t spool_tend(struct spool *s, bool force);

/* Asks the disk how much space there is, when that is due. Returns as spool_tend(), which does this. */
uint64_t spool_look_at_disk(struct spool *s);
/* What is there for what makes room, beyond the most that the journal lets others have. */
uint64_t spool_reserve(const struct spool *s);

/* Flushes what is lazy, when it is due or by force. Returns as spool_tend(), which does this. */
uint64_t spool_flush_lazy(struct spool *s, bool force);

uint64_t spool_oldest(const struct spool *s); /* 0: no record is kept */
uint64_t spool_bytes(const struct spool *s);
/* The segment in which seq is, or would be, and up to max - 1 that follow it. */
size_t spool_locate(const struct spool *s, uint64_t seq, struct spool_row *out, size_t max);
/* Whose number seq is, or would be. */
struct life_span spool_life(const struct spool *s, uint64_t seq);

/* The cursor of that name; made when create and not there. NULL: no such. */
struct spool_cursor *spool_cursor(struct spool *s, const char *name, bool create);
/* Forgets it and removes its file. */
int spool_forget(struct spool *s, struct spool_cursor *c);

/* Back to a lower place, durably as far as the disk works: what it then needs stays. */
void spool_rewind(struct spool *s, struct spool_cursor *c, uint64_t seq);

/* [a-z0-9-]{1,32} */
bool spool_cursor_name_valid(const char *name);

/* ---- spool_files.c, for spool.c and spool_open.c ---- */
void spool_push_row(struct spool *s, struct spool_row row);
/* Begins a new segment at next_seq. ERR_FULL (quota), -ENOSPC (floor), or the disk's error. */
int spool_begin_segment(struct spool *s);
/* Ends the one being written; what was not flushed is lost. */
void spool_end_segment(struct spool *s);
/* The segment being written failed: nothing more goes there. */
void spool_give_up(struct spool *s);
/* Drops the oldest segment for the quota if all in it may be dropped. ERR_FULL. */
int spool_drop_oldest(struct spool *s);
/* A reader found these records of this segment damaged: the file is kept aside in its turn. They are
 * counted once, however many readers there are. */
void spool_note_damage(struct spool *s, uint64_t generation, uint64_t first, uint64_t last);
/* Drops what max_age_ms and max_records say. Returns when it wants to be asked again (mono ns). */
uint64_t spool_drop_old(struct spool *s);
/* Removes the segments behind all cursors, as far as their files say so durably. */
void spool_trim(struct spool *s);

/* ---- spool_open.c, for spool_files.c ---- */
/* Moves the file of a damaged segment that is not needed any more to damaged/, as long as few are
 * there. 0: it is there. */
MUST_USE int spool_put_aside(struct spool *s, uint64_t generation);
/* Writes the identity file and flushes it. */
MUST_USE int spool_write_id(struct spool *s, uint64_t generation, uint64_t first_seq);

/* ---- spool_cursor.c, for the other two ---- */
MUST_USE int spool_write_slot(struct spool *s, int file, const struct slot *slot);
MUST_USE int spool_read_slots(struct disk *disk, const char *name, struct slot *out);
/* Takes over a cursor's file as it is at the start; returns its seq. */
uint64_t spool_load_cursor(struct spool *s, const char *name);
/* The lowest place of any sink; 0 when there is no cursor. */
uint64_t spool_lowest_cursor(struct spool *s);
uint64_t spool_tend_cursors(struct spool *s, bool force);
/* Writes and flushes cursors that moved, so that segments may be removed. */
void spool_keep_cursors(struct spool *s);

#endif
