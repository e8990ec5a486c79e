/*
 * Shared subscriptions between the parts. Each group ($share/NAME/FILTER) has a home, the part of its
 * key's hash. The home subscribes the filter, gets each message that matches once, and offers it to
 * the member whose turn it is, on whichever part that one's session lives.
 *
 *     member's part                               home
 *     join ─────────────────────────────────────► joins without credit; fence
 *     ◄───────────────────────────── joined ───── SUBACK may go
 *     tell (credit: how much room) ─────────────► what waits is offered
 *     ◄───────────────────────────── offer ────── takes turns among those with credit
 *     bounce (gone, or no room after all) ──────► offered to the next
 *     tell (credit 0: disconnected), bounces ───► the others get what was not acknowledged
 *     leave (unsubscribed, session over) ───────► the last one frees the group
 *
 * Home and member count the same offers, so both know when the credit is used up; then the member tells
 * as soon as it has room again. A session that moves to another worker says so with its next telling;
 * its turn orders what the two workers say.
 *
 * So a member that is absent or stalled gets nothing, while one has room no message waits, and what waits
 * at the home is bounded like a session's queue.
 *
 * A restart. While a member's session is written down, a message of the group's that is written down too is
 * owed (mqtt/owed.h): at the next start it waits at the home again, for whoever comes first. It is owed no more
 * once a member has acknowledged it (PERSIST_SHARE_DONE), or has it for good (PERSIST_TAKEN): before a
 * PUBLISH of QoS 2 goes out, since nobody else may have that then (MQTT 5, 4.8.2), and when the member leaves.
 * The member's worker writes, and then lets the home know; what the home tells in a round may be behind that,
 * by less than a round.
 */
#include "mqtt/broker_part.h"
#include "mqtt/persist.h"
#include "mqtt/share.h"

#include "base/mem.h"

#define CREDIT_MAX 64u /* so that a member that goes gives little back */

static struct str id_key(const uint64_t *id)
{
    return str_from((const char *)id, sizeof(*id));
}

static struct share *find_share(const struct part *p, uint64_t id)
{
    return map_get(&p->shares_by_id, id_key(&id));
}

/* ---- at the member's part ---- */

/* The session with that serial, if it is here and a member of anything. */
static struct session *find_member(const struct part *p, uint64_t serial)
{
    return map_get(&p->sharers, id_key(&serial));
}

static uint32_t room_of(const struct session *s)
{
    const struct conn *c = s->conn;
    uint32_t room = c && !c->choked ? session_room(s) : 0;

    return room < CREDIT_MAX ? room : CREDIT_MAX;
}

struct tell_mail {
    struct mail mail;
    struct broker *b;
    uint64_t id;
    struct share_told told;
};

static void on_tell(struct mail *m, struct loop *l);

/* Always by mail, so that what a telling sets off never runs inside of what led to it. */
static void tell(struct part *p, struct session *s, struct session_share *sh, uint32_t credit)
{
    struct tell_mail *k = NEW(struct tell_mail);

    sh->credit = credit;
    k->mail.deliver = on_tell;
    k->b = p->b;
    k->id = sh->id;
    k->told = (struct share_told){
        .serial = s->serial, .turn = ++s->share_turn, .credit = credit, .part = p->index
    };
    part_post(p, sh->home, &k->mail);
}

void share_room(struct part *p, struct session *s)
{
    uint32_t room = room_of(s);

    for (uint32_t i = 0; room > 0 && i < s->share_count; i++)
        if (s->shares[i].credit == 0)
            tell(p, s, &s->shares[i], room);
}

void share_enter(struct part *p, struct session *s)
{
    if (s->share_count > 0)
        map_put(&p->sharers, id_key(&s->serial), s);
}

void share_exit(struct part *p, struct session *s)
{
    if (s->share_count > 0)
        map_remove(&p->sharers, id_key(&s->serial));
}

/* ---- offers ---- */

struct offer {
    struct mail mail;
    struct broker *b;
    uint64_t id, serial;
    unsigned home;
    uint32_t sub_id;
    uint8_t qos;
    bool retain;
    /* with a bounce */
    bool known;    /* the member is there, and turn is its */
    uint32_t turn; /* what it told last */
    struct message *m;
};

/* ---- what is owed ---- */

struct settle_mail {
    struct mail mail;
    struct broker *b;
    uint64_t id, seq;
};

static void on_settle(struct mail *m, struct loop *l)
{
    struct settle_mail *k = container_of(m, struct settle_mail, mail);
    struct share *sh = find_share(part_of(k->b, l), k->id);

    if (sh)
        share_settle(sh, k->seq);
    mem_free(k);
}

static void settle(struct part *p, const struct session_share *sh, uint64_t seq)
{
    struct share *here;
    struct settle_mail *k;

    if (sh->home == p->index) {
        if ((here = find_share(p, sh->id)))
            share_settle(here, seq);
        return;
    }
    k = NEW(struct settle_mail);
    k->mail.deliver = on_settle;
    k->b = p->b;
    k->id = sh->id;
    k->seq = seq;
    part_post(p, sh->home, &k->mail);
}

void share_done(struct part *p, const struct session *s, uint64_t id, uint64_t seq)
{
    const struct session_share *sh = session_find_share(s, id);

    assert(sh && seq != 0);
    persist_share_done(p, sh->key, seq);
    settle(p, sh, seq);
}

void share_put_taken(struct part *p, const struct session *s, const struct session_out *o)
{
    const struct session_share *sh = session_find_share(s, o->share);
    struct persist_item it = { .seq = o->seq,
                               .sub_id = o->sub_key,
                               .packet_id = o->qos == 2 ? o->packet_id : 0,
                               .qos = o->qos,
                               .retain = o->retain,
                               .sent = o->dup };

    assert(sh);
    persist_copied(p, o->m); /* the home may tell of it no more, and the session did not yet */
    persist_put_taken(persist_begin(p), s->serial, sh->key, &it);
}

void share_taken(struct part *p, const struct session *s, const struct session_out *o)
{
    const struct session_share *sh = session_find_share(s, o->share);

    if (sh && o->seq != 0)
        settle(p, sh, o->seq);
}

static bool take_qos0(struct part *p, struct session *s, const struct offer *o,
                      struct publication *pub)
{
    struct conn *c = s->conn;
    struct delivery d = {
        .src = &pub->src, .m = pub->m, .ids = sub_ids_one(&o->sub_id), .retain = o->retain
    };

    if (!c || c->choked)
        return false;
    if (conn_send_publish(c, &d))
        metric_add(p->b->m.sent[0], 1);
    if (pub->src.qos > 0 && pub->src.seq != 0)
        share_done(p, s, o->id, pub->src.seq);
    return true;
}

/* The member takes it, or it goes back: it is not here any more, or has no room after all. */
static bool take(struct part *p, struct offer *o, struct publication *pub)
{
    struct session *s = find_member(p, o->serial);
    struct session_share *sh = s ? session_find_share(s, o->id) : NULL;
    bool taken = false;

    if (!sh)
        return false;
    if (o->qos == 0) {
        taken = take_qos0(p, s, o, pub);
    } else if (room_of(s) > 0 && session_push(s, publication_message(pub), o->qos, o->retain,
                                              sub_ids_one(&o->sub_id)) >= 0) {
        session_mark_shared(s, o->id);
        sh->credit -= sh->credit > 0;
        conn_pump(s->conn);
        return true;
    }
    if (taken)
        return true;
    sh->credit = 0;
    o->known = true;
    o->turn = s->share_turn;
    return false;
}

static void on_bounce(struct mail *m, struct loop *l);

static void on_offer(struct mail *m, struct loop *l)
{
    struct offer *o = container_of(m, struct offer, mail);
    struct part *p = part_of(o->b, l);
    struct publication pub = { .src = message_source_of(o->m), .m = o->m };

    if (take(p, o, &pub)) {
        publication_fini(&pub);
        mem_free(o);
        return;
    }
    m->deliver = on_bounce;
    part_post(p, o->home, m);
}

/* ---- at the home ---- */

static void post_offer(struct part *p, const struct offer *o, unsigned to, struct message *m)
{
    struct offer *k = mem_dup(o, sizeof(*o));

    k->mail.deliver = on_offer;
    k->m = message_ref(m);
    part_post(p, to, &k->mail);
}

/* False: nobody has room. At a stop nobody is asked: no member is there any more, though it did not say so, and an
 * offer that goes from one to the next would come to parts that are gone. */
static bool offer(struct part *p, struct share *sh, struct publication *pub, unsigned qos)
{
    struct share_member *m;

    while (!p->stopping && (m = share_pick(sh))) {
        struct offer o = { .b = p->b,
                           .id = sh->id,
                           .serial = m->serial,
                           .home = p->index,
                           .sub_id = m->sub_id,
                           .qos = (uint8_t)qos,
                           .retain = (m->options & TREE_AS_PUBLISHED) && pub->src.retain };

        if (o.qos > (m->options & TREE_QOS))
            o.qos = m->options & TREE_QOS;
        m->credit -= o.qos > 0; /* as the member counts */
        if (m->part != p->index) {
            post_offer(p, &o, m->part, publication_message(pub));
            return true;
        }
        if (take(p, &o, pub))
            return true;
        m->credit = 0;
    }
    return false;
}

/* What comes later waits behind what waits already. */
void share_publish(struct part *p, struct share *sh, struct publication *pub)
{
    unsigned qos = pub->src.qos;

    if (qos > 0 && pub->src.seq != 0 && sh->lasting > 0)
        share_owe(sh, publication_message(pub));
    if ((sh->waiting == 0 || qos == 0) && offer(p, sh, pub, qos))
        return;
    if (qos == 0) { /* as with a session, nobody who is away is owed it */
        metric_add(p->b->m.dropped_slow, share_is_attended(sh));
    } else if (share_wait(sh, publication_message(pub), qos)) {
        metric_add(p->b->m.dropped_queue, 1);
        if (pub->src.seq != 0) {
            persist_share_done(p, share_key(sh), pub->src.seq);
            share_settle(sh, pub->src.seq);
        }
    }
}

static void offer_waiting(struct part *p, struct share *sh)
{
    const struct share_waiting *w;
    uint64_t expired = 0;

    while ((w = share_first(sh, loop_now_ms(p->loop), &expired))) {
        struct publication pub = { .src = message_source_of(w->m), .m = w->m };

        if (!offer(p, sh, &pub, w->qos))
            break;
        share_pop(sh);
    }
    metric_add(p->b->m.dropped_expired, expired);
}

static void on_bounce(struct mail *m, struct loop *l)
{
    struct offer *o = container_of(m, struct offer, mail);
    struct part *p = part_of(o->b, l);
    struct share *sh = find_share(p, o->id);
    struct publication pub = { .src = message_source_of(o->m), .m = o->m };

    if (sh && o->known)
        share_stall(sh, o->serial, o->turn);
    if (sh) /* else it ended, and what it was owed with it */
        share_publish(p, sh, &pub);
    publication_fini(&pub);
    mem_free(o);
}

static void on_tell(struct mail *m, struct loop *l)
{
    struct tell_mail *k = container_of(m, struct tell_mail, mail);
    struct part *p = part_of(k->b, l);
    struct share *sh = find_share(p, k->id);

    if (sh) {
        share_tell(sh, &k->told);
        offer_waiting(p, sh);
    }
    mem_free(k);
}

/* ---- leaving ---- */

static void free_share(struct part *p, struct share *sh)
{
    if (p->round_open && sh->round < p->round)
        p->round_shares--;
    tree_remove(&p->tree, share_filter(sh), sh);
    part_interest_remove(p, share_filter(sh), sh->lasting > 0);
    map_remove(&p->shares, share_key(sh));
    map_remove(&p->shares_by_id, id_key(&sh->id));
    metric_gauge_add(p->b->m.shared, -1);
    share_free(sh);
}

/* Others write down what it may want while a member lasts. */
static void interest_changes(struct part *p, const struct share *sh, bool lasted)
{
    bool lasts = sh->lasting > 0;

    if (lasts == lasted)
        return;
    part_interest_add(p, share_filter(sh), lasts); /* the caller waits for the fence */
    part_interest_remove(p, share_filter(sh), lasted);
}

struct leave_mail {
    struct mail mail;
    struct broker *b;
    uint64_t id;
    struct share_joining j; /* one that failed; its since is 0: it leaves */
};

static void on_leave(struct mail *m, struct loop *l)
{
    struct leave_mail *k = container_of(m, struct leave_mail, mail);
    struct part *p = part_of(k->b, l);
    struct share *sh = find_share(p, k->id);
    bool lasted = sh && sh->lasting > 0;

    if (sh && (k->j.since ? share_unjoin(sh, &k->j) : share_leave(sh, k->j.serial))) {
        interest_changes(p, sh, lasted);
        if (sh->count == 0)
            free_share(p, sh);
    }
    mem_free(k);
}

static void leave_one(struct part *p, unsigned home, uint64_t id, const struct share_joining *j)
{
    struct leave_mail *k = NEW(struct leave_mail);

    k->mail.deliver = on_leave;
    k->b = p->b;
    k->id = id;
    k->j = *j;
    part_post(p, home, &k->mail);
}

struct parting {
    struct part *part;
    const struct session *s;
};

static void keep_one(void *ctx, const struct session_out *o)
{
    const struct parting *g = ctx;

    share_put_taken(g->part, g->s, o);
    persist_append(g->part, BROKER_INTERVAL, NULL, NULL);
    share_taken(g->part, g->s, o);
}

bool share_unsubscribe(struct part *p, struct session *s, struct str key)
{
    const struct session_share *sh = session_share_of(s, key);
    struct parting g = { p, s };
    unsigned home;
    uint64_t id;

    if (!sh)
        return false;
    id = sh->id;
    home = sh->home;
    session_remove_share(s, id, keep_one, &g);
    leave_one(p, home, id, &(struct share_joining){ .serial = s->serial });
    session_unsubscribe(s, key);
    if (s->share_count == 0)
        map_remove(&p->sharers, id_key(&s->serial));
    metric_gauge_add(p->b->m.subscriptions, -1);
    return true;
}

void share_leave_all(struct part *p, struct session *s)
{
    struct share_joining j = { .serial = s->serial };

    for (uint32_t i = 0; i < s->share_count; i++)
        leave_one(p, s->shares[i].home, s->shares[i].id, &j);
    metric_gauge_add(p->b->m.subscriptions, -(int64_t)s->share_count);
}

struct giving {
    struct part *part;
    struct session *s;
};

static void give_back(void *ctx, uint64_t id, struct message *m)
{
    const struct giving *g = ctx;
    struct offer *o = NEW(struct offer);

    o->mail.deliver = on_bounce;
    o->b = g->part->b;
    o->id = id;
    o->m = m;
    part_post(g->part, session_find_share(g->s, id)->home, &o->mail);
}

void share_absent(struct part *p, struct session *s)
{
    struct giving g = { p, s };

    if (s->share_count == 0 || p->stopping)
        return;
    for (uint32_t i = 0; i < s->share_count; i++)
        tell(p, s, &s->shares[i], 0);
    session_give_back(s, give_back, &g);
}

void share_free_all(struct part *p)
{
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(&p->shares, &at)))
        share_free(e->value);
    map_fini(&p->shares);
    map_fini(&p->shares_by_id);
    map_fini(&p->sharers);
}

/* ---- joining ---- */

struct join_mail {
    struct mail mail;
    struct part *home, *from;
    struct conn *c;    /* NULL: for s */
    struct session *s; /* NULL: a member already */
    void (*done)(void *ctx);
    void *ctx;
    uint64_t serial, id;
    uint32_t sub_id;
    struct share_joining joined; /* at the home */
    uint32_t rechecks;           /* of `from` when it asked */
    uint8_t options;
    bool lasting;
    size_t key_n;
    char key[];
};

static struct share *make_share(struct part *p, struct str key)
{
    struct str name, filter;
    struct share *sh;

    if (mqtt_share_split(key, &name, &filter) != MQTT_SHARE_YES)
        return NULL;
    sh = share_new(key, filter, (++p->last_share << 16) | p->index, &p->b->session_limits);
    map_put(&p->shares, share_key(sh), sh);
    map_put(&p->shares_by_id, id_key(&sh->id), sh);
    list_push_back(&p->share_list, &sh->link);
    sh->round = p->round; /* it owes nothing from before that */
    tree_add(&p->tree, filter, sh, 0, TREE_SHARED);
    part_interest_add(p, filter, false);
    metric_gauge_add(p->b->m.shared, 1);
    return sh;
}

static void on_join_written(void *ctx, int code, uint64_t seq)
{
    struct join_mail *k = ctx;

    (void)seq;
    if (code)
        conn_end(k->c, MQTT_REASON_UNSPECIFIED, "a subscription could not be written down");
    k->done(k->ctx);
    mem_free(k);
}

/* The rules may have changed on the way, and whoever looked at the session's subscriptions then did not find
 * this one. */
static bool may_join(struct part *p, const struct session *s, const struct join_mail *k)
{
    struct str name, filter = STR_NONE;

    if (k->rechecks == p->rechecks)
        return true;
    mqtt_share_split(str_from(k->key, k->key_n), &name, &filter);
    if (recheck_allows(p, s->who, session_id(s), AUTHZ_SUBSCRIBE, filter))
        return true;
    metric_add(p->b->m.denied_subscribe, 1);
    return false;
}

static void on_joined(struct mail *m, struct loop *l)
{
    struct join_mail *k = container_of(m, struct join_mail, mail);
    struct part *p = k->from;
    struct session *s = k->c ? k->c->session : k->s;

    (void)l;
    p->letters--;
    if (!k->c && !s)
        s = find_member(p, k->serial);
    if (s && s->serial == k->serial && may_join(p, s, k)) {
        struct str key = str_from(k->key, k->key_n);
        bool added = !session_has_subscription(s, key);

        session_subscribe(s, key, k->sub_id, k->options | TREE_SHARED, added);
        if (!session_find_share(s, k->id)) {
            session_add_share(s, key, k->id, k->home->index);
            share_enter(p, s);
        }
        metric_gauge_add(p->b->m.subscriptions, added);
        share_room(p, s);
        if (k->c && s->written) {
            persist_subscribe(p, s, &(struct persist_sub){ key, k->sub_id, k->options },
                              persist_how(k->c), on_join_written, k);
            return;
        }
    } else { /* it has gone, or moved, and was not told of its subscription; or may not have it any more */
        leave_one(p, k->home->index, k->id, &k->joined);
    }
    if (k->done)
        k->done(k->ctx);
    mem_free(k);
}

static void on_fenced(void *ctx)
{
    struct join_mail *k = ctx;

    k->mail.deliver = on_joined;
    part_post(k->home, k->from->index, &k->mail);
}

static void on_join(struct mail *m, struct loop *l)
{
    struct join_mail *k = container_of(m, struct join_mail, mail);
    struct part *p = k->home;
    struct str key = str_from(k->key, k->key_n);
    struct share *sh = map_get(&p->shares, key);
    bool lasted;

    (void)l;
    if (!sh)
        sh = make_share(p, key);
    lasted = sh->lasting > 0;
    k->id = sh->id;
    k->joined = (struct share_joining){
        .serial = k->serial, .sub_id = k->sub_id, .options = k->options, .lasting = k->lasting
    };
    share_join(sh, &k->joined);
    interest_changes(p, sh, lasted);
    /* Whoever made the group may not have its fence yet. */
    part_fence(p, on_fenced, k);
}

static struct join_mail *ask_home(struct part *p, struct session *s, const struct share_wish *w)
{
    struct join_mail *k = mem_new(sizeof(*k) + w->key.n);
    unsigned home = broker_shard(p->b, w->key);

    k->mail.deliver = on_join;
    k->home = p->b->parts[home];
    k->from = p;
    k->serial = s->serial;
    k->sub_id = w->sub_id;
    k->options = w->options;
    k->lasting = s->written;
    k->rechecks = p->rechecks;
    k->key_n = w->key.n;
    memcpy(k->key, w->key.p, w->key.n);
    p->letters++;
    return k;
}

void share_subscribe(struct conn *c, const struct share_wish *w, void (*done)(void *ctx), void *ctx)
{
    struct join_mail *k = ask_home(c->part, c->session, w);

    k->c = c;
    k->done = done;
    k->ctx = ctx;
    part_post(c->part, k->home->index, &k->mail);
}

static void join_all(struct part *p, struct session *s, struct session *restored)
{
    for (uint32_t i = 0; i < s->sub_count; i++) {
        const struct session_sub *sub = &s->subs[i];
        struct share_wish w = { { sub->filter, sub->filter_n },
                                sub->sub_id,
                                sub->options & (uint8_t)~TREE_SHARED };
        struct join_mail *k;

        if (!(sub->options & TREE_SHARED))
            continue;
        k = ask_home(p, s, &w);
        k->s = restored;
        part_post(p, k->home->index, &k->mail);
    }
}

void share_rejoin(struct part *p, struct session *s)
{
    join_all(p, s, s);
}

void share_lasts(struct part *p, struct session *s)
{
    join_all(p, s, NULL);
}

/* ---- after a restart ---- */

void share_restore_owed(struct part *p, struct str key, struct message *m)
{
    struct share *sh = map_get(&p->shares, key);

    share_restore(sh ? sh : make_share(p, key), m);
}

void share_end_empty(struct part *p)
{
    for (struct list *at = p->share_list.next, *next; at != &p->share_list; at = next) {
        struct share *sh = container_of(at, struct share, link);

        next = at->next;
        if (sh->count == 0)
            free_share(p, sh);
    }
}
