/* The JSON Schema is JSON and says what the rows say. */
#include "unit/unit.h"
#include "unit/conf/rows.h"

#include "wire/json.h"

static void test_schema(void **state)
{
    struct buf b = buf_init(1 << 20);
    struct json_limits limits = { 40, 0 };
    struct json_t *v = NULL;
    const struct json_t *props, *p, *mqtt;

    (void)state;
    conf_schema_json(&sample_schema, &b);
    assert_int_equal(json_parse(buf_str(&b), &limits, &v, NULL, NULL), 0);
    assert_str(json_to_str(json_member(v, "$schema")),
               "https://json-schema.org/draft/2020-12/schema");
    assert_false(json_to_bool(json_member(v, "additionalProperties")));
    props = json_member(v, "properties");
    p = json_member(props, "percent");
    assert_int_equal(json_to_i64(json_member(p, "maximum")), 100);
    assert_int_equal(json_to_i64(json_member(p, "default")), 50);
    assert_str(json_to_str(json_member(p, "description")), "of the disk");
    assert_int_equal(json_count(json_member(json_member(props, "level"), "enum")), 3);
    assert_null(json_member(props, "id_file"));
    mqtt = json_member(json_member(props, "mqtt"), "properties");
    assert_int_equal(json_count(json_member(json_member(props, "mqtt"), "type")), 3);
    assert_null(json_member(mqtt, "port"));
    p = json_member(json_member(mqtt, "listeners"), "items");
    assert_str(json_to_str(json_element(json_member(p, "required"), 0)), "address");
    p = json_member(json_member(json_member(mqtt, "users"), "additionalProperties"), "properties");
    assert_non_null(json_member(p, "password_file"));
    p = json_member(json_member(json_member(props, "limits"), "properties"), "http_idle_timeout");
    assert_str(json_to_str(json_member(p, "default")), "1m");
    json_free(v);
    buf_fini(&b);
}

RUN(TEST(test_schema))
