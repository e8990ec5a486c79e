/*
 * Clients inside of the program: what publishers see of their queues, and what is found again after a restart.
 */
#include "unit/unit.h"

#include "base/mem.h"
#include "mqtt/broker_part.h"

struct rig {
    struct broker b;
    struct part p;
    struct broker_inside *i;
    struct session *s;
};

static void rig_init(struct rig *r, bool refuse)
{
    static const struct str filters[] = { { "a/#", 3 }, { "b", 1 } };

    *r = (struct rig){ 0 };
    r->p.b = &r->b;
    r->i = broker_inside_add(&r->b, &(struct broker_inside_options){ .client_id = STR("$bridge/x"),
                                                                     .filters = filters,
                                                                     .filter_count = 2,
                                                                     .mark = STR("$bridge/x/m"),
                                                                     .queue_max_messages = 10,
                                                                     .queue_max_bytes = 1 << 20,
                                                                     .refuse = refuse });
    r->s = session_new(STR("$bridge/x"), 1, inside_limits(r->i));
}

static void rig_fini(struct rig *r)
{
    session_free(r->s);
    inside_free_all(&r->b);
}

static void fill(struct session *s, unsigned count)
{
    struct message *m = message_new(&(struct message_source){ .topic = STR("a/1"), .qos = 1 });

    for (unsigned i = 0; i < count; i++)
        session_admit(s, m, 1, false, (struct sub_ids){ 0 });
    message_unref(m);
}

static void a_full_queue_refuses_what_would_go_into_it(void **state)
{
    for (unsigned refuse = 0; refuse < 2; refuse++) {
        struct rig r;

        (void)state;
        rig_init(&r, refuse);
        fill(r.s, 9);
        inside_look(&r.p, r.s);
        assert_null(inside_refuses(&r.b, STR("a/1"), NULL));
        fill(r.s, 1);
        inside_look(&r.p, r.s);
        assert_int_equal(broker_inside_look(r.i).messages, 10);
        assert_true(broker_inside_look(r.i).full);
        assert_ptr_equal(inside_refuses(&r.b, STR("a/1"), NULL), refuse ? r.i : NULL);
        assert_null(inside_refuses(&r.b, STR("c"), NULL));
        assert_null(inside_refuses(&r.b, STR("a/1"), r.i)); /* it gets nothing of its own */
        rig_fini(&r);
    }
}

static void a_stand_in_says_nothing_of_the_queue(void **state)
{
    struct rig r;
    struct session *t;

    (void)state;
    rig_init(&r, true);
    t = session_new(STR("$bridge/x"), 1, inside_limits(r.i));
    t->stand_in = true;
    fill(r.s, 10);
    inside_look(&r.p, r.s);
    fill(t, 1);
    inside_look(&r.p, t);
    assert_ptr_equal(inside_refuses(&r.b, STR("a/1"), NULL), r.i);
    session_free(t);
    rig_fini(&r);
}

static void the_mark_is_found_again(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, true);
    assert_int_equal(broker_inside_mark(r.i), -1);
    session_subscribe(r.s, STR("a/#"), 0, 1, true);
    inside_restored(&r.p, r.i, r.s);
    assert_int_equal(broker_inside_mark(r.i), -1);
    session_subscribe(r.s, STR("$bridge/x/m"), 0, 2 | 2 << 4, true);
    inside_restored(&r.p, r.i, r.s);
    assert_int_equal(broker_inside_mark(r.i), 2);
    assert_true(session_has_subscription(r.s, STR("$bridge/x/m")));
    assert_true(session_has_subscription(r.s, STR("a/#")));
    rig_fini(&r);
}

RUN(TEST(a_full_queue_refuses_what_would_go_into_it), TEST(a_stand_in_says_nothing_of_the_queue),
    TEST(the_mark_is_found_again))
