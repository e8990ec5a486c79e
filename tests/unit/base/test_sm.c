/* State tables: allowed moves happen, others end the program. */
#include "unit/unit.h"

#include "base/log.h"
#include "base/sm.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELLO, OPEN, CLOSED };
static const struct sm_row rows[] = {
    [HELLO] = { "hello", TO(OPEN) | TO(CLOSED) },
    [OPEN] = { "open", TO(CLOSED) },
    [CLOSED] = { "closed", 0 },
};
static const struct sm_table table = { "test", rows, COUNT_OF(rows) };

static void moves_where_the_table_allows(void **state)
{
    unsigned char s = HELLO;

    (void)state;
    sm_move(&table, &s, OPEN);
    assert_int_equal(s, OPEN);
    assert_string_equal(sm_name(&table, s), "open");
    assert_string_equal(sm_name(&table, 99), "?");
}

static void a_wrong_move_ends_the_program(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        unsigned char s = CLOSED;

        log_setup(LOG_OFF, LOG_LOGFMT, 2);
        signal(SIGABRT, SIG_DFL);
        sm_move(&table, &s, OPEN);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

RUN(TEST(moves_where_the_table_allows), TEST(a_wrong_move_ends_the_program))
