/*
 * The whole journal in memory against a model: random schedules of appends, reads, cursor moves,
 * kills, power cuts and failing calls. The model remembers what was acknowledged. What must hold:
 *  - a journal always opens (unless a call just failed, then at the next try);
 *  - every acknowledged record reaches the sink, once, in order, as it was handed in;
 *  - nothing else does but records that were handed in and whose fate was open;
 *  - a number that the sink has seen never comes again for another record;
 *  - a gap covers nothing that was acknowledged.
 * What was appended lazily counts as acknowledged until the power goes or a flush fails; what was flushed
 * meanwhile stays so.
 * WAYSIDE_SCHEDULES and WAYSIDE_SEED choose how many and where to begin; a failure prints its seed.
 */
#include "journal/spool.h"

#include "journal/reader.h"
#include "unit/journal/disk_mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include <cmocka.h>

/* The address sanitizer takes ten times as long, and does not see more in more of them. */
#ifdef __SANITIZE_ADDRESS__
#define SCHEDULES 2500
#else
#define SCHEDULES 10000
#endif
#define STEPS   60
#define IDS_MAX 4096
#define SEQ_MAX 200000

/* What a schedule knows of each record that it ever handed in, by id. */
enum fate { FATE_NONE, FATE_OPEN, FATE_ACKED };

struct model {
    uint64_t seed;
    struct disk_mem *disk;
    struct spool spool;
    bool is_open;
    struct journal_options o;
    struct reader reader;
    struct cell cursor;
    struct spool_cursor *cursor_row;
    uint32_t ids; /* next id */
    unsigned char fate[IDS_MAX];
    unsigned char seen[IDS_MAX];
    uint32_t *acked;         /* seq → id + 1, of acknowledged records */
    uint64_t epoch[IDS_MAX]; /* in which each of them was born */
    uint64_t acked_last;
    uint64_t sink; /* the last number the sink has */
    uint64_t gaps, cuts, kills, faults, records;
    bool drops; /* drop_oldest: gaps over acknowledged records are allowed */
    bool lazy;  /* some entries are */
    uint64_t lazies, failed_flushes;
};

static void fail_at(const struct model *m, const char *what, uint64_t a, uint64_t b)
{
    fail_msg("seed %llu: %s (%llu, %llu)", (unsigned long long)m->seed, what, (unsigned long long)a,
             (unsigned long long)b);
}

/* ---- records made from ids, so that each can be checked to the byte ---- */

static size_t make_payload(uint32_t id, char *out, size_t cap)
{
    size_t n = 8 + (id * 2654435761u >> 20) % (id % 16 == 0 ? cap - 8 : 120);

    snprintf(out, cap, "%08x", id);
    for (size_t i = 8; i < n; i++)
        out[i] = (char)(id * 31 + i * 7);
    return n;
}

static void make_record(uint32_t id, struct record *r, char device[16], char *payload, size_t cap)
{
    snprintf(device, 16, "dev-%u", id % 5);
    *r = (struct record){ .kind = (enum record_kind)(1 + id % 5),
                          .device = str_of(device),
                          .stream = id % 3 ? STR("env") : STR("gps"),
                          .content_type = id % 7 ? STR("") : STR("text/plain"),
                          .wall_ns = (int64_t)id * 1000,
                          .uptime_ns = id + 1 };
    r->payload = str_from(payload, make_payload(id, payload, cap));
    if (id % 4 == 1) {
        r->origin = (struct uuid){ { (uint8_t)(1 + id % 3) } };
        r->origin_epoch = id % 5;
        r->origin_seq = id;
    }
    if (id % 31 == 7) {
        *r = (struct record){ .kind = RECORD_MARK,
                              .wall_ns = id,
                              .origin = { { (uint8_t)(1 + id % 3) } },
                              .origin_seq = id + 1 };
        return;
    }
    if (id % 6 == 2)
        r->id = (struct uuid){ { 7, (uint8_t)id } };
    if (id % 5 == 0)
        r->flags |= RECORD_ARRIVAL;
    if (id % 9 == 0) {
        r->flags |= RECORD_CORRECTED;
        r->sent_ns = -(int64_t)id;
    }
}

static void check_record(const struct model *m, const struct record *got, uint32_t *out_id)
{
    char device[16], payload[1200];
    uint64_t id = 0;
    struct record want;

    if (got->kind == RECORD_MARK && got->origin_seq > 0 && got->origin_seq <= m->ids)
        id = got->origin_seq - 1;
    else if (got->payload.n < 8 || str_to_hex(str_sub(got->payload, 0, 8), &id) < 0 || id >= m->ids)
        fail_at(m, "a record that was never handed in", got->seq, id);
    make_record((uint32_t)id, &want, device, payload, 1000);
    if (want.kind != got->kind || !str_eq(got->payload, want.payload) ||
        !str_eq(got->device, want.device) || !str_eq(got->stream, want.stream) ||
        !str_eq(got->content_type, want.content_type) || got->wall_ns != want.wall_ns ||
        got->uptime_ns != want.uptime_ns || got->flags != want.flags ||
        got->sent_ns != want.sent_ns || !uuid_eq(&got->id, &want.id))
        fail_at(m, "a record was altered", got->seq, id);
    if (want.origin_seq ? got->origin_seq != want.origin_seq || !uuid_eq(&got->origin, &want.origin)
                        : got->origin_seq != got->seq)
        fail_at(m, "an identity was altered", got->seq, id);
    if (want.origin_seq ? got->origin_epoch != want.origin_epoch : got->origin_epoch == 0)
        fail_at(m, "an epoch was altered", got->seq, id);
    if (m->fate[id] == FATE_ACKED && m->acked[got->seq] == id + 1 &&
        got->origin_epoch != m->epoch[id])
        fail_at(m, "an epoch changed", got->seq, id);
    *out_id = (uint32_t)id;
}

/* ---- the journal ---- */

static uint64_t source_head(void *ctx)
{
    return ((struct model *)ctx)->spool.durable_seq;
}
static uint64_t source_epoch(void *ctx)
{
    return ((struct model *)ctx)->spool.epoch;
}
static size_t source_locate(void *ctx, uint64_t seq, struct spool_row *out, size_t max,
                            uint64_t *out_epoch)
{
    struct model *m = ctx;

    *out_epoch = m->spool.epoch;
    /* A few at a time, so that the edges of the answer are met. */
    return spool_locate(&m->spool, seq, out, max < 3 ? max : 3);
}

static struct life_span source_life(void *ctx, uint64_t seq)
{
    return spool_life(&((struct model *)ctx)->spool, seq);
}

static void disarm(struct model *m)
{
    m->disk->fail_times = 0;
}

static void open_all(struct model *m)
{
    struct reader_source source = {
        m, source_head, source_epoch, source_locate, source_life, NULL
    };
    struct fault f = { 0 };
    uint64_t faults = m->disk->faults;
    int rc = spool_open(&m->spool, &m->disk->base, &m->o, 1000, &f);

    if (rc < 0 && m->disk->faults == faults)
        fail_at(m, f.text, 0, 0);
    if (rc < 0) {
        disarm(m);
        rc = spool_open(&m->spool, &m->disk->base, &m->o, 1000, &f);
        if (rc < 0)
            fail_at(m, f.text, 1, 0);
    }
    m->is_open = true;
    if (m->spool.durable_seq < m->acked_last)
        fail_at(m, "acknowledged numbers are gone", m->spool.durable_seq, m->acked_last);
    if (m->spool.durable_seq < m->sink)
        fail_at(m, "numbers that the sink has will come again", m->spool.durable_seq, m->sink);
    m->cursor_row = spool_cursor(&m->spool, "sink", true);
    /* A lost cursor starts before the oldest record, which may be beyond numbers that were never
     * acknowledged, or were dropped. */
    for (uint64_t s = m->sink + 1; s <= m->cursor_row->seq && s < SEQ_MAX && !m->drops; s++)
        if (m->acked[s])
            fail_at(m, "the cursor is ahead of the sink", m->cursor_row->seq, m->sink);
    cell_set(&m->cursor, m->sink);
    m->cursor_row->at = &m->cursor;
    reader_init(&m->reader, &source, &m->disk->base, &m->spool.id.journal, m->spool.id.key, m->sink,
                2048);
}

static void close_all(struct model *m)
{
    reader_fini(&m->reader);
    if (mem_below(m->disk, 3) == 0)
        (void)spool_finish(&m->spool);
    spool_close(&m->spool);
    m->is_open = false;
}

/* What was answered without a flush, and was not flushed since, may be gone. */
static void forget_beyond(struct model *m, uint64_t last)
{
    for (uint64_t s = last + 1; s <= m->acked_last; s++) {
        if (m->acked[s])
            m->fate[m->acked[s] - 1] = FATE_OPEN;
        m->acked[s] = 0;
    }
    if (m->acked_last > last)
        m->acked_last = last;
}

static void cut(struct model *m)
{
    close_all(m);
    forget_beyond(m, m->spool.durable_seq);
    disk_mem_cut(m->disk);
}

static bool has_failed(struct model *m)
{
    bool failed = m->spool.counts.failed_flushes != m->failed_flushes;

    m->failed_flushes = m->spool.counts.failed_flushes;
    return failed;
}

/* ---- steps ---- */

static uint64_t below(struct model *m, uint64_t n)
{
    return mem_below(m->disk, n);
}

#define GROUP_MAX 12

static void step_append(struct model *m)
{
    static char payload[GROUP_MAX * 3][1200], device[GROUP_MAX * 3][16];
    struct record records[GROUP_MAX * 3];
    struct journal_entry entries[GROUP_MAX] = { 0 };
    uint32_t first_id[GROUP_MAX];
    uint64_t durable;
    size_t count = 1 + (size_t)below(m, GROUP_MAX), at = 0;
    struct queue_node *chain = NULL, **end = &chain;

    for (size_t i = 0; i < count; i++) {
        entries[i].records = &records[at];
        entries[i].count = 1 + (size_t)below(m, 3);
        first_id[i] = m->ids;
        if (m->ids + 3 >= IDS_MAX)
            return;
        for (size_t k = 0; k < entries[i].count; k++, at++) {
            m->fate[m->ids] = FATE_OPEN;
            make_record(m->ids++, &records[at], device[at], payload[at], 1000);
        }
        entries[i].lazy = m->lazy && first_id[i] % 5 < 3;
        entries[i].node.next = NULL;
        *end = &entries[i].node;
        end = &entries[i].node.next;
    }
    if (m->lazy && count > 1 && m->ids % 2 == 0) /* whole groups, too */
        for (size_t i = 0; i < count; i++)
            entries[i].lazy = true;
    durable = m->spool.durable_seq;
    spool_commit(&m->spool, chain);
    if (has_failed(m))
        forget_beyond(m, durable);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < entries[i].count && entries[i].code == 0; k++) {
            uint64_t seq = entries[i].records[k].seq;

            if (seq <= m->acked_last || seq <= m->sink ||
                seq > (entries[i].lazy ? m->spool.lazy_seq : m->spool.durable_seq) ||
                seq >= SEQ_MAX)
                fail_at(m, "a number out of order was acknowledged", seq, m->acked_last);
            m->acked[seq] = first_id[i] + (uint32_t)k + 1;
            m->fate[first_id[i] + k] = FATE_ACKED;
            m->epoch[first_id[i] + k] = entries[i].records[k].origin_epoch;
            m->acked_last = seq;
            m->records++;
            m->lazies += entries[i].lazy && seq > m->spool.durable_seq;
        }
}

static void take_gap(struct model *m, const struct record *g)
{
    if (g->first != m->sink + 1 || g->seq < g->first || g->origin_seq != g->seq)
        fail_at(m, "a gap that does not fit", g->first, g->seq);
    for (uint64_t s = g->first; s <= g->seq && s < SEQ_MAX && !m->drops; s++)
        if (m->acked[s])
            fail_at(m, "an acknowledged record is lost", s, m->acked[s] - 1);
    m->sink = g->seq;
    m->gaps++;
}

static void step_read(struct model *m)
{
    struct record out[16];
    size_t n = 0;
    uint64_t faults = m->disk->faults;
    size_t max = 1 + (size_t)below(m, COUNT_OF(out)), max_bytes = 1 + (size_t)below(m, 4000);
    int rc = reader_next(&m->reader, out, max, max_bytes, &n);

    if (rc < 0 && m->disk->faults == faults)
        fail_at(m, "reading failed by itself", (uint64_t)-rc, 0);
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint32_t id = 0;

        if (out[i].kind == RECORD_GAP) {
            take_gap(m, &out[i]);
            continue;
        }
        if (out[i].seq != m->sink + 1)
            fail_at(m, "a record out of order", out[i].seq, m->sink);
        if (out[i].seq > m->spool.durable_seq)
            fail_at(m, "a record beyond the head", out[i].seq, m->spool.durable_seq);
        check_record(m, &out[i], &id);
        if (m->acked[out[i].seq] && m->acked[out[i].seq] != id + 1)
            fail_at(m, "another record under an acknowledged number", out[i].seq, id);
        if (m->seen[id] && m->fate[id] == FATE_ACKED && !m->acked[out[i].seq])
            fail_at(m, "an acknowledged record a second time", out[i].seq, id);
        m->seen[id] = 1;
        m->sink = out[i].seq;
    }
}

static void step_fault(struct model *m)
{
    static const unsigned masks[] = {
        1u << MEM_CALL_WRITE,    1u << MEM_CALL_SYNC,   1u << MEM_CALL_SYNC_DIR,
        1u << MEM_CALL_ALLOCATE, 1u << MEM_CALL_RENAME, 1u << MEM_CALL_OPEN,
        1u << MEM_CALL_UNLINK,   1u << MEM_CALL_READ,   (1u << MEM_CALLS) - 1,
    };

    m->disk->fail_mask = masks[below(m, COUNT_OF(masks))];
    m->disk->fail_after = below(m, 12);
    m->disk->fail_times = 1 + below(m, below(m, 3) == 0 ? 20 : 2);
    m->disk->fail_code = below(m, 3) == 0 ? -ENOSPC : -EIO;
}

static void step(struct model *m)
{
    uint64_t what = below(m, 20), durable;

    if (getenv("WAYSIDE_LOG"))
        fprintf(stderr, "step %llu: head %llu acked %llu sink %llu rows %zu error %d\n",
                (unsigned long long)what, (unsigned long long)m->spool.durable_seq,
                (unsigned long long)m->acked_last, (unsigned long long)m->sink, m->spool.count,
                m->spool.error);
    switch (what) {
    case 0:
        m->kills++;
        close_all(m);
        open_all(m);
        break;
    case 1:
        m->cuts++;
        cut(m);
        open_all(m);
        break;
    case 2:
        step_fault(m);
        break;
    case 3:
        disarm(m);
        break;
    case 4:
    case 5:
    case 6:
        cell_raise(&m->cursor, m->sink);
        m->disk->mono += below(m, 400) * 1000000;
        durable = m->spool.durable_seq;
        (void)spool_tend(&m->spool, below(m, 4) == 0);
        if (has_failed(m))
            forget_beyond(m, durable);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
        step_read(m);
        break;
    default:
        step_append(m);
        break;
    }
}

static void run(uint64_t seed, struct model *totals)
{
    struct model *m = NEW(struct model);
    uint64_t before = 0;

    m->seed = seed;
    m->lazy =
        seed % 7 == 3 || seed % 7 == 6; /* drawn from nothing: what seeds once found stays found */
    m->disk = disk_mem_new(seed);
    m->acked = mem_new_array(SEQ_MAX, sizeof(uint32_t));
    m->disk->no_sync = getenv("WAYSIDE_NO_SYNC") != NULL;
    m->o = journal_options_default();
    m->o.segment_bytes = KIB(4) << below(m, 4);
    m->o.quota_bytes = m->o.segment_bytes * (4 + below(m, 8));
    m->o.free_floor_bytes = below(m, 2) * KIB(8);
    m->disk->capacity = m->o.quota_bytes * 2 + (below(m, 4) == 0 ? 0 : MIB(1));
    m->drops = below(m, 4) == 0;
    for (unsigned k = 1; k < RECORD_KINDS && m->drops; k++)
        m->o.policy[k] = JOURNAL_DROP_OLDEST;
    open_all(m);
    for (int i = 0; i < STEPS; i++)
        step(m);
    /* The end: nothing fails any more, and the sink reads all that there is. */
    disarm(m);
    close_all(m);
    if (below(m, 2) == 0) {
        forget_beyond(m, m->spool.durable_seq);
        disk_mem_cut(m->disk);
    }
    open_all(m);
    while (m->sink < m->spool.durable_seq) {
        before = m->sink;
        step_read(m);
        if (m->sink == before)
            fail_at(m, "the reader does not come to an end", m->sink, m->spool.durable_seq);
    }
    if (m->sink < m->acked_last)
        fail_at(m, "the end does not come", m->sink, m->acked_last);
    totals->gaps += m->gaps;
    totals->cuts += m->cuts;
    totals->kills += m->kills;
    totals->records += m->records;
    totals->lazies += m->lazies;
    totals->faults += m->disk->faults;
    close_all(m);
    mem_free_disk(&m->disk->base);
    mem_free(m->acked);
    mem_free(m);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    uint64_t v = 0;

    return getenv(name) && str_to_u64(str_of(getenv(name)), &v) == 0 ? v : otherwise;
}

static void test_random_schedules_hold_what_was_acknowledged(void **state)
{
    uint64_t first = from_environment("WAYSIDE_SEED", 1);
    uint64_t count = from_environment("WAYSIDE_SCHEDULES", SCHEDULES);
    struct model *totals = NEW(struct model);

    (void)state;
    for (uint64_t i = 0; i < count; i++)
        run(first + i, totals);
    printf("%llu schedules: %llu records acknowledged, %llu power cuts, %llu kills, %llu failed "
           "calls, %llu gaps\n",
           (unsigned long long)count, (unsigned long long)totals->records,
           (unsigned long long)totals->cuts, (unsigned long long)totals->kills,
           (unsigned long long)totals->faults, (unsigned long long)totals->gaps);
    /* The schedules must have exercised what they are for. */
    if (count >= SCHEDULES) {
        assert_true(totals->records > 10 * count);
        assert_true(totals->lazies > count);
        assert_true(totals->cuts > count && totals->faults > count);
    }
    mem_free(totals);
}

static void test_seeds_that_once_found_something_hold(void **state)
{
    static const uint64_t seeds[] = { 438, 19257, 44581, 1006209, 1033053, 1047134, 5014032 };
    struct model *totals = NEW(struct model);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(seeds); i++)
        run(seeds[i], totals);
    assert_true(totals->records > 0);
    mem_free(totals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeds_that_once_found_something_hold),
        cmocka_unit_test(test_random_schedules_hold_what_was_acknowledged),
    };

    log_setup(getenv("WAYSIDE_LOG") ? LOG_DEBUG : LOG_OFF, LOG_LOGFMT, 2);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
