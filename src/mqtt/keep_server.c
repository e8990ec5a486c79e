/*
 * Retained messages between the parts. Each topic's message is kept by the shard of its hash. A
 * filter without wildcard asks one shard, any other all of them; what they answer is replayed to
 * the subscriber as fast as it takes it (conn_pump).
 *
 * While a shard is asked, or its answer waits to be sent, a newer message of the same topic may come live. Live
 * retained messages are therefore noted until all was asked for and sent, and what is not newer than what
 * was seen is not sent any more. A slow subscriber may need long for that. So when there are more notes than
 * twice as many as wait, those that nothing waits for are forgotten.
 *
 * limits.mqtt_retained_max is about all shards together. Whoever can be told is asked for a place before anything of
 * the publication is written down, and what got one is kept, so that what is acknowledged as retained is. The others
 * (wills, what comes from inside or was ingested) are written down first; what their shard has no room for is then
 * written down as not retained.
 */
#include "mqtt/broker_part.h"

#include "base/log.h"
#include "base/mem.h"

#include <assert.h>

/* ---- counting ---- */

/* What a shard held before it was changed. */
struct held {
    size_t count, topics, bytes;
};

static struct held held_now(const struct part *p)
{
    return (struct held){ p->retained.count, retained_topics(&p->retained), p->retained.bytes };
}

static void count_change(struct part *p, const struct held *before)
{
    struct held now = held_now(p);

    cell_add(&p->b->retained_count, (uint64_t)now.topics - before->topics);
    metric_gauge_add(p->b->m.retained, (int64_t)now.count - (int64_t)before->count);
    metric_gauge_add(p->b->m.retained_bytes, (int64_t)now.bytes - (int64_t)before->bytes);
}

/* With so many more. */
static bool is_full(const struct broker *b, uint64_t more)
{
    return cell_get(&b->retained_count) + more >= b->limits.mqtt_retained_max;
}

/* One topic too many. client: whose, if that is known. Logged once for each and minute, beside what it is not
 * allowed, which goes by the number itself. */
static void say_full(struct part *p, struct str client, struct str topic)
{
    uint32_t more;

    if (!denials_log(&p->denials, ~siphash(p->b->key, client), loop_now_ms(p->loop), &more) ||
        !part_may_log(p))
        return;
    log_warn("mqtt", "not retained, since there are as many topics as limits.mqtt_retained_max",
             lf_str("topic", topic), lf_str("client", client),
             lf_u64("mqtt_retained_max", p->b->limits.mqtt_retained_max),
             lf_u64("not_logged_before", more));
}

/* ---- keeping ---- */

struct set_mail {
    struct mail mail;
    struct broker *b;
    struct message *m;
    bool has_place;
};

/* It was written down as retained, and is not: a start must not find it. */
static void refuse(struct part *p, const struct message *m)
{
    struct message_source none = { .topic = message_topic(m), .retain = true };

    if (p->b->journal && message_seq(m) != 0)
        persist_unretained(p, message_topic(m), message_seq(m));
    else
        persist_retained(p, &none);
    metric_add(p->b->m.dropped_retained, 1);
    say_full(p, STR_NONE, message_topic(m));
}

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

static void set_here(struct part *p, struct message *m, bool has_place)
{
    struct held before = held_now(p);
    uint64_t outdated = outdated_by(p, m);
    int rc = retained_set(&p->retained, m, has_place || !is_full(p->b, 0));

    if (rc == 0 && outdated != 0)
        persist_unretained(p, message_topic(m), outdated);
    if (rc == ERR_FULL)
        refuse(p, m);
    count_change(p, &before);
}

static void on_set(struct mail *m, struct loop *l)
{
    struct set_mail *k = container_of(m, struct set_mail, mail);

    set_here(part_of(k->b, l), k->m, k->has_place);
    message_unref(k->m);
    mem_free(k);
}

void keep_set(struct part *p, struct message *m, bool has_place)
{
    unsigned shard = broker_shard(p->b, message_topic(m));
    struct set_mail *k;

    if (shard == p->index) {
        set_here(p, m, has_place);
        return;
    }
    k = NEW(struct set_mail);
    k->mail.deliver = on_set;
    k->b = p->b;
    k->m = message_ref(m);
    k->has_place = has_place;
    part_post(p, shard, &k->mail);
}

/* ---- room ---- */

/* Only its shard knows whether a topic is there. It is asked when few more have room, since what is on its way to the
 * shards is not counted yet; and behind what went to it before, so that whoever waits for each answer has at most one
 * under way to each. */
#define FEW_MORE 1024u

struct place_mail {
    struct mail mail;
    struct broker *b;
    struct conn *c;
    unsigned from;
    bool there;
    size_t topic_n;
    char topic[];
};

static enum keep_place place_here(const struct part *p, struct str topic)
{
    return retained_get(&p->retained, topic) ? PLACE_THERE : PLACE_NONE;
}

static void on_place_answer(struct mail *m, struct loop *l)
{
    struct place_mail *k = container_of(m, struct place_mail, mail);
    struct conn *c = k->c;

    part_of(k->b, l)->letters--;
    c->place = k->there ? PLACE_THERE : PLACE_NONE;
    mem_free(k);
    conn_busy_clear(c, BUSY_WAIT);
    conn_unhold(c);
}

static void on_place(struct mail *m, struct loop *l)
{
    struct place_mail *k = container_of(m, struct place_mail, mail);
    struct part *p = part_of(k->b, l);

    k->there = place_here(p, str_from(k->topic, k->topic_n)) == PLACE_THERE;
    m->deliver = on_place_answer;
    part_post(p, k->from, m);
}

static void place_ask(struct conn *c, unsigned shard, struct str topic)
{
    struct part *p = c->part;
    struct place_mail *k = mem_new(sizeof(*k) + topic.n);

    k->mail.deliver = on_place;
    k->b = p->b;
    k->c = c;
    k->from = p->index;
    k->topic_n = topic.n;
    memcpy(k->topic, topic.p, topic.n);
    c->place = PLACE_ASKED;
    c->holds++;
    p->letters++;
    part_post(p, shard, &k->mail);
}

/* What c sent before, and is still on its way to the disk, may be of the same topic, or take the last room. */
static enum keep_room no_place(struct conn *c, struct str topic)
{
    if (!is_full(c->part->b, c->unwritten))
        return KEEP_ROOM;
    if (c->unwritten > 0) {
        conn_busy_set(c, BUSY_WAIT);
        conn_retry_in(c, RETRY_BEHIND_MS);
        return KEEP_LATER;
    }
    say_full(c->part, session_id(c->session), topic);
    return KEEP_FULL;
}

enum keep_room keep_room(struct conn *c, struct str topic)
{
    struct part *p = c->part;
    unsigned shard = broker_shard(p->b, topic);
    enum keep_place place = c->place;

    assert(place != PLACE_ASKED);
    c->place = PLACE_UNKNOWN;
    if (!is_full(p->b, FEW_MORE))
        return KEEP_ROOM;
    if (shard == p->index)
        place = place_here(p, topic);
    if (place == PLACE_UNKNOWN) {
        place_ask(c, shard, topic);
        conn_busy_set(c, BUSY_WAIT);
        return KEEP_LATER;
    }
    return place == PLACE_THERE ? KEEP_ROOM : no_place(c, topic);
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
    struct held before = held_now(p);

    retained_match(&p->retained, str_from(k->filter, k->filter_n), loop_now_ms(l), add_found, k);
    count_change(p, &before);
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
