/* What a repair says. */
#include "unit/unit.h"

#include "base/mem.h"
#include "cli/repair_text.h"

static const struct salvage_file good = { .name = "000000000000002a.seg",
                                          .how = SALVAGE_HEADER,
                                          .records = 100,
                                          .first_seq = 1,
                                          .last_seq = 100 };
static const struct salvage_file bad = { .name = "damaged/0.seg",
                                         .how = SALVAGE_FRAMES,
                                         .records = 8,
                                         .first_seq = 101,
                                         .last_seq = 110,
                                         .damages = 2,
                                         .torn = true };
static const struct salvage_file none = { .name = "README", .how = SALVAGE_NOTHING };
static const struct salvage_summary sum = { .journal = { { 1 } },
                                            .into = { { 2 } },
                                            .records = 108,
                                            .first_seq = 1,
                                            .last_seq = 110,
                                            .lost = 2,
                                            .lost_ranges = 2,
                                            .lost_from = 111 };

static void tell(struct repair_text *r, uint64_t ranges)
{
    struct salvage_cursor hub = { "hub", 40, true }, other = { "other", 0, false };

    repair_text_cursor(r, &hub);
    repair_text_cursor(r, &other);
    for (uint64_t i = 0; i < ranges; i++) {
        struct salvage_lost l = { 103 + 3 * i, 103 + 3 * i + i % 2, false };

        repair_text_lost(r, &l);
    }
    repair_text_file(r, &good);
    repair_text_file(r, &bad);
    repair_text_file(r, &none);
}

static void people_are_told_what_and_how_to_go_on(void **state)
{
    struct repair_text r = repair_text_init(REPAIR_TEXT);
    struct buf out = buf_init(65536);

    (void)state;
    tell(&r, 2);
    assert_int_equal(repair_text_end(&r, &sum, "old", "new", &out), 0);
    assert_str(
        buf_str(&out),
        "new: salvaged 108 records, 1 to 110 of journal 01000000-0000-0000-0000-000000000000, "
        "2 lost\n\n"
        "  000000000000002a.seg     100 records, 1 to 100\n"
        "  damaged/0.seg            8 records, 101 to 110, header and name are lost, 2 damaged "
        "places, ends in a torn record: one that was never acknowledged, or damage\n"
        "  README                   no record\n\n"
        "Lost: 2 records, by their numbers in the old journal:\n"
        "  103\n"
        "  106 to 107\n\n"
        "The newest segment is gone: what was lost from number 111 on, nobody knows.\n"
        "Sinks are told of these as gaps.\n\n"
        "Sinks begin again with the first record, and drop what they have:\n"
        "  hub had all up to 40\n"
        "  other: damaged, so where it was nobody knows\n\n"
        "The old folder is as it was. To put the new one in its place, while the node is "
        "stopped:\n"
        "  mv old old.damaged\n"
        "  mv new old\n");
    buf_fini(&out);
    repair_text_fini(&r);
}

static void many_losses_are_for_programs(void **state)
{
    struct repair_text r = repair_text_init(REPAIR_TEXT);
    struct buf out = buf_init(65536);

    (void)state;
    tell(&r, 25);
    assert_int_equal(repair_text_end(&r, &sum, "old", "new", &out), 0);
    assert_true(str_find_str(buf_str(&out), STR("\n  and 5 more ranges; --json")) < out.n);
    buf_fini(&out);
    repair_text_fini(&r);
}

static void programs_are_told_everything(void **state)
{
    static const struct json_limits limits = { .depth_max = 8 };
    struct repair_text r = repair_text_init(REPAIR_JSON);
    struct buf out = buf_init(65536);
    const struct json_t *last;
    struct json_t *v = NULL;

    (void)state;
    tell(&r, 25);
    assert_int_equal(repair_text_end(&r, &sum, "old", "new", &out), 0);
    assert_int_equal(json_parse(buf_str(&out), &limits, &v, NULL, NULL), 0);
    assert_int_equal(json_to_i64(json_member(v, "salvaged")), 108);
    assert_int_equal(json_to_i64(json_member(v, "lost")), 2);
    assert_int_equal(json_to_i64(json_member(v, "lost_from")), 111);
    assert_int_equal(json_count(json_member(v, "lost_ranges")), 25);
    last = json_element(json_member(v, "lost_ranges"), 1);
    assert_int_equal(json_to_i64(json_member(last, "first")), 106);
    assert_int_equal(json_to_i64(json_member(last, "last")), 107);
    assert_int_equal(json_count(json_member(v, "cursors")), 2);
    assert_int_equal(json_count(json_member(v, "files")), 3);
    assert_str(json_to_str(json_member(json_element(json_member(v, "files"), 1), "known_by")),
               "frames");
    json_free(v);
    buf_fini(&out);
    repair_text_fini(&r);

    /* Nothing to tell is empty lists. */
    r = repair_text_init(REPAIR_JSON);
    assert_int_equal(repair_text_end(&r, &sum, "old", "new", &out), 0);
    assert_int_equal(json_parse(buf_str(&out), &limits, &v, NULL, NULL), 0);
    assert_int_equal(json_count(json_member(v, "files")), 0);
    assert_int_equal(json_kind(json_member(v, "files")), JSON_KIND_ARRAY);
    json_free(v);
    buf_fini(&out);
    repair_text_fini(&r);
}

RUN(TEST(people_are_told_what_and_how_to_go_on), TEST(many_losses_are_for_programs),
    TEST(programs_are_told_everything))
