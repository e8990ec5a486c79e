/* Rules as mosquitto has them: who may publish, receive, subscribe; and every mistake's place. */
#include "unit/unit.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "trust/acl.h"

#include <stdio.h>

static struct acl *rules(const char *text)
{
    struct acl *a = NULL;
    struct fault f = { 0 };

    if (acl_read(str_of(text), "acl", &a, &f))
        fail_msg("%u:%u: %s", f.line, f.column, f.text);
    return a;
}

static struct acl_who who_of(const char *user, const char *client)
{
    return (struct acl_who){ user != NULL, str_of(user), str_of(client) };
}

static void expect(const struct acl *a, const char *user, const char *client, char verb,
                   const char *object, bool want)
{
    struct acl_who who = who_of(user, client);
    bool got = verb == 'w'   ? acl_may_publish(a, &who, str_of(object))
               : verb == 'r' ? acl_may_receive(a, &who, str_of(object))
               : verb == 'd' ? acl_is_denied(a, &who, str_of(object))
                             : acl_may_subscribe(a, &who, str_of(object));

    if (got != want)
        fail_msg("%s/%s: %c %s: got %d", user ? user : "(anonymous)", client, verb, object, got);
}

struct row {
    const char *user, *client;
    char verb; /* w: publish, r: receive, s: subscribe, d: is denied */
    const char *object;
    bool want;
};

static void expect_all(const char *text, const struct row *rows, size_t count)
{
    struct acl *a = rules(text);

    for (size_t i = 0; i < count; i++)
        expect(a, rows[i].user, rows[i].client, rows[i].verb, rows[i].object, rows[i].want);
    acl_free(a);
}
#define EXPECT(text, ...)                                                                          \
    do {                                                                                           \
        static const struct row rows_[] = { __VA_ARGS__ };                                         \
                                                                                                   \
        expect_all(text, rows_, COUNT_OF(rows_));                                                  \
    } while (0)

static void each_kind_of_rule(void **state)
{
    (void)state;
    EXPECT(
        "# who may what\r\n"
        "topic read status/#\r\n"
        "\r\n"
        "user ann\r\n"
        "topic both\r\n"
        "topic read in\r\n"
        "topic write out\r\n"
        "topic readwrite a topic of words\r\n"
        "user bob smith  \r\n"
        "topic write bob/+/x\r\n"
        "user ann\r\n"
        "topic read more\r\n",
        { NULL, "c", 'r', "status/a/b", true }, { NULL, "c", 'r', "status", true },
        { NULL, "c", 'w', "status/a", false }, { NULL, "c", 'r', "both", false },
        { "ann", "c", 'r', "both", true }, { "ann", "c", 'w', "both", true },
        { "ann", "c", 'r', "in", true }, { "ann", "c", 'w', "in", false },
        { "ann", "c", 'r', "out", false }, { "ann", "c", 'w', "out", true },
        { "ann", "c", 'w', "a topic of words", true }, { "ann", "c", 'r', "more", true },
        { "ann", "c", 'r', "status/a", false }, /* the first lines are for those without a name */
        { "bob smith", "c", 'w', "bob/1/x", true }, { "bob smith", "c", 'w', "bob/1/y", false },
        { "bob smith", "c", 'w', "bob/1/x/z", false }, { "bob", "c", 'w', "bob/1/x", false },
        { "Ann", "c", 'r', "both", false }, { "", "c", 'r', "status/a", false },
        { "carl", "c", 'r', "both", false });
}

static void patterns_are_for_everybody(void **state)
{
    (void)state;
    EXPECT("pattern write dev/%c/out\n"
           "user ann\n"
           "pattern read user/%u/#\n"
           "pattern readwrite both/%u-%c/x%%c\n"
           "pattern read plain/#\n",
           { NULL, "c1", 'w', "dev/c1/out", true }, { "bob", "c1", 'w', "dev/c1/out", true },
           { "bob", "c1", 'w', "dev/c2/out", false }, { "bob", "c1", 'r', "dev/c1/out", false },
           { "bob", "c1", 'r', "user/bob", true }, { "bob", "c1", 'r', "user/bob/a/b", true },
           { "bob", "c1", 'r', "user/ann/a", false }, { NULL, "c1", 'r', "user/c1/a", false },
           { NULL, "c1", 'r', "user//a", false }, { NULL, "c1", 'r', "user/%u/a", false },
           { "bob", "c1", 'w', "both/bob-c1/x%c1", true },
           { "bob", "c1", 'w', "both/bob-c1/x%c12", false },
           { "bob", "c1", 'w', "both/bob-c/x%c1", false }, { NULL, "c1", 'r', "plain/a", true },
           { "bob", "c1", 's', "user/bob/#", true }, { "bob", "c1", 's', "user/+/#", false },
           { "bob", "c1", 's', "user/#", false }, { "bob", "c1", 's', "plain/+/x", true });
}

/* What could stand for other levels is never filled in. */
static void odd_names_are_granted_nothing_by_patterns(void **state)
{
    (void)state;
    EXPECT("pattern readwrite dev/%c/#\n"
           "pattern readwrite u/%u\n"
           "pattern read plain/#\n"
           "user a/b\n"
           "topic write own\n",
           { NULL, "+", 's', "dev/+/#", false }, { NULL, "#", 's', "dev/#", false },
           { NULL, "+", 'w', "dev/x/y", false }, { NULL, "a/b", 'w', "dev/a/b", false },
           { "+", "c", 's', "u/+", false }, { "a/b", "c", 'w', "u/a/b", false },
           { "a/b", "c", 'w', "dev/c/x", false }, { "a/b", "c", 'r', "plain/x", false },
           { "a/b", "c", 'w', "own", true }, { NULL, "", 'w', "dev//x", false },
           { "", "c", 'w', "u/", false }, { "$x", "c", 'w', "u/$x", true });
}

static void deny_wins_wherever_it_stands(void **state)
{
    (void)state;
    EXPECT("user ann\n"
           "topic readwrite #\n"
           "topic deny secret/+/key\n"
           "pattern deny private/%c/#\n"
           "pattern deny team/%u\n",
           { "ann", "c", 'w', "secret/a/key", false }, { "ann", "c", 'r', "secret/a/key", false },
           { "ann", "c", 'w', "secret/a", true }, { "ann", "c", 'w', "private/c/x", false },
           { "ann", "c", 'w', "private/c", false }, { "ann", "c", 'w', "private/d/x", true },
           { "ann", "c", 'w', "team/ann", false }, { "ann", "c", 'w', "team/bob", true },
           { "ann", "c+", 'w', "private/d/x", false }, /* nobody gets around it by an id */
           { "ann", "c/d", 'r', "private/c/d", false }, { "ann", "c", 's', "#", false },
           { "ann", "c", 's', "secret/#", false }, { "ann", "c", 's', "secret/a/b", true },
           { "ann", "c", 's', "secret/+/+", false }, { "ann", "c", 's', "+/a/key", false },
           { "ann", "c", 's', "+/a/lock", true }, { "ann", "c", 's', "secret/+", true },
           { "ann", "c", 's', "private/+", false }, { "ann", "c", 's', "private/d/#", true },
           { "ann", "c", 's', "private/c", false }, { "ann", "c", 's', "other/#", true },
           { "ann", "c", 'd', "secret/a/key", true }, { "ann", "c", 'd', "x", false },
           { NULL, "c", 'd', "team/+", false }, { "ann", "c", 'd', "team/+", true });
    EXPECT("topic deny a/#\npattern readwrite #\n", { NULL, "c", 'w', "a", false },
           { NULL, "c", 'w', "a/b", false }, { NULL, "c", 'w', "b", true },
           { NULL, "c", 's', "+", false }, { NULL, "c", 's', "+/b", false },
           { NULL, "c", 's', "b/#", true }, { "ann", "c", 'w', "a", true });
    EXPECT("topic readwrite a/#\ntopic deny a/+/c/#\n", { NULL, "c", 's', "a/b", true },
           { NULL, "c", 's', "a/b/+", false }, { NULL, "c", 's', "a/+/d", true },
           { NULL, "c", 's', "a/b/#", false }, { NULL, "c", 's', "a/b/d/#", true });
}

static void a_subscription_lies_within_one_rule(void **state)
{
    (void)state;
    EXPECT("topic read a/#\n"
           "topic read b/+/c\n"
           "topic read d\n"
           "topic read e/+\n"
           "topic read f/\n",
           { NULL, "c", 's', "a/#", true }, { NULL, "c", 's', "a", true },
           { NULL, "c", 's', "a/+/b", true }, { NULL, "c", 's', "a/+/#", true },
           { NULL, "c", 's', "#", false }, { NULL, "c", 's', "+", false },
           { NULL, "c", 's', "+/#", false }, { NULL, "c", 's', "b/+/c", true },
           { NULL, "c", 's', "b/x/c", true }, { NULL, "c", 's', "b/+/+", false },
           { NULL, "c", 's', "b/#", false }, { NULL, "c", 's', "b/x/c/#", false },
           { NULL, "c", 's', "d", true }, { NULL, "c", 's', "d/#", false },
           { NULL, "c", 's', "e/+", true }, { NULL, "c", 's', "e/#", false },
           { NULL, "c", 's', "e", false }, { NULL, "c", 's', "f/", true },
           { NULL, "c", 's', "f", false }, { NULL, "c", 's', "f/+", false });
    EXPECT("topic read +/#\n", { NULL, "c", 's', "#", true }, { NULL, "c", 's', "+/a", true },
           { NULL, "c", 's', "a", true });
    EXPECT("topic read #\n", { NULL, "c", 's', "#", true }, { NULL, "c", 's', "+/#", true },
           { NULL, "c", 's', "/", true });
}

static void names_with_a_dollar_are_apart(void **state)
{
    (void)state;
    EXPECT("topic readwrite #\n"
           "topic readwrite +/x\n"
           "pattern readwrite %c/y\n",
           { NULL, "$SYS", 'r', "$SYS/y", false }, { NULL, "c", 'r', "$SYS/x", false },
           { NULL, "c", 's', "$SYS/#", false }, { NULL, "c", 's', "#", true },
           { NULL, "$c", 'r', "a/y", true });
    EXPECT("topic read $SYS/#\ntopic read a/#\ntopic deny $SYS/secret\n",
           { NULL, "c", 'r', "$SYS/x", true }, { NULL, "c", 's', "$SYS/x/#", true },
           { NULL, "c", 's', "$SYS/#", false }, { NULL, "c", 's', "+/x", false });
    EXPECT("topic read #\ntopic deny $SYS/#\n", { NULL, "c", 's', "#", true },
           { NULL, "c", 's', "+/x", true }, { NULL, "c", 's', "$SYS/x", false });
    EXPECT("pattern read $app/%c/#\n", { NULL, "c", 's', "$app/c/#", true },
           { NULL, "c", 's', "$app/d", false });
    EXPECT("topic read #\npattern deny $x%c/a\n", { NULL, "+", 'r', "b/a", true },
           { NULL, "+", 's', "$xy/a", false }, { NULL, "+", 'd', "$xy/a", true });
    EXPECT("topic read $SYS/#\ntopic deny #\n", { NULL, "c", 's', "$SYS/#", true },
           { NULL, "c", 'd', "$SYS/a", false });
}

static void no_rules_no_access(void **state)
{
    (void)state;
    EXPECT("", { NULL, "c", 'r', "a", false }, { "ann", "c", 'w', "a", false },
           { "ann", "c", 's', "#", false }, { NULL, "c", 'd', "#", false });
    EXPECT("user ann\n", { "ann", "c", 'w', "a", false });
}

static void every_mistake_has_its_place(void **state)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *says;
    } rows[] = {
        { "topic read a\nbogus x\n", 2, 1, "a line begins with user, topic, pattern or #" },
        { "\xef\xbb\xbftopic read a\n", 1, 1, "byte order mark" },
        { "TOPIC read a", 1, 1, "a line begins with user, topic, pattern or #" },
        { "ann:hunter22\n", 1, 1, "this is no rule" }, /* a password file */
        { "\n  user  \n", 2, 3, "write: user NAME" },
        { "topic", 1, 1, "write: topic [read|write|readwrite|deny] FILTER" },
        { "pattern\t\n", 1, 1, "write: pattern" },
        { "topic read", 1, 7, "write: topic read FILTER" },
        { "topic  reed a", 1, 8, "'reed' is no access" },
        { "topic my topic", 1, 7, "'my' is no access" },
        { "topic read a/#/b", 1, 14, "'a/#/b' is no topic filter" },
        { "topic read a/b#", 1, 15, "no topic filter" },
        { "topic a+", 1, 8, "no topic filter" },
        { "pattern read a/%u+/b", 1, 18, "no topic filter" },
        { "# x\r\ntopic read \xff\xfe\r\n", 2, 12, "UTF-8" },
        { "user \xff", 1, 6, "UTF-8" },
    };
    struct buf deep;
    struct fault f;
    struct acl *a = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        f = (struct fault){ 0 };
        assert_int_equal(acl_read(str_of(rows[i].text), "x/acl", &a, &f), ERR_VALUE);
        if (f.line != rows[i].line || f.column != rows[i].column || !strstr(f.text, rows[i].says) ||
            strcmp(f.file, "x/acl") != 0)
            fail_msg("%s: %s:%u:%u: %s", rows[i].text, f.file, f.line, f.column, f.text);
        assert_null(strstr(f.text, "hunter22"));
    }
    deep = buf_init(100000);
    buf_put(&deep, STR("topic read a"));
    for (unsigned i = 1; i < ACL_LEVELS_MAX; i++)
        buf_put(&deep, STR("/"));
    assert_int_equal(acl_read(buf_str(&deep), "acl", &a, &f), 0);
    assert_int_equal(acl_rules(a), 1);
    acl_free(a);
    buf_put(&deep, STR("/"));
    assert_int_equal(acl_read(buf_str(&deep), "acl", &a, &f), ERR_VALUE);
    assert_non_null(strstr(f.text, "1025 levels; at most 1024"));
    buf_fini(&deep);
    acl_free(NULL);
}

/* A publish asks this each time: it must not grow with the file. Prints what it costs. */
static void asking_is_fast_however_long_the_file(void **state)
{
    static const unsigned lengths[] = { 5, 5000 };
    struct acl_who who = who_of("user7", "dev-0007");
    const unsigned times = 200000;

    (void)state;
    for (size_t k = 0; k < COUNT_OF(lengths); k++) {
        struct buf b = buf_init(1 << 20);
        struct acl *a;
        int64_t start;
        unsigned good = 0;
        double ns;

        for (unsigned i = 0; i < 10; i++) {
            buf_printf(&b, "user user%u\ntopic read status/#\ntopic write cmd/+/reply\n", i);
            for (unsigned n = 0; n < lengths[k] / 10; n++)
                buf_printf(&b, "topic write site/area%u/out\n", n);
        }
        buf_put(&b, STR("pattern write dev/%c/#\ntopic deny dev/+/secret\n"));
        assert_false(b.over);
        a = rules(buf_cstr(&b));
        start = (int64_t)clock_mono_ns();
        for (unsigned i = 0; i < times; i++)
            good += acl_may_publish(a, &who, STR("dev/dev-0007/temperature"));
        ns = (double)((int64_t)clock_mono_ns() - start) / times;
        print_message("%zu rules: %.0f ns a check\n", acl_rules(a), ns);
        assert_int_equal(good, times);
        assert_true(ns <
                    20000); /* with sanitizers and a busy machine; 500 rules one by one are more */
        acl_free(a);
        buf_fini(&b);
    }
}

RUN(TEST(each_kind_of_rule), TEST(patterns_are_for_everybody),
    TEST(odd_names_are_granted_nothing_by_patterns), TEST(deny_wins_wherever_it_stands),
    TEST(a_subscription_lies_within_one_rule), TEST(names_with_a_dollar_are_apart),
    TEST(no_rules_no_access), TEST(every_mistake_has_its_place),
    TEST(asking_is_fast_however_long_the_file))
