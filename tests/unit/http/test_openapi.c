/* The document: valid JSON with every row that is not hidden, and what the rows say. */
#include "http/route.h"

#include "base/mem.h"
#include "wire/json.h"

#include "unit/unit.h"

static void handle(struct http_request *r, void *ctx)
{
    (void)r;
    (void)ctx;
}

static const struct http_param params[] = {
    { "device_id", HTTP_IN_PATH, HTTP_STRING, .least = 1, .most = 50, .charset = "a-z" },
    { "limit", HTTP_IN_QUERY, HTTP_INTEGER, .least = 1, .most = 100, .help = "at \"most\"" },
    { "from", HTTP_IN_QUERY, HTTP_TIME, .required = true },
    { 0 },
};
static const struct http_route rows[] = {
    { HTTP_GET, "/data/{device_id}", handle, params, .summary = "List", .tag = "data",
      .answer_schema = "{\"type\":\"array\"}" },
    { HTTP_GET, "/hidden", handle, .summary = "x", .flags = HTTP_HIDDEN },
    { HTTP_POST, "/data/{device_id}", handle, params, .summary = "Store", .body_max = 10,
      .flags = HTTP_BODY_JSON | HTTP_BODY_NEEDED | HTTP_STYLE_DETAIL },
};

static const struct json_t *path(const struct json_t *v, const char *const *names)
{
    for (; *names; names++)
        v = json_member(v, *names);
    return v;
}
#define PATH(v, ...) path(v, (const char *const[]){ __VA_ARGS__, NULL })

static void document(void **state)
{
    const struct http_mount mount = { rows, COUNT_OF(rows), NULL };
    struct buf b = buf_init(1 << 16);
    struct json_t *d = NULL;
    const struct json_t *get, *p;
    struct fault f;

    (void)state;
    http_openapi(&mount, 1, "LPR Server API", "3.0.0", "Text", &b);
    if (json_parse(buf_str(&b), &(struct json_limits){ 32, 0 }, &d, NULL, &f) != 0)
        fail_msg("%s", f.text);
    assert_str(json_to_str(PATH(d, "info", "title")), "LPR Server API");
    assert_str(json_to_str(PATH(d, "info", "version")), "3.0.0");
    assert_int_equal(json_count(PATH(d, "paths")), 1);
    get = PATH(d, "paths", "/data/{device_id}", "get");
    assert_str(json_to_str(PATH(get, "summary")), "List");
    assert_int_equal(json_count(PATH(get, "parameters")), 3);
    p = json_element(PATH(get, "parameters"), 0);
    assert_true(json_to_bool(PATH(p, "required")));
    assert_int_equal(json_to_i64(PATH(p, "schema", "maxLength")), 50);
    assert_str(json_to_str(PATH(p, "schema", "pattern")), "^[a-z]*$");
    p = json_element(PATH(get, "parameters"), 1);
    assert_false(json_to_bool(PATH(p, "required")));
    assert_str(json_to_str(PATH(p, "description")), "at \"most\"");
    p = json_element(PATH(get, "parameters"), 2);
    assert_str(json_to_str(PATH(p, "schema", "format")), "date-time");
    p = PATH(d, "paths", "/data/{device_id}", "post");
    assert_non_null(PATH(p, "requestBody", "content", "application/json"));
    assert_non_null(PATH(p, "responses", "default", "content", "application/json"));
    assert_non_null(PATH(get, "responses", "default", "content", "application/problem+json"));
    json_free(d);
    buf_fini(&b);
}

RUN(TEST(document))
