/*
 * The scanner over any bytes as a segment. The first byte chooses the size of the pieces, and by its
 * top bit whether the checksums of what looks like frames are set right first, so that what lies
 * behind them is reached; the rest is the segment (behind the header), whose frames have the seed
 * of the segment below. Holds:
 * numbers rise, views lie within the input, pieces of any size give the same records, and what is
 * a record is written again to the same bytes.
 */
#include "journal/segment.h"

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/rd.h"
#include "fuzz/fuzz.h"

#include <string.h>

static const struct segment_id id = { { { 0 } }, 0, 0 };

struct result {
    uint64_t count, last_seq, digest, unnamed;
};

static void add(struct result *r, const struct record *rec, struct str in)
{
    FUZZ_CHECK(rec->seq > r->last_seq || r->count == 0);
    FUZZ_CHECK(record_kind_name(rec->kind) != NULL);
    FUZZ_CHECK(rec->payload.n <= in.n);
    FUZZ_CHECK(rec->kind == RECORD_GAP || record_device_valid(rec->device));
    r->count++;
    r->last_seq = rec->seq;
    for (size_t i = 0; i < rec->payload.n; i++)
        r->digest = r->digest * 31 + (unsigned char)rec->payload.p[i];
    r->digest = r->digest * 31 + rec->seq * 7 + rec->device.n + rec->origin_seq;
}

static struct result scan(struct str in, size_t piece)
{
    struct segment_scan s;
    struct result result = { 0 };
    size_t n = piece;

    segment_scan_init(&s, &id, 1);
    for (;;) {
        struct str left = str_skip(in, (size_t)(s.at - SEGMENT_HEADER_SIZE));
        bool whole = n >= left.n;
        uint64_t before = s.at;
        struct record r;
        int rc = segment_scan_next(&s, str_sub(left, 0, n), whole, &r);

        FUZZ_CHECK(s.at >= before && s.at - SEGMENT_HEADER_SIZE <= in.n);
        if (rc == 0) {
            add(&result, &r, in);
            n = piece;
        } else if (rc == ERR_UNKNOWN) {
            left = str_skip(in, (size_t)(s.at - SEGMENT_HEADER_SIZE));
            FUZZ_CHECK(segment_learn(&s, left, true) == left.n);
            if (segment_scan_next(&s, left, true, &r) == 0)
                add(&result, &r, in);
            else
                segment_scan_pass(&s, str_skip(in, (size_t)(s.at - SEGMENT_HEADER_SIZE)));
        } else {
            FUZZ_CHECK(rc == ERR_MORE);
            if (whole)
                break;
            n = s.at == before ? n * 2 : piece;
        }
    }
    result.unnamed = s.unnamed;
    FUZZ_CHECK(s.valid_end - SEGMENT_HEADER_SIZE <= in.n);
    segment_scan_fini(&s);
    return result;
}

static void check_frames(struct str in, uint32_t seed)
{
    size_t at = 0;

    while (at < in.n) {
        struct frame f;
        struct buf b = buf_init(in.n + 64);
        size_t used;

        if (frame_read(str_skip(in, at), seed, &f, &used, NULL) < 0) {
            at = frame_search(in, at + 1);
            continue;
        }
        frame_write(&b, seed, &f);
        FUZZ_CHECK(str_eq(buf_str(&b), str_sub(in, at, used)));
        buf_fini(&b);
        at += used;
    }
}

static void set_checksums_right(char *p, size_t n, uint32_t seed)
{
    size_t at = frame_search(str_from(p, n), 0);

    while (at < n) {
        struct str in = str_from(p + at, n - at);
        struct rd r = rd_init(str_skip(in, 4));
        size_t length = rd_le32(&r);
        uint32_t crc;

        if (frame_plausible(in) && length <= in.n - FRAME_HEAD_SIZE) {
            crc = crc32c(seed, str_sub(in, 0, 8));
            crc = crc32c(crc, str_sub(in, 12, FRAME_HEAD_SIZE - 12 + length));
            memcpy(p + at + 8, &crc, 4);
            at += FRAME_HEAD_SIZE + length - 1;
        }
        at = frame_search(str_from(p, n), at + 1);
    }
}

static void run(struct str in, size_t piece)
{
    struct segment_header h;
    struct result a = scan(in, SIZE_MAX / 4), b = scan(in, piece);

    FUZZ_CHECK(segment_read_header(in, &h, NULL) != ERR_MORE);
    FUZZ_CHECK(a.count == b.count && a.digest == b.digest && a.unnamed == b.unnamed);
    check_frames(in, segment_seed(&id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy;

    if (size < 1)
        return 0;
    copy = mem_dup(data + 1, size - 1);
    if (data[0] & 0x80)
        set_checksums_right(copy, size - 1, segment_seed(&id));
    run(str_from(copy, size - 1), 1 + (data[0] & 0x7f));
    mem_free(copy);
    return 0;
}
