/* A file with many kinds of mistakes against what is said about it, word by word; carets. */
#include "unit/unit.h"
#include "unit/conf/rows.h"

#include "base/mem.h"
#include "conf/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct buf read_file(const char *name)
{
    char path[512], chunk[4096];
    struct buf b = buf_init(1 << 20);
    FILE *f;
    size_t n;

    snprintf(path, sizeof(path), "%s/golden/conf/%s", TESTS_DIR, name);
    f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_put_bytes(&b, chunk, n);
    fclose(f);
    return b;
}

static void test_many_mistakes(void **state)
{
    struct buf text = read_file("mistakes.yaml"), want = read_file("mistakes.txt");
    struct buf got = buf_init(1 << 20), json = buf_init(1 << 20);
    struct conf_source source = { "mistakes.yaml", buf_str(&text) };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;
    struct fault f;

    (void)state;
    assert_int_equal(conf_load(&sample_schema, &source, 1, NULL, &c, &r), ERR_VALUE);
    assert_null(c);
    conf_report_render(&r, &got);
    if (!str_eq(buf_str(&got), buf_str(&want))) {
        fputs(buf_cstr(&got), stderr);
        fail_msg("not what golden/conf/mistakes.txt says");
    }
    assert_true(r.errors >= 10);
    conf_report_json(&r, &json);
    assert_true(str_starts(buf_str(&json), STR("{\"errors\":")));
    conf_report_fault(&r, &f);
    assert_int_equal(f.code, ERR_VALUE);
    assert_int_equal(f.line, 2);
    assert_non_null(strstr(f.text, " more)"));
    conf_report_fini(&r);
    conf_report_fault(&r, &f);
    assert_int_equal(f.code, 0);
    buf_fini(&text);
    buf_fini(&want);
    buf_fini(&got);
    buf_fini(&json);
}

static void rendered(const char *text, unsigned line, unsigned column, const char *want)
{
    struct conf_source source = { "f", str_of(text) };
    struct yaml_place at = { &source, line, column };
    struct conf_report r = conf_report_init();
    struct buf b = buf_init(8192);

    (void)!report_add(&r, REPORT_ERROR, &at, NULL, "x");
    conf_report_render(&r, &b);
    assert_string_equal(buf_cstr(&b), want);
    conf_report_fini(&r);
    buf_fini(&b);
}

static void test_carets(void **state)
{
    struct buf lng = buf_init(4096);
    struct conf_source source;
    struct yaml_place at = { &source, 1, 500 };
    struct conf_report r = conf_report_init();
    struct buf b = buf_init(8192);
    const char *caret;

    (void)state;
    rendered("abc\nde\tf\n", 2, 4, "f:2:4: x\n    de\tf\n      \t^\n");
    rendered("\xc3\xa4: b\r\n", 1, 4, "f:1:4: x\n    \xc3\xa4: b\n       ^\n");
    rendered("", 1, 1, "f:1:1: x\n    \n    ^\n");
    rendered("a\n", 9, 1, "f:9:1: x\n");
    for (int i = 0; i < 1000; i++)
        buf_printf(&lng, "%d", i % 10);
    source = (struct conf_source){ "f", buf_str(&lng) };
    (void)!report_add(&r, REPORT_ERROR, &at, NULL, "x");
    conf_report_render(&r, &b);
    /* Cut around the place: the caret is under the 500th digit, a 9. */
    caret = strstr(buf_cstr(&b), "\n    ...");
    assert_non_null(caret);
    assert_true(b.n < 400);
    caret++;
    assert_int_equal(caret[strcspn(strchr(caret, '\n') + 1, "^")], '9');
    conf_report_fini(&r);
    buf_fini(&b);
    buf_fini(&lng);
}

/* A problem of a text that was made is told where the person wrote what it was made from. */
static void test_origins(void **state)
{
    struct conf_source written = { "w.conf", STR("a\n  b 7\n") };
    const struct conf_origin origins[] = { { &written, 2, 3 }, { &written, 0, 0 } };
    struct conf_source made = { "made", STR("x: 7\ny: 8\nz: 9\n"), origins, 2 };
    static const struct {
        unsigned line;
        const char *want;
    } cases[] = {
        { 1, "w.conf:2:3: x\n      b 7\n      ^\n" },
        { 2, "made: x\n" }, /* from nowhere */
        { 3, "made: x\n" }, /* none is known */
        { 0, "made: x\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct yaml_place at = { &made, cases[i].line, 4 };
        struct conf_report r = conf_report_init();
        struct buf b = buf_init(1000);

        (void)!report_add(&r, REPORT_ERROR, &at, NULL, "x");
        conf_report_render(&r, &b);
        assert_string_equal(buf_cstr(&b), cases[i].want);
        conf_report_fini(&r);
        buf_fini(&b);
    }
}

/* Wherever the mistake is, a secret is in nothing that is said about it. */
static void test_secrets(void **state)
{
    static const char *const cases[] = {
        "  users:\n    ann: {password: 31415926}\n",
        "  users:\n    ann: {password: 0x31415926}\n",
        "  users:\n    ann:\n      password: *31415926\n",
        "  users:\n    ann:\n      password:\n        &31415926 x\n",
        "  users:\n    ann:\n      password: !31415926\n",
        "  users:\n    ann: {password: [31415926]}\n",
        "  users:\n    ann:\n      password:\n        - 31415926\n",
        "  users:\n    ann: {password: \"31415926\", rol: x}\n",
        "  users:\n    ann: {pasword: \"31415926\"}\n",
        "  users:\n    ann: {secret: \"31415926\"}\n",
        "  users:\n    ann: {password:31415926}\n",
        "  users:\n    ann: {password 31415926}\n",
        "  users:\n    ann: {password=31415926}\n",
        "  users:\n    ann:\n      password 31415926\n",
        "  users:\n    ann:\n      password: \"31415926\n",
        "  users:\n    ann:\n      password: abcd\n      password: 31415926\n",
        "  users:\n    ann:\n      password: |\n        31415926\x01\n",
        "  users:\n    ann:\n      password: |\n\n        a\n        31415926\x01\n",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf text = buf_init(4096), said = buf_init(65536);
        struct conf_report r = conf_report_init();
        struct conf_source source;
        struct conf *c = NULL;
        struct fault f;

        buf_printf(&text, "mqtt:\n%s", cases[i]);
        source = (struct conf_source){ "f", buf_str(&text) };
        assert_int_equal(conf_load(&sample_schema, &source, 1, NULL, &c, &r), ERR_VALUE);
        conf_report_render(&r, &said);
        conf_report_json(&r, &said);
        conf_report_fault(&r, &f);
        buf_put(&said, str_of(f.text));
        if (strstr(buf_cstr(&said), "31415926"))
            fail_msg("case %zu shows it:\n%s", i, buf_cstr(&said));
        assert_true(r.items[0].at.line > 1 && r.items[0].at.column > 1);
        conf_report_fini(&r);
        buf_fini(&text);
        buf_fini(&said);
    }
}

/* What stands beside a secret, and the name of its file, is shown. */
static void test_beside_secrets(void **state)
{
    struct conf_source source = { "f", STR("mqtt:\n"
                                           "  users:\n"
                                           "    ann:\n"
                                           "      password: abcd\n"
                                           "      topics: no\n"
                                           "    bob: {password_file: [b.txt]}\n") };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;

    (void)state;
    assert_int_equal(conf_load(&sample_schema, &source, 1, NULL, &c, &r), ERR_VALUE);
    assert_int_equal(r.count, 2);
    assert_string_equal(r.items[0].line, "      topics: no");
    assert_string_equal(r.items[1].line, "    bob: {password_file: [b.txt]}");
    conf_report_fini(&r);
}

static void test_shown_texts(void **state)
{
    (void)state;
    assert_string_equal(report_show(STR("a\x1b[31mb")).text, "a?[31mb");
    assert_int_equal(
        strlen(report_show(
                   STR("0123456789012345678901234567890123456789012345678901234567890123456789"))
                   .text),
        63);
    /* Not cut in the middle of a character. */
    assert_string_equal(
        report_show(STR("01234567890123456789012345678901234567890123456789012345678\xc3\xa4zz"))
            .text,
        "01234567890123456789012345678901234567890123456789012345678...");
}

/* What others found, in files that settings name. */
static void test_mistakes_of_others(void **state)
{
    struct conf_report r = conf_report_init();
    struct fault f = { 0 }, got = { 0 };
    struct buf b = buf_init(10000);

    (void)state;
    fault_at(&f, ERR_VALUE, "x/acl", 3, 8, "'reed' is no %s", "access");
    conf_report_add(&r, &f);
    assert_int_equal(r.errors, 1);
    conf_report_fault(&r, &got);
    assert_string_equal(got.file, "x/acl");
    assert_int_equal(got.line, 3);
    assert_int_equal(got.column, 8);
    conf_report_render(&r, &b);
    assert_non_null(strstr(buf_cstr(&b), "x/acl:3:8: "));
    assert_non_null(strstr(buf_cstr(&b), "'reed' is no access"));
    for (int i = 0; i < CONF_PROBLEMS_MAX + 5; i++)
        conf_report_add(&r, &f);
    assert_int_equal(r.errors, CONF_PROBLEMS_MAX + 6);
    assert_int_equal(r.count, CONF_PROBLEMS_MAX);
    conf_report_fini(&r);
    buf_fini(&b);
}

RUN(TEST(test_many_mistakes), TEST(test_carets), TEST(test_origins), TEST(test_secrets),
    TEST(test_beside_secrets), TEST(test_shown_texts), TEST(test_mistakes_of_others))
