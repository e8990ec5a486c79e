/* What a session has by a shared subscription: whose it is, who owes it, and its identifiers. */
#include "session_kit.h"

struct given {
    uint32_t numbers[20];
    uint64_t shares[20];
    unsigned n;
};

static void give(void *ctx, uint64_t share, struct message *m)
{
    struct given *g = ctx;

    g->numbers[g->n] = number(m);
    g->shares[g->n++] = share;
    message_unref(m);
}

/* Of ten, every third its own; QoS 1 in 0..4, 2 in 5..9; seven are sent, two of them answered. */
static void shares_are_given_back(void **state)
{
    static const uint32_t back[] = { 1, 2, 7, 8 }, again[] = { 3, 5 }, later[] = { 6, 9 };
    struct session *s = session_new(STR("c"), 1, &limits);
    struct given g = { .n = 0 };
    struct session_out o;

    (void)state;
    session_add_share(s, STR("$share/g/t"), 70, 2);
    session_add_share(s, STR("$share/h/t"), 80, 1);
    assert_int_equal(session_share_of(s, STR("$share/h/t"))->home, 1);
    assert_null(session_share_of(s, STR("$share/x/t")));
    session_attach(s, &conn, 5);
    assert_int_equal(session_room(s), 5);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(push(s, i, i < 5 ? 1 : 2), 0);
        if (i % 3 != 0)
            session_mark_shared(s, i % 3 == 1 ? 70 : 80);
    }
    assert_int_equal(session_room(s), 0);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(session_puback(s, 1), 0);
    assert_int_equal(session_puback(s, 5), 0); /* number 4 */
    for (uint32_t i = 5; i < 7; i++)
        assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    session_detach(s, 0, false);
    session_remove_share(s, 70 + 1, NULL, NULL); /* none */
    session_give_back(s, give, &g);
    assert_int_equal(g.n, COUNT_OF(back));
    for (unsigned i = 0; i < g.n; i++) {
        assert_int_equal(g.numbers[i], back[i]);
        assert_int_equal(g.shares[i], back[i] % 3 == 1 ? 70 : 80);
    }
    assert_int_equal(s->queued_messages, 4);
    session_give_back(s, give, &g);
    assert_int_equal(g.n, COUNT_OF(back));
    session_attach(s, &conn, 5);
    for (unsigned i = 0; i < COUNT_OF(again); i++) { /* 5 by QoS 2, and shared: ended here */
        assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
        assert_int_equal(number(o.m), again[i]);
        assert_true(o.dup);
    }
    for (unsigned i = 0; i < COUNT_OF(later); i++) {
        assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
        assert_int_equal(number(o.m), later[i]);
        assert_int_equal(o.dup, later[i] == 6);
    }
    assert_int_equal(session_room(s), 1);
    session_remove_share(s, 80, NULL, NULL); /* none of them has a number */
    assert_int_equal(s->share_count, 1);
    session_detach(s, 0, false);
    session_give_back(s, give, &g); /* what came by the share it has left stays */
    assert_int_equal(g.n, COUNT_OF(back));
    session_free(s);
}

struct taken {
    struct session_out out[4];
    uint32_t n;
};

static void taken(void *ctx, const struct session_out *o)
{
    struct taken *t = ctx;

    t->out[t->n++] = *o;
}

static struct message *written_down(uint64_t seq)
{
    return message_new(&(struct message_source){ .topic = STR("t"), .seq = seq, .qos = 2 });
}

/* Of QoS 2 with its packet id; what is left when it leaves the group, too. */
static void what_its_group_owes_becomes_its_own(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);
    struct taken t = { .n = 0 };
    struct session_out o;
    uint32_t sub_id = 5;

    (void)state;
    s->written = true;
    session_add_share(s, STR("$share/g/t"), 70, 2);
    session_attach(s, &conn, 2);
    for (uint64_t seq = 11; seq <= 14; seq++) {
        struct message *m = written_down(seq);

        assert_int_equal(session_push(s, m, seq == 12 ? 1 : 2, false, sub_ids_one(&sub_id)), 0);
        session_mark_shared(s, 70);
        message_unref(m);
    }
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(o.seq, 11);
    assert_int_equal(o.share, 70);
    assert_int_equal(session_item_seq(session_item_at(s, 0)), 0); /* rounds leave it to the group */
    session_take(s, o.packet_id);
    assert_int_equal(session_item_seq(session_item_at(s, 0)), 11);
    session_detach(s, 0, false); /* before that is written down: it will be said again */
    session_attach(s, &conn, 2);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(o.seq, 11);
    assert_int_equal(o.share, 70);
    session_take(s, o.packet_id);
    assert_true(session_written(s, o.packet_id, 11, &o));
    assert_int_equal(o.share, 0);
    assert_int_equal(session_item_seq(session_item_at(s, 0)), 11);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(o.share, 70);
    session_remove_share(s, 70, taken, &t);
    assert_int_equal(t.n, 3);
    for (uint32_t i = 0; i < t.n; i++) {
        assert_int_equal(t.out[i].seq, 12 + i);
        assert_int_equal(t.out[i].share, 70);
        assert_int_equal(t.out[i].sub_key, 5);
        assert_int_equal(t.out[i].dup, i == 0);
        assert_int_equal(session_item_seq(session_item_at(s, 1 + i)), 12 + i);
    }
    assert_true(session_in_flight(s, o.packet_id, &o));
    assert_int_equal(o.share, 0);
    session_detach(s, 0, false);
    session_free(s);
}

/* The identifier of a shared subscription goes along too, and what came by it is of a queue of its own: it may
 * have any identifier that another message has. */
static void what_came_by_a_share_has_its_identifier(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);
    struct message *m = msg(0, 0);
    struct given g = { .n = 0 };
    uint32_t id = 9;
    struct session_out o;

    (void)state;
    s->written = true;
    session_add_share(s, STR("$share/g/t"), 70, 0);
    session_attach(s, &conn, 1);
    assert_int_equal(session_push(s, m, 2, false, sub_ids_one(&id)), 0);
    session_mark_shared(s, 70);
    assert_int_equal(session_push(s, m, 1, false, sub_ids_one(&id)), 0);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(session_sub_ids(s, &o.sub_ids).n, 1);
    assert_int_equal(session_sub_ids(s, &o.sub_ids).at[0], 9);
    assert_int_equal(o.sub_key, 9);
    assert_int_equal(session_pubrec(s, o.packet_id, false), 0);
    assert_true(session_in_flight(s, 1, &o));
    assert_int_equal(o.sub_key, 9);
    session_detach(s, 0, false);
    session_give_back(s, give, &g); /* it is released, and the other came otherwise */
    assert_int_equal(g.n, 0);
    assert_int_equal(s->count, 2);
    session_remove_share(s, 70, taken, NULL);
    message_unref(m);
    session_free(s);
}

/* A message for several subscriptions: its identifiers go along, count for the queue, and one of them stays
 * when the message is gone. */
static void identifiers_stay_with_their_message(void **state)
{
    const uint32_t three[] = { 3, 5, 5 };
    struct sub_ids ids = { three, 3 };
    struct session *s = session_new(STR("c"), 1, &limits), *other;
    struct message_source src = { .topic = STR("t"), .qos = 2 };
    struct message *m = message_new(&src);
    struct session_out o;
    size_t one;

    (void)state;
    assert_int_equal(session_push(s, m, 1, false, (struct sub_ids){ 0 }), 0);
    one = s->queued_bytes;
    assert_int_equal(session_push(s, m, 2, false, ids), 0);
    assert_int_equal(s->queued_bytes, 2 * one + sizeof(three));
    assert_int_equal(session_push(s, m, 1, false, ids), 0);
    assert_int_equal(s->id_sets->count, 1);
    other = session_new(STR("c"), 1, &limits);
    session_absorb(other, s, (struct session_mark){ 0 });
    assert_int_equal(other->count, 3);
    session_attach(s, s, 10);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(session_sub_ids(s, &o.sub_ids).n, 0);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    ids = session_sub_ids(s, &o.sub_ids);
    assert_true(ids.n == 3 && ids.at[0] == 3 && ids.at[2] == 5 && o.sub_key == 3);
    assert_int_equal(session_pubrec(s, o.packet_id, false), 0);
    assert_true(session_in_flight(s, o.packet_id, &o));
    assert_int_equal(o.sub_key, 3);
    assert_int_equal(session_pubcomp(s, o.packet_id), 0);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(session_puback(s, o.packet_id), 0);
    assert_int_equal(s->id_sets->free, 1); /* nobody needs it any more */
    assert_int_equal(s->queued_bytes, one);
    s->conn = NULL;
    session_detach(s, 0, false);
    session_free(s);
    session_attach(other, other, 10);
    session_next(other, 0, &o);
    session_next(other, 0, &o);
    assert_int_equal(session_sub_ids(other, &o.sub_ids).n, 3);
    other->conn = NULL;
    session_free(other);
    message_unref(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_given_back),
        cmocka_unit_test(what_its_group_owes_becomes_its_own),
        cmocka_unit_test(what_came_by_a_share_has_its_identifier),
        cmocka_unit_test(identifiers_stay_with_their_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
