/*
 * The sessions of a part: claimed through the shard that knows their owner, given up to another
 * worker, ended when their time is over.
 *
 *     W (connection)      S (shard of the client id)      O (owner so far)
 *     claim ─────────────►  free: grant ─────► W
 *                           held: take ─────────────────────► ends the connection (0x8E), fence
 *     stand-in in W's tree, fence ◄────────────────────────── copy of the subscriptions
 *     ──────────────────────────────────────────────────────► leaves its tree, hands over
 *     ◄── grant + session ──────────── gave + session ◄──────
 *
 * Nothing is lost on the way: until it hands over, O queues for the session; W queues in a
 * stand-in, a session of the same subscriptions, and asks O only when every other part knows of
 * W's interest. What both have is the same publication and is kept once (session_absorb). It came to O
 * after O was asked: O's fence sees to it that whatever came before has come to W as well, if it
 * goes there, before the stand-in does. A session that ends with its connection, or is to begin
 * anew, has nothing to lose and is given up at once; one that stays on its worker does not leave the tree.
 *
 * O says no to an identity that is not the one of its session: a client id is no secret, and whoever knows it
 * shall not be able to end what another has there. Then S grants nothing, and O keeps what it has.
 *
 * S serialises: while a session moves, further claims wait there. A session that ends on its own
 * is reported with the generation of its holding, so that word of it cannot hit a later holding.
 * Every request goes by mail, also to the same worker: one way through the code.
 *
 * A connection may be gone while QoS 2 messages of its are still being decided (BROKER_LATER). Their ids
 * belong to the session, or a repetition over the next connection would be taken for a new message: so
 * a claim waits until all are decided (holding_decided). One for a clean start does not.
 *
 * What a client publishes over its next connection comes behind what O has routed of this one, and of its will: O
 * sends that to all before anybody can be granted the client id (part_flush). What is being written down first is
 * routed when it is there, and may come later; of a retained topic the one with the higher number stays.
 *
 * A claim keeps its connection in memory (`holds`). A connection that is gone when the session
 * arrives leaves it behind as a disconnected one.
 */
#include "mqtt/broker_part.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>

/* One letter for the whole conversation; each step sets the next deliver function. */
struct claim_mail {
    struct mail mail;
    struct registry_claim claim;
    struct broker *b;
    /* Held; its identity and rules do not change any more, and every part may read them. */
    struct conn *c;
    struct session *s;
    struct session *stand_in;  /* at the claimer, while s is on its way */
    struct session_mark since; /* what s had queued when it was asked for */
    bool clean, in_tree;
    bool untold; /* the round under way waits for s to be back */
    unsigned shard, owner;
    int code; /* ERR_FULL, ERR_REFUSED: it is granted nothing */
    size_t id_n;
    char id[];
};

static struct claim_mail *claim_of(struct mail *m)
{
    return container_of(m, struct claim_mail, mail);
}

static struct str claim_id(const struct claim_mail *k)
{
    return str_from(k->id, k->id_n);
}

/* ---- at the claimer ---- */

/* What came for the session on both workers goes into the session, whose place in the tree is the
 * stand-in's now. */
static void merge_stand_in(struct part *p, struct claim_mail *k)
{
    struct session *t = k->stand_in;
    bool changed = false;

    if (!t)
        return;
    if (k->s) {
        session_absorb(k->s, t, k->since);
        for (uint32_t i = 0; i < t->sub_count; i++) {
            struct str filter = { t->subs[i].filter, t->subs[i].filter_n };

            if (!tree_remove(&p->tree, filter, t))
                assert(false && "the stand-in has what the session has");
            if (!session_has_subscription(k->s, filter)) { /* the rules changed meanwhile */
                changed = true;
                part_interest_remove(p, filter, k->s->written);
                metric_gauge_add(p->b->m.subscriptions, -1);
            } else if (!tree_add(&p->tree, filter, k->s, t->subs[i].sub_id, t->subs[i].options)) {
                assert(false && "the session is in no tree yet");
            }
        }
        k->in_tree = true;
        if (changed)
            recheck_queue(p, k->s);
    } else { /* it ended on its own meanwhile */
        holding_leave_tree(p, t);
    }
    session_free(t);
    k->stand_in = NULL;
}

static void on_grant(struct mail *m, struct loop *l)
{
    struct claim_mail *k = claim_of(m);
    struct part *p = part_of(k->b, l);
    struct conn *c = k->c;
    bool untold = k->untold;
    struct grant g;

    p->letters--;
    /* It may come from another worker, whose publications are counted by themselves: a mark of there
     * could be the number of one here, and the session would be taken for met already. */
    if (k->s)
        k->s->mark = 0;
    merge_stand_in(p, k);
    g = (struct grant){
        .s = k->s, .generation = k->claim.generation, .in_tree = k->in_tree, .code = k->code
    };
    mem_free(k);
    conn_granted(c, &g);
    p->round_away -= untold;
}

static void on_hand_over(struct mail *m, struct loop *l);

/* Every part knows of our interest: from now on we miss nothing, and the owner may let go. */
static void on_fenced(void *ctx)
{
    struct claim_mail *k = ctx;

    k->mail.deliver = on_hand_over;
    part_post(k->c->part, k->owner, &k->mail);
}

static void on_stand_in(struct mail *m, struct loop *l)
{
    struct claim_mail *k = claim_of(m);
    struct part *p = part_of(k->b, l);

    holding_enter_tree(p, k->stand_in);
    part_fence(p, on_fenced, k);
}

/* ---- at the owner ---- */

static void on_gave(struct mail *m, struct loop *l);
static void on_kept(struct mail *m, struct loop *l);

static struct holding *find(struct part *p, struct str client_id)
{
    return map_get(&p->holdings, client_id);
}

/* Most sessions are connected, or end with their connection. */
struct holding_timer {
    struct timer timer;
    struct holding *h;
};

static void timer_drop(struct holding *h)
{
    if (!h->timer)
        return;
    timer_stop(&h->timer->timer);
    mem_free(h->timer);
    h->timer = NULL;
}

/* Out of this part's tables; what is left of the session is the caller's. */
static struct session *release(struct holding *h, bool leave_tree)
{
    struct part *p = h->part;
    struct session *s = h->s;

    if (leave_tree)
        holding_leave_tree(p, s);
    if (s->written) {
        list_remove(&h->link);
        p->lasting_count--;
    }
    share_exit(p, s);
    map_remove(&p->holdings, session_id(s));
    metric_gauge_add(p->b->m.sessions, -1);
    timer_drop(h);
    if (h->undecided)
        h->undecided->left = NULL;
    mem_free(h);
    return s;
}

static void give(struct part *p, struct claim_mail *k)
{
    k->mail.deliver = on_gave;
    part_flush(p);
    part_post(p, k->shard, &k->mail);
}

static bool is_shared(const struct session_sub *sub)
{
    return (sub->options & TREE_SHARED) != 0;
}

static struct session *make_stand_in(const struct session *s)
{
    struct session *t = session_new(session_id(s), s->serial, s->limits);

    t->stand_in = true;
    t->written = s->written;
    for (uint32_t i = 0; i < s->sub_count; i++) {
        const struct session_sub *sub = &s->subs[i];

        if (!is_shared(sub)) /* its group waits for the session */
            session_subscribe(t, str_from(sub->filter, sub->filter_n), sub->sub_id, sub->options,
                              true);
    }
    return t;
}

/* Ends the connection that has, or is about to have, the session. A session that ends with its
 * connection is gone after that. */
static void cut_connection(struct holding *h, uint8_t reason, const char *text)
{
    struct conn *c = h->claimer;

    if (c) {
        h->claimer = NULL;
        c->hello->session = NULL;
        conn_end(c, reason, text);
    } else if (h->s->conn) {
        conn_end(h->s->conn, reason, text);
    }
}

enum broker_kick holding_kick(struct part *p, struct str client_id, bool end_session)
{
    struct holding *h = find(p, client_id);
    struct conn *claimer;

    if (!h)
        return BROKER_KICK_UNKNOWN;
    claimer = h->claimer;
    if (!claimer && !h->s->conn && !end_session)
        return BROKER_KICK_AWAY;
    cut_connection(h, MQTT_REASON_ADMINISTRATIVE, "ended by the operator");
    if (claimer) /* it does not know the session any more */
        holding_unclaimed(p, h->s, claimer->hello->session_present);
    h = find(p, client_id);
    if (end_session && h && !h->s->conn && !h->claimer && !h->waiting)
        holding_end(h);
    return BROKER_KICK_DONE;
}

/* Ids of clients inside are nobody else's, whatever a log says. */
static bool may_take(const struct holding *h, const struct conn *claimer)
{
    return claimer->rules->inside || identity_is_same(h->s->who, claimer->who);
}

/* At the owner: no other worker is about to get what the session had before k->since. */
static void on_owner_fenced(void *ctx)
{
    struct claim_mail *k = ctx;
    struct part *p = k->b->parts[k->owner];
    struct holding *h = find(p, claim_id(k));

    if (!h) { /* it ended on its own meanwhile */
        give(p, k);
        return;
    }
    k->stand_in = make_stand_in(h->s);
    k->mail.deliver = on_stand_in;
    part_post(p, k->claim.worker, &k->mail);
}

static void on_take(struct mail *m, struct loop *l)
{
    struct claim_mail *k = claim_of(m);
    struct part *p = part_of(k->b, l);
    struct holding *h = find(p, claim_id(k));

    k->owner = p->index;
    if (h && !may_take(h, k->c)) {
        k->code = ERR_REFUSED;
        k->mail.deliver = on_kept;
        part_post(p, k->shard, &k->mail);
        return;
    }
    if (h) {
        if (!h->claimer && h->s->conn)
            metric_add(p->b->m.taken_over, 1);
        cut_connection(h, MQTT_REASON_TAKEN_OVER, "session taken over");
        h = find(p, claim_id(k));
    }
    if (h && h->undecided && !k->clean) {
        h->waiting = k;
        return;
    }
    if (h && k->claim.worker == p->index) {
        k->in_tree = true;
        k->untold = !k->clean && h->s->written && h->s->round < p->round;
        p->round_away += k->untold;
        k->s = release(h, false);
    } else if (h && k->clean) {
        k->s = release(h, true);
    } else if (h) {
        k->since = session_mark_end(h->s);
        part_fence(p, on_owner_fenced, k);
        return;
    }
    give(p, k);
}

void holding_decided(struct holding *h)
{
    struct claim_mail *k = h->waiting;

    h->undecided = NULL;
    h->waiting = NULL;
    if (k)
        on_take(&k->mail, h->part->loop);
}

static void on_hand_over(struct mail *m, struct loop *l)
{
    struct claim_mail *k = claim_of(m);
    struct part *p = part_of(k->b, l);
    struct holding *h = find(p, claim_id(k));

    if (h) {
        persist_catch_up(p, h->s);
        k->s = release(h, true);
    }
    give(p, k);
}

/* ---- at the shard ---- */

static void shard_grant(struct part *p, struct claim_mail *k)
{
    k->mail.deliver = on_grant;
    part_post(p, k->claim.worker, &k->mail);
}

static void shard_take(struct part *p, struct claim_mail *k, unsigned owner)
{
    k->mail.deliver = on_take;
    part_post(p, owner, &k->mail);
}

static void on_gave(struct mail *m, struct loop *l)
{
    struct claim_mail *k = claim_of(m);
    struct part *p = part_of(k->b, l);
    unsigned worker = k->claim.worker;
    struct registry_claim *next;
    struct registry_claim *claim = registry_gave(&p->registry, claim_id(k), &next);

    assert(claim == &k->claim);
    shard_grant(p, k);
    if (next)
        shard_take(p, next->ctx, worker);
}

static void on_kept(struct mail *m, struct loop *l)
{
    struct claim_mail *k = claim_of(m);
    struct part *p = part_of(k->b, l);
    unsigned owner = k->owner;
    struct registry_claim *next;
    struct registry_claim *claim = registry_kept(&p->registry, claim_id(k), &next);

    assert(claim == &k->claim);
    shard_grant(p, k);
    if (next)
        shard_take(p, next->ctx, owner);
}

static void on_claim(struct mail *m, struct loop *l)
{
    struct claim_mail *k = claim_of(m);
    struct part *p = part_of(k->b, l);
    unsigned owner = 0;

    switch (registry_claim(&p->registry, claim_id(k), &k->claim, &owner)) {
    case REGISTRY_FULL:
        k->code = ERR_FULL;
        shard_grant(p, k);
        break;
    case REGISTRY_GRANT:
        shard_grant(p, k);
        break;
    case REGISTRY_TAKE:
        shard_take(p, k, owner);
        break;
    case REGISTRY_WAIT:
        break;
    }
}

void holding_claim(struct conn *c)
{
    struct str id = c->hello->pk.client_id;
    struct part *p = c->part;
    struct claim_mail *k = mem_new(sizeof(*k) + id.n);

    k->mail.deliver = on_claim;
    k->claim.worker = p->index;
    k->claim.ctx = k;
    k->b = p->b;
    k->c = c;
    k->clean = c->hello->pk.clean_start;
    k->shard = broker_shard(p->b, id);
    k->id_n = id.n;
    memcpy(k->id, id.p, id.n);
    c->holds++;
    p->letters++;
    part_post(p, k->shard, &k->mail);
}

/* ---- the end of a holding ---- */

struct gone_mail {
    struct mail mail;
    struct broker *b;
    uint32_t generation;
    size_t id_n;
    char id[];
};

static void on_gone(struct mail *m, struct loop *l)
{
    struct gone_mail *g = container_of(m, struct gone_mail, mail);

    registry_gone(&part_of(g->b, l)->registry, str_from(g->id, g->id_n), g->generation);
    mem_free(g);
}

static void report_gone(struct part *p, const struct session *s)
{
    struct gone_mail *g = mem_new(sizeof(*g) + s->client_id_n);

    g->mail.deliver = on_gone;
    g->b = p->b;
    g->generation = s->generation;
    g->id_n = s->client_id_n;
    memcpy(g->id, s->client_id, g->id_n);
    part_flush(p);
    part_post(p, broker_shard(p->b, session_id(s)), &g->mail);
}

void holding_end(struct holding *h)
{
    struct part *p = h->part;
    struct session *s = release(h, true);

    will_publish(p, s);
    share_leave_all(p, s);
    if (s->written)
        persist_end(p, s->serial, BROKER_INTERVAL, NULL, NULL);
    report_gone(p, s);
    session_free(s);
}

static void on_timer(struct timer *t);

void holding_wake(struct holding *h)
{
    uint64_t at_ms = session_wake_at(h->s);

    if (at_ms == UINT64_MAX)
        return;
    if (!h->timer) {
        h->timer = NEW(struct holding_timer);
        h->timer->h = h;
        timer_init(&h->timer->timer, h->part->loop, on_timer);
    }
    timer_start_at(&h->timer->timer, at_ms);
}

static void look(struct holding *h)
{
    struct part *p = h->part;
    uint64_t now = loop_now_ms(p->loop);
    unsigned due = session_tick(h->s, now);

    if (due & SESSION_DUE_END) {
        if (h->s->expiry_s > 0)
            metric_add(p->b->m.expired_sessions, 1);
        holding_end(h);
        return;
    }
    if (due & SESSION_DUE_WILL)
        will_publish(p, h->s);
    holding_wake(h);
}

static void on_timer(struct timer *t)
{
    struct holding *h = container_of(t, struct holding_timer, timer)->h;

    if (!h->s->conn && !h->claimer && !h->waiting)
        look(h);
}

void holding_detach(struct part *p, struct session *s, bool send_will)
{
    struct holding *h = holding_of(p, s);

    session_detach(s, loop_now_ms(p->loop), send_will);
    s->away_ms = (int64_t)(clock_uptime_ns() / 1000000);
    share_absent(p, s);
    if (!s->will)
        persist_will(p, s);
    if (s->written && s->expiry_s > 0)
        persist_away(p, s);
    look(h);
}

void holding_unclaimed(struct part *p, struct session *s, bool was_there)
{
    /* Nor was whoever began it ever connected. */
    if (!was_there || s->away_ms == SESSION_NEVER_AWAY) {
        holding_detach(p, s, false);
        return;
    }
    if (s->written && s->expiry_s > 0)
        persist_away(p, s);
    look(holding_of(p, s));
}

void will_publish(struct part *p, struct session *s)
{
    struct message *m = session_take_will(s);

    if (!m)
        return;
    /* Nobody else has it yet: its expiry (so far a length) may still become a point in time. */
    if (message_expires_ms(m) != 0)
        message_set(m, MESSAGE_EXPIRES, message_expires_ms(m) + loop_now_ms(p->loop));
    message_set(m, MESSAGE_PUBLISHER, s->serial);
    ingest_will(p, s, m);
    /* Behind it, where it is written into the same log: rather twice than not at all. Where somebody else takes it,
     * its record is still on its way, and it may be neither there nor here for that moment (docs/guarantees.md). */
    persist_will(p, s);
    message_unref(m);
}

void will_drop(struct part *p, struct session *s)
{
    message_unref(session_take_will(s));
    persist_will(p, s);
}

/* ---- tables ---- */

struct holding *holding_add(struct part *p, struct session *s)
{
    struct holding *h = NEW(struct holding);

    h->part = p;
    h->s = s;
    if (map_put(&p->holdings, session_id(s), h))
        assert(false && "the registry grants a client id once");
    if (s->written)
        holding_lasts(h);
    share_enter(p, s);
    metric_gauge_add(p->b->m.sessions, 1);
    return h;
}

void holding_lasts(struct holding *h)
{
    list_init(&h->link);
    h->s->written = true;
    persist_enter(h->part, h);
}

struct holding *holding_of(struct part *p, const struct session *s)
{
    struct holding *h = find(p, session_id(s));

    assert(h && h->s == s);
    return h;
}

bool holding_enter_tree(struct part *p, struct session *s)
{
    bool news = false;

    for (uint32_t i = 0; i < s->sub_count; i++) {
        struct str filter = { s->subs[i].filter, s->subs[i].filter_n };

        if (is_shared(&s->subs[i]))
            continue;
        tree_add(&p->tree, filter, s, s->subs[i].sub_id, s->subs[i].options);
        news |= part_interest_add(p, filter, s->written);
    }
    metric_gauge_add(p->b->m.subscriptions, (int64_t)s->sub_count - (int64_t)s->share_count);
    return news;
}

void holding_leave_tree(struct part *p, struct session *s)
{
    for (uint32_t i = 0; i < s->sub_count; i++) {
        struct str filter = { s->subs[i].filter, s->subs[i].filter_n };

        if (tree_remove(&p->tree, filter, s))
            part_interest_remove(p, filter, s->written);
    }
    metric_gauge_add(p->b->m.subscriptions, (int64_t)s->share_count - (int64_t)s->sub_count);
}

void holding_quiet_all(struct part *p)
{
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(&p->holdings, &at)))
        timer_drop(e->value);
}

void holding_free_all(struct part *p)
{
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(&p->holdings, &at))) {
        struct holding *h = e->value;

        timer_drop(h);
        session_free(h->s);
        mem_free(h);
    }
    map_fini(&p->holdings);
}
