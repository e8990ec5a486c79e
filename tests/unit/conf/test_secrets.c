/* Whatever is secret is told, wherever it stands. */
#include "unit/unit.h"
#include "unit/conf/rows.h"

static struct buf told;

static void secret(struct str value)
{
    buf_put(&told, value);
    buf_u8(&told, ';');
}

static void tells(const char *text, const char *want)
{
    struct conf_source source = { "t", str_of(text) };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;

    told = buf_init(1000);
    assert_int_equal(conf_load(&sample_schema, &source, 1, NULL, &c, &r), 0);
    conf_secrets(c, secret);
    assert_string_equal(buf_cstr(&told), want);
    buf_fini(&told);
    conf_free(c);
}

static void test_secrets(void **state)
{
    (void)state;
    tells("", "");
    tells("id: x\nmqtt:\n", "");
    tells("mqtt: {users: {a: {password: aaaa, topics: [t]}, b: {password: \"b b b\"}}}\n",
          "aaaa;b b b;");
}

RUN(TEST(test_secrets))
