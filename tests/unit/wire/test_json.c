/* Reading JSON: every vector, bombs, positions, fields with their errors. */
#include "wire/json.h"

#include "unit/unit.h"

#include "unit/wire/vectors.h"

static const struct json_limits limits = { 32, 0 };

static void one_vector(const struct vector *v)
{
    struct json_t *j = NULL;
    struct fault f = { 0 };
    int rc = json_parse(buf_str(&v->bytes), &limits, &j, NULL, &f);

    if (vector_is(v, "ok-") ? rc != 0 : rc != ERR_SYNTAX && rc != ERR_LIMIT)
        fail_msg("%s: %s %s", v->name, err_text(rc), f.text);
    if (rc)
        assert_true(f.line >= 1 && f.column >= 1 && f.text[0]);
    json_free(j);
}

static void vectors(void **state)
{
    (void)state;
    assert_true(vectors_each("json", one_vector) > 35);
}

static void too_many_values(void **state)
{
    struct buf b = buf_init(1 << 20);
    struct json_t *j = NULL;
    struct fault f;

    (void)state;
    buf_u8(&b, '[');
    for (unsigned i = 0; i < JSON_VALUES_MAX; i++)
        buf_put(&b, STR("0,"));
    buf_put(&b, STR("0]"));
    assert_int_equal(json_parse(buf_str(&b), &limits, &j, NULL, &f), ERR_LIMIT);
    buf_fini(&b);
}

static void where_it_is_wrong(void **state)
{
    struct json_t *j = NULL;
    struct fault f;
    size_t at;

    (void)state;
    assert_int_equal(json_parse(STR("{\"a\": 1,\n \"b\" 2}"), &limits, &j, &at, &f), ERR_SYNTAX);
    assert_int_equal(f.line, 2);
    assert_true(at >= 13 && at <= 15);
    assert_int_equal(json_parse(STR("[\n[\n[1]]]"), &(struct json_limits){ 2, 0 }, &j, &at, &f),
                     ERR_LIMIT);
    assert_int_equal(f.line, 3);
    assert_int_equal(f.column, 1);
    assert_int_equal(at, 4);
}

static void values(void **state)
{
    struct json_t *j = NULL;
    const struct json_t *m;
    const char *name;
    void *at = NULL;
    struct str text =
        STR("{\"s\":\"x\",\"i\":-5,\"r\":1.5,\"b\":true,\"n\":null,\"a\":[1,2],\"o\":{}}");

    (void)state;
    assert_int_equal(json_parse(text, &limits, &j, NULL, NULL), 0);
    assert_int_equal(json_count(j), 7);
    assert_str(json_to_str(json_member(j, "s")), "x");
    assert_int_equal(json_to_i64(json_member(j, "i")), -5);
    assert_true(json_to_double(json_member(j, "r")) == 1.5);
    assert_true(json_to_double(json_member(j, "i")) == -5);
    assert_true(json_to_bool(json_member(j, "b")));
    assert_int_equal(json_kind(json_member(j, "n")), JSON_KIND_NULL);
    assert_int_equal(json_to_i64(json_element(json_member(j, "a"), 1)), 2);
    assert_null(json_element(json_member(j, "a"), 2));
    assert_null(json_member(json_member(j, "a"), "x"));
    assert_int_equal(json_kind(json_member(j, "o")), JSON_KIND_OBJECT);
    assert_true(json_next_member(j, &at, &name, &m));
    assert_string_equal(name, "s"); /* the order of the text */
    assert_true(json_next_member(j, &at, &name, &m));
    assert_string_equal(name, "i");
    json_free(j);
}

static void fields_and_their_errors(void **state)
{
    static const char *const known[] = { "id", "t", "when", "n", "flag", "opt", NULL };
    struct field_error errors[8];
    struct json_t *j = NULL;
    struct json_fields f;
    struct str s;
    double d = 0;
    int64_t i = 0;
    bool b;

    (void)state;
    assert_int_equal(json_parse(STR("{\"id\":\"abc\",\"t\":101,\"when\":\"yesterday\",\"n\":1.5,"
                                    "\"opt\":null,\"odd\":1}"),
                                &limits, &j, NULL, NULL),
                     0);
    f = json_fields_init(j, "", errors, 8);
    assert_true(json_get_str(&f, "id", JSON_REQUIRED, 1, 50, &s));
    assert_false(json_get_str(&f, "id", JSON_REQUIRED, 1, 2, &s));
    assert_false(json_get_double(&f, "t", JSON_REQUIRED, -50, 100, &d));
    assert_false(json_get_time(&f, "when", JSON_REQUIRED, &i));
    assert_false(json_get_i64(&f, "n", JSON_OPTIONAL, 0, 10, &i));
    assert_false(json_get_bool(&f, "flag", JSON_REQUIRED, &b));
    assert_false(json_get_bool(&f, "opt", JSON_OPTIONAL, &b));
    json_fields_only(&f, known);
    assert_int_equal(f.errors_count, 6);
    assert_string_equal(errors[0].type, "range");
    assert_string_equal(errors[1].field, "t");
    assert_string_equal(errors[1].text, "is out of range");
    assert_string_equal(errors[2].field, "when");
    assert_string_equal(errors[3].text, "must be a whole number");
    assert_string_equal(errors[4].type, "missing");
    assert_string_equal(errors[5].field, "odd");
    json_free(j);
    assert_int_equal(json_parse(STR("[1]"), &limits, &j, NULL, NULL), 0);
    f = json_fields_init(j, "x.", errors, 1);
    assert_int_equal(f.errors_count, 1);
    assert_string_equal(errors[0].field, "x.");
    assert_false(json_get_str(&f, "id", JSON_REQUIRED, 1, 50, &s));
    assert_int_equal(f.errors_count, 1);
    json_free(j);
}

RUN(TEST(vectors), TEST(too_many_values), TEST(where_it_is_wrong), TEST(values),
    TEST(fields_and_their_errors))
