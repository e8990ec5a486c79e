/*
 * The way of a publication: to the sessions of this part, once to each other part that may have a
 * subscriber, and to the shard that keeps it when it is retained.
 *
 * Interest. Each part tells the others, as 64 bits, which first levels its filters begin with (by
 * hash; all bits when one begins with a wildcard). A publication is posted only to parts whose bit
 * is set. A part whose interest grows waits for every other part's word that it knows before it
 * tells the client that the subscription stands (part_fence): from then on nothing is missed.
 *
 * Outboxes. Messages for another part are collected during a turn and go as one mail. Any other
 * mail to that part goes behind them (part_post), so what one part sends another keeps its order.
 *
 * Delivery. One filter matched: its subscribers are served straight from the tree's array. Several:
 * a session that is met more than once gets the message once, with the highest QoS that it was
 * granted (MQTT 5, 3.3.4); a second subscription with another identifier gets a copy of its own.
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

bool part_interest_add(struct part *p, struct str filter)
{
    uint64_t bits = UINT64_MAX;

    if (begins_wild(filter)) {
        p->interest_all++;
    } else {
        unsigned bit = interest_bit(p->b, filter);

        p->interest_count[bit]++;
        bits = UINT64_C(1) << bit;
    }
    p->interest |= bits;
    return (bits & ~p->confirmed) != 0 && p->b->count > 1;
}

/* Becoming less interesting is told with the next fence; until then the others post in vain. */
void part_interest_remove(struct part *p, struct str filter)
{
    if (begins_wild(filter)) {
        p->interest_all--;
    } else {
        unsigned bit = interest_bit(p->b, filter);

        p->interest_count[bit]--;
    }
    if (p->interest_all > 0)
        return;
    p->interest = 0;
    for (unsigned i = 0; i < 64; i++)
        if (p->interest_count[i] > 0)
            p->interest |= UINT64_C(1) << i;
}

/* ---- the fence ---- */

struct fence;
struct fence_mail {
    struct mail mail;
    struct fence *fence;
    uint64_t interest;
};
struct fence {
    struct part *part;
    void (*done)(void *ctx);
    void *ctx;
    unsigned waiting;
    uint64_t interest;
    struct fence_mail mails[];
};

static void on_fence_answer(struct mail *m, struct loop *l)
{
    struct fence *f = container_of(m, struct fence_mail, mail)->fence;

    (void)l;
    if (--f->waiting > 0)
        return;
    f->part->confirmed |= f->interest;
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
    p->others_any = 0;
    for (unsigned i = 0; i < p->b->count; i++)
        p->others_any |= p->others[i];
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
    p->told = p->fences > 0 ? p->told | p->interest : p->interest;
    p->confirmed &= p->told;
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

struct outbox {
    struct mail mail;
    struct broker *b;
    uint32_t count;
    struct message *messages[OUTBOX_MESSAGES];
};

static void deliver_here(struct part *p, struct publication *pub);

static void on_outbox(struct mail *m, struct loop *l)
{
    struct outbox *o = container_of(m, struct outbox, mail);
    struct part *p = part_of(o->b, l);

    for (uint32_t i = 0; i < o->count; i++) {
        struct publication pub = { .src = message_source_of(o->messages[i]), .m = o->messages[i] };

        deliver_here(p, &pub);
        publication_fini(&pub);
    }
    mem_free(o);
}

static void outbox_post(struct part *p, unsigned to)
{
    struct outbox *o = p->outboxes[to];

    if (!o)
        return;
    p->outboxes[to] = NULL;
    loop_post(p->b->parts[to]->loop, &o->mail);
}

void part_flush(struct part *p)
{
    for (unsigned i = 0; i < p->b->count; i++)
        outbox_post(p, i);
}

static void on_flush(struct later *d)
{
    part_flush(container_of(d, struct part, flush));
}

static void outbox_put(struct part *p, unsigned to, struct message *m)
{
    struct outbox *o = p->outboxes[to];

    if (!o) {
        o = p->outboxes[to] = mem_resize(NULL, sizeof(*o));
        o->mail.deliver = on_outbox;
        o->b = p->b;
        o->count = 0;
        p->flush.run = on_flush;
        loop_later(p->loop, &p->flush);
    }
    o->messages[o->count++] = message_ref(m);
    if (o->count == OUTBOX_MESSAGES)
        outbox_post(p, to);
}

void part_post(struct part *from, unsigned to, struct mail *m)
{
    outbox_post(from, to);
    loop_post(from->b->parts[to]->loop, m);
}

static void post_to_others(struct part *p, struct publication *pub)
{
    uint64_t bit;

    if (p->others_any == 0)
        return;
    bit = UINT64_C(1) << interest_bit(p->b, pub->src.topic);
    if (!(p->others_any & bit))
        return;
    for (unsigned i = 0; i < p->b->count; i++) {
        if (!(p->others[i] & bit))
            continue;
        outbox_put(p, i, publication_message(pub));
        metric_add(p->b->m.between, 1);
    }
}

/* ---- delivery ---- */

struct deliver_slot {
    struct session *s;
    uint32_t sub_id;
    uint8_t qos;
    bool retain;
};

/* Retained topics that arrive live while the shards are still being asked: the shard's answer may
 * be older than this and is then dropped (keep_server.c). */
static void note_seen(struct conn *c, struct publication *pub)
{
    struct message *m = message_ref(publication_message(pub)), *before;

    if (!c->seen) {
        c->seen = NEW(struct map);
        map_init(c->seen);
    }
    before = map_put(c->seen, message_topic(m), m);
    message_unref(before);
}

static void deliver_qos0(struct part *p, struct conn *c, struct publication *pub, uint32_t sub_id,
                         bool retain, uint64_t *sent)
{
    struct delivery d = { .src = &pub->src, .m = pub->m, .sub_id = sub_id, .retain = retain };

    if (!c || c->choked) {
        if (c)
            metric_add(p->b->m.dropped_slow, 1);
        return;
    }
    if (conn_send_publish(c, &d))
        ++*sent;
}

static void deliver_one(struct part *p, struct session *s, struct publication *pub, unsigned qos,
                        uint32_t sub_id, bool retain, uint64_t *sent)
{
    struct conn *c = s->conn;

    if (c && c->queries > 0 && pub->src.stamp != 0)
        note_seen(c, pub);
    if (qos == 0) {
        deliver_qos0(p, c, pub, sub_id, retain, sent);
        return;
    }
    if (session_push(s, publication_message(pub), qos, retain, sub_id)) {
        metric_add(p->b->m.dropped_queue, 1);
        return;
    }
    if (c)
        conn_pump(c);
}

static inline bool is_own(const struct tree_entry *e, const struct publication *pub)
{
    const struct session *s = e->owner;

    return (e->options & TREE_NO_LOCAL) && s->serial == pub->src.publisher;
}

static inline uint8_t granted(const struct tree_entry *e, const struct publication *pub)
{
    uint8_t most = e->options & TREE_QOS;

    return pub->src.qos < most ? pub->src.qos : most;
}

static inline bool keeps_retain(const struct tree_entry *e, const struct publication *pub)
{
    return (e->options & TREE_AS_PUBLISHED) && pub->src.retain;
}

static void deliver_span(struct part *p, const struct tree_span *span, struct publication *pub,
                         uint64_t *sent)
{
    for (uint32_t i = 0; i < span->count; i++) {
        const struct tree_entry *e = &span->entries[i];

        if (!is_own(e, pub))
            deliver_one(p, e->owner, pub, granted(e, pub), e->sub_id, keeps_retain(e, pub), sent);
    }
}

static struct deliver_slot *slot_add(struct part *p, uint32_t *count)
{
    if (*count == p->slot_cap) {
        p->slot_cap = p->slot_cap ? p->slot_cap * 2 : 64;
        p->slots = mem_resize(p->slots, p->slot_cap * sizeof(*p->slots));
    }
    return &p->slots[(*count)++];
}

static void gather(struct part *p, const struct tree_entry *e, const struct publication *pub,
                   uint32_t *count)
{
    struct session *s = e->owner;
    struct deliver_slot *slot;

    if (s->mark == p->last_mark) {
        slot = &p->slots[s->mark_at];
        if (granted(e, pub) > slot->qos)
            slot->qos = granted(e, pub);
        slot->retain |= keeps_retain(e, pub);
        if (e->sub_id == 0 || e->sub_id == slot->sub_id)
            return;
        if (slot->sub_id == 0) {
            slot->sub_id = e->sub_id;
            return;
        }
    } else {
        s->mark = p->last_mark;
        s->mark_at = *count;
    }
    slot = slot_add(p, count);
    *slot = (struct deliver_slot){ s, e->sub_id, granted(e, pub), keeps_retain(e, pub) };
}

static void deliver_here(struct part *p, struct publication *pub)
{
    const struct tree_span *spans;
    size_t n = tree_match(&p->tree, pub->src.topic, &spans);
    uint64_t sent = 0;
    uint32_t count = 0;

    if (n == 0)
        return;
    /* What may be too large to be copied into a stream's room is sent from the counted form. */
    if (pub->src.topic.n + pub->src.props.n + pub->src.payload.n > SEND_COPY_MAX)
        publication_message(pub);
    if (n == 1) {
        deliver_span(p, spans, pub, &sent);
    } else {
        p->last_mark++;
        for (size_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < spans[i].count; k++)
                if (!is_own(&spans[i].entries[k], pub))
                    gather(p, &spans[i].entries[k], pub, &count);
        for (uint32_t i = 0; i < count; i++)
            deliver_one(p, p->slots[i].s, pub, p->slots[i].qos, p->slots[i].sub_id,
                        p->slots[i].retain, &sent);
    }
    metric_add(p->b->m.sent[0], sent);
}

void part_publish(struct part *p, struct publication *pub)
{
    if (pub->src.retain) {
        /* The stamp orders the messages of one topic for its shard; it must be in the message. */
        pub->src.stamp = clock_mono_ns();
        if (pub->m)
            pub->m->stamp = pub->src.stamp;
        keep_set(p, publication_message(pub));
    }
    post_to_others(p, pub);
    deliver_here(p, pub);
}
