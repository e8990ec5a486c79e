/* One segment file in pieces. */
#include "journal/segfile.h"

#include "unit/journal/spool_kit.h"

static void test_pieces_of_any_size_give_the_same_records(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.o.segment_bytes = KIB(64);
    k.o.quota_bytes = KIB(512);
    kit_open(&k);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(kit_append(&k, 10 + i * i % 3000, RECORD_READING), 0);
    for (size_t chunk = 64; chunk < 70000; chunk = chunk * 3 / 2) {
        struct segment_id id = k.spool.id;
        struct segfile f;
        struct record r;
        uint64_t count = 0;
        int rc;

        id.generation = k.spool.rows[0].generation;
        segfile_init(&f, &k.disk->base, chunk);
        assert_int_equal(segfile_open(&f, &id, 1), 0);
        while ((rc = segfile_next(&f, true, &r)) == 0) {
            char want[32];

            snprintf(want, sizeof(want), "n:%llu ", (unsigned long long)++count);
            assert_int_equal(r.seq, count);
            assert_true(str_starts(r.payload, str_of(want)));
        }
        assert_int_equal(rc, ERR_MORE);
        assert_true(count + 1 >= k.spool.rows[k.spool.count > 1].first_seq);
        /* No more memory than the largest frame asks for. */
        assert_true(f.cap <= chunk * 2 || f.cap <= 8192 * 2);
        segfile_fini(&f);
    }
    kit_fini(&k);
}

static void test_it_does_not_read_while_views_are_out(void **state)
{
    struct kit k;
    struct segfile f;
    struct segment_id id;
    struct record a, b;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 10, 100);
    id = k.spool.id;
    segfile_init(&f, &k.disk->base, 300);
    assert_int_equal(segfile_open(&f, &id, 1), 0);
    assert_int_equal(segfile_next(&f, false, &a), ERR_BUSY);
    assert_int_equal(segfile_next(&f, true, &a), 0);
    while (segfile_next(&f, false, &b) == 0)
        ;
    assert_int_equal(a.seq, 1);
    assert_true(str_starts(a.payload, STR("n:1 ")));
    segfile_fini(&f);
    kit_fini(&k);
}

static void test_an_error_of_the_disk_is_passed_on_and_passes(void **state)
{
    struct kit k;
    struct segfile f;
    struct record r;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 3, 100);
    segfile_init(&f, &k.disk->base, 4096);
    assert_int_equal(segfile_open(&f, &(struct segment_id){ { { 0 } }, 0, 99 }, 1), -ENOENT);
    assert_int_equal(segfile_open(&f, &k.spool.id, 1), 0);
    k.disk->fail_mask = 1u << MEM_CALL_READ;
    k.disk->fail_times = 1;
    k.disk->fail_code = -EIO;
    assert_int_equal(segfile_next(&f, true, &r), -EIO);
    assert_int_equal(segfile_next(&f, true, &r), 0);
    assert_int_equal(r.seq, 1);
    segfile_fini(&f);
    kit_fini(&k);
}

static void test_a_header_is_read_by_its_name(void **state)
{
    struct segment_header h;
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 3, 100);
    assert_int_equal(segfile_read_header(&k.disk->base, k.spool.id.generation, &h), 0);
    assert_int_equal(h.id.generation, k.spool.id.generation);
    assert_int_equal(h.lives.count, 1);
    assert_int_equal(h.lives.of[0].epoch, k.spool.origin_epoch);
    assert_int_equal(segfile_read_header(&k.disk->base, 99, &h), -ENOENT);
    kit_segment(&k, 0)->live[100] ^= 1;
    assert_int_equal(segfile_read_header(&k.disk->base, k.spool.id.generation, &h), ERR_CORRUPT);
    kit_fini(&k);
}

RUN(TEST(test_a_header_is_read_by_its_name), TEST(test_pieces_of_any_size_give_the_same_records),
    TEST(test_it_does_not_read_while_views_are_out),
    TEST(test_an_error_of_the_disk_is_passed_on_and_passes))
