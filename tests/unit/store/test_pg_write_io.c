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

/* Puts the tables back to where they were at 5, as restoring a dump does under an open connection. */
static void go_back_to_5(bool forget_sink)
{
    pg_other("DELETE FROM wayside.records WHERE origin_seq > 5;"
             "DELETE FROM wayside.streams WHERE name = 'late';"
             "DELETE FROM wayside.devices WHERE name = 'late';"
             "UPDATE wayside.origins SET last_seq = 5; UPDATE wayside.journals SET high_seq = 5;"
             "UPDATE wayside.sinks SET position = 5");
    if (forget_sink)
        pg_other("DELETE FROM wayside.sinks");
}

/* What is there: rows with their names, and where the database says that it is. */
static void check_12_rows(void)
{
    assert_int_equal(pg_other("SELECT count(DISTINCT origin_seq) * 100 + count(*)"
                              " FROM wayside.records r JOIN wayside.streams s ON s.id = stream_id"
                              " JOIN wayside.devices d ON d.id = r.device_id"),
                     1212);
    assert_int_equal(pg_other("SELECT position FROM wayside.sinks"), 12);
}

static void a_database_that_goes_back_under_an_open_connection_is_filled_again(void **state)
{
    struct scratch *x = opened(state);
    struct record r[12];

    for (uint64_t i = 0; i < COUNT_OF(r); i++)
        r[i] = reading(i + 1, (int64_t)i, i < 7 ? "early" : "late", i < 7 ? "env" : "late", "1");
    assert_int_equal(store_begin(x->s, 0), 0);
    assert_int_equal(store_write(x->s, r, 10, 10, NULL), 0);
    for (int round = 0; round < 3; round++) {
        bool gone = round == 1, idle = round == 2;
        uint64_t from = gone ? 0 : 5;

        go_back_to_5(gone);
        assert_int_equal(idle ? store_check(x->s) : store_write(x->s, r + 10, 2, 12, NULL),
                         ERR_BUSY);
        assert_non_null(strstr(store_error(x->s), "older copy"));
        assert_int_equal(store_position(x->s), from);
        assert_int_equal(store_check(x->s), 0);
        assert_int_equal(store_write(x->s, r + from, 12 - from, 12, NULL), 0);
        check_12_rows();
        assert_int_equal(store_check(x->s), 0);
    }
}

/* The hub's journal went back instead: its numbers are below the database's, and go on from there. */
static void a_position_that_the_writer_set_lower_is_no_surprise(void **state)
{
    struct scratch *x = opened(state);
    struct record r[3] = { reading(9, 1, "a", "env", "1"), reading(4, 2, "a", "env", "1"),
                           reading(5, 3, "a", "env", "1") };

    r[1].origin_epoch = r[2].origin_epoch = 2;
    assert_int_equal(store_write(x->s, r, 1, 9, NULL), 0);
    store_close(x->s);
    x->s = NULL;
    scratch_open(x);
    assert_int_equal(store_begin(x->s, 3), 3);
    assert_int_equal(store_write(x->s, r + 1, 1, 4, NULL), 0);
    assert_int_equal(store_check(x->s), 0);
    assert_int_equal(store_write(x->s, r + 2, 1, 5, NULL), 0);
    assert_int_equal(store_position(x->s), 5);
}

/* ---- two hubs at once ---- */

#define TURNS  200
#define SHARED 24 /* devices that both hubs have, and records in a transaction */

struct hub {
    struct store_config c;
    struct thread *thread;
    unsigned seed;
    int code;
    char text[200];
};

static unsigned any(struct hub *h, unsigned below)
{
    h->seed = h->seed * 1103515245u + 12345u;
    return (h->seed >> 16) % below;
}

/* A batch in an order of the hub's own: its devices, some of them new, and now and then what came from
 * three starts of two journals that both hubs have (whose locks make them take turns). */
static int write_turn(struct hub *h, struct store *s, unsigned turn)
{
    struct record r[SHARED];
    char names[SHARED][24], streams[SHARED][24];
    unsigned order[SHARED];
    uint64_t seq = (uint64_t)turn * SHARED;

    for (unsigned i = 0; i < SHARED; i++) {
        unsigned at = any(h, i + 1);

        order[i] = order[at];
        order[at] = i;
    }
    for (unsigned i = 0; i < SHARED; i++) {
        unsigned d = order[i];

        snprintf(names[i], sizeof(names[i]), d % 6 ? "d%u" : "new%u-%u", d, turn);
        snprintf(streams[i], sizeof(streams[i]), "s%u", d % 4);
        r[i] = reading(seq + i + 1, turn, names[i], streams[i], "{\"t\":1}");
        r[i].origin = h->c.journal;
        if (d % 8 > 5 && turn % 4 == 0) {
            r[i].origin = (struct uuid){ { (uint8_t)(d % 2 + 1) } };
            r[i].origin_epoch = d % 3 + 1;
        }
    }
    return store_write(s, r, SHARED, seq + SHARED, NULL);
}

static void run_hub(void *ctx)
{
    struct hub *h = ctx;
    struct store *s = NULL;
    struct fault f = { 0 };

    for (unsigned turn = 0; turn < TURNS && h->code == 0; turn++) {
        if (turn % 20 == 0) { /* and remembers nothing */
            store_close(s);
            s = NULL;
            h->code = store_open(&h->c, &s, &f);
        }
        if (h->code == 0)
            h->code = write_turn(h, s, turn);
        if (h->code < 0)
            snprintf(h->text, sizeof(h->text), "%.190s", s ? store_error(s) : f.text);
    }
    store_close(s);
}

static void two_hubs_with_the_same_devices_never_wait_for_each_other(void **state)
{
    struct scratch *x = *state;
    struct hub hubs[2] = { { .c = x->c, .seed = 1 }, { .c = x->c, .seed = 2 } };

    hubs[1].c.journal = JOURNAL_B;
    for (int i = 0; i < 2; i++)
        hubs[i].thread = thread_start("hub", run_hub, &hubs[i]);
    for (int i = 0; i < 2; i++)
        thread_join(hubs[i].thread);
    for (int i = 0; i < 2; i++)
        if (hubs[i].code != 0)
            fail_msg("%d %s", hubs[i].code, hubs[i].text);
    assert_int_equal(
        pg_other("SELECT count(DISTINCT name) FROM wayside.devices WHERE name ~ '^new'"),
        TURNS * (SHARED / 6));
    assert_int_equal(pg_other("SELECT sum(count) - (SELECT count(*) FROM wayside.records)"
                              " FROM wayside.streams"),
                     0);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

RUN_PG(STORE_TEST(a_reason_that_is_no_text_is_told_as_unknown),
       STORE_TEST(old_ids_are_dropped_faster_than_new_ones_come),
       STORE_TEST(an_id_at_the_end_of_time_is_no_failure),
       STORE_TEST(a_database_that_goes_back_under_an_open_connection_is_filled_again),
       STORE_TEST(a_position_that_the_writer_set_lower_is_no_surprise),
       STORE_TEST(two_hubs_with_the_same_devices_never_wait_for_each_other),
       STORE_TEST(content_types_are_not_remembered_without_end))
