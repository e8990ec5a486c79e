/*
 * The way of a publication: to the sessions of this part, once to each other part that may have a
 * subscriber, and to the shard that keeps it when it is retained.
 *
 * Interest. Each part tells the others which first levels its filters begin with (mqtt/interest.h). A
 * publication is posted only to parts that may want it. A part whose interest grows waits for every
 * other part's word that it knows before it tells the client that the subscription stands (part_fence):
 * from then on nothing is missed.
 *
 * Delivery. One filter matched: its subscribers are served straight from the tree's array. Several:
 * mqtt/match.h says who gets what.
 */
#include "mqtt/broker_part.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>

/* ---- publications ---- */

static struct message *make(const struct publication *p)
{
    struct message_source src = p->src;

    if (!src.retain)
        src.publisher = 0;
    return message_new(&src);
}

struct message *publication_message(struct publication *p)
{
    if (!p->m)
        p->m = make(p);
    return p->m;
}

void publication_fini(struct publication *p)
{
    message_unref(p->m);
    p->m = NULL;
}

/* ---- interest ---- */

bool part_interest_add(struct part *p, struct str filter, bool lasting)
{
    struct interest_place at = interest_place_of(p->b->key, filter);
    bool news = !interest_has(&p->confirmed.any, at);

    interest_count_in(&p->any, &p->interest.any, at);
    if (lasting) {
        interest_count_in(&p->lasting_any, &p->interest.lasting, at);
        news |= !interest_has(&p->confirmed.lasting, at);
    }
    return news && p->b->count > 1;
}

/* Becoming less interesting is told with the next fence; until then the others post in vain. */
void part_interest_remove(struct part *p, struct str filter, bool lasting)
{
    struct interest_place at = interest_place_of(p->b->key, filter);

    interest_count_out(&p->any, &p->interest.any, at);
    if (lasting)
        interest_count_out(&p->lasting_any, &p->interest.lasting, at);
}

bool part_lasting_interest(const struct part *p, struct str topic)
{
    const struct interest_set *here = &p->interest.lasting, *there = &p->others_all.lasting;
    struct interest_look look = interest_look_for(p->b->key, topic, here->depths | there->depths);

    return interest_wants(here, &look) || interest_wants(there, &look);
}

static void interest_all(struct interest *i, const struct interest *with)
{
    interest_unite(&i->any, &with->any);
    interest_unite(&i->lasting, &with->lasting);
}

/* ---- the fence ---- */

struct fence;
struct fence_mail {
    struct mail mail;
    struct fence *fence;
    struct interest interest;
};
struct fence {
    struct part *part;
    void (*done)(void *ctx);
    void *ctx;
    unsigned waiting;
    struct interest interest;
    struct fence_mail mails[];
};

static void on_fence_answer(struct mail *m, struct loop *l)
{
    struct fence *f = container_of(m, struct fence_mail, mail)->fence;

    (void)l;
    if (--f->waiting > 0)
        return;
    interest_all(&f->part->confirmed, &f->interest);
    f->part->fences--;
    f->part->letters--;
    f->done(f->ctx);
    mem_free(f);
}

static void on_fence(struct mail *m, struct loop *l)
{
    struct fence_mail *k = container_of(m, struct fence_mail, mail);
    struct part *from = k->fence->part;
    struct part *p = part_of(from->b, l);

    p->others[from->index] = k->interest;
    p->others_all = (struct interest){ 0 };
    for (unsigned i = 0; i < p->b->count; i++)
        interest_all(&p->others_all, &p->others[i]);
    /* To all, not only to the one that asks: it may tell a third one, which must not hear of it first. */
    part_flush(p);
    m->deliver = on_fence_answer;
    part_post(p, from->index, m);
}

void part_fence(struct part *p, void (*done)(void *ctx), void *ctx)
{
    unsigned count = p->b->count;
    struct fence *f;

    if (count == 1) {
        done(ctx);
        return;
    }
    f = mem_new(sizeof(*f) + count * sizeof(f->mails[0]));
    f->part = p;
    f->done = done;
    f->ctx = ctx;
    f->waiting = count - 1;
    /* While fences are under way what they say only grows, so each one's word stays true when a
     * later one has overwritten it. */
    if (p->fences == 0)
        p->told = (struct interest){ 0 };
    interest_all(&p->told, &p->interest);
    interest_intersect(&p->confirmed.any, &p->told.any);
    interest_intersect(&p->confirmed.lasting, &p->told.lasting);
    p->fences++;
    p->letters++;
    f->interest = p->told;
    for (unsigned i = 0; i < count; i++) {
        if (i == p->index)
            continue;
        f->mails[i].mail.deliver = on_fence;
        f->mails[i].fence = f;
        f->mails[i].interest = p->told;
        part_post(p, i, &f->mails[i].mail);
    }
}

/* ---- between parts ---- */

static void post_to_others(struct part *p, struct publication *pub)
{
    struct interest_look look;

    if (p->others_all.any.depths == 0)
        return;
    look = interest_look_for(p->b->key, pub->src.topic, p->others_all.any.depths);
    for (unsigned i = 0; i < p->b->count; i++) {
        if (!interest_wants(&p->others[i].any, &look))
            continue;
        outbox_put(p, i, pub);
        metric_add(p->b->m.between, 1);
    }
}

/* ---- delivery ---- */

static void deliver_qos0(struct part *p, struct conn *c, struct publication *pub,
                         struct sub_ids ids, bool retain, uint64_t *sent)
{
    struct delivery d = { .src = &pub->src, .ids = ids, .retain = retain, .many = p->many };

    if (c->choked) {
        c->session->dropped++;
        metric_add(p->b->m.dropped_slow, 1);
        return;
    }
    if (ids.n > SEND_IDS_MAX)
        publication_message(pub);
    d.m = pub->m;
    if (conn_send_publish(c, &d))
        ++*sent;
}

void part_queued(struct part *p, struct session *s, int rc)
{
    struct conn *c = s->conn;

    if (rc > 0)
        metric_add(p->b->m.dropped_oldest, (uint64_t)rc);
    if (rc >= 0)
        return;
    metric_add(p->b->m.dropped_queue, 1);
    if (s->limits->full != SESSION_DISCONNECT || !c || c->overfull)
        return;
    /* Not now: whoever goes through the subscriptions must not find a session gone. */
    c->overfull = true;
    conn_retry_in(c, 0);
}

static void deliver_one(struct part *p, struct session *s, struct publication *pub, unsigned qos,
                        struct sub_ids ids, bool retain, uint64_t *sent)
{
    struct conn *c = s->conn;

    int rc;

    if (qos == 0 && c && s->waiting0 == 0) {
        if (!c->choked)
            keep_note(c, pub);
        deliver_qos0(p, c, pub, ids, retain, sent);
        return;
    }
    if (!c && (s->no_offline || qos == 0)) {
        if (s->no_offline && qos > 0) {
            s->dropped++;
            metric_add(p->b->m.dropped_offline, 1);
        }
        if (s->no_offline || !s->limits->queue_qos0)
            return;
    }
    if (pub->admitted && s->limits->elastic)
        rc = session_admit(s, publication_message(pub), qos, retain, ids);
    else
        rc = session_push(s, publication_message(pub), qos, retain, ids);
    part_queued(p, s, rc);
    if (rc < 0 && s->written && qos > 0) /* or a start would find it in the queue */
        persist_item_done(
            p, s,
            &(struct session_out){ .seq = pub->src.seq, .sub_key = ids.n > 0 ? ids.at[0] : 0 });
    inside_look(p, s);
    if (rc < 0 || !c)
        return;
    keep_note(c, pub);
    conn_pump(c);
}

static void deliver_span(struct part *p, const struct tree_span *span, struct publication *pub,
                         uint64_t *sent)
{
    for (uint32_t i = 0; i < span->count; i++) {
        const struct tree_entry *e = &span->entries[i];

        if (e->options & TREE_SHARED)
            share_publish(p, e->owner, pub);
        else if (!match_is_own(e, &pub->src))
            deliver_one(p, e->owner, pub, match_qos(e, &pub->src), sub_ids_one(&e->sub_id),
                        match_retain(e, &pub->src), sent);
    }
}

static void deliver_spans(struct part *p, const struct tree_span *spans, size_t n,
                          struct publication *pub, uint64_t *sent)
{
    struct match *m = &p->match;

    match_gather(m, spans, n, &pub->src);
    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < spans[i].count; k++)
            if (spans[i].entries[k].options & TREE_SHARED)
                share_publish(p, spans[i].entries[k].owner, pub);
    for (uint32_t i = 0; i < m->count; i++) {
        const struct match_slot *slot = &m->slots[i];

        deliver_one(p, slot->s, pub, slot->qos, match_ids(m, slot), slot->retain, sent);
    }
}

void part_deliver(struct part *p, struct publication *pub)
{
    const struct tree_span *spans;
    size_t n = tree_match(&p->tree, pub->src.topic, &spans);
    uint64_t sent = 0;

    if (pub->src.seq > p->routed)
        p->routed = pub->src.seq;
    if (n == 0)
        return;
    p->many = n > 1 || spans->count > 1;
    if (p->many)
        conn_send_forget(p);
    /* What may be too large to be copied into a stream's room is sent from the counted form. */
    if (publication_size(pub) > SEND_COPY_MAX)
        publication_message(pub);
    if (n == 1)
        deliver_span(p, spans, pub, &sent);
    else
        deliver_spans(p, spans, n, pub, &sent);
    metric_add(p->b->m.sent[0], sent);
}

/* Stamps of one part rise, and no two parts give the same. Those of retained messages are the time,
 * so that the later of two parts' is the larger. */
static uint64_t next_stamp(struct part *p, bool retain)
{
    uint64_t now = retain ? part_stamp(p) : 0;

    p->last_stamp += p->b->count;
    if (now > p->last_stamp)
        p->last_stamp = now;
    return p->last_stamp;
}

/* One worker has no second copy of a message, and what is written down has its number. */
uint8_t part_stamps(const struct part *p, const struct message_source *src)
{
    return (p->b->count > 1 && src->seq == 0) || src->retain ? MESSAGE_STAMP : 0;
}

uint64_t part_stamp(const struct part *p)
{
    return clock_mono_ns() / p->b->count * p->b->count + p->index;
}

static void give_stamp(struct part *p, struct publication *pub)
{
    struct message *before = pub->m;

    pub->src.stamp = next_stamp(p, pub->src.retain);
    if (!before)
        return;
    if (before->has & MESSAGE_STAMP) {
        message_set(before, MESSAGE_STAMP, pub->src.stamp);
        return;
    }
    /* It was to have a number, and the log could not take it. */
    pub->m = message_new(&pub->src);
    pub->src.topic = message_topic(pub->m);
    pub->src.payload = message_payload(pub->m);
    pub->src.props = message_props(pub->m);
    message_unref(before);
}

void part_publish(struct part *p, struct publication *pub)
{
    if (part_stamps(p, &pub->src))
        give_stamp(p, pub);
    if (pub->src.retain) {
        persist_retained(p, &pub->src);
        keep_set(p, publication_message(pub), pub->has_place);
    }
    post_to_others(p, pub);
    part_deliver(p, pub);
}
