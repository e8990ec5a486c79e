/* Exactly once, in order, all or nothing: what a batch does to the tables. */
#include "store_fixture.h"

#include "store/schema.h"

#include <sqlite3.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/stat.h>

static struct scratch *opened(void **state)
{
    struct scratch *x = *state;

    scratch_open(x);
    return x;
}

static int64_t number(struct scratch *x, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    int64_t v = -1;

    assert_int_equal(sqlite3_open(x->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    if (sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return v;
}

static void change(struct scratch *x, const char *sql)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(x->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_batch_twice_is_stored_once(void **state)
{
    struct scratch *x = opened(state);
    struct record r[3] = { reading(1, 10, "a", "env", "{\"t\":1}"),
                           reading(2, 11, "a", "env", "{\"t\":2}"),
                           reading(3, 12, "b", "env", "{\"t\":3}") };
    struct store_counts stored = { 0 };

    assert_int_equal(store_write(x->s, r, 3, 3, &stored), 0);
    assert_int_equal(stored.stored, 3);
    assert_int_equal(store_write(x->s, r, 3, 3, &stored), 0);
    assert_int_equal(stored.stored, 0);
    assert_int_equal(store_position(x->s), 3);
    assert_int_equal(number(x, "SELECT count(*) FROM records"), 3);
    assert_int_equal(number(x, "SELECT sum(count) FROM streams"), 3);
}

static void overlapping_batches_add_only_what_is_new(void **state)
{
    struct scratch *x = opened(state);
    struct record r[5];
    struct store_counts stored = { 0 };

    for (uint64_t i = 0; i < 5; i++)
        r[i] = reading(i + 1, (int64_t)i, "a", "env", "1");
    assert_int_equal(store_write(x->s, r, 3, 3, &stored), 0);
    assert_int_equal(store_write(x->s, r + 1, 4, 5, &stored), 0);
    assert_int_equal(stored.stored, 2);
    assert_int_equal(number(x, "SELECT group_concat(origin_seq, '') FROM records ORDER BY id"),
                     12345);
}

/* The process goes away at any point: what comes after is written by a new one. */
static void a_new_process_goes_on_where_the_last_one_was(void **state)
{
    struct scratch *x = opened(state);
    struct record r[10];
    struct store_counts stored = { 0 };

    for (uint64_t i = 0; i < 10; i++)
        r[i] = reading(i + 1, (int64_t)i, "a", i % 2 ? "env" : "host", "{\"t\":1}");
    for (size_t upto = 1; upto <= 10; upto++) {
        assert_int_equal(store_write(x->s, r, upto, upto, &stored), 0);
        assert_int_equal(stored.stored, 1);
        store_close(x->s);
        x->s = NULL;
        scratch_open(x);
        assert_int_equal(store_position(x->s), upto);
        assert_int_equal(store_checkpointed(x->s), upto);
        assert_int_equal(store_cursor(x->s, &JOURNAL_A), upto);
    }
    assert_int_equal(number(x, "SELECT count(*) FROM records"), 10);
    assert_int_equal(number(x, "SELECT count FROM streams WHERE name = 'env'"), 5);
}

static void origins_have_cursors_of_their_own(void **state)
{
    struct scratch *x = opened(state);
    struct record r[4];
    struct store_counts stored = { 0 };

    for (uint64_t i = 0; i < 4; i++)
        r[i] = reading(i + 1, (int64_t)i, "a", "env", "1");
    r[1].origin = r[3].origin = JOURNAL_B;
    r[1].origin_seq = 100;
    r[3].origin_seq = 99; /* already passed */
    assert_int_equal(store_write(x->s, r, 4, 4, &stored), 0);
    assert_int_equal(stored.stored, 3);
    assert_int_equal(store_cursor(x->s, &JOURNAL_A), 3);
    assert_int_equal(store_cursor(x->s, &JOURNAL_B), 100);
    assert_int_equal(store_cursor(x->s, &(struct uuid){ { 9 } }), 0);
    assert_int_equal(number(x, "SELECT local_seq FROM records WHERE origin_seq = 100"), 2);
    assert_int_equal(number(x, "SELECT count(*) FROM records WHERE local_seq IS NULL"), 2);
}

static void position_counts_for_its_own_journal_only(void **state)
{
    struct scratch *x = opened(state);
    struct record r = reading(7, 1, "a", "env", "1");

    assert_int_equal(store_write(x->s, &r, 1, 7, NULL), 0);
    assert_int_equal(store_write(x->s, NULL, 0, 9, NULL), 0);
    assert_int_equal(store_write(x->s, NULL, 0, 8, NULL), 0);
    assert_int_equal(store_position(x->s), 9);
    store_close(x->s);
    x->s = NULL;
    x->c.journal = JOURNAL_B;
    scratch_open(x);
    assert_int_equal(store_position(x->s), 0);
    assert_int_equal(store_cursor(x->s, &JOURNAL_A), 7);
}

static void a_gap_moves_the_cursor_and_is_noted(void **state)
{
    struct scratch *x = opened(state);
    struct record r[2] = { reading(1, 1, "a", "env", "1"), reading(9, 5, "", "", "quota") };
    struct store_counts stored = { 0 };

    r[1] = gap(JOURNAL_A, 9, 2, 9);
    assert_int_equal(store_write(x->s, r, 2, 9, &stored), 0);
    assert_int_equal(store_write(x->s, r, 2, 9, &stored), 0);
    assert_int_equal(stored.stored, 0);
    assert_int_equal(store_cursor(x->s, &JOURNAL_A), 9);
    assert_int_equal(number(x, "SELECT first_seq * 100 + last_seq FROM gaps"), 209);
    assert_int_equal(number(x, "SELECT count(*) FROM gaps"), 1);
}

static void payloads_that_are_no_json_become_bytes(void **state)
{
    struct scratch *x = opened(state);
    struct record r[3] = { reading(1, 1, "a", "env", "{\"t\":1"), reading(2, 2, "a", "pic", ""),
                           reading(3, 3, "a", "env", "\"x\"") };

    r[1].content_type = STR("image/jpeg");
    r[1].payload = str_from("\xff\xd8\0\1", 4);
    assert_int_equal(store_write(x->s, r, 3, 3, NULL), 0);
    assert_int_equal(number(x, "SELECT count(*) FROM records r JOIN contents c ON c.id = content_id"
                               " WHERE c.name = 'application/octet-stream'"
                               " AND typeof(payload) = 'blob'"),
                     1);
    assert_int_equal(number(x, "SELECT length(payload) FROM records r JOIN contents c"
                               " ON c.id = content_id WHERE c.name = 'image/jpeg'"),
                     4);
    assert_int_equal(number(x, "SELECT count(*) FROM records WHERE content_id IS NULL"
                               " AND typeof(payload) = 'text'"),
                     1);
}

static void summaries_follow(void **state)
{
    struct scratch *x = opened(state);
    struct record r[4] = { reading(1, 50, "a", "env", "{\"t\":1,\"in\":{\"h\":2}}"),
                           reading(2, 40, "a", "env", "{\"p\":3,\"s\":\"x\"}"),
                           reading(3, 60, "a", "env", "7"), reading(4, 70, "a", "env", "true") };
    struct seen s = { 0 };

    r[3].kind = RECORD_EVENT;
    assert_int_equal(store_write(x->s, r, 2, 2, NULL), 0);
    assert_int_equal(store_write(x->s, r + 2, 2, 4, NULL), 0);
    assert_int_equal(ask(x, (struct store_query){ .what = STORE_DEVICES }, &s).code, 0);
    assert_string_equal(s.text, "a[env/reading:3@60[\"t\",\"in.h\",\"p\",\"value\"]"
                                " env/event:1@70[]];");
    assert_int_equal(number(x, "SELECT last_wall_ns / 1000000000 FROM devices"), 70);
}

/* With a full disk the batch fails as a whole, and is stored when there is room again. */
static void a_full_disk_loses_nothing(void **state)
{
    struct scratch *x = *state;
    char payload[2000];
    struct record r[20];
    struct store_counts stored = { 0 };
    uint64_t full_at = 0;
    int rc = 0;

    memset(payload, '1', sizeof(payload) - 1);
    payload[sizeof(payload) - 1] = '\0';
    x->c.pages_max = 60;
    scratch_open(x);
    for (uint64_t b = 0; b < 20 && rc == 0; b++) {
        for (uint64_t i = 0; i < 20; i++)
            r[i] = reading(b * 20 + i + 1, (int64_t)i, "a", b % 2 ? "even" : "odd", payload);
        rc = store_write(x->s, r, 20, b * 20 + 20, &stored);
        full_at = b * 20;
    }
    assert_int_equal(rc, ERR_FULL);
    assert_true(full_at > 0);
    assert_true(store_error(x->s)[0] != '\0');
    assert_int_equal(store_position(x->s), full_at);
    assert_int_equal(store_cursor(x->s, &JOURNAL_A), full_at);
    assert_int_equal(store_write(x->s, r, 20, full_at + 20, &stored), ERR_FULL);
    store_close(x->s);
    x->s = NULL;
    x->c.pages_max = 0;
    scratch_open(x);
    assert_int_equal(number(x, "SELECT count(*) FROM records"), full_at);
    assert_int_equal(store_write(x->s, r, 20, full_at + 20, &stored), 0);
    assert_int_equal(stored.stored, 20);
    assert_int_equal(number(x, "SELECT sum(count) FROM streams"), full_at + 20);
    assert_int_equal(number(x, "SELECT count(DISTINCT origin_seq) FROM records"), full_at + 20);
}

static void a_lock_of_somebody_else_is_busy(void **state)
{
    struct scratch *x = opened(state);
    struct record r = reading(1, 1, "a", "env", "1");
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(x->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_write(x->s, &r, 1, 1, NULL), ERR_BUSY);
    assert_int_equal(store_position(x->s), 0);
    sqlite3_close(db);
    assert_int_equal(store_write(x->s, &r, 1, 1, NULL), 0);
    assert_int_equal(number(x, "SELECT count(*) FROM records"), 1);
}

static void a_reader_in_the_way_puts_the_checkpoint_off(void **state)
{
    struct scratch *x = opened(state);
    struct record r[2] = { reading(1, 1, "a", "env", "1"), reading(2, 1, "a", "env", "2") };
    sqlite3 *db = NULL;

    assert_int_equal(store_write(x->s, r, 1, 1, NULL), 0);
    assert_int_equal(sqlite3_open(x->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM records", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(store_write(x->s, r + 1, 1, 2, NULL), 0);
    assert_int_equal(store_checkpoint(x->s), 0);
    assert_int_equal(store_checkpointed(x->s), 0);
    sqlite3_close(db);
    assert_int_equal(store_checkpoint(x->s), 0);
    assert_int_equal(store_checkpointed(x->s), 2);
}

/* Rows must not go where nobody will find them again. */
static void a_file_that_was_removed_is_noticed(void **state)
{
    struct scratch *x = opened(state);
    struct record r[2] = { reading(1, 1, "a", "env", "1"), reading(2, 1, "a", "env", "2") };

    assert_int_equal(store_write(x->s, r, 1, 1, NULL), 0);
    assert_int_equal(unlink(x->path), 0);
    assert_int_equal(store_write(x->s, r + 1, 1, 2, NULL), ERR_CLOSED);
    assert_non_null(strstr(store_error(x->s), "removed or replaced"));
    assert_int_equal(store_position(x->s), 1);
}

/* A failed transaction leaves no half-known names behind. */
static void names_of_a_failed_batch_are_forgotten(void **state)
{
    struct scratch *x = opened(state);
    struct record r[2] = { reading(1, 1, "new", "env", "1"), reading(2, 1, "new", "env", "2") };

    change(x, "CREATE TRIGGER no BEFORE INSERT ON records WHEN new.origin_seq = 2"
              " BEGIN SELECT raise(ABORT, 'refused for the test'); END");
    assert_int_equal(store_write(x->s, r, 2, 2, NULL), ERR_DB);
    assert_non_null(strstr(store_error(x->s), "refused for the test"));
    assert_int_equal(number(x, "SELECT count(*) FROM devices"), 0);
    assert_int_equal(store_cursor(x->s, &JOURNAL_A), 0);
    change(x, "DROP TRIGGER no");
    assert_int_equal(store_write(x->s, r, 2, 2, NULL), 0);
    assert_int_equal(number(x, "SELECT count(*) FROM records r JOIN streams s ON s.id = stream_id"
                               " JOIN devices d ON d.id = s.device_id WHERE d.name = 'new'"),
                     2);
}

/* ---- killed in the middle ---- */

#define KILL_BATCH 50

/* Writes on from where the store is, until it is killed; each batch goes out as one byte. */
static void write_for_ever(struct scratch *x, int progress)
{
    struct record r[KILL_BATCH];
    uint64_t seq;

    x->s = NULL;
    if (store_open(&x->c, &x->s, NULL) < 0)
        _exit(1);
    for (seq = store_position(x->s) + 1;; seq += KILL_BATCH) {
        for (uint64_t i = 0; i < KILL_BATCH; i++)
            r[i] = reading(seq + i, (int64_t)(seq + i), i % 3 ? "a" : "b", "env", "{\"t\":1}");
        if (store_write(x->s, r, KILL_BATCH, seq + KILL_BATCH - 1, NULL) < 0 ||
            write(progress, "", 1) != 1)
            _exit(1);
    }
}

/* Whatever moment the process dies at: whole batches, each row once, no hole, cursor and position
 * agree with them. */
static void a_kill_leaves_whole_batches(void **state)
{
    struct scratch *x = *state;
    uint64_t before = 0;

    for (int round = 0; round < 4; round++) {
        uint64_t position;
        int pipe_fd[2], status = 0;
        char byte;
        pid_t child;

        assert_int_equal(pipe(pipe_fd), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_for_ever(x, pipe_fd[1]);
        close(pipe_fd[1]);
        for (int i = 0; i < 3 + round * 7; i++)
            assert_int_equal(read(pipe_fd[0], &byte, 1), 1);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        close(pipe_fd[0]);
        scratch_open(x);
        position = store_position(x->s);
        assert_true(position >= before + KILL_BATCH * (3 + (uint64_t)round * 7));
        assert_int_equal(position % KILL_BATCH, 0);
        assert_int_equal(store_cursor(x->s, &JOURNAL_A), position);
        store_close(x->s);
        x->s = NULL;
        assert_int_equal(number(x, "SELECT count(*) FROM records"), position);
        assert_int_equal(number(x, "SELECT count(DISTINCT origin_seq) FROM records"), position);
        assert_int_equal(number(x, "SELECT max(origin_seq) FROM records"), position);
        assert_int_equal(number(x, "SELECT sum(count) FROM streams"), position);
        assert_int_equal(number(x, "SELECT count(*) FROM (SELECT origin_seq - lag(origin_seq) OVER"
                                   " (ORDER BY id) AS d FROM records) WHERE d <> 1"),
                         0);
        before = position;
    }
}

/* ---- the file ---- */

static void the_file_is_for_its_owner_only(void **state)
{
    struct scratch *x = opened(state);
    struct stat st;

    assert_int_equal(stat(x->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(number(x, "PRAGMA user_version"), schema_version());
    assert_int_equal(number(x, "PRAGMA page_size"), 4096);
}

/* A file of each older version becomes a new one, with its rows. */
static void older_files_are_migrated(void **state)
{
    struct scratch *x = *state;
    size_t count = 0;
    const struct schema_step *steps = schema_steps(&count);
    char mark[100];

    for (size_t upto = 1; upto <= count; upto++) {
        for (size_t i = 0; i < upto; i++)
            change(x, steps[i].sql);
        snprintf(mark, sizeof(mark), "PRAGMA application_id=%d; PRAGMA user_version=%zu",
                 SCHEMA_APPLICATION_ID, upto);
        change(x, mark);
        change(x, "INSERT INTO devices (id, name, first_seen_ns, last_seen_ns, last_wall_ns)"
                  " VALUES (5, 'old', 1, 2, 3)");
        scratch_open(x);
        assert_int_equal(number(x, "PRAGMA user_version"), schema_version());
        assert_int_equal(number(x, "SELECT id FROM devices WHERE name = 'old'"), 5);
        store_close(x->s);
        x->s = NULL;
        assert_int_equal(unlink(x->path), 0);
    }
}

/* Version 1 had one cursor per journal and no epochs. */
static void a_file_of_version_1_keeps_its_rows_and_cursors(void **state)
{
    struct scratch *x = *state;
    struct record r = reading(8, 9, "pi", "env", "2");
    struct seen s = { 0 };
    size_t count = 0;

    change(x, schema_steps(&count)[0].sql);
    change(x, "PRAGMA application_id=0x57415953; PRAGMA user_version=1;"
              "INSERT INTO devices VALUES (5, 'pi', NULL, NULL, 1, 2, 3);"
              "INSERT INTO streams VALUES (7, 5, 'env', 1, '[]', 1, 5000000000, 1);"
              "INSERT INTO origins VALUES (3, x'0a010000000000000000000000000000', 7);"
              "INSERT INTO gaps VALUES (1, 3, 2, 5, 0, 0, 'dropped');"
              "INSERT INTO records VALUES (1, 7, 5, 5000000000, 6, 3, 7, NULL, NULL, '1')");
    scratch_open(x);
    assert_int_equal(store_cursor(x->s, &JOURNAL_A), 7);
    assert_int_equal(store_write(x->s, &r, 1, 8, NULL), 0);
    assert_int_equal(number(x, "SELECT count(*) FROM forks"), 0);
    ask(x, (struct store_query){ .what = STORE_RECORDS, .device = STR("pi") }, &s);
    assert_string_equal(s.text, "9 pi/env=2;5 pi/env=1;");
    assert_int_equal(number(x, "SELECT gaps * 100 + lost FROM journals"), 104);
}

/* A row that refers to nothing is not carried over, and the sentence names it. */
static void a_file_with_a_dangling_row_says_which(void **state)
{
    struct scratch *x = *state;
    struct fault f = { 0 };
    size_t count = 0;

    change(x, schema_steps(&count)[0].sql);
    change(x, "PRAGMA application_id=0x57415953; PRAGMA user_version=1;"
              "INSERT INTO streams VALUES (7, 5, 'env', 1, '[]', 1, 5000000000, 1)");
    assert_int_equal(store_open(&x->c, &x->s, &f), ERR_CORRUPT);
    assert_non_null(strstr(f.text, "damaged: row 7 of streams refers to one of devices"));
    assert_int_equal(number(x, "PRAGMA user_version"), 1);
}

static void refuses_newer_foreign_and_damaged_files(void **state)
{
    struct scratch *x = *state;
    struct fault f = { 0 };
    FILE *file;

    change(x, "PRAGMA application_id=0x57415953; PRAGMA user_version=99; CREATE TABLE t (a)");
    assert_int_equal(store_open(&x->c, &x->s, &f), ERR_VERSION);
    assert_non_null(strstr(f.text, "99"));
    assert_int_equal(number(x, "SELECT count(*) FROM sqlite_schema"), 1);
    assert_int_equal(unlink(x->path), 0);

    change(x, "CREATE TABLE somebody (a)");
    assert_int_equal(store_open(&x->c, &x->s, &f), ERR_VALUE);
    assert_non_null(strstr(f.text, "another program"));
    assert_int_equal(unlink(x->path), 0);

    file = fopen(x->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database ", file);
    fclose(file);
    assert_int_equal(store_open(&x->c, &x->s, &f), ERR_CORRUPT);

    x->c.path = "/tmp/wayside-no-such-folder/store.db";
    assert_int_equal(store_open(&x->c, &x->s, &f), -ENOENT);
    x->c.path = x->path;
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

RUN(STORE_TEST(a_batch_twice_is_stored_once), STORE_TEST(overlapping_batches_add_only_what_is_new),
    STORE_TEST(a_new_process_goes_on_where_the_last_one_was),
    STORE_TEST(origins_have_cursors_of_their_own),
    STORE_TEST(position_counts_for_its_own_journal_only),
    STORE_TEST(a_gap_moves_the_cursor_and_is_noted),
    STORE_TEST(payloads_that_are_no_json_become_bytes), STORE_TEST(summaries_follow),
    STORE_TEST(a_full_disk_loses_nothing), STORE_TEST(a_lock_of_somebody_else_is_busy),
    STORE_TEST(a_reader_in_the_way_puts_the_checkpoint_off),
    STORE_TEST(a_file_that_was_removed_is_noticed),
    STORE_TEST(names_of_a_failed_batch_are_forgotten), STORE_TEST(a_kill_leaves_whole_batches),
    STORE_TEST(the_file_is_for_its_owner_only), STORE_TEST(older_files_are_migrated),
    STORE_TEST(a_file_of_version_1_keeps_its_rows_and_cursors),
    STORE_TEST(a_file_with_a_dangling_row_says_which),
    STORE_TEST(refuses_newer_foreign_and_damaged_files))
