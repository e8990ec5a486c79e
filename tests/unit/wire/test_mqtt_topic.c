/* Names, filters, matching, shared subscriptions. */
#include "unit/unit.h"

#include "base/mem.h"
#include "wire/mqtt_topic.h"

static void names(void **state)
{
    static char longest[65536];

    (void)state;
    assert_true(mqtt_topic_valid(STR("a")));
    assert_true(mqtt_topic_valid(STR("/")));
    assert_true(mqtt_topic_valid(STR("//")));
    assert_true(mqtt_topic_valid(STR("$SYS/x")));
    assert_true(mqtt_topic_valid(STR("with space/\xc3\xa9")));
    assert_true(mqtt_topic_valid(STR("\x01"))); /* "should not": accepted */
    assert_false(mqtt_topic_valid(STR("")));
    assert_false(mqtt_topic_valid(STR_NONE));
    memset(longest, 'a', sizeof(longest));
    assert_true(mqtt_topic_valid(str_from(longest, 65535)));
    assert_false(mqtt_topic_valid(str_from(longest, 65536)));
}

/* A bad byte is found wherever it stands relative to the words that are read. */
static void names_at_every_place(void **state)
{
    static const char bad[] = { '+', '#', '\0', (char)0xff, (char)0x80 };

    (void)state;
    for (size_t n = 1; n < 40; n++) {
        for (size_t at = 0; at < n; at++) {
            char name[40];

            memset(name, 'a', sizeof(name));
            assert_true(mqtt_topic_valid(str_from(name, n)));
            for (size_t b = 0; b < sizeof(bad); b++) {
                name[at] = bad[b];
                assert_false(mqtt_topic_valid(str_from(name, n)));
            }
            /* Neighbours of the bad values are fine. */
            name[at] = '"';
            assert_true(mqtt_topic_valid(str_from(name, n)));
            name[at] = ',';
            assert_true(mqtt_topic_valid(str_from(name, n)));
            name[at] = 1;
            assert_true(mqtt_topic_valid(str_from(name, n)));
        }
    }
}

static void filters(void **state)
{
    static const char *const good[] = { "a",  "#",   "+",     "/",      "+/+",  "a/#",
                                        "/#", "+/#", "a/+/b", "$SYS/#", "//+//" };
    static const char *const bad[] = { "",   "a#",   "#/a", "a/#/b", "a+",
                                       "+a", "a/+b", "##",  "+#",    "a/b#" };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(mqtt_filter_valid(str_of(good[i])));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(mqtt_filter_valid(str_of(bad[i])));
    assert_false(mqtt_filter_valid(STR("a\0b")));
    assert_false(mqtt_filter_valid(STR("\xff")));
    assert_true(mqtt_filter_is_plain(STR("a/b")));
    assert_false(mqtt_filter_is_plain(STR("a/+")));
    assert_false(mqtt_filter_is_plain(STR("#")));
}

static void matches(void **state)
{
    /* 4.7.1.2, 4.7.1.3, 4.7.2 and 4.7.3. */
    static const struct {
        const char *filter, *topic;
        bool match;
    } cases[] = {
        { "sport/tennis/player1/#", "sport/tennis/player1", true },
        { "sport/tennis/player1/#", "sport/tennis/player1/ranking", true },
        { "sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true },
        { "sport/#", "sport", true },
        { "#", "a/b/c", true },
        { "sport/tennis/+", "sport/tennis/player1", true },
        { "sport/tennis/+", "sport/tennis/player1/ranking", false },
        { "sport/+", "sport", false },
        { "sport/+", "sport/", true },
        { "+/+", "/finance", true },
        { "/+", "/finance", true },
        { "+", "/finance", false },
        { "#", "$SYS/x", false },
        { "+/x", "$SYS/x", false },
        { "$SYS/#", "$SYS/x", true },
        { "$SYS/+", "$SYS/x", true },
        { "a", "A", false },
        { "/a", "a", false },
        { "a/", "a", false },
        { "a", "a/", false },
        { "a/+/c", "a//c", true },
        { "a/b", "a/b", true },
        { "a/b", "a/bc", false },
        { "a/bc", "a/b", false },
        { "/", "/", true },
        { "+/", "/", true },
        { "a/b/#", "a", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (mqtt_filter_matches(str_of(cases[i].filter), str_of(cases[i].topic)) != cases[i].match)
            fail_msg("%s on %s", cases[i].filter, cases[i].topic);
}

static void levels(void **state)
{
    (void)state;
    assert_int_equal(mqtt_levels(STR("a")), 1);
    assert_int_equal(mqtt_levels(STR("/")), 2);
    assert_int_equal(mqtt_levels(STR("a/b/c")), 3);
    assert_true(mqtt_topic_fits(STR("a/b"), 3, 2));
    assert_false(mqtt_topic_fits(STR("a/b"), 2, 2));
    assert_false(mqtt_topic_fits(STR("a/b"), 3, 1));
}

static void shares(void **state)
{
    static const char *const bad[] = { "$share/",    "$share/g",   "$share/g/",  "$share//a",
                                       "$share/+/a", "$share/#/a", "$share/g/a#" };
    struct str name = STR("-"), filter = STR("-");

    (void)state;
    assert_int_equal(mqtt_share_split(STR("a/b"), &name, &filter), MQTT_SHARE_NO);
    assert_int_equal(mqtt_share_split(STR("$share"), &name, &filter), MQTT_SHARE_NO);
    assert_int_equal(mqtt_share_split(STR("$shared/a/b"), &name, &filter), MQTT_SHARE_NO);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(mqtt_share_split(str_of(bad[i]), &name, &filter), MQTT_SHARE_BAD);
    assert_str(name, "-");
    assert_int_equal(mqtt_share_split(STR("$share/group/a/+/#"), &name, &filter), MQTT_SHARE_YES);
    assert_str(name, "group");
    assert_str(filter, "a/+/#");
    assert_int_equal(mqtt_share_split(STR("$share/g//"), &name, &filter), MQTT_SHARE_YES);
    assert_str(filter, "/");
}

RUN(TEST(names), TEST(names_at_every_place), TEST(filters), TEST(matches), TEST(levels),
    TEST(shares))
