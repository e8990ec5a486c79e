/* The rules change under open connections, absent sessions and sessions on their way. */
#include "persist_site.h"

#include "base/cell.h"
#include "base/clock.h"

/* While it is shut nobody may do anything below "a/", and nobody is called "gone". */
struct rules {
    struct cell shut;
    struct mail late; /* they shut right behind the question about "a/late", on that worker */
    struct broker *broker;
};

static int rules_login(void *ctx, struct authz_login *l, struct identity **out_id)
{
    struct rules *r = ctx;

    if (cell_get(&r->shut) && str_eq(l->user, STR("gone")))
        return ERR_REFUSED;
    *out_id = identity_new(ROLE_OPERATOR, l->has_user ? l->user : STR("user"));
    return 0;
}

static int rules_again(void *ctx, const struct authz_check *c)
{
    struct rules *r = ctx;

    return cell_get(&r->shut) && str_starts(c->object, STR("a/")) ? ERR_REFUSED : 0;
}

static void shut_late(struct mail *m, struct loop *l)
{
    struct rules *r = container_of(m, struct rules, late);

    cell_set(&r->shut, true);
    broker_recheck(r->broker, l);
}

static int rules_check(void *ctx, struct authz_check *c)
{
    struct rules *r = ctx;

    if (str_eq(c->object, STR("a/late"))) {
        r->late.deliver = shut_late;
        loop_post(c->loop, &r->late);
    }
    return rules_again(ctx, c);
}

static int rules_login_again(void *ctx, const struct identity *who, void *loop)
{
    struct rules *r = ctx;

    (void)loop;
    return cell_get(&r->shut) && str_eq(who->name, STR("gone")) ? ERR_REFUSED : 0;
}

static void recheck_here(void *ctx, struct loop *l)
{
    broker_recheck(ctx, l);
}

static void set(struct rules *rules, const struct rig *r, bool shut)
{
    cell_set(&rules->shut, shut);
    workers_each(r->workers, recheck_here, r->broker);
}

static struct mqtt_packet hello_packet(enum mqtt_version v, const char *id, const char *user,
                                       bool lasting)
{
    struct mqtt_packet pk = connect_packet(v, id);

    pk.connect.clean_start = !lasting;
    pk.connect.has_username = true;
    pk.connect.username = str_of(user);
    if (lasting && v == MQTT_V5) {
        pk.connect.props.has = MQTT_HAS(SESSION_EXPIRY);
        pk.connect.props.session_expiry_s = 100;
    }
    return pk;
}

struct world {
    struct rules rules;
    struct authz authz;
    struct rig rig;
};

static struct authz authz_of(struct rules *r)
{
    return (struct authz){ .ctx = r,
                           .login = rules_login,
                           .check = rules_check,
                           .check_again = rules_again,
                           .login_again = rules_login_again };
}

static void world_init(struct world *w, unsigned workers)
{
    *w = (struct world){ 0 };
    w->authz = authz_of(&w->rules);
    rig_init(&w->rig);
    w->rig.o.authz = &w->authz;
    rig_start(&w->rig, workers);
    w->rules.broker = w->rig.broker;
}

static void subscriptions_end_and_publications_are_refused(void **state)
{
    struct world w;
    struct client sub, pub;

    (void)state;
    world_init(&w, 2);
    sub = client_connect(&w.rig, MQTT_V5, "sub");
    pub = client_connect(&w.rig, MQTT_V5, "pub");
    assert_int_equal(client_subscribe(&sub, "a/#", 1), 1);
    assert_int_equal(client_subscribe(&sub, "a/x", 0), 0);
    assert_int_equal(client_subscribe(&sub, "b/#", 1), 1);
    assert_int_equal(client_publish(&pub, "a/y", "1", 1, true), MQTT_REASON_SUCCESS);
    client_expect_publish(&sub, "a/y", "1", 1);
    set(&w.rules, &w.rig, true);
    assert_int_equal(rig_session(&w.rig, "sub").info.subscriptions, 1);
    assert_int_equal(client_publish(&pub, "a/x", "2", 1, false), MQTT_REASON_NOT_AUTHORIZED);
    assert_int_equal(broker_post(w.rig.broker, STR("a/x"), NULL, 1, 0),
                     0); /* from inside: not asked */
    assert_int_equal(client_publish(&pub, "b/x", "3", 1, false), MQTT_REASON_SUCCESS);
    client_expect_publish(&sub, "b/x", "3", 1);
    client_expect_nothing(&sub);
    assert_int_equal(client_subscribe(&sub, "a/#", 1), MQTT_REASON_NOT_AUTHORIZED);
    set(&w.rules, &w.rig, false); /* what ended does not come back by itself */
    assert_int_equal(rig_session(&w.rig, "sub").info.subscriptions, 1);
    assert_int_equal(client_subscribe(&sub, "a/#", 1), 1);
    client_expect_publish(&sub, "a/y", "1", 1); /* retained */
    client_close(&sub);
    client_close(&pub);
    rig_stop(&w.rig);
}

/* They are not the client's yet when the rules change, and it is told that they will not be. */
static void what_is_being_subscribed_is_looked_at_too(void **state)
{
    static const char *const filters[] = { "$share/g/a/late", "a/late" };

    (void)state;
    for (unsigned workers = 1; workers <= 3; workers++) {
        for (unsigned i = 0; i < 2; i++) {
            uint8_t code;
            struct world w;
            struct client sub;

            world_init(&w, workers);
            sub = client_connect(&w.rig, MQTT_V5, "sub");
            code = client_subscribe(&sub, filters[i], 1);
            if (i == 0 ||
                workers > 1) /* else there is nothing to wait for, and it is granted before */
                assert_int_equal(code, MQTT_REASON_NOT_AUTHORIZED);
            assert_int_equal(rig_session(&w.rig, "sub").info.subscriptions, 0);
            assert_int_equal(client_subscribe(&sub, "b", 1), 1);
            assert_int_equal(broker_post(w.rig.broker, STR("a/late"), NULL, 1, 0), 0);
            assert_int_equal(broker_post(w.rig.broker, STR("b"), NULL, 1, 0), 0);
            client_expect_publish(&sub, "b", "", 1);
            client_expect_nothing(&sub);
            client_close(&sub);
            rig_stop(&w.rig);
        }
    }
}

/* Retained messages that wait for a slow client. */
static void what_waits_is_dropped(void **state)
{
    struct world w;
    struct client sub, pub;
    struct mqtt_packet pk = connect_packet(MQTT_V5, "sub");
    struct mqtt_publish got;
    char topic[16];

    (void)state;
    world_init(&w, 2);
    pub = client_connect(&w.rig, MQTT_V5, "pub");
    for (int i = 0; i < 20; i++) {
        snprintf(topic, sizeof(topic), "a/%d", i);
        assert_int_equal(client_publish(&pub, topic, "v", 1, true), MQTT_REASON_SUCCESS);
    }
    sub = client_dial(&w.rig, MQTT_V5);
    pk.connect.props.has = MQTT_HAS(RECEIVE_MAX);
    pk.connect.props.receive_max = 1;
    assert_int_equal(client_hello(&sub, &pk).code, 0);
    assert_int_equal(client_subscribe(&sub, "b", 1), 1);
    assert_int_equal(client_subscribe(&sub, "a/#", 1), 1);
    got = client_expect(&sub, MQTT_PUBLISH).publish; /* one is sent, the others wait */
    assert_int_equal(client_publish(&pub, "a/live", "v", 1, false), MQTT_REASON_SUCCESS);
    set(&w.rules, &w.rig, true);
    assert_int_equal(client_publish(&pub, "b", "v", 1, false), MQTT_REASON_SUCCESS);
    client_answer(&sub, &got);
    client_expect_publish(&sub, "b", "v", 1);
    client_expect_nothing(&sub);
    client_close(&sub);
    client_close(&pub);
    rig_stop(&w.rig);
}

static void who_is_gone_is_ended_and_so_is_its_session(void **state)
{
    struct world w;
    struct client watcher, gone5, gone3, away, stays;
    struct mqtt_packet pk, bye = { .type = MQTT_DISCONNECT };

    (void)state;
    world_init(&w, 2);
    watcher = client_connect(&w.rig, MQTT_V5, "watcher");
    assert_int_equal(client_subscribe(&watcher, "#", 1), 1);
    gone5 = client_dial(&w.rig, MQTT_V5);
    pk = hello_packet(MQTT_V5, "gone5", "gone", true);
    pk.connect.has_will = true;
    pk.connect.will.topic = STR("will");
    assert_int_equal(client_hello(&gone5, &pk).code, 0);
    gone3 = client_dial(&w.rig, MQTT_V311);
    pk = hello_packet(MQTT_V311, "gone3", "gone", true);
    assert_int_equal(client_hello(&gone3, &pk).code, 0);
    away = client_dial(&w.rig, MQTT_V5);
    pk = hello_packet(MQTT_V5, "away", "gone", true);
    assert_int_equal(client_hello(&away, &pk).code, 0);
    assert_int_equal(client_subscribe(&away, "b", 1), 1);
    client_send(&away, &bye);
    client_expect_end(&away);
    client_close(&away);
    rig_await_connected(&w.rig, "away", false);
    stays = client_connect(&w.rig, MQTT_V5, "stays");
    set(&w.rules, &w.rig, true);
    client_expect_kick(&gone5, MQTT_REASON_NOT_AUTHORIZED);
    client_expect_end(&gone3);
    assert_false(rig_session(&w.rig, "gone5").found);
    assert_false(rig_session(&w.rig, "gone3").found);
    assert_false(rig_session(&w.rig, "away").found);
    assert_true(rig_session(&w.rig, "stays").info.connected);
    client_expect_nothing(&watcher); /* no will */
    client_close(&gone5);
    client_close(&gone3);
    gone5 = client_dial(&w.rig, MQTT_V5);
    pk = hello_packet(MQTT_V5, "gone5", "gone", true);
    assert_int_equal(client_hello(&gone5, &pk).code, MQTT_REASON_BAD_LOGIN);
    client_close(&gone5);
    client_close(&stays);
    client_close(&watcher);
    rig_stop(&w.rig);
}

static void wills_and_absent_sessions_follow_the_rules(void **state)
{
    struct world w;
    struct client watcher, with_will, away, pub;
    struct mqtt_packet pk, bye = { .type = MQTT_DISCONNECT };

    (void)state;
    world_init(&w, 2);
    watcher = client_connect(&w.rig, MQTT_V5, "watcher");
    assert_int_equal(client_subscribe(&watcher, "#", 1), 1);
    with_will = client_dial(&w.rig, MQTT_V5);
    pk = hello_packet(MQTT_V5, "with_will", "u", false);
    pk.connect.has_will = true;
    pk.connect.will.topic = STR("a/will");
    assert_int_equal(client_hello(&with_will, &pk).code, 0);
    away = client_dial(&w.rig, MQTT_V5);
    pk = hello_packet(MQTT_V5, "away", "u", true);
    assert_int_equal(client_hello(&away, &pk).code, 0);
    assert_int_equal(client_subscribe(&away, "a/#", 1), 1);
    assert_int_equal(client_subscribe(&away, "b", 1), 1);
    client_send(&away, &bye);
    client_expect_end(&away);
    client_close(&away);
    rig_await_connected(&w.rig, "away", false);
    set(&w.rules, &w.rig, true);
    client_close(&with_will);
    rig_await_connected(&w.rig, "with_will", false);
    pub = client_connect(&w.rig, MQTT_V5, "pub");
    assert_int_equal(client_publish(&pub, "b", "1", 1, false), MQTT_REASON_SUCCESS);
    client_expect_publish(&watcher, "b", "1", 1); /* and no will before it */
    client_expect_nothing(&watcher);
    assert_int_equal(rig_session(&w.rig, "away").info.subscriptions, 1);
    away = client_dial(&w.rig, MQTT_V5);
    assert_true(client_hello(&away, &pk).session_present);
    client_expect_publish(&away, "b", "1", 1);
    client_close(&away);
    client_close(&pub);
    client_close(&watcher);
    rig_stop(&w.rig);
}

/* So that the change meets each step of the way now and then. */
static void spin_us(unsigned us)
{
    uint64_t end = clock_mono_ns() + (uint64_t)us * 1000;

    while (clock_mono_ns() < end)
        ;
}

/* A session is claimed from worker to worker while the rules change. What it subscribes to is always
 * what it may, what is counted is what it has, and the sanitizers see no session that the tree still
 * knows. */
static void rules_change_while_a_session_moves(void **state)
{
    enum { ROUNDS = 600 };
    struct world w;
    struct client c, pub;
    struct mqtt_packet pk = hello_packet(MQTT_V5, "moves", "user", true);
    struct metric *gauge;

    (void)state;
    world_init(&w, 3);
    gauge = metrics_gauge(w.rig.metrics, "wayside_mqtt_subscriptions", "", "MQTT subscriptions");
    pub = client_connect(&w.rig, MQTT_V5, "pub");
    c = client_connect(&w.rig, MQTT_V5, "moves");
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct client fresh = client_dial(&w.rig, MQTT_V5);
        size_t had;

        client_send(&fresh, &pk); /* takes the session over, from wherever it is */
        spin_us(round * 7 % 300);
        set(&w.rules, &w.rig, true);
        assert_int_equal(client_expect(&fresh, MQTT_CONNACK).connack.code, 0);
        had = rig_session(&w.rig, "moves").info.subscriptions;
        assert_int_equal(had, round > 0);
        assert_int_equal(metric_gauge_value(gauge), had);
        client_close(&c);
        c = fresh;
        set(&w.rules, &w.rig, false);
        assert_int_equal(client_subscribe(&c, "a/1", 0), 0);
        assert_int_equal(client_subscribe(&c, "a/2", 0), 0);
        assert_int_equal(client_subscribe(&c, "b/1", 0), 0);
        assert_int_equal(client_publish(&pub, "b/2", "v", 1, false), 0);
    }
    client_close(&c);
    client_close(&pub);
    rig_stop(&w.rig);
}

/* What was sent to a member of a shared subscription is its own when that ends, and is written down so. */
static void what_was_sent_stays_across_a_restart(void **state)
{
    struct rules rules = { 0 };
    struct authz authz = authz_of(&rules);
    struct mqtt_publish p;
    struct client sub, pub;
    struct site x;

    (void)state;
    site_init(&x, 1);
    x.authz = &authz;
    again(&x, false);
    sub = back(&x, "sub", false);
    assert_int_equal(client_subscribe(&sub, "$share/g/a/t", 1), 1);
    pub = client_connect(&x.r, MQTT_V5, "pub");
    assert_int_equal(client_publish(&pub, "a/t", "1", 1, false), 0);
    client_expect(&sub, MQTT_PUBLISH);
    set(&rules, &x.r, true);
    again(&x, false);
    client_close(&pub);
    client_close(&sub);
    sub = back(&x, "sub", true);
    assert_int_equal(rig_session(&x.r, "sub").info.subscriptions, 0);
    p = client_expect_publish(&sub, "a/t", "1", 1);
    assert_true(p.dup);
    client_close(&sub);
    site_fini(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscriptions_end_and_publications_are_refused),
        cmocka_unit_test(what_is_being_subscribed_is_looked_at_too),
        cmocka_unit_test(what_waits_is_dropped),
        cmocka_unit_test(who_is_gone_is_ended_and_so_is_its_session),
        cmocka_unit_test(wills_and_absent_sessions_follow_the_rules),
        cmocka_unit_test(rules_change_while_a_session_moves),
        cmocka_unit_test(what_was_sent_stays_across_a_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
