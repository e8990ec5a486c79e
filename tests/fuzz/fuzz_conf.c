/*
 * Configuration files. Holds: reading ends, each error has a sentence and, unless it is of the
 * whole file, a line that exists; what is accepted is dumped to a file that loads to the same.
 */
#include "fuzz/fuzz.h"
#include "unit/conf/rows.h"

/* libfyaml 0.7.12 forgets the text of a quoted scalar that never ends. A file is read once, so this
 * is the library's to mend; ours still counts. */
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
        FUZZ_CHECK(r->items[i].at.text[0] != '\0');
        FUZZ_CHECK(r->items[i].at.line <= lines + 1);
    }
    conf_report_render(r, &b);
    conf_report_json(r, &b);
    FUZZ_CHECK(!b.over);
    buf_fini(&b);
}

static void check_round_trip(const struct conf *c)
{
    struct buf text = buf_init(1 << 23);
    struct conf_report r = conf_report_init();
    struct conf *again = NULL;
    struct conf_source source = { "dump", STR_NONE };

    conf_dump(c, CONF_DUMP_HELP | CONF_DUMP_SECRETS, &text);
    FUZZ_CHECK(!text.over);
    source.text = buf_str(&text);
    if (conf_load(&sample_schema, &source, 1, NULL, &again, &r)) {
        struct buf b = buf_init(1 << 20);

        conf_report_render(&r, &b);
        fprintf(stderr, "%s\n---\n%s", buf_cstr(&text), buf_cstr(&b));
        FUZZ_CHECK(again);
    }
    FUZZ_CHECK(conf_diff(c, again, NULL, NULL) == 0);
    conf_free(again);
    conf_report_fini(&r);
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct conf_source source = { "fuzz.yaml", str_from(data, n) };
    struct conf_report r = conf_report_init();
    struct conf *c = NULL;
    int rc = conf_load(&sample_schema, &source, 1, NULL, &c, &r);

    FUZZ_CHECK((rc == 0) == (c != NULL) && (rc == 0) == (r.errors == 0));
    check_report(&r, source.text);
    if (c)
        check_round_trip(c);
    conf_free(c);
    conf_report_fini(&r);
    return 0;
}
