/* The set of a stream's numeric names: order, limit, text and back. */
#include "store/fields.h"

#include "base/mem.h"
#include "store/store.h"

#include "unit/unit.h"

#include <stdio.h>

static void keeps_order_and_knows_names(void **state)
{
    struct fields f = { 0 };
    struct buf out = buf_init(1000);

    (void)state;
    assert_true(fields_note(&f, STR("b")));
    assert_true(fields_note(&f, STR("a.x")));
    for (int round = 0; round < 3; round++) {
        assert_false(fields_note(&f, STR("b")));
        assert_false(fields_note(&f, STR("a.x")));
    }
    assert_false(fields_note(&f, STR("a.x")));
    assert_true(fields_note(&f, STR("a")));
    assert_false(fields_note(&f, STR("b")));
    fields_text(&f, &out);
    assert_str(buf_str(&out), "[\"b\",\"a.x\",\"a\"]");
    fields_fini(&f);
    buf_fini(&out);
}

static void stops_at_the_limit(void **state)
{
    struct fields f = { 0 };
    char name[16];

    (void)state;
    for (int i = 0; i < STORE_FIELDS_MAX + 10; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(fields_note(&f, str_of(name)), i < STORE_FIELDS_MAX);
    }
    assert_int_equal(f.count, STORE_FIELDS_MAX);
    assert_false(fields_note(&f, STR("n5")));
    fields_fini(&f);
}

static void text_reads_back(void **state)
{
    static const char *const texts[] = { "[]", "[\"x\"]", "[\"x\",\"y.z\",\"\xc3\xa9, [q]\"]" };
    struct buf out = buf_init(1000);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct fields f = { 0 };

        buf_clear(&out);
        fields_load(&f, str_of(texts[i]));
        assert_int_equal(f.count, i ? 2 * i - 1 : 0);
        fields_text(&f, &out);
        assert_string_equal(buf_cstr(&out), texts[i]);
        fields_fini(&f);
    }
    buf_fini(&out);
}

static void a_payload_that_is_no_json_is_bytes(void **state)
{
    static const struct {
        const char *type, *payload, *want;
        size_t count; /* names known afterwards */
        bool changed;
    } rows[] = {
        { "", "{\"a\":1}", "", 1, true },
        { "", "{\"a\":2}", "", 1, false },
        { "", "{\"b\":{\"c\":1}}", "", 2, true },
        { "", "{\"d\":1", "application/octet-stream", 3, true },
        { "", "\xff\xd8", "application/octet-stream", 3, false },
        { "image/png", "{\"e\":1}", "image/png", 3, false },
    };
    struct fields f = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct record r = { .content_type = str_of(rows[i].type),
                            .payload = str_of(rows[i].payload) };
        bool changed = false;

        assert_true(str_eq(fields_content(&f, &r, &changed), str_of(rows[i].want)));
        assert_int_equal(f.count, rows[i].count);
        assert_int_equal(changed, rows[i].changed);
    }
    fields_fini(&f);
}

RUN(TEST(keeps_order_and_knows_names), TEST(stops_at_the_limit), TEST(text_reads_back),
    TEST(a_payload_that_is_no_json_is_bytes))
