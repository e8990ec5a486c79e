/* What every engine of the store holds to: exactly once by (journal, epoch), senders' ids, corrected
 * times, gaps, forks, lag, and where a run begins. */
#include "unit/store/store_fixture.h"

#define S 1000000000

static struct scratch *opened(void **state)
{
    struct scratch *x = *state;

    scratch_open(x);
    return x;
}

static size_t write_one(struct scratch *x, const struct record *r)
{
    struct store_counts c = { 0 };

    assert_int_equal(store_write(x->s, r, 1, r->seq, &c), 0);
    return c.stored;
}

static struct record of_epoch(uint64_t seq, uint64_t epoch)
{
    struct record r = reading(seq, (int64_t)seq, "pi", "env", "1");

    r.origin_epoch = epoch;
    return r;
}

static int count_origin(void *ctx, const struct store_origin *o)
{
    struct store_origin *all = ctx;

    all[o->uuid.b[0] == 0xa ? 0 : 1] = *o;
    return 0;
}

/* A folder was copied with the journal at 3: both go on with 4, and neither takes the other's place. */
static void copies_of_a_journal_are_told_apart(void **state)
{
    struct scratch *x = opened(state);
    struct store_origin all[2] = { { .forks = 0 } };
    struct store_counts c = { 0 };
    struct record r;

    for (uint64_t seq = 1; seq <= 3; seq++) {
        r = of_epoch(seq, 100);
        assert_int_equal(write_one(x, &r), 1);
    }
    for (uint64_t seq = 4; seq <= 6; seq++) { /* the one copy, started anew */
        r = of_epoch(seq, 200);
        assert_int_equal(write_one(x, &r), 1);
    }
    r = of_epoch(3, 100); /* what the copies have in common is sent again */
    assert_int_equal(write_one(x, &r), 0);
    r = of_epoch(4, 300); /* the other copy */
    assert_int_equal(store_write(x->s, &r, 1, 20, &c), 0);
    assert_int_equal(c.stored, 1);
    assert_int_equal(c.forks, 1);
    assert_int_equal(c.fork[0].first_seq, 4);
    assert_int_equal(c.fork[0].other_seq, 6);
    assert_true(uuid_eq(&c.fork[0].origin, &JOURNAL_A));
    r = of_epoch(5, 300);
    assert_int_equal(store_write(x->s, &r, 1, 21, &c), 0);
    assert_int_equal(c.forks, 0); /* said once */
    assert_int_equal(store_origins(x->s, count_origin, all), 0);
    assert_int_equal(all[0].forks, 1);
    assert_int_equal(all[0].epoch, 300);
    assert_int_equal(all[0].last_seq, 5);
    assert_int_equal(store_cursor(x->s, &JOURNAL_A), 6);
}

static void a_restart_is_no_fork(void **state)
{
    struct scratch *x = opened(state);
    struct record r[4] = { of_epoch(1, 100), gap(JOURNAL_A, 2, 2, 4), of_epoch(5, 200),
                           of_epoch(6, UINT64_MAX) };
    struct store_counts c = { 0 };

    assert_int_equal(store_write(x->s, r, 4, 6, &c), 0);
    assert_int_equal(c.stored, 4);
    assert_int_equal(c.forks, 0);
    store_close(x->s);
    scratch_open(x);
    assert_int_equal(store_write(x->s, r, 4, 6, &c), 0);
    assert_int_equal(c.skipped, 4);
    assert_int_equal(store_cursor(x->s, &JOURNAL_A), 6);
}

static struct record with_id(uint64_t seq, int64_t second, unsigned id)
{
    struct record r = reading(seq, second, "pi", "env", "1");

    r.id = (struct uuid){ { (uint8_t)id, 1 } };
    return r;
}

static void a_senders_id_makes_one_row_within_its_window(void **state)
{
    struct scratch *x = opened(state);
    struct record r[5] = { with_id(1, 1000, 1), with_id(2, 1599, 1), with_id(3, 1601, 1),
                           with_id(4, 1601, 2), with_id(5, 1001, 1) };
    struct store_counts c = { 0 };

    assert_int_equal(store_write(x->s, r, 2, 2, &c), 0);
    assert_int_equal(c.stored, 1);
    assert_int_equal(c.repeated, 1);
    assert_int_equal(store_write(x->s, r + 2, 2, 4, &c), 0);
    assert_int_equal(c.stored, 2); /* beyond the window it is another reading; another id anyway */
    store_close(x->s);
    scratch_open(x);
    assert_int_equal(store_write(x->s, r + 3, 1, 4, &c), 0);
    assert_int_equal(c.skipped, 1);
    r[3].origin_seq = r[3].seq = 6;
    assert_int_equal(store_write(x->s, r + 3, 1, 6, &c), 0);
    assert_int_equal(c.repeated, 1);
    assert_int_equal(store_cursor(x->s, &JOURNAL_A), 6);
}

static void ids_are_of_their_stream(void **state)
{
    struct scratch *x = opened(state);
    struct record r[3] = { with_id(1, 1, 1), with_id(2, 1, 1), with_id(3, 1, 1) };
    struct store_counts c = { 0 };

    r[1].stream = STR("door");
    r[2].device = STR("pi-2");
    assert_int_equal(store_write(x->s, r, 3, 3, &c), 0);
    assert_int_equal(c.stored, 3);
}

static int note_row(void *ctx, const struct store_row *r)
{
    struct store_row *all = ctx;

    all[r->origin_seq - 1] = *r;
    return 0;
}

static void a_corrected_time_keeps_the_one_before(void **state)
{
    static const struct store_render render = { .row = note_row };
    struct scratch *x = opened(state);
    struct record r[2] = { of_epoch(1, 5), of_epoch(2, UINT64_MAX - 1) };
    struct store_row rows[2] = { { .id = 0 } };
    struct store_reader *reader = NULL;
    struct store_answer a = { 0 };
    struct fault f = { 0 };

    r[0].flags = RECORD_CORRECTED;
    r[0].sent_ns = -7;
    assert_int_equal(store_write(x->s, r, 2, 2, NULL), 0);
    assert_int_equal(store_reader_open(&x->c, &reader, &f), 0);
    assert_int_equal(
        store_reader_run(reader, &(struct store_query){ .what = STORE_RECORDS }, &render, rows, &a),
        0);
    store_reader_close(reader);
    assert_true(rows[0].corrected && rows[0].sent_ns == -7);
    assert_false(rows[1].corrected);
    assert_int_equal(rows[0].origin_epoch, 5);
    assert_true(rows[1].origin_epoch == UINT64_MAX - 1);
}

static void gaps_are_told_newest_first(void **state)
{
    struct scratch *x = opened(state);
    struct record r[4] = { gap(JOURNAL_A, 1, 1, 4), gap(JOURNAL_B, 2, 10, 19),
                           gap(JOURNAL_A, 3, 6, 7), reading(8, 1, "pi", "env", "1") };
    struct store_query q = { .what = STORE_GAPS, .limit = 2 };
    struct store_origin all[2] = { { .gaps = 0 } };
    struct seen s = { 0 };
    struct store_answer a;

    assert_int_equal(store_write(x->s, r, 4, 8, NULL), 0);
    a = ask(x, q, &s);
    assert_string_equal(s.text, "a:6-7 dropped;b:10-19 dropped;");
    q.after = str_of(a.next);
    assert_true(q.after.n > 0);
    s = (struct seen){ 0 };
    a = ask(x, q, &s);
    assert_string_equal(s.text, "a:1-4 dropped;");
    assert_int_equal(a.next[0], '\0');
    q = (struct store_query){ .what = STORE_GAPS, .device = STR("pi") };
    s = (struct seen){ 0 };
    ask(x, q, &s);
    assert_string_equal(s.text, "a:6-7 dropped;a:1-4 dropped;");
    assert_int_equal(store_origins(x->s, count_origin, all), 0);
    assert_int_equal(all[0].gaps, 2);
    assert_int_equal(all[0].lost, 6);
    assert_int_equal(all[1].lost, 10);
}

static struct record gap_of(uint64_t first, uint64_t last, uint64_t epoch)
{
    struct record r = gap(JOURNAL_A, last, first, last);

    r.origin_epoch = epoch;
    return r;
}

/* Writes one gap and returns what is told since, newest first. */
static const char *told(struct scratch *x, struct record r, uint64_t position, struct seen *s)
{
    *s = (struct seen){ 0 };
    assert_int_equal(store_write(x->s, &r, 1, position, NULL), 0);
    ask(x, (struct store_query){ .what = STORE_GAPS }, s);
    return s->text;
}

static void a_gap_begins_behind_what_arrived(void **state)
{
    struct scratch *x = opened(state);
    struct record r[2] = { of_epoch(1, 100), of_epoch(4, 100) };
    struct store_counts c = { 0 };
    struct seen s;

    assert_int_equal(store_write(x->s, r, 2, 2, NULL), 0);
    assert_string_equal(told(x, gap_of(1, 3, 100), 3, &s), "");
    assert_string_equal(told(x, gap_of(2, 9, 100), 4, &s), "a:5-9 dropped;");
    /* The same again, and more. */
    assert_string_equal(told(x, gap_of(2, 9, 100), 5, &s), "a:5-9 dropped;");
    assert_string_equal(told(x, gap_of(8, 12, 100), 6, &s), "a:10-12 dropped;a:5-9 dropped;");
    /* A copy of the journal has gaps of its own under the same numbers, and beyond them. */
    assert_string_equal(told(x, gap_of(2, 16, 200), 7, &s),
                        "a:2-16 dropped;a:10-12 dropped;a:5-9 dropped;");
    assert_string_equal(told(x, gap_of(2, 16, 200), 8, &s),
                        "a:2-16 dropped;a:10-12 dropped;a:5-9 dropped;");
    r[0] = of_epoch(17, 200);
    assert_int_equal(store_write(x->s, r, 1, 9, &c), 0);
    assert_int_equal(c.stored, 1);
    assert_string_equal(told(x, gap_of(18, 20, 200), 10, &s),
                        "a:18-20 dropped;a:2-16 dropped;a:10-12 dropped;a:5-9 dropped;");
}

/* What one copy told as lost, or one way through two hubs, another has after all. */
static void what_was_told_as_lost_and_came_fills_its_gap(void **state)
{
    struct scratch *x = opened(state);
    struct store_origin all[2] = { { .forks = 0 } };
    struct record r = of_epoch(1, 100);
    struct seen s;

    assert_int_equal(write_one(x, &r), 1);
    assert_string_equal(told(x, gap_of(2, 9, 100), 2, &s), "a:2-9 dropped;");
    for (unsigned again = 0; again < 2; again++) {
        r = of_epoch(5, 100);
        assert_int_equal(write_one(x, &r), again ? 0 : 1);
    }
    r = of_epoch(5, 200); /* of another start: it was never missing */
    assert_int_equal(write_one(x, &r), 1);
    r = of_epoch(2, 100);
    assert_int_equal(write_one(x, &r), 1);
    r = of_epoch(9, 100);
    assert_int_equal(write_one(x, &r), 1);
    s = (struct seen){ 0 };
    ask(x, (struct store_query){ .what = STORE_GAPS }, &s);
    assert_string_equal(s.text, "a:6-8 dropped;a:3-4 dropped;");
    assert_int_equal(store_origins(x->s, count_origin, all), 0);
    assert_int_equal(all[0].gaps, 2);
    assert_int_equal(all[0].lost, 5);
    for (uint64_t seq = 3; seq <= 8; seq++) {
        r = of_epoch(seq, 100);
        assert_int_equal(write_one(x, &r), seq == 5 ? 0 : 1);
    }
    s = (struct seen){ 0 };
    ask(x, (struct store_query){ .what = STORE_GAPS }, &s);
    assert_string_equal(s.text, "");
    assert_int_equal(store_origins(x->s, count_origin, all), 0);
    assert_int_equal(all[0].gaps, 0);
    assert_int_equal(all[0].lost, 0);
    r = of_epoch(10, 100);
    assert_int_equal(write_one(x, &r), 1);
}

/* A hub that sends on must know what came through its own journal. */
static void each_cursor_knows_its_hub(void **state)
{
    struct scratch *x = opened(state);
    struct store_origin all[2] = { { .forks = 0 } };
    struct uuid first = x->c.journal;
    struct record r = of_epoch(1, 100);

    assert_int_equal(write_one(x, &r), 1);
    assert_int_equal(store_origins(x->s, count_origin, all), 0);
    assert_true(uuid_eq(&all[0].sink, &first));
    store_close(x->s);
    x->c.journal = (struct uuid){ { 0x55 } };
    scratch_open(x);
    assert_int_equal(store_found(x->s), 0);
    assert_int_equal(write_one(x, &r), 0); /* a repeat is no doing of its */
    assert_int_equal(store_origins(x->s, count_origin, all), 0);
    assert_true(uuid_eq(&all[0].sink, &first));
    r = of_epoch(2, 100);
    assert_int_equal(write_one(x, &r), 1);
    assert_int_equal(store_origins(x->s, count_origin, all), 0);
    assert_true(uuid_eq(&all[0].sink, &x->c.journal));
    assert_int_equal(store_disown(x->s), 0);
    assert_int_equal(store_origins(x->s, count_origin, all), 0);
    assert_true(uuid_is_zero(&all[0].sink));
    store_close(x->s);
    scratch_open(x);
    assert_int_equal(store_found(x->s), 2);
}

static int note_device(void *ctx, const struct store_device *d)
{
    *(struct store_device *)ctx = *d;
    return 0;
}

static void a_device_knows_the_journal_it_comes_from(void **state)
{
    static const struct store_render render = { .device = note_device };
    struct scratch *x = opened(state);
    struct record r[2] = { gap(JOURNAL_A, 1, 1, 1), reading(2, 1, "pi", "env", "1") };
    struct store_device d = { .gaps = 0 };
    struct store_reader *reader = NULL;
    struct store_answer a = { 0 };
    struct fault f = { 0 };

    assert_int_equal(store_write(x->s, r, 2, 2, NULL), 0);
    assert_int_equal(store_reader_open(&x->c, &reader, &f), 0);
    assert_int_equal(
        store_reader_run(reader, &(struct store_query){ .what = STORE_DEVICES }, &render, &d, &a),
        0);
    assert_true(uuid_eq(&d.origin, &JOURNAL_A));
    assert_int_equal(d.gaps, 1);
    assert_int_equal(d.lost, 1);
    store_reader_close(reader);
}

static int note_point(void *ctx, const struct store_point *p)
{
    *(struct store_point *)ctx = *p;
    return 0;
}

static void lag_is_the_time_until_arrival(void **state)
{
    static const struct store_render render = { .point = note_point };
    struct scratch *x = opened(state);
    struct record r[2] = { reading(1, 1000, "pi", "env", "{\"t\":1}"),
                           reading(2, 1010, "pi", "env", "\x01") };
    struct store_query q = { .what = STORE_SERIES,
                             .device = STR("pi"),
                             .stream = STR("env"),
                             .field = STR(STORE_LAG),
                             .step_ns = 3600 * (int64_t)S };
    struct store_point p = { .count = 0 };
    struct store_reader *reader = NULL;
    struct store_answer a = { 0 };
    struct fault f = { 0 };

    r[1].content_type = STR("image/x"); /* what is no JSON arrives as well */
    assert_int_equal(store_write(x->s, r, 2, 2, NULL), 0);
    assert_int_equal(store_reader_open(&x->c, &reader, &f), 0);
    assert_int_equal(store_reader_run(reader, &q, &render, &p, &a), 0);
    store_reader_close(reader);
    assert_int_equal(p.count, 2);
    assert_true(p.max - p.min > 9.999 && p.max - p.min < 10.001);
}

/* The hub's journal came back from an older copy: its numbers are below the database's position. */
static void a_journal_that_went_back_is_read_from_its_cursor(void **state)
{
    struct scratch *x = opened(state);
    struct record r = of_epoch(1000, 1);

    assert_int_equal(store_begin(x->s, 0), 0);
    assert_int_equal(write_one(x, &r), 1);
    assert_int_equal(store_position(x->s), 1000);
    store_close(x->s);
    scratch_open(x);
    assert_int_equal(store_begin(x->s, 500), 500);
    assert_int_equal(store_position(x->s), 500); /* so whoever reads waits for 501 */
    r = of_epoch(501, 2);
    assert_int_equal(write_one(x, &r), 1);
    assert_int_equal(store_position(x->s), 501);
    store_close(x->s);
    scratch_open(x);
    assert_int_equal(store_begin(x->s, 501), 501);
}

/* The database came back from an older copy: the journal's cursor is ahead of it. */
static void a_database_that_went_back_is_filled_again(void **state)
{
    struct scratch *x = opened(state);
    struct record r = of_epoch(10, 1);

    assert_int_equal(write_one(x, &r), 1);
    assert_int_equal(store_begin(x->s, 500), 10);
}

static void marks_move_a_cursor_and_nothing_else(void **state)
{
    struct scratch *x = opened(state);
    struct record mark = { .kind = RECORD_MARK, .seq = 3, .origin = JOURNAL_B, .origin_seq = 77 };
    struct seen s = { 0 };

    assert_int_equal(write_one(x, &mark), 0);
    assert_int_equal(store_cursor(x->s, &JOURNAL_B), 77);
    ask(x, (struct store_query){ .what = STORE_RECORDS }, &s);
    assert_string_equal(s.text, "");
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

RUN_ENGINES(STORE_TEST(copies_of_a_journal_are_told_apart), STORE_TEST(a_restart_is_no_fork),
            STORE_TEST(a_senders_id_makes_one_row_within_its_window),
            STORE_TEST(ids_are_of_their_stream), STORE_TEST(a_corrected_time_keeps_the_one_before),
            STORE_TEST(gaps_are_told_newest_first), STORE_TEST(a_gap_begins_behind_what_arrived),
            STORE_TEST(what_was_told_as_lost_and_came_fills_its_gap),
            STORE_TEST(each_cursor_knows_its_hub),
            STORE_TEST(a_device_knows_the_journal_it_comes_from),
            STORE_TEST(lag_is_the_time_until_arrival),
            STORE_TEST(a_journal_that_went_back_is_read_from_its_cursor),
            STORE_TEST(a_database_that_went_back_is_filled_again),
            STORE_TEST(marks_move_a_cursor_and_nothing_else))
