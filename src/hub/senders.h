#ifndef HUB_SENDERS_H
#define HUB_SENDERS_H
/*
 * Where each sending journal stands: how far this hub has it, and what it says of itself. By this a
 * hole is refused: a batch may repeat what is here and go on behind it, but not leave anything out
 * that no gap record explains. Pure. One thread changes it (the hub's committer); the cells, and what
 * is said to be fixed, may be read from any.
 */
#include "base/cell.h"
#include "base/map.h"
#include "journal/batch.h"
#include "journal/journal.h"

#define SENDERS_SHOWN_MAX 4096 /* of more the counts are right, but they are not listed */

struct sender {
    struct uuid journal; /* fixed */
    struct journal_chain chain;
    uint64_t next_seq; /* with what is under way */
    char name[64];     /* its MQTT client id; fixed once named */
    struct cell named;
    struct cell have_seq;          /* everything up to here is durable here, or was when it came */
    struct cell head_seq, dropped; /* as its newest batch says, see batch.h */
    struct cell clock_error_ms; /* its wall clock less ours when that came, delay included; int64 */
    struct cell heard_ms;       /* when that came, wall clock; 0: not since the start */
    struct cell batches, records, holes; /* since the start; batches refused for a hole */
};
struct senders {
    struct map by_uuid;
    bool complete; /* whoever is not known here has never sent anything to this hub */
    struct sender *shown[SENDERS_SHOWN_MAX];
    struct cell shown_count;
};

void senders_init(struct senders *s);
void senders_fini(struct senders *s);
/* At the start: this journal's records up to seq are here. */
void senders_seed(struct senders *s, const struct uuid *journal, uint64_t seq);
/* Made where there is none: of an unknown one the batch at hand is then the first, unless the table
 * is complete. Pointers live until senders_fini(). */
struct sender *sender_of(struct senders *s, const struct uuid *journal, uint64_t first_seq);
/* 0: the batch may be taken (what is under way counts). ERR_STALE: it leaves a hole; the sender
 * begins again behind have_seq. Then the chain is to be broken, as journal.h says. */
MUST_USE int sender_admit(struct sender *s, const struct batch_header *h);
/* What an admitted batch says of its sender. client: the MQTT client id. */
void sender_says(struct sender *s, const struct batch_sender *says, struct str client,
                 int64_t now_ns);
/* The batch is durable. */
void sender_durable(struct sender *s, const struct batch_header *h);
/* From any thread: records that the sender has and we have not; its name, "" when unknown. */
uint64_t sender_backlog(const struct sender *s);
const char *sender_name(const struct sender *s);

#endif
