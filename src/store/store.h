#ifndef STORE_STORE_H
#define STORE_STORE_H
/*
 * The database behind a hub: what was journalled becomes rows, exactly once, and is read back
 * newest first, by time, or summed up for charts. The engine is SQLite (a file) or PostgreSQL (a
 * server, which several hubs may share), both behind the same functions (engine.h).
 *
 * Exactly once: rows, the cursor of each record's origin (journal uuid, epoch → highest seq) and the
 * position in the hub's own journal are one transaction. What a cursor has passed is skipped; so
 * the position only says where to read on, and a journal or a database that was restored from an
 * older copy costs nothing but reading again. A sender's own id (record.id) that comes again within
 * its window becomes no second row either.
 *
 * Threads: the writer functions are called by one thread, which may block. Queries are asked from
 * loops and run on the store's own reader threads (store_ask), or on the caller's thread with a
 * reader of one's own (store_reader_*: tests, command line).
 *
 * Durability: a commit is in the file but perhaps not yet on the disk (WAL, synchronous=NORMAL).
 * The journal may be trimmed behind store_checkpointed(), never behind store_position().
 */
#include "base/buf.h"
#include "base/list.h"
#include "base/metrics.h"
#include "journal/record.h"
#include "net/loop.h"
#include "net/workers.h"

struct store;

struct store_config {
    const char *path;     /* of the SQLite file; its folder must exist; made with mode 0600 */
    const char *postgres; /* instead: where PostgreSQL is, as libpq takes it; NULL: SQLite */
    const char *postgres_password; /* NULL or "": none, or as libpq finds one */
    struct uuid journal;           /* the hub's own journal, of which `position` counts */
    unsigned readers;              /* reader threads, 0: none (store_ask may then not be called) */
    uint64_t busy_ms;              /* how long a write waits for another process's lock */
    uint64_t query_ms;             /* a query that runs longer is ended with ERR_LIMIT */
    uint64_t pages_max;            /* most pages of 4 KiB in the file; 0: no limit */
    uint64_t id_window_ms;         /* a sender's id is a repeat when its times are so close */
    bool check;                    /* quick integrity check at opening */
    struct metrics *metrics;
};
/* busy 5 s, query 20 s, two readers, ids within 10 minutes, no check. */
struct store_config store_config_default(void);

/* Opens, makes or migrates the file, or the tables of the server; a server that cannot be reached is
 * no failure: writing and asking fail until it is there. On failure *f has the sentence: ERR_VERSION when the file is
 * newer than this program (left untouched), ERR_CORRUPT, ERR_BUSY, ERR_FULL, ERR_DB, -errno. */
MUST_USE int store_open(const struct store_config *c, struct store **out, struct fault *f);
/* From here on questions, those that wait and those under way too, are answered with ERR_STOPPED, so
 * that whoever serves them can end. NULL is legal. */
void store_stop_asking(struct store *s);
/* Ends the readers (queries that wait are answered with ERR_STOPPED), checkpoints, closes. Nobody
 * asks any more; answers under way are still delivered as mail. NULL is legal. */
void store_close(struct store *s);

/* ---- the writer's thread ---- */

/* Most numeric leaves that are noted of one stream (store_stream.fields). */
#define STORE_FIELDS_MAX 64

/* Where to read the journal from: after the returned seq. cursor_seq: where the journal's cursor of
 * the store stands. The lower of that and the database's position, since either may have been
 * restored from an older copy. Once, before the first write and before questions wait
 * (read your writes counts from here). */
uint64_t store_begin(struct store *s, uint64_t cursor_seq);

/* How far the database itself was with this journal when it was opened; UINT64_MAX: it was away. */
uint64_t store_found(const struct store *s);

/* A journal of which two devices seem to run: an epoch that nobody knew began at or below a number
 * that another one had reached. Nothing is merged or lost; somebody should look. */
struct store_fork {
    struct uuid origin;
    uint64_t epoch, first_seq;
    uint64_t other_seq; /* the highest of the other epochs */
};
#define STORE_FORKS_NOTED 4
struct store_counts {
    size_t stored;   /* rows, gaps among them */
    size_t skipped;  /* an origin's cursor had passed them */
    size_t repeated; /* their sender's id was there already */
    size_t forks;
    struct store_fork fork[STORE_FORKS_NOTED]; /* the first of them */
};

/* One transaction: each record whose origin_seq is above its origin's cursor becomes a row; then
 * the cursors, the summaries of devices and streams, and the position. position: the local journal
 * seq up to which everything is in this or earlier batches since store_begin. count may be 0 (a
 * stretch of the journal without records). *out (may be NULL): what became of them. A RECORD_GAP
 * becomes a row of the table of gaps; a record that was told as lost and comes after all becomes a row
 * too, and its gap shorter. Nothing changed on failure: ERR_BUSY (locked by somebody, try
 * again), ERR_FULL (disk or page limit), ERR_CLOSED (the file is gone or was replaced: open again),
 * ERR_CORRUPT, ERR_DB (store_error() has the text). After one, write again from store_position(). */
MUST_USE int store_write(struct store *s, const struct record *records, size_t count,
                         uint64_t position, struct store_counts *out);
/* When there is nothing to write: whether the database is there, and still as it was left. Codes of
 * store_write; after one, read from store_position() on. */
MUST_USE int store_check(struct store *s);
/* The engine's own words about the last failure of the writer. */
const char *store_error(const struct store *s);
/* From any thread: the journal seq up to which rows are committed (readers see them), and up to
 * which they are on the disk for good. */
uint64_t store_position(const struct store *s);
uint64_t store_checkpointed(const struct store *s);
/* The highest seq of a journal that is stored or told as lost, over all its epochs; 0 when it is
 * unknown. */
uint64_t store_cursor(struct store *s, const struct uuid *origin);
/* All starts of journals that records came from, in the order in which they appeared. Ends with what
 * each() returns when that is not 0, or with a code of store_write. */
struct store_origin {
    struct uuid uuid;
    uint64_t epoch;
    uint64_t last_seq;          /* of this start: stored, or told as lost */
    struct uuid sink;           /* the hub's journal through which it got there; zero: unknown */
    uint64_t gaps, lost, forks; /* of the whole journal */
};
MUST_USE int store_origins(struct store *s, int (*each)(void *ctx, const struct store_origin *o),
                           void *ctx);
/* From here on no origin is known to have got where it is through this hub's journal, until it goes on.
 * Codes of store_write. */
MUST_USE int store_disown(struct store *s);
/* Moves what is committed to the disk for good. store_write does it by itself after some MiB; call
 * it when idle, so that the journal can be trimmed. Not a failure when readers are in the way:
 * then it is done later. */
MUST_USE int store_checkpoint(struct store *s);

/* ---- questions ---- */

enum store_what {
    STORE_DEVICES, /* devices in the order of their names, each with its streams */
    STORE_RECORDS, /* records newest first (device time; the later stored first when equal) */
    STORE_LATEST,  /* the newest record of each stream, in the order in which streams appeared */
    STORE_SERIES,  /* one numeric field over time, in steps: minimum, average, maximum, count */
    STORE_GAPS, /* lost stretches, the last told first; from_ns and to_ns are of their arrival; of
                      one device: those of the journal that its last record came from */
};
struct store_query {
    enum store_what what;
    struct str device;      /* empty: all (STORE_SERIES needs one) */
    struct str stream;      /* empty: all of the device (STORE_SERIES needs one) */
    unsigned kinds;         /* bits 1 << enum record_kind; 0: all */
    int64_t from_ns, to_ns; /* device time in [from, to); to_ns 0: no end */
    size_t limit;           /* rows at most, 1..STORE_LIMIT_MAX; 0: 100 */
    struct str after;       /* the token `next` of the page before; empty: from the start */
    struct str field;       /* STORE_SERIES: path of a numeric leaf (leaves.h), or STORE_LAG */
    int64_t step_ns;        /* STORE_SERIES: > 0; at most STORE_LIMIT_MAX steps */
};
/* The field that every row of a stream has: seconds from device time to arrival. */
#define STORE_LAG           "@lag"
#define STORE_LIMIT_MAX     10000
#define STORE_LIMIT_DEFAULT 100

/* A mistake in the query: ERR_VALUE, *why_field (may be NULL) the constant name of the parameter,
 * *f the sentence. The same check is made when it runs. */
MUST_USE int store_query_check(const struct store_query *q, const char **why_field,
                               struct fault *f);

struct store_stream {
    struct str name;
    enum record_kind kind;
    struct str fields; /* names of numeric leaves, a JSON array of text */
    uint64_t count;
    int64_t last_wall_ns; /* newest device time */
};
struct store_device {
    struct str name, title, location;    /* the last two may be empty */
    int64_t first_seen_ns, last_seen_ns; /* when the hub stored something of it */
    int64_t last_wall_ns;                /* newest device time */
    struct uuid origin;                  /* journal of its last record; zero: unknown */
    uint64_t gaps, lost, forks;          /* of that journal */
    const struct store_stream *streams;
    size_t stream_count;
};
struct store_row {
    uint64_t id; /* of the row: rises by arrival */
    struct str device, stream;
    enum record_kind kind;
    struct str content_type; /* empty: payload is valid JSON */
    int64_t wall_ns, received_ns;
    int64_t sent_ns; /* the device's time before it was corrected; only when `corrected` */
    bool corrected;
    struct uuid origin;
    uint64_t origin_epoch, origin_seq; /* epoch 0: stored before there were any */
    struct str payload;
};
struct store_gap {
    uint64_t id; /* rises by arrival */
    struct uuid origin;
    uint64_t first, last;
    int64_t wall_ns, received_ns;
    struct str reason;
};
struct store_point {
    int64_t t_ns; /* start of the step: a multiple of step_ns after from_ns */
    double min, avg, max;
    uint64_t count;
};
/* What becomes of the rows: called on the reader's thread, in order; views are valid during the
 * call. Only the one that the query asks for is called; it returns 0 to go on, or a code that ends
 * the query. */
struct store_render {
    int (*device)(void *ctx, const struct store_device *d);
    int (*row)(void *ctx, const struct store_row *r);
    int (*point)(void *ctx, const struct store_point *p); /* steps without a value are left out */
    int (*gap)(void *ctx, const struct store_gap *g);
};
#define STORE_TOKEN_SIZE 64
struct store_answer {
    int code;    /* 0; ERR_UNKNOWN (no such device), ERR_VALUE, ERR_LIMIT (took too long), ERR_BUSY,
               * ERR_CORRUPT, ERR_DB, ERR_STOPPED, or the renderer's own */
    bool behind; /* the wait for wait_seq ended before the store was there */
    size_t rows; /* rendered */
    char next[STORE_TOKEN_SIZE]; /* zero-terminated; "" when there are no more rows */
    char text[200];              /* about a failure */
};

/* A query on its way. The asker allocates it (inside something of its own), fills the upper part,
 * and owns it again when done() is called. */
struct store_job {
    struct store_query query; /* its strings live until done() */
    uint64_t wait_seq;        /* read your writes: wait until store_position reaches it; 0: no */
    uint64_t wait_ms;         /* at most so long, then answer what is there with `behind` */
    const struct store_render *render;
    void *ctx;                         /* of render; touched by the reader's thread until done() */
    struct loop *loop;                 /* the asker's */
    void (*done)(struct store_job *j); /* on that loop, exactly once */
    struct store_answer answer;
    /* the store's own */
    struct store *store;
    struct job job;
    struct mail mail;
    struct list waiting;
    uint64_t deadline_ms;
};
/* On the asker's loop. Always answered by done(), never from within this call. */
void store_ask(struct store *s, struct store_job *j);

/* ---- a reader of one's own, blocking ---- */
struct store_reader;
MUST_USE int store_reader_open(const struct store_config *c, struct store_reader **out,
                               struct fault *f);
void store_reader_close(struct store_reader *r);
/* Runs the query here and fills *out; returns out->code. */
int store_reader_run(struct store_reader *r, const struct store_query *q,
                     const struct store_render *render, void *ctx, struct store_answer *out);

#endif
