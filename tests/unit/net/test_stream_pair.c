/* Two ends of one stream in one program. */
#include "unit/unit.h"

#include "base/buf.h"
#include "base/mem.h"
#include "net/stream.h"

struct end {
    struct buf got;
    unsigned closed;
    int code;
};

static size_t on_data(void *ctx, struct stream *s, struct str bytes)
{
    (void)s;
    buf_put(&((struct end *)ctx)->got, bytes);
    return bytes.n;
}

static void on_closed(void *ctx, struct stream *s, int code)
{
    struct end *e = ctx;

    (void)s;
    e->closed++;
    e->code = code;
}

static const struct stream_handler calls = { .data = on_data, .closed = on_closed };

static void what_one_says_the_other_hears(void **state)
{
    struct loop *l = loop_new();
    struct end a = { .got = buf_init(1 << 20) }, b = { .got = buf_init(1 << 20) };
    struct stream *theirs = NULL, *ours;
    char *much = mem_new(300000);
    int code = 0;

    (void)state;
    memset(much, 'x', 300000);
    ours = stream_pair(l, &theirs, &code);
    assert_non_null(ours);
    stream_set(ours, &calls, &a, 100);
    stream_set(theirs, &calls, &b, 100);
    assert_false(stream_is_closing(ours));
    stream_send(ours, STR("hello"));
    stream_send(theirs, str_from(much, 300000)); /* more than the kernel takes at once */
    while (a.got.n < 300000 || b.got.n < 5)
        loop_turn(l, true);
    assert_true(str_eq(buf_str(&b.got), STR("hello")));
    stream_close(ours, STREAM_FLUSH, 0);
    while (!a.closed || !b.closed)
        loop_turn(l, true);
    assert_int_equal(a.code, 0);
    assert_int_equal(b.code, ERR_CLOSED);
    loop_free(l);
    buf_fini(&a.got);
    buf_fini(&b.got);
    mem_free(much);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_one_says_the_other_hears) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
