/*
 * Retained messages between the parts. Each topic's message is kept by the shard of its hash. A
 * filter without wildcard asks one shard, any other all of them; what they answer is replayed to
 * the subscriber as fast as it takes it (conn_pump).
 *
 * While a shard is asked, or its answer waits to be sent, a newer message of the same topic may come live. Live
 * retained messages are therefore noted until all was asked for and sent, and what is not newer than what
 * was seen is not sent any more. A slow subscriber may need long for that. So when there are more notes than
 * twice as many as wait, those that nothing waits for are forgotten.
 */
#include "mqtt/broker_part.h"

#include "base/log.h"
#include "base/mem.h"

#include <assert.h>

/* ---- keeping ---- */

struct set_mail {
    struct mail mail;
    struct broker *b;
    struct message *m;
};

/* The number of what m takes the place of, when that is written down and m is not: published through a listener,
 * or on a topic, that wants less than the one before. Else 0. */
static uint64_t outdated_by(const struct part *p, const struct message *m)
{
    const struct message *old;

    if (!p->b->journal || message_seq(m) != 0 || persist_retains(p->b, message_topic(m)))
        return 0;
    old = retained_get(&p->retained, message_topic(m));
    return old ? message_seq(old) : 0;
}

static void set_here(struct part *p, struct message *m)
{
    size_t before = p->retained.count, bytes = p->retained.bytes;
    uint64_t outdated = outdated_by(p, m);
    int rc = retained_set(&p->retained, m);

    if (rc == 0 && outdated != 0)
        persist_unretained(p, message_topic(m), outdated);
    if (rc == ERR_FULL) {
        metric_add(p->b->m.dropped_retained, 1);
        if (part_may_log(p))
            log_warn("mqtt", "message not retained", lf_str("topic", message_topic(m)),
                     lf_err("error", rc));
    }
    metric_gauge_add(p->b->m.retained, (int64_t)p->retained.count - (int64_t)before);
    metric_gauge_add(p->b->m.retained_bytes, (int64_t)p->retained.bytes - (int64_t)bytes);
}

static void on_set(struct mail *m, struct loop *l)
{
    struct set_mail *k = container_of(m, struct set_mail, mail);

    set_here(part_of(k->b, l), k->m);
    message_unref(k->m);
    mem_free(k);
}

void keep_set(struct part *p, struct message *m)
{
    unsigned shard = broker_shard(p->b, message_topic(m));
    struct set_mail *k;

    if (shard == p->index) {
        set_here(p, m);
        return;
    }
    k = NEW(struct set_mail);
    k->mail.deliver = on_set;
    k->b = p->b;
    k->m = message_ref(m);
    part_post(p, shard, &k->mail);
}

/* ---- asking ---- */

/* A retained message that was delivered live, and the last filter of that moment: those that are
 * added later are to be sent it again. */
struct seen {
    struct retained_age age;
    uint64_t last_ask;
    char topic[]; /* the map's key */
};

struct query_mail {
    struct mail mail;
    struct conn *c;
    uint64_t ask;
    unsigned from;
    uint32_t sub_id, rechecks;
    uint8_t options;
    struct replay *found;
    size_t cap;
    struct broker *b;
    size_t filter_n;
    char filter[];
};

static void add_found(void *ctx, struct message *m)
{
    struct query_mail *k = ctx;
    size_t count = k->found ? k->found->count : 0;

    if (count == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 4;
        k->found = mem_resize(k->found, sizeof(*k->found) + k->cap * sizeof(k->found->messages[0]));
        k->found->count = count;
    }
    k->found->messages[k->found->count++] = message_ref(m);
}

/* Whoever asks for nothing that comes at once has no need of more notes than messages that wait. */
#define SEEN_SPARE 64

static void seen_prune(struct keep *k)
{
    struct map wanted, kept;
    struct map_entry *e;
    size_t at = 0;

    map_init(&wanted);
    map_init(&kept);
    for (struct replay *r = k->replay; r; r = r->next)
        for (size_t i = r->at; i < r->count; i++)
            (void)map_put(&wanted, message_topic(r->messages[i]), r->messages[i]);
    while ((e = map_next(k->seen, &at))) {
        struct seen *s = e->value;

        if (map_get(&wanted, str_from(e->key, e->key_n)))
            (void)map_put(&kept, str_from(e->key, e->key_n), s);
        else
            mem_free(s);
    }
    map_fini(&wanted);
    map_fini(k->seen);
    *k->seen = kept;
}

void keep_note(struct conn *c, struct publication *pub)
{
    struct keep *k = c->keep;
    struct str topic = pub->src.topic;
    struct seen *s;

    if (!pub->src.retain || !k)
        return;
    if (!k->seen) {
        k->seen = NEW(struct map);
        map_init(k->seen);
    }
    s = map_get(k->seen, topic);
    if (!s) {
        if (k->queries == 0 && k->seen->count >= 2 * k->replay_pending + SEEN_SPARE)
            seen_prune(k);
        s = mem_new(sizeof(*s) + topic.n);
        memcpy(s->topic, topic.p, topic.n);
        (void)map_put(k->seen, str_from(s->topic, topic.n), s);
    }
    s->age = (struct retained_age){ pub->src.seq, pub->src.stamp };
    s->last_ask = k->last_ask;
}

bool keep_is_seen(const struct conn *c, const struct replay *r, const struct message *m)
{
    const struct seen *live = c->keep->seen ? map_get(c->keep->seen, message_topic(m)) : NULL;

    return live && live->last_ask >= r->ask && !retained_is_later(retained_age(m), live->age);
}

static bool is_wanted(struct conn *c, const struct query_mail *k, const struct message *m)
{
    return conn_is_open(c) &&
           (k->rechecks == c->part->rechecks || recheck_receives(c->part, c->session, m));
}

static void replay_add(struct conn *c, struct query_mail *k)
{
    struct replay *r = k->found;
    size_t kept = 0;

    for (size_t i = 0; i < r->count; i++) {
        if (is_wanted(c, k, r->messages[i]))
            r->messages[kept++] = r->messages[i];
        else
            message_unref(r->messages[i]);
    }
    if (kept == 0) {
        mem_free(r);
        return;
    }
    c->keep->replay_pending += kept;
    r->next = NULL;
    r->count = kept;
    r->at = 0;
    r->ask = k->ask;
    r->sub_id = k->sub_id;
    r->options = k->options;
    *c->keep->replay_last = r;
    c->keep->replay_last = &r->next;
}

static void seen_free(struct keep *k)
{
    struct map_entry *e;
    size_t at = 0;

    if (!k->seen)
        return;
    while ((e = map_next(k->seen, &at)))
        mem_free(e->value);
    map_fini(k->seen);
    mem_free(k->seen);
    k->seen = NULL;
}

void keep_done(struct conn *c)
{
    struct keep *k = c->keep;

    if (!k || k->queries > 0 || k->asks || k->replay)
        return;
    seen_free(k);
    mem_free(k);
    c->keep = NULL;
}

static void on_answer(struct mail *m, struct loop *l)
{
    struct query_mail *k = container_of(m, struct query_mail, mail);
    struct conn *c = k->c;

    part_of(k->b, l)->letters--;
    if (k->found)
        replay_add(c, k);
    mem_free(k);
    c->keep->queries--;
    keep_next(c);
    conn_pump(c);
    keep_done(c);
    conn_unhold(c);
}

static void on_query(struct mail *m, struct loop *l)
{
    struct query_mail *k = container_of(m, struct query_mail, mail);
    struct part *p = part_of(k->b, l);
    size_t before = p->retained.count, bytes = p->retained.bytes;

    retained_match(&p->retained, str_from(k->filter, k->filter_n), loop_now_ms(l), add_found, k);
    metric_gauge_add(p->b->m.retained, (int64_t)p->retained.count - (int64_t)before);
    metric_gauge_add(p->b->m.retained_bytes, (int64_t)p->retained.bytes - (int64_t)bytes);
    m->deliver = on_answer;
    part_post(p, k->from, m);
}

/* A filter that waits to be asked for. */
struct keep_ask {
    struct keep_ask *next;
    uint64_t number; /* counted per connection */
    uint32_t sub_id;
    uint8_t options;
    size_t filter_n;
    char filter[];
};

static void query_shard(struct conn *c, unsigned shard, const struct keep_ask *a)
{
    struct part *p = c->part;
    struct query_mail *k = mem_new(sizeof(*k) + a->filter_n);

    k->mail.deliver = on_query;
    k->b = p->b;
    k->c = c;
    k->from = p->index;
    k->ask = a->number;
    k->sub_id = a->sub_id;
    k->rechecks = p->rechecks;
    k->options = a->options;
    k->filter_n = a->filter_n;
    memcpy(k->filter, a->filter, a->filter_n);
    c->holds++;
    c->keep->queries++;
    p->letters++;
    part_post(p, shard, &k->mail);
}

/* ---- in turn ---- */

void keep_query(struct conn *c, struct str filter, uint8_t options, uint32_t sub_id)
{
    struct keep *k = c->keep;
    struct keep_ask *a;

    if (!k) {
        k = c->keep = NEW(struct keep);
        k->replay_last = &k->replay;
        k->asks_last = &k->asks;
    }
    if (k->ask_count >= c->part->b->session_limits.subscriptions_max) {
        metric_add(c->part->b->m.dropped_retained, 1);
        return;
    }
    a = mem_new(sizeof(*a) + filter.n);
    a->number = ++k->last_ask;
    a->sub_id = sub_id;
    a->options = options;
    a->filter_n = filter.n;
    memcpy(a->filter, filter.p, filter.n);
    *k->asks_last = a;
    k->asks_last = &a->next;
    k->ask_count++;
    keep_next(c);
}

/* The first whose subscription is still there (MQTT 5, 3.10.4: what has ended gets nothing new); the others are
 * dropped. */
static struct keep_ask *take_ask(struct conn *c)
{
    struct keep *k = c->keep;
    struct keep_ask *a;

    while ((a = k->asks)) {
        k->asks = a->next;
        k->ask_count--;
        if (session_has_subscription(c->session, str_from(a->filter, a->filter_n)))
            break;
        mem_free(a);
    }
    if (!k->asks)
        k->asks_last = &k->asks;
    return a;
}

void keep_next(struct conn *c)
{
    struct broker *b = c->part->b;
    struct keep *k = c->keep;
    struct keep_ask *a;
    struct str filter;

    if (!k || !k->asks || k->queries > 0 || !conn_is_open(c) ||
        k->replay_pending >= b->limits.mqtt_retained_max)
        return;
    a = take_ask(c);
    if (!a) {
        keep_done(c);
        return;
    }
    filter = str_from(a->filter, a->filter_n);
    if (mqtt_filter_is_plain(filter))
        query_shard(c, broker_shard(b, filter), a);
    else
        for (unsigned i = 0; i < b->count; i++)
            query_shard(c, i, a);
    mem_free(a);
}

void keep_recheck(struct conn *c)
{
    struct keep *k = c->keep;
    struct keep_ask **at;

    if (!k)
        return;
    at = &k->asks;
    while (*at) {
        struct keep_ask *a = *at;

        if (session_has_subscription(c->session, str_from(a->filter, a->filter_n))) {
            at = &a->next;
            continue;
        }
        *at = a->next;
        k->ask_count--;
        mem_free(a);
    }
    k->asks_last = at;
    for (struct replay *r = k->replay; r; r = r->next) {
        size_t kept = r->at;

        for (size_t i = r->at; i < r->count; i++) {
            if (recheck_receives(c->part, c->session, r->messages[i]))
                r->messages[kept++] = r->messages[i];
            else
                message_unref(r->messages[i]);
        }
        k->replay_pending -= r->count - kept;
        r->count = kept;
    }
    keep_done(c);
}

void keep_forget(struct conn *c)
{
    struct keep *k = c->keep;

    if (!k)
        return;
    while (k->asks) {
        struct keep_ask *a = k->asks;

        k->asks = a->next;
        mem_free(a);
    }
    k->asks_last = &k->asks;
    k->ask_count = 0;
    while (k->replay) {
        struct replay *r = k->replay;

        k->replay = r->next;
        while (r->at < r->count)
            message_unref(r->messages[r->at++]);
        mem_free(r);
    }
    k->replay_last = &k->replay;
    k->replay_pending = 0;
    seen_free(k);
    keep_done(c);
}
