/*
 * Messages are matched again with the subscriptions as they stood when they were written: the same
 * tree, the same matching as when they were routed (mqtt/match.h), but only sessions that are written
 * down are in it. So each message costs one look-up, and whatever is not queued is freed at once.
 *
 * A queue is an array in the order of the messages' numbers; what is done leaves a hole, and holes at
 * its front are skipped, which is where nearly all of them are.
 *
 * Copies (of messages whose own record is gone) are kept until the end, since any session told later may
 * name them. A retained topic whose message was deleted is remembered, so that a copy of an older one
 * does not bring it back.
 *
 * Shared subscriptions: the membership only; what waited for the group is not written down.
 */
#include "mqtt/restore.h"

#include "base/map.h"
#include "base/mem.h"
#include "mqtt/match.h"
#include "mqtt/tree.h"
#include "trust/authz.h"

#include <assert.h>

struct queued {
    struct message *m; /* NULL: released, done, or a copy that is looked for at the end */
    uint64_t seq;      /* 0: done */
    uint32_t sub_ids;  /* of the session's sets */
    uint16_t packet_id;
    uint8_t qos;
    bool retain, released, sent;
};
struct restored {
    struct session *s;
    int64_t away_wall_ms; /* 0: its client was there */
    uint64_t away_seq;    /* what came before may have been sent; 0: all, its client is there */
    struct queued *queue;
    size_t from, count, cap; /* from: all before are done */
    size_t live;
};
struct restore {
    struct restore_options o;
    struct tree tree;
    struct match match;
    struct map sessions; /* serial -> struct restored */
    struct map clients;  /* client id -> the same */
    struct map copies;   /* number -> struct message */
    struct map retained; /* topic -> struct message, its seq; an empty payload: deleted */
    size_t retained_count;
    uint64_t last_serial;
    size_t session_at, retained_at;
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
    map_init(&r->sessions);
    map_init(&r->clients);
    map_init(&r->copies);
    map_init(&r->retained);
    return r;
}

static void queue_free(struct restored *d)
{
    for (size_t i = d->from; i < d->count; i++)
        message_unref(d->queue[i].m);
    mem_free(d->queue);
    d->queue = NULL;
    d->from = d->count = d->cap = d->live = 0;
}

static void restored_free(void *value)
{
    struct restored *d = value;

    queue_free(d);
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
    tree_fini(&r->tree);
    match_fini(&r->match);
    map_fini(&r->clients);
    map_empty(&r->sessions, restored_free);
    map_empty(&r->copies, drop_message);
    map_empty(&r->retained, drop_message);
    map_fini(&r->sessions);
    map_fini(&r->copies);
    map_fini(&r->retained);
    mem_free(r);
}

/* ---- queues ---- */

static uint32_t key_id(const struct restored *d, const struct queued *q)
{
    struct sub_ids ids = session_sub_ids(d->s, &q->sub_ids);

    return ids.n ? ids.at[0] : 0;
}

/* A message may be there twice: also as a retained one, for another subscription. */
static struct queued *find_queued(const struct restored *d, uint64_t seq, uint32_t sub_id)
{
    for (size_t i = d->from; i < d->count; i++)
        if (d->queue[i].seq == seq && key_id(d, &d->queue[i]) == sub_id)
            return &d->queue[i];
    return NULL;
}

/* Only the first still tells which message it was. */
static void forget_more_ids(struct restored *d, struct queued *q)
{
    uint32_t ref = q->sub_ids;

    q->sub_ids = key_id(d, q);
    session_drop_sub_ids(d->s, ref);
}

static struct queued *find_sent(const struct restored *d, uint16_t packet_id)
{
    for (size_t i = d->from; i < d->count; i++)
        if (d->queue[i].seq != 0 && d->queue[i].packet_id == packet_id)
            return &d->queue[i];
    return NULL;
}

static void queue_done(struct restored *d, struct queued *q)
{
    message_unref(q->m);
    session_drop_sub_ids(d->s, q->sub_ids);
    *q = (struct queued){ 0 };
    d->live--;
    while (d->from < d->count && d->queue[d->from].seq == 0)
        d->from++;
    if (d->from == d->count)
        d->from = d->count = 0;
}

/* q->m is taken. */
static void queue_add(struct restored *d, const struct queued *q)
{
    if (d->count == d->cap) {
        if (d->from > d->cap / 2) {
            memmove(d->queue, d->queue + d->from, (d->count - d->from) * sizeof(*d->queue));
            d->count -= d->from;
            d->from = 0;
        } else {
            d->cap = d->cap ? d->cap * 2 : 8;
            d->queue = mem_resize(d->queue, d->cap * sizeof(*d->queue));
        }
    }
    d->queue[d->count++] = *q;
    d->live++;
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
        .publisher = m->publisher,
        .seq = seq,
        .qos = m->qos,
        .retain = m->retain,
    };

    return message_new(&src);
}

static void retain(struct restore *r, struct message *m)
{
    struct message *before = map_get(&r->retained, message_topic(m));

    if (before && before->seq >= m->seq)
        return;
    map_put(&r->retained, message_topic(m), message_ref(m));
    message_unref(before);
}

static struct restored *find(const struct restore *r, uint64_t serial)
{
    return map_get(&r->sessions, key_of(&serial));
}

static void enqueue(struct restore *r, const struct match_slot *slot, struct message *m)
{
    struct restored *d = find(r, slot->s->serial);
    struct queued q = { .m = m, .seq = m->seq, .qos = slot->qos, .retain = slot->retain };

    if (slot->qos == 0)
        return;
    q.sub_ids = session_put_sub_ids(d->s, match_ids(&r->match, slot));
    message_ref(m);
    queue_add(d, &q);
}

static void apply_message(struct restore *r, const struct persist_message *pm, uint64_t seq)
{
    struct message *m = make(r, pm, seq);
    struct restored *from = find(r, pm->publisher);
    struct message_source src = message_source_of(m);
    const struct tree_span *spans;
    size_t n = tree_match(&r->tree, src.topic, &spans);

    if (from && pm->packet_id != 0)
        session_receive(from->s, pm->packet_id);
    match_gather(&r->match, spans, n, &src);
    for (uint32_t i = 0; i < r->match.count; i++)
        enqueue(r, &r->match.slots[i], m);
    if (m->retain)
        retain(r, m);
    message_unref(m);
}

static void apply_copy(struct restore *r, const struct persist_message *pm)
{
    struct message *m = make(r, pm, pm->seq);
    struct message *before = map_put(&r->copies, key_of(&m->seq), m);

    message_unref(before);
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

static void subscribe(struct restore *r, struct session *s, const struct persist_sub *sub)
{
    uint8_t options = sub->options & (TREE_QOS | TREE_NO_LOCAL | TREE_AS_PUBLISHED);
    bool added;

    if ((options & TREE_QOS) > 2)
        return;
    if (is_shared(sub->filter)) {
        added = !session_has_subscription(s, sub->filter);
        options |= TREE_SHARED;
    } else {
        added = tree_add(&r->tree, sub->filter, s, sub->sub_id, options);
    }
    session_subscribe(s, sub->filter, sub->sub_id, options, added);
}

static void unsubscribe(struct restore *r, struct session *s, struct str filter)
{
    if (!is_shared(filter))
        tree_remove(&r->tree, filter, s);
    session_unsubscribe(s, filter);
}

static void leave_tree(struct restore *r, struct session *s)
{
    for (uint32_t i = 0; i < s->sub_count; i++)
        if (!(s->subs[i].options & TREE_SHARED))
            tree_remove(&r->tree, str_from(s->subs[i].filter, s->subs[i].filter_n), s);
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
    uint32_t *ids = mem_new_array(it->more + 1, sizeof(*ids)), ref;

    persist_item_ids(it, ids);
    ref = session_put_sub_ids(s, it->more ? (struct sub_ids){ ids, it->more + 1 }
                                          : sub_ids_one(&it->sub_id));
    mem_free(ids);
    return ref;
}

/* What the new word about a session names: with its message where it is in the queue so far. A copy may
 * be written later than the sessions of other workers that name it. */
static struct queued queued_of(struct session *s, const struct restored *before,
                               const struct persist_item *it)
{
    struct message *m = NULL;
    struct queued q = { .seq = it->seq,
                        .sub_ids = put_ids(s, it),
                        .packet_id = it->packet_id,
                        .qos = it->qos,
                        .retain = it->retain,
                        .released = it->released,
                        .sent = it->sent };

    for (size_t i = before ? before->from : 0; before && !m && i < before->count; i++)
        if (before->queue[i].seq == it->seq)
            m = before->queue[i].m;
    if (m && !it->released)
        q.m = message_ref(m);
    return q;
}

/* What it does not name and may have come only after it was told. */
static void carry_over(struct restored *to, struct restored *before, uint64_t base)
{
    for (size_t i = before->from; i < before->count; i++) {
        struct queued *q = &before->queue[i];

        struct queued moved = *q;

        if (q->seq <= base || find_queued(to, q->seq, key_id(before, q)))
            continue;
        moved.sub_ids = session_put_sub_ids(to->s, session_sub_ids(before->s, &q->sub_ids));
        queue_add(to, &moved);
        q->m = NULL;
    }
}

static void apply_session(struct restore *r, const struct persist *p)
{
    const struct persist_session *w = &p->whole;
    struct restored *other = map_get(&r->clients, w->client_id);
    struct restored *before, *d = NEW(struct restored);
    size_t at = 0;

    if (other && other->s->serial != p->session)
        end(r, other);
    before = find(r, p->session);
    d->s = session_new(w->client_id, p->session, r->o.limits);
    d->s->who = identity_new((enum authz_role)w->role, w->user);
    d->s->written = true;
    d->s->expiry_s = w->expiry_s;
    d->s->last_packet_id = w->last_packet_id;
    d->away_wall_ms = w->away_wall_ms;
    d->away_seq = w->away_wall_ms ? 1 : 0; /* its items say it themselves */
    if (before)
        leave_tree(r, before->s);
    for (uint32_t i = 0; i < w->subs; i++) {
        struct persist_sub sub = persist_next_sub(p, &at);

        subscribe(r, d->s, &sub);
    }
    for (uint32_t i = 0; i < w->received; i++)
        session_receive(d->s, persist_next_received(p, &at));
    for (uint32_t i = 0; i < w->items; i++) {
        struct persist_item it = persist_next_item(p, &at);
        struct queued q = queued_of(d->s, before, &it);

        queue_add(d, &q);
    }
    if (before) {
        /* It may not have been answered yet when the session was told; what was, is told behind. */
        for (uint32_t i = 0; i < before->s->received_count; i++)
            session_receive(d->s, before->s->received[i]);
        carry_over(d, before, w->base);
        map_remove(&r->sessions, key_of(&before->s->serial));
        map_remove(&r->clients, session_id(before->s));
        restored_free(before);
    }
    map_put(&r->sessions, key_of(&d->s->serial), d);
    map_put(&r->clients, session_id(d->s), d);
    if (p->session > r->last_serial)
        r->last_serial = p->session;
}

static void apply_done(struct restored *d, const struct persist *p)
{
    struct queued *q = find_queued(d, p->seq, p->sub_id);

    if (q)
        queue_done(d, q);
}

static void apply_sent(struct restored *d, const struct persist *p)
{
    struct queued *q = find_queued(d, p->seq, p->sub_id);

    d->s->last_packet_id = p->packet_id; /* whatever it was, the client may hold the id */
    if (q && q->packet_id == 0 && !find_sent(d, p->packet_id))
        q->packet_id = p->packet_id;
}

static void apply_released(struct restored *d, uint16_t packet_id)
{
    struct queued *q = find_sent(d, packet_id);

    if (!q)
        return;
    q->released = true;
    forget_more_ids(d, q);
    message_unref(q->m);
    q->m = NULL;
}

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
    case PERSIST_SUBSCRIBE:
        subscribe(r, d->s, &p->sub);
        break;
    case PERSIST_UNSUBSCRIBE:
        unsubscribe(r, d->s, p->sub.filter);
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
    case PERSIST_COMPLETE:
        session_release(d->s, p->packet_id);
        break;
    case PERSIST_MESSAGE:
    case PERSIST_COPY:
    case PERSIST_RETAINED:
    case PERSIST_SESSION:
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
        apply_session(r, &p);
        return 0;
    default:
        break;
    }
    d = find(r, p.session);
    if (d)
        apply_to(r, d, &p, seq);
    return 0;
}

/* ---- the end ---- */

static void settle_expiry(const struct restore *r, struct restored *d)
{
    int64_t gone =
        d->away_wall_ms && d->away_wall_ms < r->o.wall_ms ? r->o.wall_ms - d->away_wall_ms : 0;
    int64_t left = (int64_t)d->s->expiry_s * 1000 - gone;

    d->s->away_wall_ms = d->away_wall_ms ? d->away_wall_ms : r->o.wall_ms;
    if (d->s->expiry_s == SESSION_NEVER)
        d->s->expires_at_ms = UINT64_MAX;
    else
        d->s->expires_at_ms = left > 0 ? r->o.now_ms + (uint64_t)left : r->o.now_ms;
}

static struct message *copy_of(const struct restore *r, uint64_t seq)
{
    struct message *m = map_get(&r->copies, key_of(&seq));

    return m ? message_ref(m) : NULL;
}

static unsigned state_of(const struct queued *q)
{
    if (q->released)
        return SESSION_RELEASED;
    return q->packet_id ? SESSION_SENT : SESSION_WAITING;
}

/* QoS 1 without a written packet id may have been sent: as many as may be in flight, of those that came
 * before the client had gone. */
static void fill_queue(const struct restore *r, struct restored *d)
{
    struct session_item *items = d->live ? mem_new_array(d->live, sizeof(*items)) : NULL;
    size_t n = 0;

    for (size_t i = d->from; i < d->count; i++) {
        struct queued *q = &d->queue[i];

        if (!q->m && !q->released && q->seq != 0)
            q->m = copy_of(r, q->seq);
        if (!q->m)
            forget_more_ids(d, q);
        if (!q->m && !q->released)
            continue;
        items[n] = (struct session_item){
            .m = q->m,
            .seq = q->seq,
            .sub_ids = q->sub_ids,
            .packet_id = q->packet_id,
            .qos = q->qos & 3u,
            .retain = q->retain,
            .state = state_of(q) & 3,
            .maybe = q->qos == 1 && (q->sent || (n < r->o.limits->inflight_max &&
                                                 (d->away_seq == 0 || q->seq < d->away_seq))),
            .written = q->packet_id != 0,
        };
        n++;
        q->m = NULL;
    }
    session_restore_take(d->s, items, n, d->s->last_packet_id);
    mem_free(items);
    queue_free(d);
}

void restore_finish(struct restore *r)
{
    struct map_entry *e;
    size_t at = 0;

    while ((e = map_next(&r->sessions, &at))) {
        struct restored *d = e->value;

        leave_tree(r, d->s);
        settle_expiry(r, d);
        fill_queue(r, d);
    }
}

struct session *restore_take_session(struct restore *r)
{
    struct map_entry *e;

    while ((e = map_next(&r->sessions, &r->session_at))) {
        struct restored *d = e->value;
        struct session *s = d->s;

        if (!s || s->expires_at_ms <= r->o.now_ms)
            continue;
        d->s = NULL;
        return s;
    }
    return NULL;
}

struct message *restore_take_retained(struct restore *r)
{
    struct map_entry *e;

    while (r->retained_count < r->o.retained_max && (e = map_next(&r->retained, &r->retained_at))) {
        struct message *m = e->value;

        if (m->payload_n == 0 || (m->expires_ms != 0 && m->expires_ms <= r->o.now_ms))
            continue;
        r->retained_count++;
        return message_ref(m);
    }
    return NULL;
}

uint64_t restore_last_serial(const struct restore *r)
{
    return r->last_serial;
}
