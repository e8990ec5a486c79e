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
 * The times that are told are the wall clock's, which may have been set between two records and since; how
 * often is only known at the end. So they are kept by the log's own time (mqtt/timeline.h), also in the
 * messages, which get their real ones as they leave.
 *
 * A shared subscription owes its messages to whichever member, so they are not in any session's queue: until
 * one is taken by a session (TAKEN: of QoS 2, or as the session leaves), which is then its own, or is done
 * with. What a group's worker tells may be behind what a member's worker has written before, so what is done
 * stays done (mqtt/owed.h). A group owes from its first member on (mqtt/restore_share.h); one whose members are
 * all gone in the end is none.
 */
#include "mqtt/restore.h"

#include "base/map.h"
#include "base/mem.h"
#include "mqtt/match.h"
#include "mqtt/restore_share.h"
#include "mqtt/restored.h"

#include <assert.h>

/* In a message's expiry: it is still the log's time. What is longer than the rest can say is as good as never. */
#define BY_THE_LOG ((PERSIST_MOST >> 1) + 1)
#define LONGEST    (BY_THE_LOG - 1)

struct restore {
    struct restore_options o;
    struct timeline timeline;
    struct tree tree;
    struct match match;
    struct map sessions; /* serial -> struct restored */
    struct map clients;  /* client id -> the same */
    struct map partial;  /* serial -> struct restored that is not told to its end yet */
    struct restore_shares shares;
    struct seq_map copies;
    struct map retained; /* topic -> struct message, its seq; an empty payload: deleted */
    uint64_t last_serial, lost;
    size_t session_at, retained_at, share_at;
    uint64_t owed_seq; /* of that group, taken last */
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

static uint64_t at_most(uint64_t v, uint64_t most)
{
    return v < most ? v : most;
}

/* From the wall clock of then to the log's time; 0: never. */
static uint64_t expires_by_log(const struct restore *r, int64_t wall_ms)
{
    int64_t at = timeline_of(&r->timeline, wall_ms);

    if (wall_ms == 0)
        return 0;
    return BY_THE_LOG | (at > 0 ? at_most((uint64_t)at, LONGEST) : 0);
}

/* From the log's time to ours, once, however many have the message. What is over already is kept until it would
 * be sent. */
static void settle_expiry(const struct restore *r, struct message *m)
{
    uint64_t told = message_expires_ms(m);
    int64_t left;

    if (!(told & BY_THE_LOG))
        return;
    left = (int64_t)(told & LONGEST) - timeline_of(&r->timeline, r->o.clocks.wall_ms);
    message_set(m, MESSAGE_EXPIRES, left > 0 ? at_most(r->o.now_ms + (uint64_t)left, LONGEST) : 1);
}

static struct message *make(const struct restore *r, const struct persist_message *m, uint64_t seq)
{
    struct message_source src = {
        .topic = m->topic,
        .props = m->props,
        .payload = m->payload,
        .expires_ms = expires_by_log(r, m->expires_wall_ms),
        .publisher = m->retain ? m->publisher : 0,
        .seq = seq,
        .qos = m->qos,
        .retain = m->retain,
        .room = m->retain ? MESSAGE_STAMP : 0,
    };

    return message_new(&src);
}

/* Of a number that is there already, only the word that it is no more. */
static void retain(struct restore *r, struct message *m)
{
    struct message *before = map_get(&r->retained, message_topic(m));

    if (before && (message_seq(before) > message_seq(m) ||
                   (message_seq(before) == message_seq(m) && message_payload(m).n > 0)))
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

/* One that is being told is in no tree yet. */
static void subscribe(struct restore *r, struct restored *d, const struct persist_sub *sub)
{
    uint8_t options;
    bool added;

    if (!restored_options(sub, &options))
        return;
    if (d->in_tree && !(options & TREE_SHARED))
        added = tree_add(&r->tree, sub->filter, d->s, sub->sub_id, options);
    else
        added = !session_has_subscription(d->s, sub->filter);
    if (added && d->in_tree && (options & TREE_SHARED))
        restore_shares_subscribe(&r->shares, sub->filter);
    session_subscribe(d->s, sub->filter, sub->sub_id, options, added);
}

/* Messages above `seq` were written before the subscription ended, but came to the session's worker after it:
 * they did not come to the session by that one. */
static void unsubscribe(struct restore *r, struct restored *d, struct str filter, uint64_t seq)
{
    if (d->in_tree && !str_starts(filter, STR("$share/")))
        tree_remove(&r->tree, filter, d->s);
    else if (d->in_tree && session_has_subscription(d->s, filter))
        restore_shares_leave(&r->shares, filter);
    session_unsubscribe(d->s, filter);
    restored_unwanted(d, seq);
}

static void enter_groups(struct restore *r, const struct session *s)
{
    for (uint32_t i = 0; i < s->sub_count; i++)
        if (s->subs[i].options & TREE_SHARED)
            restore_shares_join(&r->shares, restored_filter(&s->subs[i]));
}

/* The list of a session's subscriptions was told; they hold from now on. */
static void enter_tree(struct restore *r, struct restored *d)
{
    struct session *s = d->s;

    d->in_tree = true;
    for (uint32_t i = 0; i < s->sub_count; i++) {
        struct session_sub *sub = &s->subs[i];

        if (!(sub->options & TREE_SHARED) &&
            !tree_add(&r->tree, restored_filter(sub), s, sub->sub_id, sub->options)) {
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
            restore_shares_leave(&r->shares, restored_filter(&s->subs[i]));
        else
            tree_remove(&r->tree, restored_filter(&s->subs[i]), s);
    }
}

static void end(struct restore *r, struct restored *d)
{
    leave_tree(r, d->s);
    map_remove(&r->sessions, key_of(&d->s->serial));
    map_remove(&r->clients, session_id(d->s));
    restored_free(d);
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
        restored_replaces(d, before);
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
    struct restored *d = restored_new(
        p, r->o.limits_of ? r->o.limits_of(r->o.ctx, p->whole.client_id) : r->o.limits);

    d->away_ms = timeline_of(&r->timeline, p->whole.away_wall_ms);
    forget_telling(r, p->session);
    restored_add(d, p);
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
    restored_add(d, p);
    if (!p->last)
        return;
    map_remove(&r->partial, key_of(&p->session));
    replace(r, d);
}

/* ---- shared subscriptions ---- */

/* By whoever it is, also by one that is not written down: it is owed no more. Its group may not be known to owe
 * it: then a copy of it is told. */
static void apply_taken(struct restore *r, const struct persist *p)
{
    struct restore_share *sh = restore_shares_get(&r->shares, p->share.key);
    const struct owed_item *owed = owed_find(&sh->owed, p->item.seq);
    struct message *m = owed ? owed->m : NULL;
    struct restored *d;

    if ((d = find_telling(r, p->session)))
        restored_taken(d, &p->item, m);
    if ((d = find(r, p->session)))
        restored_taken(d, &p->item, m);
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
        d->away_seq = 0;
        break;
    case PERSIST_AWAY:
        d->s->expiry_s = p->expiry_s;
        d->away_ms = timeline_of(&r->timeline, p->wall_ms);
        d->away_seq = seq;
        break;
    case PERSIST_WILL:
        restored_will(d, p);
        break;
    case PERSIST_NO_WILL:
        restored_no_will(d);
        break;
    case PERSIST_SUBSCRIBE:
        subscribe(r, d, &p->sub);
        break;
    case PERSIST_UNSUBSCRIBE:
        unsubscribe(r, d, p->sub.filter, p->seq);
        break;
    case PERSIST_DONE:
        restored_done(d, p);
        break;
    case PERSIST_SENT:
        restored_sent(d, p);
        break;
    case PERSIST_RELEASED:
        restored_released(d, p->packet_id);
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

void restore_clocks(struct restore *r, const struct timeline_clocks *then)
{
    timeline_at(&r->timeline, then);
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

/* For how long its client is gone. */
static int64_t gone_ms(const struct restore *r, const struct restored *d)
{
    int64_t now = timeline_of(&r->timeline, r->o.clocks.wall_ms);

    return d->away_seq && d->away_ms < now ? now - d->away_ms : 0;
}

/* So many seconds after its client had gone, by our clock; not before now. */
static uint64_t after_gone(const struct restore *r, const struct restored *d, uint32_t seconds)
{
    int64_t left = (int64_t)seconds * 1000 - gone_ms(r, d);

    return left > 0 ? r->o.now_ms + (uint64_t)left : r->o.now_ms;
}

static void settle_times(const struct restore *r, struct restored *d)
{
    struct session *s = d->s;

    s->expires_at_ms = s->expiry_s == SESSION_NEVER ? UINT64_MAX : after_gone(r, d, s->expiry_s);
    s->will_at_ms = s->will ? after_gone(r, d, s->will_delay_s) : UINT64_MAX;
    s->away_ms = r->o.clocks.uptime_ms - gone_ms(r, d);
}

static struct message *copy_of(const struct restore *r, uint64_t seq)
{
    struct message *m = seq_map_get(&r->copies, seq);

    return m ? message_ref(m) : NULL;
}

static void settle_queue(const struct restore *r, struct session *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (session_item_message(session_item_at(s, i)))
            settle_expiry(r, session_item_at(s, i)->m);
}

void restore_finish(struct restore *r)
{
    struct map_entry *e;
    size_t at = 0;

    if (r->timeline.begun)
        timeline_at(&r->timeline, &r->o.clocks);
    while ((e = map_next(&r->sessions, &at))) {
        struct restored *d = e->value;

        d->s->conn = NULL;
        settle_times(r, d);
        r->lost += restored_finish(d, &r->copies);
        settle_queue(r, d->s);
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

    for (size_t at = r->share_at; (e = map_next(&r->shares.by_key, &at));
         r->share_at = at, r->owed_seq = 0) {
        struct restore_share *sh = e->value;
        const struct owed_item *it;

        while (sh->members > 0 && (it = owed_from(&sh->owed, r->owed_seq + 1))) {
            struct message *m = it->m ? message_ref(it->m) : copy_of(r, it->seq);

            r->owed_seq = it->seq;
            owed_done(&sh->owed, it->seq);
            *out_key = sh->key;
            if (m) {
                settle_expiry(r, m);
                return m;
            }
            r->lost++;
        }
    }
    return NULL;
}

struct message *restore_take_retained(struct restore *r)
{
    struct map_entry *e;

    while ((e = map_next(&r->retained, &r->retained_at))) {
        struct message *m = e->value;

        settle_expiry(r, m);
        if (message_payload(m).n == 0 ||
            (message_expires_ms(m) != 0 && message_expires_ms(m) <= r->o.now_ms))
            continue;
        return message_ref(m);
    }
    return NULL;
}

uint64_t restore_lost(const struct restore *r)
{
    return r->lost;
}

uint64_t restore_last_serial(const struct restore *r)
{
    return r->last_serial;
}
