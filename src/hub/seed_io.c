/*
 * The store knows how far each journal was when its rows were written; the marks in this hub's own
 * journal tell what came since (record.h). If either cannot be read, it is not known of everybody:
 * then whoever is not known is taken where it begins, since a store that is away must not keep
 * anybody from handing over.
 *
 * A hub that sends on does so from its journal. When that was lost, or is older than the database,
 * nobody knows what of the database had gone on; so nobody is known by the database then, and all
 * send what they still have once more: this store drops what it has, and the next hub takes what it
 * lacks or is told of it.
 */
#include "hub/seed_io.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#define SEED_RECORDS 1024

struct seeding {
    struct uplink_server *u;
    struct uuid own; /* nobody sends it */
};

static int seed_one(void *ctx, const struct store_origin *o)
{
    struct seeding *g = ctx;

    if (!uuid_eq(&o->uuid, &g->own))
        uplink_server_seed(g->u, &o->uuid, o->epoch, o->last_seq);
    return 0;
}

static int seed_tail(const struct seeding *g, struct journal *j, uint64_t after_seq)
{
    struct journal_reader *r = journal_reader_new(j, NULL, after_seq, MIB(1));
    struct record *records = mem_new_array(SEED_RECORDS, sizeof(*records));
    uint64_t head = journal_head(j);
    size_t count = 1;
    int rc = 0;

    while (rc == 0 && count > 0 && journal_reader_seq(r) < head) {
        rc = journal_reader_next(r, records, SEED_RECORDS, MIB(1), &count);
        for (size_t i = 0; i < count && rc == 0; i++)
            if (!uuid_eq(&records[i].origin, &g->own))
                uplink_server_seed(g->u, &records[i].origin, records[i].origin_epoch,
                                   records[i].origin_seq);
    }
    mem_free(records);
    journal_reader_free(r);
    return rc;
}

static bool journal_was_lost(struct journal *j, const struct store *s)
{
    uint64_t head = journal_head(j), found = store_found(s);

    return found != UINT64_MAX && (head == 0 || found > head);
}

void seed_senders(struct uplink_server *u, struct journal *j, struct store *s, bool forwards)
{
    struct seeding g = { u, journal_uuid(j) };
    int rc = forwards && journal_was_lost(j, s) ? 0 : store_origins(s, seed_one, &g);

    if (rc == 0)
        rc = seed_tail(&g, j, store_position(s));
    if (rc == 0)
        return;
    log_warn("uplink", "it is not known how far all senders are; they are taken where they begin",
             lf_err("error", rc));
    uplink_server_incomplete(u);
}
