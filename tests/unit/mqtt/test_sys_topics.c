/* Names and forms as mosquitto has them; only what has changed is said again. */
#include "mqtt/sys_topics.h"

#include "unit/unit.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct said {
    char topics[SYS_TOPICS_MAX][80], texts[SYS_TOPICS_MAX][SYS_TEXT_MAX];
    size_t count;
};

static void note(void *ctx, const char *topic, const char *text)
{
    struct said *s = ctx;

    assert_true(s->count < SYS_TOPICS_MAX);
    snprintf(s->topics[s->count], sizeof(s->topics[0]), "%s", topic);
    snprintf(s->texts[s->count++], sizeof(s->texts[0]), "%s", text);
}

static const char *text_of(const struct said *s, const char *topic)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->topics[i], topic) == 0)
            return s->texts[i];
    return NULL;
}

#define SAID(topic, text) assert_string_equal(text_of(&s, "$SYS/broker/" topic), text)
#define QUIET(topic)      assert_null(text_of(&s, "$SYS/broker/" topic))
#define TELL(elapsed)                                                                              \
    do {                                                                                           \
        s.count = 0;                                                                               \
        sys_topics_tell(&t, now, elapsed, note, &s);                                               \
    } while (0)

static void only_what_has_changed(void **state)
{
    struct sys_topics t = { 0 };
    uint64_t now[SYS_NUMBERS] = { 0 };
    struct said s = { 0 };
    size_t all;

    (void)state;
    TELL(0);
    all = s.count;
    assert_true(all > 50);
    SAID("uptime", "0 seconds");
    SAID("clients/connected", "0");
    SAID("retained messages/count", "0");
    SAID("load/messages/received/1min", "0.00");
    TELL(10000);
    assert_int_equal(s.count, 0);
    now[SYS_UPTIME_S] = 123;
    now[SYS_SESSIONS] = 7;
    now[SYS_BYTES_IN] = UINT64_C(1) << 40;
    TELL(10000);
    SAID("uptime", "123 seconds");
    SAID("clients/total", "7");
    SAID("clients/maximum", "7");
    SAID("bytes/received", "1099511627776");
    QUIET("bytes/sent");
    now[SYS_SESSIONS] = 5;
    TELL(10000);
    SAID("clients/total", "5");
    QUIET("clients/maximum");
}

/* A steady rate is reached slowly by the long ones, and goes away again when nothing comes. */
static void loads_are_smoothed(void **state)
{
    struct sys_topics t = { 0 };
    uint64_t now[SYS_NUMBERS] = { 0 };
    struct said s = { 0 };
    double one, fifteen;

    (void)state;
    TELL(0);
    now[SYS_PUBLISH_IN] = 100;
    TELL(10000); /* 600 a minute: 600 × (1 - e^-(1/6)) */
    SAID("load/publish/received/1min", "92.11");
    SAID("load/publish/received/5min", "19.67");
    SAID("load/publish/received/15min", "6.63");
    for (int i = 0; i < 6 * 10; i++) {
        now[SYS_PUBLISH_IN] += 100;
        TELL(10000);
    }
    one = strtod(text_of(&s, "$SYS/broker/load/publish/received/15min"), NULL);
    assert_true(one > 290 && one < 310);
    for (int i = 0; i < 6 * 5; i++)
        TELL(10000);
    fifteen = strtod(text_of(&s, "$SYS/broker/load/publish/received/15min"), NULL);
    one = strtod(text_of(&s, "$SYS/broker/load/publish/received/1min"), NULL);
    assert_true(fifteen > 100 && fifteen < 300 && one > 3 && one < 5);
}

static void each_client_has_one_topic_of_its_own(void **state)
{
    static const struct {
        const char *topic, *id;
        bool its, brokers;
    } cases[] = {
        { "$SYS/broker/connection/c/state", "c", true, false },
        { "$SYS/broker/connection/a/b/state", "a/b", true, false },
        { "$SYS/broker/connection/c/state", "d", false, false },
        { "$SYS/broker/connection/c/state", "", false, false },
        { "$SYS/broker/connection//state", "", false, false },
        { "$SYS/broker/connection/cc/state", "c", false, false },
        { "$SYS/broker/connection/c/state/x", "c", false, false },
        { "$SYS/broker/connection/c/State", "c", false, false },
        { "$SYS/broker/connection/c", "c", false, false },
        { "$SYS/broker/connection/state", "state", false, false },
        { "$SYS/broker/version", "version", false, true },
        { "$SYS", "$SYS", false, false },
        { "x/$SYS/broker/connection/c/state", "c", false, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (sys_is_state(str_of(cases[i].topic), str_of(cases[i].id)) != cases[i].its ||
            sys_is_brokers(str_of(cases[i].topic)) != cases[i].brokers)
            fail_msg("%s of %s", cases[i].topic, cases[i].id);
}

RUN(TEST(only_what_has_changed), TEST(loads_are_smoothed),
    TEST(each_client_has_one_topic_of_its_own))
