#ifndef JOURNAL_SALVAGE_H
#define JOURNAL_SALVAGE_H
/*
 * A new journal out of what is whole in a damaged one. Reads every segment that it can find, by
 * content and not by name, writes nothing there, and appends every record to the new journal in
 * order and once, with the identity that it had: so whoever has it already drops it. For `wayside
 * journal repair`. Pure but for the disks.
 *
 * What is believed: a whole header; else the file's name with the journal's identity; else, when
 * all of that is lost, the frames themselves (seed.h). Each record is whole by its checksum.
 */
#include "journal/disk.h"
#include "journal/record.h"

/* How it is known whose segment a file is. */
enum salvage_how {
    SALVAGE_HEADER,  /* its header is whole */
    SALVAGE_NAME,    /* by its name, and by what is known of the journal */
    SALVAGE_FRAMES,  /* by its frames alone */
    SALVAGE_NOTHING, /* nothing whole is in it */
    SALVAGE_VERSION, /* another version wrote it: left out */
};
struct salvage_file {
    char name[288]; /* "damaged/0.seg" */
    enum salvage_how how;
    uint64_t bytes;
    struct uuid journal;
    uint64_t generation; /* 0: unknown */
    /* what came out of it */
    uint64_t records, repeated; /* repeated: numbers that another file had too */
    uint64_t first_seq, last_seq;
    uint64_t damages, damaged_bytes, unnamed;
    bool torn;       /* ends in a record that is not whole: damaged, or never acknowledged */
    bool unreadable; /* the disk gave up on it, from some place on */
};
struct salvage_lost {
    uint64_t first, last; /* numbers in the old journal */
    bool refused;         /* not lost, but no journal takes it */
};
struct salvage_cursor {
    char name[33];
    uint64_t seq;
    bool ok; /* else its file is damaged or another journal's */
};
/* What is told on the way; each may be NULL. */
struct salvage_visitor {
    void *ctx;
    void (*on_cursor)(void *ctx, const struct salvage_cursor *c);
    void (*on_lost)(void *ctx, const struct salvage_lost *l);
    void (*on_file)(void *ctx, const struct salvage_file *f); /* once it is done with */
    void (*on_bytes)(void *ctx, uint64_t bytes);              /* read, more or less */
};
struct salvage_summary {
    struct uuid journal, into; /* the old one, all zero when nothing says; the new one */
    bool id_ok;                /* the old one's own file says who it was */
    uint64_t files, bytes;     /* segments with anything in them */
    uint64_t records;          /* of devices */
    uint64_t gaps, marks;      /* that were there, see record.h */
    uint64_t foreign;          /* among all: of other journals whose segments were there */
    uint64_t repeated;
    uint64_t first_seq, last_seq; /* numbers in the old journal */
    uint64_t lost;                /* numbers that no sink has had for sure */
    uint64_t lost_ranges, refused;
    uint64_t lost_from; /* the newest segment is gone: what else was lost from here on, nobody
                           knows; 0: it is there */
    uint64_t new_last;  /* numbers in the new journal: 1 to this */
};

/* One folder to look into. */
struct salvage_folder {
    struct disk *disk;
    const char *prefix; /* of its files' names: "" for the journal's own, which is the first */
};
#define SALVAGE_FOLDERS_MAX 8

/* into: an empty directory. Numbers that are lost become RECORD_GAPs of the old journal there, but
 * for those that a sink may have had before, by the lowest cursor; all cursors are there again, in
 * front of everything, since a sink knows nothing of the new journal's numbers. 0, ERR_UNKNOWN (no
 * record could be found), ERR_EXISTS (into is not empty), ERR_CORRUPT (what was written does not
 * read back), -ENOSPC, or the disk's error; f has the sentence. */
MUST_USE int salvage_journal(const struct salvage_folder *from, size_t count, struct disk *into,
                             const struct salvage_visitor *v, struct salvage_summary *out,
                             struct fault *f);

/* ---- salvage_find.c, for salvage.c ---- */

/* One file with records. */
struct salvage_part {
    struct disk *disk;
    char on_disk[256]; /* its name there */
    struct salvage_file file;
    uint32_t seed;
    uint32_t size;    /* as it was allocated; 0: unknown */
    bool in_place;    /* in the journal's folder, under its own name */
    bool foreign;     /* of another journal */
    uint64_t epoch;   /* of the records that were born in it; 0: unknown */
    uint64_t starts;  /* first number that it may hold; 0: unknown */
    uint64_t end_seq; /* its records are those before */
};
struct segfile;
struct segment_id;
#define SALVAGE_CURSORS_MAX 64
struct salvage_found {
    struct salvage_part *parts; /* with records, other journals first, each by its first number;
                                   behind `count` those without */
    size_t count, all, cap;
    struct salvage_cursor cursors[SALVAGE_CURSORS_MAX];
    size_t cursor_count;
    struct uuid journal; /* whose journal it is; all zero: unknown */
    bool id_ok;
    uint64_t said_generation, said_first; /* of the newest segment, by the journal's own file */
};
MUST_USE int salvage_find(const struct salvage_folder *from, size_t count,
                          struct salvage_found *out);
/* Walks over one of them. A disk that fails is asked a few times; see segfile.h. */
MUST_USE int salvage_open(const struct salvage_part *p, struct segfile *f);
MUST_USE int salvage_next(struct segfile *f, struct record *out);
void salvage_found_fini(struct salvage_found *f);

#endif
