/*
 * Edges, their copies and restored images, and a hub that crashes, refuses, is wiped or comes back
 * from a backup: at random, in virtual time, with the real uplink, senders and lives. At the end the
 * links hold and every edge hands over one more record. Then each number of each edge that is still
 * there must be stored under its own identity, or told as lost: never neither.
 *
 *     sim_copies [SCHEDULES [FIRST_SEED]]
 */
#include "base/log.h"
#include "edge/uplink.h"
#include "hub/senders.h"
#include "journal/lives.h"
#include "store/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEQ_MAX    4000
#define EDGES      4
#define EPOCHS     600
#define WIRE       256
#define BATCH_MOST 6
#define STEPS      700
#define SCHEDULES  3000

static uint64_t seed, chance;

static uint32_t dice(uint32_t n)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (uint32_t)((chance >> 11) % n);
}

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            printf("seed %llu: line %d: %s\n", (unsigned long long)seed, __LINE__, #what);         \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

/* ---- an edge ---- */

struct message {
    struct batch_header h;
    bool gap; /* all of it is lost; else each number is a record */
    uint32_t generation, link;
    int answer; /* on its way back; HAVE: it is what the hub has */
    uint64_t have;
};
#define HAVE 99

struct edge {
    bool is;
    uint64_t head, oldest;      /* records [oldest, head] are on its disk */
    uint64_t kept;              /* its cursor's file */
    uint16_t epoch_of[SEQ_MAX]; /* whose number it is; 0: nobody's, it was skipped */
    bool damaged[SEQ_MAX];
    struct lives lives;
    struct uplink up;
    uint32_t link; /* of its connection: answers to an older one never arrive */
    struct message to_hub[WIRE], from_hub[WIRE];
    size_t to_count, from_count;
};

static struct edge edges[EDGES], images[EDGES];
static uint16_t epochs;
static uint32_t links;

/* ---- the hub ---- */

struct database {
    uint64_t cursor[EPOCHS];
    uint8_t stored[EPOCHS][SEQ_MAX / 8], told[EPOCHS][SEQ_MAX / 8]; /* bits by number */
};
static struct database db, backup;
static bool has_backup;
static struct senders senders;
static struct {
    struct message m;
    size_t edge;
} way[WIRE];
static size_t way_count; /* taken, not yet durable */

static bool has_bit(uint8_t (*rows)[SEQ_MAX / 8], uint64_t epoch, uint64_t seq)
{
    return rows[epoch][seq / 8] >> seq % 8 & 1;
}

static void set_bit(uint8_t (*rows)[SEQ_MAX / 8], uint64_t epoch, uint64_t seq, bool to)
{
    uint8_t bit = (uint8_t)(1u << seq % 8), *at = &rows[epoch][seq / 8];

    *at = (uint8_t)(to ? *at | bit : *at & ~bit);
}

static const struct uuid journal = { { 7 } };

static void hub_start(void)
{
    senders_fini(&senders);
    senders_init(&senders, 1000);
    way_count = 0;
    for (uint16_t e = 1; e < EPOCHS; e++)
        if (db.cursor[e] > 0)
            senders_seed(&senders, &journal, e, db.cursor[e]);
}

static void cut_all(void)
{
    for (size_t i = 0; i < EDGES; i++) {
        edges[i].to_count = edges[i].from_count = 0;
        edges[i].link = ++links;
        if (edges[i].is)
            uplink_disconnected(&edges[i].up);
    }
}

static void store(const struct message *m)
{
    uint64_t e = m->h.epoch, had = db.cursor[e];

    for (uint64_t s = m->h.first_seq; s <= m->h.last_seq; s++) {
        bool late = s <= had && has_bit(db.told, e, s);

        if (m->gap && s >= store_gap_first(m->h.first_seq, had))
            set_bit(db.told, e, s, true);
        else if (!m->gap && (s > had || late)) {
            CHECK(!has_bit(db.stored, e, s));
            set_bit(db.stored, e, s, true);
            set_bit(db.told, e, s, false);
        }
    }
    if (m->h.last_seq > had)
        db.cursor[e] = m->h.last_seq;
}

static void answer(struct edge *e, struct message m, int code, uint64_t have)
{
    if (m.link != e->link)
        return;
    CHECK(e->from_count < WIRE);
    m.answer = code;
    m.have = have;
    e->from_hub[e->from_count++] = m;
}

static void refuse(struct edge *e, struct message m)
{
    sender_of(&senders, &journal)->chain.broken = true;
    answer(e, m, ERR_BUSY, 0);
}

static void hub_takes(size_t i)
{
    struct edge *e = &edges[i];
    struct sender *s = sender_of(&senders, &journal);
    struct message m = e->to_hub[0];

    memmove(e->to_hub, e->to_hub + 1, --e->to_count * sizeof(m));
    if (way_count == WIRE || sender_admit(s, &m.h) != 0) {
        answer(e, m, HAVE, sender_have(s, &m.h));
        refuse(e, m);
    } else if (dice(20) == 0) {
        refuse(e, m); /* full */
    } else {
        way[way_count].m = m;
        way[way_count++].edge = i;
    }
}

static void hub_flushes(bool works)
{
    struct sender *s = sender_of(&senders, &journal);

    for (size_t i = 0; i < way_count; i++) {
        struct message m = way[i].m;

        if (!works) {
            refuse(&edges[way[i].edge], m);
            continue;
        }
        sender_durable(s, &m.h);
        store(&m);
        answer(&edges[way[i].edge], m, 0, 0);
    }
    way_count = 0;
}

/* ---- what an edge does ---- */

static struct life_span life_at(const struct edge *e, uint64_t seq)
{
    struct life_span span;
    uint64_t at = seq < e->oldest ? e->oldest : seq;

    if (lives_find(&e->lives, seq, &span) || at > e->head)
        return span;
    /* As the journal does it: each segment knows its own, and what is gone counts to what follows. */
    span.epoch = e->epoch_of[at];
    while (at > e->oldest && e->epoch_of[at - 1] == span.epoch)
        at--;
    span.first = at > e->oldest ? at : 1;
    at = seq < e->oldest ? e->oldest : seq;
    while (at < e->head && at < span.last && e->epoch_of[at + 1] == span.epoch)
        at++;
    span.last = at;
    return span;
}

static bool has(const struct edge *e, uint64_t seq)
{
    return seq >= e->oldest && seq <= e->head && e->epoch_of[seq] && !e->damaged[seq];
}

static void edge_sends(struct edge *e)
{
    struct life_span before = { 0 }, life;
    struct message m = { 0 };
    uint64_t after, wait;

    if (!uplink_want_read(&e->up, 0, &after, &m.generation, &wait))
        return;
    if (after >= e->head || e->to_count == WIRE) {
        (void)uplink_read_done(&e->up, m.generation, 0, 0);
        return;
    }
    if (after > 0)
        before = life_at(e, after);
    life = life_at(e, after + 1);
    m.h = (struct batch_header){ .journal = journal,
                                 .first_seq = after + 1,
                                 .last_seq = after + 1,
                                 .count = 1,
                                 .epoch = life.epoch,
                                 .before_epoch = before.epoch };
    m.gap = !has(e, after + 1);
    while (m.h.last_seq < e->head && m.h.last_seq < life.last &&
           has(e, m.h.last_seq + 1) == !m.gap && (m.gap || m.h.count < BATCH_MOST)) {
        m.h.last_seq++;
        m.h.count++;
    }
    m.link = e->link;
    CHECK(m.gap || e->epoch_of[m.h.first_seq] == life.epoch);
    CHECK(m.gap || e->epoch_of[m.h.last_seq] == life.epoch);
    if (uplink_read_done(&e->up, m.generation, m.h.last_seq, before.first ? before.first - 1 : 0))
        e->to_hub[e->to_count++] = m;
}

static void edge_hears(struct edge *e)
{
    struct message m = e->from_hub[0];
    bool current = m.generation == e->up.generation && e->up.connected;

    memmove(e->from_hub, e->from_hub + 1, --e->from_count * sizeof(m));
    if (m.answer == HAVE)
        (void)uplink_rewind(&e->up, m.h.first_seq, m.have);
    else if (!current)
        ;
    else if (m.answer)
        uplink_disconnected(&e->up); /* it begins again after a pause */
    else
        CHECK(uplink_acked(&e->up) == m.h.last_seq);
}

/* A link that ends: what is on its way arrives up to somewhere. */
static void edge_cuts(size_t i)
{
    struct edge *e = &edges[i];
    size_t arrives = e->to_count ? dice((uint32_t)e->to_count + 1) : 0;

    uplink_disconnected(&e->up);
    while (arrives-- > 0)
        hub_takes(i);
    e->to_count = e->from_count = 0;
    e->link = ++links;
}

static void edge_appends(struct edge *e, uint32_t n)
{
    while (n-- > 0 && e->head + 1 < SEQ_MAX) {
        e->epoch_of[++e->head] = (uint16_t)e->lives.of[0].epoch;
        e->damaged[e->head] = false;
        uplink_news(&e->up);
    }
}

/* The process begins: on its own disk, on an image, on a copy. Some skip numbers. */
static void start_over(struct edge *e)
{
    uint64_t before = e->head;

    e->to_count = e->from_count = 0;
    e->link = ++links;
    if (dice(8) == 0 && e->head + 60 < SEQ_MAX)
        for (uint32_t n = 1 + dice(40); n > 0; n--) {
            e->epoch_of[++e->head] = 0;
            e->damaged[e->head] = true;
        }
    CHECK(epochs + 1 < EPOCHS);
    lives_begin(&e->lives, ++epochs, before);
    for (uint64_t s = before + 1; s <= e->head; s++)
        e->epoch_of[s] = epochs;
    uplink_init(&e->up, e->kept, 1 + dice(8), 0);
}

static void edge_drops(struct edge *e, bool only_acked)
{
    uint64_t to = e->oldest + dice(60), most = only_acked ? e->kept : e->head;

    if (to > most)
        to = most;
    if (to > e->oldest)
        e->oldest = to;
}

/* ---- a schedule ---- */

static void step(void)
{
    size_t i = dice(EDGES);
    struct edge *e = &edges[i];
    uint32_t what = dice(1000);

    if (!e->is && what > 20)
        return;
    if (what < 8) { /* a copy, an image, an image that is restored */
        const struct edge *from = dice(3) ? &edges[dice(EDGES)] : &images[dice(EDGES)];

        if (from->is && from != e && epochs + 30 < EPOCHS) {
            *e = *from;
            start_over(e);
        }
    } else if (what < 16) {
        if (e->is)
            images[dice(EDGES)] = *e;
    } else if (what < 30) {
        if (e->is && epochs + 30 < EPOCHS)
            start_over(e);
    } else if (what < 34) {
        cut_all();
        hub_start();
    } else if (what < 37) {
        backup = db;
        has_backup = true;
    } else if (what < 39) {
        if (dice(3) == 0)
            memset(&db, 0, sizeof(db));
        else if (has_backup)
            db = backup;
        cut_all();
        hub_start();
    } else if (what < 80) {
        edge_drops(e, dice(4) != 0);
    } else if (what < 83) {
        e->damaged[1 + dice((uint32_t)(e->head ? e->head : 1))] = true;
    } else if (what < 100) {
        edge_cuts(i);
    } else if (what < 170) {
        if (!e->up.connected)
            uplink_connected(&e->up);
    } else if (what < 260) {
        edge_appends(e, 1 + dice(8));
    } else if (what < 300) {
        e->kept = e->up.acked_seq;
    } else if (what < 330) {
        hub_flushes(dice(10) != 0);
    } else if (what < 500) {
        edge_sends(e);
    } else if (what < 750) {
        if (e->to_count > 0)
            hub_takes(i);
    } else if (e->from_count > 0) {
        edge_hears(e);
    }
}

static void heal(void)
{
    bool busy = true;

    for (size_t i = 0; i < EDGES; i++)
        if (edges[i].is)
            edge_appends(&edges[i], 1);
    for (unsigned round = 0; busy; round++) {
        CHECK(round < 20000);
        busy = false;
        for (size_t i = 0; i < EDGES; i++) {
            struct edge *e = &edges[i];

            if (!e->is)
                continue;
            if (!e->up.connected)
                uplink_connected(&e->up);
            edge_sends(e);
            if (e->to_count > 0)
                hub_takes(i);
            hub_flushes(true);
            while (e->from_count > 0)
                edge_hears(e);
            busy |= e->up.acked_seq < e->head;
        }
    }
}

/* Of this edge's number: stored, or told as lost by a start on its way. */
static bool is_known(const struct edge *e, uint64_t seq)
{
    if (has_bit(db.stored, e->epoch_of[seq], seq))
        return true;
    for (uint64_t later = seq; later <= e->head; later++)
        if (has_bit(db.told, e->epoch_of[later], seq))
            return true;
    return false;
}

static void run(uint64_t s)
{
    seed = s;
    chance = (s + 1) * 0x9e3779b97f4a7c15u;
    memset(edges, 0, sizeof(edges));
    memset(images, 0, sizeof(images));
    memset(&db, 0, sizeof(db));
    has_backup = false;
    epochs = 0;
    edges[0] = (struct edge){ .is = true, .oldest = 1 };
    start_over(&edges[0]);
    hub_start();
    for (unsigned i = 0; i < STEPS * (1 + s % 5); i++)
        step();
    heal();
    for (size_t i = 0; i < EDGES; i++)
        for (uint64_t seq = 1; edges[i].is && seq <= edges[i].head; seq++)
            CHECK(is_known(&edges[i], seq));
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : SCHEDULES;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

    senders_init(&senders, 1000);
    for (uint64_t s = first; s < first + count; s++)
        run(s);
    senders_fini(&senders);
    printf("%llu schedules of copies, images and lost hubs: nothing is missing untold\n",
           (unsigned long long)count);
    return 0;
}
