/* The newest of each stream. */
#include "edge/tail.h"

#include "base/mem.h"

#include "unit/unit.h"

#include <stdio.h>

static struct record of(uint64_t seq, enum record_kind kind, const char *device, const char *stream)
{
    return (struct record){
        .kind = kind, .seq = seq, .device = str_of(device), .stream = str_of(stream)
    };
}

static void test_each_stream_has_one_newest(void **state)
{
    struct record rows[] = {
        of(1, RECORD_READING, "a", "x"), of(2, RECORD_READING, "a", "y"),
        of(3, RECORD_EVENT, "a", "x"),   of(4, RECORD_READING, "a", "x"),
        of(5, RECORD_READING, "b", "x"), { .kind = RECORD_GAP, .seq = 6 },
    };
    const bool newest[] = { false, true, true, true, true, false };
    struct tail t;

    (void)state;
    tail_init(&t);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        tail_note(&t, &rows[i]);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(tail_is_newest(&t, &rows[i]), newest[i]);
    assert_int_equal(t.count, 4);
    tail_fini(&t);
}

static void test_streams_are_bounded(void **state)
{
    struct tail t;
    struct record r;
    char name[16];

    (void)state;
    tail_init(&t);
    for (unsigned i = 0; i < TAIL_STREAMS_MAX + 5; i++) {
        snprintf(name, sizeof(name), "s%u", i);
        r = of(i + 1, RECORD_READING, "d", name);
        tail_note(&t, &r);
    }
    assert_int_equal(t.count, TAIL_STREAMS_MAX);
    assert_false(tail_is_newest(&t, &r));
    tail_fini(&t);
}

RUN(TEST(test_each_stream_has_one_newest), TEST(test_streams_are_bounded))
