/* The REST interface's JSON by bytes. */
#include "unit/unit.h"

#include "hub/render.h"

static const struct store_row row = {
    .device = { "pi", 2 },
    .stream = { "env", 3 },
    .kind = RECORD_READING,
    .wall_ns = 1767225600000000000,
    .received_ns = 1767225601000000000,
    .origin_seq = 7,
    .payload = { "{\"t\":1}", 7 },
};

static void readings(void **state)
{
    struct render r;
    struct store_row raw = row;

    (void)state;
    render_init(&r);
    render_readings_begin(&r);
    assert_int_equal(render_readings.row(&r, &row), 0);
    raw.content_type = STR("text/plain");
    raw.payload = STR("a \"b\"");
    assert_int_equal(render_readings.row(&r, &raw), 0);
    assert_int_equal(render_end(&r, RENDER_ITEMS, "tok"), 0);
    assert_str(buf_str(&r.out),
               "{\"items\":[{\"device\":\"pi\",\"stream\":\"env\",\"kind\":\"reading\","
               "\"time\":\"2026-01-01T00:00:00.000Z\",\"received\":\"2026-01-01T00:00:01.000Z\","
               "\"seq\":7,\"value\":{\"t\":1}},{\"device\":\"pi\",\"stream\":\"env\","
               "\"kind\":\"reading\",\"time\":\"2026-01-01T00:00:00.000Z\","
               "\"received\":\"2026-01-01T00:00:01.000Z\",\"seq\":7,\"value\":\"a \\\"b\\\"\","
               "\"content_type\":\"text/plain\"}],\"next\":\"tok\"}");
    render_fini(&r);
}

static void the_older_list_is_payloads(void **state)
{
    struct render r;

    (void)state;
    render_init(&r);
    render_payloads_begin(&r);
    assert_int_equal(render_payloads.row(&r, &row), 0);
    assert_int_equal(render_payloads.row(&r, &row), 0);
    assert_int_equal(render_end(&r, RENDER_ARRAY, ""), 0);
    assert_str(buf_str(&r.out), "[{\"t\":1},{\"t\":1}]");
    render_fini(&r);
}

static void devices_with_their_newest_values(void **state)
{
    struct store_stream streams[] = {
        { .name = STR("env"), .kind = RECORD_READING, .fields = STR("[\"t\"]"), .count = 3 },
        { .name = STR("big"), .kind = RECORD_EVENT, .count = 1 },
    };
    struct store_device d = {
        .name = STR("pi"), .title = STR("The Pi"), .streams = streams, .stream_count = 2
    };
    static char big[RENDER_LAST_MAX + 1];
    struct store_row large = row;
    struct render r;

    (void)state;
    memset(big, '1', sizeof(big));
    large.stream = STR("big");
    large.payload = str_from(big, sizeof(big));
    render_init(&r);
    assert_int_equal(render_lasts.row(&r, &row), 0);
    assert_int_equal(render_lasts.row(&r, &large), 0); /* too long for a list */
    render_devices_begin(&r);
    assert_int_equal(render_devices.device(&r, &d), 0);
    assert_int_equal(render_end(&r, RENDER_ITEMS, ""), 0);
    assert_str(
        buf_str(&r.out),
        "{\"items\":[{\"device\":\"pi\",\"name\":\"The Pi\","
        "\"first_seen\":\"1970-01-01T00:00:00.000Z\",\"last_seen\":\"1970-01-01T00:00:00.000Z\","
        "\"last_time\":\"1970-01-01T00:00:00.000Z\",\"journal\":null,\"gaps\":0,\"lost\":0,\"forks\":0,"
        "\"node\":null,\"streams\":[{\"stream\":\"env\","
        "\"kind\":\"reading\",\"last_time\":\"1970-01-01T00:00:00.000Z\",\"count\":3,"
        "\"fields\":[\"t\"],\"last\":{\"t\":1}},{\"stream\":\"big\",\"kind\":\"event\","
        "\"last_time\":\"1970-01-01T00:00:00.000Z\",\"count\":1,\"fields\":[]}]}],\"next\":null}");
    render_fini(&r);
}

static void a_device_with_its_node(void **state)
{
    struct senders all;
    struct uuid journal = { { 7 } };
    struct store_device d = {
        .name = STR("pi"), .origin = journal, .gaps = 2, .lost = 30, .forks = 1
    };
    struct batch_sender says = { .wall_ns = 3000000000, .head_seq = 12, .dropped = 4 };
    struct render r;

    (void)state;
    senders_init(&all, 1000);
    sender_says(sender_of(&all, &journal), &says, STR("pi-7"), 1000000000);
    render_init(&r);
    r.senders = &all;
    render_devices_begin(&r);
    assert_int_equal(render_devices.device(&r, &d), 0);
    assert_int_equal(render_end(&r, RENDER_ITEMS, ""), 0);
    assert_non_null(strstr(
        buf_cstr(&r.out),
        "\"journal\":\"07000000-0000-0000-0000-000000000000\",\"gaps\":2,\"lost\":30,\"forks\":1,"
        "\"node\":{\"journal\":\"07000000-0000-0000-0000-000000000000\",\"name\":\"pi-7\","
        "\"backlog\":12,\"dropped\":4,\"have\":0,\"head\":12,"
        "\"last_contact\":\"1970-01-01T00:00:01.000Z\",\"clock_error_ms\":2000,\"batches\":0,"
        "\"records\":0,\"holes\":0}"));
    render_fini(&r);
    senders_fini(&all);
}

static void gaps_are_listed(void **state)
{
    struct store_gap g = {
        .origin = { { 7 } }, .first = 3, .last = 9, .reason = STR("dropped"), .received_ns = 0
    };
    struct render r;

    (void)state;
    render_init(&r);
    render_gaps_begin(&r);
    assert_int_equal(render_gaps.gap(&r, &g), 0);
    assert_int_equal(render_end(&r, RENDER_ITEMS, "l5"), 0);
    assert_str(buf_str(&r.out),
               "{\"items\":[{\"journal\":\"07000000-0000-0000-0000-000000000000\",\"first\":3,"
               "\"last\":9,\"reason\":\"dropped\",\"time\":\"1970-01-01T00:00:00.000Z\"}],"
               "\"next\":\"l5\"}");
    render_fini(&r);
}

static void series_are_columns(void **state)
{
    struct store_query q = {
        .device = STR("pi"), .stream = STR("env"), .field = STR("t"), .step_ns = 10000000000
    };
    struct store_point a = { .t_ns = 5000000, .min = 1, .avg = 1.5, .max = 2, .count = 2 };
    struct store_point b = { .t_ns = 15000000, .min = -1, .avg = 0, .max = 1, .count = 2 };
    struct render r;

    (void)state;
    render_init(&r);
    render_series_begin(&r, &q);
    assert_int_equal(render_series.point(&r, &a), 0);
    assert_int_equal(render_series.point(&r, &b), 0);
    assert_int_equal(render_end(&r, RENDER_SERIES, ""), 0);
    assert_str(buf_str(&r.out),
               "{\"device\":\"pi\",\"stream\":\"env\",\"field\":\"t\",\"step_ms\":10000,"
               "\"t\":[5,15],\"min\":[1,-1],\"avg\":[1.5,0],\"max\":[2,1]}");
    render_fini(&r);
}

static void refusals_name_the_field(void **state)
{
    struct refusal why = { .code = ERR_VALUE,
                           .field = "temperature",
                           .type = "value_error.number.not_le",
                           .text = "too hot",
                           .has_limit = true,
                           .limit = 100 };
    struct buf b = buf_init(1000);

    (void)state;
    render_detail(&b, &why);
    assert_str(buf_str(&b),
               "{\"detail\":[{\"loc\":[\"body\",\"temperature\"],\"msg\":\"too hot\","
               "\"type\":\"value_error.number.not_le\",\"ctx\":{\"limit_value\":100}}]}");
    buf_clear(&b);
    render_problem(&b, 422, &why);
    assert_str(buf_str(&b), "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\","
                            "\"status\":422,\"detail\":\"too hot\",\"field\":\"temperature\"}");
    buf_fini(&b);
}

RUN(TEST(readings), TEST(the_older_list_is_payloads), TEST(devices_with_their_newest_values),
    TEST(a_device_with_its_node), TEST(gaps_are_listed), TEST(series_are_columns),
    TEST(refusals_name_the_field))
