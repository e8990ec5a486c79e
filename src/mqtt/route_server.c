/*
 * The way of a publication: to the sessions of this part, once to each other part that may have a
 * subscriber, and to the shard that keeps it when it is retained.
 *
 * Interest. Each part tells the others, as 64 bits, which first levels its filters begin with (by
 * hash; all bits when one begins with a wildcard). A publication is posted only to parts whose bit
 * is set. A part whose interest grows waits for every other part's word that it knows before it
 * tells the client that the subscription stands (part_fence): from then on nothing is missed.
 *
 * Delivery. One filter matched: its subscribers are served straight from the tree's array. Several:
 * mqtt/match.h says who gets what.
 */
#include "mqtt/broker_part.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>

/* ---- publications ---- */

struct message *publication_message(struct publication *p)
{
    if (!p->m)
        p->m = message_new(&p->src);
    return p->m;
}

void publication_fini(struct publication *p)
{
    message_unref(p->m);
    p->m = NULL;
}

/* ---- interest ---- */

static struct str first_level(struct str path)
{
    return trie_cut(&path);
}

static unsigned interest_bit(const struct broker *b, struct str path)
{
    return (unsigned)(siphash(b->key, first_level(path)) & 63);
}

static bool begins_wild(struct str filter)
{
    return filter.p[0] == '#' || filter.p[0] == '+';
}

static uint64_t count_in(struct part *p, struct interest_counts *k, struct str filter)
{
    unsigned bit;

    if (begins_wild(filter)) {
        k->all++;
        return UINT64_MAX;
    }
    bit = interest_bit(p->b, filter);
    k->of[bit]++;
    return UINT64_C(1) << bit;
}

static void count_out(struct part *p, struct interest_counts *k, struct str filter)
{
    if (begins_wild(filter))
        k->all--;
    else
        k->of[interest_bit(p->b, filter)]--;
}

static uint64_t bits_of(const struct interest_counts *k)
{
    uint64_t bits = 0;

    if (k->all > 0)
        return UINT64_MAX;
    for (unsigned i = 0; i < 64; i++)
        if (k->of[i] > 0)
            bits |= UINT64_C(1) << i;
    return bits;
}

bool part_interest_add(struct part *p, struct str filter, bool lasting)
{
    uint64_t bits = count_in(p, &p->any, filter);
    bool news = (bits & ~p->confirmed.any) != 0;

    p->interest.any |= bits;
    if (lasting) {
        count_in(p, &p->lasting_any, filter);
        p->interest.lasting |= bits;
        news |= (bits & ~p->confirmed.lasting) != 0;
    }
    return news && p->b->count > 1;
}

/* Becoming less interesting is told with the next fence; until then the others post in vain. */
void part_interest_remove(struct part *p, struct str filter, bool lasting)
{
    count_out(p, &p->any, filter);
    p->interest.any = bits_of(&p->any);
    if (!lasting)
        return;
    count_out(p, &p->lasting_any, filter);
    p->interest.lasting = bits_of(&p->lasting_any);
}

bool part_lasting_interest(const struct part *p, struct str topic)
{
    uint64_t wanted = p->interest.lasting | p->others_all.lasting;

    return wanted != 0 && (wanted & (UINT64_C(1) << interest_bit(p->b, topic))) != 0;
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
    f->part->confirmed.any |= f->interest.any;
    f->part->confirmed.lasting |= f->interest.lasting;
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
    for (unsigned i = 0; i < p->b->count; i++) {
        p->others_all.any |= p->others[i].any;
        p->others_all.lasting |= p->others[i].lasting;
    }
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
    p->told.any |= p->interest.any;
    p->told.lasting |= p->interest.lasting;
    p->confirmed.any &= p->told.any;
    p->confirmed.lasting &= p->told.lasting;
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
    uint64_t bit;

    if (p->others_all.any == 0)
        return;
    bit = UINT64_C(1) << interest_bit(p->b, pub->src.topic);
    if (!(p->others_all.any & bit))
        return;
    for (unsigned i = 0; i < p->b->count; i++) {
        if (!(p->others[i].any & bit))
            continue;
        outbox_put(p, i, pub);
        metric_add(p->b->m.between, 1);
    }
}

/* ---- delivery ---- */

static void deliver_qos0(struct part *p, struct conn *c, struct publication *pub,
                         struct sub_ids ids, bool retain, uint64_t *sent)
{
    struct delivery d = { .src = &pub->src, .ids = ids, .retain = retain };

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
    rc = session_push(s, publication_message(pub), qos, retain, ids);
    part_queued(p, s, rc);
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

    if (n == 0)
        return;
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

/* One worker has no second copy of a message. */
uint8_t part_stamps(const struct part *p, const struct message_source *src)
{
    return p->b->count > 1 || src->retain ? MESSAGE_STAMP : 0;
}

uint64_t part_stamp(const struct part *p)
{
    return clock_mono_ns() / p->b->count * p->b->count + p->index;
}

void part_publish(struct part *p, struct publication *pub)
{
    if (part_stamps(p, &pub->src)) {
        pub->src.stamp = next_stamp(p, pub->src.retain);
        if (pub->m)
            message_set(pub->m, MESSAGE_STAMP, pub->src.stamp);
    }
    if (pub->src.retain) {
        persist_retained(p, &pub->src);
        keep_set(p, publication_message(pub));
    }
    post_to_others(p, pub);
    part_deliver(p, pub);
}
