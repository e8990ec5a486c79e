/* What command lines of `bench mqtt` mean, and what is said of wrong ones. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/bench_args.h"

static const struct command rows[] = {
    { "bench mqtt", "MODE [URL]", "Measure", bench_more, bench_options, NULL },
};
static const struct command_table table = { "wayside", "a test", rows, 1 };
static struct bench_args args;
static struct fault f;

/* words: separated by spaces. */
static int read_args(const char *words)
{
    static char copy[1000];
    struct mqtt_env env = { 0 };
    struct command_call call;
    struct buf text = buf_init(10000);
    char *argv[40] = { (char *)(uintptr_t) "wayside", (char *)(uintptr_t) "bench",
                       (char *)(uintptr_t) "mqtt" };
    int n = 3;

    memcpy(copy, words, strlen(words) + 1);
    for (char *at = copy; *at;) {
        argv[n++] = at;
        at += strcspn(at, " ");
        if (*at)
            *at++ = '\0';
    }
    if (command_parse(&table, n, argv, &call, &text))
        fail_msg("%s: %.*s", words, STR_ARG(buf_str(&text)));
    buf_fini(&text);
    f = (struct fault){ 0 };
    return bench_args_read(&call, &env, &args, &f);
}

static void defaults_fit_the_mode(void **state)
{
    (void)state;
    assert_int_equal(read_args("fan-in"), 0);
    assert_true(args.mode == BENCH_FANIN && args.clients == 100 && args.size == 64);
    assert_true(args.duration_ms == 10000 && args.count == 0 && args.qos == 0 && args.workers == 1);
    assert_int_equal(args.login.to.port, MQTT_PORT);
    assert_int_equal(read_args("idle"), 0);
    assert_true(args.clients == 1000 && args.duration_ms == 0 && args.base == 250);
    assert_int_equal(read_args("queue"), 0);
    assert_true(args.qos == 1 && args.count == 10000 && args.duration_ms == 0);
    assert_int_equal(read_args("ping"), 0);
    assert_true(args.clients == 1 && args.window == 1);
    assert_int_equal(read_args("retained -n 40"), 0);
    assert_true(args.count == 40 && args.base == 10 && args.clients == BENCH_PUBLISHERS);
}

static void words_come_in_any_order(void **state)
{
    (void)state;
    assert_int_equal(read_args("mqtts://ann@hub:9 pairs -c 3 -q 2 -s 1000 -w 7 --rate 50 -d 250ms"),
                     0);
    assert_string_equal(args.login.to.host, "hub");
    assert_true(args.mode == BENCH_PAIRS && args.clients == 3 && args.qos == 2);
    assert_true(args.size == 1000 && args.window == 7 && args.rate == 50);
    assert_int_equal(args.duration_ms, 250);
    assert_int_equal(read_args("ping --rate 50 --tick 2ms"), 0);
    assert_true(args.rate == 50 && args.tick_ms == 2);
    assert_int_equal(read_args("fan-out -n 5"), 0);
    assert_true(args.count == 5 && args.duration_ms == 0);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *words, *says;
    } cases[] = {
        { "fanin", "there is no mode 'fanin'; fan-in, fan-out" },
        { "fan-in pairs", "one mode is meant" },
        { "mqtt://hub", "which mode?" },
        { "fan-in -c 0", "--clients: '0' is no whole number from 1 on" },
        { "fan-in -c 1000001", "--clients: at most 1000000" },
        { "fan-in -s 15", "from 16 on" },
        { "fan-in -q 3", "--qos" },
        { "fan-in -n 5 -d 5s", "--count and --duration: one of them" },
        { "idle -w 5", "--window means nothing with idle" },
        { "retained -c 5", "--clients means nothing with retained" },
        { "fan-in --keep", "--keep means nothing with fan-in" },
        { "queue --rate 5", "--rate means nothing with queue" },
        { "fan-in --tick 1ms", "--tick: of which rate?" },
        { "queue -q 0", "of QoS 0 nothing is kept" },
        { "pairs --persistent", "--persistent: of QoS 0 nothing is kept" },
        { "pairs --persistent -q 1 -V 3.1.1", "only MQTT 5 can end a session" },
        { "publish --persistent -q 1", "--persistent means nothing with publish" },
        { "queue --workers 2", "--workers means nothing with queue" },
        { "pairs -c 2 --workers 3", "--workers: more than there are clients" },
        { "pairs -n 2 --workers 3", "--workers: more than --count" },
        { "publish -m x -s 20", "--message and --size" },
        { "publish -t a/#", "'a/#' is no topic" },
        { "fan-in -i a/+", "topics begin with it" },
        { "idle --base 5", "Add --pid PID" },
        { "idle -c 10 --pid 1 --base 10", "less than there will be at the end (10)" },
        { "pairs --duration soon", "'soon' is no time" },
        { "pairs mqtt://ann:secret@hub", "ps" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(read_args(cases[i].words), ERR_VALUE);
        if (!strstr(f.text, cases[i].says))
            fail_msg("%s: said \"%s\"", cases[i].words, f.text);
    }
}

static void each_mode_is_in_the_help(void **state)
{
    (void)state;
    for (unsigned m = 0; m < BENCH_MODE_COUNT; m++)
        assert_non_null(strstr(bench_more, bench_mode_text((enum bench_mode)m)));
}

RUN(TEST(defaults_fit_the_mode), TEST(words_come_in_any_order), TEST(mistakes_are_named),
    TEST(each_mode_is_in_the_help))
