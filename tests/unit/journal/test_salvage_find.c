/* Which files are segments, and whose. */
#include "journal/salvage.h"

#include "base/crc32c.h"

#include "unit/journal/spool_kit.h"

static int find(struct kit *k, struct salvage_found *out)
{
    struct salvage_folder from = { &k->disk->base, "" };

    return salvage_find(&from, 1, out);
}

static const struct salvage_part *part_named(const struct salvage_found *f, const char *name)
{
    for (size_t i = 0; i < f->all; i++)
        if (strcmp(f->parts[i].file.name, name) == 0)
            return &f->parts[i];
    return NULL;
}

static char *name_of(struct kit *k, size_t nth, char out[SEGMENT_NAME_LEN + 1])
{
    return segment_name(k->spool.rows[nth].generation, out);
}

static void test_files_are_told_apart_by_content(void **state)
{
    struct cell at = { 0 };
    struct salvage_found f;
    struct kit k;
    char name[SEGMENT_NAME_LEN + 1];
    int file;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    spool_cursor(&k.spool, "hub", true)->at = &at;
    cell_set(&at, 5);
    (void)spool_tend(&k.spool, true); /* and a spare */
    file = k.disk->base.ops->open(&k.disk->base, "README", DISK_WRITE | DISK_CREATE);
    assert_int_equal(k.disk->base.ops->write(&k.disk->base, file, "read me", 7, 0), 0);
    k.disk->base.ops->close(&k.disk->base, file);
    assert_int_equal(find(&k, &f), 0);
    assert_true(f.id_ok && uuid_eq(&f.journal, &k.spool.id.journal));
    assert_int_equal(f.count, k.spool.count);
    assert_int_equal(f.all, k.spool.count + 1); /* the text too, with nothing in it */
    assert_int_equal(part_named(&f, "README")->file.how, SALVAGE_NOTHING);
    assert_int_equal(f.said_generation, k.spool.id.generation);
    assert_int_equal(f.cursor_count, 1);
    assert_true(f.cursors[0].ok && f.cursors[0].seq == 5);
    for (size_t i = 0; i < f.count; i++) {
        assert_true(f.parts[i].in_place && !f.parts[i].foreign);
        assert_int_equal(f.parts[i].file.how, SALVAGE_HEADER);
        assert_int_equal(f.parts[i].file.generation, k.spool.rows[i].generation);
        assert_int_equal(f.parts[i].starts, k.spool.rows[i].first_seq);
        if (i + 1 < f.count)
            assert_int_equal(f.parts[i].end_seq, k.spool.rows[i + 1].first_seq);
    }
    assert_true(part_named(&f, name_of(&k, 0, name)) == &f.parts[0]);
    salvage_found_fini(&f);
    kit_fini(&k);
}

static void test_an_empty_segment_is_none(void **state)
{
    struct salvage_found f;
    struct kit k;
    char name[SEGMENT_NAME_LEN + 1];
    const struct salvage_part *p;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    /* Its header is whole, what follows is an earlier use: nobody asks the frames then. */
    memmove(kit_segment(&k, 2)->live + SEGMENT_HEADER_SIZE,
            kit_segment(&k, 0)->live + SEGMENT_HEADER_SIZE, KIB(8) - SEGMENT_HEADER_SIZE);
    assert_int_equal(find(&k, &f), 0);
    p = part_named(&f, name_of(&k, 2, name));
    assert_int_equal(p->file.how, SALVAGE_HEADER);
    assert_int_equal(p->file.first_seq, 0);
    assert_int_equal(f.count, k.spool.count - 1);
    salvage_found_fini(&f);
    kit_fini(&k);
}

static void test_the_cursors_of_another_journal_say_nothing(void **state)
{
    struct cell at = { 0 };
    struct salvage_found f;
    struct kit k;
    struct slot slot = { .counter = 9, .journal = { { 7 } }, .a = 150 };
    struct buf b = buf_init(SLOT_SIZE);

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    spool_cursor(&k.spool, "hub", true)->at = &at;
    (void)spool_tend(&k.spool, true);
    slots_write(&b, &slot);
    memcpy(kit_file(&k, "cursor-hub")->live + slots_offset(&slot), b.p, b.n);
    buf_fini(&b);
    assert_int_equal(find(&k, &f), 0);
    assert_int_equal(f.cursor_count, 1);
    assert_false(f.cursors[0].ok);
    assert_true(uuid_eq(&f.journal, &k.spool.id.journal));
    salvage_found_fini(&f);
    kit_fini(&k);
}

static void test_another_version_is_left_alone(void **state)
{
    struct salvage_found f;
    struct kit k;
    struct buf b = buf_init(SEGMENT_HEADER_SIZE);
    struct segment_header h = { .id = { .generation = 3 }, .first_seq = 1 };
    struct mem_file *file;
    uint32_t crc;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    segment_write_header(&b, &h);
    b.p[8] = 99;
    crc = crc32c(0, str_from(b.p, SEGMENT_HEADER_SIZE - 4));
    for (unsigned i = 0; i < 4; i++)
        b.p[SEGMENT_HEADER_SIZE - 4 + i] = (char)(crc >> 8 * i);
    file = kit_segment(&k, 1);
    memcpy(file->live, b.p, b.n);
    buf_fini(&b);
    assert_int_equal(find(&k, &f), 0);
    assert_int_equal(f.count, k.spool.count - 1);
    assert_int_equal(f.parts[f.count].file.how, SALVAGE_VERSION);
    salvage_found_fini(&f);
    kit_fini(&k);
}

static void test_an_unreadable_folder_is_an_error(void **state)
{
    struct salvage_found f;
    struct kit k;

    (void)state;
    kit_init(&k);
    k.disk->fail_mask = 1u << MEM_CALL_LIST;
    k.disk->fail_times = 1;
    k.disk->fail_code = -EIO;
    assert_int_equal(find(&k, &f), -EIO);
    kit_fini(&k);
}

RUN(TEST(test_files_are_told_apart_by_content), TEST(test_an_empty_segment_is_none),
    TEST(test_the_cursors_of_another_journal_say_nothing), TEST(test_another_version_is_left_alone),
    TEST(test_an_unreadable_folder_is_an_error))
