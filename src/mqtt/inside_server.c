/*
 * Clients of the broker that are parts of this program: bridges. Each is an ordinary session with an
 * ordinary connection, over a pair of sockets instead of a network, so whatever holds for a client that
 * comes back (its queue, packet ids, order, exactly once) holds for it, and nothing is written twice.
 * What is different is here: who it is, how much may wait for it, and what happens then.
 *
 * A client's publication is acknowledged when it is in all queues that it belongs to. So a queue that is
 * full has to be noticed before a publication is taken, on the publisher's worker, which is not the one of
 * the session: each client inside publishes the state of its queue in cells. Publications that are being
 * written meanwhile were told that there is room, so they come in whatever the limit: it is passed by what was
 * on its way when it was reached, which is in memory at that moment anyway. Who does not ask (wills, what the
 * program itself publishes) finds a limit of twice as much.
 */
#include "mqtt/broker_part.h"

#include "base/mem.h"
#include "mqtt/persist.h"

struct broker_inside {
    struct broker *b;
    struct broker_inside *next;
    struct str client_id;
    struct str *filters;
    size_t filter_count;
    struct str mark;
    int mark_qos; /* as restored; written before anybody connects */
    struct session_limits limits;
    struct broker_rules rules;
    size_t max_messages, max_bytes;
    bool refuse;
    struct cell messages, bytes, full;
};

static struct str copy(struct str s)
{
    return str_from(str_dup(s), s.n);
}

struct broker_inside *broker_inside_add(struct broker *b, const struct broker_inside_options *o)
{
    struct broker_inside *i = NEW(struct broker_inside);
    size_t times = o->refuse ? 2 : 1;

    i->b = b;
    i->client_id = copy(o->client_id);
    i->filters = mem_new_array(o->filter_count + 1, sizeof(*i->filters));
    for (; i->filter_count < o->filter_count; i->filter_count++)
        i->filters[i->filter_count] = copy(o->filters[i->filter_count]);
    i->mark = copy(o->mark);
    i->mark_qos = -1;
    i->refuse = o->refuse;
    i->max_messages = o->queue_max_messages;
    i->max_bytes = o->queue_max_bytes;
    i->limits = b->session_limits;
    i->limits.queue_max_messages = o->queue_max_messages * times;
    i->limits.queue_max_bytes = o->queue_max_bytes * times;
    i->limits.low = NULL; /* there are few, and what they hold was asked for */
    i->limits.full = SESSION_DROP_NEWEST;
    i->limits.elastic = o->refuse;
    i->limits.queue_qos0 = false; /* a rule with QoS 0 promises nothing */
    i->limits.packet_id_max = BROKER_INSIDE_ID_MAX;
    if (i->limits.subscriptions_max < o->filter_count + 1)
        i->limits.subscriptions_max = (uint32_t)o->filter_count + 1;
    i->limits.shares_max = i->limits.subscriptions_max;
    i->limits.inflight_max = UINT16_MAX; /* as many as it says itself */
    i->rules = (struct broker_rules){
        .anonymous = ANONYMOUS_ALLOW,
        .packet_max_bytes = b->limits.mqtt_packet_max_bytes + 2 * (UINT16_MAX + 64),
        .inflight_max = UINT16_MAX,
        .qos_max = 2,
        .retain_available = true,
        .offline_messages = true,
        .session_expiry_max_s = SESSION_NEVER,
        .inside = i,
    };
    i->next = b->insides;
    b->insides = i;
    return i;
}

void inside_free_all(struct broker *b)
{
    struct broker_inside *i;

    while ((i = b->insides)) {
        b->insides = i->next;
        for (size_t k = 0; k < i->filter_count; k++)
            mem_free((void *)(uintptr_t)i->filters[k].p);
        mem_free(i->filters);
        mem_free((void *)(uintptr_t)i->mark.p);
        mem_free((void *)(uintptr_t)i->client_id.p);
        mem_free(i);
    }
}

struct stream *broker_inside_connect(struct broker_inside *i, struct loop *l, int *out_code)
{
    struct stream *ours = NULL, *theirs = stream_pair(l, &ours, out_code);

    if (theirs)
        conn_begin(part_of(i->b, l), &i->rules, ours);
    return theirs;
}

struct broker_inside_queue broker_inside_look(const struct broker_inside *i)
{
    return (struct broker_inside_queue){ .messages = cell_get(&i->messages),
                                         .bytes = cell_get(&i->bytes),
                                         .full = cell_get(&i->full) != 0 };
}

int broker_inside_mark(const struct broker_inside *i)
{
    return i->mark_qos;
}

/* ---- for the rest of the broker ---- */

bool inside_is_id(struct str client_id)
{
    return str_starts(client_id, STR(BROKER_INSIDE_PREFIX));
}

struct broker_inside *inside_find(const struct broker *b, struct str client_id)
{
    for (struct broker_inside *i = b->insides; i; i = i->next)
        if (str_eq(i->client_id, client_id))
            return i;
    return NULL;
}

const struct session_limits *inside_limits(const struct broker_inside *i)
{
    return &i->limits;
}

void inside_restored(struct part *p, struct broker_inside *i, struct session *s)
{
    for (uint32_t k = s->sub_count;
         k-- > 0;) { /* the last one comes into the place of one that goes */
        struct str filter = { s->subs[k].filter, s->subs[k].filter_n };
        bool known = i->mark.n > 0 && str_eq(i->mark, filter);

        if (known)
            i->mark_qos = s->subs[k].options & 3; /* MQTT 5, 3.8.3.1 */

        for (size_t n = 0; n < i->filter_count && !known; n++)
            known = str_eq(i->filters[n], filter);
        if (known)
            continue;
        persist_unsubscribe(p, s, filter, BROKER_INTERVAL, NULL, NULL);
        session_unsubscribe(s, filter);
    }
}

void inside_look(struct part *p, const struct session *s)
{
    struct broker_inside *i;

    if (s->limits == &p->b->session_limits || s->stand_in)
        return; /* what a stand-in has is not the queue, which is looked at on its worker yet */
    i = container_of(s->limits, struct broker_inside, limits);
    cell_set(&i->messages, s->queued_messages);
    cell_set(&i->bytes, s->queued_bytes);
    cell_set(&i->full, s->queued_messages >= i->max_messages || s->queued_bytes >= i->max_bytes);
}

const struct broker_inside *inside_refuses(const struct broker *b, struct str topic,
                                           const struct broker_inside *from)
{
    for (const struct broker_inside *i = b->insides; i; i = i->next) {
        if (i == from || !i->refuse || !cell_get(&i->full))
            continue;
        for (size_t k = 0; k < i->filter_count; k++)
            if (mqtt_filter_matches(i->filters[k], topic))
                return i;
    }
    return NULL;
}
