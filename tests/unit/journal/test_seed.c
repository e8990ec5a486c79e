/* The seed out of the frames. */
#include "journal/seed.h"

#include "unit/journal/spool_kit.h"

static const struct uuid none;

static struct str content(const struct mem_file *f)
{
    return str_from(f->live, (size_t)f->live_n);
}

static uint32_t true_seed(const struct kit *k, size_t nth)
{
    struct segment_id id = k->spool.id;

    id.generation = k->spool.rows[nth].generation;
    return segment_seed(&id);
}

static void test_frames_tell_their_seed(void **state)
{
    struct seed_search s;
    struct uuid u;
    struct kit k;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    for (size_t i = 0; i < k.spool.count; i++) {
        struct mem_file *f = kit_segment(&k, i);

        memset(f->live, 0, SEGMENT_HEADER_SIZE);
        seed_search(&s, content(f));
        assert_true(s.count > 0 && s.rows[0].seed == true_seed(&k, i));
        assert_int_equal(seed_journal(s.rows[0].seed, content(f), &none, &u), 0);
        assert_true(uuid_eq(&u, &k.spool.id.journal));
    }
    kit_fini(&k);
}

static void test_damage_hides_it_only_where_it_is(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        struct seed_search s;
        struct mem_file *f;
        struct kit k;

        kit_init(&k);
        kit_append_many(&k, 45, 100);
        f = kit_segment(&k, 0);
        k.disk->random += round * 31;
        memset(f->live, 0x77, SEGMENT_HEADER_SIZE);
        for (int i = 0; i < 5; i++)
            f->live[mem_below(k.disk, 6000)] ^= 1;
        seed_search(&s, content(f));
        assert_true(s.count > 0 && s.rows[0].seed == true_seed(&k, 0));
        kit_fini(&k);
    }
}

static void test_the_base_is_the_same_in_all_segments(void **state)
{
    struct kit k;
    uint32_t base;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    kit_kill(&k);
    kit_append_many(&k, 200, 100);
    base = seed_base(true_seed(&k, 0), k.spool.rows[0].generation);
    for (size_t i = 0; i < k.spool.count; i++) {
        assert_int_equal(seed_base(true_seed(&k, i), k.spool.rows[i].generation), base);
        assert_int_equal(seed_from_base(base, k.spool.rows[i].generation), true_seed(&k, i));
    }
    kit_fini(&k);
}

static void test_the_bytes_of_an_earlier_use_have_a_seed_of_their_own(void **state)
{
    struct seed_search s;
    struct mem_file *old, *f;
    struct kit k;
    bool first = false, second = false;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    old = kit_segment(&k, 0);
    f = kit_segment(&k, 1);
    memcpy(f->live + 3000, old->live + 3000, 5000);
    seed_search(&s, content(f));
    for (size_t i = 0; i < s.count; i++) {
        first |= s.rows[i].seed == true_seed(&k, 1);
        second |= s.rows[i].seed == true_seed(&k, 0);
    }
    assert_true(first && second);
    kit_fini(&k);
}

static void test_whose_it_is_among_origins_of_others(void **state)
{
    struct record r = { .kind = RECORD_READING,
                        .device = STR("pi"),
                        .stream = STR("env"),
                        .origin = { { 9 } },
                        .origin_epoch = 3,
                        .origin_seq = 5,
                        .payload = STR("1") };
    struct journal_entry e = { .records = &r, .count = 1 };
    const struct uuid other = r.origin;
    struct mem_file *f;
    struct kit k;
    struct uuid u;
    size_t at;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 3, 100);
    spool_commit(&k.spool, &e.node);
    assert_int_equal(e.code, 0);
    f = kit_segment(&k, 0);
    assert_int_equal(seed_journal(true_seed(&k, 0), content(f), &none, &u), 0);
    assert_true(uuid_eq(&u, &k.spool.id.journal));
    /* The other's only record is damaged, so nobody needs the other any more. */
    at = (size_t)k.spool.file_at - 1;
    f->live[at] ^= 1;
    assert_int_equal(seed_journal(true_seed(&k, 0), content(f), &none, &u), ERR_UNKNOWN);
    assert_int_equal(seed_journal(true_seed(&k, 0), content(f), &k.spool.id.journal, &u), 0);
    assert_true(uuid_eq(&u, &k.spool.id.journal));
    assert_false(uuid_eq(&u, &other));
    kit_fini(&k);
}

static void test_other_bytes_have_none(void **state)
{
    struct disk_mem *m = disk_mem_new(5);
    size_t n = 300000;
    char *p = mem_new(n);
    struct seed_search s;
    struct uuid u;

    (void)state;
    seed_search(&s, STR_NONE);
    assert_int_equal(s.count, 0);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)mem_random(m);
    /* Full of what could be frames. */
    for (size_t i = 0; i + 44 < n; i += 44) {
        static const unsigned char head[16] = { 0xf5, 0x57, 0x53, 0x4a, 4, 0, 0, 0,
                                                0,    0,    0,    0,    1, 0, 1, 0 };

        memcpy(p + i, head, 8);
        memcpy(p + i + 12, head + 12, 4);
    }
    seed_search(&s, str_from(p, n));
    assert_int_equal(s.count, 0);
    assert_int_equal(seed_journal(17, str_from(p, n), &none, &u), ERR_UNKNOWN);
    mem_free(p);
    m->base.ops->free(&m->base);
}

static void test_a_hostile_payload_costs_no_more_than_reading(void **state)
{
    size_t n = 8u << 20;
    char *p = mem_new(n);
    struct seed_search s;

    (void)state;
    /* A magic every 40 bytes, each claiming the megabyte behind it, where another begins. */
    for (size_t i = 0; i + 40 < n; i += 40) {
        static const unsigned char head[16] = { 0xf5, 0x57, 0x53, 0x4a, 0x18, 0x00, 0x10, 0,
                                                0,    0,    0,    0,    1,    0,    1,    0 };

        memcpy(p + i, head, sizeof(head));
        p[i + 20] = (char)(i / 40 * 7);
    }
    seed_search(&s, str_from(p, n));
    assert_int_equal(s.count, 0);
    mem_free(p);
}

RUN(TEST(test_frames_tell_their_seed), TEST(test_damage_hides_it_only_where_it_is),
    TEST(test_the_base_is_the_same_in_all_segments),
    TEST(test_the_bytes_of_an_earlier_use_have_a_seed_of_their_own),
    TEST(test_whose_it_is_among_origins_of_others), TEST(test_other_bytes_have_none),
    TEST(test_a_hostile_payload_costs_no_more_than_reading))
