/*
 * What a bridge remembers of its two sessions: by cases, and then against a model of two servers that lose them
 * while connections break and the program is killed at any step.
 */
#include "unit/unit.h"

#include "mqtt/bridge_pair.h"

static void a_life(struct bridge_pair *p, bool far_present, bool local_present)
{
    bridge_pair_far(p, far_present);
    bridge_pair_local(p, local_present);
}

static void expect(const struct bridge_pair *p, bool settled, bool far_stale, bool local_stale)
{
    assert_int_equal(bridge_pair_settled(p), settled);
    if (settled)
        return;
    assert_int_equal(p->stale[BRIDGE_FAR], far_stale);
    assert_int_equal(p->stale[BRIDGE_LOCAL], local_stale);
}

static void two_new_sessions_need_no_sweep(void **state)
{
    struct bridge_pair p;

    (void)state;
    bridge_pair_begin(&p, false, false);
    a_life(&p, false, true);
    expect(&p, false, false, true); /* cheap, and it was made by an earlier connection */
    bridge_pair_settle(&p);
    expect(&p, true, false, false);
    a_life(&p, true, true);
    expect(&p, true, false, false);
    bridge_pair_begin(&p, true, true); /* a restart */
    a_life(&p, true, true);
    expect(&p, true, false, false);
    assert_false(p.untold);
}

static void what_is_owed_outlives_the_connection_that_showed_it(void **state)
{
    struct bridge_pair p;

    (void)state;
    bridge_pair_begin(&p, true, true);
    a_life(&p, false, true); /* the far server forgot us */
    expect(&p, false, false, true);
    a_life(&p, true, true); /* it ended before it was swept */
    expect(&p, false, false, true);
    assert_true(p.untold);
    bridge_pair_settle(&p);
    bridge_pair_local(&p, true);
    expect(&p, true, false, false);
    assert_true(p.untold); /* that is another matter */

    bridge_pair_begin(&p, true, true);
    a_life(&p, true, false); /* the local session is lost */
    expect(&p, false, true, false);
    a_life(&p, true, true);
    expect(&p, false, true, false);
}

static void what_is_owed_outlives_the_program(void **state)
{
    struct bridge_pair p;

    (void)state;
    bridge_pair_begin(&p, false, false); /* a new session, but no far server */
    bridge_pair_begin(&p, true, false);
    a_life(&p, true, true);
    expect(&p, false, true, true);
    assert_true(p.untold);
}

/* ---- a model ---- */

struct model {
    struct bridge_pair p;
    bool far, local; /* the servers have a session */
    bool marked;     /* as written with the local one */
    bool stale[2];   /* that session has ids from before the other */
    bool crossed;    /* messages were handed on between these two sessions */
    uint64_t random;
};

static unsigned dice(struct model *m, unsigned n)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(m->random >> 33) % n;
}

static void lose(struct model *m, enum bridge_side side)
{
    bool *it = side == BRIDGE_FAR ? &m->far : &m->local;

    m->stale[side] = false;
    m->stale[!side] |= m->crossed;
    m->crossed = *it = false;
    if (side == BRIDGE_LOCAL)
        m->marked = false;
}

/* The connection may break, or the program be killed, in front of each step. */
static bool goes_on(struct model *m)
{
    unsigned n = dice(m, 12);

    if (n == 0) {
        bridge_pair_begin(&m->p, m->local, m->marked);
        m->local = true;
    }
    return n > 1;
}

static void sweep(struct model *m, enum bridge_side side)
{
    if (m->p.stale[side] && m->crossed)
        fail_msg("a sweep takes ids that are in use");
    if (m->p.stale[side])
        m->stale[side] = false;
}

static void a_random_life(struct model *m)
{
    if (dice(m, 4) == 0)
        lose(m, dice(m, 2) ? BRIDGE_FAR : BRIDGE_LOCAL);
    if (!goes_on(m))
        return;
    bridge_pair_far(&m->p, m->far);
    m->far = true;
    if (!m->p.far_new && !goes_on(m)) /* the kill that cannot be helped */
        return;
    bridge_pair_local(&m->p, m->local);
    m->local = true;
    if (!bridge_pair_settled(&m->p)) {
        m->marked = false;
        if (!goes_on(m))
            return;
        sweep(m, BRIDGE_FAR);
        if (!goes_on(m))
            return;
        sweep(m, BRIDGE_LOCAL);
        if (!goes_on(m))
            return;
        m->marked = true;
        if (!goes_on(m))
            return;
        bridge_pair_settle(&m->p);
    }
    assert_false(m->stale[BRIDGE_FAR]);
    assert_false(m->stale[BRIDGE_LOCAL]);
    m->crossed = true;
}

static void nothing_crosses_between_sessions_that_are_no_pair(void **state)
{
    unsigned open = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct model m = { .random = seed };

        bridge_pair_begin(&m.p, false, false);
        m.local = true;
        for (unsigned i = 0; i < 200; i++) {
            a_random_life(&m);
            open += m.crossed;
        }
    }
    assert_true(open > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_new_sessions_need_no_sweep),
        cmocka_unit_test(what_is_owed_outlives_the_connection_that_showed_it),
        cmocka_unit_test(what_is_owed_outlives_the_program),
        cmocka_unit_test(nothing_crosses_between_sessions_that_are_no_pair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
