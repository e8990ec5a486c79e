/* What only the PostgreSQL readers have to do: a server that ends a question by its time, ends a
 * connection, does not answer, or is not there. */
#include "unit/store/store_fixture.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct scratch *filled(void **state)
{
    struct scratch *x = *state;
    struct record r = reading(1, 5, "a", "env", "1");

    scratch_open(x);
    assert_int_equal(store_write(x->s, &r, 1, 1, NULL), 0);
    store_close(x->s);
    x->s = NULL;
    return x;
}

static struct store_reader *reader_of(struct scratch *x)
{
    struct store_reader *r = NULL;

    assert_int_equal(store_reader_open(&x->c, &r, NULL), 0);
    return r;
}

static struct store_answer run(struct store_reader *r, enum store_what what, struct seen *s)
{
    struct store_query q = { .what = what };
    struct store_answer a = { 0 };

    *s = (struct seen){ 0 };
    store_reader_run(r, &q, &seen_render, s, &a);
    return a;
}

static void a_statement_that_takes_too_long_is_a_limit(void **state)
{
    static const struct {
        const char *lock;
        enum store_what what;
    } rows[] = {
        { "BEGIN; LOCK TABLE wayside.devices", STORE_DEVICES },
        { "BEGIN; LOCK TABLE wayside.records", STORE_RECORDS },
        { "BEGIN; LOCK TABLE wayside.records", STORE_LATEST },
    };
    struct scratch *x = filled(state);
    struct store_reader *r;
    struct seen s;

    x->c.query_ms = 300;
    r = reader_of(x);
    assert_int_equal(run(r, STORE_RECORDS, &s).code, 0); /* it is connected */
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        PGconn *db = PQconnectdb(scratch_pg->conninfo);
        struct store_answer a;

        PQclear(PQexec(db, rows[i].lock));
        a = run(r, rows[i].what, &s);
        PQfinish(db);
        assert_int_equal(a.code, ERR_LIMIT);
        assert_true(a.text[0] != '\0');
        assert_int_equal(run(r, rows[i].what, &s).code, 0);
        assert_int_equal(s.rows, 1);
    }
    store_reader_close(r);
}

static void a_connection_that_was_ended_is_made_again(void **state)
{
    struct store_reader *r = reader_of(filled(state));
    struct store_answer a;
    struct seen s;

    assert_int_equal(run(r, STORE_RECORDS, &s).code, 0);
    pg_other("SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
             " WHERE application_name = 'wayside'");
    a = run(r, STORE_RECORDS, &s);
    assert_int_equal(a.code, 0);
    assert_string_equal(a.text, "");
    assert_string_equal(s.text, "5 a/env=1;");
    store_reader_close(r);
}

/* It is waited for once, a little longer than the question may take. */
static void a_server_that_hangs_is_not_asked_again(void **state)
{
    struct scratch *x = filled(state);
    struct store_reader *r;
    struct store_answer a;
    struct seen s;
    uint64_t start;
    pid_t backend;

    x->c.query_ms = 2000;
    r = reader_of(x);
    assert_int_equal(run(r, STORE_RECORDS, &s).code, 0);
    backend =
        (pid_t)pg_other("SELECT pid FROM pg_stat_activity WHERE application_name = 'wayside'");
    assert_int_equal(kill(backend, SIGSTOP), 0);
    start = clock_mono_ns();
    a = run(r, STORE_RECORDS, &s);
    assert_int_equal(kill(backend, SIGCONT), 0);
    assert_int_equal(a.code, ERR_BUSY);
    assert_non_null(strstr(a.text, "did not answer"));
    assert_true(clock_mono_ns() - start < UINT64_C(15000000000));
    assert_int_equal(run(r, STORE_RECORDS, &s).code, 0);
    store_reader_close(r);
}

/* Takes connections and ends them at once; each is a byte into told. */
static void refuse_all(int listening, int told)
{
    for (;;) {
        int fd = accept(listening, NULL, NULL);

        if (fd < 0 || write(told, "", 1) != 1)
            _exit(1);
        close(fd);
    }
}

static void a_server_that_cannot_be_reached_is_tried_once(void **state)
{
    struct scratch *x = *state;
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int listening = socket(AF_UNIX, SOCK_STREAM, 0), told[2];
    char conninfo[128], bytes[16];
    struct store_reader *r;
    struct seen s;
    pid_t child;

    snprintf(at.sun_path, sizeof(at.sun_path), "%s/.s.PGSQL.5432", x->dir);
    assert_int_equal(bind(listening, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listening, 8), 0);
    assert_int_equal(pipe(told), 0);
    child = fork();
    if (child == 0)
        refuse_all(listening, told[1]);
    close(told[1]);
    snprintf(conninfo, sizeof(conninfo), "host=%s user=wayside dbname=postgres", x->dir);
    x->c.postgres = conninfo;
    r = reader_of(x);
    assert_int_equal(run(r, STORE_RECORDS, &s).code, ERR_BUSY);
    store_reader_close(r);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(read(told[0], bytes, sizeof(bytes)), 1);
    close(told[0]);
    close(listening);
    unlink(at.sun_path);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

RUN_PG(STORE_TEST(a_statement_that_takes_too_long_is_a_limit),
       STORE_TEST(a_connection_that_was_ended_is_made_again),
       STORE_TEST(a_server_that_hangs_is_not_asked_again),
       STORE_TEST(a_server_that_cannot_be_reached_is_tried_once))
