/* Answers in order, by bytes. */
#include "unit/unit.h"

#include "edge/lines.h"

static void answers_leave_in_order(void **state)
{
    struct line_queue q;
    struct buf out = buf_init(10000);
    struct line *a, *b, *c;

    (void)state;
    line_queue_init(&q);
    a = line_add(&q);
    b = line_add(&q);
    c = line_add(&q);
    line_ack(c, STR_NONE, 7);
    line_error(b, STR("\"x\""), STR("stream"), STR("is \"odd\""));
    line_answers(&q, &out);
    assert_int_equal(out.n, 0);
    line_ack(a, STR("\"id-1\""), 5);
    line_answers(&q, &out);
    assert_str(buf_str(&out),
               "{\"ack\":\"id-1\"}\n"
               "{\"error\":\"is \\\"odd\\\"\",\"field\":\"stream\",\"id\":\"x\",\"line\":2}\n"
               "{\"ack\":7}\n");
    assert_int_equal(q.count, 0);
    line_add(&q);
    line_queue_fini(&q);
    buf_fini(&out);
}

static void takes_lines(void **state)
{
    struct str rest = STR("one\r\n\ntwo\nthr"), line;

    (void)state;
    assert_true(line_take(&rest, &line));
    assert_str(line, "one");
    assert_true(line_take(&rest, &line));
    assert_str(line, "");
    assert_true(line_take(&rest, &line));
    assert_str(line, "two");
    assert_false(line_take(&rest, &line));
    assert_str(rest, "thr");
}

RUN(TEST(answers_leave_in_order), TEST(takes_lines))
