/* Segments: the header, and a scanner that never delivers anything altered. */
#include "journal/segment.h"

#include "base/mem.h"
#include "fuzz/hex.h"
#include "unit/unit.h"

#define RECORDS 12
#define EPOCH   77 /* of the segment's own journal */

static const struct segment_id id = { { { 1, 2, 3 } }, 0xfeedface, 5 };

static struct name *own(struct names *n)
{
    struct name *known = names_find_uuid(n, &id.journal, EPOCH);

    return known ? known : names_add_uuid(n, &id.journal, EPOCH);
}

/* A segment of RECORDS records of three devices, one from elsewhere, one gap. */
static struct buf make(size_t offsets[RECORDS + 1])
{
    struct buf b = buf_init(1 << 16);
    struct segment_header h = { .id = id, .first_seq = 100, .size = 1 << 16, .created_ns = 5 };
    struct names n;
    uint32_t seed = segment_seed(&id);
    static const struct uuid other = { { 9, 9 } };

    names_init(&n);
    segment_write_header(&b, &h);
    for (int copy = 0; copy < 2; copy++)
        names_write(&b, seed, own(&n), true, 100, 0);
    for (unsigned i = 0; i < RECORDS; i++) {
        char device[8], payload[32];
        struct record r = { .kind = RECORD_READING, .stream = STR("s"), .origin = other };
        struct frame f = { .type = FRAME_RECORD, .seq = 100 + i, .wall_ns = i };
        struct name *name;

        snprintf(device, sizeof(device), "d%u", i % 3);
        snprintf(payload, sizeof(payload), "payload %u", i);
        r.device = str_of(device);
        f.payload = str_of(payload);
        if (i == 4 || i == 7) {
            name = names_find_uuid(&n, &other, 3);
            if (!name) {
                name = names_add_uuid(&n, &other, 3);
                names_write(&b, seed, name, true, f.seq, 0);
            }
            f.flags = FRAME_ORIGIN;
            f.origin = name->ref;
            f.origin_seq = 1000 + i;
        }
        if (i == 7) {
            f.type = FRAME_GAP;
            f.payload = str_from("\x01\0\0\0\0\0\0\0gone", 12);
        } else {
            name = names_find(&n, &r);
            if (!name) {
                name = names_add(&n, &r);
                names_write(&b, seed, name, false, f.seq, 0);
            }
            f.ref = name->ref;
        }
        if (i % 4 == 0)
            f.flags |= FRAME_COMMITTED;
        if (offsets)
            offsets[i] = b.n;
        frame_write(&b, seed, &f);
    }
    if (offsets)
        offsets[RECORDS] = b.n;
    names_fini(&n);
    assert_int_equal(buf_check(&b), 0);
    return b;
}

static void check(const struct record *r)
{
    unsigned i = (unsigned)(r->seq - 100);
    char want[32];

    assert_in_range(r->seq, 100, 100 + RECORDS - 1);
    assert_int_equal(r->wall_ns, i);
    if (i == 7) {
        assert_int_equal(r->kind, RECORD_GAP);
        assert_int_equal(r->first, 1);
        assert_int_equal(r->origin_seq, 1007);
        assert_str(r->payload, "gone");
        return;
    }
    snprintf(want, sizeof(want), "payload %u", i);
    assert_true(str_eq(r->payload, str_of(want)));
    snprintf(want, sizeof(want), "d%u", i % 3);
    assert_true(str_eq(r->device, str_of(want)));
    assert_int_equal(r->origin_seq, i == 4 ? 1004 : r->seq);
    assert_int_equal(r->origin_epoch, i == 4 ? 3 : EPOCH);
    assert_int_equal(r->origin.b[0], i == 4 ? 9 : 1);
}

/* Scans the bytes in pieces of `piece`; returns how many records came out, each as it was. */
static unsigned scan(struct str bytes, size_t piece, struct segment_scan *s)
{
    unsigned count = 0;
    size_t n = piece;
    uint64_t last = 0;

    segment_scan_init(s, &id, 100);
    for (;;) {
        struct str left = str_skip(bytes, (size_t)s->at);
        bool whole = n >= left.n;
        uint64_t before = s->at;
        struct record r;
        int rc = segment_scan_next(s, str_sub(left, 0, n), whole, &r);

        if (rc == 0) {
            check(&r);
            assert_true(r.seq > last);
            last = r.seq;
            count++;
            n = piece;
        } else if (rc == ERR_UNKNOWN) {
            segment_scan_pass(s, str_skip(bytes, (size_t)s->at));
        } else if (whole) {
            return count;
        } else {
            n = s->at == before ? n * 2 : piece;
        }
    }
}

static void test_header_is_whole_or_refused(void **state)
{
    struct segment_header h = { .id = id,
                                .boot = { { 4 } },
                                .first_seq = 77,
                                .created_ns = -1,
                                .size = 4096,
                                .before_kinds = 6 };
    struct segment_header got;
    struct buf b = buf_init(1024);

    (void)state;
    segment_write_header(&b, &h);
    assert_int_equal(b.n, SEGMENT_HEADER_SIZE);
    assert_int_equal(segment_read_header(buf_str(&b), &got, NULL), 0);
    assert_int_equal(got.id.generation, 5);
    assert_int_equal(got.id.key, id.key);
    assert_true(uuid_eq(&got.id.journal, &id.journal));
    assert_true(uuid_eq(&got.boot, &h.boot));
    assert_int_equal(got.first_seq, 77);
    assert_int_equal(got.created_ns, -1);
    assert_int_equal(got.size, 4096);
    assert_int_equal(got.before_kinds, 6);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(segment_read_header(str_sub(buf_str(&b), 0, n), &got, NULL), ERR_CORRUPT);
    for (size_t bit = 0; bit < b.n * 8; bit++) {
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
        assert_int_equal(segment_read_header(buf_str(&b), &got, NULL), ERR_CORRUPT);
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
    }
    buf_fini(&b);
}

static void test_names_of_files_have_one_spelling(void **state)
{
    char name[SEGMENT_NAME_LEN + 1];
    uint64_t g = 0;

    (void)state;
    assert_string_equal(segment_name(42, name), "000000000000002a.seg");
    assert_int_equal(segment_parse_name(str_of(name), &g), 0);
    assert_int_equal(g, 42);
    assert_int_equal(segment_parse_name(STR("000000000000002A.seg"), &g), ERR_SYNTAX);
    assert_int_equal(segment_parse_name(STR("00000000000002a.seg"), &g), ERR_SYNTAX);
    assert_int_equal(segment_parse_name(STR("000000000000002a.sex"), &g), ERR_SYNTAX);
    assert_int_equal(segment_parse_name(STR("spare.tmp"), &g), ERR_SYNTAX);
}

static void test_all_records_come_in_pieces_of_any_size(void **state)
{
    struct buf b = make(NULL);

    (void)state;
    for (size_t piece = 1; piece < b.n + 10; piece += 13) {
        struct segment_scan s;

        assert_int_equal(scan(buf_str(&b), piece, &s), RECORDS);
        assert_int_equal(s.valid_end, b.n);
        assert_int_equal(s.last_seq, 100 + RECORDS - 1);
        assert_int_equal(s.records, RECORDS - 1);
        assert_int_equal(s.gaps, 1);
        assert_int_equal(s.damages, 0);
        segment_scan_fini(&s);
    }
    buf_fini(&b);
}

static void test_cut_anywhere_the_whole_records_before_it_come(void **state)
{
    size_t offsets[RECORDS + 1];
    struct buf b = make(offsets);

    (void)state;
    for (size_t n = SEGMENT_HEADER_SIZE; n <= b.n; n++) {
        char *exact = mem_dup(b.p, n);
        struct segment_scan s;
        unsigned want = 0;

        while (want < RECORDS && offsets[want] + FRAME_HEAD_SIZE <= n) {
            /* The end of record `want`: its own size, not where the next one starts. */
            struct frame f;
            size_t used = 0;

            assert_int_equal(frame_read(str_skip(buf_str(&b), offsets[want]), segment_seed(&id), &f,
                                        &used, NULL),
                             0);
            if (offsets[want] + used > n)
                break;
            want++;
        }
        assert_int_equal(scan(str_from(exact, n), 64, &s), want);
        assert_int_equal(s.damages, 0);
        segment_scan_fini(&s);
        mem_free(exact);
    }
    buf_fini(&b);
}

static void test_a_flipped_bit_costs_one_record_and_alters_none(void **state)
{
    struct buf b = make(NULL);

    (void)state;
    for (size_t bit = SEGMENT_HEADER_SIZE * 8; bit < b.n * 8; bit++) {
        struct segment_scan s;
        unsigned got;

        b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
        got = scan(buf_str(&b), 1 << 16, &s);
        /* One record; or a name that is written once in this small segment, and its records. */
        assert_true(got + 1 >= RECORDS || s.unnamed > 0);
        if (bit / 8 < SEGMENT_HEADER_SIZE + 2 * (FRAME_HEAD_SIZE + FRAME_UUID_SIZE))
            assert_int_equal(got, RECORDS); /* the journal's own origin stands there twice */
        else
            assert_int_equal(got + s.unnamed + (s.damages + s.searching > 0 && s.unnamed == 0),
                             RECORDS);
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ (1 << bit % 8));
        segment_scan_fini(&s);
    }
    buf_fini(&b);
}

static void test_zeroed_blocks_cost_what_they_cover(void **state)
{
    size_t offsets[RECORDS + 1];
    struct buf b = make(offsets), z;

    (void)state;
    for (size_t at = offsets[3]; at + 64 < b.n; at += 7) {
        struct segment_scan s;
        unsigned covered = 0;

        z = buf_init(1 << 16);
        buf_put(&z, buf_str(&b));
        memset(z.p + at, 0, 64);
        for (unsigned i = 0; i < RECORDS; i++)
            covered += offsets[i] < at + 64 && offsets[i + 1] > at;
        assert_true(scan(buf_str(&z), 100, &s) + s.unnamed + covered >= RECORDS);
        segment_scan_fini(&s);
        buf_fini(&z);
    }
    buf_fini(&b);
}

static void test_bytes_of_another_use_are_never_taken(void **state)
{
    struct buf b = make(NULL);
    struct segment_id later = id;
    struct segment_scan s;
    struct record r;

    (void)state;
    later.generation = 6;
    segment_scan_init(&s, &later, 1);
    assert_int_equal(segment_scan_next(&s, str_skip(buf_str(&b), (size_t)s.at), true, &r),
                     ERR_MORE);
    assert_int_equal(s.valid_end, SEGMENT_HEADER_SIZE);
    segment_scan_fini(&s);
    buf_fini(&b);
}

static void test_a_frame_inside_a_payload_is_not_found(void **state)
{
    /* A device that knows everything but the key hides a whole frame in its payload; the frame
     * around it is damaged. */
    struct segment_id guess = id;
    struct buf b = buf_init(1 << 16), inner = buf_init(4096);
    struct record r = { .kind = RECORD_READING, .device = STR("evil"), .stream = STR("s") };
    struct segment_header h = { .id = id, .first_seq = 1 };
    struct frame f = { .type = FRAME_RECORD, .ref = 2, .seq = 2, .payload = STR("hidden") };
    struct segment_scan s;
    struct record got;
    struct names n;
    size_t outer;

    (void)state;
    names_init(&n);
    segment_write_header(&b, &h);
    names_write(&b, segment_seed(&id), own(&n), true, 1, 0);
    names_write(&b, segment_seed(&id), names_add(&n, &r), false, 1, 0);
    guess.key ^= 1;
    frame_write(&inner, segment_seed(&guess), &f);
    outer = b.n;
    f.payload = buf_str(&inner);
    f.seq = 1;
    frame_write(&b, segment_seed(&id), &f);
    f.seq = 2;
    f.payload = STR("after");
    frame_write(&b, segment_seed(&id), &f);
    b.p[outer + 30] = (char)(b.p[outer + 30] ^ 1);
    segment_scan_init(&s, &id, 1);
    assert_int_equal(segment_scan_next(&s, str_skip(buf_str(&b), (size_t)s.at), true, &got), 0);
    assert_int_equal(got.seq, 2);
    assert_str(got.payload, "after");
    assert_int_equal(s.damages, 1);
    segment_scan_fini(&s);
    names_fini(&n);
    buf_fini(&b);
    buf_fini(&inner);
}

static void test_a_lost_name_is_learnt_from_its_copy(void **state)
{
    struct buf b = buf_init(1 << 16);
    struct record r = { .kind = RECORD_READING, .device = STR("pi"), .stream = STR("s") }, got;
    struct segment_header h = { .id = id, .first_seq = 1 };
    struct frame f = { .type = FRAME_RECORD, .ref = 2, .seq = 1, .payload = STR("x") };
    struct segment_scan s;
    struct names n;
    struct name *name;
    struct str left;
    size_t at;

    (void)state;
    names_init(&n);
    segment_write_header(&b, &h);
    names_write(&b, segment_seed(&id), own(&n), true, 1, 0);
    at = b.n;
    name = names_add(&n, &r);
    names_write(&b, segment_seed(&id), name, false, 1, 0);
    frame_write(&b, segment_seed(&id), &f);
    names_write(&b, segment_seed(&id), name, false, 2, 0);
    b.p[at + 50] = '?';
    segment_scan_init(&s, &id, 1);
    left = str_skip(buf_str(&b), (size_t)s.at);
    assert_int_equal(segment_scan_next(&s, left, true, &got), ERR_UNKNOWN);
    left = str_skip(buf_str(&b), (size_t)s.at);
    assert_int_equal(segment_learn(&s, left, true), left.n);
    assert_int_equal(segment_scan_next(&s, left, true, &got), 0);
    assert_str(got.device, "pi");
    segment_scan_fini(&s);
    names_fini(&n);
    buf_fini(&b);
}

static void test_a_payload_full_of_magics_is_searched_in_time(void **state)
{
    struct buf b = buf_init(1 << 23);
    struct segment_header h = { .id = id, .first_seq = 1 };
    struct segment_scan s;
    struct record r;
    struct frame f = { .type = FRAME_RECORD, .ref = 1, .seq = 1 };
    struct buf evil = buf_init(1 << 21);

    (void)state;
    /* Heads that look right and claim a megabyte each, every 40 bytes. */
    while (evil.n < (1 << 20)) {
        struct buf head = buf_init(64);
        struct frame small = { .type = FRAME_RECORD, .ref = 1, .seq = 5 };

        frame_write(&head, 0, &small);
        memcpy(head.p + 4, "\0\0\x0f\0", 4);
        buf_put(&evil, buf_str(&head));
        buf_fini(&head);
    }
    segment_write_header(&b, &h);
    f.payload = buf_str(&evil);
    frame_write(&b, segment_seed(&id), &f);
    buf_put(&b, buf_str(&evil));
    buf_put(&b, buf_str(&evil));
    b.p[SEGMENT_HEADER_SIZE + 5] = 1; /* its length is damaged, so all of it is searched */
    segment_scan_init(&s, &id, 1);
    assert_int_equal(segment_scan_next(&s, str_skip(buf_str(&b), (size_t)s.at), true, &r),
                     ERR_MORE);
    assert_true(s.search_bytes < 200000000);
    segment_scan_fini(&s);
    buf_fini(&evil);
    buf_fini(&b);
}

/* The bytes behind the header, after one that chooses the fuzzer's pieces; a key and a generation
 * of 0. expect: how many records come. */
static void check_vector(void *ctx, const char *path)
{
    static const struct segment_id zero = { { { 0 } }, 0, 0 };
    unsigned *count = ctx, records = 0;
    struct segment_scan s;
    struct hex_file h;
    size_t n = 0;
    char *text = hex_slurp(path, &n);
    struct str in;
    int rc;

    if (!hex_parse(text, &h) || !hex_key(&h, "expect") || h.n < 1)
        fail_msg("%s: not a vector", path);
    in = str_skip(str_from(h.bytes, h.n), 1);
    segment_scan_init(&s, &zero, 1);
    do {
        struct str left = str_skip(in, (size_t)(s.at - SEGMENT_HEADER_SIZE));
        struct record r;

        rc = segment_scan_next(&s, left, true, &r);
        records += rc == 0;
        if (rc == ERR_UNKNOWN)
            segment_scan_pass(&s, str_skip(in, (size_t)(s.at - SEGMENT_HEADER_SIZE)));
    } while (rc == 0 || rc == ERR_UNKNOWN);
    if (records != (unsigned)strtoul(hex_key(&h, "expect"), NULL, 10))
        fail_msg("%s: %u records", path, records);
    (*count)++;
    segment_scan_fini(&s);
    free(h.bytes);
    free(text);
}

static void test_vectors_give_what_they_say(void **state)
{
    unsigned count = 0;

    (void)state;
    hex_each_file(TESTS_DIR "/vectors/journal", check_vector, &count);
    assert_true(count >= 8);
}

RUN(TEST(test_vectors_give_what_they_say), TEST(test_header_is_whole_or_refused),
    TEST(test_names_of_files_have_one_spelling), TEST(test_all_records_come_in_pieces_of_any_size),
    TEST(test_cut_anywhere_the_whole_records_before_it_come),
    TEST(test_a_flipped_bit_costs_one_record_and_alters_none),
    TEST(test_zeroed_blocks_cost_what_they_cover), TEST(test_bytes_of_another_use_are_never_taken),
    TEST(test_a_frame_inside_a_payload_is_not_found),
    TEST(test_a_lost_name_is_learnt_from_its_copy),
    TEST(test_a_payload_full_of_magics_is_searched_in_time))
