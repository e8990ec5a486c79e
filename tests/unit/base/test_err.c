/* Texts and places of failures. */
#include "unit/unit.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>

static void every_code_has_a_text(void **state)
{
    (void)state;
#define CHECK_TEXT(name, text) assert_string_equal(err_text(ERR_##name), text);
    ERR_LIST(CHECK_TEXT)
    assert_string_equal(err_text(-ENOENT), "No such file or directory");
    assert_string_equal(err_text(0), "no error");
    assert_true(ERR_MORE < -10000);
}

static void a_fault_says_where(void **state)
{
    struct fault f = { 0 };
    char text[600];

    (void)state;
    assert_int_equal(fault_at(&f, ERR_VALUE, "hub.yaml", 7, 5, "port %d", 70000), ERR_VALUE);
    assert_string_equal(fault_text(&f, text, sizeof(text)), "hub.yaml:7:5: port 70000");
    fault_at(&f, ERR_VALUE, "hub.yaml", 7, 0, "x");
    assert_string_equal(fault_text(&f, text, sizeof(text)), "hub.yaml:7: x");
    fault_set(&f, ERR_VALUE, "plain");
    assert_string_equal(fault_text(&f, text, sizeof(text)), "plain");
    assert_int_equal(fault_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void a_long_fault_is_cut(void **state)
{
    struct fault f = { 0 };
    char text[16];

    (void)state;
    fault_set(&f, ERR_VALUE, "%600d", 1);
    assert_int_equal(strlen(f.text), sizeof(f.text) - 1);
    fault_text(&f, text, sizeof(text));
    assert_int_equal(strlen(text), sizeof(text) - 1);
}

RUN(TEST(every_code_has_a_text), TEST(a_fault_says_where), TEST(a_long_fault_is_cut))
