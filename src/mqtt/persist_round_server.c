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
 * Why the round before: mqtt/persist.h. A session that moves to another worker is written as it leaves,
 * if its turn has not come; so none is missed.
 *
 * A piece is bounded, so that nobody's PING waits for it: so many bytes of copies, and then the session
 * that names them. A message in several queues is copied once in a round.
 */
#include "mqtt/broker_part.h"
#include "mqtt/persist.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/journal.h"

#include <assert.h>

#define ROUND_LOOK_MS 250u
#define ROUND_LEAST   ((uint64_t)32 << 20) /* the log grows at least by so much between two */
#define ROUND_PIECE   ((size_t)256 << 10)  /* of copies, in one turn */
#define ROUND_RECORD                                                                               \
    ((size_t)64 << 10)      /* of a session: what is longer is told in several records */
#define ROUND_RETAINED 512u /* topics looked at in one turn */

/* ---- writing sessions and messages ---- */

static void write_copy(struct part *p, enum persist_op op, struct message *m, uint64_t seq)
{
    struct message_source src = message_source_of(m);

    src.seq = seq;
    persist_put_source(p, op, &src, 0);
    persist_append(p, BROKER_INTERVAL, NULL, NULL);
}

static bool is_told(const struct session_item *it)
{
    return session_item_seq(it) != 0 && it->state != SESSION_DONE;
}

/* Copies of what is queued and older than the round; false when a piece is full. What is marked was
 * copied by an earlier piece, or for another queue. */
static bool copy_queue(struct part *p, const struct session *s, size_t *bytes)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct session_item *it = session_item_at(s, i);

        if (!is_told(it) || !it->m || it->seq > p->round_base)
            continue;
        if (*bytes >= ROUND_PIECE)
            return false;
        if (!mark_first(message_copied(it->m), p->round))
            continue;
        write_copy(p, PERSIST_COPY, it->m, it->seq);
        *bytes += message_size(it->m);
    }
    return true;
}

/* Also one that is on its way to the disk: what is told here stands above what was written before. */
static bool has_id(const struct session_item *it)
{
    return it->qos == 2 && it->state != SESSION_WAITING;
}

/* How far a session is written, over the records that it takes. */
struct telling {
    struct session *s;
    uint32_t sub, received, item;
};

/* What goes into the next record, in counts; it may grow a little beyond ROUND_RECORD. True: that is all. */
static bool measure(const struct telling *t, struct persist_session *w)
{
    const struct session *s = t->s;
    uint32_t sub = t->sub, received = t->received, item = t->item;
    size_t bytes = 0;

    w->items = 0;
    for (; sub < s->sub_count && bytes < ROUND_RECORD; sub++)
        bytes += 9 + s->subs[sub].filter_n;
    for (; received < s->received_count && bytes < ROUND_RECORD; received++)
        bytes += 2;
    for (; item < s->count && bytes < ROUND_RECORD; item++) {
        if (!is_told(session_item_at(s, item)))
            continue;
        bytes += 15 + 4 * (size_t)session_sub_ids(s, &session_item_at(s, item)->sub_ids).n;
        w->items++;
    }
    w->subs = sub - t->sub;
    w->received = received - t->received;
    return sub == s->sub_count && received == s->received_count && item == s->count;
}

static void put_item(struct buf *b, const struct session *s, const struct session_item *it)
{
    struct sub_ids ids = session_sub_ids(s, &it->sub_ids);

    persist_put_item(b, &(struct persist_item){ .seq = it->seq,
                                                .sub_id = ids.n ? ids.at[0] : 0,
                                                .more_ids = ids.n > 1 ? &ids.at[1] : NULL,
                                                .more = ids.n > 1 ? ids.n - 1 : 0,
                                                .packet_id = has_id(it) ? it->packet_id : 0,
                                                .qos = it->qos,
                                                .retain = it->retain,
                                                .released = it->state == SESSION_RELEASED,
                                                .sent = it->maybe || it->state == SESSION_SENT });
}

/* So much of the session as was measured; then t stands behind it. */
static void put_measured(struct buf *b, struct telling *t, const struct persist_session *w)
{
    const struct session *s = t->s;
    uint32_t items = 0;

    for (uint32_t n = 0; n < w->subs; n++, t->sub++)
        persist_put_sub(b,
                        &(struct persist_sub){ { s->subs[t->sub].filter, s->subs[t->sub].filter_n },
                                               s->subs[t->sub].sub_id,
                                               s->subs[t->sub].options });
    for (uint32_t n = 0; n < w->received; n++)
        persist_put_received(b, s->received[t->received++]);
    for (; t->item < s->count && (items < w->items || !is_told(session_item_at(s, t->item)));
         t->item++) {
        if (!is_told(session_item_at(s, t->item)))
            continue;
        put_item(b, s, session_item_at(s, t->item));
        items++;
    }
}

/* A record that grows with a queue would not fit one day, so a large session is told in several; all in
 * one turn, so that they are of one moment. */
void persist_whole(struct part *p, struct session *s, enum broker_durability how,
                   persist_done *done, void *ctx)
{
    struct persist_session w = { .client_id = session_id(s),
                                 .user = s->who->name,
                                 .role = (uint8_t)s->who->role,
                                 .base = p->round_base,
                                 .away_wall_ms = s->conn ? 0 : s->away_wall_ms,
                                 .expiry_s = s->expiry_s,
                                 .last_packet_id = s->last_packet_id };
    struct telling t = { .s = s };
    struct buf *b = persist_begin(p);
    bool last = measure(&t, &w);

    s->round = p->round;
    persist_put_session(b, last ? PERSIST_SESSION : PERSIST_SESSION_BEGIN, s->serial, &w);
    put_measured(b, &t, &w);
    for (uint32_t part = 1; !last; part++) {
        persist_append(p, BROKER_INTERVAL, NULL, NULL);
        b = persist_begin(p);
        last = measure(&t, &w);
        persist_put_session_more(b, s->serial, &w, part, last);
        put_measured(b, &t, &w);
    }
    persist_append(p, how, done, ctx);
}

void persist_catch_up(struct part *p, struct session *s)
{
    size_t bytes = 0;

    if (!s->written || s->round >= p->round)
        return;
    while (!copy_queue(p, s, &bytes))
        bytes = 0;
    persist_whole(p, s, BROKER_INTERVAL, NULL, NULL);
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

/* One session, or a piece of its queue. */
static size_t session_piece(struct part *p)
{
    struct holding *h = container_of(p->lasting.next, struct holding, link);
    size_t bytes = 0;

    if (h->s->round != p->round) {
        if (!copy_queue(p, h->s, &bytes))
            return bytes;
        persist_whole(p, h->s, BROKER_INTERVAL, NULL, NULL);
        bytes += 256 + 32 * (size_t)(h->s->count + h->s->sub_count);
    }
    list_remove(&h->link);
    list_push_back(&p->lasting, &h->link);
    p->round_left--;
    return bytes;
}

/* The next topics of this shard. */
static size_t retained_piece(struct part *p)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < ROUND_RETAINED && p->round_retained < p->retained.trie.used; i++) {
        struct message *m = p->retained.trie.nodes[p->round_retained++].value;

        if (!m || message_seq(m) > p->round_base || !persist_retains(p->b, message_topic(m)))
            continue;
        write_copy(p, PERSIST_RETAINED, m, message_seq(m) ? message_seq(m) : p->round_base);
        bytes += message_size(m);
    }
    return bytes + 1;
}

static void piece(struct part *p)
{
    size_t bytes = 0;

    if (p->stopping) /* nothing is dropped, then */
        return;
    while (bytes < ROUND_PIECE) {
        if (p->round_left > 0 && !list_empty(&p->lasting)) {
            bytes += session_piece(p);
        } else if (p->round_retained < p->retained.trie.used) {
            bytes += retained_piece(p);
        } else {
            persist_end(p, 0, BROKER_COMMIT, on_last_written, p); /* a marker: session 0 is none;
                                                                       all before it is flushed with it */
            return;
        }
    }
    timer_start(&p->round_timer, 1);
}

static void on_round_timer(struct timer *t)
{
    piece(container_of(t, struct part, round_timer));
}

static void on_tell_round(struct mail *m, struct loop *l)
{
    struct round_mail *k = container_of(m, struct round_mail, mail);
    struct part *p = part_of(k->b, l);

    p->round = k->round;
    p->round_base = k->base;
    p->round_retained = 1;
    p->round_left = 0;
    LIST_EACH (it, &p->lasting)
        p->round_left++;
    mem_free(k);
    piece(p);
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
        b->rounds.running = false;
    else
        to_all(b, on_tell_round);
}

static uint64_t log_bytes(const struct broker *b)
{
    struct journal_status st;

    journal_status(b->journal, &st);
    return st.bytes;
}

static void on_part_done(struct mail *m, struct loop *l)
{
    struct round_mail *k = container_of(m, struct round_mail, mail);
    struct broker *b = k->b;
    struct rounds *r = &b->rounds;

    (void)l;
    r->failed |= k->code != 0;
    mem_free(k);
    if (--r->waiting > 0)
        return;
    r->running = false;
    /* Nobody waited for what a round writes: one that failed says that it is not whole. */
    r->failed |= metric_value(b->m.unwritten) != r->unwritten;
    if (r->failed) {
        log_warn("mqtt",
                 "sessions could not be written down anew; the log keeps growing until they can",
                 lf_u64("bytes", log_bytes(b)));
        return;
    }
    journal_cursor_advance(b->cursor, r->base_before);
    journal_cursor_advance(b->cursor_base, r->base);
    r->base_before = r->base;
    r->measured = false; /* segments go a little later */
    log_debug("mqtt", "sessions written down anew", lf_u64("base", r->base));
}

static void on_marker(void *ctx, int code, uint64_t seq)
{
    struct broker *b = ctx;

    if (code || b->parts[0]->stopping) {
        b->rounds.running = false;
        return;
    }
    b->rounds.base = seq;
    to_all(b, on_flush);
}

void persist_round(struct broker *b)
{
    struct rounds *r = &b->rounds;

    if (r->running || b->parts[0]->stopping)
        return;
    r->running = true;
    r->failed = false;
    r->unwritten = metric_value(b->m.unwritten);
    r->number++;
    persist_end(b->parts[0], 0, BROKER_COMMIT, on_marker, b);
}

/* When the log has grown by as much as it was after the last round, and in time for another one to fit. */
static uint64_t begins_at(const struct rounds *r, uint64_t quota)
{
    uint64_t least = r->bytes_after + r->least;
    uint64_t twice = r->bytes_after * 2 > least ? r->bytes_after * 2 : least;
    uint64_t half = quota / 2 > least ? quota / 2 : least;

    return twice < half ? twice : half;
}

static void on_look(struct timer *t)
{
    struct part *p = container_of(t, struct part, look_timer);
    struct rounds *r = &p->b->rounds;
    struct journal_status st;

    timer_start(t, ROUND_LOOK_MS);
    journal_status(p->b->journal, &st);
    /* The rest is for rounds, and for what is done: without those it would stay full. */
    cell_set(&p->b->log_low, st.bytes > st.quota_bytes - st.quota_bytes / 4);
    if (!r->running && !r->measured) {
        r->bytes_after = st.bytes;
        r->measured = true;
    }
    if (st.bytes > begins_at(r, st.quota_bytes))
        persist_round(p->b);
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

    if (p->index != 0)
        return;
    b->rounds.base_before = journal_cursor_seq(b->cursor_base);
    if (b->rounds.least == 0)
        b->rounds.least = ROUND_LEAST;
    timer_start(&p->look_timer, ROUND_LOOK_MS);
}

void persist_rounds_stop(struct part *p)
{
    timer_stop(&p->round_timer);
    timer_stop(&p->look_timer);
}

bool broker_log_is_low(const struct broker *b)
{
    return cell_get(&b->log_low) != 0;
}
