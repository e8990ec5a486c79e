/* What is written down reads back the same; damage of any byte is refused or reads as something valid. */
#include "mqtt/persist.h"

#include "unit/unit.h"

static struct persist read_back(struct buf *b)
{
    struct persist p;

    assert_int_equal(persist_decode(buf_str(b), &p), 0);
    for (size_t n = 0; n < b->n;
         n++) { /* every shorter one is refused, unless it ends in a payload */
        struct persist q;
        int rc = persist_decode(str_from(b->p, n), &q);

        assert_true(rc == ERR_VALUE || p.message.payload.n > 0);
    }
    return p;
}

static void messages(void **state)
{
    static const struct persist_message m = { .topic = { "a/b", 3 },
                                              .props = { "\x01\x02", 2 },
                                              .payload = { "payload", 7 },
                                              .publisher = 77,
                                              .expires_wall_ms = 1234567890123,
                                              .packet_id = 65535,
                                              .qos = 2,
                                              .retain = true };
    struct persist_message qos0 = { .topic = { "a/b", 3 }, .seq = 1 };
    struct buf b = buf_init(10000);
    struct persist p;

    (void)state;
    persist_put_message(&b, PERSIST_MESSAGE, &m);
    p = read_back(&b);
    assert_int_equal(p.op, PERSIST_MESSAGE);
    assert_str(p.message.topic, "a/b");
    assert_str(p.message.payload, "payload");
    assert_int_equal(p.message.props.n, 2);
    assert_int_equal(p.message.publisher, 77);
    assert_int_equal(p.message.expires_wall_ms, m.expires_wall_ms);
    assert_int_equal(p.message.packet_id, 65535);
    assert_int_equal(p.message.qos, 2);
    assert_true(p.message.retain);
    b.p[9] = 1; /* a number, where a message has none yet */
    assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);
    b.p[0] = PERSIST_COPY;
    assert_int_equal(persist_decode(buf_str(&b), &p), 0);
    assert_int_equal(p.message.seq, 1);
    qos0.seq = 1;
    buf_clear(&b);
    persist_put_message(&b, PERSIST_COPY, &qos0);
    assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);
    b.p[0] = PERSIST_RETAINED;
    assert_int_equal(persist_decode(buf_str(&b), &p), 0);
    b.p[0] = 99;
    assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);
    buf_fini(&b);
}

static void wills(void **state)
{
    static const struct persist_message m = { .topic = { "a/b", 3 },
                                              .props = { "\x01\x02", 2 },
                                              .payload = { "payload", 7 },
                                              .expires_wall_ms = 5001,
                                              .qos = 1,
                                              .retain = true };
    struct buf b = buf_init(10000);
    struct persist p;

    (void)state;
    persist_put_will(&b, 77, 60, &m);
    p = read_back(&b);
    assert_int_equal(p.op, PERSIST_WILL);
    assert_int_equal(p.session, 77);
    assert_int_equal(p.will_delay_s, 60);
    assert_str(p.message.topic, "a/b");
    assert_str(p.message.payload, "payload");
    assert_int_equal(p.message.props.n, 2);
    assert_int_equal(p.message.expires_wall_ms, 5001);
    assert_true(p.message.qos == 1 && p.message.retain);
    b.p[26] = '+'; /* a topic that cannot be published on */
    assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);
    buf_fini(&b);
}

static void sessions(void **state)
{
    static const struct persist_session w = { .client_id = { "c", 1 },
                                              .user = { "u", 1 },
                                              .base = 9,
                                              .away_wall_ms = 5,
                                              .expiry_s = 60,
                                              .subs = 2,
                                              .received = 1,
                                              .items = 3,
                                              .last_packet_id = 3,
                                              .role = 4 };
    struct buf b = buf_init(10000);
    struct persist_item it;
    struct persist p;
    const uint32_t more[] = { 268435455, 2 };
    uint32_t ids[3];
    size_t at = 0;

    (void)state;
    persist_put_session(&b, PERSIST_SESSION, 5, &w);
    persist_put_sub(&b, &(struct persist_sub){ STR("x/#"), 268435455, 2 });
    persist_put_sub(&b, &(struct persist_sub){ STR("$share/g/y"), 0, 1 });
    persist_put_received(&b, 4);
    persist_put_item(
        &b, &(struct persist_item){
                .seq = 7, .sub_id = 1, .packet_id = 2, .qos = 2, .released = true, .sent = true });
    persist_put_item(
        &b, &(struct persist_item){ .seq = 9, .sub_id = 5, .more_ids = more, .more = 2, .qos = 1 });
    persist_put_item(&b, &(struct persist_item){ .seq = 8, .qos = 1, .retain = true });
    p = read_back(&b);
    assert_int_equal(p.session, 5);
    assert_str(p.whole.client_id, "c");
    assert_str(p.whole.user, "u");
    assert_int_equal(p.whole.base, 9);
    assert_int_equal(p.whole.away_wall_ms, 5);
    assert_int_equal(p.whole.expiry_s, 60);
    assert_int_equal(p.whole.last_packet_id, 3);
    assert_int_equal(p.whole.role, 4);
    assert_int_equal(persist_next_sub(&p, &at).sub_id, 268435455);
    assert_str(persist_next_sub(&p, &at).filter, "$share/g/y");
    assert_int_equal(persist_next_received(&p, &at), 4);
    it = persist_next_item(&p, &at);
    assert_true(it.seq == 7 && it.sub_id == 1 && it.packet_id == 2 && it.qos == 2 && it.released &&
                it.sent && !it.retain && it.more == 0);
    it = persist_next_item(&p, &at);
    persist_item_ids(&it, ids);
    assert_true(it.seq == 9 && it.more == 2 && ids[0] == 5 && ids[1] == more[0] && ids[2] == 2);
    it = persist_next_item(&p, &at);
    assert_true(it.seq == 8 && it.qos == 1 && it.packet_id == 0 && !it.released && it.retain);
    buf_fini(&b);
}

static void large_sessions(void **state)
{
    static const struct persist_session w = { .client_id = { "c", 1 }, .items = 1 };
    struct buf b = buf_init(10000);
    struct persist p;
    size_t at = 0;

    (void)state;
    persist_put_session(&b, PERSIST_SESSION_BEGIN, 5, &w);
    persist_put_item(&b, &(struct persist_item){ .seq = 8, .qos = 1 });
    p = read_back(&b);
    assert_int_equal(p.op, PERSIST_SESSION_BEGIN);
    assert_str(p.whole.client_id, "c");
    assert_int_equal(persist_next_item(&p, &at).seq, 8);
    buf_clear(&b);
    persist_put_session_more(&b, 5, &(struct persist_session){ .subs = 1, .received = 1 }, 3, true);
    persist_put_sub(&b, &(struct persist_sub){ STR("x/#"), 1, 2 });
    persist_put_received(&b, 9);
    p = read_back(&b);
    assert_int_equal(p.session, 5);
    assert_int_equal(p.part, 3);
    assert_true(p.last);
    at = 0;
    assert_str(persist_next_sub(&p, &at).filter, "x/#");
    assert_int_equal(persist_next_received(&p, &at), 9);
    b.p[13] = 2; /* neither the last nor not */
    assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);
    buf_clear(&b);
    persist_put_session_more(&b, 5, &(struct persist_session){ 0 }, 0, true);
    assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);
    buf_fini(&b);
}

static void words(void **state)
{
    struct buf b = buf_init(10000);
    struct persist p;

    (void)state;
#define WORD(want, put)                                                                            \
    do {                                                                                           \
        buf_clear(&b);                                                                             \
        put;                                                                                       \
        p = read_back(&b);                                                                         \
        assert_int_equal(p.op, want);                                                              \
        assert_int_equal(p.session, 6);                                                            \
        buf_u8(&b, 0);                                                                             \
        assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);                              \
    } while (0)
    WORD(PERSIST_END, persist_put_end(&b, 6));
    WORD(PERSIST_NO_WILL, persist_put_no_will(&b, 6));
    WORD(PERSIST_AWAY, persist_put_away(&b, 6, 5, 8));
    WORD(PERSIST_BACK, persist_put_back(&b, 6, 9));
    WORD(PERSIST_UNSUBSCRIBE, persist_put_unsubscribe(&b, 6, STR("a/+"), 77));
    assert_int_equal(p.seq, 77);
    WORD(PERSIST_SUBSCRIBE,
         persist_put_subscribe(&b, 6, &(struct persist_sub){ STR("a/+"), 3, 1 }));
    WORD(PERSIST_DONE, persist_put_done(&b, 6, 3, 268435455, 0));
    assert_int_equal(p.sub_id, 268435455);
    assert_int_equal(p.packet_id, 0);
    WORD(PERSIST_DONE, persist_put_done(&b, 6, 3, 268435455, 65535));
    assert_int_equal(p.sub_id, 0);
    assert_int_equal(p.packet_id, 65535);
    WORD(PERSIST_SENT, persist_put_sent(&b, 6, &(struct persist_item){ .seq = 3, .packet_id = 4 }));
    WORD(PERSIST_RELEASED, persist_put_released(&b, 6, 4));
    WORD(PERSIST_ARRIVED, persist_put_arrived(&b, 6, 4));
    WORD(PERSIST_COMPLETE, persist_put_complete(&b, 6, 4));
#undef WORD
    buf_clear(&b);
    persist_put_subscribe(&b, 6, &(struct persist_sub){ STR("a/#/b"), 3, 1 });
    assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);
    buf_clear(&b);
    persist_put_away(&b, 6, -5, 8);
    assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);
    buf_clear(&b);
    persist_put_released(&b, 6, 0);
    assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);
    buf_fini(&b);
}

static void shared_subscriptions(void **state)
{
    static const struct str key = { "$share/g/a/+", 12 };
    struct persist_item it = {
        .seq = 7, .sub_id = 3, .packet_id = 4, .qos = 2, .retain = true, .sent = true
    };
    struct persist_share sh = { .key = key, .low = 5, .high = 9, .count = 2 };
    struct buf b = buf_init(10000);
    struct persist p;
    size_t at = 0;

    (void)state;
    persist_put_taken(&b, 6, key, &it);
    p = read_back(&b);
    assert_int_equal(p.op, PERSIST_TAKEN);
    assert_int_equal(p.session, 6);
    assert_str(p.share.key, "$share/g/a/+");
    assert_int_equal(p.item.seq, 7);
    assert_int_equal(p.item.sub_id, 3);
    assert_int_equal(p.item.packet_id, 4);
    assert_int_equal(p.item.qos, 2);
    assert_true(p.item.retain && p.item.sent);
    buf_clear(&b);
    it.qos = 3;
    persist_put_taken(&b, 6, key, &it);
    assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);
    buf_clear(&b);
    persist_put_share_done(&b, key, 8);
    p = read_back(&b);
    assert_int_equal(p.op, PERSIST_SHARE_DONE);
    assert_int_equal(p.seq, 8);
    buf_clear(&b);
    persist_put_share_done(&b, STR("a/+"), 8);
    assert_int_equal(persist_decode(buf_str(&b), &p), ERR_VALUE);
    buf_clear(&b);
    persist_put_share(&b, &sh);
    persist_put_owed(&b, 6);
    persist_put_owed(&b, 9);
    p = read_back(&b);
    assert_int_equal(p.op, PERSIST_SHARE);
    assert_int_equal(p.share.low, 5);
    assert_int_equal(p.share.high, 9);
    assert_int_equal(p.share.count, 2);
    assert_int_equal(persist_next_owed(&p, &at), 6);
    assert_int_equal(persist_next_owed(&p, &at), 9);
    for (uint64_t bad = 4; bad <= 10; bad++) { /* outside of the range, or not rising */
        buf_clear(&b);
        persist_put_share(&b, &sh);
        persist_put_owed(&b, bad == 10 ? 10 : 7);
        persist_put_owed(&b, bad);
        assert_int_equal(persist_decode(buf_str(&b), &p), bad == 8 || bad == 9 ? 0 : ERR_VALUE);
    }
    buf_fini(&b);
}

RUN(TEST(messages), TEST(wills), TEST(sessions), TEST(large_sessions), TEST(words),
    TEST(shared_subscriptions))
