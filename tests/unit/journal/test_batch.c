/* The uplink's batch. */
#include "journal/batch.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "fuzz/hex.h"
#include "unit/unit.h"

static const struct uuid me = { { 0xaa, 1 } };
static const struct uuid edge = { { 0xee, 2 } };
static const struct batch_caps caps = { 1 << 20, 10000, 4096 };

static const struct batch_sender sender = {
    .boot = { { 5 } }, .uptime_ns = 99, .wall_ns = -3, .head_seq = 1000, .dropped = 17
};

static struct record make(uint64_t seq, char payload[32])
{
    struct record r = { .kind = RECORD_READING,
                        .device = seq % 2 ? STR("pi-1") : STR("pi-2"),
                        .stream = STR("env"),
                        .content_type = STR("application/json"),
                        .wall_ns = (int64_t)seq * 7,
                        .uptime_ns = seq * 3,
                        .boot = { { 5 } },
                        .seq = seq,
                        .origin = me,
                        .origin_epoch = seq < 100 ? 70 : 71,
                        .origin_seq = seq };

    snprintf(payload, 32, "{\"value\":%llu}", (unsigned long long)seq);
    r.payload = str_of(payload);
    if (seq % 10 == 5) {
        r.origin = edge;
        r.origin_epoch = 8;
        r.origin_seq = seq + 1000;
    }
    if (seq % 3 == 0)
        r.id = (struct uuid){ { 1, (uint8_t)seq } };
    if (seq % 4 == 0)
        r.flags |= RECORD_ARRIVAL;
    if (seq % 5 == 1) {
        r.flags |= RECORD_CORRECTED;
        r.sent_ns = (int64_t)seq - 50;
    }
    return r;
}

static struct buf make_batch(uint64_t first, uint64_t last, enum batch_codec codec)
{
    struct batch_writer w;
    struct buf out = buf_init(1 << 20);
    char payload[32];

    batch_writer_init(&w, &me, 1 << 20);
    for (uint64_t s = first; s <= last; s++) {
        struct record r = make(s, payload);

        assert_int_equal(batch_add(&w, &r), 0);
    }
    assert_int_equal(batch_finish(&w, codec, &sender, &out), 0);
    batch_writer_fini(&w);
    return out;
}

static void test_what_is_sent_arrives(void **state)
{
    (void)state;
    for (unsigned codec = BATCH_PLAIN; codec <= BATCH_ZSTD; codec++) {
        struct buf b = make_batch(41, 240, (enum batch_codec)codec);
        struct batch got;
        char payload[32];

        assert_int_equal(batch_read(buf_str(&b), &caps, &got, NULL), 0);
        assert_int_equal(got.header.codec, codec);
        assert_int_equal(got.header.count, 200);
        assert_int_equal(got.header.first_seq, 41);
        assert_int_equal(got.header.last_seq, 240);
        assert_true(uuid_eq(&got.header.journal, &me));
        assert_true(uuid_eq(&got.header.sender.boot, &sender.boot));
        assert_int_equal(got.header.sender.uptime_ns, 99);
        assert_int_equal(got.header.sender.wall_ns, -3);
        assert_int_equal(got.header.sender.head_seq, 1000);
        assert_int_equal(got.header.sender.dropped, 17);
        for (uint64_t s = 41; s <= 240; s++) {
            struct record want = make(s, payload), *r = &got.records[s - 41];

            assert_int_equal(r->seq, s);
            assert_int_equal(r->kind, want.kind);
            assert_true(str_eq(r->device, want.device));
            assert_true(str_eq(r->content_type, want.content_type));
            assert_true(str_eq(r->payload, want.payload));
            assert_true(uuid_eq(&r->origin, &want.origin));
            assert_true(uuid_eq(&r->boot, &want.boot));
            assert_int_equal(r->origin_seq, want.origin_seq);
            assert_int_equal(r->wall_ns, want.wall_ns);
            assert_int_equal(r->uptime_ns, want.uptime_ns);
            assert_int_equal(r->origin_epoch, want.origin_epoch);
            assert_int_equal(r->flags, want.flags);
            assert_int_equal(r->sent_ns, want.sent_ns);
            assert_true(uuid_eq(&r->id, &want.id));
        }
        batch_fini(&got);
        buf_fini(&b);
    }
}

static void test_a_gap_closes_a_hole(void **state)
{
    struct batch_writer w;
    struct buf out = buf_init(1 << 16);
    struct record gap = { .kind = RECORD_GAP,
                          .seq = 9,
                          .origin = me,
                          .origin_seq = 9,
                          .first = 3,
                          .payload = STR("dropped") };
    /* One that another journal told of takes one number here. */
    struct record told = { .kind = RECORD_GAP,
                           .seq = 10,
                           .origin = edge,
                           .origin_seq = 500,
                           .first = 400,
                           .payload = STR("damaged") };
    struct batch got;
    struct record r;
    char payload[32];

    (void)state;
    batch_writer_init(&w, &me, 1 << 16);
    r = make(2, payload);
    assert_int_equal(batch_add(&w, &r), 0);
    r = make(4, payload);
    assert_int_equal(batch_add(&w, &r), ERR_VALUE); /* a hole */
    assert_int_equal(batch_add(&w, &gap), 0);
    assert_int_equal(batch_add(&w, &told), 0);
    r = make(11, payload);
    assert_int_equal(batch_add(&w, &r), 0);
    assert_int_equal(batch_finish(&w, BATCH_PLAIN, NULL, &out), 0);
    assert_int_equal(batch_finish(&w, BATCH_PLAIN, NULL, &out), ERR_UNKNOWN);
    assert_int_equal(batch_read(buf_str(&out), &caps, &got, NULL), 0);
    assert_int_equal(got.header.count, 4);
    assert_int_equal(got.records[1].kind, RECORD_GAP);
    assert_int_equal(got.records[1].first, 3);
    assert_int_equal(got.records[1].seq, 9);
    assert_str(got.records[1].payload, "dropped");
    assert_int_equal(got.records[2].first, 400);
    assert_int_equal(got.records[2].origin_seq, 500);
    assert_true(uuid_eq(&got.records[2].origin, &edge));
    batch_fini(&got);
    batch_writer_fini(&w);
    buf_fini(&out);
}

static void test_cut_or_flipped_it_is_refused(void **state)
{
    (void)state;
    for (unsigned codec = BATCH_PLAIN; codec <= BATCH_ZSTD; codec++) {
        struct buf b = make_batch(1, 12, (enum batch_codec)codec);
        struct batch got;
        struct wire_why why;

        for (size_t n = 0; n < b.n; n++) {
            char *exact = mem_dup(b.p, n);

            assert_true(batch_read(str_from(exact, n), &caps, &got, &why) < 0);
            mem_free(exact);
        }
        for (size_t bit = 0; bit < b.n * 8; bit++) {
            b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
            assert_true(batch_read(buf_str(&b), &caps, &got, NULL) < 0);
            b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
        }
        buf_u8(&b, 0);
        assert_true(batch_read(buf_str(&b), &caps, &got, NULL) < 0);
        buf_fini(&b);
    }
}

static void test_caps_hold_before_anything_is_allocated(void **state)
{
    struct buf b = make_batch(1, 100, BATCH_ZSTD);
    struct batch_caps small = caps;
    struct batch got;
    struct wire_why why;

    (void)state;
    small.count_max = 99;
    assert_int_equal(batch_read(buf_str(&b), &small, &got, &why), ERR_LIMIT);
    assert_int_equal(why.code, ERR_LIMIT);
    small = caps;
    small.raw_max = 1000;
    assert_int_equal(batch_read(buf_str(&b), &small, &got, &why), ERR_LIMIT);
    small = caps;
    small.payload_max = 5;
    assert_int_equal(batch_read(buf_str(&b), &small, &got, &why), ERR_PROTO);
    buf_fini(&b);
}

static void test_a_full_batch_is_as_before(void **state)
{
    struct batch_writer w;
    struct buf out = buf_init(1 << 16);
    struct batch got;
    char payload[32];
    uint64_t seq = 1;
    struct record r;

    (void)state;
    batch_writer_init(&w, &me, 3000);
    for (;; seq++) {
        int rc;

        r = make(seq, payload);
        rc = batch_add(&w, &r);
        if (rc == ERR_FULL)
            break;
        assert_int_equal(rc, 0);
    }
    assert_in_range(seq, 10, 60);
    assert_int_equal(batch_finish(&w, BATCH_ZSTD, NULL, &out), 0);
    assert_int_equal(batch_read(buf_str(&out), &caps, &got, NULL), 0);
    assert_int_equal(got.header.last_seq, seq - 1);
    batch_fini(&got);
    /* And the writer goes on with the next one. */
    assert_int_equal(batch_add(&w, &r), 0);
    buf_clear(&out);
    assert_int_equal(batch_finish(&w, BATCH_ZSTD, NULL, &out), 0);
    assert_int_equal(batch_read(buf_str(&out), &caps, &got, NULL), 0);
    assert_int_equal(got.header.first_seq, seq);
    batch_fini(&got);
    batch_writer_fini(&w);
    buf_fini(&out);
}

static void test_records_that_do_not_belong_are_refused(void **state)
{
    struct batch_writer w;
    char payload[32];
    struct record r = make(5, payload);

    (void)state;
    batch_writer_init(&w, &me, 1 << 16);
    r.origin = me;
    r.origin_seq = 4; /* two numbers */
    assert_int_equal(batch_add(&w, &r), ERR_VALUE);
    r = make(0, payload);
    assert_int_equal(batch_add(&w, &r), ERR_VALUE);
    r = make(7, payload);
    r.device = STR("a/b");
    assert_int_equal(batch_add(&w, &r), ERR_VALUE);
    assert_int_equal(w.count, 0);
    batch_writer_fini(&w);
}

static void test_a_batch_is_of_one_start(void **state)
{
    struct batch_writer w;
    struct buf out = buf_init(1 << 16);
    struct batch got;
    char payload[32];
    struct record r = make(98, payload);

    (void)state;
    batch_writer_init(&w, &me, 1 << 16);
    batch_begin(&w, 70, 69);
    assert_int_equal(batch_add(&w, &r), 0);
    r.seq = r.origin_seq = 99;
    r.origin_epoch = 71;
    assert_int_equal(batch_add(&w, &r), ERR_VALUE);
    r.origin = edge; /* of another journal: its starts are its own */
    assert_int_equal(batch_add(&w, &r), 0);
    assert_int_equal(batch_finish(&w, BATCH_PLAIN, NULL, &out), 0);
    assert_int_equal(batch_read(buf_str(&out), &caps, &got, NULL), 0);
    assert_int_equal(got.header.epoch, 70);
    assert_int_equal(got.header.before_epoch, 69);
    batch_fini(&got);
    /* The next one begins anew. */
    buf_clear(&out);
    r = make(200, payload);
    assert_int_equal(batch_add(&w, &r), 0);
    assert_int_equal(batch_finish(&w, BATCH_PLAIN, NULL, &out), 0);
    assert_int_equal(batch_read(buf_str(&out), &caps, &got, NULL), 0);
    assert_int_equal(got.header.epoch, 0);
    batch_fini(&got);
    buf_fini(&out);
    batch_writer_fini(&w);
}

/* The checksum is set right, so that what the vector is about is what is refused. */
static void check_vector(void *ctx, const char *path)
{
    unsigned *count = ctx;
    struct hex_file h;
    struct batch got;
    uint32_t crc;
    size_t n = 0;
    char *text = hex_slurp(path, &n);
    int rc;

    if (!hex_parse(text, &h) || !hex_key(&h, "expect") || h.n < BATCH_HEADER_SIZE)
        fail_msg("%s: not a vector", path);
    crc = crc32c(crc32c(0, str_from(h.bytes, BATCH_CRC_AT)),
                 str_skip(str_from(h.bytes, h.n), BATCH_CRC_AT + 4));
    memcpy(h.bytes + BATCH_CRC_AT, &crc, 4);
    rc = batch_read(str_from(h.bytes, h.n), &caps, &got, NULL);
    if ((rc == 0) != (strcmp(hex_key(&h, "expect"), "ok") == 0))
        fail_msg("%s: %d", path, rc);
    if (rc == 0)
        batch_fini(&got);
    (*count)++;
    free(h.bytes);
    free(text);
}

static void test_vectors_are_taken_or_refused_as_they_say(void **state)
{
    unsigned count = 0;

    (void)state;
    hex_each_file(TESTS_DIR "/vectors/batch", check_vector, &count);
    assert_true(count >= 9);
}

RUN(TEST(test_vectors_are_taken_or_refused_as_they_say), TEST(test_what_is_sent_arrives),
    TEST(test_a_gap_closes_a_hole), TEST(test_cut_or_flipped_it_is_refused),
    TEST(test_caps_hold_before_anything_is_allocated), TEST(test_a_full_batch_is_as_before),
    TEST(test_records_that_do_not_belong_are_refused), TEST(test_a_batch_is_of_one_start))
