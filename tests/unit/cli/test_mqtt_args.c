/* What command lines of `mqtt pub` and `mqtt sub` mean, and what is said of wrong ones. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/mqtt_args.h"

static const struct command rows[] = {
    { "mqtt pub", "[URL] [TOPIC…]", "Publish", mqtt_pub_more, mqtt_pub_options, NULL },
    { "mqtt sub", "[URL] [FILTER…]", "Print", mqtt_sub_more, mqtt_sub_options, NULL },
};
static const struct command_table table = { "wayside", "a test", rows, 2 };

static int parse(struct command_call *call, size_t n, const char *const *words)
{
    char *argv[40] = { NULL };
    struct buf text = buf_init(10000);
    int rc;

    argv[1] = (char *)(uintptr_t) "mqtt";
    for (size_t i = 0; i < n; i++)
        argv[i + 2] = (char *)(uintptr_t)words[i];
    rc = command_parse(&table, (int)n + 2, argv, call, &text);
    if (rc)
        fail_msg("%.*s", STR_ARG(buf_str(&text)));
    buf_fini(&text);
    return rc;
}

static struct mqtt_env env;
static struct command_call call;
static struct fault f;
static struct mqtt_pub_args pub;
static struct mqtt_sub_args sub;

#define WORDS(...)                                                                                 \
    sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *), (const char *[])                     \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static int pub_of(size_t n, const char *const *words)
{
    parse(&call, n, words);
    f = (struct fault){ 0 };
    return mqtt_pub_args_read(&call, &env, &pub, &f);
}

static int sub_of(size_t n, const char *const *words)
{
    parse(&call, n, words);
    f = (struct fault){ 0 };
    return mqtt_sub_args_read(&call, &env, &sub, &f);
}

#define PUB(...)                                                                                   \
    if (pub_of(WORDS("pub", __VA_ARGS__)))                                                         \
    fail_msg("%s", f.text)
#define SUB(...)                                                                                   \
    if (sub_of(WORDS("sub", __VA_ARGS__)))                                                         \
    fail_msg("%s", f.text)
#define WRONG(read, says, ...)                                                                     \
    do {                                                                                           \
        assert_int_equal(read(WORDS(__VA_ARGS__)), ERR_VALUE);                                     \
        if (!strstr(f.text, says))                                                                 \
            fail_msg("\"%s\" does not say \"%s\"", f.text, says);                                  \
        mqtt_pub_args_fini(&pub);                                                                  \
        mqtt_sub_args_fini(&sub);                                                                  \
    } while (0)

static int set_up(void **state)
{
    (void)state;
    env = (struct mqtt_env){ 0 };
    pub = (struct mqtt_pub_args){ 0 };
    sub = (struct mqtt_sub_args){ 0 };
    return 0;
}

static void servers(void **state)
{
    (void)state;
    SUB("#");
    assert_string_equal(sub.login.to.host, "127.0.0.1");
    assert_int_equal(sub.login.to.port, 1883);
    SUB("mqtts://pi@hub", "#");
    assert_string_equal(sub.login.to.host, "hub");
    assert_int_equal(sub.login.to.port, 8883);
    assert_string_equal(sub.login.to.user, "pi");
    assert_int_equal(sub.filter_count, 1);
    SUB("-H", "/run/x.sock", "#");
    assert_string_equal(sub.login.to.host, "unix:/run/x.sock");
    SUB("-H", "hub", "--ca", "ca.pem", "-V", "3.1.1", "#");
    assert_true(sub.login.to.tls);
    assert_int_equal(sub.login.to.port, 8883);
    assert_int_equal(sub.login.version, MQTT_V311);
    WRONG(sub_of, "one of them is meant", "sub", "mqtt://a", "-H", "b", "#");
    WRONG(sub_of, "is no port", "sub", "-p", "0", "#");
    WRONG(sub_of, "5 or 3.1.1", "sub", "-V", "4", "#");
    WRONG(sub_of, "belong together", "sub", "--cert", "x", "#");
    WRONG(sub_of, "needs no TLS", "sub", "-H", "/x", "--tls", "#");
    WRONG(sub_of, "write mqtt://", "sub", "tcp://hub", "#");
}

static void passwords_stay_off_the_command_line(void **state)
{
    (void)state;
    WRONG(sub_of, "ps", "sub", "mqtt://pi:secret@hub", "#");
    WRONG(sub_of, "whose password", "sub", "-P", "file", "#");
    env.url = "mqtt://pi:secret@hub:1";
    SUB("#");
    assert_string_equal(sub.login.to.password, "secret");
    SUB("-H", "other", "#"); /* the variable is not meant then */
    assert_false(sub.login.to.has_password || sub.login.to.has_user);
    env.url = "hub";
    WRONG(sub_of, "WAYSIDE_MQTT_URL: ", "sub", "#");
    env = (struct mqtt_env){ .password = "hidden" };
    SUB("-u", "pi", "#");
    assert_string_equal(sub.login.to.password, "hidden");
    SUB("#"); /* nobody's password */
    assert_false(sub.login.to.has_password);
    SUB("-u", "pi", "-P", "file", "#"); /* the nearer one */
    assert_false(sub.login.to.has_password);
    assert_string_equal(sub.login.password_file, "file");
}

static void publications(void **state)
{
    (void)state;
    PUB("-t", "a", "-m", "x");
    assert_int_equal(pub.from, PUB_MESSAGE);
    assert_str(pub.topic, "a");
    assert_int_equal(pub.repeat, 1);
    assert_int_equal(pub.every_ms, 0);
    assert_int_equal(pub.timeout_ms, 30000);
    PUB("a", "-m", "", "-q2", "-r", "--repeat", "0");
    assert_int_equal(pub.qos, 2);
    assert_true(pub.retain);
    assert_int_equal(pub.repeat, 0);
    assert_int_equal(pub.every_ms, 1000);
    PUB("mqtt://hub", "--clear", "a/#", "b");
    assert_int_equal(pub.filter_count, 2);
    assert_int_equal(pub.qos, 1);
    WRONG(pub_of, "where to", "pub", "-m", "x");
    WRONG(pub_of, "what is to be published", "pub", "-t", "a");
    WRONG(pub_of, "--message and --lines", "pub", "-t", "a", "-m", "x", "-l");
    WRONG(pub_of, "one topic is meant", "pub", "a", "b", "-m", "x");
    WRONG(pub_of, "is no topic", "pub", "a/#", "-m", "x");
    WRONG(pub_of, "which topics", "pub", "--clear");
    WRONG(pub_of, "is no filter", "pub", "--clear", "a#");
    WRONG(pub_of, "0, 1 or 2", "pub", "a", "-m", "x", "-q", "3");
    WRONG(pub_of, "--repeat is for one message", "pub", "a", "-l", "--repeat", "2");
    WRONG(pub_of, "is no time", "pub", "a", "-m", "x", "--every", "soon");
    WRONG(pub_of, "no whole number", "pub", "a", "-m", "x", "--repeat", "-1");
}

static void properties(void **state)
{
    struct str name, value;
    size_t at = 0;

    (void)state;
    PUB("a", "-m", "x", "-U", "k=v=w", "-U", "l=", "--content-type", "t", "--expiry", "1500ms",
        "--response-topic", "r", "--correlation", "c");
    assert_true(mqtt_props_user(buf_str(&pub.props), &at, &name, &value));
    assert_str(name, "k");
    assert_str(value, "v=w");
    assert_true(mqtt_props_user(buf_str(&pub.props), &at, &name, &value));
    assert_str(name, "l");
    assert_true(str_find_str(buf_str(&pub.props), STR("\x02\x00\x00\x00\x02")) < pub.props.n);
    mqtt_pub_args_fini(&pub);
    WRONG(pub_of, "NAME=VALUE", "pub", "a", "-m", "x", "-U", "k");
    WRONG(pub_of, "NAME=VALUE", "pub", "a", "-m", "x", "-U", "=v");
    WRONG(pub_of, "is no topic", "pub", "a", "-m", "x", "--response-topic", "a/+");
    WRONG(pub_of, "has no properties", "pub", "a", "-m", "x", "-U", "k=v", "-V", "3.1.1");
}

static void subscriptions(void **state)
{
    (void)state;
    SUB("-t", "a", "b/+", "-t", "c", "-C", "3", "-W", "0.5", "-F", "{topic}");
    assert_int_equal(sub.filter_count, 3);
    assert_int_equal(sub.count, 3);
    assert_int_equal(sub.timeout_ms, 500);
    assert_int_equal(sub.as, SUB_FORMAT);
    mqtt_sub_args_fini(&sub);
    SUB("a", "-x", "1h", "-i", "me", "--color", "never");
    assert_true(sub.keep_session);
    assert_int_equal(sub.session_expiry_s, 3600);
    assert_int_equal(sub.qos, 1);
    assert_int_equal(sub.colour, COLOUR_NEVER);
    WRONG(sub_of, "which topics", "sub", "-q", "1");
    WRONG(sub_of, "is no filter", "sub", "a/b#");
    WRONG(sub_of, "is no filter", "sub", "$share/x");
    WRONG(sub_of, "from 1 on", "sub", "a", "-C", "0");
    WRONG(sub_of, "Add --id", "sub", "a", "-c");
    WRONG(sub_of, "the server decides", "sub", "a", "-x", "1h", "-i", "me", "-V", "3.1.1");
    WRONG(sub_of, "one of them is meant", "sub", "a", "--json", "--raw");
    WRONG(sub_of, "one of them is meant", "sub", "a", "--retained-only", "-R");
    WRONG(sub_of, "auto, always or never", "sub", "a", "--color", "red");
    parse(&call, WORDS("sub", "a", "-F", "{x}"));
    assert_int_equal(mqtt_sub_args_read(&call, &env, &sub, &f), ERR_SYNTAX);
    assert_non_null(strstr(f.text, "column 1"));
}

/* The tables fit what the parser can hold, and no letter means two things. */
static void tables(void **state)
{
    const struct command_option *const all[] = { mqtt_pub_options, mqtt_sub_options };

    (void)state;
    for (size_t t = 0; t < COUNT_OF(all); t++) {
        size_t n = 0;

        for (; all[t][n].name; n++)
            for (size_t i = 0; i < n; i++) {
                assert_string_not_equal(all[t][i].name, all[t][n].name);
                assert_false(all[t][i].letter && all[t][i].letter == all[t][n].letter);
            }
        assert_true(n < COMMAND_OPTIONS_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(servers, set_up),
        cmocka_unit_test_setup(passwords_stay_off_the_command_line, set_up),
        cmocka_unit_test_setup(publications, set_up),
        cmocka_unit_test_setup(properties, set_up),
        cmocka_unit_test_setup(subscriptions, set_up),
        cmocka_unit_test_setup(tables, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
