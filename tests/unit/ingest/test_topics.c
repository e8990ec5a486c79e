/* The topic table: which topics match which rows, and which rows are refused. */
#include "ingest/topics.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct topics *defaults(void)
{
    struct fault f = { 0 };
    struct topics *t = topics_new(NULL, 0, TOPICS_DEFAULTS, &f);

    if (!t)
        fail_msg("defaults: %s", f.text);
    return t;
}

static void an_empty_table_matches_nothing(void **state)
{
    struct topics *t = topics_new(NULL, 0, TOPICS_PLAIN, NULL);
    struct topic_match m;

    (void)state;
    assert_non_null(t);
    assert_false(topics_match(t, STR("device/status"), &m));
    assert_false(topics_match(t, STR("wayside/pi-1/status"), &m));
    topics_free(t);
}

static void default_rows_match(void **state)
{
    static const struct {
        const char *topic, *device, *stream, *id;
        enum record_kind kind;
    } rows[] = {
        { "wayside/pi-1/reading/env", "pi-1", "env", "", RECORD_READING },
        { "wayside/pi-1/detection/lpr", "pi-1", "lpr", "", RECORD_DETECTION },
        { "wayside/pi-1/status", "pi-1", "status", "", RECORD_STATUS },
        { "wayside/pi-1/event", "pi-1", "event", "", RECORD_EVENT },
        { "wayside/pi-1/result/c7", "pi-1", "result", "c7", RECORD_RESULT },
        { "sensor/data", "", "env", "", RECORD_READING },
        { "device/status", "", "status", "", RECORD_STATUS },
        { "sensors/metrics", "", "env", "", RECORD_READING },
        { "lprserver/cameras/CAM001/detection", "CAM001", "detection", "", RECORD_DETECTION },
        { "lprserver/cameras/CAM001/health", "CAM001", "health", "", RECORD_READING },
    };
    struct topics *t = defaults();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct topic_match m = { 0 };

        assert_true(topics_match(t, str_of(rows[i].topic), &m));
        assert_true(str_eq(m.device, str_of(rows[i].device)));
        assert_true(str_eq(m.stream, str_of(rows[i].stream)));
        assert_true(str_eq(m.id, str_of(rows[i].id)));
        assert_int_equal(m.row->kind, rows[i].kind);
    }
    topics_free(t);
}

static void other_topics_do_not_match(void **state)
{
    static const char *const rows[] = {
        "",
        "/",
        "wayside",
        "wayside/",
        "wayside/a",
        "wayside/a/reading",
        "wayside/a/reading/",
        "wayside//reading/env",
        "wayside/a/reading/env/x",
        "wayside/a/command/1",
        "/wayside/a/status",
        "sensor/data/",
        "sensor/data/x",
        "sensor",
        "Sensor/data",
        "$wayside/up/1/x",
        "$SYS/broker/load",
        "lprserver/cameras/x/control",
        "device/commands",
    };
    struct topics *t = defaults();
    struct topic_match m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (topics_match(t, str_of(rows[i]), &m))
            fail_msg("matched: '%s'", rows[i]);
    topics_free(t);
}

static void first_row_wins_and_dollar_needs_its_name(void **state)
{
    const struct topic_row rows[] = {
        { .topic = STR("+/special"),
          .kind = RECORD_EVENT,
          .device_from = TOPIC_DEVICE_FIXED,
          .device = STR("one"),
          .stream = STR("s") },
        { .topic = STR("a/{dev}"),
          .kind = RECORD_READING,
          .device_from = TOPIC_DEVICE_LEVEL,
          .device = STR("dev"),
          .stream = STR("{dev}") },
        { .topic = STR("$own/x"),
          .kind = RECORD_READING,
          .device_from = TOPIC_DEVICE_CLIENT,
          .stream = STR("s") },
        { .topic = STR("{any}/x"),
          .kind = RECORD_READING,
          .device_from = TOPIC_DEVICE_LEVEL,
          .device = STR("any"),
          .stream = STR("s") },
    };
    struct fault f = { 0 };
    struct topics *t = topics_new(rows, COUNT_OF(rows), TOPICS_PLAIN, &f);
    struct topic_match m;

    (void)state;
    assert_non_null(t);
    assert_true(topics_match(t, STR("a/special"), &m));
    assert_int_equal(m.row->kind, RECORD_EVENT);
    assert_true(topics_match(t, STR("a/b"), &m));
    assert_true(str_eq(m.stream, STR("b")));
    assert_true(topics_match(t, STR("q/x"), &m));
    assert_true(str_eq(m.device, STR("q")));
    assert_true(topics_match(t, STR("$own/x"), &m));
    assert_int_equal(m.row->device_from, TOPIC_DEVICE_CLIENT);
    assert_false(topics_match(t, STR("$own/special"), &m));
    assert_false(topics_match(t, STR("$other/x"), &m));
    topics_free(t);
}

static void rows_with_mistakes_are_refused(void **state)
{
    static const struct topic_field bad_range[] = {
        { .name = { "t", 1 }, .has_min = true, .has_max = true, .min = 2, .max = 1 },
    };
    static const struct topic_field no_name[] = { { .required = true } };
    const struct topic_row rows[] = {
        { .topic = STR(""), .device = STR("d"), .stream = STR("s") },
        { .topic = STR("a//b"), .device = STR("d"), .stream = STR("s") },
        { .topic = STR("a/#"), .device = STR("d"), .stream = STR("s") },
        { .topic = STR("a/b+"), .device = STR("d"), .stream = STR("s") },
        { .topic = STR("a/{x"), .device = STR("d"), .stream = STR("s") },
        { .topic = STR("a/{}"), .device = STR("d"), .stream = STR("s") },
        { .topic = STR("{x}/{x}"), .device = STR("d"), .stream = STR("s") },
        { .topic = STR("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"),
          .device = STR("d"),
          .stream = STR("s") },
        { .topic = STR("a"), .device = STR("a b"), .stream = STR("s") },
        { .topic = STR("a"), .device = STR("d"), .stream = STR("") },
        { .topic = STR("a"), .device = STR("d"), .stream = STR("s/t") },
        { .topic = STR("a"), .device = STR("d"), .stream = STR("{x}") },
        { .topic = STR("a"), .device = STR("d"), .stream = STR("s"), .kind = RECORD_GAP },
        { .topic = STR("a"),
          .device = STR("d"),
          .stream = STR("s"),
          .fields = bad_range,
          .field_count = 1 },
        { .topic = STR("a"),
          .device = STR("d"),
          .stream = STR("s"),
          .fields = no_name,
          .field_count = 1 },
        { .topic = STR("a/+"),
          .device = STR("x"),
          .stream = STR("s"),
          .device_from = TOPIC_DEVICE_LEVEL },
        { .topic = STR("a"), .stream = STR("s"), .device_from = TOPIC_DEVICE_FIELD },
    };
    const struct topic_row fine = { .topic = STR("fine"),
                                    .kind = RECORD_READING,
                                    .device_from = TOPIC_DEVICE_CLIENT,
                                    .stream = STR("s") };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct topic_row two[2] = { fine, rows[i] };
        struct fault f = { 0 };

        if (two[1].kind == 0)
            two[1].kind = RECORD_READING;
        if (i < 15)
            two[1].device_from = TOPIC_DEVICE_FIXED;
        if (topics_new(two, 2, TOPICS_DEFAULTS, &f))
            fail_msg("accepted row %zu", i);
        assert_int_equal(f.line, 2);
        assert_true(f.text[0] != '\0');
    }
}

/* The table keeps nothing of what it was made from. */
static void strings_are_copied(void **state)
{
    char topic[] = "x/{d}/y", device[] = "d", stream[] = "s1", name[] = "temp";
    struct topic_field field = { .name = str_of(name), .required = true };
    struct topic_row row = { .topic = str_of(topic),
                             .kind = RECORD_READING,
                             .device_from = TOPIC_DEVICE_LEVEL,
                             .device = str_of(device),
                             .stream = str_of(stream),
                             .fields = &field,
                             .field_count = 1 };
    struct topics *t = topics_new(&row, 1, TOPICS_PLAIN, NULL);
    struct topic_match m;

    (void)state;
    assert_non_null(t);
    memset(topic, '!', sizeof(topic) - 1);
    memset(device, '!', sizeof(device) - 1);
    memset(stream, '!', sizeof(stream) - 1);
    memset(name, '!', sizeof(name) - 1);
    field.required = false;
    assert_true(topics_match(t, STR("x/q/y"), &m));
    assert_true(str_eq(m.device, STR("q")) && str_eq(m.stream, STR("s1")));
    assert_true(str_eq(m.row->fields[0].name, STR("temp")) && m.row->fields[0].required);
    topics_free(t);
}

static void derives_identity(void **state)
{
    struct topics *t = defaults();

    (void)state;
    assert_true(topics_derives(t, STR("lprserver/cameras/CAM1/health"), STR("CAM1")));
    assert_false(topics_derives(t, STR("lprserver/cameras/CAM2/health"), STR("CAM1")));
    assert_true(topics_derives(t, STR("sensor/data"), STR("x")));
    assert_false(topics_derives(t, STR("sensors/metrics"), STR("x")));
    assert_false(topics_derives(t, STR("nothing"), STR("x")));
    topics_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_rows_match),
        cmocka_unit_test(an_empty_table_matches_nothing),
        cmocka_unit_test(other_topics_do_not_match),
        cmocka_unit_test(first_row_wins_and_dollar_needs_its_name),
        cmocka_unit_test(rows_with_mistakes_are_refused),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(derives_identity),
    };

    return cmocka_run_group_tests_name("topics", tests, NULL, NULL);
}
