/* Which server is meant and as whom; the cases of all options are with the commands that have them
 * (test_mqtt_args.c). */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/mqtt_login.h"

static const struct command_option options[] = { MQTT_OPTIONS_SERVER, MQTT_OPTIONS_LOGIN, { 0 } };
static const struct command rows[] = { { "go", "", "Go", NULL, options, NULL } };
static const struct command_table table = { "wayside", "a test", rows, 1 };
static struct mqtt_login login;
static struct fault f;

static int read_with(const struct mqtt_env *env, const char *url, size_t n,
                     const char *const *words)
{
    char *argv[10] = { (char *)(uintptr_t) "wayside", (char *)(uintptr_t) "go" };
    struct command_call call = { 0 };
    struct buf text = buf_init(10000);

    for (size_t i = 0; i < n; i++)
        argv[i + 2] = (char *)(uintptr_t)words[i];
    assert_int_equal(command_parse(&table, (int)n + 2, argv, &call, &text), 0);
    buf_fini(&text);
    f = (struct fault){ 0 };
    return mqtt_login_read(&call, env, url, &login, &f);
}

static void the_command_line_comes_before_the_environment(void **state)
{
    const struct mqtt_env env = { "mqtts://ann@far:9", "secret" };

    (void)state;
    assert_int_equal(read_with(&env, NULL, 0, NULL), 0);
    assert_string_equal(login.to.host, "far");
    assert_true(login.to.tls && login.to.port == 9);
    assert_string_equal(login.to.password, "secret");
    assert_int_equal(read_with(&env, "mqtt://near", 0, NULL), 0);
    assert_string_equal(login.to.host, "near");
    assert_true(!login.to.tls && login.to.port == MQTT_PORT);
    assert_false(login.to.has_password); /* it was set for somebody else */
}

static void a_password_needs_a_user_and_stays_off_the_command_line(void **state)
{
    const struct mqtt_env env = { 0 };

    (void)state;
    assert_int_equal(read_with(&env, NULL, 2, (const char *const[]){ "-P", "file" }), ERR_VALUE);
    assert_non_null(strstr(f.text, "--user"));
    assert_int_equal(read_with(&env, "mqtt://ann:secret@hub", 0, NULL), ERR_VALUE);
    assert_non_null(strstr(f.text, "ps"));
    assert_null(strstr(f.text, "secret"));
}

RUN(TEST(the_command_line_comes_before_the_environment),
    TEST(a_password_needs_a_user_and_stays_off_the_command_line))
