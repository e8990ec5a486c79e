/* URLs of servers, and what is near them. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/mqtt_target.h"

static void good_ones(void **state)
{
    static const struct {
        struct str url;
        struct mqtt_target want;
        const char *text;
    } cases[] = {
        { STR("mqtt://hub"), { .host = "hub" }, "hub:0" },
        { STR("MQTT://hub/"), { .host = "hub" }, "hub:0" },
        { STR("mqtts://hub:8884"), { .host = "hub", .port = 8884, .tls = true }, "hub:8884" },
        { STR("mqtt://[fd00::1]:1884"), { .host = "fd00::1", .port = 1884 }, "[fd00::1]:1884" },
        { STR("mqtt://pi@hub:1"),
          { .host = "hub", .port = 1, .has_user = true, .user = "pi" },
          "hub:1" },
        { STR("mqtt://p%40i:a@b%3A:@hub"),
          { .host = "hub",
            .has_user = true,
            .user = "p@i",
            .has_password = true,
            .password = "a@b::" },
          "hub:0" },
        { STR("unix:/run/x.sock"), { .host = "unix:/run/x.sock" }, "unix:/run/x.sock" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct mqtt_target t;
        struct fault f = { 0 };
        struct buf b = buf_init(300);

        if (mqtt_target_parse(cases[i].url, &t, &f))
            fail_msg("%s: %s", cases[i].url.p, f.text);
        assert_string_equal(t.host, cases[i].want.host);
        assert_int_equal(t.port, cases[i].want.port);
        assert_int_equal(t.tls, cases[i].want.tls);
        assert_int_equal(t.has_user, cases[i].want.has_user);
        assert_int_equal(t.has_password, cases[i].want.has_password);
        assert_string_equal(t.user, cases[i].want.user);
        assert_string_equal(t.password, cases[i].want.password);
        mqtt_target_text(&t, &b);
        assert_true(str_eq(buf_str(&b), str_of(cases[i].text)));
        assert_true(mqtt_target_is_url(cases[i].url));
        buf_fini(&b);
    }
}

static void mistakes_say_what_is_meant(void **state)
{
    static const struct {
        struct str url;
        const char *says;
    } cases[] = {
        { STR("hub:1883"), "mqtt://HOST:PORT" },
        { STR("tcp://hub"), "write mqtt://" },
        { STR("ssl://hub"), "write mqtts://" },
        { STR("ws://hub:9001"), "for browsers" },
        { STR("http://hub"), "not known here" },
        { STR("mqtt://hub/a/b"), "with -t" },
        { STR("mqtt://"), "not HOST:PORT" },
        { STR("mqtt://hub:0"), "not HOST:PORT" },
        { STR("mqtt://hub:65536"), "not HOST:PORT" },
        { STR("mqtt://@hub"), "no user" },
        { STR("mqtt://a%zz@hub"), "%25" },
        { STR("mqtt://a%00b@hub"), "%25" },
        { STR("unix:x.sock"), "absolute path" },
        { STR("unix:"), "absolute path" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct mqtt_target t;
        struct fault f = { 0 };

        assert_int_equal(mqtt_target_parse(cases[i].url, &t, &f), ERR_VALUE);
        if (!strstr(f.text, cases[i].says))
            fail_msg("%s: %s", cases[i].url.p, f.text);
    }
    assert_false(mqtt_target_is_url(STR("a/b:c")));
}

RUN(TEST(good_ones), TEST(mistakes_say_what_is_meant))
