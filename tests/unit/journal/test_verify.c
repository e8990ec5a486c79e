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
    struct verify_visitor v = { seen, on_segment, on_cursor, on_record };

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

RUN(TEST(test_a_whole_journal_is_whole), TEST(test_damage_is_counted),
    TEST(test_a_segment_that_is_missing_is_seen), TEST(test_nothing_is_written),
    TEST(test_a_directory_without_a_journal_is_said))
