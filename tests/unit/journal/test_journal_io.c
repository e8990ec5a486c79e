/* The journal with its committer thread on a real directory: what the header promises. */
#include "journal/journal.h"

#include "base/cell.h"
#include "base/log.h"
#include "base/mem.h"
#include "journal/disk.h"
#include "net/workers.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define THREADS    4
#define PER_THREAD 3000
#define WAIT_MS    20000

static char *scratch_new(void)
{
    const char *base = getenv("TMPDIR");
    char path[256];

    snprintf(path, sizeof(path), "%s/wayside-journal-XXXXXX", base ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    return mem_dup(path, strlen(path));
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    char name[512];

    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
        if (unlink(name) < 0)
            remove_tree(name);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static int setup(void **state)
{
    *state = scratch_new();
    return 0;
}

static int teardown(void **state)
{
    remove_tree(*state);
    mem_free(*state);
    return 0;
}

static struct journal *open_journal(const char *dir, const struct journal_options *o)
{
    struct journal_options defaults = journal_options_default();
    struct limits limits = limits_default();
    struct journal *j = NULL;
    struct fault f = { 0 };

    defaults.segment_bytes = KIB(64);
    defaults.free_floor_bytes = 0;
    assert_int_equal(journal_open(dir, o ? o : &defaults, &limits, NULL, NULL, &j, &f), 0);
    return j;
}

/* One entry whose completion opens a gate. */
struct waiting {
    struct journal_entry entry;
    struct record record;
    struct gate *gate;
    int code;
};

static void on_done(struct journal_entry *e, int code)
{
    struct waiting *w = container_of(e, struct waiting, entry);

    w->code = code;
    gate_open(w->gate);
}

static struct record reading(const char *device, const char *payload)
{
    return (struct record){ .kind = RECORD_READING,
                            .device = str_of(device),
                            .stream = STR("env"),
                            .content_type = STR("application/json"),
                            .wall_ns = 1700000000000000000,
                            .payload = str_of(payload) };
}

static int append(struct journal *j, struct gate *g, struct record *r)
{
    struct waiting w = { .gate = g, .code = 1 };

    w.entry.records = r;
    w.entry.count = 1;
    w.entry.done = on_done;
    journal_append(j, &w.entry);
    assert_true(gate_wait(g, WAIT_MS));
    return w.code;
}

static void test_what_is_done_is_read_back_after_reopening(void **state)
{
    struct journal *j = open_journal(*state, NULL);
    struct gate *g = gate_new();
    struct record r = reading("pi-1", "{\"t\":1}"), out[8];
    struct journal_reader *reader;
    struct uuid uuid = journal_uuid(j);
    size_t n = 0;

    assert_int_equal(journal_head(j), 0);
    assert_int_equal(append(j, g, &r), 0);
    assert_int_equal(r.seq, 1);
    assert_true(uuid_eq(&r.origin, &uuid));
    assert_int_equal(r.origin_seq, 1);
    assert_int_equal(journal_head(j), 1);
    journal_close(j);

    j = open_journal(*state, NULL);
    assert_int_equal(journal_head(j), 1);
    r = reading("pi-2", "{\"t\":2}");
    assert_int_equal(append(j, g, &r), 0);
    reader = journal_reader_new(j, NULL, 0, 0);
    /* Two segments, so perhaps two calls. */
    for (size_t got = 1; n < 2 && got > 0; n += got)
        assert_int_equal(journal_reader_next(reader, out + n, 1, 1 << 20, &got), 0);
    assert_int_equal(n, 2);
    assert_int_equal(out[1].seq, 2);
    assert_true(str_eq(out[1].device, STR("pi-2")));
    assert_true(str_eq(out[1].payload, STR("{\"t\":2}")));
    assert_int_equal(out[1].kind, RECORD_READING);
    assert_true(out[1].uptime_ns > 0);
    journal_reader_free(reader);
    journal_close(j);
    gate_free(g);
}

static void test_a_second_process_is_refused(void **state)
{
    struct journal *j = open_journal(*state, NULL), *second = NULL;
    struct journal_options o = journal_options_default();
    struct limits limits = limits_default();
    struct fault f = { 0 };

    assert_int_equal(journal_open(*state, &o, &limits, NULL, NULL, &second, &f), ERR_BUSY);
    assert_non_null(strstr(f.text, "another process"));
    assert_non_null(strstr(f.text, *state)); /* which folder, and what to do */
    assert_non_null(strstr(f.text, "node.data"));
    journal_close(j);
}

static void test_invalid_records_are_refused_and_take_no_number(void **state)
{
    struct journal *j = open_journal(*state, NULL);
    struct gate *g = gate_new();
    struct record r = reading("a b", "1");

    assert_int_equal(append(j, g, &r), ERR_VALUE);
    r = reading("ab", "1");
    r.payload.n = SIZE_MAX / 2;
    assert_int_equal(append(j, g, &r), ERR_LIMIT);
    r = reading("ab", "1");
    r.origin = journal_uuid(j);
    r.origin_seq = 5;
    assert_int_equal(append(j, g, &r), ERR_EXISTS);
    r = reading("ab", "1");
    assert_int_equal(append(j, g, &r), 0);
    assert_int_equal(r.seq, 1);
    gate_free(g);
    journal_close(j);
}

struct appender {
    struct journal *journal;
    int number;
    uint64_t last_seq;
    bool in_order;
};

static void run_appender(void *ctx)
{
    struct appender *a = ctx;
    struct gate *g = gate_new();
    char device[16], payload[32];

    snprintf(device, sizeof(device), "pi-%d", a->number);
    a->in_order = true;
    for (int i = 0; i < PER_THREAD / 10; i++) {
        struct record r[10];
        struct waiting w = { .gate = g, .code = 1 };

        snprintf(payload, sizeof(payload), "%d", i);
        for (int k = 0; k < 10; k++)
            r[k] = reading(device, payload);
        w.entry.records = r;
        w.entry.count = 10;
        w.entry.done = on_done;
        journal_append(a->journal, &w.entry);
        if (!gate_wait(g, WAIT_MS) || w.code != 0 || r[0].seq <= a->last_seq ||
            r[9].seq != r[0].seq + 9)
            a->in_order = false;
        a->last_seq = r[9].seq;
    }
    gate_free(g);
}

/* A sink on a thread of its own, woken by a gate, that advances its cursor as it goes. */
struct sink {
    struct journal *journal;
    struct gate *news;
    uint64_t want, seen;
    bool in_order;
};

static void run_sink(void *ctx)
{
    struct sink *s = ctx;
    struct journal_cursor *c = NULL;
    struct journal_watch *w = journal_watch_gate(s->journal, s->news);
    struct journal_reader *reader;
    struct record out[256];

    s->in_order = journal_cursor_open(s->journal, "sink", &c) == 0;
    reader = journal_reader_new(s->journal, c, journal_cursor_seq(c), KIB(64));
    while (s->in_order && s->seen < s->want) {
        size_t n = 0;

        if (journal_reader_next(reader, out, COUNT_OF(out), KIB(64), &n) < 0)
            s->in_order = false;
        for (size_t i = 0; i < n; i++)
            if (out[i].seq != ++s->seen || out[i].kind != RECORD_READING)
                s->in_order = false;
        if (n > 0)
            journal_cursor_advance(c, s->seen);
        else if (!gate_wait(s->news, WAIT_MS))
            s->in_order = false;
    }
    journal_reader_free(reader);
    journal_cursor_close(c);
    journal_unwatch(w);
}

static void test_four_threads_append_while_a_sink_reads(void **state)
{
    struct journal *j = open_journal(*state, NULL);
    struct appender a[THREADS] = { 0 };
    struct thread *t[THREADS], *sink_thread;
    struct sink sink = { .journal = j, .news = gate_new(), .want = THREADS * PER_THREAD };
    struct journal_status status;

    sink_thread = thread_start("sink", run_sink, &sink);
    for (int i = 0; i < THREADS; i++) {
        a[i].journal = j;
        a[i].number = i;
        t[i] = thread_start("appender", run_appender, &a[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(t[i]);
        assert_true(a[i].in_order);
    }
    thread_join(sink_thread);
    assert_true(sink.in_order);
    assert_int_equal(sink.seen, THREADS * PER_THREAD);
    journal_status(j, &status);
    assert_int_equal(status.head, THREADS * PER_THREAD);
    assert_int_equal(status.error, 0);
    gate_free(sink.news);
    journal_close(j);
}

/* A reader that is overtaken: segments are dropped and written again beneath it. Each payload says
 * who wrote it and as which of his, so that a mixture of two uses would show. */
struct overtaken {
    struct journal *journal;
    struct gate *news;
    struct cell stop;
    uint64_t seen, lost, records;
    uint64_t last[THREADS];
    bool good;
};

static void check_overtaken(struct overtaken *o, const struct record *r)
{
    struct str rest = r->payload, who;
    uint64_t number = 0, thread = 0;

    if (r->kind == RECORD_GAP) {
        o->good = o->good && r->first == o->seen + 1;
        o->lost += r->seq - o->seen;
        o->seen = r->seq;
        return;
    }
    who = str_cut(&rest, ' ');
    o->good = o->good && r->seq == o->seen + 1 && str_to_u64(who, &thread) == 0 &&
              thread < THREADS && str_to_u64(str_cut(&rest, ' '), &number) == 0 &&
              number > o->last[thread] && str_eq(r->device, STR("pi")) && rest.n > 800;
    for (size_t i = 0; o->good && i < rest.n; i++)
        o->good = rest.p[i] == (char)('a' + number % 26);
    if (thread < THREADS)
        o->last[thread] = number;
    o->seen = r->seq;
    o->records++;
}

static void run_overtaken(void *ctx)
{
    struct overtaken *o = ctx;
    struct journal_watch *w = journal_watch_gate(o->journal, o->news);
    struct journal_reader *reader = journal_reader_new(o->journal, NULL, 0, KIB(64));
    struct record out[16];
    size_t n = 1;
    bool stop = false;

    o->good = true;
    while (o->good && (n > 0 || !stop)) {
        stop = cell_get(&o->stop); /* before the last look */
        if (journal_reader_next(reader, out, COUNT_OF(out), KIB(16), &n) < 0)
            o->good = false;
        for (size_t i = 0; i < n; i++)
            check_overtaken(o, &out[i]);
        if (n == 0)
            gate_wait(o->news, 10);
    }
    journal_reader_free(reader);
    journal_unwatch(w);
}

static void run_writer(void *ctx)
{
    struct appender *a = ctx;
    struct gate *g = gate_new();
    char payload[1000];

    for (int i = 1; i <= 300; i++) {
        struct record r[3];
        struct waiting w = { .gate = g, .code = 1 };
        int n = snprintf(payload, sizeof(payload), "%d %d ", a->number, i);

        memset(payload + n, 'a' + i % 26, sizeof(payload) - (size_t)n);
        r[0] = reading("pi", "");
        r[0].payload = str_from(payload, sizeof(payload));
        w.entry.records = r;
        w.entry.count = 1;
        w.entry.done = on_done;
        journal_append(a->journal, &w.entry);
        a->in_order = gate_wait(g, WAIT_MS) && w.code == 0;
        if (!a->in_order)
            break;
    }
    gate_free(g);
}

static void test_a_reader_that_is_overtaken_sees_gaps_and_nothing_mixed(void **state)
{
    struct journal_options o = journal_options_default();
    struct appender a[THREADS] = { 0 };
    struct thread *t[THREADS], *reading_thread;
    struct overtaken over = { .news = gate_new() };

    o.segment_bytes = KIB(64);
    o.quota_bytes = KIB(256);
    o.free_floor_bytes = 0;
    o.policy[RECORD_READING] = JOURNAL_DROP_OLDEST;
    over.journal = open_journal(*state, &o);
    reading_thread = thread_start("overtaken", run_overtaken, &over);
    for (int i = 0; i < THREADS; i++) {
        a[i].journal = over.journal;
        a[i].number = i;
        t[i] = thread_start("writer", run_writer, &a[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(t[i]);
        assert_true(a[i].in_order);
    }
    cell_set(&over.stop, 1);
    thread_join(reading_thread);
    assert_true(over.good);
    assert_int_equal(over.seen, THREADS * 300);
    assert_int_equal(over.records + over.lost, THREADS * 300);
    gate_free(over.news);
    journal_close(over.journal);
}

/* Completion and news on a loop. */
struct on_loop {
    struct loop *loop;
    struct journal *journal;
    struct journal_watch *watch;
    struct waiting w[50];
    size_t done, news;
};
static struct on_loop *the_loop; /* the callbacks' only context is the entry */

static void on_loop_done(struct journal_entry *e, int code)
{
    loop_assert_mine(the_loop->loop);
    assert_int_equal(code, 0);
    /* In order. */
    assert_ptr_equal(e, &the_loop->w[the_loop->done].entry);
    the_loop->done++;
}

static void on_loop_news(void *ctx)
{
    struct on_loop *l = ctx;

    loop_assert_mine(l->loop);
    l->news++;
}

static void test_completion_and_news_arrive_on_the_loop(void **state)
{
    struct on_loop l = { .loop = loop_new(), .journal = open_journal(*state, NULL) };

    the_loop = &l;
    l.watch = journal_watch_loop(l.journal, l.loop, on_loop_news, &l);
    for (size_t i = 0; i < COUNT_OF(l.w); i++) {
        l.w[i].record = reading("pi", "1");
        l.w[i].entry.records = &l.w[i].record;
        l.w[i].entry.count = 1;
        l.w[i].entry.reply = l.loop;
        l.w[i].entry.done = on_loop_done;
        journal_append(l.journal, &l.w[i].entry);
    }
    while (l.done < COUNT_OF(l.w) || l.news == 0)
        loop_turn(l.loop, true);
    assert_int_equal(journal_head(l.journal), COUNT_OF(l.w));
    journal_unwatch(l.watch);
    loop_turn(l.loop, true);
    journal_close(l.journal);
    loop_free(l.loop);
}

static void test_quota_blocks_until_the_cursor_moves(void **state)
{
    struct journal_options o = journal_options_default();
    struct journal_cursor *c = NULL;
    struct journal *j;
    struct gate *g = gate_new();
    static char big[4000];
    struct record r;
    struct journal_status status;
    int rc = 0, taken = 0;

    memset(big, 'x', sizeof(big) - 1);
    o.segment_bytes = KIB(64);
    o.quota_bytes = KIB(256);
    o.free_floor_bytes = 0;
    j = open_journal(*state, &o);
    assert_int_equal(journal_cursor_open(j, "sink", &c), 0);
    for (; rc == 0 && taken < 1000; taken++) {
        r = reading("pi", big);
        rc = append(j, g, &r);
    }
    assert_int_equal(rc, ERR_FULL);
    assert_in_range(taken, 50, 70);
    journal_status(j, &status);
    assert_int_equal(status.error, ERR_FULL);
    assert_true(status.bytes <= o.quota_bytes);
    journal_cursor_advance(c, journal_head(j));
    r = reading("pi", big);
    assert_int_equal(append(j, g, &r), 0);
    assert_int_equal(r.seq, (uint64_t)taken);
    journal_cursor_close(c);
    gate_free(g);
    journal_close(j);
}

static void test_drop_oldest_tells_the_reader_what_is_gone(void **state)
{
    struct journal_options o = journal_options_default();
    struct journal *j;
    struct journal_reader *reader;
    struct gate *g = gate_new();
    static char big[4000];
    struct record r, out[4];
    size_t n = 0;

    memset(big, 'x', sizeof(big) - 1);
    o.segment_bytes = KIB(64);
    o.quota_bytes = KIB(256);
    o.free_floor_bytes = 0;
    o.policy[RECORD_READING] = JOURNAL_DROP_OLDEST;
    j = open_journal(*state, &o);
    for (int i = 0; i < 200; i++) {
        r = reading("pi", big);
        assert_int_equal(append(j, g, &r), 0);
    }
    reader = journal_reader_new(j, NULL, 0, 0);
    assert_int_equal(journal_reader_next(reader, out, 2, 1 << 20, &n), 0);
    assert_int_equal(out[0].kind, RECORD_GAP);
    assert_int_equal(out[0].first, 1);
    assert_true(str_eq(out[0].payload, STR("dropped")));
    if (n == 1)
        assert_int_equal(journal_reader_next(reader, out + 1, 1, 1 << 20, &n), 0);
    assert_int_equal(out[1].seq, out[0].seq + 1);
    assert_int_equal(out[1].kind, RECORD_READING);
    journal_reader_free(reader);
    gate_free(g);
    journal_close(j);
}

static void test_a_cursor_keeps_its_place(void **state)
{
    struct journal *j = open_journal(*state, NULL);
    struct journal_cursor *c = NULL, *again = NULL;
    struct gate *g = gate_new();
    struct record r;

    for (int i = 0; i < 10; i++) {
        r = reading("pi", "1");
        assert_int_equal(append(j, g, &r), 0);
    }
    assert_int_equal(journal_cursor_open(j, "No Name", &c), ERR_VALUE);
    assert_int_equal(journal_cursor_open(j, "store", &c), 0);
    assert_int_equal(journal_cursor_seq(c), 0);
    assert_int_equal(journal_cursor_open(j, "store", &again), ERR_BUSY);
    assert_int_equal(journal_cursor_forget(j, "store"), ERR_BUSY);
    journal_cursor_advance(c, 7);
    journal_cursor_advance(c, 3);
    assert_int_equal(journal_cursor_seq(c), 7);
    journal_cursor_close(c);
    journal_close(j);
    j = open_journal(*state, NULL);
    assert_int_equal(journal_cursor_open(j, "store", &c), 0);
    assert_int_equal(journal_cursor_seq(c), 7);
    journal_cursor_close(c);
    assert_int_equal(journal_cursor_forget(j, "store"), 0);
    assert_int_equal(journal_cursor_forget(j, "store"), ERR_UNKNOWN);
    gate_free(g);
    journal_close(j);
}

static void test_a_window_gathers_several_appends_into_one_flush(void **state)
{
    struct journal_options o = journal_options_default();
    struct journal *j;
    struct waiting w[20];
    struct gate *g = gate_new();

    o.segment_bytes = KIB(64);
    o.free_floor_bytes = 0;
    o.flush_window_ms = 30;
    j = open_journal(*state, &o);
    for (size_t i = 0; i < COUNT_OF(w); i++) {
        w[i] = (struct waiting){ .gate = gate_new(), .code = 1, .record = reading("pi", "1") };
        w[i].entry.records = &w[i].record;
        w[i].entry.count = 1;
        w[i].entry.done = on_done;
        journal_append(j, &w[i].entry);
    }
    for (size_t i = 0; i < COUNT_OF(w); i++) {
        assert_true(gate_wait(w[i].gate, WAIT_MS));
        assert_int_equal(w[i].code, 0);
    }
    assert_int_equal(journal_head(j), COUNT_OF(w));
    journal_close(j);
    for (size_t i = 0; i < COUNT_OF(w); i++)
        gate_free(w[i].gate);
    gate_free(g);
}

static void test_settled_means_that_everything_before_is_done(void **state)
{
    struct journal *j = open_journal(*state, NULL);
    struct gate *g = gate_new();
    struct waiting w[200];

    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < COUNT_OF(w); i++) {
            w[i] = (struct waiting){ .gate = g, .code = 1, .record = reading("pi-1", "{}") };
            w[i].entry.records = &w[i].record;
            w[i].entry.count = 1;
            w[i].entry.done = on_done;
            journal_append(j, &w[i].entry);
        }
        journal_settle(j);
        for (size_t i = 0; i < COUNT_OF(w); i++)
            assert_int_equal(w[i].code, 0);
    }
    assert_int_equal(journal_head(j), 1000);
    journal_settle(j);
    journal_close(j);
    gate_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        T(test_what_is_done_is_read_back_after_reopening),
        T(test_a_second_process_is_refused),
        T(test_invalid_records_are_refused_and_take_no_number),
        T(test_four_threads_append_while_a_sink_reads),
        T(test_a_reader_that_is_overtaken_sees_gaps_and_nothing_mixed),
        T(test_completion_and_news_arrive_on_the_loop),
        T(test_quota_blocks_until_the_cursor_moves),
        T(test_drop_oldest_tells_the_reader_what_is_gone),
        T(test_a_cursor_keeps_its_place),
        T(test_a_window_gathers_several_appends_into_one_flush),
        cmocka_unit_test_setup_teardown(test_settled_means_that_everything_before_is_done, setup,
                                        teardown),
    };

    log_setup(LOG_ERROR, LOG_LOGFMT, 2); /* the quota's warnings are provoked here */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
