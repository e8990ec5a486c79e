/*
 * The uplink's batch. The checksum is set right first, so that what lies behind it is reached.
 * Holds: caps, numbers without a hole, and what is decoded is encoded to a batch that says the
 * same.
 */
#include "journal/batch.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "fuzz/fuzz.h"

#include <string.h>

static const struct batch_caps caps = { 65536, 500, 8192 };

static bool same(const struct record *a, const struct record *b)
{
    return a->kind == b->kind && str_eq(a->device, b->device) && str_eq(a->stream, b->stream) &&
           str_eq(a->content_type, b->content_type) && a->wall_ns == b->wall_ns &&
           a->uptime_ns == b->uptime_ns && uuid_eq(&a->boot, &b->boot) && a->seq == b->seq &&
           uuid_eq(&a->origin, &b->origin) && a->origin_seq == b->origin_seq &&
           a->origin_epoch == b->origin_epoch && a->flags == b->flags && a->sent_ns == b->sent_ns &&
           uuid_eq(&a->id, &b->id) && a->first == b->first && str_eq(a->payload, b->payload);
}

static void again(const struct batch *b)
{
    struct batch_writer w;
    struct buf out = buf_init(1 << 20);
    struct batch got;

    batch_writer_init(&w, &b->header.journal, 1 << 20);
    batch_begin(&w, b->header.epoch, b->header.before_epoch);
    for (uint32_t i = 0; i < b->header.count; i++)
        FUZZ_CHECK(batch_add(&w, &b->records[i]) == 0);
    FUZZ_CHECK(batch_finish(&w, BATCH_ZSTD, &b->header.sender, &out) == 0);
    FUZZ_CHECK(batch_read(buf_str(&out), &(struct batch_caps){ 1 << 20, 500, 8192 }, &got, NULL) ==
               0);
    FUZZ_CHECK(got.header.count == b->header.count);
    FUZZ_CHECK(got.header.epoch == b->header.epoch);
    FUZZ_CHECK(got.header.before_epoch == b->header.before_epoch);
    FUZZ_CHECK(memcmp(&got.header.sender, &b->header.sender, sizeof(got.header.sender)) == 0);
    for (uint32_t i = 0; i < b->header.count; i++)
        FUZZ_CHECK(same(&b->records[i], &got.records[i]));
    batch_fini(&got);
    batch_writer_fini(&w);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = mem_dup(data, size);
    struct str in = str_from(copy, size);
    struct batch b;
    struct wire_why why = { 0 };

    if (size >= BATCH_HEADER_SIZE) {
        uint32_t crc =
            crc32c(crc32c(0, str_sub(in, 0, BATCH_CRC_AT)), str_skip(in, BATCH_CRC_AT + 4));

        memcpy(copy + BATCH_CRC_AT, &crc, 4);
    }
    if (batch_read(in, &caps, &b, &why) == 0) {
        FUZZ_CHECK(b.header.count > 0 && b.header.count <= caps.count_max);
        FUZZ_CHECK(b.header.raw_bytes <= caps.raw_max);
        FUZZ_CHECK(b.records[b.header.count - 1].seq == b.header.last_seq);
        again(&b);
        batch_fini(&b);
    } else {
        FUZZ_CHECK(why.text != NULL);
    }
    mem_free(copy);
    return 0;
}
