/*
 * How long a broker takes to be there again: a log is written with as many sessions and queued messages as
 * asked for, then a broker begins on it.
 *
 *     bench_restore SESSIONS MESSAGES WORKERS SHAPE
 *
 * SHAPE: own (each session its topic), one (all messages to each session), group (all messages owed by a shared
 * subscription of all sessions), round (as own, as the log is after rounds: everything told twice, as a
 * whole). Says what broker_restore() took, in time and CPU.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/journal.h"
#include "mqtt/broker.h"
#include "mqtt/persist.h"
#include "net/workers.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD 64
#define GROUP   256

struct bench {
    struct journal *journal;
    struct buf bytes[GROUP];
    struct record records[GROUP];
    size_t count;
    uint64_t sessions, messages, base;
    bool one, group;
};
struct group {
    struct journal_entry entry;
    struct gate *gate;
    int code;
};

static void on_group(struct journal_entry *e, int code)
{
    struct group *g = container_of(e, struct group, entry);

    g->code = code;
    gate_open(g->gate);
}

static void flush(struct bench *b)
{
    struct group g = { .entry = { .records = b->records, .count = b->count, .done = on_group },
                       .gate = gate_new(),
                       .code = 1 };

    if (b->count > 0) {
        journal_append(b->journal, &g.entry);
        gate_wait(g.gate, 60000);
        if (g.code) {
            fprintf(stderr, "the log: %s\n", err_text(g.code));
            exit(1);
        }
        b->count = 0;
    }
    gate_free(g.gate);
}

static struct buf *next(struct bench *b)
{
    if (b->count == GROUP)
        flush(b);
    buf_clear(&b->bytes[b->count]);
    return &b->bytes[b->count];
}

static void put(struct bench *b)
{
    b->records[b->count] = (struct record){ .kind = RECORD_EVENT,
                                            .device = STR("broker"),
                                            .stream = STR("state"),
                                            .content_type = STR("application/octet-stream"),
                                            .wall_ns = clock_wall_ns(),
                                            .payload = buf_str(&b->bytes[b->count]) };
    b->count++;
}

static void put_message(struct bench *b, enum persist_op op, uint64_t i, uint64_t seq)
{
    char topic[40], payload[PAYLOAD + 1];

    snprintf(topic, sizeof(topic), "plant/%llu/command",
             (unsigned long long)(b->one ? 0 : i % b->sessions));
    snprintf(payload, sizeof(payload), "%064llu", (unsigned long long)i);
    persist_put_message(
        next(b), op,
        &(struct persist_message){
            .topic = str_of(topic), .payload = str_of(payload), .seq = seq, .qos = 1 });
    put(b);
}

static void put_session(struct bench *b, uint64_t i, bool whole)
{
    char id[40], filter[40];
    uint64_t each = b->messages / b->sessions;
    struct persist_sub sub = { .options = 1 };
    struct persist_session w = { .user = STR("bench"),
                                 .away_wall_ms = whole ? clock_wall_ns() / 1000000 : 0,
                                 .base = b->base,
                                 .expiry_s = 86400,
                                 .subs = whole,
                                 .items = whole ? (uint32_t)each : 0 };
    struct buf *out = next(b);

    snprintf(id, sizeof(id), "client-%llu", (unsigned long long)i);
    snprintf(filter, sizeof(filter), "%splant/%llu/command", b->group ? "$share/g/" : "",
             (unsigned long long)(b->one ? 0 : i));
    w.client_id = str_of(id);
    sub.filter = str_of(filter);
    persist_put_session(out, PERSIST_SESSION, i + 1, &w);
    if (whole) {
        persist_put_sub(out, &sub);
        for (uint64_t k = 0; k < each; k++)
            persist_put_item(out,
                             &(struct persist_item){ .seq = 1 + k * b->sessions + i, .qos = 1 });
    }
    put(b);
    if (whole)
        return;
    persist_put_subscribe(next(b), i + 1, &sub);
    put(b);
    persist_put_away(next(b), i + 1, clock_wall_ns() / 1000000, 86400);
    put(b);
}

static void make(struct bench *b, const char *shape)
{
    bool round = strcmp(shape, "round") == 0;

    b->group = strcmp(shape, "group") == 0;
    b->one = b->group || strcmp(shape, "one") == 0;
    if (round) {
        b->base = b->messages;
        for (int twice = 0; twice < 2; twice++) {
            for (uint64_t i = 0; i < b->messages; i++)
                put_message(b, PERSIST_COPY, i, 1 + i);
            for (uint64_t i = 0; i < b->sessions; i++)
                put_session(b, i, true);
        }
    } else {
        for (uint64_t i = 0; i < b->sessions; i++)
            put_session(b, i, false);
        for (uint64_t i = 0; i < b->messages; i++)
            put_message(b, PERSIST_MESSAGE, i, 0);
    }
    flush(b);
}

static double cpu_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int restore(struct bench *b, const struct limits *limits, unsigned workers)
{
    struct workers *w = workers_start(workers);
    struct broker *broker =
        broker_new(w, &(struct broker_options){ .limits = limits, .journal = b->journal });
    uint64_t start_ns = clock_mono_ns();
    double cpu = cpu_s();
    struct fault f = { 0 };
    char text[256];
    int rc = broker_restore(broker, &f);

    printf("%.3f s, %.3f s of CPU\n", (double)(clock_mono_ns() - start_ns) / 1e9, cpu_s() - cpu);
    if (rc)
        fprintf(stderr, "%s\n", fault_text(&f, text, sizeof(text)));
    broker_stop(broker, 1000);
    broker_free(broker);
    workers_stop(w);
    workers_free(w);
    return rc;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *w)
{
    (void)st;
    (void)type;
    (void)w;
    return remove(path);
}

static int open_log(const char *dir, struct limits *limits, struct bench *b)
{
    struct journal_options o = journal_options_default();
    struct fault f = { 0 };
    char text[256];
    int rc;

    o.segment_bytes = MIB(8);
    o.quota_bytes = MIB(4096);
    limits->record_payload_max_bytes = journal_payload_max(o.segment_bytes);
    rc = journal_open(dir, &o, limits, NULL, NULL, &b->journal, &f);
    if (rc)
        fprintf(stderr, "%s\n", fault_text(&f, text, sizeof(text)));
    return rc;
}

/* In a process of its own, so that the broker begins with fresh memory, as it does. */
static int make_in_child(const char *dir, struct limits *limits, struct bench *b, const char *shape)
{
    int status = 1;
    pid_t child = fork();

    if (child == 0) {
        if (open_log(dir, limits, b))
            _exit(1);
        for (size_t i = 0; i < GROUP; i++)
            b->bytes[i] = buf_init(MIB(8));
        make(b, shape);
        journal_close(b->journal);
        _exit(0);
    }
    return child < 0 || waitpid(child, &status, 0) < 0 || status != 0;
}

int main(int argc, char **argv)
{
    struct limits limits = limits_default();
    struct bench b = { 0 };
    char dir[] = "/tmp/wayside-restore-XXXXXX";
    uint64_t workers = 1;
    int rc;

    if (argc != 5 || str_to_u64(str_of(argv[1]), &b.sessions) ||
        str_to_u64(str_of(argv[2]), &b.messages) || str_to_u64(str_of(argv[3]), &workers) ||
        b.sessions == 0 || !mkdtemp(dir)) {
        fprintf(stderr, "usage: bench_restore SESSIONS MESSAGES WORKERS own|one|group|round\n");
        return 2;
    }
    log_setup(LOG_INFO, LOG_LOGFMT, 2);
    rc = make_in_child(dir, &limits, &b, argv[4]);
    if (rc == 0)
        rc = open_log(dir, &limits, &b);
    if (rc == 0) {
        rc = restore(&b, &limits, (unsigned)workers);
        journal_close(b.journal);
    }
    nftw(dir, remove_one, 10, FTW_DEPTH | FTW_PHYS);
    return rc != 0;
}
