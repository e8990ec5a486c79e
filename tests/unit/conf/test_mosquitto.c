/* Whole files against what is said about them and what they become, word by word; the ordinary loader
 * takes the translation, and its mistakes point to the file. */
#include "unit/unit.h"
#include "unit/conf/broker.h"

#include <stdlib.h>

static struct buf read_file(const char *name, const char *kind)
{
    char path[512], chunk[4096];
    struct buf b = buf_init(1 << 20);
    FILE *f;
    size_t n;

    snprintf(path, sizeof(path), "%s/golden/mosquitto/%s.%s", TESTS_DIR, name, kind);
    f = fopen(path, "rb");
    if (!f)
        fail_msg("cannot open %s", path);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_put_bytes(&b, chunk, n);
    fclose(f);
    return b;
}

static void expect(const char *name, const char *kind, struct buf *got)
{
    struct buf want = read_file(name, kind);

    if (!str_eq(buf_str(got), buf_str(&want))) {
        fputs(buf_cstr(got), stderr);
        fail_msg("not what golden/mosquitto/%s.%s says", name, kind);
    }
    buf_fini(&want);
    buf_fini(got);
}

static void check_file(const char *name, const struct conf_schema *schema, size_t errors)
{
    struct buf text = read_file(name, "conf"), said = buf_init(1 << 20), yaml = buf_init(1 << 20);
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;
    struct mosquitto *m;
    char file[64];

    snprintf(file, sizeof(file), "%s.conf", name);
    m = mosquitto_new(schema, &(struct conf_source){ file, buf_str(&text) }, &broker_world, &r);
    assert_int_equal(r.errors, errors);
    mosquitto_explain(m, &said);
    conf_report_render(&r, &said);
    mosquitto_import(m, &yaml);
    if (errors == 0) {
        struct conf_source import = { "import.yaml", buf_str(&yaml) };

        if (conf_load(schema, mosquitto_yaml(m), 1, NULL, &c, &r))
            fail_msg("the translation does not load: %s", r.items[0].at.text);
        conf_free(c);
        assert_int_equal(conf_load(schema, &import, 1, NULL, &c, &r), 0);
        conf_free(c);
    }
    mosquitto_free(m);
    expect(name, "txt", &said);
    expect(name, "yaml", &yaml);
    conf_report_fini(&r);
    buf_fini(&text);
}

static void test_debian(void **state)
{
    (void)state;
    check_file("debian", &broker_old_schema, 0);
}

static void test_two_listeners(void **state)
{
    (void)state;
    check_file("two-listeners", &broker_schema, 0);
}

static void test_certificates(void **state)
{
    (void)state;
    check_file("certificates", &broker_schema, 0);
}

static void test_refused(void **state)
{
    (void)state;
    check_file("refused", &broker_schema, 9);
}

static void test_mistakes(void **state)
{
    (void)state;
    check_file("mistakes", &broker_schema, 26);
}

/* A value that only the loader refuses is told by the line of mosquitto.conf, not by that of the YAML. */
static void test_loader_points_to_the_line(void **state)
{
    char mount[200] = "listener 1883\n\n   mount_point ";
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;
    struct mosquitto *m;
    size_t n = strlen(mount);

    (void)state;
    memset(mount + n, 'x', 101);
    mount[n + 101] = '\0';
    m = mosquitto_new(&broker_schema, &(struct conf_source){ "m.conf", str_of(mount) },
                      &broker_world, &r);
    assert_int_equal(r.errors, 0);
    assert_int_equal(conf_load(&broker_schema, mosquitto_yaml(m), 1, NULL, &c, &r), ERR_VALUE);
    assert_int_equal(r.errors, 1); /* of both addresses, and told once */
    assert_string_equal(r.items[0].at.file, "m.conf");
    assert_int_equal(r.items[0].at.line, 3);
    assert_int_equal(r.items[0].at.column, 4);
    assert_true(str_starts(str_of(r.items[0].line), STR("   mount_point xxx")));
    conf_report_fini(&r);
    mosquitto_free(m);
}

/* A line that became a secret is told by its number. */
static void test_loader_shows_no_secret(void **state)
{
    struct conf_source file = { "m.conf", STR("connection far\naddress h\ntopic # out 1\n"
                                              "remote_password ***\n") };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;
    struct mosquitto *m;

    (void)state;
    m = mosquitto_new(&broker_schema, &file, &broker_world, &r);
    assert_int_equal(r.errors, 0);
    assert_int_equal(conf_load(&broker_schema, mosquitto_yaml(m), 1, NULL, &c, &r), ERR_VALUE);
    assert_int_equal(r.errors, 1);
    assert_int_equal(r.items[0].at.line, 4);
    assert_null(r.items[0].line);
    conf_report_fini(&r);
    mosquitto_free(m);
}

static void imports(const char *text, bool secrets)
{
    struct conf_report r = conf_report_init();
    struct buf yaml = buf_init(10000);
    struct mosquitto *m = mosquitto_new(
        &broker_schema, &(struct conf_source){ "m.conf", str_of(text) }, &broker_world, &r);

    mosquitto_import(m, &yaml);
    assert_int_equal(strstr(buf_cstr(&yaml), "chmod 600") != NULL, secrets);
    assert_int_equal(strstr(buf_cstr(&yaml), "geheim") != NULL, secrets);
    mosquitto_free(m);
    conf_report_fini(&r);
    buf_fini(&yaml);
}

/* The translation has to hold passwords, since it is to be run; whoever keeps it is told. */
static void test_passwords_are_told_of(void **state)
{
    (void)state;
    imports("connection far\naddress h\ntopic # out 1\nusername u\npassword geheim\n", true);
    imports("connection far\naddress h\ntopic # out 1\nusername u\nbridge_psk geheim\n", false);
    imports("listener 1883\n", false);
}

static void test_empty(void **state)
{
    struct conf_report r = conf_report_init();
    struct buf b = buf_init(1000);
    struct mosquitto *m;

    (void)state;
    m = mosquitto_new(&broker_schema, &(struct conf_source){ "m.conf", STR_NONE }, &broker_world,
                      &r);
    assert_int_equal(r.errors, 0);
    mosquitto_explain(m, &b);
    assert_true(
        str_ends(buf_str(&b), STR("m.conf: 0 understood, 0 ignored, 0 refused, 0 mistaken\n")));
    mosquitto_free(m);
    mosquitto_free(NULL);
    buf_fini(&b);
}

RUN(TEST(test_debian), TEST(test_two_listeners), TEST(test_certificates), TEST(test_refused),
    TEST(test_mistakes), TEST(test_loader_points_to_the_line), TEST(test_loader_shows_no_secret),
    TEST(test_passwords_are_told_of), TEST(test_empty))
