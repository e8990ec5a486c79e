/* Heads and error bodies, byte for byte; Basic credentials. */
#include "http/answer.h"

#include "base/mem.h"

#include "unit/unit.h"

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"

static void heads(void **state)
{
    struct buf b = buf_init(2000);
    struct answer_head h = { .status = 200,
                             .type = "application/json",
                             .date = DATE,
                             .has_length = true,
                             .length = 1234567890123 };

    (void)state;
    answer_head(&b, &h);
    assert_str(buf_str(&b), "HTTP/1.1 200 OK\r\nServer: wayside\r\nDate: " DATE
                            "\r\nContent-Type: application/json\r\n"
                            "Content-Length: 1234567890123\r\nCache-Control: no-store\r\n"
                            "X-Content-Type-Options: nosniff\r\n\r\n");
    buf_clear(&b);
    h = (struct answer_head){ .status = 200,
                              .date = DATE,
                              .chunked = true,
                              .close = true,
                              .cache = true,
                              .extra = STR("X: y\r\n") };
    answer_head(&b, &h);
    assert_str(buf_str(&b), "HTTP/1.1 200 OK\r\nServer: wayside\r\nDate: " DATE
                            "\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
                            "X-Content-Type-Options: nosniff\r\nX: y\r\n\r\n");
    buf_clear(&b);
    h = (struct answer_head){ .status = 200, .type = "text/html; charset=utf-8", .date = DATE };
    answer_head(&b, &h);
    assert_true(str_find_str(buf_str(&b), STR("frame-ancestors 'none'")) < b.n);
    buf_fini(&b);
}

static void errors(void **state)
{
    static const struct field_error e[] = {
        { "temperature", "is out of range", "range" },
        { "", "must be an object", "type" },
    };
    struct buf b = buf_init(2000);

    (void)state;
    answer_error(&b, false, 404, STR("no \"x\""));
    assert_str(buf_str(&b), "{\"title\":\"Not Found\",\"status\":404,\"detail\":\"no \\\"x\\\"\"}");
    buf_clear(&b);
    answer_error(&b, true, 404, STR("Device not found"));
    assert_str(buf_str(&b), "{\"detail\":\"Device not found\"}");
    buf_clear(&b);
    answer_invalid(&b, true, "body", e, 2);
    assert_str(buf_str(&b),
               "{\"detail\":[{\"loc\":[\"body\",\"temperature\"],\"msg\":\"is out of range\","
               "\"type\":\"range\"},{\"loc\":[\"body\"],\"msg\":\"must be an object\","
               "\"type\":\"type\"}]}");
    buf_clear(&b);
    answer_invalid(&b, false, "query", e, 1);
    assert_str(buf_str(&b),
               "{\"title\":\"Unprocessable Content\",\"status\":422,"
               "\"detail\":\"temperature: is out of range\",\"errors\":[{\"in\":\"query\","
               "\"field\":\"temperature\",\"detail\":\"is out of range\",\"type\":\"range\"}]}");
    buf_fini(&b);
}

static void basic(void **state)
{
    static const char *const bad[] = { "",
                                       "Basic",
                                       "Basic ",
                                       "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
                                       "Basic QWxhZGRpbg==", /* no colon */
                                       "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=",
                                       "Basic YTpiYR==", /* stray bits */
                                       "Basic YTo\x01",
                                       "Basic /zo=" /* not UTF-8 */ };
    char out[100];
    struct str user, password;

    (void)state;
    assert_int_equal(answer_basic(STR("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), out, &user, &password),
                     0); /* RFC 7617, 2 */
    assert_str(user, "Aladdin");
    assert_str(password, "open sesame");
    assert_int_equal(answer_basic(STR("basic YTo="), out, &user, &password), 0);
    assert_str(user, "a");
    assert_int_equal(password.n, 0);
    assert_int_equal(answer_basic(STR("Basic YTpiOmM="), out, &user, &password), 0);
    assert_str(password, "b:c");
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (answer_basic(str_of(bad[i]), out, &user, &password) != ERR_SYNTAX)
            fail_msg("%s", bad[i]);
}

RUN(TEST(heads), TEST(errors), TEST(basic))
