/* Dispatch: which row answers, with which values; what parameters may be. */
#include "http/route.h"

#include "base/buf.h"
#include "base/mem.h"

#include "unit/unit.h"

static void handle(struct http_request *r, void *ctx)
{
    (void)r;
    (void)ctx;
}

static const struct http_param device_params[] = {
    { "device", HTTP_IN_PATH, HTTP_STRING, .most = 50, .charset = "a-zA-Z0-9_-" },
    { 0 },
};
static const struct http_param two_params[] = {
    { "device", HTTP_IN_PATH, HTTP_STRING },
    { "stream", HTTP_IN_PATH, HTTP_STRING },
    { 0 },
};
static const struct http_route rows[] = {
    { HTTP_GET, "/", handle, .summary = "root" },
    { HTTP_GET, "/devices/{device}", handle, device_params, .summary = "one" },
    { HTTP_GET, "/devices/self", handle, .summary = "self" },
    { HTTP_GET, "/devices", handle, .summary = "all" },
    { HTTP_POST, "/devices", handle, .summary = "new" },
    { HTTP_DELETE, "/devices/{device}", handle, device_params, .summary = "gone" },
    { HTTP_GET, "/devices/{device}/{stream}", handle, two_params, .summary = "stream" },
    { HTTP_GET, "/a/", handle, .summary = "with a slash" },
};
static int ctx;
static const struct http_mount mount = { rows, COUNT_OF(rows), &ctx };

static struct http_match match(enum http_method m, const char *path)
{
    struct http_match out;

    http_route_match(&mount, 1, m, str_of(path), &out);
    return out;
}

static void rows_are_found(void **state)
{
    static const struct {
        enum http_method m;
        const char *path, *summary;
    } want[] = {
        { HTTP_GET, "/", "root" },
        { HTTP_GET, "/devices", "all" },
        { HTTP_POST, "/devices", "new" },
        { HTTP_GET, "/devices/x", "one" },
        { HTTP_GET, "/devices/self", "self" },
        { HTTP_DELETE, "/devices/self", "gone" },
        { HTTP_GET, "/devices/x/y", "stream" },
        { HTTP_GET, "/a/", "with a slash" },
    };
    static const char *const none[] = { "/x", "/devices/", "/devices/x/", "/devices/x/y/z",
                                        "/a", "/DEVICES" };

    (void)state;
    http_route_check(rows, COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        struct http_match m = match(want[i].m, want[i].path);

        assert_non_null(m.route);
        assert_string_equal(m.route->summary, want[i].summary);
        assert_ptr_equal(m.ctx, &ctx);
    }
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        struct http_match m = match(HTTP_GET, none[i]);

        if (m.route || m.allow)
            fail_msg("%s is found", none[i]);
    }
}

static void values_of_the_path(void **state)
{
    struct http_match m = match(HTTP_GET, "/devices/pi-1/env");

    (void)state;
    assert_str(http_route_param(&m, "device"), "pi-1");
    assert_str(http_route_param(&m, "stream"), "env");
    assert_null(http_route_param(&m, "other").p);
}

static void other_methods(void **state)
{
    struct http_match m = match(HTTP_HEAD, "/devices");
    struct buf b = buf_init(100);

    (void)state;
    assert_true(m.route && m.head);
    m = match(HTTP_PUT, "/devices");
    assert_null(m.route);
    assert_false(m.options);
    http_route_allow(m.allow, &b);
    assert_str(buf_str(&b), "GET, HEAD, POST, OPTIONS");
    m = match(HTTP_OPTIONS, "/devices/x");
    assert_true(m.options && !m.route);
    buf_clear(&b);
    http_route_allow(m.allow, &b);
    assert_str(buf_str(&b), "GET, HEAD, DELETE, OPTIONS");
    buf_fini(&b);
}

static void parameters(void **state)
{
    static const struct {
        struct http_param p;
        const char *good, *bad;
    } rows2[] = {
        { { .type = HTTP_STRING, .least = 2, .most = 3 }, "abc", "abcd" },
        { { .type = HTTP_STRING, .least = 2, .most = 3 }, "ab", "a" },
        { { .type = HTTP_STRING, .charset = "a-z0-9_-" }, "a-9_", "a b" },
        { { .type = HTTP_STRING, .charset = "a-c" }, "", "d" },
        { { .type = HTTP_INTEGER }, "-5", "5.0" },
        { { .type = HTTP_INTEGER, .least = 1, .most = 10 }, "10", "0" },
        { { .type = HTTP_INTEGER, .least = 1, .most = 10 }, "1", "11" },
        { { .type = HTTP_INTEGER }, "9223372036854775807", "9223372036854775808" },
        { { .type = HTTP_NUMBER }, "1.5e3", "nan" },
        { { .type = HTTP_NUMBER, .least = -1, .most = 1 }, "0.5", "1.5" },
        { { .type = HTTP_BOOLEAN }, "true", "yes" },
        { { .type = HTTP_BOOLEAN }, "false", "" },
        { { .type = HTTP_TIME }, "2026-01-01T00:00:00Z", "2026-01-01" },
    };
    const char *text = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows2); i++) {
        assert_int_equal(http_param_check(&rows2[i].p, str_of(rows2[i].good), &text), 0);
        assert_int_equal(http_param_check(&rows2[i].p, str_of(rows2[i].bad), &text), ERR_VALUE);
        assert_non_null(text);
    }
}

RUN(TEST(rows_are_found), TEST(values_of_the_path), TEST(other_methods), TEST(parameters))
