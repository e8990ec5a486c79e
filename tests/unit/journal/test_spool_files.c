/* Segment files while the journal runs: quota, recycling, giving up. */
#include "unit/journal/spool_kit.h"

#include "base/log.h"

static int quiet(void **state)
{
    (void)state;
    log_setup(LOG_OFF, LOG_LOGFMT, 2);
    return 0;
}

static void fail_next(struct kit *k, enum mem_call call, uint64_t times)
{
    k->disk->fail_mask = 1u << call;
    k->disk->fail_after = 0;
    k->disk->fail_times = times;
    k->disk->fail_code = -EIO;
}

static void test_segments_behind_all_cursors_are_used_again(void **state)
{
    struct kit k;
    struct cell at = { 0 };
    uint64_t allocated = 0;

    (void)state;
    kit_init(&k);
    spool_cursor(&k.spool, "hub", true)->at = &at;
    for (int i = 0; i < 50; i++) {
        kit_append_many(&k, 40, 100);
        cell_set(&at, k.spool.durable_seq);
        (void)spool_tend(&k.spool, true);
        if (i == 5)
            allocated = k.disk->calls[MEM_CALL_ALLOCATE];
        assert_true(k.spool.count <= 3);
    }
    assert_int_equal(k.disk->calls[MEM_CALL_ALLOCATE], allocated);
    kit_fini(&k);
}

static int append_lazily(struct kit *k)
{
    struct record r = { .kind = RECORD_EVENT,
                        .device = STR("d"),
                        .stream = STR("s"),
                        .content_type = STR(""),
                        .payload = STR("lazy") };
    struct journal_entry e = { .records = &r, .count = 1, .lazy = true };

    spool_commit(&k->spool, &e.node);
    return e.code;
}

/* Written at once, flushed in its time, or with the first that somebody waits for. */
static void test_lazy_entries_are_flushed_in_their_time(void **state)
{
    struct kit k;
    uint64_t flushes, due;

    (void)state;
    kit_init(&k);
    k.spool.o.lazy_flush_ms = 500;
    assert_int_equal(kit_append(&k, 10, RECORD_EVENT), 0);
    flushes = k.spool.counts.flushes;
    due = k.disk->mono + 500 * 1000000;
    for (int i = 0; i < 3; i++)
        assert_int_equal(append_lazily(&k), 0);
    assert_int_equal(k.spool.counts.flushes, flushes);
    assert_int_equal(k.spool.durable_seq, 1);
    assert_int_equal(k.spool.lazy_seq, 4);
    assert_in_range(spool_flush_lazy(&k.spool, false), due, due + 1000000);
    k.disk->mono = due + 1000000;
    assert_int_equal(append_lazily(&k), 0); /* does not put it off */
    (void)spool_tend(&k.spool, false);
    assert_int_equal(k.spool.counts.flushes, flushes + 1);
    assert_int_equal(k.spool.durable_seq, 5);
    assert_int_equal(append_lazily(&k), 0);
    assert_int_equal(kit_append(&k, 10, RECORD_EVENT), 0);
    assert_int_equal(k.spool.counts.flushes, flushes + 2);
    assert_int_equal(k.spool.durable_seq, 7);
    assert_int_equal(spool_flush_lazy(&k.spool, false), UINT64_MAX);
    assert_int_equal(append_lazily(&k), 0);
    kit_kill(&k); /* the system has it */
    assert_int_equal(k.spool.durable_seq, 8);
    kit_fini(&k);
}

static void test_the_quota_blocks_and_nothing_is_lost(void **state)
{
    struct kit k;
    struct cell at = { 0 };
    int taken = 0;

    (void)state;
    kit_init(&k);
    spool_cursor(&k.spool, "hub", true)->at = &at;
    while (kit_append(&k, 1000, RECORD_EVENT) == 0)
        taken++;
    assert_int_equal(k.spool.error, ERR_FULL);
    assert_in_range(taken, 180, 240);
    assert_true(spool_bytes(&k.spool) <= k.o.quota_bytes);
    assert_int_equal(k.spool.counts.refused[SPOOL_FULL], 1);
    assert_int_equal(kit_append(&k, 100, RECORD_EVENT), ERR_FULL);
    assert_int_equal(kit_read_all(&k, 0).records, (uint64_t)taken);
    cell_set(&at, 50);
    assert_int_equal(kit_append(&k, 100, RECORD_EVENT), 0);
    assert_int_equal(k.spool.durable_seq, (uint64_t)taken + 1);
    kit_fini(&k);
}

static void test_only_what_may_be_dropped_is_dropped(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.o.policy[RECORD_READING] = JOURNAL_DROP_OLDEST;
    kit_open(&k);
    for (int i = 0; i < 500; i++)
        assert_int_equal(kit_append(&k, 1000, RECORD_READING), 0);
    assert_true(k.spool.counts.dropped > 200);
    /* An event is not taken at the cost of others, */
    while (kit_append(&k, 1000, RECORD_EVENT) == 0)
        ;
    assert_int_equal(k.spool.error, ERR_FULL);
    /* and keeps its segment once it is the oldest. */
    while (kit_append(&k, 1000, RECORD_READING) == 0)
        ;
    assert_true((k.spool.rows[0].kinds & 1u << RECORD_EVENT) != 0);
    /* What each segment holds is known after a start, too. */
    kit_kill(&k);
    assert_true((k.spool.rows[0].kinds & 1u << RECORD_EVENT) != 0);
    assert_int_equal(kit_append(&k, 1000, RECORD_READING), ERR_FULL);
    kit_fini(&k);
}

static void test_what_was_dropped_is_counted_for_good(void **state)
{
    struct kit k;
    uint64_t dropped;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.o.policy[RECORD_READING] = JOURNAL_DROP_OLDEST;
    kit_open(&k);
    kit_append_many(&k, 500, 1000);
    dropped = k.spool.dropped_ever;
    assert_true(dropped > 200);
    assert_int_equal(dropped, k.spool.counts.dropped);
    assert_int_equal(k.spool.rows[0].first_seq, dropped + 1);
    kit_cut(&k);
    assert_int_equal(k.spool.dropped_ever, dropped);
    assert_int_equal(k.spool.counts.dropped, 0);
    kit_fini(&k);
}

static void test_the_oldest_go_when_newer_ones_are_enough(void **state)
{
    struct kit k;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.o.policy[RECORD_READING] = JOURNAL_DROP_OLDEST;
    k.o.max_records = 50;
    kit_open(&k);
    kit_append_many(&k, 200, 1000);
    (void)spool_tend(&k.spool, false);
    assert_in_range(k.spool.durable_seq + 1 - k.spool.rows[0].first_seq, 50, 50 + 7);
    /* Events are never dropped. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(kit_append(&k, 1000, RECORD_EVENT), 0);
    kit_append_many(&k, 100, 1000);
    (void)spool_tend(&k.spool, false);
    assert_true(k.spool.rows[0].first_seq <= 201);
    assert_true((k.spool.rows[0].kinds & 1u << RECORD_EVENT) != 0);
    kit_fini(&k);
}

static void test_what_is_too_old_goes(void **state)
{
    struct kit k;
    uint64_t wake;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.o.policy[RECORD_READING] = JOURNAL_DROP_OLDEST;
    k.o.max_age_ms = 3600000;
    kit_open(&k);
    kit_append_many(&k, 20, 1000);
    k.disk->mono += 1800000000000;
    kit_append_many(&k, 20, 1000);
    wake = spool_tend(&k.spool, false);
    assert_true(wake < k.disk->mono + 120000000000); /* it wants to look again soon */
    assert_int_equal(k.spool.rows[0].first_seq, 1);
    k.disk->mono += 1900000000000;
    (void)spool_tend(&k.spool, false);
    assert_in_range(k.spool.rows[0].first_seq, 15, 21);
    /* The same after a start: each segment knows when it began. */
    kit_kill(&k);
    k.disk->mono += 3600000000000;
    (void)spool_tend(&k.spool, false);
    assert_int_equal(k.spool.count, 1);
    kit_fini(&k);
}

static void test_a_damaged_segment_is_kept_aside_in_its_turn(void **state)
{
    struct kit k;
    struct cell at = { 0 };
    char name[SEGMENT_NAME_LEN + 1];

    (void)state;
    kit_init(&k);
    spool_cursor(&k.spool, "hub", true)->at = &at;
    kit_append_many(&k, 30, 1000);
    assert_true(k.spool.count > 3);
    segment_name(k.spool.rows[0].generation, name);
    spool_note_damage(&k.spool, k.spool.rows[0].generation, 1, 2);
    assert_int_equal(k.spool.counts.lost, 2);
    cell_set(&at, 30);
    (void)spool_tend(&k.spool, true);
    assert_true(names_at(&k.disk->live, name) < 0);
    assert_true(names_at(&k.disk->live, "damaged/0.seg") >= 0);
    kit_fini(&k);
}

static void test_a_failed_flush_moves_its_records_to_a_new_segment(void **state)
{
    struct kit k;
    uint64_t generation;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 5, 100);
    generation = k.spool.id.generation;
    fail_next(&k, MEM_CALL_SYNC, 1);
    assert_int_equal(kit_append(&k, 100, RECORD_READING), 0);
    assert_int_equal(k.disk->faults, 1);
    assert_true(k.spool.id.generation > generation);
    assert_int_equal(k.spool.counts.failed_flushes, 1);
    kit_cut(&k);
    assert_int_equal(kit_read_all(&k, 0).records, 6);
    kit_fini(&k);
}

static void test_what_cannot_be_made_durable_is_refused_and_leaves_no_hole(void **state)
{
    static const enum mem_call calls[] = { MEM_CALL_SYNC, MEM_CALL_WRITE, MEM_CALL_SYNC_DIR };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        struct kit k;
        struct kit_read all;

        kit_init(&k);
        if (calls[i] != MEM_CALL_SYNC_DIR)
            kit_append_many(&k, 5, 100);
        fail_next(&k, calls[i], 100);
        assert_int_equal(kit_append(&k, 100, RECORD_READING), -EIO);
        assert_int_equal(k.spool.error, -EIO);
        assert_int_equal(kit_append(&k, 100, RECORD_READING), -EIO);
        k.disk->fail_times = 0;
        kit_append_many(&k, 5, 100);
        assert_int_equal(k.spool.error, 0);
        kit_cut(&k);
        all = kit_read_all(&k, 0);
        assert_int_equal(all.records, calls[i] == MEM_CALL_SYNC_DIR ? 5 : 10);
        assert_int_equal(all.lost, 0);
        kit_fini(&k);
    }
}

static void test_a_generation_is_never_given_twice(void **state)
{
    struct kit k;
    uint64_t given_up;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 5, 100);
    fail_next(&k, MEM_CALL_SYNC, 2);
    assert_int_equal(kit_append(&k, 100, RECORD_READING), -EIO);
    /* Its file is gone; nothing but memory tells of it. */
    given_up = k.spool.id.generation;
    k.disk->fail_times = 0;
    kit_kill(&k);
    kit_append_many(&k, 1, 100);
    assert_true(k.spool.id.generation > given_up);
    kit_fini(&k);
}

static void test_a_given_up_segment_that_cannot_be_removed_never_comes_back(void **state)
{
    struct kit k;
    char name[SEGMENT_NAME_LEN + 1];

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.o.policy[RECORD_READING] = JOURNAL_DROP_OLDEST;
    kit_open(&k);
    kit_append_many(&k, 5, 100);
    /* Two flushes and the removal of the second segment fail. */
    fail_next(&k, MEM_CALL_SYNC, 3);
    k.disk->fail_mask |= 1u << MEM_CALL_UNLINK;
    assert_int_equal(kit_append(&k, 100, RECORD_READING), -EIO);
    assert_int_equal(k.disk->faults, 3);
    segment_name(k.spool.id.generation, name);
    assert_true(names_at(&k.disk->live, name) >= 0);
    kit_append_many(&k, 500, 1000);
    assert_true(k.spool.rows[0].first_seq > 6);
    assert_int_equal(names_at(&k.disk->live, name), -1);
    kit_fini(&k);
}

static void test_what_a_sink_has_seen_after_a_kill_survives_a_power_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 30; seed++) {
        struct kit k;

        kit_init(&k);
        k.disk->random = seed;
        kit_append_many(&k, 5, 100);
        /* Refused, but its bytes are in the page cache, and marked clean. */
        fail_next(&k, MEM_CALL_SYNC, 2);
        assert_int_equal(kit_append(&k, 100, RECORD_READING), -EIO);
        kit_kill(&k);
        assert_int_equal(kit_read_all(&k, 0).last, 6);
        kit_cut(&k);
        assert_int_equal(k.spool.durable_seq, 6);
        assert_int_equal(kit_read_all(&k, 0).records, 6);
        kit_fini(&k);
    }
}

static void test_the_floor_of_free_space_is_kept(void **state)
{
    struct kit k;
    uint64_t left = 0;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.disk->capacity = KIB(64);
    k.o.free_floor_bytes = KIB(20);
    kit_open(&k);
    while (kit_append(&k, 1000, RECORD_READING) == 0)
        ;
    assert_int_equal(k.spool.error, -ENOSPC);
    assert_int_equal(k.disk->base.ops->free_bytes(&k.disk->base, &left), 0);
    assert_true(left >= KIB(20) && left < KIB(20) + k.o.segment_bytes * 2);
    kit_fini(&k);
}

/* Where whoever appends keeps to the floor it is told how far it may go, and goes half the floor further. */
static void test_a_soft_floor_has_a_reserve(void **state)
{
    struct kit k;
    uint64_t left = 0, told;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.disk->capacity = KIB(128);
    k.o.free_floor_bytes = KIB(40);
    k.o.quota_is_soft = true;
    kit_open(&k);
    (void)spool_look_at_disk(&k.spool);
    told = k.spool.space.most;
    assert_in_range(told, KIB(128 - 40 - 16), KIB(128 - 40));
    while (spool_bytes(&k.spool) < told)
        assert_int_equal(kit_append(&k, 1000, RECORD_READING), 0);
    assert_int_equal(spool_reserve(&k.spool), KIB(20));
    while (kit_append(&k, 1000, RECORD_READING) == 0)
        ;
    assert_int_equal(k.spool.error, -ENOSPC);
    assert_true(spool_bytes(&k.spool) >= told + k.o.segment_bytes);
    assert_int_equal(k.disk->base.ops->free_bytes(&k.disk->base, &left), 0);
    assert_in_range(left, KIB(20), KIB(20) + 2 * k.o.segment_bytes);
    (void)spool_tend(&k.spool, false);
    assert_true(k.spool.space.most < spool_bytes(&k.spool));
    kit_fini(&k);
}

static void test_locate_finds_the_segment_of_each_number(void **state)
{
    struct kit k;
    struct spool_row rows[4];

    (void)state;
    kit_init(&k);
    assert_int_equal(spool_locate(&k.spool, 1, rows, 4), 0);
    kit_append_many(&k, 300, 100);
    for (uint64_t s = 1; s <= 300; s++) {
        assert_true(spool_locate(&k.spool, s, rows, 4) > 0);
        assert_true(rows[0].first_seq <= s && s < rows[0].end_seq);
    }
    assert_int_equal(spool_locate(&k.spool, 300, rows, 4), 1);
    assert_true(rows[0].end_seq == UINT64_MAX);
    kit_fini(&k);
}

static void test_little_more_is_written_than_handed_in(void **state)
{
    struct kit k;
    struct journal_entry e[100] = { 0 };
    struct record r[100];
    static const char payload[200] = "{}";
    uint64_t before;

    (void)state;
    kit_init(&k);
    spool_close(&k.spool);
    k.o.segment_bytes = MIB(1);
    k.o.quota_bytes = MIB(8);
    kit_open(&k);
    before = k.disk->written;
    for (int group = 0; group < 100; group++) {
        for (size_t i = 0; i < COUNT_OF(e); i++) {
            r[i] = (struct record){ .kind = RECORD_READING,
                                    .device = STR("raspberrypi-1a2b"),
                                    .stream = STR("environment"),
                                    .payload = str_from(payload, sizeof(payload)) };
            e[i].records = &r[i];
            e[i].count = 1;
            e[i].node.next = i + 1 < COUNT_OF(e) ? &e[i + 1].node : NULL;
        }
        spool_commit(&k.spool, &e[0].node);
    }
    assert_int_equal(k.spool.durable_seq, 10000);
    assert_true(k.disk->written - before < 10000 * 200 * 13 / 10);
    assert_int_equal(k.spool.counts.written_bytes, k.disk->written - before);
    kit_fini(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_segments_behind_all_cursors_are_used_again),
        TEST(test_the_quota_blocks_and_nothing_is_lost),
        TEST(test_only_what_may_be_dropped_is_dropped),
        TEST(test_what_was_dropped_is_counted_for_good),
        TEST(test_the_oldest_go_when_newer_ones_are_enough),
        TEST(test_what_is_too_old_goes),
        TEST(test_a_damaged_segment_is_kept_aside_in_its_turn),
        TEST(test_a_failed_flush_moves_its_records_to_a_new_segment),
        TEST(test_what_cannot_be_made_durable_is_refused_and_leaves_no_hole),
        TEST(test_a_generation_is_never_given_twice),
        TEST(test_a_given_up_segment_that_cannot_be_removed_never_comes_back),
        TEST(test_what_a_sink_has_seen_after_a_kill_survives_a_power_cut),
        TEST(test_the_floor_of_free_space_is_kept),
        TEST(test_a_soft_floor_has_a_reserve),
        TEST(test_lazy_entries_are_flushed_in_their_time),
        TEST(test_locate_finds_the_segment_of_each_number),
        TEST(test_little_more_is_written_than_handed_in),
    };

    return cmocka_run_group_tests(tests, quiet, NULL);
}
