/* The log of a broker that publishes, drains and writes rounds, in bytes: it never outgrows its quota, and
 * never stays full. */
#include "mqtt/log_room.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#define MB UINT64_C(1000000)

/* A round writes what is live, and then only what came since the round before began stays. */
struct log {
    struct log_room room;
    struct log_size size;
    uint64_t live, begun, most, now_ms, rounds, refused;
};

static struct log log_of(uint64_t quota)
{
    return (struct log){ .room = log_room_init(quota, 32 * MB, &(struct log_size){ 0 }) };
}

static void write_more(struct log *l, uint64_t n)
{
    l->size.bytes += n;
    l->size.written += n;
    if (l->size.bytes > l->most)
        l->most = l->size.bytes;
}

static void round_of(struct log *l)
{
    uint64_t gone = l->begun;

    log_room_begin(&l->room, &l->size);
    l->begun = l->size.bytes - gone;
    write_more(l, l->live);
    log_room_end(&l->room, &l->size, l->now_ms);
    l->rounds++;
    l->size.bytes -= gone;
}

/* A second in which so much is wanted to be published, and so much of what is live goes with a record of a tenth. */
static void second(struct log *l, uint64_t published, uint64_t drained)
{
    int64_t left = log_room_look(&l->room, &l->size);
    uint64_t may = left <= 0 ? 0 : published < (uint64_t)left ? published : (uint64_t)left;

    if (drained > l->live)
        drained = l->live;
    l->now_ms += 1000;
    l->refused += published - may;
    l->size.published += may;
    l->live += may - drained;
    write_more(l, may + drained / 10);
    if (log_room_wants_round(&l->room, &l->size, l->now_ms))
        round_of(l);
}

static void never_more_than_its_quota(void **state)
{
    (void)state;
    for (uint64_t quota = 64 * MB; quota <= 4096 * MB; quota *= 4) {
        for (uint64_t rate = MB / 2; rate <= quota; rate *= 3) {
            struct log l = log_of(quota);

            for (int i = 0; i < 20000; i++)
                second(&l, rate, 0);
            assert_true(l.refused > 0);
            assert_true(l.most <= quota + MB);
            assert_true(l.live > quota / 4); /* and that much it holds */
        }
    }
}

static void what_was_drained_is_room_again(void **state)
{
    (void)state;
    for (uint64_t quota = 64 * MB; quota <= 4096 * MB; quota *= 4) {
        struct log l = log_of(quota);
        uint64_t refused;

        for (int i = 0; i < 2000; i++)
            second(&l, quota / 100, 0);
        l.live = 0; /* all of it has expired: no record says so */
        for (int i = 0; i < 25; i++)
            second(&l, 0, 0);
        refused = l.refused;
        second(&l, quota / 100, 0);
        assert_int_equal(l.refused, refused);
        for (int i = 0; i < 2000; i++)
            second(&l, quota / 100, quota / 100);
        assert_true(l.most <= quota + MB);
        assert_int_equal(l.refused, refused);
    }
}

/* While there is room a round comes when the log has grown by as much as there is, so that writing anew costs
 * each byte about once more. */
static void rounds_are_not_many(void **state)
{
    struct log l = log_of(4096 * MB);
    uint64_t written = 0;

    (void)state;
    for (int i = 0; i < 10000; i++, written += MB)
        second(&l, MB, l.live > 300 * MB ? MB : 0);
    assert_int_equal(l.refused, 0);
    assert_in_range(l.rounds, 10, written / (300 * MB) + 10);
}

/* A log that an earlier broker filled to its end. */
static void found_full(void **state)
{
    struct log l = { .size = { .bytes = 64 * MB }, .begun = 60 * MB };

    (void)state;
    l.room = log_room_init(64 * MB, 32 * MB, &l.size);
    assert_true(log_room_look(&l.room, &l.size) <= 0);
    second(&l, MB, 0);
    assert_int_equal(l.rounds, 1);
    second(&l, MB, 0);
    assert_int_equal(l.refused, MB);
}

/* A disk with less than the quota is the quota; once all is taken, the log is small again with nobody publishing. */
static void a_small_disk_is_the_quota(void **state)
{
    struct log l = log_of(1024 * MB);

    (void)state;
    l.size.disk = 48 * MB;
    l.size.reserve = 2 * MB;
    for (int i = 0; i < 1000; i++) {
        l.size.alive = l.live;
        second(&l, MB / 2, 0);
    }
    assert_true(l.refused > 0 && l.live > l.size.disk / 4);
    assert_true(l.most <= l.size.disk + MB);
    l.size.alive = l.live = 0;
    for (int i = 0; i < 15; i++)
        second(&l, 0, 0);
    assert_true(l.size.bytes < l.size.disk / 8);
    l.refused = l.rounds = 0;
    second(&l, MB, MB);
    assert_int_equal(l.refused, 0);
    for (int i = 0; i < 1000; i++)
        second(&l, 0, 0);
    assert_true(l.rounds <= 2); /* and not written again and again */
}

/* Others have filled the disk: a round that would not fit is not begun, so that it fits once enough is taken. */
static void a_round_begins_once_it_fits(void **state)
{
    struct log_size now = {
        .bytes = 30 * MB, .alive = 10 * MB, .disk = 28 * MB, .reserve = 8 * MB
    };
    struct log_room r = log_room_init(1024 * MB, 32 * MB, &now);

    (void)state;
    assert_true(log_room_look(&r, &now) <= 0);
    assert_false(log_room_wants_round(&r, &now, 100));
    now.alive = 5 * MB;
    assert_true(log_room_wants_round(&r, &now, 100));
    log_room_begin(&r, &now);
    log_room_fail(&r, 200);
    assert_false(log_room_wants_round(&r, &now, 300));
    assert_true(log_room_wants_round(&r, &now, 20000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_more_than_its_quota),
        cmocka_unit_test(what_was_drained_is_room_again),
        cmocka_unit_test(rounds_are_not_many),
        cmocka_unit_test(found_full),
        cmocka_unit_test(a_small_disk_is_the_quota),
        cmocka_unit_test(a_round_begins_once_it_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
