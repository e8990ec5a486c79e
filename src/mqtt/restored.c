/*
 * A session's own part of the log. Its items are in the order of their messages' numbers
 * (mqtt/restore_queue.h) until the end, when they become a session's queue.
 */
#include "mqtt/restored.h"

#include "base/mem.h"
#include "trust/authz.h"
#include "wire/mqtt.h"

bool restored_options(const struct persist_sub *sub, uint8_t *out)
{
    *out = sub->options & (TREE_QOS | TREE_NO_LOCAL | TREE_AS_PUBLISHED);
    if (str_starts(sub->filter, STR("$share/")))
        *out |= TREE_SHARED;
    return (*out & TREE_QOS) <= 2;
}

struct restored *restored_new(const struct persist *p, const struct session_limits *limits)
{
    const struct persist_session *w = &p->whole;
    struct restored *d = NEW(struct restored);

    d->s = session_new(w->client_id, p->session, limits);
    d->s->conn = d;
    restore_queue_init(&d->queue, d->s);
    d->s->who = identity_new((enum authz_role)w->role, w->user);
    d->s->written = true;
    d->s->expiry_s = w->expiry_s;
    d->s->last_packet_id = w->last_packet_id;
    d->away_seq = w->away_wall_ms ? 1 : 0; /* its items say it themselves */
    d->base = w->base;
    return d;
}

void restored_free(void *value)
{
    struct restored *d = value;

    restore_queue_fini(&d->queue);
    if (d->s)
        d->s->conn = NULL;
    session_free(d->s);
    mem_free(d);
}

/* ---- the whole ---- */

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

void restored_add(struct restored *d, const struct persist *p)
{
    const struct persist_session *w = &p->whole;
    size_t at = 0;

    d->parts++;
    for (uint32_t i = 0; i < w->subs; i++) {
        struct persist_sub sub = persist_next_sub(p, &at);
        uint8_t options;

        if (!restored_options(&sub, &options))
            continue;
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

/* Taken; NULL: none. */
static void set_will(struct restored *d, struct message *m, uint32_t delay_s)
{
    message_unref(session_take_will(d->s));
    d->s->will = m;
    d->s->will_delay_s = delay_s;
    d->s->will_written = m != NULL;
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

void restored_replaces(struct restored *d, struct restored *before)
{
    take_messages(d, before);
    /* It may not have been answered yet when the session was told; what was, is told behind. */
    for (uint32_t i = 0; i < before->s->received_count; i++)
        session_receive(d->s, before->s->received[i]);
    restore_queue_carry_over(&d->queue, &before->queue, d->base);
    set_will(d, session_take_will(before->s), before->s->will_delay_s);
}

/* ---- words ---- */

/* Its expiry is a length until it is published. */
void restored_will(struct restored *d, const struct persist *p)
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

void restored_no_will(struct restored *d)
{
    set_will(d, NULL, 0);
}

static bool is_wanted(const struct session *s, const struct message *m)
{
    for (uint32_t i = 0; i < s->sub_count; i++)
        if (!(s->subs[i].options & TREE_SHARED) &&
            mqtt_filter_matches(restored_filter(&s->subs[i]), message_topic(m)))
            return true;
    return false;
}

void restored_unwanted(struct restored *d, uint64_t seq)
{
    struct restore_item *it;

    while ((it = restore_queue_after(&d->queue, seq))) {
        seq = it->seq;
        if (it->state == SESSION_WAITING && it->m && !is_wanted(d->s, it->m))
            restore_queue_done(&d->queue, it);
    }
}

/* One without an id first, where none is named: what has one is in flight, and may be another of that message.
 * By its number at last: a subscription that came at the same time as the message may be written down
 * behind it, and its identifier was the first. Not of what is being told: that names its items itself, and
 * the other one of the message may not be told yet. */
static struct restore_item *item_of(const struct restored *d, const struct persist *p)
{
    struct restore_item *it =
        p->packet_id == 0 ? restore_queue_find_waiting(&d->queue, p->seq, p->sub_id) : NULL;

    if (!it)
        it = restore_queue_find(&d->queue, p->seq, p->sub_id);
    return it || !d->in_tree ? it : restore_queue_find_any(&d->queue, p->seq);
}

void restored_done(struct restored *d, const struct persist *p)
{
    struct restore_item *it = restore_queue_find_id(&d->queue, p->packet_id);

    if (!it || it->seq != p->seq)
        it = item_of(d, p);
    if (it)
        restore_queue_done(&d->queue, it);
}

/* An id is told again when the connection ended before it was written down; that is not the last one. While one is
 * on its way no other than those of QoS 2 are given out, within the window, so that it is not far behind: twice that,
 * should some of them have been refused. What seems to be further behind is ahead: those of QoS 1 are not written
 * down, and may be any number. */
static void id_used(struct session *s, uint16_t packet_id)
{
    uint32_t ids = s->limits->packet_id_max > 0 ? s->limits->packet_id_max : 65535u;
    uint32_t behind = (s->last_packet_id + ids - packet_id) % ids;
    uint32_t most = s->limits->inflight_max < ids / 4 ? 2 * s->limits->inflight_max : ids / 2;

    if (s->last_packet_id == 0 || behind > most)
        s->last_packet_id = packet_id;
}

void restored_sent(struct restored *d, const struct persist *p)
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

void restored_released(struct restored *d, uint16_t packet_id)
{
    struct restore_item *it = restore_queue_find_id(&d->queue, packet_id);

    if (!it)
        return;
    it->state = SESSION_RELEASED;
    restore_queue_drop_message(&d->queue, it);
}

void restored_taken(struct restored *d, const struct persist_item *it, struct message *m)
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

/* ---- the end ---- */

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

static struct message *copy_of(const struct seq_map *copies, uint64_t seq)
{
    struct message *m = seq_map_get(copies, seq);

    return m ? message_ref(m) : NULL;
}

/* QoS 1 without a written packet id may have been sent: as many as may be in flight, of those that came
 * before the client had gone. */
uint64_t restored_finish(struct restored *d, const struct seq_map *copies)
{
    struct restore_queue *q = &d->queue;
    struct session_item *items;
    uint64_t lost = 0;
    uint32_t n = 0;

    restore_queue_pack(q);
    items = q->count > 0 ? mem_new_array(q->count, sizeof(*items)) : NULL;
    for (uint32_t i = 0; i < q->count; i++) {
        struct restore_item *it = &q->items[i];

        if (!it->m && it->state != SESSION_RELEASED)
            it->m = copy_of(copies, it->seq);
        if (!it->m)
            restore_queue_drop_message(q, it);
        if (!it->m && it->state != SESSION_RELEASED) {
            lost++;
            continue;
        }
        it->maybe = it->qos == 1 && (it->maybe || (n < d->s->limits->inflight_max &&
                                                   (d->away_seq == 0 || it->seq < d->away_seq)));
        items[n++] = as_session_item(it);
        it->m = NULL;
    }
    session_restore_take(d->s, items, n, d->s->last_packet_id);
    restore_queue_fini(q);
    return lost;
}
