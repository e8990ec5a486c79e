/* Host and Origin: who may call. */
#include "http/guard.h"

#include "base/mem.h"

#include "unit/unit.h"

static void every_case(void **state)
{
    static const char *const hosts[] = { "hub.example.org", NULL };
    static const char *const origins[] = { "https://panel.example.org", NULL };
    static const struct {
        const char *host, *origin;
        enum http_guard_answer want;
    } rows[] = {
        { "localhost", NULL, HTTP_GUARD_OK },
        { "LOCALHOST:8000", NULL, HTTP_GUARD_OK },
        { "127.0.0.1:8000", NULL, HTTP_GUARD_OK },
        { "192.168.1.7", NULL, HTTP_GUARD_OK },
        { "[::1]:8000", NULL, HTTP_GUARD_OK },
        { "[fe80::1]", NULL, HTTP_GUARD_OK },
        { "hub.example.org", NULL, HTTP_GUARD_OK },
        { "HUB.example.org:80", NULL, HTTP_GUARD_OK },
        { "", NULL, HTTP_GUARD_OK }, /* HTTP/1.0 */
        { "evil.example.com", NULL, HTTP_GUARD_HOST },
        { "hub.example.org.evil.com", NULL, HTTP_GUARD_HOST },
        { "127.0.0.1.evil.com", NULL, HTTP_GUARD_HOST },
        { "127.0.0.1:8000", "http://127.0.0.1:8000", HTTP_GUARD_OK },
        { "localhost", "http://localhost", HTTP_GUARD_OK },
        { "localhost:80", "http://localhost", HTTP_GUARD_OK },
        { "localhost:443", "https://localhost", HTTP_GUARD_OK },
        { "localhost", "https://localhost", HTTP_GUARD_OK }, /* behind something that does TLS */
        { "127.0.0.1:8000", "http://127.0.0.1:9000", HTTP_GUARD_ORIGIN },
        { "127.0.0.1:8000", "http://localhost:8000", HTTP_GUARD_ORIGIN },
        { "127.0.0.1:8000", "http://evil.example.com", HTTP_GUARD_ORIGIN },
        { "127.0.0.1:8000", "null", HTTP_GUARD_ORIGIN },
        { "127.0.0.1:8000", "", HTTP_GUARD_ORIGIN },
        { "127.0.0.1:8000", "http://127.0.0.1:8000/x", HTTP_GUARD_ORIGIN },
        { "127.0.0.1:8000", "ws://127.0.0.1:8000", HTTP_GUARD_ORIGIN },
        { "127.0.0.1:8000", "https://panel.example.org", HTTP_GUARD_CROSS },
        { "127.0.0.1:8000", "http://panel.example.org", HTTP_GUARD_ORIGIN },
        { "evil.example.com", "https://panel.example.org", HTTP_GUARD_HOST },
        { "", "http://localhost", HTTP_GUARD_ORIGIN },
    };
    struct http_guard g;

    (void)state;
    http_guard_init(&g, hosts, origins);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum http_guard_answer got =
            http_guard_check(&g, str_of(rows[i].host), str_of(rows[i].origin));

        if (got != rows[i].want)
            fail_msg("%s, %s: %d", rows[i].host, rows[i].origin ? rows[i].origin : "-", (int)got);
    }
    http_guard_fini(&g);
    http_guard_init(&g, NULL, NULL);
    assert_int_equal(http_guard_check(&g, STR("hub.example.org"), STR_NONE), HTTP_GUARD_HOST);
    http_guard_fini(&g);
}

static void any_host_where_a_name_opens_nothing(void **state)
{
    static const char *const origins[] = { "https://panel.example.org", NULL };
    struct http_guard g;

    (void)state;
    http_guard_init(&g, NULL, origins);
    g.any_host = true;
    assert_int_equal(http_guard_check(&g, STR("b.lan:9001"), STR("http://b.lan:9001")),
                     HTTP_GUARD_OK);
    assert_int_equal(http_guard_check(&g, STR("b.lan:9001"), STR("https://panel.example.org")),
                     HTTP_GUARD_CROSS);
    assert_int_equal(http_guard_check(&g, STR("b.lan:9001"), STR("http://b.lan:1880")),
                     HTTP_GUARD_ORIGIN);
    assert_int_equal(http_guard_check(&g, STR("b.lan:9001"), STR("http://evil.example")),
                     HTTP_GUARD_ORIGIN);
    http_guard_fini(&g);
}

RUN(TEST(every_case), TEST(any_host_where_a_name_opens_nothing))
