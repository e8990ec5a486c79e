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
        cmocka_unit_test(holds_copies),
        cmocka_unit_test(empty_payload),
        cmocka_unit_test(expiry_that_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
