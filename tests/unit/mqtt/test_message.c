/* A message holds copies of what it was made from, and its payload can be found in its blob. */
#include "mqtt/message.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static void holds_copies(void **state)
{
    char topic[] = "a/b", payload[] = "payload";
    struct message_source src = { .topic = str_of(topic),
                                  .payload = str_of(payload),
                                  .props = STR("pp"),
                                  .stamp = 7,
                                  .expires_ms = 8,
                                  .publisher = 9,
                                  .qos = 2,
                                  .retain = true };
    struct message *m = message_new(&src), *again;
    struct message_source back;
    struct blob *b;

    (void)state;
    topic[0] = payload[0] = 'x';
    assert_true(str_eq(message_topic(m), STR("a/b")));
    assert_true(str_eq(message_props(m), STR("pp")));
    assert_true(str_eq(message_payload(m), STR("payload")));
    again = message_ref(m);
    assert_ptr_equal(again, m);
    message_unref(m);
    b = message_blob(m);
    assert_memory_equal(b->bytes + message_payload_at(m), "payload", 7);
    assert_int_equal(b->n, message_payload_at(m) + 7);
    back = message_source_of(m);
    assert_true(str_eq(back.topic, STR("a/b")) && str_eq(back.props, STR("pp")));
    assert_int_equal(back.stamp, 7);
    assert_int_equal(back.expires_ms, 8);
    assert_int_equal(back.publisher, 9);
    assert_int_equal(back.qos, 2);
    assert_true(back.retain);
    message_unref(m);
    message_unref(NULL);
}

/* Whichever fields a message has or has room for, each is what was given or set, and nothing moves. */
static void has_only_what_it_needs(void **state)
{
    struct message_source bare = { .topic = STR("t"), .payload = STR("p") };
    struct message *least = message_new(&bare);

    (void)state;
    assert_int_equal(message_size(least), sizeof(struct blob) + 5 + 2);
    assert_int_equal(message_seq(least) + message_stamp(least) + message_expires_ms(least) +
                         message_publisher(least) + message_props(least).n,
                     0);
    message_unref(least);
    for (unsigned given = 0; given < 32 * 16; given++) {
        unsigned set = given / 32;
        struct message_source src = {
            .topic = STR("a/b"),
            .payload = STR("payload"),
            .seq = given & MESSAGE_SEQ ? (UINT64_C(1) << 48) - 101 : 0,
            .stamp = given & MESSAGE_STAMP ? UINT64_MAX - 2 : 0,
            .expires_ms = given & MESSAGE_EXPIRES ? UINT64_C(0x123456789abc) : 0,
            .publisher = given & MESSAGE_PUBLISHER ? UINT64_C(1) << 40 : 0,
            .props = given & MESSAGE_PROPS ? STR("props") : STR_NONE,
            .room = (uint8_t)set,
        };
        struct message *m = message_new(&src);

        for (unsigned f = 1; f < MESSAGE_PROPS; f <<= 1)
            if (set & f)
                message_set(m, f, 1000 + f);
        assert_true(mark_first(&m->copied, 7));
        assert_false(mark_first(&m->copied, 7));
        assert_int_equal(message_seq(m), set & MESSAGE_SEQ ? 1001 : src.seq);
        assert_int_equal(message_stamp(m), set & MESSAGE_STAMP ? 1002 : src.stamp);
        assert_int_equal(message_expires_ms(m), set & MESSAGE_EXPIRES ? 1004 : src.expires_ms);
        assert_int_equal(message_publisher(m), set & MESSAGE_PUBLISHER ? 1008 : src.publisher);
        assert_true(str_eq(message_topic(m), src.topic));
        assert_true(str_eq(message_props(m), src.props));
        assert_true(str_eq(message_payload(m), src.payload));
        message_unref(m);
    }
}

/* By its number or by its stamp, whichever it has; without either nobody else has it. */
static void same_publication(void **state)
{
    struct message_source src[] = {
        { .topic = STR("t"), .seq = 1 },
        { .topic = STR("t"), .seq = 2, .stamp = 1 },
        { .topic = STR("t"), .stamp = 2 },
        { .topic = STR("t") },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(src) / sizeof(*src); i++) {
        struct message *m = message_new(&src[i]), *copy = message_new(&src[i]);

        assert_true(message_is_same(m, m));
        assert_int_equal(message_is_same(m, copy), i < 3);
        for (size_t k = 0; k < sizeof(src) / sizeof(*src); k++) {
            struct message *other = message_new(&src[k]);

            assert_int_equal(message_is_same(m, other), i == k && i < 3);
            message_unref(other);
        }
        message_unref(m);
        message_unref(copy);
    }
}

static void empty_payload(void **state)
{
    struct message_source src = { .topic = STR("t") };
    struct message *m = message_new(&src);

    (void)state;
    assert_int_equal(message_payload(m).n, 0);
    assert_true(message_size(m) > sizeof(*m));
    message_unref(m);
}

/* A message of an hour is never one of an hour and a second, whichever worker's clock is behind. */
static void expiry_that_is_left(void **state)
{
    (void)state;
    assert_int_equal(message_expiry_left_s(3600001, 0), 3600);
    assert_int_equal(message_expiry_left_s(1003600001, 999999995), 3600);
    assert_int_equal(message_expiry_left_s(3600001, 1), 3600);
    assert_int_equal(message_expiry_left_s(3600001, 1600), 3599);
    assert_int_equal(message_expiry_left_s(3600001, 3600000), 0);
    assert_int_equal(message_expiry_left_s(5000, 4100), 1);
    assert_int_equal(message_expiry_left_s(UINT64_C(4294967295001) + 900, 1), UINT32_MAX);
    assert_int_equal(message_expiry_left_s(5000, 5000), 0);
    assert_int_equal(message_expiry_left_s(5000, 6000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_copies),        cmocka_unit_test(has_only_what_it_needs),
        cmocka_unit_test(same_publication),    cmocka_unit_test(empty_payload),
        cmocka_unit_test(expiry_that_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
