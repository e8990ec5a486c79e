/* Every limit has a row, at its own place, with its own default. */
#include "unit/unit.h"

#include "base/limits.h"
#include "conf/conf.h"

static const struct conf_schema schema = { "limits", conf_limits_rows, sizeof(struct limits),
                                           NULL };

static void test_rows(void **state)
{
    struct conf_report r = conf_report_init();
    struct limits want = limits_default();
    struct conf_source source = {
        "t", STR("mqtt_keepalive_max_s: 60\nsocket_line_max: 1KiB\nhttp_body_timeout: 1m\n")
    };
    struct conf *c = NULL;
    size_t count = 0, limits = 0;

    (void)state;
#define COUNT_ONE(...) limits++;
    LIMITS_LIST(COUNT_ONE)
    while (conf_limits_rows[count].key)
        count++;
    assert_int_equal(count, limits);
    assert_int_equal(conf_load(&schema, NULL, 0, NULL, &c, &r), 0);
    assert_memory_equal(conf_root(c), &want, sizeof(want));
    conf_free(c);
    assert_int_equal(conf_load(&schema, &source, 1, NULL, &c, &r), 0);
    want.mqtt_keepalive_max_s = 60;
    want.socket_line_max_bytes = 1024;
    want.http_body_timeout_ms = 60000;
    assert_memory_equal(conf_root(c), &want, sizeof(want));
    conf_free(c);
    conf_report_fini(&r);
}

RUN(TEST(test_rows))
