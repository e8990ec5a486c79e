/*
 * Looking at the broker: the list of sessions, asked of every worker in turn by one letter that
 * goes round; ending a connection in the same way; and the $SYS topics that monitoring of existing brokers reads (version, uptime,
 * clients, messages), published by worker 0.
 */
#include "mqtt/broker_part.h"

#include "base/mem.h"

#include <stdio.h>

/* ---- sessions ---- */

struct round_mail {
    struct mail mail;
    struct broker *b;
    unsigned asker, at;
    void (*done)(void *ctx, const struct broker_session_info *all, size_t count);
    void *ctx;
    struct broker_session_info *all; /* client_id and user: heap copies */
    size_t count, cap;
};

static void add_info(struct round_mail *r, const struct holding *h)
{
    const struct session *s = h->s;
    const struct conn *c = s->conn;
    struct broker_session_info *i;

    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 16;
        r->all = mem_resize(r->all, r->cap * sizeof(*r->all));
    }
    i = &r->all[r->count++];
    *i = (struct broker_session_info){
        .client_id = str_from(str_dup(session_id(s)), s->client_id_n),
        .user = s->who ? str_from(str_dup(s->who->name), s->who->name.n) : STR_NONE,
        .connected = c != NULL,
        .worker = h->part->index,
        .subscriptions = s->sub_count,
        .queued = s->queued_messages,
        .inflight = s->open,
        .dropped = s->dropped,
        .throttled = c && c->rate ? c->rate->pauses : 0,
        .since_wall_ns = h->since_wall_ns,
    };
    if (!c)
        return;
    addr_format(conn_peer(c), i->peer);
    i->websocket = c->stream == NULL;
    i->tls = conn_is_tls(c);
    i->version = c->version;
}

static void round_end(struct round_mail *r)
{
    r->done(r->ctx, r->all, r->count);
    for (size_t i = 0; i < r->count; i++) {
        mem_free((void *)(uintptr_t)r->all[i].client_id.p);
        mem_free((void *)(uintptr_t)r->all[i].user.p);
    }
    mem_free(r->all);
    mem_free(r);
}

static void on_round(struct mail *m, struct loop *l)
{
    struct round_mail *r = container_of(m, struct round_mail, mail);
    struct part *p = part_of(r->b, l);
    struct map_entry *e;
    size_t at = 0;

    if (r->at == r->b->count) {
        p->letters--;
        round_end(r);
        return;
    }
    while ((e = map_next(&p->holdings, &at)))
        add_info(r, e->value);
    r->at++;
    part_post(p, r->at == r->b->count ? r->asker : r->at, m);
}

void broker_sessions(struct broker *b, struct loop *l,
                     void (*done)(void *ctx, const struct broker_session_info *all, size_t count),
                     void *ctx)
{
    struct round_mail *r = NEW(struct round_mail);

    r->mail.deliver = on_round;
    r->b = b;
    r->asker = loop_index(l);
    r->done = done;
    r->ctx = ctx;
    part_of(b, l)->letters++;
    part_post(part_of(b, l), 0, &r->mail);
}

/* ---- ending a connection ---- */

struct kick_mail {
    struct mail mail;
    struct broker *b;
    unsigned asker, at;
    enum broker_kick result;
    void (*done)(void *ctx, enum broker_kick result);
    void *ctx;
    size_t id_n;
    char id[];
};

/* Goes round like the list: while a session moves, either worker may have it. */
static void on_kick(struct mail *m, struct loop *l)
{
    struct kick_mail *k = container_of(m, struct kick_mail, mail);
    struct part *p = part_of(k->b, l);
    enum broker_kick here;

    if (k->at == k->b->count) {
        p->letters--;
        k->done(k->ctx, k->result);
        mem_free(k);
        return;
    }
    here = holding_kick(p, str_from(k->id, k->id_n));
    if (here < k->result)
        k->result = here;
    k->at++;
    part_post(p, k->at == k->b->count ? k->asker : k->at, m);
}

void broker_kick(struct broker *b, struct loop *l, struct str client_id,
                 void (*done)(void *ctx, enum broker_kick result), void *ctx)
{
    struct kick_mail *k = mem_new(sizeof(*k) + client_id.n);

    k->mail.deliver = on_kick;
    k->b = b;
    k->asker = loop_index(l);
    k->result = BROKER_KICK_UNKNOWN;
    k->done = done;
    k->ctx = ctx;
    k->id_n = client_id.n;
    if (client_id.n > 0)
        memcpy(k->id, client_id.p, client_id.n);
    part_of(b, l)->letters++;
    part_post(part_of(b, l), 0, &k->mail);
}

uint64_t broker_connected(const struct broker *b)
{
    int64_t n = metric_gauge_value(b->m.connected);

    return n > 0 ? (uint64_t)n : 0;
}

/* ---- $SYS ---- */

static void say(struct part *p, const char *topic, const char *value)
{
    int rc = broker_publish_bytes(p->b, p->loop, str_of(topic), str_of(value), 0, BROKER_RETAIN);

    (void)rc; /* the topics are constants of ours */
}

static void say_u64(struct part *p, const char *topic, uint64_t v)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    say(p, topic, text);
}

static uint64_t sum(struct metric *const m[3])
{
    return metric_value(m[0]) + metric_value(m[1]) + metric_value(m[2]);
}

static void tell(struct part *p)
{
    const struct broker_metrics *m = &p->b->m;
    char text[48];

    snprintf(text, sizeof(text), "%llu seconds",
             (unsigned long long)((loop_now_ms(p->loop) - p->started_ms) / 1000));
    say(p, "$SYS/broker/version", p->b->version);
    say(p, "$SYS/broker/uptime", text);
    say_u64(p, "$SYS/broker/clients/connected", broker_connected(p->b));
    say_u64(p, "$SYS/broker/subscriptions/count", (uint64_t)metric_gauge_value(m->subscriptions));
    say_u64(p, "$SYS/broker/retained messages/count", (uint64_t)metric_gauge_value(m->retained));
    say_u64(p, "$SYS/broker/messages/received", sum(m->received));
    say_u64(p, "$SYS/broker/messages/sent", sum(m->sent));
}

static void on_sys(struct timer *t)
{
    struct part *p = container_of(t, struct part, sys_timer);

    tell(p);
    timer_start(t, p->b->sys_interval_ms);
}

void sys_start(struct part *p)
{
    timer_init(&p->sys_timer, p->loop, on_sys);
    p->started_ms = loop_now_ms(p->loop);
    if (p->index == 0 && p->b->version)
        on_sys(&p->sys_timer);
}
