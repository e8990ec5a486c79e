/* What becomes a record, which one, and what is said when it does not. */
#include "ingest/ingest.h"

#include "base/mem.h"
#include "store/leaves.h"

#include "fuzz/hex.h"
#include "fuzz/ingest_case.h"
#include "unit/unit.h"

#define ARRIVAL  CASE_ARRIVAL_NS
#define NEW_YEAR 1767225600000000000

struct fixture {
    struct topics *t;
    struct limits lim;
    struct arena a;
};

static int setup(void **state)
{
    struct fixture *x = NEW(struct fixture);

    x->t = topics_new(NULL, 0, TOPICS_DEFAULTS, NULL);
    x->lim = limits_default();
    x->a = arena_init(ingest_arena_bytes(&x->lim) * 4);
    *state = x;
    return x->t ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *x = *state;

    topics_free(x->t);
    arena_fini(&x->a);
    mem_free(x);
    return 0;
}

static struct record accept(struct fixture *x, const char *way)
{
    struct record r = { 0 };
    struct refusal why = { 0 };
    int rc = ingest_case(x->t, &x->lim, str_of(way), &x->a, &r, &why);

    if (rc < 0)
        fail_msg("refused: %s: %s: %s", way, why.field, why.text);
    assert_int_equal(record_check(&r, 1000000), 0);
    return r;
}

static struct refusal refused(struct fixture *x, const char *way)
{
    struct record r = { 0 };
    struct refusal why = { 0 };
    int rc = ingest_case(x->t, &x->lim, str_of(way), &x->a, &r, &why);

    if (rc == 0)
        fail_msg("accepted: %s", way);
    assert_int_equal(why.code, rc);
    return why;
}

static void records_of_each_way(void **state)
{
    static const struct {
        const char *way, *device, *stream, *payload; /* payload NULL: the whole body */
        enum record_kind kind;
        int64_t wall_ns;
    } rows[] = {
        { "message sensor/data\n{\"device_id\":\"t1\",\"temperature\":21.5,\"humidity\":40,"
          "\"timestamp\":\"2026-01-01T00:00:00Z\"}",
          "t1", "env", NULL, RECORD_READING, NEW_YEAR },
        { "sensor\n{\"device_id\":\"t1\",\"temperature\":-50,\"humidity\":0.0,\"x\":[1],"
          "\"timestamp\":\"2026-01-01T07:00:00+07:00\"}",
          "t1", "env", NULL, RECORD_READING, NEW_YEAR },
        { "message sensors/metrics\n{ \"humidity\": 45.2,\"timestamp\":\"2026-01-01T00:00:00Z\"}",
          "picam", "env", NULL, RECORD_READING, ARRIVAL },
        { "message device/status\n{\"device_id\":\"d\",\"timestamp\":17}", "d", "status", NULL,
          RECORD_STATUS, ARRIVAL },
        { "message lprserver/cameras/CAM1/detection\n{\"timestamp\":\"2026-01-01T00:00:00\"}",
          "CAM1", "detection", NULL, RECORD_DETECTION, ARRIVAL },
        { "message lprserver/cameras/CAM1/health\n{\"timestamp\":\"2026-01-01T00:00:00Z\"}", "CAM1",
          "health", NULL, RECORD_READING, NEW_YEAR },
        { "message wayside/pi/reading/env\n 21.50 ", "pi", "env", NULL, RECORD_READING, ARRIVAL },
        { "message wayside/pi/status\n\"on\"", "pi", "status", NULL, RECORD_STATUS, ARRIVAL },
        { "message wayside/pi/event\n{\"timestamp\":\"2026-01-01T00:00:00Z\"}", "pi", "event", NULL,
          RECORD_EVENT, NEW_YEAR },
        { "message wayside/pi/result/c7\n{\"ok\":true}", "pi", "result",
          "{\"id\":\"c7\",\"result\":{\"ok\":true}}", RECORD_RESULT, ARRIVAL },
        { "data\n{\"a\":1}", "api", "data", NULL, RECORD_READING, ARRIVAL },
        { "data\n{\"device_id\":\"q\",\"timestamp\":\"2026-01-01T00:00:00Z\"}", "q", "data", NULL,
          RECORD_READING, NEW_YEAR },
        { "line\n{\"stream\":\"env\",\"value\": 21.50 ,\"id\":1}", "node-1", "env", "21.50",
          RECORD_READING, ARRIVAL },
        { "line\n{\"stream\":\"env\",\"value\":{\"t\":1e2},\"device\":\"x\",\"kind\":\"event\","
          "\"timestamp\":\"2026-01-01T00:00:00Z\"}",
          "x", "env", "{\"t\":1e2}", RECORD_EVENT, NEW_YEAR },
        { "line\n{\"stream\":\"env\",\"v\\u0061lue\":7,\"device\":\"\\u0078\"}", "x", "env", "7",
          RECORD_READING, ARRIVAL },
        { "line\n{\"stream\":\"env\",\"t\":5,\"device_id\":\"x\"}", "x", "env", NULL,
          RECORD_READING, ARRIVAL },
        { "line\n{\"device_id\":\"t1\",\"temperature\":100,\"humidity\":100,"
          "\"timestamp\":\"2026-01-01T00:00:00Z\"}",
          "t1", "env", NULL, RECORD_READING, NEW_YEAR },
    };
    struct fixture *x = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct record r = accept(x, rows[i].way);
        const char *body = strchr(rows[i].way, '\n') + 1;

        assert_true(str_eq(r.device, str_of(rows[i].device)));
        assert_true(str_eq(r.stream, str_of(rows[i].stream)));
        assert_true(str_eq(r.payload, str_of(rows[i].payload ? rows[i].payload : body)));
        assert_int_equal(r.kind, rows[i].kind);
        assert_int_equal(r.wall_ns, rows[i].wall_ns);
        assert_int_equal(r.content_type.n, 0);
    }
}

static void refusals_say_what_and_how(void **state)
{
    static const struct {
        const char *way, *field, *type;
        double limit;
    } rows[] = {
        { "sensor\n{\"device_id\":\"t1\",\"temperature\":101,\"humidity\":1,"
          "\"timestamp\":\"2026-01-01T00:00:00Z\"}",
          "temperature", "value_error.number.not_le", 100 },
        { "sensor\n{\"device_id\":\"t1\",\"temperature\":1,\"humidity\":-1,"
          "\"timestamp\":\"2026-01-01T00:00:00Z\"}",
          "humidity", "value_error.number.not_ge", 0 },
        { "sensor\n{\"device_id\":\"a b\"}", "device_id", "value_error.str.regex", 0 },
        { "sensor\n{}", "device_id", "value_error.missing", 0 },
        { "sensor\n{\"device_id\":\"t1\",\"temperature\":1,\"humidity\":1}", "timestamp",
          "value_error.missing", 0 },
        { "sensor\n{\"device_id\":\"t1\",\"temperature\":1,\"humidity\":1,\"timestamp\":\"now\"}",
          "timestamp", "value_error.datetime", 0 },
        { "sensor\n{\"device_id\":\"t1\",\"temperature\":\"1\"}", "temperature", "type_error.float",
          0 },
        { "sensor\n{\"device_id\":1}", "device_id", "type_error.str", 0 },
        { "sensor\n[]", "", "type_error.dict", 0 },
        { "sensor\n{\"a\":1,\"a\":1}", "", "value_error.jsondecode", 0 },
        { "message lprserver/cameras/a b/health\n{}", "id", "value_error.str.regex", 0 },
        { "message wayside/a/reading/a b\n1", "stream", "value_error.str.regex", 0 },
        { "message wayside/a/result/a b\n1", "id", "value_error.str.regex", 0 },
        { "line\n{\"value\":1}", "stream", "value_error.missing", 0 },
        { "line\n{\"stream\":\"s\",\"value\":1,\"unit\":\"C\"}", "unit", "value_error.extra", 0 },
        { "line\n{\"stream\":\"s\",\"v\\u0061lue\":[]}", "value", "type_error.dict", 0 },
        { "sensor\n{\"device_id\":\"t1\",\"temp\\u0065rature\":101}", "temperature",
          "value_error.number.not_le", 100 },
        { "sensor\n{\"device_id\":\"t1\",\"device_i\\u0064\":\"t2\"}", "", "value_error.jsondecode",
          0 },
    };
    struct fixture *x = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct refusal why = refused(x, rows[i].way);

        assert_string_equal(why.field, rows[i].field);
        assert_string_equal(why.type, rows[i].type);
        assert_true(strlen(why.text) > 20);
        if (why.has_limit)
            assert_true(why.limit == rows[i].limit);
        assert_int_equal(why.has_limit, strstr(rows[i].type, "number.not_") != NULL);
    }
}

static void nothing_to_ingest_is_no_refusal(void **state)
{
    struct fixture *x = *state;
    struct record r;
    struct refusal why = { 0 };

    assert_int_equal(ingest_case(x->t, &x->lim, STR("message a/b\n{"), &x->a, &r, &why),
                     ERR_UNKNOWN);
    assert_int_equal(ingest_case(x->t, &x->lim, STR("message wayside/a/status\n"), &x->a, &r, &why),
                     ERR_UNKNOWN);
    assert_int_equal(why.code, 0);
}

static void declared_types_are_kept_as_bytes(void **state)
{
    struct fixture *x = *state;
    struct ingest_message m = { .topic = STR("wayside/a/detection/pic"),
                                .payload = STR("\xff\xd8"),
                                .content_type = STR("image/jpeg"),
                                .arrival_ns = 5 };
    struct record r = { 0 };
    struct refusal why = { 0 };
    bool canonical = false;

    assert_int_equal(ingest_message(x->t, &x->lim, &m, &x->a, &r, &canonical, &why), 0);
    assert_str(r.content_type, "image/jpeg");
    assert_true(str_eq(r.payload, m.payload) && r.wall_ns == 5 && canonical);
    m.content_type = STR("application/json");
    assert_int_equal(ingest_message(x->t, &x->lim, &m, &x->a, &r, NULL, &why), ERR_SYNTAX);
    m.content_type = STR("a\n");
    assert_int_equal(ingest_message(x->t, &x->lim, &m, &x->a, &r, NULL, &why), ERR_VALUE);
    m.content_type = STR("image/jpeg");
    m.topic = STR("sensors/metrics");
    assert_int_equal(ingest_message(x->t, &x->lim, &m, &x->a, &r, &canonical, &why), ERR_SYNTAX);
    m.topic = STR("wayside/a/detection/pic");
    x->lim.record_payload_max_bytes = 1;
    assert_int_equal(ingest_message(x->t, &x->lim, &m, &x->a, &r, NULL, &why), ERR_LIMIT);
}

static void the_device_can_be_the_client(void **state)
{
    struct fixture *x = *state;
    struct topic_row row = { .topic = STR("raw/{s}"),
                             .kind = RECORD_READING,
                             .device_from = TOPIC_DEVICE_CLIENT,
                             .stream = STR("{s}"),
                             .time_from = TOPIC_TIME_OPTIONAL,
                             .time_field = STR("at") };
    struct topics *t = topics_new(&row, 1, TOPICS_PLAIN, NULL);
    struct ingest_message m = { .topic = STR("raw/temp"),
                                .payload = STR("{\"at\":\"2026-01-01T00:00:00Z\"}"),
                                .client_id = STR("esp_1") };
    struct record r = { 0 };
    struct refusal why = { 0 };
    bool canonical = true;

    assert_non_null(t);
    assert_int_equal(ingest_message(t, &x->lim, &m, &x->a, &r, &canonical, &why), 0);
    assert_str(r.device, "esp_1");
    assert_str(r.stream, "temp");
    assert_true(r.wall_ns == NEW_YEAR && !canonical);
    m.client_id = STR("esp 1");
    assert_int_equal(ingest_message(t, &x->lim, &m, &x->a, &r, NULL, &why), ERR_VALUE);
    assert_string_equal(why.field, "client_id");
    topics_free(t);
}

static void a_line_repeats_its_id(void **state)
{
    static const struct {
        const char *line, *id;
        bool ok;
    } rows[] = {
        { "{\"stream\":\"s\",\"value\":1,\"id\":\"a b\"}", "\"a b\"", true },
        { "{\"stream\":\"s\",\"value\":1,\"id\":-12}", "-12", true },
        { "{\"stream\":\"s\",\"value\":1}", "", true },
        { "{\"stream\":\"s/\",\"value\":1,\"id\":7}", "7", false },
        { "{\"id\":8}", "8", false },
        { "{\"stream\":\"s\",\"value\":1,\"id\":1.5}", "", false },
        { "{\"stream\":\"s\",\"value\":1,\"id\":\"\"}", "", false },
        { "{\"stream\":", "", false },
    };
    struct fixture *x = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct ingest_line l = { .id = STR("old") };
        struct refusal why = { 0 };
        int rc = ingest_line(&x->lim, str_of(rows[i].line), STR("n"), 0, &x->a, &l, &why);

        assert_int_equal(rc == 0, rows[i].ok);
        assert_true(str_eq(l.id, str_of(rows[i].id)));
        if (rc == 0)
            assert_int_equal(uuid_is_zero(&l.record.id), rows[i].id[0] == '\0');
    }
}

static struct record line_record(struct fixture *x, const char *line)
{
    struct ingest_line l = { 0 };
    struct refusal why = { 0 };

    assert_int_equal(ingest_line(&x->lim, str_of(line), STR("n"), 5, &x->a, &l, &why), 0);
    return l.record;
}

static void ids_are_told_apart_by_their_hash(void **state)
{
    struct fixture *x = *state;
    struct uuid a = line_record(x, "{\"stream\":\"s\",\"value\":1,\"id\":\"a\"}").id;
    struct uuid again = line_record(x, "{\"stream\":\"s\",\"value\":2,\"id\":\"a\"}").id;
    struct uuid b = line_record(x, "{\"stream\":\"s\",\"value\":1,\"id\":\"b\"}").id;
    char text[UUID_TEXT_LEN + 1];

    assert_true(uuid_eq(&a, &again));
    assert_false(uuid_eq(&a, &b));
    /* It must not change: after an update a sender repeats what it sent before. */
    assert_string_equal(uuid_format(&a, text), "65442010-76f2-1b2d-6fc7-a85ed33084d2");
}

static void a_record_says_whether_its_time_was_given(void **state)
{
    struct fixture *x = *state;
    struct record given =
        line_record(x, "{\"stream\":\"s\",\"value\":1,\"timestamp\":\"2026-01-01T00:00:00Z\"}");
    struct record arrived = line_record(x, "{\"stream\":\"s\",\"value\":1}");

    assert_int_equal(given.flags, 0);
    assert_true(given.wall_ns == NEW_YEAR);
    assert_int_equal(arrived.flags, RECORD_ARRIVAL);
    assert_true(arrived.wall_ns == 5);
}

static void a_line_needs_a_device_when_there_is_no_default(void **state)
{
    struct fixture *x = *state;
    struct ingest_line l;
    struct refusal why = { 0 };

    assert_int_equal(
        ingest_line(&x->lim, STR("{\"stream\":\"s\",\"value\":1}"), STR_NONE, 0, &x->a, &l, &why),
        ERR_VALUE);
    assert_string_equal(why.field, "device");
}

static void records_have_topics(void **state)
{
    static const struct {
        struct record r;
        const char *topic;
    } rows[] = {
        { { .kind = RECORD_READING, .device = { "d", 1 }, .stream = { "env", 3 } },
          "wayside/d/reading/env" },
        { { .kind = RECORD_DETECTION, .device = { "d", 1 }, .stream = { "lpr", 3 } },
          "wayside/d/detection/lpr" },
        { { .kind = RECORD_STATUS, .device = { "d", 1 }, .stream = { "x", 1 } },
          "wayside/d/status" },
        { { .kind = RECORD_EVENT, .device = { "d", 1 }, .stream = { "x", 1 } }, "wayside/d/event" },
        { { .kind = RECORD_RESULT,
            .device = { "d", 1 },
            .stream = { "result", 6 },
            .payload = { "{\"id\":\"c7\",\"result\":1}", 22 } },
          "wayside/d/result/c7" },
    };
    struct record none = { .kind = RECORD_RESULT,
                           .device = STR("d"),
                           .payload = STR("{\"id\":1}") };
    struct buf out = buf_init(200);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        buf_clear(&out);
        assert_int_equal(ingest_topic(&rows[i].r, &out), 0);
        assert_string_equal(buf_cstr(&out), rows[i].topic);
    }
    assert_int_equal(ingest_topic(&none, &out), ERR_VALUE);
    none.kind = RECORD_GAP;
    assert_int_equal(ingest_topic(&none, &out), ERR_VALUE);
    buf_fini(&out);
}

/* ---- the vectors: ok-…, none-…, bad-WAY-FIELD-… ("body": the whole) ---- */

static struct fixture *vectors_fixture;

static void check_vector(void *ctx, const char *path)
{
    struct fixture *x = vectors_fixture;
    size_t n = 0, *count = ctx;
    char *text = hex_slurp(path, &n);
    const char *name = strrchr(path, '/') + 1;
    struct record r = { 0 };
    struct refusal why = { 0 };
    struct str rest = str_of(name), field;
    int rc = ingest_case(x->t, &x->lim, str_from(text, n), &x->a, &r, &why);

    ++*count;
    if (str_starts(rest, STR("ok-"))) {
        if (rc != 0)
            fail_msg("%s: %s: %s", name, why.field, why.text);
    } else if (str_starts(rest, STR("none-"))) {
        assert_int_equal(rc, ERR_UNKNOWN);
    } else {
        str_cut(&rest, '-');
        str_cut(&rest, '-');
        field = str_cut(&rest, '-');
        if (rc == 0 || rc == ERR_UNKNOWN)
            fail_msg("%s: accepted", name);
        if (!str_eq(str_of(why.field), str_eq(field, STR("body")) ? STR("") : field))
            fail_msg("%s: field '%s', %s", name, why.field, why.text);
    }
    free(text);
}

static void vectors_hold(void **state)
{
    size_t count = 0;

    vectors_fixture = *state;
    hex_each_file(TESTS_DIR "/vectors/ingest", check_vector, &count);
    assert_true(count > 80);
}

#define INGEST_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

RUN(INGEST_TEST(records_of_each_way), INGEST_TEST(refusals_say_what_and_how),
    INGEST_TEST(nothing_to_ingest_is_no_refusal), INGEST_TEST(declared_types_are_kept_as_bytes),
    INGEST_TEST(the_device_can_be_the_client), INGEST_TEST(a_line_repeats_its_id),
    INGEST_TEST(ids_are_told_apart_by_their_hash),
    INGEST_TEST(a_record_says_whether_its_time_was_given),
    INGEST_TEST(a_line_needs_a_device_when_there_is_no_default), INGEST_TEST(records_have_topics),
    INGEST_TEST(vectors_hold))
