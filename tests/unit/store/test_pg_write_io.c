/* What only the PostgreSQL writer has to do: other hubs and people at the same tables, text as that
 * server takes it, ids that must not pile up. */
#include "store/pg_names_io.h"
#include "unit/store/store_fixture.h"

static struct scratch *opened(void **state)
{
    struct scratch *x = *state;

    scratch_open(x);
    return x;
}

static void a_reason_that_is_no_text_is_told_as_unknown(void **state)
{
    struct scratch *x = opened(state);
    struct record r[3] = { gap(JOURNAL_A, 1, 1, 1), gap(JOURNAL_A, 2, 2, 2),
                           gap(JOURNAL_A, 3, 3, 3) };
    struct seen s = { 0 };

    r[0].payload = STR("\xff\xfe");
    r[1].payload = str_from("a\0b", 3);
    assert_int_equal(store_write(x->s, r, 3, 3, NULL), 0);
    ask(x, (struct store_query){ .what = STORE_GAPS }, &s);
    assert_string_equal(s.text, "a:3-3 dropped;a:2-2 unknown;a:1-1 unknown;");
}

static struct record with_id(uint64_t seq, int64_t wall_ns, unsigned id)
{
    struct record r = reading(seq, 0, "pi", "env", "1");

    r.wall_ns = wall_ns;
    r.id = (struct uuid){ { (uint8_t)id, (uint8_t)(id >> 8), 1 } };
    return r;
}

/* However many ids of long ago there are, writing on drops them all, without waiting for a clock. */
static void old_ids_are_dropped_faster_than_new_ones_come(void **state)
{
    enum { NEW = 400 };
    struct scratch *x = opened(state);
    static struct record r[4 * NEW];
    uint64_t done = 1;

    for (unsigned i = 0; i < COUNT_OF(r); i++)
        r[i] = with_id(i + 1, 1000 + i, i);
    assert_int_equal(store_write(x->s, r, 1, 1, NULL), 0);
    store_close(x->s);
    x->s = NULL;
    pg_other("INSERT INTO wayside.ids SELECT (SELECT id FROM wayside.streams),"
             " decode(lpad(n::text, 32, 'f'), 'hex'), 1, 1 FROM generate_series(1, 2300) n");
    scratch_open(x);
    for (; done + NEW <= COUNT_OF(r); done += NEW)
        assert_int_equal(store_write(x->s, r + done, NEW, done + NEW, NULL), 0);
    assert_int_equal(pg_other("SELECT count(*) FROM wayside.ids WHERE seen_ns = 1"), 0);
    assert_int_equal(pg_other("SELECT count(*) FROM wayside.ids"), done);
}

/* A device's clock may say anything. */
static void an_id_at_the_end_of_time_is_no_failure(void **state)
{
    struct scratch *x = opened(state);
    struct record r[3] = { with_id(1, INT64_MAX - 1, 1), with_id(2, INT64_MIN + 1, 2),
                           with_id(3, 3, 3) };

    assert_int_equal(store_write(x->s, r, 2, 2, NULL), 0);
    store_close(x->s);
    x->s = NULL;
    pg_other(
        "UPDATE wayside.ids SET seen_ns = extract(epoch FROM now() - interval '1 hour')::bigint"
        " * 1000000000");
    scratch_open(x);
    assert_int_equal(store_write(x->s, r + 2, 1, 3, NULL), 0);
    assert_int_equal(pg_other("SELECT count(*) FROM wayside.ids WHERE wall_ns < 0"), 0);
    assert_int_equal(pg_other("SELECT count(*) FROM wayside.ids"), 2);
}

/* Senders name their content types: they must not fill the memory. */
static void content_types_are_not_remembered_without_end(void **state)
{
    struct scratch *x = opened(state);
    struct pg pg;
    struct pg_names n;
    int64_t id = 0, first = 0;

    pg_init(&pg, &x->c, pg_names_sql, PG_NAMES_SQL);
    assert_int_equal(pg_ready(&pg, false, NULL), 0);
    pg_names_init(&n, &pg);
    assert_int_equal(pg_names_content(&n, STR("image/first"), &first), 0);
    assert_int_equal(pg_command(&pg, "BEGIN"), 0);
    for (unsigned i = 0; i < 1500; i++) {
        char name[32];

        snprintf(name, sizeof(name), "image/%u", i);
        assert_int_equal(pg_names_content(&n, str_of(name), &id), 0);
    }
    assert_int_equal(pg_command(&pg, "COMMIT"), 0);
    pg_names_settle(&n);
    assert_true(n.contents.count <= 1000);
    assert_int_equal(pg_names_content(&n, STR("image/first"), &id), 0);
    assert_int_equal(id, first);
    pg_names_fini(&n);
    pg_fini(&pg);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

RUN_PG(STORE_TEST(a_reason_that_is_no_text_is_told_as_unknown),
       STORE_TEST(old_ids_are_dropped_faster_than_new_ones_come),
       STORE_TEST(an_id_at_the_end_of_time_is_no_failure),
       STORE_TEST(content_types_are_not_remembered_without_end))
