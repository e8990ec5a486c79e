/* "Did you mean": slips are found, other words are not. */
#include "unit/unit.h"

#include "conf/conf.h"

static const char *const names[] = {
    "port", "path", "listeners", "max_idle", "id", "keepalive_max"
};

static void guessed(const char *word, const char *want)
{
    const char *got = conf_guess(str_of(word), names, 6);

    if (!want && got)
        fail_msg("'%s' was taken for '%s'", word, got);
    if (want && (!got || strcmp(got, want) != 0))
        fail_msg("'%s' was taken for '%s', not '%s'", word, got ? got : "nothing", want);
}

static void test_guess(void **state)
{
    (void)state;
    guessed("prot", "port");
    guessed("Port", "port");
    guessed("ports", "port");
    guessed("lisners", "listeners");
    guessed("max-idle", "max_idle");
    guessed("maxidle", "max_idle");
    guessed("keepalive", "keepalive_max");
    guessed("ids", "id");
    guessed("xyz", NULL);
    guessed("password", NULL);
    guessed("", NULL);
    guessed("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL);
    assert_null(conf_guess(STR("port"), names, 0));
}

RUN(TEST(test_guess))
