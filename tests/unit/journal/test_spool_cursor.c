/* Cursors: where a sink is, on disk and in memory. */
#include "unit/journal/spool_kit.h"

#include "base/log.h"

static void test_a_new_cursor_stands_before_the_oldest(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    assert_int_equal(spool_cursor(&k.spool, "a", true)->seq, 0);
    kit_append_many(&k, 10, 100);
    assert_int_equal(spool_cursor(&k.spool, "b", true)->seq, 0);
    assert_null(spool_cursor(&k.spool, "c", false));
    assert_int_equal(spool_lowest_cursor(&k.spool), 0);
    kit_fini(&k);
}

static void test_it_is_written_at_most_every_so_often(void **state)
{
    struct kit k;
    struct cell at = { 0 };
    struct spool_cursor *c;
    uint64_t writes, wake;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 10, 100);
    c = spool_cursor(&k.spool, "hub", true);
    c->at = &at;
    writes = k.spool.counts.cursor_writes;
    cell_set(&at, 3);
    wake = spool_tend(&k.spool, false);
    assert_int_equal(k.spool.counts.cursor_writes, writes);
    assert_true(wake > k.disk->mono && wake <= k.disk->mono + 200000000);
    k.disk->mono = wake;
    assert_true(spool_tend(&k.spool, false) == UINT64_MAX);
    assert_int_equal(k.spool.counts.cursor_writes, writes + 1);
    cell_set(&at, 5);
    (void)spool_tend(&k.spool, true);
    assert_int_equal(k.spool.counts.cursor_writes, writes + 2);
    kit_kill(&k);
    assert_int_equal(spool_cursor(&k.spool, "hub", false)->seq, 5);
    kit_fini(&k);
}

static void test_a_power_cut_never_moves_it_forward(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 50; seed++) {
        struct kit k;
        struct cell at = { 0 };
        struct spool_cursor *c;

        kit_init(&k);
        k.disk->random = seed;
        kit_append_many(&k, 20, 100);
        c = spool_cursor(&k.spool, "hub", true);
        c->at = &at;
        for (uint64_t i = 1; i <= 15; i++) {
            cell_set(&at, i);
            (void)spool_tend(&k.spool, true);
        }
        kit_cut(&k);
        c = spool_cursor(&k.spool, "hub", true);
        assert_true(c->seq <= 15);
        kit_fini(&k);
    }
}

static void test_a_damaged_file_or_one_of_another_journal_starts_over(void **state)
{
    struct kit k;
    struct cell at = { 0 };
    struct slot s = { 9, { { 0x55 } }, 12345, 0, 0 };
    struct buf b = buf_init(SLOT_SIZE);
    struct mem_file *f;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 10, 100);
    spool_cursor(&k.spool, "hub", true)->at = &at;
    cell_set(&at, 8);
    (void)spool_tend(&k.spool, true);
    f = kit_file(&k, SPOOL_CURSOR "hub");
    memset(f->live, 0, SLOTS_BYTES);
    kit_kill(&k);
    assert_int_equal(spool_cursor(&k.spool, "hub", false)->seq, 0);
    slots_write(&b, &s);
    memcpy(kit_file(&k, SPOOL_CURSOR "hub")->live + slots_offset(&s), b.p, b.n);
    kit_kill(&k);
    assert_int_equal(spool_cursor(&k.spool, "hub", false)->seq, 0);
    assert_int_equal(k.spool.next_seq, 11);
    buf_fini(&b);
    kit_fini(&k);
}

static void test_forgetting_one_sets_its_segments_free(void **state)
{
    struct kit k;
    struct cell at = { 0 };
    size_t before;

    (void)state;
    kit_init(&k);
    (void)spool_cursor(&k.spool, "old", true);
    spool_cursor(&k.spool, "new", true)->at = &at;
    kit_append_many(&k, 200, 100);
    before = k.spool.count;
    cell_set(&at, 200);
    (void)spool_tend(&k.spool, true);
    assert_int_equal(k.spool.count, before);
    assert_int_equal(spool_forget(&k.spool, spool_cursor(&k.spool, "old", false)), 0);
    assert_int_equal(names_at(&k.disk->live, SPOOL_CURSOR "old"), -1);
    (void)spool_tend(&k.spool, true);
    assert_int_equal(k.spool.count, 1);
    kit_fini(&k);
}

static void test_nothing_is_removed_on_the_word_of_an_unflushed_cursor(void **state)
{
    struct kit k;
    struct cell at = { 0 };
    size_t before;

    (void)state;
    kit_init(&k);
    spool_cursor(&k.spool, "hub", true)->at = &at;
    kit_append_many(&k, 200, 100);
    before = k.spool.count;
    cell_set(&at, 200);
    k.disk->fail_mask = 1u << MEM_CALL_SYNC;
    k.disk->fail_times = 1;
    k.disk->fail_code = -EIO;
    (void)spool_tend(&k.spool, true);
    assert_int_equal(k.disk->faults, 1);
    assert_int_equal(k.spool.count, before);
    (void)spool_tend(&k.spool, true);
    assert_int_equal(k.spool.count, 1);
    kit_fini(&k);
}

static void test_a_rewound_cursor_holds_over_a_cut(void **state)
{
    struct kit k;
    struct spool_cursor *c;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 50, 50);
    c = spool_cursor(&k.spool, "up", true);
    c->seq = 40;
    (void)spool_tend(&k.spool, true);
    spool_keep_cursors(&k.spool);
    spool_rewind(&k.spool, c, 45); /* never forward */
    assert_int_equal(c->seq, 40);
    spool_rewind(&k.spool, c, 7);
    assert_int_equal(c->seq, 7);
    kit_cut(&k);
    assert_int_equal(spool_cursor(&k.spool, "up", false)->seq, 7);
    kit_fini(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_rewound_cursor_holds_over_a_cut),
        TEST(test_a_new_cursor_stands_before_the_oldest),
        TEST(test_it_is_written_at_most_every_so_often),
        TEST(test_a_power_cut_never_moves_it_forward),
        TEST(test_a_damaged_file_or_one_of_another_journal_starts_over),
        TEST(test_forgetting_one_sets_its_segments_free),
        TEST(test_nothing_is_removed_on_the_word_of_an_unflushed_cursor),
    };

    /* What is provoked here is logged elsewhere. */
    log_setup(LOG_OFF, LOG_LOGFMT, 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
