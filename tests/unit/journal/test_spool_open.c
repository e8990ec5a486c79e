/* The start of a journal on what a crash or a bad disk may have left. */
#include "unit/journal/spool_kit.h"

#include "base/crc32c.h"
#include "base/log.h"

static int quiet(void **state)
{
    (void)state;
    log_setup(LOG_OFF, LOG_LOGFMT, 2);
    return 0;
}

static void test_a_new_journal_is_empty_and_keeps_its_identity(void **state)
{
    struct kit k;
    struct uuid u;

    (void)state;
    kit_init(&k);
    u = k.spool.id.journal;
    assert_int_equal(k.spool.next_seq, 1);
    assert_int_equal(spool_oldest(&k.spool), 0);
    kit_cut(&k);
    assert_true(uuid_eq(&u, &k.spool.id.journal));
    kit_append_many(&k, 3, 100);
    kit_cut(&k);
    assert_true(uuid_eq(&u, &k.spool.id.journal));
    assert_int_equal(k.spool.next_seq, 4);
    assert_int_equal(kit_read_all(&k, 0).records, 3);
    kit_fini(&k);
}

static void test_torn_at_every_byte_of_the_last_records_it_starts(void **state)
{
    struct kit k;
    struct kit_image image;
    char name[SEGMENT_NAME_LEN + 1];
    uint64_t end, n;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 8, 100);
    n = k.spool.file_at;
    segment_name(k.spool.id.generation, name);
    kit_save(&k, &image);
    for (end = n - 3 * 140; end <= n; end++) {
        struct kit_read all;
        uint64_t whole = 8 - (n - end + 139) / 140;

        spool_close(&k.spool);
        kit_restore(&k, &image);
        memset(kit_file(&k, name)->live + end, 0, n - end);
        kit_open(&k);
        all = kit_read_all(&k, 0);
        assert_int_equal(all.records, whole);
        assert_int_equal(all.lost, 0);
        /* And it goes on with the number that is free. */
        assert_int_equal(kit_append(&k, 100, RECORD_READING), 0);
        assert_int_equal(k.spool.durable_seq, whole + 1);
    }
    kit_image_fini(&image);
    kit_fini(&k);
}

static void test_flipped_bits_cost_one_record_each(void **state)
{
    struct kit k;
    struct kit_image image;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 400, 100);
    assert_true(k.spool.count > 5);
    kit_save(&k, &image);
    for (unsigned i = 0; i < 1000; i++) {
        struct kit_read all;
        struct mem_file *f;
        uint64_t at;

        spool_close(&k.spool);
        kit_restore(&k, &image);
        kit_open(&k);
        f = kit_segment(&k, (size_t)mem_below(k.disk, k.spool.count));
        at = mem_below(k.disk, f->live_n);
        spool_close(&k.spool);
        f->live[at] = (char)(f->live[at] ^ (1 << mem_below(k.disk, 8)));
        kit_open(&k);
        all = kit_read_all(&k, 0);
        /* The last one of all is cut off without a gap. */
        assert_true(all.records >= 399);
        assert_true(all.lost <= 1);
    }
    kit_image_fini(&image);
    kit_fini(&k);
}

static void test_a_block_of_zeros_costs_what_it_covers(void **state)
{
    struct kit k;
    struct kit_image image;
    size_t segments;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 400, 100);
    kit_save(&k, &image);
    segments = k.spool.count;
    for (size_t i = 0; i < segments; i++) {
        for (uint64_t at = 0, n = UINT64_MAX; at < n; at += 4096) {
            struct kit_read all;
            struct mem_file *f;

            spool_close(&k.spool);
            kit_restore(&k, &image);
            kit_open(&k);
            f = kit_segment(&k, i);
            n = f->live_n;
            spool_close(&k.spool);
            memset(f->live + at, 0, n - at < 4096 ? n - at : 4096);
            kit_open(&k);
            all = kit_read_all(&k, 0);
            /* 4,096 bytes touch 30 records of 140; and one more. The newest are cut off without a
             * gap. */
            assert_true(all.lost <= 31);
            assert_true(all.records >= 400 - 31);
            if (i + 1 < segments)
                assert_int_equal(all.records + all.lost, 400);
            assert_int_equal(kit_append(&k, 100, RECORD_READING), 0);
        }
    }
    kit_image_fini(&image);
    kit_fini(&k);
}

static void test_a_name_that_is_hit_is_found_in_its_copy(void **state)
{
    struct kit k;
    struct kit_read all;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.o.segment_bytes = KIB(64);
    k.o.quota_bytes = KIB(512);
    kit_open(&k);
    kit_append_many(&k, 300, 100);
    /* The first sectors of records, the name among them; and the header. */
    memset(kit_segment(&k, 0)->live, 0, 4096);
    kit_kill(&k);
    assert_true(k.spool.counts.damaged > 0);
    all = kit_read_all(&k, 0);
    assert_in_range(all.lost, 20, 30);
    assert_int_equal(all.records + all.lost, 300);
    kit_fini(&k);
}

static void test_a_lost_identity_is_taken_from_the_segments(void **state)
{
    struct kit k;
    struct uuid u;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    u = k.spool.id.journal;
    spool_close(&k.spool);
    memset(kit_file(&k, SPOOL_ID)->live, 0xff, SLOTS_BYTES);
    kit_open(&k);
    assert_true(uuid_eq(&u, &k.spool.id.journal));
    assert_int_equal(kit_read_all(&k, 0).records, 200);
    kit_fini(&k);
}

static void test_headers_lost_everywhere_cost_no_record(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    for (size_t i = 0; i < k.spool.count; i++)
        memset(kit_segment(&k, i)->live, 0, SEGMENT_HEADER_SIZE);
    kit_kill(&k);
    assert_int_equal(kit_read_all(&k, 0).records, 200);
    kit_fini(&k);
}

static void test_numbers_go_on_behind_what_was_lost(void **state)
{
    struct kit k;
    struct spool_cursor *c;
    char name[SEGMENT_NAME_LEN + 1];
    struct cell at = { 0 };
    uint64_t skipped_to;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    c = spool_cursor(&k.spool, "hub", true);
    c->at = &at;
    cell_set(&at, 200);
    (void)spool_tend(&k.spool, true);
    /* The newest records are gone, but a sink has them. */
    memset(kit_segment(&k, k.spool.count - 1)->live + SEGMENT_HEADER_SIZE, 0,
           KIB(8) - SEGMENT_HEADER_SIZE);
    kit_kill(&k);
    assert_true(k.spool.next_seq > 200);
    /* The whole newest segment is gone, and the cursors too: the identity file knows. */
    kit_append_many(&k, 200, 100);
    (void)spool_tend(&k.spool, true);
    segment_name(k.spool.rows[k.spool.count - 1].generation, name);
    spool_close(&k.spool);
    names_drop(&k.disk->live, name);
    names_drop(&k.disk->live, SPOOL_CURSOR "hub");
    kit_open(&k);
    assert_true(k.spool.next_seq > 400);
    /* A sink may have seen the gap: it is there after a power cut too. */
    skipped_to = k.spool.next_seq;
    kit_cut(&k);
    assert_int_equal(k.spool.next_seq, skipped_to);
    kit_append_many(&k, 1, 100);
    assert_int_equal(k.spool.durable_seq, skipped_to);
    kit_cut(&k);
    assert_int_equal(k.spool.next_seq, skipped_to + 1);
    kit_fini(&k);
}

static void test_a_segment_of_another_journal_is_put_aside(void **state)
{
    struct kit k;
    struct segment_header h = { .id = { { { 0x99 } }, 1, 77 }, .first_seq = 1 };
    struct buf b = buf_init(1024);
    int file;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 5, 100);
    segment_write_header(&b, &h);
    file = k.disk->base.ops->open(&k.disk->base, "000000000000004d.seg", DISK_WRITE | DISK_CREATE);
    assert_int_equal(k.disk->base.ops->write(&k.disk->base, file, b.p, b.n, 0), 0);
    k.disk->base.ops->close(&k.disk->base, file);
    kit_kill(&k);
    assert_int_equal(names_at(&k.disk->live, "000000000000004d.seg"), -1);
    assert_true(names_at(&k.disk->live, "damaged/0.seg") >= 0);
    assert_int_equal(kit_read_all(&k, 0).records, 5);
    buf_fini(&b);
    kit_fini(&k);
}

static void test_nothing_that_cannot_be_read_is_deleted(void **state)
{
    struct kit k;
    size_t count;
    char to[48];

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 500, 100);
    count = k.spool.count;
    assert_true(count > 6);
    for (size_t i = 0; i < count; i++)
        memset(kit_segment(&k, i)->live, 0, SEGMENT_HEADER_SIZE);
    spool_close(&k.spool);
    names_drop(&k.disk->live, SPOOL_ID);
    kit_open(&k);
    /* All but the newest, which may never have been begun. */
    for (size_t i = 0; i + 1 < count; i++) {
        snprintf(to, sizeof(to), "damaged/%zu.seg", i);
        assert_true(names_at(&k.disk->live, to) >= 0);
    }
    assert_int_equal(kit_append(&k, 100, RECORD_READING), 0);
    kit_fini(&k);
}

static void test_damage_at_the_end_is_told_after_a_clean_end(void **state)
{
    struct kit k;
    struct kit_image image;
    struct kit_read all;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 20, 100);
    assert_int_equal(spool_finish(&k.spool), 0);
    kit_save(&k, &image);
    kit_kill(&k);
    all = kit_read_all(&k, 0);
    assert_true(all.records == 20 && all.lost == 0);
    spool_close(&k.spool);
    kit_restore(&k, &image);
    kit_open(&k);
    {
        uint64_t at = k.spool.rows[0].first_seq;
        struct mem_file *f = kit_segment(&k, k.spool.count - 1);

        assert_int_equal(at, 1);
        f->live[20 * 140 - 20] = (char)(f->live[20 * 140 - 20] ^ 4);
    }
    kit_kill(&k);
    all = kit_read_all(&k, 0);
    assert_int_equal(all.records + all.lost, 20);
    assert_in_range(all.lost, 1, 2);
    assert_int_equal(kit_append(&k, 100, RECORD_READING), 0);
    assert_int_equal(k.spool.durable_seq, 21);
    kit_image_fini(&image);
    kit_fini(&k);
}

static void test_a_newer_format_is_not_touched(void **state)
{
    struct kit k;
    struct mem_file *f;
    struct fault fault = { 0 };
    uint32_t crc;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 5, 100);
    f = kit_segment(&k, 0);
    f->live[8] = 9;
    crc = crc32c(0, str_from(f->live, SEGMENT_HEADER_SIZE - 4));
    memcpy(f->live + SEGMENT_HEADER_SIZE - 4, &crc, 4);
    spool_close(&k.spool);
    assert_int_equal(spool_open(&k.spool, &k.disk->base, &k.o, 4096, &fault), ERR_VERSION);
    assert_non_null(strstr(fault.text, "another version"));
    k.disk->base.ops->free(&k.disk->base);
}

static void test_a_bad_sector_costs_what_it_covers_and_no_number_comes_again(void **state)
{
    struct kit k;
    struct kit_read all;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.o.segment_bytes = KIB(64);
    k.o.quota_bytes = KIB(512);
    kit_open(&k);
    kit_append_many(&k, 300, 100);
    /* The last records are in it. */
    kit_spoil(&k, 0, 40960, 4096);
    kit_kill(&k);
    assert_true(k.spool.next_seq > 300);
    assert_true(k.spool.counts.damaged > 0);
    kit_append_many(&k, 3, 100);
    /* It was not cut off: another day it can be read. */
    k.disk->bad_n = 0;
    all = kit_read_all(&k, 0);
    assert_int_equal(all.records, 303);
    /* And a header. */
    kit_spoil(&k, 0, 0, 4096);
    kit_kill(&k);
    k.disk->bad_n = 0;
    all = kit_read_all(&k, 0);
    assert_int_equal(all.last, k.spool.durable_seq);
    assert_int_equal(all.records, 303);
    kit_fini(&k);
}

static void test_an_unused_segment_does_not_pile_up(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 1, 100);
    for (int i = 0; i < 20; i++)
        kit_kill(&k);
    assert_int_equal(k.spool.count, 1);
    assert_true(spool_bytes(&k.spool) < 2 * k.o.segment_bytes);
    kit_fini(&k);
}

static void test_each_number_keeps_its_start(void **state)
{
    enum { STARTS = LIVES_MAX + 10 };
    uint64_t epoch[STARTS], last[STARTS];
    struct life_span span;
    struct kit k;

    (void)state;
    kit_init(&k);
    for (int i = 0; i < STARTS; i++) {
        kit_append_many(&k, 3, 50);
        epoch[i] = k.spool.origin_epoch;
        last[i] = k.spool.durable_seq;
        kit_kill(&k);
        kit_kill(&k); /* a start that gave no number */
    }
    for (int i = 0; i < STARTS; i++) {
        for (uint64_t seq = last[i] - 2; seq <= last[i]; seq++) {
            span = spool_life(&k.spool, seq);
            assert_int_equal(span.epoch, epoch[i]);
            assert_int_equal(span.first, last[i] - 2);
            assert_int_equal(span.last, last[i]);
        }
    }
    span = spool_life(&k.spool, k.spool.durable_seq + 1);
    assert_int_equal(span.epoch, k.spool.origin_epoch);
    kit_fini(&k);
}

/* A header that is lost: its records say whose they are. */
static void test_a_lost_header_costs_no_start(void **state)
{
    struct life_span span;
    uint64_t first, second;
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 10, 50);
    first = k.spool.origin_epoch;
    kit_kill(&k);
    kit_append_many(&k, 10, 50);
    second = k.spool.origin_epoch;
    for (size_t i = 0; i < 2; i++)
        memset(kit_segment(&k, i)->live, 0, SEGMENT_HEADER_SIZE);
    kit_kill(&k);
    span = spool_life(&k.spool, 5);
    assert_int_equal(span.epoch, first);
    assert_int_equal(span.last, 10);
    span = spool_life(&k.spool, 20);
    assert_int_equal(span.epoch, second);
    assert_int_equal(span.first, 11);
    assert_int_equal(span.last, 20);
    kit_fini(&k);
}

/* How many numbers a lost segment may have held is a matter of its size, not of today's setting. */
static void test_a_lost_segment_counts_by_its_own_size(void **state)
{
    char name[SEGMENT_NAME_LEN + 1];
    uint64_t last;
    struct kit k;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.o.segment_bytes = KIB(64);
    k.o.quota_bytes = KIB(512);
    kit_open(&k);
    kit_append_many(&k, 100, 20);
    (void)spool_tend(&k.spool, true); /* the identity file knows the segment */
    last = k.spool.durable_seq;
    segment_name(k.spool.rows[k.spool.count - 1].generation, name);
    spool_close(&k.spool);
    assert_int_equal(k.disk->base.ops->unlink(&k.disk->base, name), 0);
    k.o.segment_bytes = KIB(8);
    kit_open(&k);
    assert_true(k.spool.next_seq > last);
    assert_true(k.spool.next_seq >= KIB(64) / FRAME_HEAD_SIZE);
    assert_int_equal(k.spool.counts.damaged, 1);
    kit_fini(&k);
}

static void test_an_end_after_a_failure_tells_of_no_loss(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 10, 50);
    k.spool.error = -EIO;
    kit_append_many(&k, 1, 50);
    k.spool.error = -EIO;
    assert_int_equal(spool_finish(&k.spool), 0);
    kit_kill(&k);
    assert_int_equal(k.spool.next_seq, 12);
    assert_false(k.spool.skipped);
    kit_fini(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_number_keeps_its_start),
        TEST(test_a_lost_header_costs_no_start),
        TEST(test_an_end_after_a_failure_tells_of_no_loss),
        TEST(test_a_lost_segment_counts_by_its_own_size),
        TEST(test_a_new_journal_is_empty_and_keeps_its_identity),
        TEST(test_torn_at_every_byte_of_the_last_records_it_starts),
        TEST(test_flipped_bits_cost_one_record_each),
        TEST(test_a_block_of_zeros_costs_what_it_covers),
        TEST(test_a_name_that_is_hit_is_found_in_its_copy),
        TEST(test_a_lost_identity_is_taken_from_the_segments),
        TEST(test_headers_lost_everywhere_cost_no_record),
        TEST(test_numbers_go_on_behind_what_was_lost),
        TEST(test_a_segment_of_another_journal_is_put_aside),
        TEST(test_nothing_that_cannot_be_read_is_deleted),
        TEST(test_damage_at_the_end_is_told_after_a_clean_end),
        TEST(test_a_newer_format_is_not_touched),
        TEST(test_a_bad_sector_costs_what_it_covers_and_no_number_comes_again),
        TEST(test_an_unused_segment_does_not_pile_up),
    };

    return cmocka_run_group_tests(tests, quiet, NULL);
}
