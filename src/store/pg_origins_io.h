#ifndef STORE_PG_ORIGINS_IO_H
#define STORE_PG_ORIGINS_IO_H
/*
 * The cursors of exactly-once of a batch, for the PostgreSQL writer: locked at the beginning of its
 * transaction, written back at the end, and worth nothing after it. Gaps and forks go with them. What
 * may fail returns the codes of pg_run().
 */
#include "store/pg_names_io.h"

/* Its statements, in this order behind those of the names. */
enum pg_origins_sql {
    PG_JOURNAL_TAKE = PG_NAMES_SQL,
    PG_JOURNAL_ADD,
    PG_ORIGIN_FIND,
    PG_ORIGIN_ADD,
    PG_ORIGIN_SET,
    PG_JOURNAL_SET,
    PG_FORK_ADD,
    PG_GAP_ADD,
    PG_GAP_FIND,
    PG_GAP_REMOVE,
    PG_GAP_CUT,
    PG_GAP_COPY,
    PG_DISOWN,
    PG_CURSOR,
    PG_ORIGINS,
    PG_ORIGINS_SQL,
};
extern const struct pg_statement pg_origins_sql[PG_ORIGINS_SQL - PG_NAMES_SQL];

/* A cursor while its transaction is open. */
struct pg_origin {
    struct {
        struct uuid uuid;
        uint64_t epoch;
    } key;
    int64_t id, journal;
    uint64_t last_seq, high_seq;
    int64_t gaps, lost; /* what the batch adds */
    uint64_t forks;
    bool has_gaps; /* any of its journal */
    bool changed;
};

/* Of one transaction; more make it smaller, not wrong: see pg_origins_collect(). */
#define PG_ORIGINS_MAX 256
struct pg_origins {
    struct pg *pg;
    struct uuid sink; /* the hub's journal */
    struct pg_origin items[PG_ORIGINS_MAX];
    size_t count;
};

void pg_origins_init(struct pg_origins *o, struct pg *pg, const struct uuid *sink);
/* The distinct origins of a batch; returns how many of its records have theirs there: the transaction
 * is of so many. */
size_t pg_origins_collect(struct pg_origins *o, const struct record *records, size_t count);
/* Takes those that were collected, and makes what is not there yet. */
MUST_USE int pg_origins_lock(struct pg_origins *o);
/* That of a record of the batch. */
struct pg_origin *pg_origins_find(struct pg_origins *o, const struct record *r);
/* The cursor goes on to seq. *out_forked: *out says that another start had passed it. */
MUST_USE int pg_origins_advance(struct pg_origins *o, struct pg_origin *at, uint64_t seq,
                                int64_t now_ns, bool *out_forked, struct store_fork *out);
MUST_USE int pg_origins_note_gap(struct pg_origins *o, struct pg_origin *at, const struct record *r,
                                 int64_t now_ns);
/* What the cursor has passed came: *out_filled when it was told as lost, and is so no more. */
MUST_USE int pg_origins_fill_gap(struct pg_origins *o, struct pg_origin *at, uint64_t seq,
                                 bool *out_filled);
MUST_USE int pg_origins_flush(struct pg_origins *o);

/* ---- outside a transaction ---- */
MUST_USE int pg_origins_each(struct pg_origins *o,
                             int (*each)(void *ctx, const struct store_origin *so), void *ctx);
/* 0 when it is not known, or the database is away. */
uint64_t pg_origins_cursor(struct pg_origins *o, const struct uuid *uuid);
MUST_USE int pg_origins_disown(struct pg_origins *o);

#endif
