#ifndef TESTS_SIM_MQTT_MODEL_PUBLISH_H
#define TESTS_SIM_MQTT_MODEL_PUBLISH_H
/* The model of MQTT (sim/mqtt/model.h): may that PUBLISH of the broker be? */
#include "sim/mqtt/model_state.h"

/* ---- what is possible, what is certain ---- */

/* 3.8.3.1 forbids what a client published itself. The broker knows it by its session, so what is left of
 * an earlier session of that client may come or not. */
static bool is_own(const struct pub *p, const struct session_model *s)
{
    return p->by == s->client && p->life == s->life;
}

static bool is_possible(const struct version *v, const struct pub *p, const struct session_model *s)
{
    return (p->quiet == 0 || v->sent < p->quiet) && (v->ended == 0 || v->ended > p->sent) &&
           !(v->no_local && is_own(p, s));
}

static uint8_t least(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

/* The version that certainly stood for p; *qos: at least granted. NULL: none. */
static const struct version *certain(const struct slot *k, const struct pub *p, int client,
                                     uint8_t *qos)
{
    const struct version *found = NULL;

    *qos = 2;
    for (unsigned i = 0; i < k->count; i++) {
        const struct version *v = &k->v[i];

        if (v->unsub || v->ended) {
            found = NULL;
            *qos = 2;
            continue;
        }
        if (v->acked && v->acked < p->sent) {
            found = v;
            *qos = v->qos;
        } else {
            *qos = least(*qos, v->qos);
        }
        if (v->no_local && p->by == client)
            return NULL;
    }
    return found;
}

/* a before b, for everybody. */
static bool precedes(const struct pub *a, const struct pub *b)
{
    return (a->quiet && a->quiet < b->sent) ||
           (a->link == b->link && a->sent < b->sent && a->attempts == 1 && b->attempts == 1 &&
            !a->will && !b->will);
}

static bool is_expired(const struct pub *p, bool surely)
{
    uint64_t end = p->sent_ms + (uint64_t)p->expiry_s * 1000;

    return p->expiry_s > 0 && (surely ? world_ms > end + 1 : world_ms >= end);
}

/* May p have been what is retained for its topic at some time since then? 3.3.1.3 */
static bool may_be_retained(const struct pub *p, unsigned since)
{
    if (!p->retain || p->clear || p->sent == 0)
        return false;
    for (unsigned i = 0; i < pub_count; i++) {
        const struct pub *q = &pubs[i];

        if (q != p && q->retain && q->topic == p->topic && q->sent && !q->maybe && q->quiet &&
            q->quiet < since && precedes(p, q))
            return false;
    }
    return true;
}

/* What is certainly retained since then; NULL: nothing, or nobody knows. */
static const struct pub *retained_since(unsigned topic, unsigned since)
{
    const struct pub *best = NULL;

    for (unsigned i = 0; i < pub_count; i++) {
        const struct pub *p = &pubs[i];

        if (p->retain && p->topic == topic && p->may_come)
            return NULL;
        if (!p->retain || p->topic != topic || p->sent == 0)
            continue;
        if (best && precedes(p, best))
            continue;
        if (best && !precedes(best, p))
            return NULL;
        best = p;
    }
    /* What nobody can order with the best may hide it. */
    for (unsigned i = 0; best && i < pub_count; i++)
        if (&pubs[i] != best && pubs[i].retain && pubs[i].topic == topic && pubs[i].sent &&
            !precedes(&pubs[i], best))
            return NULL;
    if (!best || best->clear || best->maybe || !best->quiet || best->quiet >= since ||
        is_expired(best, false))
        return NULL;
    return best;
}

/* ---- a PUBLISH of the broker ---- */

struct arrival {
    struct session_model *s;
    struct talk *t;
    struct link *k;
    const struct mqtt_publish *pk;
    struct copy c;
    struct pub *p;
};

static struct flight *flight_of(struct session_model *s, uint16_t id)
{
    for (unsigned i = s->flight_count; i-- > 0;)
        if (s->flights[i].id == id)
            return &s->flights[i];
    return NULL;
}

static void flight_remove(struct session_model *s, struct flight *f)
{
    size_t at = (size_t)(f - s->flights);

    memmove(f, f + 1, (s->flight_count - at - 1) * sizeof(*f));
    s->flight_count--;
}

static bool flight_is_open(const struct flight *f)
{
    return f->state == FLIES || f->state == RECEIVED || f->state == RELEASED;
}

/* 3.3.4: never more unacknowledged than the client takes. */
static void check_window(const struct arrival *a)
{
    uint32_t open = 0;

    for (unsigned i = 0; i < a->s->flight_count; i++)
        open += a->s->flights[i].link == a->k && flight_is_open(&a->s->flights[i]);
    CHECK(open <= a->t->window);
}

/* 4.4: what was not acknowledged goes out again, in its order, under its packet id, with DUP. */
static void check_again(struct arrival *a, struct flight *f)
{
    CHECK(a->pk->dup);
    CHECK(f->again && f->link != a->k);
    CHECK(f->qos == a->pk->qos);
    CHECK(f->state == FLIES || f->state == ACKED || f->state == RECEIVED);
    CHECK(a->p ? f->pub == (int)a->c.pub : f->pub < 0);
    for (unsigned i = 0; i < a->s->flight_count; i++) {
        const struct flight *o = &a->s->flights[i];

        if (o->order < f->order && o->state == FLIES && o->again && !o->blur)
            CHECK_NEVER("an older message was to come again first");
    }
    f->again = false;
    f->blur = false;
    f->state = FLIES;
    f->link = a->k;
}

static void fly(struct arrival *a)
{
    struct session_model *s = a->s;
    struct flight *f = flight_of(s, a->pk->packet_id);

    CHECK(s->flight_count < COUNT_OF(s->flights));
    if (f && (f->state == ACKED || f->state == COMPLETED || f->blur)) {
        flight_remove(s, f);
        f = NULL;
    }
    CHECK(!f); /* 2.2.1-4: the packet id is in use */
    s->flights[s->flight_count++] = (struct flight){ .id = a->pk->packet_id,
                                                     .qos = a->pk->qos,
                                                     .pub = a->p ? (int)a->c.pub : -1,
                                                     .link = a->k,
                                                     .retain = a->pk->retain,
                                                     .order = ++s->flights_said };
}

/* QoS 1 may come again after a crash, or on its way there. */
static unsigned repeats(const struct pub *p, uint8_t qos)
{
    return 1 + (qos == 1 && p->sent <= last_crash ? crashes : 0);
}

/* How often each subscription may bring it. */
static unsigned times(const struct pub *p, uint8_t qos)
{
    unsigned n = p->qos == 2 && !p->anew ? 1 : p->attempts;

    return n * repeats(p, qos);
}

struct reasons {
    unsigned any, plain, as_published, wishes, changes;
    bool qos_ok, id_ok[IDS], none_ok;
};

static void reason(struct arrival *a, struct reasons *r, uint8_t qos, uint32_t id)
{
    r->qos_ok |= least(a->p->qos, qos) == a->c.qos;
    r->none_ok |= id == 0 || a->t->version == MQTT_V311;
    for (unsigned i = 0; i < a->c.id_count; i++)
        r->id_ok[i] |= a->c.ids[i] == id;
}

static void reasons_of(struct arrival *a, struct reasons *r)
{
    struct session_model *s = a->s;

    for (unsigned f = 0; f < FILTERS; f++) {
        bool any = false, plain = false, as_published = false;

        if (!filter_matches[f][a->p->topic])
            continue;
        for (unsigned i = 0; i < s->slots[f].count; i++) {
            const struct version *v = &s->slots[f].v[i];

            if (!is_possible(v, a->p, s))
                continue;
            r->changes += v->unsub || !v->acked || v->acked > a->p->sent || v->ended;
            any = true;
            plain |= !v->as_published || !a->p->retain;
            as_published |= v->as_published && a->p->retain;
            reason(a, r, v->qos, v->id);
        }
        r->any |= any; /* one copy for all of them, 3.3.4 */
        r->plain |= plain;
        r->as_published |= as_published;
    }
    for (unsigned i = 0; i < s->wish_count; i++) {
        const struct wish *w = &s->wishes[i];

        if (!filter_matches[w->filter][a->p->topic] || !may_be_retained(a->p, w->sent) ||
            (w->no_local && is_own(a->p, s)))
            continue;
        r->wishes++;
        reason(a, r, w->qos, w->id);
    }
}

/* 3.3.4, 3.3.1.3, 3.8.3.1: is there a subscription for it, with that QoS, flag and identifier, and not
 * used up by earlier copies? */
static void check_reasons(struct arrival *a)
{
    struct reasons r = { 0 };
    unsigned with = a->c.retain, without = !a->c.retain, most;
    uint8_t qos = a->c.qos;

    reasons_of(a, &r);
    for (size_t i = 0; i < a->s->copy_count; i++)
        if (a->s->copies[i].pub == a->c.pub) {
            with += a->s->copies[i].retain;
            without += !a->s->copies[i].retain;
            if (a->s->copies[i].qos == 1)
                qos = 1;
        }
    most = times(a->p, qos);
    /* Options that change while it comes: a broker that is killed may have told it by the new ones, and
     * find it written down before them. */
    if (a->p->sent <= last_crash && r.changes > 0)
        most *= 2;
    if (a->p->may_come) /* each time it may not be written down that it was published */
        most *= 1 + crashes;
    r.wishes *= repeats(a->p, qos);
    CHECK(r.any + r.wishes > 0);
    CHECK(r.qos_ok);
    CHECK(a->c.id_count > 0 || r.none_ok);
    for (unsigned i = 0; i < a->c.id_count; i++)
        CHECK(r.id_ok[i]);
    CHECK(a->c.id_count == 0 || a->t->version == MQTT_V5);
    if (a->c.retain)
        CHECK(with <= r.as_published * most + r.wishes);
    else
        CHECK(without <= r.plain * most);
    CHECK(with + without <= r.any * most + r.wishes);
}

/* 4.8.2: to one member of each group. */
static void check_share(struct arrival *a)
{
    unsigned groups = 0;

    for (unsigned f = FIRST_SHARE; f < FILTERS; f++) {
        bool any = false;

        if (!filter_matches[f][a->p->topic])
            continue;
        for (int i = 0; i < CLIENTS; i++)
            any |= clients[i].s && clients[i].s->slots[f].count > 0;
        groups += any;
    }
    a->p->shared_copies++;
    if (share_churn < a->p->sent)
        CHECK(a->p->shared_copies <= groups * times(a->p, a->c.qos));
}

/* 4.6: of one client, on one topic, of one QoS, as they were sent. */
static void check_order(struct arrival *a)
{
    unsigned *last = a->p->by < 0 ? NULL : &a->s->last[a->p->by][a->p->topic][a->p->qos][a->c.qos];

    if (!last || a->p->will || a->c.retain || a->p->attempts > 1 || a->p->topic >= SHARED)
        return;
    for (size_t i = 0; i < a->s->copy_count; i++)
        if (a->s->copies[i].pub == a->c.pub)
            return; /* another copy, or once more */
    CHECK(a->c.pub + 1 > *last);
    *last = a->c.pub + 1;
}

/* 3.3.2.3.3: what is left of its time. */
static void check_expiry(struct arrival *a, bool again)
{
    uint64_t waited_s = (world_ms - a->p->sent_ms) / 1000;
    bool has = a->pk->props.has & MQTT_HAS(MESSAGE_EXPIRY);
    uint32_t left = a->pk->props.message_expiry_s;

    if (a->p->later)
        return;
    /* After a crash nobody knows whether it had been begun in time; with an id of QoS 2 it must go on. */
    if (!again && !(a->pk->dup && a->p->sent <= last_crash))
        CHECK(!is_expired(a->p, true));
    if (a->t->version != MQTT_V5)
        return;
    CHECK(has == (a->p->expiry_s > 0));
    if (has && waited_s < a->p->expiry_s)
        CHECK(left <= a->p->expiry_s - waited_s &&
              (a->p->may_come || left + waited_s + 1 >= a->p->expiry_s));
    else if (has)
        CHECK(left == 0);
}

static void copy_note(struct session_model *s, const struct copy *c)
{
    if (s->copy_count == s->copy_cap) {
        s->copy_cap = s->copy_cap ? s->copy_cap * 2 : 32;
        s->copies = mem_resize(s->copies, s->copy_cap * sizeof(*s->copies));
    }
    s->copies[s->copy_count++] = *c;
}

/* Which topic it says, by name or alias (3.3.2.3.4). */
static unsigned topic_said(struct arrival *a)
{
    const struct mqtt_publish *pk = a->pk;
    unsigned alias = a->t->version == MQTT_V5 && (pk->props.has & MQTT_HAS(TOPIC_ALIAS))
                         ? pk->props.topic_alias
                         : 0;
    unsigned topic = 0;

    CHECK(alias <= a->t->alias_max);
    if (pk->topic.n == 0) {
        CHECK(alias > 0 && a->t->aliases[alias] >= 0);
        return (unsigned)a->t->aliases[alias];
    }
    while (topic < TOPICS && !str_eq(pk->topic, str_of(topic_names[topic])))
        topic++;
    CHECK(topic < TOPICS);
    if (alias > 0)
        a->t->aliases[alias] = (int)topic;
    return topic;
}

/* Which publication it is: the number before its padding. */
static struct pub *pub_said(struct arrival *a, unsigned topic)
{
    struct str rest = a->pk->payload, number = str_cut(&rest, '.');
    uint64_t at;
    struct pub *p;

    if (a->pk->payload.n == 0)
        return NULL;
    CHECK(str_to_u64(number, &at) == 0 && at < pub_count);
    p = &pubs[at];
    CHECK(p->topic == topic && !p->clear);
    CHECK(rest.n == (p->big ? 300 : 3)); /* nothing of it is missing */
    a->c.pub = (unsigned)at;
    return p;
}

static void props_said(struct arrival *a)
{
    const struct mqtt_props *o = &a->pk->props;
    size_t at = 0;
    struct str name, value;
    char want[16];

    a->c.named = a->t->version == MQTT_V5;
    if (!a->c.named)
        return;
    at = 0;
    while (a->c.id_count < IDS && mqtt_props_sub_id(o->raw, &at, &a->c.ids[a->c.id_count]))
        a->c.id_count++;
    if (!a->p || pubs[a->c.pub].by < 0)
        return;
    at = 0;
    if (mqtt_props_user(o->raw, &at, &name, &value)) { /* 3.3.2.3.7: unaltered */
        snprintf(want, sizeof(want), "%u", a->c.pub);
        CHECK(str_eq(name, STR("n")) && str_eq(value, str_of(want)));
        CHECK(!mqtt_props_user(o->raw, &at, &name, &value));
    }
}

static void publish_told(struct talk *t, const struct mqtt_publish *pk)
{
    struct arrival a = { .s = t->link->session, .t = t, .k = t->link, .pk = pk };
    struct flight *f;
    unsigned topic;
    bool again;

    CHECK(a.s); /* nothing before CONNACK */
    topic = topic_said(&a);
    a.c.tick = tick;
    a.c.qos = pk->qos;
    a.c.retain = pk->retain;
    a.p = pub_said(&a, topic);
    if (a.p && a.p->will && a.p->sent == 0 && a.p->may_come) {
        a.p->sent = a.p->may_come;
        a.p->sent_ms = world_ms;
        a.p->doubtful = a.p->maybe = true;
    } else if (a.p && a.p->will &&
               a.p->sent == 0) { /* its connection has not told us yet that it ends */
        a.p->early = true;
        a.p->sent = tick;
        a.p->sent_ms = world_ms;
    } else if (a.p && a.p->will &&
               a.p->may_come) { /* once more, to whoever has subscribed by then */
        a.p->quiet = 0;
        a.p->doubtful = a.p->maybe = true;
    }
    trace("        to %d: %s qos %u id %u%s%s, number %d", t->client, topic_names[topic], pk->qos,
          pk->packet_id, pk->dup ? " dup" : "", pk->retain ? " retain" : "",
          a.p ? (int)a.c.pub : -1);
    props_said(&a);
    f = pk->qos > 0 ? flight_of(a.s, pk->packet_id) : NULL;
    again = f && f->again && pk->dup;
    if (again)
        check_again(&a, f);
    else if (pk->qos > 0)
        fly(&a);
    check_window(&a);
    CHECK(pk->qos > 0 || !pk->dup);
    if (a.p)
        CHECK(a.p->sent);
    /* 3.3.1.1: DUP says "again" only; but what is on its way in a crash cannot be known. */
    CHECK(again || !pk->dup || (a.p && a.p->sent <= last_crash) || (!a.p && crashes > 0));
    if (a.p)
        check_expiry(&a, again);
    if (again || !a.p)
        return;
    if (topic >= SHARED) {
        check_share(&a);
    } else {
        check_reasons(&a);
        check_order(&a);
    }
    copy_note(a.s, &a.c);
}

static void pubrel_told(struct talk *t, uint16_t id)
{
    struct session_model *s = t->link->session;
    struct flight *f = s ? flight_of(s, id) : NULL;

    if (!f && s)
        return; /* the answer to an answer that was given twice: 0x92 */
    CHECK(f && f->qos == 2 && f->state != FLIES && f->state != ACKED);
    f->again = f->blur = false;
    if (f->state == COMPLETED)
        return;
    f->state = RELEASED;
    f->link = t->link;
}

#endif
