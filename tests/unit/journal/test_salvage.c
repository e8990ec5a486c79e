/* A new journal out of a damaged one. */
#include "journal/salvage.h"

#include "journal/segfile.h"
#include "journal/verify.h"
#include "unit/journal/spool_kit.h"

#define NUMBERS 4000

/* What there was, and what came out. */
struct out {
    struct disk_mem *into;
    struct salvage_summary sum;
    struct fault f;
    uint64_t came[NUMBERS]; /* by number in the old journal: 1 + n of its payload */
    bool lost[NUMBERS], gap[NUMBERS];
    uint64_t records, last, order, foreign;
    uint64_t unnamed, torn, by_frames, by_name, nothing, unreadable, bytes;
    struct uuid journal;
    struct salvage_cursor cursors[8];
    size_t cursor_count;
};

static uint64_t number_of(struct str payload)
{
    uint64_t n = 0;

    assert_true(str_starts(payload, STR("n:")));
    for (size_t i = 2; i < payload.n && payload.p[i] >= '0' && payload.p[i] <= '9'; i++)
        n = n * 10 + (uint64_t)(payload.p[i] - '0');
    return n;
}

static bool on_record(void *ctx, const struct record *r)
{
    struct out *o = ctx;

    assert_int_equal(r->seq, ++o->order);
    if (!uuid_eq(&r->origin, &o->journal)) {
        o->foreign++;
        return true;
    }
    assert_true(r->origin_seq < NUMBERS && r->origin_seq > o->last);
    o->last = r->origin_seq;
    assert_true(r->origin_epoch != 0);
    if (r->kind == RECORD_GAP) {
        for (uint64_t n = r->first; n <= r->origin_seq; n++)
            o->gap[n] = true;
        return true;
    }
    assert_str(r->device, "pi");
    assert_str(r->stream, "env");
    o->came[r->origin_seq] = 1 + number_of(r->payload);
    o->records++;
    return true;
}

static void on_lost(void *ctx, const struct salvage_lost *l)
{
    struct out *o = ctx;

    assert_true(l->first <= l->last && l->last < NUMBERS && !l->refused);
    for (uint64_t n = l->first; n <= l->last; n++)
        o->lost[n] = true;
}

static void on_file(void *ctx, const struct salvage_file *f)
{
    struct out *o = ctx;

    o->unnamed += f->unnamed;
    o->torn += f->torn;
    o->by_frames += f->how == SALVAGE_FRAMES;
    o->by_name += f->how == SALVAGE_NAME;
    o->nothing += f->how == SALVAGE_NOTHING;
    o->unreadable += f->unreadable;
}

static void on_bytes(void *ctx, uint64_t n)
{
    ((struct out *)ctx)->bytes += n;
}

static void on_cursor(void *ctx, const struct salvage_cursor *c)
{
    struct out *o = ctx;

    o->cursors[o->cursor_count++] = *c;
}

/* The folder damaged/ of a disk in memory, as a disk of its own. */
struct aside {
    struct disk base;
    struct disk_mem *of;
};
static int aside_open(struct disk *d, const char *name, unsigned flags)
{
    struct aside *a = container_of(d, struct aside, base);
    char full[80];

    snprintf(full, sizeof(full), "damaged/%s", name);
    return a->of->base.ops->open(&a->of->base, full, flags);
}
static void aside_close(struct disk *d, int file)
{
    struct aside *a = container_of(d, struct aside, base);

    a->of->base.ops->close(&a->of->base, file);
}
static int aside_read(struct disk *d, int file, void *out, size_t n, uint64_t at, size_t *out_got)
{
    struct aside *a = container_of(d, struct aside, base);

    return a->of->base.ops->read(&a->of->base, file, out, n, at, out_got);
}
static int aside_list(struct disk *d, void (*each)(void *ctx, const char *name, uint64_t bytes),
                      void *ctx)
{
    const struct disk_mem *m = container_of(d, struct aside, base)->of;

    for (size_t i = 0; i < m->live.count; i++)
        if (str_starts(str_of(m->live.row[i].name), STR("damaged/")))
            each(ctx, m->live.row[i].name + 8, m->files[m->live.row[i].file].live_n);
    return 0;
}
static const struct disk_ops aside_ops = {
    .open = aside_open, .close = aside_close, .read = aside_read, .list = aside_list
};

static int salvage_into(struct kit *k, struct out *o, struct disk_mem *into)
{
    struct aside aside = { { &aside_ops }, k->disk };
    struct salvage_folder from[] = { { &k->disk->base, "" }, { &aside.base, "damaged/" } };
    struct salvage_visitor v = { .ctx = o,
                                 .on_cursor = on_cursor,
                                 .on_lost = on_lost,
                                 .on_file = on_file,
                                 .on_bytes = on_bytes };
    struct verify_visitor look = { .ctx = o, .on_record = on_record };
    struct verify_summary sum;
    uint64_t written = k->disk->written, syncs = k->disk->calls[MEM_CALL_SYNC];
    uint64_t renames = k->disk->calls[MEM_CALL_RENAME] + k->disk->calls[MEM_CALL_UNLINK];
    int rc;

    *o = (struct out){ .into = into, .journal = k->spool.id.journal };
    rc = salvage_journal(from, 2, &into->base, &v, &o->sum, &o->f);
    assert_int_equal(k->disk->written, written);
    assert_int_equal(k->disk->calls[MEM_CALL_SYNC], syncs);
    assert_int_equal(k->disk->calls[MEM_CALL_RENAME] + k->disk->calls[MEM_CALL_UNLINK], renames);
    if (rc < 0)
        return rc;
    assert_int_equal(verify_journal(&into->base, &look, &sum), 0);
    assert_false(verify_damaged(&sum));
    assert_false(uuid_eq(&sum.journal, &o->journal));
    assert_true(uuid_eq(&sum.journal, &o->sum.into));
    assert_int_equal(o->sum.new_last, o->order);
    /* What is said to be lost is told to sinks as well, and nothing else. */
    for (uint64_t n = 0; n < NUMBERS; n++) {
        assert_int_equal(o->lost[n], o->gap[n]);
        assert_false(o->lost[n] && o->came[n]);
    }
    return 0;
}

static int salvage(struct kit *k, struct out *o)
{
    return salvage_into(k, o, disk_mem_new(4711));
}

static void out_fini(struct out *o)
{
    o->into->base.ops->free(&o->into->base);
}

/* Where each record lies. */
struct place {
    int file;
    uint64_t at, end, n;
    uint32_t sum;
};
static struct place places[NUMBERS];

static uint32_t sum_of(const struct mem_file *f, uint64_t at, uint64_t end)
{
    uint32_t sum = 0;

    for (; at < end && end <= f->live_n; at++)
        sum = sum * 31 + (unsigned char)f->live[at];
    return sum;
}

static void find_places(struct kit *k)
{
    memset(places, 0, sizeof(places));
    for (size_t i = 0; i < k->spool.count; i++) {
        char name[SEGMENT_NAME_LEN + 1];
        struct segment_id id = k->spool.id;
        struct segfile f;
        struct record r;
        int row;

        id.generation = k->spool.rows[i].generation;
        row = names_at(&k->disk->live, segment_name(id.generation, name));
        segfile_init(&f, &k->disk->base, 1024);
        assert_int_equal(segfile_open(&f, &id, 1), 0);
        while (segfile_next(&f, true, &r) == 0) {
            struct place *p = &places[r.seq];

            p->file = k->disk->live.row[row].file;
            p->n = number_of(r.payload);
            p->at = f.scan.at;
            p->end = p->at;
            p->at -= FRAME_HEAD_SIZE + r.payload.n;
            p->sum = sum_of(&k->disk->files[p->file], p->at, p->end);
        }
        segfile_fini(&f);
    }
}

static bool is_whole(struct kit *k, uint64_t seq)
{
    const struct place *p = &places[seq];
    const struct mem_file *f = &k->disk->files[p->file];

    return p->end > 0 && p->end <= f->live_n && p->sum == sum_of(f, p->at, p->end);
}

/* Every whole record came, with its number, and nothing else did. */
static void check_all_whole(struct kit *k, const struct out *o, uint64_t count)
{
    uint64_t missed = 0;

    for (uint64_t n = 1; n <= count; n++) {
        if (o->came[n])
            assert_int_equal(o->came[n], 1 + places[n].n);
        if (o->came[n] && !is_whole(k, n))
            fail_msg("%llu is damaged and came", (unsigned long long)n);
        missed += is_whole(k, n) && !o->came[n];
    }
    assert_int_equal(missed, o->unnamed);
}

static void rename_segment(struct kit *k, size_t nth, const char *to)
{
    char name[SEGMENT_NAME_LEN + 1];
    int row = names_at(&k->disk->live, segment_name(k->spool.rows[nth].generation, name));

    assert_true(row >= 0);
    snprintf(k->disk->live.row[row].name, sizeof(k->disk->live.row[row].name), "%s", to);
}

static void lose_headers(struct kit *k)
{
    for (size_t i = 0; i < k->spool.count; i++)
        memset(kit_segment(k, i)->live, 0, SEGMENT_HEADER_SIZE);
}

/* Another file with the bytes of the n-th oldest segment. */
static struct mem_file *copy_segment(struct kit *k, size_t nth, const char *name)
{
    struct mem_file *f = kit_segment(k, nth);
    struct disk *d = &k->disk->base;
    uint64_t written = k->disk->written;
    int file = d->ops->open(d, name, DISK_WRITE | DISK_CREATE);

    assert_int_equal(d->ops->write(d, file, f->live, (size_t)f->live_n, 0), 0);
    d->ops->close(d, file);
    k->disk->written = written;
    return kit_file(k, name);
}

/* ---- tests ---- */

static void test_a_whole_journal_comes_out_whole(void **state)
{
    struct kit k;
    struct out o;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 150, 100);
    kit_kill(&k); /* two starts: two epochs */
    kit_append_many(&k, 150, 100);
    find_places(&k);
    assert_int_equal(salvage(&k, &o), 0);
    assert_int_equal(o.records, 300);
    assert_int_equal(o.sum.records, 300);
    assert_int_equal(o.sum.lost, 0);
    assert_int_equal(o.sum.repeated, 0);
    assert_int_equal(o.sum.first_seq, 1);
    assert_int_equal(o.sum.last_seq, 300);
    assert_true(o.sum.id_ok && uuid_eq(&o.sum.journal, &k.spool.id.journal));
    assert_int_equal(o.bytes, o.sum.bytes);
    check_all_whole(&k, &o, 300);
    out_fini(&o);
    kit_fini(&k);
}

enum {
    LOSE_ID = 1,
    LOSE_HEADERS = 2,
    RENAME_ONE = 4,
    PUT_ASIDE = 8,
    FLIP = 16,
    ZERO = 32,
    CUT = 64
};

static void test_every_whole_record_comes_out_whatever_is_lost(void **state)
{
    (void)state;
    for (unsigned what = 0; what < 128; what++) {
        struct kit k;
        struct out o;
        struct mem_file *f;

        kit_init(&k);
        k.disk->random += what * 7919;
        kit_append_many(&k, 120, 50 + what);
        kit_kill(&k);
        kit_append_many(&k, 120, 100);
        find_places(&k);
        for (unsigned i = 0; i < 4 && (what & FLIP); i++) {
            f = kit_segment(&k, mem_below(k.disk, k.spool.count));
            f->live[mem_below(k.disk, f->live_n)] ^= (char)(1 << mem_below(k.disk, 8));
        }
        if (what & ZERO)
            memset(kit_segment(&k, 2)->live + 4096, 0, 700);
        if (what & CUT)
            kit_segment(&k, 1)->live_n = 3000;
        if (what & LOSE_HEADERS)
            lose_headers(&k);
        if (what & LOSE_ID)
            memset(kit_file(&k, SPOOL_ID)->live, 0, SLOTS_BYTES);
        if (what & RENAME_ONE)
            rename_segment(&k, 1, "#12345");
        if (what & PUT_ASIDE)
            rename_segment(&k, 3, "damaged/0.seg");
        assert_int_equal(salvage(&k, &o), 0);
        check_all_whole(&k, &o, 240);
        assert_true(uuid_eq(&o.sum.journal, &k.spool.id.journal));
        assert_int_equal(o.sum.id_ok, !(what & LOSE_ID));
        assert_int_equal(o.foreign, 0);
        for (uint64_t n = places[1].end ? 1 : 2; n < o.sum.last_seq; n++)
            if (!(what & (PUT_ASIDE | RENAME_ONE)))
                assert_true(o.came[n] || o.lost[n]);
        if (what == LOSE_HEADERS)
            assert_true(o.by_name > 0 && o.by_frames == 0);
        if (what == (LOSE_HEADERS | RENAME_ONE))
            assert_int_equal(o.by_frames, 1);
        out_fini(&o);
        kit_fini(&k);
    }
}

static void test_what_was_used_before_is_not_taken_when_all_is_lost(void **state)
{
    struct kit k;
    struct out o;
    struct mem_file *f;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    find_places(&k);
    /* The newest segment holds little of today, and much of an earlier use. */
    f = kit_segment(&k, k.spool.count - 1);
    memcpy(f->live + 1500, kit_segment(&k, 0)->live + 1500, (size_t)KIB(8) - 1500);
    names_drop(&k.disk->live, SPOOL_ID);
    lose_headers(&k);
    assert_int_equal(salvage(&k, &o), 0);
    check_all_whole(&k, &o, 200);
    assert_int_equal(o.by_frames, 0);
    out_fini(&o);
    kit_fini(&k);
}

static void break_record(struct kit *k, uint64_t seq)
{
    k->disk->files[places[seq].file].live[places[seq].at + 20] ^= 1;
}

static void test_frames_in_a_payload_are_never_taken_for_records(void **state)
{
    static char bytes[4096];
    struct buf b = { bytes, 0, sizeof(bytes), sizeof(bytes), false };
    struct record r = { .kind = RECORD_READING, .device = STR("pi"), .stream = STR("env") };
    struct journal_entry e = { .records = &r, .count = 1 };
    struct names names;
    struct kit k;
    struct out o;

    (void)state;
    /* A device that sends frames of its own making, more than all that is true. */
    names_init(&names);
    buf_put(&b, STR("n:4 "));
    names_write(&b, 99, names_add_uuid(&names, &(struct uuid){ { 5 } }, 1), true, 900, 0);
    names_write(&b, 99, names_add(&names, &r), false, 900, 0);
    for (uint64_t n = 900; b.n < 4000; n++) {
        struct frame f = { .type = FRAME_RECORD, .ref = 2, .seq = n, .payload = STR("n:1") };

        frame_write(&b, 99, &f);
    }
    names_fini(&names);
    r.payload = buf_str(&b);
    kit_init(&k);
    kit_append_many(&k, 3, 20);
    spool_commit(&k.spool, &e.node);
    assert_int_equal(e.code, 0);
    k.appended++;
    kit_append_many(&k, 1, 3000);
    kit_append_many(&k, 5, 20);
    assert_int_equal(k.spool.count, 2);
    find_places(&k);
    names_drop(&k.disk->live, SPOOL_ID);
    lose_headers(&k);
    /* The frame around them is damaged, so they lie open. */
    break_record(&k, 4);
    break_record(&k, 5);
    assert_int_equal(salvage(&k, &o), 0);
    check_all_whole(&k, &o, 10);
    assert_int_equal(o.foreign, 0);
    assert_int_equal(o.records, 8);
    out_fini(&o);
    kit_fini(&k);
}

/* Two copies of a journal went on, each by itself; somebody put their segments together. */
static void test_records_of_copies_are_not_taken_for_one_another(void **state)
{
    struct kit_image image, *there = &image;
    struct verify_summary sum;
    struct verify_visitor none = { 0 };
    struct salvage_folder from;
    struct salvage_summary s;
    struct disk_mem *into = disk_mem_new(4711);
    struct mem_file *f;
    struct fault fault = { 0 };
    struct salvage_visitor v = { 0 };
    struct kit k;
    char *kept;
    size_t n;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 30, 100);
    spool_close(&k.spool);
    kit_save(&k, there);
    kit_open(&k);
    kit_append_many(&k, 10, 100); /* 31 to 40 of the one */
    f = kit_segment(&k, k.spool.count - 1);
    n = (size_t)f->live_n;
    kept = mem_dup(f->live, n);
    spool_close(&k.spool);
    kit_restore(&k, there);
    kit_image_fini(there);
    kit_open(&k);
    kit_append_many(&k, 10, 100); /* and of the other */
    f = copy_segment(&k, 0, "of the other");
    memset(f->live, 0, (size_t)f->live_n);
    memcpy(f->live, kept, n < f->live_n ? n : (size_t)f->live_n);
    from = (struct salvage_folder){ &k.disk->base, "" };
    assert_int_equal(salvage_journal(&from, 1, &into->base, &v, &s, &fault), 0);
    assert_int_equal(s.records, 50);
    assert_int_equal(s.repeated, 0);
    assert_int_equal(s.lost, 0);
    assert_int_equal(verify_journal(&into->base, &none, &sum), 0);
    assert_int_equal(sum.records, 50);
    mem_free(kept);
    into->base.ops->free(&into->base);
    kit_fini(&k);
}

static void test_a_copy_of_a_segment_heals_the_other(void **state)
{
    struct kit k;
    struct out o;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    find_places(&k);
    (void)copy_segment(&k, 1, "copy of it");
    kit_segment(&k, 1)->live[3000] ^= 1;
    copy_segment(&k, 2, "copy.seg")->live[3000] ^= 1;
    kit_segment(&k, 2)->live[5000] ^= 1;
    assert_int_equal(salvage(&k, &o), 0);
    assert_int_equal(o.records, 200);
    assert_int_equal(o.sum.lost, 0);
    assert_true(o.sum.repeated > 50);
    out_fini(&o);
    kit_fini(&k);
}

static void test_a_segment_that_was_given_up_gives_nothing_twice(void **state)
{
    struct kit k;
    struct out o;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 20, 100);
    k.disk->fail_mask = 1u << MEM_CALL_SYNC;
    k.disk->fail_times = 1;
    k.disk->fail_code = -EIO;
    kit_append_many(&k, 20, 100);
    assert_true(k.spool.count >= 2);
    find_places(&k);
    assert_int_equal(salvage(&k, &o), 0);
    assert_int_equal(o.records, 40);
    assert_int_equal(o.sum.repeated, 0);
    out_fini(&o);
    kit_fini(&k);
}

static void test_segments_of_another_journal_keep_their_identity(void **state)
{
    struct kit k, other;
    struct out o;
    struct mem_file *f;

    (void)state;
    kit_init(&other);
    other.disk->random += 5;
    kit_fini(&other);
    other = (struct kit){ .disk = disk_mem_new(77), .o = other.o };
    kit_open(&other);
    kit_append_many(&other, 30, 100);
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    f = copy_segment(&k, 0, "damaged/1.seg");
    memcpy(f->live, kit_segment(&other, 0)->live, (size_t)f->live_n);
    assert_int_equal(salvage(&k, &o), 0);
    assert_int_equal(o.records, 200);
    assert_int_equal(o.foreign, 30);
    assert_int_equal(o.sum.foreign, 30);
    assert_int_equal(o.sum.records, 230);
    assert_int_equal(o.sum.lost, 0);
    out_fini(&o);
    kit_fini(&other);
    kit_fini(&k);
}

static void set_cursor(struct kit *k, const char *name, struct cell *at, uint64_t seq)
{
    spool_cursor(&k->spool, name, true)->at = at;
    cell_set(at, seq);
}

static void test_losses_count_for_the_slowest_sink(void **state)
{
    struct cell hub = { 0 }, store = { 0 };
    struct spool_cursor *c;
    struct kit k;
    struct out o;
    struct spool again;
    struct fault f;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    set_cursor(&k, "hub", &hub, 40);
    set_cursor(&k, "store", &store, 190);
    (void)spool_tend(&k.spool, true);
    find_places(&k);
    for (unsigned i = 0; i < 3; i++) {
        static const uint64_t hit[] = { 35, 60, 195 };

        k.disk->files[places[hit[i]].file].live[places[hit[i]].at + 50] ^= 1;
    }
    assert_int_equal(salvage(&k, &o), 0);
    assert_int_equal(o.sum.lost, 2);
    assert_true(!o.lost[35] && o.lost[60] && o.lost[195]);
    assert_int_equal(o.cursor_count, 2);
    assert_true(o.cursors[0].ok && o.cursors[1].ok);
    /* Both are there again and begin in front of everything, so nothing is trimmed behind them. */
    assert_int_equal(spool_open(&again, &o.into->base, &k.o, 4096, &f), 0);
    for (unsigned i = 0; i < 2; i++) {
        c = spool_cursor(&again, i ? "hub" : "store", false);
        assert_non_null(c);
        assert_int_equal(c->seq, 0);
    }
    spool_close(&again);
    out_fini(&o);

    /* A cursor that is damaged may have stood anywhere. */
    memset(kit_file(&k, "cursor-hub")->live, 0, SLOTS_BYTES);
    assert_int_equal(salvage(&k, &o), 0);
    assert_int_equal(o.sum.lost, 3);
    assert_true(o.lost[35]);
    out_fini(&o);
    kit_fini(&k);
}

static void test_what_is_known_to_have_been_there_is_lost(void **state)
{
    struct cell hub = { 0 }, store = { 0 };
    struct kit k;
    struct out o;
    char name[SEGMENT_NAME_LEN + 1];
    uint64_t first;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    set_cursor(&k, "hub", &hub, 10);
    set_cursor(&k, "store", &store, 199);
    (void)spool_tend(&k.spool, true);
    first = k.spool.rows[k.spool.count - 1].first_seq;
    names_drop(&k.disk->live, segment_name(k.spool.id.generation, name));
    assert_int_equal(salvage(&k, &o), 0);
    assert_int_equal(o.sum.lost_from, first);
    assert_int_equal(o.sum.last_seq, first - 1);
    /* As far as a sink has come; of the 200th nobody knows. */
    assert_true(o.lost[first] && o.lost[199] && !o.lost[200] && !o.lost[first - 1]);
    out_fini(&o);
    kit_fini(&k);
}

static void test_old_segments_that_were_put_aside_are_no_loss(void **state)
{
    struct cell hub = { 0 };
    struct kit k;
    struct out o;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 60, 100);
    find_places(&k);
    (void)copy_segment(&k, 0, "damaged/0.seg");
    kit_append_many(&k, 200, 100);
    set_cursor(&k, "hub", &hub, 200);
    (void)spool_tend(&k.spool, true);
    names_drop(&k.disk->live, "cursor-hub");
    assert_true(k.spool.rows[0].first_seq > 100);
    assert_int_equal(salvage(&k, &o), 0);
    assert_int_equal(o.sum.first_seq, 1);
    assert_int_equal(o.sum.lost, 0);
    assert_true(o.came[1] && o.came[260]);
    out_fini(&o);
    kit_fini(&k);
}

static void test_a_torn_end_is_told(void **state)
{
    struct kit k;
    struct out o;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 20, 100);
    find_places(&k);
    k.disk->files[places[20].file].live[places[20].at + 60] ^= 1;
    assert_int_equal(salvage(&k, &o), 0);
    assert_int_equal(o.torn, 1);
    assert_int_equal(o.records, 19);
    out_fini(&o);
    k.disk->files[places[20].file].live[places[20].at + 60] ^= 1;
    assert_int_equal(salvage(&k, &o), 0);
    assert_int_equal(o.torn, 0);
    assert_int_equal(o.records, 20);
    out_fini(&o);
    kit_fini(&k);
}

static void test_blocks_that_cannot_be_read_cost_what_is_in_them(void **state)
{
    struct kit k;
    struct out o;

    (void)state;
    kit_init(&k);
    kit_append_many(&k, 200, 100);
    kit_spoil(&k, 1, 4096, 512);
    assert_int_equal(salvage(&k, &o), 0);
    assert_true(o.sum.lost > 3 && o.sum.lost < 40);
    assert_int_equal(o.records + o.sum.lost, 200);
    out_fini(&o);
    kit_fini(&k);
}

static void test_what_cannot_be_done_is_said(void **state)
{
    struct disk_mem *nothing = disk_mem_new(3), *into = disk_mem_new(4), *full = disk_mem_new(5);
    struct salvage_folder from = { &nothing->base, "" };
    struct salvage_visitor v = { 0 };
    struct salvage_summary sum;
    struct fault f = { 0 };
    struct kit k;
    struct out o;
    int file;

    (void)state;
    assert_int_equal(salvage_journal(&from, 1, &into->base, &v, &sum, &f), ERR_UNKNOWN);
    assert_true(f.text[0] != '\0');
    kit_init(&k);
    kit_append_many(&k, 50, 100);
    file = into->base.ops->open(&into->base, "mine", DISK_WRITE | DISK_CREATE);
    into->base.ops->close(&into->base, file);
    assert_int_equal(salvage_into(&k, &o, into), ERR_EXISTS);
    full->capacity = KIB(100);
    assert_int_equal(salvage_into(&k, &o, full), -ENOSPC);
    assert_true(str_find_str(str_of(o.f.text), STR("needs about")) < strlen(o.f.text));
    nothing->base.ops->free(&nothing->base);
    into->base.ops->free(&into->base);
    full->base.ops->free(&full->base);
    kit_fini(&k);
}

static void test_a_new_journal_that_cannot_be_written_is_a_failure(void **state)
{
    (void)state;
    for (uint64_t after = 0; after < 12; after++) {
        struct disk_mem *into = disk_mem_new(8);
        struct kit k;
        struct out o;
        int rc;

        kit_init(&k);
        kit_append_many(&k, 50, 100);
        into->fail_mask = 1u << MEM_CALL_WRITE | 1u << MEM_CALL_SYNC | 1u << MEM_CALL_SYNC_DIR;
        into->fail_after = after;
        into->fail_times = 1000;
        into->fail_code = -EIO;
        rc = salvage_into(&k, &o, into);
        /* Behind the last record nothing is needed but the identity's last word. */
        assert_true(rc < 0 || into->faults == 0 || o.records == 50);
        if (after < 4)
            assert_int_equal(rc, -EIO);
        into->base.ops->free(&into->base);
        kit_fini(&k);
    }
}

RUN(TEST(test_a_whole_journal_comes_out_whole),
    TEST(test_every_whole_record_comes_out_whatever_is_lost),
    TEST(test_what_was_used_before_is_not_taken_when_all_is_lost),
    TEST(test_frames_in_a_payload_are_never_taken_for_records),
    TEST(test_records_of_copies_are_not_taken_for_one_another),
    TEST(test_a_copy_of_a_segment_heals_the_other),
    TEST(test_a_segment_that_was_given_up_gives_nothing_twice),
    TEST(test_segments_of_another_journal_keep_their_identity),
    TEST(test_losses_count_for_the_slowest_sink),
    TEST(test_what_is_known_to_have_been_there_is_lost),
    TEST(test_old_segments_that_were_put_aside_are_no_loss), TEST(test_a_torn_end_is_told),
    TEST(test_blocks_that_cannot_be_read_cost_what_is_in_them),
    TEST(test_what_cannot_be_done_is_said),
    TEST(test_a_new_journal_that_cannot_be_written_is_a_failure))
