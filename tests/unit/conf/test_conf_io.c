/* Files: read whole, capped, missing, a folder; secrets beside the file. */
#include "unit/unit.h"
#include "unit/conf/rows.h"

#include "base/mem.h"
#include "conf/conf_io.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/wayside-conf-XXXXXX";

static const char *put(const char *name, struct str text)
{
    static char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    fclose(f);
    return path;
}

static void test_load(void **state)
{
    struct conf_source preset = { "preset", STR("percent: 7\nmqtt:\n") };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;
    const struct sample *s;
    const char *path;
    char gone[256];

    (void)state;
    put("pw", STR("geheim\n"));
    path = put("hub.yaml", STR("mqtt: {users: {a: {password_file: pw}}}\n"));
    assert_int_equal(conf_io_load(&sample_schema, &preset, path, &c, &r), 0);
    s = conf_root(c);
    assert_int_equal(s->percent, 7);
    assert_str(CONF_ITEM_AT(s->mqtt.users, struct sample_user, 0)->password, "geheim");
    conf_free(c);
    assert_int_equal(conf_io_load(&sample_schema, &preset, NULL, &c, &r), 0);
    conf_free(c);
    snprintf(gone, sizeof(gone), "%s/none.yaml", dir);
    assert_int_equal(conf_io_load(&sample_schema, NULL, gone, &c, &r), ERR_VALUE);
    assert_int_equal(r.errors, 1);
    assert_non_null(strstr(r.items[0].at.text, "No such file"));
    conf_report_fini(&r);
    assert_int_equal(conf_io_load(&sample_schema, NULL, dir, &c, &r), ERR_VALUE);
    assert_non_null(strstr(r.items[0].at.text, "directory"));
    conf_report_fini(&r);
    unlink(path);
}

static void test_load_over(void **state)
{
    const struct conf_source below[] = { { "preset", STR("percent: 7\noffset: 1\ndata: /a\n") },
                                         { "between", STR("percent: 8\noffset: 2\n") } };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;
    const struct sample *s;

    (void)state;
    assert_int_equal(
        conf_io_load_over(&sample_schema, below, 2, put("hub.yaml", STR("percent: 9\n")), &c, &r),
        0);
    s = conf_root(c);
    assert_int_equal(s->percent, 9);
    assert_int_equal(s->offset, 2);
    assert_str(s->data, "/a");
    conf_free(c);
    assert_int_equal(conf_io_load_over(&sample_schema, below, 0, NULL, &c, &r), 0);
    s = conf_root(c);
    assert_int_equal(s->percent, 50);
    conf_free(c);
}

static void test_read(void **state)
{
    struct buf b = buf_init(10);
    struct fault f;
    const char *path = put("ten", STR("0123456789"));

    (void)state;
    assert_int_equal(conf_io_read(path, &b, &f), 0);
    assert_str(buf_str(&b), "0123456789");
    buf_clear(&b);
    assert_int_equal(conf_io_read(put("ten", STR("0123456789x")), &b, &f), ERR_LIMIT);
    assert_non_null(strstr(f.text, "larger than 10 bytes"));
    buf_fini(&b);
}

static int make(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int clean(void **state)
{
    static const char *const names[] = { "pw", "hub.yaml", "ten" };
    char path[256];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(test_load), TEST(test_load_over), TEST(test_read) };

    return cmocka_run_group_tests(tests, make, clean);
}
