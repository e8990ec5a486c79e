/* What a session does after a restart with what was in flight. */
#include "mqtt/session.h"

#include "base/mem.h"
#include "unit/unit.h"

static const struct session_limits limits = {
    .subscriptions_max = 10, .inflight_max = 5, .queue_max_messages = 50, .queue_max_bytes = 5000
};
static int conn; /* its address stands for a connection */

static struct message *msg(uint32_t n)
{
    struct message_source src = { .topic = STR("t"), .payload = str_from(&n, sizeof(n)), .qos = 2 };

    return message_new(&src);
}

static uint32_t number(const struct message *m)
{
    uint32_t n;

    memcpy(&n, message_payload(m).p, sizeof(n));
    return n;
}

/* Ids were given out in another order than the messages' numbers, around the end of the ids. */
static void restored_ids_keep_their_order(void **state)
{
    static const uint16_t ids[] = { 2, 65534, 1, 65535 }, order[] = { 65534, 65535, 1, 2 };
    struct session *s = session_new(STR("c"), 1, &limits);
    struct session_item *items = mem_new_array(8, sizeof(*items));
    struct session_out o;

    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        items[i] = (struct session_item){ .m = msg(i), .qos = 2, .lasts = 1 };
    for (uint32_t i = 0; i < 4; i++) {
        items[i].packet_id = ids[i];
        items[i].state = SESSION_SENT;
        items[i].written = 1;
    }
    session_restore_take(s, items, 5, 2);
    assert_int_equal(s->count, 5);
    session_attach(s, &conn, 10);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
        assert_int_equal(o.packet_id, order[i]);
        assert_true(o.dup && o.written);
    }
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(o.packet_id, 3);
    assert_int_equal(number(o.m), 4);
    assert_false(o.dup || o.written);
    s->conn = NULL;
    session_free(s);
}

/* What had a later id is not there any more (it came through a shared subscription), but its client may
 * still hold that id: it is not given to another message before its turn. */
static void ids_of_what_is_gone_are_not_given_again(void **state)
{
    struct session *s = session_new(STR("c"), 1, &limits);
    struct session_item *items = mem_new_array(2, sizeof(*items));
    struct session_out o;

    (void)state;
    items[0] = (struct session_item){ .m = msg(0), .qos = 2, .packet_id = 65534 };
    items[0].state = SESSION_SENT;
    items[1] = (struct session_item){ .m = msg(1), .qos = 2 };
    session_restore_take(s, items, 2, 2);
    session_attach(s, &conn, 10);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(o.packet_id, 65534);
    assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
    assert_int_equal(o.packet_id, 3);
    assert_int_equal(session_pubrec(s, 65535, false), ERR_UNKNOWN);
    assert_int_equal(session_pubrec(s, 65534, true), 0);
    assert_int_equal(session_pubrec(s, 3, true), 0);
    assert_int_equal(s->count, 0);
    s->conn = NULL;
    session_free(s);
}

/* Nothing was in flight: the queue is as it was, and counts. */
static void what_only_waited_waits(void **state)
{
    struct metrics *all = metrics_new();
    struct session_limits counted = limits;
    struct session *s = session_new(STR("c"), 1, &counted);
    struct session_item *items = mem_new_array(3, sizeof(*items));
    struct session_out o;

    (void)state;
    counted.queued = metrics_gauge(all, "queued", "", "messages");
    counted.queued_bytes = metrics_gauge(all, "queued_bytes", "", "bytes");
    for (uint32_t i = 0; i < 3; i++)
        items[i] = (struct session_item){ .m = msg(i), .qos = 1, .lasts = 1 };
    session_restore_take(s, items, 3, 9);
    assert_int_equal(s->queued_messages, 3);
    assert_true(s->queued_bytes > 0);
    assert_int_equal(metric_value(counted.queued), 3);
    assert_int_equal(metric_value(counted.queued_bytes), s->queued_bytes);
    session_attach(s, &conn, 10);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(session_next(s, 0, &o), SESSION_PUBLISH);
        assert_int_equal(number(o.m), i);
        assert_int_equal(o.packet_id, 10 + i);
        assert_int_equal(session_puback(s, o.packet_id), 0);
    }
    assert_int_equal(s->queued_messages, 0);
    assert_int_equal(s->queued_bytes, 0);
    assert_int_equal(metric_value(counted.queued), 0);
    assert_int_equal(metric_value(counted.queued_bytes), 0);
    s->conn = NULL;
    session_free(s);
    metrics_free(all);
}

RUN(TEST(restored_ids_keep_their_order), TEST(ids_of_what_is_gone_are_not_given_again),
    TEST(what_only_waited_waits))
