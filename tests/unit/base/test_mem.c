/* Memory is zeroed, copied with a zero behind it, and its lack ends the program. */
#include "unit/unit.h"

#include "base/mem.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void gives_zeroed_memory_and_copies(void **state)
{
    char *p = mem_new(100), *d;

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(p[i], 0);
    memcpy(p, "hello", 5);
    d = mem_dup(p, 4);
    assert_string_equal(d, "hell");
    p = mem_resize(p, 1000);
    assert_memory_equal(p, "hello", 5);
    mem_free(d);
    mem_free(p);
    mem_free(NULL);
}

static void an_overflow_ends_the_program(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(2);
        mem_new_array((size_t)-1 / 2, 4);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

RUN(TEST(gives_zeroed_memory_and_copies), TEST(an_overflow_ends_the_program))
