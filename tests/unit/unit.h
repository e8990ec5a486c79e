/* What every unit test includes: cmocka, and short names for its table. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TEST(fn) cmocka_unit_test(fn)
#define RUN(...)                                                                                   \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                         \
                                                                                                   \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }
/* A struct str against a literal. */
#define assert_str(s, lit)                                                                         \
    do {                                                                                           \
        struct str got_ = (s), want_ = STR(lit);                                                   \
                                                                                                   \
        if (!str_eq(got_, want_))                                                                  \
            fail_msg("got \"%.*s\", expected \"%s\"", STR_ARG(got_), lit);                         \
    } while (0)

#endif
