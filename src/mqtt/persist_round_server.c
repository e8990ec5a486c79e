/*
 * Rounds: now and then everything that lasts is written down anew, so that what is older can go.
 *
 *     part 0                                all parts
 *     marker is written: its number, base
 *     flush ───────────────────────────────► what was routed up to base is on its way to its part
 *     ◄────────────────────────────────────
 *     tell ────────────────────────────────► what was routed up to base has come; sessions and retained
 *                                            messages are written, a piece in each turn
 *     ◄──────────────────────────────────── the last is on the disk
 *     the log may go up to the base of the round before
 *
 * Why the round before: mqtt/persist.h. A session that moves to another worker is written as it leaves, at
 * once, if its turn has not come; one that stays and changes its connection is waited for; so none is
 * missed.
 *
 * Nobody's PING waits for a round: each turn of a loop does so much work, counted, and goes on a
 * millisecond later, also in the middle of one session's queue. What a session does between two records
 * of it is said by operations between those, and holds for both (mqtt/restore.c): s->told is how many
 * from the head of its queue, as it stands, have been told. A message in several queues is copied once
 * in a round. What a shared subscription owes is told by its home, in the order of the numbers.
 */
#include "mqtt/broker_part.h"
#include "mqtt/persist.h"
#include "mqtt/share.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "journal/journal.h"

#include <assert.h>

#define ROUND_LOOK_MS 50u
#define DISK_TELL_MS  60000u /* between two lines that the disk has no space */
#define ROUND_TRIM_MS 500u   /* behind a round, what it made superfluous has gone by then */
#define ROUND_LEAST   ((uint64_t)32 << 20) /* the log grows at least by so much between two */
#define CLOCK_STEP_MS 1000                 /* clocks are always turned a little */
#define ROUND_OWED    512u                 /* numbers of a shared subscription in one record */
#define ROUND_AHEAD   64u /* records that the disk may be behind a round's next turn */
#define ROUND_RECORD                                                                               \
    ((size_t)64 << 10) /* of a session: what is longer is told in several records */

/* A turn's work, in steps such as looking at one queued message: some 0.1 µs each. A copy costs a record
 * of the journal, and its bytes. */
#define STEPS_TURN  4096u
#define STEPS_COPY  8u
#define STEPS_BYTES 256u /* of these, one step */

/* ---- writing sessions and messages ---- */

static void spend(size_t *steps, size_t n)
{
    *steps -= n < *steps ? n : *steps;
}

static void write_copy(struct part *p, enum persist_op op, struct message *m, uint64_t seq,
                       size_t *steps)
{
    struct message_source src = message_source_of(m);

    src.seq = seq;
    persist_put_source(p, op, &src, 0);
    persist_append(p, BROKER_INTERVAL, NULL, NULL);
    spend(steps, STEPS_COPY + message_size(m) / STEPS_BYTES);
}

void persist_copied(struct part *p, struct message *m)
{
    size_t steps = SIZE_MAX;

    if (message_seq(m) <= p->round_base && mark_first(&m->copied, p->round))
        write_copy(p, PERSIST_COPY, m, message_seq(m), &steps);
}

static bool is_told(const struct session_item *it)
{
    return session_item_seq(it) != 0 && it->state != SESSION_DONE;
}

/* Also one that is on its way to the disk: what is told here stands above what was written before. */
static bool has_id(const struct session_item *it)
{
    return it->qos == 2 && it->state != SESSION_WAITING;
}

/* What is being taken from a group, and is told as the session's: the record that says so may have been refused,
 * and without it the group would owe it as well. */
static void tell_taken(struct part *p, const struct session *s, const struct session_item *it)
{
    struct session_out o;

    if (!it->shared || !session_in_flight(s, it->packet_id, &o))
        return;
    share_put_taken(p, s, &o);
    persist_append(p, BROKER_INTERVAL, NULL, NULL);
}

/* How much of a queue goes into the next record, which has so many bytes already; what it names and is
 * older than the round is copied before it, unless that was done for another queue. It ends where the
 * steps do. */
static uint32_t measure_items(struct part *p, const struct session *s, size_t bytes, size_t *steps,
                              uint32_t *out_items)
{
    uint32_t at = s->told;

    for (*out_items = 0; at < s->count && bytes<ROUND_RECORD && * steps> 0; at++) {
        const struct session_item *it = session_item_at(s, at);

        spend(steps, 1);
        if (!is_told(it))
            continue;
        if (session_item_message(it) && message_seq(it->m) <= p->round_base &&
            mark_first(&it->m->copied, p->round))
            write_copy(p, PERSIST_COPY, it->m, message_seq(it->m), steps);
        tell_taken(p, s, it);
        bytes += 15 + 4 * (size_t)session_sub_ids(s, &it->sub_ids).n;
        ++*out_items;
    }
    return at;
}

/* How far a session's subscriptions and received packet ids are told. */
struct telling {
    uint32_t sub, received;
};

/* How many of them go into the next record, in counts, and their bytes. */
static size_t measure_lists(const struct telling *t, const struct session *s,
                            struct persist_session *w)
{
    uint32_t sub = t->sub, received = t->received;
    size_t bytes = 0;

    for (; sub < s->sub_count && bytes < ROUND_RECORD; sub++)
        bytes += 9 + s->subs[sub].filter_n;
    for (; received < s->received_count && bytes < ROUND_RECORD; received++)
        bytes += 2;
    w->subs = sub - t->sub;
    w->received = received - t->received;
    return bytes;
}

static void put_item(struct buf *b, const struct session *s, const struct session_item *it)
{
    struct sub_ids ids = session_sub_ids(s, &it->sub_ids);

    persist_put_item(b, &(struct persist_item){ .seq = session_item_seq(it),
                                                .sub_id = ids.n ? ids.at[0] : 0,
                                                .more_ids = ids.n > 1 ? &ids.at[1] : NULL,
                                                .more = ids.n > 1 ? ids.n - 1 : 0,
                                                .packet_id = has_id(it) ? it->packet_id : 0,
                                                .qos = it->qos,
                                                .retain = it->retain,
                                                .released = it->state == SESSION_RELEASED,
                                                .sent = it->maybe || it->state == SESSION_SENT });
}

/* So much of the session as was measured; then t stands behind it, as s->told does at until. */
static void put_measured(struct buf *b, struct telling *t, struct session *s,
                         const struct persist_session *w, uint32_t until)
{
    for (uint32_t n = 0; n < w->subs; n++, t->sub++)
        persist_put_sub(b,
                        &(struct persist_sub){ { s->subs[t->sub].filter, s->subs[t->sub].filter_n },
                                               s->subs[t->sub].sub_id,
                                               s->subs[t->sub].options });
    for (uint32_t n = 0; n < w->received; n++)
        persist_put_received(b, s->received[t->received++]);
    for (; s->told < until; s->told++)
        if (is_told(session_item_at(s, s->told)))
            put_item(b, s, session_item_at(s, s->told));
}

static struct persist_session head_of(const struct part *p, const struct session *s)
{
    return (struct persist_session){ .client_id = session_id(s),
                                     .user = s->who->name,
                                     .role = (uint8_t)s->who->role,
                                     .base = p->round_base,
                                     .expiry_s = s->expiry_s,
                                     .last_packet_id = s->last_packet_id };
}

/* The next of a session, as far as the steps go; true: that was all, and how, done and ctx are for the last
 * record. What is not in the queue is told at once, since those lists are bounded and change anywhere. */
static bool tell(struct part *p, struct session *s, size_t *steps, enum broker_durability how,
                 persist_done *done, void *ctx)
{
    struct telling t = { 0 };
    bool last, more_lists;

    if (s->told_parts == 0)
        s->told = 0;
    else
        t = (struct telling){ s->sub_count, s->received_count };
    do {
        struct persist_session w = head_of(p, s);
        size_t bytes = measure_lists(&t, s, &w);
        uint32_t until = measure_items(p, s, bytes, steps, &w.items);
        struct buf *b = persist_begin(p);

        w.away_wall_ms = s->conn ? 0 : persist_away_wall_ms(p, s);
        more_lists = t.sub + w.subs < s->sub_count || t.received + w.received < s->received_count;
        last = !more_lists && until == s->count;
        if (s->told_parts > 0)
            persist_put_session_more(b, s->serial, &w, s->told_parts, last);
        else
            persist_put_session(b, last ? PERSIST_SESSION : PERSIST_SESSION_BEGIN, s->serial, &w);
        put_measured(b, &t, s, &w, until);
        persist_append(p, last ? how : BROKER_INTERVAL, last ? done : NULL, ctx);
        spend(steps, STEPS_COPY + w.subs + w.received);
        s->told_parts++;
    } while (!last && (more_lists || *steps > 0));
    if (last) {
        s->round = p->round;
        s->told = s->told_parts = 0;
        persist_will(p, s);
    }
    return last;
}

void persist_whole(struct part *p, struct session *s, enum broker_durability how,
                   persist_done *done, void *ctx)
{
    size_t steps = SIZE_MAX;

    s->told_parts = 0;
    if (!tell(p, s, &steps, how, done, ctx))
        assert(false && "there are steps for all of it");
}

void persist_catch_up(struct part *p, struct session *s)
{
    size_t steps = SIZE_MAX;

    if (!s->written || s->round >= p->round)
        return;
    if (!tell(p, s, &steps, BROKER_INTERVAL, NULL, NULL))
        assert(false && "there are steps for all of it");
}

void persist_enter(struct part *p, struct holding *h)
{
    p->lasting_count++;
    if (p->round_open && h->s->round < p->round) {
        list_push_front(&p->lasting, &h->link);
        p->round_left++;
        return;
    }
    list_push_back(&p->lasting, &h->link);
    persist_catch_up(p, h->s);
}

/* ---- a part's share of a round ---- */

struct round_mail {
    struct mail mail;
    struct broker *b;
    unsigned part;
    uint32_t round;
    uint64_t base;
    int code;
};

static void on_part_done(struct mail *m, struct loop *l);

static void on_last_written(void *ctx, int code, uint64_t seq)
{
    struct part *p = ctx;
    struct round_mail *k = NEW(struct round_mail);

    (void)seq;
    k->mail.deliver = on_part_done;
    k->b = p->b;
    k->code = code;
    part_post(p, 0, &k->mail);
}

/* One session, or some of its queue. */
static void session_piece(struct part *p, size_t *steps)
{
    struct holding *h = container_of(p->lasting.next, struct holding, link);

    spend(steps, 1);
    if (h->s->round < p->round && !tell(p, h->s, steps, BROKER_INTERVAL, NULL, NULL))
        return;
    list_remove(&h->link);
    list_push_back(&p->lasting, &h->link);
    p->round_left--;
}

/* The numbers for the next record of what it owes, as far as the steps go, copies before it; returns up to
 * where that is all. */
static uint64_t gather_owed(struct part *p, struct share *sh, size_t *steps, uint64_t *seqs,
                            uint32_t *out_count)
{
    uint64_t at = sh->told_seq;
    const struct owed_item *it;

    *out_count = 0;
    while ((it = owed_from(&sh->owed, at + 1)) && it->seq <= p->round_base) {
        if (*out_count == ROUND_OWED || *steps == 0)
            return at;
        spend(steps, 1);
        at = it->seq;
        if (message_expires_ms(it->m) != 0 && message_expires_ms(it->m) <= loop_now_ms(p->loop)) {
            share_settle(sh, at); /* where it waits it is dropped, too */
            continue;
        }
        if (mark_first(&it->m->copied, p->round))
            write_copy(p, PERSIST_COPY, it->m, at, steps);
        seqs[(*out_count)++] = at;
    }
    return p->round_base;
}

/* The next of what it owes; true: that was all. */
static bool tell_share(struct part *p, struct share *sh, size_t *steps)
{
    struct persist_share w = { .key = share_key(sh), .low = sh->told_seq };
    uint64_t seqs[ROUND_OWED];
    struct buf *b;

    w.high = gather_owed(p, sh, steps, seqs, &w.count);
    if (w.high > w.low) {
        b = persist_begin(p);
        persist_put_share(b, &w);
        for (uint32_t i = 0; i < w.count; i++)
            persist_put_owed(b, seqs[i]);
        persist_append(p, BROKER_INTERVAL, NULL, NULL);
        spend(steps, STEPS_COPY);
        sh->told_seq = w.high;
    }
    return sh->told_seq == p->round_base;
}

static void share_piece(struct part *p, size_t *steps)
{
    struct share *sh = container_of(p->share_list.next, struct share, link);

    spend(steps, 1);
    if (sh->round < p->round) {
        if (sh->lasting > 0 && !tell_share(p, sh, steps))
            return;
        p->round_shares--;
    }
    sh->round = p->round;
    sh->told_seq = 0;
    list_remove(&sh->link);
    list_push_back(&p->share_list, &sh->link);
}

/* The next topic of this shard. */
static void retained_piece(struct part *p, size_t *steps)
{
    struct message *m = p->retained.trie.nodes[p->round_retained++].value;

    spend(steps, 1);
    if (m && message_seq(m) <= p->round_base &&
        (message_seq(m) != 0 || persist_retains(p->b, message_topic(m))))
        write_copy(p, PERSIST_RETAINED, m, message_seq(m) ? message_seq(m) : p->round_base, steps);
}

bool persist_round_turn(struct part *p)
{
    size_t steps = STEPS_TURN;

    while (steps > 0) {
        if (p->round_left > 0 && !list_empty(&p->lasting)) {
            session_piece(p, &steps);
        } else if (p->round_shares > 0) {
            share_piece(p, &steps);
        } else if (p->round_retained < p->retained.trie.used) {
            retained_piece(p, &steps);
        } else {
            p->round_open = p->round_away > 0;
            return !p->round_open;
        }
    }
    return false;
}

static void turn(struct part *p)
{
    if (p->stopping) /* nothing is dropped, then */
        return;
    if (persist_is_behind(p, ROUND_AHEAD))
        timer_start(&p->round_timer, 1);
    else if (persist_round_turn(p))
        persist_end(p, 0, BROKER_COMMIT, on_last_written, p); /* a marker: session 0 is none;
                                                                   all before it is flushed with it */
    else
        timer_start(&p->round_timer, 1);
}

static void on_round_timer(struct timer *t)
{
    turn(container_of(t, struct part, round_timer));
}

static void on_tell_round(struct mail *m, struct loop *l)
{
    struct round_mail *k = container_of(m, struct round_mail, mail);
    struct part *p = part_of(k->b, l);

    p->round = k->round;
    p->round_base = k->base;
    p->round_open = true;
    p->round_retained = 1;
    p->round_left = p->lasting_count;
    p->round_shares = p->shares.count;
    mem_free(k);
    turn(p);
}

static void on_flushed(struct mail *m, struct loop *l);

/* Whatever was completed before base has come back to this part, and is routed. */
static void on_own_marker(void *ctx, int code, uint64_t seq)
{
    struct round_mail *k = ctx;
    struct part *p = k->b->parts[k->part];

    (void)seq;
    k->code = code;
    part_flush(p);
    k->mail.deliver = on_flushed;
    part_post(p, 0, &k->mail);
}

static void on_flush(struct mail *m, struct loop *l)
{
    struct round_mail *k = container_of(m, struct round_mail, mail);
    struct part *p = part_of(k->b, l);

    k->part = p->index;
    persist_end(p, 0, BROKER_COMMIT, on_own_marker, k);
}

/* ---- part 0 leads ---- */

static void to_all(struct broker *b, void (*deliver)(struct mail *m, struct loop *l))
{
    b->rounds.waiting = b->count;
    for (unsigned i = 0; i < b->count; i++) {
        struct round_mail *k = NEW(struct round_mail);

        k->mail.deliver = deliver;
        k->b = b;
        k->round = b->rounds.number;
        k->base = b->rounds.base;
        part_post(b->parts[0], i, &k->mail);
    }
}

static bool no_room(const struct broker *b)
{
    return cell_get(&b->log_published) >= cell_get(&b->log_may);
}

bool persist_has_room(const struct broker *b)
{
    return !b->journal || !no_room(b);
}

static struct log_size log_size(const struct broker *b)
{
    /* Gauges are summed while others count: below 0 for a moment. */
    int64_t alive = metric_gauge_value(b->m.queued_bytes) + metric_gauge_value(b->m.retained_bytes);
    struct journal_status st;

    journal_status(b->journal, &st);
    return (struct log_size){ .bytes = st.bytes,
                              .written = cell_get(&b->log_written),
                              .published = cell_get(&b->log_published),
                              .alive = alive > 0 ? (uint64_t)alive : 0,
                              .disk = st.most_bytes,
                              .reserve = st.reserve_bytes };
}

static void tell_disk(struct broker *b)
{
    struct rounds *r = &b->rounds;
    uint64_t now_ms = loop_now_ms(b->parts[0]->loop);
    struct journal_status st;

    if (r->told_ms && now_ms - r->told_ms < DISK_TELL_MS)
        return;
    r->told_ms = now_ms;
    journal_status(b->journal, &st);
    log_warn(
        "mqtt",
        "publications are refused: the disk has no space for the broker's log; free some of it, "
        "or let clients take what waits",
        lf_u64("bytes", st.bytes), lf_u64("free", st.free_bytes),
        lf_u64("free_floor", st.free_floor_bytes));
}

/* If there is no room, whose fault it is. */
static void set_full(struct broker *b, const struct log_size *now)
{
    enum log_full full = LOG_HAS_ROOM;

    if (no_room(b))
        full = log_room_is_disk(&b->rounds.room, now) ? LOG_DISK_FULL : LOG_QUOTA_FULL;
    if (cell_swap(&b->log_full, full) != full && full == LOG_DISK_FULL)
        tell_disk(b);
}

/* It goes on as it was before, and is tried again a little later. */
static void round_failed(struct broker *b)
{
    b->rounds.running = false;
    log_room_fail(&b->rounds.room, loop_now_ms(b->parts[0]->loop));
}

static void let_publish(struct broker *b, const struct log_size *now)
{
    int64_t left = log_room_look(&b->rounds.room, now);

    cell_set(&b->log_may, now->published + (left > 0 ? (uint64_t)left : 0));
    if (left > 0)
        cell_set(&b->log_full, LOG_HAS_ROOM);
}

static void on_flushed(struct mail *m, struct loop *l)
{
    struct round_mail *k = container_of(m, struct round_mail, mail);
    struct broker *b = k->b;

    (void)l;
    b->rounds.failed |= k->code != 0;
    mem_free(k);
    if (--b->rounds.waiting > 0)
        return;
    if (b->rounds.failed)
        round_failed(b);
    else
        to_all(b, on_tell_round);
}

static void on_part_done(struct mail *m, struct loop *l)
{
    struct round_mail *k = container_of(m, struct round_mail, mail);
    struct broker *b = k->b;
    struct rounds *r = &b->rounds;
    struct log_size now;

    (void)l;
    r->failed |= k->code != 0;
    mem_free(k);
    if (--r->waiting > 0)
        return;
    /* Nobody waited for what a round writes: one that failed says that it is not whole. */
    r->failed |= metric_value(b->m.unwritten) != r->unwritten;
    now = log_size(b);
    if (r->failed) {
        round_failed(b);
        set_full(b, &now);
        log_warn("mqtt",
                 "sessions could not be written down anew; the log keeps growing until they can",
                 lf_u64("bytes", now.bytes));
        return;
    }
    r->running = false;
    journal_cursor_advance(b->cursor, r->base_before);
    journal_cursor_advance(b->cursor_base, r->base);
    r->base_before = r->base;
    log_room_end(&r->room, &now, loop_now_ms(b->parts[0]->loop));
    log_debug("mqtt", "sessions written down anew", lf_u64("base", r->base));
}

static void on_marker(void *ctx, int code, uint64_t seq)
{
    struct broker *b = ctx;

    if (code || b->parts[0]->stopping) {
        round_failed(b);
        return;
    }
    b->rounds.base = seq;
    to_all(b, on_flush);
}

void persist_round(struct broker *b)
{
    struct rounds *r = &b->rounds;
    struct log_size now = log_size(b);

    if (r->running || b->parts[0]->stopping)
        return;
    r->running = true;
    r->failed = false;
    log_room_begin(&r->room, &now);
    r->unwritten = metric_value(b->m.unwritten);
    r->number++;
    persist_end(b->parts[0], 0, BROKER_COMMIT, on_marker, b);
}

/* Each record tells both clocks: one behind the step is enough for whoever reads the log (mqtt/timeline.h), also
 * after a power cut, when nobody knows any more what the clock was set by. A marker: session 0 is none. */
static void look_at_clock(struct part *p)
{
    struct rounds *r = &p->b->rounds;
    int64_t now_ms = clock_wall_ns() / 1000000 - (int64_t)(clock_uptime_ns() / 1000000);
    int64_t step_ms = now_ms - r->clock_ms;

    if (step_ms < CLOCK_STEP_MS && step_ms > -CLOCK_STEP_MS)
        return;
    r->clock_ms = now_ms;
    log_info("mqtt", "the clock was set", lf_i64("by_ms", step_ms));
    persist_end(p, 0, BROKER_INTERVAL, NULL, NULL);
}

static void on_look(struct timer *t)
{
    struct part *p = container_of(t, struct part, look_timer);
    struct broker *b = p->b;
    struct log_size now = log_size(b);

    timer_start(t, ROUND_LOOK_MS);
    look_at_clock(p);
    if (b->rounds.running)
        return;
    let_publish(b, &now);
    if (log_room_wants_round(&b->rounds.room, &now, loop_now_ms(p->loop)))
        persist_round(b);
    else if (loop_now_ms(p->loop) - b->rounds.room.ended_ms >= ROUND_TRIM_MS)
        set_full(b, &now);
}

void persist_rounds_init(struct part *p)
{
    list_init(&p->lasting);
    timer_init(&p->round_timer, p->loop, on_round_timer);
    timer_init(&p->look_timer, p->loop, on_look);
}

void persist_rounds_start(struct part *p)
{
    struct broker *b = p->b;
    struct journal_status st;
    struct log_size now;

    if (p->index != 0)
        return;
    b->rounds.base_before = journal_cursor_seq(b->cursor_base);
    if (b->rounds.least == 0)
        b->rounds.least = ROUND_LEAST;
    journal_status(b->journal, &st);
    now = log_size(b);
    b->rounds.room = log_room_init(st.quota_bytes, b->rounds.least, &now);
    let_publish(b, &now);
    timer_start(&p->look_timer, ROUND_LOOK_MS);
}

void persist_rounds_stop(struct part *p)
{
    timer_stop(&p->round_timer);
    timer_stop(&p->look_timer);
}

bool broker_log_is_low(const struct broker *b)
{
    return cell_get(&b->log_full) != LOG_HAS_ROOM;
}

bool broker_disk_is_low(const struct broker *b)
{
    return cell_get(&b->log_full) == LOG_DISK_FULL;
}
