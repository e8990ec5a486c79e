#ifndef STORE_SQLITE_ORIGINS_IO_H
#define STORE_SQLITE_ORIGINS_IO_H
/*
 * The SQLite writer's memory of where records come from: journals, and the cursor of each of their
 * epochs. New ones become rows at once; what changed is written once per transaction by
 * origins_flush(). When a transaction was rolled back the memory is wrong: origins_forget().
 */
#include "store/sqlite_io.h"

struct origin_journal {
    int64_t id;
    uint64_t high_seq; /* over all epochs but 0 */
    uint64_t gaps, lost, forks;
    struct origin_journal *next_changed;
    bool changed;
    struct uuid uuid;
};
struct origin {
    int64_t id;
    struct origin_journal *journal;
    uint64_t last_seq; /* 0: nothing of it was stored yet */
    struct origin *next_changed;
    bool changed;
    struct {
        struct uuid uuid;
        uint64_t epoch;
    } key; /* no padding: it is the key of a map */
};
struct origins;

/* sink: the hub's journal, of whose doing the cursors are. */
MUST_USE int origins_open(sqlite3 *db, const struct uuid *sink, struct origins **out);
void origins_close(struct origins *o);
void origins_forget(struct origins *o);
/* The entry, made where there was none (within the caller's transaction). Code of sqlite_code. */
MUST_USE int origins_get(struct origins *o, const struct uuid *uuid, uint64_t epoch,
                         struct origin **out);
/* Something of the origin up to seq was stored. When that shows that the journal forks: a row of
 * forks, true in *out_forked and what it is in *out. */
MUST_USE int origins_advance(struct origins *o, struct origin *at, uint64_t seq, int64_t now_ns,
                             bool *out_forked, struct store_fork *out);
/* A gap of the journal became a row: so many records are missing. */
void origins_note_gap(struct origins *o, struct origin *at, uint64_t lost);
/* The record seq came after all: where it was told as lost the gap is shorter from here on, and
 * *out_filled is true. */
MUST_USE int origins_fill_gap(struct origins *o, struct origin *at, uint64_t seq, bool *out_filled);
/* As store_disown. */
MUST_USE int origins_disown(struct origins *o);
MUST_USE int origins_flush(struct origins *o);
/* After a commit: forgets all when there are too many to keep. */
void origins_settle(struct origins *o);

/* As store_cursor and store_origins. */
uint64_t origins_cursor(struct origins *o, const struct uuid *uuid);
MUST_USE int origins_each(struct origins *o, int (*each)(void *ctx, const struct store_origin *so),
                          void *ctx);

#endif
