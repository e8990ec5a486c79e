/* What is said of one session, by the operations of a log. */
#include "mqtt/restored.h"

#include "base/mem.h"
#include "mqtt/restore.h"
#include "unit/unit.h"

static const struct session_limits limits = { .subscriptions_max = 100,
                                              .inflight_max = 6,
                                              .queue_max_messages = 1000,
                                              .queue_max_bytes = 100000 };
static const struct str key = { "$share/g/a/+", 12 };

/* The next operation; of r, b and seq. */
#define APPLY(put)                                                                                 \
    do {                                                                                           \
        buf_clear(&b);                                                                             \
        put;                                                                                       \
        assert_int_equal(restore_apply(r, ++seq, buf_str(&b)), 0);                                 \
    } while (0)

/* It was on its way to the disk, and came to the session's worker when it was subscribed no more. */
static void what_comes_behind_an_unsubscription_was_not_had(void **state)
{
    static const char *const topics[] = { "a/1", "a/1", "a/2", "b" };
    static const char *const subscribed[] = { "a/+", "a/2", "b" };
    struct restore *r = restore_new(&(struct restore_options){ .limits = &limits });
    struct persist_session w = { .client_id = STR("c"), .expiry_s = SESSION_NEVER };
    struct buf b = buf_init(1000);
    struct session *s;
    uint64_t seq = 0;

    (void)state;
    APPLY(persist_put_session(&b, PERSIST_SESSION, 1, &w));
    for (size_t i = 0; i < COUNT_OF(subscribed); i++)
        APPLY(persist_put_subscribe(&b, 1, &(struct persist_sub){ str_of(subscribed[i]), 0, 1 }));
    for (size_t i = 0; i < COUNT_OF(topics); i++)
        APPLY(
            persist_put_message(&b, PERSIST_MESSAGE,
                                &(struct persist_message){ .topic = str_of(topics[i]), .qos = 1 }));
    APPLY(persist_put_unsubscribe(&b, 1, STR("a/+"), 5)); /* the first a/1 had come */
    restore_finish(r);
    s = restore_take_session(r);
    assert_int_equal(s->count, 3);
    assert_int_equal(session_item_seq(session_item_at(s, 0)), 5);
    assert_int_equal(session_item_seq(session_item_at(s, 1)), 7);
    assert_int_equal(session_item_seq(session_item_at(s, 2)), 8);
    session_free(s);
    buf_fini(&b);
    restore_free(r);
}

/* An id that is told once more is not the last that was given out. */
static void the_last_id_is_the_last_that_was_given(void **state)
{
    static const uint16_t told[] = { 2, 3, 2, 65535, 1, 65535, 60000, 59999, 30 };
    static const uint16_t last[] = { 2, 3, 3, 65535, 1, 1, 60000, 60000, 30 };

    (void)state;
    for (unsigned to = 0; to < COUNT_OF(told); to++) {
        struct restore *r = restore_new(&(struct restore_options){ .limits = &limits });
        struct buf b = buf_init(1000);
        struct session *s;

        persist_put_session(&b, PERSIST_SESSION, 1,
                            &(struct persist_session){ .client_id = STR("c"),
                                                       .expiry_s = 10,
                                                       .last_packet_id = to < 3 ? 1 : 65000 });
        assert_int_equal(restore_apply(r, 1, buf_str(&b)), 0);
        for (unsigned i = to < 3 ? 0 : 3; i <= to; i++) {
            buf_clear(&b);
            persist_put_sent(&b, 1, &(struct persist_item){ .seq = 5, .packet_id = told[i] });
            assert_int_equal(restore_apply(r, i + 2, buf_str(&b)), 0);
        }
        restore_finish(r);
        s = restore_take_session(r);
        assert_non_null(s);
        assert_int_equal(s->last_packet_id, last[to]);
        session_free(s);
        buf_fini(&b);
        restore_free(r);
    }
}

static void check_item(const struct session *s, uint32_t at, uint64_t seq, uint16_t packet_id)
{
    const struct session_item *it = session_item_at(s, at);

    assert_int_equal(session_item_seq(it), seq);
    assert_int_equal(it->packet_id, packet_id);
}

static const struct persist_message to_all = { .topic = { "a/1", 3 }, .qos = 2 };

/* A session has a message twice, by a subscription and by its group, and each is answered by itself. */
static void what_was_taken_is_the_sessions_own(void **state)
{
    struct restore *r = restore_new(&(struct restore_options){ .limits = &limits });
    struct persist_session w = { .client_id = STR("c"), .expiry_s = SESSION_NEVER };
    struct persist_item it = { .seq = 4, .packet_id = 7, .qos = 2 };
    struct buf b = buf_init(1000);
    struct message *m;
    struct session *s;
    struct str owed;
    uint64_t seq = 0;

    (void)state;
    APPLY(persist_put_session(&b, PERSIST_SESSION, 1, &w));
    APPLY(persist_put_subscribe(&b, 1, &(struct persist_sub){ STR("a/+"), 0, 2 }));
    APPLY(persist_put_subscribe(&b, 1, &(struct persist_sub){ key, 0, 2 }));
    for (int i = 0; i < 3; i++)
        APPLY(persist_put_message(&b, PERSIST_MESSAGE, &to_all));
    APPLY(persist_put_taken(&b, 1, key, &it));
    APPLY(persist_put_sent(&b, 1, &(struct persist_item){ .seq = 4, .packet_id = 8 }));
    APPLY(persist_put_done(&b, 1, 4, 0, 7));
    APPLY(persist_put_share_done(&b, key, 5));
    APPLY(persist_put_share(&b, &(struct persist_share){ key, 0, 6, 3 });
          for (uint64_t n = 4; n <= 6; n++) persist_put_owed(&b, n)); /* behind the times */
    restore_finish(r);
    s = restore_take_session(r);
    assert_int_equal(s->count, 3);
    check_item(s, 0, 4, 8);
    check_item(s, 1, 5, 0);
    check_item(s, 2, 6, 0);
    m = restore_take_owed(r, &owed);
    assert_int_equal(message_seq(m), 6);
    assert_true(str_eq(owed, key));
    assert_null(restore_take_owed(r, &owed));
    message_unref(m);
    session_free(s);
    buf_fini(&b);
    restore_free(r);
}

/* In the order of its queue, what it was sent by its group first. */
static void what_is_done_is_the_one_without_an_id(void **state)
{
    struct restore *r = restore_new(&(struct restore_options){ .limits = &limits });
    struct persist_session w = {
        .client_id = STR("c"), .expiry_s = SESSION_NEVER, .items = 2, .last_packet_id = 6
    };
    struct persist_message m = to_all;
    struct buf b = buf_init(1000);
    struct session *s;
    uint64_t seq = 0;

    (void)state;
    m.seq = 5;
    APPLY(persist_put_message(&b, PERSIST_COPY, &m));
    APPLY(persist_put_session(&b, PERSIST_SESSION, 1, &w);
          persist_put_item(&b, &(struct persist_item){ .seq = 5, .packet_id = 6, .qos = 2 });
          persist_put_item(&b, &(struct persist_item){ .seq = 5, .qos = 1, .sent = true }));
    APPLY(persist_put_done(&b, 1, 5, 0, 0));
    restore_finish(r);
    s = restore_take_session(r);
    assert_int_equal(s->count, 1);
    check_item(s, 0, 5, 6);
    session_free(s);
    buf_fini(&b);
    restore_free(r);
}

/* The session is told in parts meanwhile: behind what it told already, or before. */
static void what_is_taken_between_two_parts_is_there_once(void **state)
{
    (void)state;
    for (unsigned told = 0; told < 2; told++) {
        struct restore *r = restore_new(&(struct restore_options){ .limits = &limits });
        struct persist_session w = { .client_id = STR("c"), .expiry_s = 9, .subs = 1 },
                               more = { .items = told };
        struct persist_item it = { .seq = 2, .packet_id = 7, .qos = 2 };
        struct buf b = buf_init(1000);
        struct session *s;
        uint64_t seq = 0;

        APPLY(persist_put_session(&b, PERSIST_SESSION, 1, &w);
              persist_put_sub(&b, &(struct persist_sub){ key, 0, 2 }));
        APPLY(persist_put_message(&b, PERSIST_MESSAGE, &to_all));
        APPLY(persist_put_session(&b, PERSIST_SESSION_BEGIN, 1, &w);
              persist_put_sub(&b, &(struct persist_sub){ key, 0, 2 }));
        APPLY(persist_put_taken(&b, 1, key, &it));
        APPLY(persist_put_session_more(&b, 1, &more, 1, true); if (told) persist_put_item(&b, &it));
        restore_finish(r);
        s = restore_take_session(r);
        assert_int_equal(s->count, 1);
        check_item(s, 0, 2, 7);
        session_free(s);
        buf_fini(&b);
        restore_free(r);
    }
}

/* It is owed to nobody else, also where it was taken by a session that is not written down. */
static void what_a_passing_session_took_is_gone(void **state)
{
    struct restore *r = restore_new(&(struct restore_options){ .limits = &limits });
    struct persist_session w = { .client_id = STR("c"), .expiry_s = SESSION_NEVER };
    struct buf b = buf_init(1000);
    struct session *s;
    struct str owed;
    uint64_t seq = 0;

    (void)state;
    APPLY(persist_put_session(&b, PERSIST_SESSION, 1, &w));
    APPLY(persist_put_subscribe(&b, 1, &(struct persist_sub){ key, 0, 2 }));
    APPLY(persist_put_message(&b, PERSIST_MESSAGE, &to_all));
    APPLY(persist_put_taken(&b, 99, key,
                            &(struct persist_item){ .seq = 3, .packet_id = 1, .qos = 2 }));
    restore_finish(r);
    assert_null(restore_take_owed(r, &owed));
    s = restore_take_session(r);
    assert_int_equal(s->count, 0);
    session_free(s);
    buf_fini(&b);
    restore_free(r);
}

/* Workers whose sessions end with them had a shared subscription and are gone; what came then is nobody's, though
 * it is written down for another. */
static void a_shared_subscription_begins_with_its_first_member(void **state)
{
    struct restore *r = restore_new(&(struct restore_options){ .limits = &limits });
    struct persist_session w = { .client_id = STR("c"), .expiry_s = SESSION_NEVER };
    struct buf b = buf_init(1000);
    struct message *m;
    struct session *s;
    struct str owed;
    uint64_t seq = 0;

    (void)state;
    APPLY(persist_put_session(&b, PERSIST_SESSION, 1, &w));
    APPLY(persist_put_message(&b, PERSIST_MESSAGE, &to_all));
    APPLY(persist_put_share_done(&b, key, 2));
    APPLY(persist_put_message(&b, PERSIST_MESSAGE, &to_all));
    APPLY(persist_put_subscribe(&b, 1, &(struct persist_sub){ key, 0, 2 }));
    APPLY(persist_put_message(&b, PERSIST_MESSAGE, &to_all));
    restore_finish(r);
    m = restore_take_owed(r, &owed);
    assert_non_null(m);
    assert_int_equal(message_seq(m), 6);
    message_unref(m);
    assert_null(restore_take_owed(r, &owed));
    s = restore_take_session(r);
    assert_int_equal(s->count, 0);
    session_free(s);
    buf_fini(&b);
    restore_free(r);
}

/* A damaged log: its messages are told nowhere. */
static void what_is_not_found_is_counted(void **state)
{
    struct restore *r = restore_new(&(struct restore_options){ .limits = &limits });
    struct persist_session w = {
        .client_id = STR("c"), .expiry_s = SESSION_NEVER, .subs = 1, .items = 2
    };
    struct buf b = buf_init(1000);
    struct session *s;
    struct str owed;
    uint64_t seq = 0;

    (void)state;
    APPLY(persist_put_session(&b, PERSIST_SESSION, 1, &w);
          persist_put_sub(&b, &(struct persist_sub){ key, 0, 2 });
          persist_put_item(&b, &(struct persist_item){ .seq = 5, .qos = 1 });
          persist_put_item(&b, &(struct persist_item){ .seq = 6, .qos = 1 }));
    APPLY(persist_put_share(&b, &(struct persist_share){ key, 0, 9, 1 }); persist_put_owed(&b, 7));
    restore_finish(r);
    s = restore_take_session(r);
    assert_int_equal(s->count, 0);
    assert_null(restore_take_owed(r, &owed));
    assert_int_equal(restore_lost(r), 3);
    session_free(s);
    buf_fini(&b);
    restore_free(r);
}

static struct session *only(struct restore *r, int64_t away_ms, uint32_t expiry_s)
{
    struct buf b = buf_init(1000);

    persist_put_session(&b, PERSIST_SESSION, 1,
                        &(struct persist_session){
                            .client_id = STR("c"), .away_wall_ms = away_ms, .expiry_s = expiry_s });
    assert_int_equal(restore_apply(r, 1, buf_str(&b)), 0);
    buf_fini(&b);
    restore_finish(r);
    return restore_take_session(r);
}

static void sessions_expire_by_the_wall_clock(void **state)
{
    static const struct {
        int64_t away_ms;
        uint32_t expiry_s;
        uint64_t at_ms; /* 0: it has */
    } rows[] = {
        { 0, 10, 20000 + 10000 },    /* was connected: from now on */
        { 95000, 10, 20000 + 5000 }, /* gone for 5 s */
        { 90000, 10, 0 },
        { 900000, 10, 20000 + 10000 }, /* the clock was set back */
        { 1, SESSION_NEVER, UINT64_MAX },
        { 0, 0, 0 },
    };
    struct restore_options o = { .limits = &limits, .clocks.wall_ms = 100000, .now_ms = 20000 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct restore *r = restore_new(&o);
        struct session *s = only(r, rows[i].away_ms, rows[i].expiry_s);

        if (rows[i].at_ms == 0) {
            assert_null(s);
        } else {
            assert_int_equal(s->expires_at_ms, rows[i].at_ms);
            assert_true(s->written);
        }
        session_free(s);
        restore_free(r);
    }
}

/* A log whose beginning is gone, or with words of another version, gives what is left. */
/* MQTT 5, 3.1.2.5 and 3.1.3.2.2: of a client that was there, which did not say that it goes, so many seconds
 * from now; of one that had gone, from then; at the end of its session in any case. */
static void wills_are_due_by_the_wall_clock(void **state)
{
    static const struct {
        int64_t away_ms;
        uint32_t delay_s, expiry_s;
        uint64_t will_at_ms, expires_at_ms;
    } rows[] = {
        { 0, 0, 60, 500, 60500 },
        { 0, 7, 60, 7500, 60500 },
        { 1000000 - 3000, 7, 60, 4500, 57500 },
        { 1000000 - 9000, 7, 60, 500, 51500 },
        { 1000000 - 9000, 70, 5, 61500, 500 }, /* it ended meanwhile: published, and over */
        { 1000000 + 9000, 7, SESSION_NEVER, 7500, UINT64_MAX },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct restore_options o = { .limits = &limits, .clocks.wall_ms = 1000000, .now_ms = 500 };
        struct restore *r = restore_new(&o);
        struct buf b = buf_init(1000);
        struct session *s;

        persist_put_session(&b, PERSIST_SESSION, 1,
                            &(struct persist_session){ .client_id = STR("c"),
                                                       .away_wall_ms = rows[i].away_ms,
                                                       .expiry_s = rows[i].expiry_s });
        assert_int_equal(restore_apply(r, 1, buf_str(&b)), 0);
        buf_clear(&b);
        persist_put_will(&b, 1, rows[i].delay_s, &(struct persist_message){ .topic = STR("w") });
        assert_int_equal(restore_apply(r, 2, buf_str(&b)), 0);
        restore_finish(r);
        s = restore_take_session(r);
        assert_non_null(s);
        assert_true(s->will_written);
        assert_int_equal(s->will_at_ms, rows[i].will_at_ms);
        assert_int_equal(s->expires_at_ms, rows[i].expires_at_ms);
        session_free(s);
        assert_null(restore_take_session(r));
        restore_free(r);
        buf_fini(&b);
    }
}

static void clocks_are(struct restore *r, int64_t wall_ms, int64_t uptime_ms)
{
    restore_clocks(r, &(struct timeline_clocks){ wall_ms, uptime_ms, { { 1 } } });
}

/* A client goes at 1000 of the uptime clock, when the wall clock is as given; messages come at 3000, the first of them
 * again as a copy at 5000, the wall clock having been set in between; at 10000 the broker begins again. */
static void restore_over_steps(struct restore *r, const int64_t wall_ms[3])
{
    struct persist_message m = {
        .topic = STR("a/1"), .payload = STR("x"), .qos = 1, .retain = true
    };
    struct persist_sub sub = { .filter = STR("a/+"), .options = 1 };
    struct buf b = buf_init(1000);
    uint64_t seq = 0;

    clocks_are(r, wall_ms[0], 1000);
    APPLY(persist_put_session(&b, PERSIST_SESSION, 1,
                              &(struct persist_session){ .client_id = STR("c") }));
    APPLY(persist_put_subscribe(&b, 1, &sub));
    APPLY(persist_put_away(&b, 1, wall_ms[0], 60));
    clocks_are(r, wall_ms[1], 3000);
    m.expires_wall_ms = wall_ms[1] + 600000;
    APPLY(persist_put_message(&b, PERSIST_MESSAGE, &m));
    m.expires_wall_ms = wall_ms[1] + 2000;
    APPLY(persist_put_message(&b, PERSIST_MESSAGE, &m));
    clocks_are(r, wall_ms[2], 5000);
    m.seq = 4;
    m.expires_wall_ms = wall_ms[2] + 598000;
    APPLY(persist_put_message(&b, PERSIST_COPY, &m));
    APPLY(persist_put_session(&b, PERSIST_SESSION, 2,
                              &(struct persist_session){
                                  .client_id = STR("d"), .items = 1, .expiry_s = SESSION_NEVER });
          persist_put_item(&b, &(struct persist_item){ .seq = 4, .qos = 1 }));
    restore_finish(r);
    buf_fini(&b);
}

/* What was set is the clock: neither does anything end sooner, nor later than was said. */
static void a_clock_that_is_set_changes_no_time(void **state)
{
    static const int64_t now = INT64_C(1700000000000), day = 86400000;
    static const int64_t rows[][4] = {
        { 1000000, 1000000, 1000000, 1000000 }, { 60000, 62000, now, now + 5000 },
        { now, now - day, now - day, now },     { now - 40 * day, now, now + 2000, 60000 },
        { now, now, now, now - day },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct restore_options o = { .limits = &limits,
                                     .clocks = { rows[i][3], 10000, { { 1 } } },
                                     .now_ms = 500 };
        struct restore *r = restore_new(&o);
        struct session *s;

        restore_over_steps(r, rows[i]);
        for (unsigned n = 0; n < 2; n++) {
            s = restore_take_session(r);
            assert_non_null(s);
            assert_int_equal(message_expires_ms(session_item_at(s, 0)->m), 500 + 593000);
            if (str_eq(session_id(s), STR("c"))) {
                assert_int_equal(s->expires_at_ms, 500 + 51000);
                assert_int_equal(s->away_ms, 1000);
                assert_int_equal(s->count, 2);
                assert_int_equal(message_expires_ms(session_item_at(s, 1)->m), 1); /* it is over */
            }
            session_free(s);
        }
        assert_null(restore_take_retained(r)); /* it is over, too */
        restore_free(r);
    }
}

static void what_cannot_be_understood_is_left_out(void **state)
{
    struct restore_options o = { .limits = &limits, .clocks.wall_ms = 100000, .now_ms = 20000 };
    struct restore *r = restore_new(&o);
    struct buf b = buf_init(1000);
    struct session *s;

    (void)state;
    assert_int_equal(restore_apply(r, 1, STR("")), ERR_VALUE);
    assert_int_equal(restore_apply(r, 2, STR("\x63nonsense")), ERR_VALUE);
    persist_put_done(&b, 1, 5, 0, 0);
    assert_int_equal(restore_apply(r, 3, buf_str(&b)), 0); /* of a session that is not there */
    buf_fini(&b);
    s = only(r, 0, 5);
    assert_non_null(s);
    assert_null(restore_take_session(r));
    assert_null(restore_take_retained(r));
    session_free(s);
    restore_free(r);
}

RUN(TEST(the_last_id_is_the_last_that_was_given),
    TEST(what_comes_behind_an_unsubscription_was_not_had), TEST(what_was_taken_is_the_sessions_own),
    TEST(what_is_taken_between_two_parts_is_there_once), TEST(what_a_passing_session_took_is_gone),
    TEST(what_is_done_is_the_one_without_an_id),
    TEST(a_shared_subscription_begins_with_its_first_member), TEST(what_is_not_found_is_counted),
    TEST(sessions_expire_by_the_wall_clock), TEST(wills_are_due_by_the_wall_clock),
    TEST(a_clock_that_is_set_changes_no_time), TEST(what_cannot_be_understood_is_left_out))
