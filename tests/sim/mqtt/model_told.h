#ifndef TESTS_SIM_MQTT_MODEL_TOLD_H
#define TESTS_SIM_MQTT_MODEL_TOLD_H
/* The model of MQTT (sim/mqtt/model.h): the broker's other packets, and the ends of connections. */
#include "sim/mqtt/model_publish.h"

/* ---- its answers ---- */

static void await(struct talk *t, const struct awaited *w)
{
    CHECK(t->awaited_count < COUNT_OF(t->awaited));
    t->awaited[t->awaited_count++] = *w;
}

static struct awaited answer_told(struct talk *t, uint8_t type, uint16_t id, bool ordered)
{
    for (unsigned i = 0; i < t->awaited_count; i++) {
        struct awaited w = t->awaited[i];

        if (w.type != type || (!ordered && w.id != id))
            continue;
        CHECK(w.id == id); /* 4.6: in the order in which they came */
        memmove(&t->awaited[i], &t->awaited[i + 1], (t->awaited_count - i - 1) * sizeof(w));
        t->awaited_count--;
        return w;
    }
    CHECK_NEVER("an answer that nobody waits for");
    return (struct awaited){ 0 };
}

static void suback_told(struct talk *t, const struct mqtt_suback *pk)
{
    struct awaited w = answer_told(t, MQTT_SUBACK, pk->packet_id, false);
    struct session_model *s = t->link->session;

    CHECK(pk->codes.n == w.count);
    for (unsigned i = 0; i < w.count; i++) {
        CHECK((uint8_t)pk->codes.p[i] == w.want[i]);
        for (unsigned k = 0; s && k < s->slots[w.filter[i]].count; k++) {
            struct version *v = &s->slots[w.filter[i]].v[k];

            if (v->sent == (unsigned)w.pub)
                v->acked = tick;
            else if (v->sent < (unsigned)w.pub && !v->ended)
                v->ended = tick;
        }
    }
}

static void unsuback_told(struct talk *t, const struct mqtt_packet *p)
{
    struct awaited w = answer_told(t, MQTT_UNSUBACK, p->suback.packet_id, false);
    struct session_model *s = t->link->session;

    if (t->version == MQTT_V5)
        CHECK(p->suback.codes.n == w.count);
    for (unsigned i = 0; i < w.count; i++) {
        if (t->version == MQTT_V5 && !w.may_differ[i])
            CHECK((uint8_t)p->suback.codes.p[i] == w.want[i]);
        for (unsigned k = 0; s && k < s->slots[w.filter[i]].count; k++)
            if (!s->slots[w.filter[i]].v[k].ended && s->slots[w.filter[i]].v[k].unsub &&
                s->slots[w.filter[i]].v[k].unsub <= (unsigned)w.pub)
                s->slots[w.filter[i]].v[k].ended = tick;
    }
}

/* Another attempt of the same client that it knows nothing of may have taken everything away. */
static void session_blur(struct session_model *s)
{
    const struct client_model *c = &clients[s->client];

    for (unsigned i = 0; i < c->out_count; i++)
        pubs[c->out[i].pub].anew = true;
    s->life = ++lives;
    if (has_share(s))
        share_churn = share_loss = tick;
    s->debt_count = 0;
    for (unsigned f = 0; f < FILTERS; f++)
        for (unsigned i = 0; i < s->slots[f].count; i++)
            s->slots[f].v[i].acked = 0;
    for (unsigned i = 0; i < s->flight_count; i++)
        s->flights[i].blur = true;
}

static bool fits_into(const struct talk *t, const struct pub *p)
{
    return !p->big || t->max_packet > 1000;
}

static void will_is_due(struct pub *p);

/* Perhaps a CONNECT of its client that had no answer has ended its session, perhaps not. */
static void will_is_doubtful(struct pub *p)
{
    will_is_due(p);
    p->sent = clients[p->by].unsure_since;
    p->doubtful = p->maybe = true;
}

static bool will_waits(const struct pub *p, int client)
{
    return p->will && p->by == client && p->due_ms && (!p->sent || p->early);
}

static void connack_told(struct talk *t, const struct mqtt_connack *pk)
{
    struct client_model *c = &clients[t->client];
    struct session_model *s = c->s;

    trace("        to %d: CONNACK %u, present %d", t->client, pk->code, pk->session_present);
    CHECK(!t->open && pk->code == 0);
    if (t->clean)
        CHECK(!pk->session_present); /* 3.2.2-2 */
    else if (!c->unsure)
        CHECK(pk->session_present == (s != NULL)); /* 3.2.2-3 */
    if (!pk->session_present || !s) {
        for (unsigned i = 0; i < pub_count; i++) /* 3.1.3.2.2: or when the session ends */
            if (will_waits(&pubs[i], t->client)) {
                if (c->unsure) {
                    will_is_doubtful(&pubs[i]);
                    continue;
                }
                will_is_due(&pubs[i]);
                pubs[i].sent = t->asked; /* some time since then */
            }
        session_over(s);
        s = c->s = session_begins(t->client);
        c->out_count = 0; /* even if it never reads it: else it could not know */
    } else if (c->unsure) {
        session_blur(s);
    }
    for (unsigned i = 0; i < pub_count; i++) { /* 3.1.3.2.2: it came back in time */
        if (!will_waits(&pubs[i], t->client))
            continue;
        if (c->unsure)
            will_is_doubtful(&pubs[i]);
        pubs[i].due_ms = 0;
    }
    c->unsure = false;
    s->away = false;
    s->ends_ms = UINT64_MAX;
    s->expiry_s = t->expiry_s;
    if (has_share(s))
        share_churn = tick;
    for (unsigned i = 0; i < s->flight_count; i++) {
        struct flight *f = &s->flights[i];

        f->again = true;
        f->blur |= (f->state == FLIES || f->state == RECEIVED) && f->pub >= 0 &&
                   !fits_into(t, &pubs[f->pub]); /* 3.1.2-25 */
    }
    t->open = tick;
    t->link->session = s;
    if (t->will >= 0)
        pubs[t->will].life = s->life;
}

static struct talk *talk_of(const struct link *k)
{
    struct talk *t = talks;

    while (t && t->link != k)
        t = t->next;
    return t;
}

static void link_told(struct link *k, const struct mqtt_packet *pk, size_t n)
{
    struct talk *t = talk_of(k);
    struct awaited w;

    tick++;
    CHECK(n <= t->max_packet); /* 3.1.2-24 */
    CHECK(t->open || pk->type == MQTT_CONNACK);
    CHECK(!t->told);
    switch (pk->type) {
    case MQTT_CONNACK:
        connack_told(t, &pk->connack);
        return;
    case MQTT_PUBLISH:
        publish_told(t, &pk->publish);
        return;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
        w = answer_told(t, (uint8_t)pk->type, pk->ack.packet_id, true);
        CHECK(t->version == MQTT_V311 || pk->ack.code == 0 || pk->ack.code == 0x10);
        if (!pubs[w.pub].acked)
            pubs[w.pub].acked = tick;
        pubs[w.pub].maybe = false;
        return;
    case MQTT_PUBREL:
        pubrel_told(t, pk->ack.packet_id);
        return;
    case MQTT_PUBCOMP:
        answer_told(t, MQTT_PUBCOMP, pk->ack.packet_id, true);
        return;
    case MQTT_SUBACK:
        suback_told(t, &pk->suback);
        return;
    case MQTT_UNSUBACK:
        unsuback_told(t, pk);
        return;
    case MQTT_PINGRESP:
        CHECK(t->pings > 0);
        t->pings--;
        return;
    case MQTT_DISCONNECT:
        CHECK(t->version == MQTT_V5 && pk->reasoned.code >= 0x80);
        t->told = pk->reasoned.code;
        return;
    case MQTT_CONNECT:
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
    case MQTT_PINGREQ:
    case MQTT_AUTH:
        break;
    }
    CHECK_NEVER("a packet that a server may send");
}

/* ---- the end of a connection: wills, sessions ---- */

static void will_is_due(struct pub *p)
{
    if (!p->early) {
        p->sent = tick;
        p->sent_ms = world_ms;
    }
    p->early = false;
    p->due_ms = 0;
    trace("        the will of %d, number %d, is due", p->by, (int)(p - pubs));
}

/* The broker ends it by itself: because the client has come anew, or was silent. */
static void check_end(const struct talk *t)
{
    if (clients[t->client].talk != t) {
        if (t->version == MQTT_V5 && !t->bye)
            CHECK(t->told == MQTT_REASON_TAKEN_OVER); /* 3.1.4-3 */
        return;
    }
    CHECK(t->keep_alive_s > 0 &&
          world_ms >= t->last_sent_ms + t->keep_alive_s * 1500u); /* 3.1.2-22 */
    if (t->version == MQTT_V5)
        CHECK(t->told == MQTT_REASON_KEEP_ALIVE);
}

static void link_ended(struct link *k)
{
    struct talk *t = talk_of(k);
    struct session_model *s = k->session;
    bool orderly = t->bye && k->reading && !t->told;
    uint64_t delay_ms, ends_ms;

    tick++;
    trace("        the connection of %d ends%s (0x%02x)", t->client, orderly ? " orderly" : "",
          t->told);
    t->cut = tick;
    if (!k->cut && !orderly && !t->illegal && t->open)
        check_end(t);
    if (!t->open || !s) {
        if (!t->open && t->will >= 0)
            CHECK(!pubs[t->will].early);
        return;
    }
    if (orderly && t->bye_expiry)
        s->expiry_s = t->bye_expiry_s;
    if (has_share(s))
        share_churn = tick;
    for (unsigned i = 0; i < s->flight_count; i++) { /* 4.8.2: another member may get it */
        struct flight *f = &s->flights[i];

        f->blur |= f->qos == 1 && f->pub >= 0 && pubs[f->pub].topic >= SHARED;
    }
    s->away = true;
    ends_ms = s->expiry_s == UINT32_MAX ? UINT64_MAX : world_ms + (uint64_t)s->expiry_s * 1000;
    s->ends_ms = ends_ms;
    if (t->will >= 0 && (!orderly || t->bye_will)) {
        struct pub *p = &pubs[t->will];

        delay_ms = world_ms + (uint64_t)t->will_delay_s * 1000;
        p->due_ms = delay_ms < ends_ms ? delay_ms : ends_ms;
        if (p->due_ms <= world_ms)
            will_is_due(p);
    }
    if (t->will >= 0)
        CHECK(!pubs[t->will].early); /* 3.14.4-3: an orderly end discards it */
    k->session = NULL;
    if (ends_ms > world_ms)
        return;
    if (!world_journal || clients[t->client].late) {
        session_over(s);
        return;
    }
    if (has_share(s))
        share_loss = tick;
    clients[t->client].late = s;
    clients[t->client].s = NULL;
}

#endif
