/* The manual has every key with its default, and stays a table. */
#include "unit/unit.h"
#include "unit/conf/rows.h"

#include <string.h>

static void test_manual(void **state)
{
    struct buf b = buf_init(1 << 20);
    const char *text;

    (void)state;
    conf_manual(&sample_schema, &b);
    text = buf_cstr(&b);
    assert_non_null(strstr(text, "# Settings of sample\n"));
    assert_non_null(
        strstr(text, "| `percent` | a whole number from 0 to 100 (%) | `50` |  | of the disk |\n"));
    assert_non_null(
        strstr(text, "| `idle` | a time from 1s to 1h | `30s` | yes | longest silence |\n"));
    assert_non_null(strstr(text, "\n## `mqtt.listeners[]`\n"));
    assert_non_null(strstr(text, "\n## `mqtt.users.NAME`\n"));
    assert_non_null(strstr(text, "| `address` | an address and a port | *required* |"));
    assert_non_null(strstr(text, "one client \\| each"));
    assert_non_null(strstr(text, "or `password_file`: a file that holds it (secret: never shown)"));
    assert_non_null(strstr(text, "| `http_idle_timeout` | a time from 100ms to 1h | `1m` |"));
    assert_null(strstr(text, "`old`"));
    assert_null(strstr(text, "`port`"));
    buf_fini(&b);
}

RUN(TEST(test_manual))
