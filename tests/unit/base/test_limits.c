/* Every default lies within its own bounds. */
#include "unit/unit.h"

#include "base/limits.h"

#include <string.h>

static const struct {
    const char *name;
    uint64_t def, least, most;
} rows[] = {
#define ROW(name, def, least, most, unit, help) { #name, def, least, most },
    LIMITS_LIST(ROW)
};

static void defaults_are_within_their_bounds(void **state)
{
    struct limits l = limits_default();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_in_range(rows[i].def, rows[i].least, rows[i].most);
    assert_int_equal(sizeof(l), sizeof(rows) / sizeof(rows[0]) * sizeof(uint64_t));
    assert_int_equal(l.connections_max, rows[0].def);
}

/* What is handed on may be longer by a topic's prefix or a few identifiers, and the format ends at 2^28. */
static void the_largest_packet_may_grow(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].name, "mqtt_packet_max_bytes") == 0)
            assert_true(rows[i].most + KIB(512) < MIB(256));
}

RUN(TEST(defaults_are_within_their_bounds), TEST(the_largest_packet_may_grow))
