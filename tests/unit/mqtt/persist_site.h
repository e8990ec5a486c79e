#ifndef UNIT_MQTT_PERSIST_SITE_H
#define UNIT_MQTT_PERSIST_SITE_H
/*
 * A broker on a disk that is copied while it runs, as a crash would leave it; another begins on the copy. The
 * disk may fail, or hang, until it is to work again.
 */
#include "broker_rig.h"

#include "base/log.h"
#include "journal/disk.h"
#include "journal/journal.h"
#include "mqtt/broker_part.h"
#include "unit/unit.h"

#include <dirent.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>

enum site_disk { DISK_WORKS, DISK_FAILS, DISK_HANGS }; /* whatever is written */

struct site {
    char root[64];
    unsigned copies;
    unsigned workers;
    struct journal *journal;
    void (*tune)(struct limits *l);    /* as the next one begins; may be NULL */
    struct taker *taker;               /* ingests; may be NULL */
    const struct authz *authz;         /* may be NULL */
    enum broker_durability durability; /* of what comes from inside, or of QoS 0 */
    struct addr addrs[3];              /* listeners, by enum broker_durability */
    const char *want;                  /* of the session with that id: expiry_s */
    uint32_t expiry_s;
    uint64_t quota;    /* of the log; 0: more than any test writes */
    uint64_t capacity; /* of the disk; 0: as much */
    struct cell disk;  /* enum site_disk */
    struct disk_ops disk_ops;
    const struct disk_ops *real_ops;
    struct rig r;
};

static const struct broker_topic topics[] = {
    { { "commit/#", 8 }, BROKER_COMMIT },
    { { "interval/#", 10 }, BROKER_INTERVAL },
    { { "memory/#", 8 }, BROKER_MEMORY },
    { { "memory/never/this", 17 }, BROKER_COMMIT }, /* the first that matches */
};

/* Who ingests what is published below rec/, a little later, and below now/, at once. */
struct taker {
    struct later later;
    struct broker_token *token;
    struct cell asked;
};

static inline void on_record(struct later *d)
{
    broker_publish_done(container_of(d, struct taker, later)->token, 0, false, NULL);
}

static inline int take_records(void *ctx, struct loop *l, const struct broker_message *m,
                               struct broker_token *token, const char **reason)
{
    struct taker *t = ctx;

    (void)reason;
    cell_set(&t->asked, cell_get(&t->asked) + 1);
    if (str_starts(m->topic, STR("now/")))
        return BROKER_CONSUME;
    if (!str_starts(m->topic, STR("rec/")))
        return BROKER_ROUTE;
    t->token = token;
    t->later.run = on_record;
    loop_later(l, &t->later);
    return BROKER_LATER_CONSUME;
}

/* On the committer's thread. */
static inline int site_write(struct disk *d, int file, const void *p, size_t n, uint64_t at)
{
    struct site *x = container_of((uintptr_t)d->ops, struct site, disk_ops);

    while (cell_get(&x->disk) == DISK_HANGS)
        poll(NULL, 0, 1);
    return cell_get(&x->disk) == DISK_FAILS ? -EIO : x->real_ops->write(d, file, p, n, at);
}

static inline void add_bytes(void *ctx, const char *name, uint64_t bytes)
{
    (void)name;
    *(uint64_t *)ctx += bytes;
}

static inline int site_free_bytes(struct disk *d, uint64_t *out)
{
    struct site *x = container_of((uintptr_t)d->ops, struct site, disk_ops);
    uint64_t used = 0;
    int rc;

    if (!x->capacity)
        return x->real_ops->free_bytes(d, out);
    rc = d->ops->list(d, add_bytes, &used);
    *out = used < x->capacity ? x->capacity - used : 0;
    return rc;
}

static inline struct disk *site_disk(struct site *x, const char *dir)
{
    struct fault f = { 0 };
    struct disk *d;

    assert_int_equal(disk_open(dir, true, &d, &f), 0);
    cell_set(&x->disk, DISK_WORKS);
    x->real_ops = d->ops;
    x->disk_ops = *d->ops;
    x->disk_ops.write = site_write;
    x->disk_ops.free_bytes = site_free_bytes;
    d->ops = &x->disk_ops;
    return d;
}

static inline void begin(struct site *x)
{
    struct journal_options o = journal_options_default();
    struct fault f = { 0 };
    char dir[100];

    o.free_floor_bytes = 0;
    o.segment_bytes = KIB(256);
    o.quota_is_soft = true;
    if (x->quota)
        o.quota_bytes = x->quota;
    o.lazy_flush_ms = 3600000; /* not in a test's time */
    snprintf(dir, sizeof(dir), "%s/%u", x->root, x->copies);
    rig_init(&x->r);
    if (x->tune)
        x->tune(&x->r.limits);
    assert_int_equal(journal_open(dir, &o, &x->r.limits, NULL, site_disk(x, dir), &x->journal, &f),
                     0);
    x->r.o.journal = x->journal;
    x->r.o.on_publish = x->taker ? take_records : NULL;
    x->r.o.publish_ctx = x->taker;
    x->r.o.authz = x->authz;
    x->r.o.durability = x->durability;
    x->r.o.topics = topics;
    x->r.o.topic_count = COUNT_OF(topics);
    x->r.prepare = broker_restore;
    x->r.stop_ms = 1; /* its clients do not know that it ends */
    rig_start(&x->r, x->workers);
    for (unsigned i = 0; i < COUNT_OF(x->addrs); i++) {
        struct broker_rules rules = broker_rules_default(&x->r.limits);
        struct broker_listen l = { .rules = &rules };

        rules.durability = (enum broker_durability)i;
        assert_int_equal(addr_parse(STR("127.0.0.1"), 0, &l.addr), 0);
        assert_int_equal(broker_listen(x->r.broker, &l, &x->addrs[i], &f), 0);
    }
}

static inline void end(struct site *x)
{
    cell_set(&x->disk, DISK_WORKS);
    rig_stop(&x->r);
    journal_close(x->journal);
}

static inline void site_init(struct site *x, unsigned workers)
{
    *x = (struct site){ .workers = workers };
    snprintf(x->root, sizeof(x->root), "/tmp/wayside-persist-XXXXXX");
    assert_non_null(mkdtemp(x->root));
    begin(x);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
    (void)st;
    (void)type;
    (void)w;
    return remove(path);
}

static inline void site_fini(struct site *x)
{
    end(x);
    nftw(x->root, remove_one, 10, FTW_DEPTH | FTW_PHYS);
}

static inline void copy_file(const char *from, const char *to)
{
    char bytes[65536];
    FILE *in = fopen(from, "rb"), *out;
    size_t n;

    if (!in)
        return; /* it went meanwhile */
    out = fopen(to, "wb");
    assert_non_null(out);
    while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    fclose(in);
    fclose(out);
}

/* Newest first, so that what is copied later is not newer than what was copied before. */
static inline int by_name_down(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*b)->d_name, (*a)->d_name);
}

/* The broker is gone with everything but its disk as it is now; another begins on that. */
static inline void crash(struct site *x)
{
    char from[100], to[100], a[400], b[400];
    struct dirent **names;
    int n;

    snprintf(from, sizeof(from), "%s/%u", x->root, x->copies++);
    snprintf(to, sizeof(to), "%s/%u", x->root, x->copies);
    assert_int_equal(mkdir(to, 0700), 0);
    n = scandir(from, &names, NULL, by_name_down);
    assert_true(n > 2);
    for (int i = 0; i < n; i++) {
        snprintf(a, sizeof(a), "%s/%s", from, names[i]->d_name);
        snprintf(b, sizeof(b), "%s/%s", to, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && strcmp(names[i]->d_name, "lock") != 0)
            copy_file(a, b);
        free(names[i]);
    }
    free(names);
    end(x);
    begin(x);
}

static inline void on_round(void *ctx, struct loop *l)
{
    struct broker *b = ctx;

    if (loop_index(l) == 0)
        persist_round(b);
}

static inline void on_number(void *ctx, struct loop *l)
{
    struct site *x = ctx;

    if (loop_index(l) == 0)
        x->r.number = x->r.broker->rounds.running ? 0 : x->r.broker->rounds.number;
}

/* Everything is written down anew. */
static inline void round_through(struct site *x)
{
    int64_t limit = now_ms() + RIG_WAIT_MS;

    workers_each(x->r.workers, on_round, x->r.broker);
    do {
        assert_true(now_ms() < limit);
        workers_each(x->r.workers, on_number, x);
    } while (x->r.number == 0);
}

static inline struct mqtt_packet lasting(const char *id)
{
    struct mqtt_packet pk = connect_packet(MQTT_V5, id);

    pk.connect.clean_start = false;
    pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY);
    pk.connect.props.session_expiry_s = 1000;
    return pk;
}

static inline struct client back(struct site *x, const char *id, bool present)
{
    struct mqtt_packet pk = lasting(id);
    struct client c = client_dial(&x->r, MQTT_V5);
    struct mqtt_connack ack = client_hello(&c, &pk);

    assert_int_equal(ack.code, 0);
    assert_int_equal(ack.session_present, present);
    return c;
}

/* What was not waited for (answers of clients that were handled) is on the disk as well. */
static inline void again(struct site *x, bool round)
{
    journal_settle(x->journal);
    if (round) {
        round_through(x);
        round_through(x); /* now the log begins behind what was written first */
    }
    crash(x);
}

/* By one worker and by several, without rounds and with. */
static inline void each_way(void (*test)(struct site *x, bool round))
{
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        for (int round = 0; round < 2; round++) {
            struct site x;

            print_message("%u workers, %s\n", workers, round ? "rounds" : "no round");
            site_init(&x, workers);
            test(&x, round != 0);
            site_fini(&x);
        }
    }
}

#endif
