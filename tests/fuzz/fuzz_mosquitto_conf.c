/*
 * mosquitto.conf, with every setting and without the newer ones. Holds: each line is decided (the
 * translation asserts it); each error has a sentence and a line that exists; a file without errors is
 * translated to text that the loader reads as YAML without a mistake of syntax or an unknown key, and so
 * is the text that `config import` prints; no problem points into the translation itself.
 */
#include "fuzz/fuzz.h"
#include "unit/conf/broker.h"

#include "conf/yaml.h"

/* libfyaml 0.7.12 forgets the text of a quoted scalar that never ends (see fuzz_conf.c). */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

static void check_report(const struct conf_report *r, struct str text)
{
    struct buf b = buf_init(1 << 22);
    unsigned lines = 1;

    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    for (size_t i = 0; i < r->count; i++) {
        const struct fault *f = &r->items[i].at;

        FUZZ_CHECK(f->text[0] != '\0' && !strstr(f->text, "unknown key"));
        FUZZ_CHECK(strcmp(f->file, "m.conf") != 0 || f->line <= lines);
        FUZZ_CHECK(strcmp(f->file, "m.conf") == 0 || strstr(f->file, ".conf"));
    }
    conf_report_render(r, &b);
    FUZZ_CHECK(!b.over);
    buf_fini(&b);
}

/* Only what a setting's own limits refuse may be wrong, and no limit is broken by its syntax. */
static void check_yaml(struct str yaml)
{
    struct arena a = arena_init(64u << 20);
    struct conf_report r = conf_report_init();
    struct conf_source source = { "yaml", yaml };
    bool partial = false;
    struct yaml_node *n = yaml_parse(&a, &source, &r, &partial);

    if (r.errors > 0 || partial || !n) {
        struct buf b = buf_init(1 << 20);

        conf_report_render(&r, &b);
        fprintf(stderr, "%.*s\n---\n%s", STR_ARG(yaml), buf_cstr(&b));
        FUZZ_CHECK(r.errors == 0);
    }
    FUZZ_CHECK(yaml_member(n, STR("mqtt")));
    conf_report_fini(&r);
    arena_fini(&a);
}

static void run(const struct conf_schema *schema, struct str text)
{
    struct conf_source source = { "m.conf", text };
    struct conf_report r = conf_report_init();
    struct mosquitto *m = mosquitto_new(schema, &source, &broker_world, &r);
    struct buf said = buf_init(16u << 20), import = buf_init(16u << 20);
    struct conf *c = NULL;

    mosquitto_explain(m, &said);
    mosquitto_import(m, &import);
    FUZZ_CHECK(said.n > 0 && import.n > 0 && !said.over && !import.over);
    if (r.errors == 0 && schema == &broker_schema) {
        check_yaml(mosquitto_yaml(m)->text);
        check_yaml(buf_str(&import));
        if (conf_load(schema, mosquitto_yaml(m), 1, NULL, &c, &r) == 0)
            conf_free(c);
    }
    check_report(&r, text);
    mosquitto_free(m);
    conf_report_fini(&r);
    buf_fini(&said);
    buf_fini(&import);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    run(&broker_schema, str_from(data, n));
    run(&broker_old_schema, str_from(data, n));
    return 0;
}
