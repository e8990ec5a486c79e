/* The window of the uplink against a model: whatever the connection does, the hub gets every
 * number at least once, in order within a connection, and the cursor never passes what it has. */
#include "unit/unit.h"

#include "edge/uplink.h"

#include <stdlib.h>
#include <string.h>

static void sends_in_order_within_the_window(void **state)
{
    struct uplink u;
    uint64_t after;
    uint32_t gen;

    (void)state;
    uplink_init(&u, 10, 2);
    assert_false(uplink_want_read(&u, &after, &gen)); /* not connected */
    uplink_connected(&u);
    assert_true(uplink_want_read(&u, &after, &gen));
    assert_int_equal(after, 10);
    assert_false(uplink_want_read(&u, &after, &gen)); /* one read at a time */
    assert_true(uplink_read_done(&u, gen, 15));
    assert_true(uplink_want_read(&u, &after, &gen));
    assert_int_equal(after, 15);
    assert_true(uplink_read_done(&u, gen, 20));
    assert_false(uplink_want_read(&u, &after, &gen)); /* the window is full */
    assert_int_equal(uplink_acked(&u), 15);
    assert_true(uplink_want_read(&u, &after, &gen));
    assert_false(uplink_read_done(&u, gen, 0));       /* nothing there */
    assert_false(uplink_want_read(&u, &after, &gen)); /* until there are news */
    uplink_news(&u);
    assert_true(uplink_want_read(&u, &after, &gen));
    assert_int_equal(after, 20);
}

static void starts_again_behind_what_was_acknowledged(void **state)
{
    struct uplink u;
    uint64_t after;
    uint32_t gen;

    (void)state;
    uplink_init(&u, 0, 8);
    uplink_connected(&u);
    assert_true(uplink_want_read(&u, &after, &gen));
    assert_true(uplink_read_done(&u, gen, 5));
    assert_true(uplink_want_read(&u, &after, &gen));
    uplink_disconnected(&u);
    uplink_connected(&u);
    assert_false(uplink_want_read(&u, &after, &gen)); /* the old read is still under way */
    assert_false(uplink_read_done(&u, gen, 9));       /* and its batch is dropped */
    assert_true(uplink_want_read(&u, &after, &gen));
    assert_int_equal(after, 0);
    uplink_read_failed(&u);
    assert_false(uplink_want_read(&u, &after, &gen));
    uplink_news(&u);
    assert_true(uplink_want_read(&u, &after, &gen));
}

static void a_thousand_random_links(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 1000; seed++) {
        struct uplink u;
        uint64_t head = 0, hub = 0, acked = 0, after = 0, wire[UPLINK_WINDOW_MAX];
        unsigned on_wire = 0, window = 1 + seed % UPLINK_WINDOW_MAX;
        uint32_t gen = 0;
        bool reading = false;

        srand(seed);
        uplink_init(&u, 0, window);
        for (int step = 0; step < 3000 || acked < head; step++) {
            bool calm = step >= 3000; /* at the end the link holds, so that all must arrive */

            assert_true(step < 100000);
            switch (rand() % 8) {
            case 0:
                if (!calm) {
                    head += (uint64_t)(rand() % 5);
                    uplink_news(&u);
                }
                break;
            case 1:
                if (!calm || !u.connected) {
                    if (u.connected)
                        uplink_disconnected(&u);
                    else
                        uplink_connected(&u);
                    on_wire = 0;
                }
                break;
            case 2:
            case 3:
                if (!reading)
                    reading = uplink_want_read(&u, &after, &gen);
                break;
            case 4:
            case 5:
                if (reading) {
                    uint64_t last =
                        after >= head ? 0 : after + 1 + (uint64_t)rand() % (head - after);

                    reading = false;
                    if (!calm && rand() % 10 == 0) {
                        uplink_read_failed(&u);
                        uplink_news(&u);
                    } else if (uplink_read_done(&u, gen, last)) {
                        assert_int_equal(after <= hub, 1); /* no hole reaches the hub */
                        wire[on_wire++] = last;
                        if (last > hub)
                            hub = last;
                    }
                }
                break;
            default:
                if (on_wire > 0) {
                    assert_int_equal(uplink_acked(&u), wire[0]);
                    acked = wire[0];
                    memmove(wire, wire + 1, --on_wire * sizeof(wire[0]));
                    assert_true(acked <= hub);
                }
                break;
            }
            assert_true(on_wire <= window);
        }
        assert_int_equal(hub, head);
    }
}

RUN(TEST(sends_in_order_within_the_window), TEST(starts_again_behind_what_was_acknowledged),
    TEST(a_thousand_random_links))
