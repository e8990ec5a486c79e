/* What holds whatever the order in which mail between workers arrives: who has a shared subscription's message, the
 * newest of what is retained, nothing missed behind a SUBACK, the order of one publisher. */
#include "slow_mail.h"

#include "slow_disk.h"

enum { WORKERS = 3, PUBLISHERS = 2, NUMBERS = 20000, WAIT_MS = RIG_WAIT_MS };

/* A client that answers whatever comes, and says what it has got. */
struct peer {
    struct client c;
    bool held[UINT16_MAX + 1]; /* QoS 2: ids not yet released */
    unsigned acked;            /* of what it publishes */
    unsigned sent;
    bool subscribed, unsubscribed; /* it was told so */
    unsigned connection;           /* counts */
};

typedef void on_publication(void *ctx, struct peer *p, const struct mqtt_publish *pk);

static void answer(struct peer *p, enum mqtt_type type, uint16_t id)
{
    struct mqtt_packet pk = { .type = type, .ack = { .packet_id = id } };

    client_send(&p->c, &pk);
}

static void take(struct peer *p, const struct mqtt_packet *pk, on_publication *on, void *ctx)
{
    uint16_t id = pk->publish.packet_id;
    uint8_t qos = pk->publish.qos;

    switch (pk->type) {
    case MQTT_PUBLISH:
        if (qos < 2 || !p->held[id])
            on(ctx, p, &pk->publish);
        p->held[id] |= qos == 2;
        if (qos > 0)
            answer(p, qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, id);
        break;
    case MQTT_PUBREL:
        p->held[pk->ack.packet_id] = false;
        answer(p, MQTT_PUBCOMP, pk->ack.packet_id);
        break;
    case MQTT_PUBREC:
        answer(p, MQTT_PUBREL, pk->ack.packet_id);
        break;
    case MQTT_PUBACK:
    case MQTT_PUBCOMP:
        p->acked++;
        break;
    case MQTT_SUBACK:
        p->subscribed = true;
        break;
    case MQTT_UNSUBACK:
        p->unsubscribed = true;
        break;
    default:
        fail_msg("packet of type %d", pk->type);
    }
}

/* Whatever has come; a connection that has ended is closed. */
static void read_all(struct peer *p, on_publication *on, void *ctx)
{
    struct mqtt_packet pk;
    int rc = -1;

    while (p->c.fd >= 0 && (rc = client_read(&p->c, &pk, 0)) == 1)
        take(p, &pk, on, ctx);
    if (rc == 0)
        client_close(&p->c);
}

static void publish_number(struct peer *p, const char *topic, unsigned n, uint8_t qos, bool retain)
{
    char payload[16];
    struct mqtt_packet pk;

    snprintf(payload, sizeof(payload), "%u", n);
    pk = publish_packet(topic, payload, qos, retain, (uint16_t)(p->sent % 60000 + 1));
    client_send(&p->c, &pk);
    p->sent++;
}

static unsigned number_of(const struct mqtt_publish *pk)
{
    uint64_t n = 0;

    assert_int_equal(str_to_u64(pk->payload, &n), 0);
    assert_true(n < NUMBERS);
    return (unsigned)n;
}

static void ask(struct peer *p, enum mqtt_type type, const char *filter, uint8_t qos)
{
    struct mqtt_packet pk = { .type = type, .subscribe = { .packet_id = 7, .count = 1 } };
    struct mqtt_sub sub = { .filter = str_of(filter), .qos = qos };
    struct buf list = buf_init(1000);

    if (type == MQTT_SUBSCRIBE)
        mqtt_sub_put(&list, &sub);
    else
        mqtt_unsub_put(&list, sub.filter);
    pk.subscribe.list = buf_str(&list);
    p->subscribed = p->unsubscribed = false;
    client_send(&p->c, &pk);
    buf_fini(&list);
}

static struct client dial(const struct rig *r, const char *id, uint32_t expiry_s)
{
    struct mqtt_packet pk = connect_packet(MQTT_V5, id);
    struct client c = client_dial(r, MQTT_V5);

    pk.connect.clean_start = false;
    pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY);
    pk.connect.props.session_expiry_s = expiry_s;
    client_send(&c, &pk);
    return c;
}

static void nothing_expected(void *ctx, struct peer *p, const struct mqtt_publish *pk)
{
    (void)ctx, (void)p;
    fail_msg("a publisher got %.*s", STR_ARG(pk->topic));
}

static void publishers_start(const struct rig *r, struct peer *pubs)
{
    char id[8];

    for (int i = 0; i < PUBLISHERS; i++) {
        snprintf(id, sizeof(id), "p%d", i);
        pubs[i].c = client_connect(r, MQTT_V5, id);
    }
}

static void publishers_read(struct peer *pubs)
{
    for (int i = 0; i < PUBLISHERS; i++)
        read_all(&pubs[i], nothing_expected, NULL);
}

/* ---- shared subscriptions ---- */

enum { MEMBERS = 4 };

struct group {
    struct peer members[MEMBERS], pubs[PUBLISHERS];
    struct {
        unsigned member, connection; /* 1, …; 0: nobody has got it */
        uint8_t qos;
    } got[NUMBERS];
    unsigned next, have, connections;
};

/* QoS 2 once. QoS 1 again only if that connection is gone, and its answer may be lost. */
static void on_shared(void *ctx, struct peer *p, const struct mqtt_publish *pk)
{
    struct group *g = ctx;
    unsigned n = number_of(pk), member = (unsigned)(p - g->members) + 1, was = g->got[n].member;

    if (was > 0 && (g->got[n].qos == 2 || g->members[was - 1].connection == g->got[n].connection))
        fail_msg("%u (QoS %u) came to member %u and member %u", n, pk->qos, was, member);
    g->have += was == 0;
    g->got[n].member = member;
    g->got[n].qos = pk->qos;
    g->got[n].connection = p->connection;
}

/* The last one has a session that ends with its connection; so it is never given QoS 2. */
static void member_dial(const struct rig *r, struct group *g, int i)
{
    struct peer *p = &g->members[i];
    bool lasts = i + 1 < MEMBERS;
    struct client old = p->c;
    char id[8];

    snprintf(id, sizeof(id), "m%d", i);
    p->c = dial(r, id, lasts ? 1000 : 0);
    p->connection = ++g->connections;
    if (!client_expect(&p->c, MQTT_CONNACK).connack.session_present)
        ask(p, MQTT_SUBSCRIBE, "$share/g/s/+", lasts ? 2 : 1);
    client_close(&old);
}

static void shared_read(struct group *g)
{
    for (int i = 0; i < MEMBERS; i++)
        read_all(&g->members[i], on_shared, g);
    publishers_read(g->pubs);
}

static void shared_publish(struct group *g, int count)
{
    char topic[8];

    for (int k = 0; k < count; k++, g->next++) {
        snprintf(topic, sizeof(topic), "s/%u", g->next % PUBLISHERS);
        publish_number(&g->pubs[g->next % PUBLISHERS], topic, g->next,
                       (uint8_t)(1 + g->next / 2 % 2), false);
    }
}

static void await_subscribed(struct group *g, int i)
{
    int64_t end = now_ms() + WAIT_MS;

    while (!g->members[i].subscribed && now_ms() < end)
        shared_read(g);
    assert_true(g->members[i].subscribed);
}

/* Taken over, gone and back, left and joined again: all but the first, who stays. (The last one does not leave: it
 * would take along what it was sent, and its session may end with that.) */
static void member_changes(const struct rig *r, struct group *g, unsigned what, int i)
{
    struct peer *p = &g->members[i];

    if (p->c.fd < 0 || what == 0) {
        member_dial(r, g, i);
    } else if (what == 1) {
        client_close(&p->c);
    } else if (!p->subscribed || i + 1 == MEMBERS) { /* both on one connection would say the same */
        return;
    } else {
        ask(p, MQTT_UNSUBSCRIBE, "$share/g/s/+", 0);
        ask(p, MQTT_SUBSCRIBE, "$share/g/s/+", 2);
    }
}

static void shared_messages_come_to_one(struct rig *r, unsigned rounds)
{
    struct group *g = NEW(struct group);
    unsigned seed = 1;
    int64_t end;

    publishers_start(r, g->pubs);
    for (int i = 0; i < MEMBERS; i++)
        g->members[i].c.fd = -1;
    for (int i = 0; i < MEMBERS; i++) {
        member_dial(r, g, i);
        await_subscribed(g, i);
    }
    for (unsigned round = 0; round < rounds; round++) {
        shared_publish(g, 10);
        member_changes(r, g, (unsigned)rand_r(&seed) % 3, 1 + rand_r(&seed) % (MEMBERS - 1));
        shared_publish(g, 10);
        shared_read(g);
        if (round % 4 > 0)
            continue;
        for (int i = 0; i < MEMBERS; i++) /* what it was sent of QoS 2 is its own */
            if (g->members[i].c.fd < 0)
                member_dial(r, g, i);
        for (end = now_ms() + WAIT_MS; g->have < g->next && now_ms() < end;)
            shared_read(g);
        for (unsigned n = 0; n < g->next; n++)
            if (g->got[n].member == 0)
                fail_msg("round %u: %u of %u came to nobody, nor did %u others", round, n, g->next,
                         g->next - g->have - 1);
    }
    for (int i = 0; i < MEMBERS; i++)
        client_close(&g->members[i].c);
    for (int i = 0; i < PUBLISHERS; i++)
        client_close(&g->pubs[i].c);
    mem_free(g);
}

static void shared_messages_come_to_one_member(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, WORKERS);
    shared_messages_come_to_one(&r, 32);
    rig_stop(&r);
}

static void shared_messages_come_to_one_member_when_written(void **state)
{
    struct slow_disk d;

    (void)state;
    slow_disk_init(&d);
    slow_disk_start(&d, WORKERS, 1);
    shared_messages_come_to_one(&d.r, 24);
    slow_disk_stop(&d);
}

/* ---- retained ---- */

enum { TOPICS = 6 };

struct shelf {
    struct peer pubs[PUBLISHERS], sub, check;
    unsigned next;
    unsigned newest[TOPICS];                /* published last, by one publisher */
    unsigned last[TOPICS], checked[TOPICS]; /* what sub and check got last */
    bool has[NUMBERS];                      /* sub was sent it */
    bool both, done;
};

static void on_retained(void *ctx, struct peer *p, const struct mqtt_publish *pk)
{
    struct shelf *k = ctx;
    unsigned at, n = number_of(pk);

    if (str_eq(pk->topic, STR("end"))) {
        k->done = true;
        return;
    }
    at = (unsigned)(pk->topic.p[2] - '0');
    if (p == &k->check) {
        k->checked[at] = n;
        return;
    }
    k->last[at] = n;
    k->has[n] = true;
}

static void shelf_read(struct shelf *k)
{
    read_all(&k->sub, on_retained, k);
    publishers_read(k->pubs);
}

/* Each topic has one publisher; or both publish on all, and then the broker says what is the newest. */
static void shelf_publish(struct shelf *k, int count)
{
    char topic[8];

    for (int i = 0; i < count; i++) {
        unsigned n = ++k->next, at = n / 3 % TOPICS;

        snprintf(topic, sizeof(topic), "r/%u", at);
        publish_number(&k->pubs[k->both ? n % PUBLISHERS : at % PUBLISHERS], topic, n, 1, true);
        k->newest[at] = n;
    }
}

static bool all_acked(const struct peer *pubs)
{
    for (int i = 0; i < PUBLISHERS; i++)
        if (pubs[i].acked < pubs[i].sent)
            return false;
    return true;
}

/* Asked for in turn, so whatever was to come before it is there. */
static void shelf_finish(struct shelf *k, struct peer *p)
{
    int64_t end = now_ms() + WAIT_MS;

    k->done = false;
    ask(p, MQTT_SUBSCRIBE, "end", 1);
    while (!k->done && now_ms() < end) {
        read_all(p, on_retained, k);
        publishers_read(k->pubs);
    }
    assert_true(k->done);
}

static void shelf_round(const struct rig *r, struct shelf *k, unsigned round)
{
    int64_t end;

    k->sub.c = client_connect(r, MQTT_V5, "sub");
    memset(k->has, 0, sizeof(k->has));
    memset(k->last, 0, sizeof(k->last));
    shelf_publish(k, 6);
    ask(&k->sub, MQTT_SUBSCRIBE, "r/+", 1);
    shelf_publish(k, 6);
    for (end = now_ms() + WAIT_MS; !(k->sub.subscribed && all_acked(k->pubs)) && now_ms() < end;)
        shelf_read(k);
    shelf_finish(k, &k->sub);
    if (k->both) {
        k->check.c = client_connect(r, MQTT_V5, "check");
        ask(&k->check, MQTT_SUBSCRIBE, "r/+", 1);
        shelf_finish(k, &k->check);
        client_close(&k->check.c);
    }
    for (end = now_ms() + WAIT_MS; now_ms() < end;) {
        bool all = true;

        for (int i = 0; i < TOPICS; i++)
            all &= k->both ? k->has[k->checked[i]] : k->last[i] == k->newest[i];
        if (all)
            break;
        shelf_read(k);
    }
    for (int i = 0; i < TOPICS; i++)
        if (k->both ? !k->has[k->checked[i]] : k->last[i] != k->newest[i])
            fail_msg("round %u, topic %d: %u came last, %u is the newest", round, i, k->last[i],
                     k->both ? k->checked[i] : k->newest[i]);
    client_close(&k->sub.c);
}

static void newest_is_sent(struct rig *r, bool both, unsigned rounds)
{
    struct shelf *k = NEW(struct shelf);

    k->both = both;
    publishers_start(r, k->pubs);
    client_publish(&k->pubs[0].c, "end", "0", 1, true);
    shelf_publish(k, 6 * TOPICS);
    for (unsigned round = 0; round < rounds; round++)
        shelf_round(r, k, round);
    for (int i = 0; i < PUBLISHERS; i++)
        client_close(&k->pubs[i].c);
    mem_free(k);
}

static void new_subscriber_is_sent_the_newest(void **state)
{
    (void)state;
    for (int both = 0; both <= 1; both++) {
        struct rig r;

        rig_init(&r);
        rig_start(&r, WORKERS);
        newest_is_sent(&r, both, 12);
        rig_stop(&r);
    }
}

static void new_subscriber_is_sent_the_newest_that_is_written(void **state)
{
    (void)state;
    for (int both = 0; both <= 1; both++) {
        struct slow_disk d;

        slow_disk_init(&d);
        slow_disk_start(&d, WORKERS, 1);
        newest_is_sent(&d.r, both, 10);
        slow_disk_stop(&d);
    }
}

/* ---- behind a SUBACK ---- */

enum { SUBSCRIBERS = 3 };

struct flow {
    struct peer pubs[PUBLISHERS], subs[SUBSCRIBERS];
    unsigned next[PUBLISHERS];              /* to be published */
    unsigned want[SUBSCRIBERS][PUBLISHERS]; /* at the latest that comes next; UINT_MAX: whatever */
};

static void on_flow(void *ctx, struct peer *p, const struct mqtt_publish *pk)
{
    struct flow *f = ctx;
    int i = pk->topic.p[4] - '0';
    unsigned n = number_of(pk), *want = &f->want[p - f->subs][i];

    if (n > *want)
        fail_msg("subscriber %td: %u of %d came, %u is missing", p - f->subs, n, i, *want);
    if (*want == NUMBERS || n == *want)
        *want = n + 1;
    else
        assert_true(n <
                    *want); /* was on its way before the SUBACK; in order it is what comes first */
}

static void flow_publish(struct flow *f, int count)
{
    char topic[8];

    for (int k = 0; k < count; k++)
        for (int i = 0; i < PUBLISHERS; i++) {
            snprintf(topic, sizeof(topic), "a/b/%d", i);
            publish_number(&f->pubs[i], topic, f->next[i]++, 1, false);
        }
}

static void flow_read(struct flow *f)
{
    for (int i = 0; i < SUBSCRIBERS; i++)
        read_all(&f->subs[i], on_flow, f);
    publishers_read(f->pubs);
}

static void flow_await(struct flow *f, const bool *what)
{
    int64_t end = now_ms() + WAIT_MS;

    while (!*what && now_ms() < end)
        flow_read(f);
    assert_true(*what);
}

static bool flow_has_come(const struct flow *f, int s)
{
    for (int i = 0; i < PUBLISHERS; i++)
        if (f->want[s][i] != f->next[i])
            return false;
    return true;
}

static void flow_round(struct flow *f, int s)
{
    struct peer *p = &f->subs[s];
    int64_t end = now_ms() + WAIT_MS;

    for (int i = 0; i < PUBLISHERS; i++)
        f->want[s][i] = NUMBERS;
    flow_publish(f, 2);
    ask(p, MQTT_SUBSCRIBE, s == 0 ? "a/b/+" : "a/#", 1);
    flow_publish(f, 2);
    flow_await(f, &p->subscribed);
    for (int i = 0; i < PUBLISHERS; i++)
        if (f->want[s][i] == NUMBERS)
            f->want[s][i] = f->next[i];
    flow_publish(f, 3);
    while (!flow_has_come(f, s) && now_ms() < end)
        flow_read(f);
    if (!flow_has_come(f, s))
        fail_msg("subscriber %d: %u and %u of %u and %u are missing", s, f->want[s][0],
                 f->want[s][1], f->next[0], f->next[1]);
    ask(p, MQTT_UNSUBSCRIBE, s == 0 ? "a/b/+" : "a/#", 1);
    flow_publish(f, 2);
    flow_await(f, &p->unsubscribed);
}

static void nothing_is_missed_behind_a_suback(void **state)
{
    struct flow *f = NEW(struct flow);
    struct rig r;
    char id[8];

    (void)state;
    rig_init(&r);
    rig_start(&r, WORKERS);
    publishers_start(&r, f->pubs);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        snprintf(id, sizeof(id), "s%d", i);
        f->subs[i].c = client_connect(&r, MQTT_V5, id);
    }
    for (int round = 0; round < 60; round++)
        flow_round(f, round % SUBSCRIBERS);
    for (int i = 0; i < SUBSCRIBERS; i++)
        client_close(&f->subs[i].c);
    for (int i = 0; i < PUBLISHERS; i++)
        client_close(&f->pubs[i].c);
    rig_stop(&r);
    mem_free(f);
}

/* ---- a session that is written down and moves ---- */

struct journey {
    struct peer pubs[PUBLISHERS], mover;
    unsigned seen[PUBLISHERS];
};

/* In order. QoS 1 again only as what an earlier connection had; of QoS 2, take() knows what comes again. */
static void on_journey(void *ctx, struct peer *p, const struct mqtt_publish *pk)
{
    struct journey *j = ctx;
    int i = pk->topic.p[2] - '0';
    unsigned n = number_of(pk);

    (void)p;
    if (n != j->seen[i] && !(pk->qos == 1 && pk->dup && n < j->seen[i]))
        fail_msg("%u of %d (QoS %u%s) came, %u was next", n, i, pk->qos, pk->dup ? ", again" : "",
                 j->seen[i]);
    j->seen[i] += n == j->seen[i];
}

/* The first publishes with QoS 1, the other with QoS 2. */
static void journey_publish(struct journey *j, int count)
{
    char topic[8];

    for (int k = 0; k < count; k++)
        for (int i = 0; i < PUBLISHERS; i++) {
            snprintf(topic, sizeof(topic), "m/%d", i);
            publish_number(&j->pubs[i], topic, j->pubs[i].sent, (uint8_t)(1 + i), false);
        }
}

static void journey_move(const struct rig *r, struct journey *j, bool first)
{
    struct client old = j->mover.c;
    int64_t end = now_ms() + WAIT_MS;
    bool all = false;

    if (!first)
        journey_publish(j, 5);
    j->mover.c = dial(r, "mover", 1000);
    if (!first)
        journey_publish(j, 5);
    assert_int_equal(client_expect(&j->mover.c, MQTT_CONNACK).connack.session_present, !first);
    client_close(&old);
    if (first)
        client_subscribe(&j->mover.c, "m/+", 2);
    while (!all && now_ms() < end) {
        read_all(&j->mover, on_journey, j);
        publishers_read(j->pubs);
        all = true;
        for (int i = 0; i < PUBLISHERS; i++)
            all &= j->seen[i] == j->pubs[i].sent;
    }
    for (int i = 0; i < PUBLISHERS; i++)
        assert_int_equal(j->seen[i], j->pubs[i].sent);
}

static void what_is_written_comes_once_while_its_session_moves(void **state)
{
    struct journey *j = NEW(struct journey);
    struct slow_disk d;

    (void)state;
    slow_disk_init(&d);
    slow_disk_start(&d, WORKERS, 1);
    publishers_start(&d.r, j->pubs);
    j->mover.c.fd = -1;
    for (int round = 0; round < 20; round++)
        journey_move(&d.r, j, round == 0);
    client_close(&j->mover.c);
    for (int i = 0; i < PUBLISHERS; i++)
        client_close(&j->pubs[i].c);
    slow_disk_stop(&d);
    mem_free(j);
}

/* ---- a client that comes back elsewhere ---- */

struct return_trip {
    struct peer sub;
    unsigned last;
};

static void on_return(void *ctx, struct peer *p, const struct mqtt_publish *pk)
{
    struct return_trip *t = ctx;
    unsigned n = number_of(pk);

    (void)p;
    if (n < t->last)
        fail_msg("%u came behind %u", n, t->last);
    t->last = n;
}

/* Its session ends with its connection, and its will is published; what its next connection publishes comes behind
 * that. */
static void what_a_client_publishes_comes_behind_its_will(void **state)
{
    enum { ROUNDS = 300 };
    struct return_trip t = { 0 };
    struct client old = { .fd = -1 };
    struct rig r;

    (void)state;
    rig_init(&r);
    rig_start(&r, WORKERS);
    t.sub.c = client_connect(&r, MQTT_V5, "sub");
    client_subscribe(&t.sub.c, "w", 0);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct mqtt_packet pk = connect_packet(MQTT_V311, "device"), pub;
        struct client c = client_dial(&r, MQTT_V311);
        char will[16], now[16];

        snprintf(now, sizeof(now), "%u", 2 * round);
        snprintf(will, sizeof(will), "%u", 2 * round + 1);
        pk.connect.has_will = true;
        pk.connect.will = (struct mqtt_will){ .topic = STR("w"), .payload = str_of(will) };
        client_send(&c, &pk);
        client_expect(&c, MQTT_CONNACK);
        pub = publish_packet("w", now, 0, false, 0);
        client_send(&c, &pub);
        client_close(&old);
        old = c;
        read_all(&t.sub, on_return, &t);
    }
    client_close(&old);
    for (int64_t end = now_ms() + WAIT_MS; t.last < 2 * ROUNDS - 1 && now_ms() < end;)
        read_all(&t.sub, on_return, &t);
    assert_int_equal(t.last, 2 * ROUNDS - 1);
    client_close(&t.sub.c);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shared_messages_come_to_one_member),
        cmocka_unit_test(shared_messages_come_to_one_member_when_written),
        cmocka_unit_test(new_subscriber_is_sent_the_newest),
        cmocka_unit_test(new_subscriber_is_sent_the_newest_that_is_written),
        cmocka_unit_test(nothing_is_missed_behind_a_suback),
        cmocka_unit_test(what_is_written_comes_once_while_its_session_moves),
        cmocka_unit_test(what_a_client_publishes_comes_behind_its_will),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
