/* One small mosquitto.conf against what is said of it: for the tests of conf/mosquitto_*.c. */
#ifndef TESTS_CONF_BROKER_CASE_H
#define TESTS_CONF_BROKER_CASE_H
#include "unit/unit.h"
#include "unit/conf/broker.h"

struct broker_case {
    const char *text;
    const char *said;  /* stands in what mosquitto_explain() says; NULL: not looked at */
    const char *yaml;  /* stands in the translation, or must not when it begins with '!' */
    const char *wrong; /* stands in the problems; NULL: there is none */
};

static void broker_expect(const char *what, const char *got, const char *want, const char *text)
{
    bool not = want && want[0] == '!';

    if (want && (strstr(got, want + not ) == NULL) != not )
        fail_msg("of\n%s\n%s is\n%s\nand should %shold '%s'", text, what, got, not ? "not " : "",
                 want + not );
}

static void broker_check(const struct conf_schema *schema, const struct broker_case *c)
{
    struct conf_report r = conf_report_init();
    struct conf_source source = { "m.conf", str_of(c->text) };
    struct mosquitto *m = mosquitto_new(schema, &source, &broker_world, &r);
    struct buf said = buf_init(1 << 20), wrong = buf_init(1 << 20), yaml = buf_init(1 << 20);
    struct conf *loaded = NULL;

    mosquitto_explain(m, &said);
    conf_report_render(&r, &wrong);
    buf_put(&yaml, mosquitto_yaml(m)->text);
    broker_expect("what is said", buf_cstr(&said), c->said, c->text);
    broker_expect("the translation", buf_cstr(&yaml), c->yaml, c->text);
    broker_expect("the problem", buf_cstr(&wrong), c->wrong, c->text);
    if ((r.errors > 0) != (c->wrong != NULL))
        fail_msg("of\n%s\n%zu errors:\n%s", c->text, r.errors, buf_cstr(&wrong));
    if (!c->wrong && conf_load(schema, mosquitto_yaml(m), 1, NULL, &loaded, &r))
        fail_msg("of\n%s\nthe translation does not load: %s\n%s", c->text, r.items[0].at.text,
                 buf_cstr(&yaml));
    conf_free(loaded);
    mosquitto_free(m);
    conf_report_fini(&r);
    buf_fini(&said);
    buf_fini(&wrong);
    buf_fini(&yaml);
}

#define BROKER_CHECK_ALL(schema, cases)                                                            \
    do {                                                                                           \
        for (size_t i_ = 0; i_ < COUNT_OF(cases); i_++)                                            \
            broker_check(&(schema), &(cases)[i_]);                                                 \
    } while (0)

#endif
