/* What may be there once: addresses as the kernel compares them, and users; where that is said. */
#include "unit/unit.h"

#include "base/mem.h"
#include "node/settings.h"

static const struct {
    const char *text;
    unsigned line, column; /* 0: no mistake */
    const char *says;
} rows[] = {
    { "mqtt:\n  listeners:\n    - address: 127.0.0.1:1\n    - address: 127.0.0.1:1\n", 4, 16,
      "mqtt.listeners[0].address listens on 127.0.0.1:1 already (f.yaml:3); choose another" },
    { "mqtt:\n  listeners: [{address: \"127.0.0.1:1\"}, {address: \":1\"}]\n", 2, 51,
      "listens on 127.0.0.1:1 already (f.yaml:2)" },
    { "mqtt: {listeners: [{address: \"[::]:1\"}, {address: \"[::1]:1\"}]}", 1, 51, "[::]:1" },
    { "mqtt: {listeners: [{address: \"unix:/x\"}, {address: \"unix:/x\"}]}", 1, 52, "unix:/x" },
    { "api: {address: \"127.0.0.1:8080\"}", 1, 16,
      "health.address listens on 127.0.0.1:8080 already (default)" },
    { "mqtt: {listeners: [{address: \":8000\"}]}", 1, 30, "api.address listens on 127.0.0.1:8000" },
    { "api: {address: \":3\"}\nhealth: {address: \":3\"}", 2, 19, "(f.yaml:1)" },
    { "mqtt: {users: [{name: a, password: longenough},\n {name: b, password: longenough},\n"
      " {name: a, password: longenough2}]}",
      3, 9, "'a' has a password already (f.yaml:1); keep one of the two" },
    /* All this is well. */
    { "mqtt: {listeners: [{address: \":0\"}, {address: \":0\"}]}\napi: {address: \":0\"}", 0, 0,
      "" },
    { "mqtt: {listeners: [{address: \":1\"}, {address: \"[::]:1\"}]}", 0, 0, "" },
    { "mqtt: {listeners: [{address: \"127.0.0.1:1\"}, {address: \"127.0.0.2:1\"}]}", 0, 0, "" },
    { "mqtt: {listeners: [{address: \":1\"}, {address: \"unix:/x\"}]}", 0, 0, "" },
    { "api: false\nhealth: {address: \":8000\"}", 0, 0, "" },
    { "mqtt: {users: [{name: a, password: longenough}, {name: A, password: longenough}]}", 0, 0,
      "" },
};

static void what_stands_there_twice_is_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct conf_source sources[] = { { "preset", str_of(settings_preset("hub")) },
                                         { "f.yaml", str_of(rows[i].text) } };
        struct conf_report r = conf_report_init();
        struct conf *c = NULL;
        struct fault f;
        int rc = conf_load(&settings_schema, sources, 2, NULL, &c, &r);

        conf_report_fault(&r, &f);
        if ((rc != 0) != (rows[i].line > 0) || r.errors != (rows[i].line > 0) ||
            f.line != rows[i].line || f.column != rows[i].column || !strstr(f.text, rows[i].says))
            fail_msg("%s: %s:%u:%u: %s", rows[i].text, f.file, f.line, f.column, f.text);
        assert_null(strstr(f.text, "longenough"));
        conf_report_fini(&r);
        conf_free(c);
    }
}

RUN(TEST(what_stands_there_twice_is_said))
