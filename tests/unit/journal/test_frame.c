/* Frames, byte by byte. */
#include "journal/frame.h"

#include "base/mem.h"
#include "unit/unit.h"

#define SEED 0x1234abcdu

static struct frame sample(enum frame_type type)
{
    static const char uuid[FRAME_UUID_SIZE + 1] = "0123456789abcdefEPOCHep1";
    struct frame f = { .type = (uint8_t)type,
                       .ref = 7,
                       .seq = 0x1122334455667788,
                       .wall_ns = -5,
                       .uptime_ns = 99,
                       .payload = STR("{\"t\":21.5}") };

    if (type == FRAME_UUID)
        f.payload = str_from(uuid, FRAME_UUID_SIZE);
    if (type == FRAME_RECORD) {
        f.flags = FRAME_ID | FRAME_ARRIVAL | FRAME_CORRECTED;
        f.id = (struct uuid){ { 1, 2, 3 } };
        f.sent_ns = -77;
    }
    if (type == FRAME_GAP) {
        f.ref = 0;
        f.flags = FRAME_ORIGIN;
        f.origin = 3;
        f.origin_seq = 17;
        f.payload = str_from("\1\0\0\0\0\0\0\0lost", 12);
    }
    return f;
}

static void write_one(struct buf *b, const struct frame *f, uint32_t seed)
{
    *b = buf_init(4096);
    frame_write(b, seed, f);
    assert_int_equal(buf_check(b), 0);
    assert_int_equal(b->n, frame_size(f));
}

static void test_the_layout_is_as_documented(void **state)
{
    /* magic, length 2, crc, type 1, flags 2, ref 1, seq 5, wall 6, uptime 7, "{}" */
    static const unsigned char head[] = { 0xf5, 0x57, 0x53, 0x4a, 2, 0, 0, 0 };
    static const unsigned char rest[] = { 1, 2, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0,   0,
                                          0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, '{', '}' };
    struct frame f = { .type = FRAME_RECORD,
                       .flags = FRAME_COMMITTED,
                       .ref = 1,
                       .seq = 5,
                       .wall_ns = 6,
                       .uptime_ns = 7,
                       .payload = STR("{}") };
    struct buf b;

    (void)state;
    write_one(&b, &f, 0);
    assert_int_equal(b.n, 42);
    assert_memory_equal(b.p, head, sizeof(head));
    assert_memory_equal(b.p + 12, rest, sizeof(rest));
    buf_fini(&b);
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    for (int type = FRAME_RECORD; type <= FRAME_GAP; type++) {
        struct frame f = sample((enum frame_type)type), got;
        struct buf b;
        size_t used = 0;

        write_one(&b, &f, SEED);
        buf_put(&b, STR("behind"));
        assert_int_equal(frame_read(buf_str(&b), SEED, &got, &used, NULL), 0);
        assert_int_equal(used, b.n - 6);
        assert_int_equal(got.type, f.type);
        assert_int_equal(got.flags, f.flags);
        assert_int_equal(got.ref, f.ref);
        assert_true(got.seq == f.seq && got.wall_ns == f.wall_ns && got.uptime_ns == f.uptime_ns);
        assert_int_equal(got.origin, f.origin);
        assert_int_equal(got.origin_seq, f.origin_seq);
        assert_true(uuid_eq(&got.id, &f.id));
        assert_int_equal(got.sent_ns, f.sent_ns);
        assert_true(str_eq(got.payload, f.payload));
        assert_true(frame_plausible(buf_str(&b)));
        buf_fini(&b);
    }
}

static void test_cut_anywhere_it_wants_more(void **state)
{
    struct frame f = sample(FRAME_GAP), got;
    struct buf b;
    size_t used;

    (void)state;
    write_one(&b, &f, SEED);
    for (size_t n = 0; n < b.n; n++) {
        char *exact = mem_dup(b.p, n);

        assert_int_equal(frame_read(str_from(exact, n), SEED, &got, &used, NULL), ERR_MORE);
        mem_free(exact);
    }
    buf_fini(&b);
}

static void test_no_flipped_bit_is_overlooked(void **state)
{
    (void)state;
    for (int type = FRAME_RECORD; type <= FRAME_GAP; type++) {
        struct frame f = sample((enum frame_type)type), got;
        struct buf b;
        size_t used;

        write_one(&b, &f, SEED);
        for (size_t bit = 0; bit < b.n * 8; bit++) {
            b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
            assert_true(frame_read(buf_str(&b), SEED, &got, &used, NULL) < 0);
            b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
        }
        buf_fini(&b);
    }
}

static void test_a_frame_of_another_seed_is_none(void **state)
{
    struct frame f = sample(FRAME_RECORD), got;
    struct wire_why why;
    struct buf b;
    size_t used;

    (void)state;
    write_one(&b, &f, SEED);
    for (unsigned bit = 0; bit < 32; bit++) {
        assert_int_equal(frame_read(buf_str(&b), SEED ^ (1u << bit), &got, &used, &why), ERR_PROTO);
        assert_int_equal(why.code, ERR_CORRUPT);
    }
    buf_fini(&b);
}

static void test_impossible_shapes_are_not_plausible(void **state)
{
    struct frame f = sample(FRAME_RECORD);
    struct buf b;

    (void)state;
    write_one(&b, &f, 0);
    b.p[7] = 0x7f; /* a length of 2 GiB */
    assert_false(frame_plausible(buf_str(&b)));
    b.p[7] = 0;
    b.p[12] = 9; /* type */
    assert_false(frame_plausible(buf_str(&b)));
    b.p[12] = FRAME_RECORD;
    b.p[13] = 32; /* a flag that does not exist */
    assert_false(frame_plausible(buf_str(&b)));
    b.p[13] = FRAME_ID;
    b.p[4] = FRAME_ID_SIZE - 1; /* too short for what the flags say */
    assert_false(frame_plausible(buf_str(&b)));
    b.p[4] = FRAME_ID_SIZE;
    assert_true(frame_plausible(buf_str(&b)));
    b.p[12] = FRAME_NAME; /* only records have ids */
    assert_false(frame_plausible(buf_str(&b)));
    b.p[12] = FRAME_RECORD;
    b.p[13] = 0;
    b.p[14] = 0; /* ref 0 */
    assert_false(frame_plausible(buf_str(&b)));
    b.p[14] = 1;
    assert_true(frame_plausible(buf_str(&b)));
    assert_false(frame_plausible(str_sub(buf_str(&b), 0, 10)));
    buf_fini(&b);
}

static void test_a_record_is_its_frame_and_back(void **state)
{
    struct record r = { .kind = RECORD_EVENT,
                        .flags = RECORD_ARRIVAL | RECORD_CORRECTED,
                        .wall_ns = 5,
                        .sent_ns = 4,
                        .uptime_ns = 6,
                        .id = { { 7 } },
                        .seq = 8,
                        .payload = STR("x") };
    struct record gap = {
        .kind = RECORD_GAP, .seq = 9, .origin_seq = 9, .first = 3, .payload = STR("dropped")
    };
    char room[8 + FRAME_GAP_REASON_MAX];
    struct record got;
    struct frame f;

    (void)state;
    frame_of_record(&r, room, &f);
    assert_int_equal(f.flags, FRAME_ID | FRAME_ARRIVAL | FRAME_CORRECTED);
    frame_to_record(&f, &got);
    assert_int_equal(got.flags, r.flags);
    assert_int_equal(got.sent_ns, 4);
    assert_true(uuid_eq(&got.id, &r.id));
    assert_str(got.payload, "x");
    r.id = (struct uuid){ { 0 } };
    r.flags = 0;
    r.sent_ns = 0;
    frame_of_record(&r, room, &f);
    assert_int_equal(f.flags, 0);
    frame_of_record(&gap, room, &f);
    assert_int_equal(f.type, FRAME_GAP);
    frame_to_record(&f, &got);
    assert_int_equal(got.kind, RECORD_GAP);
    assert_int_equal(got.first, 3);
    assert_str(got.payload, "dropped");
}

static void test_an_origin_is_its_frame_and_back(void **state)
{
    struct uuid u = { { 1, 2 } }, got;
    char bytes[FRAME_UUID_SIZE];
    uint64_t epoch = 0;

    (void)state;
    frame_write_uuid(bytes, &u, 0x1122334455667788);
    assert_int_equal(frame_read_uuid(str_from(bytes, sizeof(bytes)), &got, &epoch), 0);
    assert_true(uuid_eq(&u, &got) && epoch == 0x1122334455667788);
    assert_int_equal(frame_read_uuid(str_from(bytes, 16), &got, &epoch), ERR_CORRUPT);
}

static void test_names_are_read_strictly(void **state)
{
    struct frame_name name = { .kind = RECORD_DETECTION,
                               .device = STR("cam-1"),
                               .stream = STR("plate"),
                               .content_type = STR("application/json"),
                               .boot = { { 1, 2, 3 } } };
    struct frame_name got;
    struct buf b = buf_init(512);

    (void)state;
    frame_write_name(&b, &name);
    assert_int_equal(frame_read_name(buf_str(&b), &got, NULL), 0);
    assert_int_equal(got.kind, name.kind);
    assert_str(got.device, "cam-1");
    assert_str(got.stream, "plate");
    assert_str(got.content_type, "application/json");
    assert_memory_equal(got.boot.b, name.boot.b, 16);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(frame_read_name(str_sub(buf_str(&b), 0, n), &got, NULL), ERR_PROTO);
    buf_u8(&b, 'x');
    assert_int_equal(frame_read_name(buf_str(&b), &got, NULL), ERR_PROTO);
    b.n--;
    b.p[0] = RECORD_GAP;
    assert_int_equal(frame_read_name(buf_str(&b), &got, NULL), ERR_PROTO);
    b.p[0] = 0;
    assert_int_equal(frame_read_name(buf_str(&b), &got, NULL), ERR_PROTO);
    b.p[0] = RECORD_READING;
    b.p[20] = '/';
    assert_int_equal(frame_read_name(buf_str(&b), &got, NULL), ERR_PROTO);
    buf_fini(&b);
}

static void test_search_finds_each_magic(void **state)
{
    struct str in = STR("x\xf5WSJ\xf5\xf5WSJ..\xf5WS");

    (void)state;
    assert_int_equal(frame_search(in, 0), 1);
    assert_int_equal(frame_search(in, 1), 1);
    assert_int_equal(frame_search(in, 2), 6);
    assert_int_equal(frame_search(in, 7), in.n);
    assert_int_equal(frame_search(in, in.n), in.n);
    assert_int_equal(frame_search(STR_NONE, 0), 0);
}

RUN(TEST(test_the_layout_is_as_documented), TEST(test_what_is_written_is_read),
    TEST(test_cut_anywhere_it_wants_more), TEST(test_no_flipped_bit_is_overlooked),
    TEST(test_a_frame_of_another_seed_is_none), TEST(test_impossible_shapes_are_not_plausible),
    TEST(test_a_record_is_its_frame_and_back), TEST(test_an_origin_is_its_frame_and_back),
    TEST(test_names_are_read_strictly), TEST(test_search_finds_each_magic))
