/* Each refusal leads on. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/mqtt_reasons.h"

#include <errno.h>

static void check(struct buf *b, const char *want)
{
    if (!strstr(buf_cstr(b), want))
        fail_msg("\"%s\" does not say \"%s\"", buf_cstr(b), want);
    buf_fini(b);
}

static void refusals(void **state)
{
    struct buf b = buf_init(1000);

    (void)state;
    mqtt_reason_say(REFUSED_PUBLISH, MQTT_V5, 0x87, STR_NONE, &b);
    check(&b, "0x87 not authorized; this user may not publish there");
    mqtt_reason_say(REFUSED_PUBLISH_SYS, MQTT_V5, 0x87, STR_NONE, &b);
    check(&b, "0x87 not authorized; below $SYS/ the server alone publishes");
    mqtt_reason_say(REFUSED_SUBSCRIBE, MQTT_V5, 0x87, STR("not authorized"), &b);
    check(&b, "0x87 not authorized; this user may not read there");
    mqtt_reason_say(REFUSED_PUBLISH, MQTT_V5, 0x99, STR("missing field\x07"), &b);
    check(&b, "0x99 payload format invalid (missing field\\x07); the server wants another");
    mqtt_reason_say(REFUSED_LOGIN, MQTT_V311, 4, STR_NONE, &b);
    check(&b, "0x04 bad user name or password; see -u");
    mqtt_reason_say(REFUSED_LOGIN, MQTT_V5, 0x86, STR_NONE, &b);
    check(&b, "0x86 bad user name or password; see -u");
    mqtt_reason_say(REFUSED_SUBSCRIBE, MQTT_V311, 0x80, STR_NONE, &b);
    check(&b, "most likely this user may not read there");
    mqtt_reason_say(REFUSED_PUBLISH, MQTT_V5, 0xff, STR_NONE, &b);
    check(&b, "0xff unknown");
}

static void why_there_is_no_session(void **state)
{
    static const struct {
        struct mqtt_down d;
        const char *says;
    } cases[] = {
        { { .code = ERR_REFUSED, .version = MQTT_V5, .reason = 0x87 },
          "hub:1 refused the connection: 0x87 not authorized; the server wants a user" },
        { { .code = ERR_VERSION }, "try --protocol 3.1.1" },
        { { .code = ERR_TLS, .text = STR("certificate has expired") },
          "no TLS with hub:1: certificate has expired; --ca" },
        { { .code = ERR_CLOSED, .was_up = true }, "the connection to hub:1 broke" },
        { { .code = ERR_CLOSED, .was_up = true, .twin = "me" },
          "broke again; does another client use the id 'me'?" },
        { { .code = -ECONNRESET, .was_up = true, .mute_sessions = 5 },
          "hub:1 ended the connection 5 times in a row before it answered; most likely it does" },
        { { .code = ERR_CLOSED, .was_up = true, .mute_sessions = 5, .reason = 0x97 },
          "hub:1 ended the connection: 0x97 quota exceeded; the server has no room" },
        { { .code = ERR_CLOSED }, "one without TLS (else: mqtts://)" },
        { { .code = -ECONNRESET, .tls = true }, "and is it one with TLS?" },
        { { .code = ERR_CLOSED, .was_up = true, .reason = 0x8b }, "0x8b server shutting down" },
        { { .code = ERR_PROTO, .text = STR("bad\x1b") }, "is not MQTT: bad\\e" },
        { { .code = -ECONNREFUSED }, "nobody listens at hub:1" },
        { { .code = -ETIMEDOUT }, "hub:1 does not answer" },
        { { .code = -EACCES }, "hub:1: Permission denied" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct mqtt_down d = cases[i].d;
        struct buf b = buf_init(1000);

        d.server = "hub:1";
        mqtt_down_say(&d, &b);
        check(&b, cases[i].says);
    }
}

static void what_is_final(void **state)
{
    /* What is sent is not what the server takes: it would come again. */
    static const unsigned char refused[] = { 0x81, 0x82, 0x8f, 0x90, 0x95,
                                             0x99, 0x9a, 0x9b, 0x9e, 0xa2 };

    (void)state;
    assert_true(mqtt_reason_is_final(MQTT_V5, ERR_REFUSED, 0x86));
    assert_true(mqtt_reason_is_final(MQTT_V311, ERR_REFUSED, 5));
    assert_false(mqtt_reason_is_final(MQTT_V311, ERR_REFUSED, 3));
    assert_false(mqtt_reason_is_final(MQTT_V5, ERR_REFUSED, 0x88));
    assert_true(mqtt_reason_is_final(MQTT_V5, ERR_CLOSED, 0x8e));
    assert_true(mqtt_reason_is_final(MQTT_V5, ERR_CLOSED, 0x98));
    for (unsigned i = 0; i < COUNT_OF(refused); i++)
        assert_true(mqtt_reason_is_final(MQTT_V5, ERR_CLOSED, refused[i]));
    assert_false(mqtt_reason_is_final(MQTT_V5, ERR_CLOSED, 0x97)); /* its queue was full */
    assert_false(mqtt_reason_is_final(MQTT_V5, ERR_CLOSED, 0x8b));
    assert_false(mqtt_reason_is_final(MQTT_V5, ERR_CLOSED, 0));
    assert_false(mqtt_reason_is_final(MQTT_V5, -ECONNREFUSED, 0));
    assert_true(mqtt_reason_is_final(MQTT_V5, ERR_VERSION, 0));
}

RUN(TEST(refusals), TEST(why_there_is_no_session), TEST(what_is_final))
