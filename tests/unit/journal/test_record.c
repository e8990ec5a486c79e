/* The rules of a record. */
#include "journal/record.h"

#include "unit/unit.h"

static struct record good(void)
{
    return (struct record){ .kind = RECORD_EVENT,
                            .device = STR("pi-1_A"),
                            .stream = STR("env.t-1"),
                            .content_type = STR("image/jpeg"),
                            .payload = STR("{}") };
}

static void test_fields_are_held_to_their_limits(void **state)
{
    struct record r = good();
    char text[100];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(record_check(&r, 2), 0);
    assert_int_equal(record_check(&r, 1), ERR_LIMIT);
    r.device = str_from(text, RECORD_DEVICE_MAX);
    assert_int_equal(record_check(&r, 2), 0);
    r.device = str_from(text, RECORD_DEVICE_MAX + 1);
    assert_int_equal(record_check(&r, 2), ERR_VALUE);
    r = good();
    r.stream = str_from(text, RECORD_STREAM_MAX + 1);
    assert_int_equal(record_check(&r, 2), ERR_VALUE);
    r = good();
    r.content_type = str_from(text, RECORD_CONTENT_MAX + 1);
    assert_int_equal(record_check(&r, 2), ERR_VALUE);
    r.content_type = STR("a\nb");
    assert_int_equal(record_check(&r, 2), ERR_VALUE);
    r.content_type = STR("");
    assert_int_equal(record_check(&r, 2), 0);
    r.first = 1;
    assert_int_equal(record_check(&r, 2), ERR_VALUE);
}

static void test_a_gaps_reason_is_text(void **state)
{
    static const struct str bad[] = { STR("\xff"), STR("a\0b"), STR("a\nb"), STR("\xc3\xa4") };
    struct record r = {
        .kind = RECORD_GAP, .first = 1, .origin_seq = 1, .payload = STR("dropped")
    };

    (void)state;
    assert_int_equal(record_check(&r, 100), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        r.payload = bad[i];
        assert_int_equal(record_check(&r, 100), ERR_VALUE);
    }
    r.payload = STR("dropped");
    r.content_type = STR("text/plain");
    assert_int_equal(record_check(&r, 100), ERR_VALUE);
}

static void test_names_are_of_their_alphabet(void **state)
{
    static const char *const bad[] = { "", "a b", "a/b", "a#", "\xc3\xa4", "a.b" };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(record_device_valid(str_of(bad[i])));
    assert_false(record_device_valid(str_from("a\0b", 3)));
    assert_true(record_device_valid(STR("-_09azAZ")));
    assert_true(record_stream_valid(STR("a.b")));
    assert_false(record_stream_valid(STR("a/b")));
    assert_false(record_stream_valid(STR("")));
}

static void test_a_gap_has_a_range_and_no_device(void **state)
{
    struct record r = {
        .kind = RECORD_GAP, .first = 3, .origin_seq = 5, .payload = STR("dropped")
    };

    (void)state;
    assert_int_equal(record_check(&r, 10), 0);
    r.first = 6;
    assert_int_equal(record_check(&r, 10), ERR_VALUE);
    r.first = 0;
    assert_int_equal(record_check(&r, 10), ERR_VALUE);
    r.first = 5;
    r.device = STR("a");
    assert_int_equal(record_check(&r, 10), ERR_VALUE);
}

static void test_each_kind_has_a_name(void **state)
{
    (void)state;
    for (unsigned k = 1; k < RECORD_KINDS; k++) {
        assert_non_null(record_kind_name(k));
        assert_int_equal(record_kind_from(str_of(record_kind_name(k))), k);
    }
    assert_null(record_kind_name(0));
    assert_null(record_kind_name(RECORD_KINDS));
    assert_int_equal(record_kind_from(STR("nothing")), 0);
    assert_int_equal(record_kind_from(STR("")), 0);
}

RUN(TEST(test_fields_are_held_to_their_limits), TEST(test_names_are_of_their_alphabet),
    TEST(test_a_gap_has_a_range_and_no_device), TEST(test_a_gaps_reason_is_text),
    TEST(test_each_kind_has_a_name))
