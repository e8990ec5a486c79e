/* Retained topics against a plain list searched with the codec's own matcher. */
#include "mqtt/retained.h"

#include "base/mem.h"
#include "wire/mqtt_topic.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

/* Of each list here. */
static size_t most;

static int put_source(struct retained *r, const struct message_source *src)
{
    struct message *m = message_new(src);
    int rc = retained_set(r, m, retained_topics(r) < most);

    message_unref(m);
    return rc;
}

static int put(struct retained *r, const char *topic, const char *payload, uint64_t stamp,
               uint64_t expires_ms)
{
    return put_source(r, &(struct message_source){ .topic = str_of(topic),
                                                   .payload = str_of(payload),
                                                   .stamp = stamp,
                                                   .expires_ms = expires_ms,
                                                   .retain = true });
}

static void count_one(void *ctx, struct message *m)
{
    (void)m;
    ++*(size_t *)ctx;
}

static size_t count(struct retained *r, const char *filter, uint64_t now_ms)
{
    size_t n = 0;

    retained_match(r, str_of(filter), now_ms, count_one, &n);
    return n;
}

/* Two workers route in the other order than the log has it; what is not written goes by the stamp. */
static void the_log_says_which_is_the_last(void **state)
{
    struct message_source src = { .topic = STR("t"), .payload = STR("x"), .retain = true };
    struct retained r;

    (void)state;
    most = 2;
    retained_init(&r);
    src.seq = 6;
    src.stamp = 10;
    assert_int_equal(put_source(&r, &src), 0);
    src.seq = 5;
    src.stamp = 20;
    assert_int_equal(put_source(&r, &src), ERR_STALE);
    src.seq = 7;
    src.stamp = 5;
    assert_int_equal(put_source(&r, &src), 0);
    src.seq = 0;
    src.stamp = 4;
    assert_int_equal(put_source(&r, &src), ERR_STALE);
    src.stamp = 6;
    assert_int_equal(put_source(&r, &src), 0);
    retained_fini(&r);
}

static void last_one_stays(void **state)
{
    struct retained r;

    (void)state;
    most = 2;
    retained_init(&r);
    assert_int_equal(put(&r, "a/b", "1", 10, 0), 0);
    assert_int_equal(put(&r, "a/b", "2", 20, 0), 0);
    assert_int_equal(put(&r, "a/b", "old", 15, 0), ERR_STALE);
    assert_int_equal(r.count, 1);
    assert_int_equal(put(&r, "a", "3", 20, 0), 0);
    assert_int_equal(put(&r, "c", "4", 20, 0), ERR_FULL);
    assert_int_equal(put(&r, "a", "5", 21, 0), 0);
    assert_int_equal(count(&r, "a/#", 0), 2);
    assert_int_equal(put(&r, "a", "", 22, 0), 0);
    assert_int_equal(count(&r, "a/#", 0), 1);
    assert_int_equal(put(&r, "nothing", "", 22, 0), 0);
    assert_int_equal(put(&r, "a/b", "", 22, 0), 0);
    assert_int_equal(r.count, 0);
    assert_int_equal(r.bytes, 0);
    assert_int_equal(r.trie.live, 1);
    retained_fini(&r);
}

/* Anybody can have as many client ids as it likes. */
static void states_of_clients_take_room_and_the_brokers_own_do_not(void **state)
{
    struct retained r;

    (void)state;
    most = 1;
    retained_init(&r);
    assert_int_equal(put(&r, "$SYS/broker/connection/a/state", "1", 1, 0), 0);
    assert_int_equal(put(&r, "$SYS/broker/connection/b/state", "1", 1, 0), ERR_FULL);
    assert_int_equal(put(&r, "$SYS/broker/version", "1", 1, 0), 0);
    assert_int_equal(put(&r, "a", "1", 1, 0), ERR_FULL);
    assert_int_equal(r.count, 2);
    retained_fini(&r);
}

static void expired_ones_go(void **state)
{
    struct retained r;

    (void)state;
    most = 10;
    retained_init(&r);
    assert_int_equal(put(&r, "a/1", "x", 1, 1000), 0);
    assert_int_equal(put(&r, "a/2", "x", 1, 2000), 0);
    assert_int_equal(put(&r, "a/1/3", "x", 1, 0), 0);
    assert_int_equal(count(&r, "a/#", 999), 3);
    assert_int_equal(count(&r, "a/#", 1000), 2);
    assert_int_equal(r.count, 2);
    assert_int_equal(count(&r, "+/2", 5000), 0);
    assert_int_equal(r.count, 1);
    retained_fini(&r);
}

static uint32_t seed = 99;
static uint32_t rnd(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

static void random_name(char *out, size_t size, bool filter)
{
    static const char *const words[] = { "a", "b", "cc", "$s", "", "quite-a-long-level" };
    unsigned levels = 1 + rnd(4);
    size_t n = 0;

    for (unsigned i = 0; i < levels; i++) {
        const char *w = words[rnd(6)];

        if (levels == 1 && w[0] == 0)
            w = "a";
        if (filter && rnd(3) == 0)
            w = "+";
        if (filter && i + 1 == levels && rnd(3) == 0)
            w = "#";
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? "/" : "", w);
    }
}

static void against_a_list(void **state)
{
    enum { TOPICS = 200 };
    static char topics[TOPICS][100];
    bool there[TOPICS] = { false };
    struct retained r;

    (void)state;
    most = 1000;
    retained_init(&r);
    for (int i = 0; i < TOPICS; i++) {
        bool fresh;

        do {
            random_name(topics[i], sizeof(topics[i]), false);
            fresh = true;
            for (int k = 0; k < i; k++)
                fresh &= !str_eq(str_of(topics[i]), str_of(topics[k]));
        } while (!fresh);
    }
    for (int round = 0; round < 20000; round++) {
        uint32_t i = rnd(TOPICS);
        char filter[100];
        size_t want = 0;

        there[i] = rnd(2);
        assert_int_equal(put(&r, topics[i], there[i] ? "v" : "", (uint64_t)round, 0), 0);
        random_name(filter, sizeof(filter), true);
        for (int k = 0; k < TOPICS; k++)
            want += there[k] && mqtt_filter_matches(str_of(filter), str_of(topics[k]));
        assert_int_equal(count(&r, filter, 0), want);
    }
    retained_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_one_stays),
        cmocka_unit_test(the_log_says_which_is_the_last),
        cmocka_unit_test(states_of_clients_take_room_and_the_brokers_own_do_not),
        cmocka_unit_test(expired_ones_go),
        cmocka_unit_test(against_a_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
