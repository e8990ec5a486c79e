/*
 * The session as a machine: against a client model over a connection that breaks, nothing that was
 * accepted is lost, nothing leaves out of order, and no packet id is used twice at a time.
 */
#include "session_kit.h"

/* A queue has little while memory is short, and what it has stays. */
static void short_of_memory(void **state)
{
    static char payload[1000];
    struct cell low = { 0 };
    struct session_limits l = {
        .inflight_max = 5, .queue_max_messages = 100, .queue_max_bytes = 50000, .low = &low
    };
    struct session *s = session_new(STR("c"), 1, &l);
    struct message_source src = { .topic = STR("t"),
                                  .payload = { payload, sizeof(payload) },
                                  .qos = 1 };
    struct message *m = message_new(&src);
    uint32_t had;

    (void)state;
    while (session_push(s, m, 1, false, (struct sub_ids){ 0 }) == 0)
        ;
    had = s->queued_messages;
    assert_in_range(had, 40, 50);
    cell_set(&low, 1);
    assert_int_equal(session_push(s, m, 1, false, (struct sub_ids){ 0 }), ERR_FULL);
    assert_int_equal(s->queued_messages, had);
    session_free(s);
    s = session_new(STR("d"), 2, &l);
    while (session_push(s, m, 1, false, (struct sub_ids){ 0 }) == 0)
        ;
    assert_true(s->queued_bytes <= SESSION_QUEUE_LEAST);
    assert_true(s->queued_messages >= 10);
    cell_set(&low, 0);
    assert_int_equal(session_push(s, m, 1, false, (struct sub_ids){ 0 }), 0);
    l.queue_max_bytes = 2000; /* less is still less */
    cell_set(&low, 1);
    assert_int_equal(session_queue_max(&l), 2000);
    session_free(s);
    message_unref(m);
}

static void window_and_order(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);
    struct session_out o;

    (void)state;
    session_attach(s, &conn, 3);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(push(s, i, 1), 0);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
        assert_int_equal(o.packet_id, i + 1);
        assert_int_equal(number(o.m), i);
        assert_false(o.dup);
    }
    assert_int_equal(session_next(s, 0, &o), SESSION_NOTHING);
    assert_int_equal(session_puback(s, 2), 0);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(o.packet_id, 4);
    assert_int_equal(session_next(s, 0, &o), SESSION_NOTHING);
    assert_int_equal(session_puback(s, 2), ERR_UNKNOWN);
    assert_int_equal(session_puback(s, 5), ERR_UNKNOWN);
    assert_int_equal(session_puback(s, 0), ERR_UNKNOWN);
    assert_int_equal(session_pubrec(s, 1, false), ERR_PROTO);
    assert_int_equal(session_pubcomp(s, 1), ERR_PROTO);
    session_detach(s, 0, false);
    session_attach(s, &conn, 100);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(o.packet_id, 1);
    assert_true(o.dup);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(o.packet_id, 3);
    assert_true(o.dup);
    session_detach(s, 0, false);
    session_free(s);
}

static void exactly_once_states(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);
    struct session_out o;

    (void)state;
    session_attach(s, &conn, 3);
    assert_int_equal(push(s, 7, 2), 0);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(session_puback(s, 1), ERR_PROTO);
    assert_int_equal(session_pubrec(s, 1, false), 0);
    assert_int_equal(s->queued_messages, 0);
    session_detach(s, 0, false);
    session_attach(s, &conn, 3);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBREL);
    assert_int_equal(o.packet_id, 1);
    assert_int_equal(session_pubrec(s, 1, false), 0);
    assert_int_equal(session_pubcomp(s, 1), 0);
    assert_int_equal(session_pubcomp(s, 1), ERR_UNKNOWN);
    assert_true(session_receive(s, 9));
    assert_false(session_receive(s, 9));
    assert_true(session_release(s, 9));
    assert_false(session_release(s, 9));
    session_detach(s, 0, false);
    session_free(s);
}

/* Every id that there is, in whatever order they come and go. */
static void all_ids_received_at_once(void **state)
{
    static const uint32_t steps[] = { 1, 40503, 65535 }; /* odd: each id comes by once */
    struct session *s = session_new(STR("c"), 1, &limits);

    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        for (uint32_t i = 0; i < 65536; i++) {
            uint16_t id = (uint16_t)(i * steps[k]);

            assert_int_equal(session_receive(s, id), id != 0);
        }
        assert_int_equal(s->received_count, 65535);
        for (uint32_t id = 1; id < 65536; id += 2)
            assert_true(session_release(s, (uint16_t)id));
        for (uint32_t id = 1; id < 65536; id++)
            assert_int_equal(session_is_received(s, (uint16_t)id), id % 2 == 0);
        for (uint32_t id = 65534; id > 0; id -= 2)
            assert_true(session_release(s, (uint16_t)id));
        assert_int_equal(s->received_count, 0);
    }
    session_free(s);
}

static bool is_even(void *ctx, const struct session_out *o)
{
    ++*(unsigned *)ctx;
    return number(o->m) % 2 == 0;
}

/* What was sent stays, and the order of what is kept. */
static void what_waits_can_be_dropped(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);
    struct session_out o;
    unsigned asked = 0;
    size_t bytes;

    (void)state;
    session_attach(s, &conn, 2);
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(push(s, i, 1), 0);
    bytes = s->queued_bytes / 7;
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH); /* 0 and 1 */
    assert_int_equal(session_drop_waiting(s, is_even, &asked), 2);
    assert_int_equal(asked, 5);
    assert_int_equal(s->dropped, 2);
    assert_int_equal(s->queued_messages, 5);
    assert_int_equal(s->queued_bytes, 5 * bytes);
    assert_int_equal(session_puback(s, 1), 0);
    assert_int_equal(session_puback(s, 2), 0);
    for (uint32_t i = 2; i < 7; i += 2) {
        assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
        assert_int_equal(number(o.m), i);
        assert_int_equal(session_puback(s, o.packet_id), 0);
    }
    assert_int_equal(session_next(s, 0, &o), SESSION_NOTHING);
    assert_int_equal(session_drop_waiting(s, is_even, &asked), 0);
    assert_int_equal(push(s, 1, 1), 0);
    assert_int_equal(session_drop_waiting(s, is_even, &asked), 1);
    assert_int_equal(s->count, 0);
    s->conn = NULL;
    session_free(s);
}

static void limits_drop_the_newest(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);
    struct session_out o;

    (void)state;
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(push(s, i, 1), 0);
    assert_int_equal(push(s, 50, 1), ERR_FULL);
    assert_int_equal(s->dropped, 1);
    session_attach(s, &conn, 1);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(number(o.m), 0);
    session_detach(s, 0, false);
    session_free(s);
}

static void what_was_let_in_is_over_no_limit(void **state)
{
    struct session_limits l = limits;
    struct session *s = session_new(STR("c"), 1, &l), *t = session_new(STR("c"), 1, &l);
    struct message *m = msg(60, 0);

    (void)state;
    l.elastic = true;
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(push(s, i, 1), 0);
    assert_int_equal(push(s, 50, 1), ERR_FULL); /* it did not ask */
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(session_admit(s, m, 1, false, (struct sub_ids){ 0 }), 0);
    assert_int_equal(s->queued_messages, 70);
    session_absorb(t, s, (struct session_mark){ 0 });
    assert_int_equal(t->queued_messages, 70);
    for (uint32_t i = 0; i < 10; i++) {
        message_unref(m);
        m = msg(61 + i, 0);
        session_admit(s, m, 1, false, (struct sub_ids){ 0 });
    }
    session_absorb(t, s, (struct session_mark){ 0 });
    assert_int_equal(t->queued_messages, 80);
    message_unref(m);
    session_free(s);
    session_free(t);
}

static void expired_messages_are_not_sent(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);
    struct message *a = msg(1, 1000), *b = msg(2, 3000);
    struct session_out o;

    (void)state;
    assert_int_equal(session_push(s, a, 1, false, (struct sub_ids){ 0 }), 0);
    assert_int_equal(session_push(s, b, 1, false, (struct sub_ids){ 0 }), 0);
    session_attach(s, &conn, 5);
    assert_int_equal(session_next(s, 1000, &o), SESSION_PUBLISH);
    assert_int_equal(number(o.m), 2);
    assert_int_equal(session_puback(s, o.packet_id), 0);
    assert_int_equal(s->queued_messages, 0);
    assert_int_equal(s->queued_bytes, 0);
    assert_int_equal(s->count, 0);
    message_unref(a);
    message_unref(b);
    session_detach(s, 0, false);
    session_free(s);
}

/* Nor when the connection ended before their packet id was written down; those that were sent come again. */
static void expired_messages_are_not_begun_late(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);
    struct message *m = msg(1, 1000);
    struct session_out o;

    (void)state;
    s->written = true;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(session_push(s, m, 2, false, (struct sub_ids){ 0 }), 0);
        session_attach(s, &conn, 5);
        assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
        if (i == 1)
            assert_true(session_written(s, o.packet_id, o.seq, &o));
        session_detach(s, 0, false);
        session_attach(s, &conn, 5);
        assert_int_equal(session_next(s, 1000, &o), i == 1 ? SESSION_PUBLISH : SESSION_OVER);
        assert_int_equal(s->expired, 1);
        session_detach(s, 0, false);
    }
    message_unref(m);
    session_free(s);
}

/* The worker that had it so far and the one that takes it may each have a copy of one publication. */
static void what_both_have_is_kept_once(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits), *t = session_new(STR("c"), 1, &limits);
    const uint64_t mine[] = { 7, 8, 9 }, others[] = { 8, 10, 9, 11 }, all[] = { 7, 8, 9, 10, 11 };
    struct session_out o;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(mine); i++) {
        struct message *m = message_new(&(struct message_source){ .stamp = mine[i] });

        assert_int_equal(session_push(s, m, 1, false, (struct sub_ids){ 0 }), 0);
        message_unref(m);
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct message *m = message_new(&(struct message_source){ .stamp = others[i] });

        assert_int_equal(session_push(t, m, 1, false, (struct sub_ids){ 0 }), 0);
        message_unref(m);
    }
    session_absorb(s, t, (struct session_mark){ 0 });
    session_free(t);
    session_attach(s, &conn, 5);
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
        assert_int_equal(message_stamp(o.m), all[i]);
    }
    assert_int_equal(s->count, COUNT_OF(all));
    session_detach(s, 0, false);
    session_free(s);
}

static void push_stamped(struct session *s, uint64_t stamp, unsigned qos)
{
    struct message *m = message_new(&(struct message_source){ .stamp = stamp });

    assert_true(session_push(s, m, qos, false, (struct sub_ids){ 0 }) >= 0);
    message_unref(m);
}

static bool keep_late(void *ctx, const struct session_out *o)
{
    (void)ctx;
    return message_stamp(o->m) > 2;
}

/* Also where what was in front of it has made room, or may not be received any more. */
static void what_both_have_is_known_when_others_have_gone(void **state)
{
    struct session_limits full = limits;

    (void)state;
    full.full = SESSION_DROP_OLDEST_QOS0;
    full.queue_max_messages = 4;
    for (int rules = 0; rules < 2; rules++) {
        struct session *s = session_new(STR("c"), 1, &full), *t = session_new(STR("c"), 1, &full);
        struct session_mark mark;

        push_stamped(s, 1, 0);
        push_stamped(s, 2, 0);
        push_stamped(s, 3, 1);
        mark = session_mark_end(s);
        if (rules)
            assert_int_equal(session_drop_waiting(s, keep_late, NULL), 2);
        for (uint64_t stamp = 4; stamp <= 5; stamp++) {
            push_stamped(s, stamp, 2);
            push_stamped(t, stamp, 2);
        }
        session_absorb(s, t, mark);
        assert_int_equal(s->count, rules ? 3 : 4);
        for (uint32_t i = 0; i < s->count; i++)
            assert_int_equal(message_stamp(session_item_at(s, i)->m), (rules ? 3 : 2) + i);
        session_free(t);
        session_free(s);
    }
}

static void will_and_expiry(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);

    (void)state;
    session_attach(s, &conn, 5);
    s->will = msg(1, 0);
    s->will_delay_s = 10;
    s->expiry_s = 60;
    session_detach(s, 1000, true);
    assert_int_equal(session_wake_at(s), 11000);
    assert_int_equal(session_tick(s, 10999), SESSION_DUE_NOTHING);
    assert_int_equal(session_tick(s, 11000), SESSION_DUE_WILL);
    message_unref(session_take_will(s));
    assert_int_equal(session_tick(s, 11000), SESSION_DUE_NOTHING);
    assert_int_equal(session_wake_at(s), 61000);
    assert_int_equal(session_tick(s, 61000), SESSION_DUE_END);
    /* The end comes first: the will goes with it. */
    session_attach(s, &conn, 5);
    assert_true(session_wake_at(s) == UINT64_MAX);
    s->will = msg(1, 0);
    s->will_delay_s = 100;
    session_detach(s, 0, true);
    assert_int_equal(session_tick(s, 60000), SESSION_DUE_END | SESSION_DUE_WILL);
    /* A DISCONNECT forgets it. */
    session_attach(s, &conn, 5);
    session_detach(s, 0, false);
    assert_null(s->will);
    s->expiry_s = SESSION_NEVER;
    session_attach(s, &conn, 5);
    session_detach(s, 0, false);
    assert_true(session_wake_at(s) == UINT64_MAX);
    session_free(s);
}

static void subscriptions_listed(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);

    (void)state;
    session_subscribe(s, STR("a/+"), 0, 1, true);
    session_subscribe(s, STR("b"), 5, 1, true);
    session_subscribe(s, STR("a/+"), 9, 2, false);
    assert_int_equal(s->sub_count, 2);
    assert_int_equal(s->subs[0].sub_id, 9);
    assert_true(session_has_subscription(s, STR("b")));
    session_unsubscribe(s, STR("a/+"));
    session_unsubscribe(s, STR("nothing"));
    assert_int_equal(s->sub_count, 1);
    assert_false(session_has_subscription(s, STR("a/+")));
    session_free(s);
}

/* ---- the model ---- */

static uint32_t seed = 4711;
static uint32_t rnd(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

/* What the client has: packets on the wire to it, and answers on the wire back. */
struct model {
    struct session *s;
    struct wire {
        enum session_send kind;
        uint16_t id;
        uint8_t qos;
        uint32_t n;
        bool dup;
    } wire[100];
    size_t wire_n;
    struct {
        uint16_t id;
        int kind; /* 0 PUBACK, 1 PUBREC, 2 PUBCOMP */
    } back[200];
    size_t back_n;
    uint32_t next, got2;
    int64_t got1_max;       /* -1: none yet */
    bool client_has[65536]; /* QoS 2 ids received, not released */
    uint32_t accepted2;
};

static void model_pump(struct model *m)
{
    struct session_out o;
    enum session_send k;

    while (m->wire_n < 90 && (k = session_next(m->s, 0, &o)) != SESSION_NOTHING)
        m->wire[m->wire_n++] =
            (struct wire){ k, o.packet_id, o.qos, k == SESSION_PUBLISH ? number(o.m) : 0, o.dup };
}

static void model_client(struct model *m)
{
    struct wire w = m->wire[0];

    memmove(m->wire, m->wire + 1, --m->wire_n * sizeof(m->wire[0]));
    m->back[m->back_n].id = w.id;
    m->back[m->back_n].kind = w.kind == SESSION_PUBREL ? 2 : w.qos == 1 ? 0 : 1;
    m->back_n++;
    if (w.kind == SESSION_PUBREL) {
        m->client_has[w.id] = false;
    } else if (w.qos == 2 && !m->client_has[w.id]) {
        m->client_has[w.id] = true;
        assert_int_equal(w.n, m->got2); /* each once, in order */
        m->got2 += 2;
    } else if (w.qos == 1) {
        assert_true(w.n <= m->got1_max + 2); /* none is left out; repetitions are dup */
        assert_true(w.n > m->got1_max || w.dup);
        if (w.n > m->got1_max)
            m->got1_max = w.n;
    }
}

static void model_answer(struct model *m)
{
    uint16_t id = m->back[0].id;
    int kind = m->back[0].kind, rc;

    memmove(m->back, m->back + 1, --m->back_n * sizeof(m->back[0]));
    if (kind == 0)
        rc = session_puback(m->s, id);
    else if (kind == 1)
        rc = session_pubrec(m->s, id, false);
    else
        rc = session_pubcomp(m->s, id);
    assert_int_equal(rc, 0);
    if (kind == 1)
        m->wire[m->wire_n++] = (struct wire){ SESSION_PUBREL, id, 2, 0, false };
}

/* Even numbers go with QoS 2, odd ones with QoS 1. */
static void model_run(void **state)
{
    static struct model m;

    (void)state;
    m.s = session_new(STR("c"), 1, &limits);
    m.s->expiry_s = 100;
    m.got1_max = -1;
    session_attach(m.s, &conn, 5);
    for (int i = 0; i < 300000; i++) {
        switch (rnd(8)) {
        case 0:
        case 1:
            if (push(m.s, m.next, m.next % 2 ? 1 : 2) == 0)
                m.next++;
            break;
        case 2:
        case 3:
            model_pump(&m);
            break;
        case 4:
        case 5:
            if (m.wire_n > 0 && m.back_n < 190)
                model_client(&m);
            break;
        case 6:
            if (m.back_n > 0 && m.wire_n < 95)
                model_answer(&m);
            break;
        default:
            if (rnd(50) != 0)
                break;
            m.wire_n = m.back_n = 0; /* the connection is lost with all that was on it */
            session_detach(m.s, 0, false);
            session_attach(m.s, &conn, 1 + rnd(8));
        }
        assert_true(m.s->open <= 8);
    }
    assert_true(m.next > 20000);
    while (m.s->count > 0) {
        model_pump(&m);
        if (m.wire_n > 0 && m.back_n < 190)
            model_client(&m);
        if (m.back_n > 0 && m.wire_n < 95)
            model_answer(&m);
    }
    assert_true(m.got2 >= m.next - 1 && m.got1_max + 2 >= m.next);
    assert_int_equal(m.s->queued_messages, 0);
    assert_int_equal(m.s->queued_bytes, 0);
    session_detach(m.s, 0, false);
    session_free(m.s);
}

/* A session whose ids end sooner gives out none above, also where they begin again. */
static void ids_end_where_the_limits_say(void **state)
{
    static const struct session_limits few = {
        .inflight_max = 5, .queue_max_messages = 50, .queue_max_bytes = 5000, .packet_id_max = 7
    };
    struct session *s = session_new(STR("c"), 1, &few);
    struct session_out o;

    (void)state;
    session_attach(s, &conn, 3);
    for (uint32_t i = 0; i < 30; i++) {
        assert_int_equal(push(s, i, 1), 0);
        assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
        assert_int_equal(o.packet_id, i % 7 + 1);
        assert_int_equal(session_puback(s, (uint16_t)(o.packet_id + 7)), ERR_UNKNOWN);
        if (i > 0)
            assert_int_equal(session_puback(s, (uint16_t)((i - 1) % 7 + 1)), 0);
    }
    s->conn = NULL;
    session_free(s);
}

/* Three come for each that goes, so that the queue grows with its head everywhere: order and ids hold, and
 * what a long queue takes is little more than what it holds. */
static void a_long_queue_is_nearly_full(void **state)
{
    const struct session_limits many = { .inflight_max = 100,
                                         .queue_max_messages = 100000,
                                         .queue_max_bytes = 100000000 };
    struct session *s = session_new(STR("c"), 1, &many);
    uint32_t in = 0, sent = 0, out = 0;
    uint16_t ids[8];
    struct session_out o;

    (void)state;
    session_attach(s, &conn, 8);
    while (in < 20000) {
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(push(s, in++, 1), 0);
        while (session_next(s, 0, &o) == SESSION_PUBLISH) {
            assert_int_equal(number(o.m), sent);
            ids[sent++ % COUNT_OF(ids)] = o.packet_id;
        }
        assert_int_equal(sent, in < out + 8 ? in : out + 8);
        assert_int_equal(session_puback(s, ids[out++ % COUNT_OF(ids)]), 0);
        assert_int_equal(s->count, in - out);
        assert_true(s->cap < 128 || s->cap - s->count <= s->count / 8 + 8);
    }
    s->conn = NULL;
    session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_and_order),
        cmocka_unit_test(short_of_memory),
        cmocka_unit_test(exactly_once_states),
        cmocka_unit_test(all_ids_received_at_once),
        cmocka_unit_test(what_waits_can_be_dropped),
        cmocka_unit_test(limits_drop_the_newest),
        cmocka_unit_test(what_was_let_in_is_over_no_limit),
        cmocka_unit_test(expired_messages_are_not_sent),
        cmocka_unit_test(expired_messages_are_not_begun_late),
        cmocka_unit_test(what_both_have_is_kept_once),
        cmocka_unit_test(what_both_have_is_known_when_others_have_gone),
        cmocka_unit_test(will_and_expiry),
        cmocka_unit_test(subscriptions_listed),
        cmocka_unit_test(ids_end_where_the_limits_say),
        cmocka_unit_test(a_long_queue_is_nearly_full),
        cmocka_unit_test(model_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
