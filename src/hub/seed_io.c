/*
 * The store knows how far each journal was when its rows were written; the marks in this hub's own
 * journal tell what came since (record.h).
 *
 * Only that counts which came through this hub's own journal. What got into the database by another
 * one (of a hub that shares it; this hub's, before it was lost) may be gone from there tomorrow, or
 * never have gone on to the next hub, and this journal could not give it again. The same when this
 * journal came back from an older copy, or when the database cannot be asked. Whoever is not known
 * sends what he still has once more: the store drops what it has, takes what it lacks, and what nobody
 * has any more is told as a gap. To take him where he begins would hide a hole behind his numbers.
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

    if (!uuid_eq(&o->uuid, &g->own) && uuid_eq(&o->sink, &g->own))
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

void seed_senders(struct uplink_server *u, struct journal *j, struct store *s)
{
    struct seeding g = { u, journal_uuid(j) };
    uint64_t found = store_found(s);
    bool older = found != UINT64_MAX && found > journal_head(j);
    int rc = older ? store_disown(s) : 0, tail;

    if (rc == 0)
        rc = store_origins(s, seed_one, &g);
    tail = seed_tail(&g, j, rc == 0 ? store_position(s) : 0);
    if (rc == 0)
        rc = tail;
    if (rc < 0)
        log_warn("uplink", "it is not known how far all senders are; they send again",
                 lf_err("error", rc));
}
