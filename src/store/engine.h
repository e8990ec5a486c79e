#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H
/*
 * What a database has to do for store_io.c, which adds threads, waiting and metrics. One writer and
 * any number of readers, each used by one thread at a time. Contracts are those of store.h.
 */
#include "store/store.h"

struct store_engine {
    /* Opens, makes or migrates. *out_position: of the configured journal. */
    int (*writer_open)(const struct store_config *c, void **out, uint64_t *out_position,
                       struct fault *f);
    void (*writer_close)(void *w);
    /* now_ns: wall clock, becomes received_ns. */
    int (*write)(void *w, const struct record *records, size_t count, uint64_t position,
                 int64_t now_ns, struct store_counts *out);
    /* 0 when everything committed is on the disk, ERR_BUSY when readers were in the way. */
    /* NULL in both: a commit is on the disk. */
    int (*checkpoint)(void *w);
    /* Whether so much waits for a checkpoint that the writer should make one now. */
    bool (*checkpoint_due)(void *w);
    uint64_t (*cursor)(void *w, const struct uuid *origin);
    /* The database's position: when write() returned ERR_STALE it turned out to be older than where
     * the run is; it may be after check() as well. NULL: that cannot be. */
    uint64_t (*position)(void *w);
    /* Whether a write would find the database; connects again where that is needed. Codes of write().
     * NULL: it is not somebody else's to take away. */
    int (*check)(void *w);
    int (*origins)(void *w, int (*each)(void *ctx, const struct store_origin *o), void *ctx);
    int (*disown)(void *w);
    const char *(*error)(void *w);

    int (*reader_open)(const struct store_config *c, void **out, struct fault *f);
    void (*reader_close)(void *r);
    /* The query was checked. go_on(go_on_ctx) is asked now and then; other than 0 ends the query
     * with that code. Fills *out but for `behind`. */
    void (*run)(void *r, const struct store_query *q, const struct store_render *render, void *ctx,
                int (*go_on)(void *go_on_ctx), void *go_on_ctx, struct store_answer *out);
};

/* The first number that is missing when a gap is told; over its last when none is. Its sender may not
 * have known yet what had arrived when it dropped the rest. had: up to where that start of the journal
 * is stored or told. */
static inline uint64_t store_gap_first(uint64_t first, uint64_t had)
{
    return first > had ? first : had + 1;
}

/* The position is not known yet, since the database is away. */
#define STORE_POSITION_UNKNOWN UINT64_MAX

extern const struct store_engine store_sqlite, store_pg;

#endif
