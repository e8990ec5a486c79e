/* A look at a journal from outside. */
#include "journal/verify.h"

#include "unit/journal/spool_kit.h"

struct seen {
    uint64_t segments, cursors, records, cursor_seq;
};

static void on_segment(void *ctx, const struct verify_segment *s)
{
    struct seen *seen = ctx;

    seen->segments++;
    assert_true(s->last_seq == 0 || s->last_seq >= s->first_seq);
}
static void on_cursor(void *ctx, const struct verify_cursor *c)
{
    struct seen *seen = ctx;

    seen->cursors++;
    seen->cursor_seq = c->seq;
    assert_string_equal(c->name, "hub");
}
static bool on_record(void *ctx, const struct record *r)
{
    struct seen *seen = ctx;

    assert_true(r->seq > seen->records);
    seen->records = r->seq;
    return true;
}

static int verify(struct kit *k, struct seen *seen, struct verify_summary *sum)
{
    struct verify_visitor v = {
        .ctx = seen, .on_segment = on_segment, .on_cursor = on_cursor, .on_record = on_record
    };

    *seen = (struct seen){ 0 };
    return verify_journal(&k->disk->base, &v, sum);
}

static void test_a_whole_journal_is_whole(void **state)
{
    struct kit k;
    struct cell at = { 0 };
    struct verify_summary sum;
    struct seen seen;

    (void)state;
    kit_init(&k);
    /* Empty first: it is a journal all the same. */
    assert_int_equal(verify(&k, &seen, &sum), 0);
    assert_false(verify_damaged(&sum));
    kit_append_many(&k, 200, 100);
    spool_cursor(&k.spool, "hub", true)->at = &at;
    cell_set(&at, 12);
    (void)spool_tend(&k.spool, true);
    /* While it is open, without the lock. */
    assert_int_equal(verify(&k, &seen, &sum), 0);
    assert_false(verify_damaged(&sum));
    assert_int_equal(sum.records, 200);
    assert_int_equal(sum.first_seq, 1);
    assert_int_equal(sum.last_seq, 200);
    assert_int_equal(sum.payload_bytes, 20000);
    assert_int_equal(sum.segments, k.spool.count);
    assert_int_equal(seen.segments, k.spool.count);
    assert_int_equal(seen.records, 200);
    assert_int_equal(seen.cursors, 1);
    assert_int_equal(seen.cursor_seq, 12);
    assert_true(uuid_eq(&sum.journal, &k.spool.id.journal));
    kit_fini(&k);
}

static void test_damage_is_counted(void **state)
{
    struct kit k;
    struct verify_summary sum;
    struct seen seen;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    kit_segment(&k, 0)->live[2000] ^= 4;
    assert_int_equal(verify(&k, &seen, &sum), 0);
    assert_true(verify_damaged(&sum));
    assert_int_equal(sum.damages, 1);
    assert_int_equal(sum.missing, 1);
    assert_int_equal(sum.damaged_bytes, 140);
    assert_int_equal(sum.records, 199);
    kit_segment(&k, 1)->live[20] ^= 4;
    assert_int_equal(verify(&k, &seen, &sum), 0);
    assert_int_equal(sum.damaged_headers, 1);
    assert_int_equal(sum.records, 199);
    kit_fini(&k);
}

static void test_a_segment_that_is_missing_is_seen(void **state)
{
    struct kit k;
    struct verify_summary sum;
    struct seen seen;
    char name[SEGMENT_NAME_LEN + 1];
    uint64_t lost;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    lost = k.spool.rows[2].first_seq - k.spool.rows[1].first_seq;
    names_drop(&k.disk->live, segment_name(k.spool.rows[1].generation, name));
    assert_int_equal(verify(&k, &seen, &sum), 0);
    assert_int_equal(sum.missing, lost);
    assert_int_equal(sum.records, 200 - lost);
    kit_fini(&k);
}

static void test_nothing_is_written(void **state)
{
    struct kit k;
    struct verify_summary sum;
    struct seen seen;
    uint64_t written, syncs;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 50, 100);
    written = k.disk->written;
    syncs = k.disk->calls[MEM_CALL_SYNC];
    assert_int_equal(verify(&k, &seen, &sum), 0);
    assert_int_equal(k.disk->written, written);
    assert_int_equal(k.disk->calls[MEM_CALL_SYNC], syncs);
    kit_fini(&k);
}

static void test_a_directory_without_a_journal_is_said(void **state)
{
    struct disk_mem *m = disk_mem_new(3);
    struct verify_visitor v = { 0 };
    struct verify_summary sum;

    (void)state;
    assert_int_equal(verify_journal(&m->base, &v, &sum), ERR_UNKNOWN);
    m->base.ops->free(&m->base);
}

/* Number by number what one side says of a journal: 'r' a record, 'g' in a gap; 0: nothing. */
#define NUMBERS 4000
struct told {
    char number[NUMBERS];
    uint64_t sums[NUMBERS], last;
    struct uuid journal;
};

static void told_record(struct told *t, const struct record *r)
{
    uint64_t first = r->kind == RECORD_GAP && uuid_eq(&r->origin, &t->journal) ? r->first : r->seq;

    assert_true(first > t->last && r->seq < NUMBERS);
    for (uint64_t n = first; n <= r->seq; n++)
        t->number[n] = r->kind == RECORD_GAP ? 'g' : 'r';
    for (size_t i = 0; i < r->payload.n && r->kind != RECORD_GAP; i++)
        t->sums[r->seq] = t->sums[r->seq] * 31 + (unsigned char)r->payload.p[i];
    t->last = r->seq;
}

static bool told_by_verify(void *ctx, const struct record *r)
{
    told_record(ctx, r);
    return true;
}

static void told_by_reader(struct kit *k, uint64_t after, struct told *t)
{
    struct reader r;
    struct record out[16];
    size_t n = 0;

    kit_reader(k, &r, after, 1024);
    do {
        assert_int_equal(reader_next(&r, out, COUNT_OF(out), 5000, &n), 0);
        for (size_t i = 0; i < n; i++)
            told_record(t, &out[i]);
    } while (n > 0);
    reader_fini(&r);
}

/* Some damage of every kind, but not to the very last record: whether that is damaged or was never
 * written, nobody can say from outside. */
static void damage(struct kit *k, unsigned kind)
{
    size_t nth = mem_below(k->disk, k->spool.count - 1);
    struct mem_file *f = kit_segment(k, nth);
    uint64_t at = mem_below(k->disk, f->live_n);

    if (kind == 0)
        f->live[at] ^= (char)(1 << mem_below(k->disk, 8));
    else if (kind == 1)
        memset(f->live + at, 0, f->live_n - at < 600 ? (size_t)(f->live_n - at) : 600);
    else if (kind == 2)
        memset(f->live, 0x5a, SEGMENT_HEADER_SIZE);
    else if (kind == 3)
        f->live_n = at;
    else if (kind == 4 && at + 900 < f->live_n)
        memmove(f->live + at, f->live + at + 300, 600);
}

/* The heart of it: whoever looks from outside is told exactly what a sink is told. */
static void test_it_says_what_a_sink_gets(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 400; round++) {
        struct told by_sink = { .last = 0 }, by_verify = { .last = 0 };
        struct verify_visitor v = { .ctx = &by_verify, .on_record = told_by_verify };
        struct verify_summary sum;
        struct kit k;
        uint64_t lost = 0;

        kit_init(&k);
        k.disk->random += round * 977;
        kit_append_many(&k, 60, 100);
        if (round % 3 == 0) { /* a flush that fails gives its segment up */
            k.disk->fail_mask = 1u << MEM_CALL_SYNC;
            k.disk->fail_times = 1;
            k.disk->fail_code = -EIO;
        }
        kit_append_many(&k, 60, 100);
        if (round % 5 == 0)
            kit_kill(&k);
        kit_append_many(&k, 120, 10 + round % 200);
        for (unsigned i = 0; i < round % 4; i++)
            damage(&k, (unsigned)mem_below(k.disk, 5));
        kit_kill(&k); /* takes what it finds */
        by_sink.journal = by_verify.journal = k.spool.id.journal;
        assert_int_equal(verify_journal(&k.disk->base, &v, &sum), 0);
        told_by_reader(&k, spool_oldest(&k.spool) - 1, &by_sink);
        if (by_sink.last > by_verify.last) /* numbers that the start skipped */
            by_sink.last = by_verify.last;
        for (uint64_t n = 1; n <= by_sink.last; n++) {
            if (by_sink.number[n] != by_verify.number[n] || by_sink.sums[n] != by_verify.sums[n])
                fail_msg("round %u, number %llu: a sink gets '%c', verify says '%c'", round,
                         (unsigned long long)n, by_sink.number[n], by_verify.number[n]);
            lost += by_verify.number[n] == 'g';
        }
        assert_int_equal(by_verify.last, by_sink.last);
        assert_int_equal(sum.missing, lost);
        if (round % 4 == 0)
            assert_false(verify_damaged(&sum));
        kit_fini(&k);
    }
}

static const struct disk_ops *real;
static unsigned blind;

static int list_while_it_turns(struct disk *d,
                               void (*each)(void *ctx, const char *name, uint64_t bytes), void *ctx)
{
    return blind > 0 ? (blind--, 0) : real->list(d, each, ctx);
}

static void test_a_listing_that_misses_the_newest_segment_is_made_again(void **state)
{
    struct kit k;
    struct verify_summary sum;
    struct verify_visitor v = { 0 };
    struct disk_ops ops;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 60, 100);
    (void)spool_tend(&k.spool, true);
    real = k.disk->base.ops;
    ops = *real;
    ops.list = list_while_it_turns;
    k.disk->base.ops = &ops;
    blind = 2;
    assert_int_equal(verify_journal(&k.disk->base, &v, &sum), 0);
    assert_int_equal(blind, 0);
    assert_false(verify_damaged(&sum));
    assert_int_equal(sum.records, 60);
    k.disk->base.ops = real;
    kit_fini(&k);
}

static void test_a_segment_that_has_only_its_name_is_no_damage(void **state)
{
    struct kit k;
    struct verify_summary sum;
    struct seen seen;
    char name[SEGMENT_NAME_LEN + 1];
    uint64_t newest;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 50, 100);
    (void)spool_tend(&k.spool, true);
    newest = k.spool.id.generation;
    /* As between its rename and its first flush: still the bytes of an older one. */
    assert_int_equal(
        k.disk->base.ops->rename(&k.disk->base, SPOOL_SPARE, segment_name(newest + 1, name)), 0);
    k.spool.has_spare = false;
    assert_int_equal(verify(&k, &seen, &sum), 0);
    assert_false(verify_damaged(&sum));
    assert_int_equal(sum.records, 50);
    /* But one that has had records and has none is damage. */
    names_drop(&k.disk->live, name);
    memset(kit_segment(&k, k.spool.count - 1)->live, 0, KIB(8));
    assert_int_equal(verify(&k, &seen, &sum), 0);
    assert_true(verify_damaged(&sum));
    names_drop(&k.disk->live, segment_name(newest, name));
    assert_int_equal(verify(&k, &seen, &sum), 0);
    assert_true(sum.newest_lost > 0);
    assert_true(verify_damaged(&sum));
    kit_fini(&k);
}

struct range {
    uint64_t first, last, segments, stop_at;
};
static bool in_range(void *ctx, const struct record *r)
{
    struct range *range = ctx;

    if (range->first == 0)
        range->first = r->seq;
    range->last = r->seq;
    return r->seq != range->stop_at;
}
static void count_segment(void *ctx, const struct verify_segment *s)
{
    struct range *range = ctx;

    assert_true(s->read);
    range->segments++;
}

static void test_only_what_may_hold_the_numbers_is_read(void **state)
{
    struct kit k;
    struct range range = { 0 };
    struct verify_visitor v = { .ctx = &range,
                                .on_record = in_range,
                                .on_segment = count_segment,
                                .from_seq = 100,
                                .to_seq = 120 };
    struct verify_summary sum;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 300);
    assert_int_equal(verify_journal(&k.disk->base, &v, &sum), 0);
    assert_true(range.first > 1 && range.first <= 100);
    assert_true(range.last >= 120 && range.last < 200);
    assert_true(range.segments < k.spool.count);
    assert_false(verify_damaged(&sum));
    /* Nothing more is wanted: nothing more is read. */
    v.from_seq = v.to_seq = 0;
    range = (struct range){ .stop_at = 5 };
    assert_int_equal(verify_journal(&k.disk->base, &v, &sum), ERR_STOPPED);
    assert_int_equal(range.last, 5);
    assert_int_equal(range.segments, 1);
    kit_fini(&k);
}

static void list_segment(void *ctx, const struct verify_segment *s)
{
    struct range *range = ctx;

    assert_int_equal(s->read, s->newest);
    if (range->first == 0)
        range->first = s->first_seq;
    assert_true(s->first_seq == range->last + 1 && s->last_seq >= s->first_seq);
    range->last = s->last_seq;
}

static void test_a_list_reads_headers_only(void **state)
{
    struct kit k;
    struct range range = { 0 };
    struct verify_visitor v = { .ctx = &range, .on_segment = list_segment, .headers = true };
    struct verify_summary sum;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 300);
    assert_int_equal(verify_journal(&k.disk->base, &v, &sum), 0);
    assert_int_equal(range.first, 1);
    assert_int_equal(range.last, 200);
    assert_int_equal(sum.records, 200);
    assert_false(verify_damaged(&sum));
    kit_fini(&k);
}

static void test_the_place_of_a_cursor(void **state)
{
    struct kit k;
    struct cell at = { 0 };
    uint64_t seq = 0;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 20, 10);
    spool_cursor(&k.spool, "hub", true)->at = &at;
    cell_set(&at, 7);
    (void)spool_tend(&k.spool, true);
    assert_int_equal(verify_cursor_seq(&k.disk->base, "hub", &seq), 0);
    assert_int_equal(seq, 7);
    assert_int_equal(verify_cursor_seq(&k.disk->base, "nobody", &seq), ERR_UNKNOWN);
    assert_int_equal(verify_cursor_seq(&k.disk->base, "../x", &seq), ERR_VALUE);
    memset(kit_file(&k, "cursor-hub")->live, 0, SLOTS_BYTES);
    assert_int_equal(verify_cursor_seq(&k.disk->base, "hub", &seq), ERR_CORRUPT);
    kit_fini(&k);
}

RUN(TEST(test_a_whole_journal_is_whole), TEST(test_damage_is_counted),
    TEST(test_a_segment_that_is_missing_is_seen), TEST(test_nothing_is_written),
    TEST(test_a_directory_without_a_journal_is_said), TEST(test_it_says_what_a_sink_gets),
    TEST(test_a_listing_that_misses_the_newest_segment_is_made_again),
    TEST(test_a_segment_that_has_only_its_name_is_no_damage),
    TEST(test_only_what_may_hold_the_numbers_is_read), TEST(test_a_list_reads_headers_only),
    TEST(test_the_place_of_a_cursor))
