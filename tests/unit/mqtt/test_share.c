/* Members of a shared subscription: turns, credit, old news, what waits. */
#include "mqtt/share.h"

#include "base/mem.h"

#include "unit/unit.h"

static const struct session_limits limits = {
    .subscriptions_max = 10, .inflight_max = 10, .queue_max_messages = 3, .queue_max_bytes = 100000
};

static struct share *made(void)
{
    return share_new(STR("$share/g/a/+"), STR("a/+"), 7, &limits);
}

static void tell(struct share *sh, uint64_t serial, uint32_t turn, uint32_t credit)
{
    share_tell(sh,
               &(struct share_told){
                   .serial = serial, .turn = turn, .credit = credit, .part = (unsigned)serial });
}

static uint64_t picked(struct share *sh, bool spend)
{
    struct share_member *m = share_pick(sh);

    if (m)
        m->credit -= spend;
    return m ? m->serial : 0;
}

static struct message *message(const char *payload, uint64_t expires_ms)
{
    return message_new(&(struct message_source){
        .topic = STR("a/b"), .payload = str_of(payload), .qos = 1, .expires_ms = expires_ms });
}

static void names(void **state)
{
    struct share *sh = made();

    (void)state;
    assert_true(str_eq(share_key(sh), STR("$share/g/a/+")));
    assert_true(str_eq(share_filter(sh), STR("a/+")));
    assert_null(share_pick(sh));
    share_free(sh);
}

static void members_with_room_take_turns(void **state)
{
    static const uint64_t turns[] = { 1, 2, 3, 1, 3, 1, 1, 0 };
    struct share *sh = made();

    (void)state;
    for (uint64_t i = 1; i <= 4; i++)
        assert_true(share_join(sh, &(struct share_joining){ i, 0, 1, false }));
    assert_false(share_join(sh, &(struct share_joining){ 4, 5, 2, false }));
    assert_null(share_pick(sh)); /* nobody has said that there is room */
    assert_false(share_is_attended(sh));
    tell(sh, 1, 1, 4);
    tell(sh, 2, 1, 1);
    tell(sh, 3, 1, 2);
    tell(sh, 9, 1, 5); /* no member */
    for (size_t i = 0; i < COUNT_OF(turns); i++)
        assert_int_equal(picked(sh, true), turns[i]);
    tell(sh, 4, 1, 1);
    assert_int_equal(picked(sh, false), 4); /* QoS 0 costs no credit */
    assert_int_equal(picked(sh, false), 4);
    assert_int_equal(share_pick(sh)->options, 2);
    assert_int_equal(picked(sh, true), 4);
    assert_null(share_pick(sh));
    assert_true(share_is_attended(sh));
    for (uint64_t i = 1; i <= 4; i++)
        tell(sh, i, 2, 0);
    assert_false(share_is_attended(sh));
    share_free(sh);
}

static void old_news_is_ignored(void **state)
{
    struct share *sh = made();

    (void)state;
    share_join(sh, &(struct share_joining){ 1, 0, 1, false });
    tell(sh, 1, 5, 3);
    tell(sh, 1, 4, 0);
    assert_int_equal(picked(sh, true), 1);
    share_stall(sh, 1, 4); /* bounced before it told us anew */
    assert_int_equal(picked(sh, true), 1);
    share_stall(sh, 2, 9);
    share_stall(sh, 1, 5);
    assert_int_equal(picked(sh, true), 0);
    share_free(sh);
}

static void leaving_keeps_the_turns(void **state)
{
    struct share *sh = made();

    (void)state;
    for (uint64_t i = 1; i <= 4; i++) {
        share_join(sh, &(struct share_joining){ i, 0, 1, false });
        tell(sh, i, 1, 10);
    }
    assert_int_equal(picked(sh, true), 1);
    assert_int_equal(picked(sh, true), 2);
    assert_true(share_leave(sh, 1));
    assert_false(share_leave(sh, 1));
    assert_int_equal(picked(sh, true), 3);
    assert_true(share_leave(sh, 4));
    assert_int_equal(picked(sh, true), 2);
    assert_int_equal(picked(sh, true), 3);
    assert_true(share_leave(sh, 2));
    assert_true(share_leave(sh, 3));
    assert_int_equal(sh->count, 0);
    assert_null(share_pick(sh));
    share_free(sh);
}

/* A connection that was taken over while it subscribed does not take away what the next one has. */
static void a_join_that_failed_undoes_only_itself(void **state)
{
    struct share_joining j = { .serial = 1 };
    struct share *sh = made();
    struct share_joining first;

    (void)state;
    assert_true(share_join(sh, &j));
    assert_false(share_join(sh, &j));
    assert_false(share_unjoin(sh, &j));
    assert_int_equal(sh->count, 1);
    assert_true(share_unjoin(sh, &j));
    assert_int_equal(sh->count, 0);
    assert_false(share_unjoin(sh, &j));
    first = j;
    assert_true(share_join(sh, &j));
    assert_false(share_unjoin(sh, &first)); /* of a membership that is over */
    assert_int_equal(sh->count, 1);
    share_free(sh);
}

/* Nor does the session know the options that it asked for then. */
static void a_join_that_failed_changes_nothing(void **state)
{
    struct share *sh = made();
    struct share_joining is = { .serial = 1, .sub_id = 5, .options = 1 };
    struct share_joining failed = { .serial = 1, .sub_id = 6, .options = 2 };
    struct share_joining later = { .serial = 1, .sub_id = 7, .options = 0 };

    (void)state;
    share_join(sh, &is);
    share_join(sh, &failed);
    assert_false(share_unjoin(sh, &failed));
    assert_int_equal(sh->members[0].sub_id, 5);
    assert_int_equal(sh->members[0].options, 1);
    share_join(sh, &failed);
    share_join(sh, &later);
    assert_false(share_unjoin(sh, &failed));
    assert_int_equal(sh->members[0].sub_id, 7);
    assert_int_equal(sh->members[0].options, 0);
    share_free(sh);
}

static void what_waits_is_bounded_and_expires(void **state)
{
    struct share *sh = made();
    struct message *a = message("a", 10), *b = message("b", 0), *c = message("c", 20);
    uint64_t expired = 0;

    (void)state;
    assert_null(share_first(sh, 0, &expired));
    for (int round = 0; round < 7; round++) { /* around the ring */
        expired = 0;
        assert_int_equal(share_wait(sh, a, 1), 0);
        assert_int_equal(share_wait(sh, b, 2), 0);
        assert_int_equal(share_wait(sh, c, 1), 0);
        assert_int_equal(share_wait(sh, a, 1), ERR_FULL);
        assert_ptr_equal(share_first(sh, 9, &expired)->m, a);
        assert_int_equal(expired, 0);
        assert_ptr_equal(share_first(sh, 10, &expired)->m, b);
        assert_int_equal(expired, 1);
        assert_int_equal(share_first(sh, 10, &expired)->qos, 2);
        share_pop(sh);
        assert_null(share_first(sh, 20, &expired));
        assert_int_equal(expired, 2);
        assert_int_equal(sh->waiting_bytes, 0);
    }
    assert_int_equal(share_wait(sh, a, 1), 0); /* freed with the group */
    share_free(sh);
    message_unref(a);
    message_unref(b);
    message_unref(c);
}

static struct message *written_down(uint64_t seq, uint64_t expires_ms)
{
    return message_new(&(struct message_source){
        .topic = STR("t"), .seq = seq, .qos = 1, .expires_ms = expires_ms });
}

static void what_is_owed_is_known_while_a_member_lasts(void **state)
{
    struct share *sh = made();
    struct message *a = written_down(5, 10), *b = written_down(6, 0);
    uint64_t expired = 0;

    (void)state;
    assert_true(share_join(sh, &(struct share_joining){ 1, 0, 1, false }));
    assert_true(share_join(sh, &(struct share_joining){ 2, 0, 1, true }));
    assert_true(share_join(sh, &(struct share_joining){ 3, 0, 1, true }));
    assert_false(share_join(sh, &(struct share_joining){ 1, 0, 1, true }));
    assert_int_equal(sh->lasting, 3);
    assert_false(share_join(sh, &(struct share_joining){ 1, 0, 1, false }));
    assert_int_equal(sh->lasting, 2);
    share_owe(sh, a);
    assert_int_equal(share_wait(sh, a, 1), 0);
    share_owe(sh, b);
    share_owe(sh, b); /* given back */
    assert_int_equal(sh->owed.live, 2);
    assert_null(share_first(sh, 10, &expired)); /* over, so no longer owed */
    assert_int_equal(sh->owed.live, 1);
    assert_true(share_leave(sh, 2));
    assert_int_equal(sh->owed.live, 1);
    share_settle(sh, 6);
    assert_int_equal(sh->owed.live, 0);
    assert_true(share_leave(sh, 3));
    assert_int_equal(sh->lasting, 0);
    assert_int_equal(sh->owed.count, 0);
    share_restore(sh, b);
    for (int i = 0; i < 5; i++)
        share_restore(sh, a); /* above the limit */
    assert_int_equal(sh->waiting, 6);
    assert_int_equal(sh->owed.live, 2);
    share_free(sh);
    message_unref(a);
    message_unref(b);
}

static void a_byte_limit_holds(void **state)
{
    struct session_limits few = limits;
    struct message *m = message("12345", 0);
    struct share *sh = share_new(STR("$share/g/x"), STR("x"), 1, &few);

    (void)state;
    few.queue_max_bytes = message_size(m) * 2 - 1;
    assert_int_equal(share_wait(sh, m, 1), 0);
    assert_int_equal(share_wait(sh, m, 1), ERR_FULL);
    share_free(sh);
    message_unref(m);
}

RUN(TEST(names), TEST(members_with_room_take_turns), TEST(old_news_is_ignored),
    TEST(leaving_keeps_the_turns), TEST(a_join_that_failed_undoes_only_itself),
    TEST(a_join_that_failed_changes_nothing), TEST(what_waits_is_bounded_and_expires),
    TEST(a_byte_limit_holds), TEST(what_is_owed_is_known_while_a_member_lasts))
