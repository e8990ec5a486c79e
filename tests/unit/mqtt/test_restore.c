/*
 * What is restored is what was there: sessions that live by the real machine write down what they do,
 * and at any point of that log the state read back is theirs, also after rounds that wrote everything
 * down anew and threw the beginning away.
 */
#include "mqtt/restore.h"

#include "base/map.h"
#include "base/mem.h"
#include "mqtt/match.h"
#include "mqtt/tree.h"
#include "trust/authz.h"
#include "unit/unit.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define SESSIONS  5
#define TOPICS    6
#define OPS_MAX   100000
#define PARTS_MAX 2000

static const struct session_limits limits = { .subscriptions_max = 100,
                                              .inflight_max = 6,
                                              .queue_max_messages = 1000000,
                                              .queue_max_bytes = 100000000 };
static const char *const filters[] = { "t/0", "t/+", "#", "t/1/#", "+/2", "$share/g/t/+" };
static int conn;

struct world {
    struct session *s[SESSIONS];
    bool away[SESSIONS], told[SESSIONS]; /* told: in the round that is under way */
    bool round, retained_told;
    struct session *telling; /* some of it is told, and not all */
    bool publishing;         /* one at a time */
    uint64_t base, base_before;
    struct message *retained[TOPICS];
    struct tree tree;
    struct match match;
    struct buf ops[OPS_MAX]; /* by seq - 1; empty: thrown away */
    uint64_t seq, serial, first;
    unsigned seed;
};

static unsigned rnd(struct world *w, unsigned n)
{
    return (unsigned)rand_r(&w->seed) % n;
}

static struct buf *op(struct world *w)
{
    struct buf *b = &w->ops[w->seq++];

    assert_true(w->seq < OPS_MAX);
    *b = buf_init(1 << 20);
    return b;
}

static void topic_text(unsigned topic, char out[16])
{
    snprintf(out, 16, topic < 4 ? "t/%u" : "t/1/%u", topic);
}

/* ---- what sessions do ---- */

static struct persist_item item_of(const struct session *s, const struct session_item *it)
{
    struct sub_ids ids = session_sub_ids(s, &it->sub_ids);

    return (struct persist_item){ .seq = session_item_seq(it),
                                  .sub_id = ids.n ? ids.at[0] : 0,
                                  .more = ids.n > 1 ? ids.n - 1 : 0,
                                  .more_ids = ids.n > 1 ? ids.at + 1 : NULL,
                                  .packet_id = it->qos == 2 && it->state != SESSION_WAITING
                                                   ? it->packet_id
                                                   : 0,
                                  .qos = it->qos,
                                  .retain = it->retain,
                                  .released = it->state == SESSION_RELEASED,
                                  .sent = it->state == SESSION_SENT };
}

static void write_copy(struct world *w, enum persist_op how, const struct message *m)
{
    persist_put_message(op(w), how,
                        &(struct persist_message){ .topic = message_topic(m),
                                                   .payload = message_payload(m),
                                                   .publisher = message_publisher(m),
                                                   .seq = message_seq(m),
                                                   .qos = m->qos,
                                                   .retain = m->retain });
}

static void put_sub(struct buf *b, const struct session_sub *sub)
{
    persist_put_sub(
        b, &(struct persist_sub){ { sub->filter, sub->filter_n }, sub->sub_id, sub->options });
}

static void put_all(struct buf *b, const struct session *s, const struct persist_session *p)
{
    persist_put_session(b, PERSIST_SESSION, s->serial, p);
    for (uint32_t k = 0; k < s->sub_count; k++)
        put_sub(b, &s->subs[k]);
    for (uint32_t k = 0; k < s->received_count; k++)
        persist_put_received(b, s->received[k]);
    for (uint32_t k = 0; k < s->count; k++) {
        struct persist_item it = item_of(s, session_item_at(s, k));

        if (session_item_at(s, k)->state != SESSION_DONE)
            persist_put_item(b, &it);
    }
}

static struct buf *more(const struct session *s, struct buf *parts, unsigned *count,
                        const struct persist_session *what, bool last)
{
    struct buf *b = &parts[*count];

    *b = buf_init(1 << 20);
    persist_put_session_more(b, s->serial, what, (*count)++, last);
    assert_true(*count < PARTS_MAX);
    return b;
}

/* As many records as there can be: each holds one thing, the last nothing. */
static void put_parts(const struct session *s, const struct persist_session *p, struct buf *parts,
                      unsigned *count)
{
    struct persist_session head = *p;

    head.subs = head.received = head.items = 0;
    parts[0] = buf_init(1 << 20);
    persist_put_session(&parts[0], PERSIST_SESSION_BEGIN, s->serial, &head);
    *count = 1;
    for (uint32_t k = 0; k < s->sub_count; k++)
        put_sub(more(s, parts, count, &(struct persist_session){ .subs = 1 }, false), &s->subs[k]);
    for (uint32_t k = 0; k < s->received_count; k++)
        persist_put_received(
            more(s, parts, count, &(struct persist_session){ .received = 1 }, false),
            s->received[k]);
    for (uint32_t k = 0; k < s->count; k++) {
        struct persist_item it = item_of(s, session_item_at(s, k));

        if (session_item_at(s, k)->state != SESSION_DONE)
            persist_put_item(more(s, parts, count, &(struct persist_session){ .items = 1 }, false),
                             &it);
    }
    more(s, parts, count, &(struct persist_session){ 0 }, true);
}

static void emit(struct world *w, const struct buf *part)
{
    buf_put(op(w), buf_str(part));
}

static void publish(struct world *w, struct session *from);

/* What other workers write comes between them. Before that, the log may have taken only some: those must
 * say nothing. */
static void emit_parts(struct world *w, struct buf *parts, unsigned count)
{
    if (rnd(w, 3) == 0) {
        unsigned missing = rnd(w, count);

        for (unsigned k = 0; k < count; k++)
            if (k != missing)
                emit(w, &parts[k]);
    }
    for (unsigned k = 0; k < count; k++) {
        emit(w, &parts[k]);
        if (!w->publishing && k + 1 < count && rnd(w, 8) == 0)
            publish(w, NULL);
        buf_fini(&parts[k]);
    }
}

static void check(struct world *w);

/* Also behind the session as a whole, which does not name it. */
static void write_will(struct world *w, const struct session *s)
{
    if (s->will)
        persist_put_will(
            op(w), s->serial, s->will_delay_s,
            &(struct persist_message){ .topic = message_topic(s->will),
                                       .payload = message_payload(s->will),
                                       .expires_wall_ms = (int64_t)message_expires_ms(s->will),
                                       .qos = 1 });
    else
        persist_put_no_will(op(w), s->serial);
}

static void tell_will(struct world *w, const struct session *s)
{
    if (!w->publishing && rnd(w, 4) == 0)
        check(w); /* the broker is gone just here */
    if (s->will)
        write_will(w, s);
}

static void change_will(struct world *w, struct session *s)
{
    char payload[16];

    snprintf(payload, sizeof(payload), "%llu", (unsigned long long)w->seq);
    message_unref(s->will);
    s->will = NULL;
    if (rnd(w, 3))
        s->will = message_new(&(struct message_source){
            .topic = STR("w"), .payload = str_of(payload), .expires_ms = rnd(w, 3), .qos = 1 });
    s->will_delay_s = s->will ? rnd(w, 50) : 0;
    write_will(w, s);
}

static struct persist_session head_of(const struct world *w, unsigned i)
{
    const struct session *s = w->s[i];

    return (struct persist_session){ .client_id = session_id(s),
                                     .user = STR("u"),
                                     .base = w->base,
                                     .expiry_s = s->expiry_s,
                                     .away_wall_ms = w->away[i] ? 1000 : 0,
                                     .last_packet_id = s->last_packet_id };
}

/* What the next record of it holds: at most so many items, which are copied. */
static uint32_t measure(struct world *w, const struct session *s, unsigned most,
                        struct persist_session *p)
{
    uint32_t until = s->told;

    for (; until < s->count && most > 0; until++, most--) {
        if (session_item_at(s, until)->state == SESSION_DONE)
            continue;
        p->items++;
        if (session_item_message(session_item_at(s, until)))
            write_copy(w, PERSIST_COPY, session_item_at(s, until)->m);
    }
    return until;
}

/* Some of it, and the rest in later steps: what it does meanwhile comes between. */
static void tell_some(struct world *w, unsigned i)
{
    struct session *s = w->s[i];
    struct persist_session p = head_of(w, i);
    bool first = s->told_parts == 0, last;
    uint32_t until;
    struct buf *b;

    if (first) {
        p.subs = s->sub_count;
        p.received = s->received_count;
        s->told = 0;
    }
    until = measure(w, s, rnd(w, 4), &p);
    last = !first && until == s->count;
    b = op(w);
    if (first)
        persist_put_session(b, PERSIST_SESSION_BEGIN, s->serial, &p);
    else
        persist_put_session_more(b, s->serial, &p, s->told_parts, last);
    for (uint32_t k = 0; k < p.subs; k++)
        put_sub(b, &s->subs[k]);
    for (uint32_t k = 0; k < p.received; k++)
        persist_put_received(b, s->received[k]);
    for (; s->told < until; s->told++) {
        struct persist_item it = item_of(s, session_item_at(s, s->told));

        if (session_item_at(s, s->told)->state != SESSION_DONE)
            persist_put_item(b, &it);
    }
    s->told_parts++;
    if (last)
        s->told = s->told_parts = 0;
    w->telling = last ? NULL : s;
    w->told[i] = last;
    if (last)
        tell_will(w, s);
}

static void write_whole(struct world *w, unsigned i)
{
    const struct session *s = w->s[i];
    struct persist_session p = head_of(w, i);
    struct buf parts[PARTS_MAX];
    unsigned count = 0;

    p.subs = s->sub_count;
    p.received = s->received_count;
    measure(w, s, UINT_MAX, &p);
    w->told[i] = true;
    if (rnd(w, 2)) {
        put_all(op(w), s, &p);
    } else {
        put_parts(s, &p, parts, &count);
        emit_parts(w, parts, count);
    }
    tell_will(w, s);
}

static void begin(struct world *w, unsigned i)
{
    char id[16];

    snprintf(id, sizeof(id), "client%u", i);
    w->s[i] = session_new(str_of(id), ++w->serial, &limits);
    w->s[i]->written = true;
    w->s[i]->expiry_s = 100;
    w->away[i] = false;
    session_attach(w->s[i], &conn, 5);
    write_whole(w, i);
}

static void leave(struct world *w, unsigned i)
{
    struct session *s = w->s[i];

    for (uint32_t k = 0; k < s->sub_count; k++)
        if (!(s->subs[k].options & TREE_SHARED))
            tree_remove(&w->tree, str_from(s->subs[k].filter, s->subs[k].filter_n), s);
    if (s->conn)
        session_detach(s, 0, false);
    if (w->telling == s)
        w->telling = NULL;
    session_free(s);
    w->s[i] = NULL;
}

static void end(struct world *w, unsigned i)
{
    bool silent = rnd(w, 2); /* a new one of the same name says it */

    if (!silent)
        persist_put_end(op(w), w->s[i]->serial);
    leave(w, i);
    if (silent)
        begin(w, i);
}

static void subscribe(struct world *w, struct session *s)
{
    const char *text = filters[rnd(w, COUNT_OF(filters))];
    struct persist_sub sub = { str_of(text), rnd(w, 3), (uint8_t)rnd(w, 3) };
    bool added;

    if (rnd(w, 4) == 0)
        sub.options |= TREE_NO_LOCAL;
    if (text[0] == '$') {
        sub.options = (sub.options & TREE_QOS) | TREE_SHARED;
        added = !session_has_subscription(s, sub.filter);
    } else {
        added = tree_add(&w->tree, sub.filter, s, sub.sub_id, sub.options);
    }
    session_subscribe(s, sub.filter, sub.sub_id, sub.options, added);
    persist_put_subscribe(op(w), s->serial, &sub);
}

static void unsubscribe(struct world *w, struct session *s)
{
    struct str filter = str_of(filters[rnd(w, COUNT_OF(filters))]);

    tree_remove(&w->tree, filter, s);
    session_unsubscribe(s, filter);
    persist_put_unsubscribe(op(w), s->serial, filter, UINT64_MAX);
}

static void round_step(struct world *w);

static void publish(struct world *w, struct session *from)
{
    unsigned topic = rnd(w, TOPICS);
    char text[16], payload[16];
    struct message_source src = { .qos = (uint8_t)rnd(w, 3), .retain = rnd(w, 3) == 0 };
    uint16_t packet_id = 0;
    const struct tree_span *spans;
    struct message *m;
    size_t n;

    w->publishing = true;
    topic_text(topic, text);
    snprintf(payload, sizeof(payload), "%llu", (unsigned long long)w->seq);
    src.topic = str_of(text);
    src.payload = src.retain && rnd(w, 3) == 0 ? STR_NONE : str_of(payload);
    src.publisher = from ? from->serial : 0;
    if (from && src.qos == 2) {
        packet_id = (uint16_t)(1 + rnd(w, 20));
        if (!session_receive(from, packet_id))
            packet_id = 0;
    }
    persist_put_message(op(w), PERSIST_MESSAGE,
                        &(struct persist_message){ .topic = src.topic,
                                                   .payload = src.payload,
                                                   .publisher = src.publisher,
                                                   .packet_id = packet_id,
                                                   .qos = src.qos,
                                                   .retain = src.retain });
    src.seq = w->seq;
    m = message_new(&src);
    n = tree_match(&w->tree, src.topic, &spans);
    match_gather(&w->match, spans, n, &src);
    if (w->round && rnd(w, 2)) /* a session is told before the message has come to it */
        round_step(w);
    for (uint32_t i = 0; i < w->match.count; i++) {
        const struct match_slot *slot = &w->match.slots[i];

        if (slot->qos > 0)
            assert_int_equal(
                session_push(slot->s, m, slot->qos, slot->retain, match_ids(&w->match, slot)), 0);
    }
    if (src.retain) {
        message_unref(w->retained[topic]);
        w->retained[topic] = src.payload.n > 0 ? message_ref(m) : NULL;
    }
    message_unref(m);
    w->publishing = false;
}

static void send_next(struct world *w, struct session *s)
{
    struct session_out o;

    if (!s->conn || session_next(s, 0, &o) != SESSION_PUBLISH || o.qos != 2 || o.written)
        return;
    persist_put_sent(
        op(w), s->serial,
        &(struct persist_item){ .seq = o.seq, .sub_id = o.sub_key, .packet_id = o.packet_id });
    assert_true(session_written(s, o.packet_id, o.seq, &o));
}

static void answer(struct world *w, struct session *s)
{
    const struct session_item *it;
    uint16_t id;
    struct session_out o = { 0 };
    uint64_t seq;

    if (s->sent == 0)
        return;
    it = session_item_at(s, rnd(w, s->sent));
    id = it->packet_id;
    seq = session_in_flight(s, id, &o) ? o.seq : 0;
    if (it->state == SESSION_SENT && it->qos == 1) {
        persist_put_done(op(w), s->serial, seq, o.sub_key, it->written ? id : 0);
        assert_int_equal(session_puback(s, id), 0);
    } else if (it->state == SESSION_SENT) {
        persist_put_released(op(w), s->serial, id);
        assert_int_equal(session_pubrec(s, id, false), 0);
    } else if (it->state == SESSION_RELEASED) {
        persist_put_done(op(w), s->serial, seq, o.sub_key, it->written ? id : 0);
        assert_int_equal(session_pubcomp(s, id), 0);
    }
}

static void complete(struct world *w, struct session *s)
{
    uint16_t id = (uint16_t)(1 + rnd(w, 20));

    session_release(s, id);
    persist_put_complete(op(w), s->serial, id);
}

static void arrive(struct world *w, struct session *s)
{
    uint16_t id = (uint16_t)(1 + rnd(w, 20));

    session_receive(s, id);
    persist_put_arrived(op(w), s->serial, id);
}

static void come_or_go(struct world *w, unsigned i)
{
    struct session *s = w->s[i];

    w->away[i] = !w->away[i];
    if (w->away[i]) {
        session_detach(s, 0, true); /* the will waits */
        persist_put_away(op(w), s->serial, 1000, s->expiry_s);
    } else {
        session_attach(s, &conn, 1 + rnd(w, 6));
        persist_put_back(op(w), s->serial, 100);
    }
}

/* A piece of the round that writes everything down again; at its end what came before the one before is
 * thrown away. */
static void round_step(struct world *w)
{
    if (!w->round) {
        w->round = true;
        w->base = w->seq;
        w->retained_told = false;
        for (unsigned i = 0; i < SESSIONS; i++)
            w->told[i] = false;
        return;
    }
    for (unsigned i = 0; i < SESSIONS; i++) {
        if (!w->s[i] || w->told[i])
            continue;
        if (w->telling == w->s[i] || rnd(w, 2))
            tell_some(w, i);
        else
            write_whole(w, i);
        return;
    }
    if (!w->retained_told) {
        for (unsigned i = 0; i < TOPICS; i++)
            if (w->retained[i])
                write_copy(w, PERSIST_RETAINED, w->retained[i]);
        w->retained_told = true;
        return;
    }
    while (w->first < w->base_before)
        buf_fini(&w->ops[w->first++]);
    w->base_before = w->base;
    w->round = false;
}

static void step(struct world *w)
{
    unsigned i = rnd(w, SESSIONS), what = rnd(w, 25);
    struct session *s = w->s[i];

    if (what == 0 || what == 1) {
        round_step(w);
    } else if (!s) {
        begin(w, i);
    } else if (what == 2 && rnd(w, 6) == 0) {
        end(w, i);
    } else if (what < 5) {
        subscribe(w, s);
    } else if (what == 5) {
        unsubscribe(w, s);
    } else if (what == 6) {
        come_or_go(w, i);
    } else if (what == 7) {
        if (rnd(w, 2))
            complete(w, s);
        else
            arrive(w, s);
    } else if (what < 12) {
        publish(w, rnd(w, 2) ? s : NULL);
    } else if (what < 18) {
        send_next(w, s);
    } else if (what == 24) {
        change_will(w, s);
    } else {
        answer(w, s);
    }
}

/* ---- the comparison ---- */

static void check_ids(struct sub_ids was, struct sub_ids now)
{
    assert_int_equal(was.n, now.n);
    for (uint32_t i = 0; i < was.n; i++)
        assert_int_equal(was.at[i], now.at[i]);
}

static void check_session(const struct session *was, struct session *now)
{
    uint32_t k = 0;

    assert_int_equal(was->sub_count, now->sub_count);
    for (uint32_t i = 0; i < was->sub_count; i++) {
        struct str filter = { was->subs[i].filter, was->subs[i].filter_n };
        const struct session_sub *sub = NULL;

        for (uint32_t j = 0; j < now->sub_count; j++)
            if (str_eq(filter, str_from(now->subs[j].filter, now->subs[j].filter_n)))
                sub = &now->subs[j];
        assert_non_null(sub);
        assert_int_equal(sub->sub_id, was->subs[i].sub_id);
        assert_int_equal(sub->options, was->subs[i].options);
    }
    assert_int_equal(was->will != NULL, now->will != NULL);
    if (was->will) {
        assert_true(str_eq(message_payload(was->will), message_payload(now->will)));
        assert_int_equal(message_expires_ms(was->will), message_expires_ms(now->will));
        assert_int_equal(was->will_delay_s, now->will_delay_s);
    }
    assert_int_equal(was->received_count, now->received_count);
    for (uint32_t i = 0; i < was->received_count; i++)
        assert_true(session_is_received(now, was->received[i]));
    /* Those with a packet id that is written down first, then the rest, each in order. */
    for (int ids = 1; ids >= 0; ids--) {
        for (uint32_t i = 0; i < was->count; i++) {
            const struct session_item *a = session_item_at(was, i), *b;

            if (a->state == SESSION_DONE || (a->qos == 2 && a->state != SESSION_WAITING) != ids)
                continue;
            while (k < now->count && session_item_at(now, k)->state == SESSION_DONE)
                k++;
            assert_true(k < now->count);
            b = session_item_at(now, k++);
            assert_int_equal(session_item_seq(a), session_item_seq(b));
            assert_int_equal(a->qos, b->qos);
            check_ids(session_sub_ids(was, &a->sub_ids), session_sub_ids(now, &b->sub_ids));
            assert_int_equal(a->retain, b->retain);
            if (ids) {
                assert_int_equal(a->packet_id, b->packet_id);
                assert_int_equal(a->state, b->state);
            } else {
                assert_int_equal(b->state, SESSION_WAITING);
                assert_true(a->state != SESSION_SENT || b->maybe);
            }
            assert_int_equal(!session_item_message(a), !session_item_message(b));
            if (session_item_message(a))
                assert_true(str_eq(message_payload(a->m), message_payload(b->m)));
        }
    }
    while (k < now->count)
        assert_int_equal(session_item_at(now, k++)->state, SESSION_DONE);
}

/* It goes on as a session does: in flight again under the same ids, then the rest. */
static void check_goes_on(struct session *s)
{
    struct session_out o;
    enum session_send what;
    uint32_t left = s->count;

    session_attach(s, &conn, 3);
    while ((what = session_next(s, 0, &o)) != SESSION_NOTHING) {
        assert_true(left-- > 0);
        if (what == SESSION_PUBREL) {
            assert_int_equal(session_pubcomp(s, o.packet_id), 0);
        } else if (o.qos == 1) {
            assert_int_equal(session_puback(s, o.packet_id), 0);
        } else {
            assert_int_equal(session_pubrec(s, o.packet_id, false), 0);
            assert_int_equal(session_pubcomp(s, o.packet_id), 0);
        }
    }
    assert_int_equal(s->count, 0);
    assert_int_equal(s->queued_messages, 0);
    session_detach(s, 0, false);
}

static void check(struct world *w)
{
    struct restore_options o = { .limits = &limits, .clocks.wall_ms = 2000, .now_ms = 9 };
    struct restore *r = restore_new(&o);
    struct session *s;
    struct message *m;
    unsigned count = 0, kept = 0, live = 0;

    for (uint64_t i = w->first; i < w->seq; i++)
        assert_int_equal(restore_apply(r, i + 1, buf_str(&w->ops[i])), 0);
    restore_finish(r);
    assert_true(restore_last_serial(r) <= w->serial && restore_lost(r) == 0);
    while ((s = restore_take_session(r))) {
        bool found = false;

        for (unsigned i = 0; i < SESSIONS; i++) {
            if (!w->s[i] || w->s[i]->serial != s->serial)
                continue;
            check_session(w->s[i], s);
            found = true;
        }
        assert_true(found);
        check_goes_on(s);
        session_free(s);
        count++;
    }
    for (unsigned i = 0; i < SESSIONS; i++)
        live += w->s[i] != NULL;
    assert_int_equal(count, live);
    while ((m = restore_take_retained(r))) {
        bool found = false;

        for (unsigned i = 0; i < TOPICS; i++)
            found |= w->retained[i] && message_seq(w->retained[i]) == message_seq(m);
        assert_true(found);
        message_unref(m);
        kept++;
    }
    for (unsigned i = 0; i < TOPICS; i++)
        kept -= w->retained[i] != NULL;
    assert_int_equal(kept, 0);
    restore_free(r);
}

static void what_is_restored_is_what_was_there(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 60; seed++) {
        struct world *w = NEW(struct world);

        w->seed = seed;
        tree_init(&w->tree);
        for (unsigned i = 0; i < 600; i++) {
            step(w);
            if (w->telling || rnd(w, 20) == 0)
                check(w);
        }
        check(w);
        for (unsigned i = 0; i < SESSIONS; i++)
            if (w->s[i])
                leave(w, i);
        for (unsigned i = 0; i < TOPICS; i++)
            message_unref(w->retained[i]);
        while (w->first < w->seq)
            buf_fini(&w->ops[w->first++]);
        match_fini(&w->match);
        tree_fini(&w->tree);
        mem_free(w);
    }
}

/* What took its place is not written down; that does not count for what came behind it. */
static void what_is_retained_no_more_is_one_message(void **state)
{
    struct persist_message m = { .topic = STR("t"), .payload = STR("x"), .retain = true };
    struct persist_message gone = { .topic = STR("t"), .retain = true };
    struct buf b = buf_init(1000);
    struct message *kept;

    (void)state;
    for (uint64_t last = 3; last <= 4; last++) {
        struct restore *r = restore_new(&(struct restore_options){ .limits = &limits });

        for (uint64_t seq = 1; seq <= last; seq++) {
            buf_clear(&b);
            gone.seq = seq == 3 ? 1 : 2;
            persist_put_message(&b, seq < 3 ? PERSIST_MESSAGE : PERSIST_RETAINED,
                                seq < 3 ? &m : &gone);
            assert_int_equal(restore_apply(r, seq, buf_str(&b)), 0);
        }
        kept = restore_take_retained(r);
        assert_int_equal(kept ? message_seq(kept) : 0, last == 3 ? 2 : 0);
        message_unref(kept);
        restore_finish(r);
        restore_free(r);
    }
    buf_fini(&b);
}

/* The publisher's session has ended, or was never written down: its number is not given to another. */
static void numbers_of_publishers_are_used(void **state)
{
    struct restore *r = restore_new(&(struct restore_options){ .limits = &limits });
    struct persist_message m = {
        .topic = STR("t"), .publisher = UINT64_C(9) << 16, .qos = 1, .retain = true
    };
    struct buf b = buf_init(1000);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        static const enum persist_op ops[] = { PERSIST_MESSAGE, PERSIST_COPY, PERSIST_RETAINED };

        buf_clear(&b);
        m.publisher++;
        m.seq = i ? i : 0;
        persist_put_message(&b, ops[i], &m);
        assert_int_equal(restore_apply(r, i + 1, buf_str(&b)), 0);
        assert_true(restore_last_serial(r) == m.publisher);
    }
    restore_finish(r);
    buf_fini(&b);
    restore_free(r);
}

RUN(TEST(what_is_restored_is_what_was_there), TEST(what_is_retained_no_more_is_one_message),
    TEST(numbers_of_publishers_are_used))
