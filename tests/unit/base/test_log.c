/* Lines by bytes: both formats, escaping, redaction, and a line a write. */
#include "unit/unit.h"

#include "base/buf.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct buf render(enum log_format format, const struct log_field *f, size_t n)
{
    struct buf b = buf_init(20000);

    log_render(&b, format, 1767225600250000000, LOG_WARN, "mqtt", "refused it", f, n);
    return b;
}

static void both_formats(void **state)
{
    struct log_field f[] = { lf_text("peer", "127.0.0.1:5"),     lf_i64("n", -3),
                             lf_u64("u", 18446744073709551615u), lf_bool("ok", true),
                             lf_err("error", -ENOENT),           lf_double("d", 1.5) };
    struct buf b = render(LOG_LOGFMT, f, 6);

    (void)state;
    assert_str(buf_str(&b), "time=2026-01-01T00:00:00.250Z level=warn module=mqtt "
                            "msg=\"refused it\" peer=127.0.0.1:5 n=-3 "
                            "u=18446744073709551615 ok=true "
                            "error=\"No such file or directory\" d=1.5\n");
    buf_fini(&b);
    b = render(LOG_JSON, f, 2);
    assert_str(buf_str(&b), "{\"time\":\"2026-01-01T00:00:00.250Z\",\"level\":\"warn\","
                            "\"module\":\"mqtt\",\"msg\":\"refused it\","
                            "\"peer\":\"127.0.0.1:5\",\"n\":-3}\n");
    buf_fini(&b);
}

static void a_peer_cannot_forge_a_line(void **state)
{
    struct log_field f[] = { lf_str("id", STR("a\nlevel=error x=\"y\"\x01\xff")) };
    struct buf b = render(LOG_LOGFMT, f, 1);

    (void)state;
    assert_int_equal(str_find(buf_str(&b), '\n'), b.n - 1);
    assert_true(str_find_str(buf_str(&b), STR("id=\"a\\nlevel=error x=\\\"y\\\"\\u0001\\u00ff\"")) <
                b.n);
    buf_fini(&b);
}

static void secrets_never_leave(void **state)
{
    struct log_field f[] = { lf_text("url", "pg://u:hunter22@h") };
    struct buf b;

    (void)state;
    log_secret(STR("hunter22"));
    log_secret(STR("abc")); /* too short to be searched for */
    b = render(LOG_JSON, f, 1);
    assert_true(str_find_str(buf_str(&b), STR("hunter22")) == b.n);
    assert_true(str_find_str(buf_str(&b), STR("pg://u:***@h")) < b.n);
    buf_fini(&b);
}

static void secrets_have_no_number_and_no_length(void **state)
{
    static char lng[5000];
    char text[40];
    struct buf b;

    (void)state;
    for (int i = 0; i < 2000; i++) {
        snprintf(text, sizeof(text), "geheim-%04d", i);
        log_secret(str_of(text));
    }
    memset(lng, 'q', sizeof(lng));
    log_secret(str_from(lng, sizeof(lng)));
    log_secret(STR("geheim-0007-too")); /* begins with another */
    b = render(
        LOG_LOGFMT,
        (struct log_field[]){ lf_text("a", "geheim-1999"), lf_str("b", str_from(lng, sizeof(lng))),
                              lf_text("c", "<geheim-0007-too>"), lf_text("d", "geheim-000") },
        4);
    assert_true(str_ends(buf_str(&b), STR("a=*** b=*** c=<***> d=geheim-000\n")) ||
                str_ends(buf_str(&b), STR("a=*** b=\"***...\" c=<***> d=geheim-000\n")));
    buf_fini(&b);
}

static void a_long_value_is_cut(void **state)
{
    static char big[5000];
    struct buf b;

    (void)state;
    memset(big, 'x', sizeof(big));
    b = render(LOG_LOGFMT, (struct log_field[]){ lf_str("v", str_from(big, sizeof(big))) }, 1);
    assert_true(b.n < 1200);
    assert_true(str_ends(buf_str(&b), STR("x...\"\n")));
    buf_fini(&b);
}

static void writes_a_line_and_heeds_the_level(void **state)
{
    int fds[2];
    char in[500];
    ssize_t n;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    log_setup(LOG_WARN, LOG_LOGFMT, fds[1]);
    log_info("test", "quiet", lf_u64("n", 1));
    log_warn("test", "loud", lf_u64("n", 2));
    n = read(fds[0], in, sizeof(in));
    assert_true(n > 0 && str_ends(str_from(in, (size_t)n), STR("msg=loud n=2\n")));
    assert_true(str_find_str(str_from(in, (size_t)n), STR("quiet")) == (size_t)n);
    log_setup(LOG_INFO, LOG_LOGFMT, 2);
    close(fds[0]);
    close(fds[1]);
}

RUN(TEST(both_formats), TEST(a_peer_cannot_forge_a_line), TEST(secrets_never_leave),
    TEST(secrets_have_no_number_and_no_length), TEST(a_long_value_is_cut),
    TEST(writes_a_line_and_heeds_the_level))
