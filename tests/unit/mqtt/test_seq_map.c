#include "mqtt/seq_map.h"

#include "base/mem.h"
#include "unit/unit.h"

static struct message *numbered(uint64_t seq)
{
    return message_new(&(struct message_source){ .topic = STR("t"), .seq = seq });
}

static void what_is_put_in_is_found(void **state)
{
    static const uint64_t steps[] = { 1, 64, 4096, UINT64_C(1) << 32 };

    (void)state;
    for (size_t k = 0; k < COUNT_OF(steps); k++) {
        struct seq_map s = { 0 };

        assert_null(seq_map_get(&s, 1));
        for (uint64_t i = 1; i <= 5000; i++)
            seq_map_add_take(&s, numbered(i * steps[k]));
        assert_int_equal(s.count, 5000);
        assert_true(s.cap <= 16384);
        for (uint64_t i = 1; i <= 5000; i++)
            assert_int_equal(message_seq(seq_map_get(&s, i * steps[k])), i * steps[k]);
        assert_null(seq_map_get(&s, 5001 * steps[k]));
        assert_null(seq_map_get(&s, 0));
        seq_map_fini(&s);
    }
}

RUN(TEST(what_is_put_in_is_found))
