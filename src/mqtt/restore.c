/*
 * Messages are matched again with the subscriptions as they stood when they were written: the same
 * tree, the same matching as when they were routed (mqtt/match.h), but only sessions that are written
 * down are in it. So each message costs one look-up, and whatever is not queued is freed at once.
 *
 * A session that is told in several records (PERSIST_SESSION_BEGIN, _MORE) takes the place of what was told
 * of it before with the last of them. It goes on living between them, so each record is of its own moment,
 * and what is said of the session between two holds for both:
 *
 *     DONE, SENT, RELEASED    of an item that was told, change it; of one that was not, say nothing: it is
 *                             told later as it then is, or is not there any more
 *     WILL, NO_WILL           change what was there; a session as a whole does not name its will, which is
 *                             told again behind it
 *     SUBSCRIBE, UNSUBSCRIBE, ARRIVED, COMPLETE, AWAY, BACK    change lists that were told at once, before
 *                             any item
 *     MESSAGE                 comes to what was there before, by its subscriptions, and is carried over in
 *                             the end if it was not told; so is a packet id that it came with
 *     END                     ends both; another session of the client id, the one that was there
 *
 * So the last record says no more than the first would have, and without it nothing of them counts.
 *
 * Copies (of messages whose own record is gone) are kept until the end, since any session told later may
 * name them. A retained topic whose message was deleted is remembered, so that a copy of an older one
 * does not bring it back.
 *
 * A shared subscription owes its messages to whichever member, so they are not in any session's queue: until
 * one is taken by a session (TAKEN: of QoS 2, or as the session leaves), which is then its own, or is done
 * with. What a group's worker tells may be behind what a member's worker has written before, so what is done
 * stays done (mqtt/owed.h). A group whose members are all gone in the end is none.
 */
#include "mqtt/restore.h"

#include "base/map.h"
#include "base/mem.h"
#include "mqtt/match.h"
#include "mqtt/restore_queue.h"
#include "mqtt/restore_share.h"
#include "mqtt/seq_map.h"
#include "mqtt/tree.h"
#include "trust/authz.h"
#include "wire/mqtt.h"

#include <assert.h>

struct restored {
    struct session *s;
    int64_t away_wall_ms; /* 0: its client was there */
    uint64_t away_seq;    /* what came before may have been sent; 0: all, its client is there */
    uint64_t base;        /* what the record of the whole said */
    uint32_t parts;       /* of the whole, so far */
    bool in_tree;         /* told to its end */
    struct restore_queue queue;
};
struct restore {
    struct restore_options o;
    struct tree tree;
    struct match match;
    struct map sessions; /* serial -> struct restored */
    struct map clients;  /* client id -> the same */
    struct map partial;  /* serial -> struct restored that is not told to its end yet */
    struct restore_shares shares;
    struct seq_map copies;
    struct map retained; /* topic -> struct message, its seq; an empty payload: deleted */
    uint64_t last_serial;
    size_t session_at, retained_at, share_at;
};

static struct str key_of(const uint64_t *number)
{
    return str_from((const char *)number, sizeof(*number));
}

struct restore *restore_new(const struct restore_options *o)
{
    struct restore *r = NEW(struct restore);

    r->o = *o;
    tree_init(&r->tree);
    restore_shares_init(&r->shares, &r->tree);
    map_init(&r->sessions);
    map_init(&r->clients);
    map_init(&r->partial);
    map_init(&r->retained);
    return r;
}

static void restored_free(void *value)
{
    struct restored *d = value;

    restore_queue_fini(&d->queue);
    if (d->s)
        d->s->conn = NULL;
    session_free(d->s);
    mem_free(d);
}

static void drop_message(void *value)
{
    message_unref(value);
}

void restore_free(struct restore *r)
{
    if (!r)
        return;
    restore_shares_fini(&r->shares);
    tree_fini(&r->tree);
    match_fini(&r->match);
    map_fini(&r->clients);
    map_empty(&r->partial, restored_free);
    map_empty(&r->sessions, restored_free);
    seq_map_fini(&r->copies);
    map_empty(&r->retained, drop_message);
    map_fini(&r->partial);
    map_fini(&r->sessions);
    map_fini(&r->retained);
    mem_free(r);
}

static void serial_used(struct restore *r, uint64_t serial)
{
    if (serial > r->last_serial)
        r->last_serial = serial;
}

/* ---- messages ---- */

/* From the wall clock to ours; 0: never. What is over already is kept until it would be sent. */
static uint64_t expires_here(const struct restore *r, int64_t wall_ms)
{
    int64_t left = wall_ms - r->o.wall_ms;

    if (wall_ms == 0)
        return 0;
    return left > 0 ? r->o.now_ms + (uint64_t)left : 1;
}

static struct message *make(const struct restore *r, const struct persist_message *m, uint64_t seq)
{
    struct message_source src = {
        .topic = m->topic,
        .props = m->props,
        .payload = m->payload,
        .expires_ms = expires_here(r, m->expires_wall_ms),
        .publisher = m->retain ? m->publisher : 0,
        .seq = seq,
        .qos = m->qos,
        .retain = m->retain,
        .room = m->retain ? MESSAGE_STAMP : 0,
    };

    return message_new(&src);
}

static void retain(struct restore *r, struct message *m)
{
    struct message *before = map_get(&r->retained, message_topic(m));

    if (before && message_seq(before) >= message_seq(m))
        return;
    map_put(&r->retained, message_topic(m), message_ref(m));
    message_unref(before);
}

static struct restored *find(const struct restore *r, uint64_t serial)
{
    return map_get(&r->sessions, key_of(&serial));
}

/* The session of an entry of the tree: while there is no connection, it names what is restored with it. */
static void enqueue(struct restore *r, const struct match_slot *slot, struct message *m)
{
    struct restored *d = slot->s->conn;

    if (slot->qos == 0)
        return;
    restore_queue_add_take(&d->queue, &(struct restore_item){ .m = message_ref(m),
                                                              .seq = message_seq(m),
                                                              .sub_ids = session_put_sub_ids(
                                                                  d->s, match_ids(&r->match, slot)),
                                                              .qos = slot->qos & 3u,
                                                              .retain = slot->retain,
                                                              .state = SESSION_WAITING });
}

static void apply_message(struct restore *r, const struct persist_message *pm, uint64_t seq)
{
    struct message *m = make(r, pm, seq);
    struct restored *from = pm->packet_id != 0 ? find(r, pm->publisher) : NULL;
    struct message_source src = message_source_of(m);
    const struct tree_span *spans;
    size_t n = tree_match(&r->tree, src.topic, &spans);

    src.publisher = pm->publisher; /* m may not know it */
    if (from)
        session_receive(from->s, pm->packet_id);
    match_gather(&r->match, spans, n, &src);
    for (uint32_t i = 0; i < r->match.count; i++)
        enqueue(r, &r->match.slots[i], m);
    if (m->qos > 0)
        restore_shares_owe(spans, n, m);
    if (m->retain)
        retain(r, m);
    message_unref(m);
}

/* Rounds tell the same again. */
static void apply_copy(struct restore *r, const struct persist_message *pm)
{
    if (!seq_map_get(&r->copies, pm->seq))
        seq_map_add_take(&r->copies, make(r, pm, pm->seq));
}

static void apply_retained(struct restore *r, const struct persist_message *pm)
{
    struct message *m = make(r, pm, pm->seq);

    retain(r, m);
    message_unref(m);
}

/* ---- sessions ---- */

static bool is_shared(struct str filter)
{
    return str_starts(filter, STR("$share/"));
}

static uint8_t options_of(const struct persist_sub *sub)
{
    return sub->options & (TREE_QOS | TREE_NO_LOCAL | TREE_AS_PUBLISHED);
}

/* One that is being told is in no tree yet. */
static void subscribe(struct restore *r, struct restored *d, const struct persist_sub *sub)
{
    uint8_t options = options_of(sub);
    bool added;

    if ((options & TREE_QOS) > 2)
        return;
    if (is_shared(sub->filter))
        options |= TREE_SHARED;
    if (d->in_tree && !is_shared(sub->filter))
        added = tree_add(&r->tree, sub->filter, d->s, sub->sub_id, options);
    else
        added = !session_has_subscription(d->s, sub->filter);
    if (added && d->in_tree && is_shared(sub->filter))
        restore_shares_join(&r->shares, sub->filter);
    session_subscribe(d->s, sub->filter, sub->sub_id, options, added);
}

static struct str filter_of(const struct session_sub *sub)
{
    return str_from(sub->filter, sub->filter_n);
}

static bool is_wanted(const struct session *s, const struct message *m)
{
    for (uint32_t i = 0; i < s->sub_count; i++)
        if (!(s->subs[i].options & TREE_SHARED) &&
            mqtt_filter_matches(filter_of(&s->subs[i]), message_topic(m)))
            return true;
    return false;
}

/* Messages above `seq` were written before the subscription ended, but came to the session's worker after it:
 * they did not come to the session by that one. */
static void unsubscribe(struct restore *r, struct restored *d, struct str filter, uint64_t seq)
{
    struct restore_item *it;

    if (d->in_tree && !is_shared(filter))
        tree_remove(&r->tree, filter, d->s);
    else if (d->in_tree && session_has_subscription(d->s, filter))
        restore_shares_leave(&r->shares, filter);
    session_unsubscribe(d->s, filter);
    while ((it = restore_queue_after(&d->queue, seq))) {
        seq = it->seq;
        if (it->state == SESSION_WAITING && it->m && !is_wanted(d->s, it->m))
            restore_queue_done(&d->queue, it);
    }
}

static void enter_groups(struct restore *r, const struct session *s)
{
    for (uint32_t i = 0; i < s->sub_count; i++)
        if (s->subs[i].options & TREE_SHARED)
            restore_shares_join(&r->shares, filter_of(&s->subs[i]));
}

/* The list of a session's subscriptions was told; they hold from now on. */
static void enter_tree(struct restore *r, struct restored *d)
{
    struct session *s = d->s;

    d->in_tree = true;
    for (uint32_t i = 0; i < s->sub_count; i++) {
        struct session_sub *sub = &s->subs[i];

        if (!(sub->options & TREE_SHARED) &&
            !tree_add(&r->tree, filter_of(sub), s, sub->sub_id, sub->options)) {
            mem_free(sub->filter); /* it was told twice */
            *sub = s->subs[--s->sub_count];
            i--;
        }
    }
}

static void leave_tree(struct restore *r, struct session *s)
{
    for (uint32_t i = 0; i < s->sub_count; i++) {
        if (s->subs[i].options & TREE_SHARED)
            restore_shares_leave(&r->shares, filter_of(&s->subs[i]));
        else
            tree_remove(&r->tree, filter_of(&s->subs[i]), s);
    }
}

static void end(struct restore *r, struct restored *d)
{
    leave_tree(r, d->s);
    map_remove(&r->sessions, key_of(&d->s->serial));
    map_remove(&r->clients, session_id(d->s));
    restored_free(d);
}

static uint32_t put_ids(struct session *s, const struct persist_item *it)
{
    uint32_t *ids, ref;

    if (it->more == 0)
        return it->sub_id;
    ids = mem_new_array(it->more + 1, sizeof(*ids));
    persist_item_ids(it, ids);
    ref = session_put_sub_ids(s, (struct sub_ids){ ids, it->more + 1 });
    mem_free(ids);
    return ref;
}

/* Item of a session as it was told. A copy of its message may be written later than the sessions of other
 * workers that name it, so it is looked for at the end. */
static void add_item(struct restored *d, const struct persist_item *it)
{
    unsigned state = it->released    ? SESSION_RELEASED
                     : it->packet_id ? SESSION_SENT
                                     : SESSION_WAITING;
    const struct restore_item *there = restore_queue_find_id(&d->queue, it->packet_id);

    if (there && there->seq == it->seq)
        return; /* it was taken between two parts */
    restore_queue_add_take(&d->queue, &(struct restore_item){ .seq = it->seq,
                                                              .sub_ids = put_ids(d->s, it),
                                                              .packet_id = it->packet_id,
                                                              .qos = it->qos & 3u,
                                                              .retain = it->retain,
                                                              .state = state & 3u,
                                                              .maybe = it->sent });
}

/* What one record of a whole holds. */
static void add_part(struct restored *d, const struct persist *p)
{
    const struct persist_session *w = &p->whole;
    size_t at = 0;

    d->parts++;
    for (uint32_t i = 0; i < w->subs; i++) {
        struct persist_sub sub = persist_next_sub(p, &at);
        uint8_t options = options_of(&sub);

        if ((options & TREE_QOS) > 2)
            continue;
        if (is_shared(sub.filter))
            options |= TREE_SHARED;
        session_subscribe(d->s, sub.filter, sub.sub_id, options,
                          !(options & TREE_SHARED) || !session_has_subscription(d->s, sub.filter));
    }
    for (uint32_t i = 0; i < w->received; i++)
        session_receive(d->s, persist_next_received(p, &at));
    restore_queue_reserve(&d->queue, w->items);
    for (uint32_t i = 0; i < w->items; i++) {
        struct persist_item it = persist_next_item(p, &at);

        add_item(d, &it);
    }
}

static struct restored *restored_new(const struct restore *r, const struct persist *p)
{
    const struct persist_session *w = &p->whole;
    struct restored *d = NEW(struct restored);

    d->s = session_new(w->client_id, p->session,
                       r->o.limits_of ? r->o.limits_of(r->o.ctx, w->client_id) : r->o.limits);
    d->s->conn = d;
    restore_queue_init(&d->queue, d->s);
    d->s->who = identity_new((enum authz_role)w->role, w->user);
    d->s->written = true;
    d->s->expiry_s = w->expiry_s;
    d->s->last_packet_id = w->last_packet_id;
    d->away_wall_ms = w->away_wall_ms;
    d->away_seq = w->away_wall_ms ? 1 : 0; /* its items say it themselves */
    d->base = w->base;
    return d;
}

/* Taken; NULL: none. */
static void set_will(struct restored *d, struct message *m, uint32_t delay_s)
{
    message_unref(session_take_will(d->s));
    d->s->will = m;
    d->s->will_delay_s = delay_s;
    d->s->will_written = m != NULL;
}

/* Its expiry is a length until it is published. */
static void apply_will(struct restored *d, const struct persist *p)
{
    const struct persist_message *m = &p->message;
    struct message_source src = { .topic = m->topic,
                                  .props = m->props,
                                  .payload = m->payload,
                                  .expires_ms = (uint64_t)m->expires_wall_ms,
                                  .qos = m->qos,
                                  .retain = m->retain,
                                  .room = MESSAGE_WILL_ROOM };

    set_will(d, message_new(&src), p->will_delay_s);
}

/* With their messages where those are in the queue so far. */
static void take_messages(struct restored *d, const struct restored *before)
{
    for (uint32_t i = 0; i < d->queue.count; i++) {
        struct restore_item *it = &d->queue.items[i];
        const struct restore_item *was;

        if (it->m || it->state == SESSION_RELEASED)
            continue;
        was = restore_queue_find_any(&before->queue, it->seq);
        if (was && was->m)
            it->m = message_ref(was->m);
    }
}

/* The session is told to its end: it takes the place of what was told of it before. */
static void replace(struct restore *r, struct restored *d)
{
    struct restored *before = find(r, d->s->serial);
    struct restored *other = map_get(&r->clients, session_id(d->s));

    enter_groups(r, d->s); /* first, so that no group is without a member in between */
    if (other && other != before)
        end(r, other);
    if (before) {
        leave_tree(r, before->s);
        take_messages(d, before);
        /* It may not have been answered yet when the session was told; what was, is told behind. */
        for (uint32_t i = 0; i < before->s->received_count; i++)
            session_receive(d->s, before->s->received[i]);
        restore_queue_carry_over(&d->queue, &before->queue, d->base);
        set_will(d, session_take_will(before->s), before->s->will_delay_s);
        map_remove(&r->sessions, key_of(&before->s->serial));
        map_remove(&r->clients, session_id(before->s));
        restored_free(before);
    }
    enter_tree(r, d);
    map_put(&r->sessions, key_of(&d->s->serial), d);
    map_put(&r->clients, session_id(d->s), d);
    serial_used(r, d->s->serial);
}

/* What was told so far of one that is told in several records. */
static struct restored *find_telling(const struct restore *r, uint64_t serial)
{
    return map_get(&r->partial, key_of(&serial));
}

static void forget_telling(struct restore *r, uint64_t serial)
{
    struct restored *d = map_remove(&r->partial, key_of(&serial));

    if (d)
        restored_free(d);
}

static void apply_session(struct restore *r, const struct persist *p)
{
    struct restored *d = restored_new(r, p);

    forget_telling(r, p->session);
    add_part(d, p);
    if (p->op == PERSIST_SESSION)
        replace(r, d);
    else
        map_put(&r->partial, key_of(&d->s->serial), d);
}

/* One that does not follow the one before it was not taken whole: then the session is as it was told before. */
static void apply_more(struct restore *r, const struct persist *p)
{
    struct restored *d = find_telling(r, p->session);

    if (!d)
        return;
    if (p->part != d->parts) {
        forget_telling(r, p->session);
        return;
    }
    add_part(d, p);
    if (!p->last)
        return;
    map_remove(&r->partial, key_of(&p->session));
    replace(r, d);
}

/* By its number at last: a subscription that came at the same time as the message may be written down
 * behind it, and its identifier was the first. Not of what is being told: that names its items itself, and
 * the other one of the message may not be told yet. */
static struct restore_item *item_of(const struct restored *d, const struct persist *p)
{
    struct restore_item *it = restore_queue_find(&d->queue, p->seq, p->sub_id);

    return it || !d->in_tree ? it : restore_queue_find_any(&d->queue, p->seq);
}

static void apply_done(struct restored *d, const struct persist *p)
{
    struct restore_item *it = restore_queue_find_id(&d->queue, p->packet_id);

    if (!it || it->seq != p->seq)
        it = item_of(d, p);
    if (it)
        restore_queue_done(&d->queue, it);
}

/* An id is told again when the connection ended before it was written down; that is not the last one. */
static void id_used(struct session *s, uint16_t packet_id)
{
    uint32_t ids = s->limits->packet_id_max > 0 ? s->limits->packet_id_max : 65535u;
    uint32_t ahead = (packet_id + ids - s->last_packet_id) % ids;

    if (s->last_packet_id == 0 || ahead < ids / 2)
        s->last_packet_id = packet_id;
}

static void apply_sent(struct restored *d, const struct persist *p)
{
    struct restore_item *it = restore_queue_find_waiting(&d->queue, p->seq, p->sub_id);

    if (!it)
        it = item_of(d, p);
    id_used(d->s, p->packet_id); /* whatever it was, the client may hold the id */
    if (it && it->packet_id == 0 && !restore_queue_find_id(&d->queue, p->packet_id)) {
        restore_queue_set_id(&d->queue, it, p->packet_id);
        it->qos = 2; /* it was, even if the subscription said so only a moment later */
    }
}

static void apply_released(struct restored *d, uint16_t packet_id)
{
    struct restore_item *it = restore_queue_find_id(&d->queue, packet_id);

    if (!it)
        return;
    it->state = SESSION_RELEASED;
    restore_queue_drop_message(&d->queue, it);
}

/* ---- shared subscriptions ---- */

static void add_taken(struct restored *d, const struct persist_item *it, struct message *m)
{
    const struct restore_item *there = restore_queue_find_id(&d->queue, it->packet_id);

    if (it->packet_id != 0)
        id_used(d->s, it->packet_id);
    if (there && there->seq == it->seq)
        return; /* the session was told behind it */
    restore_queue_add_take(
        &d->queue,
        &(struct restore_item){ .m = m ? message_ref(m) : NULL,
                                .seq = it->seq,
                                .sub_ids = session_put_sub_ids(d->s, sub_ids_one(&it->sub_id)),
                                .packet_id = it->packet_id,
                                .qos = it->qos & 3u,
                                .retain = it->retain,
                                .state = it->packet_id ? SESSION_SENT : SESSION_WAITING,
                                .maybe = it->sent });
}

/* By whoever it is, also by one that is not written down: it is owed no more. Its group may not be known to owe
 * it: then a copy of it is told. */
static void apply_taken(struct restore *r, const struct persist *p)
{
    struct restore_share *sh = restore_shares_get(&r->shares, p->share.key);
    const struct owed_item *owed = owed_find(&sh->owed, p->item.seq);
    struct message *m = owed ? owed->m : NULL;
    struct restored *d;

    if ((d = find_telling(r, p->session)))
        add_taken(d, &p->item, m);
    if ((d = find(r, p->session)))
        add_taken(d, &p->item, m);
    owed_void(&sh->owed, p->item.seq);
}

static void apply_share_done(struct restore *r, const struct persist *p)
{
    owed_void(&restore_shares_get(&r->shares, p->share.key)->owed, p->seq);
}

static void apply_share(struct restore *r, const struct persist *p)
{
    struct restore_share *sh = restore_shares_get(&r->shares, p->share.key);
    uint64_t *seqs = mem_new_array((size_t)p->share.count + 1, sizeof(*seqs));
    size_t at = 0;

    for (uint32_t i = 0; i < p->share.count; i++)
        seqs[i] = persist_next_owed(p, &at);
    owed_tell(&sh->owed, p->share.low, p->share.high, seqs, p->share.count);
    mem_free(seqs);
}

/* ---- words ---- */

/* Words about one session that is there. */
static void apply_to(struct restore *r, struct restored *d, const struct persist *p, uint64_t seq)
{
    switch (p->op) {
    case PERSIST_END:
        end(r, d);
        break;
    case PERSIST_BACK:
        d->s->expiry_s = p->expiry_s;
        d->away_wall_ms = 0;
        d->away_seq = 0;
        break;
    case PERSIST_AWAY:
        d->s->expiry_s = p->expiry_s;
        d->away_wall_ms = p->wall_ms;
        d->away_seq = seq;
        break;
    case PERSIST_WILL:
        apply_will(d, p);
        break;
    case PERSIST_NO_WILL:
        set_will(d, NULL, 0);
        break;
    case PERSIST_SUBSCRIBE:
        subscribe(r, d, &p->sub);
        break;
    case PERSIST_UNSUBSCRIBE:
        unsubscribe(r, d, p->sub.filter, p->seq);
        break;
    case PERSIST_DONE:
        apply_done(d, p);
        break;
    case PERSIST_SENT:
        apply_sent(d, p);
        break;
    case PERSIST_RELEASED:
        apply_released(d, p->packet_id);
        break;
    case PERSIST_ARRIVED:
        session_receive(d->s, p->packet_id);
        break;
    case PERSIST_COMPLETE:
        session_release(d->s, p->packet_id);
        break;
    case PERSIST_MESSAGE:
    case PERSIST_COPY:
    case PERSIST_RETAINED:
    case PERSIST_SESSION:
    case PERSIST_SESSION_BEGIN:
    case PERSIST_SESSION_MORE:
    case PERSIST_TAKEN:
    case PERSIST_SHARE_DONE:
    case PERSIST_SHARE:
        assert(false && "these are not about one session that is there");
    }
}

int restore_apply(struct restore *r, uint64_t seq, struct str record)
{
    struct restored *d;
    struct persist p;
    int rc = persist_decode(record, &p);

    if (rc < 0)
        return rc;
    /* Also of a session that ended: another with its number would be taken for the publisher (no-local). */
    if (p.op == PERSIST_MESSAGE || p.op == PERSIST_COPY || p.op == PERSIST_RETAINED)
        serial_used(r, p.message.publisher);
    switch (p.op) {
    case PERSIST_MESSAGE:
        apply_message(r, &p.message, seq);
        return 0;
    case PERSIST_COPY:
        apply_copy(r, &p.message);
        return 0;
    case PERSIST_RETAINED:
        apply_retained(r, &p.message);
        return 0;
    case PERSIST_SESSION:
    case PERSIST_SESSION_BEGIN:
        apply_session(r, &p);
        return 0;
    case PERSIST_SESSION_MORE:
        apply_more(r, &p);
        return 0;
    case PERSIST_TAKEN:
        apply_taken(r, &p);
        return 0;
    case PERSIST_SHARE_DONE:
        apply_share_done(r, &p);
        return 0;
    case PERSIST_SHARE:
        apply_share(r, &p);
        return 0;
    default:
        break;
    }
    if ((d = find_telling(r, p.session)) && p.op == PERSIST_END)
        forget_telling(r, p.session);
    else if (d)
        apply_to(r, d, &p, seq);
    if ((d = find(r, p.session)))
        apply_to(r, d, &p, seq);
    return 0;
}

/* ---- the end ---- */

/* So many seconds after its client had gone, by our clock; not before now. */
static uint64_t after_gone(const struct restore *r, const struct restored *d, uint32_t seconds)
{
    int64_t gone =
        d->away_wall_ms && d->away_wall_ms < r->o.wall_ms ? r->o.wall_ms - d->away_wall_ms : 0;
    int64_t left = (int64_t)seconds * 1000 - gone;

    return left > 0 ? r->o.now_ms + (uint64_t)left : r->o.now_ms;
}

static void settle_times(const struct restore *r, struct restored *d)
{
    struct session *s = d->s;

    s->expires_at_ms = s->expiry_s == SESSION_NEVER ? UINT64_MAX : after_gone(r, d, s->expiry_s);
    s->will_at_ms = s->will ? after_gone(r, d, s->will_delay_s) : UINT64_MAX;
    s->away_wall_ms = d->away_wall_ms ? d->away_wall_ms : r->o.wall_ms;
}

static struct message *copy_of(const struct restore *r, uint64_t seq)
{
    struct message *m = seq_map_get(&r->copies, seq);

    return m ? message_ref(m) : NULL;
}

/* With its reference. */
static struct session_item as_session_item(const struct restore_item *it)
{
    struct session_item of = { .sub_ids = it->sub_ids,
                               .packet_id = it->packet_id,
                               .qos = it->qos,
                               .retain = it->retain,
                               .state = it->state,
                               .maybe = it->maybe,
                               .written = it->packet_id != 0,
                               .lasts = true };

    if (it->state == SESSION_RELEASED)
        of.seq = it->seq;
    else
        of.m = it->m;
    return of;
}

/* QoS 1 without a written packet id may have been sent: as many as may be in flight, of those that came
 * before the client had gone. */
static void fill_queue(const struct restore *r, struct restored *d)
{
    struct restore_queue *q = &d->queue;
    struct session_item *items;
    uint32_t n = 0;

    restore_queue_pack(q);
    items = q->count > 0 ? mem_new_array(q->count, sizeof(*items)) : NULL;
    for (uint32_t i = 0; i < q->count; i++) {
        struct restore_item *it = &q->items[i];

        if (!it->m && it->state != SESSION_RELEASED)
            it->m = copy_of(r, it->seq);
        if (!it->m)
            restore_queue_drop_message(q, it);
        if (!it->m && it->state != SESSION_RELEASED)
            continue;
        it->maybe = it->qos == 1 && (it->maybe || (n < d->s->limits->inflight_max &&
                                                   (d->away_seq == 0 || it->seq < d->away_seq)));
        items[n++] = as_session_item(it);
        it->m = NULL;
    }
    session_restore_take(d->s, items, n, d->s->last_packet_id);
    restore_queue_fini(q);
}

void restore_finish(struct restore *r)
{
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(&r->sessions, &at))) {
        struct restored *d = e->value;

        d->s->conn = NULL;
        settle_times(r, d);
        fill_queue(r, d);
    }
}

struct session *restore_take_session(struct restore *r)
{
    struct map_entry *e;

    while ((e = map_next(&r->sessions, &r->session_at))) {
        struct restored *d = e->value;
        struct session *s = d->s;

        if (!s || (s->expires_at_ms <= r->o.now_ms && !s->will))
            continue;
        d->s = NULL;
        return s;
    }
    return NULL;
}

struct message *restore_take_owed(struct restore *r, struct str *out_key)
{
    struct map_entry *e;

    for (size_t at = r->share_at; (e = map_next(&r->shares.by_key, &at)); r->share_at = at) {
        struct restore_share *sh = e->value;
        const struct owed_item *it;

        while (sh->members > 0 && (it = owed_from(&sh->owed, 0))) {
            struct message *m = it->m ? message_ref(it->m) : copy_of(r, it->seq);

            owed_done(&sh->owed, it->seq);
            *out_key = sh->key;
            if (m)
                return m;
        }
    }
    return NULL;
}

struct message *restore_take_retained(struct restore *r)
{
    struct map_entry *e;

    while ((e = map_next(&r->retained, &r->retained_at))) {
        struct message *m = e->value;

        if (message_payload(m).n == 0 ||
            (message_expires_ms(m) != 0 && message_expires_ms(m) <= r->o.now_ms))
            continue;
        return message_ref(m);
    }
    return NULL;
}

uint64_t restore_last_serial(const struct restore *r)
{
    return r->last_serial;
}
