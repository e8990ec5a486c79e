/* The PROXY protocol by bytes: each vector says what comes of it, and whom it names. */
#include "unit/unit.h"

#include "unit/wire/vectors.h"

#include "wire/proxy.h"

#define MAX 1024

static unsigned good_count;

/* The whole vector at once, and each of its beginnings, which must not be decided otherwise. */
static void run(const struct vector *v)
{
    struct str in = buf_str(&v->bytes);
    struct proxy_header h, again;
    struct wire_why why = { 0 };
    size_t used = 0, used_again;
    int rc = proxy_decode(in, MAX, &h, &used, &why);
    char text[ADDR_TEXT_SIZE];

    if (strcmp(v->expect, "good") == 0) {
        if (rc)
            fail_msg("%s: %s", v->name, why.text);
        assert_string_equal(h.has_peer ? addr_format(&h.peer, text) : "none", v->text);
        good_count++;
    } else if (strcmp(v->expect, "bad") == 0) {
        assert_int_equal(rc, ERR_PROTO);
        assert_non_null(why.text);
    } else if (strcmp(v->expect, "over") == 0) {
        assert_int_equal(rc, ERR_LIMIT);
    } else {
        assert_string_equal(v->expect, "more");
        assert_int_equal(rc, ERR_MORE);
    }
    for (size_t n = 0; n < in.n; n++) {
        int part = proxy_decode(str_sub(in, 0, n), MAX, &again, &used_again, NULL);

        assert_int_equal(part, rc == 0 && n >= used ? 0 : part == ERR_MORE ? ERR_MORE : rc);
        if (part == 0)
            assert_int_equal(used_again, used);
    }
}

static void vectors(void **state)
{
    (void)state;
    assert_true(vectors_each("proxy", run) > 30);
    assert_true(good_count >= 13);
}

static void both_ends_are_told(void **state)
{
    struct proxy_header h;
    char text[ADDR_TEXT_SIZE];
    size_t used;

    (void)state;
    assert_int_equal(
        proxy_decode(STR("PROXY TCP4 192.0.2.7 198.51.100.1 1 1883\r\n"), MAX, &h, &used, NULL), 0);
    assert_string_equal(addr_format(&h.local, text), "198.51.100.1:1883");
    assert_int_equal(used, 42);
}

static void a_length_is_held_against_the_limit_first(void **state)
{
    static const char head[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\xf0";
    struct proxy_header h;
    size_t used;

    (void)state;
    assert_int_equal(proxy_decode(str_from(head, 16), 256, &h, &used, NULL), ERR_MORE);
    assert_int_equal(proxy_decode(str_from(head, 16), 255, &h, &used, NULL), ERR_LIMIT);
}

RUN(TEST(vectors), TEST(both_ends_are_told), TEST(a_length_is_held_against_the_limit_first))
