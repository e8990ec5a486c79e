/*
 * The store knows how far each journal was when its rows were written; the marks in this hub's own
 * journal tell what came since (record.h). If either cannot be read, it is not known of everybody:
 * then whoever is not known is taken where it begins, since a store that is away must not keep
 * anybody from handing over.
 *
 * A hub that sends on does so from its journal. Where the database got through another journal (this
 * hub's, before it was lost; another hub's), or through this one before it came back from an older
 * copy, nobody knows what of it had gone on. So for such a hub only that counts which came through its
 * journal; everybody else sends what he still has once more: this store drops what it has, and the
 * next hub takes what it lacks, or is told of it.
 */
#include "hub/seed_io.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

#define SEED_RECORDS 1024

struct seeding {
    struct uplink_server *u;
    struct uuid own; /* nobody sends it */
    bool own_only;   /* only what came through it counts */
};

static int seed_one(void *ctx, const struct store_origin *o)
{
    struct seeding *g = ctx;

    if (!uuid_eq(&o->uuid, &g->own) && (!g->own_only || uuid_eq(&o->sink, &g->own)))
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

void seed_senders(struct uplink_server *u, struct journal *j, struct store *s, bool forwards)
{
    struct seeding g = { u, journal_uuid(j), forwards };
    uint64_t found = store_found(s);
    bool older = found != UINT64_MAX && found > journal_head(j);
    int rc = forwards && older ? store_disown(s) : 0;

    if (rc == 0)
        rc = store_origins(s, seed_one, &g);
    if (rc == 0 || forwards) {
        int tail = seed_tail(&g, j, rc == 0 ? store_position(s) : 0);

        rc = rc == 0 ? tail : rc;
    }
    if (rc == 0)
        return;
    if (forwards) {
        log_warn("uplink", "it is not known how far all senders are; they send again",
                 lf_err("error", rc));
        return;
    }
    log_warn("uplink", "it is not known how far all senders are; they are taken where they begin",
             lf_err("error", rc));
    uplink_server_incomplete(u);
}
