/*
 * The scanner against the parser. Holds: what jansson takes, the scanner takes, and finds the same
 * numbers under the same names; what only the scanner takes is refused by jansson for one of three
 * named reasons (duplicate names, numbers beyond their type, too much of it).
 */
#include "fuzz/fuzz.h"

#include "store/leaves.h"
#include "wire/json.h"

struct walk {
    const struct json_t *root;
    struct str text;
};

static bool excused(const char *text)
{
    static const char *const reasons[] = { "duplicate", "overflow", "too big", "nest", "too many" };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (strstr(text, reasons[i]))
            return true;
    return false;
}

/* Every leaf can be got by its name (the first of that name). */
static void on_leaf(void *ctx, struct str path, struct str number)
{
    const struct walk *w = ctx;
    double got = 0;
    int rc = leaves_get(w->text, path, &got);

    FUZZ_CHECK(number.n > 0 && path.n > 0 && path.n <= LEAVES_NAME_MAX);
    /* str_to_double does not read numbers of absurd length; nor does a chart. */
    FUZZ_CHECK(rc == 0 || (rc == ERR_UNKNOWN && (!w->root || w->text.n > 60)));
}

static void check_members(struct str text, const struct json_t *root)
{
    struct leaf_member m;
    size_t at = 0, count = 0;

    while (leaves_next_member(text, &at, &m)) {
        FUZZ_CHECK(m.value.p >= text.p && m.value.p + m.value.n <= text.p + text.n);
        FUZZ_CHECK(leaves_each(m.value, NULL, NULL, NULL) == 0);
        count++;
    }
    FUZZ_CHECK(count == (json_kind(root) == JSON_KIND_OBJECT ? json_count(root) : 0));
}

/* A string says the same to both. */
static void check_text(struct str text, const struct json_t *root)
{
    char *out;
    size_t out_n = 0;

    if (json_kind(root) != JSON_KIND_STRING || text.n == 0 || text.p[0] != '"')
        return;
    while (text.p[text.n - 1] != '"')
        text.n--; /* space behind it */
    out = malloc(text.n);
    if (!out)
        abort();
    FUZZ_CHECK(leaves_text(text, out, text.n, &out_n) == 0);
    FUZZ_CHECK(str_eq(str_from(out, out_n), json_to_str(root)));
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct json_limits limits = { LEAVES_DEPTH_MAX, 0 };
    struct walk w = { .text = str_from(data, n) };
    struct json_t *root = NULL;
    struct fault f = { 0 };
    int rc = json_parse(w.text, &limits, &root, NULL, &f), mine;
    enum leaf_kind kind = LEAF_NULL;

    w.root = root;
    mine = leaves_each(w.text, on_leaf, &w, NULL);
    /* Plain is a part of what the parser takes. */
    FUZZ_CHECK(rc == 0 || !leaves_plain(w.text, LEAVES_DEPTH_MAX, &kind));
    if (rc == 0) {
        FUZZ_CHECK(mine == 0);
        check_text(w.text, root);
        check_members(w.text, root);
    } else if (mine == 0) {
        FUZZ_CHECK(excused(f.text));
    }
    json_free(root);
    return 0;
}
