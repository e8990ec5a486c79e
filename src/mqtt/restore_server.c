/*
 * The broker's start out of what an earlier one wrote down: on the thread that starts the node, before
 * anything listens. The log is read once, in order; sessions then go to the worker of their client id's
 * hash, retained messages to the shard of their topic.
 *
 * It refuses to start on a log that cannot be read: to begin without what was promised would break the
 * promise silently. What is damaged of it is counted and said.
 */
#include "mqtt/broker_part.h"
#include "mqtt/restore.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/journal.h"

#include <assert.h>

#define READ_RECORDS 256
#define READ_BYTES   ((size_t)1 << 20)

struct owed_message {
    struct message *m;
    struct str key;
};
struct handing {
    struct broker *b;
    struct restore *r;
    struct session **sessions;
    bool *lost; /* by index: nobody has that session; each is set by its own worker */
    struct message **retained;
    struct owed_message *owed; /* group by group, each in its order */
    size_t session_count, retained_count, owed_count;
    uint64_t now_ms; /* as it was read */
    uint64_t last_seq;
    uint64_t bad, missing; /* records that cannot be understood, or are not there */
};

/* ---- reading ---- */

/* How many records a gap stands for. One with which the log begins was cut off: the cursor may be older than the
 * file that it was cut from. */
static uint64_t missing_in(const struct handing *h, const struct record *rec)
{
    if (rec->kind != RECORD_GAP || (h->last_seq == 0 && str_eq(rec->payload, STR("dropped"))))
        return 0;
    return rec->origin_seq - rec->first + 1;
}

static void read_clocks(struct handing *h, const struct record *rec)
{
    restore_clocks(h->r,
                   &(struct timeline_clocks){ .wall_ms = rec->wall_ns / 1000000,
                                              .uptime_ms = (int64_t)(rec->uptime_ns / 1000000),
                                              .boot = rec->boot });
}

static int apply_all(struct handing *h, struct journal_reader *reader)
{
    static const size_t most = READ_RECORDS;
    struct record *records = mem_new_array(most, sizeof(*records));
    size_t count = 0;
    int rc;

    while ((rc = journal_reader_next(reader, records, most, READ_BYTES, &count)) == 0 && count > 0)
        for (size_t i = 0; i < count; i++) {
            h->missing += missing_in(h, &records[i]);
            h->last_seq = records[i].seq;
            if (records[i].kind != RECORD_EVENT)
                continue;
            read_clocks(h, &records[i]);
            if (restore_apply(h->r, records[i].seq, records[i].payload))
                h->bad++;
        }
    mem_free(records);
    return rc;
}

/* ---- handing over ---- */

static void take_sessions(struct handing *h)
{
    struct session *s;
    size_t cap = 0;

    while ((s = restore_take_session(h->r))) {
        if (h->session_count == cap) {
            cap = cap ? cap * 2 : 64;
            h->sessions = mem_resize(h->sessions, cap * sizeof(struct session *));
        }
        h->sessions[h->session_count++] = s;
    }
}

static void take_retained(struct handing *h)
{
    struct message *m;
    size_t cap = 0;

    while ((m = restore_take_retained(h->r))) {
        if (h->retained_count == cap) {
            cap = cap ? cap * 2 : 64;
            h->retained = mem_resize(h->retained, cap * sizeof(struct message *));
        }
        h->retained[h->retained_count++] = m;
        message_set(m, MESSAGE_STAMP, h->retained_count); /* older than whatever comes now */
    }
}

static void take_owed(struct handing *h)
{
    struct owed_message one;
    size_t cap = 0;

    while ((one.m = restore_take_owed(h->r, &one.key))) {
        if (h->owed_count == cap) {
            cap = cap ? cap * 2 : 64;
            h->owed = mem_resize(h->owed, cap * sizeof(*h->owed));
        }
        h->owed[h->owed_count++] = one;
    }
}

static const struct session_limits *limits_of(void *ctx, struct str client_id)
{
    struct broker *b = ctx;
    const struct broker_inside *i = inside_is_id(client_id) ? inside_find(b, client_id) : NULL;

    return i ? inside_limits(i) : &b->session_limits;
}

/* However many there are, here or on all workers: a limit holds for what is new. False: it is not to be. */
static bool settle_session(struct part *p, struct session *s)
{
    struct broker_inside *inside = inside_find(p->b, session_id(s));

    if (!inside && inside_is_id(session_id(s))) {
        log_warn("mqtt", "a bridge is gone from the settings, and so is what waited for it",
                 lf_str("client", session_id(s)), lf_u64("messages", s->queued_messages));
        persist_end(p, s->serial, BROKER_INTERVAL, NULL, NULL);
        return false;
    }
    if (inside)
        inside_restored(p, inside, s);
    s->generation = registry_restore(&p->registry, session_id(s), p->index);
    s->limits = inside ? inside_limits(inside) : &p->b->session_limits;
    s->mark = 0;
    inside_look(p, s);
    holding_add(p, s);
    holding_enter_tree(p, s);
    share_rejoin(p, s);
    return true;
}

/* Once nothing is under way for them: sessions may end from now on, and those whose time was over, which are
 * there for their wills, do before anybody can ask for them. */
static void part_begin(void *ctx, struct loop *l)
{
    struct handing *h = ctx;
    struct part *p = part_of(h->b, l);
    struct holding **over = mem_new_array(p->holdings.count + 1, sizeof(struct holding *));
    size_t at = 0, count = 0;
    struct map_entry *e;

    while ((e = map_next(&p->holdings, &at))) {
        struct holding *k = e->value;

        if (k->s->will && !recheck_allows(p, k->s->who, session_id(k->s), AUTHZ_PUBLISH,
                                          message_topic(k->s->will)))
            will_drop(p, k->s); /* the rules may have changed meanwhile */
        if (k->s->expires_at_ms <= h->now_ms)
            over[count++] = k;
        else
            holding_wake(k);
    }
    for (size_t i = 0; i < count; i++)
        holding_end(over[i]);
    mem_free(over);
    share_end_empty(p);
    persist_rounds_start(p);
}

static void say(const struct handing *h, uint64_t start_ns)
{
    uint64_t lost = restore_lost(h->r);

    log_info("mqtt", "restored", lf_u64("sessions", h->session_count),
             lf_u64("retained", h->retained_count), lf_u64("not_understood", h->bad),
             lf_u64("ms", (clock_mono_ns() - start_ns) / 1000000));
    if (h->missing > 0 || h->bad > 0 || lost > 0)
        log_warn(
            "mqtt",
            "the broker's log is damaged, and what sessions and retained messages had there is "
            "lost",
            lf_u64("records", h->missing), lf_u64("not_understood", h->bad),
            lf_u64("messages", lost));
}

static void nothing(void *ctx)
{
    (void)ctx;
}

static void part_take(void *ctx, struct loop *l)
{
    struct handing *h = ctx;
    struct part *p = part_of(h->b, l);

    p->routed = h->last_seq;
    p->last_serial = (restore_last_serial(h->r) >> 16) + 1;
    for (size_t i = 0; i < h->owed_count; i++)
        if (broker_shard(h->b, h->owed[i].key) == p->index)
            share_restore_owed(p, h->owed[i].key, h->owed[i].m);
    for (size_t i = 0; i < h->session_count; i++)
        if (broker_shard(h->b, session_id(h->sessions[i])) == p->index)
            h->lost[i] = !settle_session(p, h->sessions[i]);
    for (size_t i = 0; i < h->retained_count; i++)
        if (broker_shard(h->b, message_topic(h->retained[i])) == p->index)
            keep_set(p, h->retained[i], true); /* the limit is for new ones */
    part_fence(p, nothing, NULL);
}

int broker_restore(struct broker *b, struct fault *f)
{
    struct restore_options o = { .limits = &b->session_limits,
                                 .limits_of = limits_of,
                                 .ctx = b,
                                 .clocks = { .wall_ms = clock_wall_ns() / 1000000,
                                             .uptime_ms = (int64_t)(clock_uptime_ns() / 1000000),
                                             .boot = journal_boot(b->journal) },
                                 .now_ms = clock_mono_ns() / 1000000 };
    struct handing h = { .b = b, .now_ms = o.now_ms };
    struct journal_reader *reader;
    uint64_t start_ns = clock_mono_ns();
    int rc = journal_cursor_open(b->journal, "mqtt", &b->cursor);

    if (rc == 0)
        rc = journal_cursor_open(b->journal, "mqtt-base", &b->cursor_base);
    if (rc < 0)
        return fault_set(f, rc, "the broker's log: %s", err_text(rc));
    reader = journal_reader_new(b->journal, b->cursor, journal_cursor_seq(b->cursor), READ_BYTES);
    h.r = restore_new(&o);
    rc = apply_all(&h, reader);
    journal_reader_free(reader);
    if (rc < 0) {
        restore_free(h.r);
        return fault_set(f, rc,
                         "the broker's log cannot be read (%s): mend the disk, or look at it with "
                         "wayside journal verify",
                         err_text(rc));
    }
    restore_finish(h.r);
    b->rounds.clock_ms = o.clocks.wall_ms - o.clocks.uptime_ms;
    take_sessions(&h);
    take_retained(&h);
    take_owed(&h);
    h.lost = mem_new(h.session_count + 1);
    workers_each(b->workers, part_take, &h);
    broker_settle(b);
    for (size_t i = 0; i < h.session_count;
         i++) /* only now: every worker looks at every client id */
        if (h.lost[i])
            session_free(h.sessions[i]);
    workers_each(b->workers, part_begin, &h);
    for (size_t i = 0; i < h.retained_count; i++)
        message_unref(h.retained[i]);
    for (size_t i = 0; i < h.owed_count; i++)
        message_unref(h.owed[i].m);
    mem_free(h.owed);
    say(&h, start_ns);
    mem_free(h.sessions);
    mem_free(h.lost);
    mem_free(h.retained);
    restore_free(h.r);
    return 0;
}
