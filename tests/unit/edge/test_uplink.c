/* The window of the uplink against a model: whatever the connection does, the hub gets every
 * number at least once, in order within a connection, and the cursor never passes what it has. */
#include "unit/unit.h"

#include "edge/uplink.h"

#include <stdlib.h>
#include <string.h>

static void sends_in_order_within_the_window(void **state)
{
    struct uplink u;
    uint64_t after, wait;
    uint32_t gen;

    (void)state;
    uplink_init(&u, 10, 2, 0);
    assert_false(uplink_want_read(&u, 0, &after, &gen, &wait)); /* not connected */
    uplink_connected(&u);
    assert_true(uplink_want_read(&u, 0, &after, &gen, &wait));
    assert_int_equal(after, 10);
    assert_false(uplink_want_read(&u, 0, &after, &gen, &wait)); /* one read at a time */
    assert_true(uplink_read_done(&u, gen, 15, 0));
    assert_true(uplink_want_read(&u, 0, &after, &gen, &wait));
    assert_int_equal(after, 15);
    assert_true(uplink_read_done(&u, gen, 20, 0));
    assert_false(uplink_want_read(&u, 0, &after, &gen, &wait)); /* the window is full */
    assert_int_equal(uplink_acked(&u), 15);
    assert_true(uplink_want_read(&u, 0, &after, &gen, &wait));
    assert_false(uplink_read_done(&u, gen, 0, 0));              /* nothing there */
    assert_false(uplink_want_read(&u, 0, &after, &gen, &wait)); /* until there are news */
    uplink_news(&u);
    assert_true(uplink_want_read(&u, 0, &after, &gen, &wait));
    assert_int_equal(after, 20);
}

/* Sends one batch behind `after`, up to last; back as for uplink_read_done(). */
static void send(struct uplink *u, uint64_t after, uint64_t last, uint64_t back)
{
    uint64_t at, wait;
    uint32_t gen;

    assert_true(uplink_want_read(u, 0, &at, &gen, &wait));
    assert_int_equal(at, after);
    assert_true(uplink_read_done(u, gen, last, back));
}

static void what_the_hub_has_lost_goes_out_again(void **state)
{
    struct uplink u;
    uint64_t after, wait;
    uint32_t gen;

    (void)state;
    uplink_init(&u, 100, 4, 0);
    uplink_connected(&u);
    assert_false(uplink_rewind(&u, 101, 40)); /* nothing was sent that it could be about */
    send(&u, 100, 110, 80);
    send(&u, 110, 120, 80);
    assert_true(uplink_want_read(&u, 0, &after, &gen, &wait));
    assert_false(uplink_rewind(&u, 111, 40)); /* of the second: the first will be spoken of */
    assert_false(uplink_rewind(&u, 101, 100));
    assert_false(uplink_rewind(&u, 101, 120));
    assert_int_equal(u.acked_seq, 100);
    assert_true(uplink_rewind(&u, 101, 40));
    assert_int_equal(u.acked_seq, 40);
    assert_false(uplink_read_done(&u, gen, 130, 80)); /* read before: dropped */
    assert_false(uplink_rewind(&u, 111, 30));         /* of what was sent before */
    send(&u, 40, 60, 0);
    assert_int_equal(uplink_acked(&u), 60);
}

static void where_the_hub_knows_nothing_the_start_before_is_tried(void **state)
{
    struct uplink u;

    (void)state;
    uplink_init(&u, 100, 4, 0);
    uplink_connected(&u);
    send(&u, 100, 110, 80);
    assert_true(uplink_rewind(&u, 101, 0));
    send(&u, 80, 100, 30);
    assert_true(uplink_rewind(&u, 81, 0));
    send(&u, 30, 80, 90); /* nobody knows better: it never goes forward */
    assert_true(uplink_rewind(&u, 31, 0));
    send(&u, 0, 80, 0);
    assert_false(uplink_rewind(&u, 1, 0)); /* there is nothing before */
    assert_int_equal(uplink_acked(&u), 80);
}

static void the_rate_is_kept(void **state)
{
    struct uplink u;
    uint64_t after, wait, now = 1000000, sent = 0;
    uint32_t gen;

    (void)state;
    uplink_init(&u, 0, 64, 1000000);
    uplink_connected(&u);
    while (now < 11000000) {
        if (!uplink_want_read(&u, now, &after, &gen, &wait)) {
            assert_in_range(wait, 1, 100000);
            now += wait;
            continue;
        }
        assert_true(uplink_read_done(&u, gen, after + 10, 0));
        uplink_sent(&u, now, 50000);
        (void)uplink_acked(&u);
        sent += 50000;
    }
    /* 10 s at 1 MB/s, and what may go at once. */
    assert_in_range(sent, 10000000, 10300000);
}

static void a_hub_that_is_behind_is_noticed(void **state)
{
    struct uplink u;
    uint64_t after, wait;
    uint32_t gen;

    (void)state;
    uplink_init(&u, 0, 4, 0);
    assert_false(uplink_lags(&u, 100));
    assert_false(uplink_lags(&u, 200));
    assert_false(uplink_lags(&u, 300)); /* not connected */
    uplink_connected(&u);
    assert_true(uplink_lags(&u, 400));
    assert_true(uplink_want_read(&u, 0, &after, &gen, &wait));
    assert_true(uplink_read_done(&u, gen, 480, 0));
    assert_int_equal(uplink_acked(&u), 480);
    assert_false(uplink_lags(&u, 500)); /* it has what there was a second ago */
}

static void starts_again_behind_what_was_acknowledged(void **state)
{
    struct uplink u;
    uint64_t after, wait;
    uint32_t gen;

    (void)state;
    uplink_init(&u, 0, 8, 0);
    uplink_connected(&u);
    assert_true(uplink_want_read(&u, 0, &after, &gen, &wait));
    assert_true(uplink_read_done(&u, gen, 5, 0));
    assert_true(uplink_want_read(&u, 0, &after, &gen, &wait));
    uplink_disconnected(&u);
    uplink_connected(&u);
    assert_false(
        uplink_want_read(&u, 0, &after, &gen, &wait)); /* the old read is still under way */
    assert_false(uplink_read_done(&u, gen, 9, 0));     /* and its batch is dropped */
    assert_true(uplink_want_read(&u, 0, &after, &gen, &wait));
    assert_int_equal(after, 0);
    uplink_read_failed(&u);
    assert_false(uplink_want_read(&u, 0, &after, &gen, &wait));
    uplink_news(&u);
    assert_true(uplink_want_read(&u, 0, &after, &gen, &wait));
}

static void a_thousand_random_links(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 1000; seed++) {
        struct uplink u;
        uint64_t head = 0, hub = 0, acked = 0, after = 0, wait = 0, wire[UPLINK_WINDOW_MAX];
        unsigned on_wire = 0, window = 1 + seed % UPLINK_WINDOW_MAX;
        uint32_t gen = 0;
        bool reading = false;

        srand(seed);
        uplink_init(&u, 0, window, 0);
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
                    reading = uplink_want_read(&u, 0, &after, &gen, &wait);
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
                    } else if (uplink_read_done(&u, gen, last, 0)) {
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
    TEST(what_the_hub_has_lost_goes_out_again),
    TEST(where_the_hub_knows_nothing_the_start_before_is_tried), TEST(the_rate_is_kept),
    TEST(a_hub_that_is_behind_is_noticed), TEST(a_thousand_random_links))
