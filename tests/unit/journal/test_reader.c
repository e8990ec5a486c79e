/* A sink's reader beside the writing side. */
#include "journal/reader.h"

#include "base/log.h"
#include "unit/journal/spool_kit.h"

static void test_nothing_beyond_the_head_is_delivered(void **state)
{
    struct kit k;
    struct reader r;
    struct record out[4];
    size_t n = 9;

    (void)state;
    kit_init(&k);
    kit_reader(&k, &r, 0, 4096);
    assert_int_equal(reader_next(&r, out, 4, 1000, &n), 0);
    assert_int_equal(n, 0);
    kit_append_many(&k, 2, 50);
    k.spool.durable_seq = 1; /* the second is written, but not known to be durable */
    assert_int_equal(reader_next(&r, out, 4, 1000, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(reader_next(&r, out, 4, 1000, &n), 0);
    assert_int_equal(n, 0);
    k.spool.durable_seq = 2;
    assert_int_equal(reader_next(&r, out, 4, 1000, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(out[0].seq, 2);
    reader_fini(&r);
    kit_fini(&k);
}

static void test_max_and_max_bytes_bound_a_read(void **state)
{
    struct kit k;
    struct reader r;
    struct record out[10];
    size_t n;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 30, 100);
    kit_reader(&k, &r, 0, 4096);
    assert_int_equal(reader_next(&r, out, 3, 100000, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(reader_next(&r, out, 10, 250, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(reader_next(&r, out, 10, 0, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(out[0].seq, 7);
    assert_int_equal(reader_next(&r, out, 0, 1000, &n), 0);
    assert_int_equal(n, 0);
    reader_fini(&r);
    kit_fini(&k);
}

static void test_views_live_until_the_next_call(void **state)
{
    struct kit k;
    struct reader r;
    struct record out[64];
    size_t n;
    uint64_t seen = 0;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 300, 200);
    kit_reader(&k, &r, 0, 1500);
    do {
        assert_int_equal(reader_next(&r, out, COUNT_OF(out), 100000, &n), 0);
        for (size_t i = 0; i < n; i++) {
            char want[32];

            snprintf(want, sizeof(want), "n:%llu ", (unsigned long long)++seen);
            assert_true(str_starts(out[i].payload, str_of(want)));
            assert_str(out[i].device, "pi");
        }
    } while (n > 0);
    assert_int_equal(seen, 300);
    reader_fini(&r);
    kit_fini(&k);
}

static uint64_t told_damaged;

static void note_damaged(void *ctx, uint64_t generation, uint64_t first, uint64_t last)
{
    struct kit *k = ctx;

    assert_int_equal(generation, k->spool.rows[0].generation);
    told_damaged += last - first + 1;
    spool_note_damage(&k->spool, generation, first, last);
}

static void test_a_damaged_record_is_a_gap(void **state)
{
    struct kit k;
    struct reader r;
    struct record out[10];
    size_t n;
    struct mem_file *f;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 10, 100);
    f = kit_segment(&k, 0);
    f->live[SEGMENT_HEADER_SIZE + 2 * (64 + 68) + 4 * 140 + 60] ^= 1;
    kit_reader(&k, &r, 0, 4096);
    r.source.damaged = note_damaged;
    assert_int_equal(reader_next(&r, out, 4, 100000, &n), 0);
    assert_int_equal(n, 4);
    assert_int_equal(out[3].seq, 4);
    /* One at a time, so that the record behind the gap has to wait. */
    assert_int_equal(reader_next(&r, out, 1, 100000, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(out[0].kind, RECORD_GAP);
    assert_int_equal(out[0].first, 5);
    assert_int_equal(out[0].seq, 5);
    assert_true(uuid_eq(&out[0].origin, &k.spool.id.journal));
    assert_str(out[0].payload, "damaged");
    assert_int_equal(told_damaged, 1);
    assert_int_equal(k.spool.counts.lost, 1);
    spool_note_damage(&k.spool, k.spool.rows[0].generation, 4, 5); /* another reader */
    assert_int_equal(k.spool.counts.lost, 1);
    spool_note_damage(&k.spool, k.spool.rows[0].generation, 5, 7);
    assert_int_equal(k.spool.counts.lost, 3);
    assert_int_equal(reader_next(&r, out, 10, 100000, &n), 0);
    assert_int_equal(out[0].seq, 6);
    while (n > 0 && out[n - 1].seq < 10)
        assert_int_equal(reader_next(&r, out, 10, 100000, &n), 0);
    assert_int_equal(out[n - 1].seq, 10);
    reader_fini(&r);
    kit_fini(&k);
}

static void test_the_last_record_damaged_is_a_gap_too(void **state)
{
    struct kit k;
    struct kit_read all;
    struct mem_file *f;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 10, 100);
    f = kit_segment(&k, 0);
    f->live[k.spool.file_at - 5] ^= 1;
    all = kit_read_all(&k, 0);
    assert_int_equal(all.records, 9);
    assert_int_equal(all.lost, 1);
    /* And what is appended behind it comes. */
    kit_append_many(&k, 3, 100);
    all = kit_read_all(&k, 0);
    assert_int_equal(all.records, 12);
    assert_int_equal(all.lost, 1);
    kit_fini(&k);
}

static void test_segments_dropped_beneath_it_are_a_gap(void **state)
{
    struct kit k;
    struct reader r;
    struct record out[8];
    size_t n;

    (void)state;
    log_setup(LOG_OFF, LOG_LOGFMT, 2);
    kit_init(&k);
    spool_close(&k.spool);
    k.o.policy[RECORD_READING] = JOURNAL_DROP_OLDEST;
    kit_open(&k);
    kit_append_many(&k, 20, 1000);
    kit_reader(&k, &r, 0, 2048);
    assert_int_equal(reader_next(&r, out, 1, 100000, &n), 0);
    assert_int_equal(out[0].seq, 1);
    kit_append_many(&k, 500, 1000);
    do
        assert_int_equal(reader_next(&r, out, 8, 100000, &n), 0);
    while (n > 0 && out[n - 1].kind != RECORD_GAP && out[n - 1].seq < 20);
    if (out[n - 1].kind != RECORD_GAP)
        assert_int_equal(reader_next(&r, out, 1, 100000, &n), 0);
    assert_int_equal(out[n - 1].kind, RECORD_GAP);
    assert_str(out[n - 1].payload, "dropped");
    assert_int_equal(out[n - 1].seq + 1, k.spool.rows[0].first_seq);
    reader_fini(&r);
    kit_fini(&k);
}

/* Numbers of three starts are gone: each is told as that start's, however the reader steps. */
static void test_a_gap_over_several_starts_is_told_for_each(void **state)
{
    struct kit k;
    struct reader r;
    struct record out[8];
    uint64_t epoch[3], last[3], next = 1;
    size_t n, gaps = 0;

    (void)state;
    kit_init(&k);
    k.o.quota_bytes = 8 * k.o.segment_bytes;
    k.o.policy[RECORD_READING] = JOURNAL_DROP_OLDEST;
    kit_kill(&k);
    for (int i = 0; i < 3; i++) {
        epoch[i] = k.spool.origin_epoch;
        kit_append_many(&k, i < 2 ? 10 : 600, 100);
        last[i] = k.spool.durable_seq;
        if (i < 2)
            kit_kill(&k);
    }
    assert_true(spool_oldest(&k.spool) > last[1] + 1);
    for (size_t max = 1; max <= COUNT_OF(out); max++) {
        kit_reader(&k, &r, 0, 4096);
        for (next = 1, gaps = 0; next <= last[2]; next = out[n - 1].seq + 1) {
            uint64_t from = next;

            assert_int_equal(reader_next(&r, out, max, 300, &n), 0);
            assert_true(n > 0);
            for (size_t i = 0; i < n; i++) {
                const struct record *g = &out[i];

                if (g->kind == RECORD_GAP) {
                    assert_int_equal(g->first, from);
                    assert_int_equal(g->origin_epoch, epoch[gaps]);
                    assert_int_equal(g->seq, gaps < 2 ? last[gaps] : spool_oldest(&k.spool) - 1);
                    gaps++;
                } else {
                    assert_int_equal(g->seq, from);
                    assert_int_equal(g->origin_epoch, epoch[2]);
                }
                from = g->seq + 1;
            }
        }
        assert_int_equal(gaps, 3);
        reader_fini(&r);
    }
    kit_fini(&k);
}

static void test_records_of_a_segment_given_up_are_not_taken_for_later_ones(void **state)
{
    struct kit k;
    struct reader r;
    struct record out[8];
    size_t n;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 5, 100);
    kit_reader(&k, &r, 0, 4096);
    assert_int_equal(reader_next(&r, out, 5, 100000, &n), 0);
    assert_int_equal(n, 5);
    /* n:6 is written and refused; its bytes stay in the old segment under number 6. */
    k.disk->fail_mask = 1u << MEM_CALL_SYNC;
    k.disk->fail_times = 2;
    k.disk->fail_code = -EIO;
    assert_int_equal(kit_append(&k, 100, RECORD_READING), -EIO);
    assert_int_equal(kit_append(&k, 100, RECORD_READING), 0);
    assert_int_equal(k.spool.durable_seq, 6);
    assert_int_equal(reader_next(&r, out, 5, 100000, &n), 0);
    assert_int_equal(n, 1);
    assert_true(str_starts(out[0].payload, STR("n:7 ")));
    reader_fini(&r);
    kit_fini(&k);
}

static void test_a_bad_sector_is_a_gap_after_some_patience(void **state)
{
    struct kit k;
    struct reader r;
    struct record out[64];
    uint64_t last = 0, lost = 0;
    size_t n;
    unsigned errors = 0;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.o.segment_bytes = KIB(64);
    k.o.quota_bytes = KIB(512);
    kit_open(&k);
    kit_append_many(&k, 300, 100);
    kit_spoil(&k, 0, 20480, 4096);
    kit_reader(&k, &r, 0, KIB(16));
    for (unsigned calls = 0; last < 300 && calls < 1000; calls++) {
        int rc = reader_next(&r, out, COUNT_OF(out), 100000, &n);

        if (rc < 0) {
            assert_int_equal(rc, -EIO);
            errors++;
            continue;
        }
        for (size_t i = 0; i < n; i++) {
            if (out[i].kind == RECORD_GAP)
                lost += out[i].seq + 1 - out[i].first;
            last = out[i].seq;
        }
    }
    assert_int_equal(last, 300);
    assert_in_range(lost, 29, 32);
    assert_true(errors >= 4);
    reader_fini(&r);
    kit_fini(&k);
}

static void test_a_disk_that_is_gone_is_no_gap(void **state)
{
    struct kit k;
    struct reader r;
    struct record out[64];
    size_t n;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 10, 100);
    kit_spoil(&k, 0, 0, MIB(1));
    kit_reader(&k, &r, 0, KIB(16));
    for (int i = 0; i < 100; i++)
        assert_int_equal(reader_next(&r, out, COUNT_OF(out), 100000, &n), -EIO);
    k.disk->bad_n = 0;
    assert_int_equal(reader_next(&r, out, COUNT_OF(out), 100000, &n), 0);
    assert_int_equal(n, 10);
    assert_int_equal(out[0].kind, RECORD_READING);
    reader_fini(&r);
    kit_fini(&k);
}

static void test_seek_goes_both_ways(void **state)
{
    struct kit k;
    struct reader r;
    struct record out[1];
    size_t n;
    static const uint64_t to[] = { 100, 3, 299, 0, 150, 151 };

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 300, 100);
    kit_reader(&k, &r, 0, 4096);
    for (size_t i = 0; i < COUNT_OF(to); i++) {
        reader_seek(&r, to[i]);
        assert_int_equal(reader_next(&r, out, 1, 100, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(out[0].seq, to[i] + 1);
    }
    reader_seek(&r, 1000);
    assert_int_equal(reader_next(&r, out, 1, 100, &n), 0);
    assert_int_equal(n, 0);
    reader_fini(&r);
    kit_fini(&k);
}

RUN(TEST(test_nothing_beyond_the_head_is_delivered), TEST(test_max_and_max_bytes_bound_a_read),
    TEST(test_views_live_until_the_next_call), TEST(test_a_damaged_record_is_a_gap),
    TEST(test_the_last_record_damaged_is_a_gap_too),
    TEST(test_segments_dropped_beneath_it_are_a_gap),
    TEST(test_a_gap_over_several_starts_is_told_for_each),
    TEST(test_records_of_a_segment_given_up_are_not_taken_for_later_ones),
    TEST(test_a_bad_sector_is_a_gap_after_some_patience), TEST(test_a_disk_that_is_gone_is_no_gap),
    TEST(test_seek_goes_both_ways))
