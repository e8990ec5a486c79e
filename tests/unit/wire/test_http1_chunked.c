/* The chunked coding: what comes out, in any pieces; the head of a chunk. */
#include "wire/http1.h"

#include "base/buf.h"

#include "unit/unit.h"

#include <stdio.h>

static int decode(struct str in, size_t step, struct buf *out, size_t *out_rest)
{
    struct http1_chunked c;
    struct str data;
    size_t used;

    http1_chunked_init(&c);
    while (in.n > 0 && !c.done) {
        int rc = http1_chunked_next(&c, str_sub(in, 0, step), &data, &used, NULL);

        if (rc)
            return rc;
        buf_put(out, data);
        in = str_skip(in, used);
    }
    *out_rest = in.n;
    return c.done ? 0 : ERR_MORE;
}

static void any_pieces(void **state)
{
    const struct str in =
        STR("5\r\nhello\r\n1;a=b\r\n \r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nnext");

    (void)state;
    for (size_t step = 1; step <= in.n; step++) {
        struct buf out = buf_init(100);
        size_t rest = 0;

        assert_int_equal(decode(in, step, &out, &rest), 0);
        assert_str(buf_str(&out), "hello 0123456789");
        assert_int_equal(rest, 4);
        buf_fini(&out);
    }
}

static void sizes_at_the_edge(void **state)
{
    struct buf out = buf_init(100);
    size_t rest;

    (void)state;
    /* 2^64 - 1 bytes are announced, not taken. */
    assert_int_equal(decode(STR("ffffffffffffffff\r\nx"), 100, &out, &rest), ERR_MORE);
    assert_int_equal(decode(STR("0000000000000001\r\nx\r\n0\r\n\r\n"), 100, &out, &rest), 0);
    assert_int_equal(decode(STR("10000000000000000\r\n"), 100, &out, &rest), ERR_PROTO);
    assert_int_equal(decode(STR("0"), 100, &out, &rest), ERR_MORE);
    buf_fini(&out);
}

static void head_of_a_chunk(void **state)
{
    static const size_t sizes[] = { 1, 15, 16, 255, 4096, 65535, SIZE_MAX };
    char text[HTTP1_CHUNK_HEAD_MAX], want[32];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = http1_chunk_head(sizes[i], text);

        snprintf(want, sizeof(want), "%zx\r\n", sizes[i]);
        assert_int_equal(n, strlen(want));
        assert_memory_equal(text, want, n);
    }
}

RUN(TEST(any_pieces), TEST(sizes_at_the_edge), TEST(head_of_a_chunk))
