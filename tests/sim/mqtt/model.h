#ifndef TESTS_SIM_MQTT_MODEL_H
#define TESTS_SIM_MQTT_MODEL_H
/*
 * What MQTT 3.1.1 and MQTT 5 allow a server to say, as far as its clients can know: who published what and
 * whether that was acknowledged, who had subscribed when, which session goes on. Every PUBLISH of the
 * broker is held against it as it is said; and whenever nothing is under way (model_quiet), all that had
 * to come must have come.
 *
 * Time is counted in ticks, one for each thing that is said. A subscription is certain from its SUBACK
 * until its UNSUBSCRIBE, and possible from its SUBSCRIBE until its UNSUBACK; a publication may be routed
 * between its PUBLISH and the next quiet moment. What may come is decided by what is possible, what must
 * come by what is certain. Sections named in comments are MQTT 5's.
 */
#include "sim/mqtt/model_told.h"

/* ---- when nothing is under way ---- */

static bool is_taken(const struct pub *p)
{
    if (p->acked || p->will)
        return !p->doubtful;
    return p->qos == 0 && p->link && !p->link->done && p->link->up.n == 0;
}

static void debt_add(struct session_model *s, const struct debt *d)
{
    if (s->debt_count == s->debt_cap) {
        s->debt_cap = s->debt_cap ? s->debt_cap * 2 : 32;
        s->debts = mem_resize(s->debts, s->debt_cap * sizeof(*s->debts));
    }
    s->debts[s->debt_count++] = *d;
}

static const struct copy *best_copy(const struct session_model *s, unsigned pub, unsigned *count)
{
    const struct copy *best = NULL;

    *count = 0;
    for (size_t i = 0; i < s->copy_count; i++) {
        if (s->copies[i].pub != pub)
            continue;
        ++*count;
        if (!best || s->copies[i].qos > best->qos)
            best = &s->copies[i];
    }
    return best;
}

/* What session s must get of p; false: nothing. */
static bool owed(struct session_model *s, unsigned pub, struct debt *out)
{
    const struct pub *p = &pubs[pub];
    bool any = false;

    *out = (struct debt){ .pub = pub, .ids_known = true, .least = 1 };
    for (unsigned f = 0; f < FIRST_SHARE; f++) {
        uint8_t qos;
        const struct version *v = certain(&s->slots[f], p, s->client, &qos);

        if (!v || !filter_matches[f][p->topic])
            continue;
        any = true;
        if (least(qos, p->qos) > out->qos)
            out->qos = least(qos, p->qos);
        if (v != &s->slots[f].v[s->slots[f].count - 1])
            out->ids_known = false;
        else if (v->id)
            out->ids[out->id_count++] = v->id;
    }
    return any;
}

/* 3.3.4: a single copy names all subscriptions that it is for. */
static void check_paid(const struct session_model *s, const struct debt *d)
{
    unsigned count;
    const struct copy *c = best_copy(s, d->pub, &count);

    if (!c || c->qos < d->qos)
        trace("        %d has %s of number %u, owed with qos %u", s->client,
              c ? "a copy" : "nothing", d->pub, d->qos);
    CHECK(c && count >= d->least); /* lost */
    CHECK(c->qos >= d->qos);
    if (count > 1 || c->retain || !d->ids_known || !c->named)
        return;
    for (unsigned i = 0; i < d->id_count; i++) {
        bool there = false;

        for (unsigned k = 0; k < c->id_count; k++)
            there |= c->ids[k] == d->ids[i];
        CHECK(there);
    }
}

/* The connection that has stood since before that and has taken everything. */
static struct talk *standing(const struct session_model *s, unsigned since)
{
    struct talk *t = clients[s->client].talk;

    return t && t->open && t->open < since && !t->cut && !t->link->choked_once && !t->illegal
               ? t
               : NULL;
}

/* Nothing waits for this client any more. */
static bool is_served(const struct client_model *c)
{
    return c->talk && c->ready && !c->talk->cut && c->ack_count == 0 && c->s;
}

/* 4.8.2: each group has got it, when a member of it was there and has room. */
static void settle_shared(struct pub *p, bool crash)
{
    unsigned groups = 0;

    if (p->qos == 0 || p->clear || p->big || crash)
        return;
    for (unsigned f = FIRST_SHARE; f < FILTERS; f++) {
        bool served = false;

        for (int i = 0; i < CLIENTS && filter_matches[f][p->topic]; i++) {
            struct session_model *s = clients[i].s;
            uint8_t qos;

            if (!s || clients[i].unsure || !certain(&s->slots[f], p, i, &qos))
                continue;
            p->shared_owed = true;
            served |= is_served(&clients[i]) && standing(s, p->sent);
        }
        groups += served;
    }
    if (share_churn < p->sent && !is_expired(p, false))
        CHECK(p->shared_copies >= groups);
}

/* Perhaps it has QoS 1 or 2 for s. */
static bool may_wait(const struct session_model *s, const struct pub *p)
{
    bool may = false;

    for (unsigned f = 0; f < FIRST_SHARE; f++)
        for (unsigned i = 0; i < s->slots[f].count; i++)
            may |= filter_matches[f][p->topic] && is_possible(&s->slots[f].v[i], p, s) &&
                   least(p->qos, s->slots[f].v[i].qos) > 0;
    return may;
}

/* No connection of it since then was to discard p for its size. */
static bool fitted(const struct session_model *s, const struct pub *p)
{
    for (const struct talk *t = talks; t; t = t->next)
        if (t->client == s->client && t->open && (t->cut == 0 || t->cut > p->sent) &&
            !fits_into(t, p))
            return false;
    return true;
}

static void settle_pub(unsigned pub, bool crash)
{
    struct pub *p = &pubs[pub];
    bool taken = is_taken(p);

    if (!taken)
        p->maybe = true;
    if (taken && p->topic < SHARED && !p->clear && !(crash && (p->qos == 0 || p->will))) {
        for (int i = 0; i < CLIENTS; i++) {
            struct session_model *s = clients[i].s;
            struct debt d;
            struct talk *t;

            if (!s || clients[i].unsure || !owed(s, pub, &d))
                continue;
            t = standing(s, p->sent);
            if (d.qos > 0 && fitted(s, p))
                debt_add(s, &d);
            else if (d.qos > 0)
                continue;
            else if (!crash && t && fits_into(t, p) && !is_expired(p, false) && !may_wait(s, p))
                check_paid(s, &d);
        }
    }
    if (taken && p->topic >= SHARED)
        settle_shared(p, crash);
    if (taken || !p->link || p->link->done)
        p->quiet = tick;
    if (crash && (p->qos == 0 || p->will))
        p->maybe = true;
}

static void pay(struct session_model *s)
{
    const struct client_model *c = &clients[s->client];
    size_t kept = 0;

    for (size_t i = 0; i < s->debt_count; i++) {
        const struct debt *d = &s->debts[i];
        const struct pub *p = &pubs[d->pub];
        unsigned count;

        if (is_expired(p, false) || !fitted(s, p))
            continue;
        if (is_served(c)) {
            check_paid(s, d);
            continue;
        }
        (void)best_copy(s, d->pub, &count);
        if (count < d->least)
            s->debts[kept++] = *d;
    }
    s->debt_count = kept;
}

static void check_wishes(struct session_model *s)
{
    const struct client_model *c = &clients[s->client];

    for (unsigned i = 0; i < s->wish_count; i++) {
        struct wish *w = &s->wishes[i];
        bool look =
            w->fresh && w->must && is_served(c) && w->link == c->talk->link && !c->talk->illegal;

        w->fresh = false;
        for (unsigned topic = 0; look && topic < SHARED; topic++) {
            const struct pub *p = retained_since(topic, w->sent);
            bool there = false;

            if (!p || !filter_matches[w->filter][topic] || (w->no_local && p->by == s->client) ||
                !fits_into(c->talk, p))
                continue;
            for (size_t k = 0; k < s->copy_count; k++)
                there |= s->copies[k].pub == (unsigned)(p - pubs) && s->copies[k].retain &&
                         s->copies[k].tick > w->sent;
            if (!there)
                trace("        %d lacks the retained number %d for %s", s->client, (int)(p - pubs),
                      filter_names[w->filter]);
            CHECK(there); /* 3.3.1-9 … 3.3.1-11 */
        }
    }
}

static void check_client(struct client_model *c)
{
    struct talk *t = c->talk;

    if (!t)
        return;
    if (t->illegal || t->bye || t->link->cut) {
        CHECK(t->cut); /* a broken rule ends the connection */
        return;
    }
    if (t->cut)
        return;
    CHECK(c->ready);
    CHECK(t->awaited_count == 0); /* everything is answered */
    CHECK(t->pings == 0);
    if (!is_served(c))
        return;
    for (unsigned i = 0; i < c->s->flight_count;) {
        struct flight *f = &c->s->flights[i];

        CHECK(!flight_is_open(f) || f->blur); /* all is sent again, released, completed */
        flight_remove(c->s, f);
    }
}

static void model_quiet(void)
{
    tick++;
    for (unsigned i = 0; i < pub_count; i++) {
        if (pubs[i].early && clients[pubs[i].by].unsure && pubs[i].due_ms)
            will_is_doubtful(&pubs[i]);
        CHECK(!pubs[i].early);
        if (pubs[i].sent && !pubs[i].quiet)
            settle_pub(i, false);
    }
    for (int i = 0; i < CLIENTS; i++) {
        struct session_model *s = clients[i].s;

        check_client(&clients[i]);
        session_over(clients[i].late);
        clients[i].late = NULL;
        if (!s || clients[i].unsure)
            continue;
        pay(s);
        check_wishes(s);
    }
    for (struct talk *t = talks; t; t = t->next)
        if (clients[t->client].talk != t)
            CHECK(t->cut); /* 3.1.4-3: the older connection is ended */
    last_quiet = tick;
}

/* The last moment: everybody is there and has acknowledged everything. What came through a shared
 * subscription has come to somebody, if no member has gone for good. */
static void model_end(void)
{
    for (unsigned i = 0; i < pub_count; i++)
        if (pubs[i].shared_owed && share_loss < pubs[i].sent && !is_expired(&pubs[i], false))
            CHECK(pubs[i].shared_copies > 0);
}

/* The broker is killed. */
static void flight_crashed(struct session_model *s, struct flight *f)
{
    const struct pub *p = f->pub >= 0 ? &pubs[f->pub] : NULL;
    struct debt d;
    const struct copy *c;

    /* What came through a shared subscription, or was retained, is gone; an empty one has no name; one that
     * was published before the subscription, and reached it all the same, may be forgotten. */
    if (f->qos == 2) {
        f->blur |= !p || p->topic >= SHARED || f->retain || !flight_is_open(f) ||
                   !owed(s, (unsigned)f->pub, &d) || d.qos < 2;
        return;
    }
    if (!p || f->state != FLIES || p->topic >= SHARED || p->retain || !p->acked || f->blur)
        return;
    if (!owed(s, (unsigned)f->pub, &d) || d.qos == 0)
        return;
    c = best_copy(s, d.pub, &d.least);
    d.least++;
    if (c && f->link && p->attempts == 1)
        debt_add(s, &d);
}

static void client_is_unsure(struct client_model *c)
{
    if (!c->unsure)
        c->unsure_since = c->talk->asked;
    c->unsure = true;
}

static void client_crashed(struct client_model *c)
{
    struct session_model *s;

    if (c->late && !c->s) {
        c->s = c->late;
        c->late = NULL;
    }
    s = c->s;

    if (c->talk && (!c->talk->open || c->talk->open > last_quiet || c->talk->cut > last_quiet))
        client_is_unsure(c);
    if (!s)
        return;
    if (!s->away) {
        s->away = true;
        s->ends_ms = s->expiry_s == UINT32_MAX ? UINT64_MAX : world_ms + s->expiry_s * 1000ull;
    }
    if (c->unsure) {
        s->ends_ms = UINT64_MAX; /* what it said last of its expiry may not be written down */
    } else if (s->ends_ms <= world_ms) {
        session_over(s);
        return;
    }
    for (unsigned i = 0; i < s->flight_count; i++)
        flight_crashed(s, &s->flights[i]);
    for (unsigned i = 0; i < s->flight_count;) {
        if (s->flights[i].qos == 1)
            flight_remove(s, &s->flights[i]);
        else
            i++;
    }
}

static void model_crash(void)
{
    tick++;
    for (unsigned i = 0; i < pub_count; i++) {
        struct pub *p = &pubs[i];

        p->maybe |= p->early;
        p->early = false;
        if (p->sent && !p->quiet)
            settle_pub(i, true);
    }
    crashes++;
    last_crash = tick;
    for (int i = 0; i < CLIENTS; i++)
        client_crashed(&clients[i]);
    for (unsigned i = 0; i < pub_count; i++) {
        struct pub *p = &pubs[i];

        /* What was said last of it may not be written down. */
        if (p->will &&
            (will_waits(p, p->by) || p->sent > last_quiet || (!p->sent && clients[p->by].unsure)))
            p->may_come = tick;
        pubs[i].due_ms = 0;
    }
    for (struct talk *t = talks; t; t = t->next) {
        if (t->will >= 0 && (!t->cut || t->cut > last_quiet))
            /* its session may be written down, whatever it said last */
            pubs[t->will].may_come = tick;
        if (!t->cut)
            t->cut = tick;
        t->link->done = t->link->ended = true;
        t->link->session = NULL;
    }
    for (unsigned i = 0; i < pub_count; i++)
        if (pubs[i].sent && !pubs[i].quiet)
            pubs[i].quiet = tick;
    last_quiet = tick;
}

/* The time is later now: what ends by itself. */
static void model_time(void)
{
    tick++;
    for (int i = 0; i < CLIENTS; i++) {
        struct session_model *s = clients[i].s;

        if (s && s->away && s->ends_ms <= world_ms && !clients[i].unsure)
            session_over(s);
    }
    for (unsigned i = 0; i < pub_count; i++) {
        if (!pubs[i].will || !pubs[i].due_ms || pubs[i].due_ms > world_ms)
            continue;
        if (clients[pubs[i].by]
                .unsure) /* it may have come as its session ended, before others that came since */
            will_is_doubtful(&pubs[i]);
        else
            will_is_due(&pubs[i]);
    }
}

#endif
