/* What a worker wants: against a plain matcher, no topic that a filter matches is ever left out, whatever
 * comes and goes; and what shares only its first levels with a filter is. */
#include "mqtt/interest.h"

#include "base/buf.h"
#include "base/mem.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t key[2] = { 1, 2 };

struct side {
    struct interest_counts *counts;
    struct interest_set set;
};

static void side_init(struct side *s)
{
    *s = (struct side){ .counts = mem_new(sizeof(*s->counts)) };
}

static void count(struct side *s, const char *filter, int by)
{
    struct interest_place at = interest_place_of(key, str_of(filter));

    if (by > 0)
        interest_count_in(s->counts, &s->set, at);
    else
        interest_count_out(s->counts, &s->set, at);
    assert_true(by < 0 || interest_has(&s->set, at));
}

static bool wants(const struct interest_set *s, const char *topic)
{
    struct interest_look look = interest_look_for(key, str_of(topic), s->depths);

    return interest_wants(s, &look);
}

/* As in the specification (4.7), by hand: "a/#" matches "a". */
static bool matches(const char *f, const char *t)
{
    while (*f && *f != '#') {
        if (*f == '+') {
            f++;
            while (*t && *t != '/')
                t++;
        } else {
            while (*f && *f != '/' && *f == *t) {
                f++;
                t++;
            }
        }
        if (*f == '\0' || *t == '\0')
            return (*f == '\0' && *t == '\0') || (*t == '\0' && strcmp(f, "/#") == 0);
        if (*f != '/' || *t != '/')
            return false;
        f++;
        t++;
    }
    return *f == '#' || *t == '\0';
}

static void name(char out[32], bool wild)
{
    static const char *levels[] = { "a", "b", "", "c" };
    struct buf b = buf_init(31);
    int n = 1 + rand() % 5;

    for (int i = 0; i < n; i++) {
        int dice = wild ? rand() % 6 : 2 + rand() % 4;

        buf_printf(&b, "%s%s", i ? "/" : "",
                   dice == 0   ? "+"
                   : dice == 1 ? "#"
                               : levels[rand() % 4]);
        if (dice == 1)
            break;
    }
    if (b.n == 0)
        buf_printf(&b, "a");
    snprintf(out, 32, "%.*s", STR_ARG(buf_str(&b)));
    buf_fini(&b);
}

/* As many filters as leave most topics out at first, so that a miss would be seen. */
static void what_matches_is_never_left_out(void **state)
{
    unsigned hit = 0, out = 0;

    (void)state;
    srand(7);
    for (int round = 0; round < 3000; round++) {
        struct side s[2];
        struct interest_set both = { 0 };
        char filters[8][32], topic[32];
        int n = 1 + rand() % 4;

        side_init(&s[0]);
        side_init(&s[1]);
        for (int i = 0; i < 2 * n; i++) {
            name(filters[i], true);
            count(&s[i % 2], filters[i], 1);
        }
        for (int i = 0; i < n; i += 2) /* those go again */
            count(&s[i % 2], filters[i], -1);
        interest_unite(&both, &s[0].set);
        interest_unite(&both, &s[1].set);
        for (int k = 0; k < 50; k++) {
            struct interest_look look;

            name(topic, false);
            look = interest_look_for(key, str_of(topic), both.depths);
            for (int i = 0; i < 2 * n; i++) {
                if ((i < n && i % 2 == 0) || !matches(filters[i], topic))
                    continue;
                hit++;
                if (!wants(&s[i % 2].set, topic) || !interest_wants(&s[i % 2].set, &look) ||
                    !interest_wants(&both, &look))
                    fail_msg("'%s' was left out for '%s'", topic, filters[i]);
            }
            out += !interest_wants(&both, &look);
        }
        mem_free(s[0].counts);
        mem_free(s[1].counts);
    }
    assert_true(hit > 1000 && out > 1000);
}

static void three_levels_tell_topics_apart(void **state)
{
    static const char *const no[] = { "bench/0/8", "bench/0", "bench/1/7", "bench", "x", "" };
    struct side s;

    (void)state;
    side_init(&s);
    assert_false(wants(&s.set, "bench"));
    count(&s, "bench/0/7", 1);
    assert_true(wants(&s.set, "bench/0/7"));
    assert_true(wants(&s.set, "bench/0/7/more")); /* not told apart */
    for (unsigned i = 0; i < COUNT_OF(no); i++)
        assert_false(wants(&s.set, no[i]));
    count(&s, "bench/1/#", 1);
    assert_true(wants(&s.set, "bench/1/7") && wants(&s.set, "bench/1"));
    assert_false(wants(&s.set, "bench/0/8"));
    count(&s, "+/x", 1);
    assert_true(wants(&s.set, "bench/0/8"));
    count(&s, "+/x", -1);
    assert_false(wants(&s.set, "bench/0/8"));
    count(&s, "bench/1/#", -1);
    assert_false(wants(&s.set, "bench/1/7"));
    mem_free(s.counts);
}

/* What was told and is not so any more is not taken for known. */
static void what_both_know(void **state)
{
    struct interest_place at = interest_place_of(key, STR("a/b")),
                          other = interest_place_of(key, STR("a/c"));
    struct side s, t;

    (void)state;
    side_init(&s);
    side_init(&t);
    count(&s, "a/b", 1);
    count(&s, "a/c", 1);
    count(&t, "a/b", 1);
    interest_intersect(&s.set, &t.set);
    assert_true(interest_has(&s.set, at));
    assert_false(interest_has(&s.set, other));
    mem_free(s.counts);
    mem_free(t.counts);
}

RUN(TEST(what_matches_is_never_left_out), TEST(three_levels_tell_topics_apart),
    TEST(what_both_know))
