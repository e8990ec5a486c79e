/*
 * Looking at the broker: sessions and subscriptions, asked of every worker in turn by one letter that
 * goes round, and ending a connection or a session in the same way.
 *
 * A hub may have a hundred thousand sessions and the loops have better to do, so a page costs each
 * worker one walk over its sessions, without copying more than a page: the smallest client ids are
 * kept in a heap. Who asks puts the pages of the workers together.
 */
#include "mqtt/broker_part.h"

#include "base/clock.h"
#include "base/mem.h"
#include "wire/mqtt_topic.h"

#include <stdlib.h>

/* ---- one worker's share of a page ---- */

struct look_mail {
    struct mail mail;
    struct broker *b;
    struct broker_look what; /* texts: in bytes */
    unsigned asker, at;
    void (*done)(void *ctx, const struct broker_looked *found);
    void *ctx;
    struct broker_session_info *sessions; /* texts of both lists: heap copies */
    size_t session_count, session_cap;
    struct broker_subscription_info *subs;
    size_t sub_count, sub_cap;
    size_t total;
    bool address; /* what is searched for may be one */
    size_t bytes_n;
    char bytes[];
};

/* The sessions of this worker that are to be shown: a heap with the largest client id on top when the
 * page has a limit. */
struct pick {
    struct holding **list;
    size_t count, cap, most;
};

static int by_id(const struct holding *a, const struct holding *b)
{
    return str_cmp(session_id(a->s), session_id(b->s));
}

static void swap(struct holding **a, struct holding **b)
{
    struct holding *t = *a;

    *a = *b;
    *b = t;
}

static void sink(struct pick *p)
{
    for (size_t at = 0, child; (child = 2 * at + 1) < p->count; at = child) {
        if (child + 1 < p->count && by_id(p->list[child], p->list[child + 1]) < 0)
            child++;
        if (by_id(p->list[at], p->list[child]) >= 0)
            return;
        swap(&p->list[at], &p->list[child]);
    }
}

static void pick_add(struct pick *p, struct holding *h)
{
    if (p->most > 0 && p->count == p->most) {
        if (by_id(h, p->list[0]) >= 0)
            return;
        p->list[0] = h;
        sink(p);
        return;
    }
    if (p->count == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->list = mem_resize(p->list, p->cap * sizeof(struct holding *));
    }
    p->list[p->count++] = h;
    for (size_t at = p->count - 1; p->most > 0 && at > 0; at = (at - 1) / 2)
        if (by_id(p->list[at], p->list[(at - 1) / 2]) > 0)
            swap(&p->list[at], &p->list[(at - 1) / 2]);
}

static bool has(struct str s, struct str part)
{
    return str_find_str(s, part) < s.n || part.n == 0;
}

static struct str user_of(const struct session *s)
{
    return s->who && s->who->role != ROLE_ANONYMOUS ? s->who->name : STR_NONE;
}

static bool is_searched(const struct look_mail *r, const struct session *s)
{
    const struct conn *c = s->conn;
    char peer[ADDR_TEXT_SIZE];

    if (!r->what.search.p || has(session_id(s), r->what.search) || has(user_of(s), r->what.search))
        return true;
    return c && r->address && has(str_of(addr_format(conn_peer(c), peer)), r->what.search);
}

static bool is_wanted_sub(const struct look_mail *r, const struct session *s, uint32_t at)
{
    struct str filter = str_from(s->subs[at].filter, s->subs[at].filter_n), group, inner = filter;

    if (r->what.search.p && !has(filter, r->what.search) && !is_searched(r, s))
        return false;
    if (!r->what.topic.p)
        return true;
    if (mqtt_share_split(filter, &group, &inner) != MQTT_SHARE_YES)
        inner = filter;
    return mqtt_filter_matches(inner, r->what.topic);
}

static bool is_behind(const struct look_mail *r, const struct session *s, uint32_t at)
{
    int order = r->what.after.p ? str_cmp(session_id(s), r->what.after) : 1;

    return order > 0 || (order == 0 && r->what.subscriptions && at > r->what.after_at);
}

/* Counts what there is, and says whether some of it belongs to this page or one behind it. */
static bool count(struct look_mail *r, const struct session *s)
{
    bool behind = false;

    if (!r->what.subscriptions) {
        if (!is_searched(r, s))
            return false;
        r->total++;
        return is_behind(r, s, 0);
    }
    for (uint32_t i = 0; i < s->sub_count; i++) {
        if (!is_wanted_sub(r, s, i))
            continue;
        r->total++;
        behind |= is_behind(r, s, i);
    }
    return behind || r->what.client.p;
}

static void look_at(struct look_mail *r, struct pick *p, struct holding *h)
{
    bool connected = h->s->conn != NULL;

    if (r->what.presence != BROKER_ANY && connected != (r->what.presence == BROKER_CONNECTED))
        return;
    if (count(r, h->s))
        pick_add(p, h);
}

/* ---- copying it ---- */

static struct str copy(struct str s)
{
    return s.p ? str_from(str_dup(s), s.n) : STR_NONE;
}

/* Also when the clock was set since then. */
static int64_t wall_of(uint64_t uptime_ns)
{
    return clock_wall_ns() - (int64_t)(clock_uptime_ns() - uptime_ns);
}

static int64_t away_since(const struct session *s)
{
    return s->away_ms == SESSION_NEVER_AWAY ? 0 : wall_of((uint64_t)s->away_ms * 1000000);
}

static void add_session(struct look_mail *r, const struct holding *h)
{
    const struct session *s = h->s;
    const struct conn *c = s->conn;
    struct broker_session_info *i;

    if (r->session_count == r->session_cap) {
        r->session_cap = r->session_cap ? r->session_cap * 2 : 16;
        r->sessions = mem_resize(r->sessions, r->session_cap * sizeof(*r->sessions));
    }
    i = &r->sessions[r->session_count++];
    *i = (struct broker_session_info){
        .client_id = copy(session_id(s)),
        .user = copy(user_of(s)),
        .connected = c != NULL,
        .will = s->will != NULL,
        .worker = h->part->index,
        .expiry_s = s->expiry_s,
        .subscriptions = s->sub_count,
        .queued = s->queued_messages,
        .queued_bytes = s->queued_bytes,
        .inflight = s->open,
        .dropped = s->dropped,
        .throttled = c && c->rate ? c->rate->pauses : 0,
        .since_wall_ns = c ? wall_of(c->since_uptime_ns) : away_since(s),
    };
    if (!c)
        return;
    addr_format(conn_peer(c), i->peer);
    i->websocket = c->stream == NULL;
    i->tls = conn_is_tls(c);
    i->version = c->version;
    i->keep_alive_s = c->keep_alive_s;
    i->received = c->received;
    i->sent = c->sent;
}

static void add_sub(struct look_mail *r, const struct session *s, uint32_t at)
{
    const struct session_sub *sub = &s->subs[at];

    if (r->sub_count == r->sub_cap) {
        r->sub_cap = r->sub_cap ? r->sub_cap * 2 : 16;
        r->subs = mem_resize(r->subs, r->sub_cap * sizeof(*r->subs));
    }
    r->subs[r->sub_count++] = (struct broker_subscription_info){
        .client_id = copy(session_id(s)),
        .filter = copy(str_from(sub->filter, sub->filter_n)),
        .at = at,
        .sub_id = sub->sub_id,
        .options = sub->options,
    };
}

static int by_pointer(const void *a, const void *b)
{
    return by_id(*(struct holding *const *)a, *(struct holding *const *)b);
}

static void take(struct look_mail *r, struct pick *p)
{
    size_t first = r->sub_count;

    if (!r->what.subscriptions || r->what.client.p)
        for (size_t i = 0; i < p->count; i++)
            add_session(r, p->list[i]);
    if (!r->what.subscriptions)
        return;
    if (p->count > 0)
        qsort(p->list, p->count, sizeof(struct holding *), by_pointer);
    for (size_t i = 0; i < p->count; i++) {
        const struct session *s = p->list[i]->s;

        for (uint32_t k = 0; k < s->sub_count; k++) {
            if (p->most > 0 && r->sub_count - first == p->most)
                return;
            if (is_behind(r, s, k) && is_wanted_sub(r, s, k))
                add_sub(r, s, k);
        }
    }
}

static void look_here(struct look_mail *r, struct part *part)
{
    struct pick p = { .most = r->what.limit > 0 ? r->what.limit + 1 : 0 };
    struct map_entry *e;
    struct holding *h;
    size_t at = 0;

    if (r->what.client.p) {
        h = map_get(&part->holdings, r->what.client);
        if (h)
            look_at(r, &p, h);
    } else {
        while ((e = map_next(&part->holdings, &at)))
            look_at(r, &p, e->value);
    }
    take(r, &p);
    mem_free(p.list);
}

/* ---- the whole page ---- */

static int by_session(const void *a, const void *b)
{
    const struct broker_session_info *x = a, *y = b;

    return str_cmp(x->client_id, y->client_id);
}

static int by_sub(const void *a, const void *b)
{
    const struct broker_subscription_info *x = a, *y = b;
    int order = str_cmp(x->client_id, y->client_id);

    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static void drop(struct str s)
{
    mem_free((void *)(uintptr_t)s.p);
}

static void look_end(struct look_mail *r)
{
    size_t most = r->what.limit > 0 ? r->what.limit : SIZE_MAX;
    struct broker_looked found = {
        .sessions = r->sessions,
        .session_count = r->session_count < most ? r->session_count : most,
        .subscriptions = r->subs,
        .subscription_count = r->sub_count < most ? r->sub_count : most,
        .total = r->total,
        .more = (r->what.subscriptions ? r->sub_count : r->session_count) > most,
    };

    if (r->what.limit > 0 && r->session_count > 1)
        qsort(r->sessions, r->session_count, sizeof(*r->sessions), by_session);
    if (r->what.limit > 0 && r->sub_count > 1)
        qsort(r->subs, r->sub_count, sizeof(*r->subs), by_sub);
    r->done(r->ctx, &found);
    for (size_t i = 0; i < r->session_count; i++) {
        drop(r->sessions[i].client_id);
        drop(r->sessions[i].user);
    }
    for (size_t i = 0; i < r->sub_count; i++) {
        drop(r->subs[i].client_id);
        drop(r->subs[i].filter);
    }
    mem_free(r->sessions);
    mem_free(r->subs);
    mem_free(r);
}

static void on_round(struct mail *m, struct loop *l)
{
    struct look_mail *r = container_of(m, struct look_mail, mail);
    struct part *p = part_of(r->b, l);

    if (r->at == r->b->count) {
        p->letters--;
        look_end(r);
        return;
    }
    look_here(r, p);
    r->at++;
    part_post(p, r->at == r->b->count ? r->asker : r->at, m);
}

static void keep(struct look_mail *r, struct str *s)
{
    struct str from = *s;

    if (!from.p)
        return;
    *s = str_from(r->bytes + r->bytes_n, from.n);
    if (from.n > 0)
        memcpy(r->bytes + r->bytes_n, from.p, from.n);
    r->bytes_n += from.n;
}

static bool may_be_address(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && c != '.' && c != ':' &&
            c != '[' && c != ']' && !has(STR("unix"), str_sub(s, i, 1)))
            return false;
    }
    return s.n > 0;
}

void broker_look(struct broker *b, struct loop *l, const struct broker_look *what,
                 void (*done)(void *ctx, const struct broker_looked *found), void *ctx)
{
    struct look_mail *r =
        mem_new(sizeof(*r) + what->client.n + what->search.n + what->topic.n + what->after.n);

    r->mail.deliver = on_round;
    r->b = b;
    r->asker = loop_index(l);
    r->done = done;
    r->ctx = ctx;
    r->what = *what;
    keep(r, &r->what.client);
    keep(r, &r->what.search);
    keep(r, &r->what.topic);
    keep(r, &r->what.after);
    r->address = may_be_address(r->what.search);
    part_of(b, l)->letters++;
    part_post(part_of(b, l), 0, &r->mail);
}

/* ---- ending a connection ---- */

struct kick_mail {
    struct mail mail;
    struct broker *b;
    unsigned asker, at;
    bool end_session;
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
    here = holding_kick(p, str_from(k->id, k->id_n), k->end_session);
    if (here < k->result)
        k->result = here;
    k->at++;
    part_post(p, k->at == k->b->count ? k->asker : k->at, m);
}

void broker_kick(struct broker *b, struct loop *l, struct str client_id, bool end_session,
                 void (*done)(void *ctx, enum broker_kick result), void *ctx)
{
    struct kick_mail *k = mem_new(sizeof(*k) + client_id.n);

    k->mail.deliver = on_kick;
    k->b = b;
    k->asker = loop_index(l);
    k->end_session = end_session;
    k->result = BROKER_KICK_UNKNOWN;
    k->done = done;
    k->ctx = ctx;
    k->id_n = client_id.n;
    if (client_id.n > 0)
        memcpy(k->id, client_id.p, client_id.n);
    part_of(b, l)->letters++;
    part_post(part_of(b, l), 0, &k->mail);
}

/* ---- counts ---- */

static uint64_t gauge(const struct metric *m)
{
    int64_t n = m ? metric_gauge_value(m) : 0;

    return n > 0 ? (uint64_t)n : 0;
}

static uint64_t value(const struct metric *m)
{
    return m ? metric_value(m) : 0;
}

void broker_stats(const struct broker *b, struct broker_stats *out)
{
    const struct broker_metrics *m = &b->m;

    *out = (struct broker_stats){
        .connected = gauge(m->connected),
        .sessions = gauge(m->sessions),
        .subscriptions = gauge(m->subscriptions),
        .shared = gauge(m->shared),
        .retained = gauge(m->retained),
        .received_bytes = value(m->received_bytes),
        .dropped_slow = value(m->dropped_slow),
        .dropped_queue = value(m->dropped_queue),
        .dropped_size = value(m->dropped_size),
        .dropped_expired = value(m->dropped_expired),
        .dropped_retained = value(m->dropped_retained),
        .dropped_mount = value(m->dropped_mount),
        .dropped_oldest = value(m->dropped_oldest),
        .dropped_offline = value(m->dropped_offline),
        .denied_publish = value(m->denied_publish),
        .denied_subscribe = value(m->denied_subscribe),
        .refused_ingest = value(m->refused_ingest),
        .connects = value(m->connects),
        .connects_refused = value(m->refused),
        .keep_alive_timeouts = value(m->kept_alive),
        .taken_over = value(m->taken_over),
        .protocol_errors = value(m->proto_errors),
    };
    for (int q = 0; q < 3; q++) {
        out->received[q] = value(m->received[q]);
        out->sent[q] = value(m->sent[q]);
    }
}
