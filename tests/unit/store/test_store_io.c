/* Questions from a loop: answers by mail, waiting for what was written, closing while some wait;
 * and a writer, readers and askers at once. */
#include "store_fixture.h"

#include "base/clock.h"

#include <unistd.h>

struct asked {
    struct store_job job;
    struct seen seen;
    bool done;
};

static void on_done(struct store_job *j)
{
    container_of(j, struct asked, job)->done = true;
}

static void ask_later(struct scratch *x, struct asked *a, struct loop *l, struct store_query q,
                      uint64_t wait_seq, uint64_t wait_ms)
{
    *a = (struct asked){ .job = { .query = q,
                                  .wait_seq = wait_seq,
                                  .wait_ms = wait_ms,
                                  .render = &seen_render,
                                  .ctx = &a->seen,
                                  .loop = l,
                                  .done = on_done } };
    store_ask(x->s, &a->job);
}

static void until_done(struct loop *l, struct asked *a)
{
    while (!a->done)
        loop_turn(l, true);
}

static void answers_come_by_mail(void **state)
{
    struct scratch *x = *state;
    struct loop *l = loop_new();
    struct record r = reading(1, 5, "a", "env", "{\"t\":1}");
    struct asked a[3];

    x->c.readers = 2;
    scratch_open(x);
    assert_int_equal(store_write(x->s, &r, 1, 1, NULL), 0);
    ask_later(x, &a[0], l, (struct store_query){ .what = STORE_RECORDS }, 1, 1000);
    ask_later(x, &a[1], l,
              (struct store_query){ .what = STORE_SERIES,
                                    .device = STR("a"),
                                    .stream = STR("env"),
                                    .field = STR("t"),
                                    .step_ns = 1000000000 },
              0, 0);
    ask_later(x, &a[2], l, (struct store_query){ .what = STORE_RECORDS, .limit = 99999 }, 0, 0);
    assert_false(a[0].done);
    for (int i = 0; i < 3; i++)
        until_done(l, &a[i]);
    assert_string_equal(a[0].seen.text, "5 a/env={\"t\":1};");
    assert_false(a[0].job.answer.behind);
    assert_string_equal(a[1].seen.text, "5:1/1/1/1;");
    assert_int_equal(a[2].job.answer.code, ERR_VALUE);
    store_close(x->s);
    x->s = NULL;
    loop_free(l);
}

/* Each question waits for the row behind the last one that is there, and must see it. */
static void a_question_waits_for_what_was_written(void **state)
{
    struct scratch *x = *state;
    struct loop *l = loop_new();
    char want[64];

    x->c.readers = 2;
    scratch_open(x);
    for (uint64_t seq = 1; seq <= 50; seq++) {
        struct record r = reading(seq, (int64_t)seq, "a", "env", "0");
        struct asked a;

        ask_later(x, &a, l, (struct store_query){ .what = STORE_RECORDS, .limit = 1 }, seq, 60000);
        loop_turn(l, false);
        assert_false(a.done);
        assert_int_equal(store_write(x->s, &r, 1, seq, NULL), 0);
        until_done(l, &a);
        snprintf(want, sizeof(want), "%llu a/env=0;", (unsigned long long)seq);
        assert_string_equal(a.seen.text, want);
        assert_false(a.job.answer.behind);
    }
    store_close(x->s);
    x->s = NULL;
    loop_free(l);
}

static void waiting_has_an_end(void **state)
{
    struct scratch *x = *state;
    struct loop *l = loop_new();
    struct record r = reading(1, 5, "a", "env", "1");
    struct asked late, soon;
    uint64_t start = clock_mono_ns();

    x->c.readers = 1;
    scratch_open(x);
    assert_int_equal(store_write(x->s, &r, 1, 1, NULL), 0);
    ask_later(x, &late, l, (struct store_query){ .what = STORE_RECORDS }, 2, 60000);
    ask_later(x, &soon, l, (struct store_query){ .what = STORE_RECORDS }, 2, 30);
    until_done(l, &soon);
    assert_true(clock_mono_ns() - start >= 30000000);
    assert_true(soon.job.answer.behind);
    assert_int_equal(soon.job.answer.code, 0);
    assert_string_equal(soon.seen.text, "5 a/env=1;");
    assert_false(late.done);
    store_close(x->s);
    x->s = NULL;
    until_done(l, &late);
    assert_int_equal(late.job.answer.code, ERR_STOPPED);
    assert_int_equal(late.seen.rows, 0);
    loop_free(l);
}

/* ---- everything at once ---- */

#define BATCHES 150
#define BATCH   20

struct busy {
    struct scratch *x;
    struct thread *writer;
};

static void write_all(void *ctx)
{
    struct busy *b = ctx;
    struct record r[BATCH];
    char payload[BATCH][32];

    for (uint64_t n = 0; n < BATCHES; n++) {
        for (uint64_t i = 0; i < BATCH; i++) {
            uint64_t seq = n * BATCH + i + 1;

            snprintf(payload[i], sizeof(payload[i]), "{\"n\":%llu}", (unsigned long long)seq);
            r[i] = reading(seq, (int64_t)seq, i % 2 ? "a" : "b", "env", payload[i]);
        }
        if (store_write(b->x->s, r, BATCH, n * BATCH + BATCH, NULL) < 0)
            abort();
        if (n % 20 == 0 && store_checkpoint(b->x->s) < 0)
            abort();
    }
}

struct counter {
    struct store_job job;
    int64_t newest;
    size_t rows;
    bool done;
};

static int count_row(void *ctx, const struct store_row *r)
{
    struct counter *c = ctx;
    if (c->rows++ == 0)
        c->newest = r->wall_ns / 1000000000;
    return 0;
}

static int count_point(void *ctx, const struct store_point *p)
{
    struct counter *c = ctx;

    c->rows += p->count;
    return 0;
}

static void on_count(struct store_job *j)
{
    container_of(j, struct counter, job)->done = true;
}

static void ask_count(struct scratch *x, struct counter *c, struct loop *l, enum store_what what,
                      uint64_t seq)
{
    static const struct store_render render = { .row = count_row, .point = count_point };

    *c = (struct counter){ 0 };
    c->job = (struct store_job){ .query = { .what = what, .limit = 10 },
                                 .wait_seq = seq,
                                 .wait_ms = 60000,
                                 .render = &render,
                                 .ctx = c,
                                 .loop = l,
                                 .done = on_count };
    if (what == STORE_SERIES) {
        c->job.query.device = STR("a");
        c->job.query.stream = STR("env");
        c->job.query.field = STR("n");
        c->job.query.step_ns = (int64_t)BATCH * 1000000000;
    }
    store_ask(x->s, &c->job);
}

/* While one thread writes, questions see whole batches, and at least what they waited for. */
static void readers_see_whole_batches_while_one_writes(void **state)
{
    struct busy b = { .x = *state };
    struct loop *l = loop_new();
    struct counter c[2];

    b.x->c.readers = 3;
    scratch_open(b.x);
    b.writer = thread_start("writer", write_all, &b);
    for (uint64_t seq = 1; seq <= BATCHES * BATCH; seq += 61) {
        ask_count(b.x, &c[0], l, STORE_RECORDS, seq);
        ask_count(b.x, &c[1], l, STORE_SERIES, seq);
        while (!c[0].done || !c[1].done)
            loop_turn(l, true);
        assert_int_equal(c[0].job.answer.code, 0);
        assert_true(c[0].newest >= (int64_t)seq);
        assert_int_equal(c[0].newest % BATCH, 0);
        assert_int_equal(c[1].job.answer.code, 0);
        assert_true(c[1].rows * 2 >= seq - seq % BATCH);
        assert_int_equal(c[1].rows * 2 % BATCH, 0);
    }
    thread_join(b.writer);
    store_close(b.x->s);
    b.x->s = NULL;
    loop_free(l);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

RUN_ENGINES(STORE_TEST(answers_come_by_mail), STORE_TEST(a_question_waits_for_what_was_written),
            STORE_TEST(waiting_has_an_end), STORE_TEST(readers_see_whole_batches_while_one_writes))
