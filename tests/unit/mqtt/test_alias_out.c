/* Topic aliases towards a client. */
#include "unit/unit.h"

#include "mqtt/alias_out.h"

#include <stdio.h>

static void tell(struct alias_out *a, const char *topic, uint16_t want)
{
    struct alias_use u = alias_out_find(a, str_of(topic));

    assert_int_equal(u.alias, want);
    assert_false(u.known);
    if (want)
        alias_out_told(a, str_of(topic), want);
}

static void topics_get_aliases_as_they_come(void **state)
{
    struct alias_out *a = alias_out_new(2);
    struct alias_use u;

    (void)state;
    tell(a, "sensor/one", 1);
    tell(a, "sensor/two", 2);
    tell(a, "sensor/three", 0); /* no place is left */
    u = alias_out_find(a, STR("sensor/one"));
    assert_true(u.known && u.alias == 1);
    u = alias_out_find(a, STR("sensor/two"));
    assert_true(u.known && u.alias == 2);
    tell(a, "sensor/three", 0);
    alias_out_free(a);
    alias_out_free(NULL);
}

static void what_was_not_sent_is_not_known(void **state)
{
    struct alias_out *a = alias_out_new(1);

    (void)state;
    assert_int_equal(alias_out_find(a, STR("too/large/for/it")).alias, 1);
    tell(a, "another/one", 1);
    assert_int_equal(alias_out_find(a, STR("too/large/for/it")).alias, 0);
    alias_out_free(a);
}

static void a_short_topic_takes_no_place(void **state)
{
    struct alias_out *a = alias_out_new(1);

    (void)state;
    tell(a, "a/b", 0);
    tell(a, "a/bc", 1);
    alias_out_free(a);
}

static void as_many_as_there_can_be(void **state)
{
    struct alias_out *a = alias_out_new(UINT16_MAX);
    char topic[32];

    (void)state;
    for (unsigned i = 1; i <= UINT16_MAX; i++) {
        snprintf(topic, sizeof(topic), "topic/%u", 10 + i);
        tell(a, topic, (uint16_t)i);
    }
    tell(a, "one/too/many", 0);
    assert_int_equal(alias_out_find(a, STR("topic/65545")).alias, UINT16_MAX);
    alias_out_free(a);
}

RUN(TEST(topics_get_aliases_as_they_come), TEST(what_was_not_sent_is_not_known),
    TEST(a_short_topic_takes_no_place), TEST(as_many_as_there_can_be))
