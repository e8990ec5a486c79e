#ifndef JOURNAL_JOURNAL_IMPL_IO_H
#define JOURNAL_JOURNAL_IMPL_IO_H
/* What journal_io.c (the committer) and journal_sinks_io.c (cursors, readers, watches) share. */
#include "base/cell.h"
#include "base/list.h"
#include "journal/journal.h"
#include "journal/reader.h"
#include "journal/spool.h"
#include "net/workers.h"

/* A reply's gate may only be freed when the committer has left gate_open(): it does so itself. */
struct reply {
    struct queue_node node;
    struct gate *gate;
};

struct ask {
    struct queue_node node;
    void (*run)(struct journal *j, struct ask *a);
    struct reply *reply;
    /* in and out, as each needs them */
    const char *name;
    uint64_t seq, last, epoch;
    struct spool_row *rows;
    size_t count;
    struct life_span life;
    struct journal_cursor *cursor;
    struct journal_watch *watch;
    int rc;
};

/* Lives until the journal is closed, so that its metric may be asked for at any time. */
struct journal_cursor {
    struct list link; /* the committer's */
    struct journal *journal;
    struct spool_cursor *cursor; /* the committer's; NULL: not open */
    struct cell at;
    char name[33];
    bool told; /* its metric is there */
};

struct journal_watch {
    struct list link; /* the committer's */
    struct journal *journal;
    struct gate *gate;
    struct loop *loop;
    void (*news)(void *ctx);
    void *ctx;
    struct cell posted; /* 1: mail is under way */
    struct mail mail;
    bool closed; /* on the loop only */
    struct mail last;
};

struct journal_metrics {
    struct metric *records, *payload, *written, *flushes, *failed, *dropped, *flush_seconds, *lost;
    struct metric *group_records, *refused[SPOOL_REASONS];
    struct spool_counts told;
};

struct journal {
    struct spool spool; /* the committer's, once it runs */
    struct disk *disk;
    struct journal_options o;
    struct thread *thread;
    struct gate *gate;
    struct queue appends, asks, retired;
    struct cell stopping, tend_soon;
    struct cell head, epoch, oldest, segments, bytes, dropped, dropped_ever, damaged, error;
    struct cell most, free;
    struct list watches, cursors; /* the committer's */
    struct metrics *registry;
    struct journal_metrics metrics;
};

/* Runs a on the committer, between two groups, and waits for it. */
void journal_ask(struct journal *j, struct ask *a);

#endif
