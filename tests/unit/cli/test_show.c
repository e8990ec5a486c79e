/* What people read of a node's answers. */
#include "unit/unit.h"

#include "cli/show.h"

static void sizes_and_times(void **state)
{
    struct buf b = buf_init(1000);

    (void)state;
    show_bytes(17, &b);
    buf_put(&b, STR("|"));
    show_bytes(1536, &b);
    buf_put(&b, STR("|"));
    show_bytes(UINT64_MAX, &b);
    buf_put(&b, STR("|"));
    show_seconds(59, &b);
    buf_put(&b, STR("|"));
    show_seconds(7500, &b);
    buf_put(&b, STR("|"));
    show_seconds(100000, &b);
    assert_str(buf_str(&b), "17 B|1.5 KiB|16.0 EiB|59 s|2 h 5 min|1 d 3 h");
    buf_fini(&b);
}

static void status_of_a_hub(void **state)
{
    struct buf b = buf_init(10000);

    (void)state;
    assert_int_equal(
        show_status(
            STR("{\"version\":\"1\",\"id\":\"pi\",\"pid\":7,\"ready\":false,\"reason\":\"starting\","
                "\"uptime_s\":5,\"services\":[{\"name\":\"mqtt\",\"address\":\"127.0.0.1:1\"}],"
                "\"journal\":{\"head\":9,\"oldest\":2,\"segments\":1,\"bytes\":2048,"
                "\"quota_bytes\":4096,\"dropped\":0,\"damaged\":1},"
                "\"store\":{\"position\":6,\"checkpointed\":6},\"mqtt_clients\":3,"
                "\"uplink\":{\"hub\":\"h:1\",\"connected\":false,\"backlog\":4}}"),
            &b),
        0);
    assert_str(buf_str(&b), "pi      wayside 1, process 7, up 5 s\n"
                            "state     NOT READY: starting\n"
                            "services  mqtt             127.0.0.1:1\n"
                            "journal   records 2 to 9 in 1 segments, 2.0 KiB of 4.0 KiB\n"
                            "          dropped 0, damaged 1\n"
                            "store     has records up to 6 (3 behind)\n"
                            "clients   3 by MQTT\n"
                            "uplink    NOT connected to h:1, 4 records to send\n");
    buf_fini(&b);
}

static void nodes_and_what_waits(void **state)
{
    static const struct str answer = STR(
        "{\"version\":\"1\",\"id\":\"pi\",\"pid\":7,\"ready\":true,\"uptime_s\":5,"
        "\"journal\":{\"head\":9,\"path\":\"/d/journal\"},"
        "\"uplink\":{\"hub\":\"h:1\",\"connected\":true,\"backlog\":4,\"acked\":5,\"rewinds\":2,"
        "\"oldest\":\"2026-01-01T00:00:00Z\"},"
        "\"nodes\":[{\"journal\":\"u\",\"name\":\"pi-7\",\"backlog\":12,\"dropped\":3,"
        "\"last_contact\":null,\"clock_error_ms\":-5100}]}");
    struct buf b = buf_init(10000);
    char dir[32];
    uint64_t after = 0;

    (void)state;
    assert_int_equal(show_status(answer, &b), 0);
    assert_non_null(
        strstr(buf_cstr(&b), "4 records to send, the oldest of 2026-01-01T00:00:00Z\n"));
    assert_non_null(strstr(buf_cstr(&b), "had acknowledged 2 times"));
    assert_non_null(strstr(buf_cstr(&b), "pi-7                             12          3      -5s  "
                                         "not since this hub's start\n"));
    assert_int_equal(show_waiting(answer, dir, sizeof(dir), &after), 0);
    assert_string_equal(dir, "/d/journal");
    assert_int_equal(after, 5);
    assert_int_equal(show_waiting(answer, dir, 5, &after), ERR_UNKNOWN);
    assert_int_equal(show_waiting(STR("{\"journal\":{}}"), dir, sizeof(dir), &after), ERR_UNKNOWN);
    buf_fini(&b);
}

/* A node's name is the client id of whoever publishes as one; a bridge's server names itself in no
 * other way than by its address, which comes from a file. */
static void names_of_strangers(void **state)
{
    struct buf b = buf_init(10000);

    (void)state;
    assert_int_equal(
        show_status(
            STR("{\"id\":\"pi\",\"bridges\":[{\"name\":\"b\\u001b\",\"server\":\"s\\u0007\","
                "\"connected\":true,\"queued\":1}],\"nodes\":[{\"name\":\"\\u001b]0;x\\u0007\\u009b"
                "2J müller\",\"last_contact\":\"now\"},"
                "{\"journal\":\"01234567-89ab-cdef-0123-456789abcdef\"}]}"),
            &b),
        0);
    assert_non_null(strstr(buf_cstr(&b), "bridges   b\\e              connected to s\\x07, 1 "));
    assert_non_null(strstr(buf_cstr(&b), "\n\\e]0;x\\x07\\u{9b}2J müller          0 "));
    assert_non_null(strstr(buf_cstr(&b), "\n01234567-89ab-cdef-0123-456789abcdef          0 "));
    assert_null(strchr(buf_cstr(&b), 0x1b));
    buf_fini(&b);
}

static void sessions_of_strangers(void **state)
{
    struct buf b = buf_init(10000);

    (void)state;
    assert_int_equal(
        show_sessions(
            STR("{\"sessions\":[{\"client\":\"z\",\"user\":null,\"peer\":\"\",\"connected\":false,"
                "\"transport\":null,\"version\":0,\"subscriptions\":1,\"queued\":5,\"inflight\":0,"
                "\"dropped\":7,\"since\":\"2026-01-01T00:00:00Z\"},"
                "{\"client\":\"\\u001b[2J\",\"user\":\"müller-lüdenscheid\",\"peer\":\"10.0.0.1:2\","
                "\"connected\":true,\"transport\":\"wss\",\"version\":5,\"subscriptions\":2,"
                "\"queued\":0,\"inflight\":3,\"received\":4,\"sent\":5000000,\"since\":\"2026-01-02T00:00:00Z\"}]}"),
            &b),
        0);
    assert_str(
        buf_str(&b),
        "CLIENT                   USER         PEER                   TRANSPORT MQTT    SUBS   QUEUED"
        " INFLIGHT  DROPPED         IN        OUT  SINCE\n"
        "\\e[2J                    müller-lüden 10.0.0.1:2             wss       5          2        0"
        "        3        0          4    5000000  2026-01-02T00:00:00Z\n"
        "z                                     (away)                                      1        5"
        "        0        7          0          0  2026-01-01T00:00:00Z\n");
    buf_fini(&b);
}

/* The head stands above the first page only; what the last one is like is told by what is not there. */
static void sessions_page_by_page(void **state)
{
    const struct str page =
        STR("{\"sessions\":[{\"client\":\"a\",\"queued\":1},{\"client\":\"b\"}],"
            "\"next\":\"b\"}");
    struct buf b = buf_init(10000), next = buf_init(100);

    (void)state;
    assert_int_equal(show_session_page(page, true, &b, &next), 0);
    assert_true(str_starts(buf_str(&b), STR("CLIENT ")));
    assert_str(buf_str(&next), "b");
    buf_clear(&b);
    assert_int_equal(show_session_page(page, false, &b, &next), 0);
    assert_true(str_starts(buf_str(&b), STR("a ")));
    buf_clear(&b);
    assert_int_equal(show_session_page(STR("{\"sessions\":[]}"), false, &b, &next), 0);
    assert_int_equal(b.n + next.n, 0);
    assert_int_equal(show_session_items(page, true, &b, &next), 0);
    assert_str(buf_str(&next), "b");
    assert_int_equal(
        show_session_items(STR("{\"sessions\":[{\"client\":\"c\"}]}"), false, &b, &next), 0);
    assert_str(buf_str(&b),
               "{\"client\":\"a\",\"queued\":1},{\"client\":\"b\"},{\"client\":\"c\"}");
    assert_int_equal(next.n, 0);
    assert_int_equal(show_session_items(STR("{\"error\":\"no\"}"), true, &b, &next), ERR_VALUE);
    buf_fini(&b);
    buf_fini(&next);
}

static void one_client_with_its_subscriptions(void **state)
{
    struct buf b = buf_init(10000);

    (void)state;
    assert_int_equal(show_client(STR("{\"sessions\":[{\"client\":\"c\",\"filters\":[{\"filter\":"
                                     "\"a/#\",\"qos\":2},{\"filter\":\"b\\u001b\",\"qos\":0}]}]}"),
                                 &b),
                     0);
    assert_true(str_ends(buf_str(&b), STR("\nQOS  FILTER\n  2  a/#\n  0  b\\e\n")));
    buf_clear(&b);
    assert_int_equal(show_client(STR("{\"sessions\":[]}"), &b), 0);
    assert_str(buf_str(&b),
               "there is no such MQTT client, connected or with a session that is kept\n");
    buf_fini(&b);
}

static void errors_are_said(void **state)
{
    struct buf b = buf_init(10000);

    (void)state;
    assert_int_equal(show_status(STR("{\"error\":\"no\"}"), &b), ERR_VALUE);
    assert_str(buf_str(&b), "no");
    buf_clear(&b);
    assert_int_equal(show_error(STR("{\"error\":\"nobody\"}"), &b), ERR_VALUE);
    assert_str(buf_str(&b), "nobody");
    assert_int_equal(show_error(STR("{\"kicked\":true}"), &b), 0);
    buf_clear(&b);
    assert_int_equal(show_sessions(STR("{"), &b), ERR_SYNTAX);
    assert_true(b.n > 0);
    buf_clear(&b);
    assert_int_equal(show_sessions(STR("{\"sessions\":[]}"), &b), 0);
    assert_str(buf_str(&b),
               "there is no such MQTT client, connected or with a session that is kept\n");
    buf_fini(&b);
}

RUN(TEST(sizes_and_times), TEST(status_of_a_hub), TEST(nodes_and_what_waits),
    TEST(names_of_strangers), TEST(sessions_of_strangers), TEST(sessions_page_by_page),
    TEST(one_client_with_its_subscriptions), TEST(errors_are_said))
