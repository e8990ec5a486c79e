#ifndef HUB_SENDERS_H
#define HUB_SENDERS_H
/*
 * Where each sending journal stands: how far this hub has it, and what it says of itself. By this a
 * hole is refused: a batch may repeat what is here and go on behind it, but not leave anything out
 * that no gap record explains. Pure. One thread changes it (the hub's committer); the cells, and what
 * is said to be fixed, may be read from any.
 *
 * A journal may be several: copied with its folder, restored from an image. Their numbers are the
 * same and their records are not, so what is here is known per start of the journal (lives.h), and
 * a batch joins if everything before it is here on the path that it is of.
 */
#include "base/cell.h"
#include "base/map.h"
#include "journal/batch.h"
#include "journal/journal.h"

#define SENDERS_SHOWN_MAX 4096 /* of more the counts are right, but they are not listed */
#define SENDER_LIVES_MAX                                                                           \
    64 /* starts of one journal that are remembered: those heard of last. What is of
                               a forgotten one comes again when it goes on */

/* One start of it. Everything up to these numbers is here, on the path to that start. */
struct sender_life {
    uint64_t epoch;
    uint64_t have;  /* durable, or was when it came */
    uint64_t taken; /* with what is under way; >= have */
    uint64_t heard; /* counts up; 0: no batch was of it, or joined it, since the start */
};
struct sender {
    struct uuid journal; /* fixed */
    struct journal_chain chain;
    struct sender_life lives[SENDER_LIVES_MAX];
    size_t life_count;
    uint64_t heard;
    char name[64]; /* the beginning of its MQTT client id, whole characters; fixed once named */
    struct cell named;
    struct cell have_seq;          /* how far the start of the newest batch is here */
    struct cell head_seq, dropped; /* as its newest batch says, see batch.h */
    struct cell clock_error_ms; /* its wall clock less ours when that came, delay included; int64 */
    struct cell heard_ms;       /* when that came, wall clock; 0: not since the start */
    struct cell batches, records, holes; /* since the start; batches refused for a hole */
};
struct senders {
    struct map by_uuid;
    size_t max; /* so many are taken at most */
    struct sender *shown[SENDERS_SHOWN_MAX];
    struct cell shown_count;
};

void senders_init(struct senders *s, size_t max);
void senders_fini(struct senders *s);
/* At the start: everything up to seq is here of that start of the journal. */
void senders_seed(struct senders *s, const struct uuid *journal, uint64_t epoch, uint64_t seq);
/* Made where there is none; NULL: there are too many. Pointers live until senders_fini(). */
struct sender *sender_of(struct senders *s, const struct uuid *journal);
/* 0: the batch may be taken (what is under way counts). ERR_STALE: it leaves a hole; then the chain
 * is to be broken, as journal.h says, and sender_have() says where the sender may begin again. */
MUST_USE int sender_admit(struct sender *s, const struct batch_header *h);
/* Up to where that is durable which the batch would join; 0: nothing is known of its starts. */
uint64_t sender_have(const struct sender *s, const struct batch_header *h);
/* What an admitted batch says of its sender. client: the MQTT client id. */
void sender_says(struct sender *s, const struct batch_sender *says, struct str client,
                 int64_t now_ns);
/* The batch is durable. */
void sender_durable(struct sender *s, const struct batch_header *h);
/* From any thread: records that the sender has and we have not; its name, "" when unknown. */
uint64_t sender_backlog(const struct sender *s);
const char *sender_name(const struct sender *s);

#endif
